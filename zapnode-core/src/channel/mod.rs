//! Channels (fact sheet §4.6, §6.2), which WhatsApp's page calls newsletters.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use crate::id::ChatId;

/// The most characters of a channel's name, as in WhatsApp's own clients.
pub const MAX_NAME_CHARACTERS: usize = 100;

/// The most characters of a channel's description, as in WhatsApp's own clients.
pub const MAX_DESCRIPTION_CHARACTERS: usize = 2048;

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Its id, `…@newsletter`.
    pub id: ChatId,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// The code in its link, where the page tells it.
    pub invite: Option<String>,
    /// What this account is there, in the page's word: `owner`, `admin`, `subscriber`, `guest`.
    pub role: Option<String>,
    /// How many follow it, where the page tells.
    pub followers: Option<u64>,
    /// When it was made, to the second.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
}

impl Channel {
    /// The link by which people find it.
    pub fn link(&self) -> Option<String> {
        let code = self.invite.as_ref()?;
        Some(format!("https://whatsapp.com/channel/{code}"))
    }
}

/// A channel to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewChannel {
    /// Its name, 1 to [`MAX_NAME_CHARACTERS`].
    pub name: String,
    /// What it is about, at most [`MAX_DESCRIPTION_CHARACTERS`].
    pub description: Option<String>,
}

/// What cannot be asked of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidChannel {
    /// No name, or one that is too long.
    #[error("a channel's name has 1 to {MAX_NAME_CHARACTERS} characters; got {0}")]
    Name(usize),
    /// The description is too long.
    #[error("a channel's description has at most {MAX_DESCRIPTION_CHARACTERS} characters; got {0}")]
    Description(usize),
    /// Something else than a channel is named.
    #[error("a channel's id reads …@newsletter")]
    NotAChannel,
    /// A text that is neither a channel's link nor the code in it.
    #[error(
        "a channel's link reads https://whatsapp.com/channel/0029Va…; the code at its end will do"
    )]
    Invite,
}

impl NewChannel {
    /// Says whether it can be made at all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidChannel> {
        match self.name.trim().chars().count() {
            1..=MAX_NAME_CHARACTERS => {}
            count => return Err(InvalidChannel::Name(count)),
        }
        let about = self.description.as_deref().unwrap_or_default();
        match about.chars().count() {
            0..=MAX_DESCRIPTION_CHARACTERS => Ok(()),
            count => Err(InvalidChannel::Description(count)),
        }
    }
}

/// Reads a channel's link, or the code at its end; gives the code.
///
/// # Errors
/// [`InvalidChannel::Invite`].
pub fn invite_code(text: &str) -> Result<String, InvalidChannel> {
    let text = text.trim();
    let bare = text.split(['?', '#']).next().unwrap_or(text);
    let bare = bare.strip_prefix("https://").unwrap_or(bare);
    let bare = bare.strip_prefix("www.").unwrap_or(bare);
    let code = bare.strip_prefix("whatsapp.com/channel/").unwrap_or(bare);
    let code = code.trim_end_matches('/');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (8..=64).contains(&code.len()) && code.bytes().all(allowed) {
        Ok(code.to_owned())
    } else {
        Err(InvalidChannel::Invite)
    }
}

/// Says whether an id is a channel's.
///
/// # Errors
/// [`InvalidChannel::NotAChannel`].
pub fn check_id(id: &ChatId) -> Result<(), InvalidChannel> {
    if id.server() == "newsletter" {
        Ok(())
    } else {
        Err(InvalidChannel::NotAChannel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_checked_before_anybody_is_asked() {
        for (name, about, expected) in [
            ("Obras", None, Ok(())),
            (" ", None, Err(InvalidChannel::Name(0))),
            (&*"x".repeat(101), None, Err(InvalidChannel::Name(101))),
            (
                "Obras",
                Some("x".repeat(2049)),
                Err(InvalidChannel::Description(2049)),
            ),
        ] {
            let new = NewChannel {
                name: name.to_owned(),
                description: about,
            };
            assert_eq!(new.check(), expected);
        }
        for text in [
            "0029VaAbCdEfGh",
            "https://whatsapp.com/channel/0029VaAbCdEfGh",
            "https://www.whatsapp.com/channel/0029VaAbCdEfGh/?x=1",
        ] {
            assert_eq!(invite_code(text).as_deref(), Ok("0029VaAbCdEfGh"));
        }
        assert_eq!(
            invite_code("https://example.com/a"),
            Err(InvalidChannel::Invite)
        );
    }
}
