//! The one task that owns a session. Everything else sends it requests and watches what it
//! publishes; it alone steps the [`Machine`](super::machine::Machine) and performs what that says.
//!
//! What takes long (opening, closing, unlinking, looking) runs beside it and reports back through
//! its own channel, so that it always listens.

mod care;

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::care::{LastLook, Watch};
use super::failure::Records;
use super::handle::PastReason;
use super::machine::{Effect, Input, Machine, Next, Phase};
use super::status::{Prompt, Reason, ReasonCode, SessionInfo, SessionState};
use crate::driver::{
    Connection, Driver, DriverClosed, DriverError, DriverEvent, Evidence, LinkState, LoginPrompt,
    LogoutReason, OpenRequest, Opened, Resources, StoredLogin,
};
use crate::event::{Happening, Signal, SignalKind, StatusTeller};
use crate::id::SessionId;
use crate::media::MediaStore;
use crate::options::{Care, Deadlines, SessionOptions};
use crate::optout::OptOuts;
use crate::outbox::{Load, Pace, worker as outbox};
use crate::store::{Store, StoreError};

/// How long an unlinking may take before the session is closed without WhatsApp's word for it.
const LOG_OUT_WITHIN: Duration = Duration::from_secs(30);

/// How long a session waits for its turn to start its browser. The others' starts are bounded, so
/// this only passes where very many are started at once.
const TURN_WITHIN: Duration = Duration::from_secs(15 * 60);

/// How long an answer of the page is waited for; drivers have shorter deadlines of their own.
const LOOK_WITHIN: Duration = Duration::from_secs(30);

/// How long the deletion of a login may take.
const FORGET_WITHIN: Duration = Duration::from_secs(60);

/// How many reasons are kept for the diagnostics.
const REASONS_KEPT: usize = 20;

/// A change of what was chosen for a session.
pub(crate) struct Change(pub(crate) Box<dyn FnOnce(&mut SessionOptions) + Send>);

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Change")
    }
}

/// What callers ask of the task.
#[derive(Debug)]
pub(crate) enum Command {
    /// Run. Answered at once.
    Start(oneshot::Sender<SessionInfo>),
    /// Rest. Answered when the browser has ended.
    Stop(oneshot::Sender<SessionInfo>),
    /// Close and open. Answered when the browser has ended.
    Restart(oneshot::Sender<SessionInfo>),
    /// Unlink. Answered when the browser has ended.
    LogOut(oneshot::Sender<SessionInfo>),
    /// What to act on, if anything is open.
    Connection(oneshot::Sender<Option<Arc<dyn Connection>>>),
    /// The same for our own housekeeping, which does not keep the session from sleeping.
    Peek(oneshot::Sender<Option<Arc<dyn Connection>>>),
    /// The last reasons, newest first.
    Reasons(oneshot::Sender<Vec<PastReason>>),
    /// Choose otherwise for it. Answered when that is stored.
    Choose(Change, oneshot::Sender<Result<SessionInfo, StoreError>>),
    /// Close it and keep it closed.
    Hold {
        /// Why.
        reason: Reason,
        /// Answered when nothing is open.
        granted: oneshot::Sender<()>,
        /// It may be opened again when this ends, however it does.
        released: oneshot::Receiver<()>,
    },
    /// End the session for good; the task ends with it.
    End {
        /// Leave the login on disk and linked.
        keep_login: bool,
        /// Answered when nothing is left.
        done: oneshot::Sender<()>,
    },
    /// The program is ending: close, keep the login and that it is meant to run.
    Shutdown(oneshot::Sender<()>),
}

/// What ran beside the task, and how it ended.
enum Report {
    /// It is this session's turn to start its browser.
    ItsTurn,
    Opened(Result<Opened, DriverError>),
    /// Whether all that ran has ended.
    Closed(bool),
    LoggedOut(Result<(), DriverError>),
    /// Whoever held it closed is done.
    Released,
    Sampled(Option<Resources>),
    /// A look, and how many link events had been seen when it began.
    Looked(Result<Evidence, DriverError>, u64),
    CleanUp {
        generation: u64,
    },
}

