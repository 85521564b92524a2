//! Backups by the command: beside a daemon, and back into an empty folder.

#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use support::Daemon;

#[tokio::test]
async fn a_backup_through_the_daemon_is_one_private_file_that_is_not_overwritten() {
    let daemon = Daemon::start().await;
    daemon.publish();
    daemon.link("shop").await;
    let profile = daemon.data_dir().join(".wwebjs_auth/session-shop");
    std::fs::create_dir_all(&profile).unwrap();
    std::fs::write(profile.join("Local State"), "{}").unwrap();

    let file = daemon.data_dir().join("../all.tar.gz");
    let path = file.to_str().unwrap();
    let run = daemon.run_local(&["backup", path, "--json"]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.json()[0]["success"], true);
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(run.json()[0]["bytes"], file.metadata().unwrap().len());
    let before = std::fs::read(&file).unwrap();

    let run = daemon.run_local(&["backup", path]).await;
    assert_eq!(run.code, 2, "{run:?}");
    assert!(
        run.err.contains("exists") && run.err.contains("--force"),
        "{run:?}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), before);
    let run = daemon
        .run_local(&["backup", path, "--force", "--no-profiles"])
        .await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_ne!(std::fs::read(&file).unwrap(), before);

    // From elsewhere, into a folder, under a name of its own.
    let folder = daemon.data_dir().join("..");
    let run = daemon
        .run(&[
            "backup",
            folder.to_str().unwrap(),
            "--session",
            "shop",
            "--json",
        ])
        .await;
    assert_eq!(run.code, 0, "{run:?}");
    let named = run.json()[0]["file"].as_str().unwrap().to_owned();
    assert!(
        named.ends_with(".tar.gz") && named.contains("zapnode-20"),
        "{named}"
    );
    let run = daemon
        .run(&["backup", path, "--force", "--session", "nope"])
        .await;
    assert_eq!(run.code, 4, "{run:?}");
    let left = std::fs::read_dir(&folder).unwrap().flatten();
    let drafts = left.filter(|e| {
        e.file_name()
            .to_string_lossy()
            .starts_with(".zapnode-backup")
    });
    assert_eq!(drafts.count(), 0);

    // A running daemon's folder is not restored into; an empty one is.
    let run = daemon
        .run_local(&["restore", &named, "--force", "--json"])
        .await;
    assert_eq!(run.code, 7, "{run:?}");
    assert_eq!(run.json()[0]["code"], "data_folder_in_use");
    let elsewhere = folder.join("elsewhere");
    let to = elsewhere.to_str().unwrap();
    let restore = ["restore", &named, "--data-dir", to, "--json"];
    let run = daemon.run_local(&restore).await;
    assert_eq!(run.code, 0, "{run:?}");
    let answer: &Value = &run.json()[0];
    assert_eq!(answer["sessions"], serde_json::json!(["shop"]));
    assert_eq!(answer["profiles"], serde_json::json!(["shop"]));
    assert!(
        elsewhere
            .join(".wwebjs_auth/session-shop/Local State")
            .exists()
    );
    let run = daemon.run_local(&restore).await;
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(run.json()[0]["code"], "not_empty");
}

#[tokio::test]
async fn a_file_that_is_no_backup_and_a_database_that_is_too_new_say_what_to_do() {
    let daemon = Daemon::start().await;
    let folder = daemon.data_dir().join("..");
    let file = folder.join("text");
    std::fs::write(&file, "this is no backup, only text").unwrap();
    let elsewhere = folder.join("elsewhere");
    let to = ["--data-dir", elsewhere.to_str().unwrap()];
    let run = daemon
        .run_local(&["restore", file.to_str().unwrap(), to[0], to[1], "--json"])
        .await;
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(run.json()[0]["code"], "not_a_backup");

    // Alone, with a database of a later version.
    let run = daemon.run_local(&["sessions", to[0], to[1]]).await;
    assert_eq!(run.code, 0, "{run:?}");
    let database = elsewhere.join("zapnode.db");
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[60..64].copy_from_slice(&999u32.to_be_bytes());
    std::fs::write(&database, bytes).unwrap();
    let run = daemon
        .run_local(&["sessions", to[0], to[1], "--json"])
        .await;
    assert_eq!(run.code, 9, "{run:?}");
    assert_eq!(run.json()[0]["code"], "database_newer");
    assert!(run.json()[0]["hint"].is_string(), "{run:?}");
}
