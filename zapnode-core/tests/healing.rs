//! What is tried when a session loses its evidence, and what is kept of it, on the scripted driver.

mod scene;

use std::time::Duration;

use scene::{Scene, bruno, code, create, next, qr, until};
use time::OffsetDateTime;
use tokio::sync::broadcast::Receiver;
use zapnode_core::driver::scripted::Unlinked;
use zapnode_core::driver::{DriverError, LinkState, Resources};
use zapnode_core::event::{Signal, SignalKind};
use zapnode_core::message::Ack;
use zapnode_core::options::Care;
use zapnode_core::outbox::NewMessage;
use zapnode_core::session::{ReasonCode, Step, Transition};
use zapnode_core::{SessionHandle, SessionInfo, SessionState};

/// The next time it is not ready. Followed by its events: with paused time it may be ready again
/// before anybody looks.
async fn hurt(events: &mut Receiver<Signal>) -> SessionInfo {
    status(events, |info| !info.is_ready()).await
}

async fn status(events: &mut Receiver<Signal>, so: impl Fn(&SessionInfo) -> bool) -> SessionInfo {
    let event = next(
        events,
        |e| matches!(&e.kind, SignalKind::Status(info) if so(info)),
    )
    .await;
    match event.kind {
        SignalKind::Status(info) => *info,
        _ => unreachable!("that was asked for"),
    }
}

/// Where a session has been, oldest first: state and step.
async fn path(session: &SessionHandle) -> Vec<(String, Option<String>)> {
    let history = session.history().await.expect("read");
    let told = |t: Transition| (t.to, t.step);
    history.into_iter().rev().map(told).collect()
}

