//! Groups on real Chromium and the simulated WhatsApp, in builds that name people by LID and by
//! number.
#![cfg(feature = "sandbox")]

mod chrome_support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrome_support::simulated::{OURS, THEIRS, logged_in, ours, sandbox, theirs};
use chrome_support::{Bench, PATIENCE, Session, phone, text};
use zapnode_core::driver::{DriverError, DriverEvent};
use zapnode_core::group::{
    Disappearing, GroupEdit, GroupSettings, InviteCode, MemberChange, MemberOutcome, NewGroup,
    Picture,
};
use zapnode_core::message::Ack;
use zapnode_core::sandbox::{
    Addressing, Draft, Faults, GroupAct, GroupId, GroupModules, Phone, Place, RefusalNumber,
    Sandbox,
};
use zapnode_core::{ChatId, WireId};

const THIRD: &str = "244929000003";
const CLOSED: &str = "244929000004";
const NOBODY: &str = "0001234567";

/// One pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

fn chat(number: &str) -> ChatId {
    ChatId::from(&phone(number))
}

fn place(group: &ChatId) -> GroupId {
    match group.as_str().parse() {
        Ok(Place::Group(group)) => group,
        other => panic!("a group: {other:?}"),
    }
}

fn third(sandbox: &Sandbox) -> Phone {
    sandbox.phone(&phone(THIRD))
}

async fn codes(
    session: &Session,
    group: &ChatId,
    change: MemberChange,
    numbers: &[&str],
    invite: bool,
) -> Vec<u16> {
    let people: Vec<_> = numbers.iter().map(|number| chat(number)).collect();
    let results = session
        .connection
        .change_members(group, change, &people, invite)
        .await
        .unwrap_or_else(|error| panic!("{change:?} {numbers:?}: {error}"));
    let named: Vec<_> = results.iter().map(|one| one.id.clone()).collect();
    assert_eq!(named, people, "in the order of the question");
    results.iter().map(|one| one.code).collect()
}

async fn edit(session: &Session, group: &ChatId, edit: GroupEdit) {
    let edited = session.connection.edit_group(group, &edit).await;
    edited.unwrap_or_else(|error| panic!("{edit:?}: {error}"));
}

async fn refused(session: &mut Session, id: &WireId) -> Option<u16> {
    session
        .wait("a refusal", |event| match event {
            DriverEvent::SendRefused(refusal) if refusal.id.wire_id() == *id => {
                Some(refusal.status)
            }
            _ => None,
        })
        .await
}

