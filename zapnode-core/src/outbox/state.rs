//! What an ack or an error makes of a message. Pure.

use serde::{Deserialize, Serialize};

use crate::driver::DriverError;
use crate::message::Ack;

/// Declares an enum whose variants have one word each, on every wire and in the store.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl $name {
            /// The word on our wires and in the store.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Reads the word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

pub(crate) use words;

words! {
    /// How far a message is.
    MessageState {
        /// Accepted, and waits for its turn.
        Queued = "queued",
        /// Handed to the page; WhatsApp's server has not confirmed it.
        Sending = "sending",
        /// WhatsApp's server has it: one tick.
        Sent = "sent",
        /// The recipient's phone has it: two ticks.
        Delivered = "delivered",
        /// It was read: two blue ticks.
        Read = "read",
        /// It was not sent and will not be.
        Failed = "failed",
        /// It was taken back before it was sent.
        Cancelled = "cancelled",
        /// Somebody else wrote it, or this account on another device.
        Received = "received",
    }
}

words! {
    /// Whose turn comes first among what waits.
    #[derive(Default, PartialOrd, Ord)]
    Priority {
        /// Asked for one by one: goes before all bulk.
        #[default]
        Direct = "direct",
        /// Part of a bulk job.
        Bulk = "bulk",
    }
}

words! {
    /// Why a message failed, for programs.
    #[non_exhaustive]
    FailureCode {
        /// The number has no WhatsApp account.
        NumberNotOnWhatsApp = "number_not_on_whatsapp",
        /// WhatsApp or the page said no.
        Refused = "refused",
        /// The page lacks what this needs.
        NotSupportedByPage = "not_supported_by_page",
        /// Its file cannot be sent: unreadable, too large, or nothing that the page can make ready.
        MediaUnusable = "media_unusable",
        /// The session was logged out before it was sent.
        LoggedOut = "logged_out",
        /// The session was removed before it was sent.
        SessionRemoved = "session_removed",
        /// A backup was restored in which it was not sent yet; it may have been sent since.
        Restored = "restored",
        /// It was tried too often.
        AttemptsExhausted = "attempts_exhausted",
        /// The recipient asked for no more bulk messages.
        OptedOut = "opted_out",
        /// WhatsApp limited how much this account may send, and went on doing so.
        RateLocked = "rate_locked",
        /// WhatsApp does not let this account begin new conversations for a time.
        ReachoutLocked = "reachout_locked",
        /// WhatsApp has restricted the account.
        AccountRestricted = "account_restricted",
        /// This account has blocked the recipient.
        ContactBlocked = "contact_blocked",
        /// The page has had it for long and WhatsApp's server has not confirmed it. Should it do so
        /// later, the message counts as sent after all.
        Unconfirmed = "unconfirmed",
    }
}

impl MessageState {
    /// Whether it is still to be sent or confirmed.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sending)
    }

    /// How far along the way it is; states beside the way have none.
    pub(crate) fn rank(self) -> Option<u8> {
        match self {
            Self::Queued => Some(0),
            Self::Sending => Some(1),
            Self::Sent => Some(2),
            Self::Delivered => Some(3),
            Self::Read => Some(4),
            Self::Failed | Self::Cancelled | Self::Received => None,
        }
    }

    /// Whether it is at `goal` or beyond; one that will never get there is not.
    pub fn reached(self, goal: Self) -> bool {
        matches!((self.rank(), goal.rank()), (Some(mine), Some(wanted)) if mine >= wanted)
    }

    /// The state after `ack`; absent when it changes nothing: acks come late, twice and out of
    /// order. An ack proves that WhatsApp has the message, so it also corrects a failure that was
    /// assumed; a failing ack of one that WhatsApp has had is not believed.
    pub fn after_ack(self, ack: Ack) -> Option<Self> {
        let told = match ack {
            Ack::Failed => return self.is_open().then_some(Self::Failed),
            Ack::Pending => return None,
            Ack::Server => Self::Sent,
            Ack::Device => Self::Delivered,
            Ack::Read | Ack::Played => Self::Read,
        };
        match self {
            Self::Received | Self::Cancelled => None,
            Self::Failed => Some(told),
            _ => (!self.reached(told)).then_some(told),
        }
    }

    /// The ack that this state stands for.
    pub fn ack(self) -> Ack {
        match self {
            Self::Queued | Self::Sending | Self::Cancelled => Ack::Pending,
            Self::Sent => Ack::Server,
            Self::Delivered | Self::Received => Ack::Device,
            Self::Read => Ack::Read,
            Self::Failed => Ack::Failed,
        }
    }
}

