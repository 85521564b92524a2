//! The manager and its sessions on the scripted driver, without a browser.
//!
//! Where a deadline is waited for, time is paused: it then runs as fast as nothing else happens.

mod scene;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use scene::{Scene, ana, bruno, code, create, id, next, qr, told, until};
use zapnode_core::driver::scripted::ScriptedDriver;
use zapnode_core::driver::{DriverError, DriverEvent, LinkState};
use zapnode_core::event::{EventKind, SignalKind};
use zapnode_core::message::Ack;
use zapnode_core::outbox::FailureCode;
use zapnode_core::session::ReasonCode;
use zapnode_core::{Error, PhoneNumber, SessionInfo, SessionManager, SessionOptions, SessionState};

#[tokio::test]
async fn from_created_to_a_message_and_its_acks() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let mut events = manager.events().from(0);
    let session = create(&manager, "loja").await;
    let (first, serial) = qr(&until(&session, |i| qr(i).is_some()).await).expect("a QR");
    assert_eq!(serial, 1);
    scene.driver.rotate_qr(session.id()).await;
    let (second, _) = qr(&until(&session, |i| qr(i).is_some_and(|q| q.1 == 2)).await).expect("QR");
    assert_ne!(first, second);
    assert!(matches!(
        session.send_text(bruno(), "cedo", Duration::ZERO).await,
        Err(Error::NotReady {
            state: SessionState::AwaitingLogin { .. },
            ..
        })
    ));

    scene.driver.scan(session.id(), &ana()).await;
    let info = until(&session, SessionInfo::is_ready).await;
    assert!(info.ready_at.is_some() && info.linked && info.reason.is_none());
    assert_eq!(info.me.and_then(|me| me.phone?.phone()), Some(ana()));

    let wait = Duration::from_secs(10);
    let receipt = session.send_text(bruno(), "olá", wait).await.expect("sent");
    assert_eq!(receipt.ack, Ack::Server);
    let message_id = receipt.message_id.expect("the page has it");
    assert!(message_id.from_me());
    let got = scene.driver.delivered_to(&bruno());
    assert_eq!(got, [(message_id.wire_id(), "olá".to_owned())]);
    scene
        .driver
        .acknowledge(session.id(), &message_id.wire_id(), Ack::Read)
        .await;
    told(
        &mut events,
        |e| matches!(&e.kind, EventKind::Ack(a) if a.ack_name == "READ" && a.id == message_id),
    )
    .await;
    scene.driver.write(session.id(), &bruno(), "oi!").await;
    let event = told(&mut events, |e| matches!(e.kind, EventKind::Message(_))).await;
    assert_eq!(event.session, id("loja"));

    let unknown = PhoneNumber::new("0001234567").expect("a number");
    assert!(matches!(
        session.send_text(unknown, "?", wait).await,
        Err(Error::SendFailed { failure, .. }) if failure.code == FailureCode::NumberNotOnWhatsApp
    ));
    for empty in ["", "  \n "] {
        assert!(matches!(
            session.send_text(bruno(), empty, wait).await,
            Err(Error::InvalidMessage(_))
        ));
    }
    let long = "x".repeat(65_537);
    assert!(session.send_text(bruno(), &long, wait).await.is_err());
    manager.shutdown().await;
    assert!(scene.driver.open_sessions().is_empty());
}

#[tokio::test]
async fn a_send_without_an_ack_ends_with_pending_and_a_refused_one_says_so() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.hold_acks(true);
    let wait = Duration::from_secs(10);
    let began = tokio::time::Instant::now();
    let send = |text: &'static str, wait: Duration| {
        let session = session.clone();
        tokio::spawn(async move { session.send_text(bruno(), text, wait).await })
    };
    let first = send("1", wait);
    scene
        .driver
        .until(|d| d.delivered_to(&bruno()).len() == 1)
        .await;
    // Only from here on: a clock that jumps would run ahead of the store's thread.
    tokio::time::pause();
    let receipt = first.await.expect("ends").expect("accepted");
    assert_eq!(receipt.ack, Ack::Pending);
    let waited = began.elapsed();
    assert!(
        waited >= wait && waited < wait + Duration::from_millis(100),
        "{waited:?}"
    );
    tokio::time::resume();

    let sending = send("2", wait * 600);
    scene
        .driver
        .until(|d| d.delivered_to(&bruno()).len() == 2)
        .await;
    let second = scene.driver.delivered_to(&bruno())[1].0.clone();
    scene
        .driver
        .acknowledge(session.id(), &second, Ack::Failed)
        .await;
    assert!(matches!(
        sending.await.expect("ends"),
        Err(Error::SendFailed { .. })
    ));
}

