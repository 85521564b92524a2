//! The table of sessions.

use std::path::PathBuf;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::id::SessionId;
use crate::options::SessionOptions;
use crate::outbox::{Failure, FailureCode, MessageState};

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// When it was created, to the millisecond.
    pub created_at: OffsetDateTime,
    /// What its creator chose.
    pub options: SessionOptions,
    /// Its profile folder, absolute.
    pub profile: PathBuf,
    /// Whether a phone was linked the last time anything was known.
    pub linked: bool,
    /// Whether it is meant to run.
    pub wanted: bool,
}

const COLUMNS: &str = "id, created_at, options, profile, linked, wanted";

impl Store {
    /// Writes a new session; one that exists is left alone and `false` is returned.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn insert_session(&self, row: SessionRow) -> Result<bool, StoreError> {
        let options = as_json(&row.options)?;
        self.run(move |t| {
            let inserted = t.execute(
                "INSERT INTO sessions (id, created_at, options, profile, linked, wanted)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
                params![
                    row.id.as_str(),
                    millis(row.created_at),
                    options,
                    row.profile.to_string_lossy(),
                    row.linked,
                    row.wanted
                ],
            )?;
            if inserted == 1 {
                // Of an earlier session of this name: never sent by this one.
                fail_open_messages(t, &row.id)?;
            }
            Ok(inserted == 1)
        })
        .await
    }

    /// All sessions, oldest first.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn sessions(&self) -> Result<Vec<SessionRow>, StoreError> {
        self.run(|t| {
            let sql = format!("SELECT {COLUMNS} FROM sessions ORDER BY created_at, id");
            let mut query = t.prepare(&sql)?;
            let rows = query.query_map([], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// One session.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.run(move |t| {
            let sql = format!("SELECT {COLUMNS} FROM sessions WHERE id = ?1");
            Ok(t.query_row(&sql, [id.as_str()], read).optional()?)
        })
        .await
    }

    /// Notes whether a session is linked and meant to run. A session that is gone is left so.
    /// While the store cannot write it waits there, and this returns.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn note_session(
        &self,
        id: SessionId,
        linked: bool,
        wanted: bool,
    ) -> Result<(), StoreError> {
        let noted = self.keep(move |t| {
            t.execute(
                "UPDATE sessions SET linked = ?2, wanted = ?3 WHERE id = ?1",
                params![id.as_str(), linked, wanted],
            )?;
            Ok(())
        });
        noted.stored_or_waiting().await.map(|_| ())
    }

    /// Notes what was chosen for a session. A session that is gone is left so.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn note_options(
        &self,
        id: SessionId,
        options: &SessionOptions,
    ) -> Result<(), StoreError> {
        let options = as_json(options)?;
        self.run(move |t| {
            let sql = "UPDATE sessions SET options = ?2 WHERE id = ?1";
            t.execute(sql, params![id.as_str(), options])?;
            Ok(())
        })
        .await
    }

    /// Forgets a session, and tells it. What it still had to send has failed and stays readable.
    /// While the store cannot write it waits there, and this returns.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn delete_session(&self, id: SessionId) -> Result<(), StoreError> {
        let forgotten = self.keep(move |t| {
            fail_open_messages(t, &id)?;
            super::outbox::forget(t, &id)?;
            super::numbers::forget(t, &id)?;
            let gone = t.execute("DELETE FROM sessions WHERE id = ?1", [id.as_str()])?;
            if gone > 0 {
                super::events::session_removed(t, &id)?;
            }
            Ok(())
        });
        forgotten.stored_or_waiting().await.map(|_| ())
    }
}

fn fail_open_messages(t: &Transaction<'_>, session: &SessionId) -> Result<(), StoreError> {
    let failure = Failure {
        code: FailureCode::SessionRemoved,
        detail: "the session was removed".to_owned(),
    };
    for before in super::messages::open_messages(t, session, usize::MAX)? {
        let mut after = before.clone();
        after.state = MessageState::Failed;
        after.failure = Some(failure.clone());
        after.updated_at = now();
        super::messages::write_progress(t, &after)?;
        super::events::message_progressed(t, &before, &after)?;
    }
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    let id: String = row.get("id")?;
    let options: String = row.get("options")?;
    let profile: String = row.get("profile")?;
    Ok(SessionRow {
        id: SessionId::new(&id).map_err(|e| unreadable(0, e))?,
        created_at: from_millis(row.get("created_at")?).map_err(|e| unreadable(1, e))?,
        options: serde_json::from_str(&options).map_err(|e| unreadable(2, e))?,
        profile: PathBuf::from(profile),
        linked: row.get("linked")?,
        wanted: row.get("wanted")?,
    })
}

pub(super) fn unreadable(
    column: usize,
    cause: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(cause))
}

fn as_json(options: &SessionOptions) -> Result<String, StoreError> {
    serde_json::to_string(options)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)).into())
}

/// Now, as the tables will give it back: what is told before a restart is told after it.
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_millisecond(now.millisecond()).unwrap_or(now)
}

/// Milliseconds since 1970, as the tables hold time.
pub(crate) fn millis(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The time that `millis` wrote.
pub(crate) fn from_millis(millis: i64) -> Result<OffsetDateTime, time::error::ComponentRange> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_comes_back_as_it_was_and_a_deleted_one_is_gone() {
        let dir = tempfile::tempdir().expect("a folder");
        let row = SessionRow {
            id: SessionId::new("customer-abc").expect("an id"),
            created_at: from_millis(1_760_522_400_123).expect("a time"),
            options: SessionOptions {
                headless: Some(true),
                chrome_path: Some(PathBuf::from("/usr/bin/chromium")),
                pace: Some(crate::outbox::Pace::GENTLE),
                ..SessionOptions::default()
            },
            profile: PathBuf::from("/x/.wwebjs_auth/session-customer-abc"),
            linked: false,
            wanted: true,
        };
        {
            let store = Store::open(dir.path()).await.expect("opens");
            assert!(store.insert_session(row.clone()).await.expect("written"));
            assert!(!store.insert_session(row.clone()).await.expect("kept"));
            store
                .note_session(row.id.clone(), true, false)
                .await
                .expect("noted");
        }
        let store = Store::open(dir.path()).await.expect("opens again");
        let expected = SessionRow {
            linked: true,
            wanted: false,
            ..row.clone()
        };
        assert_eq!(store.sessions().await.expect("read"), [expected]);
        store.delete_session(row.id.clone()).await.expect("deleted");
        assert_eq!(store.session(row.id).await.expect("read"), None);
    }
}
