//! What of the machine is broken: a disk that fills up and a clock that jumps. Neither is possible on
//! every machine; where one is not, the plan goes without it and says so.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use zapnode_core::driver::chrome::{ChromeDriver, ChromeOptions};

/// Large enough for the store of a run, small enough to be filled at once.
const DISK_MB: u32 = 48;

/// Where Debian keeps the library that gives a process another clock.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// The parts of the machine that can be broken.
#[derive(Debug)]
pub struct Machine {
    /// The data folder on a disk of its own.
    pub disk: Option<Disk>,
    /// The daemon's clock.
    pub clock: Option<Clock>,
}

impl Machine {
    /// Finds out what is possible. `data_dir` becomes the small disk; `folder` gets our own files.
    ///
    /// # Errors
    /// When a file cannot be written, or there is no browser.
    pub fn new(data_dir: &Path, folder: &Path) -> Result<Self> {
        fs::create_dir_all(data_dir)?;
        Ok(Self {
            disk: Disk::mount(data_dir)?,
            clock: Clock::find(folder)?,
        })
    }
}

/// A file system in memory; it is unmounted when dropped.
#[derive(Clone, Debug)]
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// Absent where mounting is not allowed.
    fn mount(at: &Path) -> Result<Option<Self>> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={DISK_MB}m,mode=700"))
            .arg("zapnode-torture")
            .arg(at)
            .output();
        let mounted = match mounted {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.context("mount")?,
        };
        Ok(mounted.status.success().then(|| Self { at: at.to_owned() }))
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Fills it to the last byte.
    ///
    /// # Errors
    /// When it cannot be written to for another reason than being full.
    pub fn fill(&self) -> Result<()> {
        let mut file = fs::File::create(self.ballast())?;
        // Smaller and smaller pieces, so that nothing is left.
        for size in [1 << 20, 4096, 1] {
            let piece = vec![0u8; size];
            loop {
                match file.write_all(&piece) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("filling the disk"),
                }
            }
        }
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When the ballast cannot be removed.
    pub fn free(&self) -> Result<()> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Unmounts it, also while somebody still looks into it.
    pub fn unmount(&self) {
        let done = Command::new("umount").arg("-l").arg(&self.at).status();
        if !done.is_ok_and(|status| status.success()) {
            tracing::warn!(at = %self.at.display(), "not unmounted");
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(disk) = &self.disk {
            disk.unmount();
        }
    }
}

/// The wall clock of the daemon alone; Chrome and this program keep the right time, and what is
/// measured by the monotonic clock is not touched, as with a clock that an operator sets.
#[derive(Clone, Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
    browser: PathBuf,
}

impl Clock {
    /// Absent where the library is not installed.
    fn find(folder: &Path) -> Result<Option<Self>> {
        let Some(library) = FAKETIME.iter().map(PathBuf::from).find(|p| p.exists()) else {
            return Ok(None);
        };
        let clock = Self {
            library,
            file: folder.join("clock"),
            browser: folder.join("browser"),
        };
        clock.jump(0)?;
        // Chrome does not start with the library, whatever it is told.
        let chrome = ChromeDriver::new(ChromeOptions::new(folder)).browser()?;
        let script = format!(
            "#!/bin/sh\nunset LD_PRELOAD\nexec '{}' \"$@\"\n",
            chrome.display()
        );
        fs::write(&clock.browser, script)?;
        fs::set_permissions(&clock.browser, fs::Permissions::from_mode(0o700))?;
        Ok(Some(clock))
    }

    /// What the daemon's environment needs for it.
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            // How soon a jump is noticed, in seconds.
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
            ("CHROME_PATH", self.browser.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Sets it so many seconds off the right time.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn jump(&self, seconds: i64) -> Result<()> {
        // In one step: a file that is empty for a moment would be no time at all.
        let next = self.file.with_extension("next");
        fs::write(&next, format!("{seconds:+}\n"))?;
        fs::rename(&next, &self.file)?;
        Ok(())
    }
}
