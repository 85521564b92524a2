//! QR codes and pairing codes on the console, as they come.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use zapnode_core::SessionId;
use zapnode_core::event::{Signal, SignalKind};
use zapnode_core::session::{Prompt, SessionInfo, SessionState};
use zapnode_http::qr;
use zapnode_http::settings::LogFormat;

/// Shows every prompt once, until the manager is gone.
pub(super) async fn follow(mut signals: Receiver<Signal>, format: LogFormat, url: String) {
    let mut shown: HashMap<SessionId, Prompt> = HashMap::new();
    loop {
        let signal = match signals.recv().await {
            Ok(signal) => signal,
            // What was missed was replaced by something newer.
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        let SignalKind::Status(info) = signal.kind else {
            continue;
        };
        match prompt(&info) {
            Some(prompt) if shown.get(&info.id) != Some(prompt) => {
                show(&info.id, prompt, format, &url);
                shown.insert(info.id.clone(), prompt.clone());
            }
            Some(_) => {}
            // A login that begins anew is shown anew.
            None if !matches!(info.state, SessionState::AwaitingLogin { .. }) => {
                shown.remove(&info.id);
            }
            None => {}
        }
    }
}

fn prompt(info: &SessionInfo) -> Option<&Prompt> {
    match &info.state {
        SessionState::AwaitingLogin { prompt } => prompt.as_ref(),
        _ => None,
    }
}

fn show(session: &SessionId, prompt: &Prompt, format: LogFormat, url: &str) {
    let image = format!("{url}/sessions/{session}/qr?format=png");
    match (format, prompt) {
        (LogFormat::Json, Prompt::Qr { serial, .. }) => {
            tracing::info!(%session, serial, qr = image, "a QR waits to be scanned");
        }
        // The code itself would link whoever reads the log.
        (LogFormat::Json, Prompt::PairingCode { .. }) => {
            tracing::info!(%session, "a pairing code waits to be typed");
        }
        (LogFormat::Text, Prompt::Qr { text, serial, .. }) => match drawing(text) {
            Ok(drawing) => say(&format!(
                "\nSession {session}: scan this QR with WhatsApp on the phone \
                 (Settings, Linked devices). No. {serial}\n{drawing}\nAs an image: {image}\n\n"
            )),
            Err(error) => tracing::error!(%session, %error, "see the QR at {image}"),
        },
        (LogFormat::Text, Prompt::PairingCode { code, phone, .. }) => {
            let (left, right) = code.split_at_checked(4).unwrap_or((code, ""));
            say(&format!(
                "\nSession {session}: type this code on the phone +{phone}: {left}-{right}\n\n"
            ));
        }
    }
}

/// On a terminal with its own colours, because phones do not read a QR with dark and light
/// swapped on every screen.
fn drawing(text: &str) -> Result<String, qr::QrError> {
    let blocks = qr::half_blocks(text)?;
    if !std::io::stdout().is_terminal() {
        return Ok(blocks);
    }
    let coloured = |line: &str| format!("\x1b[97;40m{line}\x1b[0m");
    Ok(blocks.lines().map(coloured).collect::<Vec<_>>().join("\n"))
}

/// Writes to standard output in one piece, so that log lines do not come between. A console that
/// is gone is no reason to end.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
