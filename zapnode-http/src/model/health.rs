//! Health and welcome on the wire.

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use zapnode_core::store::StoreHealth;

use super::{SessionModel, iso};

/// `GET /health`: the contract's fields, then ours.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    status: &'static str,
    timestamp: String,
    default_session: DefaultSession,
    multi_session: MultiSession,
    version: &'static str,
    uptime_seconds: u64,
    store: StoreModel,
}

/// How the store is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StoreModel {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Changes that are kept in memory until they can be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
}

impl From<&StoreHealth> for StoreModel {
    fn from(store: &StoreHealth) -> Self {
        let in_trouble = !store.is_well();
        Self {
            status: store.state.as_str(),
            since: in_trouble.then(|| iso(store.since)),
            waiting: in_trouble.then_some(store.waiting),
            hint: store.state.hint(),
        }
    }
}

#[derive(Debug, Serialize)]
struct DefaultSession {
    status: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MultiSession {
    enabled: bool,
    total_sessions: usize,
    sessions: Vec<SessionModel>,
}

impl Health {
    /// How things are right now.
    pub fn new(
        sessions: Vec<SessionModel>,
        default_is_ready: bool,
        uptime: Duration,
        store: &StoreHealth,
    ) -> Self {
        Self {
            status: Self::status_of(store),
            timestamp: iso(OffsetDateTime::now_utc()),
            default_session: DefaultSession {
                status: if default_is_ready {
                    "connected"
                } else {
                    "disconnected"
                },
            },
            multi_session: MultiSession {
                enabled: true,
                total_sessions: sessions.len(),
                sessions,
            },
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: uptime.as_secs(),
            store: store.into(),
        }
    }

    /// `degraded` while the store refuses what is new.
    pub(crate) fn status_of(store: &StoreHealth) -> &'static str {
        if store.is_well() { "ok" } else { "degraded" }
    }
}

/// `GET /`.
#[derive(Debug, Serialize)]
pub struct Welcome {
    message: &'static str,
    name: &'static str,
    version: &'static str,
    endpoints: Endpoints,
}

#[derive(Debug, Serialize)]
struct Endpoints {
    health: &'static str,
    sessions: &'static str,
    webhook: &'static str,
    events: &'static str,
    live: &'static str,
    ready: &'static str,
}

impl Default for Welcome {
    fn default() -> Self {
        Self {
            message: "Welcome to ZapNode API",
            name: "zapnode-http",
            version: env!("CARGO_PKG_VERSION"),
            endpoints: Endpoints {
                health: "/health",
                sessions: "/sessions",
                webhook: "/webhook",
                events: "/events",
                live: "/livez",
                ready: "/readyz",
            },
        }
    }
}
