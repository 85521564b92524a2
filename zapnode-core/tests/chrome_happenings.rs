//! What the Chrome driver tells besides plain messages, on the simulated WhatsApp: edits, revokes,
//! reactions, calls, groups, what is not decrypted, and what came while it was closed.
#![cfg(feature = "sandbox")]

mod chrome_support;

use chrome_support::simulated::{OURS, THEIRS, logged_in, ours, sandbox, theirs};
use chrome_support::{Bench, PATIENCE, Session, phone};
use serde_json::{Value, json};
use zapnode_core::driver::DriverEvent;
use zapnode_core::message::{
    Ack, Call, Decryption, Edit, GroupChange, GroupNotice, IncomingMessage, Person, Reaction,
    Revoke, RevokedFor, WaitingMessage,
};
use zapnode_core::sandbox::{
    Addressing, CallPath, Ciphertext, Draft, Faults, GroupAct, Phone, Place, ReactionTable, Sandbox,
};

const THIRD: &str = "244929000003";

/// The next event of a session that is none of its link or acks.
async fn next(session: &mut Session) -> DriverEvent {
    loop {
        match session.next().await {
            DriverEvent::Link(_)
            | DriverEvent::Login(_)
            | DriverEvent::Ack(_)
            | DriverEvent::Reloaded => {}
            event => return event,
        }
    }
}

async fn message(session: &mut Session) -> IncomingMessage {
    match next(session).await {
        DriverEvent::Message(message) => *message,
        other => panic!("a message was due: {other:#?}"),
    }
}

async fn edit(session: &mut Session) -> Edit {
    match next(session).await {
        DriverEvent::Edited(edit) => edit,
        other => panic!("an edit was due: {other:#?}"),
    }
}

async fn revoke(session: &mut Session) -> Revoke {
    match next(session).await {
        DriverEvent::Revoked(revoke) => revoke,
        other => panic!("a revoke was due: {other:#?}"),
    }
}

async fn reaction(session: &mut Session) -> Reaction {
    match next(session).await {
        DriverEvent::Reaction(reaction) => reaction,
        other => panic!("a reaction was due: {other:#?}"),
    }
}

async fn call(session: &mut Session) -> Call {
    match next(session).await {
        DriverEvent::Call(call) => call,
        other => panic!("a call was due: {other:#?}"),
    }
}

async fn notice(session: &mut Session) -> GroupNotice {
    match next(session).await {
        DriverEvent::Group(notice) => notice,
        other => panic!("a notice of a group was due: {other:#?}"),
    }
}

async fn waiting(session: &mut Session) -> WaitingMessage {
    match next(session).await {
        DriverEvent::Waiting(waiting) => waiting,
        other => panic!("a waiting message was due: {other:#?}"),
    }
}

fn third(sandbox: &Sandbox) -> Phone {
    sandbox.phone(&phone(THIRD))
}

fn is(person: &Person, number: &str) -> bool {
    person.phone.as_ref().and_then(|id| id.phone()) == Some(phone(number)) && person.lid.is_some()
}

fn fields(value: Value) -> serde_json::Map<String, Value> {
    value.as_object().cloned().expect("fields")
}

async fn reload(session: &mut Session) {
    session.connection.reload().await.expect("reloaded");
    session.wait_ready().await;
}

