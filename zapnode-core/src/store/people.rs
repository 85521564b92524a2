//! Which LID and which phone number are one person, and with which session they last talked.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Transaction, params};
use time::OffsetDateTime;

use super::sessions::millis;
use super::{Store, StoreError};
use crate::id::{PhoneNumber, SessionId};
use crate::person::Person;

impl Store {
    /// Notes that a LID and a phone number are one person, where both are known.
    ///
    /// The note is in the queue when this returns its future, awaited or not.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub fn note_person(
        &self,
        person: Person,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        self.run(move |t| note_person(t, &person))
    }

    /// Which of `sessions` last exchanged a message with a person, under any of their names.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn last_talked(
        &self,
        sessions: Vec<SessionId>,
        person: Person,
    ) -> Result<Option<SessionId>, StoreError> {
        self.run(move |t| {
            let names = names(t, &person)?;
            let mut by_chat = t.prepare_cached(
                "SELECT MAX(seq) FROM messages
                 WHERE session = ?1 AND chat = ?2 AND state NOT IN ('failed', 'cancelled')",
            )?;
            // What is still queued has no chat yet.
            let mut by_recipient = t.prepare_cached(
                "SELECT MAX(seq) FROM messages
                 WHERE session = ?1 AND recipient = ?2 AND from_me = 1
                   AND state NOT IN ('failed', 'cancelled')",
            )?;
            let mut last: Option<(i64, SessionId)> = None;
            for session in sessions {
                for name in &names {
                    let key = params![session.as_str(), name];
                    let chat: Option<i64> = by_chat.query_row(key, |row| row.get(0))?;
                    let to: Option<i64> = by_recipient.query_row(key, |row| row.get(0))?;
                    if let Some(seq) = chat.max(to)
                        && last.as_ref().is_none_or(|(newest, _)| seq > *newest)
                    {
                        last = Some((seq, session.clone()));
                    }
                }
            }
            Ok(last.map(|(_, session)| session))
        })
        .await
    }

    /// How many messages each session has to send now: those that are due and not held. Sessions
    /// with none are left out.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn loads(&self, now: OffsetDateTime) -> Result<HashMap<SessionId, u64>, StoreError> {
        self.run(move |t| {
            let mut query = t.prepare_cached(
                "SELECT session, COUNT(*) FROM messages
                 WHERE state IN ('queued', 'sending') AND (send_at IS NULL OR send_at <= ?1)
                   AND NOT EXISTS (SELECT 1 FROM batches
                                   WHERE batches.id = messages.batch AND batches.held)
                 GROUP BY session",
            )?;
            let rows = query.query_map([millis(now)], |row| {
                let session: String = row.get(0)?;
                let count: u64 = row.get(1)?;
                Ok((session, count))
            })?;
            let mut loads = HashMap::new();
            for row in rows {
                let (session, count) = row?;
                if let Ok(session) = SessionId::new(&session) {
                    loads.insert(session, count);
                }
            }
            Ok(loads)
        })
        .await
    }
}

/// Notes that a LID and a phone number are one person, where both are known.
pub(super) fn note_person(t: &Transaction<'_>, person: &Person) -> Result<(), StoreError> {
    let (Some(phone), Some(lid)) = (person.phone(), person.lid()) else {
        return Ok(());
    };
    // Nothing is written, and so nothing flushed to disk, where it is known already.
    t.prepare_cached(
        "INSERT INTO lid_phones (lid, phone) VALUES (?1, ?2)
         ON CONFLICT (lid) DO UPDATE SET phone = excluded.phone WHERE phone <> excluded.phone",
    )?
    .execute(params![lid.as_str(), phone.as_str()])?;
    Ok(())
}

/// The person under both names, as far as they were ever told.
pub(super) fn complete(t: &Transaction<'_>, person: &Person) -> Result<Person, StoreError> {
    let phone = match (person.phone(), person.lid()) {
        (Some(phone), _) => Some(phone.clone()),
        (None, Some(lid)) => {
            let found: Option<String> = t
                .prepare_cached("SELECT phone FROM lid_phones WHERE lid = ?1")?
                .query_row([lid.as_str()], |row| row.get(0))
                .optional()?;
            found.and_then(|phone| PhoneNumber::new(&phone).ok())
        }
        (None, None) => None,
    };
    let lid = match (person.lid(), &phone) {
        (Some(lid), _) => Some(lid.clone()),
        (None, Some(phone)) => lids_of(t, phone)?.into_iter().next(),
        (None, None) => None,
    };
    // It has the names it came with.
    Ok(Person::new(phone, lid).unwrap_or_else(|| person.clone()))
}

