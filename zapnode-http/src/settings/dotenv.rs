//! Reads `.env` the way the Node original's library does, so that its users' files go on working.
//!
//! `dotenvy` is stricter where it hurts: it refuses `CHROME_PATH=C:\\Program Files\\…` for its
//! blanks, which is the line in the original's own example, and it substitutes `$` in keys.

use std::path::Path;

use super::{SettingError, Variables};

/// Reads the file; one that is not there is empty.
pub(super) fn read(path: &Path) -> Result<Variables, SettingError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Variables::default()),
        Err(error) => Err(SettingError {
            name: ".env".to_owned(),
            value: path.display().to_string(),
            source_name: "the current folder".to_owned(),
            allowed: format!("a file that can be read, or none ({error})"),
        }),
    }
}

/// Takes the lines that read `NAME=value`; all others are skipped. The last of equal names counts.
pub(super) fn parse(text: &str) -> Variables {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(allowed) {
        return None;
    }
    Some((name.to_owned(), unquoted(value.trim())))
}

fn unquoted(value: &str) -> String {
    for quote in ['"', '\'', '`'] {
        let Some(rest) = value.strip_prefix(quote) else {
            continue;
        };
        if let Some((inner, _comment)) = rest.split_once(quote) {
            return if quote == '"' {
                inner.replace("\\n", "\n").replace("\\r", "\r")
            } else {
                inner.to_owned()
            };
        }
    }
    let before_comment = value.split('#').next().unwrap_or_default();
    before_comment.trim().to_owned()
}
