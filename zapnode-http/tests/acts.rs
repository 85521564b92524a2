//! What is done to messages and chats, over HTTP.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{Answer, Api, BRUNO, id, phone};
use zapnode_core::driver::scripted::Act;
use zapnode_core::message::{Activity, EventAnswer, PinTime, RevokedFor};
use zapnode_core::{ChatId, MessageId};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn put(api: &Api, path: &str, body: Value) -> Answer {
    api.send(Method::PUT, path, &[JSON], &body.to_string())
        .await
}

/// Sends a text; its own id and WhatsApp's.
async fn sent(api: &Api) -> (String, String) {
    let body = json!({"phoneNumber": BRUNO, "message": "um"});
    let sent = api.post("/sessions/a/send", body).await.expect(200);
    let text = |name: &str| sent[name].as_str().unwrap().to_owned();
    (text("id"), text("messageId"))
}

/// Somebody writes; what they wrote is stored.
async fn received(api: &Api) -> String {
    let from = phone(BRUNO);
    let written = api.driver.write(&id("a"), &from, "olá").await;
    let path = format!("/messages/{}", written.id);
    for _ in 0..500 {
        if api.get(&path).await.status == 200 {
            return written.id.to_string();
        }
        tokio::task::yield_now().await;
    }
    panic!("it was not stored");
}

#[tokio::test]
async fn messages_are_edited_deleted_and_marked() {
    let api = Api::new().await;
    api.ready("a").await;
    let (own, key) = sent(&api).await;
    let answer = put(&api, &format!("/messages/{own}"), json!({"text": "dois"})).await;
    let answer = answer.expect(200);
    let expected = json!({
        "success": true, "message": "Message edited", "sessionId": "a", "id": own, "messageId": key,
    });
    assert_eq!(answer, expected);
    let by_key = format!("/messages/{key}");
    let answer = api.patch(&by_key, json!({"text": "três"})).await;
    answer.expect(200);
    let theirs = received(&api).await;
    let path = format!("/messages/{theirs}");
    let reaction = format!("{path}/reaction");
    put(&api, &reaction, json!({"emoji": "👍"}))
        .await
        .expect(200);
    put(&api, &reaction, json!({"emoji": ""})).await.expect(200);
    api.delete(&reaction).await.expect(200);
    let star = format!("{path}/star");
    api.send(Method::PUT, &star, &[], "").await.expect(200);
    api.delete(&star).await.expect(200);
    let pin = format!("{path}/pin");
    api.send(Method::PUT, &pin, &[], "").await.expect(200);
    put(&api, &pin, json!({"days": 30})).await.expect(200);
    api.delete(&pin).await.expect(200);
    let vote = format!("{path}/vote");
    let monday = json!({"options": ["Segunda"]});
    put(&api, &vote, monday).await.expect(200);
    put(&api, &vote, json!({"options": []})).await.expect(200);
    let answer = format!("{path}/answer");
    put(&api, &answer, json!({"going": "maybe"}))
        .await
        .expect(200);
    let gone = api.delete(&format!("{path}?for=me")).await.expect(200);
    assert_eq!(gone["message"], "Message deleted for this account");
    let gone = api.delete(&format!("/messages/{own}")).await.expect(200);
    assert_eq!(gone["message"], "Message deleted for everyone");
    let key: MessageId = key.parse().unwrap();
    let theirs: MessageId = theirs.parse().unwrap();
    let reacted = |emoji: Option<&str>| Act::Reacted(theirs.clone(), emoji.map(str::to_owned));
    let pinned = |time| Act::Pinned(theirs.clone(), time);
    assert_eq!(
        api.driver.acts(),
        [
            Act::Edited(key.clone(), "dois".to_owned()),
            Act::Edited(key.clone(), "três".to_owned()),
            reacted(Some("👍")),
            reacted(None),
            reacted(None),
            Act::Starred(theirs.clone(), true),
            Act::Starred(theirs.clone(), false),
            pinned(Some(PinTime::Week)),
            pinned(Some(PinTime::Month)),
            pinned(None),
            Act::Voted(theirs.clone(), vec!["Segunda".to_owned()]),
            Act::Voted(theirs.clone(), vec![]),
            Act::AnsweredEvent(theirs.clone(), EventAnswer::Maybe),
            Act::Revoked(theirs.clone(), RevokedFor::Me),
            Act::Revoked(key, RevokedFor::Everyone),
        ]
    );
}

