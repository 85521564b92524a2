//! The part of the control interface about what a phone has besides messages.

use axum::body::Bytes;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::control::{Refusal, body_of, number_of};
use super::control_acts::place_of;
use super::phone::Phone;

/// The acts of a phone that this file knows.
pub(super) const ACTS: &str = "profile, contact, card";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileBody {
    about: Option<String>,
    /// A JPEG in base64; empty: none.
    picture: Option<String>,
    business: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactBody {
    number: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardBody {
    chat: Option<String>,
}

/// One act of a phone; `None` when it is none of these. Adds to the answer.
pub(super) fn act(
    phone: &Phone,
    action: &str,
    body: &Bytes,
    answer: &mut Value,
) -> Result<Option<()>, Refusal> {
    match action {
        "profile" => {
            let body: ProfileBody = body_of(body)?;
            if let Some(about) = body.about {
                phone.set_about(&about);
            }
            if let Some(picture) = body.picture {
                let bytes = STANDARD.decode(picture).map_err(|error| {
                    Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", error)
                })?;
                phone.set_picture((!bytes.is_empty()).then_some(&bytes));
            }
            if let Some(business) = body.business {
                phone.set_business(business);
            }
        }
        "contact" => {
            let ContactBody { number, name } = body_of(body)?;
            phone.save_contact(&number_of(&number)?, &name);
        }
        "card" => {
            let CardBody { chat } = body_of(body)?;
            answer["about"] = json!(phone.about());
            answer["name"] = json!(phone.name());
            answer["hasPicture"] = json!(phone.picture().is_some());
            answer["blocked"] = json!(phone.blocked());
            answer["rejectedCalls"] = json!(phone.rejected_calls());
            if let Some(chat) = chat {
                answer["chat"] = json!(phone.chat_marks(place_of(&chat)?));
            }
        }
        _ => return Ok(None),
    }
    Ok(Some(()))
}
