//! People: contacts, who has a number, pictures, blocking; the own profile; calls.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Limited};
use serde::Deserialize;
use zapnode_core::contact::{
    ContactQuery, InvalidProfile, MAX_PICTURE_BYTES, MOST_NUMBERS, Picture, ProfileChange,
};
use zapnode_core::{ChatId, PhoneNumber};

use super::chats::{PathChat, cursor, page_size, words};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, OptionalJsonBody, PathSession, ReadQuery, chat_named};
use crate::model::{
    AboutAnswer, BlockedList, BusinessAnswer, ContactList, Done, LidList, NumberModel,
    NumbersAnswer, OneContact, OneLid, PictureAnswer, ProfileAnswer,
};

/// How old an answer of WhatsApp's may be if nobody says: a day.
const USUAL_AGE: u64 = 24 * 3600;

/// And at most: 90 days.
const LARGEST_AGE: u64 = 90 * 24 * 3600;

/// How long a picture may take to arrive.
const PICTURE_WITHIN: Duration = Duration::from_secs(60);

/// Which contacts are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    cursor: Option<String>,
    limit: Option<usize>,
    mine: Option<bool>,
    q: Option<String>,
}

/// `GET /sessions/{id}/contacts`: by name. Query: `cursor` (of the page before), `limit` (50, at
/// most 200), `mine` (true: only those in the phone's address book), `q` (part of a name or number).
pub(super) async fn list(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(list): ReadQuery<List>,
) -> Result<Json<ContactList>, ApiError> {
    let query = ContactQuery {
        words: words(list.q),
        mine: list.mine.unwrap_or_default(),
        after: cursor(list.cursor.as_deref())?,
        limit: page_size(list.limit)?,
    };
    Ok(Json(app.session(&id)?.contacts(query).await?.into()))
}

/// `GET /sessions/{id}/contacts/{contact}`, by number or LID.
pub(super) async fn one(
    State(app): State<App>,
    PathChat(id, contact): PathChat,
) -> Result<Json<OneContact>, ApiError> {
    Ok(Json(app.session(&id)?.contact(&contact).await?.into()))
}

/// `GET /sessions/{id}/contacts/{contact}/about`
pub(super) async fn about(
    State(app): State<App>,
    PathChat(id, contact): PathChat,
) -> Result<Json<AboutAnswer>, ApiError> {
    let about = app.session(&id)?.about(&contact).await?;
    Ok(Json(AboutAnswer {
        success: true,
        about,
    }))
}

/// `GET /sessions/{id}/contacts/{contact}/picture`, also of a group.
pub(super) async fn picture(
    State(app): State<App>,
    PathChat(id, contact): PathChat,
) -> Result<Json<PictureAnswer>, ApiError> {
    let url = app.session(&id)?.picture(&contact).await?;
    Ok(Json(PictureAnswer { success: true, url }))
}

/// `GET /sessions/{id}/contacts/{contact}/business`
pub(super) async fn business(
    State(app): State<App>,
    PathChat(id, contact): PathChat,
) -> Result<Json<BusinessAnswer>, ApiError> {
    let business = app.session(&id)?.business_profile(&contact).await?;
    Ok(Json(BusinessAnswer {
        success: true,
        business,
    }))
}

/// `PUT /sessions/{id}/contacts/{contact}/block`. May be asked again.
pub(super) async fn block(
    State(app): State<App>,
    PathChat(id, contact): PathChat,
) -> Result<Json<Done>, ApiError> {
    app.session(&id)?.set_blocked(&contact, true).await?;
    Ok(Json(Done::new(format!("{contact} is blocked"))))
}

/// `DELETE /sessions/{id}/contacts/{contact}/block`. May be asked again.
pub(super) async fn unblock(
    State(app): State<App>,
    PathChat(id, contact): PathChat,
) -> Result<Json<Done>, ApiError> {
    app.session(&id)?.set_blocked(&contact, false).await?;
    Ok(Json(Done::new(format!("{contact} is not blocked"))))
}

