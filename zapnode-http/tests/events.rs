//! What happened, as pages, as server-sent events and over a WebSocket.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use support::{Api, BRUNO, id, phone};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tower::ServiceExt;
use zapnode_http::{Secret, Server, ServerOptions};

const KEY: &str = "a-long-enough-secret";
/// Somebody who is never ignored.
const ANOTHER: &str = "5511900000009";
/// For whatever should take far less.
const PATIENCE: Duration = Duration::from_secs(30);

async fn serve(api: &Api) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::new(api.app.clone(), ServerOptions::default());
    let running = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    (address, stop, running)
}

/// A stream of server-sent events, read line by line as it comes over the socket.
struct Feed {
    lines: Lines<BufReader<TcpStream>>,
}

impl Feed {
    async fn open(address: SocketAddr, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut feed = Self {
            lines: BufReader::new(stream).lines(),
        };
        assert_eq!(feed.line().await.unwrap(), "HTTP/1.1 200 OK");
        feed
    }

    async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line());
        line.await.expect("something comes").unwrap()
    }

    /// The next event: its name, its id, and what it says.
    async fn next(&mut self) -> Option<(String, Option<i64>, Value)> {
        let (mut name, mut sequence) = (String::new(), None);
        loop {
            let line = self.line().await?;
            if let Some(text) = line.strip_prefix("event: ") {
                name = text.to_owned();
            } else if let Some(text) = line.strip_prefix("id: ") {
                sequence = text.parse().ok();
            } else if let Some(text) = line.strip_prefix("data: ") {
                return Some((name, sequence, serde_json::from_str(text).unwrap()));
            }
        }
    }
}

