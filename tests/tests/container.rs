//! The daemon as process 1, as a container starts it.

use std::path::Path;
use std::process::{Command as Now, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sysinfo::{ProcessStatus, ProcessesToUpdate, System};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use zapnode_tests::daemon::{binary, clean_command};
use zapnode_tests::{ANA, Client, PATIENCE, Scene, chrome};

/// A daemon that is process 1 of its own process ids.
struct Container {
    unshare: Child,
    client: Client,
    /// Process 1, as the outside numbers it.
    init: u32,
}

fn children_of(parent: u32) -> Vec<(u32, ProcessStatus)> {
    let mut system = System::new();
    system.refresh_processes(ProcessesToUpdate::All, true);
    let of_it = |process: &&sysinfo::Process| {
        process.parent().is_some_and(|pid| pid.as_u32() == parent)
            && process.thread_kind().is_none()
    };
    let found = system.processes().values().filter(of_it);
    found.map(|p| (p.pid().as_u32(), p.status())).collect()
}

impl Container {
    /// Starts it with an orphan in it, which ends when somebody writes to `fifo`.
    async fn start(scene: &Scene, fifo: &Path) -> Result<Self> {
        let script = "(cat \"$FIFO\" >/dev/null &) ; exec \"$DAEMON\"";
        let mut command = clean_command("zapnode-http", scene.folder())?;
        let mut unshare = Command::new("unshare");
        unshare
            .env_clear()
            .envs(
                command
                    .as_std()
                    .get_envs()
                    .filter_map(|(n, v)| Some((n, v?))),
            )
            // With it ends all that is in there, so that a failed test leaves nothing.
            .args([
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
                script,
            ])
            .env("FIFO", fifo)
            .env("DAEMON", binary("zapnode-http")?)
            .env("PORT", "0")
            .env("START_DEFAULT_SESSION", "false")
            .env("ZAPNODE_DATA_DIR", scene.data_dir())
            .env("ZAPNODE_AUTH_DIR", scene.data_dir().join(".wwebjs_auth"))
            .env("ZAPNODE_WEB_URL", scene.sandbox.url())
            .current_dir(scene.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        command.kill_on_drop(true);
        let mut child = unshare.spawn().context("unshare")?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                if let Some((_, url)) = line.split_once("Listening on") {
                    return anyhow::Ok(url.trim().to_owned());
                }
            }
            bail!("it ended; as another user than root this needs `unshare --user --map-root-user`")
        };
        let url = tokio::time::timeout(PATIENCE, listening).await??;
        // Read on, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let outer = child.id().context("it runs")?;
        let (init, _) = *children_of(outer).first().context("process 1")?;
        Ok(Self {
            unshare: child,
            client: Client::new(url),
            init,
        })
    }

    /// Waits until process 1 has no child that `unwanted` holds for. Nobody but its parent is told
    /// when a process ends, so this is looked at.
    async fn until_none(&self, unwanted: impl Fn(u32, ProcessStatus) -> bool) -> Result<()> {
        let mut look = tokio::time::interval(Duration::from_millis(50));
        let gone = async {
            loop {
                look.tick().await;
                if !children_of(self.init)
                    .iter()
                    .any(|(pid, status)| unwanted(*pid, *status))
                {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), gone)
            .await
            .with_context(|| format!("they stay: {:?}", children_of(self.init)))
    }
}

#[tokio::test]
async fn as_process_1_it_reaps_what_it_inherits_and_hands_on_signals() -> Result<()> {
    let scene = Scene::new().await?;
    let fifo = scene.folder().join("fifo");
    ensure!(Now::new("mkfifo").arg(&fifo).status()?.success());
    let mut container = Container::start(&scene, &fifo).await?;
    scene.link(&container.client, "shop", ANA).await?;
    // A kill within the first seconds after a scan can lose the login; after a gentle end it is on
    // disk.
    let restarted = container
        .client
        .post("/sessions/shop/restart", json!({}))
        .await?;
    restarted.expect(200)?;
    container.client.until_ready("shop").await?;

    // The orphan is process 1's, ends, and is reaped.
    let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let orphans = children_of(container.init);
    let orphan = orphans.iter().find(|(pid, _)| name(*pid).trim() == "cat");
    let (orphan, _) = *orphan.with_context(|| format!("{orphans:?}"))?;
    tokio::fs::write(&fifo, "end").await?;
    container.until_none(|pid, _| pid == orphan).await?;

    // Chrome is killed: its helpers become process 1's. None stays as a zombie, and the daemon,
    // whose child Chrome was, still heard of its end and is ready again.
    let browser = chrome::browser_of(&scene.profile("shop")).context("a browser")?;
    let pid = Pid::from_raw(i32::try_from(browser)?).context("a pid")?;
    let was = container.client.get("/sessions/shop").await?.json()["session"]["readyAt"].clone();
    kill_process(pid, Signal::KILL)?;
    container
        .client
        .session_until("shop", PATIENCE, |s| {
            s["isReady"] == true && s["readyAt"] != was
        })
        .await?;
    container
        .until_none(|_, status| status == ProcessStatus::Zombie)
        .await?;

    // SIGTERM to process 1 is the daemon's.
    let init = Pid::from_raw(i32::try_from(container.init)?).context("a pid")?;
    kill_process(init, Signal::TERM)?;
    let status = tokio::time::timeout(PATIENCE, container.unshare.wait()).await??;
    assert_eq!(status.code(), Some(0));
    chrome::none_left(scene.folder(), Duration::from_secs(10)).await
}
