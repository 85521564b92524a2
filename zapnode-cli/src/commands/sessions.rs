use std::io::IsTerminal;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zapnode_core::SessionId;

use super::{Context, ask_yes_or_no, history};
use crate::client::Api;
use crate::error::CliError;
use crate::output::{Facts, table};

/// List sessions, show one, delete, start or stop it
#[derive(Args, Debug)]
pub(crate) struct SessionsArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all sessions (what happens without a word)
    List,
    /// Show one session
    Show {
        /// Its id
        id: SessionId,
    },
    /// Show where a session has been, and why, newest first
    History {
        /// Its id
        id: SessionId,
    },
    /// Show what is kept of a session's last failure: why, what was tried, the page's last words
    Why {
        /// Its id
        id: SessionId,
    },
    /// Delete a session: unlink it, close its Chrome, remove its profile
    Delete {
        /// Its id
        id: SessionId,
        /// Leave the device linked and the profile on disk
        #[arg(long)]
        keep_login: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Start a session of a running daemon
    Start {
        /// Its id
        id: SessionId,
    },
    /// Stop a session and keep its login
    Stop {
        /// Its id
        id: SessionId,
    },
    /// Stop and start a session of a running daemon
    Restart {
        /// Its id
        id: SessionId,
    },
    /// Unlink a session from its phone; it stays listed
    Logout {
        /// Its id
        id: SessionId,
    },
}

pub(crate) async fn run(args: &SessionsArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => list(context, api).await,
        Action::Show { id } => show(id, context, api).await,
        Action::History { id } => history::history(id, context, api).await,
        Action::Why { id } => history::why(id, context, api).await,
        Action::Delete {
            id,
            keep_login,
            yes,
        } => delete(id, *keep_login, *yes, context, api).await,
        Action::Start { id } | Action::Restart { id } if api.is_embedded() => Err(CliError::usage(
            format!("no daemon is running, so nothing would keep {id} started"),
        )
        .hint("Start zapnode-http, or use: zapnode send, zapnode login")),
        Action::Start { id } => act(id, "start", context, api).await,
        Action::Stop { id } => act(id, "stop", context, api).await,
        Action::Restart { id } => act(id, "restart", context, api).await,
        Action::Logout { id } => {
            bring_up(id, context, api).await?;
            act(id, "logout", context, api).await
        }
    }
}

async fn list(context: &Context, api: &Api) -> Result<(), CliError> {
    let answer = api.get("/sessions").await?;
    let none = vec![];
    let sessions = answer["sessions"].as_array().unwrap_or(&none);
    let rows: Vec<_> = sessions.iter().map(row).collect();
    let text = if rows.is_empty() {
        "There are no sessions. Make one: zapnode login --session NAME".to_owned()
    } else {
        table(&["SESSION", "STATUS", "PHONE", "NAME", "WHY"], &rows)
    };
    context
        .progress
        .hide(|| context.output.result(text, &answer));
    Ok(())
}

fn row(session: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    vec![
        text(&session["id"]),
        text(&session["status"]),
        text(&session["me"]["phone"]),
        text(&session["me"]["name"]),
        text(&session["reason"]["message"]),
    ]
}

async fn show(id: &SessionId, context: &Context, api: &Api) -> Result<(), CliError> {
    let answer = api.get(&format!("/sessions/{id}")).await?;
    let session = &answer["session"];
    let mut facts = Facts::new(9);
    facts.line("Session", &session["id"]);
    facts.line("Status", &session["status"]);
    facts.line("Since", &session["since"]);
    facts.line("Why", &session["reason"]["message"]);
    facts.line("Hint", &session["reason"]["hint"]);
    facts.line("Trying", &session["step"]);
    facts.line("Memory", &megabytes(&session["resources"]["memoryMb"]));
    facts.line("Phone", &session["me"]["phone"]);
    facts.line("Name", &session["me"]["name"]);
    facts.line("Linked", &session["linked"]);
    facts.line("Created", &session["createdAt"]);
    context
        .progress
        .hide(|| context.output.result(facts.text(), &answer));
    Ok(())
}

fn megabytes(value: &Value) -> Value {
    match value.as_u64() {
        Some(number) => json!(format!("{number} MB")),
        None => Value::Null,
    }
}

async fn delete(
    id: &SessionId,
    keep_login: bool,
    yes: bool,
    context: &Context,
    api: &Api,
) -> Result<(), CliError> {
    // Asked only about something that is there.
    api.get(&format!("/sessions/{id}")).await?;
    if !yes {
        confirm(id, keep_login, context).await?;
    }
    if !keep_login {
        bring_up(id, context, api).await?;
    }
    context.progress.say(format!("deleting {id}"));
    let answer = api
        .delete(&format!("/sessions/{id}?keepLogin={keep_login}"))
        .await?;
    let text = answer["message"].as_str().unwrap_or("Deleted").to_owned();
    context
        .progress
        .hide(|| context.output.result(format!("{text}."), &answer));
    Ok(())
}

async fn confirm(id: &SessionId, keep_login: bool, context: &Context) -> Result<(), CliError> {
    if context.output.is_json() || !std::io::stdin().is_terminal() {
        return Err(CliError::usage("nobody is here to confirm the deletion")
            .hint("Add --yes to delete without being asked."));
    }
    let lost = if keep_login {
        "its entry here; the device stays linked"
    } else {
        "its login: it must be scanned again to be used again"
    };
    let question = format!("Delete session {id}? What is lost: {lost}.");
    match ask_yes_or_no(&question, context).await? {
        true => Ok(()),
        false => Err(CliError::other("not deleted")),
    }
}

/// Only a session that is up can tell the phone that it goes. Where it cannot come up, what is on
/// disk is removed all the same.
async fn bring_up(id: &SessionId, context: &Context, api: &Api) -> Result<(), CliError> {
    let linked = api.get(&format!("/sessions/{id}")).await?["session"]["linked"] == true;
    if api.is_embedded() && linked {
        let within = context.global.patience(std::time::Duration::from_secs(60));
        if let Err(error) = api.ready(id.as_str(), within, &context.progress).await {
            context.progress.hide(|| {
                context.output.note(format!(
                    "{error}; so remove the device on the phone too: Settings, Linked devices."
                ));
            });
        }
    }
    Ok(())
}

async fn act(id: &SessionId, verb: &str, context: &Context, api: &Api) -> Result<(), CliError> {
    context.progress.say(format!("{id}: {verb}"));
    let answer = api
        .post(&format!("/sessions/{id}/{verb}"), json!({}))
        .await?;
    let status = answer["session"]["status"]
        .as_str()
        .unwrap_or("gone")
        .to_owned();
    context.progress.hide(|| {
        context
            .output
            .result(format!("Session {id} is {status}."), &answer);
    });
    Ok(())
}
