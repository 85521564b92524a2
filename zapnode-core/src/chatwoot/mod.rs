//! The bridge to Chatwoot: WhatsApp's messages into its conversations, its agents' answers out.
//!
//! - [`incoming`]: what a webhook of Chatwoot means, as a pure function.
//! - [`format`]: Markdown to WhatsApp's marks and back.

pub mod format;
pub mod incoming;
