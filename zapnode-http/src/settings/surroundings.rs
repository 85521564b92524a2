//! What the machine and the user around the process decide.

use std::path::{Path, PathBuf};

use super::Variables;

/// The folder of logins that the Node original keeps beside itself.
const AUTH_FOLDER: &str = ".wwebjs_auth";

/// A snapshot of the process's surroundings. The core reads none of this by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// This user's data folder for ZapNode, if the user has a home.
    pub user_data_dir: Option<PathBuf>,
    /// `.wwebjs_auth` in the current folder, if it is there.
    pub legacy_auth_dir: Option<PathBuf>,
    /// Whether a window could be shown.
    pub has_display: bool,
    /// Whether the process is root, for whom Chrome's sandbox does not work.
    pub is_root: bool,
    /// The first ffmpeg on the search path.
    pub ffmpeg: Option<PathBuf>,
}

impl Surroundings {
    /// Looks around.
    pub fn of_process(environment: &Variables) -> Self {
        let legacy = std::path::absolute(AUTH_FOLDER).ok();
        Self {
            user_data_dir: directories::ProjectDirs::from("", "", "zapnode")
                .map(|dirs| dirs.data_dir().to_owned()),
            legacy_auth_dir: legacy.filter(|path| path.is_dir()),
            // macOS always has one for a user who is logged in.
            has_display: cfg!(target_os = "macos")
                || ["DISPLAY", "WAYLAND_DISPLAY"]
                    .iter()
                    .any(|name| environment.get(name).is_some()),
            is_root: rustix::process::geteuid().is_root(),
            ffmpeg: environment.get("PATH").and_then(|path| {
                let mut all = std::env::split_paths(path).map(|folder| folder.join("ffmpeg"));
                all.find(|path| path.is_file())
            }),
        }
    }

    /// Where data goes if nobody says. The sandbox has a folder beside the real one, so that no
    /// real session is ever opened in the simulation.
    pub(super) fn default_data_dir(&self, sandbox: bool) -> Option<PathBuf> {
        let real = self.user_data_dir.clone()?;
        Some(if sandbox {
            real.with_file_name("zapnode-sandbox")
        } else {
            real
        })
    }

    /// Where logins go if nobody says: on with the original's, except in the sandbox.
    pub(super) fn default_auth_dir(&self, data_dir: &Path, sandbox: bool) -> PathBuf {
        match &self.legacy_auth_dir {
            Some(legacy) if !sandbox => legacy.clone(),
            _ => data_dir.join(AUTH_FOLDER),
        }
    }
}
