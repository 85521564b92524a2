//! People by the two names that they have for a sender: a phone number and a LID. Which of them
//! belong together is known by the [contacts](super::contacts), the one map of that.

use std::collections::HashMap;

use rusqlite::{Transaction, params};
use time::OffsetDateTime;

use super::contacts::{namesakes, resolve};
use super::sessions::millis;
use super::{Store, StoreError};
use crate::id::{ChatId, SessionId};
use crate::message;
use crate::person::Person;

impl Store {
    /// Notes that a LID and a phone number are one person, as was told on `session`.
    ///
    /// The note is in the queue when this returns its future, awaited or not.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub fn note_person(
        &self,
        session: SessionId,
        person: Person,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        self.run(move |t| note_person(t, &session, &person))
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
pub(super) fn note_person(
    t: &Transaction<'_>,
    session: &SessionId,
    person: &Person,
) -> Result<(), StoreError> {
    let (Some(phone), Some(lid)) = (person.phone(), person.lid()) else {
        return Ok(());
    };
    let told = message::Person {
        id: lid.clone(),
        phone: Some(ChatId::from(phone)),
        lid: Some(lid.clone()),
    };
    resolve(t, session, &told).map(|_| ())
}

/// The person under both names, as far as they were ever told.
pub(super) fn complete(t: &Transaction<'_>, person: &Person) -> Result<Person, StoreError> {
    let (mut phone, mut lid) = (person.phone().cloned(), person.lid().cloned());
    match (&phone, &lid) {
        (Some(known), None) => {
            lid = namesakes(t, &ChatId::from(known))?
                .into_iter()
                .find(ChatId::is_lid);
        }
        (None, Some(known)) => phone = namesakes(t, known)?.iter().find_map(ChatId::phone),
        _ => {}
    }
    // It has the names it came with.
    Ok(Person::new(phone, lid).unwrap_or_else(|| person.clone()))
}

/// Every text under which messages with a person are stored.
pub(super) fn names(t: &Transaction<'_>, person: &Person) -> Result<Vec<String>, StoreError> {
    let own = [person.phone().map(ChatId::from), person.lid().cloned()];
    let own: Vec<ChatId> = own.into_iter().flatten().collect();
    let mut all = own.clone();
    for name in &own {
        all.extend(namesakes(t, name)?);
    }
    // What was asked for by a bare number is stored so.
    let numbers: Vec<_> = all.iter().filter_map(ChatId::phone).collect();
    let mut names: Vec<_> = all.into_iter().map(String::from).collect();
    names.extend(numbers.iter().map(ToString::to_string));
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PhoneNumber;
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
        store
            .note_person(id("a"), both.clone())
            .await
            .expect("noted");
        store.note_person(id("a"), both).await.expect("noted again");
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
