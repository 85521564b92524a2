//! The command beside a daemon: the daemon's own server in this process, on the scripted driver, and
//! the real binary that goes to it.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{ANA, BRUNO, Daemon, KEY, PATIENCE, Run, id, phone};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use zapnode_core::SessionId;

/// No number that begins with 000 has WhatsApp.
const NOBODY: &str = "00012345678";

/// Runs a login to its end, with a phone that scans the first QR.
async fn log_in(daemon: &Daemon, session: &SessionId) -> Vec<Value> {
    let mut child = daemon
        .command(&["login", "--session", session.as_str(), "--json"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut events: Vec<Value> = vec![];
    let ended = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == "qr" && !events.iter().any(|e| e["event"] == "qr") {
                daemon.driver.scan(session, &phone(ANA)).await;
            }
            events.push(event);
        }
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(status.code(), Some(0), "{events:?}");
    events
}

#[tokio::test]
async fn a_login_tells_a_program_what_happens_line_by_line() {
    let daemon = Daemon::start().await;
    let events = log_in(&daemon, &id("shop")).await;
    let named = |name: &str| events.iter().filter(|e| e["event"] == name).count();
    assert!(named("status") >= 1 && named("qr") >= 1, "{events:?}");
    let last = events.last().unwrap();
    assert_eq!(last["event"], "ready", "{last}");
    assert_eq!(last["session"]["me"]["phone"], ANA, "{last}");

    // Once more, for a person: there is nothing left to scan.
    let run = daemon.run(&["login", "--session", "shop"]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.out.starts_with("Logged in as ") && run.out.contains(ANA),
        "{run:?}"
    );
}

#[tokio::test]
async fn a_login_shows_a_person_a_qr_that_changes() {
    let daemon = Daemon::start().await;
    let shop = id("shop");
    let mut child = daemon
        .command(&["login", "--session", "shop"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut shown = 0;
    let mut last = String::new();
    let ended = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            assert!(
                !line.contains('\u{1b}'),
                "a pipe is not drawn over: {line:?}"
            );
            if line.contains("Linked devices") {
                shown += 1;
                match shown {
                    1 => daemon.driver.rotate_qr(&shop).await,
                    _ => daemon.driver.scan(&shop, &phone(ANA)).await,
                }
            }
            last = line;
        }
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!((status.code(), shown), (Some(0), 2), "{last}");
    assert!(last.starts_with("Logged in as "), "{last}");
}

#[tokio::test]
async fn a_login_by_code_says_what_to_type() {
    let daemon = Daemon::start().await;
    let mut child = daemon
        .command(&["login", "--session", "shop", "--pairing-code", ANA])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ended = async {
        let line = lines.next_line().await.unwrap().unwrap();
        assert!(line.contains("Link with phone number"), "{line}");
        daemon.driver.scan(&id("shop"), &phone(ANA)).await;
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_login_that_nobody_scans_ends_in_time_and_one_can_leave_it() {
    let daemon = Daemon::start().await;
    let run = daemon
        .run(&["login", "--session", "shop", "--timeout", "1"])
        .await;
    assert_eq!(run.code, 8, "{run:?}");
    assert!(run.err.contains("hint: "), "{run:?}");

    let mut child = daemon
        .command(&["login", "--session", "shop"])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ended = async {
        lines.next_line().await.unwrap().unwrap();
        support::interrupt(&child);
        while lines.next_line().await.unwrap().is_some() {}
        child.wait().await.unwrap()
    };
    let status = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(status.code(), Some(130));
}

#[tokio::test]
async fn a_text_comes_from_the_argument_or_a_pipe() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let send = ["send", "--session", "shop", "--to", BRUNO];
    let run = daemon.run(&[&send[..], &["olá"]].concat()).await;
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "Sent to 5511912345678.\n"),
        "{run:?}"
    );
    for arguments in [&send[..], &[&send[..], &["-", "--json"]].concat()] {
        let run = daemon.run_with_input(arguments, "do cano\nfim\n").await;
        assert_eq!(run.code, 0, "{run:?}");
    }
    assert_eq!(daemon.texts(BRUNO), ["olá", "do cano\nfim", "do cano\nfim"]);
}

#[tokio::test]
async fn of_several_recipients_each_is_told_and_a_wrong_one_shows_in_the_exit_code() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let to = [
        "send",
        "--session",
        "shop",
        "--to",
        NOBODY,
        "--to",
        BRUNO,
        "x",
    ];
    let run = daemon.run(&to).await;
    assert_eq!(run.code, 5, "{run:?}");
    assert!(run.err.starts_with("error: 00012345678: "), "{run:?}");
    assert_eq!(run.out, "Sent to 5511912345678.\n");

    let run = daemon.run(&[&to[..], &["--json"]].concat()).await;
    let lines = run.json();
    assert_eq!((run.code, lines.len()), (5, 2), "{run:?}");
    assert_eq!(lines[0]["to"], NOBODY);
    assert_eq!(lines[0]["code"], "number_not_on_whatsapp");
    assert_eq!(
        (&lines[1]["to"], &lines[1]["success"]),
        (&BRUNO.into(), &true.into())
    );
    assert_eq!(daemon.texts(BRUNO), ["x", "x"]);
}

