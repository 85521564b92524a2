//! The richer half of the control interface: what becomes of messages, calls, groups.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Json;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::control::{Refusal, body_of, number_of, phone_of};
use super::groups::{GroupAct, GroupId, Place};
use super::hub::Hub;
use super::phone::Phone;
use super::phone_acts::Draft;
use super::world::World;
use crate::id::{PhoneNumber, WireId};

/// The acts of a phone that this file knows.
pub(super) const ACTS: &str = "edit, revoke, delete, react, star, pin, vote, call, group, channel, status, labels, invite-only";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliverBody {
    to: Option<String>,
    from: Option<String>,
    text: String,
    kind: Option<String>,
    quoted: Option<String>,
    #[serde(default)]
    mentions: Vec<String>,
    #[serde(default)]
    fields: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditBody {
    id: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageBody {
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReactBody {
    id: String,
    #[serde(default)]
    emoji: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StarBody {
    id: String,
    on: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VoteBody {
    id: String,
    options: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinBody {
    id: String,
    seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallBody {
    to: String,
    #[serde(default)]
    video: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "act")]
enum GroupBody {
    Create {
        subject: String,
        #[serde(default)]
        members: Vec<String>,
        #[serde(default)]
        community: bool,
    },
    Add {
        group: String,
        members: Vec<String>,
    },
    Remove {
        group: String,
        members: Vec<String>,
    },
    Promote {
        group: String,
        members: Vec<String>,
    },
    Demote {
        group: String,
        members: Vec<String>,
    },
    Join {
        group: String,
    },
    RequestToJoin {
        group: String,
    },
    Leave {
        group: String,
    },
    Picture {
        group: String,
    },
    Subject {
        group: String,
        text: String,
    },
    Description {
        group: String,
        text: String,
    },
    Announce {
        group: String,
        on: bool,
    },
    Restrict {
        group: String,
        on: bool,
    },
    AdminsAdd {
        group: String,
        on: bool,
    },
    Approval {
        group: String,
        on: bool,
    },
    Ephemeral {
        group: String,
        seconds: u32,
    },
    Approve {
        group: String,
        members: Vec<String>,
    },
    Reject {
        group: String,
        members: Vec<String>,
    },
    Invite {
        group: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "act")]
enum ChannelBody {
    Create { name: String },
    Post { channel: String, text: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusBody {
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelsBody {
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnBody {
    on: bool,
}

fn bad(error: impl ToString) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "invalid_request", error)
}

pub(super) fn place_of(text: &str) -> Result<Place, Refusal> {
    text.parse().map_err(bad)
}

fn wire_id_of(text: &str) -> Result<WireId, Refusal> {
    WireId::new(text).map_err(bad)
}

fn numbers_of(list: &[String]) -> Result<Vec<PhoneNumber>, Refusal> {
    list.iter().map(|one| number_of(one)).collect()
}

fn group_of(text: &str) -> Result<GroupId, Refusal> {
    match place_of(text)? {
        Place::Group(group) => Ok(group),
        Place::Person(_) => Err(bad("a group's id reads …@g.us")),
    }
}

/// This phone writes, or somebody to it.
pub(super) async fn deliver(
    hub: &Arc<Hub>,
    phone: &Phone,
    body: &Bytes,
) -> Result<WireId, Refusal> {
    let body: DeliverBody = body_of(body)?;
    let mut draft = Draft::text(body.text);
    if let Some(kind) = body.kind {
        draft.kind = kind;
    }
    draft.fields = body.fields;
    draft.quoted = body.quoted.as_deref().map(wire_id_of).transpose()?;
    draft.mentions = numbers_of(&body.mentions)?;
    match (body.to, body.from) {
        (Some(to), None) => Ok(phone.write(place_of(&to)?, draft).await?),
        (None, Some(from)) => {
            let other = phone_of(hub, &from)?;
            Ok(other.write(phone.number().clone(), draft).await?)
        }
        _ => Err(bad(
            "name either `to` (this phone writes) or `from` (somebody writes to it)",
        )),
    }
}

/// One more act of a phone; `None` when it is none of these. Adds to the answer.
pub(super) async fn act(
    phone: &Phone,
    action: &str,
    body: &Bytes,
    answer: &mut Value,
) -> Result<Option<()>, Refusal> {
    match action {
        "edit" => {
            let EditBody { id, text } = body_of(body)?;
            phone.edit(&wire_id_of(&id)?, &text).await?;
        }
        "revoke" => {
            let MessageBody { id } = body_of(body)?;
            phone.revoke(&wire_id_of(&id)?).await?;
        }
        "delete" => {
            let MessageBody { id } = body_of(body)?;
            phone.delete(&wire_id_of(&id)?).await?;
        }
        "react" => {
            let ReactBody { id, emoji } = body_of(body)?;
            phone.react(&wire_id_of(&id)?, &emoji).await?;
        }
        "star" => {
            let StarBody { id, on } = body_of(body)?;
            phone.star(&wire_id_of(&id)?, on).await?;
        }
        "vote" => {
            let VoteBody { id, options } = body_of(body)?;
            phone.vote(&wire_id_of(&id)?, &options).await?;
        }
        "pin" => {
            let PinBody { id, seconds } = body_of(body)?;
            phone.pin(&wire_id_of(&id)?, seconds).await?;
        }
        "call" => {
            let CallBody { to, video } = body_of(body)?;
            answer["call"] = json!(phone.call(place_of(&to)?, video).await?);
        }
        "group" => {
            let body = body_of(body)?;
            if let GroupBody::Invite { group } = &body {
                answer["code"] = json!(phone.invite_code(&group_of(group)?).await?);
            } else {
                answer["group"] = json!(group(phone, body).await?);
            }
        }
        "channel" => match body_of(body)? {
            ChannelBody::Create { name } => {
                answer["channel"] = json!(phone.make_channel(&name).await);
            }
            ChannelBody::Post { channel, text } => {
                answer["id"] = json!(phone.post_to_channel(&channel, &text).await?);
            }
        },
        "status" => {
            let StatusBody { text } = body_of(body)?;
            phone.post_status(&text).await;
        }
        "labels" => {
            let LabelsBody { names } = body_of(body)?;
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            phone.set_labels(&names).await;
        }
        "invite-only" => {
            let OnBody { on } = body_of(body)?;
            phone.set_invite_only(on).await;
        }
        _ => return Ok(None),
    }
    Ok(Some(()))
}

async fn group(phone: &Phone, body: GroupBody) -> Result<GroupId, Refusal> {
    use GroupAct as Act;
    let (group, act) = match body {
        GroupBody::Create {
            subject,
            members,
            community,
        } => {
            let members = numbers_of(&members)?;
            return Ok(if community {
                phone.found_community(&subject, &members).await?
            } else {
                phone.found_group(&subject, &members).await?
            });
        }
        GroupBody::Invite { group } => return group_of(&group),
        GroupBody::Add { group, members } => (group, Act::Add(numbers_of(&members)?)),
        GroupBody::Remove { group, members } => (group, Act::Remove(numbers_of(&members)?)),
        GroupBody::Promote { group, members } => (group, Act::Promote(numbers_of(&members)?)),
        GroupBody::Demote { group, members } => (group, Act::Demote(numbers_of(&members)?)),
        GroupBody::Join { group } => (group, Act::Join),
        GroupBody::RequestToJoin { group } => (group, Act::RequestToJoin),
        GroupBody::Leave { group } => (group, Act::Leave),
        GroupBody::Picture { group } => (group, Act::Picture),
        GroupBody::Subject { group, text } => (group, Act::Subject(text)),
        GroupBody::Description { group, text } => (group, Act::Description(text)),
        GroupBody::Announce { group, on } => (group, Act::Announce(on)),
        GroupBody::Restrict { group, on } => (group, Act::Restrict(on)),
        GroupBody::AdminsAdd { group, on } => (group, Act::AdminsAdd(on)),
        GroupBody::Approval { group, on } => (group, Act::Approval(on)),
        GroupBody::Ephemeral { group, seconds } => (group, Act::Ephemeral(seconds)),
        GroupBody::Approve { group, members } => (group, Act::Approve(numbers_of(&members)?)),
        GroupBody::Reject { group, members } => (group, Act::Reject(numbers_of(&members)?)),
    };
    let group = group_of(&group)?;
    phone.act_in_group(&group, act).await?;
    Ok(group)
}

/// The groups, for `GET groups` and the state.
pub(super) fn group_list(world: &World) -> Value {
    let list = world.groups.values().map(|group| {
        let admins = group.members.iter().filter(|(_, admin)| **admin);
        json!({
            "id": group.id,
            "subject": group.subject,
            "description": group.description,
            "members": group.members.keys().collect::<Vec<_>>(),
            "admins": admins.map(|(member, _)| member).collect::<Vec<_>>(),
            "requests": group.requests.keys().collect::<Vec<_>>(),
            "settings": group.settings,
            "community": group.community,
        })
    });
    Value::Array(list.collect())
}

pub(super) async fn groups(State(hub): State<Arc<Hub>>) -> Json<Value> {
    Json(json!({"success": true, "groups": hub.look(group_list)}))
}
