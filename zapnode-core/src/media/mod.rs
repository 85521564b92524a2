//! Files that messages carry, on disk under the hash of their content.
//!
//! A file comes as a stream, is counted and hashed as it comes and never in memory as a whole, and
//! is looked at: what it is, its bytes say and not its name. One that several messages carry is
//! there once. It stays for as long as it was not used ([`MediaOptions::kept`]), and longer where a
//! message that is still to be sent needs it.
//!
//! - `limits`: how large it may be, what it is, what it may be called. Pure.
//! - `convert`: to the format that WhatsApp wants, by ffmpeg.
//! - `intake`: how it comes in.
//! - `received`: what came with messages of others; `by_rule`: loading that as it comes.
//! - `sweep`: what goes after a while.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::RwLock;
use ulid::Ulid;

use crate::message::{Media, MediaFile, MediaKind};
use crate::net::{HttpClient, Policy, Timeouts};
use crate::store::{self, Store};

mod by_rule;
mod convert;
mod error;
mod intake;
mod limits;
mod received;
mod sweep;

pub(crate) use by_rule::load_by_rule;
pub use error::MediaError;
pub use intake::About;
pub use limits::{LARGEST_DOCUMENT, MediaLimits, clean_name};
pub use received::{AutoDownload, MediaState, StoredMedia};

/// The folder's name in the data folder.
const FOLDER: &str = "media";

/// What is still coming in lies there.
const INCOMING: &str = "incoming";

/// How long a file may take to be fetched from its address.
const FETCHED_WITHIN: Duration = Duration::from_secs(300);

/// How the media store works.
#[derive(Clone, Debug)]
pub struct MediaOptions {
    /// How large files may be.
    pub limits: MediaLimits,
    /// Deletes files that were not used for so long. `None`: they are kept.
    pub kept: Option<Duration>,
    /// The ffmpeg that converts. `None`: nothing is converted.
    pub ffmpeg: Option<PathBuf>,
    /// Which files of messages that come are loaded at once.
    pub download: AutoDownload,
    /// Whether files are fetched from private addresses too.
    pub allow_private: bool,
}

impl Default for MediaOptions {
    /// 30 days, without ffmpeg, files of others only when asked for, none from private addresses.
    fn default() -> Self {
        Self {
            limits: MediaLimits::default(),
            kept: Some(Duration::from_secs(30 * 24 * 3600)),
            ffmpeg: None,
            download: AutoDownload::default(),
            allow_private: false,
        }
    }
}

/// The files of a data folder. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct MediaStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    store: Store,
    options: MediaOptions,
    http: HttpClient,
    /// Read while somebody begins to need a file, written while old ones are deleted: so none goes
    /// between being found and being used.
    gate: RwLock<()>,
    /// One at a time, since each takes a processor.
    converting: tokio::sync::Semaphore,
}

