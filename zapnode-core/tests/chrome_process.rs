//! The Chrome driver's processes, on a page that is not WhatsApp's: how browsers come up, how they
//! end, and that none is ever left behind.

mod chrome_support;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrome_support::{Bench, browsers_of, serve, until};
use tokio::net::TcpListener;
use zapnode_core::driver::{
    Driver, DriverClosed, DriverError, DriverEvent, Interruption, LinkState, Refusal, StoredLogin,
};

const PLAIN: &str = "<!doctype html><title>plain</title><p>nothing here</p>";

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("small")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

/// The pages' processes of a browser.
fn renderers_of(browser: u32) -> Vec<u32> {
    let mut system = sysinfo::System::new();
    let kind = sysinfo::ProcessRefreshKind::nothing().with_cmd(sysinfo::UpdateKind::Always);
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::All, true, kind);
    let descends = |process: &sysinfo::Process| {
        let mut parent = process.parent();
        while let Some(pid) = parent {
            if pid.as_u32() == browser {
                return true;
            }
            parent = system.process(pid).and_then(sysinfo::Process::parent);
        }
        false
    };
    let is_renderer = |process: &sysinfo::Process| {
        let mut arguments = process
            .cmd()
            .iter()
            .filter_map(|argument| argument.to_str());
        arguments.any(|argument| argument.contains("--type=renderer"))
    };
    system
        .processes()
        .values()
        .filter(|process| process.thread_kind().is_none() && is_renderer(process))
        .filter(|process| descends(process))
        .map(|process| process.pid().as_u32())
        .collect()
}

fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("browser.sh");
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("executable");
    path
}

/// A browser that somebody else started on a login.
fn foreign_browser(login: &StoredLogin, more: &[&str]) -> Child {
    std::fs::create_dir_all(&login.folder).expect("a folder");
    Command::new("/usr/lib/chromium/chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-port=0",
        ])
        .arg(format!("--user-data-dir={}", login.folder.display()))
        .args(more)
        .arg("about:blank")
        .stderr(Stdio::null())
        .spawn()
        .expect("chromium")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_comes_up_looks_ordinary_and_goes_without_a_trace() {
    const CURIOUS: &str = "<!doctype html><title>curious</title><script>
        (async () => {
          const hints = ['fullVersionList', 'platform', 'architecture', 'uaFullVersion'];
          const seen = {
            agent: navigator.userAgent,
            webdriver: navigator.webdriver,
            brands: navigator.userAgentData.brands,
            hints: await navigator.userAgentData.getHighEntropyValues(hints),
            globals: Object.getOwnPropertyNames(window).filter((n) => /^zn|zapnode/i.test(n)),
            focus: document.hasFocus(),
          };
          await fetch('/seen?' + encodeURIComponent(JSON.stringify(seen)));
        })();
      </script>";
    let (url, asked) = serve(CURIOUS).await;
    let bench = Bench::new(&url);
    let login = bench.login("a");
    let mut session = bench.open("a").await;
    assert_eq!(
        session.next().await,
        DriverEvent::Link(LinkState::Connecting)
    );
    assert_eq!(browsers_of(&login).len(), 1);
    let mode = login.folder.metadata().expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    let heard = || asked.lock().expect("not poisoned").clone();
    until("the page's report", || {
        heard().iter().any(|r| r.starts_with("GET /seen"))
    })
    .await;
    let first = heard().first().cloned().expect("a request").to_lowercase();
    assert!(
        first.contains("user-agent: mozilla/5.0") && !first.contains("headless"),
        "{first}"
    );
    let report = heard()
        .into_iter()
        .find(|r| r.starts_with("GET /seen"))
        .expect("there");
    let report = report.split_whitespace().nth(1).expect("a path").to_owned();
    let report = decode(report.strip_prefix("/seen?").expect("a query"));
    let seen: serde_json::Value = serde_json::from_str(&report).expect("json");
    assert!(!report.contains("Headless"), "{seen:#}");
    assert_eq!(seen["webdriver"], false, "{seen:#}");
    assert_eq!(seen["globals"], serde_json::json!([]), "{seen:#}");
    assert_eq!(seen["focus"], true, "{seen:#}");
    assert!(
        !seen["brands"].as_array().expect("brands").is_empty(),
        "{seen:#}"
    );
    let full = seen["hints"]["uaFullVersion"].as_str().expect("a version");
    assert!(
        seen["agent"].as_str().expect("text").contains(&full[..4]),
        "{seen:#}"
    );

    let evidence = session.connection.evidence().await.expect("evidence");
    assert_eq!(evidence.link, LinkState::Connecting);
    assert!(
        evidence
            .facts
            .contains(&("require".to_owned(), "false".to_owned()))
    );
    let log = heard();
    assert!(!log.is_empty());

    session.close().await;
    assert_eq!(browsers_of(&login), [0; 0]);
    assert!(
        login
            .folder
            .join("SingletonLock")
            .symlink_metadata()
            .is_err()
    );
    bench.driver_forgets("a").await;
    bench.driver_forgets("a").await;
}

