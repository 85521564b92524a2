//! What the Chrome driver does to messages and chats that are there, on the simulated WhatsApp: what
//! a page with one name or the other, an older page, or one that lacks a part makes of it.
#![cfg(feature = "sandbox")]

mod chrome_support;

use chrome_support::simulated::{OURS, THEIRS, logged_in, ours, sandbox, theirs};
use chrome_support::{Bench, PATIENCE, Session, phone, text};
use zapnode_core::chat::ChatChange;
use zapnode_core::driver::{DriverError, DriverEvent};
use zapnode_core::message::{
    Ack, Activity, IncomingMessage, OutgoingMessage, PinTime, RevokedFor, SentMessage,
};
use zapnode_core::sandbox::{
    Addressing, Faults, GroupAct, Phone, PhoneMessage, Place, ReactionSend, Sandbox, SendSeen,
};
use zapnode_core::{ChatId, MessageId, WireId};

/// Waits until a phone shows a message so.
async fn shows(phone: &Phone, id: &WireId, so: impl Fn(&PhoneMessage) -> bool) -> PhoneMessage {
    let shown = phone.wait_for_message(|message| message.id == *id && so(message), PATIENCE);
    shown.await.expect("the phone shows it so")
}

async fn holds(phone: &Phone, what: &str, so: impl Fn(&Phone) -> bool) {
    let holds = phone.wait_until(so, PATIENCE).await;
    holds.unwrap_or_else(|_| panic!("{what} does not come about"));
}

/// Sends, and waits until WhatsApp has it: before, nothing can be done to it.
async fn send(session: &mut Session, message: &OutgoingMessage) -> SentMessage {
    let sent = session.connection.send(message).await.expect("sent");
    session.wait_ack(&message.wire_id, Ack::Server).await;
    sent
}

async fn hear(session: &mut Session, phone: &Phone, words: &str) -> IncomingMessage {
    phone
        .send(&chrome_support::phone(OURS), words)
        .await
        .expect("written");
    session.wait_message(words).await
}

fn refused<T>(result: Result<T, DriverError>) -> DriverError {
    match result {
        Ok(_) => panic!("it was done"),
        Err(error) => error,
    }
}

/// A reply, and everything that is done to both messages of a chat, seen from the other side.
async fn all_acts(sandbox: &Sandbox, session: &mut Session) {
    let (mine, other) = (ours(sandbox), theirs(sandbox));
    let connection = session.connection.clone();
    let received = hear(session, &other, "Tem pão?").await;
    let theirs_id = received.id.wire_id();
    let chat = received.chat.clone();

    // A reply carries what it answers, for the other side too.
    let reply = OutgoingMessage {
        reply_to: Some(received.id.clone()),
        ..text(&chat, "Tem sim")
    };
    let sent = send(session, &reply).await;
    let arrived = shows(&other, &reply.wire_id, |_| true).await;
    assert_eq!(arrived.quoted.as_deref(), Some(theirs_id.as_str()));
    assert_eq!(arrived.fields["quotedMsg"]["body"], "Tem pão?");
    assert!(!arrived.unknown_sender, "{arrived:#?}");
    let mut draft = zapnode_core::sandbox::Draft::text("Quanto?");
    draft.quoted = Some(reply.wire_id.clone());
    other.write(phone(OURS), draft).await.expect("written");
    let answer = session.wait_message("Quanto?").await;
    let quoted = answer.details.reply_to.expect("a quote");
    assert_eq!(quoted.id, reply.wire_id);
    assert_eq!(quoted.text.as_deref(), Some("Tem sim"));
    assert_eq!(quoted.kind.as_deref(), Some("chat"));

    let edited = connection.edit(&sent.id, "Tem, sim").await;
    edited.expect("edited");
    shows(&other, &reply.wire_id, |m| m.edited && m.text == "Tem, sim").await;
    connection
        .react(&received.id, Some("👍"))
        .await
        .expect("ok");
    shows(&other, &theirs_id, |m| {
        m.reactions.get(&phone(OURS)).is_some_and(|e| e == "👍")
    })
    .await;
    connection.react(&received.id, None).await.expect("ok");
    shows(&other, &theirs_id, |m| m.reactions.is_empty()).await;

    for on in [true, false, false] {
        connection.star(&received.id, on).await.expect("starred");
        shows(&mine, &theirs_id, |m| m.marks.starred == on).await;
    }
    let untouched = shows(&other, &theirs_id, |_| true).await;
    assert!(!untouched.marks.starred, "a star is this account's own");
    for time in PinTime::ALL {
        connection.pin(&received.id, Some(time)).await.expect("ok");
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let pinned = shows(&other, &theirs_id, |m| m.marks.pinned_until.is_some()).await;
        let left = pinned.marks.pinned_until.unwrap_or_default() - now;
        assert!((left - i64::from(time.seconds())).abs() < 60, "{left}");
    }
    connection.pin(&received.id, None).await.expect("unpinned");
    shows(&other, &theirs_id, |m| m.marks.pinned_until.is_none()).await;

    let gone = connection.revoke(&sent.id, RevokedFor::Everyone).await;
    gone.expect("taken back");
    shows(&other, &reply.wire_id, |m| m.revoked && m.text.is_empty()).await;
    let late = refused(connection.edit(&sent.id, "tarde").await);
    assert!(matches!(late, DriverError::NotAllowed { .. }), "{late}");
    let gone = connection.revoke(&received.id, RevokedFor::Me).await;
    gone.expect("deleted here");
    let kept = shows(&other, &theirs_id, |_| true).await;
    assert!(!kept.revoked && kept.text == "Tem pão?", "{kept:#?}");
    assert!(!mine.messages().iter().any(|m| m.id == theirs_id));
    let unknown = refused(connection.react(&received.id, Some("👍")).await);
    assert!(
        matches!(unknown, DriverError::MessageUnknown { .. }),
        "{unknown}"
    );
}

