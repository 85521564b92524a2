//! Starting, stopping, removing. All of it may be asked again.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use zapnode_core::options::SessionOptions;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, OptionalJsonBody, PathSession, ReadQuery};
use crate::model::SessionAnswer;

type Answer = Result<Json<SessionAnswer>, ApiError>;

/// `POST /sessions/{id}/start`. The default session is made where it does not exist.
pub(in crate::routes) async fn start(
    State(app): State<App>,
    PathSession(id): PathSession,
    _: OptionalJsonBody,
) -> Answer {
    let info = if id == app.options().default_session {
        let created = app.manager().create(id.clone(), SessionOptions::default());
        created.await?.session.start().await?
    } else {
        app.session(&id)?.start().await?
    };
    let message = format!("Session {id} started");
    Ok(Json(SessionAnswer::with(message, info)))
}

/// `POST /sessions/{id}/stop`. Answers when the browser has ended.
pub(in crate::routes) async fn stop(
    State(app): State<App>,
    PathSession(id): PathSession,
    _: OptionalJsonBody,
) -> Answer {
    let info = app.session(&id)?.stop().await?;
    let message = format!("Session {id} stopped");
    Ok(Json(SessionAnswer::with(message, info)))
}

/// `POST /sessions/{id}/restart`
pub(in crate::routes) async fn restart(
    State(app): State<App>,
    PathSession(id): PathSession,
    _: OptionalJsonBody,
) -> Answer {
    let info = app.session(&id)?.restart().await?;
    let message = format!("Session {id} restarted");
    Ok(Json(SessionAnswer::with(message, info)))
}

/// `POST /sessions/{id}/logout`. The session stays listed; `start` gives a new QR.
pub(in crate::routes) async fn log_out(
    State(app): State<App>,
    PathSession(id): PathSession,
    _: OptionalJsonBody,
) -> Answer {
    let info = app.session(&id)?.log_out().await?;
    let message = format!("Session {id} logged out");
    Ok(Json(SessionAnswer::with(message, info)))
}

/// `PATCH /sessions/{id}`: changes a session that may be running. `pace` as in `POST /sessions`;
/// `null` gives it the pace of all sessions.
pub(in crate::routes) async fn change(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Answer {
    if !body.has("pace") {
        return Err(ApiError::invalid("name what is to be changed: pace"));
    }
    let pace = body.pace("pace")?;
    let info = app.session(&id)?.set_pace(pace).await?;
    let message = format!("Session {id} changed");
    Ok(Json(SessionAnswer::with(message, info)))
}

/// How to delete.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct Delete {
    keep_login: Option<String>,
}

/// `DELETE /sessions/{id}`: logs out if ready, closes the browser, removes the profile. With
/// `?keepLogin=true` the device stays linked and the profile stays.
pub(in crate::routes) async fn delete(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(how): ReadQuery<Delete>,
) -> Answer {
    let keep_login = match how.keep_login.as_deref() {
        None | Some("false" | "0") => false,
        Some("true" | "1") => true,
        Some(_) => return Err(ApiError::invalid("keepLogin must be true or false")),
    };
    app.manager().delete(&id, keep_login).await?;
    let message = format!("Session {id} deleted successfully");
    Ok(Json(SessionAnswer::gone(message)))
}
