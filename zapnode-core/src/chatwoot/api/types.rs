//! What Chatwoot's API speaks of, as far as we look at it.

use serde::Deserialize;

/// A contact, as far as we look at it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Contact {
    /// Its id.
    pub id: i64,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// `+` and digits.
    #[serde(default)]
    pub phone_number: Option<String>,
    /// What the bridge, or another one, named it.
    #[serde(default)]
    pub identifier: Option<String>,
    /// The inboxes it is joined to.
    #[serde(default)]
    pub contact_inboxes: Vec<ContactInbox>,
}

/// A contact's thread in an inbox.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ContactInbox {
    /// The thread's key.
    pub source_id: String,
    /// The inbox.
    pub inbox: Named,
}

/// Something with an id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// The id.
    pub id: i64,
}

/// A conversation, as far as we look at it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Conversation {
    /// Its number in the account.
    pub id: i64,
    /// Its inbox.
    pub inbox_id: i64,
    /// `open`, `pending`, `resolved` or `snoozed`.
    pub status: String,
}

/// A message, as far as we look at it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: i64,
    /// What the bridge wrote.
    #[serde(default)]
    pub source_id: Option<String>,
}

/// An inbox.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Inbox {
    /// Its id.
    pub id: i64,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// `Channel::Api` for ours.
    #[serde(default)]
    pub channel_type: String,
    /// Where its events go.
    #[serde(default)]
    pub webhook_url: Option<String>,
}

/// A file to be put to a message.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its type, as `image/png`.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

#[derive(Deserialize)]
pub(super) struct Payload<T> {
    pub(super) payload: T,
}

#[derive(Deserialize)]
pub(super) struct MadeContact {
    pub(super) contact: Contact,
}
