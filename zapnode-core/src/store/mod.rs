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
//!
//! - `writer`: the thread, and what happens when the disk is full.
//! - `health`: how the store is, told by [`Store::health`].
//! - `open`: opening, upgrading, looking for damage.
//! - `maintenance`: old messages are deleted, the file shrinks. `copy`: a copy while it is written.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

mod bulk;
mod chatwoot;
mod contacts;
mod copy;
mod deliveries;
mod events;
mod health;
mod history;
mod maintenance;
mod messages;
pub(crate) mod open;
mod optouts;
mod outbox;
mod people;
mod pools;
pub(crate) mod restored;
mod sessions;
mod webhooks;
mod writer;

pub use bulk::{AcceptedBulk, NewJob};
pub(crate) use bulk::{Beginning, Begun};
pub use chatwoot::BridgeRow;
pub(crate) use chatwoot::{Call, Pair, Thread};
pub(crate) use deliveries::{Queued, Recorded, Requeued};
pub use health::{StoreHealth, StoreState};
pub use maintenance::Spare;
pub(crate) use messages::TakenIn;
pub use messages::{Accepted, Key};
pub use optouts::{NewOptOut, OptedOut};
pub(crate) use outbox::{Acquaintance, StoredPause};
pub use sessions::SessionRow;
pub(crate) use sessions::{from_millis, millis, now};
pub(crate) use writer::Kept;

use writer::{Ask, Keep, Once, Writer};

/// The file's name in the data folder.
pub const FILE_NAME: &str = "zapnode.db";

/// The migrations, in order; the database's `user_version` counts those that are in it.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_sessions.sql"),
    include_str!("../../migrations/0002_messages.sql"),
    include_str!("../../migrations/0003_outbox.sql"),
    include_str!("../../migrations/0004_bulk.sql"),
    include_str!("../../migrations/0005_history.sql"),
    include_str!("../../migrations/0006_message_age.sql"),
    include_str!("../../migrations/0007_events.sql"),
    include_str!("../../migrations/0008_webhooks.sql"),
    include_str!("../../migrations/0009_chatwoot.sql"),
    UNITE_CONTACTS,
];

/// The migration that has a part in Rust: `contacts::take_over_lid_phones`.
const UNITE_CONTACTS: &str = include_str!("../../migrations/0012_contacts.sql");

/// The version of the tables that this program writes.
pub(crate) fn schema() -> usize {
    MIGRATIONS.len()
}

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
    /// The file cannot be written or read.
    #[error("the file of the database cannot be written or read")]
    Io(#[source] rusqlite::Error),
    /// Something else in SQLite.
    #[error("the database failed")]
    Sqlite(#[source] rusqlite::Error),
    /// The store was closed, or its thread ended.
    #[error("the database is closed")]
    Closed,
    /// The store's thread does not answer.
    #[error("the database did not answer within {} s", .after.as_secs())]
    Stalled {
        /// How long it was waited for.
        after: Duration,
    },
}

impl StoreError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Newer { .. } => {
                Some("Start the newer ZapNode again, or restore a backup into another data folder.")
            }
            other => health::trouble(other).and_then(StoreState::hint),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        health::situation(error)
    }
}

/// The open store. Cheap to clone; the file is closed when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Store {
    asks: mpsc::Sender<Ask>,
    reads: mpsc::Sender<Reading>,
    newest_event: watch::Receiver<i64>,
    health: watch::Receiver<StoreHealth>,
    folder: PathBuf,
}

/// A job for the thread that only reads.
type Reading = Box<dyn FnOnce(&Connection) + Send>;

impl Store {
    /// Opens the store in `folder`, making or upgrading it. A file of up to 256 MiB is looked
    /// through for damage.
    ///
    /// # Errors
    /// By situation; see [`StoreError`].
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE_NAME);
        let (asks, queue) = mpsc::channel::<Ask>();
        let (opened, answer) = oneshot::channel();
        let (health, watched) = watch::channel(StoreHealth::well());
        let writes_in = folder.to_owned();
        let (newest, newest_event) = watch::channel(0);
        let (reads, readings) = mpsc::channel::<Reading>();
        thread::Builder::new()
            .name("zapnode-store".to_owned())
            .spawn(move || match open::connect_both(&path) {
                Ok((connection, reader)) => {
                    let writer = Writer {
                        connection,
                        folder: writes_in,
                        health,
                        waiting: VecDeque::new(),
                        newest,
                    };
                    writer.announce();
                    let reading = thread::Builder::new()
                        .name("zapnode-reader".to_owned())
                        .spawn(move || {
                            for reading in readings {
                                reading(&reader);
                            }
                        });
                    let outcome = reading.map(|_| ()).map_err(|_| StoreError::Closed);
                    if opened.send(outcome).is_ok() {
                        writer.work(&queue);
                    }
                }
                Err(error) => {
                    // Whoever asked may be gone; then nobody wants to know.
                    let _ = opened.send(Err(writer::with_room(error, &writes_in)));
                }
            })
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)??;
        Ok(Self {
            asks,
            reads,
            newest_event,
            health: watched,
            folder: folder.to_owned(),
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
        let job = Box::new(Once {
            work: Some(work),
            outcome: None,
            reply,
        });
        let queued = self.ask(Ask::Job(job));
        async move {
            queued?;
            answer.await.map_err(|_| StoreError::Closed)?
        }
    }

    /// As [`run`](Self::run), for what must not be lost: while the store cannot write, `work`
    /// waits in memory, in order, and is run again until it is durable. It may be run more than
    /// once, each time on the rows as they were the first time.
    pub(crate) fn keep<T, F>(&self, work: F) -> Kept<T>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (tell, told) = tokio::sync::mpsc::unbounded_channel();
        let job = Box::new(Keep {
            work,
            outcome: None,
            tell,
        });
        let queued = self.ask(Ask::Job(job));
        Kept {
            told: queued.ok().map(|()| told),
        }
    }

    /// How the store is.
    pub fn health(&self) -> StoreHealth {
        self.health.borrow().clone()
    }

    /// Follows how the store is.
    pub fn watch_health(&self) -> watch::Receiver<StoreHealth> {
        self.health.clone()
    }

    /// Returns when the store's thread has answered, after what was asked before.
    ///
    /// # Errors
    /// [`StoreError::Stalled`] after `within`, [`StoreError::Closed`].
    pub async fn ping(&self, within: Duration) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.ask(Ask::Ping(reply))?;
        match tokio::time::timeout(within, answer).await {
            Ok(answered) => answered.map_err(|_| StoreError::Closed),
            Err(_) => Err(StoreError::Stalled { after: within }),
        }
    }

    /// Folds the log beside the file into it, so that the one file is all there is; after what was
    /// asked before. Best at the end: it is no harm if it fails.
    pub async fn tidy(&self) {
        let (reply, answer) = oneshot::channel();
        if self.ask(Ask::Tidy(reply)).is_ok() {
            // A store that is closed is as tidy as it gets.
            let _ = answer.await;
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn ask(&self, ask: Ask) -> Result<(), StoreError> {
        self.asks.send(ask).map_err(|_| StoreError::Closed)
    }
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
        let raw = rusqlite::Connection::open(&file).expect("opens");
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
