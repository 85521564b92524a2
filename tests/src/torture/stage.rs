//! Where it is played: the sandbox, the daemon on a small disk with a clock of its own, and three
//! linked sessions.

use std::collections::HashMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zapnode_core::PhoneNumber;
use zapnode_core::sandbox::{Phone, Sandbox, SandboxOptions};

use super::machine::Machine;
use super::tally::Tally;
use super::{Kind, Options, SESSIONS};
use crate::{Client, Daemon, DaemonOptions, PATIENCE, chrome};

/// How long a session may take to be ready again after a fault: the longest ways go over several
/// pauses.
pub(super) const RECOVERS_WITHIN: Duration = Duration::from_secs(300);

/// A fault that nobody noticed for so long, nobody will.
const NOTICED_WITHIN: Duration = Duration::from_secs(25);

/// What the clients and the watchers see of the stage.
#[derive(Debug)]
pub(super) struct Town {
    /// The daemon that runs now, or ran last.
    pub(super) daemon: watch::Sender<Client>,
    /// Whether the disk is full.
    pub(super) disk_full: watch::Sender<bool>,
}

impl Town {
    pub(super) fn client(&self) -> Client {
        self.daemon.borrow().clone()
    }

    /// Waits a while for another daemon than the one that could not be reached.
    pub(super) async fn another_than(&self, gone: &Client) {
        let mut daemon = self.daemon.subscribe();
        let another = daemon.wait_for(|now| now.base() != gone.base());
        // In vain: it is asked again then.
        let _ = tokio::time::timeout(Duration::from_secs(5), another).await;
    }
}

/// How a session came back.
#[derive(Clone, Debug)]
pub(super) enum Recovery {
    /// It is ready again.
    Ready(Duration),
    /// It did not lose its readiness.
    Unnoticed,
    /// It has given up, or did not get ready in time.
    Stuck(String),
}

/// The fault that is being recovered from.
struct Watch {
    kind: Kind,
    session: usize,
    task: JoinHandle<Recovery>,
}

/// See the [module](self).
pub(super) struct Stage {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) daemon: Daemon,
    town: Arc<Town>,
    machine: Machine,
    folder: TempDir,
    watches: Vec<Watch>,
    /// Faults that last, by what they break.
    pub(super) lasting: HashMap<(Kind, usize), JoinHandle<Result<()>>>,
    recoveries: Vec<(Kind, usize, Recovery)>,
    aloud: bool,
    log: Option<PathBuf>,
    begun: Instant,
}

/// The name of a session.
pub(super) fn name(session: usize) -> String {
    format!("s{session}")
}

/// The account of a session.
fn account(session: usize) -> String {
    format!("24492978241{session}")
}

impl Stage {
    pub(super) async fn set(options: &Options) -> Result<Self> {
        let sandbox = Arc::new(Sandbox::start(SandboxOptions::default()).await?);
        let folder = tempfile::Builder::new()
            .prefix("zapnode-torture-")
            .tempdir()?;
        let machine = Machine::new(&folder.path().join("data"), folder.path())?;
        let daemon = start(&sandbox, folder.path(), &machine).await?;
        let town = Town {
            daemon: watch::Sender::new(daemon.client().clone()),
            disk_full: watch::Sender::new(false),
        };
        let mut stage = Self {
            sandbox,
            daemon,
            town: Arc::new(town),
            machine,
            folder,
            watches: Vec::new(),
            lasting: HashMap::new(),
            recoveries: Vec::new(),
            aloud: options.aloud,
            log: options.log.clone(),
            begun: Instant::now(),
        };
        stage.link_all().await?;
        Ok(stage)
    }

