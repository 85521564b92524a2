//! Files: uploaded to be sent, and given to whoever may have them.

use std::ops::RangeInclusive;
use std::path::Path as FilePath;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use ulid::Ulid;
use zapnode_core::media::{About, MediaError};
use zapnode_core::message::MediaFile;
use zapnode_core::session::AskPhone;

use super::messages::named;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{PathSession, ReadQuery};
use crate::form;
use crate::model::OneMedia;

/// The file is read and sent in pieces of this size. Bytes.
const PIECE: usize = 64 * 1024;

/// What a name in a header may have as it is (RFC 5987).
const IN_NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What is said of a file that is the whole body.
#[derive(Debug, Deserialize)]
pub(super) struct Query {
    filename: Option<String>,
}

/// `POST /sessions/{id}/media`: a form with a part `file`, or the file as the whole body with its
/// `Content-Type` and `?filename=`. Answers the id that `mediaId` of a message takes.
pub(super) async fn upload(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(query): ReadQuery<Query>,
    request: Request,
) -> Result<Response, ApiError> {
    // Files are the data folder's; that the session is there is checked so that a wrong name is told.
    app.sender(&id)?;
    let media = app.manager().media();
    let (parts, body) = request.into_parts();
    let file = if form::is_form(&parts.headers) {
        let form = form::read(&parts.headers, body, media).await?;
        form.file
            .ok_or_else(|| ApiError::invalid("the form has no part named file"))?
    } else {
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let about = About {
            name: query.filename,
            mime: kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned),
            kind: None,
        };
        let pieces = body.into_data_stream();
        let pieces = pieces.map(|piece| piece.map_err(|error| error.to_string()));
        media.add(pieces, about).await?
    };
    let kept = media.keep(&file).await?;
    Ok((StatusCode::CREATED, Json(OneMedia::new(&kept))).into_response())
}

/// `GET /media/{id}`: the bytes, or the part of them that `Range` names.
pub(super) async fn file(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = Ulid::from_string(&id).map_err(|_| MediaError::NotFound)?;
    let media = app.manager().media();
    let known = media.find(id).await?;
    respond(&media.file(&known).await?, &headers).await
}

/// `GET /messages/{id}/media`: the file of a message, loaded from WhatsApp if it is not here. `Range`
/// as with `/media/{id}`.
pub(super) async fn of_message(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let message = named(&app, &id).await?;
    let session = app.session(&message.session)?;
    let file = session.load_media(&message, AskPhone::No).await?;
    respond(&file, &headers).await
}

/// `POST /messages/{id}/media`: loads the file of a message, and where WhatsApp has it no more asks
/// the account's phone to upload it again. Answers what is known of it then.
pub(super) async fn ask_phone(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<OneMedia>, ApiError> {
    let message = named(&app, &id).await?;
    let session = app.session(&message.session)?;
    session.load_media(&message, AskPhone::Yes).await?;
    let known = session.media_of(&message).await?;
    Ok(Json(OneMedia::new(&known.ok_or(MediaError::NotFound)?)))
}

/// The answer with a file.
pub(super) async fn respond(file: &MediaFile, asked: &HeaderMap) -> Result<Response, ApiError> {
    let tag = format!("\"{}\"", file.sha256);
    let is_same = |name| {
        asked
            .get(name)
            .is_some_and(|v| v.as_bytes() == tag.as_bytes())
    };
    let range = asked
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok());
    // A part of another file than the one that the caller has the rest of would be of no use.
    let range =
        range.filter(|_| !asked.contains_key(header::IF_RANGE) || is_same(header::IF_RANGE));
    let mut response = if is_same(header::IF_NONE_MATCH) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match range.map_or(Wanted::Whole, |range| wanted(range, file.size)) {
            Wanted::Whole => {
                let body = part(&file.path, 0, file.size).await?;
                sized(StatusCode::OK, body, file.size)
            }
            Wanted::Part(range) => {
                let (start, end) = (*range.start(), *range.end());
                let length = end - start + 1;
                let body = part(&file.path, start, length).await?;
                let mut response = sized(StatusCode::PARTIAL_CONTENT, body, length);
                let of = format!("bytes {start}-{end}/{}", file.size);
                put(&mut response, header::CONTENT_RANGE, &of);
                response
            }
            Wanted::Impossible => {
                let mut response = ApiError::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    "range_not_satisfiable",
                    "the file is shorter than where this range begins",
                )
                .into_response();
                put(
                    &mut response,
                    header::CONTENT_RANGE,
                    &format!("bytes */{}", file.size),
                );
                return Ok(response);
            }
        }
    };
    put(&mut response, header::ETAG, &tag);
    put(&mut response, header::ACCEPT_RANGES, "bytes");
    put(&mut response, header::CONTENT_TYPE, &file.mime);
    put(
        &mut response,
        header::CONTENT_DISPOSITION,
        &disposition(file),
    );
    // Somebody else wrote it: no browser guesses what it is, or runs anything in it.
    put(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(
        &mut response,
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; sandbox",
    );
    Ok(response)
}

