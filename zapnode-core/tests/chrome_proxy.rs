//! A session behind a proxy that wants to know who comes, on real Chromium and the simulated
//! WhatsApp; another proxy, with the same login.
#![cfg(feature = "sandbox")]

mod chrome_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrome_support::simulated::{OURS, THEIRS, sandbox, theirs};
use chrome_support::{PATIENCE, phone};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use zapnode_core::driver::chrome::{ChromeDriver, ChromeOptions};
use zapnode_core::proxy::Proxy;
use zapnode_core::session::ReasonCode;
use zapnode_core::{
    ManagerOptions, SessionHandle, SessionId, SessionInfo, SessionManager, SessionOptions,
    SessionState,
};

/// A proxy of the plain kind: absolute addresses and CONNECT, and nobody passes without a name.
struct Door {
    address: String,
    /// The first line of what passed, and of what did not.
    passed: Arc<Mutex<Vec<String>>>,
    turned_away: Arc<Mutex<Vec<String>>>,
}

impl Door {
    async fn open(user: &'static str, password: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (passed, turned_away) = (Arc::default(), Arc::default());
        let door = Self {
            address,
            passed: Arc::clone(&passed),
            turned_away: Arc::clone(&turned_away),
        };
        let key = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (passed, turned_away) = (Arc::clone(&passed), Arc::clone(&turned_away));
                let key = key.clone();
                tokio::spawn(async move {
                    // One that goes away in the middle is none of the test's.
                    serve(stream, &key, &passed, &turned_away).await.ok();
                });
            }
        });
        door
    }

    fn proxy(&self, who: &str) -> Proxy {
        format!("http://{who}@{}", self.address)
            .parse()
            .expect("a proxy")
    }

    fn passed(&self, word: &str) -> usize {
        let passed = self.passed.lock().expect("not poisoned");
        passed.iter().filter(|line| line.contains(word)).count()
    }
}

async fn serve(
    mut stream: TcpStream,
    key: &str,
    passed: &Mutex<Vec<String>>,
    turned_away: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let line = text.lines().next().unwrap_or_default().to_owned();
    let known = text.lines().any(|header| {
        let told = header.split_once(": ");
        told.is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("proxy-authorization") && value == key
        })
    });
    if !known {
        turned_away.lock().expect("not poisoned").push(line);
        let no = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                  Proxy-Authenticate: Basic realm=\"door\"\r\n\
                  Content-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(no.as_bytes()).await;
    }
    passed.lock().expect("not poisoned").push(line.clone());
    let mut words = line.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    if method == "CONNECT" {
        let mut other = TcpStream::connect(target).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        tokio::io::copy_bidirectional(&mut stream, &mut other).await?;
        return Ok(());
    }
    let rest = target.trim_start_matches("http://");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut other = TcpStream::connect(host).await?;
    let headers = text.split_once("\r\n").map_or("", |(_, rest)| rest);
    let kept = headers.lines().filter(|header| {
        let name = header.split(':').next().unwrap_or_default();
        !name.to_ascii_lowercase().starts_with("proxy-") && !name.eq_ignore_ascii_case("connection")
    });
    let kept: Vec<_> = kept.filter(|header| !header.is_empty()).collect();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n",
        kept.join("\r\n")
    );
    other.write_all(request.as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut stream, &mut other).await?;
    Ok(())
}

async fn until(session: &SessionHandle, so: impl Fn(&SessionInfo) -> bool + Send) -> SessionInfo {
    session.wait_until(PATIENCE, so).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_through_its_own_proxy_and_keeps_its_login_with_another() {
    let sandbox = sandbox(|_| {}).await;
    let first = Door::open("ana", "p@ss:word").await;
    let second = Door::open("bia", "outra").await;
    let folder = tempfile::tempdir().expect("a folder");
    let driver = ChromeDriver::new(ChromeOptions {
        web_url: sandbox.url(),
        ..ChromeOptions::new(folder.path().join("chrome"))
    });
    let options = ManagerOptions::in_folder(folder.path().join("data"));
    let manager = SessionManager::open(Arc::new(driver), options)
        .await
        .expect("opens");
    let options = SessionOptions {
        proxy: Some(first.proxy("ana:p%40ss%3Aword")),
        ..SessionOptions::default()
    };
    let id = SessionId::new("a").expect("an id");
    let session = manager.create(id, options).await.expect("made").session;
    let info = until(&session, |info| {
        matches!(info.state, SessionState::AwaitingLogin { prompt: Some(_) })
    })
    .await;
    assert!(info.me.is_none());
    sandbox
        .phone(&phone(OURS))
        .scan_waiting()
        .await
        .expect("scanned");
    until(&session, SessionInfo::is_ready).await;
    let wait = Duration::from_secs(20);
    session
        .send_text(phone(THEIRS), "por fora", wait)
        .await
        .expect("sent");
    let phone_of_theirs = theirs(&sandbox);
    let arrived = phone_of_theirs.wait_for_message(|m| m.text == "por fora", PATIENCE);
    arrived.await.expect("arrived");
    assert!(first.passed("GET http://") >= 2, "the page and its parts");
    assert!(first.passed("CONNECT") >= 1, "and its socket");
    let told = first.turned_away.lock().expect("not poisoned").len();
    let passed = first.passed("");
    assert!(
        told * 2 < passed,
        "it is not asked for everything who comes: {told} of {passed}"
    );
    assert_eq!(second.passed(""), 0);

    session
        .set_proxy(Some(second.proxy("bia:outra")))
        .await
        .expect("chosen");
    let info = until(&session, SessionInfo::is_ready).await;
    assert!(info.linked, "the same login");
    assert!(second.passed("GET http://") >= 1 && second.passed("CONNECT") >= 1);
    session
        .send_text(phone(THEIRS), "por outra", wait)
        .await
        .expect("sent");

    // What the proxy does not take is said, and mended without a new login too.
    session
        .set_proxy(Some(second.proxy("bia:falsa")))
        .await
        .expect("chosen");
    let refused = until(&session, |info| {
        let reason = info.reason.as_ref();
        reason.is_some_and(|why| why.detail.contains("proxy refused"))
    })
    .await;
    assert_eq!(
        refused.reason.map(|why| why.code),
        Some(ReasonCode::PageUnreachable)
    );
    session.set_proxy(None).await.expect("chosen");
    until(&session, SessionInfo::is_ready).await;
    manager.shutdown().await;
}
