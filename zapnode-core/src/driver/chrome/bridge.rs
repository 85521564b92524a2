//! The bridge as Rust sees it: the script that goes into every document, the events that come out,
//! and the commands' answers. What the script does is told in `inject/README.md`.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::heard::{
    PageCall, PageEdit, PageGroup, PageMessage, PageNotice, PageReaction, PageRevoke, PageVote,
    PageWaiting,
};
use super::profile::storage;
use super::snapshot::Snapshot;
use crate::driver::{DriverError, Probe};

/// The version of the envelope that both sides speak.
const VERSION: u32 = 1;

/// The scripts in the order in which they are joined. A later one uses what earlier ones define.
const FILES: &[(&str, &str)] = &[
    ("base.js", include_str!("inject/base.js")),
    ("modules.js", include_str!("inject/modules.js")),
    ("ids.js", include_str!("inject/ids.js")),
    ("page.js", include_str!("inject/page.js")),
    ("login.js", include_str!("inject/login.js")),
    ("hearing.js", include_str!("inject/hearing.js")),
    ("wrap.js", include_str!("inject/wrap.js")),
    ("read.js", include_str!("inject/read.js")),
    ("missed.js", include_str!("inject/missed.js")),
    ("receive.js", include_str!("inject/receive.js")),
    ("notices.js", include_str!("inject/notices.js")),
    ("waiting.js", include_str!("inject/waiting.js")),
    ("changes.js", include_str!("inject/changes.js")),
    ("reactions.js", include_str!("inject/reactions.js")),
    ("calls.js", include_str!("inject/calls.js")),
    ("send.js", include_str!("inject/send.js")),
    ("media.js", include_str!("inject/media.js")),
    ("refusals.js", include_str!("inject/refusals.js")),
    ("kinds.js", include_str!("inject/kinds.js")),
    ("votes.js", include_str!("inject/votes.js")),
    ("actions.js", include_str!("inject/actions.js")),
    ("presence.js", include_str!("inject/presence.js")),
    ("chats.js", include_str!("inject/chats.js")),
    ("contacts.js", include_str!("inject/contacts.js")),
    ("profile.js", include_str!("inject/profile.js")),
    ("pictures.js", include_str!("inject/pictures.js")),
    ("groups.js", include_str!("inject/groups.js")),
    ("channels.js", include_str!("inject/channels.js")),
    ("labels.js", include_str!("inject/labels.js")),
    ("stories.js", include_str!("inject/stories.js")),
    ("selftest.js", include_str!("inject/selftest.js")),
    ("main.js", include_str!("inject/main.js")),
];

/// How the installed bridge is reached. A symbol, so that the page's own names cannot meet it.
const INSTALLED: &str = r#"Symbol.for("zapnode.bridge")"#;

/// Joins the scripts, each from `folder` if it lies there. Blocks.
///
/// `binding` is the name under which the page finds the way out.
pub(crate) fn script(folder: Option<&Path>, binding: &str) -> Result<String, DriverError> {
    let mut script = format!(
        "(() => {{\n\"use strict\";\n\
         // Main frame only, and once per document.\n\
         const INSTALLED = {INSTALLED};\n\
         if (window.top !== window || window[INSTALLED]) return;\n\
         const BINDING = \"{binding}\";\n"
    );
    for (name, built_in) in FILES {
        let replacement = match folder {
            Some(folder) => replacement(&folder.join(name))?,
            None => None,
        };
        script.push_str(replacement.as_deref().unwrap_or(built_in));
        script.push('\n');
    }
    script.push_str("})();\n//# sourceURL=zapnode-bridge.js\n");
    Ok(script)
}

fn replacement(path: &Path) -> Result<Option<String>, DriverError> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            tracing::info!(path = %path.display(), "using a bridge script of the user's own");
            Ok(Some(text))
        }
        // Only what somebody wants changed need be there.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(storage(path, source)),
    }
}

