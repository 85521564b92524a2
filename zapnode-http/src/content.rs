//! What a body asks to be sent, of whatever kind. Pure: files are got by the routes.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use ulid::Ulid;
use url::Url;
use zapnode_core::message::{ContactCard, Content, Event, EventCall, Media, MediaFile, MediaKind};
use zapnode_core::net::check_url;
use zapnode_core::{ChatId, MessageId, PhoneNumber};

use crate::error::ApiError;
use crate::extract::{JsonBody, text_in};

/// The words for `type`.
const TYPES: &str = "type must be text, image, video, gif, audio, voice, document, sticker, \
                     location, contacts, poll, event or forward";

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Draft {
    /// All of it is in the body.
    Whole(Content),
    /// A file goes with it.
    File(FileDraft),
}

/// A file to be sent, and how.
#[derive(Debug)]
pub(crate) struct FileDraft {
    /// As what; none: as what it is by its content.
    pub(crate) kind: Option<MediaKind>,
    /// Where it is.
    pub(crate) source: FileSource,
    /// Its name, if one was given.
    pub(crate) name: Option<String>,
    /// What it was said to be.
    pub(crate) mime: Option<String>,
    caption: Option<String>,
    mentions: Vec<ChatId>,
    view_once: bool,
    hd: bool,
    duration: Option<u32>,
    waveform: Option<Vec<u8>>,
}

/// Where a file is.
#[derive(Debug)]
pub(crate) enum FileSource {
    /// At an address.
    Url(Url),
    /// In the body, as base64.
    Data(String),
    /// It was uploaded before.
    Id(Ulid),
    /// It comes as a part of the form.
    Part,
}

impl Draft {
    /// Reads a body; `with_part`: the file is a part of the form.
    ///
    /// # Errors
    /// 400 that says what is wrong.
    pub(crate) fn read(body: &mut JsonBody, with_part: bool) -> Result<Self, ApiError> {
        let word = body.text("type")?.map(str::to_owned);
        let kind = word.as_deref().and_then(MediaKind::from_word);
        let source = file_source(body, with_part)?;
        if let Some(source) = source {
            if word.is_some() && kind.is_none() {
                return Err(ApiError::invalid(
                    "type must be image, video, gif, audio, voice, document or sticker for a message \
                     with a file",
                ));
            }
            return FileDraft::read(body, kind, source).map(Self::File);
        }
        if kind.is_some() {
            return Err(ApiError::invalid(
                "a file is required: url, data (base64) or mediaId, or a part named file in multipart/form-data",
            ));
        }
        let content = match word.as_deref().unwrap_or("text") {
            "text" => text(body)?,
            "location" => location(body)?,
            "contacts" | "contact" => contacts(body)?,
            "poll" => poll(body)?,
            "event" => event(body)?,
            "forward" => forward(body)?,
            _ => return Err(ApiError::invalid(TYPES)),
        };
        content.check().map_err(ApiError::invalid)?;
        Ok(Self::Whole(content))
    }
}

impl FileDraft {
    fn read(
        body: &JsonBody,
        kind: Option<MediaKind>,
        source: FileSource,
    ) -> Result<Self, ApiError> {
        let caption = body.text("caption")?.or(body.text("text")?);
        let duration = body
            .whole_number("duration")?
            .map(u32::try_from)
            .transpose();
        Ok(Self {
            kind,
            source,
            name: body.text("filename")?.map(str::to_owned),
            mime: body.text("mimetype")?.map(str::to_owned),
            caption: caption.filter(|text| !text.is_empty()).map(str::to_owned),
            mentions: mentions(body)?,
            view_once: body.boolean("viewOnce")?.unwrap_or(false),
            hd: body.boolean("hd")?.unwrap_or(false),
            duration: duration.map_err(|_| ApiError::invalid("duration must be in seconds"))?,
            waveform: waveform(body)?,
        })
    }

