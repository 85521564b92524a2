//! Files of messages that come, on the scripted driver: loaded when asked for or by rule, once.

mod scene;

use std::path::{Path, PathBuf};
use std::time::Duration;

use scene::{Scene, bruno, told};
use zapnode_core::driver::DriverError;
use zapnode_core::driver::scripted::ScriptedFile;
use zapnode_core::event::{Event, EventKind, MessagePayload};
use zapnode_core::media::{About, AutoDownload, MediaError, MediaState};
use zapnode_core::message::{Content, Media, MediaKind};
use zapnode_core::outbox::Message;
use zapnode_core::session::AskPhone;
use zapnode_core::{Error, SessionHandle, SessionManager};

const PDF: &[u8] = b"%PDF-1.7\numa conta";

fn pdf() -> ScriptedFile {
    let mut file = ScriptedFile::new("image/png", PDF);
    file.file_name = Some("../conta.pdf".to_owned());
    file
}

fn payload(event: &Event) -> Option<&MessagePayload> {
    match &event.kind {
        EventKind::Message(message) => Some(message),
        _ => None,
    }
}

/// Somebody sends a file; gives the message as it is stored, and as it is told.
async fn comes(
    scene: &Scene,
    manager: &SessionManager,
    session: &SessionHandle,
    file: ScriptedFile,
) -> (Message, MessagePayload) {
    let log = manager.events();
    let mut events = log.from(log.latest());
    let sent = scene.driver.write_file(session.id(), &bruno(), file).await;
    let event = told(&mut events, |e| payload(e).is_some_and(|m| m.id == sent.id)).await;
    let stored = manager.message_by_key(sent.id).await.expect("stored");
    (stored, payload(&event).expect("a message").clone())
}

#[tokio::test]
async fn a_file_is_loaded_when_it_is_asked_for_and_kept_by_its_content() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let (message, told) = comes(&scene, &manager, &session, pdf()).await;
    let media = told.media.expect("a file");
    assert_eq!(media.state.as_deref(), Some("remote"));
    assert_eq!(media.id, Some(message.id.to_string()));
    assert_eq!(media.url, Some(format!("/messages/{}/media", message.id)));
    let known = session
        .media_of(&message)
        .await
        .expect("read")
        .expect("a file");
    assert_eq!((known.state, known.sha256), (MediaState::Remote, None));

    let file = session
        .load_media(&message, AskPhone::No)
        .await
        .expect("loaded");
    assert_eq!(std::fs::read(&file.path).expect("there"), PDF);
    assert_eq!(file.mime, "application/pdf", "not the sender's word");
    assert_eq!(file.name.as_deref(), Some("conta.pdf"));
    let known = session
        .media_of(&message)
        .await
        .expect("read")
        .expect("a file");
    assert_eq!(
        (known.state, known.size),
        (MediaState::Available, Some(PDF.len() as u64))
    );
    let by_id = manager.media().find(message.id).await.expect("known");
    assert_eq!(by_id, known);

    // From the disk from now on: WhatsApp may forget it.
    let mut gone = pdf();
    gone.expired = true;
    scene.driver.put_file(&message.wire_id, gone);
    assert_eq!(
        session
            .load_media(&message, AskPhone::No)
            .await
            .expect("here"),
        file
    );
    // The same bytes in another message are the same file.
    let (other, _) = comes(&scene, &manager, &session, pdf()).await;
    let same = session
        .load_media(&other, AskPhone::No)
        .await
        .expect("loaded");
    assert_eq!(same.path, file.path);
}

#[tokio::test]
async fn what_expired_is_named_so_and_the_phone_is_asked_only_on_request() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut expired = pdf();
    expired.expired = true;
    let (message, _) = comes(&scene, &manager, &session, expired.clone()).await;
    let gone = session.load_media(&message, AskPhone::No).await;
    assert!(matches!(
        gone,
        Err(Error::Driver(DriverError::MediaExpired {
            asked: false,
            ..
        }))
    ));
    let known = session
        .media_of(&message)
        .await
        .expect("read")
        .expect("a file");
    assert_eq!(known.state, MediaState::Expired);
    let again = session
        .load_media(&message, AskPhone::Yes)
        .await
        .expect("uploaded again");
    assert_eq!(std::fs::read(&again.path).expect("there"), PDF);
    let known = session
        .media_of(&message)
        .await
        .expect("read")
        .expect("a file");
    assert_eq!(known.state, MediaState::Available);

    expired.on_phone = false;
    expired.bytes.push(b'!');
    let (message, _) = comes(&scene, &manager, &session, expired).await;
    let gone = session.load_media(&message, AskPhone::Yes).await;
    assert!(matches!(
        gone,
        Err(Error::Driver(DriverError::MediaExpired { asked: true, .. }))
    ));
}

