//! The multi-session guide of the Node original: its clients switch without changing a line.

use anyhow::{Context, Result};
use hyper::body::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use zapnode_tests::{ANA, BRUNO, PATIENCE, Scene};

/// What the guide shows, and no more: additions are cut away, so that the rest can be compared
/// field for field.
fn only(value: &Value, fields: &[&str]) -> Value {
    fields
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), value.get(*name)?.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn is_js_date(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == 24 && text.ends_with('Z') && text.as_bytes()[19] == b'.'
}

#[tokio::test]
async fn every_request_of_the_guide() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();

    let empty = client.get("/sessions").await?.expect(200)?;
    assert_eq!(empty, json!({"success": true, "count": 0, "sessions": []}));

    // 2. Create.
    let body = json!({
        "sessionId": "customer-abc",
        "headless": true,
        "chromePath": "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe"
    });
    let created = client.post("/sessions", body).await?.expect(201)?;
    assert_eq!(
        only(&created, &["success", "message"]),
        json!({"success": true, "message": "Session created successfully"})
    );
    let session = &created["session"];
    assert_eq!(
        only(session, &["id", "isReady", "options"]),
        json!({"id": "customer-abc", "isReady": false, "options": {"headless": true}})
    );
    assert!(is_js_date(&session["createdAt"]), "{session}");
    assert!(session.get("readyAt").is_none(), "{session}");

    // 4. Status, before and after the login.
    let status = client
        .get("/sessions/customer-abc/status")
        .await?
        .expect(200)?;
    assert_eq!(
        only(&status, &["success", "sessionId", "isReady"]),
        json!({"success": true, "sessionId": "customer-abc", "isReady": false})
    );
    assert_ne!(status["status"], "ready");
    let qr = client.until_qr("customer-abc").await?;
    scene.phone(ANA)?.scan(&qr).await?;
    client.until_ready("customer-abc").await?;
    let status = client
        .get("/sessions/customer-abc/status")
        .await?
        .expect(200)?;
    assert_eq!(
        only(&status, &["success", "sessionId", "isReady", "status"]),
        json!({"success": true, "sessionId": "customer-abc", "isReady": true, "status": "ready"})
    );

    // 1. and 3. List and show.
    let list = client.get("/sessions").await?.expect(200)?;
    assert_eq!(
        only(&list, &["success", "count"]),
        json!({"success": true, "count": 1})
    );
    let shown = client.get("/sessions/customer-abc").await?.expect(200)?;
    assert_eq!(shown["success"], true);
    for session in [&list["sessions"][0], &shown["session"]] {
        assert_eq!(
            only(session, &["id", "isReady", "options"]),
            json!({"id": "customer-abc", "isReady": true, "options": {"headless": true}})
        );
        assert!(is_js_date(&session["createdAt"]) && is_js_date(&session["readyAt"]));
    }

    // 5. Send.
    let text = "Hello from customer-abc session!";
    let sent = client
        .post(
            "/sessions/customer-abc/send",
            json!({"phoneNumber": BRUNO, "message": text}),
        )
        .await?
        .expect(200)?;
    assert_eq!(
        only(&sent, &["success", "message", "sessionId", "to"]),
        json!({
            "success": true,
            "message": "Message sent successfully",
            "sessionId": "customer-abc",
            "to": BRUNO
        })
    );
    assert!(
        sent["messageId"]
            .as_str()
            .is_some_and(|id| id.starts_with("true_")),
        "{sent}"
    );
    assert!(sent["ack"].as_i64() >= Some(1), "{sent}");
    let arrived = scene.arrives(BRUNO, text).await?;
    assert_eq!((arrived.deliveries, arrived.unknown_sender), (1, false));

    // 6. Delete; the phone is unlinked, Chrome and the profile are gone.
    let deleted = client.delete("/sessions/customer-abc").await?.expect(200)?;
    assert_eq!(
        deleted,
        json!({"success": true, "message": "Session customer-abc deleted successfully"})
    );
    assert_eq!(scene.phone(ANA)?.linked_devices(), 0);
    assert!(!scene.profile("customer-abc").exists());
    assert_eq!(
        zapnode_tests::chrome::running_under(scene.folder()),
        [0u32; 0]
    );
    let gone = client.get("/sessions/customer-abc").await?;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert_eq!(
        only(&gone.json(), &["success", "error", "code"]),
        json!({"success": false, "error": "Session not found", "code": "session_not_found"})
    );
    daemon.stop().await
}

