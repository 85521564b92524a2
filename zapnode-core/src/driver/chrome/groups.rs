//! Groups: what the bridge says of them, read into the contract's words.

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::bridge::Command;
use super::connection::{ChromeConnection, strange};
use super::heard::PagePerson;
use crate::driver::{DriverError, GroupConnection};
use crate::group::{
    CreatedGroup, Disappearing, Group, GroupEdit, GroupSettings, GroupSummary, InviteCard,
    InviteCode, InviteInfo, JoinRequest, Joined, Member, MemberChange, MemberResult, NewGroup,
    Role,
};
use crate::id::ChatId;
use crate::message::Person;

/// Each person may cost a question to WhatsApp and a call of their own.
const MANY: u64 = 180;

const GROUPS: Command = Command::new("list groups", "groups", 15);
const GROUP: Command = Command::new("read group", "group", 30);
const CREATE: Command = Command::new("create group", "createGroup", MANY);
const MEMBERS: Command = Command::new("change members", "changeMembers", MANY);
const EDIT: Command = Command::new("edit group", "editGroup", 45);
const INVITE: Command = Command::new("group invite", "groupInvite", 30);
const INVITE_INFO: Command = Command::new("read invite", "inviteInfo", 30);
const JOIN: Command = Command::new("join group", "joinGroup", 45);
const REQUESTS: Command = Command::new("list join requests", "joinRequests", 30);
const ANSWER: Command = Command::new("answer join requests", "answerJoinRequests", MANY);
const LEAVE: Command = Command::new("leave group", "leaveGroup", 30);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageSummary {
    id: String,
    subject: String,
    is_community: bool,
    member_count: Option<u32>,
    is_admin: Option<bool>,
    at: Option<i64>,
}

