//! What is done to messages that are sent or received, and to chats. All of it happens before the
//! answer, or not at all: nothing is queued.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use zapnode_core::message::{Activity, PinTime, RevokedFor};
use zapnode_core::outbox::Message;
use zapnode_core::session::SessionHandle;
use zapnode_core::{Error, MessageId, SessionId};

use super::messages::named;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, OptionalJsonBody, ReadQuery, recipient};
use crate::model::{ChatActed, Done, MessageActed, OneMessage};

/// A message that something is done to, where it is.
struct Target {
    session: SessionHandle,
    message: Message,
    key: MessageId,
}

impl Target {
    async fn of(app: &App, id: &str) -> Result<Self, ApiError> {
        let message = named(app, id).await?;
        let session = app.session(&message.session)?;
        let state = message.state;
        match message.message_id.clone() {
            Some(key) if !(message.from_me && state.is_open()) => Ok(Self {
                session,
                message,
                key,
            }),
            _ => Err(Error::NotSentYet { state }.into()),
        }
    }

    fn done(self, what: &'static str) -> Json<MessageActed> {
        let id = self.message.id.to_string();
        Json(MessageActed::new(what, self.message.session, id, self.key))
    }
}

/// `PUT` and `PATCH /messages/{id}`: `{"text"}` is its text from now on.
pub(super) async fn edit(
    State(app): State<App>,
    Path(id): Path<String>,
    body: JsonBody,
) -> Result<Json<MessageActed>, ApiError> {
    let text = body.text("text")?;
    let text = text.ok_or_else(|| ApiError::invalid("text is required"))?;
    let target = Target::of(&app, &id).await?;
    target.session.edit(&target.key, text).await?;
    Ok(target.done("Message edited"))
}

/// For whom a message is deleted.
#[derive(Debug, Deserialize)]
pub(super) struct DeleteQuery {
    #[serde(rename = "for")]
    whose: Option<String>,
}

