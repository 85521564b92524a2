//! What an event of ours becomes in Chatwoot. Pure: whom it concerns, which text, which way.

use super::config::BridgeConfig;
use super::format::to_markdown;
use super::incoming::SOURCE_PREFIX;
use super::words::Words;
use crate::event::{Event, EventKind, MediaPayload, MessagePayload, Who};
use crate::id::{ChatId, MessageId, WireId};

/// What is to be done about an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Nothing.
    Nothing,
    /// Put a message into somebody's conversation.
    Post(Box<Post>),
    /// Tell how far a message of this account is.
    Status {
        /// Which one.
        wire_id: WireId,
        /// Chatwoot's word: `sent`, `delivered`, `read`.
        status: &'static str,
    },
    /// Tell that a message of this account was not sent and will not be.
    Failed {
        /// Our own id of it: WhatsApp's page may never have had it.
        message: String,
        /// Why.
        error: String,
    },
    /// Take a message of this account out of Chatwoot too.
    Delete {
        /// Which one.
        wire_id: WireId,
    },
    /// Tell the agents how the session stands.
    Tell {
        /// In words.
        text: String,
        /// What Chatwoot keeps beside it.
        source_id: String,
    },
}

/// A message to be put into a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// With whom the conversation is.
    pub peer: Peer,
    /// In Markdown.
    pub content: String,
    /// Written by the contact, or by this account.
    pub incoming: bool,
    /// What Chatwoot keeps beside it: it is put there once, and its echo is known.
    pub source_id: String,
    /// The message it stands for, if it stands for one.
    pub source: Option<Source>,
    /// The file it carries.
    pub file: Option<Carried>,
    /// A message it answers or is about.
    pub about: Option<WireId>,
    /// When it was written, in seconds since 1970.
    pub written: i64,
}

/// A file that a message carries; all of it is the sender's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// WhatsApp's word for it, as `image`.
    pub kind: String,
    /// As `image/jpeg`.
    pub mime: Option<String>,
    /// A document's name.
    pub name: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
    /// What is said besides, in Markdown: the content where the file is there itself.
    pub caption: String,
}

/// The message that a post stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its id on WhatsApp's wire.
    pub wire_id: WireId,
    /// Whether this account wrote it.
    pub from_me: bool,
    /// Its whole key.
    pub message_id: MessageId,
}

/// Whom a conversation is with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The same for one person under all their names.
    pub key: String,
    /// What to call a new contact.
    pub name: String,
    /// Whether that is a name, not a number for want of one.
    pub named: bool,
    /// The chat on WhatsApp, to answer in.
    pub chat: Option<String>,
    /// Digits only, if known.
    pub phone: Option<String>,
    /// What the contact is called in Chatwoot besides: the chat as WhatsApp names it, by number
    /// where that is known, as other bridges have it too.
    pub identifier: String,
}

