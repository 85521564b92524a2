//! What is refused: each with its status and code, never a 500, and nothing changed.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::Method;
use serde_json::json;
use support::{Api, BRUNO};
use zapnode_core::driver::DriverError;
use zapnode_http::{Hosts, Secret};

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn the_table_of_errors() {
    let api = Api::new().await;
    api.ready("r").await;
    api.post("/sessions", json!({"sessionId": "q"}))
        .await
        .expect(201);
    api.until_qr("q").await;
    let long = "x".repeat(65_537);
    let huge = format!("{{\"message\":\"{}\"}}", "x".repeat(1 << 20));
    let send =
        |number: &str, text: &str| json!({"phoneNumber": number, "message": text}).to_string();
    let cases: Vec<(Method, &str, String, u16, &str)> = vec![
        (Method::GET, "/nowhere", String::new(), 404, "not_found"),
        (
            Method::PUT,
            "/sessions",
            String::new(),
            405,
            "method_not_allowed",
        ),
        (
            Method::POST,
            "/health",
            String::new(),
            405,
            "method_not_allowed",
        ),
        (
            Method::GET,
            "/sessions/a%2fb",
            String::new(),
            400,
            "invalid_session_id",
        ),
        (
            Method::GET,
            "/sessions/%ff",
            String::new(),
            400,
            "invalid_session_id",
        ),
        (
            Method::DELETE,
            "/sessions/a.b",
            String::new(),
            400,
            "invalid_session_id",
        ),
        (
            Method::DELETE,
            "/sessions/none",
            String::new(),
            404,
            "session_not_found",
        ),
        (
            Method::DELETE,
            "/sessions/r?keepLogin=perhaps",
            String::new(),
            400,
            "invalid_request",
        ),
        (
            Method::GET,
            "/sessions/none/status",
            String::new(),
            404,
            "session_not_found",
        ),
        (
            Method::GET,
            "/sessions/r?newerThan=x",
            String::new(),
            400,
            "invalid_request",
        ),
        (
            Method::GET,
            "/sessions/r?newerThan=1&timeoutMs=60001",
            String::new(),
            400,
            "invalid_request",
        ),
        (
            Method::GET,
            "/sessions/r/qr",
            String::new(),
            404,
            "qr_not_available",
        ),
        (
            Method::GET,
            "/sessions/r/screenshot",
            String::new(),
            501,
            "not_supported_by_page",
        ),
        (
            Method::POST,
            "/sessions",
            "{}".into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions",
            r#"{"sessionId":5}"#.into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions",
            r#"{"sessionId":"../x"}"#.into(),
            400,
            "invalid_session_id",
        ),
        (
            Method::POST,
            "/sessions",
            r#"{"sessionId":"x","headless":"yes"}"#.into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions",
            r#"{"sessionId":"x","chromePath":[]}"#.into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            "{}".into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            send(BRUNO, ""),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            send(BRUNO, " \n "),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            send(BRUNO, &long),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            huge,
            413,
            "payload_too_large",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            send("12", "x"),
            400,
            "invalid_phone_number",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            send("none at all", "x"),
            400,
            "invalid_phone_number",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            send("status@broadcast", "x"),
            400,
            "invalid_phone_number",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            send("00012345678", "x"),
            422,
            "number_not_on_whatsapp",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            r#"{"phoneNumber":1.5,"message":"x"}"#.into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions/r/send",
            r#"{"phoneNumber":1e999,"message":"x"}"#.into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions/q/send",
            send(BRUNO, "x"),
            503,
            "session_not_ready",
        ),
        (
            Method::POST,
            "/sessions/none/send",
            send(BRUNO, "x"),
            404,
            "session_not_found",
        ),
        (
            Method::POST,
            "/sessions/default/send",
            send(BRUNO, "x"),
            503,
            "session_not_ready",
        ),
        (
            Method::POST,
            "/sessions/q/pairing-code",
            "{}".into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/sessions/q/pairing-code",
            r#"{"phoneNumber":"1"}"#.into(),
            400,
            "invalid_phone_number",
        ),
        (
            Method::POST,
            "/webhook",
            "{}".into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/webhook",
            r#"{"message_type":"outgoing","private":"no"}"#.into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/webhook",
            r#"{"message_type":"outgoing","content":"x"}"#.into(),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            "/webhook",
            r#"{"message_type":"outgoing","content":"x","conversation":[]}"#.into(),
            400,
            "invalid_request",
        ),
    ];
    for (method, path, body, status, code) in cases {
        let answer = api.send(method.clone(), path, &[JSON], &body).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{method} {path}");
        let retry = answer.headers.contains_key("retry-after");
        assert_eq!(retry, status == 503, "{method} {path}");
        assert_eq!(
            answer.headers.contains_key("allow"),
            status == 405,
            "{method} {path}"
        );
    }
    let list = api.get("/sessions").await.expect(200);
    assert_eq!(list["count"], 2, "nothing changed");
    assert!(api.driver.delivered_to(&support::phone(BRUNO)).is_empty());
    let not_ready = api.raw("/sessions/q/send", &send(BRUNO, "x")).await.json();
    assert_eq!(
        (&not_ready["sessionId"], &not_ready["status"]),
        (&json!("q"), &json!("awaiting_login"))
    );
    assert!(not_ready["hint"].is_string());
}

