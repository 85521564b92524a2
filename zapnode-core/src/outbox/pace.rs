//! How quickly a session may send. Pure: what was sent lately goes in, when the next may go comes
//! out, and why not now.
//!
//! WhatsApp names no figures. It limits and bans accounts that behave like machines: many messages
//! at even gaps, to people who never wrote back. What users of every gateway ask for is therefore
//! the same: uneven gaps, caps for each hour, and a much smaller cap for first contacts.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use crate::id::WireId;

/// The largest gap and jitter: beyond an hour `maxPerHour` says it better.
pub const LONGEST_GAP: Duration = Duration::from_secs(3600);

/// The largest cap.
pub const LARGEST_CAP: u32 = 100_000;

const HOUR: time::Duration = time::Duration::hours(1);
const DAY: time::Duration = time::Duration::hours(24);

/// How quickly a session may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Pace {
    /// The least time between two messages, 0 to an hour.
    pub min_gap: Duration,
    /// Added to each gap at random: 0 to this, at most an hour.
    pub jitter: Duration,
    /// How many messages in any hour, 1 to 100,000.
    pub max_per_hour: Option<u32>,
    /// How many chats in any 24 hours that were never written to nor heard from before, 1 to
    /// 100,000.
    pub max_new_contacts_per_day: Option<u32>,
    /// Shows "typing" before each message, for a time that fits its length.
    pub typing: bool,
}

impl Pace {
    /// As quickly as the page takes them. The default: it is what clients of the original expect.
    pub const OFF: Self = Self {
        min_gap: Duration::ZERO,
        jitter: Duration::ZERO,
        max_per_hour: None,
        max_new_contacts_per_day: None,
        typing: false,
    };

    /// About as quickly as a busy person: a message each 5 to 15 s, 180 an hour, 100 first contacts
    /// a day, typing shown. No figure of WhatsApp's (there is none), but well below what users of
    /// other gateways report before their accounts were limited, and slow enough that an evening of
    /// replies looks like one.
    pub const GENTLE: Self = Self {
        min_gap: Duration::from_secs(5),
        jitter: Duration::from_secs(10),
        max_per_hour: Some(180),
        max_new_contacts_per_day: Some(100),
        typing: true,
    };

    /// The word for it, if it has one.
    pub fn word(&self) -> Option<&'static str> {
        match *self {
            Self::OFF => Some("off"),
            Self::GENTLE => Some("gentle"),
            _ => None,
        }
    }

    /// Reads a word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::OFF),
            "gentle" => Some(Self::GENTLE),
            _ => None,
        }
    }

    /// The slower of the two in each respect.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        let cap = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self {
            min_gap: self.min_gap.max(other.min_gap),
            jitter: self.jitter.max(other.jitter),
            max_per_hour: cap(self.max_per_hour, other.max_per_hour),
            max_new_contacts_per_day: cap(
                self.max_new_contacts_per_day,
                other.max_new_contacts_per_day,
            ),
            typing: self.typing || other.typing,
        }
    }

    /// Whether messages go one after the other.
    pub fn is_serial(&self) -> bool {
        self.typing || !self.min_gap.is_zero() || !self.jitter.is_zero()
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// What would be allowed.
    pub fn checked(self) -> Result<Self, InvalidPace> {
        let cap = |cap: Option<u32>| cap.is_none_or(|cap| (1..=LARGEST_CAP).contains(&cap));
        if self.min_gap > LONGEST_GAP || self.jitter > LONGEST_GAP {
            return Err(InvalidPace("minGapMs and jitterMs are at most 3600000"));
        }
        if !cap(self.max_per_hour) || !cap(self.max_new_contacts_per_day) {
            return Err(InvalidPace(
                "maxPerHour and maxNewContactsPerDay are 1 to 100000; left away, there is no limit",
            ));
        }
        Ok(self)
    }

    /// Whether a message may go now; if not, from when on and why.
    ///
    /// # Errors
    /// The first thing that holds it.
    pub fn check(&self, recent: &Recent, now: OffsetDateTime, is_first: bool) -> Result<(), Held> {
        let full = |list: &VecDeque<Sent>, cap: Option<u32>, over: time::Duration| {
            let cap = usize::try_from(cap?).unwrap_or(usize::MAX);
            let within = list.iter().filter(|sent| sent.at > now - over).count();
            // As many as are too many must have passed out of the window.
            let leaves = within.checked_sub(cap)?;
            let oldest = list
                .iter()
                .filter(|sent| sent.at > now - over)
                .nth(leaves)?;
            Some(oldest.at + over)
        };
        if is_first && let Some(until) = full(&recent.first, self.max_new_contacts_per_day, DAY) {
            let cap = self.max_new_contacts_per_day.unwrap_or_default();
            return Err(Held {
                until,
                by: HeldBy::NewContacts(cap),
            });
        }
        if let Some(until) = full(&recent.sent, self.max_per_hour, HOUR) {
            let cap = self.max_per_hour.unwrap_or_default();
            return Err(Held {
                until,
                by: HeldBy::Hour(cap),
            });
        }
        if let Some(last) = recent.last {
            // A clock that was set back must not stop the queue for longer than a gap.
            let until = last.min(now) + self.gap(recent.dice);
            if until > now {
                return Err(Held {
                    until,
                    by: HeldBy::Gap,
                });
            }
        }
        Ok(())
    }

    /// The gap after a message, for a throw of the dice from 0 to 1.
    fn gap(&self, dice: f64) -> Duration {
        self.min_gap + self.jitter.mul_f64(dice.clamp(0.0, 1.0))
    }

    /// The least time that `messages` take, of which `first` are to first contacts: for an estimate
    /// to show.
    pub fn estimate(&self, messages: u32, first: u32) -> Duration {
        let gaps = (self.min_gap + self.jitter / 2).saturating_mul(messages);
        let windows = |count: u32, cap: Option<u32>, over: Duration| match cap {
            // What fits into the first window needs none to pass.
            Some(cap) => over.saturating_mul(count.saturating_sub(1) / cap.max(1)),
            None => Duration::ZERO,
        };
        gaps.max(windows(messages, self.max_per_hour, HOUR.unsigned_abs()))
            .max(windows(
                first,
                self.max_new_contacts_per_day,
                DAY.unsigned_abs(),
            ))
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::OFF
    }
}

