//! The thread that owns the connection.
//!
//! It groups jobs into transactions. When a transaction cannot be made durable (no room, a disk
//! that fails), those who asked are told; but jobs that must not be lost, because they say what
//! became of something that was accepted long ago, wait in memory, in order, and are tried again
//! every second. While something waits, nothing newer is written, so that the order holds; reading
//! goes on.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, ffi};
use time::OffsetDateTime;
use tokio::sync::{mpsc, oneshot, watch};

use super::StoreError;
use super::health::{StoreHealth, StoreState, alike, failure, passes, trouble};

/// The most jobs in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 256;

/// How often writing is tried while it is not possible. A disk tells nobody when it has room.
const AGAIN_EVERY: Duration = Duration::from_secs(1);

/// The most jobs that wait. Sends are refused meanwhile, so only acks and what others write add up.
const WAITING_AT_MOST: usize = 100_000;

/// A disk with less is full, whatever SQLite calls the error. Bytes.
const ROOM_AT_LEAST: u64 = 64 * 1024;

/// What the thread is asked for.
pub(super) enum Ask {
    /// Part of a transaction.
    Job(Box<dyn Job>),
    /// A sign of life.
    Ping(oneshot::Sender<()>),
    /// Bring everything into the one file, as far as it can be.
    Tidy(oneshot::Sender<()>),
}

/// How a job's part of a transaction went.
pub(super) enum Ran {
    /// It may be committed.
    Done,
    /// It undoes itself, and knows why.
    Refused,
    /// The store is in trouble, and the transaction with it.
    Broke(StoreError),
}

/// Does its part of a transaction, and is told how the commit went.
pub(super) trait Job: Send {
    /// Does the work.
    fn run(&mut self, transaction: &Transaction<'_>) -> Ran;
    /// Answers the caller; `commit` is the error of the whole transaction, if it failed.
    fn settle(self: Box<Self>, commit: Result<(), StoreError>);
    /// Whether it can be run again after a failed commit; if so it has told its caller that it
    /// waits.
    fn waits(&mut self) -> bool {
        false
    }
}

/// A job that is done once or not at all.
pub(super) struct Once<T, F> {
    pub(super) work: Option<F>,
    pub(super) outcome: Option<Result<T, StoreError>>,
    pub(super) reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Job for Once<T, F>
where
    T: Send,
    F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> Ran {
        match self.work.take() {
            Some(work) => note(&mut self.outcome, work(transaction)),
            None => Ran::Done,
        }
    }

