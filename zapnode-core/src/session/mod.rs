//! One WhatsApp session: its states, its task, and the handle others hold.
//!
//! - [`status`]: what a session says of itself, to anybody.
//! - [`machine`]: what leads where, as a pure table.
//! - [`hibernate`], [`resources`]: when it rests, and when it takes too much. Pure as well.
//! - [`history`], [`failure`]: what is kept of its life.
//! - `actor`: the one task that owns it and performs what the table says.
//! - [`SessionHandle`]: what callers hold; `acts`: what it does besides sending.

pub(crate) mod actor;
mod acts;
pub mod failure;
pub(crate) mod handle;
pub mod hibernate;
pub mod history;
pub mod machine;
pub mod resources;
pub mod status;

pub use crate::message::MAX_TEXT_CHARACTERS;
pub use failure::LastFailure;
pub use handle::{Diagnostics, PastReason, SendReceipt, SessionHandle};
pub use history::Transition;
pub use machine::ladder::{Step, Tried};
pub use resources::Usage;
pub use status::{Prompt, Reason, ReasonCode, SessionInfo, SessionState};
