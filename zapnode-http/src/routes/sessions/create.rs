//! Making sessions.

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use zapnode_core::options::{Care, SessionOptions};

use crate::app::App;
use crate::care::CareChange;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::model::SessionAnswer;
use crate::routes::sessions::{ignore, route};

/// `POST /sessions`. Answers at once; the QR comes later. Since sessions are restored at start and
/// the original's clients create theirs again at each boot, one that exists with the same options
/// is no error.
pub(in crate::routes) async fn create(
    State(app): State<App>,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let named = body.text("sessionId")?.filter(|text| !text.is_empty());
    let id = app.session_id(named.ok_or_else(|| ApiError::invalid("sessionId is required"))?)?;
    let chrome_path = body.text("chromePath")?.filter(|text| !text.is_empty());
    let options = SessionOptions {
        headless: body.boolean("headless")?,
        chrome_path: chrome_path.map(PathBuf::from),
        care: CareChange::read(&body)?.applied(Care::default())?,
        pace: body.pace("pace")?,
        ignore: ignore::read(&body)?.unwrap_or_default(),
        proxy: route::proxy(&body)?,
        reject_calls: route::reject_calls(&body)?,
    };
    let created = app.manager().create(id, options).await?;
    let info = created.session.info();
    Ok(if created.is_new {
        let answer = SessionAnswer::with("Session created successfully", info);
        (StatusCode::CREATED, Json(answer)).into_response()
    } else {
        Json(SessionAnswer::with("Session already exists", info)).into_response()
    })
}
