//! The bridge to Chatwoot: WhatsApp's messages into its conversations, its agents' answers out.
//!
//! - [`api`]: Chatwoot's account API, typed.
//! - [`config`]: what its owner says.
//! - [`incoming`]: what a webhook of Chatwoot means, as a pure function.
//! - [`format`]: Markdown to WhatsApp's marks and back.
//! - [`signature`]: whether a webhook call is Chatwoot's own.

pub mod api;
pub mod config;
pub mod format;
pub mod incoming;
pub mod signature;
