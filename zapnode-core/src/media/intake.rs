//! How a file comes in: piece by piece, counted and hashed on the way to the disk.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use futures_util::{Stream, StreamExt};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};
use ulid::Ulid;
use url::Url;

use super::limits::{HEAD, clean_name, mime_by_name, mime_of};
use super::{FETCHED_WITHIN, INCOMING, MediaError, MediaStore, io, touch};
use crate::message::{MediaFile, MediaKind};

/// How long the next piece of a file may take.
const PIECE_WITHIN: Duration = Duration::from_secs(30);

/// The slowest that a file may come as a whole. Bytes in a second.
const SLOWEST: u64 = 16 * 1024;

/// How many bytes are read or decoded at a time.
const PIECE: usize = 64 * 1024;

/// What is said of a file that comes in.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Its name, of which what is safe is kept.
    pub name: Option<String>,
    /// What it is said to be; believed only where its content shows nothing else.
    pub mime: Option<String>,
    /// As what it will be sent, which bounds its size. Absent: as large as any may be. What will be
    /// converted is bounded afterwards.
    pub kind: Option<MediaKind>,
}

/// A file that is not in its place yet; deleted when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Usually moved away by now, or never written.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl MediaStore {
    /// A place for a file to come.
    pub(crate) async fn scratch(&self) -> Result<Scratch, MediaError> {
        let folder = self.inner.folder.join(INCOMING);
        private(&folder).await?;
        Ok(Scratch(folder.join(Ulid::new().to_string())))
    }

    /// Takes a file that comes in pieces.
    ///
    /// # Errors
    /// [`MediaError::TooLarge`], [`MediaError::Empty`], [`MediaError::Slow`],
    /// [`MediaError::Broken`] with the stream's reason, [`MediaError::Io`]. Nothing is left of it
    /// then.
    pub async fn add<E: std::fmt::Display>(
        &self,
        pieces: impl Stream<Item = Result<Bytes, E>> + Send,
        about: About,
    ) -> Result<MediaFile, MediaError> {
        let limit = self.limit(&about);
        let too_large = |size| MediaError::TooLarge {
            what: about.kind.map_or("a file", MediaKind::what),
            limit,
            size,
        };
        let scratch = self.scratch().await?;
        let failed = |source| io(scratch.path(), source);
        let mut file = File::create_new(scratch.path()).await.map_err(failed)?;
        let (mut hash, mut size, mut head) = (Sha256::new(), 0_u64, Vec::new());
        let mut pieces = std::pin::pin!(pieces);
        let whole_within = PIECE_WITHIN + Duration::from_secs(limit / SLOWEST);
        let until = Instant::now() + whole_within;
        loop {
            let next = until.min(Instant::now() + PIECE_WITHIN);
            let piece = match timeout_at(next, pieces.next()).await {
                Ok(None) => break,
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => {
                    let reason = error.to_string();
                    return Err(MediaError::Broken { reason });
                }
                Err(_) if Instant::now() >= until => {
                    return Err(MediaError::Slow {
                        after: whole_within,
                    });
                }
                Err(_) => {
                    return Err(MediaError::Slow {
                        after: PIECE_WITHIN,
                    });
                }
            };
            size += piece.len() as u64;
            if size > limit {
                return Err(too_large(None));
            }
            let wanted = HEAD.saturating_sub(head.len()).min(piece.len());
            head.extend_from_slice(&piece[..wanted]);
            hash.update(&piece);
            file.write_all(&piece).await.map_err(failed)?;
        }
        if size == 0 {
            return Err(MediaError::Empty);
        }
        // A message that names it is accepted next, and that is a promise.
        file.sync_all().await.map_err(failed)?;
        drop(file);
        let digest = hash.finalize();
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.path_of(&sha256);
        {
            let _held = self.inner.gate.read().await;
            if touch(&path).await.is_err() {
                if let Some(folder) = path.parent() {
                    private(folder).await?;
                }
                let moved = tokio::fs::rename(scratch.path(), &path).await;
                moved.map_err(|source| io(&path, source))?;
            }
        }
        let claimed = about.mime.as_deref();
        let by_name = about.name.as_deref().and_then(mime_by_name);
        // Senders that know nothing say this of everything.
        let claimed = claimed.filter(|mime| *mime != "application/octet-stream");
        Ok(MediaFile {
            mime: mime_of(&head, claimed.or(by_name)),
            name: about.name.as_deref().and_then(clean_name),
            path,
            size,
            sha256,
        })
    }

    fn limit(&self, about: &About) -> u64 {
        let limits = &self.inner.options.limits;
        match about.kind {
            // These may be made smaller.
            Some(MediaKind::Gif | MediaKind::Voice | MediaKind::Sticker) | None => limits.largest(),
            Some(kind) => limits.of(kind),
        }
    }

    /// Takes a copy of a file of this machine. Not for paths that somebody else names.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn add_file(&self, path: &Path, about: About) -> Result<MediaFile, MediaError> {
        let failed = |source| io(path, source);
        let file = File::open(path).await.map_err(failed)?;
        let facts = file.metadata().await.map_err(failed)?;
        if !facts.is_file() {
            return Err(failed(std::io::Error::new(
                std::io::ErrorKind::InvalidInput,
                "it is no file",
            )));
        }
        let pieces = futures_util::stream::unfold((file, false), |(mut file, over)| async move {
            if over {
                return None;
            }
            let mut piece = vec![0; PIECE];
            match file.read(&mut piece).await {
                Ok(0) => None,
                Ok(read) => {
                    piece.truncate(read);
                    Some((Ok(Bytes::from(piece)), (file, false)))
                }
                Err(error) => Some((Err(error), (file, true))),
            }
        });
        self.add(pieces, about).await
    }

    /// Takes a file as base64, with or without padding, of either alphabet, as a `data:` URL too.
    ///
    /// # Errors
    /// [`MediaError::NotBase64`], else as [`add`](Self::add).
    pub async fn add_base64(&self, text: &str, mut about: About) -> Result<MediaFile, MediaError> {
        // Mail breaks its lines.
        let joined: Cow<'_, str> = if text.contains(|c: char| c.is_ascii_whitespace()) {
            text.split_ascii_whitespace().collect::<String>().into()
        } else {
            text.into()
        };
        let mut text = &*joined;
        if let Some(rest) = text.strip_prefix("data:") {
            let (kind, data) = rest.split_once(',').ok_or(MediaError::NotBase64)?;
            let kind = kind.strip_suffix(";base64").ok_or(MediaError::NotBase64)?;
            about.mime = about.mime.or_else(|| Some(kind.to_owned()));
            text = data;
        }
        let url_safe = text.bytes().any(|b| matches!(b, b'-' | b'_'));
        let engine = match (url_safe, text.ends_with('=')) {
            (false, true) => STANDARD,
            (false, false) => STANDARD_NO_PAD,
            (true, true) => URL_SAFE,
            (true, false) => URL_SAFE_NO_PAD,
        };
        // Four letters are three bytes, so each piece is whole; only the last may be padded.
        let pieces = text.as_bytes().chunks(PIECE).map(move |letters| {
            let bytes = engine.decode(letters).map_err(|_| "no base64");
            bytes.map(Bytes::from)
        });
        let added = self.add(futures_util::stream::iter(pieces), about).await;
        added.map_err(|error| match error {
            MediaError::Broken { .. } => MediaError::NotBase64,
            other => other,
        })
    }

    /// Fetches a file from an address, which must be a public one unless private ones are allowed;
    /// redirects are followed on its own host only.
    ///
    /// # Errors
    /// [`MediaError::Fetch`], [`MediaError::FetchRefused`], else as [`add`](Self::add).
    pub async fn add_url(&self, url: &Url, mut about: About) -> Result<MediaFile, MediaError> {
        let until = Instant::now() + FETCHED_WITHIN;
        let http = &self.inner.http;
        let answer = http.open(self.policy(), url, HeaderMap::new()).await?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(MediaError::FetchRefused { status });
        }
        let header = |name| answer.headers().get(name).and_then(|v| v.to_str().ok());
        let announced = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        let limit = self.limit(&about);
        if announced.is_some_and(|size| size > limit) {
            return Err(MediaError::TooLarge {
                what: about.kind.map_or("a file", MediaKind::what),
                limit,
                size: announced,
            });
        }
        about.mime = about
            .mime
            .or_else(|| header(CONTENT_TYPE).map(str::to_owned));
        about.name = about.name.or_else(|| name_in(url));
        let pieces = answer.into_body().into_data_stream();
        match timeout_at(until, self.add(pieces, about)).await {
            Ok(added) => added,
            Err(_) => Err(MediaError::Slow {
                after: FETCHED_WITHIN,
            }),
        }
    }
}

/// The name that an address gives a file.
fn name_in(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    let name = percent_encoding::percent_decode_str(last)
        .decode_utf8()
        .ok()?;
    (!name.is_empty()).then(|| name.into_owned())
}

/// Makes a folder that only this user can read.
async fn private(folder: &Path) -> Result<(), MediaError> {
    let owned = folder.to_owned();
    let made = tokio::task::spawn_blocking(move || crate::owner::private_folder(&owned)).await;
    match made {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) => Err(io(folder, source)),
        Err(_) => Err(io(folder, std::io::ErrorKind::Other.into())),
    }
}
