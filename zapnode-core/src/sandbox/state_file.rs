//! The state file: accounts, linked devices, messages and ports, so that pages keep their login
//! over a restart of the sandbox.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::world::Kept;

/// The ports of a sandbox. A page's storage belongs to its origin, so they must not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) http: u16,
    pub(super) https: Option<u16>,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    ports: Ports,
    #[serde(flatten)]
    kept: &'a Kept,
}

#[derive(Deserialize)]
struct Read {
    version: u32,
    ports: Ports,
    #[serde(flatten)]
    kept: Kept,
}

const VERSION: u32 = 1;

/// Where the state is kept.
#[derive(Clone, Debug)]
pub(super) struct StateFile {
    path: PathBuf,
}

impl StateFile {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where the media servers keep their files, beside it.
    pub(super) fn media_folder(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".media");
        name.into()
    }

    /// Reads it; nothing when it does not exist yet.
    pub(super) fn read(&self) -> io::Result<Option<(Kept, Ports)>> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let read: Read = serde_json::from_slice(&text)?;
        if read.version != VERSION {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("version {} of it is not known", read.version),
            ));
        }
        Ok(Some((read.kept, read.ports)))
    }

    /// The file's text.
    pub(super) fn text(kept: &Kept, ports: Ports) -> Vec<u8> {
        let written = Written {
            version: VERSION,
            ports,
            kept,
        };
        // Plain data with text keys: it cannot fail, and an empty text is refused when read.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Puts the text in the former one's place, whole or not at all.
    pub(super) fn write_now(&self, text: &[u8]) -> io::Result<()> {
        if let Some(folder) = self
            .path
            .parent()
            .filter(|path| !path.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder)?;
        }
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, &self.path)
    }

    /// The same on a thread that may block.
    pub(super) async fn write(&self, text: Vec<u8>) -> io::Result<()> {
        let file = self.clone();
        tokio::task::spawn_blocking(move || file.write_now(&text))
            .await
            .map_err(io::Error::other)?
    }
}
