//! Browsers among this machine's processes: finding them by profile, and ending them for good.
//!
//! A process that has exited but was not yet waited for (a zombie) counts as gone: it holds no
//! file and no lock any more.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid as Signalled, Signal, kill_process};
use sysinfo::{
    Pid, Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind,
};

use crate::driver::Resources;

/// Says in the browser's own command line which process started it, and since when that one runs:
/// pids come back. A browser is left over when that process is gone. Chrome ignores the switch.
pub(crate) const OWNER_SWITCH: &str = "--zapnode-owner=";

const PROFILE_SWITCH: &str = "--user-data-dir=";

/// How long to sleep between two looks at a process that is ending.
const POLL: Duration = Duration::from_millis(20);

/// A look at all processes.
#[derive(Debug)]
pub(crate) struct Processes(System);

impl Processes {
    /// Looks at all processes now, with their command lines. Takes some milliseconds: not for an
    /// async worker.
    pub(crate) fn now() -> Self {
        let mut system = System::new();
        let kind = ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always);
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        Self(system)
    }

    /// Looks at all processes now, with what they take. As above.
    pub(crate) fn with_usage() -> Self {
        let mut system = System::new();
        let kind = ProcessRefreshKind::nothing()
            .with_memory()
            .with_cpu()
            .without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        Self(system)
    }

    /// What one process takes by itself, if it lives.
    pub(crate) fn usage(&self, pid: u32) -> Option<Resources> {
        let process = self.0.process(Pid::from_u32(pid))?;
        (!is_zombie(process)).then(|| Resources {
            memory_bytes: process.memory(),
            processor_time: Duration::from_millis(process.accumulated_cpu_time()),
            processes: 1,
        })
    }

    /// The browsers' main processes (and wrappers about to become one) that have a profile open.
    pub(crate) fn with_profile(&self, profile: &Path) -> Vec<u32> {
        self.living()
            .filter(|process| is_main(process) && has_profile(process, profile))
            .map(|process| process.pid().as_u32())
            .collect()
    }

    /// Of those, the ones whose starter is gone: nobody drives them any more.
    ///
    /// One of ours says who started it. One of another program (the Node original, which lays its
    /// profiles out alike) is left over only when its parent is gone too.
    pub(crate) fn left_over(&self, profile: &Path) -> Vec<u32> {
        self.with_profile(profile)
            .into_iter()
            .filter(|&pid| {
                self.0
                    .process(Pid::from_u32(pid))
                    .is_some_and(|process| !self.is_driven(process))
            })
            .collect()
    }

    /// Whether a process was given exactly this argument.
    pub(crate) fn has_argument(&self, pid: u32, argument: &str) -> bool {
        self.0
            .process(Pid::from_u32(pid))
            .is_some_and(|process| process.cmd().iter().any(|given| given == argument))
    }

    fn is_driven(&self, process: &Process) -> bool {
        match argument(process, OWNER_SWITCH) {
            Some(owner) => owner_runs(self, &owner),
            None => process
                .parent()
                .filter(|parent| parent.as_u32() > 1)
                .and_then(|parent| self.0.process(parent))
                .is_some_and(|parent| !is_reaper(parent)),
        }
    }

    /// A process and everything below it, children last.
    pub(crate) fn tree(&self, root: u32) -> Vec<u32> {
        let mut found = vec![root];
        let mut next = 0;
        while let Some(&parent) = found.get(next) {
            next += 1;
            let children = self
                .living()
                .filter(|process| process.parent() == Some(Pid::from_u32(parent)))
                .map(|process| process.pid().as_u32())
                .filter(|pid| !found.contains(pid))
                .collect::<Vec<_>>();
            found.extend(children);
        }
        found
    }

    fn living(&self) -> impl Iterator<Item = &Process> {
        self.0
            .processes()
            .values()
            .filter(|process| process.thread_kind().is_none() && !is_zombie(process))
    }
}

/// Names this process as a browser's owner. Each one is different, so that the clean-up after one
/// launch never meets the browser of the next.
pub(crate) fn owner_argument() -> String {
    static LAUNCHES: AtomicU64 = AtomicU64::new(0);
    let launch = LAUNCHES.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    format!(
        "{OWNER_SWITCH}{pid}-{}-{launch}",
        started_at(pid).unwrap_or(0)
    )
}

/// Whether the process that an owner switch's value names still runs.
fn owner_runs(processes: &Processes, owner: &str) -> bool {
    let mut parts = owner.split('-');
    let pid = parts.next().and_then(|pid| pid.parse().ok());
    let since = parts.next();
    pid.and_then(|pid| processes.0.process(Pid::from_u32(pid)))
        .is_some_and(|process| {
            !is_zombie(process) && since == Some(process.start_time().to_string().as_str())
        })
}

fn started_at(pid: u32) -> Option<u64> {
    one(pid)
        .process(Pid::from_u32(pid))
        .map(Process::start_time)
}

/// This machine's name, as Chrome writes it into its locks.
pub(crate) fn host_name() -> Option<String> {
    System::host_name()
}

/// Whether a process runs (and is no zombie).
pub(crate) fn is_alive(pid: u32) -> bool {
    one(pid)
        .process(Pid::from_u32(pid))
        .is_some_and(|process| !is_zombie(process))
}

