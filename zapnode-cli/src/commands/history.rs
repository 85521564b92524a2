use serde_json::Value;
use zapnode_core::SessionId;

use super::Context;
use crate::client::Api;
use crate::error::CliError;
use crate::output::table;

/// Where a session has been.
pub(super) async fn history(id: &SessionId, context: &Context, api: &Api) -> Result<(), CliError> {
    let answer = api.get(&format!("/sessions/{id}/history")).await?;
    let none = vec![];
    let rows: Vec<_> = answer["history"]
        .as_array()
        .unwrap_or(&none)
        .iter()
        .map(|entry| {
            vec![
                text(&entry["at"]),
                text(&entry["from"]),
                text(&entry["to"]),
                text(&entry["step"]),
                text(&entry["message"]),
            ]
        })
        .collect();
    let shown = if rows.is_empty() {
        format!("Session {id} has been nowhere yet.")
    } else {
        table(&["WHEN", "FROM", "TO", "TRIED", "WHY"], &rows)
    };
    context
        .progress
        .hide(|| context.output.result(shown, &answer));
    Ok(())
}

/// What is kept of a session's last failure.
pub(super) async fn why(id: &SessionId, context: &Context, api: &Api) -> Result<(), CliError> {
    let answer = api.get(&format!("/sessions/{id}/failure")).await?;
    let shown = told(id, &answer["failure"]);
    context
        .progress
        .hide(|| context.output.result(shown, &answer));
    Ok(())
}

fn told(id: &SessionId, failure: &Value) -> String {
    if failure.is_null() {
        return format!("Session {id} has not failed.");
    }
    let mut lines = vec![];
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("{name:<9}{value}"));
        }
    };
    let reason = &failure["reason"];
    line("When", text(&failure["at"]));
    line("Status", text(&failure["status"]));
    line("Why", text(&reason["message"]));
    line("Code", text(&reason["code"]));
    line("Hint", text(&reason["hint"]));
    let none = vec![];
    let list = |value: &Value| value.as_array().unwrap_or(&none).clone();
    let tried: Vec<_> = list(&failure["tried"])
        .iter()
        .map(|tried| format!("{} {}×", text(&tried["step"]), tried["times"]))
        .collect();
    line("Tried", tried.join(", "));
    line("Picture", text(&failure["screenshot"]));
    let words = list(&failure["consoleTail"]);
    if !words.is_empty() {
        lines.push("The page's last words:".to_owned());
        lines.extend(words.iter().map(|word| format!("  {}", text(word))));
    }
    lines.join("\n")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_failure_is_told_for_people() {
        let id = SessionId::new("loja").expect("an id");
        assert_eq!(told(&id, &Value::Null), "Session loja has not failed.");
        let failure = json!({"at": "2026-11-24T12:00:00Z", "status": "failed",
            "reason": {"code": "offline", "message": "gone", "hint": "look"},
            "tried": [{"step": "reload", "times": 2}, {"step": "relaunch", "times": 9}],
            "consoleTail": ["12:00:00 error: x"]});
        let told = told(&id, &failure);
        for part in [
            "Why      gone",
            "Tried    reload 2×, relaunch 9×",
            "\n  12:00:00 error: x",
        ] {
            assert!(told.contains(part), "{told}");
        }
        assert!(!told.contains("Picture"));
    }
}
