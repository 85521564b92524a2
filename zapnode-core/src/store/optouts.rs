//! The table of those who do not want to be written to in bulk.

use std::collections::HashSet;

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};

use super::bulk::cancel_for;
use super::people::{complete, note_person};
use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError};
use crate::id::{ChatId, MessageId, PhoneNumber, SessionId};
use crate::message::Recipient;
use crate::optout::{OptOut, OptOutSource};
use crate::outbox::Message;
use crate::person::Person;

/// An opt-out that is to be stored.
#[derive(Clone, Debug)]
pub struct NewOptOut {
    /// Who.
    pub person: Person,
    /// Why, in somebody's words.
    pub reason: Option<String>,
    /// How it came to be.
    pub source: OptOutSource,
    /// The session that they wrote to.
    pub session: Option<SessionId>,
}

/// What [`Store::opt_out`] did.
#[derive(Clone, Debug)]
pub struct OptedOut {
    /// The entry.
    pub opt_out: OptOut,
    /// Whether it is new.
    pub is_new: bool,
    /// What bulk jobs had queued for them.
    pub taken_back: Vec<Message>,
}

/// How long a stop word of an ignored chat is known again: WhatsApp tells nothing that is older.
const HEARD_KEPT: time::Duration = time::Duration::days(90);

const COLUMNS: &str = "seq, phone, lid, reason, source, session, created_at";

/// The condition under which a row is of the person with phone `?1` and LID `?2`, under whichever
/// names they are known.
const IS_OF: &str = "(phone = ?1 OR lid = ?2
    OR lid IN (SELECT o.name FROM contact_names n JOIN contact_names o USING (contact)
               WHERE n.name = ?1 || '@c.us')
    OR phone IN (SELECT substr(o.name, 1, length(o.name) - length('@c.us'))
                 FROM contact_names n JOIN contact_names o USING (contact)
                 WHERE n.name = ?2 AND o.name LIKE '%@c.us'))";

