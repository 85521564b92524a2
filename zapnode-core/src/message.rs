//! What can be sent and received, and how far a sent message has come.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use crate::id::{ChatId, InvalidChatId, InvalidPhoneNumber, MessageId, PhoneNumber, WireId};

mod acts;
mod details;
mod happenings;

pub use acts::{Activity, PinTime};
pub use details::{Details, Location, MediaFacts, Person, Quoted};
pub use happenings::{
    Call, Decryption, Edit, GroupChange, GroupNotice, Reaction, Revoke, RevokedFor, WaitingMessage,
};

/// Who a message goes to, as a caller names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Recipient {
    /// A chat that WhatsApp has named already.
    Chat(ChatId),
    /// A person by phone number; WhatsApp is asked which chat that is.
    Phone(PhoneNumber),
}

/// A text that names neither a chat nor a number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidRecipient {
    /// It has an `@` and is no chat.
    #[error(transparent)]
    Chat(#[from] InvalidChatId),
    /// It has none and is no number.
    #[error(transparent)]
    Phone(#[from] InvalidPhoneNumber),
    /// It is a chat that is neither a person's nor a group's.
    #[error("messages go to a person or a group")]
    NotWritable,
}

impl InvalidRecipient {
    /// What is wrong, without repeating what was given: answers end up in logs.
    pub fn for_answers(&self) -> &'static str {
        match self {
            Self::NotWritable => "messages go to a person or a group",
            Self::Chat(_) | Self::Phone(_) => {
                "a phone number in international form has 7 to 15 digits, country code first"
            }
        }
    }
}

/// The most characters a text may have: what WhatsApp's own clients allow.
pub const MAX_TEXT_CHARACTERS: usize = 65_536;

/// Checks that a text can be sent.
///
/// # Errors
/// What is wrong with it.
pub fn check_text(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() {
        return Err("a message needs a text");
    }
    if text.chars().nth(MAX_TEXT_CHARACTERS).is_some() {
        return Err("a text has at most 65536 characters");
    }
    Ok(())
}

impl Recipient {
    /// Reads a chat id or a phone number. A chat id that is a phone number counts as one, so that
    /// WhatsApp is asked for it.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, InvalidRecipient> {
        let text = text.trim();
        if text.contains('@') {
            let chat = ChatId::new(text)?;
            return Ok(match chat.phone() {
                Some(phone) => Self::Phone(phone),
                None => Self::Chat(chat),
            });
        }
        Ok(Self::Phone(PhoneNumber::new(text)?))
    }

    /// Reads who a message of ours goes to: as [`parse`](Self::parse), and only whom one can write
    /// to, a person or a group.
    ///
    /// # Errors
    /// When it is neither.
    pub fn to_write_to(text: &str) -> Result<Self, InvalidRecipient> {
        let text = text.trim();
        if let Ok(chat) = ChatId::new(text) {
            if chat.is_group() || chat.is_lid() {
                return Ok(Self::Chat(chat));
            }
            if !chat.is_phone() {
                return Err(InvalidRecipient::NotWritable);
            }
        }
        // `…@c.us` is a number too: WhatsApp may know that person under another name by now.
        Ok(Self::Phone(PhoneNumber::new(text)?))
    }
}

impl From<PhoneNumber> for Recipient {
    fn from(phone: PhoneNumber) -> Self {
        Self::Phone(phone)
    }
}

impl From<ChatId> for Recipient {
    fn from(chat: ChatId) -> Self {
        Self::Chat(chat)
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chat(chat) => chat.fmt(f),
            Self::Phone(phone) => phone.fmt(f),
        }
    }
}

/// A person found on WhatsApp: under which chat to write, and both names where known (fact sheet
/// §0.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The chat to write to.
    pub chat: ChatId,
    /// `…@c.us`, if known.
    pub phone: Option<ChatId>,
    /// `…@lid`, if known.
    pub lid: Option<ChatId>,
}

/// A text to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingText {
    /// The chat, as [`Connection::find_contact`](crate::driver::Connection::find_contact) gave it.
    pub chat: ChatId,
    /// The text; any Unicode, line breaks as `\n`.
    pub body: String,
    /// The id the message shall have.
    pub wire_id: WireId,
    /// A message to quote.
    pub reply_to: Option<MessageId>,
}

/// How far a sent message has come (fact sheet §5.3). Steps may be skipped and repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ack {
    /// WhatsApp refused it, or the page gave up.
    Failed,
    /// In the page, not yet at WhatsApp's server.
    Pending,
    /// WhatsApp's server has it: one tick.
    Server,
    /// The recipient's phone has it: two ticks.
    Device,
    /// It was read: two blue ticks.
    Read,
    /// A voice note was played.
    Played,
}

impl Ack {
    /// Reads the page's number. All negative ones are failures; 5 (peer) is more than played.
    pub fn from_number(number: i64) -> Self {
        match number {
            i64::MIN..=-1 => Self::Failed,
            0 => Self::Pending,
            1 => Self::Server,
            2 => Self::Device,
            3 => Self::Read,
            _ => Self::Played,
        }
    }

    /// The number clients of the original know: -1 to 4.
    pub fn number(self) -> i8 {
        match self {
            Self::Failed => -1,
            Self::Pending => 0,
            Self::Server => 1,
            Self::Device => 2,
            Self::Read => 3,
            Self::Played => 4,
        }
    }
}

/// A change of [`Ack`] of a message this account sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AckChange {
    /// The message.
    pub id: MessageId,
    /// How far it is now.
    pub ack: Ack,
}

/// What the page has of a message we asked it to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentMessage {
    /// The whole key it got.
    pub id: MessageId,
    /// How far it was when the page answered.
    pub ack: Ack,
}

/// A message that appeared on the page: from somebody else, or from this account's other devices.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IncomingMessage {
    /// Its whole key.
    pub id: MessageId,
    /// The chat it belongs to.
    pub chat: ChatId,
    /// Who wrote it, as the page names them; in a group the member.
    pub from: ChatId,
    /// The writer's `…@c.us`, where the page knows it.
    pub from_phone: Option<ChatId>,
    /// The writer's `…@lid`, where the page knows it.
    pub from_lid: Option<ChatId>,
    /// The name the writer gave themselves.
    pub name: Option<String>,
    /// Whether this account wrote it (on the phone or another device).
    pub from_me: bool,
    /// WhatsApp's word for the kind, as `chat` for text (fact sheet §5.4).
    pub kind: String,
    /// The text, or a medium's caption.
    pub text: Option<String>,
    /// When it was written, by WhatsApp's clock, to the second.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What it carries besides.
    #[serde(flatten)]
    pub details: Details,
}

impl IncomingMessage {
    /// Who wrote it.
    pub fn writer(&self) -> Person {
        Person {
            id: self.from.clone(),
            phone: self.from_phone.clone(),
            lid: self.from_lid.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acks_read_and_order() {
        for (number, ack) in [
            (-7, Ack::Failed),
            (-1, Ack::Failed),
            (0, Ack::Pending),
            (1, Ack::Server),
            (2, Ack::Device),
            (3, Ack::Read),
            (4, Ack::Played),
            (5, Ack::Played),
        ] {
            assert_eq!(Ack::from_number(number), ack);
        }
        assert!(Ack::Failed < Ack::Pending && Ack::Server < Ack::Device && Ack::Read < Ack::Played);
    }
}
