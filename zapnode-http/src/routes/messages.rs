//! Sending.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use zapnode_core::SessionId;
use zapnode_core::session::MAX_TEXT_CHARACTERS;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession, recipient};
use crate::model::Sent;

/// `POST /sessions/{id}/send`
pub(super) async fn send(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let missing = "phoneNumber and message are required";
    let (to, text) = number_and_message(&body, missing)?;
    send_text(&app, id, to, text, app.options().send_wait).await
}

/// Takes `phoneNumber` and `message` out of a body; empty ones are as good as missing.
pub(super) fn number_and_message<'a>(
    body: &'a JsonBody,
    missing: &'static str,
) -> Result<(String, &'a str), ApiError> {
    let to = body.phone_text("phoneNumber")?.filter(|to| !to.is_empty());
    let text = body.text("message")?.filter(|text| !text.is_empty());
    match (to, text) {
        (Some(to), Some(text)) => Ok((to, text)),
        _ => Err(ApiError::invalid(missing)),
    }
}

/// Sends, and answers as the contract has it. `to` is echoed as it was given.
pub(super) async fn send_text(
    app: &App,
    id: SessionId,
    to: String,
    text: &str,
    wait: Duration,
) -> Result<Response, ApiError> {
    // The core would refuse them too, but only once the session is ready: what can never be right
    // is told first.
    if text.chars().nth(MAX_TEXT_CHARACTERS).is_some() {
        return Err(ApiError::invalid(format!(
            "message has more than {MAX_TEXT_CHARACTERS} characters"
        )));
    }
    if text.trim().is_empty() {
        return Err(ApiError::invalid("message is empty"));
    }
    let recipient = recipient(&to)?;
    let session = app.sender(&id)?;
    let receipt = session.send_text(recipient, text, wait).await?;
    let sent = Sent::new(id, to, &receipt);
    let status = if sent.is_under_way() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(sent)).into_response())
}
