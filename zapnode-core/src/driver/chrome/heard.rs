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
    pub(super) fn read(&self) -> Option<Person> {
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
    /// The page has it as history.
    #[serde(default)]
    pub(crate) is_old: bool,
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
    kind: Option<String>,
    text: Option<String>,
}

impl PageDetails {
    fn read(self) -> Details {
        let reply_to = self.reply_to.and_then(|quoted| {
            Some(Quoted {
                id: WireId::new(&quoted.id).ok()?,
                from: quoted.from.as_ref().and_then(PagePerson::read),
                kind: quoted.kind,
                text: quoted.text,
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
    /// The page has it as history.
    #[serde(default)]
    is_old: bool,
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
    /// Whether the page has it as history, and it is told because it may have been missed.
    fn is_old(&self) -> bool {
        false
    }

    /// Reads it; `None` when its ids are strange.
    fn read(self, now: OffsetDateTime) -> Option<DriverEvent>;
}

impl Heard for PageMessage {
    fn name(&self) -> &'static str {
        "a message"
    }

    fn is_old(&self) -> bool {
        self.is_old
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

    fn is_old(&self) -> bool {
        self.is_old
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
mod tests;
