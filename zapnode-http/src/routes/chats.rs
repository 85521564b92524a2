//! The account's chats: the list, one, its messages, search, and what is done with one.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use time::OffsetDateTime;
use zapnode_core::chat::{ChatQuery, LARGEST_PAGE, Mute};
use zapnode_core::driver::DriverError;
use zapnode_core::session::MessageSource;
use zapnode_core::{ChatId, Error, SessionId};

use super::messages::moment;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, PathSession, ReadQuery, chat_named};
use crate::model::{ChatList, ChatMessageList, Done, OneChat};

/// How many chats, contacts or messages a page has if nobody says.
const USUAL_PAGE: usize = 50;

/// The session and the chat or person that a path names.
#[derive(Debug)]
pub(super) struct PathChat(pub(super) SessionId, pub(super) ChatId);

impl FromRequestParts<App> for PathChat {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let named = Path::<(String, String)>::from_request_parts(parts, app).await;
        let Path((session, chat)) =
            named.map_err(|_| ApiError::invalid("the path has something that is no text"))?;
        let session = app.session_id(&session)?;
        let chat = chat_named(&chat);
        let chat = chat.ok_or_else(|| {
            ApiError::invalid(
                "a chat is named by a phone number, or by its id as 77@lid or 12@g.us",
            )
        })?;
        Ok(Self(session, chat))
    }
}

/// How large a page shall be.
pub(super) fn page_size(limit: Option<usize>) -> Result<usize, ApiError> {
    match limit.unwrap_or(USUAL_PAGE) {
        limit @ 1..=LARGEST_PAGE => Ok(limit),
        _ => Err(ApiError::invalid(format!(
            "limit must be 1 to {LARGEST_PAGE}"
        ))),
    }
}

/// Reads where a list goes on.
pub(super) fn cursor<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<T>, ApiError> {
    let wrong = |_| ApiError::invalid("cursor must be the nextCursor of an earlier answer");
    text.map(str::parse).transpose().map_err(wrong)
}

/// Words to look for; blank ones are none.
pub(super) fn words(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// Which chats are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    cursor: Option<String>,
    limit: Option<usize>,
    archived: Option<bool>,
    unread: Option<bool>,
    q: Option<String>,
}

impl List {
    fn query(self, pinned_first: bool) -> Result<ChatQuery, ApiError> {
        Ok(ChatQuery {
            archived: self.archived,
            unread: self.unread.unwrap_or_default(),
            words: words(self.q),
            pinned_first,
            after: cursor(self.cursor.as_deref())?,
            limit: page_size(self.limit)?,
        })
    }
}

/// `GET /sessions/{id}/chats`: newest first. Query: `cursor` (of the page before), `limit` (50, at
/// most 200), `archived` (true or false), `unread` (true), `q` (part of a name).
pub(super) async fn list(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(list): ReadQuery<List>,
) -> Result<Json<ChatList>, ApiError> {
    let query = list.query(false)?;
    let page = app.session(&id)?.chats(query).await?;
    Ok(Json(ChatList::new(&id, page)))
}

/// `GET /sessions/{id}/chats/overview`: as a person sees them, pinned ones first and archived ones
/// away unless they are asked for. Query as for the list.
pub(super) async fn overview(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(list): ReadQuery<List>,
) -> Result<Json<ChatList>, ApiError> {
    let mut query = list.query(true)?;
    query.archived.get_or_insert(false);
    let page = app.session(&id)?.chats(query).await?;
    Ok(Json(ChatList::new(&id, page)))
}

/// `GET /sessions/{id}/chats/{chat}`
pub(super) async fn one(
    State(app): State<App>,
    PathChat(id, chat): PathChat,
) -> Result<Json<OneChat>, ApiError> {
    let chat = app.session(&id)?.chat(&chat).await?;
    Ok(Json(OneChat::new(&id, chat)))
}

/// `PATCH /sessions/{id}/chats/{chat}`: `archived`, `pinned` (true or false), `mutedUntil` (a time,
/// `forever`, or `null` to unmute), `unread` (true marks it). What is named is changed, in this
/// order; what is not stays.
pub(super) async fn change(
    State(app): State<App>,
    PathChat(id, chat): PathChat,
    body: JsonBody,
) -> Result<Json<OneChat>, ApiError> {
    let (archived, pinned) = (body.boolean("archived")?, body.boolean("pinned")?);
    let mute = muted(&body)?;
    let unread = match body.boolean("unread")? {
        None | Some(true) => body.has("unread"),
        Some(false) => {
            return Err(ApiError::invalid(
                "unread can only be set; a chat is read by marking it seen",
            ));
        }
    };
    if archived.is_none() && pinned.is_none() && mute.is_none() && !unread {
        return Err(ApiError::invalid(
            "name what is to be changed: archived, pinned, mutedUntil, unread",
        ));
    }
    let session = app.session(&id)?;
    if let Some(on) = archived {
        session.archive_chat(&chat, on).await?;
    }
    if let Some(on) = pinned {
        session.pin_chat(&chat, on).await.map_err(refusal)?;
    }
    if let Some(mute) = mute {
        session.mute_chat(&chat, mute).await?;
    }
    if unread {
        session.mark_chat_unread(&chat).await?;
    }
    let chat = session.chat(&chat).await?;
    Ok(Json(OneChat::new(&id, chat)))
}

