//! The table of messages, and the keys that make a repeated send harmless.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};
use time::OffsetDateTime;
use ulid::Ulid;

use super::bulk::is_key_of_job;
use super::optouts::{self, NewOptOut};
use super::outbox::standing_of;
use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError, events};
use crate::id::{ChatId, MessageId, SessionId, WireId};
use crate::message::{Ack, IncomingMessage};
use crate::outbox::intake::Heard;
use crate::outbox::queue::Standing;
use crate::outbox::{Failure, FailureCode, Message, MessageFilter, MessageState, Priority};

/// What [`Store::accept`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is new and stored. With it, what is known of the person it is for.
    New(Message, Standing),
    /// The idempotency key stands for this one, which asked for the same.
    Repeated(Message),
    /// The idempotency key stands for another request.
    Mismatch,
}

/// What came of [`Store::take_in`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TakenIn {
    /// Messages of ours that came further.
    pub(crate) changed: Vec<Message>,
    /// What bulk jobs had queued for people who want no more of it.
    pub(crate) taken_back: Vec<Message>,
}

/// An idempotency key and what was asked under it.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub key: String,
    /// The request in a form in which equal requests are equal texts.
    pub request: String,
}

pub(super) const COLUMNS: &str = "seq, id, session, from_me, recipient, chat, wire_id, message_id, state, \
                       reason, detail, kind, body, created_at, updated_at, send_at, priority, \
                       batch, paced, attempted_at, reply_to";

impl Store {
    /// Stores a message to be sent, with its key if it has one, unless the key is known.
    ///
    /// # Errors
    /// As [`Store::run`]; then nothing was stored.
    pub async fn accept(&self, message: Message, key: Option<Key>) -> Result<Accepted, StoreError> {
        self.run(move |t| {
            if let Some(key) = &key
                && let Some(known) = known_by_key(t, key)?
            {
                return Ok(known);
            }
            let message = insert(t, message)?;
            if let Some(key) = &key {
                t.execute(
                    "INSERT INTO idempotency (key, request, message, created_at)
                     VALUES (?1, ?2, ?3, ?4)",
                    params![
                        key.key,
                        key.request,
                        message.id.to_string(),
                        millis(message.created_at)
                    ],
                )?;
            }
            let standing = standing_of(t, &message)?;
            Ok(Accepted::New(message, standing))
        })
        .await
    }

    /// Stores many messages to be sent, all or none, in this order: at most 10,000, which takes
    /// about half a second.
    ///
    /// # Errors
    /// As [`Store::run`]; then nothing was stored.
    pub async fn accept_many(
        &self,
        messages: Vec<Message>,
    ) -> Result<Vec<(Message, Standing)>, StoreError> {
        self.run(move |t| insert_many(t, messages)).await
    }

