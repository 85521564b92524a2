//! What every event says of itself, on every wire.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;
use ulid::Ulid;

use super::EventKind;
use crate::driver::Identity;
use crate::id::{ChatId, SessionId};

/// Something that happened. As JSON: `id`, `sequence`, `timestamp`, `event`, `session`, `me`,
/// `payload`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its own name, the same for every reader and at every repetition.
    pub id: EventId,
    /// Its place in the log: each event has the next number, over all sessions. After a restore of a
    /// backup the numbers go on far above.
    pub sequence: i64,
    /// When it was written down; in JSON as milliseconds since 1970.
    #[serde(with = "as_millis")]
    pub timestamp: OffsetDateTime,
    /// On which session.
    pub session: SessionId,
    /// The account of that session at that time, once it was known.
    pub me: Option<Me>,
    /// What happened: the `event` and the `payload`.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Event {
    /// Its name, as `message.ack`.
    pub fn name(&self) -> &str {
        self.kind.name()
    }
}

/// An account, as clients of WAHA know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// `…@c.us`, or `…@lid` where the number is not known.
    pub id: ChatId,
    /// `…@lid`, if known.
    pub lid: Option<ChatId>,
    /// The name the owner gave the account.
    pub push_name: Option<String>,
}

impl Me {
    /// The account of a session; absent while WhatsApp has not told it.
    pub fn of(identity: &Identity) -> Option<Self> {
        Some(Self {
            id: identity.phone.clone().or_else(|| identity.lid.clone())?,
            lid: identity.lid.clone(),
            push_name: identity.name.clone(),
        })
    }

    /// Whether this account goes by that name.
    pub fn is(&self, name: &ChatId) -> bool {
        self.id == *name || self.lid.as_ref() == Some(name)
    }
}

/// The id of an event: `evt_` and a ULID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(Ulid);

/// A text that is no id of an event.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("an event id reads evt_01JY…, with 26 letters and digits; got {0:?}")]
pub struct InvalidEventId(String);

impl EventId {
    /// A new one.
    pub fn choose() -> Self {
        Self(Ulid::new())
    }

    /// The ULID in it.
    pub fn ulid(&self) -> Ulid {
        self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "evt_{}", self.0)
    }
}

impl FromStr for EventId {
    type Err = InvalidEventId;

    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        let ulid = text.strip_prefix("evt_").map(Ulid::from_string);
        match ulid {
            Some(Ok(ulid)) => Ok(Self(ulid)),
            _ => Err(InvalidEventId(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for EventId {
    type Error = InvalidEventId;

    fn try_from(text: String) -> Result<Self, InvalidEventId> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

mod as_millis {
    use serde::{Deserialize, Deserializer, Serializer, de};
    use time::OffsetDateTime;

    use crate::store::{from_millis, millis};

    pub(super) fn serialize<S: Serializer>(at: &OffsetDateTime, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(millis(*at))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<OffsetDateTime, D::Error> {
        from_millis(i64::deserialize(d)?).map_err(de::Error::custom)
    }
}
