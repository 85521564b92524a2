//! Webhooks: where events go by HTTP, and how that went.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use zapnode_core::webhook::{
    DeliveryState, NewWebhook, Replay, Retries, RetryPolicy, WebhookChange, WebhookError,
};
use zapnode_core::{Error, SessionId};

use super::messages::moment;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, OptionalJsonBody, ReadQuery, text_in};
use crate::model::{
    DeliveryPage, OneDelivery, OneWebhook, ReplayAnswer, SecretAnswer, TestAnswer, WebhookList,
    WebhookModel,
};

/// How many deliveries a page has if nobody says.
const USUAL_PAGE: usize = 50;
/// And at most.
const LARGEST_PAGE: usize = 200;
/// How long the old secret goes on signing if nobody says: a day.
const USUAL_OVERLAP: u64 = 24 * 3600;

/// Which webhooks.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    session: Option<String>,
}

/// `GET /webhooks`; with `?session=` only those that are told of it.
pub(super) async fn list(
    State(app): State<App>,
    ReadQuery(which): ReadQuery<Which>,
) -> Result<Json<WebhookList>, ApiError> {
    let session = which
        .session
        .map(|text| app.session_id(&text))
        .transpose()?;
    let mut found = app.manager().webhooks().list().await?;
    found.retain(|info| match (&session, &info.webhook.session) {
        (Some(wanted), Some(session)) => wanted == session,
        _ => true,
    });
    let models: Vec<_> = found.iter().map(WebhookModel::masked).collect();
    Ok(Json(models.into()))
}

/// `POST /webhooks`. The answer alone has the secret.
pub(super) async fn create(
    State(app): State<App>,
    body: JsonBody,
) -> Result<(StatusCode, Json<OneWebhook>), ApiError> {
    let url = body.text("url")?.filter(|url| !url.is_empty());
    let new = NewWebhook {
        url: url
            .ok_or_else(|| ApiError::invalid("url is required"))?
            .to_owned(),
        events: body
            .text_list("events")?
            .ok_or_else(|| ApiError::invalid("events is required, as [\"message\"] or [\"*\"]"))?,
        session: session(&app, &body)?,
        headers: headers(&body)?.unwrap_or_default(),
        secret: body.text("secret")?.map(str::to_owned),
        retries: retries(&body, Retries::default())?,
        paused: body.boolean("paused")?.unwrap_or(false),
        ordered: body.boolean("ordered")?,
    };
    let info = app.manager().webhooks().create(new).await?;
    let answer = Json(WebhookModel::whole(&info).into());
    Ok((StatusCode::CREATED, answer))
}

/// `GET /webhooks/{id}`
pub(super) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<OneWebhook>, ApiError> {
    let info = app.manager().webhooks().get(&id).await?;
    Ok(Json(WebhookModel::masked(&info).into()))
}

/// `PATCH /webhooks/{id}`: what is absent stays. `"session": null` means all sessions, and
/// `"paused": false` also turns one on again that was turned off.
pub(super) async fn change(
    State(app): State<App>,
    Path(id): Path<String>,
    body: JsonBody,
) -> Result<Json<OneWebhook>, ApiError> {
    let webhooks = app.manager().webhooks();
    let now = webhooks.get(&id).await?;
    let change = WebhookChange {
        url: body.text("url")?.map(str::to_owned),
        events: body.text_list("events")?,
        session: if body.is_null("session") {
            Some(None)
        } else {
            session(&app, &body)?.map(Some)
        },
        headers: headers(&body)?,
        secret: body.text("secret")?.map(str::to_owned),
        retries: retries(&body, now.webhook.retries)?,
        paused: body.boolean("paused")?,
        ordered: body.boolean("ordered")?,
    };
    let info = webhooks.change(&id, change).await?;
    Ok(Json(WebhookModel::masked(&info).into()))
}

/// `DELETE /webhooks/{id}`: with what waits in its queue.
pub(super) async fn delete(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    app.manager().webhooks().delete(&id).await?;
    Ok(Json(
        serde_json::json!({"success": true, "message": "Webhook deleted successfully"}),
    ))
}

