//! The command without any session: help, settings, completions, and what it says when used wrong.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zapnode"));
    command
        .env_clear()
        .env("HOME", folder)
        .env("COLUMNS", "100")
        .env("ZAPNODE_DATA_DIR", folder.join("data"))
        .current_dir(folder)
        .args(arguments);
    command
}

fn zapnode(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("it runs")
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let folder = TempDir::new().expect("a folder");
    let output = zapnode(folder.path(), arguments);
    let text = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).replace(&folder.path().display().to_string(), "<folder>")
    };
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The whole help text, so that a change of it is seen where it is reviewed. After a wanted change:
/// `UPDATE_HELP=1 cargo test -p zapnode-cli`.
#[test]
fn the_help_text_is_the_one_in_the_repository() {
    let mut all = String::new();
    for command in [
        &[][..],
        &["login"],
        &["send"],
        &["listen"],
        &["sessions"],
        &["sessions", "delete"],
        &["sessions", "history"],
        &["sessions", "why"],
        &["messages"],
        &["chats"],
        &["bulk"],
        &["optout"],
        &["webhooks"],
        &["webhooks", "add"],
        &["webhooks", "deliveries"],
        &["chatwoot"],
        &["doctor"],
        &["backup"],
        &["restore"],
        &["sandbox"],
        &["config"],
        &["completions"],
    ] {
        let arguments: Vec<&str> = command.iter().copied().chain(["--help"]).collect();
        let (code, out, err) = run(&arguments);
        assert_eq!(code, 0, "{err}");
        let trimmed: Vec<_> = out.lines().map(str::trim_end).collect();
        all += &format!(
            "$ zapnode {}\n{}\n\n",
            arguments.join(" "),
            trimmed.join("\n")
        );
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help.txt");
    if std::env::var_os("UPDATE_HELP").is_some() {
        std::fs::write(&file, &all).expect("written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        all == kept,
        "tests/help.txt is stale; the help is now:\n{all}"
    );
}

#[test]
fn settings_are_shown_with_their_source_and_without_secrets() {
    let (code, out, _) = run(&["config", "--api-key", "a-long-enough-secret"]);
    assert_eq!(code, 0);
    let data_dir = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some("ZAPNODE_DATA_DIR") && words.next() == Some("<folder>/data")
    };
    assert!(out.lines().any(data_dir), "{out}");
    assert!(
        out.contains("environment") && out.contains("default"),
        "{out}"
    );
    assert!(!out.contains("a-long-enough-secret"), "{out}");
    let (_, out, _) = run(&["config", "--json"]);
    let parsed: serde_json::Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(parsed["success"], true);
}

#[test]
fn wrong_use_has_its_exit_code_and_says_what_to_do() {
    for (arguments, code, words) in [
        (&["send", "x"][..], 2, "--to"),
        (&["nonsense"], 2, "nonsense"),
        (&["config", "--web-url", "ftp://x"], 2, "--web-url"),
        (&["sessions", "--server", "nowhere"], 2, "--server"),
        (
            &["sessions", "--server", "http://127.0.0.1:1"],
            6,
            "could not be reached",
        ),
        (&["send", "--to", "244929782402", ""], 2, "empty"),
        (&["sessions", "show", "nope"], 4, "Session not found"),
        (&["sessions", "show", "a/b"], 2, "a session id has"),
        (&["sessions", "restart", "shop"], 2, "no daemon is running"),
    ] {
        let (got, out, err) = run(arguments);
        assert_eq!(got, code, "{arguments:?}: {out}{err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
    for (arguments, code, name) in [
        (
            &["sessions", "show", "nope", "--json"][..],
            4,
            "session_not_found",
        ),
        (&["send", "x", "--json"], 2, "usage"),
        (
            &["config", "--web-url", "ftp://x", "--json"],
            2,
            "bad_setting",
        ),
    ] {
        let (got, out, err) = run(arguments);
        let error: serde_json::Value = serde_json::from_str(&out).expect("one JSON object");
        assert_eq!((got, error["code"].as_str()), (code, Some(name)), "{error}");
        assert_eq!(
            (error["success"].as_bool(), err.as_str()),
            (Some(false), "")
        );
    }
}

#[test]
fn a_sandbox_that_does_not_run_is_missed_before_a_browser_is_started() {
    // A port that nobody listens on: taken, then given back.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    drop(listener);
    let folder = TempDir::new().expect("a folder");
    let output = command(folder.path(), &["login", "--sandbox"])
        .env("ZAPNODE_SANDBOX_PORT", &port)
        .output()
        .expect("it runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(6), "{err}");
    assert!(
        err.contains(&format!("zapnode sandbox --port {port}")),
        "{err}"
    );
}

#[test]
fn a_reader_that_has_gone_is_no_reason_to_panic() {
    let folder = TempDir::new().expect("a folder");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command(folder.path(), &["config"])
        .stdout(writer)
        .output()
        .expect("it runs");
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*err), (Some(0), ""));
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = run(&["completions", shell]);
        assert_eq!(code, 0);
        assert!(out.contains("zapnode") && out.contains("login"), "{shell}");
    }
}
