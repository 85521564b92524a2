//! The spinner with the phase while one waits.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use crate::output::Output;

/// A spinner on standard error; nothing where that is no terminal, or the reader is a program.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(output: Output) -> Self {
        let bar = ProgressBar::new_spinner();
        if output.is_json() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// What is waited for.
    pub(crate) fn say(&self, text: impl Into<String>) {
        self.0.set_message(text.into());
    }

    /// The phase of a session, in words.
    pub(crate) fn phase(&self, session: &Value) {
        self.say(phase(session));
    }

    /// How far something is of which the end is known.
    pub(crate) fn bar(&self, done: u64, total: u64, text: &str) {
        if self.0.length() != Some(total) {
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} [{bar:30}] {pos}/{len} {msg}")
            {
                self.0.set_style(style.progress_chars("=> "));
            }
            self.0.set_length(total);
        }
        self.0.set_position(done);
        self.0.set_message(text.to_owned());
    }

    /// Takes it off the screen while something else is shown.
    pub(crate) fn hide<T>(&self, show: impl FnOnce() -> T) -> T {
        self.0.suspend(show)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// The phase of a session, in words.
pub(crate) fn phase(session: &Value) -> String {
    let id = session["id"].as_str().unwrap_or("session");
    let why = session["reason"]["message"].as_str();
    match session["status"].as_str().unwrap_or_default() {
        "starting" => format!("{id}: starting Chrome and loading the page"),
        "awaiting_login" => format!("{id}: waiting for a phone to be linked"),
        "syncing" => match session["progress"].as_u64() {
            Some(percent) => format!("{id}: loading the chats ({percent} %)"),
            None => format!("{id}: linked, loading the chats"),
        },
        "recovering" => format!("{id}: coming back ({})", why.unwrap_or("no reason given")),
        "hibernating" => format!("{id}: asleep ({})", why.unwrap_or("no reason given")),
        other => format!("{id}: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::phase;

    #[test]
    fn phases_read_as_words() {
        for (session, words) in [
            (
                json!({"id": "a", "status": "syncing", "progress": 40}),
                "a: loading the chats (40 %)",
            ),
            (
                json!({"id": "a", "status": "recovering", "reason": {"message": "it crashed"}}),
                "a: coming back (it crashed)",
            ),
            (json!({"id": "a", "status": "ready"}), "a: ready"),
        ] {
            assert_eq!(phase(&session), words);
        }
    }
}
