//! What callers hold of a session.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use ulid::Ulid;

use super::actor::{Change, Command};
use super::failure::{LastFailure, Records};
use super::history::{KEPT, Transition};
use super::status::{Reason, SessionInfo, SessionState};
use crate::call::RejectCalls;
use crate::driver::{Connection, DriverError, Evidence, SelfTest};
use crate::error::Error;
use crate::id::{MessageId, PhoneNumber, SessionId, WireId};
use crate::media::MediaStore;
use crate::message::{Ack, Contact, Content, Recipient};
use crate::options::SessionOptions;
use crate::outbox::queue::Standing;
use crate::outbox::worker::{self as outbox, Progress, Which, fresh, item_of};
use crate::outbox::{
    Failure, Message, MessageFilter, MessageState, NewMessage, Pace, QueueView, Submitted, Wait,
};
use crate::store::{Accepted, Key, Store};

mod chats;
mod contacts;
mod feeds;
mod groups;
mod numbers;

pub use chats::MessageSource;
pub use numbers::Unchecked;

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
    pub(crate) store: Store,
    pub(crate) records: Records,
    pub(crate) media: MediaStore,
    pub(crate) outbox: mpsc::UnboundedSender<outbox::Input>,
    pub(crate) progress: broadcast::Sender<Progress>,
    pub(crate) contacts: Mutex<HashMap<Recipient, (Contact, Instant)>>,
    /// What becomes of calls where the session chose nothing.
    pub(crate) reject_calls: RejectCalls,
    /// Held while somebody keeps it closed.
    pub(crate) closed: tokio::sync::Mutex<()>,
    /// Set once it is being removed; it never comes back from that.
    pub(crate) ending: AtomicBool,
}

