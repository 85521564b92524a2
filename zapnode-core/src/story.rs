//! The account's status, and those of others (fact sheet §4.6, §6.2): what WhatsApp shows for a day.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use crate::id::MessageId;
use crate::message::Person;

/// The most characters of a status, as in WhatsApp's own clients.
pub const MAX_STATUS_CHARACTERS: usize = 700;

/// The highest number of a font (fact sheet §4.6).
pub const MAX_FONT: u8 = 7;

/// A text to show as the account's status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusText {
    /// 1 to [`MAX_STATUS_CHARACTERS`] characters.
    pub text: String,
    /// Its ground, as `0xAARRGGBB`.
    pub color: u32,
    /// Its font, 0 to [`MAX_FONT`].
    pub font: u8,
}

/// A status that cannot be shown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidStatus {
    /// No text, or too much of it.
    #[error("a status has 1 to {MAX_STATUS_CHARACTERS} characters; got {0}")]
    Text(usize),
    /// There is no such font.
    #[error("a status has font 0 to {MAX_FONT}; got {0}")]
    Font(u8),
}

impl StatusText {
    /// On the ground that WhatsApp's clients begin with.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            color: 0xff7a_cca5,
            font: 0,
        }
    }

    /// Says whether it can be shown at all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidStatus> {
        if self.font > MAX_FONT {
            return Err(InvalidStatus::Font(self.font));
        }
        match self.text.trim().chars().count() {
            0 => Err(InvalidStatus::Text(0)),
            _ => match self.text.chars().count() {
                1..=MAX_STATUS_CHARACTERS => Ok(()),
                count => Err(InvalidStatus::Text(count)),
            },
        }
    }
}

/// What somebody shows now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusFeed {
    /// Who.
    pub from: Person,
    /// When something was last added, to the second.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
    /// How many there are.
    pub total: Option<u32>,
    /// How many of them were not seen.
    pub unread: Option<u32>,
    /// Those the page has loaded, oldest first.
    pub updates: Vec<StatusUpdate>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusUpdate {
    /// Its whole key.
    pub id: MessageId,
    /// WhatsApp's word for the kind, as `chat` for text.
    pub kind: String,
    /// The text, or a medium's caption.
    pub text: Option<String>,
    /// When, to the second.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_checked_before_it_is_shown() {
        for (text, font, expected) in [
            ("olá", 0, Ok(())),
            ("olá", 8, Err(InvalidStatus::Font(8))),
            ("  ", 0, Err(InvalidStatus::Text(0))),
            (&*"é".repeat(700), 7, Ok(())),
            (&*"é".repeat(701), 7, Err(InvalidStatus::Text(701))),
        ] {
            let status = StatusText {
                font,
                ..StatusText::new(text)
            };
            assert_eq!(status.check(), expected);
        }
    }
}
