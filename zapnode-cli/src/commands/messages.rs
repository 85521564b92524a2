use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};

use super::send::READY_WITHIN;
use super::{Context, encoded};
use crate::client::Api;
use crate::error::CliError;

/// Do something to a message that was sent or received: change it, delete it, react, star, pin
///
/// A message is named by the id that `zapnode send --json` gives, or by WhatsApp's own
/// (`messageId`). Its session has to be ready.
#[derive(Args, Debug)]
pub(crate) struct MessagesArgs {
    #[command(subcommand)]
    action: Action,
}

/// For whom a message is deleted.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Whose {
    /// For everyone who has it
    Everyone,
    /// On this account's devices only
    Me,
}

/// How long a message stays pinned.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Days {
    /// 24 hours
    #[value(name = "1")]
    One,
    /// A week
    #[value(name = "7")]
    Seven,
    /// A month
    #[value(name = "30")]
    Thirty,
}

/// What one answers to an event.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Going {
    /// I come
    Yes,
    /// I do not
    No,
    /// I may
    Maybe,
    /// Take the answer back
    None,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Give a message of yours another text
    Edit {
        /// The message
        id: String,
        /// The new text
        text: String,
    },
    /// Delete a message; one that is still queued is not sent
    Delete {
        /// The message
        id: String,
        /// For whom
        #[arg(long = "for", value_enum, default_value = "everyone")]
        whose: Whose,
    },
    /// Put an emoji on a message
    React {
        /// The message
        id: String,
        /// The emoji; without one the reaction is taken away
        emoji: Option<String>,
    },
    /// Star a message
    Star {
        /// The message
        id: String,
    },
    /// Take the star away
    Unstar {
        /// The message
        id: String,
    },
    /// Pin a message in its chat, for everyone there
    Pin {
        /// The message
        id: String,
        /// For how many days
        #[arg(long, value_enum, default_value = "7")]
        days: Days,
    },
    /// Unpin a message
    Unpin {
        /// The message
        id: String,
    },
    /// Vote in a poll, in place of an earlier vote
    Vote {
        /// The poll
        id: String,
        /// The answers to choose, word for word; without any the vote is taken back
        options: Vec<String>,
    },
    /// Say whether you come to an event
    Answer {
        /// The event
        id: String,
        /// The answer
        #[arg(value_enum)]
        going: Going,
    },
}

impl Action {
    /// The message that it is done to.
    fn id(&self) -> &str {
        match self {
            Self::Edit { id, .. }
            | Self::Delete { id, .. }
            | Self::React { id, .. }
            | Self::Star { id }
            | Self::Unstar { id }
            | Self::Pin { id, .. }
            | Self::Unpin { id }
            | Self::Vote { id, .. }
            | Self::Answer { id, .. } => id,
        }
    }
}

pub(crate) async fn run(args: &MessagesArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let (method, path, body) = request(&args.action);
    let message = format!("/messages/{}", encoded(args.action.id()));
    let found = api.get(&message).await?;
    // One that is not sent can only be taken out of the queue, which needs no session.
    if found["message"]["state"] != "queued" {
        let session = found["message"]["sessionId"].as_str().unwrap_or_default();
        let within = context.global.patience(READY_WITHIN);
        api.ready(session, within, &context.progress).await?;
    }
    let answer = api.ask(method, &path, body, &[]).await?;
    let text = match answer["message"].as_str() {
        Some(done) => format!("{done}."),
        // The message itself: it was taken out of the queue.
        None => "Message cancelled; it was not sent.".to_owned(),
    };
    context
        .progress
        .hide(|| context.output.result(text, &answer));
    Ok(())
}

fn request(action: &Action) -> (Method, String, Option<Value>) {
    let path = |id: &str, rest: &str| format!("/messages/{}{rest}", encoded(id));
    match action {
        Action::Edit { id, text } => (Method::PUT, path(id, ""), Some(json!({ "text": text }))),
        Action::Delete { id, whose } => {
            let whose = match whose {
                Whose::Everyone => "?for=everyone",
                Whose::Me => "?for=me",
            };
            (Method::DELETE, path(id, whose), None)
        }
        Action::React { id, emoji } => match emoji {
            Some(emoji) => {
                let body = json!({ "emoji": emoji });
                (Method::PUT, path(id, "/reaction"), Some(body))
            }
            None => (Method::DELETE, path(id, "/reaction"), None),
        },
        Action::Star { id } => (Method::PUT, path(id, "/star"), None),
        Action::Unstar { id } => (Method::DELETE, path(id, "/star"), None),
        Action::Pin { id, days } => {
            let days = match days {
                Days::One => 1,
                Days::Seven => 7,
                Days::Thirty => 30,
            };
            let body = json!({ "days": days });
            (Method::PUT, path(id, "/pin"), Some(body))
        }
        Action::Unpin { id } => (Method::DELETE, path(id, "/pin"), None),
        Action::Vote { id, options } => {
            let body = json!({ "options": options });
            (Method::PUT, path(id, "/vote"), Some(body))
        }
        Action::Answer { id, going } => {
            let going = match going {
                Going::Yes => "yes",
                Going::No => "no",
                Going::Maybe => "maybe",
                Going::None => "none",
            };
            let body = json!({ "going": going });
            (Method::PUT, path(id, "/answer"), Some(body))
        }
    }
}
