//! Bulk jobs. A job's messages are rows like any other that share a batch; here is the rest of it,
//! and what is decided over all of them at once.
//!
//! The store is the arbiter of a bulk message: that it is attempted is on disk before any page can
//! have it, and whether it may be is decided in the same transaction. So what is queued and was not
//! attempted nobody has, also after a crash, and a cancel or an opt-out that was answered holds
//! whatever happens.

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};
use time::OffsetDateTime;
use ulid::Ulid;

use super::messages::{self, COLUMNS as MESSAGE, Key, insert_many, own_message, write_progress};
use super::optouts;
use super::people::note_person;
use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError, events};
use crate::bulk::{BulkJob, Counts, JobState, Skipped};
use crate::id::{SessionId, WireId};
use crate::outbox::queue::Standing;
use crate::outbox::{Failure, FailureCode, Message, MessageState};
use crate::person::Person;

/// A job that is to be stored.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id: the batch of its messages.
    pub id: Ulid,
    /// The session that sends it.
    pub session: SessionId,
    /// What its maker calls it.
    pub name: Option<String>,
    /// Who was left out.
    pub skipped: Skipped,
    /// Whether it is sent gently.
    pub paced: bool,
    /// Not before this time.
    pub send_at: Option<OffsetDateTime>,
}

/// What [`Store::accept_bulk`] found.
#[derive(Clone, Debug)]
pub enum AcceptedBulk {
    /// It is new and stored, with these messages and what is known of whom they are for.
    New(BulkJob, Vec<(Message, Standing)>),
    /// The idempotency key stands for this one, which asked for the same.
    Repeated(BulkJob),
    /// The idempotency key stands for another request.
    Mismatch,
}

/// Whether a bulk message may be handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It may, and it is stored that it is attempted.
    Yes,
    /// Its job is held.
    Held,
    /// It is not open any more.
    Over,
    /// Its recipient has opted out; it is stored as cancelled.
    TakenBack(Box<Message>),
}

/// A bulk message that is about to be handed over.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    pub(crate) session: SessionId,
    pub(crate) wire_id: WireId,
    /// Whom it is for, as they were found.
    pub(crate) person: Option<Person>,
    pub(crate) at: OffsetDateTime,
    /// Its chat is a new one.
    pub(crate) first: bool,
}

const COLUMNS: &str = "id, session, name, total, opted_out, duplicate, invalid, held, paced, \
                       cancelled, created_at, send_at";

const OPTED_OUT: &str = "the recipient asked not to be written to in bulk";

impl Store {
    /// Stores a job and all its messages, with its key if it has one, unless the key is known. A
    /// job's key is kept as long as the job.
    ///
    /// # Errors
    /// As [`Store::run`]; then nothing was stored.
    pub async fn accept_bulk(
        &self,
        job: NewJob,
        messages: Vec<Message>,
        key: Option<Key>,
    ) -> Result<AcceptedBulk, StoreError> {
        self.run(move |t| {
            if let Some(key) = &key
                && let Some(known) = known_by_key(t, key)?
            {
                return Ok(known);
            }
            let (key, request) = key.map(|k| (k.key, k.request)).unzip();
            t.execute(
                "INSERT INTO batches (id, session, held, paced, name, total, opted_out, duplicate,
                                      invalid, created_at, send_at, key, request)
                 VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                params![
                    job.id.to_string(),
                    job.session.as_str(),
                    job.paced,
                    job.name,
                    messages.len(),
                    job.skipped.opted_out,
                    job.skipped.duplicate,
                    job.skipped.invalid,
                    millis(super::now()),
                    job.send_at.map(millis),
                    key,
                    request
                ],
            )?;
            let messages = insert_many(t, messages)?;
            let job = find(t, job.id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            Ok(AcceptedBulk::New(job, messages))
        })
        .await
    }

