//! The page channel: a small DevTools client of our own on a second socket of the same browser.
//!
//! Why it exists, measured on Chromium 156 with two cores (`headless-chrome.md` §2): one
//! `Runtime.evaluate("1+1")` through headless_chrome's own transport takes 104 ms at the median,
//! because its reader holds the socket's lock while it waits; and there one late answer, one
//! panicking listener or one unknown binding ends the connection of the whole browser. Over this
//! channel the same call takes 0.7 ms at the median and 0.9 ms at the 99th percentile in an
//! unoptimized build with other work on the machine (`cargo test -p zapnode-core --lib round_trip
//! -- --nocapture` prints the figure of the machine it runs on), nothing polls, and no thread
//! waits per call.
//!
//! What it promises:
//! - every call has a deadline of its own; running out of it leaves the channel healthy, and the
//!   late answer is ignored;
//! - dropping a call's future forgets the call;
//! - when the socket ends, every waiting call fails at once;
//! - events are handed on as raw JSON, in order. headless_chrome's typed events are not used:
//!   an event with a value newer than the crate vanishes there without a word.
//!
//! It does not know what a page or a bridge is.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use headless_chrome::protocol::cdp::types::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The largest message we send. Chrome drops the socket at about 100 MB.
const LARGEST_MESSAGE: usize = 50 << 20;

/// How long the browser may take to accept the socket.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Why a call has no result.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// The socket ended: the browser is gone, or has dropped us.
    #[error("the connection to the browser has ended")]
    Ended,
    /// No answer within the call's deadline.
    #[error("the browser gave no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The browser refused.
    #[error("{message}")]
    Refused {
        /// DevTools' number for it.
        code: i64,
        /// DevTools' words for it.
        message: String,
    },
    /// The call or its answer does not fit its type, or is too large.
    #[error("{0}")]
    Malformed(String),
}

/// An event of the browser or of one attached page.
#[derive(Debug)]
pub(crate) struct Event {
    /// As `Page.frameNavigated`.
    pub(crate) method: String,
    /// The page's session; none for the browser's own events.
    pub(crate) session: Option<String>,
    /// Its parameters, unread.
    pub(crate) params: Box<RawValue>,
}

type Answer = Result<Box<RawValue>, CallError>;
/// Calls under way by their number; none once the socket has ended.
type Pending = Mutex<Option<HashMap<u64, oneshot::Sender<Answer>>>>;

/// One socket to a browser. Clones share it; it closes with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    next_id: AtomicU64,
    pending: Arc<Pending>,
    outgoing: mpsc::UnboundedSender<String>,
    _stop_tasks: DropGuard,
}

impl Channel {
    /// Connects to a browser's DevTools address (`ws://…/devtools/browser/…`). The stream of
    /// events ends when the socket does.
    pub(crate) async fn connect(
        url: &str,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Event>), CallError> {
        let socket = tokio::time::timeout(CONNECT_DEADLINE, open_socket(url))
            .await
            .map_err(|_| CallError::TimedOut(CONNECT_DEADLINE))??;
        let (mut sink, mut stream) = socket.split();
        let pending: Arc<Pending> = Arc::new(Mutex::new(Some(HashMap::new())));
        let (outgoing, mut to_send) = mpsc::unbounded_channel::<String>();
        // Unbounded, so that the reader never waits for whoever reads events: answers to calls
        // come through the same reader. The page's pump bounds what it keeps (page.rs).
        let (events_in, events) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();

        let stopped = stop.clone();
        tokio::spawn(async move {
            while let Some(Some(text)) = stopped.run_until_cancelled(to_send.recv()).await {
                if sink.send(Message::text(text)).await.is_err() {
                    break;
                }
            }
            sink.close().await.ok();
        });

        let stopped = stop.clone();
        let answered = Arc::clone(&pending);
        tokio::spawn(async move {
            while let Some(Some(Ok(message))) = stopped.run_until_cancelled(stream.next()).await {
                if let Message::Text(text) = message {
                    dispatch(&text, &answered, &events_in);
                }
            }
            // Drops every sender, so that every waiting call fails now.
            lock(&answered).take();
        });

        let shared = Shared {
            next_id: AtomicU64::new(1),
            pending,
            outgoing,
            _stop_tasks: stop.drop_guard(),
        };
        let channel = Self {
            shared: Arc::new(shared),
        };
        Ok((channel, events))
    }

