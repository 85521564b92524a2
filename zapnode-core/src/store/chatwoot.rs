//! The tables of the Chatwoot bridge: its settings, its cursor, and which message is which.

use rusqlite::{OptionalExtension, Row, Transaction, params};
use time::OffsetDateTime;

use super::sessions::{from_millis, millis, now, unreadable};
use super::{Store, StoreError};
use crate::chatwoot::{BridgeConfig, BridgeState};
use crate::id::{MessageId, SessionId, WireId};

/// How long a call that was dealt with is remembered, so that its repetition is known.
const CALLS_KEPT: time::Duration = time::Duration::days(30);

/// A bridge as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct BridgeRow {
    /// Its session.
    pub session: SessionId,
    /// What its owner said.
    pub config: BridgeConfig,
    /// What Chatwoot's calls carry in their path.
    pub secret: String,
    /// The inbox, once known.
    pub inbox: Option<i64>,
    /// The last event that was dealt with.
    pub cursor: i64,
    /// How it stands.
    pub state: BridgeState,
    /// Why, in words.
    pub detail: Option<String>,
    /// Since when.
    pub since: OffsetDateTime,
    /// When it was set up.
    pub begun: OffsetDateTime,
}

/// Where the conversation with somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thread {
    pub(crate) contact: i64,
    pub(crate) source_id: String,
    pub(crate) conversation: i64,
    /// The chat on WhatsApp; absent for the bridge's own conversation.
    pub(crate) chat: Option<String>,
    /// Whether the contact has a name that somebody gave.
    pub(crate) named: bool,
}

/// A message that is known on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// In Chatwoot.
    pub(crate) message: i64,
    pub(crate) conversation: i64,
    /// On WhatsApp.
    pub(crate) wire_id: WireId,
    pub(crate) from_me: bool,
    pub(crate) message_id: Option<MessageId>,
    /// Whether it was taken back on WhatsApp.
    pub(crate) revoked: bool,
}

/// A call of Chatwoot's webhook that is to be dealt with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) seq: i64,
    pub(crate) body: String,
    /// It comes from a backup that was brought back: it may have been dealt with since.
    pub(crate) restored: bool,
}

impl Store {
    /// Sets a bridge up or changes it. A new one begins at `cursor`; one that was there goes on
    /// where it was, with its secret. What it knows of another Chatwoot, account or inbox it
    /// forgets: numbers there mean something else.
    pub(crate) async fn put_bridge(&self, row: BridgeRow) -> Result<BridgeRow, StoreError> {
        self.run(move |t| {
            let config = serde_json::to_string(&row.config)
                .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
            if let Some(known) = one_bridge(t, &row.session)? {
                let (old, new) = (known.config, &row.config);
                if old.url != new.url || old.account_id != new.account_id {
                    forget(t, &row.session, &["threads", "messages", "calls"])?;
                } else if new.inbox_id.is_some() && new.inbox_id != known.inbox.or(old.inbox_id) {
                    forget(t, &row.session, &["threads"])?;
                }
            }
            t.execute(
                "INSERT INTO chatwoot_bridges (session, config, secret, inbox, cursor, state, detail, since, begun)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7, ?7)
                 ON CONFLICT (session) DO UPDATE
                 SET config = ?2, inbox = ?4, state = ?6, detail = NULL, since = ?7",
                params![
                    row.session.as_str(),
                    config,
                    row.secret,
                    row.config.inbox_id.or(row.inbox),
                    row.cursor,
                    row.state.as_str(),
                    millis(row.since)
                ],
            )?;
            one_bridge(t, &row.session)?.ok_or(StoreError::Closed)
        })
        .await
    }

    /// A session's bridge.
    pub(crate) async fn bridge(&self, session: SessionId) -> Result<Option<BridgeRow>, StoreError> {
        self.run(move |t| one_bridge(t, &session)).await
    }