#[tokio::test]
async fn what_has_no_file_or_too_large_a_one_is_told() {
    let mut scene = Scene::new();
    scene.options.media.limits.document = 10;
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let (large, _) = comes(&scene, &manager, &session, pdf()).await;
    let refused = session.load_media(&large, AskPhone::No).await;
    assert!(matches!(
        refused,
        Err(Error::Media(MediaError::TooLarge { limit: 10, .. }))
    ));
    let text = session
        .send_text(bruno(), "olá", Duration::from_secs(20))
        .await;
    let text = manager
        .message(text.expect("sent").id)
        .await
        .expect("stored");
    assert_eq!(session.media_of(&text).await.expect("read"), None);
    let none = session.load_media(&text, AskPhone::Yes).await;
    assert!(matches!(none, Err(Error::Media(MediaError::NotFound))));
}

#[tokio::test]
async fn the_rule_loads_what_it_names_and_nothing_else() {
    let mut scene = Scene::new();
    scene.options.media.download = AutoDownload {
        kinds: vec!["document".to_owned()],
        up_to: Some(PDF.len() as u64),
    };
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut large = pdf();
    large.bytes.push(b'!');
    let (large, _) = comes(&scene, &manager, &session, large).await;
    let (small, _) = comes(&scene, &manager, &session, pdf()).await;
    // They are taken one after the other: with the second here, the first is decided.
    let loaded = async {
        loop {
            let known = session
                .media_of(&small)
                .await
                .expect("read")
                .expect("a file");
            if known.state == MediaState::Available {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), loaded)
        .await
        .expect("loaded");
    let known = session
        .media_of(&large)
        .await
        .expect("read")
        .expect("a file");
    assert_eq!(known.state, MediaState::Remote);
}

#[tokio::test]
async fn a_file_of_ours_is_given_from_the_disk() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let added = session
        .media()
        .add_base64("JVBERi0xLjcK", About::default())
        .await;
    let file = session
        .media()
        .prepare(MediaKind::Document, added.expect("taken"))
        .await;
    let media = Media::new(MediaKind::Document, file.expect("ready"));
    let content = Content::Media(media.clone());
    let sent = session
        .send(bruno(), content, Duration::from_secs(20))
        .await
        .expect("sent");
    let message = manager.message(sent.id).await.expect("stored");
    let known = session
        .media_of(&message)
        .await
        .expect("read")
        .expect("a file");
    assert_eq!(
        (known.state, known.sha256),
        (MediaState::Available, Some(media.file.sha256.clone()))
    );
    let loaded = session
        .load_media(&message, AskPhone::No)
        .await
        .expect("here");
    assert_eq!(loaded, media.file);
}

/// The ffmpeg of this machine, which these tests need: `apt-get install ffmpeg`.
fn ffmpeg() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).map(|folder| folder.join("ffmpeg"));
    let mut found = all.filter(|path| path.is_file());
    found
        .next()
        .expect("ffmpeg is installed: apt-get install ffmpeg")
}

#[tokio::test]
async fn ffmpeg_makes_voice_notes_gifs_and_stickers() {
    let mut scene = Scene::new();
    scene.options.media.ffmpeg = Some(ffmpeg());
    let manager = scene.manager().await;
    let media = manager.media();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/media");
    for (name, kind, mime) in [
        ("tone.mp3", MediaKind::Voice, "audio/ogg; codecs=opus"),
        ("clip.webm", MediaKind::Gif, "video/mp4"),
        ("picture.png", MediaKind::Sticker, "image/webp"),
        ("wide.jpg", MediaKind::Sticker, "image/webp"),
    ] {
        let added = media.add_file(&folder.join(name), About::default()).await;
        let file = media.prepare(kind, added.expect("taken")).await;
        let file = file.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(file.mime, mime, "{name}");
        // It is what it has to be: nothing is left to do.
        let again = media.prepare(kind, file.clone()).await;
        assert_eq!(again.expect("ready"), file, "{name}");
        let content = Content::Media(Media::new(kind, file));
        assert_eq!(content.check(), Ok(()), "{name}");
    }
    // Named like sound by its first bytes, and none.
    let broken = media
        .add_base64("SUQzAwAAAAAAAA==", About::default())
        .await
        .expect("taken");
    let failed = media.prepare(MediaKind::Voice, broken).await;
    assert!(
        matches!(failed, Err(MediaError::Unconvertible { .. })),
        "{failed:?}"
    );
}
