//! The bridge to Chatwoot: its settings, its state, and the webhook that Chatwoot calls.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use zapnode_core::chatwoot::{BridgeConfig, BridgeInfo, Chatwoot, ChatwootError, Report, Taken};
use zapnode_core::{Error, SessionId};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, OptionalJsonBody, PathSession, SignedBody};
use crate::model::iso;

/// `PUT /chatwoot/{session}`: sets the bridge up, or changes its settings. What is left away has
/// its default; a token or signing secret that is left away stays what it was.
pub(super) async fn set(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Json<Value>, ApiError> {
    let chatwoot = app.chatwoot().await?;
    let config = config_of(chatwoot, &id, body).await?;
    let info = chatwoot.set(id, config).await?;
    Ok(Json(json!({"success": true, "bridge": shown(&info)})))
}

/// `GET /chatwoot/{session}`: the settings without their secrets, the path of the webhook, and how
/// the bridge stands.
pub(super) async fn one(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<Value>, ApiError> {
    let info = app.chatwoot().await?.get(id).await?;
    Ok(Json(json!({"success": true, "bridge": shown(&info)})))
}

/// `DELETE /chatwoot/{session}`. What is in Chatwoot stays there.
pub(super) async fn remove(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<Value>, ApiError> {
    app.chatwoot().await?.remove(&id).await?;
    let message = "Chatwoot bridge removed successfully";
    Ok(Json(json!({"success": true, "message": message})))
}

/// `POST /chatwoot/{session}/check`: tries the settings in the body, or else those there are.
pub(super) async fn check(
    State(app): State<App>,
    PathSession(id): PathSession,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Result<Json<Value>, ApiError> {
    let chatwoot = app.chatwoot().await?;
    let known = match chatwoot.get(id.clone()).await {
        Ok(info) => Some(info),
        Err(ChatwootError::NoBridge) => None,
        Err(error) => return Err(error.into()),
    };
    let path = known.as_ref().map(BridgeInfo::webhook_path);
    let inbox = known.as_ref().and_then(|info| info.row.inbox);
    let config = match known {
        Some(info) if body.is_empty() => info.row.config,
        _ => config_of(chatwoot, &id, body).await?,
    };
    let path = path.unwrap_or_else(|| format!("/chatwoot/{id}/webhook/<secret>"));
    let Report { ok, findings } = chatwoot.check(&config, &path, inbox).await?;
    Ok(Json(
        json!({"success": true, "ok": ok, "findings": findings}),
    ))
}

/// `POST /chatwoot/{session}/webhook/{secret}`: what Chatwoot calls. It is stored and answered;
/// then it is dealt with.
pub(super) async fn webhook(
    State(app): State<App>,
    Path((session, secret)): Path<(String, String)>,
    headers: HeaderMap,
    body: SignedBody,
) -> Result<Json<Value>, ApiError> {
    let not_found = || ApiError::from(ChatwootError::WrongSecret);
    let session = app.session_id(&session).map_err(|_| not_found())?;
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let taken = app
        .chatwoot()
        .await?
        .take(
            &session,
            &secret,
            header("x-chatwoot-signature"),
            header("x-chatwoot-timestamp"),
            &body.bytes,
        )
        .await?;
    Ok(Json(match taken {
        Taken::Stored => json!({"success": true, "message": "Accepted"}),
        Taken::Repeated => json!({"success": true, "message": "Accepted before", "repeated": true}),
        Taken::Ignored(why) => {
            json!({"success": true, "message": "Ignored", "reason": why.as_str()})
        }
    }))
}

/// The settings in a body, with the secrets it left away as they are.
async fn config_of(
    chatwoot: &Chatwoot,
    id: &SessionId,
    body: JsonBody,
) -> Result<BridgeConfig, ApiError> {
    let mut fields = body.into_fields();
    let known = match chatwoot.get(id.clone()).await {
        Ok(info) => Some(info.row.config),
        Err(ChatwootError::NoBridge) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(known) = known {
        keep(&mut fields, "apiToken", Some(known.api_token));
        keep(&mut fields, "signingSecret", known.signing_secret);
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        ApiError::invalid(format!("these are no settings of a bridge: {error}"))
            .hint("url, accountId, apiToken and inboxId are needed; see the README for the others.")
    })
}

fn keep(fields: &mut Map<String, Value>, name: &str, known: Option<String>) {
    if let Some(known) = known {
        fields.entry(name).or_insert(Value::String(known));
    }
}

/// A bridge as it is shown: without its secrets, but for the webhook's path, which whoever may
/// read this has to give to Chatwoot.
fn shown(info: &BridgeInfo) -> Value {
    let row = &info.row;
    let mut config = serde_json::to_value(&row.config).unwrap_or_default();
    for secret in ["apiToken", "signingSecret"] {
        if let Some(value) = config.get_mut(secret).filter(|value| !value.is_null()) {
            *value = json!("********");
        }
    }
    json!({
        "sessionId": row.session,
        "state": row.state.as_str(),
        "detail": row.detail,
        "hint": row.state.hint(),
        "since": iso(row.since),
        "inboxId": row.inbox,
        "webhookPath": info.webhook_path(),
        "eventsBehind": info.behind,
        "config": config,
    })
}

impl From<ChatwootError> for ApiError {
    fn from(error: ChatwootError) -> Self {
        let text = zapnode_core::with_causes(&error);
        match error {
            ChatwootError::Session(error) => error.into(),
            ChatwootError::Store(error) => Error::from(error).into(),
            ChatwootError::NoBridge => Self::new(StatusCode::NOT_FOUND, "bridge_not_found", text)
                .hint("Set one up with PUT /chatwoot/{session}."),
            ChatwootError::WrongSecret => Self::new(StatusCode::NOT_FOUND, "not_found", text),
            ChatwootError::Signature(_) => {
                Self::new(StatusCode::UNAUTHORIZED, "unauthorized", text).hint(
                    "signingSecret must be the one that the inbox's settings show in Chatwoot.",
                )
            }
            ChatwootError::Malformed => Self::invalid(text),
            ChatwootError::Net(zapnode_core::net::NetError::PrivateAddress { .. }) => {
                Self::new(StatusCode::BAD_REQUEST, "private_address", text).hint(
                    "Set ZAPNODE_ALLOW_PRIVATE_ADDRESSES=true if Chatwoot is in your own network.",
                )
            }
            _ => Self::invalid(text),
        }
    }
}
