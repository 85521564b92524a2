use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zapnode_core::SessionId;
use zapnode_core::event::parse_names;

use super::Context;
use crate::client::Api;
use crate::error::{CliError, Kind};

/// How long a session may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How long one look waits for news, in milliseconds.
const LOOK_MS: u64 = 20_000;

/// The longest pause before a server that went away is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Print messages as they come, until Ctrl-C
///
/// With --json each is one line, as the API and the webhooks have it, so that a shell pipe can be a
/// bot. A server that goes away is waited for, and nothing that happened meanwhile is missed.
#[derive(Args, Debug)]
pub(crate) struct ListenArgs {
    /// Session to listen to; all of them if left away
    #[arg(long, short)]
    session: Option<SessionId>,
    /// Names of events, separated by commas, as `message,session.status`; `*` for all
    #[arg(long, value_name = "NAMES", default_value = "message")]
    events: String,
    /// Go on after this event: the `sequence` of the last one that was dealt with, or 0 for
    /// everything that is kept. If left away: what comes from now on
    #[arg(long, value_name = "SEQUENCE", value_parser = clap::value_parser!(i64).range(0..))]
    after: Option<i64>,
}

/// What is asked for again and again.
struct Listening<'a> {
    args: &'a ListenArgs,
    context: &'a Context,
    path: String,
    /// What is asked for: also states, where sessions run in this process.
    asked: String,
    after: i64,
}

