//! The account API, as far as a bridge needs it.

use std::sync::Arc;

use axum::extract::{FromRequest, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::world::{Attached, Refused, contact_json};
use super::{ACCOUNT, Shared, TOKEN};

type Server = State<Arc<Shared>>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    let account = Router::new()
        .route("/contacts", post(make_contact))
        .route("/contacts/search", get(search))
        .route("/contacts/{id}", get(one_contact).put(change_contact))
        .route("/contacts/{id}/contact_inboxes", post(join))
        .route("/contacts/{id}/conversations", get(conversations_of))
        .route("/conversations", post(make_conversation))
        .route("/conversations/{id}", get(one_conversation))
        .route("/conversations/{id}/messages", get(messages).post(push))
        .route(
            "/conversations/{id}/messages/{message}",
            patch(update).delete(delete),
        )
        .route("/conversations/{id}/toggle_status", post(toggle_status))
        .route("/conversations/{id}/toggle_typing_status", post(accepted))
        .route("/conversations/{id}/update_last_seen", post(accepted))
        .route("/inboxes", get(inboxes).post(make_inbox))
        .route("/inboxes/{id}", get(one_inbox).patch(point_inbox));
    Router::new()
        .route("/api/v1/profile", get(profile))
        .nest(&format!("/api/v1/accounts/{ACCOUNT}"), account)
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        // Whoever knows an address of its storage may read there, by way of a redirect.
        .route("/rails/active_storage/blobs/redirect/{name}", get(blob))
        .route("/rails/active_storage/disk/{name}", get(stored))
        .with_state(shared)
}

