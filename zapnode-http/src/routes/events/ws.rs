//! The WebSocket: one envelope a frame, as text. A gap is told as a frame `{"event":"gap"}`; the
//! end by a close frame whose reason is the word of the [`Cut`]. What the other side says is not
//! read, but for the answers to our pings.

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use zapnode_core::event::{EventStream, ReadError};

use super::{Cut, GapModel, HEARTBEAT, TAKEN_WITHIN};
use crate::app::App;

/// The largest frame that is taken from the other side, which has nothing to say.
const LARGEST_FRAME: usize = 4096;

/// How many pings in a row may stay without an answer.
const PINGS_UNANSWERED: u32 = 3;

pub(super) fn answer(
    upgrade: WebSocketUpgrade,
    app: App,
    events: EventStream,
    place: OwnedSemaphorePermit,
) -> Response {
    // The server waits for it when it stops, as for requests.
    let counted = app.tasks().token();
    upgrade
        .max_message_size(LARGEST_FRAME)
        .max_frame_size(LARGEST_FRAME)
        .on_upgrade(move |socket| async move {
            feed(socket, &app, events).await;
            drop((place, counted));
        })
}

async fn feed(mut socket: WebSocket, app: &App, mut events: EventStream) {
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    let cut = loop {
        let frame = tokio::select! {
            biased;
            () = app.stopping().cancelled() => break Cut::ShuttingDown,
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    unanswered = 0;
                    continue;
                }
            },
            _ = heartbeat.tick() => {
                if unanswered == PINGS_UNANSWERED {
                    break Cut::NoAnswer;
                }
                unanswered += 1;
                Message::Ping(Vec::new().into())
            }
            event = events.next() => match event {
                Some(Ok(event)) => match serde_json::to_string(&event) {
                    Ok(text) => Message::text(text),
                    Err(error) => {
                        tracing::error!(%error, event = %event.id, "an event could not be written");
                        break Cut::StorageFailed;
                    }
                },
                Some(Err(ReadError::Gap(gap))) => {
                    let told = json!({"event": "gap", "payload": GapModel::from(gap)});
                    Message::text(told.to_string())
                }
                Some(Err(error)) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "events are not read");
                    break Cut::StorageFailed;
                }
                None => break Cut::ShuttingDown,
            },
        };
        match timeout(TAKEN_WITHIN, socket.send(frame)).await {
            Ok(Ok(())) => {}
            // It is gone.
            Ok(Err(_)) => return,
            Err(_) => break Cut::TooSlow,
        }
    };
    let code = match cut {
        Cut::ShuttingDown => close_code::AWAY,
        Cut::StorageFailed => close_code::ERROR,
        Cut::TooSlow | Cut::NoAnswer => close_code::AGAIN,
    };
    let close = Message::Close(Some(CloseFrame {
        code,
        reason: cut.as_str().into(),
    }));
    // One that takes nothing does not take this either; then the connection just ends.
    let _ = timeout(TAKEN_WITHIN, socket.send(close)).await;
}
