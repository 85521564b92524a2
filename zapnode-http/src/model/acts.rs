//! What was done to messages and chats, on the wire.

use serde::Serialize;
use zapnode_core::{MessageId, SessionId};

/// Something was done to a message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageActed {
    success: bool,
    message: &'static str,
    session_id: SessionId,
    /// Ours.
    id: String,
    /// WhatsApp's.
    message_id: MessageId,
}

impl MessageActed {
    /// With what was done, in words.
    pub fn new(done: &'static str, session_id: SessionId, id: String, key: MessageId) -> Self {
        Self {
            success: true,
            message: done,
            session_id,
            id,
            message_id: key,
        }
    }
}

/// Something was done to a chat.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatActed {
    success: bool,
    message: &'static str,
    session_id: SessionId,
    chat: String,
}

impl ChatActed {
    /// With what was done, in words. `chat` is echoed as it was given.
    pub fn new(done: &'static str, session_id: SessionId, chat: String) -> Self {
        Self {
            success: true,
            message: done,
            session_id,
            chat,
        }
    }
}
