//! Typed options, already merged and checked. The core reads no environment and no home folder;
//! its caller does.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ignore::{Ignore, IgnoreChoice};
use crate::webhook::WebhookOptions;

/// What a caller may choose for one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionOptions {
    /// Whether the browser has no window. Absent: the manager's default.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub headless: Option<bool>,
    /// The browser to use. Absent: the driver's own choice.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chrome_path: Option<PathBuf>,
    /// Which chats are not listened to. What is not chosen: the manager's default.
    #[serde(skip_serializing_if = "IgnoreChoice::is_empty", default)]
    pub ignore: IgnoreChoice,
}

impl SessionOptions {
    /// Whether nothing was chosen.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// How a [`SessionManager`](crate::SessionManager) works.
#[derive(Clone, Debug)]
pub struct ManagerOptions {
    /// Holds the store, the lock file and what is ours besides logins. Made with mode 0700.
    pub data_dir: PathBuf,
    /// Holds one profile folder per session, laid out as whatsapp-web.js's LocalAuth.
    pub auth_dir: PathBuf,
    /// The most sessions there may be. `None`: no limit.
    pub max_sessions: Option<usize>,
    /// How many sessions may be starting their browser at one time. At least 1.
    pub launches_at_once: usize,
    /// Removes a session (its row, its browser, its profile) this long after it was logged out
    /// from the phone. `None`: it stays listed as logged out.
    pub cleanup_after_logout: Option<Duration>,
    /// How long an idempotency key stands for the message it was first used for.
    pub idempotency_keys_kept: Duration,
    /// How long each phase may take.
    pub deadlines: Deadlines,
    /// Which chats the sessions do not listen to, where a session chose nothing else.
    pub ignore: Ignore,
    /// How many events are kept.
    pub events_kept: EventsKept,
    /// How webhooks work.
    pub webhooks: WebhookOptions,
}

/// How many events the log keeps. The oldest are forgotten first, whichever bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventsKept {
    /// For how long.
    pub age: Duration,
    /// The most.
    pub count: u64,
}

impl Default for EventsKept {
    /// A week, at most a million: about 1 GB if each is a short message.
    fn default() -> Self {
        Self {
            age: Duration::from_secs(7 * 24 * 3600),
            count: 1_000_000,
        }
    }
}

impl ManagerOptions {
    /// Options that keep everything under one folder, with the defaults for the rest.
    pub fn in_folder(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        Self {
            auth_dir: data_dir.join(".wwebjs_auth"),
            data_dir,
            max_sessions: None,
            launches_at_once: 2,
            cleanup_after_logout: Some(Duration::from_secs(2)),
            idempotency_keys_kept: Duration::from_secs(24 * 3600),
            deadlines: Deadlines::default(),
            ignore: Ignore::default(),
            events_kept: EventsKept::default(),
            webhooks: WebhookOptions::default(),
        }
    }
}

/// How long each phase of a session may take before it ends with the phase's own reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the start of the browser to a loaded page (`launch_timeout`).
    pub launch: Duration,
    /// From a loaded page to WhatsApp's first word (`page_unreachable`).
    pub page: Duration,
    /// Waiting for a person to scan (`login_timeout`).
    pub login: Duration,
    /// From the scan, or from a linked start, to ready, counted anew at each progress
    /// (`sync_timeout`).
    pub sync: Duration,
    /// Without a link to WhatsApp while the page tries by itself (`offline`).
    pub offline: Duration,
    /// Between two looks at a ready session.
    pub heartbeat: Duration,
    /// For a graceful close.
    pub close: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            launch: Duration::from_secs(60),
            page: Duration::from_secs(60),
            login: Duration::from_secs(600),
            sync: Duration::from_secs(180),
            offline: Duration::from_secs(120),
            heartbeat: Duration::from_secs(15),
            close: Duration::from_secs(40),
        }
    }
}