/// Waits until the page has looked at its lazy modules too.
async fn hears(session: &Session, part: &str) {
    let found = async {
        loop {
            let test = session.connection.self_test().await.expect("a self-test");
            let probe = test.probes.iter().find(|probe| probe.part == part);
            if probe.expect("a probe of that name").found {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_| panic!("{part} is not found"));
}

async fn changes_of_messages(sandbox: &Sandbox, session: &mut Session) {
    let (mine, other) = (ours(sandbox), theirs(sandbox));
    // Theirs: edited twice, with the second edit back to the first text.
    let id = other.send(&phone(OURS), "um").await.expect("sent");
    let first = message(session).await;
    assert_eq!(first.id.wire_id(), id);
    assert!(is(&first.writer(), THEIRS), "{first:#?}");
    for (text, before) in [("dois", "um"), ("um", "dois")] {
        other.edit(&id, text).await.expect("edited");
        let edit = edit(session).await;
        assert_eq!(
            (&edit.id, edit.text.as_deref()),
            (&first.id, Some(text)),
            "{edit:#?}"
        );
        assert_eq!(edit.previous.as_deref(), Some(before));
        assert!(is(&edit.from, THEIRS) && !edit.from_me && edit.chat == first.chat);
    }
    // Ours, written and edited on the phone.
    let own = mine.send(&phone(THEIRS), "meu").await.expect("sent");
    let told = message(session).await;
    assert!(
        told.from_me && told.details.ack >= Some(Ack::Server),
        "{told:#?}"
    );
    mine.edit(&own, "meu, melhor").await.expect("edited");
    let edit = edit(session).await;
    assert!(edit.from_me && is(&edit.from, OURS), "{edit:#?}");

    // A reaction, another one in its place, and none.
    for emoji in ["👍", "❤️", ""] {
        other.react(&own, emoji).await.expect("reacted");
        let reaction = reaction(session).await;
        assert_eq!(reaction.message, told.id);
        assert_eq!(reaction.emoji.as_deref().unwrap_or_default(), emoji);
        assert!(is(&reaction.from, THEIRS) && !reaction.from_me && !reaction.is_orphan);
    }
    mine.react(&id, "😀").await.expect("reacted");
    let by_me = reaction(session).await;
    assert!(by_me.from_me && is(&by_me.from, OURS), "{by_me:#?}");

    // Taken back by its writer: once, though the page shows it in two ways.
    other.revoke(&id).await.expect("taken back");
    let gone = revoke(session).await;
    assert_eq!(
        (gone.id, gone.revoked_for),
        (first.id, RevokedFor::Everyone)
    );
    assert!(is(&gone.from, THEIRS) && !gone.from_me);
    // Deleted here only.
    mine.delete(&own).await.expect("deleted");
    let gone = revoke(session).await;
    assert_eq!((gone.id, gone.revoked_for), (told.id, RevokedFor::Me));
    assert!(gone.from_me && is(&gone.from, OURS));
}

async fn what_messages_carry(sandbox: &Sandbox, session: &mut Session) {
    let other = theirs(sandbox);
    let write = async |draft| other.write(phone(OURS), draft).await.expect("written");
    let image = fields(json!({
        "directPath": "/v/t62", "mimetype": "image/jpeg", "size": 4321, "caption": "a vista",
        "isForwarded": true, "forwardingScore": 5, "isEphemeral": true,
    }));
    write(Draft::text("thumbnail").of_kind("image", image)).await;
    let read = message(session).await;
    assert_eq!(
        (&*read.kind, read.text.as_deref()),
        ("image", Some("a vista"))
    );
    let media = read.details.media.expect("a medium");
    assert_eq!(media.mime_type.as_deref(), Some("image/jpeg"));
    assert_eq!((media.size, media.duration), (Some(4321), None));
    assert!(read.details.is_forwarded && read.details.is_ephemeral);
    assert_eq!(read.details.forwarding_score, 5);

    let place = fields(json!({"lat": -8.81, "lng": 13.23, "loc": "Mutamba\nLuanda\nAngola"}));
    write(Draft::text("thumbnail").of_kind("location", place)).await;
    let place = message(session).await.details.location.expect("a place");
    assert!((place.latitude + 8.81).abs() < 1e-9 && (place.longitude - 13.23).abs() < 1e-9);
    assert_eq!(place.name.as_deref(), Some("Mutamba"));
    assert_eq!(place.address.as_deref(), Some("Luanda\nAngola"));

    let cards =
        fields(json!({"vcardList": [{"vcard": "BEGIN:VCARD 1"}, {"vcard": "BEGIN:VCARD 2"}]}));
    write(Draft::text("").of_kind("multi_vcard", cards)).await;
    assert_eq!(
        message(session).await.details.vcards,
        ["BEGIN:VCARD 1", "BEGIN:VCARD 2"]
    );

    let voice = fields(json!({"directPath": "/v", "mimetype": "audio/ogg", "duration": "7"}));
    let voice = write(Draft::text("").of_kind("ptt", voice)).await;
    let read = message(session).await.details.media.expect("a medium");
    assert_eq!(read.duration, Some(7));

    let mut answer = Draft::text("claro");
    answer.quoted = Some(voice.clone());
    write(answer).await;
    let quoted = message(session).await.details.reply_to.expect("a quote");
    assert_eq!(quoted.id, voice);
    assert!(quoted.from.is_some_and(|from| is(&from, THEIRS)));
}

async fn groups(sandbox: &Sandbox, session: &mut Session, addressing: Addressing) {
    let (mine, other, third) = (ours(sandbox), theirs(sandbox), third(sandbox));
    let members = [phone(OURS), phone(THIRD)];
    let group = other.found_group("Obra", &members).await.expect("founded");
    let created = notice(session).await;
    assert_eq!(created.group.as_str(), group.as_str());
    assert_eq!(
        (created.change, &*created.word),
        (GroupChange::Updated, "create")
    );
    assert_eq!(created.text.as_deref(), Some("Obra"));
    assert!(
        created.by.as_ref().is_some_and(|by| is(by, THEIRS)),
        "{created:#?}"
    );
    let joined = notice(session).await;
    assert_eq!(
        (joined.change, joined.members.len()),
        (GroupChange::Joined, 2)
    );
    assert!(
        joined.members.iter().any(|member| is(member, OURS)),
        "{joined:#?}"
    );

    // A message in it: by whom, who is mentioned.
    let mut draft = Draft::text("@loja chegou");
    draft.mentions = vec![phone(OURS), phone(THEIRS)];
    let id = third.write(group.clone(), draft).await.expect("written");
    let told = message(session).await;
    assert_eq!(told.chat.as_str(), group.as_str());
    assert!(is(&told.writer(), THIRD), "{told:#?}");
    let lid = addressing != Addressing::Pn;
    assert_eq!(told.from.is_lid(), lid, "how the group names its members");
    assert_eq!(told.details.mentions.len(), 2);
    assert!(is(&told.details.mentions[0], OURS) && is(&told.details.mentions[1], THEIRS));
    mine.react(&id, "👍").await.expect("reacted");
    let mine_on_it = reaction(session).await;
    assert!(
        mine_on_it.from_me && mine_on_it.message == told.id,
        "{mine_on_it:#?}"
    );
    third.edit(&id, "@loja já chegou").await.expect("edited");
    assert!(is(&edit(session).await.from, THIRD));
    // Taken back by an admin: told is whose it was.
    other.revoke(&id).await.expect("taken back");
    let gone = revoke(session).await;
    assert!(gone.id == told.id && is(&gone.from, THIRD), "{gone:#?}");

    let act = async |phone: &Phone, act| phone.act_in_group(&group, act).await.expect("done");
    let who = |list: &[Person], number: &str| list.len() == 1 && is(&list[0], number);
    act(&other, GroupAct::Promote(vec![phone(OURS)])).await;
    let promoted = notice(session).await;
    assert!(promoted.change == GroupChange::Promoted && who(&promoted.members, OURS));
    act(&other, GroupAct::Demote(vec![phone(OURS)])).await;
    assert_eq!(notice(session).await.change, GroupChange::Demoted);
    act(&third, GroupAct::Leave).await;
    let left = notice(session).await;
    assert!(
        left.change == GroupChange::Left && who(&left.members, THIRD),
        "{left:#?}"
    );
    act(&third, GroupAct::RequestToJoin).await;
    let asked = notice(session).await;
    assert!(asked.change == GroupChange::JoinRequested && who(&asked.members, THIRD));
    act(&third, GroupAct::Join).await;
    assert_eq!(notice(session).await.change, GroupChange::Joined);
    act(&other, GroupAct::Remove(vec![phone(THIRD)])).await;
    let removed = notice(session).await;
    assert!(removed.change == GroupChange::Left && who(&removed.members, THIRD));
    assert!(removed.by.is_some_and(|by| is(&by, THEIRS)));
    for (change, word) in [
        (GroupAct::Subject("Obra 2".to_owned()), "subject"),
        (GroupAct::Description("betão".to_owned()), "description"),
        (GroupAct::Picture, "picture"),
        (GroupAct::Announce(true), "announce"),
    ] {
        act(&other, change).await;
        let updated = notice(session).await;
        assert_eq!(
            (updated.change, &*updated.word),
            (GroupChange::Updated, word)
        );
    }
    let call_id = other.call(group.clone(), false).await.expect("calls");
    let rings = call(session).await;
    assert_eq!(rings.id, call_id);
    assert!(
        rings.is_group && !rings.is_video && is(&rings.from, THEIRS),
        "{rings:#?}"
    );
}

/// Everything once, in a build that names people by number or by LID.
async fn everything_is_told_once(addressing: Addressing) {
    let sandbox = sandbox(|faults| {
        faults.addressing = addressing;
        faults.messages_carry_number = true;
        faults.call_collection_ms = 50;
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    // Whom this account has met: only of those does the page know both names.
    for number in [THEIRS, THIRD] {
        sandbox
            .phone(&phone(number))
            .send(&phone(OURS), number)
            .await
            .expect("sent");
        session.wait_message(number).await;
    }
    changes_of_messages(&sandbox, &mut session).await;
    what_messages_carry(&sandbox, &mut session).await;
    hears(&session, "listener: calls").await;
    let call_id = theirs(&sandbox)
        .call(phone(OURS), true)
        .await
        .expect("calls");
    let rings = call(&mut session).await;
    assert_eq!(rings.id, call_id);
    assert!(
        rings.is_video && !rings.is_group && is(&rings.from, THEIRS),
        "{rings:#?}"
    );
    groups(&sandbox, &mut session, addressing).await;

    // A reload tells nothing of it again, though the page writes its old reactions anew; and what
    // is no longer in the page's memory can still be taken back.
    let old = theirs(&sandbox)
        .send(&phone(OURS), "antiga")
        .await
        .expect("sent");
    let old_told = message(&mut session).await;
    theirs(&sandbox)
        .send(&phone(OURS), "última")
        .await
        .expect("sent");
    message(&mut session).await;
    reload(&mut session).await;
    theirs(&sandbox).revoke(&old).await.expect("taken back");
    let gone = revoke(&mut session).await;
    assert_eq!(gone.id, old_told.id);
    assert!(is(&gone.from, THEIRS), "{gone:#?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_told_once_where_people_are_named_by_number() {
    everything_is_told_once(Addressing::Pn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_told_once_where_people_are_named_by_lid() {
    everything_is_told_once(Addressing::Lid).await;
}

/// What came while nobody listened, which the page adds as new or as history.
async fn downtime(as_history: bool) {
    let sandbox = sandbox(|faults| {
        faults.messages_carry_number = true;
        faults.backlog_as_history = as_history;
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let (mine, other) = (ours(&sandbox), theirs(&sandbox));
    let mut session = logged_in(&sandbox, &bench).await;
    let group = other
        .found_group("Obra", &[phone(OURS)])
        .await
        .expect("founded");
    notice(&mut session).await;
    notice(&mut session).await;
    let own = mine.send(&phone(THEIRS), "antes").await.expect("sent");
    let told = message(&mut session).await;
    other.react(&own, "👀").await.expect("reacted");
    reaction(&mut session).await;
    session.close().await;

    // From three sides, while nobody listens.
    other.send(&phone(OURS), "1").await.expect("sent");
    mine.send(&phone(THEIRS), "2").await.expect("sent");
    let place = Place::Group(group.clone());
    other.write(place, Draft::text("3")).await.expect("sent");
    other
        .act_in_group(&group, GroupAct::Subject("Outra".to_owned()))
        .await
        .expect("done");
    other.react(&own, "🎉").await.expect("reacted");
    other.send(&phone(OURS), "4").await.expect("sent");

    let mut session = bench.open("a").await;
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(match next(&mut session).await {
            DriverEvent::Message(message) => {
                assert_eq!(message.from_me, message.text.as_deref() == Some("2"));
                message.text.unwrap_or_default()
            }
            DriverEvent::Group(notice) => notice.word,
            DriverEvent::Reaction(reaction) => {
                assert_eq!(reaction.message, told.id);
                reaction.emoji.unwrap_or_default()
            }
            other => panic!("told again: {other:#?}"),
        });
    }
    if as_history {
        // Old messages are told in their order, and before what the page says is new.
        assert_eq!(seen, ["1", "2", "3", "subject", "4", "🎉"]);
    } else {
        assert_eq!(seen, ["1", "2", "3", "subject", "🎉", "4"]);
    }
    // And nothing of it in another start: what is told next is what happens next.
    session.close().await;
    let mut session = bench.open("a").await;
    session.wait_ready().await;
    other.react(&own, "").await.expect("reacted");
    assert_eq!(reaction(&mut session).await.emoji, None);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_closed_is_told_once_and_in_order() {
    downtime(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_while_closed_is_told_though_the_page_has_it_as_old() {
    downtime(true).await;
}

/// A page lives on for a moment when nobody listens any more: here it takes messages in while its
/// session is long closed, by way of a second browser on the same profile.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_took_in_and_nobody_told_is_found_at_the_next_start() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let other = theirs(&sandbox);
    let mut session = logged_in(&sandbox, &bench).await;
    other.send(&phone(OURS), "0").await.expect("sent");
    session.wait_message("0").await;
    session.close().await;
    // As it was when this run ended: what a later one hears is not noted.
    let note = bench.login("a").folder.join("zapnode-heard-until.json");
    let heard = std::fs::read(&note).expect("a note");
    let mut deaf = bench.open("a").await;
    deaf.wait_ready().await;
    for text in ["1", "2", "3", "4"] {
        other.send(&phone(OURS), text).await.expect("sent");
    }
    deaf.wait_message("4").await;
    deaf.close().await;
    std::fs::write(&note, heard).expect("put back");

    let mut session = bench.open("a").await;
    for text in ["1", "2", "3", "4"] {
        assert_eq!(message(&mut session).await.text.as_deref(), Some(text));
    }
    other.send(&phone(OURS), "5").await.expect("sent");
    assert_eq!(message(&mut session).await.text.as_deref(), Some("5"));
    session.close().await;
}

/// As above, with an edit of a message that was told.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_when_nobody_listened_is_told_once() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let other = theirs(&sandbox);
    let mut session = logged_in(&sandbox, &bench).await;
    let id = other.send(&phone(OURS), "um").await.expect("sent");
    session.wait_message("um").await;
    other.edit(&id, "dois").await.expect("edited");
    assert_eq!(edit(&mut session).await.text.as_deref(), Some("dois"));
    session.close().await;
    let note = bench.login("a").folder.join("zapnode-heard-until.json");
    let heard = std::fs::read(&note).expect("a note");
    let mut deaf = bench.open("a").await;
    deaf.wait_ready().await;
    other.edit(&id, "três").await.expect("edited");
    assert_eq!(edit(&mut deaf).await.text.as_deref(), Some("três"));
    deaf.close().await;
    std::fs::write(&note, heard).expect("put back");

    let mut session = bench.open("a").await;
    let missed = edit(&mut session).await;
    assert_eq!(
        (missed.id.wire_id(), missed.text.as_deref()),
        (id, Some("três"))
    );
    assert_eq!(missed.previous, None);
    // Neither again in this document's successor nor in another start.
    reload(&mut session).await;
    other.send(&phone(OURS), "5").await.expect("sent");
    assert_eq!(message(&mut session).await.text.as_deref(), Some("5"));
    session.close().await;
    let mut session = bench.open("a").await;
    session.wait_ready().await;
    other.send(&phone(OURS), "6").await.expect("sent");
    assert_eq!(message(&mut session).await.text.as_deref(), Some("6"));
    session.close().await;
}

/// As above, with a message that was told as waiting: the page reads it while nobody listens, and
/// has it in its storage only afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_waited_for_and_read_when_nobody_listened_is_told() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let other = theirs(&sandbox);
    let mut session = logged_in(&sandbox, &bench).await;
    let set = |ciphertext| {
        sandbox.set_faults(Faults {
            ciphertext,
            ..Faults::default()
        });
    };
    set(Ciphertext::Never);
    other.send(&phone(OURS), "tarde").await.expect("sent");
    assert_eq!(waiting(&mut session).await.decryption, Decryption::Awaited);
    // Not the last of its chat; and what is heard last is of another, and well after it.
    set(Ciphertext::Off);
    other.send(&phone(OURS), "depois").await.expect("sent");
    session.wait_message("depois").await;
    assert_eq!(waiting(&mut session).await.decryption, Decryption::Overdue);
    let third = sandbox.phone(&phone("244929000003"));
    third.send(&phone(OURS), "outra").await.expect("sent");
    session.wait_message("outra").await;
    session.close().await;
    let note = bench.login("a").folder.join("zapnode-heard-until.json");
    let heard = std::fs::read(&note).expect("a note");
    let mut deaf = bench.open("a").await;
    deaf.wait_message("tarde").await;
    deaf.close().await;
    std::fs::write(&note, heard).expect("put back");

    let mut session = bench.open("a").await;
    assert_eq!(message(&mut session).await.text.as_deref(), Some("tarde"));
    // Once: neither in this document's successor nor in another start.
    reload(&mut session).await;
    other.send(&phone(OURS), "5").await.expect("sent");
    assert_eq!(message(&mut session).await.text.as_deref(), Some("5"));
    session.close().await;
    let mut session = bench.open("a").await;
    session.wait_ready().await;
    other.send(&phone(OURS), "6").await.expect("sent");
    assert_eq!(message(&mut session).await.text.as_deref(), Some("6"));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_decrypted_is_told_as_waiting_and_as_a_message_when_it_is() {
    let sandbox = sandbox(|faults| faults.ciphertext = Ciphertext::Resolves).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let set = |ciphertext| {
        sandbox.set_faults(Faults {
            ciphertext,
            ..Faults::default()
        });
    };
    let write = async |text: &str| theirs(&sandbox).send(&phone(OURS), text).await;
    // By itself.
    let id = write("tarde").await.expect("sent");
    let seen = waiting(&mut session).await;
    assert_eq!(
        (seen.id.wire_id(), seen.decryption),
        (id, Decryption::Awaited)
    );
    assert_eq!(message(&mut session).await.text.as_deref(), Some("tarde"));
    // After the page was made to ask for it again.
    set(Ciphertext::Resent);
    write("pedida").await.expect("sent");
    assert_eq!(waiting(&mut session).await.decryption, Decryption::Awaited);
    assert_eq!(message(&mut session).await.text.as_deref(), Some("pedida"));
    // Of a kind that does not come to this device.
    set(Ciphertext::Unavailable);
    write("uma vez").await.expect("sent");
    assert_eq!(
        waiting(&mut session).await.decryption,
        Decryption::Unavailable
    );
    // Never; then in a later document, where the page has it as an old message.
    set(Ciphertext::Never);
    let id = write("nunca").await.expect("sent");
    assert_eq!(waiting(&mut session).await.decryption, Decryption::Awaited);
    let overdue = waiting(&mut session).await;
    assert_eq!(
        (overdue.id.wire_id(), overdue.decryption),
        (id.clone(), Decryption::Overdue)
    );
    set(Ciphertext::Resolves);
    session.connection.reload().await.expect("reloaded");
    session.wait_message("nunca").await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_builds_tell_the_same_and_missing_parts_take_only_their_feature() {
    let sandbox = sandbox(|faults| {
        faults.reaction_table = ReactionTable::CreateOrUpdate;
        faults.call_path = CallPath::ProcessIncomingCall;
        faults.call_collection_ms = 50;
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let other = theirs(&sandbox);
    let id = other.send(&phone(OURS), "olá").await.expect("sent");
    message(&mut session).await;
    other.react(&id, "👍").await.expect("reacted");
    assert_eq!(reaction(&mut session).await.emoji.as_deref(), Some("👍"));
    hears(&session, "listener: calls").await;
    other.call(phone(OURS), false).await.expect("calls");
    call(&mut session).await;

    sandbox.set_faults(Faults {
        call_path: CallPath::Add,
        call_collection_ms: 50,
        missing_modules: [
            "WAWebAddonReactionTableMode",
            "WAWebSyncGatingUtils",
            "WAWebNonMessageDataRequestPlaceholderMessageResendUtils",
        ]
        .map(str::to_owned)
        .to_vec(),
        ciphertext: Ciphertext::Resolves,
        ..Faults::default()
    });
    reload(&mut session).await;
    hears(&session, "listener: calls, by their collection").await;
    other.call(phone(OURS), false).await.expect("calls");
    call(&mut session).await;
    other.react(&id, "❤️").await.expect("reacted");
    other.send(&phone(OURS), "mais").await.expect("sent");
    // The reaction cannot be heard; everything else is.
    waiting(&mut session).await;
    assert_eq!(message(&mut session).await.text.as_deref(), Some("mais"));
    let test = session.connection.self_test().await.expect("a self-test");
    assert!(test.ok, "{test:#?}");
    for part in ["listener: reactions", "listener: resending"] {
        let probe = test.probes.iter().find(|probe| probe.part == part);
        let probe = probe.expect("a probe of that name");
        assert!(!probe.found && probe.detail.is_some(), "{probe:#?}");
    }
    session.close().await;
}
