//! Logging in: the QR and the pairing code.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use zapnode_core::PhoneNumber;
use zapnode_core::session::{Prompt, SessionState};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession, ReadQuery};
use crate::model::{PairingCode, QrAnswer, iso};
use crate::qr;

/// How the QR is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Png,
    Svg,
    Json,
    Raw,
}

impl Format {
    /// By `?format=`, else by the Accept header's first kind that we have, else JSON.
    fn chosen(query: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        match query {
            Some("png") => return Ok(Self::Png),
            Some("svg") => return Ok(Self::Svg),
            Some("json") => return Ok(Self::Json),
            Some("raw") => return Ok(Self::Raw),
            Some(_) => return Err(ApiError::invalid("format must be png, svg, json or raw")),
            None => {}
        }
        let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
        let kinds = accept.unwrap_or_default().split(',');
        let known = |kind: &str| match kind.split(';').next().unwrap_or_default().trim() {
            "image/png" | "image/*" => Some(Self::Png),
            "image/svg+xml" => Some(Self::Svg),
            "application/json" => Some(Self::Json),
            "text/plain" => Some(Self::Raw),
            _ => None,
        };
        Ok(kinds.filter_map(known).next().unwrap_or(Self::Json))
    }
}

/// The query of a QR.
#[derive(Debug, Deserialize)]
pub(in crate::routes) struct QrQuery {
    format: Option<String>,
}

/// `GET /sessions/{id}/qr`
pub(in crate::routes) async fn qr(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(query): ReadQuery<QrQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = Format::chosen(query.format.as_deref(), &headers)?;
    let info = app.session(&id)?.info();
    let SessionState::AwaitingLogin {
        prompt:
            Some(Prompt::Qr {
                text,
                serial,
                expires_at,
            }),
    } = info.state
    else {
        return Err(no_qr(&info.state));
    };
    let drawn = |_| ApiError::internal();
    Ok(match format {
        Format::Png => {
            let kind = [(header::CONTENT_TYPE, "image/png")];
            (kind, qr::png(&text).map_err(drawn)?).into_response()
        }
        Format::Svg => {
            let kind = [(header::CONTENT_TYPE, "image/svg+xml")];
            (kind, qr::svg(&text).map_err(drawn)?).into_response()
        }
        Format::Raw => text.into_response(),
        Format::Json => Json(QrAnswer {
            success: true,
            session_id: id,
            qr: text,
            serial,
            expires_at: iso(expires_at),
        })
        .into_response(),
    })
}

fn no_qr(state: &SessionState) -> ApiError {
    let hint = match state {
        SessionState::AwaitingLogin { prompt: None } | SessionState::Starting => {
            "It comes in a few seconds; ask again."
        }
        SessionState::AwaitingLogin { .. } => {
            "A pairing code was asked for; restart the session to get a QR."
        }
        SessionState::Syncing { .. }
        | SessionState::Ready
        | SessionState::Recovering { .. }
        | SessionState::Hibernating => "A phone is linked already; none is needed.",
        SessionState::Stopped | SessionState::LoggedOut | SessionState::Failed => {
            "Start the session: POST /sessions/{id}/start."
        }
    };
    ApiError::new(
        StatusCode::NOT_FOUND,
        "qr_not_available",
        format!("There is no QR to show: the session is {state}"),
    )
    .hint(hint)
}

/// `POST /sessions/{id}/pairing-code`
pub(in crate::routes) async fn pairing_code(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Json<PairingCode>, ApiError> {
    let given = body.phone_text("phoneNumber")?.filter(|n| !n.is_empty());
    let phone_number = given.ok_or_else(|| ApiError::invalid("phoneNumber is required"))?;
    let phone = PhoneNumber::new(&phone_number).map_err(|_| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_phone_number",
            "a phone number in international form has 7 to 15 digits, country code first",
        )
    })?;
    let session = app.session(&id)?;
    if matches!(
        session.info().state,
        SessionState::Ready | SessionState::Syncing { .. }
    ) {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "already_linked",
            "a phone is linked already",
        )
        .hint("Log the session out first: POST /sessions/{id}/logout."));
    }
    let code = session.request_pairing_code(&phone).await?;
    Ok(Json(PairingCode {
        success: true,
        session_id: id,
        phone_number,
        code,
    }))
}
