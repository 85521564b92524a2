//! The data folder: a full disk, a damaged or too new database, backups, and who owns it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use zapnode_tests::daemon::clean_command;
use zapnode_tests::disk::SmallDisk;
use zapnode_tests::{ANA, BRUNO, Client, Daemon, DaemonOptions, PATIENCE, Scene, chrome};

/// Looks until `so` holds. The store tells nobody outside when it is well again.
async fn until(client: &Client, path: &str, so: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut look = tokio::time::interval(Duration::from_millis(100));
    let mut last = Value::Null;
    let seen = async {
        loop {
            look.tick().await;
            last = client.get(path).await?.json();
            if so(&last) {
                return anyhow::Ok(());
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, seen).await;
    ended.with_context(|| format!("{path} did not get there: {last}"))??;
    Ok(last)
}

async fn send(client: &Client, text: &str) -> Result<zapnode_tests::Answer> {
    let body = json!({"phoneNumber": BRUNO, "message": text, "waitFor": "accepted"});
    client.post("/sessions/shop/send", body).await
}

#[tokio::test]
async fn a_full_disk_refuses_sends_loses_nothing_and_passes_by_itself() -> Result<()> {
    let scene = Scene::new().await?;
    let small = scene.folder().join("small");
    let disk = SmallDisk::mount(&small, 16)?;
    let mut daemon = scene
        .daemon_with(&[("ZAPNODE_DATA_DIR", &small.to_string_lossy())])
        .await?;
    let client = daemon.client().clone();
    scene.link(&client, "shop", ANA).await?;

    // One tick only: what is accepted has a state that is still to change when the disk is full.
    let bruno = scene.phone(BRUNO)?;
    bruno.set_online(false).await;
    let mut accepted = BTreeMap::new();
    for n in 0..5 {
        let text = format!("antes {n}");
        let answer = send(&client, &text).await?.json();
        let id = answer["id"].as_str().context("an id")?.to_owned();
        until(&client, &format!("/messages/{id}"), |m| {
            m["message"]["state"] == "sent"
        })
        .await?;
        accepted.insert(text, id);
    }
    disk.fill()?;
    // There is room in the log that SQLite uses again; then there is none.
    let mut refused = None;
    for n in 0..2000 {
        let text = format!("cheio {n} {}", "x".repeat(2000));
        let answer = send(&client, &text).await?;
        if answer.status.as_u16() == 507 {
            refused = Some((text, answer.json()));
            break;
        }
        ensure!(answer.status.is_success(), "{:?}", answer.json());
        let id = answer.json()["id"].as_str().context("an id")?.to_owned();
        accepted.insert(text, id);
    }
    let (refused, answer) = refused.context("the disk was never full")?;
    assert_eq!(answer["code"], "storage_full");
    assert!(answer["hint"].is_string(), "{answer}");

    // It says so, and goes on: reading works, nothing ended.
    let ready = client.get("/readyz").await?;
    assert_eq!(
        (ready.status.as_u16(), ready.code()),
        (503, "storage_full".to_owned())
    );
    client.get("/livez").await?.expect(200)?;
    let health = client.get("/health").await?.expect(200)?;
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(health["store"]["status"], "full", "{health}");
    client.get("/sessions/shop/messages").await?.expect(200)?;

    // What WhatsApp tells of the accepted ones meanwhile cannot be written, and is kept.
    bruno.set_online(true).await;
    until(&client, "/health", |h| {
        h["store"]["waiting"].as_u64() > Some(0)
    })
    .await?;
    assert_eq!(send(&client, "ainda cheio").await?.code(), "storage_full");

    disk.free()?;
    until(&client, "/readyz", |r| r["status"] == "ok").await?;
    for (text, id) in &accepted {
        scene.arrives(BRUNO, text).await?;
        let arrived = |m: &Value| m["message"]["state"] == "delivered";
        until(&client, &format!("/messages/{id}"), arrived).await?;
    }
    let answer = send(&client, "depois").await?;
    assert!(answer.status.is_success(), "{:?}", answer.json());
    scene.arrives(BRUNO, "depois").await?;
    let texts: Vec<_> = bruno.messages().into_iter().map(|m| m.text).collect();
    assert_eq!(texts.len(), accepted.len() + 1, "each once");
    assert!(!texts.contains(&refused) && !texts.contains(&"ainda cheio".to_owned()));
    assert_eq!(
        daemon
            .output()
            .matches("the database is in trouble")
            .count(),
        1,
        "told once: {}",
        daemon.output()
    );
    daemon.stop().await
}

async fn zapnode(scene: &Scene, arguments: &[&str]) -> Result<(i32, String)> {
    let mut command = clean_command("zapnode", scene.folder())?;
    let child = command
        .env("ZAPNODE_DATA_DIR", scene.data_dir())
        .env("ZAPNODE_AUTH_DIR", scene.data_dir().join(".wwebjs_auth"))
        .env("ZAPNODE_WEB_URL", scene.sandbox.url())
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await??;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Ok((output.status.code().unwrap_or(-1), said))
}

fn size_of(folder: &Path) -> u64 {
    let mut size = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(data) if data.is_dir() => folders.push(entry.path()),
                Ok(data) => size += data.len(),
                Err(_) => {}
            }
        }
    }
    size
}

