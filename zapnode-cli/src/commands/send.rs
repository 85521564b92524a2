use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hyper::Method;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use zapnode_core::SessionId;

use super::send_content::{Message, What};
use super::send_csv::{self, Job};
use super::{Context, interruptible};
use crate::client::Api;
use crate::error::CliError;

/// How long a session may take to be ready.
pub(super) const READY_WITHIN: Duration = Duration::from_secs(60);

/// What standard input may hold: far more than a message may be long.
const MOST_BYTES: u64 = 1024 * 1024;

/// Send a text, a file or something else, or one text to everybody in a file
///
/// Ends with 0 when WhatsApp's server has the message, or when it is stored to be sent (it says
/// which). With --csv it ends when all are sent. It can be interrupted, or killed: the same command
/// goes on where it ended, and nobody gets the text twice.
#[derive(Args, Debug)]
pub(crate) struct SendArgs {
    /// Session to send from
    #[arg(long, short, default_value = "default")]
    pub(super) session: SessionId,
    /// Phone number, country code first, or a chat id; may be given several times
    #[arg(long, short, required_unless_present = "csv", value_name = "NUMBER")]
    to: Vec<String>,
    /// Country whose national numbers are completed, as AO for 929 782 402 [env: ZAPNODE_REGION]
    #[arg(long, value_name = "COUNTRY")]
    pub(super) region: Option<String>,
    /// Makes repeating the command harmless: the same key never sends twice
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    bulk: Option<Bulk>,
    /// The text; from standard input if it is left away or is `-`
    text: Option<String>,
}

/// One text to many.
#[derive(Args, Debug)]
#[group(id = "bulk", conflicts_with_all = ["to", "text", "kind", "reply_to", "no_preview"])]
pub(crate) struct Bulk {
    /// File with a recipient in each line. The first line names the columns: the number's is called
    /// to, phone, number, telefone or numero. Commas, semicolons or tabs; UTF-8
    #[arg(long, value_name = "FILE", help_heading = "Many recipients")]
    #[arg(required = false, requires = "template")]
    pub(super) csv: PathBuf,
    /// The text, in which {{name}} is the column `name` of each, and {{name|friend}} has a default
    #[arg(long, value_name = "TEXT", help_heading = "Many recipients")]
    #[arg(required = false, requires = "csv")]
    pub(super) template: String,
    /// Send without pauses; WhatsApp may ban the number for it
    #[arg(long, requires = "csv", help_heading = "Many recipients")]
    pub(super) no_pace: bool,
    /// Leave out lines whose number is none, instead of sending nothing
    #[arg(long, requires = "csv", help_heading = "Many recipients")]
    pub(super) skip_invalid: bool,
    /// What to call the job [default: the file's name]
    #[arg(long, requires = "csv", help_heading = "Many recipients")]
    pub(super) name: Option<String>,
    /// Do not ask
    #[arg(long, short, requires = "csv", help_heading = "Many recipients")]
    pub(super) yes: bool,
}

/// What is to be sent, read before anything is opened: a pipe may take its time.
pub(super) enum Content {
    /// One message.
    Message(Message),
    /// A file of recipients.
    Csv(Job),
}

/// Reads it.
pub(super) async fn content(args: &SendArgs) -> Result<Content, CliError> {
    match &args.bulk {
        Some(bulk) => send_csv::read(bulk).map(Content::Csv),
        None if args.what.is_text() => {
            let text = text(args).await?;
            args.what.message(Some(&text)).map(Content::Message)
        }
        None => {
            let message = args.what.message(args.text.as_deref());
            message.map(Content::Message)
        }
    }
}

/// The text to send, from the arguments or standard input.
async fn text(args: &SendArgs) -> Result<String, CliError> {
    let text = match args.text.as_deref() {
        Some(text) if text != "-" => text.to_owned(),
        _ => {
            if std::io::stdin().is_terminal() {
                return Err(CliError::usage("there is no text to send").hint(
                    "Give it as an argument, or pipe it in: echo Hello | zapnode send --to …",
                ));
            }
            let mut bytes = Vec::new();
            let mut input = tokio::io::stdin().take(MOST_BYTES);
            let read = input.read_to_end(&mut bytes).await;
            read.map_err(|error| CliError::other(format!("standard input: {error}")))?;
            let text = String::from_utf8(bytes)
                .map_err(|_| CliError::usage("standard input is not UTF-8 text"))?;
            // What `echo` adds is not part of the message.
            text.trim_end_matches(['\n', '\r']).to_owned()
        }
    };
    if text.trim().is_empty() {
        return Err(CliError::usage("the text is empty"));
    }
    Ok(text)
}

