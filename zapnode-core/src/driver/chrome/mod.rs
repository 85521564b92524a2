//! Drives WhatsApp Web in a headless Chrome of its own for each session.

mod channel;
mod find;
mod flags;
mod launch;
mod lease;
mod options;
mod process;
mod profile;

pub use options::ChromeOptions;
