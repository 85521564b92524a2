//! What a message of ours carries.
//!
//! A [`Content`] is checked before it is accepted ([`Content::check`]), kept in the store as JSON,
//! and given to the driver as part of an [`OutgoingMessage`]. A driver that cannot send one kind
//! says so ([`DriverError::Unsupported`](crate::driver::DriverError::Unsupported)).

use std::collections::HashSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::check_text;
use super::vcard::{self, ContactCard};
use crate::id::{ChatId, MessageId, WireId};

/// The most people that one text or caption may mention: as many as a group can have.
const MAX_MENTIONS: usize = 1024;

/// The most characters of the name and of the address of a place.
const MAX_PLACE_CHARACTERS: usize = 1000;

/// The most contact cards in one message.
const MAX_CONTACTS: usize = 100;

/// The most characters of a poll's question, as in WhatsApp's own clients.
const MAX_QUESTION_CHARACTERS: usize = 255;

/// The most characters of one answer of a poll, as in WhatsApp's own clients.
const MAX_OPTION_CHARACTERS: usize = 100;

/// The most answers of a poll, as in WhatsApp's own clients.
const MAX_OPTIONS: usize = 12;

/// The most characters of an event's name, and of its place.
const MAX_EVENT_NAME_CHARACTERS: usize = 100;

/// The most characters of an event's description.
const MAX_EVENT_TEXT_CHARACTERS: usize = 2048;

/// How many values the waveform of a voice note has (fact sheet §4.5).
pub const WAVEFORM_VALUES: usize = 64;

/// The highest value in it.
pub const WAVEFORM_HIGHEST: u8 = 100;

/// The most characters of a file's name.
const MAX_FILE_NAME_CHARACTERS: usize = 255;

/// A message to hand over to WhatsApp.
#[derive(Clone, Debug, PartialEq)]
pub struct OutgoingMessage {
    /// The chat, as [`Connection::find_contact`](crate::driver::Connection::find_contact) gave it.
    pub chat: ChatId,
    /// The id the message shall have.
    pub wire_id: WireId,
    /// A message to quote.
    pub reply_to: Option<MessageId>,
    /// What it carries.
    pub content: Content,
}

impl OutgoingMessage {
    /// A plain text under an id of its own.
    pub fn text(chat: ChatId, text: impl Into<String>) -> Self {
        Self {
            chat,
            wire_id: WireId::choose(),
            reply_to: None,
            content: Content::text(text),
        }
    }
}

/// What a message carries (fact sheet §4.4–§4.6). As JSON its kind is in `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Content {
    /// Words.
    Text {
        /// 1 to 65,536 characters of any Unicode, line breaks as `\n`.
        text: String,
        /// Who is mentioned: for each of them the text has `@` and the user part of the id.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        mentions: Vec<ChatId>,
        /// Whether the first link in it is shown with a preview, where one can be had in time.
        #[serde(skip_serializing_if = "is_true", default = "yes")]
        link_preview: bool,
    },
    /// A file, shown as what it is.
    Media(Media),
    /// A place.
    Location {
        /// In degrees, -90 to 90.
        latitude: f64,
        /// In degrees, -180 to 180.
        longitude: f64,
        /// Its name, at most 1,000 characters.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        name: Option<String>,
        /// Its address, at most 1,000 characters.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        address: Option<String>,
    },
    /// Contact cards.
    Contacts {
        /// 1 to 100 of them.
        contacts: Vec<ContactCard>,
    },
    /// A question with answers to choose from.
    Poll {
        /// 1 to 255 characters.
        question: String,
        /// 2 to 12, of 1 to 100 characters each, no two alike.
        options: Vec<String>,
        /// Whether one may choose more than one.
        #[serde(default)]
        several: bool,
    },
    /// A date that others can accept or decline.
    Event(Event),
    /// An earlier message, passed on.
    Forward {
        /// The message, which the page must still know.
        message: MessageId,
    },
}

