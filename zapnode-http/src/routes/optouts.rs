//! Who does not want to be written to in bulk. One list for all sessions.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use zapnode_core::person::Person;

use super::messages::page_limit;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{OptionalJsonBody, ReadQuery, recipient};
use crate::model::{Done, OneOptOut, OptOutPage};

/// Which of them are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct List {
    cursor: Option<i64>,
    limit: Option<usize>,
    q: Option<String>,
}

/// `GET /optouts`: the list, newest first. Query: `cursor` (of the page before), `limit` (50, at most
/// 500), `q` (part of a number or a reason).
pub(super) async fn list(
    State(app): State<App>,
    ReadQuery(query): ReadQuery<List>,
) -> Result<Json<OptOutPage>, ApiError> {
    let limit = page_limit(query.limit)?;
    let words = query.q.map(|words| words.trim().to_owned());
    let words = words.filter(|words| !words.is_empty());
    let list = app.manager().opt_outs().list(query.cursor, words, limit);
    Ok(Json(OptOutPage::new(list.await?, limit)))
}

/// `PUT /optouts/{number}`, with `{"reason": …}` if there is one: puts a person on the list, and
/// takes back what bulk jobs have queued for them. May be asked again.
pub(super) async fn put(
    State(app): State<App>,
    Path(number): Path<String>,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Result<Response, ApiError> {
    let reason = body.text("reason")?.map(str::trim);
    let reason = reason.filter(|reason| !reason.is_empty());
    let person = person(&number)?;
    let added = app.manager().opt_outs();
    let (opt_out, is_new) = added.add(person, reason.map(str::to_owned)).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(OneOptOut::from(opt_out))).into_response())
}

/// `DELETE /optouts/{number}`: takes a person off the list.
pub(super) async fn delete(
    State(app): State<App>,
    Path(number): Path<String>,
) -> Result<Json<Done>, ApiError> {
    app.manager().opt_outs().remove(person(&number)?).await?;
    Ok(Json(Done::new("Removed from the opt-out list")))
}

fn person(number: &str) -> Result<Person, ApiError> {
    Person::of_recipient(&recipient(number)?)
        .ok_or_else(|| ApiError::invalid("a person opts out, not a group"))
}
