//! The judge from outside: whatsapp-web.js from npm, unmodified, on our simulated WhatsApp.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use zapnode_core::sandbox::{Sandbox, SandboxOptions};

/// Some two dozen checks in several browsers, one after the other.
const WITHIN: Duration = Duration::from_secs(300);

#[tokio::test]
async fn the_reference_client_runs_its_life_cycle() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference");
    let installed = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        // The browser is Debian's; nothing else could be downloaded in a closed network.
        .env("PUPPETEER_SKIP_DOWNLOAD", "1")
        .current_dir(&folder)
        .kill_on_drop(true)
        .output();
    let installed = tokio::time::timeout(WITHIN, installed)
        .await
        .context("npm ci took too long")?
        .context("npm is needed for the reference run")?;
    ensure!(
        installed.status.success(),
        "npm ci: {}",
        String::from_utf8_lossy(&installed.stderr)
    );

    let sandbox = Sandbox::start(SandboxOptions {
        https_port: Some(0),
        ..SandboxOptions::default()
    })
    .await?;
    let https = sandbox.https_url().context("https was asked for")?;
    let port = https.trim_end_matches('/').rsplit(':').next();
    let run = Command::new("node")
        .arg("run.mjs")
        .args(["--control", &sandbox.url()])
        .args(["--https-port", port.unwrap_or_default()])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = tokio::time::timeout(WITHIN, run)
        .await
        .context("the reference run took too long")?
        .context("node is needed for the reference run")?;
    let said = String::from_utf8_lossy(&run.stdout);
    println!("{said}");
    ensure!(
        run.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&run.stderr)
    );
    Ok(())
}