/// A sent message, as far as it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendReceipt {
    /// Our own id.
    pub id: Ulid,
    /// WhatsApp's whole key, once the page has it.
    pub message_id: Option<MessageId>,
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
            Err(not_ready(info))
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

    /// Closes the session so that its login is kept, does `work` while nothing has its files open,
    /// and opens it again if it ran. Meanwhile it is hibernating for `reason`: sends are accepted
    /// and wait, and a `start` takes effect afterwards. Dropping the future releases the session.
    ///
    /// Closing takes at most as long as a launch and a close under way (see
    /// [`Deadlines`](crate::options::Deadlines)); how long `work` may take is the caller's to say.
    /// One caller at a time: the next waits.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it is removed before it is closed; `work` is not begun then.
    pub async fn while_closed<T>(
        &self,
        reason: Reason,
        work: impl Future<Output = T>,
    ) -> Result<T, Error> {
        let _turn = self.shared.closed.lock().await;
        // Dropped at the end, whichever that is.
        let (_release, released) = oneshot::channel::<()>();
        self.ask(|granted| Command::Hold {
            reason,
            granted,
            released,
        })
        .await?;
        Ok(work.await)
    }

    /// Asks for a code that is typed on the phone instead of scanning the QR.
    ///
    /// # Errors
    /// [`Error::NotReady`] when the session is not waiting for a login, else by the driver's
    /// situation.
    pub async fn request_pairing_code(&self, phone: &PhoneNumber) -> Result<String, Error> {
        let info = self.info();
        if !matches!(info.state, SessionState::AwaitingLogin { .. }) {
            return Err(not_ready(info));
        }
        let connection = self.connection().await?;
        Ok(connection.request_pairing_code(phone).await?)
    }

    /// Accepts a message: it is stored when this returns, and will be sent once, in order, also
    /// across restarts, unless its session is logged out or removed first.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`]; [`Error::NotReady`] where no phone is linked or nobody wants the
    /// session to run; [`Error::IdempotencyMismatch`]; [`Error::Store`], and then it was not
    /// accepted.
    pub async fn submit(&self, new: NewMessage) -> Result<Submitted, Error> {
        let key = new.idempotency_key.as_ref().map(|key| Key {
            key: key.clone(),
            request: request_of(self.id(), &new),
        });
        self.submit_keyed(new, key).await
    }

    /// The message that the idempotency key of `new` stands for already, if it does: for whoever has
    /// work to do before it can be submitted.
    ///
    /// # Errors
    /// [`Error::IdempotencyMismatch`], [`Error::Store`].
    pub async fn known(&self, new: &NewMessage) -> Result<Option<Submitted>, Error> {
        check_key(new.idempotency_key.as_deref())?;
        let Some(key) = &new.idempotency_key else {
            return Ok(None);
        };
        let key = Key {
            key: key.clone(),
            request: request_of(self.id(), new),
        };
        let known = self.shared.store.known_by_key(key).await?;
        known.map(repeated).transpose()
    }

    /// Accepts a message as [`submit`](Self::submit), under a key that may be bound to more than
    /// this session.
    pub(crate) async fn submit_keyed(
        &self,
        new: NewMessage,
        key: Option<Key>,
    ) -> Result<Submitted, Error> {
        check(&new)?;
        // A repeated call is answered whatever the session is doing now.
        if let Some(key) = &key
            && let Some(known) = self.shared.store.known_by_key(key.clone()).await?
        {
            return repeated(known);
        }
        let info = self.info();
        if !admits(&info) {
            return Err(not_ready(info));
        }
        if let Some(media) = new.content.media() {
            self.shared.media.claim(media).await?;
        }
        let message = fresh(self.id(), &new);
        match self.shared.store.accept(message, key).await? {
            Accepted::New(message, standing) => {
                self.enqueue([(&message, standing)])?;
                Ok(Submitted {
                    message,
                    repeated: false,
                })
            }
            known => repeated(known),
        }
    }

    /// Submits a message and waits until it is at `goal` or can never be, at most `wait`; gives it
    /// as far as it has come.
    ///
    /// # Errors
    /// As [`submit`](Self::submit). A message that failed is no error here: see its state.
    pub async fn submit_and_wait(
        &self,
        new: NewMessage,
        goal: MessageState,
        wait: Duration,
    ) -> Result<Submitted, Error> {
        let until = Instant::now() + wait;
        // Listened to before it is accepted, so that nothing is missed in between.
        let progress = self.progress();
        let submitted = self.submit(new).await?;
        self.follow(progress, submitted, goal, until).await
    }

    /// Waits until a message that was submitted before is at `goal` or can never be, at most `wait`;
    /// gives it as far as it has come.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn wait_for(
        &self,
        submitted: Submitted,
        goal: MessageState,
        wait: Duration,
    ) -> Result<Submitted, Error> {
        let until = Instant::now() + wait;
        let progress = self.progress();
        // As it is now that its news are listened to.
        let message = self.shared.store.message(submitted.message.id).await?;
        let submitted = Submitted {
            message: message.unwrap_or(submitted.message),
            ..submitted
        };
        self.follow(progress, submitted, goal, until).await
    }

    /// What becomes of this session's messages from now on.
    pub(crate) fn progress(&self) -> broadcast::Receiver<Progress> {
        self.shared.progress.subscribe()
    }

    /// Waits until a message is at `goal` or can never be, at most until `until`. `progress` is of
    /// before the message was looked at.
    pub(crate) async fn follow(
        &self,
        mut progress: broadcast::Receiver<Progress>,
        mut submitted: Submitted,
        goal: MessageState,
        until: Instant,
    ) -> Result<Submitted, Error> {
        let message = &mut submitted.message;
        while message.state.rank().is_some() && !message.state.reached(goal) {
            match timeout_at(until, progress.recv()).await {
                Ok(Ok(news)) if news.wire_id == message.wire_id => {
                    message.state = news.state;
                    message.message_id = news.message_id.or(message.message_id.take());
                    message.failure = news.failure;
                }
                Ok(Ok(_)) => {}
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => {
                    if let Some(stored) = self.shared.store.message(message.id).await? {
                        *message = stored;
                    }
                }
                Ok(Err(broadcast::error::RecvError::Closed)) | Err(_) => break,
            }
        }
        Ok(submitted)
    }

    /// Sends a text at once. Returns when WhatsApp's server has it, or after `wait` with
    /// [`Ack::Pending`]: then it is stored and goes on by itself.
    ///
    /// # Errors
    /// As [`submit`](Self::submit), or [`Error::SendFailed`].
    pub async fn send_text(
        &self,
        to: impl Into<Recipient>,
        text: &str,
        wait: Duration,
    ) -> Result<SendReceipt, Error> {
        self.send(to, Content::text(text), wait).await
    }

    /// The files that messages carry: what is to be sent is put there first.
    pub fn media(&self) -> &MediaStore {
        &self.shared.media
    }

    /// Sends a message of any kind at once, as [`send_text`](Self::send_text) does a text.
    ///
    /// # Errors
    /// As [`submit`](Self::submit), or [`Error::SendFailed`].
    pub async fn send(
        &self,
        to: impl Into<Recipient>,
        content: Content,
        wait: Duration,
    ) -> Result<SendReceipt, Error> {
        let new = NewMessage::new(to, content);
        let submitted = self.submit_and_wait(new, MessageState::Sent, wait).await?;
        receipt(submitted.message)
    }

    /// Takes a message back that has not been handed to WhatsApp.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`], [`Error::NotCancellable`], or [`Error::Store`].
    pub async fn cancel(&self, id: Ulid) -> Result<Message, Error> {
        let found = self.shared.store.message(id).await?;
        let message = found
            .filter(|message| message.session == *self.id())
            .ok_or(Error::MessageNotFound)?;
        let (reply, answer) = oneshot::channel();
        let cancel = outbox::Input::Cancel(message.wire_id.clone(), reply);
        self.shared.outbox.send(cancel).map_err(|_| self.gone())?;
        if answer.await.map_err(|_| self.gone())? {
            return Ok(Message {
                state: MessageState::Cancelled,
                ..message
            });
        }
        let now = self.shared.store.message(id).await?;
        Err(Error::NotCancellable {
            state: now.map_or(message.state, |m| m.state),
        })
    }

    /// Why each of these messages waits, and until when; none for those that do not wait.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it was removed.
    pub async fn waits(&self, messages: &[Message]) -> Result<Vec<Option<Wait>>, Error> {
        let wire_ids: Vec<_> = messages.iter().map(|m| m.wire_id.clone()).collect();
        let (reply, answer) = oneshot::channel();
        self.tell_outbox(outbox::Input::Explain(wire_ids, reply))?;
        let waits = answer.await.map_err(|_| self.gone())?;
        // What came further meanwhile does not wait as it did.
        let pairs = waits.into_iter().zip(messages);
        Ok(pairs
            .map(|(wait, message)| wait.filter(|_| message.from_me && message.state.is_open()))
            .collect())
    }

    /// The queue as it is, with the first `limit` messages that are not over.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it was removed, or [`Error::Store`].
    pub async fn queue(&self, limit: usize) -> Result<QueueView, Error> {
        let id = self.id().clone();
        let messages = self.shared.store.first_open(id, limit).await?;
        let waits = self.waits(&messages).await?;
        let (reply, answer) = oneshot::channel();
        self.tell_outbox(outbox::Input::Look(reply))?;
        let look = answer.await.map_err(|_| self.gone())?;
        Ok(QueueView {
            counts: look.counts,
            paused: look.paused,
            pace: look.pace,
            sent_last_hour: look.recent.0,
            first_contacts_last_day: look.recent.1,
            messages: messages.into_iter().zip(waits).collect(),
        })
    }

    /// Chooses how quickly this session sends, from now on; `None`: as all sessions do. Survives
    /// restarts.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it was removed, or [`Error::Store`].
    pub async fn set_pace(&self, pace: Option<Pace>) -> Result<SessionInfo, Error> {
        self.choose(move |options| options.pace = pace).await
    }

    /// The session's messages in both directions, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn messages(
        &self,
        filter: MessageFilter,
        limit: usize,
    ) -> Result<Vec<Message>, Error> {
        let id = self.id().clone();
        Ok(self.shared.store.messages(id, filter, limit).await?)
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

    /// Where it has been, newest first: the last 200 changes of its state, and what was tried to
    /// bring it back.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn history(&self) -> Result<Vec<Transition>, Error> {
        let kept = usize::try_from(KEPT).unwrap_or(usize::MAX);
        let id = self.id().clone();
        Ok(self.shared.store.transitions(id, kept).await?)
    }

    /// What is kept of its last failure; `None` if it never had one.
    ///
    /// # Errors
    /// [`Error::Folder`] when that cannot be read.
    pub async fn failure(&self) -> Result<Option<LastFailure>, Error> {
        self.recorded(Records::read).await
    }

    /// The picture of its last failure, as PNG; `None` if the page could not be drawn then.
    ///
    /// # Errors
    /// [`Error::Folder`] when it cannot be read.
    pub async fn failure_screenshot(&self) -> Result<Option<Vec<u8>>, Error> {
        self.recorded(Records::read_picture).await
    }

    async fn recorded<T: Send + 'static>(
        &self,
        read: fn(&Records, &SessionId) -> std::io::Result<Option<T>>,
    ) -> Result<Option<T>, Error> {
        let (records, id) = (self.shared.records.clone(), self.id().clone());
        let path = records.folder().to_owned();
        let read = tokio::task::spawn_blocking(move || read(&records, &id)).await;
        match read {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(source)) => Err(Error::Folder { path, source }),
            Err(_) => Err(Error::ShuttingDown),
        }
    }

    /// Chooses otherwise for the session. What concerns its browser holds from its next start on,
    /// the rest at once.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it was removed, or [`Error::Store`], and then nothing has
    /// changed.
    pub async fn choose(
        &self,
        change: impl FnOnce(&mut SessionOptions) + Send + 'static,
    ) -> Result<SessionInfo, Error> {
        let change = Change(Box::new(change));
        Ok(self.ask(|reply| Command::Choose(change, reply)).await??)
    }

    /// Hands stored messages to the task that sends them.
    pub(crate) fn enqueue<'a>(
        &self,
        stored: impl IntoIterator<Item = (&'a Message, Standing)>,
    ) -> Result<(), Error> {
        let items = stored
            .into_iter()
            .filter_map(|(message, standing)| Some((item_of(message)?, standing)));
        self.tell_outbox(outbox::Input::Accepted(items.collect()))
    }

    /// Holds a bulk job, also over restarts: what it has queued waits until it is released with
    /// `held` false. Says whether there is such a job.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if the session was removed, or [`Error::Store`].
    pub async fn hold_batch(&self, batch: Ulid, held: bool) -> Result<bool, Error> {
        let known = self.shared.store.note_batch(batch, held).await?;
        if known {
            self.tell_outbox(outbox::Input::Hold { batch, held })?;
        }
        Ok(known)
    }

    /// Takes back what a bulk job has that was not handed over, and says how many that were; it is
    /// stored when this returns. `failure` is the reason that they show.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if the session was removed.
    pub async fn cancel_batch(
        &self,
        batch: Ulid,
        failure: Option<Failure>,
    ) -> Result<usize, Error> {
        self.cancel_which(Which::Batch(batch), failure).await
    }

    /// The same for single messages, by their ids on the wire.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if the session was removed.
    pub async fn cancel_many(
        &self,
        wire_ids: Vec<WireId>,
        failure: Option<Failure>,
    ) -> Result<usize, Error> {
        self.cancel_which(Which::These(wire_ids), failure).await
    }

    async fn cancel_which(&self, which: Which, failure: Option<Failure>) -> Result<usize, Error> {
        let (done, answer) = oneshot::channel();
        self.tell_outbox(outbox::Input::CancelMany {
            which,
            failure,
            done,
        })?;
        answer.await.map_err(|_| self.gone())
    }

    fn tell_outbox(&self, input: outbox::Input) -> Result<(), Error> {
        self.shared.outbox.send(input).map_err(|_| self.gone())
    }

    pub(crate) async fn connection(&self) -> Result<Arc<dyn Connection>, Error> {
        let connection = self.ask(Command::Connection).await?;
        connection.ok_or_else(|| not_ready(self.info()))
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
}

