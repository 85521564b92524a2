//! What is told outside: each thing once, in order, also over a restart and over SIGKILL.

// The process that is killed says what it has told.
#![allow(clippy::print_stdout)]

mod scene;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use scene::{Scene, ana, bruno, create, id, qr, told, until};
use time::OffsetDateTime;
use zapnode_core::driver::DriverEvent;
use zapnode_core::event::{Event, EventKind, EventName, Filter, MessagePayload};
use zapnode_core::ignore::{Ignore, IgnoreChoice};
use zapnode_core::message::{
    Ack, Call, Decryption, Edit, GroupChange, GroupNotice, IncomingMessage, Person, Reaction,
    Revoke, RevokedFor, WaitingMessage,
};
use zapnode_core::outbox::{MessageFilter, MessageState, NewMessage};
use zapnode_core::{
    ChatId, ManagerOptions, MessageId, SessionHandle, SessionInfo, SessionManager, SessionOptions,
};

const WAIT: Duration = Duration::from_secs(20);

async fn all(manager: &SessionManager) -> Vec<Event> {
    let log = manager.events();
    let page = log.read(0, 1000, &Filter::default()).await.expect("read");
    assert!(page.is_last());
    page.events
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::name).collect()
}

fn chat(text: &str) -> ChatId {
    ChatId::new(text).expect("a chat")
}

fn key(text: &str) -> MessageId {
    MessageId::new(text).expect("a key")
}

/// Tells something, and waits until a marker told after it is in the log: what is between is there
/// or never will be.
async fn tell(
    scene: &Scene,
    session: &SessionHandle,
    manager: &SessionManager,
    event: DriverEvent,
) {
    scene.driver.tell(session.id(), event).await;
    settled(scene, session, manager).await;
}

async fn settled(scene: &Scene, session: &SessionHandle, manager: &SessionManager) {
    let log = manager.events();
    let marker = scene.driver.write(session.id(), &ana(), "marker").await;
    let mut events = log.select(0, Filter::default().names([EventName::MessageAny]));
    told(
        &mut events,
        |e| matches!(&e.kind, EventKind::MessageAny(m) if m.id == marker.id),
    )
    .await;
}

