//! Groups over HTTP, on the scripted driver.

#![allow(clippy::unwrap_used)]

mod support;

use axum::http::Method;
use serde_json::{Value, json};
use support::{ANA, Answer, Api, BRUNO, phone};
use zapnode_core::ChatId;

const CARLA: &str = "244929000003";
const CLOSED: &str = "244929000004";
const NOBODY: &str = "0001234567";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nand more";

async fn created(api: &Api, body: Value) -> String {
    let answer = api.post("/sessions/a/groups", body).await.expect(201);
    answer["groupId"].as_str().unwrap().to_owned()
}

async fn put(api: &Api, path: &str, body: &[u8]) -> Answer {
    let request = axum::http::Request::builder()
        .method(Method::PUT)
        .uri(path)
        .body(axum::body::Body::from(body.to_vec()));
    api.call(request.unwrap()).await
}

fn codes(answer: &Value) -> Vec<u64> {
    let members = answer["members"].as_array().unwrap();
    members
        .iter()
        .map(|m| m["code"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn a_group_is_founded_read_and_changed() {
    let api = Api::new().await;
    api.ready("a").await;
    api.driver.set_invite_only(&phone(CLOSED));
    let members = ["+55 11 91234-5678", CLOSED, NOBODY];
    let answer = api
        .post(
            "/sessions/a/groups",
            json!({"subject": "Obra", "members": members, "onlyAdminsEdit": true, "disappearing": "7d"}),
        )
        .await
        .expect(201);
    assert_eq!(codes(&answer), [200, 403, 404]);
    assert_eq!(answer["members"][1]["outcome"], "invite_only");
    assert_eq!(answer["members"][1]["invite"]["sent"], false);
    assert_eq!(
        (&answer["done"], &answer["settingsApplied"]),
        (&json!(1), &json!(true))
    );
    let id = answer["groupId"].as_str().unwrap();
    let path = format!("/sessions/a/groups/{id}");

    let list = api.get("/sessions/a/groups").await.expect(200);
    assert_eq!(
        (&list["count"], &list["groups"][0]["id"]),
        (&json!(1), &json!(id))
    );
    assert_eq!(list["groups"][0]["memberCount"], 2);
    let group = api.get(&path).await.expect(200)["group"].clone();
    assert_eq!(
        (&group["subject"], &group["isAdmin"]),
        (&json!("Obra"), &json!(true))
    );
    assert_eq!(
        (&group["onlyAdminsEdit"], &group["disappearing"]),
        (&json!(true), &json!("7d"))
    );
    assert_eq!(group["members"][0]["number"], ANA);
    assert_eq!(group["members"][0]["role"], "owner");

    let change = json!({"subject": "Obra 2", "description": "betão", "onlyAdminsWrite": true, "disappearing": "off"});
    let group = api.patch(&path, change).await.expect(200)["group"].clone();
    assert_eq!(
        (&group["subject"], &group["description"]),
        (&json!("Obra 2"), &json!("betão"))
    );
    assert_eq!(
        (&group["onlyAdminsWrite"], &group["disappearing"]),
        (&json!(true), &json!("off"))
    );
    let group = api
        .patch(&path, json!({"description": null}))
        .await
        .expect(200);
    assert_eq!(group["group"]["description"], Value::Null);

    let picture = format!("{path}/picture");
    put(&api, &picture, PNG).await.expect(200);
    let chat = ChatId::new(id).unwrap();
    assert_eq!(api.driver.picture_of(&chat).unwrap().bytes(), PNG);
    api.delete(&picture).await.expect(200);
    assert_eq!(api.driver.picture_of(&chat), None);
    let answer = put(&api, &picture, b"<svg/>").await;
    assert_eq!(answer.error(), (415, "unsupported_media_type".to_owned()));
    let answer = put(&api, &picture, &vec![0; (5 << 20) + 1]).await;
    assert_eq!(answer.error(), (413, "payload_too_large".to_owned()));
}

#[tokio::test]
async fn members_come_go_and_get_rights() {
    let api = Api::new().await;
    api.ready("a").await;
    let id = created(&api, json!({"subject": "Obra", "members": [BRUNO]})).await;
    let path = format!("/sessions/a/groups/{id}/members");
    api.driver.set_invite_only(&phone(CLOSED));
    let body = json!({"members": [CARLA, BRUNO, CLOSED], "invite": true});
    let added = api.post(&path, body).await.expect(200);
    assert_eq!(codes(&added), [200, 409, 403]);
    assert_eq!(added["members"][2]["invite"]["sent"], true);
    assert_eq!(api.driver.invite_cards().len(), 1);
    for (what, expected) in [
        ("promote", [200, 404]),
        ("promote", [409, 404]),
        ("demote", [200, 404]),
        ("remove", [200, 404]),
        ("remove", [404, 404]),
    ] {
        let body = json!({"members": [CARLA, NOBODY]});
        let answer = api.post(&format!("{path}/{what}"), body).await.expect(200);
        assert_eq!(codes(&answer), expected, "{what}");
    }
    // Named twice, done once.
    let twice = json!({"members": [CARLA, format!("{CARLA}@c.us")]});
    assert_eq!(codes(&api.post(&path, twice).await.expect(200)), [200]);
}

#[tokio::test]
async fn people_come_in_by_link_and_by_asking() {
    let api = Api::new().await;
    api.ready("a").await;
    let id = created(&api, json!({"subject": "Obra"})).await;
    let path = format!("/sessions/a/groups/{id}");
    let invite = api.get(&format!("{path}/invite")).await.expect(200);
    let link = invite["link"].as_str().unwrap();
    assert!(link.starts_with("https://chat.whatsapp.com/"), "{link}");
    let leads = format!(
        "/sessions/a/groups/join?invite={}",
        invite["code"].as_str().unwrap()
    );
    assert_eq!(api.get(&leads).await.expect(200)["groupId"], json!(id));
    let renewed = api
        .post(&format!("{path}/invite/renew"), json!({}))
        .await
        .expect(200);
    assert_ne!(renewed["code"], invite["code"]);
    assert_eq!(
        api.get(&leads).await.error(),
        (404, "invite_not_found".to_owned())
    );
    let join = json!({"invite": link});
    assert_eq!(
        api.post("/sessions/a/groups/join", join).await.error().1,
        "invite_not_found"
    );

    let chat = ChatId::new(&id).unwrap();
    for number in [BRUNO, CARLA] {
        api.driver.ask_to_join(&chat, &phone(number)).await;
    }
    let requests = api.get(&format!("{path}/requests")).await.expect(200);
    assert_eq!(requests["requests"][0]["number"], BRUNO);
    let reject = json!({"members": [BRUNO, CLOSED]});
    let answer = api
        .post(&format!("{path}/requests/reject"), reject)
        .await
        .expect(200);
    assert_eq!(codes(&answer), [200, 404]);
    // All who are left, without a body.
    let approve = format!("{path}/requests/approve");
    let answer = api.send(Method::POST, &approve, &[], "").await.expect(200);
    assert_eq!(
        (&answer["done"], &answer["members"][0]["id"]),
        (&json!(1), &json!(format!("{CARLA}@c.us")))
    );

    let theirs = api.driver.found_group(&phone(BRUNO), "Deles", &[]).await;
    api.driver.set_approval(&theirs, true);
    let code = api.driver.invite_of(&theirs).unwrap();
    let join = json!({"invite": code.link()});
    let joined = api.post("/sessions/a/groups/join", join).await.expect(200);
    assert_eq!(
        (&joined["pending"], &joined["groupId"]),
        (&json!(true), &json!(theirs))
    );

    api.post(&format!("{path}/leave"), json!({}))
        .await
        .expect(200);
    assert_eq!(
        api.get(&path).await.error(),
        (404, "group_not_found".to_owned())
    );
}

#[tokio::test]
async fn what_cannot_be_is_said_and_changes_nothing() {
    let api = Api::new().await;
    api.ready("a").await;
    let id = created(&api, json!({"subject": "Obra"})).await;
    let path = format!("/sessions/a/groups/{id}");
    for body in [
        json!({}),
        json!({"subject": " "}),
        json!({"subject": "x".repeat(101)}),
        json!({"subject": "a", "members": BRUNO}),
        json!({"subject": "a", "members": [id]}),
        json!({"subject": "a", "disappearing": "1h"}),
        json!({"subject": "a", "community": BRUNO}),
        json!({"subject": "a", "approval": "yes"}),
    ] {
        let answer = api.post("/sessions/a/groups", body.clone()).await;
        assert_eq!(
            answer.error(),
            (400, "invalid_request".to_owned()),
            "{body}"
        );
    }
    for body in [
        json!({}),
        json!({"subject": "Outra", "description": "x".repeat(2049)}),
        json!({"subject": "Outra", "onlyAdminsAdd": 1}),
    ] {
        let answer = api.patch(&path, body.clone()).await;
        assert_eq!(
            answer.error(),
            (400, "invalid_request".to_owned()),
            "{body}"
        );
    }
    assert_eq!(api.get(&path).await.expect(200)["group"]["subject"], "Obra");
    for body in [json!({}), json!({"members": []}), json!({"members": ["x"]})] {
        let answer = api.post(&format!("{path}/members"), body.clone()).await;
        assert_eq!(answer.error().0, 400, "{body}");
    }
    for path in [
        format!("/sessions/a/groups/{BRUNO}"),
        "/sessions/a/groups/join?invite=x".to_owned(),
        "/sessions/a/groups/join".to_owned(),
    ] {
        assert_eq!(api.get(&path).await.error().0, 400, "{path}");
    }
    let unknown = "/sessions/a/groups/120363000000009999@g.us";
    assert_eq!(
        api.get(unknown).await.error(),
        (404, "group_not_found".to_owned())
    );
    assert_eq!(api.get("/sessions/b/groups").await.error().0, 404);

    let theirs = api
        .driver
        .found_group(&phone(BRUNO), "Deles", &[phone(ANA)])
        .await;
    let invite = format!("/sessions/a/groups/{theirs}/invite");
    assert_eq!(
        api.get(&invite).await.error(),
        (409, "not_allowed".to_owned())
    );
    api.post("/sessions/a/stop", json!({})).await.expect(200);
    assert_eq!(
        api.get(&path).await.error(),
        (503, "session_not_ready".to_owned())
    );
}
