//! Channels, which anybody may follow.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;
use zapnode_core::channel::NewChannel;
use zapnode_core::{ChatId, SessionId};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession, ReadQuery};
use crate::model::{ChannelDone, ChannelList, OfSession, OneChannel, Posted};

/// Every path about channels.
pub(super) fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/sessions/{id}/channels", get(list).post(create)),
        ("/sessions/{id}/channels/invite", get(invite)),
        ("/sessions/{id}/channels/{channel}/follow", post(follow)),
        ("/sessions/{id}/channels/{channel}/unfollow", post(unfollow)),
        (
            "/sessions/{id}/channels/{channel}/messages",
            post(post_text),
        ),
    ]
}

type PathChannel = Path<(String, String)>;

fn named(
    app: &App,
    (session, channel): &(String, String),
) -> Result<(SessionId, ChatId), ApiError> {
    let channel = ChatId::new(channel.trim())
        .map_err(|_| ApiError::invalid("a channel's id reads 120363…@newsletter"))?;
    Ok((app.session_id(session)?, channel))
}

/// `GET /sessions/{id}/channels`
async fn list(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<OfSession<ChannelList>>, ApiError> {
    let channels = app.session(&id)?.channels().await?;
    Ok(Json(OfSession::new(id, channels.into())))
}

/// `POST /sessions/{id}/channels`, with `name` and, if wanted, `description`.
async fn create(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let name = body.text("name")?;
    let name = name.ok_or_else(|| ApiError::invalid("name is required"))?;
    let new = NewChannel {
        name: name.to_owned(),
        description: body.text("description")?.map(str::to_owned),
    };
    let made = app.session(&id)?.create_channel(&new).await?;
    let answer: OfSession<OneChannel> = OfSession::new(id, made.into());
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

#[derive(Debug, Deserialize)]
struct Invite {
    invite: Option<String>,
}

/// `GET /sessions/{id}/channels/invite?invite=…`: where a channel's link (or its code) leads.
async fn invite(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(query): ReadQuery<Invite>,
) -> Result<Json<OfSession<OneChannel>>, ApiError> {
    let invite = query.invite;
    let invite = invite.ok_or_else(|| ApiError::invalid("invite is required"))?;
    let found = app.session(&id)?.channel_by_invite(&invite).await?;
    Ok(Json(OfSession::new(id, found.into())))
}

/// `POST /sessions/{id}/channels/{channel}/follow`
async fn follow(
    State(app): State<App>,
    Path(path): PathChannel,
) -> Result<Json<OfSession<ChannelDone>>, ApiError> {
    let (id, channel) = named(&app, &path)?;
    app.session(&id)?.follow_channel(&channel, true).await?;
    let done = ChannelDone::new(channel, "Followed");
    Ok(Json(OfSession::new(id, done)))
}

/// `POST /sessions/{id}/channels/{channel}/unfollow`
async fn unfollow(
    State(app): State<App>,
    Path(path): PathChannel,
) -> Result<Json<OfSession<ChannelDone>>, ApiError> {
    let (id, channel) = named(&app, &path)?;
    app.session(&id)?.follow_channel(&channel, false).await?;
    let done = ChannelDone::new(channel, "Followed no more");
    Ok(Json(OfSession::new(id, done)))
}

/// `POST /sessions/{id}/channels/{channel}/messages`, with `text`.
async fn post_text(
    State(app): State<App>,
    Path(path): PathChannel,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let (id, channel) = named(&app, &path)?;
    let text = body.text("text")?.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| ApiError::invalid("text is required"))?;
    let session = app.session(&id)?;
    let message_id = Some(session.post_to_channel(&channel, text).await?);
    let answer = OfSession::new(id, Posted { message_id });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}
