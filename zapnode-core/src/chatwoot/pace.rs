//! How quickly Chatwoot is called: under its own limits, so that its refusals are the exception.
//!
//! It counts calls of one address: 3000 in a minute, and 100 contact searches (its
//! `config/initializers/rack_attack.rb`). Other programs behind our address count too, so we stay
//! well below.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// All calls: 2400 a minute, 100 at once.
const CALLS: Rate = Rate {
    every: Duration::from_millis(25),
    at_once: 100,
};

/// Contact searches: 75 a minute, 15 at once.
const SEARCHES: Rate = Rate {
    every: Duration::from_millis(800),
    at_once: 15,
};

/// So many in a time, of which some may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    every: Duration,
    at_once: u32,
}

impl Rate {
    /// How long one more has to wait, and what `free` is after it. `free`: when the one before it
    /// would have been due if all had come evenly.
    fn next(self, free: Instant, now: Instant) -> (Duration, Instant) {
        let ahead = self.every * self.at_once.saturating_sub(1);
        let due = free.max(now);
        let wait = due.saturating_duration_since(now).saturating_sub(ahead);
        (wait, due + self.every)
    }
}

/// The paces at which one Chatwoot is called, by all bridges to it together.
#[derive(Debug)]
pub struct Paces {
    calls: Mutex<Instant>,
    searches: Mutex<Instant>,
}

impl Default for Paces {
    fn default() -> Self {
        let now = Instant::now();
        Self {
            calls: Mutex::new(now),
            searches: Mutex::new(now),
        }
    }
}

impl Paces {
    /// Takes a place for a call: how long it has to wait.
    pub(super) fn call(&self) -> Duration {
        take(&self.calls, CALLS)
    }

    /// Takes a place for a contact search, which is a call besides.
    pub(super) fn search(&self) -> Duration {
        take(&self.searches, SEARCHES)
    }
}

fn take(free: &Mutex<Instant>, rate: Rate) -> Duration {
    let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
    let (wait, next) = rate.next(*free, Instant::now());
    *free = next;
    wait
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of an endless row of calls begin within a minute.
    fn in_a_minute(rate: Rate) -> usize {
        let begin = Instant::now();
        let minute = begin + Duration::from_secs(60);
        let (mut free, mut now, mut calls) = (begin, begin, 0);
        while now < minute {
            let (wait, next) = rate.next(free, now);
            (free, now) = (next, now + wait);
            calls += 1;
        }
        calls
    }

    #[test]
    fn a_minute_holds_fewer_than_chatwoot_allows() {
        assert!((2000..3000).contains(&in_a_minute(CALLS)));
        assert!((70..100).contains(&in_a_minute(SEARCHES)));
    }

    #[test]
    fn some_at_once_then_evenly_and_a_rest_gives_them_back() {
        let rate = Rate {
            every: Duration::from_secs(1),
            at_once: 3,
        };
        let begin = Instant::now();
        let mut free = begin;
        let mut waits = vec![];
        for _ in 0..5 {
            let (wait, next) = rate.next(free, begin);
            free = next;
            waits.push(wait.as_secs());
        }
        assert_eq!(waits, [0, 0, 0, 1, 2]);
        let (wait, _) = rate.next(free, begin + Duration::from_secs(60));
        assert_eq!(wait, Duration::ZERO);
    }
}
