//! Sending, and what became of it.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use ulid::Ulid;
use zapnode_core::outbox::{Message, MessageFilter, MessageState, NewMessage, Submitted};
use zapnode_core::session::MAX_TEXT_CHARACTERS;
use zapnode_core::{Error, MessageId, SessionId};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession, ReadQuery, chat_named, recipient};
use crate::model::{MessagePage, OneMessage, QueueAnswer, Sent, state_from};

/// The longest an answer may wait for a state, in milliseconds: proxies give up later.
pub(super) const LONGEST_WAIT_MS: u64 = 60_000;
/// How many messages a page has if nobody says.
const USUAL_PAGE: usize = 50;
/// And at most.
const LARGEST_PAGE: usize = 500;

/// What a caller wants of a send besides the message.
pub(super) struct Wish {
    /// Makes repeating the call harmless.
    pub(super) key: Option<String>,
    /// What the answer waits for.
    pub(super) goal: MessageState,
    /// And how long.
    pub(super) wait: Duration,
    /// Not before this time.
    pub(super) send_at: Option<OffsetDateTime>,
}

impl Wish {
    /// Reads the header `Idempotency-Key` and the fields `waitFor`, `timeoutMs` and `sendAt`, none
    /// of which the contract knows.
    ///
    /// # Errors
    /// 400 for values that are not possible.
    pub(super) fn read(
        headers: &HeaderMap,
        body: &JsonBody,
        usual_wait: Duration,
    ) -> Result<Self, ApiError> {
        let goal = match body.text("waitFor")? {
            None => MessageState::Sent,
            Some(word) => match state_from(word) {
                Some(
                    goal @ (MessageState::Queued
                    | MessageState::Sent
                    | MessageState::Delivered
                    | MessageState::Read),
                ) => goal,
                _ => {
                    return Err(ApiError::invalid(
                        "waitFor must be accepted, sent, delivered or read",
                    ));
                }
            },
        };
        let wait = match body.whole_number("timeoutMs")? {
            None => usual_wait,
            Some(ms @ 0..=LONGEST_WAIT_MS) => Duration::from_millis(ms),
            Some(_) => {
                return Err(ApiError::invalid(format!(
                    "timeoutMs must be at most {LONGEST_WAIT_MS}"
                )));
            }
        };
        let send_at = body.text("sendAt")?.map(moment).transpose()?;
        Ok(Self {
            key: idempotency_key(headers)?,
            goal,
            wait,
            send_at,
        })
    }
}

/// Reads the header `Idempotency-Key`.
///
/// # Errors
/// 400 for one that is no plain text.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let key = headers.get("idempotency-key").map(|key| key.to_str());
    let key = key
        .transpose()
        .map_err(|_| ApiError::invalid("Idempotency-Key must be plain ASCII"))?;
    Ok(key.map(str::to_owned))
}

/// `POST /sessions/{id}/send`
pub(super) async fn send(
    State(app): State<App>,
    PathSession(id): PathSession,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let missing = "phoneNumber and message are required";
    let (to, text) = number_and_message(&body, "phoneNumber", missing)?;
    let wish = Wish::read(&headers, &body, app.options().send_wait)?;
    send_text(&app, id, to, text, wish).await
}

/// Takes the number, which is in `field`, and `message` out of a body; empty ones are as good as
/// missing.
pub(super) fn number_and_message<'a>(
    body: &'a JsonBody,
    field: &str,
    missing: &'static str,
) -> Result<(String, &'a str), ApiError> {
    let to = body.phone_text(field)?.filter(|to| !to.is_empty());
    let text = body.text("message")?.filter(|text| !text.is_empty());
    match (to, text) {
        (Some(to), Some(text)) => Ok((to, text)),
        _ => Err(ApiError::invalid(missing)),
    }
}

/// Sends, and answers as the contract has it. `to` is echoed as it was given.
pub(super) async fn send_text(
    app: &App,
    id: SessionId,
    to: String,
    text: &str,
    wish: Wish,
) -> Result<Response, ApiError> {
    let (goal, wait) = (wish.goal, wish.wait);
    let new = checked(&to, text, wish)?;
    let session = app.sender(&id)?;
    answer(to, session.submit_and_wait(new, goal, wait).await?)
}

/// The message that is asked for. The core would refuse a wrong one too, but only once the session
/// is ready: what can never be right is told first.
///
/// # Errors
/// What is wrong with it, as a bad request.
pub(super) fn checked(to: &str, text: &str, wish: Wish) -> Result<NewMessage, ApiError> {
    if text.chars().nth(MAX_TEXT_CHARACTERS).is_some() {
        return Err(ApiError::invalid(format!(
            "message has more than {MAX_TEXT_CHARACTERS} characters"
        )));
    }
    if text.trim().is_empty() {
        return Err(ApiError::invalid("message is empty"));
    }
    Ok(NewMessage {
        send_at: wish.send_at,
        idempotency_key: wish.key,
        ..NewMessage::text(recipient(to)?, text)
    })
}

