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