#[tokio::test]
async fn health_and_webhooks_and_the_default_session() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene
        .daemon_with(&[("START_DEFAULT_SESSION", "true")])
        .await?;
    let client = daemon.client().clone();
    let health = client.get("/health").await?.expect(200)?;
    assert_eq!(health["status"], "ok");
    assert!(is_js_date(&health["timestamp"]));
    assert_eq!(health["defaultSession"]["status"], "disconnected");
    assert_eq!(health["multiSession"]["enabled"], true);
    assert_eq!(health["multiSession"]["totalSessions"], 1);
    assert_eq!(
        health["multiSession"]["sessions"][0]["id"],
        "zapnode-session"
    );

    let chatwoot = json!({
        "message_type": "outgoing",
        "private": false,
        "conversation": {"meta": {"sender": {"phone_number": format!("+{BRUNO}")}}},
        "content": "Resposta do atendente"
    });
    // Not ready: said with the state, and when to come again.
    let early = client.post("/webhook", chatwoot.clone()).await?;
    assert_eq!(early.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(early.code(), "session_not_ready");
    assert!(early.headers.contains_key("retry-after"));

    let qr = client.until_qr("default").await?;
    scene.phone(ANA)?.scan(&qr).await?;
    client.until_ready("default").await?;
    let health = client.get("/health").await?.expect(200)?;
    assert_eq!(health["defaultSession"]["status"], "connected");

    for path in ["/webhook", "/webhook/webhook"] {
        let sent = client.post(path, chatwoot.clone()).await?.expect(200)?;
        assert_eq!(
            only(&sent, &["success", "message", "sessionId", "to"]),
            json!({
                "success": true,
                "message": "Message sent successfully",
                "sessionId": "zapnode-session",
                "to": format!("+{BRUNO}")
            }),
            "{path}"
        );
    }
    scene.arrives(BRUNO, "Resposta do atendente").await?;

    for (change, value) in [
        ("message_type", json!("incoming")),
        ("message_type", json!("template")),
        ("private", json!(true)),
    ] {
        let mut ignored = chatwoot.clone();
        ignored[change] = value;
        let answer = client.post("/webhook", ignored).await?.expect(200)?;
        assert_eq!(answer["success"], true);
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("Ignored: "), "{answer}");
    }

    // No phone number: the identifier.
    let mut by_identifier = chatwoot.clone();
    by_identifier["conversation"]["meta"]["sender"] =
        json!({"phone_number": null, "identifier": "244923000111@s.whatsapp.net"});
    by_identifier["content"] = json!("pelo identificador");
    client.post("/webhook", by_identifier).await?.expect(200)?;
    scene.arrives("244923000111", "pelo identificador").await?;

    for path in ["/webhook/test", "/webhook/webhook/test"] {
        let sent = client
            .post(
                path,
                json!({"phoneNumber": BRUNO, "message": path, "sessionId": "zapnode-session"}),
            )
            .await?
            .expect(200)?;
        assert_eq!(sent["message"], "Message sent successfully");
        scene.arrives(BRUNO, path).await?;
    }
    daemon.stop().await
}