/// How long "typing" is shown for a text: a quick typist, never under a second, never so long that
/// others wait for it.
pub fn typing_time(text: &str) -> Duration {
    let characters = u32::try_from(text.chars().take(200).count()).unwrap_or(200);
    (Duration::from_millis(60) * characters).clamp(Duration::from_secs(1), Duration::from_secs(8))
}

/// What holds a message, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// From when on it may go.
    pub until: OffsetDateTime,
    /// What holds it.
    pub by: HeldBy,
}

/// Which part of a [`Pace`] holds a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBy {
    /// The gap after the last one.
    Gap,
    /// So many in an hour are the most.
    Hour(u32),
    /// So many first contacts in a day are the most.
    NewContacts(u32),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    at: OffsetDateTime,
    wire_id: WireId,
}

/// What a session sent lately: as much of it as any pace counts.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// Of the last hour, oldest first.
    sent: VecDeque<Sent>,
    /// First contacts of the last day, oldest first.
    first: VecDeque<Sent>,
    last: Option<OffsetDateTime>,
    /// Drawn for the gap after `last`.
    dice: f64,
}

impl Recent {
    /// A message is handed over. `dice` is a random number from 0 to 1.
    pub fn sent(&mut self, wire_id: WireId, at: OffsetDateTime, is_first: bool, dice: f64) {
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
        self.dice = dice;
        let sent = Sent { at, wire_id };
        if is_first {
            push(&mut self.first, sent.clone());
        }
        push(&mut self.sent, sent);
        self.forget(at);
    }

