//! Files between the two: what agents attach goes out as files, what came with a message is put
//! beside it. Where a file cannot be carried its link, or words for it, go instead.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::time::timeout;
use url::Url;

use super::api::File;
use super::bridge::Bridge;
use super::incoming::{AgentMessage, Attachment};
use super::outgoing::{Carried, Source};
use crate::error::with_causes;
use crate::media::About;
use crate::message::{Content, Media, MediaFile, MediaKind};
use crate::net::{Policy, check_url};
use crate::session::SessionHandle;

/// The largest file that Chatwoot takes as it comes (`app/models/attachment.rb`). Bytes.
const LARGEST: u64 = 40 * 1024 * 1024;

/// How long a file may take to be fetched, from either side.
const FETCHED_WITHIN: Duration = Duration::from_secs(60);

/// One message on WhatsApp: an agent's may be several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Its words, for a file those below it.
    pub(super) text: String,
    /// Its file.
    pub(super) attachment: Option<&'a Attachment>,
}

/// What an agent's message is on WhatsApp: the words with the first file if that can have some, and
/// each other file by itself. The same each time it is asked.
pub(super) fn parts(text: String, message: &AgentMessage) -> Vec<Part<'_>> {
    let mut attachments = message.attachments.iter().peekable();
    let captioned = |one: &&Attachment| {
        matches!(one.kind.as_str(), "image" | "video" | "file") && one.url.is_some()
    };
    let mut parts = vec![];
    if !text.is_empty() {
        let attachment = attachments.next_if(captioned);
        parts.push(Part { text, attachment });
    }
    parts.extend(attachments.map(|one| Part {
        text: String::new(),
        attachment: Some(one),
    }));
    parts
}

impl Bridge {
    /// What a part carries. A file that cannot be had or sent is its link.
    pub(super) async fn content(&self, part: &Part<'_>, session: &SessionHandle) -> Content {
        let Some(attachment) = part.attachment else {
            return Content::text(part.text.clone());
        };
        if let Some(place) = place_of(attachment) {
            return place;
        }
        let Some(url) = attachment.url.as_deref() else {
            return Content::text(with_text(&part.text, attachment.title.as_deref()));
        };
        let fetched = timeout(FETCHED_WITHIN, self.fetch(url, session)).await;
        let file = fetched.unwrap_or_else(|_| Err("it took too long".to_owned()));
        let ready = match file {
            Ok(file) => as_media(file, &attachment.kind, &part.text, session).await,
            Err(why) => Err(why),
        };
        ready.unwrap_or_else(|why| {
            tracing::info!(session = %self.row.session, why, "an agent's file goes as its link");
            Content::text(with_text(&part.text, Some(url)))
        })
    }

    async fn fetch(&self, url: &str, session: &SessionHandle) -> Result<MediaFile, String> {
        let url = check_url(url).map_err(|error| error.to_string())?;
        let chatwoot = Url::parse(&self.row.config.url).map_err(|error| error.to_string())?;
        let others = if self.shared.options.allow_private {
            Policy::Any
        } else {
            Policy::PublicOnly
        };
        // Chatwoot's own host may be where Chatwoot may be.
        let own = if url.origin() == chatwoot.origin() {
            self.shared.policy(&chatwoot)
        } else {
            others
        };
        let answer = self.shared.http.open_file(own, others, &url).await;
        let answer = answer.map_err(|error| with_causes(&error))?;
        if !answer.status().is_success() {
            return Err(format!("its address answered {}", answer.status()));
        }
        let mime = answer.headers().get(hyper::header::CONTENT_TYPE);
        let about = About {
            name: file_name(&url),
            mime: mime.and_then(|mime| mime.to_str().ok()).map(str::to_owned),
            kind: None,
        };
        let pieces = answer.into_body().into_data_stream();
        let added = session.media().add(pieces, about).await;
        added.map_err(|error| with_causes(&error))
    }

    /// The file that came with a message, if it can be had now and Chatwoot would take it.
    pub(super) async fn fetched(&self, source: &Source, carried: &Carried) -> Option<File> {
        if carried.size.is_some_and(|size| size > LARGEST) {
            return None;
        }
        let session = self.shared.manager.get(&self.row.session).ok()?;
        let scratch = session.media().scratch().await.ok()?;
        let loaded = async {
            let connection = session
                .connection()
                .await
                .map_err(|error| with_causes(&error))?;
            let loaded = connection
                .download(&source.message_id, scratch.path())
                .await;
            loaded.map_err(|error| with_causes(&error))
        };
        let loaded = timeout(FETCHED_WITHIN, loaded).await;
        let loaded = match loaded.unwrap_or_else(|_| Err("it took too long".to_owned())) {
            Ok(loaded) => loaded,
            Err(why) => {
                tracing::info!(session = %self.row.session, message = %source.wire_id, why, "a file goes to Chatwoot as words");
                return None;
            }
        };
        if loaded.size > LARGEST {
            return None;
        }
        let content_type = loaded.mime_type.or_else(|| carried.mime.clone());
        let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        let name = loaded.file_name.or_else(|| carried.name.clone());
        Some(File {
            name: name.unwrap_or_else(|| name_for(&carried.kind, &content_type)),
            content_type,
            bytes: tokio::fs::read(scratch.path()).await.ok()?,
        })
    }
}

