//! A file for each command: its arguments, whose doc comments are its help, then what it does.

pub(crate) mod backup;
pub(crate) mod bulk;
pub(crate) mod chats;
pub(crate) mod chatwoot;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod contacts;
pub(crate) mod doctor;
pub(crate) mod groups;
mod history;
pub(crate) mod listen;
pub(crate) mod login;
pub(crate) mod media;
pub(crate) mod messages;
pub(crate) mod optout;
pub(crate) mod restore;
pub(crate) mod sandbox;
pub(crate) mod send;
mod send_content;
mod send_csv;
pub(crate) mod sessions;
pub(crate) mod webhooks;

use std::future::Future;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncBufReadExt, BufReader};
use zapnode_http::settings::{Settings, Surroundings};

use crate::cli::{Cli, Command, GlobalArgs};
use crate::client::Api;
use crate::error::{CliError, Kind};
use crate::output::Output;
use crate::progress::Progress;

/// How long another command may have the data folder before we give up.
const IN_USE_WITHIN: Duration = Duration::from_secs(30);

/// What a command works with.
pub(crate) struct Context {
    pub(crate) global: GlobalArgs,
    pub(crate) settings: Settings,
    pub(crate) surroundings: Surroundings,
    pub(crate) output: Output,
    pub(crate) progress: Progress,
}

/// Runs a command to its end, or to the first Ctrl-C.
pub(crate) async fn run(cli: Cli, output: Output) -> Result<(), CliError> {
    log(cli.global.verbose);
    if let Command::Completions(args) = cli.command {
        completions::run(&args, output);
        return Ok(());
    }
    let (settings, surroundings) = Settings::load(&cli.global.flags())
        .map_err(|error| CliError::new(Kind::Usage, "bad_setting", error.to_string()))?;
    let context = Context {
        global: cli.global,
        settings,
        surroundings,
        output,
        progress: Progress::new(output),
    };
    match cli.command {
        Command::Config(args) => {
            config::run(&args, &context);
            Ok(())
        }
        Command::Doctor(args) => doctor::run(&args, &context).await,
        Command::Sandbox(args) => sandbox::run(&args, &context).await,
        Command::Backup(args) => {
            // Seen before anything is opened.
            let target = args.target()?;
            with_api(&context, async |api| {
                backup::run(&args, &target, &context, api).await
            })
            .await
        }
        Command::Restore(args) => restore::run(&args, &context).await,
        Command::Login(args) => {
            with_api(&context, async |api| login::run(&args, &context, api).await).await
        }
        Command::Send(args) => {
            let content = interruptible(send::content(&args)).await?;
            // It says itself how to go on when it is interrupted.
            with_open_api(&context, async |api| {
                send::run(&args, content, &context, api).await
            })
            .await
        }
        Command::Listen(args) => {
            let listening = with_api(&context, async |api| {
                listen::run(&args, &context, api).await
            });
            match listening.await {
                // How it is meant to end.
                Err(error) if error.kind == Kind::Interrupted => Ok(()),
                result => result,
            }
        }
        Command::Media(args) => {
            with_api(&context, async |api| media::run(&args, &context, api).await).await
        }
        Command::Sessions(args) => {
            with_api(&context, async |api| {
                sessions::run(&args, &context, api).await
            })
            .await
        }
        Command::Messages(args) => {
            with_api(&context, async |api| {
                messages::run(&args, &context, api).await
            })
            .await
        }
        Command::Chats(args) => {
            with_api(&context, async |api| chats::run(&args, &context, api).await).await
        }
        Command::Contacts(args) => {
            with_api(&context, async |api| {
                contacts::run(&args, &context, api).await
            })
            .await
        }
        Command::Check(args) => {
            with_api(&context, async |api| check::run(&args, &context, api).await).await
        }
        Command::Groups(args) => {
            with_api(&context, async |api| {
                groups::run(&args, &context, api).await
            })
            .await
        }
        Command::Bulk(args) => {
            with_api(&context, async |api| bulk::run(&args, &context, api).await).await
        }
        Command::Optout(args) => {
            with_api(&context, async |api| {
                optout::run(&args, &context, api).await
            })
            .await
        }
        Command::Webhooks(args) => {
            with_api(&context, async |api| {
                webhooks::run(&args, &context, api).await
            })
            .await
        }
        Command::Chatwoot(args) => {
            with_api(&context, async |api| {
                chatwoot::run(&args, &context, api).await
            })
            .await
        }
        Command::Completions(_) => Ok(()),
    }
}

/// Finds the API, runs `work` on it until it ends or somebody asks for the end, and ends what was
/// opened, however the work ended.
async fn with_api(
    context: &Context,
    work: impl AsyncFnOnce(&Api) -> Result<(), CliError>,
) -> Result<(), CliError> {
    with_open_api(context, async |api| interruptible(work(api)).await).await
}

/// The same for work that listens for Ctrl-C itself.
async fn with_open_api(
    context: &Context,
    work: impl AsyncFnOnce(&Api) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let connecting = Api::connect(
        context.global.server.as_deref(),
        &context.settings,
        &context.surroundings,
        &context.progress,
        context.global.patience(IN_USE_WITHIN).min(IN_USE_WITHIN),
    );
    let api = interruptible(connecting).await?;
    let result = work(&api).await;
    context.progress.say("closing");
    api.close().await;
    result
}

/// Runs `work` until it ends or somebody asks for the end.
pub(crate) async fn interruptible<T>(
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    tokio::select! {
        result = work => result,
        () = asked_to_end() => Err(CliError::new(Kind::Interrupted, "interrupted", "interrupted")),
    }
}

/// A text as part of a path.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Asks a person; anything but a yes is a no.
pub(crate) async fn ask_yes_or_no(question: &str, context: &Context) -> Result<bool, CliError> {
    context
        .progress
        .hide(|| context.output.raw(&format!("{question} [y/N] ")));
    let mut answer = String::new();
    BufReader::new(tokio::io::stdin())
        .read_line(&mut answer)
        .await
        .map_err(|error| CliError::other(format!("standard input: {error}")))?;
    Ok(matches!(
        answer.trim().to_lowercase().as_str(),
        "y" | "yes" | "s" | "sim"
    ))
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            // Then only Ctrl-C ends it.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

/// The log, for whoever asks for it: on standard error, so that answers stay clean.
fn log(verbose: u8) {
    let filter = match verbose {
        0 => "error,headless_chrome=off",
        1 => "info,headless_chrome=warn",
        _ => "debug,headless_chrome=info,hyper=info",
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .init();
}
