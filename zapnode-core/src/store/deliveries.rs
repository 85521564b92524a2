//! The tables of what webhooks are told, and of how that went.

use std::sync::Arc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use time::OffsetDateTime;
use ulid::Ulid;

use super::sessions::millis;
use super::webhooks::at;
use super::{Store, StoreError};
use crate::webhook::schedule::Job;
use crate::webhook::{Attempt, Delivery, DeliveryState};

const DELIVERY: &str = "n, id, event_id, sequence, event, session, state, replay, created_at, \
                        settled_at";

/// How many attempts of each delivery are shown, the last ones.
const ATTEMPTS_SHOWN: usize = 20;
/// How many old deliveries are deleted in one transaction.
const PRUNE_STEP: usize = 500;

/// An event to be queued for a webhook.
#[derive(Clone, Debug)]
pub(crate) struct Queued {
    pub(crate) sequence: i64,
    pub(crate) event_id: String,
    pub(crate) event: String,
    pub(crate) session: Option<String>,
    pub(crate) lane: Arc<str>,
}

/// How an attempt changes its delivery.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) n: i64,
    pub(crate) attempt: Attempt,
    /// What the delivery is from now on.
    pub(crate) state: DeliveryState,
}

/// What asking for a delivery once more found.
#[derive(Clone, Debug)]
pub(crate) enum Requeued {
    /// It is queued again.
    Done(Job, Arc<str>),
    /// It is in the queue already.
    Pending,
    /// There is none of this id.
    Unknown,
}

impl Store {
    /// Queues events for a webhook and moves its cursor on, in one. Gives each one's place in the
    /// queue; `None` for one that was queued before.
    pub(crate) async fn enqueue_deliveries(
        &self,
        webhook: String,
        events: Vec<Queued>,
        cursor: Option<i64>,
    ) -> Result<Vec<Option<i64>>, StoreError> {
        self.run(move |t| {
            let now = millis(OffsetDateTime::now_utc());
            let mut insert = t.prepare_cached(
                "INSERT INTO webhook_deliveries
                     (id, webhook, sequence, event_id, event, session, lane, state, replay, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'pending', ?8, ?9)
                 ON CONFLICT DO NOTHING",
            )?;
            let mut places = Vec::with_capacity(events.len());
            for event in &events {
                let inserted = insert.execute(params![
                    format!("whd_{}", Ulid::new()),
                    webhook,
                    event.sequence,
                    event.event_id,
                    event.event,
                    event.session,
                    &*event.lane,
                    // Only what somebody asked for once more leaves the cursor alone.
                    cursor.is_none(),
                    now
                ])?;
                places.push((inserted == 1).then(|| t.last_insert_rowid()));
            }
            if let Some(cursor) = cursor {
                t.execute(
                    "UPDATE webhooks SET cursor = ?2 WHERE id = ?1 AND cursor < ?2",
                    params![webhook, cursor],
                )?;
            }
            Ok(places)
        })
        .await
    }

