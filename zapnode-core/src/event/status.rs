//! Which changes of a session are events, and how they are told. Pure.

use std::collections::VecDeque;

use super::payload::{SessionStatus, StatusReason, StatusStep};
use super::{EventKind, Me};
use crate::session::{Prompt, Reason, SessionInfo, SessionState};
use crate::store::millis;

/// How many of the last states are told with each.
const STEPS_TOLD: usize = 3;

/// Remembers what was told of a session.
#[derive(Debug, Default)]
pub(crate) struct StatusTeller {
    told: Option<Told>,
    steps: VecDeque<StatusStep>,
}

/// What makes a state worth an event of its own. A percent does not, nor does a new QR in place
/// of the last.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    state: &'static str,
    attempt: Option<u32>,
    reason: Option<Reason>,
    me: Option<Me>,
    prompt: Option<&'static str>,
}

impl StatusTeller {
    /// The event for this change, if it is one.
    pub(crate) fn tell(&mut self, info: &SessionInfo) -> Option<EventKind> {
        let mut now = Told {
            state: info.state.as_str(),
            attempt: match info.state {
                SessionState::Recovering { attempt } => Some(attempt),
                _ => None,
            },
            reason: info.reason.clone(),
            me: info.me.as_ref().and_then(Me::of),
            prompt: prompt(&info.state),
        };
        if let Some(told) = &self.told
            && told.state == now.state
        {
            // Between two QRs there is none; that is no news.
            now.prompt = now.prompt.or(told.prompt);
        }
        if self.told.as_ref() == Some(&now) {
            return None;
        }
        let status = word(&info.state).to_owned();
        if self.steps.back().is_none_or(|last| last.status != status) {
            if self.steps.len() == STEPS_TOLD {
                self.steps.pop_front();
            }
            self.steps.push_back(StatusStep {
                status: status.clone(),
                timestamp: millis(info.since),
            });
        }
        let payload = SessionStatus {
            name: info.id.clone(),
            status,
            statuses: self.steps.iter().cloned().collect(),
            state: now.state.to_owned(),
            attempt: now.attempt,
            prompt: now.prompt.map(str::to_owned),
            reason: now.reason.as_ref().map(|reason| StatusReason {
                code: reason.code.as_str().to_owned(),
                detail: reason.detail.clone(),
                hint: reason.code.hint().to_owned(),
            }),
            me: now.me.clone(),
        };
        self.told = Some(now);
        Some(EventKind::Status(Box::new(payload)))
    }
}

fn prompt(state: &SessionState) -> Option<&'static str> {
    match state {
        SessionState::AwaitingLogin { prompt } => match prompt.as_ref()? {
            Prompt::Qr { .. } => Some("qr"),
            Prompt::PairingCode { .. } => Some("pairing_code"),
        },
        _ => None,
    }
}

/// WAHA's word for a state (design §2).
fn word(state: &SessionState) -> &'static str {
    match state {
        SessionState::Stopped | SessionState::Hibernating => "STOPPED",
        SessionState::Starting | SessionState::Syncing { .. } | SessionState::Recovering { .. } => {
            "STARTING"
        }
        SessionState::AwaitingLogin { .. } => "SCAN_QR_CODE",
        SessionState::Ready => "WORKING",
        SessionState::LoggedOut | SessionState::Failed => "FAILED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Identity;
    use crate::id::{ChatId, SessionId};
    use crate::options::SessionOptions;
    use crate::session::ReasonCode;
    use time::OffsetDateTime;

    fn info(state: SessionState) -> SessionInfo {
        SessionInfo {
            id: SessionId::new("shop").expect("an id"),
            generation: 0,
            state,
            since: OffsetDateTime::UNIX_EPOCH,
            reason: None,
            step: None,
            resources: None,
            pace: crate::outbox::Pace::OFF,
            me: None,
            linked: false,
            created_at: OffsetDateTime::UNIX_EPOCH,
            ready_at: None,
            options: SessionOptions::default(),
        }
    }

    fn qr(serial: u64) -> SessionState {
        SessionState::AwaitingLogin {
            prompt: Some(Prompt::Qr {
                text: format!("2@secret-{serial}"),
                serial,
                expires_at: OffsetDateTime::UNIX_EPOCH,
            }),
        }
    }

    #[test]
    fn states_are_told_and_percents_and_new_qrs_are_not() {
        let mut teller = StatusTeller::default();
        let none = SessionState::AwaitingLogin { prompt: None };
        let percent = |percent| SessionState::Syncing { percent };
        let table = [
            (SessionState::Starting, Some("STARTING")),
            (SessionState::Starting, None),
            (none.clone(), Some("SCAN_QR_CODE")),
            (qr(1), Some("SCAN_QR_CODE")),
            (none, None),
            (qr(2), None),
            (percent(None), Some("STARTING")),
            (percent(Some(40)), None),
            (percent(Some(80)), None),
            (SessionState::Ready, Some("WORKING")),
            (SessionState::Recovering { attempt: 1 }, Some("STARTING")),
            (SessionState::Recovering { attempt: 2 }, Some("STARTING")),
            (SessionState::LoggedOut, Some("FAILED")),
            (SessionState::Stopped, Some("STOPPED")),
        ];
        for (step, (state, expected)) in table.into_iter().enumerate() {
            let told = teller.tell(&info(state));
            let text = format!("{told:?}");
            assert!(!text.contains("secret"), "{text}");
            let word = match &told {
                Some(EventKind::Status(status)) => Some(status.status.as_str()),
                _ => None,
            };
            assert_eq!(word, expected, "step {step}");
        }
        let mut failed = info(SessionState::Stopped);
        failed.reason = Some(Reason::new(ReasonCode::Requested, "asked"));
        let Some(EventKind::Status(status)) = teller.tell(&failed) else {
            panic!("another reason is news");
        };
        assert_eq!(status.reason.expect("told").code, "requested");
        let words: Vec<_> = status.statuses.into_iter().map(|s| s.status).collect();
        assert_eq!(words, ["STARTING", "FAILED", "STOPPED"]);
        failed.me = Some(Identity {
            phone: ChatId::new("244929782402@c.us").ok(),
            lid: None,
            name: None,
        });
        assert!(teller.tell(&failed).is_some(), "the account is news");
        assert!(teller.tell(&failed).is_none());
    }
}
