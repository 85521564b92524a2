//! Nothing lost, nothing twice: the outbox on the scripted driver, without a browser.

mod scene;

use std::time::Duration;

use scene::{Scene, ana, back, bruno, id, qr, stored, told, until};
use time::OffsetDateTime;
use zapnode_core::driver::{DriverEvent, LinkState};
use zapnode_core::event::{Event, EventKind};
use zapnode_core::message::Ack;
use zapnode_core::outbox::{FailureCode, MessageFilter, MessageState, NewMessage};
use zapnode_core::{Error, PhoneNumber, SessionInfo, SessionState};

const WAIT: Duration = Duration::from_secs(20);

fn text(text: &str) -> NewMessage {
    NewMessage::text(bruno(), text)
}

fn keyed(message: &str, key: &str) -> NewMessage {
    NewMessage {
        idempotency_key: Some(key.to_owned()),
        ..text(message)
    }
}

fn arrived(scene: &Scene) -> Vec<String> {
    let got = scene.driver.delivered_to(&bruno());
    got.into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn states_follow_the_acks_also_across_a_restart_and_out_of_order() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let sent = session
        .submit_and_wait(text("1"), MessageState::Sent, WAIT)
        .await;
    let message = sent.expect("accepted").message;
    assert_eq!(message.state, MessageState::Sent);
    let stored_now = stored(&manager, &message, MessageState::Sent).await;
    let key = stored_now.message_id.expect("the page has it");
    assert_eq!(key.wire_id(), message.wire_id);
    assert_eq!(
        manager.message_by_key(key).await.expect("found").id,
        message.id
    );
    manager.shutdown().await;
    drop((manager, session));

    let (manager, session) = back(&scene).await;
    // Days later, and the read before the delivery.
    for ack in [Ack::Read, Ack::Device, Ack::Server] {
        scene
            .driver
            .acknowledge(session.id(), &message.wire_id, ack)
            .await;
    }
    stored(&manager, &message, MessageState::Read).await;
    assert_eq!(arrived(&scene), ["1"]);
}

#[tokio::test]
async fn acks_that_nobody_told_are_asked_for_on_the_next_page() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let sent = session
        .submit_and_wait(text("1"), MessageState::Sent, WAIT)
        .await;
    let message = sent.expect("accepted").message;
    stored(&manager, &message, MessageState::Sent).await;
    scene
        .driver
        .acknowledge_untold(session.id(), &message.wire_id, Ack::Device);
    let me = session.info().me.expect("an account");
    let driver = &scene.driver;
    driver.tell(session.id(), DriverEvent::Reloaded).await;
    let ready = DriverEvent::Link(LinkState::Ready(me));
    driver.tell(session.id(), ready).await;
    stored(&manager, &message, MessageState::Delivered).await;
}

#[tokio::test]
async fn a_key_makes_repeating_harmless() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let wait = MessageState::Sent;
    let first = session.submit_and_wait(keyed("x", "k"), wait, WAIT).await;
    let first = first.expect("accepted");
    assert!(!first.repeated);
    let again = session.submit_and_wait(keyed("x", "k"), wait, WAIT).await;
    let again = again.expect("known");
    assert!(again.repeated);
    assert_eq!(again.message.id, first.message.id);
    assert!(matches!(
        session.submit(keyed("y", "k")).await,
        Err(Error::IdempotencyMismatch)
    ));
    assert_eq!(arrived(&scene), ["x"]);
    // Twice at the same moment.
    let (a, b) = tokio::join!(
        session.submit(keyed("z", "k2")),
        session.submit(keyed("z", "k2"))
    );
    assert_eq!(a.expect("one").message.id, b.expect("same").message.id);
    // A refused send does not bind its key; a known one is answered whatever the session does.
    session.stop().await.expect("stops");
    assert!(session.submit(keyed("later", "k3")).await.is_err());
    assert!(
        session
            .submit(keyed("x", "k"))
            .await
            .expect("known")
            .repeated
    );
    session.start().await.expect("starts");
    until(&session, SessionInfo::is_ready).await;
    let later = session.submit(keyed("other text", "k3")).await;
    assert!(!later.expect("free").repeated);
}

#[tokio::test]
async fn an_interrupted_hand_over_is_asked_for_before_it_is_repeated() {
    for arrives in [true, false] {
        let scene = Scene::new();
        let manager = scene.manager().await;
        let session = scene.ready(&manager, "a").await;
        scene.driver.interrupt_next_send(session.id(), arrives);
        scene.driver.hold_acks(true);
        let accepted = session.submit(text("once")).await.expect("accepted");
        scene
            .driver
            .until(|d| !d.delivered_to(&bruno()).is_empty())
            .await;
        let message = accepted.message;
        stored(&manager, &message, MessageState::Sending).await;
        scene
            .driver
            .acknowledge(session.id(), &message.wire_id, Ack::Server)
            .await;
        stored(&manager, &message, MessageState::Sent).await;
        assert_eq!(arrived(&scene), ["once"], "arrives: {arrives}");
        assert_eq!(
            scene.driver.times_handed_over(&message.wire_id),
            1,
            "handed over once; arrives: {arrives}"
        );
    }
}

#[tokio::test]
async fn what_is_accepted_while_it_recovers_is_sent_in_order_when_it_is_back() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let offline = DriverEvent::Link(LinkState::Offline);
    scene.driver.tell(session.id(), offline).await;
    until(&session, |i| !i.is_ready()).await;
    let mut all = vec![];
    for n in 0..20 {
        let accepted = session.submit(text(&n.to_string())).await;
        all.push(accepted.expect("accepted").message);
    }
    assert!(arrived(&scene).is_empty());
    scene.driver.crash(session.id()).await;
    for message in &all {
        stored(&manager, message, MessageState::Sent).await;
    }
    let expected: Vec<_> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(arrived(&scene), expected);
}