/// What is to be done with a message whose hand-over failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can never be sent.
    Fail(FailureCode),
    /// Try again when the session is ready; `maybe_sent`: the page may have it all the same, so it
    /// is asked first.
    Again {
        /// Whether the page may have it.
        maybe_sent: bool,
    },
    /// WhatsApp limits the account: everything waits for a while, then this is tried again.
    Pause(FailureCode),
}

/// Judges a failed hand-over.
pub fn judge(error: &DriverError) -> Verdict {
    match error {
        DriverError::NotOnWhatsApp { .. } => Verdict::Fail(FailureCode::NumberNotOnWhatsApp),
        DriverError::Refused { .. } => Verdict::Fail(FailureCode::Refused),
        DriverError::Unsupported { .. } => Verdict::Fail(FailureCode::NotSupportedByPage),
        DriverError::ContactBlocked { .. } => Verdict::Fail(FailureCode::ContactBlocked),
        DriverError::MediaUnusable { .. } => Verdict::Fail(FailureCode::MediaUnusable),
        DriverError::ServerRefused { status, reason, .. } => refusal(*status, reason),
        other => Verdict::Again {
            maybe_sent: other.outcome_unknown(),
        },
    }
}

/// Judges a refusal of WhatsApp's server by its number and words. 463 is the "reach-out time-lock",
/// under which only known contacts can be written to; 429 is too much in too short a time.
pub fn refusal(status: Option<u16>, words: &str) -> Verdict {
    let says = |word: &str| words.to_ascii_lowercase().contains(word);
    match status {
        Some(463) => Verdict::Pause(FailureCode::ReachoutLocked),
        Some(429) => Verdict::Pause(FailureCode::RateLocked),
        None if says("rate-overlimit") => Verdict::Pause(FailureCode::RateLocked),
        _ => Verdict::Fail(FailureCode::Refused),
    }
}

/// Whether another try counts against a message. Where the session is the reason, the session's own
/// deadlines bound it.
pub fn counts_as_attempt(error: &DriverError) -> bool {
    !matches!(
        error,
        DriverError::Closed | DriverError::WrongMoment { .. } | DriverError::ServerRefused { .. }
    )
}

/// What is to be done about a message that the page has had for so many minutes, on a session that
/// is ready, without WhatsApp's server confirming it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The page sends it again by itself.
    Wait,
    /// The page may have forgotten to: it is loaded anew.
    Reload,
    /// It counts as failed, until an ack says otherwise. It is never handed over again.
    GiveUp,
}

/// For how many minutes a message may be unconfirmed before it counts as failed.
pub const CONFIRMED_WITHIN_MINUTES: u32 = 30;

