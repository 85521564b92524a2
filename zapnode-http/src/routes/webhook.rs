//! Chatwoot's webhook, and the one for trying it.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use zapnode_core::SessionId;
use zapnode_core::chatwoot::{ChatwootError, signature};

use super::messages::{Wish, number_and_message, send_text};
use crate::app::{App, DEFAULT_ALIAS};
use crate::error::ApiError;
use crate::extract::{JsonBody, SignedBody, text_in};
use crate::model::Ignored;

/// Chatwoot gives up after 5 s and marks the message as failed.
const CHATWOOT_WAIT: Duration = Duration::from_secs(4);

/// `POST /webhook`
pub(super) async fn chatwoot(
    State(app): State<App>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    check_enabled(&app)?;
    if let Some(why) = ignored(&body)? {
        return Ok(Json(Ignored::because(why)).into_response());
    }
    let id = session_of(&app, &body)?;
    let text = body.text("content")?.filter(|text| !text.is_empty());
    let (Some(to), Some(text)) = (number_of(&body)?, text) else {
        return Err(ApiError::invalid("Missing required fields").hint(
            "content, and conversation.meta.sender.phone_number or .identifier, must be there.",
        ));
    };
    let mut wish = Wish::read(&headers, &body, app.options())?;
    wish.wait = wish.wait.min(CHATWOOT_WAIT);
    send_text(&app, id, to, text, wish).await
}

/// `POST /webhook/{secret}`: the same for Chatwoot, which cannot send a key. Where no key is needed
/// there is no such secret. Where it is known what Chatwoot signs with, the signature and its age
/// are checked besides.
pub(super) async fn with_secret(
    State(app): State<App>,
    Path(_checked): Path<String>,
    headers: HeaderMap,
    body: SignedBody,
) -> Result<Response, ApiError> {
    // The guard let it in for its secret, or for the key.
    if app.webhook_path().is_none() {
        return Err(ApiError::no_such_route());
    }
    if let Some(secret) = &app.options().webhook_signing_secret {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let (signature, at) = (
            header("x-chatwoot-signature"),
            header("x-chatwoot-timestamp"),
        );
        signature::verify(secret.reveal(), signature, at, &body.bytes, now)
            .map_err(ChatwootError::from)?;
    }
    chatwoot(State(app), headers, body.json).await
}

/// `GET /webhook`: where Chatwoot is to call.
pub(super) async fn path(State(app): State<App>) -> Json<Value> {
    let path = app.webhook_path();
    Json(json!({"success": true, "path": path.as_deref().unwrap_or("/webhook")}))
}

/// `POST /webhook/test`
pub(super) async fn test(
    State(app): State<App>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    check_enabled(&app)?;
    let id = session_of(&app, &body)?;
    let (to, text) = number_and_message(&body, "phoneNumber", "Missing phoneNumber or message")?;
    let wish = Wish::read(&headers, &body, app.options())?;
    send_text(&app, id, to, text, wish).await
}

fn check_enabled(app: &App) -> Result<(), ApiError> {
    if app.options().webhook_enabled {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "webhook_disabled",
        "Webhook is disabled",
    )
    .hint("Set WEBHOOK_ENABLED=true and start ZapNode again."))
}

/// Why a payload is none of ours to send, if so.
fn ignored(body: &JsonBody) -> Result<Option<&'static str>, ApiError> {
    // An inbox's hook gets every event. `message_updated` repeats a message that was sent already.
    if body.text("event")?.is_some_and(|e| e != "message_created") {
        return Ok(Some("not a new message"));
    }
    match body.text("message_type")? {
        Some("outgoing") => {}
        Some(_) => return Ok(Some("not an outgoing message")),
        // Chatwoot always says; so this is somebody else's mistake, and they should hear of it.
        None => return Err(ApiError::invalid("message_type is required")),
    }
    if body.boolean("private")? == Some(true) {
        return Ok(Some("a private note"));
    }
    Ok(None)
}

fn session_of(app: &App, body: &JsonBody) -> Result<SessionId, ApiError> {
    let named = body.text("sessionId")?.filter(|text| !text.is_empty());
    app.session_id(named.unwrap_or(DEFAULT_ALIAS))
}

/// The contact's number, else its identifier, which bridges fill with a chat id.
fn number_of(body: &JsonBody) -> Result<Option<String>, ApiError> {
    let Some(sender) = body.object(&["conversation", "meta", "sender"])? else {
        return Ok(None);
    };
    for field in ["phone_number", "identifier"] {
        if let Some(text) = text_in(sender, field)?.filter(|text| !text.is_empty()) {
            return Ok(Some(text.to_owned()));
        }
    }
    Ok(None)
}
