//! The life of a session as a table: what happened in which phase leads where, and what is to be
//! done. Plain code without tokio, clocks or I/O; the session's task feeds it and obeys it.
//!
//! ```text
//!            start                opened              needs login
//!  Stopped ────────► Opening ─────────────► Loading ─────────────► AwaitingLogin
//!     ▲                 ▲                    │    ▲                     │ phone accepts
//!     │ closed          │ backoff over       │    │ reload              ▼
//!  Closing(next) ◄──────┼── any fault ◄──────┴────┼────────────────► Syncing
//!     │                 │                         │                     │ ready
//!     └──► Waiting ─────┘                         └──── Shaken ◄────► Ready
//!     └──► Stopped, LoggedOut, Failed
//! ```
//!
//! `Closing` publishes the state it leads to, and whoever asked for that state is answered only
//! when the browser has ended. `Shaken` is a session that was ready and has lost its evidence.

mod words;

use std::time::{Duration, Instant};

pub use words::{Effect, Input, Next, Phase};

use super::status::{Reason, ReasonCode};
use crate::driver::{Identity, LinkState, LogoutReason, Refusal};
use crate::options::Deadlines;

/// How often a session is opened in a row without being ready for [`STEADY`] in between.
pub const MAX_ATTEMPTS: u32 = 6;

/// A session that was ready this long is counted as healthy again.
pub const STEADY: Duration = Duration::from_secs(60);

/// So long ready makes up for one attempt: what breaks now and then and recovers each time is not
/// given up, what breaks as soon as it is ready is.
const MAKES_UP: Duration = Duration::from_secs(6);

/// So many looks without an answer, and the page is loaded anew.
const MISSES_TO_RELOAD: u32 = 3;

/// So many, and the browser is started anew: it did not even manage the reload.
const MISSES_TO_RELAUNCH: u32 = 5;

/// One session's table.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where it is.
    pub phase: Phase,
    /// Whether a phone was linked the last time anything was known.
    pub linked: bool,
    /// Whether it is meant to run: what is done again at the next start of the program.
    pub wanted: bool,
    /// Why it is where it is.
    pub reason: Option<Reason>,
    /// The account, once known.
    pub me: Option<Identity>,
    /// How many times it has been opened or reloaded since it was last healthy.
    pub attempt: u32,
    /// Whether it has been ready since it was opened.
    was_ready: bool,
    /// Whether the unlinking that is under way was asked for by us.
    logging_out: bool,
    deadlines: Deadlines,
}

impl Machine {
    /// A session at rest.
    pub fn new(deadlines: Deadlines, linked: bool, wanted: bool) -> Self {
        Self {
            phase: Phase::Stopped,
            linked,
            wanted,
            reason: None,
            me: None,
            attempt: 0,
            was_ready: false,
            logging_out: false,
            deadlines,
        }
    }

    /// Takes one step. `now` is only compared with earlier values of itself; `jitter` in 0..1
    /// spreads the pauses of sessions that fail together.
    pub fn step(&mut self, input: Input, now: Instant, jitter: f64) -> Vec<Effect> {
        match input {
            Input::Start => self.start(),
            Input::Stop => self.stop(),
            Input::Restart => self.restart(),
            Input::LogOut => self.log_out(),
            Input::Opened => self.opened(),
            Input::OpenFailed { reason, again } => self.open_failed(reason, again, jitter),
            Input::Link(link) => self.link(link, now),
            Input::Reloaded => self.reloaded(now),
            Input::LoggedOut(reason) => self.logged_out(&reason),
            Input::LogOutFailed => self.log_out_failed(),
            Input::Lost(why) => self.lost(why, now, jitter),
            Input::Closed => self.closed(),
            Input::DeadlinePassed => self.deadline_passed(jitter),
            Input::NoEvidence { misses } => self.no_evidence(misses, now, jitter),
        }
    }

