//! What is going to happen, drawn from the seed before anything does.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::{CHATS, CLIENTS, Machine, Options, SESSIONS};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The daemon is killed and started again.
    Daemon,
    /// A session's Chrome is killed.
    Chrome,
    /// The page's own process is killed: Chrome says "Aw, Snap!".
    Tab,
    /// The page loads itself anew.
    Reload,
    /// Every page loses its socket, and gets no other for a while.
    Cut,
    /// The servers answer nothing at all for a while; some pages reload into that.
    Silence,
    /// The page behaves as in fact sheet App. B 7: send results late, never or `ERROR_NETWORK`, a
    /// promise of the pair, acks shuffled or repeated.
    Switches,
    /// All processes of a session's Chrome stand still.
    Freeze,
    /// The disk with the store is full for a while.
    Disk,
    /// The daemon's clock jumps, and later jumps back.
    Clock,
}

impl Kind {
    /// All, with how often each is drawn in a hundred.
    const SHARES: [(Self, usize); 10] = [
        (Self::Daemon, 13),
        (Self::Chrome, 16),
        (Self::Tab, 14),
        (Self::Reload, 19),
        (Self::Cut, 10),
        (Self::Silence, 6),
        (Self::Switches, 11),
        // Three at most: each takes a minute.
        (Self::Freeze, 1),
        (Self::Disk, 5),
        (Self::Clock, 5),
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Daemon => "daemon killed",
            Self::Chrome => "chrome killed",
            Self::Tab => "tab crashed",
            Self::Reload => "page reloaded",
            Self::Cut => "network cut",
            Self::Silence => "network silent",
            Self::Switches => "sends misbehave",
            Self::Freeze => "chrome stopped",
            Self::Disk => "disk full",
            Self::Clock => "clock jumped",
        }
    }

    /// Whether it lasts a while, so that messages can be sent into it.
    pub fn lasts(self) -> bool {
        use Kind::{Clock, Cut, Disk, Freeze, Silence, Switches};
        matches!(self, Cut | Silence | Switches | Freeze | Disk | Clock)
    }

    /// Whether it hits one session rather than all.
    pub fn is_of_one_session(self) -> bool {
        matches!(self, Self::Chrome | Self::Tab | Self::Reload | Self::Freeze)
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub struct Blow {
    /// What is broken.
    pub kind: Kind,
    /// Whose, where it is one session's.
    pub session: usize,
    /// How many sends are let through with it: right before, or half of them right after where it
    /// lasts.
    pub sends: usize,
    /// How long after the first of them it falls.
    pub moment: Duration,
    /// How long it lasts, where it does.
    pub lasts: Duration,
    /// Whether whoever is hit may recover from the last blow first.
    pub waits: bool,
    /// Decides the rest, as which switches are turned.
    pub dice: u64,
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.words())?;
        if self.kind.is_of_one_session() {
            write!(f, " (s{})", self.session)?;
        }
        if !self.waits {
            f.write_str(" without waiting for the last recovery")?;
        }
        write!(f, ", {} sends and {:?}", self.sends, self.moment)
    }
}

/// What a client does besides sending a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// Nothing.
    None,
    /// It sends the same once more under the same key.
    Again,
    /// It sends another text under the same key, which is to be refused.
    OtherText,
    /// The text is longer than WhatsApp allows, so it is to be refused.
    TooLong,
}

/// One send.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its place in the plan, which makes its text and its key.
    pub n: usize,
    /// Who sends.
    pub client: usize,
    /// Through which session.
    pub session: usize,
    /// To which of the client's chats there.
    pub chat: usize,
    /// What else happens.
    pub twist: Twist,
    /// Whether the client wants to hear of WhatsApp's tick, or only that it is accepted.
    pub until_sent: bool,
    /// Whether the client gives up when there is no room for its message.
    pub gives_up: bool,
}

impl Request {
    /// Who gets it: an even number for the first chat and an odd one for the second, so that one is
    /// addressed by number and one by LID.
    pub fn to(&self) -> String {
        format!("5511912340{}{}{}", self.session, self.client, self.chat)
    }

    /// What it says, which nobody else says.
    pub fn text(&self) -> String {
        let text = format!("c{} s{} nº {}", self.client, self.session, self.n);
        match self.twist {
            Twist::TooLong => format!("{text}{}", "!".repeat(70_000)),
            _ => text,
        }
    }
}

/// Everything that was drawn.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In their order.
    pub blows: Vec<Blow>,
    /// In the order in which they are let through.
    pub requests: Vec<Request>,
    /// What this machine cannot break, and why.
    pub left_out: Vec<(Kind, &'static str)>,
}