#[tokio::test]
async fn sessions_come_back_after_a_restart_and_deleted_ones_do_not() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    scene.ready(&manager, "kept").await;
    scene.ready(&manager, "stopped").await;
    scene.ready(&manager, "gone").await;
    let options = SessionOptions {
        headless: Some(true),
        ..SessionOptions::default()
    };
    let created = manager.create(id("chosen"), options.clone()).await;
    let created = created.expect("created").session.info().created_at;
    let stopped = manager.get(&id("stopped")).expect("there");
    assert_eq!(
        stopped.stop().await.expect("stops").state,
        SessionState::Stopped
    );
    manager.delete(&id("gone"), false).await.expect("deleted");
    assert!(!scene.driver.has_login(&scene.profile(&id("gone"))));
    assert!(matches!(
        manager.delete(&id("gone"), false).await,
        Err(Error::SessionNotFound { .. })
    ));
    manager.shutdown().await;
    drop((manager, stopped));

    let manager = scene.manager().await;
    let names: Vec<_> = manager.list().iter().map(|s| s.id().to_string()).collect();
    assert_eq!(names, ["kept", "stopped", "chosen"]);
    assert!(scene.driver.open_sessions().is_empty(), "nothing by itself");
    manager.restore().await;
    let kept = manager.get(&id("kept")).expect("there");
    let info = until(&kept, |i| i.is_ready() || qr(i).is_some()).await;
    assert!(info.is_ready(), "without a QR");
    let chosen = manager.get(&id("chosen")).expect("there");
    assert_eq!(chosen.info().options, options);
    assert_eq!(chosen.info().created_at, created);
    let stopped = manager.get(&id("stopped")).expect("there");
    assert_eq!(stopped.info().state, SessionState::Stopped);
    assert!(stopped.info().linked);
}

#[tokio::test]
async fn creating_again_gives_the_same_session_unless_it_is_to_be_another() {
    let mut scene = Scene::new();
    scene.options.max_sessions = Some(2);
    let manager = scene.manager().await;
    let headless = |headless| SessionOptions {
        headless: Some(headless),
        ..SessionOptions::default()
    };
    let first = manager.create(id("a"), headless(true)).await;
    assert!(first.expect("created").is_new);
    for same in [headless(true), SessionOptions::default()] {
        let again = manager.create(id("a"), same).await;
        assert!(!again.expect("given back").is_new);
    }
    assert!(matches!(
        manager.create(id("a"), headless(false)).await,
        Err(Error::SessionExists { .. })
    ));
    create(&manager, "b").await;
    assert!(matches!(
        manager.create(id("c"), SessionOptions::default()).await,
        Err(Error::SessionLimitReached { limit: 2 })
    ));
    // Creating a stopped one starts it, as clients of the original do at each boot.
    let a = manager.get(&id("a")).expect("there");
    a.stop().await.expect("stops");
    manager.create(id("a"), headless(true)).await.expect("back");
    until(&a, |i| qr(i).is_some()).await;
}

#[tokio::test]
async fn what_the_driver_cannot_do_is_refused_before_anything_is_stored() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    scene.driver.refuse_options(|| DriverError::NoDisplay);
    assert!(matches!(
        manager.create(id("a"), SessionOptions::default()).await,
        Err(Error::Driver(DriverError::NoDisplay))
    ));
    assert!(manager.list().is_empty());
}

