//! What a webhook was told, and how it went.

use time::OffsetDateTime;

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be sent, or being sent, or waiting for another attempt.
    Pending,
    /// The receiver answered 2xx.
    Delivered,
    /// It was given up after its last attempt.
    Dead,
}

impl DeliveryState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Dead];

    /// The word on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// One event for one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its place in the queue of all deliveries; the cursor of the list.
    pub n: i64,
    /// `whd_` and a ULID.
    pub id: String,
    /// The event's id, the same as in the header `webhook-id`.
    pub event_id: String,
    /// The event's place in the log.
    pub sequence: i64,
    /// The event's name.
    pub event: String,
    /// Of which session it is.
    pub session: Option<String>,
    /// How far it is.
    pub state: DeliveryState,
    /// Whether somebody asked for it once more.
    pub replay: bool,
    /// When it was queued.
    pub created_at: OffsetDateTime,
    /// When it was delivered or given up.
    pub settled_at: Option<OffsetDateTime>,
    /// The last attempts, at most 20, oldest first.
    pub attempts: Vec<Attempt>,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1 on.
    pub attempt: u32,
    /// When it began.
    pub at: OffsetDateTime,
    /// The answer's status; `None`: there was no answer.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// Why it did not count as delivered: `http_status`, `gone`, `event_expired`, or a word of
    /// [`NetError::code`](crate::net::NetError::code).
    pub error: Option<String>,
    /// The first 1,000 bytes of the answer, or the error in words.
    pub answer: String,
}

/// What a webhook has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events delivered.
    pub delivered: u64,
    /// Events given up.
    pub dead: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Events in its queue.
    pub pending: u64,
}
