//! Files of recipients, bulk jobs and the opt-out list, from the shell.

#![allow(clippy::unwrap_used)]

mod support;

use std::process::Stdio;

use support::{ANA, BRUNO, Daemon, PATIENCE, Run, id, phone};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use zapnode_core::message::Ack;

fn number(n: usize) -> String {
    format!("5511900000{n:03}")
}

/// Writes a file of so many recipients, as a Brazilian spreadsheet does.
fn file(daemon: &Daemon, people: usize) -> String {
    let rows = (0..people).map(|n| format!("Pessoa {n};+{}\r\n", number(n)));
    let text = format!("\u{feff}nome;Telefone\r\n{}", rows.collect::<String>());
    let path = daemon.data_dir().with_file_name("lista.csv");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn arguments(path: &str) -> [&str; 8] {
    [
        "send",
        "--session",
        "shop",
        "--csv",
        path,
        "--template",
        "Olá {{nome}}",
        "--no-pace",
    ]
}

impl Daemon {
    async fn until_all_got(&self, people: usize) {
        let all = (0..people).map(number).collect::<Vec<_>>();
        self.driver
            .until(|driver| {
                let got = |n: &String| !driver.delivered_to(&phone(n)).is_empty();
                all.iter().all(got)
            })
            .await;
    }

    /// WhatsApp's server confirms what it was sent.
    async fn confirm(&self, people: usize) {
        self.driver.hold_acks(false);
        for n in 0..people {
            for (wire_id, _) in self.driver.delivered_to(&phone(&number(n))) {
                let shop = id("shop");
                self.driver.acknowledge(&shop, &wire_id, Ack::Server).await;
            }
        }
    }

    fn each_once(&self, people: usize) {
        for n in 0..people {
            assert_eq!(self.texts(&number(n)), [format!("Olá Pessoa {n}")]);
        }
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }
}

#[tokio::test]
async fn everybody_in_a_file_gets_their_text() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let path = file(&daemon, 5);
    let run = daemon.run(&arguments(&path)).await;
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "Sent 5 of 5.\n"),
        "{run:?}"
    );
    assert!(
        run.err.contains("bans numbers"),
        "the risk is said: {run:?}"
    );
    daemon.each_once(5);

    // Again: nobody gets it twice, and it is said.
    let run = daemon.run(&arguments(&path)).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.err.contains("nobody gets it twice"), "{run:?}");
    let run = daemon
        .run(&[&arguments(&path)[..], &["--json"]].concat())
        .await;
    let lines = run.json();
    assert_eq!((lines.len(), &lines[0]["repeated"]), (2, &true.into()));
    assert_eq!(lines[1]["job"]["counts"]["sent"], 5);
    daemon.each_once(5);
    // Unless somebody wants it.
    let again = [&arguments(&path)[..], &["--idempotency-key", "again"]].concat();
    assert_eq!(daemon.run(&again).await.code, 0);
    assert_eq!(daemon.texts(&number(0)).len(), 2);
}

#[tokio::test]
async fn a_run_that_is_killed_goes_on_where_it_was() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    daemon.driver.hold_acks(true);
    let path = file(&daemon, 30);
    let mut child = daemon.spawn(&arguments(&path));
    daemon.until_all_got(10).await;
    child.kill().await.unwrap();

    let mut next = daemon.spawn(&arguments(&path));
    let mut lines = BufReader::new(next.stderr.take().unwrap()).lines();
    let ended = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.starts_with("Going on with job") {
                daemon.until_all_got(30).await;
                daemon.confirm(30).await;
            }
        }
        next.wait().await.unwrap()
    };
    let status = tokio::time::timeout(PATIENCE, ended).await.unwrap();
    assert_eq!(status.code(), Some(0));
    daemon.each_once(30);
}

#[tokio::test]
async fn an_interrupted_run_says_how_to_go_on_and_a_held_job_how_to_release_it() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    daemon.driver.hold_acks(true);
    let path = file(&daemon, 3);
    let child = daemon.spawn(&arguments(&path));
    daemon.until_all_got(3).await;
    support::interrupt(&child);
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("zapnode bulk pause"), "{said}");

    let list = daemon.run(&["bulk", "--json"]).await.json();
    let job = list[0]["jobs"][0]["id"].as_str().unwrap().to_owned();
    let run = daemon.run(&["bulk", "pause", &job]).await;
    assert_eq!(run.out, format!("Job {job} is paused.\n"));
    let run = daemon.run(&arguments(&path)).await;
    assert_eq!(run.code, 1, "{run:?}");
    assert!(
        run.err.contains(&format!("zapnode bulk resume {job}")),
        "{run:?}"
    );
    let run = daemon.run(&["bulk", "resume", &job]).await;
    assert_eq!(run.out, format!("Job {job} is running.\n"));
    daemon.confirm(3).await;
    assert_eq!(daemon.run(&arguments(&path)).await.code, 0);
    let run = daemon.run(&["bulk", "show", &job]).await;
    assert!(run.out.contains("State      done"), "{run:?}");
    let run = daemon.run(&["bulk", "cancel", &job]).await;
    assert!(
        run.out.contains("is done. Taken back: 0 messages."),
        "{run:?}"
    );
    let run = daemon.run(&["bulk"]).await;
    assert!(
        run.out.contains("lista.csv") && run.out.starts_with("JOB"),
        "{run:?}"
    );
    let run = daemon.run(&["bulk", "show", "../x"]).await;
    assert_eq!(run.code, 2, "{run:?}");
}

