//! A small disk that can be filled.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A file system in memory, of its own. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one at `path`.
    ///
    /// # Errors
    /// When this user may not mount. A test that needs it then fails, and says how to run it: one
    /// that passes without having looked would be worth nothing.
    pub fn mount(path: &Path, megabytes: u32) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let mounted = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={megabytes}m,mode=0700"),
                "tmpfs",
            ])
            .arg(path)
            .output()
            .context("mount")?;
        ensure!(
            mounted.status.success(),
            "a full disk is tested on a small disk, which only root may mount; run the tests as \
             root, or under `unshare --user --map-root-user --mount`: {}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Takes all room that is left.
    ///
    /// # Errors
    /// When something else than room is missing.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.ballast())?;
        // In ever smaller pieces, so that not a page is left.
        for piece in [1 << 20, 1 << 16, 1 << 12, 1] {
            let zeros = vec![0; piece];
            loop {
                match file.write_all(&zeros) {
                    Ok(()) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    /// When it was not taken.
    pub fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: somebody may still be dying in it.
        let unmounted = Command::new("umount").arg("-l").arg(&self.path).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            tracing::error!(path = %self.path.display(), "could not be unmounted");
        }
    }
}
