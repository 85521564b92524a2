//! What the bridge tells of the world, read into the contract's words. A strange one is left out:
//! nothing could be done with it.

use serde::Deserialize;
use time::OffsetDateTime;

use crate::driver::DriverEvent;
use crate::id::{ChatId, MessageId, WireId};
use crate::message::{
    Ack, Call, Decryption, Details, Edit, GroupChange, GroupNotice, IncomingMessage, Location,
    MediaFacts, Person, Quoted, Reaction, Revoke, RevokedFor, WaitingMessage,
};

/// A person as the bridge names them.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PagePerson {
    pub(crate) id: String,
    pub(crate) phone: Option<String>,
    pub(crate) lid: Option<String>,
}

impl PagePerson {
    fn read(&self) -> Option<Person> {
        let optional = |text: &Option<String>| text.as_deref().and_then(chat);
        Some(Person {
            id: chat(&self.id)?,
            phone: optional(&self.phone).filter(ChatId::is_phone),
            lid: optional(&self.lid).filter(ChatId::is_lid),
        })
    }
}

fn people(list: &[PagePerson]) -> Vec<Person> {
    list.iter().filter_map(PagePerson::read).collect()
}

/// A message as the bridge reads it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageMessage {
    pub(crate) id: String,
    pub(crate) chat: String,
    pub(crate) from: PagePerson,
    pub(crate) name: Option<String>,
    pub(crate) from_me: bool,
    pub(crate) kind: String,
    pub(crate) text: Option<String>,
    /// Unix seconds.
    pub(crate) at: Option<i64>,
    #[serde(flatten)]
    pub(crate) details: PageDetails,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PageDetails {
    ack: Option<i64>,
    reply_to: Option<PageQuoted>,
    mentions: Vec<PagePerson>,
    media: Option<MediaFacts>,
    location: Option<Location>,
    vcards: Vec<String>,
    is_forwarded: bool,
    forwarding_score: u32,
    is_ephemeral: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct PageQuoted {
    id: String,
    from: Option<PagePerson>,
}

impl PageDetails {
    fn read(self) -> Details {
        let reply_to = self.reply_to.and_then(|quoted| {
            Some(Quoted {
                id: WireId::new(&quoted.id).ok()?,
                from: quoted.from.as_ref().and_then(PagePerson::read),
            })
        });
        let on_earth = |place: &Location| {
            (-90.0..=90.0).contains(&place.latitude) && (-180.0..=180.0).contains(&place.longitude)
        };
        Details {
            ack: self.ack.map(Ack::from_number),
            reply_to,
            mentions: people(&self.mentions),
            media: self.media,
            location: self.location.filter(on_earth),
            vcards: self.vcards,
            is_forwarded: self.is_forwarded,
            forwarding_score: self.forwarding_score,
            is_ephemeral: self.is_ephemeral,
        }
    }
}

/// A message that cannot be read yet.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageWaiting {
    id: String,
    chat: String,
    from: PagePerson,
    from_me: bool,
    decryption: Decryption,
    at: Option<i64>,
}

/// An edit.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageEdit {
    id: String,
    chat: String,
    from: PagePerson,
    from_me: bool,
    text: Option<String>,
    previous: Option<String>,
    /// Unix milliseconds.
    at: Option<f64>,
}

/// A message that is gone.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageRevoke {
    id: String,
    chat: String,
    from: PagePerson,
    from_me: bool,
    revoked_for: RevokedFor,
}

/// A reaction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageReaction {
    message: String,
    chat: String,
    from: PagePerson,
    from_me: bool,
    emoji: Option<String>,
    is_orphan: bool,
    /// Unix milliseconds.
    at: f64,
}

/// A call.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageCall {
    id: String,
    from: PagePerson,
    is_video: bool,
    is_group: bool,
    participants: Vec<PagePerson>,
    /// Unix milliseconds.
    at: f64,
}

/// A notice of a group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageGroup {
    id: String,
    group: String,
    word: String,
    by: Option<PagePerson>,
    members: Vec<PagePerson>,
    text: Option<String>,
    at: Option<i64>,
}

/// Something that can be told.
pub(crate) trait Heard {
    /// What it is, for the log.
    fn name(&self) -> &'static str;
    /// Reads it; `None` when its ids are strange.
    fn read(self, now: OffsetDateTime) -> Option<DriverEvent>;
}

impl Heard for PageMessage {
    fn name(&self) -> &'static str {
        "a message"
    }

    fn read(self, now: OffsetDateTime) -> Option<DriverEvent> {
        let from = self.from.read()?;
        Some(DriverEvent::Message(Box::new(IncomingMessage {
            id: MessageId::new(&self.id).ok()?,
            chat: chat(&self.chat)?,
            from: from.id,
            from_phone: from.phone,
            from_lid: from.lid,
            name: self.name,
            from_me: self.from_me,
            kind: self.kind,
            text: self.text,
            at: seconds(self.at, now),
            details: self.details.read(),
        })))
    }
}

