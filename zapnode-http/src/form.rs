//! `multipart/form-data`: the fields of a message as parts, and its file as another, which goes to
//! the disk as it comes.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt;
use multer::{Constraints, Field, Multipart, SizeLimit};
use serde_json::{Map, Value};
use zapnode_core::media::{About, MediaStore};
use zapnode_core::message::{MediaFile, MediaKind};

use crate::error::ApiError;
use crate::extract::JsonBody;

/// The most bytes of all fields besides the file.
const FIELDS_LIMIT: u64 = 512 * 1024;

/// The part that is the file.
const FILE: &str = "file";

/// Fields that are no text.
const AS_JSON: &[&str] = &[
    "viewOnce",
    "hd",
    "linkPreview",
    "timeoutMs",
    "duration",
    "waveform",
    "mentions",
];

/// A form.
pub(crate) struct Form {
    /// Its fields.
    pub(crate) fields: JsonBody,
    /// Its file, if it has one.
    pub(crate) file: Option<MediaFile>,
}

/// Whether a body is a form with parts.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("multipart/form-data")
}

/// Reads a form. Fields are best before the file: then its limit is that of its kind from the
/// beginning.
///
/// # Errors
/// What is wrong with it; nothing of the file is kept then.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    media: &MediaStore,
) -> Result<Form, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE);
    let boundary = kind
        .and_then(|value| value.to_str().ok())
        .and_then(|kind| multer::parse_boundary(kind).ok())
        .ok_or_else(|| ApiError::invalid("the form's Content-Type names no boundary"))?;
    let whole = media.options().limits.largest() + FIELDS_LIMIT;
    let limits = SizeLimit::new()
        .whole_stream(whole)
        .for_field(FILE, whole)
        .per_field(FIELDS_LIMIT);
    let constraints = Constraints::new().size_limit(limits);
    let mut parts = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let (mut fields, mut file, mut size) = (Map::new(), None, 0);
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().unwrap_or_default().to_owned();
        if name == FILE {
            if file.is_some() {
                return Err(ApiError::invalid("a message has one file"));
            }
            file = Some(take(part, &fields, media).await?);
            continue;
        }
        if part.file_name().is_some() {
            return Err(ApiError::invalid(
                "the part that is the file must be named file",
            ));
        }
        let text = part.text().await.map_err(broken)?;
        size += text.len() as u64;
        if size > FIELDS_LIMIT {
            return Err(too_large());
        }
        insert(&mut fields, name, text)?;
    }
    Ok(Form {
        fields: fields.into(),
        file,
    })
}

fn insert(fields: &mut Map<String, Value>, name: String, text: String) -> Result<(), ApiError> {
    if name == "payload" {
        // All fields at once, as JSON.
        let Ok(Value::Object(payload)) = serde_json::from_str(&text) else {
            return Err(ApiError::invalid("payload must be a JSON object"));
        };
        fields.extend(payload);
        return Ok(());
    }
    let value = if AS_JSON.contains(&&*name) {
        serde_json::from_str(&text)
            .map_err(|_| ApiError::invalid(format!("{name} must be JSON")))?
    } else {
        Value::String(text)
    };
    fields.insert(name, value);
    Ok(())
}

async fn take(
    part: Field<'_>,
    fields: &Map<String, Value>,
    media: &MediaStore,
) -> Result<MediaFile, ApiError> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let about = About {
        name: text("filename").or(part.file_name()).map(str::to_owned),
        mime: part.content_type().map(ToString::to_string),
        kind: text("type").and_then(MediaKind::from_word),
    };
    let pieces = part.map(|piece| piece.map_err(|error| error.to_string()));
    Ok(media.add(pieces, about).await?)
}

fn broken(error: multer::Error) -> ApiError {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            too_large()
        }
        other => ApiError::invalid(format!("the form cannot be read: {other}")),
    }
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        "the form is larger than a message may be",
    )
}
