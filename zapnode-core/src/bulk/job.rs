//! A job as it is now: counted from its messages, never noted apart from them. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use time::OffsetDateTime;
use ulid::Ulid;

use crate::id::SessionId;
use crate::outbox::{MessageState, Pace};

/// How a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// It is being sent, or waits for its turn, its time or its session.
    Running,
    /// What is queued is held until somebody resumes it.
    Paused,
    /// What was queued was taken back.
    Cancelled,
    /// Nothing of it is queued or under way.
    Done,
}

impl JobState {
    /// The word on our wires.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
            Self::Done => "done",
        }
    }

    /// How a job stands of which this is known. Being cancelled is for good, though what the page
    /// had by then may still be under way.
    pub fn of(cancelled: bool, held: bool, counts: &Counts) -> Self {
        match (cancelled, counts.open(), held) {
            (true, _, _) => Self::Cancelled,
            (false, 0, _) => Self::Done,
            (false, _, true) => Self::Paused,
            (false, _, false) => Self::Running,
        }
    }
}

/// How many of a job's messages are in each state. Messages that were deleted after their time are
/// in none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Waiting for their turn.
    pub queued: u64,
    /// Handed to the page.
    pub sending: u64,
    /// WhatsApp's server has them.
    pub sent: u64,
    /// The phones have them.
    pub delivered: u64,
    /// They were read.
    pub read: u64,
    /// They were not sent and will not be.
    pub failed: u64,
    /// They were taken back, by a cancel or because the recipient opted out.
    pub cancelled: u64,
}

impl Counts {
    /// Adds so many in a state.
    pub fn add(&mut self, state: MessageState, count: u64) {
        match state {
            MessageState::Queued => self.queued += count,
            MessageState::Sending => self.sending += count,
            MessageState::Sent => self.sent += count,
            MessageState::Delivered => self.delivered += count,
            MessageState::Read => self.read += count,
            MessageState::Failed => self.failed += count,
            MessageState::Cancelled => self.cancelled += count,
            // Nobody else's message is of a job.
            MessageState::Received => {}
        }
    }

    /// How many are still to be sent or confirmed.
    pub fn open(&self) -> u64 {
        self.queued + self.sending
    }
}

/// How many recipients were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// They asked not to be written to.
    pub opted_out: u64,
    /// They were named before in the same job.
    pub duplicate: u64,
    /// They are no recipients.
    pub invalid: u64,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkJob {
    /// Its id: the batch of its messages.
    pub id: Ulid,
    /// The session that sends it.
    pub session: SessionId,
    /// What its maker calls it.
    pub name: Option<String>,
    /// How it stands.
    pub state: JobState,
    /// How many messages it had when it was accepted.
    pub total: u64,
    /// Who was left out.
    pub skipped: Skipped,
    /// How far its messages are.
    pub counts: Counts,
    /// How many of those that are queued go to people who were never written to nor heard from, if
    /// it is paced.
    pub first_contacts: u64,
    /// Whether it is sent gently.
    pub paced: bool,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// Not sent before this time.
    pub send_at: Option<OffsetDateTime>,
}

impl BulkJob {
    /// Another number whenever the job looks different: to wait for news of it. Below 2^53, so that
    /// every client can hold it.
    pub fn generation(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.state, self.counts).hash(&mut hasher);
        hasher.finish() >> 11
    }

    /// When the last message can be handed over at the earliest at this pace, if nothing else is
    /// sent; absent when nothing is waiting, it is held, or nothing holds it back.
    pub fn estimated_end(&self, now: OffsetDateTime, pace: &Pace) -> Option<OffsetDateTime> {
        if self.state != JobState::Running || self.counts.queued == 0 {
            return None;
        }
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let takes = pace.estimate(count(self.counts.queued), count(self.first_contacts));
        if takes.is_zero() {
            return None;
        }
        let begin = self.send_at.map_or(now, |at| at.max(now));
        begin.checked_add(time::Duration::try_from(takes).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(queued: u64, sending: u64, sent: u64) -> Counts {
        Counts {
            queued,
            sending,
            sent,
            ..Counts::default()
        }
    }

    fn job(state: JobState, counts: Counts) -> BulkJob {
        BulkJob {
            id: Ulid::nil(),
            session: SessionId::new("a").expect("an id"),
            name: None,
            state,
            total: 10,
            skipped: Skipped::default(),
            counts,
            first_contacts: 0,
            paced: true,
            created_at: OffsetDateTime::UNIX_EPOCH,
            send_at: None,
        }
    }

    #[test]
    fn the_state_follows_from_what_is_known() {
        use JobState::{Cancelled, Done, Paused, Running};
        for (cancelled, held, counted, state) in [
            (false, false, counts(3, 0, 0), Running),
            (false, false, counts(0, 1, 2), Running),
            (false, true, counts(3, 1, 0), Paused),
            (false, true, counts(0, 1, 0), Paused),
            (false, true, counts(0, 0, 4), Done),
            (false, false, counts(0, 0, 0), Done),
            (true, false, counts(0, 1, 2), Cancelled),
            (true, true, counts(0, 0, 2), Cancelled),
        ] {
            assert_eq!(JobState::of(cancelled, held, &counted), state);
        }
    }

    #[test]
    fn news_is_another_number() {
        let before = job(JobState::Running, counts(3, 0, 0));
        assert_eq!(before.generation(), before.clone().generation());
        assert!(before.generation() < 1 << 53);
        for (state, counted) in [
            (JobState::Running, counts(2, 1, 0)),
            (JobState::Running, counts(2, 0, 1)),
            (JobState::Paused, counts(3, 0, 0)),
        ] {
            assert_ne!(job(state, counted).generation(), before.generation());
        }
    }

    #[test]
    fn the_end_is_estimated_while_it_runs() {
        let now = OffsetDateTime::UNIX_EPOCH + time::Duration::days(1);
        let pace = Pace {
            min_gap: std::time::Duration::from_secs(6),
            max_new_contacts_per_day: Some(2),
            ..Pace::OFF
        };
        let running = job(JobState::Running, counts(10, 2, 0));
        let end = now + time::Duration::minutes(1);
        assert_eq!(running.estimated_end(now, &pace), Some(end));
        assert_eq!(running.estimated_end(now, &Pace::OFF), None);
        let strangers = BulkJob {
            first_contacts: 5,
            ..running.clone()
        };
        let end = now + time::Duration::days(2);
        assert_eq!(strangers.estimated_end(now, &pace), Some(end));
        let later = BulkJob {
            send_at: Some(now + time::Duration::hours(1)),
            ..running
        };
        let end = now + time::Duration::minutes(61);
        assert_eq!(later.estimated_end(now, &pace), Some(end));
        for (state, counted) in [
            (JobState::Paused, counts(1, 0, 0)),
            (JobState::Running, counts(0, 1, 0)),
            (JobState::Done, counts(0, 0, 1)),
        ] {
            assert_eq!(job(state, counted).estimated_end(now, &pace), None);
        }
    }
}
