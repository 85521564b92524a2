//! Groups in the script's world.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{ScriptedConnection, ScriptedDriver, message_id};
use crate::driver::{DriverError, DriverEvent, GroupConnection};
use crate::group::{
    CreatedGroup, Group, GroupEdit, GroupSettings, GroupSummary, InviteCard, InviteCode,
    InviteInfo, JoinRequest, Joined, Member, MemberChange, MemberResult, NewGroup, Picture, Role,
};
use crate::id::{ChatId, PhoneNumber, WireId};
use crate::message::{GroupChange, GroupNotice, Person};

/// The groups there are, and who may be added to one.
#[derive(Debug, Default)]
pub(super) struct Groups {
    all: BTreeMap<ChatId, Scripted>,
    /// These let themselves only be invited.
    invite_only: BTreeSet<ChatId>,
    /// Who was sent an invite card, to which group.
    cards: Vec<(ChatId, ChatId)>,
    count: u64,
}

#[derive(Debug)]
struct Scripted {
    group: Group,
    picture: Option<Picture>,
    approval: bool,
    invite: InviteCode,
    requests: Vec<JoinRequest>,
    left: BTreeSet<ChatId>,
}

impl Scripted {
    fn role(&self, who: &ChatId) -> Option<Role> {
        let members = &self.group.members;
        members.iter().find(|m| m.person.id == *who).map(|m| m.role)
    }

    fn set_role(&mut self, who: &ChatId, role: Option<Role>) {
        self.group.members.retain(|m| m.person.id != *who);
        if let Some(role) = role {
            let person = Person::new(who.clone());
            self.group.members.push(Member { person, role });
        }
    }

    fn may(&self, who: &ChatId, needs_admin: bool) -> bool {
        match self.role(who) {
            Some(Role::Member) => !needs_admin,
            Some(_) => true,
            None => false,
        }
    }
}

impl Groups {
    fn found(&mut self, owner: &ChatId, subject: &str, community: bool) -> &mut Scripted {
        self.count += 1;
        let text = format!("120363{:012}@g.us", self.count);
        let Ok(id) = ChatId::new(&text) else {
            panic!("{text} is a group's id");
        };
        let group = Group {
            id: id.clone(),
            subject: subject.to_owned(),
            description: None,
            is_community: community,
            owner: Some(Person::new(owner.clone())),
            created_at: OffsetDateTime::now_utc().replace_nanosecond(0).ok(),
            is_admin: false,
            by_lid: false,
            settings: GroupSettings::default(),
            members: vec![Member {
                person: Person::new(owner.clone()),
                role: Role::Owner,
            }],
        };
        let invite = self.fresh_invite();
        self.all.entry(id).or_insert(Scripted {
            group,
            picture: None,
            approval: false,
            invite,
            requests: Vec::new(),
            left: BTreeSet::new(),
        })
    }

    fn fresh_invite(&mut self) -> InviteCode {
        self.count += 1;
        let text = format!("Invite{:016}", self.count);
        match InviteCode::new(&text) {
            Ok(code) => code,
            Err(error) => panic!("{text}: {error}"),
        }
    }

    fn by_invite(&mut self, invite: &InviteCode) -> Result<&mut Scripted, DriverError> {
        let found = self.all.values_mut().find(|group| group.invite == *invite);
        found.ok_or(DriverError::InviteUnknown)
    }

    /// Somebody's number for being added, and what they can be sent instead.
    fn addable(&mut self, group: &ChatId, who: &ChatId, invite: bool) -> MemberResult {
        let only_invited = self.invite_only.contains(who);
        let scripted = self.all.get(group);
        let code = match scripted {
            _ if who.user().starts_with("000") => 404,
            Some(scripted) if scripted.role(who).is_some() => 409,
            Some(scripted) if scripted.left.contains(who) => 408,
            _ if only_invited => 403,
            _ => 200,
        };
        let card = (code == 403).then(|| InviteCard {
            code: "Card000000000001".to_owned(),
            expires_at: None,
            sent: invite,
        });
        if code == 403 && invite {
            self.cards.push((who.clone(), group.clone()));
        }
        MemberResult::new(who.clone(), code, card)
    }
}

/// One thing that happened in a group, and to whom.
struct Told {
    word: &'static str,
    by: ChatId,
    members: Vec<ChatId>,
    text: Option<String>,
}

impl ScriptedDriver {
    /// Somebody founds a group.
    pub async fn found_group(
        &self,
        owner: &PhoneNumber,
        subject: &str,
        members: &[PhoneNumber],
    ) -> ChatId {
        let owner = ChatId::from(owner);
        let members: Vec<ChatId> = members.iter().map(ChatId::from).collect();
        let id = {
            let mut state = self.state();
            let scripted = state.groups.found(&owner, subject, false);
            for member in &members {
                scripted.set_role(member, Some(Role::Member));
            }
            scripted.group.id.clone()
        };
        self.tell_group(&id, told("add", &owner, members), &[])
            .await;
        id
    }

