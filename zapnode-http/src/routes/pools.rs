//! Several sessions as one sender.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use zapnode_core::pool::{PoolName, Senders, Strategy};
use zapnode_core::{Error, SessionId};

use super::content::{Composed, compose, recipient_of};
use super::messages::{Wish, answer, checked, number_and_message};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::model::{Done, OnePool, PoolList};

/// `POST /send`: one of several sessions sends it. Body: `sessions` or `pool`, `to` (or
/// `phoneNumber`), `message`, `strategy`, and what `/sessions/{id}/send` takes besides; with `type`
/// instead of `message` what `/sessions/{id}/messages` takes.
pub(super) async fn send(
    State(app): State<App>,
    headers: HeaderMap,
    mut body: JsonBody,
) -> Result<Response, ApiError> {
    let senders = match (sessions(&app, &body)?, body.text("pool")?) {
        (Some(sessions), None) => Senders::Sessions(sessions),
        (None, Some(pool)) => Senders::Pool(pool_name(pool)?),
        _ => {
            return Err(ApiError::invalid(
                "sessions (a list of ids) or pool (a name) is required, and not both",
            ));
        }
    };
    let strategy = strategy(&body)?;
    let wish = Wish::read(&headers, &body, app.options())?;
    let (goal, wait) = (wish.goal, wish.wait);
    let (to, new) = if body.has("type") {
        let to = recipient_of(&body)?;
        // Which session sends it is chosen later: what a key stands for is seen then.
        match compose(&app, &mut body, None, wish, &to, None).await? {
            Composed::New(new) => (to, *new),
            Composed::Known(known) => return answer(to, *known),
        }
    } else {
        let field = match body.phone_text("to")? {
            Some(_) => "to",
            None => "phoneNumber",
        };
        let (to, text) = number_and_message(&body, field, "to and message are required")?;
        let new = checked(&to, text, wish)?;
        (to, new)
    };
    let manager = app.manager();
    let submitted = manager.submit_from_and_wait(&senders, strategy, new, goal, wait);
    answer(to, submitted.await.map_err(named)?)
}

/// `GET /pools`
pub(super) async fn list(State(app): State<App>) -> Result<Json<PoolList>, ApiError> {
    Ok(Json(app.manager().pools().list().await?.into()))
}

/// `GET /pools/{name}`
pub(super) async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<OnePool>, ApiError> {
    let pool = app.manager().pools().get(&pool_name(&name)?).await?;
    Ok(Json(pool.into()))
}

/// `PUT /pools/{name}`, with `{"sessions": […], "strategy": …}`: makes it or changes it.
pub(super) async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let name = pool_name(&name)?;
    let missing = || ApiError::invalid("sessions is required: a list of session ids");
    let sessions = sessions(&app, &body)?.ok_or_else(missing)?;
    let strategy = strategy(&body)?.unwrap_or_default();
    let put = app.manager().pools().put(name, sessions, strategy).await;
    let (pool, is_new) = put.map_err(named)?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(OnePool::from(pool))).into_response())
}

/// `DELETE /pools/{name}`. Its sessions stay.
pub(super) async fn delete(
    State(app): State<App>,
    Path(name): Path<String>,
) -> Result<Json<Done>, ApiError> {
    let name = pool_name(&name)?;
    app.manager().pools().delete(&name).await?;
    Ok(Json(Done::new(format!("Pool {name} deleted"))))
}

fn sessions(app: &App, body: &JsonBody) -> Result<Option<Vec<SessionId>>, ApiError> {
    let Some(list) = body.array("sessions")? else {
        return Ok(None);
    };
    let read = |value: &Value| match value {
        Value::String(id) => app.session_id(id),
        _ => Err(ApiError::invalid("sessions must be a list of session ids")),
    };
    list.iter().map(read).collect::<Result<_, _>>().map(Some)
}

fn strategy(body: &JsonBody) -> Result<Option<Strategy>, ApiError> {
    let Some(word) = body.text("strategy")? else {
        return Ok(None);
    };
    let refused = || ApiError::invalid("strategy must be sticky, round-robin or least-loaded");
    Strategy::from_word(word).ok_or_else(refused).map(Some)
}

fn pool_name(text: &str) -> Result<PoolName, ApiError> {
    PoolName::new(text)
        .map_err(|_| ApiError::invalid("a pool's name has 1 to 64 letters, digits, '_' or '-'"))
}

/// Of several sessions, the one that is not there is named.
fn named(error: Error) -> ApiError {
    match error {
        Error::SessionNotFound { id } => ApiError::new(
            StatusCode::NOT_FOUND,
            "session_not_found",
            format!("Session {id} not found"),
        )
        .hint("GET /sessions lists the sessions there are."),
        other => other.into(),
    }
}
