//! The control interface under `/_sandbox/`: what a phone's owner and a test do over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::control_acts::{self, ACTS, place_of};
use super::control_people;
use super::groups::Place;
use super::hub::Hub;
use super::media::LARGEST_FILE;
use super::media_acts;
use super::page;
use super::phone::{Phone, PhoneError};
use super::wire::ChatState;
use super::world::World;
use crate::id::PhoneNumber;

/// The longest that an answer waits for news.
const LONGEST_WAIT: Duration = Duration::from_secs(25);

pub(super) fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route("/phones", get(phones))
        .route("/phones/{number}/messages", get(messages))
        .route("/phones/{number}/messages/{id}/file", get(media_acts::file))
        .route(
            "/phones/{number}/file",
            post(media_acts::send_file).layer(DefaultBodyLimit::max(LARGEST_FILE)),
        )
        .route("/phones/{number}/{action}", post(act))
        .route("/groups", get(control_acts::groups))
        .route("/faults", get(faults).post(set_faults))
        .route("/state", get(state))
        .route(
            "/assets/{name}",
            get(async |Path(name): Path<String>| page::phones_resource(&name)),
        )
        .fallback(async || {
            Refusal::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
        })
        .method_not_allowed_fallback(async || {
            let code = "method_not_allowed";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, code, "not with this method")
        })
}

/// An answer that says no.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    error: String,
    more: Option<(&'static str, Value)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, error: impl ToString) -> Self {
        Self {
            status,
            code,
            error: error.to_string(),
            more: None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({"success": false, "error": self.error, "code": self.code});
        if let Some((name, value)) = self.more {
            body[name] = value;
        }
        (self.status, Json(body)).into_response()
    }
}

impl From<PhoneError> for Refusal {
    fn from(error: PhoneError) -> Self {
        let status = match &error {
            PhoneError::MalformedQr(_) => StatusCode::BAD_REQUEST,
            PhoneError::UnknownQr
            | PhoneError::UnknownCode
            | PhoneError::NoQr
            | PhoneError::NoSuchMessage
            | PhoneError::NoFile
            | PhoneError::NoSuchChannel
            | PhoneError::NoSuchGroup => StatusCode::NOT_FOUND,
            PhoneError::NotYours | PhoneError::NotAdmin | PhoneError::NotInGroup => {
                StatusCode::FORBIDDEN
            }
            PhoneError::ExpiredQr => StatusCode::GONE,
            PhoneError::SeveralQrs(_) | PhoneError::InGroupAlready => StatusCode::CONFLICT,
            PhoneError::WrongKeys | PhoneError::NotOnWhatsApp | PhoneError::BadFile(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            PhoneError::TimedOut(_) => StatusCode::GATEWAY_TIMEOUT,
        };
        let mut refusal = Self::new(status, error.code(), &error);
        if let PhoneError::SeveralQrs(waiting) = error {
            refusal.more = Some(("waiting", json!(waiting)));
        }
        refusal
    }
}

pub(super) fn phone_of(hub: &Arc<Hub>, number: &str) -> Result<Phone, Refusal> {
    let number = number_of(number)?;
    Ok(Phone::new(hub.clone(), number))
}

pub(super) fn number_of(text: &str) -> Result<PhoneNumber, Refusal> {
    PhoneNumber::new(text)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "invalid_phone_number", error))
}

