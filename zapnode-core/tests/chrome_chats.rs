//! Chats, contacts, the profile and calls on real Chromium and the simulated WhatsApp, in builds
//! that address people by number and by LID, with every shape of the page's calls.
#![cfg(feature = "sandbox")]

mod chrome_support;

use chrome_support::simulated::{OURS, THEIRS, logged_in, ours, sandbox, theirs};
use chrome_support::{Bench, PATIENCE, Session, phone, text};
use serde_json::json;
use zapnode_core::chat::{ChatChange, ChatQuery, HistoryQuery, Mute};
use zapnode_core::contact::{ContactQuery, Picture, ProfileChange};
use zapnode_core::driver::{DriverError, DriverEvent};
use zapnode_core::message::{Ack, IncomingMessage};
use zapnode_core::sandbox::{
    Addressing, CallCollection, Faults, HistoryFind, LoadEarlier, Sandbox,
};
use zapnode_core::{ChatId, MessageId};

const THIRD: &str = "244929000003";
const PICTURE: &[u8] = include_bytes!("../src/driver/conformance.png");

fn all() -> ChatQuery {
    ChatQuery {
        limit: 50,
        ..ChatQuery::default()
    }
}

/// The whole history of a chat, newest first, page by page.
async fn history(session: &Session, chat: &ChatId, limit: usize) -> Vec<IncomingMessage> {
    let mut all: Vec<IncomingMessage> = Vec::new();
    let mut before: Option<MessageId> = None;
    loop {
        let query = HistoryQuery {
            chat: chat.clone(),
            before,
            limit,
            known: vec![],
        };
        let page = session.connection.chat_messages(&query).await;
        let page = page.expect("a page of the chat");
        assert!(page.messages.len() <= limit, "{}", page.messages.len());
        before = page.messages.last().map(|message| message.id.clone());
        all.extend(page.messages);
        if !page.has_more || before.is_none() {
            return all;
        }
    }
}

/// Both sides write so many messages each; gives their texts, newest first.
async fn chatter(sandbox: &Sandbox, session: &mut Session, rounds: usize) -> Vec<String> {
    let chat = session.chat_of(&phone(THEIRS)).await;
    let mut texts = Vec::new();
    for round in 0..rounds {
        let ours = text(&chat, &format!("nós {round}"));
        session.connection.send(&ours).await.expect("sent");
        session.wait_ack(&ours.wire_id, Ack::Server).await;
        let answer = format!("eles {round}");
        theirs(sandbox)
            .send(&phone(OURS), &answer)
            .await
            .expect("sent");
        session.wait_message(&answer).await;
        texts.insert(0, ours.content.words().unwrap_or_default());
        texts.insert(0, answer);
    }
    texts
}

fn texts(messages: &[IncomingMessage]) -> Vec<String> {
    let texts = messages.iter().map(|message| message.text.clone());
    texts.map(Option::unwrap_or_default).collect()
}

