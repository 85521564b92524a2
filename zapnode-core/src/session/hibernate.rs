//! When a session sleeps and when it wakes. Pure.

use std::time::Duration;

use crate::options::Care;
use crate::outbox::Load;

/// How long before a message is due its session is woken: Chrome and the page need some seconds.
pub const AHEAD: Duration = Duration::from_secs(20);

/// How long a session that was woken on schedule stays up while nothing comes.
pub const LOOK: Duration = Duration::from_secs(60);

/// What a session is doing, as far as sleep is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It is ready.
    Ready {
        /// Since it was last used: something sent, something received.
        quiet: Duration,
        /// It was woken on schedule, and was not used since.
        looking: bool,
    },
    /// It is asleep.
    Asleep {
        /// For how long.
        since: Duration,
    },
    /// Anything else: it is let be.
    Else,
}

/// What is best now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Go on, until something changes.
    Nothing,
    /// Ask again after this, or when something changes.
    Again(Duration),
    /// Sleep.
    Sleep,
    /// Wake, and why.
    Wake {
        /// In words.
        why: &'static str,
        /// Only to see whether something came.
        look: bool,
    },
}

/// Says what is best. `due` is how long it is until the next scheduled message.
pub fn advise(care: &Care, doing: Doing, load: &Load, due: Option<Duration>) -> Advice {
    let soon = due.is_some_and(|due| due <= AHEAD);
    match doing {
        Doing::Else => Advice::Nothing,
        Doing::Asleep { since } => {
            let wake = |why| Advice::Wake { why, look: false };
            if load.waiting > 0 {
                return wake("a message waits to be sent");
            }
            if soon {
                return wake("a scheduled message is due");
            }
            if care.hibernate_after().is_none() {
                return wake("it is not to hibernate any more");
            }
            let look = care.wake_every().map(|every| every.saturating_sub(since));
            if look.is_some_and(|left| left.is_zero()) {
                return Advice::Wake {
                    why: "it looks for messages from time to time",
                    look: true,
                };
            }
            let due = due.map(|due| due - AHEAD);
            match look.into_iter().chain(due).min() {
                Some(left) => Advice::Again(left),
                None => Advice::Nothing,
            }
        }
        Doing::Ready { quiet, looking } => {
            let Some(after) = care.hibernate_after() else {
                return Advice::Nothing;
            };
            if load.waiting > 0 {
                return Advice::Nothing;
            }
            if due.is_some_and(|due| due <= 2 * AHEAD) {
                // It would be woken again before it is asleep.
                return Advice::Again(AHEAD);
            }
            let limit = if looking { after.min(LOOK) } else { after };
            match limit.checked_sub(quiet) {
                Some(left) if !left.is_zero() => Advice::Again(left),
                _ => Advice::Sleep,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn care(after: u64, every: u64) -> Care {
        Care {
            hibernate_after: Some(after),
            wake_every: Some(every),
            ..Care::default()
        }
    }

    fn load(waiting: usize) -> Load {
        Load { waiting, due: None }
    }

    #[test]
    fn a_ready_session_sleeps_when_it_was_quiet_for_long_enough() {
        let ready = |quiet, looking| Doing::Ready {
            quiet: s(quiet),
            looking,
        };
        let none = load(0);
        for (care, doing, load, due, expected) in [
            (
                Care::default(),
                ready(9999, false),
                none,
                None,
                Advice::Nothing,
            ),
            (care(0, 0), ready(9999, false), none, None, Advice::Nothing),
            (
                care(600, 0),
                ready(0, false),
                none,
                None,
                Advice::Again(s(600)),
            ),
            (
                care(600, 0),
                ready(599, false),
                none,
                None,
                Advice::Again(s(1)),
            ),
            (care(600, 0), ready(600, false), none, None, Advice::Sleep),
            // Something is to be done.
            (
                care(600, 0),
                ready(700, false),
                load(1),
                None,
                Advice::Nothing,
            ),
            (
                care(600, 0),
                ready(700, false),
                none,
                Some(s(30)),
                Advice::Again(AHEAD),
            ),
            (
                care(600, 0),
                ready(700, false),
                none,
                Some(s(41)),
                Advice::Sleep,
            ),
            // Woken only to look.
            (care(600, 900), ready(60, true), none, None, Advice::Sleep),
            (care(30, 900), ready(30, true), none, None, Advice::Sleep),
            (
                care(600, 900),
                ready(20, true),
                none,
                None,
                Advice::Again(s(40)),
            ),
        ] {
            assert_eq!(
                advise(&care, doing, &load, due),
                expected,
                "{care:?} {doing:?}"
            );
        }
    }

    #[test]
    fn a_sleeping_session_wakes_when_it_is_needed() {
        let asleep = |since| Doing::Asleep { since: s(since) };
        let wake = |advice| match advice {
            Advice::Wake { look, .. } => Some(look),
            _ => None,
        };
        let none = load(0);
        let plain = care(600, 0);
        assert_eq!(advise(&plain, asleep(9999), &none, None), Advice::Nothing);
        assert_eq!(wake(advise(&plain, asleep(1), &load(1), None)), Some(false));
        assert_eq!(
            wake(advise(&plain, asleep(1), &none, Some(AHEAD))),
            Some(false)
        );
        let later = advise(&plain, asleep(1), &none, Some(s(100)));
        assert_eq!(later, Advice::Again(s(80)));
        let often = care(600, 900);
        assert_eq!(
            advise(&often, asleep(1), &none, None),
            Advice::Again(s(899))
        );
        assert_eq!(wake(advise(&often, asleep(900), &none, None)), Some(true));
        let both = advise(&often, asleep(800), &none, Some(s(50)));
        assert_eq!(both, Advice::Again(s(30)));
        // Turned off while it slept.
        assert_eq!(
            wake(advise(&Care::default(), asleep(1), &none, None)),
            Some(false)
        );
        let off = advise(&Care::default(), Doing::Else, &load(1), None);
        assert_eq!(off, Advice::Nothing);
    }
}
