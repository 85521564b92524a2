//! The core in this process, behind the daemon's own routes and without a socket.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use tower::ServiceExt;
use zapnode_core::SessionManager;
use zapnode_core::driver::chrome::ChromeDriver;
use zapnode_http::settings::{Settings, Surroundings};
use zapnode_http::{App, AppOptions};

use crate::client::Outgoing;
use crate::error::{CliError, Kind};

/// How long the simulated WhatsApp, which is on this machine, may take to answer.
const SANDBOX_WITHIN: Duration = Duration::from_secs(2);

/// An API of our own, for as long as the command runs.
pub(crate) struct Embedded {
    manager: SessionManager,
    app: App,
    /// Where the simulated WhatsApp is, if that is what sessions open.
    sandbox_port: Option<u16>,
}

impl Embedded {
    /// Claims the data folder. No session is started.
    pub(crate) async fn open(
        settings: &Settings,
        surroundings: &Surroundings,
    ) -> Result<Self, zapnode_core::Error> {
        let mut chrome = settings.chrome_options(surroundings);
        if settings.sandbox {
            chrome.web_url = format!("http://127.0.0.1:{}/", settings.sandbox_port);
        }
        let driver = Arc::new(ChromeDriver::new(chrome));
        let manager = SessionManager::open(driver, settings.manager_options()).await?;
        let app = App::new(
            manager.clone(),
            AppOptions {
                send_wait: settings.send_wait,
                region: settings.region,
                ..AppOptions::new(settings.session_name.clone())
            },
        );
        Ok(Self {
            manager,
            app,
            sandbox_port: settings.sandbox.then_some(settings.sandbox_port),
        })
    }

    /// Says so when the simulated WhatsApp is wanted and not there: a session would only find an
    /// unreachable page, after a Chrome was started for it.
    pub(crate) async fn check_page(&self) -> Result<(), CliError> {
        let Some(port) = self.sandbox_port else {
            return Ok(());
        };
        let there = tokio::net::TcpStream::connect(("127.0.0.1", port));
        match tokio::time::timeout(SANDBOX_WITHIN, there).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(CliError::new(
                Kind::Server,
                "sandbox_not_running",
                format!("no simulated WhatsApp answers on port {port}"),
            )
            .hint(format!(
                "Start it in another terminal: zapnode sandbox --port {port}"
            ))),
        }
    }

    /// Asks it, as one would ask a daemon.
    pub(crate) async fn ask(
        &self,
        request: Request<Outgoing>,
    ) -> Result<(StatusCode, Bytes), CliError> {
        let answer = self.open_answer(request).await;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| CliError::other(error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    /// Asks it, and gives the answer before its body is there.
    pub(crate) async fn open_answer(&self, request: Request<Outgoing>) -> axum::response::Response {
        let asked = self
            .app
            .router()
            .oneshot(request.map(axum::body::Body::new));
        match asked.await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }

    /// Closes every Chrome so that logins are kept.
    pub(crate) async fn close(self) {
        self.app.begin_shutdown();
        self.manager.shutdown().await;
    }
}
