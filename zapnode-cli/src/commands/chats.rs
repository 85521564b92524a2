use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use serde_json::json;
use zapnode_core::SessionId;

use super::send::READY_WITHIN;
use super::{Context, encoded};
use crate::client::Api;
use crate::error::CliError;

/// Mark a chat as seen or unread; show there that you type or record
#[derive(Args, Debug)]
pub(crate) struct ChatsArgs {
    /// Session to do it with
    #[arg(long, short, default_value = "default", global = true)]
    session: SessionId,
    #[command(subcommand)]
    action: Action,
}

/// How the account is shown.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Presence {
    /// As available
    Available,
    /// As away, so that the phone rings
    Away,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Mark everything in a chat as seen; its writers are told
    Seen {
        /// Phone number, country code first, or a chat id
        chat: String,
    },
    /// Mark a chat as unread on your own devices
    Unread {
        /// Phone number, country code first, or a chat id
        chat: String,
    },
    /// Show that you type; it passes by itself after about 25 s
    Typing {
        /// Phone number, country code first, or a chat id
        chat: String,
    },
    /// Show that you record a voice note; it passes by itself after about 25 s
    Recording {
        /// Phone number, country code first, or a chat id
        chat: String,
    },
    /// Show that you neither type nor record any more
    Paused {
        /// Phone number, country code first, or a chat id
        chat: String,
    },
    /// Show the account as available, or as away
    Presence {
        /// How
        #[arg(value_enum)]
        how: Presence,
    },
}

pub(crate) async fn run(args: &ChatsArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let session = &args.session;
    let within = context.global.patience(READY_WITHIN);
    api.ready(session.as_str(), within, &context.progress)
        .await?;
    let (chat, what) = match &args.action {
        Action::Seen { chat } => (chat, "seen"),
        Action::Unread { chat } => (chat, "unread"),
        Action::Typing { chat } => (chat, "typing"),
        Action::Recording { chat } => (chat, "recording"),
        Action::Paused { chat } => (chat, "paused"),
        Action::Presence { how } => {
            let body = json!({ "available": matches!(how, Presence::Available) });
            let path = format!("/sessions/{session}/presence");
            return tell(Method::PUT, &path, Some(body), context, api).await;
        }
    };
    let path = format!("/sessions/{session}/chats/{}/{what}", encoded(chat));
    tell(Method::POST, &path, None, context, api).await
}

async fn tell(
    method: Method,
    path: &str,
    body: Option<serde_json::Value>,
    context: &Context,
    api: &Api,
) -> Result<(), CliError> {
    let answer = api.ask(method, path, body, &[]).await?;
    let text = format!("{}.", answer["message"].as_str().unwrap_or("Done"));
    context
        .progress
        .hide(|| context.output.result(text, &answer));
    Ok(())
}
