//! Messages of every kind.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use zapnode_core::media::{About, MediaStore, clean_name};
use zapnode_core::message::{Content, MediaFile};
use zapnode_core::outbox::{NewMessage, Submitted};
use zapnode_core::{MessageId, SessionHandle};

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
    let to = recipient_of(&fields)?;
    let (goal, wait) = (wish.goal, wish.wait);
    let session = app.sender(&id)?;
    let composed = compose(&app, &mut fields, file, wish, &to, Some(&session)).await?;
    let submitted = match composed {
        Composed::New(new) => session.submit_and_wait(*new, goal, wait).await?,
        Composed::Known(known) => session.wait_for(*known, goal, wait).await?,
    };
    answer(to, submitted)
}

/// `to`, or `phoneNumber` as the contract has it.
///
/// # Errors
/// 400 where neither is there.
pub(super) fn recipient_of(fields: &JsonBody) -> Result<String, ApiError> {
    let to = fields.phone_text("to")?;
    let to = to.or(fields.phone_text("phoneNumber")?);
    to.filter(|to| !to.is_empty())
        .ok_or_else(|| ApiError::invalid("to is required"))
}

/// What was asked for.
pub(super) enum Composed {
    /// A message.
    New(Box<NewMessage>),
    /// The message that this request made before.
    Known(Box<Submitted>),
}

/// The message that a body asks for, with its file here and ready. Where it is known which session
/// sends it, a repeated request is answered without getting its file again, which may be gone.
///
/// # Errors
/// What is wrong with it.
pub(super) async fn compose(
    app: &App,
    fields: &mut JsonBody,
    part: Option<MediaFile>,
    wish: Wish,
    to: &str,
    session: Option<&SessionHandle>,
) -> Result<Composed, ApiError> {
    let wrong = |_| ApiError::invalid("replyTo must be WhatsApp's whole key of a message");
    let reply_to = fields.text("replyTo")?.map(MessageId::new).transpose();
    let reply_to = reply_to.map_err(wrong)?;
    let draft = Draft::read(fields, part.is_some())?;
    let recipient = recipient_in(wish.region, to)?;
    let message = |content, asked| NewMessage {
        reply_to: reply_to.clone(),
        send_at: wish.send_at,
        idempotency_key: wish.key.clone(),
        asked,
        ..NewMessage::new(recipient.clone(), content)
    };
    let draft = match draft {
        Draft::Whole(content) => return Ok(Composed::New(Box::new(message(content, None)))),
        Draft::File(draft) => draft,
    };
    let known = async |asked: &str| match session {
        Some(session) => {
            let same = message(Content::text(""), Some(asked.to_owned()));
            session.known(&same).await
        }
        None => Ok(None),
    };
    let mut asked = draft.known_file().map(|file| draft.asked(&file));
    if let Some(asked) = &asked
        && let Some(known) = known(asked).await?
    {
        return Ok(Composed::Known(Box::new(known)));
    }
    let media = app.manager().media();
    let file = get(media, &draft, part).await?;
    if asked.is_none() {
        let same = draft.asked(&json!({ "sha256": file.sha256 }));
        if let Some(known) = known(&same).await? {
            return Ok(Composed::Known(Box::new(known)));
        }
        asked = Some(same);
    }
    let kind = draft.kind_for(&file);
    let file = media.prepare(kind, file).await?;
    let content = draft.with(kind, file)?;
    Ok(Composed::New(Box::new(message(content, asked))))
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
