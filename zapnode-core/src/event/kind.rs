//! Which events there are: their names, and what each carries.

use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::payload::{
    AckPayload, CallPayload, ContactMerged, EditedPayload, FailedPayload, GroupParticipants,
    GroupUpdate, MessagePayload, NoticePayload, PollVotePayload, ReactionPayload, RevokedPayload,
    SessionRemoved, SessionStatus, WaitingPayload,
};
use crate::id::ChatId;

/// Declares each event once: variant, payload, word, and the chat it is about.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $word:literal, $chat:expr;)*) => {
        /// Names an event. New ones may be added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EventName {
            $($(#[$doc])* $variant,)*
        }

        impl EventName {
            /// All names.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word on our wires.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Reads the word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        /// What happened, with what it carries.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* $variant(Box<$payload>),)*
            /// An event of a later or an earlier version, as it was written.
            Other {
                /// Its name.
                name: String,
                /// What it carries.
                payload: Value,
            },
        }

        impl EventKind {
            /// Its name, as `message.ack`.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant(_) => $word,)*
                    Self::Other { name, .. } => name,
                }
            }

            /// The chat it is about; absent for what concerns a session as a whole.
            pub fn chat(&self) -> Option<&ChatId> {
                match self {
                    $(Self::$variant(payload) => {
                        let chat: fn(&$payload) -> Option<&ChatId> = $chat;
                        chat(payload)
                    })*
                    Self::Other { .. } => None,
                }
            }

            /// What it carries, as JSON.
            ///
            /// # Errors
            /// Never for what this program made.
            pub fn payload(&self) -> serde_json::Result<String> {
                match self {
                    $(Self::$variant(payload) => serde_json::to_string(payload),)*
                    Self::Other { payload, .. } => serde_json::to_string(payload),
                }
            }

            /// Reads an event by its name and its payload as JSON. One that does not read as its
            /// name says is [`EventKind::Other`], so that an old log never stops a reader.
            pub(crate) fn parse(name: &str, payload: &str) -> serde_json::Result<Self> {
                let known = match name {
                    $($word => serde_json::from_str(payload).ok().map(Self::$variant),)*
                    _ => None,
                };
                match known {
                    Some(known) => Ok(known),
                    None => Ok(Self::Other {
                        name: name.to_owned(),
                        payload: serde_json::from_str(payload)?,
                    }),
                }
            }
        }

        impl Serialize for EventKind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut both = serializer.serialize_struct("EventKind", 2)?;
                both.serialize_field("event", self.name())?;
                match self {
                    $(Self::$variant(payload) => both.serialize_field("payload", payload)?,)*
                    Self::Other { payload, .. } => both.serialize_field("payload", payload)?,
                }
                both.end()
            }
        }
    };
}

events! {
    /// The session is in another state, or in it for another reason.
    Status(SessionStatus) = "session.status", |_| None;
    /// The session was removed. Ours; WAHA has no such event.
    Removed(SessionRemoved) = "session.removed", |_| None;
    /// Somebody wrote. Told once for each message.
    Message(MessagePayload) = "message", |m| Some(&m.chat_id);
    /// A message, whoever wrote it: also this account on another device, and what was sent through
    /// us (once WhatsApp's server has it). Told besides `message`.
    MessageAny(MessagePayload) = "message.any", |m| Some(&m.chat_id);
    /// A message of this account came further, and that is stored. In order, each step once.
    Ack(AckPayload) = "message.ack", |a| Some(&a.chat_id);
    /// A message that was to be sent through us was not sent and will not be. Ours; WAHA tells a
    /// refusal by WhatsApp as an ack only, which is told besides.
    Failed(FailedPayload) = "message.failed", |f| f.chat_id.as_ref();
    /// A message's text was changed.
    Edited(EditedPayload) = "message.edited", |e| Some(&e.chat_id);
    /// A message is gone.
    Revoked(RevokedPayload) = "message.revoked", |r| Some(&r.chat_id);
    /// A reaction was put on a message, changed, or taken away (then its text is empty).
    Reaction(ReactionPayload) = "message.reaction", |r| Some(&r.chat_id);
    /// Somebody voted in a poll, or took the vote back (then nothing is selected).
    PollVote(PollVotePayload) = "poll.vote", |v| Some(&v.chat_id);
    /// A chat shows something that nobody wrote: a number that changed, a missed call. Ours.
    Notice(NoticePayload) = "chat.notice", |n| Some(&n.chat_id);
    /// A message came that cannot be read yet; when it can, it is told as `message`.
    Waiting(WaitingPayload) = "message.waiting", |w| Some(&w.chat_id);
    /// Somebody calls.
    Call(CallPayload) = "call.received", |c| Some(&c.chat_id);
    /// This account was added to a group, or joined it.
    GroupJoin(GroupParticipants) = "group.v2.join", |g| Some(&g.group.id);
    /// This account left a group, or was removed from it.
    GroupLeave(GroupParticipants) = "group.v2.leave", |g| Some(&g.group.id);
    /// Somebody joined, left, was made an admin or is none any more, asks to be let in, or has
    /// another number.
    GroupParticipants(GroupParticipants) = "group.v2.participants", |g| Some(&g.group.id);
    /// Something else of a group changed: subject, description, picture, settings.
    GroupUpdate(GroupUpdate) = "group.v2.update", |g| Some(&g.group.id);
    /// Two contacts were found to be the same person; from now on the older id is given. Ours.
    ContactMerged(ContactMerged) = "contact.merged", |_| None;
}

impl std::fmt::Display for EventName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Both {
            event: String,
            payload: Value,
        }
        let Both { event, payload } = Both::deserialize(deserializer)?;
        Self::parse(&event, &payload.to_string()).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use serde_json::json;

    #[test]
    fn an_envelope_is_wahas_and_reads_back() {
        let wire = json!({
            "id": "evt_01JY0000000000000000000000",
            "sequence": 7,
            "timestamp": 1_760_522_400_123_i64,
            "session": "shop",
            "me": {"id": "244929782402@c.us", "lid": null, "pushName": "Ana"},
            "event": "message.revoked",
            "payload": {
                "revokedMessageId": "false_5511912345678@c.us_3EB0AABBCCDD",
                "revokedFor": "everyone",
                "timestamp": 1_760_522_400,
                "from": "5511912345678@c.us",
                "to": "244929782402@c.us",
                "fromMe": false,
                "participant": null,
                "chatId": "5511912345678@c.us",
                "contactId": "ctc_01JY0000000000000000000000",
                "phone": "5511912345678@c.us",
                "lid": null,
                "before": null,
                "after": null,
            },
        });
        let event: Event = serde_json::from_value(wire.clone()).expect("reads");
        assert_eq!(
            event.kind.chat().expect("one").as_str(),
            "5511912345678@c.us"
        );
        assert!(matches!(event.kind, EventKind::Revoked(_)));
        assert_eq!(serde_json::to_value(&event).expect("writes"), wire);
    }

    #[test]
    fn what_is_not_known_is_handed_on_as_it_is() {
        for (name, payload) in [
            ("presence.update", json!({"id": "1@c.us"})),
            ("message.ack", json!({"written": "by a later version"})),
        ] {
            let text = payload.to_string();
            let kind = EventKind::parse(name, &text).expect("reads");
            assert_eq!(kind.name(), name);
            assert_eq!(
                kind,
                EventKind::Other {
                    name: name.to_owned(),
                    payload
                }
            );
            assert_eq!(kind.payload().expect("writes"), text);
        }
    }
}
