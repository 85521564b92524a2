//! The real daemon, killed between each pair of steps of a bridge: each message is there once.
//!
//! The bridge makes the same calls in the same order each time, so the simulated Chatwoot can hold
//! the n-th one, before or after it did its work, and the daemon dies there.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use zapnode_core::chatwoot::{self as bridge, ChatwootOptions};
use zapnode_core::driver::scripted::ScriptedDriver;
use zapnode_core::message::Ack;
use zapnode_core::store::Store;
use zapnode_core::{ManagerOptions, SessionManager, SessionOptions};
use zapnode_tests::chatwoot::{
    ACCOUNT, Chatwoot, Faults, HOOK_SECRET, Hold, Message, TOKEN, World,
};
use zapnode_tests::{ANA, BRUNO, Client, Daemon, DaemonOptions};

use crate::stage::{SOON, answering, phone, shop, told};

/// What happened while no bridge ran: two people, an answer, an edit, an own message and its ack.
async fn prepare(data: &Path, chatwoot: &Chatwoot, inbox: i64) -> Result<()> {
    let driver = ScriptedDriver::new();
    let options = ManagerOptions::in_folder(data);
    let manager = SessionManager::open(Arc::new(driver.clone()), options).await?;
    let created = manager.create(shop(), SessionOptions::default()).await?;
    let qr = |info: &zapnode_core::SessionInfo| {
        matches!(
            &info.state,
            zapnode_core::SessionState::AwaitingLogin { prompt: Some(_) }
        )
    };
    created.session.wait_until(SOON, qr).await?;
    driver.scan(&shop(), &phone(ANA)).await;
    created.session.wait_ready(SOON).await?;
    // Set up, and ended before it has anything to do.
    let options = ChatwootOptions {
        allow_private: true,
        ..ChatwootOptions::default()
    };
    let bridges = bridge::Chatwoot::open(manager.clone(), options).await?;
    let config = json!({
        "url": chatwoot.url(), "accountId": ACCOUNT, "apiToken": TOKEN, "inboxId": inbox,
        "signingSecret": HOOK_SECRET, "tellState": false,
    });
    bridges.set(shop(), serde_json::from_value(config)?).await?;
    bridges.shutdown().await;

    let first = told("5511912345678@c.us", false, "um");
    let id = first.id.wire_id();
    let tell = async |message| {
        let event = zapnode_core::driver::DriverEvent::Message(Box::new(message));
        driver.tell(&shop(), event).await;
    };
    tell(first).await;
    driver.write(&shop(), &phone("351910000000"), "dois").await;
    tell(answering(told("5511912345678@c.us", false, "três"), &id)).await;
    driver.edit(&shop(), &phone(BRUNO), &id, "um!").await;
    let own = told("5511912345678@c.us", true, "quatro");
    let own_id = own.id.clone();
    tell(own).await;
    let ack = zapnode_core::message::AckChange {
        id: own_id,
        ack: Ack::Read,
    };
    driver
        .tell(&shop(), zapnode_core::driver::DriverEvent::Ack(ack))
        .await;
    // In order: once the last is stored, all are.
    let last = driver.write(&shop(), &phone(BRUNO), "fim").await;
    let stored = async {
        let mut look = tokio::time::interval(Duration::from_millis(10));
        loop {
            look.tick().await;
            let all = created.session.messages(Default::default(), 100).await?;
            if all.iter().any(|m| m.wire_id == last.id.wire_id()) {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(SOON, stored).await??;
    // Stopped by its owner: the daemon starts no browser for it.
    created.session.stop().await?;
    manager.shutdown().await;
    Ok(())
}

async fn daemon(data: &Path) -> Result<Daemon> {
    Daemon::start(&DaemonOptions {
        web_url: "http://127.0.0.1:9/".to_owned(),
        data_dir: data.to_owned(),
        env: vec![(
            "ZAPNODE_ALLOW_PRIVATE_ADDRESSES".to_owned(),
            "true".to_owned(),
        )],
        flags: vec![],
    })
    .await
}

const TEXTS: [&str; 6] = ["um", "dois", "três", "✏️ Edited: um!", "quatro", "fim"];

fn whole(world: &World) -> Option<()> {
    let read = |m: &Message| m.content == "quatro" && m.status == "read";
    let all = TEXTS
        .iter()
        .all(|text| world.messages.iter().any(|m| m.content == *text));
    (all && world.messages.iter().any(read)).then_some(())
}

fn each_once(world: &World) -> Result<()> {
    let texts: Vec<_> = world.messages.iter().map(|m| m.content.as_str()).collect();
    ensure!(texts == TEXTS, "in Chatwoot: {texts:?}");
    ensure!(world.contacts.len() == 2, "contacts: {:?}", world.contacts);
    ensure!(
        world.conversations.len() == 2,
        "conversations: {:?}",
        world.conversations
    );
    let id_of = |text: &str| {
        world
            .messages
            .iter()
            .find(|m| m.content == text)
            .map(|m| m.id)
    };
    for answer in ["três", "✏️ Edited: um!"] {
        let found = world.messages.iter().find(|m| m.content == answer);
        ensure!(
            found.and_then(|m| m.in_reply_to) == id_of("um"),
            "{answer} is about the first"
        );
    }
    Ok(())
}

/// One kill: whether the call that was meant came at all.
async fn killed_at(after: usize, done: bool) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let chatwoot = Chatwoot::start().await?;
    let inbox = chatwoot.make_inbox("");
    prepare(&data, &chatwoot, inbox).await?;
    let hold = Some(Hold { after, done });
    chatwoot.set_faults(Faults {
        hold,
        ..Faults::default()
    });
    let mut first = daemon(&data).await?;
    // It comes, or everything is done without it.
    let came = tokio::select! {
        came = chatwoot.is_held(SOON) => came,
        done = chatwoot.wait_for(SOON, whole) => { done?; false }
    };
    first.kill().await?;
    chatwoot.set_faults(Faults::default());
    let mut second = daemon(&data).await?;
    chatwoot.wait_for(SOON, whole).await?;
    second.stop().await?;
    chatwoot.look(each_once)?;
    Ok(came)
}

#[tokio::test]
async fn killed_before_and_after_every_call_of_chatwoot() -> Result<()> {
    let mut kills = 0;
    for done in [false, true] {
        for after in 0.. {
            let came = killed_at(after, done)
                .await
                .with_context(|| format!("killed at call {after}, done: {done}"))?;
            if !came {
                break;
            }
            kills += 1;
        }
    }
    // The inbox, then for two people: search, contact, conversations, conversation, messages; and
    // seven pushes and changes of status.
    assert!(kills >= 2 * 15, "{kills} kills only");
    Ok(())
}

#[tokio::test]
async fn killed_while_agents_write_each_answer_is_accepted_once() -> Result<()> {
    const ANSWERS: usize = 24;
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let chatwoot = Chatwoot::start().await?;
    let inbox = chatwoot.make_inbox("");
    prepare(&data, &chatwoot, inbox).await?;
    // The session is meant to run, and its browser does not start: what is accepted waits.
    let start = async || {
        let daemon = Daemon::start(&DaemonOptions {
            web_url: "http://127.0.0.1:9/".to_owned(),
            data_dir: data.clone(),
            env: vec![(
                "ZAPNODE_ALLOW_PRIVATE_ADDRESSES".to_owned(),
                "true".to_owned(),
            )],
            flags: vec!["--chrome-path".to_owned(), "/bin/false".to_owned()],
        })
        .await?;
        let client = daemon.client().clone();
        let bridge = client.get("/chatwoot/shop").await?.expect(200)?;
        let path = bridge["bridge"]["webhookPath"]
            .as_str()
            .context("a path")?
            .to_owned();
        chatwoot.point_inbox(inbox, &format!("{}{path}", client.base()))?;
        anyhow::Ok((daemon, client))
    };
    let (mut running, client) = start().await?;
    chatwoot.wait_for(SOON, whole).await?;
    wake(&client).await?;
    let conversation = chatwoot.look(|w| w.messages[0].conversation);
    let mut taken = vec![];
    for n in 0..ANSWERS {
        let text = format!("r{n}");
        let answer = zapnode_tests::chatwoot::AgentWrites::text(&text);
        let id = chatwoot.agent_writes(conversation, answer)?;
        let answered = |world: &World| {
            let mut all = world.deliveries.iter();
            all.find(|(call, _)| call.message == Some(id))
                .map(|(_, answer)| answer.clone())
        };
        let answered = chatwoot.wait_for(SOON, answered).await?;
        ensure!(answered == Ok(200), "{text}: {answered:?}");
        taken.push(text);
        if n % 4 == 3 {
            // Between the answer and whatever follows it.
            running.kill().await?;
            running = start().await?.0;
        }
    }
    running.kill().await?;
    let (mut running, client) = start().await?;
    let accepted = async {
        let mut look = tokio::time::interval(Duration::from_millis(50));
        loop {
            look.tick().await;
            let page = client
                .get("/sessions/shop/messages?direction=out&limit=200")
                .await?
                .expect(200)?;
            let all = page["messages"].as_array().context("messages")?;
            let mut texts: Vec<_> = all
                .iter()
                .filter_map(|m| m["text"].as_str().map(str::to_owned))
                .collect();
            texts.retain(|text| text.starts_with('r'));
            texts.reverse();
            if texts.len() >= ANSWERS {
                return anyhow::Ok(texts);
            }
        }
    };
    let texts = tokio::time::timeout(SOON, accepted)
        .await
        .context("all are accepted")??;
    assert_eq!(texts, taken, "each once, in order");
    running.kill().await?;
    drop(Store::open(&data).await?);
    Ok(())
}

/// Says that the session is to run; it will not come up.
async fn wake(client: &Client) -> Result<()> {
    let body = json!({});
    let answer = client.post("/sessions/shop/start", body).await?;
    ensure!(answer.status.is_success(), "{:?}", answer.json());
    Ok(())
}
