//! What the sessions tell the outside.

use crate::id::SessionId;
use crate::message::{AckChange, IncomingMessage};
use crate::session::SessionInfo;

/// One thing that happened on one session.
#[derive(Clone, Debug)]
pub struct Event {
    /// On which session.
    pub session: SessionId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// The session changed: state, prompt, progress or reason.
    Status(Box<SessionInfo>),
    /// A message appeared.
    Message(Box<IncomingMessage>),
    /// A sent message came further.
    Ack(AckChange),
    /// The session was removed.
    Removed,
}