/// What the bridge tells by itself.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "camelCase")]
pub(crate) enum BridgeEvent {
    /// A new document has started.
    Hello {
        /// Its address.
        url: String,
    },
    /// The page stands otherwise than before.
    Snapshot(Box<Snapshot>),
    /// A QR to show.
    #[serde(rename_all = "camelCase")]
    Qr { text: String, valid_ms: u64 },
    /// A pairing code to show.
    #[serde(rename_all = "camelCase")]
    Code {
        code: String,
        phone: String,
        valid_ms: u64,
    },
    /// A message appeared.
    Message(Box<PageMessage>),
    /// A message cannot be read yet.
    Waiting(PageWaiting),
    /// A message has another text.
    Edited(PageEdit),
    /// A message is gone.
    Revoked(PageRevoke),
    /// A reaction.
    Reaction(PageReaction),
    /// A vote in a poll.
    Vote(PageVote),
    /// Something that a chat shows and nobody wrote.
    Notice(PageNotice),
    /// A call comes in.
    Call(PageCall),
    /// A notice of a group.
    Group(PageGroup),
    /// A sent message came further.
    Ack { id: String, ack: i64 },
    /// WhatsApp's server refused a message.
    SendRefused {
        id: String,
        status: Option<u16>,
        words: String,
    },
    /// WhatsApp restricted the account.
    Restricted { words: String },
    /// The page says that it was unlinked.
    Logout { reason: Option<String> },
}

/// An event in its envelope.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// The document it comes from.
    pub(crate) document: String,
    pub(crate) event: BridgeEvent,
}

/// Reads what came through the binding.
pub(crate) fn read_event(text: &str) -> Result<Envelope, String> {
    #[derive(Deserialize)]
    struct Outer<'a> {
        v: u32,
        doc: String,
        event: String,
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let outer: Outer<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if outer.v != VERSION {
        return Err(format!("envelope version {} instead of {VERSION}", outer.v));
    }
    let event = format!(
        r#"{{"event":{},"data":{}}}"#,
        serde_json::Value::from(outer.event.as_str()),
        outer.data.get()
    );
    Ok(Envelope {
        document: outer.doc,
        event: serde_json::from_str(&event).map_err(|error| format!("{}: {error}", outer.event))?,
    })
}

/// A command of the bridge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    /// What the caller asked for, as its errors say it.
    pub(crate) name: &'static str,
    /// The bridge's name for it.
    script: &'static str,
    /// How long the bridge gives the page.
    pub(crate) deadline: Duration,
}

impl Command {
    pub(super) const fn new(name: &'static str, script: &'static str, seconds: u64) -> Self {
        let deadline = Duration::from_secs(seconds);
        Self {
            name,
            script,
            deadline,
        }
    }

    pub(crate) const EVIDENCE: Self = Self::new("evidence", "evidence", 10);
    pub(crate) const SELF_TEST: Self = Self::new("self test", "selfTest", 15);
    pub(crate) const PAIRING_CODE: Self =
        Self::new("request pairing code", "requestPairingCode", 60);
    pub(crate) const SHOW_QR: Self = Self::new("show QR", "showQr", 30);
    pub(crate) const FIND_CONTACT: Self = Self::new("find contact", "findContact", 20);
    pub(crate) const SEND: Self = Self::new("send", "send", 30);
    /// Its deadline grows with the file.
    pub(crate) const SEND_MEDIA: Self = Self::new("send file", "sendMedia", 60);
    pub(crate) const OPEN_MEDIA: Self = Self::new("download", "openMedia", 300);
    pub(crate) const READ_MEDIA: Self = Self::new("download", "readMedia", 30);
    pub(crate) const CLOSE_MEDIA: Self = Self::new("download", "closeMedia", 10);
    pub(crate) const ASK_FOR_MEDIA: Self = Self::new("ask the phone for a file", "askForMedia", 60);
    pub(crate) const FIND_MESSAGE: Self = Self::new("find message", "findMessage", 20);
    pub(crate) const RECONNECT: Self = Self::new("reconnect", "reconnect", 10);
    pub(crate) const EDIT: Self = Self::new("edit", "edit", 30);
    pub(crate) const REVOKE: Self = Self::new("revoke", "revoke", 30);
    pub(crate) const REACT: Self = Self::new("react", "react", 30);
    pub(crate) const STAR: Self = Self::new("star", "star", 20);
    pub(crate) const PIN: Self = Self::new("pin", "pin", 30);
    pub(crate) const VOTE: Self = Self::new("vote", "vote", 30);
    pub(crate) const ANSWER_EVENT: Self = Self::new("answer event", "answerEvent", 30);
    pub(crate) const MARK_SEEN: Self = Self::new("mark seen", "markSeen", 15);
    pub(crate) const ACTIVITY: Self = Self::new("typing", "activity", 5);
    pub(crate) const AVAILABLE: Self = Self::new("presence", "available", 10);
    pub(crate) const CHATS: Self = Self::new("list chats", "chats", 20);
    pub(crate) const CHAT: Self = Self::new("look a chat up", "chat", 10);
    pub(crate) const CHAT_MESSAGES: Self = Self::new("read a chat", "chatMessages", 30);
    pub(crate) const SEARCH: Self = Self::new("search messages", "searchMessages", 20);
    pub(crate) const CHANGE_CHAT: Self = Self::new("change a chat", "changeChat", 15);
    pub(crate) const CONTACTS: Self = Self::new("list contacts", "contacts", 20);
    pub(crate) const CONTACT: Self = Self::new("look a contact up", "contact", 20);
    pub(crate) const ABOUT: Self = Self::new("read an about text", "about", 15);
    pub(crate) const PICTURE: Self = Self::new("look a picture up", "picture", 15);
    pub(crate) const BUSINESS: Self = Self::new("read a business profile", "business", 15);
    pub(crate) const BLOCKED: Self = Self::new("list blocked contacts", "blocked", 10);
    pub(crate) const SET_BLOCKED: Self = Self::new("block a contact", "setBlocked", 20);
    pub(crate) const OWN_PROFILE: Self = Self::new("read the profile", "ownProfile", 20);
    pub(crate) const CHANGE_PROFILE: Self = Self::new("change the profile", "changeProfile", 30);
    pub(crate) const REJECT_CALL: Self = Self::new("turn a call away", "rejectCall", 10);
    pub(crate) const HEARD_UNTIL: Self = Self::new("tell what was heard", "heardUntil", 10);
    pub(crate) const LOG_OUT: Self = Self::new("log out", "logout", 15);

