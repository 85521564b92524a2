//! Bulk jobs, the opt-out list and pools over HTTP.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use support::{ANA, Answer, Api, BRUNO, id, phone};

const JSON: (&str, &str) = ("content-type", "application/json");

fn number(n: usize) -> String {
    format!("5511900000{n:03}")
}

fn recipients(count: usize) -> Value {
    let all = (0..count).map(|n| json!({"to": number(n), "fields": {"name": format!("nº {n}")}}));
    all.collect()
}

impl Api {
    async fn keyed(&self, path: &str, key: &str, body: &Value) -> Answer {
        let headers = [JSON, ("idempotency-key", key)];
        self.send(Method::POST, path, &headers, &body.to_string())
            .await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &[JSON], &body.to_string())
            .await
    }

    fn texts(&self, number: &str) -> Vec<String> {
        let got = self.driver.delivered_to(&phone(number)).into_iter();
        got.map(|(_, text)| text).collect()
    }

    async fn job_until(&self, job: &str, so: impl Fn(&Value) -> bool) -> Value {
        let mut path = format!("/bulk/{job}");
        loop {
            let answer = self.get(&path).await.expect(200);
            if so(&answer["job"]) {
                return answer["job"].clone();
            }
            let generation = answer["job"]["generation"].as_u64().unwrap();
            let next = format!("/bulk/{job}?newerThan={generation}&timeoutMs=20000");
            assert!(path != next, "no news in time: {answer}");
            path = next;
        }
    }
}

#[tokio::test]
async fn a_job_over_http() {
    let api = Api::new().await;
    api.ready("shop").await;
    let path = "/sessions/shop/messages/bulk";
    let mut all = recipients(3);
    let list = all.as_array_mut().unwrap();
    list.push(json!({"to": "+55 11 900 000 001", "fields": {"name": "outra vez"}}));
    list.push(json!({"to": "12", "fields": {"name": "ninguém"}}));
    let body = json!({"recipients": all, "template": "Olá {{name}}", "paced": false,
                      "skipInvalid": true, "name": "teste"});
    let answer = api.keyed(path, "k", &body).await.expect(202);
    assert_eq!(answer["success"], true);
    assert!(answer["risk"].as_str().unwrap().contains("bans numbers"));
    let first = &answer["job"];
    assert_eq!(
        (
            &first["session"],
            &first["name"],
            &first["total"],
            &first["paced"]
        ),
        (&json!("shop"), &json!("teste"), &json!(3), &json!(false))
    );
    assert_eq!(
        first["skipped"],
        json!({"optedOut": 0, "duplicate": 1, "invalid": 1})
    );
    assert_eq!(answer["invalid"][0]["index"], 4);
    assert_eq!(answer["invalid"][0]["code"], "invalid_phone_number");

    let job = first["id"].as_str().unwrap();
    let done = api.job_until(job, |j| j["state"] == "done").await;
    assert_eq!(
        done["counts"],
        json!({"queued": 0, "sending": 0, "sent": 3, "delivered": 0, "read": 0, "failed": 0,
               "cancelled": 0})
    );
    assert_eq!(api.texts(&number(1)), ["Olá nº 1"]);

    let again = api.keyed(path, "k", &body).await.expect(202);
    assert_eq!(
        (&again["repeated"], &again["job"]["id"]),
        (&json!(true), &json!(job))
    );
    let mut other = body.clone();
    other["template"] = "Oi".into();
    let refused = api.keyed(path, "k", &other).await;
    assert_eq!(refused.error(), (422, "idempotency_mismatch".to_owned()));

    let page = api
        .get(&format!("/bulk/{job}/messages?limit=2"))
        .await
        .expect(200);
    assert_eq!(
        (&page["count"], &page["messages"][0]["state"]),
        (&json!(2), &json!("sent"))
    );
    let cursor = page["nextCursor"].as_i64().unwrap();
    let rest = api
        .get(&format!("/bulk/{job}/messages?cursor={cursor}&state=sent"))
        .await;
    assert_eq!(rest.expect(200)["count"], 1);
    let jobs = api.get("/bulk?session=shop&limit=1").await.expect(200);
    assert_eq!(jobs["jobs"][0]["id"], job);
    let cursor = jobs["nextCursor"].as_str().unwrap();
    assert_eq!(
        api.get(&format!("/bulk?cursor={cursor}")).await.expect(200)["count"],
        0
    );
    assert_eq!(api.get("/bulk?session=other").await.expect(200)["count"], 0);
}

