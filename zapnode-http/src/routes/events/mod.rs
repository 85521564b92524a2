//! What happened: as a stream of server-sent events, over a WebSocket, or page by page. The same
//! path and the same query for all three; the request says which by `Accept` or `Upgrade`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use zapnode_core::SessionId;
use zapnode_core::event::{Event, EventId, Filter, LARGEST_PAGE, Page, parse_names};

use crate::app::App;
use crate::auth::check_page_origin;
use crate::error::ApiError;
use crate::extract::{PathSession, ReadQuery, chat_named};

mod sse;
mod ws;

/// How many events a page has if nobody says.
const USUAL_PAGE: usize = 100;

/// How long a page may be waited for, in milliseconds: proxies give up later.
const LONGEST_WAIT_MS: u64 = 60_000;

/// How often a silent stream says that it is still there.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a reader may leave one event untaken before it is cut.
pub(super) const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Why a stream ended; the word a reader is told. It can go on after its last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The reader took too long for one event.
    TooSlow,
    /// The server is stopping.
    ShuttingDown,
    /// The events could not be read.
    StorageFailed,
    /// A WebSocket's other side answers no ping.
    NoAnswer,
}

impl Cut {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::TooSlow => "too_slow",
            Self::ShuttingDown => "shutting_down",
            Self::StorageFailed => "storage_failed",
            Self::NoAnswer => "no_answer",
        }
    }
}

/// Which events are wanted, and from where on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::routes) struct Query {
    /// Names separated by commas; absent or `*`: all.
    events: Option<String>,
    /// A session; absent or `*`: all.
    session: Option<String>,
    /// A chat id or a number.
    chat: Option<String>,
    /// A sequence, or `latest`.
    after: Option<String>,
    limit: Option<usize>,
    timeout_ms: Option<u64>,
}

/// A page of events.
#[derive(Debug, Serialize)]
struct EventPage {
    success: bool,
    events: Vec<Event>,
    /// The `after` of the next page.
    next: i64,
    /// The newest event there is.
    latest: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<GapModel>,
}

/// What a reader missed, because it is kept no longer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct GapModel {
    after: i64,
    forgotten: i64,
}

impl From<zapnode_core::event::Gap> for GapModel {
    fn from(gap: zapnode_core::event::Gap) -> Self {
        Self {
            after: gap.after,
            forgotten: gap.forgotten,
        }
    }
}

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// `GET /events`, of all sessions or of the one in the query.
pub(in crate::routes) async fn all(
    State(app): State<App>,
    headers: HeaderMap,
    ReadQuery(query): ReadQuery<Query>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let session = query
        .session
        .as_deref()
        .filter(|s| !s.is_empty() && *s != "*");
    let session = session.map(|text| app.session_id(text)).transpose()?;
    answer(app, headers, query, session, upgrade).await
}

/// `GET /sessions/{id}/events`.
pub(in crate::routes) async fn of_session(
    State(app): State<App>,
    PathSession(id): PathSession,
    headers: HeaderMap,
    ReadQuery(query): ReadQuery<Query>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    app.session(&id)?;
    answer(app, headers, query, Some(id), upgrade).await
}

/// `GET /ws`: WAHA's name for the WebSocket.
pub(in crate::routes) async fn web_socket(
    state: State<App>,
    headers: HeaderMap,
    query: ReadQuery<Query>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    if upgrade.is_err() {
        return Err(ApiError::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade_required",
            "this path speaks WebSocket",
        )
        .hint("For HTTP there is GET /events."));
    }
    all(state, headers, query, upgrade).await
}