    /// What an idempotency key stands for, if it is known.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn known_by_key(&self, key: Key) -> Result<Option<Accepted>, StoreError> {
        self.run(move |t| known_by_key(t, &key)).await
    }

    /// Stores and tells what came in on a session, in order and all of it or nothing, with the
    /// opt-outs that are in it. What is known already is left alone. While the store cannot write
    /// it waits there.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) fn take_in(
        &self,
        session: SessionId,
        what: Arc<Vec<Heard>>,
    ) -> impl Future<Output = Result<TakenIn, StoreError>> + Send + use<> {
        let kept = self.keep(move |t| {
            let mut taken = TakenIn::default();
            for heard in what.iter() {
                match heard {
                    Heard::Message(message, opt_out) => {
                        let back = appeared(t, &session, message, opt_out.as_deref())?;
                        taken.taken_back.extend(back);
                    }
                    Heard::OptOut(id, opt_out) => {
                        let back = optouts::opt_out_once(t, &session, id, opt_out)?;
                        taken.taken_back.extend(back);
                    }
                    Heard::Happening(happening) => events::happened(t, &session, happening)?,
                    Heard::Ack { id, ack, failure } => {
                        taken
                            .changed
                            .extend(acknowledged(t, &session, id, *ack, failure)?);
                    }
                }
            }
            Ok(taken)
        });
        kept.stored()
    }

    /// Changes a session's own message, found by its wire id, tells what came of it, and gives it
    /// as it is then. `None` when there is none, or `change` leaves it alone. While the store cannot
    /// write it waits there.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub fn change_message<F>(
        &self,
        session: SessionId,
        wire_id: WireId,
        change: F,
    ) -> impl Future<Output = Result<Option<Message>, StoreError>> + Send + use<F>
    where
        F: FnOnce(&mut Message) -> bool + Send + 'static,
    {
        let mut change = Some(change);
        let mut changed = None;
        let kept = self.keep(move |t| {
            if change.is_some() {
                let found = own_message(t, &session, &wire_id)?;
                let (Some(mut message), Some(change)) = (found, change.take()) else {
                    return Ok(None);
                };
                let before = message.clone();
                if change(&mut message) {
                    message.updated_at = super::now();
                    changed = Some((before, message));
                }
            }
            // Once more after a failed commit: on the same row, since changes keep their order.
            let Some((before, message)) = &changed else {
                return Ok(None);
            };
            write_progress(t, message)?;
            events::message_progressed(t, before, message)?;
            Ok(Some(message.clone()))
        });
        kept.stored()
    }

    /// Ends many of a session's own open messages at once, and tells it; gives those that it ended. While the
    /// store cannot write it waits there.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub fn end_messages(
        &self,
        session: SessionId,
        wire_ids: Vec<WireId>,
        state: MessageState,
        failure: Option<Failure>,
    ) -> impl Future<Output = Result<Vec<Message>, StoreError>> + Send + use<> {
        let kept = self.keep(move |t| {
            let mut ended = Vec::with_capacity(wire_ids.len());
            for wire_id in &wire_ids {
                let Some(mut message) = own_message(t, &session, wire_id)? else {
                    continue;
                };
                if !message.state.is_open() {
                    continue;
                }
                let before = message.clone();
                message.state = state;
                message.failure.clone_from(&failure);
                message.updated_at = super::now();
                write_progress(t, &message)?;
                events::message_progressed(t, &before, &message)?;
                ended.push(message);
            }
            Ok(ended)
        });
        kept.stored()
    }

    /// A session's own message by its id on the wire.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn own_message(
        &self,
        session: SessionId,
        wire_id: WireId,
    ) -> Result<Option<Message>, StoreError> {
        self.run(move |t| own_message(t, &session, &wire_id)).await
    }

    /// The first of what a session still has to send, in the order of acceptance, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn first_open(
        &self,
        session: SessionId,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        self.run(move |t| open_messages(t, &session, limit)).await
    }

    /// What a session still has to send, in the order of acceptance.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn open_messages(
        &self,
        session: SessionId,
    ) -> Result<Vec<(Message, Standing)>, StoreError> {
        self.run(move |t| {
            let messages = open_messages(t, &session, usize::MAX)?.into_iter();
            messages
                .map(|message| {
                    let standing = standing_of(t, &message)?;
                    Ok((message, standing))
                })
                .collect()
        })
        .await
    }

    /// A message by our own id.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn message(&self, id: Ulid) -> Result<Option<Message>, StoreError> {
        self.run(move |t| {
            let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = ?1");
            Ok(t.query_row(&sql, [id.to_string()], read).optional()?)
        })
        .await
    }

    /// A message by WhatsApp's whole key.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn message_by_key(&self, id: MessageId) -> Result<Option<Message>, StoreError> {
        self.run(move |t| {
            // By the wire id, which has an index, under whatever address the chat has now.
            let sql = format!(
                "SELECT {COLUMNS} FROM messages WHERE wire_id = ?1 AND from_me = ?2
                 ORDER BY message_id = ?3 DESC LIMIT 1"
            );
            let found = t.query_row(
                &sql,
                params![id.wire_id().as_str(), id.from_me(), id.as_str()],
                read,
            );
            Ok(found.optional()?)
        })
        .await
    }

    /// A session's messages that pass `filter`, newest first, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn messages(
        &self,
        session: SessionId,
        filter: MessageFilter,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        self.run(move |t| {
            let (condition, values) = where_clause(&session, &filter);
            let sql = format!(
                "SELECT {COLUMNS} FROM messages WHERE {condition} ORDER BY seq DESC LIMIT {limit}"
            );
            let mut query = t.prepare(&sql)?;
            let rows = query.query_map(params_from_iter(values), read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Forgets idempotency keys older than `before`.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn forget_keys(&self, before: OffsetDateTime) -> Result<usize, StoreError> {
        self.run(move |t| {
            let sql = "DELETE FROM idempotency WHERE created_at < ?1";
            Ok(t.execute(sql, [millis(before)])?)
        })
        .await
    }
}

/// Stores and tells a message that appeared on the page. One that is known by its wire id was told
/// by an earlier page or an earlier run. Gives what its writer's opt-out took back.
fn appeared(
    t: &Transaction<'_>,
    session: &SessionId,
    told: &IncomingMessage,
    opt_out: Option<&NewOptOut>,
) -> Result<Vec<Message>, StoreError> {
    if by_wire_id(t, session, &told.id)?.is_some() {
        return Ok(vec![]);
    }
    let row = Message {
        seq: 0,
        id: Ulid::new(),
        session: session.clone(),
        from_me: told.from_me,
        recipient: told.from.to_string(),
        chat: Some(told.chat.clone()),
        wire_id: told.id.wire_id(),
        message_id: Some(told.id.clone()),
        state: if told.from_me {
            MessageState::Sent
        } else {
            MessageState::Received
        },
        failure: None,
        kind: told.kind.clone(),
        text: told.text.clone(),
        created_at: told.at,
        updated_at: super::now(),
        send_at: None,
        priority: Priority::Direct,
        batch: None,
        paced: false,
        attempted_at: None,
        reply_to: None,
    };
    let row = insert(t, row)?;
    events::message_appeared(t, &row, told)?;
    match opt_out {
        Some(opt_out) => Ok(optouts::opt_out(t, opt_out)?.taken_back),
        None => Ok(vec![]),
    }
}

/// Notes an ack that WhatsApp told of an own message, as far as it leads it further.
fn acknowledged(
    t: &Transaction<'_>,
    session: &SessionId,
    id: &MessageId,
    ack: Ack,
    failure: &Option<Failure>,
) -> Result<Option<Message>, StoreError> {
    let Some(before) = by_wire_id(t, session, id)? else {
        return Ok(None);
    };
    let mut message = before.clone();
    if let Some(state) = before.state.after_ack(ack) {
        message.state = state;
        message.failure.clone_from(failure);
        message.message_id = Some(id.clone());
        message.updated_at = super::now();
        write_progress(t, &message)?;
        events::message_progressed(t, &before, &message)?;
    }
    if ack == Ack::Played {
        events::message_played(t, &message)?;
    }
    Ok((before != message).then_some(message))
}

/// A session's message by WhatsApp's key, under whatever address its chat has now.
pub(super) fn by_wire_id(
    t: &Transaction<'_>,
    session: &SessionId,
    id: &MessageId,
) -> Result<Option<Message>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM messages WHERE session = ?1 AND wire_id = ?2 AND from_me = ?3"
    );
    let mut query = t.prepare_cached(&sql)?;
    let found = query.query_row(
        params![session.as_str(), id.wire_id().as_str(), id.from_me()],
        read,
    );
    Ok(found.optional()?)
}

