//! Chats and their messages on the wire.

use serde::Serialize;
use zapnode_core::chat::{Chat, ChatMessage, ChatPage, History, Mute};
use zapnode_core::message::{Ack, Details, IncomingMessage};
use zapnode_core::outbox::Message;
use zapnode_core::{ChatId, SessionId};

use super::iso;

/// A chat.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatModel {
    id: ChatId,
    /// Digits only, for a person whose number is known.
    phone: Option<String>,
    lid: Option<ChatId>,
    name: Option<String>,
    is_group: bool,
    unread: u32,
    is_marked_unread: bool,
    is_archived: bool,
    is_pinned: bool,
    is_muted: bool,
    /// A time, or `forever`.
    muted_until: Option<String>,
    is_read_only: bool,
    last_activity_at: Option<String>,
    last_message: Option<ChatMessageModel>,
    picture: Option<String>,
}

impl ChatModel {
    /// A chat of a session.
    pub fn new(session: &SessionId, chat: Chat) -> Self {
        let last_message = chat.last_message.map(|page| {
            let message = ChatMessage {
                page: Some(page),
                stored: None,
            };
            ChatMessageModel::new(session, message)
        });
        Self {
            phone: digits(chat.phone.as_ref()),
            lid: chat.lid,
            name: chat.name,
            is_group: chat.is_group,
            unread: chat.unread,
            is_marked_unread: chat.is_marked_unread,
            is_archived: chat.is_archived,
            is_pinned: chat.is_pinned,
            is_muted: chat.mute.is_some(),
            muted_until: chat.mute.map(|mute| match mute {
                Mute::Forever => "forever".to_owned(),
                Mute::Until(until) => iso(until),
            }),
            is_read_only: chat.is_read_only,
            last_activity_at: chat.at.map(iso),
            last_message,
            picture: chat.picture,
            id: chat.id,
        }
    }
}

/// A number without what WhatsApp puts behind it.
pub(super) fn digits(phone: Option<&ChatId>) -> Option<String> {
    phone.map(|phone| phone.user().to_owned())
}

/// `GET /sessions/{id}/chats` and `…/chats/overview`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatList {
    success: bool,
    count: usize,
    /// How many fit the query in all, and how many of those have something unread.
    total: usize,
    unread_chats: usize,
    chats: Vec<ChatModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl ChatList {
    /// A page of a session's chats.
    pub fn new(session: &SessionId, page: ChatPage) -> Self {
        let chats = page.chats.into_iter();
        Self {
            success: true,
            count: chats.len(),
            total: page.total,
            unread_chats: page.unread,
            chats: chats.map(|chat| ChatModel::new(session, chat)).collect(),
            next_cursor: page.next.map(|next| next.to_string()),
        }
    }
}

/// `GET` and `PATCH /sessions/{id}/chats/{chat}`.
#[derive(Debug, Serialize)]
pub struct OneChat {
    success: bool,
    chat: ChatModel,
}

impl OneChat {
    /// A chat of a session.
    pub fn new(session: &SessionId, chat: Chat) -> Self {
        Self {
            success: true,
            chat: ChatModel::new(session, chat),
        }
    }
}

/// A message of a chat, from the session's page, from the store, or both.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessageModel {
    /// Our own id, of a message that the store has.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    session_id: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    chat: Option<ChatId>,
    from_me: bool,
    /// Who wrote it; absent for an own one.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_lid: Option<ChatId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    /// How far an own one is, by the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    ack: i8,
    created_at: String,
    #[serde(flatten)]
    details: DetailsModel,
    /// `page`, `store`, or `both`.
    source: &'static str,
}

/// What a message carries besides its text.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailsModel {
    has_media: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<MediaModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<ReplyModel>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<ChatId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<LocationModel>,
    #[serde(rename = "vCards", skip_serializing_if = "Vec::is_empty")]
    vcards: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_forwarded: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_ephemeral: bool,
}

#[derive(Debug, Serialize)]
struct MediaModel {
    mimetype: Option<String>,
    filename: Option<String>,
    size: Option<u64>,
    duration: Option<u32>,
}

#[derive(Debug, Serialize)]
struct ReplyModel {
    id: String,
    from: Option<ChatId>,
}

