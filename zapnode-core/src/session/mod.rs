//! One WhatsApp session: its states, its task, and the handle others hold.

pub mod status;

pub use status::{Prompt, Reason, ReasonCode, SessionInfo, SessionState};
