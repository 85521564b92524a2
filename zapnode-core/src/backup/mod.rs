//! One file with everything that is needed to go on elsewhere: the store and the logins.
//!
//! ```text
//! manifest.json        first: what this is, so that a wrong file is refused at once
//! zapnode.db           the store at one moment
//! profiles/<id>/…      the logins, without what Chrome can make anew
//! checksums.json       last: a file that was cut off has none
//! ```
//!
//! It is a tar archive, compressed by gzip, so that any machine can look into it. Whoever has it
//! can send as the accounts in it: keep it as one keeps a password.
//!
//! [`SessionManager::backup`](crate::SessionManager::backup) writes it while everything runs. The
//! store comes first and each profile after it, while its session is closed for that moment: so a
//! message of the store that was sent meanwhile is in the profile, and found there.
//! [`restore`](restore()) puts it into a data folder that nobody uses.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use crate::id::SessionId;

mod archive;
mod make;
mod place;
mod restore;

pub use make::{BackupReport, Profiles};
pub(crate) use make::{make, sweep};
pub use restore::{OpenMessages, RestoreOptions, RestoreReport, restore};

/// The layout of the archive. Goes up when an older version could not read it.
const FORMAT: u32 = 1;

const MANIFEST: &str = "manifest.json";
const CHECKSUMS: &str = "checksums.json";
const STORE: &str = crate::store::FILE_NAME;
const PROFILES: &str = "profiles";

/// What an archive says of itself first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    zapnode_backup: u32,
    /// The program's version that wrote it, for people.
    version: String,
    /// The version of the store's tables.
    schema: usize,
    /// Milliseconds since 1970, UTC.
    created_at: i64,
}

/// What must be in the archive, to the byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Checksums {
    files: BTreeMap<String, Sum>,
}

/// One file's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    size: u64,
    sha256: String,
}

/// Why there is no backup, or why it was not restored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BackupError {
    /// One is under way.
    #[error("another backup is being made")]
    Running,
    /// A file could not be read, or the archive not be written.
    #[error("{} could not be put into the backup", .path.display())]
    Put {
        /// Which file of ours.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The archive could not be completed.
    #[error("the backup could not be written")]
    Write(#[source] io::Error),
    /// The archive could not be read.
    #[error("the backup could not be read")]
    Read(#[source] io::Error),
    /// The archive is something else.
    #[error("this is no backup of ZapNode: {0}")]
    NotABackup(&'static str),
    /// It was made by a newer version.
    #[error("the backup was made by a newer ZapNode ({version}); restore it with that version")]
    Newer {
        /// The version that made it.
        version: String,
    },
    /// Not all of it is as it was written.
    #[error("the backup is damaged: {what}")]
    Damaged {
        /// Where.
        what: String,
    },
    /// It would unpack to more than is allowed.
    #[error("the backup holds more than {limit} bytes or too many files")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// There is something where it would go.
    #[error("{} is there already", .path.display())]
    NotEmpty {
        /// What.
        path: PathBuf,
    },
    /// A file could not be put in its place. What was there before is there again.
    #[error("{} could not be restored", .path.display())]
    Place {
        /// Where.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

impl BackupError {
    /// Whether the cause is a disk without room.
    pub fn is_no_room(&self) -> bool {
        let (Self::Put { source, .. } | Self::Write(source) | Self::Place { source, .. }) = self
        else {
            return false;
        };
        crate::owner::is_no_room(source)
    }

    fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

/// Names the file that could not be placed.
fn placed(path: &Path) -> impl FnOnce(io::Error) -> BackupError + use<> {
    let path = path.to_owned();
    move |source| BackupError::Place { path, source }
}

/// The name of a file in the archive that belongs to a profile.
fn name_of(session: &SessionId, rest: &Path) -> PathBuf {
    Path::new(PROFILES).join(session.as_str()).join(rest)
}

/// A file name for a backup made now, as `zapnode-2026-11-24T150405Z.tar.gz`.
pub fn file_name(now: OffsetDateTime) -> String {
    format!("zapnode-{}.tar.gz", stamp(now))
}

/// A moment that sorts as text and fits into a file name.
fn stamp(now: OffsetDateTime) -> String {
    let (date, time) = (now.date(), now.time());
    let (hour, minute, second) = time.as_hms();
    format!("{date}T{hour:02}{minute:02}{second:02}Z")
}