    fn settle(self: Box<Self>, commit: Result<(), StoreError>) {
        // A caller that stopped waiting has still been served; so below.
        let _ = self.reply.send(answer(self.outcome, commit));
    }
}

/// What the caller of a kept job hears.
pub(super) enum Told<T> {
    /// It could not be written yet.
    Waits,
    /// It is over.
    Ended(Result<T, StoreError>),
}

/// A job that waits in memory while the store cannot write.
pub(super) struct Keep<T, F> {
    pub(super) work: F,
    pub(super) outcome: Option<Result<T, StoreError>>,
    pub(super) tell: mpsc::UnboundedSender<Told<T>>,
}

impl<T, F> Job for Keep<T, F>
where
    T: Send,
    F: FnMut(&Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> Ran {
        let outcome = (self.work)(transaction);
        note(&mut self.outcome, outcome)
    }

    fn settle(self: Box<Self>, commit: Result<(), StoreError>) {
        let _ = self.tell.send(Told::Ended(answer(self.outcome, commit)));
    }

    fn waits(&mut self) -> bool {
        let _ = self.tell.send(Told::Waits);
        true
    }
}

fn note<T>(outcome: &mut Option<Result<T, StoreError>>, now: Result<T, StoreError>) -> Ran {
    let ran = match &now {
        Ok(_) => Ran::Done,
        Err(error) if trouble(error).is_some() => Ran::Broke(alike(error)),
        Err(_) => Ran::Refused,
    };
    *outcome = Some(now);
    ran
}

fn answer<T>(
    outcome: Option<Result<T, StoreError>>,
    commit: Result<(), StoreError>,
) -> Result<T, StoreError> {
    match (outcome, commit) {
        (Some(Err(own)), Ok(())) => Err(own),
        // Its own fault is its own; the store's is told as the store judged it.
        (Some(Err(own)), Err(_)) if trouble(&own).is_none() => Err(own),
        (_, Err(commit)) => Err(commit),
        (Some(Ok(value)), Ok(())) => Ok(value),
        (None, Ok(())) => Err(StoreError::Closed),
    }
}

/// How far a transaction came.
#[derive(Default)]
struct Attempt {
    /// How many jobs ran, with the one that broke it.
    ran: usize,
    /// How many of the first only read, and read nothing of a job before them: their answers hold
    /// whatever became of the transaction.
    only_read: usize,
    /// Whether anything was written.
    wrote: bool,
    error: Option<StoreError>,
}

/// The error as it is to be told: quotas and late allocation come as failed writes.
pub(super) fn with_room(error: StoreError, folder: &Path) -> StoreError {
    let is_full = || {
        rustix::fs::statvfs(folder)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < ROOM_AT_LEAST)
    };
    match error {
        StoreError::Io(cause) if is_full() => StoreError::Full(cause),
        other => other,
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) folder: PathBuf,
    pub(super) health: watch::Sender<StoreHealth>,
    pub(super) waiting: VecDeque<Box<dyn Job>>,
    /// The sequence of the newest event, for the readers of the log.
    pub(super) newest: watch::Sender<i64>,
}

