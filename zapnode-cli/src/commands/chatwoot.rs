use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};
use zapnode_core::SessionId;

use super::Context;
use crate::client::Api;
use crate::error::CliError;
use crate::output::Facts;

/// Connect a session to an inbox of Chatwoot
#[derive(Args, Debug)]
pub(crate) struct ChatwootArgs {
    /// Session the bridge belongs to
    #[arg(long, short, global = true, default_value = "default")]
    session: SessionId,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the bridge: its settings, its webhook's path, and how it stands
    Show,
    /// Try address, token, inbox and webhook, and say what is wrong; changes nothing
    Check(Settings),
    /// Set the bridge up, or change the settings that are given
    Set(Settings),
    /// Take the bridge away; what is in Chatwoot stays there
    Remove,
}

/// What is left away stays as it is.
#[derive(Args, Debug, Default)]
struct Settings {
    /// Chatwoot's address
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Number of the account, as in the address of its pages
    #[arg(long, value_name = "N")]
    account: Option<i64>,
    /// Access token of an agent; better given in the environment, where other users cannot see it
    #[arg(
        long,
        env = "CHATWOOT_API_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    token: Option<String>,
    /// Number of the inbox, of the kind API
    #[arg(long, value_name = "N")]
    inbox: Option<i64>,
    /// Make an inbox of this name
    #[arg(
        long,
        value_name = "NAME",
        requires = "public_url",
        conflicts_with = "inbox"
    )]
    create_inbox: Option<String>,
    /// Address under which Chatwoot reaches the daemon
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Language of what the bridge itself says
    #[arg(long, value_parser = ["en", "pt"], value_name = "LANGUAGE")]
    language: Option<String>,
    /// Any other setting as the API has it, as `pending=true`; may be given several times
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    more: Vec<(String, Value)>,
}

/// Reads `name=value`; a value that is JSON is taken as such.
fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.trim().to_owned(), value))
}

impl Settings {
    fn given(&self) -> Map<String, Value> {
        let mut given = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            given.extend(value.map(|value| (name.to_owned(), value)));
        };
        put("url", self.url.clone().map(Value::from));
        put("accountId", self.account.map(Value::from));
        put("apiToken", self.token.clone().map(Value::from));
        put("inboxId", self.inbox.map(Value::from));
        put(
            "autoCreateInbox",
            self.create_inbox.clone().map(Value::from),
        );
        put("publicUrl", self.public_url.clone().map(Value::from));
        put("language", self.language.clone().map(Value::from));
        given.extend(self.more.iter().cloned());
        given
    }
}

pub(crate) async fn run(args: &ChatwootArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let path = format!("/chatwoot/{}", args.session);
    match &args.action {
        Action::Show => {
            let answer = api.get(&path).await?;
            show(context, &answer);
        }
        Action::Set(settings) => {
            let body = merged(settings, &path, api).await?;
            let answer = api.ask(Method::PUT, &path, Some(body), &[]).await?;
            show(context, &answer);
        }
        Action::Check(settings) => {
            let body = if settings.given().is_empty() {
                json!({})
            } else {
                merged(settings, &path, api).await?
            };
            let answer = api.post(&format!("{path}/check"), body).await?;
            return findings(context, &answer);
        }
        Action::Remove => {
            let answer = api.delete(&path).await?;
            let text = answer["message"].as_str().unwrap_or("Removed").to_owned();
            context
                .progress
                .hide(|| context.output.result(format!("{text}."), &answer));
        }
    }
    Ok(())
}

/// The settings there are, with those that are given over them. The secrets are masked where they
/// are shown, so they are left away: then they stay.
async fn merged(settings: &Settings, path: &str, api: &Api) -> Result<Value, CliError> {
    let mut all = match api.get(path).await {
        Ok(answer) => answer["bridge"]["config"]
            .as_object()
            .cloned()
            .unwrap_or_default(),
        Err(error) if error.code == "bridge_not_found" => Map::new(),
        Err(error) => return Err(error),
    };
    all.remove("apiToken");
    all.remove("signingSecret");
    all.extend(settings.given());
    Ok(Value::Object(all))
}

fn show(context: &Context, answer: &Value) {
    let bridge = &answer["bridge"];
    let mut facts = Facts::new(10);
    facts.line("Session", &bridge["sessionId"]);
    facts.line("State", &bridge["state"]);
    facts.line("Why", &bridge["detail"]);
    if bridge["state"] != "working" {
        facts.line("Hint", &bridge["hint"]);
    }
    facts.line("Since", &bridge["since"]);
    facts.line("Chatwoot", &bridge["config"]["url"]);
    facts.line("Account", &bridge["config"]["accountId"]);
    facts.line("Inbox", &bridge["inboxId"]);
    facts.line("Webhook", &bridge["webhookPath"]);
    facts.line("Behind", &bridge["eventsBehind"]);
    context
        .progress
        .hide(|| context.output.result(facts.text(), answer));
}

fn findings(context: &Context, answer: &Value) -> Result<(), CliError> {
    let none = vec![];
    let mut lines = vec![];
    for one in answer["findings"].as_array().unwrap_or(&none) {
        let word = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let mark = if one["ok"] == true { "ok " } else { "BAD" };
        lines.push(format!("{mark} {:<8} {}", word("what"), word("detail")));
        if !word("hint").is_empty() {
            lines.push(format!("             {}", word("hint")));
        }
    }
    context
        .progress
        .hide(|| context.output.result(lines.join("\n"), answer));
    if answer["ok"] == true {
        Ok(())
    } else {
        // What is wrong has been told.
        Err(CliError::told(crate::error::Kind::Other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_json_where_they_are() {
        assert_eq!(
            pair("pending=true"),
            Ok(("pending".to_owned(), json!(true)))
        );
        assert_eq!(
            pair("importDays=3"),
            Ok(("importDays".to_owned(), json!(3)))
        );
        assert_eq!(
            pair("signDelimiter= — "),
            Ok(("signDelimiter".to_owned(), json!(" — ")))
        );
        assert_eq!(
            pair(r#"ignore=["@g.us"]"#),
            Ok(("ignore".to_owned(), json!(["@g.us"])))
        );
        assert!(pair("pending").is_err());
    }
}
