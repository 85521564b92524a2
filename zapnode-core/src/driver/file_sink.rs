//! A file that comes in pieces: under its own name only once it is complete, with its hash counted as
//! it comes.

use std::path::{Path, PathBuf};

use ring::digest::{Context, SHA256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::DriverError;

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// See the [module](self). One that is dropped before its end leaves nothing behind.
pub(crate) struct FileSink {
    to: PathBuf,
    part: PathBuf,
    file: Option<File>,
    hash: Context,
    size: u64,
}

impl FileSink {
    /// Begins one that will be at `to`.
    pub(crate) async fn create(to: &Path) -> Result<Self, DriverError> {
        let mut part = to.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part)
            .await
            .map_err(|source| unwritten(&part, source))?;
        Ok(Self {
            to: to.to_owned(),
            part,
            file: Some(file),
            hash: Context::new(&SHA256),
            size: 0,
        })
    }

    /// How many bytes have come.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Takes the next piece.
    pub(crate) async fn write(&mut self, piece: &[u8]) -> Result<(), DriverError> {
        if let Some(file) = &mut self.file {
            let written = file.write_all(piece).await;
            written.map_err(|source| unwritten(&self.part, source))?;
        }
        self.hash.update(piece);
        self.size += piece.len() as u64;
        Ok(())
    }

    /// Gives it its name; returns its hash in hexadecimal.
    pub(crate) async fn finish(mut self) -> Result<String, DriverError> {
        if let Some(mut file) = self.file.take() {
            let synced = async {
                file.flush().await?;
                file.sync_all().await?;
                tokio::fs::rename(&self.part, &self.to).await
            };
            if let Err(source) = synced.await {
                std::fs::remove_file(&self.part).ok();
                return Err(unwritten(&self.to, source));
            }
        }
        Ok(hex(self.hash.clone().finish().as_ref()))
    }
}

impl Drop for FileSink {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            std::fs::remove_file(&self.part).ok();
        }
    }
}

fn unwritten(path: &Path, source: std::io::Error) -> DriverError {
    DriverError::FileNotWritten {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_has_its_name_only_once_it_is_complete() {
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("a.jpg");
        let mut sink = FileSink::create(&to).await.expect("begun");
        sink.write(b"a").await.expect("written");
        sink.write(b"bc").await.expect("written");
        assert!(!to.exists());
        assert_eq!(sink.size(), 3);
        let hash = sink.finish().await.expect("finished");
        assert_eq!(
            hash,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(std::fs::read(&to).expect("there"), b"abc");

        // Given up half-way, nothing is left, and what was there before stays.
        let mut sink = FileSink::create(&to).await.expect("begun");
        sink.write(b"other").await.expect("written");
        drop(sink);
        assert_eq!(std::fs::read(&to).expect("there"), b"abc");
        let left = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(left, 1);

        let nowhere = FileSink::create(&folder.path().join("no/such")).await;
        assert!(matches!(nowhere, Err(DriverError::FileNotWritten { .. })));
    }
}
