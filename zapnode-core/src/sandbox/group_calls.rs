//! What pages ask the servers about groups (fact sheet §6.1), and who may.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::groups::{Group, GroupAct, GroupId, fresh_invite};
use super::phone::PhoneError;
use super::world::World;
use crate::id::PhoneNumber;

/// One question or order. People are named by any of their addresses.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum GroupCall {
    Create {
        subject: String,
        members: Vec<String>,
        announce: bool,
        restrict: bool,
        admins_add: bool,
        approval: bool,
        ephemeral: u32,
        parent: Option<String>,
    },
    Get {
        group: String,
    },
    Add {
        group: String,
        member: String,
    },
    Change {
        group: String,
        what: Change,
        members: Vec<String>,
    },
    Subject {
        group: String,
        text: String,
    },
    Description {
        group: String,
        text: String,
        previous: Option<String>,
    },
    Property {
        group: String,
        name: String,
        value: u32,
    },
    Picture {
        group: String,
        data: Option<String>,
    },
    Invite {
        group: String,
        anew: bool,
    },
    InviteInfo {
        code: String,
    },
    Join {
        code: String,
    },
    JoinByCard {
        code: String,
        group: String,
    },
    Requests {
        group: String,
    },
    Answer {
        group: String,
        member: String,
        approve: bool,
    },
    Leave {
        group: String,
    },
}

/// What is done with members for which the page's call tells nothing of each.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Change {
    Remove,
    Promote,
    Demote,
}

/// A group as a phone shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupView {
    /// Its name.
    pub subject: String,
    /// What it is for.
    pub description: String,
    /// Who is in it, by number.
    pub members: Vec<PhoneNumber>,
    /// Those of them who are admins.
    pub admins: Vec<PhoneNumber>,
    /// Who asks to be let in.
    pub requests: Vec<PhoneNumber>,
    /// Its picture, as a data address.
    pub picture: Option<String>,
    /// Whether only admins may write.
    pub announce: bool,
    /// Whether only admins may change subject, description and picture.
    pub restrict: bool,
    /// Whether only admins may add others.
    pub admins_add: bool,
    /// Whether admins let in who comes by the link.
    pub approval: bool,
    /// After how many seconds messages disappear; 0: never.
    pub ephemeral: u32,
}

impl GroupView {
    pub(super) fn of(group: &Group) -> Self {
        let admins = group.members.iter().filter(|(_, admin)| **admin);
        Self {
            subject: group.subject.clone(),
            description: group.description.clone(),
            members: group.members.keys().cloned().collect(),
            admins: admins.map(|(member, _)| member.clone()).collect(),
            requests: group.requests.keys().cloned().collect(),
            picture: group.picture.clone(),
            announce: group.settings.announce,
            restrict: group.settings.restrict,
            admins_add: group.settings.admins_add,
            approval: group.settings.approval,
            ephemeral: group.settings.ephemeral,
        }
    }
}

fn status(error: &PhoneError) -> u16 {
    match error {
        PhoneError::NotAdmin | PhoneError::NotInGroup => 403,
        PhoneError::InGroupAlready => 409,
        _ => 404,
    }
}

impl World {
    /// Whether somebody's message to a group is taken.
    pub(super) fn may_write(&self, group: &GroupId, who: &PhoneNumber) -> bool {
        self.groups.get(group).is_some_and(|group| {
            let role = group.members.get(who);
            !group.community && role.is_some_and(|admin| *admin || !group.settings.announce)
        })
    }