    /// What a webhook has still to be told, from a place in the queue on.
    pub(crate) async fn open_deliveries(
        &self,
        webhook: String,
        after: i64,
        limit: usize,
    ) -> Result<Vec<(Job, Arc<str>)>, StoreError> {
        self.read(move |t| {
            let mut query = t.prepare_cached(
                "SELECT n, sequence, attempts, lane FROM webhook_deliveries
                 WHERE webhook = ?1 AND state = 'pending' AND n > ?2 ORDER BY n LIMIT ?3",
            )?;
            let rows = query.query_map(params![webhook, after, count(limit)], |row| {
                let lane: String = row.get(3)?;
                Ok((job(row)?, Arc::from(lane)))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The next events of a lane, up to a place in the queue.
    pub(crate) async fn lane_deliveries(
        &self,
        webhook: String,
        lane: Arc<str>,
        until: i64,
        limit: usize,
    ) -> Result<Vec<Job>, StoreError> {
        self.read(move |t| {
            let mut query = t.prepare_cached(
                "SELECT n, sequence, attempts FROM webhook_deliveries
                 WHERE webhook = ?1 AND lane = ?2 AND state = 'pending' AND n <= ?3
                 ORDER BY n LIMIT ?4",
            )?;
            let rows = query.query_map(params![webhook, &*lane, until, count(limit)], |row| {
                job(row)
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Writes how an attempt went.
    pub(crate) async fn record_attempt(&self, recorded: Recorded) -> Result<(), StoreError> {
        self.run(move |t| {
            let Recorded { n, attempt, state } = recorded;
            let now = millis(OffsetDateTime::now_utc());
            let settled = (state != DeliveryState::Pending).then_some(now);
            t.prepare_cached(
                "UPDATE webhook_deliveries
                 SET state = ?2, attempts = attempts + 1, settled_at = ?3 WHERE n = ?1",
            )?
            .execute(params![n, state.as_str(), settled])?;
            t.prepare_cached(
                "INSERT INTO webhook_attempts
                     (delivery, attempt, at, status, latency_ms, error, answer)
                 SELECT n, (SELECT ifnull(max(attempt), 0) + 1 FROM webhook_attempts
                            WHERE delivery = n), ?2, ?3, ?4, ?5, ?6
                 FROM webhook_deliveries WHERE n = ?1",
            )?
            .execute(params![
                n,
                millis(attempt.at),
                attempt.status,
                i64::try_from(attempt.latency_ms).unwrap_or(i64::MAX),
                attempt.error,
                attempt.answer
            ])?;
            t.prepare_cached(
                "UPDATE webhooks SET delivered = delivered + ?2, dead = dead + ?3,
                     failures = failures + ?4
                 WHERE id = (SELECT webhook FROM webhook_deliveries WHERE n = ?1)",
            )?
            .execute(params![
                n,
                state == DeliveryState::Delivered,
                state == DeliveryState::Dead,
                state != DeliveryState::Delivered
            ])?;
            Ok(())
        })
        .await
    }

    /// A webhook's deliveries with their attempts, newest first.
    pub(crate) async fn deliveries(
        &self,
        webhook: String,
        state: Option<DeliveryState>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |t| {
            let sql = format!(
                "SELECT {DELIVERY} FROM webhook_deliveries
                 WHERE webhook = ?1 AND n < ?2 {} ORDER BY n DESC LIMIT ?3",
                match state {
                    Some(_) => "AND state = ?4",
                    None => "",
                }
            );
            let mut values = vec![
                Value::from(webhook),
                Value::from(before.unwrap_or(i64::MAX)),
                Value::from(count(limit)),
            ];
            values.extend(state.map(|state| Value::from(state.as_str().to_owned())));
            let mut query = t.prepare(&sql)?;
            let rows = query.query_map(params_from_iter(values), delivery_row)?;
            let mut found = rows.collect::<Result<Vec<_>, _>>()?;
            for delivery in &mut found {
                delivery.attempts = attempts(t, delivery.n)?;
            }
            Ok(found)
        })
        .await
    }

    /// One delivery of a webhook.
    pub(crate) async fn delivery(
        &self,
        webhook: String,
        id: String,
    ) -> Result<Option<Delivery>, StoreError> {
        self.read(move |t| {
            let sql =
                format!("SELECT {DELIVERY} FROM webhook_deliveries WHERE webhook = ?1 AND id = ?2");
            let found = t
                .query_row(&sql, params![webhook, id], delivery_row)
                .optional()?;
            match found {
                None => Ok(None),
                Some(mut delivery) => {
                    delivery.attempts = attempts(t, delivery.n)?;
                    Ok(Some(delivery))
                }
            }
        })
        .await
    }

    /// Queues a delivery that was settled once more, at its old place, with all its attempts anew.
    pub(crate) async fn requeue_delivery(
        &self,
        webhook: String,
        id: String,
    ) -> Result<Requeued, StoreError> {
        self.run(move |t| {
            let found = t
                .query_row(
                    "SELECT n, sequence, 0, lane, state FROM webhook_deliveries
                     WHERE webhook = ?1 AND id = ?2",
                    params![webhook, id],
                    |row| {
                        let lane: String = row.get(3)?;
                        Ok((job(row)?, lane, row.get::<_, String>(4)?))
                    },
                )
                .optional()?;
            let Some((job, lane, state)) = found else {
                return Ok(Requeued::Unknown);
            };
            if state == DeliveryState::Pending.as_str() {
                return Ok(Requeued::Pending);
            }
            t.execute(
                "UPDATE webhook_deliveries
                 SET state = 'pending', attempts = 0, settled_at = NULL WHERE n = ?1",
                [job.n],
            )?;
            Ok(Requeued::Done(job, lane.into()))
        })
        .await
    }

    /// Forgets deliveries that ended: well before `delivered`, or with more than `most` such ones
    /// after them; badly before `dead`. At most a few hundred at a time; says whether there may be
    /// more.
    pub(crate) async fn prune_deliveries(
        &self,
        delivered: OffsetDateTime,
        dead: OffsetDateTime,
        most: usize,
    ) -> Result<bool, StoreError> {
        self.run(move |t| {
            let deleted = t.execute(
                "DELETE FROM webhook_deliveries WHERE n IN (
                     SELECT n FROM webhook_deliveries
                     WHERE settled_at IS NOT NULL AND settled_at <
                         CASE state WHEN 'dead' THEN ?2 ELSE ?1 END
                     LIMIT ?3)",
                params![millis(delivered), millis(dead), count(PRUNE_STEP)],
            )?;
            if deleted == PRUNE_STEP {
                return Ok(true);
            }
            let deleted = t.execute(
                "DELETE FROM webhook_deliveries WHERE n IN (
                     SELECT n FROM webhook_deliveries
                     WHERE state = 'delivered' AND n <= (
                         SELECT n FROM webhook_deliveries WHERE state = 'delivered'
                         ORDER BY n DESC LIMIT 1 OFFSET ?1)
                     LIMIT ?2)",
                params![count(most), count(PRUNE_STEP)],
            )?;
            Ok(deleted == PRUNE_STEP)
        })
        .await
    }
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn job(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        n: row.get(0)?,
        sequence: row.get(1)?,
        attempts: row.get(2)?,
    })
}

fn delivery_row(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let state: String = row.get(6)?;
    let settled: Option<i64> = row.get(9)?;
    Ok(Delivery {
        n: row.get(0)?,
        id: row.get(1)?,
        event_id: row.get(2)?,
        sequence: row.get(3)?,
        event: row.get(4)?,
        session: row.get(5)?,
        state: DeliveryState::from_word(&state).unwrap_or(DeliveryState::Dead),
        replay: row.get(7)?,
        created_at: at(8, row.get(8)?)?,
        settled_at: settled.map(|when| at(9, when)).transpose()?,
        attempts: vec![],
    })
}

/// The last attempts at a delivery, oldest first.
fn attempts(t: &Connection, n: i64) -> Result<Vec<Attempt>, StoreError> {
    let mut query = t.prepare_cached(
        "SELECT attempt, at, status, latency_ms, error, answer FROM webhook_attempts
         WHERE delivery = ?1 ORDER BY attempt DESC LIMIT ?2",
    )?;
    let rows = query.query_map(params![n, count(ATTEMPTS_SHOWN)], |row| {
        Ok(Attempt {
            attempt: row.get(0)?,
            at: at(1, row.get(1)?)?,
            status: row.get(2)?,
            latency_ms: row.get::<_, i64>(3)?.unsigned_abs(),
            error: row.get(4)?,
            answer: row.get(5)?,
        })
    })?;
    let mut found: Vec<_> = rows.collect::<Result<_, _>>()?;
    found.reverse();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::webhooks::tests::with_webhook;
    use super::*;

    fn queued(sequence: i64) -> Queued {
        Queued {
            sequence,
            event_id: format!("evt_{sequence}"),
            event: "message".to_owned(),
            session: Some("a".to_owned()),
            lane: "a/1".into(),
        }
    }

    async fn record(store: &Store, n: i64, state: DeliveryState) {
        let attempt = Attempt {
            attempt: 0,
            at: super::super::now(),
            status: Some(200),
            latency_ms: 7,
            error: None,
            answer: "ok".to_owned(),
        };
        let recorded = Recorded { n, attempt, state };
        store.record_attempt(recorded).await.expect("recorded");
    }

    #[tokio::test]
    async fn an_event_is_queued_once_unless_somebody_asks_for_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, webhook) = with_webhook(folder.path()).await;
        let enqueue = |events: Vec<Queued>, cursor| {
            store.enqueue_deliveries(webhook.id.clone(), events, cursor)
        };
        let first = enqueue(vec![queued(6), queued(7)], Some(7)).await;
        assert!(first.expect("queued").iter().all(Option::is_some));
        let again = enqueue(vec![queued(7), queued(8)], Some(8)).await;
        let again = again.expect("queued");
        assert!(again[0].is_none() && again[1].is_some());
        // An older cursor never goes back.
        enqueue(vec![], Some(3)).await.expect("nothing");
        let replay = enqueue(vec![queued(6)], None).await.expect("queued");
        assert!(replay[0].is_some());
        let rows = store.webhooks().await.expect("read");
        assert_eq!(rows[0].cursor, 8);
        let open = store.open_deliveries(webhook.id.clone(), 0, 10).await;
        let open: Vec<_> = open
            .expect("read")
            .iter()
            .map(|(j, _)| j.sequence)
            .collect();
        assert_eq!(open, [6, 7, 8, 6]);
        assert_eq!(
            store
                .webhook_counts(webhook.id)
                .await
                .expect("read")
                .pending,
            4
        );
    }

    #[tokio::test]
    async fn what_ended_is_forgotten_in_time_and_what_is_open_never() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, webhook) = with_webhook(folder.path()).await;
        let events = (6..=11).map(queued).collect();
        let id = webhook.id.clone();
        let places = store.enqueue_deliveries(id.clone(), events, Some(11)).await;
        let places: Vec<i64> = places.expect("queued").into_iter().flatten().collect();
        for n in &places[..4] {
            record(&store, *n, DeliveryState::Delivered).await;
        }
        record(&store, places[4], DeliveryState::Dead).await;
        let left = async || {
            let all = store.deliveries(id.clone(), None, None, 10).await;
            let all = all.expect("read").into_iter().map(|d| d.sequence);
            all.rev().collect::<Vec<_>>()
        };
        let minute = std::time::Duration::from_secs(60);
        let (past, future) = (super::super::now() - minute, super::super::now() + minute);
        let prune = |delivered, dead, most| store.prune_deliveries(delivered, dead, most);
        assert!(!prune(past, past, 100).await.expect("pruned"));
        assert_eq!(left().await, [6, 7, 8, 9, 10, 11]);
        // More of them than shall be kept: the oldest go.
        prune(past, past, 3).await.expect("pruned");
        assert_eq!(left().await, [7, 8, 9, 10, 11]);
        prune(future, past, 100).await.expect("pruned");
        assert_eq!(left().await, [10, 11]);
        prune(future, future, 100).await.expect("pruned");
        assert_eq!(left().await, [11]);
        let orphans = store.run(|t| {
            let count = "SELECT count(*) FROM webhook_attempts";
            Ok(t.query_row(count, [], |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(orphans.await.expect("read"), 0);
        let counts = store.webhook_counts(id.clone()).await.expect("read");
        assert_eq!((counts.delivered, counts.dead, counts.pending), (4, 1, 1));
    }
}
