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
mod sessions;
mod webhooks;
mod writer;

pub use bulk::{AcceptedBulk, NewJob};
pub(crate) use bulk::{Beginning, Begun};
pub use chatwoot::BridgeRow;
pub(crate) use chatwoot::{Call, Pair, Thread};
pub use health::{StoreHealth, StoreState};
pub use maintenance::Spare;
pub(crate) use messages::TakenIn;
pub use messages::{Accepted, Key};
pub use optouts::{NewOptOut, OptedOut};
pub(crate) use outbox::{Acquaintance, StoredPause};
pub use sessions::SessionRow;
pub(crate) use sessions::{from_millis, millis, now};
pub(crate) use webhooks::{Queued, Recorded, Requeued};
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
    include_str!("../../migrations/0010_content.sql"),
