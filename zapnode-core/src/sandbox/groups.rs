//! Groups of the simulated WhatsApp: who is in them, and the notices of what happens there (fact
//! sheet §5.6).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Map;
use time::OffsetDateTime;

use super::account::{Item, Marks, PhoneMessage};
use super::faults::Addressing;
use super::phone::PhoneError;
use super::world::World;
use crate::id::{InvalidChatId, PhoneNumber, WireId};
use crate::message::{InvalidRecipient, Recipient};

/// Names a group: `…@g.us`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(String);

impl GroupId {
    fn choose() -> Self {
        // As the real ones: eighteen digits that begin so.
        Self(format!(
            "120363{:012}@g.us",
            fastrand::u64(..1_000_000_000_000)
        ))
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where something is written: to a person, or into a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// A chat with a person.
    Person(PhoneNumber),
    /// A group.
    Group(GroupId),
}

impl FromStr for Place {
    type Err = InvalidRecipient;

    /// Reads a number, or a group's id; no other chat is a place here.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Recipient::parse(text)? {
            Recipient::Phone(phone) => Ok(Self::Person(phone)),
            Recipient::Chat(chat) if chat.is_group() => Ok(Self::Group(GroupId(chat.into()))),
            Recipient::Chat(chat) => Err(InvalidChatId(chat.into()).into()),
        }
    }
}

impl From<PhoneNumber> for Place {
    fn from(phone: PhoneNumber) -> Self {
        Self::Person(phone)
    }
}

impl From<GroupId> for Place {
    fn from(group: GroupId) -> Self {
        Self::Group(group)
    }
}

/// What happened in a group, as the phones in it show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// WhatsApp's word.
    pub word: String,
    /// Whom it concerns.
    pub members: Vec<PhoneNumber>,
}

/// A group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) subject: String,
    pub(super) description: String,
    pub(super) owner: PhoneNumber,
    /// Everybody in it, and whether they are an admin.
    pub(super) members: BTreeMap<PhoneNumber, bool>,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created: OffsetDateTime,
}

/// What somebody does in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupAct {
    /// Takes others in, as an admin.
    Add(Vec<PhoneNumber>),
    /// Puts others out, as an admin.
    Remove(Vec<PhoneNumber>),
    /// Comes in by a link.
    Join,
    /// Asks to be let in.
    RequestToJoin,
    /// Goes.
    Leave,
    /// Makes others admins, as an admin.
    Promote(Vec<PhoneNumber>),
    /// Makes admins plain members, as an admin.
    Demote(Vec<PhoneNumber>),
    /// Gives it another name.
    Subject(String),
    /// Gives it another description.
    Description(String),
    /// Gives it another picture.
    Picture,
    /// Lets only admins write, or everybody.
    Announce(bool),
}

impl World {
    /// Whether groups name their members by LID, as they do except in the oldest build.
    pub(super) fn groups_by_lid(&self) -> bool {
        self.faults.addressing != Addressing::Pn
    }

    /// Who is in a group besides one.
    pub(super) fn others_in(&self, group: &GroupId, one: &PhoneNumber) -> Vec<PhoneNumber> {
        let members = self.groups.get(group).map(|group| group.members.keys());
        let others = members.into_iter().flatten().filter(|other| *other != one);
        others.cloned().collect()
    }

    /// Whether somebody is in a group.
    pub(super) fn is_in(&self, group: &GroupId, who: &PhoneNumber) -> bool {
        let group = self.groups.get(group);
        group.is_some_and(|group| group.members.contains_key(who))
    }

    /// Founds a group; its owner is its first admin.
    pub(super) fn found(
        &mut self,
        owner: &PhoneNumber,
        subject: &str,
        members: &[PhoneNumber],
    ) -> Result<GroupId, PhoneError> {
        if !Self::exists(owner) || members.iter().any(|member| !Self::exists(member)) {
            return Err(PhoneError::NotOnWhatsApp);
        }
        let id = GroupId::choose();
        let mut all: BTreeMap<_, _> = members.iter().map(|one| (one.clone(), false)).collect();
        all.insert(owner.clone(), true);
        for member in all.keys() {
            self.account(member);
        }
        self.groups.insert(
            id.clone(),
            Group {
                id: id.clone(),
                subject: subject.to_owned(),
                description: String::new(),
                owner: owner.clone(),
                members: all,
                created: OffsetDateTime::now_utc(),
            },
        );
        let others = self.others_in(&id, owner);
        self.notify(&id, owner, "create", Vec::new(), subject, &[]);
        if !others.is_empty() {
            self.notify(&id, owner, "add", others, "", &[]);
        }
        Ok(id)
    }