impl Plan {
    /// Draws it.
    pub fn draw(options: &Options, machine: &Machine) -> Self {
        let mut left_out = Vec::new();
        if machine.disk.is_none() {
            left_out.push((Kind::Disk, "mounting a small disk is not allowed here"));
        }
        if machine.clock.is_none() {
            left_out.push((Kind::Clock, "libfaketime is not installed"));
        }
        let possible = |kind: &Kind| left_out.iter().all(|(out, _)| out != kind);
        let mut rng = Rng::with_seed(options.seed);
        let blows = draw_blows(&mut rng, options, possible);
        let requests = (0..options.sends).map(|n| draw_request(&mut rng, n));
        let requests = requests.collect();
        Self {
            blows,
            requests,
            left_out,
        }
    }

    /// How often each kind is in it.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        let mut counts = BTreeMap::new();
        for blow in &self.blows {
            *counts.entry(blow.kind).or_default() += 1;
        }
        counts
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sends", self.requests.len())?;
        for (kind, count) in self.counts() {
            write!(f, ", {} {count}", kind.words())?;
        }
        for (kind, why) in &self.left_out {
            write!(f, "; without \"{}\": {why}", kind.words())?;
        }
        Ok(())
    }
}

/// A deck with each kind's share, at least one of each, shuffled.
fn draw_blows(rng: &mut Rng, options: &Options, possible: impl Fn(&Kind) -> bool) -> Vec<Blow> {
    let all = Kind::SHARES.into_iter();
    let shares: Vec<_> = all.filter(|(kind, _)| possible(kind)).collect();
    let whole: usize = shares.iter().map(|(_, share)| share).sum();
    let mut deck = Vec::new();
    for (kind, share) in &shares {
        let count = (options.faults * share / whole).max(1);
        let most = if *kind == Kind::Freeze { 3 } else { count };
        deck.extend(std::iter::repeat_n(*kind, count.min(most)));
    }
    // What rounding left over.
    let rest = options.faults.saturating_sub(deck.len());
    let usual = [Kind::Chrome, Kind::Daemon, Kind::Reload, Kind::Tab];
    deck.extend(usual.iter().cycle().take(rest));
    rng.shuffle(&mut deck);
    let blows = deck.len();
    let mut sent = 0;
    let mut draw = |(n, kind): (usize, Kind)| {
        // In bursts, and all of them by the last blow.
        let due = (options.sends * (n + 1) / blows).saturating_sub(sent);
        let sends = if rng.bool() && n + 1 < blows { 0 } else { due };
        sent += sends;
        // A message takes some tens of milliseconds from the call to the phone: most blows fall into
        // that, some when all is quiet again.
        let within = if rng.u8(0..3) == 0 { 700 } else { 60 };
        Blow {
            kind,
            session: rng.usize(0..SESSIONS),
            sends,
            moment: Duration::from_millis(rng.u64(0..within)),
            lasts: match kind {
                Kind::Freeze => options.freeze,
                Kind::Clock => Duration::from_millis(rng.u64(2_000..6_000)),
                _ => Duration::from_millis(rng.u64(300..6_000)),
            },
            waits: rng.u8(0..4) != 0,
            dice: rng.u64(..),
        }
    };
    deck.into_iter().enumerate().map(&mut draw).collect()
}

fn draw_request(rng: &mut Rng, n: usize) -> Request {
    Request {
        n,
        client: rng.usize(0..CLIENTS),
        session: rng.usize(0..SESSIONS),
        chat: rng.usize(0..CHATS),
        twist: match rng.u8(0..100) {
            0..15 => Twist::Again,
            15..21 => Twist::OtherText,
            21..24 => Twist::TooLong,
            _ => Twist::None,
        },
        until_sent: rng.u8(0..10) < 3,
        gives_up: rng.bool(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing_special() -> Machine {
        Machine {
            disk: None,
            clock: None,
        }
    }

    fn options(seed: u64, faults: usize, sends: usize) -> Options {
        Options {
            seed,
            faults,
            sends,
            freeze: Duration::from_secs(60),
            aloud: false,
            log: None,
        }
    }

    #[test]
    fn the_same_seed_draws_the_same_plan() {
        let draw = |seed| Plan::draw(&options(seed, 200, 500), &nothing_special());
        assert_eq!(format!("{:?}", draw(7)), format!("{:?}", draw(7)));
        assert_ne!(format!("{:?}", draw(7)), format!("{:?}", draw(8)));
    }

    #[test]
    fn a_full_plan_has_everything_it_promises() {
        for seed in 0..50 {
            let plan = Plan::draw(&options(seed, 200, 500), &nothing_special());
            assert!(plan.blows.len() >= 200);
            assert_eq!(plan.requests.len(), 500);
            let let_through: usize = plan.blows.iter().map(|blow| blow.sends).sum();
            assert_eq!(let_through, 500, "all sends are among the faults");
            let counts = plan.counts();
            assert!((1..=3).contains(&counts[&Kind::Freeze]), "{counts:?}");
            assert_eq!(counts.len(), 8, "{counts:?}");
        }
    }
}
