//! Chats, numbers and calls on the scripted driver: one history of two sources, what is remembered
//! of numbers, calls that are turned away, another proxy.

mod scene;

use std::time::Duration;

use scene::{Scene, ana, bruno, create, id, told, until};
use time::OffsetDateTime;
use zapnode_core::call::RejectCalls;
use zapnode_core::chat::{ChatQuery, MessageCursor};
use zapnode_core::driver::DriverError;
use zapnode_core::message::{Call, Person};
use zapnode_core::session::{MessageSource, Unchecked};
use zapnode_core::{ChatId, Error, PhoneNumber, SessionHandle, SessionInfo, SessionState};

const WAIT: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn chat() -> ChatId {
    ChatId::from(&bruno())
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::new(text).expect("a number")
}

/// All of a chat, page by page; with each text whence it came.
async fn whole(session: &SessionHandle, source: MessageSource, limit: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor: Option<MessageCursor> = None;
    for _ in 0..50 {
        let page = session.chat_messages(&chat(), source, cursor, limit).await;
        let page = page.expect("a page");
        assert!(page.messages.len() <= limit);
        for message in &page.messages {
            let place = match (&message.page, &message.stored) {
                (Some(_), Some(_)) => "both",
                (Some(_), None) => "page",
                _ => "store",
            };
            let page = message.page.as_ref().and_then(|m| m.text.clone());
            let text = page.or_else(|| message.stored.as_ref()?.text.clone());
            all.push(format!("{} {place}", text.unwrap_or_default()));
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => return all,
        }
    }
    panic!("the list has no end: {all:?}");
}

#[tokio::test]
async fn page_and_store_are_one_history_whatever_each_of_them_has() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "loja").await;
    let mut events = manager.events().from(0);
    for text in ["um", "dois", "três"] {
        session.send_text(bruno(), text, WAIT).await.expect("sent");
        scene.driver.write(session.id(), &bruno(), text).await;
        // What is told is stored.
        told(&mut events, |event| event.name() == "message").await;
    }
    // One that only the page has, as from before ZapNode was there, and one that it has no more.
    let gone = scene.driver.book(session.id(), |book| {
        let messages = book.messages.get_mut(&chat()).expect("messages");
        let mut old = messages[0].clone();
        old.id = zapnode_core::MessageId::new("false_5511912345678@c.us_3A00000000000000000A")
            .expect("a key");
        old.from_me = false;
        old.text = Some("antes".to_owned());
        old.at -= Duration::from_secs(3600);
        messages.insert(0, old);
        messages.remove(3).text
    });
    assert_eq!(gone.as_deref(), Some("dois"));
    let newest_first = [
        "três both",
        "três both",
        "dois both",
        "dois store",
        "um both",
        "um both",
        "antes page",
    ];
    for limit in [1, 2, 3, 7, 50] {
        let mut all = whole(&session, MessageSource::Both, limit).await;
        // Within one second, where the store's own goes is not said.
        assert_eq!(
            all.last().map(String::as_str),
            Some("antes page"),
            "{limit}"
        );
        let mut expected = newest_first.to_vec();
        all.sort();
        expected.sort_unstable();
        assert_eq!(all, expected, "each once, {limit} at a time");
    }
    assert_eq!(whole(&session, MessageSource::Page, 2).await.len(), 6);
    assert_eq!(whole(&session, MessageSource::Store, 2).await.len(), 6);
    let chat = chat();
    let found = session.search("dois", Some(&chat), MessageSource::Both, 10);
    assert_eq!(found.await.expect("found").messages.len(), 2);

    // What is stored can be read whatever the session does; the rest cannot.
    session.stop().await.expect("stopped");
    assert_eq!(whole(&session, MessageSource::Both, 4).await.len(), 6);
    let page = session.chat_messages(&chat, MessageSource::Page, None, 4);
    assert!(matches!(page.await, Err(Error::NotReady { .. })));
    let chats = session.chats(ChatQuery::default()).await;
    assert!(matches!(chats, Err(Error::NotReady { .. })));
    manager.shutdown().await;
}

