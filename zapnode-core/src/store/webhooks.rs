//! The table of webhooks. What they are told is in [`super::deliveries`].

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params_from_iter};
use time::OffsetDateTime;

use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError};
use crate::id::SessionId;
use crate::webhook::{Counts, Disabled, Events, Source, Webhook, WebhookSecret};

const COLUMNS: &str = "id, url, events, session, headers, secret, previous_secret, previous_until, \
                       retries, ordered, paused, disabled_reason, disabled_at, source, created_at, \
                       cursor, delivered, dead, failures";

/// A webhook as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct WebhookRow {
    pub(crate) webhook: Webhook,
    pub(crate) cursor: i64,
}

impl Store {
    /// Writes a new webhook, unless there are `most` already.
    pub(crate) async fn insert_webhook(
        &self,
        webhook: Webhook,
        cursor: i64,
        most: usize,
    ) -> Result<bool, StoreError> {
        let values = values(&webhook)?;
        self.run(move |t| {
            let count: i64 = t.query_row("SELECT count(*) FROM webhooks", [], |r| r.get(0))?;
            if usize::try_from(count).is_ok_and(|count| count >= most) {
                return Ok(false);
            }
            let mut all = values;
            all.extend([Value::from(cursor)]);
            t.execute(
                "INSERT INTO webhooks (url, events, session, headers, secret, previous_secret,
                     previous_until, retries, ordered, paused, disabled_reason, disabled_at, source,
                     created_at, id, cursor)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
                params_from_iter(all),
            )?;
            Ok(true)
        })
        .await
    }

    /// Writes a webhook as it is now; its cursor and its counts stay.
    pub(crate) async fn update_webhook(&self, webhook: Webhook) -> Result<(), StoreError> {
        let values = values(&webhook)?;
        self.run(move |t| {
            t.execute(
                "UPDATE webhooks SET url = ?1, events = ?2, session = ?3, headers = ?4,
                     secret = ?5, previous_secret = ?6, previous_until = ?7, retries = ?8,
                     ordered = ?9, paused = ?10, disabled_reason = ?11, disabled_at = ?12,
                     source = ?13, created_at = ?14
                 WHERE id = ?15",
                params_from_iter(values),
            )?;
            Ok(())
        })
        .await
    }

    /// All webhooks, oldest first.
    pub(crate) async fn webhooks(&self) -> Result<Vec<WebhookRow>, StoreError> {
        self.read(|t| {
            let sql = format!("SELECT {COLUMNS} FROM webhooks ORDER BY created_at, id");
            let mut query = t.prepare(&sql)?;
            let rows = query.query_map([], webhook_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// What a webhook has done, and how much it has to do.
    pub(crate) async fn webhook_counts(&self, id: String) -> Result<Counts, StoreError> {
        self.read(move |t| {
            let counts = t
                .query_row(
                    "SELECT delivered, dead, failures,
                         (SELECT count(*) FROM webhook_deliveries
                          WHERE webhook = ?1 AND state = 'pending')
                     FROM webhooks WHERE id = ?1",
                    [&id],
                    |row| {
                        let count = |index| row.get::<_, i64>(index).map(i64::unsigned_abs);
                        Ok(Counts {
                            delivered: count(0)?,
                            dead: count(1)?,
                            failures: count(2)?,
                            pending: count(3)?,
                        })
                    },
                )
                .optional()?;
            Ok(counts.unwrap_or_default())
        })
        .await
    }

    /// Forgets a webhook and all its deliveries.
    pub(crate) async fn delete_webhook(&self, id: String) -> Result<bool, StoreError> {
        self.run(move |t| Ok(t.execute("DELETE FROM webhooks WHERE id = ?1", [&id])? == 1))
            .await
    }
}

/// Everything about a webhook that can change, then what cannot, then its id.
fn values(webhook: &Webhook) -> Result<Vec<Value>, StoreError> {
    let text = |value: &str| Value::from(value.to_owned());
    let (previous, until) = match &webhook.previous {
        Some((secret, until)) => (text(secret.reveal()), Value::from(millis(*until))),
        None => (Value::Null, Value::Null),
    };
    let (reason, disabled_at) = match &webhook.disabled {
        Some(disabled) => (text(&disabled.reason), Value::from(millis(disabled.at))),
        None => (Value::Null, Value::Null),
    };
    let session = webhook.session.as_ref();
    Ok(vec![
        text(webhook.url.as_str()),
        Value::from(json(&webhook.events.names())?),
        session.map_or(Value::Null, |session| text(session.as_str())),
        Value::from(json(&webhook.headers)?),
        text(webhook.secret.reveal()),
        previous,
        until,
        Value::from(json(&webhook.retries)?),
        Value::from(webhook.ordered),
        Value::from(webhook.paused),
        reason,
        disabled_at,
        text(webhook.source.as_str()),
        Value::from(millis(webhook.created_at)),
        text(&webhook.id),
    ])
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    // Names and numbers only: it cannot fail.
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)).into())
}

