//! Which chats a session does not listen to, as a caller says it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use zapnode_core::ChatId;
use zapnode_core::ignore::IgnoreChoice;

use crate::error::ApiError;
use crate::extract::{JsonBody, chat_named};

/// The most chats that one session may ignore by name.
const MOST_CHATS: usize = 10_000;

/// Reads `ignore`: `{groups, status, newsletters, chats: […]}`, each of which may be absent.
///
/// # Errors
/// 400 for values that are not possible.
pub(super) fn read(body: &JsonBody) -> Result<Option<IgnoreChoice>, ApiError> {
    let Some(fields) = body.object(&["ignore"])? else {
        return Ok(None);
    };
    if let Some(unknown) = fields
        .keys()
        .find(|key| !matches!(key.as_str(), "groups" | "status" | "newsletters" | "chats"))
    {
        let unknown: String = unknown.chars().take(80).collect();
        return Err(ApiError::invalid(format!(
            "ignore has no {unknown:?}; it may have groups, status, newsletters and chats"
        )));
    }
    Ok(Some(IgnoreChoice {
        groups: boolean(fields, "groups")?,
        status: boolean(fields, "status")?,
        newsletters: boolean(fields, "newsletters")?,
        chats: chats(fields)?,
    }))
}

fn boolean(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, ApiError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(ApiError::invalid(format!(
            "ignore.{name} must be true or false"
        ))),
    }
}

fn chats(fields: &Map<String, Value>) -> Result<Option<BTreeSet<ChatId>>, ApiError> {
    let wrong = || ApiError::invalid("ignore.chats must be a list of chat ids or numbers");
    let chats = match fields.get("chats") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(chats)) => chats,
        Some(_) => return Err(wrong()),
    };
    if chats.len() > MOST_CHATS {
        return Err(ApiError::invalid(format!(
            "ignore.chats may have {MOST_CHATS} chats"
        )));
    }
    let chat = |value: &Value| value.as_str().and_then(chat_named).ok_or_else(wrong);
    chats.iter().map(chat).collect::<Result<_, _>>().map(Some)
}
