//! Ends of the daemon, gentle and not, and what is there afterwards.

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;
use serde_json::json;
use zapnode_tests::{ANA, BRUNO, Scene, chrome};

#[tokio::test]
async fn ready_again_without_a_qr_after_a_stop() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    scene.link(daemon.client(), "shop", ANA).await?;
    daemon.stop().await?;
    assert_eq!(chrome::running_under(scene.folder()), [0u32; 0]);

    // What somebody wrote meanwhile comes when it is back.
    let mut daemon = scene.daemon().await?;
    let session = daemon.client().until_ready("shop").await?;
    assert_eq!(session["linked"], true);
    let sent = daemon
        .client()
        .post(
            "/sessions/shop/send",
            json!({"phoneNumber": BRUNO, "message": "de volta"}),
        )
        .await?
        .expect(200)?;
    assert_eq!(sent["success"], true);
    scene.arrives(BRUNO, "de volta").await?;
    daemon.stop().await
}

#[tokio::test]
async fn sigkill_leaves_no_chrome_and_the_next_start_is_ready() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    scene.link(daemon.client(), "shop", ANA).await?;
    // A kill within the first seconds after a scan can lose the login, here as on the real page:
    // Chrome writes local storage late. After a gentle end it is on disk.
    daemon.stop().await?;
    let mut daemon = scene.daemon().await?;
    daemon.client().until_ready("shop").await?;
    assert!(!chrome::running_under(scene.folder()).is_empty());
    daemon.kill().await?;
    chrome::none_left(scene.folder(), Duration::from_secs(10)).await?;
    let mut daemon = scene.daemon().await?;
    daemon.client().until_ready("shop").await?;
    daemon.stop().await
}

#[tokio::test]
async fn a_folder_copied_from_another_machine_opens() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    scene.link(daemon.client(), "shop", ANA).await?;
    daemon.stop().await?;
    // As a container leaves it that was killed and made anew under another name.
    for (name, target) in [
        ("SingletonLock", "another-host-4711"),
        ("SingletonCookie", "12345"),
        ("SingletonSocket", "/tmp/gone/SingletonSocket"),
    ] {
        std::os::unix::fs::symlink(target, scene.profile("shop").join(name))?;
    }
    let mut daemon = scene.daemon().await?;
    daemon.client().until_ready("shop").await?;
    daemon.stop().await
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_names_the_first() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let refused = scene.daemon().await.map(|_| ()).expect_err("refused");
    let told = format!("{refused:#}");
    assert!(told.contains(&daemon.pid().to_string()), "{told}");
    assert!(told.contains(daemon.client().base()), "{told}");
    daemon.stop().await
}

#[tokio::test]
async fn a_second_signal_ends_at_once() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    scene.link(daemon.client(), "shop", ANA).await?;
    let asked = Instant::now();
    daemon.signal(Signal::INT)?;
    daemon.signal(Signal::TERM)?;
    daemon.ended().await?;
    assert!(asked.elapsed() < Duration::from_secs(10));
    chrome::none_left(scene.folder(), Duration::from_secs(10)).await
}

#[tokio::test]
async fn deleted_sessions_stay_deleted_and_a_missing_profile_means_a_new_qr() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    scene.link(&client, "kept", ANA).await?;
    scene.link(&client, "gone", BRUNO).await?;
    client
        .delete("/sessions/gone?keepLogin=true")
        .await?
        .expect(200)?;
    assert!(scene.profile("gone").exists());
    assert_eq!(scene.phone(BRUNO)?.linked_devices(), 1);
    daemon.stop().await?;
    std::fs::remove_dir_all(scene.profile("kept"))?;

    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    let list = client.get("/sessions").await?.expect(200)?;
    assert_eq!(list["count"], 1, "{list}");
    client.until_qr("kept").await?;
    // A folder without a row logs in without a QR when its session is created.
    client
        .post("/sessions", json!({"sessionId": "gone"}))
        .await?
        .expect(201)?;
    client.until_ready("gone").await?;
    daemon.stop().await
}
