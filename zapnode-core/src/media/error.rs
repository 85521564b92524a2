use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::message::MediaKind;
use crate::net::NetError;
use crate::store::StoreError;

/// Why a file could not be taken, prepared or found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MediaError {
    /// It is larger than allowed.
    #[error("{} is larger than the limit for {what}, {}", size_of(*.size), bytes(*.limit))]
    TooLarge {
        /// What it was to be, as `an image`.
        what: &'static str,
        /// The limit, in bytes.
        limit: u64,
        /// Its size in bytes, as far as it is known.
        size: Option<u64>,
    },
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// By its content it is something else.
    #[error("the file is {mime} by its content, which cannot be sent as {}", what(*.kind))]
    WrongKind {
        /// As what it was to be sent.
        kind: MediaKind,
        /// What it is.
        mime: String,
    },
    /// It would have to be converted, and ffmpeg is not there.
    #[error("a file of {mime} must be converted to be sent as {}, which needs ffmpeg", what(*.kind))]
    NeedsFfmpeg {
        /// As what it was to be sent.
        kind: MediaKind,
        /// What it is.
        mime: String,
    },
    /// ffmpeg could not convert it.
    #[error("the file could not be converted to be sent as {}: {reason}", what(*.kind))]
    Unconvertible {
        /// As what it was to be sent.
        kind: MediaKind,
        /// ffmpeg's last words.
        reason: String,
    },
    /// ffmpeg took too long and was ended.
    #[error("the file was not converted within {} s", .after.as_secs())]
    ConversionTimeout {
        /// How long it was given.
        after: Duration,
    },
    /// It is no base64.
    #[error("the data is no base64")]
    NotBase64,
    /// Its address gives no file.
    #[error("the file could not be fetched: {0}")]
    Fetch(#[from] NetError),
    /// Its address answered with something else than a file.
    #[error("the file could not be fetched: its address answered {status}")]
    FetchRefused {
        /// The answer's status.
        status: u16,
    },
    /// What brings it ended before it was complete.
    #[error("the file ended before it was complete: {reason}")]
    Broken {
        /// Why.
        reason: String,
    },
    /// It, or the next piece of it, did not come in time.
    #[error("the file, or the next piece of it, did not come within {} s", .after.as_secs())]
    Slow {
        /// How long it was waited for.
        after: Duration,
    },
    /// There is no file of this id, or not any more.
    #[error("there is no such file, or not any more")]
    NotFound,
    /// A file could not be written or read.
    #[error("{} could not be written or read", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn what(kind: MediaKind) -> &'static str {
    kind.what()
}

fn size_of(size: Option<u64>) -> String {
    size.map_or_else(
        || "the file".to_owned(),
        |size| format!("a file of {}", bytes(size)),
    )
}

/// A size for people: whole units, or one decimal.
pub(crate) fn bytes(size: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if size < 1024 {
        return format!("{size} bytes");
    }
    let (mut unit, mut divisor) = (0, 1024_u64);
    while unit + 1 < UNITS.len() && size >= divisor * 1024 {
        unit += 1;
        divisor *= 1024;
    }
    let tenths = (u128::from(size) * 10 / u128::from(divisor)) as u64;
    match tenths % 10 {
        0 => format!("{} {}", tenths / 10, UNITS[unit]),
        rest => format!("{}.{rest} {}", tenths / 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (size, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (16 << 20, "16 MiB"),
            (1_600_000, "1.5 MiB"),
            (2 << 30, "2 GiB"),
        ] {
            assert_eq!(bytes(size), text);
        }
        let error = MediaError::TooLarge {
            what: "an image",
            limit: 16 << 20,
            size: Some(17 << 20),
        };
        assert_eq!(
            error.to_string(),
            "a file of 17 MiB is larger than the limit for an image, 16 MiB"
        );
    }
}
