//! Files go both ways by their bytes.

use super::{Session, World};
use crate::driver::file_sink::hex;
use crate::driver::{DriverError, DriverEvent};
use crate::id::{ChatId, MessageId, WireId};
use crate::message::{Content, Media, MediaFile, MediaKind, OutgoingMessage};

/// More than one piece of any transport, and no text.
fn bytes() -> Vec<u8> {
    (0..5_000_000_u32).map(|n| (n % 251) as u8).collect()
}

/// `text` is a message without a file.
pub(super) async fn files(
    world: &dyn World,
    session: &mut Session,
    friend: &ChatId,
    text: &MessageId,
) {
    let bytes = bytes();
    let sha256 = hex(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.bin");
    std::fs::write(&path, &bytes).expect("written");
    let file = MediaFile {
        path,
        mime: "application/octet-stream".to_owned(),
        name: Some("relatório final.bin".to_owned()),
        size: bytes.len() as u64,
        sha256: sha256.clone(),
    };
    let mut media = Media::new(MediaKind::Document, file);
    media.caption = Some("o relatório".to_owned());
    let out = OutgoingMessage {
        chat: friend.clone(),
        wire_id: WireId::choose(),
        reply_to: None,
        content: Content::Media(media),
    };
    let sent = session.connection.send(&out).await.expect("sent");
    assert_eq!(sent.id.wire_id(), out.wire_id, "under the id chosen");
    session.server_has(&out.wire_id).await;
    let there = world.document(&world.friend(), &out.wire_id).await;
    assert!(there == bytes, "the friend has the same bytes");

    world
        .send_document(&world.friend(), &world.account(), &bytes)
        .await;
    let message = session
        .until("an incoming document", |event| match event {
            DriverEvent::Message(one) if one.kind == "document" => Some(one.clone()),
            _ => None,
        })
        .await;
    let facts = message.details.media.expect("facts of the file");
    assert_eq!(facts.size, Some(bytes.len() as u64));
    let to = folder.path().join("in.bin");
    let loaded = session.connection.download(&message.id, &to).await;
    let loaded = loaded.expect("downloaded");
    assert_eq!((loaded.size, loaded.sha256), (bytes.len() as u64, sha256));
    assert!(std::fs::read(&to).expect("a file") == bytes, "its bytes");

    let nothing = folder.path().join("nothing");
    let none = session.connection.download(text, &nothing).await;
    assert!(
        matches!(none, Err(DriverError::NoMedia { .. })),
        "a text has no file: {none:?}"
    );
    assert!(!nothing.exists(), "and none is made");
}
