//! A file of recipients from the shell, without a daemon, on a real Chromium.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use zapnode_tests::daemon::clean_command;
use zapnode_tests::{ANA, PATIENCE, Scene};

const PEOPLE: usize = 12;

fn number(n: usize) -> String {
    format!("5511900000{n:03}")
}

/// Everybody once: killed without a word in the middle, and run again.
#[tokio::test]
async fn a_file_is_sent_once_to_each_though_the_command_is_killed() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    scene.link(daemon.client(), "shop", ANA).await?;
    daemon.stop().await?;
    let file = scene.folder().join("lista.csv");
    let rows = (0..PEOPLE).map(|n| format!("{},Pessoa {n}\n", number(n)));
    std::fs::write(&file, format!("numero,nome\n{}", rows.collect::<String>()))?;
    let phones = (0..PEOPLE).map(|n| scene.phone(&number(n)));
    let phones = phones.collect::<Result<Vec<_>>>()?;

    let command = || -> Result<tokio::process::Command> {
        let mut command = clean_command("zapnode", scene.folder())?;
        command
            .env("ZAPNODE_DATA_DIR", scene.data_dir())
            .env("ZAPNODE_AUTH_DIR", scene.data_dir().join(".wwebjs_auth"))
            .env("ZAPNODE_WEB_URL", scene.sandbox.url())
            .args(["send", "--session", "shop", "--no-pace", "--csv"])
            .arg(&file)
            .args(["--template", "Olá {{nome}}"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(command)
    };
    let mut child = command()?.spawn()?;
    let first = phones[0].wait_for_message(|_| true, PATIENCE).await;
    first.context("the first gets it")?;
    child.kill().await?;

    let again = tokio::time::timeout(Duration::from_secs(120), command()?.output()).await??;
    let said = String::from_utf8_lossy(&again.stderr);
    ensure!(again.status.success(), "{said}");
    ensure!(
        String::from_utf8_lossy(&again.stdout).starts_with("Sent 12 of 12."),
        "{said}"
    );
    for (n, phone) in phones.iter().enumerate() {
        let texts: Vec<_> = phone.messages().into_iter().map(|m| m.text).collect();
        ensure!(texts == [format!("Olá Pessoa {n}")], "{n}: {texts:?}");
    }
    Ok(())
}
