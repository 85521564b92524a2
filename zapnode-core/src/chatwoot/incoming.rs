//! What Chatwoot's webhook tells, and what is to be done about it. Pure.
//!
//! An API inbox's hook gets every event of the inbox, also echoes of what we pushed, so most of it
//! is nothing to send.

use serde_json::{Map, Value};

use crate::id::SessionId;

/// What to do about one webhook call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Ignore(Ignored),
    /// An agent wrote.
    Send(AgentMessage),
    /// An agent deleted a message.
    Delete {
        /// The message's id in Chatwoot.
        message: i64,
        /// Its conversation's number.
        conversation: i64,
    },
    /// An agent began or ended to type.
    Typing {
        /// To whom.
        to: Addressee,
        /// Whether they began.
        on: bool,
    },
}

/// Why a call is nothing to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// An event that asks for nothing.
    OtherEvent,
    /// A note among agents.
    PrivateNote,
    /// Written by the contact: it came from us.
    Incoming,
    /// A template (greeting, survey) and the bridge is told not to send those.
    Template,
    /// Chatwoot's own record of what happened.
    Activity,
    /// We pushed it there ourselves.
    Echo,
    /// Of an inbox or account that is not this bridge's.
    OtherInbox,
    /// No text and no file.
    Empty,
}

impl Ignored {
    /// In words, as the answer has them.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherEvent => "nothing to do for this event",
            Self::PrivateNote => "a private note",
            Self::Incoming => "not an outgoing message",
            Self::Template => "a template, which this bridge does not send",
            Self::Activity => "an activity record",
            Self::Echo => "it came from WhatsApp",
            Self::OtherInbox => "it is of another account or inbox",
            Self::Empty => "it has neither text nor files",
        }
    }
}

/// What an agent wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentMessage {
    /// The message's id in Chatwoot; the same call twice has the same.
    pub id: i64,
    /// The conversation's number, as the account API has it in its paths.
    pub conversation: i64,
    /// Whom the contact says it is for, if it says so.
    pub to: Option<Addressee>,
    /// The text, in Markdown; may be empty if there are files.
    pub content: String,
    /// The files.
    pub attachments: Vec<Attachment>,
    /// The message it answers, by its id in Chatwoot.
    pub in_reply_to: Option<i64>,
    /// Who wrote it.
    pub agent: Option<String>,
}

/// Whom a conversation is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// A person or chat, by phone number or chat id.
    Chat(String),
    /// The contact that stands for the bridge itself and takes commands.
    System,
}

/// A file in Chatwoot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Chatwoot's word: `image`, `audio`, `video`, `file`, `location`, `fallback`, `contact`, …
    pub kind: String,
    /// Where it can be fetched.
    pub url: Option<String>,
    /// Latitude and longitude as text, for a location.
    pub place: Option<(String, String)>,
    /// The title of a location or a fallback.
    pub title: Option<String>,
}

/// What this bridge belongs to, to compare a call with.
#[derive(Clone, Debug)]
pub struct Belongs {
    /// The account.
    pub account: i64,
    /// The inbox, once known.
    pub inbox: Option<i64>,
    /// Whether templates (greetings, surveys) are sent to WhatsApp.
    pub templates: bool,
}

/// The prefix of the `source_id` of what we push; what has it is an echo.
pub const SOURCE_PREFIX: &str = "WAID:";

/// What the identifier of a contact that stands for a bridge itself begins with.
pub const SYSTEM_IDENTIFIER: &str = "zapnode-system";

/// The identifier of the contact that stands for this session's bridge: in an account identifiers
/// are unique, and several sessions may have their inboxes in one.
pub fn system_identifier(session: &SessionId) -> String {
    format!("{SYSTEM_IDENTIFIER}-{session}")
}

