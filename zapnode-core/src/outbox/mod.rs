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
//! - [`pace`]: how quickly, and what holds a message back.
//! - [`waits`]: why a message waits, in words.
//! - `catch_up`: acks that nobody told.
//! - `intake`: what comes in, stored and told in order.
//! - `worker`: one task for each session, which does what these decide.

mod catch_up;
mod hand_over;
pub(crate) mod intake;
mod load;
pub mod pace;
pub mod queue;
pub mod state;
pub mod waits;
pub(crate) mod worker;

use serde::Serialize;
use time::OffsetDateTime;
use ulid::Ulid;

use crate::id::{ChatId, MessageId, SessionId, WireId};
use crate::message::{Content, Recipient};

pub use load::Load;
pub use pace::Pace;
pub use state::{FailureCode, MessageState, Priority};
pub use waits::{Wait, WaitReason};

/// A message to be sent, as a caller asks for it.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// Who it is for.
    pub to: Recipient,
    /// What it carries; see [`Content::check`] for what is possible.
    pub content: Content,
    /// The message that it answers, shown as a quote. One that the page does not know any more fails
    /// this one.
    pub reply_to: Option<MessageId>,
    /// Not before this time.
    pub send_at: Option<OffsetDateTime>,
    /// Makes repeating the call harmless: the same key gives the same message. Any text up to 255
    /// characters; it is kept for a day, and shared by all sessions.
    pub idempotency_key: Option<String>,
    /// What the key is bound to besides the session, where a caller asked in other words than these,
    /// as with the address of a file that may be another one by now. Absent: what this says.
    pub asked: Option<String>,
    /// Whose turn comes first.
    pub priority: Priority,
    /// The bulk job it belongs to.
    pub batch: Option<Ulid>,
    /// Sent at [`Pace::GENTLE`] at least, also where the session's own pace is quicker.
    pub paced: bool,
}

impl NewMessage {
    /// A plain text, at once.
    pub fn text(to: impl Into<Recipient>, text: impl Into<String>) -> Self {
        Self::new(to, Content::text(text))
    }

    /// A message, at once.
    pub fn new(to: impl Into<Recipient>, content: Content) -> Self {
        Self {
            to: to.into(),
            content,
            asked: None,
            reply_to: None,
            send_at: None,
            idempotency_key: None,
            priority: Priority::Direct,
            batch: None,
            paced: false,
        }
    }
}

/// A message as the store has it.
#[derive(Clone, Debug, PartialEq)]
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
    /// Its text, or the words in it.
    pub text: Option<String>,
    /// What it carries, of those that were written here; absent where that is the text alone.
    pub content: Option<Content>,
    /// When it was accepted, or written.
    pub created_at: OffsetDateTime,
    /// When its state last changed.
    pub updated_at: OffsetDateTime,
    /// Not sent before this time.
    pub send_at: Option<OffsetDateTime>,
    /// Whose turn comes first.
    pub priority: Priority,
    /// The bulk job it belongs to.
    pub batch: Option<Ulid>,
    /// Sent at [`Pace::GENTLE`] at least.
    pub paced: bool,
    /// When it was last handed to the page. Absent: the page cannot have it.
    pub attempted_at: Option<OffsetDateTime>,
    /// The message that it answers, of those that were written here.
    pub reply_to: Option<MessageId>,
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
#[derive(Clone, Debug, PartialEq)]
pub struct Submitted {
    /// The message, as it is now.
    pub message: Message,
    /// Whether it was accepted by an earlier call with the same idempotency key.
    pub repeated: bool,
}

/// A session's queue, as it is now.
#[derive(Clone, Debug)]
pub struct QueueView {
    /// How many messages are where.
    pub counts: queue::Counts,
    /// What makes the whole queue wait, if something does.
    pub paused: Option<Wait>,
    /// The pace that holds.
    pub pace: Pace,
    /// How many were handed over in the last hour.
    pub sent_last_hour: usize,
    /// How many of the last 24 hours went to chats that were never written to nor heard from.
    pub first_contacts_last_day: usize,
    /// The first of what is open, in the order of acceptance, and why each waits.
    pub messages: Vec<(Message, Option<Wait>)>,
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
