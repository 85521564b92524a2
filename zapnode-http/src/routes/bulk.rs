//! One text to many people.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use ulid::Ulid;
use zapnode_core::Error;
use zapnode_core::bulk::{BulkJob, BulkRecipient, NewBulk};

use super::messages::{LONGEST_WAIT_MS, idempotency_key, moment, page_limit, state_of};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{BulkBody, JsonBody, OptionalJsonBody, PathSession, ReadQuery};
use crate::model::{BulkPage, MessagePage, OneBulk};

/// How long a look waits for news if nobody says, in milliseconds.
const USUAL_WAIT_MS: u64 = 30_000;

/// `POST /sessions/{id}/messages/bulk`: one text, with each recipient's fields in it, to up to
/// 10,000 people. Everything is checked before anything is accepted. With `region`, national numbers are
/// completed. Header `Idempotency-Key`.
pub(super) async fn create(
    State(app): State<App>,
    PathSession(id): PathSession,
    headers: HeaderMap,
    BulkBody(body): BulkBody,
) -> Result<Response, ApiError> {
    let mut recipients = recipients(&body)?;
    if let Some(region) = body.region()?.or(app.options().region) {
        for recipient in &mut recipients {
            if let Some(digits) = region.complete(&recipient.to) {
                recipient.to = digits;
            }
        }
    }
    let new = NewBulk {
        recipients,
        template: body
            .text("template")?
            .ok_or_else(|| ApiError::invalid("template and recipients are required"))?
            .to_owned(),
        name: body.text("name")?.map(str::to_owned),
        paced: body.boolean("paced")?.unwrap_or(true),
        send_at: body.text("sendAt")?.map(moment).transpose()?,
        skip_invalid: body.boolean("skipInvalid")?.unwrap_or(false),
        idempotency_key: idempotency_key(&headers)?,
    };
    let submitted = app.sender(&id)?.submit_bulk(new).await?;
    let pace = app.pace_of(&submitted.job);
    let answer = OneBulk::submitted(submitted, &pace);
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

/// A recipient is an object with `to` and `fields`, or just a number.
fn recipients(body: &JsonBody) -> Result<Vec<BulkRecipient>, ApiError> {
    let missing = || ApiError::invalid("template and recipients are required");
    let list = body.array("recipients")?.ok_or_else(missing)?;
    let read = |(index, value): (usize, &Value)| {
        recipient(value).map_err(|what| ApiError::invalid(format!("recipients[{index}]: {what}")))
    };
    list.iter().enumerate().map(read).collect()
}

fn recipient(value: &Value) -> Result<BulkRecipient, &'static str> {
    let Some(object) = value.as_object() else {
        return number(value).map(BulkRecipient::from);
    };
    let to = number(object.get("to").unwrap_or(&Value::Null))?;
    let fields = match object.get("fields") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(fields)) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| Ok((name.clone(), plain(value)?)))
            .collect::<Result<_, &'static str>>()?,
        Some(_) => return Err("fields must be an object"),
    };
    Ok(BulkRecipient { to, fields })
}

/// A number as text; sloppy clients send it as a number.
fn number(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if number.is_u64() => Ok(number.to_string()),
        _ => Err("it must be a number as text, or an object with to and fields"),
    }
}

fn plain(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(value) => Ok(value.to_string()),
        _ => Err("a field must be a text, a number, true or false"),
    }
}

/// Which jobs are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    cursor: Option<String>,
    limit: Option<usize>,
    session: Option<String>,
}

/// `GET /bulk`: all jobs, newest first. Query: `cursor` (of the page before), `limit` (50, at most
/// 500), `session`.
pub(super) async fn list(
    State(app): State<App>,
    ReadQuery(query): ReadQuery<List>,
) -> Result<Json<BulkPage>, ApiError> {
    let limit = page_limit(query.limit)?;
    let before = query.cursor.as_deref().map(|cursor| {
        Ulid::from_string(cursor)
            .map_err(|_| ApiError::invalid("cursor must be the nextCursor of an earlier page"))
    });
    let session = query.session.as_deref().map(|id| app.session_id(id));
    let jobs = app.manager().bulk_jobs();
    let jobs = jobs.list(session.transpose()?, before.transpose()?, limit);
    let jobs = jobs.await?.into_iter();
    let jobs = jobs.map(|job| {
        let pace = app.pace_of(&job);
        (job, pace)
    });
    Ok(Json(BulkPage::new(jobs.collect(), limit)))
}

/// Waiting for news.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wait {
    newer_than: Option<u64>,
    timeout_ms: Option<u64>,
}

