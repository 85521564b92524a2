//! What the outbox counts and remembers besides the messages themselves: who a session has had to
//! do with, what it handed over lately, which batches are held, and pauses that WhatsApp made.

use rusqlite::{OptionalExtension, Transaction, params};
use time::OffsetDateTime;
use ulid::Ulid;

use super::messages::own_message;
use super::people::note_person;
use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError};
use crate::id::{ChatId, SessionId, WireId};
use crate::message::Recipient;
use crate::outbox::queue::{Standing, lane_of};
use crate::outbox::{FailureCode, Message};
use crate::person::Person;

/// A person, by all addresses that are known, who was written to or heard from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acquaintance {
    /// Their addresses.
    pub(crate) addresses: Vec<ChatId>,
    /// They were written to.
    pub(crate) written_at: Option<OffsetDateTime>,
    /// They wrote.
    pub(crate) heard_at: Option<OffsetDateTime>,
}

impl Acquaintance {
    /// One name for all their addresses: the number, if it is known.
    pub(crate) fn lane(&self) -> Option<&ChatId> {
        let mut all = self.addresses.iter();
        all.find(|address| address.is_phone())
            .or(self.addresses.first())
    }
}

/// A pause that WhatsApp made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredPause {
    /// Why.
    pub(crate) code: FailureCode,
    /// In WhatsApp's words.
    pub(crate) detail: String,
    /// Until when.
    pub(crate) until: OffsetDateTime,
    /// How many times in a row.
    pub(crate) times: u32,
}

/// What was handed over lately: which message, when, and whether it was a first contact.
pub(crate) type HandedOver = (WireId, OffsetDateTime, bool);

impl Store {
    /// Writes down that a message is about to be handed over. `first`: its chat is a new one.
    /// `false`: it is not open any more.
    pub(crate) async fn note_attempt(
        &self,
        session: SessionId,
        wire_id: WireId,
        at: OffsetDateTime,
        first: bool,
    ) -> Result<bool, StoreError> {
        self.run(move |t| {
            let mut statement = t.prepare_cached(
                "UPDATE messages
                    SET attempted_at = ?3, first_contact = MAX(first_contact, ?4)
                  WHERE session = ?1 AND wire_id = ?2 AND from_me = 1
                    AND state IN ('queued', 'sending')",
            )?;
            let changed = statement.execute(params![
                session.as_str(),
                wire_id.as_str(),
                millis(at),
                first
            ])?;
            Ok(changed == 1)
        })
        .await
    }