fn step(state: &str, step: &str) -> (String, Option<String>) {
    (state.to_owned(), Some(step.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_lost_link_is_mended_by_the_gentlest_step_that_helps() {
    for (until_what, steps) in [
        (Unlinked::UntilReconnect, vec!["reconnect"]),
        (Unlinked::UntilReload, vec!["reconnect", "reload"]),
        (
            Unlinked::UntilRelaunch,
            vec!["reconnect", "reload", "relaunch"],
        ),
    ] {
        let scene = Scene::new();
        let manager = scene.manager().await;
        let session = scene.ready(&manager, "a").await;
        scene.driver.unlink(session.id(), until_what).await;
        let hurt = until(&session, |i| !i.is_ready()).await;
        assert_eq!(hurt.state, SessionState::Recovering { attempt: 1 });
        assert_eq!((code(&hurt), hurt.step), (Some(ReasonCode::Offline), None));
        // What is sent meanwhile waits for it.
        let sent = session.send_text(bruno(), "espera", Duration::ZERO).await;
        sent.expect("accepted");
        until(&session, SessionInfo::is_ready).await;
        let path = path(&session).await;
        let taken: Vec<_> = path.iter().filter_map(|(_, s)| s.as_deref()).collect();
        assert_eq!(taken, steps, "{until_what:?}");
        let expected = if steps.len() == 3 { 2 } else { 1 };
        assert_eq!(scene.driver.times_opened(), expected);
        scene
            .driver
            .until(|d| d.delivered_to(&bruno()).len() == 1)
            .await;
        manager.shutdown().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_healed_fails_with_its_story_which_is_kept() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let broken = || DriverError::LaunchFailed {
        reason: "no shared memory".to_owned(),
    };
    scene.driver.fail_opening((0..20).map(|_| broken()));
    scene.driver.crash(session.id()).await;
    let failed = until(&session, |i| i.state == SessionState::Failed).await;
    let reason = failed.reason.expect("why");
    assert_eq!(reason.code, ReasonCode::LaunchFailed);
    assert!(
        reason.detail.contains("tried in vain: relaunch 9×"),
        "{reason}"
    );
    // Written in the background.
    let failure = loop {
        match session.failure().await.expect("read") {
            Some(failure) if failure.state == "failed" => break failure,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(
        (failure.code.as_str(), failure.detail),
        ("launch_failed", reason.detail)
    );
    assert_eq!(failure.tried, [(Step::Relaunch, 9)]);
    assert!(!failure.has_screenshot);
    assert_eq!(session.failure_screenshot().await.expect("read"), None);

    let path = path(&session).await;
    let relaunches = path
        .iter()
        .filter(|told| **told == step("recovering", "relaunch"));
    assert_eq!(relaunches.count(), 9);

    // All of it is there after a restart of the program, and ends with the session.
    let before = session.history().await.expect("read");
    assert_eq!(before[0].to, "failed");
    assert_eq!(before[0].hint(), Some(ReasonCode::LaunchFailed.hint()));
    manager.shutdown().await;
    drop((session, manager));
    let manager = scene.manager().await;
    let session = manager.list().remove(0);
    let after = session.history().await.expect("read");
    assert_eq!(after[0].to, "stopped", "the end of the program");
    assert_eq!(after[1..], before);
    assert!(session.failure().await.expect("read").is_some());
    manager.delete(session.id(), false).await.expect("deleted");
    assert_eq!(session.history().await.expect("read"), []);
    assert_eq!(session.failure().await.expect("read"), None);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_hurt_keeps_the_last_words_of_its_page() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    assert_eq!(session.failure().await.expect("read"), None);
    let mut events = manager.signals();
    scene.driver.stall(session.id());
    let hurt = hurt(&mut events).await;
    assert_eq!(
        (code(&hurt), hurt.step),
        (Some(ReasonCode::PageStalled), Some(Step::Reload))
    );
    let failure = loop {
        match session.failure().await.expect("read") {
            Some(failure) => break failure,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(failure.code, "page_stalled");
    assert_eq!(failure.console_tail, ["scripted session a"]);
    until(&session, SessionInfo::is_ready).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_deaf_is_loaded_anew() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut events = manager.signals();
    scene.driver.deafen(session.id());
    let hurt = hurt(&mut events).await;
    assert_eq!(code(&hurt), Some(ReasonCode::PageDeaf));
    until(&session, SessionInfo::is_ready).await;
    assert_eq!(scene.driver.times_mended(session.id()), (0, 1));
    assert_eq!(scene.driver.times_opened(), 1);
}

fn weight(mb: u64) -> Resources {
    Resources {
        memory_bytes: mb << 20,
        processor_time: Duration::from_secs(1),
        processes: 8,
    }
}

#[tokio::test(start_paused = true)]
async fn memory_is_shown_and_its_limits_are_kept() {
    let mut scene = Scene::new();
    scene.options.care = Care {
        memory_soft_mb: Some(500),
        memory_hard_mb: Some(900),
        ..Care::default()
    };
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut events = manager.signals();
    scene.driver.weigh(session.id(), weight(600));
    let soft = hurt(&mut events).await;
    assert_eq!(soft.state, SessionState::Recovering { attempt: 1 });
    assert_eq!(
        (code(&soft), soft.step),
        (Some(ReasonCode::MemoryLimit), Some(Step::Reload))
    );
    let usage = soft.resources.expect("looked at");
    assert_eq!((usage.memory_mb, usage.processes), (600, 8));
    status(&mut events, SessionInfo::is_ready).await;
    assert_eq!(
        (
            scene.driver.times_mended(session.id()),
            scene.driver.times_opened()
        ),
        ((0, 1), 1)
    );

    // The hard limit is worth a new browser. It is no failure, and nothing is lost.
    scene.driver.weigh(session.id(), weight(901));
    let hard = hurt(&mut events).await;
    assert_eq!(
        (code(&hard), hard.step),
        (Some(ReasonCode::MemoryLimit), Some(Step::Relaunch))
    );
    status(&mut events, SessionInfo::is_ready).await;
    assert_eq!(scene.driver.times_opened(), 2);
    assert_eq!(session.failure().await.expect("read"), None);
    session.stop().await.expect("stopped");
    assert_eq!(session.info().resources, None);
}

// In real time: with paused time hours would pass while the store writes.
#[tokio::test]
async fn an_unused_session_sleeps_and_wakes_on_the_next_send() {
    let mut scene = Scene::new();
    scene.options.care.hibernate_after = Some(1);
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    // It does not sleep while somebody writes to it.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert!(session.info().is_ready());
        scene.driver.write(session.id(), &bruno(), "oi").await;
    }
    let asleep = until(&session, |i| i.state == SessionState::Hibernating).await;
    assert_eq!(code(&asleep), Some(ReasonCode::Idle));
    assert!(asleep.linked && asleep.resources.is_none());
    scene.driver.until(|d| d.open_sessions().is_empty()).await;
    let wait = Duration::from_secs(60);
    let sent = session.send_text(bruno(), "bom dia", wait).await;
    assert_eq!(sent.expect("sent").ack, Ack::Server);
    assert_eq!(scene.driver.delivered_to(&bruno()).len(), 1);
    let path = path(&session).await;
    let states: Vec<_> = path.iter().map(|(state, _)| state.as_str()).collect();
    let last = &states[states.len() - 3..];
    assert_eq!(last, ["hibernating", "starting", "ready"]);

    until(&session, |i| i.state == SessionState::Hibernating).await;
    session.start().await.expect("started");
    until(&session, SessionInfo::is_ready).await;
    // Its phone is told when it is logged out of its sleep.
    until(&session, |i| i.state == SessionState::Hibernating).await;
    assert!(scene.driver.has_login(&scene.profile(session.id())));
    let info = session.log_out().await.expect("logged out");
    assert_eq!(info.state, SessionState::LoggedOut);
    assert_eq!(scene.driver.times_opened(), 4);
    assert!(!scene.driver.has_login(&scene.profile(session.id())));
}

#[tokio::test]
async fn a_sleeping_session_looks_for_messages_from_time_to_time() {
    let mut scene = Scene::new();
    scene.options.care = Care {
        hibernate_after: Some(1),
        wake_every: Some(1),
        ..Care::default()
    };
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let asleep = |i: &SessionInfo| i.state == SessionState::Hibernating;
    let mut events = manager.signals();
    for _ in 0..2 {
        let sleeps = status(&mut events, asleep).await;
        assert_eq!(code(&sleeps), Some(ReasonCode::Idle));
        let wakes = status(&mut events, |i| code(i) == Some(ReasonCode::Woken)).await;
        assert_eq!(wakes.state, SessionState::Starting);
        status(&mut events, SessionInfo::is_ready).await;
    }
    // Chosen otherwise for this session, while it sleeps: it wakes, and stays up.
    status(&mut events, asleep).await;
    let chosen = session.choose(|options| options.care.hibernate_after = Some(0));
    let chosen = chosen.await.expect("chosen").options.care.hibernate_after;
    assert_eq!(chosen, Some(0));
    status(&mut events, SessionInfo::is_ready).await;
    let sleeps = status(&mut events, asleep);
    let stayed = tokio::time::timeout(Duration::from_secs(3), sleeps).await;
    assert!(stayed.is_err(), "it slept again");
    manager.shutdown().await;
    drop((session, manager));
    let manager = scene.manager().await;
    let kept = manager.list()[0].info().options.care;
    assert_eq!(kept.hibernate_after, Some(0));
}

#[tokio::test]
async fn a_scheduled_message_wakes_its_session() {
    let mut scene = Scene::new();
    scene.options.care.hibernate_after = Some(1);
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    until(&session, |i| i.state == SessionState::Hibernating).await;
    let mut message = NewMessage::text(bruno(), "na hora");
    // Woken 20 s ahead: in 2 s from now.
    message.send_at = Some(OffsetDateTime::now_utc() + Duration::from_secs(22));
    let mut events = manager.signals();
    session.submit(message).await.expect("accepted");
    assert_eq!(session.info().state, SessionState::Hibernating);
    let wakes = status(&mut events, |i| code(i) == Some(ReasonCode::Woken)).await;
    assert!(wakes.reason.is_some_and(|r| r.detail.contains("scheduled")));
    until(&session, SessionInfo::is_ready).await;
}

#[tokio::test]
async fn every_state_says_why() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    scene.driver.hold_opening(true);
    let session = create(&manager, "a").await;
    assert_eq!(code(&session.info()), Some(ReasonCode::Launching));
    // Two are started at a time; the third waits, and says so.
    create(&manager, "b").await;
    let third = create(&manager, "c").await;
    let waits = third.info().reason.expect("why");
    assert!(waits.detail.contains("its turn"), "{waits}");
    scene.driver.hold_opening(false);
    let waiting = until(&session, |i| qr(i).is_some()).await;
    assert_eq!(code(&waiting), Some(ReasonCode::LoginNeeded));
    let link = LinkState::Syncing { percent: None };
    let event = zapnode_core::driver::DriverEvent::Link(link);
    scene.driver.tell(session.id(), event).await;
    let syncing = |i: &SessionInfo| matches!(i.state, SessionState::Syncing { .. });
    let syncing = until(&session, syncing).await;
    assert_eq!(code(&syncing), Some(ReasonCode::Syncing));
}
