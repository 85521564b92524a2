//! What page and server say to each other: one JSON text per websocket frame. The page's half is
//! `page/wire.js`.

use serde::{Deserialize, Serialize};

use super::faults::{Faults, Hold};
use super::feeds::FeedCall;
use super::group_calls::GroupCall;
use super::groups::Settings;
use super::people::{Asked, ChatMarks};
use crate::id::WireId;

/// A frame from the page.
#[derive(Debug, Deserialize)]
#[serde(tag = "t", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum FromPage {
    /// The first frame of a page without a login: it wants QR references.
    Pair {
        noise: String,
        identity: String,
        adv: String,
        name: String,
    },
    /// New references are wanted, with a new secret.
    Refresh { adv: String },
    /// A pairing code is wanted for this number.
    PairCode { req: u64, phone: String },
    /// The first frame of a page with a login.
    Login { device: String, secret: String },
    /// Is this person on WhatsApp?
    Exists { req: u64, wid: String },
    /// A message is where it is held up; the page waits for word to go on.
    Hold { req: u64, at: Hold },
    /// A message to deliver.
    Send {
        id: String,
        from: String,
        to: String,
        body: String,
        kind: String,
        quoted: Option<String>,
        #[serde(default)]
        mentions: Vec<String>,
        /// What its kind has besides.
        #[serde(default)]
        fields: serde_json::Map<String, serde_json::Value>,
    },
    /// The account's phone shall upload a message's file again.
    Reupload { req: u64, id: String, from_me: bool },
    /// Something is done to a message that is there; answered by [`ToPage::Done`].
    Act {
        req: u64,
        id: String,
        from_me: bool,
        act: Act,
    },
    /// Somebody types or records in a chat, or stopped.
    ChatState { chat: String, state: ChatState },
    /// The account is shown as being there, or away.
    Presence { available: bool },
    /// The page asks for messages that it could not decrypt.
    Resend { ids: Vec<String> },
    /// Everything up to this number has arrived and is stored.
    Got { n: u64 },
    /// The chat's messages were seen on this device.
    Read { chat: String },
    /// A chat as a whole is to be changed.
    Chat {
        req: u64,
        chat: String,
        marks: ChatMarks,
        #[serde(default)]
        cleared: bool,
        #[serde(default)]
        deleted: bool,
    },
    /// Something is asked of a person, or of the own account.
    Person {
        req: u64,
        what: Asked,
        wid: String,
        text: Option<String>,
        #[serde(default)]
        on: bool,
    },
    /// A call is turned away.
    RejectCall { id: String, way: String },
    /// Something is asked of the servers about a group; answered by [`ToPage::Group`].
    Group { req: u64, call: GroupCall },
    /// Something about channels, labels or status; answered by [`ToPage::Feed`].
    Feed { req: u64, call: FeedCall },
    /// This device is to be unlinked.
    Logout,
    /// The page acted during its first sync, for which WhatsApp unlinks a device.
    Misbehaved,
}

/// What is done to a message.
#[derive(Debug, Deserialize)]
#[serde(tag = "a", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Act {
    Edit { body: String },
    Revoke,
    Delete,
    React { emoji: String },
    Star { on: bool },
    Pin { seconds: u32 },
    Vote { options: Vec<u32> },
    Answer { answer: u8 },
}

/// What somebody is shown to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ChatState {
    Composing,
    Recording,
    Paused,
}

/// A frame to the page.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "t", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum ToPage {
    /// The page may show a QR; references follow.
    Unpaired,
    /// The reference to show now.
    Ref { r: String, ttl_ms: u64 },
    /// No reference is left.
    Idle,
    /// The phone accepted this page as a device.
    Paired { device: String, secret: String },
    /// The phone wants a passkey first.
    Passkey,
    /// The login holds. So many stored frames follow, then [`Self::OfflineEnd`].
    LoggedIn { me: Me, backlog: usize },
    /// All stored frames have been sent.
    OfflineEnd,
    /// This device is no longer linked.
    LoggedOut { reason: &'static str },
    /// Another page uses this login.
    Conflict,
    /// The answer to [`FromPage::Exists`].
    Exists { req: u64, found: Option<Person> },
    /// The answer to [`FromPage::PairCode`].
    PairCode { req: u64, code: Option<String> },
    /// The answer to [`FromPage::Chat`].
    Chat { req: u64 },
    /// The answer to [`FromPage::Person`].
    Person {
        req: u64,
        status: u16,
        value: serde_json::Value,
    },
    /// What the account has besides messages.
    Account {
        book: Vec<BookEntry>,
        blocked: Vec<String>,
    },
    /// The servers refuse a message.
    Refused { id: String, status: u16 },
    /// The answer to [`FromPage::Group`]: what was asked for, or the number of a refusal.
    Group {
        req: u64,
        value: serde_json::Value,
        status: Option<u16>,
    },
    /// The answer to [`FromPage::Feed`]: what was asked for, or the number of a refusal.
    Feed {
        req: u64,
        value: serde_json::Value,
        status: Option<u16>,
    },
    /// Channels, labels or status have changed: all that the account sees of them.
    Feeds { value: serde_json::Value },
    /// The account is banned for a time.
    Banned,
    /// The answer to [`FromPage::Reupload`]: where the file is now, if the phone has it.
    Reupload {
        req: u64,
        direct_path: Option<String>,
    },
    /// The answer to [`FromPage::Act`]; with a reason when the servers do not do it.
    Done {
        req: u64,
        error: Option<&'static str>,
    },
    /// The answer to [`FromPage::Hold`].
    Hold { req: u64 },
    /// Something that is kept until the device confirms its number.
    Stored {
        n: u64,
        #[serde(flatten)]
        item: ItemFrame,
    },
    /// Switches were turned.
    Faults { faults: Box<Faults>, revision: u64 },
    /// The page loads itself anew.
    Reload,
    /// The account's phone asked the writers again: these can be decrypted now.
    Resent { ids: Vec<String> },
    /// Somebody calls; it rings on the pages that run.
    Call { call: CallFrame },
    /// A socket state is forced on this page, or no longer.
    ForceState { state: Option<String> },
}

