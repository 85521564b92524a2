//! One task for each session that sends what the [`Queue`] says and stores what comes of it.
//!
//! Handing over runs beside it, so that chats do not wait for each other. What becomes of a message
//! is told to those who wait for it at once, and written down in the background: should the program
//! end before that is on disk, the page is asked for the message by its id at the next start.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use ulid::Ulid;

use super::queue::{Item, Queue};
use super::state::{Verdict, judge};
use super::{Failure, FailureCode, Message, MessageState, NewMessage};
use crate::driver::DriverError;
use crate::event::{Happening, Signal, SignalKind};
use crate::id::{ChatId, MessageId, SessionId, WireId};
use crate::ignore::Ignore;
use crate::message::{
    Ack, AckChange, Contact, IncomingMessage, OutgoingText, Person, Recipient, SentMessage,
};
use crate::session::handle::Shared;
use crate::session::machine::pause;
use crate::session::{SessionInfo, SessionState};
use crate::store::{self, Store};

/// How long the server may leave a message unconfirmed before the page is asked for it again.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(60);

/// How often a message is tried on a session that says it is ready.
const MAX_ATTEMPTS: u32 = 10;

/// What the task is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// A message was accepted and stored.
    Accepted(Item),
    /// Take one back. Answers whether it could.
    Cancel(WireId, oneshot::Sender<bool>),
    /// A message of ours came further.
    Ack(AckChange),
    /// A message appeared on the page.
    Appeared(Box<IncomingMessage>),
    /// Something happened that changes no message of ours.
    Happened(Happening),
    /// The session is removed: whatever is open has failed. Ends the task.
    End(oneshot::Sender<()>),
}

/// What became of a message, told at once.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) wire_id: WireId,
    pub(crate) state: MessageState,
    pub(crate) message_id: Option<MessageId>,
    pub(crate) failure: Option<Failure>,
}

/// How a hand-over ended.
enum Outcome {
    /// The page has it now.
    Handed(SentMessage, Contact),
    /// It failed.
    Failed(Verdict, String),
}

pub(crate) struct Worker {
    session: SessionId,
    /// Weak, so that a session whose manager is dropped can end.
    shared: Weak<Shared>,
    info: watch::Receiver<SessionInfo>,
    store: Store,
    bus: broadcast::Sender<Signal>,
    progress: broadcast::Sender<Progress>,
    ignore: Ignore,
    inbox: mpsc::UnboundedReceiver<Input>,
    queue: Queue,
    handing: JoinSet<(WireId, Outcome)>,
    writing: JoinSet<()>,
    /// How far each open message is known to be, so that nothing is told twice or backwards.
    known: HashMap<WireId, MessageState>,
    /// The page that has what is unconfirmed: when its session last became ready.
    page: Option<OffsetDateTime>,
    not_before: Option<Instant>,
}

/// What the task is made from.
pub(crate) struct Parts {
    pub(crate) shared: Weak<Shared>,
    pub(crate) info: watch::Receiver<SessionInfo>,
    pub(crate) store: Store,
    pub(crate) bus: broadcast::Sender<Signal>,
    pub(crate) progress: broadcast::Sender<Progress>,
    pub(crate) ignore: Ignore,
    pub(crate) inbox: mpsc::UnboundedReceiver<Input>,
}

/// A message that was just asked for, not stored yet.
pub(crate) fn fresh(session: &SessionId, new: &NewMessage) -> Message {
    let now = store::now();
    Message {
        seq: 0,
        id: Ulid::new(),
        session: session.clone(),
        from_me: true,
        recipient: new.to.to_string(),
        chat: None,
        wire_id: WireId::choose(),
        message_id: None,
        state: MessageState::Queued,
        failure: None,
        kind: "chat".to_owned(),
        text: Some(new.text.clone()),
        created_at: now,
        updated_at: now,
        send_at: new.send_at,
    }
}

/// The queue's view of a stored message; absent for one that names nobody (never written by us).
pub(crate) fn item_of(message: &Message, maybe_sent: bool) -> Option<Item> {
    Some(Item {
        seq: message.seq,
        to: Recipient::parse(&message.recipient).ok()?,
        text: message.text.clone()?,
        wire_id: message.wire_id.clone(),
        send_at: message.send_at,
        maybe_sent,
        attempts: 0,
    })
}

