//! What every driver promises about groups.

use async_trait::async_trait;

use super::{Session, World};
use crate::driver::{DriverError, DriverEvent};
use crate::group::{
    GroupEdit, GroupSettings, InviteCode, Member, MemberChange, MemberOutcome, NewGroup, Role,
};
use crate::id::{ChatId, PhoneNumber};
use crate::message::OutgoingMessage;
use crate::message::{GroupChange, Person};

/// The other side of the driver's groups.
#[async_trait]
pub trait GroupWorld: Send + Sync {
    /// `owner` founds a group with `members` in it.
    async fn found_group(
        &self,
        owner: &PhoneNumber,
        subject: &str,
        members: &[PhoneNumber],
    ) -> ChatId;
    /// A group as `phone` shows it; `None` when it is not in it.
    async fn group_seen_by(&self, phone: &PhoneNumber, group: &ChatId) -> Option<SeenGroup>;
    /// The invite of a group that `phone` is in.
    async fn invite_of(&self, phone: &PhoneNumber, group: &ChatId) -> InviteCode;
    /// `phone` asks to be let into a group.
    async fn ask_to_join(&self, phone: &PhoneNumber, group: &ChatId);
}

/// A group as a phone shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenGroup {
    /// Its name.
    pub subject: String,
    /// What it is for.
    pub description: String,
    /// Who is in it.
    pub members: Vec<PhoneNumber>,
    /// Whether only admins may write.
    pub only_admins_write: bool,
}

fn is(person: &Person, phone: &PhoneNumber) -> bool {
    let chat = ChatId::from(phone);
    person.id == chat || person.phone.as_ref() == Some(&chat)
}

fn role_of(members: &[Member], phone: &PhoneNumber) -> Option<Role> {
    let mut members = members.iter();
    members
        .find(|member| is(&member.person, phone))
        .map(|member| member.role)
}

async fn heard(session: &mut Session, group: &ChatId, change: GroupChange) {
    session
        .until("a notice of the group", |event| match event {
            DriverEvent::Group(notice) if notice.group == *group && notice.change == change => {
                Some(())
            }
            _ => None,
        })
        .await;
}

/// From the founding of a group to leaving it.
pub(super) async fn run(world: &dyn World, session: &mut Session) {
    let (friend, me) = (world.friend(), world.account());
    let group = founding(world, session).await;
    changes(world, session, &group).await;
    invites(world, session, &group).await;

    let people = [ChatId::from(&friend)];
    let removed = session
        .connection
        .change_members(&group, MemberChange::Remove, &people, false)
        .await;
    let removed = removed.expect("removed");
    assert!(removed[0].is_done(), "{removed:?}");
    heard(session, &group, GroupChange::Left).await;
    assert_eq!(world.group_seen_by(&friend, &group).await, None);
    session.connection.leave_group(&group).await.expect("left");
    heard(session, &group, GroupChange::Left).await;
    for gone in [
        session.connection.group(&group).await.map(drop),
        session.connection.leave_group(&group).await,
    ] {
        assert!(
            matches!(gone, Err(DriverError::GroupUnknown { .. })),
            "{gone:?}"
        );
    }

    // One of somebody else's, where this account is no admin.
    let theirs = world
        .found_group(&friend, "Deles", std::slice::from_ref(&me))
        .await;
    heard(session, &theirs, GroupChange::Joined).await;
    let denied = session
        .connection
        .edit_group(&theirs, &GroupEdit::OnlyAdminsWrite(true))
        .await;
    assert!(
        matches!(denied, Err(DriverError::NotAllowed { .. })),
        "{denied:?}"
    );
    let seen = session.connection.group(&theirs).await.expect("read");
    assert!(!seen.is_admin, "{seen:?}");
    assert_eq!(role_of(&seen.members, &friend), Some(Role::Owner));
    session.connection.leave_group(&theirs).await.expect("left");
    let invite = world.invite_of(&friend, &theirs).await;
    let joined = session.connection.join_group(&invite).await;
    let joined = joined.expect("joined");
    assert!(joined.id == theirs && !joined.pending, "{joined:?}");
    session.connection.leave_group(&theirs).await.expect("left");
}