#[tokio::test]
async fn what_whatsapp_said_of_numbers_is_not_asked_again() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "loja").await;
    let asked = || scene.driver.book(session.id(), |book| book.asked);
    let numbers = vec![bruno(), number("0001234567"), ana(), bruno()];
    let before = asked();
    let first = session.check_numbers(numbers.clone(), DAY).await;
    let first: Vec<_> = first.expect("answers").into_iter().flatten().collect();
    let exists: Vec<_> = first.iter().map(|one| one.exists()).collect();
    assert_eq!(exists, [true, false, true, true]);
    assert!(first.iter().all(|one| !one.is_cached));
    assert_eq!(asked() - before, 3, "each number once");
    let again = session.check_numbers(numbers.clone(), DAY).await;
    let again: Vec<_> = again.expect("answers").into_iter().flatten().collect();
    assert!(again.iter().all(|one| one.is_cached));
    assert_eq!(asked() - before, 3);
    let anew = session.check_numbers(vec![bruno()], Duration::ZERO).await;
    assert!(matches!(anew.expect("answers").as_slice(), [Ok(one)] if !one.is_cached));
    let too_many = vec![bruno(); 101];
    let refused = session.check_numbers(too_many, DAY).await;
    assert!(matches!(refused, Err(Error::InvalidMessage(_))));

    // Known ones are told while the session rests, also after a restart.
    session.stop().await.expect("stopped");
    let known = session.check_numbers(numbers.clone(), DAY).await;
    assert_eq!(known.expect("answers").len(), 4);
    let unknown = session
        .check_numbers(vec![number("15550001111")], DAY)
        .await;
    assert!(matches!(unknown, Err(Error::NotReady { .. })));
    manager.shutdown().await;
}

#[tokio::test]
async fn a_brazilian_number_is_asked_about_in_both_forms_and_the_answer_remembered() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "loja").await;
    let (with, without) = (number("5511987654321"), number("551187654321"));
    scene.driver.book(session.id(), |book| {
        book.absent.insert(with.to_string());
    });
    let asked = || {
        scene
            .driver
            .book(session.id(), |book| std::mem::take(&mut book.asked))
    };
    asked();
    session
        .send_text(with.clone(), "olá", WAIT)
        .await
        .expect("sent");
    assert_eq!(scene.driver.delivered_to(&without).len(), 1);
    assert_eq!(asked(), 2, "both forms");
    let answers = session.check_numbers(vec![with.clone()], DAY).await;
    match answers.expect("answers").as_slice() {
        [Ok(one)] => {
            assert_eq!(one.phone, Some(ChatId::from(&without)));
            assert!(one.is_cached, "it was remembered when it was sent to");
        }
        other => panic!("{other:?}"),
    }
    manager.shutdown().await;
    drop(manager);

    // After a restart the right form is asked first.
    let manager = scene.manager().await;
    let session = manager.get(&id("loja")).expect("kept");
    session.start().await.expect("started");
    until(&session, SessionInfo::is_ready).await;
    asked();
    session
        .send_text(with, "de novo", WAIT)
        .await
        .expect("sent");
    assert_eq!(scene.driver.delivered_to(&without).len(), 2);
    assert_eq!(asked(), 1, "the form that was right the last time");
    let nobody = session.send_text(number("0001234567"), "x", WAIT).await;
    assert!(matches!(nobody, Err(Error::SendFailed { .. })));
    manager.shutdown().await;
}

fn call(number: u32, is_group: bool) -> Call {
    Call {
        id: format!("call-{number}"),
        from: Person::new(chat()),
        is_video: false,
        is_group,
        participants: vec![],
        at: OffsetDateTime::now_utc(),
    }
}

