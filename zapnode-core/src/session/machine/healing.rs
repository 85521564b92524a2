//! The part of the table in which a session loses its evidence and is brought back.

use std::time::{Duration, Instant};

use super::ladder::{Step, Tried, Trouble, next_step, relaunch_pause};
use super::{Effect, MAX_ATTEMPTS, Machine, Next, Phase, STEADY, forgiven};
use crate::session::status::{Reason, ReasonCode};

/// So many looks without an answer, and the page is loaded anew.
const MISSES_TO_RELOAD: u32 = 3;

/// So many, and the browser is started anew: it did not even manage the reload.
const MISSES_TO_RELAUNCH: u32 = 5;

/// A page that is loaded anew more often than this without a healthy while in between is not left
/// to itself any longer.
const MAX_PAGE_LOADS: u32 = 8;

impl Machine {
    /// The page cannot reach WhatsApp. Only a session that was ready has lost anything by it.
    pub(super) fn unlinked(&mut self, reason: Reason, now: Instant) -> Vec<Effect> {
        match self.phase {
            Phase::Ready { since } => {
                self.forgive(since, now);
                self.reason = Some(reason);
                self.phase = Phase::Shaken {
                    trouble: Trouble::Unlinked,
                    step: None,
                };
                // It tries by itself first: most losses are short.
                vec![Effect::Deadline(Some(self.deadlines.offline / 4))]
            }
            _ => vec![],
        }
    }

    pub(super) fn reloaded(&mut self, now: Instant, jitter: f64) -> Vec<Effect> {
        if !self.is_open() || self.logging_out {
            return vec![];
        }
        if let Phase::Ready { since } = self.phase {
            self.forgive(since, now);
        }
        self.page_loads += 1;
        if self.page_loads > MAX_PAGE_LOADS {
            let reason = Reason::new(
                ReasonCode::PageReloaded,
                format!("the page was loaded anew {} times", self.page_loads),
            );
            return self.give_up_this_one(reason, now, jitter);
        }
        if self.linked && self.reason.is_none() {
            self.reason = Some(Reason::new(
                ReasonCode::PageReloaded,
                "the page was loaded anew",
            ));
        }
        self.phase = match self.phase {
            // Whoever did it: against this trouble, a reload has been tried now.
            Phase::Shaken { trouble, .. } => Phase::Shaken {
                trouble,
                step: Some(Step::Reload),
            },
            _ if self.was_ready => Phase::Shaken {
                trouble: Trouble::Reloaded,
                step: None,
            },
            _ => Phase::Loading,
        };
        vec![Effect::Deadline(Some(self.deadlines.page))]
    }

