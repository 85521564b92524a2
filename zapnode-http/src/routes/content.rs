//! Messages of every kind.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use zapnode_core::MessageId;
use zapnode_core::media::{About, MediaStore, clean_name};
use zapnode_core::message::{Content, MediaFile};
use zapnode_core::outbox::NewMessage;

use super::messages::{Wish, answer};
use crate::app::App;
use crate::content::{Draft, FileDraft, FileSource};
use crate::error::ApiError;
use crate::extract::{JsonBody, MESSAGE_LIMIT, PathSession, json_of, recipient_in};
use crate::form::{self, Form};

/// `POST /sessions/{id}/messages`: JSON with `to`, `type` and what that kind needs, or a form with
/// the same fields and a part `file`. `replyTo`, `waitFor`, `timeoutMs`, `sendAt`, `region` and the
/// header `Idempotency-Key` as with a text; the same answer.
pub(super) async fn send(
    State(app): State<App>,
    PathSession(id): PathSession,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let (mut fields, file) = read(&app, &parts.headers, body).await?;
    let wish = Wish::read(&parts.headers, &fields, app.options())?;
    let to = fields
        .phone_text("to")?
        .or(fields.phone_text("phoneNumber")?);
    let to = to.filter(|to| !to.is_empty());
    let to = to.ok_or_else(|| ApiError::invalid("to is required"))?;
    let wrong = |_| ApiError::invalid("replyTo must be WhatsApp's whole key of a message");
    let reply_to = fields.text("replyTo")?.map(MessageId::new).transpose();
    let reply_to = reply_to.map_err(wrong)?;
    let draft = Draft::read(&mut fields, file.is_some())?;
    let recipient = recipient_in(wish.region, &to)?;
    let (goal, wait) = (wish.goal, wish.wait);
    let message = |content, asked| NewMessage {
        reply_to: reply_to.clone(),
        send_at: wish.send_at,
        idempotency_key: wish.key.clone(),
        asked,
        ..NewMessage::new(recipient.clone(), content)
    };
    let session = app.sender(&id)?;
    let new = match draft {
        Draft::Whole(content) => message(content, None),
        Draft::File(draft) => {
            // A repeated call is answered without getting its file again, which may be gone.
            let probe = |asked: &String| message(Content::text(""), Some(asked.clone()));
            let mut asked = draft.known_file().map(|file| draft.asked(&file));
            if let Some(asked) = &asked
                && let Some(known) = session.known(&probe(asked)).await?
            {
                return answer(to, session.wait_for(known, goal, wait).await?);
            }
            let media = app.manager().media();
            let file = get(media, &draft, file).await?;
            if asked.is_none() {
                let same = draft.asked(&json!({ "sha256": file.sha256 }));
                if let Some(known) = session.known(&probe(&same)).await? {
                    return answer(to, session.wait_for(known, goal, wait).await?);
                }
                asked = Some(same);
            }
            let kind = draft.kind_for(&file);
            let file = media.prepare(kind, file).await?;
            message(draft.with(kind, file)?, asked)
        }
    };
    answer(to, session.submit_and_wait(new, goal, wait).await?)
}

async fn read(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<(JsonBody, Option<MediaFile>), ApiError> {
    if form::is_form(headers) {
        let Form { fields, file } = form::read(headers, body, app.manager().media()).await?;
        return Ok((fields, file));
    }
    let fields = json_of(headers, body, MESSAGE_LIMIT).await?;
    Ok((fields, None))
}

/// The file, on this machine's disk.
async fn get(
    media: &MediaStore,
    draft: &FileDraft,
    part: Option<MediaFile>,
) -> Result<MediaFile, ApiError> {
    let about = || About {
        name: draft.name.clone(),
        mime: draft.mime.clone(),
        kind: draft.kind,
    };
    let file = match &draft.source {
        FileSource::Url(url) => media.add_url(url, about()).await?,
        FileSource::Data(data) => media.add_base64(data, about()).await?,
        FileSource::Id(id) => {
            let known = media.find(*id).await?;
            let mut file = media.file(&known).await?;
            if let Some(name) = &draft.name {
                file.name = clean_name(name);
            }
            file
        }
        FileSource::Part => part.ok_or_else(ApiError::internal)?,
    };
    Ok(file)
}
