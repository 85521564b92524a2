//! What is printed: texts for people, JSON for programs. The only place that prints.
//!
//! Written, not `println!`ed: that panics when the reader has gone, as `head` has after its ten
//! lines, and a panic would leave a session unclosed.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::error::CliError;

/// Where answers go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether the reader is a program.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether what is printed can be drawn over.
    pub(crate) fn is_terminal(self) -> bool {
        !self.json && std::io::stdout().is_terminal()
    }

    /// A result: `text` for people, `value` for programs.
    pub(crate) fn result(self, text: impl AsRef<str>, value: &Value) {
        if self.json {
            self.raw(&format!("{value}\n"));
        } else {
            self.raw(&format!("{}\n", text.as_ref()));
        }
    }

    /// A result as [`result`](Self::result), where it matters whether anybody still reads.
    pub(crate) fn line(self, text: impl AsRef<str>, value: &Value) -> std::io::Result<()> {
        let line = if self.json {
            format!("{value}\n")
        } else {
            format!("{}\n", text.as_ref())
        };
        let mut out = std::io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush())
    }

    /// A word on the way, for people only.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        if !self.json {
            complain(text.as_ref());
        }
    }

    /// Text as it is, at once.
    pub(crate) fn raw(self, text: &str) {
        let mut out = std::io::stdout().lock();
        // A pipe that was closed is the reader's wish.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// The failure of the whole command.
    pub(crate) fn fail(self, error: &CliError) -> ExitCode {
        if error.is_told {
            return ExitCode::from(error.kind.exit_code());
        }
        self.failure(None, error);
        ExitCode::from(error.kind.exit_code())
    }

    /// A failure; `to` says of which recipient where there are several.
    pub(crate) fn failure(self, to: Option<&str>, error: &CliError) {
        if self.json {
            let mut body = json!({
                "success": false,
                "error": error.text,
                "code": error.code,
                "hint": error.hint,
            });
            if let Some(to) = to {
                body["to"] = to.into();
            }
            self.raw(&format!("{body}\n"));
            return;
        }
        let of = to.map(|to| format!("{to}: ")).unwrap_or_default();
        complain(&format!("error: {of}{}.", error.text.trim_end_matches('.')));
        if let Some(hint) = &error.hint {
            // As it is: one that ends with a command is there to be copied.
            complain(&format!("hint: {hint}"));
        }
    }
}

/// A line on standard error. Where nobody reads it there is nobody left to tell.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Rows under a heading, each column as wide as its widest cell.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| {
            let space = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(space))
        });
        let line = padded.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    };
    let mut lines = vec![line(heading.to_vec())];
    lines.extend(
        rows.iter()
            .map(|row| line(row.iter().map(String::as_str).collect())),
    );
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["loja".to_owned(), "ready".to_owned()],
            vec!["é".to_owned(), "awaiting_login".to_owned()],
        ];
        assert_eq!(
            table(&["SESSION", "STATUS"], &rows),
            "SESSION  STATUS\nloja     ready\né        awaiting_login"
        );
    }
}

/// Names with what is known under them, a line each, for people. What is not known has no line.
#[derive(Debug)]
pub(crate) struct Facts {
    /// How wide the names' column is.
    width: usize,
    lines: Vec<String>,
}

impl Facts {
    /// None yet; names are shorter than `width`.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            width,
            lines: vec![],
        }
    }

    pub(crate) fn line(&mut self, name: &str, value: &Value) {
        let value = match value {
            Value::Null => return,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.lines
            .push(format!("{name:<width$}{value}", width = self.width));
    }

    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}