    /// The same with more time.
    pub(crate) const fn and(mut self, more: Duration) -> Self {
        self.deadline = self.deadline.saturating_add(more);
        self
    }

    /// The expression that gives the file input of a token.
    pub(crate) fn file_input(token: &str) -> String {
        format!("globalThis[{INSTALLED}]?.fileInput(\"{token}\") ?? null")
    }

    /// The expression that calls it. The page's own clock is this machine's, so it can tell that
    /// the caller has given up: a page that was busy for long must not act afterwards.
    pub(crate) fn expression(&self, arguments: &impl Serialize) -> Result<String, DriverError> {
        let refused = |error: serde_json::Error| DriverError::Refused {
            command: self.name,
            reason: error.to_string(),
        };
        let arguments = serde_json::to_string(arguments).map_err(refused)?;
        let arguments = serde_json::to_string(&arguments).map_err(refused)?;
        let deadline = SystemTime::now() + self.deadline;
        let deadline = deadline
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let script = self.script;
        Ok(format!(
            "globalThis[{INSTALLED}]?.call(\"{script}\", {arguments}, {deadline}) ?? null"
        ))
    }

    /// Reads what the expression gave.
    pub(crate) fn answer<T: DeserializeOwned>(&self, text: Option<&str>) -> Result<T, DriverError> {
        let Some(text) = text else {
            return Err(DriverError::WrongMoment {
                command: self.name,
                why: "the page is not up".to_owned(),
            });
        };
        let unreadable = |error: serde_json::Error| DriverError::Refused {
            command: self.name,
            reason: format!("the bridge's answer cannot be read: {error}"),
        };
        let answer: Answer = serde_json::from_str(text).map_err(unreadable)?;
        match answer.error {
            Some(error) => Err(self.error(error)),
            None => serde_json::from_value(answer.data).map_err(unreadable),
        }
    }

