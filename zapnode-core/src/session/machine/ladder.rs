//! What is tried when a session loses its evidence, and in which order.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is wrong with a session that was ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The page answers, but WhatsApp cannot be reached.
    Unlinked,
    /// The page does not answer.
    Silent,
    /// The page is connected, and yet does not tell what arrives.
    Deaf,
    /// The page takes too much memory.
    Heavy,
    /// The page was loaded anew, by itself or by us.
    Reloaded,
}

/// A thing that is tried, from the gentlest to the harshest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The page connects to WhatsApp anew.
    Reconnect,
    /// The page is loaded anew.
    Reload,
    /// The browser is ended and started anew.
    Relaunch,
}

impl Step {
    /// The word on our wires: `reconnect`, `reload`, `relaunch`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reconnect => "reconnect",
            Self::Reload => "reload",
            Self::Relaunch => "relaunch",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The next step against a trouble after `tried` did not help or did not last.
pub fn next_step(trouble: Trouble, tried: Option<Step>) -> Step {
    match (trouble, tried) {
        (Trouble::Unlinked, None) => Step::Reconnect,
        // Asking something of a page that does not answer, or of one whose listeners are gone,
        // changes nothing.
        (Trouble::Silent | Trouble::Deaf | Trouble::Heavy, None) => Step::Reload,
        // A page that was just loaded and does not come up is not loaded once more.
        (Trouble::Reloaded, _) => Step::Relaunch,
        (_, Some(Step::Reconnect)) => Step::Reload,
        (_, Some(Step::Reload | Step::Relaunch)) => Step::Relaunch,
    }
}

/// What was tried since a session was last healthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// How often the page was asked to connect anew.
    pub reconnects: u32,
    /// How often it was loaded anew.
    pub reloads: u32,
    /// How often the browser was started anew.
    pub relaunches: u32,
}

impl Tried {
    /// Counts a step.
    pub(super) fn add(&mut self, step: Step) {
        match step {
            Step::Reconnect => self.reconnects += 1,
            Step::Reload => self.reloads += 1,
            Step::Relaunch => self.relaunches += 1,
        }
    }

    /// Each step with how often it was tried, in their order; those never tried are left out.
    pub fn list(&self) -> Vec<(Step, u32)> {
        [
            (Step::Reconnect, self.reconnects),
            (Step::Reload, self.reloads),
            (Step::Relaunch, self.relaunches),
        ]
        .into_iter()
        .filter(|(_, times)| *times > 0)
        .collect()
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self
            .list()
            .into_iter()
            .map(|(step, times)| format!("{step} {times}×"))
            .collect();
        f.write_str(&words.join(", "))
    }
}

/// The pause before launch `attempt` + 1: 1 s doubling to 5 min, 20 % either way. Ten of them
/// outlast a network that is away for some minutes.
pub fn relaunch_pause(attempt: u32, jitter: f64) -> Duration {
    spread(
        2f64.powi(attempt.saturating_sub(1).min(16) as i32)
            .min(300.0),
        jitter,
    )
}

/// `seconds`, 20 % either way.
pub(super) fn spread(seconds: f64, jitter: f64) -> Duration {
    Duration::from_secs_f64(seconds * (0.8 + 0.4 * jitter.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder() {
        use Step::{Reconnect, Relaunch, Reload};
        use Trouble::{Deaf, Heavy, Reloaded, Silent, Unlinked};
        for (trouble, tried, expected) in [
            (Unlinked, None, Reconnect),
            (Unlinked, Some(Reconnect), Reload),
            (Unlinked, Some(Reload), Relaunch),
            (Silent, None, Reload),
            (Silent, Some(Reconnect), Reload),
            (Silent, Some(Reload), Relaunch),
            (Deaf, None, Reload),
            (Deaf, Some(Reload), Relaunch),
            (Heavy, None, Reload),
            (Heavy, Some(Reload), Relaunch),
            (Reloaded, None, Relaunch),
            (Reloaded, Some(Reconnect), Relaunch),
            (Unlinked, Some(Relaunch), Relaunch),
        ] {
            assert_eq!(next_step(trouble, tried), expected, "{trouble:?} {tried:?}");
        }
    }

    #[test]
    fn what_was_tried_is_told_in_order() {
        let mut tried = Tried::default();
        assert_eq!(tried.to_string(), "");
        for step in [
            Step::Relaunch,
            Step::Reconnect,
            Step::Reload,
            Step::Reconnect,
        ] {
            tried.add(step);
        }
        assert_eq!(tried.to_string(), "reconnect 2×, reload 1×, relaunch 1×");
    }

    #[test]
    fn pauses_between_launches_double_up_to_five_minutes() {
        let seconds = |attempt| relaunch_pause(attempt, 0.5).as_secs();
        assert_eq!([1, 2, 9, 10, 99].map(seconds), [1, 2, 256, 300, 300]);
    }
}
