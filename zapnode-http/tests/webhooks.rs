//! Webhooks through the API: what can be asked for, what is refused, and what is never shown.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{Answer, Api, BRUNO, id, phone};
use zapnode_core::webhook::receiver::{Receiver, Reply};

async fn api() -> Api {
    Api::with(|_| {}, |manager| manager.webhooks.allow_private = true).await
}

async fn patch(api: &Api, path: &str, body: Value) -> Answer {
    let json = [("content-type", "application/json")];
    api.send(Method::PATCH, path, &json, &body.to_string())
        .await
}

async fn create(api: &Api, body: Value) -> Value {
    api.post("/webhooks", body).await.expect(201)["webhook"].take()
}

fn path(webhook: &Value, rest: &str) -> String {
    format!("/webhooks/{}{rest}", webhook["id"].as_str().unwrap())
}

/// Waits until a webhook is as it should be.
async fn until(api: &Api, path: &str, so: impl Fn(&Value) -> bool) -> Value {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let mut look = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        look.tick().await;
        let answer = api.get(path).await.expect(200);
        if so(&answer) {
            return answer;
        }
        assert!(std::time::Instant::now() < deadline, "{answer}");
    }
}

#[tokio::test]
async fn made_shown_changed_and_deleted() {
    let api = api().await;
    let made = create(
        &api,
        json!({
            "url": "https://example.com/hook?x=1",
            "events": ["message", "session.status"],
            "session": "shop",
            "headers": {"Authorization": "Bearer verysecret", "X-Team": "blue"},
            "retries": {"policy": "linear", "delaySeconds": 2.5, "attempts": 4},
        }),
    )
    .await;
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert!(made["id"].as_str().unwrap().starts_with("whk_"));
    assert!(made["createdAt"].as_str().unwrap().ends_with('Z'));
    let mut fields = made.clone();
    for name in ["id", "secret", "createdAt", "lag"] {
        fields.as_object_mut().unwrap().remove(name).unwrap();
    }
    assert_eq!(
        fields,
        json!({
            "url": "https://example.com/hook?x=1",
            "events": ["session.status", "message"],
            "session": "shop",
            "headers": {"authorization": "********", "x-team": "blue"},
            "retries": {"policy": "linear", "delaySeconds": 2.5, "attempts": 4},
            "ordered": true,
            "paused": false,
            "disabledReason": null,
            "source": "api",
            "counts": {"delivered": 0, "dead": 0, "pending": 0, "failures": 0, "missed": 0},
            "receiver": {"down": false, "failuresInARow": 0},
        })
    );

    // The secret is shown to whoever asks for it, and nowhere else.
    let shown = api.get(&path(&made, "")).await;
    assert!(!String::from_utf8_lossy(&shown.body).contains(&secret[6..]));
    let list = api.get("/webhooks").await;
    assert!(!String::from_utf8_lossy(&list.body).contains(&secret[6..]));
    assert!(!String::from_utf8_lossy(&list.body).contains("verysecret"));
    let asked = api.get(&path(&made, "/secret")).await.expect(200);
    assert_eq!(asked["secret"], secret.as_str());

    let other = create(&api, json!({"url": "https://example.org", "events": ["*"]})).await;
    assert_eq!(other["session"], Value::Null);
    assert_eq!(
        other["retries"],
        json!({"policy": "exponential", "delaySeconds": 1.0, "attempts": 15})
    );
    for (query, count) in [("", 2), ("?session=shop", 2), ("?session=other", 1)] {
        let list = api.get(&format!("/webhooks{query}")).await.expect(200);
        assert_eq!(list["webhooks"].as_array().unwrap().len(), count, "{query}");
    }

    let change = json!({"session": null, "paused": true, "retries": {"attempts": 7}});
    let changed = patch(&api, &path(&made, ""), change).await.expect(200);
    let changed = &changed["webhook"];
    assert_eq!(changed["session"], Value::Null);
    assert_eq!(changed["paused"], true);
    assert_eq!(
        changed["retries"],
        json!({"policy": "linear", "delaySeconds": 2.5, "attempts": 7})
    );
    assert_eq!(changed["url"], made["url"]);

    let rotated = api
        .post(
            &path(&made, "/rotate-secret"),
            json!({"overlapSeconds": 60}),
        )
        .await
        .expect(200);
    assert_ne!(rotated["webhook"]["secret"], secret.as_str());
    assert!(rotated["webhook"]["previousSecretUntil"].is_string());

    api.delete(&path(&made, "")).await.expect(200);
    for (method, rest) in [
        (Method::GET, ""),
        (Method::DELETE, ""),
        (Method::GET, "/secret"),
        (Method::GET, "/deliveries"),
        (Method::POST, "/test"),
    ] {
        let answer = api.send(method, &path(&made, rest), &[], "").await;
        assert_eq!(
            answer.error(),
            (404, "webhook_not_found".to_owned()),
            "{rest}"
        );
    }
}