    /// As what a file is sent.
    pub(crate) fn kind_for(&self, file: &MediaFile) -> MediaKind {
        self.kind.unwrap_or_else(|| {
            let begins = |kind: &str| file.mime.starts_with(kind);
            if begins("image/") && !begins("image/svg") {
                MediaKind::Image
            } else if begins("video/mp4") {
                MediaKind::Video
            } else if begins("audio/") {
                MediaKind::Audio
            } else {
                MediaKind::Document
            }
        })
    }

    /// What an idempotency key is bound to: the request, and of its file what the caller chose.
    pub(crate) fn asked(&self, file: &Value) -> String {
        json!([
            self.kind.map(MediaKind::as_str),
            file,
            self.name,
            self.caption,
            self.mentions,
            self.view_once,
            self.hd,
            self.duration,
            self.waveform
        ])
        .to_string()
    }

    /// The file as far as an idempotency key is bound to it, where that is known before it is here.
    pub(crate) fn known_file(&self) -> Option<Value> {
        match &self.source {
            FileSource::Url(url) => Some(json!({ "url": url.as_str() })),
            FileSource::Data(data) => {
                let digest = Sha256::digest(data.as_bytes());
                let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                Some(json!({ "data": digest }))
            }
            FileSource::Id(_) | FileSource::Part => None,
        }
    }

    /// The message, with its file ready to be sent.
    ///
    /// # Errors
    /// 400 for what does not go with it.
    pub(crate) fn with(self, kind: MediaKind, file: MediaFile) -> Result<Content, ApiError> {
        let content = Content::Media(Media {
            kind,
            file,
            caption: self.caption,
            mentions: self.mentions,
            view_once: self.view_once,
            hd: self.hd,
            duration: self.duration,
            waveform: self.waveform,
        });
        content.check().map_err(ApiError::invalid)?;
        Ok(content)
    }
}

fn file_source(body: &mut JsonBody, with_part: bool) -> Result<Option<FileSource>, ApiError> {
    let mut sources = vec![];
    if with_part {
        sources.push(FileSource::Part);
    }
    if let Some(url) = body.text("url")? {
        let url = check_url(url).map_err(|error| ApiError::invalid(error.to_string()))?;
        sources.push(FileSource::Url(url));
    }
    if let Some(id) = body.text("mediaId")? {
        let id = Ulid::from_string(id)
            .map_err(|_| ApiError::invalid("mediaId must be an id that an upload answered"))?;
        sources.push(FileSource::Id(id));
    }
    if body.text("data")?.is_some()
        && let Some(Value::String(data)) = body.take("data")
    {
        // Taken out, so that it is in memory once.
        sources.push(FileSource::Data(data));
    }
    if sources.len() > 1 {
        return Err(ApiError::invalid(
            "a message has one file: url, data, mediaId or a part of the form",
        ));
    }
    Ok(sources.pop())
}

fn text(body: &JsonBody) -> Result<Content, ApiError> {
    let text = body.text("text")?.or(body.text("message")?);
    Ok(Content::Text {
        text: text
            .ok_or_else(|| ApiError::invalid("text is required"))?
            .to_owned(),
        mentions: mentions(body)?,
        link_preview: body.boolean("linkPreview")?.unwrap_or(true),
    })
}

fn mentions(body: &JsonBody) -> Result<Vec<ChatId>, ApiError> {
    let all = body.text_list("mentions")?.unwrap_or_default();
    let read = |text: &String| {
        ChatId::new(text)
            .ok()
            .or_else(|| {
                PhoneNumber::new(text)
                    .ok()
                    .map(|phone| ChatId::from(&phone))
            })
            .ok_or_else(|| ApiError::invalid("mentions must be phone numbers or ids of people"))
    };
    all.iter().map(read).collect()
}

fn waveform(body: &JsonBody) -> Result<Option<Vec<u8>>, ApiError> {
    let Some(values) = body.array("waveform")? else {
        return Ok(None);
    };
    let byte = |value: &Value| value.as_u64().and_then(|value| u8::try_from(value).ok());
    let values: Option<Vec<u8>> = values.iter().map(byte).collect();
    let wrong = || ApiError::invalid("waveform must be 64 whole numbers of 0 to 100");
    values.map(Some).ok_or_else(wrong)
}

