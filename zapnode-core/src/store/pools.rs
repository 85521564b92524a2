//! The table of pools: sessions that are one sender.

use rusqlite::{OptionalExtension, Row, params};

use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError};
use crate::id::SessionId;
use crate::pool::{Pool, PoolName, Strategy};

const COLUMNS: &str = "name, sessions, strategy, created_at, updated_at";

impl Store {
    /// Stores a pool, new or in place of the one of its name, and gives it as it is then. Says
    /// whether it is new.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn put_pool(
        &self,
        name: PoolName,
        sessions: Vec<SessionId>,
        strategy: Strategy,
    ) -> Result<(Pool, bool), StoreError> {
        let names = serde_json::to_string(&sessions)
            .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
        self.run(move |t| {
            let now = super::now();
            let known: Option<i64> = t
                .query_row(
                    "SELECT created_at FROM pools WHERE name = ?1",
                    [name.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            t.execute(
                "INSERT INTO pools (name, sessions, strategy, created_at, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?4)
                 ON CONFLICT (name) DO UPDATE SET sessions = excluded.sessions,
                     strategy = excluded.strategy, updated_at = excluded.updated_at",
                params![name.as_str(), names, strategy.as_str(), millis(now)],
            )?;
            let created_at = match known {
                Some(at) => from_millis(at).map_err(|e| unreadable(3, e))?,
                None => now,
            };
            let pool = Pool {
                name,
                sessions,
                strategy,
                created_at,
                updated_at: now,
            };
            Ok((pool, known.is_none()))
        })
        .await
    }

    /// A pool.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn pool(&self, name: PoolName) -> Result<Option<Pool>, StoreError> {
        self.run(move |t| {
            let sql = format!("SELECT {COLUMNS} FROM pools WHERE name = ?1");
            Ok(t.query_row(&sql, [name.as_str()], read).optional()?)
        })
        .await
    }

    /// All pools, by name.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn pools(&self) -> Result<Vec<Pool>, StoreError> {
        self.run(|t| {
            let mut query = t.prepare(&format!("SELECT {COLUMNS} FROM pools ORDER BY name"))?;
            let rows = query.query_map([], read)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Forgets a pool. Says whether there was one.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn delete_pool(&self, name: PoolName) -> Result<bool, StoreError> {
        self.run(move |t| Ok(t.execute("DELETE FROM pools WHERE name = ?1", [name.as_str()])? > 0))
            .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Pool> {
    let text = |name: &str| row.get::<_, String>(name);
    let at = |name: &str| from_millis(row.get(name)?).map_err(|e| unreadable(3, e));
    let strategy = text("strategy")?;
    Ok(Pool {
        name: PoolName::new(&text("name")?).map_err(|e| unreadable(0, e))?,
        sessions: serde_json::from_str(&text("sessions")?).map_err(|e| unreadable(1, e))?,
        strategy: Strategy::from_word(&strategy)
            .ok_or_else(|| unreadable(2, std::io::Error::other(strategy)))?,
        created_at: at("created_at")?,
        updated_at: at("updated_at")?,
    })
}