    pub(super) fn no_evidence(&mut self, misses: u32, now: Instant, jitter: f64) -> Vec<Effect> {
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
            return self.trouble(Trouble::Silent, reason, now, jitter);
        }
        vec![]
    }

    pub(super) fn deaf(&mut self, now: Instant, jitter: f64) -> Vec<Effect> {
        if !matches!(self.phase, Phase::Ready { .. }) || self.logging_out {
            return vec![];
        }
        let reason = Reason::new(
            ReasonCode::PageDeaf,
            "messages arrived on the page that it did not tell",
        );
        self.trouble(Trouble::Deaf, reason, now, jitter)
    }

    pub(super) fn too_heavy(
        &mut self,
        reason: Reason,
        relaunch: bool,
        now: Instant,
    ) -> Vec<Effect> {
        let Phase::Ready { since } = self.phase else {
            return vec![];
        };
        if self.logging_out {
            return vec![];
        }
        self.forgive(since, now);
        if relaunch {
            let pause = Duration::ZERO;
            return self.close(Next::Retry { pause }, reason);
        }
        self.reason = Some(reason);
        self.take(Trouble::Heavy, Step::Reload)
    }

    /// Something is wrong that the page will not mend by itself.
    fn trouble(
        &mut self,
        trouble: Trouble,
        reason: Reason,
        now: Instant,
        jitter: f64,
    ) -> Vec<Effect> {
        let tried = match self.phase {
            Phase::Ready { since } => {
                self.forgive(since, now);
                // What helped a moment ago has not lasted.
                self.last_step
            }
            Phase::Shaken { step, .. } => step,
            _ => None,
        };
        match next_step(trouble, tried) {
            Step::Relaunch => self.give_up_this_one(reason, now, jitter),
            step => {
                self.reason = Some(reason);
                self.take(trouble, step)
            }
        }
    }

    /// Takes a step that leaves the browser where it is.
    fn take(&mut self, trouble: Trouble, step: Step) -> Vec<Effect> {
        self.tried.add(step);
        self.last_step = self.last_step.max(Some(step));
        // One that was never ready stays on its way there.
        if self.was_ready {
            self.phase = Phase::Shaken {
                trouble,
                step: Some(step),
            };
        }
        let (effect, within) = match step {
            Step::Reconnect => (Effect::Reconnect, self.deadlines.offline / 4 * 3),
            Step::Reload | Step::Relaunch => (Effect::Reload, self.deadlines.page),
        };
        vec![effect, Effect::Deadline(Some(within))]
    }

    pub(super) fn deadline_passed(&mut self, now: Instant, jitter: f64) -> Vec<Effect> {
        let reason = match self.phase {
            Phase::Waiting => return self.open(),
            Phase::Loading => Reason::new(
                ReasonCode::PageUnreachable,
                format!(
                    "the page did not say where it stands within {} s",
                    self.deadlines.page.as_secs()
                ),
            ),
            Phase::AwaitingLogin => {
                self.wanted = false;
                let reason = Reason::new(
                    ReasonCode::LoginTimeout,
                    format!(
                        "nobody logged in within {} s",
                        self.deadlines.login.as_secs()
                    ),
                );
                return self.close(Next::Failed, reason);
            }
            Phase::Syncing { .. } => Reason::new(
                ReasonCode::SyncTimeout,
                format!(
                    "the chats were not loaded within {} s of the last progress",
                    self.deadlines.sync.as_secs()
                ),
            ),
            Phase::Shaken { trouble, step } => {
                let reason = self.reason.clone().unwrap_or_else(|| {
                    Reason::new(ReasonCode::Offline, "WhatsApp cannot be reached")
                });
                // Gentler steps than one that did not last are not tried again.
                match next_step(trouble, step.max(self.last_step)) {
                    Step::Relaunch => return self.give_up_this_one(reason, now, jitter),
                    step => return self.take(trouble, step),
                }
            }
            _ => return vec![],
        };
        self.give_up_this_one(reason, now, jitter)
    }

    /// Closes what runs and opens it again, or gives up.
    pub(super) fn give_up_this_one(
        &mut self,
        reason: Reason,
        now: Instant,
        jitter: f64,
    ) -> Vec<Effect> {
        if let Phase::Ready { since } = self.phase {
            self.forgive(since, now);
        }
        let (next, reason) = self.retry_or_fail(reason, jitter);
        self.close(next, reason)
    }

    /// Forgets earlier attempts, the more the longer a session was ready.
    fn forgive(&mut self, since: Instant, now: Instant) {
        let ready_for = now.saturating_duration_since(since);
        if ready_for >= STEADY {
            self.begin_anew();
        } else {
            self.attempt = forgiven(self.attempt, ready_for);
        }
    }

    pub(super) fn begin_anew(&mut self) {
        self.attempt = 0;
        self.tried = Tried::default();
        self.page_loads = 0;
        self.last_step = None;
    }

    pub(super) fn retry_or_fail(&mut self, mut reason: Reason, jitter: f64) -> (Next, Reason) {
        self.attempt += 1;
        if self.attempt >= MAX_ATTEMPTS {
            reason.detail = format!("{}; tried in vain: {}", reason.detail, self.tried);
            return (Next::Failed, reason);
        }
        self.tried.add(Step::Relaunch);
        let pause = relaunch_pause(self.attempt, jitter);
        (Next::Retry { pause }, reason)
    }
}