    /// What an idempotency key of a job stands for, if it is known.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn known_bulk(&self, key: Key) -> Result<Option<AcceptedBulk>, StoreError> {
        self.run(move |t| known_by_key(t, &key)).await
    }

    /// A job as it is now.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn bulk_job(&self, id: Ulid) -> Result<Option<BulkJob>, StoreError> {
        self.run(move |t| find(t, id)).await
    }

    /// The jobs of a session, or of all, newest first, at most `limit`, only those before the cursor
    /// `before`.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn bulk_jobs(
        &self,
        session: Option<SessionId>,
        before: Option<Ulid>,
        limit: usize,
    ) -> Result<Vec<BulkJob>, StoreError> {
        self.run(move |t| {
            let mut conditions = vec!["1"];
            let mut values: Vec<Value> = vec![];
            if let Some(session) = session {
                conditions.push("session = ?");
                values.push(session.to_string().into());
            }
            if let Some(before) = before {
                // ULIDs are in the order of time, as texts too.
                conditions.push("id < ?");
                values.push(before.to_string().into());
            }
            let sql = format!(
                "SELECT {COLUMNS} FROM batches WHERE {} ORDER BY id DESC LIMIT {limit}",
                conditions.join(" AND ")
            );
            let mut query = t.prepare(&sql)?;
            let rows = query.query_map(params_from_iter(values), Stored::read)?;
            let rows: Vec<Stored> = rows.collect::<Result<_, _>>()?;
            rows.into_iter().map(|stored| stored.counted(t)).collect()
        })
        .await
    }

    /// A job's messages, newest first, at most `limit`, only those before the cursor `before` and in
    /// `state`.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn bulk_messages(
        &self,
        id: Ulid,
        before: Option<i64>,
        state: Option<MessageState>,
        limit: usize,
    ) -> Result<Vec<Message>, StoreError> {
        self.run(move |t| {
            let mut condition = "batch = ?".to_owned();
            let mut values: Vec<Value> = vec![id.to_string().into()];
            if let Some(before) = before {
                condition += " AND seq < ?";
                values.push(before.into());
            }
            if let Some(state) = state {
                condition += " AND state = ?";
                values.push(state.as_str().to_owned().into());
            }
            let sql = format!(
                "SELECT {MESSAGE} FROM messages WHERE {condition} ORDER BY seq DESC LIMIT {limit}"
            );
            let mut query = t.prepare(&sql)?;
            let rows = query.query_map(params_from_iter(values), messages::read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Takes back everything of a job that is queued, and says how many that were. `None` when there
    /// is none. A job of which nothing is queued or under way stays as it is.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn cancel_bulk(&self, id: Ulid) -> Result<Option<(BulkJob, u64)>, StoreError> {
        self.run(move |t| {
            let text = id.to_string();
            t.execute(
                "UPDATE batches SET cancelled = 1 WHERE id = ?1 AND EXISTS (
                     SELECT 1 FROM messages
                     WHERE batch = ?1 AND state IN ('queued', 'sending'))",
                [&text],
            )?;
            let queued = {
                let mut query = t.prepare(&format!(
                    "SELECT {MESSAGE} FROM messages
                     WHERE batch = ?1 AND state = 'queued' AND attempted_at IS NULL ORDER BY seq"
                ))?;
                let rows = query.query_map([&text], messages::read)?;
                rows.collect::<Result<Vec<_>, _>>()?
            };
            let taken = queued.len() as u64;
            for before in queued {
                let mut after = before.clone();
                after.state = MessageState::Cancelled;
                after.updated_at = super::now();
                write_progress(t, &after)?;
                events::message_progressed(t, &before, &after)?;
            }
            Ok(find(t, id)?.map(|job| (job, taken)))
        })
        .await
    }

    /// Decides whether a bulk message may be handed over now, and stores that it is attempted.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn begin_bulk(&self, new: Beginning) -> Result<Begun, StoreError> {
        self.run(move |t| {
            if let Some(person) = &new.person {
                note_person(t, &new.session, person)?;
            }
            let Some(message) = own_message(t, &new.session, &new.wire_id)? else {
                return Ok(Begun::Over);
            };
            if !message.state.is_open() {
                return Ok(Begun::Over);
            }
            // What the page may have already is too late for any of this.
            if message.attempted_at.is_none() {
                let held: Option<bool> = t
                    .prepare_cached("SELECT held FROM batches WHERE id = ?1")?
                    .query_row([message.batch.map(|id| id.to_string())], |row| row.get(0))
                    .optional()?;
                if held == Some(true) {
                    return Ok(Begun::Held);
                }
                if let Some(person) = &new.person
                    && optouts::find(t, person)?.is_some()
                {
                    return Ok(Begun::TakenBack(Box::new(take_back(t, message)?)));
                }
            }
            t.prepare_cached(
                "UPDATE messages
                 SET attempted_at = ?2, first_contact = MAX(first_contact, ?3) WHERE seq = ?1",
            )?
            .execute(params![message.seq, millis(new.at), new.first])?;
            Ok(Begun::Yes)
        })
        .await
    }
}

