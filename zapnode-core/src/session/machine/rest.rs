//! The part of the table in which a session rests and is still meant to run: held closed for a
//! while, or asleep until it is needed.

use super::{Effect, Machine, Next, Phase};
use crate::session::status::{Reason, ReasonCode};

impl Machine {
    pub(super) fn hold(&mut self, reason: Reason) -> Vec<Effect> {
        self.held = Some(reason.clone());
        let hibernate = Next::Hibernate { open_again: true };
        match self.phase {
            // Nothing is open, and nothing will be while it is held.
            Phase::Stopped
            | Phase::LoggedOut { .. }
            | Phase::Failed
            | Phase::Hibernating { .. } => vec![],
            Phase::Waiting => self.open(),
            Phase::Closing {
                next: Next::Restart | Next::Retry { .. },
                ..
            } => {
                self.close_towards(hibernate, reason);
                vec![]
            }
            Phase::Closing {
                next: Next::Hibernate { .. },
                start_after: true,
            } => {
                self.close_towards(hibernate, reason);
                vec![]
            }
            Phase::Closing { .. } => vec![],
            // It ends by itself, soon.
            _ if self.logging_out => vec![],
            _ => self.close(hibernate, reason),
        }
    }

    pub(super) fn release(&mut self) -> Vec<Effect> {
        self.held = None;
        match self.phase {
            Phase::Hibernating { open_again: true } => self.open(),
            Phase::Closing {
                next: Next::Hibernate { open_again: true },
                start_after,
            } => {
                self.phase = Phase::Closing {
                    next: Next::Restart,
                    start_after,
                };
                vec![]
            }
            _ => vec![],
        }
    }

    pub(super) fn sleep(&mut self, reason: Reason) -> Vec<Effect> {
        let may =
            matches!(self.phase, Phase::Ready { .. }) && !self.logging_out && self.held.is_none();
        if !may {
            return vec![];
        }
        self.close(Next::Hibernate { open_again: false }, reason)
    }

    pub(super) fn wake(&mut self, reason: Reason) -> Vec<Effect> {
        match &mut self.phase {
            Phase::Hibernating { open_again } if self.held.is_some() => {
                *open_again = true;
                vec![]
            }
            Phase::Hibernating { .. } => {
                self.begin_anew();
                self.reason = Some(reason);
                self.open()
            }
            Phase::Closing {
                next: Next::Hibernate { .. },
                start_after,
            } => {
                *start_after = true;
                vec![]
            }
            _ => vec![],
        }
    }

    /// What was to follow a close, unless an unlinking was promised that can only be this now.
    pub(super) fn unless_logging_out(&mut self, next: Next, reason: Reason) -> (Next, Reason) {
        if !self.log_out_next || matches!(next, Next::Stopped | Next::LoggedOut { .. }) {
            return (next, reason);
        }
        if self.held.is_some() && matches!(next, Next::Hibernate { .. }) {
            // It is brought up for it later.
            return (next, reason);
        }
        let told = Reason::new(
            ReasonCode::LogoutRequested,
            format!(
                "logged out on request; WhatsApp could not be told ({}), so remove the device on the phone too",
                reason.detail
            ),
        );
        (Next::LoggedOut { remotely: false }, told)
    }
}
