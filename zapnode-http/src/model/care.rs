//! A session's history, its last failure, and what it takes, on the wire.

use serde::Serialize;
use zapnode_core::SessionId;
use zapnode_core::session::{LastFailure, Transition, Usage};

use super::iso;

/// What a session takes of the machine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourcesModel {
    memory_mb: u32,
    cpu_percent: u32,
    processes: u32,
    sampled_at: String,
}

impl From<Usage> for ResourcesModel {
    fn from(usage: Usage) -> Self {
        Self {
            memory_mb: usage.memory_mb,
            cpu_percent: usage.cpu_percent,
            processes: usage.processes,
            sampled_at: iso(usage.sampled_at),
        }
    }
}

/// `GET /sessions/{id}/history`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistoryAnswer {
    success: bool,
    session_id: SessionId,
    count: usize,
    history: Vec<TransitionModel>,
}

#[derive(Debug, Serialize)]
struct TransitionModel {
    at: String,
    from: String,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
}

impl HistoryAnswer {
    /// The answer with this history.
    pub fn new(session_id: SessionId, history: Vec<Transition>) -> Self {
        let history: Vec<_> = history
            .into_iter()
            .map(|transition| TransitionModel {
                at: iso(transition.at),
                hint: transition.hint(),
                from: transition.from,
                to: transition.to,
                code: transition.reason,
                message: transition.detail,
                step: transition.step,
                attempt: transition.attempt,
            })
            .collect();
        Self {
            success: true,
            session_id,
            count: history.len(),
            history,
        }
    }
}

/// `GET /sessions/{id}/failure`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureAnswer {
    success: bool,
    session_id: SessionId,
    /// Null: it never failed.
    failure: Option<FailureModel>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureModel {
    at: String,
    status: String,
    reason: WhyModel,
    tried: Vec<TriedModel>,
    console_tail: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    screenshot: Option<String>,
}

#[derive(Debug, Serialize)]
struct WhyModel {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct TriedModel {
    step: &'static str,
    times: u32,
}

impl FailureAnswer {
    /// The answer with this failure.
    pub fn new(session_id: SessionId, failure: Option<LastFailure>) -> Self {
        let failure = failure.map(|failure| FailureModel {
            at: iso(failure.at),
            reason: WhyModel {
                hint: failure.hint(),
                code: failure.code,
                message: failure.detail,
            },
            status: failure.state,
            tried: failure
                .tried
                .into_iter()
                .map(|(step, times)| TriedModel {
                    step: step.as_str(),
                    times,
                })
                .collect(),
            console_tail: failure.console_tail,
            screenshot: failure
                .has_screenshot
                .then(|| format!("/sessions/{session_id}/failure/screenshot")),
        });
        Self {
            success: true,
            session_id,
            failure,
        }
    }
}
