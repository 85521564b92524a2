//! The opt-out list on the wire.

use serde::Serialize;
use zapnode_core::SessionId;
use zapnode_core::optout::OptOut;

use super::iso;

/// Somebody on the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OptOutModel {
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How they came onto it: `request` or `stop_word`.
    source: &'static str,
    /// The session that they wrote to.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<SessionId>,
    created_at: String,
}

impl From<OptOut> for OptOutModel {
    fn from(opt_out: OptOut) -> Self {
        Self {
            number: opt_out.person.phone().map(ToString::to_string),
            lid: opt_out.person.lid().map(ToString::to_string),
            reason: opt_out.reason,
            source: opt_out.source.as_str(),
            session_id: opt_out.session,
            created_at: iso(opt_out.created_at),
        }
    }
}

/// The answer with one of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OneOptOut {
    success: bool,
    opt_out: OptOutModel,
}

impl From<OptOut> for OneOptOut {
    fn from(opt_out: OptOut) -> Self {
        Self {
            success: true,
            opt_out: opt_out.into(),
        }
    }
}

/// The answer with a page of the list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OptOutPage {
    success: bool,
    count: usize,
    opt_outs: Vec<OptOutModel>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<i64>,
}

impl OptOutPage {
    /// A page of at most `limit`, newest first.
    pub fn new(opt_outs: Vec<OptOut>, limit: usize) -> Self {
        let next_cursor = opt_outs.last().filter(|_| opt_outs.len() == limit);
        Self {
            success: true,
            count: opt_outs.len(),
            next_cursor: next_cursor.map(|opt_out| opt_out.seq),
            opt_outs: opt_outs.into_iter().map(OptOutModel::from).collect(),
        }
    }
}