/// Judges one call.
pub fn judge(body: &Map<String, Value>, belongs: &Belongs) -> Verdict {
    let event = text(body, "event").unwrap_or("message_created");
    match event {
        "message_created" | "message_updated" => {}
        "conversation_typing_on" | "conversation_typing_off" => {
            return typing(body, belongs, event.ends_with("_on"));
        }
        _ => return Verdict::Ignore(Ignored::OtherEvent),
    }
    if is_elsewhere(body, belongs) {
        return Verdict::Ignore(Ignored::OtherInbox);
    }
    let conversation = object(body, "conversation");
    let (Some(id), Some(number)) = (
        body.get("id").and_then(Value::as_i64),
        conversation
            .and_then(|c| c.get("id"))
            .and_then(Value::as_i64),
    ) else {
        return Verdict::Ignore(Ignored::OtherEvent);
    };
    if body.get("private").and_then(Value::as_bool) == Some(true) {
        return Verdict::Ignore(Ignored::PrivateNote);
    }
    match kind(body) {
        Kind::Outgoing => {}
        Kind::Template if belongs.templates => {}
        Kind::Template => return Verdict::Ignore(Ignored::Template),
        Kind::Activity => return Verdict::Ignore(Ignored::Activity),
        Kind::Incoming => return Verdict::Ignore(Ignored::Incoming),
    }
    let attributes = object(body, "content_attributes");
    if event == "message_updated" {
        let deleted = attributes
            .and_then(|a| a.get("deleted"))
            .and_then(Value::as_bool);
        return if deleted == Some(true) {
            Verdict::Delete {
                message: id,
                conversation: number,
            }
        } else {
            // A change of status that we wrote ourselves, most often.
            Verdict::Ignore(Ignored::OtherEvent)
        };
    }
    if text(body, "source_id").is_some_and(|source| source.starts_with(SOURCE_PREFIX)) {
        return Verdict::Ignore(Ignored::Echo);
    }
    let content = text(body, "content").unwrap_or_default().trim().to_owned();
    let attachments = attachments(body);
    if content.is_empty() && attachments.is_empty() {
        return Verdict::Ignore(Ignored::Empty);
    }
    let in_reply_to = attributes.and_then(|a| a.get("in_reply_to"));
    Verdict::Send(AgentMessage {
        id,
        conversation: number,
        to: conversation.and_then(addressee),
        content,
        attachments,
        in_reply_to: in_reply_to.and_then(as_id),
        agent: object(body, "sender")
            .and_then(|sender| text(sender, "name"))
            .map(str::to_owned),
    })
}

fn typing(body: &Map<String, Value>, belongs: &Belongs, on: bool) -> Verdict {
    if is_elsewhere(body, belongs) {
        return Verdict::Ignore(Ignored::OtherInbox);
    }
    // The contact's own typing is echoed too, and a note is typed for agents only.
    let by_agent = object(body, "user").and_then(|user| text(user, "type")) != Some("contact");
    let private = body.get("is_private").and_then(Value::as_bool) == Some(true);
    match object(body, "conversation").and_then(addressee) {
        Some(to) if by_agent && !private => Verdict::Typing { to, on },
        _ => Verdict::Ignore(Ignored::OtherEvent),
    }
}

enum Kind {
    Incoming,
    Outgoing,
    Template,
    Activity,
}

/// Text in an event; a number inside `conversation.messages[]`, and in some forks on top as well.
fn kind(body: &Map<String, Value>) -> Kind {
    match body.get("message_type") {
        Some(Value::String(word)) => match word.as_str() {
            "outgoing" => Kind::Outgoing,
            "template" => Kind::Template,
            "activity" => Kind::Activity,
            _ => Kind::Incoming,
        },
        Some(Value::Number(number)) => match number.as_i64() {
            Some(1) => Kind::Outgoing,
            Some(2) => Kind::Activity,
            Some(3) => Kind::Template,
            _ => Kind::Incoming,
        },
        _ => Kind::Incoming,
    }
}

fn is_elsewhere(body: &Map<String, Value>, belongs: &Belongs) -> bool {
    let id_of = |name| {
        object(body, name)
            .and_then(|o| o.get("id"))
            .and_then(Value::as_i64)
    };
    let conversation = object(body, "conversation");
    let inbox = id_of("inbox").or_else(|| {
        conversation
            .and_then(|c| c.get("inbox_id"))
            .and_then(Value::as_i64)
    });
    let differs = |told: Option<i64>, ours: Option<i64>| matches!((told, ours), (Some(told), Some(ours)) if told != ours);
    differs(id_of("account"), Some(belongs.account)) || differs(inbox, belongs.inbox)
}

