//! Reading the log.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;

use futures_util::Stream;
use futures_util::stream::{self, StreamExt};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Event, EventId, Filter};
use crate::store::{Store, StoreError};

/// The most events in one [`Page`].
pub const LARGEST_PAGE: usize = 1000;

/// How many events a stream holds at a time.
const STREAM_PAGE: usize = 100;

/// The log of all sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EventLog {
    store: Store,
    closed: CancellationToken,
}

/// Some events, and where the next ones begin.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// In order.
    pub events: Vec<Event>,
    /// The cursor that goes on after this page. It may be further than the last event: what lies
    /// between was not wanted.
    pub next: i64,
    /// The newest event there was.
    pub latest: i64,
    /// Events after the cursor that are kept no longer.
    pub gap: Option<Gap>,
}

impl Page {
    /// Whether nothing newer was there.
    pub fn is_last(&self) -> bool {
        self.next >= self.latest
    }
}

/// Events that were forgotten before they were read; or a cursor that is of another log, as after
/// the data folder was made anew. Reading goes on with the oldest that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The reader's cursor.
    pub after: i64,
    /// The newest event that is gone, 0 if none is. Reading goes on after it.
    pub forgotten: i64,
}

impl Gap {
    /// Whether the cursor is of another log: it is further than anything that happened here.
    pub fn is_of_another_log(&self) -> bool {
        self.after > self.forgotten
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, forgotten } = self;
        if self.is_of_another_log() {
            return write!(
                f,
                "the cursor {after} is of another log; what is kept here begins after {forgotten}"
            );
        }
        write!(
            f,
            "the events after {after} up to {forgotten} were forgotten before they were read; what \
             is kept begins after them"
        )
    }
}

impl std::error::Error for Gap {}

/// Why a stream has no event to give.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The reader was too far behind. The stream goes on with what is kept.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// The store failed. The stream has ended; a new one can go on after the last event.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Events as they come; see [`EventLog::from`].
pub type EventStream = Pin<Box<dyn Stream<Item = Result<Event, ReadError>> + Send>>;

impl EventLog {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            closed: CancellationToken::new(),
        }
    }

    /// The sequence of the newest event; 0 when there never was one. As a cursor: "from now on".
    pub fn latest(&self) -> i64 {
        *self.store.newest_event().borrow()
    }

    /// Follows [`latest`](Self::latest): changes once the events up to it can be read.
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.store.newest_event()
    }

    /// The wanted events after `after`, at most `limit` (and at most [`LARGEST_PAGE`]). A page may
    /// be shorter, even empty, and still not the last: see [`Page::is_last`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn read(
        &self,
        after: i64,
        limit: usize,
        filter: &Filter,
    ) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, LARGEST_PAGE);
        self.store.events(after, limit, filter.clone()).await
    }

    /// One event.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        self.store.event(id).await
    }

    /// The cursor after which the events from this time on come.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn cursor_at(&self, time: OffsetDateTime) -> Result<i64, StoreError> {
        self.store.event_cursor_at(time).await
    }

    /// All events after a cursor, and then each as it happens: 0 begins with the oldest that is
    /// kept, [`latest`](Self::latest) with what comes next. It reads from the store at its
    /// reader's speed and holds at most a hundred events, 256 KiB of them. It ends when the
    /// manager has shut down and all was read.
    pub fn from(&self, cursor: i64) -> EventStream {
        self.select(cursor, Filter::default())
    }

    /// As [`from`](Self::from), with only what is wanted.
    pub fn select(&self, cursor: i64, filter: Filter) -> EventStream {
        let reading = Reading {
            newest: self.subscribe(),
            log: self.clone(),
            filter,
            cursor,
            page: VecDeque::new(),
            failed: false,
        };
        stream::unfold(reading, |mut reading| async move {
            let item = reading.next().await?;
            Some((item, reading))
        })
        .boxed()
    }

    /// Lets the streams end once they have given everything.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }
}

struct Reading {
    log: EventLog,
    newest: watch::Receiver<i64>,
    filter: Filter,
    cursor: i64,
    page: VecDeque<Event>,
    failed: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Event, ReadError>> {
        loop {
            if let Some(event) = self.page.pop_front() {
                return Some(Ok(event));
            }
            if self.failed {
                return None;
            }
            // Looked at before reading, so that what is written meanwhile is read after it.
            let closed = self.log.closed.is_cancelled();
            self.newest.borrow_and_update();
            match self.log.read(self.cursor, STREAM_PAGE, &self.filter).await {
                Ok(page) => {
                    let last = page.is_last();
                    self.cursor = page.next;
                    self.page = page.events.into();
                    if let Some(gap) = page.gap {
                        return Some(Err(gap.into()));
                    }
                    if !last || !self.page.is_empty() {
                        continue;
                    }
                }
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error.into()));
                }
            }
            if closed {
                return None;
            }
            tokio::select! {
                // An error: the store is gone, and the next read says so.
                _ = self.newest.changed() => {}
                () = self.log.closed.cancelled() => {}
            }
        }
    }
}
