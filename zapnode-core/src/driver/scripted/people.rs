//! What the script's accounts have: chats with their messages, contacts, profiles, calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{ScriptedConnection, ScriptedDriver, lock};
use crate::chat::{
    Chat, ChatChange, ChatCursor, ChatPage, ChatQuery, HistoryPage, HistoryQuery, KnownMessage,
    MOST_PINNED,
};
use crate::contact::{
    BusinessProfile, ContactCursor, ContactDetails, ContactPage, ContactQuery, OwnProfile,
    ProfileChange,
};
use crate::driver::DriverError;
use crate::id::{ChatId, MessageId, SessionId};
use crate::message::{Call, IncomingMessage, OutgoingMessage, Person};

/// Everything that an account has besides its login.
#[derive(Clone, Debug, Default)]
pub struct Book {
    /// Its chats.
    pub chats: BTreeMap<ChatId, Chat>,
    /// Their messages, oldest first.
    pub messages: HashMap<ChatId, Vec<IncomingMessage>>,
    /// The people it knows.
    pub contacts: BTreeMap<ChatId, ContactDetails>,
    /// About texts.
    pub abouts: HashMap<ChatId, String>,
    /// Addresses of pictures.
    pub pictures: HashMap<ChatId, String>,
    /// Businesses.
    pub businesses: HashMap<ChatId, BusinessProfile>,
    /// Its own profile.
    pub profile: OwnProfile,
    /// The picture it was given last.
    pub picture: Option<Vec<u8>>,
    /// Calls that ring.
    pub ringing: BTreeMap<String, ChatId>,
    /// Calls that were turned away.
    pub rejected: Vec<String>,
    /// Numbers that are not on WhatsApp, besides those that begin with 000.
    pub absent: BTreeSet<String>,
    /// How often WhatsApp was asked who has a number.
    pub asked: usize,
    /// What this page cannot do, by the command's name.
    pub missing: BTreeSet<&'static str>,
}

impl Book {
    /// A message is in its chat, which comes to be.
    pub fn put_message(&mut self, message: IncomingMessage) {
        let chat = self.chats.entry(message.chat.clone());
        let chat = chat.or_insert_with(|| empty_chat(message.chat.clone()));
        if !message.from_me {
            chat.unread += 1;
        }
        chat.at = Some(message.at);
        chat.last_message = Some(message.clone());
        let messages = self.messages.entry(message.chat.clone()).or_default();
        messages.push(message);
    }

    /// Somebody is known.
    pub fn put_contact(&mut self, contact: ContactDetails) {
        self.contacts.insert(contact.id.clone(), contact);
    }
}

fn empty_chat(id: ChatId) -> Chat {
    Chat {
        phone: id.is_phone().then(|| id.clone()),
        lid: id.is_lid().then(|| id.clone()),
        name: None,
        is_group: id.is_group(),
        id,
        unread: 0,
        is_marked_unread: false,
        is_archived: false,
        is_pinned: false,
        mute: None,
        is_read_only: false,
        at: None,
        last_message: None,
        picture: None,
    }
}

fn holds(text: Option<&str>, words: Option<&str>) -> bool {
    let Some(words) = words else {
        return true;
    };
    let text = text.unwrap_or_default().to_lowercase();
    text.contains(&words.to_lowercase())
}

impl ScriptedDriver {
    /// Looks into what a session's account has; also where it is waited for a change of it.
    pub fn look<T>(&self, session: &SessionId, look: impl FnOnce(&Book) -> T) -> T {
        look(self.state().books.entry(session.clone()).or_default())
    }

    /// Changes what a session's account has, and tells those who wait.
    pub fn book<T>(&self, session: &SessionId, work: impl FnOnce(&mut Book) -> T) -> T {
        let worked = work(self.state().books.entry(session.clone()).or_default());
        self.world.changed.notify_waiters();
        worked
    }

    /// Somebody calls the session's account.
    pub async fn call(&self, session: &SessionId, call: Call) {
        self.book(session, |book| {
            book.ringing.insert(call.id.clone(), call.from.id.clone());
        });
        self.tell(session, crate::driver::DriverEvent::Call(call))
            .await;
    }
}

