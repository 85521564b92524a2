//! How quickly a session sends, whose turn comes first, and what WhatsApp's refusals make of it: on
//! the scripted driver, without a browser.

mod scene;

use std::time::Duration;

use scene::{Scene, ana, back, bruno, id, next, qr, stored, told, until};
use time::OffsetDateTime;
use ulid::Ulid;
use zapnode_core::driver::DriverEvent;
use zapnode_core::event::{EventKind, SignalKind};
use zapnode_core::message::Ack;
use zapnode_core::outbox::{
    FailureCode, Message, MessageState, NewMessage, Pace, Priority, Wait, WaitReason,
};
use zapnode_core::{
    ChatId, Error, PhoneNumber, SessionHandle, SessionInfo, SessionManager, SessionOptions,
    SessionState,
};

const WAIT: Duration = Duration::from_secs(20);

fn person(n: u32) -> PhoneNumber {
    PhoneNumber::new(&format!("55119{n:08}")).expect("a number")
}

fn to(n: u32) -> NewMessage {
    NewMessage::text(person(n), format!("to {n}"))
}

fn bulk(n: u32, batch: Ulid) -> NewMessage {
    NewMessage {
        priority: Priority::Bulk,
        batch: Some(batch),
        paced: true,
        ..to(n)
    }
}

async fn accept(session: &SessionHandle, new: NewMessage) -> Message {
    session.submit(new).await.expect("accepted").message
}

async fn waits(manager: &SessionManager, session: &SessionHandle, message: &Message) -> Wait {
    let now = manager.message(message.id).await.expect("stored");
    let waits = session.waits(&[now]).await.expect("told");
    waits.into_iter().next().flatten().expect("it waits")
}

async fn got(scene: &Scene, n: u32) {
    let there =
        |d: &zapnode_core::driver::scripted::ScriptedDriver| d.delivered_to(&person(n)).len() == 1;
    scene.driver.until(there).await;
}

fn seconds_left(wait: &Wait) -> i64 {
    let until = wait.until.expect("a time");
    (until - OffsetDateTime::now_utc()).whole_seconds()
}

/// Moves the end of a pause into the past, as its time would.
fn end_pause(scene: &Scene) {
    let store = scene.options.data_dir.join(zapnode_core::store::FILE_NAME);
    let store = rusqlite::Connection::open(store).expect("opens");
    let changed = store.execute("UPDATE outbox_pauses SET until = 1000", []);
    assert_eq!(changed.expect("written"), 1, "there was a pause");
}

#[tokio::test]
async fn messages_leave_a_gap_and_replies_do_not_wait_for_others() {
    let mut scene = Scene::new();
    scene.options.pace = Pace {
        min_gap: Duration::from_millis(400),
        ..Pace::OFF
    };
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let log = manager.events();
    let mut events = log.from(log.latest());
    scene.driver.write(session.id(), &person(9), "oi?").await;
    told(&mut events, |e| matches!(e.kind, EventKind::Message(_))).await;
    let began = std::time::Instant::now();
    accept(&session, to(1)).await;
    got(&scene, 1).await;
    let held = accept(&session, to(2)).await;
    let last = accept(&session, bulk(3, Ulid::new())).await;
    let reply = accept(&session, to(9)).await;
    let wait = waits(&manager, &session, &held).await;
    assert_eq!(wait.because, WaitReason::PaceGap);
    stored(&manager, &reply, MessageState::Sent).await;
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert!(
        scene.driver.delivered_to(&person(2)).is_empty(),
        "a reply goes first"
    );
    stored(&manager, &held, MessageState::Sent).await;
    assert!(began.elapsed() >= Duration::from_millis(800));
    // Bulk goes at the gentle pace, and has not gone.
    let wait = waits(&manager, &session, &last).await;
    assert_eq!(wait.because, WaitReason::PaceGap);
}

#[tokio::test]
async fn caps_hold_over_a_restart_and_can_be_lifted_while_it_runs() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let hourly = Pace {
        max_per_hour: Some(2),
        ..Pace::OFF
    };
    let info = session.set_pace(Some(hourly)).await.expect("set");
    assert_eq!((info.pace, info.options.pace), (hourly, Some(hourly)));
    for n in 1..=2 {
        let sent = accept(&session, to(n)).await;
        stored(&manager, &sent, MessageState::Sent).await;
    }
    let third = accept(&session, to(3)).await;
    let wait = waits(&manager, &session, &third).await;
    assert_eq!(wait.because, WaitReason::PaceHour);
    assert!((3500..=3600).contains(&seconds_left(&wait)), "{wait:?}");
    manager.shutdown().await;
    drop((manager, session));

    let (manager, session) = back(&scene).await;
    assert_eq!(session.info().pace, hourly, "the choice is kept");
    let wait = waits(&manager, &session, &third).await;
    assert_eq!(wait.because, WaitReason::PaceHour);
    let view = session.queue(10).await.expect("told");
    assert_eq!((view.sent_last_hour, view.counts.waiting), (2, 1));
    assert!(view.paused.is_none() && view.messages[0].0.id == third.id);
    // Never handed over, so it can be taken back, also after a restart.
    let fourth = accept(&session, to(4)).await;
    session.cancel(third.id).await.expect("taken back");
    session.set_pace(None).await.expect("lifted");
    stored(&manager, &fourth, MessageState::Sent).await;
    assert!(scene.driver.delivered_to(&person(3)).is_empty());
    // The session is still what its creator asks for.
    let made = manager.create(id("a"), SessionOptions::default()).await;
    assert!(!made.expect("the same").is_new);
}

