//! In a process of its own, so that its memory is its own.

#![cfg(target_os = "linux")]

mod scene;
mod webhook_scene;

use scene::Scene;
use time::OffsetDateTime;
use webhook_scene::{create, hook, nobody, scene, until, write};
use zapnode_core::webhook::WebhookInfo;
use zapnode_core::webhook::receiver::Receiver;

/// This process's memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.expect("a size").parse().expect("a number")
}

// The figure is what it is for; `--nocapture` shows it.
#[allow(clippy::print_stdout)]
#[tokio::test]
async fn a_hundred_thousand_events_wait_in_the_log_and_not_in_memory() {
    const EVENTS: i64 = 100_000;
    let scene = scene();
    let address = nobody().await;
    let manager = scene.manager().await;
    let mut ids = vec![];
    for _ in 0..5 {
        let made = create(&manager, hook(format!("http://{address}/"))).await;
        ids.push(made.webhook.id.clone());
    }
    scene.ready(&manager, "a").await;
    write(&scene, 1, 1).await;
    until(&manager, &ids[0], |i| i.counts.pending == 1).await;
    manager.shutdown().await;
    drop(manager);
    pending(&scene, EVENTS);

    let before = resident();
    let manager = scene.manager().await;
    for id in &ids {
        until(&manager, id, |i| i.is_down).await;
    }
    let down = resident();
    let info = manager.webhooks().get(&ids[0]).await.expect("there");
    assert!(info.lag >= 100_000, "{info:?}");
    // One comes back; so many are sent that all bounds were reached long ago.
    let receiver = Receiver::start_at(address).await.expect("listens");
    let enough = |i: &WebhookInfo| i.counts.delivered >= 300;
    for id in &ids {
        until(&manager, id, enough).await;
    }
    let busy = resident();
    println!("resident: {before} KiB before, {down} KiB down, {busy} KiB busy");
    assert!(
        busy.saturating_sub(before) < 48 * 1024,
        "{before} {down} {busy}"
    );
    receiver.assert_clean();
    manager.shutdown().await;
}

/// Writes messages of a thousand chats into the log, as a long outage would leave them.
fn pending(scene: &Scene, events: i64) {
    let path = scene.options.data_dir.join(zapnode_core::store::FILE_NAME);
    let mut database = rusqlite::Connection::open(path).expect("opens");
    let real: String = database
        .query_row(
            "SELECT payload FROM events WHERE name = 'message'",
            [],
            |r| r.get(0),
        )
        .expect("there is one");
    let mut payload: serde_json::Value = serde_json::from_str(&real).expect("JSON");
    let transaction = database.transaction().expect("begins");
    {
        let mut insert = transaction
            .prepare(
                "INSERT INTO events (id, at, session, name, chat, payload)
                 VALUES (?1, ?2, 'a', 'message', ?3, ?4)",
            )
            .expect("prepared");
        let now = OffsetDateTime::now_utc().unix_timestamp() * 1000;
        for n in 0..events {
            let chat = format!("5511{:08}@c.us", n % 1000);
            payload["from"] = chat.clone().into();
            payload["chatId"] = chat.clone().into();
            payload["body"] = (n / 1000).to_string().into();
            let id = format!("evt_{}", ulid::Ulid::new());
            let values = rusqlite::params![id, now + n, chat, payload.to_string()];
            insert.execute(values).expect("written");
        }
    }
    transaction.commit().expect("committed");
}
