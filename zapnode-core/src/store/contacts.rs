//! Who is who: the table of people and of the names they have on WhatsApp. The one map of which LID
//! and which phone number are the same person.

use rusqlite::{OptionalExtension, Transaction, params};

use super::events::append;
use super::sessions::millis;
use super::{Store, StoreError, now};
use crate::event::{ContactId, ContactMerged, EventId, EventKind, Holder, Verdict, Who, decide};
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

/// All names of whoever has this one, the last that was learnt first; none for somebody unknown.
pub(super) fn namesakes(t: &Transaction<'_>, name: &ChatId) -> Result<Vec<ChatId>, StoreError> {
    let mut query = t.prepare_cached(
        "SELECT o.name FROM contact_names n JOIN contact_names o ON o.contact = n.contact
         WHERE n.name = ?1 ORDER BY o.rowid DESC",
    )?;
    let rows = query.query_map([without_device(name).as_str()], |row| {
        row.get::<_, String>(0)
    })?;
    let texts: Vec<String> = rows.collect::<Result<_, _>>()?;
    // As above: only checked names.
    Ok(texts
        .iter()
        .filter_map(|name| ChatId::new(name).ok())
        .collect())
}

/// A person's name without the device that it was met on, as `1:5@lid`.
fn without_device(name: &ChatId) -> ChatId {
    let bare = name.user().split(':').next().unwrap_or_default();
    ChatId::new(&format!("{bare}@{}", name.server())).unwrap_or_else(|_| name.clone())
}

/// Takes over what versions before schema 12 had noted of LIDs and numbers in a table of its own.
/// Where the contacts know a number or a LID with another one, they know it better.
///
/// Part of migration 12: it relies on the tables as they were then, and is not changed any more.
pub(super) fn take_over_lid_phones(t: &Transaction<'_>) -> Result<(), StoreError> {
    // Of a number that had several owners the last one.
    let mut query = t.prepare(
        "SELECT lid, phone || '@c.us' FROM lid_phones l
         WHERE rowid = (SELECT max(rowid) FROM lid_phones WHERE phone = l.phone) ORDER BY rowid",
    )?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let pairs: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
    drop(query);
    for (lid, phone) in pairs {
        let (Ok(lid), Ok(phone)) = (ChatId::new(&lid), ChatId::new(&phone)) else {
            continue;
        };
        let (by_phone, by_lid) = (holder(t, &phone)?, holder(t, &lid)?);
        let knows_another_lid = by_phone.as_ref().is_some_and(|known| known.has_lid);
        let knows_another_phone = namesakes(t, &lid)?.iter().any(ChatId::is_phone);
        if knows_another_lid || knows_another_phone {
            continue;
        }
        let (id, gone) = match decide(by_phone, by_lid, true) {
            Verdict::New => (ContactId::choose(), None),
            Verdict::Known(id) => (id, None),
            Verdict::Merge { keep, gone } => (keep, Some(gone)),
        };
        t.execute(
            "INSERT INTO contacts (id, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![id.as_str(), millis(now())],
        )?;
        for name in [&phone, &lid] {
            t.execute(
                "INSERT INTO contact_names (name, contact) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET contact = ?2",
                [name.as_str(), id.as_str()],
            )?;
        }
        if let Some(gone) = gone {
            merge_before_schema_12(t, &id, &gone, &phone, &lid)?;
        }
    }
    t.execute("DROP TABLE lid_phones", [])?;
    Ok(())
}

