//! What a session does to messages and chats besides sending, and what the log has of it.

mod scene;

use std::time::Duration;

use scene::{Scene, bruno, told};
use time::OffsetDateTime;
use zapnode_core::driver::scripted::Act;
use zapnode_core::driver::{DriverError, DriverEvent};
use zapnode_core::event::EventKind;
use zapnode_core::message::{
    Activity, Notice, Person, PinTime, PollChoice, PollVote, Recipient, RevokedFor,
};
use zapnode_core::outbox::{MessageState, NewMessage};
use zapnode_core::{ChatId, Error, MessageId};

const WAIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_is_done_here_is_in_the_log_and_the_history() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut events = manager.events().from(manager.events().latest());
    let new = NewMessage::text(bruno(), "um");
    let sent = session.submit_and_wait(new, MessageState::Sent, WAIT).await;
    let sent = sent.expect("sent").message;
    let key = sent.message_id.clone().expect("a key");
    session.edit(&key, "dois").await.expect("edited");
    let edited = told(&mut events, |e| matches!(e.kind, EventKind::Edited(_))).await;
    let EventKind::Edited(edited) = edited.kind else {
        unreachable!()
    };
    assert!(edited.from_me && edited.id == key);
    assert_eq!(edited.previous_body.as_deref(), Some("um"));
    assert_eq!(edited.body.as_deref(), Some("dois"));
    let stored = manager.message(sent.id).await.expect("stored");
    assert_eq!(stored.text.as_deref(), Some("dois"));

    let theirs = scene.driver.write(session.id(), &bruno(), "olá").await;
    session.react(&theirs.id, Some("👍")).await.expect("ok");
    let reacted = told(&mut events, |e| matches!(e.kind, EventKind::Reaction(_))).await;
    let EventKind::Reaction(reacted) = reacted.kind else {
        unreachable!()
    };
    assert!(reacted.from_me && reacted.reaction.message_id == theirs.id);
    session.star(&theirs.id, true).await.expect("starred");
    let month = Some(PinTime::Month);
    session.pin(&theirs.id, month).await.expect("pinned");
    let them = Recipient::Phone(bruno());
    session.mark_seen(&them).await.expect("seen");
    session.mark_unread(&them).await.expect("unread");
    let recording = Activity::Recording;
    session
        .show_activity(&them, recording)
        .await
        .expect("shown");
    session.set_available(true).await.expect("available");
    let everyone = RevokedFor::Everyone;
    session.revoke(&key, everyone).await.expect("revoked");
    let gone = told(&mut events, |e| matches!(e.kind, EventKind::Revoked(_))).await;
    let EventKind::Revoked(gone) = gone.kind else {
        unreachable!()
    };
    assert_eq!(gone.before.and_then(|m| m.body).as_deref(), Some("dois"));
    let chat = ChatId::from(&bruno());
    assert_eq!(
        scene.driver.acts(),
        [
            Act::Edited(key.clone(), "dois".to_owned()),
            Act::Reacted(theirs.id.clone(), Some("👍".to_owned())),
            Act::Starred(theirs.id.clone(), true),
            Act::Pinned(theirs.id, month),
            Act::Seen(chat.clone()),
            Act::Unread(chat.clone()),
            Act::Showed(chat, recording),
            Act::Available(true),
            Act::Revoked(key, everyone),
        ]
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_done() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let theirs = scene.driver.write(session.id(), &bruno(), "olá").await;
    for emoji in ["", &"👍".repeat(20)] {
        let refused = session.react(&theirs.id, Some(emoji)).await;
        assert!(matches!(refused, Err(Error::InvalidMessage(_))), "{emoji}");
    }
    let refused = session.edit(&theirs.id, "  ").await;
    assert!(matches!(refused, Err(Error::InvalidMessage(_))));
    let refused = session.edit(&theirs.id, "não é meu").await;
    assert!(matches!(
        refused,
        Err(Error::Driver(DriverError::NotAllowed { .. }))
    ));
    let nowhere = MessageId::new("true_5511912345678@c.us_3EB0AABBCCDD").expect("a key");
    let refused = session.star(&nowhere, true).await;
    assert!(matches!(
        refused,
        Err(Error::Driver(DriverError::MessageUnknown { .. }))
    ));
    scene.driver.lack_part(Some("WAWebSomething"));
    let refused = session.mark_seen(&bruno().into()).await;
    assert!(matches!(
        refused,
        Err(Error::Driver(DriverError::Unsupported { part, .. })) if part == "WAWebSomething"
    ));
    session.stop().await.expect("stopped");
    let refused = session.set_available(true).await;
    assert!(matches!(refused, Err(Error::NotReady { .. })));
    assert_eq!(scene.driver.acts(), []);
}

