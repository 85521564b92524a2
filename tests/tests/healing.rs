//! Chrome dies, the page reloads, the network goes: the session comes back by itself.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use zapnode_core::sandbox::Faults;
use zapnode_tests::{ANA, BRUNO, PATIENCE, Scene, chrome};

#[tokio::test]
async fn a_killed_chrome_is_replaced() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    scene.link(daemon.client(), "shop", ANA).await?;
    // Chrome writes fresh local storage some seconds late; a kill right after the scan loses the
    // login whatever anybody does. After one gentle end it is on disk.
    daemon.stop().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    client.until_ready("shop").await?;
    let pid = chrome::browser_of(&scene.profile("shop")).context("its Chrome runs")?;
    let pid = Pid::from_raw(i32::try_from(pid)?).context("a pid")?;
    kill_process(pid, Signal::KILL)?;
    let hurt = client
        .session_until("shop", PATIENCE, |s| s["isReady"] == false)
        .await?;
    assert_eq!(hurt["status"], "recovering", "{hurt}");
    assert_eq!(hurt["reason"]["code"], "browser_crashed", "{hurt}");
    client.until_ready("shop").await?;
    let sent = json!({"phoneNumber": BRUNO, "message": "ainda aqui"});
    client
        .post("/sessions/shop/send", sent)
        .await?
        .expect(200)?;
    scene.arrives(BRUNO, "ainda aqui").await?;
    daemon.stop().await
}

#[tokio::test]
async fn a_page_that_reloads_itself_is_ready_again() -> Result<()> {
    let scene = Scene::new().await?;
    scene.sandbox.set_faults(Faults {
        reload_after_ready_ms: 300,
        ..Faults::default()
    });
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    client
        .post("/sessions", json!({"sessionId": "shop"}))
        .await?
        .expect(201)?;
    let qr = client.until_qr("shop").await?;
    scene.phone(ANA)?.scan(&qr).await?;
    client.until_ready("shop").await?;
    client
        .session_until("shop", PATIENCE, |s| s["status"] == "recovering")
        .await?;
    client.until_ready("shop").await?;
    daemon.stop().await
}

#[tokio::test]
async fn a_page_that_refuses_or_lacks_parts_says_so() -> Result<()> {
    let scene = Scene::new().await?;
    scene.sandbox.set_faults(Faults {
        passkey: true,
        ..Faults::default()
    });
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    client
        .post("/sessions", json!({"sessionId": "shop"}))
        .await?
        .expect(201)?;
    let qr = client.until_qr("shop").await?;
    scene.phone(ANA)?.scan(&qr).await?;
    let failed = client
        .session_until("shop", PATIENCE, |s| s["status"] == "failed")
        .await?;
    assert_eq!(failed["reason"]["code"], "passkey_required", "{failed}");
    assert!(
        failed["reason"]["hint"]
            .as_str()
            .is_some_and(|h| !h.is_empty())
    );
    daemon.stop().await
}