#[tokio::test]
async fn nothing_that_is_sent_makes_it_stumble() {
    let api = Api::new().await;
    let deep = "[".repeat(100_000);
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "\"text\"",
        "5",
        "{\"a\":",
        "\u{feff}{}",
        deep.as_str(),
        "{\"sessionId\":null}",
        "{\"sessionId\":{\"$ne\":1}}",
        "{\"sessionId\":\"a\\u0000\"}",
        "{\"message_type\":7}",
        "{\"phoneNumber\":true,\"message\":[1]}",
        "{\"message_type\":\"outgoing\",\"conversation\":{\"meta\":7}}",
    ];
    for path in [
        "/sessions",
        "/sessions/a/send",
        "/sessions/default/send",
        "/webhook",
        "/webhook/test",
        "/sessions/a/pairing-code",
        "/nowhere",
        "//",
        "/sessions/%00/send",
    ] {
        for body in bodies {
            for kind in [
                "application/json",
                "application/json; charset=utf-8",
                "application/vnd.api+json",
            ] {
                let answer = api
                    .send(Method::POST, path, &[("content-type", kind)], body)
                    .await;
                let (status, code) = answer.error();
                assert!(
                    (400..500).contains(&status),
                    "{path} {status} {code} {body:.40}"
                );
                assert!(!answer.json()["error"].as_str().unwrap().contains("$ne"));
            }
            let answer = api
                .send(Method::POST, path, &[("content-type", "text/plain")], body)
                .await;
            assert!((400..500).contains(&answer.error().0));
        }
    }
    let plain = api
        .send(
            Method::POST,
            "/sessions",
            &[("content-type", "text/plain")],
            "{}",
        )
        .await;
    assert_eq!(plain.error(), (415, "unsupported_media_type".to_owned()));
    assert_eq!(api.get("/sessions").await.expect(200)["count"], 0);
}

#[tokio::test]
async fn numbers_in_every_form_arrive() {
    let api = Api::new().await;
    api.ready("a").await;
    for number in [
        json!(BRUNO),
        json!("+55 (11) 91234-5678"),
        json!("5511912345678@c.us"),
        json!(5_511_912_345_678_u64),
    ] {
        let sent = api
            .post(
                "/sessions/a/send",
                json!({"phoneNumber": number, "message": "x", "more": 1}),
            )
            .await
            .expect(200);
        let given = number
            .as_str()
            .map_or_else(|| number.to_string(), str::to_owned);
        assert_eq!(sent["to"], given);
    }
    assert_eq!(api.driver.delivered_to(&support::phone(BRUNO)).len(), 4);
    for chat in ["120363041234@g.us", "134388342232694@lid"] {
        api.post(
            "/sessions/a/send",
            json!({"phoneNumber": chat, "message": "x"}),
        )
        .await
        .expect(200);
    }
}

