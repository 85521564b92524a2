//! Makes a backup of what runs.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::archive::Archive;
use super::{BackupError, FORMAT, Manifest, STORE};
use crate::error::Error;
use crate::id::SessionId;
use crate::manager::SessionManager;
use crate::session::{Reason, ReasonCode};
use crate::store::{self, SessionRow, Store};

/// Whose profiles go into a backup. The store is always in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Profiles {
    /// Everybody's.
    #[default]
    All,
    /// Those of these sessions.
    Only(BTreeSet<SessionId>),
    /// Nobody's: restored, each session needs a new QR.
    None,
}

/// What went into a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupReport {
    /// The sessions in the store.
    pub sessions: Vec<SessionId>,
    /// Those whose profile is in it.
    pub profiles: Vec<SessionId>,
    /// How many files.
    pub files: usize,
    /// How much they hold before compression. Bytes.
    pub bytes: u64,
}

/// The folder beside the store for its copy. Removed when dropped.
struct Draft(PathBuf);

/// How such folders are called; what a killed program left is removed at the next start.
const DRAFT: &str = "backup-draft-";

impl Draft {
    fn make(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join(format!("{DRAFT}{}", ulid::Ulid::new()));
        crate::owner::private_folder(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "could not be removed");
        }
    }
}

/// Removes what backups left that were killed in their midst. Blocks.
pub(crate) fn sweep(folder: &Path) {
    remove_all(folder, DRAFT);
}

/// Removes the folders whose names begin so.
pub(super) fn remove_all(folder: &Path, prefix: &str) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            // Tried again at the next start.
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

pub(crate) async fn make<W: Write + Send + 'static>(
    manager: &SessionManager,
    store: &Store,
    profiles: &Profiles,
    out: W,
) -> Result<(W, BackupReport), Error> {
    let rows = store.sessions().await?;
    if let Profiles::Only(wanted) = profiles {
        for id in wanted {
            manager.get(id)?;
        }
    }
    let mut archive = begin(store, out).await?;
    let mut with_profile = Vec::new();
    for row in &rows {
        let wanted = match profiles {
            Profiles::All => true,
            Profiles::Only(ids) => ids.contains(&row.id),
            Profiles::None => false,
        };
        if !wanted {
            continue;
        }
        let (back, was_there) = add_profile(manager, archive, row).await?;
        archive = back;
        if was_there {
            with_profile.push(row.id.clone());
        }
    }
    let (out, bytes, files) = beside(move || archive.finish()).await?;
    let report = BackupReport {
        sessions: rows.into_iter().map(|row| row.id).collect(),
        profiles: with_profile,
        files,
        bytes,
    };
    Ok((out, report))
}

/// The archive with the store in it.
async fn begin<W: Write + Send + 'static>(store: &Store, out: W) -> Result<Archive<W>, Error> {
    let folder = store.folder().to_owned();
    let draft = Draft::make(&folder).map_err(BackupError::Write)?;
    let copy = draft.0.join(STORE);
    store.copy_to(&copy).await?;
    let manifest = Manifest {
        zapnode_backup: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: store::schema(),
        created_at: store::millis(store::now()),
    };
    let archive = beside(move || {
        let mut archive = Archive::begin(out, &manifest)?;
        archive.file(Path::new(STORE), &copy)?;
        drop(draft);
        Ok(archive)
    });
    Ok(archive.await?)
}

/// Adds a session's profile while nothing has it open. A session that is gone meanwhile has none.
async fn add_profile<W: Write + Send + 'static>(
    manager: &SessionManager,
    archive: Archive<W>,
    row: &SessionRow,
) -> Result<(Archive<W>, bool), Error> {
    let Ok(session) = manager.get(&row.id) else {
        return Ok((archive, false));
    };
    let (id, folder) = (row.id.clone(), row.profile.clone());
    let reason = Reason::new(ReasonCode::Backup, "a backup is being made of its login");
    // Taken only once the session is closed, so that it is still here if it is removed before.
    let mut place = Some(archive);
    let work = async {
        let mut archive = place.take()?;
        let added = beside(move || {
            let was_there = archive.profile(&id, &folder)?;
            Ok((archive, was_there))
        });
        Some(added.await)
    };
    let closed = session.while_closed(reason, work).await;
    match (closed, place) {
        (Ok(Some(added)), _) => Ok(added?),
        (_, Some(archive)) => Ok((archive, false)),
        (Err(error), None) => Err(error),
        (Ok(None), None) => Err(Error::ShuttingDown),
    }
}

/// Runs what reads and writes files, where it may block.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| BackupError::Write(std::io::Error::other(error)))?
}
