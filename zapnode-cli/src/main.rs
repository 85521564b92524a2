//! `zapnode`: log in to WhatsApp and send, from a shell, a cron job, a pipe.

mod cli;
mod client;
mod commands;
mod csv_file;
mod embedded;
mod error;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::output::Output;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are what was asked for, and texts in any case.
        Err(refusal) if refusal.use_stderr() && cli::wants_json(std::env::args_os()) => {
            return Output::new(true).fail(&refusal.into());
        }
        Err(answer) => {
            // A pipe that was closed is the reader's wish.
            let _ = answer.print();
            return u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
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