fn told(run: &Run, code: i32, what: &str) {
    assert_eq!(run.code, code, "{run:?}");
    assert!(run.err.contains(what), "{what}: {run:?}");
}

#[tokio::test]
async fn a_file_that_is_wrong_sends_nothing_and_says_where() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let path = daemon.data_dir().with_file_name("errada.csv");
    let path = path.to_str().unwrap().to_owned();
    let write = |text: &[u8]| std::fs::write(&path, text).unwrap();
    told(&daemon.run(&arguments(&path)).await, 2, "cannot be read");
    write(b"nome;telefone\nJos\xe9;5511900000001\n");
    told(&daemon.run(&arguments(&path)).await, 2, "UTF-8");
    write(b"nome;idade\nAna;3\n");
    told(
        &daemon.run(&arguments(&path)).await,
        2,
        "no column is called",
    );
    write(b"name;telefone\nAna;5511900000001\n");
    told(&daemon.run(&arguments(&path)).await, 2, "\"nome\"");
    write(b"nome;telefone\nAna;5511900000001\nBia;5,5E+12\n");
    let run = daemon.run(&arguments(&path)).await;
    told(&run, 2, "line 3: ");
    told(&run, 2, "--skip-invalid");
    assert!(daemon.texts(&number(1)).is_empty());

    let run = daemon
        .run(&[&arguments(&path)[..], &["--skip-invalid"]].concat())
        .await;
    told(&run, 0, "Left out: 1 no numbers.");
    assert_eq!(daemon.texts(&number(1)), ["Olá Ana"]);
    // Begun with other options: going on with another half would be a surprise.
    told(
        &daemon.run(&arguments(&path)[..7]).await,
        1,
        "begun with other options",
    );

    let mixed = [&arguments(&path)[..], &["--to", BRUNO]].concat();
    told(&daemon.run(&mixed).await, 2, "cannot be used with");
    told(
        &daemon.run(&["send", "--csv", &path]).await,
        2,
        "--template",
    );
    told(
        &daemon.run(&["send", "--to", BRUNO, "--yes", "x"]).await,
        2,
        "--csv",
    );
}

#[tokio::test]
async fn who_is_not_on_whatsapp_shows_in_the_exit_code() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let path = daemon.data_dir().with_file_name("lista.csv");
    std::fs::write(&path, format!("to,nome\n00012345678,Ninguém\n{ANA},Ana\n")).unwrap();
    let run = daemon.run(&arguments(path.to_str().unwrap())).await;
    assert_eq!(run.code, 5, "{run:?}");
    assert_eq!(run.out, "Sent 1 of 2. Not sent: 1.\n");
    assert!(run.err.contains("error: 00012345678: "), "{run:?}");
}

#[tokio::test]
async fn the_opt_out_list_from_the_shell() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let run = daemon.run(&["optout"]).await;
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "Nobody is on the opt-out list.\n")
    );
    let spaced = "+55 11 900 000 001";
    let run = daemon
        .run(&["optout", "add", spaced, "--reason", "pediu"])
        .await;
    assert_eq!(run.out, format!("{spaced} is on the opt-out list.\n"));
    let run = daemon.run(&["optout", "list", "--search", "ped"]).await;
    assert!(
        run.out.contains("5511900000001") && run.out.contains("pediu"),
        "{run:?}"
    );
    let path = file(&daemon, 3);
    let run = daemon.run(&arguments(&path)).await;
    told(&run, 0, "Left out: 1 opted out.");
    assert!(daemon.texts(&number(1)).is_empty());
    assert_eq!(daemon.run(&["optout", "remove", &number(1)]).await.code, 0);
    assert_eq!(daemon.run(&["optout", "remove", &number(1)]).await.code, 1);
    told(
        &daemon.run(&["optout", "add", "12"]).await,
        5,
        "7 to 15 digits",
    );
}