#[derive(Debug, Serialize)]
struct LocationModel {
    latitude: f64,
    longitude: f64,
    name: Option<String>,
    address: Option<String>,
}

impl From<Details> for DetailsModel {
    fn from(details: Details) -> Self {
        Self {
            has_media: details.media.is_some(),
            media: details.media.map(|media| MediaModel {
                mimetype: media.mime_type,
                filename: media.file_name,
                size: media.size,
                duration: media.duration,
            }),
            reply_to: details.reply_to.map(|quoted| ReplyModel {
                id: quoted.id.to_string(),
                from: quoted.from.map(|person| person.id),
            }),
            mentions: details.mentions.into_iter().map(|one| one.id).collect(),
            location: details.location.map(|place| LocationModel {
                latitude: place.latitude,
                longitude: place.longitude,
                name: place.name,
                address: place.address,
            }),
            vcards: details.vcards,
            is_forwarded: details.is_forwarded,
            is_ephemeral: details.is_ephemeral,
        }
    }
}

impl ChatMessageModel {
    /// A message of a session.
    pub fn new(session: &SessionId, message: ChatMessage) -> Self {
        let created_at = iso(message.at());
        match (message.page, message.stored) {
            (Some(page), stored) => Self::of_page(session, page, stored, created_at),
            (None, stored) => Self::of_store(session, stored, created_at),
        }
    }

    fn of_page(
        session: &SessionId,
        page: IncomingMessage,
        stored: Option<Message>,
        created_at: String,
    ) -> Self {
        let on_page = page.details.ack.map(Ack::number);
        let in_store = stored.as_ref().map(|stored| stored.state.ack().number());
        let from_me = page.from_me;
        Self {
            source: if stored.is_some() { "both" } else { "page" },
            id: stored.as_ref().map(|stored| stored.id.to_string()),
            session_id: session.clone(),
            message_id: Some(page.id.into()),
            chat: Some(page.chat),
            from_me,
            from: (!from_me).then(|| page.from.to_string()),
            from_phone: digits(page.from_phone.as_ref().filter(|_| !from_me)),
            from_lid: page.from_lid.filter(|_| !from_me),
            name: page.name.filter(|_| !from_me),
            kind: page.kind,
            text: page.text,
            state: stored.as_ref().map(|stored| stored.state.as_str()),
            // Whichever knows it to be further.
            ack: on_page.max(in_store).unwrap_or_default(),
            created_at,
            details: page.details.into(),
        }
    }

    fn of_store(session: &SessionId, stored: Option<Message>, created_at: String) -> Self {
        let from = stored.as_ref().filter(|stored| !stored.from_me);
        let from = from.map(|stored| stored.recipient.clone());
        Self {
            source: "store",
            id: stored.as_ref().map(|stored| stored.id.to_string()),
            session_id: session.clone(),
            message_id: stored
                .as_ref()
                .and_then(|stored| stored.message_id.as_ref().map(ToString::to_string)),
            chat: stored.as_ref().and_then(|stored| stored.chat.clone()),
            from_me: stored.as_ref().is_some_and(|stored| stored.from_me),
            from,
            from_phone: None,
            from_lid: None,
            name: None,
            kind: stored.as_ref().map(|s| s.kind.clone()).unwrap_or_default(),
            state: stored.as_ref().map(|stored| stored.state.as_str()),
            ack: stored.as_ref().map_or(0, |s| s.state.ack().number()),
            text: stored.and_then(|stored| stored.text),
            created_at,
            details: DetailsModel::default(),
        }
    }
}

/// `GET /sessions/{id}/chats/{chat}/messages` and `GET /sessions/{id}/search`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessageList {
    success: bool,
    count: usize,
    messages: Vec<ChatMessageModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Whether the session's page was asked; if not, there is only what the store has.
    asked_page: bool,
}

impl ChatMessageList {
    /// Messages of a session.
    pub fn new(session: &SessionId, history: History) -> Self {
        let messages = history.messages.into_iter();
        Self {
            success: true,
            count: messages.len(),
            messages: messages
                .map(|message| ChatMessageModel::new(session, message))
                .collect(),
            next_cursor: history.next.map(|next| next.to_string()),
            asked_page: history.asked_page,
        }
    }
}