/// A file in a message, and how it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Media {
    /// As what it is shown.
    pub kind: MediaKind,
    /// The file.
    pub file: MediaFile,
    /// Words below it: at most 65,536 characters. Only with images, videos, GIFs and documents.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caption: Option<String>,
    /// Who is mentioned in the caption, as in a text.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub mentions: Vec<ChatId>,
    /// Can be opened once only: images, videos and voice notes.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub view_once: bool,
    /// With more detail: images up to 2,560 pixels instead of 1,600 (fact sheet §4.5), and videos.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub hd: bool,
    /// How long sound or video is, in whole seconds, where that is known. Absent: the page finds it
    /// out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration: Option<u32>,
    /// How loud a voice note is over its length: 64 values of 0 to 100. Absent: the page's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waveform: Option<Vec<u8>>,
}

impl Media {
    /// A file, with nothing besides.
    pub fn new(kind: MediaKind, file: MediaFile) -> Self {
        Self {
            kind,
            file,
            caption: None,
            mentions: vec![],
            view_once: false,
            hd: false,
            duration: None,
            waveform: None,
        }
    }
}

/// As what a file is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A film.
    Video,
    /// A short film without sound that plays by itself and again and again: an MP4 file.
    Gif,
    /// Sound, as a piece of music.
    Audio,
    /// A voice note: one channel of Opus in Ogg.
    Voice,
    /// Any file, to be saved.
    Document,
    /// A WebP picture of 512 by 512 pixels.
    Sticker,
}

impl MediaKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Image,
        Self::Video,
        Self::Gif,
        Self::Audio,
        Self::Voice,
        Self::Document,
        Self::Sticker,
    ];

    /// The word on our wires.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Gif => "gif",
            Self::Audio => "audio",
            Self::Voice => "voice",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// What a caller calls it, as `an image`.
    pub fn what(self) -> &'static str {
        match self {
            Self::Image => "an image",
            Self::Video => "a video",
            Self::Gif => "a GIF",
            Self::Audio => "sound",
            Self::Voice => "a voice note",
            Self::Document => "a document",
            Self::Sticker => "a sticker",
        }
    }

    /// WhatsApp's word for a message of this kind (fact sheet §5.4): a GIF is a video to it.
    pub fn wire_word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video | Self::Gif => "video",
            Self::Audio => "audio",
            Self::Voice => "ptt",
            Self::Document => "document",
            Self::Sticker => "sticker",
        }
    }

    /// Whether words can be below it.
    pub fn takes_caption(self) -> bool {
        matches!(self, Self::Image | Self::Video | Self::Gif | Self::Document)
    }

    /// Whether it can be sent to be opened once only.
    pub fn takes_view_once(self) -> bool {
        matches!(self, Self::Image | Self::Video | Self::Voice)
    }

    /// What its MIME type must begin with; a document has any.
    fn mime_begins(self) -> &'static str {
        match self {
            Self::Image => "image/",
            Self::Video => "video/",
            Self::Gif => "video/mp4",
            Self::Audio | Self::Voice => "audio/",
            Self::Document => "",
            Self::Sticker => "image/webp",
        }
    }
}

/// A file that is to be sent, in the [media store](crate::media).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaFile {
    /// Where it lies, absolute, for whoever reads it now. Not part of the JSON, since a data folder
    /// may move: [`MediaStore::path_of`](crate::media::MediaStore::path_of) knows it from the hash.
    /// Read only: other messages may have the same file.
    #[serde(skip)]
    pub path: PathBuf,
    /// What it holds by its content, as `image/jpeg`.
    pub mime: String,
    /// The name a document is shown and saved under, without a path.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// In bytes.
    pub size: u64,
    /// SHA-256 of its content, 64 lower-case hex digits: also its name in the store.
    pub sha256: String,
}

/// A date to which people are invited (fact sheet §4.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// 1 to 100 characters.
    pub name: String,
    /// At most 2,048 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// To the second.
    #[serde(with = "time::serde::rfc3339")]
    pub starts_at: OffsetDateTime,
    /// After it starts.
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none",
        default
    )]
    pub ends_at: Option<OffsetDateTime>,
    /// The name of its place, at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<String>,
    /// With a link to a call on WhatsApp.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub call: Option<EventCall>,
}

