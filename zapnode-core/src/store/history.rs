//! The table of where sessions have been.

use rusqlite::{Row, params};

use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError};
use crate::id::SessionId;
use crate::session::history::{KEPT, Transition};

impl Store {
    /// Writes down where a session went, and forgets what is older than the last [`KEPT`]. It is in
    /// the store's queue when this returns its future.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) fn add_transition(
        &self,
        session: SessionId,
        transition: Transition,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let kept = self.keep(move |t| {
            t.prepare_cached(
                "INSERT INTO session_history
                     (session, at, from_state, to_state, reason, detail, step, attempt)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                session.as_str(),
                millis(transition.at),
                transition.from,
                transition.to,
                transition.reason,
                transition.detail,
                transition.step,
                transition.attempt,
            ])?;
            t.prepare_cached(
                "DELETE FROM session_history WHERE session = ?1 AND seq <= (
                     SELECT seq FROM session_history WHERE session = ?1
                     ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![session.as_str(), KEPT])?;
            Ok(())
        });
        kept.stored()
    }

    /// Where a session has been, newest first, at most `limit`.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn transitions(
        &self,
        session: SessionId,
        limit: usize,
    ) -> Result<Vec<Transition>, StoreError> {
        self.run(move |t| {
            let mut query = t.prepare_cached(
                "SELECT at, from_state, to_state, reason, detail, step, attempt
                 FROM session_history WHERE session = ?1 ORDER BY seq DESC LIMIT ?2",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = query.query_map(params![session.as_str(), limit], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Transition> {
    Ok(Transition {
        at: from_millis(row.get(0)?).map_err(|e| unreadable(0, e))?,
        from: row.get(1)?,
        to: row.get(2)?,
        reason: row.get(3)?,
        detail: row.get(4)?,
        step: row.get(5)?,
        attempt: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::now;

    fn transition(detail: String) -> Transition {
        Transition {
            at: now(),
            from: "ready".to_owned(),
            to: "recovering".to_owned(),
            reason: Some("offline".to_owned()),
            detail: Some(detail),
            step: Some("reconnect".to_owned()),
            attempt: Some(1),
        }
    }

    #[tokio::test]
    async fn the_last_are_kept_over_a_restart_newest_first_and_each_session_has_its_own() {
        let dir = tempfile::tempdir().expect("a folder");
        let id = |name| SessionId::new(name).expect("an id");
        let store = Store::open(dir.path()).await.expect("opens");
        let count = KEPT + 5;
        for n in 0..count {
            let written = store.add_transition(id("a"), transition(n.to_string()));
            written.await.expect("written");
        }
        let other = store.add_transition(id("b"), transition("b".to_owned()));
        other.await.expect("written");
        drop(store);
        let store = Store::open(dir.path()).await.expect("opens again");
        let all = store.transitions(id("a"), 1000).await.expect("read");
        assert_eq!(all.len(), usize::try_from(KEPT).expect("small"));
        assert_eq!(all[0].detail, Some((count - 1).to_string()));
        assert_eq!(store.transitions(id("a"), 3).await.expect("read").len(), 3);
        assert_eq!(store.transitions(id("b"), 3).await.expect("read").len(), 1);
    }
}
