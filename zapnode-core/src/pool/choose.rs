//! Which of several sessions sends a message. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::session::handle::admits;
use crate::session::{SessionInfo, SessionState};

/// How one of several sessions is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The one that last exchanged messages with the recipient, so that a customer keeps talking to
    /// one number; somebody new always falls to the same one while the same are ready.
    #[default]
    Sticky,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest messages waiting to be sent.
    LeastLoaded,
}

impl Strategy {
    /// The word on our wires and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sticky => "sticky",
            Self::RoundRobin => "round-robin",
            Self::LeastLoaded => "least-loaded",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "sticky" => Some(Self::Sticky),
            "round-robin" => Some(Self::RoundRobin),
            "least-loaded" => Some(Self::LeastLoaded),
            _ => None,
        }
    }
}

/// Whether a session can take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fitness {
    /// It would refuse it.
    Unfit,
    /// It would take it and send it once it is back.
    ComingBack,
    /// It sends it now.
    Ready,
}

impl Fitness {
    /// How fit a session is.
    pub fn of(info: &SessionInfo) -> Self {
        match (&info.state, admits(info)) {
            (SessionState::Ready, _) => Self::Ready,
            (_, true) => Self::ComingBack,
            (_, false) => Self::Unfit,
        }
    }
}

/// A session that may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub id: SessionId,
    /// Whether it can take a message.
    pub fitness: Fitness,
    /// How many messages it has to send now.
    pub load: u64,
}

/// Chooses one of the candidates, in the order in which they were named; `None` when all are unfit.
///
/// Only ready ones are chosen where there are any. The exception is `last`, the one that last
/// exchanged messages with the recipient, under [`Strategy::Sticky`]: if it is only coming back it
/// gets the message all the same, which waits there, so that a hiccup does not move a customer to
/// another number. `turn` counts the choices made so far among the same sessions.
pub fn choose<'a>(
    strategy: Strategy,
    candidates: &'a [Candidate],
    recipient: &str,
    last: Option<&SessionId>,
    turn: u64,
) -> Option<&'a SessionId> {
    let best = candidates.iter().map(|c| c.fitness).max()?;
    if best == Fitness::Unfit {
        return None;
    }
    let fit: Vec<_> = candidates.iter().filter(|c| c.fitness == best).collect();
    let chosen = match strategy {
        Strategy::Sticky => {
            let known = candidates
                .iter()
                .find(|c| Some(&c.id) == last && c.fitness != Fitness::Unfit);
            known.or_else(|| {
                // Rendezvous hashing: when one comes or goes, only its own people move.
                let weight = |c: &Candidate| (hash(&[recipient, c.id.as_str()]), c.id.clone());
                fit.iter().copied().max_by_key(|c| weight(c))
            })
        }
        Strategy::RoundRobin => nth(&fit, turn),
        Strategy::LeastLoaded => {
            let least = fit.iter().map(|c| c.load).min()?;
            let idle: Vec<_> = fit.into_iter().filter(|c| c.load == least).collect();
            nth(&idle, turn)
        }
    };
    chosen.map(|c| &c.id)
}

fn nth<'a>(candidates: &[&'a Candidate], turn: u64) -> Option<&'a Candidate> {
    let count = u64::try_from(candidates.len()).ok()?;
    let index = usize::try_from(turn.checked_rem(count)?).ok()?;
    candidates.get(index).copied()
}

