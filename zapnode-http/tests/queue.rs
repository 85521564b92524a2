//! How quickly a session sends, and what its queue says of each message.

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{ANA, Api, BRUNO, id, phone};
use zapnode_core::SessionInfo;
use zapnode_core::outbox::Pace;

const JSON: (&str, &str) = ("content-type", "application/json");

async fn patch(api: &Api, path: &str, body: Value) -> support::Answer {
    api.send(Method::PATCH, path, &[JSON], &body.to_string())
        .await
}

async fn send(api: &Api, to: &str, more: Value) -> support::Answer {
    let mut body = json!({"phoneNumber": to, "message": "olá", "timeoutMs": 0});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap_or_default());
    api.post("/sessions/a/send", body).await
}

#[tokio::test]
async fn a_pace_is_chosen_changed_and_shown() {
    let api = Api::with(|_| {}, |manager| manager.pace = Pace::GENTLE).await;
    let new = json!({"sessionId": "a", "pace": {"minGapMs": 1500, "maxPerHour": 60}});
    let made = api.post("/sessions", new.clone()).await.expect(201);
    let figures = json!({"minGapMs": 1500, "jitterMs": 0, "maxPerHour": 60, "typing": false});
    assert_eq!(made["session"]["pace"], figures);
    // The same again, and without naming it, is the same session; another one is not.
    api.post("/sessions", new).await.expect(200);
    api.post("/sessions", json!({"sessionId": "a"})).await.expect(200);
    let other = json!({"sessionId": "a", "pace": "off"});
    assert_eq!(
        api.post("/sessions", other).await.error(),
        (409, "session_exists".to_owned())
    );
    let changed = patch(&api, "/sessions/a", json!({"pace": "off"})).await;
    assert_eq!(changed.expect(200)["session"]["pace"], "off");
    let read = api.get("/sessions/a").await.expect(200);
    assert_eq!(read["session"]["pace"], "off");
    // Back to that of all sessions.
    let changed = patch(&api, "/sessions/a", json!({"pace": null})).await;
    assert_eq!(changed.expect(200)["session"]["pace"], "gentle");
}

#[tokio::test]
async fn a_pace_that_is_none_is_refused_and_changes_nothing() {
    let api = Api::new().await;
    api.post("/sessions", json!({"sessionId": "a"})).await.expect(201);
    for bad in [
        json!("fast"),
        json!(5),
        json!({"minGapMs": -1}),
        json!({"minGapMs": 3_600_001}),
        json!({"maxPerHour": 0}),
        json!({"typing": "yes"}),
        json!({"gap": 1}),
    ] {
        let made = api.post("/sessions", json!({"sessionId": "b", "pace": bad})).await;
        assert_eq!(made.error(), (400, "invalid_request".to_owned()), "{bad}");
        let text = made.json()["error"].as_str().unwrap().to_owned();
        assert!(text.contains("gentle") && text.contains("minGapMs"), "{text}");
        let changed = patch(&api, "/sessions/a", json!({"pace": bad})).await;
        assert_eq!(changed.error(), (400, "invalid_request".to_owned()), "{bad}");
    }
    let nothing = patch(&api, "/sessions/a", json!({"headless": false})).await;
    assert_eq!(nothing.error(), (400, "invalid_request".to_owned()));
    let unknown = patch(&api, "/sessions/none", json!({"pace": "off"})).await;
    assert_eq!(unknown.error(), (404, "session_not_found".to_owned()));
    assert_eq!(api.get("/sessions/b").await.error().0, 404);
    let read = api.get("/sessions/a").await.expect(200);
    assert_eq!(read["session"]["pace"], "off");
}

