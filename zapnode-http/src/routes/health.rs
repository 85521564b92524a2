//! Whether the daemon is there and well.

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;
use crate::layers::Authorized;
use crate::model::{Health, SessionModel, Welcome};

/// `GET /`
pub(super) async fn welcome() -> Json<Welcome> {
    Json(Welcome::default())
}

/// `GET /health`: always 200, as load balancers of the original expect. Without the key, where
/// one is needed, only the status.
pub(super) async fn health(
    State(app): State<App>,
    Extension(Authorized(authorized)): Extension<Authorized>,
) -> Response {
    if !authorized {
        return Json(json!({ "status": "ok" })).into_response();
    }
    let infos: Vec<_> = app.manager().list().iter().map(|s| s.info()).collect();
    let default = &app.options().default_session;
    let default_is_ready = infos.iter().any(|i| i.id == *default && i.is_ready());
    let sessions = infos.into_iter().map(SessionModel::from).collect();
    Json(Health::new(sessions, default_is_ready, app.uptime())).into_response()
}

/// `GET /livez`: the process answers.
pub(super) async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `GET /readyz`: requests are welcome.
pub(super) async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    if app.stopping().is_cancelled() {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            "ZapNode is shutting down",
        ));
    }
    Ok(Json(json!({ "status": "ok" })).into_response())
}
