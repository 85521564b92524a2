//! The table of messages, and the keys that make a repeated send harmless.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};
use time::OffsetDateTime;
use ulid::Ulid;

use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError, events};
use crate::id::{ChatId, MessageId, SessionId, WireId};
use crate::message::{Ack, IncomingMessage};
use crate::outbox::{Failure, FailureCode, Message, MessageFilter, MessageState};

/// What [`Store::accept`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is new and stored.
    New(Message),
    /// The idempotency key stands for this one, which asked for the same.
    Repeated(Message),
    /// The idempotency key stands for another request.
    Mismatch,
}

/// An idempotency key and what was asked under it.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub key: String,
    /// The request in a form in which equal requests are equal texts.
    pub request: String,
}

const COLUMNS: &str = "seq, id, session, from_me, recipient, chat, wire_id, message_id, state, \
                       reason, detail, kind, body, created_at, updated_at, send_at";

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
            Ok(Accepted::New(message))
        })
        .await
    }

    /// What an idempotency key stands for, if it is known.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn known_by_key(&self, key: Key) -> Result<Option<Accepted>, StoreError> {
        self.run(move |t| known_by_key(t, &key)).await
    }

    /// Stores a message that appeared on the page, and tells it. One that is known by its wire id
    /// is left alone and `None` is returned.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub fn insert_appeared(
        &self,
        message: Message,
        told: Box<IncomingMessage>,
    ) -> impl Future<Output = Result<Option<Message>, StoreError>> + Send + use<> {
        self.run(move |t| {
            let known = t
                .query_row(
                    "SELECT 1 FROM messages WHERE session = ?1 AND wire_id = ?2 AND from_me = ?3",
                    params![
                        message.session.as_str(),
                        message.wire_id.as_str(),
                        message.from_me
                    ],
                    |_| Ok(()),
                )
                .optional()?;
            if known.is_some() {
                return Ok(None);
            }
            let message = insert(t, message)?;
            events::message_appeared(t, &message, &told)?;
            Ok(Some(message))
        })
    }

    /// Changes a session's own message, found by its wire id, tells what came of it, and gives it
    /// as it is then. `None` when there is none, or `change` leaves it alone.
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
        self.run(move |t| {
            let sql = format!(
                "SELECT {COLUMNS} FROM messages
                 WHERE session = ?1 AND wire_id = ?2 AND from_me = 1"
            );
            let mut query = t.prepare_cached(&sql)?;
            let found = query
                .query_row(params![session.as_str(), wire_id.as_str()], read)
                .optional()?;
            let Some(mut message) = found else {
                return Ok(None);
            };
            let before = message.clone();
            if !change(&mut message) {
                return Ok(None);
            }
            message.updated_at = super::now();
            write_progress(t, &message)?;
            events::message_progressed(t, &before, &message)?;
            Ok(Some(message))
        })
    }

    /// Notes an ack that WhatsApp told of an own message, as far as it leads it further. `None`
    /// when it does not, or there is no such message.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub fn acknowledge(
        &self,
        session: SessionId,
        id: MessageId,
        ack: Ack,
        failure: Option<Failure>,
    ) -> impl Future<Output = Result<Option<Message>, StoreError>> + Send + use<> {
        self.run(move |t| {
            let Some(before) = by_wire_id(t, &session, &id)? else {
                return Ok(None);
            };
            let mut message = before.clone();
            if let Some(state) = before.state.after_ack(ack) {
                message.state = state;
                message.failure = failure;
                message.message_id = Some(id);
                message.updated_at = super::now();
                write_progress(t, &message)?;
                events::message_progressed(t, &before, &message)?;
            }
            if ack == Ack::Played {
                events::message_played(t, &message)?;
            }
            Ok((before != message).then_some(message))
        })
    }

    /// What a session still has to send, in the order of acceptance.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn open_messages(&self, session: SessionId) -> Result<Vec<Message>, StoreError> {
        self.run(move |t| open_messages(t, &session)).await
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
        return Ok(None);
    };
    if request != key.request {
        return Ok(Some(Accepted::Mismatch));
    }
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE id = ?1");
    let message = t.query_row(&sql, [message], read)?;
    Ok(Some(Accepted::Repeated(message)))
}

fn open_messages(t: &Transaction<'_>, session: &SessionId) -> Result<Vec<Message>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM messages
         WHERE session = ?1 AND state IN ('queued', 'sending') ORDER BY seq"
    );
    let mut query = t.prepare(&sql)?;
    let rows = query.query_map([session.as_str()], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn insert(t: &Transaction<'_>, mut message: Message) -> Result<Message, StoreError> {
    let mut statement = t.prepare_cached(
        "INSERT INTO messages (id, session, from_me, recipient, chat, wire_id, message_id, state,
                               reason, detail, kind, body, created_at, updated_at, send_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
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
        message.send_at.map(millis)
    ])?;
    Ok(message)
}

fn write_progress(t: &Transaction<'_>, message: &Message) -> Result<(), StoreError> {
    let mut statement = t.prepare_cached(
        "UPDATE messages SET chat = ?2, message_id = ?3, state = ?4, reason = ?5, detail = ?6,
                             updated_at = ?7
         WHERE seq = ?1",
    )?;
    statement.execute(params![
        message.seq,
        message.chat.as_ref().map(ChatId::as_str),
        message.message_id.as_ref().map(MessageId::as_str),
        message.state.as_str(),
        message.failure.as_ref().map(|f| f.code.as_str()),
        message.failure.as_ref().map(|f| f.detail.as_str()),
        millis(message.updated_at)
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

fn read(row: &Row<'_>) -> rusqlite::Result<Message> {
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
    let send_at: Option<i64> = row.get("send_at")?;
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
        send_at: send_at
            .map(|at| from_millis(at).map_err(|e| unreadable(15, e)))
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
            Accepted::New(message) => message,
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
            Accepted::New(_)
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