/// What the page says no to is no fault of the gateway's.
fn refusal(error: Error) -> ApiError {
    match error {
        Error::Driver(DriverError::Refused { reason, .. }) => {
            ApiError::new(StatusCode::CONFLICT, "refused_by_page", reason)
        }
        other => other.into(),
    }
}

fn muted(body: &JsonBody) -> Result<Option<Option<Mute>>, ApiError> {
    if body.is_null("mutedUntil") {
        return Ok(Some(None));
    }
    let Some(text) = body.text("mutedUntil")? else {
        return Ok(None);
    };
    if text == "forever" {
        return Ok(Some(Some(Mute::Forever)));
    }
    let until = moment(text)?;
    if until <= OffsetDateTime::now_utc() {
        return Err(ApiError::invalid(
            "mutedUntil must be a time to come, forever, or null",
        ));
    }
    Ok(Some(Some(Mute::Until(until))))
}

/// `DELETE /sessions/{id}/chats/{chat}`: removes it with its messages on the account's devices.
pub(super) async fn delete(
    State(app): State<App>,
    PathChat(id, chat): PathChat,
) -> Result<Json<Done>, ApiError> {
    app.session(&id)?.delete_chat(&chat).await?;
    Ok(Json(Done::new(format!("Chat {chat} deleted"))))
}

/// Whether messages with a star stay.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Clear {
    keep_starred: Option<bool>,
}

/// `DELETE /sessions/{id}/chats/{chat}/messages`: removes its messages on the account's devices.
/// Query: `keepStarred` (true).
pub(super) async fn clear(
    State(app): State<App>,
    PathChat(id, chat): PathChat,
    ReadQuery(query): ReadQuery<Clear>,
) -> Result<Json<Done>, ApiError> {
    let keep_starred = query.keep_starred.unwrap_or_default();
    app.session(&id)?.clear_chat(&chat, keep_starred).await?;
    Ok(Json(Done::new(format!("Chat {chat} cleared"))))
}

/// Which messages are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    cursor: Option<String>,
    limit: Option<usize>,
    source: Option<String>,
    chat: Option<String>,
    q: Option<String>,
}

impl Wanted {
    fn source(&self) -> Result<MessageSource, ApiError> {
        match self.source.as_deref() {
            None | Some("both") => Ok(MessageSource::Both),
            Some("page") => Ok(MessageSource::Page),
            Some("store") => Ok(MessageSource::Store),
            Some(_) => Err(ApiError::invalid("source must be both, page or store")),
        }
    }
}

/// `GET /sessions/{id}/chats/{chat}/messages`: newest first, from the session's page and from the
/// store, each once. Query: `cursor` (of the page before), `limit` (50, at most 200), `source`
/// (`both`, `page`, `store`). A page may be shorter than `limit` and have a `nextCursor` all the same.
pub(super) async fn messages(
    State(app): State<App>,
    PathChat(id, chat): PathChat,
    ReadQuery(wanted): ReadQuery<Wanted>,
) -> Result<Json<ChatMessageList>, ApiError> {
    let (source, limit) = (wanted.source()?, page_size(wanted.limit)?);
    let after = cursor(wanted.cursor.as_deref())?;
    let session = app.session(&id)?;
    let history = session.chat_messages(&chat, source, after, limit).await?;
    Ok(Json(ChatMessageList::new(&id, history)))
}

/// `GET /sessions/{id}/search`: messages with words in them, newest first. Query: `q`, `chat`,
/// `limit` (50, at most 200), `source` (`both`, `page`, `store`).
pub(super) async fn search(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(wanted): ReadQuery<Wanted>,
) -> Result<Json<ChatMessageList>, ApiError> {
    let (source, limit) = (wanted.source()?, page_size(wanted.limit)?);
    let q = words(wanted.q).ok_or_else(|| ApiError::invalid("q is required: the words"))?;
    let chat = match wanted.chat.as_deref() {
        None => None,
        Some(text) => Some(
            chat_named(text)
                .ok_or_else(|| ApiError::invalid("chat must be a chat id or a number"))?,
        ),
    };
    let session = app.session(&id)?;
    let found = session.search(&q, chat.as_ref(), source, limit).await?;
    Ok(Json(ChatMessageList::new(&id, found)))
}
