//! A session's profile folder: made, freed of stale locks, deleted.
//!
//! Chrome locks a profile by three symbolic links (fact sheet §7). `SingletonLock` names
//! `<host>-<pid>`. After a crash, or in a container made anew with another host name, they stay
//! behind and Chrome then waits 30 s and gives up. They are removed only when no living process
//! of this machine holds the profile.

use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, readlinkat};

use super::process::{self, Processes};
use crate::driver::DriverError;

const LOCKS: [&str; 3] = ["SingletonLock", "SingletonCookie", "SingletonSocket"];

/// How often and how long apart deleting is tried: Chrome's helpers may still be writing when its
/// main process is gone (fact sheet §9, EBUSY / ENOTEMPTY).
const DELETE_PAUSES: [Duration; 6] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
];

/// Makes the folder if it is not there, for its owner alone. Blocks.
pub(crate) fn make(folder: &Path) -> Result<(), DriverError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .and_then(|()| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)))
        .map_err(|source| storage(folder, source))
}

/// Removes a stale lock, or names the living process that has the profile open. Blocks.
pub(crate) fn claim(folder: &Path) -> Result<(), DriverError> {
    if let Some(pid) = holder(folder) {
        return Err(DriverError::ProfileInUse {
            folder: folder.to_owned(),
            pid,
        });
    }
    for lock in LOCKS {
        let path = folder.join(lock);
        match std::fs::remove_file(&path) {
            Ok(()) => tracing::info!(path = %path.display(), "removed a stale profile lock"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(storage(&path, source)),
        }
    }
    Ok(())
}

/// The living process of this machine that has a profile open.
fn holder(folder: &Path) -> Option<u32> {
    if let Some(&pid) = Processes::now().with_profile(folder).first() {
        return Some(pid);
    }
    // Somebody may have given Chrome another spelling of the same folder (relative, or through a
    // link). Then the lock, if it names this host, knows the process.
    let target = readlinkat(CWD, folder.join(LOCKS[0]), Vec::new()).ok()?;
    let target = target.to_str().ok()?;
    let (host, pid) = target.rsplit_once('-')?;
    let pid: u32 = pid.parse().ok()?;
    let here = process::host_name()? == host;
    let given = process::profile_of(pid)?.canonicalize().ok()?;
    (here && folder.canonicalize().is_ok_and(|folder| folder == given)).then_some(pid)
}

/// Deletes the folder and all that is in it, unless a living browser has it open. Blocks for up to
/// some seconds.
pub(crate) fn delete(folder: &Path) -> Result<(), DriverError> {
    if let Some(pid) = holder(folder) {
        return Err(DriverError::ProfileInUse {
            folder: folder.to_owned(),
            pid,
        });
    }
    let mut pauses = DELETE_PAUSES.iter();
    loop {
        match std::fs::remove_dir_all(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => {
                return Ok(());
            }
            Err(source) => match pauses.next() {
                Some(&pause) => std::thread::sleep(pause),
                None => return Err(storage(folder, source)),
            },
        }
    }
}

/// Names the file or folder that could not be handled.
pub(crate) fn storage(path: &Path, source: io::Error) -> DriverError {
    DriverError::Storage {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    fn host() -> String {
        process::host_name().expect("a name")
    }

    #[test]
    fn a_profile_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let profile = folder.path().join("auth/session-a");
        make(&profile).expect("made");
        make(&profile).expect("again");
        let mode = profile.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn locks_of_another_host_and_of_dead_processes_are_stale() {
        let mut dead = Command::new("true").spawn().expect("true");
        dead.wait().expect("reaped");
        let own = std::process::id();
        for target in [
            "another-host-1".to_owned(),
            format!("another-host-{own}"),
            format!("{}-{}", host(), dead.id()),
            // This process lives, but it is no browser with this profile: the pid came back.
            format!("{}-{own}", host()),
            "rubbish".to_owned(),
        ] {
            let folder = tempfile::tempdir().expect("a folder");
            for lock in LOCKS {
                symlink(&target, folder.path().join(lock)).expect("a link");
            }
            claim(folder.path()).expect("claimed");
            for lock in LOCKS {
                assert!(
                    folder.path().join(lock).symlink_metadata().is_err(),
                    "{target}"
                );
            }
        }
    }

    #[test]
    fn a_living_holder_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let profile = folder.path().canonicalize().expect("a path");
        let arguments = [
            format!("--user-data-dir={}", profile.display()),
            // As somebody who gave a relative path would have it.
            "--user-data-dir=.".to_owned(),
        ];
        for argument in arguments {
            let mut child = Command::new("/bin/sh")
                .args([
                    "-c",
                    "exec 0<&-; while :; do sleep 1; done",
                    "chrome",
                    &argument,
                ])
                .current_dir(&profile)
                .spawn()
                .expect("sh");
            let lock = profile.join(LOCKS[0]);
            symlink(format!("{}-{}", host(), child.id()), &lock).expect("a link");
            for refused in [claim(&profile), delete(&profile)] {
                assert!(
                    matches!(refused, Err(DriverError::ProfileInUse { pid, .. }) if pid == child.id()),
                    "{refused:?}"
                );
            }
            assert!(process::end_tree(child.id(), Duration::ZERO));
            child.wait().expect("reaped");
            claim(&profile).expect("claimed");
        }
        delete(&profile).expect("deleted");
        delete(&profile).expect("not there any more");
    }
}
