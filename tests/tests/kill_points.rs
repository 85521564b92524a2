//! Killed exactly there: the daemon, Chrome, or the page ends at the four moments of a send at which
//! not everybody knows the same, and the message is on the phone once all the same.
//!
//! | held at | the page has it | the servers have it | we know |
//! |---|---|---|---|
//! | `asked` | no | no | accepted |
//! | `kept` | yes | no | accepted |
//! | `taken` | yes | yes | accepted |
//! | `acked` | yes | yes | that the page has it |
//!
//! The sandbox holds the message there and says so; nothing is timed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use zapnode_core::sandbox::{Faults, Hold};
use zapnode_tests::{ANA, Client, Daemon, PATIENCE, Scene, chrome};

const POINTS: [Hold; 4] = [Hold::Asked, Hold::Kept, Hold::Taken, Hold::Acked];

#[derive(Clone, Copy, Debug)]
enum Victim {
    Daemon,
    Chrome,
    Page,
}

#[tokio::test]
async fn the_daemon_is_killed_at_every_point_of_a_send() -> Result<()> {
    at_every_point(Victim::Daemon).await
}

#[tokio::test]
async fn chrome_is_killed_at_every_point_of_a_send() -> Result<()> {
    at_every_point(Victim::Chrome).await
}

#[tokio::test]
async fn the_page_reloads_at_every_point_of_a_send() -> Result<()> {
    at_every_point(Victim::Page).await
}

async fn at_every_point(victim: Victim) -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon_with_kept_login("shop", ANA).await?;
    for (n, point) in POINTS.into_iter().enumerate() {
        // A chat of its own for each point: who has the number is asked once.
        let to = format!("55119123400{n:02}");
        daemon = strike(&scene, daemon, victim, point, &to)
            .await
            .with_context(|| format!("{victim:?} ended at {point:?}"))?;
    }
    daemon.stop().await
}

async fn strike(
    scene: &Scene,
    mut daemon: Daemon,
    victim: Victim,
    point: Hold,
    to: &str,
) -> Result<Daemon> {
    scene.sandbox.set_faults(Faults {
        hold: point,
        ..Faults::default()
    });
    accepted(daemon.client(), to, "primeira").await?;
    // It waits behind the first one, and stays behind it.
    accepted(daemon.client(), to, "segunda").await?;
    scene.sandbox.wait_until_held(PATIENCE).await?;
    let before = daemon.client().session("shop").await?;

    match victim {
        Victim::Daemon => daemon.kill().await?,
        Victim::Chrome => chrome::kill(&scene.profile("shop"))?,
        Victim::Page => ensure!(scene.phone(ANA)?.reload_pages().await == 1, "one page"),
    }
    // Until its end is noticed nothing is let go: no late word may reach who was killed.
    match victim {
        Victim::Daemon => chrome::none_left(scene.folder(), PATIENCE).await?,
        Victim::Chrome | Victim::Page => {
            let hurt = |s: &serde_json::Value| s["generation"] != before["generation"];
            daemon
                .client()
                .session_until("shop", PATIENCE, hurt)
                .await?;
        }
    }
    scene.sandbox.set_faults(Faults::default());
    if matches!(victim, Victim::Daemon) {
        daemon = scene.daemon().await?;
    }

    daemon.client().until_ready("shop").await?;
    scene.arrives(to, "segunda").await?;
    let phone = scene.phone(to)?.messages();
    let texts: Vec<_> = phone.iter().map(|m| m.text.as_str()).collect();
    ensure!(texts == ["primeira", "segunda"], "on the phone: {texts:?}");
    ensure!(
        phone.iter().all(|m| !m.unknown_sender),
        "from nobody: {phone:?}"
    );
    settled(daemon.client(), to).await?;
    Ok(daemon)
}

/// Sends and does not wait for more than that it is accepted.
async fn accepted(client: &Client, to: &str, text: &str) -> Result<()> {
    let body = json!({"phoneNumber": to, "message": text, "waitFor": "accepted"});
    let answer = client.post("/sessions/shop/send", body).await?;
    ensure!(answer.status.is_success(), "{:?}", answer.json());
    Ok(())
}

/// What the API tells of the chat agrees with the phone.
async fn settled(client: &Client, to: &str) -> Result<()> {
    let mut look = tokio::time::interval(Duration::from_millis(50));
    let end = Instant::now() + PATIENCE;
    loop {
        look.tick().await;
        let path = "/sessions/shop/messages?direction=out&limit=100";
        let page = client.get(path).await?.expect(200)?;
        let all = page["messages"].as_array().context("messages")?;
        let here: Vec<_> = all.iter().filter(|m| m["to"] == to).collect();
        if here.len() == 2 && here.iter().all(|m| m["state"] == "delivered") {
            return Ok(());
        }
        ensure!(Instant::now() < end, "the API says of {to}: {here:?}");
    }
}