/// Takes back what jobs have queued for a person, within a transaction, and gives it.
pub(super) fn cancel_for(t: &Transaction<'_>, person: &Person) -> Result<Vec<Message>, StoreError> {
    let names = super::people::names(t, person)?;
    // The states in the words of the index of what is open.
    let sql = format!(
        "SELECT {MESSAGE} FROM messages
         WHERE state IN ('queued', 'sending') AND state = 'queued' AND attempted_at IS NULL
           AND batch IS NOT NULL AND recipient = ?1"
    );
    let mut query = t.prepare_cached(&sql)?;
    let mut theirs: Vec<Message> = vec![];
    for name in names {
        let rows = query.query_map([name], messages::read)?;
        theirs.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    theirs.into_iter().map(|m| take_back(t, m)).collect()
}

fn take_back(t: &Transaction<'_>, mut message: Message) -> Result<Message, StoreError> {
    let before = message.clone();
    message.state = MessageState::Cancelled;
    message.failure = Some(Failure {
        code: FailureCode::OptedOut,
        detail: OPTED_OUT.to_owned(),
    });
    message.updated_at = super::now();
    write_progress(t, &message)?;
    events::message_progressed(t, &before, &message)?;
    Ok(message)
}

fn known_by_key(t: &Transaction<'_>, key: &Key) -> Result<Option<AcceptedBulk>, StoreError> {
    // Keys are one room for jobs and single messages.
    if messages::is_key_of_message(t, &key.key)? {
        return Ok(Some(AcceptedBulk::Mismatch));
    }
    let sql = format!("SELECT {COLUMNS}, request FROM batches WHERE key = ?1");
    let found = t
        .query_row(&sql, [&key.key], |row| {
            Ok((Stored::read(row)?, row.get::<_, String>("request")?))
        })
        .optional()?;
    Ok(match found {
        None => None,
        Some((_, request)) if request != key.request => Some(AcceptedBulk::Mismatch),
        Some((stored, _)) => Some(AcceptedBulk::Repeated(stored.counted(t)?)),
    })
}

/// Whether an idempotency key stands for a job.
pub(super) fn is_key_of_job(t: &Transaction<'_>, key: &str) -> Result<bool, StoreError> {
    let found = t
        .prepare_cached("SELECT 1 FROM batches WHERE key = ?1")?
        .query_row([key], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

fn find(t: &Transaction<'_>, id: Ulid) -> Result<Option<BulkJob>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM batches WHERE id = ?1");
    let found = t
        .query_row(&sql, [id.to_string()], Stored::read)
        .optional()?;
    found.map(|stored| stored.counted(t)).transpose()
}

/// A row of `batches`.
struct Stored {
    job: BulkJob,
    held: bool,
    cancelled: bool,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let text = |name: &str| row.get::<_, String>(name);
        let send_at: Option<i64> = row.get("send_at")?;
        Ok(Self {
            job: BulkJob {
                id: Ulid::from_string(&text("id")?).map_err(|e| unreadable(0, e))?,
                session: SessionId::new(&text("session")?).map_err(|e| unreadable(1, e))?,
                name: row.get("name")?,
                state: JobState::Done,
                total: row.get("total")?,
                skipped: Skipped {
                    opted_out: row.get("opted_out")?,
                    duplicate: row.get("duplicate")?,
                    invalid: row.get("invalid")?,
                },
                counts: Counts::default(),
                first_contacts: 0,
                paced: row.get("paced")?,
                created_at: from_millis(row.get("created_at")?).map_err(|e| unreadable(10, e))?,
                send_at: send_at
                    .map(|at| from_millis(at).map_err(|e| unreadable(11, e)))
                    .transpose()?,
            },
            held: row.get("held")?,
            cancelled: row.get("cancelled")?,
        })
    }

    fn counted(mut self, t: &Transaction<'_>) -> Result<BulkJob, StoreError> {
        let mut query = t.prepare_cached(
            "SELECT state, COUNT(*) FROM messages WHERE batch = ?1 GROUP BY state",
        )?;
        let rows = query.query_map([self.job.id.to_string()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?))
        })?;
        for row in rows {
            let (state, count) = row?;
            if let Some(state) = MessageState::from_word(&state) {
                self.job.counts.add(state, count);
            }
        }
        self.job.state = JobState::of(self.cancelled, self.held, &self.job.counts);
        if self.job.paced && self.job.counts.queued > 0 {
            self.job.first_contacts = t
                .prepare_cached(
                    "SELECT COUNT(*) FROM messages
                     WHERE batch = ?1 AND state = 'queued' AND NOT EXISTS (
                         SELECT 1 FROM known_chats WHERE known_chats.session = messages.session
                            AND address IN (recipient, recipient || '@c.us'))",
                )?
                .query_row([self.job.id.to_string()], |row| row.get(0))?;
        }
        Ok(self.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ChatId, PhoneNumber};
    use crate::message::Recipient;
    use crate::optout::OptOutSource;
    use crate::outbox::worker::fresh;
    use crate::outbox::{NewMessage, Priority};
    use crate::store::NewOptOut;

    const ANA: &str = "5511900000001";

    fn session() -> SessionId {
        SessionId::new("shop").expect("an id")
    }

    fn person(phone: Option<&str>, lid: Option<&str>) -> Person {
        let phone = phone.and_then(|text| PhoneNumber::new(text).ok());
        let lid = lid.and_then(|text| ChatId::new(text).ok());
        Person::new(phone, lid).expect("a person")
    }

    fn new_job() -> (NewJob, Vec<Message>) {
        let job = NewJob {
            id: Ulid::new(),
            session: session(),
            name: None,
            skipped: Skipped::default(),
            paced: true,
            send_at: None,
        };
        let messages = [ANA, "5511900000002", "77@lid"].map(|to| {
            let to = Recipient::to_write_to(to).expect("a recipient");
            let new = NewMessage {
                priority: Priority::Bulk,
                batch: Some(job.id),
                paced: true,
                ..NewMessage::text(to, "olá")
            };
            fresh(&session(), &new)
        });
        (job, messages.into())
    }

    async fn accepted(store: &Store) -> (BulkJob, Vec<Message>) {
        let (job, messages) = new_job();
        match store.accept_bulk(job, messages, None).await {
            Ok(AcceptedBulk::New(job, messages)) => {
                (job, messages.into_iter().map(|(m, _)| m).collect())
            }
            other => panic!("{other:?}"),
        }
    }

    async fn begin(store: &Store, message: &Message, who: Person) -> Begun {
        let begun = store.begin_bulk(Beginning {
            session: session(),
            wire_id: message.wire_id.clone(),
            person: Some(who),
            at: crate::store::now(),
            first: true,
        });
        begun.await.expect("decided")
    }

    async fn opt_out(store: &Store, who: Person) -> Vec<Message> {
        let new = NewOptOut {
            person: who,
            reason: None,
            source: OptOutSource::Request,
            session: None,
        };
        store.opt_out(new).await.expect("on").taken_back
    }

    #[tokio::test]
    async fn what_begins_is_decided_and_stored_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let (job, messages) = accepted(&store).await;
        assert_eq!((job.counts.queued, job.first_contacts), (3, 3));
        let ana = || person(Some(ANA), None);
        assert!(store.note_batch(job.id, true).await.expect("held"));
        assert_eq!(begin(&store, &messages[0], ana()).await, Begun::Held);
        store.note_batch(job.id, false).await.expect("released");
        assert_eq!(begin(&store, &messages[0], ana()).await, Begun::Yes);
        // The page may have it now: neither a cancel nor an opt-out can take it back.
        assert!(opt_out(&store, ana()).await.is_empty());
        let (now, taken) = store
            .cancel_bulk(job.id)
            .await
            .expect("done")
            .expect("there");
        assert_eq!((now.state, taken), (JobState::Cancelled, 2));
        assert_eq!((now.counts.queued, now.counts.cancelled), (1, 2));
        assert_eq!(begin(&store, &messages[0], ana()).await, Begun::Yes);
        let other = person(Some("5511900000002"), None);
        assert_eq!(begin(&store, &messages[1], other).await, Begun::Over);
    }

    #[tokio::test]
    async fn an_opt_out_under_the_other_name_counts_once_both_are_known() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let (job, messages) = accepted(&store).await;
        let taken = opt_out(&store, person(None, Some("78@lid"))).await;
        assert!(taken.is_empty(), "nobody knows yet whose it is");
        // WhatsApp says, when the number is looked up, that it is that LID.
        let both = person(Some("5511900000002"), Some("78@lid"));
        match begin(&store, &messages[1], both).await {
            Begun::TakenBack(message) => {
                let why = message.failure.map(|f| f.code);
                assert_eq!(why, Some(FailureCode::OptedOut));
            }
            other => panic!("{other:?}"),
        }
        // Known by now to be one: what is queued under one name goes with the other.
        store
            .note_person(session(), person(Some(ANA), Some("77@lid")))
            .await
            .expect("noted");
        let taken = opt_out(&store, person(Some(ANA), None)).await;
        assert_eq!(taken.len(), 2, "{taken:?}");
        drop(store);
        let store = Store::open(dir.path()).await.expect("opens again");
        let job = store.bulk_job(job.id).await.expect("read").expect("there");
        assert_eq!((job.state, job.counts.cancelled), (JobState::Done, 3));
        let list = store.opt_outs(None, None, 9).await.expect("read");
        assert_eq!(list.len(), 2);
    }

    #[tokio::test]
    async fn ten_thousand_are_accepted_and_counted() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let (job, messages) = new_job();
        let messages = (0..10_000).map(|_| {
            let mut message = messages[0].clone();
            let new = fresh(&session(), &NewMessage::text(bruno(), "x"));
            (message.id, message.wire_id) = (new.id, new.wire_id);
            message
        });
        let accepted = store.accept_bulk(job, messages.collect(), None).await;
        let Ok(AcceptedBulk::New(job, _)) = accepted else {
            panic!("{accepted:?}");
        };
        assert_eq!((job.total, job.counts.queued), (10_000, 10_000));
        let (job, taken) = store
            .cancel_bulk(job.id)
            .await
            .expect("done")
            .expect("there");
        assert_eq!((job.counts.open(), taken), (0, 10_000));
    }

    fn bruno() -> PhoneNumber {
        PhoneNumber::new("5511912345678").expect("a number")
    }
}