#[tokio::test]
async fn a_repeated_key_sends_once() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    for _ in 0..2 {
        let arguments = [
            "send",
            "--session",
            "shop",
            "--to",
            BRUNO,
            "--idempotency-key",
            "k",
            "x",
        ];
        assert_eq!(daemon.run(&arguments).await.code, 0);
    }
    assert_eq!(daemon.texts(BRUNO), ["x"]);
}

#[tokio::test]
async fn what_whatsapp_has_not_confirmed_is_not_called_sent() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    daemon.driver.hold_acks(true);
    let run = daemon
        .run(&["send", "--session", "shop", "--to", BRUNO, "x"])
        .await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.out.starts_with("Stored for 5511912345678"), "{run:?}");
}

#[tokio::test]
async fn refusals_have_their_exit_codes_and_say_what_to_do() {
    let daemon = Daemon::start().await;
    daemon.post_session("new").await;
    daemon.until_qr("new").await;
    let send = |session| ["send", "--session", session, "--to", BRUNO, "x"];
    let told = |run: &Run, code: i32, hint: &str| {
        assert_eq!(run.code, code, "{run:?}");
        assert!(
            run.err.starts_with("error: ") && run.err.contains(hint),
            "{run:?}"
        );
        assert!(run.out.is_empty(), "{run:?}");
    };
    told(
        &daemon.run(&send("new")).await,
        3,
        "hint: Log in first: zapnode login --session new",
    );
    told(
        &daemon.run(&send("nope")).await,
        4,
        "hint: See which there are: zapnode sessions",
    );
    told(&daemon.run(&send("../x")).await, 2, "a session id has");

    let run = daemon.run(&["sessions", "stop", "new"]).await;
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "Session new is stopped.\n")
    );
    told(
        &daemon.run(&send("new")).await,
        3,
        "hint: Start it: zapnode sessions start new",
    );

    let run = daemon
        .run(&["sessions", "--api-key", "some-other-secret-key"])
        .await;
    told(&run, 6, "hint: ");
    let run = daemon.run(&["sessions", "show", "nope", "--json"]).await;
    assert_eq!(
        (run.code, &run.json()[0]["code"]),
        (4, &"session_not_found".into())
    );
}

#[tokio::test]
async fn sessions_are_listed_shown_and_acted_on() {
    let daemon = Daemon::start().await;
    let run = daemon.run(&["sessions"]).await;
    assert_eq!(run.code, 0);
    assert!(run.out.starts_with("There are no sessions."), "{run:?}");

    daemon.link("shop").await;
    let run = daemon.run(&["sessions", "list"]).await;
    let rows: Vec<_> = run.out.lines().collect();
    assert!(
        rows[0].starts_with("SESSION  STATUS") && rows.len() == 2,
        "{run:?}"
    );
    assert!(
        rows[1].starts_with("shop") && rows[1].contains(ANA),
        "{run:?}"
    );
    assert_eq!(
        daemon.run(&["sessions", "--json"]).await.json()[0]["count"],
        1
    );
    let run = daemon.run(&["sessions", "show", "shop"]).await;
    assert!(run.out.contains("Status   ready"), "{run:?}");

    for (verb, status) in [
        ("stop", "stopped"),
        ("start", "starting"),
        ("logout", "logged_out"),
    ] {
        if verb == "logout" {
            daemon.until_ready("shop").await;
        }
        let run = daemon.run(&["sessions", verb, "shop", "--json"]).await;
        assert_eq!(
            (run.code, &run.json()[0]["session"]["status"]),
            (0, &status.into()),
            "{run:?}"
        );
    }
}

#[tokio::test]
async fn nothing_is_deleted_that_nobody_confirmed() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let run = daemon.run(&["sessions", "delete", "shop"]).await;
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.err.contains("--yes"), "{run:?}");
    assert_eq!(
        daemon
            .run(&["sessions", "delete", "nope", "--yes"])
            .await
            .code,
        4
    );
    assert_eq!(daemon.run(&["sessions", "show", "shop"]).await.code, 0);
    let run = daemon.run(&["sessions", "delete", "shop", "--yes"]).await;
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "Session shop deleted successfully.\n")
    );
    assert_eq!(daemon.run(&["sessions", "show", "shop"]).await.code, 4);
}

