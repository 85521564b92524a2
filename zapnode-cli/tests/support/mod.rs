//! A daemon in this process, and runs of the real binary against it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use zapnode_core::driver::scripted::ScriptedDriver;
use zapnode_core::{
    ManagerOptions, PhoneNumber, SessionId, SessionInfo, SessionManager, SessionOptions,
    SessionState,
};
use zapnode_http::{App, AppOptions, Secret, Server, ServerOptions};

pub const ANA: &str = "244929782402";
pub const BRUNO: &str = "5511912345678";
pub const KEY: &str = "a-long-enough-secret";
/// For whatever should take far less: a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Daemon {
    pub driver: ScriptedDriver,
    manager: SessionManager,
    url: String,
    folder: TempDir,
}

/// How a run of the command ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// What it said, line by line.
    pub fn json(&self) -> Vec<Value> {
        let lines = self.out.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{self:?}")))
            .collect()
    }
}

impl Daemon {
    /// Serves until the test's runtime ends.
    pub async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let driver = ScriptedDriver::new();
        let options = ManagerOptions::in_folder(folder.path().join("data"));
        let manager = SessionManager::open(Arc::new(driver.clone()), options)
            .await
            .unwrap();
        let options = AppOptions {
            api_key: Some(Secret::new(KEY)),
            send_wait: Duration::from_secs(1),
            ..AppOptions::new(id("zapnode-session"))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::new(App::new(manager.clone(), options), ServerOptions::default());
        tokio::spawn(server.serve(listener, std::future::pending()));
        Self {
            driver,
            manager,
            url,
            folder,
        }
    }

    /// Tells others of this user where it listens, as the daemon does.
    pub fn publish(&self) {
        let folder = self.manager.folder();
        folder.publish(Some(&self.url), Some(KEY)).unwrap();
    }

    /// The command on this machine, which is not told of any server.
    fn local_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zapnode"));
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("ZAPNODE_DATA_DIR", self.data_dir())
            .current_dir(self.folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// The command with this daemon as `--server`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.local_command(arguments);
        command
            .args(["--server", &self.url])
            .env("ZAPNODE_API_KEY", KEY);
        command
    }

    pub async fn run(&self, arguments: &[&str]) -> Run {
        ended(self.command(arguments).spawn().unwrap()).await
    }

    pub async fn run_local(&self, arguments: &[&str]) -> Run {
        ended(self.local_command(arguments).spawn().unwrap()).await
    }

    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Run {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(input.as_bytes()).await.unwrap();
        drop(pipe);
        ended(child).await
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Makes a session and links it.
    pub async fn link(&self, session: &str) {
        self.post_session(session).await;
        self.until_qr(session).await;
        self.driver.scan(&id(session), &phone(ANA)).await;
        self.until_ready(session).await;
    }

    pub async fn post_session(&self, session: &str) {
        let created = self.manager.create(id(session), SessionOptions::default());
        created.await.unwrap();
    }

    pub async fn until_qr(&self, session: &str) {
        self.until(session, |info| {
            matches!(info.state, SessionState::AwaitingLogin { prompt: Some(_) })
        })
        .await;
    }

    pub async fn until_ready(&self, session: &str) {
        self.until(session, SessionInfo::is_ready).await;
    }

    async fn until(&self, session: &str, so: impl Fn(&SessionInfo) -> bool + Send) {
        let session = self.manager.get(&id(session)).unwrap();
        session.wait_until(PATIENCE, so).await.unwrap();
    }

    /// What a number received, in order.
    pub fn texts(&self, number: &str) -> Vec<String> {
        let delivered = self.driver.delivered_to(&phone(number));
        delivered.into_iter().map(|(_, text)| text).collect()
    }
}

async fn ended(child: Child) -> Run {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output());
    let output = output.await.expect("it ends").unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Ctrl-C.
pub fn interrupt(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    kill_process(Pid::from_raw(pid.unwrap()).unwrap(), Signal::INT).unwrap();
}

pub fn id(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

pub fn phone(text: &str) -> PhoneNumber {
    PhoneNumber::new(text).unwrap()
}
