//! How things stand, as they change, for those in the same program who only want the latest.
//!
//! Nothing of it is kept: what must not be missed is in the [log](super::EventLog).

use crate::id::SessionId;
use crate::outbox::Message;
use crate::session::SessionInfo;

/// A change on one session.
#[derive(Clone, Debug)]
pub struct Signal {
    /// On which session.
    pub session: SessionId,
    /// What changed.
    pub kind: SignalKind,
}

/// What changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SignalKind {
    /// The session: state, prompt (with the QR itself), progress or reason.
    Status(Box<SessionInfo>),
    /// A message of ours is in another state, and that is stored.
    Outbox(Box<Message>),
    /// The session was removed.
    Removed,
}
