//! Writes an archive, and the checksum of everything in it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use super::place::is_left_out;
use super::{BackupError, CHECKSUMS, Checksums, MANIFEST, Manifest, Sum, name_of};
use crate::id::SessionId;

pub(super) struct Archive<W: Write> {
    tar: Builder<GzEncoder<W>>,
    sums: Checksums,
    bytes: u64,
}

impl<W: Write> Archive<W> {
    pub(super) fn begin(out: W, manifest: &Manifest) -> Result<Self, BackupError> {
        // A profile is mostly what does not compress; the fast way is nearly as small.
        let mut archive = Self {
            tar: Builder::new(GzEncoder::new(out, Compression::fast())),
            sums: Checksums::default(),
            bytes: 0,
        };
        archive.json(MANIFEST, manifest)?;
        Ok(archive)
    }

    /// Puts a file in under `name`.
    pub(super) fn file(&mut self, name: &Path, path: &Path) -> Result<(), BackupError> {
        let put = |source| BackupError::Put {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(put)?;
        let data = file.metadata().map_err(put)?;
        let modified = data.modified().ok();
        let seconds = modified
            .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |age| age.as_secs());
        self.entry(name, data.len(), seconds, file).map_err(put)
    }

    /// Puts a session's profile in, if there is one, without what is left out. Says whether there
    /// was.
    pub(super) fn profile(
        &mut self,
        session: &SessionId,
        folder: &Path,
    ) -> Result<bool, BackupError> {
        if !folder.is_dir() {
            return Ok(false);
        }
        let mut folders = vec![PathBuf::new()];
        while let Some(inner) = folders.pop() {
            let here = folder.join(&inner);
            let put = |source| BackupError::Put {
                path: here.clone(),
                source,
            };
            let entries = std::fs::read_dir(&here).map_err(put)?;
            let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(put)?;
            entries.sort_by_key(std::fs::DirEntry::file_name);
            for entry in entries {
                let name = entry.file_name();
                if name.to_str().is_none_or(is_left_out) {
                    continue;
                }
                let rest = inner.join(&name);
                let kind = entry.file_type().map_err(put)?;
                if kind.is_dir() {
                    folders.push(rest);
                } else if kind.is_file() {
                    self.file(&name_of(session, &rest), &entry.path())?;
                }
                // Links and sockets are a running Chrome's.
            }
        }
        Ok(true)
    }

    /// Completes it, and gives what it was written to, and how much is in it.
    pub(super) fn finish(mut self) -> Result<(W, u64, usize), BackupError> {
        let sums = std::mem::take(&mut self.sums);
        let (bytes, files) = (self.bytes, sums.files.len());
        self.json(CHECKSUMS, &sums)?;
        let gzip = self.tar.into_inner().map_err(BackupError::Write)?;
        let mut out = gzip.finish().map_err(BackupError::Write)?;
        out.flush().map_err(BackupError::Write)?;
        Ok((out, bytes, files))
    }

    fn json(&mut self, name: &str, value: &impl serde::Serialize) -> Result<(), BackupError> {
        let text = serde_json::to_vec_pretty(value).map_err(|e| BackupError::Write(e.into()))?;
        let length = text.len() as u64;
        self.entry(Path::new(name), length, 0, text.as_slice())
            .map_err(BackupError::Write)
    }

    fn entry(&mut self, name: &Path, size: u64, modified: u64, from: impl Read) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mtime(modified);
        header.set_mode(0o600);
        let mut from = Summing::new(from.take(size));
        self.tar.append_data(&mut header, name, &mut from)?;
        if from.size != size {
            // The archive is of no use then, and is thrown away by whoever gets the error.
            return Err(io::Error::other("it became shorter while it was read"));
        }
        self.bytes += size;
        let name = name.to_string_lossy().into_owned();
        self.sums.files.insert(name, from.sum());
        Ok(())
    }
}

/// Reads on, and adds up what was read.
pub(super) struct Summing<R> {
    from: R,
    hash: Sha256,
    size: u64,
}

impl<R> Summing<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            hash: Sha256::new(),
            size: 0,
        }
    }

    pub(super) fn sum(self) -> Sum {
        let digest = self.hash.finalize();
        Sum {
            size: self.size,
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl<R: Read> Read for Summing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
