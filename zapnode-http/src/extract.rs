//! Reads what a request carries, and says in our own words what is wrong with it.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use zapnode_core::message::Recipient;
use zapnode_core::outbox::Pace;
use zapnode_core::{ChatId, Region, SessionId};

use crate::app::App;
use crate::error::ApiError;

/// The largest JSON body.
pub const JSON_LIMIT: usize = 1024 * 1024;
/// The largest body of a bulk job.
pub const BULK_LIMIT: usize = 16 * 1024 * 1024;
/// The largest JSON body of a message, whose file may be in it as base64.
pub const MESSAGE_LIMIT: usize = 24 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(30);

/// The JSON object in a request's body. Fields we do not know are ignored: the original's clients
/// may send more. `null` and an absent field are the same.
#[derive(Debug, Default)]
pub struct JsonBody(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, JSON_LIMIT).await?;
        object(&parts.headers, &bytes)
    }
}

/// The same with the bytes it was read from, which is what a signature is over.
#[derive(Debug)]
pub struct SignedBody {
    /// As they came.
    pub bytes: Vec<u8>,
    /// What they say.
    pub json: JsonBody,
}

impl<S: Send + Sync> FromRequest<S> for SignedBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, JSON_LIMIT).await?;
        let json = object(&parts.headers, &bytes)?;
        Ok(Self { bytes, json })
    }
}

/// The same, as large as a bulk job may be.
#[derive(Debug)]
pub struct BulkBody(pub JsonBody);

impl<S: Send + Sync> FromRequest<S> for BulkBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, BULK_LIMIT).await?;
        object(&parts.headers, &bytes).map(Self)
    }
}

/// The same where no body at all is as good as `{}`.
#[derive(Debug)]
pub struct OptionalJsonBody(pub JsonBody);

impl<S: Send + Sync> FromRequest<S> for OptionalJsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read_body(&parts.headers, body, JSON_LIMIT).await?;
        if bytes.is_empty() {
            return Ok(Self(JsonBody(Map::new())));
        }
        object(&parts.headers, &bytes).map(Self)
    }
}

/// A JSON object of at most `limit` bytes.
///
/// # Errors
/// What is wrong with it.
pub(crate) async fn json_of(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<JsonBody, ApiError> {
    let bytes = read_body(headers, body, limit).await?;
    object(headers, &bytes)
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 for a larger one, 400 and 408 for one that does not arrive.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Vec<u8>, ApiError> {
    let too_large = || {
        ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("the body is larger than {} MiB", limit / (1024 * 1024)),
        )
    };
    // Judged by its own word first, so that nothing of it needs to be read.
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let collected = Limited::new(body, limit).collect();
    match tokio::time::timeout(BODY_WITHIN, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes().into()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::invalid("the body ended before it was complete")),
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the body did not arrive in time",
        )),
    }
}

fn object(headers: &HeaderMap, bytes: &[u8]) -> Result<JsonBody, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE);
    if !kind.and_then(|v| v.to_str().ok()).is_some_and(is_json) {
        // Also what keeps web pages of strangers out: a browser asks before it sends JSON, and
        // gets no permission from us.
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body must be JSON, with Content-Type: application/json",
        ));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(JsonBody(fields)),
        Ok(_) => Err(ApiError::invalid("the body must be a JSON object")),
        // Where it went wrong, but not what is there.
        Err(error) => Err(ApiError::invalid(format!(
            "the body is not valid JSON (line {}, column {})",
            error.line(),
            error.column()
        ))),
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

impl From<Map<String, Value>> for JsonBody {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

impl JsonBody {
    /// Whether it has no field at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All fields.
    pub fn into_fields(self) -> Map<String, Value> {
        self.0
    }

    /// A field as it is; `null` counts as absent.
    pub(crate) fn field(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Takes a field out.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Whether the field is there, be it `null`.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A pace, if the field is there.
    ///
    /// # Errors
    /// 400 that says what is allowed.
    pub fn pace(&self, name: &str) -> Result<Option<Pace>, ApiError> {
        let Some(value) = self.field(name) else {
            return Ok(None);
        };
        serde_json::from_value(value.clone()).map_err(|_| {
            ApiError::invalid(format!(
                "{name} must be \"off\", \"gentle\", or an object with any of minGapMs and jitterMs \
                 (0 to 3600000), maxPerHour and maxNewContactsPerDay (1 to 100000), typing (true or \
                 false)"
            ))
        })
        .map(Some)
    }

    /// A text, if the field is there.
    ///
    /// # Errors
    /// 400 for another type.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        text_in(&self.0, name)
    }

    /// A list of texts, if the field is there.
    ///
    /// # Errors
    /// 400 for another type, and for an empty list.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, ApiError> {
        let wrong = || ApiError::invalid(format!("{name} must be a list of strings, not empty"));
        let Some(value) = self.field(name) else {
            return Ok(None);
        };
        let texts: Option<Vec<_>> = value
            .as_array()
            .and_then(|list| list.iter().map(serde_json::Value::as_str).collect());
        texts
            .filter(|texts| !texts.is_empty())
            .ok_or_else(wrong)
            .map(Some)
    }