/// Undoes `encodeURIComponent`.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().expect("a digit"), rest.next().expect("a digit")];
            let digits = std::str::from_utf8(&digits).expect("ascii");
            bytes.push(u8::from_str_radix(digits, 16).expect("hex"));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("utf-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_refuses_the_browser_is_recognised() {
    let (url, _) = serve("<!doctype html><p>WhatsApp works with Google Chrome 100+</p>").await;
    let bench = Bench::new(&url);
    let mut session = bench.open("a").await;
    session
        .wait_link(LinkState::Refused(Refusal::UnsupportedBrowser))
        .await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_reached_is_an_error_that_leaves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    let bench = Bench::new(&url);
    let error = bench.try_open("a").await.expect_err("nobody is there");
    assert!(
        matches!(&error, DriverError::PageUnreachable { reason, .. } if reason.contains("ERR_")),
        "{error:?}"
    );
    assert_eq!(browsers_of(&bench.login("a")), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_that_do_not_start_say_why_and_leave_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, _) = serve(PLAIN).await;

    let nothing = Bench::with(&url, |options| {
        options.executable = Some("/no/chrome".into());
    });
    let error = nothing.try_open("a").await.expect_err("no browser");
    assert!(
        matches!(error, DriverError::BrowserNotFound { .. }),
        "{error:?}"
    );

    let broken = script(
        folder.path(),
        "#!/bin/sh\necho 'libnss3.so: not found' >&2\nexit 127\n",
    );
    let bench = Bench::with(&url, |options| options.executable = Some(broken.clone()));
    let began = Instant::now();
    let error = bench.try_open("a").await.expect_err("broken");
    assert!(
        matches!(&error, DriverError::LaunchFailed { reason } if reason == "libnss3.so: not found"),
        "{error:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );

    let silent = script(
        folder.path(),
        "#!/bin/sh\ncase $1 in --version) exit ;; esac\nsleep 100 & wait\n",
    );
    let bench = Bench::with(&url, |options| {
        options.executable = Some(silent.clone());
        options.launch_timeout = Duration::from_secs(1);
    });
    let error = bench.try_open("a").await.expect_err("silent");
    assert!(
        matches!(error, DriverError::LaunchTimeout { .. }),
        "{error:?}"
    );
    assert_eq!(browsers_of(&bench.login("a")), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_of_the_users_own_is_used_and_a_broken_one_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (url, _) = serve(PLAIN).await;
    let bridge_dir = Some(folder.path().to_owned());
    let bench = Bench::with(&url, |options| options.bridge_dir = bridge_dir);
    let file = folder.path().join("selftest.js");
    std::fs::write(
        &file,
        "commands.selfTest = async () => ({version: 'mine', probes: []});",
    )
    .expect("written");
    let session = bench.open("a").await;
    let test = session.connection.self_test().await.expect("a self-test");
    assert_eq!(test.version.as_deref(), Some("mine"));
    session.close().await;
    std::fs::write(&file, "commands.selfTest = async ( => 1;").expect("written");
    let error = bench.try_open("a").await.expect_err("broken");
    assert!(
        matches!(&error, DriverError::LaunchFailed { reason } if reason.contains("SyntaxError")),
        "{error:?}"
    );
    assert_eq!(browsers_of(&bench.login("a")), [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_has_one_browser_and_stale_locks_do_not_count() {
    let (url, _) = serve(PLAIN).await;
    let bench = Bench::new(&url);
    let login = bench.login("a");
    std::fs::create_dir_all(&login.folder).expect("a folder");
    for lock in ["SingletonLock", "SingletonCookie", "SingletonSocket"] {
        symlink("container-of-yesterday-1", login.folder.join(lock)).expect("a link");
    }
    let session = bench.open("a").await;
    let pids = browsers_of(&login);
    for error in [
        bench.try_open("a").await.expect_err("it is open"),
        bench.driver.forget(&login).await.expect_err("it is open"),
    ] {
        assert!(
            matches!(&error, DriverError::ProfileInUse { pid, folder } if pids == [*pid] && *folder == login.folder),
            "{error:?}"
        );
    }
    session
        .connection
        .evidence()
        .await
        .expect("it was left alone");
    session.close().await;

    // One of another program is left alone too, and named.
    let mut foreign = foreign_browser(&login, &[]);
    until("its lock", || {
        login
            .folder
            .join("SingletonLock")
            .symlink_metadata()
            .is_ok()
    })
    .await;
    let error = bench.try_open("a").await.expect_err("somebody has it");
    assert!(
        matches!(&error, DriverError::ProfileInUse { pid, .. } if *pid == foreign.id()),
        "{error:?}"
    );
    assert_eq!(bench.driver.sweep(std::slice::from_ref(&login)).await, 0);
    foreign.kill().expect("killed");
    foreign.wait().expect("reaped");
    // Its lock names this host and a dead process.
    bench.open("a").await.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_ends_what_an_earlier_run_left_and_nothing_else() {
    let (url, _) = serve(PLAIN).await;
    let bench = Bench::new(&url);
    let (left, open) = (bench.login("left"), bench.login("open"));
    let session = bench.open("open").await;
    // No process of this pid started then.
    let mut orphan = foreign_browser(&left, &["--zapnode-owner=1-1-0"]);
    until("its pages", || !renderers_of(orphan.id()).is_empty()).await;
    let logins = [left.clone(), open.clone(), bench.login("never")];
    assert_eq!(bench.driver.sweep(&logins).await, 1);
    assert_eq!(browsers_of(&left), [0; 0]);
    orphan.wait().expect("reaped");
    assert_eq!(bench.driver.sweep(&logins).await, 0);
    session
        .connection
        .evidence()
        .await
        .expect("it was left alone");
    bench.open("left").await.close().await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_is_killed_ends_the_session_at_once() {
    let (url, _) = serve(PLAIN).await;
    let bench = Bench::new(&url);
    let login = bench.login("a");
    let mut session = bench.open("a").await;
    let pid = browsers_of(&login)[0];
    // The pairing code waits for a page that never comes: it is under way when the browser ends.
    let connection = Arc::clone(&session.connection);
    let waiting = tokio::spawn(async move {
        connection
            .request_pairing_code(&chrome_support::phone("244929000001"))
            .await
    });
    session.connection.evidence().await.expect("alive");
    kill(pid);
    assert!(matches!(session.wait_closed().await, DriverClosed::Lost(_)));
    let interrupted = waiting.await.expect("no panic");
    let by = Interruption::BrowserEnded;
    assert!(
        matches!(&interrupted, Err(DriverError::Interrupted { by: told, .. }) if *told == by),
        "{interrupted:?}"
    );
    let late = session.connection.evidence().await;
    assert!(matches!(late, Err(DriverError::Closed)), "{late:?}");
    session.connection.close().await.expect("closed already");
    assert_eq!(browsers_of(&login), [0; 0]);
    bench.open("a").await.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_crashes_comes_back() {
    let (url, _) = serve(PLAIN).await;
    let bench = Bench::new(&url);
    let mut session = bench.open("a").await;
    let browser = browsers_of(&bench.login("a"))[0];
    session.wait_link(LinkState::Connecting).await;
    for _ in 0..2 {
        for renderer in renderers_of(browser) {
            kill(renderer);
        }
        assert_eq!(session.next().await, DriverEvent::Reloaded);
        assert_eq!(
            session.next().await,
            DriverEvent::Link(LinkState::Connecting)
        );
        session.connection.evidence().await.expect("it is back");
    }
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pages_last_words_are_kept_without_what_people_wrote() {
    let (url, _) = serve(
        "<!doctype html><script>console.error('socket 244929782402 closed', 'segredo');\
         console.log('segredo'); setTimeout(() => { throw new Error('no \"segredo\" here') })</script>",
    )
    .await;
    let bench = Bench::new(&url);
    let session = bench.open("a").await;
    let connection = Arc::clone(&session.connection);
    let words = || connection.last_words().join("\n");
    until("its last words", || words().contains("exception")).await;
    assert!(
        words().contains("error: socket # closed (+1 value)"),
        "{}",
        words()
    );
    assert!(
        words().contains("exception: Error: no \"…\" here"),
        "{}",
        words()
    );
    assert!(!words().contains("segredo"), "{}", words());
    let taken = connection.resources().await.expect("it runs");
    assert!(
        taken.processes >= 3 && taken.memory_bytes > 30 << 20,
        "{taken:?}"
    );
    session.close().await;
    // Still there when nothing runs any more.
    assert!(words().contains("exception"));
    assert!(connection.resources().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_never_stops_can_be_reloaded_and_closed() {
    const BUSY: &str = "<!doctype html><script>
        if (!sessionStorage.once) { sessionStorage.once = 1; setTimeout(() => { for (;;); }, 300); }
      </script>";
    let (url, _) = serve(BUSY).await;
    let bench = Bench::new(&url);
    let mut session = bench.open("a").await;
    session.wait_link(LinkState::Connecting).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    session.connection.reload().await.expect("reloaded");
    session
        .wait("a reload", |event| {
            (event == &DriverEvent::Reloaded).then_some(())
        })
        .await;
    session
        .connection
        .evidence()
        .await
        .expect("it answers again");
    session.close().await;

    let mut session = bench.open("b").await;
    session.wait_link(LinkState::Connecting).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    session.close().await;
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(browsers_of(&bench.login("b")), [0; 0]);
}

/// The old document is busy while its successor is fetched, and opens a dialog just before that
/// takes its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_dialog_in_the_way_of_the_next_document_is_closed() {
    const ALERTS_ON_LEAVING: &str = r#"<!doctype html><title>alerts</title><script>
        if (!sessionStorage.left) setTimeout(() => {
            sessionStorage.left = "once";
            location.reload();
            for (const end = Date.now() + 1500; Date.now() < end;);
            alert("one");
            alert("two");
        }, 200);</script>"#;
    let (url, asked) = serve(ALERTS_ON_LEAVING).await;
    let bench = Bench::new(&url);
    let mut session = bench.open("a").await;
    session
        .wait("the next document", |event| {
            (event == &DriverEvent::Reloaded).then_some(())
        })
        .await;
    session.connection.evidence().await.expect("it answers");
    let documents = asked.lock().expect("not poisoned").clone();
    let documents = documents.iter().filter(|asked| asked.starts_with("GET / "));
    assert_eq!(
        documents.count(),
        2,
        "it was loaded once more and no oftener"
    );
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_is_ended_in_the_background() {
    let (url, _) = serve(PLAIN).await;
    let bench = Bench::new(&url);
    // An open session.
    let login = bench.login("a");
    drop(bench.open("a").await);
    until("its end", || browsers_of(&login).is_empty()).await;
    // One that is being opened, at several moments.
    for moment in [30, 150, 400] {
        let opening = bench.try_open("a");
        let gone = tokio::time::timeout(Duration::from_millis(moment), opening).await;
        drop(gone);
        until("its end", || browsers_of(&login).is_empty()).await;
    }
    bench.open("a").await.close().await;
}

/// Not a test by itself: the process that is killed by the next one.
#[tokio::test(flavor = "multi_thread")]
async fn lease_helper() {
    let Some(folder) = std::env::var_os("ZAPNODE_TEST_LEASE") else {
        return;
    };
    let folder = PathBuf::from(folder);
    let (url, _) = serve(PLAIN).await;
    let mut options = zapnode_core::driver::chrome::ChromeOptions::new(folder.join("work"));
    options.web_url = url;
    let driver = zapnode_core::driver::chrome::ChromeDriver::new(options);
    let login = StoredLogin {
        session: zapnode_core::SessionId::new("a").expect("a name"),
        folder: folder.join("session-a"),
    };
    let options = zapnode_core::options::SessionOptions::default();
    let opened = driver
        .open(zapnode_core::driver::OpenRequest { login, options })
        .await
        .expect("opened");
    std::fs::write(folder.join("open"), "").expect("written");
    tokio::time::sleep(Duration::from_secs(120)).await;
    drop(opened);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_browser_outlives_a_process_that_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let login = StoredLogin {
        session: zapnode_core::SessionId::new("a").expect("a name"),
        folder: folder.path().join("session-a"),
    };
    let mut helper = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "lease_helper"])
        .env("ZAPNODE_TEST_LEASE", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("started");
    until("the helper's session", || {
        folder.path().join("open").exists()
    })
    .await;
    assert_eq!(browsers_of(&login).len(), 1);
    helper.kill().expect("killed");
    helper.wait().expect("reaped");
    let killed = Instant::now();
    until("the browser's end", || browsers_of(&login).is_empty()).await;
    assert!(
        killed.elapsed() < Duration::from_secs(10),
        "{:?}",
        killed.elapsed()
    );
    assert!(
        login
            .folder
            .join("SingletonLock")
            .symlink_metadata()
            .is_err(),
        "it ended in order"
    );
}
