//! What concerns the store as a whole: backups, and the end of old messages.

use std::collections::BTreeSet;
use std::fs::File;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tokio_util::io::ReaderStream;
use zapnode_core::Error;
use zapnode_core::backup::{BackupError, Profiles, file_name};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// What the original keeps where it is not told.
const DAYS_KEPT: u64 = 30;

/// The most days there may be: a hundred years.
const MOST_DAYS: u64 = 36_500;

/// The file is read and sent in pieces of this size. Bytes.
const PIECE: usize = 64 * 1024;

/// `POST /backup`: the archive. It is complete before the first byte is sent, so that a slow caller
/// keeps no session closed, and so that a failure is an error and not half a file.
pub(super) async fn backup(
    State(app): State<App>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, ApiError> {
    let profiles = profiles(&app, &body(&headers, request).await?)?;
    let folder = app.manager().folder().path().to_owned();
    // Without a name: gone with its last handle, however this process ends.
    let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await;
    let file = made
        .map_err(|_| ApiError::internal())?
        .map_err(|error| Error::from(BackupError::Write(error)))?;
    let (file, report) = app.manager().backup(&profiles, file).await?;
    tracing::info!(
        sessions = report.sessions.len(),
        profiles = report.profiles.len(),
        bytes = report.bytes,
        "a backup was made"
    );
    Ok(streamed(file).await?)
}

async fn streamed(mut file: File) -> Result<Response, Error> {
    let rewound = tokio::task::spawn_blocking(move || {
        use std::io::Seek;
        file.rewind()?;
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    let (file, length) = rewound
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(BackupError::Write)?;
    let stream = ReaderStream::with_capacity(tokio::fs::File::from_std(file), PIECE);
    let name = file_name(OffsetDateTime::now_utc());
    let mut response = Body::from_stream(stream).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/gzip"),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

/// `{"sessions": ["a"]}`: only their profiles; `{"profiles": false}`: none; else all.
fn profiles(app: &App, body: &JsonBody) -> Result<Profiles, ApiError> {
    let sessions = body.texts("sessions")?;
    match (body.boolean("profiles")?, sessions) {
        (Some(false), None) => Ok(Profiles::None),
        (Some(false), Some(_)) => Err(ApiError::invalid(
            "sessions names whose profiles are wanted; it does not go with profiles: false",
        )),
        (_, None) => Ok(Profiles::All),
        (_, Some(names)) => {
            let ids = names.into_iter().map(|name| app.session_id(name));
            Ok(Profiles::Only(ids.collect::<Result<BTreeSet<_>, _>>()?))
        }
    }
}

/// `POST /database/cleanup`: deletes messages older than `daysToKeep` (30) days.
pub(super) async fn cleanup(
    State(app): State<App>,
    headers: HeaderMap,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let body = body(&headers, request).await?;
    let days = body.whole_number("daysToKeep")?.unwrap_or(DAYS_KEPT);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            format!("daysToKeep must be a whole number from 1 to {MOST_DAYS}"),
        ));
    }
    let kept = Duration::days(i64::try_from(days).unwrap_or(i64::MAX));
    let before = OffsetDateTime::now_utc() - kept;
    let (deleted, freed) = app.manager().delete_messages(before).await?;
    Ok(Json(json!({
        "success": true,
        "message": format!("Messages older than {days} days were deleted"),
        "daysToKeep": days,
        "deletedMessages": deleted,
        "freedBytes": freed,
    })))
}

/// The JSON that came; nothing at all is as good as `{}`.
async fn body(headers: &HeaderMap, request: Request) -> Result<JsonBody, ApiError> {
    let is_there = headers.contains_key(header::CONTENT_TYPE)
        || headers.contains_key(header::TRANSFER_ENCODING)
        || headers
            .get(header::CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    if is_there {
        JsonBody::from_request(request, &()).await
    } else {
        Ok(JsonBody::default())
    }
}