impl Worker {
    pub(crate) fn new(parts: Parts) -> Self {
        let session = parts.info.borrow().id.clone();
        Self {
            session,
            shared: parts.shared,
            info: parts.info,
            store: parts.store,
            bus: parts.bus,
            progress: parts.progress,
            ignore: parts.ignore,
            inbox: parts.inbox,
            queue: Queue::default(),
            handing: JoinSet::new(),
            writing: JoinSet::new(),
            known: HashMap::new(),
            page: None,
            not_before: None,
        }
    }

    /// Runs until the session is removed or the program ends.
    pub(crate) async fn run(mut self) {
        self.load().await;
        let mut checks = interval(CONFIRMED_WITHIN);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        checks.reset();
        // The session's own task ends before this one is told to.
        let mut has_session = true;
        loop {
            self.dispatch();
            let wake = self.wake();
            tokio::select! {
                biased;
                Some(ended) = self.handing.join_next() => {
                    // A hand-over does not panic; one that is aborted is asked for at the next start.
                    if let Ok((wire_id, outcome)) = ended {
                        self.handed_over(&wire_id, outcome);
                    }
                }
                Some(_) = self.writing.join_next() => {}
                input = self.inbox.recv() => match input {
                    Some(Input::End(done)) => {
                        self.fail_all(FailureCode::SessionRemoved, "the session was removed");
                        while self.writing.join_next().await.is_some() {}
                        // The manager waits for it; if it went away there is nobody to tell.
                        let _ = done.send(());
                        return;
                    }
                    Some(input) => self.input(input),
                    None => break,
                },
                changed = self.info.changed(), if has_session => match changed {
                    Ok(()) => self.session_changed(),
                    Err(_) => has_session = false,
                },
                () = until(wake) => {}
                _ = checks.tick() => self.check_unconfirmed(),
            }
        }
        while self.writing.join_next().await.is_some() {}
    }

    async fn load(&mut self) {
        match self.store.open_messages(self.session.clone()).await {
            Ok(open) => {
                let now = OffsetDateTime::now_utc();
                for message in &open {
                    // An earlier run may have handed it over and ended before it wrote that down.
                    if let Some(item) = item_of(message, true) {
                        self.known.insert(item.wire_id.clone(), message.state);
                        self.queue.push(item, now);
                    }
                }
            }
            Err(error) => {
                tracing::error!(session = %self.session, %error, "the outbox could not be read");
            }
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Accepted(item) => {
                self.known
                    .insert(item.wire_id.clone(), MessageState::Queued);
                self.queue.push(item, OffsetDateTime::now_utc());
            }
            Input::Cancel(wire_id, reply) => {
                let could = self.queue.cancel(&wire_id);
                if could {
                    self.became(&wire_id, MessageState::Cancelled, None, None);
                }
                let _ = reply.send(could);
            }
            Input::Ack(change) => self.acknowledged(&change.id.wire_id(), change.ack, change.id),
            Input::Appeared(message) => self.appeared(message),
            Input::Happened(happening) => self.happened(happening),
            Input::End(_) => {}
        }
    }