    /// Whether the driver is open and nothing is closing it.
    fn is_open(&self) -> bool {
        matches!(
            self.phase,
            Phase::Loading
                | Phase::AwaitingLogin
                | Phase::Syncing { .. }
                | Phase::Ready { .. }
                | Phase::Shaken
        )
    }

    /// Whether something that ends the browser is under way.
    pub fn is_ending(&self) -> bool {
        self.logging_out || matches!(self.phase, Phase::Closing { .. })
    }

    fn start(&mut self) -> Vec<Effect> {
        self.wanted = true;
        match &mut self.phase {
            Phase::Stopped | Phase::LoggedOut { .. } | Phase::Failed => {
                self.attempt = 0;
                self.reason = None;
                self.open()
            }
            // Asked by a person: do not make them wait for the pause to end.
            Phase::Waiting => self.open(),
            Phase::Closing { start_after, .. } => {
                *start_after = true;
                vec![]
            }
            _ => vec![],
        }
    }

    fn open(&mut self) -> Vec<Effect> {
        self.phase = Phase::Opening;
        self.was_ready = false;
        self.logging_out = false;
        // The driver's own deadline runs from when it is this session's turn to start.
        vec![Effect::Deadline(None), Effect::Open]
    }

    fn stop(&mut self) -> Vec<Effect> {
        self.wanted = false;
        match self.phase {
            Phase::Stopped | Phase::LoggedOut { .. } | Phase::Failed => {
                if matches!(self.phase, Phase::Failed) {
                    self.rest(Phase::Stopped);
                }
                vec![]
            }
            Phase::Waiting => {
                self.rest(Phase::Stopped);
                vec![Effect::Deadline(None)]
            }
            Phase::Closing {
                next: next @ (Next::LoggedOut { .. } | Next::Failed),
                ..
            } => {
                self.phase = Phase::Closing {
                    next,
                    start_after: false,
                };
                vec![]
            }
            Phase::Closing { .. } => {
                self.close_towards(Next::Stopped, requested());
                vec![]
            }
            _ => self.close(Next::Stopped, requested()),
        }
    }

    fn restart(&mut self) -> Vec<Effect> {
        self.wanted = true;
        match self.phase {
            Phase::Stopped | Phase::LoggedOut { .. } | Phase::Failed | Phase::Waiting => {
                self.start()
            }
            Phase::Closing { .. } => {
                self.start();
                vec![]
            }
            _ => {
                self.attempt = 0;
                self.close(Next::Restart, requested())
            }
        }
    }

    fn log_out(&mut self) -> Vec<Effect> {
        self.wanted = false;
        let asked = Reason::new(ReasonCode::LogoutRequested, "logged out on request");
        match self.phase {
            // Nothing of ours can reach the phone now, but the login must not be used again.
            Phase::Stopped | Phase::Waiting | Phase::LoggedOut { .. } | Phase::Failed => {
                self.linked = false;
                self.me = None;
                self.reason = Some(asked);
                self.phase = Phase::LoggedOut { remotely: false };
                vec![Effect::Deadline(None), Effect::Forget]
            }
            Phase::Closing { .. } => {
                self.close_towards(Next::LoggedOut { remotely: false }, asked);
                vec![]
            }
            Phase::Ready { .. } | Phase::Syncing { .. } | Phase::Shaken if !self.logging_out => {
                self.logging_out = true;
                vec![Effect::LogOut]
            }
            _ if self.logging_out => vec![],
            _ => self.close(Next::LoggedOut { remotely: false }, asked),
        }
    }

    fn opened(&mut self) -> Vec<Effect> {
        match self.phase {
            Phase::Opening => {
                self.phase = Phase::Loading;
                vec![Effect::Deadline(Some(self.deadlines.page))]
            }
            // It was stopped while it was opening.
            Phase::Closing { .. } => vec![Effect::Close],
            _ => vec![],
        }
    }