#[tokio::test]
async fn taking_back_works_wherever_the_message_is() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let submit = async |text: &str, goal| {
        let new = NewMessage::text(bruno(), text);
        let submitted = session.submit_and_wait(new, goal, WAIT).await;
        submitted.expect("accepted").message
    };
    // Sent: on WhatsApp. Again: it is done.
    let sent = submit("enviada", MessageState::Sent).await;
    for _ in 0..2 {
        session.take_back(&sent.wire_id).await.expect("taken back");
    }
    let key = sent.message_id.expect("a key");
    assert_eq!(
        scene.driver.acts(),
        [Act::Revoked(key, RevokedFor::Everyone)]
    );
    // Not handed over: out of the queue.
    let later = NewMessage {
        send_at: Some(OffsetDateTime::now_utc() + time::Duration::hours(1)),
        ..NewMessage::text(bruno(), "mais tarde")
    };
    let later = session.submit(later).await.expect("accepted").message;
    for _ in 0..2 {
        session.take_back(&later.wire_id).await.expect("taken back");
    }
    assert_eq!(scene.driver.acts().len(), 1);
    let cancelled = manager.message(later.id).await.expect("stored");
    assert_eq!(cancelled.state, MessageState::Cancelled);
    // Refused by WhatsApp: there is nothing to take back unless the page has it.
    scene.driver.refuse_sends(Some((Some(500), "no")));
    let failed = submit("recusada", MessageState::Sent).await;
    assert_eq!(failed.state, MessageState::Failed);
    let outcome = session.take_back(&failed.wire_id).await;
    match (failed.message_id, outcome) {
        (Some(_), Ok(())) | (None, Err(Error::NotTakenBack { .. })) => {}
        other => panic!("{other:?}"),
    }
    let unknown = session.take_back(&zapnode_core::WireId::choose()).await;
    assert!(matches!(unknown, Err(Error::MessageNotFound)));
}

#[tokio::test]
async fn votes_and_notices_are_told_once() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut events = manager.events().from(manager.events().latest());
    let chat = ChatId::from(&bruno());
    let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("a time");
    let vote = |choices: &[&str], seconds| {
        let choice = |(id, name): (usize, &&str)| PollChoice {
            id: u32::try_from(id).expect("few"),
            name: Some((*name).to_owned()),
        };
        DriverEvent::Vote(PollVote {
            poll: MessageId::new("true_5511912345678@c.us_3EB0AABBCCDD").expect("a key"),
            chat: chat.clone(),
            from: Person::new(chat.clone()),
            from_me: false,
            question: Some("Quando?".to_owned()),
            choices: choices.iter().enumerate().map(choice).collect(),
            at: at(seconds),
        })
    };
    let notice = DriverEvent::Notice(Notice {
        id: MessageId::new("false_5511912345678@c.us_3EB0AABBCCEE").expect("a key"),
        chat: chat.clone(),
        kind: "notification_template".to_owned(),
        word: Some("change_number".to_owned()),
        by: None,
        people: vec![Person::new(chat.clone())],
        text: None,
        at: at(1_800_000_000),
    });
    // As after a reload, each twice; then the vote is taken back.
    let first = vote(&["Segunda"], 1_800_000_001);
    for event in [&first, &first, &notice, &notice] {
        scene.driver.tell(session.id(), event.clone()).await;
    }
    let last = vote(&[], 1_800_000_002);
    scene.driver.tell(session.id(), last).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = told(&mut events, |e| {
            matches!(e.kind, EventKind::PollVote(_) | EventKind::Notice(_))
        })
        .await;
        seen.push(serde_json::to_value(&event).expect("writes"));
    }
    let names: Vec<_> = seen.iter().map(|event| event["event"].as_str()).collect();
    assert_eq!(
        names,
        [Some("poll.vote"), Some("chat.notice"), Some("poll.vote")]
    );
    let payload = &seen[0]["payload"];
    assert_eq!(payload["selectedOptions"], serde_json::json!(["Segunda"]));
    assert_eq!(payload["poll"]["question"], "Quando?");
    assert_eq!(payload["from"], chat.as_str());
    assert_eq!(seen[2]["payload"]["selectedOptions"], serde_json::json!([]));
    let payload = &seen[1]["payload"];
    assert_eq!(payload["subtype"], "change_number");
    assert_eq!(payload["people"][0]["phone"], chat.as_str());
}
