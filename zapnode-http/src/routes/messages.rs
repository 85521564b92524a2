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
use zapnode_core::outbox::{MessageFilter, MessageState, NewMessage, Submitted};
use zapnode_core::session::MAX_TEXT_CHARACTERS;
use zapnode_core::{ChatId, Error, MessageId, SessionId};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession, ReadQuery, recipient};
use crate::model::{MessagePage, OneMessage, Sent, state_from};

/// The longest an answer may wait for a state, in milliseconds: proxies give up later.
const LONGEST_WAIT_MS: u64 = 60_000;
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
        let key = headers.get("idempotency-key").map(|key| key.to_str());
        let key = key
            .transpose()
            .map_err(|_| ApiError::invalid("Idempotency-Key must be plain ASCII"))?;
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
            key: key.map(str::to_owned),
            goal,
            wait,
            send_at,
        })
    }
}

/// `POST /sessions/{id}/send`
pub(super) async fn send(
    State(app): State<App>,
    PathSession(id): PathSession,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let missing = "phoneNumber and message are required";
    let (to, text) = number_and_message(&body, missing)?;
    let wish = Wish::read(&headers, &body, app.options().send_wait)?;
    send_text(&app, id, to, text, wish).await
}

/// Takes `phoneNumber` and `message` out of a body; empty ones are as good as missing.
pub(super) fn number_and_message<'a>(
    body: &'a JsonBody,
    missing: &'static str,
) -> Result<(String, &'a str), ApiError> {
    let to = body.phone_text("phoneNumber")?.filter(|to| !to.is_empty());
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
    // The core would refuse them too, but only once the session is ready: what can never be right
    // is told first.
    if text.chars().nth(MAX_TEXT_CHARACTERS).is_some() {
        return Err(ApiError::invalid(format!(
            "message has more than {MAX_TEXT_CHARACTERS} characters"
        )));
    }
    if text.trim().is_empty() {
        return Err(ApiError::invalid("message is empty"));
    }
    let new = NewMessage {
        to: recipient(&to)?,
        text: text.to_owned(),
        send_at: wish.send_at,
        idempotency_key: wish.key,
    };
    let session = app.sender(&id)?;
    let Submitted { message, repeated } =
        session.submit_and_wait(new, wish.goal, wish.wait).await?;
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
        let chat = self.chat.as_deref().map(|chat| {
            let named = ChatId::new(chat).ok();
            named.or_else(|| match recipient(chat) {
                Ok(zapnode_core::message::Recipient::Phone(phone)) => Some(ChatId::from(&phone)),
                _ => None,
            })
        });
        let state = self.state.as_deref().map(MessageState::from_word);
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
            state: match state {
                Some(None) => {
                    return Err(ApiError::invalid(
                        "state must be queued, sending, sent, delivered, read, failed, cancelled or received",
                    ));
                }
                known => known.flatten(),
            },
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
    let limit = query.limit.unwrap_or(USUAL_PAGE);
    if !(1..=LARGEST_PAGE).contains(&limit) {
        return Err(ApiError::invalid(format!(
            "limit must be 1 to {LARGEST_PAGE}"
        )));
    }
    let filter = query.filter()?;
    let messages = app.session(&id)?.messages(filter, limit).await?;
    Ok(Json(MessagePage::new(messages, limit)))
}

/// `GET /messages/{id}`, by our own id or by WhatsApp's whole key.
pub(super) async fn one(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<OneMessage>, ApiError> {
    let found = if let Ok(id) = Ulid::from_string(&id) {
        app.manager().message(id).await?
    } else {
        let id = MessageId::new(&id).map_err(|_| Error::MessageNotFound)?;
        app.manager().message_by_key(id).await?
    };
    Ok(Json(found.into()))
}

/// `DELETE /messages/{id}`: takes back one that has not been handed to WhatsApp.
pub(super) async fn cancel(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<OneMessage>, ApiError> {
    let id = Ulid::from_string(&id).map_err(|_| Error::MessageNotFound)?;
    let message = app.manager().message(id).await?;
    let session = app.session(&message.session)?;
    Ok(Json(session.cancel(id).await?.into()))
}

pub(super) fn moment(text: &str) -> Result<OffsetDateTime, ApiError> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| ApiError::invalid("a time must read like 2025-10-15T10:00:00Z"))
}
