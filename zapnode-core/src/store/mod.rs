//! What must survive: one SQLite file in the data folder.
//!
//! One thread owns the connection and does all writing. Jobs that wait while one transaction is
//! being made durable are put into the next one together, so that a hundred accepted messages
//! cost one flush to disk and not a hundred. A caller is answered after the commit, never before.
//!
//! A second thread reads the event log through a connection of its own, so that readers far behind
//! never delay a write.
//!
//! The tables are in `migrations/`, numbered, never edited after a release. A database from an
//! older version is brought up when it is opened; one from a newer version is refused.

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

mod chatwoot;
mod contacts;
mod events;
mod messages;
mod sessions;
mod webhooks;

pub use chatwoot::BridgeRow;
pub(crate) use chatwoot::{Call, Pair, Thread};
pub use messages::{Accepted, Key};
pub use sessions::SessionRow;
pub(crate) use sessions::{from_millis, millis, now};
pub(crate) use webhooks::{Queued, Recorded, Requeued};

/// The file's name in the data folder.
pub const FILE_NAME: &str = "zapnode.db";

/// The migrations, in order; the database's `user_version` counts those that are in it.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_sessions.sql"),
    include_str!("../../migrations/0002_messages.sql"),
    include_str!("../../migrations/0007_events.sql"),
];

/// The most jobs in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 256;

/// Why the store could not.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database was written by a newer version of this program.
    #[error(
        "the database {} was written by a newer ZapNode (schema {found}, this one knows {known}); use that version, or another data folder",
        .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: usize,
        /// Ours.
        known: usize,
    },
    /// There is no room left.
    #[error("the disk that holds the database is full")]
    Full(#[source] rusqlite::Error),
    /// The file is damaged.
    #[error("the database is damaged; restore it from a backup")]
    Damaged(#[source] rusqlite::Error),
    /// Something else in SQLite.
    #[error("the database failed")]
    Sqlite(#[source] rusqlite::Error),
    /// The store was closed, or its thread ended.
    #[error("the database is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error),
            _ => Self::Sqlite(error),
        }
    }
}

/// One job for the thread: does its part of a transaction, and is told how the commit went.
trait Job: Send {
    /// Does the work. An error undoes this job alone.
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError>;
    /// Answers the caller; `commit` is the error of the whole transaction, if it failed.
    fn settle(self: Box<Self>, commit: Result<(), StoreError>);
}

/// The open store. Cheap to clone; the file is closed when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Store {
    jobs: mpsc::Sender<Box<dyn Job>>,
    reads: mpsc::Sender<Reading>,
    newest_event: watch::Receiver<i64>,
}

/// A job for the thread that only reads.
type Reading = Box<dyn FnOnce(&Connection) + Send>;

impl Store {
    /// Opens the store in `folder`, making or upgrading it.
    ///
    /// # Errors
    /// By situation; see [`StoreError`].
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE_NAME);
        let (jobs, queue) = mpsc::channel::<Box<dyn Job>>();
        let (opened, answer) = oneshot::channel();
        let (newest, newest_event) = watch::channel(0);
        let (reads, readings) = mpsc::channel::<Reading>();
        thread::Builder::new()
            .name("zapnode-store".to_owned())
            .spawn(move || match open_both(&path) {
                Ok((connection, reader)) => {
                    announce(&connection, &newest);
                    let reading = thread::Builder::new()
                        .name("zapnode-reader".to_owned())
                        .spawn(move || {
                            for reading in readings {
                                reading(&reader);
                            }
                        });
                    let outcome = reading.map(|_| ()).map_err(|_| StoreError::Closed);
                    if opened.send(outcome).is_ok() {
                        work(connection, &queue, &newest);
                    }
                }
                Err(error) => {
                    // Whoever asked may be gone; then nobody wants to know.
                    let _ = opened.send(Err(error));
                }
            })
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)??;
        Ok(Self {
            jobs,
            reads,
            newest_event,
        })
    }

    /// Reads beside the writing: sees what was committed when it begins.
    pub(crate) fn read<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let reading: Reading = Box::new(move |connection| {
            // One whose caller is gone already is not worth the reading.
            if !reply.is_closed() {
                let _ = reply.send(work(connection));
            }
        });
        let queued = self.reads.send(reading).map_err(|_| StoreError::Closed);
        async move {
            queued?;
            answer.await.map_err(|_| StoreError::Closed)?
        }
    }

    /// The sequence of the newest event that can be read.
    pub(crate) fn newest_event(&self) -> watch::Receiver<i64> {
        self.newest_event.clone()
    }

    /// Runs `work` in a transaction and returns once it is durable.
    ///
    /// The work is in the queue when this returns its future, awaited or not: calls are done in
    /// the order in which they were made.
    ///
    /// # Errors
    /// What `work` returned (then it left no trace), or why the commit failed.
    pub fn run<T, F>(
        &self,
        work: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Task {
            work: Some(work),
            outcome: None,
            reply,
        });
        let queued = self.jobs.send(job).map_err(|_| StoreError::Closed);
        async move {
            queued?;
            answer.await.map_err(|_| StoreError::Closed)?
        }
    }
}

