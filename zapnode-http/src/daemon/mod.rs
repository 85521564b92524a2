//! The life of the daemon, from its first line to its last.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use zapnode_core::driver::chrome::ChromeDriver;
use zapnode_core::owner::{DataFolder, is_no_room};
use zapnode_core::sandbox::{Sandbox, SandboxError, SandboxOptions};
use zapnode_core::store::StoreError;
use zapnode_core::{SessionManager, SessionOptions, with_causes};
use zapnode_http::settings::{LogFormat, Settings, Surroundings};
use zapnode_http::{App, AppOptions, Hosts, Secret, Server, ServerOptions};

mod banner;
mod console;
pub(crate) mod init;
pub(crate) mod logging;
mod signals;

/// How often a daemon on a full disk tries to tell where it listens.
const PUBLISHED_EVERY: Duration = Duration::from_secs(5);

/// Why the daemon did not start.
#[derive(Debug, Error)]
pub(crate) enum StartError {
    /// The address could not be had.
    #[error("cannot listen on {address}: {source}{}", port_hint(.source))]
    Listen {
        /// Which.
        address: String,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no room for what it must write to begin.
    #[error("no room is left on the disk of {}: {}", .path.display(), with_causes(.source))]
    NoRoom {
        /// The data folder, or a file in it.
        path: PathBuf,
        /// What failed.
        source: zapnode_core::Error,
    },
    /// The data folder, or the store in it.
    #[error("{}", with_causes(.0))]
    Core(zapnode_core::Error),
    /// The simulation.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The signals could not be listened for.
    #[error("signals cannot be received: {0}")]
    Signals(io::Error),
}

impl StartError {
    /// A failure of the core, with the data folder it was about.
    fn core(error: zapnode_core::Error, data_dir: &Path) -> Self {
        let path = match &error {
            zapnode_core::Error::Folder { path, source } if is_no_room(source) => path.clone(),
            zapnode_core::Error::Store(StoreError::Full(_)) => data_dir.to_owned(),
            _ => return Self::Core(error),
        };
        Self::NoRoom {
            path,
            source: error,
        }
    }

    /// The exit code, as `zapnode-http --help` documents it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Core(zapnode_core::Error::Owned { .. }) => 7,
            Self::Core(zapnode_core::Error::Store(_)) | Self::NoRoom { .. } => 9,
            _ => 1,
        }
    }

    /// What a person can do about it, where the text does not say.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Core(zapnode_core::Error::Owned { .. }) => {
                Some("Use that one, end it, or choose another folder with --data-dir.")
            }
            Self::Core(zapnode_core::Error::Store(error)) => error.hint(),
            Self::NoRoom { .. } => Some(
                "Free some room there (10 MB let it start) and start it again, or choose another \
                 folder with --data-dir. What it has stored is unharmed.",
            ),
            _ => None,
        }
    }
}

fn port_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; end the program that has the port, or choose another with --port (0 picks a free one)"
        }
        _ => "",
    }
}

