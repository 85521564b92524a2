//! Looks at the machine's processes, to see that no Chrome is left.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
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
