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

use super::hand_over::{Manner, Trouble, hand_over};
use super::pace::{LOCKS_IN_A_ROW, Pace, Recent, lock_pause};
use super::queue::{Counts, Item, Kind, Queue, Standing};
use super::state::{Patience, Verdict, counts_as_attempt, judge, patience, refusal};
use super::waits::{self, Facts, Pause, pace_for};
use super::{Failure, FailureCode, Message, MessageState, NewMessage, Priority, Wait};
use crate::driver::SendRefusal;
use crate::event::{Event, EventKind};
use crate::id::{ChatId, MessageId, SessionId, WireId};
use crate::message::{Ack, AckChange, Contact, IncomingMessage, Recipient, SentMessage};
use crate::optout::OptOuts;
use crate::session::handle::Shared;
use crate::session::machine::pause;
use crate::session::{SessionInfo, SessionState};
use crate::store::{self, Acquaintance, Store, StoreError, StoredPause};

/// How often what the server has not confirmed is looked at: the page is asked for it again.
const LOOKED_AT: Duration = Duration::from_secs(60);

/// How often a message is tried on a session that says it is ready.
const MAX_ATTEMPTS: u32 = 10;

/// What the task is told.
#[derive(Debug)]
pub(crate) enum Input {
    /// Messages were accepted and stored.
    Accepted(Vec<(Item, Standing)>),
    /// Take one back. Answers whether it could.
    Cancel(WireId, oneshot::Sender<bool>),
    /// Take many back. Answers how many could be, once that is stored.
    CancelMany {
        which: Which,
        /// Why, if somebody should know.
        failure: Option<Failure>,
        done: oneshot::Sender<usize>,
    },
    /// Hold a batch, or release it.
    Hold { batch: Ulid, held: bool },
    /// A message of ours came further.
    Ack(AckChange),
    /// WhatsApp refused a message of ours.
    Refused(SendRefusal),
    /// WhatsApp restricted the account.
    Restricted(String),
    /// A message appeared on the page.
    Appeared(Box<IncomingMessage>),
    /// Why do these wait? In the same order; none for those that are over.
    Explain(Vec<WireId>, oneshot::Sender<Vec<Option<Wait>>>),
    /// How does the queue stand?
    Look(oneshot::Sender<Look>),
    /// The session is removed: whatever is open has failed. Ends the task.
    End {
        code: FailureCode,
        done: oneshot::Sender<()>,
    },
}

/// Which messages are to be taken back.
#[derive(Debug)]
pub(crate) enum Which {
    Batch(Ulid),
    These(Vec<WireId>),
}

/// The queue as it stands.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) counts: Counts,
    pub(crate) paused: Option<Wait>,
    pub(crate) pace: Pace,
    pub(crate) recent: (usize, usize),
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
    /// It failed, and that counts against it or not.
    Failed {
        verdict: Verdict,
        counts: bool,
        detail: String,
    },
    /// The store says that it is over.
    Over,
    /// Its bulk job was held meanwhile.
    Held,
    /// Its recipient has opted out; that is stored.
    TakenBack(Box<Message>),
}

pub(crate) struct Worker {
    session: SessionId,
    /// Weak, so that a session whose manager is dropped can end.
    shared: Weak<Shared>,
    info: watch::Receiver<SessionInfo>,
    store: Store,
    bus: broadcast::Sender<Event>,
    opt_outs: OptOuts,
    progress: broadcast::Sender<Progress>,
    inbox: mpsc::UnboundedReceiver<Input>,
    queue: Queue,
    handing: JoinSet<(WireId, Outcome)>,
    writing: JoinSet<()>,
    /// How far each open message is known to be, so that nothing is told twice or backwards.
    known: HashMap<WireId, MessageState>,
    /// The page that has what is unconfirmed: when its session last became ready.
    page: Option<OffsetDateTime>,
    /// Since when this task has known that page.
    page_since: Option<Instant>,
    /// A breath after a failure: until when, and what failed.
    breath: Option<(Instant, String)>,
    /// A pause that WhatsApp made, until a message gets through after it.
    pause: Option<StoredPause>,
    recent: Recent,
    /// When the pace lets the next message go, if something waits for that.
    paced_until: Option<OffsetDateTime>,
    /// After how many unconfirmed minutes the page was last loaded anew.
    reloaded_at: Option<u32>,
}

