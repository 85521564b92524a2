//! Why a command failed: what happened, what to do, and which exit code says so to a script.

use serde_json::Value;
use thiserror::Error;
use zapnode_core::store::StoreError;
use zapnode_core::with_causes;

/// The kinds, each with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Other,
    Usage,
    NotReady,
    NoSession,
    NoNumber,
    Server,
    InUse,
    Timeout,
    Storage,
    Interrupted,
}

impl Kind {
    /// The exit code, as `zapnode --help` documents it.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::NotReady => 3,
            Self::NoSession => 4,
            Self::NoNumber => 5,
            Self::Server => 6,
            Self::InUse => 7,
            Self::Timeout => 8,
            Self::Storage => 9,
            Self::Interrupted => 130,
        }
    }

    /// The kind of an answer of the API, by its stable code.
    fn of_code(code: &str) -> Self {
        match code {
            "session_not_ready" | "qr_not_available" => Self::NotReady,
            "session_not_found" => Self::NoSession,
            "contact_not_found" => Self::NoNumber,
            "invalid_session_id" | "invalid_request" | "invalid_recipients"
            | "invalid_template" => Self::Usage,
            "number_not_on_whatsapp" | "invalid_phone_number" => Self::NoNumber,
            "unauthorized" | "forbidden" | "wrong_host" => Self::Server,
            "timeout" => Self::Timeout,
            "storage_full" | "storage_damaged" | "storage_failed" => Self::Storage,
            _ => Self::Other,
        }
    }
}

/// A command's failure.
#[derive(Debug, Error)]
#[error("{text}")]
pub(crate) struct CliError {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) code: String,
    pub(crate) hint: Option<String>,
    /// The whole answer of the API, where it was one.
    pub(crate) body: Value,
    /// Everything has been printed: only the exit code is left to say.
    pub(crate) is_told: bool,
}

impl CliError {
    pub(crate) fn new(kind: Kind, code: &str, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            code: code.to_owned(),
            hint: None,
            body: Value::Null,
            is_told: false,
        }
    }

    /// A failure by the stable code that the API has for it.
    pub(crate) fn of_code(code: &str, text: &str) -> Self {
        Self::new(Kind::of_code(code), code, text)
    }

    pub(crate) fn other(text: impl Into<String>) -> Self {
        Self::new(Kind::Other, "failed", text)
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Kind::Usage, "usage", text)
    }

    /// A failure of which the command has said everything itself.
    pub(crate) fn told(kind: Kind) -> Self {
        Self {
            is_told: true,
            ..Self::new(kind, "failed", "see above")
        }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What the API answered with, when that was a no.
    pub(crate) fn of_answer(status: u16, body: &Value) -> Self {
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let code = text("code").unwrap_or_else(|| format!("http_{status}"));
        let mut what = text("error").unwrap_or_else(|| format!("the server answered {status}"));
        if let Some(reason) = body["reason"]["message"].as_str() {
            what = format!("{what}: {reason}");
        } else if let Some(state) = body["status"].as_str() {
            what = format!("{what} (it is {state})");
        }
        let kind = Kind::of_code(&code);
        // The API's hints name routes; here there are commands for them.
        let hint = match (kind, body["sessionId"].as_str()) {
            (Kind::NoSession, _) => Some("See which there are: zapnode sessions".to_owned()),
            (Kind::NotReady, Some(id)) => Some(way_to_ready(id, body)),
            _ => text("hint"),
        };
        Self {
            kind,
            text: what,
            hint,
            code,
            body: body.clone(),
            is_told: false,
        }
    }

    /// A session that rests, or waits for a person, where it should have become ready.
    pub(crate) fn not_ready(session: &Value) -> Self {
        let id = session["id"].as_str().unwrap_or_default();
        let status = session["status"].as_str().unwrap_or_default();
        let why = session["reason"]["message"].as_str();
        let text = match why {
            Some(why) => format!("session {id} is {status}: {why}"),
            None => format!("session {id} is {status}"),
        };
        Self::new(Kind::NotReady, "session_not_ready", text).hint(way_to_ready(id, session))
    }
}

