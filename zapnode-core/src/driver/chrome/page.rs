//! One session's page: set up, watched by one task (the pump), asked by commands.
//!
//! The pump reads the channel's events and never waits for anybody else: what it has to say goes
//! into a bounded queue of its own while the session is slow to listen. It also owns the browser
//! process and closes it at the end, whoever asks for the end: the session, a lost browser, or a
//! connection that was dropped.
//!
//! A navigation of the main frame, a crash and the browser's end each begin a new *epoch*: commands
//! of an earlier one end at once as interrupted, because their promise will never settle. The
//! bridge's events name their document, so that what an old one said late is dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use headless_chrome::protocol::cdp::types::Method;
use headless_chrome::protocol::cdp::{Browser, Page};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::bridge::{self, BridgeEvent, Command, Envelope};
use super::channel::{CallError, Channel, Event};
use super::launch::BrowserProcess;
use super::mark::{Keeper, Mark};
use super::tracker::{self, Tracker};
use super::words::Words;
use crate::driver::{DriverClosed, DriverError, DriverEvent, Interruption, LinkState};

/// How much longer than the bridge the browser is given to answer: the bridge's own timeout names
/// what it waited for, ours only says that the page is stuck.
const STUCK_MARGIN: Duration = Duration::from_secs(2);

/// How long after a login Chrome has surely written it: local storage is put off by 5 s.
const LOGIN_WRITTEN: Duration = Duration::from_secs(6);

/// For leaving the page before a close. A stuck page cannot be left and is not waited for long.
const LEAVE_DEADLINE: Duration = Duration::from_secs(2);

/// For commands that the browser answers without the page.
const BROWSER_DEADLINE: Duration = Duration::from_secs(10);

/// How many events may wait for a session that does not listen, before it is given up.
const LONGEST_BACKLOG: usize = 50_000;

/// More crashes than this within [`CRASH_WINDOW`], and the page is given up.
const MOST_CRASHES: usize = 5;
const CRASH_WINDOW: Duration = Duration::from_secs(120);

/// How long after an address could not be loaded it is tried again.
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(5);

/// DevTools' words about a document that is on its way out.
const NOT_ACTIVE: &str = "Not attached to an active page";

/// An address that no browser loads and none hands to another program: going there ends at once
/// and leaves the document as it is.
const NOWHERE: &str = "res:nothing";

/// What commands and pump share.
#[derive(Debug)]
pub(crate) struct Shared {
    channel: Channel,
    /// The page's DevTools session on it.
    session: String,
    /// Counts what took the page away, and says what it was.
    epoch: watch::Sender<(u64, Interruption)>,
    tracker: Mutex<Tracker>,
    /// Counts the logouts told.
    logouts: watch::Sender<u64>,
    /// The page's last words.
    words: Mutex<Words>,
    /// Asks the pump to end.
    pub(crate) close: CancellationToken,
    /// Told once the browser has ended: whether all of it is gone.
    closed: watch::Sender<Option<bool>>,
}