    /// Calls a method of the browser, or of one attached page, and waits for its result.
    pub(crate) async fn call<M: Method + Serialize>(
        &self,
        session: Option<&str>,
        method: M,
        deadline: Duration,
    ) -> Result<M::ReturnObject, CallError> {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let text = serde_json::to_string(&Request {
            id,
            method: M::NAME,
            params: method,
            session_id: session,
        })
        .map_err(|error| CallError::Malformed(error.to_string()))?;
        if text.len() > LARGEST_MESSAGE {
            let size = text.len() >> 20;
            return Err(CallError::Malformed(format!(
                "a message of {size} MB is too large for the browser"
            )));
        }
        let (answer, answered) = oneshot::channel();
        match lock(&self.shared.pending).as_mut() {
            Some(pending) => pending.insert(id, answer),
            None => return Err(CallError::Ended),
        };
        let _forget = ForgetOnDrop {
            pending: &self.shared.pending,
            id,
        };
        self.shared
            .outgoing
            .send(text)
            .map_err(|_| CallError::Ended)?;
        let raw = tokio::time::timeout(deadline, answered)
            .await
            .map_err(|_| CallError::TimedOut(deadline))?
            .map_err(|_| CallError::Ended)??;
        serde_json::from_str(raw.get())
            .map_err(|error| CallError::Malformed(format!("{}: {error}", M::NAME)))
    }

    /// Whether the socket is still there.
    pub(crate) fn is_open(&self) -> bool {
        lock(&self.shared.pending).is_some()
    }
}

/// Takes a call out of the table when its caller is done with it, answered or not.
struct ForgetOnDrop<'a> {
    pending: &'a Pending,
    id: u64,
}

impl Drop for ForgetOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(pending) = lock(self.pending).as_mut() {
            pending.remove(&self.id);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a, M> {
    id: u64,
    method: &'static str,
    params: M,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

/// Whatever the browser says: an answer has an id, an event has a method.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Incoming<'a> {
    id: Option<u64>,
    method: Option<String>,
    session_id: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<RemoteError>,
}

#[derive(Deserialize)]
struct RemoteError {
    code: i64,
    message: String,
}

fn dispatch(text: &str, pending: &Pending, events: &mpsc::UnboundedSender<Event>) {
    let incoming: Incoming<'_> = match serde_json::from_str(text) {
        Ok(incoming) => incoming,
        Err(error) => {
            tracing::debug!(%error, "the browser said something that is not DevTools");
            return;
        }
    };
    if let Some(id) = incoming.id {
        // Not there: its caller has given up, and nobody wants a late answer.
        let waiting = lock(pending)
            .as_mut()
            .and_then(|pending| pending.remove(&id));
        if let Some(waiting) = waiting {
            let answer = match (incoming.error, incoming.result) {
                (Some(RemoteError { code, message }), _) => {
                    Err(CallError::Refused { code, message })
                }
                (None, Some(result)) => Ok(result.to_owned()),
                (None, None) => Err(CallError::Malformed("an answer without result".to_owned())),
            };
            waiting.send(answer).ok();
        }
    } else if let (Some(method), Some(params)) = (incoming.method, incoming.params) {
        let event = Event {
            method,
            session: incoming.session_id,
            params: params.to_owned(),
        };
        events.send(event).ok();
    }
}

async fn open_socket(url: &str) -> Result<WebSocketStream<TcpStream>, CallError> {
    let malformed = |reason: &str| CallError::Malformed(format!("{reason}: {url}"));
    let address = url
        .strip_prefix("ws://")
        .and_then(|rest| rest.split('/').next())
        .ok_or_else(|| malformed("no DevTools address"))?;
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| malformed(&error.to_string()))?;
    // Each message is one small write; Nagle's algorithm would hold it back.
    stream
        .set_nodelay(true)
        .map_err(|error| malformed(&error.to_string()))?;
    let config = WebSocketConfig::default()
        .max_message_size(None)
        .max_frame_size(None);
    let (socket, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(config))
        .await
        .map_err(|error| malformed(&error.to_string()))?;
    Ok(socket)
}

