use clap::Args;
use serde_json::{Value, json};
use zapnode_core::SessionId;

use super::Context;
use super::chats::{items, show, text};
use super::send::READY_WITHIN;
use crate::client::Api;
use crate::error::{CliError, Kind};
use crate::output::table;

/// Say whether numbers are on WhatsApp
///
/// Ends with 0 when all are, with 5 when one is not, and with 1 when it is not known of one.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Session to ask with
    #[arg(long, short, default_value = "default")]
    session: SessionId,
    /// Ask WhatsApp anew, also where the answer of the last day is known
    #[arg(long)]
    fresh: bool,
    /// Phone numbers, country code first; at most 100
    #[arg(required = true, num_args = 1..=100, value_name = "NUMBER")]
    numbers: Vec<String>,
}

pub(crate) async fn run(args: &CheckArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let within = context.global.patience(READY_WITHIN);
    let session = args.session.as_str();
    api.ready(session, within, &context.progress).await?;
    let mut body = json!({"numbers": args.numbers});
    if args.fresh {
        body["maxAgeSeconds"] = json!(0);
    }
    let path = format!("/sessions/{session}/check-numbers");
    let answer = api.post(&path, body).await?;
    let rows: Vec<_> = items(&answer["numbers"]).iter().map(row).collect();
    let shown = table(&["NUMBER", "ON WHATSAPP", "AS", "LID", "ASKED"], &rows);
    show(context, shown, &answer);
    verdict(&answer).map_or(Ok(()), Err)
}

fn row(number: &Value) -> Vec<String> {
    let exists = match number["exists"].as_bool() {
        Some(true) => "yes".to_owned(),
        Some(false) => "no".to_owned(),
        None => format!("? {}", text(&number["error"])),
    };
    let asked = match number["cached"].as_bool() {
        Some(true) => format!("{} s ago", number["ageSeconds"]),
        Some(false) => "now".to_owned(),
        None => String::new(),
    };
    vec![
        text(&number["number"]),
        exists,
        text(&number["phone"]),
        text(&number["lid"]),
        asked,
    ]
}

/// What the exit code says of all of them; the table has said the rest.
fn verdict(answer: &Value) -> Option<CliError> {
    let numbers = items(&answer["numbers"]);
    let told = |kind, code, text: &str| CliError {
        is_told: true,
        ..CliError::new(kind, code, text)
    };
    if numbers.iter().any(|number| number["exists"].is_null()) {
        let unread = |number: &Value| number["error"] == "invalid_phone_number";
        let kind = match numbers.iter().any(unread) {
            true => Kind::NoNumber,
            false => Kind::Other,
        };
        return Some(told(kind, "not_known", "it is not known of every number"));
    }
    let absent = numbers.iter().any(|number| number["exists"] == false);
    absent.then(|| {
        told(
            Kind::NoNumber,
            "number_not_on_whatsapp",
            "one is not on WhatsApp",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_whether_all_are_there() {
        let ana = json!({"number": "244929782402", "exists": true, "cached": true, "ageSeconds": 7,
            "phone": "244929782402", "lid": "77@lid"});
        let nobody = json!({"number": "0001", "exists": false, "cached": false});
        let odd = json!({"number": "abc", "exists": null, "error": "invalid_phone_number"});
        let unknown = json!({"number": "5511912345678", "exists": null, "error": "timeout"});
        for (numbers, code) in [
            (vec![&ana], None),
            (vec![&ana, &nobody], Some(5)),
            (vec![&ana, &odd], Some(5)),
            (vec![&nobody, &unknown], Some(1)),
        ] {
            let verdict = verdict(&json!({"numbers": numbers}));
            assert_eq!(verdict.map(|error| error.kind.exit_code()), code);
        }
        assert_eq!(
            row(&ana),
            ["244929782402", "yes", "244929782402", "77@lid", "7 s ago"]
        );
        assert_eq!(row(&unknown)[1], "? timeout");
    }
}