#[tokio::test]
async fn first_contacts_are_capped_and_people_who_wrote_are_none() {
    let mut scene = Scene::new();
    scene.options.pace = Pace {
        max_new_contacts_per_day: Some(1),
        ..Pace::OFF
    };
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let first = accept(&session, to(1)).await;
    stored(&manager, &first, MessageState::Sent).await;
    let held = accept(&session, to(2)).await;
    let wait = waits(&manager, &session, &held).await;
    assert_eq!(wait.because, WaitReason::PaceNewContacts);
    assert!(seconds_left(&wait) > 23 * 3600);
    // Again to the first, and to somebody who wrote: neither is new.
    let again = accept(&session, NewMessage::text(person(1), "again")).await;
    stored(&manager, &again, MessageState::Sent).await;
    let log = manager.events();
    let mut events = log.from(log.latest());
    scene.driver.write(session.id(), &person(3), "oi").await;
    told(&mut events, |e| matches!(e.kind, EventKind::Message(_))).await;
    let reply = accept(&session, to(3)).await;
    stored(&manager, &reply, MessageState::Sent).await;
    // They write themselves: from then on they may be answered.
    scene.driver.write(session.id(), &person(2), "olá").await;
    stored(&manager, &held, MessageState::Sent).await;
}

#[tokio::test]
async fn a_batch_is_gentle_gives_way_and_is_taken_back_as_one() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.fail_typing();
    let batch = Ulid::new();
    let mut all = vec![];
    for n in 1..=5 {
        all.push(accept(&session, bulk(n, batch)).await);
    }
    stored(&manager, &all[0], MessageState::Sent).await;
    let wait = waits(&manager, &session, &all[4]).await;
    assert_eq!(wait.because, WaitReason::PaceGap);
    let direct = accept(&session, to(9)).await;
    stored(&manager, &direct, MessageState::Sent).await;
    let taken = session.cancel_batch(batch, None).await.expect("taken back");
    assert_eq!(taken, 4);
    let ended = manager.message(all[4].id).await.expect("stored");
    assert_eq!(
        (ended.state, ended.batch),
        (MessageState::Cancelled, Some(batch))
    );
    assert!(!session.hold_batch(batch, true).await.expect("no such job"));
}

#[tokio::test]
async fn typing_is_shown_before_and_a_failure_of_it_stops_nothing() {
    let mut scene = Scene::new();
    scene.options.pace = Pace {
        typing: true,
        ..Pace::OFF
    };
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let began = std::time::Instant::now();
    let sent = accept(&session, to(1)).await;
    stored(&manager, &sent, MessageState::Sent).await;
    assert!(began.elapsed() >= Duration::from_secs(1));
    let chat = ChatId::from(&person(1));
    assert_eq!(scene.driver.typed(), [(chat.clone(), true), (chat, false)]);
    scene.driver.fail_typing();
    let sent = accept(&session, to(2)).await;
    stored(&manager, &sent, MessageState::Sent).await;
}

#[tokio::test]
async fn a_limit_on_the_account_pauses_the_queue_and_loses_nothing() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene
        .driver
        .refuse_sends(Some((Some(463), "reachout-timelock")));
    let refused = accept(&session, to(1)).await;
    let mut events = manager.signals();
    // It comes back to the queue, and what follows waits with it.
    next(&mut events, |e| {
        matches!(&e.kind, SignalKind::Outbox(m) if m.id == refused.id && m.state == MessageState::Queued)
    })
    .await;
    let other = accept(&session, to(2)).await;
    for message in [&refused, &other] {
        let wait = waits(&manager, &session, message).await;
        assert_eq!(wait.because, WaitReason::ReachoutLocked);
        assert!(wait.detail.contains("reachout-timelock"), "{wait:?}");
        assert!((280..=300).contains(&seconds_left(&wait)), "{wait:?}");
    }
    let view = session.queue(10).await.expect("told");
    assert!(view.paused.is_some() && view.counts.waiting == 2);
    manager.shutdown().await;
    drop((manager, session));

    // Known after a restart.
    let (manager, session) = back(&scene).await;
    let wait = waits(&manager, &session, &refused).await;
    assert_eq!(wait.because, WaitReason::ReachoutLocked);
    manager.shutdown().await;
    drop((manager, session));

    // Still so when its time is over: one is tried, and the next pause is longer.
    end_pause(&scene);
    let (manager, session) = back(&scene).await;
    let longer = loop {
        let wait = waits(&manager, &session, &other).await;
        if wait.until.is_some() {
            break wait;
        }
        tokio::task::yield_now().await;
    };
    assert!((580..=600).contains(&seconds_left(&longer)), "{longer:?}");
    assert!(scene.driver.delivered_to(&person(2)).is_empty());
    manager.shutdown().await;
    drop((manager, session));

    // WhatsApp has relented.
    scene.driver.refuse_sends(None);
    end_pause(&scene);
    let (manager, session) = back(&scene).await;
    for message in [&refused, &other] {
        stored(&manager, message, MessageState::Sent).await;
    }
    for n in 1..=2 {
        assert_eq!(scene.driver.delivered_to(&person(n)).len(), 1, "once");
    }
    assert!(session.queue(1).await.expect("told").paused.is_none());
}

