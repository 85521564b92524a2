use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};

use super::{Context, encoded};
use crate::client::Api;
use crate::error::CliError;
use crate::output::table;

/// Who does not want to be written to in bulk: list them, add one, remove one
///
/// The list is one for all sessions. Whoever answers with a stop word, as SAIR, is put on it.
#[derive(Args, Debug)]
pub(crate) struct OptOutArgs {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the newest (what happens without a word)
    List {
        /// Only those with this in their number or reason
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Put somebody on the list
    Add {
        /// Phone number, country code first
        number: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Take somebody off the list
    Remove {
        /// Phone number, country code first
        number: String,
    },
}

pub(crate) async fn run(args: &OptOutArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    match &args.action {
        None => list(None, context, api).await,
        Some(Action::List { search }) => list(search.as_deref(), context, api).await,
        Some(Action::Add { number, reason }) => {
            let path = format!("/optouts/{}", encoded(number));
            let body = json!({"reason": reason});
            let answer = api.ask(Method::PUT, &path, Some(body), &[]).await?;
            let text = format!("{number} is on the opt-out list.");
            context
                .progress
                .hide(|| context.output.result(text, &answer));
            Ok(())
        }
        Some(Action::Remove { number }) => {
            let answer = api.delete(&format!("/optouts/{}", encoded(number))).await?;
            let text = format!("{number} is off the opt-out list.");
            context
                .progress
                .hide(|| context.output.result(text, &answer));
            Ok(())
        }
    }
}

async fn list(search: Option<&str>, context: &Context, api: &Api) -> Result<(), CliError> {
    let query = search.map(|text| format!("?limit=500&q={}", encoded(text)));
    let path = format!("/optouts{}", query.as_deref().unwrap_or("?limit=500"));
    let answer = api.get(&path).await?;
    let none = vec![];
    let people = answer["optOuts"].as_array().unwrap_or(&none);
    let rows: Vec<_> = people.iter().map(row).collect();
    let mut text = if rows.is_empty() {
        "Nobody is on the opt-out list.".to_owned()
    } else {
        table(&["NUMBER", "SINCE", "HOW", "REASON"], &rows)
    };
    if !answer["nextCursor"].is_null() {
        text += "\n… and more; look for one with --search.";
    }
    context
        .progress
        .hide(|| context.output.result(text, &answer));
    Ok(())
}

fn row(person: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let number = person["number"].as_str().or(person["lid"].as_str());
    vec![
        number.unwrap_or_default().to_owned(),
        text(&person["createdAt"]),
        text(&person["source"]),
        text(&person["reason"]),
    ]
}
