//! Chats: the list, one, its messages from the page and from our store, search, and what is done
//! with one as a whole.

use std::collections::{HashMap, VecDeque};

use super::SessionHandle;
use crate::chat::{
    Chat, ChatChange, ChatMessage, ChatPage, ChatQuery, History, HistoryQuery, KnownMessage,
    LARGEST_PAGE, MessageCursor, Mute, Sources, merge,
};
use crate::driver::Connection;
use crate::error::Error;
use crate::id::{ChatId, MessageId, WireId};
use crate::message::IncomingMessage;
use crate::outbox::{Message, MessageFilter};

/// How often the store is read on for one page of a chat: most of what it has, the session's page
/// has too.
const MOST_ROUNDS: usize = 10;

/// Where messages are read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageSource {
    /// Both; only the store while the session is not ready.
    #[default]
    Both,
    /// The session's page.
    Page,
    /// Our store: what was sent and received through us.
    Store,
}

type Stored = HashMap<(WireId, bool), Message>;

impl SessionHandle {
    /// A page of the account's chats, newest first.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn chats(&self, query: ChatQuery) -> Result<ChatPage, Error> {
        let query = ChatQuery {
            limit: query.limit.clamp(1, LARGEST_PAGE),
            ..query
        };
        Ok(self.page().await?.chats(&query).await?)
    }

    /// One chat, under either of a person's names.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`]; [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn chat(&self, id: &ChatId) -> Result<Chat, Error> {
        let found = self.page().await?.chat(id).await?;
        found.ok_or(Error::ChatNotFound)
    }

    /// Messages of a chat, newest first: what the session's page has, loaded from its history as far
    /// as needed, and what our store has besides, each once. `after` is the cursor of the page
    /// before. A chat that nobody knows has none.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not ready and only its page is wanted;
    /// [`Error::Store`], or the driver's.
    pub async fn chat_messages(
        &self,
        chat: &ChatId,
        source: MessageSource,
        after: Option<MessageCursor>,
        limit: usize,
    ) -> Result<History, Error> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let cursor = after.unwrap_or_default();
        let page = self.page_for(source).await?;
        let mut sources = Sources::default();
        let mut names = self.shared.store.names_of_chat(chat.clone()).await?;
        if let Some(page) = &page {
            // It may know another name of the person than our store does.
            if let Some(found) = page.chat(chat).await? {
                let all = [Some(found.id), found.phone, found.lid];
                names.extend(all.into_iter().flatten().map(String::from));
            }
            if !cursor.page_ended {
                let query = HistoryQuery {
                    chat: chat.clone(),
                    before: cursor.page.clone(),
                    limit,
                    known: vec![],
                };
                let read = page.chat_messages(&query).await?;
                sources.page = read.messages.into();
                sources.page_has_more = read.has_more;
            }
        }
        if source != MessageSource::Page && !cursor.store_ended {
            names.sort();
            names.dedup();
            let page = page.as_deref();
            self.read_store(page, chat, names, cursor.store, limit, &mut sources)
                .await?;
        }
        let asked_page = page.is_some();
        let (messages, mut next) = merge(sources, cursor, limit);
        next.store_ended |= source == MessageSource::Page;
        let messages = self.with_stored(messages, source).await?;
        let ended = next.store_ended && (next.page_ended || !asked_page);
        Ok(History {
            messages,
            next: (!ended).then_some(next),
            asked_page,
        })
    }

    /// Reads the store on until it has enough that the page has not.
    async fn read_store(
        &self,
        page: Option<&dyn Connection>,
        chat: &ChatId,
        names: Vec<String>,
        mut before: Option<i64>,
        limit: usize,
        sources: &mut Sources,
    ) -> Result<(), Error> {
        let oldest = sources.page.back().map(|message| message.at);
        let mut rows: VecDeque<(Message, bool)> = VecDeque::new();
        for _ in 0..MOST_ROUNDS {
            let id = self.id().clone();
            let store = &self.shared.store;
            let read = store.messages_of_chat(id, names.clone(), before, limit);
            let read = read.await?;
            sources.store_has_more = read.len() == limit;
            before = read.last().map(|message| message.seq).or(before);
            let on_page = match page {
                Some(page) if !read.is_empty() => {
                    let query = HistoryQuery {
                        chat: chat.clone(),
                        before: None,
                        limit: 0,
                        known: read.iter().map(known).collect(),
                    };
                    page.chat_messages(&query).await?.known
                }
                _ => vec![false; read.len()],
            };
            rows.extend(read.into_iter().zip(on_page));
            let enough = rows.iter().filter(|(_, on_page)| !on_page).count() >= limit;
            // What is older than the page's part of the list comes with a later part of it.
            let reached = rows.back().zip(oldest);
            let reached = reached.is_some_and(|((last, _), oldest)| last.created_at < oldest);
            if enough || !sources.store_has_more || (reached && sources.page_has_more) {
                break;
            }
        }
        sources.store = rows;
        Ok(())
    }

    /// Messages with these words, of one chat or of all, newest first, at most `limit`: what the
    /// session's page finds and what our store does, each once. For the store's alone there is
    /// [`messages`](Self::messages), which has pages.
    ///
    /// # Errors
    /// As [`chat_messages`](Self::chat_messages).
    pub async fn search(
        &self,
        words: &str,
        chat: Option<&ChatId>,
        source: MessageSource,
        limit: usize,
    ) -> Result<History, Error> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        let page = self.page_for(source).await?;
        let mut found: Vec<ChatMessage> = Vec::new();
        if let Some(page) = &page {
            let hits = page.search_messages(words, chat, limit).await?;
            found.extend(hits.into_iter().map(of_page));
        }
        let mut found = self.with_stored(found, source).await?;
        if source != MessageSource::Page {
            let store = &self.shared.store;
            let places: Vec<Option<ChatId>> = match chat {
                None => vec![None],
                Some(chat) => {
                    let names = store.names_of_chat(chat.clone()).await?;
                    let chats = names.iter().filter_map(|name| ChatId::new(name).ok());
                    chats.map(Some).collect()
                }
            };
            for place in places {
                let filter = MessageFilter {
                    chat: place,
                    words: Some(words.to_owned()),
                    ..MessageFilter::default()
                };
                for message in self.messages(filter, limit).await? {
                    let hit = ChatMessage {
                        page: None,
                        stored: Some(message),
                    };
                    if !found.iter().any(|known| known.key() == hit.key()) {
                        found.push(hit);
                    }
                }
            }
        }
        found.sort_by_key(|message| std::cmp::Reverse(message.at()));
        found.truncate(limit);
        Ok(History {
            messages: found,
            next: None,
            asked_page: page.is_some(),
        })
    }

    /// Puts a chat into the archive, or takes it out.
    ///
    /// # Errors
    /// [`Error::ChatNotFound`]; [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn archive_chat(&self, chat: &ChatId, on: bool) -> Result<(), Error> {
        self.change_chat(chat, ChatChange::Archive(on)).await
    }

    /// Pins a chat to the top, or not.
    ///
    /// # Errors
    /// As [`archive_chat`](Self::archive_chat), and
    /// [`DriverError::Refused`](crate::driver::DriverError::Refused) for a fourth.
    pub async fn pin_chat(&self, chat: &ChatId, on: bool) -> Result<(), Error> {
        self.change_chat(chat, ChatChange::Pin(on)).await
    }

    /// Mutes a chat; `None` unmutes it.
    ///
    /// # Errors
    /// As [`archive_chat`](Self::archive_chat).
    pub async fn mute_chat(&self, chat: &ChatId, mute: Option<Mute>) -> Result<(), Error> {
        self.change_chat(chat, ChatChange::Mute(mute)).await
    }

    /// Marks a chat as unread.
    ///
    /// # Errors
    /// As [`archive_chat`](Self::archive_chat).
    pub async fn mark_chat_unread(&self, chat: &ChatId) -> Result<(), Error> {
        self.change_chat(chat, ChatChange::MarkUnread).await
    }

    /// Removes a chat's messages on this account's devices. Our own store keeps what it has.
    ///
    /// # Errors
    /// As [`archive_chat`](Self::archive_chat).
    pub async fn clear_chat(&self, chat: &ChatId, keep_starred: bool) -> Result<(), Error> {
        self.change_chat(chat, ChatChange::Clear { keep_starred })
            .await
    }

    /// Removes a chat with its messages on this account's devices. Our own store keeps what it has.
    ///
    /// # Errors
    /// As [`archive_chat`](Self::archive_chat).
    pub async fn delete_chat(&self, chat: &ChatId) -> Result<(), Error> {
        self.change_chat(chat, ChatChange::Delete).await
    }

    async fn change_chat(&self, chat: &ChatId, change: ChatChange) -> Result<(), Error> {
        match self.page().await?.change_chat(chat, change).await? {
            true => Ok(()),
            false => Err(Error::ChatNotFound),
        }
    }

    /// The page, where it is wanted and can be asked.
    async fn page_for(
        &self,
        source: MessageSource,
    ) -> Result<Option<std::sync::Arc<dyn Connection>>, Error> {
        match (source, self.page().await) {
            (MessageSource::Store, _) => Ok(None),
            (_, Ok(page)) => Ok(Some(page)),
            (MessageSource::Both, Err(Error::NotReady { .. })) => Ok(None),
            (_, Err(error)) => Err(error),
        }
    }

    /// Adds to the page's messages what the store has of them.
    async fn with_stored(
        &self,
        mut messages: Vec<ChatMessage>,
        source: MessageSource,
    ) -> Result<Vec<ChatMessage>, Error> {
        if source == MessageSource::Page {
            return Ok(messages);
        }
        let on_page = messages.iter().filter_map(|message| message.page.as_ref());
        let keys: Vec<MessageId> = on_page.map(|message| message.id.clone()).collect();
        let store = &self.shared.store;
        let mut stored: Stored = store.messages_by_keys(self.id().clone(), keys).await?;
        for message in messages.iter_mut().filter(|message| message.page.is_some()) {
            message.stored = message.key().and_then(|key| stored.remove(&key));
        }
        Ok(messages)
    }
}

fn of_page(message: IncomingMessage) -> ChatMessage {
    ChatMessage {
        page: Some(message),
        stored: None,
    }
}

fn known(message: &Message) -> KnownMessage {
    KnownMessage {
        id: message.message_id.clone(),
        wire_id: message.wire_id.clone(),
        from_me: message.from_me,
    }
}