impl Writer {
    /// Works until the last handle of the store is gone.
    pub(super) fn work(mut self, queue: &Receiver<Ask>) {
        loop {
            let first = if self.health.borrow().is_well() {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                queue.recv_timeout(AGAIN_EVERY)
            };
            match first {
                Ok(first) => self.take(first, queue),
                Err(RecvTimeoutError::Timeout) => self.try_again(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.write_waiting();
        if !self.waiting.is_empty() {
            tracing::error!(
                changes = self.waiting.len(),
                "the database could not take all changes before the end; WhatsApp's page is asked for them at the next start"
            );
        }
    }

    fn take(&mut self, first: Ask, queue: &Receiver<Ask>) {
        let mut jobs = VecDeque::new();
        let mut next = Some(first);
        while let Some(ask) = next.take() {
            match ask {
                Ask::Job(job) => jobs.push_back(job),
                Ask::Ping(reply) => {
                    let _ = reply.send(());
                }
                Ask::Tidy(reply) => {
                    self.perform(std::mem::take(&mut jobs));
                    self.tidy();
                    let _ = reply.send(());
                }
            }
            if jobs.len() < GROUP {
                next = queue.try_recv().ok();
            }
        }
        self.perform(jobs);
    }

    fn perform(&mut self, mut jobs: VecDeque<Box<dyn Job>>) {
        if jobs.is_empty() {
            return;
        }
        self.write_waiting();
        while let Some(job) = jobs.pop_front() {
            if !self.waiting.is_empty() {
                self.behind(job);
                continue;
            }
            let mut batch = vec![job];
            // In trouble each stands alone, so that nobody's reading fails with another's writing.
            if self.health.borrow().is_well() {
                batch.extend(jobs.drain(..));
            }
            let Attempt {
                ran,
                only_read,
                wrote,
                error,
            } = attempt(
                &mut self.connection,
                &mut batch,
                TransactionBehavior::Immediate,
            );
            let Some(error) = error else {
                if wrote {
                    self.recovered();
                    self.announce();
                }
                settle_all(batch);
                continue;
            };
            let error = self.judged(error);
            // What had not begun begins anew; at least the first has failed.
            let not_begun = batch.split_off(ran.max(1));
            let failed = batch.split_off(only_read);
            settle_all(batch);
            for job in failed {
                self.failed(job, &error);
            }
            for job in not_begun.into_iter().rev() {
                jobs.push_front(job);
            }
        }
    }

    /// Tells the readers of the event log what they can read now: before the callers know, so that
    /// who hears of a change finds its event in the log.
    pub(super) fn announce(&self) {
        match super::events::newest(&self.connection) {
            Ok(now) => {
                self.newest
                    .send_if_modified(|known| std::mem::replace(known, now) != now);
            }
            Err(error) => tracing::error!(%error, "the newest event is not known"),
        }
    }

    /// A job that came while others wait to be written: it may read, and wait behind them.
    fn behind(&mut self, mut job: Box<dyn Job>) {
        if self.waiting.len() < WAITING_AT_MOST && job.waits() {
            self.waiting.push_back(job);
            self.count();
            return;
        }
        let trouble = self.trouble();
        // Writing fails at once then.
        let outcome = set_query_only(&self.connection, true);
        let mut one = [job];
        let attempted = match outcome {
            Ok(()) => {
                attempt(
                    &mut self.connection,
                    &mut one,
                    TransactionBehavior::Deferred,
                )
                .error
            }
            Err(error) => Some(error),
        };
        if let Err(error) = set_query_only(&self.connection, false) {
            tracing::error!(%error, "the database cannot be written any more");
        }
        let [job] = one;
        job.settle(match attempted {
            None => Ok(()),
            Some(error) if self::trouble(&error) == Some(StoreState::Damaged) => {
                Err(self.judged(error))
            }
            Some(_) => Err(trouble),
        });
    }

    fn failed(&mut self, mut job: Box<dyn Job>, error: &StoreError) {
        let passing = trouble(error).is_some_and(passes);
        if passing && self.waiting.len() < WAITING_AT_MOST && job.waits() {
            self.waiting.push_back(job);
            self.count();
        } else {
            job.settle(Err(alike(error)));
        }
    }

    /// Tries what waits, oldest first, as far as it goes.
    fn write_waiting(&mut self) {
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(GROUP);
            let mut batch: Vec<_> = self.waiting.drain(..count).collect();
            let attempted = attempt(
                &mut self.connection,
                &mut batch,
                TransactionBehavior::Immediate,
            );
            match attempted.error {
                None => {
                    if attempted.wrote {
                        self.announce();
                    }
                    settle_all(batch);
                    if attempted.wrote {
                        self.recovered();
                    }
                }
                Some(error) => {
                    let error = self.judged(error);
                    if trouble(&error).is_some_and(passes) {
                        for job in batch.into_iter().rev() {
                            self.waiting.push_front(job);
                        }
                        break;
                    }
                    for job in batch {
                        job.settle(Err(alike(&error)));
                    }
                }
            }
        }
        self.count();
    }

    /// Nobody asks for anything while the store is in trouble: sees whether it has passed.
    fn try_again(&mut self) {
        if !self.waiting.is_empty() {
            self.write_waiting();
            return;
        }
        if !passes(self.health.borrow().state) {
            return;
        }
        match probe(&self.connection) {
            Ok(()) => self.recovered(),
            Err(error) => {
                self.judged(error.into());
            }
        }
    }

    fn tidy(&mut self) {
        self.write_waiting();
        let folded = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = folded {
            tracing::debug!(%error, "the log was not folded into the database");
        }
    }

    /// Takes note of the store's trouble, if the error speaks of one, and gives the error as it is
    /// to be told.
    fn judged(&mut self, error: StoreError) -> StoreError {
        let error = with_room(error, &self.folder);
        if let Some(state) = trouble(&error) {
            self.becomes(state, Some(crate::error::with_causes(&error)));
        }
        error
    }

    fn recovered(&mut self) {
        if self.health.borrow().state != StoreState::Damaged {
            self.becomes(StoreState::Well, None);
        }
    }

    fn becomes(&mut self, state: StoreState, detail: Option<String>) {
        let waiting = self.waiting.len();
        self.health.send_if_modified(|health| {
            // What is damaged stays so: that some of it can be used heals nothing.
            if health.state == state || health.state == StoreState::Damaged {
                return false;
            }
            let word = state.as_str();
            match &detail {
                Some(why) => tracing::error!(state = word, why, "the database is in trouble"),
                None => tracing::info!(waiting, "the database takes everything again"),
            }
            *health = StoreHealth {
                state,
                since: OffsetDateTime::now_utc(),
                waiting,
                detail: detail.clone(),
            };
            true
        });
    }

    fn count(&mut self) {
        let waiting = self.waiting.len();
        self.health.send_if_modified(|health| {
            let changed = health.waiting != waiting;
            health.waiting = waiting;
            changed
        });
    }

    /// The error that stands for the trouble the store is in.
    fn trouble(&self) -> StoreError {
        let health = self.health.borrow();
        let words = health.detail.clone().unwrap_or_default();
        match health.state {
            StoreState::Full => StoreError::Full(failure(ffi::SQLITE_FULL, words)),
            StoreState::Damaged => StoreError::Damaged(failure(ffi::SQLITE_CORRUPT, words)),
            _ => StoreError::Io(failure(ffi::SQLITE_IOERR, words)),
        }
    }
}

fn attempt(
    connection: &mut Connection,
    batch: &mut [Box<dyn Job>],
    behavior: TransactionBehavior,
) -> Attempt {
    let mut done = Attempt::default();
    done.error = try_attempt(connection, batch, behavior, &mut done).err();
    done
}

fn try_attempt(
    connection: &mut Connection,
    batch: &mut [Box<dyn Job>],
    behavior: TransactionBehavior,
    done: &mut Attempt,
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(behavior)?;
    let before = transaction.total_changes();
    for job in batch {
        done.ran += 1;
        transaction.execute_batch("SAVEPOINT job")?;
        match job.run(&transaction) {
            Ran::Done => transaction.execute_batch("RELEASE job")?,
            Ran::Refused => transaction.execute_batch("ROLLBACK TO job; RELEASE job")?,
            Ran::Broke(error) => return Err(error),
        }
        done.wrote = transaction.total_changes() != before;
        if !done.wrote {
            done.only_read = done.ran;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn settle_all(jobs: Vec<Box<dyn Job>>) {
    for job in jobs {
        job.settle(Ok(()));
    }
}

fn set_query_only(connection: &Connection, on: bool) -> Result<(), StoreError> {
    Ok(connection.pragma_update(None, "query_only", on)?)
}

/// Writes one page that says what it said before.
fn probe(connection: &Connection) -> rusqlite::Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", version)
}

/// A change that the store makes as soon as it can. It is in the queue already, awaited or not.
#[must_use = "its outcome tells whether it was written"]
pub(crate) struct Kept<T> {
    pub(super) told: Option<mpsc::UnboundedReceiver<Told<T>>>,
}

impl<T> Kept<T> {
    /// Resolves when it is durable, however long that takes.
    ///
    /// # Errors
    /// What the work returned, or that the store is closed or damaged.
    pub(crate) async fn stored(mut self) -> Result<T, StoreError> {
        loop {
            match self.next().await {
                Told::Waits => {}
                Told::Ended(outcome) => return outcome,
            }
        }
    }

    /// Resolves when it is durable, or with `None` when it waits until the store can write.
    ///
    /// # Errors
    /// As [`stored`](Self::stored).
    pub(crate) async fn stored_or_waiting(mut self) -> Result<Option<T>, StoreError> {
        match self.next().await {
            Told::Waits => Ok(None),
            Told::Ended(outcome) => outcome.map(Some),
        }
    }

    async fn next(&mut self) -> Told<T> {
        let told = match &mut self.told {
            Some(told) => told.recv().await,
            None => None,
        };
        told.unwrap_or(Told::Ended(Err(StoreError::Closed)))
    }
}

#[cfg(test)]
mod tests;
