//! Looking at sessions.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use zapnode_core::Error;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{PathSession, ReadQuery};
use crate::model::{OneSession, SessionList, SessionModel, StatusAnswer};

/// The longest a caller may wait for news, in milliseconds: proxies give up later.
const LONGEST_WAIT_MS: u64 = 60_000;
/// How long it waits if it does not say.
const USUAL_WAIT_MS: u64 = 30_000;

/// `GET /sessions`
pub(in crate::routes) async fn list(State(app): State<App>) -> Json<SessionList> {
    let sessions = app.manager().list();
    let models = sessions.iter().map(|s| SessionModel::from(s.info()));
    Json(SessionList::new(models.collect()))
}

/// Waiting for news.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct Wait {
    newer_than: Option<u64>,
    timeout_ms: Option<u64>,
}

/// `GET /sessions/{id}`; with `?newerThan=<generation>` the answer waits until the session has
/// changed from that, at most `timeoutMs`, and is then the session as it is.
pub(in crate::routes) async fn one(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(wait): ReadQuery<Wait>,
) -> Result<Json<OneSession>, ApiError> {
    let timeout = wait.timeout_ms.unwrap_or(USUAL_WAIT_MS);
    if timeout > LONGEST_WAIT_MS {
        return Err(ApiError::invalid(format!(
            "timeoutMs must be at most {LONGEST_WAIT_MS}"
        )));
    }
    let session = app.session(&id)?;
    let Some(seen) = wait.newer_than else {
        return Ok(Json(session.info().into()));
    };
    // Not "greater": after a restart the count may begin anew, and that is news too.
    let news = session.wait_until(Duration::from_millis(timeout), |info| {
        info.generation != seen
    });
    let info = tokio::select! {
        news = news => match news {
            Err(Error::WaitTimeout { .. }) => session.info(),
            other => other?,
        },
        () = app.stopping().cancelled() => session.info(),
    };
    Ok(Json(info.into()))
}

/// `GET /sessions/{id}/status`
pub(in crate::routes) async fn status(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<StatusAnswer>, ApiError> {
    Ok(Json(app.session(&id)?.info().into()))
}