/// `Runtime.evaluate`, with an answer that takes whatever a newer browser adds: with the crate's
/// own type one unknown word would fail every command.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Evaluate {
    expression: String,
    await_promise: bool,
    return_by_value: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Evaluated {
    result: EvaluatedValue,
    exception_details: Option<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct EvaluatedValue {
    #[serde(default)]
    value: serde_json::Value,
}

impl Method for Evaluate {
    const NAME: &'static str = "Runtime.evaluate";
    type ReturnObject = Evaluated;
}

impl Shared {
    pub(crate) fn new(channel: Channel, session: String) -> Self {
        Self {
            channel,
            session,
            epoch: watch::Sender::new((0, Interruption::Reloaded)),
            tracker: Mutex::new(Tracker::new()),
            logouts: watch::Sender::new(0),
            words: Mutex::default(),
            close: CancellationToken::new(),
            closed: watch::Sender::new(None),
        }
    }

    pub(crate) fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a DevTools method on the page.
    pub(crate) async fn call<M: Method + Serialize>(
        &self,
        method: M,
        deadline: Duration,
    ) -> Result<M::ReturnObject, CallError> {
        self.channel
            .call(Some(&self.session), method, deadline)
            .await
    }

    /// Whether commands make sense at all.
    pub(crate) fn check_open(&self) -> Result<(), DriverError> {
        if self.close.is_cancelled() || self.closed.borrow().is_some() || !self.channel.is_open() {
            return Err(DriverError::Closed);
        }
        Ok(())
    }

    /// Has the bridge do something, and waits for its answer.
    pub(crate) async fn command<T: DeserializeOwned>(
        &self,
        command: Command,
        arguments: &impl Serialize,
    ) -> Result<T, DriverError> {
        self.check_open()?;
        let mut epoch = self.epoch.subscribe();
        let name = command.name;
        let evaluate = Evaluate {
            expression: command.expression(arguments)?,
            await_promise: true,
            return_by_value: true,
        };
        let evaluated = tokio::select! {
            evaluated = self.call(evaluate, command.deadline + STUCK_MARGIN) => evaluated,
            by = interrupted(&mut epoch) => return Err(DriverError::Interrupted { command: name, by }),
        };
        match evaluated {
            Ok(Evaluated {
                exception_details: Some(details),
                ..
            }) => Err(DriverError::Refused {
                command: name,
                reason: format!("the bridge is broken: {details}"),
            }),
            Ok(Evaluated { result, .. }) => command.answer(result.value.as_str()),
            Err(error) => Err(self.call_error(name, error)),
        }
    }

    /// What a failed call means to a command of the page.
    pub(crate) fn call_error(&self, command: &'static str, error: CallError) -> DriverError {
        let by = match error {
            CallError::TimedOut(after) => {
                return DriverError::TimedOut {
                    command,
                    waited_for: "the page, which is stuck".to_owned(),
                    after,
                };
            }
            CallError::Malformed(reason) => return DriverError::Refused { command, reason },
            CallError::Ended => Interruption::BrowserEnded,
            // The expression is ours and sound; what DevTools refuses is a page that is going or
            // gone ("Inspected target navigated or closed", "Cannot find default execution
            // context", "Target crashed").
            CallError::Refused { message, .. } if message.contains("crashed") => {
                Interruption::PageCrashed
            }
            CallError::Refused { .. } => Interruption::Reloaded,
        };
        DriverError::Interrupted { command, by }
    }

    /// A watch that changes whenever the page is taken away, and when its first document begins.
    pub(crate) fn epochs(&self) -> watch::Receiver<(u64, Interruption)> {
        self.epoch.subscribe()
    }

    /// Whether the page runs scripts at all.
    pub(crate) async fn is_stuck(&self) -> bool {
        let evaluate = Evaluate {
            expression: "1".to_owned(),
            await_promise: false,
            return_by_value: true,
        };
        let answer = self.call(evaluate, STUCK_MARGIN).await;
        matches!(answer, Err(CallError::TimedOut(_)))
    }

    /// A watch that changes with each logout told.
    pub(crate) fn logouts(&self) -> watch::Receiver<u64> {
        self.logouts.subscribe()
    }

    /// Waits until the browser has ended; says whether all of it is gone.
    pub(crate) async fn closed(&self) -> bool {
        let mut closed = self.closed.subscribe();
        closed
            .wait_for(Option::is_some)
            .await
            .is_ok_and(|closed| *closed == Some(true))
    }

    fn begin_epoch(&self, by: Interruption) {
        self.epoch.send_modify(|epoch| *epoch = (epoch.0 + 1, by));
    }
}

async fn interrupted(epoch: &mut watch::Receiver<(u64, Interruption)>) -> Interruption {
    match epoch.changed().await {
        Ok(()) => epoch.borrow().1,
        Err(_) => Interruption::BrowserEnded,
    }
}

/// Watches one page until its end.
pub(crate) struct Pump {
    pub(crate) shared: Arc<Shared>,
    pub(crate) browser: BrowserProcess,
    /// The page's address, for when it could not be loaded.
    pub(crate) url: String,
    /// The bridge's way out.
    pub(crate) binding: String,
    pub(crate) from_browser: mpsc::UnboundedReceiver<Event>,
    pub(crate) to_session: mpsc::Sender<DriverEvent>,
    pub(crate) mark: Keeper,
    pub(crate) state: PumpState,
}

/// What the pump remembers.
#[derive(Default)]
pub(crate) struct PumpState {
    backlog: VecDeque<DriverEvent>,
    /// The document whose events count; none between a navigation and its bridge's first word.
    document: Option<String>,
    /// The browser told of a navigation whose document's bridge has not spoken yet.
    awaits_bridge: bool,
    /// A document's bridge spoke before the browser told of its navigation.
    navigation_due: bool,
    /// The first document is not told as a reload.
    began: bool,
    crashes: VecDeque<Instant>,
    /// Why the session cannot go on.
    lost: Option<String>,
    /// A login was asked for and has not been made.
    asks_login: bool,
    /// When a phone was linked, if that was in this run.
    linked_at: Option<Instant>,
}

/// How a pump came to its end.
enum End {
    Asked,
    Lost(String),
}

impl Pump {
    /// Runs until the session is closed or lost, then ends the browser and says so.
    pub(crate) async fn run(mut self) {
        let end = self.watch().await;
        self.shared.close.cancel();
        self.shared.begin_epoch(Interruption::BrowserEnded);
        let asked = matches!(end, End::Asked) && self.ask_to_end().await;
        self.browser.release(asked);
        let all_gone = self.browser.ended().await;
        drop(self.browser);
        self.mark.finish().await;
        self.shared.closed.send_replace(Some(all_gone));
        let closed = DriverEvent::Closed(match end {
            End::Asked => DriverClosed::Asked,
            End::Lost(why) => DriverClosed::Lost(why),
        });
        self.state.backlog.push_back(closed);
        // As long as somebody listens, however slowly; an error says that nobody does.
        for event in self.state.backlog {
            if self.to_session.send(event).await.is_err() {
                break;
            }
        }
    }

    async fn watch(&mut self) -> End {
        let to_session = self.to_session.clone();
        loop {
            if let Some(why) = self.state.lost.take() {
                return End::Lost(why);
            }
            if self.state.backlog.len() > LONGEST_BACKLOG {
                return End::Lost("nobody reads the session's events".to_owned());
            }
            tokio::select! {
                () = self.shared.close.cancelled() => return End::Asked,
                () = to_session.closed() => return End::Asked,
                event = self.from_browser.recv() => match event {
                    Some(event) => self.handle(event),
                    None => return End::Lost("the browser ended".to_owned()),
                },
                permit = to_session.reserve(), if !self.state.backlog.is_empty() => {
                    if let (Ok(permit), Some(event)) = (permit, self.state.backlog.pop_front()) {
                        permit.send(event);
                    }
                }
            }
        }
    }

    /// Asks the browser to end, and answers dialogs that would keep it from that. Says whether it
    /// is about to.
    async fn ask_to_end(&mut self) -> bool {
        let channel = self.shared.channel.clone();
        let session = self.shared.session.clone();
        let linked_at = self.state.linked_at;
        let close = async {
            // Chrome tells nobody when it has written local storage, only that it does so within
            // seconds; until then even a gentle close has lost a login that was just made.
            if let Some(linked_at) = linked_at {
                tokio::time::sleep_until((linked_at + LOGIN_WRITTEN).into()).await;
            }
            // What is still to be written goes when its document is left.
            let blank = navigation("about:blank".to_owned());
            if let Err(error) = channel.call(Some(&session), blank, LEAVE_DEADLINE).await {
                tracing::debug!(%error, "the page was not left before the end");
            }
            channel
                .call(None, Browser::Close(None), BROWSER_DEADLINE)
                .await
        };
        tokio::pin!(close);
        loop {
            tokio::select! {
                closed = &mut close => {
                    if let Err(error) = &closed {
                        tracing::debug!(%error, "the browser did not confirm its end");
                    }
                    // The socket's end is its answer too.
                    return matches!(closed, Ok(_) | Err(CallError::Ended));
                }
                event = self.from_browser.recv() => match event {
                    Some(event) if event.method == "Page.javascriptDialogOpening" => self.accept_dialog(),
                    Some(_) => {}
                    None => return true,
                },
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let params = event.params.get();
        if event.method == "Target.detachedFromTarget" {
            if field(params, "/sessionId").as_deref() == Some(&self.shared.session) {
                self.state.lost = Some("the page was closed".to_owned());
            }
            return;
        }
        if event.session.as_deref() != Some(&self.shared.session) {
            return;
        }
        match event.method.as_str() {
            "Runtime.bindingCalled" => self.binding_called(params),
            "Page.frameNavigated" => self.frame_navigated(params),
            "Page.navigatedWithinDocument" => {
                if let Some(url) = field(params, "/url") {
                    self.address(&url);
                }
            }
            "Page.javascriptDialogOpening" => self.accept_dialog(),
            "Inspector.targetCrashed" => self.crashed(),
            method => self.shared.words().heard(method, params),
        }
    }

    fn binding_called(&mut self, params: &str) {
        #[derive(Deserialize)]
        struct Called {
            name: String,
            payload: String,
        }
        let Ok(called) = serde_json::from_str::<Called>(params) else {
            return;
        };
        if called.name != self.binding {
            return;
        }
        let Envelope { document, event } = match bridge::read_event(&called.payload) {
            Ok(envelope) => envelope,
            Err(reason) => {
                tracing::warn!(reason, "the bridge said something strange");
                return;
            }
        };
        if let BridgeEvent::Hello { url } = event {
            self.document_spoke(document);
            self.address(&url);
        } else if self.state.document.as_ref() == Some(&document) {
            self.bridge_event(event);
        }
    }

    fn bridge_event(&mut self, event: BridgeEvent) {
        let mut tracker = self.shared.tracker();
        let events = match event {
            BridgeEvent::Hello { .. } => Vec::new(),
            BridgeEvent::Snapshot(snapshot) => {
                tracing::debug!(
                    state = snapshot.state.as_deref().unwrap_or("-"),
                    mode = snapshot.mode.as_deref().unwrap_or("-"),
                    synced = snapshot.has_synced,
                    "the page stands otherwise"
                );
                tracker.snapshot(&snapshot)
            }
            BridgeEvent::Qr { text, valid_ms } => vec![tracker::qr(text, valid_ms)],
            BridgeEvent::Code {
                code,
                phone,
                valid_ms,
            } => Vec::from_iter(tracker::pairing_code(code, &phone, valid_ms)),
            BridgeEvent::Message(message) => {
                if let Some(text) = &message.text {
                    self.shared.words().keep_out(text);
                }
                Vec::from_iter(tracker.heard(*message))
            }
            BridgeEvent::Waiting(waiting) => Vec::from_iter(tracker.heard(waiting)),
            BridgeEvent::Edited(edit) => Vec::from_iter(tracker.heard(edit)),
            BridgeEvent::Revoked(revoke) => Vec::from_iter(tracker.heard(revoke)),
            BridgeEvent::Reaction(reaction) => Vec::from_iter(tracker.heard(reaction)),
            BridgeEvent::Call(call) => Vec::from_iter(tracker.heard(call)),
            BridgeEvent::Group(notice) => Vec::from_iter(tracker.heard(notice)),
            BridgeEvent::Ack { id, ack } => Vec::from_iter(tracker::ack(&id, ack)),
            BridgeEvent::SendRefused { id, status, words } => {
                Vec::from_iter(tracker::refused(&id, status, words))
            }
            BridgeEvent::Restricted { words } => vec![DriverEvent::Restricted(words)],
            BridgeEvent::Logout { reason } => Vec::from_iter(tracker.logged_out(reason)),
        };
        self.mark.set(tracker.heard_until());
        drop(tracker);
        self.tell(events);
    }

    fn tell(&mut self, events: impl IntoIterator<Item = DriverEvent>) {
        for event in events {
            if matches!(event, DriverEvent::LoggedOut(_)) {
                self.shared.logouts.send_modify(|count| *count += 1);
            }
            match &event {
                DriverEvent::Link(LinkState::NeedsLogin) => self.state.asks_login = true,
                DriverEvent::Link(LinkState::Ready(_)) if self.state.asks_login => {
                    self.state.asks_login = false;
                    self.state.linked_at = Some(Instant::now());
                }
                // Nothing is left that would have to be written.
                DriverEvent::LoggedOut(_) => self.state.linked_at = None,
                _ => {}
            }
            self.state.backlog.push_back(event);
        }
    }

    fn address(&mut self, url: &str) {
        let told = self.shared.tracker().address(url);
        self.tell(told);
    }

    /// The main frame has another document. Frames inside it may come and go (fact sheet §9: a
    /// second *ready*).
    fn frame_navigated(&mut self, params: &str) {
        if field(params, "/frame/parentId").is_some() {
            return;
        }
        if std::mem::take(&mut self.state.navigation_due) {
            return;
        }
        self.document_changed();
        self.state.awaits_bridge = true;
        if field(params, "/frame/unreachableUrl").is_some() {
            self.try_again(UNREACHABLE_PAUSE);
        }
        if let Some(url) = field(params, "/frame/url") {
            self.address(&url);
        }
    }

    /// A document's bridge has begun. It may speak before the browser tells of the navigation.
    fn document_spoke(&mut self, document: String) {
        if !std::mem::take(&mut self.state.awaits_bridge) {
            self.document_changed();
            self.state.navigation_due = true;
        }
        self.state.document = Some(document);
        // By this the bridge knows what it has to look for, and what is old.
        let shared = Arc::clone(&self.shared);
        let mark = shared.tracker().heard_until().cloned();
        tokio::spawn(async move {
            let arguments = serde_json::json!({
                "until": mark.as_ref().map(Mark::until),
                "awaited": mark.as_ref().map(Mark::awaited).unwrap_or_default(),
            });
            let told: Result<(), _> = shared.command(Command::HEARD_UNTIL, &arguments).await;
            // The next document is told anew.
            if let Err(error) = told {
                tracing::debug!(%error, "the bridge was not told what was heard");
            }
        });
    }

    fn document_changed(&mut self) {
        self.state.document = None;
        self.shared.begin_epoch(Interruption::Reloaded);
        self.shared.tracker().document_began();
        if std::mem::replace(&mut self.state.began, true) {
            self.shared.words().say("-- the page was loaded anew");
            self.tell([DriverEvent::Reloaded]);
        }
    }

    /// An open dialog blocks the page and every command.
    fn accept_dialog(&self) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let accept = Page::HandleJavaScriptDialog {
                accept: true,
                prompt_text: None,
            };
            match shared.call(accept, BROWSER_DEADLINE).await {
                Err(CallError::Refused { message, .. }) if message.contains(NOT_ACTIVE) => {}
                // Any other error means that somebody else, or the page's end, has closed it.
                _ => return,
            }
            // Measured on Chromium 156: a document that opens a dialog while its successor is about
            // to take its place is out of DevTools' reach, and blocks the successor for ever. Going
            // anywhere closes it, and where nothing is the successor is left to come.
            tracing::debug!("a dialog is in the way of the next document; going past it");
            let past = navigation(NOWHERE.to_owned());
            if let Err(error) = shared.call(past, BROWSER_DEADLINE).await {
                tracing::warn!(%error, "a dialog in the way of the next document stays open");
            }
        });
    }

    /// The page's process is gone and says nothing more; loading it anew brings it back.
    fn crashed(&mut self) {
        self.state.document = None;
        self.state.awaits_bridge = false;
        self.state.navigation_due = false;
        self.shared.begin_epoch(Interruption::PageCrashed);
        let now = Instant::now();
        let crashes = &mut self.state.crashes;
        crashes.retain(|&at| now.duration_since(at) < CRASH_WINDOW);
        crashes.push_back(now);
        tracing::warn!(crashes = crashes.len(), "the page crashed");
        self.shared.words().say("-- the page crashed");
        if crashes.len() > MOST_CRASHES {
            self.state.lost = Some("the page keeps crashing".to_owned());
            return;
        }
        // At once the first time, later the longer the more often.
        let pause = Duration::from_secs(crashes.len() as u64 - 1);
        self.try_again(pause);
    }

    /// Loads the session's address anew after a pause, unless something else did so meanwhile.
    fn try_again(&self, pause: Duration) {
        let shared = Arc::clone(&self.shared);
        let url = self.url.clone();
        let mut epoch = shared.epoch.subscribe();
        tokio::spawn(async move {
            if tokio::time::timeout(pause, epoch.changed()).await.is_err()
                && let Err(error) = shared.call(navigation(url), BROWSER_DEADLINE).await
            {
                tracing::debug!(%error, "the page could not be loaded anew yet");
            }
        });
    }
}

/// Goes to the session's address. People come to it from WhatsApp's own site (fact sheet §1.1).
pub(crate) fn navigation(url: String) -> Page::Navigate {
    Page::Navigate {
        url,
        referrer: Some("https://whatsapp.com/".to_owned()),
        transition_Type: None,
        frame_id: None,
        referrer_policy: None,
    }
}

/// One text of an event's parameters.
fn field(params: &str, pointer: &str) -> Option<String> {
    let params: serde_json::Value = serde_json::from_str(params).ok()?;
    params.pointer(pointer)?.as_str().map(str::to_owned)
}
