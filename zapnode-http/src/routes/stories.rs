//! The account's status, and those of others. `/status` is a session's own, so these are `/stories`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use zapnode_core::story::StatusText;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession};
use crate::model::{OfSession, Posted, StatusList};

/// Every path about status.
pub(super) fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![("/sessions/{id}/stories", get(list).post(show))]
}

/// `GET /sessions/{id}/stories`
async fn list(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<OfSession<StatusList>>, ApiError> {
    let statuses = app.session(&id)?.statuses().await?;
    Ok(Json(OfSession::new(id, statuses.into())))
}

/// `POST /sessions/{id}/stories`, with `text`, and any of `color` (`#RRGGBB`) and `font` (0 to 7).
async fn show(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let text = body.text("text")?;
    let text = text.ok_or_else(|| ApiError::invalid("text is required"))?;
    let mut status = StatusText::new(text);
    if let Some(color) = body.text("color")? {
        status.color = opaque(color)
            .ok_or_else(|| ApiError::invalid("color must read #RRGGBB, as #7ACCA5"))?;
    }
    if let Some(font) = body.whole_number("font")? {
        status.font = u8::try_from(font).unwrap_or(u8::MAX);
    }
    let message_id = app.session(&id)?.post_status(&status).await?;
    let answer = OfSession::new(id, Posted { message_id });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

fn opaque(color: &str) -> Option<u32> {
    let digits = color.strip_prefix('#')?;
    let hex = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let rgb = u32::from_str_radix(digits, 16).ok().filter(|_| hex)?;
    Some(0xff00_0000 | rgb)
}

#[cfg(test)]
mod tests {
    use super::opaque;

    #[test]
    fn colours_are_six_hex_digits() {
        assert_eq!(opaque("#7ACCA5"), Some(0xff7a_cca5));
        for bad in ["7ACCA5", "#7ACCA", "#7ACCA5F", "#+ACCA5", "red"] {
            assert_eq!(opaque(bad), None, "{bad}");
        }
    }
}
