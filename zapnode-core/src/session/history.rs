//! Where a session has been.

use time::OffsetDateTime;

use super::status::{ReasonCode, SessionInfo, SessionState};

/// How many transitions of each session are kept.
pub const KEPT: i64 = 200;

/// One change of a session's state, or one step taken within a state to bring it back.
///
/// Its words are kept as they were written: a later version may have others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When, to the millisecond.
    pub at: OffsetDateTime,
    /// The state's word before.
    pub from: String,
    /// The state's word after. The same as before where only a step was taken.
    pub to: String,
    /// The reason's code.
    pub reason: Option<String>,
    /// What happened, in words.
    pub detail: Option<String>,
    /// What was tried: `reconnect`, `reload` or `relaunch`.
    pub step: Option<String>,
    /// Which attempt it was, from 1, where it was one.
    pub attempt: Option<u32>,
}

impl Transition {
    /// What a person can do about it, if this version knows the reason.
    pub fn hint(&self) -> Option<&'static str> {
        let code = self.reason.as_deref()?;
        Some(ReasonCode::parse(code)?.hint())
    }
}

/// What is to be written down when a session that was `before` is `after`; `None` if it went
/// nowhere (a sync's progress, a fresh QR).
pub(crate) fn transition(before: &SessionInfo, after: &SessionInfo) -> Option<Transition> {
    let (from, to) = (before.state.as_str(), after.state.as_str());
    let attempt_of = |state: &SessionState| match state {
        SessionState::Recovering { attempt } => Some(*attempt),
        _ => None,
    };
    let attempt = attempt_of(&after.state);
    let again = after.step != before.step || attempt != attempt_of(&before.state);
    if from == to && !(after.step.is_some() && again) {
        return None;
    }
    let reason = after.reason.as_ref();
    Some(Transition {
        at: crate::store::now(),
        from: from.to_owned(),
        to: to.to_owned(),
        reason: reason.map(|reason| reason.code.as_str().to_owned()),
        detail: reason.map(|reason| reason.detail.clone()),
        step: after.step.map(|step| step.as_str().to_owned()),
        attempt,
    })
}
