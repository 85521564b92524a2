//! The shapes on the wire. Core types never go into an answer as they are, so that a change in the
//! core cannot change the contract.

mod diagnostics;
mod health;
mod message;
mod session;
mod webhook;

pub use diagnostics::DiagnosticsAnswer;
pub use health::{Health, Welcome};
pub use message::{Ignored, MessageModel, MessagePage, OneMessage, Sent, state_from};
pub use session::{
    OneSession, PairingCode, QrAnswer, ReasonModel, SessionAnswer, SessionList, SessionModel,
    StatusAnswer,
};
pub use webhook::{
    DeliveryPage, OneDelivery, OneWebhook, ReplayAnswer, SecretAnswer, TestAnswer, WebhookList,
    WebhookModel,
};

use time::OffsetDateTime;
use time::macros::format_description;

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
