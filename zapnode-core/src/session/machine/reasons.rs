//! What the table says of itself, in words.

use super::ladder::Step;
use super::{Machine, Next, Phase};
use crate::driver::Refusal;
use crate::session::status::{Reason, ReasonCode};

impl Machine {
    /// Why it is where it is: what happened, or else what it waits for. Absent only where there is
    /// nothing to say: ready, and stopped before it was ever started.
    pub fn why(&self) -> Option<Reason> {
        self.reason.clone().or_else(|| {
            let (code, detail) = match self.phase {
                Phase::Opening => (ReasonCode::Launching, "its browser is being started"),
                Phase::Loading => (
                    ReasonCode::PageLoading,
                    "the page has not yet said where it stands",
                ),
                Phase::AwaitingLogin => (
                    ReasonCode::LoginNeeded,
                    "no phone is linked; somebody must scan the QR or type the code",
                ),
                Phase::Syncing { .. } => (
                    ReasonCode::Syncing,
                    "what happened meanwhile is being loaded",
                ),
                Phase::Closing {
                    next: Next::Restart,
                    ..
                }
                | Phase::Closing {
                    start_after: true, ..
                } => (ReasonCode::Requested, "its former browser is being closed"),
                _ => return None,
            };
            Some(Reason::new(code, detail))
        })
    }

    /// What is being tried right now to bring it back.
    pub fn current_step(&self) -> Option<Step> {
        match self.phase {
            Phase::Shaken { step, .. } => step,
            Phase::Waiting
            | Phase::Closing {
                next: Next::Retry { .. },
                ..
            } => Some(Step::Relaunch),
            Phase::Opening | Phase::Loading if self.attempt > 0 => Some(Step::Relaunch),
            _ => None,
        }
    }
}

/// It was asleep and is opened.
pub(crate) fn woken(why: &str) -> Reason {
    Reason::new(ReasonCode::Woken, format!("woken: {why}"))
}

pub(super) fn requested() -> Reason {
    Reason::new(ReasonCode::Requested, "stopped on request")
}

pub(super) fn refused(refusal: Refusal) -> Reason {
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