fn location(body: &JsonBody) -> Result<Content, ApiError> {
    let degrees = |name| {
        body.field(name)
            .and_then(Value::as_f64)
            .ok_or_else(|| ApiError::invalid("latitude and longitude are required, as numbers"))
    };
    Ok(Content::Location {
        latitude: degrees("latitude")?,
        longitude: degrees("longitude")?,
        name: body.text("name")?.map(str::to_owned),
        address: body.text("address")?.map(str::to_owned),
    })
}

fn contacts(body: &JsonBody) -> Result<Content, ApiError> {
    let wrong = || {
        ApiError::invalid(
            "contacts must be a list of {\"name\": …, \"phones\": [\"244929782402\"]} or \
             {\"vcard\": \"BEGIN:VCARD…\"}",
        )
    };
    let list = body.array("contacts")?.ok_or_else(wrong)?;
    let cards = list
        .iter()
        .map(|value| card(value.as_object().ok_or_else(wrong)?));
    Ok(Content::Contacts {
        contacts: cards.collect::<Result<_, _>>()?,
    })
}

fn card(fields: &Map<String, Value>) -> Result<ContactCard, ApiError> {
    if let Some(vcard) = text_in(fields, "vcard")? {
        return ContactCard::from_vcard(vcard).map_err(ApiError::invalid);
    }
    let name = text_in(fields, "name")?;
    let name = name.ok_or_else(|| ApiError::invalid("a contact needs a name or a vcard"))?;
    let wrong =
        || ApiError::invalid("a contact's phones must be a list of numbers, country code first");
    let phones = match fields.get("phones") {
        Some(Value::Array(phones)) if !phones.is_empty() => phones.as_slice(),
        _ => return Err(wrong()),
    };
    let read = |phone: &Value| PhoneNumber::new(phone.as_str()?).ok();
    let phones: Option<Vec<_>> = phones.iter().map(read).collect();
    Ok(ContactCard::new(name, &phones.ok_or_else(wrong)?))
}

fn poll(body: &JsonBody) -> Result<Content, ApiError> {
    let missing = || ApiError::invalid("question and options are required");
    Ok(Content::Poll {
        question: body.text("question")?.ok_or_else(missing)?.to_owned(),
        options: body.text_list("options")?.ok_or_else(missing)?,
        several: body.boolean("several")?.unwrap_or(false),
    })
}

fn event(body: &JsonBody) -> Result<Content, ApiError> {
    let missing = || ApiError::invalid("name and startsAt are required");
    let moment = |name| -> Result<Option<OffsetDateTime>, ApiError> {
        let read = |text| {
            OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
                ApiError::invalid(format!("{name} must read like 2025-10-15T10:00:00Z"))
            })
        };
        body.text(name)?.map(read).transpose()
    };
    let call = match body.text("call")? {
        None => None,
        Some("voice") => Some(EventCall::Voice),
        Some("video") => Some(EventCall::Video),
        Some(_) => return Err(ApiError::invalid("call must be voice or video")),
    };
    Ok(Content::Event(Event {
        name: body.text("name")?.ok_or_else(missing)?.to_owned(),
        description: body.text("description")?.map(str::to_owned),
        starts_at: moment("startsAt")?.ok_or_else(missing)?,
        ends_at: moment("endsAt")?,
        location: body.text("location")?.map(str::to_owned),
        call,
    }))
}