impl Store {
    /// Puts a person on the list, and takes back what bulk jobs have queued for them. Whoever is on
    /// it already stays as they came, with names and a reason that were not known then.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn opt_out(&self, new: NewOptOut) -> Result<OptedOut, StoreError> {
        self.run(move |t| opt_out(t, &new)).await
    }

    /// Takes a person off the list. Says whether they were on it.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn opt_in(&self, person: Person) -> Result<bool, StoreError> {
        self.run(move |t| {
            let sql = format!("DELETE FROM optouts WHERE {IS_OF}");
            let (phone, lid) = keys(&person);
            Ok(t.execute(&sql, params![phone, lid])? > 0)
        })
        .await
    }

    /// Whether a person is on the list.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn is_opted_out(&self, person: Person) -> Result<bool, StoreError> {
        self.run(move |t| Ok(find(t, &person)?.is_some())).await
    }

    /// Which of these are on the list.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn opted_out_among(
        &self,
        recipients: Vec<Recipient>,
    ) -> Result<HashSet<Recipient>, StoreError> {
        self.run(move |t| {
            let mut found = HashSet::new();
            for to in recipients {
                if let Some(person) = Person::of_recipient(&to)
                    && find(t, &person)?.is_some()
                {
                    found.insert(to);
                }
            }
            Ok(found)
        })
        .await
    }

    /// The list, newest first, at most `limit`, only those before the cursor `before` and only those
    /// whose number, LID or reason has `words` in it.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn opt_outs(
        &self,
        before: Option<i64>,
        words: Option<String>,
        limit: usize,
    ) -> Result<Vec<OptOut>, StoreError> {
        self.run(move |t| {
            let mut conditions = vec!["1"];
            let mut values: Vec<Value> = vec![];
            if let Some(before) = before {
                conditions.push("seq < ?");
                values.push(before.into());
            }
            if let Some(words) = words {
                // Not LIKE, whose signs would have to be escaped.
                conditions.push(
                    "instr(lower(coalesce(phone, '') || ' ' || coalesce(lid, '') || ' ' ||
                                 coalesce(reason, '')), ?) > 0",
                );
                values.push(words.to_lowercase().into());
            }
            let sql = format!(
                "SELECT {COLUMNS} FROM optouts WHERE {} ORDER BY seq DESC LIMIT {limit}",
                conditions.join(" AND ")
            );
            let mut query = t.prepare(&sql)?;
            let rows = query.query_map(params_from_iter(values), read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Puts a person on the list and takes back what jobs have queued for them, within a transaction.
pub(super) fn opt_out(t: &Transaction<'_>, new: &NewOptOut) -> Result<OptedOut, StoreError> {
    if let Some(session) = &new.session {
        note_person(t, session, &new.person)?;
    }
    let person = complete(t, &new.person)?;
    let taken_back = cancel_for(t, &person)?;
    let known = find(t, &person)?;
    let is_new = known.is_none();
    let opt_out = match known {
        Some(known) => renew(t, known, person, new)?,
        None => insert(t, person, new)?,
    };
    Ok(OptedOut {
        opt_out,
        is_new,
        taken_back,
    })
}

/// The same for a message that is not kept itself: told a second time, it counts no more. Gives what
/// was taken back.
pub(super) fn opt_out_once(
    t: &Transaction<'_>,
    session: &SessionId,
    message: &MessageId,
    new: &NewOptOut,
) -> Result<Vec<Message>, StoreError> {
    let now = super::now();
    t.execute(
        "DELETE FROM stop_words_heard WHERE at < ?1",
        [millis(now - HEARD_KEPT)],
    )?;
    let is_new = t.execute(
        "INSERT INTO stop_words_heard (session, wire_id, at) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
        params![session.as_str(), message.wire_id().as_str(), millis(now)],
    )? == 1;
    if !is_new {
        return Ok(vec![]);
    }
    Ok(opt_out(t, new)?.taken_back)
}

fn insert(t: &Transaction<'_>, person: Person, new: &NewOptOut) -> Result<OptOut, StoreError> {
    let at = super::now();
    let (phone, lid) = keys(&person);
    let session = new.session.as_ref().map(SessionId::as_str);
    t.execute(
        "INSERT INTO optouts (phone, lid, reason, source, session, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            phone,
            lid,
            new.reason,
            new.source.as_str(),
            session,
            millis(at)
        ],
    )?;
    Ok(OptOut {
        seq: t.last_insert_rowid(),
        person,
        reason: new.reason.clone(),
        source: new.source,
        session: new.session.clone(),
        created_at: at,
    })
}

fn renew(
    t: &Transaction<'_>,
    mut known: OptOut,
    person: Person,
    new: &NewOptOut,
) -> Result<OptOut, StoreError> {
    // Two entries of one person, made before they were known to be one, become one.
    let sql = format!("DELETE FROM optouts WHERE {IS_OF} AND seq <> ?3");
    let (phone, lid) = keys(&person);
    t.execute(&sql, params![phone, lid, known.seq])?;
    known.person = person;
    if new.reason.is_some() {
        known.reason.clone_from(&new.reason);
    }
    let (phone, lid) = keys(&known.person);
    t.execute(
        "UPDATE optouts SET phone = ?2, lid = ?3, reason = ?4 WHERE seq = ?1",
        params![known.seq, phone, lid, known.reason],
    )?;
    Ok(known)
}

pub(super) fn find(t: &Transaction<'_>, person: &Person) -> Result<Option<OptOut>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM optouts WHERE {IS_OF} ORDER BY seq LIMIT 1");
    let (phone, lid) = keys(person);
    let mut query = t.prepare_cached(&sql)?;
    Ok(query.query_row(params![phone, lid], read).optional()?)
}

fn keys(person: &Person) -> (Option<&str>, Option<&str>) {
    (
        person.phone().map(PhoneNumber::as_str),
        person.lid().map(ChatId::as_str),
    )
}

fn read(row: &Row<'_>) -> rusqlite::Result<OptOut> {
    let optional = |name: &str| row.get::<_, Option<String>>(name);
    let phone = optional("phone")?
        .map(|text| PhoneNumber::new(&text).map_err(|e| unreadable(1, e)))
        .transpose()?;
    let lid = optional("lid")?
        .map(|text| ChatId::new(&text).map_err(|e| unreadable(2, e)))
        .transpose()?;
    let source: String = row.get("source")?;
    let nobody = || unreadable(1, std::io::Error::other("nobody opted out"));
    Ok(OptOut {
        seq: row.get("seq")?,
        person: Person::new(phone, lid).ok_or_else(nobody)?,
        reason: optional("reason")?,
        source: OptOutSource::from_word(&source)
            .ok_or_else(|| unreadable(4, std::io::Error::other(source)))?,
        session: optional("session")?
            .map(|text| SessionId::new(&text).map_err(|e| unreadable(5, e)))
            .transpose()?,
        created_at: from_millis(row.get("created_at")?).map_err(|e| unreadable(6, e))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(phone: Option<&str>, lid: Option<&str>) -> Person {
        let phone = phone.map(|text| PhoneNumber::new(text).expect("a number"));
        let lid = lid.map(|text| ChatId::new(text).expect("a lid"));
        Person::new(phone, lid).expect("a person")
    }

    fn new(person: Person, reason: Option<&str>) -> NewOptOut {
        NewOptOut {
            person,
            reason: reason.map(str::to_owned),
            source: OptOutSource::Request,
            session: None,
        }
    }

    const ANA: Option<&str> = Some("5511900000001");
    const ANA_LID: Option<&str> = Some("77@lid");

    #[tokio::test]
    async fn a_person_is_on_it_under_both_names_and_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let is = |who: Person| {
            let store = store.clone();
            async move { store.is_opted_out(who).await.expect("read") }
        };
        let is_new = store
            .opt_out(new(person(ANA, None), None))
            .await
            .expect("on")
            .is_new;
        assert!(is_new && is(person(ANA, None)).await);
        let is_new = store
            .opt_out(new(person(None, ANA_LID), None))
            .await
            .expect("on")
            .is_new;
        assert!(is_new, "nobody knows yet that they are one");
        assert_eq!(store.opt_outs(None, None, 9).await.expect("read").len(), 2);

        let both = new(person(ANA, ANA_LID), Some("asked twice"));
        let again = store.opt_out(both).await.expect("on");
        assert!(!again.is_new);
        let list = store.opt_outs(None, None, 9).await.expect("read");
        assert_eq!(list, [again.opt_out], "one person, one entry");
        assert_eq!(list[0].person, person(ANA, ANA_LID));
        assert_eq!(list[0].reason.as_deref(), Some("asked twice"));

        assert!(store.opt_in(person(None, ANA_LID)).await.expect("off"));
        assert!(!is(person(ANA, None)).await && !is(person(None, ANA_LID)).await);
        assert!(!store.opt_in(person(ANA, None)).await.expect("off"));
    }

    #[tokio::test]
    async fn what_is_learnt_later_counts_too() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        store
            .opt_out(new(person(ANA, None), None))
            .await
            .expect("on");
        assert!(
            !store
                .is_opted_out(person(None, ANA_LID))
                .await
                .expect("read")
        );
        store
            .note_person(SessionId::new("shop").expect("an id"), person(ANA, ANA_LID))
            .await
            .expect("noted");
        assert!(
            store
                .is_opted_out(person(None, ANA_LID))
                .await
                .expect("read")
        );
        let to = |text: &str| Recipient::to_write_to(text).expect("a recipient");
        let among = vec![
            to("77@lid"),
            to("5511900000001"),
            to("5511900000002"),
            to("1@g.us"),
        ];
        let found = store.opted_out_among(among).await.expect("read");
        assert_eq!(found, [to("77@lid"), to("5511900000001")].into());
    }

    #[tokio::test]
    async fn the_list_is_paged_and_searched() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        for n in 1..=5 {
            let phone = format!("551190000000{n}");
            let reason = (n == 3).then_some("por Telefone 100%");
            let who = person(Some(&phone), None);
            store.opt_out(new(who, reason)).await.expect("on");
        }
        let page = store.opt_outs(None, None, 2).await.expect("read");
        let rest = store
            .opt_outs(Some(page[1].seq), None, 9)
            .await
            .expect("read");
        assert_eq!((page.len(), rest.len()), (2, 3));
        for (words, count) in [
            ("telefone", 1),
            ("0%", 1),
            ("%", 1),
            ("5511", 5),
            ("0002", 1),
            ("x", 0),
        ] {
            let found = store
                .opt_outs(None, Some(words.to_owned()), 9)
                .await
                .expect("read");
            assert_eq!(found.len(), count, "{words}");
        }
    }
}