#[tokio::test]
async fn pages_go_on_where_the_last_ended_and_wait_for_news() {
    let api = Api::new().await;
    api.ready("a").await;
    api.driver.write(&id("a"), &phone(BRUNO), "oi").await;
    let page = api.get("/events?events=message&timeoutMs=20000").await;
    let page = page.expect(200);
    assert_eq!(page["success"], true);
    let event = &page["events"][0];
    assert!(event["id"].as_str().unwrap().starts_with("evt_"), "{event}");
    assert_eq!(event["event"], "message");
    assert_eq!(event["session"], "a");
    assert_eq!(event["payload"]["body"], "oi");
    assert_eq!(event["payload"]["from"], format!("{BRUNO}@c.us"));
    assert!(event["timestamp"].as_i64() > Some(1_700_000_000_000));
    assert_eq!(event["me"]["id"], "244929782402@c.us");

    let next = page["next"].as_i64().unwrap();
    let path = format!("/sessions/a/events?events=message&after={next}&timeoutMs=20000");
    let (page, _) = tokio::join!(api.get(&path), async {
        api.driver.write(&id("a"), &phone(BRUNO), "tudo bem?").await
    });
    let page = page.expect(200);
    assert_eq!(page["events"].as_array().unwrap().len(), 1);
    assert_eq!(page["events"][0]["payload"]["body"], "tudo bem?");

    let latest = api.get("/events?after=latest").await.expect(200);
    assert_eq!(latest["events"], json!([]));
    assert_eq!(latest["next"], latest["latest"]);
    let of_chat = api.get(&format!("/events?chat=%2B{BRUNO}&limit=1")).await;
    let of_chat = of_chat.expect(200);
    assert_eq!(of_chat["events"][0]["event"], "message");
    assert!(of_chat["next"].as_i64() < of_chat["latest"].as_i64());
    // The API is going away: nobody is kept waiting.
    let path = format!("/events?after={}&timeoutMs=60000", latest["latest"]);
    let (page, ()) = tokio::join!(api.get(&path), async { api.app.begin_shutdown() });
    assert_eq!(page.expect(200)["events"], json!([]));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let api = Api::with(|app| app.api_key = Some(Secret::new(KEY)), |_| {}).await;
    let get = async |path: &str| {
        let headers = [("x-api-key", KEY)];
        let answer = api.send(axum::http::Method::GET, path, &headers, "").await;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        (answer.error(), text)
    };
    for (path, says) in [
        ("/events?events=message,mesage", "group.v2.join"),
        ("/events?after=evt_1", "sequence"),
        ("/events?after=-1", "sequence"),
        ("/events?limit=0", "1 to 1000"),
        ("/events?timeoutMs=60001", "0 to 60000"),
        ("/events?chat=x", "chat id"),
    ] {
        let (error, text) = get(path).await;
        assert_eq!(error, (400, "invalid_request".to_owned()), "{path}");
        assert!(text.contains(says), "{path}: {text}");
    }
    let (error, _) = get("/sessions/nobody/events").await;
    assert_eq!(error, (404, "session_not_found".to_owned()));
    let (error, _) = get("/ws").await;
    assert_eq!(error, (426, "upgrade_required".to_owned()));
    for path in [
        "/events",
        "/ws?x-api-key=wrong",
        "/sessions?x-api-key=a-long-enough-secret",
    ] {
        assert_eq!(api.get(path).await.error().0, 401, "{path}");
    }
    let path = format!("/events?x-api-key={KEY}");
    api.get(&path).await.expect(200);
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_and_ends_with_a_word() {
    let api = Api::new().await;
    api.ready("a").await;
    let (address, stop, running) = serve(&api).await;
    let mut live = Feed::open(address, "/events?events=message", "").await;
    for text in ["1", "2"] {
        api.driver.write(&id("a"), &phone(BRUNO), text).await;
    }
    let (name, first, event) = live.next().await.unwrap();
    assert_eq!(
        (name.as_str(), &event["payload"]["body"]),
        ("message", &json!("1"))
    );
    assert_eq!(first, event["sequence"].as_i64(), "the id is the sequence");
    let (_, _, second) = live.next().await.unwrap();
    assert_eq!(second["payload"]["body"], "2");

    for last in [
        first.unwrap().to_string(),
        event["id"].as_str().unwrap().to_owned(),
    ] {
        let header = format!("Last-Event-ID: {last}\r\n");
        // The header says where it was, whatever the address said when it began.
        let path = "/sessions/a/events?events=message&after=0";
        let mut resumed = Feed::open(address, path, &header).await;
        let (_, _, event) = resumed.next().await.unwrap();
        assert_eq!(event, second);
    }
    stop.send(()).unwrap();
    let (name, _, why) = live.next().await.unwrap();
    assert_eq!(
        (name.as_str(), why),
        ("cut", json!({"reason": "shutting_down"}))
    );
    tokio::time::timeout(PATIENCE, running)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stands_still_is_cut_and_a_silent_line_says_it_is_there() {
    let api = Api::new().await;
    api.post("/sessions", json!({"sessionId": "a"})).await;
    api.until_qr("a").await;
    let request = Request::get("/events?after=0&events=session.status")
        .header("accept", "text/event-stream")
        .body(Body::empty());
    let answer = api.app.router().oneshot(request.unwrap()).await.unwrap();
    let mut body = answer.into_body();
    let mut piece = async || {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    };
    assert_eq!(piece().await.unwrap(), "retry: 2000\n\n");
    while !piece().await.unwrap().starts_with(':') {}
    let before = tokio::time::Instant::now();
    assert_eq!(piece().await.unwrap(), ": still here\n\n");
    assert_eq!(before.elapsed(), Duration::from_secs(15));
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(
        piece().await.unwrap(),
        "event: cut\ndata: {\"reason\":\"too_slow\"}\n\n"
    );
    assert_eq!(piece().await, None);
}

type Socket = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<TcpStream>>;

async fn socket(address: SocketAddr, path: &str, origin: Option<&str>) -> Result<Socket, WsError> {
    let mut request = format!("ws://{address}{path}")
        .into_client_request()
        .unwrap();
    if let Some(origin) = origin {
        let headers = request.headers_mut();
        headers.insert("origin", origin.parse().unwrap());
    }
    let connected = tokio_tungstenite::connect_async(request).await;
    connected.map(|(socket, _)| socket)
}

async fn frame(socket: &mut Socket) -> Message {
    loop {
        let frame = tokio::time::timeout(PATIENCE, socket.next());
        match frame.await.expect("something comes").unwrap().unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            frame => return frame,
        }
    }
}

#[tokio::test]
async fn a_web_socket_carries_one_envelope_a_frame() {
    let api = Api::with(|app| app.max_streams = 2, |_| {}).await;
    api.ready("a").await;
    let (address, stop, running) = serve(&api).await;
    let mut alias = socket(address, "/ws?session=*&events=message", None)
        .await
        .unwrap();
    api.driver.write(&id("a"), &phone(BRUNO), "oi").await;
    let event: Value = serde_json::from_str(frame(&mut alias).await.to_text().unwrap()).unwrap();
    assert_eq!(event["payload"]["body"], "oi");
    let after = event["sequence"].as_i64().unwrap() - 1;
    let path = format!("/sessions/a/events?events=message&after={after}");
    let origin = format!("http://{address}");
    let mut again = socket(address, &path, Some(&origin)).await.unwrap();
    let same: Value = serde_json::from_str(frame(&mut again).await.to_text().unwrap()).unwrap();
    assert_eq!(same, event);

    // What a client says is not listened to, but it may.
    again.send(Message::text("hello")).await.unwrap();
    let refused = async |path: &str, origin: Option<&str>| match socket(address, path, origin).await
    {
        Err(WsError::Http(answer)) => answer.status().as_u16(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused("/ws", None).await, 503, "two are allowed");
    again.close(None).await.unwrap();
    while again.next().await.is_some() {}
    // Its place is free once its end was noticed.
    let stranger = Some("https://evil.example");
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            match refused("/ws", stranger).await {
                503 => tokio::task::yield_now().await,
                status => return status,
            }
        }
    });
    assert_eq!(
        told.await.unwrap(),
        403,
        "a page of another site gets nothing"
    );

    stop.send(()).unwrap();
    let Message::Close(Some(close)) = frame(&mut alias).await else {
        panic!("it ends with a word");
    };
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (1001, "shutting_down")
    );
    tokio::time::timeout(PATIENCE, running)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_session_says_what_it_ignores_and_wrong_wishes_change_nothing() {
    let api = Api::new().await;
    let wish = json!({"groups": true, "chats": ["+55 11 91234-5678", "1203@g.us"]});
    let body = json!({"sessionId": "a", "ignore": wish});
    let created = api.post("/sessions", body.clone()).await.expect(201);
    let expected = json!({"groups": true, "chats": ["1203@g.us", "5511912345678@c.us"]});
    assert_eq!(created["session"]["options"]["ignore"], expected);
    api.post("/sessions", body).await.expect(200);
    for wrong in [
        json!({"groups": "yes"}),
        json!({"chats": "1203@g.us"}),
        json!({"chats": [7]}),
        json!({"grups": true}),
        json!([]),
    ] {
        let body = json!({"sessionId": "b", "ignore": wrong});
        let (status, code) = api.post("/sessions", body).await.error();
        assert_eq!((status, code.as_str()), (400, "invalid_request"), "{wrong}");
    }
    assert_eq!(api.get("/sessions").await.expect(200)["count"], 1);
}

