//! Which webhooks there are, and what can be asked of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attempt::{self, Outcome};
use super::config::{InvalidWebhook, NewWebhook, Source, Webhook, WebhookChange};
use super::delivery::{Delivery, DeliveryState};
use super::engine::{self, Command, Engine, Live, LiveCell, Shared, Totals, look};
use super::sign::WebhookSecret;
use super::{
    CONFIGURED_ID, LONGEST_OVERLAP, MOST_REPLAYED, MOST_WEBHOOKS, Replay, Replayed, WebhookError,
    WebhookInfo, WebhookOptions, WebhookStats,
};
use crate::event::{Event, EventId, EventLog, EventName, Filter};
use crate::net::{HttpClient, check_target};
use crate::store::{Store, millis};

/// How many requests may wait for one webhook's task.
const COMMANDS_WAITING: usize = 16;
/// Events that are replayed are read and queued so many at a time.
const REPLAY_PAGE: usize = 100;
/// How often old deliveries are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(300);

/// All webhooks of a manager. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Webhooks {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    hooks: Mutex<BTreeMap<String, Hook>>,
    tasks: TaskTracker,
}

#[derive(Clone)]
struct Hook {
    live: LiveCell,
    commands: mpsc::Sender<Command>,
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

impl Webhooks {
    /// Loads the webhooks and starts to deliver.
    pub(crate) async fn open(
        store: Store,
        log: EventLog,
        options: WebhookOptions,
    ) -> Result<Self, WebhookError> {
        let client = HttpClient::new(options.timeouts, &options.more_roots);
        let shared = Arc::new(Shared {
            client,
            places: Semaphore::new(options.at_once_in_all.max(1)),
            probes: Semaphore::new(options.probes_in_all.max(1)),
            totals: Totals::default(),
            stop: CancellationToken::new(),
            store,
            log,
            options,
        });
        configure(&shared).await?;
        let this = Self {
            inner: Arc::new(Inner {
                shared: Arc::clone(&shared),
                hooks: Mutex::default(),
                tasks: TaskTracker::new(),
            }),
        };
        for row in shared.store.webhooks().await? {
            this.spawn(row.webhook, row.cursor);
        }
        this.inner.tasks.spawn(forget_old(shared));
        Ok(this)
    }

    fn spawn(&self, webhook: Webhook, cursor: i64) {
        let (commands, queue) = mpsc::channel(COMMANDS_WAITING);
        let id = webhook.id.clone();
        let live = Arc::new(Mutex::new(Live {
            webhook: Arc::new(webhook),
            cursor,
            failures: 0,
            is_down: false,
            missed: 0,
        }));
        let shared = Arc::clone(&self.inner.shared);
        let engine = Engine::new(shared, Arc::clone(&live), queue);
        self.inner.tasks.spawn(engine.run());
        self.hooks().insert(id, Hook { live, commands });
    }

    /// All webhooks, oldest first.
    ///
    /// # Errors
    /// [`WebhookError::Store`].
    pub async fn list(&self) -> Result<Vec<WebhookInfo>, WebhookError> {
        let hooks: Vec<_> = self.hooks().values().cloned().collect();
        let mut all = Vec::with_capacity(hooks.len());
        for hook in hooks {
            all.push(self.info(&hook).await?);
        }
        all.sort_by(|a, b| {
            let key = |i: &WebhookInfo| (i.webhook.created_at, i.webhook.id.clone());
            key(a).cmp(&key(b))
        });
        Ok(all)
    }

    /// One webhook.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`] or [`WebhookError::Store`].
    pub async fn get(&self, id: &str) -> Result<WebhookInfo, WebhookError> {
        self.info(&self.hook(id)?).await
    }

    async fn info(&self, hook: &Hook) -> Result<WebhookInfo, WebhookError> {
        let live = look(&hook.live).clone();
        let shared = &self.inner.shared;
        let counts = shared.store.webhook_counts(live.webhook.id.clone()).await?;
        let unread = shared.log.latest().saturating_sub(live.cursor);
        Ok(WebhookInfo {
            lag: counts.pending + u64::try_from(unread).unwrap_or_default(),
            webhook: live.webhook,
            counts,
            failures: live.failures,
            is_down: live.is_down,
            missed: live.missed,
        })
    }

