//! What the Chrome driver's tests share: a driver in folders of its own, and waiting for events.

#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use zapnode_core::driver::chrome::{ChromeDriver, ChromeOptions};
use zapnode_core::driver::{
    Connection, Driver, DriverClosed, DriverError, DriverEvent, LinkState, LoginPrompt,
    OpenRequest, Opened, StoredLogin,
};
use zapnode_core::message::{Ack, IncomingMessage, OutgoingText, Recipient};
use zapnode_core::options::SessionOptions;
use zapnode_core::{ChatId, PhoneNumber, SessionId, WireId};

/// Generous, because other work shares the machine; nothing waits this long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A driver with its folders; all is removed at the end.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) driver: ChromeDriver,
}

impl Bench {
    pub(crate) fn new(url: &str) -> Self {
        Self::with(url, |_| {})
    }

    pub(crate) fn with(url: &str, change: impl FnOnce(&mut ChromeOptions)) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_test_writer()
            .try_init();
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = ChromeOptions::new(folder.path().join("work"));
        options.web_url = url.to_owned();
        change(&mut options);
        let driver = ChromeDriver::new(options);
        Self { folder, driver }
    }

    pub(crate) fn login(&self, name: &str) -> StoredLogin {
        let session = SessionId::new(name).expect("a name");
        let folder = self
            .folder
            .path()
            .join("auth")
            .join(session.profile_folder());
        StoredLogin { session, folder }
    }

    pub(crate) fn request(&self, name: &str) -> OpenRequest {
        OpenRequest {
            login: self.login(name),
            options: SessionOptions::default(),
        }
    }

    pub(crate) async fn try_open(&self, name: &str) -> Result<Opened, DriverError> {
        self.driver.open(self.request(name)).await
    }

    /// Forgets a login, and sees that nothing of it is left.
    pub(crate) async fn driver_forgets(&self, name: &str) {
        let login = self.login(name);
        self.driver.forget(&login).await.expect("forgotten");
        assert!(!login.folder.exists());
    }

    pub(crate) async fn open(&self, name: &str) -> Session {
        let opened = self.try_open(name).await.expect("a browser that comes up");
        Session::new(opened)
    }
}

/// An open session and what it told.
pub(crate) struct Session {
    pub(crate) connection: Arc<dyn Connection>,
    pub(crate) events: mpsc::Receiver<DriverEvent>,
}

impl Session {
    /// Reloads the page, so that it has the sandbox's present faults, and waits until it is ready.
    pub(crate) async fn reload(&mut self) {
        self.connection.reload().await.expect("reloaded");
        self.wait("a reload", |event| {
            (event == &DriverEvent::Reloaded).then_some(())
        })
        .await;
        self.wait_ready().await;
    }

    pub(crate) fn new(Opened { connection, events }: Opened) -> Self {
        Self { connection, events }
    }

    /// The next event.
    pub(crate) async fn next(&mut self) -> DriverEvent {
        tokio::time::timeout(PATIENCE, self.events.recv())
            .await
            .expect("an event in time")
            .expect("the stream goes on")
    }

    /// The first event for which `wanted` gives something; earlier ones are passed over.
    pub(crate) async fn wait<T>(
        &mut self,
        what: &str,
        wanted: impl Fn(&DriverEvent) -> Option<T>,
    ) -> T {
        let mut passed = Vec::new();
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the stream goes on");
                if let Some(found) = wanted(&event) {
                    return found;
                }
                passed.push(event);
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found,
            Err(_) => {
                let evidence = self.connection.evidence().await;
                panic!("waited for {what}; passed {passed:#?}; the page: {evidence:#?}")
            }
        }
    }

    pub(crate) async fn wait_link(&mut self, wanted: LinkState) {
        self.wait(&format!("{wanted:?}"), |event| {
            (event == &DriverEvent::Link(wanted.clone())).then_some(())
        })
        .await;
    }

    pub(crate) async fn wait_ready(&mut self) {
        self.wait("ready", |event| {
            matches!(event, DriverEvent::Link(LinkState::Ready(_))).then_some(())
        })
        .await;
    }

    pub(crate) async fn wait_qr(&mut self) -> String {
        self.wait("a QR", |event| match event {
            DriverEvent::Login(LoginPrompt::Qr { text, .. }) => Some(text.clone()),
            _ => None,
        })
        .await
    }

    pub(crate) async fn wait_message(&mut self, text: &str) -> IncomingMessage {
        self.wait(&format!("the message {text:?}"), |event| match event {
            DriverEvent::Message(message) if message.text.as_deref() == Some(text) => {
                Some((**message).clone())
            }
            _ => None,
        })
        .await
    }

    /// Waits until a sent message has come at least so far.
    pub(crate) async fn wait_ack(&mut self, id: &WireId, ack: Ack) {
        self.wait(&format!("{ack:?} of {id}"), |event| match event {
            DriverEvent::Ack(change) if change.id.wire_id() == *id && change.ack >= ack => Some(()),
            _ => None,
        })
        .await;
    }

    pub(crate) async fn wait_closed(&mut self) -> DriverClosed {
        let closed = self
            .wait("the end", |event| match event {
                DriverEvent::Closed(closed) => Some(closed.clone()),
                _ => None,
            })
            .await;
        let after = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        assert_eq!(after, Ok(None), "nothing follows the end");
        closed
    }

    /// The chat of a number.
    pub(crate) async fn chat_of(&self, phone: &PhoneNumber) -> ChatId {
        let recipient = Recipient::from(phone.clone());
        let contact = self.connection.find_contact(&recipient).await;
        contact.expect("an answer").expect("on WhatsApp").chat
    }

    pub(crate) async fn close(mut self) {
        self.connection.close().await.expect("closed");
        assert_eq!(self.wait_closed().await, DriverClosed::Asked);
    }
}

