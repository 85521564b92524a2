//! A session's proxy, and what becomes of calls to it, as a caller says it.

use serde_json::Value;
use zapnode_core::call::RejectCalls;
use zapnode_core::proxy::Proxy;

use crate::error::ApiError;
use crate::extract::JsonBody;

/// Reads `proxy`: an address with user and password in it, if there are any.
///
/// # Errors
/// 400 for what is none. What was given is not repeated: it may have a password in it.
pub(super) fn proxy(body: &JsonBody) -> Result<Option<Proxy>, ApiError> {
    let read = |text: &str| {
        text.parse()
            .map_err(|error: zapnode_core::proxy::InvalidProxy| {
                ApiError::invalid(error.to_string())
            })
    };
    body.text("proxy")?.map(read).transpose()
}

/// Reads `rejectCalls`: true, false, or `{"text": …}` to tell callers something.
///
/// # Errors
/// 400 for values that are not possible.
pub(super) fn reject_calls(body: &JsonBody) -> Result<Option<RejectCalls>, ApiError> {
    let wrong = || {
        ApiError::invalid(
            "rejectCalls must be true, false, or {\"text\": \"what callers are told\"}",
        )
    };
    let chosen = match body.field("rejectCalls") {
        None => return Ok(None),
        Some(Value::Bool(on)) => RejectCalls {
            on: *on,
            text: None,
        },
        Some(Value::Object(fields)) => {
            if fields
                .keys()
                .any(|name| !matches!(name.as_str(), "on" | "text"))
            {
                return Err(wrong());
            }
            let on = match fields.get("on") {
                None => true,
                Some(on) => on.as_bool().ok_or_else(wrong)?,
            };
            let text = match fields.get("text") {
                None | Some(Value::Null) => None,
                Some(text) => Some(text.as_str().ok_or_else(wrong)?.to_owned()),
            };
            RejectCalls { on, text }
        }
        Some(_) => return Err(wrong()),
    };
    chosen.check().map_err(ApiError::invalid)?;
    Ok(Some(chosen))
}
