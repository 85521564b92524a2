//! The command, as a person and a script use it.

use std::process::Stdio;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use zapnode_core::PhoneNumber;
use zapnode_tests::daemon::clean_command;
use zapnode_tests::{ANA, BRUNO, PATIENCE, Scene, chrome};

fn zapnode(scene: &Scene, arguments: &[&str]) -> Result<Command> {
    let mut command = clean_command("zapnode", scene.folder())?;
    command
        .env("ZAPNODE_DATA_DIR", scene.data_dir())
        .env("ZAPNODE_AUTH_DIR", scene.data_dir().join(".wwebjs_auth"))
        .env("ZAPNODE_WEB_URL", scene.sandbox.url())
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Runs it to its end: exit code, what it said, what it complained of.
async fn run(scene: &Scene, arguments: &[&str]) -> Result<(i32, String, String)> {
    let output = tokio::time::timeout(PATIENCE, zapnode(scene, arguments)?.output())
        .await
        .with_context(|| format!("{arguments:?} did not end"))??;
    Ok((
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

/// `zapnode login --json`, with a phone that scans.
async fn log_in(scene: &Scene, session: &str, number: &str) -> Result<()> {
    let mut child = zapnode(scene, &["login", "--session", session, "--json"])?.spawn()?;
    let out = child.stdout.take().context("piped")?;
    let mut lines = BufReader::new(out).lines();
    let scanned = async {
        while let Some(line) = lines.next_line().await? {
            let event: Value = serde_json::from_str(&line)?;
            if let Some(qr) = event["qr"].as_str() {
                scene.phone(number)?.scan(qr).await?;
            }
        }
        anyhow::Ok(child.wait().await?)
    };
    let status = tokio::time::timeout(PATIENCE, scanned).await??;
    anyhow::ensure!(status.success(), "login ended with {status}");
    Ok(())
}

/// `zapnode listen`: prints what came while nothing ran, and what comes, until Ctrl-C.
async fn listen(scene: &Scene) -> Result<()> {
    let (friend, shop) = (scene.phone(BRUNO)?, PhoneNumber::new(ANA)?);
    friend.send(&shop, "enquanto dormia").await?;
    let mut child = zapnode(scene, &["listen", "--session", "shop"])?.spawn()?;
    let out = child.stdout.take().context("piped")?;
    let mut lines = BufReader::new(out).lines();
    let heard = async {
        let first = lines.next_line().await?.context("it listens")?;
        assert!(first.ends_with(": enquanto dormia"), "{first}");
        friend.send(&shop, "bom dia").await?;
        let second = lines.next_line().await?.context("it listens")?;
        assert!(second.ends_with(": bom dia"), "{second}");
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let pid = pid.and_then(Pid::from_raw).context("it runs")?;
        kill_process(pid, Signal::INT)?;
        anyhow::Ok(child.wait().await?)
    };
    let status = tokio::time::timeout(PATIENCE, heard).await??;
    assert_eq!(status.code(), Some(0));
    assert_eq!(chrome::running_under(scene.folder()), [0u32; 0]);
    Ok(())
}

#[tokio::test]
async fn log_in_and_send_without_a_daemon() -> Result<()> {
    let scene = Scene::new().await?;
    log_in(&scene, "shop", ANA).await?;
    assert_eq!(chrome::running_under(scene.folder()), [0u32; 0]);

    let (code, out, err) = run(
        &scene,
        &["send", "--session", "shop", "--to", BRUNO, "do shell"],
    )
    .await?;
    assert_eq!(code, 0, "{out}{err}");
    scene.arrives(BRUNO, "do shell").await?;

    // From a pipe, as a cron job does.
    let arguments = ["send", "--session", "shop", "--to", BRUNO, "--json"];
    let mut child = zapnode(&scene, &arguments)?.stdin(Stdio::piped()).spawn()?;
    let mut pipe = child.stdin.take().context("piped")?;
    pipe.write_all("do cano\nsegunda linha".as_bytes()).await?;
    drop(pipe);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await??;
    assert_eq!(output.status.code(), Some(0));
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(answer["success"], true, "{answer}");
    scene.arrives(BRUNO, "do cano\nsegunda linha").await?;

    let (code, out, _) = run(
        &scene,
        &["send", "--session", "shop", "--to", "000999888777", "x"],
    )
    .await?;
    assert_eq!(code, 5, "not on WhatsApp: {out}");
    let (code, _, _) = run(&scene, &["send", "--session", "nope", "--to", BRUNO, "x"]).await?;
    assert_eq!(code, 4, "no such session");

    listen(&scene).await?;

    let (code, out, _) = run(&scene, &["sessions", "--json"]).await?;
    assert_eq!(code, 0);
    assert!(out.contains("\"shop\""), "{out}");
    let (code, _, err) = run(&scene, &["sessions", "delete", "shop", "--yes"]).await?;
    assert_eq!(code, 0, "{err}");
    assert!(!scene.profile("shop").exists());
    assert_eq!(chrome::running_under(scene.folder()), [0u32; 0]);
    Ok(())
}

#[tokio::test]
async fn beside_a_running_daemon_it_goes_through_it() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene
        .daemon_with(&[("ZAPNODE_API_KEY", "a-long-enough-secret")])
        .await?;
    log_in(&scene, "shop", ANA).await?;
    let (code, out, err) = run(
        &scene,
        &["send", "--session", "shop", "--to", BRUNO, "pelo daemon"],
    )
    .await?;
    assert_eq!(code, 0, "{out}{err}");
    scene.arrives(BRUNO, "pelo daemon").await?;
    let (code, out, _) = run(&scene, &["sessions"]).await?;
    assert_eq!(code, 0);
    assert!(out.contains("shop") && out.contains("ready"), "{out}");

    // From elsewhere: the key is needed.
    let base = daemon.client().base().to_owned();
    let (code, _, err) = run(&scene, &["sessions", "--server", &base]).await?;
    assert_eq!(code, 6, "{err}");
    let key = [
        "sessions",
        "--server",
        &base,
        "--api-key",
        "a-long-enough-secret",
    ];
    let (code, out, err) = run(&scene, &key).await?;
    assert_eq!(code, 0, "{out}{err}");
    daemon.stop().await
}

#[tokio::test]
async fn ctrl_c_leaves_no_chrome() -> Result<()> {
    let scene = Scene::new().await?;
    let mut child = zapnode(&scene, &["login", "--session", "shop", "--json"])?.spawn()?;
    let out = child.stdout.take().context("piped")?;
    let mut lines = BufReader::new(out).lines();
    tokio::time::timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("\"qr\"") {
                return anyhow::Ok(());
            }
        }
        anyhow::bail!("it ended before it showed a QR")
    })
    .await??;
    let pid = child.id().context("it runs")?;
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid)?).context("a pid")?;
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    let status = tokio::time::timeout(PATIENCE, child.wait()).await??;
    assert_eq!(status.code(), Some(130));
    assert_eq!(chrome::running_under(scene.folder()), [0u32; 0]);
    Ok(())
}

#[tokio::test]
async fn the_doctor_looks_at_everything() -> Result<()> {
    let scene = Scene::new().await?;
    let (code, out, err) = run(&scene, &["doctor"]).await?;
    assert_eq!(code, 0, "{out}{err}");
    for word in ["Chrom", "bridge"] {
        assert!(out.to_lowercase().contains(&word.to_lowercase()), "{out}");
    }
    let (code, out, _) = run(
        &scene,
        &["doctor", "--json", "--web-url", "http://127.0.0.1:1/"],
    )
    .await?;
    assert_ne!(code, 0);
    let report: Value = serde_json::from_str(&out).with_context(|| out.clone())?;
    assert!(report.to_string().contains("127.0.0.1:1"), "{report}");
    assert_eq!(chrome::running_under(scene.folder()), [0u32; 0]);
    Ok(())
}
