//! Seeing why.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::PathSession;
use crate::model::{DiagnosticsAnswer, FailureAnswer, HistoryAnswer};

/// `GET /sessions/{id}/screenshot`
pub(in crate::routes) async fn screenshot(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Response, ApiError> {
    let png = app.session(&id)?.screenshot().await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}

/// `GET /sessions/{id}/diagnostics`
pub(in crate::routes) async fn diagnostics(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<DiagnosticsAnswer>, ApiError> {
    Ok(Json(app.session(&id)?.diagnostics().await.into()))
}

/// `GET /sessions/{id}/history`: where it has been, newest first.
pub(in crate::routes) async fn history(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<HistoryAnswer>, ApiError> {
    let history = app.session(&id)?.history().await?;
    Ok(Json(HistoryAnswer::new(id, history)))
}

/// `GET /sessions/{id}/failure`: what is kept of its last failure; `failure` is null if there was
/// none.
pub(in crate::routes) async fn failure(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<FailureAnswer>, ApiError> {
    let failure = app.session(&id)?.failure().await?;
    Ok(Json(FailureAnswer::new(id, failure)))
}

/// `GET /sessions/{id}/failure/screenshot`
pub(in crate::routes) async fn failure_screenshot(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Response, ApiError> {
    let png = app.session(&id)?.failure_screenshot().await?;
    let png = png.ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "screenshot_not_available",
            "There is no picture of the last failure",
        )
        .hint("GET /sessions/{id}/failure has what is kept of it; a page that does not answer cannot be drawn.")
    })?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}