/// The call of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventCall {
    /// With sound alone.
    Voice,
    /// With pictures.
    Video,
}

impl Content {
    /// A plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text {
            text: text.into(),
            mentions: vec![],
            link_preview: true,
        }
    }

    /// WhatsApp's word for its kind, as the page has it in `type` (fact sheet §4.3–§5.4). What is
    /// passed on has the kind of what it is, which only the page knows: `forward`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text { .. } => "chat",
            Self::Media(media) => media.kind.wire_word(),
            Self::Location { .. } => "location",
            Self::Contacts { contacts } if contacts.len() == 1 => "vcard",
            Self::Contacts { .. } => "multi_vcard",
            Self::Poll { .. } => "poll_creation",
            Self::Event(_) => "event_creation",
            Self::Forward { .. } => "forward",
        }
    }

    /// What a caller calls it, as in `a poll`.
    pub fn what(&self) -> &'static str {
        match self {
            Self::Text { .. } => "a text",
            Self::Media(media) => media.kind.what(),
            Self::Location { .. } => "a location",
            Self::Contacts { .. } => "contact cards",
            Self::Poll { .. } => "a poll",
            Self::Event(_) => "an event",
            Self::Forward { .. } => "a forwarded message",
        }
    }

    /// The words in it, for people and for search.
    pub fn words(&self) -> Option<String> {
        match self {
            Self::Text { text, .. } => Some(text.clone()),
            Self::Media(media) => media.caption.clone(),
            Self::Location { name, address, .. } => {
                let lines: Vec<&str> = [name, address]
                    .into_iter()
                    .flatten()
                    .map(|s| &**s)
                    .collect();
                (!lines.is_empty()).then(|| lines.join("\n"))
            }
            Self::Contacts { contacts } => {
                let names: Vec<&str> = contacts.iter().map(|card| &*card.name).collect();
                Some(names.join(", "))
            }
            Self::Poll { question, .. } => Some(question.clone()),
            Self::Event(event) => Some(event.name.clone()),
            Self::Forward { .. } => None,
        }
    }

    /// Whether it is words alone, with nothing chosen about them.
    pub fn is_plain_text(&self) -> bool {
        matches!(self, Self::Text { mentions, link_preview: true, .. } if mentions.is_empty())
    }

    /// Who is mentioned in it.
    pub fn mentions(&self) -> &[ChatId] {
        match self {
            Self::Text { mentions, .. } => mentions,
            Self::Media(media) => &media.mentions,
            _ => &[],
        }
    }

    /// Its medium, if it is one.
    pub fn media(&self) -> Option<&Media> {
        match self {
            Self::Media(media) => Some(media),
            _ => None,
        }
    }

    /// Checks that it can be sent. How large a file may be is the media store's to say.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Text { text, mentions, .. } => {
                check_text(text)?;
                check_mentions(text, mentions)
            }
            Self::Media(media) => check_media(media),
            Self::Location {
                latitude,
                longitude,
                name,
                address,
            } => {
                if !(-90.0..=90.0).contains(latitude) || !(-180.0..=180.0).contains(longitude) {
                    return Err("a latitude is -90 to 90 degrees, a longitude -180 to 180");
                }
                let long = |text: &Option<String>| is_longer(text, MAX_PLACE_CHARACTERS);
                if long(name) || long(address) {
                    return Err("the name and the address of a place have at most 1000 characters");
                }
                Ok(())
            }
            Self::Contacts { contacts } => match contacts.len() {
                1..=MAX_CONTACTS => contacts.iter().try_for_each(vcard::check),
                _ => Err("a message has 1 to 100 contacts"),
            },
            Self::Poll {
                question, options, ..
            } => check_poll(question, options),
            Self::Event(event) => check_event(event),
            Self::Forward { .. } => Ok(()),
        }
    }
}