/// The contract's answer to a send. `to` is echoed as it was given.
///
/// # Errors
/// Why the message failed, if it did.
pub(super) fn answer(to: String, submitted: Submitted) -> Result<Response, ApiError> {
    let Submitted { message, repeated } = submitted;
    if let Some(failure) = message.failure {
        let id = message.id;
        return Err(Error::SendFailed { id, failure }.into());
    }
    let sent = Sent::new(to, &message, repeated);
    let status = if sent.is_on_its_way() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(sent)).into_response())
}

/// Which messages are wanted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Query {
    cursor: Option<i64>,
    limit: Option<usize>,
    chat: Option<String>,
    state: Option<String>,
    direction: Option<String>,
    since: Option<String>,
    until: Option<String>,
    q: Option<String>,
}

impl Query {
    fn filter(&self) -> Result<MessageFilter, ApiError> {
        let chat = self.chat.as_deref().map(chat_named);
        let state = self.state.as_deref().map(state_of).transpose()?;
        let from_me = match self.direction.as_deref() {
            None => None,
            Some("out") => Some(true),
            Some("in") => Some(false),
            Some(_) => return Err(ApiError::invalid("direction must be in or out")),
        };
        Ok(MessageFilter {
            before: self.cursor,
            chat: match chat {
                Some(None) => return Err(ApiError::invalid("chat must be a chat id or a number")),
                known => known.flatten(),
            },
            state,
            from_me,
            since: self.since.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
            words: self.q.clone().filter(|words| !words.trim().is_empty()),
        })
    }
}

/// `GET /sessions/{id}/messages`: both directions, newest first. Query: `cursor` (of the page
/// before), `limit` (50, at most 500), `chat`, `state`, `direction` (`in`, `out`), `since`,
/// `until` (ISO 8601), `q` (words).
pub(super) async fn history(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(query): ReadQuery<Query>,
) -> Result<Json<MessagePage>, ApiError> {
    let limit = page_limit(query.limit)?;
    let filter = query.filter()?;
    let session = app.session(&id)?;
    let messages = session.messages(filter, limit).await?;
    let waits = session.waits(&messages).await?;
    Ok(Json(MessagePage::new(messages, waits, limit)))
}

/// How much of a queue is wanted.
#[derive(Debug, Deserialize)]
pub(super) struct QueueQuery {
    limit: Option<usize>,
}

/// `GET /sessions/{id}/queue`: how many messages are where, whether all of them wait and for what,
/// and the first `limit` (50, at most 500) that are not sent, oldest first.
pub(super) async fn queue(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(query): ReadQuery<QueueQuery>,
) -> Result<Json<QueueAnswer>, ApiError> {
    let limit = page_limit(query.limit)?;
    let view = app.session(&id)?.queue(limit).await?;
    Ok(Json(QueueAnswer::new(id, view)))
}

/// The message that a path names: by our own id, or by WhatsApp's whole key.
///
/// # Errors
/// 404 when it names none.
pub(super) async fn named(app: &App, id: &str) -> Result<Message, ApiError> {
    if let Ok(id) = Ulid::from_string(id) {
        return Ok(app.manager().message(id).await?);
    }
    let id = MessageId::new(id).map_err(|_| Error::MessageNotFound)?;
    Ok(app.manager().message_by_key(id).await?)
}

/// `GET /messages/{id}`, by our own id or by WhatsApp's whole key.
pub(super) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<OneMessage>, ApiError> {
    let found = named(&app, &id).await?;
    // The message of a session that is gone waits for nothing.
    let wait = match app.session(&found.session) {
        Ok(session) => {
            let waits = session.waits(std::slice::from_ref(&found)).await;
            waits.ok().and_then(|mut waits| waits.pop().flatten())
        }
        Err(_) => None,
    };
    Ok(Json(OneMessage::new(found, wait)))
}

/// Reads how many a page shall have.
///
/// # Errors
/// 400 for none or too many.
pub(super) fn page_limit(asked: Option<usize>) -> Result<usize, ApiError> {
    match asked.unwrap_or(USUAL_PAGE) {
        limit @ 1..=LARGEST_PAGE => Ok(limit),
        _ => Err(ApiError::invalid(format!(
            "limit must be 1 to {LARGEST_PAGE}"
        ))),
    }
}

/// Reads a message's state.
///
/// # Errors
/// 400 for a word that is none.
pub(super) fn state_of(word: &str) -> Result<MessageState, ApiError> {
    MessageState::from_word(word).ok_or_else(|| {
        ApiError::invalid(
            "state must be queued, sending, sent, delivered, read, failed, cancelled or received",
        )
    })
}

/// Reads a moment.
///
/// # Errors
/// 400 for a text that is none.
pub(super) fn moment(text: &str) -> Result<OffsetDateTime, ApiError> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| ApiError::invalid("a time must read like 2025-10-15T10:00:00Z"))
}
