//! Sessions on real Chrome and the simulated WhatsApp that lose their evidence, or rest.
#![cfg(feature = "sandbox")]

mod chrome_support;

use std::sync::Arc;
use std::time::Duration;

use chrome_support::simulated::{OURS, THEIRS, logged_in, ours, sandbox, talk, theirs};
use chrome_support::{Bench, browsers_of, phone, until};
use rustix::process::{Pid, Signal, kill_process};
use zapnode_core::driver::chrome::{ChromeDriver, ChromeOptions};
use zapnode_core::driver::{LinkState, StoredLogin};
use zapnode_core::message::Ack;
use zapnode_core::sandbox::{Faults, Sandbox};
use zapnode_core::session::{Prompt, ReasonCode, Step};
use zapnode_core::{
    ManagerOptions, SessionHandle, SessionId, SessionInfo, SessionManager, SessionOptions,
    SessionState,
};

/// Everything takes its time on a loaded machine, and it takes five looks of 12 s without an answer
/// before a Chrome that stands still is given up.
const LONG: Duration = Duration::from_secs(150);

/// Where nothing has to be given up first.
const USUAL: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_link_is_mended_without_a_reload_and_a_deaf_page_is_found() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    sandbox.set_faults(Faults {
        socket_state: Some("TIMEOUT".to_owned()),
        ..Faults::default()
    });
    session.wait_link(LinkState::Offline).await;
    session.connection.reconnect().await.expect("asked");
    // Without a reload in between: that would be told.
    session.wait_ready().await;
    talk(&sandbox, &mut session).await;

    let well = session.connection.evidence().await.expect("evidence");
    assert!(!well.deaf, "{well:?}");
    sandbox.set_faults(Faults {
        deaf: true,
        ..Faults::default()
    });
    let sent = theirs(&sandbox).send(&phone(OURS), "ouves?").await;
    sent.expect("sent");
    // It is believed for some seconds that the word of it will come by itself.
    let end = tokio::time::Instant::now() + USUAL;
    let mut look = tokio::time::interval(Duration::from_millis(500));
    loop {
        look.tick().await;
        let evidence = session.connection.evidence().await.expect("evidence");
        if evidence.deaf {
            break;
        }
        assert!(
            tokio::time::Instant::now() < end,
            "never found: {evidence:?}"
        );
    }
    session.wait_message("ouves?").await;
    // It hears again.
    talk(&sandbox, &mut session).await;
    let well = session.connection.evidence().await.expect("evidence");
    assert!(!well.deaf, "{well:?}");
    session.close().await;
}

/// A linked session of a manager on Chrome.
struct Shop {
    manager: SessionManager,
    session: SessionHandle,
    login: StoredLogin,
    _folder: tempfile::TempDir,
}

