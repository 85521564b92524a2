//! Choosing otherwise for a session that is there.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::care::CareChange;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession};
use crate::model::SessionAnswer;

/// `PATCH /sessions/{id}`: what is given holds from now on and is stored; what is not given stays.
pub(in crate::routes) async fn change(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Json<SessionAnswer>, ApiError> {
    let session = app.session(&id)?;
    let change = CareChange::read(&body)?;
    if change.is_empty() {
        return Err(ApiError::invalid(
            "nothing to change was given; possible are hibernateAfter, wakeEvery, memorySoftMb, memoryHardMb",
        ));
    }
    // Judged before anything is changed.
    let care = change.applied(session.info().options.care)?;
    let info = session.choose(move |options| options.care = care).await?;
    let message = format!("Session {id} changed");
    Ok(Json(SessionAnswer::with(message, info)))
}