/// What a person can do about a session that is not ready, by its `status` and `reason`.
fn way_to_ready(id: &str, state: &Value) -> String {
    match state["status"].as_str().unwrap_or_default() {
        "awaiting_login" | "logged_out" => format!("Log in first: zapnode login --session {id}"),
        "stopped" => format!("Start it: zapnode sessions start {id}"),
        _ => state["reason"]["hint"]
            .as_str()
            .unwrap_or("See what is wrong: zapnode doctor")
            .to_owned(),
    }
}

impl From<clap::Error> for CliError {
    fn from(refusal: clap::Error) -> Self {
        // `error: what was wrong`, an empty line, then usage and how to get help.
        let text = refusal.to_string();
        let what = text.split("\n\n").next().unwrap_or_default();
        let what = what.strip_prefix("error: ").unwrap_or(what);
        let words: Vec<_> = what.split_whitespace().collect();
        Self::usage(words.join(" ")).hint("See how it is used: zapnode --help")
    }
}

impl From<zapnode_core::Error> for CliError {
    fn from(error: zapnode_core::Error) -> Self {
        match &error {
            zapnode_core::Error::Owned { .. } => {
                Self::new(Kind::InUse, "data_folder_in_use", error.to_string())
                    .hint("Wait until it has ended, or choose another folder with --data-dir.")
            }
            zapnode_core::Error::Store(cause) => {
                let text = with_causes(&error);
                let code = match cause {
                    StoreError::Newer { .. } => "database_newer",
                    StoreError::Full(_) => "storage_full",
                    StoreError::Damaged(_) => "storage_damaged",
                    _ => "storage_failed",
                };
                let failed = Self::new(Kind::Storage, code, text);
                match cause.hint() {
                    Some(hint) => failed.hint(hint),
                    None => failed,
                }
            }
            zapnode_core::Error::Backup(cause) => crate::commands::restore::refused(cause),
            _ => Self::other(with_causes(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_lead_to_the_documented_exit_codes() {
        for (code, exit) in [
            ("session_not_ready", 3),
            ("session_not_found", 4),
            ("number_not_on_whatsapp", 5),
            ("invalid_phone_number", 5),
            ("unauthorized", 6),
            ("timeout", 8),
            ("storage_full", 9),
            ("driver_failed", 1),
        ] {
            let error = CliError::of_answer(400, &json!({"error": "no", "code": code}));
            assert_eq!(error.kind.exit_code(), exit, "{code}");
        }
        assert_eq!(CliError::of_answer(502, &json!(null)).code, "http_502");
    }

    #[test]
    fn the_hints_of_the_api_become_commands() {
        let error = CliError::of_answer(
            503,
            &json!({
                "error": "Session shop is not ready",
                "code": "session_not_ready",
                "hint": "Start it: POST /sessions/{id}/start.",
                "sessionId": "shop",
                "status": "stopped",
            }),
        );
        assert_eq!(error.text, "Session shop is not ready (it is stopped)");
        assert_eq!(
            error.hint.as_deref(),
            Some("Start it: zapnode sessions start shop")
        );
    }

    #[test]
    fn a_wrong_use_is_one_line_for_programs() {
        let command = clap::Command::new("zapnode").arg(clap::arg!(--to <NUMBER>).required(true));
        let refusal = command
            .try_get_matches_from(["zapnode"])
            .expect_err("no --to");
        let error = CliError::from(refusal);
        assert_eq!(error.kind.exit_code(), 2);
        assert!(error.text.ends_with("provided: --to <NUMBER>"), "{error}");
    }

    #[test]
    fn a_session_that_waits_for_a_person_says_how_to_go_on() {
        let error = CliError::not_ready(&json!({"id": "shop", "status": "awaiting_login"}));
        assert_eq!(error.kind.exit_code(), 3);
        assert_eq!(
            error.hint.as_deref(),
            Some("Log in first: zapnode login --session shop")
        );
    }
}
