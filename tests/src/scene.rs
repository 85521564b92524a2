//! A simulated WhatsApp, a folder, and a daemon on them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use zapnode_core::PhoneNumber;
use zapnode_core::sandbox::{Phone, PhoneMessage, Sandbox, SandboxOptions};

use crate::client::Client;
use crate::daemon::{Daemon, DaemonOptions};

/// Everything a test plays with.
#[derive(Debug)]
pub struct Scene {
    /// The simulated WhatsApp.
    pub sandbox: Sandbox,
    folder: TempDir,
}

impl Scene {
    /// Sets it up with a new folder.
    ///
    /// # Errors
    /// When the sandbox cannot start.
    pub async fn new() -> Result<Self> {
        let options = SandboxOptions {
            https_port: Some(0),
            ..SandboxOptions::default()
        };
        Ok(Self {
            sandbox: Sandbox::start(options).await?,
            folder: tempfile::Builder::new().prefix("zapnode-e2e-").tempdir()?,
        })
    }

    /// The scene's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The daemon's data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// The profile folder of a session.
    pub fn profile(&self, session: &str) -> PathBuf {
        let auth = self.data_dir().join(".wwebjs_auth");
        auth.join(format!("session-{session}"))
    }

    /// Starts a daemon with nothing chosen but what a test must choose.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn daemon(&self) -> Result<Daemon> {
        self.daemon_with(&[]).await
    }

    /// Starts a daemon with more environment.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn daemon_with(&self, env: &[(&str, &str)]) -> Result<Daemon> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Daemon::start(&DaemonOptions {
            web_url: self.sandbox.url(),
            data_dir: self.data_dir(),
            env: env.iter().map(owned).collect(),
            flags: vec![],
        })
        .await
    }

    /// The phone with this number.
    ///
    /// # Errors
    /// When it is no number.
    pub fn phone(&self, number: &str) -> Result<Phone> {
        Ok(self.sandbox.phone(&PhoneNumber::new(number)?))
    }

    /// Creates a session and links it to the phone `number`; gives it when it is ready.
    ///
    /// # Errors
    /// When any step fails or takes too long.
    pub async fn link(&self, client: &Client, session: &str, number: &str) -> Result<Value> {
        client
            .post("/sessions", json!({"sessionId": session, "headless": true}))
            .await?
            .expect(201)?;
        let qr = client.until_qr(session).await?;
        self.phone(number)?.scan(&qr).await?;
        let ready = client.until_ready(session).await;
        ready.with_context(|| format!("{session} was scanned; the sandbox: {:?}", self.sandbox))
    }

    /// A daemon with one session that is linked and ready, and was stopped gently once in between:
    /// Chrome writes fresh local storage some seconds late, so before that a kill loses the login
    /// whatever anybody does.
    ///
    /// # Errors
    /// When any step fails or takes too long.
    pub async fn daemon_with_kept_login(&self, session: &str, number: &str) -> Result<Daemon> {
        let mut daemon = self.daemon().await?;
        self.link(daemon.client(), session, number).await?;
        daemon.stop().await?;
        let daemon = self.daemon().await?;
        daemon.client().until_ready(session).await?;
        Ok(daemon)
    }

    /// Waits until `text` is on the phone `number`.
    ///
    /// # Errors
    /// When it does not come in time.
    pub async fn arrives(&self, number: &str, text: &str) -> Result<PhoneMessage> {
        let phone = self.phone(number)?;
        Ok(phone
            .wait_for_message(|m| m.text == text, Duration::from_secs(30))
            .await?)
    }
}