/// The LIDs of a phone number, newest first: a number that changed its owner has several.
fn lids_of(t: &Transaction<'_>, phone: &PhoneNumber) -> Result<Vec<crate::id::ChatId>, StoreError> {
    let mut query =
        t.prepare_cached("SELECT lid FROM lid_phones WHERE phone = ?1 ORDER BY rowid DESC")?;
    let rows = query.query_map([phone.as_str()], |row| row.get::<_, String>(0))?;
    let texts: Vec<String> = rows.collect::<Result<_, _>>()?;
    let lids = texts.iter().map(|lid| crate::id::ChatId::new(lid).ok());
    Ok(lids.flatten().collect())
}

/// Every text under which messages with a person are stored.
pub(super) fn names(t: &Transaction<'_>, person: &Person) -> Result<Vec<String>, StoreError> {
    let person = complete(t, person)?;
    let mut names = vec![];
    if let Some(phone) = person.phone() {
        names.push(phone.to_string());
        names.push(format!("{phone}@c.us"));
        names.extend(lids_of(t, phone)?.into_iter().map(String::from));
    }
    names.extend(person.lid().map(ToString::to_string));
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ChatId;
    use crate::message::Recipient;
    use crate::outbox::worker::fresh;
    use crate::outbox::{MessageState, NewMessage};

    fn person(text: &str) -> Person {
        let to = Recipient::to_write_to(text).expect("a recipient");
        Person::of_recipient(&to).expect("a person")
    }

    fn id(name: &str) -> SessionId {
        SessionId::new(name).expect("an id")
    }

    #[tokio::test]
    async fn whoever_talked_last_is_found_under_either_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let phone = "5511900000001";
        let lid = ChatId::new("77@lid").expect("a lid");
        let talk = |session: &'static str, to: &'static str, state: MessageState| {
            let to = Recipient::to_write_to(to).expect("a recipient");
            let mut message = fresh(&id(session), &NewMessage::text(to, "x"));
            message.state = state;
            store.accept(message, None)
        };
        let last = |who: &'static str| store.last_talked(vec![id("a"), id("b")], person(who));
        assert_eq!(last(phone).await.expect("read"), None);
        talk("a", phone, MessageState::Sent).await.expect("stored");
        talk("c", phone, MessageState::Sent).await.expect("stored");
        talk("b", phone, MessageState::Failed)
            .await
            .expect("stored");
        assert_eq!(last(phone).await.expect("read"), Some(id("a")));
        assert_eq!(last("77@lid").await.expect("read"), None);

        talk("b", "77@lid", MessageState::Queued)
            .await
            .expect("stored");
        assert_eq!(
            last(phone).await.expect("read"),
            Some(id("a")),
            "not known to be one"
        );
        let both = Person::new(PhoneNumber::new(phone).ok(), Some(lid)).expect("a person");
        store.note_person(both.clone()).await.expect("noted");
        store.note_person(both).await.expect("noted again");
        for who in [phone, "77@lid"] {
            assert_eq!(last(who).await.expect("read"), Some(id("b")), "{who}");
        }
    }

    #[tokio::test]
    async fn what_is_due_is_a_load() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let now = OffsetDateTime::now_utc();
        for (session, state, in_minutes) in [
            ("a", MessageState::Queued, None),
            ("a", MessageState::Sending, None),
            ("a", MessageState::Queued, Some(5)),
            ("a", MessageState::Sent, None),
            ("b", MessageState::Queued, Some(-5)),
        ] {
            let to = Recipient::to_write_to("5511900000001").expect("a recipient");
            let mut message = fresh(&id(session), &NewMessage::text(to, "x"));
            message.state = state;
            message.send_at = in_minutes.map(|m| now + time::Duration::minutes(m));
            store.accept(message, None).await.expect("stored");
        }
        let loads = store.loads(now).await.expect("read");
        assert_eq!(loads, [(id("a"), 2), (id("b"), 1)].into());
    }
}