#[tokio::test]
async fn a_job_is_held_resumed_and_cancelled() {
    let api = Api::new().await;
    api.ready("shop").await;
    let body = json!({"recipients": recipients(4), "template": "{{name}}", "sendAt": "2099-01-01T00:00:00Z"});
    let answer = api
        .post("/sessions/shop/messages/bulk", body)
        .await
        .expect(202);
    assert!(answer.get("risk").is_none() && answer["job"]["paced"] == true);
    assert_eq!(answer["job"]["sendAt"], "2099-01-01T00:00:00.000Z");
    let end = answer["job"]["estimatedEnd"].as_str().unwrap();
    assert!(end.starts_with("2099-01-01T00:00:"), "{end}");
    let job = answer["job"]["id"].as_str().unwrap().to_owned();

    // Whoever waits is told.
    let generation = &answer["job"]["generation"];
    let path = format!("/bulk/{job}?newerThan={generation}&timeoutMs=20000");
    let pause = format!("/bulk/{job}/pause");
    let (news, paused) = tokio::join!(api.get(&path), api.raw(&pause, ""));
    assert_eq!(paused.expect(200)["job"]["state"], "paused");
    assert_eq!(news.expect(200)["job"]["state"], "paused");
    let path = format!("/bulk/{job}?newerThan={generation}&timeoutMs=0");
    assert_eq!(api.get(&path).await.expect(200)["job"]["state"], "paused");

    for (act, state, taken) in [
        ("pause", "paused", None),
        ("resume", "running", None),
        ("resume", "running", None),
        ("cancel", "cancelled", Some(4)),
        ("cancel", "cancelled", Some(0)),
    ] {
        let answer = api.raw(&format!("/bulk/{job}/{act}"), "").await.expect(200);
        assert_eq!(answer["job"]["state"], state, "{act}");
        assert_eq!(answer["takenBack"].as_u64(), taken, "{act}");
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_is_refused_as_a_whole() {
    let api = Api::new().await;
    api.ready("shop").await;
    let path = "/sessions/shop/messages/bulk";
    for (body, code, text) in [
        (json!({"template": "x"}), "invalid_request", "recipients"),
        (
            json!({"recipients": ["5511900000001"]}),
            "invalid_request",
            "template",
        ),
        (
            json!({"recipients": [], "template": "x"}),
            "invalid_request",
            "1 to 10000",
        ),
        (
            json!({"recipients": {}, "template": "x"}),
            "invalid_request",
            "list",
        ),
        (
            json!({"recipients": [true], "template": "x"}),
            "invalid_request",
            "recipients[0]",
        ),
        (
            json!({"recipients": [{"to": "1", "fields": {"a": []}}], "template": "x"}),
            "invalid_request",
            "a field",
        ),
        (
            json!({"recipients": vec!["5511900000001"; 10_001], "template": "x"}),
            "invalid_request",
            "10000",
        ),
        (
            json!({"recipients": ["5511900000001"], "template": "{{a"}),
            "invalid_template",
            "no end",
        ),
        (
            json!({"recipients": ["5511900000001"], "template": "x", "sendAt": "soon"}),
            "invalid_request",
            "time",
        ),
        (
            json!({"recipients": ["5511900000001"], "template": "x", "paced": "no"}),
            "invalid_request",
            "paced",
        ),
        (
            json!({"recipients": ["5511900000001"], "template": "x", "name": "n".repeat(201)}),
            "invalid_request",
            "name",
        ),
    ] {
        let refused = api.post(path, body.clone()).await;
        assert_eq!(refused.error(), (400, code.to_owned()), "{text}");
        let error = refused.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(text), "{error}");
    }
    let many: Vec<_> = (0..150).map(|_| json!("12")).collect();
    let refused = api
        .post(path, json!({"recipients": many, "template": "x"}))
        .await;
    assert_eq!(refused.error(), (400, "invalid_recipients".to_owned()));
    let refused = refused.json();
    assert_eq!(refused["invalidCount"], 150);
    assert_eq!(refused["invalid"].as_array().unwrap().len(), 100);
    let body = json!({"recipients": ["5511900000001", {"to": "5511900000002", "fields": {"name": "x"}}],
                      "template": "{{name}}", "skipInvalid": true});
    let refused = api.post(path, body).await;
    assert_eq!(refused.error(), (400, "invalid_recipients".to_owned()));
    assert_eq!(
        refused.json()["invalid"],
        json!([{"index": 0, "code": "missing_field", "message": "the field \"name\" is missing",
                "field": "name"}])
    );
    assert_eq!(api.get("/bulk").await.expect(200)["count"], 0);
    let job = json!({"recipients": ["5511900000001"], "template": "x"});
    let refused = api.post("/sessions/nope/messages/bulk", job).await;
    assert_eq!(refused.error(), (404, "session_not_found".to_owned()));
    for path in [
        "/bulk/nope",
        "/bulk/01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "/bulk/01ARZ3NDEKTSV4RRFFQ69G5FAV/messages",
    ] {
        assert_eq!(
            api.get(path).await.error(),
            (404, "bulk_not_found".to_owned())
        );
    }
    for path in [
        "/bulk?limit=0",
        "/bulk?cursor=x",
        "/bulk/01ARZ3NDEKTSV4RRFFQ69G5FAV?timeoutMs=60001",
    ] {
        assert_eq!(api.get(path).await.error().0, 400, "{path}");
    }
}

#[tokio::test]
async fn only_a_job_may_be_large() {
    let api = Api::new().await;
    api.ready("shop").await;
    let filler = "x".repeat(2 * 1024 * 1024);
    let body = json!({"recipients": ["5511900000001"], "template": "x", "filler": filler});
    api.post("/sessions/shop/messages/bulk", body.clone())
        .await
        .expect(202);
    let refused = api.post("/sessions/shop/send", body).await;
    assert_eq!(refused.error(), (413, "payload_too_large".to_owned()));
    let body = json!({"filler": "x".repeat(16 * 1024 * 1024)});
    let refused = api.post("/sessions/shop/messages/bulk", body).await;
    assert_eq!(refused.error(), (413, "payload_too_large".to_owned()));
    assert!(refused.json()["error"].as_str().unwrap().contains("16 MiB"));
}

#[tokio::test]
async fn the_opt_out_list() {
    let api = Api::new().await;
    api.ready("shop").await;
    let put = api
        .put(
            "/optouts/+55%2011%2090000-0001",
            json!({"reason": " pediu "}),
        )
        .await;
    let put = put.expect(201);
    assert_eq!(
        (
            &put["optOut"]["number"],
            &put["optOut"]["reason"],
            &put["optOut"]["source"]
        ),
        (&json!("5511900000001"), &json!("pediu"), &json!("request"))
    );
    let again = api
        .send(Method::PUT, "/optouts/5511900000001", &[], "")
        .await;
    assert_eq!(again.expect(200)["optOut"]["reason"], "pediu");
    api.send(Method::PUT, "/optouts/77@lid", &[], "")
        .await
        .expect(201);
    // By an answer.
    api.driver.write(&id("shop"), &phone(BRUNO), "PARAR").await;
    let listed = async {
        loop {
            let list = api.get("/optouts").await.expect(200);
            if list["count"] == 3 {
                return list;
            }
            tokio::task::yield_now().await;
        }
    };
    let list = tokio::time::timeout(Duration::from_secs(10), listed)
        .await
        .unwrap();
    let newest = &list["optOuts"][0];
    assert_eq!(
        (&newest["number"], &newest["source"], &newest["sessionId"]),
        (&json!(BRUNO), &json!("stop_word"), &json!("shop"))
    );
    let page = api.get("/optouts?limit=2").await.expect(200);
    let cursor = page["nextCursor"].as_i64().unwrap();
    let rest = api
        .get(&format!("/optouts?cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(rest["optOuts"][0]["number"], "5511900000001");
    assert_eq!(api.get("/optouts?q=pedi").await.expect(200)["count"], 1);

    // A job leaves them out; an answer passes.
    let body =
        json!({"recipients": ["5511900000001", BRUNO, ANA], "template": "x", "paced": false});
    let answer = api
        .post("/sessions/shop/messages/bulk", body)
        .await
        .expect(202);
    assert_eq!(answer["job"]["skipped"]["optedOut"], 2);
    let body = json!({"phoneNumber": BRUNO, "message": "Feito."});
    api.post("/sessions/shop/send", body).await.expect(200);
    assert_eq!(api.texts(BRUNO), ["Feito."]);

    api.delete("/optouts/5511900000001").await.expect(200);
    let gone = api.delete("/optouts/5511900000001").await;
    assert_eq!(gone.error(), (404, "opt_out_not_found".to_owned()));
    for path in ["/optouts/12", "/optouts/12@g.us"] {
        assert_eq!(api.put(path, json!({})).await.error().0, 400, "{path}");
    }
    let long = json!({"reason": "x".repeat(501)});
    assert_eq!(api.put("/optouts/5511900000001", long).await.error().0, 400);
}

#[tokio::test]
async fn several_sessions_send_as_one() {
    let api = Api::new().await;
    for session in ["a", "b"] {
        api.ready(session).await;
    }
    let send = async |body: Value| api.post("/send", body).await;
    let both = json!(["a", "b"]);
    let sent = send(json!({"sessions": both, "to": BRUNO, "message": "1"}))
        .await
        .expect(200);
    assert_eq!(
        (&sent["success"], &sent["to"], &sent["state"]),
        (&json!(true), &json!(BRUNO), &json!("sent"))
    );
    let first = sent["sessionId"].as_str().unwrap().to_owned();
    let other = if first == "a" { "b" } else { "a" };

    let made = api
        .put("/pools/vendas", json!({"sessions": both}))
        .await
        .expect(201);
    assert_eq!(made["pool"]["strategy"], "sticky");
    let pool = json!({"pool": "vendas", "phoneNumber": BRUNO, "message": "2"});
    let sent = api.keyed("/send", "k", &pool).await.expect(200);
    assert_eq!(sent["sessionId"], first);
    api.post(&format!("/sessions/{first}/stop"), json!({}))
        .await
        .expect(200);
    let again = api.keyed("/send", "k", &pool).await.expect(200);
    assert_eq!(
        (&again["id"], &again["repeated"]),
        (&sent["id"], &json!(true))
    );
    let next = send(json!({"pool": "vendas", "to": BRUNO, "message": "3"})).await;
    assert_eq!(next.expect(200)["sessionId"], other);
    assert_eq!(api.texts(BRUNO), ["1", "2", "3"]);

    api.post(&format!("/sessions/{other}/stop"), json!({}))
        .await
        .expect(200);
    let none = send(json!({"pool": "vendas", "to": BRUNO, "message": "4"})).await;
    assert_eq!(none.error(), (503, "session_not_ready".to_owned()));
    assert!(none.headers.contains_key("retry-after"));
    let none = none.json();
    assert_eq!(none["sessions"][0]["sessionId"], "a");
    assert_eq!(none["sessions"][1]["status"], "stopped");
    api.delete("/sessions/b").await.expect(200);
    let none = send(json!({"pool": "vendas", "to": BRUNO, "message": "4"}))
        .await
        .json();
    assert_eq!(none["sessions"][1]["status"], "not_found");

    let changed = json!({"sessions": ["a"], "strategy": "least-loaded"});
    let changed = api.put("/pools/vendas", changed).await.expect(200);
    assert_eq!(changed["pool"]["strategy"], "least-loaded");
    assert_eq!(api.get("/pools").await.expect(200)["count"], 1);
    let shown = api.get("/pools/vendas").await.expect(200);
    assert_eq!(shown["pool"]["sessions"], json!(["a"]));
    api.delete("/pools/vendas").await.expect(200);
    let gone = api.get("/pools/vendas").await;
    assert_eq!(gone.error(), (404, "pool_not_found".to_owned()));
    assert_eq!(api.delete("/pools/vendas").await.error().0, 404);
}

#[tokio::test]
async fn what_makes_no_sense_to_several_is_refused() {
    let api = Api::new().await;
    api.ready("a").await;
    for (body, status) in [
        (json!({"to": BRUNO, "message": "x"}), 400),
        (
            json!({"sessions": ["a"], "pool": "p", "to": BRUNO, "message": "x"}),
            400,
        ),
        (json!({"sessions": [], "to": BRUNO, "message": "x"}), 400),
        (json!({"sessions": "a", "to": BRUNO, "message": "x"}), 400),
        (
            json!({"sessions": ["../a"], "to": BRUNO, "message": "x"}),
            400,
        ),
        (json!({"sessions": ["a"], "message": "x"}), 400),
        (json!({"sessions": ["a"], "to": "12", "message": "x"}), 400),
        (json!({"sessions": ["a"], "to": BRUNO, "message": " "}), 400),
        (
            json!({"sessions": ["a"], "to": BRUNO, "message": "x", "strategy": "random"}),
            400,
        ),
        (
            json!({"sessions": ["a"], "to": BRUNO, "message": "x", "waitFor": "soon"}),
            400,
        ),
        (
            json!({"sessions": ["a", "nope"], "to": BRUNO, "message": "x"}),
            404,
        ),
        (json!({"pool": "nope", "to": BRUNO, "message": "x"}), 404),
    ] {
        assert_eq!(
            api.post("/send", body.clone()).await.error().0,
            status,
            "{body}"
        );
    }
    assert!(api.texts(BRUNO).is_empty());
    for (name, body) in [
        ("a%20b", json!({"sessions": ["a"]})),
        ("p", json!({})),
        ("p", json!({"sessions": []})),
        ("p", json!({"sessions": ["a"], "strategy": 1})),
    ] {
        assert_eq!(
            api.put(&format!("/pools/{name}"), body).await.error().0,
            400
        );
    }
    let unknown = api.put("/pools/p", json!({"sessions": ["nope"]})).await;
    assert_eq!(unknown.error(), (404, "session_not_found".to_owned()));
    assert!(unknown.json()["error"].as_str().unwrap().contains("nope"));
}