    /// Texts in a list, if the field is there.
    ///
    /// # Errors
    /// 400 for another type.
    pub fn text_list(&self, name: &str) -> Result<Option<Vec<String>>, ApiError> {
        let Some(value) = self.field(name) else {
            return Ok(None);
        };
        let text = |item: &Value| item.as_str().map(str::to_owned);
        value
            .as_array()
            .and_then(|items| items.iter().map(text).collect::<Option<Vec<_>>>())
            .map(Some)
            .ok_or_else(|| ApiError::invalid(format!("{name} must be a list of strings")))
    }

    /// Whether a field is there and says `null`, for those where that is not the same as absent.
    pub fn is_null(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    /// A region, if the field is there.
    ///
    /// # Errors
    /// 400 for a text that is none.
    pub(crate) fn region(&self) -> Result<Option<Region>, ApiError> {
        let read = |text| Region::new(text).map_err(|e| ApiError::invalid(e.to_string()));
        self.text("region")?.map(read).transpose()
    }

    /// A truth value, if the field is there.
    ///
    /// # Errors
    /// 400 for another type.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.field(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(ApiError::invalid(format!("{name} must be true or false"))),
        }
    }

    /// A whole number from 0 on, if the field is there.
    ///
    /// # Errors
    /// 400 for another type.
    pub fn whole_number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        match self.field(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| {
                ApiError::invalid(format!("{name} must be a whole number, 0 or more"))
            }),
        }
    }

    /// A list, if the field is there.
    ///
    /// # Errors
    /// 400 for another type.
    pub fn array(&self, name: &str) -> Result<Option<&[Value]>, ApiError> {
        match self.field(name) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(ApiError::invalid(format!("{name} must be a list"))),
        }
    }

    /// The object that a path of fields leads to, if all of it is there.
    ///
    /// # Errors
    /// 400 when something on the way is no object.
    pub fn object(&self, path: &[&str]) -> Result<Option<&Map<String, Value>>, ApiError> {
        let mut here = &self.0;
        for name in path {
            here = match here.get(*name) {
                None | Some(Value::Null) => return Ok(None),
                Some(Value::Object(inner)) => inner,
                Some(_) => return Err(ApiError::invalid(format!("{name} must be an object"))),
            };
        }
        Ok(Some(here))
    }

    /// A phone number as text. Sloppy clients send a number, which is taken by its digits.
    ///
    /// # Errors
    /// 400 for another type.
    pub fn phone_text(&self, name: &str) -> Result<Option<String>, ApiError> {
        match self.field(name) {
            Some(Value::Number(number)) => match number.as_u64() {
                Some(digits) => Ok(Some(digits.to_string())),
                None => Err(ApiError::invalid(format!(
                    "{name} must be a string of digits"
                ))),
            },
            _ => Ok(self.text(name)?.map(str::to_owned)),
        }
    }
}

/// A text field of an object, if it is there.
pub(crate) fn text_in<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, ApiError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ApiError::invalid(format!("{name} must be a string"))),
    }
}

/// The session that a path names; `default` is the default session.
#[derive(Debug)]
pub struct PathSession(pub SessionId);

impl FromRequestParts<App> for PathSession {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path(text) = Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| invalid_session_id())?;
        app.session_id(&text).map(Self)
    }
}

/// The error for a text that cannot name a session.
pub(crate) fn invalid_session_id() -> ApiError {
    ApiError::new(
        StatusCode::BAD_REQUEST,
        "invalid_session_id",
        "a session id has 1 to 64 letters, digits, '_' or '-'",
    )
}

/// A query string as a struct.
#[derive(Debug)]
pub struct ReadQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for ReadQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(_) => Err(ApiError::invalid(
                "the query has a parameter with a value that is not possible",
            )),
        }
    }
}

/// Reads a chat id, or a phone number as the chat with that person.
pub fn chat_named(text: &str) -> Option<ChatId> {
    let named = ChatId::new(text.trim()).ok();
    named.or_else(|| match recipient(text) {
        Ok(Recipient::Phone(phone)) => Some(ChatId::from(&phone)),
        _ => None,
    })
}

/// Reads who a message goes to, and completes a national number where a region is chosen.
///
/// # Errors
/// 400 `invalid_phone_number`.
pub(crate) fn recipient_in(region: Option<Region>, text: &str) -> Result<Recipient, ApiError> {
    match region.and_then(|region| region.complete(text)) {
        Some(digits) => recipient(&digits),
        None => recipient(text),
    }
}

/// Reads who a message goes to: a phone number as people write it, or a chat id.
///
/// # Errors
/// 400 `invalid_phone_number`.
pub fn recipient(text: &str) -> Result<Recipient, ApiError> {
    Recipient::to_write_to(text).map_err(|error| {
        let text = error.for_answers();
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_phone_number", text)
            .hint("Country code first, as 244929782402 or +244 929-782-402.")
    })
}