/// Everything that has to do with groups, in one build.
async fn a_groups_life(addressing: Addressing, change: impl FnOnce(&mut Faults)) {
    let sandbox = sandbox(|faults| {
        faults.addressing = addressing;
        change(faults);
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let group = founded(&sandbox, &mut session, addressing).await;
    members(&sandbox, &session, &group).await;
    words(&sandbox, &session, &group).await;
    ways_in(&sandbox, &mut session, &group).await;
    others_groups(&sandbox, &mut session).await;
    session.close().await;
}

async fn founded(sandbox: &Sandbox, session: &mut Session, addressing: Addressing) -> ChatId {
    sandbox.phone(&phone(CLOSED)).set_invite_only(true).await;
    let new = NewGroup {
        settings: GroupSettings {
            only_admins_add: true,
            disappearing: Some(Disappearing::Week),
            ..GroupSettings::default()
        },
        approval: true,
        ..NewGroup::new("Obra", [THEIRS, CLOSED, NOBODY].map(chat).to_vec())
    };
    let created = session.connection.create_group(&new).await.expect("made");
    let codes: Vec<_> = created.members.iter().map(|one| one.code).collect();
    assert_eq!(codes, [200, 403, 404], "{created:?}");
    assert!(created.members[1].invite.is_some() && created.settings_applied);
    let group = created.id;
    let seen = theirs(sandbox).group(&place(&group)).expect("in it");
    assert_eq!(seen.members, [phone(OURS), phone(THEIRS)]);
    assert!(seen.admins_add && seen.approval && !seen.restrict && !seen.announce);
    assert_eq!(seen.ephemeral, 604_800);
    let read = session.connection.group(&group).await.expect("read");
    assert_eq!(read.by_lid, addressing != Addressing::Pn);
    assert!(read.is_admin && read.settings.only_admins_add);
    assert_eq!(read.settings.disappearing, Some(Disappearing::Week));
    let friend = read.members.iter().find(|one| {
        let id = if read.by_lid {
            &one.person.phone
        } else {
            &one.person.lid
        };
        one.person.phone == Some(chat(THEIRS)) && id.is_some()
    });
    assert!(friend.is_some(), "known by both names: {read:#?}");

    // Both ways, and nobody sees a stranger.
    let hello = text(&group, "bom dia");
    let sent = session.connection.send(&hello).await.expect("sent");
    assert_eq!(sent.id.chat(), group);
    session.wait_ack(&hello.wire_id, Ack::Device).await;
    let arrived = theirs(sandbox)
        .wait_for_message(|message| message.id == hello.wire_id, PATIENCE)
        .await
        .expect("arrived");
    assert!(!arrived.unknown_sender && arrived.group == Some(place(&group)));
    theirs(sandbox)
        .write(place(&group), Draft::text("bom dia!"))
        .await
        .expect("written");
    let told = session.wait_message("bom dia!").await;
    assert_eq!(told.chat, group);
    assert!(told.from_phone == Some(chat(THEIRS)), "{told:#?}");
    group
}

async fn members(sandbox: &Sandbox, session: &Session, group: &ChatId) {
    let all = [THEIRS, THIRD, CLOSED, NOBODY];
    let added = codes(session, group, MemberChange::Add, &all, true).await;
    assert_eq!(added, [409, 200, 403, 404]);
    let card = sandbox
        .phone(&phone(CLOSED))
        .wait_for_message(|message| message.kind == "groups_v4_invite", PATIENCE)
        .await
        .expect("a card");
    assert_eq!(card.fields["inviteGrp"], group.as_str());
    assert!(card.fields["inviteCode"].is_string() && !card.unknown_sender);

    let three = [THIRD, THEIRS, NOBODY];
    for (change, numbers, expected) in [
        (MemberChange::Promote, &three[..2], vec![200, 200]),
        (MemberChange::Promote, &three[1..], vec![409, 404]),
        (MemberChange::Demote, &three[..2], vec![200, 200]),
        (MemberChange::Demote, &three[..1], vec![409]),
        // Who founded it stays, whoever asks.
        (MemberChange::Demote, &[OURS][..], vec![400]),
        (MemberChange::Remove, &three[..1], vec![200]),
        (MemberChange::Remove, &three[..1], vec![404]),
        (MemberChange::Add, &three[..1], vec![200]),
    ] {
        let found = codes(session, group, change, numbers, false).await;
        assert_eq!(found, expected, "{change:?} {numbers:?}");
    }
    let id = place(group);
    let gone = third(sandbox).act_in_group(&id, GroupAct::Leave).await;
    gone.expect("left");
    let left = codes(session, group, MemberChange::Add, &[THIRD], false).await;
    assert_eq!(left, [408]);
    assert_eq!(MemberOutcome::of_code(408), MemberOutcome::LeftRecently);
}

async fn words(sandbox: &Sandbox, session: &Session, group: &ChatId) {
    let view = || theirs(sandbox).group(&place(group)).expect("in it");
    edit(session, group, GroupEdit::Subject("Obra \u{d7}".to_owned())).await;
    for description in ["cimento\n\"e\" 🏗", "outra", ""] {
        edit(
            session,
            group,
            GroupEdit::Description(description.to_owned()),
        )
        .await;
        assert_eq!(view().description, description);
    }
    assert_eq!(view().subject, "Obra \u{d7}");
    for (change, seen) in [
        (GroupEdit::OnlyAdminsWrite(true), "announce"),
        (GroupEdit::OnlyAdminsEdit(true), "restrict"),
        (GroupEdit::OnlyAdminsAdd(false), "adminsAdd"),
        (GroupEdit::Disappearing(Disappearing::Off), "ephemeral"),
    ] {
        let before = serde_json::to_value(view()).expect("json");
        edit(session, group, change).await;
        let after = serde_json::to_value(view()).expect("json");
        assert_ne!(before[seen], after[seen], "{seen}");
    }
    edit(session, group, GroupEdit::OnlyAdminsWrite(false)).await;

    let png = STANDARD.decode(PNG).expect("base64");
    let picture = Picture::new(png).expect("a picture");
    edit(session, group, GroupEdit::Picture(Some(picture))).await;
    let shown = view().picture.expect("a picture");
    assert!(shown.starts_with("data:image/jpeg;base64,"), "{shown:.40}");
    edit(session, group, GroupEdit::Picture(None)).await;
    assert_eq!(view().picture, None);
    // It begins like one, and is none.
    let broken = Picture::new(b"\xff\xd8\xff\xe0 and no more".to_vec()).expect("by its beginning");
    let broken = GroupEdit::Picture(Some(broken));
    let said = session.connection.edit_group(group, &broken).await;
    assert!(matches!(said, Err(DriverError::Refused { .. })), "{said:?}");
}

async fn ways_in(sandbox: &Sandbox, session: &mut Session, group: &ChatId) {
    let connection = session.connection.clone();
    let code = connection.group_invite(group, false).await.expect("given");
    let info = connection.invite_info(&code).await.expect("known");
    assert_eq!((&info.id, info.member_count), (group, Some(2)));
    assert!(
        info.owner
            .is_some_and(|owner| owner.phone == Some(chat(OURS)))
    );

    // The group lets nobody in by itself.
    let third = third(sandbox);
    let id = place(group);
    let asked = third.act_in_group(&id, GroupAct::Join).await;
    asked.expect("asked");
    let requests = connection.join_requests(group).await.expect("listed");
    assert_eq!(requests.len(), 1);
    assert!(requests[0].at.is_some());
    let people = [chat(THIRD), chat(CLOSED)];
    let rejected = connection.answer_join_requests(group, false, &people).await;
    let rejected: Vec<_> = rejected.expect("answered").iter().map(|r| r.code).collect();
    assert_eq!(rejected, [200, 404]);
    assert!(third.group(&place(group)).is_err());
    let asked = third.act_in_group(&id, GroupAct::RequestToJoin).await;
    asked.expect("asked again");
    let approved = connection
        .answer_join_requests(group, true, &people[..1])
        .await;
    assert!(approved.expect("answered")[0].is_done());
    assert!(third.group(&place(group)).is_ok());

    let renewed = connection.group_invite(group, true).await.expect("given");
    assert_ne!(renewed, code);
    for gone in [
        connection.invite_info(&code).await.map(drop),
        connection.join_group(&code).await.map(drop),
    ] {
        assert!(matches!(gone, Err(DriverError::InviteUnknown)), "{gone:?}");
    }
}

async fn others_groups(sandbox: &Sandbox, session: &mut Session) {
    let connection = session.connection.clone();
    let other = theirs(sandbox);
    let theirs_id = other.found_group("Deles", &[]).await.expect("founded");
    let group = ChatId::new(theirs_id.as_str()).expect("an id");
    let act = async |act| other.act_in_group(&theirs_id, act).await.expect("done");

    // By its link, with an admin who has to agree.
    act(GroupAct::Approval(true)).await;
    let code = other.invite_code(&theirs_id).await.expect("a code");
    let code = InviteCode::new(&code).expect("a code");
    let joined = connection.join_group(&code).await.expect("asked");
    assert!(joined.pending && joined.id == group, "{joined:?}");
    act(GroupAct::Approve(vec![phone(OURS)])).await;
    session
        .wait("word of it", |event| match event {
            DriverEvent::Group(notice) if notice.group == group && notice.word == "add" => Some(()),
            _ => None,
        })
        .await;
    let again = connection.join_group(&code).await.expect("in it already");
    assert!(!again.pending && again.id == group, "{again:?}");

    // What only admins may do, this account may not.
    act(GroupAct::Restrict(true)).await;
    act(GroupAct::AdminsAdd(true)).await;
    act(GroupAct::Announce(true)).await;
    let subject = GroupEdit::Subject("Nosso".to_owned());
    let write = GroupEdit::OnlyAdminsWrite(false);
    let people = [chat(THIRD)];
    for denied in [
        connection.edit_group(&group, &subject).await,
        connection.edit_group(&group, &write).await,
        connection
            .change_members(&group, MemberChange::Add, &people, false)
            .await
            .map(drop),
        connection
            .change_members(&group, MemberChange::Promote, &people, false)
            .await
            .map(drop),
        connection.group_invite(&group, false).await.map(drop),
        connection.join_requests(&group).await.map(drop),
    ] {
        assert!(
            matches!(denied, Err(DriverError::NotAllowed { .. })),
            "{denied:?}"
        );
    }
    let hello = text(&group, "posso?");
    connection.send(&hello).await.expect("in the page");
    assert_eq!(refused(session, &hello.wire_id).await, Some(403));

    connection.leave_group(&group).await.expect("left");
    assert_eq!(other.group(&theirs_id).expect("in it").members.len(), 1);
    let nowhere = ChatId::new("120363000000000001@g.us").expect("an id");
    for unknown in [
        connection.leave_group(&group).await,
        connection.group(&group).await.map(drop),
        connection.group(&nowhere).await.map(drop),
    ] {
        assert!(
            matches!(unknown, Err(DriverError::GroupUnknown { .. })),
            "{unknown:?}"
        );
    }

    // A community has no messages of its own.
    let parent = other.found_community("Bairro", &[phone(OURS)]).await;
    let parent = ChatId::new(parent.expect("founded").as_str()).expect("an id");
    session
        .wait("the community", |event| match event {
            DriverEvent::Group(notice) if notice.group == parent => Some(()),
            _ => None,
        })
        .await;
    let listed = connection.groups().await.expect("listed");
    let listed = listed.iter().find(|one| one.id == parent).expect("there");
    assert!(listed.is_community && listed.is_admin == Some(false));
    let said = connection.send(&text(&parent, "olá")).await;
    assert!(matches!(said, Err(DriverError::Refused { .. })), "{said:?}");
    assert!(ours(sandbox).group(&place(&parent)).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_name_people_by_lid() {
    a_groups_life(Addressing::Lid, |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_name_people_by_number_in_an_older_build() {
    a_groups_life(Addressing::Pn, |faults| {
        faults.group_modules = GroupModules::Older;
        faults.refusal_number = RefusalNumber::Words;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_lacks_or_the_server_refuses_is_named() {
    let sandbox = sandbox(|faults| {
        faults.missing_modules = [
            "WASmaxGroupsAddParticipantsRPC",
            "WAWebExitGroupAction",
            "WAWebMexFetchGroupInviteCodeJob",
        ]
        .map(str::to_owned)
        .to_vec();
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let session = logged_in(&sandbox, &bench).await;
    let connection = session.connection.clone();
    let new = NewGroup::new("Obra", vec![chat(THEIRS)]);
    let group = connection.create_group(&new).await.expect("made").id;
    let people = [chat(THIRD)];
    for (answer, module) in [
        (
            connection
                .change_members(&group, MemberChange::Add, &people, false)
                .await
                .map(drop),
            "WASmaxGroupsAddParticipantsRPC.sendAddParticipantsRPC",
        ),
        (
            connection.leave_group(&group).await,
            "WAWebExitGroupAction.sendExitGroup",
        ),
        (
            connection.group_invite(&group, false).await.map(drop),
            "WAWebMexFetchGroupInviteCodeJob.fetchMexGroupInviteCode",
        ),
    ] {
        match answer {
            Err(DriverError::Unsupported { part, .. }) => assert_eq!(part, module),
            other => panic!("{module} is missing: {other:?}"),
        }
    }
    let self_test = connection.self_test().await.expect("a self-test");
    let missed = |part: &str| {
        let mut probes = self_test.probes.iter();
        probes.any(|one| one.part == part && !one.found && !one.needed)
    };
    assert!(self_test.ok && missed("WAWebExitGroupAction.sendExitGroup"));

    // The rest goes on.
    edit(&session, &group, GroupEdit::Subject("Outra".to_owned())).await;
    let promoted = codes(&session, &group, MemberChange::Promote, &[THEIRS], false).await;
    assert_eq!(promoted, [200]);

    let mut faults = sandbox.faults();
    faults.refuse_groups = 429;
    sandbox.set_faults(faults);
    let said = connection.create_group(&new).await;
    assert!(
        matches!(
            said,
            Err(DriverError::ServerRefused {
                status: Some(429),
                ..
            })
        ),
        "{said:?}"
    );
    session.close().await;
}
