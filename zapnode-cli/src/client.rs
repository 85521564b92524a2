//! The API, wherever it is: at `--server`, in the daemon that owns the data folder, or in this
//! process. Commands are written once against it.

use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Method, Request, StatusCode, header};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;
use zapnode_core::owner::{DataFolder, Owner};
use zapnode_http::settings::{Settings, Surroundings};

use crate::embedded::Embedded;
use crate::error::{CliError, Kind};
use crate::progress::Progress;

/// Longer than any answer of ours takes: a send waits 10 s, a pairing code a little more.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A file is read and uploaded in pieces of this size. Bytes.
const UPLOAD_PIECE: usize = 64 * 1024;

/// The slowest line that a file is uploaded on. Bytes in a second.
const SLOWEST_UPLOAD: u64 = 64 * 1024;

/// How long one look at a session waits for news.
const LOOK_MS: u128 = 20_000;

/// The API.
pub(crate) struct Api {
    transport: Transport,
}

enum Transport {
    Remote(Box<Remote>),
    Embedded(Box<Embedded>),
}

struct Remote {
    base: String,
    key: Option<String>,
    http: Client<HttpsConnector<HttpConnector>, Outgoing>,
}

/// The body of a request.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, std::io::Error>;

impl Api {
    /// Finds it: `server` if given, else who owns the data folder, else this process itself.
    pub(crate) async fn connect(
        server: Option<&str>,
        settings: &Settings,
        surroundings: &Surroundings,
        progress: &Progress,
        patience: Duration,
    ) -> Result<Self, CliError> {
        if let Some(server) = server {
            return Self::remote(server, settings.api_key.clone());
        }
        let end = Instant::now() + patience;
        // A lock tells nobody when it is free: it is looked at until then.
        let mut look = tokio::time::interval(Duration::from_millis(200));
        loop {
            look.tick().await;
            let busy = match DataFolder::owner_of(&settings.data_dir) {
                Some(Owner {
                    url: Some(url),
                    token,
                    ..
                }) => return Self::remote(&url, token),
                Some(owner) => zapnode_core::Error::Owned {
                    owner: Box::new(owner),
                },
                None => match Embedded::open(settings, surroundings).await {
                    Ok(embedded) => {
                        let transport = Transport::Embedded(Box::new(embedded));
                        return Ok(Self { transport });
                    }
                    // Somebody was quicker.
                    Err(owned @ zapnode_core::Error::Owned { .. }) => owned,
                    Err(other) => return Err(other.into()),
                },
            };
            if Instant::now() >= end {
                return Err(busy.into());
            }
            progress.say(format!("{busy}; waiting for it to end"));
        }
    }

