//! Tests over the control interface and through the phones, with a stand-in for the page that
//! speaks its frames.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::*;
use crate::id::{PhoneNumber, WireId};

mod happenings;

mod holds;

mod media;

const SOON: Duration = Duration::from_secs(5);

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::new(text).expect("a number")
}

fn port(sandbox: &Sandbox) -> u16 {
    let url = sandbox.url();
    let port = url.trim_end_matches('/').rsplit(':').next();
    port.and_then(|port| port.parse().ok()).expect("a port")
}

/// One HTTP request, by hand: status and JSON.
async fn ask(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port(sandbox)))
        .await
        .expect("a connection");
    let request = format!(
        "{method} /_sandbox/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let json = serde_json::from_str(body).unwrap_or(Value::Null);
    (status.expect("a status"), json)
}

async fn post(sandbox: &Sandbox, path: &str, body: Value) -> (u16, Value) {
    ask(sandbox, "POST", path, &body.to_string()).await
}

/// A page, as the server sees one.
struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Page {
    async fn open(sandbox: &Sandbox) -> Self {
        let url = format!("ws://127.0.0.1:{}/ws/chat", port(sandbox));
        let (socket, _) = tokio_tungstenite::connect_async(url)
            .await
            .expect("a socket");
        Self { socket }
    }

    async fn tell(&mut self, frame: Value) {
        let text = Message::text(frame.to_string());
        self.socket.send(text).await.expect("sent");
    }

    /// Waits for a frame of this kind, past all others.
    async fn hear(&mut self, kind: &str) -> Value {
        let wait = async {
            loop {
                let message = self.socket.next().await.expect("open").expect("a frame");
                let Message::Text(text) = message else {
                    continue;
                };
                let frame: Value = serde_json::from_str(&text).expect("JSON");
                if frame["t"] == kind {
                    return frame;
                }
            }
        };
        let heard = tokio::time::timeout(SOON, wait).await;
        heard.unwrap_or_else(|_| panic!("no {kind} came"))
    }

    async fn show_qr(&mut self) -> String {
        let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
        self.tell(json!({"t": "pair", "noise": key, "identity": key, "adv": key, "name": "T"}))
            .await;
        let frame = self.hear("ref").await;
        format!(
            "{},{key},{key},{key},1",
            frame["r"].as_str().expect("a ref")
        )
    }

    /// Shows a QR, has it scanned, and comes back as the device.
    async fn linked(sandbox: &Sandbox, phone: &Phone) -> (Self, Value) {
        let mut page = Self::open(sandbox).await;
        let qr = page.show_qr().await;
        phone.scan(&qr).await.expect("a scan");
        let paired = page.hear("paired").await;
        let login = json!({"t": "login", "device": paired["device"], "secret": paired["secret"]});
        let page = Self::back(sandbox, &login).await;
        (page, login)
    }

    async fn back(sandbox: &Sandbox, login: &Value) -> Self {
        let mut page = Self::open(sandbox).await;
        page.tell(login.clone()).await;
        page.hear("loggedIn").await;
        page
    }

    async fn send(&mut self, id: &str, from: &str, to: &str, body: &str) {
        self.tell(json!({
            "t": "send", "id": id, "from": from, "to": to, "body": body, "kind": "chat",
            "quoted": null,
        }))
        .await;
    }
}

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxOptions::default())
        .await
        .expect("a sandbox")
}

const ANA: &str = "244929782402";
const BRUNO: &str = "5511912345678";