impl Heard for PageWaiting {
    fn name(&self) -> &'static str {
        "a message that cannot be read yet"
    }

    fn read(self, now: OffsetDateTime) -> Option<DriverEvent> {
        Some(DriverEvent::Waiting(WaitingMessage {
            id: MessageId::new(&self.id).ok()?,
            chat: chat(&self.chat)?,
            from: self.from.read()?,
            from_me: self.from_me,
            decryption: self.decryption,
            at: seconds(self.at, now),
        }))
    }
}

impl Heard for PageEdit {
    fn name(&self) -> &'static str {
        "an edit"
    }

    fn read(self, now: OffsetDateTime) -> Option<DriverEvent> {
        Some(DriverEvent::Edited(Edit {
            id: MessageId::new(&self.id).ok()?,
            chat: chat(&self.chat)?,
            from: self.from.read()?,
            from_me: self.from_me,
            text: self.text,
            previous: self.previous,
            at: self.at.map_or(now, |at| milliseconds(at, now)),
        }))
    }
}

impl Heard for PageRevoke {
    fn name(&self) -> &'static str {
        "a revoke"
    }

    fn read(self, now: OffsetDateTime) -> Option<DriverEvent> {
        Some(DriverEvent::Revoked(Revoke {
            id: MessageId::new(&self.id).ok()?,
            chat: chat(&self.chat)?,
            from: self.from.read()?,
            from_me: self.from_me,
            revoked_for: self.revoked_for,
            at: now,
        }))
    }
}

impl Heard for PageReaction {
    fn name(&self) -> &'static str {
        "a reaction"
    }

    fn read(self, now: OffsetDateTime) -> Option<DriverEvent> {
        Some(DriverEvent::Reaction(Reaction {
            message: MessageId::new(&self.message).ok()?,
            chat: chat(&self.chat)?,
            from: self.from.read()?,
            from_me: self.from_me,
            emoji: self.emoji.filter(|emoji| !emoji.is_empty()),
            is_orphan: self.is_orphan,
            at: milliseconds(self.at, now),
        }))
    }
}

impl Heard for PageCall {
    fn name(&self) -> &'static str {
        "a call"
    }

    fn read(self, now: OffsetDateTime) -> Option<DriverEvent> {
        Some(DriverEvent::Call(Call {
            id: Some(self.id).filter(|id| !id.is_empty())?,
            from: self.from.read()?,
            is_video: self.is_video,
            is_group: self.is_group,
            participants: people(&self.participants),
            at: milliseconds(self.at, now),
        }))
    }
}

impl Heard for PageGroup {
    fn name(&self) -> &'static str {
        "a notice of a group"
    }

    fn read(self, now: OffsetDateTime) -> Option<DriverEvent> {
        let by = self.by.as_ref().and_then(PagePerson::read);
        let mut members = people(&self.members);
        // Who leaves, or asks to be let in, may be named as the one who acts only.
        if members.is_empty() && matches!(&*self.word, "leave" | "membership_approval_request") {
            members.extend(by.clone());
        }
        Some(DriverEvent::Group(GroupNotice {
            id: MessageId::new(&self.id).ok()?,
            group: chat(&self.group).filter(ChatId::is_group)?,
            change: GroupChange::of_word(&self.word),
            word: self.word,
            by,
            members,
            text: self.text,
            at: seconds(self.at, now),
        }))
    }
}

fn chat(text: &str) -> Option<ChatId> {
    ChatId::new(text).ok()
}

fn seconds(at: Option<i64>, now: OffsetDateTime) -> OffsetDateTime {
    at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok())
        .unwrap_or(now)
}