    /// Its hand-over took until now: the gap counts from here.
    pub fn finished(&mut self, at: OffsetDateTime) {
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    /// It did not go out after all.
    pub fn withdrawn(&mut self, wire_id: &WireId) {
        self.sent.retain(|sent| sent.wire_id != *wire_id);
        self.first.retain(|sent| sent.wire_id != *wire_id);
    }

    /// How many went in the last hour, and how many first contacts were made in the last day.
    pub fn counts(&self, now: OffsetDateTime) -> (usize, usize) {
        let within = |list: &VecDeque<Sent>, over| {
            let late = |sent: &&Sent| sent.at > now - over;
            list.iter().filter(late).count()
        };
        (within(&self.sent, HOUR), within(&self.first, DAY))
    }

    fn forget(&mut self, now: OffsetDateTime) {
        for (list, over) in [(&mut self.sent, HOUR), (&mut self.first, DAY)] {
            while list.front().is_some_and(|sent| sent.at <= now - over) {
                list.pop_front();
            }
        }
    }
}

fn push(list: &mut VecDeque<Sent>, sent: Sent) {
    // Handed over once more: it counts once.
    list.retain(|other| other.wire_id != sent.wire_id);
    list.push_back(sent);
}

/// How a pause that WhatsApp made grows with each in a row: 5 minutes, then double, 6 hours at most.
pub fn lock_pause(times: u32) -> Duration {
    const FIRST: Duration = Duration::from_secs(5 * 60);
    const LONGEST: Duration = Duration::from_secs(6 * 3600);
    let doubled = FIRST.saturating_mul(1 << times.saturating_sub(1).min(10));
    doubled.min(LONGEST)
}

/// After so many pauses in a row (about two days) the message that met them is given up.
pub const LOCKS_IN_A_ROW: u32 = 12;

/// A text or object that is no pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidPace(pub &'static str);

/// As it is written: a word, or the figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Wire {
    Word(String),
    Figures(Figures),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Figures {
    min_gap_ms: u64,
    jitter_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_per_hour: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_new_contacts_per_day: Option<u32>,
    typing: bool,
}

impl TryFrom<Wire> for Pace {
    type Error = InvalidPace;

