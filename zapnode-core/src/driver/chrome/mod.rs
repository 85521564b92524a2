//! Drives WhatsApp Web in a headless Chrome of its own for each session.

mod channel;
mod options;

pub use options::ChromeOptions;
