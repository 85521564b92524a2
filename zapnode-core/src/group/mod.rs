//! Groups: what they are, who is in them, and what can be changed (fact sheet §6.1).

use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::OffsetDateTime;

use crate::id::ChatId;
use crate::message::Person;

mod invite;
mod members;
mod picture;

pub use invite::{InvalidInvite, InviteCard, InviteCode, InviteInfo, JoinRequest, Joined};
pub use members::{MemberChange, MemberOutcome, MemberResult};
pub use picture::{InvalidPicture, MAX_PICTURE_BYTES, Picture, PictureKind};

/// The most characters of a group's subject, as in WhatsApp's own clients.
pub const MAX_SUBJECT_CHARACTERS: usize = 100;

/// The most characters of a group's description, as in WhatsApp's own clients.
pub const MAX_DESCRIPTION_CHARACTERS: usize = 2048;

/// The most people that one call may name: as many as a group can have.
pub const MAX_MEMBERS: usize = 1024;

/// A group in the list of them: what the page has without asking WhatsApp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSummary {
    /// Its id, `…@g.us`.
    pub id: ChatId,
    /// Its name.
    pub subject: String,
    /// Whether it is a community, which is written to through its groups only (fact sheet §4.2).
    pub is_community: bool,
    /// How many are in it, where the page knows.
    pub member_count: Option<u32>,
    /// Whether this account is an admin of it, where the page knows who is in it.
    pub is_admin: Option<bool>,
    /// When something was last written there, to the second.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_active_at: Option<OffsetDateTime>,
}

/// A group as WhatsApp's server knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its id, `…@g.us`.
    pub id: ChatId,
    /// Its name.
    pub subject: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is a community, which is written to through its groups only (fact sheet §4.2).
    pub is_community: bool,
    /// Who founded it.
    pub owner: Option<Person>,
    /// When, to the second.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// Whether this account is an admin of it.
    pub is_admin: bool,
    /// Whether it names its members by LID instead of by number (fact sheet §0.4).
    pub by_lid: bool,
    /// What its admins have chosen.
    pub settings: GroupSettings,
    /// Who is in it.
    pub members: Vec<Member>,
}

/// What the admins of a group have chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupSettings {
    /// Only admins may write (`announce`).
    pub only_admins_write: bool,
    /// Only admins may change subject, description and picture (`restrict`).
    pub only_admins_edit: bool,
    /// Only admins may add others (`memberAddMode`).
    pub only_admins_add: bool,
    /// After how long messages disappear, where the page says.
    pub disappearing: Option<Disappearing>,
}

/// How soon new messages disappear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Disappearing {
    /// They stay.
    #[default]
    Off,
    /// After 24 hours.
    Day,
    /// After 7 days.
    Week,
    /// After 90 days.
    Quarter,
}

impl Disappearing {
    /// In seconds, as WhatsApp counts it; 0: never.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Off => 0,
            Self::Day => 86_400,
            Self::Week => 604_800,
            Self::Quarter => 7_776_000,
        }
    }

    /// The one with so many seconds; `None` for a time that WhatsApp's clients do not offer.
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        [Self::Off, Self::Day, Self::Week, Self::Quarter]
            .into_iter()
            .find(|one| u64::from(one.seconds()) == seconds)
    }
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Who, by the names that are known.
    #[serde(flatten)]
    pub person: Person,
    /// What they may do.
    pub role: Role,
}

/// What somebody may do in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Write, as far as the settings allow.
    Member,
    /// Change the group and who is in it.
    Admin,
    /// An admin whom no other can remove: who founded it.
    Owner,
}

/// A group to found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewGroup {
    /// Its name, 1 to [`MAX_SUBJECT_CHARACTERS`].
    pub subject: String,
    /// Who shall be in it besides this account: people, at most [`MAX_MEMBERS`].
    pub members: Vec<ChatId>,
    /// What holds there from the start.
    pub settings: GroupSettings,
    /// Whether who comes by the link has to be let in by an admin.
    pub approval: bool,
    /// The community it belongs to.
    pub community: Option<ChatId>,
}

impl NewGroup {
    /// A group with WhatsApp's usual settings.
    pub fn new(subject: impl Into<String>, members: Vec<ChatId>) -> Self {
        Self {
            subject: subject.into(),
            members,
            settings: GroupSettings::default(),
            approval: false,
            community: None,
        }
    }

    /// Says whether it can be founded at all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidGroup> {
        check_subject(&self.subject)?;
        check_people(&self.members)?;
        match &self.community {
            Some(community) if !community.is_group() => Err(InvalidGroup::NotAGroup),
            _ => Ok(()),
        }
    }
}

/// A group that was founded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedGroup {
    /// Its id.
    pub id: ChatId,
    /// Its name.
    pub subject: String,
    /// What became of each that was named, in that order.
    pub members: Vec<MemberResult>,
    /// Whether the wanted settings hold there. If not, the group exists all the same: set them anew.
    pub settings_applied: bool,
}