fn milliseconds(at: f64, now: OffsetDateTime) -> OffsetDateTime {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a cast saturates, and no date is made of that"
    )]
    let nanoseconds = (at as i128).saturating_mul(1_000_000);
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn read<T: Heard + serde::de::DeserializeOwned>(data: Value) -> Option<DriverEvent> {
        let heard: T = serde_json::from_value(data).expect("the bridge's own words");
        heard.read(NOW)
    }

    fn with(mut data: Value, changes: Value) -> Value {
        let changes = changes.as_object().cloned().unwrap_or_default();
        if let Some(data) = data.as_object_mut() {
            data.extend(changes);
        }
        data
    }

    fn message() -> Value {
        json!({
            "id": "false_120363041@g.us_3EB0AABBCCDDEEFF_77@lid", "chat": "120363041@g.us",
            "from": {"id": "77@lid", "phone": "244929782402@c.us", "lid": "77@lid"},
            "name": null, "fromMe": false, "kind": "image", "text": "olha", "at": 1_800_000_000,
            "ack": 1,
            "replyTo": {"id": "3EB0112233445566", "from": {"id": "78@lid", "phone": null, "lid": "78@lid"}},
            "mentions": [{"id": "78@lid", "phone": null, "lid": "78@lid"}, {"id": "?", "phone": null, "lid": null}],
            "media": {"mimeType": "image/jpeg", "fileName": null, "size": 1234, "duration": null, "isGif": false},
            "location": null, "vcards": [], "isForwarded": true, "forwardingScore": 3, "isEphemeral": true,
            "newer": {"than": "this"},
        })
    }

    #[test]
    fn a_message_with_all_it_carries() {
        let Some(DriverEvent::Message(read)) = read::<PageMessage>(message()) else {
            panic!("no message");
        };
        assert_eq!(read.writer().phone, chat("244929782402@c.us"));
        let details = read.details;
        assert_eq!(details.ack, Some(Ack::Server));
        let quoted = details.reply_to.expect("a quote");
        assert_eq!(quoted.id.as_str(), "3EB0112233445566");
        assert_eq!(quoted.from.and_then(|person| person.lid), chat("78@lid"));
        assert_eq!(details.mentions.len(), 1);
        assert_eq!(details.media.expect("a medium").size, Some(1234));
        assert!(details.is_forwarded && details.forwarding_score == 3 && details.is_ephemeral);
    }

    #[test]
    fn what_is_strange_is_left_out_and_takes_nothing_with_it() {
        let place = |latitude: f64| json!({"location": {"latitude": latitude, "longitude": 13.2}});
        for (change, fits) in [
            (json!({"id": "rubbish"}), false),
            (json!({"chat": "nowhere"}), false),
            (
                json!({"from": {"id": "x", "phone": null, "lid": null}}),
                false,
            ),
            (json!({"replyTo": {"id": "?", "from": null}}), true),
            (place(-8.8), true),
            (place(91.0), true),
            (json!({"at": null}), true),
            (json!({"at": i64::MAX}), true),
        ] {
            let read = read::<PageMessage>(with(message(), change.clone()));
            assert_eq!(read.is_some(), fits, "{change}");
            if let Some(DriverEvent::Message(message)) = read {
                let on_earth = change["location"]["latitude"] == json!(-8.8);
                assert_eq!(message.details.location.is_some(), on_earth, "{change}");
                assert!(change.get("at").is_none() || message.at == NOW);
            }
        }
    }

    #[test]
    fn a_name_of_the_wrong_kind_is_no_name() {
        let person = PagePerson {
            id: "77@lid".to_owned(),
            phone: Some("78@lid".to_owned()),
            lid: Some("77@lid".to_owned()),
        };
        let person = person.read().expect("a person");
        assert_eq!((person.phone, person.lid), (None, chat("77@lid")));
    }

    fn notice(word: &str, by: &str, members: &[&str]) -> Option<DriverEvent> {
        let person = |id: &&str| json!({"id": id, "phone": null, "lid": id});
        read::<PageGroup>(json!({
            "id": "false_120363041@g.us_3EB0AABBCCDDEEFF_77@lid", "group": "120363041@g.us",
            "word": word, "by": person(&by), "members": members.iter().map(person).collect::<Vec<_>>(),
            "text": null, "at": 1_800_000_000,
        }))
    }

    #[test]
    fn notices_of_groups() {
        for (word, members, change, concerned) in [
            ("add", &["78@lid"][..], GroupChange::Joined, &["78@lid"][..]),
            ("leave", &[], GroupChange::Left, &["77@lid"]),
            ("leave", &["77@lid"], GroupChange::Left, &["77@lid"]),
            (
                "membership_approval_request",
                &[],
                GroupChange::JoinRequested,
                &["77@lid"],
            ),
            ("subject", &[], GroupChange::Updated, &[]),
        ] {
            let Some(DriverEvent::Group(read)) = notice(word, "77@lid", members) else {
                panic!("no notice of {word}");
            };
            assert_eq!((read.change, &*read.word), (change, word));
            assert_eq!(read.by.map(|person| person.id), chat("77@lid"), "{word}");
            let members: Vec<_> = read.members.iter().map(|one| one.id.as_str()).collect();
            assert_eq!(members, concerned, "{word}");
        }
    }

    #[test]
    fn other_happenings() {
        let from = json!({"id": "77@lid", "phone": null, "lid": "77@lid"});
        let call = json!({
            "id": "CALL1", "from": from, "isVideo": true, "isGroup": false, "participants": [],
            "at": 1_800_000_000_123_i64,
        });
        let Some(DriverEvent::Call(read_call)) = read::<PageCall>(call.clone()) else {
            panic!("no call");
        };
        assert_eq!(
            read_call.at.unix_timestamp_nanos() / 1_000_000,
            1_800_000_000_123
        );
        assert_eq!(read::<PageCall>(with(call, json!({"id": ""}))), None);
        let edit = json!({
            "id": "false_77@lid_3EB0AABBCCDDEEFF", "chat": "77@lid", "from": from, "fromMe": false,
            "text": "novo", "previous": null, "at": null,
        });
        let Some(DriverEvent::Edited(edit)) = read::<PageEdit>(edit) else {
            panic!("no edit");
        };
        assert_eq!((edit.text.as_deref(), edit.at), (Some("novo"), NOW));
        // Out of any calendar.
        let reaction = json!({
            "message": "true_77@lid_3EB0AABBCCDDEEFF", "chat": "77@lid", "from": from,
            "fromMe": false, "emoji": "", "isOrphan": true, "at": 1e300,
        });
        let Some(DriverEvent::Reaction(reaction)) = read::<PageReaction>(reaction) else {
            panic!("no reaction");
        };
        assert_eq!((reaction.emoji, reaction.at), (None, NOW));
    }
}
