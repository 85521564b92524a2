//! Hands one message to WhatsApp: finds the chat, asks for the message if the page may have it, and
//! hands it over if not.

use std::sync::Arc;

use thiserror::Error;
use time::OffsetDateTime;

use super::pace::typing_time;
use super::queue::Item;
use crate::driver::{Connection, DriverError};
use crate::id::{ChatId, MessageId};
use crate::message::{Contact, OutgoingText, SentMessage};
use crate::session::handle::Shared;
use crate::store::StoreError;

/// How a message is handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// When it is done, as it is counted.
    pub(super) at: OffsetDateTime,
    /// Its chat is a new one.
    pub(super) first: bool,
    /// Show that somebody is typing before.
    pub(super) typing: bool,
}

/// Why a message could not be handed over.
#[derive(Debug, Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// It could not be written down beforehand, without which a crash could make it go twice.
    #[error("it could not be written down: {0}")]
    Store(#[from] StoreError),
    /// The store says that it is over.
    #[error("it is over")]
    Over,
}

/// Returns once the page has it.
pub(super) async fn hand_over(
    shared: Arc<Shared>,
    item: Item,
    manner: Manner,
) -> Result<(SentMessage, Contact), Trouble> {
    let connection = shared.connection().await?;
    let contact = if item.maybe_sent {
        // Written down by whoever handed it over before.
        let contact = shared.find_contact(connection.as_ref(), &item.to).await?;
        let key = format!("true_{}_{}", contact.chat, item.wire_id);
        if let Ok(id) = MessageId::new(&key)
            && let Some(found) = connection.find_message(&id).await?
        {
            return Ok((found, contact));
        }
        contact
    } else {
        let id = shared.id.clone();
        let noted = shared
            .store
            .note_attempt(id, item.wire_id.clone(), manner.at, manner.first);
        let found = shared.find_contact(connection.as_ref(), &item.to);
        let (noted, found) = tokio::join!(noted, found);
        if !noted? {
            return Err(Trouble::Over);
        }
        found?
    };
    if manner.typing {
        type_for_a_while(connection.as_ref(), &contact.chat, &item.text).await;
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

/// Shows "typing" for as long as somebody would take. Without it the message goes all the same.
async fn type_for_a_while(connection: &dyn Connection, chat: &ChatId, text: &str) {
    match connection.typing(chat, true).await {
        Ok(()) => {
            tokio::time::sleep(typing_time(text)).await;
            if let Err(error) = connection.typing(chat, false).await {
                tracing::debug!(%error, "typing could not be ended");
            }
        }
        Err(error) => tracing::debug!(%error, "typing could not be shown"),
    }
}
