//! Webhooks: readers of the [event log](crate::event) that are told by HTTP.
//!
//! # What is promised
//!
//! - **At least once, with the same id.** Each event is sent until the receiver answers 2xx, also
//!   across restarts and crashes; `webhook-id` is the event's id at every attempt. Once a 2xx is
//!   stored the event is never sent again, unless somebody asks for it. It counts as answered when
//!   the status has come, whatever becomes of the answer's body.
//! - **In order within a chat**, one event at a time, unless the webhook says otherwise. An event
//!   that is not taken holds up its chat, until it is taken or given up; other chats go on.
//! - **Nobody waits for another.** Each webhook has its own place in the log, its own task and its
//!   own few connections; a receiver that is down keeps one of a pool that only such ones use.
//! - **Little is held.** What a receiver is behind stays in the log; some thousand references to it
//!   and some events are in memory, however many there are.
//!
//! # Failures
//!
//! Everything but 2xx counts as one, also a 4xx: a receiver that is being set up answers 404 and
//! 401, and its events shall wait. 410 alone turns the webhook off. An event gets
//! [`Retries::attempts`] attempts, then it is [dead](DeliveryState::Dead) and the next one has its
//! turn. After three failures in a row the pauses are counted for the whole receiver, and its first
//! 2xx ends them all: one that comes back is served at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use time::OffsetDateTime;

use crate::event::EventId;
use crate::net::{NetError, Timeouts, check_url};
use crate::store::StoreError;

mod attempt;
mod config;
mod delivery;
mod engine;
#[cfg(feature = "test-util")]
pub mod receiver;
mod registry;
mod retries;
pub(crate) mod schedule;
mod sending;
mod sign;

pub use attempt::Outcome;
pub use config::{
    Disabled, Events, InvalidWebhook, MOST_HEADERS, NewWebhook, Source, Webhook, WebhookChange,
    is_secret_header,
};
pub use delivery::{Attempt, Counts, Delivery, DeliveryState};
pub use registry::Webhooks;
pub use retries::{InvalidRetries, LONGEST_DELAY, MOST_ATTEMPTS, Retries, RetryPolicy};
pub use sign::{InvalidSecret, WebhookSecret};

/// The id of the webhook that the configuration names.
pub const CONFIGURED_ID: &str = "whk_environment";
/// The most events that one replay queues.
pub const MOST_REPLAYED: usize = 10_000;
/// The longest overlap of two secrets.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(7 * 24 * 3600);

/// The most webhooks.
const MOST_WEBHOOKS: usize = 200;

/// How webhooks work.
#[derive(Clone, Debug)]
pub struct WebhookOptions {
    /// Whether webhooks may lead into private networks and to this machine.
    pub allow_private: bool,
    /// The webhook that whoever starts the program wants; its address is trusted.
    pub configured: Option<ConfiguredWebhook>,
    /// The bounds of each request.
    pub timeouts: Timeouts,
    /// Certificates (DER) of authorities to believe besides the public ones.
    pub more_roots: Vec<Vec<u8>>,
    /// How many requests one webhook has under way. At least 1.
    pub at_once: usize,
    /// How many requests all webhooks have under way whose receivers work.
    pub at_once_in_all: usize,
    /// And how many of those whose receivers are down.
    pub probes_in_all: usize,
    /// How long requests under way may take to end at a shutdown.
    pub drain: Duration,
    /// How long deliveries that ended well are listed.
    pub delivered_kept: Duration,
    /// And how many of them, at most.
    pub delivered_most: usize,
    /// How long deliveries that were given up are listed, and can be sent again.
    pub dead_kept: Duration,
}

impl Default for WebhookOptions {
    fn default() -> Self {
        Self {
            allow_private: false,
            configured: None,
            timeouts: Timeouts::default(),
            more_roots: vec![],
            at_once: 8,
            at_once_in_all: 64,
            probes_in_all: 64,
            drain: Duration::from_secs(5),
            delivered_kept: Duration::from_secs(3 * 24 * 3600),
            delivered_most: 100_000,
            dead_kept: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// A webhook as the configuration names it: for all sessions.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfiguredWebhook {
    /// Where events go.
    pub url: String,
    /// Which events, by name, or `*`.
    pub events: Vec<String>,
    /// The secret, in the form of the scheme or any text of 8 to 256 visible characters. Absent:
    /// one is made, and kept.
    pub secret: Option<String>,
}

impl fmt::Debug for ConfiguredWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredWebhook")
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

impl ConfiguredWebhook {
    /// Says what is wrong with it, before anything is started.
    ///
    /// # Errors
    /// See [`InvalidWebhook`].
    pub fn check(&self) -> Result<(), InvalidWebhook> {
        check_url(&self.url)?;
        Events::parse(&self.events)?;
        if let Some(secret) = &self.secret {
            WebhookSecret::lenient(secret)?;
        }
        Ok(())
    }
}

/// Why something asked of a webhook was not done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// There is no such webhook.
    #[error("Webhook not found")]
    NotFound,
    /// What was asked for cannot be.
    #[error(transparent)]
    Invalid(#[from] InvalidWebhook),
    /// It comes from the configuration.
    #[error("this webhook comes from the configuration and is changed there")]
    Configured,
    /// There are as many as there may be.
    #[error("there are {MOST_WEBHOOKS} webhooks, and more are not possible")]
    Limit,
    /// There is no such delivery of this webhook.
    #[error("Delivery not found")]
    DeliveryNotFound,
    /// The delivery is in the queue already.
    #[error("this delivery is in the queue already")]
    DeliveryPending,
    /// The log does not hold this event, or no longer.
    #[error("Event not found")]
    EventNotFound,
    /// It is none of this webhook's.
    #[error("this webhook is not told events of this kind or session")]
    EventNotWanted,
    /// Two secrets cannot overlap for so long.
    #[error("an overlap is at most seven days")]
    Overlap,
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manager is shutting down.
    #[error("ZapNode is shutting down")]
    ShuttingDown,
}

/// A webhook, and how it does.
#[derive(Clone, Debug)]
pub struct WebhookInfo {
    /// The webhook.
    pub webhook: Arc<Webhook>,
    /// What it has done.
    pub counts: Counts,
    /// How many events it is behind: those in its queue, and those of the log that it has not
    /// looked at, whether or not they will be its.
    pub lag: u64,
    /// Failures in a row, just now.
    pub failures: u32,
    /// Whether its receiver counts as down.
    pub is_down: bool,
    /// Events that the log forgot before they were queued, since the start.
    pub missed: u64,
}

/// Which events to send once more.
#[derive(Clone, Copy, Debug)]
pub enum Replay {
    /// This one.
    Event(EventId),
    /// Those that were written between two moments, both included.
    Between(OffsetDateTime, OffsetDateTime),
}

/// What a replay has queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// How many events.
    pub queued: usize,
    /// When the last of them was written, if there were more than [`MOST_REPLAYED`]: a replay from
    /// here on brings the others.
    pub until: Option<OffsetDateTime>,
}

/// What all webhooks have done since the start, for a monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookStats {
    /// How many there are.
    pub webhooks: usize,
    /// How many of them are neither paused nor turned off.
    pub active: usize,
    /// How many receivers are down.
    pub down: usize,
    /// Events delivered.
    pub delivered: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Events given up.
    pub dead: u64,
    /// Requests under way.
    pub sending: u64,
}

impl WebhookError {
    /// The refused address, if that is what is wrong.
    pub fn private_address(&self) -> Option<&NetError> {
        match self {
            Self::Invalid(InvalidWebhook::Url(error @ NetError::PrivateAddress { .. })) => {
                Some(error)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
