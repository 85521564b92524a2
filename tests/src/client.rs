//! A client that did not read our code: plain HTTP/1.1 and JSON.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Speaks to one server.
#[derive(Clone, Debug)]
pub struct Client {
    base: String,
    http: HyperClient<HttpConnector, Full<Bytes>>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body's `code`.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Checks the status, and shows the body if it is another.
    pub fn expect(self, status: u16) -> Result<Value> {
        if self.status.as_u16() != status {
            let body = String::from_utf8_lossy(&self.body);
            bail!("expected {status}, got {}: {body}", self.status);
        }
        Ok(self.json())
    }
}

impl Client {
    /// For the server at `base`, as `http://127.0.0.1:3000`.
    pub fn new(base: impl Into<String>) -> Self {
        Self {
            base: base.into().trim_end_matches('/').to_owned(),
            http: HyperClient::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// The server's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.request(Method::GET, path, None, &[]).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.request(Method::DELETE, path, None, &[]).await
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        let body = Bytes::from(body.to_string());
        self.request(Method::POST, path, Some(body), &[]).await
    }

    /// Any request.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.unwrap_or_default()))?;
        let answer = tokio::time::timeout(crate::PATIENCE, self.http.request(request))
            .await
            .with_context(|| format!("{path} was not answered in time"))??;
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    /// A session as it is now.
    ///
    /// # Errors
    /// When there is none, or no answer.
    pub async fn session(&self, id: &str) -> Result<Value> {
        let body = self.get(&format!("/sessions/{id}")).await?.expect(200)?;
        Ok(body["session"].clone())
    }

    /// Follows a session by long-polling until `so` holds; gives the session as it is then.
    pub async fn session_until(
        &self,
        id: &str,
        within: Duration,
        so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let end = Instant::now() + within;
        let mut seen = None;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let path = match seen {
                None => format!("/sessions/{id}"),
                Some(generation) => format!(
                    "/sessions/{id}?newerThan={generation}&timeoutMs={}",
                    left.as_millis().clamp(1, 30_000)
                ),
            };
            let body = self.get(&path).await?.expect(200)?;
            let session = &body["session"];
            if so(session) {
                return Ok(session.clone());
            }
            if left.is_zero() {
                bail!("{id} did not get there within {within:?}: {session}");
            }
            seen = session["generation"].as_u64();
        }
    }

    /// Follows a session until it is ready.
    pub async fn until_ready(&self, id: &str) -> Result<Value> {
        self.session_until(id, crate::PATIENCE, |s| s["isReady"] == true)
            .await
    }

    /// Follows a session until it shows a QR; gives the QR's text.
    pub async fn until_qr(&self, id: &str) -> Result<String> {
        let shown = async {
            loop {
                let session = self
                    .session_until(id, crate::PATIENCE, |s| s["status"] == "awaiting_login")
                    .await?;
                let answer = self.get(&format!("/sessions/{id}/qr?format=json")).await?;
                if answer.status == StatusCode::OK {
                    let qr = answer.json()["qr"].clone();
                    return Ok(qr.as_str().unwrap_or_default().to_owned());
                }
                let generation = session["generation"].as_u64().unwrap_or_default();
                let path = format!("/sessions/{id}?newerThan={generation}&timeoutMs=10000");
                self.get(&path).await?;
            }
        };
        tokio::time::timeout(crate::PATIENCE, shown)
            .await
            .with_context(|| format!("{id} showed no QR in time"))?
    }
}