    /// Makes a webhook. It is told what happens from now on.
    ///
    /// # Errors
    /// [`WebhookError::Invalid`], also for an address that it must not lead to;
    /// [`WebhookError::Limit`]; [`WebhookError::Store`].
    pub async fn create(&self, new: NewWebhook) -> Result<WebhookInfo, WebhookError> {
        let webhook = Webhook::build(new, crate::store::now())?;
        self.check_target(&webhook).await?;
        let shared = &self.inner.shared;
        if shared.stop.is_cancelled() {
            return Err(WebhookError::ShuttingDown);
        }
        // Carried on even if the caller goes away: what is stored must also run.
        let this = self.clone();
        let making = tokio::spawn(async move {
            let shared = &this.inner.shared;
            let cursor = shared.log.latest();
            let stored = shared
                .store
                .insert_webhook(webhook.clone(), cursor, MOST_WEBHOOKS);
            if !stored.await? {
                return Err(WebhookError::Limit);
            }
            let id = webhook.id.clone();
            this.spawn(webhook, cursor);
            this.get(&id).await
        });
        making.await.unwrap_or(Err(WebhookError::ShuttingDown))
    }

    /// Changes a webhook. What is under way ends as it began; everything after that, also what
    /// waits in the queue, goes by the change.
    ///
    /// # Errors
    /// [`WebhookError::Invalid`], and then nothing is changed; [`WebhookError::Configured`] for
    /// one that comes from the configuration; [`WebhookError::NotFound`]; [`WebhookError::Store`].
    pub async fn change(
        &self,
        id: &str,
        change: WebhookChange,
    ) -> Result<WebhookInfo, WebhookError> {
        let hook = self.editable(id)?;
        if change.url.is_some() {
            let webhook = Arc::clone(&look(&hook.live).webhook);
            self.check_target(&webhook.changed(change.clone())?).await?;
        }
        self.alter(&hook, move |webhook| Ok(webhook.changed(change)?))
            .await?;
        self.info(&hook).await
    }

    /// Gives a webhook a new secret. For `overlap` (at most [`LONGEST_OVERLAP`]) each request is
    /// signed with both, so that the receiver can change to it at any time.
    ///
    /// # Errors
    /// [`WebhookError::Overlap`], else as [`change`](Self::change).
    pub async fn rotate_secret(
        &self,
        id: &str,
        overlap: Duration,
    ) -> Result<WebhookInfo, WebhookError> {
        let hook = self.editable(id)?;
        if overlap > LONGEST_OVERLAP {
            return Err(WebhookError::Overlap);
        }
        let secret = WebhookSecret::random().map_err(InvalidWebhook::from)?;
        let until = crate::store::now() + overlap;
        self.alter(&hook, move |webhook| {
            let mut to = webhook.clone();
            let old = std::mem::replace(&mut to.secret, secret);
            to.previous = (!overlap.is_zero()).then_some((old, until));
            Ok(to)
        })
        .await?;
        self.info(&hook).await
    }

    /// Forgets a webhook, with what waits in its queue.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub async fn delete(&self, id: &str) -> Result<(), WebhookError> {
        let hook = self.editable(id)?;
        let (this, id) = (self.clone(), id.to_owned());
        let removal = tokio::spawn(async move {
            ask(&hook, Command::Delete).await?;
            this.hooks().remove(&id);
            Ok(())
        });
        removal.await.unwrap_or(Err(WebhookError::ShuttingDown))
    }

    /// Sends a made-up event `webhook.test` now, once, and tells how that went. It is in no log and
    /// no queue. Works also for one that is paused or turned off.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`]. A receiver that does not take it is no error here.
    pub async fn test(&self, id: &str) -> Result<(EventId, Outcome), WebhookError> {
        let hook = self.hook(id)?;
        let webhook = Arc::clone(&look(&hook.live).webhook);
        let event = EventId::choose();
        let session = webhook.session.as_ref().map_or("default", |s| s.as_str());
        let body = json!({
            "id": event,
            "sequence": 0,
            "timestamp": millis(OffsetDateTime::now_utc()),
            "event": "webhook.test",
            "session": session,
            "me": null,
            "payload": { "webhookId": webhook.id },
        });
        let shared = &self.inner.shared;
        let policy = attempt::policy(&webhook, shared.options.allow_private);
        let event_id = event.to_string();
        let parcel = attempt::Parcel {
            event_id: &event_id,
            body: body.to_string(),
            attempt: 1,
        };
        let outcome = attempt::send(&shared.client, policy, &webhook, parcel).await;
        Ok((event, outcome))
    }

