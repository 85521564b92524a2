//! WhatsApp sessions in headless Chrome, as a library.

pub mod driver;
mod error;
pub mod event;
pub mod id;
mod manager;
pub mod message;
pub mod options;
pub mod owner;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod session;
pub mod store;

pub use error::Error;
pub use id::{ChatId, MessageId, PhoneNumber, SessionId, WireId};
pub use manager::{Created, SessionManager};
pub use options::{ManagerOptions, SessionOptions};
pub use session::{SessionHandle, SessionInfo, SessionState};