    async fn link_all(&mut self) -> Result<()> {
        for session in 0..SESSIONS {
            let (client, id) = (self.daemon.client().clone(), name(session));
            let body = json!({"sessionId": id});
            client.post("/sessions", body).await?.expect(201)?;
            let qr = client.until_qr(&id).await?;
            self.phone(session)?.scan(&qr).await?;
            client.until_ready(&id).await?;
        }
        // Chrome writes a fresh login some seconds late, so a kill right after the scan loses it
        // whatever anybody does. After one gentle end it is on disk.
        self.daemon.stop().await?;
        self.start_daemon().await?;
        for session in 0..SESSIONS {
            self.daemon.client().until_ready(&name(session)).await?;
        }
        Ok(())
    }

    /// Starts the daemon again. One that finds no room for its files is started once there is.
    pub(super) async fn start_daemon(&mut self) -> Result<()> {
        let full = *self.town.disk_full.borrow();
        let first = start(&self.sandbox, self.folder.path(), &self.machine).await;
        self.daemon = match first {
            Ok(daemon) => daemon,
            Err(error) if full => {
                self.say(format_args!("    not started on the full disk: {error:#}"));
                let mut full = self.town.disk_full.subscribe();
                full.wait_for(|full| !full).await?;
                start(&self.sandbox, self.folder.path(), &self.machine).await?
            }
            Err(error) => return Err(error),
        };
        self.town.daemon.send_replace(self.daemon.client().clone());
        Ok(())
    }