    /// Answers a page's question about groups; a refusal has a number.
    pub(super) fn group_call(&mut self, me: &PhoneNumber, call: GroupCall) -> Result<Value, u16> {
        if self.faults.refuse_groups != 0 {
            return Err(self.faults.refuse_groups);
        }
        let null = |()| Value::Null;
        match call {
            GroupCall::Create {
                subject,
                members,
                announce,
                restrict,
                admins_add,
                approval,
                ephemeral,
                parent,
            } => {
                if subject.is_empty() {
                    return Err(406);
                }
                let parent = parent
                    .map(|parent| self.as_admin(me, &parent))
                    .transpose()?;
                let mut told = Vec::new();
                let mut added = Vec::new();
                let mut invited = Vec::new();
                for wid in &members {
                    let person = self.person(wid).ok_or(404_u16)?;
                    let card = self.account(&person).invite_only.then(fresh_invite);
                    match card {
                        Some(code) => {
                            told.push(json!({"wid": wid, "error": "403", "code": code}));
                            invited.push((code, person));
                        }
                        None => {
                            told.push(json!({"wid": wid}));
                            added.push(person);
                        }
                    }
                }
                let founded = self.found(me, &subject, &added, |group| {
                    group.settings.announce = announce;
                    group.settings.restrict = restrict;
                    group.settings.admins_add = admins_add;
                    group.settings.approval = approval;
                    group.settings.ephemeral = ephemeral;
                    group.parent = parent;
                    group.cards = invited.into_iter().collect();
                });
                let id = founded.map_err(|error| status(&error))?;
                Ok(json!({
                    "id": id,
                    "participants": told,
                    "frame": self.frame_for(&id)?,
                }))
            }
            GroupCall::Get { group } => {
                let id = self.mine(me, &group)?;
                self.frame_for(&id)
            }
            GroupCall::Add { group, member } => self.add_member(me, &group, &member),
            GroupCall::Change {
                group,
                what,
                members,
            } => self.change_members(me, &group, what, &members).map(null),
            GroupCall::Subject { group, text } => {
                if text.is_empty() {
                    return Err(406);
                }
                self.acts(me, &group, GroupAct::Subject(text)).map(null)
            }
            GroupCall::Description {
                group,
                text,
                previous,
            } => {
                let id = self.mine(me, &group)?;
                let known = self
                    .groups
                    .get(&id)
                    .and_then(|one| one.description_id.clone());
                // Somebody else was quicker.
                if known != previous {
                    return Err(409);
                }
                self.acts(me, &group, GroupAct::Description(text)).map(null)
            }
            GroupCall::Property { group, name, value } => {
                let act = match &*name {
                    "announcement" => GroupAct::Announce(value == 1),
                    "restrict" => GroupAct::Restrict(value == 1),
                    "member_add_mode" => GroupAct::AdminsAdd(value == 0),
                    "ephemeral" => GroupAct::Ephemeral(value),
                    _ => return Err(400),
                };
                self.acts(me, &group, act).map(null)
            }
            GroupCall::Picture { group, data } => {
                self.acts(me, &group, GroupAct::Picture)?;
                let id = self.mine(me, &group)?;
                if let Some(group) = self.groups.get_mut(&id) {
                    group.picture = data;
                }
                Ok(Value::Null)
            }
            GroupCall::Invite { group, anew } => {
                let id = self.as_admin(me, &group)?;
                let group = self.groups.get_mut(&id).ok_or(404_u16)?;
                if anew {
                    group.invite = None;
                }
                Ok(json!({"code": group.invite()}))
            }
            GroupCall::InviteInfo { code } => {
                let id = self.invited_to(&code)?;
                Ok(json!({"id": id, "frame": self.frame_for(&id)?}))
            }
            GroupCall::Join { code } => {
                let id = self.invited_to(&code)?;
                let approval = self
                    .groups
                    .get(&id)
                    .is_some_and(|one| one.settings.approval);
                let joined = self.act_in_group(me, &id, GroupAct::Join);
                joined.map_err(|error| status(&error))?;
                Ok(json!({"id": id, "approval": approval}))
            }
            GroupCall::JoinByCard { code, group } => {
                let id = self.group_named(&group)?;
                let known = self.groups.get_mut(&id).ok_or(404_u16)?;
                if known.cards.get(&code) != Some(me) {
                    return Err(410);
                }
                known.cards.remove(&code);
                known.members.insert(me.clone(), false);
                self.notify(&id, me, "invite", vec![me.clone()], "", &[]);
                Ok(json!({"id": id}))
            }
            GroupCall::Requests { group } => {
                let id = self.as_admin(me, &group)?;
                let group = self.groups.get(&id).cloned().ok_or(404_u16)?;
                Ok(json!(self.group_frame(&group).requests))
            }
            GroupCall::Answer {
                group,
                member,
                approve,
            } => {
                self.as_admin(me, &group)?;
                let Some(person) = self.person(&member) else {
                    return Ok(json!(404));
                };
                let act = if approve {
                    GroupAct::Approve(vec![person])
                } else {
                    GroupAct::Reject(vec![person])
                };
                Ok(json!(match self.acts(me, &group, act) {
                    Ok(()) => 200,
                    Err(_) => 404,
                }))
            }
            GroupCall::Leave { group } => self.acts(me, &group, GroupAct::Leave).map(null),
        }
    }

