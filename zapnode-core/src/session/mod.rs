//! One WhatsApp session: its states, its task, and the handle others hold.
//!
//! - [`status`]: what a session says of itself, to anybody.
//! - [`machine`]: what leads where, as a pure table.
//! - `actor`: the one task that owns it and performs what the table says.
//! - [`SessionHandle`]: what callers hold.

pub(crate) mod actor;
pub(crate) mod handle;
pub mod machine;
pub mod status;

pub use crate::message::MAX_TEXT_CHARACTERS;
pub use handle::{Diagnostics, PastReason, SendReceipt, SessionHandle};
pub use status::{Prompt, Reason, ReasonCode, SessionInfo, SessionState};
