//! Channels, labels and status over HTTP, on the scripted driver.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::json;
use support::{ANA, Api, BRUNO, phone};

#[tokio::test]
async fn channels_are_made_followed_and_written_to() {
    let api = Api::new().await;
    api.ready("a").await;
    let base = "/sessions/a/channels";
    let made = api
        .post(base, json!({"name": "Obras", "description": "d"}))
        .await
        .expect(201);
    let own = made["channel"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&made["channel"]["role"], &made["channel"]["description"]),
        (&json!("owner"), &json!("d"))
    );
    let posted = api
        .post(&format!("{base}/{own}/messages"), json!({"text": "olá"}))
        .await
        .expect(201);
    assert!(
        posted["messageId"].as_str().unwrap().contains(&own),
        "{posted}"
    );
    assert_eq!(api.driver.posts_of(&own.parse().unwrap()), ["olá"]);

    let theirs = api.driver.make_channel(&phone(BRUNO), "Deles");
    let link = theirs.link().unwrap();
    let found = api
        .get(&format!("{base}/invite?invite={link}"))
        .await
        .expect(200);
    assert_eq!(
        (&found["channel"]["name"], &found["channel"]["role"]),
        (&json!("Deles"), &json!("guest"))
    );
    let path = format!("{base}/{}", theirs.id);
    let count = async || api.get(base).await.expect(200)["count"].clone();
    api.post(&format!("{path}/follow"), json!({}))
        .await
        .expect(200);
    assert_eq!(count().await, 2);
    let text = json!({"text": "posso?"});
    assert_eq!(
        api.post(&format!("{path}/messages"), text).await.error(),
        (409, "not_allowed".to_owned())
    );
    api.post(&format!("{path}/unfollow"), json!({}))
        .await
        .expect(200);
    assert_eq!(count().await, 1);

    for (path, body, error) in [
        (base.to_owned(), json!({}), (400, "invalid_request")),
        (
            base.to_owned(),
            json!({"name": "x".repeat(101)}),
            (400, "invalid_request"),
        ),
        (
            format!("{base}/{BRUNO}@c.us/follow"),
            json!({}),
            (400, "invalid_request"),
        ),
        (
            format!("{base}/12@newsletter/follow"),
            json!({}),
            (404, "channel_not_found"),
        ),
        (
            format!("{base}/{own}/messages"),
            json!({"text": ""}),
            (400, "invalid_request"),
        ),
    ] {
        let answer = api.post(&path, body).await.error();
        assert_eq!((answer.0, &*answer.1), error, "{path}");
    }
    let nowhere = api
        .get(&format!("{base}/invite?invite=0029VaNowhere"))
        .await;
    assert_eq!(nowhere.error(), (404, "invite_not_found".to_owned()));
    api.driver.forbid_channels();
    let denied = api.post(base, json!({"name": "Mais"})).await;
    assert_eq!(denied.error(), (409, "not_allowed".to_owned()));
}

#[tokio::test]
async fn labels_are_put_on_chats_and_taken_off() {
    let api = Api::new().await;
    api.ready("a").await;
    assert_eq!(
        api.get("/sessions/a/labels").await.error(),
        (409, "not_allowed".to_owned())
    );
    api.driver.set_labels(&["Novo", "Pago"]);
    let labels = api.get("/sessions/a/labels").await.expect(200);
    assert_eq!(
        (&labels["count"], &labels["labels"][1]["name"]),
        (&json!(2), &json!("Pago"))
    );
    let chats = json!({"chats": [BRUNO, "+244 929 000 003"]});
    let path = "/sessions/a/labels/2/chats";
    for _ in 0..2 {
        let now = api.post(path, chats.clone()).await.expect(200);
        assert_eq!(
            now["labels"][1]["chats"].as_array().unwrap().len(),
            2,
            "{now}"
        );
    }
    let now = api
        .post(&format!("{path}/remove"), json!({"chats": [BRUNO]}))
        .await
        .expect(200);
    assert_eq!(now["labels"][1]["chats"], json!(["244929000003@c.us"]));
    assert_eq!(api.post(path, json!({})).await.error().0, 400);
    let unknown = api
        .post("/sessions/a/labels/9/chats", json!({"chats": [BRUNO]}))
        .await;
    assert_eq!(unknown.error(), (404, "label_not_found".to_owned()));
}

#[tokio::test]
async fn a_status_is_shown_and_those_of_others_listed() {
    let api = Api::new().await;
    api.ready("a").await;
    api.driver.show_status(&phone(BRUNO), "bom dia");
    let path = "/sessions/a/stories";
    let shown = api
        .post(
            path,
            json!({"text": "aberto", "color": "#102030", "font": 3}),
        )
        .await
        .expect(201);
    assert!(
        shown["messageId"]
            .as_str()
            .unwrap()
            .starts_with("true_status@broadcast_"),
        "{shown}"
    );
    let list = api.get(path).await.expect(200);
    assert_eq!(
        (&list["count"], &list["statuses"][0]["from"]["number"]),
        (&json!(2), &json!(BRUNO))
    );
    assert_eq!(list["statuses"][0]["updates"][0]["text"], "bom dia");
    assert_eq!(list["statuses"][1]["from"]["number"], ANA);
    for body in [
        json!({}),
        json!({"text": " "}),
        json!({"text": "x".repeat(701)}),
        json!({"text": "a", "font": 8}),
        json!({"text": "a", "font": 900}),
        json!({"text": "a", "color": "red"}),
    ] {
        let answer = api.post(path, body.clone()).await;
        assert_eq!(
            answer.error(),
            (400, "invalid_request".to_owned()),
            "{body}"
        );
    }
    assert_eq!(api.get(path).await.expect(200)["count"], 2);
}
