//! What pages, phones and their owners do with files.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::control::{Refusal, phone_of};
use super::control_acts::place_of;
use super::faults::{Hold, Reupload, Uploads};
use super::groups::Place;
use super::hub::Hub;
use super::media::{self, MediaServers};
use super::phone::{Phone, PhoneError};
use super::phone_acts::Draft;
use super::wire::ToPage;
use crate::id::WireId;

/// The kinds of files that a phone sends.
const KINDS: [&str; 7] = [
    "image", "video", "gif", "audio", "ptt", "document", "sticker",
];

/// A file to send from a phone.
#[derive(Clone, Debug, Default)]
pub struct PhoneFile {
    /// What is in it.
    pub bytes: Vec<u8>,
    /// WhatsApp's word for its kind: `image`, `video`, `audio`, `ptt` (a voice note), `document`,
    /// `sticker`; and `gif`, which is a video that is shown like one.
    pub kind: String,
    /// As `image/jpeg`.
    pub mime: String,
    /// A text below it.
    pub caption: String,
    /// A document's name.
    pub name: Option<String>,
    /// In seconds, of sound and video.
    pub duration: Option<u32>,
    /// How loud a voice note is, 64 values from 0 to 100.
    pub waveform: Option<Vec<u8>>,
    /// It may be looked at once only, and on phones only.
    pub view_once: bool,
}

impl PhoneFile {
    /// A file of a kind.
    pub fn new(kind: &str, mime: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            kind: kind.to_owned(),
            mime: mime.to_owned(),
            ..Self::default()
        }
    }

    /// With a text below it.
    #[must_use]
    pub fn caption(mut self, caption: &str) -> Self {
        caption.clone_into(&mut self.caption);
        self
    }
}

impl Phone {
    /// Sends a file: encrypts and uploads it, and writes the message.
    ///
    /// # Errors
    /// As [`write`](Self::write), or [`PhoneError::BadFile`] when its kind is none.
    pub async fn send_file(
        &self,
        to: impl Into<Place>,
        file: PhoneFile,
    ) -> Result<WireId, PhoneError> {
        let bad = |why: &dyn std::fmt::Display| PhoneError::BadFile(why.to_string());
        if !KINDS.contains(&&*file.kind) {
            return Err(bad(&format!("files are {}", KINDS.join(", "))));
        }
        let key: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
        let key = BASE64.encode(key);
        let whole = media::encrypt(&file.bytes, &key, &file.kind).map_err(|why| bad(&why))?;
        let enc_filehash = media::sha256(&whole);
        let path = self.hub.media.put(whole.into(), false).await;
        let path = path.map_err(|error| bad(&error))?;
        let is_gif = file.kind == "gif";
        let fields = json!({
            "mimetype": file.mime, "filename": file.name, "size": file.bytes.len(), "duration": file.duration,
            "isGif": is_gif.then_some(true), "isViewOnce": file.view_once.then_some(true),
            "waveform": file.waveform.map(|values| BASE64.encode(values)),
            "directPath": path, "clientUrl": path, "mediaKey": key,
            "mediaKeyTimestamp": OffsetDateTime::now_utc().unix_timestamp(),
            "filehash": media::sha256(&file.bytes), "encFilehash": enc_filehash,
        });
        let fields: Map<String, Value> = match fields {
            Value::Object(fields) => fields
                .into_iter()
                .filter(|(_, one)| !one.is_null())
                .collect(),
            _ => Map::new(),
        };
        let kind = if is_gif { "video" } else { &file.kind };
        self.write(to, Draft::text(file.caption).of_kind(kind, fields))
            .await
    }

    /// The file of a message, fetched and decrypted as a phone does, and checked against what the
    /// message says of it.
    ///
    /// # Errors
    /// [`PhoneError::NoSuchMessage`], [`PhoneError::NoFile`] or [`PhoneError::BadFile`].
    pub async fn file(&self, id: &WireId) -> Result<Vec<u8>, PhoneError> {
        let message = self.messages().into_iter().find(|one| one.id == *id);
        let message = message.ok_or(PhoneError::NoSuchMessage)?;
        let said = |name| media::text(&message.fields, name).map(str::to_owned);
        let (Some(path), Some(key)) = (said("directPath"), said("mediaKey")) else {
            return Err(PhoneError::NoFile);
        };
        let bad = |why: &str| PhoneError::BadFile(why.to_owned());
        let whole = self.hub.media.get(&path).await;
        let whole = whole.ok_or_else(|| bad("it is not on the servers"))?;
        let (hash, enc_hash, kind) = (said("filehash"), said("encFilehash"), message.kind.clone());
        let opened = tokio::task::spawn_blocking(move || {
            if Some(media::sha256(&whole)) != enc_hash {
                return Err("encFilehash is another".to_owned());
            }
            let file = media::decrypt(&whole, &key, &kind)?;
            if Some(media::sha256(&file)) != hash {
                return Err("filehash is another".to_owned());
            }
            Ok(file)
        });
        let opened = opened.await.map_err(|_| bad("the sandbox has ended"))?;
        opened.map_err(PhoneError::BadFile)
    }
}