#[tokio::test]
async fn calls_are_turned_away_where_somebody_wants_that_and_callers_told_once() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "loja").await;
    let id = session.id().clone();
    let mut events = manager.events().from(0);
    // By default they ring.
    scene.driver.call(&id, call(1, false)).await;
    told(&mut events, |event| event.name() == "call.received").await;
    let text = Some("Só por escrito, por favor.".to_owned());
    let rule = RejectCalls { on: true, text };
    let chosen = session.choose(move |options| options.reject_calls = Some(rule));
    chosen.await.expect("chosen");
    scene.driver.call(&id, call(2, false)).await;
    scene.driver.call(&id, call(3, true)).await;
    scene.driver.call(&id, call(2, false)).await;
    let done = scene.driver.until(|driver| {
        let rejected = driver.look(&id, |book| book.rejected.clone());
        rejected.len() >= 3 && driver.delivered_to(&bruno()).len() == 1
    });
    tokio::time::timeout(WAIT, done).await.expect("turned away");
    let rejected = scene.driver.look(&id, |book| book.rejected.clone());
    assert!(!rejected.contains(&"call-1".to_owned()), "{rejected:?}");
    assert!(rejected.contains(&"call-3".to_owned()), "a group's too");
    // By hand.
    session
        .reject_call("call-1", None)
        .await
        .expect("turned away");
    let again = session.reject_call("call-1", None).await;
    assert!(matches!(again, Err(Error::CallNotFound)), "{again:?}");
    let texts = scene.driver.delivered_to(&bruno());
    assert_eq!(texts.len(), 1, "one call, one text: {texts:?}");
    manager.shutdown().await;
}

#[tokio::test]
async fn another_proxy_takes_effect_by_a_relaunch_that_keeps_the_login() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "loja").await;
    let proxy = || Some("http://ana:secret@127.0.0.1:3128".parse().expect("a proxy"));
    let opened = scene.driver.times_opened();
    session.set_proxy(proxy()).await.expect("chosen");
    let info = until(&session, SessionInfo::is_ready).await;
    assert_eq!(info.options.proxy, proxy());
    assert_eq!(scene.driver.times_opened(), opened + 1);
    // The same again changes nothing, and one that rests is not started for it.
    session.set_proxy(proxy()).await.expect("chosen");
    assert_eq!(scene.driver.times_opened(), opened + 1);
    session.stop().await.expect("stopped");
    let info = session.set_proxy(None).await.expect("chosen");
    assert_eq!(info.state, SessionState::Stopped);
    assert_eq!(scene.driver.times_opened(), opened + 1);
    manager.shutdown().await;
    drop(manager);
    let manager = scene.manager().await;
    let kept = manager.get(&id("loja")).expect("kept").info().options.proxy;
    assert_eq!(kept, None);
    manager.shutdown().await;
}

#[tokio::test]
async fn what_the_page_lacks_is_said_and_nothing_else_breaks() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "loja").await;
    scene.driver.write(session.id(), &bruno(), "oi").await;
    scene.driver.book(session.id(), |book| {
        book.missing.insert("change a chat");
    });
    let refused = session.archive_chat(&chat(), true).await;
    let unsupported = Error::Driver(DriverError::Unsupported {
        feature: "change a chat",
        part: String::new(),
    });
    let refused = refused.expect_err("not supported");
    assert_eq!(
        std::mem::discriminant(&refused),
        std::mem::discriminant(&unsupported),
        "{refused:?}"
    );
    session.chat(&chat()).await.expect("read all the same");
    session.send_text(bruno(), "olá", WAIT).await.expect("sent");
    let strange = session.chat(&ChatId::from(&ana())).await;
    assert!(matches!(strange, Err(Error::ChatNotFound)));
    assert_eq!(Unchecked::NoTime.code(), "timeout");
    let fresh = create(&manager, "outra").await;
    let closed = fresh.contacts(Default::default()).await;
    assert!(matches!(closed, Err(Error::NotReady { .. })));
    manager.shutdown().await;
}