#[tokio::test]
async fn every_waiting_message_says_until_when_and_why() {
    let api = Api::new().await;
    api.ready("a").await;
    let hourly = json!({"pace": {"maxPerHour": 1}});
    patch(&api, "/sessions/a", hourly).await.expect(200);
    let first = json!({"timeoutMs": 10_000});
    send(&api, BRUNO, first).await.expect(200);
    let held = send(&api, "5511900000002", json!({})).await.expect(202);
    let later = json!({"sendAt": "2099-01-01T00:00:00Z"});
    let later = send(&api, BRUNO, later).await.expect(202);
    let queue = api.get("/sessions/a/queue").await.expect(200);
    assert_eq!(
        queue["counts"],
        json!({"waiting": 1, "scheduled": 1, "held": 0, "sending": 0})
    );
    assert_eq!(queue["paused"], false);
    assert_eq!((&queue["sentLastHour"], &queue["newContactsLastDay"]), (&json!(1), &json!(1)));
    let because = |message: &Value| message["waitsBecause"]["code"].as_str().map(str::to_owned);
    let told: Vec<_> = queue["messages"].as_array().unwrap().iter().map(because).collect();
    assert_eq!(told, [Some("pace_hour".to_owned()), Some("scheduled".to_owned())]);
    let path = format!("/messages/{}", held["id"].as_str().unwrap());
    let one = api.get(&path).await.expect(200)["message"].clone();
    assert_eq!(because(&one).as_deref(), Some("pace_hour"));
    assert!(one["waitsUntil"].is_string());
    let text = one["waitsBecause"]["message"].as_str().unwrap();
    assert!(text.contains("1 messages an hour"), "{text}");
    let page = api.get("/sessions/a/messages?state=queued").await.expect(200);
    assert_eq!(because(&page["messages"][1]).as_deref(), Some("pace_hour"));
    assert_eq!(page["messages"][0]["waitsUntil"], "2099-01-01T00:00:00.000Z");
    let few = api.get("/sessions/a/queue?limit=1").await.expect(200);
    assert_eq!(few["messages"].as_array().unwrap().len(), 1);
    assert_eq!(api.get("/sessions/a/queue?limit=0").await.error().0, 400);

    // What is sent or taken back waits for nothing.
    let path = format!("/messages/{}", later["id"].as_str().unwrap());
    api.delete(&path).await.expect(200);
    let taken = api.get(&path).await.expect(200)["message"].clone();
    assert_eq!((&taken["state"], because(&taken)), (&json!("cancelled"), None));
}

#[tokio::test]
async fn a_limit_of_whatsapps_is_told_of_the_whole_queue() {
    let api = Api::new().await;
    api.ready("a").await;
    api.driver.refuse_sends(Some((Some(429), "rate-overlimit")));
    let waits = json!({"timeoutMs": 200});
    let sent = send(&api, BRUNO, waits).await.expect(202);
    let paused = loop {
        let queue = api.get("/sessions/a/queue").await.expect(200);
        if queue["paused"] == true {
            break queue;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(paused["pausedBecause"]["code"], "rate_locked");
    assert!(paused["pausedUntil"].is_string());
    assert_eq!(paused["messages"][0]["id"], sent["id"]);
    assert_eq!(paused["messages"][0]["state"], "queued");
}

#[tokio::test]
async fn a_message_of_a_session_that_is_gone_stays_readable() {
    let api = Api::new().await;
    api.ready("a").await;
    let later = json!({"sendAt": "2099-01-01T00:00:00Z"});
    let later = send(&api, BRUNO, later).await.expect(202);
    let path = format!("/messages/{}", later["id"].as_str().unwrap());
    api.driver.remove_device(&id("a")).await;
    api.until("a", |info| info.state.is_settled()).await;
    // A message that failed for the logout keeps that reason when the session is removed.
    api.delete("/sessions/a").await.expect(200);
    let read = api.get(&path).await.expect(200)["message"].clone();
    assert_eq!((&read["state"], &read["reason"]["code"]), (&json!("failed"), &json!("logged_out")));
    assert_eq!(
        api.delete(&path).await.error(),
        (409, "message_not_cancellable".to_owned())
    );
}

#[tokio::test]
async fn chatwoots_webhook_takes_an_idempotency_key_too() {
    let api = Api::new().await;
    api.ready("zapnode-session").await;
    let chatwoot = json!({
        "event": "message_created", "message_type": "outgoing", "content": "once",
        "conversation": {"meta": {"sender": {"phone_number": BRUNO}}},
    });
    let plain = json!({"phoneNumber": ANA, "message": "once"});
    for (path, key, body, to) in [
        ("/webhook", "chatwoot-7", chatwoot, BRUNO),
        ("/webhook/test", "test-7", plain, ANA),
    ] {
        let headers = [JSON, ("idempotency-key", key)];
        let body = body.to_string();
        let first = api.send(Method::POST, path, &headers, &body).await.expect(200);
        let again = api.send(Method::POST, path, &headers, &body).await.expect(200);
        assert_eq!((&again["id"], &again["repeated"]), (&first["id"], &json!(true)));
        assert_eq!(api.driver.delivered_to(&phone(to)).len(), 1, "{path}");
        let other = body.replace("once", "twice");
        let other = api.send(Method::POST, path, &headers, &other).await;
        assert_eq!(other.error(), (422, "idempotency_mismatch".to_owned()));
    }
    api.until("zapnode-session", SessionInfo::is_ready).await;
}