    fn open_failed(&mut self, reason: Reason, again: bool, jitter: f64) -> Vec<Effect> {
        match self.phase {
            Phase::Opening if again => {
                self.phase = Phase::Closing {
                    next: self.retry_or_fail(jitter),
                    start_after: false,
                };
                self.reason = Some(reason);
                self.closed()
            }
            Phase::Opening => {
                self.reason = Some(reason);
                self.phase = Phase::Failed;
                vec![Effect::Deadline(None)]
            }
            // It was stopped while it was opening: there is nothing left to close.
            Phase::Closing { .. } => self.closed(),
            _ => vec![],
        }
    }

    fn link(&mut self, link: LinkState, now: Instant) -> Vec<Effect> {
        if !self.is_open() || self.logging_out {
            return vec![];
        }
        match link {
            LinkState::Ready(me) => {
                self.me = Some(me);
                self.linked = true;
                if matches!(self.phase, Phase::Ready { .. }) {
                    return vec![];
                }
                self.was_ready = true;
                self.reason = None;
                self.phase = Phase::Ready { since: now };
                vec![Effect::Deadline(None)]
            }
            LinkState::Pairing => self.syncing(None),
            LinkState::Syncing { percent } => self.syncing(percent),
            LinkState::NeedsLogin => match self.phase {
                Phase::AwaitingLogin => vec![],
                // It was linked a moment ago: somebody removed the device.
                _ if self.was_ready => self.logged_out(&LogoutReason::Remote(None)),
                _ => {
                    self.linked = false;
                    self.me = None;
                    self.reason = None;
                    self.phase = Phase::AwaitingLogin;
                    vec![Effect::Deadline(Some(self.deadlines.login))]
                }
            },
            LinkState::Connecting | LinkState::Offline => self.unlinked(
                Reason::new(ReasonCode::Offline, "WhatsApp cannot be reached"),
                now,
            ),
            LinkState::Conflict => self.close(
                Next::Failed,
                Reason::new(
                    ReasonCode::Conflict,
                    "another browser has taken this session over",
                ),
            ),
            LinkState::Refused(refusal) => self.close(Next::Failed, refused(refusal)),
        }
    }

    fn syncing(&mut self, percent: Option<u8>) -> Vec<Effect> {
        let fresh = Phase::Syncing { percent };
        if self.phase == fresh {
            return vec![];
        }
        self.linked = true;
        self.phase = fresh;
        // Each progress gives it the whole time again.
        vec![Effect::Deadline(Some(self.deadlines.sync))]
    }

    /// The page cannot reach WhatsApp. Only a session that was ready has lost anything by it.
    fn unlinked(&mut self, reason: Reason, now: Instant) -> Vec<Effect> {
        match self.phase {
            Phase::Ready { since } => {
                self.forgive(since, now);
                self.attempt += 1;
                self.reason = Some(reason);
                self.phase = Phase::Shaken;
                vec![Effect::Deadline(Some(self.deadlines.offline))]
            }
            _ => vec![],
        }
    }

    fn reloaded(&mut self, now: Instant) -> Vec<Effect> {
        if !self.is_open() || self.logging_out {
            return vec![];
        }
        if let Phase::Ready { since } = self.phase {
            self.forgive(since, now);
        }
        if self.linked && self.reason.is_none() {
            self.reason = Some(Reason::new(
                ReasonCode::PageReloaded,
                "the page was loaded anew",
            ));
        }
        self.phase = if self.was_ready {
            Phase::Shaken
        } else {
            Phase::Loading
        };
        vec![Effect::Deadline(Some(self.deadlines.page))]
    }

    fn logged_out(&mut self, reason: &LogoutReason) -> Vec<Effect> {
        let (remotely, told) = match reason {
            LogoutReason::Remote(why) if !self.logging_out => {
                let why = why
                    .as_deref()
                    .map(|w| format!(" ({w})"))
                    .unwrap_or_default();
                (
                    true,
                    Reason::new(
                        ReasonCode::LoggedOutRemotely,
                        format!("the device was removed on the phone or by WhatsApp{why}"),
                    ),
                )
            }
            _ => (
                false,
                Reason::new(ReasonCode::LogoutRequested, "logged out on request"),
            ),
        };
        if !self.is_open() {
            return vec![];
        }
        self.wanted = false;
        self.close(Next::LoggedOut { remotely }, told)
    }