fn forward(body: &JsonBody) -> Result<Content, ApiError> {
    let wrong = || ApiError::invalid("messageId is required: WhatsApp's whole key of the message");
    let id = body.text("messageId")?.ok_or_else(wrong)?;
    Ok(Content::Forward {
        message: MessageId::new(id).map_err(|_| wrong())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value, with_part: bool) -> Result<Draft, ApiError> {
        let Value::Object(fields) = body else {
            panic!("an object");
        };
        Draft::read(&mut JsonBody::from(fields), with_part)
    }

    #[test]
    fn each_kind_is_read() {
        let whole = [
            (json!({"text": "olá"}), "chat"),
            (
                json!({"type": "text", "message": "olá", "linkPreview": false}),
                "chat",
            ),
            (
                json!({"text": "@5511912345678", "mentions": ["5511912345678"]}),
                "chat",
            ),
            (
                json!({"type": "location", "latitude": -8.8, "longitude": 13, "name": "x"}),
                "location",
            ),
            (
                json!({"type": "contacts", "contacts": [{"name": "Ana", "phones": ["244929782402"]}]}),
                "vcard",
            ),
            (
                json!({"type": "contact", "contacts": [{"vcard": "BEGIN:VCARD\nFN:A\nEND:VCARD"}]}),
                "vcard",
            ),
            (
                json!({"type": "poll", "question": "?", "options": ["a", "b"]}),
                "poll_creation",
            ),
            (
                json!({"type": "event", "name": "x", "startsAt": "2026-12-01T10:00:00Z", "call": "video"}),
                "event_creation",
            ),
            (
                json!({"type": "forward", "messageId": "true_5511912345678@c.us_3EB0AAAAAAAA"}),
                "forward",
            ),
        ];
        for (body, kind) in whole {
            match read(body.clone(), false) {
                Ok(Draft::Whole(content)) => assert_eq!(content.kind(), kind, "{body}"),
                other => panic!("{body}: {other:?}"),
            }
        }
    }

    #[test]
    fn files_come_from_one_place() {
        let id = Ulid::new().to_string();
        for (body, with_part, is_file) in [
            (
                json!({"type": "image", "url": "https://example.com/a.png"}),
                false,
                true,
            ),
            (json!({"type": "image", "data": "aGk="}), false, true),
            (json!({"mediaId": id, "caption": "olá"}), false, true),
            (json!({"type": "voice"}), true, true),
            (json!({"type": "voice"}), false, false),
            (
                json!({"type": "image", "data": "aGk=", "mediaId": id}),
                false,
                false,
            ),
            (json!({"type": "image", "data": "aGk="}), true, false),
            (json!({"type": "poll", "data": "aGk="}), false, false),
            (
                json!({"type": "image", "url": "file:///etc/passwd"}),
                false,
                false,
            ),
            (json!({"type": "image", "url": 1}), false, false),
            (json!({"mediaId": "x"}), false, false),
            (
                json!({"type": "image", "data": "aGk=", "waveform": [300]}),
                false,
                false,
            ),
            (
                json!({"type": "image", "data": "aGk=", "hd": "yes"}),
                false,
                false,
            ),
        ] {
            let got = read(body.clone(), with_part);
            assert_eq!(
                matches!(got, Ok(Draft::File(_))),
                is_file,
                "{body}: {got:?}"
            );
        }
    }

    #[test]
    fn wrong_ones_are_refused_with_400() {
        for body in [
            json!({}),
            json!({"type": "text"}),
            json!({"text": " "}),
            json!({"type": "hologram", "text": "x"}),
            json!({"type": "hologram", "data": "aGk="}),
            json!({"text": "oi", "mentions": ["5511912345678"]}),
            json!({"text": "oi", "mentions": "5511912345678"}),
            json!({"type": "location", "latitude": "1", "longitude": 2}),
            json!({"type": "location", "latitude": 91, "longitude": 2}),
            json!({"type": "contacts", "contacts": []}),
            json!({"type": "contacts", "contacts": [{"name": "Ana"}]}),
            json!({"type": "contacts", "contacts": [{"name": "Ana", "phones": ["x"]}]}),
            json!({"type": "contacts", "contacts": ["244929782402"]}),
            json!({"type": "poll", "question": "?", "options": ["a"]}),
            json!({"type": "poll", "question": "?", "options": "a"}),
            json!({"type": "event", "name": "x"}),
            json!({"type": "event", "name": "x", "startsAt": "tomorrow"}),
            json!({"type": "event", "name": "x", "startsAt": "2026-12-01T10:00:00Z", "call": "phone"}),
            json!({"type": "forward", "messageId": "x"}),
        ] {
            let error = read(body.clone(), false).expect_err("refused");
            assert_eq!(
                (error.status().as_u16(), error.code()),
                (400, "invalid_request"),
                "{body}"
            );
        }
    }
}
