//! Several sessions in one daemon.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use zapnode_tests::{ANA, BRUNO, PATIENCE, Scene};

#[tokio::test]
async fn two_sessions_write_to_each_other() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    let (ana, bruno) = tokio::join!(
        scene.link(&client, "ana", ANA),
        scene.link(&client, "bruno", BRUNO)
    );
    assert_eq!(ana?["me"]["phone"], ANA);
    assert_eq!(bruno?["me"]["phone"], BRUNO);
    for (from, to, text) in [
        ("ana", BRUNO, "oi Bruno"),
        ("bruno", ANA, "oi Ana"),
        ("ana", BRUNO, "tudo bem?"),
    ] {
        client
            .post(
                &format!("/sessions/{from}/send"),
                json!({"phoneNumber": to, "message": text}),
            )
            .await?
            .expect(200)?;
        let arrived = scene.arrives(to, text).await?;
        assert!(!arrived.unknown_sender, "{text}");
    }
    daemon.stop().await
}

#[tokio::test]
async fn ten_sessions_at_once() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    let number = |n: usize| format!("24492300{n:04}");
    for n in 0..10 {
        let body = json!({"sessionId": format!("s{n}")});
        client.post("/sessions", body).await?.expect(201)?;
    }
    for n in 0..10 {
        let qr = client.until_qr(&format!("s{n}")).await?;
        scene.phone(&number(n))?.scan(&qr).await?;
    }
    for n in 0..10 {
        client.until_ready(&format!("s{n}")).await?;
    }
    for n in 0..10 {
        let text = format!("de s{n}");
        let body = json!({"phoneNumber": number((n + 1) % 10), "message": text});
        let path = format!("/sessions/s{n}/send");
        client.post(&path, body).await?.expect(200)?;
        scene.arrives(&number((n + 1) % 10), &text).await?;
    }
    let health = client.get("/health").await?.expect(200)?;
    assert_eq!(health["multiSession"]["totalSessions"], 10);
    daemon.stop().await?;

    // And all of them again, from their profiles.
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    // The API is there long before they are, and tells the truth meanwhile.
    client.get("/livez").await?.expect(200)?;
    let ready = client.get("/readyz").await?.expect(200)?;
    let by_state = ready["sessions"].as_object().context("sessions")?;
    let count = |state: &str| by_state.get(state).and_then(Value::as_u64).unwrap_or(0);
    assert_eq!(by_state.values().filter_map(Value::as_u64).sum::<u64>(), 10);
    assert!(count("starting") > 0 && count("ready") < 10, "{ready}");
    let health = client.get("/health").await?.expect(200)?;
    assert_eq!(health["multiSession"]["totalSessions"], 10, "{health}");
    for n in 0..10 {
        client
            .session_until(&format!("s{n}"), PATIENCE, |s| s["isReady"] == true)
            .await?;
    }
    daemon.stop().await
}