    fn session_changed(&mut self) {
        let info = self.info.borrow_and_update().clone();
        match info.state {
            SessionState::Ready if self.page != info.ready_at => {
                self.page = info.ready_at;
                self.not_before = None;
                self.queue.doubt();
            }
            SessionState::LoggedOut => {
                self.fail_all(FailureCode::LoggedOut, "the session was logged out");
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let held = self.not_before.is_some_and(|at| at > Instant::now());
        if held || !self.info.borrow().is_ready() {
            return;
        }
        if self.page != self.info.borrow().ready_at {
            self.session_changed();
        }
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        while let Some(item) = self.queue.next(OffsetDateTime::now_utc()) {
            let shared = Arc::clone(&shared);
            self.handing.spawn(async move {
                let wire_id = item.wire_id.clone();
                let outcome = match hand_over(shared, item).await {
                    Ok((sent, contact)) => Outcome::Handed(sent, contact),
                    Err(error) => Outcome::Failed(judge(&error), error.to_string()),
                };
                (wire_id, outcome)
            });
        }
    }

    fn handed_over(&mut self, wire_id: &WireId, outcome: Outcome) {
        match outcome {
            Outcome::Handed(sent, contact) => {
                self.queue.handed(wire_id);
                let person = Person {
                    id: contact.chat.clone(),
                    phone: contact.phone,
                    lid: contact.lid,
                };
                let learnt = self.store.learn_person(self.session.clone(), person);
                self.note("a contact was not stored", learnt);
                let chat = contact.chat;
                let id = sent.id.clone();
                let write = self.store.change_message(
                    self.session.clone(),
                    wire_id.clone(),
                    move |message| {
                        message.chat = Some(chat);
                        message.message_id = Some(id);
                        if message.state == MessageState::Queued {
                            message.state = MessageState::Sending;
                        }
                        true
                    },
                );
                self.write(write);
                // An ack may have been quicker than this answer; then it is further already.
                if let Some(known) = self.known.get_mut(wire_id) {
                    *known = MessageState::Sending;
                    self.tell(wire_id, MessageState::Sending, Some(sent.id.clone()));
                }
                self.acknowledged(wire_id, sent.ack, sent.id);
            }
            Outcome::Failed(Verdict::Fail(code), detail) => {
                let failure = Failure { code, detail };
                self.became(wire_id, MessageState::Failed, None, Some(failure));
            }
            Outcome::Failed(Verdict::Again { maybe_sent }, detail) => {
                tracing::info!(session = %self.session, %wire_id, maybe_sent, why = %detail, "will be tried again");
                self.queue.put_back(wire_id, maybe_sent);
                let attempts = self.queue.attempts(wire_id);
                if attempts >= MAX_ATTEMPTS {
                    let failure = Failure {
                        code: FailureCode::AttemptsExhausted,
                        detail,
                    };
                    self.became(wire_id, MessageState::Failed, None, Some(failure));
                } else if self.info.borrow().is_ready() {
                    self.not_before = Some(Instant::now() + pause(attempts, fastrand::f64()));
                }
            }
        }
    }

    fn acknowledged(&mut self, wire_id: &WireId, ack: Ack, id: MessageId) {
        let failure = (ack == Ack::Failed).then(|| Failure {
            code: FailureCode::Refused,
            detail: "WhatsApp refused it, or the page could not hand it over".to_owned(),
        });
        match self.known.get(wire_id) {
            Some(known) => {
                if let Some(state) = known.after_ack(ack) {
                    self.became(wire_id, state, Some(id), failure);
                }
            }
            // Of an earlier run, or settled long ago: the store knows.
            None => self.record_ack(ack, id, failure),
        }
    }

    /// Tells and writes down that a message is in another state.
    fn became(
        &mut self,
        wire_id: &WireId,
        state: MessageState,
        id: Option<MessageId>,
        failure: Option<Failure>,
    ) {
        if state.is_open() {
            self.known.insert(wire_id.clone(), state);
        } else {
            self.known.remove(wire_id);
            self.queue.settled(wire_id);
        }
        // Nobody may be waiting for it.
        let _ = self.progress.send(Progress {
            wire_id: wire_id.clone(),
            state,
            message_id: id.clone(),
            failure: failure.clone(),
        });
        let write =
            self.store
                .change_message(self.session.clone(), wire_id.clone(), move |message| {
                    if message.state == state {
                        return false;
                    }
                    message.state = state;
                    message.failure = failure;
                    message.message_id = id.or(message.message_id.take());
                    true
                });
        self.write(write);
    }

    fn record_ack(&mut self, ack: Ack, id: MessageId, failure: Option<Failure>) {
        let write = self
            .store
            .acknowledge(self.session.clone(), id, ack, failure);
        let progress = self.progress.clone();
        let bus = self.bus.clone();
        self.writing.spawn(async move {
            if let Ok(Some(message)) = write.await {
                let _ = progress.send(Progress {
                    wire_id: message.wire_id.clone(),
                    state: message.state,
                    message_id: message.message_id.clone(),
                    failure: message.failure.clone(),
                });
                announce(&bus, message);
            }
        });
    }

    fn tell(&self, wire_id: &WireId, state: MessageState, message_id: Option<MessageId>) {
        let _ = self.progress.send(Progress {
            wire_id: wire_id.clone(),
            state,
            message_id,
            failure: None,
        });
    }

    /// Lets a write that is in the store's queue already finish in the background.
    fn write(
        &mut self,
        write: impl Future<Output = Result<Option<Message>, store::StoreError>> + Send + 'static,
    ) {
        let bus = self.bus.clone();
        let session = self.session.clone();
        self.writing.spawn(async move {
            match write.await {
                Ok(Some(message)) => announce(&bus, message),
                Ok(None) => {}
                // Not lost: what is not written down is asked of the page at the next start.
                Err(error) => tracing::error!(%session, %error, "a message's state was not stored"),
            }
        });
    }

    /// Whether nobody wants to hear of this chat.
    fn ignores(&self, chat: &ChatId, person: Option<&Person>) -> bool {
        let info = self.info.borrow();
        let ignored = self.ignore.with(&info.options.ignore);
        ignored.covers(chat, person)
    }

    fn appeared(&mut self, message: Box<IncomingMessage>) {
        if self.ignores(&message.chat, Some(&message.writer())) {
            return;
        }
        let state = if message.from_me {
            MessageState::Sent
        } else {
            MessageState::Received
        };
        let row = Message {
            seq: 0,
            id: Ulid::new(),
            session: self.session.clone(),
            from_me: message.from_me,
            recipient: message.from.to_string(),
            chat: Some(message.chat.clone()),
            wire_id: message.id.wire_id(),
            message_id: Some(message.id.clone()),
            state,
            failure: None,
            kind: message.kind.clone(),
            text: message.text.clone(),
            created_at: message.at,
            updated_at: store::now(),
            send_at: None,
        };
        // One that is known was told by an earlier page or an earlier run.
        let write = self.store.insert_appeared(row, message);
        self.note("a message was not stored", async move {
            write.await.map(|_| ())
        });
    }

    fn happened(&mut self, happening: Happening) {
        if self.ignores(happening.chat(), happening.person()) {
            return;
        }
        let write = self.store.tell_happening(self.session.clone(), happening);
        self.note("what happened was not stored", write);
    }

    /// Lets a write that is in the store's queue already finish in the background.
    fn note(
        &mut self,
        failed: &'static str,
        write: impl Future<Output = Result<(), store::StoreError>> + Send + 'static,
    ) {
        let session = self.session.clone();
        self.writing.spawn(async move {
            if let Err(error) = write.await {
                tracing::error!(%session, %error, "{failed}");
            }
        });
    }

    fn fail_all(&mut self, code: FailureCode, detail: &str) {
        for (_, wire_id) in self.queue.open() {
            let failure = Failure {
                code,
                detail: detail.to_owned(),
            };
            self.became(&wire_id, MessageState::Failed, None, Some(failure));
        }
    }

    /// What the server has not confirmed for long is looked up again.
    fn check_unconfirmed(&mut self) {
        let now = OffsetDateTime::now_utc();
        let ready_for = self.info.borrow().ready_at.map(|at| now - at);
        let stale = ready_for.is_some_and(|age| age >= CONFIRMED_WITHIN);
        if stale && self.queue.unconfirmed().next().is_some() {
            self.queue.doubt();
        }
    }

    /// When a scheduled message is due or the pause after a failure is over.
    fn wake(&self) -> Option<Instant> {
        let due = self.queue.next_due().map(|at| {
            let wait = at - OffsetDateTime::now_utc();
            Instant::now() + Duration::try_from(wait).unwrap_or_default()
        });
        let held = self.not_before.filter(|at| *at > Instant::now());
        [due, held].into_iter().flatten().min()
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Finds the chat, asks for the message if the page may have it, and hands it over if not.
async fn hand_over(shared: Arc<Shared>, item: Item) -> Result<(SentMessage, Contact), DriverError> {
    let connection = shared.connection().await?;
    let contact = shared.find_contact(connection.as_ref(), &item.to).await?;
    if item.maybe_sent {
        let key = format!("true_{}_{}", contact.chat, item.wire_id);
        if let Ok(id) = MessageId::new(&key)
            && let Some(found) = connection.find_message(&id).await?
        {
            return Ok((found, contact));
        }
    }
    let text = OutgoingText {
        chat: contact.chat.clone(),
        body: item.text,
        wire_id: item.wire_id,
        reply_to: None,
    };
    let sent = connection.send_text(&text).await?;
    Ok((sent, contact))
}

fn announce(bus: &broadcast::Sender<Signal>, message: Message) {
    // Nobody may be listening.
    let _ = bus.send(Signal {
        session: message.session.clone(),
        kind: SignalKind::Outbox(Box::new(message)),
    });
}
