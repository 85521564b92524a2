//! The bridge to Chatwoot: WhatsApp's messages into its conversations, its agents' answers out.
//!
//! Each session may have one. A bridge is one more reader of the [event log](crate::event) with a
//! cursor of its own, and a writer to the outbox: nothing that WhatsApp told is lost while Chatwoot
//! is down, and what an agent wrote is stored before Chatwoot's call is answered. Which message
//! there is which message here is kept in the store, so that each appears once on either side.
//!
//! - [`config`]: what its owner says. [`words`]: what it says itself.
//! - [`incoming`]: what a webhook of Chatwoot means; [`outgoing`]: what an event of ours becomes
//!   there; [`mod@format`]: Markdown to WhatsApp's marks and back. Pure.
//! - [`api`]: Chatwoot's account API, typed. [`signature`]: whether a call is Chatwoot's own.
//! - `bridge`: the one task of each bridge; `threads` finds contacts and conversations, `push` puts
//!   messages into them, `calls` deals with what agents did; `files` carries files; `pace` keeps under Chatwoot's limits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

pub mod api;
mod bridge;
mod calls;
mod check;
pub mod config;
mod files;
pub mod format;
pub mod incoming;
pub mod outgoing;
mod pace;
mod push;
pub mod signature;
mod threads;
pub mod words;

pub use api::ApiError;
pub use check::{Finding, Report};
pub use config::{BridgeConfig, InvalidConfig, Resolved};
pub use words::Language;

use crate::error::Error;
use crate::id::SessionId;
use crate::manager::SessionManager;
use crate::net::{HttpClient, Policy, Timeouts};
use crate::store::{BridgeRow, StoreError, now};
use incoming::{Belongs, Verdict};
use pace::Paces;
use signature::SignatureError;

/// The bounds of one call to Chatwoot: a page of messages is far larger than a webhook's answer.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(20),
    total: Duration::from_secs(30),
    body: 4 * 1024 * 1024,
};

/// How long what a bridge has under way may take to end at a shutdown.
const DRAIN: Duration = Duration::from_secs(5);

/// How a bridge stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BridgeState {
    /// It works, as far as is known.
    Working,
    /// Chatwoot is down, or asked to wait; it goes on by itself.
    Waiting,
    /// The token is not taken. Somebody must give another one.
    WrongToken,
    /// The account or the inbox does not exist.
    Missing,
    /// Chatwoot will not do what the settings ask for.
    Refused,
}

impl BridgeState {
    /// The word on our wires and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Waiting => "waiting",
            Self::WrongToken => "wrong_token",
            Self::Missing => "missing",
            Self::Refused => "refused",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        use BridgeState::{Missing, Refused, Waiting, Working, WrongToken};
        let all = [Working, Waiting, WrongToken, Missing, Refused];
        all.into_iter().find(|state| state.as_str() == word)
    }

    /// What a person can do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Working => "Nothing to do.",
            Self::Waiting => "It goes on by itself once Chatwoot answers; nothing is lost.",
            Self::WrongToken => {
                "Give an access token of an agent of this account (Chatwoot: Profile settings, Access token)."
            }
            Self::Missing => {
                "Check accountId and inboxId; `zapnode chatwoot check` shows the inboxes there are."
            }
            Self::Refused => "Read Chatwoot's words in the detail, and change the settings.",
        }
    }
}

/// Why the bridge could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChatwootError {
    /// The session has no bridge.
    #[error("this session has no Chatwoot bridge")]
    NoBridge,
    /// The settings cannot be used.
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
    /// The address is of a private network.
    #[error(transparent)]
    Net(#[from] crate::net::NetError),
    /// The secret in the path is another one.
    #[error("there is no such webhook")]
    WrongSecret,
    /// The call's signature is not taken.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The call's body is no JSON object.
    #[error("the body is not a JSON object")]
    Malformed,
    /// Something of the session.
    #[error(transparent)]
    Session(#[from] Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Draws the text of a QR code as a PNG; `None` if that fails.
pub type DrawQr = fn(&str) -> Option<Vec<u8>>;

/// How bridges work.
#[derive(Clone, Debug, Default)]
pub struct ChatwootOptions {
    /// Whether Chatwoot may be in a private network: often it is.
    pub allow_private: bool,
    /// The address of a Chatwoot that whoever started this program named: it may be private in any
    /// case.
    pub trusted_url: Option<String>,
    /// Draws a QR as a PNG, for agents to scan. Absent: they are told where to find it.
    pub draw_qr: Option<DrawQr>,
}

/// A bridge as it is now.
#[derive(Clone, Debug)]
pub struct BridgeInfo {
    /// As it is stored.
    pub row: BridgeRow,
    /// How many events of the log it has still to deal with.
    pub behind: i64,
}

impl BridgeInfo {
    /// The path that Chatwoot is to call, with the secret in it.
    pub fn webhook_path(&self) -> String {
        bridge::webhook_path(&self.row)
    }
}

/// What a call of Chatwoot's webhook led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is stored and will be dealt with.
    Stored,
    /// It was stored by an earlier call.
    Repeated,
    /// It asks for nothing.
    Ignored(incoming::Ignored),
}

/// All bridges of a manager. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Chatwoot {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    bridges: Mutex<BTreeMap<SessionId, Running>>,
    tasks: TaskTracker,
}

