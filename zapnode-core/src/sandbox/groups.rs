//! Groups of the simulated WhatsApp: who is in them, and the notices of what happens there (fact
//! sheet §5.6).

use std::collections::{BTreeMap, BTreeSet};
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
    #[serde(default)]
    pub(super) settings: Settings,
    /// Names the description, so that two who change it at once do not overwrite each other.
    #[serde(default)]
    pub(super) description_id: Option<String>,
    /// As a data address.
    #[serde(default)]
    pub(super) picture: Option<String>,
    /// What is at the end of its link; made when it is first asked for.
    #[serde(default)]
    pub(super) invite: Option<String>,
    /// Who asks to be let in, since when in Unix seconds.
    #[serde(default)]
    pub(super) requests: BTreeMap<PhoneNumber, i64>,
    /// Who left by themselves.
    #[serde(default)]
    pub(super) left: BTreeSet<PhoneNumber>,
    /// Cards that let one person in.
    #[serde(default)]
    pub(super) cards: BTreeMap<String, PhoneNumber>,
    /// It is a community, and has no messages of its own.
    #[serde(default)]
    pub(super) community: bool,
    /// The community it is in.
    #[serde(default)]
    pub(super) parent: Option<GroupId>,
}

/// What a group's admins have chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Settings {
    /// Only admins write.
    pub(super) announce: bool,
    /// Only admins change subject, description and picture.
    pub(super) restrict: bool,
    /// Only admins add others.
    pub(super) admins_add: bool,
    /// Admins let in who comes by the link.
    pub(super) approval: bool,
    /// After how many seconds messages disappear; 0: never.
    pub(super) ephemeral: u32,
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
    /// Lets only admins change subject, description and picture, or everybody.
    Restrict(bool),
    /// Lets only admins add others, or everybody.
    AdminsAdd(bool),
    /// Has admins let in who comes by the link, or lets everybody in.
    Approval(bool),
    /// Lets messages disappear after so many seconds; 0: never.
    Ephemeral(u32),
    /// Lets people in who asked for it, as an admin.
    Approve(Vec<PhoneNumber>),
    /// Turns away who asked to be let in, as an admin.
    Reject(Vec<PhoneNumber>),
}

impl GroupAct {
    /// Whether only an admin may do that in this group.
    fn needs_admin(&self, settings: &Settings) -> bool {
        match self {
            Self::Add(_) => settings.admins_add,
            Self::Subject(_) | Self::Description(_) | Self::Picture => settings.restrict,
            Self::Join | Self::RequestToJoin | Self::Leave => false,
            _ => true,
        }
    }
}

/// What a notice tells.
struct Told {
    word: &'static str,
    concerned: Vec<PhoneNumber>,
    body: String,
    /// Who is not in the group any more, and is told all the same.
    gone: Vec<PhoneNumber>,
}

impl Group {
    /// What is at the end of its link.
    pub(super) fn invite(&mut self) -> String {
        self.invite.get_or_insert_with(fresh_invite).clone()
    }

