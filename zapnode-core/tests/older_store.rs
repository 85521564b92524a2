//! Databases of other versions.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use time::macros::datetime;
use zapnode_core::outbox::{FailureCode, MessageFilter, MessageState};
use zapnode_core::store::{Accepted, Key, Spare, Store, StoreError};
use zapnode_core::{ChatId, MessageId, SessionId};

/// Written by ZapNode 0.1.0 at schema 2: two sessions, a message in each state, a key for each of
/// our own.
const SCHEMA_2: &str = "tests/fixtures/schema-2.db";

fn copied(fixture: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture);
    std::fs::copy(source, folder.path().join("zapnode.db")).unwrap();
    folder
}

fn shop() -> SessionId {
    SessionId::new("shop").unwrap()
}

#[tokio::test]
async fn a_database_of_schema_2_opens_with_everything_in_it() {
    let folder = copied(SCHEMA_2);
    let store = Store::open(folder.path()).await.unwrap();

    let sessions = store.sessions().await.unwrap();
    let seen: Vec<_> = sessions
        .iter()
        .map(|s| (s.id.as_str(), s.linked, s.wanted, s.options.headless))
        .collect();
    assert_eq!(
        seen,
        [
            ("shop", true, true, Some(true)),
            ("support", false, false, Some(false))
        ]
    );
    assert_eq!(
        sessions[0].profile,
        PathBuf::from("/srv/zapnode/.wwebjs_auth/session-shop")
    );
    assert_eq!(sessions[0].created_at, datetime!(2026-11-20 10:00 UTC));

    let mut all = store
        .messages(shop(), MessageFilter::default(), 100)
        .await
        .unwrap();
    all.reverse();
    use MessageState::*;
    let states = [
        Queued, Sending, Sent, Delivered, Read, Failed, Cancelled, Received,
    ];
    assert_eq!(all.iter().map(|m| m.state).collect::<Vec<_>>(), states);
    for (n, message) in (0u32..).zip(&all) {
        let word = message.state.as_str();
        assert_eq!(
            message.text.as_deref(),
            Some(&*format!("Olá João, nº {n}: {word}"))
        );
        assert_eq!(message.wire_id.as_str(), format!("3EB0{:018X}", n + 1));
        assert_eq!(message.from_me, message.state != Received);
        let known = !matches!(message.state, Queued | Cancelled);
        let chat = ChatId::new("5511912345678@c.us").unwrap();
        assert_eq!(message.chat, known.then_some(chat), "{word}");
        let failed = message.failure.as_ref().map(|f| f.code);
        let expected = (message.state == Failed).then_some(FailureCode::Refused);
        assert_eq!(failed, expected);
    }
    assert_eq!(
        all[0].send_at,
        Some(datetime!(2027-11-20 10:00 UTC)),
        "a planned message keeps its time"
    );
    let open = store.open_messages(shop()).await.unwrap().into_iter();
    let open: Vec<_> = open.map(|(message, _)| message).collect();
    assert_eq!(open, all[..2], "what is to be sent is still to be sent");

    // By either id, by its key, by its words.
    assert_eq!(
        store.message(all[3].id).await.unwrap().as_ref(),
        Some(&all[3])
    );
    let key = MessageId::new("true_5511912345678@c.us_3EB0000000000000000003").unwrap();
    assert_eq!(
        store.message_by_key(key).await.unwrap().as_ref(),
        Some(&all[2])
    );
    let key = Key {
        key: "order-4".to_owned(),
        request: "request-4".to_owned(),
    };
    assert_eq!(
        store.known_by_key(key).await.unwrap(),
        Some(Accepted::Repeated(all[4].clone()))
    );
    let words = MessageFilter {
        words: Some("joao delivered".to_owned()),
        ..MessageFilter::default()
    };
    assert_eq!(
        store.messages(shop(), words, 9).await.unwrap(),
        [all[3].clone()]
    );

    // It can be written, shrinks, and opens again.
    store.note_session(shop(), false, true).await.unwrap();
    let deleted = store.delete_messages(datetime!(2026-11-21 0:00 UTC)).await;
    assert_eq!(
        deleted.unwrap(),
        1,
        "only the received one has no key and is over"
    );
    store.shrink(Spare::None).await.unwrap();
    drop(store);
    let store = Store::open(folder.path()).await.unwrap();
    assert!(!store.sessions().await.unwrap()[0].linked);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_as_it_is() {
    let folder = copied(SCHEMA_2);
    let file = folder.path().join("zapnode.db");
    // Where SQLite keeps user_version: four bytes at 60.
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[60..64].copy_from_slice(&999u32.to_be_bytes());
    std::fs::write(&file, &bytes).unwrap();
    let refused = Store::open(folder.path()).await.unwrap_err();
    assert!(
        matches!(refused, StoreError::Newer { found: 999, .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("newer ZapNode"), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn a_torn_database_is_found_when_it_is_opened() {
    let folder = copied(SCHEMA_2);
    let file = folder.path().join("zapnode.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let half = bytes.len() / 2;
    bytes[half..half + 8192].fill(0x5A);
    std::fs::write(&file, &bytes).unwrap();
    let refused = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged(_)), "{refused:?}");
}