/// What all bridges work with.
struct Shared {
    manager: SessionManager,
    http: HttpClient,
    options: ChatwootOptions,
    /// By host and port: bridges to one Chatwoot share its limits.
    paces: Mutex<BTreeMap<String, Arc<Paces>>>,
    stop: CancellationToken,
}

impl Shared {
    /// Whether a Chatwoot may be in a private network.
    fn policy(&self, url: &Url) -> Policy {
        let trusted = self.options.trusted_url.as_deref();
        let trusted = trusted.and_then(|trusted| Url::parse(trusted).ok());
        if self.options.allow_private || trusted.is_some_and(|one| one.origin() == url.origin()) {
            Policy::Any
        } else {
            Policy::PublicOnly
        }
    }

    fn paces(&self, url: &Url) -> Arc<Paces> {
        let mut all = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let key = url.origin().ascii_serialization();
        Arc::clone(all.entry(key).or_default())
    }
}

struct Running {
    stop: CancellationToken,
    wake: Arc<Notify>,
    ended: tokio::task::JoinHandle<()>,
}

impl fmt::Debug for Chatwoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chatwoot")
            .field("bridges", &self.bridges().len())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Chatwoot {
    /// Starts every bridge that is set up.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(
        manager: SessionManager,
        options: ChatwootOptions,
    ) -> Result<Self, StoreError> {
        let rows = manager.store().bridges().await?;
        let this = Self {
            inner: Arc::new(Inner {
                shared: Arc::new(Shared {
                    manager,
                    http: HttpClient::new(TIMEOUTS, &[]),
                    options,
                    paces: Mutex::default(),
                    stop: CancellationToken::new(),
                }),
                bridges: Mutex::default(),
                tasks: TaskTracker::new(),
            }),
        };
        for row in rows {
            this.spawn(row);
        }
        Ok(this)
    }

    /// Sets a session's bridge up, or changes its settings: it goes on where it was.
    ///
    /// # Errors
    /// [`ChatwootError::Invalid`], [`ChatwootError::Net`] for a private address that is not
    /// allowed, [`ChatwootError::Session`] if there is no such session.
    pub async fn set(
        &self,
        session: SessionId,
        config: BridgeConfig,
    ) -> Result<BridgeInfo, ChatwootError> {
        self.inner.shared.manager.get(&session)?;
        self.put(session, config).await
    }

    /// As [`set`](Self::set), for a bridge that whoever started this program asks for: the session
    /// need not be there yet, and a bridge that is set up so already is not disturbed.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn configure(
        &self,
        session: SessionId,
        config: BridgeConfig,
    ) -> Result<BridgeInfo, ChatwootError> {
        match self.get(session.clone()).await {
            Ok(known) if known.row.config == config => Ok(known),
            Ok(_) | Err(ChatwootError::NoBridge) => self.put(session, config).await,
            Err(error) => Err(error),
        }
    }

    async fn put(
        &self,
        session: SessionId,
        config: BridgeConfig,
    ) -> Result<BridgeInfo, ChatwootError> {
        let url = config.check()?;
        let shared = &self.inner.shared;
        crate::net::check_target(shared.policy(&url), &url, TIMEOUTS.connect).await?;
        let log = shared.manager.events();
        let cursor = match config.import_days {
            0 => log.latest(),
            days => {
                log.cursor_at(now() - time::Duration::days(days.into()))
                    .await?
            }
        };
        let row = BridgeRow {
            session: session.clone(),
            config,
            secret: ulid::Ulid::new().to_string().to_lowercase() + &random_tail(),
            inbox: None,
            cursor,
            state: BridgeState::Waiting,
            detail: None,
            since: now(),
            begun: now(),
        };
        // The old task ends first: it must not note its state over the new one's.
        self.end(&session).await;
        let row = shared.manager.store().put_bridge(row).await?;
        self.spawn(row);
        self.get(session).await
    }

    /// A session's bridge.
    ///
    /// # Errors
    /// [`ChatwootError::NoBridge`], or the store's.
    pub async fn get(&self, session: SessionId) -> Result<BridgeInfo, ChatwootError> {
        let manager = &self.inner.shared.manager;
        let row = manager
            .store()
            .bridge(session)
            .await?
            .ok_or(ChatwootError::NoBridge)?;
        let behind = (manager.events().latest() - row.cursor).max(0);
        Ok(BridgeInfo { row, behind })
    }

    /// Takes a session's bridge away. What is in Chatwoot stays there.
    ///
    /// # Errors
    /// [`ChatwootError::NoBridge`], or the store's.
    pub async fn remove(&self, session: &SessionId) -> Result<(), ChatwootError> {
        self.end(session).await;
        let store = self.inner.shared.manager.store();
        if store.delete_bridge(session.clone()).await? {
            Ok(())
        } else {
            Err(ChatwootError::NoBridge)
        }
    }

    /// Tries address, token, account, inbox and webhook of a bridge's settings, and says what is
    /// wrong. Changes nothing. `known_inbox`: the one that was made for this bridge, where the
    /// settings name none.
    ///
    /// # Errors
    /// [`ChatwootError::Invalid`].
    pub async fn check(
        &self,
        config: &BridgeConfig,
        webhook_path: &str,
        known_inbox: Option<i64>,
    ) -> Result<Report, ChatwootError> {
        check::check(&self.inner.shared, config, webhook_path, known_inbox).await
    }

    /// Takes a call of Chatwoot's webhook: stores it if it asks for something. Quick, so that
    /// Chatwoot, which waits 5 s and tries once, never marks a message as failed over us.
    ///
    /// # Errors
    /// [`ChatwootError::WrongSecret`] also where there is no bridge; [`ChatwootError::Signature`],
    /// [`ChatwootError::Malformed`], or the store's: then nothing was stored.
    pub async fn take(
        &self,
        session: &SessionId,
        secret: &str,
        signature: Option<&str>,
        timestamp: Option<&str>,
        body: &[u8],
    ) -> Result<Taken, ChatwootError> {
        let store = self.inner.shared.manager.store();
        let row = store.bridge(session.clone()).await?;
        let row = row
            .filter(|row| same(secret, &row.secret))
            .ok_or(ChatwootError::WrongSecret)?;
        if let Some(secret) = &row.config.signing_secret {
            let now = OffsetDateTime::now_utc().unix_timestamp();
            signature::verify(secret, signature, timestamp, body, now)?;
        }
        let call: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| ChatwootError::Malformed)?;
        let once = match incoming::judge(&call, &belongs(&row)) {
            Verdict::Ignore(why) => return Ok(Taken::Ignored(why)),
            Verdict::Send(message) => {
                // Of a call that was dealt with long ago the map still knows.
                let sent = store.pair_by_message(session.clone(), message.id).await?;
                if sent.is_some() {
                    return Ok(Taken::Repeated);
                }
                format!("message/{}", message.id)
            }
            Verdict::Delete { message, .. } => format!("delete/{message}"),
            // Passing by nature: it is not stored.
            Verdict::Typing { to, on } => {
                calls::typing(&self.inner.shared, session, &to, on);
                return Ok(Taken::Stored);
            }
        };
        let body = Value::Object(call).to_string();
        let new = store.accept_call(session.clone(), once, body).await?;
        if !new {
            return Ok(Taken::Repeated);
        }
        if let Some(running) = self.bridges().get(session) {
            running.wake.notify_one();
        }
        Ok(Taken::Stored)
    }

    /// Ends all bridges; what is not done is done after the next start. Bounded.
    pub async fn shutdown(&self) {
        self.inner.shared.stop.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(DRAIN, self.inner.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("a Chatwoot bridge took too long to end");
        }
    }

    fn spawn(&self, row: BridgeRow) {
        let session = row.session.clone();
        let stop = self.inner.shared.stop.child_token();
        let wake = Arc::new(Notify::new());
        let task = bridge::run(
            Arc::clone(&self.inner.shared),
            row,
            stop.clone(),
            Arc::clone(&wake),
        );
        let ended = self.inner.tasks.spawn(task);
        self.bridges()
            .insert(session, Running { stop, wake, ended });
    }

    /// Ends a bridge's task, so that another one can begin where it was.
    async fn end(&self, session: &SessionId) {
        let running = self.bridges().remove(session);
        if let Some(running) = running {
            running.stop.cancel();
            // It panicked or ended: both are an end.
            let _ = running.ended.await;
        }
    }

    fn bridges(&self) -> MutexGuard<'_, BTreeMap<SessionId, Running>> {
        // Held for a look or one insertion; a panic elsewhere leaves the map whole.
        self.inner
            .bridges
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn belongs(row: &BridgeRow) -> Belongs {
    Belongs {
        account: row.config.account_id,
        inbox: row.inbox.or(row.config.inbox_id),
        templates: row.config.send_templates,
    }
}

/// Compares in a time that tells nothing of how much is right.
fn same(given: &str, wanted: &str) -> bool {
    let differs = given
        .bytes()
        .zip(wanted.bytes())
        .fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == wanted.len() && differs == 0
}

/// Makes a secret of a ULID, whose first half is the time, hard to guess.
fn random_tail() -> String {
    let mut bytes = [0; 16];
    // The system's generator does not fail where a program can run; a ULID's 80 bits remain.
    let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abd") && !same("ab", "abc") && !same("", "abc"));
        assert!(BridgeState::from_word("missing") == Some(BridgeState::Missing));
    }
}