    /// Does what was found to be allowed; `None` where there is nothing to tell of it.
    fn done(&mut self, by: &PhoneNumber, act: GroupAct) -> Option<Told> {
        let told = |word, concerned: Vec<PhoneNumber>| Told {
            word,
            concerned,
            body: String::new(),
            gone: Vec::new(),
        };
        let switched = |word, on: bool| Told {
            body: if on { "on" } else { "off" }.to_owned(),
            ..told(word, Vec::new())
        };
        let me = || vec![by.clone()];
        Some(match act {
            GroupAct::Add(others) => {
                for other in &others {
                    self.members.entry(other.clone()).or_insert(false);
                    self.requests.remove(other);
                }
                told("add", others)
            }
            GroupAct::Remove(others) => {
                self.members.retain(|member, _| !others.contains(member));
                Told {
                    gone: others.clone(),
                    ..told("remove", others)
                }
            }
            GroupAct::Join if self.settings.approval => {
                return self.done(by, GroupAct::RequestToJoin);
            }
            GroupAct::Join => {
                self.members.insert(by.clone(), false);
                self.requests.remove(by);
                self.left.remove(by);
                told("invite", me())
            }
            GroupAct::RequestToJoin => {
                let now = OffsetDateTime::now_utc().unix_timestamp();
                self.requests.insert(by.clone(), now);
                told("membership_approval_request", me())
            }
            GroupAct::Approve(others) => {
                for other in &others {
                    self.members.insert(other.clone(), false);
                    self.requests.remove(other);
                    self.left.remove(other);
                }
                told("add", others)
            }
            GroupAct::Reject(others) => {
                self.requests.retain(|one, _| !others.contains(one));
                return None;
            }
            GroupAct::Leave => {
                self.members.remove(by);
                self.left.insert(by.clone());
                Told {
                    gone: me(),
                    ..told("leave", me())
                }
            }
            GroupAct::Promote(others) => {
                for other in &others {
                    self.members.insert(other.clone(), true);
                }
                told("promote", others)
            }
            GroupAct::Demote(others) => {
                for other in &others {
                    self.members.insert(other.clone(), false);
                }
                told("demote", others)
            }
            GroupAct::Subject(subject) => {
                self.subject.clone_from(&subject);
                Told {
                    body: subject,
                    ..told("subject", Vec::new())
                }
            }
            GroupAct::Description(description) => {
                self.description.clone_from(&description);
                self.description_id = Some(WireId::choose().to_string());
                Told {
                    body: description,
                    ..told("description", Vec::new())
                }
            }
            GroupAct::Picture => told("picture", Vec::new()),
            GroupAct::Announce(on) => {
                self.settings.announce = on;
                switched("announce", on)
            }
            GroupAct::Restrict(on) => {
                self.settings.restrict = on;
                switched("restrict", on)
            }
            GroupAct::AdminsAdd(on) => {
                self.settings.admins_add = on;
                switched("member_add_mode", on)
            }
            GroupAct::Approval(on) => {
                self.settings.approval = on;
                switched("membership_approval_mode", on)
            }
            GroupAct::Ephemeral(seconds) => {
                self.settings.ephemeral = seconds;
                Told {
                    body: seconds.to_string(),
                    ..told("ephemeral", Vec::new())
                }
            }
        })
    }
}

/// As the real ones: 22 letters and digits.
pub(super) fn fresh_invite() -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(22)
        .collect()
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
        more: impl FnOnce(&mut Group),
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
        let mut group = Group {
            id: id.clone(),
            subject: subject.to_owned(),
            description: String::new(),
            owner: owner.clone(),
            members: all,
            created: OffsetDateTime::now_utc(),
            settings: Settings::default(),
            description_id: None,
            picture: None,
            invite: None,
            requests: BTreeMap::new(),
            left: BTreeSet::new(),
            cards: BTreeMap::new(),
            community: false,
            parent: None,
        };
        more(&mut group);
        self.groups.insert(id.clone(), group);
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
        let outside = matches!(act, GroupAct::Join | GroupAct::RequestToJoin);
        match group.members.get(by) {
            Some(_) if outside => return Err(PhoneError::InGroupAlready),
            None if !outside => return Err(PhoneError::NotInGroup),
            Some(false) if act.needs_admin(&group.settings) => return Err(PhoneError::NotAdmin),
            _ => {}
        }
        match &act {
            GroupAct::Remove(others) | GroupAct::Promote(others) | GroupAct::Demote(others)
                if others.iter().any(|one| !group.members.contains_key(one)) =>
            {
                return Err(PhoneError::NotInGroup);
            }
            GroupAct::Approve(others) | GroupAct::Reject(others)
                if others.iter().any(|one| !group.requests.contains_key(one)) =>
            {
                return Err(PhoneError::NotInGroup);
            }
            GroupAct::Add(others) if others.iter().any(|one| !Self::exists(one)) => {
                return Err(PhoneError::NotOnWhatsApp);
            }
            _ => {}
        }
        let Some(told) = group.done(by, act) else {
            return Ok(());
        };
        for member in &told.concerned {
            self.account(member);
        }
        self.notify(id, by, told.word, told.concerned, &told.body, &told.gone);
        Ok(())
    }

    /// Puts a notice on every phone of the group, and on those of who has just gone.
    pub(super) fn notify(
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
