//! Messages on their way: stored before they are accepted, sent exactly once, settled by acks.
//!
//! ```text
//!            handed to the page      server has it      phone has it     read
//!  queued ───────────────► sending ───────► sent ───────► delivered ───────► read
//!     │                       │
//!     ├──► cancelled          ├──► queued   the page went away: asked by id first, then again
//!     └──► failed ◄───────────┘
//! ```
//!
//! A message's id on WhatsApp's wire is chosen when it is accepted. Whatever happens after that
//! (we die, Chrome dies, the page reloads), the page is asked for that id before the message is
//! handed over a second time, and it is handed over under the same id.
//!
//! - [`state`]: what an ack or an error makes of a message, as pure functions.
//! - [`queue`]: whose turn it is, as a pure structure: order per chat, a window, due times.
//! - `intake`: what comes in, stored and told in order.
//! - `worker`: one task for each session, which does what these two decide.

pub(crate) mod intake;
pub mod queue;
pub mod state;
pub(crate) mod worker;

use serde::Serialize;
use time::OffsetDateTime;
use ulid::Ulid;

use crate::id::{ChatId, MessageId, SessionId, WireId};
use crate::message::Recipient;

pub use state::{FailureCode, MessageState};

/// A text to be sent, as a caller asks for it.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Who it is for.
    pub to: Recipient,
    /// The text: 1 to 65,536 characters.
    pub text: String,
    /// Not before this time.
    pub send_at: Option<OffsetDateTime>,
    /// Makes repeating the call harmless: the same key gives the same message. Any text up to 255
    /// characters; it is kept for a day, and shared by all sessions.
    pub idempotency_key: Option<String>,
}

impl NewMessage {
    /// A text, at once.
    pub fn text(to: impl Into<Recipient>, text: impl Into<String>) -> Self {
        Self {
            to: to.into(),
            text: text.into(),
            send_at: None,
            idempotency_key: None,
        }
    }
}

/// A message as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The order of acceptance; a cursor for paging.
    pub seq: i64,
    /// Our own id.
    pub id: Ulid,
    /// Its session.
    pub session: SessionId,
    /// Whether this account wrote it.
    pub from_me: bool,
    /// Whom it is for, or who wrote it, as it was given.
    pub recipient: String,
    /// The chat as WhatsApp names it, once known.
    pub chat: Option<ChatId>,
    /// Its id on WhatsApp's wire.
    pub wire_id: WireId,
    /// WhatsApp's whole key, once the page has it.
    pub message_id: Option<MessageId>,
    /// How far it is.
    pub state: MessageState,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// WhatsApp's word for its kind, as `chat` for text.
    pub kind: String,
    /// Its text.
    pub text: Option<String>,
    /// When it was accepted, or written.
    pub created_at: OffsetDateTime,
    /// When its state last changed.
    pub updated_at: OffsetDateTime,
    /// Not sent before this time.
    pub send_at: Option<OffsetDateTime>,
}

/// Why a message failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The stable code.
    pub code: FailureCode,
    /// What happened, for a person.
    pub detail: String,
}

/// What [`SessionHandle::submit`](crate::SessionHandle::submit) did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The message, as it is now.
    pub message: Message,
    /// Whether it was accepted by an earlier call with the same idempotency key.
    pub repeated: bool,
}

/// Which messages are wanted of a session's history.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    /// Only those before this cursor ([`Message::seq`]).
    pub before: Option<i64>,
    /// Only of this chat.
    pub chat: Option<ChatId>,
    /// Only in this state.
    pub state: Option<MessageState>,
    /// Only own ones, or only those of others.
    pub from_me: Option<bool>,
    /// Only from this time on.
    pub since: Option<OffsetDateTime>,
    /// Only before this time.
    pub until: Option<OffsetDateTime>,
    /// Only those with all these words; accents and case do not matter.
    pub words: Option<String>,
}
