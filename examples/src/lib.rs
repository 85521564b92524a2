//! What the examples share: where WhatsApp is, and who scans.
//!
//! Without `ZAPNODE_WEB_URL` an example brings its own simulated WhatsApp and a simulated phone
//! scans its QR. With `ZAPNODE_WEB_URL=https://web.whatsapp.com/` it is the real one, and the QR
//! is shown for yours.

pub mod ai;
pub mod bot;
pub mod commands;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use zapnode_core::driver::chrome::{ChromeDriver, ChromeOptions};
use zapnode_core::sandbox::{Sandbox, SandboxOptions};
use zapnode_core::session::Prompt;
use zapnode_core::{
    ManagerOptions, PhoneNumber, SessionHandle, SessionId, SessionManager, SessionOptions,
    SessionState,
};

/// How long a person may take to find their phone.
const LOGIN_WITHIN: Duration = Duration::from_secs(600);

/// The simulated friend.
const FRIEND: &str = "5511912345678";

/// The number whose simulated phone scans.
pub const OWN_NUMBER: &str = "244929782402";

/// A session that is ready, and what it needs to live.
pub struct Stage {
    /// The session.
    pub session: SessionHandle,
    /// Its manager.
    pub manager: SessionManager,
    /// The simulated WhatsApp, unless the real one is used.
    pub sandbox: Option<Sandbox>,
}

impl Stage {
    /// Opens a session named `name` in the folder `./example-data` and logs it in.
    pub async fn set(name: &str) -> Result<Self> {
        let data = std::path::absolute("example-data")?;
        let (sandbox, web_url) = match std::env::var("ZAPNODE_WEB_URL") {
            Ok(url) => (None, url),
            Err(_) => {
                let options = SandboxOptions {
                    state_file: Some(data.join("sandbox.json")),
                    ..SandboxOptions::default()
                };
                let sandbox = Sandbox::start(options).await?;
                println!("Simulated WhatsApp; its phones: {}", sandbox.phones_url());
                let url = sandbox.url();
                (Some(sandbox), url)
            }
        };
        let driver = ChromeDriver::new(ChromeOptions {
            web_url,
            executable: std::env::var_os("CHROME_PATH").map(Into::into),
            ..ChromeOptions::new(data.join("chrome"))
        });
        let manager =
            SessionManager::open(Arc::new(driver), ManagerOptions::in_folder(&data)).await?;
        let session = manager
            .create(SessionId::new(name)?, SessionOptions::default())
            .await?
            .session;
        let stage = Self {
            session,
            manager,
            sandbox,
        };
        stage.log_in().await?;
        Ok(stage)
    }

    async fn log_in(&self) -> Result<()> {
        let found = self
            .session
            .wait_until(LOGIN_WITHIN, |info| {
                info.is_ready() || info.state.is_settled() || qr(&info.state).is_some()
            })
            .await?;
        if let Some(text) = qr(&found.state) {
            match &self.sandbox {
                Some(sandbox) => {
                    println!("The simulated phone {OWN_NUMBER} scans the QR.");
                    let phone = sandbox.phone(&PhoneNumber::new(OWN_NUMBER)?);
                    phone.scan(&text).await?;
                }
                None => println!("Scan this text as a QR with your phone:\n{text}"),
            }
        }
        let ready = self.session.wait_ready(LOGIN_WITHIN).await?;
        let me = ready.me.context("a ready session knows who it is")?;
        println!("Ready as {}.", me.name.unwrap_or_default());
        Ok(())
    }

    /// On the simulated WhatsApp, lets a friend write these texts, and says how many answers they
    /// expect. On the real one nobody is made to write: then there is no such number.
    pub async fn friend_writes(&self, texts: &[&str]) -> Result<Option<usize>> {
        let Some(sandbox) = &self.sandbox else {
            return Ok(None);
        };
        let friend = sandbox.phone(&PhoneNumber::new(FRIEND)?);
        for text in texts {
            friend.send(&PhoneNumber::new(OWN_NUMBER)?, text).await?;
            println!("The simulated phone {FRIEND} writes: {text}");
        }
        Ok(Some(texts.len()))
    }

    /// Closes everything; the login is kept for the next run.
    pub async fn strike(self) {
        self.manager.shutdown().await;
        if let Some(sandbox) = self.sandbox {
            sandbox.shutdown().await;
        }
    }
}

fn qr(state: &SessionState) -> Option<String> {
    match state {
        SessionState::AwaitingLogin {
            prompt: Some(Prompt::Qr { text, .. }),
        } => Some(text.clone()),
        _ => None,
    }
}