/// Writes the text that a message has after an edit.
pub(super) fn change_text(
    t: &Transaction<'_>,
    seq: i64,
    text: Option<&str>,
) -> Result<(), StoreError> {
    t.execute(
        "UPDATE messages SET body = ?2 WHERE seq = ?1",
        params![seq, text],
    )?;
    Ok(())
}

fn known_by_key(t: &Transaction<'_>, key: &Key) -> Result<Option<Accepted>, StoreError> {
    let found: Option<(String, String)> = t
        .query_row(
            "SELECT request, message FROM idempotency WHERE key = ?1",
            [&key.key],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((request, message)) = found else {
        // Keys are one room for single messages and jobs.
        return Ok(is_key_of_job(t, &key.key)?.then_some(Accepted::Mismatch));
    };
    if request != key.request {
        return Ok(Some(Accepted::Mismatch));
    }
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = ?1");
    let message = t.query_row(&sql, [message], read)?;
    Ok(Some(Accepted::Repeated(message)))
}

/// Whether an idempotency key stands for a single message.
pub(super) fn is_key_of_message(t: &Transaction<'_>, key: &str) -> Result<bool, StoreError> {
    let found = t
        .prepare_cached("SELECT 1 FROM idempotency WHERE key = ?1")?
        .query_row([key], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

pub(super) fn open_messages(
    t: &Transaction<'_>,
    session: &SessionId,
    limit: usize,
) -> Result<Vec<Message>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM messages
         WHERE session = ?1 AND state IN ('queued', 'sending') ORDER BY seq LIMIT ?2"
    );
    let mut query = t.prepare(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = query.query_map(params![session.as_str(), limit], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn own_message(
    t: &Transaction<'_>,
    session: &SessionId,
    wire_id: &WireId,
) -> Result<Option<Message>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM messages WHERE session = ?1 AND wire_id = ?2 AND from_me = 1"
    );
    let mut query = t.prepare_cached(&sql)?;
    let found = query.query_row(params![session.as_str(), wire_id.as_str()], read);
    Ok(found.optional()?)
}

/// The part of [`Store::accept_many`] inside a transaction, for those who store more with it.
pub(crate) fn insert_many(
    t: &Transaction<'_>,
    messages: Vec<Message>,
) -> Result<Vec<(Message, Standing)>, StoreError> {
    let all = messages.into_iter().map(|message| {
        let message = insert(t, message)?;
        let standing = standing_of(t, &message)?;
        Ok((message, standing))
    });
    all.collect()
}

fn insert(t: &Transaction<'_>, mut message: Message) -> Result<Message, StoreError> {
    let mut statement = t.prepare_cached(
        "INSERT INTO messages (id, session, from_me, recipient, chat, wire_id, message_id, state,
                               reason, detail, kind, body, created_at, updated_at, send_at,
                               priority, batch, paced, attempted_at, reply_to)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
                 ?19, ?20)",
    )?;
    message.seq = statement.insert(params![
        message.id.to_string(),
        message.session.as_str(),
        message.from_me,
        message.recipient,
        message.chat.as_ref().map(ChatId::as_str),
        message.wire_id.as_str(),
        message.message_id.as_ref().map(MessageId::as_str),
        message.state.as_str(),
        message.failure.as_ref().map(|f| f.code.as_str()),
        message.failure.as_ref().map(|f| f.detail.as_str()),
        message.kind,
        message.text,
        millis(message.created_at),
        millis(message.updated_at),
        message.send_at.map(millis),
        message.priority as i64,
        message.batch.map(|batch| batch.to_string()),
        message.paced,
        message.attempted_at.map(millis),
        message.reply_to.as_ref().map(MessageId::as_str)
    ])?;
    Ok(message)
}

