//! Opening a session: profile, browser, page channel, bridge, address, in this order.
//!
//! Everything is set up before the address is loaded, so that no document of it is ever without
//! the bridge (fact sheet §9: a navigation during the first injection is missed).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use headless_chrome::protocol::cdp::types::Method;
use headless_chrome::protocol::cdp::{Emulation, Inspector, Log, Page, Runtime, Target};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};

use super::channel::{CallError, Channel, Event};
use super::connection::ChromeConnection;
use super::launch::{BrowserProcess, Launch, blocking};
use super::mark::{self, Keeper};
use super::page::{Pump, PumpState, Shared, navigation};
use super::proxy::{self, Doorman};
use super::{ChromeOptions, bridge, files, flags, profile};
use crate::driver::{DriverError, OpenRequest, Opened};

/// For each step of the set-up; some milliseconds are usual.
const STEP: Duration = Duration::from_secs(10);

/// How long the address may take until its document begins.
const ADDRESS: Duration = Duration::from_secs(40);

/// How many events a session may leave unread before the pump keeps them itself.
const EVENTS: usize = 256;

/// Opens a session. Dropping the future ends what was started.
pub(crate) async fn open(
    options: &ChromeOptions,
    version: Option<String>,
    executable: std::path::PathBuf,
    request: OpenRequest,
) -> Result<Opened, DriverError> {
    let folder = request.login.folder.clone();
    let (prepared, bridge_dir) = (folder.clone(), options.bridge_dir.clone());
    // Not a name that a page could know; one per session does.
    let binding = format!("zn{}", ulid::Ulid::new().to_string().to_lowercase());
    let name = binding.clone();
    let (script, heard_until) = blocking(move || {
        profile::make(&prepared)?;
        profile::claim(&prepared)?;
        let heard_until = mark::read(&prepared);
        let script = bridge::script(bridge_dir.as_deref(), &name)?;
        Ok::<_, DriverError>((script, heard_until))
    })
    .await??;

    let headless = request.options.headless.unwrap_or(options.headless);
    let user_agent = version.as_deref().and_then(flags::user_agent);
    let mut arguments = flags::arguments(options, headless, user_agent.as_deref());
    let way = request.options.proxy.as_ref();
    if let Some(way) = way {
        proxy::go_through(&mut arguments, way);
    }
    let doorman = Doorman::new(way);
    let browser = BrowserProcess::launch(Launch {
        executable,
        profile: folder.clone(),
        arguments,
        work_dir: options.work_dir.clone(),
        name: request.login.session.as_str().to_owned(),
        deadline: options.launch_timeout,
    })
    .await?;
    tracing::debug!(session = %request.login.session, pid = browser.pid, "the browser is up");

    let own_script = options.bridge_dir.as_deref();
    let set_up = async {
        let set_up = set_up(&browser, user_agent, version, &binding, script, own_script).await?;
        if doorman.is_needed() {
            ask_us(&set_up.0).await?;
        }
        Ok::<_, DriverError>(set_up)
    };
    let set_up = set_up.await;
    let (shared, from_browser) = match set_up {
        Ok(set_up) => set_up,
        Err(error) => {
            browser.release(false);
            browser.ended().await;
            return Err(error);
        }
    };
    shared.tracker().heard_before(heard_until.clone());
    let (tab, pid) = (browser.tab.clone(), browser.pid);
    let (to_session, events) = mpsc::channel(EVENTS);
    let pump = Pump {
        shared: Arc::clone(&shared),
        browser,
        url: options.web_url.clone(),
        binding,
        from_browser,
        to_session,
        mark: Keeper::start(&folder, heard_until),
        doorman,
        state: PumpState::default(),
    };
    tokio::spawn(pump.run());
    let connection = ChromeConnection {
        uploads: Semaphore::new(files::AT_ONCE),
        downloads: Semaphore::new(files::AT_ONCE),
        tab,
        pid,
        profile: folder,
        picture: Arc::default(),
        _close_on_drop: shared.close.clone().drop_guard(),
        shared: Arc::clone(&shared),
    };
    let loaded = load(&shared, &options.web_url).await;
    let loaded = match shared.is_proxy_refused() {
        // What the proxy shows instead may look like a page.
        true => Err(proxy::REFUSED.to_owned()),
        false => loaded,
    };
    if let Err(reason) = loaded {
        shared.close.cancel();
        shared.closed().await;
        return Err(DriverError::PageUnreachable {
            url: options.web_url.clone(),
            reason,
        });
    }
    Ok(Opened {
        connection: Arc::new(connection),
        events,
    })
}

