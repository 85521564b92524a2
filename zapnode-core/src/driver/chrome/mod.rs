//! Drives WhatsApp Web in a headless Chrome of its own for each session.

mod options;

pub use options::ChromeOptions;
