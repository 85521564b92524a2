//! Messages on the wire.

use serde::Serialize;
use zapnode_core::SessionId;
use zapnode_core::outbox::{Message, MessageState};

use super::iso;

/// The answer to a send: the contract's fields, then ours.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    success: bool,
    message: &'static str,
    session_id: SessionId,
    to: String,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    ack: i8,
    state: &'static str,
    /// Only where an earlier call with the same idempotency key was accepted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    repeated: bool,
    #[serde(skip)]
    on_its_way: bool,
}

impl Sent {
    /// The answer; `to` is echoed as it was given.
    pub fn new(to: String, message: &Message, repeated: bool) -> Self {
        let on_its_way = message.state.is_open();
        Self {
            success: true,
            message: if on_its_way {
                "Message accepted"
            } else {
                "Message sent successfully"
            },
            session_id: message.session.clone(),
            to,
            id: message.id.to_string(),
            message_id: message.message_id.as_ref().map(ToString::to_string),
            ack: message.state.ack().number(),
            state: message.state.as_str(),
            repeated,
            on_its_way,
        }
    }

    /// Whether WhatsApp's server has not confirmed it yet.
    pub fn is_on_its_way(&self) -> bool {
        self.on_its_way
    }
}

/// One message of a session's history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageModel {
    id: String,
    session_id: SessionId,
    from_me: bool,
    /// Whom it is for, as it was given; absent for one that somebody else wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// Who wrote it; absent for an own one.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    state: &'static str,
    ack: i8,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureModel>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<String>,
}

/// Why a message failed.
#[derive(Debug, Serialize)]
pub(super) struct FailureModel {
    code: &'static str,
    message: String,
}

impl From<Message> for MessageModel {
    fn from(message: Message) -> Self {
        let ack = message.state.ack().number();
        let (to, from) = if message.from_me {
            (Some(message.recipient), None)
        } else {
            (None, Some(message.recipient))
        };
        Self {
            id: message.id.to_string(),
            session_id: message.session,
            from_me: message.from_me,
            to,
            from,
            chat: message.chat.map(String::from),
            message_id: message.message_id.map(String::from),
            kind: message.kind,
            text: message.text,
            state: message.state.as_str(),
            ack,
            reason: message.failure.map(|failure| FailureModel {
                code: failure.code.as_str(),
                message: failure.detail,
            }),
            created_at: iso(message.created_at),
            updated_at: iso(message.updated_at),
            send_at: message.send_at.map(iso),
        }
    }
}

/// The answer with one message.
#[derive(Debug, Serialize)]
pub struct OneMessage {
    success: bool,
    message: MessageModel,
}

impl From<Message> for OneMessage {
    fn from(message: Message) -> Self {
        Self {
            success: true,
            message: message.into(),
        }
    }
}

/// The answer with a page of a session's history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagePage {
    success: bool,
    count: usize,
    messages: Vec<MessageModel>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<i64>,
}

impl MessagePage {
    /// A page of at most `limit` messages, newest first.
    pub fn new(messages: Vec<Message>, limit: usize) -> Self {
        let next_cursor = messages.last().filter(|_| messages.len() == limit);
        Self {
            success: true,
            count: messages.len(),
            next_cursor: next_cursor.map(|message| message.seq),
            messages: messages.into_iter().map(MessageModel::from).collect(),
        }
    }
}

/// The word for a state, as a client names it in a filter or in `waitFor`.
pub fn state_from(word: &str) -> Option<MessageState> {
    match word {
        "accepted" => Some(MessageState::Queued),
        other => MessageState::from_word(other),
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