impl MediaStore {
    pub(crate) fn open(data: &Path, store: Store, options: MediaOptions) -> Self {
        let timeouts = Timeouts {
            total: FETCHED_WITHIN,
            ..Timeouts::default()
        };
        // A driver may work in another folder.
        let data = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
        let inner = Inner {
            folder: data.join(FOLDER),
            store,
            options,
            http: HttpClient::new(timeouts, &[]),
            gate: RwLock::default(),
            converting: tokio::sync::Semaphore::new(1),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// How it works.
    pub fn options(&self) -> &MediaOptions {
        &self.inner.options
    }

    /// Where the file with this hash (64 lower-case hex digits) lies, absolute; it need not be there.
    pub fn path_of(&self, sha256: &str) -> PathBuf {
        let begin = sha256.get(..2).unwrap_or(sha256);
        self.inner.folder.join(begin).join(sha256)
    }

    fn policy(&self) -> Policy {
        if self.inner.options.allow_private {
            Policy::Any
        } else {
            Policy::PublicOnly
        }
    }

    /// Makes a file ready to be sent as `kind`: checks its size and what it is by its content, and
    /// converts it where that is needed (a voice note to Opus, a GIF to MP4, a sticker to WebP).
    ///
    /// # Errors
    /// [`MediaError::TooLarge`], [`MediaError::WrongKind`], [`MediaError::NeedsFfmpeg`],
    /// [`MediaError::Unconvertible`], [`MediaError::ConversionTimeout`], [`MediaError::NotFound`].
    pub async fn prepare(&self, kind: MediaKind, file: MediaFile) -> Result<MediaFile, MediaError> {
        let recipe = convert::recipe(kind, &file.mime, &self.head(&file.path).await?)?;
        let limit = self.inner.options.limits.of(kind);
        // What is converted is judged by what comes of it.
        if recipe.is_none() && file.size > limit {
            return Err(MediaError::TooLarge {
                what: kind.what(),
                limit,
                size: Some(file.size),
            });
        }
        let Some(recipe) = recipe else {
            return Ok(file);
        };
        let Some(ffmpeg) = &self.inner.options.ffmpeg else {
            return Err(MediaError::NeedsFfmpeg {
                kind,
                mime: file.mime,
            });
        };
        // Closed never.
        let _turn = self.inner.converting.acquire().await;
        let scratch = self.scratch().await?;
        let (from, to) = (file.path.clone(), scratch.path().to_owned());
        convert::convert(ffmpeg, recipe, kind, &from, to, convert::CONVERTED_WITHIN).await?;
        let about = About {
            name: file.name,
            kind: Some(kind),
            ..About::default()
        };
        self.add_file(scratch.path(), about).await
    }

    /// The first bytes of a file that is here.
    async fn head(&self, path: &Path) -> Result<Vec<u8>, MediaError> {
        use tokio::io::AsyncReadExt;
        let failed = |source: std::io::Error| match source.kind() {
            std::io::ErrorKind::NotFound => MediaError::NotFound,
            _ => io(path, source),
        };
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        let mut head = Vec::with_capacity(limits::HEAD);
        let mut beginning = file.take(limits::HEAD as u64);
        beginning.read_to_end(&mut head).await.map_err(failed)?;
        Ok(head)
    }

    /// Gives a file an id under which messages can name it and others can have it.
    ///
    /// # Errors
    /// [`MediaError::Store`].
    pub async fn keep(&self, file: &MediaFile) -> Result<StoredMedia, MediaError> {
        let media = StoredMedia {
            id: Ulid::new(),
            message: None,
            state: MediaState::Available,
            sha256: Some(file.sha256.clone()),
            mime: Some(file.mime.clone()),
            name: file.name.clone(),
            size: Some(file.size),
            created_at: store::now(),
        };
        self.inner.store.insert_media(media.clone()).await?;
        Ok(media)
    }

    /// What is known of a file by its id.
    ///
    /// # Errors
    /// [`MediaError::NotFound`], [`MediaError::Store`].
    pub async fn find(&self, id: Ulid) -> Result<StoredMedia, MediaError> {
        let found = self.inner.store.media(id).await?;
        found.ok_or(MediaError::NotFound)
    }

    /// A file that is here, to be sent or read. It is not deleted for [`MediaOptions::kept`] from
    /// now on.
    ///
    /// # Errors
    /// [`MediaError::NotFound`] where its bytes are not here, or not any more.
    pub async fn file(&self, media: &StoredMedia) -> Result<MediaFile, MediaError> {
        let sha256 = media.sha256.clone().ok_or(MediaError::NotFound)?;
        let path = self.path_of(&sha256);
        let _held = self.inner.gate.read().await;
        let size = touch(&path).await?;
        Ok(MediaFile {
            path,
            mime: media
                .mime
                .clone()
                .unwrap_or_else(|| "application/octet-stream".to_owned()),
            name: media.name.clone(),
            size,
            sha256,
        })
    }

    /// Whether the file with this hash is here.
    pub(crate) async fn has(&self, sha256: &str) -> bool {
        tokio::fs::metadata(self.path_of(sha256)).await.is_ok()
    }

    /// Makes sure that the file of a message that is about to be accepted is here and stays, and is
    /// not larger than it may be.
    pub(crate) async fn claim(&self, media: &Media) -> Result<(), MediaError> {
        let limit = self.inner.options.limits.of(media.kind);
        let path = self.path_of(&media.file.sha256);
        let _held = self.inner.gate.read().await;
        let size = touch(&path).await?;
        if size > limit {
            return Err(MediaError::TooLarge {
                what: media.kind.what(),
                limit,
                size: Some(size),
            });
        }
        Ok(())
    }
}

/// Notes that a file is used now, and says how large it is.
async fn touch(path: &Path) -> Result<u64, MediaError> {
    let owned = path.to_owned();
    let touched = tokio::task::spawn_blocking(move || {
        let file = std::fs::File::open(&owned)?;
        // Where the times cannot be set it goes earlier, which is no reason to fail.
        if let Err(error) = file.set_modified(SystemTime::now()) {
            tracing::debug!(%error, "a file's time could not be set");
        }
        Ok(file.metadata()?.len())
    });
    match touched.await {
        Ok(Ok(size)) => Ok(size),
        Ok(Err(error)) => Err(match std::io::Error::kind(&error) {
            std::io::ErrorKind::NotFound => MediaError::NotFound,
            _ => io(path, error),
        }),
        Err(_) => Err(MediaError::NotFound),
    }
}

fn io(path: &Path, source: std::io::Error) -> MediaError {
    MediaError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