async fn reads_and_changes(sandbox: &Sandbox, session: &mut Session) {
    let by_lid = sandbox.faults().addressing == Addressing::Lid;
    let connection = session.connection.clone();
    let (number, other) = (ChatId::from(&phone(THEIRS)), phone(THEIRS));

    // What was written is read back in its order, also after a load when little is in memory.
    let said = chatter(sandbox, session, 4).await;
    let chat = session.chat_of(&other).await;
    assert_eq!(chat.is_lid(), by_lid, "{chat}");
    let read = history(session, &chat, 50).await;
    assert_eq!(texts(&read)[..8], said, "newest first");
    session.reload().await;
    for limit in [3, 50] {
        let again = history(session, &chat, limit).await;
        assert_eq!(texts(&again), texts(&read), "{limit} at a time");
        assert!(again.iter().zip(&read).all(|(a, b)| a.id == b.id));
    }
    let found = connection.search_messages("ELES 2", Some(&number), 9).await;
    let found = found.expect("searched");
    assert!(!found.is_empty() && texts(&found).iter().all(|one| one == "eles 2"));

    // Under either name, with what is marked; the phone sees the marks, and a load keeps them.
    let page = connection.chats(&all()).await.expect("chats");
    assert!(page.chats.iter().any(|one| one.id == chat), "{page:#?}");
    let one = connection.chat(&number).await.expect("an answer");
    let one = one.expect("the chat, by number");
    assert_eq!(one.id, chat);
    assert_eq!(one.phone, Some(number.clone()));
    assert!(one.lid.is_some(), "{one:?}");
    for change in [
        ChatChange::Archive(true),
        ChatChange::Pin(true),
        ChatChange::Mute(Some(Mute::Forever)),
        ChatChange::MarkUnread,
    ] {
        let changed = connection.change_chat(&number, change).await;
        assert!(changed.expect("changed"), "{change:?}");
    }
    let marks = ours(sandbox).chat_marks(other.clone());
    assert_eq!(
        (marks.archive, marks.mute),
        (Some(true), Some(-1)),
        "{marks:?}"
    );
    assert!(marks.pin.is_some_and(|at| at > 0) && marks.unread_count == Some(-1));
    session.reload().await;
    let kept = session.connection.chat(&chat).await.expect("an answer");
    let kept = kept.expect("the chat");
    assert!(
        kept.is_archived && kept.is_pinned && kept.is_marked_unread,
        "{kept:?}"
    );
    assert_eq!(kept.mute, Some(Mute::Forever));
    let away = ChatQuery {
        archived: Some(false),
        ..all()
    };
    let page = session.connection.chats(&away).await.expect("chats");
    assert!(page.chats.iter().all(|one| one.id != chat));
    for change in [
        ChatChange::Archive(false),
        ChatChange::Pin(false),
        ChatChange::Mute(None),
    ] {
        let changed = session.connection.change_chat(&chat, change).await;
        assert!(changed.expect("changed"), "{change:?}");
    }

    // People: who they are, their picture and words, and whether they are heard.
    let person = session
        .connection
        .contact(&number)
        .await
        .expect("an answer");
    let person = person.expect("on WhatsApp");
    assert_eq!(person.phone, Some(number.clone()));
    assert_eq!(person.name.as_deref(), Some("Bruno da Silva"));
    assert!(person.is_my_contact && person.lid.is_some(), "{person:?}");
    let picture = session
        .connection
        .picture(&number)
        .await
        .expect("an answer");
    assert!(picture.is_some_and(|url| url.contains("/pps/")));
    let about = session.connection.about(&number).await.expect("an answer");
    assert_eq!(about.as_deref(), Some("No mar"));
    let business = session.connection.business_profile(&number).await;
    let business = business.expect("an answer").expect("a business");
    assert_eq!(business.0["description"], "Padaria");
    let mine = ContactQuery {
        mine: true,
        limit: 50,
        ..ContactQuery::default()
    };
    let page = session.connection.contacts(&mine).await.expect("contacts");
    assert_eq!(page.total, 1, "each person once: {page:#?}");
    for on in [true, false] {
        let blocked = session.connection.set_blocked(&number, on).await;
        blocked.expect("blocked, or not any more");
        assert_eq!(ours(sandbox).blocked().contains(&other), on);
        let list = session.connection.blocked().await.expect("a list");
        assert_eq!(list.len(), usize::from(on));
        assert!(list.iter().all(|one| one.phone == Some(number.clone())));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_and_people_in_builds_by_number_and_by_lid() {
    for build in [
        Faults {
            addressing: Addressing::Pn,
            load_earlier: LoadEarlier::Positional,
            history_find: HistoryFind::Missing,
            ..Faults::default()
        },
        Faults {
            addressing: Addressing::Lid,
            history_find: HistoryFind::Object,
            ..Faults::default()
        },
    ] {
        // A chat that is there goes on under its name, so each build has its own.
        let sandbox = sandbox(|faults| *faults = build).await;
        theirs(&sandbox).set_about("No mar");
        theirs(&sandbox).set_picture(Some(b"\xff\xd8\xff\xe0"));
        let business = json!({"description": "Padaria", "id": 7});
        theirs(&sandbox).set_business(business.as_object().expect("fields").clone());
        let bench = Bench::new(&sandbox.url());
        let mut session = logged_in(&sandbox, &bench).await;
        ours(&sandbox).save_contact(&phone(THEIRS), "Bruno da Silva");
        reads_and_changes(&sandbox, &mut session).await;
        session.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chats_are_cleared_and_deleted_and_three_can_be_pinned() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    chatter(&sandbox, &mut session, 2).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    let connection = session.connection.clone();
    let clear = ChatChange::Clear {
        keep_starred: false,
    };
    assert!(connection.change_chat(&chat, clear).await.expect("cleared"));
    assert!(history(&session, &chat, 50).await.is_empty());
    assert!(ours(&sandbox).messages().is_empty(), "on the phone too");
    assert!(!theirs(&sandbox).messages().is_empty(), "and nowhere else");
    session.reload().await;
    assert!(history(&session, &chat, 50).await.is_empty());
    let deleted = session
        .connection
        .change_chat(&chat, ChatChange::Delete)
        .await;
    assert!(deleted.expect("deleted"));
    assert_eq!(
        session.connection.chat(&chat).await.expect("an answer"),
        None
    );
    session.reload().await;
    assert_eq!(
        session.connection.chat(&chat).await.expect("an answer"),
        None
    );

    for n in 0..4 {
        let writer = phone(&format!("24492911000{n}"));
        let hello = format!("oi {n}");
        sandbox
            .phone(&writer)
            .send(&phone(OURS), &hello)
            .await
            .expect("sent");
        let chat = session.wait_message(&hello).await.chat;
        let pinned = session
            .connection
            .change_chat(&chat, ChatChange::Pin(true))
            .await;
        match pinned {
            Ok(true) if n < 3 => {}
            Err(DriverError::Refused { .. }) if n == 3 => {}
            other => panic!("{n}: {other:?}"),
        }
    }
    let mut first = ChatQuery {
        pinned_first: true,
        limit: 2,
        ..ChatQuery::default()
    };
    let mut listed = Vec::new();
    loop {
        let page = session.connection.chats(&first).await.expect("chats");
        assert_eq!(page.total, 4);
        listed.extend(page.chats);
        first.after = page.next;
        if first.after.is_none() {
            break;
        }
    }
    let pinned: Vec<_> = listed.iter().map(|chat| chat.is_pinned).collect();
    assert_eq!(pinned, [true, true, true, false], "{listed:#?}");
    session.close().await;
}

/// An old build, and one that lacks what is asked: said by name, and everything else goes on.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_build_lacks_is_named_and_calls_are_turned_away_without_it() {
    let lacking = [
        "WAWebContactStatusBridge",
        "WAWebVoipStackInterface",
        "WAWebChatClearBridge",
        "WAWebBlockContactAction",
        "WAWebContactProfilePicThumbBridge",
    ];
    let sandbox = sandbox(|faults| {
        faults.missing_modules = lacking.map(str::to_owned).to_vec();
        faults.call_collection = CallCollection::Present;
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    chatter(&sandbox, &mut session, 1).await;
    let connection = session.connection.clone();
    let chat = session.chat_of(&phone(THEIRS)).await;
    let picture = Picture::new(PICTURE.to_vec()).expect("a picture");
    let clear = ChatChange::Clear { keep_starred: true };
    let missing = |result: Result<(), DriverError>, module: &str| match result {
        Err(DriverError::Unsupported { part, .. }) => assert!(part.starts_with(module), "{part}"),
        other => panic!("{module}: {other:?}"),
    };
    missing(
        connection.about(&chat).await.map(drop),
        "WAWebContactStatusBridge",
    );
    missing(
        connection.change_chat(&chat, clear).await.map(drop),
        "WAWebChatClearBridge",
    );
    missing(
        connection.set_blocked(&chat, true).await,
        "WAWebBlockContactAction",
    );
    let change = ProfileChange::Picture(picture);
    missing(
        connection.change_profile(&change).await,
        "WAWebContactProfilePicThumbBridge",
    );
    assert_eq!(connection.picture(&chat).await.expect("another way"), None);
    let self_test = connection.self_test().await.expect("a self-test");
    assert!(self_test.ok, "nothing of it is needed by a session");
    for module in lacking {
        let named = |probe: &&zapnode_core::driver::Probe| probe.part.starts_with(module);
        let probe = self_test.probes.iter().find(named).expect("listed");
        assert!(!probe.found, "{probe:?}");
    }
    let call = theirs(&sandbox)
        .call(phone(OURS), false)
        .await
        .expect("it rings");
    session
        .wait("the call", |event| match event {
            DriverEvent::Call(one) if one.id == call => Some(()),
            _ => None,
        })
        .await;
    assert!(
        connection
            .reject_call(&call, None)
            .await
            .expect("turned away")
    );
    let way = ours(&sandbox).wait_for_rejected(&call, PATIENCE).await;
    assert_eq!(way.expect("seen"), "stanza");
    // One that came before the page was loaded anew needs a name.
    let call = theirs(&sandbox)
        .call(phone(OURS), false)
        .await
        .expect("it rings");
    session.reload().await;
    assert!(
        !session
            .connection
            .reject_call(&call, None)
            .await
            .expect("an answer")
    );
    assert!(
        session
            .connection
            .reject_call(&call, Some(&chat))
            .await
            .expect("turned away")
    );
    ours(&sandbox)
        .wait_for_rejected(&call, PATIENCE)
        .await
        .expect("seen");
    session.close().await;
}

/// The other session sees what one of them shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_cut_square_and_seen_by_others() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let session = logged_in(&sandbox, &bench).await;
    let picture = Picture::new(PICTURE.to_vec()).expect("a picture");
    let change = ProfileChange::Picture(picture);
    session
        .connection
        .change_profile(&change)
        .await
        .expect("changed");
    let shown = ours(&sandbox).picture().expect("a picture");
    assert!(shown.starts_with(&[0xff, 0xd8, 0xff]), "a JPEG");
    let broken = Picture::new(b"\x89PNG\r\n\x1a\nand nothing".to_vec()).expect("so it begins");
    let refused = session
        .connection
        .change_profile(&ProfileChange::Picture(broken))
        .await;
    assert!(
        matches!(refused, Err(DriverError::Refused { .. })),
        "{refused:?}"
    );
    assert_eq!(ours(&sandbox).picture(), Some(shown), "it stays");
    let name = ProfileChange::Name("Loja 🌊".to_owned());
    session
        .connection
        .change_profile(&name)
        .await
        .expect("changed");
    assert_eq!(ours(&sandbox).name(), "Loja 🌊");
    let third = sandbox.phone(&phone(THIRD));
    third.set_about("");
    let about = session.connection.about(&ChatId::from(&phone(THIRD))).await;
    assert_eq!(about.expect("an answer"), None);
    session.close().await;
}