    /// A group as everybody sees it.
    pub fn group_of(&self, group: &ChatId) -> Option<Group> {
        let state = self.state();
        state.groups.all.get(group).map(|one| one.group.clone())
    }

    /// A group's picture.
    pub fn picture_of(&self, group: &ChatId) -> Option<Picture> {
        let state = self.state();
        state.groups.all.get(group)?.picture.clone()
    }

    /// A group's invite, as its link says it now.
    pub fn invite_of(&self, group: &ChatId) -> Option<InviteCode> {
        let state = self.state();
        state.groups.all.get(group).map(|one| one.invite.clone())
    }

    /// From now on who comes into the group by its link has to be let in.
    pub fn set_approval(&self, group: &ChatId, on: bool) {
        if let Some(scripted) = self.state().groups.all.get_mut(group) {
            scripted.approval = on;
        }
    }

    /// A number lets itself only be invited to groups.
    pub fn set_invite_only(&self, phone: &PhoneNumber) {
        self.state().groups.invite_only.insert(phone.into());
    }

    /// Who was sent an invite card, and to which group.
    pub fn invite_cards(&self) -> Vec<(ChatId, ChatId)> {
        self.state().groups.cards.clone()
    }

    /// Somebody asks to be let into a group.
    pub async fn ask_to_join(&self, group: &ChatId, phone: &PhoneNumber) {
        let who = ChatId::from(phone);
        if let Some(scripted) = self.state().groups.all.get_mut(group) {
            scripted.requests.push(JoinRequest {
                person: Person::new(who.clone()),
                at: None,
            });
        }
        let word = "membership_approval_request";
        self.tell_group(group, told(word, &who, vec![who.clone()]), &[])
            .await;
    }

    /// Tells every open session whose account is in the group, or has just gone.
    async fn tell_group(&self, group: &ChatId, told: Told, gone: &[ChatId]) {
        let notice = GroupNotice {
            id: message_id(false, group, &WireId::choose()),
            group: group.clone(),
            change: GroupChange::of_word(told.word),
            word: told.word.to_owned(),
            by: Some(Person::new(told.by)),
            members: told.members.into_iter().map(Person::new).collect(),
            text: told.text,
            at: OffsetDateTime::now_utc(),
        };
        for session in self.open_sessions() {
            let page = self.page(&session);
            let account = super::lock(&page.inside).account.clone();
            let Some(account) = account.as_ref().map(ChatId::from) else {
                continue;
            };
            let inside = {
                let state = self.state();
                let scripted = state.groups.all.get(group);
                scripted.is_some_and(|one| one.role(&account).is_some())
            };
            if inside || gone.contains(&account) {
                page.tell(DriverEvent::Group(notice.clone())).await;
            }
        }
    }
}

fn told(word: &'static str, by: &ChatId, members: Vec<ChatId>) -> Told {
    Told {
        word,
        by: by.clone(),
        members,
        text: None,
    }
}

impl ScriptedConnection {
    pub(super) async fn myself(&self, command: &'static str) -> Result<ChatId, DriverError> {
        self.alive(command).await?;
        Ok(ChatId::from(&self.account(command)?))
    }

    /// Does something with a group that this account is in.
    fn within<T>(
        &self,
        group: &ChatId,
        act: impl FnOnce(&mut Scripted) -> Result<T, DriverError>,
    ) -> Result<T, DriverError> {
        let me = ChatId::from(&self.account("group")?);
        let mut state = self.driver.state();
        let scripted = state.groups.all.get_mut(group);
        match scripted.filter(|one| one.role(&me).is_some()) {
            Some(scripted) => act(scripted),
            None => Err(DriverError::GroupUnknown {
                group: group.to_string(),
            }),
        }
    }

    fn as_admin(&self, group: &ChatId, command: &'static str) -> Result<(), DriverError> {
        let me = ChatId::from(&self.account(command)?);
        self.within(group, |one| {
            if one.may(&me, true) {
                Ok(())
            } else {
                Err(only_admins(command))
            }
        })
    }
}

fn only_admins(command: &'static str) -> DriverError {
    DriverError::NotAllowed {
        command,
        why: "only admins of the group may do that".to_owned(),
    }
}

