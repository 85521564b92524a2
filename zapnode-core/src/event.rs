//! What the sessions tell the outside.

use crate::id::SessionId;
use crate::message::{
    AckChange, Call, Edit, GroupNotice, IncomingMessage, Reaction, Revoke, WaitingMessage,
};
use crate::outbox::Message;
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
    /// A message appeared. Told once, also if the page told it twice.
    Message(Box<IncomingMessage>),
    /// WhatsApp told how far a message of this account is, whoever sent it. As it came: twice, late,
    /// out of order.
    Ack(AckChange),
    /// A message came that cannot be read yet.
    Waiting(Box<WaitingMessage>),
    /// The text of a message was changed.
    Edited(Box<Edit>),
    /// A message is gone.
    Revoked(Box<Revoke>),
    /// A reaction was put on a message or taken away.
    Reaction(Box<Reaction>),
    /// Somebody calls.
    Call(Box<Call>),
    /// Something happened in a group.
    Group(Box<GroupNotice>),
    /// A message of ours is in another state, and that is stored.
    Outbox(Box<Message>),
    /// The session was removed.
    Removed,
}
