//! Files that messages carry, on disk under their content's hash.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder's name in the data folder.
const FOLDER: &str = "media";

/// The files of a data folder. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MediaStore {
    folder: Arc<Path>,
}

impl MediaStore {
    pub(crate) fn in_folder(data: &Path) -> Self {
        let folder = data.join(FOLDER).into();
        Self { folder }
    }

    /// Where the file with this hash (64 lower-case hex digits) lies, absolute if the data folder is
    /// named so; it need not be there.
    pub fn path_of(&self, sha256: &str) -> PathBuf {
        let begin = sha256.get(..2).unwrap_or(sha256);
        self.folder.join(begin).join(sha256)
    }
}
