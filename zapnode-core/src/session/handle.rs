//! What callers hold of a session.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::actor::Command;
use super::status::{Reason, SessionInfo, SessionState};
use crate::driver::{Connection, Evidence, SelfTest};
use crate::error::Error;
use crate::id::{MessageId, PhoneNumber, SessionId, WireId};
use crate::message::{Ack, AckChange, Contact, OutgoingText, Recipient, SentMessage};

/// The most characters a text may have: what WhatsApp's own clients allow.
pub const MAX_TEXT_CHARACTERS: usize = 65_536;

/// How long a found contact is believed without asking WhatsApp again.
const CONTACT_BELIEVED: Duration = Duration::from_secs(3600);

/// How many found contacts are remembered for each session.
const CONTACTS_REMEMBERED: usize = 10_000;

/// A session, as callers hold it. Cheap to clone; the session lives on without it.
#[derive(Clone)]
pub struct SessionHandle {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) id: SessionId,
    pub(crate) info: watch::Receiver<SessionInfo>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) acks: broadcast::Sender<AckChange>,
    pub(crate) contacts: Mutex<HashMap<Recipient, (Contact, Instant)>>,
    /// Set once it is being removed; it never comes back from that.
    pub(crate) ending: AtomicBool,
}

/// A sent message, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendReceipt {
    /// WhatsApp's whole key.
    pub message_id: MessageId,
    /// How far it is.
    pub ack: Ack,
}

/// What can be known about a session when something is wrong with it.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    /// The session as it is.
    pub info: SessionInfo,
    /// What the page says right now; why not, if it does not answer.
    pub evidence: Result<Evidence, String>,
    /// What was found of the page; why not, if it does not answer.
    pub self_test: Result<SelfTest, String>,
    /// The last reasons, newest first, at most 20.
    pub reasons: Vec<PastReason>,
}

/// A reason that a session had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastReason {
    /// Since when.
    pub at: OffsetDateTime,
    /// The state's word.
    pub state: &'static str,
    /// Why.
    pub reason: Reason,
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle")
            .field("id", &self.shared.id)
            .field("state", &self.shared.info.borrow().state)
            .finish_non_exhaustive()
    }
}

impl SessionHandle {
    /// Its id.
    pub fn id(&self) -> &SessionId {
        &self.shared.id
    }

    /// The session as it is now.
    pub fn info(&self) -> SessionInfo {
        self.shared.info.borrow().clone()
    }

    /// Follows the session: state, prompt, progress, reason.
    pub fn watch(&self) -> watch::Receiver<SessionInfo> {
        self.shared.info.clone()
    }

    /// Waits until `enough` holds.
    ///
    /// # Errors
    /// [`Error::WaitTimeout`] after `within`, [`Error::SessionNotFound`] if it is removed
    /// meanwhile.
    pub async fn wait_until(
        &self,
        within: Duration,
        mut enough: impl FnMut(&SessionInfo) -> bool + Send,
    ) -> Result<SessionInfo, Error> {
        let mut info = self.watch();
        match timeout_at(Instant::now() + within, info.wait_for(|i| enough(i))).await {
            Ok(Ok(found)) => Ok(found.clone()),
            Ok(Err(_)) => Err(self.gone()),
            Err(_) => Err(Error::WaitTimeout {
                id: self.id().clone(),
                state: self.info().state,
                after: within,
            }),
        }
    }

    /// Waits until the session is ready, or rests in a state that it does not leave by itself.
    ///
    /// # Errors
    /// [`Error::NotReady`] with the state and reason in which it rests; else as
    /// [`wait_until`](Self::wait_until).
    pub async fn wait_ready(&self, within: Duration) -> Result<SessionInfo, Error> {
        let info = self
            .wait_until(within, |i| i.is_ready() || i.state.is_settled())
            .await?;
        if info.is_ready() {
            Ok(info)
        } else {
            Err(self.not_ready(info))
        }
    }

    /// Starts the session; nothing happens if it runs already. Answers at once.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it was removed.
    pub async fn start(&self) -> Result<SessionInfo, Error> {
        self.ask(Command::Start).await
    }

    /// Stops the session and keeps its login. Returns when its browser has ended.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it was removed.
    pub async fn stop(&self) -> Result<SessionInfo, Error> {
        self.ask(Command::Stop).await
    }

    /// Stops and starts the session. Returns when the old browser has ended.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it was removed.
    pub async fn restart(&self) -> Result<SessionInfo, Error> {
        self.ask(Command::Restart).await
    }

    /// Unlinks the device from the account, stops, and deletes the stored login. The session stays
    /// listed as logged out. Returns when its browser has ended.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it was removed.
    pub async fn log_out(&self) -> Result<SessionInfo, Error> {
        self.ask(Command::LogOut).await
    }

    /// Asks for a code that is typed on the phone instead of scanning the QR.
    ///
    /// # Errors
    /// [`Error::NotReady`] when the session is not waiting for a login, else by the driver's
    /// situation.
    pub async fn request_pairing_code(&self, phone: &PhoneNumber) -> Result<String, Error> {
        let info = self.info();
        if !matches!(info.state, SessionState::AwaitingLogin { .. }) {
            return Err(self.not_ready(info));
        }
        let connection = self.connection().await?;
        Ok(connection.request_pairing_code(phone).await?)
    }

