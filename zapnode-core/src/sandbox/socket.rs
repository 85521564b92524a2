//! One page's websocket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc;

use super::delivery::Sending;
use super::faults::Hold;
use super::groups::Place;
use super::hub::Hub;
use super::people::ChatAct;
use super::wire::{FromPage, ToPage};
use super::world::World;
use super::{media, media_acts};
use crate::id::WireId;

/// The largest frame: WhatsApp's own limit for a text is 65,536 characters, a test may go beyond.
const MAX_FRAME: usize = 16 << 20;

pub(super) async fn upgrade(State(hub): State<Arc<Hub>>, socket: WebSocketUpgrade) -> Response {
    if !hub.answering().await {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    socket
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .on_upgrade(move |socket| serve(hub, socket))
}

async fn serve(hub: Arc<Hub>, mut socket: WebSocket) {
    let (frames, mut outgoing) = mpsc::unbounded_channel::<ToPage>();
    let connection = hub.change(|world| world.connect(frames));
    let mut rotation: Option<tokio::time::Instant> = None;
    loop {
        let rotate = async {
            match rotation {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = hub.closing.cancelled() => break,
            () = rotate => {
                rotation = hub
                    .change(|world| world.next_reference(connection, Instant::now()))
                    .map(|ttl| tokio::time::Instant::now() + ttl);
            }
            frame = outgoing.recv() => {
                let Some(frame) = frame else { break };
                let Ok(text) = serde_json::to_string(&frame) else { break };
                if socket.send(Message::Text(text.into())).await.is_err() {
                    break;
                }
                // Told its last word, it is closed.
                if outgoing.is_empty() && hub.look(|world| world.ended(connection)) {
                    break;
                }
            }
            message = socket.recv() => {
                let text = match message {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    _ => break,
                };
                let Ok(frame) = serde_json::from_str::<FromPage>(&text) else {
                    tracing::warn!("a sandbox page sent a frame that is none");
                    break;
                };
                match handle(&hub, connection, frame).await {
                    After::Nothing => {}
                    After::Rotate(after) => {
                        rotation = Some(tokio::time::Instant::now() + after);
                    }
                }
            }
        }
    }
    hub.change(|world| world.disconnect(connection));
}

/// What the socket's own loop has to do after a frame.
enum After {
    Nothing,
    /// The next reference is due then.
    Rotate(Duration),
}

/// Answers a page at once, or when `here` is held up no longer.
fn answer_past(hub: &Arc<Hub>, here: Hold, answer: impl FnOnce(&mut World) + Send + 'static) {
    if !hub.change(|world| world.reaches(here)) {
        hub.change(answer);
        return;
    }
    let hub = hub.clone();
    // Beside the socket's loop, which has to notice when its page goes away.
    tokio::spawn(async move {
        hub.released(here).await;
        hub.change(answer);
    });
}

async fn handle(hub: &Arc<Hub>, connection: u64, frame: FromPage) -> After {
    match frame {
        FromPage::Pair {
            noise,
            identity,
            adv,
            name,
        } => {
            let wait = hub.change(|world| {
                world.begin_pairing(connection, noise, identity, adv, name);
                world.faults.ref_delay_ms
            });
            return After::Rotate(Duration::from_millis(wait));
        }
        FromPage::Refresh { adv } => {
            hub.change(|world| world.refresh(connection, adv));
            return After::Rotate(Duration::ZERO);
        }
        FromPage::PairCode { req, phone } => hub.change(|world| {
            let code = world.pairing_code(connection, &phone);
            world.tell(connection, ToPage::PairCode { req, code });
        }),
        FromPage::Login { device, secret } => {
            hub.change(|world| world.login(connection, &device, &secret));
        }
        FromPage::Resend { ids } => {
            // The account's phone asks the writers again.
            hub.change(|world| world.tell(connection, ToPage::Resent { ids }));
        }
        FromPage::Exists { req, wid } => {
            // A round trip of WhatsApp's takes a moment; a page must not count on less.
            tokio::time::sleep(Duration::from_millis(2)).await;
            answer_past(hub, Hold::Asked, move |world| {
                let found = world.query(&wid);
                world.tell(connection, ToPage::Exists { req, found });
            });
        }
        FromPage::Hold { req, at } => answer_past(hub, at, move |world| {
            world.tell(connection, ToPage::Hold { req });
        }),
        FromPage::Reupload { req, id, from_me } => {
            let hub = hub.clone();
            // Beside the socket's loop: a phone may be off line for long.
            tokio::spawn(
                async move { media_acts::reupload(&hub, connection, req, &id, from_me).await },
            );
        }
        FromPage::Logout | FromPage::Misbehaved => {
            let reason = if matches!(frame, FromPage::Logout) {
                "user_initiated"
            } else {
                "syncd_failure"
            };
            hub.change(|world| {
                if let Some(device) = world.device_of(connection) {
                    world.unlink(&device, reason);
                }
            });
            hub.save().await;
        }
        other => hub.change(|world| {
            let Some(device) = world.device_of(connection) else {
                return;
            };
            let Some(me) = world.devices.get(&device).map(|one| one.number.clone()) else {
                return;
            };
            match other {
                FromPage::Got { n } => world.got(&device, n),
                FromPage::Chat {
                    req,
                    chat,
                    marks,
                    cleared,
                    deleted,
                } => {
                    let act = ChatAct {
                        marks,
                        cleared,
                        deleted,
                    };
                    world.act_on_chat(&me, &device, &chat, &act);
                    world.tell(connection, ToPage::Chat { req });
                }
                FromPage::Person {
                    req,
                    what,
                    wid,
                    text,
                    on,
                } => {
                    let (status, value) = world.ask_of_person(&me, what, &wid, text, on);
                    world.tell(connection, ToPage::Person { req, status, value });
                }
                FromPage::RejectCall { id, way } => world.reject_call(&me, id, way),
                FromPage::ChatState { chat, state } => {
                    if let Some(reader) = world.person(&chat) {
                        let now = Instant::now();
                        world.chat_state(connection, (reader, me), state, now);
                    }
                }
                FromPage::Act {
                    req,
                    id,
                    from_me,
                    act,
                } => {
                    let error = match WireId::new(&id) {
                        Ok(id) => world.act(&me, &id, from_me, act).err(),
                        Err(_) => Some("no such message"),
                    };
                    world.tell(connection, ToPage::Done { req, error });
                }
                FromPage::Group { req, call } => {
                    let (value, status) = match world.group_call(&me, call) {
                        Ok(value) => (value, None),
                        Err(status) => (serde_json::Value::Null, Some(status)),
                    };
                    world.tell(connection, ToPage::Group { req, value, status });
                }
                FromPage::Feed { req, call } => {
                    let (value, status) = match world.feed_call(&me, call) {
                        Ok(value) => (value, None),
                        Err(status) => (serde_json::Value::Null, Some(status)),
                    };
                    world.tell(connection, ToPage::Feed { req, value, status });
                }
                FromPage::Presence { available } => {
                    if let Some(page) = world.connections.get_mut(&connection) {
                        page.available = available;
                    }
                }
                FromPage::Send { id, .. } if world.faults.refuse_sends != 0 => {
                    let status = world.faults.refuse_sends;
                    world.tell(connection, ToPage::Refused { id, status });
                }
                FromPage::Read { chat } => {
                    if let Some(chat) = world.place(&chat) {
                        world.read(&me, &chat, Some(&device));
                    }
                }
                FromPage::Send {
                    id,
                    from,
                    to,
                    body,
                    kind,
                    quoted,
                    mentions,
                    fields,
                } => {
                    let (Ok(id), Some(recipient)) = (WireId::new(&id), world.place(&to)) else {
                        return;
                    };
                    // Who is not in a group cannot write there.
                    if let Place::Group(group) = &recipient
                        && !world.is_in(group, &me)
                    {
                        return;
                    }
                    if let Place::Group(group) = &recipient
                        && !world.may_write(group, &me)
                    {
                        let id = id.to_string();
                        world.tell(connection, ToPage::Refused { id, status: 403 });
                        return;
                    }
                    // Fact sheet §4.3: the sender's address has to be of the chat's kind.
                    let own = world.person(&from).as_ref() == Some(&me);
                    let by_lid = match &recipient {
                        Place::Person(_) => to.ends_with("@lid"),
                        Place::Group(_) => world.groups_by_lid(),
                    };
                    let unknown_sender = !own || from.ends_with("@lid") != by_lid;
                    let mentions = mentions.iter().filter_map(|one| world.person(one));
                    let (body, fields) = media::taken(body, fields);
                    let sending = Sending {
                        id,
                        to: recipient,
                        body,
                        kind,
                        quoted,
                        mentions: mentions.collect(),
                        fields,
                        unknown_sender,
                    };
                    world.send(&me, Some(&device), sending);
                }
                _ => {}
            }
        }),
    }
    After::Nothing
}
