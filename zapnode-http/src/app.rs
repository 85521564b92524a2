//! The API over a session manager, without any socket.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zapnode_core::bulk::BulkJob;
use zapnode_core::chatwoot::{BridgeConfig, Chatwoot, ChatwootOptions};
use zapnode_core::outbox::Pace;
use zapnode_core::session::{SessionHandle, SessionState};
use zapnode_core::store::StoreError;
use zapnode_core::{Region, SessionId, SessionManager};

use crate::auth::{Hosts, Secret};
use crate::error::ApiError;
use crate::extract::invalid_session_id;
use crate::routes;

/// The name under which the default session can always be reached.
pub(crate) const DEFAULT_ALIAS: &str = "default";

/// How the API behaves.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// The session that `default` means, and that webhooks without a session go to.
    pub default_session: SessionId,
    /// What callers must send. `None`: everybody who can reach the API may use it.
    pub api_key: Option<Secret>,
    /// Accepted like the key: what this process published for others of the same user.
    pub owner_token: Option<Secret>,
    /// How long the answer to a send waits for WhatsApp's server.
    pub send_wait: Duration,
    /// Whether `/webhook` works.
    pub webhook_enabled: bool,
    /// What Chatwoot signs its calls of `/webhook/{secret}` with. `None`: its path's secret is the
    /// check.
    pub webhook_signing_secret: Option<Secret>,
    /// The host names that requests may carry.
    pub hosts: Hosts,
    /// How many readers of events may be connected at one time.
    pub max_streams: usize,
    /// Whether a Chatwoot in a private network may be spoken to.
    pub allow_private: bool,
    /// The default session's bridge to Chatwoot, as whoever started this program set it up.
    pub chatwoot: Option<BridgeConfig>,
    /// Where national numbers are completed to. `None`: numbers are international as they are.
    pub region: Option<Region>,
}

impl AppOptions {
    /// Open to whoever reaches it, with the documented defaults.
    pub fn new(default_session: SessionId) -> Self {
        Self {
            default_session,
            api_key: None,
            owner_token: None,
            send_wait: Duration::from_secs(10),
            webhook_enabled: true,
            webhook_signing_secret: None,
            hosts: Hosts::Any,
            max_streams: 256,
            allow_private: false,
            chatwoot: None,
            region: None,
        }
    }
}

/// The API. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    manager: SessionManager,
    options: AppOptions,
    started: Instant,
    stopping: CancellationToken,
    tasks: TaskTracker,
    stream_places: Arc<Semaphore>,
    chatwoot: OnceCell<Chatwoot>,
}

impl App {
    /// The API over this manager.
    pub fn new(manager: SessionManager, options: AppOptions) -> Self {
        Self(Arc::new(Inner {
            manager,
            stream_places: Arc::new(Semaphore::new(options.max_streams)),
            options,
            started: Instant::now(),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            chatwoot: OnceCell::new(),
        }))
    }

    /// All routes, ready to be served or to be called with `tower::ServiceExt::oneshot`.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// The manager under it.
    pub fn manager(&self) -> &SessionManager {
        &self.0.manager
    }

    /// How it behaves.
    pub fn options(&self) -> &AppOptions {
        &self.0.options
    }

    /// The bridges to Chatwoot, started when they are first asked for.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn chatwoot(&self) -> Result<&Chatwoot, StoreError> {
        let open = async || {
            let asked = &self.0.options.chatwoot;
            let options = ChatwootOptions {
                allow_private: self.0.options.allow_private,
                trusted_url: asked.as_ref().map(|config| config.url.clone()),
                draw_qr: Some(|text| crate::qr::png(text).ok()),
            };
            let chatwoot = Chatwoot::open(self.0.manager.clone(), options).await?;
            if let Some(config) = asked {
                let session = self.0.options.default_session.clone();
                // It was checked with the settings; the others work without it.
                if let Err(error) = chatwoot.configure(session, config.clone()).await {
                    let error = zapnode_core::with_causes(&error);
                    tracing::error!(error, "the bridge of CHATWOOT_URL could not be set up");
                }
            }
            Ok(chatwoot)
        };
        self.0.chatwoot.get_or_try_init(open).await
    }

    /// Ends what works beside the sessions. Before [`SessionManager::shutdown`].
    pub async fn close(&self) {
        if let Some(chatwoot) = self.0.chatwoot.get() {
            chatwoot.shutdown().await;
        }
    }

    /// The path of the contract's webhook that needs no key, since the secret in it follows from
    /// the key: Chatwoot cannot send a header. Absent where no key is set.
    pub(crate) fn webhook_path(&self) -> Option<String> {
        let key = self.0.options.api_key.as_ref()?;
        Some(format!("/webhook/{}", key.derived("webhook")))
    }

    /// How long it has been there.
    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// At which pace a bulk job is sent, for estimates.
    pub(crate) fn pace_of(&self, job: &BulkJob) -> Pace {
        let session = self.0.manager.get(&job.session).ok();
        let own = session.and_then(|session| session.info().options.pace);
        let pace = own.unwrap_or(self.0.manager.options().pace);
        if job.paced {
            pace.at_least(Pace::GENTLE)
        } else {
            pace
        }
    }

    /// Says that no more requests will come: those that only wait for news are answered now, and
    /// `/readyz` says no.
    pub fn begin_shutdown(&self) {
        self.0.stopping.cancel();
    }

    /// Resolves once [`App::begin_shutdown`] was called.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// One for each reader of events.
    pub(crate) fn stream_places(&self) -> &Arc<Semaphore> {
        &self.0.stream_places
    }

    /// The requests under way.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Reads a session's name as callers give it; `default` is the default session.
    pub(crate) fn session_id(&self, text: &str) -> Result<SessionId, ApiError> {
        if text == DEFAULT_ALIAS {
            return Ok(self.0.options.default_session.clone());
        }
        SessionId::new(text).map_err(|_| invalid_session_id())
    }

    /// Finds a session.
    pub(crate) fn session(&self, id: &SessionId) -> Result<SessionHandle, ApiError> {
        Ok(self.0.manager.get(id)?)
    }

    /// Finds a session to send with. The default session always exists in that sense: where it
    /// was not started, it is only not ready.
    pub(crate) fn sender(&self, id: &SessionId) -> Result<SessionHandle, ApiError> {
        self.session(id).map_err(|error| {
            if *id == self.0.options.default_session {
                ApiError::not_ready(id.clone(), &SessionState::Stopped, None)
            } else {
                error
            }
        })
    }
}
