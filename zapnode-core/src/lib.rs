//! WhatsApp sessions in headless Chrome, as a library.

pub mod driver;
pub mod id;
pub mod message;
pub mod options;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod session;

pub use id::{ChatId, MessageId, PhoneNumber, SessionId, WireId};