/// What the task is made from.
pub(crate) struct Parts {
    pub(crate) shared: Weak<Shared>,
    pub(crate) info: watch::Receiver<SessionInfo>,
    pub(crate) store: Store,
    pub(crate) bus: broadcast::Sender<Event>,
    pub(crate) opt_outs: OptOuts,
    pub(crate) progress: broadcast::Sender<Progress>,
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
        priority: new.priority,
        batch: new.batch,
        paced: new.paced,
        attempted_at: None,
    }
}

/// The queue's view of a stored message; absent for one that names nobody (never written by us).
pub(crate) fn item_of(message: &Message) -> Option<Item> {
    Some(Item {
        seq: message.seq,
        to: Recipient::parse(&message.recipient).ok()?,
        text: message.text.clone()?,
        wire_id: message.wire_id.clone(),
        send_at: message.send_at,
        maybe_sent: message.attempted_at.is_some(),
        attempts: 0,
        minutes: 0,
        priority: message.priority,
        batch: message.batch,
        paced: message.paced,
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
            opt_outs: parts.opt_outs,
            progress: parts.progress,
            inbox: parts.inbox,
            queue: Queue::default(),
            handing: JoinSet::new(),
            writing: JoinSet::new(),
            known: HashMap::new(),
            page: None,
            page_since: None,
            breath: None,
            pause: None,
            recent: Recent::default(),
            paced_until: None,
            reloaded_at: None,
        }
    }

    /// Runs until the session is removed or the program ends.
    pub(crate) async fn run(mut self) {
        self.load().await;
        let mut checks = interval(LOOKED_AT);
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
                    Some(Input::End { code, done }) => {
                        self.fail_all(code);
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
        if let Err(error) = self.try_load().await {
            tracing::error!(session = %self.session, %error, "the outbox could not be read");
        }
    }

    async fn try_load(&mut self) -> Result<(), StoreError> {
        let now = OffsetDateTime::now_utc();
        let session = || self.session.clone();
        let held = self.store.held_batches(session()).await?;
        let handed_over = self.store.handed_over(session(), now).await?;
        let pause = self.store.pause(session()).await?;
        let open = self.store.open_messages(session()).await?;
        self.pause = pause;
        for batch in held {
            self.queue.hold(batch);
        }
        for (wire_id, at, first) in handed_over {
            self.recent.sent(wire_id, at, first, 0.5);
        }
        for (message, standing) in open {
            // An earlier run may have handed it over and ended before it wrote down what came of it.
            if let Some(item) = item_of(&message) {
                self.known.insert(item.wire_id.clone(), message.state);
                self.queue.push(item, standing, now);
            }
        }
        // Accepted under a login that has ended since: another account may log in next.
        if !self.info.borrow().linked {
            self.fail_all(FailureCode::LoggedOut);
        }
        Ok(())
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Accepted(items) => {
                let now = OffsetDateTime::now_utc();
                for (item, standing) in items {
                    self.known
                        .insert(item.wire_id.clone(), MessageState::Queued);
                    self.queue.push(item, standing, now);
                }
            }
            Input::Cancel(wire_id, reply) => {
                let could = self.queue.cancel(&wire_id);
                if could {
                    self.became(&wire_id, MessageState::Cancelled, None, None);
                }
                let _ = reply.send(could);
            }
            Input::CancelMany {
                which,
                failure,
                done,
            } => self.cancel_many(which, failure, done),
            Input::Hold { batch, held: true } => self.queue.hold(batch),
            Input::Hold { batch, held: false } => self.queue.release_batch(batch),
            Input::Ack(change) => self.acknowledged(&change.id.wire_id(), change.ack, change.id),
            Input::Refused(refusal) => self.refused(refusal),
            Input::Restricted(words) => self.pause(FailureCode::AccountRestricted, words),
            Input::Appeared(message) => self.appeared(*message),
            Input::Explain(wire_ids, reply) => {
                let now = OffsetDateTime::now_utc();
                let waits = self.with_facts(now, |facts| {
                    let place = |wire_id| self.queue.place(wire_id, now);
                    let wait = |wire_id| Some(waits::wait(place(wire_id)?, facts));
                    wire_ids.iter().map(wait).collect()
                });
                let _ = reply.send(waits);
            }
            Input::Look(reply) => {
                let now = OffsetDateTime::now_utc();
                let _ = reply.send(Look {
                    counts: self.queue.counts(),
                    paused: self.with_facts(now, waits::queue_wait),
                    pace: self.pace(),
                    recent: self.recent.counts(now),
                });
            }
            Input::End { .. } => {}
        }
    }

    fn session_changed(&mut self) {
        let info = self.info.borrow_and_update().clone();
        match info.state {
            SessionState::Ready if self.page != info.ready_at => {
                self.page = info.ready_at;
                self.page_since = Some(Instant::now());
                self.breath = None;
                self.queue.doubt();
            }
            // One that is being removed ends with its own reason.
            SessionState::LoggedOut if !self.is_ending() => self.fail_all(FailureCode::LoggedOut),
            _ => {}
        }
    }

    fn is_ending(&self) -> bool {
        let shared = self.shared.upgrade();
        shared.is_some_and(|shared| shared.ending.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn pace(&self) -> Pace {
        self.info.borrow().pace
    }

    fn dispatch(&mut self) {
        self.paced_until = None;
        if self.page != self.info.borrow().ready_at {
            self.session_changed();
        }
        let now = OffsetDateTime::now_utc();
        let breathing = self.breath.as_ref().is_some_and(|b| b.0 > Instant::now());
        let paused = self.pause.as_ref().is_some_and(|pause| pause.until > now);
        if breathing || paused || !self.info.borrow().is_ready() {
            return;
        }
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        while let Some((item, kind)) = self.next(now) {
            let manner = Manner {
                at: now,
                first: kind.first,
                typing: pace_for(self.pace(), kind).typing,
            };
            if !kind.asks {
                let wire_id = item.wire_id.clone();
                self.recent.sent(wire_id, now, kind.first, fastrand::f64());
            }
            let shared = Arc::clone(&shared);
            self.handing.spawn(async move {
                let wire_id = item.wire_id.clone();
                let outcome = match hand_over(shared, item, manner).await {
                    Ok((sent, contact)) => Outcome::Handed(sent, contact),
                    Err(Trouble::Driver(error)) => Outcome::Failed {
                        verdict: judge(&error),
                        counts: counts_as_attempt(&error),
                        detail: error.to_string(),
                    },
                    Err(Trouble::Store(error)) => Outcome::Failed {
                        verdict: Verdict::Again { maybe_sent: false },
                        counts: false,
                        detail: error.to_string(),
                    },
                    Err(Trouble::Over) => Outcome::Over,
                    Err(Trouble::Held) => Outcome::Held,
                    Err(Trouble::TakenBack(message)) => Outcome::TakenBack(message),
                };
                (wire_id, outcome)
            });
        }
    }

    /// The next message that may go. What the pace holds is noted for [`wake`](Self::wake).
    fn next(&mut self, now: OffsetDateTime) -> Option<(Item, Kind)> {
        let pace = self.pace();
        let busy = self.queue.handing() > 0;
        // After a pause one is tried, and the rest waits for what comes of it.
        let trying = self.pause.is_some();
        if trying && (busy || self.queue.unconfirmed().next().is_some()) {
            return None;
        }
        let (recent, paced_until) = (&self.recent, &mut self.paced_until);
        self.queue.next(now, |kind| {
            if kind.asks {
                return true;
            }
            let pace = pace_for(pace, kind);
            if pace.is_serial() && busy {
                return false;
            }
            match pace.check(recent, now, kind.first) {
                Ok(()) => true,
                Err(held) => {
                    let soonest = paced_until.map_or(held.until, |until| until.min(held.until));
                    *paced_until = Some(soonest);
                    false
                }
            }
        })
    }

    fn handed_over(&mut self, wire_id: &WireId, outcome: Outcome) {
        let now = OffsetDateTime::now_utc();
        match outcome {
            Outcome::Handed(sent, contact) => {
                self.recent.finished(now);
                self.queue.handed(wire_id);
                self.met(&contact, now);
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
                if sent.ack == Ack::Pending {
                    self.still_pending(wire_id, sent.id);
                } else {
                    self.acknowledged(wire_id, sent.ack, sent.id);
                }
            }
            Outcome::Failed {
                verdict: Verdict::Fail(code),
                detail,
                ..
            } => {
                let failure = Failure { code, detail };
                self.became(wire_id, MessageState::Failed, None, Some(failure));
            }
            Outcome::Failed {
                verdict: Verdict::Pause(code),
                detail,
                ..
            } => self.refused_for_now(wire_id, code, detail),
            Outcome::Failed {
                verdict: Verdict::Again { maybe_sent },
                counts,
                detail,
            } => self.again(wire_id, maybe_sent, counts, detail),
            Outcome::Over => {
                self.recent.withdrawn(wire_id);
                self.known.remove(wire_id);
                self.queue.settled(wire_id);
            }
            Outcome::Held => {
                self.recent.withdrawn(wire_id);
                self.queue.put_back(wire_id, false, false);
            }
            Outcome::TakenBack(message) => {
                self.became(wire_id, message.state, None, message.failure.clone());
                self.recent.withdrawn(wire_id);
                announce(&self.bus, *message);
            }
        }
    }

    fn again(&mut self, wire_id: &WireId, maybe_sent: bool, counts: bool, detail: String) {
        tracing::info!(session = %self.session, %wire_id, maybe_sent, why = %detail, "will be tried again");
        self.queue.put_back(wire_id, maybe_sent, counts);
        if !maybe_sent && !self.queue.may_be_sent(wire_id) {
            // The page does not have it: it can be taken back again, and counts for no pace.
            self.recent.withdrawn(wire_id);
            let write = self.store.requeue(self.session.clone(), wire_id.clone());
            self.write_silently(write);
        }
        let attempts = self.queue.attempts(wire_id);
        if attempts >= MAX_ATTEMPTS {
            let unsure = if self.queue.may_be_sent(wire_id) {
                "; WhatsApp Web may have sent it all the same, and then this changes to sent"
            } else {
                ""
            };
            let failure = Failure {
                code: FailureCode::AttemptsExhausted,
                detail: format!("tried {attempts} times: {detail}{unsure}"),
            };
            self.became(wire_id, MessageState::Failed, None, Some(failure));
        } else if self.info.borrow().is_ready() {
            let breath = pause(attempts.max(1), fastrand::f64());
            self.breath = Some((Instant::now() + breath, detail));
        }
    }

    /// The page has it, and that is all.
    fn still_pending(&mut self, wire_id: &WireId, id: MessageId) {
        let minutes = self.queue.minutes_unconfirmed(wire_id);
        match patience(minutes) {
            Patience::Wait => {}
            Patience::Reload => self.reload_page(minutes),
            Patience::GiveUp => {
                let failure = Failure {
                    code: FailureCode::Unconfirmed,
                    detail: format!(
                        "WhatsApp Web has had it for {minutes} minutes without WhatsApp's server \
                         confirming it; should that still come, this changes to sent"
                    ),
                };
                self.became(wire_id, MessageState::Failed, Some(id), Some(failure));
            }
        }
    }

    /// A page that does not send what it has is loaded anew; then it does, or says that it cannot.
    fn reload_page(&mut self, minutes: u32) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        if std::mem::replace(&mut self.reloaded_at, Some(minutes)) == Some(minutes) {
            // Another message of the same age has seen to it.
            return;
        }
        tracing::warn!(session = %self.session, minutes, "messages are unconfirmed; the page is loaded anew");
        self.writing.spawn(async move {
            if let Ok(connection) = shared.connection().await
                && let Err(error) = connection.reload().await
            {
                tracing::debug!(%error, "the reload failed");
            }
        });
    }

    fn refused(&mut self, told: SendRefusal) {
        let wire_id = told.id.wire_id();
        match refusal(told.status, &told.words) {
            Verdict::Pause(code) => self.refused_for_now(&wire_id, code, told.words),
            _ => {
                let failure = Failure {
                    code: FailureCode::Refused,
                    detail: format!("WhatsApp refused it: {}", told.words),
                };
                self.failed_by_ack(&wire_id, told.id, failure);
            }
        }
    }

    /// WhatsApp limits the account: the message waits again, and all others with it.
    fn refused_for_now(&mut self, wire_id: &WireId, code: FailureCode, words: String) {
        self.recent.withdrawn(wire_id);
        if !self.queue.take_back(wire_id) {
            return;
        }
        self.pause(code, words.clone());
        let times = self.pause.as_ref().map_or(0, |pause| pause.times);
        if times > LOCKS_IN_A_ROW {
            let detail = format!("WhatsApp went on refusing it: {words}");
            let failure = Failure { code, detail };
            self.became(wire_id, MessageState::Failed, None, Some(failure));
            return;
        }
        self.known.insert(wire_id.clone(), MessageState::Queued);
        self.tell(wire_id, MessageState::Queued, None);
        let write = self.store.requeue(self.session.clone(), wire_id.clone());
        self.write(write);
    }

    fn pause(&mut self, code: FailureCode, detail: String) {
        let now = store::now();
        if self.pause.as_ref().is_some_and(|pause| pause.until > now) {
            // Others that were on their way already say the same.
            return;
        }
        let times = self.pause.as_ref().map_or(0, |pause| pause.times) + 1;
        let until = now + lock_pause(times);
        tracing::warn!(session = %self.session, code = code.as_str(), %until, times, why = %detail, "WhatsApp limits this account; the queue pauses");
        let pause = StoredPause {
            code,
            detail,
            until,
            times,
        };
        self.pause = Some(pause.clone());
        self.note_pause(Some(pause));
    }

    /// A message got through.
    fn lift_pause(&mut self) {
        let over = |pause: &StoredPause| pause.until <= OffsetDateTime::now_utc();
        if self.pause.as_ref().is_some_and(over) {
            tracing::info!(session = %self.session, "WhatsApp takes messages again");
            self.pause = None;
            self.note_pause(None);
        }
    }

    fn note_pause(&mut self, pause: Option<StoredPause>) {
        let write = self.store.note_pause(self.session.clone(), pause);
        self.write_silently(write);
    }

    fn cancel_many(
        &mut self,
        which: Which,
        failure: Option<Failure>,
        done: oneshot::Sender<usize>,
    ) {
        let wire_ids = match which {
            Which::Batch(batch) => self.queue.cancel_batch(batch),
            Which::These(mut wire_ids) => {
                wire_ids.retain(|wire_id| self.queue.cancel(wire_id));
                wire_ids
            }
        };
        let count = wire_ids.len();
        let stored = self.end_many(wire_ids, MessageState::Cancelled, failure);
        self.writing.spawn(async move {
            stored.await;
            // Whoever asked may be gone.
            let _ = done.send(count);
        });
    }

    /// Ends many at once: tells it now; the future is done when it is stored.
    fn end_many(
        &mut self,
        wire_ids: Vec<WireId>,
        state: MessageState,
        failure: Option<Failure>,
    ) -> impl Future<Output = ()> + Send + use<> {
        for wire_id in &wire_ids {
            self.known.remove(wire_id);
            self.queue.settled(wire_id);
            self.recent.withdrawn(wire_id);
            let _ = self.progress.send(Progress {
                wire_id: wire_id.clone(),
                state,
                message_id: None,
                failure: failure.clone(),
            });
        }
        let session = self.session.clone();
        let bus = self.bus.clone();
        let write = self
            .store
            .end_messages(session.clone(), wire_ids, state, failure);
        async move {
            match write.await {
                Ok(ended) => ended
                    .into_iter()
                    .for_each(|message| announce(&bus, message)),
                Err(error) => {
                    tracing::error!(%session, %error, "ended messages were not stored");
                }
            }
        }
    }

    fn acknowledged(&mut self, wire_id: &WireId, ack: Ack, id: MessageId) {
        if ack == Ack::Failed {
            let failure = Failure {
                code: FailureCode::Refused,
                detail: "WhatsApp refused it, or the page could not hand it over".to_owned(),
            };
            return self.failed_by_ack(wire_id, id, failure);
        }
        if ack >= Ack::Server {
            self.lift_pause();
        }
        match self.known.get(wire_id) {
            Some(known) => {
                if let Some(state) = known.after_ack(ack) {
                    self.became(wire_id, state, Some(id), None);
                }
            }
            // Of an earlier run, or settled long ago: the store knows.
            None => self.record_ack(wire_id, ack, id, None),
        }
    }

    fn failed_by_ack(&mut self, wire_id: &WireId, id: MessageId, failure: Failure) {
        match self.known.get(wire_id) {
            // It was refused for now, and the page says once more that it has failed there.
            Some(MessageState::Queued) if !self.queue.is_under_way(wire_id) => {}
            Some(known) => {
                if let Some(state) = known.after_ack(Ack::Failed) {
                    self.became(wire_id, state, Some(id), Some(failure));
                }
            }
            None => self.record_ack(wire_id, Ack::Failed, id, Some(failure)),
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
            if state == MessageState::Failed {
                self.recent.withdrawn(wire_id);
            }
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

    fn record_ack(&mut self, wire_id: &WireId, ack: Ack, id: MessageId, failure: Option<Failure>) {
        let write =
            self.store
                .change_message(
                    self.session.clone(),
                    wire_id.clone(),
                    move |message| match message.state.after_ack(ack) {
                        Some(state) => {
                            message.state = state;
                            message.failure = failure;
                            message.message_id = Some(id);
                            true
                        }
                        None => false,
                    },
                );
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
        write: impl Future<Output = Result<Option<Message>, StoreError>> + Send + 'static,
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

    /// Lets a write finish of which there is nothing to tell.
    fn write_silently<T: Send + 'static>(
        &mut self,
        write: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) {
        let session = self.session.clone();
        self.writing.spawn(async move {
            if let Err(error) = write.await {
                tracing::error!(%session, %error, "the outbox could not write something down");
            }
        });
    }

    /// Somebody was written to.
    fn met(&mut self, contact: &Contact, at: OffsetDateTime) {
        let all = [
            Some(&contact.chat),
            contact.phone.as_ref(),
            contact.lid.as_ref(),
        ];
        self.learn(Acquaintance {
            addresses: all.into_iter().flatten().cloned().collect(),
            written_at: Some(at),
            heard_at: None,
        });
    }

    /// Somebody wrote, or this account wrote on another device.
    fn heard(&mut self, message: &IncomingMessage) {
        let chat = &message.chat;
        let mut addresses = vec![chat.clone()];
        if chat.is_phone() || chat.is_lid() {
            if !message.from_me {
                let names = [&message.from_phone, &message.from_lid];
                addresses.extend(names.into_iter().flatten().cloned());
            }
        } else if !chat.is_group() {
            return;
        }
        let at = Some(message.at);
        if !message.from_me {
            let names: Vec<_> = addresses.iter().map(ChatId::to_string).collect();
            self.queue.heard(&names, message.at);
        }
        self.learn(Acquaintance {
            addresses,
            written_at: at.filter(|_| message.from_me),
            heard_at: at.filter(|_| !message.from_me),
        });
    }

    fn learn(&mut self, mut who: Acquaintance) {
        who.addresses
            .sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        who.addresses.dedup();
        let write = self.store.learn(self.session.clone(), who);
        self.write_silently(write);
    }

    fn appeared(&mut self, message: IncomingMessage) {
        self.heard(&message);
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
            priority: Priority::Direct,
            batch: None,
            paced: false,
            attempted_at: None,
        };
        let opt_out = self.opt_outs.in_message(&self.session, &message);
        let write = self.store.insert_appeared(row, opt_out);
        let opt_outs = self.opt_outs.clone();
        let bus = self.bus.clone();
        let session = self.session.clone();
        self.writing.spawn(async move {
            let told = match write.await {
                // Known already: told by an earlier page or an earlier run.
                Ok(None) => return,
                Ok(Some(stored)) => {
                    opt_outs.tell(stored.taken_back);
                    message
                }
                Err(error) => {
                    tracing::error!(%session, %error, "a message was not stored");
                    message
                }
            };
            let kind = EventKind::Message(Box::new(told));
            let _ = bus.send(Event { session, kind });
        });
    }

    fn fail_all(&mut self, code: FailureCode) {
        let open: Vec<_> = self.queue.open().into_iter().map(|(_, id)| id).collect();
        if open.is_empty() {
            return;
        }
        let detail = match code {
            FailureCode::LoggedOut => "the session was logged out",
            _ => "the session was removed",
        };
        let failure = Failure {
            code,
            detail: detail.to_owned(),
        };
        let stored = self.end_many(open, MessageState::Failed, Some(failure));
        self.writing.spawn(stored);
    }

    /// What the server has not confirmed for long is looked up again.
    fn check_unconfirmed(&mut self) {
        let old = self.page_since.is_some_and(|at| at.elapsed() >= LOOKED_AT);
        let stale = old && self.info.borrow().is_ready();
        if stale && self.queue.unconfirmed().next().is_some() {
            self.queue.count_unconfirmed();
            self.queue.doubt();
        } else {
            self.reloaded_at = None;
        }
    }

    /// When something is due: a scheduled message, the end of a breath or pause, what is paced.
    fn wake(&self) -> Option<Instant> {
        let in_future = |at: OffsetDateTime| {
            let wait = at - OffsetDateTime::now_utc();
            Instant::now() + Duration::try_from(wait).unwrap_or_default()
        };
        let now = OffsetDateTime::now_utc();
        let breath = self.breath.as_ref().map(|(at, _)| *at);
        let paused = self.pause.as_ref().map(|pause| pause.until);
        [
            self.queue.next_due().map(in_future),
            breath.filter(|at| *at > Instant::now()),
            paused.filter(|until| *until > now).map(in_future),
            self.paced_until.map(in_future),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn with_facts<T>(&self, now: OffsetDateTime, ask: impl FnOnce(&Facts<'_>) -> T) -> T {
        let info = self.info.borrow().clone();
        let pause = self.pause.as_ref().map(|pause| Pause {
            code: pause.code,
            detail: pause.detail.clone(),
            until: pause.until,
        });
        let breath = self.breath.as_ref().map(|(at, why)| {
            let left = at.saturating_duration_since(Instant::now());
            (now + left, why.clone())
        });
        ask(&Facts {
            now,
            info: &info,
            pause: pause.as_ref(),
            breath: breath.as_ref(),
            pace: self.pace(),
            recent: &self.recent,
        })
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn announce(bus: &broadcast::Sender<Event>, message: Message) {
    // Nobody may be listening.
    let _ = bus.send(Event {
        session: message.session.clone(),
        kind: EventKind::Outbox(Box::new(message)),
    });
}