/// The profile folder that a living process was given, made absolute.
pub(crate) fn profile_of(pid: u32) -> Option<PathBuf> {
    let kind = ProcessRefreshKind::nothing()
        .with_cmd(UpdateKind::Always)
        .with_cwd(UpdateKind::Always);
    let system = look(pid, kind);
    let process = system.process(Pid::from_u32(pid))?;
    let given = argument(process, PROFILE_SWITCH).filter(|_| !is_zombie(process))?;
    let folder = process.cwd().unwrap_or(Path::new("/"));
    Some(folder.join(given))
}

fn look(pid: u32, kind: ProcessRefreshKind) -> System {
    let mut system = System::new();
    let pids = [Pid::from_u32(pid)];
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
    system
}

fn one(pid: u32) -> System {
    look(pid, ProcessRefreshKind::nothing())
}

/// Waits until a process is gone. Blocks; says whether it went in time.
pub(crate) fn wait_gone(pid: u32, deadline: Duration) -> bool {
    let until = Instant::now() + deadline;
    while is_alive(pid) {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// Ends a process and everything below it: asks, waits, then kills. Blocks; says whether all are
/// gone.
pub(crate) fn end_tree(root: u32, patience: Duration) -> bool {
    // Read before the root goes: its children then belong to somebody else.
    let tree = Processes::now().tree(root);
    if !patience.is_zero() {
        signal(root, Signal::TERM);
        wait_gone(root, patience);
    }
    for &pid in &tree {
        if is_alive(pid) {
            signal(pid, Signal::KILL);
        }
    }
    let killed_by = Instant::now() + Duration::from_secs(5);
    tree.iter()
        .all(|&pid| wait_gone(pid, killed_by.saturating_duration_since(Instant::now())))
}

fn signal(pid: u32, signal: Signal) {
    let Some(target) = i32::try_from(pid).ok().and_then(Signalled::from_raw) else {
        return;
    };
    if let Err(error) = kill_process(target, signal) {
        // Gone already, which is what was wanted.
        tracing::debug!(pid, %error, "a process could not be signalled");
    }
}

fn is_zombie(process: &Process) -> bool {
    matches!(
        process.status(),
        ProcessStatus::Zombie | ProcessStatus::Dead
    )
}

/// Chrome's helpers repeat the profile in their command line; only the main process has no type.
fn is_main(process: &Process) -> bool {
    argument(process, "--type=").is_none()
}

/// What adopts processes whose parent has ended.
fn is_reaper(process: &Process) -> bool {
    ["systemd", "init", "tini", "dumb-init", "launchd"]
        .iter()
        .any(|name| process.name() == OsStr::new(name))
}

fn has_profile(process: &Process, profile: &Path) -> bool {
    argument(process, PROFILE_SWITCH).is_some_and(|given| Path::new(&given) == profile)
}

/// The value of the last argument with this prefix. Chrome's helpers have their arguments joined
/// by blanks into one, so those are not seen here; nor need they be.
fn argument(process: &Process, prefix: &str) -> Option<String> {
    process
        .cmd()
        .iter()
        .rev()
        .find_map(|argument| Some(argument.to_str()?.strip_prefix(prefix)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// A harmless process with a browser's arguments.
    fn pretender(arguments: &[&str]) -> Child {
        Command::new("/bin/sh")
            .args(["-c", "sleep 60 & wait", "pretender"])
            .args(arguments)
            .spawn()
            .expect("sh")
    }

    fn wait_for_child(root: u32) {
        let until = Instant::now() + Duration::from_secs(5);
        while Processes::now().tree(root).len() < 2 {
            assert!(Instant::now() < until, "sh did not start its child");
            std::thread::sleep(POLL);
        }
    }

    #[test]
    fn a_browser_is_known_by_its_whole_profile_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let profile = folder.path().join("session-a");
        let mut child = pretender(&[&format!("--user-data-dir={}", profile.display())]);
        let processes = Processes::now();
        assert_eq!(processes.with_profile(&profile), [child.id()]);
        assert!(
            processes
                .with_profile(&folder.path().join("session"))
                .is_empty()
        );
        assert!(processes.with_profile(folder.path()).is_empty());
        // Its parent, this test, lives: somebody drives it.
        assert!(processes.left_over(&profile).is_empty());
        assert!(end_tree(child.id(), Duration::ZERO));
        child.wait().expect("reaped");
    }

    #[test]
    fn a_browser_is_left_over_when_its_owner_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let profile = format!("--user-data-dir={}", folder.path().display());
        let gone = format!("{OWNER_SWITCH}{}-1-0", std::process::id());
        let mut orphan = pretender(&[&profile, &gone]);
        let mut driven = pretender(&[&profile, &owner_argument()]);
        assert_eq!(Processes::now().left_over(folder.path()), [orphan.id()]);
        for child in [&mut orphan, &mut driven] {
            assert!(end_tree(child.id(), Duration::ZERO));
            child.wait().expect("reaped");
        }
    }

    #[test]
    fn ending_takes_the_children_along() {
        let mut child = pretender(&[]);
        wait_for_child(child.id());
        let tree = Processes::now().tree(child.id());
        assert!(end_tree(child.id(), Duration::from_millis(200)));
        assert!(tree.iter().all(|&pid| !is_alive(pid)));
        child.wait().expect("reaped");
    }
}