    /// What a session handed over in the last hour, and its first contacts of the last day, oldest
    /// first.
    pub(crate) async fn handed_over(
        &self,
        session: SessionId,
        now: OffsetDateTime,
    ) -> Result<Vec<HandedOver>, StoreError> {
        self.run(move |t| {
            let mut query = t.prepare(
                "SELECT wire_id, attempted_at, first_contact FROM messages
                  WHERE session = ?1 AND attempted_at > ?2 AND state <> 'failed'
                    AND (attempted_at > ?3 OR first_contact = 1)
                  ORDER BY attempted_at",
            )?;
            let day = millis(now - time::Duration::hours(24));
            let hour = millis(now - time::Duration::hours(1));
            let rows = query.query_map(params![session.as_str(), day, hour], |row| {
                let wire_id: String = row.get(0)?;
                Ok((
                    WireId::new(&wire_id).map_err(|e| unreadable(0, e))?,
                    from_millis(row.get(1)?).map_err(|e| unreadable(1, e))?,
                    row.get(2)?,
                ))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Remembers that a session had to do with somebody.
    pub(crate) fn learn(
        &self,
        session: SessionId,
        who: Acquaintance,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let learnt = self.keep(move |t| {
            if let Some(person) = Person::of_chats(&who.addresses) {
                note_person(t, &session, &person)?;
            }
            learn(t, &session, &who)
        });
        learnt.stored()
    }

    /// Which batches of a session are held.
    pub(crate) async fn held_batches(&self, session: SessionId) -> Result<Vec<Ulid>, StoreError> {
        self.run(move |t| {
            let mut query = t.prepare("SELECT id FROM batches WHERE session = ?1 AND held = 1")?;
            let rows = query.query_map([session.as_str()], |row| {
                let id: String = row.get(0)?;
                Ulid::from_string(&id).map_err(|e| unreadable(0, e))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Notes whether a batch is held. `false`: there is no such batch.
    pub(crate) async fn note_batch(&self, batch: Ulid, held: bool) -> Result<bool, StoreError> {
        self.run(move |t| {
            let sql = "UPDATE batches SET held = ?2 WHERE id = ?1";
            Ok(t.execute(sql, params![batch.to_string(), held])? == 1)
        })
        .await
    }

    /// The pause that WhatsApp made for a session, if it was not lifted.
    pub(crate) async fn pause(
        &self,
        session: SessionId,
    ) -> Result<Option<StoredPause>, StoreError> {
        self.run(move |t| {
            let sql = "SELECT code, detail, until, times FROM outbox_pauses WHERE session = ?1";
            let found = t.query_row(sql, [session.as_str()], |row| {
                let code: String = row.get(0)?;
                Ok(StoredPause {
                    code: FailureCode::from_word(&code).unwrap_or(FailureCode::RateLocked),
                    detail: row.get(1)?,
                    until: from_millis(row.get(2)?).map_err(|e| unreadable(2, e))?,
                    times: row.get(3)?,
                })
            });
            Ok(found.optional()?)
        })
        .await
    }

    /// Notes a pause, or that it is lifted.
    pub(crate) fn note_pause(
        &self,
        session: SessionId,
        pause: Option<StoredPause>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let kept = self.keep(move |t| {
            match &pause {
                Some(pause) => t.execute(
                    "INSERT OR REPLACE INTO outbox_pauses (session, code, detail, until, times)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![
                        session.as_str(),
                        pause.code.as_str(),
                        pause.detail,
                        millis(pause.until),
                        pause.times
                    ],
                )?,
                None => t.execute(
                    "DELETE FROM outbox_pauses WHERE session = ?1",
                    [session.as_str()],
                )?,
            };
            Ok(())
        });
        kept.stored()
    }

    /// A message that WhatsApp refused for now waits again, and the page has it no more.
    pub(crate) fn requeue(
        &self,
        session: SessionId,
        wire_id: WireId,
    ) -> impl Future<Output = Result<Option<Message>, StoreError>> + Send + use<> {
        use crate::outbox::MessageState;
        let kept = self.keep(move |t| {
            let Some(mut message) = own_message(t, &session, &wire_id)? else {
                return Ok(None);
            };
            if !message.state.is_open() {
                return Ok(None);
            }
            let before = message.clone();
            message.state = MessageState::Queued;
            message.attempted_at = None;
            message.updated_at = super::now();
            super::messages::write_progress(t, &message)?;
            super::events::message_progressed(t, &before, &message)?;
            t.execute(
                "UPDATE messages SET first_contact = 0 WHERE seq = ?1",
                [message.seq],
            )?;
            Ok(Some(message))
        });
        kept.stored()
    }
}

/// What is known of the person that a message is for.
pub(super) fn standing_of(t: &Transaction<'_>, message: &Message) -> Result<Standing, StoreError> {
    let Ok(to) = Recipient::parse(&message.recipient) else {
        return Ok(Standing::default());
    };
    let mut query = t.prepare_cached(
        "SELECT lane, heard_at FROM known_chats WHERE session = ?1 AND address = ?2",
    )?;
    let found = query
        .query_row(params![message.session.as_str(), lane_of(&to)], |row| {
            let heard: Option<i64> = row.get(1)?;
            Ok(Standing {
                lane: Some(row.get(0)?),
                known: true,
                heard: heard
                    .map(|at| from_millis(at).map_err(|e| unreadable(1, e)))
                    .transpose()?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// The part of [`Store::learn`] inside a transaction.
pub(super) fn learn(
    t: &Transaction<'_>,
    session: &SessionId,
    who: &Acquaintance,
) -> Result<(), StoreError> {
    let Some(lane) = who.lane() else {
        return Ok(());
    };
    let mut statement = t.prepare_cached(
        "INSERT INTO known_chats (session, address, lane, written_at, heard_at)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (session, address) DO UPDATE SET
             -- A name that was found once is kept: what waits under it keeps its order.
             lane = CASE WHEN lane = address THEN excluded.lane ELSE lane END,
             written_at = COALESCE(written_at, excluded.written_at),
             heard_at = MAX(COALESCE(heard_at, excluded.heard_at),
                            COALESCE(excluded.heard_at, heard_at))",
    )?;
    for address in &who.addresses {
        statement.execute(params![
            session.as_str(),
            address.as_str(),
            lane.as_str(),
            who.written_at.map(millis),
            who.heard_at.map(millis)
        ])?;
    }
    Ok(())
}

/// Forgets what belongs to a session that is removed.
pub(super) fn forget(t: &Transaction<'_>, session: &SessionId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM known_chats WHERE session = ?1",
        "DELETE FROM outbox_pauses WHERE session = ?1",
        "DELETE FROM stop_words_heard WHERE session = ?1",
    ] {
        t.execute(sql, [session.as_str()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::NewMessage;

    fn session() -> SessionId {
        SessionId::new("shop").expect("an id")
    }

    fn chat(text: &str) -> ChatId {
        ChatId::new(text).expect("a chat")
    }

    fn message(to: &str) -> Message {
        let to = Recipient::parse(to).expect("a recipient");
        crate::outbox::worker::fresh(&session(), &NewMessage::text(to, "olá"))
    }

    #[tokio::test]
    async fn a_person_is_known_by_every_address_and_until_the_session_is_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let standing = async |to: &str| {
            let stored = store.accept_many(vec![message(to)]).await.expect("stored");
            stored[0].1.clone()
        };
        assert_eq!(standing("5511912345678").await, Standing::default());
        let at = super::super::now();
        let who = Acquaintance {
            addresses: vec![chat("777@lid"), chat("5511912345678@c.us")],
            heard_at: Some(at),
            ..Acquaintance::default()
        };
        store.learn(session(), who).await.expect("learned");
        let known = Standing {
            lane: Some("5511912345678@c.us".to_owned()),
            known: true,
            heard: Some(at),
        };
        assert_eq!(standing("5511912345678").await, known);
        assert_eq!(standing("777@lid").await, known);
        // Writing to them takes nothing away.
        let written = Acquaintance {
            addresses: vec![chat("777@lid")],
            written_at: Some(at),
            ..Acquaintance::default()
        };
        store.learn(session(), written).await.expect("learned");
        assert_eq!(standing("777@lid").await, known);
        store.delete_session(session()).await.expect("deleted");
        assert_eq!(standing("777@lid").await, Standing::default());
    }

    #[tokio::test]
    async fn what_was_handed_over_is_counted_after_a_restart() {
        let dir = tempfile::tempdir().expect("a folder");
        let now = super::super::now();
        let ids: Vec<_> = {
            let store = Store::open(dir.path()).await.expect("opens");
            let messages = (0..4).map(|_| message("5511912345678")).collect();
            let stored = store.accept_many(messages).await.expect("stored");
            let ids: Vec<_> = stored.iter().map(|(m, _)| m.wire_id.clone()).collect();
            for (n, (minutes, first)) in [(30 * 60, true), (120, true), (120, false), (5, false)]
                .into_iter()
                .enumerate()
            {
                let at = now - time::Duration::minutes(minutes);
                let noted = store.note_attempt(session(), ids[n].clone(), at, first);
                assert!(noted.await.expect("noted"));
            }
            ids
        };
        let store = Store::open(dir.path()).await.expect("opens again");
        let handed = store.handed_over(session(), now).await.expect("read");
        let handed: Vec<_> = handed
            .into_iter()
            .map(|(id, _, first)| (id, first))
            .collect();
        assert_eq!(handed, [(ids[1].clone(), true), (ids[3].clone(), false)]);
        // Refused for now: it waits again, and the page cannot have it.
        let again = store
            .requeue(session(), ids[3].clone())
            .await
            .expect("done");
        assert_eq!(again.expect("open").attempted_at, None);
        let handed = store.handed_over(session(), now).await.expect("read");
        assert_eq!(handed.len(), 1);
    }

    #[tokio::test]
    async fn pauses_and_held_batches_survive() {
        let dir = tempfile::tempdir().expect("a folder");
        let pause = StoredPause {
            code: FailureCode::RateLocked,
            detail: "429".to_owned(),
            until: super::super::now(),
            times: 2,
        };
        let batch = Ulid::new();
        {
            let store = Store::open(dir.path()).await.expect("opens");
            store
                .note_pause(session(), Some(pause.clone()))
                .await
                .expect("noted");
            assert!(!store.note_batch(batch, true).await.expect("none"));
            let made = store.run(move |t| {
                t.execute(
                    "INSERT INTO batches (id, session, created_at) VALUES (?1, 'shop', 0)",
                    [batch.to_string()],
                )?;
                Ok(())
            });
            made.await.expect("made");
            assert!(store.note_batch(batch, true).await.expect("noted"));
        }
        let store = Store::open(dir.path()).await.expect("opens again");
        assert_eq!(store.pause(session()).await.expect("read"), Some(pause));
        assert_eq!(store.held_batches(session()).await.expect("read"), [batch]);
        store.note_pause(session(), None).await.expect("lifted");
        assert_eq!(store.pause(session()).await.expect("read"), None);
    }

    #[tokio::test]
    async fn ten_thousand_are_accepted_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let many = (0..10_000).map(|n| message(&format!("5511{n:09}")));
        let stored = store.accept_many(many.collect()).await.expect("stored");
        assert!(stored.is_sorted_by_key(|(message, _)| message.seq));
        let open = store.open_messages(session()).await.expect("read");
        assert_eq!(open.len(), 10_000);
        let ids = stored.iter().map(|(m, _)| m.wire_id.clone()).collect();
        let ended = store
            .end_messages(session(), ids, crate::outbox::MessageState::Cancelled, None)
            .await;
        assert_eq!(ended.expect("ended").len(), 10_000);
    }
}