/// A page uploads a file.
pub(super) async fn take_upload(
    State(hub): State<Arc<Hub>>,
    Path((_kind, token)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    hub.answering().await;
    hub.until(|world| world.faults.uploads != Uploads::Silent)
        .await;
    let (uploads, takes) = hub.look(|world| (world.faults.uploads, world.faults.upload_ms));
    tokio::time::sleep(Duration::from_millis(takes)).await;
    if uploads != Uploads::Taken {
        return StatusCode::INSUFFICIENT_STORAGE.into_response();
    }
    let named = media::sha256(&body).replace('+', "-").replace('/', "_");
    if named.trim_end_matches('=') != token {
        return (StatusCode::BAD_REQUEST, "the token is not the file's").into_response();
    }
    let path = match hub.media.put(body, false).await {
        Ok(path) => path,
        Err(error) => return (StatusCode::INSUFFICIENT_STORAGE, error.to_string()).into_response(),
    };
    if hub.change(|world| world.reaches(Hold::Uploading)) {
        hub.released(Hold::Uploading).await;
    }
    Json(json!({"url": path, "directPath": path})).into_response()
}

/// A page fetches a file.
pub(super) async fn give_download(State(hub): State<Arc<Hub>>, uri: Uri) -> Response {
    hub.answering().await;
    let path = uri.path();
    let expired = hub.look(|world| world.faults.media_expired);
    if expired && !MediaServers::is_again(path) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match hub.media.get(path).await {
        Some(bytes) => ([(CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A page asks the account's phone to upload a message's file again.
pub(super) async fn reupload(hub: &Hub, connection: u64, req: u64, id: &str, from_me: bool) {
    let Some(me) = hub.look(|world| {
        let device = world.device_of(connection)?;
        Some(world.devices.get(&device)?.number.clone())
    }) else {
        return;
    };
    // A phone that is off line answers once it is back.
    hub.until(|world| {
        let online = world
            .accounts
            .get(&me)
            .is_some_and(|account| account.online);
        online && world.faults.reupload != Reupload::Silent
    })
    .await;
    let given = hub.look(|world| world.faults.reupload == Reupload::Given);
    let id = WireId::new(id).ok().filter(|_| given);
    let old = id.as_ref().and_then(|id| {
        hub.look(|world| {
            let message = world.accounts.get(&me)?.find(id, from_me)?;
            media::text(&message.fields, "directPath").map(str::to_owned)
        })
    });
    let file = match &old {
        Some(old) => hub.media.get(old).await,
        None => None,
    };
    let direct_path = match file {
        Some(file) => hub.media.put(file, true).await.ok(),
        None => None,
    };
    hub.change(|world| {
        if let (Some(id), Some(path)) = (&id, &direct_path)
            && let Some(message) = world.account(&me).find_mut(id, from_me)
        {
            message
                .fields
                .insert("directPath".to_owned(), path.clone().into());
        }
        world.tell(connection, ToPage::Reupload { req, direct_path });
    });
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct FileQuery {
    to: Option<String>,
    from: Option<String>,
    kind: String,
    #[serde(default)]
    caption: String,
    name: Option<String>,
    duration: Option<u32>,
    #[serde(default)]
    view_once: bool,
}

/// A phone's owner sends a file.
pub(super) async fn send_file(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let bad = |why: &str| Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", why);
    let phone = phone_of(&hub, &number)?;
    let mime = headers.get(CONTENT_TYPE).and_then(|one| one.to_str().ok());
    if !KINDS.contains(&&*query.kind) {
        return Err(bad(&format!("files are {}", KINDS.join(", "))));
    }
    let file = PhoneFile {
        bytes: body.into(),
        mime: mime.unwrap_or("application/octet-stream").to_owned(),
        kind: query.kind,
        caption: query.caption,
        name: query.name,
        duration: query.duration,
        waveform: None,
        view_once: query.view_once,
    };
    let id = match (query.to, query.from) {
        (Some(to), None) => phone.send_file(place_of(&to)?, file).await?,
        (None, Some(from)) => {
            let other = phone_of(&hub, &from)?;
            other.send_file(phone.number().clone(), file).await?
        }
        _ => {
            return Err(bad(
                "name either `to` (this phone sends) or `from` (somebody sends to it)",
            ));
        }
    };
    Ok(Json(
        json!({"success": true, "number": phone.number(), "id": id}),
    ))
}

/// A message's file, as its phone opens it.
pub(super) async fn file(
    State(hub): State<Arc<Hub>>,
    Path((number, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let phone = phone_of(&hub, &number)?;
    let id = WireId::new(&id).map_err(|_| PhoneError::NoSuchMessage)?;
    let bytes = phone.file(&id).await?;
    let message = phone.messages().into_iter().find(|one| one.id == id);
    let mime = message
        .as_ref()
        .and_then(|message| media::text(&message.fields, "mimetype"))
        .and_then(|mime| HeaderValue::from_str(mime).ok());
    let headers = [
        (
            CONTENT_TYPE,
            mime.unwrap_or(HeaderValue::from_static("application/octet-stream")),
        ),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // Whatever it is, it runs nothing on our address.
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; sandbox"),
        ),
    ];
    Ok((headers, bytes).into_response())
}
