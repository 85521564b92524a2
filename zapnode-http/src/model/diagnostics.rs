//! Diagnostics on the wire.

use serde::Serialize;
use serde_json::{Map, Value};
use zapnode_core::driver::{Evidence, LinkState, Probe, SelfTest};
use zapnode_core::session::{Diagnostics, PastReason};

use super::{SessionModel, iso};

/// `GET /sessions/{id}/diagnostics`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticsAnswer {
    success: bool,
    session_id: String,
    phase: &'static str,
    session: SessionModel,
    evidence: Known<EvidenceModel>,
    self_test: Known<SelfTestModel>,
    reasons: Vec<PastReasonModel>,
}

/// Something the page told, or why it did not.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Known<T> {
    Told(T),
    Unknown { error: String },
}

impl<T> Known<T> {
    fn new<U: Into<T>>(result: Result<U, String>) -> Self {
        match result {
            Ok(told) => Self::Told(told.into()),
            Err(error) => Self::Unknown { error },
        }
    }
}

#[derive(Debug, Serialize)]
struct EvidenceModel {
    link: &'static str,
    version: Option<String>,
    facts: Map<String, Value>,
}

#[derive(Debug, Serialize)]
struct SelfTestModel {
    version: Option<String>,
    ok: bool,
    probes: Vec<ProbeModel>,
}

#[derive(Debug, Serialize)]
struct ProbeModel {
    feature: String,
    part: String,
    found: bool,
    needed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Debug, Serialize)]
struct PastReasonModel {
    at: String,
    status: &'static str,
    code: &'static str,
    message: String,
    hint: &'static str,
}

impl From<Evidence> for EvidenceModel {
    fn from(evidence: Evidence) -> Self {
        let link = match evidence.link {
            LinkState::Connecting => "connecting",
            LinkState::NeedsLogin => "needs_login",
            LinkState::Pairing => "pairing",
            LinkState::Syncing { .. } => "syncing",
            LinkState::Ready(_) => "ready",
            LinkState::Offline => "offline",
            LinkState::Conflict => "conflict",
            LinkState::Refused(_) => "refused",
        };
        let facts = evidence.facts.into_iter();
        Self {
            link,
            version: evidence.version,
            facts: facts.map(|(name, value)| (name, value.into())).collect(),
        }
    }
}

impl From<SelfTest> for SelfTestModel {
    fn from(test: SelfTest) -> Self {
        Self {
            version: test.version,
            ok: test.ok,
            probes: test.probes.into_iter().map(ProbeModel::from).collect(),
        }
    }
}

impl From<Probe> for ProbeModel {
    fn from(probe: Probe) -> Self {
        Self {
            feature: probe.feature,
            part: probe.part,
            found: probe.found,
            needed: probe.needed,
            detail: probe.detail,
        }
    }
}

impl From<PastReason> for PastReasonModel {
    fn from(past: PastReason) -> Self {
        Self {
            at: iso(past.at),
            status: past.state,
            code: past.reason.code.as_str(),
            hint: past.reason.code.hint(),
            message: past.reason.detail,
        }
    }
}

impl From<Diagnostics> for DiagnosticsAnswer {
    fn from(diagnostics: Diagnostics) -> Self {
        Self {
            success: true,
            session_id: diagnostics.info.id.to_string(),
            phase: diagnostics.info.state.as_str(),
            session: diagnostics.info.into(),
            evidence: Known::new(diagnostics.evidence),
            self_test: Known::new(diagnostics.self_test),
            reasons: diagnostics.reasons.into_iter().map(Into::into).collect(),
        }
    }
}
