use serde_json::{Value, json};

use super::*;
use crate::chatwoot::Language;

const ANA: &str = "244929782402@c.us";

/// An event of the shop's log.
fn event(name: &str, payload: Value) -> Event {
    let wire = json!({
        "id": "evt_01JY0000000000000000000000", "sequence": 7, "timestamp": 1_760_522_400_123_i64,
        "session": "shop", "me": null, "event": name, "payload": payload,
    });
    let event: Event = serde_json::from_value(wire).expect("an event");
    assert!(!matches!(event.kind, EventKind::Other { .. }), "{name}");
    event
}

fn laid_over(mut all: Value, change: &Value) -> Value {
    for (name, value) in change.as_object().expect("an object") {
        all[name.as_str()] = value.clone();
    }
    all
}

fn message(change: &Value) -> Value {
    let all = json!({
        "id": "false_244929782402@c.us_3EB0AAAAAA", "message": "01JY0000000000000000000000",
        "timestamp": 1_760_522_399, "from": ANA, "to": null, "fromMe": false, "participant": null,
        "chatId": ANA, "contactId": "ctc_1", "phone": ANA, "lid": "8123@lid", "notifyName": "Ana",
        "type": "chat", "body": "Olá *Rita*", "hasMedia": false, "media": null, "ack": 1,
        "ackName": "SERVER", "replyTo": null, "source": "app",
    });
    laid_over(all, change)
}

fn around(change: &Value) -> Value {
    let all = json!({
        "timestamp": 1_760_522_399, "from": ANA, "to": null, "fromMe": false, "participant": null,
        "chatId": ANA, "contactId": "ctc_1", "phone": ANA, "lid": null,
    });
    laid_over(all, change)
}

fn config(change: &Value) -> BridgeConfig {
    let all =
        json!({"url": "https://chat.example.com", "accountId": 1, "apiToken": "t", "inboxId": 7});
    serde_json::from_value(laid_over(all, change)).expect("settings")
}

fn planned(name: &str, payload: Value, change: &Value) -> Plan {
    plan(
        &event(name, payload),
        &config(change),
        Words::of(Language::En),
    )
}

fn posted(name: &str, payload: Value) -> Post {
    match planned(name, payload, &json!({})) {
        Plan::Post(post) => *post,
        other => panic!("no post: {other:?}"),
    }
}

#[test]
fn what_somebody_wrote_comes_from_them_with_their_names() {
    let post = posted(
        "message",
        message(&json!({"replyTo": {"id": "3EB0BBBBBB", "participant": null}})),
    );
    assert!(post.incoming);
    assert_eq!(post.content, "Olá **Rita**");
    assert_eq!(post.source_id, "WAID:3EB0AAAAAA");
    assert_eq!(post.about.expect("a reply").as_str(), "3EB0BBBBBB");
    assert_eq!(post.written, 1_760_522_399);
    let peer = Peer {
        key: "ctc_1".to_owned(),
        name: "Ana".to_owned(),
        named: true,
        chat: Some(ANA.to_owned()),
        phone: Some("244929782402".to_owned()),
        identifier: ANA.to_owned(),
    };
    assert_eq!(post.peer, peer);
}

#[test]
fn whoever_is_known_by_lid_only_is_somebody_too() {
    let by_lid = message(&json!({"chatId": "8123@lid", "phone": null, "notifyName": " "}));
    let peer = posted("message", by_lid).peer;
    assert_eq!((peer.phone, peer.named), (None, false));
    assert_eq!(
        (peer.name.as_str(), peer.identifier.as_str()),
        ("8123@lid", "8123@lid")
    );
    // The number is known where WhatsApp names the chat by LID.
    let both = message(&json!({"chatId": "8123@lid"}));
    let peer = posted("message", both).peer;
    assert_eq!(peer.phone.as_deref(), Some("244929782402"));
    assert_eq!(peer.identifier, ANA);
    assert_eq!(peer.chat.as_deref(), Some("8123@lid"));
}