/// What a session shares with its manager.
pub(crate) struct Context {
    pub(crate) driver: Arc<dyn Driver>,
    pub(crate) store: Store,
    /// Held while a browser starts.
    pub(crate) launches: Arc<Semaphore>,
    pub(crate) deadlines: Deadlines,
    pub(crate) cleanup_after_logout: Option<Duration>,
    /// For what is not chosen for a session.
    pub(crate) care: Care,
    pub(crate) records: Records,
    pub(crate) media: MediaStore,
    /// Of sessions that have none of their own.
    pub(crate) pace: Pace,
    /// For those in this program who want to know how things stand.
    pub(crate) bus: broadcast::Sender<Signal>,
    /// Sessions to be removed, for the manager.
    pub(crate) removals: mpsc::UnboundedSender<SessionId>,
    pub(crate) opt_outs: OptOuts,
}

pub(crate) struct Actor {
    id: SessionId,
    login: StoredLogin,
    context: Arc<Context>,
    machine: Machine,
    info: watch::Sender<SessionInfo>,
    outbox: mpsc::UnboundedSender<outbox::Input>,
    /// How much there is to send; none once nobody tells any more.
    load: watch::Receiver<Load>,
    load_told: bool,
    commands: mpsc::Receiver<Command>,
    reports: mpsc::UnboundedReceiver<Report>,
    report: mpsc::UnboundedSender<Report>,
    connection: Option<Arc<dyn Connection>>,
    events: Option<mpsc::Receiver<DriverEvent>>,
    /// Ends the wait for a turn to launch.
    impatience: CancellationToken,
    deadline: Option<Instant>,
    prompt: Option<Prompt>,
    qr_serial: u64,
    looking: bool,
    misses: u32,
    links_seen: u64,
    reasons: VecDeque<PastReason>,
    teller: StatusTeller,
    stored: (bool, bool),
    waiting: Vec<oneshot::Sender<SessionInfo>>,
    ending: Option<Ending>,
    /// Told when nothing is open any more.
    holding: Option<oneshot::Sender<()>>,
    watch: Watch,
    /// To be taken before the browser of a failure is closed.
    last_look: Option<LastLook>,
    /// Others start their browsers first.
    queued: bool,
    /// What ran before may not have ended: it may still have the profile open.
    unclean: bool,
}

enum Ending {
    Removed(oneshot::Sender<()>),
    Shutdown(oneshot::Sender<()>),
}

/// What the task is made from.
pub(crate) struct Parts {
    pub(crate) id: SessionId,
    pub(crate) login: StoredLogin,
    pub(crate) context: Arc<Context>,
    pub(crate) linked: bool,
    pub(crate) wanted: bool,
    pub(crate) info: watch::Sender<SessionInfo>,
    pub(crate) outbox: mpsc::UnboundedSender<outbox::Input>,
    pub(crate) load: watch::Receiver<Load>,
    pub(crate) commands: mpsc::Receiver<Command>,
}

impl Actor {
    pub(crate) fn new(parts: Parts) -> Self {
        let (report, reports) = mpsc::unbounded_channel();
        let machine = Machine::new(parts.context.deadlines, parts.linked, parts.wanted);
        Self {
            id: parts.id,
            login: parts.login,
            context: parts.context,
            machine,
            info: parts.info,
            outbox: parts.outbox,
            load: parts.load,
            load_told: true,
            commands: parts.commands,
            reports,
            report,
            connection: None,
            events: None,
            impatience: CancellationToken::new(),
            deadline: None,
            prompt: None,
            qr_serial: 0,
            looking: false,
            misses: 0,
            links_seen: 0,
            reasons: VecDeque::new(),
            teller: StatusTeller::default(),
            stored: (parts.linked, parts.wanted),
            waiting: Vec::new(),
            ending: None,
            holding: None,
            watch: Watch::new(),
            last_look: None,
            queued: false,
            unclean: false,
        }
    }

