use serde_json::{Value, json};

use super::*;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn read<T: Heard + serde::de::DeserializeOwned>(data: Value) -> Option<DriverEvent> {
    let heard: T = serde_json::from_value(data).expect("the bridge's own words");
    heard.read(NOW)
}

fn with(mut data: Value, changes: Value) -> Value {
    let changes = changes.as_object().cloned().unwrap_or_default();
    if let Some(data) = data.as_object_mut() {
        data.extend(changes);
    }
    data
}

fn message() -> Value {
    json!({
        "id": "false_120363041@g.us_3EB0AABBCCDDEEFF_77@lid", "chat": "120363041@g.us",
        "from": {"id": "77@lid", "phone": "244929782402@c.us", "lid": "77@lid"},
        "name": null, "fromMe": false, "kind": "image", "text": "olha", "at": 1_800_000_000,
        "ack": 1,
        "replyTo": {"id": "3EB0112233445566", "from": {"id": "78@lid", "phone": null, "lid": "78@lid"}},
        "mentions": [{"id": "78@lid", "phone": null, "lid": "78@lid"}, {"id": "?", "phone": null, "lid": null}],
        "media": {"mimeType": "image/jpeg", "fileName": null, "size": 1234, "duration": null, "isGif": false},
        "location": null, "vcards": [], "isForwarded": true, "forwardingScore": 3, "isEphemeral": true,
        "newer": {"than": "this"},
    })
}

#[test]
fn a_message_with_all_it_carries() {
    let Some(DriverEvent::Message(read)) = read::<PageMessage>(message()) else {
        panic!("no message");
    };
    assert_eq!(read.writer().phone, chat("244929782402@c.us"));
    let details = read.details;
    assert_eq!(details.ack, Some(Ack::Server));
    let quoted = details.reply_to.expect("a quote");
    assert_eq!(quoted.id.as_str(), "3EB0112233445566");
    assert_eq!(quoted.from.and_then(|person| person.lid), chat("78@lid"));
    assert_eq!(details.mentions.len(), 1);
    assert_eq!(details.media.expect("a medium").size, Some(1234));
    assert!(details.is_forwarded && details.forwarding_score == 3 && details.is_ephemeral);
}

#[test]
fn what_is_strange_is_left_out_and_takes_nothing_with_it() {
    let place = |latitude: f64| json!({"location": {"latitude": latitude, "longitude": 13.2}});
    for (change, fits) in [
        (json!({"id": "rubbish"}), false),
        (json!({"chat": "nowhere"}), false),
        (
            json!({"from": {"id": "x", "phone": null, "lid": null}}),
            false,
        ),
        (json!({"replyTo": {"id": "?", "from": null}}), true),
        (place(-8.8), true),
        (place(91.0), true),
        (json!({"at": null}), true),
        (json!({"at": i64::MAX}), true),
    ] {
        let read = read::<PageMessage>(with(message(), change.clone()));
        assert_eq!(read.is_some(), fits, "{change}");
        if let Some(DriverEvent::Message(message)) = read {
            let on_earth = change["location"]["latitude"] == json!(-8.8);
            assert_eq!(message.details.location.is_some(), on_earth, "{change}");
            assert!(change.get("at").is_none() || message.at == NOW);
        }
    }
}

#[test]
fn a_name_of_the_wrong_kind_is_no_name() {
    let person = PagePerson {
        id: "77@lid".to_owned(),
        phone: Some("78@lid".to_owned()),
        lid: Some("77@lid".to_owned()),
    };
    let person = person.read().expect("a person");
    assert_eq!((person.phone, person.lid), (None, chat("77@lid")));
}

fn notice(word: &str, by: &str, members: &[&str]) -> Option<DriverEvent> {
    let person = |id: &&str| json!({"id": id, "phone": null, "lid": id});
    read::<PageGroup>(json!({
        "id": "false_120363041@g.us_3EB0AABBCCDDEEFF_77@lid", "group": "120363041@g.us",
        "word": word, "by": person(&by), "members": members.iter().map(person).collect::<Vec<_>>(),
        "text": null, "at": 1_800_000_000,
    }))
}