    /// Somebody does something in a group.
    pub(super) fn act_in_group(
        &mut self,
        by: &PhoneNumber,
        id: &GroupId,
        act: GroupAct,
    ) -> Result<(), PhoneError> {
        if !Self::exists(by) {
            return Err(PhoneError::NotOnWhatsApp);
        }
        let group = self.groups.get_mut(id).ok_or(PhoneError::NoSuchGroup)?;
        let role = group.members.get(by).copied();
        let outside = matches!(act, GroupAct::Join | GroupAct::RequestToJoin);
        match (&act, role) {
            (_, Some(_)) if outside => return Err(PhoneError::InGroupAlready),
            (_, None) if !outside => return Err(PhoneError::NotInGroup),
            (
                GroupAct::Add(_)
                | GroupAct::Remove(_)
                | GroupAct::Promote(_)
                | GroupAct::Demote(_)
                | GroupAct::Announce(_),
                Some(false),
            ) => return Err(PhoneError::NotAdmin),
            _ => {}
        }
        if let GroupAct::Remove(others) | GroupAct::Promote(others) | GroupAct::Demote(others) =
            &act
            && others.iter().any(|one| !group.members.contains_key(one))
        {
            return Err(PhoneError::NotInGroup);
        }
        let me = || vec![by.clone()];
        let (word, concerned, body, gone) = match act {
            GroupAct::Add(others) => {
                if others.iter().any(|one| !Self::exists(one)) {
                    return Err(PhoneError::NotOnWhatsApp);
                }
                for other in &others {
                    group.members.entry(other.clone()).or_insert(false);
                }
                ("add", others, String::new(), Vec::new())
            }
            GroupAct::Remove(others) => {
                group.members.retain(|member, _| !others.contains(member));
                ("remove", others.clone(), String::new(), others)
            }
            GroupAct::Join => {
                group.members.insert(by.clone(), false);
                ("invite", me(), String::new(), Vec::new())
            }
            GroupAct::RequestToJoin => (
                "membership_approval_request",
                me(),
                String::new(),
                Vec::new(),
            ),
            GroupAct::Leave => {
                group.members.remove(by);
                ("leave", me(), String::new(), me())
            }
            GroupAct::Promote(others) => {
                for other in &others {
                    group.members.insert(other.clone(), true);
                }
                ("promote", others, String::new(), Vec::new())
            }
            GroupAct::Demote(others) => {
                for other in &others {
                    group.members.insert(other.clone(), false);
                }
                ("demote", others, String::new(), Vec::new())
            }
            GroupAct::Subject(subject) => {
                group.subject.clone_from(&subject);
                ("subject", Vec::new(), subject, Vec::new())
            }
            GroupAct::Description(description) => {
                group.description.clone_from(&description);
                ("description", Vec::new(), description, Vec::new())
            }
            GroupAct::Picture => ("picture", Vec::new(), String::new(), Vec::new()),
            GroupAct::Announce(on) => {
                let body = if on { "on" } else { "off" };
                ("announce", Vec::new(), body.to_owned(), Vec::new())
            }
        };
        for member in &concerned {
            self.account(member);
        }
        self.notify(id, by, word, concerned, &body, &gone);
        Ok(())
    }

    /// Puts a notice on every phone of the group, and on those of who has just gone.
    fn notify(
        &mut self,
        group: &GroupId,
        by: &PhoneNumber,
        word: &str,
        members: Vec<PhoneNumber>,
        body: &str,
        gone: &[PhoneNumber],
    ) {
        let id = WireId::choose();
        let notice = PhoneMessage {
            id: id.clone(),
            chat: by.clone(),
            group: Some(group.clone()),
            from_me: false,
            text: body.to_owned(),
            kind: "gp2".to_owned(),
            at: OffsetDateTime::now_utc(),
            ack: 3,
            deliveries: 1,
            unknown_sender: false,
            quoted: None,
            mentions: Vec::new(),
            fields: Map::new(),
            notice: Some(Notice {
                word: word.to_owned(),
                members,
            }),
            edited: false,
            revoked: false,
            deleted: false,
            reactions: BTreeMap::new(),
            marks: Marks::default(),
        };
        let members = self.groups.get(group).map(|group| group.members.keys());
        let mut everybody: Vec<_> = members.into_iter().flatten().cloned().collect();
        everybody.extend(gone.iter().cloned());
        for member in everybody {
            self.account(&member).push(notice.clone());
            let item = Item::Msg {
                id: id.clone(),
                from_me: false,
            };
            self.keep_for_devices(&member, &item, None);
        }
    }
}
