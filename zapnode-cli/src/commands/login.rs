use std::cell::Cell;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use zapnode_core::SessionId;
use zapnode_http::qr;

use super::Context;
use crate::client::Api;
use crate::error::CliError;
use crate::output::Output;

/// How long a person may take to find their phone: as long as the session itself waits.
const LOGIN_WITHIN: Duration = Duration::from_secs(600);

/// Link a phone: shows a QR to scan, or a code to type, and waits until the session is ready
#[derive(Args, Debug)]
pub(crate) struct LoginArgs {
    /// Session to log in; made if there is none
    #[arg(long, short, default_value = "default")]
    session: SessionId,
    /// Ask for a code to type on the phone with this number, instead of the QR
    #[arg(long, value_name = "NUMBER")]
    pairing_code: Option<String>,
}

pub(crate) async fn run(args: &LoginArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    api.check_page().await?;
    let created = api
        .post("/sessions", json!({"sessionId": args.session}))
        .await?;
    let id = created["session"]["id"]
        .as_str()
        .unwrap_or(args.session.as_str());
    let screen = Screen {
        output: context.output,
        lines: Cell::new(0),
        serial: Cell::new(0),
    };
    let asked = Cell::new(false);
    let session = api
        .follow(
            id,
            context.global.patience(LOGIN_WITHIN),
            async |session| {
                if context.output.is_json() {
                    let event = json!({"event": "status", "session": session});
                    context.output.result("", &event);
                }
                if session["status"] != "awaiting_login" {
                    context.progress.hide(|| screen.clear());
                    context.progress.phase(session);
                    return Ok(());
                }
                match &args.pairing_code {
                    Some(number) if !asked.replace(true) => {
                        let code = pairing_code(id, number, api).await?;
                        context.progress.hide(|| screen.code(id, number, &code));
                    }
                    Some(_) => {}
                    None => show_qr(id, context, api, &screen).await?,
                }
                context.progress.phase(session);
                Ok(())
            },
            |session| session["isReady"] == true || rests(session),
        )
        .await?;
    if session["isReady"] != true {
        return Err(CliError::not_ready(&session));
    }
    let name = session["me"]["name"].as_str().unwrap_or("(no name)");
    let phone = session["me"]["phone"].as_str().unwrap_or("number unknown");
    context.progress.hide(|| {
        context.output.result(
            format!("Logged in as {name} ({phone})."),
            &json!({"event": "ready", "success": true, "session": session}),
        );
    });
    Ok(())
}

fn rests(session: &Value) -> bool {
    let status = session["status"].as_str().unwrap_or_default();
    matches!(status, "stopped" | "logged_out" | "failed")
}

async fn pairing_code(id: &str, number: &str, api: &Api) -> Result<String, CliError> {
    let path = format!("/sessions/{id}/pairing-code");
    let answer = api.post(&path, json!({"phoneNumber": number})).await?;
    Ok(answer["code"].as_str().unwrap_or_default().to_owned())
}

async fn show_qr(id: &str, context: &Context, api: &Api, screen: &Screen) -> Result<(), CliError> {
    match api.get(&format!("/sessions/{id}/qr?format=json")).await {
        Ok(answer) => context.progress.hide(|| screen.qr(id, &answer)),
        // Between two codes: the next one is news of the session.
        Err(error) if error.code == "qr_not_available" => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is shown, drawn over on a terminal and printed anew elsewhere.
struct Screen {
    output: Output,
    /// Lines of the last drawing, to be drawn over.
    lines: Cell<usize>,
    serial: Cell<u64>,
}

impl Screen {
    fn qr(&self, id: &str, answer: &Value) -> Result<(), CliError> {
        let serial = answer["serial"].as_u64().unwrap_or_default();
        if self.serial.replace(serial) == serial {
            return Ok(());
        }
        if self.output.is_json() {
            let mut event = answer.clone();
            event["event"] = "qr".into();
            self.output.result("", &event);
            return Ok(());
        }
        let text = answer["qr"].as_str().unwrap_or_default();
        let blocks = qr::half_blocks(text).map_err(|error| CliError::other(error.to_string()))?;
        self.draw(&format!(
            "Session {id}. On the phone: WhatsApp, Settings, Linked devices, Link a device.\n\
             {blocks}\n"
        ));
        Ok(())
    }

    fn code(&self, id: &str, number: &str, code: &str) {
        let (left, right) = code.split_at_checked(4).unwrap_or((code, ""));
        self.output.result(
            format!(
                "Session {id}. On the phone {number}: WhatsApp, Settings, Linked devices, Link a \
                 device, Link with phone number instead. Type: {left}-{right}"
            ),
            &json!({"event": "code", "sessionId": id, "code": code}),
        );
    }

    fn draw(&self, text: &str) {
        self.clear();
        self.output.raw(text);
        if self.output.is_terminal() {
            self.lines.set(text.lines().count());
        }
    }

    fn clear(&self) {
        match self.lines.take() {
            0 => {}
            lines => self.output.raw(&format!("\x1b[{lines}A\x1b[J")),
        }
    }
}
