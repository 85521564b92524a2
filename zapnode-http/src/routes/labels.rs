//! Labels of WhatsApp Business.

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{MethodRouter, get, post};
use zapnode_core::label::LabelChange;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession, recipient};
use crate::model::{LabelList, OfSession};

/// Every path about labels.
pub(super) fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/sessions/{id}/labels", get(list)),
        ("/sessions/{id}/labels/{label}/chats", post(add)),
        ("/sessions/{id}/labels/{label}/chats/remove", post(remove)),
    ]
}

type Answer = Result<Json<OfSession<LabelList>>, ApiError>;
type PathLabel = Path<(String, String)>;

/// `GET /sessions/{id}/labels`
async fn list(State(app): State<App>, PathSession(id): PathSession) -> Answer {
    let labels = app.session(&id)?.labels().await?;
    Ok(Json(OfSession::new(id, labels.into())))
}

/// `POST /sessions/{id}/labels/{label}/chats`, with `chats`: puts the label on them. The answer is the
/// labels as they are then.
async fn add(State(app): State<App>, Path(path): PathLabel, body: JsonBody) -> Answer {
    change(&app, &path, LabelChange::Add, &body).await
}

/// `POST /sessions/{id}/labels/{label}/chats/remove`, with `chats`: takes the label off.
async fn remove(State(app): State<App>, Path(path): PathLabel, body: JsonBody) -> Answer {
    change(&app, &path, LabelChange::Remove, &body).await
}

async fn change(
    app: &App,
    (session, label): &(String, String),
    change: LabelChange,
    body: &JsonBody,
) -> Answer {
    let id = app.session_id(session)?;
    let chats = body.texts("chats")?;
    let chats = chats.ok_or_else(|| ApiError::invalid("chats is required"))?;
    let chats: Vec<_> = chats
        .iter()
        .map(|chat| recipient(chat))
        .collect::<Result<_, _>>()?;
    let session = app.session(&id)?;
    session.label_chats(label, change, &chats).await?;
    let now = session.labels().await?;
    Ok(Json(OfSession::new(id, now.into())))
}