#[tokio::test]
async fn one_data_folder_has_one_manager() {
    let scene = Scene::new();
    let _manager = scene.manager().await;
    let second = SessionManager::open(Arc::new(ScriptedDriver::new()), scene.options.clone()).await;
    match second {
        Err(Error::Owned { owner }) => assert_eq!(owner.pid, std::process::id()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_removed_device_is_cleaned_up_after_two_seconds_or_kept_as_chosen() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut events = manager.signals();
    scene.driver.remove_device(session.id()).await;
    let info = until(&session, |i| i.state == SessionState::LoggedOut).await;
    assert_eq!(code(&info), Some(ReasonCode::LoggedOutRemotely));
    next(&mut events, |e| matches!(e.kind, SignalKind::Removed)).await;
    scene.driver.until(|d| d.open_sessions().is_empty()).await;

    let mut scene = Scene::new();
    scene.options.cleanup_after_logout = None;
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.remove_device(session.id()).await;
    until(&session, |i| i.state == SessionState::LoggedOut).await;
    scene.driver.until(|d| d.open_sessions().is_empty()).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(manager.list().len(), 1);
    session.start().await.expect("starts");
    until(&session, |i| qr(i).is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn starting_in_time_saves_a_session_from_the_clean_up() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.remove_device(session.id()).await;
    until(&session, |i| i.state == SessionState::LoggedOut).await;
    session.start().await.expect("starts");
    until(&session, |i| qr(i).is_some()).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(manager.list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_crashed_browser_is_replaced_and_a_stalled_page_reloaded() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.crash(session.id()).await;
    let info = until(&session, |i| !i.is_ready()).await;
    assert!(matches!(
        info.state,
        SessionState::Recovering { attempt: 1 }
    ));
    assert_eq!(code(&info), Some(ReasonCode::BrowserCrashed));
    until(&session, SessionInfo::is_ready).await;
    assert_eq!(scene.driver.times_opened(), 2);

    // Followed by its events: it is back before anybody could look.
    let mut events = manager.signals();
    scene.driver.stall(session.id());
    next(&mut events, |e| match &e.kind {
        SignalKind::Status(info) => code(info) == Some(ReasonCode::PageStalled),
        _ => false,
    })
    .await;
    until(&session, SessionInfo::is_ready).await;
    assert_eq!(scene.driver.times_opened(), 2, "a reload was enough");
    let reasons = session.diagnostics().await.reasons;
    let codes: Vec<_> = reasons.iter().map(|r| r.reason.code).collect();
    assert!(codes.contains(&ReasonCode::PageStalled), "{codes:?}");
    assert!(codes.contains(&ReasonCode::BrowserCrashed), "{codes:?}");
}

#[tokio::test(start_paused = true)]
async fn openings_that_fail_are_tried_again_and_then_given_up_with_the_reason() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let failure = || DriverError::LaunchFailed {
        reason: "no shared memory".to_owned(),
    };
    scene.driver.fail_opening([failure(), failure()]);
    let session = create(&manager, "a").await;
    until(&session, |i| qr(i).is_some()).await;
    assert_eq!(scene.driver.times_opened(), 3);

    scene.driver.fail_opening([DriverError::BrowserNotFound {
        searched: vec![PathBuf::from("/usr/bin/chromium")],
    }]);
    let session = create(&manager, "b").await;
    let info = until(&session, |i| i.state == SessionState::Failed).await;
    assert_eq!(code(&info), Some(ReasonCode::BrowserNotFound));
    assert!(
        info.reason
            .expect("told")
            .detail
            .contains("/usr/bin/chromium")
    );
    assert_eq!(scene.driver.times_opened(), 4, "not tried again");
}

#[tokio::test(start_paused = true)]
async fn a_qr_nobody_scans_ends_after_ten_minutes() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = create(&manager, "a").await;
    until(&session, |i| qr(i).is_some()).await;
    let shown = tokio::time::Instant::now();
    let info = until(&session, |i| i.state == SessionState::Failed).await;
    assert_eq!(code(&info), Some(ReasonCode::LoginTimeout));
    assert!(shown.elapsed() >= Duration::from_secs(590));
    scene.driver.until(|d| d.open_sessions().is_empty()).await;
    session.start().await.expect("begins anew");
    until(&session, |i| qr(i).is_some()).await;
}

#[tokio::test]
async fn a_lost_network_is_told_and_survived() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let offline = DriverEvent::Link(LinkState::Offline);
    scene.driver.tell(session.id(), offline).await;
    let info = until(&session, |i| !i.is_ready()).await;
    assert_eq!(info.state, SessionState::Recovering { attempt: 1 });
    assert_eq!(code(&info), Some(ReasonCode::Offline));
    let me = session.info().me.expect("still known");
    let ready = DriverEvent::Link(LinkState::Ready(me));
    scene.driver.tell(session.id(), ready).await;
    until(&session, SessionInfo::is_ready).await;
}

#[tokio::test]
async fn stop_is_answered_when_the_browser_is_gone_also_while_it_starts() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    scene.driver.hold_opening(true);
    let session = create(&manager, "a").await;
    scene.driver.until(|d| d.times_opened() == 1).await;
    let stopping = {
        let session = session.clone();
        tokio::spawn(async move { session.stop().await })
    };
    until(&session, |i| i.state == SessionState::Stopped).await;
    assert!(!stopping.is_finished(), "the browser is still coming up");
    scene.driver.hold_opening(false);
    stopping.await.expect("ends").expect("stopped");
    assert!(scene.driver.open_sessions().is_empty());
    // Idempotent, each way.
    session.stop().await.expect("stopped already");
    session.start().await.expect("starts");
    session.start().await.expect("starts already");
    until(&session, |i| qr(i).is_some()).await;
    session.restart().await.expect("restarts");
    until(&session, |i| qr(i).is_some()).await;
    assert_eq!(scene.driver.times_opened(), 3);
}