/// No code that holds these locks can panic half-way, so a poisoned one is still sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use headless_chrome::protocol::cdp::Browser::GetVersion;
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    /// A browser that does with its first socket what the test says.
    async fn browser<F, Fut>(script: F) -> String
    where
        F: FnOnce(WebSocketStream<TcpStream>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a caller");
            let socket = tokio_tungstenite::accept_async(stream)
                .await
                .expect("a handshake");
            script(socket).await;
        });
        format!("ws://{address}/devtools/browser/test")
    }

    async fn next_call(socket: &mut WebSocketStream<TcpStream>) -> Value {
        let message = socket.next().await.expect("a message").expect("readable");
        serde_json::from_str(message.to_text().expect("text")).expect("json")
    }

    fn version(id: &Value) -> Message {
        let result = json!({"protocolVersion": "1.3", "product": "Chrome/156", "revision": "r",
            "userAgent": "ua", "jsVersion": "v"});
        Message::text(json!({"id": id, "result": result}).to_string())
    }

    #[tokio::test]
    async fn a_late_answer_is_ignored_and_a_timeout_leaves_the_channel_healthy() {
        let url = browser(|mut socket| async move {
            let first = next_call(&mut socket).await;
            let second = next_call(&mut socket).await;
            // The first answer comes when nobody waits for it any more.
            socket.send(version(&first["id"])).await.expect("sent");
            socket.send(version(&second["id"])).await.expect("sent");
            socket.next().await;
        })
        .await;
        let (channel, _events) = Channel::connect(&url).await.expect("connected");
        let late = channel
            .call(None, GetVersion(None), Duration::from_millis(20))
            .await;
        assert!(matches!(late, Err(CallError::TimedOut(_))), "{late:?}");
        let answer = channel.call(None, GetVersion(None), LONG).await;
        assert_eq!(answer.expect("an answer").product, "Chrome/156");
        assert!(channel.is_open());
    }

    #[tokio::test]
    async fn every_waiting_call_fails_when_the_socket_ends() {
        let url = browser(|mut socket| async move {
            next_call(&mut socket).await;
            next_call(&mut socket).await;
        })
        .await;
        let (channel, mut events) = Channel::connect(&url).await.expect("connected");
        let (one, two) = tokio::join!(
            channel.call(None, GetVersion(None), LONG),
            channel.call(None, GetVersion(None), LONG),
        );
        assert!(matches!(one, Err(CallError::Ended)), "{one:?}");
        assert!(matches!(two, Err(CallError::Ended)), "{two:?}");
        assert!(events.recv().await.is_none());
        let after = channel.call(None, GetVersion(None), LONG).await;
        assert!(matches!(after, Err(CallError::Ended)), "{after:?}");
        assert!(!channel.is_open());
    }

    #[tokio::test]
    async fn refusals_and_events_come_through_and_rubbish_does_not() {
        let url = browser(|mut socket| async move {
            let call = next_call(&mut socket).await;
            assert_eq!(call["sessionId"], "S1");
            for text in [
                "not json".to_owned(),
                json!({"method": "Page.new", "params": {"odd": [1]}, "sessionId": "S1"})
                    .to_string(),
                json!({"id": 999, "result": {}}).to_string(),
                json!({"id": call["id"], "error": {"code": -32000, "message": "no"}}).to_string(),
            ] {
                socket.send(Message::text(text)).await.expect("sent");
            }
            socket.next().await;
        })
        .await;
        let (channel, mut events) = Channel::connect(&url).await.expect("connected");
        let refused = channel.call(Some("S1"), GetVersion(None), LONG).await;
        assert!(
            matches!(&refused, Err(CallError::Refused { code: -32000, message }) if message == "no"),
            "{refused:?}"
        );
        let event = events.recv().await.expect("an event");
        assert_eq!(event.method, "Page.new");
        assert_eq!(event.session.as_deref(), Some("S1"));
        assert_eq!(event.params.get(), r#"{"odd":[1]}"#);
    }

    #[tokio::test]
    async fn a_dropped_call_is_forgotten() {
        let url = browser(|mut socket| async move { while socket.next().await.is_some() {} }).await;
        let (channel, _events) = Channel::connect(&url).await.expect("connected");
        let call = channel.call(None, GetVersion(None), LONG);
        tokio::time::timeout(Duration::from_millis(20), call)
            .await
            .expect_err("no answer");
        assert_eq!(
            lock(&channel.shared.pending).as_ref().map(HashMap::len),
            Some(0)
        );
    }
}