pub(crate) fn phone(digits: &str) -> PhoneNumber {
    PhoneNumber::new(digits).expect("a number")
}

pub(crate) fn text(chat: &ChatId, body: &str) -> OutgoingText {
    OutgoingText {
        chat: chat.clone(),
        body: body.to_owned(),
        wire_id: WireId::choose(),
        reply_to: None,
    }
}

/// A small web server: the same page for every path. Returns its address and what was asked.
pub(crate) async fn serve(page: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut request = vec![0; 16 << 10];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                log.lock().expect("not poisoned").push(text);
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close";
                let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
                stream.write_all(answer.as_bytes()).await.ok();
            });
        }
    });
    (format!("http://{address}/"), asked)
}

/// The browsers' main processes that have a profile open.
pub(crate) fn browsers_of(login: &StoredLogin) -> Vec<u32> {
    let profile = format!("--user-data-dir={}", login.folder.display());
    let mut system = sysinfo::System::new();
    let kind = sysinfo::ProcessRefreshKind::nothing().with_cmd(sysinfo::UpdateKind::Always);
    system.refresh_processes_specifics(sysinfo::ProcessesToUpdate::All, true, kind);
    system
        .processes()
        .values()
        .filter(|process| process.thread_kind().is_none())
        .filter(|process| process.status() != sysinfo::ProcessStatus::Zombie)
        .filter(|process| process.cmd().iter().any(|argument| *argument == *profile))
        .map(|process| process.pid().as_u32())
        .collect()
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait)
        .await
        .unwrap_or_else(|_| panic!("waited for {what}"));
}

/// The simulated WhatsApp, and an account on it to log in with.
#[cfg(feature = "sandbox")]
pub(crate) mod simulated {
    use zapnode_core::driver::DriverError;
    use zapnode_core::message::{OutgoingText, Recipient};
    use zapnode_core::sandbox::{Faults, Phone, Sandbox, SandboxOptions};

    use super::{Bench, PATIENCE, Session, phone};

    pub(crate) const OURS: &str = "244929000001";
    pub(crate) const THEIRS: &str = "244929000002";

    pub(crate) async fn sandbox(change: impl FnOnce(&mut Faults)) -> Sandbox {
        let mut faults = Faults::default();
        change(&mut faults);
        let options = SandboxOptions {
            faults,
            ..SandboxOptions::default()
        };
        Sandbox::start(options).await.expect("a sandbox")
    }

    pub(crate) fn ours(sandbox: &Sandbox) -> Phone {
        sandbox.phone(&phone(OURS))
    }

    pub(crate) fn theirs(sandbox: &Sandbox) -> Phone {
        sandbox.phone(&phone(THEIRS))
    }

    /// Opens a session and logs it in by QR.
    pub(crate) async fn logged_in(sandbox: &Sandbox, bench: &Bench) -> Session {
        let mut session = bench.open("a").await;
        log_in(sandbox, &mut session).await;
        session
    }

    pub(crate) async fn log_in(sandbox: &Sandbox, session: &mut Session) {
        let qr = session.wait_qr().await;
        ours(sandbox).scan(&qr).await.expect("scanned");
        session.wait_ready().await;
    }

    async fn greet(session: &Session) -> Result<OutgoingText, DriverError> {
        let them = Recipient::from(phone(THEIRS));
        let contact = session.connection.find_contact(&them).await?;
        let hello = super::text(&contact.expect("on WhatsApp").chat, "hello");
        let sent = session.connection.send_text(&hello).await?;
        assert_eq!(sent.id.wire_id(), hello.wire_id);
        Ok(hello)
    }

    /// Sends a message there and one back, to see that both ways work.
    pub(crate) async fn talk(sandbox: &Sandbox, session: &mut Session) {
        let hello = loop {
            match greet(session).await {
                // A page may sync once more at any time; what came at such a moment was not done.
                Err(DriverError::WrongMoment { .. }) => session.wait_ready().await,
                hello => break hello.expect("sent"),
            }
        };
        theirs(sandbox)
            .wait_for_message(|message| message.id == hello.wire_id, PATIENCE)
            .await
            .expect("arrived");
        session
            .wait_ack(&hello.wire_id, zapnode_core::message::Ack::Server)
            .await;
        let answer = format!("answer to {}", hello.wire_id);
        theirs(sandbox)
            .send(&phone(OURS), &answer)
            .await
            .expect("sent");
        session.wait_message(&answer).await;
    }
}
