//! The server on a real socket: limits, and an end that lets requests finish.

#![allow(clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use support::{Api, BRUNO, id};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zapnode_core::message::Ack;
use zapnode_http::{Server, ServerOptions};

async fn serve(
    api: &Api,
    options: ServerOptions,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::new(api.app.clone(), options);
    let running = tokio::spawn(server.serve(listener, async {
        let _ = stopped.await;
    }));
    (address, stop, running)
}

async fn connect(address: SocketAddr, head: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    stream
}

async fn everything(mut stream: TcpStream) -> String {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    String::from_utf8_lossy(&all).into_owned()
}

fn post(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

#[tokio::test]
async fn a_request_under_way_is_finished_before_the_server_ends() {
    let api = Api::new().await;
    api.ready("a").await;
    api.driver.hold_acks(true);
    let (address, stop, running) = serve(&api, ServerOptions::default()).await;
    let body = format!("{{\"phoneNumber\":\"{BRUNO}\",\"message\":\"x\"}}");
    let sending = connect(
        address,
        &post("/sessions/a/send", body.len()),
        body.as_bytes(),
    )
    .await;
    let idle = connect(address, "", b"").await;
    let bruno = support::phone(BRUNO);
    api.driver
        .until(|driver| !driver.delivered_to(&bruno).is_empty())
        .await;
    stop.send(()).unwrap();
    assert!(
        everything(idle).await.is_empty(),
        "an idle connection is closed"
    );
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nobody new comes in"
    );
    assert!(!running.is_finished());
    let (wire_id, _) = api.driver.delivered_to(&bruno).remove(0);
    api.driver
        .acknowledge(&id("a"), &wire_id, Ack::Server)
        .await;
    let answer = everything(sending).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    running.await.unwrap();
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let api = Api::new().await;
    let options = ServerOptions {
        drain_within: Duration::from_millis(50),
        ..ServerOptions::default()
    };
    let (address, stop, running) = serve(&api, options).await;
    // A body that never comes.
    let half = connect(address, &post("/sessions", 100), b"{").await;
    stop.send(()).unwrap();
    running.await.unwrap();
    drop(half);
}

#[tokio::test]
async fn a_large_body_gets_its_answer_all_the_same() {
    let api = Api::new().await;
    let (address, stop, running) = serve(&api, ServerOptions::default()).await;
    let body = vec![b' '; 4 << 20];
    for (path, status) in [
        ("/sessions", "413"),
        ("/nowhere", "404"),
        ("/health", "405"),
    ] {
        let answer = everything(connect(address, &post(path, body.len()), &body).await).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{path}: {answer}"
        );
        assert!(answer.contains("\"requestId\""), "{answer}");
    }
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn heads_are_limited_in_size_and_time() {
    let api = Api::new().await;
    let options = ServerOptions {
        head_within: Duration::from_millis(50),
        ..ServerOptions::default()
    };
    let (address, stop, running) = serve(&api, options).await;
    let head = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(40_000)
    );
    let answer = everything(connect(address, &head, b"").await).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let slow = connect(address, "GET / HTTP/1.1\r\n", b"").await;
    let answer = everything(slow).await;
    assert!(!answer.contains("200"), "{answer}");
    stop.send(()).unwrap();
    running.await.unwrap();
}