/// The guide's complete example and its other commands, run by curl itself, on the guide's port.
#[tokio::test]
async fn the_guides_commands_run_as_they_are_written() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let base = daemon.client().base().to_owned();
    let curl = |line: &str| {
        // Only the address differs: tests run beside each other.
        let line = line.replace("http://localhost:3000", &base);
        async move {
            let output = tokio::process::Command::new("sh")
                .args(["-c", &format!("{line} -sS --max-time 60")])
                .output()
                .await?;
            let body = String::from_utf8_lossy(&output.stdout).into_owned();
            serde_json::from_str::<Value>(&body).with_context(|| {
                let complaint = String::from_utf8_lossy(&output.stderr);
                format!("{line}\n{body}\n{complaint}")
            })
        }
    };
    assert_eq!(
        curl("curl http://localhost:3000/health").await?["status"],
        "ok"
    );
    let create = |id: &str, headless: bool| {
        format!(
            "curl -X POST http://localhost:3000/sessions \
             -H \"Content-Type: application/json\" \
             -d '{{\"sessionId\":\"{id}\",\"headless\":{headless}}}'"
        )
    };
    assert_eq!(curl(&create("my-session", true)).await?["success"], true);
    let qr = daemon.client().until_qr("my-session").await?;
    scene.phone(ANA)?.scan(&qr).await?;
    daemon.client().until_ready("my-session").await?;
    let status = curl("curl http://localhost:3000/sessions/my-session/status").await?;
    assert_eq!(status["status"], "ready");
    let sent = curl(
        "curl -X POST http://localhost:3000/sessions/my-session/send \
         -H \"Content-Type: application/json\" \
         -d '{\"phoneNumber\":\"244929782402\",\"message\":\"Hello!\"}'",
    )
    .await?;
    assert_eq!(sent["message"], "Message sent successfully", "{sent}");
    assert_eq!(
        curl("curl http://localhost:3000/sessions").await?["count"],
        1
    );
    let deleted = curl("curl -X DELETE http://localhost:3000/sessions/my-session").await?;
    assert_eq!(deleted["success"], true);

    // The use cases further up in the guide.
    for id in ["cliente-a", "cliente-b", "production"] {
        assert_eq!(curl(&create(id, true)).await?["session"]["id"], id);
    }
    let windowed = curl(&create("testing", false)).await?;
    assert_eq!(
        windowed["code"], "no_display",
        "no display here: {windowed}"
    );
    let deleted = curl("curl -X DELETE http://localhost:3000/sessions/old-session").await?;
    assert_eq!(deleted["error"], "Session not found");
    daemon.stop().await
}

#[tokio::test]
async fn creating_again_is_what_clients_of_the_original_do_at_each_boot() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client();
    let create = |body: Value| client.post("/sessions", body);
    create(json!({"sessionId": "a", "headless": true}))
        .await?
        .expect(201)?;
    for same in [
        json!({"sessionId": "a", "headless": true}),
        json!({"sessionId": "a"}),
    ] {
        let again = create(same).await?.expect(200)?;
        assert_eq!(again["success"], true);
        assert_eq!(again["session"]["id"], "a");
    }
    // A browser that may not be named.
    let refused = create(json!({"sessionId": "b", "chromePath": "/bin/sh"})).await?;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.code(), "chrome_path_not_allowed");
    let other =
        create(json!({"sessionId": "a", "headless": true, "chromePath": "/usr/bin/chromium"}));
    let other = other.await?;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert_eq!(other.code(), "session_exists");
    daemon.stop().await
}