#[tokio::test]
async fn what_an_earlier_run_accepted_is_sent_by_the_next() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.hold_acks(true);
    // The first is with the page and unconfirmed; the second never left.
    let first = session.submit(text("1")).await.expect("accepted").message;
    stored(&manager, &first, MessageState::Sending).await;
    let offline = DriverEvent::Link(LinkState::Offline);
    scene.driver.tell(session.id(), offline).await;
    until(&session, |i| !i.is_ready()).await;
    let second = session.submit(text("2")).await.expect("accepted").message;
    manager.shutdown().await;
    drop((manager, session));

    scene.driver.hold_acks(false);
    let (manager, _) = back(&scene).await;
    for message in [&first, &second] {
        stored(&manager, message, MessageState::Sent).await;
    }
    assert_eq!(arrived(&scene), ["1", "2"], "once each");
}

#[tokio::test]
async fn failures_have_their_reason_and_hold_nobody_up() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let nobody = PhoneNumber::new("0001234567").expect("a number");
    let wait = MessageState::Sent;
    let failed = session
        .submit_and_wait(NewMessage::text(nobody, "?"), wait, WAIT)
        .await;
    let failed = failed.expect("accepted").message;
    assert_eq!(failed.state, MessageState::Failed);
    let code = failed.failure.as_ref().map(|f| f.code);
    assert_eq!(code, Some(FailureCode::NumberNotOnWhatsApp));
    stored(&manager, &failed, MessageState::Failed).await;
    let sent = session.submit_and_wait(text("ok"), wait, WAIT).await;
    assert_eq!(sent.expect("accepted").message.state, MessageState::Sent);
}

#[tokio::test]
async fn a_scheduled_message_can_be_taken_back_and_a_sent_one_not() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let later = NewMessage {
        send_at: Some(OffsetDateTime::now_utc() + time::Duration::hours(1)),
        ..text("later")
    };
    let later = session.submit(later).await.expect("accepted").message;
    let soon = NewMessage {
        send_at: Some(OffsetDateTime::now_utc() + time::Duration::milliseconds(80)),
        ..text("soon")
    };
    let wait = MessageState::Sent;
    let now = session.submit_and_wait(text("now"), wait, WAIT).await;
    let soon = session.submit_and_wait(soon, wait, WAIT).await;
    assert_eq!(soon.expect("accepted").message.state, MessageState::Sent);
    assert_eq!(arrived(&scene), ["now", "soon"]);

    let taken = session.cancel(later.id).await.expect("taken back");
    assert_eq!(taken.state, MessageState::Cancelled);
    stored(&manager, &later, MessageState::Cancelled).await;
    assert!(matches!(
        session.cancel(now.expect("accepted").message.id).await,
        Err(Error::NotCancellable {
            state: MessageState::Sent
        })
    ));
    assert!(matches!(
        session.cancel(ulid::Ulid::new()).await,
        Err(Error::MessageNotFound)
    ));
}

#[tokio::test]
async fn a_logout_or_a_removal_fails_what_was_open_and_keeps_it_readable() {
    let mut scene = Scene::new();
    scene.options.cleanup_after_logout = None;
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.hold_acks(true);
    let open = session.submit(text("1")).await.expect("accepted").message;
    scene.driver.remove_device(session.id()).await;
    until(&session, |i| i.state == SessionState::LoggedOut).await;
    let failed = stored(&manager, &open, MessageState::Failed).await;
    let code = failed.failure.map(|f| f.code);
    assert_eq!(code, Some(FailureCode::LoggedOut));

    session.start().await.expect("starts");
    until(&session, |i| qr(i).is_some()).await;
    scene.driver.scan(session.id(), &ana()).await;
    until(&session, SessionInfo::is_ready).await;
    let open = session.submit(text("2")).await.expect("accepted").message;
    manager.delete(&id("a"), true).await.expect("deleted");
    let failed = manager.message(open.id).await.expect("readable");
    let code = failed.failure.map(|f| f.code);
    assert_eq!(code, Some(FailureCode::SessionRemoved));
}

#[tokio::test]
async fn history_has_both_directions_once() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut events = manager.events().from(manager.events().latest());
    session
        .submit_and_wait(text("ida"), MessageState::Sent, WAIT)
        .await
        .expect("accepted");
    let message = scene.driver.write(session.id(), &bruno(), "volta").await;
    let is_message = |e: &Event| matches!(e.kind, EventKind::Message(_));
    told(&mut events, is_message).await;
    // The page tells it again, as after a reload; then something new.
    let again = DriverEvent::Message(Box::new(message));
    scene.driver.tell(session.id(), again).await;
    scene.driver.write(session.id(), &bruno(), "nova").await;
    let event = told(&mut events, is_message).await;
    assert!(matches!(event.kind, EventKind::Message(m) if m.body.as_deref() == Some("nova")));
    let history = session.messages(MessageFilter::default(), 10).await;
    let texts: Vec<_> = history
        .expect("read")
        .into_iter()
        .map(|m| (m.from_me, m.text.unwrap_or_default()))
        .collect();
    assert_eq!(
        texts,
        [
            (false, "nova".to_owned()),
            (false, "volta".to_owned()),
            (true, "ida".to_owned())
        ]
    );
}