#[async_trait]
impl GroupConnection for ScriptedConnection {
    async fn groups(&self) -> Result<Vec<GroupSummary>, DriverError> {
        let me = self.myself("list groups").await?;
        let state = self.driver.state();
        let mine = state
            .groups
            .all
            .values()
            .filter(|one| one.role(&me).is_some());
        Ok(mine
            .map(|one| GroupSummary {
                id: one.group.id.clone(),
                subject: one.group.subject.clone(),
                is_community: one.group.is_community,
                member_count: u32::try_from(one.group.members.len()).ok(),
                is_admin: Some(one.may(&me, true)),
                last_active_at: one.group.created_at,
            })
            .collect())
    }

    async fn group(&self, group: &ChatId) -> Result<Group, DriverError> {
        let me = self.myself("read group").await?;
        self.within(group, |one| {
            let is_admin = one.may(&me, true);
            Ok(Group {
                is_admin,
                ..one.group.clone()
            })
        })
    }

    async fn create_group(&self, new: &NewGroup) -> Result<CreatedGroup, DriverError> {
        let me = self.myself("create group").await?;
        let created = {
            let mut state = self.driver.state();
            let scripted = state.groups.found(&me, &new.subject, false);
            scripted.group.settings = new.settings;
            scripted.approval = new.approval;
            let id = scripted.group.id.clone();
            let results: Vec<_> = new
                .members
                .iter()
                .map(|who| {
                    let result = state.groups.addable(&id, who, false);
                    if let Some(one) = state.groups.all.get_mut(&id).filter(|_| result.is_done()) {
                        one.set_role(who, Some(Role::Member));
                    }
                    result
                })
                .collect();
            CreatedGroup {
                id,
                subject: new.subject.clone(),
                members: results,
                settings_applied: true,
            }
        };
        let founded = told("create", &me, Vec::new());
        self.driver.tell_group(&created.id, founded, &[]).await;
        let added = done(&created.members);
        if !added.is_empty() {
            let added = told("add", &me, added);
            self.driver.tell_group(&created.id, added, &[]).await;
        }
        Ok(created)
    }

    async fn change_members(
        &self,
        group: &ChatId,
        change: MemberChange,
        people: &[ChatId],
        invite: bool,
    ) -> Result<Vec<MemberResult>, DriverError> {
        const COMMAND: &str = "change members";
        let me = self.myself(COMMAND).await?;
        let free =
            change == MemberChange::Add && !self.group(group).await?.settings.only_admins_add;
        if !free {
            self.as_admin(group, COMMAND)?;
        }
        let results: Vec<_> = {
            let mut state = self.driver.state();
            let change_one = |who: &ChatId| {
                if change == MemberChange::Add {
                    let result = state.groups.addable(group, who, invite);
                    if let Some(one) = state.groups.all.get_mut(group).filter(|_| result.is_done())
                    {
                        one.set_role(who, Some(Role::Member));
                    }
                    return result;
                }
                let Some(one) = state.groups.all.get_mut(group) else {
                    return MemberResult::new(who.clone(), 404, None);
                };
                let code = match (one.role(who), change) {
                    (None, _) => 404,
                    (Some(Role::Owner), MemberChange::Remove | MemberChange::Demote) => 401,
                    (Some(Role::Member), MemberChange::Demote)
                    | (Some(Role::Admin | Role::Owner), MemberChange::Promote) => 409,
                    _ => 200,
                };
                if code == 200 {
                    one.set_role(
                        who,
                        match change {
                            MemberChange::Remove => None,
                            MemberChange::Promote => Some(Role::Admin),
                            _ => Some(Role::Member),
                        },
                    );
                }
                MemberResult::new(who.clone(), code, None)
            };
            people.iter().map(change_one).collect()
        };
        let changed = done(&results);
        if !changed.is_empty() {
            let gone = if change == MemberChange::Remove {
                changed.clone()
            } else {
                Vec::new()
            };
            let notice = told(change.as_str(), &me, changed);
            self.driver.tell_group(group, notice, &gone).await;
        }
        Ok(results)
    }