#[tokio::test]
async fn sandbox_scan_takes_the_qr_that_is_shown_and_no_other() {
    let sandbox = sandbox().await;
    let (status, answer) = post(&sandbox, "phones/244929782402/scan", json!({})).await;
    assert_eq!((status, &answer["code"]), (404, &json!("no_qr")));
    let (status, answer) = post(&sandbox, "phones/244929782402/scan", json!({"qr": "x"})).await;
    assert_eq!((status, &answer["code"]), (400, &json!("malformed_qr")));

    let mut one = Page::open(&sandbox).await;
    let mut two = Page::open(&sandbox).await;
    let (first, _second) = (one.show_qr().await, two.show_qr().await);
    let (status, answer) = post(&sandbox, "phones/244929782402/scan", json!({})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("several_qrs")));
    assert_eq!(answer["waiting"].as_array().map(Vec::len), Some(2));

    let ana = sandbox.phone(&number(ANA));
    let wrong = first.replace(",AQEB", ",AgEB");
    assert!(matches!(ana.scan(&wrong).await, Err(PhoneError::WrongKeys)));
    one.tell(json!({"t": "refresh", "adv": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}))
        .await;
    one.hear("ref").await;
    assert!(matches!(ana.scan(&first).await, Err(PhoneError::ExpiredQr)));
    let nobodys = first.replacen("2@", "2@X", 1);
    assert!(matches!(
        ana.scan(&nobodys).await,
        Err(PhoneError::UnknownQr)
    ));
    drop(one);
    let (status, _) = loop {
        // The server hears of the closed page a moment later.
        let answer = post(&sandbox, "phones/244929782402/scan", json!({})).await;
        if answer.0 != 409 {
            break answer;
        }
    };
    assert_eq!(status, 200);
    two.hear("paired").await;
    assert_eq!(ana.linked_devices(), 1);
}

