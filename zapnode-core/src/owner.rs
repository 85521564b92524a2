//! Who owns a data folder: one process at a time, and how others reach it.
//!
//! The lock is the operating system's, on `zapnode.lock`, so that it is gone with its holder
//! however that ends. Beside it `owner.json` says who the holder is; without the lock it says
//! nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The process that owns a data folder.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// The data folder.
    pub data_dir: PathBuf,
    /// Where it listens, if it is a daemon.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// What opens its API to whoever may read the file: the same user only (mode 0600).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub token: Option<String>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the data folder {} is in use by ",
            self.data_dir.display()
        )?;
        match self.pid {
            // It could not say who it is, as on a full disk.
            0 => f.write_str("another process")?,
            pid => write!(f, "process {pid}")?,
        }
        match &self.url {
            Some(url) => write!(f, " (ZapNode at {url})"),
            None => Ok(()),
        }
    }
}

/// Keeps the token out of logs.
impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("pid", &self.pid)
            .field("data_dir", &self.data_dir)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A data folder that this process owns. Dropping it gives it free.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

const LOCK: &str = "zapnode.lock";
const OWNER: &str = "owner.json";

impl DataFolder {
    /// Makes the folder if it is missing (mode 0700) and claims it. On a full disk it is claimed
    /// without writing down by whom.
    ///
    /// # Errors
    /// [`Error::Owned`] when another process has it, [`Error::Folder`] when it cannot be made or
    /// locked.
    pub fn claim(path: &Path) -> Result<Self, Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Folder { path, source }
        };
        private_folder(path).map_err(failed(path))?;
        let path = path.canonicalize().map_err(failed(path))?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let owner = read_owner(&path).unwrap_or(Owner {
                    pid: 0,
                    data_dir: path,
                    url: None,
                    token: None,
                });
                return Err(Error::Owned {
                    owner: Box::new(owner),
                });
            }
            Err(fs::TryLockError::Error(source)) => {
                return Err(Error::Folder {
                    path: lock_path,
                    source,
                });
            }
        }
        let folder = Self { path, _lock: lock };
        match folder.publish(None, None) {
            // The lock is what counts. Nobody shall be sent to whoever had the folder before.
            Err(Error::Folder { source, path }) if is_no_room(&source) => {
                tracing::warn!(path = %path.display(), "the disk is full: who owns the data folder is not written down");
                if let Err(error) = fs::remove_file(&path)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    return Err(Error::Folder {
                        path,
                        source: error,
                    });
                }
            }
            published => published?,
        }
        Ok(folder)
    }

    /// The folder, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Tells other processes of the same user where this one listens, and the token that opens it.
    ///
    /// # Errors
    /// [`Error::Folder`] when the file cannot be written.
    pub fn publish(&self, url: Option<&str>, token: Option<&str>) -> Result<(), Error> {
        let owner = Owner {
            pid: std::process::id(),
            data_dir: self.path.clone(),
            url: url.map(str::to_owned),
            token: token.map(str::to_owned),
        };
        let target = self.path.join(OWNER);
        let draft = self.path.join(format!("{OWNER}.{}", owner.pid));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&draft)?;
            file.write_all(&serde_json::to_vec(&owner)?)?;
            fs::rename(&draft, &target)
        };
        write().map_err(|source| {
            // On a full disk there may be an empty file.
            let _ = fs::remove_file(&draft);
            Error::Folder {
                path: target.clone(),
                source,
            }
        })
    }

    /// Who owns the folder at `path` right now, if anybody does.
    pub fn owner_of(path: &Path) -> Option<Owner> {
        let path = path.canonicalize().ok()?;
        let lock = File::open(path.join(LOCK)).ok()?;
        match lock.try_lock_shared() {
            // Free: what owner.json says is of somebody who is gone.
            Ok(()) => None,
            Err(_) => read_owner(&path),
        }
    }
}

fn read_owner(folder: &Path) -> Option<Owner> {
    let bytes = fs::read(folder.join(OWNER)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Whether an error says that there is no room left.
pub fn is_no_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Makes a folder that only its user can enter, with whatever leads to it.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time_and_names_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("data");
        assert!(DataFolder::owner_of(&path).is_none());
        let folder = DataFolder::claim(&path).expect("free");
        folder
            .publish(Some("http://127.0.0.1:3000"), Some("secret"))
            .expect("writable");
        match DataFolder::claim(&path) {
            Err(Error::Owned { owner }) => {
                assert_eq!(owner.pid, std::process::id());
                assert_eq!(owner.url.as_deref(), Some("http://127.0.0.1:3000"));
                assert!(!format!("{owner:?}").contains("secret"));
            }
            other => panic!("claimed twice: {other:?}"),
        }
        assert_eq!(
            DataFolder::owner_of(&path).and_then(|o| o.token),
            Some("secret".to_owned())
        );
        drop(folder);
        assert!(DataFolder::owner_of(&path).is_none());
        DataFolder::claim(&path).expect("free again");
    }
}