/// The account a device belongs to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Me {
    pub(super) pn: String,
    pub(super) lid: String,
    pub(super) name: String,
}

/// Somebody in the phone's address book.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BookEntry {
    pub(super) pn: String,
    pub(super) lid: String,
    pub(super) name: String,
}

/// Both addresses of a person who exists.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Person {
    pub(super) wid: String,
    pub(super) pn: String,
    pub(super) lid: String,
}

/// What is kept for a device, as it goes over the wire.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "k", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum ItemFrame {
    /// A new message.
    Msg { msg: Box<MsgFrame> },
    /// How far an own message of a chat is.
    Ack {
        chat: String,
        participant: Option<String>,
        id: WireId,
        ack: i8,
    },
    /// The phone's older messages, once after linking.
    History { msgs: Vec<MsgFrame> },
    /// The chat was read on another device.
    Seen { chat: String },
    /// A chat as a whole was changed on another device.
    Chat {
        chat: String,
        marks: ChatMarks,
        cleared: bool,
        deleted: bool,
    },
    /// A message's text was changed.
    Edit {
        key: KeyFrame,
        body: String,
        at_ms: i64,
    },
    /// A message was taken back.
    Revoke {
        key: KeyFrame,
        by: String,
        by_admin: bool,
    },
    /// A message was deleted on this account.
    Delete { key: KeyFrame },
    /// A message was starred, or is no more.
    Star { key: KeyFrame, on: bool },
    /// A row of the page's table of pins.
    Pin {
        key: KeyFrame,
        pin: WireId,
        by: String,
        by_me: bool,
        at_ms: i64,
        seconds: u32,
    },
    /// A row of the page's table of votes.
    Vote {
        key: KeyFrame,
        vote: WireId,
        by: String,
        by_me: bool,
        options: Vec<u32>,
        at_ms: i64,
    },
    /// A row of the page's table of reactions.
    Reaction {
        key: KeyFrame,
        reaction: WireId,
        by: String,
        by_me: bool,
        emoji: String,
        at_ms: i64,
    },
}

/// The parts of a message's key.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyFrame {
    pub(super) from_me: bool,
    pub(super) chat: String,
    pub(super) id: WireId,
    /// In a group, who wrote it.
    pub(super) participant: Option<String>,
}

/// A call as a page sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallFrame {
    pub(super) id: String,
    pub(super) from: String,
    pub(super) video: bool,
    pub(super) group: bool,
    pub(super) participants: Vec<String>,
}

/// A group as a page sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupFrame {
    pub(super) subject: String,
    pub(super) description: String,
    pub(super) owner: String,
    /// Unix seconds.
    pub(super) created: i64,
    /// Whether its members are addressed by LID.
    pub(super) by_lid: bool,
    pub(super) settings: Settings,
    pub(super) description_id: Option<String>,
    pub(super) picture: bool,
    pub(super) community: bool,
    pub(super) requests: Vec<RequestFrame>,
    pub(super) members: Vec<MemberFrame>,
}

/// Somebody who asks to be let in.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestFrame {
    pub(super) id: String,
    /// Unix seconds.
    pub(super) t: i64,
}

/// A group's member.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MemberFrame {
    pub(super) id: String,
    pub(super) admin: bool,
}

/// A message as a page sees it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MsgFrame {
    pub(super) id: WireId,
    /// The chat, addressed as this build addresses that person.
    pub(super) chat: String,
    pub(super) from_me: bool,
    pub(super) body: String,
    pub(super) kind: String,
    /// Unix seconds.
    pub(super) at: i64,
    pub(super) ack: i8,
    pub(super) quoted: Option<String>,
    /// The writer's own name for themselves.
    pub(super) name: String,
    /// The writer's other address, when messages carry it.
    pub(super) also: Option<String>,
    /// In a group, who wrote it.
    pub(super) participant: Option<String>,
    pub(super) group: Option<GroupFrame>,
    /// A notice's word, and whom it concerns.
    pub(super) subtype: Option<String>,
    pub(super) recipients: Vec<String>,
    pub(super) mentions: Vec<String>,
    /// Who wrote what it quotes.
    pub(super) quoted_from: Option<String>,
    pub(super) fields: serde_json::Map<String, serde_json::Value>,
    pub(super) revoked: bool,
    pub(super) starred: bool,
}
