use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::Value;
use zapnode_core::SessionId;

use super::chats::{items, more, show, text};
use super::send::READY_WITHIN;
use super::{Context, encoded};
use crate::client::Api;
use crate::error::CliError;
use crate::output::table;

/// The people the account knows: list them, look at one, block and unblock
#[derive(Args, Debug)]
pub(crate) struct ContactsArgs {
    /// Session whose contacts they are
    #[arg(long, short, default_value = "default", global = true)]
    session: SessionId,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them by name (what happens without a word)
    List(List),
    /// Show one, with their picture and about text
    Show {
        /// Phone number, country code first, or LID
        contact: String,
    },
    /// Block somebody
    Block {
        /// Phone number, country code first, or LID
        contact: String,
    },
    /// Block somebody no more
    Unblock {
        /// Phone number, country code first, or LID
        contact: String,
    },
    /// List who is blocked
    Blocked,
}

/// Which contacts.
#[derive(Args, Debug, Default)]
struct List {
    /// Only those in the phone's address book
    #[arg(long)]
    mine: bool,
    /// Only those with this in their name or number
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many [default: 50]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: Option<u16>,
    /// Where to go on: what the last answer said
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(crate) async fn run(args: &ContactsArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let within = context.global.patience(READY_WITHIN);
    let session = args.session.as_str();
    api.ready(session, within, &context.progress).await?;
    let base = format!("/sessions/{session}");
    match &args.action {
        None => list(&base, &List::default(), context, api).await,
        Some(Action::List(wanted)) => list(&base, wanted, context, api).await,
        Some(Action::Show { contact }) => one(&base, contact, context, api).await,
        Some(Action::Block { contact }) => {
            let path = format!("{base}/contacts/{}/block", encoded(contact));
            let answer = api.ask(Method::PUT, &path, None, &[]).await?;
            show(context, format!("{contact} is blocked."), &answer);
            Ok(())
        }
        Some(Action::Unblock { contact }) => {
            let path = format!("{base}/contacts/{}/block", encoded(contact));
            let answer = api.delete(&path).await?;
            show(context, format!("{contact} is not blocked."), &answer);
            Ok(())
        }
        Some(Action::Blocked) => {
            let answer = api.get(&format!("{base}/blocked")).await?;
            let row = |person: &Value| vec![text(&person["phone"]), text(&person["lid"])];
            let rows: Vec<_> = items(&answer["blocked"]).iter().map(row).collect();
            let told = if rows.is_empty() {
                "Nobody is blocked.".to_owned()
            } else {
                table(&["NUMBER", "LID"], &rows)
            };
            show(context, told, &answer);
            Ok(())
        }
    }
}

async fn list(base: &str, wanted: &List, context: &Context, api: &Api) -> Result<(), CliError> {
    let mut path = format!(
        "{base}/contacts?limit={}&mine={}",
        wanted.limit.unwrap_or(50),
        wanted.mine
    );
    for (name, text) in [("q", &wanted.search), ("cursor", &wanted.cursor)] {
        if let Some(text) = text {
            path += &format!("&{name}={}", encoded(text));
        }
    }
    let answer = api.get(&path).await?;
    let rows: Vec<_> = items(&answer["contacts"]).iter().map(row).collect();
    let told = if rows.is_empty() {
        "No contacts.".to_owned()
    } else {
        table(&["NUMBER", "NAME", "CALLS THEMSELVES", "IS", "LID"], &rows)
    };
    show(context, told + &more(&answer), &answer);
    Ok(())
}

fn row(contact: &Value) -> Vec<String> {
    let marks = [
        ("isMe", "me"),
        ("isBusiness", "business"),
        ("isBlocked", "blocked"),
    ];
    let marks = marks.iter().filter(|(field, _)| contact[*field] == true);
    let marks: Vec<_> = marks.map(|(_, word)| *word).collect();
    vec![
        text(&contact["phone"]),
        text(&contact["name"]),
        text(&contact["pushName"]),
        marks.join(","),
        text(&contact["lid"]),
    ]
}

async fn one(base: &str, contact: &str, context: &Context, api: &Api) -> Result<(), CliError> {
    let path = format!("{base}/contacts/{}", encoded(contact));
    let mut answer = api.get(&path).await?;
    let about = api.get(&format!("{path}/about")).await?;
    let picture = api.get(&format!("{path}/picture")).await?;
    answer["about"] = about["about"].clone();
    answer["picture"] = picture["url"].clone();
    let person = &answer["contact"];
    let mut lines = vec![];
    for (name, value) in [
        ("Number", text(&person["phone"])),
        ("LID", text(&person["lid"])),
        ("Name", text(&person["name"])),
        ("Calls themselves", text(&person["pushName"])),
        ("About", text(&answer["about"])),
        ("Picture", text(&answer["picture"])),
        ("Is", row(person)[3].clone()),
    ] {
        if !value.is_empty() {
            lines.push(format!("{name:<18}{value}"));
        }
    }
    show(context, lines.join("\n"), &answer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_contact_is_a_line() {
        let contact = json!({"id": "77@lid", "phone": "244929782402", "lid": "77@lid", "name": "Ana",
            "pushName": "Aninha", "isBusiness": true, "isBlocked": true, "isMe": false});
        assert_eq!(
            row(&contact),
            [
                "244929782402",
                "Ana",
                "Aninha",
                "business,blocked",
                "77@lid"
            ]
        );
    }
}
