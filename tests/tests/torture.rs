//! The short version of the torture suite; `make torture` plays the full one.

use std::time::Duration;

use anyhow::{Result, ensure};
use zapnode_tests::torture::{Options, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_whatever_breaks() -> Result<()> {
    let tally = run(&Options {
        // Always the same plan, so that a failure can be looked into.
        seed: 20_261_124,
        faults: 14,
        sends: 60,
        freeze: Duration::from_secs(5),
        aloud: true,
        log: None,
    })
    .await?;
    println!("{tally}");
    ensure!(tally.is_clean(), "{tally}");
    Ok(())
}
