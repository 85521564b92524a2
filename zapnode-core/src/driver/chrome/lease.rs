//! The pipe lease: why no browser outlives us.
//!
//! When a daemon is killed, Chrome stays behind as an orphan of ten processes. Of the remedies
//! measured (`headless-chrome.md` §1), a parent-death signal fires when the launching *thread*
//! ends and loses data; the lease does neither. Chrome is started with `--remote-debugging-pipe`
//! on a pipe whose writing end only this process has. When that end closes, for whatever reason,
//! Chrome exits in order within half a second, flushed and with its locks removed.
//!
//! A small wrapper script is needed to put the pipe where Chrome looks for it. It also writes down
//! its pid and what Chrome says until it is up: headless_chrome tells neither.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, PipeReader, PipeWriter, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};

use super::profile::storage;
use crate::driver::DriverError;

const SCRIPT: &str = include_str!("launch.sh");

/// How much of what the browser said is looked at for the reason of a failed start.
const TAIL: u64 = 8 << 10;

/// Keeps the browser alive for as long as it is held.
#[derive(Debug)]
pub(crate) struct Lease {
    _writer: PipeWriter,
}

/// The end of the lease that the browser inherits. To be dropped once it has.
#[derive(Debug)]
pub(crate) struct LeaseEnd(PipeReader);

impl Lease {
    /// Makes a new one.
    pub(crate) fn new() -> io::Result<(Self, LeaseEnd)> {
        // Both ends close on exec; then the browser's end is made to stay. Should another child
        // started meanwhile inherit that end too, no harm is done: only the writer counts.
        let (reader, writer) = io::pipe()?;
        fcntl_setfd(&reader, FdFlags::empty())?;
        Ok((Self { _writer: writer }, LeaseEnd(reader)))
    }
}

/// How the folders of launches are called.
const LAUNCHES: &str = "launch-of-";

/// Removes what launches of an earlier run left that was killed in their midst. Blocks.
pub(crate) fn sweep(work_dir: &Path) {
    let Ok(entries) = std::fs::read_dir(work_dir) else {
        return;
    };
    let an_hour_old = |entry: &std::fs::DirEntry| {
        let changed = entry.metadata().and_then(|data| data.modified()).ok();
        changed.and_then(|at| at.elapsed().ok()) > Some(Duration::from_secs(3600))
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(LAUNCHES))
        .filter(an_hour_old)
        .for_each(|entry| {
            std::fs::remove_dir_all(entry.path()).ok();
        });
}

/// The wrapper script and what it writes down about one launch.
#[derive(Debug)]
pub(crate) struct Wrapper {
    script: PathBuf,
    files: PathBuf,
}

impl Wrapper {
    /// Writes the script to the work folder, and makes a fresh folder for this launch. Blocks.
    pub(crate) fn prepare(work_dir: &Path, name: &str) -> Result<Self, DriverError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| storage(&path, source)
        };
        let mut private = DirBuilder::new();
        private.recursive(true).mode(0o700);
        private.create(work_dir).map_err(failed(work_dir))?;
        // The script runs with our rights, so nobody else may write where it lies.
        std::fs::set_permissions(work_dir, Permissions::from_mode(0o700))
            .map_err(failed(work_dir))?;
        let script = work_dir.join("launch-chrome.sh");
        if std::fs::read_to_string(&script).is_ok_and(|found| found == SCRIPT) {
            std::fs::set_permissions(&script, Permissions::from_mode(0o700))
                .map_err(failed(&script))?;
        } else {
            write_script(&script).map_err(failed(&script))?;
        }
        // New for each launch: an earlier one of the same session may still be cleaning up.
        let files = work_dir.join(format!("{LAUNCHES}{name}-{}", ulid::Ulid::new()));
        private.create(&files).map_err(failed(&files))?;
        Ok(Self { script, files })
    }

    /// What to start instead of the browser.
    pub(crate) fn script(&self) -> &Path {
        &self.script
    }

    /// What the script needs to know.
    pub(crate) fn environment(&self, chrome: &Path, end: &LeaseEnd) -> HashMap<String, String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        HashMap::from([
            ("ZAPNODE_CHROME".to_owned(), text(chrome)),
            ("ZAPNODE_LEASE_FD".to_owned(), end.0.as_raw_fd().to_string()),
            ("ZAPNODE_LAUNCH_FILES".to_owned(), text(&self.files)),
        ])
    }

    /// The browser's pid, once it was started.
    pub(crate) fn pid(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.files.join("pid")).ok()?;
        text.trim().parse().ok()
    }

    /// The last that the browser said before it was up, on one line.
    pub(crate) fn last_words(&self) -> Option<String> {
        let mut file = File::open(self.files.join("said")).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))
            .ok()?;
        let mut said = Vec::new();
        file.take(TAIL).read_to_end(&mut said).ok()?;
        last_words_in(&String::from_utf8_lossy(&said))
    }
}

