//! Labels of WhatsApp Business (fact sheet §6).

use serde::{Deserialize, Serialize};

use crate::id::ChatId;

/// A label, and what it is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Label {
    /// WhatsApp's name of it.
    pub id: String,
    /// Its text.
    pub name: String,
    /// Its colour, as `#ff9485`, where the page tells.
    pub color: Option<String>,
    /// The chats that have it.
    pub chats: Vec<ChatId>,
}

/// What is done with labels on chats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LabelChange {
    /// The chats get it.
    Add,
    /// They lose it.
    Remove,
}