#[test]
fn notices_of_groups() {
    for (word, members, change, concerned) in [
        ("add", &["78@lid"][..], GroupChange::Joined, &["78@lid"][..]),
        ("leave", &[], GroupChange::Left, &["77@lid"]),
        ("leave", &["77@lid"], GroupChange::Left, &["77@lid"]),
        (
            "membership_approval_request",
            &[],
            GroupChange::JoinRequested,
            &["77@lid"],
        ),
        ("subject", &[], GroupChange::Updated, &[]),
    ] {
        let Some(DriverEvent::Group(read)) = notice(word, "77@lid", members) else {
            panic!("no notice of {word}");
        };
        assert_eq!((read.change, &*read.word), (change, word));
        assert_eq!(read.by.map(|person| person.id), chat("77@lid"), "{word}");
        let members: Vec<_> = read.members.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(members, concerned, "{word}");
    }
}

#[test]
fn other_happenings() {
    let from = json!({"id": "77@lid", "phone": null, "lid": "77@lid"});
    let call = json!({
        "id": "CALL1", "from": from, "isVideo": true, "isGroup": false, "participants": [],
        "at": 1_800_000_000_123_i64,
    });
    let Some(DriverEvent::Call(read_call)) = read::<PageCall>(call.clone()) else {
        panic!("no call");
    };
    assert_eq!(
        read_call.at.unix_timestamp_nanos() / 1_000_000,
        1_800_000_000_123
    );
    assert_eq!(read::<PageCall>(with(call, json!({"id": ""}))), None);
    let edit = json!({
        "id": "false_77@lid_3EB0AABBCCDDEEFF", "chat": "77@lid", "from": from, "fromMe": false,
        "text": "novo", "previous": null, "at": null,
    });
    let Some(DriverEvent::Edited(edit)) = read::<PageEdit>(edit) else {
        panic!("no edit");
    };
    assert_eq!((edit.text.as_deref(), edit.at), (Some("novo"), NOW));
    // Out of any calendar.
    let reaction = json!({
        "message": "true_77@lid_3EB0AABBCCDDEEFF", "chat": "77@lid", "from": from,
        "fromMe": false, "emoji": "", "isOrphan": true, "at": 1e300,
    });
    let Some(DriverEvent::Reaction(reaction)) = read::<PageReaction>(reaction) else {
        panic!("no reaction");
    };
    assert_eq!((reaction.emoji, reaction.at), (None, NOW));
}

#[test]
fn votes_and_notices() {
    let vote = || {
        json!({
            "poll": "true_244929782402@c.us_3EB0AABBCCDDEEFF", "chat": "244929782402@c.us",
            "from": {"id": "244929782402@c.us", "phone": "244929782402@c.us", "lid": "77@lid"},
            "fromMe": false, "question": null, "choices": [{"id": 1, "name": "Terça"}, {"id": 7, "name": null}],
            "at": 1_800_000_000_250_i64,
        })
    };
    let Some(DriverEvent::Vote(read_vote)) = read::<PageVote>(vote()) else {
        panic!("no vote");
    };
    assert_eq!(
        read_vote.at.unix_timestamp_nanos(),
        1_800_000_000_250_000_000
    );
    let choices: Vec<_> = read_vote
        .choices
        .iter()
        .map(|one| (one.id, one.name.as_deref()))
        .collect();
    assert_eq!(choices, [(1, Some("Terça")), (7, None)]);
    let notice = || {
        json!({
            "id": "false_244929782402@c.us_3EB0AABBCCDDEEFF", "isOld": true, "chat": "244929782402@c.us",
            "kind": "call_log", "word": null, "by": null, "text": null, "at": null,
            "people": [{"id": "?", "phone": null, "lid": null}],
        })
    };
    let Some(DriverEvent::Notice(read_notice)) = read::<PageNotice>(notice()) else {
        panic!("no notice");
    };
    assert_eq!(read_notice.at, NOW);
    assert!(read_notice.people.is_empty() && read_notice.word.is_none());
    for strange in [json!({"poll": "?"}), json!({"chat": "?"})] {
        assert!(read::<PageVote>(with(vote(), strange)).is_none());
    }
    for strange in [json!({"id": "?"}), json!({"chat": "?"})] {
        assert!(read::<PageNotice>(with(notice(), strange)).is_none());
    }
}