impl Drop for Wrapper {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.files).ok();
    }
}

/// Writes a file that is executable from its first moment, in one step: another launch may be
/// about to run it.
fn write_script(path: &Path) -> io::Result<()> {
    let fresh = path.with_extension(format!("{}.new", ulid::Ulid::new()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(&fresh)
        .and_then(|mut file| file.write_all(SCRIPT.as_bytes()))
        .and_then(|()| std::fs::rename(&fresh, path))
}

/// The last three lines that say something, without Chrome's `[pid:time:ERROR:file(line)]`.
fn last_words_in(said: &str) -> Option<String> {
    let lines: Vec<&str> = said
        .lines()
        .map(|line| {
            match line
                .strip_prefix('[')
                .and_then(|rest| rest.split_once("] "))
            {
                Some((_, message)) => message.trim(),
                None => line.trim(),
            }
        })
        .filter(|line| !line.is_empty())
        .collect();
    let last = lines.get(lines.len().saturating_sub(3)..)?.join("; ");
    (!last.is_empty()).then(|| last.chars().take(600).collect())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::process::Processes;
    use super::*;

    fn fake_browser(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("browser");
        std::fs::write(&path, script).expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("executable");
        path
    }

    #[test]
    fn the_browser_sees_the_end_of_the_lease_on_descriptor_3_whatever_its_number_here() {
        let folder = tempfile::tempdir().expect("a folder");
        // Push the number past 9, which dash would not take as `<&12`.
        let held: Vec<_> = (0..16).map(|_| io::pipe().expect("a pipe")).collect();
        let (lease, end) = Lease::new().expect("a lease");
        assert!(end.0.as_raw_fd() > 9);
        let browser = fake_browser(
            folder.path(),
            "#!/bin/sh\necho \"$@\" >&2; echo DevTools listening on ws://x >&2; cat <&3; echo over\n",
        );
        let wrapper = Wrapper::prepare(&folder.path().join("work dir"), "a").expect("prepared");
        let mut child = Command::new(wrapper.script())
            .args(["--one", "two words"])
            .envs(wrapper.environment(&browser, &end))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        drop(end);
        // Its words come through, and are kept.
        let mut said = String::new();
        let mut stderr = child.stderr.take().expect("piped");
        stderr.read_to_string(&mut said).expect("said");
        assert!(
            said.starts_with("--remote-debugging-pipe --one two words\n"),
            "{said}"
        );
        assert_eq!(wrapper.pid(), Some(child.id()));
        let kept = wrapper.last_words().expect("kept");
        assert!(kept.ends_with("DevTools listening on ws://x"), "{kept}");
        assert!(
            child.try_wait().expect("a look").is_none(),
            "it runs while leased"
        );
        drop(lease);
        let output = child.wait_with_output().expect("ended");
        assert_eq!(output.stdout, b"over\n");
        drop(held);
    }

    #[test]
    fn the_reason_of_a_failed_start_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_lease, end) = Lease::new().expect("a lease");
        let browser = fake_browser(
            folder.path(),
            "#!/bin/sh\necho '[1:2:ERROR:file.cc(3)] libnss3.so: cannot open' >&2; exit 127\n",
        );
        let wrapper = Wrapper::prepare(folder.path(), "a").expect("prepared");
        let output = Command::new(wrapper.script())
            .envs(wrapper.environment(&browser, &end))
            .output()
            .expect("started");
        assert_eq!(output.status.code(), Some(127));
        assert_eq!(
            wrapper.last_words().as_deref(),
            Some("libnss3.so: cannot open")
        );
    }

    #[test]
    fn a_wrapper_that_is_killed_leaves_nobody_waiting() {
        let folder = tempfile::tempdir().expect("a folder");
        let browser = fake_browser(folder.path(), "#!/bin/sh\nexec sleep 100\n");
        let mark = format!("--user-data-dir={}", folder.path().display());
        for microseconds in (0..6000).step_by(150) {
            let (_lease, end) = Lease::new().expect("a lease");
            let wrapper = Wrapper::prepare(folder.path(), "a").expect("prepared");
            let mut child = Command::new(wrapper.script())
                .arg(&mark)
                .envs(wrapper.environment(&browser, &end))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("started");
            std::thread::sleep(Duration::from_micros(microseconds));
            child.kill().expect("killed");
            child.wait().expect("reaped");
        }
        let until = std::time::Instant::now() + Duration::from_secs(5);
        while !Processes::now().with_profile(folder.path()).is_empty() {
            assert!(std::time::Instant::now() < until, "somebody waits for ever");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn last_words_are_short() {
        assert_eq!(last_words_in(" \n\n"), None);
        assert_eq!(
            last_words_in("a\nb\n\n[x] c\nd\n").as_deref(),
            Some("b; c; d")
        );
    }
}
