//! Messages on the wire.

use serde::Serialize;
use zapnode_core::SessionId;
use zapnode_core::message::Ack;
use zapnode_core::session::SendReceipt;

/// The answer to a send: the contract's fields, then ours.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    success: bool,
    message: &'static str,
    session_id: SessionId,
    to: String,
    message_id: String,
    ack: i8,
    /// Only while WhatsApp's server has not confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
}

impl Sent {
    /// The answer; `to` is echoed as it was given.
    pub fn new(session_id: SessionId, to: String, receipt: &SendReceipt) -> Self {
        let is_under_way = receipt.ack < Ack::Server;
        Self {
            success: true,
            message: if is_under_way {
                "Message accepted"
            } else {
                "Message sent successfully"
            },
            session_id,
            to,
            message_id: receipt.message_id.to_string(),
            ack: receipt.ack.number(),
            state: is_under_way.then_some("sending"),
        }
    }

    /// Whether WhatsApp's server has not confirmed it yet.
    pub fn is_under_way(&self) -> bool {
        self.state.is_some()
    }
}

/// A webhook's payload that is none of ours to send.
#[derive(Debug, Serialize)]
pub struct Ignored {
    success: bool,
    message: String,
}

impl Ignored {
    /// With the reason, as `not an outgoing message`.
    pub fn because(why: &str) -> Self {
        Self {
            success: true,
            message: format!("Ignored: {why}"),
        }
    }
}
