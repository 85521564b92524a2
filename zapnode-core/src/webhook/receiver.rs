//! A receiver of webhooks for tests: strict about what comes, and as bad as it is told to be.
//!
//! Everything that is not as it was promised (a signature, an id that is not the body's, a request
//! that came twice after a 2xx) is kept as a fault; [`Receiver::assert_clean`] fails on any.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What came in.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The header `webhook-id`.
    pub id: String,
    /// The body.
    pub event: Value,
    /// The body as it came.
    pub raw: Bytes,
    /// The header `x-webhook-attempt`.
    pub attempt: u64,
    /// All headers.
    pub headers: HeaderMap,
    /// The path it came to.
    pub path: String,
    /// What it was answered; `None`: nothing.
    pub status: Option<u16>,
}

impl Delivered {
    /// The event's name.
    pub fn name(&self) -> &str {
        self.event["event"].as_str().unwrap_or_default()
    }

    /// The event's place in the log.
    pub fn sequence(&self) -> i64 {
        self.event["sequence"].as_i64().unwrap_or_default()
    }

    /// Whether it was answered with a yes.
    pub fn is_taken(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answer this status.
    Status(u16),
    /// Answer this status with this text.
    Text(u16, String),
    /// Never answer.
    Hang,
    /// Close the connection without an answer.
    Close,
    /// Answer this status and a body that breaks off.
    BreakOff(u16),
    /// Answer this status and so many bytes.
    Huge(u16, u64),
    /// Answer this status and a body that never ends nor goes on.
    Stall(u16),
    /// Send it elsewhere with this status.
    Redirect(u16, String),
}

impl Reply {
    fn status(&self) -> Option<u16> {
        match self {
            Self::Status(status)
            | Self::Text(status, _)
            | Self::BreakOff(status)
            | Self::Huge(status, _)
            | Self::Stall(status)
            | Self::Redirect(status, _) => Some(*status),
            Self::Hang | Self::Close => None,
        }
    }
}

type Behaviour = Arc<dyn Fn(&Delivered) -> Reply + Send + Sync>;

struct State {
    secrets: Vec<String>,
    behaviour: Behaviour,
    got: Vec<Delivered>,
    requests: BTreeSet<String>,
    faults: Vec<String>,
}

/// The receiver. It listens until it is dropped.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    count: Arc<watch::Sender<usize>>,
    sent: Arc<AtomicU64>,
    _stop: Arc<DropGuard>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Receiver {
    /// Listens on a free port of this machine and answers 200.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Listens on this address, as one that comes back does.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let stop = CancellationToken::new();
        let (count, _) = watch::channel(0);
        let receiver = Self {
            address: listener.local_addr()?,
            state: Arc::new(Mutex::new(State {
                secrets: vec![],
                behaviour: Arc::new(|_| Reply::Status(200)),
                got: vec![],
                requests: BTreeSet::new(),
                faults: vec![],
            })),
            count: Arc::new(count),
            sent: Arc::default(),
            _stop: Arc::new(stop.clone().drop_guard()),
        };
        let desk = Desk {
            state: Arc::clone(&receiver.state),
            count: Arc::clone(&receiver.count),
            sent: Arc::clone(&receiver.sent),
        };
        tokio::spawn(accept(listener, desk, stop));
        Ok(receiver)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Verifies with this secret from now on, or with any of those it was told.
    pub fn trust(&self, secret: &str) {
        self.state().secrets.push(secret.to_owned());
    }

    /// Forgets the secrets it was told.
    pub fn distrust(&self) {
        self.state().secrets.clear();
    }

    /// Behaves so from now on.
    pub fn behave(&self, behaviour: impl Fn(&Delivered) -> Reply + Send + Sync + 'static) {
        self.state().behaviour = Arc::new(behaviour);
    }

    /// Everything that came, in order.
    pub fn got(&self) -> Vec<Delivered> {
        self.state().got.clone()
    }

    /// What was answered with 2xx, in order.
    pub fn taken(&self) -> Vec<Delivered> {
        let mut got = self.got();
        got.retain(Delivered::is_taken);
        got
    }

    /// How many bytes of endless bodies went out.
    pub fn bytes_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Waits until `enough` holds of everything that came.
    ///
    /// # Panics
    /// When it does not within 30 s.
    pub async fn until(&self, enough: impl Fn(&[Delivered]) -> bool) -> Vec<Delivered> {
        let mut count = self.count.subscribe();
        let waiting = async {
            loop {
                count.borrow_and_update();
                let got = self.got();
                if enough(&got) || count.changed().await.is_err() {
                    return got;
                }
            }
        };
        match tokio::time::timeout(Duration::from_secs(30), waiting).await {
            Ok(got) => got,
            Err(_) => {
                let got = self.got();
                let seen: Vec<_> = got
                    .iter()
                    .map(|d| (d.name(), d.sequence(), d.status))
                    .collect();
                panic!("the receiver waited in vain; it has {seen:?}")
            }
        }
    }

    /// Waits until so many requests were answered with 2xx.
    ///
    /// # Panics
    /// As [`until`](Self::until).
    pub async fn until_taken(&self, number: usize) -> Vec<Delivered> {
        let taken = |got: &[Delivered]| got.iter().filter(|d| d.is_taken()).count();
        self.until(|got| taken(got) >= number).await
    }

    /// Fails if anything that came was not as promised.
    ///
    /// # Panics
    /// Then.
    pub fn assert_clean(&self) {
        let faults = &self.state().faults;
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// Fails if an event was sent again after a 2xx.
    ///
    /// # Panics
    /// Then.
    pub fn assert_taken_once(&self) {
        let mut taken = BTreeMap::<String, usize>::new();
        for delivered in self.taken() {
            *taken.entry(delivered.id).or_default() += 1;
        }
        taken.retain(|_, times| *times > 1);
        assert!(taken.is_empty(), "taken more than once: {taken:?}");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn accept(listener: TcpListener, desk: Desk, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (desk, stop) = (desk.clone(), stop.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| desk.clone().serve(request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                // Also where it was told to break off.
                _ = connection => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

#[derive(Clone)]
struct Desk {
    state: Arc<Mutex<State>>,
    count: Arc<watch::Sender<usize>>,
    sent: Arc<AtomicU64>,
}

type Body = BoxBody<Bytes, io::Error>;

impl Desk {
    async fn serve(self, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let reply = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let mut faults = faults(&state.secrets, &head, &body);
            let header = |name: &str| {
                let value = head.headers.get(name).and_then(|v| v.to_str().ok());
                value.unwrap_or_default().to_owned()
            };
            let mut delivered = Delivered {
                id: header("webhook-id"),
                event: serde_json::from_slice(&body).unwrap_or_default(),
                raw: body.clone(),
                attempt: header("x-webhook-attempt").parse().unwrap_or_default(),
                path: head.uri.path().to_owned(),
                headers: head.headers.clone(),
                status: None,
            };
            if !state.requests.insert(header("x-webhook-request-id")) {
                faults.push("x-webhook-request-id came twice".to_owned());
            }
            if delivered.event["id"] != delivered.id.as_str() {
                faults.push("webhook-id is not the id in the body".to_owned());
            }
            let reply = (state.behaviour)(&delivered);
            delivered.status = reply.status();
            state.got.push(delivered);
            state.faults.extend(faults);
            reply
        };
        self.count.send_modify(|count| *count += 1);
        self.answer(reply).await
    }

    async fn answer(self, reply: Reply) -> Result<Response<Body>, io::Error> {
        let status = reply.status().unwrap_or(200);
        let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
        let mut location = None;
        let body: Body = match reply {
            Reply::Status(_) => whole(String::new()),
            Reply::Text(_, text) => whole(text),
            Reply::Hang => std::future::pending().await,
            Reply::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
            Reply::BreakOff(_) => {
                let begun = stream::iter([Ok(Frame::data(Bytes::from_static(b"begun")))]);
                let broken = stream::once(async {
                    // The head leaves before the connection breaks.
                    tokio::task::yield_now().await;
                    Err(io::ErrorKind::ConnectionAborted.into())
                });
                BodyExt::boxed(StreamBody::new(begun.chain(Box::pin(broken))))
            }
            Reply::Huge(_, bytes) => {
                let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
                let chunks = usize::try_from(bytes / 65_536).unwrap_or(usize::MAX);
                let sent = self.sent;
                let chunks = stream::repeat(chunk).take(chunks).map(move |chunk| {
                    sent.fetch_add(65_536, Ordering::Relaxed);
                    Ok(Frame::data(chunk))
                });
                BodyExt::boxed(StreamBody::new(chunks))
            }
            Reply::Stall(_) => {
                let begun = stream::iter([Ok(Frame::data(Bytes::from_static(b"begun")))]);
                BodyExt::boxed(StreamBody::new(begun.chain(stream::pending())))
            }
            Reply::Redirect(_, to) => {
                location = Some(to);
                whole(String::new())
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if let Some(to) = location {
            let to = to.parse().map_err(io::Error::other)?;
            response.headers_mut().insert(LOCATION, to);
        }
        Ok(response)
    }
}

fn whole(text: String) -> Body {
    Full::new(Bytes::from(text))
        .map_err(|never| match never {})
        .boxed()
}

/// What is wrong with a request by the promises of this module's parent.
fn faults(secrets: &[String], head: &hyper::http::request::Parts, body: &[u8]) -> Vec<String> {
    let mut faults = vec![];
    if head.method != Method::POST {
        faults.push(format!("method {}", head.method));
    }
    let header = |name: &str| head.headers.get(name).and_then(|v| v.to_str().ok());
    if header(CONTENT_TYPE.as_str()) != Some("application/json") {
        faults.push("content-type is not application/json".to_owned());
    }
    for name in [
        "x-webhook-request-id",
        "x-webhook-timestamp",
        "x-webhook-attempt",
        "user-agent",
    ] {
        if header(name).is_none() {
            faults.push(format!("{name} is missing"));
        }
    }
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let sent: i64 = header("webhook-timestamp")
        .and_then(|t| t.parse().ok())
        .unwrap_or(0);
    if (now - sent).abs() > 60 {
        faults.push(format!("webhook-timestamp is {} s off", now - sent));
    }
    if secrets.is_empty() {
        return faults;
    }
    let verified = secrets.iter().any(|secret| {
        let key = secret.strip_prefix("whsec_").map_or_else(
            || standardwebhooks::Webhook::from_bytes(secret.as_bytes().to_vec()),
            standardwebhooks::Webhook::new,
        );
        key.is_ok_and(|key| key.verify(body, &head.headers).is_ok())
    });
    if !verified {
        faults.push("webhook-signature does not verify".to_owned());
    }
    let verified = secrets.iter().any(|secret| {
        use ring::hmac;
        let key = hmac::Key::new(hmac::HMAC_SHA512, secret.as_bytes());
        let tag = header("x-webhook-hmac").and_then(from_hex);
        tag.is_some_and(|tag| hmac::verify(&key, body, &tag).is_ok())
    });
    if !verified || header("x-webhook-hmac-algorithm") != Some("sha512") {
        faults.push("x-webhook-hmac does not verify".to_owned());
    }
    faults
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
