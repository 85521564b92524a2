//! Sessions on the wire.

use serde::Serialize;
use zapnode_core::SessionId;
use zapnode_core::call::RejectCalls;
use zapnode_core::driver::Identity;
use zapnode_core::ignore::IgnoreChoice;
use zapnode_core::options::Care;
use zapnode_core::outbox::Pace;
use zapnode_core::session::{Reason, SessionInfo, SessionState};

use super::care::ResourcesModel;
use super::iso;

/// A session: the contract's fields, then ours.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionModel {
    id: String,
    is_ready: bool,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_at: Option<String>,
    options: OptionsModel,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<OwnedReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    me: Option<MeModel>,
    since: String,
    generation: u64,
    linked: bool,
    /// How quickly it sends: `off`, `gentle`, or the figures.
    pace: Pace,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<u8>,
    /// What is being tried to bring it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<ResourcesModel>,
}

/// What the creator chose. `chromePath` is a path on this machine and is not told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OptionsModel {
    #[serde(skip_serializing_if = "Option::is_none")]
    headless: Option<bool>,
    #[serde(flatten)]
    care: Care,
    #[serde(skip_serializing_if = "IgnoreChoice::is_empty")]
    ignore: IgnoreChoice,
    /// Without its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reject_calls: Option<RejectCalls>,
}

/// The account, as a person would name it.
#[derive(Debug, Serialize)]
struct MeModel {
    /// Digits only.
    phone: Option<String>,
    lid: Option<String>,
    name: Option<String>,
}

/// Why a session is in its state.
#[derive(Debug, Serialize)]
pub struct ReasonModel<'a> {
    code: &'static str,
    message: &'a str,
    hint: &'static str,
}

#[derive(Debug, Serialize)]
struct OwnedReason {
    code: &'static str,
    message: String,
    hint: &'static str,
}

impl<'a> From<&'a Reason> for ReasonModel<'a> {
    fn from(reason: &'a Reason) -> Self {
        Self {
            code: reason.code.as_str(),
            message: &reason.detail,
            hint: reason.code.hint(),
        }
    }
}

impl From<Reason> for OwnedReason {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code.as_str(),
            hint: reason.code.hint(),
            message: reason.detail,
        }
    }
}

impl From<Identity> for MeModel {
    fn from(me: Identity) -> Self {
        Self {
            phone: me.phone.map(|chat| chat.user().to_owned()),
            lid: me.lid.map(String::from),
            name: me.name,
        }
    }
}

impl From<SessionInfo> for SessionModel {
    fn from(info: SessionInfo) -> Self {
        let progress = progress(&info.state);
        Self {
            is_ready: info.is_ready(),
            status: info.state.as_str(),
            id: info.id.into(),
            created_at: iso(info.created_at),
            ready_at: info.ready_at.map(iso),
            options: OptionsModel {
                headless: info.options.headless,
                care: info.options.care,
                ignore: info.options.ignore,
                proxy: info.options.proxy.map(|proxy| proxy.shown()),
                reject_calls: info.options.reject_calls,
            },
            reason: info.reason.map(OwnedReason::from),
            me: info.me.map(MeModel::from),
            since: iso(info.since),
            generation: info.generation,
            linked: info.linked,
            pace: info.pace,
            progress,
            step: info.step.map(|step| step.as_str()),
            resources: info.resources.map(ResourcesModel::from),
        }
    }
}

fn progress(state: &SessionState) -> Option<u8> {
    match state {
        SessionState::Syncing { percent } => *percent,
        _ => None,
    }
}

/// `GET /sessions`.
#[derive(Debug, Serialize)]
pub struct SessionList {
    success: bool,
    count: usize,
    sessions: Vec<SessionModel>,
}

impl SessionList {
    /// The answer with these sessions.
    pub fn new(sessions: Vec<SessionModel>) -> Self {
        Self {
            success: true,
            count: sessions.len(),
            sessions,
        }
    }
}

/// `GET /sessions/{id}`.
#[derive(Debug, Serialize)]
pub struct OneSession {
    success: bool,
    session: SessionModel,
}

impl From<SessionInfo> for OneSession {
    fn from(info: SessionInfo) -> Self {
        Self {
            success: true,
            session: info.into(),
        }
    }
}

/// What was done to a session, and how it is now.
#[derive(Debug, Serialize)]
pub struct SessionAnswer {
    success: bool,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionModel>,
}

impl SessionAnswer {
    /// With the session as it is now.
    pub fn with(message: impl Into<String>, info: SessionInfo) -> Self {
        Self {
            success: true,
            message: message.into(),
            session: Some(info.into()),
        }
    }

    /// Without one: it is gone.
    pub fn gone(message: String) -> Self {
        Self {
            success: true,
            message,
            session: None,
        }
    }
}

/// `GET /sessions/{id}/status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    success: bool,
    session_id: String,
    is_ready: bool,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<OwnedReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'static str>,
}

impl From<SessionInfo> for StatusAnswer {
    fn from(info: SessionInfo) -> Self {
        Self {
            success: true,
            is_ready: info.is_ready(),
            status: info.state.as_str(),
            session_id: info.id.into(),
            progress: progress(&info.state),
            step: info.step.map(|step| step.as_str()),
            reason: info.reason.map(OwnedReason::from),
        }
    }
}

/// `GET /sessions/{id}/qr` as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QrAnswer {
    /// Always true.
    pub success: bool,
    /// Whose.
    pub session_id: SessionId,
    /// What the code says.
    pub qr: String,
    /// Counts the codes since the session was started.
    pub serial: u64,
    /// Until when it is good.
    pub expires_at: String,
}

/// `POST /sessions/{id}/pairing-code`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PairingCode {
    /// Always true.
    pub success: bool,
    /// Whose.
    pub session_id: SessionId,
    /// As it was given.
    pub phone_number: String,
    /// What to type on the phone. Errors have a `code` too, but `success` is false there.
    pub code: String,
}