#[tokio::test]
async fn logging_out_deletes_the_login_and_keeps_the_session_listed() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let info = session.log_out().await.expect("logs out");
    assert_eq!(info.state, SessionState::LoggedOut);
    assert_eq!(code(&info), Some(ReasonCode::LogoutRequested));
    assert!(!scene.driver.has_login(&scene.profile(session.id())));
    assert!(scene.driver.open_sessions().is_empty());
    session.log_out().await.expect("nothing left to do");
    session.start().await.expect("starts");
    until(&session, |i| qr(i).is_some()).await;
}

#[tokio::test]
async fn a_deleted_session_can_be_created_again_at_once_and_keep_login_keeps_it() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let old = scene.ready(&manager, "a").await;
    let (deleted, created) = tokio::join!(
        manager.delete(old.id(), true),
        manager.create(id("a"), SessionOptions::default())
    );
    deleted.expect("deleted");
    let created = created.expect("created");
    let info = until(&created.session, |i| i.is_ready() || qr(i).is_some()).await;
    assert!(info.is_ready(), "its login was kept");
    assert_eq!(manager.list().len(), 1);
    manager.shutdown().await;
    assert!(matches!(
        manager.create(id("b"), SessionOptions::default()).await,
        Err(Error::ShuttingDown)
    ));
}

#[tokio::test]
async fn browsers_are_launched_a_few_at_a_time() {
    let mut scene = Scene::new();
    scene.options.launches_at_once = 2;
    let manager = scene.manager().await;
    scene.driver.hold_opening(true);
    let mut sessions = vec![];
    for n in 0..5 {
        sessions.push(create(&manager, &format!("s{n}")).await);
    }
    scene.driver.until(|d| d.times_opened() == 2).await;
    // One that waits for its turn can be stopped without one.
    sessions[4].stop().await.expect("stops");
    assert_eq!(scene.driver.times_opened(), 2);
    scene.driver.hold_opening(false);
    for session in &sessions[..4] {
        until(session, |i| qr(i).is_some()).await;
    }
    assert_eq!(scene.driver.times_opened(), 4);
}
