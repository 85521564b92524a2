//! Choosing otherwise for a session that is there.

use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::care::CareChange;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession};
use crate::model::SessionAnswer;
use crate::routes::sessions::{ignore, route};

/// `PATCH /sessions/{id}`: what is named holds from now on and is stored; what is not named stays.
/// `pace`, `hibernateAfter`, `wakeEvery`, `memorySoftMb`, `memoryHardMb`, `ignore`, `proxy`, `rejectCalls` as
/// in `POST /sessions`; `null` gives it what is chosen for all sessions. Another proxy starts the
/// browser anew, with the same login.
pub(in crate::routes) async fn change(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Json<SessionAnswer>, ApiError> {
    let session = app.session(&id)?;
    let change = CareChange::read(&body)?;
    let paced = body.has("pace");
    let pace = body.pace("pace")?;
    let ignores = body.has("ignore");
    let ignore = ignore::read(&body)?;
    let proxied = body.has("proxy");
    let proxy = route::proxy(&body)?;
    let calls = body.has("rejectCalls");
    let reject_calls = route::reject_calls(&body)?;
    if change.is_empty() && !paced && !ignores && !proxied && !calls {
        return Err(ApiError::invalid(
            "name what is to be changed: pace, ignore, proxy, rejectCalls, hibernateAfter, wakeEvery, memorySoftMb, memoryHardMb",
        ));
    }
    // Judged before anything is changed.
    let care = change.applied(session.info().options.care)?;
    let same_way = !proxied || session.info().options.proxy == proxy;
    let chosen = session.choose(move |options| {
        if proxied {
            options.proxy = proxy;
        }
        if calls {
            options.reject_calls = reject_calls;
        }
        options.care = care;
        if paced {
            options.pace = pace;
        }
        if ignores {
            options.ignore = ignore.unwrap_or_default();
        }
    });
    // Chrome takes its proxy at its start only.
    let info = session.relaunch_unless(same_way, chosen.await?).await?;
    let message = format!("Session {id} changed");
    Ok(Json(SessionAnswer::with(message, info)))
}
