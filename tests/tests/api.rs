//! What the daemon is to whoever runs it: keys, ports, messages at the start, the end.

use anyhow::Result;
use hyper::Method;
use serde_json::json;
use zapnode_tests::{ANA, BRUNO, Scene};

#[tokio::test]
async fn a_key_locks_everything_but_the_probes() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene
        .daemon_with(&[("ZAPNODE_API_KEY", "a-long-enough-secret")])
        .await?;
    let client = daemon.client().clone();
    assert_eq!(client.get("/livez").await?.status.as_u16(), 200);
    assert_eq!(client.get("/sessions").await?.code(), "unauthorized");
    for header in [
        ("x-api-key", "a-long-enough-secret"),
        ("authorization", "Bearer a-long-enough-secret"),
    ] {
        let answer = client
            .request(Method::GET, "/sessions", None, &[header])
            .await?;
        assert_eq!(answer.status.as_u16(), 200, "{header:?}");
    }
    let wrong = client
        .request(Method::GET, "/sessions", None, &[("x-api-key", "x")])
        .await?;
    assert_eq!(wrong.status.as_u16(), 401);
    assert!(!daemon.output().contains("a-long-enough-secret"));
    daemon.stop().await
}

#[tokio::test]
async fn bad_settings_stop_the_start_with_their_name() -> Result<()> {
    let scene = Scene::new().await?;
    for (name, value) in [
        ("PORT", "eighty"),
        ("HEADLESS", "maybe"),
        ("ZAPNODE_WEB_URL", "ftp://example.com"),
        ("SESSION_NAME", "a b"),
        ("ZAPNODE_HOST", "0.0.0.0"),
    ] {
        let refused = scene.daemon_with(&[(name, value)]).await.map(|_| ());
        let told = format!("{:#}", refused.expect_err("refused"));
        assert!(told.contains(name) && told.contains(value), "{told}");
    }
    Ok(())
}

#[tokio::test]
async fn logs_are_json_when_asked_and_never_hold_a_message() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon_with(&[("ZAPNODE_LOG_FORMAT", "json")]).await?;
    let client = daemon.client().clone();
    scene.link(&client, "shop", ANA).await?;
    let secret = "o segredo da receita";
    let answer = client
        .request(
            Method::POST,
            "/sessions/shop/send",
            Some(
                json!({"phoneNumber": BRUNO, "message": secret})
                    .to_string()
                    .into(),
            ),
            &[("x-request-id", "my-request-1")],
        )
        .await?;
    assert_eq!(answer.headers["x-request-id"], "my-request-1");
    scene.arrives(BRUNO, secret).await?;
    scene.phone(BRUNO)?.send(&ANA.parse()?, secret).await?;
    daemon.stop().await?;
    let said = daemon.output();
    assert!(!said.contains(secret), "{said}");
    let line = said
        .lines()
        .find(|line| line.contains("my-request-1"))
        .unwrap_or_default();
    let line: serde_json::Value = serde_json::from_str(line)?;
    assert!(line.to_string().contains("/sessions/shop/send"), "{line}");
    Ok(())
}
