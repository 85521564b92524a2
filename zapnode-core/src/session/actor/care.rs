//! What the session's task does besides obeying its table: it watches what the session takes and
//! how long it was quiet, and keeps what a later look needs to see why something went wrong.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, timeout};

use super::{Actor, Report};
use crate::driver::{Connection, DriverError, Resources};
use crate::options::Care;
use crate::session::failure::{LastFailure, severity};
use crate::session::hibernate::{Advice, Doing, advise};
use crate::session::history::transition;
use crate::session::machine::{Input, Phase, Trouble, woken};
use crate::session::resources::{MemoryWatch, Remedy, SAMPLE_EVERY, usage};
use crate::session::status::{Reason, ReasonCode, SessionInfo};

/// How long a failing page may take to be drawn.
const LAST_PICTURE: Duration = Duration::from_secs(5);

/// How long a look at what it takes may last.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

/// Takes the picture of a failure and writes everything down.
pub(super) type LastLook = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is remembered for it.
pub(super) struct Watch {
    memory: MemoryWatch,
    /// The last look at what it takes.
    taken: Option<(Resources, Instant)>,
    sampling: bool,
    /// When it was last used.
    used: Instant,
    /// When it fell asleep.
    asleep: Option<Instant>,
    /// It was woken on schedule and not used since.
    looking: bool,
    /// When to think again about sleeping or waking.
    pub(super) alarm: Option<Instant>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self {
            memory: MemoryWatch::default(),
            taken: None,
            sampling: false,
            used: Instant::now(),
            asleep: None,
            looking: false,
            alarm: None,
        }
    }
}

impl Actor {
    fn care(&self) -> Care {
        self.info.borrow().options.care.or(self.context.care)
    }

    /// Somebody needs the session.
    pub(super) fn used(&mut self) {
        self.watch.used = Instant::now();
        self.watch.looking = false;
    }

    /// Sleeps or wakes if that is best now.
    pub(super) async fn rest(&mut self) {
        let now = Instant::now();
        let load = *self.load.borrow();
        let doing = match self.machine.phase {
            Phase::Ready { .. } => Doing::Ready {
                quiet: now.saturating_duration_since(self.watch.used),
                looking: self.watch.looking,
            },
            Phase::Hibernating { .. } => Doing::Asleep {
                since: now.saturating_duration_since(*self.watch.asleep.get_or_insert(now)),
            },
            _ => Doing::Else,
        };
        if !matches!(doing, Doing::Asleep { .. }) {
            self.watch.asleep = None;
        }
        let due = load
            .due
            .map(|due| Duration::try_from(due - OffsetDateTime::now_utc()).unwrap_or_default());
        self.watch.alarm = None;
        match advise(&self.care(), doing, &load, due) {
            Advice::Nothing => {}
            Advice::Again(after) => self.watch.alarm = Some(now + after),
            Advice::Sleep => {
                let why = Reason::new(ReasonCode::Idle, "nobody used it for a while");
                self.step(Input::Sleep(why)).await;
            }
            Advice::Wake { why, look } => {
                self.watch.used = now;
                self.watch.looking = look;
                self.step(Input::Wake(woken(why))).await;
            }
        }
    }

    /// Looks at what it takes of the machine, now and then.
    pub(super) fn sample(&mut self) {
        let Some(connection) = self.connection.clone() else {
            self.watch.taken = None;
            return;
        };
        let recent = self
            .watch
            .taken
            .is_some_and(|(_, at)| at.elapsed() < SAMPLE_EVERY);
        if recent || self.watch.sampling || self.is_closing() {
            return;
        }
        self.watch.sampling = true;
        self.beside(async move {
            let taken = timeout(LOOK_WITHIN, connection.resources()).await;
            Report::Sampled(taken.ok().and_then(Result::ok))
        });
    }

    pub(super) async fn sampled(&mut self, taken: Option<Resources>) {
        self.watch.sampling = false;
        // It may have been closed meanwhile.
        let Some(taken) = taken.filter(|_| self.connection.is_some()) else {
            self.forget_resources();
            return;
        };
        let now = Instant::now();
        let before = self.watch.taken.replace((taken, now));
        let before = before.as_ref().map(|(before, at)| (before, now - *at));
        let usage = usage(&taken, before, OffsetDateTime::now_utc());
        // No news for those who follow the session's state.
        self.info.send_if_modified(|info| {
            info.resources = Some(usage);
            false
        });
        let quiet = now.saturating_duration_since(self.watch.used);
        let busy = self.load.borrow().waiting > 0;
        let judged =
            self.watch
                .memory
                .judge(&self.care(), usage.memory_mb, quiet, busy, now.into_std());
        if let Some((remedy, reason)) = judged {
            let relaunch = remedy == Remedy::Relaunch;
            self.step(Input::TooHeavy { reason, relaunch }).await;
        }
    }

    /// Nothing runs that would take anything.
    pub(super) fn forget_resources(&mut self) {
        self.watch.taken = None;
        self.info.send_if_modified(|info| {
            info.resources = None;
            false
        });
    }

    pub(super) fn is_closing(&self) -> bool {
        matches!(self.machine.phase, Phase::Closing { .. })
    }

    /// Writes down where it went, in the background.
    pub(super) fn record(&self, before: &SessionInfo, after: &SessionInfo) {
        let Some(transition) = transition(before, after) else {
            return;
        };
        let write = self
            .context
            .store
            .add_transition(self.id.clone(), transition);
        let session = self.id.clone();
        tokio::spawn(async move {
            if let Err(error) = write.await {
                tracing::warn!(%session, %error, "a transition was not written down");
            }
        });
    }

    /// If the step from `before` is a failure: what keeps it for later.
    pub(super) fn last_look(&self, before: &Phase) -> Option<LastLook> {
        let after = &self.machine.phase;
        if severity(after) <= severity(before) {
            return None;
        }
        let reason = self.machine.reason.clone()?;
        let connection = self.connection.clone();
        let silent = matches!(
            after,
            Phase::Shaken {
                trouble: Trouble::Silent,
                ..
            }
        );
        let gone = self.events.is_none() || reason.code == ReasonCode::PageStalled;
        let to_draw = connection.clone().filter(|_| !silent && !gone);
        let failure = LastFailure {
            at: crate::store::now(),
            state: self.public_state().as_str().to_owned(),
            code: reason.code.as_str().to_owned(),
            detail: reason.detail,
            tried: self.machine.tried.list(),
            console_tail: connection.map(|c| c.last_words()).unwrap_or_default(),
            has_screenshot: false,
        };
        let (records, session) = (self.context.records.clone(), self.id.clone());
        Some(Box::pin(async move {
            let picture = picture(to_draw).await;
            let failure = LastFailure {
                has_screenshot: picture.is_some(),
                ..failure
            };
            // Not waited for: whoever comes next may go on.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = records.write(&session, &failure, picture.as_deref()) {
                    tracing::warn!(%session, %error, "the failure was not written down");
                }
            });
        }))
    }
}

async fn picture(connection: Option<Arc<dyn Connection>>) -> Option<Vec<u8>> {
    match timeout(LAST_PICTURE, connection?.screenshot()).await {
        Ok(Ok(png)) => Some(png),
        Ok(Err(DriverError::Unsupported { .. })) => None,
        Ok(Err(error)) => {
            tracing::debug!(%error, "there is no picture of the failure");
            None
        }
        Err(_) => None,
    }
}