/// `GET /webhooks/{id}/secret`
pub(super) async fn secret(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<SecretAnswer>, ApiError> {
    let info = app.manager().webhooks().get(&id).await?;
    Ok(Json((&info).into()))
}

/// `POST /webhooks/{id}/rotate-secret`. The answer has the new secret; the old one goes on signing
/// for `overlapSeconds`, a day if nobody says.
pub(super) async fn rotate_secret(
    State(app): State<App>,
    Path(id): Path<String>,
    body: OptionalJsonBody,
) -> Result<Json<OneWebhook>, ApiError> {
    let overlap = body.0.whole_number("overlapSeconds")?;
    let overlap = Duration::from_secs(overlap.unwrap_or(USUAL_OVERLAP));
    let info = app.manager().webhooks().rotate_secret(&id, overlap).await?;
    Ok(Json(WebhookModel::whole(&info).into()))
}

/// `POST /webhooks/{id}/test`: sends a made-up event now and answers what came back.
pub(super) async fn test(
    State(app): State<App>,
    Path(id): Path<String>,
    _body: OptionalJsonBody,
) -> Result<Json<TestAnswer>, ApiError> {
    Ok(Json(app.manager().webhooks().test(&id).await?.into()))
}

/// Which deliveries.
#[derive(Debug, Deserialize)]
pub(super) struct Deliveries {
    state: Option<String>,
    cursor: Option<i64>,
    limit: Option<usize>,
}

/// `GET /webhooks/{id}/deliveries`, newest first.
pub(super) async fn deliveries(
    State(app): State<App>,
    Path(id): Path<String>,
    ReadQuery(wanted): ReadQuery<Deliveries>,
) -> Result<Json<DeliveryPage>, ApiError> {
    let state = match wanted.state.as_deref() {
        None => None,
        Some(word) => Some(
            DeliveryState::from_word(word)
                .ok_or_else(|| ApiError::invalid("state must be pending, delivered or dead"))?,
        ),
    };
    let limit = wanted.limit.unwrap_or(USUAL_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(ApiError::invalid(format!(
            "limit must be 1 to {LARGEST_PAGE}"
        )));
    }
    let webhooks = app.manager().webhooks();
    let found = webhooks
        .deliveries(&id, state, wanted.cursor, limit)
        .await?;
    Ok(Json(DeliveryPage::new(found, limit)))
}

/// `POST /webhooks/{id}/deliveries/{delivery}/retry`
pub(super) async fn retry(
    State(app): State<App>,
    Path((id, delivery)): Path<(String, String)>,
    _body: OptionalJsonBody,
) -> Result<(StatusCode, Json<OneDelivery>), ApiError> {
    let delivery = app.manager().webhooks().retry(&id, &delivery).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}

/// `POST /webhooks/{id}/replay` with `{eventId}` or `{from, to}`: moments, in ISO 8601 or in
/// milliseconds since 1970; without `to` until now.
pub(super) async fn replay(
    State(app): State<App>,
    Path(id): Path<String>,
    body: JsonBody,
) -> Result<(StatusCode, Json<ReplayAnswer>), ApiError> {
    let from = time_of(&body, "from")?;
    let to = time_of(&body, "to")?;
    let replay = match (body.text("eventId")?, from) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("give either eventId, or from and to"));
        }
        (Some(event), None) => Replay::Event(event.parse().map_err(
            |error: zapnode_core::event::InvalidEventId| ApiError::invalid(error.to_string()),
        )?),
        (None, Some(from)) => Replay::Between(from, to.unwrap_or_else(OffsetDateTime::now_utc)),
        (None, None) => return Err(ApiError::invalid("eventId, or from (and to), is required")),
    };
    let replayed = app.manager().webhooks().replay(&id, replay).await?;
    Ok((StatusCode::ACCEPTED, Json(replayed.into())))
}

