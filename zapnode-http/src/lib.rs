//! The daemon: many WhatsApp sessions behind a REST API.
//!
//! [`App`] is the API over a [`SessionManager`](zapnode_core::SessionManager); its
//! [`router`](App::router) can be called in process, without a socket. [`Server`] puts it on a
//! listener. [`settings`] is what the daemon and the command are told by flags, environment and
//! `.env`.

mod app;
mod auth;
mod care;
mod content;
mod drain;
pub mod error;
pub mod extract;
mod form;
mod layers;
pub mod model;
mod patience;
pub mod qr;
mod routes;
mod server;
pub mod settings;

pub use app::{App, AppOptions};
pub use auth::{Hosts, Secret};
pub use error::ApiError;
pub use server::{Server, ServerOptions};