impl ScriptedConnection {
    /// What the account has, where it can be asked.
    pub(super) async fn with_book<T>(
        &self,
        command: &'static str,
        work: impl FnOnce(&mut Book) -> T,
    ) -> Result<T, DriverError> {
        self.alive(command).await?;
        self.account(command)?;
        if lock(&self.page.inside).unlinked.is_some() {
            return Err(DriverError::WrongMoment {
                command,
                why: "WhatsApp cannot be reached".to_owned(),
            });
        }
        let session = self.page.session.clone();
        self.driver.book(&session, |book| {
            if book.missing.contains(command) {
                return Err(DriverError::Unsupported {
                    feature: command,
                    part: format!("the script's {command}"),
                });
            }
            Ok(work(book))
        })
    }

    pub(super) async fn list_chats(&self, query: &ChatQuery) -> Result<ChatPage, DriverError> {
        let place = |chat: &Chat| {
            let at = chat.at.map_or(0, time::OffsetDateTime::unix_timestamp);
            let pinned = query.pinned_first && chat.is_pinned;
            (std::cmp::Reverse((pinned, at)), chat.id.clone())
        };
        self.with_book("list chats", |book| {
            let mut all: Vec<Chat> = book.chats.values().cloned().collect();
            all.retain(|chat| {
                query.archived.is_none_or(|on| chat.is_archived == on)
                    && (!query.unread || chat.unread > 0 || chat.is_marked_unread)
                    && holds(chat.name.as_deref(), query.words.as_deref())
            });
            all.sort_by_key(place);
            let (total, unread) = (all.len(), all.iter().filter(|c| c.unread > 0).count());
            let after = query.after.as_ref().map(|after| {
                let order = std::cmp::Reverse((after.pinned, after.at));
                (order, after.id.clone())
            });
            all.retain(|chat| after.as_ref().is_none_or(|after| place(chat) > *after));
            let more = all.len() > query.limit;
            all.truncate(query.limit);
            let next = all.last().filter(|_| more).map(|last| ChatCursor {
                pinned: query.pinned_first && last.is_pinned,
                at: last.at.map_or(0, time::OffsetDateTime::unix_timestamp),
                id: last.id.clone(),
            });
            ChatPage {
                chats: all,
                next,
                total,
                unread,
            }
        })
        .await
    }

    pub(super) async fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, DriverError> {
        let is = |message: &IncomingMessage, one: &KnownMessage| {
            message.id.wire_id() == one.wire_id && message.from_me == one.from_me
        };
        self.with_book("read a chat", |book| {
            let all = book.messages.get(&query.chat).cloned().unwrap_or_default();
            let known = query.known.iter();
            let known = known.map(|one| all.iter().any(|message| is(message, one)));
            let known = known.collect();
            let until = match &query.before {
                None => all.len(),
                Some(before) => all.iter().position(|m| m.id == *before).unwrap_or(0),
            };
            let older = &all[..until];
            let from = until.saturating_sub(query.limit);
            HistoryPage {
                messages: older[from..].iter().rev().cloned().collect(),
                has_more: from > 0,
                known,
            }
        })
        .await
    }

    pub(super) async fn find_messages(
        &self,
        words: &str,
        chat: Option<&ChatId>,
        limit: usize,
    ) -> Result<Vec<IncomingMessage>, DriverError> {
        self.with_book("search messages", |book| {
            let all = book.messages.values().flatten();
            let mut found: Vec<_> = all
                .filter(|m| chat.is_none_or(|chat| m.chat == *chat))
                .filter(|m| holds(m.text.as_deref(), Some(words)))
                .cloned()
                .collect();
            found.sort_by_key(|message| std::cmp::Reverse(message.at));
            found.truncate(limit);
            found
        })
        .await
    }

    pub(super) async fn do_with_chat(
        &self,
        id: &ChatId,
        change: ChatChange,
    ) -> Result<bool, DriverError> {
        let command = "change a chat";
        self.with_book(command, |book| {
            let pinned = book.chats.values().filter(|chat| chat.is_pinned).count();
            let Some(chat) = book.chats.get_mut(id) else {
                return Ok(false);
            };
            match change {
                ChatChange::Archive(on) => chat.is_archived = on,
                ChatChange::Pin(true) if !chat.is_pinned && pinned >= MOST_PINNED => {
                    return Err(DriverError::Refused {
                        command,
                        reason: "three chats are pinned already".to_owned(),
                    });
                }
                ChatChange::Pin(on) => chat.is_pinned = on,
                ChatChange::Mute(mute) => chat.mute = mute,
                ChatChange::MarkUnread => chat.is_marked_unread = true,
                ChatChange::Clear { .. } => {
                    chat.last_message = None;
                    book.messages.remove(id);
                }
                ChatChange::Delete => {
                    book.chats.remove(id);
                    book.messages.remove(id);
                }
            }
            Ok(true)
        })
        .await?
    }

