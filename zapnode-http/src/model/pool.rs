//! Pools on the wire, and how sessions stand that could not send.

use serde::Serialize;
use zapnode_core::pool::Pool;
use zapnode_core::{SessionId, Standing};

use super::{ReasonModel, iso};

/// A pool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolModel {
    name: String,
    sessions: Vec<SessionId>,
    strategy: &'static str,
    created_at: String,
    updated_at: String,
}

impl From<Pool> for PoolModel {
    fn from(pool: Pool) -> Self {
        Self {
            name: pool.name.to_string(),
            sessions: pool.sessions,
            strategy: pool.strategy.as_str(),
            created_at: iso(pool.created_at),
            updated_at: iso(pool.updated_at),
        }
    }
}

/// The answer with one pool.
#[derive(Debug, Serialize)]
pub struct OnePool {
    success: bool,
    pool: PoolModel,
}

impl From<Pool> for OnePool {
    fn from(pool: Pool) -> Self {
        Self {
            success: true,
            pool: pool.into(),
        }
    }
}

/// The answer with all pools.
#[derive(Debug, Serialize)]
pub struct PoolList {
    success: bool,
    count: usize,
    pools: Vec<PoolModel>,
}

impl From<Vec<Pool>> for PoolList {
    fn from(pools: Vec<Pool>) -> Self {
        Self {
            success: true,
            count: pools.len(),
            pools: pools.into_iter().map(PoolModel::from).collect(),
        }
    }
}

/// How a session stands that could not send.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StandingModel<'a> {
    session_id: &'a SessionId,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ReasonModel<'a>>,
}

impl<'a> From<&'a Standing> for StandingModel<'a> {
    fn from(standing: &'a Standing) -> Self {
        Self {
            session_id: &standing.id,
            status: standing.status(),
            reason: standing.reason.as_ref().map(ReasonModel::from),
        }
    }
}
