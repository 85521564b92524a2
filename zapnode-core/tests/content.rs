//! Messages of every kind through the outbox, on the scripted driver.

mod scene;

use std::path::Path;
use std::time::Duration;

use scene::{Scene, bruno, id, until};
use time::macros::datetime;
use zapnode_core::media::About;
use zapnode_core::message::{
    ContactCard, Content, Event, EventCall, Media, MediaFile, MediaKind, OutgoingMessage,
};
use zapnode_core::outbox::{FailureCode, Message, MessageState, NewMessage};
use zapnode_core::{ChatId, Error, MessageId, SessionInfo, SessionManager};

const WAIT: Duration = Duration::from_secs(20);
const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn file(mime: &str) -> MediaFile {
    MediaFile {
        path: "".into(),
        mime: mime.to_owned(),
        name: Some("nota.bin".to_owned()),
        size: 4,
        sha256: SHA.to_owned(),
    }
}

/// One of each kind, with everything that can be chosen.
fn each() -> Vec<Content> {
    let chat = ChatId::from(&bruno());
    let mut all = vec![
        Content::Text {
            text: format!("oi @{} https://exemplo.ao", chat.user()),
            mentions: vec![chat.clone()],
            link_preview: false,
        },
        Content::Location {
            latitude: -8.838333,
            longitude: 13.234444,
            name: Some("Luanda".to_owned()),
            address: Some("Marginal".to_owned()),
        },
        Content::Contacts {
            contacts: vec![ContactCard::new("Ana", &[bruno()])],
        },
        Content::Poll {
            question: "Quando?".to_owned(),
            options: vec!["hoje".to_owned(), "amanhã".to_owned()],
            several: true,
        },
        Content::Event(Event {
            name: "Obra".to_owned(),
            description: Some("Trazer botas".to_owned()),
            starts_at: datetime!(2026-12-01 08:00 UTC),
            ends_at: Some(datetime!(2026-12-01 10:00 UTC)),
            location: Some("Talatona".to_owned()),
            call: Some(EventCall::Voice),
        }),
        Content::Forward {
            message: MessageId::new(&format!("false_{chat}_3EB0AAAAAAAA")).expect("a key"),
        },
    ];
    for (kind, mime) in [
        (MediaKind::Image, "image/jpeg"),
        (MediaKind::Video, "video/mp4"),
        (MediaKind::Gif, "video/mp4"),
        (MediaKind::Audio, "audio/mpeg"),
        (MediaKind::Voice, "audio/ogg"),
        (MediaKind::Document, "application/pdf"),
        (MediaKind::Sticker, "image/webp"),
    ] {
        let mut media = Media::new(kind, file(mime));
        media.caption = kind.takes_caption().then(|| "olá".to_owned());
        media.view_once = kind.takes_view_once();
        media.hd = kind == MediaKind::Image;
        if kind == MediaKind::Voice {
            media.duration = Some(3);
            media.waveform = Some(vec![50; 64]);
        }
        all.push(Content::Media(media));
    }
    all
}

async fn put_file(manager: &SessionManager) {
    let added = manager
        .media()
        .add_base64("dGVzdA==", About::default())
        .await;
    assert_eq!(added.expect("taken").sha256, SHA);
}

/// As the driver gets it: with the file's place in the data folder.
fn placed(content: &Content, data: &Path) -> Content {
    let mut content = content.clone();
    if let Content::Media(media) = &mut content {
        media.file.path = data.join("media").join(&SHA[..2]).join(SHA);
    }
    content
}

