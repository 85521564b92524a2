//! The last words of a page: what it wrote to its console and what it threw, kept for whoever has to
//! see why a session failed. What people wrote must never be among them: only the first words of
//! warnings and errors are kept, without quotes, numbers and addresses, and without any text that
//! was lately sent or received.

use std::collections::VecDeque;

use serde::Deserialize;
use time::OffsetDateTime;

/// How many lines are kept.
const LINES: usize = 100;

/// How long a line may be, in characters.
const LENGTH: usize = 200;

/// How many texts are remembered that must not be in any line, and how much of each.
const BODIES: usize = 200;
const BODY_START: usize = 40;

/// Texts shorter than this are in every second word.
const SHORTEST_BODY: usize = 4;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Words {
    lines: VecDeque<String>,
    bodies: VecDeque<String>,
}

#[derive(Deserialize)]
struct Console {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    args: Vec<Argument>,
    #[serde(rename = "stackTrace")]
    stack: Option<Stack>,
}

#[derive(Deserialize)]
struct Argument {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    value: serde_json::Value,
    description: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stack {
    #[serde(default)]
    call_frames: Vec<Frame>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Frame {
    #[serde(default)]
    url: String,
    #[serde(default)]
    line_number: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thrown {
    exception_details: Exception,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Exception {
    #[serde(default)]
    text: String,
    #[serde(default)]
    line_number: i64,
    url: Option<String>,
    exception: Option<Argument>,
}

#[derive(Deserialize)]
struct Logged {
    entry: Entry,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    source: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    text: String,
    url: Option<String>,
}

impl Words {
    /// Takes an event of the browser; one that is no word of the page is left.
    pub(crate) fn heard(&mut self, method: &str, params: &str) {
        let line = match method {
            "Runtime.consoleAPICalled" => serde_json::from_str(params).ok().map(console),
            "Runtime.exceptionThrown" => serde_json::from_str(params).ok().map(thrown),
            "Log.entryAdded" => serde_json::from_str(params).ok().map(logged),
            _ => None,
        };
        if let Some(line) = line {
            self.say(&line);
        }
    }

    /// Adds a line of our own or the page's.
    pub(crate) fn say(&mut self, line: &str) {
        let now = OffsetDateTime::now_utc().time();
        let (h, m, s) = now.as_hms();
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{h:02}:{m:02}:{s:02} {line}"));
    }

    /// A text that people wrote.
    pub(crate) fn keep_out(&mut self, body: &str) {
        let start: String = one_line(body).chars().take(BODY_START).collect();
        if start.chars().count() < SHORTEST_BODY {
            return;
        }
        if self.bodies.len() == BODIES {
            self.bodies.pop_front();
        }
        self.bodies.push_back(start);
    }

    /// The lines, oldest first.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.lines
            .iter()
            .map(|line| self.without_bodies(line))
            .collect()
    }

    fn without_bodies(&self, line: &str) -> String {
        // What follows a text that was found may be more of it.
        let found = self
            .bodies
            .iter()
            .filter_map(|body| line.find(body.as_str()));
        match found.min() {
            Some(at) => format!("{}…", &line[..at]),
            None => line.to_owned(),
        }
    }
}

fn console(console: Console) -> String {
    let place = console
        .stack
        .unwrap_or_default()
        .call_frames
        .first()
        .map(|frame| place(&frame.url, frame.line_number))
        .unwrap_or_default();
    let kind = console.kind.as_str();
    let words = match kind {
        "error" | "warning" | "assert" => arguments(&console.args),
        // What a page notes for itself may be anything, also what somebody wrote.
        _ => format!("({} left out)", count(console.args.len())),
    };
    format!("{kind}: {words}{place}")
}

fn count(values: usize) -> String {
    match values {
        1 => "1 value".to_owned(),
        n => format!("{n} values"),
    }
}

/// The first text, or the kind of error; the rest is only counted.
fn arguments(arguments: &[Argument]) -> String {
    let Some(first) = arguments.first() else {
        return String::new();
    };
    let words = match (&first.value, &first.description) {
        (serde_json::Value::String(text), _) => redacted(text),
        (_, Some(description)) => redacted(description),
        _ => first.kind.clone(),
    };
    match arguments.len() - 1 {
        0 => words,
        more => format!("{words} (+{})", count(more)),
    }
}

fn thrown(thrown: Thrown) -> String {
    let details = thrown.exception_details;
    let words = details
        .exception
        .map(|exception| arguments(&[exception]))
        .filter(|words| !words.is_empty())
        .unwrap_or_else(|| redacted(&details.text));
    let place = details
        .url
        .map(|url| place(&url, details.line_number))
        .unwrap_or_default();
    format!("exception: {words}{place}")
}

fn logged(logged: Logged) -> String {
    let Entry {
        source,
        level,
        text,
        url,
    } = logged.entry;
    let words = match level.as_str() {
        "error" | "warning" => redacted(&text),
        _ => "(left out)".to_owned(),
    };
    let place = url.map(|url| place(&url, -1)).unwrap_or_default();
    format!("{source} {level}: {words}{place}")
}

/// Where it was said: the file's name without its folders, and never what follows a `?`.
fn place(url: &str, line: i64) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    match (name.is_empty(), line) {
        (true, _) => String::new(),
        (false, ..0) => format!(" [{name}]"),
        (false, line) => format!(" [{name}:{}]", line.saturating_add(1)),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text without what could be somebody's: what is in quotes, long numbers, what follows a `?` in
/// an address; its first line only, and not all of that.
fn redacted(text: &str) -> String {
    let first = text.lines().find(|line| !line.trim().is_empty());
    let line = one_line(first.unwrap_or_default());
    let mut out = String::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let closing = match c {
            '"' | '`' => Some(c),
            '“' | '”' => Some('”'),
            '«' => Some('»'),
            // An apostrophe within a word opens nothing.
            '\'' if !out.chars().next_back().is_some_and(char::is_alphanumeric) => Some('\''),
            _ => None,
        };
        if let Some(closing) = closing {
            out.extend([c, '…', closing]);
            chars.by_ref().find(|c| *c == closing);
        } else if c == '?' && chars.peek().is_some_and(|next| !next.is_whitespace()) {
            out.push_str("?…");
            while chars.next_if(|c| !c.is_whitespace()).is_some() {}
        } else if c.is_ascii_digit() {
            let mut digits = String::from(c);
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            // Longer ones are telephone numbers and ids; shorter ones are codes of errors.
            out.push_str(if digits.len() > 4 { "#" } else { &digits });
        } else {
            out.push(c);
        }
    }
    let mut short: String = out.chars().take(LENGTH).collect();
    if short.len() < out.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tail(words: &Words) -> Vec<String> {
        // Without the time.
        words
            .tail()
            .iter()
            .map(|line| line[9..].to_owned())
            .collect()
    }

    fn heard(method: &str, params: serde_json::Value) -> Vec<String> {
        let mut words = Words::default();
        words.heard(method, &params.to_string());
        tail(&words)
    }

    #[test]
    fn warnings_and_errors_are_kept_by_their_first_words() {
        let frames = json!({"callFrames": [{"url": "https://x.net/a/b.js?k=1", "lineNumber": 6}]});
        for (kind, args, expected) in [
            (
                "error",
                json!([{"type": "string", "value": "socket closed"}]),
                "error: socket closed [b.js:7]",
            ),
            (
                "warning",
                json!([{"type": "string", "value": "slow"}, {"type": "string", "value": "segredo"}]),
                "warning: slow (+1 value) [b.js:7]",
            ),
            (
                "error",
                json!([{"type": "object", "description": "TypeError: x is undefined\n at y"}]),
                "error: TypeError: x is undefined [b.js:7]",
            ),
            (
                "error",
                json!([{"type": "object", "value": {"body": "segredo"}}]),
                "error: object [b.js:7]",
            ),
            (
                "log",
                json!([{"type": "string", "value": "segredo"}]),
                "log: (1 value left out) [b.js:7]",
            ),
        ] {
            let params = json!({"type": kind, "args": args, "stackTrace": frames});
            assert_eq!(heard("Runtime.consoleAPICalled", params), [expected]);
        }
        let params = json!({"exceptionDetails": {"text": "Uncaught", "lineNumber": 2, "url": "https://x/m.js",
            "exception": {"type": "object", "description": "Error: no LID\n at z"}}});
        assert_eq!(
            heard("Runtime.exceptionThrown", params),
            ["exception: Error: no LID [m.js:3]"]
        );
        let params = json!({"entry": {"source": "network", "level": "error",
            "text": "Failed to load resource: net::ERR_FAILED", "url": "https://x/ws?token=1"}});
        assert_eq!(
            heard("Log.entryAdded", params),
            ["network error: Failed to load resource: net::ERR_FAILED [ws]"]
        );
        assert_eq!(heard("Page.frameNavigated", json!({})), [""; 0]);
        assert_eq!(heard("Log.entryAdded", json!({"odd": 1})), [""; 0]);
    }

    #[test]
    fn what_may_be_somebodys_is_left_out() {
        for (text, expected) in [
            ("cannot send \"Olá Ana\" now", "cannot send \"…\" now"),
            ("cannot send 'Olá Ana' now", "cannot send '…' now"),
            ("can't do it", "can't do it"),
            ("never closed: \"Olá", "never closed: \"…\""),
            ("status 404 for 244929782402@c.us", "status 404 for #@c.us"),
            (
                "GET https://x/y?phone=1&t=2 failed",
                "GET https://x/y?… failed",
            ),
            ("really? yes", "really? yes"),
            ("first\nsecond", "first"),
            ("\n  a\t b", "a b"),
        ] {
            assert_eq!(redacted(text), expected, "{text}");
        }
        assert_eq!(redacted(&"é".repeat(500)).chars().count(), LENGTH + 1);
    }

    #[test]
    fn a_text_that_was_sent_is_in_no_line_whichever_came_first() {
        let mut words = Words::default();
        let log = |words: &mut Words, text: &str| {
            let args = json!([{"type": "string", "value": text}]);
            let params = json!({"type": "error", "args": args}).to_string();
            words.heard("Runtime.consoleAPICalled", &params);
        };
        log(&mut words, "lost: Bom dia, tudo bem?");
        words.keep_out("Bom dia,\ntudo bem?");
        words.keep_out("ok");
        log(&mut words, "again Bom dia, tudo bem? and more ok");
        log(&mut words, "ok");
        assert_eq!(
            tail(&words),
            ["error: lost: …", "error: again …", "error: ok"]
        );
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut words = Words::default();
        for n in 0..LINES + 3 {
            words.say(&format!("line {n}"));
        }
        let tail = tail(&words);
        assert_eq!((tail.len(), tail[0].as_str()), (LINES, "line 3"));
    }
}