impl PageSummary {
    fn read(self) -> Option<GroupSummary> {
        Some(GroupSummary {
            id: group_id(&self.id)?,
            subject: self.subject,
            is_community: self.is_community,
            member_count: self.member_count,
            is_admin: self.is_admin,
            last_active_at: moment(self.at),
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageGroupData {
    id: String,
    subject: String,
    description: Option<String>,
    is_community: bool,
    owner: Option<PagePerson>,
    at: Option<i64>,
    is_admin: bool,
    by_lid: bool,
    only_admins_write: bool,
    only_admins_edit: bool,
    only_admins_add: bool,
    disappearing: Option<u64>,
    members: Vec<PageMember>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMember {
    #[serde(flatten)]
    person: PagePerson,
    is_admin: bool,
    is_owner: bool,
}

impl PageMember {
    fn read(&self) -> Option<Member> {
        let role = match (self.is_owner, self.is_admin) {
            (true, _) => Role::Owner,
            (false, true) => Role::Admin,
            (false, false) => Role::Member,
        };
        let person = self.person.read()?;
        Some(Member { person, role })
    }
}

impl PageGroupData {
    fn read(self) -> Option<Group> {
        Some(Group {
            id: group_id(&self.id)?,
            subject: self.subject,
            description: self.description,
            is_community: self.is_community,
            owner: read_person(self.owner.as_ref()),
            created_at: moment(self.at),
            is_admin: self.is_admin,
            by_lid: self.by_lid,
            settings: GroupSettings {
                only_admins_write: self.only_admins_write,
                only_admins_edit: self.only_admins_edit,
                only_admins_add: self.only_admins_add,
                disappearing: self.disappearing.and_then(Disappearing::from_seconds),
            },
            members: self.members.iter().filter_map(PageMember::read).collect(),
        })
    }
}

/// What became of one person; the list's order is that of the question.
#[derive(Debug, Deserialize)]
struct PageResult {
    code: u16,
    invite: Option<PageCard>,
}

#[derive(Debug, Deserialize)]
struct PageCard {
    code: String,
    expires: Option<i64>,
    sent: bool,
}

fn results(asked: &[ChatId], told: Vec<PageResult>) -> Vec<MemberResult> {
    let read = |(id, result): (&ChatId, PageResult)| {
        let invite = result.invite.map(|card| InviteCard {
            code: card.code,
            expires_at: moment(card.expires),
            sent: card.sent,
        });
        MemberResult::new(id.clone(), result.code, invite)
    };
    asked.iter().zip(told).map(read).collect()
}

#[derive(Debug, Deserialize)]
struct PageCreated {
    id: String,
    subject: String,
    members: Vec<PageResult>,
    settled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInvite {
    id: String,
    subject: Option<String>,
    description: Option<String>,
    owner: Option<PagePerson>,
    at: Option<i64>,
    member_count: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct PageJoined {
    id: String,
    pending: bool,
}

#[derive(Debug, Deserialize)]
struct PageRequest {
    #[serde(flatten)]
    person: PagePerson,
    at: Option<i64>,
}

fn group_id(text: &str) -> Option<ChatId> {
    ChatId::new(text).ok().filter(ChatId::is_group)
}

fn read_person(person: Option<&PagePerson>) -> Option<Person> {
    person.and_then(PagePerson::read)
}

/// Unix seconds; 0 is a page's way of not knowing.
fn moment(at: Option<i64>) -> Option<OffsetDateTime> {
    let at = at.filter(|at| *at > 0)?;
    OffsetDateTime::from_unix_timestamp(at).ok()
}

fn no_group(command: Command) -> DriverError {
    DriverError::Refused {
        command: command.name,
        reason: "the page's answer names no group".to_owned(),
    }
}

/// A change as the bridge wants it.
fn edit_arguments(group: &ChatId, edit: &GroupEdit) -> Value {
    let property = |name: &str, value: u32| json!({"property": name, "value": value});
    let mut arguments = match edit {
        GroupEdit::Subject(subject) => json!({"subject": subject}),
        GroupEdit::Description(text) => json!({"description": text}),
        GroupEdit::Picture(picture) => json!({"picture": picture.as_ref().map(|picture| json!({
            "data": STANDARD.encode(picture.bytes()),
            "mime": picture.kind().mime(),
        }))}),
        GroupEdit::OnlyAdminsWrite(on) => property("announcement", u32::from(*on)),
        GroupEdit::OnlyAdminsEdit(on) => property("restrict", u32::from(*on)),
        // Fact sheet §6.1: 0 is admins only.
        GroupEdit::OnlyAdminsAdd(on) => property("member_add_mode", u32::from(!*on)),
        GroupEdit::Disappearing(time) => property("ephemeral", time.seconds()),
    };
    arguments["id"] = json!(group);
    arguments
}

#[async_trait]
impl GroupConnection for ChromeConnection {
    async fn groups(&self) -> Result<Vec<GroupSummary>, DriverError> {
        self.need_ready(GROUPS.name)?;
        let all: Vec<PageSummary> = self.shared.command(GROUPS, &json!({})).await?;
        Ok(all.into_iter().filter_map(PageSummary::read).collect())
    }

    async fn group(&self, group: &ChatId) -> Result<Group, DriverError> {
        self.need_ready(GROUP.name)?;
        let arguments = json!({ "id": group });
        let data: PageGroupData = self.shared.command(GROUP, &arguments).await?;
        data.read().ok_or_else(|| no_group(GROUP))
    }

    async fn create_group(&self, new: &NewGroup) -> Result<CreatedGroup, DriverError> {
        self.need_ready(CREATE.name)?;
        let arguments = json!({
            "subject": new.subject.trim(),
            "people": new.members,
            "settings": {
                "onlyAdminsWrite": new.settings.only_admins_write,
                "onlyAdminsEdit": new.settings.only_admins_edit,
                "onlyAdminsAdd": new.settings.only_admins_add,
                "disappearing": new.settings.disappearing.map(Disappearing::seconds),
            },
            "approval": new.approval,
            "community": new.community,
        });
        let created: PageCreated = self.shared.command(CREATE, &arguments).await?;
        Ok(CreatedGroup {
            id: group_id(&created.id).ok_or_else(|| no_group(CREATE))?,
            subject: created.subject,
            members: results(&new.members, created.members),
            settings_applied: created.settled,
        })
    }

    async fn change_members(
        &self,
        group: &ChatId,
        change: MemberChange,
        people: &[ChatId],
        invite: bool,
    ) -> Result<Vec<MemberResult>, DriverError> {
        self.need_ready(MEMBERS.name)?;
        let arguments =
            json!({ "id": group, "change": change, "people": people, "invite": invite });
        let told = self.shared.command(MEMBERS, &arguments).await?;
        Ok(results(people, told))
    }

    async fn edit_group(&self, group: &ChatId, edit: &GroupEdit) -> Result<(), DriverError> {
        self.need_ready(EDIT.name)?;
        self.shared
            .command(EDIT, &edit_arguments(group, edit))
            .await
    }

    async fn group_invite(&self, group: &ChatId, anew: bool) -> Result<InviteCode, DriverError> {
        self.need_ready(INVITE.name)?;
        let arguments = json!({ "id": group, "anew": anew });
        let code: String = self.shared.command(INVITE, &arguments).await?;
        InviteCode::new(&code).map_err(|error| strange(INVITE, &error))
    }

    async fn invite_info(&self, invite: &InviteCode) -> Result<InviteInfo, DriverError> {
        self.need_ready(INVITE_INFO.name)?;
        let arguments = json!({ "code": invite.as_str() });
        let info: PageInvite = self.shared.command(INVITE_INFO, &arguments).await?;
        Ok(InviteInfo {
            id: group_id(&info.id).ok_or_else(|| no_group(INVITE_INFO))?,
            subject: info.subject,
            description: info.description,
            owner: read_person(info.owner.as_ref()),
            created_at: moment(info.at),
            member_count: info.member_count,
        })
    }

    async fn join_group(&self, invite: &InviteCode) -> Result<Joined, DriverError> {
        self.need_ready(JOIN.name)?;
        let arguments = json!({ "code": invite.as_str() });
        let joined: PageJoined = self.shared.command(JOIN, &arguments).await?;
        Ok(Joined {
            id: group_id(&joined.id).ok_or_else(|| no_group(JOIN))?,
            pending: joined.pending,
        })
    }

    async fn join_requests(&self, group: &ChatId) -> Result<Vec<JoinRequest>, DriverError> {
        self.need_ready(REQUESTS.name)?;
        let arguments = json!({ "id": group });
        let all: Vec<PageRequest> = self.shared.command(REQUESTS, &arguments).await?;
        let read = |one: &PageRequest| {
            Some(JoinRequest {
                person: one.person.read()?,
                at: moment(one.at),
            })
        };
        Ok(all.iter().filter_map(read).collect())
    }

    async fn answer_join_requests(
        &self,
        group: &ChatId,
        approve: bool,
        people: &[ChatId],
    ) -> Result<Vec<MemberResult>, DriverError> {
        self.need_ready(ANSWER.name)?;
        let arguments = json!({ "id": group, "approve": approve, "people": people });
        let told = self.shared.command(ANSWER, &arguments).await?;
        Ok(results(people, told))
    }

    async fn leave_group(&self, group: &ChatId) -> Result<(), DriverError> {
        self.need_ready(LEAVE.name)?;
        let arguments = json!({ "id": group });
        self.shared.command(LEAVE, &arguments).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_have_the_pages_own_names_and_values() {
        let group = ChatId::new("12@g.us").expect("a group");
        for (edit, expected) in [
            (GroupEdit::Subject("a".to_owned()), json!({"subject": "a"})),
            (
                GroupEdit::Description(String::new()),
                json!({"description": ""}),
            ),
            (GroupEdit::Picture(None), json!({"picture": null})),
            (
                GroupEdit::OnlyAdminsWrite(true),
                json!({"property": "announcement", "value": 1}),
            ),
            (
                GroupEdit::OnlyAdminsEdit(false),
                json!({"property": "restrict", "value": 0}),
            ),
            (
                GroupEdit::OnlyAdminsAdd(true),
                json!({"property": "member_add_mode", "value": 0}),
            ),
            (
                GroupEdit::OnlyAdminsAdd(false),
                json!({"property": "member_add_mode", "value": 1}),
            ),
            (
                GroupEdit::Disappearing(Disappearing::Week),
                json!({"property": "ephemeral", "value": 604_800}),
            ),
        ] {
            let mut expected = expected;
            expected["id"] = json!("12@g.us");
            assert_eq!(edit_arguments(&group, &edit), expected);
        }
    }

    #[test]
    fn a_strange_member_is_left_out_and_the_rest_read() {
        let text = r#"{"id":"12@g.us","subject":"s","description":null,"isCommunity":false,
            "owner":null,"at":0,"isAdmin":true,"byLid":true,"onlyAdminsWrite":false,
            "onlyAdminsEdit":true,"onlyAdminsAdd":false,"disappearing":77,"members":[
            {"id":"7@lid","phone":"244929782402@c.us","lid":"7@lid","isAdmin":true,"isOwner":true},
            {"id":"odd","phone":null,"lid":null,"isAdmin":false,"isOwner":false}]}"#;
        let data: PageGroupData = serde_json::from_str(text).expect("read");
        let group = data.read().expect("a group");
        assert_eq!(group.members.len(), 1);
        assert_eq!(group.members[0].role, Role::Owner);
        assert_eq!(group.settings.disappearing, None);
        assert!(group.created_at.is_none() && group.settings.only_admins_edit);
    }
}