#[tokio::test]
async fn the_owner_of_the_data_folder_is_found_without_being_named() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    daemon.publish();
    let run = daemon
        .run_local(&["send", "--session", "shop", "--to", BRUNO, "x"])
        .await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(daemon.texts(BRUNO), ["x"]);
}

#[tokio::test]
async fn an_owner_that_cannot_be_reached_is_waited_for_and_named() {
    let daemon = Daemon::start().await;
    let run = daemon
        .run_local(&["sessions", "--timeout", "1", "--json"])
        .await;
    let error = &run.json()[0];
    assert_eq!(
        (run.code, &error["code"]),
        (7, &"data_folder_in_use".into()),
        "{run:?}"
    );
    let pid = std::process::id().to_string();
    assert!(error["error"].as_str().unwrap().contains(&pid), "{error}");
    assert!(!run.out.contains(KEY));
}

/// A run of `zapnode listen` that has begun to listen: what comes from now on is printed.
async fn listening(daemon: &Daemon, arguments: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = daemon
        .command(&[&["listen"], arguments].concat())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

async fn line(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let line = tokio::time::timeout(PATIENCE, lines.next_line());
    line.await
        .expect("a line comes")
        .unwrap()
        .expect("not the end")
}

async fn code(mut child: Child) -> Option<i32> {
    let ended = tokio::time::timeout(PATIENCE, child.wait());
    ended.await.expect("it ends").unwrap().code()
}

#[tokio::test]
async fn listening_prints_what_comes_and_goes_on_where_it_ended() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    daemon.driver.write(&id("shop"), &phone(BRUNO), "oi").await;
    let (child, mut lines) = listening(&daemon, &["--after", "0"]).await;
    let first = line(&mut lines).await;
    assert!(
        first.ends_with(&format!("shop  Contact {BRUNO} (+{BRUNO}): oi")),
        "{first}"
    );
    daemon
        .driver
        .write(&id("shop"), &phone(BRUNO), "tudo bem?")
        .await;
    assert!(line(&mut lines).await.ends_with(": tudo bem?"));
    support::interrupt(&child);
    assert_eq!(code(child).await, Some(0), "that is how it is meant to end");

    let json = [
        "--json",
        "--session",
        "shop",
        "--events",
        "message,session.status",
        "--after",
        "0",
    ];
    let (child, mut lines) = listening(&daemon, &json).await;
    let mut last = 0;
    loop {
        let event: Value = serde_json::from_str(&line(&mut lines).await).unwrap();
        assert!(event["sequence"].as_i64() > Some(last), "in order");
        last = event["sequence"].as_i64().unwrap();
        if event["payload"]["body"] == "oi" {
            break;
        }
        assert_eq!(event["event"], "session.status");
    }
    support::interrupt(&child);
    assert_eq!(code(child).await, Some(0));
    let after = last.to_string();
    let (child, mut lines) = listening(&daemon, &["--after", &after]).await;
    assert!(
        line(&mut lines).await.ends_with(": tudo bem?"),
        "nothing twice"
    );

    // Its reader goes away, as `head` does.
    drop(lines);
    let written = async {
        loop {
            daemon
                .driver
                .write(&id("shop"), &phone(BRUNO), "ninguém lê")
                .await;
            tokio::task::yield_now().await;
        }
    };
    let status = tokio::select! {
        status = code(child) => status,
        () = written => None,
    };
    assert_eq!(status, Some(0), "no panic, no failure");
}

#[tokio::test]
async fn listening_to_what_is_not_there_is_refused() {
    let daemon = Daemon::start().await;
    let run = daemon.run(&["listen", "--session", "nobody"]).await;
    assert_eq!(run.code, 4, "{run:?}");
    let run = daemon.run(&["listen", "--events", "mesage"]).await;
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.err.contains("session.status"), "{run:?}");
    daemon.publish();
    let run = daemon.run_local(&["listen", "--session", "nobody"]).await;
    assert_eq!(run.code, 4, "through who owns the data folder: {run:?}");
}

