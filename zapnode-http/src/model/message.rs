//! Messages on the wire.

use serde::Serialize;
use zapnode_core::SessionId;
use zapnode_core::media::StoredMedia;
use zapnode_core::outbox::{Message, MessageState, Wait};

use super::{MediaModel, iso};

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
    /// Its file, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<MediaModel>,
    state: &'static str,
    ack: i8,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<FailureModel>,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<String>,
    /// The bulk job it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    bulk: Option<String>,
    /// Not sent before this time, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_until: Option<String>,
    /// Why it waits, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_because: Option<WaitModel>,
}

/// Why something waits.
#[derive(Debug, Serialize)]
pub(super) struct WaitModel {
    code: &'static str,
    message: String,
}

impl From<Wait> for WaitModel {
    fn from(wait: Wait) -> Self {
        Self {
            code: wait.because.as_str(),
            message: wait.detail,
        }
    }
}

/// Why a message failed.
#[derive(Debug, Serialize)]
pub(super) struct FailureModel {
    code: &'static str,
    message: String,
}

impl MessageModel {
    /// A message, and why it waits, if it does.
    pub fn new(message: Message, wait: Option<Wait>) -> Self {
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
            media: None,
            state: message.state.as_str(),
            ack,
            reason: message.failure.map(|failure| FailureModel {
                code: failure.code.as_str(),
                message: failure.detail,
            }),
            created_at: iso(message.created_at),
            updated_at: iso(message.updated_at),
            send_at: message.send_at.map(iso),
            bulk: message.batch.map(|batch| batch.to_string()),
            waits_until: wait.as_ref().and_then(|wait| wait.until).map(iso),
            waits_because: wait.map(WaitModel::from),
        }
    }
}

impl MessageModel {
    /// With what is known of its file.
    #[must_use]
    pub fn with_media(mut self, media: Option<StoredMedia>) -> Self {
        self.media = media.as_ref().map(MediaModel::new);
        self
    }
}

/// The answer with one message.
#[derive(Debug, Serialize)]
pub struct OneMessage {
    success: bool,
    message: MessageModel,
}

impl OneMessage {
    /// With the message, and why it waits, if it does.
    pub fn new(message: Message, wait: Option<Wait>) -> Self {
        Self {
            success: true,
            message: MessageModel::new(message, wait),
        }
    }

    /// With what is known of its file.
    #[must_use]
    pub fn with_media(mut self, media: Option<StoredMedia>) -> Self {
        self.message = self.message.with_media(media);
        self
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
    /// With what is known of the files of its messages, in the same order.
    #[must_use]
    pub fn with_media(mut self, media: Vec<Option<StoredMedia>>) -> Self {
        let messages = std::mem::take(&mut self.messages);
        let pairs = messages.into_iter().zip(media);
        self.messages = pairs.map(|(m, media)| m.with_media(media)).collect();
        self
    }

    /// A page of at most `limit` messages, newest first, and why each waits.
    pub fn new(messages: Vec<Message>, waits: Vec<Option<Wait>>, limit: usize) -> Self {
        let next_cursor = messages.last().filter(|_| messages.len() == limit);
        Self {
            success: true,
            count: messages.len(),
            next_cursor: next_cursor.map(|message| message.seq),
            messages: messages
                .into_iter()
                .zip(waits)
                .map(|(message, wait)| MessageModel::new(message, wait))
                .collect(),
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
