//! What a session publishes about itself: its state, and why it is in it.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::driver::Identity;
use crate::id::{PhoneNumber, SessionId};
use crate::options::SessionOptions;
use crate::outbox::Pace;

/// The state of a session. The table of transitions is in `session::machine`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Nothing runs, and nothing is meant to.
    Stopped,
    /// The browser is starting, or the page is loading.
    Starting,
    /// A person must scan a QR or type a code.
    AwaitingLogin {
        /// What to show them; absent until WhatsApp gave it, and between two.
        prompt: Option<Prompt>,
    },
    /// A phone is linked and what happened meanwhile is being loaded.
    Syncing {
        /// 0 to 100, if WhatsApp tells it. May stop short of 100.
        percent: Option<u8>,
    },
    /// Can send and receive.
    Ready,
    /// It was ready or on its way, and is being brought back.
    Recovering {
        /// Which attempt this is, from 1.
        attempt: u32,
    },
    /// The phone or WhatsApp removed this device, or we logged out. `start` gives a new QR.
    LoggedOut,
    /// Given up; the reason says why and what to do. `start` begins anew.
    Failed,
}

impl SessionState {
    /// The word on our wires: `stopped`, `starting`, `awaiting_login`, `syncing`, `ready`,
    /// `recovering`, `logged_out`, `failed`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::AwaitingLogin { .. } => "awaiting_login",
            Self::Syncing { .. } => "syncing",
            Self::Ready => "ready",
            Self::Recovering { .. } => "recovering",
            Self::LoggedOut => "logged_out",
            Self::Failed => "failed",
        }
    }

    /// Whether it can send and receive.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }

    /// Whether it rests here: nothing more happens until somebody asks.
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Stopped | Self::LoggedOut | Self::Failed)
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a person needs in order to log in, as it is shown now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A QR code.
    Qr {
        /// What the code says.
        text: String,
        /// Counts the codes of this session since it was started, from 1.
        serial: u64,
        /// Until when it is good, as far as WhatsApp says.
        expires_at: OffsetDateTime,
    },
    /// A code to type on the phone.
    PairingCode {
        /// Eight characters.
        code: String,
        /// The number it is for.
        phone: PhoneNumber,
        /// Until when it is good.
        expires_at: OffsetDateTime,
    },
}

/// Why a session is in its state: a stable code, and what happened in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The stable code.
    pub code: ReasonCode,
    /// What happened, for a person.
    pub detail: String,
}

impl Reason {
    /// A reason with its detail.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code.as_str())
    }
}

/// Declares the codes once: variant, wire word, hint.
macro_rules! reason_codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $hint:literal;)*) => {
        /// Names a reason, for programs. New ones may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum ReasonCode {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)*
        }

        impl ReasonCode {
            /// All codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on our wires.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What a person can do about it.
            pub fn hint(self) -> &'static str {
                match self { $(Self::$variant => $hint,)* }
            }
        }
    };
}

reason_codes! {
    /// Somebody asked for it.
    Requested = "requested",
        "Start the session when you need it again.";
    /// No browser on this machine.
    BrowserNotFound = "browser_not_found",
        "Install Chromium or Google Chrome, or set CHROME_PATH to the one you have.";
    /// A browser that may not be used.
    BrowserNotAllowed = "chrome_path_not_allowed",
        "Add the path to ZAPNODE_CHROME_ALLOW, or leave chromePath away.";
    /// A window was asked for where there is no display.
    NoDisplay = "no_display",
        "Use headless: true, or start ZapNode where a display exists.";
    /// Somebody else has the profile open.
    ProfileInUse = "profile_in_use",
        "End the other program that uses this profile, then start the session.";
    /// The browser ended at its start.
    LaunchFailed = "launch_failed",
        "Run `zapnode doctor`; it starts the browser and shows what it says.";
    /// The browser did not come up in time.
    LaunchTimeout = "launch_timeout",
        "The machine may be overloaded; start fewer sessions at once, or run `zapnode doctor`.";
    /// The page could not be loaded, or never spoke.
    PageUnreachable = "page_unreachable",
        "Check the network of this machine and ZAPNODE_WEB_URL, then start the session.";
    /// The page has changed and parts that are needed are not in it.
    BridgeMissingModules = "bridge_missing_modules",
        "WhatsApp Web has changed. See the self-test in diagnostics, and look for a newer bridge.";
    /// Nobody logged in.
    LoginTimeout = "login_timeout",
        "Start the session again and scan the QR with the phone: Settings, Linked devices.";
    /// The login was accepted and the chats were never loaded.
    SyncTimeout = "sync_timeout",
        "Open WhatsApp on the phone and keep it on the network, then start the session.";
    /// The account asks for a passkey.
    PasskeyRequired = "passkey_required",
        "WhatsApp asks this account for a passkey, which a headless browser cannot give. Link with headless: false on a desktop once.";
    /// The page's build is too old.
    OutdatedBuild = "outdated_build",
        "Restart the session so that it loads the current WhatsApp Web.";
    /// The page refuses this browser.
    UnsupportedBrowser = "unsupported_browser",
        "Update Chromium; WhatsApp Web refuses old ones.";
    /// Terms of service, or a blocked account.
    TermsOfService = "terms_of_service",
        "Open WhatsApp on the phone and read what it asks; the account may be restricted.";
    /// The network blocks WhatsApp.
    BlockedNetwork = "blocked_network",
        "This network blocks WhatsApp; use another one or a proxy.";
    /// The browser ended by itself.
    BrowserCrashed = "browser_crashed",
        "It is started again by itself; if it repeats, look at the machine's memory.";
    /// The page does not answer any more.
    PageStalled = "page_stalled",
        "It is loaded anew by itself; if it repeats, look at the machine's load.";
    /// The page was loaded anew.
    PageReloaded = "page_reloaded",
        "WhatsApp Web does this by itself after linking and at updates; nothing to do.";
    /// WhatsApp cannot be reached.
    Offline = "offline",
        "Check the network of this machine; the session comes back by itself.";
    /// Another browser uses this login.
    Conflict = "conflict",
        "Another browser took this login over. Close it there, then start the session.";
    /// The device was removed on the phone, or by WhatsApp.
    LoggedOutRemotely = "logged_out",
        "The device was removed on the phone. Start the session for a new QR.";
    /// We logged out because somebody asked.
    LogoutRequested = "logout_requested",
        "Start the session for a new QR.";
    /// Files could not be written or read.
    StorageFailed = "storage_failed",
        "Check free space and the rights of the data folder.";
    /// Something else in the driver.
    DriverFailed = "driver_failed",
        "See the diagnostics of the session.";
}

/// A session as it is at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// Goes up by one with every change of anything here, so that a caller can wait for "newer
    /// than what I have seen".
    pub generation: u64,
    /// The state.
    pub state: SessionState,
    /// Since when it is in this state.
    pub since: OffsetDateTime,
    /// Why it is in this state, where there is something to say.
    pub reason: Option<Reason>,
    /// The account, once known.
    pub me: Option<Identity>,
    /// Whether a phone was linked the last time anything was known: it starts without a QR.
    pub linked: bool,
    /// When the session was created.
    pub created_at: OffsetDateTime,
    /// When it was last ready since it was started; absent before.
    pub ready_at: Option<OffsetDateTime>,
    /// What its creator chose.
    pub options: SessionOptions,
    /// How quickly it sends: its own pace, else that of all sessions.
    pub pace: Pace,
}

impl SessionInfo {
    /// Whether it can send and receive.
    pub fn is_ready(&self) -> bool {
        self.state.is_ready()
    }
}
