//! `soak --minutes 30`: see `zapnode_tests::soak`. Ends with 1 if the daemon's memory grows.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use zapnode_tests::soak::run;

/// Sends and receives steadily, and tells the daemon's memory.
#[derive(Debug, Parser)]
struct Arguments {
    /// For how long.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { minutes } = Arguments::parse();
    let run = run(Duration::from_secs(60 * minutes), |sample| {
        let at = sample.at.as_secs();
        println!(
            "{:02}:{:02}  PSS {:.1} MB  RSS {:.1} MB",
            at / 60,
            at % 60,
            sample.pss,
            sample.rss
        );
    });
    let figures = tokio::select! {
        figures = run => figures,
        _ = tokio::signal::ctrl_c() => return ExitCode::from(130),
    };
    match figures {
        Ok(figures) => {
            println!("{figures}");
            if figures.is_flat() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("it could not be played to the end: {error:#}");
            ExitCode::from(2)
        }
    }
}