/// `DELETE /messages/{id}`: takes back one that has not been handed to WhatsApp, else takes it back
/// there. Query: `for`, `everyone` (default) or `me` (on this account's devices only).
pub(super) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
    ReadQuery(query): ReadQuery<DeleteQuery>,
) -> Result<Response, ApiError> {
    let whose = match query.whose.as_deref() {
        None | Some("everyone") => RevokedFor::Everyone,
        Some("me") => RevokedFor::Me,
        Some(_) => return Err(ApiError::invalid("for must be everyone or me")),
    };
    let message = named(&app, &id).await?;
    // Where its session is gone, it is over: it was sent or has failed.
    let Ok(session) = app.session(&message.session) else {
        let state = message.state;
        return Err(Error::NotCancellable { state }.into());
    };
    let mut key = message.message_id.clone();
    if message.from_me {
        match session.cancel(message.id).await {
            Ok(cancelled) => return Ok(Json(OneMessage::new(cancelled, None)).into_response()),
            Err(Error::NotCancellable { state }) => {
                // It may have got its key while it was asked for.
                key = app.manager().message(message.id).await?.message_id;
                if key.is_none() {
                    return Err(Error::NotCancellable { state }.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    let key = key.ok_or(Error::MessageNotFound)?;
    session.revoke(&key, whose).await?;
    let done = match whose {
        RevokedFor::Everyone => "Message deleted for everyone",
        RevokedFor::Me => "Message deleted for this account",
    };
    let (id, session) = (message.id.to_string(), message.session);
    Ok(Json(MessageActed::new(done, session, id, key)).into_response())
}

/// `PUT /messages/{id}/reaction`: `{"emoji"}`; an empty one takes the reaction away.
pub(super) async fn react(
    State(app): State<App>,
    Path(id): Path<String>,
    body: JsonBody,
) -> Result<Json<MessageActed>, ApiError> {
    let emoji = body.text("emoji")?;
    let emoji = emoji.ok_or_else(|| ApiError::invalid("emoji is required"))?;
    reaction(&app, &id, Some(emoji).filter(|emoji| !emoji.is_empty())).await
}

/// `DELETE /messages/{id}/reaction`
pub(super) async fn unreact(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<MessageActed>, ApiError> {
    reaction(&app, &id, None).await
}

async fn reaction(
    app: &App,
    id: &str,
    emoji: Option<&str>,
) -> Result<Json<MessageActed>, ApiError> {
    let target = Target::of(app, id).await?;
    target.session.react(&target.key, emoji).await?;
    Ok(target.done(match emoji {
        Some(_) => "Reaction sent",
        None => "Reaction removed",
    }))
}

/// `PUT /messages/{id}/star`
pub(super) async fn star(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<MessageActed>, ApiError> {
    let target = Target::of(&app, &id).await?;
    target.session.star(&target.key, true).await?;
    Ok(target.done("Message starred"))
}

/// `DELETE /messages/{id}/star`
pub(super) async fn unstar(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<MessageActed>, ApiError> {
    let target = Target::of(&app, &id).await?;
    target.session.star(&target.key, false).await?;
    Ok(target.done("Star removed"))
}

/// `PUT /messages/{id}/pin`: `{"days"}` is 1, 7 (usual) or 30.
pub(super) async fn pin(
    State(app): State<App>,
    Path(id): Path<String>,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Result<Json<MessageActed>, ApiError> {
    let days = body.whole_number("days")?;
    let wrong = || ApiError::invalid("days must be 1, 7 or 30");
    let time = PinTime::of_days(days.unwrap_or(7)).ok_or_else(wrong)?;
    let target = Target::of(&app, &id).await?;
    target.session.pin(&target.key, Some(time)).await?;
    Ok(target.done("Message pinned"))
}

/// `DELETE /messages/{id}/pin`
pub(super) async fn unpin(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<MessageActed>, ApiError> {
    let target = Target::of(&app, &id).await?;
    target.session.pin(&target.key, None).await?;
    Ok(target.done("Message unpinned"))
}

/// A chat of a session, as a path names them.
type PathChat = Path<(String, String)>;

fn chat_of(app: &App, path: &(String, String)) -> Result<(SessionId, SessionHandle), ApiError> {
    let id = app.session_id(&path.0)?;
    let session = app.session(&id)?;
    Ok((id, session))
}

/// `POST /sessions/{id}/chats/{chat}/seen`
pub(super) async fn seen(
    State(app): State<App>,
    Path(path): PathChat,
) -> Result<Json<ChatActed>, ApiError> {
    let (id, session) = chat_of(&app, &path)?;
    session.mark_seen(&recipient(&path.1)?).await?;
    Ok(Json(ChatActed::new("Chat marked as seen", id, path.1)))
}

/// `POST /sessions/{id}/chats/{chat}/unread`
pub(super) async fn unread(
    State(app): State<App>,
    Path(path): PathChat,
) -> Result<Json<ChatActed>, ApiError> {
    let (id, session) = chat_of(&app, &path)?;
    session.mark_unread(&recipient(&path.1)?).await?;
    Ok(Json(ChatActed::new("Chat marked as unread", id, path.1)))
}

/// `POST /sessions/{id}/chats/{chat}/typing`; it passes by itself after about 25 s.
pub(super) async fn typing(
    State(app): State<App>,
    Path(path): PathChat,
) -> Result<Json<ChatActed>, ApiError> {
    show(&app, path, Activity::Typing, "Typing is shown").await
}

/// `POST /sessions/{id}/chats/{chat}/recording`; it passes by itself after about 25 s.
pub(super) async fn recording(
    State(app): State<App>,
    Path(path): PathChat,
) -> Result<Json<ChatActed>, ApiError> {
    show(&app, path, Activity::Recording, "Recording is shown").await
}

/// `POST /sessions/{id}/chats/{chat}/paused`: neither typing nor recording any more.
pub(super) async fn paused(
    State(app): State<App>,
    Path(path): PathChat,
) -> Result<Json<ChatActed>, ApiError> {
    show(&app, path, Activity::Paused, "Nothing is shown any more").await
}

async fn show(
    app: &App,
    path: (String, String),
    activity: Activity,
    done: &'static str,
) -> Result<Json<ChatActed>, ApiError> {
    let (id, session) = chat_of(app, &path)?;
    session
        .show_activity(&recipient(&path.1)?, activity)
        .await?;
    Ok(Json(ChatActed::new(done, id, path.1)))
}

/// `PUT /sessions/{id}/presence`: `{"available"}` is `true` or `false`.
pub(super) async fn presence(
    State(app): State<App>,
    Path(id): Path<String>,
    body: JsonBody,
) -> Result<Json<Done>, ApiError> {
    let on = body.boolean("available")?;
    let on = on.ok_or_else(|| ApiError::invalid("available is required: true or false"))?;
    let session = app.session(&app.session_id(&id)?)?;
    session.set_available(on).await?;
    Ok(Json(Done::new(if on {
        "The account is shown as available"
    } else {
        "The account is not shown as available"
    })))
}