pub(super) fn write_progress(t: &Transaction<'_>, message: &Message) -> Result<(), StoreError> {
    let mut statement = t.prepare_cached(
        "UPDATE messages SET chat = ?2, message_id = ?3, state = ?4, reason = ?5, detail = ?6,
                             updated_at = ?7, attempted_at = ?8
         WHERE seq = ?1",
    )?;
    statement.execute(params![
        message.seq,
        message.chat.as_ref().map(ChatId::as_str),
        message.message_id.as_ref().map(MessageId::as_str),
        message.state.as_str(),
        message.failure.as_ref().map(|f| f.code.as_str()),
        message.failure.as_ref().map(|f| f.detail.as_str()),
        millis(message.updated_at),
        message.attempted_at.map(millis)
    ])?;
    Ok(())
}

fn where_clause(session: &SessionId, filter: &MessageFilter) -> (String, Vec<Value>) {
    let mut conditions = vec!["session = ?".to_owned()];
    let mut values: Vec<Value> = vec![session.to_string().into()];
    let mut add = |condition: &str, value: Value| {
        conditions.push(condition.to_owned());
        values.push(value);
    };
    if let Some(before) = filter.before {
        add("seq < ?", before.into());
    }
    if let Some(chat) = &filter.chat {
        add("chat = ?", chat.to_string().into());
    }
    if let Some(state) = filter.state {
        add("state = ?", state.as_str().to_owned().into());
    }
    if let Some(from_me) = filter.from_me {
        add("from_me = ?", i64::from(from_me).into());
    }
    if let Some(since) = filter.since {
        add("created_at >= ?", millis(since).into());
    }
    if let Some(until) = filter.until {
        add("created_at < ?", millis(until).into());
    }
    if let Some(words) = &filter.words {
        add(
            "seq IN (SELECT rowid FROM messages_text WHERE messages_text MATCH ?)",
            as_phrases(words).into(),
        );
    }
    (conditions.join(" AND "), values)
}