/// Runs until a signal ends it.
pub(crate) async fn run(
    settings: &Settings,
    surroundings: &Surroundings,
) -> Result<(), StartError> {
    let shutdown = signals::first().map_err(StartError::Signals)?;
    let sandbox = start_sandbox(settings).await?;
    let mut chrome = settings.chrome_options(surroundings);
    if let Some(sandbox) = &sandbox {
        chrome.web_url = sandbox.url();
    }
    let page = chrome.web_url.clone();
    let driver = Arc::new(ChromeDriver::new(chrome));
    let manager = SessionManager::open(driver, settings.manager_options())
        .await
        .map_err(|error| StartError::core(error, &settings.data_dir))?;

    let (listener, url) = match listen(settings).await {
        Ok(listening) => listening,
        Err(error) => {
            manager.shutdown().await;
            return Err(error);
        }
    };
    let token = Secret::random();
    let publishing = publish(&manager, &url, token.reveal())?;
    let app = App::new(manager.clone(), app_options(settings, token));

    // Subscribed before the first session starts, so that no QR is missed. The sessions exist and
    // are starting, though not up, when the address is told: who reads it may ask for them.
    let signals = manager.signals();
    start_sessions(&manager, settings).await;
    // The bridges go on where they were, whether or not somebody asks for them.
    if let Err(error) = app.chatwoot().await {
        tracing::error!(
            error = with_causes(&error),
            "the bridges to Chatwoot could not be started"
        );
    }

    match settings.log_format {
        LogFormat::Text => banner::print(&banner::Banner {
            settings,
            surroundings,
            url: &url,
            page: &page,
            sandbox: sandbox.as_ref(),
        }),
        LogFormat::Json => banner::log(&url, sandbox.as_ref()),
    }

    let console = tokio::spawn(console::follow(signals, settings.log_format, url));

    Server::new(app.clone(), ServerOptions::default())
        .serve(listener, shutdown)
        .await;

    tracing::info!("stopping: closing the browsers, so that logins survive");
    app.close().await;
    if let Some(publishing) = publishing {
        publishing.abort();
    }
    manager.shutdown().await;
    console.abort();
    if let Some(sandbox) = sandbox {
        sandbox.shutdown().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Tells the command where this daemon listens and what opens its API. On a full disk that is done
/// once there is room, and until then the command must be told with `--server`.
fn publish(
    manager: &SessionManager,
    url: &str,
    token: &str,
) -> Result<Option<AbortHandle>, StartError> {
    let (manager, url, token) = (manager.clone(), url.to_owned(), token.to_owned());
    let tell = move || manager.folder().publish(Some(&url), Some(&token));
    match tell() {
        Ok(()) => return Ok(None),
        Err(zapnode_core::Error::Folder { source, path }) if is_no_room(&source) => {
            tracing::error!(
                path = %path.display(),
                "the disk is full: sends are refused, and the command zapnode does not find this daemon until there is room"
            );
        }
        Err(error) => return Err(StartError::Core(error)),
    }
    let telling = tokio::spawn(async move {
        // A disk tells nobody when it has room.
        let mut again = tokio::time::interval(PUBLISHED_EVERY);
        loop {
            again.tick().await;
            if tell().is_ok() {
                return;
            }
        }
    });
    Ok(Some(telling.abort_handle()))
}

/// Starts the simulated WhatsApp, if it is wanted.
async fn start_sandbox(settings: &Settings) -> Result<Option<Sandbox>, StartError> {
    if !settings.sandbox {
        return Ok(None);
    }
    // The sandbox's files lie in the data folder, and its address is needed before the manager can
    // claim that. So what the manager would do is done here: name the owner, keep others out.
    let data_dir = &settings.data_dir;
    if let Some(owner) = DataFolder::owner_of(data_dir) {
        let owner = Box::new(owner);
        return Err(StartError::Core(zapnode_core::Error::Owned { owner }));
    }
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir);
    made.map_err(|source| {
        let path = data_dir.clone();
        StartError::core(zapnode_core::Error::Folder { path, source }, data_dir)
    })?;
    let options = SandboxOptions {
        http_port: settings.sandbox_port,
        https_port: None,
        state_file: Some(settings.sandbox_state_file()),
        ..SandboxOptions::default()
    };
    Ok(Some(Sandbox::start(options).await?))
}

/// Opens the API's port, and says how this machine reaches it.
async fn listen(settings: &Settings) -> Result<(TcpListener, String), StartError> {
    let failed = |source| StartError::Listen {
        address: format!("{}:{}", settings.host, settings.port),
        source,
    };
    let listener = TcpListener::bind((settings.host.as_str(), settings.port))
        .await
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let ip = address.ip();
    // Nobody can call "any address".
    let url = match ip.is_unspecified() {
        true => format!("http://127.0.0.1:{}", address.port()),
        false => format!("http://{address}"),
    };
    Ok((listener, url))
}

fn app_options(settings: &Settings, token: Secret) -> AppOptions {
    AppOptions {
        api_key: settings.api_key.clone().map(Secret::new),
        owner_token: Some(token),
        send_wait: settings.send_wait,
        webhook_enabled: settings.webhook_enabled,
        hosts: if settings.is_local() {
            Hosts::Local(vec![settings.host.clone()])
        } else {
            Hosts::Any
        },
        allow_private: settings.allow_private_addresses,
        ..AppOptions::new(settings.session_name.clone())
    }
}

/// Brings back the sessions that ran, and the default session as the original does. Does not wait
/// for any browser.
async fn start_sessions(manager: &SessionManager, settings: &Settings) {
    manager.restore().await;
    if !settings.start_default_session {
        return;
    }
    let id = &settings.session_name;
    if let Err(error) = manager.create(id.clone(), SessionOptions::default()).await {
        tracing::error!(
            session = %id,
            error = with_causes(&error),
            "the default session could not be started"
        );
    }
}