#[tokio::test]
async fn a_queued_message_is_cancelled_and_nothing_else_is_done_to_it() {
    let api = Api::new().await;
    api.ready("a").await;
    let later = json!({
        "phoneNumber": BRUNO, "message": "mais tarde", "sendAt": "2099-01-01T00:00:00Z", "timeoutMs": 0,
    });
    let later = api.post("/sessions/a/send", later).await.expect(202);
    let path = format!("/messages/{}", later["id"].as_str().unwrap());
    for answer in [
        put(&api, &path, json!({"text": "outra"})).await,
        put(&api, &format!("{path}/reaction"), json!({"emoji": "👍"})).await,
    ] {
        assert_eq!(answer.error(), (409, "message_not_sent".to_owned()));
    }
    let cancelled = api.delete(&format!("{path}?for=me")).await.expect(200);
    assert_eq!(cancelled["message"]["state"], "cancelled");
    let again = api.delete(&path).await.error();
    assert_eq!(again, (409, "message_not_cancellable".to_owned()));
    assert_eq!(api.driver.acts(), []);
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_is_done() {
    let api = Api::new().await;
    api.ready("a").await;
    let (own, _) = sent(&api).await;
    let theirs = received(&api).await;
    let invalid = |answer: &Answer| assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
    let path = format!("/messages/{own}");
    invalid(&put(&api, &path, json!({})).await);
    invalid(&put(&api, &path, json!({"text": 5})).await);
    invalid(&put(&api, &path, json!({"text": "  "})).await);
    invalid(&put(&api, &format!("{path}/reaction"), json!({})).await);
    let long = json!({"emoji": "not an emoji, but a text of more than sixty-four bytes, which no emoji has"});
    invalid(&put(&api, &format!("{path}/reaction"), long).await);
    invalid(&put(&api, &format!("{path}/pin"), json!({"days": 2})).await);
    invalid(&put(&api, &format!("{path}/vote"), json!({})).await);
    invalid(&put(&api, &format!("{path}/vote"), json!({"options": "x"})).await);
    invalid(&put(&api, &format!("{path}/answer"), json!({"going": "perhaps"})).await);
    invalid(&api.delete(&format!("{path}?for=nobody")).await);
    invalid(&put(&api, "/sessions/a/presence", json!({})).await);
    let bad_number = api.post("/sessions/a/chats/x/seen", json!({})).await;
    assert_eq!(bad_number.error().0, 400);
    let not_mine = put(&api, &format!("/messages/{theirs}"), json!({"text": "x"})).await;
    assert_eq!(not_mine.error(), (409, "not_allowed".to_owned()));
    for unknown in [
        "/messages/01JY0000000000000000000000",
        "/messages/x",
        "/messages/true_5511912345678@c.us_3EB0AABBCCDD",
    ] {
        let edited = put(&api, unknown, json!({"text": "x"})).await;
        assert_eq!(edited.error(), (404, "message_not_found".to_owned()));
        let deleted = api.delete(unknown).await;
        assert_eq!(deleted.error(), (404, "message_not_found".to_owned()));
    }
    let nobody = api.post("/sessions/a/chats/0001234567/seen", json!({}));
    let nobody = nobody.await.error();
    assert_eq!(nobody, (422, "number_not_on_whatsapp".to_owned()));
    assert_eq!(api.driver.acts(), []);
    api.driver.lack_part(Some("WAWebSendReactionMsgAction"));
    let lacking = put(&api, &format!("{path}/reaction"), json!({"emoji": "👍"})).await;
    assert_eq!(lacking.error(), (501, "not_supported_by_page".to_owned()));
    let text = lacking.json()["error"].as_str().unwrap().to_owned();
    assert!(text.contains("WAWebSendReactionMsgAction"), "{text}");
    api.driver.lack_part(None);
    api.post("/sessions/a/stop", json!({})).await.expect(200);
    let stopped = put(&api, &path, json!({"text": "x"})).await;
    assert_eq!(stopped.error(), (503, "session_not_ready".to_owned()));
    let stopped = api.delete(&path).await;
    assert_eq!(stopped.error(), (503, "session_not_ready".to_owned()));
    assert_eq!(api.driver.acts(), []);
}

#[tokio::test]
async fn chats_and_presence() {
    let api = Api::new().await;
    api.ready("a").await;
    let chat = ChatId::from(&phone(BRUNO));
    let act = async |what: &str, of: &str| {
        let path = format!("/sessions/a/chats/{of}/{what}");
        api.send(Method::POST, &path, &[], "").await.expect(200)
    };
    let answer = act("seen", BRUNO).await;
    let expected = json!({
        "success": true, "message": "Chat marked as seen", "sessionId": "a", "chat": BRUNO,
    });
    assert_eq!(answer, expected);
    act("unread", chat.as_str()).await;
    act("typing", BRUNO).await;
    act("recording", BRUNO).await;
    act("paused", BRUNO).await;
    for on in [true, false] {
        let body = json!({"available": on});
        put(&api, "/sessions/a/presence", body).await.expect(200);
    }
    let showed = |activity| Act::Showed(chat.clone(), activity);
    assert_eq!(
        api.driver.acts(),
        [
            Act::Seen(chat.clone()),
            Act::Unread(chat.clone()),
            showed(Activity::Typing),
            showed(Activity::Recording),
            showed(Activity::Paused),
            Act::Available(true),
            Act::Available(false),
        ]
    );
}
