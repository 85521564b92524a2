//! A long log and many readers keep memory bounded. Alone in its process, so that what is measured
//! is theirs.

// The figure is for whoever looks.
#![allow(clippy::print_stdout)]

mod scene;

use std::time::Instant;

use futures_util::StreamExt;
use scene::Scene;
use zapnode_core::event::Event;
use zapnode_core::store;

/// How many events there are.
const EVENTS: usize = 100_000;
/// How many read at one time.
const READERS: usize = 20;
/// What all of them may take together, in bytes.
const BOUND: usize = 64 * 1024 * 1024;

/// Memory of this process in use, in bytes.
#[cfg(target_os = "linux")]
fn memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("read");
    let resident = pages.split(' ').nth(1).expect("a number");
    resident.parse::<usize>().expect("a number") * 4096
}

/// As long as `ZAPNODE_READ_EACH` says; by default a part, because a build for tests is slow.
fn read_each() -> usize {
    let given = std::env::var("ZAPNODE_READ_EACH").ok();
    given.and_then(|n| n.parse().ok()).unwrap_or(5_000)
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_hundred_thousand_events_and_twenty_readers() {
    let scene = Scene::new();
    drop(scene.manager().await);
    fill(&scene.options.data_dir.join(store::FILE_NAME));
    let manager = scene.manager().await;
    let log = manager.events();
    assert_eq!(log.latest(), 100_000);

    let before = memory();
    let began = Instant::now();
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..READERS {
        // Some stand still with what they have, as a reader whose line is stuck.
        let cursor = i64::try_from(number * (EVENTS - read_each()) / READERS).expect("small");
        let mut events = log.from(cursor);
        readers.spawn(async move {
            let mut expected = cursor;
            for _ in 0..read_each() {
                let event: Event = events.next().await.expect("more").expect("read");
                expected += 1;
                assert_eq!(event.sequence, expected);
            }
            events
        });
    }
    let mut peak = before;
    let mut standing = Vec::new();
    while let Some(reader) = readers.join_next().await {
        standing.push(reader.expect("reads"));
        peak = peak.max(memory());
    }
    let grown = peak - before;
    println!(
        "{EVENTS} events, {READERS} readers of {} each: {} KiB more at the peak, {} ms",
        read_each(),
        grown / 1024,
        began.elapsed().as_millis()
    );
    assert!(grown < BOUND, "{grown} bytes");
    drop(standing);
}

/// Written as it would be, but in one transaction.
fn fill(file: &std::path::Path) {
    let store = rusqlite::Connection::open(file).expect("opens");
    let payload = serde_json::json!({
        "id": "false_5511912345678@c.us_3EB0AABBCCDDEEFF0011",
        "message": "01JY0000000000000000000000",
        "timestamp": 1_760_522_400, "from": "5511912345678@c.us", "to": "244929782402@c.us",
        "fromMe": false, "participant": null, "chatId": "5511912345678@c.us",
        "contactId": "ctc_01JY0000000000000000000000", "phone": "5511912345678@c.us", "lid": null,
        "notifyName": "Bruno", "type": "chat", "body": "x".repeat(200), "hasMedia": false,
        "media": null, "ack": 1, "ackName": "SERVER", "replyTo": null, "source": "app",
    });
    store
        .execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO events (id, at, session, name, chat, payload)
             SELECT printf('evt_01JY%022d', i), CAST(unixepoch('subsec') * 1000 AS INTEGER), 'shop',
                    'message', '5511912345678@c.us', ?2 FROM n",
            rusqlite::params![EVENTS, payload.to_string()],
        )
        .expect("filled");
}