#[tokio::test]
async fn a_ban_pauses_and_another_refusal_fails_with_its_words() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.refuse_sends(Some((Some(403), "forbidden")));
    let new = to(1);
    let sent = session.submit_and_wait(new, MessageState::Sent, WAIT).await;
    let failed = sent.expect("accepted").message;
    let failure = failed.failure.expect("a reason");
    assert_eq!(failure.code, FailureCode::Refused);
    assert!(failure.detail.contains("forbidden"), "{failure:?}");
    scene.driver.refuse_sends(None);
    let banned = DriverEvent::Restricted("banned for a day".to_owned());
    scene.driver.tell(session.id(), banned).await;
    let paused = loop {
        if let Some(wait) = session.queue(1).await.expect("told").paused {
            break wait;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(paused.because, WaitReason::AccountRestricted);
    assert!(paused.detail.contains("banned for a day"));
    let waiting = accept(&session, to(2)).await;
    let wait = waits(&manager, &session, &waiting).await;
    assert_eq!(wait.because, WaitReason::AccountRestricted);
}

#[tokio::test(start_paused = true)]
async fn what_is_never_confirmed_ends_and_is_never_handed_over_twice() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.hold_acks(true);
    let stuck = accept(&session, to(1)).await;
    let failed = stored(&manager, &stuck, MessageState::Failed).await;
    let failure = failed.failure.expect("a reason");
    assert_eq!(failure.code, FailureCode::Unconfirmed, "{failure:?}");
    assert!(
        scene.driver.times_reloaded() >= 1,
        "the page was loaded anew"
    );
    assert_eq!(scene.driver.times_handed_over(&stuck.wire_id), 1);
    // The server has it after all.
    let ack = Ack::Server;
    scene
        .driver
        .acknowledge(session.id(), &stuck.wire_id, ack)
        .await;
    let sent = stored(&manager, &stuck, MessageState::Sent).await;
    assert_eq!(sent.failure, None);
}

#[tokio::test]
async fn what_a_logout_left_unsent_says_so_when_the_session_is_gone() {
    let mut scene = Scene::new();
    scene.options.cleanup_after_logout = Some(Duration::ZERO);
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let later = NewMessage {
        send_at: Some(OffsetDateTime::now_utc() + time::Duration::hours(1)),
        ..to(1)
    };
    let later = accept(&session, later).await;
    scene.driver.remove_device(session.id()).await;
    let failed = stored(&manager, &later, MessageState::Failed).await;
    let code = failed.failure.map(|failure| failure.code);
    assert_eq!(code, Some(FailureCode::LoggedOut));
    // Whoever comes second is told when it is gone.
    while manager.get(&id("a")).is_ok() {
        let _ = manager.delete(&id("a"), false).await;
    }
    let readable = manager.message(later.id).await.expect("readable");
    let code = readable.failure.map(|failure| failure.code);
    assert_eq!(code, Some(FailureCode::LoggedOut), "the first reason stays");
}

#[tokio::test]
async fn a_new_login_does_not_send_what_the_old_one_accepted() {
    let mut scene = Scene::new();
    scene.options.cleanup_after_logout = None;
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let later = NewMessage {
        send_at: Some(OffsetDateTime::now_utc() + time::Duration::milliseconds(300)),
        ..to(1)
    };
    let later = accept(&session, later).await;
    scene.driver.remove_device(session.id()).await;
    until(&session, |i| i.state == SessionState::LoggedOut).await;
    assert!(matches!(
        session.submit(to(2)).await,
        Err(Error::NotReady { .. })
    ));
    session.start().await.expect("starts");
    until(&session, |i| qr(i).is_some()).await;
    scene.driver.scan(session.id(), &ana()).await;
    until(&session, SessionInfo::is_ready).await;
    let sent = session
        .submit_and_wait(NewMessage::text(bruno(), "new"), MessageState::Sent, WAIT)
        .await;
    assert_eq!(sent.expect("accepted").message.state, MessageState::Sent);
    stored(&manager, &later, MessageState::Failed).await;
    assert!(scene.driver.delivered_to(&person(1)).is_empty());
}
