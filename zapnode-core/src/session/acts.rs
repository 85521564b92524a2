//! What a session does besides sending: with messages that are there, with chats, with how it is
//! seen. Nothing of it is queued: it happens now, or the caller is told why not.

use super::SessionHandle;
use crate::driver::DriverError;
use crate::error::Error;
use crate::id::{MessageId, WireId};
use crate::message::{Activity, PinTime, Recipient, RevokedFor, check_text};
use crate::outbox::MessageState;

/// The most bytes an emoji may have: those of families with skin tones have under 50.
const MAX_EMOJI_BYTES: usize = 64;

impl SessionHandle {
    /// Gives a message of this account another text, or a medium another caption. Returns when
    /// WhatsApp has it. WhatsApp allows this for some minutes only.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] for a text that cannot be sent, [`Error::NotReady`] while the
    /// session is not up, or the driver's: [`DriverError::MessageUnknown`],
    /// [`DriverError::NotAllowed`].
    pub async fn edit(&self, message: &MessageId, text: &str) -> Result<(), Error> {
        check_text(text).map_err(Error::InvalidMessage)?;
        let connection = self.connection().await?;
        Ok(connection.edit(message, text).await?)
    }

    /// Takes a message back for everyone, or deletes it on this account's devices only. Returns when
    /// it is gone.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub async fn revoke(&self, message: &MessageId, whose: RevokedFor) -> Result<(), Error> {
        let connection = self.connection().await?;
        Ok(connection.revoke(message, whose).await?)
    }

    /// Puts this account's reaction on a message, in place of an earlier one; `None` takes it away.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub async fn react(&self, message: &MessageId, emoji: Option<&str>) -> Result<(), Error> {
        if emoji.is_some_and(|emoji| emoji.is_empty() || emoji.len() > MAX_EMOJI_BYTES) {
            return Err(Error::InvalidMessage("a reaction is one emoji"));
        }
        let connection = self.connection().await?;
        Ok(connection.react(message, emoji).await?)
    }

    /// Stars a message for this account, or takes the star away.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub async fn star(&self, message: &MessageId, on: bool) -> Result<(), Error> {
        let connection = self.connection().await?;
        Ok(connection.star(message, on).await?)
    }

    /// Pins a message in its chat for everyone there; `None` unpins it.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    pub async fn pin(&self, message: &MessageId, time: Option<PinTime>) -> Result<(), Error> {
        let connection = self.connection().await?;
        Ok(connection.pin(message, time).await?)
    }

    /// Marks everything in a chat as seen; its writers are told, as the account's settings allow.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not up, or the driver's.
    pub async fn mark_seen(&self, chat: &Recipient) -> Result<(), Error> {
        let connection = self.connection().await?;
        let contact = self.shared.find_contact(connection.as_ref(), chat).await?;
        Ok(connection.mark_seen(&contact.chat).await?)
    }

    /// Marks a chat as unread, for the account's own devices.
    ///
    /// # Errors
    /// As [`mark_seen`](Self::mark_seen).
    pub async fn mark_unread(&self, chat: &Recipient) -> Result<(), Error> {
        let connection = self.connection().await?;
        let contact = self.shared.find_contact(connection.as_ref(), chat).await?;
        Ok(connection.mark_unread(&contact.chat).await?)
    }

    /// Shows a chat that the account types, records, or does neither any more. It passes by itself
    /// after about 25 s.
    ///
    /// # Errors
    /// As [`mark_seen`](Self::mark_seen).
    pub async fn show_activity(&self, chat: &Recipient, activity: Activity) -> Result<(), Error> {
        let connection = self.connection().await?;
        let contact = self.shared.find_contact(connection.as_ref(), chat).await?;
        Ok(connection.show_activity(&contact.chat, activity).await?)
    }

    /// Shows somebody that the account types (`on`), or does no more. It passes by itself.
    ///
    /// # Errors
    /// As [`mark_seen`](Self::mark_seen).
    pub async fn show_typing(&self, to: &Recipient, on: bool) -> Result<(), Error> {
        let activity = if on {
            Activity::Typing
        } else {
            Activity::Paused
        };
        self.show_activity(to, activity).await
    }

    /// Shows the account as available, or not, which it is at the start, so that its phone keeps
    /// ringing. It holds until it is changed, or the session's page is loaded anew.
    ///
    /// # Errors
    /// As [`mark_seen`](Self::mark_seen).
    pub async fn set_available(&self, on: bool) -> Result<(), Error> {
        Ok(self.connection().await?.set_available(on).await?)
    }

    /// Takes back a message of ours by its id on the wire: out of the queue if it has not been
    /// handed to WhatsApp, else there, for everyone. One that is cancelled already needs no taking
    /// back; one that failed may have left all the same.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`]; [`Error::NotTakenBack`] for one that is just being handed over,
    /// or has failed and is not on WhatsApp's page; else as [`revoke`](Self::revoke).
    pub async fn take_back(&self, wire_id: &WireId) -> Result<(), Error> {
        let found = self
            .shared
            .store
            .own_message(self.id().clone(), wire_id.clone());
        let message = found.await?.ok_or(Error::MessageNotFound)?;
        let state = match self.cancel(message.id).await {
            Ok(_) => return Ok(()),
            Err(Error::NotCancellable { state }) => state,
            Err(error) => return Err(error),
        };
        // Its key may have come meanwhile.
        let now = self.shared.store.message(message.id).await?;
        let key = now.and_then(|message| message.message_id);
        match (state, key) {
            (MessageState::Cancelled, _) => Ok(()),
            (state, None) => Err(Error::NotTakenBack { state }),
            (state, Some(key)) => match self.revoke(&key, RevokedFor::Everyone).await {
                Err(Error::Driver(DriverError::MessageUnknown { .. }))
                    if state == MessageState::Failed =>
                {
                    Err(Error::NotTakenBack { state })
                }
                done => done,
            },
        }
    }
}
