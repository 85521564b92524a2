//! What events carry: WAHA's fields under WAHA's names, and ours besides. Times are seconds since
//! 1970, as WhatsApp's, where nothing else is said.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ContactId, Me};
use crate::id::{ChatId, MessageId, SessionId, WireId};
use crate::message::Location;

/// `session.status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionStatus {
    /// The session.
    pub name: SessionId,
    /// WAHA's word: `STOPPED`, `STARTING`, `SCAN_QR_CODE`, `WORKING`, `FAILED`.
    pub status: String,
    /// The last few of them, the newest last.
    pub statuses: Vec<StatusStep>,
    /// Our own word, as in the REST API.
    pub state: String,
    /// Which attempt at coming back this is, from 1; absent unless it is recovering.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub attempt: Option<u32>,
    /// What there is to log in with: `qr` or `pairing_code`. Never the code itself; it is at
    /// `GET /sessions/{id}/qr`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prompt: Option<String>,
    /// Why, where there is something to say.
    pub reason: Option<StatusReason>,
    /// The account, once known.
    pub me: Option<Me>,
}

/// One of the last states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusStep {
    /// WAHA's word.
    pub status: String,
    /// Since when, in milliseconds since 1970.
    pub timestamp: i64,
}

/// Why a session is in its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReason {
    /// The stable code.
    pub code: String,
    /// What happened.
    pub detail: String,
    /// What can be done about it.
    pub hint: String,
}

/// `session.removed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRemoved {
    /// The session.
    pub name: SessionId,
}

/// A person, by every name that is known of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Who {
    /// The same for this person always, on all sessions; `null` for what is no person.
    pub contact_id: Option<ContactId>,
    /// `…@c.us`, if known.
    pub phone: Option<ChatId>,
    /// `…@lid`, if known.
    pub lid: Option<ChatId>,
}

/// `message` and `message.any`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessagePayload {
    /// WhatsApp's whole key.
    pub id: MessageId,
    /// Our own id, as the REST API and the store have it: a ULID.
    pub message: String,
    /// When it was written.
    pub timestamp: i64,
    /// The chat it came from: in a group the group. For an own message, this account.
    pub from: Option<ChatId>,
    /// This account; for an own message, the chat it went to.
    pub to: Option<ChatId>,
    /// Whether this account wrote it.
    pub from_me: bool,
    /// In a group, the member who wrote it.
    pub participant: Option<ChatId>,
    /// The chat it is in, whoever wrote it.
    pub chat_id: ChatId,
    /// The other person: who wrote it, or for an own message who gets it (nobody in a group).
    #[serde(flatten)]
    pub who: Who,
    /// The name the writer gave themselves.
    pub notify_name: Option<String>,
    /// WhatsApp's word for its kind, as `chat` for text.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text, or a medium's caption.
    pub body: Option<String>,
    /// Whether it carries a medium.
    pub has_media: bool,
    /// What is known of the medium.
    pub media: Option<MediaPayload>,
    /// -1 to 4.
    pub ack: i8,
    /// `ERROR`, `PENDING`, `SERVER`, `DEVICE`, `READ`, `PLAYED`.
    pub ack_name: String,
    /// The message it answers.
    pub reply_to: Option<ReplyTo>,
    /// Who is mentioned in the text.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub mentioned_ids: Vec<ChatId>,
    /// The place, if it is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub location: Option<Location>,
    /// The contact cards in it, as vCard texts.
    #[serde(rename = "vCards", skip_serializing_if = "Vec::is_empty", default)]
    pub vcards: Vec<String>,
    /// Whether it was forwarded.
    #[serde(default)]
    pub is_forwarded: bool,
    /// Whether it disappears by itself.
    #[serde(default)]
    pub is_ephemeral: bool,
    /// `api` for what was sent through us, `app` for everything else.
    pub source: String,
}

/// What is known of a medium before it is loaded; all of it is the sender's word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaPayload {
    /// As `image/jpeg`.
    pub mimetype: Option<String>,
    /// A document's name.
    pub filename: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
    /// In seconds.
    pub duration: Option<u32>,
    /// Where it can be had; `null` while media is not loaded.
    pub url: Option<String>,
}

/// The message that another one answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// Its id on the wire, the same on every device.
    pub id: WireId,
    /// Who wrote it.
    pub participant: Option<ChatId>,
    /// Its text or caption, as far as the answer carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// `message.ack`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AckPayload {
    /// WhatsApp's whole key.
    pub id: MessageId,
    /// Our own id: a ULID.
    pub message: String,
    /// This account.
    pub from: Option<ChatId>,
    /// The chat.
    pub to: ChatId,
    /// Always `null` for now: WhatsApp's page tells no single member's ack.
    pub participant: Option<ChatId>,
    /// Always `true`.
    pub from_me: bool,
    /// The chat.
    pub chat_id: ChatId,
    /// Who the chat is with.
    #[serde(flatten)]
    pub who: Who,
    /// -1 to 4.
    pub ack: i8,
    /// `ERROR`, `PENDING`, `SERVER`, `DEVICE`, `READ`, `PLAYED`.
    pub ack_name: String,
}

/// `message.failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedPayload {
    /// WhatsApp's whole key, if the page ever had it.
    pub id: Option<MessageId>,
    /// Our own id: a ULID.
    pub message: String,
    /// Whom it was for, as the caller gave it.
    pub to: String,
    /// The chat, if it was found.
    pub chat_id: Option<ChatId>,
    /// Its text.
    pub body: Option<String>,
    /// The stable code.
    pub code: String,
    /// What happened.
    pub detail: String,
}

