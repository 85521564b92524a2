//! One delivery under way: the event, a place among the others, the request, the record.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::attempt::{self, Outcome, Parcel};
use super::config::Webhook;
use super::delivery::{Attempt, DeliveryState};
use super::engine::Shared;
use super::schedule::{Job, Verdict};
use crate::event::{Event, Filter};
use crate::store::{Recorded, StoreError};

/// One attempt, from the place among the others to the record.
pub(super) struct Sending {
    pub(super) shared: Arc<Shared>,
    pub(super) webhook: Arc<Webhook>,
    pub(super) job: Job,
    /// The event, if it is at hand; else it is read from the log.
    pub(super) event: Option<Event>,
    /// The receiver counts as down.
    pub(super) is_probe: bool,
    /// How many attempts an event gets.
    pub(super) attempts: u32,
}

impl Sending {
    pub(super) async fn run(self) -> Verdict {
        match self.attempt().await {
            Ok(verdict) => verdict,
            Err(error) => {
                tracing::error!(
                    webhook = %self.webhook.id,
                    error = &error as &dyn std::error::Error,
                    "a delivery could not be stored; it will be sent again"
                );
                Verdict::NotRecorded
            }
        }
    }

    async fn attempt(&self) -> Result<Verdict, StoreError> {
        let event = match &self.event {
            Some(event) => Some(event.clone()),
            None => self.event().await?,
        };
        let number = self.job.attempts + 1;
        let Some(event) = event else {
            let outcome = Outcome {
                at: crate::store::now(),
                status: None,
                latency_ms: 0,
                error: Some("event_expired"),
                answer: "the event log no longer holds this event".to_owned(),
            };
            return self.record(Verdict::Dead, outcome).await;
        };
        let body = serde_json::to_string(&event).unwrap_or_default();
        let outcome = {
            let places = if self.is_probe {
                &self.shared.probes
            } else {
                &self.shared.places
            };
            let Ok(_place) = places.acquire().await else {
                return Ok(Verdict::NotRecorded);
            };
            let _counted = Counted::new(&self.shared.totals.sending);
            let policy = attempt::policy(&self.webhook, self.shared.options.allow_private);
            let parcel = Parcel {
                event_id: &event.id.to_string(),
                body,
                attempt: number,
            };
            attempt::send(&self.shared.client, policy, &self.webhook, parcel).await
        };
        let verdict = Verdict::of(outcome.status, number, self.attempts);
        self.record(verdict, outcome).await
    }

    async fn event(&self) -> Result<Option<Event>, StoreError> {
        let sequence = self.job.sequence;
        let everything = Filter::default();
        let page = self.shared.log.read(sequence - 1, 1, &everything).await?;
        let found = page.events.into_iter().next();
        Ok(found.filter(|event| event.sequence == sequence))
    }

    async fn record(&self, verdict: Verdict, outcome: Outcome) -> Result<Verdict, StoreError> {
        let recorded = Recorded {
            n: self.job.n,
            attempt: Attempt {
                // The store counts on from those before.
                attempt: 0,
                at: outcome.at,
                status: outcome.status,
                latency_ms: outcome.latency_ms,
                error: outcome.error.map(str::to_owned),
                answer: outcome.answer,
            },
            state: match verdict {
                Verdict::Delivered => DeliveryState::Delivered,
                Verdict::Dead => DeliveryState::Dead,
                Verdict::Retry | Verdict::Gone | Verdict::NotRecorded => DeliveryState::Pending,
            },
        };
        self.shared.store.record_attempt(recorded).await?;
        let totals = &self.shared.totals;
        match verdict {
            Verdict::Delivered => totals.delivered.fetch_add(1, Ordering::Relaxed),
            Verdict::Dead => {
                totals.dead.fetch_add(1, Ordering::Relaxed);
                totals.failures.fetch_add(1, Ordering::Relaxed)
            }
            _ => totals.failures.fetch_add(1, Ordering::Relaxed),
        };
        Ok(verdict)
    }
}

/// Counts something while it lasts.
struct Counted<'a>(&'a AtomicI64);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicI64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
