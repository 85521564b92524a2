use std::fmt;

use thiserror::Error;

/// The largest file that is taken as a picture: pages make 640 pixels of it anyway.
pub const MAX_PICTURE_BYTES: usize = 5 * 1024 * 1024;

/// A picture of a group or a channel: a file whose beginning says that it is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    kind: PictureKind,
    bytes: Vec<u8>,
}

/// What kind of file a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    WebP,
}

impl PictureKind {
    /// Its media type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }
}

/// Why a file cannot be a picture.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidPicture {
    /// It begins like none of the kinds that are taken.
    #[error("a picture is a JPEG, PNG or WebP file")]
    Kind,
    /// It is too large.
    #[error("a picture has at most {MAX_PICTURE_BYTES} bytes; got {0}")]
    TooLarge(usize),
}

impl Picture {
    /// Looks at what a file begins with, not at its name.
    ///
    /// # Errors
    /// When it is of another kind, or too large.
    pub fn new(bytes: Vec<u8>) -> Result<Self, InvalidPicture> {
        if bytes.len() > MAX_PICTURE_BYTES {
            return Err(InvalidPicture::TooLarge(bytes.len()));
        }
        let kind = match &bytes[..] {
            [0xff, 0xd8, 0xff, ..] => PictureKind::Jpeg,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => PictureKind::Png,
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => PictureKind::WebP,
            _ => return Err(InvalidPicture::Kind),
        };
        Ok(Self { kind, bytes })
    }

    /// What kind of file it is.
    pub fn kind(&self) -> PictureKind {
        self.kind
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Picture({}, {} bytes)",
            self.kind.mime(),
            self.bytes.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_known_by_their_beginning() {
        for (bytes, kind) in [
            (&b"\xff\xd8\xff\xe0rest"[..], Ok(PictureKind::Jpeg)),
            (b"\x89PNG\r\n\x1a\nrest", Ok(PictureKind::Png)),
            (b"RIFF\0\0\0\0WEBPrest", Ok(PictureKind::WebP)),
            (b"RIFF\0\0\0\0WAVErest", Err(InvalidPicture::Kind)),
            (b"<svg/>", Err(InvalidPicture::Kind)),
            (b"", Err(InvalidPicture::Kind)),
        ] {
            let picture = Picture::new(bytes.to_vec());
            assert_eq!(picture.map(|picture| picture.kind()), kind);
        }
        let large = vec![0; MAX_PICTURE_BYTES + 1];
        let size = large.len();
        assert_eq!(Picture::new(large), Err(InvalidPicture::TooLarge(size)));
    }
}
