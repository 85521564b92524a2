//! Server-sent events. Each has its name as `event:`, its sequence as `id:`, and the envelope as
//! `data:`. Besides there are `gap` (events were forgotten before they were read), `cut` (the
//! stream ends, and why) and comments when nothing else is said.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};
use zapnode_core::event::{EventStream, ReadError};

use super::{Cut, GapModel, HEARTBEAT, TAKEN_WITHIN};
use crate::app::App;

/// How long a browser waits before it comes back, in milliseconds.
const COME_BACK_AFTER: Duration = Duration::from_secs(2);

struct Feed {
    app: App,
    events: EventStream,
    /// When the last piece was handed to the connection. It asks for the next one once there is
    /// room, so what lies between is how long the reader took.
    handed: Option<Instant>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

pub(super) fn answer(app: App, events: EventStream, place: OwnedSemaphorePermit) -> Response {
    let feed = Feed {
        app,
        events,
        handed: None,
        ended: false,
        _place: place,
    };
    let hello = format!("retry: {}\n\n", COME_BACK_AFTER.as_millis());
    let hello = futures_util::stream::iter([Ok::<_, Infallible>(Bytes::from(hello))]);
    let pieces = unfold(feed, |mut feed| async move {
        let piece = feed.next().await?;
        feed.handed = Some(Instant::now());
        Some((Ok(Bytes::from(piece)), feed))
    });
    let mut response = Response::new(Body::from_stream(hello.chain(pieces)));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    let fresh = HeaderValue::from_static("no-cache");
    headers.insert(header::CACHE_CONTROL, fresh);
    // Some proxies collect answers before they pass them on, unless told.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Feed {
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        if self.handed.is_some_and(|at| at.elapsed() > TAKEN_WITHIN) {
            return Some(self.cut(Cut::TooSlow));
        }
        let stopping = self.app.stopping().clone();
        let next = tokio::select! {
            biased;
            () = stopping.cancelled() => return Some(self.cut(Cut::ShuttingDown)),
            next = timeout(HEARTBEAT, self.events.next()) => next,
        };
        Some(match next {
            Err(_) => ": still here\n\n".to_owned(),
            Ok(Some(Ok(event))) => match serde_json::to_string(&event) {
                Ok(data) => format!(
                    "event: {}\nid: {}\ndata: {data}\n\n",
                    event.name(),
                    event.sequence
                ),
                Err(error) => {
                    tracing::error!(%error, event = %event.id, "an event could not be written");
                    self.cut(Cut::StorageFailed)
                }
            },
            Ok(Some(Err(ReadError::Gap(gap)))) => {
                let data = json!(GapModel::from(gap));
                format!("event: gap\nid: {}\ndata: {data}\n\n", gap.forgotten)
            }
            Ok(Some(Err(error))) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "events are not read"
                );
                self.cut(Cut::StorageFailed)
            }
            Ok(None) => self.cut(Cut::ShuttingDown),
        })
    }

    fn cut(&mut self, why: Cut) -> String {
        self.ended = true;
        let data = json!({ "reason": why.as_str() });
        format!("event: cut\ndata: {data}\n\n")
    }
}