#[tokio::test]
async fn webhooks_are_made_tested_listed_and_deleted() {
    let daemon = Daemon::start().await;
    let none = daemon.run(&["webhooks"]).await;
    assert!(none.out.contains("zapnode webhooks add"), "{none:?}");
    let refused = daemon
        .run(&["webhooks", "add", "http://127.0.0.1:9/"])
        .await;
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("ZAPNODE_ALLOW_PRIVATE_ADDRESSES"),
        "{refused:?}"
    );
    let bad = daemon
        .run(&["webhooks", "add", "https://example.com/", "--header", "x"])
        .await;
    assert_eq!(bad.code, 2, "{bad:?}");

    // An address of documents (RFC 2606) that no name server knows.
    let made = daemon
        .run(&[
            "webhooks",
            "add",
            "http://receiver.invalid/",
            "--events",
            "message,message.ack",
            "--header",
            "X-Team: blue",
            "--json",
        ])
        .await;
    assert_eq!(made.code, 0, "{made:?}");
    let webhook = &made.json()[0]["webhook"];
    assert_eq!(webhook["headers"]["x-team"], "blue");
    assert!(webhook["secret"].as_str().unwrap().starts_with("whsec_"));
    let hook = webhook["id"].as_str().unwrap();
    let list = daemon.run(&["webhooks", "list"]).await;
    assert!(
        list.out.contains(hook) && list.out.contains("active"),
        "{list:?}"
    );
    let test = daemon.run(&["webhooks", "test", hook]).await;
    assert_eq!(test.code, 1, "{test:?}");
    assert!(test.out.contains("unknown_host"), "{test:?}");
    let sent = daemon.run(&["webhooks", "deliveries", hook]).await;
    assert!(sent.out.contains("no such deliveries"), "{sent:?}");
    let retry = daemon.run(&["webhooks", "retry", hook, "whd_x"]).await;
    assert_eq!(retry.code, 1, "{retry:?}");
    let listed = async |word: &'static str| daemon.run(&["webhooks"]).await.out.contains(word);
    let paused = daemon.run(&["webhooks", "pause", hook]).await;
    assert!(paused.code == 0 && listed("paused").await, "{paused:?}");
    let on = daemon.run(&["webhooks", "resume", hook]).await;
    assert!(on.code == 0 && !listed("paused").await, "{on:?}");
    let rotated = daemon.run(&["webhooks", "rotate", hook, "--json"]).await;
    let secret = rotated.json()[0]["webhook"]["secret"].clone();
    assert_ne!(secret, webhook["secret"]);
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    let none = ["webhooks", "replay", hook, "--from", "2026-11-24T10:00:00Z"];
    let none = daemon.run(&none).await;
    assert!(none.out.contains("0 events"), "{none:?}");
    for wrong in [
        &["webhooks", "replay", hook][..],
        &["webhooks", "rotate", hook, "--overlap", "604801"],
    ] {
        let refused = daemon.run(wrong).await;
        assert_eq!(refused.code, 2, "{refused:?}");
    }
    let unknown = "evt_01JY0000000000000000000000";
    let unknown = ["webhooks", "replay", hook, "--event", unknown];
    let unknown = daemon.run(&unknown).await;
    assert!(unknown.err.contains("Event not found"), "{unknown:?}");
    let gone = daemon.run(&["webhooks", "delete", hook]).await;
    assert_eq!(gone.code, 0, "{gone:?}");
    let again = daemon.run(&["webhooks", "delete", hook]).await;
    assert_eq!(again.code, 1, "{again:?}");
}

#[tokio::test]
async fn files_places_polls_and_contacts_are_sent() {
    use zapnode_core::message::{Content, MediaKind};
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("conta nº 3.pdf");
    std::fs::write(&file, b"%PDF-1.7\n").unwrap();
    let file = file.to_str().unwrap();
    let send = async |arguments: &[&str]| {
        let all = [&["send", "--session", "shop", "--to", BRUNO], arguments].concat();
        daemon.run(&all).await
    };
    for arguments in [
        &["--file", file, "--caption", "a conta"][..],
        &["--location", "-8.8383,13.2344,Luanda"],
        &["--poll", "Quando?|hoje|amanhã", "--several"],
        &["--contact", "Ana,244929782402"],
        &["--no-preview", "olá https://exemplo.ao"],
    ] {
        let run = send(arguments).await;
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(run.out, format!("Sent to {BRUNO}.\n"), "{run:?}");
    }
    let sent: Vec<Content> = daemon
        .driver
        .sent()
        .into_iter()
        .map(|m| m.content)
        .collect();
    let kinds: Vec<&str> = sent.iter().map(Content::kind).collect();
    assert_eq!(
        kinds,
        ["document", "location", "poll_creation", "vcard", "chat"]
    );
    let media = sent[0].media().unwrap();
    assert_eq!(
        (media.kind, media.caption.as_deref()),
        (MediaKind::Document, Some("a conta"))
    );
    assert_eq!(media.file.name.as_deref(), Some("conta nº 3.pdf"));
    assert_eq!(std::fs::read(&media.file.path).unwrap(), b"%PDF-1.7\n");

    // A national number, where that is asked for.
    let run = daemon
        .run(&[
            "send",
            "-s",
            "shop",
            "--to",
            "929 782 402",
            "--region",
            "AO",
            "olá",
        ])
        .await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(daemon.texts(ANA), ["olá"]);

    let none = send(&["--file", "/no/such/file"]).await;
    assert_eq!((none.code, none.out.as_str()), (2, ""), "{none:?}");
    let wrong = send(&["--file", file, "--voice"]).await;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(
        wrong.err.contains("cannot be sent as a voice note"),
        "{wrong:?}"
    );
}