    /// Sends a text. Returns when WhatsApp's server has it, or after `wait` with
    /// [`Ack::Pending`]: then the page has it and goes on by itself.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`], [`Error::NotReady`], [`Error::NumberNotOnWhatsApp`],
    /// [`Error::MessageFailed`], or by the driver's situation.
    pub async fn send_text(
        &self,
        to: impl Into<Recipient>,
        text: &str,
        wait: Duration,
    ) -> Result<SendReceipt, Error> {
        let to = to.into();
        if text.trim().is_empty() {
            return Err(Error::InvalidMessage("a message needs a text"));
        }
        if text.chars().nth(MAX_TEXT_CHARACTERS).is_some() {
            return Err(Error::InvalidMessage("a text has at most 65536 characters"));
        }
        let info = self.info();
        if !info.is_ready() {
            return Err(self.not_ready(info));
        }
        let until = Instant::now() + wait;
        let connection = self.connection().await?;
        let contact = self.find_contact(connection.as_ref(), &to).await?;
        let outgoing = OutgoingText {
            chat: contact.chat,
            body: text.to_owned(),
            wire_id: WireId::choose(),
            reply_to: None,
        };
        // Listened to before it is sent: the ack may be quicker than the answer.
        let mut acks = self.shared.acks.subscribe();
        let sent = connection.send_text(&outgoing).await?;
        let ack = await_server(&mut acks, connection.as_ref(), &sent, until).await;
        if ack == Ack::Failed {
            return Err(Error::MessageFailed {
                reason: "WhatsApp refused it, or the page could not hand it over".to_owned(),
            });
        }
        Ok(SendReceipt {
            message_id: sent.id,
            ack,
        })
    }

    /// A PNG of what a person would see.
    ///
    /// # Errors
    /// [`Error::NotReady`] when nothing runs, else by the driver's situation.
    pub async fn screenshot(&self) -> Result<Vec<u8>, Error> {
        Ok(self.connection().await?.screenshot().await?)
    }

    /// Everything that helps to see why the session is as it is.
    pub async fn diagnostics(&self) -> Diagnostics {
        let reasons = self.ask(Command::Reasons).await.unwrap_or_default();
        let (evidence, self_test) = match self.connection().await {
            Ok(connection) => {
                let (evidence, self_test) =
                    tokio::join!(connection.evidence(), connection.self_test());
                (
                    evidence.map_err(|e| e.to_string()),
                    self_test.map_err(|e| e.to_string()),
                )
            }
            Err(_) => {
                let why = "no browser is running for this session".to_owned();
                (Err(why.clone()), Err(why))
            }
        };
        Diagnostics {
            info: self.info(),
            evidence,
            self_test,
            reasons,
        }
    }

    async fn find_contact(
        &self,
        connection: &dyn Connection,
        to: &Recipient,
    ) -> Result<Contact, Error> {
        let remembered = |now: Instant| {
            let contacts = self.contacts();
            let (contact, at) = contacts.get(to)?;
            (now.duration_since(*at) < CONTACT_BELIEVED).then(|| contact.clone())
        };
        if let Some(contact) = remembered(Instant::now()) {
            return Ok(contact);
        }
        let found = connection.find_contact(to).await?;
        let contact = found.ok_or_else(|| Error::NumberNotOnWhatsApp {
            recipient: to.to_string(),
        })?;
        let mut contacts = self.contacts();
        if contacts.len() >= CONTACTS_REMEMBERED {
            contacts.clear();
        }
        contacts.insert(to.clone(), (contact.clone(), Instant::now()));
        Ok(contact)
    }

    fn contacts(&self) -> std::sync::MutexGuard<'_, HashMap<Recipient, (Contact, Instant)>> {
        // A map of facts stays true whoever panicked beside it.
        self.shared
            .contacts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn connection(&self) -> Result<Arc<dyn Connection>, Error> {
        let connection = self.ask(Command::Connection).await?;
        connection.ok_or_else(|| self.not_ready(self.info()))
    }

    pub(crate) async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.shared
            .commands
            .send(command(reply))
            .await
            .map_err(|_| self.gone())?;
        answer.await.map_err(|_| self.gone())
    }

    fn gone(&self) -> Error {
        Error::SessionNotFound {
            id: self.id().clone(),
        }
    }

    fn not_ready(&self, info: SessionInfo) -> Error {
        Error::NotReady {
            id: info.id,
            state: info.state,
            reason: info.reason,
        }
    }
}

/// Waits until the server has a message, or it failed, or `until` has come.
async fn await_server(
    acks: &mut broadcast::Receiver<AckChange>,
    connection: &dyn Connection,
    sent: &SentMessage,
    until: Instant,
) -> Ack {
    let wire_id = sent.id.wire_id();
    let mut ack = sent.ack;
    while ack == Ack::Pending {
        match timeout_at(until, acks.recv()).await {
            // The whole key may name the chat differently than the answer did.
            Ok(Ok(change)) if change.id.wire_id() == wire_id => ack = change.ack,
            Ok(Ok(_)) => {}
            // Too many at once: what was missed is asked for.
            Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                if let Ok(Some(found)) = connection.find_message(&sent.id).await {
                    ack = found.ack;
                }
            }
            Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
        }
    }
    ack
}