    pub(super) fn town(&self) -> Arc<Town> {
        Arc::clone(&self.town)
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn profile(&self, session: usize) -> PathBuf {
        profiles(self.folder()).join(format!("session-{}", name(session)))
    }

    /// The phone that a session is linked to.
    pub(super) fn phone(&self, session: usize) -> Result<Phone> {
        let number = PhoneNumber::new(&account(session))?;
        Ok(self.sandbox.phone(&number))
    }

    /// Writes down what the daemon has said, before it is gone.
    pub(super) fn keep_log(&self, end: &str) -> Result<()> {
        let Some(path) = &self.log else {
            return Ok(());
        };
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{}\n--- {end}", self.daemon.output())?;
        Ok(())
    }

    pub(super) fn say(&self, what: fmt::Arguments<'_>) {
        if self.aloud {
            let at = self.begun.elapsed().as_secs();
            eprintln!("{:02}:{:02} {what}", at / 60, at % 60);
        }
    }

    /// Whether the session was hit by something that it has not recovered from.
    fn watches_of(&mut self, kind: Kind, session: usize) -> Vec<Watch> {
        let all = std::mem::take(&mut self.watches);
        let concerns = |watch: &Watch| !kind.is_of_one_session() || watch.session == session;
        let (wanted, rest) = all.into_iter().partition(concerns);
        self.watches = rest;
        wanted
    }

    /// Waits until whoever `kind` would hit has recovered from what hit it before.
    pub(super) async fn until_recovered(&mut self, kind: Kind, session: usize) -> Result<()> {
        for watch in self.watches_of(kind, session) {
            let recovery = watch.task.await?;
            if let Recovery::Stuck(why) = &recovery {
                let id = name(watch.session);
                self.say(format_args!("    {id} is stuck: {why}"));
                // It is a violation already. A person would start it again; so do we, to see more.
                let path = format!("/sessions/{id}/start");
                self.town.client().post(&path, json!({})).await?;
            }
            self.recoveries.push((watch.kind, watch.session, recovery));
        }
        Ok(())
    }

    /// How the session is before it is hit.
    pub(super) async fn before(&self, session: usize) -> Before {
        let client = self.town.client();
        let now = client.session(&name(session)).await.unwrap_or_default();
        Before {
            base: client.base().to_owned(),
            generation: now["generation"].as_u64(),
            at: Instant::now(),
        }
    }

    /// Measures how long the session takes to be ready again.
    pub(super) fn watch(&mut self, kind: Kind, session: usize, before: Before) {
        let town = self.town();
        let task = tokio::spawn(recovery(town, name(session), before));
        self.watches.push(Watch {
            kind,
            session,
            task,
        });
    }

    /// Ends every fault that lasts.
    pub(super) async fn peace(&mut self) -> Result<()> {
        for (_, end) in std::mem::take(&mut self.lasting) {
            end.await??;
        }
        self.say(format_args!("peace"));
        self.until_recovered(Kind::Daemon, 0).await
    }

    pub(super) async fn until_all_ready(&mut self) -> Result<()> {
        let client = self.town.client();
        for session in 0..SESSIONS {
            let id = name(session);
            let ready = client.session_until(&id, RECOVERS_WITHIN, is_ready).await;
            ready.with_context(|| format!("the daemon said: {}", self.daemon.output()))?;
        }
        Ok(())
    }

    /// Ends the daemon gently and looks at what is left.
    pub(super) async fn leave(mut self, tally: &mut Tally) -> Result<()> {
        tally.recoveries = std::mem::take(&mut self.recoveries);
        self.daemon.stop().await?;
        self.keep_log("stopped")?;
        let left = chrome::none_left(self.folder(), Duration::from_secs(20)).await;
        if let Err(error) = left {
            tally
                .violations
                .push(format!("Chrome is left over: {error:#}"));
        }
        Ok(())
    }
}

/// See [`Stage::before`].
#[derive(Clone, Debug)]
pub(super) struct Before {
    base: String,
    generation: Option<u64>,
    at: Instant,
}

fn is_ready(session: &Value) -> bool {
    session["isReady"] == true
}

fn profiles(folder: &Path) -> PathBuf {
    folder.join("profiles")
}

async fn start(sandbox: &Sandbox, folder: &Path, machine: &Machine) -> Result<Daemon> {
    let mut env = vec![(
        "ZAPNODE_AUTH_DIR".to_owned(),
        profiles(folder).display().to_string(),
    )];
    if let Some(clock) = &machine.clock {
        env.extend(clock.env());
    }
    Daemon::start(&DaemonOptions {
        web_url: sandbox.url(),
        data_dir: folder.join("data"),
        env,
        flags: vec![],
    })
    .await
}

async fn recovery(town: Arc<Town>, id: String, before: Before) -> Recovery {
    let mut last = Value::Null;
    while before.at.elapsed() < RECOVERS_WITHIN {
        let client = town.client();
        let same_daemon = client.base() == before.base;
        let seen = match same_daemon {
            true => last["generation"].as_u64().or(before.generation),
            false => last["generation"].as_u64(),
        };
        match look(&client, &id, seen).await {
            Ok(session) => {
                let fresh = !same_daemon || session["generation"].as_u64() != before.generation;
                if fresh && is_ready(&session) {
                    return Recovery::Ready(before.at.elapsed());
                }
                if session["status"] == "failed" || session["status"] == "logged_out" {
                    return Recovery::Stuck(session.to_string());
                }
                if !fresh && before.at.elapsed() > NOTICED_WITHIN && is_ready(&session) {
                    return Recovery::Unnoticed;
                }
                last = session;
            }
            Err(_) => {
                town.another_than(&client).await;
                last = Value::Null;
            }
        }
    }
    Recovery::Stuck(format!("not ready within {RECOVERS_WITHIN:?}: {last}"))
}

async fn look(client: &Client, id: &str, seen: Option<u64>) -> Result<Value> {
    let path = match seen {
        None => format!("/sessions/{id}"),
        Some(seen) => format!("/sessions/{id}?newerThan={seen}&timeoutMs=5000"),
    };
    let body = client.get(&path).await?.expect(200)?;
    if body["session"].is_null() {
        bail!("no session in {body}");
    }
    Ok(body["session"].clone())
}

/// Looks again and again until there is something, for processes and pages tell nobody when they
/// come to be.
pub(super) async fn find<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    let end = Instant::now() + PATIENCE;
    loop {
        ticks.tick().await;
        if let Some(found) = look().await {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("no {what} within {PATIENCE:?}");
        }
    }
}
