//! Where a list goes on: an opaque text that callers hand back as they got it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// A text that is no cursor of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("this is no cursor of an earlier answer")]
pub struct InvalidCursor;

pub(crate) fn write(place: &impl Serialize) -> String {
    // Places are plain fields; they can always be written.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, InvalidCursor> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
    serde_json::from_slice(&json).map_err(|_| InvalidCursor)
}

/// Gives a place its text form.
macro_rules! cursor {
    ($name:ident) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::cursor::write(self))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::cursor::InvalidCursor;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::cursor::read(text)
            }
        }
    };
}
pub(crate) use cursor;