fn sized(status: StatusCode, body: Body, length: u64) -> Response {
    let mut response = (status, body).into_response();
    let length = HeaderValue::from(length);
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    response
}

fn put(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

async fn part(path: &FilePath, start: u64, length: u64) -> Result<Body, MediaError> {
    let failed = |source: std::io::Error| MediaError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
    if start > 0 {
        let start = std::io::SeekFrom::Start(start);
        file.seek(start).await.map_err(failed)?;
    }
    Ok(Body::from_stream(ReaderStream::with_capacity(
        file.take(length),
        PIECE,
    )))
}

/// What of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(RangeInclusive<u64>),
    Impossible,
}

/// Reads a `Range`. What we do not know, as several ranges, counts as not asked for, which is
/// allowed.
fn wanted(range: &str, size: u64) -> Wanted {
    let Some((start, end)) = range
        .strip_prefix("bytes=")
        .filter(|ranges| !ranges.contains(','))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Wanted::Whole;
    };
    match (start.parse::<u64>(), end.parse::<u64>()) {
        (Ok(start), _) if start >= size => Wanted::Impossible,
        (Ok(start), Ok(end)) if end < start => Wanted::Whole,
        (Ok(start), Ok(end)) => Wanted::Part(start..=end.min(size - 1)),
        (Ok(start), Err(_)) if end.is_empty() => Wanted::Part(start..=size - 1),
        // The last so many.
        (Err(_), Ok(0)) if start.is_empty() => Wanted::Impossible,
        (Err(_), Ok(last)) if start.is_empty() && size > 0 => {
            Wanted::Part(size.saturating_sub(last)..=size - 1)
        }
        _ => Wanted::Whole,
    }
}

/// Whether it may be shown in a browser, and the name to save it under.
fn disposition(file: &MediaFile) -> String {
    let how = if is_harmless(&file.mime) {
        "inline"
    } else {
        "attachment"
    };
    let Some(name) = &file.name else {
        return how.to_owned();
    };
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' => '_',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '_',
        })
        .collect();
    let encoded = utf8_percent_encode(name, IN_NAME);
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// Pictures, films and sound that nothing can be run in.
fn is_harmless(mime: &str) -> bool {
    let essence = mime.split(';').next().unwrap_or_default();
    matches!(
        essence,
        "image/jpeg" | "image/png" | "image/gif" | "image/webp"
    ) || essence.starts_with("video/")
        || essence.starts_with("audio/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let table = [
            ("bytes=0-0", Wanted::Part(0..=0)),
            ("bytes=2-5", Wanted::Part(2..=5)),
            ("bytes=2-", Wanted::Part(2..=9)),
            ("bytes=-3", Wanted::Part(7..=9)),
            ("bytes=-30", Wanted::Part(0..=9)),
            ("bytes=5-99", Wanted::Part(5..=9)),
            ("bytes=9-9", Wanted::Part(9..=9)),
            ("bytes=10-", Wanted::Impossible),
            ("bytes=10-12", Wanted::Impossible),
            ("bytes=-0", Wanted::Impossible),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=x-y", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
        ];
        for (range, then) in table {
            assert_eq!(wanted(range, 10), then, "{range}");
        }
    }

    #[test]
    fn only_what_cannot_run_is_shown() {
        let file = |mime: &str, name: Option<&str>| MediaFile {
            path: "".into(),
            mime: mime.to_owned(),
            name: name.map(str::to_owned),
            size: 1,
            sha256: String::new(),
        };
        for (mime, inline) in [
            ("image/jpeg", true),
            ("audio/ogg; codecs=opus", true),
            ("video/mp4", true),
            ("image/svg+xml", false),
            ("text/html", false),
            ("application/xhtml+xml", false),
            ("application/pdf", false),
            ("text/plain", false),
        ] {
            let shown = disposition(&file(mime, None));
            assert_eq!(shown == "inline", inline, "{mime}");
        }
        assert_eq!(
            disposition(&file("application/pdf", Some("conta \"nº 3\".pdf"))),
            "attachment; filename=\"conta _n_ 3_.pdf\"; \
             filename*=UTF-8''conta%20%22n%C2%BA%203%22.pdf"
        );
    }
}
