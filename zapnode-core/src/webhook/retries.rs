//! How long to wait after a failure, and when to give up. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// No pause is longer, whatever the policy.
pub const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// The most attempts that can be asked for.
pub const MOST_ATTEMPTS: u32 = 100;

/// How pauses grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RetryPolicy {
    /// Always the same.
    Constant,
    /// Once, twice, three times the first, up to 60 s.
    Linear,
    /// Doubling, up to 60 s.
    Exponential,
}

impl RetryPolicy {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Exponential => "exponential",
        }
    }
}

/// What is done about failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retries {
    /// How pauses grow.
    pub policy: RetryPolicy,
    /// The first pause, in milliseconds, 0 to 60,000 (a constant one: up to an hour).
    pub delay_ms: u64,
    /// How many attempts an event gets before it is given up, 1 to 100.
    pub attempts: u32,
}

impl Default for Retries {
    /// 1 s doubling to 60 s, 15 attempts: about nine minutes.
    fn default() -> Self {
        Self {
            policy: RetryPolicy::Exponential,
            delay_ms: 1000,
            attempts: 15,
        }
    }
}

/// Retries that are not possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidRetries {
    /// The pause.
    #[error("retries.delaySeconds must be 0 to 60, or up to 3600 with the policy constant")]
    Delay,
    /// The attempts.
    #[error("retries.attempts must be 1 to {MOST_ATTEMPTS}")]
    Attempts,
}

impl Retries {
    /// Says what is wrong with them.
    ///
    /// # Errors
    /// See [`InvalidRetries`].
    pub fn check(&self) -> Result<(), InvalidRetries> {
        let longest = match self.policy {
            RetryPolicy::Constant => 3_600_000,
            _ => 60_000,
        };
        if self.delay_ms > longest {
            return Err(InvalidRetries::Delay);
        }
        if !(1..=MOST_ATTEMPTS).contains(&self.attempts) {
            return Err(InvalidRetries::Attempts);
        }
        Ok(())
    }

    /// The pause after the `failures`th failure in a row (from 1 on). `chance`, from 0 to 1, moves
    /// it by up to a fifth either way, so that those who failed together do not come back together.
    pub fn pause(&self, failures: u32, chance: f64) -> Duration {
        let first = Duration::from_millis(self.delay_ms);
        let nth = failures.max(1);
        let even = match self.policy {
            RetryPolicy::Constant => first,
            RetryPolicy::Linear => first.saturating_mul(nth).min(LONGEST_DELAY),
            RetryPolicy::Exponential => first
                .saturating_mul(1 << (nth - 1).min(16))
                .min(LONGEST_DELAY),
        };
        even.mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retries(policy: RetryPolicy, delay_ms: u64) -> Retries {
        Retries {
            policy,
            delay_ms,
            attempts: 15,
        }
    }

    #[test]
    fn pauses_by_policy() {
        use RetryPolicy::*;
        let table: [(RetryPolicy, u64, &[u64]); 5] = [
            (Exponential, 1000, &[1, 2, 4, 8, 16, 32, 60, 60, 60]),
            (Linear, 10_000, &[10, 20, 30, 40, 50, 60, 60]),
            (Constant, 2000, &[2, 2, 2, 2]),
            (Constant, 600_000, &[600, 600]),
            (Exponential, 0, &[0, 0, 0]),
        ];
        for (policy, delay, seconds) in table {
            for (index, expected) in seconds.iter().enumerate() {
                let failures = u32::try_from(index).expect("few") + 1;
                let pause = retries(policy, delay).pause(failures, 0.5);
                assert_eq!(
                    pause.as_millis(),
                    u128::from(*expected) * 1000,
                    "{policy:?} {failures}"
                );
            }
        }
        let far = Retries::default().pause(u32::MAX, 0.5);
        assert_eq!(far, LONGEST_DELAY);
        assert_eq!(Retries::default().pause(0, 0.5), Duration::from_secs(1));
    }

    #[test]
    fn chance_moves_a_pause_by_a_fifth() {
        let r = Retries::default();
        assert_eq!(r.pause(1, 0.0), Duration::from_millis(800));
        assert_eq!(r.pause(1, 1.0), Duration::from_millis(1200));
        assert_eq!(r.pause(7, 1.0), Duration::from_secs(72));
        assert_eq!(r.pause(1, 7.0), r.pause(1, 1.0));
    }

    #[test]
    fn what_cannot_be_asked_for() {
        use RetryPolicy::*;
        let table = [
            (Exponential, 60_000, 15, Ok(())),
            (Exponential, 60_001, 15, Err(InvalidRetries::Delay)),
            (Linear, 60_001, 15, Err(InvalidRetries::Delay)),
            (Constant, 3_600_000, 1, Ok(())),
            (Constant, 3_600_001, 1, Err(InvalidRetries::Delay)),
            (Constant, 0, 0, Err(InvalidRetries::Attempts)),
            (Constant, 0, 100, Ok(())),
            (Constant, 0, 101, Err(InvalidRetries::Attempts)),
        ];
        for (policy, delay_ms, attempts, expected) in table {
            let retries = Retries {
                policy,
                delay_ms,
                attempts,
            };
            assert_eq!(retries.check(), expected, "{retries:?}");
        }
    }
}