    fn log_out_failed(&mut self) -> Vec<Effect> {
        if !self.is_open() || !self.logging_out {
            return vec![];
        }
        self.close(
            Next::LoggedOut { remotely: false },
            Reason::new(
                ReasonCode::LogoutRequested,
                "logged out on request; WhatsApp did not confirm it, so remove the device on the phone too",
            ),
        )
    }

    fn lost(&mut self, why: String, now: Instant, jitter: f64) -> Vec<Effect> {
        let reason = Reason::new(ReasonCode::BrowserCrashed, why);
        match self.phase {
            // The close that is under way ends in its own time.
            Phase::Closing { .. } => vec![],
            _ if self.logging_out => self.close(Next::LoggedOut { remotely: false }, reason),
            _ if self.is_open() => self.give_up_this_one(reason, now, jitter),
            _ => vec![],
        }
    }

    fn deadline_passed(&mut self, jitter: f64) -> Vec<Effect> {
        let seconds = |d: Duration| d.as_secs();
        match self.phase {
            Phase::Waiting => self.open(),
            Phase::Loading => {
                let reason = Reason::new(
                    ReasonCode::PageUnreachable,
                    format!(
                        "the page did not say where it stands within {} s",
                        seconds(self.deadlines.page)
                    ),
                );
                let next = self.retry_or_fail(jitter);
                self.close(next, reason)
            }
            Phase::AwaitingLogin => {
                self.wanted = false;
                self.close(
                    Next::Failed,
                    Reason::new(
                        ReasonCode::LoginTimeout,
                        format!(
                            "nobody logged in within {} s",
                            seconds(self.deadlines.login)
                        ),
                    ),
                )
            }
            Phase::Syncing { .. } => {
                let reason = Reason::new(
                    ReasonCode::SyncTimeout,
                    format!(
                        "the chats were not loaded within {} s of the last progress",
                        seconds(self.deadlines.sync)
                    ),
                );
                let next = self.retry_or_fail(jitter);
                self.close(next, reason)
            }
            Phase::Shaken => {
                let reason = self.reason.clone().unwrap_or_else(|| {
                    Reason::new(ReasonCode::Offline, "WhatsApp cannot be reached")
                });
                let next = self.retry_or_fail(jitter);
                self.close(next, reason)
            }
            _ => vec![],
        }
    }

    fn no_evidence(&mut self, misses: u32, now: Instant, jitter: f64) -> Vec<Effect> {
        if !self.is_open() || self.logging_out {
            return vec![];
        }
        let reason = Reason::new(
            ReasonCode::PageStalled,
            format!("the page did not answer {misses} times in a row"),
        );
        if misses >= MISSES_TO_RELAUNCH {
            return self.give_up_this_one(reason, now, jitter);
        }
        if misses == MISSES_TO_RELOAD {
            self.unlinked(reason.clone(), now);
            self.reason = Some(reason);
            return vec![Effect::Reload, Effect::Deadline(Some(self.deadlines.page))];
        }
        vec![]
    }

    /// Closes what runs and opens it again, or gives up.
    fn give_up_this_one(&mut self, reason: Reason, now: Instant, jitter: f64) -> Vec<Effect> {
        if let Phase::Ready { since } = self.phase {
            self.forgive(since, now);
        }
        let next = self.retry_or_fail(jitter);
        self.close(next, reason)
    }

    /// Forgets earlier attempts, the more the longer a session was ready.
    fn forgive(&mut self, since: Instant, now: Instant) {
        self.attempt = forgiven(self.attempt, now.saturating_duration_since(since));
    }

