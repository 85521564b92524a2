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

use super::messages::{self, COLUMNS as MESSAGE, Key};
use super::optouts;
use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError};
use crate::bulk::{BulkJob, Counts, JobState, Skipped};
use crate::id::{SessionId, WireId};
use crate::outbox::{FailureCode, Message, MessageState};
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
    /// It is new and stored, with these messages.
    New(BulkJob, Vec<Message>),
    /// The idempotency key stands for this one, which asked for the same.
    Repeated(BulkJob),
    /// The idempotency key stands for another request.
    Mismatch,
}

/// Whether a bulk message may be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It may, and is stored as under way.
    Yes,
    /// Its job is held.
    Held,
    /// It was taken back, just now or before.
    Over,
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
            let messages = messages
                .into_iter()
                .map(|message| messages::insert(t, message))
                .collect::<Result<Vec<_>, _>>()?;
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

    /// Holds or releases a job. `None` when there is none.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn hold_bulk(&self, id: Ulid, held: bool) -> Result<Option<BulkJob>, StoreError> {
        self.run(move |t| {
            t.execute(
                "UPDATE batches SET held = ?2 WHERE id = ?1 AND held <> ?2",
                params![id.to_string(), held],
            )?;
            find(t, id)
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
            let taken = t.execute(
                "UPDATE messages SET state = 'cancelled', updated_at = ?2
                 WHERE batch = ?1 AND state = 'queued' AND attempted_at IS NULL",
                params![text, millis(super::now())],
            )?;
            Ok(find(t, id)?.map(|job| (job, taken as u64)))
        })
        .await
    }

    /// Decides whether a bulk message may be handed to this person now, and stores that it is.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn begin_bulk(
        &self,
        session: SessionId,
        wire_id: WireId,
        person: Option<Person>,
    ) -> Result<Begun, StoreError> {
        self.run(move |t| {
            let found = t
                .prepare_cached(
                    "SELECT seq, state, attempted_at IS NOT NULL,
                            coalesce((SELECT held FROM batches WHERE id = messages.batch), 0)
                     FROM messages WHERE session = ?1 AND wire_id = ?2 AND from_me = 1",
                )?
                .query_row(params![session.as_str(), wire_id.as_str()], |row| {
                    let (seq, state): (i64, String) = (row.get(0)?, row.get(1)?);
                    let (attempted, held): (bool, bool) = (row.get(2)?, row.get(3)?);
                    Ok((seq, state, attempted, held))
                })
                .optional()?;
            let Some((seq, state, attempted, held)) = found else {
                return Ok(Begun::Over);
            };
            let state = MessageState::from_word(&state);
            if !state.is_some_and(MessageState::is_open) {
                return Ok(Begun::Over);
            }
            if attempted {
                // The page may have it: what is decided about the rest comes too late for this one.
                return Ok(Begun::Yes);
            }
            if held {
                return Ok(Begun::Held);
            }
            if let Some(person) = &person
                && optouts::find(t, person)?.is_some()
            {
                take_back(t, &[seq])?;
                return Ok(Begun::Over);
            }
            t.prepare_cached("UPDATE messages SET attempted_at = ?2 WHERE seq = ?1")?
                .execute(params![seq, millis(super::now())])?;
            Ok(Begun::Yes)
        })
        .await
    }
}

/// Takes back what jobs have queued for a person, within a transaction.
pub(super) fn cancel_for(t: &Transaction<'_>, person: &Person) -> Result<(), StoreError> {
    let mut query = t.prepare_cached(
        // In the words of the index of what is open.
        "SELECT seq, recipient FROM messages
         WHERE state IN ('queued', 'sending') AND state = 'queued' AND attempted_at IS NULL
           AND batch IS NOT NULL",
    )?;
    let names = super::people::names(t, person)?;
    let rows = query.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut theirs = vec![];
    for row in rows {
        let (seq, recipient) = row?;
        if names.contains(&recipient) {
            theirs.push(seq);
        }
    }
    take_back(t, &theirs)
}

fn take_back(t: &Transaction<'_>, seqs: &[i64]) -> Result<(), StoreError> {
    let mut statement = t.prepare_cached(
        "UPDATE messages SET state = 'cancelled', reason = ?2, detail = ?3, updated_at = ?4
         WHERE seq = ?1",
    )?;
    for seq in seqs {
        statement.execute(params![
            seq,
            FailureCode::OptedOut.as_str(),
            OPTED_OUT,
            millis(super::now())
        ])?;
    }
    Ok(())
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
        Ok(self.job)
    }
}