#[tokio::test]
async fn numbers_as_people_write_them_and_qr_as_they_want_it() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    let none = client.get("/sessions/a/qr").await?;
    assert_eq!(none.code(), "session_not_found");
    client
        .post("/sessions", json!({"sessionId": "a"}))
        .await?
        .expect(201)?;
    let text = client.until_qr("a").await?;
    let shown = client
        .get("/sessions/a/qr?format=json")
        .await?
        .expect(200)?;
    assert_eq!(shown["success"], true);
    assert_eq!(shown["sessionId"], "a");
    assert!(shown["serial"].as_u64() >= Some(1) && is_js_date(&shown["expiresAt"]));
    let accept = |kind: &'static str| {
        let client = client.clone();
        async move {
            client
                .request(Method::GET, "/sessions/a/qr", None, &[("accept", kind)])
                .await
        }
    };
    let png = accept("image/png").await?;
    assert_eq!(png.headers["content-type"], "image/png");
    assert!(png.body.starts_with(b"\x89PNG"));
    let svg = accept("image/svg+xml").await?;
    assert!(String::from_utf8_lossy(&svg.body).contains("<svg"));
    let raw = accept("text/plain").await?;
    assert_eq!(raw.body.iter().filter(|b| **b == b',').count(), 4);
    assert_eq!(text.split(',').count(), 5);

    scene.phone(ANA)?.scan(&text).await?;
    client.until_ready("a").await?;
    let none = client.get("/sessions/a/qr").await?;
    assert_eq!(
        (none.status.as_u16(), none.code().as_str()),
        (404, "qr_not_available")
    );
    let written = "+55 (11) 91234-5678";
    let sent = client
        .post(
            "/sessions/a/send",
            json!({"phoneNumber": written, "message": "olá 👋"}),
        )
        .await?
        .expect(200)?;
    assert_eq!(sent["to"], written, "echoed as given");
    scene.arrives(BRUNO, "olá 👋").await?;
    let nobody = client
        .post(
            "/sessions/a/send",
            json!({"phoneNumber": "000123456789", "message": "?"}),
        )
        .await?;
    assert_eq!(nobody.status.as_u16(), 422);
    assert_eq!(nobody.code(), "number_not_on_whatsapp");
    let picture = client.get("/sessions/a/screenshot").await?;
    assert!(picture.body.starts_with(b"\x89PNG"));
    let diagnostics = client.get("/sessions/a/diagnostics").await?.expect(200)?;
    let text = diagnostics.to_string();
    assert!(text.contains("WAWebSocketModel"), "{text}");
    daemon.stop().await
}

#[tokio::test]
async fn a_pairing_code_instead_of_a_qr() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    client
        .post("/sessions", json!({"sessionId": "a"}))
        .await?
        .expect(201)?;
    client.until_qr("a").await?;
    let answer = client
        .post("/sessions/a/pairing-code", json!({"phoneNumber": ANA}))
        .await?
        .expect(200)?;
    let code = answer["code"].as_str().unwrap_or_default().to_owned();
    assert_eq!(code.len(), 8, "{answer}");
    scene.phone(ANA)?.enter_code(&code).await?;
    client
        .session_until("a", PATIENCE, |s| s["isReady"] == true)
        .await?;
    let late = client
        .post("/sessions/a/pairing-code", json!({"phoneNumber": ANA}))
        .await?;
    assert!(late.status.is_client_error() || late.status.as_u16() == 503);
    daemon.stop().await
}

#[tokio::test]
async fn nothing_that_is_sent_makes_it_stumble() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    let bodies: Vec<Bytes> = [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"\"text\"",
        b"{\"sessionId\":5}",
        b"{\"sessionId\":\"../x\"}",
        b"{\"sessionId\":\"\"}",
        b"{\"sessionId\":\"a\",\"headless\":\"yes\"}",
        b"{\"phoneNumber\":\"12\",\"message\":\"x\"}",
        b"{\"phoneNumber\":[],\"message\":{}}",
        b"\xff\xfe",
    ]
    .into_iter()
    .map(Bytes::from_static)
    .chain([
        Bytes::from(vec![b'['; 100_000]),
        Bytes::from(vec![b' '; 2 << 20]),
    ])
    .collect();
    for path in [
        "/sessions",
        "/sessions/a/send",
        "/sessions/default/send",
        "/webhook",
        "/webhook/test",
        "/sessions/a/pairing-code",
        "/nowhere",
    ] {
        for body in &bodies {
            let answer = client
                .request(Method::POST, path, Some(body.clone()), &[])
                .await?;
            let status = answer.status.as_u16();
            assert!(
                (400..500).contains(&status),
                "{path} {status} {:?}",
                &body[..body.len().min(60)]
            );
            assert!(!answer.code().is_empty(), "{path} {status}");
        }
    }
    for (method, path, status) in [
        (Method::PUT, "/sessions", 405),
        (Method::POST, "/health", 405),
        (Method::GET, "/sessions/a%2fb", 400),
        (Method::GET, "/sessions/none", 404),
        (Method::DELETE, "/sessions/none", 404),
        (Method::GET, "/", 200),
    ] {
        let answer = client.request(method.clone(), path, None, &[]).await?;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
    }
    let list = client.get("/sessions").await?.expect(200)?;
    assert_eq!(list["count"], 0, "nothing changed");
    daemon.stop().await
}
