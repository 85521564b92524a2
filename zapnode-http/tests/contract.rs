//! The guide's requests and answers, field for field, and what was added beside them.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{ANA, Api, BRUNO, id, phone};
use zapnode_core::SessionInfo;

/// Replaces moments by `<date>`, after having checked their form.
fn dated(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (name, inner) in fields.iter_mut() {
                if ["createdAt", "readyAt", "since", "timestamp", "expiresAt"]
                    .contains(&name.as_str())
                {
                    let text = inner.as_str().unwrap();
                    assert!(
                        text.len() == 24 && text.ends_with('Z') && &text[19..20] == ".",
                        "{text}"
                    );
                    *inner = json!("<date>");
                } else {
                    *inner = dated(inner.take());
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = dated(item.take());
            }
        }
        _ => {}
    }
    value
}

/// Takes our additions out of a session.
fn contract_only(session: &Value) -> Value {
    let mut session = dated(session.clone());
    let fields = session.as_object_mut().unwrap();
    fields.retain(|name, _| {
        ["id", "isReady", "createdAt", "readyAt", "options"].contains(&name.as_str())
    });
    session
}

#[tokio::test]
async fn the_guides_complete_example() {
    let api = Api::new().await;
    // 1. Health.
    let health = api.get("/health").await.expect(200);
    assert_eq!(health["status"], "ok");
    // 2. Create, as it stands there, with the Windows path: this driver looks at no paths.
    let created = api
        .post(
            "/sessions",
            json!({"sessionId": "my-session", "headless": true, "chromePath": "C:\\chrome.exe"}),
        )
        .await
        .expect(201);
    assert_eq!(created["success"], true);
    assert_eq!(created["message"], "Session created successfully");
    assert_eq!(
        contract_only(&created["session"]),
        json!({"id": "my-session", "isReady": false, "createdAt": "<date>", "options": {"headless": true}})
    );
    // 3. Status, after the scan.
    api.until_qr("my-session").await;
    let mut status = api.get("/sessions/my-session/status").await.expect(200);
    // Ours besides: what it waits for.
    let reason = status.as_object_mut().unwrap().remove("reason");
    assert_eq!(reason.unwrap()["code"], "login_needed");
    assert_eq!(
        status,
        json!({"success": true, "sessionId": "my-session", "isReady": false, "status": "awaiting_login"})
    );
    api.driver.scan(&id("my-session"), &phone(ANA)).await;
    api.until("my-session", SessionInfo::is_ready).await;
    let status = api.get("/sessions/my-session/status").await.expect(200);
    assert_eq!(
        status,
        json!({"success": true, "sessionId": "my-session", "isReady": true, "status": "ready"})
    );
    // 4. Send.
    let sent = api
        .post(
            "/sessions/my-session/send",
            json!({"phoneNumber": BRUNO, "message": "Hello!"}),
        )
        .await
        .expect(200);
    let message_id = sent["messageId"].as_str().unwrap();
    assert!(
        message_id.starts_with("true_5511912345678@c.us_3EB0"),
        "{message_id}"
    );
    assert_eq!(
        sent,
        json!({"success": true, "message": "Message sent successfully", "sessionId": "my-session",
               "to": BRUNO, "id": sent["id"], "messageId": message_id, "ack": 1, "state": "sent"})
    );
    assert_eq!(api.driver.delivered_to(&phone(BRUNO))[0].1, "Hello!");
    // 5. List and show.
    let full = json!({"id": "my-session", "isReady": true, "createdAt": "<date>", "readyAt": "<date>",
                      "options": {"headless": true}});
    let list = api.get("/sessions").await.expect(200);
    assert_eq!(
        (&list["success"], &list["count"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(contract_only(&list["sessions"][0]), full);
    let shown = api.get("/sessions/my-session").await.expect(200);
    assert_eq!(contract_only(&shown["session"]), full);
    assert_eq!(shown["session"]["me"]["phone"], ANA);
    assert_eq!(shown["session"]["linked"], true);
    assert!(shown["session"]["generation"].as_u64() > Some(1));
    // 6. Delete.
    let deleted = api.delete("/sessions/my-session").await.expect(200);
    assert_eq!(
        deleted,
        json!({"success": true, "message": "Session my-session deleted successfully"})
    );
    let gone = api.get("/sessions/my-session").await;
    assert_eq!(gone.error(), (404, "session_not_found".to_owned()));
    assert_eq!(gone.json()["error"], "Session not found");
}

#[tokio::test]
async fn health_has_the_guides_shape() {
    let api = Api::new().await;
    api.ready("zapnode-session").await;
    let mut health = dated(api.get("/health").await.expect(200));
    let sessions = health["multiSession"]["sessions"].take();
    assert_eq!(sessions[0]["id"], "zapnode-session");
    assert!(health["uptimeSeconds"].is_u64());
    health["uptimeSeconds"] = json!(0);
    assert_eq!(
        health,
        json!({"status": "ok", "timestamp": "<date>", "defaultSession": {"status": "connected"},
               "multiSession": {"enabled": true, "totalSessions": 1, "sessions": null},
               "version": env!("CARGO_PKG_VERSION"), "uptimeSeconds": 0, "store": {"status": "ok"}})
    );
    api.delete("/sessions/default").await.expect(200);
    let health = api.get("/health").await.expect(200);
    assert_eq!(health["defaultSession"]["status"], "disconnected");
}

#[tokio::test]
async fn creating_again_is_no_error_unless_the_options_differ() {
    let api = Api::new().await;
    let create = |body| api.post("/sessions", body);
    create(json!({"sessionId": "a", "headless": true}))
        .await
        .expect(201);
    for same in [
        json!({"sessionId": "a", "headless": true}),
        json!({"sessionId": "a"}),
    ] {
        let again = create(same).await.expect(200);
        assert_eq!(
            (&again["success"], &again["session"]["id"]),
            (&json!(true), &json!("a"))
        );
    }
    let other = create(json!({"sessionId": "a", "headless": false})).await;
    assert_eq!(other.error(), (409, "session_exists".to_owned()));
}

#[tokio::test]
async fn chatwoot_sends_through_the_default_session() {
    let api = Api::new().await;
    let payload = json!({
        "event": "message_created", "message_type": "outgoing", "private": false,
        "content": "Message text", "content_attributes": {}, "id": 7,
        "conversation": {"meta": {"sender": {"phone_number": "+244 929-782-402", "identifier": null}}}
    });
    let early = api.post("/webhook", payload.clone()).await;
    assert_eq!(early.error(), (503, "session_not_ready".to_owned()));
    assert_eq!(early.json()["status"], "stopped");
    api.ready("zapnode-session").await;
    for path in ["/webhook", "/webhook/webhook", "/webhook/"] {
        let sent = api.post(path, payload.clone()).await.expect(200);
        assert_eq!(sent["message"], "Message sent successfully");
        assert_eq!(sent["sessionId"], "zapnode-session");
        assert_eq!(sent["to"], "+244 929-782-402", "echoed as given");
    }
    for (field, value) in [
        ("message_type", json!("incoming")),
        ("message_type", json!("template")),
        ("private", json!(true)),
        ("event", json!("message_updated")),
    ] {
        let mut ignored = payload.clone();
        ignored[field] = value;
        let answer = api.post("/webhook", ignored).await.expect(200);
        assert_eq!(answer["success"], true);
        assert!(
            answer["message"].as_str().unwrap().starts_with("Ignored: "),
            "{answer}"
        );
    }
    let mut by_identifier = payload.clone();
    by_identifier["conversation"]["meta"]["sender"] =
        json!({"phone_number": "", "identifier": "5511912345678@s.whatsapp.net"});
    api.post("/webhook", by_identifier).await.expect(200);
    assert_eq!(api.driver.delivered_to(&phone(BRUNO)).len(), 1);
    assert_eq!(api.driver.delivered_to(&phone(ANA)).len(), 3);
    for path in ["/webhook/test", "/webhook/webhook/test"] {
        let body = json!({"phoneNumber": BRUNO, "message": "x", "sessionId": "default"});
        let sent = api.post(path, body).await.expect(200);
        assert_eq!(sent["sessionId"], "zapnode-session");
    }
}

#[tokio::test]
async fn a_send_that_whatsapp_has_not_confirmed_is_accepted() {
    let api = Api::with(
        |app| app.send_wait = std::time::Duration::from_millis(200),
        |_| {},
    )
    .await;
    api.ready("a").await;
    api.driver.hold_acks(true);
    let sent = api
        .post(
            "/sessions/a/send",
            json!({"phoneNumber": BRUNO, "message": "x"}),
        )
        .await
        .expect(202);
    let message_id = sent["messageId"].clone();
    assert_eq!(
        sent,
        json!({"success": true, "message": "Message accepted", "sessionId": "a", "to": BRUNO,
               "id": sent["id"], "messageId": message_id, "ack": 0, "state": "sending"})
    );
}

#[tokio::test]
async fn the_qr_in_every_form() {
    let api = Api::new().await;
    api.post("/sessions", json!({"sessionId": "a"}))
        .await
        .expect(201);
    api.until_qr("a").await;
    let shown = dated(api.get("/sessions/a/qr").await.expect(200));
    let text = shown["qr"].as_str().unwrap().to_owned();
    assert_eq!(
        shown,
        json!({"success": true, "sessionId": "a", "qr": text, "serial": 1, "expiresAt": "<date>"})
    );
    for (path, accept, kind, start) in [
        ("/sessions/a/qr", "image/png", "image/png", "\u{89}PNG"),
        ("/sessions/a/qr?format=png", "*/*", "image/png", "\u{89}PNG"),
        ("/sessions/a/qr", "image/svg+xml", "image/svg+xml", "<?xml"),
        (
            "/sessions/a/qr?format=svg",
            "text/plain",
            "image/svg+xml",
            "<?xml",
        ),
        (
            "/sessions/a/qr",
            "text/plain",
            "text/plain; charset=utf-8",
            "2@",
        ),
        (
            "/sessions/a/qr?format=raw",
            "",
            "text/plain; charset=utf-8",
            "2@",
        ),
        (
            "/sessions/a/qr",
            "text/html, */*;q=0.8",
            "application/json",
            "{",
        ),
    ] {
        let answer = api.send(Method::GET, path, &[("accept", accept)], "").await;
        assert_eq!(answer.headers["content-type"], kind, "{path} {accept}");
        let begin: String = answer.body.iter().take(5).map(|b| char::from(*b)).collect();
        assert!(begin.starts_with(start), "{path} {accept} {begin}");
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    assert_eq!(
        api.get("/sessions/a/qr?format=gif").await.error(),
        (400, "invalid_request".to_owned())
    );
    let code = api
        .post("/sessions/a/pairing-code", json!({"phoneNumber": ANA}))
        .await
        .expect(200);
    assert_eq!(
        code,
        json!({"success": true, "sessionId": "a", "phoneNumber": ANA, "code": "ABCD1234"})
    );
    use zapnode_core::SessionState::AwaitingLogin;
    use zapnode_core::session::Prompt::PairingCode;
    api.until("a", |i| {
        matches!(
            &i.state,
            AwaitingLogin {
                prompt: Some(PairingCode { .. })
            }
        )
    })
    .await;
    assert_eq!(
        api.get("/sessions/a/qr").await.error(),
        (404, "qr_not_available".to_owned())
    );
    api.driver.scan(&id("a"), &phone(ANA)).await;
    api.until("a", SessionInfo::is_ready).await;
    let late = api
        .post("/sessions/a/pairing-code", json!({"phoneNumber": ANA}))
        .await;
    assert_eq!(late.error(), (409, "already_linked".to_owned()));
}

#[tokio::test]
async fn sessions_are_started_and_stopped_as_often_as_one_likes() {
    let api = Api::new().await;
    api.ready("a").await;
    for (verb, status) in [
        ("stop", "stopped"),
        ("stop", "stopped"),
        ("start", ""),
        ("start", ""),
        ("restart", ""),
        ("logout", "logged_out"),
        ("logout", "logged_out"),
        ("start", ""),
    ] {
        let path = format!("/sessions/a/{verb}");
        let answer = api.send(Method::POST, &path, &[], "").await.expect(200);
        assert_eq!(answer["success"], true);
        if !status.is_empty() {
            assert_eq!(answer["session"]["status"], status, "{verb}");
        } else if verb != "start" || answer["session"]["linked"] == true {
            api.until("a", SessionInfo::is_ready).await;
        }
    }
    api.until_qr("a").await;
    let diagnostics = api.get("/sessions/a/diagnostics").await.expect(200);
    assert_eq!(diagnostics["phase"], "awaiting_login");
    assert_eq!(diagnostics["evidence"]["link"], "needs_login");
    assert_eq!(diagnostics["selfTest"]["ok"], true);
    assert!(
        diagnostics["reasons"]
            .as_array()
            .is_some_and(|r| !r.is_empty())
    );
    let deleted = api.delete("/sessions/a?keepLogin=true").await.expect(200);
    assert_eq!(deleted["success"], true);
}

#[tokio::test]
async fn the_default_session_is_made_by_start() {
    let api = Api::new().await;
    let started = api
        .send(Method::POST, "/sessions/default/start", &[], "")
        .await
        .expect(200);
    assert_eq!(started["session"]["id"], "zapnode-session");
    let deleted = api.delete("/sessions/default").await.expect(200);
    assert_eq!(
        deleted["message"],
        "Session zapnode-session deleted successfully"
    );
    let created = api
        .post("/sessions", json!({"sessionId": "default"}))
        .await
        .expect(201);
    assert_eq!(created["session"]["id"], "zapnode-session");
}

#[tokio::test]
async fn a_caller_can_wait_for_news() {
    let api = Api::new().await;
    api.post("/sessions", json!({"sessionId": "a"}))
        .await
        .expect(201);
    api.until_qr("a").await;
    let seen = api.get("/sessions/a").await.expect(200)["session"]["generation"].clone();
    let path = format!("/sessions/a?newerThan={seen}&timeoutMs=30000");
    let a = id("a");
    let (news, ()) = tokio::join!(api.get(&path), api.driver.rotate_qr(&a));
    assert!(news.expect(200)["session"]["generation"].as_u64() > seen.as_u64());
    // None comes: the session as it is.
    let now = api.get("/sessions/a").await.expect(200)["session"]["generation"].clone();
    let path = format!("/sessions/a?newerThan={now}&timeoutMs=1");
    assert_eq!(
        api.get(&path).await.expect(200)["session"]["generation"],
        now
    );
    // And the end of the server ends the waiting.
    let path = format!("/sessions/a?newerThan={now}&timeoutMs=60000");
    let ending = async { api.app.begin_shutdown() };
    let (answer, ()) = tokio::join!(api.get(&path), ending);
    answer.expect(200);
    assert_eq!(
        api.get("/readyz").await.error(),
        (503, "shutting_down".to_owned())
    );
    assert_eq!(api.get("/livez").await.expect(200)["status"], "ok");
}

#[tokio::test]
async fn with_keys_on_chatwoot_calls_a_path_with_a_secret() {
    use zapnode_core::chatwoot::signature::sign;

    const KEY: [(&str, &str); 1] = [("x-api-key", "sesame-open")];
    let api = Api::with(
        |app| {
            app.api_key = Some(zapnode_http::Secret::new("sesame-open"));
            app.webhook_signing_secret = Some(zapnode_http::Secret::new("inbox-secret"));
        },
        |_| {},
    )
    .await;
    let body = json!({
        "event": "message_created", "message_type": "outgoing", "private": false, "content": "Olá",
        "conversation": {"meta": {"sender": {"phone_number": "+5511912345678"}}}
    })
    .to_string();
    let told = api
        .send(Method::GET, "/webhook", &KEY, "")
        .await
        .expect(200);
    let path = told["path"].as_str().unwrap();
    assert!(path.starts_with("/webhook/") && path.len() > 40, "{path}");
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let call = async |path: &str, secret: &str, at: i64| {
        let at = at.to_string();
        let signature = sign(secret, &at, body.as_bytes());
        let headers = [
            ("content-type", "application/json"),
            ("x-chatwoot-signature", signature.as_str()),
            ("x-chatwoot-timestamp", at.as_str()),
        ];
        api.send(Method::POST, path, &headers, &body).await
    };
    // Let in, and the session is not there yet.
    let early = call(path, "inbox-secret", now).await;
    assert_eq!(early.error(), (503, "session_not_ready".to_owned()));
    for (secret, at) in [("other", now), ("inbox-secret", now - 301)] {
        let refused = call(path, secret, at).await;
        assert_eq!(refused.error(), (401, "unauthorized".to_owned()));
    }
    let unsigned = api.raw(path, &body).await;
    assert_eq!(unsigned.error(), (401, "unauthorized".to_owned()));
    let guessed = call(
        "/webhook/0123456789abcdef0123456789abcdef",
        "inbox-secret",
        now,
    )
    .await;
    assert_eq!(guessed.error(), (401, "unauthorized".to_owned()));
    let without = call("/webhook", "inbox-secret", now).await;
    assert_eq!(without.error(), (401, "unauthorized".to_owned()));

    let open = Api::new().await;
    assert_eq!(open.raw(path, &body).await.status, 404, "no key, no secret");
}
