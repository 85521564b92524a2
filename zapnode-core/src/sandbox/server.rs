//! Starting and stopping: the listeners on loopback, in the clear and with TLS.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::faults::Faults;
use super::hub::Hub;
use super::media::LARGEST_FILE;
use super::phone::{Phone, PhoneError};
use super::state_file::{Ports, StateFile};
use super::world::{Kept, World};
use super::{control, media_acts, page, socket};
use crate::id::PhoneNumber;

/// How a sandbox shall be.
#[derive(Clone, Debug, Default)]
pub struct SandboxOptions {
    /// The port for http; 0 takes any free one.
    pub http_port: u16,
    /// The port for https; `Some(0)` takes any free one, `None` has no https.
    pub https_port: Option<u16>,
    /// Where accounts, linked devices, messages and ports are kept over a restart. With a file from
    /// an earlier run its ports are used again, whatever is said here, because a page's login
    /// belongs to its address.
    pub state_file: Option<PathBuf>,
    /// The switches to begin with, timings among them.
    pub faults: Faults,
}

/// Why a sandbox did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A port could not be had.
    #[error("the sandbox cannot listen on 127.0.0.1:{port}: {source}")]
    Port {
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// A port that an earlier run chose could not be had.
    #[error(
        "the sandbox cannot listen on 127.0.0.1:{port}, the port of its state file {}: {source}; \
         pages keep their login under that port, so end the program that has it, or remove the \
         file to begin anew",
        .file.display()
    )]
    FormerPort {
        /// The port.
        port: u16,
        /// The state file that names it.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The state file could not be read or written.
    #[error("the sandbox's state file {} cannot be used: {source}", .file.display())]
    StateFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// No certificate could be made.
    #[error("the sandbox's certificate could not be made: {0}")]
    Certificate(String),
}

/// A running sandbox. It ends with [`shutdown`](Self::shutdown), or when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    hub: Arc<Hub>,
    ports: Ports,
    tasks: JoinSet<()>,
}

impl Sandbox {
    /// Starts the servers, on loopback only.
    ///
    /// # Errors
    /// When a port cannot be had, or the state file cannot be used.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let file = options.state_file.as_deref().map(StateFile::new);
        let unusable = |source| SandboxError::StateFile {
            file: options.state_file.clone().unwrap_or_default(),
            source,
        };
        let (kept, former) = match &file {
            Some(file) => match file.read().map_err(unusable)? {
                Some((kept, ports)) => (kept, Some(ports)),
                None => (Kept::default(), None),
            },
            None => (Kept::default(), None),
        };
        let bind = async |wanted: u16, former: Option<u16>| {
            let port = former.unwrap_or(wanted);
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))
                .await
                .map_err(|source| match (former, &options.state_file) {
                    (Some(port), Some(file)) => SandboxError::FormerPort {
                        port,
                        file: file.clone(),
                        source,
                    },
                    _ => SandboxError::Port { port, source },
                })
        };
        let number = |listener: &TcpListener| {
            listener
                .local_addr()
                .map(|address| address.port())
                .map_err(|source| SandboxError::Port { port: 0, source })
        };
        let http = bind(options.http_port, former.map(|ports| ports.http)).await?;
        let https = match options.https_port {
            Some(wanted) => Some(bind(wanted, former.and_then(|ports| ports.https)).await?),
            None => None,
        };
        let ports = Ports {
            http: number(&http)?,
            https: match &https {
                Some(listener) => Some(number(listener)?),
                // A run without https must not forget the port of one with it.
                None => former.and_then(|ports| ports.https),
            },
        };
        let tls = match &https {
            Some(_) => Some(certificate()?),
            None => None,
        };
        let hub = Arc::new(Hub::new(World::new(kept, options.faults), file, ports));
        let router = router(&hub);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(http, None, router.clone(), hub.clone()));
        let served_https = https.is_some();
        if let Some(listener) = https {
            tasks.spawn(accept(listener, tls, router, hub.clone()));
        }
        hub.save().await;
        let saving = hub.clone();
        tasks.spawn(async move { saving.keep_saving().await });
        Ok(Self {
            hub,
            ports: Ports {
                http: ports.http,
                https: ports.https.filter(|_| served_https),
            },
            tasks,
        })
    }

    /// The address of the simulated WhatsApp Web page.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.ports.http)
    }

    /// The same with TLS, for a client that insists on the real name `web.whatsapp.com`: it has to
    /// map the name to loopback and overlook the certificate, which is made anew at each start.
    pub fn https_url(&self) -> Option<String> {
        self.ports
            .https
            .map(|port| format!("https://127.0.0.1:{port}/"))
    }

    /// The page where people use the simulated phones.
    pub fn phones_url(&self) -> String {
        format!("{}_sandbox/", self.url())
    }

    /// The phone of a number; its account comes to be.
    pub fn phone(&self, number: &PhoneNumber) -> Phone {
        if World::exists(number) {
            self.hub.change(|world| {
                world.account(number);
            });
        }
        Phone::new(self.hub.clone(), number.clone())
    }

    /// Turns the switches. Pages that run get those that make sense for them at once.
    pub fn set_faults(&self, faults: Faults) {
        self.hub.set_faults(faults);
    }

    /// Turns some of the switches and leaves the others as they are at that moment.
    pub fn turn(&self, turn: impl FnOnce(&mut Faults)) {
        self.hub.change(|world| {
            let mut faults = world.faults.clone();
            turn(&mut faults);
            world.set_faults(faults);
        });
    }

    /// How the switches are.
    pub fn faults(&self) -> Faults {
        self.hub.look(|world| world.faults.clone())
    }

    /// Waits until a message stands still where [`Faults::hold`] says.
    ///
    /// # Errors
    /// When none does within the time.
    pub async fn wait_until_held(&self, within: Duration) -> Result<(), PhoneError> {
        tokio::time::timeout(within, self.hub.until(|world| world.held > 0))
            .await
            .map_err(|_| PhoneError::TimedOut(within))
    }

    /// Closes all connections, writes the state file and gives the ports back.
    pub async fn shutdown(mut self) {
        self.hub.closing.cancel();
        self.tasks.shutdown().await;
        self.hub.save().await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.hub.closing.is_cancelled() {
            self.hub.closing.cancel();
            self.hub.save_now();
        }
    }
}