/// Reads a JSON body; an empty one is an empty object.
pub(super) fn body_of<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", error))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanBody {
    qr: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadBody {
    chat: Option<String>,
    from: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateBody {
    state: Option<String>,
}

async fn act(
    State(hub): State<Arc<Hub>>,
    Path((number, action)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let phone = phone_of(&hub, &number)?;
    let mut answer = json!({"success": true, "number": phone.number()});
    match action.as_str() {
        "scan" => match body_of::<ScanBody>(&body)?.qr {
            Some(qr) => phone.scan(&qr).await?,
            None => phone.scan_waiting().await?,
        },
        "code" => {
            let code = body_of::<CodeBody>(&body)?.code;
            phone.enter_code(&code).await?;
        }
        "deliver" => {
            let id = control_acts::deliver(&hub, &phone, &body).await?;
            answer["id"] = json!(id);
        }
        "read" => {
            let body: ReadBody = body_of(&body)?;
            match body.chat.or(body.from) {
                Some(chat) => read(&phone, &place_of(&chat)?).await,
                // No chat named: all of them.
                None => {
                    for message in phone.messages() {
                        if !message.from_me && message.ack < 3 {
                            read(&phone, &message.place()).await;
                        }
                    }
                }
            }
        }
        "logout" => phone.log_out().await,
        "ban" => phone.ban().await,
        "offline" => phone.set_online(false).await,
        "online" => phone.set_online(true).await,
        "reload" => answer["pages"] = json!(phone.reload_pages().await),
        "state" => {
            let state = body_of::<StateBody>(&body)?.state;
            phone.force_state(state.as_deref()).await;
        }
        other if control_people::act(&phone, other, &body, &mut answer)?.is_some() => {}
        other => {
            if control_acts::act(&phone, other, &body, &mut answer)
                .await?
                .is_none()
            {
                return Err(Refusal::new(
                    StatusCode::NOT_FOUND,
                    "not_found",
                    format!(
                        "phones can scan, code, deliver, read, logout, ban, offline, online, reload, state, file, {ACTS}, {}",
                        control_people::ACTS
                    ),
                ));
            }
        }
    }
    Ok(Json(answer))
}

async fn read(phone: &Phone, chat: &Place) {
    match chat {
        Place::Person(person) => phone.read(person).await,
        Place::Group(group) => phone.read_group(group).await,
    }
}

async fn messages(
    State(hub): State<Arc<Hub>>,
    Path(number): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let phone = phone_of(&hub, &number)?;
    Ok(Json(json!({
        "success": true,
        "number": phone.number(),
        "messages": phone.messages(),
    })))
}

async fn phones(State(hub): State<Arc<Hub>>) -> Json<Value> {
    Json(json!({"success": true, "phones": hub.look(phone_list)}))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhoneSummary<'a> {
    number: &'a PhoneNumber,
    name: &'a str,
    lid: String,
    online: bool,
    messages: usize,
    /// Who is seen typing or recording.
    activity: BTreeMap<PhoneNumber, ChatState>,
    devices: Vec<Value>,
}

fn phone_list(world: &World) -> Value {
    let list: Vec<PhoneSummary<'_>> = world
        .accounts
        .values()
        .map(|account| PhoneSummary {
            number: &account.number,
            name: &account.name,
            lid: format!("{}@lid", account.lid),
            online: account.online,
            messages: account.messages.len(),
            activity: world.activity(&account.number, Instant::now()),
            devices: world
                .devices
                .values()
                .filter(|device| device.number == account.number)
                .map(|device| {
                    json!({
                        "name": device.name,
                        "linkedAt": device.linked_at.unix_timestamp(),
                        "connected": world.connection_of(&device.id).is_some(),
                        "waiting": device.items.len(),
                    })
                })
                .collect(),
        })
        .collect();
    json!(list)
}

async fn faults(State(hub): State<Arc<Hub>>) -> Json<Value> {
    Json(json!(hub.look(|world| world.faults.clone())))
}

async fn set_faults(State(hub): State<Arc<Hub>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let change: Value = body_of(&body)?;
    let faults = hub
        .look(|world| world.faults.merged(&change))
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "invalid_faults", error))?;
    hub.set_faults(faults.clone());
    Ok(Json(json!(faults)))
}

#[derive(Deserialize)]
struct Since {
    since: Option<u64>,
}

/// Everything there is to see. With `?since=<revision>` it waits for something newer.
async fn state(State(hub): State<Arc<Hub>>, Query(Since { since }): Query<Since>) -> Json<Value> {
    let mut changes = hub.changes();
    if let Some(since) = since {
        let newer = changes.wait_for(|revision| *revision > since);
        tokio::select! {
            () = hub.closing.cancelled() => {}
            _ = tokio::time::timeout(LONGEST_WAIT, newer) => {}
        }
    }
    let revision = *changes.borrow();
    Json(hub.look(|world| {
        json!({
            "success": true,
            "revision": revision,
            "phones": phone_list(world),
            "groups": control_acts::group_list(world),
            "waiting": world.waiting(),
            "faults": world.faults,
            "held": world.held,
        })
    }))
}
