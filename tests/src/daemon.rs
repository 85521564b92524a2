//! The real daemon as a process.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::client::Client;

/// How a daemon is started.
#[derive(Clone, Debug)]
pub struct DaemonOptions {
    /// The page to open.
    pub web_url: String,
    /// Its data folder.
    pub data_dir: PathBuf,
    /// More environment.
    pub env: Vec<(String, String)>,
    /// More flags.
    pub flags: Vec<String>,
}

/// A running daemon. Dropping it kills it and what it started.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    client: Client,
    output: Arc<Output>,
    collectors: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Output {
    lines: Mutex<Vec<String>>,
    more: Notify,
}

/// The path of a binary of this workspace, built beside this program.
///
/// # Errors
/// When it was not built; `make test` builds it first.
pub fn binary(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    // Binaries lie in target/<profile>, tests in a folder `deps` below it.
    let folder = this.parent().filter(|folder| !folder.ends_with("deps"));
    let folder = folder
        .or_else(|| this.ancestors().nth(2))
        .context("this program lies in target/<profile>")?;
    let path = folder.join(name);
    if !path.exists() {
        bail!("{} is not built; run `make test`", path.display());
    }
    Ok(path)
}

/// A command for `name` in an environment without anybody's settings.
///
/// # Errors
/// When it was not built.
pub fn clean_command(name: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new(binary(name)?);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

impl Daemon {
    /// Starts one on a free port and waits until it listens.
    ///
    /// # Errors
    /// When it ends, or says no address in time; with all it said.
    pub async fn start(options: &DaemonOptions) -> Result<Self> {
        std::fs::create_dir_all(&options.data_dir)?;
        let mut command = clean_command("zapnode-http", &options.data_dir)?;
        command
            .env("PORT", "0")
            .env("START_DEFAULT_SESSION", "false")
            .env("ZAPNODE_DATA_DIR", &options.data_dir)
            .env("ZAPNODE_AUTH_DIR", options.data_dir.join(".wwebjs_auth"))
            .env("ZAPNODE_WEB_URL", &options.web_url)
            .envs(options.env.iter().map(|(name, value)| (name, value)))
            .args(&options.flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().context("zapnode-http starts")?;
        let output = Arc::new(Output::default());
        let mut collectors = JoinSet::new();
        if let Some(out) = child.stdout.take() {
            collectors.spawn(collect(out, Arc::clone(&output)));
        }
        if let Some(err) = child.stderr.take() {
            collectors.spawn(collect(err, Arc::clone(&output)));
        }
        let mut daemon = Self {
            child,
            client: Client::new("http://127.0.0.1:0"),
            output,
            collectors,
        };
        let line = daemon.wait_for_line(|line| address(line).is_some()).await?;
        daemon.client = Client::new(address(&line).unwrap_or_default());
        Ok(daemon)
    }

    /// A client of it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// What it has said so far.
    pub fn output(&self) -> String {
        self.output
            .lines
            .lock()
            .map(|lines| lines.join("\n"))
            .unwrap_or_default()
    }

    /// Waits until it has said a line of which `so` holds.
    ///
    /// # Errors
    /// When it ended or the line did not come in time; with all it said.
    pub async fn wait_for_line(&mut self, so: impl Fn(&str) -> bool) -> Result<String> {
        let output = Arc::clone(&self.output);
        let said = async {
            loop {
                let more = output.more.notified();
                let found = output
                    .lines
                    .lock()
                    .ok()
                    .and_then(|lines| lines.iter().find(|line| so(line)).cloned());
                if let Some(line) = found {
                    return line;
                }
                more.await;
            }
        };
        tokio::select! {
            biased;
            line = said => Ok(line),
            status = self.child.wait() => {
                // Its last words may still be in the pipe.
                while self.collectors.join_next().await.is_some() {}
                bail!("it ended with {:?}: {}", status?, self.output())
            }
            () = tokio::time::sleep(crate::PATIENCE) => bail!("it did not say so: {}", self.output()),
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid())?;
        let pid = Pid::from_raw(pid).context("it has ended")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        tokio::time::timeout(crate::PATIENCE, self.child.wait())
            .await
            .with_context(|| format!("it did not end: {}", self.output()))?
            .context("its status")
    }

    /// Asks it to end and waits.
    ///
    /// # Errors
    /// When it does not in time, or not with success.
    pub async fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.ended().await?;
        if !status.success() {
            bail!("it ended with {status}: {}", self.output());
        }
        Ok(())
    }

    /// Kills it without a word.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.ended().await?;
        Ok(())
    }
}

async fn collect(stream: impl AsyncRead + Unpin, output: Arc<Output>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(mut kept) = output.lines.lock() {
            kept.push(line);
        }
        output.more.notify_waiters();
    }
}

/// The address in the line that says where it listens; logs in JSON say it too.
fn address(line: &str) -> Option<String> {
    if !line.to_lowercase().contains("listening") {
        return None;
    }
    let rest = &line[line.find("http://")?..];
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || ":/.".contains(c)))
        .unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches(['/', '.']).to_owned())
}