    /// Runs until the session is removed or the program ends.
    pub(crate) async fn run(mut self) {
        let every = self.context.deadlines.heartbeat;
        let mut heartbeat = interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.rest().await;
            tokio::select! {
                // What happened comes before what is reported and asked, so that a look that
                // ended after an event is never handled before it.
                biased;
                event = next_event(&mut self.events) => self.driver_event(event).await,
                Some(report) = self.reports.recv() => self.reported(report).await,
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command).await,
                    // The manager is gone without a word: close, keep the login.
                    None if self.ending.is_none() => {
                        let (done, _) = oneshot::channel();
                        self.command(Command::Shutdown(done)).await;
                    }
                    None => self.reported_after_hangup().await,
                },
                () = passed(self.deadline) => {
                    self.deadline = None;
                    self.step(Input::DeadlinePassed).await;
                }
                told = self.load.changed(), if self.load_told => {
                    self.load_told = told.is_ok();
                    self.used();
                }
                () = passed(self.watch.alarm) => {}
                _ = heartbeat.tick() => {
                    self.look();
                    self.sample();
                }
            }
            if self.settle() {
                return;
            }
        }
    }

    /// With the command channel closed `select!` would spin on it; wait for what still runs.
    async fn reported_after_hangup(&mut self) {
        tokio::select! {
            biased;
            event = next_event(&mut self.events) => self.driver_event(event).await,
            Some(report) = self.reports.recv() => self.reported(report).await,
        }
    }

    async fn command(&mut self, command: Command) {
        match command {
            // Too late to run again: it is being removed, or everything ends.
            Command::Start(reply) | Command::Restart(reply) if self.ending.is_some() => {
                let _ = reply.send(self.info.borrow().clone());
            }
            Command::Start(reply) => {
                self.used();
                self.step(Input::Start).await;
                // A caller that stopped waiting has still been served; so below.
                let _ = reply.send(self.info.borrow().clone());
            }
            Command::Stop(reply) => {
                self.impatience.cancel();
                self.waiting.push(reply);
                self.step(Input::Stop).await;
            }
            Command::Restart(reply) => {
                self.waiting.push(reply);
                self.step(Input::Restart).await;
            }
            Command::LogOut(reply) => {
                self.impatience.cancel();
                self.waiting.push(reply);
                self.step(Input::LogOut).await;
            }
            Command::Connection(reply) => {
                self.used();
                let _ = reply.send(self.open_connection());
            }
            Command::Peek(reply) => {
                let _ = reply.send(self.open_connection());
            }
            Command::Reasons(reply) => {
                let _ = reply.send(self.reasons.iter().rev().cloned().collect());
            }
            Command::Choose(change, reply) => {
                let _ = reply.send(self.choose(change).await);
            }
            Command::Hold {
                reason,
                granted,
                released,
            } => {
                self.impatience.cancel();
                self.holding = Some(granted);
                self.step(Input::Hold(reason)).await;
                self.beside(async move {
                    // Also an error: whoever held it is gone.
                    let _ = released.await;
                    Report::Released
                });
            }
            Command::End { keep_login, done } => {
                self.ending = Some(Ending::Removed(done));
                self.impatience.cancel();
                let input = if keep_login {
                    Input::Stop
                } else {
                    Input::LogOut
                };
                self.step(input).await;
            }
            Command::Shutdown(done) => {
                self.ending = Some(Ending::Shutdown(done));
                self.impatience.cancel();
                self.step(Input::Stop).await;
            }
        }
    }

    fn open_connection(&self) -> Option<Arc<dyn Connection>> {
        self.connection.clone().filter(|_| !self.is_closing())
    }

    async fn driver_event(&mut self, event: Option<DriverEvent>) {
        match event {
            Some(DriverEvent::Link(link)) => {
                self.links_seen += 1;
                if !matches!(link, LinkState::NeedsLogin) {
                    self.prompt = None;
                }
                self.step(Input::Link(link)).await;
            }
            Some(DriverEvent::Login(prompt)) => {
                // A prompt says by itself that a login is needed.
                if self.machine.phase == Phase::Loading {
                    self.step(Input::Link(LinkState::NeedsLogin)).await;
                }
                self.prompt = Some(self.as_prompt(prompt));
                self.publish();
            }
            // The outbox stores it and tells it, once.
            Some(DriverEvent::Message(message)) => {
                self.used();
                let _ = self.outbox.send(outbox::Input::Appeared(message));
            }
            Some(DriverEvent::Waiting(waiting)) => self.happened(Happening::Waiting(waiting)),
            Some(DriverEvent::Edited(edit)) => self.happened(Happening::Edited(edit)),
            Some(DriverEvent::Revoked(revoke)) => self.happened(Happening::Revoked(revoke)),
            Some(DriverEvent::Reaction(one)) => self.happened(Happening::Reaction(one)),
            Some(DriverEvent::Vote(vote)) => self.happened(Happening::Vote(vote)),
            Some(DriverEvent::Notice(notice)) => self.happened(Happening::Notice(notice)),
            Some(DriverEvent::Call(call)) => self.happened(Happening::Call(call)),
            Some(DriverEvent::Group(notice)) => self.happened(Happening::Group(notice)),
            Some(DriverEvent::Ack(change)) => {
                let _ = self.outbox.send(outbox::Input::Ack(change));
            }
            Some(DriverEvent::SendRefused(refusal)) => {
                let _ = self.outbox.send(outbox::Input::Refused(refusal));
            }
            Some(DriverEvent::Restricted(words)) => {
                let _ = self.outbox.send(outbox::Input::Restricted(words));
            }
            Some(DriverEvent::Reloaded) => {
                self.links_seen += 1;
                self.prompt = None;
                self.misses = 0;
                self.step(Input::Reloaded).await;
            }
            Some(DriverEvent::LoggedOut(reason)) => self.step(Input::LoggedOut(reason)).await,
            // The stream is over; the connection is still to be closed.
            Some(DriverEvent::Closed(DriverClosed::Asked)) => self.events = None,
            Some(DriverEvent::Closed(DriverClosed::Lost(why))) => {
                self.events = None;
                self.step(Input::Lost(why)).await;
            }
            None => {
                self.events = None;
                self.step(Input::Lost("the driver ended without a word".to_owned()))
                    .await;
            }
        }
    }

    async fn reported(&mut self, report: Report) {
        match report {
            Report::ItsTurn => {
                self.queued = false;
                self.publish();
            }
            Report::Opened(Ok(opened)) => {
                self.unclean = false;
                self.connection = Some(opened.connection);
                self.events = Some(opened.events);
                self.misses = 0;
                self.links_seen += 1;
                self.qr_serial = 0;
                self.step(Input::Opened).await;
            }
            Report::Opened(Err(error)) => {
                tracing::warn!(session = %self.id, %error, "could not be opened");
                let (reason, mut again) = as_reason(&error);
                // What we could not end ourselves may still end.
                again |= self.unclean && reason.code == ReasonCode::ProfileInUse;
                self.step(Input::OpenFailed { reason, again }).await;
            }
            Report::Closed(clean) => {
                self.connection = None;
                self.events = None;
                self.unclean = !clean;
                self.forget_resources();
                self.step(Input::Closed).await;
            }
            Report::LoggedOut(Ok(())) => {
                self.step(Input::LoggedOut(LogoutReason::Asked)).await;
            }
            Report::LoggedOut(Err(error)) => {
                tracing::warn!(session = %self.id, %error, "logging out was not confirmed");
                self.step(Input::LogOutFailed).await;
            }
            Report::Released => {
                self.holding = None;
                self.step(Input::Release).await;
            }
            Report::Sampled(taken) => self.sampled(taken).await,
            Report::Looked(result, links_seen) => {
                self.looking = false;
                match result {
                    Ok(evidence) => {
                        self.misses = 0;
                        // An event since then knows better.
                        if links_seen == self.links_seen {
                            self.step(Input::Link(evidence.link)).await;
                        }
                        if evidence.deaf {
                            self.step(Input::Deaf).await;
                        }
                    }
                    Err(error) => {
                        self.misses += 1;
                        tracing::debug!(session = %self.id, %error, misses = self.misses, "no evidence");
                        let misses = self.misses;
                        self.step(Input::NoEvidence { misses }).await;
                    }
                }
            }
            Report::CleanUp { generation } => {
                let remotely = Phase::LoggedOut { remotely: true };
                if self.machine.phase == remotely && self.info.borrow().generation == generation {
                    // The manager is gone when the program ends: then there is nothing to tidy.
                    let _ = self.context.removals.send(self.id.clone());
                }
            }
        }
    }

    async fn step(&mut self, input: Input) {
        let before = self.machine.phase.clone();
        let effects = self
            .machine
            .step(input, Instant::now().into_std(), fastrand::f64());
        if self.machine.phase != before {
            tracing::debug!(session = %self.id, from = ?before, to = ?self.machine.phase, "phase");
        }
        self.last_look = self.last_look(&before);
        self.note().await;
        for effect in effects {
            self.perform(effect).await;
        }
        if let Some(look) = self.last_look.take() {
            // Nothing is closed that it would have to come before.
            tokio::spawn(look);
        }
        self.publish();
        let logged_out = matches!(self.machine.phase, Phase::LoggedOut { remotely: true });
        if logged_out && before != self.machine.phase {
            self.clean_up_later();
        }
    }

    async fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Deadline(within) => {
                self.deadline = within.map(|within| Instant::now() + within);
            }
            Effect::Open => self.launch(),
            Effect::Close => self.close(),
            Effect::Reconnect => {
                let Some(connection) = self.connection.clone() else {
                    return;
                };
                tokio::spawn(async move {
                    // If it fails there is still no evidence, and the next step is taken.
                    if let Err(error) = connection.reconnect().await {
                        tracing::debug!(%error, "reconnect failed");
                    }
                });
            }
            Effect::Reload => {
                let Some(connection) = self.connection.clone() else {
                    return;
                };
                tokio::spawn(async move {
                    // If it fails there is still no evidence, and the next step is taken.
                    if let Err(error) = connection.reload().await {
                        tracing::debug!(%error, "reload failed");
                    }
                });
            }
            Effect::LogOut => {
                let Some(connection) = self.connection.clone() else {
                    return;
                };
                self.beside(async move {
                    let result = timeout(LOG_OUT_WITHIN, connection.log_out()).await;
                    Report::LoggedOut(result.unwrap_or_else(|_| {
                        Err(DriverError::TimedOut {
                            command: "log out",
                            waited_for: "WhatsApp's confirmation".to_owned(),
                            after: LOG_OUT_WITHIN,
                        })
                    }))
                });
            }
            Effect::Forget => {
                match timeout(FORGET_WITHIN, self.context.driver.forget(&self.login)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(session = %self.id, %error, "the login could not be deleted");
                    }
                    Err(_) => {
                        tracing::warn!(session = %self.id, "deleting the login took too long");
                    }
                }
            }
        }
    }

    fn launch(&mut self) {
        self.impatience = CancellationToken::new();
        if self.ending.is_some() {
            self.impatience.cancel();
        }
        self.queued = true;
        let report = self.report.clone();
        let impatience = self.impatience.clone();
        let context = Arc::clone(&self.context);
        let request = OpenRequest {
            login: self.login.clone(),
            options: self.info.borrow().options.clone(),
        };
        self.beside(async move {
            let within = context.deadlines.launch;
            let turn = tokio::select! {
                biased;
                () = impatience.cancelled() => return Report::Opened(Err(DriverError::Closed)),
                turn = timeout(TURN_WITHIN, context.launches.acquire()) => turn,
            };
            let Ok(turn) = turn else {
                let after = TURN_WITHIN;
                return Report::Opened(Err(DriverError::LaunchTimeout { after }));
            };
            // If the task is gone, nobody wants what is opened either.
            let _ = report.send(Report::ItsTurn);
            let result = timeout(within, context.driver.open(request)).await;
            drop(turn);
            Report::Opened(result.unwrap_or(Err(DriverError::LaunchTimeout { after: within })))
        });
    }

    fn close(&mut self) {
        let connection = self.connection.clone();
        let within = self.context.deadlines.close;
        let id = self.id.clone();
        let last_look = self.last_look.take();
        self.beside(async move {
            if let Some(look) = last_look {
                // Bounded by itself.
                look.await;
            }
            let Some(connection) = connection else {
                return Report::Closed(true);
            };
            match timeout(within, connection.close()).await {
                Ok(Ok(())) => return Report::Closed(true),
                Ok(Err(error)) => tracing::warn!(session = %id, %error, "closing failed"),
                Err(_) => tracing::warn!(session = %id, "closing took too long"),
            }
            Report::Closed(false)
        });
    }

    fn look(&mut self) {
        let Some(connection) = self.connection.clone() else {
            return;
        };
        let closing = matches!(self.machine.phase, Phase::Closing { .. });
        if self.looking || closing {
            return;
        }
        self.looking = true;
        let links_seen = self.links_seen;
        self.beside(async move {
            let looked = timeout(LOOK_WITHIN, connection.evidence()).await;
            let looked = looked.unwrap_or_else(|_| {
                Err(DriverError::TimedOut {
                    command: "evidence",
                    waited_for: "any answer".to_owned(),
                    after: LOOK_WITHIN,
                })
            });
            Report::Looked(looked, links_seen)
        });
    }

    fn clean_up_later(&self) {
        let Some(after) = self.context.cleanup_after_logout else {
            return;
        };
        let generation = self.info.borrow().generation;
        self.beside(async move {
            tokio::time::sleep(after).await;
            Report::CleanUp { generation }
        });
    }

    fn beside(&self, work: impl Future<Output = Report> + Send + 'static) {
        let report = self.report.clone();
        tokio::spawn(async move {
            let outcome = work.await;
            // The task is gone only when the session is; an open driver is then dropped here.
            let _ = report.send(outcome);
        });
    }

    /// Writes down what the next start of the program must know.
    async fn note(&mut self) {
        let now = (self.machine.linked, self.machine.wanted);
        if now == self.stored || self.ending.is_some() {
            return;
        }
        match self
            .context
            .store
            .note_session(self.id.clone(), now.0, now.1)
            .await
        {
            Ok(()) => self.stored = now,
            Err(error) => tracing::error!(session = %self.id, %error, "could not be noted"),
        }
    }

    async fn choose(&mut self, change: Change) -> Result<SessionInfo, StoreError> {
        let mut options = self.info.borrow().options.clone();
        (change.0)(&mut options);
        let store = &self.context.store;
        store.note_options(self.id.clone(), &options).await?;
        let changed = self.info.send_if_modified(|info| {
            let changed = info.options != options;
            info.pace = options.pace.unwrap_or(self.context.pace);
            info.options = options;
            info.generation += u64::from(changed);
            changed
        });
        let info = self.info.borrow().clone();
        if changed {
            self.tell(SignalKind::Status(Box::new(info.clone())));
        }
        Ok(info)
    }

    fn publish(&mut self) {
        if self.machine.phase != Phase::AwaitingLogin {
            self.prompt = None;
        }
        let state = self.public_state();
        let mut reason = self.machine.why();
        if let Some(reason) = &mut reason
            && reason.code == ReasonCode::Launching
            && self.queued
        {
            reason.detail =
                "it waits for its turn: browsers are started a few at a time".to_owned();
        }
        let step = self.machine.current_step();
        let me = self.machine.me.clone();
        let linked = self.machine.linked;
        let mut history = None;
        let before = self.info.borrow().clone();
        let changed = self.info.send_if_modified(|info| {
            let same = info.state == state
                && info.reason == reason
                && info.step == step
                && info.me == me
                && info.linked == linked;
            if same {
                return false;
            }
            let now = OffsetDateTime::now_utc();
            let moved = info.state.as_str() != state.as_str();
            if moved {
                info.since = now;
            }
            match &state {
                SessionState::Ready if moved => info.ready_at = Some(now),
                // Whoever was ready under the old login, it was not this one.
                SessionState::AwaitingLogin { .. } => info.ready_at = None,
                state if state.is_settled() => info.ready_at = None,
                _ => {}
            }
            let happened = self.machine.reason.clone();
            if let Some(reason) = happened.filter(|_| moved || info.reason != reason) {
                history = Some(PastReason {
                    at: now,
                    state: state.as_str(),
                    reason,
                });
            }
            info.state = state;
            info.reason = reason;
            info.step = step;
            info.me = me;
            info.linked = linked;
            info.generation += 1;
            true
        });
        if let Some(past) = history {
            tracing::info!(session = %self.id, state = past.state, reason = %past.reason, "session");
            if self.reasons.len() == REASONS_KEPT {
                self.reasons.pop_front();
            }
            self.reasons.push_back(past);
        } else if changed {
            tracing::debug!(session = %self.id, state = %self.info.borrow().state, "session");
        }
        if changed {
            let info = self.info.borrow().clone();
            self.record(&before, &info);
            if let Some(event) = self.teller.tell(&info) {
                // In the store's queue when this returns; so events keep their order.
                let written = self.context.store.tell(self.id.clone(), event);
                let id = self.id.clone();
                tokio::spawn(async move {
                    if let Err(error) = written.await {
                        tracing::error!(session = %id, %error, "a state could not be told");
                    }
                });
            }
            self.tell(SignalKind::Status(Box::new(info)));
        }
    }

    /// Hands on what happened, in the order in which the messages go, so that nothing is told
    /// before the message it is about.
    fn happened(&self, happening: Happening) {
        let _ = self.outbox.send(outbox::Input::Happened(happening));
    }

    fn public_state(&self) -> SessionState {
        let attempt = self.machine.attempt;
        let trying = if attempt > 0 {
            SessionState::Recovering { attempt }
        } else {
            SessionState::Starting
        };
        match &self.machine.phase {
            Phase::Stopped => SessionState::Stopped,
            Phase::Opening | Phase::Loading => trying,
            Phase::AwaitingLogin => SessionState::AwaitingLogin {
                prompt: self.prompt.clone(),
            },
            Phase::Syncing { percent } => SessionState::Syncing { percent: *percent },
            Phase::Ready { .. } => SessionState::Ready,
            Phase::Shaken { .. } | Phase::Waiting => SessionState::Recovering {
                attempt: attempt.max(1),
            },
            Phase::Hibernating { .. } => SessionState::Hibernating,
            Phase::LoggedOut { .. } => SessionState::LoggedOut,
            Phase::Failed => SessionState::Failed,
            Phase::Closing {
                start_after: true, ..
            }
            | Phase::Closing {
                next: Next::Restart,
                ..
            } => SessionState::Starting,
            Phase::Closing { next, .. } => match next {
                Next::Stopped => SessionState::Stopped,
                Next::Hibernate { .. } => SessionState::Hibernating,
                Next::LoggedOut { .. } => SessionState::LoggedOut,
                Next::Failed => SessionState::Failed,
                Next::Retry { .. } | Next::Restart => SessionState::Recovering {
                    attempt: attempt.max(1),
                },
            },
        }
    }

    fn as_prompt(&mut self, prompt: LoginPrompt) -> Prompt {
        let until = |valid_for: Duration| OffsetDateTime::now_utc() + valid_for;
        match prompt {
            LoginPrompt::Qr { text, valid_for } => {
                self.qr_serial += 1;
                Prompt::Qr {
                    text,
                    serial: self.qr_serial,
                    expires_at: until(valid_for),
                }
            }
            LoginPrompt::PairingCode {
                code,
                phone,
                valid_for,
            } => Prompt::PairingCode {
                code,
                phone,
                expires_at: until(valid_for),
            },
        }
    }

    fn tell(&self, kind: SignalKind) {
        // Nobody may be listening.
        let _ = self.context.bus.send(Signal {
            session: self.id.clone(),
            kind,
        });
    }

    /// Answers those who waited for the browser to end. Returns whether the task is over.
    fn settle(&mut self) -> bool {
        if self.machine.is_at_rest()
            && let Some(granted) = self.holding.take()
        {
            // If nobody waits for it any more, its release is on the way.
            let _ = granted.send(());
        }
        if self.machine.is_ending() {
            return false;
        }
        if !self.waiting.is_empty() {
            let info = self.info.borrow().clone();
            for reply in self.waiting.drain(..) {
                let _ = reply.send(info.clone());
            }
        }
        match self.ending.take() {
            Some(Ending::Removed(done)) => {
                self.tell(SignalKind::Removed);
                let _ = done.send(());
                true
            }
            Some(Ending::Shutdown(done)) => {
                let _ = done.send(());
                true
            }
            None => false,
        }
    }
}

/// The next event of what is open; never, if nothing is.
async fn next_event(events: &mut Option<mpsc::Receiver<DriverEvent>>) -> Option<DriverEvent> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Why a session could not be opened, and whether trying again can help.
fn as_reason(error: &DriverError) -> (Reason, bool) {
    let (code, again) = match error {
        DriverError::BrowserNotFound { .. } => (ReasonCode::BrowserNotFound, false),
        DriverError::BrowserNotAllowed { .. } => (ReasonCode::BrowserNotAllowed, false),
        DriverError::NoDisplay => (ReasonCode::NoDisplay, false),
        DriverError::ProfileInUse { .. } => (ReasonCode::ProfileInUse, false),
        DriverError::LaunchFailed { .. } => (ReasonCode::LaunchFailed, true),
        DriverError::LaunchTimeout { .. } => (ReasonCode::LaunchTimeout, true),
        DriverError::PageUnreachable { .. } => (ReasonCode::PageUnreachable, true),
        DriverError::MissingParts { .. } => (ReasonCode::BridgeMissingModules, false),
        DriverError::Storage { .. } => (ReasonCode::StorageFailed, false),
        _ => (ReasonCode::DriverFailed, true),
    };
    (Reason::new(code, error.to_string()), again)
}