/// Judges how long a message has been unconfirmed.
pub fn patience(minutes: u32) -> Patience {
    match minutes {
        CONFIRMED_WITHIN_MINUTES.. => Patience::GiveUp,
        3 | 10 | 20 => Patience::Reload,
        _ => Patience::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MessageState::{Cancelled, Delivered, Failed, Queued, Read, Received, Sending, Sent};

    #[test]
    fn acks_only_lead_forward() {
        let table = [
            (Queued, Ack::Pending, None),
            (Queued, Ack::Server, Some(Sent)),
            (Sending, Ack::Pending, None),
            (Sending, Ack::Server, Some(Sent)),
            (Sending, Ack::Read, Some(Read)),
            (Sending, Ack::Failed, Some(Failed)),
            (Sent, Ack::Server, None),
            (Sent, Ack::Device, Some(Delivered)),
            (Sent, Ack::Failed, None),
            (Read, Ack::Device, None),
            (Read, Ack::Played, None),
            (Delivered, Ack::Played, Some(Read)),
            (Failed, Ack::Device, Some(Delivered)),
            (Failed, Ack::Failed, None),
            (Cancelled, Ack::Server, None),
            (Received, Ack::Read, None),
        ];
        for (state, ack, then) in table {
            assert_eq!(state.after_ack(ack), then, "{state:?} {ack:?}");
        }
    }

    #[test]
    fn goals_are_reached_in_order_and_never_from_beside_the_way() {
        assert!(Delivered.reached(Sent) && Sent.reached(Sent) && !Sent.reached(Delivered));
        assert!(!Failed.reached(Queued) && !Cancelled.reached(Sent));
    }

    #[test]
    fn errors_are_judged_by_situation() {
        let refused = DriverError::Refused {
            command: "send",
            reason: "no".to_owned(),
        };
        assert_eq!(judge(&refused), Verdict::Fail(FailureCode::Refused));
        let timeout = DriverError::TimedOut {
            command: "send",
            waited_for: "the page".to_owned(),
            after: std::time::Duration::from_secs(1),
        };
        assert_eq!(judge(&timeout), Verdict::Again { maybe_sent: true });
        assert_eq!(
            judge(&DriverError::Closed),
            Verdict::Again { maybe_sent: false }
        );
        assert!(counts_as_attempt(&timeout) && !counts_as_attempt(&DriverError::Closed));
        let blocked = DriverError::ContactBlocked {
            recipient: "1".to_owned(),
        };
        assert_eq!(judge(&blocked), Verdict::Fail(FailureCode::ContactBlocked));
        let unusable = DriverError::MediaUnusable {
            reason: "too large".to_owned(),
        };
        assert_eq!(judge(&unusable), Verdict::Fail(FailureCode::MediaUnusable));
        // Nothing was sent, and it may work at another time; not for ever.
        let upload = DriverError::UploadFailed {
            reason: "507".to_owned(),
        };
        assert_eq!(judge(&upload), Verdict::Again { maybe_sent: false });
        assert!(counts_as_attempt(&upload));
    }

    #[test]
    fn refusals_of_the_server_are_told_apart() {
        use FailureCode::{RateLocked, ReachoutLocked, Refused};
        let table = [
            (Some(463), "", Verdict::Pause(ReachoutLocked)),
            (Some(429), "rate-overlimit", Verdict::Pause(RateLocked)),
            (None, "Rate-Overlimit", Verdict::Pause(RateLocked)),
            (Some(400), "rate-overlimit", Verdict::Fail(Refused)),
            (Some(403), "forbidden", Verdict::Fail(Refused)),
            (None, "ERROR_UNKNOWN", Verdict::Fail(Refused)),
        ];
        for (status, words, verdict) in table {
            assert_eq!(refusal(status, words), verdict, "{status:?} {words}");
        }
    }

    #[test]
    fn patience_ends() {
        use Patience::{GiveUp, Reload, Wait};
        for (minutes, then) in [
            (0, Wait),
            (2, Wait),
            (3, Reload),
            (4, Wait),
            (20, Reload),
            (29, Wait),
            (30, GiveUp),
            (99, GiveUp),
        ] {
            assert_eq!(patience(minutes), then, "{minutes}");
        }
    }

    #[test]
    fn every_word_reads_back() {
        for word in ["queued", "sending", "sent", "delivered", "read", "failed"] {
            assert_eq!(
                MessageState::from_word(word).map(MessageState::as_str),
                Some(word)
            );
        }
        assert_eq!(MessageState::from_word("lost"), None);
    }
}