fn webhook_row(row: &Row<'_>) -> rusqlite::Result<WebhookRow> {
    let url: String = row.get(1)?;
    let names: Vec<String> = from_json(row, 2)?;
    let session: Option<String> = row.get(3)?;
    let previous: Option<String> = row.get(6)?;
    let until: Option<i64> = row.get(7)?;
    let reason: Option<String> = row.get(11)?;
    let disabled_at: Option<i64> = row.get(12)?;
    let source: String = row.get(13)?;
    Ok(WebhookRow {
        webhook: Webhook {
            id: row.get(0)?,
            url: url.parse().map_err(|e| unreadable(1, e))?,
            // A name that there is no more stands for nothing, and is no reason not to start.
            events: Events::stored(&names),
            session: session
                .map(|text| SessionId::new(&text))
                .transpose()
                .map_err(|e| unreadable(3, e))?,
            headers: from_json(row, 4)?,
            secret: WebhookSecret::stored(row.get(5)?),
            previous: match (previous, until) {
                (Some(secret), Some(until)) => Some((WebhookSecret::stored(secret), at(7, until)?)),
                _ => None,
            },
            retries: from_json(row, 8)?,
            ordered: row.get(9)?,
            paused: row.get(10)?,
            disabled: match (reason, disabled_at) {
                (Some(reason), Some(when)) => Some(Disabled {
                    reason,
                    at: at(12, when)?,
                }),
                _ => None,
            },
            source: if source == Source::Environment.as_str() {
                Source::Environment
            } else {
                Source::Api
            },
            created_at: at(14, row.get(14)?)?,
        },
        cursor: row.get(15)?,
    })
}

fn from_json<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let text: String = row.get(index)?;
    serde_json::from_str(&text).map_err(|e| unreadable(index, e))
}

pub(super) fn at(index: usize, millis: i64) -> rusqlite::Result<OffsetDateTime> {
    from_millis(millis).map_err(|e| unreadable(index, e))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::webhook::NewWebhook;

    /// A store with a webhook whose cursor is 5.
    pub(in crate::store) async fn with_webhook(folder: &std::path::Path) -> (Store, Webhook) {
        let store = Store::open(folder).await.expect("opens");
        let new = NewWebhook {
            url: "https://example.com/".to_owned(),
            events: vec!["message".to_owned()],
            ..NewWebhook::default()
        };
        let webhook = Webhook::build(new, super::super::now()).expect("good");
        let inserted = store.insert_webhook(webhook.clone(), 5, 1).await;
        assert!(inserted.expect("written"));
        (store, webhook)
    }

    #[tokio::test]
    async fn a_webhook_comes_back_as_it_was_and_there_are_only_so_many() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, mut webhook) = with_webhook(folder.path()).await;
        let more = store.insert_webhook(webhook.clone(), 5, 1).await;
        assert!(!more.expect("refused"));
        let until = super::super::now() + std::time::Duration::from_secs(60);
        let old = std::mem::replace(&mut webhook.secret, WebhookSecret::random().expect("made"));
        webhook.previous = Some((old, until));
        webhook.disabled = Some(Disabled {
            reason: "gone".to_owned(),
            at: until,
        });
        webhook.headers = [("x-team".to_owned(), "blue".to_owned())].into();
        webhook.session = Some(SessionId::new("a").expect("an id"));
        store.update_webhook(webhook.clone()).await.expect("kept");
        let rows = store.webhooks().await.expect("read");
        assert_eq!((rows.len(), rows[0].cursor), (1, 5));
        assert_eq!(rows[0].webhook, webhook);
        assert!(
            store
                .delete_webhook(webhook.id.clone())
                .await
                .expect("gone")
        );
        assert!(!store.delete_webhook(webhook.id).await.expect("gone"));
    }
}