struct Task<T, F> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let Some(work) = self.work.take() else {
            return Ok(());
        };
        match work(transaction) {
            Ok(value) => {
                self.outcome = Some(Ok(value));
                Ok(())
            }
            Err(error) => {
                self.outcome = Some(Err(error));
                Err(StoreError::Closed)
            }
        }
    }

    fn settle(self: Box<Self>, commit: Result<(), StoreError>) {
        let answer = match (self.outcome, commit) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(commit)) => Err(commit),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // A caller that stopped waiting has still been served.
        let _ = self.reply.send(answer);
    }
}

/// The thread: groups jobs into transactions until the last handle is gone.
fn work(
    mut connection: Connection,
    queue: &mpsc::Receiver<Box<dyn Job>>,
    newest: &watch::Sender<i64>,
) {
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        while group.len() < GROUP {
            match queue.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        commit(&mut connection, group, newest);
    }
}

/// Tells the readers of the event log what they can read now.
fn announce(connection: &Connection, newest: &watch::Sender<i64>) {
    match events::newest(connection) {
        Ok(now) => {
            newest.send_if_modified(|known| std::mem::replace(known, now) != now);
        }
        Err(error) => tracing::error!(%error, "the newest event is not known"),
    }
}

fn commit(connection: &mut Connection, mut group: Vec<Box<dyn Job>>, newest: &watch::Sender<i64>) {
    if let Err(error) = try_commit(connection, &mut group) {
        tracing::error!(%error, jobs = group.len(), "a transaction failed");
        let mut error = Some(error);
        for job in group {
            // The first gets the cause itself, the others its like.
            let told = error.take().unwrap_or(StoreError::Closed);
            let like = alike(&told);
            job.settle(Err(told));
            error = Some(like);
        }
        return;
    }
    // Before the callers know: who hears of a change finds its event in the log.
    announce(connection, newest);
    for job in group {
        job.settle(Ok(()));
    }
}

fn try_commit(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group.iter_mut() {
        transaction.execute_batch("SAVEPOINT job")?;
        let undo = match job.run(&transaction) {
            Ok(()) => "RELEASE job",
            Err(_) => "ROLLBACK TO job; RELEASE job",
        };
        transaction.execute_batch(undo)?;
    }
    transaction.commit()?;
    Ok(())
}

/// The same situation, for the others of a failed group (SQLite's errors cannot be cloned).
fn alike(error: &StoreError) -> StoreError {
    let failure = |code: &rusqlite::Error| {
        let extended = code.sqlite_error().map_or(1, |e| e.extended_code);
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(extended), None)
    };
    match error {
        StoreError::Full(e) => StoreError::Full(failure(e)),
        StoreError::Damaged(e) => StoreError::Damaged(failure(e)),
        StoreError::Sqlite(e) => StoreError::Sqlite(failure(e)),
        StoreError::Newer { .. } | StoreError::Closed => StoreError::Closed,
    }
}

/// The connection that writes, and one that only reads.
fn open_both(path: &Path) -> Result<(Connection, Connection), StoreError> {
    let writer = connect(path)?;
    let reader = Connection::open(path)?;
    reader.busy_timeout(Duration::from_secs(10))?;
    reader.pragma_update(None, "query_only", true)?;
    Ok((writer, reader))
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    // WAL so that readers never wait; FULL because "accepted" promises that it is on disk.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > MIGRATIONS.len() {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: MIGRATIONS.len(),
        });
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", index + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_job_leaves_no_trace_and_harms_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        store
            .run(|t| Ok(t.execute_batch("CREATE TABLE x (n INTEGER NOT NULL PRIMARY KEY) STRICT")?))
            .await
            .expect("made");
        let insert = |n: i64, then_fail: bool| {
            store.run(move |t| {
                t.execute("INSERT INTO x (n) VALUES (?1)", [n])?;
                if then_fail {
                    t.execute("INSERT INTO x (n) VALUES (?1)", [n])?;
                }
                Ok(())
            })
        };
        let (a, b, c) = tokio::join!(insert(1, false), insert(2, true), insert(3, false));
        assert!(a.is_ok() && c.is_ok());
        assert!(matches!(b, Err(StoreError::Sqlite(_))), "{b:?}");
        let kept: Vec<i64> = store
            .run(|t| {
                let mut q = t.prepare("SELECT n FROM x ORDER BY n")?;
                let rows = q.query_map([], |r| r.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            })
            .await
            .expect("read");
        assert_eq!(kept, [1, 3]);
    }

    #[tokio::test]
    async fn a_newer_database_is_refused_by_name() {
        let dir = tempfile::tempdir().expect("a folder");
        drop(Store::open(dir.path()).await.expect("opens"));
        let file = dir.path().join(FILE_NAME);
        let raw = Connection::open(&file).expect("opens");
        raw.pragma_update(None, "user_version", 999).expect("set");
        drop(raw);
        match Store::open(dir.path()).await {
            Err(StoreError::Newer { found: 999, .. }) => {}
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_damaged_file_is_named_as_such() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(
            dir.path().join(FILE_NAME),
            b"this is no database, only text".repeat(200),
        )
        .expect("written");
        assert!(matches!(
            Store::open(dir.path()).await,
            Err(StoreError::Damaged(_))
        ));
    }
}
