//! The one task of a bridge: first what agents did, then what WhatsApp told, in order.
//!
//! One task, so that an answer of an agent is known on both sides before the event of its sending
//! is looked at: that event must not come back to Chatwoot as somebody else's message.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::api::{Api, ApiError};
use super::outgoing::{Plan, plan};
use super::push::Seen;
use super::words::Words;
use super::{BridgeState, Shared};
use crate::event::{Event, Filter};
use crate::id::WireId;
use crate::session::machine::pause;
use crate::store::{BridgeRow, Pair, Store, StoreError};

/// How long a bridge that needs a person waits before it tries once more by itself.
const PROBE: Duration = Duration::from_secs(600);

/// How many events are read at a time.
const PAGE: usize = 50;

pub(super) struct Bridge {
    pub(super) shared: Arc<Shared>,
    pub(super) row: BridgeRow,
    pub(super) api: Api,
    pub(super) words: &'static Words,
    /// The inbox, once it was seen.
    inbox: Option<i64>,
    /// What Chatwoot has of ours.
    pub(super) seen: Seen,
}

/// Why the bridge cannot go on right now.
pub(super) enum Stuck {
    Api(ApiError),
    Store(StoreError),
}

impl From<ApiError> for Stuck {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<StoreError> for Stuck {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Runs a bridge until it is told to stop.
pub(super) async fn run(
    shared: Arc<Shared>,
    row: BridgeRow,
    stop: CancellationToken,
    wake: Arc<Notify>,
) {
    let log = shared.manager.events();
    let mut newest = log.subscribe();
    let mut failures = 0;
    let mut bridge: Option<Bridge> = None;
    // Until then Chatwoot is left alone.
    let mut rest: Option<Instant> = None;
    let mut got_to = row.cursor;
    loop {
        newest.borrow_and_update();
        rest = rest.filter(|until| Instant::now() < *until);
        let worked = tokio::select! {
            // Between two steps everything is written down, so it may stop anywhere.
            () = stop.cancelled() => return,
            worked = work(&shared, &row, &mut bridge, rest) => worked,
        };
        match worked {
            Ok(()) if rest.is_none() => failures = 0,
            // What was asked of it while it rests is no news of Chatwoot.
            _ if rest.is_some() => {}
            Ok(()) => {}
            Err(stuck) => {
                // Something went well in between, so it is not down all the time.
                let now_at = bridge.as_ref().map_or(row.cursor, |one| one.row.cursor);
                if now_at > got_to {
                    (got_to, failures) = (now_at, 0);
                }
                failures += 1;
                let (state, detail, wait) = judge(&stuck, failures, fastrand::f64());
                tracing::warn!(session = %row.session, state = state.as_str(), why = %detail, "the Chatwoot bridge waits");
                note(shared.manager.store(), &row, state, Some(detail)).await;
                rest = Some(Instant::now() + wait);
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = until(rest) => {}
            // An agent's answer does not wait for Chatwoot's API to come back.
            () = wake.notified() => {}
            _ = newest.changed(), if rest.is_none() => {}
        }
    }
}

/// Does all there is to do; while Chatwoot is left alone, what needs no call of it.
async fn work(
    shared: &Arc<Shared>,
    row: &BridgeRow,
    bridge: &mut Option<Bridge>,
    rest: Option<Instant>,
) -> Result<(), Stuck> {
    if bridge.is_none() {
        *bridge = Some(Bridge::new(shared, row)?);
    }
    let Some(bridge) = bridge else {
        return Ok(());
    };
    bridge.api.rest_until(rest);
    if rest.is_some() {
        return bridge.calls().await;
    }
    loop {
        bridge.calls().await?;
        let more = bridge.page().await?;
        note(shared.manager.store(), row, BridgeState::Working, None).await;
        if !more {
            return Ok(());
        }
    }
}

async fn note(store: &Store, row: &BridgeRow, state: BridgeState, detail: Option<String>) {
    let noted = store.note_bridge(row.session.clone(), state, detail).await;
    if let Err(error) = noted {
        tracing::error!(session = %row.session, %error, "the state of the Chatwoot bridge was not stored");
    }
}

/// What follows from being stuck: the state, words for it, and how long to wait.
fn judge(stuck: &Stuck, failures: u32, jitter: f64) -> (BridgeState, String, Duration) {
    let error = match stuck {
        Stuck::Store(error) => {
            let words = crate::error::with_causes(error);
            return (BridgeState::Waiting, words, pause(failures, jitter));
        }
        Stuck::Api(error) => error,
    };
    let words = crate::error::with_causes(error);
    match error {
        ApiError::WrongToken(_) => (BridgeState::WrongToken, words, PROBE),
        ApiError::Missing { .. } => (BridgeState::Missing, words, PROBE),
        ApiError::Refused { .. } => (BridgeState::Refused, words, PROBE),
        ApiError::Limited { after } => (BridgeState::Waiting, words, *after),
        ApiError::Unavailable(_) | ApiError::Unreachable(_) | ApiError::Strange { .. } => {
            (BridgeState::Waiting, words, pause(failures, jitter))
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Bridge {
    fn new(shared: &Arc<Shared>, row: &BridgeRow) -> Result<Self, Stuck> {
        let config = &row.config;
        let url = config.check().map_err(|error| refused(error.to_string()))?;
        let http = shared.http.clone();
        let (account, token) = (config.account_id, &config.api_token);
        Ok(Self {
            shared: Arc::clone(shared),
            api: Api::new(
                http,
                shared.policy(&url),
                &url,
                account,
                token,
                shared.paces(&url),
            )?,
            words: Words::of(config.language),
            row: row.clone(),
            inbox: None,
            seen: Seen::default(),
        })
    }

    /// Finds or makes the inbox.
    pub(super) async fn inbox(&mut self) -> Result<i64, Stuck> {
        if let Some(known) = self.inbox {
            return Ok(known);
        }
        let config = &self.row.config;
        let inbox = match (
            self.row.inbox.or(config.inbox_id),
            &config.auto_create_inbox,
        ) {
            (Some(id), _) => self.api.inbox(id).await?,
            (None, Some(name)) => {
                let public = config.public_url.as_deref().unwrap_or_default();
                let hook = format!(
                    "{}{}",
                    public.trim_end_matches('/'),
                    webhook_path(&self.row)
                );
                // One that an earlier try made before we could note it.
                let all = self.api.inboxes().await?;
                let ours = |one: &super::api::Inbox| one.webhook_url.as_deref() == Some(&hook);
                match all.into_iter().find(ours) {
                    Some(known) => known,
                    None => self.api.make_inbox(name, &hook).await?,
                }
            }
            (None, None) => return Err(refused("no inbox is named".to_owned()).into()),
        };
        if inbox.channel_type != "Channel::Api" {
            let words = format!(
                "inbox {} is no API inbox but {}",
                inbox.id, inbox.channel_type
            );
            return Err(refused(words).into());
        }
        let session = self.row.session.clone();
        self.store().note_bridge_inbox(session, inbox.id).await?;
        self.row.inbox = Some(inbox.id);
        self.inbox = Some(inbox.id);
        Ok(inbox.id)
    }

    pub(super) fn store(&self) -> &Store {
        self.shared.manager.store()
    }

    /// Deals with some events. Says whether there may be more.
    async fn page(&mut self) -> Result<bool, Stuck> {
        self.inbox().await?;
        let session = self.row.session.clone();
        let filter = Filter::session(session.clone());
        let page = self
            .shared
            .manager
            .events()
            .read(self.row.cursor, PAGE, &filter)
            .await?;
        if let Some(gap) = page.gap {
            tracing::warn!(%session, %gap, "the Chatwoot bridge was too far behind");
        }
        for event in &page.events {
            let pair = match self.event(event).await {
                Ok(pair) => pair,
                // This one event Chatwoot will never take; the others it may.
                Err(Stuck::Api(error @ ApiError::Refused { .. })) => {
                    tracing::warn!(%session, event = %event.id, %error, "Chatwoot did not take an event");
                    None
                }
                Err(stuck) => {
                    // What it is about may be gone, and the inbox with it: that is looked at first.
                    self.inbox = None;
                    return Err(stuck);
                }
            };
            self.went_on(event.sequence, pair).await?;
        }
        let more = !page.is_last();
        if page.next > self.row.cursor {
            self.went_on(page.next, None).await?;
        }
        Ok(more)
    }

    async fn went_on(&mut self, cursor: i64, pair: Option<Pair>) -> Result<(), Stuck> {
        let session = self.row.session.clone();
        self.store().bridge_went_on(session, cursor, pair).await?;
        self.row.cursor = cursor;
        Ok(())
    }

    /// Deals with one event; gives the pair that came of it.
    async fn event(&mut self, event: &Event) -> Result<Option<Pair>, Stuck> {
        let session = self.row.session.clone();
        match plan(event, &self.row.config, self.words) {
            Plan::Nothing => Ok(None),
            Plan::Post(post) => self.post(&post).await,
            Plan::Status { wire_id, status } => self.tell_status(wire_id, status, None).await,
            Plan::Failed { message, error } => {
                let id = message.parse().ok();
                let message = match id {
                    Some(id) => self.store().message(id).await?,
                    None => None,
                };
                match message {
                    Some(message) => {
                        self.tell_status(message.wire_id, "failed", Some(&error))
                            .await
                    }
                    None => Ok(None),
                }
            }
            Plan::Delete { wire_id } => {
                let pair = self.store().pair_by_wire(session.clone(), wire_id).await?;
                if let Some(pair) = pair {
                    // Before it is done: Chatwoot tells us of it at once.
                    self.store().pair_revoked(session, pair.message).await?;
                    let done = self.api.delete_message(pair.conversation, pair.message);
                    unless_gone(done.await)?;
                }
                Ok(None)
            }
            Plan::Tell { text, source_id } => {
                // What happened before the bridge was there is not told as news.
                if event.timestamp >= self.row.begun {
                    self.tell(&text, &source_id).await?;
                }
                Ok(None)
            }
        }
    }
}

impl Bridge {
    /// Tells how far one of our messages is, if Chatwoot has it.
    async fn tell_status(
        &self,
        wire_id: WireId,
        status: &str,
        error: Option<&str>,
    ) -> Result<Option<Pair>, Stuck> {
        let session = self.row.session.clone();
        if let Some(pair) = self.store().pair_by_wire(session, wire_id).await? {
            let told = self
                .api
                .set_message_status(pair.conversation, pair.message, status, error);
            unless_gone(told.await)?;
        }
        Ok(None)
    }
}

fn refused(words: String) -> ApiError {
    ApiError::Refused {
        what: "the settings".to_owned(),
        status: hyper::StatusCode::BAD_REQUEST,
        words,
    }
}

/// The path of a bridge's webhook.
pub(super) fn webhook_path(row: &BridgeRow) -> String {
    format!("/chatwoot/{}/webhook/{}", row.session, row.secret)
}

/// A message that an agent deleted needs nothing more; a step back is refused and changes nothing.
fn unless_gone(outcome: Result<(), ApiError>) -> Result<(), ApiError> {
    match outcome {
        Err(ApiError::Missing { .. } | ApiError::Refused { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::StatusCode;

    #[test]
    fn what_a_person_must_mend_is_named_and_not_hammered() {
        let judged = |error| judge(&Stuck::Api(error), 3, 0.5);
        let (state, _, wait) = judged(ApiError::WrongToken(StatusCode::UNAUTHORIZED));
        assert_eq!((state, wait), (BridgeState::WrongToken, PROBE));
        let (state, words, wait) = judged(ApiError::Missing {
            what: "the inbox".to_owned(),
        });
        assert_eq!((state, wait), (BridgeState::Missing, PROBE));
        assert!(words.contains("the inbox"));
        let (state, _, wait) = judged(ApiError::Limited {
            after: Duration::from_secs(9),
        });
        assert_eq!(
            (state, wait),
            (BridgeState::Waiting, Duration::from_secs(9))
        );
        let (state, _, wait) = judged(ApiError::Unavailable(StatusCode::BAD_GATEWAY));
        assert_eq!((state, wait), (BridgeState::Waiting, pause(3, 0.5)));
        let (state, _, _) = judge(&Stuck::Store(StoreError::Closed), 1, 0.0);
        assert_eq!(state, BridgeState::Waiting);
    }
}