async fn as_media(
    file: MediaFile,
    told: &str,
    text: &str,
    session: &SessionHandle,
) -> Result<Content, String> {
    let kind = kind_for(told, &file.mime);
    let name = file.name.clone();
    let prepared = match session.media().prepare(kind, file.clone()).await {
        Ok(prepared) => Ok((kind, prepared)),
        // Not what Chatwoot took it for: any file is a document.
        Err(_) => session
            .media()
            .prepare(MediaKind::Document, file)
            .await
            .map(|file| (MediaKind::Document, file)),
    };
    let (kind, mut file) = prepared.map_err(|error| with_causes(&error))?;
    file.name = file.name.or(name);
    let mut media = Media::new(kind, file);
    if !text.is_empty() {
        media.caption = Some(text.to_owned());
    }
    Ok(Content::Media(media))
}

/// As what a file is shown, by Chatwoot's word and by what it is.
fn kind_for(told: &str, mime: &str) -> MediaKind {
    match told {
        "image" => MediaKind::Image,
        "video" => MediaKind::Video,
        // What an agent records; music is another format.
        "audio" if mime.starts_with("audio/ogg") => MediaKind::Voice,
        "audio" => MediaKind::Audio,
        _ => MediaKind::Document,
    }
}

fn place_of(attachment: &Attachment) -> Option<Content> {
    let (latitude, longitude) = attachment.place.as_ref()?;
    Some(Content::Location {
        latitude: latitude.parse().ok()?,
        longitude: longitude.parse().ok()?,
        name: attachment.title.clone(),
        address: None,
    })
}

fn with_text(text: &str, more: Option<&str>) -> String {
    let lines = [text, more.unwrap_or_default()];
    let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

/// The name at the end of an address.
fn file_name(url: &Url) -> Option<String> {
    let last = url.path_segments()?.next_back()?;
    let name = percent_encoding::percent_decode_str(last)
        .decode_utf8()
        .ok()?;
    (!name.is_empty()).then(|| name.into_owned())
}

/// A name for a file without one, so that Chatwoot shows it as what it is.
fn name_for(kind: &str, mime: &str) -> String {
    let essence = mime.split(';').next().unwrap_or_default().trim();
    let ending = match essence.split_once('/') {
        Some((_, "jpeg")) => "jpg",
        Some((_, "ogg")) => "ogg",
        Some(("audio", "mpeg")) => "mp3",
        Some(("audio", "mp4")) => "m4a",
        Some((_, "plain")) => "txt",
        Some((_, end)) if end.len() <= 5 && end.bytes().all(|b| b.is_ascii_alphanumeric()) => end,
        _ => "bin",
    };
    format!("{kind}.{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(kind: &str) -> Attachment {
        Attachment {
            kind: kind.to_owned(),
            url: Some(format!("https://files.example/{kind}")),
            place: None,
            title: None,
        }
    }

    #[test]
    fn words_go_below_the_first_file_that_can_have_some() {
        let split = |text: &str, kinds: &[&str]| {
            let message = AgentMessage {
                id: 1,
                conversation: 1,
                to: None,
                content: String::new(),
                attachments: kinds.iter().map(|kind| attachment(kind)).collect(),
                in_reply_to: None,
                agent: None,
            };
            let parts = parts(text.to_owned(), &message);
            let shown = parts.iter().map(|part| {
                let kind = part.attachment.map_or("-", |one| one.kind.as_str());
                format!("{}/{kind}", part.text)
            });
            shown.collect::<Vec<_>>().join(" ")
        };
        for (text, kinds, wanted) in [
            ("a", &[][..], "a/-"),
            ("a", &["image"], "a/image"),
            ("a", &["image", "file"], "a/image /file"),
            ("a", &["audio", "image"], "a/- /audio /image"),
            ("a", &["location"], "a/- /location"),
            ("", &["video", "audio"], "/video /audio"),
        ] {
            assert_eq!(split(text, kinds), wanted, "{text:?} {kinds:?}");
        }
    }

    #[test]
    fn files_are_shown_as_what_they_are() {
        for (told, mime, kind) in [
            ("image", "image/png", MediaKind::Image),
            ("audio", "audio/ogg; codecs=opus", MediaKind::Voice),
            ("audio", "audio/mpeg", MediaKind::Audio),
            ("file", "image/png", MediaKind::Document),
            ("ig_reel", "video/mp4", MediaKind::Document),
        ] {
            assert_eq!(kind_for(told, mime), kind, "{told} {mime}");
        }
        for (kind, mime, name) in [
            ("image", "image/jpeg", "image.jpg"),
            ("ptt", "audio/ogg; codecs=opus", "ptt.ogg"),
            ("document", "application/pdf", "document.pdf"),
            ("document", "application/vnd.ms-excel", "document.bin"),
        ] {
            assert_eq!(name_for(kind, mime), name);
        }
        let url = Url::parse("https://c.example/rails/x/O%20menu.pdf?sig=1").expect("a url");
        assert_eq!(file_name(&url).as_deref(), Some("O menu.pdf"));
    }

    #[test]
    fn a_place_is_one() {
        let mut place = attachment("location");
        assert_eq!(place_of(&place), None);
        place.place = Some(("-8.8".to_owned(), "13.2".to_owned()));
        assert!(
            matches!(place_of(&place), Some(Content::Location { latitude, .. }) if latitude < -8.7)
        );
        assert_eq!(with_text("", Some("x")), "x");
        assert_eq!(with_text("a", Some("x")), "a\nx");
    }
}
