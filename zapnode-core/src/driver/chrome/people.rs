//! Chats, contacts, the own profile and calls: what the bridge is asked, and its answers in the
//! contract's words. One that is strange is left out of a list.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::bridge::Command;
use super::connection::{ChromeConnection, strange};
use super::heard::{PageMessage, PagePerson};
use crate::chat::{
    Chat, ChatChange, ChatCursor, ChatPage, ChatQuery, HistoryPage, HistoryQuery, Mute,
};
use crate::contact::{
    ContactCursor, ContactDetails, ContactPage, ContactQuery, OwnProfile, ProfileChange,
};
use crate::driver::DriverError;
use crate::id::{ChatId, MessageId};
use crate::message::{IncomingMessage, Person};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageChat {
    id: String,
    phone: Option<String>,
    lid: Option<String>,
    name: Option<String>,
    is_group: bool,
    unread: u32,
    is_marked_unread: bool,
    is_archived: bool,
    is_pinned: bool,
    /// WhatsApp's number.
    mute: i64,
    is_read_only: bool,
    /// Unix seconds.
    at: Option<i64>,
    last_message: Option<PageMessage>,
    picture: Option<String>,
}

impl PageChat {
    fn read(self, now: OffsetDateTime) -> Option<Chat> {
        Some(Chat {
            id: ChatId::new(&self.id).ok()?,
            phone: named(self.phone),
            lid: named(self.lid),
            name: self.name,
            is_group: self.is_group,
            unread: self.unread,
            is_marked_unread: self.is_marked_unread,
            is_archived: self.is_archived,
            is_pinned: self.is_pinned,
            mute: Mute::from_expiration(self.mute, now),
            is_read_only: self.is_read_only,
            at: self
                .at
                .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
            last_message: self.last_message.and_then(|message| message.message(now)),
            picture: self.picture,
        })
    }
}