    fn try_from(wire: Wire) -> Result<Self, InvalidPace> {
        match wire {
            Wire::Word(word) => {
                Self::from_word(&word).ok_or(InvalidPace("the words for a pace are off and gentle"))
            }
            Wire::Figures(figures) => Self {
                min_gap: Duration::from_millis(figures.min_gap_ms),
                jitter: Duration::from_millis(figures.jitter_ms),
                max_per_hour: figures.max_per_hour,
                max_new_contacts_per_day: figures.max_new_contacts_per_day,
                typing: figures.typing,
            }
            .checked(),
        }
    }
}

impl From<Pace> for Wire {
    fn from(pace: Pace) -> Self {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        match pace.word() {
            Some(word) => Self::Word(word.to_owned()),
            None => Self::Figures(Figures {
                min_gap_ms: ms(pace.min_gap),
                jitter_ms: ms(pace.jitter),
                max_per_hour: pace.max_per_hour,
                max_new_contacts_per_day: pace.max_new_contacts_per_day,
                typing: pace.typing,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration as Span;

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Span::days(20_000)
    }

    fn id(n: u32) -> WireId {
        WireId::new(&format!("3EB0{n:018X}")).expect("an id")
    }

    /// Messages handed over so long ago; a negative number of seconds is a first contact.
    fn sent(ago: &[i64]) -> Recent {
        let mut recent = Recent::default();
        for (n, seconds) in ago.iter().enumerate() {
            let at = now() - Span::seconds(seconds.abs());
            let n = u32::try_from(n).expect("few");
            recent.sent(id(n), at, *seconds < 0, 0.5);
        }
        recent
    }

    fn pace(gap_s: u64, jitter_s: u64, hour: Option<u32>, day: Option<u32>) -> Pace {
        Pace {
            min_gap: Duration::from_secs(gap_s),
            jitter: Duration::from_secs(jitter_s),
            max_per_hour: hour,
            max_new_contacts_per_day: day,
            typing: false,
        }
    }

    #[test]
    fn what_may_go_and_what_holds_it() {
        use HeldBy::{Gap, Hour, NewContacts};
        let slow = pace(10, 4, None, None);
        let hourly = pace(0, 0, Some(2), None);
        let daily = pace(0, 0, None, Some(1));
        // pace, sent so many seconds ago, first contact, seconds to wait and why.
        let table: [(Pace, &[i64], bool, Option<(i64, HeldBy)>); 14] = [
            (Pace::OFF, &[0, 0, 0], true, None),
            (slow, &[], false, None),
            // Half the jitter is drawn: 12 s.
            (slow, &[0], false, Some((12, Gap))),
            (slow, &[11], false, Some((1, Gap))),
            (slow, &[12], false, None),
            (hourly, &[3000], false, None),
            (hourly, &[3000, 1], false, Some((600, Hour(2)))),
            (hourly, &[3600, 1], false, None),
            // One too many: the second of three must have left.
            (hourly, &[3000, 2000, 1], false, Some((1600, Hour(2)))),
            (daily, &[-3600], true, Some((23 * 3600, NewContacts(1)))),
            (daily, &[-3600], false, None),
            (daily, &[-86_400], true, None),
            (daily, &[3600], true, None),
            // Both hold: what lasts longer is told first.
            (
                pace(10, 0, None, Some(1)),
                &[-1],
                true,
                Some((86_399, NewContacts(1))),
            ),
        ];
        for (n, (pace, ago, first, expected)) in table.into_iter().enumerate() {
            let held = pace.check(&sent(ago), now(), first).err();
            let held = held.map(|held| ((held.until - now()).whole_seconds(), held.by));
            assert_eq!(held, expected, "row {n}");
        }
    }

    #[test]
    fn what_did_not_go_out_counts_no_more_and_the_gap_is_from_its_end() {
        let mut recent = sent(&[-20]);
        recent.withdrawn(&id(0));
        let cap = pace(0, 0, Some(1), Some(1));
        assert_eq!(cap.check(&recent, now(), true), Ok(()));
        let mut recent = sent(&[20]);
        recent.finished(now() - Span::seconds(5));
        let held = pace(10, 0, None, None).check(&recent, now(), false);
        assert_eq!(held.expect_err("held").until, now() + Span::seconds(5));
        // A clock that was set back by a day.
        let mut recent = Recent::default();
        recent.sent(id(1), now() + Span::days(1), false, 0.0);
        let held = pace(10, 0, None, None).check(&recent, now(), false);
        assert_eq!(held.expect_err("held").until, now() + Span::seconds(10));
    }

    #[test]
    fn the_slower_of_two_in_each_respect() {
        let own = pace(20, 0, Some(500), Some(5));
        let both = own.at_least(Pace::GENTLE);
        let expected = Pace {
            min_gap: Duration::from_secs(20),
            max_new_contacts_per_day: Some(5),
            ..Pace::GENTLE
        };
        assert_eq!(both, expected);
        assert_eq!(Pace::OFF.at_least(Pace::GENTLE), Pace::GENTLE);
    }

    #[test]
    fn it_is_read_and_written_as_a_word_or_as_figures() {
        let table = [
            (r#""off""#, Some(Pace::OFF)),
            (r#""gentle""#, Some(Pace::GENTLE)),
            ("{}", Some(Pace::OFF)),
            (
                r#"{"minGapMs":1500,"maxPerHour":10}"#,
                Some(Pace {
                    min_gap: Duration::from_millis(1500),
                    max_per_hour: Some(10),
                    ..Pace::OFF
                }),
            ),
            (r#""quick""#, None),
            (r#"{"minGapMs":3600001}"#, None),
            (r#"{"maxPerHour":0}"#, None),
            (r#"{"maxNewContactsPerDay":100001}"#, None),
            (r#"{"minGap":5}"#, None),
            ("5", None),
        ];
        for (text, expected) in table {
            let read = serde_json::from_str::<Pace>(text).ok();
            assert_eq!(read, expected, "{text}");
            if let Some(pace) = read {
                let written = serde_json::to_string(&pace).expect("written");
                assert_eq!(serde_json::from_str::<Pace>(&written).ok(), Some(pace));
            }
        }
    }

    #[test]
    fn typing_fits_the_text_and_pauses_grow() {
        for (text, ms) in [
            ("olá", 1000),
            (&"a".repeat(50), 3000),
            (&"é".repeat(9000), 8000),
        ] {
            assert_eq!(typing_time(text), Duration::from_millis(ms));
        }
        let minutes: Vec<_> = [1, 2, 3, 7, 8, 40]
            .map(|times| lock_pause(times).as_secs() / 60)
            .into();
        assert_eq!(minutes, [5, 10, 20, 320, 360, 360]);
    }

    #[test]
    fn estimates_are_bounded_by_the_tightest_cap() {
        let gentle = Pace::GENTLE;
        assert_eq!(gentle.estimate(10, 0), Duration::from_secs(100));
        assert_eq!(
            gentle.estimate(1000, 0),
            Duration::from_secs(10_000).max(Duration::from_secs(5 * 3600))
        );
        assert_eq!(gentle.estimate(300, 300), Duration::from_secs(2 * 86_400));
        assert_eq!(Pace::OFF.estimate(10_000, 10_000), Duration::ZERO);
    }
}
