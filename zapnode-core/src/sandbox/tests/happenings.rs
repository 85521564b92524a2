//! Groups, and what becomes of messages.

use super::*;

const CARLA: &str = "5511912345679";

/// A device's next stored item of a kind, confirmed.
async fn item(page: &mut Page, kind: &str) -> Value {
    loop {
        let frame = page.hear("stored").await;
        page.tell(json!({"t": "got", "n": frame["n"]})).await;
        if frame["k"] == kind {
            return frame;
        }
    }
}

#[tokio::test]
async fn sandbox_groups_let_only_those_act_who_may() {
    let sandbox = sandbox().await;
    let group = |act: Value| post(&sandbox, "phones/244929782402/group", act);
    let (status, answer) =
        group(json!({"act": "create", "subject": "Obra", "members": [BRUNO]})).await;
    assert_eq!(status, 200, "{answer}");
    let id = answer["group"].as_str().expect("an id").to_owned();
    assert!(id.ends_with("@g.us"), "{id}");
    for (who, act, expected) in [
        (
            BRUNO,
            json!({"act": "add", "members": [CARLA]}),
            (403, "not_admin"),
        ),
        (
            BRUNO,
            json!({"act": "promote", "members": [BRUNO]}),
            (403, "not_admin"),
        ),
        (BRUNO, json!({"act": "join"}), (409, "in_group_already")),
        (CARLA, json!({"act": "leave"}), (403, "not_in_group")),
        (
            ANA,
            json!({"act": "remove", "members": [CARLA]}),
            (403, "not_in_group"),
        ),
        (
            ANA,
            json!({"act": "add", "members": ["0001234567"]}),
            (422, "number_not_on_whatsapp"),
        ),
        (
            ANA,
            json!({"act": "add", "members": ["x"]}),
            (400, "invalid_phone_number"),
        ),
        (ANA, json!({"act": "paint"}), (400, "invalid_request")),
        (
            ANA,
            json!({"act": "leave", "group": "123@g.us"}),
            (404, "no_such_group"),
        ),
        (
            ANA,
            json!({"act": "leave", "group": BRUNO}),
            (400, "invalid_request"),
        ),
    ] {
        let mut body = json!({"group": id});
        let body_map = body.as_object_mut().expect("an object");
        body_map.extend(act.as_object().cloned().expect("an object"));
        let (status, answer) = post(&sandbox, &format!("phones/{who}/group"), body).await;
        assert_eq!(
            (status, &answer["code"]),
            (expected.0, &json!(expected.1)),
            "{act}"
        );
    }
    // Nothing of it was done.
    let (_, answer) = ask(&sandbox, "GET", "groups", "").await;
    assert_eq!(answer["groups"][0]["members"], json!([ANA, BRUNO]));
    assert_eq!(answer["groups"][0]["admins"], json!([ANA]));
    // Who is not in it cannot write there either, by phone or page.
    let deliver = json!({"to": id, "text": "olá"});
    let (status, answer) = post(&sandbox, &format!("phones/{CARLA}/deliver"), deliver).await;
    assert_eq!((status, &answer["code"]), (403, &json!("not_in_group")));
    let carla = sandbox.phone(&number(CARLA));
    let (mut page, _) = Page::linked(&sandbox, &carla).await;
    page.send(
        "3EB0000000000000000001",
        &format!("{CARLA}@c.us"),
        &id,
        "oi",
    )
    .await;
    page.tell(json!({"t": "exists", "req": 1, "wid": format!("{ANA}@c.us")}))
        .await;
    page.hear("exists").await;
    let ana = sandbox.phone(&number(ANA));
    assert!(
        ana.messages()
            .iter()
            .all(|message| message.notice.is_some())
    );
}

#[tokio::test]
async fn sandbox_group_messages_reach_everybody_and_are_read_when_all_have() {
    let sandbox = sandbox().await;
    let [ana, bruno, carla] = [ANA, BRUNO, CARLA].map(|one| sandbox.phone(&number(one)));
    let members = [number(BRUNO), number(CARLA)];
    let group = ana.found_group("Obra", &members).await.expect("founded");
    let (mut page, _) = Page::linked(&sandbox, &bruno).await;
    let id = ana
        .write(group.clone(), Draft::text("bom dia"))
        .await
        .expect("written");
    let frame = item(&mut page, "msg").await["msg"].clone();
    assert_eq!(frame["chat"], json!(group));
    assert!(
        frame["participant"]
            .as_str()
            .is_some_and(|who| who.ends_with("@lid"))
    );
    assert_eq!(frame["group"]["members"].as_array().map(Vec::len), Some(3));
    let ack = || {
        ana.messages()
            .iter()
            .find(|one| one.id == id)
            .map(|one| one.ack)
    };
    assert_eq!(ack(), Some(2));
    bruno.read_group(&group).await;
    assert_eq!(ack(), Some(2), "one of two");
    carla.read_group(&group).await;
    assert_eq!(ack(), Some(3));
    // The chat with a member is another chat.
    ana.send(&number(BRUNO), "a sós").await.expect("sent");
    bruno.read(&number(ANA)).await;
    carla.read_group(&group).await;
    let unread = |phone: &Phone| {
        let messages = phone.messages();
        messages
            .iter()
            .filter(|one| !one.from_me && one.ack < 3)
            .count()
    };
    assert_eq!((unread(&bruno), unread(&carla)), (0, 0));
}

