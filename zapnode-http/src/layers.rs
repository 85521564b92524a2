//! What happens to every request, whichever route it takes.

use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::app::App;
use crate::auth::{check_host, check_origin, is_authorized, unauthorized};
use crate::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Whether this request showed the key. Only open routes ever see a `false`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authorized(pub(crate) bool);

/// The outermost layer: gives the request its id, runs it, writes the body of an error, logs one
/// line.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path: String = loggable(request.uri().path()).chars().take(200).collect();

    let span = tracing::info_span!("request", %id);
    let task = app.tasks().spawn(next.run(request).instrument(span));
    // What changes something is carried to its end even if the caller hangs up; what only looks
    // is not worth that. In a task of its own, a panic is this request's alone.
    let outcome = if method.is_safe() {
        AbortOnDropHandle::new(task).await
    } else {
        task.await
    };
    let mut response = outcome.unwrap_or_else(|error| {
        tracing::error!(%id, %error, "a request ended in a panic");
        ApiError::internal().into_response()
    });

    let error = response.extensions_mut().remove::<ApiError>();
    if let Some(error) = &error {
        *response.body_mut() = Body::from(error.body(&id));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        // Said for the body that was there before.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    // Codes, numbers and pictures of logins have no business in a cache.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));

    let status = response.status().as_u16();
    let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let code = error.as_ref().map(ApiError::code);
    tracing::info!(%method, path, status, ms, id, code, "request");
    response
}

/// Lets in who may come in.
pub(crate) async fn guard(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let options = app.options();
    check_host(&options.hosts, request.uri(), request.headers())?;
    check_origin(request.method(), request.headers())?;
    let authorized = is_authorized(options, request.uri(), request.headers());
    if !authorized && !is_open(request.uri().path()) && !is_hook(&app, request.uri().path()) {
        return Err(unauthorized());
    }
    request.extensions_mut().insert(Authorized(authorized));
    Ok(next.run(request).await)
}

/// What a load balancer may ask without a key; `/health` shows it the status only.
fn is_open(path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    matches!(path, "/livez" | "/readyz" | "/health")
}

/// What Chatwoot calls: it cannot send a header, so a secret is in the path. The bridge's own is
/// checked by its route.
fn is_hook(app: &App, path: &str) -> bool {
    let bridge = path
        .strip_prefix("/chatwoot/")
        .and_then(|rest| rest.split_once("/webhook/"));
    if bridge.is_some_and(|(session, secret)| !session.contains('/') && !secret.is_empty()) {
        return true;
    }
    app.webhook_path().is_some_and(|hook| {
        let hook = crate::auth::Secret::new(hook);
        hook.matches(path.strip_suffix('/').unwrap_or(path).as_bytes())
    })
}

/// A path as it may be logged: without the secret of a hook.
fn loggable(path: &str) -> &str {
    const HOOK: &str = "/webhook/";
    match path.find(HOOK) {
        // Not `/webhook/test`: no secret is that short.
        Some(at) if path.len() > at + HOOK.len() + 16 => &path[..at + HOOK.len()],
        _ => path,
    }
}

/// The caller's own id if it is fit to be logged, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let sane = |id: &&str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        (1..=64).contains(&id.len()) && id.bytes().all(allowed)
    };
    headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(sane)
        .map_or_else(|| ulid::Ulid::new().to_string(), str::to_owned)
}
