//! Channels, labels and status of a session's account (fact sheet §4.6, §6, §6.2).

use super::SessionHandle;
use crate::channel::{Channel, NewChannel, check_id, invite_code};
use crate::error::Error;
use crate::id::{ChatId, MessageId, WireId};
use crate::label::{Label, LabelChange};
use crate::message::{Recipient, check_text};
use crate::story::{StatusFeed, StatusText};

/// What concerns channels, labels and status is done at once, on a session that is up, and not kept
/// for later. [`Error::InvalidChannel`], [`Error::InvalidStatus`] and [`Error::InvalidMessage`] are
/// told before anybody is asked.
impl SessionHandle {
    /// The channels this account follows or owns, as far as the page knows them without asking.
    ///
    /// # Errors
    /// [`Error::NotReady`], else by the driver's situation.
    pub async fn channels(&self) -> Result<Vec<Channel>, Error> {
        Ok(self.connection().await?.channels().await?)
    }

    /// Where a channel's link (or the code at its end) leads.
    ///
    /// # Errors
    /// [`DriverError::InviteUnknown`](crate::driver::DriverError::InviteUnknown), else as above.
    pub async fn channel_by_invite(&self, invite: &str) -> Result<Channel, Error> {
        let code = invite_code(invite)?;
        Ok(self.connection().await?.channel_by_invite(&code).await?)
    }

    /// Makes a channel of this account's.
    ///
    /// # Errors
    /// [`DriverError::NotAllowed`](crate::driver::DriverError::NotAllowed) where WhatsApp does not
    /// let it, else as above.
    pub async fn create_channel(&self, new: &NewChannel) -> Result<Channel, Error> {
        new.check()?;
        Ok(self.connection().await?.create_channel(new).await?)
    }

    /// Follows a channel (`on`), or follows it no more.
    ///
    /// # Errors
    /// [`DriverError::ChannelUnknown`](crate::driver::DriverError::ChannelUnknown), else as above.
    pub async fn follow_channel(&self, channel: &ChatId, on: bool) -> Result<(), Error> {
        check_id(channel)?;
        let connection = self.connection().await?;
        Ok(connection.follow_channel(channel, on).await?)
    }

    /// Posts a text to a channel of this account's; gives the post's key.
    ///
    /// # Errors
    /// As [`follow_channel`](Self::follow_channel). After one whose
    /// [`outcome_unknown`](crate::driver::DriverError::outcome_unknown) it may be posted.
    pub async fn post_to_channel(&self, channel: &ChatId, text: &str) -> Result<MessageId, Error> {
        check_id(channel)?;
        check_text(text).map_err(Error::InvalidMessage)?;
        let connection = self.connection().await?;
        let id = WireId::choose();
        Ok(connection.post_to_channel(channel, text, &id).await?)
    }

    /// The labels there are, and which chats have them.
    ///
    /// # Errors
    /// [`DriverError::NotAllowed`](crate::driver::DriverError::NotAllowed) where the account is not
    /// WhatsApp Business, else as above.
    pub async fn labels(&self) -> Result<Vec<Label>, Error> {
        Ok(self.connection().await?.labels().await?)
    }

    /// Puts a label on chats, or takes it off.
    ///
    /// # Errors
    /// As [`labels`](Self::labels);
    /// [`DriverError::LabelUnknown`](crate::driver::DriverError::LabelUnknown).
    pub async fn label_chats(
        &self,
        label: &str,
        change: LabelChange,
        chats: &[Recipient],
    ) -> Result<(), Error> {
        let connection = self.connection().await?;
        let mut found = Vec::with_capacity(chats.len());
        for chat in chats {
            let contact = self.shared.find_contact(connection.as_ref(), chat).await?;
            found.push(contact.chat);
        }
        Ok(connection.label_chats(label, change, &found).await?)
    }

    /// Shows a text as this account's status; gives its key, where the page told it in time.
    ///
    /// # Errors
    /// As above. After one whose
    /// [`outcome_unknown`](crate::driver::DriverError::outcome_unknown) it may be shown.
    pub async fn post_status(&self, status: &StatusText) -> Result<Option<MessageId>, Error> {
        status.check()?;
        Ok(self.connection().await?.post_status(status).await?)
    }

    /// What others and this account show as their status, as far as the page has it.
    ///
    /// # Errors
    /// As above.
    pub async fn statuses(&self) -> Result<Vec<StatusFeed>, Error> {
        Ok(self.connection().await?.statuses().await?)
    }
}
