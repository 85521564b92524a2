//! How a session stands with WhatsApp, in words any driver can use.

use serde::{Deserialize, Serialize};

use crate::id::ChatId;

/// The account a session is logged in as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// `…@c.us`, if the page tells it.
    pub phone: Option<ChatId>,
    /// `…@lid`, if the page tells it.
    pub lid: Option<ChatId>,
    /// The name the owner gave the account.
    pub name: Option<String>,
}

/// How the link to WhatsApp stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Connecting for the first time since the session was opened or reloaded.
    Connecting,
    /// No phone is linked: a QR or a code is needed.
    NeedsLogin,
    /// A phone accepted; the login is being finished.
    Pairing,
    /// Linked, and loading what happened meanwhile.
    Syncing {
        /// 0 to 100, if the page tells it. It may stop short of 100 (fact sheet §2.6).
        percent: Option<u8>,
    },
    /// Linked, synced, connected: can send and receive.
    Ready(Identity),
    /// Linked, but WhatsApp cannot be reached at the moment. The page tries by itself.
    Offline,
    /// Another browser has taken this session over.
    Conflict,
    /// WhatsApp will not serve this session until a person does something.
    Refused(Refusal),
}

/// Why WhatsApp will not serve a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The page says this browser is not supported (fact sheet §1.1).
    UnsupportedBrowser,
    /// The page's build is too old (state `DEPRECATED_VERSION`).
    OutdatedBuild,
    /// Terms of service must be accepted on the phone, or the account is blocked.
    TermsOfService,
    /// The network blocks WhatsApp (state `PROXYBLOCK`).
    BlockedNetwork,
    /// The account asks for a passkey, which no headless browser has (fact sheet §2.5).
    PasskeyRequired,
    /// The page is linked and up, but lacks parts that sending or receiving needs, and they have
    /// not come. [`Connection::self_test`](super::Connection::self_test) names them.
    MissingParts,
}

/// Why a device was unlinked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutReason {
    /// [`Connection::log_out`](super::Connection::log_out) was called.
    Asked,
    /// The owner removed it on the phone, or WhatsApp did; with WhatsApp's word for it if any
    /// (fact sheet §2.7).
    Remote(Option<String>),
}

/// How things stand right now, and what that was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The state, judged from the facts below.
    pub link: LinkState,
    /// The page's build, as `2.3000.…`.
    pub version: Option<String>,
    /// Messages arrived that were not told when they did. They have been told now; that it goes on
    /// like that must be expected.
    pub deaf: bool,
    /// The facts as the driver read them, in a stable order: name and value.
    pub facts: Vec<(String, String)>,
}

/// What an open session takes of the machine, with everything that runs for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Memory in bytes; what its processes share counts once, where the system tells.
    pub memory_bytes: u64,
    /// Processor time spent so far by what runs now.
    pub processor_time: std::time::Duration,
    /// How many processes.
    pub processes: u32,
}

/// What a driver found and missed of the surface it speaks to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SelfTest {
    /// The page's build.
    pub version: Option<String>,
    /// Whether everything needed is there.
    pub ok: bool,
    /// One line per thing looked for.
    pub probes: Vec<Probe>,
}

/// One thing looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// What it is needed for, as `send`.
    pub feature: String,
    /// What was looked for, as `WAWebMsgKey.newId`.
    pub part: String,
    /// Whether it was there.
    pub found: bool,
    /// Whether a session cannot work without it.
    pub needed: bool,
    /// More, as the name under which it was found or the error it threw.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
}
