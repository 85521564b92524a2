//! Chats, contacts, numbers, the profile and calls over REST.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{ANA, Answer, Api, BRUNO, id, phone};
use zapnode_core::ChatId;
use zapnode_core::contact::{BusinessProfile, ContactDetails};

const JSON: (&str, &str) = ("content-type", "application/json");
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand the rest";

async fn api() -> Api {
    let api = Api::new().await;
    api.ready("a").await;
    api.driver.write(&id("a"), &phone(BRUNO), "oi").await;
    api.driver.book(&id("a"), |book| {
        let bruno = ChatId::from(&phone(BRUNO));
        let mut contact = ContactDetails::new(bruno.clone());
        contact.name = Some("Bruno".to_owned());
        contact.lid = ChatId::new("77@lid").ok();
        contact.is_my_contact = true;
        book.put_contact(contact);
        book.put_contact(ContactDetails::new(ChatId::new("88@lid").unwrap()));
        book.chats.get_mut(&bruno).unwrap().name = Some("Bruno".to_owned());
        book.abouts.insert(bruno.clone(), "No mar".to_owned());
        book.pictures
            .insert(bruno.clone(), "https://pps.example.com/b.jpg".to_owned());
        let fields = json!({"description": "Padaria"});
        let fields = BusinessProfile(fields.as_object().unwrap().clone());
        book.businesses.insert(bruno, fields);
    });
    api
}

async fn patch(api: &Api, path: &str, body: Value) -> Answer {
    api.send(Method::PATCH, path, &[JSON], &body.to_string())
        .await
}

async fn bare(api: &Api, method: Method, path: &str) -> Answer {
    api.send(method, path, &[], "").await
}

#[tokio::test]
async fn chats_are_listed_read_and_changed() {
    let api = api().await;
    let list = api.get("/sessions/a/chats").await.expect(200);
    assert_eq!((&list["count"], &list["total"]), (&json!(1), &json!(1)));
    assert_eq!(list["unreadChats"], 1);
    let chat = &list["chats"][0];
    assert_eq!(chat["id"], format!("{BRUNO}@c.us"));
    assert_eq!(chat["phone"], BRUNO);
    assert_eq!(
        (&chat["name"], &chat["unread"]),
        (&json!("Bruno"), &json!(1))
    );
    assert_eq!(chat["lastMessage"]["text"], "oi");
    assert_eq!(chat["mutedUntil"], Value::Null);

    let path = format!("/sessions/a/chats/{BRUNO}");
    let soon = "2126-01-01T00:00:00Z";
    let body = json!({"archived": true, "pinned": true, "mutedUntil": soon, "unread": true});
    let changed = patch(&api, &path, body).await.expect(200);
    let chat = &changed["chat"];
    for mark in ["isArchived", "isPinned", "isMuted", "isMarkedUnread"] {
        assert_eq!(chat[mark], true, "{mark}");
    }
    assert_eq!(chat["mutedUntil"], "2126-01-01T00:00:00.000Z");
    let overview = api.get("/sessions/a/chats/overview").await.expect(200);
    assert_eq!(overview["count"], 0, "archived ones are away");
    let archived = api.get("/sessions/a/chats?archived=true&q=BRU").await;
    assert_eq!(archived.expect(200)["count"], 1);
    let body = json!({"archived": false, "mutedUntil": null});
    let changed = patch(&api, &path, body).await.expect(200);
    assert_eq!(changed["chat"]["isMuted"], false);
    let body = json!({"mutedUntil": "forever"});
    let changed = patch(&api, &path, body).await.expect(200);
    assert_eq!(changed["chat"]["mutedUntil"], "forever");

    bare(&api, Method::DELETE, &format!("{path}/messages"))
        .await
        .expect(200);
    let one = api.get(&path).await.expect(200);
    assert_eq!(one["chat"]["lastMessage"], Value::Null);
    bare(&api, Method::DELETE, &path).await.expect(200);
    let gone = (404, "chat_not_found".to_owned());
    assert_eq!(api.get(&path).await.error(), gone);
    assert_eq!(bare(&api, Method::DELETE, &path).await.error(), gone);
    // What is stored here stays.
    let kept = api.get(&format!("{path}/messages")).await.expect(200);
    assert_eq!(kept["messages"][0]["source"], "store");
}

