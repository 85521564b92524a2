//! What WhatsApp said of numbers, the map of LIDs and numbers, and the messages of one chat.

use std::collections::HashMap;

use rusqlite::types::Value;
use rusqlite::{Row, Transaction, params, params_from_iter};

use super::messages::{COLUMNS, by_wire_id, read};
use super::people;
use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError};
use crate::contact::{CheckedNumber, LidPair};
use crate::id::{ChatId, MessageId, PhoneNumber, SessionId, WireId};
use crate::outbox::Message;
use crate::person::Person;

impl Store {
    /// What is known of these numbers from earlier questions, in no order.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn checked_numbers(
        &self,
        session: SessionId,
        numbers: Vec<PhoneNumber>,
    ) -> Result<Vec<CheckedNumber>, StoreError> {
        self.run(move |t| {
            let mut query = t.prepare_cached(
                "SELECT number, chat, phone, lid, checked_at FROM checked_numbers
                 WHERE session = ?1 AND number = ?2",
            )?;
            let mut known = Vec::new();
            for number in numbers {
                let rows = query.query_map([session.as_str(), number.as_str()], checked)?;
                for row in rows {
                    known.push(row?);
                }
            }
            Ok(known)
        })
        .await
    }

    /// Notes what WhatsApp said, and who is who by that.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn note_checked(
        &self,
        session: SessionId,
        numbers: Vec<CheckedNumber>,
    ) -> Result<(), StoreError> {
        self.run(move |t| {
            let mut note = t.prepare_cached(
                "INSERT INTO checked_numbers (session, number, chat, phone, lid, checked_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (session, number) DO UPDATE SET chat = excluded.chat,
                     phone = excluded.phone, lid = excluded.lid, checked_at = excluded.checked_at",
            )?;
            for one in &numbers {
                note.execute(params![
                    session.as_str(),
                    one.number.as_str(),
                    one.chat.as_ref().map(ChatId::as_str),
                    one.phone.as_ref().map(ChatId::as_str),
                    one.lid.as_ref().map(ChatId::as_str),
                    millis(one.checked_at),
                ])?;
                let names = one.phone.iter().chain(&one.lid);
                if let Some(person) = Person::of_chats(names) {
                    people::note_person(t, &session, &person)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Notes who is who, of many at once; two who turn out to be one are told of on `session`.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn note_people(
        &self,
        session: SessionId,
        all: Vec<Person>,
    ) -> Result<(), StoreError> {
        self.run(move |t| {
            for person in &all {
                people::note_person(t, &session, person)?;
            }
            Ok(())
        })
        .await
    }

    /// People of whom both names are known, by LID, after `after`.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn lid_pairs(
        &self,
        after: Option<ChatId>,
        limit: usize,
    ) -> Result<Vec<LidPair>, StoreError> {
        self.run(move |t| {
            let mut query = t.prepare_cached(
                "SELECT lid, phone FROM (
                     SELECT l.name AS lid, (
                         SELECT p.name FROM contact_names p
                         WHERE p.contact = l.contact AND p.name LIKE '%@c.us'
                         ORDER BY p.rowid DESC LIMIT 1) AS phone
                     FROM contact_names l WHERE l.name LIKE '%@lid' AND l.name > ?1)
                 WHERE phone IS NOT NULL ORDER BY lid LIMIT ?2",
            )?;
            let after = after.as_ref().map_or("", ChatId::as_str);
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = query.query_map(params![after, limit], |row| {
                let (lid, phone): (String, String) = (row.get(0)?, row.get(1)?);
                let number = phone.split('@').next().unwrap_or_default();
                Ok(LidPair {
                    lid: ChatId::new(&lid).map_err(|e| unreadable(0, e))?,
                    phone: PhoneNumber::new(number).map_err(|e| unreadable(1, e))?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// A person under both names, as far as they were ever told.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn whole_person(&self, person: Person) -> Result<Person, StoreError> {
        self.run(move |t| people::complete(t, &person)).await
    }

    /// Every name under which messages of a chat are stored.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn names_of_chat(&self, chat: ChatId) -> Result<Vec<String>, StoreError> {
        self.run(move |t| match Person::of_chats([&chat]) {
            Some(person) => people::names(t, &person),
            None => Ok(vec![chat.into()]),
        })
        .await
    }

    /// The messages of a chat under any of its names that were accepted before `before`, newest
    /// first, at most `limit`. What is still queued is among them.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn messages_of_chat(
        &self,
        session: SessionId,
        names: Vec<String>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        self.run(move |t| {
            let marks = vec!["?"; names.len()].join(", ");
            // Only the indexes are looked at until it is known which messages those are.
            let sql = format!(
                "SELECT {COLUMNS} FROM messages WHERE seq IN (
                     SELECT seq FROM messages
                     WHERE session = ? AND chat IN ({marks}) AND seq < ?
                     UNION
                     SELECT seq FROM messages
                     WHERE session = ? AND recipient IN ({marks}) AND from_me = 1
                       AND chat IS NULL AND seq < ?
                     ORDER BY seq DESC LIMIT {limit})
                 ORDER BY seq DESC"
            );
            let before = Value::from(before.unwrap_or(i64::MAX));
            let half = || {
                let session = std::iter::once(Value::from(session.to_string()));
                let names = names.iter().cloned().map(Value::from);
                session.chain(names).chain([before.clone()])
            };
            let mut query = t.prepare_cached(&sql)?;
            let rows = query.query_map(params_from_iter(half().chain(half())), read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Those of a session's messages that the store has, by id on the wire and whether they are its
    /// own.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn messages_by_keys(
        &self,
        session: SessionId,
        keys: Vec<MessageId>,
    ) -> Result<HashMap<(WireId, bool), Message>, StoreError> {
        self.run(move |t| {
            let mut found = HashMap::new();
            for key in &keys {
                if let Some(message) = by_wire_id(t, &session, key)? {
                    found.insert((message.wire_id.clone(), message.from_me), message);
                }
            }
            Ok(found)
        })
        .await
    }
}

/// Forgets what a session was told.
pub(super) fn forget(t: &Transaction<'_>, session: &SessionId) -> Result<(), StoreError> {
    let sql = "DELETE FROM checked_numbers WHERE session = ?1";
    t.execute(sql, [session.as_str()])?;
    Ok(())
}

fn checked(row: &Row<'_>) -> rusqlite::Result<CheckedNumber> {
    let number: String = row.get(0)?;
    let chat = |column: usize| -> rusqlite::Result<Option<ChatId>> {
        let text: Option<String> = row.get(column)?;
        text.map(|text| ChatId::new(&text).map_err(|e| unreadable(column, e)))
            .transpose()
    };
    Ok(CheckedNumber {
        number: PhoneNumber::new(&number).map_err(|e| unreadable(0, e))?,
        chat: chat(1)?,
        phone: chat(2)?,
        lid: chat(3)?,
        checked_at: from_millis(row.get(4)?).map_err(|e| unreadable(4, e))?,
        is_cached: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Recipient;
    use crate::outbox::worker::fresh;
    use crate::outbox::{MessageState, NewMessage};
    use crate::store::now;

    fn id(text: &str) -> SessionId {
        SessionId::new(text).expect("an id")
    }

    fn chat(text: &str) -> ChatId {
        ChatId::new(text).expect("a chat")
    }

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::new(text).expect("a number")
    }

    #[tokio::test]
    async fn what_whatsapp_said_of_a_number_is_kept_for_its_session() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let ana = CheckedNumber {
            number: number("244929782402"),
            chat: Some(chat("77@lid")),
            phone: Some(chat("244929782402@c.us")),
            lid: Some(chat("77@lid")),
            checked_at: now(),
            is_cached: true,
        };
        let nobody = CheckedNumber {
            number: number("5511912345678"),
            chat: None,
            phone: None,
            lid: None,
            ..ana.clone()
        };
        let both = vec![ana.clone(), nobody.clone()];
        store.note_checked(id("a"), both).await.expect("noted");
        let asked = vec![nobody.number.clone(), number("15550001111")];
        let known = store.checked_numbers(id("a"), asked.clone()).await;
        assert_eq!(known.expect("read"), std::slice::from_ref(&nobody));
        let other = store.checked_numbers(id("b"), asked.clone()).await;
        assert_eq!(other.expect("read"), []);
        let found = CheckedNumber {
            chat: Some(chat("551191234567@c.us")),
            ..nobody
        };
        let again = vec![found.clone()];
        store.note_checked(id("a"), again).await.expect("noted");
        let known = store.checked_numbers(id("a"), asked.clone()).await;
        assert_eq!(known.expect("read"), [found], "the newer answer counts");
        let pairs = store.lid_pairs(None, 9).await.expect("read");
        let pair = LidPair {
            lid: chat("77@lid"),
            phone: number("244929782402"),
        };
        assert_eq!(pairs, [pair], "and who is who");
        assert_eq!(
            store
                .lid_pairs(Some(chat("77@lid")), 9)
                .await
                .expect("read"),
            []
        );
        store.delete_session(id("a")).await.expect("deleted");
        let gone = store.checked_numbers(id("a"), asked).await;
        assert_eq!(gone.expect("read"), []);
    }

    #[tokio::test]
    async fn a_chat_is_read_under_all_its_names_with_what_is_queued() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let both = Person::new(Some(number("244929782402")), Some(chat("77@lid")));
        let both = vec![both.expect("a person")];
        store.note_people(id("a"), both).await.expect("noted");
        for (to, in_chat) in [
            ("244929782402", Some("244929782402@c.us")),
            ("244929782402", None),
            ("77@lid", Some("77@lid")),
            ("5511912345678", Some("5511912345678@c.us")),
            ("120363@g.us", Some("120363@g.us")),
        ] {
            let to = Recipient::to_write_to(to).expect("a recipient");
            let mut message = fresh(&id("a"), &NewMessage::text(to, "x"));
            message.chat = in_chat.map(chat);
            message.state = MessageState::Queued;
            store.accept(message, None).await.expect("stored");
        }
        let seqs = |before, limit| {
            let store = store.clone();
            async move {
                let names = store.names_of_chat(chat("77@lid")).await.expect("read");
                let found = store.messages_of_chat(id("a"), names, before, limit).await;
                let found = found.expect("read").into_iter();
                found.map(|message| message.seq).collect::<Vec<_>>()
            }
        };
        assert_eq!(seqs(None, 9).await, [3, 2, 1]);
        assert_eq!(seqs(None, 2).await, [3, 2]);
        assert_eq!(seqs(Some(2), 9).await, [1]);
        let group = store
            .names_of_chat(chat("120363@g.us"))
            .await
            .expect("read");
        let group = store.messages_of_chat(id("a"), group, None, 9).await;
        assert_eq!(group.expect("read").len(), 1);
    }
}