    /// All bridges.
    pub(crate) async fn bridges(&self) -> Result<Vec<BridgeRow>, StoreError> {
        self.run(|t| {
            let mut query = t.prepare("SELECT * FROM chatwoot_bridges ORDER BY session")?;
            let rows = query.query_map([], read_bridge)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Takes a bridge away, with all it knows. Says whether there was one.
    pub(crate) async fn delete_bridge(&self, session: SessionId) -> Result<bool, StoreError> {
        self.run(move |t| {
            forget(t, &session, &["threads", "messages", "calls"])?;
            let sql = "DELETE FROM chatwoot_bridges WHERE session = ?1";
            Ok(t.execute(sql, [session.as_str()])? == 1)
        })
        .await
    }

    /// Notes how a bridge stands.
    pub(crate) async fn note_bridge(
        &self,
        session: SessionId,
        state: BridgeState,
        detail: Option<String>,
    ) -> Result<(), StoreError> {
        self.run(move |t| {
            t.execute(
                "UPDATE chatwoot_bridges SET state = ?2, detail = ?3, since = ?4
                 WHERE session = ?1 AND (state <> ?2 OR detail IS NOT ?3)",
                params![session.as_str(), state.as_str(), detail, millis(now())],
            )?;
            Ok(())
        })
        .await
    }

    /// Notes the inbox that was made or found.
    pub(crate) async fn note_bridge_inbox(
        &self,
        session: SessionId,
        inbox: i64,
    ) -> Result<(), StoreError> {
        self.run(move |t| {
            let sql = "UPDATE chatwoot_bridges SET inbox = ?2 WHERE session = ?1";
            t.execute(sql, params![session.as_str(), inbox])?;
            Ok(())
        })
        .await
    }

    /// Notes that the events up to `cursor` were dealt with and, if one of them became a message
    /// there, which: in one transaction, so that neither is without the other.
    pub(crate) async fn bridge_went_on(
        &self,
        session: SessionId,
        cursor: i64,
        pair: Option<Pair>,
    ) -> Result<(), StoreError> {
        self.run(move |t| {
            if let Some(pair) = pair {
                insert_pair(t, &session, &pair, 0)?;
            }
            let sql = "UPDATE chatwoot_bridges SET cursor = max(cursor, ?2) WHERE session = ?1";
            t.execute(sql, params![session.as_str(), cursor])?;
            Ok(())
        })
        .await
    }

    /// Where the conversation with `peer` is.
    pub(crate) async fn thread(
        &self,
        session: SessionId,
        peer: String,
    ) -> Result<Option<Thread>, StoreError> {
        self.run(move |t| {
            let sql = "SELECT * FROM chatwoot_threads WHERE session = ?1 AND peer = ?2";
            let found = t.query_row(sql, [session.as_str(), &peer], read_thread);
            Ok(found.optional()?)
        })
        .await
    }

    /// Who a conversation is with, as the bridge knows it; of two names of one contact the one
    /// that was heard of last.
    pub(crate) async fn thread_of(
        &self,
        session: SessionId,
        conversation: i64,
    ) -> Result<Option<Thread>, StoreError> {
        self.run(move |t| {
            let sql = "SELECT * FROM chatwoot_threads WHERE session = ?1 AND conversation = ?2
                       ORDER BY rowid DESC LIMIT 1";
            let found = t.query_row(sql, params![session.as_str(), conversation], read_thread);
            Ok(found.optional()?)
        })
        .await
    }

    /// Remembers where the conversation with `peer` is; `None` forgets it.
    pub(crate) async fn put_thread(
        &self,
        session: SessionId,
        peer: String,
        thread: Option<Thread>,
    ) -> Result<(), StoreError> {
        self.run(move |t| {
            match thread {
                Some(thread) => t.execute(
                    "INSERT OR REPLACE INTO chatwoot_threads
                         (session, peer, contact, source_id, conversation, chat, named)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    params![
                        session.as_str(),
                        peer,
                        thread.contact,
                        thread.source_id,
                        thread.conversation,
                        thread.chat,
                        thread.named
                    ],
                )?,
                None => t.execute(
                    "DELETE FROM chatwoot_threads WHERE session = ?1 AND peer = ?2",
                    [session.as_str(), &peer],
                )?,
            };
            Ok(())
        })
        .await
    }

    /// The pair of a message on WhatsApp's wire.
    pub(crate) async fn pair_by_wire(
        &self,
        session: SessionId,
        wire_id: WireId,
    ) -> Result<Option<Pair>, StoreError> {
        self.run(move |t| {
            let sql = "SELECT * FROM chatwoot_messages WHERE session = ?1 AND wire_id = ?2 LIMIT 1";
            let found = t.query_row(sql, [session.as_str(), wire_id.as_str()], read_pair);
            Ok(found.optional()?)
        })
        .await
    }

    /// The pair of a message in Chatwoot; of several the first.
    pub(crate) async fn pair_by_message(
        &self,
        session: SessionId,
        message: i64,
    ) -> Result<Option<Pair>, StoreError> {
        self.run(move |t| {
            let sql = "SELECT * FROM chatwoot_messages WHERE session = ?1 AND message = ?2
                       ORDER BY part LIMIT 1";
            let found = t.query_row(sql, params![session.as_str(), message], read_pair);
            Ok(found.optional()?)
        })
        .await
    }

    /// The pairs of a message in Chatwoot: one with several files is several on WhatsApp.
    pub(crate) async fn pairs_by_message(
        &self,
        session: SessionId,
        message: i64,
    ) -> Result<Vec<Pair>, StoreError> {
        self.run(move |t| {
            let mut query = t.prepare(
                "SELECT * FROM chatwoot_messages WHERE session = ?1 AND message = ?2 ORDER BY part",
            )?;
            let rows = query.query_map(params![session.as_str(), message], read_pair)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Notes that a message was taken back on WhatsApp.
    pub(crate) async fn pair_revoked(
        &self,
        session: SessionId,
        message: i64,
    ) -> Result<(), StoreError> {
        self.run(move |t| {
            let sql =
                "UPDATE chatwoot_messages SET revoked = 1 WHERE session = ?1 AND message = ?2";
            t.execute(sql, params![session.as_str(), message])?;
            Ok(())
        })
        .await
    }

    /// Stores a call of the webhook; `false`: it was stored before.
    pub(crate) async fn accept_call(
        &self,
        session: SessionId,
        once: String,
        body: String,
    ) -> Result<bool, StoreError> {
        self.run(move |t| {
            let sql = "INSERT INTO chatwoot_calls (session, once, body, at) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (session, once) DO NOTHING";
            let at = millis(now());
            Ok(t.execute(sql, params![session.as_str(), once, body, at])? == 1)
        })
        .await
    }

    /// The oldest call after `after` that is still to be dealt with.
    pub(crate) async fn open_call(
        &self,
        session: SessionId,
        after: i64,
    ) -> Result<Option<Call>, StoreError> {
        self.run(move |t| {
            let sql = "SELECT seq, body, done = 2 FROM chatwoot_calls
                       WHERE session = ?1 AND done <> 1 AND seq > ?2 ORDER BY seq LIMIT 1";
            let found = t.query_row(sql, params![session.as_str(), after], |row| {
                Ok(Call {
                    seq: row.get(0)?,
                    body: row.get(1)?,
                    restored: row.get(2)?,
                })
            });
            Ok(found.optional()?)
        })
        .await
    }

    /// Notes that a call was dealt with and, if it became messages on WhatsApp, which.
    pub(crate) async fn call_done(
        &self,
        session: SessionId,
        seq: i64,
        pairs: Vec<Pair>,
    ) -> Result<(), StoreError> {
        self.run(move |t| {
            for (part, pair) in (0..).zip(&pairs) {
                insert_pair(t, &session, pair, part)?;
            }
            // Its text is in the history of messages, if it was one.
            let sql = "UPDATE chatwoot_calls SET done = 1, body = '' WHERE seq = ?1";
            t.execute(sql, [seq])?;
            let old = millis(now() - CALLS_KEPT);
            t.execute(
                "DELETE FROM chatwoot_calls WHERE done = 1 AND at < ?1",
                [old],
            )?;
            Ok(())
        })
        .await
    }
}

fn forget(t: &Transaction<'_>, session: &SessionId, tables: &[&str]) -> Result<(), StoreError> {
    for table in tables {
        let sql = format!("DELETE FROM chatwoot_{table} WHERE session = ?1");
        t.execute(&sql, [session.as_str()])?;
    }
    Ok(())
}

fn one_bridge(t: &Transaction<'_>, session: &SessionId) -> Result<Option<BridgeRow>, StoreError> {
    let sql = "SELECT * FROM chatwoot_bridges WHERE session = ?1";
    Ok(t.query_row(sql, [session.as_str()], read_bridge)
        .optional()?)
}

fn insert_pair(
    t: &Transaction<'_>,
    session: &SessionId,
    pair: &Pair,
    part: i64,
) -> Result<(), StoreError> {
    t.execute(
        "INSERT OR REPLACE INTO chatwoot_messages
             (session, message, conversation, wire_id, from_me, message_id, revoked, part)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            session.as_str(),
            pair.message,
            pair.conversation,
            pair.wire_id.as_str(),
            pair.from_me,
            pair.message_id.as_ref().map(MessageId::as_str),
            pair.revoked,
            part
        ],
    )?;
    Ok(())
}

fn read_bridge(row: &Row<'_>) -> rusqlite::Result<BridgeRow> {
    let session: String = row.get("session")?;
    let config: String = row.get("config")?;
    let state: String = row.get("state")?;
    Ok(BridgeRow {
        session: SessionId::new(&session).map_err(|e| unreadable(0, e))?,
        config: serde_json::from_str(&config).map_err(|e| unreadable(1, e))?,
        secret: row.get("secret")?,
        inbox: row.get("inbox")?,
        cursor: row.get("cursor")?,
        // One of a later version: it finds its own state anew.
        state: BridgeState::from_word(&state).unwrap_or(BridgeState::Waiting),
        detail: row.get("detail")?,
        since: from_millis(row.get("since")?).map_err(|e| unreadable(7, e))?,
        begun: from_millis(row.get("begun")?).map_err(|e| unreadable(8, e))?,
    })
}

fn read_thread(row: &Row<'_>) -> rusqlite::Result<Thread> {
    Ok(Thread {
        contact: row.get("contact")?,
        source_id: row.get("source_id")?,
        conversation: row.get("conversation")?,
        chat: row.get("chat")?,
        named: row.get("named")?,
    })
}

fn read_pair(row: &Row<'_>) -> rusqlite::Result<Pair> {
    let wire_id: String = row.get("wire_id")?;
    let message_id: Option<String> = row.get("message_id")?;
    Ok(Pair {
        message: row.get("message")?,
        conversation: row.get("conversation")?,
        wire_id: WireId::new(&wire_id).map_err(|e| unreadable(3, e))?,
        from_me: row.get("from_me")?,
        message_id: message_id
            .map(|id| MessageId::new(&id).map_err(|e| unreadable(5, e)))
            .transpose()?,
        revoked: row.get("revoked")?,
    })
}
