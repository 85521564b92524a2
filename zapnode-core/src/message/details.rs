//! What a message carries besides its text, and who is meant.

use serde::{Deserialize, Serialize};

use super::Ack;
use crate::id::{ChatId, WireId};

/// A person, by every name the page knows (fact sheet §0.4): many have a number and a LID, and
/// which of the two a chat or group uses changes over time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// As the page named them where they were met.
    pub id: ChatId,
    /// `…@c.us`, where the page knows it.
    pub phone: Option<ChatId>,
    /// `…@lid`, where the page knows it.
    pub lid: Option<ChatId>,
}

impl Person {
    /// A person known by one name only.
    pub fn new(id: ChatId) -> Self {
        Self {
            phone: id.is_phone().then(|| id.clone()),
            lid: id.is_lid().then(|| id.clone()),
            id,
        }
    }
}

/// What a message carries besides its text (fact sheet §5.4). Media itself is not in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    /// How far it is, as the page says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// The message it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Quoted>,
    /// Who is mentioned in its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Person>,
    /// The medium, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaFacts>,
    /// The place, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The contact cards in it, as vCard texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vcards: Vec<String>,
    /// The poll, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll: Option<Poll>,
    /// The event, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventFacts>,
    /// What its sender's page showed of the first link in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkPreview>,
    /// Whether it was forwarded.
    pub is_forwarded: bool,
    /// How often it was forwarded, as WhatsApp counts it; 0 when it does not say.
    pub forwarding_score: u32,
    /// Whether it disappears by itself.
    pub is_ephemeral: bool,
}

/// The message that another one answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quoted {
    /// Its id, the same on every device.
    pub id: WireId,
    /// Who wrote it.
    pub from: Option<Person>,
    /// WhatsApp's word for its kind, as far as the answer carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its text or caption, as far as the answer carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What is known of a medium before it is loaded. All of it is the sender's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaFacts {
    /// As `image/jpeg`.
    pub mime_type: Option<String>,
    /// A document's name.
    pub file_name: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
    /// In whole seconds, of sound and video.
    pub duration: Option<u32>,
    /// A video that is shown like a GIF.
    pub is_gif: bool,
    /// It can be opened once only.
    #[serde(default)]
    pub is_view_once: bool,
    /// SHA-256 of the file in hexadecimal, by which the same file is known again.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// A message's file that was written to disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Downloaded {
    /// How many bytes it has.
    pub size: u64,
    /// SHA-256 of it, in hexadecimal.
    pub sha256: String,
    /// The sender's word for what it is, as `image/jpeg`.
    pub mime_type: Option<String>,
    /// The sender's name for it. It may be anything.
    pub file_name: Option<String>,
}

/// A question with answers to choose from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Poll {
    /// The question.
    pub question: String,
    /// The answers, in order.
    pub options: Vec<String>,
    /// Whether one may choose more than one.
    pub several: bool,
}

/// A date to which people are invited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventFacts {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// When it starts, in Unix seconds.
    pub starts_at: Option<i64>,
    /// When it ends, in Unix seconds.
    pub ends_at: Option<i64>,
    /// Where it is.
    pub location: Option<String>,
    /// The link of its call.
    pub join_link: Option<String>,
    /// Whether it is cancelled.
    pub is_cancelled: bool,
}

/// What is shown of a link. All of it is the sender's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkPreview {
    /// The link, as it is in the text.
    pub url: String,
    /// The title of what it leads to.
    pub title: Option<String>,
    /// And its description.
    pub description: Option<String>,
}

/// A place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// In degrees, -90 to 90.
    pub latitude: f64,
    /// In degrees, -180 to 180.
    pub longitude: f64,
    /// Its name.
    pub name: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// A link its sender gave with it.
    pub url: Option<String>,
}
