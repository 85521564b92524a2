//! The account's own profile.

use thiserror::Error;

use crate::id::ChatId;

/// The most characters of the account's name: what WhatsApp's own clients allow.
pub const MAX_NAME_CHARACTERS: usize = 25;

/// The most characters of the about text: what WhatsApp's own clients allow.
pub const MAX_ABOUT_CHARACTERS: usize = 139;

/// The largest picture that is taken, in bytes. The page makes it small before it is sent.
pub const MAX_PICTURE_BYTES: usize = 5 * 1024 * 1024;

/// The account's own profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnProfile {
    /// `…@c.us`.
    pub phone: Option<ChatId>,
    /// `…@lid`.
    pub lid: Option<ChatId>,
    /// Its name.
    pub name: Option<String>,
    /// Its about text.
    pub about: Option<String>,
    /// The address of its picture.
    pub picture: Option<String>,
}

/// What is to be changed of the account's own profile; others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileChange {
    /// Its name: 1 to [`MAX_NAME_CHARACTERS`] characters.
    Name(String),
    /// Its about text: at most [`MAX_ABOUT_CHARACTERS`] characters.
    About(String),
    /// Its picture; a square is cut out of the middle.
    Picture(Picture),
    /// No picture.
    NoPicture,
}

/// What is wrong with a change of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidProfile {
    /// The name.
    #[error("a name has 1 to {MAX_NAME_CHARACTERS} characters, and no line breaks")]
    Name,
    /// The about text.
    #[error("an about text has at most {MAX_ABOUT_CHARACTERS} characters")]
    About,
    /// The picture is none.
    #[error("a picture is a JPEG, PNG or WebP image")]
    NotAPicture,
    /// The picture is too large.
    #[error("a picture has at most {} MiB", MAX_PICTURE_BYTES / (1024 * 1024))]
    TooLarge,
}

impl ProfileChange {
    /// Checks it, so that nothing is asked of WhatsApp that it would cut or refuse.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidProfile> {
        match self {
            Self::Name(name) => {
                let length = name.chars().count();
                let fits = (1..=MAX_NAME_CHARACTERS).contains(&length);
                let fits = fits && !name.trim().is_empty() && !name.contains(char::is_control);
                fits.then_some(()).ok_or(InvalidProfile::Name)
            }
            Self::About(text) => {
                let fits = text.chars().nth(MAX_ABOUT_CHARACTERS).is_none();
                fits.then_some(()).ok_or(InvalidProfile::About)
            }
            Self::Picture(_) | Self::NoPicture => Ok(()),
        }
    }
}

/// A picture, known by its content and not by what somebody calls it.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    bytes: Vec<u8>,
    kind: PictureKind,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({:?}, {} bytes)", self.kind, self.bytes.len())
    }
}

/// What a picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
    /// `image/webp`
    WebP,
}

impl PictureKind {
    /// Its type on the web.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::WebP => "image/webp",
        }
    }
}

impl Picture {
    /// Takes a picture.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub fn new(bytes: Vec<u8>) -> Result<Self, InvalidProfile> {
        if bytes.len() > MAX_PICTURE_BYTES {
            return Err(InvalidProfile::TooLarge);
        }
        let kind = match bytes.as_slice() {
            [0xff, 0xd8, 0xff, ..] => PictureKind::Jpeg,
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => PictureKind::Png,
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
            _ => return Err(InvalidProfile::NotAPicture),
        };
        Ok(Self { bytes, kind })
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it is.
    pub fn kind(&self) -> PictureKind {
        self.kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_whatsapp_would_cut_is_refused() {
        let name = |text: &str| ProfileChange::Name(text.to_owned()).check().is_ok();
        assert!(name("Loja da Ana") && name(&"é".repeat(25)));
        assert!(!name("") && !name("  ") && !name(&"é".repeat(26)) && !name("a\nb"));
        let about = |text: &str| ProfileChange::About(text.to_owned()).check().is_ok();
        assert!(about("") && about(&"é".repeat(139)) && !about(&"é".repeat(140)));
    }

    #[test]
    fn a_picture_is_known_by_its_content() {
        for (bytes, kind) in [
            (b"\xff\xd8\xff\xe0rest".to_vec(), Ok(PictureKind::Jpeg)),
            (b"\x89PNG\r\n\x1a\nrest".to_vec(), Ok(PictureKind::Png)),
            (
                b"RIFF\x01\x02\x03\x04WEBPVP8 ".to_vec(),
                Ok(PictureKind::WebP),
            ),
            (b"GIF89a".to_vec(), Err(InvalidProfile::NotAPicture)),
            (b"<svg onload=x>".to_vec(), Err(InvalidProfile::NotAPicture)),
            (b"".to_vec(), Err(InvalidProfile::NotAPicture)),
            (
                vec![0xff; MAX_PICTURE_BYTES + 1],
                Err(InvalidProfile::TooLarge),
            ),
        ] {
            assert_eq!(Picture::new(bytes).map(|picture| picture.kind()), kind);
        }
    }
}
