//! Groups on the wire.

use serde::Serialize;
use zapnode_core::group::{
    CreatedGroup, Disappearing, Group, GroupSummary, InviteCard, InviteCode, InviteInfo,
    JoinRequest, Joined, Member, MemberOutcome, MemberResult, Role,
};
use zapnode_core::message::Person;
use zapnode_core::{ChatId, SessionId};

use super::iso;

/// An answer about a session: its id and what was asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OfSession<T> {
    success: bool,
    session_id: SessionId,
    #[serde(flatten)]
    inner: T,
}

impl<T> OfSession<T> {
    /// The answer of a session.
    pub fn new(session_id: SessionId, inner: T) -> Self {
        Self {
            success: true,
            session_id,
            inner,
        }
    }
}

/// A person by every name that is known.
#[derive(Debug, Serialize)]
pub struct PersonModel {
    id: ChatId,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<ChatId>,
}

impl From<Person> for PersonModel {
    fn from(person: Person) -> Self {
        Self {
            number: person.phone.map(|phone| phone.user().to_owned()),
            id: person.id,
            lid: person.lid,
        }
    }
}

/// The groups of an account.
#[derive(Debug, Serialize)]
pub struct GroupList {
    count: usize,
    groups: Vec<SummaryModel>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryModel {
    id: ChatId,
    subject: String,
    is_community: bool,
    member_count: Option<u32>,
    is_admin: Option<bool>,
    last_active_at: Option<String>,
}

impl From<Vec<GroupSummary>> for GroupList {
    fn from(groups: Vec<GroupSummary>) -> Self {
        Self {
            count: groups.len(),
            groups: groups
                .into_iter()
                .map(|group| SummaryModel {
                    id: group.id,
                    subject: group.subject,
                    is_community: group.is_community,
                    member_count: group.member_count,
                    is_admin: group.is_admin,
                    last_active_at: group.last_active_at.map(iso),
                })
                .collect(),
        }
    }
}

/// The answer with one group.
#[derive(Debug, Serialize)]
pub struct OneGroup {
    group: GroupModel,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupModel {
    id: ChatId,
    subject: String,
    description: Option<String>,
    is_community: bool,
    owner: Option<PersonModel>,
    created_at: Option<String>,
    is_admin: bool,
    /// How the group names its members: `lid` or `phone`.
    addressing: &'static str,
    only_admins_write: bool,
    only_admins_edit: bool,
    only_admins_add: bool,
    disappearing: Option<&'static str>,
    member_count: usize,
    members: Vec<MemberModel>,
}

#[derive(Debug, Serialize)]
struct MemberModel {
    #[serde(flatten)]
    person: PersonModel,
    role: &'static str,
}

impl From<Member> for MemberModel {
    fn from(member: Member) -> Self {
        Self {
            person: member.person.into(),
            role: match member.role {
                Role::Member => "member",
                Role::Admin => "admin",
                Role::Owner => "owner",
            },
        }
    }
}

/// The word for a time to disappear, as in requests.
pub fn disappearing_word(time: Disappearing) -> &'static str {
    match time {
        Disappearing::Off => "off",
        Disappearing::Day => "24h",
        Disappearing::Week => "7d",
        Disappearing::Quarter => "90d",
    }
}

impl From<Group> for OneGroup {
    fn from(group: Group) -> Self {
        Self {
            group: GroupModel {
                id: group.id,
                subject: group.subject,
                description: group.description,
                is_community: group.is_community,
                owner: group.owner.map(PersonModel::from),
                created_at: group.created_at.map(iso),
                is_admin: group.is_admin,
                addressing: if group.by_lid { "lid" } else { "phone" },
                only_admins_write: group.settings.only_admins_write,
                only_admins_edit: group.settings.only_admins_edit,
                only_admins_add: group.settings.only_admins_add,
                disappearing: group.settings.disappearing.map(disappearing_word),
                member_count: group.members.len(),
                members: group.members.into_iter().map(MemberModel::from).collect(),
            },
        }
    }
}

/// What became of each of several people.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberResults {
    group_id: ChatId,
    /// Of how many it was done.
    done: usize,
    members: Vec<ResultModel>,
}