#[tokio::test]
async fn every_kind_is_stored_as_it_was_asked_for_and_handed_over_after_a_restart() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    put_file(&manager).await;
    let later = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    let mut accepted: Vec<Message> = vec![];
    for content in each() {
        let new = NewMessage {
            send_at: Some(later),
            ..NewMessage::new(bruno(), content.clone())
        };
        let message = session.submit(new).await.expect("accepted").message;
        assert_eq!(message.kind, content.kind());
        assert_eq!(message.text, content.words());
        assert_eq!(message.content.as_ref(), Some(&content));
        accepted.push(message);
    }
    manager.shutdown().await;
    drop((manager, session));

    let manager = scene.manager().await;
    manager.restore().await;
    let session = manager.get(&id("a")).expect("there");
    until(&session, SessionInfo::is_ready).await;
    for message in &accepted {
        let stored = manager.message(message.id).await.expect("stored");
        assert_eq!(stored.content, message.content);
        assert_eq!((&stored.kind, &stored.text), (&message.kind, &message.text));
        session.cancel(message.id).await.expect("cancelled");
    }
    for content in each() {
        let new = NewMessage::new(bruno(), content);
        let sent = session.submit_and_wait(new, MessageState::Sent, WAIT).await;
        assert_eq!(sent.expect("sent").message.state, MessageState::Sent);
    }
    let sent: Vec<OutgoingMessage> = scene.driver.sent();
    let expected: Vec<Content> = each()
        .iter()
        .map(|content| placed(content, &scene.options.data_dir))
        .collect();
    let sent: Vec<Content> = sent.into_iter().map(|m| m.content).collect();
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_plain_text_needs_no_content() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let new = NewMessage::text(bruno(), "olá");
    let sent = session.submit_and_wait(new, MessageState::Sent, WAIT).await;
    let message = sent.expect("sent").message;
    assert_eq!((message.kind.as_str(), message.content), ("chat", None));
    assert_eq!(scene.driver.sent()[0].content, Content::text("olá"));
}

#[tokio::test]
async fn a_key_is_bound_to_what_is_carried() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    put_file(&manager).await;
    let all = each();
    for (n, content) in all.iter().enumerate() {
        let keyed = |content: &Content| NewMessage {
            idempotency_key: Some(format!("key-{n}")),
            ..NewMessage::new(bruno(), content.clone())
        };
        let first = session.submit(keyed(content)).await.expect("accepted");
        let again = session.submit(keyed(content)).await.expect("known");
        assert!(again.repeated && again.message.id == first.message.id);
        let other = &all[(n + 1) % all.len()];
        let refused = session.submit(keyed(other)).await;
        assert!(matches!(refused, Err(Error::IdempotencyMismatch)));
    }
    // In other words, the words count.
    let asked = |asked: &str, content: &Content| NewMessage {
        idempotency_key: Some("words".to_owned()),
        asked: Some(asked.to_owned()),
        ..NewMessage::new(bruno(), content.clone())
    };
    session.submit(asked("x", &all[0])).await.expect("accepted");
    let again = session.submit(asked("x", &all[1])).await.expect("known");
    assert!(again.repeated);
    assert!(session.submit(asked("y", &all[0])).await.is_err());
}

#[tokio::test]
async fn what_the_page_cannot_send_fails_and_says_what_is_missing() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.lack(Some("poll_creation"));
    let polls = each().into_iter().find(|c| c.kind() == "poll_creation");
    let poll = NewMessage::new(bruno(), polls.expect("a poll"));
    let failed = session
        .submit_and_wait(poll, MessageState::Sent, WAIT)
        .await;
    let failure = failed.expect("accepted").message.failure.expect("failed");
    assert_eq!(failure.code, FailureCode::NotSupportedByPage);
    assert!(
        failure.detail.contains("a poll: ScriptedModule"),
        "{}",
        failure.detail
    );
    // The next one goes.
    let text = NewMessage::text(bruno(), "olá");
    let sent = session
        .submit_and_wait(text, MessageState::Sent, WAIT)
        .await;
    assert_eq!(sent.expect("sent").message.state, MessageState::Sent);
    let refused = NewMessage::new(
        bruno(),
        Content::Poll {
            question: "?".to_owned(),
            options: vec![],
            several: false,
        },
    );
    let refused = session.submit(refused).await;
    assert!(matches!(refused, Err(Error::InvalidMessage(_))));
}
