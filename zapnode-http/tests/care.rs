//! How a session is, was, and is taken care of, over HTTP.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Api, BRUNO, id};
use zapnode_core::driver::scripted::Unlinked;
use zapnode_core::{SessionInfo, SessionState};

#[tokio::test]
async fn what_is_chosen_is_shown_changed_and_refused_with_what_is_allowed() {
    let api = Api::new().await;
    let body = json!({"sessionId": "a", "hibernateAfter": "30m", "memorySoftMb": 400});
    let created = api.post("/sessions", body.clone()).await.expect(201);
    let options = &created["session"]["options"];
    assert_eq!(options["hibernateAfter"], 1800);
    assert_eq!(options["memorySoftMb"], 400);
    // Created again, in full, in part, and otherwise.
    api.post("/sessions", body).await.expect(200);
    let part = json!({"sessionId": "a", "hibernateAfter": 1800});
    api.post("/sessions", part).await.expect(200);
    let other = json!({"sessionId": "a", "hibernateAfter": 60});
    let refused = api.post("/sessions", other).await.error();
    assert_eq!(refused, (409, "session_exists".to_owned()));

    let change = json!({"hibernateAfter": "off", "wakeEvery": "1h", "memorySoftMb": null});
    let changed = api.patch("/sessions/a", change).await.expect(200);
    let expected = json!({"hibernateAfter": 0, "wakeEvery": 3600});
    assert_eq!(changed["session"]["options"], expected);
    for (bad, part) in [
        (
            json!({"hibernateAfter": 5}),
            "hibernateAfter must be default, off, or 10 seconds",
        ),
        (json!({"wakeEvery": true}), "wakeEvery"),
        (json!({"memorySoftMb": "1g"}), "100 to 1000000"),
        (json!({"memoryHardMb": -1}), "memoryHardMb"),
        (
            json!({"memorySoftMb": 500, "memoryHardMb": 500}),
            "lower than",
        ),
        (json!({}), "name what is to be changed"),
        (json!({"other": 1}), "name what is to be changed"),
    ] {
        let answer = api.patch("/sessions/a", bad.clone()).await;
        let told = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{bad}");
        assert!(told.contains(part), "{told}");
        let create = json!({"sessionId": "b", "memorySoftMb": 1});
        assert_eq!(api.post("/sessions", create).await.error().0, 400);
    }
    let now = api.get("/sessions/a").await.expect(200);
    assert_eq!(now["session"]["options"], expected);
    let missing = api
        .patch("/sessions/x", json!({"wakeEvery": 60}))
        .await
        .error();
    assert_eq!(missing, (404, "session_not_found".to_owned()));
}

#[tokio::test]
async fn history_and_the_last_failure_are_told() {
    let api = Api::with(
        |_| {},
        |manager| manager.deadlines.offline = Duration::from_millis(400),
    )
    .await;
    api.ready("a").await;
    let none = api.get("/sessions/a/failure").await.expect(200);
    assert_eq!(none["failure"], Value::Null);
    api.driver.unlink(&id("a"), Unlinked::UntilReconnect).await;
    api.until("a", |i| !i.is_ready()).await;
    let status = api.get("/sessions/a/status").await.expect(200);
    assert_eq!(status["reason"]["code"], "offline");
    assert!(
        status["reason"]["hint"]
            .as_str()
            .is_some_and(|h| !h.is_empty())
    );
    api.until("a", SessionInfo::is_ready).await;
    let told = api.get("/sessions/a/history").await.expect(200);
    let history = told["history"].as_array().unwrap();
    assert_eq!(told["count"], history.len());
    assert_eq!(
        (&history[0]["from"], &history[0]["to"]),
        (&json!("recovering"), &json!("ready"))
    );
    assert_eq!(history[1]["step"], "reconnect");
    assert_eq!(history[1]["code"], "offline");
    assert!(history[1]["hint"].is_string() && history[1]["at"].is_string());

    let failure = loop {
        let answer = api.get("/sessions/a/failure").await.expect(200);
        if !answer["failure"].is_null() {
            break answer["failure"].clone();
        }
    };
    assert_eq!(failure["status"], "recovering");
    assert_eq!(failure["reason"]["code"], "offline");
    assert_eq!(failure["consoleTail"], json!(["scripted session a"]));
    assert_eq!(failure["tried"], json!([]));
    // This driver draws nothing.
    assert_eq!(failure.get("screenshot"), None);
    let picture = api.get("/sessions/a/failure/screenshot").await.error();
    assert_eq!(picture, (404, "screenshot_not_available".to_owned()));
    for path in ["/sessions/x/history", "/sessions/x/failure"] {
        assert_eq!(api.get(path).await.error().0, 404);
    }
}

#[tokio::test]
async fn a_sleeping_session_is_listed_as_such_and_takes_sends() {
    let api = Api::with(|_| {}, |manager| manager.care.hibernate_after = Some(1)).await;
    api.ready("a").await;
    api.until("a", |i| i.state == SessionState::Hibernating)
        .await;
    let session = api.get("/sessions/a").await.expect(200)["session"].clone();
    assert_eq!(session["status"], "hibernating");
    assert_eq!(session["isReady"], false);
    assert_eq!(session["reason"]["code"], "idle");
    let qr = api.get("/sessions/a/qr").await.error();
    assert_eq!(qr, (404, "qr_not_available".to_owned()));
    let body = json!({"phoneNumber": BRUNO, "message": "oi"});
    let sent = api.post("/sessions/a/send", body).await.expect(200);
    assert_eq!(sent["success"], true);
}