    pub(super) async fn list_contacts(
        &self,
        query: &ContactQuery,
    ) -> Result<ContactPage, DriverError> {
        let order = |one: &ContactDetails| match one.title() {
            Some(title) => format!("0{}", title.to_lowercase()),
            None => "1".to_owned(),
        };
        self.with_book("list contacts", |book| {
            let mut all: Vec<_> = book.contacts.values().cloned().collect();
            all.retain(|one| {
                let names = [one.title(), Some(one.id.user())];
                (!query.mine || one.is_my_contact)
                    && names.into_iter().any(|n| holds(n, query.words.as_deref()))
            });
            all.sort_by_key(|one| (order(one), one.id.clone()));
            let total = all.len();
            all.retain(|one| {
                let after = query.after.as_ref();
                after.is_none_or(|a| (order(one), &one.id) > (a.order.clone(), &a.id))
            });
            let more = all.len() > query.limit;
            all.truncate(query.limit);
            let next = all.last().filter(|_| more).map(|last| ContactCursor {
                order: order(last),
                id: last.id.clone(),
            });
            ContactPage {
                contacts: all,
                next,
                total,
            }
        })
        .await
    }

    pub(super) async fn one_contact(
        &self,
        id: &ChatId,
    ) -> Result<Option<ContactDetails>, DriverError> {
        self.with_book("look a contact up", |book| {
            if id.user().starts_with("000") || book.absent.contains(id.user()) {
                return None;
            }
            let known = book.contacts.get(id).cloned();
            Some(known.unwrap_or_else(|| ContactDetails::new(id.clone())))
        })
        .await
    }

    pub(super) async fn list_blocked(&self) -> Result<Vec<Person>, DriverError> {
        self.with_book("list blocked contacts", |book| {
            let blocked = book.contacts.values().filter(|one| one.is_blocked);
            let person = |one: &ContactDetails| Person {
                id: one.id.clone(),
                phone: one.phone.clone(),
                lid: one.lid.clone(),
            };
            blocked.map(person).collect()
        })
        .await
    }

    pub(super) async fn block(&self, id: &ChatId, blocked: bool) -> Result<(), DriverError> {
        let command = "block a contact";
        self.with_book(command, |book| {
            if id.user().starts_with("000") {
                return Err(DriverError::NotOnWhatsApp {
                    recipient: id.to_string(),
                });
            }
            let contact = book.contacts.entry(id.clone());
            let contact = contact.or_insert_with(|| ContactDetails::new(id.clone()));
            contact.is_blocked = blocked;
            Ok(())
        })
        .await?
    }

    pub(super) async fn profile(&self) -> Result<OwnProfile, DriverError> {
        let account = self.account("read the profile")?;
        self.with_book("read the profile", |book| {
            let profile = book.profile.clone();
            OwnProfile {
                phone: Some(ChatId::from(&account)),
                name: profile.name.or_else(|| Some(format!("Account {account}"))),
                ..book.profile.clone()
            }
        })
        .await
    }

    pub(super) async fn write_profile(&self, change: &ProfileChange) -> Result<(), DriverError> {
        self.with_book("change the profile", |book| match change {
            ProfileChange::Name(name) => book.profile.name = Some(name.clone()),
            ProfileChange::About(text) => {
                book.profile.about = Some(text.clone()).filter(|text| !text.is_empty());
            }
            ProfileChange::Picture(picture) => {
                book.picture = Some(picture.bytes().to_vec());
                book.profile.picture = Some("https://pps.example.com/own.jpg".to_owned());
            }
            ProfileChange::NoPicture => {
                book.picture = None;
                book.profile.picture = None;
            }
        })
        .await
    }

    pub(super) async fn turn_away(
        &self,
        id: &str,
        from: Option<&ChatId>,
    ) -> Result<bool, DriverError> {
        self.with_book("turn a call away", |book| {
            if book.ringing.remove(id).is_none() && from.is_none() {
                return false;
            }
            book.rejected.push(id.to_owned());
            true
        })
        .await
    }
}

/// A message that was handed over, as the page shows it in its chat.
pub(super) fn own_message(id: &MessageId, message: &OutgoingMessage) -> IncomingMessage {
    IncomingMessage {
        id: id.clone(),
        chat: message.chat.clone(),
        from: message.chat.clone(),
        from_phone: None,
        from_lid: None,
        name: None,
        from_me: true,
        kind: message.content.kind().to_owned(),
        text: message.content.words(),
        at: time::OffsetDateTime::now_utc(),
        details: Default::default(),
    }
}
