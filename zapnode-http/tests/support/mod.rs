//! An API on the scripted driver, called in process.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use zapnode_core::driver::scripted::ScriptedDriver;
use zapnode_core::{ManagerOptions, PhoneNumber, SessionId, SessionInfo, SessionManager};
use zapnode_http::{App, AppOptions};

pub const ANA: &str = "244929782402";
pub const BRUNO: &str = "5511912345678";

pub struct Api {
    pub driver: ScriptedDriver,
    pub app: App,
    router: Router,
    _folder: tempfile::TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| {
            panic!("{}: {:?}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// The JSON of an answer that must have this status.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self.json()
    }

    /// Status and code of an error, whose shape is checked.
    pub fn error(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["success"], false, "{json}");
        assert!(
            json["error"].as_str().is_some_and(|e| !e.is_empty()),
            "{json}"
        );
        assert_eq!(
            json["requestId"],
            self.headers["x-request-id"].to_str().unwrap()
        );
        (
            self.status.as_u16(),
            json["code"].as_str().unwrap().to_owned(),
        )
    }
}

impl Api {
    pub async fn new() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    pub async fn with(
        app: impl FnOnce(&mut AppOptions),
        manager: impl FnOnce(&mut ManagerOptions),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut manager_options = ManagerOptions::in_folder(folder.path());
        manager(&mut manager_options);
        let driver = ScriptedDriver::new();
        let opened = SessionManager::open(Arc::new(driver.clone()), manager_options).await;
        let mut options = AppOptions::new(id("zapnode-session"));
        app(&mut options);
        let app = App::new(opened.unwrap(), options);
        Self {
            router: app.router(),
            driver,
            app,
            _folder: folder,
        }
    }

    pub async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .to_vec(),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.raw(path, &body.to_string()).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.send(Method::PATCH, path, &json, &body.to_string())
            .await
    }

    pub async fn raw(&self, path: &str, body: &str) -> Answer {
        let json = [("content-type", "application/json")];
        self.send(Method::POST, path, &json, body).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.call(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    pub async fn until(
        &self,
        session: &str,
        so: impl Fn(&SessionInfo) -> bool + Send,
    ) -> SessionInfo {
        let session = self.app.manager().get(&id(session)).unwrap();
        session
            .wait_until(Duration::from_secs(10), so)
            .await
            .unwrap()
    }

    pub async fn until_qr(&self, session: &str) {
        use zapnode_core::SessionState::AwaitingLogin;
        self.until(session, |i| {
            matches!(&i.state, AwaitingLogin { prompt: Some(_) })
        })
        .await;
    }

    /// Creates a session and links it.
    pub async fn ready(&self, session: &str) {
        let body = serde_json::json!({"sessionId": session, "headless": true});
        self.post("/sessions", body).await.expect(201);
        self.until_qr(session).await;
        self.driver.scan(&id(session), &phone(ANA)).await;
        self.until(session, SessionInfo::is_ready).await;
    }
}

pub fn id(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

pub fn phone(text: &str) -> PhoneNumber {
    PhoneNumber::new(text).unwrap()
}
