//! What happened, in one durable, ordered log that everybody outside reads by a cursor.
//!
//! An [`Event`] is written in the same transaction as its cause: a message that is stored is told,
//! and what is told is stored. Each has a `sequence`, without gaps, over all sessions (only a
//! [restore](crate::backup::restore) makes it leap, so that no number stands for two events). A reader
//! keeps the sequence of the last event it has dealt with and asks for what comes after it, at its
//! own speed; whoever falls behind what is kept is [told so](Gap).
//!
//! Names and payloads are WAHA's, so that clients written for it understand ours; what is ours
//! besides is said at each [`EventName`].
//!
//! # What is no event
//!
//! - The percent of a sync, and each new QR: they are [signals](Signal) and
//!   [`SessionHandle::watch`](crate::SessionHandle::watch). The log never holds a QR or a pairing
//!   code, since both would link whoever reads them.
//! - What a session's [ignore filter](crate::ignore::Ignore) keeps out.

mod contact;
pub(crate) mod describe;
mod envelope;
mod filter;
mod happening;
mod kind;
mod log;
mod payload;
mod signal;
mod status;

pub use contact::ContactId;
pub use envelope::{Event, EventId, InvalidEventId, Me};
pub use filter::{Filter, UnknownEventName, parse_names};
pub use kind::{EventKind, EventName};
pub use log::{EventLog, EventStream, Gap, LARGEST_PAGE, Page, ReadError};
pub use payload::{
    AckPayload, CallPayload, ContactMerged, EditedPayload, FailedPayload, GroupParticipant,
    GroupParticipants, GroupRef, GroupUpdate, MediaPayload, MessageBefore, MessagePayload,
    ReactionPayload, ReactionText, ReplyTo, RevokedPayload, SessionRemoved, SessionStatus,
    StatusReason, StatusStep, WaitingPayload, Who,
};
pub use signal::{Signal, SignalKind};

pub(crate) use contact::{Holder, Verdict, decide};
pub(crate) use happening::Happening;
pub(crate) use status::StatusTeller;
