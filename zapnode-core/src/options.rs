//! Typed options, already merged and checked. The core reads no environment and no home folder;
//! its caller does.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::RejectCalls;
use crate::ignore::{Ignore, IgnoreChoice};
use crate::media::MediaOptions;
use crate::optout::StopWords;
use crate::outbox::Pace;
use crate::proxy::Proxy;
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
    /// How quickly it sends. Absent: the manager's default.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pace: Option<Pace>,
    /// When it rests, and how much memory it may take. Absent: as chosen for all sessions.
    #[serde(flatten)]
    pub care: Care,
    /// Which chats are not listened to. What is not chosen: the manager's default.
    #[serde(skip_serializing_if = "IgnoreChoice::is_empty", default)]
    pub ignore: IgnoreChoice,
    /// The proxy through which everything of it goes. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub proxy: Option<Proxy>,
    /// What becomes of calls. Absent: the manager's default.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reject_calls: Option<RejectCalls>,
}

/// When a session rests, and how much memory it may take. All of it is off where nothing is chosen;
/// 0 turns off what is chosen for all sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Care {
    /// Close its browser when it was not used for so many seconds; it wakes when it is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hibernate_after: Option<u64>,
    /// While it sleeps, open it every so many seconds to collect what has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wake_every: Option<u64>,
    /// Over so many MB its page is loaded anew, when nobody uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_soft_mb: Option<u32>,
    /// Over so many MB its browser is started anew, at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_hard_mb: Option<u32>,
}

impl Care {
    /// The shortest time after which a session may hibernate, and between two wakings, in seconds.
    pub const SHORTEST: u64 = 10;

    /// The longest of both, in seconds: 30 days.
    pub const LONGEST: u64 = 30 * 24 * 3600;

    /// The lowest memory limit, in MB: no browser does with less.
    pub const LEAST_MB: u32 = 100;

    /// What is chosen here, and where nothing is, what is chosen there.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            hibernate_after: self.hibernate_after.or(other.hibernate_after),
            wake_every: self.wake_every.or(other.wake_every),
            memory_soft_mb: self.memory_soft_mb.or(other.memory_soft_mb),
            memory_hard_mb: self.memory_hard_mb.or(other.memory_hard_mb),
        }
    }

    /// After how long it hibernates, if at all.
    pub fn hibernate_after(&self) -> Option<Duration> {
        seconds(self.hibernate_after)
    }

    /// How often it is woken to look, if at all.
    pub fn wake_every(&self) -> Option<Duration> {
        seconds(self.wake_every)
    }

    /// Its soft limit in MB, if there is one.
    pub fn memory_soft_mb(&self) -> Option<u32> {
        self.memory_soft_mb.filter(|limit| *limit > 0)
    }

    /// Its hard limit in MB, if there is one.
    pub fn memory_hard_mb(&self) -> Option<u32> {
        self.memory_hard_mb.filter(|limit| *limit > 0)
    }
}

fn seconds(chosen: Option<u64>) -> Option<Duration> {
    chosen.filter(|s| *s > 0).map(Duration::from_secs)
}

impl SessionOptions {
    /// Whether nothing was chosen.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Whether a session that has `others` is what these ask for: nothing was chosen, or the same.
    /// What can be changed while it runs and is not named here does not differ.
    pub fn fits(&self, others: &Self) -> bool {
        let named = Self {
            pace: self.pace.or(others.pace),
            care: self.care.or(others.care),
            ignore: if self.ignore.is_empty() {
                others.ignore.clone()
            } else {
                self.ignore.clone()
            },
            proxy: self.proxy.clone().or_else(|| others.proxy.clone()),
            reject_calls: self
                .reject_calls
                .clone()
                .or_else(|| others.reject_calls.clone()),
            ..self.clone()
        };
        self.is_empty() || named == *others
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
    /// Deletes messages that are older than this, in both directions, once an hour. Those still to
    /// be sent stay. `None`: they are kept.
    pub messages_kept: Option<Duration>,
    /// How long an idempotency key stands for the message it was first used for.
    pub idempotency_keys_kept: Duration,
    /// When sessions rest and how much memory they may take, where nothing is chosen for one.
    pub care: Care,
    /// Words each of which, alone in a message from a person, puts them on the opt-out list.
    pub stop_words: StopWords,
    /// How quickly sessions send that have no pace of their own.
    pub pace: Pace,
    /// How long each phase may take.
    pub deadlines: Deadlines,
    /// Which chats the sessions do not listen to, where a session chose nothing else.
    pub ignore: Ignore,
    /// What becomes of calls, where a session chose nothing else.
    pub reject_calls: RejectCalls,
    /// How many events are kept.
    pub events_kept: EventsKept,
    /// How webhooks work.
    pub webhooks: WebhookOptions,
    /// How files are taken, kept and converted.
    pub media: MediaOptions,
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
            messages_kept: None,
            idempotency_keys_kept: Duration::from_secs(24 * 3600),
            care: Care::default(),
            stop_words: StopWords::default(),
            pace: Pace::OFF,
            deadlines: Deadlines::default(),
            ignore: Ignore::default(),
            reject_calls: RejectCalls::default(),
            events_kept: EventsKept::default(),
            webhooks: WebhookOptions::default(),
            media: MediaOptions::default(),
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
