//! Nothing lost, nothing twice: the daemon and Chrome are killed while messages are sent.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::Method;
use serde_json::json;
use zapnode_core::sandbox::PhoneMessage;
use zapnode_tests::{ANA, BRUNO, Client, PATIENCE, Scene, chrome};

const MESSAGES: usize = 40;

/// Sends one with its own key. Whether it was accepted; what failed may be sent again.
async fn send(client: &Client, n: usize) -> bool {
    let body = json!({"phoneNumber": BRUNO, "message": format!("nº {n}"), "waitFor": "accepted"});
    let key = format!("key-{n}");
    let answer = client
        .request(
            Method::POST,
            "/sessions/shop/send",
            Some(body.to_string().into()),
            &[("idempotency-key", &key)],
        )
        .await;
    answer.is_ok_and(|answer| answer.status.is_success())
}

/// Waits until the phone has all of them, and checks that it has each once.
async fn all_once(scene: &Scene, count: usize) -> Result<()> {
    let phone = scene.phone(BRUNO)?;
    for n in 0..count {
        let text = format!("nº {n}");
        phone
            .wait_for_message(|m| m.text == text, PATIENCE)
            .await
            .with_context(|| format!("{text} did not arrive"))?;
    }
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for PhoneMessage { text, .. } in phone.messages() {
        *times.entry(text).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times != 1).collect();
    ensure!(twice.is_empty(), "more than once: {twice:?}");
    ensure!(times.len() == count, "{} instead of {count}", times.len());
    Ok(())
}

#[tokio::test]
async fn the_daemon_is_killed_while_it_sends() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon_with_kept_login("shop", ANA).await?;
    let mut next = 0;
    // Killed after so many accepted messages, three times, at moments of their own choosing.
    for kill_after in [3, 11, 24] {
        while next < kill_after {
            ensure!(send(daemon.client(), next).await, "{next} was refused");
            next += 1;
        }
        let (client, n) = (daemon.client().clone(), next);
        let under_way = tokio::spawn(async move { send(&client, n).await });
        daemon.kill().await?;
        // Whether it was accepted is not known to the client: it asks again with the same key.
        under_way.await?;
        daemon = scene.daemon().await?;
        daemon.client().until_ready("shop").await?;
    }
    while next < MESSAGES {
        ensure!(send(daemon.client(), next).await, "{next} was refused");
        next += 1;
    }
    all_once(&scene, MESSAGES).await?;
    let order: Vec<_> = scene.phone(BRUNO)?.messages();
    let order: Vec<_> = order.into_iter().map(|m| m.text).collect();
    let expected: Vec<_> = (0..MESSAGES).map(|n| format!("nº {n}")).collect();
    ensure!(order == expected, "out of order: {order:?}");
    daemon.stop().await
}

#[tokio::test]
async fn chrome_is_killed_while_it_sends() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon_with_kept_login("shop", ANA).await?;
    let client = daemon.client().clone();
    for n in 0..MESSAGES {
        if n == MESSAGES / 2 {
            chrome::kill(&scene.profile("shop"))?;
        }
        // Accepted also while it recovers.
        ensure!(send(&client, n).await, "{n} was refused");
    }
    all_once(&scene, MESSAGES).await?;
    client.until_ready("shop").await?;
    daemon.stop().await
}

#[tokio::test]
async fn history_idempotency_and_schedules_over_http() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    scene.link(&client, "shop", ANA).await?;
    let post = |key: &'static str, text: &'static str| {
        let client = client.clone();
        async move {
            let body = json!({"phoneNumber": BRUNO, "message": text}).to_string();
            client
                .request(
                    Method::POST,
                    "/sessions/shop/send",
                    Some(body.into()),
                    &[("idempotency-key", key)],
                )
                .await
        }
    };
    let first = post("a", "um").await?.expect(200)?;
    let again = post("a", "um").await?.expect(200)?;
    assert_eq!(first["id"], again["id"]);
    assert_eq!(again["repeated"], true);
    let other = post("a", "dois").await?;
    assert_eq!(
        (other.status.as_u16(), other.code().as_str()),
        (422, "idempotency_mismatch")
    );

    let at = "2099-01-01T00:00:00Z";
    let later = client
        .post(
            "/sessions/shop/send",
            json!({"phoneNumber": BRUNO, "message": "depois", "sendAt": at, "waitFor": "accepted"}),
        )
        .await?
        .expect(202)?;
    assert_eq!(later["state"], "queued");
    let path = format!("/messages/{}", later["id"].as_str().unwrap_or_default());
    let taken = client.delete(&path).await?.expect(200)?;
    assert_eq!(taken["message"]["state"], "cancelled");
    let again = client.delete(&path).await?;
    assert_eq!(again.code(), "message_not_cancellable");

    let read =
        json!({"phoneNumber": BRUNO, "message": "lida?", "waitFor": "read", "timeoutMs": 30000});
    let phone = scene.phone(BRUNO)?;
    let reading = async {
        phone
            .wait_for_message(|m| m.text == "lida?", Duration::from_secs(20))
            .await?;
        phone.read(&ANA.parse()?).await;
        anyhow::Ok(())
    };
    let (answer, reading) = tokio::join!(client.post("/sessions/shop/send", read), reading);
    reading?;
    assert_eq!(answer?.expect(200)?["state"], "read");

    phone.send(&ANA.parse()?, "resposta com acentuação").await?;
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let page = client
                .get("/sessions/shop/messages?direction=in&q=acentuacao")
                .await?
                .expect(200)?;
            if page["count"] == 1 {
                return anyhow::Ok(page);
            }
            tokio::task::yield_now().await;
        }
    });
    let found = found.await??;
    assert_eq!(found["messages"][0]["text"], "resposta com acentuação");
    let page = client
        .get("/sessions/shop/messages?limit=2")
        .await?
        .expect(200)?;
    let cursor = page["nextCursor"].as_i64().context("a cursor")?;
    let rest = client
        .get(&format!("/sessions/shop/messages?cursor={cursor}"))
        .await?
        .expect(200)?;
    assert_eq!(rest["count"], 2, "{rest}");
    daemon.stop().await
}