#[tokio::test]
async fn sandbox_changes_of_messages_reach_every_device_in_order() {
    let sandbox = sandbox().await;
    let [ana, bruno] = [ANA, BRUNO].map(|one| sandbox.phone(&number(one)));
    let (mut page, login) = Page::linked(&sandbox, &ana).await;
    let id = bruno.send(&number(ANA), "um").await.expect("sent");
    item(&mut page, "msg").await;
    drop(page);
    bruno.edit(&id, "dois").await.expect("edited");
    ana.react(&id, "👍").await.expect("reacted");
    bruno.react(&id, "❤️").await.expect("reacted");
    bruno.react(&id, "").await.expect("reacted");
    bruno.revoke(&id).await.expect("taken back");
    ana.delete(&id).await.expect("deleted");
    // Kept for the device while it is away.
    let mut page = Page::back(&sandbox, &login).await;
    let edit = item(&mut page, "edit").await;
    assert_eq!(
        (&edit["body"], &edit["key"]["fromMe"]),
        (&json!("dois"), &json!(false))
    );
    for (emoji, by_me) in [("👍", true), ("❤️", false), ("", false)] {
        let row = item(&mut page, "reaction").await;
        assert_eq!(
            (&row["emoji"], &row["byMe"]),
            (&json!(emoji), &json!(by_me))
        );
    }
    assert_eq!(item(&mut page, "revoke").await["byAdmin"], json!(false));
    item(&mut page, "delete").await;
    assert!(ana.messages().is_empty());
    let left = bruno.messages();
    assert!(
        left[0].revoked && left[0].edited && left[0].text.is_empty(),
        "{left:?}"
    );
}

#[tokio::test]
async fn sandbox_phones_change_only_what_is_theirs() {
    let sandbox = sandbox().await;
    let [ana, bruno] = [ANA, BRUNO].map(|one| sandbox.phone(&number(one)));
    let id = bruno.send(&number(ANA), "um").await.expect("sent");
    let unknown = WireId::new("3A0000000000000001").expect("an id");
    let code = |result: Result<(), PhoneError>| result.expect_err("refused").code();
    assert_eq!(code(ana.edit(&id, "x").await), "no_such_message");
    assert_eq!(code(ana.revoke(&id).await), "not_yours");
    assert_eq!(code(bruno.edit(&unknown, "x").await), "no_such_message");
    assert_eq!(code(bruno.revoke(&unknown).await), "no_such_message");
    assert_eq!(code(ana.delete(&unknown).await), "no_such_message");
    assert_eq!(code(ana.react(&unknown, "👍").await), "no_such_message");
    bruno.revoke(&id).await.expect("taken back");
    assert_eq!(code(bruno.edit(&id, "x").await), "no_such_message");
    // An admin of a group takes back what others wrote there; a member does not.
    let group = ana
        .found_group("Obra", &[number(BRUNO)])
        .await
        .expect("founded");
    let [by_ana, by_bruno] =
        [&ana, &bruno].map(|phone| phone.write(group.clone(), Draft::text("x")));
    let (by_ana, by_bruno) = (by_ana.await.expect("sent"), by_bruno.await.expect("sent"));
    assert_eq!(code(bruno.revoke(&by_ana).await), "not_admin");
    ana.revoke(&by_bruno).await.expect("taken back");
    // A call to somebody without WhatsApp, or from outside of a group.
    let nobody = ana.call(number("0001234567"), false).await;
    assert_eq!(code(nobody.map(|_| ())), "number_not_on_whatsapp");
    let carla = sandbox.phone(&number(CARLA));
    assert_eq!(
        code(carla.call(group, false).await.map(|_| ())),
        "not_in_group"
    );
}

#[tokio::test]
async fn sandbox_groups_and_reactions_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = SandboxOptions {
        state_file: Some(folder.path().join("state.json")),
        ..SandboxOptions::default()
    };
    let sandbox = Sandbox::start(options.clone()).await.expect("a sandbox");
    let [ana, bruno] = [ANA, BRUNO].map(|one| sandbox.phone(&number(one)));
    let group = ana
        .found_group("Obra", &[number(BRUNO)])
        .await
        .expect("founded");
    let id = bruno
        .write(group.clone(), Draft::text("oi"))
        .await
        .expect("sent");
    ana.react(&id, "👍").await.expect("reacted");
    let before = ana.messages();
    sandbox.shutdown().await;
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let ana = sandbox.phone(&number(ANA));
    assert_eq!(ana.messages(), before);
    let subject = GroupAct::Subject("Outra".to_owned());
    ana.act_in_group(&group, subject)
        .await
        .expect("still an admin's group");
}