#[derive(Debug, Serialize)]
struct ResultModel {
    /// As the request named them.
    id: ChatId,
    done: bool,
    code: u16,
    outcome: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<CardModel>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CardModel {
    code: String,
    expires_at: Option<String>,
    sent: bool,
}

impl From<InviteCard> for CardModel {
    fn from(card: InviteCard) -> Self {
        Self {
            code: card.code,
            expires_at: card.expires_at.map(iso),
            sent: card.sent,
        }
    }
}

fn outcome_word(outcome: MemberOutcome) -> &'static str {
    match outcome {
        MemberOutcome::Done => "done",
        MemberOutcome::NotAuthorized => "not_authorized",
        MemberOutcome::InviteOnly => "invite_only",
        MemberOutcome::NotFound => "not_found",
        MemberOutcome::LeftRecently => "left_recently",
        MemberOutcome::AlreadySo => "already_so",
        MemberOutcome::CommunityRefused => "community_refused",
        MemberOutcome::GroupFull => "group_full",
        MemberOutcome::Failed => "failed",
    }
}

impl MemberResults {
    /// The results in a group.
    pub fn new(group_id: ChatId, results: Vec<MemberResult>) -> Self {
        let read = |one: MemberResult| ResultModel {
            done: one.is_done(),
            code: one.code,
            outcome: outcome_word(one.outcome),
            message: one.outcome.explanation(),
            invite: one.invite.map(CardModel::from),
            id: one.id,
        };
        Self {
            group_id,
            done: results.iter().filter(|one| one.is_done()).count(),
            members: results.into_iter().map(read).collect(),
        }
    }
}

/// The answer with a group that was founded.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupCreated {
    subject: String,
    settings_applied: bool,
    #[serde(flatten)]
    results: MemberResults,
}

impl From<CreatedGroup> for GroupCreated {
    fn from(created: CreatedGroup) -> Self {
        Self {
            subject: created.subject,
            settings_applied: created.settings_applied,
            results: MemberResults::new(created.id, created.members),
        }
    }
}

/// The answer with a group's invite link.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupInvite {
    group_id: ChatId,
    code: String,
    link: String,
}

impl GroupInvite {
    /// The link of a group.
    pub fn new(group_id: ChatId, code: InviteCode) -> Self {
        Self {
            group_id,
            link: code.link(),
            code: code.into(),
        }
    }
}

/// The answer about where an invite leads.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InviteAnswer {
    group_id: ChatId,
    subject: Option<String>,
    description: Option<String>,
    owner: Option<PersonModel>,
    created_at: Option<String>,
    member_count: Option<u32>,
}

impl From<InviteInfo> for InviteAnswer {
    fn from(info: InviteInfo) -> Self {
        Self {
            group_id: info.id,
            subject: info.subject,
            description: info.description,
            owner: info.owner.map(PersonModel::from),
            created_at: info.created_at.map(iso),
            member_count: info.member_count,
        }
    }
}

/// The answer to following an invite.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinedAnswer {
    group_id: ChatId,
    /// An admin has to agree first.
    pending: bool,
}

impl From<Joined> for JoinedAnswer {
    fn from(joined: Joined) -> Self {
        Self {
            group_id: joined.id,
            pending: joined.pending,
        }
    }
}

/// Who asks to be let in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRequests {
    group_id: ChatId,
    count: usize,
    requests: Vec<RequestModel>,
}

#[derive(Debug, Serialize)]
struct RequestModel {
    #[serde(flatten)]
    person: PersonModel,
    at: Option<String>,
}

impl JoinRequests {
    /// The requests of a group.
    pub fn new(group_id: ChatId, requests: Vec<JoinRequest>) -> Self {
        let read = |one: JoinRequest| RequestModel {
            person: one.person.into(),
            at: one.at.map(iso),
        };
        Self {
            group_id,
            count: requests.len(),
            requests: requests.into_iter().map(read).collect(),
        }
    }
}

/// The answer to something that was done to a group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupDone {
    group_id: ChatId,
    message: &'static str,
}

impl GroupDone {
    /// With what was done, in words.
    pub fn new(group_id: ChatId, message: &'static str) -> Self {
        Self { group_id, message }
    }
}