    fn error(&self, error: AnswerError) -> DriverError {
        let command = self.name;
        match error.kind {
            ErrorKind::Missing => DriverError::Unsupported {
                feature: command,
                part: error.part.unwrap_or(error.message),
            },
            ErrorKind::Moment => DriverError::WrongMoment {
                command,
                why: error.message,
            },
            ErrorKind::Nobody => DriverError::NotOnWhatsApp {
                recipient: error.message,
            },
            ErrorKind::Timeout => DriverError::TimedOut {
                command,
                waited_for: error.message,
                after: self.deadline,
            },
            ErrorKind::Unknown => DriverError::MessageUnknown {
                message: error.message,
            },
            ErrorKind::NoMedia => DriverError::NoMedia {
                message: error.message,
            },
            ErrorKind::Expired => DriverError::MediaExpired {
                message: error.message,
                asked: error.asked,
            },
            ErrorKind::File => DriverError::MediaUnusable {
                reason: error.message,
            },
            ErrorKind::Upload => DriverError::UploadFailed {
                reason: error.message,
            },
            ErrorKind::NotAllowed => DriverError::NotAllowed {
                command,
                why: error.message,
            },
            ErrorKind::NoGroup => DriverError::GroupUnknown {
                group: error.message,
            },
            ErrorKind::NoChannel => DriverError::ChannelUnknown {
                channel: error.message,
            },
            ErrorKind::NoLabel => DriverError::LabelUnknown {
                label: error.message,
            },
            ErrorKind::NoInvite => DriverError::InviteUnknown,
            ErrorKind::Blocked => DriverError::ContactBlocked {
                recipient: error.message,
            },
            ErrorKind::Server => DriverError::ServerRefused {
                command,
                status: error.status,
                reason: error.words.unwrap_or(error.message),
            },
            ErrorKind::Refused => DriverError::Refused {
                command,
                reason: error.message,
            },
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    data: serde_json::Value,
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    kind: ErrorKind,
    message: String,
    part: Option<String>,
    status: Option<u16>,
    words: Option<String>,
    #[serde(default)]
    asked: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum ErrorKind {
    Missing,
    Moment,
    Nobody,
    Unknown,
    NoMedia,
    Expired,
    File,
    Upload,
    NotAllowed,
    NoGroup,
    NoChannel,
    NoLabel,
    NoInvite,
    Blocked,
    Timeout,
    Server,
    #[serde(other)]
    Refused,
}

/// The answer to [`Command::EVIDENCE`].
#[derive(Debug, Deserialize)]
pub(crate) struct EvidenceAnswer {
    pub(crate) snapshot: Snapshot,
    /// How many messages arrived without being told.
    #[serde(default)]
    pub(crate) missed: u32,
    #[serde(default)]
    pub(crate) facts: std::collections::BTreeMap<String, String>,
}

/// The answer to [`Command::SELF_TEST`].
#[derive(Debug, Deserialize)]
pub(crate) struct SelfTestAnswer {
    pub(crate) version: Option<String>,
    pub(crate) probes: Vec<Probe>,
}

/// The answer to [`Command::PAIRING_CODE`].
#[derive(Debug, Deserialize)]
pub(crate) struct CodeAnswer {
    pub(crate) code: String,
}

/// The answer to [`Command::FIND_CONTACT`].
#[derive(Debug, Deserialize)]
pub(crate) struct ContactAnswer {
    pub(crate) chat: String,
    pub(crate) phone: Option<String>,
    pub(crate) lid: Option<String>,
}

/// The answer to [`Command::SEND`] and [`Command::FIND_MESSAGE`].
#[derive(Debug, Deserialize)]
pub(crate) struct MessageAnswer {
    pub(crate) id: String,
    pub(crate) ack: i64,
}

/// The answer to [`Command::OPEN_MEDIA`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OpenedMedia {
    pub(crate) token: u64,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) mime_type: Option<String>,
    pub(crate) file_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_users_own_replaces_the_built_in_one_of_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("send.js"), "// mine\n").expect("written");
        std::fs::write(folder.path().join("else.js"), "// unknown\n").expect("written");
        let script = script(Some(folder.path()), "out").expect("a script");
        assert!(script.contains("// mine\n") && !script.contains("// unknown"));
        for (name, text) in FILES {
            assert_eq!(script.contains(*text), *name != "send.js", "{name}");
        }
        std::fs::create_dir(folder.path().join("ids.js")).expect("made");
        let error = super::script(Some(folder.path()), "out").expect_err("unreadable");
        assert!(matches!(error, DriverError::Storage { path, .. } if path.ends_with("ids.js")));
    }

    #[test]
    fn events_are_read_and_strange_ones_refused() {
        let text = r#"{"v":1,"doc":"d","seq":3,"event":"ack","data":{"id":"x","ack":-2,"new":1}}"#;
        let envelope = read_event(text).expect("an event");
        assert_eq!(envelope.document, "d");
        assert!(matches!(envelope.event, BridgeEvent::Ack { ack: -2, .. }));
        for strange in [
            r#"{"v":2,"doc":"d","seq":3,"event":"ack","data":{"id":"x","ack":1}}"#,
            r#"{"v":1,"doc":"d","seq":3,"event":"odd","data":null}"#,
            r#"{"v":1,"doc":"d","seq":3,"event":"ack","data":null}"#,
            "",
        ] {
            assert!(read_event(strange).is_err(), "{strange}");
        }
    }

    #[test]
    fn arguments_cannot_leave_their_quotes() {
        let nasty = "\"); alert(1); //\u{2028}</script>\\";
        let expression = Command::SEND.expression(&nasty).expect("json");
        let inside = expression
            .split_once(", ")
            .and_then(|(_, rest)| rest.rsplit_once(", "))
            .map(|(text, _)| serde_json::from_str::<String>(text).expect("one string"));
        let inside: Option<String> = inside.map(|text| serde_json::from_str(&text).expect("json"));
        assert_eq!(inside.as_deref(), Some(nasty));
    }

    #[test]
    fn answers_become_errors_by_situation() {
        let failed = |kind: &str| {
            let text = format!(r#"{{"ok":false,"error":{{"kind":"{kind}","message":"m"}}}}"#);
            Command::SEND
                .answer::<MessageAnswer>(Some(&text))
                .expect_err("an error")
        };
        assert!(matches!(failed("missing"), DriverError::Unsupported { part, .. } if part == "m"));
        assert!(matches!(failed("moment"), DriverError::WrongMoment { .. }));
        assert!(matches!(
            failed("nobody"),
            DriverError::NotOnWhatsApp { .. }
        ));
        assert!(
            matches!(failed("timeout"), DriverError::TimedOut { waited_for, .. } if waited_for == "m")
        );
        assert!(matches!(failed("newer"), DriverError::Refused { .. }));
        assert!(matches!(failed("noGroup"), DriverError::GroupUnknown { group } if group == "m"));
        assert!(matches!(
            failed("noChannel"),
            DriverError::ChannelUnknown { .. }
        ));
        assert!(matches!(
            failed("noLabel"),
            DriverError::LabelUnknown { .. }
        ));
        assert!(matches!(failed("noInvite"), DriverError::InviteUnknown));
        assert!(matches!(
            failed("unknown"),
            DriverError::MessageUnknown { message } if message == "m"
        ));
        assert!(matches!(
            failed("notAllowed"),
            DriverError::NotAllowed { why, .. } if why == "m"
        ));
        assert!(matches!(
            failed("blocked"),
            DriverError::ContactBlocked { recipient } if recipient == "m"
        ));
        assert!(
            matches!(failed("unknown"), DriverError::MessageUnknown { message } if message == "m")
        );
        assert!(matches!(failed("noMedia"), DriverError::NoMedia { message } if message == "m"));
        assert!(matches!(
            failed("expired"),
            DriverError::MediaExpired { asked: false, .. }
        ));
        assert!(matches!(failed("file"), DriverError::MediaUnusable { reason } if reason == "m"));
        assert!(matches!(failed("upload"), DriverError::UploadFailed { reason } if reason == "m"));
        let text = r#"{"ok":false,"error":{"kind":"expired","message":"m","asked":true}}"#;
        let expired = Command::ASK_FOR_MEDIA.answer::<()>(Some(text));
        assert!(matches!(
            expired,
            Err(DriverError::MediaExpired { asked: true, .. })
        ));
        let text =
            r#"{"ok":false,"error":{"kind":"server","message":"m","status":463,"words":"w"}}"#;
        let refused = Command::SEND.answer::<MessageAnswer>(Some(text));
        assert!(matches!(
            refused,
            Err(DriverError::ServerRefused { status: Some(463), reason, .. }) if reason == "w"
        ));
        let none = Command::SEND.answer::<MessageAnswer>(None);
        assert!(matches!(none, Err(DriverError::WrongMoment { .. })));
        let nothing = r#"{"ok":true,"data":null}"#;
        let found: Option<MessageAnswer> =
            Command::FIND_MESSAGE.answer(Some(nothing)).expect("none");
        assert!(found.is_none());
    }
}
