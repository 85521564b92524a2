//! Looks at the machine's processes, to see that no Chrome is left.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use sysinfo::{Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

/// Every process of this machine with its command line.
fn processes() -> System {
    let mut system = System::new();
    let wanted = ProcessRefreshKind::nothing()
        .with_cmd(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
    system
}

/// The process ids of the Chromes whose profile lies under `folder`.
pub fn running_under(folder: &Path) -> Vec<u32> {
    let folder = folder.to_string_lossy().into_owned();
    let of_ours = |process: &Process| {
        process.status() != ProcessStatus::Zombie
            && process.cmd().iter().any(|argument| {
                let argument = argument.to_string_lossy();
                argument.contains("--user-data-dir=") && argument.contains(&folder)
            })
    };
    let all = processes();
    let found = all.processes().iter().filter(|(_, one)| of_ours(one));
    found.map(|(pid, _)| pid.as_u32()).collect()
}

/// The process id of the one browser process (not its children) of a session.
pub fn browser_of(profile: &Path) -> Option<u32> {
    let wanted = format!("--user-data-dir={}", profile.display());
    let all = processes();
    let found = all.processes().iter().find(|(_, process)| {
        let arguments: Vec<_> = process.cmd().iter().map(|a| a.to_string_lossy()).collect();
        arguments.iter().any(|a| *a == wanted)
            && !arguments.iter().any(|a| a.starts_with("--type="))
    });
    found.map(|(pid, _)| pid.as_u32())
}

/// The process ids of the pages of a session's Chrome.
pub fn renderers_of(profile: &Path) -> Vec<u32> {
    let Some(browser) = browser_of(profile) else {
        return Vec::new();
    };
    let all = processes();
    // They are children of a helper that is a child of the browser.
    let descends = |process: &Process| {
        let mut parent = process.parent();
        while let Some(pid) = parent {
            if pid.as_u32() == browser {
                return true;
            }
            parent = all.process(pid).and_then(Process::parent);
        }
        false
    };
    // A helper's child writes its arguments into one.
    let renders = |process: &Process| {
        let mut arguments = process.cmd().iter();
        arguments.any(|one| one.to_string_lossy().contains("--type=renderer"))
    };
    let found = all.processes().iter();
    let found = found.filter(|(_, one)| renders(one) && descends(one));
    found.map(|(pid, _)| pid.as_u32()).collect()
}

/// Sends a signal to a process; one that has ended is left alone.
///
/// # Errors
/// When the system refuses it.
pub fn signal(pid: u32, signal: Signal) -> Result<()> {
    let Some(pid) = Pid::from_raw(i32::try_from(pid)?) else {
        bail!("0 is no process of ours");
    };
    match kill_process(pid, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Kills a session's Chrome without a word.
///
/// # Errors
/// When none runs.
pub fn kill(profile: &Path) -> Result<()> {
    signal(
        browser_of(profile).context("its Chrome runs")?,
        Signal::KILL,
    )
}

/// Waits until no Chrome runs under `folder`.
///
/// # Errors
/// When some still do after `within`.
pub async fn none_left(folder: &Path, within: Duration) -> Result<()> {
    let end = Instant::now() + within;
    // Processes tell nobody when they end but their parent: this is looked at, not waited for.
    let mut look = tokio::time::interval(Duration::from_millis(50));
    loop {
        let left = running_under(folder);
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            bail!("still running after {within:?}: {left:?}");
        }
        look.tick().await;
    }
}