async fn chats(sandbox: &Sandbox, session: &mut Session) {
    let (mine, other) = (ours(sandbox), theirs(sandbox));
    let connection = session.connection.clone();
    let received = hear(session, &other, "Viste?").await;
    let (id, place) = (received.id.wire_id(), Place::Person(phone(THEIRS)));
    assert!(!mine.is_available(), "away at the start");
    let marked = connection.change_chat(&received.chat, ChatChange::MarkUnread);
    assert!(marked.await.expect("an answer"), "the chat is there");
    holds(&mine, "an unread chat", |me| me.is_marked_unread(&place)).await;
    connection.mark_seen(&received.chat).await.expect("seen");
    shows(&other, &id, |m| m.from_me && m.ack == 3).await;
    holds(&mine, "a read chat", |me| !me.is_marked_unread(&place)).await;
    assert!(!mine.is_available(), "as before");

    let me = phone(OURS);
    for (activity, typing, recording) in [
        (Activity::Typing, true, false),
        (Activity::Recording, false, true),
        (Activity::Paused, false, false),
    ] {
        let shown = connection.show_activity(&received.chat, activity).await;
        shown.expect("shown");
        holds(&other, &format!("{activity:?}"), |them| {
            them.sees_typing(&me) == typing && them.sees_recording(&me) == recording
        })
        .await;
    }
    holds(&mine, "away after typing", |me| !me.is_available()).await;
    connection.set_available(true).await.expect("available");
    holds(&mine, "available", Phone::is_available).await;
    // What needs it for a moment leaves it as it was.
    connection.mark_seen(&received.chat).await.expect("seen");
    let paused = connection.show_activity(&received.chat, Activity::Paused);
    paused.await.expect("paused");
    assert!(mine.is_available());
    connection.set_available(false).await.expect("away");
    holds(&mine, "away", |me| !me.is_available()).await;
    // Nobody has written there, so there is nothing to be seen.
    let nobody = ChatId::new("5511900000077@c.us").expect("a chat");
    connection.mark_seen(&nobody).await.expect("nothing to do");
}

async fn groups(sandbox: &Sandbox, session: &mut Session) {
    let other = theirs(sandbox);
    let connection = session.connection.clone();
    let group = other.found_group("Obra", &[phone(OURS)]).await;
    let group = group.expect("founded");
    other
        .write(group.clone(), zapnode_core::sandbox::Draft::text("Bom dia"))
        .await
        .expect("written");
    let received = session.wait_message("Bom dia").await;
    let theirs_id = received.id.wire_id();
    let reply = OutgoingMessage {
        reply_to: Some(received.id.clone()),
        ..text(&received.chat, "Bom dia a todos")
    };
    let sent = send(session, &reply).await;
    let arrived = shows(&other, &reply.wire_id, |_| true).await;
    assert_eq!(arrived.quoted.as_deref(), Some(theirs_id.as_str()));
    connection
        .react(&received.id, Some("☀️"))
        .await
        .expect("ok");
    shows(&other, &theirs_id, |m| {
        m.reactions.contains_key(&phone(OURS))
    })
    .await;
    connection.edit(&sent.id, "Bom dia!").await.expect("edited");
    shows(&other, &reply.wire_id, |m| m.text == "Bom dia!").await;
    // Only an admin takes back what others wrote.
    let everyone = RevokedFor::Everyone;
    let not_mine = refused(connection.revoke(&received.id, everyone).await);
    assert!(
        matches!(not_mine, DriverError::NotAllowed { .. }),
        "{not_mine}"
    );
    let promote = GroupAct::Promote(vec![phone(OURS)]);
    other.act_in_group(&group, promote).await.expect("promoted");
    session
        .wait("the promotion", |event| match event {
            DriverEvent::Group(notice) if notice.word == "promote" => Some(()),
            _ => None,
        })
        .await;
    let gone = connection.revoke(&received.id, everyone).await;
    gone.expect("an admin may");
    shows(&other, &theirs_id, |m| m.revoked).await;
    connection.revoke(&sent.id, everyone).await.expect("mine");
    shows(&other, &reply.wire_id, |m| m.revoked).await;
    connection.mark_seen(&received.chat).await.expect("seen");
}

