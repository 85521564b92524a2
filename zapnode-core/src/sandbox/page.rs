//! The page's text and scripts, as the servers hand them out.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::faults::Faults;

/// The page's scripts, in the order in which they run.
const SCRIPTS: &[(&str, &str)] = &[
    ("loader.js", include_str!("page/loader.js")),
    ("models.js", include_str!("page/models.js")),
    ("ids.js", include_str!("page/ids.js")),
    ("storage.js", include_str!("page/storage.js")),
    ("wire.js", include_str!("page/wire.js")),
    ("auth.js", include_str!("page/auth.js")),
    ("collections.js", include_str!("page/collections.js")),
    ("mediacrypto.js", include_str!("page/mediacrypto.js")),
    ("media.js", include_str!("page/media.js")),
    ("mediaprep.js", include_str!("page/mediaprep.js")),
    ("groups.js", include_str!("page/groups.js")),
    ("feeds.js", include_str!("page/feeds.js")),
    ("messages.js", include_str!("page/messages.js")),
    ("happenings.js", include_str!("page/happenings.js")),
    ("send.js", include_str!("page/send.js")),
    ("actions.js", include_str!("page/actions.js")),
    ("kinds.js", include_str!("page/kinds.js")),
    ("chats.js", include_str!("page/chats.js")),
    ("people.js", include_str!("page/people.js")),
    ("extras.js", include_str!("page/extras.js")),
    ("faults.js", include_str!("page/faults.js")),
    ("session.js", include_str!("page/session.js")),
    ("ui.js", include_str!("page/ui.js")),
    ("boot.js", include_str!("page/boot.js")),
];

const PAGE: &str = include_str!("page/index.html");
const PHONES: &str = include_str!("page/phones.html");
const PHONES_SCRIPT: &str = include_str!("page/phones.js");
const PHONES_STYLE: &str = include_str!("page/phones.css");

type Headers = [(HeaderName, String); 3];

fn headers(kind: &str, policy: String) -> Headers {
    [
        (CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (CACHE_CONTROL, "no-store".to_owned()),
        (CONTENT_SECURITY_POLICY, policy),
    ]
}

/// The simulated WhatsApp Web page, with a nonce of its own (fact sheet §1.1: added scripts are
/// refused).
pub(super) fn web(faults: &Faults, revision: u64) -> Response {
    let nonce = ulid::Ulid::new().to_string();
    let config = json!({"faults": faults, "revision": revision}).to_string();
    let scripts: String = SCRIPTS
        .iter()
        .map(|(name, _)| format!("<script nonce=\"{nonce}\" src=\"/rsrc/{name}\"></script>\n"))
        .collect();
    let text = PAGE
        .replace("{{nonce}}", &nonce)
        // In a script element only "</" could end it early.
        .replace("{{config}}", &config.replace("</", "<\\/"))
        .replace("{{scripts}}", &scripts);
    let policy = format!(
        "default-src 'self'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self' ws: wss:; img-src 'self' data: blob:; \
         media-src 'self' blob:; frame-src 'self'; object-src 'none'; base-uri 'none'"
    );
    (headers("text/html", policy), text).into_response()
}

/// A file of the page.
pub(super) fn resource(name: &str) -> Response {
    let policy = "default-src 'none'".to_owned();
    match SCRIPTS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => (headers("text/javascript", policy), *text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// An empty document for the page's inner frame.
pub(super) fn blank() -> Response {
    let policy = "default-src 'none'".to_owned();
    (
        headers("text/html", policy),
        "<!doctype html><title>frame</title>",
    )
        .into_response()
}

/// The page where people use the simulated phones.
pub(super) fn phones() -> Response {
    let policy =
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
            .to_owned();
    (headers("text/html", policy), PHONES).into_response()
}

/// A file of the phones page.
pub(super) fn phones_resource(name: &str) -> Response {
    let policy = "default-src 'none'".to_owned();
    match name {
        "phones.js" => (headers("text/javascript", policy), PHONES_SCRIPT).into_response(),
        "phones.css" => (headers("text/css", policy), PHONES_STYLE).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
