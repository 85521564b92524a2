//! The real daemon is killed again and again while it delivers: every event arrives with the same
//! id, and what was recorded as taken is never sent again.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{Child, Command};
use zapnode_core::driver::scripted::ScriptedDriver;
use zapnode_core::webhook::receiver::Receiver;
use zapnode_core::webhook::{NewWebhook, Retries, RetryPolicy};
use zapnode_core::{
    ManagerOptions, PhoneNumber, SessionId, SessionInfo, SessionManager, SessionOptions,
    SessionState,
};

const CHATS: usize = 10;
const EACH: usize = 30;
const EVENTS: usize = CHATS * EACH;

/// Leaves a data folder with a webhook and events that it has not been told.
async fn prepare(data: &Path, receiver: &Receiver) {
    let mut options = ManagerOptions::in_folder(data);
    options.webhooks.allow_private = true;
    let driver = ScriptedDriver::new();
    let manager = SessionManager::open(Arc::new(driver.clone()), options)
        .await
        .unwrap();
    let id = SessionId::new("a").unwrap();
    let created = manager
        .create(id.clone(), SessionOptions::default())
        .await
        .unwrap();
    let wait = Duration::from_secs(30);
    let qr = |i: &SessionInfo| matches!(i.state, SessionState::AwaitingLogin { prompt: Some(_) });
    created.session.wait_until(wait, qr).await.unwrap();
    driver
        .scan(&id, &PhoneNumber::new("244929782402").unwrap())
        .await;
    created.session.wait_ready(wait).await.unwrap();
    let new = NewWebhook {
        url: receiver.url("/"),
        events: vec!["message".to_owned()],
        paused: true,
        retries: Some(Retries {
            policy: RetryPolicy::Constant,
            delay_ms: 50,
            attempts: 100,
        }),
        ..NewWebhook::default()
    };
    let made = manager.webhooks().create(new).await.unwrap();
    receiver.trust(made.webhook.secret.reveal());
    for n in 0..EACH {
        for chat in 0..CHATS {
            let from = PhoneNumber::new(&format!("5511900000{chat:03}")).unwrap();
            driver.write(&id, &from, &n.to_string()).await;
        }
    }
    // Nothing is left for the daemon to start a browser for; its events stay in the log.
    manager.delete(&id, true).await.unwrap();
    manager.shutdown().await;
    drop(manager);
    let database = rusqlite::Connection::open(data.join(zapnode_core::store::FILE_NAME)).unwrap();
    let events: i64 = database
        .query_row(
            "SELECT count(*) FROM events WHERE name = 'message'",
            [],
            |r| r.get(0),
        )
        .unwrap();
    assert_eq!(usize::try_from(events).unwrap(), EVENTS);
    database
        .execute("UPDATE webhooks SET paused = 0", [])
        .unwrap();
}

fn daemon(data: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_zapnode-http"))
        .env_clear()
        .env("HOME", data)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PORT", "0")
        .env("START_DEFAULT_SESSION", "false")
        .env("ZAPNODE_DATA_DIR", data)
        .env("ZAPNODE_WEB_URL", "http://127.0.0.1:9/")
        .env("ZAPNODE_ALLOW_PRIVATE_ADDRESSES", "true")
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// The events that are recorded as taken.
fn recorded(data: &Path) -> BTreeSet<String> {
    let database = rusqlite::Connection::open(data.join(zapnode_core::store::FILE_NAME)).unwrap();
    let mut query = database
        .prepare("SELECT event_id FROM webhook_deliveries WHERE state = 'delivered'")
        .unwrap();
    let ids = query.query_map([], |row| row.get(0)).unwrap();
    ids.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn killed_in_the_middle_of_it_nothing_is_lost_and_nothing_recorded_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let receiver = Receiver::start().await.unwrap();
    prepare(&data, &receiver).await;

    // What was recorded, and how much the receiver had got, at each kill.
    let mut kills: Vec<(BTreeSet<String>, usize)> = vec![];
    for kill in 1..=4 {
        let mut child = daemon(&data);
        receiver.until(|got| got.len() >= kill * EVENTS / 6).await;
        child.kill().await.unwrap();
        kills.push((recorded(&data), receiver.got().len()));
    }
    let (last, _) = kills.last().unwrap();
    assert!(
        last.len() > EVENTS / 4 && last.len() < EVENTS,
        "{}",
        last.len()
    );

    let mut child = daemon(&data);
    let whole = |got: &[zapnode_core::webhook::receiver::Delivered]| {
        got.iter().map(|d| &d.id).collect::<BTreeSet<_>>().len() == EVENTS
    };
    let got = receiver.until(whole).await;
    child.kill().await.unwrap();

    receiver.assert_clean();
    for (recorded, had) in &kills {
        let again = got[*had..]
            .iter()
            .filter(|d| recorded.contains(&d.id))
            .count();
        assert_eq!(again, 0, "sent again after they were recorded");
    }
    // Twice only what was under way at a kill: eight requests at most.
    assert!(got.len() <= EVENTS + kills.len() * 8, "{}", got.len());
    let mut chats = BTreeMap::<&str, Vec<&str>>::new();
    let mut seen = BTreeSet::new();
    for delivered in got.iter().filter(|d| seen.insert(&d.id)) {
        let payload = &delivered.event["payload"];
        let chat = payload["from"].as_str().unwrap();
        chats
            .entry(chat)
            .or_default()
            .push(payload["body"].as_str().unwrap());
    }
    let wanted: Vec<_> = (0..EACH).map(|n| n.to_string()).collect();
    assert_eq!(chats.len(), CHATS);
    for (chat, texts) in chats {
        assert_eq!(texts, wanted, "{chat}");
    }
}
