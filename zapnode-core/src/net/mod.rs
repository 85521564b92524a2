//! Going out to addresses that others have chosen.

mod client;
mod file;
mod guard;

pub use client::{HttpClient, NetError, Received, Timeouts, check_target, check_url};
pub use guard::{AddressKind, Policy, classify};
