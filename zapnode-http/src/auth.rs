//! Who may ask: keys, the names this server answers to, and pages of strangers.

use std::fmt;
use std::net::IpAddr;

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};

use crate::app::AppOptions;
use crate::error::ApiError;

/// A key. It is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps a key.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Makes one of 160 random bits.
    pub fn random() -> Self {
        // A ULID's random part is 80 bits of the system's generator.
        let part = || ulid::Ulid::new().random();
        Self(format!("{:020x}{:020x}", part(), part()))
    }

    /// The key itself, for handing it to whoever shall use it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Another secret that follows from this one and does not tell it, for one purpose.
    pub(crate) fn derived(&self, purpose: &str) -> String {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.0.as_bytes());
        let tag = ring::hmac::sign(&key, purpose.as_bytes());
        tag.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Compares in a time that does not depend on where the two differ.
    pub(crate) fn matches(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let mut difference = u8::from(own.len() != given.len());
        for (i, byte) in given.iter().enumerate() {
            // Against itself where the key is shorter: the length has been counted already.
            difference |= std::hint::black_box(byte ^ own.get(i).unwrap_or(byte));
        }
        difference == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(********)")
    }
}

/// The host names that requests may carry.
#[derive(Clone, Debug, Default)]
pub enum Hosts {
    /// Any: the address is public and guarded by a key, or there is no socket at all.
    #[default]
    Any,
    /// This machine's own names, and these. A page of a stranger whose name points to 127.0.0.1
    /// (DNS rebinding) carries its own name and is refused.
    Local(Vec<String>),
}

impl Hosts {
    fn allows(&self, authority: &str) -> bool {
        let Self::Local(more) = self else {
            return true;
        };
        let host = without_port(authority);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost")
            || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            || more.iter().any(|name| bare.eq_ignore_ascii_case(name))
    }
}

/// `[::1]:3000` without `:3000`.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // A colon inside brackets belongs to the address.
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

/// Refuses requests for a name that is not ours.
pub(crate) fn check_host(hosts: &Hosts, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
    let header = headers.get(header::HOST).map(|v| v.to_str().unwrap_or(""));
    let in_uri = uri.authority().map(|a| a.as_str());
    if [header, in_uri]
        .into_iter()
        .flatten()
        .all(|h| hosts.allows(h))
    {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "wrong_host",
        "this server does not answer to that host name",
    )
    .hint("Ask for localhost or 127.0.0.1, or set ZAPNODE_HOST to the name you use."))
}

/// Refuses changes that a page of another site asks for through its visitor's browser.
pub(crate) fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if method.is_safe() {
        return Ok(());
    }
    check_same_site(headers)
}

/// Refuses a WebSocket to a page of another site, which a browser would let it have: unlike the
/// answers of other requests, it is not kept from such pages. Where a key is needed it was shown.
pub(crate) fn check_page_origin(options: &AppOptions, headers: &HeaderMap) -> Result<(), ApiError> {
    if options.api_key.is_some() {
        return Ok(());
    }
    check_same_site(headers)
}

fn check_same_site(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or(""));
    let same_site = text(header::ORIGIN).is_none_or(|origin| {
        let origin = origin.split_once("://").map(|(_, authority)| authority);
        origin.is_some() && origin == text(header::HOST)
    });
    if same_site {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "forbidden",
        "pages of other sites may not use this API",
    ))
}

/// Whether a request carries the key or the owner's token, or none is needed. Streams may carry it
/// as `x-api-key` in the query, because a browser cannot give them headers.
pub(crate) fn is_authorized(options: &AppOptions, uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(key) = &options.api_key else {
        return true;
    };
    let in_query = stream_key(uri);
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_at_checked(7))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
        .map(|(_, token)| token.trim_ascii());
    let header = headers.get("x-api-key").map(|value| value.as_bytes());
    let accepts = |given: &[u8]| {
        let token = options.owner_token.as_ref();
        key.matches(given) | token.is_some_and(|token| token.matches(given))
    };
    let in_query = in_query.as_deref().map(str::as_bytes);
    [header, bearer, in_query]
        .into_iter()
        .flatten()
        .any(accepts)
}

/// The key in the query of a stream.
fn stream_key(uri: &Uri) -> Option<String> {
    let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
    if path != "/ws" && !path.ends_with("/events") {
        return None;
    }
    #[derive(serde::Deserialize)]
    struct Key {
        #[serde(rename = "x-api-key")]
        key: String,
    }
    let query = axum::extract::Query::<Key>::try_from_uri(uri).ok()?;
    Some(query.0.key)
}

/// The error for a request without a key.
pub(crate) fn unauthorized() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "this needs the API key",
    )
    .hint("Send it as X-Api-Key, or as Authorization: Bearer.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_only_and_is_never_shown() {
        let secret = Secret::new("sesame");
        assert!(secret.matches(b"sesame"));
        for wrong in ["", "s", "sesam", "sesame ", "Sesame", "sesamesesame"] {
            assert!(!secret.matches(wrong.as_bytes()), "{wrong}");
        }
        assert!(!format!("{secret:?}").contains("sesame"));
        assert_eq!(Secret::random().reveal().len(), 40);
        assert_ne!(Secret::random().reveal(), Secret::random().reveal());
    }

    #[test]
    fn only_streams_carry_the_key_in_their_query() {
        let key = |uri: &'static str| stream_key(&Uri::from_static(uri));
        for stream in [
            "/ws?session=*&x-api-key=a%2Bb",
            "/sessions/x/events/?x-api-key=a%2Bb",
        ] {
            assert_eq!(key(stream).as_deref(), Some("a+b"), "{stream}");
        }
        for other in ["/sessions?x-api-key=k", "/ws", "/events?key=k"] {
            assert_eq!(key(other), None, "{other}");
        }
    }

    #[test]
    fn a_local_server_answers_to_local_names() {
        let hosts = Hosts::Local(vec!["zap.lan".to_owned()]);
        for good in [
            "localhost",
            "LOCALHOST:3000",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:3000",
            "zap.lan:80",
        ] {
            assert!(hosts.allows(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:3000",
            "10.0.0.1",
            "localhost.evil.example",
        ] {
            assert!(!hosts.allows(bad), "{bad}");
        }
        assert!(Hosts::Any.allows("evil.example"));
    }
}