pub(super) async fn run(
    args: &SendArgs,
    content: Content,
    context: &Context,
    api: &Api,
) -> Result<(), CliError> {
    let message = match (content, &args.bulk) {
        (Content::Csv(job), Some(bulk)) => {
            return send_csv::run(args, bulk, job, context, api).await;
        }
        (Content::Csv(_), None) => return Err(CliError::usage("--csv is missing")),
        (Content::Message(message), _) => message,
    };
    interruptible(send_message(args, message, context, api)).await
}

async fn send_message(
    args: &SendArgs,
    mut message: Message,
    context: &Context,
    api: &Api,
) -> Result<(), CliError> {
    let within = context.global.patience(READY_WITHIN);
    api.ready(args.session.as_str(), within, &context.progress)
        .await?;
    if let Some(file) = &message.file {
        context
            .progress
            .say(format!("uploading {}", file.display()));
        let path = format!("/sessions/{}/media", args.session);
        let answer = api.upload(&path, file).await?;
        let id = answer["media"]["id"].clone();
        message.body.insert("mediaId".to_owned(), id);
    }
    if let Some(region) = &args.region {
        message
            .body
            .insert("region".to_owned(), region.as_str().into());
    }
    // The exit code is that of the first failure; what became of each is told as it happens.
    let mut failed = None;
    for (index, to) in args.to.iter().enumerate() {
        context.progress.say(format!("sending to {to}"));
        match send(args, index, to, &message, api).await {
            Ok(answer) => {
                let text = outcome(to, &answer, api.is_embedded());
                context
                    .progress
                    .hide(|| context.output.result(text, &answer));
            }
            // One wrong number of many does not keep the others from theirs.
            Err(error) if args.to.len() > 1 => {
                context
                    .progress
                    .hide(|| context.output.failure(Some(to), &error));
                failed.get_or_insert(error.kind);
            }
            Err(error) => return Err(error),
        }
    }
    failed.map_or(Ok(()), |kind| Err(CliError::told(kind)))
}

async fn send(
    args: &SendArgs,
    index: usize,
    to: &str,
    message: &Message,
    api: &Api,
) -> Result<Value, CliError> {
    // One key for each recipient, so that a repeated command goes on where it ended.
    let key = match (&args.idempotency_key, args.to.len()) {
        (Some(key), 2..) => Some(format!("{key}/{index}")),
        (key, _) => key.clone(),
    };
    let headers: Vec<_> = key
        .iter()
        .map(|key| ("idempotency-key", key.as_str()))
        .collect();
    let path = format!("/sessions/{}/messages", args.session);
    let mut body = message.body.clone();
    body.insert("to".to_owned(), to.into());
    api.ask(Method::POST, &path, Some(body.into()), &headers)
        .await
}

/// What became of a message, in words. What runs in this process ends with it, so then a message
/// that is still under way waits for the next run.
fn outcome(to: &str, answer: &Value, is_embedded: bool) -> String {
    if answer["ack"].as_i64() >= Some(1) {
        return format!("Sent to {to}.");
    }
    let next = if is_embedded {
        "It goes on when the session runs again: at the next zapnode send, or under zapnode-http."
    } else {
        "It goes on by itself while the session runs."
    };
    format!("Stored for {to}; WhatsApp has not confirmed it yet. {next}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_stored_is_not_called_sent() {
        let sent = outcome("5511912345678", &json!({"ack": 1}), false);
        assert_eq!(sent, "Sent to 5511912345678.");
        let stored = |is_embedded| outcome("5511912345678", &json!({"ack": 0}), is_embedded);
        assert!(stored(false).contains("by itself"));
        assert!(stored(true).contains("at the next zapnode send"));
    }
}