fn time_of(body: &JsonBody, name: &str) -> Result<Option<OffsetDateTime>, ApiError> {
    if let Ok(Some(ms)) = body.whole_number(name) {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
        let at = at.map_err(|_| ApiError::invalid(format!("{name} is no moment there is")))?;
        return Ok(Some(at));
    }
    body.text(name)?.map(moment).transpose()
}

fn session(app: &App, body: &JsonBody) -> Result<Option<SessionId>, ApiError> {
    let text = body.text("session")?;
    text.map(|text| app.session_id(text)).transpose()
}

fn headers(body: &JsonBody) -> Result<Option<BTreeMap<String, String>>, ApiError> {
    let Some(given) = body.object(&["headers"])? else {
        return Ok(None);
    };
    let mut headers = BTreeMap::new();
    for name in given.keys() {
        let value = text_in(given, name)?.unwrap_or_default();
        headers.insert(name.clone(), value.to_owned());
    }
    Ok(Some(headers))
}

/// The retries, if any are given; what is not said is as in `usual`.
fn retries(body: &JsonBody, usual: Retries) -> Result<Option<Retries>, ApiError> {
    let Some(given) = body.object(&["retries"])? else {
        return Ok(None);
    };
    let policy = match text_in(given, "policy")? {
        None => usual.policy,
        Some("constant") => RetryPolicy::Constant,
        Some("linear") => RetryPolicy::Linear,
        Some("exponential") => RetryPolicy::Exponential,
        Some(_) => {
            return Err(ApiError::invalid(
                "retries.policy must be constant, linear or exponential",
            ));
        }
    };
    let attempts = match number(given, "attempts")? {
        None => usual.attempts,
        // What is no whole number is none that is possible either; the core says which are.
        Some(number) if number.fract() == 0.0 && (0.0..=1e6).contains(&number) => number as u32,
        Some(_) => 0,
    };
    let delay_ms = match number(given, "delaySeconds")? {
        None => usual.delay_ms,
        Some(seconds) if (0.0..=1e6).contains(&seconds) => (seconds * 1000.0).round() as u64,
        Some(_) => u64::MAX,
    };
    Ok(Some(Retries {
        policy,
        delay_ms,
        attempts,
    }))
}

fn number(object: &Map<String, Value>, name: &str) -> Result<Option<f64>, ApiError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_f64()
            .map(Some)
            .ok_or_else(|| ApiError::invalid(format!("retries.{name} must be a number"))),
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        let text = error.to_string();
        let of = |status, code| Self::new(status, code, text.clone());
        if error.private_address().is_some() {
            return of(StatusCode::BAD_REQUEST, "private_address").hint(
                "Webhooks go to the public internet only. For receivers in your own network start \
                 with ZAPNODE_ALLOW_PRIVATE_ADDRESSES=true, or name one in ZAPNODE_WEBHOOK_URL.",
            );
        }
        match error {
            WebhookError::NotFound => of(StatusCode::NOT_FOUND, "webhook_not_found")
                .hint("GET /webhooks lists the webhooks there are."),
            WebhookError::Configured => of(StatusCode::CONFLICT, "webhook_configured")
                .hint("Change ZAPNODE_WEBHOOK_URL, _EVENTS and _SECRET, and start again."),
            WebhookError::Limit => of(StatusCode::CONFLICT, "webhook_limit_reached"),
            WebhookError::DeliveryNotFound => of(StatusCode::NOT_FOUND, "delivery_not_found"),
            WebhookError::DeliveryPending => of(StatusCode::CONFLICT, "delivery_pending"),
            WebhookError::EventNotFound => of(StatusCode::NOT_FOUND, "event_not_found")
                .hint("Events are kept for ZAPNODE_EVENTS_DAYS days."),
            WebhookError::EventNotWanted => {
                of(StatusCode::UNPROCESSABLE_ENTITY, "event_not_wanted")
            }
            WebhookError::Overlap => Self::invalid("overlapSeconds must be 0 to 604800"),
            WebhookError::Store(error) => Error::from(error).into(),
            WebhookError::ShuttingDown => Error::ShuttingDown.into(),
            _ => Self::invalid(text),
        }
    }
}