#[tokio::test]
async fn a_backup_of_a_running_daemon_is_ready_elsewhere_without_a_qr() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let client = daemon.client().clone();
    scene.link(&client, "shop", ANA).await?;
    let first = send(&client, "antes").await?.expect(202)?;
    scene.arrives(BRUNO, "antes").await?;

    let file = scene.folder().join("all.tar.gz");
    let file = file.to_string_lossy();
    // What is sent while its login is packed is accepted, and goes afterwards.
    let held = async {
        client
            .session_until("shop", PATIENCE, |s| s["status"] == "hibernating")
            .await?;
        send(&client, "durante").await
    };
    let arguments = ["backup", &*file];
    let (made, during) = tokio::join!(zapnode(&scene, &arguments), held);
    let (code, said) = made?;
    assert_eq!(code, 0, "{said}");
    let during = during?;
    assert!(during.status.is_success(), "{:?}", during.json());
    client.until_ready("shop").await?;
    scene.arrives(BRUNO, "durante").await?;
    let (profile, archive) = (
        size_of(&scene.profile("shop")),
        std::fs::metadata(&*file)?.len(),
    );
    eprintln!("profile {profile} bytes, archive {archive} bytes");
    ensure!(
        archive < profile / 2,
        "caches stay out: {archive} of {profile}"
    );
    daemon.stop().await?;

    let elsewhere = scene.folder().join("elsewhere");
    let (data, auth) = (elsewhere.join("data"), elsewhere.join("logins"));
    let (code, said) = zapnode(
        &scene,
        &[
            "restore",
            &file,
            "--data-dir",
            &data.to_string_lossy(),
            "--auth-dir",
            &auth.to_string_lossy(),
        ],
    )
    .await?;
    assert_eq!(code, 0, "{said}");
    let mut daemon = Daemon::start(&DaemonOptions {
        web_url: scene.sandbox.url(),
        data_dir: data,
        env: vec![(
            "ZAPNODE_AUTH_DIR".to_owned(),
            auth.to_string_lossy().into_owned(),
        )],
        flags: vec![],
    })
    .await?;
    let client = daemon.client().clone();
    let session = client
        .session_until("shop", PATIENCE, |s| {
            assert_ne!(s["status"], "awaiting_login", "no QR");
            s["isReady"] == true
        })
        .await?;
    assert_eq!(session["me"]["phone"], ANA);
    let known = first["id"].as_str().context("an id")?;
    client
        .get(&format!("/messages/{known}"))
        .await?
        .expect(200)?;
    send(&client, "de outro lugar").await?.expect(202)?;
    scene.arrives(BRUNO, "de outro lugar").await?;
    assert_eq!(scene.phone(BRUNO)?.messages().len(), 3, "nothing twice");
    daemon.stop().await?;
    chrome::none_left(scene.folder(), Duration::from_secs(10)).await
}

/// Starts a daemon that must refuse; gives its exit code and what it said.
async fn refused(scene: &Scene) -> Result<(i32, String)> {
    let output = clean_command("zapnode-http", scene.folder())?
        .env("PORT", "0")
        .env("ZAPNODE_DATA_DIR", scene.data_dir())
        .env("ZAPNODE_AUTH_DIR", scene.data_dir().join(".wwebjs_auth"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    let output = tokio::time::timeout(PATIENCE, output).await??;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code().unwrap_or(-1), said))
}

#[tokio::test]
async fn a_start_on_a_full_disk_says_where_and_what_to_do_and_works_once_there_is_room()
-> Result<()> {
    let scene = Scene::new().await?;
    let small = scene.data_dir();
    let disk = SmallDisk::mount(&small, 4)?;
    // Nothing is there yet, or only what an earlier run left.
    for _ in 0..2 {
        disk.fill()?;
        let (code, said) = refused(&scene).await?;
        assert_eq!(code, 9, "{said}");
        assert!(said.contains("no room is left"), "{said}");
        assert!(said.contains(&*small.to_string_lossy()), "{said}");
        assert!(said.contains("hint: Free some room"), "{said}");
        disk.free()?;
        let mut daemon = scene.daemon().await?;
        daemon.client().get("/readyz").await?.expect(200)?;
        daemon.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_second_daemon_says_whose_the_folder_is_and_a_killed_one_holds_nothing() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    let (code, said) = refused(&scene).await?;
    assert_eq!(code, 7, "{said}");
    assert!(said.contains(&daemon.pid().to_string()), "{said}");
    assert!(said.contains(daemon.client().base()), "{said}");
    assert!(said.contains("hint:"), "{said}");
    daemon.kill().await?;
    let mut daemon = scene.daemon().await?;
    daemon.client().get("/readyz").await?.expect(200)?;
    daemon.stop().await
}

#[tokio::test]
async fn a_database_that_is_too_new_or_damaged_ends_the_start_with_its_own_code() -> Result<()> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    daemon.stop().await?;
    let database = scene.data_dir().join("zapnode.db");
    // After a gentle end everything is in the one file. The log beside it may still be there, empty: it
    // is SQLite's to remove, and the process does not wait for that.
    let left =
        std::fs::metadata(scene.data_dir().join("zapnode.db-wal")).map_or(0, |log| log.len());
    ensure!(left == 0, "{left} bytes were left in the log");
    let good = std::fs::read(&database)?;
    let mut newer = good.clone();
    newer[60..64].copy_from_slice(&999u32.to_be_bytes());
    let mut damaged = good.clone();
    let half = damaged.len() / 2;
    damaged[half..half + 8192].fill(0x5A);
    for (bytes, word) in [(newer, "newer ZapNode"), (damaged, "damaged")] {
        std::fs::write(&database, bytes)?;
        let (code, said) = refused(&scene).await?;
        assert_eq!(code, 9, "{said}");
        assert!(said.contains(word) && said.contains("hint:"), "{said}");
        let (code, said) = zapnode(&scene, &["sessions"]).await?;
        assert_eq!(code, 9, "{said}");
        assert!(said.contains(word) && said.contains("hint:"), "{said}");
    }
    std::fs::write(&database, good)?;
    let mut daemon = scene.daemon().await?;
    daemon.stop().await
}
