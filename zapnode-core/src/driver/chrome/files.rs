//! Files on their way into the page and out of it. In by DevTools' file input: 50 MB take 63 ms that
//! way, and 2.5 s as text (`headless-chrome.md` §2). Out in pieces, because no message may be large.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use headless_chrome::protocol::cdp::types::Method;
use headless_chrome::protocol::cdp::{DOM, Runtime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ulid::Ulid;

use super::bridge::{Command, MessageAnswer, OpenedMedia};
use super::connection::{ChromeConnection, sent_message};
use super::page::Shared;
use crate::driver::DriverError;
use crate::driver::file_sink::FileSink;
use crate::id::MessageId;
use crate::message::{Downloaded, Media, OutgoingMessage, SentMessage};

/// How much of a file comes in one piece: 3 MiB are 4 MiB of base64.
const PIECE: u64 = 3 << 20;

/// How long DevTools may take to put a file into its input, and for the steps around it.
const PUT: Duration = Duration::from_secs(30);

/// The slowest upload that is waited for, in bytes a second.
const SLOWEST: u64 = 64 << 10;

/// The longest that an upload may take in all.
const LONGEST: Duration = Duration::from_secs(1800);

/// How many files of a session are under way into its page, and how many out of it: the page has each
/// of them whole in memory, more than once.
pub(crate) const AT_ONCE: usize = 2;

/// `Runtime.evaluate` for something that stays in the page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Hold {
    expression: String,
}

#[derive(Debug, Deserialize)]
struct Held {
    result: HeldObject,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeldObject {
    object_id: Option<String>,
}

impl Method for Hold {
    const NAME: &'static str = "Runtime.evaluate";
    type ReturnObject = Held;
}

/// Puts a file into the page; gives the token under which the bridge finds it.
async fn put(shared: &Shared, command: &'static str, path: &Path) -> Result<String, DriverError> {
    let Some(path) = path.to_str() else {
        return Err(DriverError::MediaUnusable {
            reason: "its path is not UTF-8, which is all that the browser takes".to_owned(),
        });
    };
    let token = Ulid::new().to_string();
    let hold = Hold {
        expression: Command::file_input(&token),
    };
    let held = shared.on_page(command, shared.call(hold, PUT)).await?;
    let Some(object) = held.result.object_id else {
        return Err(DriverError::WrongMoment {
            command,
            why: "the page is not up".to_owned(),
        });
    };
    let set = DOM::SetFileInputFiles {
        files: vec![path.to_owned()],
        node_id: None,
        backend_node_id: None,
        object_id: Some(object.clone()),
    };
    shared.on_page(command, shared.call(set, PUT)).await?;
    let release = Runtime::ReleaseObject { object_id: object };
    shared.on_page(command, shared.call(release, PUT)).await?;
    Ok(token)
}

/// How much more time a file gets for its upload.
fn upload_time(size: u64) -> Duration {
    Duration::from_secs(size / SLOWEST).min(LONGEST)
}

fn wanted(id: &MessageId) -> Value {
    json!({
        "key": id.as_str(),
        "chat": id.chat().as_str(),
        "wireId": id.wire_id().as_str(),
        "own": id.from_me(),
    })
}

impl ChromeConnection {
    /// Sends a message with a file.
    pub(crate) async fn send_file(
        &self,
        message: &OutgoingMessage,
        media: &Media,
    ) -> Result<SentMessage, DriverError> {
        let command = Command::SEND_MEDIA.and(upload_time(media.file.size));
        self.need_ready(command.name)?;
        let _turn = self.uploads.acquire().await;
        self.shared.tracker().sending(&message.wire_id);
        if let Some(caption) = &media.caption {
            self.shared.words().keep_out(caption);
        }
        let token = put(&self.shared, command.name, &media.file.path).await?;
        let arguments = json!({
            "token": token,
            "chat": message.chat.as_str(),
            "wireId": message.wire_id.as_str(),
            "replyTo": message.reply_to.as_ref().map(MessageId::as_str),
            "medium": {
                "kind": media.kind,
                "mimeType": media.file.mime,
                "fileName": media.file.name,
                "caption": media.caption,
                "mentions": media.mentions,
                "viewOnce": media.view_once,
                "hd": media.hd,
                "duration": media.duration,
                "waveform": media.waveform,
            },
        });
        let answer: MessageAnswer = self.shared.command(command, &arguments).await?;
        sent_message(command, &answer)
    }

    /// Fetches a message's file; see [`Connection::download`](crate::driver::Connection::download).
    pub(crate) async fn fetch(&self, id: &MessageId, to: &Path) -> Result<Downloaded, DriverError> {
        const COMMAND: Command = Command::OPEN_MEDIA;
        self.need_ready(COMMAND.name)?;
        let _turn = self.downloads.acquire().await;
        let opened: OpenedMedia = self.shared.command(COMMAND, &wanted(id)).await?;
        let written = self.write_out(&opened, to).await;
        // The page lets go of it by itself too, later.
        let close = json!({ "token": opened.token });
        let closed: Result<(), _> = self.shared.command(Command::CLOSE_MEDIA, &close).await;
        if let Err(error) = closed {
            tracing::debug!(%error, "the page was not told to let go of a file");
        }
        let (size, sha256) = written?;
        Ok(Downloaded {
            size,
            sha256,
            mime_type: opened.mime_type,
            file_name: opened.file_name,
        })
    }

    async fn write_out(
        &self,
        opened: &OpenedMedia,
        to: &Path,
    ) -> Result<(u64, String), DriverError> {
        const COMMAND: Command = Command::READ_MEDIA;
        let strange = |reason: String| DriverError::Refused {
            command: COMMAND.name,
            reason,
        };
        let mut sink = FileSink::create(to).await?;
        while sink.size() < opened.size {
            let piece = json!({
                "token": opened.token,
                "offset": sink.size(),
                "length": PIECE.min(opened.size - sink.size()),
            });
            let text: String = self.shared.command(COMMAND, &piece).await?;
            let bytes = BASE64.decode(text);
            let bytes = bytes.map_err(|error| strange(format!("a piece of the file: {error}")))?;
            if bytes.is_empty() {
                return Err(strange("the file ended early".to_owned()));
            }
            sink.write(&bytes).await?;
        }
        Ok((sink.size(), sink.finish().await?))
    }

    /// Has the phone upload a message's file again.
    pub(crate) async fn ask_for_file(&self, id: &MessageId) -> Result<(), DriverError> {
        const COMMAND: Command = Command::ASK_FOR_MEDIA;
        self.need_ready(COMMAND.name)?;
        self.shared.command(COMMAND, &wanted(id)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_gets_time_by_its_size() {
        for (size, seconds) in [(0, 0), (1 << 20, 16), (64 << 20, 1024), (2 << 30, 1800)] {
            assert_eq!(upload_time(size), Duration::from_secs(seconds), "{size}");
        }
    }
}