/// The same in every run: what it decides is kept only until there is a history, and a new compiler
/// may change it then.
fn hash(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Fitness::{ComingBack, Ready, Unfit};
    use std::collections::BTreeMap;

    fn id(name: &str) -> SessionId {
        SessionId::new(name).expect("an id")
    }

    fn candidates(all: &[(&str, Fitness, u64)]) -> Vec<Candidate> {
        let all = all.iter();
        all.map(|(name, fitness, load)| Candidate {
            id: id(name),
            fitness: *fitness,
            load: *load,
        })
        .collect()
    }

    fn chosen(
        strategy: Strategy,
        all: &[(&str, Fitness, u64)],
        last: Option<&str>,
        turn: u64,
    ) -> Option<String> {
        let last = last.map(id);
        let all = candidates(all);
        choose(strategy, &all, "5511900000001", last.as_ref(), turn).map(ToString::to_string)
    }

    #[test]
    fn a_customer_stays_where_they_talked_last() {
        let all = |a, b, c| [("a", a, 0), ("b", b, 0), ("c", c, 0)];
        for (sessions, last, expected) in [
            (all(Ready, Ready, Ready), "b", Some("b")),
            // Only back in a moment: the customer keeps the number.
            (all(Ready, ComingBack, Ready), "b", Some("b")),
            (all(Unfit, ComingBack, Unfit), "b", Some("b")),
            // Gone: somebody else takes over.
            (all(Ready, Unfit, Unfit), "b", Some("a")),
            (all(Unfit, Unfit, ComingBack), "b", Some("c")),
            (all(Unfit, Ready, Unfit), "elsewhere", Some("b")),
            (all(Unfit, Unfit, Unfit), "b", None),
        ] {
            let found = chosen(Strategy::Sticky, &sessions, Some(last), 3);
            assert_eq!(found.as_deref(), expected, "{sessions:?}");
        }
    }

    #[test]
    fn somebody_new_always_falls_to_the_same_and_all_get_their_share() {
        let all = candidates(&[("a", Ready, 0), ("b", Ready, 0), ("c", Ready, 0)]);
        let without_b = candidates(&[("c", Ready, 0), ("b", Unfit, 0), ("a", Ready, 0)]);
        let mut shares: BTreeMap<String, usize> = BTreeMap::new();
        for n in 0..3000 {
            let to = format!("55119{n:08}");
            let of = |all: &[Candidate], turn| {
                let chosen = choose(Strategy::Sticky, all, &to, None, turn);
                chosen.expect("one").to_string()
            };
            let first = of(&all, 0);
            assert_eq!(first, of(&all, n), "the turn does not matter");
            if first != "b" {
                assert_eq!(first, of(&without_b, n), "only b's people move");
            }
            *shares.entry(first).or_default() += 1;
        }
        assert!(
            shares.values().all(|n| (850..1150).contains(n)),
            "{shares:?}"
        );
    }

    #[test]
    fn turns_go_round_those_that_are_ready() {
        let all = [
            ("a", Ready, 0),
            ("b", ComingBack, 0),
            ("c", Ready, 0),
            ("d", Unfit, 0),
        ];
        let turns = (0..4).map(|turn| chosen(Strategy::RoundRobin, &all, Some("b"), turn));
        let turns: Vec<_> = turns.flatten().collect();
        assert_eq!(turns, ["a", "c", "a", "c"]);
        let down = [("a", Unfit, 0), ("b", ComingBack, 0)];
        assert_eq!(
            chosen(Strategy::RoundRobin, &down, None, 7).as_deref(),
            Some("b")
        );
        assert_eq!(
            chosen(Strategy::RoundRobin, &[("a", Unfit, 0)], None, 0),
            None
        );
        assert_eq!(chosen(Strategy::RoundRobin, &[], None, 0), None);
    }

    #[test]
    fn the_least_loaded_is_chosen_and_equals_take_turns() {
        let all = [
            ("a", Ready, 5),
            ("b", Ready, 2),
            ("c", Ready, 2),
            ("d", ComingBack, 0),
        ];
        let turns = (0..3).map(|turn| chosen(Strategy::LeastLoaded, &all, Some("a"), turn));
        let turns: Vec<_> = turns.flatten().collect();
        assert_eq!(turns, ["b", "c", "b"]);
    }

    #[test]
    fn every_word_reads_back() {
        for strategy in [
            Strategy::Sticky,
            Strategy::RoundRobin,
            Strategy::LeastLoaded,
        ] {
            assert_eq!(Strategy::from_word(strategy.as_str()), Some(strategy));
        }
        assert_eq!(Strategy::from_word("random"), None);
    }
}
