//! Seeing why.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::PathSession;
use crate::model::DiagnosticsAnswer;

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
