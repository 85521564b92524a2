//! What the end-to-end tests are made of: the real daemon and the real command as processes, real
//! Chromium, and a simulated WhatsApp that lives in the test itself, so that it outlives whatever
//! the test kills.
//!
//! Everything that is started dies with its value. Nothing is waited for without a bound, and no
//! wait is a sleep: each asks for the event.

use std::time::Duration;

pub mod chatwoot;
pub mod chrome;
pub mod client;
pub mod daemon;
pub mod disk;
pub mod scene;
pub mod soak;
pub mod torture;

pub use client::{Answer, Client};
pub use daemon::{Daemon, DaemonOptions};
pub use scene::Scene;

/// How long any one thing may take on a small, busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The two numbers most scenes play with.
pub const ANA: &str = "244929782402";
/// The other one.
pub const BRUNO: &str = "5511912345678";
