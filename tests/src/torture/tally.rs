//! What is told at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::stage::Recovery;
use super::{CLIENTS, Kind, Options, Plan, SESSIONS};

/// So many violations are written out.
const TOLD: usize = 20;

/// The figures of a run.
#[derive(Clone, Debug)]
pub struct Tally {
    seed: u64,
    /// How long all of it took.
    pub took: Duration,
    faults: BTreeMap<Kind, usize>,
    left_out: Vec<(Kind, &'static str)>,
    /// Sends that were accepted.
    pub accepted: usize,
    /// Sends that were refused for good.
    pub refused: usize,
    /// How often a client had to ask again.
    pub repeats: usize,
    /// How often each code was the answer.
    pub refusals: BTreeMap<String, usize>,
    /// How often WhatsApp was given a message that it had under the same id; the phone keeps one.
    pub handed_again: usize,
    /// Accepted messages that are on no phone.
    pub losses: usize,
    /// Messages that are on a phone twice.
    pub duplicates: usize,
    /// Messages on a phone that nobody was told were accepted.
    pub ghosts: usize,
    /// Chats that are out of order.
    pub disorders: usize,
    pub(super) recoveries: Vec<(Kind, usize, Recovery)>,
    /// Everything that should not be.
    pub violations: Vec<String>,
}

impl Tally {
    pub(super) fn new(options: &Options, plan: &Plan) -> Self {
        Self {
            seed: options.seed,
            took: Duration::ZERO,
            faults: plan.counts(),
            left_out: plan.left_out.clone(),
            accepted: 0,
            refused: 0,
            repeats: 0,
            refusals: BTreeMap::new(),
            handed_again: 0,
            losses: 0,
            duplicates: 0,
            ghosts: 0,
            disorders: 0,
            recoveries: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// Whether nothing went wrong that must not.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.stuck().next().is_none()
    }

    fn stuck(&self) -> impl Iterator<Item = String> {
        self.recoveries.iter().filter_map(|(kind, session, how)| {
            let Recovery::Stuck(why) = how else {
                return None;
            };
            Some(format!("s{session} after \"{}\": {why}", kind.words()))
        })
    }

    fn times(&self, kind: Kind) -> (Vec<Duration>, usize) {
        let mut times = Vec::new();
        let mut unnoticed = 0;
        for (of, _, how) in &self.recoveries {
            match how {
                Recovery::Ready(time) if *of == kind => times.push(*time),
                Recovery::Unnoticed if *of == kind => unnoticed += 1,
                _ => {}
            }
        }
        times.sort_unstable();
        (times, unnoticed)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: usize = self.faults.values().sum();
        let (sends, took) = (self.accepted + self.refused, self.took.as_secs());
        writeln!(
            f,
            "seed {}: {faults} faults, {sends} sends by {CLIENTS} clients on {SESSIONS} sessions, in {} min {:02} s",
            self.seed,
            took / 60,
            took % 60
        )?;
        for (kind, count) in &self.faults {
            let (times, unnoticed) = self.times(*kind);
            write!(f, "  {:<16}{count:>4}", kind.words())?;
            if let (Some(last), half) = (times.last(), times.len() / 2) {
                let (half, last) = (times[half].as_secs_f64(), last.as_secs_f64());
                let ready = times.len();
                write!(
                    f,
                    "   ready again {ready:>3}: p50 {half:.1} s, max {last:.1} s"
                )?;
            }
            if unnoticed > 0 {
                write!(f, "   ready throughout: {unnoticed}")?;
            }
            writeln!(f)?;
        }
        for (kind, why) in &self.left_out {
            writeln!(f, "  {:<16}   –   left out: {why}", kind.words())?;
        }
        writeln!(
            f,
            "  sends: {} accepted, {} refused; {} calls repeated; answers that refused: {:?}",
            self.accepted, self.refused, self.repeats, self.refusals
        )?;
        writeln!(
            f,
            "  phones: {} lost, {} twice, {} of the refused, {} chats out of order; {} handed over again under the same id",
            self.losses, self.duplicates, self.ghosts, self.disorders, self.handed_again
        )?;
        let stuck: Vec<_> = self.stuck().collect();
        writeln!(
            f,
            "  sessions that did not come back by themselves: {}",
            stuck.len()
        )?;
        let all = self.violations.iter().cloned().chain(stuck);
        for violation in all.take(TOLD) {
            writeln!(f, "  ! {violation}")?;
        }
        f.write_str(if self.is_clean() {
            "  clean"
        } else {
            "  NOT clean"
        })
    }
}
