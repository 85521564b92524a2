//! Whether the daemon is there and well.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use zapnode_core::store::{StoreHealth, StoreState};

use crate::app::App;
use crate::error::ApiError;
use crate::layers::Authorized;
use crate::model::{Health, SessionModel, Welcome};

/// How long the store's thread may take to answer. It flushes to disk, which may be busy.
const STORE_WITHIN: Duration = Duration::from_secs(10);

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
    let store = app.manager().store_health();
    if !authorized {
        return Json(json!({ "status": Health::status_of(&store) })).into_response();
    }
    let infos: Vec<_> = app.manager().list().iter().map(|s| s.info()).collect();
    let default = &app.options().default_session;
    let default_is_ready = infos.iter().any(|i| i.id == *default && i.is_ready());
    let sessions = infos.into_iter().map(SessionModel::from).collect();
    Json(Health::new(
        sessions,
        default_is_ready,
        app.uptime(),
        &store,
    ))
    .into_response()
}

/// `GET /livez`: the process answers, and the thread of its store.
pub(super) async fn live(State(app): State<App>) -> Result<Response, ApiError> {
    if app.manager().ping_store(STORE_WITHIN).await.is_err() {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_stalled",
            "the database does not answer",
        )
        .hint("If it goes on, look at the disk of the data folder, then start ZapNode again."));
    }
    Ok(Json(json!({ "status": "ok" })).into_response())
}

/// `GET /readyz`: requests are welcome, and a send would be accepted if its session can take it.
/// The sessions were told to start before the first request was served; who shows the key is told
/// how far they are.
pub(super) async fn ready(
    State(app): State<App>,
    Extension(Authorized(authorized)): Extension<Authorized>,
) -> Result<Response, ApiError> {
    if app.stopping().is_cancelled() {
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting_down",
            "ZapNode is shutting down",
        ));
    }
    let store = app.manager().store_health();
    if !store.is_well() {
        return Err(not_ready(&store));
    }
    let mut sessions: BTreeMap<&str, usize> = BTreeMap::new();
    for session in app.manager().list() {
        *sessions.entry(session.info().state.as_str()).or_default() += 1;
    }
    let mut body = json!({ "status": "ok" });
    if authorized {
        body["store"] = json!(store.state.as_str());
        body["sessions"] = json!(sessions);
    }
    Ok(Json(body).into_response())
}

fn not_ready(store: &StoreHealth) -> ApiError {
    let (code, text) = match store.state {
        StoreState::Full => ("storage_full", "there is no space left on the disk"),
        StoreState::Damaged => ("storage_damaged", "the database is damaged"),
        _ => ("storage_failed", "the database cannot be written or read"),
    };
    let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, text);
    match store.state.hint() {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
