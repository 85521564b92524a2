//! Who is who: the table of people and of the names they have on WhatsApp.

use rusqlite::{OptionalExtension, Transaction, params};

use super::events::append;
use super::sessions::millis;
use super::{Store, StoreError, now};
use crate::event::{ContactId, ContactMerged, EventKind, Holder, Verdict, Who, decide};
use crate::id::{ChatId, SessionId};
use crate::message::Person;

impl Store {
    /// Notes that a number and a LID are the same person, as WhatsApp told.
    pub(crate) fn learn_person(
        &self,
        session: SessionId,
        person: Person,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let kept = self.keep(move |t| resolve(t, &session, &person).map(|_| ()));
        kept.stored()
    }
}

/// Finds the person, or makes their id, and notes all names that were told. Two who turn out to be
/// one are merged, which is told on `session`.
pub(super) fn resolve(
    t: &Transaction<'_>,
    session: &SessionId,
    person: &Person,
) -> Result<Who, StoreError> {
    let named = |wanted: fn(&ChatId) -> bool, told: &Option<ChatId>| {
        let told = told.iter().chain([&person.id]).find(|name| wanted(name));
        told.map(without_device)
    };
    let phone = named(ChatId::is_phone, &person.phone);
    let lid = named(ChatId::is_lid, &person.lid);
    if phone.is_none() && lid.is_none() {
        return Ok(Who::default());
    }
    let by_phone = phone.as_ref().map(|name| holder(t, name)).transpose()?;
    let by_lid = lid.as_ref().map(|name| holder(t, name)).transpose()?;
    let verdict = decide(by_phone.flatten(), by_lid.flatten(), lid.is_some());
    let id = match verdict {
        Verdict::New => {
            let id = ContactId::choose();
            t.execute(
                "INSERT INTO contacts (id, created_at) VALUES (?1, ?2)",
                params![id.as_str(), millis(now())],
            )?;
            id
        }
        Verdict::Known(id) => id,
        Verdict::Merge { keep, gone } => {
            t.execute(
                "UPDATE contact_names SET contact = ?1 WHERE contact = ?2",
                [keep.as_str(), gone.as_str()],
            )?;
            t.execute(
                "UPDATE contacts SET merged_into = ?1 WHERE id = ?2 OR merged_into = ?2",
                [keep.as_str(), gone.as_str()],
            )?;
            let merged = EventKind::ContactMerged(Box::new(ContactMerged {
                contact_id: keep.clone(),
                merged: gone,
                phone: phone.clone(),
                lid: lid.clone(),
            }));
            append(t, session, &merged, None)?;
            keep
        }
    };
    let mut own = t.prepare_cached(
        "INSERT INTO contact_names (name, contact) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET contact = ?2 WHERE contact <> ?2",
    )?;
    for name in [&phone, &lid].into_iter().flatten() {
        own.execute([name.as_str(), id.as_str()])?;
    }
    Ok(Who {
        phone: phone.map_or_else(|| name_of(t, &id, "c.us"), |name| Ok(Some(name)))?,
        lid: lid.map_or_else(|| name_of(t, &id, "lid"), |name| Ok(Some(name)))?,
        contact_id: Some(id),
    })
}

fn holder(t: &Transaction<'_>, name: &ChatId) -> Result<Option<Holder>, StoreError> {
    let mut query = t.prepare_cached(
        "SELECT c.id, c.created_at,
                EXISTS (SELECT 1 FROM contact_names l WHERE l.contact = c.id AND l.name LIKE '%@lid')
         FROM contact_names n JOIN contacts c ON c.id = n.contact WHERE n.name = ?1",
    )?;
    let found = query.query_row([name.as_str()], |row| {
        Ok(Holder {
            id: ContactId::stored(row.get(0)?),
            since: row.get(1)?,
            has_lid: row.get(2)?,
        })
    });
    Ok(found.optional()?)
}

/// One name of a person on that server, the last that was learnt.
fn name_of(
    t: &Transaction<'_>,
    id: &ContactId,
    server: &str,
) -> Result<Option<ChatId>, StoreError> {
    let mut query = t.prepare_cached(
        "SELECT name FROM contact_names WHERE contact = ?1 AND name LIKE '%@' || ?2
         ORDER BY rowid DESC LIMIT 1",
    )?;
    let found: Option<String> = query
        .query_row([id.as_str(), server], |row| row.get(0))
        .optional()?;
    // Only checked names were ever written.
    Ok(found.and_then(|name| ChatId::new(&name).ok()))
}

/// A person's name without the device that it was met on, as `1:5@lid`.
fn without_device(name: &ChatId) -> ChatId {
    let bare = name.user().split(':').next().unwrap_or_default();
    ChatId::new(&format!("{bare}@{}", name.server())).unwrap_or_else(|_| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventLog, Filter};

    fn chat(text: &str) -> ChatId {
        ChatId::new(text).expect("a chat")
    }

    fn both(phone: &str, lid: &str) -> Person {
        Person {
            id: chat(lid),
            phone: Some(chat(phone)),
            lid: Some(chat(lid)),
        }
    }

    #[tokio::test]
    async fn an_id_stays_when_the_other_name_is_learnt_and_after_a_restart() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let session = SessionId::new("shop").expect("an id");
        let who = |store: &Store, person: Person| {
            let session = session.clone();
            let found = store.run(move |t| resolve(t, &session, &person));
            async move { found.await.expect("resolved") }
        };
        let ana = who(&store, Person::new(chat("244929782402@c.us"))).await;
        assert!(ana.contact_id.is_some() && ana.lid.is_none());
        let told = who(&store, both("244929782402@c.us", "77:3@lid")).await;
        assert_eq!(told.contact_id, ana.contact_id, "the LID is learnt");
        drop(store);

        let store = Store::open(dir.path()).await.expect("opens again");
        let by_lid = who(&store, Person::new(chat("77@lid"))).await;
        assert_eq!(by_lid.contact_id, ana.contact_id);
        assert_eq!(by_lid.phone, Some(chat("244929782402@c.us")));
        let group = who(&store, Person::new(chat("120363@g.us"))).await;
        assert_eq!(group, Who::default(), "a group is no person");

        // Met as two, and then told to be one.
        let phone = who(&store, Person::new(chat("5511912345678@c.us"))).await;
        let lid = who(&store, Person::new(chat("99@lid"))).await;
        assert_ne!(phone.contact_id, lid.contact_id);
        let one = who(&store, both("5511912345678@c.us", "99@lid")).await;
        assert_eq!(one.contact_id, phone.contact_id, "the older id stays");
        let again = who(&store, Person::new(chat("99@lid"))).await;
        assert_eq!(again.contact_id, phone.contact_id);
        let log = EventLog::new(store.clone());
        let page = log.read(0, 10, &Filter::default()).await.expect("read");
        let [event] = page.events.as_slice() else {
            panic!("{page:?}");
        };
        match &event.kind {
            EventKind::ContactMerged(told) => {
                assert_eq!(Some(&told.contact_id), phone.contact_id.as_ref());
                assert_eq!(Some(&told.merged), lid.contact_id.as_ref());
            }
            other => panic!("{other:?}"),
        }
    }
}