/// Each word as a quoted prefix, so that nothing a person types is read as query syntax.
fn as_phrases(words: &str) -> String {
    let quoted = words
        .split_whitespace()
        .map(|word| format!("\"{}\"*", word.replace('"', "\"\"")));
    quoted.collect::<Vec<_>>().join(" ")
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Message> {
    let text = |name: &str| row.get::<_, String>(name);
    let optional = |name: &str| row.get::<_, Option<String>>(name);
    let at = |name: &str| from_millis(row.get(name)?).map_err(|e| unreadable(13, e));
    let state = text("state")?;
    let failure = match (optional("reason")?, optional("detail")?) {
        (Some(code), detail) => Some(Failure {
            code: FailureCode::from_word(&code).ok_or_else(|| unknown_word(9, &code))?,
            detail: detail.unwrap_or_default(),
        }),
        _ => None,
    };
    let maybe_at = |name: &str| -> rusqlite::Result<Option<OffsetDateTime>> {
        let at: Option<i64> = row.get(name)?;
        at.map(|at| from_millis(at).map_err(|e| unreadable(15, e)))
            .transpose()
    };
    Ok(Message {
        seq: row.get("seq")?,
        id: Ulid::from_string(&text("id")?).map_err(|e| unreadable(1, e))?,
        session: SessionId::new(&text("session")?).map_err(|e| unreadable(2, e))?,
        from_me: row.get("from_me")?,
        recipient: text("recipient")?,
        chat: optional("chat")?
            .map(|chat| ChatId::new(&chat).map_err(|e| unreadable(5, e)))
            .transpose()?,
        wire_id: WireId::new(&text("wire_id")?).map_err(|e| unreadable(6, e))?,
        message_id: optional("message_id")?
            .map(|id| MessageId::new(&id).map_err(|e| unreadable(7, e)))
            .transpose()?,
        state: MessageState::from_word(&state).ok_or_else(|| unknown_word(8, &state))?,
        failure,
        kind: text("kind")?,
        text: optional("body")?,
        created_at: at("created_at")?,
        updated_at: at("updated_at")?,
        send_at: maybe_at("send_at")?,
        priority: match row.get("priority")? {
            0 => Priority::Direct,
            _ => Priority::Bulk,
        },
        batch: optional("batch")?
            .map(|batch| Ulid::from_string(&batch).map_err(|e| unreadable(17, e)))
            .transpose()?,
        paced: row.get("paced")?,
        attempted_at: maybe_at("attempted_at")?,
        reply_to: optional("reply_to")?
            .map(|id| MessageId::new(&id).map_err(|e| unreadable(19, e)))
            .transpose()?,
    })
}

fn unknown_word(column: usize, word: &str) -> rusqlite::Error {
    let kind = std::io::ErrorKind::InvalidData;
    unreadable(column, std::io::Error::new(kind, format!("{word:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::NewMessage;

    fn session() -> SessionId {
        SessionId::new("shop").expect("an id")
    }

    fn message(text: &str) -> Message {
        let to = ChatId::new("5511912345678@c.us").expect("a chat");
        crate::outbox::worker::fresh(&session(), &NewMessage::text(to, text))
    }

    fn key(request: &str) -> Option<Key> {
        Some(Key {
            key: "order-7".to_owned(),
            request: request.to_owned(),
        })
    }

    #[tokio::test]
    async fn a_key_stands_for_one_request() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let first = match store
            .accept(message("olá"), key("a"))
            .await
            .expect("stored")
        {
            Accepted::New(message, _) => message,
            other => panic!("{other:?}"),
        };
        let again = store.accept(message("olá"), key("a")).await.expect("known");
        assert_eq!(again, Accepted::Repeated(first.clone()));
        let other = store.accept(message("x"), key("b")).await.expect("known");
        assert_eq!(other, Accepted::Mismatch);
        assert_eq!(store.open_messages(session()).await.expect("read").len(), 1);
        store
            .forget_keys(OffsetDateTime::now_utc() + time::Duration::days(1))
            .await
            .expect("forgotten");
        assert!(matches!(
            store.accept(message("x"), key("b")).await.expect("stored"),
            Accepted::New(..)
        ));
    }

    #[tokio::test]
    async fn history_is_filtered_searched_and_paged() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        for text in ["Olá João", "pedido 42", "Até amanhã", "OLA de novo"] {
            store.accept(message(text), None).await.expect("stored");
        }
        let find = |filter: MessageFilter, limit| {
            let store = store.clone();
            async move {
                let found = store.messages(session(), filter, limit).await;
                let found = found.expect("read").into_iter();
                found
                    .map(|m| (m.seq, m.text.unwrap_or_default()))
                    .collect::<Vec<_>>()
            }
        };
        let page = find(MessageFilter::default(), 2).await;
        assert_eq!(page.len(), 2);
        assert_eq!(page[0].1, "OLA de novo", "newest first");
        let before = MessageFilter {
            before: Some(page[1].0),
            ..MessageFilter::default()
        };
        assert_eq!(find(before, 9).await.len(), 2);
        for (words, count) in [("ola", 2), ("joao", 1), ("pedido 42", 1), ("\" OR *", 0)] {
            let filter = MessageFilter {
                words: Some(words.to_owned()),
                ..MessageFilter::default()
            };
            assert_eq!(find(filter, 9).await.len(), count, "{words}");
        }
    }
}
