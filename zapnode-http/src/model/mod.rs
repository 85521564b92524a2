//! The shapes on the wire. Core types never go into an answer as they are, so that a change in the
//! core cannot change the contract.

mod acts;
mod bulk;
mod care;
mod chat;
mod contact;
mod diagnostics;
mod feed;
mod group;
mod health;
mod media;
mod message;
mod optout;
mod pool;
mod queue;
mod session;
mod webhook;

pub use acts::{ChatActed, MessageActed};
pub use bulk::{BulkModel, BulkPage, InvalidModel, OneBulk, shown};
pub use care::{FailureAnswer, HistoryAnswer, ResourcesModel};
pub use chat::{ChatList, ChatMessageList, ChatMessageModel, ChatModel, OneChat};
pub use contact::{
    AboutAnswer, BlockedList, BlockedPerson, BusinessAnswer, ContactList, ContactModel, LidList,
    LidModel, NumberModel, NumbersAnswer, OneContact, OneLid, PictureAnswer, ProfileAnswer,
};
pub use diagnostics::DiagnosticsAnswer;
pub use feed::{ChannelDone, ChannelList, LabelList, OneChannel, Posted, StatusList};
pub use group::{
    GroupCreated, GroupDone, GroupInvite, GroupList, InviteAnswer, JoinRequests, JoinedAnswer,
    MemberResults, OfSession, OneGroup, PersonModel, disappearing_word,
};
pub use health::{Health, Welcome};
pub use media::{MediaModel, OneMedia};
pub use message::{Ignored, MessageModel, MessagePage, OneMessage, Sent, state_from};
pub use optout::{OneOptOut, OptOutModel, OptOutPage};
pub(crate) use pool::StandingModel;
pub use pool::{OnePool, PoolList, PoolModel};
pub use queue::QueueAnswer;
pub use session::{
    OneSession, PairingCode, QrAnswer, ReasonModel, SessionAnswer, SessionList, SessionModel,
    StatusAnswer,
};
pub use webhook::{
    DeliveryPage, OneDelivery, OneWebhook, ReplayAnswer, SecretAnswer, TestAnswer, WebhookList,
    WebhookModel,
};

use serde::Serialize;
use time::OffsetDateTime;
use time::macros::format_description;

/// The answer to something that was done and leaves nothing to show.
#[derive(Debug, Serialize)]
pub struct Done {
    success: bool,
    message: String,
}

impl Done {
    /// With what was done, in words.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            success: true,
            message: message.into(),
        }
    }
}

/// A moment as JavaScript's `toISOString` writes it: UTC, milliseconds, `Z`.
pub fn iso(moment: OffsetDateTime) -> String {
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let utc = moment.to_offset(time::UtcOffset::UTC);
    // Every component is present in a date with time, so it cannot fail.
    utc.format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::iso;

    #[test]
    fn moments_read_as_javascript_writes_them() {
        for (moment, text) in [
            (datetime!(2025-10-15 10:00 UTC), "2025-10-15T10:00:00.000Z"),
            (
                datetime!(2025-10-15 10:00:30.123_999 UTC),
                "2025-10-15T10:00:30.123Z",
            ),
            (datetime!(2025-10-15 10:00 +1), "2025-10-15T09:00:00.000Z"),
        ] {
            assert_eq!(iso(moment), text);
        }
    }
}
