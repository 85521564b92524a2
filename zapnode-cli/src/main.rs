//! `zapnode`: log in to WhatsApp and send, from a shell, a cron job, a pipe.

mod cli;
mod client;
mod commands;
mod embedded;
mod error;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.json);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return output.fail(&error::CliError::other(error.to_string())),
    };
    let result = runtime.block_on(commands::run(cli, output));
    // A read of standard input that was interrupted cannot be called back; it must not hold us up.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output.fail(&error),
    }
}