/// `message.edited`: the message as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EditedPayload {
    /// WhatsApp's whole key of the message, the same as before.
    pub id: MessageId,
    /// The same: WAHA's name for it.
    pub edited_message_id: MessageId,
    /// When it was changed.
    pub timestamp: i64,
    /// As in a message.
    pub from: Option<ChatId>,
    /// As in a message.
    pub to: Option<ChatId>,
    /// Whether this account changed it.
    pub from_me: bool,
    /// In a group, the member who did.
    pub participant: Option<ChatId>,
    /// The chat.
    pub chat_id: ChatId,
    /// As in a message.
    #[serde(flatten)]
    pub who: Who,
    /// The text now.
    pub body: Option<String>,
    /// The text before, where it was still known.
    pub previous_body: Option<String>,
}

/// `message.revoked`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevokedPayload {
    /// WhatsApp's whole key of the message that is gone.
    pub revoked_message_id: MessageId,
    /// `everyone`, or `me`: on this account's devices only.
    pub revoked_for: String,
    /// When it was seen.
    pub timestamp: i64,
    /// As in a message.
    pub from: Option<ChatId>,
    /// As in a message.
    pub to: Option<ChatId>,
    /// Whether this account had written it.
    pub from_me: bool,
    /// In a group, the member who had written it.
    pub participant: Option<ChatId>,
    /// The chat.
    pub chat_id: ChatId,
    /// As in a message.
    #[serde(flatten)]
    pub who: Who,
    /// What it said, if it was stored.
    pub before: Option<MessageBefore>,
    /// What WAHA gives the remaining stub in; always `null`.
    pub after: Option<Value>,
}

/// A message that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageBefore {
    /// WhatsApp's whole key.
    pub id: MessageId,
    /// When it was written.
    pub timestamp: i64,
    /// WhatsApp's word for its kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its text.
    pub body: Option<String>,
}

/// `message.reaction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactionPayload {
    /// When, to the second.
    pub timestamp: i64,
    /// As in a message.
    pub from: Option<ChatId>,
    /// As in a message.
    pub to: Option<ChatId>,
    /// Whether this account reacted.
    pub from_me: bool,
    /// In a group, the member who did.
    pub participant: Option<ChatId>,
    /// The chat.
    pub chat_id: ChatId,
    /// As in a message.
    #[serde(flatten)]
    pub who: Who,
    /// What, and on which message.
    pub reaction: ReactionText,
}

/// A reaction itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactionText {
    /// The emoji; empty when it was taken away.
    pub text: String,
    /// WhatsApp's whole key of the message it is on.
    pub message_id: MessageId,
}

/// `message.waiting`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingPayload {
    /// WhatsApp's whole key.
    pub id: MessageId,
    /// When it was written.
    pub timestamp: i64,
    /// As in a message.
    pub from: Option<ChatId>,
    /// As in a message.
    pub to: Option<ChatId>,
    /// Whether this account wrote it.
    pub from_me: bool,
    /// In a group, the member who wrote it.
    pub participant: Option<ChatId>,
    /// The chat.
    pub chat_id: ChatId,
    /// As in a message.
    #[serde(flatten)]
    pub who: Who,
    /// `awaited`: it may still come. `unavailable`: it will not come to this device. `overdue`:
    /// it was asked for again and did not come in time.
    pub decryption: String,
}

/// `call.received`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallPayload {
    /// WhatsApp's name of the call.
    pub id: String,
    /// Who calls.
    pub from: ChatId,
    /// When it was offered.
    pub timestamp: i64,
    /// With pictures.
    pub is_video: bool,
    /// A call of a group.
    pub is_group: bool,
    /// The chat it belongs to.
    pub chat_id: ChatId,
    /// Who calls.
    #[serde(flatten)]
    pub who: Who,
    /// Who else is in it, as far as it is known.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub participants: Vec<ChatId>,
}

/// `group.v2.join`, `group.v2.leave`, `group.v2.participants`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupParticipants {
    /// The group.
    pub group: GroupRef,
    /// `join`, `leave`, `promote`, `demote`; ours besides: `request` (asks to be let in) and
    /// `number` (has another number: the first participant is the new one, `by` the old).
    #[serde(rename = "type")]
    pub kind: String,
    /// When.
    pub timestamp: i64,
    /// Whom it concerns.
    pub participants: Vec<GroupParticipant>,
    /// Who did it, if it is known.
    pub by: Option<ChatId>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRef {
    /// `…@g.us`.
    pub id: ChatId,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupParticipant {
    /// As the page named them.
    pub id: ChatId,
    /// What they are after it: `participant`, `admin`, `left`, or `pending`.
    pub role: String,
    /// Who that is.
    #[serde(flatten)]
    pub who: Who,
}

/// `group.v2.update`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupUpdate {
    /// The group.
    pub group: GroupRef,
    /// WhatsApp's word for what changed, as `subject`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it carries, as the new subject.
    pub text: Option<String>,
    /// When.
    pub timestamp: i64,
    /// Who did it, if it is known.
    pub by: Option<ChatId>,
}

/// `contact.merged`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactMerged {
    /// The id that stays.
    pub contact_id: ContactId,
    /// The id that was given to the same person under their other name.
    pub merged: ContactId,
    /// Their number.
    pub phone: Option<ChatId>,
    /// Their LID.
    pub lid: Option<ChatId>,
}
