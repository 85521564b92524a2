//! Names of things: sessions, phone numbers, chats, messages.
//!
//! Each is a checked newtype, so a wrong one is refused where it enters and nowhere else.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Declares what every text-shaped id shares: display, serde as a string, and a checked `FromStr`.
macro_rules! text_id {
    ($name:ident, $error:ty) => {
        impl $name {
            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

/// Names one session and its profile folder: 1 to 64 of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// A text that cannot name a session.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a session id has 1 to 64 letters, digits, '_' or '-'; got {0:?}")]
pub struct InvalidSessionId(pub String);

impl SessionId {
    /// The most characters an id may have.
    pub const MAX_LENGTH: usize = 64;

    /// Checks `text` and makes it an id.
    ///
    /// # Errors
    /// When it is empty, too long, or has a character that could leave the profile folder.
    pub fn new(text: &str) -> Result<Self, InvalidSessionId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.bytes().all(allowed) {
            return Err(InvalidSessionId(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The profile folder's name under the auth folder, as whatsapp-web.js's LocalAuth lays it out.
    pub fn profile_folder(&self) -> PathBuf {
        PathBuf::from(format!("session-{}", self.0))
    }
}

text_id!(SessionId, InvalidSessionId);

/// A phone number in international form, digits only, without `+`: 7 to 15 digits (E.164).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PhoneNumber(String);

/// A text that is no phone number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidPhoneNumber {
    /// Something besides digits, a leading `+` and separators.
    #[error("a phone number has digits, an optional leading '+' and separators; found {0:?}")]
    Character(char),
    /// Too few or too many digits.
    #[error("a phone number in international form has 7 to 15 digits, country code first; got {0}")]
    Length(usize),
}

impl PhoneNumber {
    /// Reads a number as people write it: `+244 929-782-402`, `(11) 91234.5678`, `244929782402`,
    /// `244929782402@c.us`. Separators and a leading `+` are dropped; nothing is guessed.
    ///
    /// # Errors
    /// When a character is neither digit nor separator, or the digits are not 7 to 15.
    pub fn new(text: &str) -> Result<Self, InvalidPhoneNumber> {
        let text = text.trim();
        let text = text
            .strip_suffix("@c.us")
            .or_else(|| text.strip_suffix("@s.whatsapp.net"))
            .unwrap_or(text);
        let text = text.strip_prefix('+').unwrap_or(text);
        let mut digits = String::with_capacity(15);
        for c in text.chars() {
            match c {
                '0'..='9' => digits.push(c),
                // Space, no-break space, hyphens and dashes as phones and spreadsheets write them.
                ' ' | '\u{a0}' | '-' | '\u{2010}'..='\u{2013}' | '.' | '(' | ')' | '/' => {}
                other => return Err(InvalidPhoneNumber::Character(other)),
            }
        }
        if !(7..=15).contains(&digits.len()) {
            return Err(InvalidPhoneNumber::Length(digits.len()));
        }
        Ok(Self(digits))
    }
}

text_id!(PhoneNumber, InvalidPhoneNumber);

/// A chat as WhatsApp names it: `<user>@<server>` (fact sheet §0.3), for example
/// `244929782402@c.us` (a phone number), `…@lid`, `…@g.us`, `…@newsletter`, `status@broadcast`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChatId(String);

/// A text that names no chat.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a chat id reads <user>@<server>, as 244929782402@c.us or 1203630@g.us; got {0:?}")]
pub struct InvalidChatId(pub String);

impl ChatId {
    /// The servers of fact sheet §0.3.
    const SERVERS: [&'static str; 8] = [
        "c.us",
        "lid",
        "g.us",
        "broadcast",
        "newsletter",
        "bot",
        "hosted",
        "hosted.lid",
    ];

    /// Checks `text` and makes it an id. The wire's `@s.whatsapp.net` becomes the page's `@c.us`.
    ///
    /// # Errors
    /// When there is no user, or the server is none of WhatsApp's.
    pub fn new(text: &str) -> Result<Self, InvalidChatId> {
        let refused = || InvalidChatId(text.chars().take(80).collect());
        let (user, server) = text.split_once('@').ok_or_else(refused)?;
        let server = if server == "s.whatsapp.net" {
            "c.us"
        } else {
            server
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'_');
        if user.is_empty()
            || user.len() > 64
            || !user.bytes().all(allowed)
            || !Self::SERVERS.contains(&server)
        {
            return Err(refused());
        }
        Ok(Self(format!("{user}@{server}")))
    }

    /// The part before `@`.
    pub fn user(&self) -> &str {
        self.0.split_once('@').map_or(&self.0, |(user, _)| user)
    }

    /// The part after `@`.
    pub fn server(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, server)| server)
    }

    /// Whether the user part is a phone number.
    pub fn is_phone(&self) -> bool {
        self.server() == "c.us"
    }

    /// Whether the user part is a LID, WhatsApp's number-free name of a person (fact sheet §0.4).
    pub fn is_lid(&self) -> bool {
        self.server() == "lid"
    }

    /// Whether this is a group.
    pub fn is_group(&self) -> bool {
        self.server() == "g.us"
    }

    /// The phone number in it, if it has one.
    pub fn phone(&self) -> Option<PhoneNumber> {
        if self.is_phone() {
            PhoneNumber::new(self.user()).ok()
        } else {
            None
        }
    }
}

text_id!(ChatId, InvalidChatId);

impl From<&PhoneNumber> for ChatId {
    fn from(phone: &PhoneNumber) -> Self {
        Self(format!("{phone}@c.us"))
    }
}

/// The short id a message has on WhatsApp's wire, the same on every device: `3EB0` and 18
/// upper-case hex digits for one made by a web client (fact sheet §0.3, design §4).
///
/// We choose it before the first attempt, so that after any crash the page can be asked whether
/// it already has the message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WireId(String);

/// A text that is no wire id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a message's wire id has 8 to 64 letters, digits, '-' or '.'; got {0:?}")]
pub struct InvalidWireId(pub String);

impl WireId {
    /// Checks an id that came from WhatsApp.
    ///
    /// # Errors
    /// When it is too short or long, or has characters that would break the whole key apart.
    pub fn new(text: &str) -> Result<Self, InvalidWireId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if !(8..=64).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(InvalidWireId(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Chooses a new one: 72 random bits from the system.
    pub fn choose() -> Self {
        // A ULID's random part is 80 bits of the system's generator; 72 are wanted.
        let random = ulid::Ulid::new().random() & ((1 << 72) - 1);
        Self(format!("3EB0{random:018X}"))
    }
}

text_id!(WireId, InvalidWireId);

/// A message's whole key: `<true|false>_<chat>_<wire id>[_<participant>]` (fact sheet §0.3).
///
/// It names the message on one account's page; the two sides of a conversation have different
/// keys and the same [`WireId`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(String);

/// A text that is no message key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a message id reads true_244929782402@c.us_3EB0…; got {0:?}")]
pub struct InvalidMessageId(pub String);

impl MessageId {
    /// Checks `text` and makes it an id.
    ///
    /// # Errors
    /// When it has not the three or four parts of a key.
    pub fn new(text: &str) -> Result<Self, InvalidMessageId> {
        let refused = || InvalidMessageId(text.chars().take(120).collect());
        let mut parts = text.splitn(4, '_');
        let own = parts.next().ok_or_else(refused)?;
        let chat = parts.next().ok_or_else(refused)?;
        let wire = parts.next().ok_or_else(refused)?;
        if !matches!(own, "true" | "false")
            || ChatId::new(chat).is_err()
            || WireId::new(wire).is_err()
        {
            return Err(refused());
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether this account wrote it.
    pub fn from_me(&self) -> bool {
        self.0.starts_with("true_")
    }

    /// The wire id inside.
    pub fn wire_id(&self) -> WireId {
        WireId(self.0.split('_').nth(2).unwrap_or_default().to_owned())
    }

    /// The chat inside.
    pub fn chat(&self) -> ChatId {
        ChatId(self.0.split('_').nth(1).unwrap_or_default().to_owned())
    }
}

text_id!(MessageId, InvalidMessageId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_cannot_leave_the_folder() {
        for good in ["a", "customer-abc", "Loja_1", &"x".repeat(64)] {
            assert!(SessionId::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "..",
            "a/b",
            "a b",
            "ação",
            "a.b",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(SessionId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_as_people_write_them() {
        for text in [
            "244929782402",
            "+244 929-782-402",
            "+244 (929) 782.402",
            " 244929782402 ",
            "244929782402@c.us",
            "244929782402@s.whatsapp.net",
            "+244\u{a0}929\u{2011}782\u{2011}402",
        ] {
            assert_eq!(
                PhoneNumber::new(text).map(String::from),
                Ok("244929782402".to_owned()),
                "{text}"
            );
        }
        assert_eq!(PhoneNumber::new("12"), Err(InvalidPhoneNumber::Length(2)));
        assert_eq!(PhoneNumber::new(""), Err(InvalidPhoneNumber::Length(0)));
        assert_eq!(
            PhoneNumber::new("1234567890123456"),
            Err(InvalidPhoneNumber::Length(16))
        );
        assert_eq!(
            PhoneNumber::new("12345x7890"),
            Err(InvalidPhoneNumber::Character('x'))
        );
        assert_eq!(
            PhoneNumber::new("1234567+890"),
            Err(InvalidPhoneNumber::Character('+'))
        );
    }

    #[test]
    fn chats_of_every_server() {
        for (text, kept) in [
            ("244929782402@c.us", "244929782402@c.us"),
            ("244929782402@s.whatsapp.net", "244929782402@c.us"),
            ("120363041234@g.us", "120363041234@g.us"),
            ("status@broadcast", "status@broadcast"),
        ] {
            assert_eq!(ChatId::new(text).map(String::from), Ok(kept.to_owned()));
        }
        for bad in [
            "",
            "@c.us",
            "1@example.com",
            "12",
            "a b@c.us",
            "a\"b@c.us",
            "1@c.us@c.us",
        ] {
            assert!(ChatId::new(bad).is_err(), "{bad}");
        }
        assert_eq!(
            ChatId::new("244929782402@c.us")
                .ok()
                .and_then(|c| c.phone())
                .map(String::from),
            Some("244929782402".to_owned())
        );
    }

    #[test]
    fn a_chosen_wire_id_has_the_web_form_and_is_new_each_time() {
        let id = WireId::choose();
        assert!(id.as_str().starts_with("3EB0"), "{id}");
        assert_eq!(id.as_str().len(), 22);
        assert!(
            id.as_str()
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)),
            "{id}"
        );
        assert_ne!(id, WireId::choose());
    }

    #[test]
    fn message_keys_come_apart() {
        let id = MessageId::new("true_244929782402@c.us_3EB0AABBCCDDEEFF001122").expect("a key");
        assert!(id.from_me());
        assert_eq!(id.wire_id().as_str(), "3EB0AABBCCDDEEFF001122");
        assert_eq!(id.chat().as_str(), "244929782402@c.us");
        let group = MessageId::new("false_1203@g.us_3EB0AABBCCDD_2449@lid").expect("a key");
        assert_eq!(group.wire_id().as_str(), "3EB0AABBCCDD");
        for bad in ["", "true_x", "maybe_1@c.us_3EB0AABBCC", "true_1@c.us_"] {
            assert!(MessageId::new(bad).is_err(), "{bad}");
        }
    }
}