#[tokio::test]
async fn sandbox_references_rotate_and_run_out() {
    let options = SandboxOptions {
        faults: Faults {
            ref_delay_ms: 0,
            first_ref_ms: 5,
            next_ref_ms: 5,
            ref_count: 3,
            ..Faults::default()
        },
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let mut page = Page::open(&sandbox).await;
    let first = page.show_qr().await;
    for _ in 0..2 {
        let next = page.hear("ref").await;
        assert!(!first.starts_with(next["r"].as_str().expect("a ref")));
    }
    page.hear("idle").await;
    page.tell(json!({"t": "refresh", "adv": "x"})).await;
    page.hear("ref").await;
}

#[tokio::test]
async fn sandbox_pairing_code_links_its_own_number_only() {
    let sandbox = sandbox().await;
    let mut page = Page::open(&sandbox).await;
    page.show_qr().await;
    page.tell(json!({"t": "pairCode", "req": 7, "phone": ANA}))
        .await;
    let frame = page.hear("pairCode").await;
    let code = frame["code"].as_str().expect("a code").to_lowercase();
    let typed = format!("{}-{}", &code[..4], &code[4..]);
    let bruno = sandbox.phone(&number(BRUNO));
    assert!(matches!(
        bruno.enter_code(&typed).await,
        Err(PhoneError::UnknownCode)
    ));
    let body = json!({"code": typed});
    assert_eq!(
        post(&sandbox, "phones/244929782402/code", body).await.0,
        200
    );
    page.hear("paired").await;
}

#[tokio::test]
async fn sandbox_acks_go_one_two_three() {
    let sandbox = sandbox().await;
    let (ana, bruno) = (sandbox.phone(&number(ANA)), sandbox.phone(&number(BRUNO)));
    let (mut page, _) = Page::linked(&sandbox, &ana).await;
    bruno.set_online(false).await;
    page.send(
        "3EB0AAAAAAAA",
        "244929782402@c.us",
        "5511912345678@c.us",
        "olá",
    )
    .await;
    let ack = page.hear("stored").await;
    assert_eq!((&ack["k"], &ack["ack"]), (&json!("ack"), &json!(1)));
    bruno.set_online(true).await;
    assert_eq!(page.hear("stored").await["ack"], 2);
    bruno.read(&number(ANA)).await;
    assert_eq!(page.hear("stored").await["ack"], 3);

    let kept = bruno
        .wait_for_message(|message| message.text == "olá", SOON)
        .await
        .expect("the message");
    assert_eq!((kept.deliveries, kept.unknown_sender), (1, false));
    // The same id again: kept once, acknowledged again, and counted.
    page.send(
        "3EB0AAAAAAAA",
        "244929782402@c.us",
        "5511912345678@c.us",
        "olá",
    )
    .await;
    assert_eq!(page.hear("stored").await["ack"], 3);
    assert_eq!(bruno.messages().len(), 1);
    assert_eq!(bruno.messages()[0].deliveries, 2);
}

#[tokio::test]
async fn sandbox_lid_chats_want_a_lid_sender() {
    let sandbox = sandbox().await;
    let ana = sandbox.phone(&number(ANA));
    let carla = sandbox.phone(&number("5511912345679"));
    let (mut page, _) = Page::linked(&sandbox, &ana).await;
    page.tell(json!({"t": "exists", "req": 1, "wid": "5511912345679@c.us"}))
        .await;
    let found = page.hear("exists").await["found"].clone();
    let lid = found["lid"].as_str().expect("a lid");
    page.tell(json!({"t": "exists", "req": 2, "wid": "0001234567@c.us"}))
        .await;
    assert_eq!(page.hear("exists").await["found"], Value::Null);
    page.send("3EB0AAAAAAA1", "244929782402@c.us", lid, "wrong")
        .await;
    let message = carla
        .wait_for_message(|message| message.text == "wrong", SOON)
        .await
        .expect("the message");
    assert!(message.unknown_sender);
    // Her answer is addressed as this build addresses her.
    carla.send(&number(ANA), "oi").await.expect("sent");
    let frame = loop {
        let frame = page.hear("stored").await;
        if frame["k"] == "msg" {
            break frame;
        }
    };
    assert_eq!(frame["msg"]["chat"], lid);
}

#[tokio::test]
async fn sandbox_messages_wait_for_a_page_that_is_away() {
    let sandbox = sandbox().await;
    let (ana, bruno) = (sandbox.phone(&number(ANA)), sandbox.phone(&number(BRUNO)));
    let (page, login) = Page::linked(&sandbox, &ana).await;
    drop(page);
    ana.set_online(false).await;
    for text in ["um", "dois"] {
        bruno.send(&number(ANA), text).await.expect("sent");
    }
    let mut page = Page::back(&sandbox, &login).await;
    let first = page.hear("stored").await;
    assert_eq!(first["msg"]["body"], "um");
    let second = page.hear("stored").await;
    page.hear("offlineEnd").await;
    // Not confirmed: they come again, and Bruno has one tick.
    assert!(bruno.messages().iter().all(|message| message.ack == 1));
    let mut page = Page::back(&sandbox, &login).await;
    assert_eq!(page.hear("stored").await["msg"]["body"], "um");
    page.tell(json!({"t": "got", "n": second["n"]})).await;
    bruno
        .wait_for_message(|message| message.text == "dois" && message.ack == 2, SOON)
        .await
        .expect("two ticks by the page's confirmation");
}

#[tokio::test]
async fn sandbox_a_second_page_takes_the_first_ones_place() {
    let sandbox = sandbox().await;
    let ana = sandbox.phone(&number(ANA));
    let (mut first, login) = Page::linked(&sandbox, &ana).await;
    let mut second = Page::back(&sandbox, &login).await;
    first.hear("conflict").await;
    ana.log_out().await;
    assert_eq!(second.hear("loggedOut").await["reason"], "user_initiated");
    let mut third = Page::open(&sandbox).await;
    third.tell(login).await;
    assert_eq!(third.hear("loggedOut").await["reason"], "unknown_companion");
}

#[tokio::test]
async fn sandbox_history_comes_once_after_linking() {
    let sandbox = sandbox().await;
    let (ana, bruno) = (sandbox.phone(&number(ANA)), sandbox.phone(&number(BRUNO)));
    bruno.send(&number(ANA), "before").await.expect("sent");
    let (mut page, login) = Page::linked(&sandbox, &ana).await;
    let frame = page.hear("stored").await;
    assert_eq!(frame["k"], "history");
    assert_eq!(frame["msgs"][0]["body"], "before");
    page.tell(json!({"t": "got", "n": frame["n"]})).await;
    // A question behind it: answered, the confirmation was taken.
    page.tell(json!({"t": "exists", "req": 1, "wid": "5511912345678@c.us"}))
        .await;
    page.hear("exists").await;
    let mut page = Page::open(&sandbox).await;
    page.tell(login).await;
    assert_eq!(page.hear("loggedIn").await["backlog"], 0);
}

#[tokio::test]
async fn sandbox_state_survives_and_keeps_its_port() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = SandboxOptions {
        https_port: Some(0),
        state_file: Some(folder.path().join("deep").join("state.json")),
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start(options.clone()).await.expect("a sandbox");
    let (url, https) = (sandbox.url(), sandbox.https_url());
    let ana = sandbox.phone(&number(ANA));
    let (_page, login) = Page::linked(&sandbox, &ana).await;
    // On disk already, without any farewell.
    let text = std::fs::read_to_string(folder.path().join("deep/state.json")).expect("a file");
    assert!(text.contains(login["device"].as_str().expect("a device")));
    ana.send(&number(BRUNO), "kept").await.expect("sent");
    sandbox.shutdown().await;

    let sandbox = Sandbox::start(options.clone()).await.expect("again");
    assert_eq!((sandbox.url(), sandbox.https_url()), (url, https));
    assert_eq!(sandbox.phone(&number(BRUNO)).messages()[0].text, "kept");
    Page::back(&sandbox, &login).await;
    let taken = Sandbox::start(options).await;
    assert!(
        matches!(taken, Err(SandboxError::FormerPort { .. })),
        "{taken:?}"
    );
}

#[tokio::test]
async fn sandbox_a_broken_state_file_is_an_error() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "{").expect("written");
    let options = SandboxOptions {
        state_file: Some(file.path().to_owned()),
        ..SandboxOptions::default()
    };
    let started = Sandbox::start(options).await;
    assert!(matches!(started, Err(SandboxError::StateFile { .. })));
}