/// Plans an event.
pub fn plan(event: &Event, config: &BridgeConfig, words: &Words) -> Plan {
    if let Some(chat) = event.kind.chat() {
        let names = [Some(chat)].into_iter().chain(other_names(&event.kind));
        let ignored = names.flatten().any(|name| config.ignores(name.as_str()));
        if ignored || !is_conversation(chat) {
            return Plan::Nothing;
        }
    }
    let note = |peer, content, about: Option<&MessageId>, incoming| {
        Plan::Post(Box::new(Post {
            peer,
            content,
            incoming,
            source_id: format!("{SOURCE_PREFIX}{}", event.id),
            source: None,
            file: None,
            about: about.map(MessageId::wire_id),
            written: event.timestamp.unix_timestamp(),
        }))
    };
    match &event.kind {
        EventKind::Message(message) => message_in(message, words),
        // What others wrote was told as `message`.
        EventKind::MessageAny(message) if message.from_me => message_out(message, words),
        EventKind::Ack(ack) => match ack.ack {
            1 => status(&ack.id, "sent"),
            2 => status(&ack.id, "delivered"),
            3.. => status(&ack.id, "read"),
            _ => Plan::Nothing,
        },
        EventKind::Failed(failed) => Plan::Failed {
            message: failed.message.clone(),
            error: failed.detail.clone(),
        },
        EventKind::Edited(edited) => {
            let text = to_markdown(edited.body.as_deref().unwrap_or_default());
            let content = format!("{} {text}", words.edited);
            let peer = peer(&edited.chat_id, &edited.who, None);
            note(peer, content, Some(&edited.id), !edited.from_me)
        }
        EventKind::Revoked(revoked) if revoked.revoked_for != "everyone" => Plan::Nothing,
        EventKind::Revoked(revoked) if revoked.from_me => Plan::Delete {
            wire_id: revoked.revoked_message_id.wire_id(),
        },
        EventKind::Revoked(revoked) => {
            let peer = peer(&revoked.chat_id, &revoked.who, None);
            let id = &revoked.revoked_message_id;
            note(peer, words.revoked.to_owned(), Some(id), true)
        }
        // One's own reactions are seen on the phone.
        EventKind::Reaction(reaction) if reaction.from_me => Plan::Nothing,
        EventKind::Reaction(reaction) => {
            let content = if reaction.reaction.text.is_empty() {
                words.unreacted.to_owned()
            } else {
                format!("{} {}", words.reacted, reaction.reaction.text)
            };
            let peer = peer(&reaction.chat_id, &reaction.who, None);
            note(peer, content, Some(&reaction.reaction.message_id), true)
        }
        EventKind::Call(call) if !call.is_group => {
            let what = if call.is_video {
                words.video_call
            } else {
                words.call
            };
            let peer = peer(&call.chat_id, &call.who, None);
            note(peer, what.to_owned(), None, true)
        }
        EventKind::Status(session) if config.tell_state => {
            match words.state(&session.state, session.reason.as_ref()) {
                Some(text) => Plan::Tell {
                    text,
                    source_id: format!("{SOURCE_PREFIX}{}", event.id),
                },
                None => Plan::Nothing,
            }
        }
        _ => Plan::Nothing,
    }
}

/// What the other one is called besides the chat's own name: whoever is ignored by number is
/// ignored where WhatsApp names them by LID.
fn other_names(kind: &EventKind) -> [Option<&ChatId>; 2] {
    let who = match kind {
        EventKind::Message(one) | EventKind::MessageAny(one) => &one.who,
        EventKind::Ack(one) => &one.who,
        EventKind::Edited(one) => &one.who,
        EventKind::Revoked(one) => &one.who,
        EventKind::Reaction(one) => &one.who,
        EventKind::Call(one) => &one.who,
        _ => return [None, None],
    };
    // In a group `who` is a member, and the group is what is ignored or not.
    if kind.chat().is_some_and(ChatId::is_group) {
        return [None, None];
    }
    [who.phone.as_ref(), who.lid.as_ref()]
}

/// People and groups; not status posts and channels, which nobody can answer.
fn is_conversation(chat: &ChatId) -> bool {
    chat.is_phone() || chat.is_lid() || chat.is_group()
}

fn status(id: &MessageId, status: &'static str) -> Plan {
    Plan::Status {
        wire_id: id.wire_id(),
        status,
    }
}

fn message_in(message: &MessagePayload, words: &Words) -> Plan {
    let by = message
        .chat_id
        .is_group()
        .then(|| format!("**{}**", writer(message)));
    post(message, words, by, true)
}

fn message_out(message: &MessagePayload, words: &Words) -> Plan {
    post(message, words, None, false)
}

/// `by`: who wrote it, where the conversation is with several.
fn post(message: &MessagePayload, words: &Words, by: Option<String>, incoming: bool) -> Plan {
    let content = content(message, words);
    if content.is_empty() {
        return Plan::Nothing;
    }
    let below = |by: &Option<String>, text: String| match by {
        Some(by) if text.is_empty() => by.clone(),
        Some(by) => format!("{by}\n{text}"),
        None => text,
    };
    let caption = message.body.as_deref().map(to_markdown).unwrap_or_default();
    let medium = message.media.as_ref();
    let file = message.has_media.then(|| Carried {
        kind: message.kind.clone(),
        mime: medium.and_then(|medium| medium.mimetype.clone()),
        name: medium.and_then(|medium| medium.filename.clone()),
        size: medium.and_then(|medium| medium.size),
        caption: below(&by, caption),
    });
    let content = below(&by, content);
    // An own message tells nothing of the other one's name.
    let name = message.notify_name.as_deref().filter(|_| incoming);
    Plan::Post(Box::new(Post {
        peer: peer(&message.chat_id, &message.who, name),
        content,
        incoming,
        source_id: format!("{SOURCE_PREFIX}{}", message.id.wire_id()),
        source: Some(Source {
            wire_id: message.id.wire_id(),
            from_me: message.from_me,
            message_id: message.id.clone(),
        }),
        file,
        about: message.reply_to.as_ref().map(|reply| reply.id.clone()),
        written: message.timestamp,
    }))
}

