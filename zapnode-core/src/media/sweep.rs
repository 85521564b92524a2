//! Files that were not used for long are deleted, unless something still to be sent needs them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{INCOMING, MediaError, MediaStore};

impl MediaStore {
    /// Deletes what was coming in when the program ended.
    pub(crate) async fn clear_incoming(&self) {
        let folder = self.inner.folder.join(INCOMING);
        match tokio::fs::remove_dir_all(&folder).await {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, "files that did not come in whole are still there")
            }
        }
    }

    /// Deletes the files that were not used for [`MediaOptions::kept`](super::MediaOptions::kept),
    /// and says how many. Those of messages still to be sent stay.
    ///
    /// # Errors
    /// [`MediaError::Store`]; what was deleted until then stays deleted.
    pub async fn sweep(&self) -> Result<usize, MediaError> {
        match self.inner.options.kept {
            Some(kept) => self.sweep_unused_for(kept).await,
            None => Ok(0),
        }
    }

    pub(super) async fn sweep_unused_for(&self, kept: Duration) -> Result<usize, MediaError> {
        let Some(before) = SystemTime::now().checked_sub(kept) else {
            return Ok(0);
        };
        let folder = self.inner.folder.clone();
        let old = tokio::task::spawn_blocking(move || unused(&folder, before)).await;
        let old = old.unwrap_or_default();
        if old.is_empty() {
            return Ok(0);
        }
        let needed: HashSet<String> = self
            .inner
            .store
            .media_to_send()
            .await?
            .into_iter()
            .collect();
        let mut gone = vec![];
        for (path, sha256) in old {
            if needed.contains(&sha256) {
                continue;
            }
            let _alone = self.inner.gate.write().await;
            // Whoever needed it meanwhile has touched it.
            let still = tokio::fs::metadata(&path)
                .await
                .and_then(|facts| facts.modified());
            if !still.is_ok_and(|used| used < before) {
                continue;
            }
            match tokio::fs::remove_file(&path).await {
                Ok(()) => gone.push(sha256),
                Err(error) => tracing::warn!(%error, "an old file could not be deleted"),
            }
        }
        let count = gone.len();
        self.inner.store.media_gone(gone).await?;
        Ok(count)
    }
}

/// The files that were last used before `before`, with their names, which are their hashes.
fn unused(folder: &Path, before: SystemTime) -> Vec<(PathBuf, String)> {
    let read = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut old = vec![];
    for part in read(folder).filter(|entry| entry.file_name() != INCOMING) {
        for file in read(&part.path()) {
            let used = file.metadata().and_then(|facts| facts.modified());
            if used.is_ok_and(|used| used < before)
                && let Ok(name) = file.file_name().into_string()
            {
                old.push((file.path(), name));
            }
        }
    }
    old
}