#[tokio::test]
async fn messages_of_a_chat_have_pages_and_are_found() {
    let api = api().await;
    for n in 1..=4 {
        let body = json!({"phoneNumber": BRUNO, "message": format!("olá {n}")});
        api.post("/sessions/a/send", body).await.expect(200);
    }
    let mut path = format!("/sessions/a/chats/{BRUNO}/messages?limit=2");
    let mut texts = vec![];
    loop {
        let page = api.get(&path).await.expect(200);
        assert_eq!(page["askedPage"], true);
        for message in page["messages"].as_array().unwrap() {
            texts.push(message["text"].as_str().unwrap().to_owned());
            assert_eq!(message["sessionId"], "a");
            if message["fromMe"] == true {
                assert_eq!(message["source"], "both");
                assert_eq!(
                    (&message["state"], &message["ack"]),
                    (&json!("sent"), &json!(1))
                );
                assert!(message["id"].is_string() && message["messageId"].is_string());
            }
        }
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        path = format!("/sessions/a/chats/{BRUNO}/messages?limit=2&cursor={cursor}");
    }
    assert_eq!(texts.len(), 5, "{texts:?}");
    assert_eq!(texts.last().map(String::as_str), Some("oi"));
    let found = api
        .get("/sessions/a/search?q=ol%C3%A1%203")
        .await
        .expect(200);
    assert_eq!(found["count"], 1);
    let other = format!("/sessions/a/search?q=oi&chat={ANA}");
    assert_eq!(api.get(&other).await.expect(200)["count"], 0);
}