    fn group_named(&self, wid: &str) -> Result<GroupId, u16> {
        let known = self.groups.keys().find(|group| group.as_str() == wid);
        known.cloned().ok_or(404)
    }

    /// A group that somebody is in.
    fn mine(&self, me: &PhoneNumber, wid: &str) -> Result<GroupId, u16> {
        let id = self.group_named(wid)?;
        self.is_in(&id, me).then_some(id).ok_or(403)
    }

    fn as_admin(&self, me: &PhoneNumber, wid: &str) -> Result<GroupId, u16> {
        let id = self.mine(me, wid)?;
        let group = self.groups.get(&id);
        let admin = group.and_then(|group| group.members.get(me));
        (admin == Some(&true)).then_some(id).ok_or(403)
    }

    fn invited_to(&self, code: &str) -> Result<GroupId, u16> {
        let mut groups = self.groups.values();
        let found = groups.find(|group| group.invite.as_deref() == Some(code));
        found.map(|group| group.id.clone()).ok_or(406)
    }

    fn frame_for(&mut self, id: &GroupId) -> Result<Value, u16> {
        let group = self.groups.get(id).cloned().ok_or(404_u16)?;
        serde_json::to_value(self.group_frame(&group)).map_err(|_| 500)
    }

    fn acts(&mut self, me: &PhoneNumber, wid: &str, act: GroupAct) -> Result<(), u16> {
        let id = self.group_named(wid)?;
        let done = self.act_in_group(me, &id, act);
        done.map_err(|error| status(&error))
    }

    /// Adds one person, or says by its number why not.
    fn add_member(&mut self, me: &PhoneNumber, wid: &str, member: &str) -> Result<Value, u16> {
        let id = self.mine(me, wid)?;
        let limit = self.faults.group_limit;
        let person = self.person(member);
        let invite_only = person
            .as_ref()
            .is_some_and(|person| self.account(person).invite_only);
        let group = self.groups.get_mut(&id).ok_or(404_u16)?;
        if group.settings.admins_add && group.members.get(me) != Some(&true) {
            return Err(403);
        }
        let Some(person) = person else {
            return Ok(json!({"error": "404"}));
        };
        let error = if group.members.contains_key(&person) {
            409
        } else if group.members.len() >= limit {
            419
        } else if group.left.contains(&person) {
            408
        } else if invite_only {
            let code = fresh_invite();
            group.cards.insert(code.clone(), person);
            let expires = time::OffsetDateTime::now_utc().unix_timestamp() + 259_200;
            return Ok(json!({"error": "403", "code": code, "expires": expires}));
        } else {
            self.acts(me, wid, GroupAct::Add(vec![person]))?;
            return Ok(json!({}));
        };
        Ok(json!({"error": error.to_string()}))
    }

    /// Whom it cannot be done to is passed over in silence, as by the page's own calls.
    fn change_members(
        &mut self,
        me: &PhoneNumber,
        wid: &str,
        what: Change,
        members: &[String],
    ) -> Result<(), u16> {
        let id = self.as_admin(me, wid)?;
        let people: Vec<_> = members.iter().filter_map(|one| self.person(one)).collect();
        let group = self.groups.get(&id).ok_or(404_u16)?;
        let possible = |one: &PhoneNumber| {
            let untouchable = *one == group.owner && !matches!(what, Change::Promote);
            group.members.contains_key(one) && !untouchable
        };
        let people: Vec<_> = people.into_iter().filter(possible).collect();
        if people.is_empty() {
            return Ok(());
        }
        let act = match what {
            Change::Remove => GroupAct::Remove(people),
            Change::Promote => GroupAct::Promote(people),
            Change::Demote => GroupAct::Demote(people),
        };
        self.acts(me, wid, act)
    }
}
