//! The switches that make the page and the servers behave as they have in production
//! (fact sheet Appendix B). The defaults are the newest build known.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

/// Declares a switch with named positions.
macro_rules! positions {
    ($(#[$about:meta])* $name:ident { $(#[$first_about:meta])* $first:ident, $($(#[$about_one:meta])* $one:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub enum $name {
            $(#[$first_about])*
            #[default]
            $first,
            $($(#[$about_one])* $one,)*
        }
    };
}

positions! {
    /// What `require` does with an id it has not (variant 1).
    MissingModule {
        /// It throws.
        Throw,
        /// It gives `null`.
        Null,
        /// It gives `undefined`.
        Undefined,
    }
}
positions! {
    /// When `window.Debug.VERSION` is there (variant 2).
    DebugObject {
        /// Some time after the modules.
        Late,
        /// From the start.
        Present,
        /// Never.
        Absent,
    }
}
positions! {
    /// Where a message key keeps its string (variant 3).
    MsgKeyForm {
        /// In the minified property `$1`, as the newest builds do.
        Dollar,
        /// In `_serialized`, which whatsapp-web.js 1.34.7 reads.
        Serialized,
    }
}
positions! {
    /// How the module `WAWebMsgKey` exports its class (variant 3).
    MsgKeyExport {
        /// The module is the class.
        Itself,
        /// The module is `{default: class}`.
        Default,
    }
}
positions! {
    /// How `Socket.hasSynced` comes about on a linked profile (variant 5).
    HasSynced {
        /// After the modules are there, by `change:hasSynced`.
        Normal,
        /// It is true before the modules can be seen, and no event follows.
        BeforeAttach,
        /// It goes to false and back to true once more.
        Flips,
    }
}
positions! {
    /// What `Cmd` fires before the page leaves after a logout (variant 6).
    LogoutEvent {
        /// `logout` and `logout_from_bridge`.
        Both,
        /// The older one only.
        Logout,
        /// The newer one only.
        LogoutFromBridge,
        /// Neither; only the navigation tells.
        None,
    }
}
positions! {
    /// What becomes of a message handed to `addAndSendMsgToChat` (variant 7).
    SendResult {
        /// The second promise settles at the server's acknowledgement.
        Ok,
        /// It settles only after `sendResultDelayMs`; the acks come in time.
        Late,
        /// It never settles; the acks come.
        Never,
        /// It answers `ERROR_NETWORK`, and the message stays unsent until the next connection.
        ErrorNetwork,
        /// Nothing reaches the server and nothing settles until the next connection.
        Lost,
    }
}
positions! {
    /// What the call `addAndSendMsgToChat` itself gives back (variant 7).
    SendReturns {
        /// The pair of promises.
        Pair,
        /// A promise of the pair.
        Promise,
    }
}
positions! {
    /// In which order acks reach the page's listeners (variant 7).
    AckOrder {
        /// As they are.
        Normal,
        /// Backwards: device, then server, then device again.
        Shuffled,
        /// Each one twice.
        Repeated,
    }
}
positions! {
    /// Where the copy of a forwarded message has its id from.
    ForwardKey {
        /// From `MsgKey.newId()`.
        NewId,
        /// From elsewhere.
        Own,
    }
}
positions! {
    /// How a reaction is sent (fact sheet §8.1).
    ReactionSend {
        /// By `sendReactionToMsg`.
        Named,
        /// The module itself is called, as before 2026-03.
        Itself,
    }
}
positions! {
    /// Where a server's refusal (`ServerStatusCodeError`) has its number.
    RefusalNumber {
        /// In a field.
        Field,
        /// In its words.
        Words,
        /// Nowhere.
        Absent,
    }
}
positions! {
    /// Whether the page reaches its servers.
    Servers {
        /// It does.
        Up,
        /// Its sockets are cut and refused; pages are served.
        Cut,
        /// Its sockets are cut, and nothing is answered: neither a page nor a socket. What was asked
        /// meanwhile is answered when they are back.
        Silent,
    }
}
positions! {
    /// Where messages of linked devices stand still, so that something can be killed exactly there.
    /// They go on when the switch is turned away.
    Hold {
        /// Nowhere.
        Off,
        /// Before the page got it: the servers do not answer who has the number.
        Asked,
        /// The media servers have its file and do not say so.
        Uploading,
        /// The page has it in its storage and nowhere else: the servers have not got it, and the
        /// page's caller knows nothing.
        Kept,
        /// The page has it in its storage, the servers have delivered it, and the page's caller knows
        /// nothing.
        Taken,
        /// The servers have delivered it, and tell the page nothing any more.
        Acked,
    }
}
positions! {
    /// What becomes of a file on its way to the media servers (fact sheet §4.5).
    Uploads {
        /// They take it.
        Taken,
        /// They refuse it, and the page's upload throws.
        Refused,
        /// They refuse it, and the page's upload gives no entry.
        NoEntry,
        /// They do not answer.
        Silent,
    }
}
positions! {
    /// What a phone does that is asked to upload an expired file again (fact sheet §5.7).
    Reupload {
        /// It does so; one that is off line, once it is back.
        Given,
        /// It has not got the file any more.
        Refused,
        /// It does not answer.
        Silent,
    }
}
positions! {
    /// The arguments that `sendToChat` of a prepared file takes (fact sheet §8.1).
    PrepSend {
        /// One object.
        Object,
        /// A chat and options.
        Positional,
    }
}
positions! {
    /// What `findOrCreateLatestChat` puts into `chat` (variant 8).
    ChatRecord {
        /// A plain record without methods of the model, when the chat was just created.
        Record,
        /// The model.
        Model,
    }
}
positions! {
    /// How people are addressed in one-to-one chats (variant 8, fact sheet §0.4).
    Addressing {
        /// By LID when the number's last digit is odd, else by number.
        Mixed,
        /// Everybody by number.
        Pn,
        /// Everybody by LID.
        Lid,
    }
}
positions! {
    /// The arguments `sendSeen` takes (variant 9).
    SendSeen {
        /// One object.
        Object,
        /// A chat and a flag.
        Positional,
        /// It throws whatever it gets.
        Throws,
    }
}
positions! {
    /// Whether messages arrive undecrypted first (variant 10).
    Ciphertext {
        /// They arrive in the clear.
        Off,
        /// They are decrypted after `ciphertextMs`.
        Resolves,
        /// They turn out to be revoked after `ciphertextMs`.
        Revoked,
        /// They are decrypted `ciphertextMs` after the page asked for them again.
        Resent,
        /// They are of a kind that never comes to this device.
        Unavailable,
        /// They are never decrypted.
        Never,
    }
}
positions! {
    /// How the lazily loaded `WAWebCallCollection` behaves (variant 11).
    CallCollection {
        /// It registers a while after the login.
        Late,
        /// It is there from the start.
        Present,
        /// It never comes.
        Missing,
        /// Its factory throws.
        Throws,
    }
}
positions! {
    /// By which function a call reaches the page (fact sheet §5.5).
    CallPath {
        /// `setActiveCall`, as the newest builds do.
        SetActiveCall,
        /// `processIncomingCall`.
        ProcessIncomingCall,
        /// The collection's `add`, with the older word for the state.
        Add,
    }
}
positions! {
    /// The arguments of `loadEarlierMsgs` (fact sheet §8.1).
    LoadEarlier {
        /// One object.
        Object,
        /// The chat by position, as before 2026-04.
        Positional,
    }
}
positions! {
    /// What `msgFindByDirection` gives (fact sheet §6).
    HistoryFind {
        /// An array.
        Array,
        /// An object with the array in it.
        Object,
        /// There is no such module.
        Missing,
    }
}
positions! {
    /// By which function reactions get into the page's database (fact sheet §5.1).
    ReactionTable {
        /// `reactionTableMode.bulkUpsert`.
        BulkUpsert,
        /// `createOrUpdateReactions`.
        CreateOrUpdate,
    }
}
positions! {
    /// Under which names the page has what is about groups (fact sheet §8.1).
    GroupModules {
        /// As the newest builds do.
        Newer,
        /// The metadata as `GroupMetadata`, and invites in `WAWebGroupQueryJob`.
        Older,
    }
}
positions! {
    /// A dialog of the page (variant 12).
    Dialog {
        /// None.
        None,
        /// An `alert` soon after the load.
        Alert,
        /// A question on leaving the page.
        BeforeUnload,
    }
}

/// Every switch, as `GET /_sandbox/faults` shows them. They hold for pages loaded afterwards; those
/// that make sense on a living page reach it at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Faults {
    /// How long `window.require` is absent after the load, in milliseconds.
    pub require_delay_ms: u64,
    /// The pause between the stages in which modules register, in milliseconds.
    pub module_delay_ms: u64,
    /// What `require` does with an id it has not.
    pub missing_module: MissingModule,
    /// Modules that this build does not have.
    pub missing_modules: Vec<String>,
    /// When `window.Debug` is there.
    pub debug: DebugObject,
    /// Where a message key keeps its string.
    pub msg_key: MsgKeyForm,
    /// How `WAWebMsgKey` exports its class.
    pub msg_key_export: MsgKeyExport,
    /// How long `Conn.ref` is null after `UNPAIRED`, in milliseconds.
    pub ref_delay_ms: u64,
    /// How long the first QR reference lives, in milliseconds.
    pub first_ref_ms: u64,
    /// How long each later one lives, in milliseconds.
    pub next_ref_ms: u64,
    /// How many references there are before `UNPAIRED_IDLE`.
    pub ref_count: u32,
    /// How `hasSynced` comes about.
    pub has_synced: HasSynced,
    /// How long the first sync takes, in milliseconds.
    pub sync_ms: u64,
    /// How long `Stream.mode` stays `SYNCING` after `hasSynced`, in milliseconds.
    pub syncing_ms: u64,
    /// The page reloads itself once, so many milliseconds after its load. 0: never.
    pub reload_after_load_ms: u64,
    /// The page reloads itself once, so many milliseconds after it was ready. 0: never.
    pub reload_after_ready_ms: u64,
    /// A frame inside the page navigates while the page loads and once it is ready.
    pub iframe_navigation: bool,
    /// What `Cmd` fires on a logout.
    pub logout_event: LogoutEvent,
    /// What becomes of sent messages.
    pub send_result: SendResult,
    /// The delay of [`SendResult::Late`], in milliseconds.
    pub send_result_delay_ms: u64,
    /// What the send call gives back.
    pub send_returns: SendReturns,
    /// In which order acks arrive.
    pub acks: AckOrder,
    /// The servers refuse every message with this number, as 463 or 429. 0: they take them.
    pub refuse_sends: u16,
    /// The servers refuse to say who has a number, with this number. 0: they say it.
    pub refuse_queries: u16,
    /// Numbers that are not on WhatsApp, besides those that begin with 000.
    pub absent: BTreeSet<String>,
    /// The arguments of `loadEarlierMsgs`.
    pub load_earlier: LoadEarlier,
    /// What `msgFindByDirection` gives.
    pub history_find: HistoryFind,
    /// Where a refusal has its number.
    pub refusal_number: RefusalNumber,
    /// Whom the account has blocked, as the page lists them: `…@lid` (fact sheet §6).
    pub blocked: Vec<String>,
    /// Whether the page reaches its servers.
    pub servers: Servers,
    /// Where messages stand still.
    pub hold: Hold,
    /// What becomes of files that pages upload.
    pub uploads: Uploads,
    /// How long an upload takes at least, in milliseconds.
    pub upload_ms: u64,
    /// The largest file that `getUploadLimit` names, in bytes. 0: what is usual for its kind.
    pub upload_limit: u64,
    /// The media servers have let go of every file that no phone has uploaded again.
    pub media_expired: bool,
    /// What a phone does that is asked to upload a file again.
    pub reupload: Reupload,
    /// The arguments of `sendToChat` of a prepared file.
    pub prep_send: PrepSend,
    /// What a just created chat looks like.
    pub chat_record: ChatRecord,
    /// How people are addressed.
    pub addressing: Addressing,
    /// Whether an incoming message also tells the page the writer's other address.
    pub messages_carry_number: bool,
    /// The arguments of `sendSeen`.
    pub send_seen: SendSeen,
    /// How a reaction is sent.
    pub reaction_send: ReactionSend,
    /// Where a forwarded message has its id from.
    pub forward_key: ForwardKey,
    /// How long the preview of a link takes, in milliseconds.
    pub link_preview_ms: u64,
    /// For how many seconds a message may be edited.
    pub edit_seconds: u64,
    /// For how many seconds a message may be taken back for everyone.
    pub revoke_seconds: u64,
    /// So many old messages are added in one go, once after the sync and when this is set.
    pub history_burst: u32,
    /// What came while the page was away is added as history is, without `isNewMsg`.
    pub backlog_as_history: bool,
    /// Whether messages arrive undecrypted.
    pub ciphertext: Ciphertext,
    /// How long they stay so, in milliseconds.
    pub ciphertext_ms: u64,
    /// How `WAWebCallCollection` behaves.
    pub call_collection: CallCollection,
    /// How long [`CallCollection::Late`] takes after the login, in milliseconds.
    pub call_collection_ms: u64,
    /// By which function calls reach the page.
    pub call_path: CallPath,
    /// By which function reactions get into the page's database.
    pub reaction_table: ReactionTable,
    /// Under which names the page has what is about groups.
    pub group_modules: GroupModules,
    /// Whether accounts may make channels.
    pub channel_creation: bool,
    /// How many people a group can have.
    pub group_limit: usize,
    /// The servers refuse what is asked about groups, with this number. 0: they answer.
    pub refuse_groups: u16,
    /// Whether a user agent with `HeadlessChrome` is turned away.
    pub refuse_headless: bool,
    /// A dialog of the page.
    pub dialog: Dialog,
    /// The page's event loop is blocked once for so long, when this is set and once after ready.
    pub block_ms: u64,
    /// A scan leads to the passkey question instead of a login (variant 14, fact sheet §2.5).
    pub passkey: bool,
    /// The build is too old: `DEPRECATED_VERSION`.
    pub outdated_build: bool,
    /// A socket state forced on every page; `null` lets it be as it is.
    pub socket_state: Option<String>,
    /// All listeners of the message collection are gone, once when this is set: the page is connected
    /// and tells nothing (fact sheet §9).
    pub deaf: bool,
    /// About so much JavaScript heap is filled, in MB.
    pub page_weight_mb: u32,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            require_delay_ms: 0,
            module_delay_ms: 10,
            missing_module: MissingModule::default(),
            missing_modules: Vec::new(),
            debug: DebugObject::default(),
            msg_key: MsgKeyForm::default(),
            msg_key_export: MsgKeyExport::default(),
            ref_delay_ms: 30,
            first_ref_ms: 60_000,
            next_ref_ms: 20_000,
            ref_count: 6,
            has_synced: HasSynced::default(),
            sync_ms: 60,
            syncing_ms: 0,
            reload_after_load_ms: 0,
            reload_after_ready_ms: 0,
            iframe_navigation: false,
            logout_event: LogoutEvent::default(),
            send_result: SendResult::default(),
            send_result_delay_ms: 3_000,
            send_returns: SendReturns::default(),
            acks: AckOrder::default(),
            refuse_sends: 0,
            refuse_queries: 0,
            absent: BTreeSet::new(),
            load_earlier: LoadEarlier::default(),
            history_find: HistoryFind::default(),
            refusal_number: RefusalNumber::default(),
            blocked: Vec::new(),
            servers: Servers::default(),
            hold: Hold::default(),
            uploads: Uploads::default(),
            upload_ms: 0,
            upload_limit: 0,
            media_expired: false,
            reupload: Reupload::default(),
            prep_send: PrepSend::default(),
            chat_record: ChatRecord::default(),
            addressing: Addressing::default(),
            messages_carry_number: false,
            send_seen: SendSeen::default(),
            reaction_send: ReactionSend::default(),
            forward_key: ForwardKey::default(),
            link_preview_ms: 30,
            edit_seconds: 900,
            revoke_seconds: 216_000,
            history_burst: 0,
            backlog_as_history: false,
            ciphertext: Ciphertext::default(),
            ciphertext_ms: 300,
            call_collection: CallCollection::default(),
            call_collection_ms: 1_000,
            call_path: CallPath::default(),
            reaction_table: ReactionTable::default(),
            group_modules: GroupModules::default(),
            channel_creation: true,
            group_limit: 1024,
            refuse_groups: 0,
            refuse_headless: true,
            dialog: Dialog::default(),
            block_ms: 0,
            passkey: false,
            outdated_build: false,
            socket_state: None,
            deaf: false,
            page_weight_mb: 0,
        }
    }
}