/// The token, and the faults that were asked for.
async fn guard(State(shared): Server, request: Request, next: Next) -> Response {
    let token = request.headers().get("api_access_token");
    let known = token.is_some_and(|token| token == TOKEN) && !shared.faults().token_revoked;
    shared
        .world()
        .requests
        .push(format!("{} {}", request.method(), request.uri().path()));
    if shared.faults().down {
        return (StatusCode::BAD_GATEWAY, "<html>Bad Gateway</html>").into_response();
    }
    if !known {
        let body = json!({"errors": ["You need to sign in or sign up before continuing."]});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    if let Some(done) = is_held(&shared) {
        if done {
            next.run(request).await;
        }
        shared.held.send_replace(true);
        // Until whoever asked goes away.
        return std::future::pending().await;
    }
    let fault = shared.faults().next.pop_front();
    match fault {
        None | Some(200) => next.run(request).await,
        Some(0) => {
            next.run(request).await;
            // The work is done and the caller does not hear of it.
            let cut = futures_util::stream::once(async { Err::<String, _>("cut") });
            let mut response = axum::body::Body::from_stream(cut).into_response();
            response.headers_mut().insert(
                header::CONTENT_LENGTH,
                header::HeaderValue::from_static("99"),
            );
            response
        }
        Some(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = (status, Json(json!({"error": "a fault"}))).into_response();
            if status == StatusCode::TOO_MANY_REQUESTS {
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
            }
            response
        }
    }
}

/// Whether this call is the one to be held, and whether it is done all the same.
fn is_held(shared: &Shared) -> Option<bool> {
    let mut faults = shared.faults();
    let hold = faults.hold.as_mut()?;
    if hold.after == 0 {
        return Some(hold.done);
    }
    hold.after -= 1;
    None
}

async fn blob(Path(name): Path<String>) -> Response {
    let to = format!("/rails/active_storage/disk/{name}");
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}

async fn stored(State(shared): Server, Path(name): Path<String>) -> Response {
    match shared.world().storage.get(&name).cloned() {
        Some((mime, bytes)) => ([(header::CONTENT_TYPE, mime)], bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

struct Refusal(Refused);

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self(refused)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (
            status,
            Json(json!({"error": self.0.1, "message": self.0.1})),
        )
            .into_response()
    }
}

type Answer = Result<Json<Value>, Refusal>;

async fn profile() -> Json<Value> {
    Json(
        json!({"id": 3, "name": "Bridge", "accounts": [{"id": ACCOUNT, "name": "Loja", "role": "administrator"}]}),
    )
}

#[derive(Deserialize)]
struct Search {
    q: String,
}

async fn search(State(shared): Server, Query(Search { q }): Query<Search>) -> Response {
    let found: Vec<_> = {
        let mut world = shared.world();
        world.searches += 1;
        let over = shared
            .faults()
            .searches
            .is_some_and(|most| world.searches > most);
        if over {
            let headers = [(header::RETRY_AFTER, "1")];
            let body = Json(json!({"error": "Retry later"}));
            shared.faults().searches = None;
            return (StatusCode::TOO_MANY_REQUESTS, headers, body).into_response();
        }
        // A part of a name, a number (with or without its plus) or an identifier.
        let holds = |text: Option<&str>| text.is_some_and(|text| text.contains(&q));
        let fits = world.contacts.iter().filter(|one| {
            holds(Some(&one.name))
                || holds(one.phone_number.as_deref())
                || holds(one.identifier.as_deref())
        });
        fits.map(contact_json).collect()
    };
    Json(json!({"meta": {"count": found.len(), "current_page": 1}, "payload": found}))
        .into_response()
}

async fn make_contact(State(shared): Server, Json(body): Json<Value>) -> Answer {
    let contact = shared.world().make_contact(&body)?;
    shared.changed();
    let joined = contact
        .inboxes
        .first()
        .map(|(inbox, source)| json!({"source_id": source, "inbox": {"id": inbox}}));
    Ok(Json(
        json!({"payload": {"contact": contact_json(&contact), "contact_inbox": joined}}),
    ))
}

async fn one_contact(State(shared): Server, Path(id): Path<i64>) -> Answer {
    let contact = shared.world().contact(id)?.clone();
    Ok(Json(json!({"payload": contact_json(&contact)})))
}

async fn change_contact(
    State(shared): Server,
    Path(id): Path<i64>,
    Json(body): Json<Value>,
) -> Answer {
    let contact = shared.world().change_contact(id, &body)?;
    shared.changed();
    Ok(Json(json!({"payload": contact_json(&contact)})))
}

async fn join(State(shared): Server, Path(id): Path<i64>, Json(body): Json<Value>) -> Answer {
    let inbox = body["inbox_id"].as_i64().unwrap_or_default();
    let source = body["source_id"].as_str().map(str::to_owned);
    let source = shared.world().join(id, inbox, source)?;
    shared.changed();
    Ok(Json(json!({"source_id": source, "inbox": {"id": inbox}})))
}

async fn conversations_of(State(shared): Server, Path(id): Path<i64>) -> Answer {
    let world = shared.world();
    world.contact(id)?;
    // The newest first.
    let all = world
        .conversations
        .iter()
        .rev()
        .filter(|one| one.contact == id);
    let told: Vec<_> = all.map(|one| world.conversation_json(one.id)).collect();
    Ok(Json(json!({"payload": told})))
}

async fn make_conversation(State(shared): Server, Json(body): Json<Value>) -> Answer {
    let told = {
        let mut world = shared.world();
        let conversation = world.make_conversation(&body)?;
        world.conversation_json(conversation.id)
    };
    shared.changed();
    Ok(Json(told))
}

async fn one_conversation(State(shared): Server, Path(id): Path<i64>) -> Answer {
    match shared.world().conversation_json(id) {
        Value::Null => Err(Refusal((404, "Resource could not be found".to_owned()))),
        told => Ok(Json(told)),
    }
}

#[derive(Deserialize)]
struct Before {
    before: Option<i64>,
}

/// The newest 20, or the 20 before one, oldest first.
async fn messages(
    State(shared): Server,
    Path(id): Path<i64>,
    Query(Before { before }): Query<Before>,
) -> Answer {
    let world = shared.world();
    if world.conversation(id).is_none() {
        return Err(Refusal((404, "Resource could not be found".to_owned())));
    }
    let older = |one: &&super::Message| one.conversation == id && before.is_none_or(|b| one.id < b);
    let mut page: Vec<_> = world.messages.iter().rev().filter(older).take(20).collect();
    page.reverse();
    let told: Vec<_> = page
        .into_iter()
        .map(|one| world.message_json(one))
        .collect();
    Ok(Json(json!({"meta": {}, "payload": told})))
}

async fn push(
    State(shared): Server,
    Path(id): Path<i64>,
    headers: HeaderMap,
    request: Request,
) -> Answer {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let (body, files) = if kind.is_some_and(|kind| kind.starts_with("multipart/")) {
        read_parts(request).await?
    } else {
        let Json(body) = Json::<Value>::from_request(request, &())
            .await
            .map_err(|error| Refusal((400, error.to_string())))?;
        (body, Vec::new())
    };
    let told = {
        let mut world = shared.world();
        let message = world.push(id, &body, files)?;
        world.message_json(&message)
    };
    shared.changed();
    Ok(Json(told))
}

async fn read_parts(request: Request) -> Result<(Value, Vec<Attached>), Refusal> {
    let bad = |error: &dyn std::fmt::Display| Refusal((400, error.to_string()));
    let mut parts = Multipart::from_request(request, &())
        .await
        .map_err(|e| bad(&e))?;
    let mut body = json!({});
    let mut files = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|e| bad(&e))? {
        let name = part.name().unwrap_or_default().to_owned();
        if name == "attachments[]" {
            let file_name = part.file_name().unwrap_or_default().to_owned();
            let content_type = part.content_type().unwrap_or_default().to_owned();
            let bytes = part.bytes().await.map_err(|e| bad(&e))?.to_vec();
            files.push(Attached {
                name: file_name,
                content_type,
                bytes,
            });
        } else {
            let text = part.text().await.map_err(|e| bad(&e))?;
            // As Rails reads `content_attributes[in_reply_to]`; numbers come as texts.
            let value = text
                .parse::<i64>()
                .map_or(json!(text), |number| json!(number));
            let nested = name.strip_suffix(']').and_then(|name| name.split_once('['));
            match nested {
                Some((outer, inner)) => body[outer][inner] = value,
                None if name == "external_created_at" => body[name] = value,
                None => body[name] = json!(text),
            }
        }
    }
    Ok((body, files))
}

async fn update(
    State(shared): Server,
    Path((id, message)): Path<(i64, i64)>,
    Json(body): Json<Value>,
) -> Answer {
    let status = body["status"].as_str().unwrap_or_default();
    let error = body["external_error"].as_str();
    let told = {
        let mut world = shared.world();
        let message = world.update_message(id, message, status, error)?;
        world.message_json(&message)
    };
    shared.changed();
    Ok(Json(told))
}

async fn delete(State(shared): Server, Path((_, message)): Path<(i64, i64)>) -> Answer {
    let done = shared.world().delete(message);
    shared.changed();
    if done {
        Ok(Json(json!({})))
    } else {
        Err(Refusal((404, "Resource could not be found".to_owned())))
    }
}

async fn toggle_status(
    State(shared): Server,
    Path(id): Path<i64>,
    Json(body): Json<Value>,
) -> Answer {
    let status = body["status"].as_str().unwrap_or("open").to_owned();
    shared.world().set_status(id, &status);
    shared.changed();
    Ok(Json(
        json!({"success": true, "payload": {"current_status": status}}),
    ))
}

async fn accepted() -> StatusCode {
    StatusCode::OK
}

async fn inboxes(State(shared): Server) -> Json<Value> {
    let all: Vec<_> = shared.world().inboxes.iter().map(inbox_json).collect();
    Json(json!({"payload": all}))
}

async fn one_inbox(State(shared): Server, Path(id): Path<i64>) -> Answer {
    Ok(Json(inbox_json(shared.world().inbox(id)?)))
}

async fn make_inbox(State(shared): Server, Json(body): Json<Value>) -> Answer {
    let channel = &body["channel"];
    if channel["type"] != "api" {
        return Err(Refusal((422, "channel.type must be api".to_owned())));
    }
    let name = body["name"].as_str().unwrap_or_default();
    let url = channel["webhook_url"].as_str().unwrap_or_default();
    let inbox = shared.world().make_inbox(name, url);
    shared.changed();
    Ok(Json(inbox_json(&inbox)))
}

async fn point_inbox(
    State(shared): Server,
    Path(id): Path<i64>,
    Json(body): Json<Value>,
) -> Answer {
    let url = body["channel"]["webhook_url"].as_str().unwrap_or_default();
    let inbox = shared.world().point_inbox(id, url)?;
    Ok(Json(inbox_json(&inbox)))
}

fn inbox_json(inbox: &super::Inbox) -> Value {
    json!({
        "id": inbox.id,
        "name": inbox.name,
        "channel_type": inbox.channel_type,
        "webhook_url": inbox.webhook_url,
        "inbox_identifier": format!("inbox-{}", inbox.id),
        "lock_to_single_conversation": false,
    })
}
