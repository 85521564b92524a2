use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use crate::id::ChatId;
use crate::message::Person;

/// The code in a group's invite link.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InviteCode(String);

/// A text that is no invite code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("an invite is a link as https://chat.whatsapp.com/Ab3…, or the code at its end")]
pub struct InvalidInvite;

impl InviteCode {
    /// What stands before the code in a link.
    const PLACES: [&'static str; 2] = ["chat.whatsapp.com/invite/", "chat.whatsapp.com/"];

    /// Reads a link or a code: 8 to 64 letters, digits, `-` or `_`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn new(text: &str) -> Result<Self, InvalidInvite> {
        let text = text.trim();
        let bare = text.split(['?', '#']).next().unwrap_or(text);
        let bare = bare.strip_prefix("https://").unwrap_or(bare);
        let bare = bare.strip_prefix("http://").unwrap_or(bare);
        let code = Self::PLACES
            .iter()
            .find_map(|place| bare.strip_prefix(place))
            .unwrap_or(bare)
            .trim_end_matches('/');
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !(8..=64).contains(&code.len()) || !code.bytes().all(allowed) {
            return Err(InvalidInvite);
        }
        Ok(Self(code.to_owned()))
    }

    /// The code alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The link.
    pub fn link(&self) -> String {
        format!("https://chat.whatsapp.com/{}", self.0)
    }
}

// Who has the code can come in: it is as good as a key.
impl fmt::Debug for InviteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteCode(…)")
    }
}

impl FromStr for InviteCode {
    type Err = InvalidInvite;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for InviteCode {
    type Error = InvalidInvite;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<InviteCode> for String {
    fn from(code: InviteCode) -> Self {
        code.0
    }
}

/// An invitation for one person, which WhatsApp gives where somebody cannot simply be added.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InviteCard {
    /// What lets them in.
    pub code: String,
    /// Until when, to the second.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// Whether it was sent to them.
    pub sent: bool,
}

impl fmt::Debug for InviteCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InviteCard")
            .field("expires_at", &self.expires_at)
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

/// What an invite leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InviteInfo {
    /// The group.
    pub id: ChatId,
    /// Its name.
    pub subject: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who founded it, where it is told.
    pub owner: Option<Person>,
    /// When, to the second.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// How many are in it, where it is told.
    pub member_count: Option<u32>,
}

/// What came of following an invite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The group.
    pub id: ChatId,
    /// Whether an admin has to let this account in first.
    pub pending: bool,
}

/// Somebody who asks to be let into a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRequest {
    /// Who.
    #[serde(flatten)]
    pub person: Person,
    /// Since when, to the second, where the page says.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invites_are_links_or_codes() {
        for text in [
            "AbCdEfGh12345678901234",
            " https://chat.whatsapp.com/AbCdEfGh12345678901234 ",
            "http://chat.whatsapp.com/AbCdEfGh12345678901234/",
            "chat.whatsapp.com/invite/AbCdEfGh12345678901234",
            "https://chat.whatsapp.com/AbCdEfGh12345678901234?mode=ac_t",
        ] {
            let code = InviteCode::new(text).expect(text);
            assert_eq!(code.as_str(), "AbCdEfGh12345678901234");
        }
        for text in [
            "",
            "short",
            "https://example.com/AbCdEfGh12345678901234",
            "AbCd EfGh1234",
            "https://chat.whatsapp.com/",
        ] {
            assert_eq!(InviteCode::new(text), Err(InvalidInvite), "{text}");
        }
        let code = InviteCode::new("AbCdEfGh1234").expect("a code");
        assert_eq!(code.link(), "https://chat.whatsapp.com/AbCdEfGh1234");
        assert!(!format!("{code:?}").contains("AbCd"));
    }
}