pub(crate) async fn run(args: &ListenArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let wanted = parse_names(args.events.split(','))
        .map_err(|unknown| CliError::usage(unknown.to_string()))?;
    let mut asked = args.events.clone();
    if api.is_embedded() && wanted.is_some() {
        asked.push_str(",session.status");
    }
    let path = match &args.session {
        Some(session) => format!("/sessions/{session}/events"),
        None => "/events".to_owned(),
    };
    // Asked before a session is started, so that what came in the meantime is printed too.
    let now = api.get(&format!("{path}?after=latest")).await?;
    let mut listening = Listening {
        args,
        context,
        path,
        asked,
        after: args.after.unwrap_or(now["latest"].as_i64().unwrap_or(0)),
    };
    if api.is_embedded() {
        bring_up(args, context, api).await?;
    }
    context.output.note("Listening. Ctrl-C ends.");
    let mut pause = Duration::from_millis(250);
    loop {
        match listening.look(api).await {
            Ok(true) => pause = Duration::from_millis(250),
            // Who read it has gone; there is nobody left to print for.
            Ok(false) => return Ok(()),
            Err(error) if is_away(&error) => {
                context.output.note(format!("{error}; waiting for it"));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Whether the server may come back.
fn is_away(error: &CliError) -> bool {
    matches!(
        error.code.as_str(),
        "server_unreachable" | "shutting_down" | "http_502" | "http_503" | "http_504"
    )
}

/// Starts what can run without anybody's help.
async fn bring_up(args: &ListenArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    if let Some(session) = &args.session {
        let within = context.global.patience(READY_WITHIN);
        return api
            .ready(session.as_str(), within, &context.progress)
            .await
            .map(|_| ());
    }
    let listed = api.get("/sessions").await?;
    let linked: Vec<_> = listed["sessions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|session| session["linked"] == true)
        .filter_map(|session| session["id"].as_str())
        .collect();
    if linked.is_empty() {
        let text = "no session here is logged in";
        return Err(CliError::new(Kind::NotReady, "session_not_ready", text)
            .hint("Log in first: zapnode login"));
    }
    api.check_page().await?;
    for id in linked {
        let path = format!("/sessions/{id}/start");
        api.post(&path, json!({})).await?;
    }
    Ok(())
}

impl Listening<'_> {
    /// Waits for news and prints them. Says whether somebody still reads.
    async fn look(&mut self, api: &Api) -> Result<bool, CliError> {
        let path = format!(
            "{}?after={}&timeoutMs={LOOK_MS}&events={}",
            self.path, self.after, self.asked
        );
        let page = api.get(&path).await?;
        if let Some(forgotten) = page["gap"]["forgotten"].as_i64() {
            self.context
                .output
                .note(match page["gap"]["after"].as_i64() {
                Some(after) if after > forgotten => {
                    "The log is another one than before; what it has is printed from its beginning."
                        .to_owned()
                }
                _ => format!("What happened up to {forgotten} is kept no longer and was missed."),
            });
        }
        for event in page["events"].as_array().into_iter().flatten() {
            let name = event["event"].as_str().unwrap_or_default();
            let wanted = self.args.events.split(',').map(str::trim);
            if wanted.into_iter().any(|wish| wish == name || wish == "*") {
                let said = self.context.output.line(line(event), event);
                if said.is_err() {
                    return Ok(false);
                }
            }
            if api.is_embedded() && name == "session.status" {
                self.judge(event)?;
            }
        }
        self.after = page["next"].as_i64().unwrap_or(self.after);
        Ok(true)
    }

    /// A session of this process that ended for good is not waited for in silence.
    fn judge(&self, event: &Value) -> Result<(), CliError> {
        let status = &event["payload"];
        if status["status"] != "FAILED" {
            return Ok(());
        }
        let session = json!({
            "id": event["session"],
            "status": status["state"],
            "reason": {"message": status["reason"]["detail"], "hint": status["reason"]["hint"]},
        });
        let error = CliError::not_ready(&session);
        if self.args.session.is_some() {
            return Err(error);
        }
        self.context.output.note(error.to_string());
        Ok(())
    }
}

/// An event for a person: when, on which session, who, what.
fn line(event: &Value) -> String {
    let at = event["timestamp"].as_i64().unwrap_or(0);
    let at = OffsetDateTime::from_unix_timestamp(at / 1000).ok();
    let at = at.and_then(|at| at.format(&Rfc3339).ok());
    let session = event["session"].as_str().unwrap_or_default();
    let name = event["event"].as_str().unwrap_or_default();
    let payload = &event["payload"];
    let what = match name {
        "message" => format!("{}: {}", writer(payload), said(payload)),
        "message.any" if payload["fromMe"] == true => {
            format!("me to {}: {}", chat(payload), said(payload))
        }
        "message.any" => format!("{}: {}", writer(payload), said(payload)),
        "message.edited" => format!("{} (edited): {}", writer(payload), said(payload)),
        "message.ack" => format!(
            "{} {} {}",
            chat(payload),
            text(&payload["ackName"]),
            text(&payload["id"])
        ),
        "message.reaction" => {
            let on = text(&payload["reaction"]["messageId"]);
            format!(
                "{} {} on {on}",
                writer(payload),
                text(&payload["reaction"]["text"])
            )
        }
        "session.status" => {
            let why = text(&payload["reason"]["detail"]);
            format!("is {} {why}", text(&payload["state"]))
        }
        _ => payload.to_string(),
    };
    let what = match name {
        "message" => what,
        name => format!("[{name}] {what}"),
    };
    plain(&format!("{}  {session}  {what}", at.unwrap_or_default()))
}

/// Who wrote: the name they gave themselves, and their number.
fn writer(payload: &Value) -> String {
    if payload["fromMe"] == true {
        return "me".to_owned();
    }
    let number = [
        &payload["phone"],
        &payload["lid"],
        &payload["participant"],
        &payload["from"],
    ]
    .into_iter()
    .find_map(Value::as_str)
    .map(number)
    .unwrap_or_default();
    let group = match payload["participant"].as_str() {
        Some(_) => format!(" in {}", chat(payload)),
        None => String::new(),
    };
    match payload["notifyName"].as_str() {
        Some(name) => format!("{name} ({number}){group}"),
        None => format!("{number}{group}"),
    }
}

fn chat(payload: &Value) -> String {
    let of_group = payload["chatId"]
        .as_str()
        .filter(|id| id.ends_with("@g.us"));
    let named = of_group.or_else(|| payload["phone"].as_str());
    named
        .or_else(|| payload["chatId"].as_str())
        .map(number)
        .unwrap_or_default()
}

/// A number as people write it; other names as they are.
fn number(id: &str) -> String {
    match id.strip_suffix("@c.us") {
        Some(digits) => format!("+{digits}"),
        None => id.to_owned(),
    }
}

/// What was said, or what kind of thing was sent.
fn said(payload: &Value) -> String {
    let body = text(&payload["body"]);
    match payload["type"].as_str() {
        Some("chat") | None => body,
        Some(kind) => format!("[{kind}] {body}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Without what would steer a terminal: anybody may write to us. Further lines are set in.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => plain.push_str("\n    "),
            c if c.is_control() => plain.push('\u{fffd}'),
            c => plain.push(c),
        }
    }
    plain.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_reads_who_wrote_what_and_nothing_steers_the_terminal() {
        let event = |name: &str, payload: Value| {
            line(&json!({
                "timestamp": 1_760_522_400_123_i64, "session": "shop", "event": name,
                "payload": payload,
            }))
        };
        let private = json!({
            "chatId": "5511912345678@c.us", "from": "5511912345678@c.us", "fromMe": false,
            "phone": "5511912345678@c.us", "notifyName": "Bruno", "type": "chat",
            "body": "Oi!\n\u{1b}[2JTudo bem?",
        });
        assert_eq!(
            event("message", private),
            "2025-10-15T10:00:00Z  shop  Bruno (+5511912345678): Oi!\n    \u{fffd}[2JTudo bem?"
        );
        let group = json!({
            "chatId": "1203@g.us", "from": "1203@g.us", "participant": "7@lid", "lid": "7@lid",
            "type": "image", "body": "praia",
        });
        assert_eq!(
            event("message", group),
            "2025-10-15T10:00:00Z  shop  7@lid in 1203@g.us: [image] praia"
        );
        let own = json!({
            "chatId": "7@lid", "phone": "5511912345678@c.us", "fromMe": true, "type": "chat",
            "body": "já vou",
        });
        assert_eq!(
            event("message.any", own),
            "2025-10-15T10:00:00Z  shop  [message.any] me to +5511912345678: já vou"
        );
        let status = json!({"state": "ready", "reason": null});
        assert_eq!(
            event("session.status", status),
            "2025-10-15T10:00:00Z  shop  [session.status] is ready"
        );
    }
}
