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
//!     └──► Stopped, LoggedOut, Failed; Hibernating ──► Opening when it is needed
//! ```
//!
//! `Closing` publishes the state it leads to, and whoever asked for that state is answered only
//! when the browser has ended. `Shaken` is a session that was ready and has lost its evidence; what
//! is tried against that is in [`ladder`].

mod healing;
pub mod ladder;
mod reasons;
mod rest;
mod words;

use std::time::{Duration, Instant};

pub use ladder::{Step, Tried, Trouble};
pub use words::{Effect, Input, Next, Phase};

pub(crate) use self::reasons::woken;
use self::reasons::{refused, requested};
use super::status::{Reason, ReasonCode};
use crate::driver::{Identity, LinkState, LogoutReason};
use crate::options::Deadlines;

/// How often a session is opened in a row without being ready for [`STEADY`] in between.
pub const MAX_ATTEMPTS: u32 = 10;

/// A session that was ready this long is counted as healthy again.
pub const STEADY: Duration = Duration::from_secs(60);

/// So long ready makes up for one attempt: what breaks now and then and recovers each time is not
/// given up, what breaks as soon as it is ready is.
const MAKES_UP: Duration = Duration::from_secs(6);

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
    /// How many times its browser has been given up since it was last healthy.
    pub attempt: u32,
    /// What was tried since it was last healthy.
    pub tried: Tried,
    /// The harshest step that was tried on this browser since it was last healthy.
    last_step: Option<Step>,
    /// Why it is held closed, if it is.
    held: Option<Reason>,
    /// It is unlinked as soon as it is up: it hibernated when that was asked for.
    log_out_next: bool,
    /// How often its page was loaded anew since it was opened or healthy.
    page_loads: u32,
    /// How far this loading of the chats has come at most.
    furthest: Option<u8>,
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
            tried: Tried::default(),
            last_step: None,
            held: None,
            log_out_next: false,
            page_loads: 0,
            furthest: None,
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
            Input::Reloaded => self.reloaded(now, jitter),
            Input::LoggedOut(reason) => self.logged_out(&reason),
            Input::LogOutFailed => self.log_out_failed(),
            Input::Lost(why) => self.lost(why, now, jitter),
            Input::Closed => self.closed(),
            Input::DeadlinePassed => self.deadline_passed(now, jitter),
            Input::NoEvidence { misses } => self.no_evidence(misses, now, jitter),
            Input::Deaf => self.deaf(now, jitter),
            Input::TooHeavy { reason, relaunch } => self.too_heavy(reason, relaunch, now),
            Input::Hold(reason) => self.hold(reason),
            Input::Release => self.release(),
            Input::Sleep(reason) => self.sleep(reason),
            Input::Wake(reason) => self.wake(reason),
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
                | Phase::Shaken { .. }
        )
    }

    /// Whether nothing is open, and nothing is opening or closing.
    pub fn is_at_rest(&self) -> bool {
        matches!(
            self.phase,
            Phase::Stopped | Phase::Hibernating { .. } | Phase::LoggedOut { .. } | Phase::Failed
        )
    }

    /// Whether something that ends the browser is under way.
    pub fn is_ending(&self) -> bool {
        self.logging_out || self.log_out_next || matches!(self.phase, Phase::Closing { .. })
    }

    fn start(&mut self) -> Vec<Effect> {
        self.wanted = true;
        match &mut self.phase {
            Phase::Stopped | Phase::LoggedOut { .. } | Phase::Failed => {
                self.begin_anew();
                self.reason = None;
                self.open()
            }
            // Asked by a person: do not make them wait for the pause to end.
            Phase::Waiting => self.open(),
            Phase::Hibernating { .. } => self.wake(reasons::woken("it was started")),
            Phase::Closing { start_after, .. } => {
                *start_after = true;
                vec![]
            }
            _ => vec![],
        }
    }

    fn open(&mut self) -> Vec<Effect> {
        if let Some(reason) = &self.held {
            self.reason = Some(reason.clone());
            self.phase = Phase::Hibernating { open_again: true };
            return vec![Effect::Deadline(None)];
        }
        self.phase = Phase::Opening;
        self.page_loads = 0;
        self.last_step = None;
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
            Phase::Waiting | Phase::Hibernating { .. } => {
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
            Phase::Stopped
            | Phase::LoggedOut { .. }
            | Phase::Failed
            | Phase::Waiting
            | Phase::Hibernating { .. } => self.start(),
            Phase::Closing { .. } => {
                self.start();
                vec![]
            }
            _ => {
                self.begin_anew();
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
            // The phone is to know of it, so it is brought up for that.
            Phase::Hibernating { .. } if self.linked => {
                self.log_out_next = true;
                self.wake(asked)
            }
            Phase::Hibernating { .. } => {
                self.rest(Phase::LoggedOut { remotely: false });
                self.reason = Some(asked);
                vec![Effect::Deadline(None), Effect::Forget]
            }
            Phase::Closing { .. } => {
                self.close_towards(Next::LoggedOut { remotely: false }, asked);
                vec![]
            }
            Phase::Ready { .. } | Phase::Syncing { .. } | Phase::Shaken { .. }
                if !self.logging_out =>
            {
                self.logging_out = true;
                vec![Effect::LogOut]
            }
            _ if self.logging_out || self.log_out_next => vec![],
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
                let (next, reason) = self.retry_or_fail(reason, jitter);
                self.close_towards(next, reason);
                self.closed()
            }
            Phase::Opening => {
                self.close_towards(Next::Failed, reason);
                self.closed()
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
                if std::mem::take(&mut self.log_out_next) {
                    self.logging_out = true;
                    return vec![Effect::Deadline(None), Effect::LogOut];
                }
                vec![Effect::Deadline(None)]
            }
            LinkState::Pairing => self.syncing(None),
            LinkState::Syncing { percent } => self.syncing(percent),
            LinkState::NeedsLogin => match self.phase {
                Phase::AwaitingLogin => vec![],
                // It was linked a moment ago: somebody removed the device.
                _ if self.was_ready => self.logged_out(&LogoutReason::Remote(None)),
                _ => {
                    if self.log_out_next {
                        return self.close(Next::LoggedOut { remotely: false }, requested());
                    }
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
        let began = !matches!(self.phase, Phase::Syncing { .. });
        self.phase = fresh;
        if !began && percent <= self.furthest {
            // Going back and forth is no progress, and must not last for ever.
            return vec![];
        }
        self.furthest = percent;
        // Each progress gives it the whole time again.
        vec![Effect::Deadline(Some(self.deadlines.sync))]
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

    fn close(&mut self, next: Next, reason: Reason) -> Vec<Effect> {
        let opening = matches!(self.phase, Phase::Opening);
        self.close_towards(next, reason);
        if opening {
            // `opened` closes it: before that there is nothing to close.
            vec![Effect::Deadline(None)]
        } else {
            vec![Effect::Deadline(None), Effect::Close]
        }
    }

    fn close_towards(&mut self, next: Next, reason: Reason) {
        let (next, reason) = self.unless_logging_out(next, reason);
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
            Next::Retry { .. } | Next::Hibernate { .. } if start_after => return self.open(),
            Next::Retry { pause } if pause.is_zero() => return self.open(),
            Next::Hibernate { open_again } => {
                self.phase = Phase::Hibernating { open_again };
                self.was_ready = false;
                return vec![Effect::Deadline(None)];
            }
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
        self.log_out_next = false;
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
    ladder::spread(base, jitter)
}

#[cfg(test)]
mod tests;
