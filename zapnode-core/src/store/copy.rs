//! A copy of the whole store at one moment, while it is being written.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{FILE_NAME, Store, StoreError};

impl Store {
    /// Writes the store as it is now to a new file, compact and complete in itself. Nobody is
    /// held up: a second connection reads, and in WAL mode readers and the writer do not wait for
    /// each other. What waits to be written ([`StoreHealth::waiting`](super::StoreHealth)) is not
    /// in it.
    ///
    /// # Errors
    /// By situation; then there may be part of a file.
    pub async fn copy_to(&self, target: &Path) -> Result<(), StoreError> {
        let source = self.folder().join(FILE_NAME);
        let target = target.to_owned();
        let copied = tokio::task::spawn_blocking(move || -> Result<(), StoreError> {
            let connection = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.execute("VACUUM INTO ?1", [target.to_string_lossy()])?;
            Ok(())
        });
        copied.await.map_err(|_| StoreError::Closed)?
    }
}