#[test]
fn what_was_typed_on_the_phone_is_outgoing_and_its_echo_is_known() {
    let own = message(
        &json!({"id": "true_244929782402@c.us_3EB0CCCCCC", "fromMe": true, "notifyName": "Loja"}),
    );
    let post = posted("message.any", own);
    assert!(!post.incoming && !post.peer.named, "{post:?}");
    assert_eq!(post.source_id, "WAID:3EB0CCCCCC");
    assert!(post.source.is_some_and(|source| source.from_me));
    // What others wrote comes as `message`; `message.any` is the same again.
    let again = planned("message.any", message(&json!({})), &json!({}));
    assert_eq!(again, Plan::Nothing);
    // Its change too must never be taken for an agent's message.
    let edited = around(&json!({
        "id": "true_244929782402@c.us_3EB0CCCCCC", "editedMessageId": "true_244929782402@c.us_3EB0CCCCCC",
        "fromMe": true, "body": "já", "previousBody": null,
    }));
    let post = posted("message.edited", edited);
    assert!(!post.incoming);
    assert_eq!(post.source_id, "WAID:evt_01JY0000000000000000000000");
    assert_eq!(post.content, "✏️ Edited: já");
}

#[test]
fn in_a_group_the_writer_is_named() {
    let group = |change: &Value| {
        let all = message(&json!({"chatId": "1203@g.us", "participant": ANA}));
        posted("message", laid_over(all, change))
    };
    let post = group(&json!({}));
    assert_eq!(post.content, "**Ana (+244929782402)**\nOlá **Rita**");
    assert_eq!(post.peer.key, "1203@g.us");
    assert_eq!(post.peer.phone, None);
    let nameless = group(&json!({"notifyName": null, "phone": null, "participant": "8123@lid"}));
    assert_eq!(nameless.content, "**8123@lid**\nOlá **Rita**");
}

#[test]
fn what_a_text_cannot_show_is_told_in_words() {
    for (change, content) in [
        (
            json!({"type": "image", "hasMedia": true, "body": "olha", "media": {"mimetype": "image/jpeg", "filename": null, "size": 120_400, "duration": null, "url": null}}),
            "[image: 121 kB]\nolha",
        ),
        (
            json!({"type": "document", "hasMedia": true, "body": null, "media": {"mimetype": null, "filename": "a.pdf", "size": null, "duration": null, "url": null}}),
            "[document: a.pdf]",
        ),
        (
            json!({"type": "location", "body": null, "location": {"latitude": -8.8, "longitude": 13.2, "name": null, "address": null, "url": null}}),
            "[location]\nhttps://maps.google.com/?q=-8.8,13.2",
        ),
        (
            json!({"type": "vcard", "body": null, "vCards": ["BEGIN:VCARD\nFN:Rui\nitem1.TEL;waid=1:+351 900\nEND:VCARD"]}),
            "[contact]\n[Rui, +351 900]",
        ),
    ] {
        assert_eq!(posted("message", message(&change)).content, content);
    }
    // Where the file itself is there, its caption is enough.
    let photo = json!({"type": "image", "hasMedia": true, "body": "*olha*", "chatId": "1203@g.us",
        "media": {"mimetype": "image/jpeg", "filename": null, "size": 5, "duration": null, "url": null}});
    let file = posted("message", message(&photo)).file.expect("a file");
    assert_eq!(file.caption, "**Ana (+244929782402)**\n**olha**");
    assert_eq!((file.kind.as_str(), file.size), ("image", Some(5)));
    assert_eq!(posted("message", message(&json!({}))).file, None);
    // Nothing to show: a notice, for one.
    let empty = planned("message", message(&json!({"body": ""})), &json!({}));
    assert_eq!(empty, Plan::Nothing);
}

