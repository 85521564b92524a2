//! Acks that nobody told. A page tells the acks of messages that it has in memory; after a load those
//! are few, and the rest it only writes into its storage. So once it is ready it is asked how far
//! recent messages are, and now and then for those that have not reached a phone.

use std::sync::Weak;

use time::{Duration, OffsetDateTime};

use super::worker::Input;
use super::{MessageFilter, MessageState};
use crate::message::AckChange;
use crate::session::handle::Shared;

/// Older messages are not asked for.
const RECENT: Duration = Duration::days(3);

/// And at most so many in each state, the newest.
const AT_MOST: usize = 100;

/// Now and then: a phone may come on line hours later.
pub(super) const NOT_ON_A_PHONE: &[MessageState] = &[MessageState::Sent];

/// Once, when a page has become ready.
pub(super) const NOT_READ: &[MessageState] = &[MessageState::Sent, MessageState::Delivered];

/// Asks for messages accepted before `loaded`, when the page came to be, that are in one of `states`.
/// What is found goes to the session's worker like any other ack.
pub(super) async fn ask(
    shared: Weak<Shared>,
    states: &'static [MessageState],
    loaded: OffsetDateTime,
) {
    for state in states {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        let filter = MessageFilter {
            state: Some(*state),
            from_me: Some(true),
            since: Some(OffsetDateTime::now_utc() - RECENT),
            until: Some(loaded),
            ..MessageFilter::default()
        };
        // Without the store there is nothing to bring up to date; whoever writes to it says so.
        let messages = shared.store.messages(shared.id.clone(), filter, AT_MOST);
        for message in messages.await.unwrap_or_default() {
            let Some(id) = message.message_id else {
                continue;
            };
            let Some(connection) = shared.peek().await else {
                return;
            };
            match connection.find_message(&id).await {
                Ok(Some(found)) if state.after_ack(found.ack).is_some() => {
                    let ack = found.ack;
                    // A worker that has ended has no use for it.
                    let _ = shared.outbox.send(Input::Ack(AckChange { id, ack }));
                }
                Ok(_) => {}
                // The page has gone; the next one is asked again.
                Err(error) => {
                    let session = &shared.id;
                    tracing::debug!(%session, %error, "acks were not asked for to the end");
                    return;
                }
            }
        }
    }
}
