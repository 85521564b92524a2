//! Until when a login has heard what happens, kept in its profile over closes and crashes.
//!
//! When WhatsApp's page syncs it shows old reactions anew, as if they had just been made, and it
//! may have a message already that no earlier run of ours had the time to tell (fact sheet §5.1).
//! The mark tells the two apart. It is WhatsApp's own time of the newest thing heard, so that a
//! wrong clock of this machine does no harm, and it goes with the login: a new one has no past.

use std::path::Path;

use tokio::sync::watch;
use tokio::task::JoinHandle;

const FILE: &str = "zapnode-heard-until";

/// Reads a profile's mark, in Unix milliseconds. One that cannot be read is as good as none. Blocks.
pub(crate) fn read(profile: &Path) -> Option<i64> {
    let text = std::fs::read_to_string(profile.join(FILE)).ok()?;
    text.trim().parse().ok()
}

/// Writes the mark whenever it has moved, one write at a time.
#[derive(Debug)]
pub(crate) struct Keeper {
    mark: watch::Sender<Option<i64>>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub(crate) fn start(profile: &Path, mark: Option<i64>) -> Self {
        let (sender, mut receiver) = watch::channel(mark);
        let path = profile.join(FILE);
        let task = tokio::spawn(async move {
            while receiver.changed().await.is_ok() {
                let mark = *receiver.borrow_and_update();
                let written = match mark {
                    Some(mark) => tokio::fs::write(&path, mark.to_string()).await,
                    None => tokio::fs::remove_file(&path).await,
                };
                if let Err(error) = written
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::warn!(path = %path.display(), %error, "what was heard is not noted");
                }
            }
        });
        Self { mark: sender, task }
    }

    pub(crate) fn set(&self, mark: Option<i64>) {
        self.mark.send_if_modified(|known| {
            let moved = *known != mark;
            *known = mark;
            moved
        });
    }

    /// Returns when the last mark is written.
    pub(crate) async fn finish(self) {
        drop(self.mark);
        // A panic in it would have been told already.
        self.task.await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_mark_outlives_its_keeper_and_goes_with_the_login() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path()), None);
        let keeper = Keeper::start(folder.path(), None);
        for mark in [1, 2, 1_800_000_000_000] {
            keeper.set(Some(mark));
        }
        keeper.finish().await;
        assert_eq!(read(folder.path()), Some(1_800_000_000_000));
        let keeper = Keeper::start(folder.path(), read(folder.path()));
        keeper.set(None);
        keeper.finish().await;
        assert_eq!(read(folder.path()), None);
        // Cut short by a crash, or not ours.
        std::fs::write(folder.path().join(FILE), "").expect("written");
        assert_eq!(read(folder.path()), None);
    }
}