#[test]
fn acks_and_failures_become_the_status() {
    let ack = |number: i64| {
        let payload = around(&json!({
            "id": "true_244929782402@c.us_3EB0CCCCCC", "message": "01JY0000000000000000000000",
            "to": ANA, "fromMe": true, "ack": number, "ackName": "X",
        }));
        match planned("message.ack", payload, &json!({})) {
            Plan::Status { wire_id, status } => {
                assert_eq!(wire_id.as_str(), "3EB0CCCCCC");
                Some(status)
            }
            Plan::Nothing => None,
            other => panic!("{other:?}"),
        }
    };
    let wanted = [
        None,
        None,
        Some("sent"),
        Some("delivered"),
        Some("read"),
        Some("read"),
    ];
    assert_eq!([-1, 0, 1, 2, 3, 4].map(ack), wanted);
    // The page never had it: our own id is all there is.
    let failed = json!({
        "id": null, "message": "01JY0000000000000000000000", "to": "000",
        "chatId": null, "body": "x", "code": "number_not_on_whatsapp", "detail": "000 is not on WhatsApp",
    });
    let told = Plan::Failed {
        message: "01JY0000000000000000000000".to_owned(),
        error: "000 is not on WhatsApp".to_owned(),
    };
    assert_eq!(planned("message.failed", failed, &json!({})), told);
}

#[test]
fn revokes_reactions_and_calls_are_told_as_text() {
    let revoked = |change: &Value| {
        let all = around(&json!({
            "revokedMessageId": "false_244929782402@c.us_3EB0AAAAAA", "revokedFor": "everyone",
            "before": null, "after": null,
        }));
        laid_over(all, change)
    };
    let post = posted("message.revoked", revoked(&json!({})));
    assert!(post.incoming && post.content.contains("deleted"));
    assert_eq!(post.about.expect("the message").as_str(), "3EB0AAAAAA");
    let own =
        revoked(&json!({"fromMe": true, "revokedMessageId": "true_244929782402@c.us_3EB0CCCCCC"}));
    assert!(matches!(
        planned("message.revoked", own, &json!({})),
        Plan::Delete { .. }
    ));
    let here_only = revoked(&json!({"revokedFor": "me"}));
    assert_eq!(
        planned("message.revoked", here_only, &json!({})),
        Plan::Nothing
    );

    let reacted = |text: &str, own: bool| {
        around(
            &json!({"fromMe": own, "reaction": {"text": text, "messageId": "true_244929782402@c.us_3EB0CCCCCC"}}),
        )
    };
    let post = posted("message.reaction", reacted("👍", false));
    assert!(post.incoming, "the contact did it, also on our message");
    assert_eq!(post.content, "Reacted: 👍");
    assert_eq!(
        posted("message.reaction", reacted("", false)).content,
        "Took the reaction back."
    );
    assert_eq!(
        planned("message.reaction", reacted("👍", true), &json!({})),
        Plan::Nothing
    );

    let call = around(&json!({"id": "c1", "isVideo": true, "isGroup": false}));
    assert!(posted("call.received", call).content.contains("Video call"));
}

#[test]
fn who_is_ignored_stays_out_under_every_name() {
    for (ignore, chat, out) in [
        ("@g.us", "1203@g.us", true),
        ("+244929782402", ANA, true),
        // WhatsApp names the chat by LID, its owner wrote the number.
        ("244929782402", "8123@lid", true),
        ("8123@lid", ANA, true),
        // A member is heard in a group, whoever they are.
        ("244929782402", "1203@g.us", false),
        ("5511900000000", ANA, false),
    ] {
        let settings = json!({"ignore": [ignore]});
        let plan = planned("message", message(&json!({"chatId": chat})), &settings);
        assert_eq!(plan == Plan::Nothing, out, "{ignore} and {chat}");
    }
    for chat in ["status@broadcast", "1203@newsletter"] {
        let plan = planned("message", message(&json!({"chatId": chat})), &json!({}));
        assert_eq!(plan, Plan::Nothing, "{chat}");
    }
}

#[test]
fn the_sessions_state_is_told_where_it_matters() {
    let status = |state: &str| json!({"name": "shop", "status": "X", "statuses": [], "state": state, "reason": null, "me": null});
    for (state, told) in [
        ("ready", true),
        ("awaiting_login", true),
        ("logged_out", true),
        ("failed", true),
        ("starting", false),
        ("syncing", false),
    ] {
        let plan = planned("session.status", status(state), &json!({}));
        assert_eq!(matches!(plan, Plan::Tell { .. }), told, "{state}");
    }
    let off = planned(
        "session.status",
        status("ready"),
        &json!({"tellState": false}),
    );
    assert_eq!(off, Plan::Nothing);
}
