//! Many WhatsApp sessions in one program, each in a headless Chrome of its own.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use zapnode_core::driver::chrome::{ChromeDriver, ChromeOptions};
//! use zapnode_core::{ManagerOptions, PhoneNumber, SessionId, SessionManager, SessionOptions};
//!
//! # async fn program() -> Result<(), Box<dyn std::error::Error>> {
//! let driver = Arc::new(ChromeDriver::new(ChromeOptions::new("./data/chrome")));
//! let manager = SessionManager::open(driver, ManagerOptions::in_folder("./data")).await?;
//! let session = manager
//!     .create(SessionId::new("shop")?, SessionOptions::default())
//!     .await?
//!     .session;
//!
//! // The first time there is a QR to scan: follow `session.watch()` and show its prompt.
//! session.wait_ready(Duration::from_secs(600)).await?;
//! let to = PhoneNumber::new("+244 929 782 402")?;
//! let sent = session.send_text(to, "Olá!", Duration::from_secs(10)).await?;
//! println!("{} {:?}", sent.id, sent.ack);
//!
//! manager.shutdown().await; // closes Chrome so that the login is kept
//! # Ok(())
//! # }
//! ```
//!
//! # The parts
//!
//! - [`SessionManager`]: which sessions there are, across restarts. One for each data folder.
//! - [`SessionHandle`]: one session, to act on and to follow. Its states are in [`session`].
//! - [`driver`]: the contract with whatever speaks to WhatsApp, and [`driver::chrome`], which does
//!   it with headless Chrome and the real WhatsApp Web page.
//! - [`backup`]: one file with the store and the logins, and back.
//! - [`bulk`]: one text to many people, as a job; [`optout`]: who is left out of it.
//! - [`media`]: the files that messages carry.
//! - [`pool`]: several sessions as one sender.
//! - [`chat`], [`contact`], [`call`]: what the account has, to read and to change; [`proxy`]: a
//!   session's own way to WhatsApp.
//! - [`event`]: what happened, in a durable log that is read by a cursor: states, messages, acks.
//! - [`sandbox`](https://docs.rs/zapnode-core) (feature `sandbox`): a simulated WhatsApp, with
//!   phones to play, for tests and demonstrations.
//!
//! # What it does not do
//!
//! It reads no environment and no configuration, prints nothing and never ends the process: that
//! is its caller's. It tells what happens through [`tracing`] and never logs message texts above
//! `debug`. It needs a Tokio runtime with more than one thread.

pub mod backup;
pub mod bulk;
pub mod call;
pub mod channel;
pub mod chat;
pub mod chatwoot;
pub mod contact;
pub mod cursor;
pub mod driver;
mod error;
pub mod event;
pub mod group;
pub mod id;
pub mod ignore;
pub mod label;
mod manager;
pub mod media;
pub mod message;
pub mod net;
pub mod options;
pub mod optout;
pub mod outbox;
pub mod owner;
pub mod person;
pub mod pool;
pub mod proxy;
mod region;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod session;
pub mod store;
pub mod story;
pub mod webhook;

pub use error::{Error, Standing, with_causes};
pub use id::{ChatId, MessageId, PhoneNumber, SessionId, WireId};
pub use manager::{Created, SessionManager};
pub use options::{ManagerOptions, SessionOptions};
pub use region::{InvalidRegion, Region};
pub use session::{SessionHandle, SessionInfo, SessionState};