impl Shared {
    /// What to look at, for housekeeping; `None` while nothing is open.
    pub(crate) async fn peek(&self) -> Option<Arc<dyn Connection>> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Peek(reply)).await.ok()?;
        answer.await.ok()?
    }

    /// What to act on, for the outbox.
    pub(crate) async fn connection(&self) -> Result<Arc<dyn Connection>, DriverError> {
        let (reply, answer) = oneshot::channel();
        let asked = self.commands.send(Command::Connection(reply)).await;
        asked.map_err(|_| DriverError::Closed)?;
        let connection = answer.await.map_err(|_| DriverError::Closed)?;
        connection.ok_or(DriverError::Closed)
    }

    pub(crate) async fn find_contact(
        &self,
        connection: &dyn Connection,
        to: &Recipient,
    ) -> Result<Contact, DriverError> {
        let believed = |now: Instant| {
            let contacts = self.remembered();
            let (contact, at) = contacts.get(to)?;
            (now.duration_since(*at) < CONTACT_BELIEVED).then(|| contact.clone())
        };
        if let Some(contact) = believed(Instant::now()) {
            return Ok(contact);
        }
        let found = self.look_up(connection, to).await?;
        let contact = found.ok_or_else(|| DriverError::NotOnWhatsApp {
            recipient: to.to_string(),
        })?;
        let mut contacts = self.remembered();
        if contacts.len() >= CONTACTS_REMEMBERED {
            contacts.clear();
        }
        contacts.insert(to.clone(), (contact.clone(), Instant::now()));
        Ok(contact)
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, HashMap<Recipient, (Contact, Instant)>> {
        // A map of facts stays true whoever panicked beside it.
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a message is accepted in this state: where it can be sent now, or where the session is
/// coming up by itself with a phone that is linked.
pub(crate) fn admits(info: &SessionInfo) -> bool {
    match info.state {
        SessionState::Ready => true,
        SessionState::Starting
        | SessionState::Syncing { .. }
        | SessionState::Recovering { .. }
        | SessionState::Hibernating => info.linked,
        _ => false,
    }
}

fn receipt(message: Message) -> Result<SendReceipt, Error> {
    let Message {
        id,
        message_id,
        state,
        failure,
        ..
    } = message;
    match failure {
        Some(failure) => Err(Error::SendFailed { id, failure }),
        None => Ok(SendReceipt {
            id,
            message_id,
            ack: state.ack(),
        }),
    }
}

fn check(new: &NewMessage) -> Result<(), Error> {
    new.content.check().map_err(Error::InvalidMessage)?;
    check_key(new.idempotency_key.as_deref())
}

/// Checks an idempotency key, if there is one.
pub(crate) fn check_key(key: Option<&str>) -> Result<(), Error> {
    match key.map(str::len) {
        Some(0) => Err(Error::InvalidMessage("an idempotency key is not empty")),
        Some(256..) => Err(Error::InvalidMessage(
            "an idempotency key has at most 255 bytes",
        )),
        _ => Ok(()),
    }
}

/// What an idempotency key is bound to: equal requests give equal texts. A digest would do; the
/// text itself is in the store anyway.
fn request_of(session: &SessionId, new: &NewMessage) -> String {
    let at = new.send_at.map(OffsetDateTime::unix_timestamp_nanos);
    let (to, at) = (new.to.to_string(), at.map(|n| n.to_string()));
    let reply_to = new.reply_to.as_ref().map(MessageId::as_str);
    // Plain texts as earlier versions wrote them: their keys go on.
    match (asked(new), reply_to) {
        (Asked::Text(text), None) => serde_json::json!([session, to, text, at]),
        (Asked::Text(text), Some(id)) => serde_json::json!([session, to, text, at, id]),
        (Asked::Other(asked), id) => serde_json::json!([session, to, null, at, id, asked]),
    }
    .to_string()
}

/// What a message was asked to carry, as far as an idempotency key is bound to it.
pub(crate) enum Asked<'a> {
    /// A plain text.
    Text(&'a str),
    /// Something else; equal ones give equal values.
    Other(serde_json::Value),
}

pub(crate) fn asked(new: &NewMessage) -> Asked<'_> {
    match (&new.asked, &new.content) {
        (Some(asked), _) => Asked::Other(asked.as_str().into()),
        (None, Content::Text { text, .. }) if new.content.is_plain_text() => Asked::Text(text),
        (None, content) => Asked::Other(serde_json::json!(content)),
    }
}

pub(crate) fn repeated(known: Accepted) -> Result<Submitted, Error> {
    match known {
        Accepted::New(message, _) | Accepted::Repeated(message) => Ok(Submitted {
            message,
            repeated: true,
        }),
        Accepted::Mismatch => Err(Error::IdempotencyMismatch),
    }
}

pub(crate) fn not_ready(info: SessionInfo) -> Error {
    Error::NotReady {
        id: info.id,
        state: info.state,
        reason: info.reason,
    }
}
