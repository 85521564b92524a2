//! Drives WhatsApp Web in a headless Chrome of its own for each session.
//!
//! ```text
//!  ChromeDriver ── find, flags, profile ──► launch (lease.rs: the pipe lease)
//!       │                                     one thread owns headless_chrome's Browser
//!       ▼
//!  ChromeConnection ── commands ──► channel ──► bridge (inject/*.js) in WhatsApp's page
//!       ▲                              │
//!  session ◄── DriverEvent ── pump ◄───┘  tracker, snapshot: what the page's facts mean
//! ```
//!
//! `headless_chrome` finds its way into the browser's process: it launches it, gives the tab,
//! takes pictures, ends it. Commands and events go over a channel of our own (see `channel.rs` for
//! the measurements that led there).
//!
//! Its limits: one profile is one Chrome, about 130 MB each; Unix only; what WhatsApp's page is
//! made of is known from public drivers (the fact sheet), so [`Connection::self_test`] tells on
//! the real page what was found and what was missed.
//!
//! [`Connection::self_test`]: crate::driver::Connection::self_test

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{Driver, DriverError, OpenRequest, Opened, StoredLogin};
use crate::options::SessionOptions;

mod bridge;
mod channel;
mod connection;
mod feeds;
mod files;
mod find;
mod flags;
mod groups;
mod heard;
mod launch;
mod lease;
mod mark;
mod open;
mod options;
mod page;
mod people;
mod process;
mod profile;
mod proxy;
mod resources;
mod snapshot;
mod tracker;
mod words;

pub use options::ChromeOptions;

/// How long a browser that was left behind may take to end by itself.
const SWEEP_PATIENCE: Duration = Duration::from_secs(5);

/// Opens sessions in Chrome. One value serves all of them.
#[derive(Debug)]
pub struct ChromeDriver {
    options: ChromeOptions,
    /// Each browser's version and its file's date, because asking takes 0.2 s.
    versions: Mutex<HashMap<PathBuf, (Option<SystemTime>, String)>>,
}

impl ChromeDriver {
    /// A driver with these options. Nothing is started or checked yet.
    pub fn new(options: ChromeOptions) -> Self {
        if options.no_sandbox {
            tracing::warn!("browsers are started without their sandbox (as root they must be)");
        }
        Self {
            options,
            versions: Mutex::default(),
        }
    }

    /// The options it was made with.
    pub fn options(&self) -> &ChromeOptions {
        &self.options
    }

    /// The browser that sessions get which name none.
    ///
    /// # Errors
    /// [`DriverError::BrowserNotFound`].
    pub fn browser(&self) -> Result<PathBuf, DriverError> {
        find::executable(&self.options, &SessionOptions::default())
    }

    /// What that browser says of its version, as `156.0.8078.79`; `None` when it says nothing in
    /// time.
    pub async fn browser_version(&self) -> Option<String> {
        let executable = self.browser().ok()?;
        self.version(&executable).await
    }

    async fn version(&self, executable: &Path) -> Option<String> {
        let changed = std::fs::metadata(executable)
            .and_then(|file| file.modified())
            .ok();
        let mut versions = self.versions.lock().await;
        if let Some((known_at, version)) = versions.get(executable)
            && *known_at == changed
        {
            return Some(version.clone());
        }
        let version = flags::version(executable).await?;
        versions.insert(executable.to_owned(), (changed, version.clone()));
        Some(version)
    }
}

#[async_trait]
impl Driver for ChromeDriver {
    fn check(&self, options: &SessionOptions) -> Result<(), DriverError> {
        find::check(&self.options, options)
    }

    async fn sweep(&self, logins: &[StoredLogin]) -> usize {
        let folders: Vec<PathBuf> = logins.iter().map(|login| login.folder.clone()).collect();
        let work_dir = self.options.work_dir.clone();
        let sweep = move || {
            lease::sweep(&work_dir);
            let processes = process::Processes::now();
            folders
                .iter()
                .flat_map(|folder| processes.left_over(folder))
                .filter(|&pid| {
                    tracing::warn!(pid, "ending a browser that an earlier run left behind");
                    process::end_tree(pid, SWEEP_PATIENCE)
                })
                .count()
        };
        launch::blocking(sweep).await.unwrap_or(0)
    }

    async fn open(&self, request: OpenRequest) -> Result<Opened, DriverError> {
        find::check(&self.options, &request.options)?;
        let executable = find::executable(&self.options, &request.options)?;
        let version = self.version(&executable).await;
        open::open(&self.options, version, executable, request).await
    }

    async fn forget(&self, login: &StoredLogin) -> Result<(), DriverError> {
        let folder = login.folder.clone();
        launch::blocking(move || profile::delete(&folder)).await?
    }
}
