//! Hands one message to WhatsApp: finds the chat, asks for the message if the page may have it, and
//! hands it over if not.

use std::sync::Arc;

use thiserror::Error;
use time::OffsetDateTime;

use super::Message;
use super::pace::typing_time;
use super::queue::Item;
use crate::driver::{Connection, DriverError};
use crate::id::{ChatId, MessageId};
use crate::message::{Activity, Contact, OutgoingText, SentMessage};
use crate::person::Person;
use crate::session::handle::Shared;
use crate::store::{Beginning, Begun, StoreError};

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
    /// Its bulk job was held meanwhile.
    #[error("its job is held")]
    Held,
    /// Its recipient has opted out; that is stored.
    #[error("its recipient has opted out")]
    TakenBack(Box<Message>),
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
    } else if item.batch.is_some() {
        let contact = shared.find_contact(connection.as_ref(), &item.to).await?;
        begin_bulk(&shared, &item, manner, &contact).await?;
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
        reply_to: item.reply_to,
    };
    let sent = connection.send_text(&text).await?;
    Ok((sent, contact))
}

/// Asks the store, once it is known who the recipient is, and has it write the attempt down.
async fn begin_bulk(
    shared: &Shared,
    item: &Item,
    manner: Manner,
    contact: &Contact,
) -> Result<(), Trouble> {
    let beginning = Beginning {
        session: shared.id.clone(),
        wire_id: item.wire_id.clone(),
        person: Person::of_contact(contact),
        at: manner.at,
        first: manner.first,
    };
    match shared.store.begin_bulk(beginning).await? {
        Begun::Yes => Ok(()),
        Begun::Held => Err(Trouble::Held),
        Begun::Over => Err(Trouble::Over),
        Begun::TakenBack(message) => Err(Trouble::TakenBack(message)),
    }
}

/// Shows "typing" for as long as somebody would take. Without it the message goes all the same.
async fn type_for_a_while(connection: &dyn Connection, chat: &ChatId, text: &str) {
    match connection.show_activity(chat, Activity::Typing).await {
        Ok(()) => {
            tokio::time::sleep(typing_time(text)).await;
            let over = connection.show_activity(chat, Activity::Paused).await;
            if let Err(error) = over {
                tracing::debug!(%error, "typing could not be ended");
            }
        }
        Err(error) => tracing::debug!(%error, "typing could not be shown"),
    }
}
