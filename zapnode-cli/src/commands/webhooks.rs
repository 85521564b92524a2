use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use zapnode_core::SessionId;

use super::Context;
use crate::client::Api;
use crate::error::{CliError, Kind};
use crate::output::table;

/// Tell other programs by HTTP what happens: list webhooks, add, test, see what went wrong
#[derive(Args, Debug)]
pub(crate) struct WebhooksArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all webhooks (what happens without a word)
    List,
    /// Make a webhook; prints its secret
    Add {
        /// Where events go
        url: String,
        /// Which events, separated by commas, as message,session.status
        #[arg(long, default_value = "*", value_delimiter = ',')]
        events: Vec<String>,
        /// Only of this session
        #[arg(long, short)]
        session: Option<SessionId>,
        /// A header to add, as "X-Team: blue"; may be given several times
        #[arg(long = "header", value_name = "NAME: VALUE")]
        headers: Vec<String>,
    },
    /// Send a made-up event now, and say what came back
    Test {
        /// Its id
        id: String,
    },
    /// List what a webhook was told, newest first
    Deliveries {
        /// Its id
        id: String,
        /// Only those that are pending, delivered or dead
        #[arg(long)]
        state: Option<String>,
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
    /// Send once more what was given up or delivered
    Retry {
        /// The webhook's id
        id: String,
        /// The delivery's id
        delivery: String,
    },
    /// Send events of the log once more: one by its id, or those of a span of time
    Replay {
        /// Its id
        id: String,
        /// The event's id
        #[arg(long, value_name = "ID", conflicts_with_all = ["from", "to"])]
        event: Option<String>,
        /// From this moment on, as 2026-11-24T10:00:00Z
        #[arg(long, value_name = "MOMENT", required_unless_present = "event")]
        from: Option<String>,
        /// Up to this moment; until now if left away
        #[arg(long, value_name = "MOMENT")]
        to: Option<String>,
    },
    /// Make a new secret and print it; the old one goes on signing for a while
    Rotate {
        /// Its id
        id: String,
        /// For how many seconds both sign
        #[arg(long, value_name = "SECONDS", default_value_t = 86_400,
              value_parser = clap::value_parser!(u64).range(..=604_800))]
        overlap: u64,
    },
    /// Send nothing for now; what happens meanwhile is sent later
    Pause {
        /// Its id
        id: String,
    },
    /// Send again, also to one that was turned off
    Resume {
        /// Its id
        id: String,
    },
    /// Delete a webhook, with what waits in its queue
    Delete {
        /// Its id
        id: String,
    },
}

pub(crate) async fn run(args: &WebhooksArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let (text, answer) = match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => list(api).await?,
        Action::Add {
            url,
            events,
            session,
            headers,
        } => add(url, events, session.as_ref(), headers, api).await?,
        Action::Test { id } => return test(id, context, api).await,
        Action::Deliveries { id, state, limit } => {
            deliveries(id, state.as_deref(), *limit, api).await?
        }
        Action::Retry { id, delivery } => {
            let path = format!(
                "/webhooks/{}/deliveries/{}/retry",
                part(id)?,
                part(delivery)?
            );
            let answer = api.post(&path, json!({})).await?;
            (format!("{delivery} is queued again."), answer)
        }
        Action::Replay {
            id,
            event,
            from,
            to,
        } => replay(id, event.as_deref(), from.as_deref(), to.as_deref(), api).await?,
        Action::Rotate { id, overlap } => {
            let path = format!("/webhooks/{}/rotate-secret", part(id)?);
            let answer = api.post(&path, json!({"overlapSeconds": overlap})).await?;
            let text = format!("Secret   {}", text(&answer["webhook"]["secret"]));
            (text, answer)
        }
        Action::Pause { id } => (format!("{id} is paused."), pause(id, true, api).await?),
        Action::Resume { id } => (format!("{id} goes on."), pause(id, false, api).await?),
        Action::Delete { id } => {
            let answer = api.delete(&format!("/webhooks/{}", part(id)?)).await?;
            (format!("{id} is deleted."), answer)
        }
    };
    context
        .progress
        .hide(|| context.output.result(text, &answer));
    Ok(())
}

/// An id as a part of a path.
fn part(id: &str) -> Result<&str, CliError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if id.is_empty() || !id.chars().all(fits) {
        return Err(CliError::usage(format!("{id:?} is no id"))
            .hint("See which there are: zapnode webhooks"));
    }
    Ok(id)
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

async fn list(api: &Api) -> Result<(String, Value), CliError> {
    let answer = api.get("/webhooks").await?;
    let none = vec![];
    let webhooks = answer["webhooks"].as_array().unwrap_or(&none);
    let rows: Vec<_> = webhooks.iter().map(row).collect();
    let text = if rows.is_empty() {
        "There are no webhooks. Make one: zapnode webhooks add URL".to_owned()
    } else {
        table(
            &[
                "WEBHOOK", "STATE", "LAG", "DEAD", "SESSION", "EVENTS", "URL",
            ],
            &rows,
        )
    };
    Ok((text, answer))
}

