//! The table of files: which there are, and where their bytes are. The bytes are beside.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, Row, Transaction, params};
use ulid::Ulid;

use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError};
use crate::media::{MediaState, StoredMedia};
use crate::message::IncomingMessage;
use crate::outbox::Message;

const COLUMNS: &str = "id, message, state, sha256, mime, name, size, created_at";

impl Store {
    /// Stores what is known of a file.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn insert_media(&self, media: StoredMedia) -> Result<(), StoreError> {
        self.run(move |t| insert(t, &media)).await
    }

    /// A file by its id.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn media(&self, id: Ulid) -> Result<Option<StoredMedia>, StoreError> {
        self.run(move |t| {
            let sql = format!("SELECT {COLUMNS} FROM media WHERE id = ?1");
            let mut query = t.prepare_cached(&sql)?;
            Ok(query.query_row([id.to_string()], read).optional()?)
        })
        .await
    }

    /// The files that came with these messages, by message.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn media_of(
        &self,
        messages: Vec<Ulid>,
    ) -> Result<HashMap<Ulid, StoredMedia>, StoreError> {
        if messages.is_empty() {
            return Ok(HashMap::new());
        }
        self.run(move |t| {
            let sql = format!("SELECT {COLUMNS} FROM media WHERE id = ?1");
            let mut query = t.prepare_cached(&sql)?;
            let mut found = HashMap::new();
            for id in messages {
                if let Some(media) = query.query_row([id.to_string()], read).optional()? {
                    found.insert(id, media);
                }
            }
            Ok(found)
        })
        .await
    }

    /// Writes where a file's bytes are by now, and what they turned out to be.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn update_media(&self, media: StoredMedia) -> Result<(), StoreError> {
        self.run(move |t| {
            t.execute(
                "UPDATE media SET state = ?2, sha256 = ?3, mime = ?4, name = ?5, size = ?6
                  WHERE id = ?1",
                params![
                    media.id.to_string(),
                    media.state.as_str(),
                    media.sha256,
                    media.mime,
                    media.name,
                    media.size
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// The hashes of the files that messages still to be sent carry.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn media_to_send(&self) -> Result<Vec<String>, StoreError> {
        self.run(|t| {
            let mut query = t.prepare(
                "SELECT DISTINCT json_extract(content, '$.file.sha256') FROM messages
                  WHERE state IN ('queued', 'sending') AND content IS NOT NULL
                    AND json_extract(content, '$.file.sha256') IS NOT NULL",
            )?;
            let rows = query.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Notes that files with these hashes are not here any more: those of messages that came can be
    /// loaded again, uploaded ones are gone.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub(crate) async fn media_gone(&self, hashes: Vec<String>) -> Result<(), StoreError> {
        self.run(move |t| {
            for sha256 in &hashes {
                t.execute(
                    "DELETE FROM media WHERE sha256 = ?1 AND message IS NULL",
                    [sha256],
                )?;
                t.execute(
                    "UPDATE media SET state = 'remote' WHERE sha256 = ?1 AND state = 'available'",
                    [sha256],
                )?;
            }
            Ok(())
        })
        .await
    }
}

/// Stores what a message that came says of its file.
pub(super) fn appeared(
    t: &Transaction<'_>,
    row: &Message,
    told: &IncomingMessage,
) -> Result<(), StoreError> {
    let Some(facts) = &told.details.media else {
        return Ok(());
    };
    let media = StoredMedia {
        id: row.id,
        message: Some(row.id),
        state: MediaState::Remote,
        sha256: None,
        mime: facts.mime_type.clone(),
        name: facts.file_name.clone(),
        size: facts.size,
        created_at: row.created_at,
    };
    insert(t, &media)
}

fn insert(t: &Transaction<'_>, media: &StoredMedia) -> Result<(), StoreError> {
    let mut statement = t.prepare_cached(
        "INSERT INTO media (id, message, state, sha256, mime, name, size, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement.execute(params![
        media.id.to_string(),
        media.message.map(|id| id.to_string()),
        media.state.as_str(),
        media.sha256,
        media.mime,
        media.name,
        media.size,
        millis(media.created_at)
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<StoredMedia> {
    let id = |name: &str, column| -> rusqlite::Result<Option<Ulid>> {
        let text: Option<String> = row.get(name)?;
        text.map(|text| Ulid::from_string(&text).map_err(|e| unreadable(column, e)))
            .transpose()
    };
    let state: String = row.get("state")?;
    let unknown = || {
        let kind = std::io::ErrorKind::InvalidData;
        unreadable(2, std::io::Error::new(kind, format!("{state:?}")))
    };
    Ok(StoredMedia {
        id: id("id", 0)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
        message: id("message", 1)?,
        state: MediaState::from_word(&state).ok_or_else(unknown)?,
        sha256: row.get("sha256")?,
        mime: row.get("mime")?,
        name: row.get("name")?,
        size: row.get("size")?,
        created_at: from_millis(row.get("created_at")?).map_err(|e| unreadable(7, e))?,
    })
}