fn router(hub: &Arc<Hub>) -> Router {
    Router::new()
        .route("/", get(web))
        .route("/ws/chat", get(socket::upgrade))
        .route(
            "/rsrc/{name}",
            get(
                async |State(hub): State<Arc<Hub>>, Path(name): Path<String>| {
                    hub.answering().await;
                    page::resource(&name)
                },
            ),
        )
        .route(
            "/pps/{name}",
            get(
                async |State(hub): State<Arc<Hub>>, Path(name): Path<String>| {
                    hub.look(|world| world.picture_file(&name))
                },
            ),
        )
        .route("/frame", get(async || page::blank()))
        .route(
            "/mms/{kind}/{token}",
            post(media_acts::take_upload).layer(DefaultBodyLimit::max(LARGEST_FILE)),
        )
        .route("/v/{*path}", get(media_acts::give_download))
        .nest("/_sandbox", control::router())
        .route("/_sandbox/", get(async || page::phones()))
        .with_state(hub.clone())
}

async fn web(State(hub): State<Arc<Hub>>) -> Response {
    hub.answering().await;
    hub.look(|world| page::web(&world.faults, world.faults_revision))
}

/// Takes connections until the sandbox closes; each gets a task that ends then too.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, hub: Arc<Hub>) {
    loop {
        let stream = tokio::select! {
            () = hub.closing.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the sandbox could not take a connection");
                    // As when there are no file handles left: they may come back.
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Small frames must not wait for each other.
        let _ = stream.set_nodelay(true);
        let (router, tls, closing) = (router.clone(), tls.clone(), hub.closing.clone());
        tokio::spawn(async move {
            let serve = async {
                match tls {
                    None => serve(stream, router).await,
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => serve(stream, router).await,
                        Err(error) => tracing::debug!(%error, "no TLS with the sandbox"),
                    },
                }
            };
            tokio::select! {
                () = closing.cancelled() => {}
                () = serve => {}
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let service = TowerToHyperService::new(router);
    let builder = auto::Builder::new(TokioExecutor::new());
    let served = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        tracing::debug!(error, "a sandbox connection ended");
    }
}

/// A certificate nobody has reason to trust, for the real name and loopback.
fn certificate() -> Result<TlsAcceptor, SandboxError> {
    let failed = |error: &dyn std::fmt::Display| SandboxError::Certificate(error.to_string());
    let names = ["web.whatsapp.com", "127.0.0.1", "localhost"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(
        tokio_rustls::rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .map_err(|error| failed(&error))?
    .with_no_client_auth()
    .with_single_cert(vec![made.cert.der().clone()], key)
    .map_err(|error| failed(&error))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