#[tokio::test]
async fn contacts_are_listed_looked_up_and_blocked() {
    let api = api().await;
    let list = api.get("/sessions/a/contacts").await.expect(200);
    let names: Vec<_> = list["contacts"].as_array().unwrap().iter().collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0]["name"], "Bruno", "those without a name come last");
    let first = api.get("/sessions/a/contacts?limit=1").await.expect(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = api
        .get(&format!("/sessions/a/contacts?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(second.expect(200)["contacts"][0]["id"], "88@lid");
    let mine = api.get("/sessions/a/contacts?mine=true").await.expect(200);
    assert_eq!(mine["total"], 1);

    let path = format!("/sessions/a/contacts/{BRUNO}");
    let one = api.get(&path).await.expect(200);
    assert_eq!(
        (&one["contact"]["phone"], &one["contact"]["lid"]),
        (&json!(BRUNO), &json!("77@lid"))
    );
    let about = api.get(&format!("{path}/about")).await.expect(200);
    assert_eq!(about["about"], "No mar");
    let picture = api.get(&format!("{path}/picture")).await.expect(200);
    assert_eq!(picture["url"], "https://pps.example.com/b.jpg");
    let business = api.get(&format!("{path}/business")).await.expect(200);
    assert_eq!(business["business"]["description"], "Padaria");
    let none = api
        .get(&format!("/sessions/a/contacts/{ANA}/business"))
        .await;
    assert_eq!(none.expect(200)["business"], Value::Null);
    let stranger = api.get("/sessions/a/contacts/0001234567").await.error();
    assert_eq!(stranger, (404, "contact_not_found".to_owned()));

    let block = format!("{path}/block");
    for _ in 0..2 {
        bare(&api, Method::PUT, &block).await.expect(200);
    }
    let blocked = api.get("/sessions/a/blocked").await.expect(200);
    assert_eq!(
        (&blocked["count"], &blocked["blocked"][0]["phone"]),
        (&json!(1), &json!(BRUNO))
    );
    bare(&api, Method::DELETE, &block).await.expect(200);
    assert_eq!(api.get("/sessions/a/blocked").await.expect(200)["count"], 0);

    // The list has told who is who.
    let lids = api.get("/sessions/a/lids").await.expect(200);
    assert_eq!(lids["lids"], json!([{"lid": "77@lid", "phone": BRUNO}]));
    for name in [BRUNO, "77%40lid"] {
        let pair = api
            .get(&format!("/sessions/a/lids/{name}"))
            .await
            .expect(200);
        assert_eq!(
            (&pair["lid"], &pair["phone"]),
            (&json!("77@lid"), &json!(BRUNO))
        );
    }
    let unknown = api.get("/sessions/a/lids/88%40lid").await.expect(200);
    assert_eq!(
        (&unknown["lid"], &unknown["phone"]),
        (&json!("88@lid"), &Value::Null)
    );
}

#[tokio::test]
async fn numbers_are_checked_and_remembered() {
    let api = api().await;
    let body = json!({"numbers": [BRUNO, "000 123 4567", "abc", 244929782402u64]});
    let answer = api
        .post("/sessions/a/check-numbers", body.clone())
        .await
        .expect(200);
    let numbers = answer["numbers"].as_array().unwrap();
    assert_eq!(numbers.len(), 4);
    assert_eq!(
        (&numbers[0]["exists"], &numbers[0]["chat"]),
        (&json!(true), &json!(format!("{BRUNO}@c.us")))
    );
    assert_eq!(
        (&numbers[1]["exists"], &numbers[1]["number"]),
        (&json!(false), &json!("000 123 4567"))
    );
    assert_eq!(
        (&numbers[2]["exists"], &numbers[2]["error"]),
        (&Value::Null, &json!("invalid_phone_number"))
    );
    assert_eq!(
        (&numbers[3]["phone"], &numbers[3]["cached"]),
        (&json!(ANA), &json!(false))
    );
    let again = api
        .post("/sessions/a/check-numbers", body)
        .await
        .expect(200);
    assert_eq!(again["numbers"][0]["cached"], true);
    assert!(again["numbers"][0]["ageSeconds"].as_i64().unwrap() < 60);
    let fresh = json!({"numbers": [BRUNO], "maxAgeSeconds": 0});
    let fresh = api
        .post("/sessions/a/check-numbers", fresh)
        .await
        .expect(200);
    assert_eq!(fresh["numbers"][0]["cached"], false);
}

#[tokio::test]
async fn the_profile_is_read_and_changed() {
    let api = api().await;
    let profile = api.get("/sessions/a/profile").await.expect(200);
    assert_eq!(profile["profile"]["phone"], ANA);
    let body = json!({"name": "Loja", "about": "Aberta"});
    let changed = patch(&api, "/sessions/a/profile", body).await.expect(200);
    assert_eq!(
        (&changed["profile"]["name"], &changed["profile"]["about"]),
        (&json!("Loja"), &json!("Aberta"))
    );
    let long = json!({"name": "Outra", "about": "x".repeat(140)});
    let refused = patch(&api, "/sessions/a/profile", long).await.error();
    assert_eq!(refused, (400, "invalid_request".to_owned()));
    let same = api.get("/sessions/a/profile").await.expect(200);
    assert_eq!(same["profile"]["name"], "Loja", "all or nothing");

    let path = "/sessions/a/profile/picture";
    let request = axum::http::Request::put(path)
        .header("content-type", "image/png")
        .body(axum::body::Body::from(PNG));
    let set = api.call(request.unwrap()).await.expect(200);
    assert!(set["profile"]["picture"].is_string());
    let taken = api.driver.book(&id("a"), |book| book.picture.clone());
    assert_eq!(taken.as_deref(), Some(PNG));
    let data = "iVBORw0KGgphbmQgdGhlIHJlc3Q=";
    let json = json!({"data": data}).to_string();
    api.send(Method::PUT, path, &[JSON], &json)
        .await
        .expect(200);
    let gone = bare(&api, Method::DELETE, path).await.expect(200);
    assert_eq!(gone["profile"]["picture"], Value::Null);
    for (kind, body, error) in [
        (
            "image/gif",
            "GIF89a".to_owned(),
            (415, "unsupported_media_type"),
        ),
        (
            "text/html",
            "<p>".to_owned(),
            (415, "unsupported_media_type"),
        ),
        (
            "application/json",
            "{}".to_owned(),
            (400, "invalid_request"),
        ),
        (
            "application/json",
            json!({"data": "#"}).to_string(),
            (400, "invalid_request"),
        ),
        (
            "image/png",
            "x".repeat(8 * 1024 * 1024),
            (413, "payload_too_large"),
        ),
    ] {
        let headers = [("content-type", kind)];
        let refused = api.send(Method::PUT, path, &headers, &body).await.error();
        assert_eq!(refused, (error.0, error.1.to_owned()), "{kind}");
    }
}

#[tokio::test]
async fn calls_are_rejected_by_hand_and_by_rule() {
    let api = api().await;
    api.driver.book(&id("a"), |book| {
        let from = ChatId::from(&phone(BRUNO));
        book.ringing.insert("c1".to_owned(), from);
    });
    let path = "/sessions/a/calls/c1/reject";
    bare(&api, Method::POST, path).await.expect(200);
    assert_eq!(
        bare(&api, Method::POST, path).await.error(),
        (404, "call_not_found".to_owned())
    );
    let named = json!({"from": BRUNO});
    api.post(path, named).await.expect(200);

    for (given, shown) in [
        (json!(true), json!({"on": true})),
        (
            json!({"text": "Escreva"}),
            json!({"on": true, "text": "Escreva"}),
        ),
        (json!({"on": false}), json!({"on": false})),
        (Value::Null, Value::Null),
    ] {
        let changed = patch(&api, "/sessions/a", json!({"rejectCalls": given})).await;
        assert_eq!(
            changed.expect(200)["session"]["options"]["rejectCalls"],
            shown
        );
    }
    for bad in [
        json!("yes"),
        json!({"text": ""}),
        json!({"text": 1}),
        json!({"say": "x"}),
        json!(1),
    ] {
        let refused = patch(&api, "/sessions/a", json!({"rejectCalls": bad}))
            .await
            .error();
        assert_eq!(refused, (400, "invalid_request".to_owned()), "{bad}");
    }
}

#[tokio::test]
async fn a_proxy_is_chosen_and_never_shown_whole() {
    let api = Api::new().await;
    let body = json!({"sessionId": "a", "proxy": "http://ana:s3cret@127.0.0.1:3128"});
    let made = api.post("/sessions", body.clone()).await.expect(201);
    let shown = json!("http://ana@127.0.0.1:3128");
    assert_eq!(made["session"]["options"]["proxy"], shown);
    api.post("/sessions", body).await.expect(200);
    api.post("/sessions", json!({"sessionId": "a"}))
        .await
        .expect(200);
    let other = json!({"sessionId": "a", "proxy": "http://127.0.0.1:1"});
    assert_eq!(
        api.post("/sessions", other).await.error(),
        (409, "session_exists".to_owned())
    );
    for bad in [
        "nothing",
        "socks5://a:b@h",
        "http://h:s3cret@",
        "http://ana:s3cret@h/x",
    ] {
        let answer = patch(&api, "/sessions/a", json!({"proxy": bad})).await;
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{bad}");
        let text = String::from_utf8(answer.body).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
    }
    let gone = patch(&api, "/sessions/a", json!({"proxy": null}))
        .await
        .expect(200);
    assert_eq!(gone["session"]["options"]["proxy"], Value::Null);
}

#[tokio::test]
async fn what_makes_no_sense_changes_nothing() {
    let api = api().await;
    let chat = format!("/sessions/a/chats/{BRUNO}");
    for (path, body) in [
        (chat.as_str(), json!({})),
        (chat.as_str(), json!({"archived": "yes"})),
        (
            chat.as_str(),
            json!({"archived": true, "mutedUntil": "2020-01-01T00:00:00Z"}),
        ),
        (
            chat.as_str(),
            json!({"archived": true, "mutedUntil": "soon"}),
        ),
        (chat.as_str(), json!({"archived": true, "unread": false})),
        ("/sessions/a/profile", json!({})),
        ("/sessions/a/chats/x y", json!({"archived": true})),
    ] {
        let path = path.replace(' ', "%20");
        let refused = patch(&api, &path, body.clone()).await.error();
        assert_eq!(
            refused,
            (400, "invalid_request".to_owned()),
            "{path} {body}"
        );
    }
    let chat = api.get(&chat).await.expect(200);
    assert_eq!(chat["chat"]["isArchived"], false);
    for path in [
        "/sessions/a/chats?limit=0",
        "/sessions/a/chats?limit=201",
        "/sessions/a/chats?cursor=x",
        "/sessions/a/chats?archived=maybe",
        "/sessions/a/contacts?cursor=x",
        "/sessions/a/lids?cursor=x",
        "/sessions/a/search",
        "/sessions/a/search?q=%20",
        "/sessions/a/search?q=x&source=moon",
        "/sessions/a/chats/5511912345678/messages?cursor=x",
    ] {
        assert_eq!(
            api.get(path).await.error(),
            (400, "invalid_request".to_owned()),
            "{path}"
        );
    }
    for numbers in [
        json!(null),
        json!([]),
        json!("1"),
        json!([true]),
        json!(vec![BRUNO; 101]),
    ] {
        let body = json!({"numbers": numbers});
        let refused = api.post("/sessions/a/check-numbers", body).await.error();
        assert_eq!(refused, (400, "invalid_request".to_owned()));
    }
    let none = api.get("/sessions/none/chats").await.error();
    assert_eq!(none, (404, "session_not_found".to_owned()));
    api.post("/sessions", json!({"sessionId": "b"}))
        .await
        .expect(201);
    for path in ["chats", "contacts", "blocked", "profile"] {
        let path = format!("/sessions/b/{path}");
        assert_eq!(
            api.get(&path).await.error(),
            (503, "session_not_ready".to_owned())
        );
    }
    // Three chats can be pinned.
    for n in 0..4 {
        let other = phone(&format!("24492900000{n}"));
        api.driver.write(&id("a"), &other, "oi").await;
        let path = format!("/sessions/a/chats/{other}");
        let answer = patch(&api, &path, json!({"pinned": true})).await;
        if n < 3 {
            answer.expect(200);
        } else {
            assert_eq!(answer.error(), (409, "refused_by_page".to_owned()));
        }
    }
    api.driver.book(&id("a"), |book| {
        book.missing.insert("list chats");
    });
    let missing = api.get("/sessions/a/chats").await.error();
    assert_eq!(missing, (501, "not_supported_by_page".to_owned()));
}