    fn retry_or_fail(&mut self, jitter: f64) -> Next {
        self.attempt += 1;
        if self.attempt >= MAX_ATTEMPTS {
            return Next::Failed;
        }
        Next::Retry {
            pause: pause(self.attempt, jitter),
        }
    }

    fn close(&mut self, next: Next, reason: Reason) -> Vec<Effect> {
        let opening = matches!(self.phase, Phase::Opening);
        self.phase = Phase::Closing {
            next,
            start_after: false,
        };
        self.close_towards(next, reason);
        if opening {
            // `opened` closes it: before that there is nothing to close.
            vec![Effect::Deadline(None)]
        } else {
            vec![Effect::Deadline(None), Effect::Close]
        }
    }

    fn close_towards(&mut self, next: Next, reason: Reason) {
        self.phase = Phase::Closing {
            next,
            start_after: false,
        };
        if let Next::LoggedOut { .. } = next {
            self.linked = false;
            self.me = None;
        }
        self.reason = Some(reason);
    }

    fn closed(&mut self) -> Vec<Effect> {
        let Phase::Closing { next, start_after } = self.phase else {
            return vec![];
        };
        self.logging_out = false;
        let mut effects = vec![];
        match next {
            Next::Restart => return self.open(),
            Next::Retry { .. } if start_after => return self.open(),
            Next::Retry { pause } => {
                self.phase = Phase::Waiting;
                return vec![Effect::Deadline(Some(pause))];
            }
            Next::Stopped => self.rest(Phase::Stopped),
            Next::Failed => self.rest(Phase::Failed),
            Next::LoggedOut { remotely } => {
                self.rest(Phase::LoggedOut { remotely });
                effects.push(Effect::Forget);
            }
        }
        if start_after {
            effects.extend(self.start());
        } else {
            effects.push(Effect::Deadline(None));
        }
        effects
    }

    fn rest(&mut self, phase: Phase) {
        if phase == Phase::Stopped {
            self.reason = Some(requested());
        }
        self.phase = phase;
        self.was_ready = false;
    }
}

/// How many of `attempt` attempts still count after the session was ready for so long.
pub fn forgiven(attempt: u32, ready_for: Duration) -> u32 {
    if ready_for >= STEADY {
        return 0;
    }
    let made_up = ready_for.as_secs() / MAKES_UP.as_secs();
    attempt.saturating_sub(u32::try_from(made_up).unwrap_or(u32::MAX))
}

/// The pause before attempt `attempt` + 1: 1 s doubling to 60 s, 20 % either way.
pub fn pause(attempt: u32, jitter: f64) -> Duration {
    let base = 2f64.powi(attempt.saturating_sub(1).min(6) as i32).min(60.0);
    Duration::from_secs_f64(base * (0.8 + 0.4 * jitter.clamp(0.0, 1.0)))
}

fn requested() -> Reason {
    Reason::new(ReasonCode::Requested, "stopped on request")
}

fn refused(refusal: Refusal) -> Reason {
    let (code, detail) = match refusal {
        Refusal::UnsupportedBrowser => (
            ReasonCode::UnsupportedBrowser,
            "the page says that this browser is not supported",
        ),
        Refusal::OutdatedBuild => (
            ReasonCode::OutdatedBuild,
            "WhatsApp says that this page's build is too old",
        ),
        Refusal::TermsOfService => (
            ReasonCode::TermsOfService,
            "WhatsApp asks the owner to accept its terms, or has restricted the account",
        ),
        Refusal::BlockedNetwork => (
            ReasonCode::BlockedNetwork,
            "WhatsApp is blocked from this network",
        ),
        Refusal::MissingParts => (
            ReasonCode::BridgeMissingModules,
            "the page has not all the parts that a session needs; see the self-test",
        ),
        Refusal::PasskeyRequired => (
            ReasonCode::PasskeyRequired,
            "WhatsApp asks for the account's passkey",
        ),
    };
    Reason::new(code, detail)
}

#[cfg(test)]
mod tests;