fn row(webhook: &Value) -> Vec<String> {
    let state = match &webhook["disabledReason"] {
        Value::String(reason) => reason.as_str(),
        _ if webhook["paused"] == true => "paused",
        _ if webhook["receiver"]["down"] == true => "down",
        _ => "active",
    };
    let none = vec![];
    let events = webhook["events"].as_array().unwrap_or(&none);
    let events: Vec<_> = events.iter().map(text).collect();
    vec![
        text(&webhook["id"]),
        state.to_owned(),
        text(&webhook["lag"]),
        text(&webhook["counts"]["dead"]),
        webhook["session"].as_str().unwrap_or("all").to_owned(),
        events.join(","),
        text(&webhook["url"]),
    ]
}

async fn add(
    url: &str,
    events: &[String],
    session: Option<&SessionId>,
    headers: &[String],
    api: &Api,
) -> Result<(String, Value), CliError> {
    let mut named = BTreeMap::new();
    for header in headers {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            CliError::usage(format!("{header:?} is no header"))
                .hint("Give it as --header \"X-Team: blue\"")
        })?;
        named.insert(name.trim(), value.trim());
    }
    let body = json!({"url": url, "events": events, "session": session, "headers": named});
    let answer = api.post("/webhooks", body).await?;
    let webhook = &answer["webhook"];
    let text = format!(
        "Webhook  {}\nSecret   {}",
        text(&webhook["id"]),
        text(&webhook["secret"])
    );
    Ok((text, answer))
}

async fn replay(
    id: &str,
    event: Option<&str>,
    from: Option<&str>,
    to: Option<&str>,
    api: &Api,
) -> Result<(String, Value), CliError> {
    let body = match event {
        Some(event) => json!({ "eventId": event }),
        None => json!({"from": from, "to": to}),
    };
    let path = format!("/webhooks/{}/replay", part(id)?);
    let answer = api.post(&path, body).await?;
    let mut said = format!("{} events are queued again.", text(&answer["queued"]));
    if let Some(until) = answer["until"].as_str() {
        said = format!("{said} That was not all: go on with --from {until}");
    }
    Ok((said, answer))
}

async fn pause(id: &str, paused: bool, api: &Api) -> Result<Value, CliError> {
    let path = format!("/webhooks/{}", part(id)?);
    let body = json!({ "paused": paused });
    api.ask(Method::PATCH, &path, Some(body), &[]).await
}

async fn test(id: &str, context: &Context, api: &Api) -> Result<(), CliError> {
    context.progress.say(format!("testing {id}"));
    let path = format!("/webhooks/{}/test", part(id)?);
    let answer = api.post(&path, json!({})).await?;
    let taken = answer["delivered"] == true;
    let what = match answer["status"].as_u64() {
        Some(status) => format!("The receiver answered {status}"),
        None => format!("No answer ({})", text(&answer["error"])),
    };
    let ms = text(&answer["latencyMs"]);
    let said = text(&answer["answer"]);
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(":\n{said}")
    };
    context.progress.hide(|| {
        context
            .output
            .result(format!("{what} after {ms} ms{said}"), &answer);
    });
    if taken {
        Ok(())
    } else {
        Err(CliError::told(Kind::Other))
    }
}

async fn deliveries(
    id: &str,
    state: Option<&str>,
    limit: u16,
    api: &Api,
) -> Result<(String, Value), CliError> {
    let mut path = format!("/webhooks/{}/deliveries?limit={limit}", part(id)?);
    if let Some(state) = state {
        path = format!("{path}&state={}", part(state)?);
    }
    let answer = api.get(&path).await?;
    let none = vec![];
    let found = answer["deliveries"].as_array().unwrap_or(&none);
    let row = |delivery: &Value| {
        let attempts = delivery["attempts"].as_array();
        let last = attempts.and_then(|attempts| attempts.last());
        let last = last.unwrap_or(&Value::Null);
        vec![
            text(&delivery["id"]),
            text(&delivery["createdAt"]),
            text(&delivery["event"]),
            text(&delivery["state"]),
            attempts.map_or(0, Vec::len).to_string(),
            text(&last["status"]),
            text(&last["error"]),
        ]
    };
    let rows: Vec<_> = found.iter().map(row).collect();
    let text = if rows.is_empty() {
        "There are no such deliveries.".to_owned()
    } else {
        let heading = [
            "DELIVERY", "QUEUED", "EVENT", "STATE", "ATTEMPTS", "STATUS", "ERROR",
        ];
        table(&heading, &rows)
    };
    Ok((text, answer))
}