fn message(event: &Event) -> &MessagePayload {
    match &event.kind {
        EventKind::Message(m) | EventKind::MessageAny(m) => m,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn states_messages_and_acks_are_told_once_in_order_and_stay_over_a_restart() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let incoming = scene.driver.write(session.id(), &bruno(), "oi").await;
    // The page tells it again, as after a reload.
    let again = DriverEvent::Message(Box::new(incoming.clone()));
    scene.driver.tell(session.id(), again).await;
    let sent = session
        .submit_and_wait(NewMessage::text(bruno(), "olá"), MessageState::Sent, WAIT)
        .await
        .expect("sent")
        .message;
    for ack in [Ack::Read, Ack::Device, Ack::Read, Ack::Played, Ack::Played] {
        let acknowledged = scene.driver.acknowledge(session.id(), &sent.wire_id, ack);
        acknowledged.await;
    }
    let mut acks = manager.events().from(0);
    told(
        &mut acks,
        |e| matches!(&e.kind, EventKind::Ack(a) if a.ack_name == "PLAYED"),
    )
    .await;
    manager.shutdown().await;
    assert!(acks.next().await.is_some(), "what came at the end is given");
    while acks.next().await.is_some() {}
    let before = all(&manager).await;
    drop((manager, session));

    let manager = scene.manager().await;
    assert_eq!(all(&manager).await, before, "the same, with the same ids");
    for (event, sequence) in before.iter().zip(1..) {
        assert_eq!(event.sequence, sequence);
    }
    let mut others = names(&before);
    others.retain(|name| *name != "session.status");
    assert_eq!(
        others,
        [
            "message",
            "message.any",
            "message.any",
            "message.ack",
            "message.ack",
            "message.ack"
        ]
    );
    let of = |name: &str| -> Vec<&Event> { before.iter().filter(|e| e.name() == name).collect() };
    let acks: Vec<_> = of("message.ack")
        .into_iter()
        .map(|e| match &e.kind {
            EventKind::Ack(ack) => (ack.ack_name.as_str(), ack.message == sent.id.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(acks, [("SERVER", true), ("READ", true), ("PLAYED", true)]);

    let heard = message(of("message")[0]);
    let me = of("message")[0].me.as_ref().expect("known by then");
    assert_eq!(me.id.phone(), Some(ana()));
    assert_eq!(
        (heard.from.as_ref(), heard.to.as_ref()),
        (Some(&incoming.chat), Some(&me.id))
    );
    assert_eq!((heard.source.as_str(), heard.from_me), ("app", false));
    let own = message(of("message.any")[1]);
    assert_eq!(
        (own.from.as_ref(), own.to.as_ref()),
        (Some(&me.id), Some(&incoming.chat))
    );
    assert_eq!(
        (own.source.as_str(), own.body.as_deref()),
        ("api", Some("olá"))
    );
    assert!(heard.who.contact_id.is_some());
    assert_eq!(heard.who.contact_id, own.who.contact_id, "one person");

    let states: Vec<_> = of("session.status")
        .into_iter()
        .map(|e| match &e.kind {
            EventKind::Status(status) => status.status.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states.first(), Some(&"STARTING"));
    assert!(
        states.contains(&"SCAN_QR_CODE") && states.contains(&"WORKING"),
        "{states:?}"
    );
    let log = serde_json::to_string(&before).expect("written");
    assert!(!log.contains("2@scripted"), "no QR is ever in the log");
}

#[tokio::test]
async fn what_was_written_elsewhere_or_while_we_were_away_comes_once_in_order() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.write(session.id(), &bruno(), "1").await;
    let mut own = scene.driver.write(session.id(), &bruno(), "2").await;
    own.id = key("true_5511912345678@c.us_3EB0AABBCCDDEEFF0011");
    own.from_me = true;
    own.from = chat("244929782402@c.us");
    let own = DriverEvent::Message(Box::new(own));
    tell(&scene, &session, &manager, own.clone()).await;
    manager.shutdown().await;
    drop((manager, session));

    // The next page brings the backlog, with what was told before among it.
    let manager = scene.manager().await;
    manager.restore().await;
    let session = manager.get(&id("a")).expect("there");
    until(&session, SessionInfo::is_ready).await;
    scene.driver.tell(session.id(), own).await;
    scene.driver.write(session.id(), &bruno(), "3").await;
    settled(&scene, &session, &manager).await;
    let events = all(&manager).await;
    let texts: Vec<_> = events
        .iter()
        .filter(|e| e.name() == "message.any")
        .map(|e| {
            (
                message(e).from_me,
                message(e).body.as_deref().unwrap_or_default(),
            )
        })
        .filter(|(_, text)| *text != "marker")
        .collect();
    assert_eq!(
        texts,
        [(false, "1"), (false, "2"), (true, "2"), (false, "3")]
    );
}

#[tokio::test]
async fn edits_revokes_reactions_calls_and_groups_are_told_once() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let first = scene
        .driver
        .write(session.id(), &bruno(), "pedido 41")
        .await;
    settled(&scene, &session, &manager).await;
    let begin = manager.events().latest();
    let at = OffsetDateTime::from_unix_timestamp(1_760_522_400).expect("a time");
    let friend = Person {
        id: chat("77@lid"),
        phone: Some(first.chat.clone()),
        lid: Some(chat("77@lid")),
    };
    let edit = DriverEvent::Edited(Edit {
        id: first.id.clone(),
        chat: first.chat.clone(),
        from: friend.clone(),
        from_me: false,
        text: Some("pedido 42".to_owned()),
        previous: None,
        at,
    });
    let revoke = DriverEvent::Revoked(Revoke {
        id: first.id.clone(),
        chat: first.chat.clone(),
        from: friend.clone(),
        from_me: false,
        revoked_for: RevokedFor::Everyone,
        at,
    });
    let reaction = |emoji: Option<&str>, seconds: i64| {
        DriverEvent::Reaction(Reaction {
            message: first.id.clone(),
            chat: first.chat.clone(),
            from: friend.clone(),
            from_me: false,
            emoji: emoji.map(str::to_owned),
            is_orphan: false,
            at: at + time::Duration::seconds(seconds),
        })
    };
    let call = DriverEvent::Call(Call {
        id: "CALL1".to_owned(),
        from: friend.clone(),
        is_video: true,
        is_group: false,
        participants: Vec::new(),
        at,
    });
    let group = |change: GroupChange, word: &str, member: &str| {
        DriverEvent::Group(GroupNotice {
            id: key(&format!("false_1203@g.us_3EB0{:08}_1@lid", word.len())),
            group: chat("1203@g.us"),
            change,
            word: word.to_owned(),
            by: None,
            members: vec![Person::new(chat(member))],
            text: None,
            at,
        })
    };
    let waiting = |id: &MessageId| {
        DriverEvent::Waiting(WaitingMessage {
            id: id.clone(),
            chat: first.chat.clone(),
            from: friend.clone(),
            from_me: false,
            decryption: Decryption::Awaited,
            at,
        })
    };
    for event in [
        edit,
        reaction(Some("👍"), 1),
        reaction(None, 2),
        call,
        group(GroupChange::Joined, "add", "244929782402@c.us"),
        group(GroupChange::Joined, "invite", "77@lid"),
        group(GroupChange::Updated, "subject", "77@lid"),
        waiting(&key("false_5511912345678@c.us_3EB0FFFFFFFF")),
        // It came already.
        waiting(&first.id),
        revoke,
    ] {
        scene.driver.tell(session.id(), event.clone()).await;
        scene.driver.tell(session.id(), event).await;
    }
    settled(&scene, &session, &manager).await;
    let page = manager.events().read(begin, 1000, &Filter::default()).await;
    let events = page.expect("read").events;
    let mut told = names(&events);
    told.retain(|name| !matches!(*name, "message" | "message.any"));
    assert_eq!(
        told,
        [
            "message.edited",
            "message.reaction",
            "message.reaction",
            "call.received",
            "group.v2.join",
            "group.v2.participants",
            "group.v2.update",
            "message.waiting",
            "message.revoked",
        ]
    );
    for event in &events {
        match &event.kind {
            EventKind::Edited(edited) => {
                assert_eq!(edited.previous_body.as_deref(), Some("pedido 41"));
                assert_eq!(edited.body.as_deref(), Some("pedido 42"));
                assert_eq!(edited.who.lid, Some(chat("77@lid")));
            }
            EventKind::Revoked(revoked) => {
                let before = revoked.before.as_ref().and_then(|m| m.body.as_deref());
                assert_eq!(before, Some("pedido 42"));
            }
            EventKind::GroupParticipants(group) => {
                let who = &group.participants[0].who;
                assert_eq!(who.phone, Some(first.chat.clone()), "known by their LID");
            }
            _ => {}
        }
    }
    let found = |words: &str| {
        let filter = MessageFilter {
            words: Some(words.to_owned()),
            ..MessageFilter::default()
        };
        let session = session.clone();
        async move { session.messages(filter, 9).await.expect("read").len() }
    };
    assert_eq!(
        (found("42").await, found("41").await),
        (1, 0),
        "the search follows an edit"
    );
    // Both names are one chat to a reader.
    let filter = Filter {
        chat: Some(chat("77@lid")),
        ..Filter::default()
    };
    let page = manager.events().read(0, 1000, &filter).await.expect("read");
    assert!(names(&page.events).contains(&"message.edited"));
}

#[tokio::test]
async fn what_is_ignored_is_neither_stored_nor_told() {
    let mut scene = Scene::new();
    scene.options.ignore = Ignore {
        chats: [chat("5511912345678@c.us")].into(),
        ..Ignore::default()
    };
    let manager = scene.manager().await;
    let by_default = scene.ready(&manager, "a").await;
    let options = SessionOptions {
        ignore: IgnoreChoice {
            groups: Some(true),
            status: Some(false),
            chats: Some([].into()),
            ..IgnoreChoice::default()
        },
        ..SessionOptions::default()
    };
    let chosen = manager.create(id("b"), options).await.expect("created");
    let chosen = chosen.session;
    until(&chosen, |i| qr(i).is_some()).await;
    scene.driver.scan(chosen.id(), &bruno()).await;
    until(&chosen, SessionInfo::is_ready).await;

    for session in [&by_default, &chosen] {
        for (number, name) in [
            "1203@g.us",
            "status@broadcast",
            "99@newsletter",
            "5511912345678@c.us",
        ]
        .into_iter()
        .enumerate()
        {
            let heard = IncomingMessage {
                id: key(&format!("false_{name}_3EB0AABBCC{number:02}")),
                chat: chat(name),
                text: Some(name.to_owned()),
                ..incoming()
            };
            let heard = DriverEvent::Message(Box::new(heard));
            scene.driver.tell(session.id(), heard).await;
        }
        settled(&scene, session, &manager).await;
        let stored = session.messages(MessageFilter::default(), 99).await;
        let mut stored: Vec<_> = stored
            .expect("read")
            .into_iter()
            .filter_map(|m| m.text)
            .collect();
        stored.retain(|text| text != "marker");
        stored.sort();
        let filter = Filter::session(session.id().clone()).names([EventName::Message]);
        let page = manager.events().read(0, 1000, &filter).await.expect("read");
        let mut told: Vec<_> = page
            .events
            .iter()
            .filter_map(|e| message(e).body.clone())
            .collect();
        told.retain(|text| text != "marker");
        told.sort();
        assert_eq!(stored, told);
        let heard: &[&str] = if session.id().as_str() == "a" {
            &["1203@g.us"]
        } else {
            &["5511912345678@c.us", "status@broadcast"]
        };
        assert_eq!(told, heard, "{}", session.id());
    }
}

fn incoming() -> IncomingMessage {
    IncomingMessage {
        id: key("false_5511912345678@c.us_3EB0AABBCC"),
        chat: chat("5511912345678@c.us"),
        from: chat("5511912345678@c.us"),
        from_phone: Some(chat("5511912345678@c.us")),
        from_lid: None,
        name: None,
        from_me: false,
        kind: "chat".to_owned(),
        text: None,
        at: OffsetDateTime::from_unix_timestamp(1_760_522_400).expect("a time"),
        details: Default::default(),
    }
}

#[tokio::test]
async fn a_removed_session_is_told_and_what_could_not_be_sent_too() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let nobody = zapnode_core::PhoneNumber::new("0001234567").expect("a number");
    session
        .submit_and_wait(NewMessage::text(nobody, "x"), MessageState::Sent, WAIT)
        .await
        .expect("accepted");
    let mut events = manager.events().from(0);
    let failed = told(&mut events, |e| matches!(e.kind, EventKind::Failed(_))).await;
    let EventKind::Failed(failed) = failed.kind else {
        unreachable!()
    };
    assert_eq!(failed.code, "number_not_on_whatsapp");
    assert_eq!(
        (failed.to.as_str(), failed.body.as_deref()),
        ("0001234567", Some("x"))
    );
    manager.delete(session.id(), false).await.expect("deleted");
    let removed = told(&mut events, |e| matches!(e.kind, EventKind::Removed(_))).await;
    assert_eq!(removed.session, id("a"));
    assert_eq!(removed.me.and_then(|me| me.id.phone()), Some(ana()));
}

/// Which folder the process below works in.
const FOLDER: &str = "ZAPNODE_TEST_EVENTS_FOLDER";

/// Not a test of its own: the process that the next one kills. It hears and sends as fast as it
/// can, and says what the log has told.
#[tokio::test]
async fn process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mut scene = Scene::new();
    scene.options = ManagerOptions::in_folder(folder);
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut events = manager.events().from(0);
    tokio::spawn(async move {
        loop {
            scene.driver.write(session.id(), &bruno(), "in").await;
            let out = session.submit(NewMessage::text(bruno(), "out")).await;
            out.expect("accepted");
            tokio::task::yield_now().await;
        }
    });
    loop {
        let event = events.next().await.expect("more").expect("read");
        println!("told {} {}", event.id, event.name());
    }
}

#[tokio::test]
async fn a_killed_process_has_told_exactly_what_it_stored() {
    for kill_after in [40, 150, 400] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(std::env::current_exe().expect("known"))
            .args(["--exact", "process_that_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let told: Vec<String> = lines
            .map(|line| line.expect("read"))
            .filter_map(|line| line.strip_prefix("told ").map(str::to_owned))
            .take(kill_after)
            .collect();
        child.kill().expect("killed");
        child.wait().expect("gone");

        let mut scene = Scene::new();
        scene.options = ManagerOptions::in_folder(folder.path());
        let manager = scene.manager().await;
        let mut events = Vec::new();
        let mut after = 0;
        loop {
            let page = manager.events().read(after, 1000, &Filter::default()).await;
            let page = page.expect("read");
            after = page.next;
            let last = page.is_last();
            events.extend(page.events);
            if last {
                break;
            }
        }
        let kept: Vec<_> = events
            .iter()
            .map(|e| format!("{} {}", e.id, e.name()))
            .collect();
        assert_eq!(told, kept[..told.len()], "nothing that was told is lost");
        let session = manager.get(&id("a")).expect("there");
        let stored = session.messages(MessageFilter::default(), 100_000).await;
        let stored = stored.expect("read");
        let count = |name: &str, so: &dyn Fn(&Event) -> bool| {
            events.iter().filter(|e| e.name() == name && so(e)).count()
        };
        let heard = stored.iter().filter(|m| !m.from_me).count();
        let sent = stored
            .iter()
            .filter(|m| m.state.reached(MessageState::Sent));
        let sent = sent.count();
        assert_eq!(count("message", &|_| true), heard);
        assert_eq!(count("message.any", &|e| !message(e).from_me), heard);
        assert_eq!(count("message.any", &|e| message(e).from_me), sent);
        assert_eq!(count("message.ack", &|_| true), sent);
        assert!(heard > 0 && sent > 0);
        manager.shutdown().await;
    }
}

#[tokio::test]
async fn a_session_made_again_starts_without_its_old_account() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    manager.delete(session.id(), false).await.expect("deleted");
    let begin = manager.events().latest();
    let session = create(&manager, "a").await;
    until(&session, |i| qr(i).is_some()).await;
    let page = manager.events().read(begin, 10, &Filter::default()).await;
    for event in page.expect("read").events {
        assert_eq!(event.me, None, "{event:?}");
    }
}
