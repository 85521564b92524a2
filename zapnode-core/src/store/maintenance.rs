//! Old messages are deleted and the file shrinks, in steps between which everybody else has a turn.

use time::OffsetDateTime;

use super::sessions::millis;
use super::{Store, StoreError};

/// How many rows are deleted in one step: some milliseconds.
const DELETED_AT_ONCE: usize = 200;

/// How many pages are given back in one step.
const FREED_AT_ONCE: usize = 256;

/// How much of the file may be empty without being given back: it will be needed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spare {
    /// A tenth, and at least a megabyte.
    Some,
    /// Nothing.
    None,
}

impl Spare {
    fn pages(self, all: usize) -> usize {
        match self {
            Self::Some => (all / 10).max(256),
            Self::None => 0,
        }
    }
}

impl Store {
    /// Deletes the messages that were written before `before`, in both directions, and says how
    /// many. What is still to be sent or confirmed stays, and so does what an idempotency key
    /// stands for: without it a repeated call would send again.
    ///
    /// # Errors
    /// As [`Store::run`]; what was deleted until then stays deleted.
    pub async fn delete_messages(&self, before: OffsetDateTime) -> Result<usize, StoreError> {
        self.delete_before(
            before,
            "DELETE FROM messages WHERE seq IN (
                 SELECT seq FROM messages
                 WHERE state NOT IN ('queued', 'sending') AND created_at < ?1
                   AND NOT EXISTS (SELECT 1 FROM idempotency WHERE message = messages.id)
                 LIMIT ?2)",
        )
        .await
    }

    /// Deletes the bulk jobs that were accepted before `before` and of which no message is kept any
    /// more, with their idempotency keys, and says how many.
    ///
    /// # Errors
    /// As [`Store::run`]; what was deleted until then stays deleted.
    pub async fn delete_jobs(&self, before: OffsetDateTime) -> Result<usize, StoreError> {
        self.delete_before(
            before,
            "DELETE FROM batches WHERE id IN (
                 SELECT id FROM batches
                 WHERE created_at < ?1
                   AND NOT EXISTS (SELECT 1 FROM messages WHERE batch = batches.id)
                 LIMIT ?2)",
        )
        .await
    }

    /// Runs `sql` until it finds no more, and says how many rows it deleted. Its parameters are the
    /// moment, in milliseconds, and how many rows may go at once.
    async fn delete_before(
        &self,
        before: OffsetDateTime,
        sql: &'static str,
    ) -> Result<usize, StoreError> {
        let before = millis(before);
        let mut deleted = 0;
        loop {
            let step = self.run(move |t| {
                let mut statement = t.prepare_cached(sql)?;
                Ok(statement.execute(rusqlite::params![before, DELETED_AT_ONCE])?)
            });
            let count = step.await?;
            deleted += count;
            if count < DELETED_AT_ONCE {
                return Ok(deleted);
            }
        }
    }

    /// Gives space that is not used any more back to the disk, and says how many bytes.
    ///
    /// # Errors
    /// As [`Store::run`].
    pub async fn shrink(&self, spare: Spare) -> Result<u64, StoreError> {
        let mut freed = 0;
        loop {
            let step = self.run(move |t| {
                let number = |name| t.pragma_query_value(None, name, |row| row.get::<_, usize>(0));
                let empty = number("freelist_count")?;
                let surplus = empty.saturating_sub(spare.pages(number("page_count")?));
                if surplus == 0 {
                    return Ok((0, 0));
                }
                let sql = format!("PRAGMA incremental_vacuum({})", surplus.min(FREED_AT_ONCE));
                let mut statement = t.prepare(&sql)?;
                let mut rows = statement.query([])?;
                // Each row is a page.
                while rows.next()?.is_some() {}
                let pages = empty.saturating_sub(number("freelist_count")?);
                Ok((pages, pages * number("page_size")?))
            });
            let (pages, bytes) = step.await?;
            if pages == 0 {
                return Ok(freed);
            }
            freed += bytes as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use ulid::Ulid;

    use super::*;
    use crate::bulk::Skipped;
    use crate::id::{ChatId, SessionId};
    use crate::outbox::worker::fresh;
    use crate::outbox::{Message, MessageFilter, MessageState, NewMessage};
    use crate::store::{AcceptedBulk, Key, NewJob};

    fn session() -> SessionId {
        SessionId::new("shop").expect("an id")
    }

    fn message(text: &str, state: MessageState, age: Duration) -> Message {
        let to = ChatId::new("5511912345678@c.us").expect("a chat");
        let mut message = fresh(&session(), &NewMessage::text(to, text));
        message.state = state;
        message.created_at -= age;
        message
    }

    async fn all(store: &Store) -> Vec<Message> {
        let all = store.messages(session(), MessageFilter::default(), 10_000);
        all.await.expect("read")
    }

    #[tokio::test]
    async fn only_old_and_finished_messages_without_a_key_are_deleted_and_search_follows() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let (old, new) = (Duration::days(31), Duration::days(29));
        let mut expected = Vec::new();
        for (text, state, age, key, stays) in [
            ("velha entregue", MessageState::Delivered, old, false, false),
            ("velha falhada", MessageState::Failed, old, false, false),
            ("velha recebida", MessageState::Received, old, false, false),
            ("velha por enviar", MessageState::Queued, old, false, true),
            ("velha a caminho", MessageState::Sending, old, false, true),
            ("velha com chave", MessageState::Sent, old, true, true),
            ("nova entregue", MessageState::Delivered, new, false, true),
        ] {
            let key = key.then(|| Key {
                key: text.to_owned(),
                request: text.to_owned(),
            });
            store
                .accept(message(text, state, age), key)
                .await
                .expect("stored");
            if stays {
                expected.push(text.to_owned());
            }
        }
        let before = OffsetDateTime::now_utc() - Duration::days(30);
        assert_eq!(store.delete_messages(before).await.expect("deleted"), 3);
        let kept: Vec<_> = all(&store)
            .await
            .into_iter()
            .rev()
            .map(|m| m.text)
            .collect();
        assert_eq!(kept, expected.into_iter().map(Some).collect::<Vec<_>>());
        let words = |words: &str| MessageFilter {
            words: Some(words.to_owned()),
            ..MessageFilter::default()
        };
        for (text, count) in [("velha", 3), ("recebida", 0), ("nova", 1)] {
            let found = store.messages(session(), words(text), 9).await;
            assert_eq!(found.expect("read").len(), count, "{text}");
        }
        store
            .run(|t| {
                t.execute_batch(
                    "INSERT INTO messages_text (messages_text, rank) VALUES ('integrity-check', 1)",
                )?;
                Ok(())
            })
            .await
            .expect("the search fits the messages");
    }

    #[tokio::test]
    async fn the_file_shrinks_and_sends_are_taken_meanwhile() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let body = "palavra ".repeat(500);
        let filled = (0..2000).map(|n| {
            let message = message(
                &format!("{n} {body}"),
                MessageState::Read,
                Duration::days(90),
            );
            store.accept(message, None)
        });
        for stored in futures_util::future::join_all(filled).await {
            stored.expect("stored");
        }
        store.tidy().await;
        let file = dir.path().join(crate::store::FILE_NAME);
        let before = file.metadata().expect("there").len();

        let maintenance = async {
            let deleted = store
                .delete_messages(OffsetDateTime::now_utc() - Duration::days(30))
                .await
                .expect("deleted");
            let freed = store.shrink(Spare::Some).await.expect("freed");
            (deleted, freed)
        };
        let sends = async {
            let mut slowest = std::time::Duration::ZERO;
            for n in 0..50 {
                let began = std::time::Instant::now();
                let message = message(&format!("agora {n}"), MessageState::Queued, Duration::ZERO);
                store.accept(message, None).await.expect("taken");
                slowest = slowest.max(began.elapsed());
            }
            slowest
        };
        let ((deleted, freed), slowest) = tokio::join!(maintenance, sends);
        assert_eq!(deleted, 2000);
        assert!(freed > before / 2, "{freed} of {before}");
        // Far below what the whole takes; generous for a busy machine.
        assert!(slowest < std::time::Duration::from_secs(2), "{slowest:?}");
        store.tidy().await;
        let after = file.metadata().expect("there").len();
        assert!(after < before / 2, "{before} became {after}");
        assert_eq!(all(&store).await.len(), 50);
        let again = store.shrink(Spare::None).await.expect("the rest");
        assert!(again > 0);
        store
            .run(|t| {
                let found: String = t.query_row("PRAGMA integrity_check", [], |r| r.get(0))?;
                assert_eq!(found, "ok");
                Ok(())
            })
            .await
            .expect("sound");
    }

    #[tokio::test]
    async fn old_jobs_go_once_none_of_their_messages_is_left() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let old = Duration::days(31);
        let mut jobs = vec![];
        for (state, age) in [
            (MessageState::Read, old),
            (MessageState::Queued, old),
            (MessageState::Read, Duration::days(1)),
        ] {
            let job = NewJob {
                id: Ulid::new(),
                session: session(),
                name: None,
                skipped: Skipped::default(),
                paced: true,
                send_at: None,
            };
            let id = job.id;
            let mut message = message("x", state, age);
            message.batch = Some(id);
            let key = Key {
                key: id.to_string(),
                request: "the same".to_owned(),
            };
            let accepted = store.accept_bulk(job, vec![message], Some(key)).await;
            assert!(
                matches!(accepted, Ok(AcceptedBulk::New(..))),
                "{accepted:?}"
            );
            let since = millis(OffsetDateTime::now_utc() - age);
            let aged = store.run(move |t| {
                let sql = "UPDATE batches SET created_at = ?2 WHERE id = ?1";
                Ok(t.execute(sql, rusqlite::params![id.to_string(), since])?)
            });
            assert_eq!(aged.await.expect("aged"), 1);
            jobs.push(id);
        }
        let before = OffsetDateTime::now_utc() - Duration::days(30);
        assert_eq!(store.delete_jobs(before).await.expect("deleted"), 0);
        assert_eq!(store.delete_messages(before).await.expect("deleted"), 1);
        assert_eq!(store.delete_jobs(before).await.expect("deleted"), 1);
        for (n, is_there) in [false, true, true].into_iter().enumerate() {
            let found = store.bulk_job(jobs[n]).await.expect("read");
            assert_eq!(found.is_some(), is_there, "job {n}");
        }
        let key = Key {
            key: jobs[0].to_string(),
            request: "the same".to_owned(),
        };
        let known = store.known_bulk(key).await.expect("read");
        assert!(known.is_none(), "its key went with it");
    }

    #[tokio::test]
    async fn a_deleted_message_is_gone_by_its_id_too() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let old = message("velha", MessageState::Read, Duration::days(2));
        let id: Ulid = old.id;
        store.accept(old, None).await.expect("stored");
        let before = OffsetDateTime::now_utc() - Duration::days(1);
        store.delete_messages(before).await.expect("deleted");
        assert_eq!(store.message(id).await.expect("read"), None);
    }
}
