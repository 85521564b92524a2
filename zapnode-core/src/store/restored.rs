//! What a store from a backup must not do again.
//!
//! After the backup was made the store it came from went on, as far as anybody can know: it sent
//! what was open, told its readers, and numbered new events. Nobody is to get a message twice, no
//! receiver an event twice, and no reader's cursor is to stand for another event than it did.

use rusqlite::{Connection, Transaction, params};
use time::OffsetDateTime;

use super::messages::{COLUMNS as MESSAGE, read, write_progress};
use super::sessions::millis;
use super::{StoreError, events, now};
use crate::outbox::{Failure, FailureCode, Message, MessageState};

/// The longest time that counts as passed since a backup: clocks can be wrong. Milliseconds.
const LONGEST_AGE: i64 = 20 * 365 * 24 * 3600 * 1000;

/// What was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// Messages that were to be sent.
    pub(crate) messages: usize,
    /// Events that webhooks were to be told.
    pub(crate) deliveries: usize,
}

/// Gives up whatever may have been done after the backup was made.
///
/// - What was to be sent has failed, and that is told, unless its time has not come yet.
/// - What webhooks were to be told is dead; it can be asked for once more. They and the bridges to
///   Chatwoot go on with what happens from now on.
/// - Events are numbered on from where the other store cannot have come: one for each millisecond
///   that has passed since.
pub(crate) fn give_up(t: &Transaction<'_>, made_at: OffsetDateTime) -> Result<GivenUp, StoreError> {
    number_on(t, made_at)?;
    let deliveries = end_deliveries(t)?;
    skip_to_the_end(t)?;
    let messages = fail_open(t)?;
    Ok(GivenUp {
        messages,
        deliveries,
    })
}

/// Goes on where the backup was made, as if no time had passed. The profile is a little newer than
/// the store: it may have what the store has not sent yet, and is asked for it first.
pub(crate) fn go_on(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE messages SET attempted_at = created_at
         WHERE state IN ('queued', 'sending') AND attempted_at IS NULL
           AND (send_at IS NULL OR send_at <= ?1)",
        [millis(now())],
    )?;
    Ok(())
}

fn number_on(t: &Transaction<'_>, made_at: OffsetDateTime) -> Result<(), StoreError> {
    let passed = millis(now()).saturating_sub(millis(made_at));
    let next = events::newest(t)? + passed.clamp(1, LONGEST_AGE);
    let set = t.execute(
        "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'events'",
        [next],
    )?;
    if set == 0 {
        t.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?1)",
            [next],
        )?;
    }
    Ok(())
}

fn end_deliveries(t: &Transaction<'_>) -> Result<usize, StoreError> {
    let now = millis(now());
    t.execute(
        "INSERT INTO webhook_attempts (delivery, attempt, at, latency_ms, error, answer)
         SELECT n, (SELECT ifnull(max(attempt), 0) + 1 FROM webhook_attempts WHERE delivery = n),
                ?1, 0, 'restored',
                'it was not delivered when the backup was made; whether it was later cannot be known'
         FROM webhook_deliveries WHERE state = 'pending'",
        [now],
    )?;
    t.execute(
        "UPDATE webhooks SET dead = dead + (SELECT count(*) FROM webhook_deliveries
                                            WHERE webhook = webhooks.id AND state = 'pending')",
        [],
    )?;
    Ok(t.execute(
        "UPDATE webhook_deliveries SET state = 'dead', settled_at = ?1 WHERE state = 'pending'",
        [now],
    )?)
}

/// The readers of the log that are in this store begin with what comes next. What Chatwoot's
/// agents had asked for was asked of the other store.
fn skip_to_the_end(t: &Transaction<'_>) -> Result<(), StoreError> {
    let newest = events::newest(t)?;
    t.execute("UPDATE webhooks SET cursor = ?1", [newest])?;
    t.execute("UPDATE chatwoot_bridges SET cursor = ?1", [newest])?;
    t.execute("UPDATE chatwoot_calls SET done = 1 WHERE done = 0", [])?;
    Ok(())
}

fn fail_open(t: &Transaction<'_>) -> Result<usize, StoreError> {
    let now = now();
    let open: Vec<Message> = {
        let mut query = t.prepare(&format!(
            "SELECT {MESSAGE} FROM messages
             WHERE state IN ('queued', 'sending') AND (send_at IS NULL OR send_at <= ?1)
             ORDER BY seq"
        ))?;
        let rows = query.query_map(params![millis(now)], read)?;
        rows.collect::<Result<_, _>>()?
    };
    for before in &open {
        let mut after = before.clone();
        after.state = MessageState::Failed;
        after.failure = Some(Failure {
            code: FailureCode::Restored,
            detail: "it was not sent when the backup was made; whether it was sent later cannot \
                     be known"
                .to_owned(),
        });
        after.updated_at = now;
        write_progress(t, &after)?;
        events::message_progressed(t, before, &after)?;
    }
    Ok(open.len())
}
