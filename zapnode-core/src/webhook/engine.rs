//! The task of one webhook: reads the log, asks the [schedule](super::schedule) whose turn it is,
//! sends, and stores how it went.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::config::{Disabled, Events, Webhook};
use super::schedule::{Job, Lane, Next, Schedule, Verdict};
use super::sending::Sending;
use super::{WebhookError, WebhookOptions};
use crate::event::{Event, EventLog, Filter};
use crate::net::HttpClient;
use crate::store::{Queued, Requeued, Store, StoreError};

/// So much work is looked for: a few events of each of many chats.
const WINDOW: usize = 256;
/// So many events are taken out of the log ahead of their turn, to find it.
const AHEAD: usize = 10_000;
/// Pages read before what was found is sent.
const PAGES_AT_ONCE: usize = 4;
/// The most events held in memory, those of chats that wait included.
const HELD: usize = 5000;
/// Events read at once. Texts are up to 64 Ki characters.
const PAGE: usize = 64;
/// Events kept whole between reading and sending, when they come one by one.
const FRESH: usize = 32;
/// So many events that are not ours, and the place in the log is written down.
const SKIPPED_UNWRITTEN: i64 = 1000;
/// The pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// What all webhooks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) log: EventLog,
    pub(crate) client: HttpClient,
    pub(crate) options: WebhookOptions,
    /// For requests to receivers that work.
    pub(crate) places: Semaphore,
    /// For requests to receivers that are down: those may hang, and shall not take the others'.
    pub(crate) probes: Semaphore,
    pub(crate) totals: Totals,
    pub(crate) stop: CancellationToken,
}

/// What all webhooks have done since the start.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) delivered: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) dead: AtomicU64,
    pub(crate) sending: AtomicI64,
}

/// What one webhook's task publishes.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) webhook: Arc<Webhook>,
    /// Every event up to here was queued, or is none of its.
    pub(crate) cursor: i64,
    /// Failures in a row.
    pub(crate) failures: u32,
    pub(crate) is_down: bool,
    /// Events that the log forgot before they were queued.
    pub(crate) missed: u64,
}

pub(crate) type LiveCell = Arc<Mutex<Live>>;

pub(crate) fn look(live: &LiveCell) -> std::sync::MutexGuard<'_, Live> {
    // Held for a look or an assignment; a panic elsewhere leaves it whole.
    live.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes another webhook of one.
pub(crate) type Change = Box<dyn FnOnce(&Webhook) -> Result<Webhook, WebhookError> + Send>;

/// What can be asked of the task.
pub(crate) enum Command {
    /// Be what this makes of the webhook from now on.
    Change(Change, oneshot::Sender<Result<(), WebhookError>>),
    /// Send a settled delivery again.
    Retry(String, oneshot::Sender<Result<(), WebhookError>>),
    /// Send these events once more.
    Replay(Vec<Event>, oneshot::Sender<Result<usize, WebhookError>>),
    /// End, and be forgotten.
    Delete(oneshot::Sender<Result<(), WebhookError>>),
}

pub(crate) struct Engine {
    shared: Arc<Shared>,
    webhook: Arc<Webhook>,
    live: LiveCell,
    commands: mpsc::Receiver<Command>,
    news: watch::Receiver<i64>,
    schedule: Schedule,
    attempts: JoinSet<Verdict>,
    /// Which place in the queue each of them is about.
    under_way: HashMap<Id, i64>,
    /// The place in the log.
    cursor: i64,
    /// The place as it is stored.
    written: i64,
    /// The last of the queue that the schedule was told of.
    queued_to: i64,
    /// There may be more in the queue after that.
    more_queued: bool,
    fresh: HashMap<i64, Event>,
    /// The store failed; not before this it is asked again.
    not_before: Option<Instant>,
}

impl Engine {
    pub(crate) fn new(
        shared: Arc<Shared>,
        live: LiveCell,
        commands: mpsc::Receiver<Command>,
    ) -> Self {
        let (webhook, cursor) = {
            let live = look(&live);
            (Arc::clone(&live.webhook), live.cursor)
        };
        Self {
            news: shared.log.subscribe(),
            schedule: Schedule::new(webhook.retries, shared.options.at_once),
            shared,
            webhook,
            live,
            commands,
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            cursor,
            written: cursor,
            queued_to: 0,
            more_queued: true,
            fresh: HashMap::new(),
            not_before: None,
        }
    }