/// Joins the page on a channel of our own and puts the bridge into whatever it will load.
async fn set_up(
    browser: &BrowserProcess,
    user_agent: Option<String>,
    version: Option<String>,
    binding: &str,
    script: String,
    bridge_dir: Option<&Path>,
) -> Result<(Arc<Shared>, mpsc::UnboundedReceiver<Event>), DriverError> {
    let failed = |error: CallError| DriverError::LaunchFailed {
        reason: format!("its page cannot be set up: {error}"),
    };
    let (channel, events) = Channel::connect(&browser.address).await.map_err(failed)?;
    let attach = Target::AttachToTarget {
        target_id: browser.tab.0.get_target_id().clone(),
        flatten: Some(true),
    };
    let attached = channel.call(None, attach, STEP).await.map_err(failed)?;
    let shared = Arc::new(Shared::new(channel, attached.session_id));
    let page = Steps(&shared);

    // Without it a crashed page answers nothing and says nothing.
    page.step(Inspector::Enable(None)).await.map_err(failed)?;
    let enable = Page::Enable {
        enable_file_chooser_opened_event: None,
    };
    page.step(enable).await.map_err(failed)?;
    // What the browser itself says of the page, as an address that did not answer.
    page.step(Log::Enable(None)).await.map_err(failed)?;
    // Measured on Chromium 156: without it the bridge is never heard.
    page.step(Runtime::Enable(None)).await.map_err(failed)?;
    if bridge_dir.is_some() {
        check_script(&page, &script).await?;
    }
    let add_binding = Runtime::AddBinding {
        name: binding.to_owned(),
        execution_context_id: None,
        execution_context_name: None,
    };
    page.step(add_binding).await.map_err(failed)?;
    let add_script = Page::AddScriptToEvaluateOnNewDocument {
        source: script,
        world_name: None,
        include_command_line_api: None,
        run_immediately: None,
    };
    page.step(add_script).await.map_err(failed)?;
    // A page that believes itself unseen may slow down or wait; measured, it has no focus else.
    let focus = Emulation::SetFocusEmulationEnabled { enabled: true };
    page.step(focus).await.map_err(failed)?;
    if let (Some(user_agent), Some(version)) = (user_agent, version) {
        let hints = flags::user_agent_override(user_agent, &version);
        page.step(hints).await.map_err(failed)?;
    }
    Ok((shared, events))
}

/// Has the browser ask us who comes, when its proxy wants to know.
async fn ask_us(shared: &Shared) -> Result<(), DriverError> {
    let watched = Steps(shared).step(proxy::watch()).await;
    watched.map_err(|error| DriverError::LaunchFailed {
        reason: format!("its proxy cannot be set up: {error}"),
    })?;
    Ok(())
}

/// A mistake in somebody's own bridge script is named, instead of leaving a session without a word.
async fn check_script(page: &Steps<'_>, script: &str) -> Result<(), DriverError> {
    let compile = Runtime::CompileScript {
        expression: script.to_owned(),
        source_url: "zapnode-bridge.js".to_owned(),
        persist_script: false,
        execution_context_id: None,
    };
    let refused = |reason: String| DriverError::LaunchFailed {
        reason: format!("the bridge script is broken: {reason}"),
    };
    let compiled = page.step(compile).await;
    let compiled = compiled.map_err(|error| refused(error.to_string()))?;
    match compiled.exception_details {
        None => Ok(()),
        Some(details) => {
            let words = details
                .exception
                .and_then(|exception| exception.description)
                .unwrap_or(details.text);
            Err(refused(format!(
                "line {}: {words}",
                details.line_number + 1
            )))
        }
    }
}

struct Steps<'a>(&'a Shared);

impl Steps<'_> {
    async fn step<M: Method + Serialize>(&self, method: M) -> Result<M::ReturnObject, CallError> {
        self.0.call(method, STEP).await
    }
}

/// Goes to the address and returns when its document has begun; what is in it comes later.
async fn load(shared: &Shared, url: &str) -> Result<(), String> {
    let mut epochs = shared.epochs();
    let loaded = shared.call(navigation(url.to_owned()), ADDRESS).await;
    match loaded.map_err(|error| error.to_string())?.error_text {
        Some(error) if !error.is_empty() => return Err(error),
        _ => {}
    }
    // Until the pump knows of the document too: its beginning would interrupt the first command.
    match tokio::time::timeout(STEP, epochs.changed()).await {
        Ok(Ok(())) => Ok(()),
        _ => Err("no document came of it".to_owned()),
    }
}