async fn founding(world: &dyn World, session: &mut Session) -> ChatId {
    let (friend, stranger) = (world.friend(), world.stranger());
    let people = [&friend, &stranger].map(ChatId::from);
    let new = NewGroup {
        settings: GroupSettings {
            only_admins_edit: true,
            ..GroupSettings::default()
        },
        ..NewGroup::new("Obra 🏗", people.to_vec())
    };
    let created = session.connection.create_group(&new).await;
    let created = created.expect("founded");
    let outcomes: Vec<_> = created.members.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [MemberOutcome::Done, MemberOutcome::NotFound]);
    assert_eq!(created.members[0].id, people[0], "as they were named");
    assert!(created.settings_applied, "{created:?}");
    let group = created.id;
    heard(session, &group, GroupChange::Joined).await;

    let seen = world.group_seen_by(&friend, &group).await;
    assert_eq!(seen.expect("in it").subject, "Obra 🏗");
    let listed = session.connection.groups().await.expect("listed");
    let listed = listed.iter().find(|one| one.id == group);
    assert_eq!(listed.expect("in the list").member_count, Some(2));
    let read = session.connection.group(&group).await.expect("read");
    assert!(read.is_admin && !read.is_community, "{read:?}");
    assert!(
        read.settings.only_admins_edit && !read.settings.only_admins_write,
        "{read:?}"
    );
    assert_eq!(
        role_of(&read.members, &world.account()),
        Some(Role::Owner),
        "{read:?}"
    );
    assert_eq!(role_of(&read.members, &friend), Some(Role::Member));
    group
}

async fn changes(world: &dyn World, session: &mut Session, group: &ChatId) {
    let friend = world.friend();
    let text = OutgoingMessage::text(group.clone(), "olá a todos");
    let sent = session.connection.send(&text).await.expect("sent");
    assert_eq!(sent.id.chat(), *group);
    session.server_has(&text.wire_id).await;

    for (edit, word) in [
        (GroupEdit::Subject("Obra 2".to_owned()), "subject"),
        (
            GroupEdit::Description("betão\ne \"ferro\"".to_owned()),
            "description",
        ),
        (GroupEdit::OnlyAdminsWrite(true), "announce"),
    ] {
        let edited = session.connection.edit_group(group, &edit).await;
        edited.unwrap_or_else(|error| panic!("{edit:?}: {error}"));
        session
            .until("word of the edit", |event| match event {
                DriverEvent::Group(notice) if notice.word == word => Some(()),
                _ => None,
            })
            .await;
    }
    let seen = world.group_seen_by(&friend, group).await.expect("in it");
    assert_eq!(seen.subject, "Obra 2");
    assert_eq!(seen.description, "betão\ne \"ferro\"");
    assert!(seen.only_admins_write);

    let people = [&friend, &world.stranger()].map(ChatId::from);
    for (change, outcome, role) in [
        (MemberChange::Promote, MemberOutcome::Done, Role::Admin),
        (MemberChange::Promote, MemberOutcome::AlreadySo, Role::Admin),
        (MemberChange::Demote, MemberOutcome::Done, Role::Member),
        (MemberChange::Add, MemberOutcome::AlreadySo, Role::Member),
    ] {
        let results = session
            .connection
            .change_members(group, change, &people, false)
            .await;
        let results = results.unwrap_or_else(|error| panic!("{change:?}: {error}"));
        let outcomes: Vec<_> = results.iter().map(|one| one.outcome).collect();
        assert_eq!(outcomes, [outcome, MemberOutcome::NotFound], "{change:?}");
        let read = session.connection.group(group).await.expect("read");
        assert_eq!(role_of(&read.members, &friend), Some(role), "{change:?}");
    }
}

async fn invites(world: &dyn World, session: &mut Session, group: &ChatId) {
    let connection = session.connection.clone();
    let first = connection.group_invite(group, false).await.expect("given");
    assert_eq!(
        connection.group_invite(group, false).await.ok(),
        Some(first.clone())
    );
    let info = connection.invite_info(&first).await.expect("known");
    assert!(
        info.id == *group && info.subject.as_deref() == Some("Obra 2"),
        "{info:?}"
    );
    let second = connection.group_invite(group, true).await.expect("given");
    assert_ne!(first, second, "a new one");
    for gone in [
        connection.invite_info(&first).await.map(drop),
        connection.join_group(&first).await.map(drop),
    ] {
        assert!(matches!(gone, Err(DriverError::InviteUnknown)), "{gone:?}");
    }
    let again = connection.join_group(&second).await.expect("in it already");
    assert!(again.id == *group && !again.pending, "{again:?}");

    let asking = world.bystander();
    world.ask_to_join(&asking, group).await;
    heard(session, group, GroupChange::JoinRequested).await;
    let requests = connection.join_requests(group).await.expect("listed");
    assert!(
        requests.len() == 1 && is(&requests[0].person, &asking),
        "{requests:?}"
    );
    let people = [&asking, &world.friend()].map(ChatId::from);
    let answered = connection.answer_join_requests(group, true, &people).await;
    let outcomes: Vec<_> = answered
        .expect("answered")
        .iter()
        .map(|one| one.outcome)
        .collect();
    assert_eq!(outcomes, [MemberOutcome::Done, MemberOutcome::NotFound]);
    let read = connection.group(group).await.expect("read");
    assert_eq!(role_of(&read.members, &asking), Some(Role::Member));
    assert_eq!(connection.join_requests(group).await.expect("listed"), []);
}
