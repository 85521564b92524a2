//! A sandbox by itself: prints its addresses as one line of JSON and runs until it is told to end.
//!
//! `sandbox_server [--state FILE] [--http PORT] [--https PORT]`; port 0 takes any free one.

use std::io::Write as _;
use std::path::PathBuf;

use zapnode_core::sandbox::{Sandbox, SandboxOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut options = SandboxOptions::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--state" => options.state_file = Some(PathBuf::from(value)),
            "--http" => options.http_port = value.parse()?,
            "--https" => options.https_port = Some(value.parse()?),
            other => return Err(format!("{other} is not known").into()),
        }
    }
    let sandbox = Sandbox::start(options).await?;
    let addresses = serde_json::json!({
        "url": sandbox.url(),
        "httpsUrl": sandbox.https_url(),
        "phonesUrl": sandbox.phones_url(),
    });
    let mut out = std::io::stdout();
    writeln!(out, "{addresses}")?;
    out.flush()?;
    told_to_end().await?;
    sandbox.shutdown().await;
    Ok(())
}

#[cfg(unix)]
async fn told_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn told_to_end() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