    async fn edit_group(&self, group: &ChatId, edit: &GroupEdit) -> Result<(), DriverError> {
        const COMMAND: &str = "edit group";
        let me = self.myself(COMMAND).await?;
        let setting = !matches!(
            edit,
            GroupEdit::Subject(_) | GroupEdit::Description(_) | GroupEdit::Picture(_)
        );
        if setting || self.group(group).await?.settings.only_admins_edit {
            self.as_admin(group, COMMAND)?;
        }
        let (word, text) = self.within(group, |one| {
            let settings = &mut one.group.settings;
            Ok(match edit {
                GroupEdit::Subject(subject) => {
                    one.group.subject.clone_from(subject);
                    ("subject", Some(subject.clone()))
                }
                GroupEdit::Description(text) => {
                    one.group.description = Some(text.clone()).filter(|text| !text.is_empty());
                    ("description", Some(text.clone()))
                }
                GroupEdit::Picture(picture) => {
                    one.picture.clone_from(picture);
                    ("picture", None)
                }
                GroupEdit::OnlyAdminsWrite(on) => {
                    settings.only_admins_write = *on;
                    ("announce", None)
                }
                GroupEdit::OnlyAdminsEdit(on) => {
                    settings.only_admins_edit = *on;
                    ("restrict", None)
                }
                GroupEdit::OnlyAdminsAdd(on) => {
                    settings.only_admins_add = *on;
                    ("member_add_mode", None)
                }
                GroupEdit::Disappearing(time) => {
                    settings.disappearing = Some(*time);
                    ("ephemeral", None)
                }
            })
        })?;
        let notice = Told {
            text,
            ..told(word, &me, Vec::new())
        };
        self.driver.tell_group(group, notice, &[]).await;
        Ok(())
    }

    async fn group_invite(&self, group: &ChatId, anew: bool) -> Result<InviteCode, DriverError> {
        const COMMAND: &str = "group invite";
        self.myself(COMMAND).await?;
        self.as_admin(group, COMMAND)?;
        if anew {
            let mut state = self.driver.state();
            let fresh = state.groups.fresh_invite();
            if let Some(one) = state.groups.all.get_mut(group) {
                one.invite = fresh;
            }
        }
        self.within(group, |one| Ok(one.invite.clone()))
    }

    async fn invite_info(&self, invite: &InviteCode) -> Result<InviteInfo, DriverError> {
        self.myself("read invite").await?;
        let mut state = self.driver.state();
        let group = &state.groups.by_invite(invite)?.group;
        Ok(InviteInfo {
            id: group.id.clone(),
            subject: Some(group.subject.clone()),
            description: group.description.clone(),
            owner: group.owner.clone(),
            created_at: group.created_at,
            member_count: u32::try_from(group.members.len()).ok(),
        })
    }

    async fn join_group(&self, invite: &InviteCode) -> Result<Joined, DriverError> {
        let me = self.myself("join group").await?;
        let (joined, word) = {
            let mut state = self.driver.state();
            let one = state.groups.by_invite(invite)?;
            let id = one.group.id.clone();
            if one.role(&me).is_some() {
                return Ok(Joined { id, pending: false });
            }
            if one.approval {
                one.requests.push(JoinRequest {
                    person: Person::new(me.clone()),
                    at: None,
                });
                (Joined { id, pending: true }, "membership_approval_request")
            } else {
                one.set_role(&me, Some(Role::Member));
                (Joined { id, pending: false }, "invite")
            }
        };
        let notice = told(word, &me, vec![me.clone()]);
        self.driver.tell_group(&joined.id, notice, &[]).await;
        Ok(joined)
    }

    async fn join_requests(&self, group: &ChatId) -> Result<Vec<JoinRequest>, DriverError> {
        const COMMAND: &str = "list join requests";
        self.myself(COMMAND).await?;
        self.as_admin(group, COMMAND)?;
        self.within(group, |one| Ok(one.requests.clone()))
    }

    async fn answer_join_requests(
        &self,
        group: &ChatId,
        approve: bool,
        people: &[ChatId],
    ) -> Result<Vec<MemberResult>, DriverError> {
        const COMMAND: &str = "answer join requests";
        let me = self.myself(COMMAND).await?;
        self.as_admin(group, COMMAND)?;
        let results = self.within(group, |one| {
            let answer = |who: &ChatId| {
                let before = one.requests.len();
                one.requests.retain(|request| request.person.id != *who);
                if one.requests.len() == before {
                    return MemberResult::new(who.clone(), 404, None);
                }
                if approve {
                    one.set_role(who, Some(Role::Member));
                }
                MemberResult::new(who.clone(), 200, None)
            };
            Ok(people.iter().map(answer).collect::<Vec<_>>())
        })?;
        if approve {
            let notice = told("add", &me, done(&results));
            self.driver.tell_group(group, notice, &[]).await;
        }
        Ok(results)
    }

    async fn leave_group(&self, group: &ChatId) -> Result<(), DriverError> {
        let me = self.myself("leave group").await?;
        self.within(group, |one| {
            one.set_role(&me, None);
            one.left.insert(me.clone());
            Ok(())
        })?;
        let notice = told("leave", &me, vec![me.clone()]);
        self.driver.tell_group(group, notice, &[me]).await;
        Ok(())
    }
}

fn done(results: &[MemberResult]) -> Vec<ChatId> {
    let done = results.iter().filter(|one| one.is_done());
    done.map(|one| one.id.clone()).collect()
}