/// A change of switches that cannot be made.
#[derive(Debug, Error)]
pub enum InvalidFaults {
    /// It is no JSON object.
    #[error("faults are a JSON object")]
    NotAnObject,
    /// A switch that does not exist, or a position it has not.
    #[error("{0}")]
    Switch(String),
}

impl Faults {
    /// Gives the switches with those of `change` turned; `{"reset": true}` begins from the defaults.
    ///
    /// # Errors
    /// When `change` is no object, or names a switch or position that does not exist. Nothing of it
    /// is taken then.
    pub fn merged(&self, change: &Value) -> Result<Self, InvalidFaults> {
        let mut change: Map<String, Value> = change
            .as_object()
            .cloned()
            .ok_or(InvalidFaults::NotAnObject)?;
        let base = match change.remove("reset") {
            None | Some(Value::Bool(false)) => self.clone(),
            Some(Value::Bool(true)) => Self::default(),
            Some(_) => return Err(InvalidFaults::Switch("reset is true or false".to_owned())),
        };
        let refused = |error: serde_json::Error| InvalidFaults::Switch(error.to_string());
        let mut all = serde_json::to_value(base).map_err(refused)?;
        if let Some(all) = all.as_object_mut() {
            all.extend(change);
        }
        serde_json::from_value(all).map_err(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sandbox_faults_merge_and_reset() {
        let faults = Faults::default();
        assert_eq!(faults.msg_key, MsgKeyForm::Dollar);
        let once = faults
            .merged(&json!({"msgKey": "serialized", "syncMs": 5}))
            .expect("a change");
        assert_eq!((once.msg_key, once.sync_ms), (MsgKeyForm::Serialized, 5));
        let twice = once.merged(&json!({"passkey": true})).expect("a change");
        assert_eq!(twice.msg_key, MsgKeyForm::Serialized);
        assert!(twice.passkey);
        let reset = twice
            .merged(&json!({"reset": true, "blockMs": 9}))
            .expect("a reset");
        assert_eq!(
            reset,
            Faults {
                block_ms: 9,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn sandbox_faults_refuse_what_they_do_not_know() {
        for bad in [
            json!({"msgkey": "serialized"}),
            json!({"msgKey": "other"}),
            json!({"syncMs": -1}),
            json!({"reset": "yes"}),
            json!([]),
            json!("x"),
        ] {
            assert!(Faults::default().merged(&bad).is_err(), "{bad}");
        }
    }
}
