//! What a session takes of the machine, and what is done when that is too much. Pure.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::status::{Reason, ReasonCode};
use crate::driver::Resources;
use crate::options::Care;

/// How often it is looked at. One look costs some milliseconds.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(30);

/// How long nobody may have used a session before its page is loaded anew for its memory.
const QUIET: Duration = Duration::from_secs(60);

/// So many looks in a row must be over a limit: a page that is busy for a moment is no reason.
const IN_A_ROW: u32 = 2;

/// At least so long between two remedies; doubled each time one did not help.
const BETWEEN: Duration = Duration::from_secs(10 * 60);
const BETWEEN_AT_MOST: Duration = Duration::from_secs(8 * 3600);

/// What a session takes, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Memory of all its processes, in MB of 2^20 bytes. What they share with each other counts
    /// once, where the system tells (Linux).
    pub memory_mb: u32,
    /// Of one processor, since the look before; over 100 where several were busy.
    pub cpu_percent: u32,
    /// How many processes.
    pub processes: u32,
    /// When it was looked at.
    pub sampled_at: OffsetDateTime,
}

/// Makes a usage of two looks that lie `between` apart.
pub(crate) fn usage(
    now: &Resources,
    before: Option<(&Resources, Duration)>,
    at: OffsetDateTime,
) -> Usage {
    let percent = before.map_or(0.0, |(before, between)| {
        // Processes that ended meanwhile take their share along.
        let spent = now.processor_time.saturating_sub(before.processor_time);
        spent.as_secs_f64() * 100.0 / between.as_secs_f64().max(0.001)
    });
    Usage {
        memory_mb: u32::try_from(now.memory_bytes >> 20).unwrap_or(u32::MAX),
        cpu_percent: percent.round() as u32,
        processes: now.processes,
        sampled_at: at,
    }
}

/// What is done about too much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The page is loaded anew.
    Reload,
    /// The browser is started anew.
    Relaunch,
}

/// What is remembered between two looks.
#[derive(Clone, Debug, Default)]
pub struct MemoryWatch {
    over_soft: u32,
    over_hard: u32,
    last: Option<Instant>,
    /// How often in a row a remedy was not enough.
    in_vain: u32,
}

impl MemoryWatch {
    /// Judges a look. `quiet` is how long nobody has used the session; `busy`: a message is being
    /// sent.
    pub fn judge(
        &mut self,
        care: &Care,
        memory_mb: u32,
        quiet: Duration,
        busy: bool,
        now: Instant,
    ) -> Option<(Remedy, Reason)> {
        let over = |limit: Option<u32>| limit.is_some_and(|limit| memory_mb > limit);
        let count = |so: bool, before: u32| if so { before.saturating_add(1) } else { 0 };
        self.over_soft = count(over(care.memory_soft_mb()), self.over_soft);
        self.over_hard = count(over(care.memory_hard_mb()), self.over_hard);
        // Well below both limits: whatever was done has helped.
        let lowest = [care.memory_soft_mb(), care.memory_hard_mb()];
        let lowest = lowest.into_iter().flatten().min()?;
        if u64::from(memory_mb) * 10 < u64::from(lowest) * 9 {
            self.in_vain = 0;
        }
        let between = BETWEEN
            .saturating_mul(1 << self.in_vain.min(16))
            .min(BETWEEN_AT_MOST);
        if self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < between)
        {
            return None;
        }
        let (remedy, limit) = if self.over_hard >= IN_A_ROW {
            (Remedy::Relaunch, care.memory_hard_mb()?)
        } else if self.over_soft >= IN_A_ROW && !busy && quiet >= QUIET {
            (Remedy::Reload, care.memory_soft_mb()?)
        } else {
            return None;
        };
        self.in_vain += 1;
        self.last = Some(now);
        (self.over_soft, self.over_hard) = (0, 0);
        let detail = format!("it took {memory_mb} MB, more than its limit of {limit} MB");
        Some((remedy, Reason::new(ReasonCode::MemoryLimit, detail)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn care(soft: u32, hard: u32) -> Care {
        Care {
            memory_soft_mb: Some(soft),
            memory_hard_mb: Some(hard),
            ..Care::default()
        }
    }

    /// What a watch does at looks of so many MB, 30 s apart.
    fn looks(care: &Care, memory: &[u32], quiet: u64, busy: bool) -> Vec<Option<Remedy>> {
        let mut watch = MemoryWatch::default();
        let mut now = Instant::now();
        memory
            .iter()
            .map(|&memory| {
                now += SAMPLE_EVERY;
                let quiet = Duration::from_secs(quiet);
                let judged = watch.judge(care, memory, quiet, busy, now);
                judged.map(|(remedy, _)| remedy)
            })
            .collect()
    }

    #[test]
    fn limits_hold_twice_in_a_row_and_the_soft_one_only_at_rest() {
        const RELOAD: Option<Remedy> = Some(Remedy::Reload);
        const RELAUNCH: Option<Remedy> = Some(Remedy::Relaunch);
        let both = care(500, 900);
        for (care, memory, quiet, busy, expected) in [
            (Care::default(), [9999; 3], 999, false, [None, None, None]),
            (care(0, 0), [9999; 3], 999, false, [None, None, None]),
            (both, [499, 500, 500], 999, false, [None, None, None]),
            (both, [600, 600, 600], 999, false, [None, RELOAD, None]),
            (both, [600, 400, 600], 999, false, [None, None, None]),
            (both, [600, 600, 600], 59, false, [None, None, None]),
            (both, [600, 600, 600], 999, true, [None, None, None]),
            // The hard one waits for nobody.
            (both, [901, 901, 901], 0, true, [None, RELAUNCH, None]),
            (care(500, 0), [901, 901, 901], 0, true, [None, None, None]),
            (
                care(0, 900),
                [901, 901, 901],
                0,
                true,
                [None, RELAUNCH, None],
            ),
        ] {
            assert_eq!(
                looks(&care, &memory, quiet, busy),
                expected,
                "{care:?} {memory:?}"
            );
        }
    }

    #[test]
    fn a_remedy_that_does_not_help_is_repeated_ever_more_rarely() {
        let done = looks(&care(500, 0), &[600; 400], 999, false);
        let at: Vec<_> = (0..done.len()).filter(|&n| done[n].is_some()).collect();
        // 20, 40, 80 minutes between, at two looks a minute.
        assert_eq!(at, [1, 41, 121, 281]);
        // One that helps for a while begins anew.
        let mut memory = vec![600, 600];
        memory.extend([100; 40]);
        memory.extend([600; 30]);
        let done = looks(&care(500, 0), &memory, 999, false);
        assert_eq!(done.iter().flatten().count(), 2);
    }

    #[test]
    fn processor_time_is_of_the_time_between() {
        let look = |ms, mb: u64| Resources {
            memory_bytes: mb << 20,
            processor_time: Duration::from_millis(ms),
            processes: 7,
        };
        let at = OffsetDateTime::UNIX_EPOCH;
        let (before, now) = (look(1000, 1), look(7000, 412));
        let told = usage(&now, Some((&before, Duration::from_secs(30))), at);
        assert_eq!(
            (told.memory_mb, told.cpu_percent, told.processes),
            (412, 20, 7)
        );
        assert_eq!(usage(&now, None, at).cpu_percent, 0);
        // A process has ended.
        let less = usage(&before, Some((&now, Duration::from_secs(30))), at);
        assert_eq!(less.cpu_percent, 0);
    }
}
