//! What a driver does with channels, labels and status.

use async_trait::async_trait;

use super::DriverError;
use crate::channel::{Channel, NewChannel};
use crate::id::{ChatId, MessageId, WireId};
use crate::label::{Label, LabelChange};
use crate::story::{StatusFeed, StatusText};

/// The part of a [`Connection`](super::Connection) that is about channels.
///
/// Wherever a channel is named: [`DriverError::ChannelUnknown`] if there is none of that id,
/// [`DriverError::NotAllowed`] for what this account may not do there, else errors by situation.
#[async_trait]
pub trait ChannelConnection: Send + Sync {
    /// The channels this account follows or owns, as far as is known without asking WhatsApp.
    ///
    /// # Errors
    /// By situation.
    async fn channels(&self) -> Result<Vec<Channel>, DriverError>;

    /// Where the code of a channel's link leads.
    ///
    /// # Errors
    /// [`DriverError::InviteUnknown`], else by situation.
    async fn channel_by_invite(&self, code: &str) -> Result<Channel, DriverError>;

    /// Makes a channel of this account's.
    ///
    /// # Errors
    /// [`DriverError::NotAllowed`] where the account may not.
    async fn create_channel(&self, new: &NewChannel) -> Result<Channel, DriverError>;

    /// Follows a channel, or follows it no more.
    ///
    /// # Errors
    /// See the [trait](Self).
    async fn follow_channel(&self, channel: &ChatId, on: bool) -> Result<(), DriverError>;

    /// Posts a text to a channel of this account's, under this id. Returns when WhatsApp's server
    /// has it.
    ///
    /// # Errors
    /// See the [trait](Self).
    async fn post_to_channel(
        &self,
        channel: &ChatId,
        text: &str,
        wire_id: &WireId,
    ) -> Result<MessageId, DriverError>;
}

/// The part of a [`Connection`](super::Connection) that is about labels.
#[async_trait]
pub trait LabelConnection: Send + Sync {
    /// The labels there are, and which chats have them.
    ///
    /// # Errors
    /// [`DriverError::NotAllowed`] where the account is not WhatsApp Business.
    async fn labels(&self) -> Result<Vec<Label>, DriverError>;

    /// Puts a label on chats, or takes it off.
    ///
    /// # Errors
    /// As [`labels`](Self::labels); [`DriverError::LabelUnknown`].
    async fn label_chats(
        &self,
        label: &str,
        change: LabelChange,
        chats: &[ChatId],
    ) -> Result<(), DriverError>;
}

/// The part of a [`Connection`](super::Connection) that is about status.
#[async_trait]
pub trait StatusConnection: Send + Sync {
    /// Shows a text as this account's status. Gives its key, where the page told it in time.
    ///
    /// # Errors
    /// By situation. After [`DriverError::outcome_unknown`] it may be shown.
    async fn post_status(&self, status: &StatusText) -> Result<Option<MessageId>, DriverError>;

    /// What others and this account show now, as far as the page has it.
    ///
    /// # Errors
    /// By situation.
    async fn statuses(&self) -> Result<Vec<StatusFeed>, DriverError>;
}
