//! Going out to addresses that others have chosen.

mod client;
mod connect;
mod error;
mod guard;

pub use client::{HttpClient, Received, Timeouts, check_target, check_url};
pub use error::NetError;
pub use guard::{AddressKind, Policy, classify};
