//! One task for each session that sends what the [`Queue`] says and stores what comes of it.
//!
//! Handing over runs beside it, so that chats do not wait for each other. What becomes of a message
//! is told to those who wait for it at once, and written down in the background: should the program
//! end before that is on disk, the page is asked for the message by its id at the next start.

mod notes;
mod settle;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use ulid::Ulid;

use crate::driver::SendRefusal;
use crate::event::{Happening, Signal};
use crate::id::{MessageId, SessionId, WireId};
use crate::ignore::Ignore;
use crate::message::{AckChange, Contact, Content, IncomingMessage, Recipient, SentMessage};
use crate::optout::OptOuts;
use crate::outbox::catch_up;
use crate::outbox::hand_over::{Manner, Trouble, hand_over};
use crate::outbox::intake::{Heard, Intake};
use crate::outbox::pace::{Pace, Recent};
use crate::outbox::queue::{Counts, Item, Kind, Queue, Standing};
use crate::outbox::state::{Verdict, counts_as_attempt, judge};
use crate::outbox::waits::{self, Facts, Pause, pace_for};
use crate::outbox::{Failure, FailureCode, Load, Message, MessageState, NewMessage, Wait};
use crate::session::handle::Shared;
use crate::session::{SessionInfo, SessionState};
use crate::store::{self, Store, StoreError, StoredPause};

/// How often what the server has not confirmed is looked at: the page is asked for it again.
const LOOKED_AT: Duration = Duration::from_secs(60);

/// How long the end of a session, or whoever waits for an end, waits for changes to be written. A
/// store that cannot write keeps them, and writes them when it can.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// The least time between two reloads for what is unconfirmed.
const RELOADED_EVERY: Duration = Duration::from_secs(5 * 60);

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
    /// Something happened to messages, or around them.
    Happened(Happening),
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
    bus: broadcast::Sender<Signal>,
    opt_outs: OptOuts,
    progress: broadcast::Sender<Progress>,
    intake: Intake,
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
    /// When the page was last loaded anew for what it left unconfirmed.
    reloaded_at: Option<Instant>,
    /// How much there is to do, for the session's own task.
    load: watch::Sender<Load>,
    /// What is tried after a pause; the rest waits for what comes of it.
    trying: Option<WireId>,
}

/// What the task is made from.
pub(crate) struct Parts {
    pub(crate) shared: Weak<Shared>,
    pub(crate) info: watch::Receiver<SessionInfo>,
    pub(crate) store: Store,
    pub(crate) bus: broadcast::Sender<Signal>,
    pub(crate) opt_outs: OptOuts,
    pub(crate) progress: broadcast::Sender<Progress>,
    pub(crate) ignore: Ignore,
    pub(crate) inbox: mpsc::UnboundedReceiver<Input>,
    pub(crate) load: watch::Sender<Load>,
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
        kind: new.content.kind().to_owned(),
        text: new.content.words(),
        content: (!new.content.is_plain_text()).then(|| new.content.clone()),
        created_at: now,
        updated_at: now,
        send_at: new.send_at,
        priority: new.priority,
        batch: new.batch,
        paced: new.paced,
        attempted_at: None,
        reply_to: new.reply_to.clone(),
    }
}

/// The queue's view of a stored message; absent for one that names nobody (never written by us).
pub(crate) fn item_of(message: &Message) -> Option<Item> {
    Some(Item {
        seq: message.seq,
        to: Recipient::parse(&message.recipient).ok()?,
        content: match &message.content {
            Some(content) => content.clone(),
            None => Content::text(message.text.clone()?),
        },
        wire_id: message.wire_id.clone(),
        send_at: message.send_at,
        maybe_sent: message.attempted_at.is_some(),
        attempts: 0,
        minutes: 0,
        priority: message.priority,
        batch: message.batch,
        paced: message.paced,
        reply_to: message.reply_to.clone(),
    })
}

impl Worker {
    pub(crate) fn new(parts: Parts) -> Self {
        let session = parts.info.borrow().id.clone();
        let intake = Intake::new(parts.store.clone(), parts.info.clone(), parts.ignore);
        Self {
            session,
            shared: parts.shared,
            info: parts.info,
            store: parts.store,
            bus: parts.bus,
            opt_outs: parts.opt_outs,
            progress: parts.progress,
            intake,
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
            load: parts.load,
            trying: None,
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
            let load = self.queue.load();
            self.load
                .send_if_modified(|told| std::mem::replace(told, load) != load);
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
                taken = self.intake.work() => self.taken_in(taken),
                input = self.inbox.recv() => match input {
                    Some(Input::End { code, done }) => {
                        self.fail_all(code);
                        self.written().await;
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
                _ = checks.tick() => {
                    self.check_unconfirmed();
                    self.catch_up(catch_up::NOT_ON_A_PHONE);
                }
            }
        }
        self.written().await;
    }

    /// Waits until what is on its way to the store is there.
    async fn written(&mut self) {
        let all = async {
            while self.writing.join_next().await.is_some() {}
            self.intake.finish().await;
        };
        if tokio::time::timeout(WRITTEN_WITHIN, all).await.is_err() {
            tracing::warn!(session = %self.session, "the store has not written all changes yet");
            self.writing.detach_all();
        }
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
            Input::Appeared(message) => self.appeared(message),
            Input::Happened(happening) => {
                if let Happening::Call(call) = &happening {
                    crate::call::watch(self.shared.clone(), call);
                }
                self.intake.take(Heard::Happening(happening));
            }
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
                self.catch_up(catch_up::NOT_READ);
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
                if self.pause.is_some() {
                    self.trying = Some(wire_id.clone());
                }
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
        let must_wait = self.pause.is_some() && self.trying.is_some();
        let (recent, paced_until) = (&self.recent, &mut self.paced_until);
        self.queue.next(now, |kind| {
            if kind.asks {
                return true;
            }
            let pace = pace_for(pace, kind);
            if must_wait || (pace.is_serial() && busy) {
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

    /// Asks the page for acks that it may not have told.
    fn catch_up(&mut self, states: &'static [MessageState]) {
        if let Some(loaded) = self.page {
            let ask = catch_up::ask(self.shared.clone(), states, loaded);
            self.writing.spawn(ask);
        }
    }

    /// What the server has not confirmed for long is looked up again.
    fn check_unconfirmed(&mut self) {
        let old = self.page_since.is_some_and(|at| at.elapsed() >= LOOKED_AT);
        let stale = old && self.info.borrow().is_ready();
        if stale && self.queue.unconfirmed().next().is_some() {
            self.queue.count_unconfirmed();
            self.queue.doubt();
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