#[tokio::test]
async fn sandbox_control_says_what_is_wrong() {
    let sandbox = sandbox().await;
    let invalid = [
        ("phones/12/online", json!({}), 400, "invalid_phone_number"),
        ("phones/244929782402/fly", json!({}), 404, "not_found"),
        (
            "phones/244929782402/code",
            json!({}),
            400,
            "invalid_request",
        ),
        (
            "phones/244929782402/deliver",
            json!({"text": "x"}),
            400,
            "invalid_request",
        ),
        (
            "phones/0001234567/deliver",
            json!({"to": ANA, "text": "x"}),
            422,
            "number_not_on_whatsapp",
        ),
        ("faults", json!({"what": 1}), 400, "invalid_faults"),
        ("nothing/here", json!({}), 404, "not_found"),
    ];
    for (path, body, status, code) in invalid {
        let (found, answer) = post(&sandbox, path, body).await;
        assert_eq!((found, &answer["code"]), (status, &json!(code)), "{path}");
        assert_eq!(answer["success"], false, "{path}");
        assert!(answer["error"].is_string(), "{path}");
    }
    let (status, _) = ask(&sandbox, "DELETE", "faults", "").await;
    assert_eq!(status, 405);
}

#[tokio::test]
async fn sandbox_control_delivers_both_ways_and_turns_switches() {
    let sandbox = sandbox().await;
    let to = json!({"to": BRUNO, "text": "um"});
    let (_, sent) = post(&sandbox, "phones/244929782402/deliver", to).await;
    let from = json!({"from": BRUNO, "text": "dois"});
    post(&sandbox, "phones/244929782402/deliver", from).await;
    let (_, answer) = ask(&sandbox, "GET", "phones/+244929782402/messages", "").await;
    assert_eq!(answer["messages"][0]["id"], sent["id"]);
    assert_eq!(answer["messages"][0]["fromMe"], true);
    assert_eq!(answer["messages"][1]["text"], "dois");
    let (_, answer) = ask(&sandbox, "GET", "phones", "").await;
    assert_eq!(answer["phones"][0]["name"], "Ana (sandbox)");

    let (_, faults) = post(&sandbox, "faults", json!({"passkey": true})).await;
    assert_eq!(faults["passkey"], true);
    assert!(sandbox.faults().passkey);
    let (_, state) = ask(&sandbox, "GET", "state", "").await;
    assert_eq!(state["faults"]["passkey"], true);
    post(&sandbox, "faults", json!({"reset": true})).await;
    assert_eq!(sandbox.faults(), Faults::default());
}