fn peer(chat: &ChatId, who: &Who, name: Option<&str>) -> Peer {
    if chat.is_group() {
        return Peer {
            key: chat.to_string(),
            name: chat.to_string(),
            // Its subject is not told with its messages, so nothing better comes.
            named: true,
            chat: Some(chat.to_string()),
            phone: None,
            identifier: chat.to_string(),
        };
    }
    let phone = who
        .phone
        .as_ref()
        .and_then(ChatId::phone)
        .or_else(|| chat.phone());
    let phone = phone.map(|phone| phone.to_string());
    let named = name.map(str::trim).filter(|name| !name.is_empty());
    Peer {
        key: who
            .contact_id
            .as_ref()
            .map_or_else(|| chat.to_string(), ToString::to_string),
        named: named.is_some(),
        chat: Some(chat.to_string()),
        name: named.map_or_else(
            || {
                phone
                    .as_ref()
                    .map_or_else(|| chat.to_string(), |digits| format!("+{digits}"))
            },
            str::to_owned,
        ),
        identifier: phone
            .as_ref()
            .map_or_else(|| chat.to_string(), |digits| format!("{digits}@c.us")),
        phone,
    }
}

/// Who wrote in a group, as agents know people.
fn writer(message: &MessagePayload) -> String {
    let number = message
        .who
        .phone
        .as_ref()
        .and_then(ChatId::phone)
        .map(|phone| format!("+{phone}"));
    match (message.notify_name.as_deref().map(str::trim), number) {
        (Some(name), Some(number)) if !name.is_empty() => format!("{name} ({number})"),
        (Some(name), None) if !name.is_empty() => name.to_owned(),
        (_, Some(number)) => number,
        _ => message
            .participant
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
    }
}

/// The text, and words for what a text cannot show.
fn content(message: &MessagePayload, words: &Words) -> String {
    let mut lines = Vec::new();
    if message.has_media || words.kind(&message.kind).is_some() {
        lines.push(medium(&message.kind, message.media.as_ref(), words));
    }
    if let Some(place) = &message.location {
        lines.push(format!(
            "https://maps.google.com/?q={},{}",
            place.latitude, place.longitude
        ));
    }
    lines.extend(message.vcards.iter().map(|card| vcard(card)));
    if let Some(text) = message.body.as_deref().filter(|text| !text.is_empty()) {
        lines.push(to_markdown(text));
    }
    lines.join("\n")
}

fn medium(kind: &str, media: Option<&MediaPayload>, words: &Words) -> String {
    let word = words.kind(kind).unwrap_or(kind);
    let name = media.and_then(|media| media.filename.as_deref());
    let size = media
        .and_then(|media| media.size)
        .map(|bytes| format!("{} kB", bytes.div_ceil(1000)));
    let details: Vec<_> = name.map(str::to_owned).into_iter().chain(size).collect();
    if details.is_empty() {
        format!("[{word}]")
    } else {
        format!("[{word}: {}]", details.join(", "))
    }
}

/// The name and numbers of a contact card.
fn vcard(card: &str) -> String {
    let value = |line: &str| {
        line.split_once(':')
            .map(|(_, value)| value.trim().to_owned())
    };
    let of = |wanted: &str| {
        let lines = card.lines().filter(move |line| {
            let name = line.split([':', ';']).next().unwrap_or_default();
            // Groups as in `item1.TEL`.
            name.rsplit('.')
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(wanted))
        });
        lines.filter_map(value).collect::<Vec<_>>()
    };
    let mut all = of("FN");
    all.extend(of("TEL"));
    format!("[{}]", all.join(", "))
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
