//! The daemon `zapnode-http`: settings, log, signals and exit codes around the library.

// A program may print and end; this is the one place that does.
#![allow(clippy::print_stderr, clippy::exit)]

mod daemon;

use std::process::ExitCode;

use clap::Parser;
use zapnode_http::settings::{DaemonArgs, Settings};

/// Many WhatsApp sessions behind a REST API.
///
/// Every flag has a name in the environment, and a file .env in the current folder is read too:
/// flags win over the environment, that over .env, that over the defaults.
#[derive(Debug, Parser)]
#[command(name = "zapnode-http", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(flatten)]
    daemon: DaemonArgs,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  ended on request              7  data folder in use by another program
  1  failed for another reason     9  database too new, damaged, or without room
  2  a setting is not allowed    130  ended by a second signal";

/// As clap itself for flags it does not know.
const BAD_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        // In a container, where whatever loses its parent becomes ours.
        return daemon::init::run();
    }
    let arguments = Arguments::parse();
    let (settings, surroundings) = match Settings::load(&arguments.daemon.flags()) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("zapnode-http: {error}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    daemon::logging::install(&settings);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("zapnode-http: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(daemon::run(&settings, &surroundings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zapnode-http: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
