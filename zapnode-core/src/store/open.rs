//! Opening the file: older versions are brought up, newer ones refused, damage is found.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ffi};

use super::health::failure;
use super::{MIGRATIONS, StoreError};

/// Up to this size the whole file is looked through when it is opened: 2.5 ms a megabyte when it
/// is in memory (measured), some seconds for all of it on a slow disk. Bytes.
const CHECKED_UP_TO: u64 = 256 << 20;

/// Up to this size a file of an older version is rewritten once, so that it can shrink later
/// without a stop: 20 ms a megabyte (measured). Bytes.
const REWRITTEN_UP_TO: u64 = 64 << 20;

/// The log beside the file is cut back to this after a busy time. Bytes.
const LOG_AT_MOST: i64 = 16 << 20;

/// `auto_vacuum` that leaves it to us when.
const INCREMENTAL: i64 = 2;

pub(crate) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    // Before anything is changed in it.
    refuse_newer(&connection, path)?;
    let is_new = pragma(&connection, "page_count")? == 0;
    if is_new {
        connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    }
    // WAL so that readers never wait; FULL because "accepted" promises that it is on disk.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", LOG_AT_MOST)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Messages have no business in files of the system's temporary folder.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    if !is_new {
        look_through(&connection)?;
    }
    migrate(&mut connection)?;
    if pragma(&connection, "auto_vacuum")? != INCREMENTAL {
        make_shrinkable(&connection)?;
    }
    Ok(connection)
}

/// The connection that writes, and one that only reads.
pub(super) fn connect_both(path: &Path) -> Result<(Connection, Connection), StoreError> {
    let writer = connect(path)?;
    let reader = Connection::open(path)?;
    reader.busy_timeout(Duration::from_secs(10))?;
    reader.pragma_update(None, "temp_store", "MEMORY")?;
    reader.pragma_update(None, "query_only", true)?;
    Ok((writer, reader))
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, name, |row| row.get(0))?)
}

fn size(connection: &Connection) -> Result<u64, StoreError> {
    let pages = pragma(connection, "page_count")?;
    let bytes = pages.saturating_mul(pragma(connection, "page_size")?);
    Ok(u64::try_from(bytes).unwrap_or_default())
}

/// The version of the tables that a file has.
pub(crate) fn schema_of(connection: &Connection) -> Result<usize, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

pub(crate) fn refuse_newer(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let found = schema_of(connection)?;
    let known = MIGRATIONS.len();
    if found <= known {
        return Ok(());
    }
    Err(StoreError::Newer {
        path: path.to_owned(),
        found,
        known,
    })
}

/// Looks for damage. What is too large for that is believed until something is found in it.
fn look_through(connection: &Connection) -> Result<(), StoreError> {
    let size = size(connection)?;
    if size > CHECKED_UP_TO {
        tracing::debug!(
            size,
            "the database is too large to be looked through at each start"
        );
        return Ok(());
    }
    let began = Instant::now();
    quick_check(connection)?;
    tracing::debug!(size, took = ?began.elapsed(), "looked through the database");
    Ok(())
}

/// Looks through the whole file, whatever its size.
pub(crate) fn quick_check(connection: &Connection) -> Result<(), StoreError> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(StoreError::Damaged(failure(ffi::SQLITE_CORRUPT, found)))
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found = schema_of(connection)?;
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        if *sql == super::UNITE_CONTACTS {
            super::contacts::take_over_lid_phones(&transaction)?;
        }
        transaction.pragma_update(None, "user_version", index + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// A file made by a version before this keeps all space it ever had. Rewriting changes that.
fn make_shrinkable(connection: &Connection) -> Result<(), StoreError> {
    let size = size(connection)?;
    if size > REWRITTEN_UP_TO {
        tracing::info!(
            size,
            "the database stays as large as it is: it was made by an older version and is too large to be rewritten at a start"
        );
        return Ok(());
    }
    connection.pragma_update(None, "auto_vacuum", INCREMENTAL)?;
    if let Err(error) = connection.execute_batch("VACUUM") {
        // As with a full disk. It works as it is, and is tried again at the next start.
        tracing::warn!(%error, "the database could not be rewritten");
    }
    Ok(())
}
