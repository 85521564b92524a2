use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zapnode_core::SessionId;

use super::Context;
use crate::client::Api;
use crate::error::CliError;
use crate::output::{Facts, table};

/// List the bulk jobs, show one, hold it, go on with it, cancel it
#[derive(Args, Debug)]
pub(crate) struct BulkArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the newest jobs (what happens without a word)
    List {
        /// Only those of this session
        #[arg(long, short)]
        session: Option<SessionId>,
    },
    /// Show one job
    Show {
        /// Its id
        id: String,
    },
    /// Hold what is queued of a job
    Pause {
        /// Its id
        id: String,
    },
    /// Go on with a job that is held
    Resume {
        /// Its id
        id: String,
    },
    /// Take back what is queued of a job, for good
    Cancel {
        /// Its id
        id: String,
    },
}

pub(crate) async fn run(args: &BulkArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    match args
        .action
        .as_ref()
        .unwrap_or(&Action::List { session: None })
    {
        Action::List { session } => list(session.as_ref(), context, api).await,
        Action::Show { id } => {
            let answer = api.get(&format!("/bulk/{}", safe(id)?)).await?;
            let text = shown(&answer["job"]);
            context
                .progress
                .hide(|| context.output.result(text, &answer));
            Ok(())
        }
        Action::Pause { id } => act(id, "pause", context, api).await,
        Action::Resume { id } => act(id, "resume", context, api).await,
        Action::Cancel { id } => act(id, "cancel", context, api).await,
    }
}

async fn list(session: Option<&SessionId>, context: &Context, api: &Api) -> Result<(), CliError> {
    let path = match session {
        Some(session) => format!("/bulk?session={session}"),
        None => "/bulk".to_owned(),
    };
    let answer = api.get(&path).await?;
    let none = vec![];
    let jobs = answer["jobs"].as_array().unwrap_or(&none);
    let rows: Vec<_> = jobs.iter().map(row).collect();
    let text = if rows.is_empty() {
        "There are no jobs. Make one: zapnode send --csv FILE --template \"Olá {{name}}\""
            .to_owned()
    } else {
        table(
            &["JOB", "SESSION", "STATE", "SENT", "OF", "FAILED", "NAME"],
            &rows,
        )
    };
    context
        .progress
        .hide(|| context.output.result(text, &answer));
    Ok(())
}

fn row(job: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    vec![
        text(&job["id"]),
        text(&job["session"]),
        text(&job["state"]),
        sent(job).to_string(),
        job["total"].to_string(),
        job["counts"]["failed"].to_string(),
        text(&job["name"]),
    ]
}

fn sent(job: &Value) -> u64 {
    let states = ["sent", "delivered", "read"];
    let counts = states.iter().map(|state| job["counts"][*state].as_u64());
    counts.map(Option::unwrap_or_default).sum()
}

fn shown(job: &Value) -> String {
    let mut facts = Facts::new(11);
    facts.line("Job", &job["id"]);
    facts.line("Name", &job["name"]);
    facts.line("Session", &job["session"]);
    facts.line("State", &job["state"]);
    facts.line("Messages", &job["total"]);
    for (name, field) in [
        ("Queued", "queued"),
        ("Sending", "sending"),
        ("Sent", "sent"),
        ("Delivered", "delivered"),
        ("Read", "read"),
        ("Failed", "failed"),
        ("Taken back", "cancelled"),
    ] {
        facts.line(name, &job["counts"][field]);
    }
    facts.line("Opted out", &job["skipped"]["optedOut"]);
    facts.line("Duplicate", &job["skipped"]["duplicate"]);
    facts.line("Invalid", &job["skipped"]["invalid"]);
    facts.line("Gently", &job["paced"]);
    facts.line("Created", &job["createdAt"]);
    facts.line("Ends", &job["estimatedEnd"]);
    facts.text()
}

async fn act(id: &str, verb: &str, context: &Context, api: &Api) -> Result<(), CliError> {
    let path = format!("/bulk/{}/{verb}", safe(id)?);
    let answer = api.post(&path, json!({})).await?;
    let job = &answer["job"];
    let mut text = format!("Job {id} is {}.", job["state"].as_str().unwrap_or_default());
    if let Some(taken) = answer["takenBack"].as_u64() {
        text += &format!(" Taken back: {taken} messages.");
    }
    if verb == "resume" && job["state"] == "running" && api.is_embedded() {
        text += " It goes on when the session runs: run its zapnode send again, or zapnode-http.";
    }
    context
        .progress
        .hide(|| context.output.result(text, &answer));
    Ok(())
}

/// An id that can stand in a path.
fn safe(id: &str) -> Result<&str, CliError> {
    let sane = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
    sane.then_some(id)
        .ok_or_else(|| CliError::usage("a job's id has letters and digits only"))
}