    /// Works until the manager stops, or the webhook is deleted.
    pub(crate) async fn run(mut self) {
        let stop = self.shared.stop.clone();
        loop {
            let mut wake = None;
            if self.webhook.is_active() {
                wake = self.work().await;
            }
            self.publish();
            // As long as there is enough to do, what comes stays in the log.
            let hungry = self.webhook.is_active() && self.is_hungry() && self.not_before.is_none();
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Delete(reply)) => {
                        self.delete(reply).await;
                        return;
                    }
                    Some(command) => self.obey(command).await,
                    None => break,
                },
                Some(done) = self.attempts.join_next_with_id() => self.settle(done).await,
                changed = self.news.changed(), if hungry => if changed.is_err() {
                    break;
                },
                () = until(wake), if wake.is_some() => {}
                () = stop.cancelled() => break,
            }
        }
        self.finish().await;
    }

    /// Fills the schedule and sends what is due. Says when to come again, if not for news.
    async fn work(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let mut again = None;
        if self.not_before.is_none_or(|at| at <= now) {
            self.not_before = None;
            match self.fill().await {
                Ok(more) => again = more.then_some(now),
                Err(error) => {
                    tracing::error!(
                        webhook = %self.webhook.id,
                        error = &error as &dyn std::error::Error,
                        "events could not be queued for a webhook"
                    );
                    self.not_before = Some(now + STORE_PAUSE);
                }
            }
        }
        let due = loop {
            match self.schedule.next(Instant::now()) {
                Next::Send(job) => self.send(job),
                Next::At(at) => break Some(at),
                Next::Nothing => break None,
            }
        };
        [due, again, self.not_before].into_iter().flatten().min()
    }

    /// Whether more events are wanted. One that is down needs only something to be tried with.
    fn is_hungry(&self) -> bool {
        let held = self.schedule.held();
        if self.schedule.is_down() {
            return held == 0;
        }
        held < HELD && self.schedule.open() < WINDOW && self.schedule.unsettled() < AHEAD
    }

    /// Looks for work. Says whether there is more to be found.
    async fn fill(&mut self) -> Result<bool, StoreError> {
        while let Some(lane) = self.schedule.lane_to_load() {
            let jobs = self.shared.store.lane_deliveries(
                self.webhook.id.clone(),
                Arc::clone(&lane),
                self.queued_to,
                Schedule::LOAD,
            );
            match jobs.await {
                Ok(jobs) => self.schedule.loaded(&lane, jobs),
                Err(error) => {
                    self.schedule.not_loaded(&lane);
                    return Err(error);
                }
            }
        }
        for _ in 0..PAGES_AT_ONCE {
            if !self.is_hungry() {
                return Ok(false);
            }
            if self.more_queued {
                let id = self.webhook.id.clone();
                let rows = self
                    .shared
                    .store
                    .open_deliveries(id, self.queued_to, PAGE)
                    .await?;
                self.more_queued = rows.len() == PAGE;
                for (job, lane) in rows {
                    self.queued_to = job.n;
                    self.schedule.push(lane, job);
                }
                continue;
            }
            self.news.borrow_and_update();
            let page = self
                .shared
                .log
                .read(self.cursor, PAGE, &filter(&self.webhook))
                .await?;
            if let Some(gap) = page.gap {
                let missed = u64::try_from(gap.forgotten - gap.after).unwrap_or_default();
                tracing::warn!(
                    webhook = %self.webhook.id,
                    missed,
                    "events were forgotten before this webhook was told them"
                );
                look(&self.live).missed += missed;
            }
            let last = page.is_last();
            self.queue(page.events, page.next).await?;
            if last {
                return Ok(false);
            }
        }
        Ok(self.is_hungry())
    }

    /// Queues events of the log, whose reading goes on after `next`.
    async fn queue(&mut self, events: Vec<Event>, next: i64) -> Result<(), StoreError> {
        if events.is_empty() && next - self.written < SKIPPED_UNWRITTEN {
            // Read again after a restart, at little cost.
            self.cursor = self.cursor.max(next);
            return Ok(());
        }
        let ordered = self.webhook.ordered;
        let queued: Vec<_> = events.iter().map(|e| queued(e, ordered)).collect();
        let lanes: Vec<Lane> = queued.iter().map(|q| Arc::clone(&q.lane)).collect();
        let places = self
            .shared
            .store
            .enqueue_deliveries(self.webhook.id.clone(), queued, Some(next))
            .await?;
        self.cursor = self.cursor.max(next);
        self.written = self.cursor;
        for ((event, lane), place) in events.into_iter().zip(lanes).zip(places) {
            let Some(n) = place else { continue };
            self.queued_to = n;
            let job = Job {
                n,
                sequence: event.sequence,
                attempts: 0,
            };
            self.schedule.push(lane, job);
            if self.fresh.len() < FRESH {
                self.fresh.insert(n, event);
            }
        }
        Ok(())
    }

    fn send(&mut self, job: Job) {
        let sending = Sending {
            shared: Arc::clone(&self.shared),
            webhook: Arc::clone(&self.webhook),
            is_probe: self.schedule.is_down(),
            attempts: self.schedule.attempts(),
            event: self.fresh.remove(&job.n),
            job,
        };
        let task = self.attempts.spawn(sending.run());
        self.under_way.insert(task.id(), job.n);
    }

    async fn settle(&mut self, done: Result<(Id, Verdict), JoinError>) {
        let (task, verdict) = done.unwrap_or_else(|error| {
            tracing::error!(webhook = %self.webhook.id, %error, "an attempt broke off");
            (error.id(), Verdict::NotRecorded)
        });
        let Some(n) = self.under_way.remove(&task) else {
            return;
        };
        let was_down = self.schedule.is_down();
        let now = Instant::now();
        self.schedule.settle(n, verdict, now, fastrand::f64());
        if verdict == Verdict::Gone && self.webhook.disabled.is_none() {
            self.turn_off().await;
        }
        match (was_down, self.schedule.is_down()) {
            (false, true) => {
                tracing::warn!(webhook = %self.webhook.id, "the receiver seems to be down");
            }
            (true, false) => tracing::info!(webhook = %self.webhook.id, "the receiver is back"),
            _ => {}
        }
    }

    async fn turn_off(&mut self) {
        tracing::warn!(webhook = %self.webhook.id, "the receiver answered 410, so it is turned off");
        let mut webhook = Webhook::clone(&self.webhook);
        webhook.disabled = Some(Disabled {
            reason: "gone".to_owned(),
            at: crate::store::now(),
        });
        let stored = self.shared.store.update_webhook(webhook.clone()).await;
        if let Err(error) = stored {
            // Then it says so once more after the next start.
            let error = &error as &dyn std::error::Error;
            tracing::error!(webhook = %webhook.id, error, "that could not be stored");
        }
        self.become_this(webhook);
    }

    fn become_this(&mut self, webhook: Webhook) {
        self.schedule.set_retries(webhook.retries);
        self.webhook = Arc::new(webhook);
        self.publish();
    }

    fn publish(&self) {
        let mut live = look(&self.live);
        live.webhook = Arc::clone(&self.webhook);
        live.cursor = self.cursor;
        live.failures = self.schedule.failures();
        live.is_down = self.schedule.is_down();
    }

    async fn obey(&mut self, command: Command) {
        // Whoever asked may be gone; what was asked is done all the same.
        match command {
            Command::Change(change, reply) => {
                let _ = reply.send(self.change(change).await);
            }
            Command::Retry(id, reply) => {
                let _ = reply.send(self.retry(id).await);
            }
            Command::Replay(events, reply) => {
                let _ = reply.send(self.replay(events).await);
            }
            // Taken by `run`.
            Command::Delete(_) => {}
        }
    }

    async fn change(&mut self, change: Change) -> Result<(), WebhookError> {
        let webhook = change(&self.webhook)?;
        self.shared.store.update_webhook(webhook.clone()).await?;
        if webhook.url != self.webhook.url || !self.webhook.is_active() {
            // Another receiver, or one that somebody says is well, has no failures yet.
            self.schedule.forgive();
        }
        self.become_this(webhook);
        Ok(())
    }

    async fn retry(&mut self, id: String) -> Result<(), WebhookError> {
        let webhook = self.webhook.id.clone();
        match self.shared.store.requeue_delivery(webhook, id).await? {
            Requeued::Unknown => Err(WebhookError::DeliveryNotFound),
            Requeued::Pending => Err(WebhookError::DeliveryPending),
            Requeued::Done(job, lane) => {
                // What is further on is found when the queue is read that far.
                if job.n <= self.queued_to {
                    self.schedule.push(lane, job);
                }
                Ok(())
            }
        }
    }

    async fn replay(&mut self, events: Vec<Event>) -> Result<usize, WebhookError> {
        let ordered = self.webhook.ordered;
        let count = events.len();
        let queued = events.iter().map(|e| queued(e, ordered)).collect();
        let id = self.webhook.id.clone();
        self.shared
            .store
            .enqueue_deliveries(id, queued, None)
            .await?;
        self.more_queued = true;
        Ok(count)
    }

    async fn delete(&mut self, reply: oneshot::Sender<Result<(), WebhookError>>) {
        self.attempts.shutdown().await;
        let deleted = self.shared.store.delete_webhook(self.webhook.id.clone());
        let _ = reply.send(deleted.await.map(|_| ()).map_err(WebhookError::from));
    }

    /// Lets what is under way end, within bounds. What is cut off is sent again after the next
    /// start.
    async fn finish(&mut self) {
        let ending = async { while self.attempts.join_next().await.is_some() {} };
        if timeout(self.shared.options.drain, ending).await.is_err() {
            self.attempts.shutdown().await;
        }
        if self.cursor > self.written {
            let id = self.webhook.id.clone();
            let written = self
                .shared
                .store
                .enqueue_deliveries(id, vec![], Some(self.cursor));
            // Then some events are looked at once more after the start.
            let _ = written.await;
        }
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What this webhook wants of the log.
pub(crate) fn filter(webhook: &Webhook) -> Filter {
    Filter {
        names: match &webhook.events {
            Events::All => None,
            Events::Named(names) => Some(names.clone()),
        },
        session: webhook.session.clone(),
        chat: None,
    }
}

/// An event as it stands in the queue. Events of a chat have an order among themselves, and so
/// have those of a session that are about no chat.
pub(crate) fn queued(event: &Event, ordered: bool) -> Queued {
    let lane = match (ordered, event.kind.chat()) {
        (false, _) => format!("#{}", event.sequence),
        (true, Some(chat)) => format!("{}/{chat}", event.session),
        (true, None) => event.session.to_string(),
    };
    Queued {
        sequence: event.sequence,
        event_id: event.id.to_string(),
        event: event.name().to_owned(),
        session: Some(event.session.to_string()),
        lane: lane.into(),
    }
}