    fn remote(base: &str, key: Option<String>) -> Result<Self, CliError> {
        let base = base.trim_end_matches('/');
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(CliError::usage(format!(
                "--server wants an address such as http://127.0.0.1:3000, not {base}"
            )));
        }
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            transport: Transport::Remote(Box::new(Remote {
                base: base.to_owned(),
                key,
                http: Client::builder(TokioExecutor::new()).build(connector),
            })),
        })
    }

    /// Whether sessions run in this process, and only those that are started.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.transport, Transport::Embedded(_))
    }

    /// Says so when sessions that run in this process would find no page to open.
    pub(crate) async fn check_page(&self) -> Result<(), CliError> {
        match &self.transport {
            Transport::Embedded(embedded) => embedded.check_page().await,
            Transport::Remote(_) => Ok(()),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.ask(Method::GET, path, None, &[]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, CliError> {
        self.ask(Method::DELETE, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, CliError> {
        self.ask(Method::POST, path, Some(body), &[]).await
    }

    /// Asks, and gives the body of a yes; a no is an error.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<Value, CliError> {
        let (kind, bytes) = match body {
            Some(body) => ("application/json", Bytes::from(body.to_string())),
            None => ("", Bytes::new()),
        };
        self.exchange(method, path, (kind, bytes), headers).await
    }

    /// Puts a file there as it is.
    pub(crate) async fn put_file(&self, path: &str, file: Vec<u8>) -> Result<Value, CliError> {
        let body = ("application/octet-stream", Bytes::from(file));
        self.exchange(Method::PUT, path, body, &[]).await
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        (kind, bytes): (&str, Bytes),
        headers: &[(&str, &str)],
    ) -> Result<Value, CliError> {
        let mut request = Request::builder().method(method);
        request = match &self.transport {
            Transport::Remote(remote) => request.uri(format!("{}{path}", remote.base)),
            Transport::Embedded(_) => request.uri(path).header(header::HOST, "localhost"),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        self.answer(request, whole(bytes), ANSWER_WITHIN).await
    }

    /// Uploads a file, and gives the body of a yes. It is read as it goes.
    pub(crate) async fn upload(&self, path: &str, file: &Path) -> Result<Value, CliError> {
        let failed = |error: std::io::Error| {
            CliError::usage(format!("{} cannot be read: {error}", file.display()))
        };
        let opened = tokio::fs::File::open(file).await.map_err(failed)?;
        let facts = opened.metadata().await.map_err(failed)?;
        if !facts.is_file() {
            return Err(CliError::usage(format!("{} is no file", file.display())));
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let name = utf8_percent_encode(&name, NON_ALPHANUMERIC);
        let base = match &self.transport {
            Transport::Remote(remote) => remote.base.as_str(),
            Transport::Embedded(_) => "",
        };
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{base}{path}?filename={name}"))
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, facts.len());
        let request = match &self.transport {
            Transport::Remote(_) => request,
            Transport::Embedded(_) => request.header(header::HOST, "localhost"),
        };
        let pieces = ReaderStream::with_capacity(opened, UPLOAD_PIECE);
        let body = UnsyncBoxBody::new(StreamBody::new(pieces.map_ok(Frame::data)));
        // At the pace of a slow line.
        let within = ANSWER_WITHIN + Duration::from_secs(facts.len() / SLOWEST_UPLOAD);
        self.answer(request, body, within).await
    }

    async fn answer(
        &self,
        mut request: hyper::http::request::Builder,
        body: Outgoing,
        within: Duration,
    ) -> Result<Value, CliError> {
        let (status, body) = match &self.transport {
            Transport::Remote(remote) => {
                if let Some(key) = &remote.key {
                    request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
                }
                remote.ask(finish(request, body)?, within).await?
            }
            Transport::Embedded(embedded) => embedded.ask(finish(request, body)?).await?,
        };
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        if status.is_success() && value.is_object() {
            return Ok(value);
        }
        Err(CliError::of_answer(status.as_u16(), &value))
    }

    /// Asks for a file and gives it to `take` piece by piece; says how many bytes came.
    pub(crate) async fn download(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        within: Duration,
        mut take: impl FnMut(&[u8]) -> Result<(), CliError>,
    ) -> Result<u64, CliError> {
        let (base, key) = match &self.transport {
            Transport::Remote(remote) => (remote.base.as_str(), remote.key.as_deref()),
            Transport::Embedded(_) => ("", None),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{base}{path}"));
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        if base.is_empty() {
            request = request.header(header::HOST, "localhost");
        }
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = finish(request, whole(body))?;
        let exchange = async {
            let mut answer = match &self.transport {
                Transport::Remote(remote) => remote.open(request).await?,
                Transport::Embedded(embedded) => {
                    let answer = embedded.open_answer(request).await;
                    answer.map(|body| {
                        UnsyncBoxBody::new(body.map_err(|error| CliError::other(error.to_string())))
                    })
                }
            };
            let status = answer.status();
            if !status.is_success() {
                let body = answer.into_body().collect().await?.to_bytes();
                let value: Value = serde_json::from_slice(&body).unwrap_or_default();
                return Err(CliError::of_answer(status.as_u16(), &value));
            }
            let expected = answer.headers().get(header::CONTENT_LENGTH);
            let expected = expected.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
            let mut size = 0;
            while let Some(frame) = answer.frame().await {
                if let Ok(piece) = frame?.into_data() {
                    take(&piece)?;
                    size += piece.len() as u64;
                }
            }
            if expected.is_some_and(|expected| expected != size) {
                return Err(CliError::other("the answer was cut off"));
            }
            Ok(size)
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(done) => done,
            Err(_) => {
                let text = format!("not done within {} s", within.as_secs());
                Err(CliError::new(Kind::Timeout, "timeout", text)
                    .hint("Wait longer with --timeout."))
            }
        }
    }

    /// Follows a session until `enough` holds; gives it as it is then. Each look is told to `seen`.
    pub(crate) async fn follow(
        &self,
        id: &str,
        within: Duration,
        mut seen: impl AsyncFnMut(&Value) -> Result<(), CliError>,
        enough: impl Fn(&Value) -> bool,
    ) -> Result<Value, CliError> {
        let end = Instant::now() + within;
        let mut path = format!("/sessions/{id}");
        loop {
            let mut answer = self.get(&path).await?;
            let session = answer["session"].take();
            seen(&session).await?;
            if enough(&session) {
                return Ok(session);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let status = session["status"].as_str().unwrap_or_default();
                let text = format!(
                    "session {id} was still {status} after {} s",
                    within.as_secs()
                );
                return Err(CliError::new(Kind::Timeout, "timeout", text)
                    .hint("Wait longer with --timeout, or see: zapnode doctor"));
            }
            let generation = session["generation"].as_u64().unwrap_or_default();
            let wait = left.as_millis().clamp(1, LOOK_MS);
            path = format!("/sessions/{id}?newerThan={generation}&timeoutMs={wait}");
        }
    }

    /// Brings a session up if it runs here, and waits until it is ready.
    pub(crate) async fn ready(
        &self,
        id: &str,
        within: Duration,
        progress: &Progress,
    ) -> Result<Value, CliError> {
        // Unknown sessions are told as such, not made.
        let known = self.get(&format!("/sessions/{id}")).await?;
        // A daemon keeps its sessions running; one that it put to sleep is woken.
        let asleep = known["session"]["status"] == "hibernating";
        if asleep || (self.is_embedded() && known["session"]["isReady"] != true) {
            self.check_page().await?;
            self.post(&format!("/sessions/{id}/start"), json!({}))
                .await?;
        }
        let rests = |session: &Value| {
            let status = session["status"].as_str().unwrap_or_default();
            matches!(
                status,
                "awaiting_login" | "stopped" | "logged_out" | "failed"
            )
        };
        let session = self
            .follow(
                id,
                within,
                async |session| {
                    progress.phase(session);
                    Ok(())
                },
                |session| session["isReady"] == true || rests(session),
            )
            .await?;
        if session["isReady"] == true {
            Ok(session)
        } else {
            Err(CliError::not_ready(&session))
        }
    }

    /// Ends what was opened for this command.
    pub(crate) async fn close(self) {
        if let Transport::Embedded(embedded) = self.transport {
            embedded.close().await;
        }
    }
}

/// An answer whose body is still to come.
pub(crate) type Opened = hyper::Response<UnsyncBoxBody<Bytes, CliError>>;

impl Remote {
    /// Asks, and gives the answer before its body is there.
    async fn open(&self, request: Request<Outgoing>) -> Result<Opened, CliError> {
        let unreachable = |base: &str, why: String| {
            let text = format!("{base} could not be reached: {why}");
            CliError::new(Kind::Server, "server_unreachable", text)
                .hint("Check that zapnode-http runs there, and the address.")
        };
        let answer = self
            .http
            .request(request)
            .await
            .map_err(|error| unreachable(&self.base, zapnode_core::with_causes(&error)))?;
        let base = self.base.clone();
        Ok(answer.map(|body| {
            let body = body.map_err(move |error| unreachable(&base, error.to_string()));
            UnsyncBoxBody::new(body)
        }))
    }

    async fn ask(
        &self,
        request: Request<Outgoing>,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), CliError> {
        let unreachable = |why: String| {
            let text = format!("{} could not be reached: {why}", self.base);
            CliError::new(Kind::Server, "server_unreachable", text)
                .hint("Check that zapnode-http runs there, and the address.")
        };
        let exchange = async {
            let answer = self.http.request(request).await;
            let answer = answer.map_err(|error| unreachable(zapnode_core::with_causes(&error)))?;
            let status = answer.status();
            let body = answer.into_body().collect().await;
            let body = body.map_err(|error| unreachable(error.to_string()))?;
            Ok((status, body.to_bytes()))
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(unreachable(format!(
                "no answer within {} s",
                within.as_secs()
            ))),
        }
    }
}

/// A body that is here as a whole.
fn whole(bytes: Bytes) -> Outgoing {
    UnsyncBoxBody::new(Full::new(bytes).map_err(|never| match never {}))
}

fn finish(
    request: hyper::http::request::Builder,
    body: Outgoing,
) -> Result<Request<Outgoing>, CliError> {
    request
        .body(body)
        .map_err(|error| CliError::usage(format!("this cannot be asked: {error}")))
}
