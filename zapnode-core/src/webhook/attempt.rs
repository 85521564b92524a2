//! One request to a receiver.

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use time::OffsetDateTime;
use tokio::time::Instant;
use ulid::Ulid;

use super::config::{Source, Webhook};
use super::sign::{self, Signing};
use crate::error::with_causes;
use crate::net::{HttpClient, Policy};
use crate::store::millis;

/// How much of an answer is kept.
const ANSWER_KEPT: usize = 1000;

/// How a request went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When it began.
    pub at: OffsetDateTime,
    /// The answer's status; `None`: there was no answer.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// Why it does not count as delivered, a stable word.
    pub error: Option<&'static str>,
    /// The first 1,000 bytes of the answer, or the error in words.
    pub answer: String,
}

/// The body to send, and what its headers say of it.
#[derive(Clone, Debug)]
pub(crate) struct Parcel<'a> {
    pub(crate) event_id: &'a str,
    pub(crate) body: String,
    pub(crate) attempt: u32,
}

/// Which addresses a webhook may lead to.
pub(crate) fn policy(webhook: &Webhook, allow_private: bool) -> Policy {
    if allow_private || webhook.source == Source::Environment {
        Policy::Any
    } else {
        Policy::PublicOnly
    }
}

/// Sends it, and says how that went.
pub(crate) async fn send(
    client: &HttpClient,
    policy: Policy,
    webhook: &Webhook,
    parcel: Parcel<'_>,
) -> Outcome {
    let at = crate::store::now();
    let began = Instant::now();
    let headers = headers(webhook, &parcel, at);
    let body = Bytes::from(parcel.body);
    let answer = client
        .send(policy, Method::POST, &webhook.url, headers, body)
        .await;
    let latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match answer {
        Ok(received) => {
            let status = received.status.as_u16();
            Outcome {
                at,
                status: Some(status),
                latency_ms,
                error: match status {
                    200..=299 => None,
                    410 => Some("gone"),
                    _ => Some("http_status"),
                },
                answer: first_bytes(&received.body),
            }
        }
        Err(error) => Outcome {
            at,
            status: None,
            latency_ms,
            error: Some(error.code()),
            answer: first_bytes(with_causes(&error).as_bytes()),
        },
    }
}

fn headers(webhook: &Webhook, parcel: &Parcel<'_>, at: OffsetDateTime) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &str, value: &str| {
        // Names and values were checked when the webhook was made.
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    };
    for (name, value) in &webhook.headers {
        set(name, value);
    }
    let signing = Signing {
        secret: &webhook.secret,
        previous: webhook.previous_at(at),
    };
    let request = Ulid::new().to_string();
    for (name, value) in sign::headers(
        &signing,
        parcel.event_id,
        &request,
        millis(at),
        &parcel.body,
    ) {
        set(name, &value);
    }
    set("x-webhook-attempt", &parcel.attempt.to_string());
    set(CONTENT_TYPE.as_str(), "application/json");
    let agent = concat!("ZapNode/", env!("CARGO_PKG_VERSION"));
    set(USER_AGENT.as_str(), agent);
    headers
}

/// The beginning of a text that may be none, cut between characters.
fn first_bytes(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(ANSWER_KEPT + 4)]).into_owned();
    let mut end = text.len().min(ANSWER_KEPT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_cut_between_characters() {
        assert_eq!(first_bytes(b"short"), "short");
        assert_eq!(first_bytes(&[b'x'; 5000]).len(), ANSWER_KEPT);
        let text = format!("x{}", "é".repeat(600));
        let cut = first_bytes(text.as_bytes());
        assert_eq!(cut.len(), ANSWER_KEPT - 1);
        assert!(text.starts_with(&cut));
        assert_eq!(first_bytes(&[0xff, b'a']), "\u{fffd}a");
    }
}