async fn answer(
    app: App,
    headers: HeaderMap,
    query: Query,
    session: Option<SessionId>,
    upgrade: Upgrade,
) -> Result<Response, ApiError> {
    let filter = query.filter(session)?;
    let place = take_place(&app)?;
    let log = app.manager().events();
    if let Ok(upgrade) = upgrade {
        check_page_origin(app.options(), &headers)?;
        let after = query.after(&app)?.unwrap_or_else(|| log.latest());
        return Ok(ws::answer(upgrade, app, log.select(after, filter), place));
    }
    if wants_stream(&headers) {
        let after = match resumed(&app, &headers).await? {
            Some(after) => after,
            None => query.after(&app)?.unwrap_or_else(|| log.latest()),
        };
        return Ok(sse::answer(app, log.select(after, filter), place));
    }
    let after = query.after(&app)?.unwrap_or(0);
    let limit = query.limit.unwrap_or(USUAL_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(ApiError::invalid(format!(
            "limit must be 1 to {LARGEST_PAGE}"
        )));
    }
    let wait = match query.timeout_ms.unwrap_or(0) {
        ms @ 0..=LONGEST_WAIT_MS => Duration::from_millis(ms),
        _ => {
            return Err(ApiError::invalid(format!(
                "timeoutMs must be 0 to {LONGEST_WAIT_MS}"
            )));
        }
    };
    let page = page(&app, after, limit, &filter, wait).await?;
    Ok(Json(EventPage {
        success: true,
        next: page.next,
        latest: page.latest,
        gap: page.gap.map(GapModel::from),
        events: page.events,
    })
    .into_response())
}

/// The first page with something in it, or the last empty one when the wait is over.
async fn page(
    app: &App,
    after: i64,
    limit: usize,
    filter: &Filter,
    wait: Duration,
) -> Result<Page, ApiError> {
    let log = app.manager().events();
    let until = Instant::now() + wait;
    let mut newest = log.subscribe();
    let mut after = after;
    loop {
        newest.borrow_and_update();
        let page = log.read(after, limit, filter).await;
        let page = page.map_err(zapnode_core::Error::from)?;
        if !page.events.is_empty() || page.gap.is_some() {
            return Ok(page);
        }
        after = page.next;
        if !page.is_last() {
            continue;
        }
        let more = tokio::select! {
            more = tokio::time::timeout_at(until, newest.changed()) => matches!(more, Ok(Ok(()))),
            () = app.stopping().cancelled() => false,
        };
        if !more {
            return Ok(page);
        }
    }
}

impl Query {
    fn filter(&self, session: Option<SessionId>) -> Result<Filter, ApiError> {
        let names = match self.events.as_deref().filter(|text| !text.is_empty()) {
            None => None,
            Some(text) => parse_names(text.split(','))
                .map_err(|unknown| ApiError::invalid(unknown.to_string()))?,
        };
        let chat = self.chat.as_deref().filter(|text| !text.is_empty());
        Ok(Filter {
            names,
            session,
            chat: match chat.map(chat_named) {
                Some(None) => return Err(ApiError::invalid("chat must be a chat id or a number")),
                known => known.flatten(),
            },
        })
    }

    fn after(&self, app: &App) -> Result<Option<i64>, ApiError> {
        match self.after.as_deref() {
            None | Some("") => Ok(None),
            Some("latest") => Ok(Some(app.manager().events().latest())),
            Some(text) => match text.parse() {
                Ok(after @ 0..) => Ok(Some(after)),
                _ => Err(ApiError::invalid(
                    "after must be the sequence of an event, or latest",
                )),
            },
        }
    }
}

/// Where a stream that was interrupted goes on: after the event whose sequence (which is what our
/// `id:` lines say) or id the reader names.
async fn resumed(app: &App, headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let Some(last) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let unknown = || ApiError::invalid("Last-Event-ID must be the id of an event of this server");
    let last = last.to_str().map_err(|_| unknown())?.trim();
    if last.is_empty() {
        return Ok(None);
    }
    if let Ok(sequence @ 0..) = last.parse::<i64>() {
        return Ok(Some(sequence));
    }
    let id: EventId = last.parse().map_err(|_| unknown())?;
    let event = app.manager().events().event(id).await;
    let event = event.map_err(zapnode_core::Error::from)?;
    event.map(|event| Some(event.sequence)).ok_or_else(unknown)
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|kind| {
            kind.trim()
                .to_ascii_lowercase()
                .starts_with("text/event-stream")
        })
}

fn take_place(app: &App) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(app.stream_places())
        .try_acquire_owned()
        .map_err(|_| {
            ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_streams",
                "as many readers of events are connected as this server allows",
            )
            .hint("Close some, or read page by page: GET /events?after=…")
        })
}