    /// A webhook's deliveries, newest first, before the place `before`, at most `limit`.
    ///
    /// # Errors
    /// [`WebhookError::NotFound`] or [`WebhookError::Store`].
    pub async fn deliveries(
        &self,
        id: &str,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Delivery>, WebhookError> {
        self.hook(id)?;
        let store = &self.inner.shared.store;
        Ok(store
            .deliveries(id.to_owned(), state, before, limit)
            .await?)
    }

    /// Queues a delivery that has ended once more, with all its attempts anew. The event has the
    /// same id.
    ///
    /// # Errors
    /// [`WebhookError::DeliveryNotFound`], [`WebhookError::DeliveryPending`], else as
    /// [`get`](Self::get).
    pub async fn retry(&self, id: &str, delivery: &str) -> Result<Delivery, WebhookError> {
        let hook = self.hook(id)?;
        ask(&hook, |reply| Command::Retry(delivery.to_owned(), reply)).await?;
        let store = &self.inner.shared.store;
        let found = store.delivery(id.to_owned(), delivery.to_owned()).await?;
        found.ok_or(WebhookError::DeliveryNotFound)
    }

    /// Queues events of the log once more, each with its own id, after what is in the queue.
    ///
    /// # Errors
    /// [`WebhookError::EventNotFound`], [`WebhookError::EventNotWanted`], else as
    /// [`get`](Self::get).
    pub async fn replay(&self, id: &str, replay: Replay) -> Result<Replayed, WebhookError> {
        let hook = self.hook(id)?;
        let filter = engine::filter(&look(&hook.live).webhook);
        let log = &self.inner.shared.log;
        let (from, to) = match replay {
            Replay::Event(event) => {
                let event = log.event(event).await?.ok_or(WebhookError::EventNotFound)?;
                if !wants(&filter, &event) {
                    return Err(WebhookError::EventNotWanted);
                }
                let queued = queue_again(&hook, vec![event]).await?;
                return Ok(Replayed {
                    queued,
                    until: None,
                });
            }
            Replay::Between(from, to) => (from, to),
        };
        let mut cursor = log.cursor_at(from).await?;
        let mut queued = 0;
        loop {
            let page = log.read(cursor, REPLAY_PAGE, &filter).await?;
            let read = page.events.len();
            let mut wanted = page.events;
            wanted.retain(|event| event.timestamp <= to);
            // Moments in the log only grow, so what comes later is later.
            let is_end = wanted.len() < read || page.next >= page.latest;
            let last = wanted.last().map(|event| event.timestamp);
            if !wanted.is_empty() {
                queued += queue_again(&hook, wanted).await?;
            }
            if is_end {
                return Ok(Replayed {
                    queued,
                    until: None,
                });
            }
            if queued >= MOST_REPLAYED {
                return Ok(Replayed {
                    queued,
                    until: last,
                });
            }
            cursor = page.next;
        }
    }

    /// Figures for a monitor.
    pub fn stats(&self) -> WebhookStats {
        let hooks = self.hooks();
        let lives = hooks.values().map(|hook| look(&hook.live).clone());
        let mut stats = lives.fold(WebhookStats::default(), |mut stats, live| {
            stats.webhooks += 1;
            stats.active += usize::from(live.webhook.is_active());
            stats.down += usize::from(live.is_down);
            stats
        });
        let totals = &self.inner.shared.totals;
        stats.delivered = totals.delivered.load(Ordering::Relaxed);
        stats.failures = totals.failures.load(Ordering::Relaxed);
        stats.dead = totals.dead.load(Ordering::Relaxed);
        let sending = totals.sending.load(Ordering::Relaxed);
        stats.sending = u64::try_from(sending).unwrap_or_default();
        stats
    }

    /// Ends the deliveries; what was not answered is sent after the next start. Bounded by
    /// [`WebhookOptions::drain`].
    pub(crate) async fn shutdown(&self) {
        self.inner.shared.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    async fn alter(
        &self,
        hook: &Hook,
        change: impl FnOnce(&Webhook) -> Result<Webhook, WebhookError> + Send + 'static,
    ) -> Result<(), WebhookError> {
        ask(hook, |reply| Command::Change(Box::new(change), reply)).await
    }

    async fn check_target(&self, webhook: &Webhook) -> Result<(), WebhookError> {
        let options = &self.inner.shared.options;
        let policy = attempt::policy(webhook, options.allow_private);
        check_target(policy, &webhook.url, options.timeouts.connect)
            .await
            .map_err(|error| InvalidWebhook::from(error).into())
    }

    fn hook(&self, id: &str) -> Result<Hook, WebhookError> {
        self.hooks().get(id).cloned().ok_or(WebhookError::NotFound)
    }

    fn editable(&self, id: &str) -> Result<Hook, WebhookError> {
        let hook = self.hook(id)?;
        match look(&hook.live).webhook.source {
            Source::Api => {}
            Source::Environment => return Err(WebhookError::Configured),
        }
        Ok(hook)
    }

    fn hooks(&self) -> MutexGuard<'_, BTreeMap<String, Hook>> {
        // Held for a look or one insertion; a panic elsewhere leaves the map whole.
        self.inner
            .hooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether one event passes a webhook's filter, which names no chat.
fn wants(filter: &Filter, event: &Event) -> bool {
    let named = |names: &BTreeSet<EventName>| names.iter().any(|n| n.as_str() == event.name());
    filter.names.as_ref().is_none_or(named)
        && filter
            .session
            .as_ref()
            .is_none_or(|id| *id == event.session)
}

async fn ask<T>(
    hook: &Hook,
    command: impl FnOnce(oneshot::Sender<Result<T, WebhookError>>) -> Command,
) -> Result<T, WebhookError> {
    let (reply, answer) = oneshot::channel();
    let sent = hook.commands.send(command(reply)).await;
    sent.map_err(|_| WebhookError::ShuttingDown)?;
    answer.await.map_err(|_| WebhookError::ShuttingDown)?
}

async fn queue_again(hook: &Hook, events: Vec<Event>) -> Result<usize, WebhookError> {
    ask(hook, |reply| Command::Replay(events, reply)).await
}

/// Makes the webhook of the configuration what that says now, or forgets it.
async fn configure(shared: &Shared) -> Result<(), WebhookError> {
    let rows = shared.store.webhooks().await?;
    let known = rows.into_iter().map(|row| row.webhook);
    let known = known
        .into_iter()
        .find(|webhook| webhook.source == Source::Environment);
    let Some(wanted) = &shared.options.configured else {
        if let Some(webhook) = known {
            shared.store.delete_webhook(webhook.id).await?;
        }
        return Ok(());
    };
    let new = NewWebhook {
        url: wanted.url.clone(),
        events: wanted.events.clone(),
        ..NewWebhook::default()
    };
    let mut webhook = Webhook::build(new, crate::store::now())?;
    CONFIGURED_ID.clone_into(&mut webhook.id);
    webhook.source = Source::Environment;
    if let Some(secret) = &wanted.secret {
        webhook.secret = WebhookSecret::lenient(secret).map_err(InvalidWebhook::from)?;
    } else if let Some(known) = &known {
        webhook.secret = known.secret.clone();
    }
    match known {
        Some(known) => {
            webhook.created_at = known.created_at;
            shared.store.update_webhook(webhook).await?;
        }
        None => {
            let cursor = shared.log.latest();
            let stored = shared.store.insert_webhook(webhook, cursor, usize::MAX);
            stored.await?;
        }
    }
    Ok(())
}

/// Forgets old deliveries, until the manager stops.
async fn forget_old(shared: Arc<Shared>) {
    let mut now_and_then = tokio::time::interval(FORGET_EVERY);
    loop {
        tokio::select! {
            _ = now_and_then.tick() => {}
            () = shared.stop.cancelled() => return,
        }
        let now = OffsetDateTime::now_utc();
        let options = &shared.options;
        loop {
            let pruned = shared.store.prune_deliveries(
                now - options.delivered_kept,
                now - options.dead_kept,
                options.delivered_most,
            );
            match pruned.await {
                Ok(true) if !shared.stop.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "old deliveries could not be forgotten");
                    break;
                }
            }
        }
    }
}