/// `GET /sessions/{id}/blocked`: whom the account has blocked.
pub(super) async fn blocked(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<BlockedList>, ApiError> {
    Ok(Json(app.session(&id)?.blocked().await?.into()))
}

/// `POST /sessions/{id}/check-numbers` with `numbers` (1 to 100) and, if an older answer shall do,
/// `maxAgeSeconds` (a day; 0 asks anew). Answers for each in its place; one that is no number, or
/// that could not be asked about, has an `error`.
pub(super) async fn check_numbers(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Json<NumbersAnswer>, ApiError> {
    let wrong = || ApiError::invalid("numbers must be a list of 1 to 100 phone numbers");
    let given = body.array("numbers")?.ok_or_else(wrong)?;
    if given.is_empty() || given.len() > MOST_NUMBERS {
        return Err(wrong());
    }
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => number.as_u64().map(|digits| digits.to_string()),
        _ => None,
    };
    let given: Option<Vec<String>> = given.iter().map(text).collect();
    let given = given.ok_or_else(wrong)?;
    let max_age = match body.whole_number("maxAgeSeconds")?.unwrap_or(USUAL_AGE) {
        seconds @ 0..=LARGEST_AGE => Duration::from_secs(seconds),
        _ => {
            return Err(ApiError::invalid(format!(
                "maxAgeSeconds must be 0 to {LARGEST_AGE}"
            )));
        }
    };
    let session = app.session(&id)?;
    let read = |text: &String| PhoneNumber::new(text).ok();
    let numbers: Vec<_> = given.iter().map(read).collect();
    let asked = numbers.iter().flatten().cloned().collect();
    let mut answers = session.check_numbers(asked, max_age).await?.into_iter();
    let numbers: Vec<_> = given
        .into_iter()
        .zip(numbers)
        .map(|(text, number)| match number.and_then(|_| answers.next()) {
            Some(answer) => NumberModel::new(text, answer),
            None => NumberModel::invalid(text),
        })
        .collect();
    Ok(Json(NumbersAnswer {
        success: true,
        session_id: id,
        count: numbers.len(),
        numbers,
    }))
}

/// Which pairs are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Lids {
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /sessions/{id}/lids`: which LID and which number are one person, as far as that was ever
/// told. Query: `cursor` (of the page before), `limit` (50, at most 200).
pub(super) async fn lids(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(query): ReadQuery<Lids>,
) -> Result<Json<LidList>, ApiError> {
    let limit = page_size(query.limit)?;
    let after = match query.cursor.as_deref() {
        None => None,
        Some(text) => Some(ChatId::new(text).map_err(|_| {
            ApiError::invalid("cursor must be the nextCursor of an earlier answer")
        })?),
    };
    let pairs = app.session(&id)?.lids(after, limit).await?;
    Ok(Json(LidList::new(pairs, limit)))
}

/// `GET /sessions/{id}/lids/{contact}`: both names of a person, by either. WhatsApp is asked where
/// the other is not known yet.
pub(super) async fn lid(
    State(app): State<App>,
    PathChat(id, contact): PathChat,
) -> Result<Json<OneLid>, ApiError> {
    let pair = app.session(&id)?.lid_of(&contact).await?;
    let (lid, phone) = match pair {
        Some(pair) => (Some(pair.lid), Some(pair.phone.into())),
        None => (
            Some(contact.clone()).filter(ChatId::is_lid),
            contact.phone().map(String::from),
        ),
    };
    Ok(Json(OneLid {
        success: true,
        lid,
        phone,
    }))
}

// --- the own profile ---------------------------------------------------------------------------

/// `GET /sessions/{id}/profile`
pub(super) async fn profile(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<ProfileAnswer>, ApiError> {
    Ok(Json(app.session(&id)?.profile().await?.into()))
}

/// `PATCH /sessions/{id}/profile`: `name`, `about`; what is not named stays.
pub(super) async fn change_profile(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Json<ProfileAnswer>, ApiError> {
    let name = body.text("name")?.map(str::to_owned);
    let about = body.text("about")?.map(str::to_owned);
    let changes: Vec<_> = name
        .map(ProfileChange::Name)
        .into_iter()
        .chain(about.map(ProfileChange::About))
        .collect();
    if changes.is_empty() {
        return Err(ApiError::invalid("name what is to be changed: name, about"));
    }
    // All are judged before one is done.
    for change in &changes {
        change.check().map_err(invalid)?;
    }
    let session = app.session(&id)?;
    for change in changes {
        session.change_profile(change).await?;
    }
    Ok(Json(session.profile().await?.into()))
}

/// `PUT /sessions/{id}/profile/picture`: the image itself with its `Content-Type`, or JSON with its
/// base64 in `data`. JPEG, PNG or WebP, at most 5 MiB.
pub(super) async fn set_picture(
    State(app): State<App>,
    PathSession(id): PathSession,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ProfileAnswer>, ApiError> {
    let session = app.session(&id)?;
    let picture = Picture::new(picture_in(&headers, body).await?).map_err(invalid)?;
    session
        .change_profile(ProfileChange::Picture(picture))
        .await?;
    Ok(Json(session.profile().await?.into()))
}

/// `DELETE /sessions/{id}/profile/picture`
pub(super) async fn delete_picture(
    State(app): State<App>,
    PathSession(id): PathSession,
) -> Result<Json<ProfileAnswer>, ApiError> {
    let session = app.session(&id)?;
    session.change_profile(ProfileChange::NoPicture).await?;
    Ok(Json(session.profile().await?.into()))
}

async fn picture_in(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_json = kind.starts_with("application/json");
    if !is_json && !kind.starts_with("image/") {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body must be an image, or JSON with its base64 in data",
        ));
    }
    // Base64 takes a third more.
    let limit = MAX_PICTURE_BYTES * 3 / 2;
    let collected = tokio::time::timeout(PICTURE_WITHIN, Limited::new(body, limit).collect());
    let bytes = match collected.await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(invalid(InvalidProfile::TooLarge));
        }
        Ok(Err(_)) => return Err(ApiError::invalid("the body ended before it was complete")),
        Err(_) => {
            return Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "the body did not arrive in time",
            ));
        }
    };
    if !is_json {
        return Ok(bytes.to_vec());
    }
    #[derive(Deserialize)]
    struct Encoded {
        data: String,
    }
    let wrong = || ApiError::invalid("data must be the picture in base64");
    let Encoded { data } = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    STANDARD.decode(data.trim()).map_err(|_| wrong())
}

/// What is wrong with a change of the profile.
fn invalid(error: InvalidProfile) -> ApiError {
    match error {
        InvalidProfile::TooLarge => ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            error.to_string(),
        ),
        InvalidProfile::NotAPicture => ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            error.to_string(),
        ),
        other => ApiError::invalid(other.to_string()),
    }
}

// --- calls -------------------------------------------------------------------------------------

/// `POST /sessions/{id}/calls/{call}/reject`: turns a call away that rings. `from` (who calls) is
/// needed only for one that came before the page was loaded anew.
pub(super) async fn reject_call(
    State(app): State<App>,
    Path((session, call)): Path<(String, String)>,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Result<Json<Done>, ApiError> {
    let id = app.session_id(&session)?;
    let from = match body.phone_text("from")? {
        None => None,
        Some(text) => Some(
            chat_named(&text)
                .ok_or_else(|| ApiError::invalid("from must be a chat id or a number"))?,
        ),
    };
    app.session(&id)?.reject_call(&call, from.as_ref()).await?;
    Ok(Json(Done::new("Call rejected")))
}