#[tokio::test]
async fn what_is_refused_and_changes_nothing() {
    let api = Api::new().await;
    let good = json!({"url": "https://example.com/", "events": ["*"]});
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    let table = [
        (json!({"events": ["*"]}), "invalid_request"),
        (json!({"url": "https://example.com/"}), "invalid_request"),
        (with("url", json!("example.com")), "invalid_request"),
        (with("url", json!("ftp://example.com")), "invalid_request"),
        (
            with("url", json!("https://u:p@example.com")),
            "invalid_request",
        ),
        (with("url", json!("http://127.0.0.1:9/")), "private_address"),
        (with("url", json!("http://2130706433/")), "private_address"),
        (with("url", json!("http://[::1]/")), "private_address"),
        (
            with("url", json!("http://169.254.169.254/latest")),
            "private_address",
        ),
        (with("url", json!("http://localhost/")), "private_address"),
        (with("events", json!([])), "invalid_request"),
        (with("events", json!("message")), "invalid_request"),
        (with("events", json!([1])), "invalid_request"),
        (with("events", json!(["mesage"])), "invalid_request"),
        (with("session", json!("no/such")), "invalid_session_id"),
        (with("headers", json!({"Host": "x"})), "invalid_request"),
        (with("headers", json!({"a b": "x"})), "invalid_request"),
        (with("headers", json!({"a": 1})), "invalid_request"),
        (with("headers", json!([])), "invalid_request"),
        (with("secret", json!("short")), "invalid_request"),
        (with("secret", json!("whsec_dGVzdA==")), "invalid_request"),
        (
            with("retries", json!({"policy": "never"})),
            "invalid_request",
        ),
        (with("retries", json!({"attempts": 0})), "invalid_request"),
        (with("retries", json!({"attempts": 1.5})), "invalid_request"),
        (
            with("retries", json!({"attempts": 1e300})),
            "invalid_request",
        ),
        (
            with("retries", json!({"delaySeconds": -1})),
            "invalid_request",
        ),
        (
            with("retries", json!({"delaySeconds": 61})),
            "invalid_request",
        ),
        (with("retries", json!(15)), "invalid_request"),
        (with("paused", json!("yes")), "invalid_request"),
        (with("ordered", json!(1)), "invalid_request"),
    ];
    for (body, code) in &table {
        let answer = api.post("/webhooks", body.clone()).await;
        assert_eq!(answer.error(), (400, (*code).to_owned()), "{body}");
    }
    let list = api.get("/webhooks").await.expect(200);
    assert_eq!(list["webhooks"], json!([]));

    // An unknown event is told together with those there are.
    let answer = api
        .post("/webhooks", with("events", json!(["mesage"])))
        .await;
    let error = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(
        error.contains("mesage") && error.contains("message.ack"),
        "{error}"
    );
    let private = with("url", json!("http://10.0.0.1/"));
    let answer = api.post("/webhooks", private).await.json();
    let hint = answer["hint"].as_str().unwrap();
    assert!(hint.contains("ZAPNODE_ALLOW_PRIVATE_ADDRESSES"), "{hint}");

    let made = create(&api, good.clone()).await;
    for (body, code) in &table[2..] {
        let name = body.as_object().unwrap().iter();
        let changed: serde_json::Map<_, _> = name
            .filter(|(name, value)| good[name.as_str()] != **value)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let answer = patch(&api, &path(&made, ""), changed.into()).await;
        assert_eq!(answer.error(), (400, (*code).to_owned()), "{body}");
    }
    let after = api.get(&path(&made, "")).await.expect(200);
    assert_eq!(after["webhook"]["url"], made["url"]);

    for (rest, body, status, code) in [
        (
            "/rotate-secret",
            json!({"overlapSeconds": 604_801}),
            400,
            "invalid_request",
        ),
        (
            "/rotate-secret",
            json!({"overlapSeconds": -1}),
            400,
            "invalid_request",
        ),
        ("/replay", json!({}), 400, "invalid_request"),
        (
            "/replay",
            json!({"eventId": "evt_x"}),
            400,
            "invalid_request",
        ),
        (
            "/replay",
            json!({"from": "yesterday"}),
            400,
            "invalid_request",
        ),
        (
            "/replay",
            json!({"eventId": "evt_01JY0000000000000000000000"}),
            404,
            "event_not_found",
        ),
        (
            "/deliveries/whd_x/retry",
            json!({}),
            404,
            "delivery_not_found",
        ),
    ] {
        let answer = api.post(&path(&made, rest), body.clone()).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{rest} {body}");
    }
    for query in ["?state=lost", "?limit=0", "?limit=201", "?cursor=x"] {
        let answer = api.get(&path(&made, &format!("/deliveries{query}"))).await;
        assert_eq!(
            answer.error(),
            (400, "invalid_request".to_owned()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn tested_listed_retried_and_replayed() {
    let api = api().await;
    let receiver = Receiver::start().await.unwrap();
    receiver.behave(|delivered| {
        if delivered.event["payload"]["body"] == "bad" {
            Reply::Text(500, "not this one".to_owned())
        } else {
            Reply::Status(200)
        }
    });
    let made = create(
        &api,
        json!({
            "url": receiver.url("/"),
            "events": ["message"],
            "retries": {"policy": "constant", "delaySeconds": 0.01, "attempts": 2},
        }),
    )
    .await;
    receiver.trust(made["secret"].as_str().unwrap());
    let test = api.post(&path(&made, "/test"), json!({})).await.expect(200);
    assert_eq!(test["delivered"], true, "{test}");
    assert_eq!(test["status"], 200);

    api.ready("a").await;
    for text in ["good", "bad", "last"] {
        api.driver.write(&id("a"), &phone(BRUNO), text).await;
    }
    let done = until(&api, &path(&made, ""), |answer| {
        let counts = &answer["webhook"]["counts"];
        counts["delivered"] == 2 && counts["dead"] == 1
    })
    .await;
    assert_eq!(done["webhook"]["counts"]["failures"], 2);
    receiver.assert_clean();

    let first = api
        .get(&path(&made, "/deliveries?limit=2"))
        .await
        .expect(200);
    assert_eq!(first["deliveries"].as_array().unwrap().len(), 2);
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = format!("/deliveries?limit=2&cursor={cursor}");
    let rest = api.get(&path(&made, &rest)).await.expect(200);
    assert_eq!(rest["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(rest["nextCursor"], Value::Null);
    let dead = api
        .get(&path(&made, "/deliveries?state=dead"))
        .await
        .expect(200);
    let dead = dead["deliveries"][0].clone();
    assert_eq!(dead["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(dead["attempts"][1]["status"], 500);
    assert_eq!(dead["attempts"][1]["error"], "http_status");
    assert_eq!(dead["attempts"][1]["answer"], "not this one");

    receiver.behave(|_| Reply::Status(200));
    let before = receiver.taken().len();
    let retry = format!("/deliveries/{}/retry", dead["id"].as_str().unwrap());
    let queued = api.post(&path(&made, &retry), json!({})).await.expect(202);
    assert_eq!(queued["success"], true);
    let got = receiver.until_taken(before + 1).await;
    assert_eq!(got.last().unwrap().id, dead["eventId"].as_str().unwrap());

    let body = json!({"eventId": dead["eventId"]});
    let replayed = api.post(&path(&made, "/replay"), body).await.expect(202);
    assert_eq!(replayed["queued"], 1);
    let body = json!({"from": 0, "to": "2100-01-01T00:00:00Z"});
    let replayed = api.post(&path(&made, "/replay"), body).await.expect(202);
    assert_eq!(replayed["queued"], 3);
    receiver.until_taken(before + 5).await;
    receiver.assert_clean();
}