async fn everything(addressing: Addressing) {
    let sandbox = sandbox(|faults| {
        faults.addressing = addressing;
        faults.messages_carry_number = true;
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    all_acts(&sandbox, &mut session).await;
    chats(&sandbox, &mut session).await;
    groups(&sandbox, &mut session).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_done_where_people_have_numbers() {
    everything(Addressing::Pn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_done_where_people_have_lids() {
    everything(Addressing::Lid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_builds_old_messages_and_missing_parts() {
    let sandbox = sandbox(|faults| {
        faults.send_seen = SendSeen::Positional;
        faults.reaction_send = ReactionSend::Itself;
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let connection = session.connection.clone();
    let other = theirs(&sandbox);
    let received = hear(&mut session, &other, "olá").await;
    let theirs_id = received.id.wire_id();
    connection.mark_seen(&received.chat).await.expect("seen");
    shows(&other, &theirs_id, |m| m.from_me && m.ack == 3).await;
    connection
        .react(&received.id, Some("👍"))
        .await
        .expect("ok");
    shows(&other, &theirs_id, |m| !m.reactions.is_empty()).await;
    let mine = text(&received.chat, "um");
    let sent = send(&mut session, &mine).await;

    // What is only in the page's storage after a load is found there.
    hear(&mut session, &other, "mais").await;
    session.reload().await;
    connection.edit(&sent.id, "dois").await.expect("edited");
    shows(&other, &mine.wire_id, |m| m.text == "dois").await;
    connection
        .react(&received.id, Some("❤️"))
        .await
        .expect("ok");
    let gone = connection.revoke(&sent.id, RevokedFor::Everyone).await;
    gone.expect("taken back");
    shows(&other, &mine.wire_id, |m| m.revoked).await;

    // Too late; and nothing is known of it here.
    sandbox.set_faults(Faults {
        edit_seconds: 0,
        revoke_seconds: 0,
        ..Faults::default()
    });
    session.reload().await;
    let sent = send(&mut session, &text(&received.chat, "tarde")).await;
    let everyone = RevokedFor::Everyone;
    for late in [
        connection.edit(&sent.id, "mais tarde").await,
        connection.revoke(&sent.id, everyone).await,
    ] {
        let late = refused(late);
        assert!(matches!(late, DriverError::NotAllowed { .. }), "{late}");
    }
    let nowhere = MessageId::new(&format!("true_{}_3EB0AABBCCDDEEFF", received.chat));
    let nowhere = refused(connection.edit(&nowhere.expect("a key"), "?").await);
    assert!(
        matches!(nowhere, DriverError::MessageUnknown { .. }),
        "{nowhere}"
    );

    // Each missing part takes its own act and no other, and is named.
    let parts = [
        ("edit", "WAWebSendMessageEditAction"),
        ("react", "WAWebSendReactionMsgAction"),
        ("pin", "WAWebSendPinMessageAction"),
        ("mark seen", "WAWebUpdateUnreadChatAction"),
        ("typing", "WAWebChatStateBridge"),
        ("presence", "WAWebPresenceChatAction"),
    ];
    sandbox.set_faults(Faults {
        missing_modules: parts.map(|(_, part)| part.to_owned()).to_vec(),
        ..Faults::default()
    });
    session.reload().await;
    let sent = send(&mut session, &text(&received.chat, "ainda vai")).await;
    let typing = Activity::Typing;
    let outcomes = [
        connection.edit(&sent.id, "?").await,
        connection.react(&sent.id, Some("👍")).await,
        connection.pin(&sent.id, Some(PinTime::Day)).await,
        connection.mark_seen(&received.chat).await,
        connection.show_activity(&received.chat, typing).await,
        connection.set_available(true).await,
    ];
    for ((what, module), outcome) in parts.into_iter().zip(outcomes) {
        match refused(outcome) {
            DriverError::Unsupported { feature, part } => {
                assert_eq!(feature, what);
                assert!(part.starts_with(module), "{part}");
            }
            other => panic!("{what}: {other}"),
        }
    }
    connection.star(&sent.id, true).await.expect("starred");
    connection.revoke(&sent.id, everyone).await.expect("gone");
    let test = connection.self_test().await.expect("a self-test");
    assert!(test.ok, "{test:#?}");
    for (_, module) in parts {
        let mut of_it = test.probes.iter().filter(|p| p.part.starts_with(module));
        assert!(of_it.any(|probe| !probe.found), "{module} is not listed");
    }
    session.close().await;
}