/// The contact's number, else its identifier, else the thread's own key: groups, people known by
/// LID only, and contacts made by hand have no number.
fn addressee(conversation: &Map<String, Value>) -> Option<Addressee> {
    let sender = object(conversation, "meta").and_then(|meta| object(meta, "sender"));
    let identifier = sender.and_then(|sender| text(sender, "identifier"));
    if identifier.is_some_and(|id| id.starts_with(SYSTEM_IDENTIFIER)) {
        return Some(Addressee::System);
    }
    let phone = sender.and_then(|sender| text(sender, "phone_number"));
    let source = object(conversation, "contact_inbox").and_then(|one| text(one, "source_id"));
    // A chat id says more than a number: a group's contact may have been given one by hand.
    let group = identifier.filter(|id| id.ends_with("@g.us"));
    let found = group
        .or(phone)
        .or(identifier.filter(|id| looks_like_chat(id)))
        .or(source.filter(|id| looks_like_chat(id)))?;
    Some(Addressee::Chat(found.to_owned()))
}

/// A chat id or a number; an identifier may also be somebody's e-mail address or customer number.
fn looks_like_chat(text: &str) -> bool {
    let servers = ["@c.us", "@s.whatsapp.net", "@lid", "@g.us"];
    servers.iter().any(|server| text.ends_with(server)) || crate::id::PhoneNumber::new(text).is_ok()
}

fn attachments(body: &Map<String, Value>) -> Vec<Attachment> {
    let list = body.get("attachments").and_then(Value::as_array);
    let read = |one: &Value| {
        let one = one.as_object()?;
        let number = |name: &str| one.get(name).filter(|v| !v.is_null()).map(Value::to_string);
        Some(Attachment {
            kind: text(one, "file_type").unwrap_or("file").to_owned(),
            url: text(one, "data_url").map(str::to_owned),
            place: number("coordinates_lat").zip(number("coordinates_long")),
            title: text(one, "fallback_title").map(str::to_owned),
        })
    };
    list.into_iter().flatten().filter_map(read).collect()
}

fn object<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
    map.get(name)?.as_object()
}

fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// An id as a number, or as a number in a text, as some clients of Chatwoot's API write it.
fn as_id(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn belongs() -> Belongs {
        Belongs {
            account: 1,
            inbox: Some(7),
            templates: false,
        }
    }

    /// An agent's message, with `change` laid over it.
    fn with(change: &Value) -> Verdict {
        let mut body = json!({
            "event": "message_created", "id": 500, "content": "Olá **Ana**", "content_type": "text",
            "content_attributes": {}, "message_type": "outgoing", "private": false, "source_id": null,
            "sender": {"id": 3, "name": "Rita", "type": "user"},
            "account": {"id": 1, "name": "Loja"}, "inbox": {"id": 7, "name": "WhatsApp"},
            "conversation": {
                "id": 42, "inbox_id": 7,
                "contact_inbox": {"source_id": "244929782402@c.us"},
                "meta": {"sender": {"phone_number": "+244929782402", "identifier": "244929782402@c.us"}},
            },
        });
        merge(&mut body, change);
        judge(body.as_object().expect("an object"), &belongs())
    }

    fn merge(into: &mut Value, change: &Value) {
        match (into, change) {
            (Value::Object(into), Value::Object(change)) => {
                for (name, value) in change {
                    merge(into.entry(name.clone()).or_insert(Value::Null), value);
                }
            }
            (into, change) => *into = change.clone(),
        }
    }

    #[test]
    fn what_is_not_to_be_sent_is_named() {
        use Ignored::*;
        for (change, why) in [
            (json!({"event": "conversation_created"}), OtherEvent),
            (json!({"event": "conversation_status_changed"}), OtherEvent),
            (json!({"private": true}), PrivateNote),
            (json!({"message_type": "incoming"}), Incoming),
            (json!({"message_type": 0}), Incoming),
            (json!({"message_type": "template"}), Template),
            (json!({"message_type": 2}), Activity),
            (json!({"source_id": "WAID:3EB0AABB"}), Echo),
            (json!({"account": {"id": 2}}), OtherInbox),
            (json!({"inbox": {"id": 8}}), OtherInbox),
            (json!({"content": "  "}), Empty),
            (json!({"content": null}), Empty),
            (json!({"event": "message_updated"}), OtherEvent),
        ] {
            assert_eq!(with(&change), Verdict::Ignore(why), "{change}");
        }
    }

    #[test]
    fn an_agents_message_is_read_whole() {
        let Verdict::Send(message) = with(&json!({
            "content_attributes": {"in_reply_to": "499"},
            "attachments": [
                {"file_type": "image", "data_url": "https://c.example/a.png"},
                {"file_type": "location", "coordinates_lat": -8.8, "coordinates_long": 13.2, "fallback_title": "Luanda"},
            ],
        })) else {
            panic!("to be sent");
        };
        assert_eq!((message.id, message.conversation), (500, 42));
        let to = Addressee::Chat("+244929782402".to_owned());
        assert_eq!(message.to, Some(to));
        assert_eq!(message.in_reply_to, Some(499));
        assert_eq!(message.agent.as_deref(), Some("Rita"));
        assert_eq!(message.attachments.len(), 2);
        let place = Some(("-8.8".to_owned(), "13.2".to_owned()));
        assert_eq!(message.attachments[1].place, place);
        // A file needs no text.
        let file = json!({"content": null, "attachments": [{"file_type": "file", "data_url": "https://c.example/b"}]});
        assert!(matches!(with(&file), Verdict::Send(_)));
    }

    #[test]
    fn whom_it_is_for_is_found_by_number_identifier_or_thread() {
        let to = |sender: Value, source: &str| {
            let change = json!({"conversation": {"contact_inbox": {"source_id": source}, "meta": {"sender": sender}}});
            match with(&change) {
                Verdict::Send(message) => message.to,
                other => panic!("to be sent, or to be told that it cannot be: {other:?}"),
            }
        };
        let chat = |id: &str| Some(Addressee::Chat(id.to_owned()));
        let none = json!({"phone_number": null, "identifier": null});
        assert_eq!(to(none.clone(), "1203630@g.us"), chat("1203630@g.us"));
        assert_eq!(to(none, "f81d4fae-7dec"), None);
        let customer = json!({"phone_number": null, "identifier": "ana@shop.example"});
        assert_eq!(to(customer, "x"), None);
        let lid = json!({"phone_number": null, "identifier": "8123@lid"});
        assert_eq!(to(lid, "x"), chat("8123@lid"));
        let group = json!({"phone_number": "+351900000000", "identifier": "1203630@g.us"});
        assert_eq!(to(group, "x"), chat("1203630@g.us"));
        let system = json!({"phone_number": null, "identifier": "zapnode-system-shop"});
        assert_eq!(to(system, "x"), Some(Addressee::System));
    }

    #[test]
    fn deletions_and_typing_are_told() {
        let deleted = json!({"event": "message_updated", "content_attributes": {"deleted": true}});
        assert_eq!(
            with(&deleted),
            Verdict::Delete {
                message: 500,
                conversation: 42
            }
        );
        let typing = json!({"event": "conversation_typing_on", "user": {"type": "user"}});
        assert!(matches!(with(&typing), Verdict::Typing { on: true, .. }));
        let contact = json!({"event": "conversation_typing_on", "user": {"type": "contact"}});
        assert!(matches!(with(&contact), Verdict::Ignore(_)));
        let note = json!({"event": "conversation_typing_off", "user": {"type": "user"}, "is_private": true});
        assert!(matches!(with(&note), Verdict::Ignore(_)));
    }

    #[test]
    fn a_bridge_that_does_not_know_its_inbox_yet_takes_what_is_of_its_account() {
        let body = json!({
            "event": "message_created", "id": 1, "content": "x", "message_type": "template",
            "account": {"id": 1}, "inbox": {"id": 99},
            "conversation": {"id": 2, "meta": {"sender": {"phone_number": "+5511912345678"}}},
        });
        let belongs = Belongs {
            account: 1,
            inbox: None,
            templates: true,
        };
        let verdict = judge(body.as_object().expect("an object"), &belongs);
        assert!(matches!(verdict, Verdict::Send(_)));
    }
}
