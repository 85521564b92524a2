//! The daemon: many WhatsApp sessions behind a REST API.

pub mod settings;
