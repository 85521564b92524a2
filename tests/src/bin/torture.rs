//! `torture --seed N --kills 200 --sends 500`: see `zapnode_tests::torture`. Ends with 1 if anything
//! was lost, doubled, out of order or stuck.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use zapnode_tests::torture::{Options, run};

/// Breaks everything while messages are sent, and counts what is left.
#[derive(Debug, Parser)]
struct Arguments {
    /// Draws the plan; the same seed draws the same. One is chosen if none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// How many faults.
    #[arg(long, default_value_t = 200)]
    kills: usize,
    /// How many messages.
    #[arg(long, default_value_t = 500)]
    sends: usize,
    /// How long a stopped Chrome stands still, in seconds.
    #[arg(long, default_value_t = 60)]
    freeze: u64,
    /// A file that gets what the daemons said.
    #[arg(long)]
    log: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match torture(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("it could not be played to the end: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn torture(arguments: Arguments) -> Result<ExitCode> {
    let options = Options {
        seed: arguments.seed.unwrap_or_else(|| fastrand::u64(..100_000)),
        faults: arguments.kills,
        sends: arguments.sends,
        freeze: Duration::from_secs(arguments.freeze),
        aloud: true,
        log: arguments.log,
    };
    let tally = tokio::select! {
        tally = run(&options) => tally?,
        _ = tokio::signal::ctrl_c() => return Ok(ExitCode::from(130)),
    };
    println!("{tally}");
    Ok(match tally.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