/// One change of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupEdit {
    /// Another name, 1 to [`MAX_SUBJECT_CHARACTERS`].
    Subject(String),
    /// Another description, at most [`MAX_DESCRIPTION_CHARACTERS`]; an empty one removes it.
    Description(String),
    /// Another picture; `None` removes it.
    Picture(Option<Picture>),
    /// Whether only admins may write.
    OnlyAdminsWrite(bool),
    /// Whether only admins may change subject, description and picture.
    OnlyAdminsEdit(bool),
    /// Whether only admins may add others.
    OnlyAdminsAdd(bool),
    /// How soon new messages disappear.
    Disappearing(Disappearing),
}

impl GroupEdit {
    /// Says whether the change is possible at all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), InvalidGroup> {
        match self {
            Self::Subject(subject) => check_subject(subject),
            Self::Description(text) => match text.chars().count() {
                0..=MAX_DESCRIPTION_CHARACTERS => Ok(()),
                count => Err(InvalidGroup::Description(count)),
            },
            _ => Ok(()),
        }
    }
}

/// What cannot be asked of a group.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidGroup {
    /// No subject, or one that is too long.
    #[error("a group's subject has 1 to {MAX_SUBJECT_CHARACTERS} characters; got {0}")]
    Subject(usize),
    /// The description is too long.
    #[error("a group's description has at most {MAX_DESCRIPTION_CHARACTERS} characters; got {0}")]
    Description(usize),
    /// Nobody is named where somebody must be.
    #[error("name at least one person")]
    Nobody,
    /// Too many are named.
    #[error("at most {MAX_MEMBERS} people can be named at once; got {0}")]
    TooMany(usize),
    /// Something else than a person is named.
    #[error("{0} is no person: members are named by phone number, …@c.us or …@lid")]
    NotAPerson(ChatId),
    /// Something else than a group is named.
    #[error("a group's id reads …@g.us")]
    NotAGroup,
}

fn check_subject(subject: &str) -> Result<(), InvalidGroup> {
    match subject.trim().chars().count() {
        1..=MAX_SUBJECT_CHARACTERS => Ok(()),
        count => Err(InvalidGroup::Subject(count)),
    }
}

/// Says whether all of these can be members, and are not too many.
///
/// # Errors
/// What is wrong with them.
pub fn check_people(people: &[ChatId]) -> Result<(), InvalidGroup> {
    if people.len() > MAX_MEMBERS {
        return Err(InvalidGroup::TooMany(people.len()));
    }
    match people.iter().find(|one| !(one.is_phone() || one.is_lid())) {
        Some(other) => Err(InvalidGroup::NotAPerson(other.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(text: &str) -> ChatId {
        ChatId::new(text).expect("a chat")
    }

    #[test]
    fn groups_are_checked_before_anybody_is_asked() {
        let ana = || vec![chat("244929782402@c.us")];
        for (subject, members, community, expected) in [
            ("Obra", ana(), None, Ok(())),
            ("Obra", vec![], None, Ok(())),
            ("Obra", vec![chat("77@lid")], Some(chat("12@g.us")), Ok(())),
            ("  ", ana(), None, Err(InvalidGroup::Subject(0))),
            (&*"é".repeat(100), ana(), None, Ok(())),
            (
                &*"é".repeat(101),
                ana(),
                None,
                Err(InvalidGroup::Subject(101)),
            ),
            (
                "Obra",
                vec![chat("12@g.us")],
                None,
                Err(InvalidGroup::NotAPerson(chat("12@g.us"))),
            ),
            (
                "Obra",
                vec![chat("77@lid"); 1025],
                None,
                Err(InvalidGroup::TooMany(1025)),
            ),
            (
                "Obra",
                ana(),
                Some(chat("77@lid")),
                Err(InvalidGroup::NotAGroup),
            ),
        ] {
            let new = NewGroup {
                community,
                ..NewGroup::new(subject, members)
            };
            assert_eq!(new.check(), expected, "{subject}");
        }
        for (edit, expected) in [
            (GroupEdit::Description(String::new()), Ok(())),
            (
                GroupEdit::Description("x".repeat(2049)),
                Err(InvalidGroup::Description(2049)),
            ),
            (
                GroupEdit::Subject(String::new()),
                Err(InvalidGroup::Subject(0)),
            ),
            (GroupEdit::OnlyAdminsWrite(true), Ok(())),
        ] {
            assert_eq!(edit.check(), expected, "{edit:?}");
        }
    }

    #[test]
    fn times_to_disappear_are_those_that_whatsapp_offers() {
        for one in [
            Disappearing::Off,
            Disappearing::Day,
            Disappearing::Week,
            Disappearing::Quarter,
        ] {
            assert_eq!(
                Disappearing::from_seconds(u64::from(one.seconds())),
                Some(one)
            );
        }
        assert_eq!(Disappearing::from_seconds(60), None);
    }
}