#[derive(Debug, Deserialize)]
struct ChatsAnswer {
    chats: Vec<PageChat>,
    next: Option<ChatCursor>,
    total: usize,
    unread: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryAnswer {
    messages: Vec<PageMessage>,
    has_more: bool,
    known: Vec<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageContact {
    id: String,
    phone: Option<String>,
    lid: Option<String>,
    name: Option<String>,
    short_name: Option<String>,
    push_name: Option<String>,
    verified_name: Option<String>,
    is_business: bool,
    is_my_contact: bool,
    is_blocked: bool,
    is_me: bool,
}

impl PageContact {
    fn read(self) -> Option<ContactDetails> {
        Some(ContactDetails {
            id: ChatId::new(&self.id).ok()?,
            phone: named(self.phone),
            lid: named(self.lid),
            name: self.name,
            short_name: self.short_name,
            push_name: self.push_name,
            verified_name: self.verified_name,
            is_business: self.is_business,
            is_my_contact: self.is_my_contact,
            is_blocked: self.is_blocked,
            is_me: self.is_me,
        })
    }
}

#[derive(Debug, Deserialize)]
struct ContactsAnswer {
    contacts: Vec<PageContact>,
    next: Option<ContactCursor>,
    total: usize,
}

#[derive(Debug, Deserialize)]
struct ProfileAnswer {
    phone: Option<String>,
    lid: Option<String>,
    name: Option<String>,
    about: Option<String>,
    picture: Option<String>,
}

fn named(text: Option<String>) -> Option<ChatId> {
    text.and_then(|text| ChatId::new(&text).ok())
}

fn messages(list: Vec<PageMessage>) -> Vec<IncomingMessage> {
    let now = OffsetDateTime::now_utc();
    list.into_iter()
        .filter_map(|one| one.message(now))
        .collect()
}

impl ChromeConnection {
    /// Asks the bridge, where the moment is right for it.
    async fn ask<T: DeserializeOwned>(
        &self,
        command: Command,
        arguments: Value,
    ) -> Result<T, DriverError> {
        self.need_ready(command.name)?;
        self.shared.command(command, &arguments).await
    }

    /// Asks for something of one person or chat.
    pub(super) async fn of_person<T: DeserializeOwned>(
        &self,
        command: Command,
        id: &ChatId,
    ) -> Result<T, DriverError> {
        self.ask(command, json!({ "id": id })).await
    }

    pub(super) async fn read_chats(&self, query: &ChatQuery) -> Result<ChatPage, DriverError> {
        let arguments = json!({
            "archived": query.archived,
            "unread": query.unread,
            "words": query.words,
            "pinnedFirst": query.pinned_first,
            "after": query.after,
            "limit": query.limit,
        });
        let answer: ChatsAnswer = self.ask(Command::CHATS, arguments).await?;
        let now = OffsetDateTime::now_utc();
        let chats = answer.chats.into_iter();
        Ok(ChatPage {
            chats: chats.filter_map(|chat| chat.read(now)).collect(),
            next: answer.next,
            total: answer.total,
            unread: answer.unread,
        })
    }

    pub(super) async fn read_chat(&self, id: &ChatId) -> Result<Option<Chat>, DriverError> {
        let answer: Option<PageChat> = self.of_person(Command::CHAT, id).await?;
        Ok(answer.and_then(|chat| chat.read(OffsetDateTime::now_utc())))
    }

    pub(super) async fn read_history(
        &self,
        query: &HistoryQuery,
    ) -> Result<HistoryPage, DriverError> {
        let known: Vec<Value> = query
            .known
            .iter()
            .map(|one| {
                json!({
                    "key": one.id.as_ref().map(MessageId::as_str),
                    "wireId": one.wire_id.as_str(),
                    "own": one.from_me,
                })
            })
            .collect();
        let before = query.before.as_ref().map(|id| {
            json!({ "key": id.as_str(), "wireId": id.wire_id().as_str(), "own": id.from_me() })
        });
        let arguments = json!({
            "chat": query.chat,
            "before": before,
            "limit": query.limit,
            "known": known,
        });
        let answer: HistoryAnswer = self.ask(Command::CHAT_MESSAGES, arguments).await?;
        if answer.known.len() != query.known.len() {
            let error = std::io::Error::other("it says too little of the messages asked about");
            return Err(strange(Command::CHAT_MESSAGES, &error));
        }
        Ok(HistoryPage {
            messages: messages(answer.messages),
            has_more: answer.has_more,
            known: answer.known,
        })
    }

    pub(super) async fn search(
        &self,
        words: &str,
        chat: Option<&ChatId>,
        limit: usize,
    ) -> Result<Vec<IncomingMessage>, DriverError> {
        let arguments = json!({ "words": words, "chat": chat, "limit": limit });
        let answer: Vec<PageMessage> = self.ask(Command::SEARCH, arguments).await?;
        Ok(messages(answer))
    }

    pub(super) async fn do_with_chat(
        &self,
        id: &ChatId,
        change: ChatChange,
    ) -> Result<bool, DriverError> {
        let change = match change {
            ChatChange::Archive(on) => json!({ "what": "archive", "on": on }),
            ChatChange::Pin(on) => json!({ "what": "pin", "on": on }),
            ChatChange::Mute(mute) => {
                json!({ "what": "mute", "until": mute.map_or(0, Mute::expiration) })
            }
            ChatChange::MarkUnread => json!({ "what": "unread" }),
            ChatChange::Clear { keep_starred } => {
                json!({ "what": "clear", "keepStarred": keep_starred })
            }
            ChatChange::Delete => json!({ "what": "delete" }),
        };
        let arguments = json!({ "id": id, "change": change });
        self.ask(Command::CHANGE_CHAT, arguments).await
    }

    pub(super) async fn read_contacts(
        &self,
        query: &ContactQuery,
    ) -> Result<ContactPage, DriverError> {
        let arguments = json!({
            "words": query.words,
            "mine": query.mine,
            "after": query.after,
            "limit": query.limit,
        });
        let answer: ContactsAnswer = self.ask(Command::CONTACTS, arguments).await?;
        let contacts = answer.contacts.into_iter();
        Ok(ContactPage {
            contacts: contacts.filter_map(PageContact::read).collect(),
            next: answer.next,
            total: answer.total,
        })
    }

    pub(super) async fn read_contact(
        &self,
        id: &ChatId,
    ) -> Result<Option<ContactDetails>, DriverError> {
        let answer: Option<PageContact> = self.of_person(Command::CONTACT, id).await?;
        Ok(answer.and_then(PageContact::read))
    }

    pub(super) async fn read_blocked(&self) -> Result<Vec<Person>, DriverError> {
        let answer: Vec<PagePerson> = self.ask(Command::BLOCKED, json!({})).await?;
        Ok(answer.iter().filter_map(PagePerson::read).collect())
    }

    pub(super) async fn block(&self, id: &ChatId, blocked: bool) -> Result<(), DriverError> {
        let arguments = json!({ "id": id, "blocked": blocked });
        self.ask(Command::SET_BLOCKED, arguments).await
    }

    pub(super) async fn read_profile(&self) -> Result<OwnProfile, DriverError> {
        let answer: ProfileAnswer = self.ask(Command::OWN_PROFILE, json!({})).await?;
        Ok(OwnProfile {
            phone: named(answer.phone),
            lid: named(answer.lid),
            name: answer.name,
            about: answer.about,
            picture: answer.picture,
        })
    }

    pub(super) async fn write_profile(&self, change: &ProfileChange) -> Result<(), DriverError> {
        let change = match change {
            ProfileChange::Name(name) => json!({ "what": "name", "text": name }),
            ProfileChange::About(text) => json!({ "what": "about", "text": text }),
            ProfileChange::Picture(picture) => json!({
                "what": "picture",
                "mime": picture.kind().mime(),
                "data": STANDARD.encode(picture.bytes()),
            }),
            ProfileChange::NoPicture => json!({ "what": "noPicture" }),
        };
        self.ask(Command::CHANGE_PROFILE, change).await
    }

    pub(super) async fn turn_away(
        &self,
        id: &str,
        from: Option<&ChatId>,
    ) -> Result<bool, DriverError> {
        let arguments = json!({ "id": id, "from": from });
        self.ask(Command::REJECT_CALL, arguments).await
    }
}