impl Shop {
    async fn open(sandbox: &Sandbox, change: impl FnOnce(&mut ManagerOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let chrome = ChromeOptions {
            web_url: sandbox.url(),
            ..ChromeOptions::new(folder.path().join("chrome"))
        };
        let mut options = ManagerOptions::in_folder(folder.path());
        options.deadlines.heartbeat = Duration::from_secs(1);
        change(&mut options);
        let driver = Arc::new(ChromeDriver::new(chrome));
        let manager = SessionManager::open(driver, options).await.expect("opens");
        let id = SessionId::new("shop").expect("an id");
        let created = manager.create(id.clone(), SessionOptions::default()).await;
        let session = created.expect("created").session;
        let shows_qr = |i: &SessionInfo| qr(i).is_some();
        let info = session.wait_until(USUAL, shows_qr).await.expect("a QR");
        let scanned = ours(sandbox).scan(&qr(&info).expect("a QR")).await;
        scanned.expect("scanned");
        session.wait_ready(USUAL).await.expect("ready");
        let auth_dir = manager.options().auth_dir.clone();
        Self {
            login: StoredLogin {
                folder: auth_dir.join(id.profile_folder()),
                session: id,
            },
            manager,
            session,
            _folder: folder,
        }
    }

    async fn until(&self, so: impl Fn(&SessionInfo) -> bool + Send) -> SessionInfo {
        self.session.wait_until(USUAL, so).await.expect("in time")
    }
}

fn qr(info: &SessionInfo) -> Option<String> {
    match &info.state {
        SessionState::AwaitingLogin {
            prompt: Some(Prompt::Qr { text, .. }),
        } => Some(text.clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_kept_with_its_picture_and_an_unused_session_sleeps() {
    let sandbox = sandbox(|_| {}).await;
    let shop = Shop::open(&sandbox, |options| {
        options.deadlines.offline = Duration::from_secs(12);
    })
    .await;
    let session = &shop.session;
    // No news to those who follow its state, so it is looked at.
    until("a look at what it takes", || {
        session.info().resources.is_some()
    })
    .await;
    let usage = session.info().resources;
    assert!(
        usage.is_some_and(|u| u.memory_mb > 30 && u.processes >= 3),
        "{usage:?}"
    );

    sandbox.set_faults(Faults {
        socket_state: Some("TIMEOUT".to_owned()),
        ..Faults::default()
    });
    let hurt = shop.until(|i| i.step == Some(Step::Reconnect)).await;
    assert_eq!(hurt.reason.map(|r| r.code), Some(ReasonCode::Offline));
    shop.until(SessionInfo::is_ready).await;
    // A page that is opened later would begin with it.
    sandbox.set_faults(Faults::default());
    let failure = session.failure().await.expect("read").expect("kept");
    assert_eq!(
        (failure.code.as_str(), failure.state.as_str()),
        ("offline", "recovering")
    );
    assert!(failure.has_screenshot);
    let png = session.failure_screenshot().await.expect("read");
    assert!(png.is_some_and(|png| png.starts_with(b"\x89PNG")));
    let history = session.history().await.expect("read");
    assert!(
        history
            .iter()
            .any(|t| t.step.as_deref() == Some("reconnect")),
        "{history:?}"
    );

    let chosen = session
        .choose(|options| options.care.hibernate_after = Some(1))
        .await;
    chosen.expect("chosen");
    let asleep = shop.until(|i| i.state == SessionState::Hibernating).await;
    assert_eq!(asleep.reason.map(|r| r.code), Some(ReasonCode::Idle));
    until("its Chrome to end", || browsers_of(&shop.login).is_empty()).await;
    let sent = session.send_text(phone(THEIRS), "acorda", USUAL).await;
    assert_eq!(sent.expect("sent").ack, Ack::Server);
    let arrived = theirs(&sandbox)
        .wait_for_message(|m| m.text == "acorda", USUAL)
        .await;
    arrived.expect("arrived");
    shop.manager.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_chrome_is_found_and_replaced() {
    let sandbox = sandbox(|_| {}).await;
    let shop = Shop::open(&sandbox, |_| {}).await;
    // A graceful end writes the login to disk; a kill right after the scan would lose it.
    let session = &shop.session;
    session.restart().await.expect("restarted");
    session.wait_ready(USUAL).await.expect("ready");
    let frozen = browsers_of(&shop.login)[0];
    let pid = Pid::from_raw(i32::try_from(frozen).expect("small")).expect("a pid");
    kill_process(pid, Signal::STOP).expect("stopped");
    let given_up = |i: &SessionInfo| i.step == Some(Step::Relaunch);
    let hurt = session.wait_until(LONG, given_up).await.expect("found");
    assert_eq!(hurt.reason.map(|r| r.code), Some(ReasonCode::PageStalled));
    // Accepted meanwhile, sent afterwards.
    let sent = session.send_text(phone(THEIRS), "de volta", LONG).await;
    assert_eq!(sent.expect("sent").ack, Ack::Server);
    assert!(session.info().is_ready());
    assert!(!browsers_of(&shop.login).contains(&frozen), "it is gone");
    let failure = session.failure().await.expect("read").expect("kept");
    assert_eq!(failure.code, "page_stalled");
    shop.manager.shutdown().await;
}
