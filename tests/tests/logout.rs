//! The phone removes the device: cleaned up, or kept, as chosen.

use std::time::Duration;

use anyhow::Result;
use zapnode_tests::{ANA, PATIENCE, Scene, chrome};

#[tokio::test]
async fn with_auto_cleanup_the_session_goes_after_its_chrome() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    scene.link(&client, "shop", ANA).await?;
    scene.phone(ANA)?.log_out().await;
    client
        .session_until("shop", PATIENCE, |s| s["status"] == "logged_out")
        .await?;
    let gone = tokio::time::timeout(PATIENCE, async {
        loop {
            let answer = client
                .get("/sessions/shop?newerThan=1000000&timeoutMs=5000")
                .await?;
            if answer.status.as_u16() == 404 {
                return anyhow::Ok(());
            }
        }
    });
    gone.await??;
    assert_eq!(chrome::running_under(scene.folder()), [0u32; 0]);
    assert!(!scene.profile("shop").exists());
    let said = daemon.output();
    assert!(!said.contains("EBUSY") && !said.contains("ERROR"), "{said}");
    daemon.stop().await
}

#[tokio::test]
async fn without_it_the_session_stays_and_start_gives_a_new_qr() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene
        .daemon_with(&[("AUTO_CLEANUP_ON_LOGOUT", "false")])
        .await?;
    let client = daemon.client().clone();
    scene.link(&client, "shop", ANA).await?;
    scene.phone(ANA)?.log_out().await;
    let out = client
        .session_until("shop", PATIENCE, |s| s["status"] == "logged_out")
        .await?;
    assert_eq!(out["isReady"], false);
    chrome::none_left(scene.folder(), Duration::from_secs(20)).await?;
    let list = client.get("/sessions").await?.expect(200)?;
    assert_eq!(list["count"], 1);
    client
        .request(hyper::Method::POST, "/sessions/shop/start", None, &[])
        .await?
        .expect(200)?;
    let qr = client.until_qr("shop").await?;
    scene.phone(ANA)?.scan(&qr).await?;
    client.until_ready("shop").await?;
    // Logged out by us: stays listed too, whatever the setting.
    let post = |verb: &'static str| {
        let client = client.clone();
        async move {
            let path = format!("/sessions/shop/{verb}");
            client
                .request(hyper::Method::POST, &path, None, &[])
                .await?
                .expect(200)
        }
    };
    post("logout").await?;
    assert_eq!(scene.phone(ANA)?.linked_devices(), 0);
    for verb in ["logout", "stop", "stop", "start", "start", "restart"] {
        post(verb).await?;
    }
    client.until_qr("shop").await?;
    daemon.stop().await
}
