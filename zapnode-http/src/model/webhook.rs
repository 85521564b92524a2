//! Webhooks on the wire.

use std::collections::BTreeMap;

use serde::Serialize;
use time::OffsetDateTime;
use zapnode_core::SessionId;
use zapnode_core::event::EventId;
use zapnode_core::webhook::{
    Attempt, Delivery, Outcome, Replayed, Retries, WebhookInfo, is_secret_header,
};

use super::iso;

/// What stands in place of a secret.
const MASK: &str = "********";

/// One webhook.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookModel {
    id: String,
    url: String,
    events: Vec<String>,
    /// `null`: all sessions.
    session: Option<SessionId>,
    /// Values that are somebody's keys are masked.
    headers: BTreeMap<String, String>,
    /// Whole where it was just made, masked elsewhere.
    secret: String,
    /// Until when the secret before signs too.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<String>,
    retries: RetriesModel,
    ordered: bool,
    paused: bool,
    /// Why it was turned off; `null`: it was not.
    disabled_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<String>,
    source: &'static str,
    created_at: String,
    /// How many events it is behind.
    lag: u64,
    counts: CountsModel,
    receiver: ReceiverModel,
}

/// What is done about failures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RetriesModel {
    policy: &'static str,
    delay_seconds: f64,
    attempts: u32,
}

/// What a webhook has done since it was made.
#[derive(Debug, Serialize)]
pub(super) struct CountsModel {
    delivered: u64,
    dead: u64,
    pending: u64,
    failures: u64,
    missed: u64,
}

/// How the receiver does.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiverModel {
    down: bool,
    failures_in_a_row: u32,
}

impl From<Retries> for RetriesModel {
    fn from(retries: Retries) -> Self {
        Self {
            policy: retries.policy.as_str(),
            delay_seconds: std::time::Duration::from_millis(retries.delay_ms).as_secs_f64(),
            attempts: retries.attempts,
        }
    }
}

impl WebhookModel {
    /// A webhook as it may be shown.
    pub fn masked(info: &WebhookInfo) -> Self {
        Self::of(info, MASK)
    }

    /// A webhook with its secret, for whoever has just made that.
    pub fn whole(info: &WebhookInfo) -> Self {
        Self::of(info, info.webhook.secret.reveal())
    }

    fn of(info: &WebhookInfo, secret: &str) -> Self {
        let webhook = &info.webhook;
        let now = OffsetDateTime::now_utc();
        let header = |(name, value): (&String, &String)| {
            let value = if is_secret_header(name) { MASK } else { value };
            (name.clone(), value.to_owned())
        };
        let previous = webhook.previous.as_ref().filter(|(_, until)| now < *until);
        let disabled = webhook.disabled.as_ref();
        Self {
            id: webhook.id.clone(),
            url: webhook.url.to_string(),
            events: webhook
                .events
                .names()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            session: webhook.session.clone(),
            headers: webhook.headers.iter().map(header).collect(),
            secret: secret.to_owned(),
            previous_secret_until: previous.map(|(_, until)| iso(*until)),
            retries: webhook.retries.into(),
            ordered: webhook.ordered,
            paused: webhook.paused,
            disabled_reason: disabled.map(|disabled| disabled.reason.clone()),
            disabled_at: disabled.map(|disabled| iso(disabled.at)),
            source: webhook.source.as_str(),
            created_at: iso(webhook.created_at),
            lag: info.lag,
            counts: CountsModel {
                delivered: info.counts.delivered,
                dead: info.counts.dead,
                pending: info.counts.pending,
                failures: info.counts.failures,
                missed: info.missed,
            },
            receiver: ReceiverModel {
                down: info.is_down,
                failures_in_a_row: info.failures,
            },
        }
    }
}

/// One webhook as an answer.
#[derive(Debug, Serialize)]
pub struct OneWebhook {
    success: bool,
    webhook: WebhookModel,
}

impl From<WebhookModel> for OneWebhook {
    fn from(webhook: WebhookModel) -> Self {
        Self {
            success: true,
            webhook,
        }
    }
}

