//! How much a session has to send, for those who decide whether it may rest.

use time::OffsetDateTime;

/// What is in a session's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How many messages are to be sent now: waiting for their turn, being handed over, or not yet
    /// confirmed by WhatsApp's server.
    pub waiting: usize,
    /// When the next scheduled one is due.
    pub due: Option<OffsetDateTime>,
}