/// `GET /bulk/{id}`; with `?newerThan=<generation>` the answer waits until the job has changed from
/// that, at most `timeoutMs`, and is then the job as it is.
pub(super) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
    ReadQuery(wait): ReadQuery<Wait>,
) -> Result<Json<OneBulk>, ApiError> {
    let timeout = wait.timeout_ms.unwrap_or(USUAL_WAIT_MS);
    if timeout > LONGEST_WAIT_MS {
        return Err(ApiError::invalid(format!(
            "timeoutMs must be at most {LONGEST_WAIT_MS}"
        )));
    }
    let (id, jobs) = (job_id(&id)?, app.manager().bulk_jobs());
    let job = match wait.newer_than {
        None => jobs.get(id).await?,
        Some(seen) => tokio::select! {
            job = jobs.changed(id, seen, Duration::from_millis(timeout)) => job?,
            () = app.stopping().cancelled() => jobs.get(id).await?,
        },
    };
    Ok(Json(shown(&app, job)))
}

/// Which messages of a job are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Messages {
    cursor: Option<i64>,
    limit: Option<usize>,
    state: Option<String>,
}

/// `GET /bulk/{id}/messages`: a job's messages, newest first. Query: `cursor`, `limit` (50, at most
/// 500), `state`.
pub(super) async fn messages(
    State(app): State<App>,
    Path(id): Path<String>,
    ReadQuery(query): ReadQuery<Messages>,
) -> Result<Json<MessagePage>, ApiError> {
    let limit = page_limit(query.limit)?;
    let state = query.state.as_deref().map(state_of).transpose()?;
    let (id, jobs) = (job_id(&id)?, app.manager().bulk_jobs());
    let messages = jobs.messages(id, query.cursor, state, limit).await?;
    let waits = match app.session(&jobs.get(id).await?.session) {
        Ok(session) => session.waits(&messages).await?,
        // Its session is gone, and nothing of it waits.
        Err(_) => messages.iter().map(|_| None).collect(),
    };
    Ok(Json(MessagePage::new(messages, waits, limit)))
}

/// `POST /bulk/{id}/pause`: holds what is queued. May be asked again.
pub(super) async fn pause(
    State(app): State<App>,
    Path(id): Path<String>,
    _: OptionalJsonBody,
) -> Result<Json<OneBulk>, ApiError> {
    let job = app.manager().bulk_jobs().pause(job_id(&id)?).await?;
    Ok(Json(shown(&app, job)))
}

/// `POST /bulk/{id}/resume`: goes on. May be asked again.
pub(super) async fn resume(
    State(app): State<App>,
    Path(id): Path<String>,
    _: OptionalJsonBody,
) -> Result<Json<OneBulk>, ApiError> {
    let job = app.manager().bulk_jobs().resume(job_id(&id)?).await?;
    Ok(Json(shown(&app, job)))
}

/// `POST /bulk/{id}/cancel`: takes back what is queued, and says how many messages that were. May be
/// asked again.
pub(super) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
    _: OptionalJsonBody,
) -> Result<Json<OneBulk>, ApiError> {
    let (job, taken) = app.manager().bulk_jobs().cancel(job_id(&id)?).await?;
    let pace = app.pace_of(&job);
    Ok(Json(OneBulk::cancelled(job, taken, &pace)))
}

fn shown(app: &App, job: BulkJob) -> OneBulk {
    let pace = app.pace_of(&job);
    OneBulk::new(job, &pace)
}

fn job_id(text: &str) -> Result<Ulid, ApiError> {
    Ok(Ulid::from_string(text).map_err(|_| Error::BulkNotFound)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn recipients_are_numbers_or_objects() {
        for (value, to, fields) in [
            (json!("5511900000001"), "5511900000001", &[][..]),
            (json!(5_511_900_000_001_u64), "5511900000001", &[]),
            (json!({"to": "+55 11"}), "+55 11", &[]),
            (
                json!({"to": "1", "fields": {"a": "x", "b": 1.5, "c": true, "d": null}}),
                "1",
                &[("a", "x"), ("b", "1.5"), ("c", "true")],
            ),
        ] {
            let read = recipient(&value).expect("a recipient");
            let found: Vec<_> = read.fields.iter().map(|(n, v)| (&**n, &**v)).collect();
            assert_eq!((read.to.as_str(), found.as_slice()), (to, fields));
        }
        for value in [
            json!(null),
            json!([]),
            json!({}),
            json!({"fields": {}}),
            json!(-1),
            json!(1.5),
            json!({"to": "1", "fields": []}),
            json!({"to": "1", "fields": {"a": {}}}),
        ] {
            assert!(recipient(&value).is_err(), "{value}");
        }
    }
}