/// All webhooks as an answer.
#[derive(Debug, Serialize)]
pub struct WebhookList {
    success: bool,
    webhooks: Vec<WebhookModel>,
}

impl From<Vec<WebhookModel>> for WebhookList {
    fn from(webhooks: Vec<WebhookModel>) -> Self {
        Self {
            success: true,
            webhooks,
        }
    }
}

/// A secret, for whoever asks for it by name.
#[derive(Debug, Serialize)]
pub struct SecretAnswer {
    success: bool,
    secret: String,
}

impl From<&WebhookInfo> for SecretAnswer {
    fn from(info: &WebhookInfo) -> Self {
        Self {
            success: true,
            secret: info.webhook.secret.reveal().to_owned(),
        }
    }
}

/// What a test brought.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestAnswer {
    success: bool,
    /// Whether the receiver answered 2xx.
    delivered: bool,
    event_id: String,
    status: Option<u16>,
    latency_ms: u64,
    error: Option<&'static str>,
    answer: String,
}

impl From<(EventId, Outcome)> for TestAnswer {
    fn from((event, outcome): (EventId, Outcome)) -> Self {
        Self {
            success: true,
            delivered: outcome.error.is_none(),
            event_id: event.to_string(),
            status: outcome.status,
            latency_ms: outcome.latency_ms,
            error: outcome.error,
            answer: outcome.answer,
        }
    }
}

/// One event for one webhook.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryModel {
    id: String,
    event_id: String,
    sequence: i64,
    event: String,
    session: Option<String>,
    state: &'static str,
    replay: bool,
    created_at: String,
    settled_at: Option<String>,
    attempts: Vec<AttemptModel>,
}

/// One request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttemptModel {
    attempt: u32,
    at: String,
    status: Option<u16>,
    latency_ms: u64,
    error: Option<String>,
    answer: String,
}

impl From<Attempt> for AttemptModel {
    fn from(attempt: Attempt) -> Self {
        Self {
            attempt: attempt.attempt,
            at: iso(attempt.at),
            status: attempt.status,
            latency_ms: attempt.latency_ms,
            error: attempt.error,
            answer: attempt.answer,
        }
    }
}

impl From<Delivery> for DeliveryModel {
    fn from(delivery: Delivery) -> Self {
        let attempts = delivery.attempts.into_iter();
        Self {
            id: delivery.id,
            event_id: delivery.event_id,
            sequence: delivery.sequence,
            event: delivery.event,
            session: delivery.session,
            state: delivery.state.as_str(),
            replay: delivery.replay,
            created_at: iso(delivery.created_at),
            settled_at: delivery.settled_at.map(iso),
            attempts: attempts.map(AttemptModel::from).collect(),
        }
    }
}

/// One delivery as an answer.
#[derive(Debug, Serialize)]
pub struct OneDelivery {
    success: bool,
    delivery: DeliveryModel,
}

impl From<Delivery> for OneDelivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            success: true,
            delivery: delivery.into(),
        }
    }
}

/// Some deliveries, newest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryPage {
    success: bool,
    deliveries: Vec<DeliveryModel>,
    /// What to ask for next; `null`: there are no older ones.
    next_cursor: Option<String>,
}

impl DeliveryPage {
    /// A page of at most `limit`.
    pub fn new(found: Vec<Delivery>, limit: usize) -> Self {
        let next = found.last().filter(|_| found.len() == limit);
        Self {
            success: true,
            next_cursor: next.map(|delivery| delivery.n.to_string()),
            deliveries: found.into_iter().map(DeliveryModel::from).collect(),
        }
    }
}

/// What a replay has queued.
#[derive(Debug, Serialize)]
pub struct ReplayAnswer {
    success: bool,
    queued: usize,
    /// Where to go on, if that was not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

impl From<Replayed> for ReplayAnswer {
    fn from(replayed: Replayed) -> Self {
        Self {
            success: true,
            queued: replayed.queued,
            until: replayed.until.map(iso),
        }
    }
}
