//! Health and welcome on the wire.

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

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
    pub fn new(sessions: Vec<SessionModel>, default_is_ready: bool, uptime: Duration) -> Self {
        Self {
            status: "ok",
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
        }
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