fn check_mentions(text: &str, mentions: &[ChatId]) -> Result<(), &'static str> {
    if mentions.len() > MAX_MENTIONS {
        return Err("a message mentions at most 1024 people");
    }
    if mentions.iter().any(|who| !who.is_phone() && !who.is_lid()) {
        return Err("only people can be mentioned");
    }
    // Without it the page would not show whom it is about, and nobody would be told.
    let is_named = |who: &ChatId| text.contains(&format!("@{}", who.user()));
    if !mentions.iter().all(is_named) {
        return Err("for each mention the text needs @ and the number, as in @5511912345678");
    }
    Ok(())
}

fn check_media(media: &Media) -> Result<(), &'static str> {
    let kind = media.kind;
    if media.file.size == 0 {
        return Err("the file is empty");
    }
    if !media.file.mime.starts_with(kind.mime_begins()) {
        return Err(match kind {
            MediaKind::Image => "the file is no image",
            MediaKind::Video => "the file is no video",
            MediaKind::Gif => "a GIF is sent as an MP4 video",
            MediaKind::Audio | MediaKind::Voice => "the file is no sound",
            MediaKind::Sticker => "a sticker is a WebP image",
            MediaKind::Document => "the file cannot be sent",
        });
    }
    if is_longer(&media.file.name, MAX_FILE_NAME_CHARACTERS) {
        return Err("a file name has at most 255 characters");
    }
    match &media.caption {
        Some(_) if !kind.takes_caption() => {
            return Err("only images, videos, GIFs and documents have a caption");
        }
        Some(caption) => check_text(caption)?,
        None => {}
    }
    check_mentions(
        media.caption.as_deref().unwrap_or_default(),
        &media.mentions,
    )?;
    if media.view_once && !kind.takes_view_once() {
        return Err("only images, videos and voice notes can be opened once only");
    }
    if media.hd && !matches!(kind, MediaKind::Image | MediaKind::Video) {
        return Err("only images and videos can be HD");
    }
    match &media.waveform {
        Some(_) if kind != MediaKind::Voice => Err("only voice notes have a waveform"),
        Some(values)
            if values.len() != WAVEFORM_VALUES
                || values.iter().any(|value| *value > WAVEFORM_HIGHEST) =>
        {
            Err("a waveform has 64 values of 0 to 100")
        }
        _ => Ok(()),
    }
}

fn check_poll(question: &str, options: &[String]) -> Result<(), &'static str> {
    if question.trim().is_empty() || is_long(question, MAX_QUESTION_CHARACTERS) {
        return Err("the question of a poll has 1 to 255 characters");
    }
    if !(2..=MAX_OPTIONS).contains(&options.len()) {
        return Err("a poll has 2 to 12 answers");
    }
    let wrong =
        |option: &String| option.trim().is_empty() || is_long(option, MAX_OPTION_CHARACTERS);
    if options.iter().any(wrong) {
        return Err("an answer of a poll has 1 to 100 characters");
    }
    // A vote names its answer by a digest of the words.
    let distinct: HashSet<&str> = options.iter().map(|option| option.trim()).collect();
    if distinct.len() < options.len() {
        return Err("no two answers of a poll are alike");
    }
    Ok(())
}

fn check_event(event: &Event) -> Result<(), &'static str> {
    if event.name.trim().is_empty() || is_long(&event.name, MAX_EVENT_NAME_CHARACTERS) {
        return Err("the name of an event has 1 to 100 characters");
    }
    if is_longer(&event.description, MAX_EVENT_TEXT_CHARACTERS) {
        return Err("the description of an event has at most 2048 characters");
    }
    if is_longer(&event.location, MAX_EVENT_NAME_CHARACTERS) {
        return Err("the place of an event has at most 100 characters");
    }
    if event.ends_at.is_some_and(|ends| ends <= event.starts_at) {
        return Err("an event ends after it starts");
    }
    Ok(())
}

fn is_longer(text: &Option<String>, most: usize) -> bool {
    text.as_deref().is_some_and(|text| is_long(text, most))
}

fn is_long(text: &str, most: usize) -> bool {
    text.chars().nth(most).is_some()
}

fn yes() -> bool {
    true
}

// Serde gives a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_true(flag: &bool) -> bool {
    *flag
}

#[cfg(test)]
#[path = "content/tests.rs"]
mod tests;