#[tokio::test]
async fn what_the_driver_refuses_has_its_own_code() {
    let api = Api::new().await;
    let create = || api.post("/sessions", json!({"sessionId": "a", "headless": false}));
    api.driver.refuse_options(|| DriverError::NoDisplay);
    assert_eq!(create().await.error(), (400, "no_display".to_owned()));
    api.driver
        .refuse_options(|| DriverError::BrowserNotAllowed {
            path: "/bin/sh".into(),
        });
    let refused = create().await;
    assert_eq!(refused.error(), (403, "chrome_path_not_allowed".to_owned()));
    assert!(
        refused.json()["hint"]
            .as_str()
            .unwrap()
            .contains("ZAPNODE_CHROME_ALLOW")
    );
    assert_eq!(api.get("/sessions").await.expect(200)["count"], 0);
}

#[tokio::test]
async fn sessions_may_be_limited_and_webhooks_switched_off() {
    let api = Api::with(
        |app| app.webhook_enabled = false,
        |m| m.max_sessions = Some(1),
    )
    .await;
    api.post("/sessions", json!({"sessionId": "a"}))
        .await
        .expect(201);
    let second = api.post("/sessions", json!({"sessionId": "b"})).await;
    assert_eq!(second.error(), (409, "session_limit_reached".to_owned()));
    for path in [
        "/webhook",
        "/webhook/test",
        "/webhook/webhook",
        "/webhook/webhook/test",
    ] {
        assert_eq!(
            api.post(path, json!({})).await.error(),
            (503, "webhook_disabled".to_owned())
        );
    }
}

#[tokio::test]
async fn a_key_locks_everything_but_the_probes() {
    let api = Api::with(
        |app| {
            app.api_key = Some(Secret::new("sesame"));
            app.owner_token = Some(Secret::new("owner"));
        },
        |_| {},
    )
    .await;
    let get = |path: &'static str, headers: Vec<(&'static str, &'static str)>| {
        let api = &api;
        async move { api.send(Method::GET, path, &headers, "").await }
    };
    for path in [
        "/",
        "/sessions",
        "/sessions/a",
        "/nowhere",
        "/sessions/a/qr",
    ] {
        assert_eq!(
            get(path, vec![]).await.error(),
            (401, "unauthorized".to_owned()),
            "{path}"
        );
    }
    for path in ["/livez", "/readyz", "/health"] {
        assert_eq!(
            get(path, vec![]).await.expect(200),
            json!({"status": "ok"}),
            "{path}"
        );
    }
    for good in [
        ("x-api-key", "sesame"),
        ("authorization", "Bearer sesame"),
        ("authorization", "bearer owner"),
        ("x-api-key", "owner"),
    ] {
        get("/sessions", vec![good]).await.expect(200);
        assert!(get("/health", vec![good]).await.expect(200)["multiSession"].is_object());
    }
    for bad in [
        ("x-api-key", ""),
        ("x-api-key", "sesam"),
        ("authorization", "sesame"),
        ("authorization", "Basic sesame"),
        ("authorization", "Bearer"),
    ] {
        assert_eq!(get("/sessions", vec![bad]).await.error().0, 401, "{bad:?}");
    }
}

#[tokio::test]
async fn strangers_names_and_pages_are_refused() {
    let api = Api::with(
        |app| app.hosts = Hosts::Local(vec!["zap.lan".to_owned()]),
        |_| {},
    )
    .await;
    for (host, status) in [
        ("localhost:3000", 200),
        ("127.0.0.1", 200),
        ("[::1]:3000", 200),
        ("zap.lan", 200),
        ("evil.example:3000", 421),
        ("", 421),
    ] {
        let answer = api
            .send(Method::GET, "/health", &[("host", host)], "")
            .await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
    for (origin, status) in [
        ("http://localhost:3000", 404),
        ("https://evil.example", 403),
        ("null", 403),
    ] {
        let headers = [("host", "localhost:3000"), ("origin", origin)];
        let answer = api
            .send(Method::POST, "/sessions/a/start", &headers, "")
            .await;
        assert_eq!(answer.status.as_u16(), status, "{origin}");
    }
}

#[tokio::test]
async fn a_sane_request_id_is_kept() {
    let api = Api::new().await;
    for (given, kept) in [("my-request_1.x", true), ("with blank", false), ("", false)] {
        let answer = api
            .send(Method::GET, "/nowhere", &[("x-request-id", given)], "")
            .await;
        assert_eq!(answer.error().0, 404);
        assert_eq!(answer.headers["x-request-id"] == given, kept, "{given}");
    }
}