/// Two contacts are one; told on the oldest session, since contacts are the same on all.
fn merge_before_schema_12(
    t: &Transaction<'_>,
    keep: &ContactId,
    gone: &ContactId,
    phone: &ChatId,
    lid: &ChatId,
) -> Result<(), StoreError> {
    t.execute(
        "UPDATE contact_names SET contact = ?1 WHERE contact = ?2",
        [keep.as_str(), gone.as_str()],
    )?;
    t.execute(
        "UPDATE contacts SET merged_into = ?1 WHERE id = ?2 OR merged_into = ?2",
        [keep.as_str(), gone.as_str()],
    )?;
    let mut query = t.prepare("SELECT id FROM sessions ORDER BY created_at, id LIMIT 1")?;
    let session: Option<String> = query.query_row([], |row| row.get(0)).optional()?;
    if let Some(session) = session {
        t.execute(
            "INSERT INTO events (id, at, session, name, payload)
             VALUES (?1, ?2, ?3, 'contact.merged',
                     json_object('contactId', ?4, 'merged', ?5, 'phone', ?6, 'lid', ?7))",
            params![
                EventId::choose().to_string(),
                millis(now()),
                session,
                keep.as_str(),
                gone.as_str(),
                phone.as_str(),
                lid.as_str()
            ],
        )?;
    }
    Ok(())
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

    /// A database as the version before schema 12 left it, with these contacts and these pairs of
    /// LIDs and numbers.
    fn before_schema_12(
        folder: &std::path::Path,
        contacts: &[(&str, i64, &[&str])],
        pairs: &[(&str, &str)],
    ) {
        use super::super::{FILE_NAME, MIGRATIONS, UNITE_CONTACTS};
        let raw = rusqlite::Connection::open(folder.join(FILE_NAME)).expect("opens");
        let old = MIGRATIONS.iter().take_while(|sql| **sql != UNITE_CONTACTS);
        let mut schema = 0;
        for sql in old {
            raw.execute_batch(sql).expect("made");
            schema += 1;
        }
        raw.pragma_update(None, "user_version", schema)
            .expect("set");
        raw.execute(
            "INSERT INTO sessions (id, profile, created_at, options, linked, wanted)
             VALUES ('shop', '/x', 1, '{}', 0, 0)",
            [],
        )
        .expect("written");
        for (id, since, names) in contacts {
            raw.execute(
                "INSERT INTO contacts (id, created_at) VALUES (?1, ?2)",
                params![id, since],
            )
            .expect("written");
            for name in *names {
                raw.execute("INSERT INTO contact_names VALUES (?1, ?2)", [name, id])
                    .expect("written");
            }
        }
        for pair in pairs {
            raw.execute("INSERT INTO lid_phones VALUES (?1, ?2)", [pair.0, pair.1])
                .expect("written");
        }
    }

    #[tokio::test]
    async fn what_older_versions_knew_of_lids_and_numbers_is_taken_over() {
        let dir = tempfile::tempdir().expect("a folder");
        before_schema_12(
            dir.path(),
            &[
                ("ctc_B", 2, &["5511900000002@c.us"]),
                ("ctc_C", 3, &["3@lid"]),
                ("ctc_D1", 4, &["5511900000004@c.us"]),
                ("ctc_D2", 5, &["4@lid"]),
                ("ctc_E", 6, &["5511900000005@c.us", "55@lid"]),
                ("ctc_F", 7, &["5511900000066@c.us", "6@lid"]),
            ],
            &[
                // Unknown so far; the number changed its owner.
                ("11@lid", "5511900000001"),
                ("1@lid", "5511900000001"),
                // One name was known.
                ("2@lid", "5511900000002"),
                ("3@lid", "5511900000003"),
                // Both, as two people.
                ("4@lid", "5511900000004"),
                // The contacts know another LID, or another number.
                ("5@lid", "5511900000005"),
                ("6@lid", "5511900000006"),
            ],
        );
        let store = Store::open(dir.path()).await.expect("opens");
        let namesakes = async |name: &str| {
            let name = chat(name);
            let found = store.run(move |t| namesakes(t, &name)).await;
            let mut found: Vec<_> = found.expect("read").into_iter().map(String::from).collect();
            found.sort();
            found
        };
        for n in 1..=4 {
            let both = [format!("551190000000{n}@c.us"), format!("{n}@lid")];
            let mut both = both.to_vec();
            both.sort();
            for name in &both {
                assert_eq!(namesakes(name).await, both, "{name}");
            }
        }
        assert_eq!(namesakes("11@lid").await, [""; 0]);
        assert_eq!(
            namesakes("5511900000005@c.us").await,
            ["5511900000005@c.us", "55@lid"]
        );
        assert_eq!(namesakes("6@lid").await, ["5511900000066@c.us", "6@lid"]);
        assert_eq!(namesakes("5511900000006@c.us").await, [""; 0]);

        let log = EventLog::new(store.clone());
        let page = log.read(0, 10, &Filter::default()).await.expect("read");
        let [event] = page.events.as_slice() else {
            panic!("{page:?}");
        };
        match &event.kind {
            EventKind::ContactMerged(told) => {
                assert_eq!(told.contact_id.as_str(), "ctc_D1");
                assert_eq!(told.merged.as_str(), "ctc_D2");
                assert_eq!(told.lid, Some(chat("4@lid")));
            }
            other => panic!("{other:?}"),
        }
        let tables = store.run(|t| {
            let sql = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'lid_phones%'";
            Ok(t.query_row(sql, [], |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(tables.await.expect("read"), 0);
    }
}