#[tokio::test]
async fn what_a_session_ignores_can_be_changed_while_it_runs() {
    let api = Api::new().await;
    api.ready("a").await;
    let patch = async |ignore: Value| api.patch("/sessions/a", json!({ "ignore": ignore })).await;
    // Each comes after what was written before it.
    let heard = async |text: &str| {
        let ana = phone(ANOTHER);
        api.driver.write(&id("a"), &phone(BRUNO), text).await;
        api.driver
            .write(&id("a"), &ana, &format!("marker {text}"))
            .await;
        let page = "/events?events=message&timeoutMs=20000&after=";
        let mut after = 0;
        let mut texts = vec![];
        loop {
            let found = api.get(&format!("{page}{after}")).await.expect(200);
            for event in found["events"].as_array().unwrap() {
                let body = event["payload"]["body"].as_str().unwrap().to_owned();
                if body == format!("marker {text}") {
                    return texts.contains(&text.to_owned());
                }
                texts.push(body);
            }
            assert_ne!(found["events"], json!([]), "the marker did not come");
            after = found["next"].as_i64().unwrap();
        }
    };
    assert!(heard("1").await);
    let changed = patch(json!({"chats": [BRUNO]})).await.expect(200);
    let expected = json!({"chats": [format!("{BRUNO}@c.us")]});
    assert_eq!(changed["session"]["options"]["ignore"], expected);
    assert!(!heard("2").await);
    for wrong in [json!({"chats": "x"}), json!({"group": true}), json!(7)] {
        let (status, code) = patch(wrong.clone()).await.error();
        assert_eq!((status, code.as_str()), (400, "invalid_request"), "{wrong}");
    }
    let now = api.get("/sessions/a").await.expect(200);
    assert_eq!(now["session"]["options"]["ignore"], expected);
    assert!(!heard("3").await, "a wrong wish changes nothing");
    // As its manager has it: nothing of the kind.
    patch(Value::Null).await.expect(200);
    assert!(heard("4").await);
    assert!(!heard_before(&api, "2").await, "what was ignored stays so");
}

/// Whether a text is in the log.
async fn heard_before(api: &Api, text: &str) -> bool {
    let page = api
        .get("/events?events=message&limit=1000")
        .await
        .expect(200);
    let mut events = page["events"].as_array().unwrap().iter();
    events.any(|event| event["payload"]["body"] == text)
}
