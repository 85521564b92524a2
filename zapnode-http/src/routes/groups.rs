//! Groups: who is in them, and what they are.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post, put};
use serde::Deserialize;
use zapnode_core::group::{
    Disappearing, GroupEdit, GroupSettings, InviteCode, MAX_PICTURE_BYTES, MemberChange, NewGroup,
    Picture,
};
use zapnode_core::message::Recipient;
use zapnode_core::{ChatId, SessionId};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, OptionalJsonBody, PathSession, ReadQuery, read_body, recipient};
use crate::model::{
    GroupCreated, GroupDone, GroupInvite, GroupList, InviteAnswer, JoinRequests, JoinedAnswer,
    MemberResults, OfSession, OneGroup,
};

type Answer<T> = Result<Json<OfSession<T>>, ApiError>;

/// Every path about groups.
pub(super) fn table() -> Vec<(&'static str, MethodRouter<App>)> {
    vec![
        ("/sessions/{id}/groups", get(list).post(create)),
        ("/sessions/{id}/groups/join", get(invited_to).post(join)),
        ("/sessions/{id}/groups/{group}", get(one).patch(change)),
        ("/sessions/{id}/groups/{group}/leave", post(leave)),
        ("/sessions/{id}/groups/{group}/members", post(add)),
        ("/sessions/{id}/groups/{group}/members/remove", post(remove)),
        (
            "/sessions/{id}/groups/{group}/members/promote",
            post(promote),
        ),
        ("/sessions/{id}/groups/{group}/members/demote", post(demote)),
        (
            "/sessions/{id}/groups/{group}/picture",
            put(set_picture).delete(delete_picture),
        ),
        ("/sessions/{id}/groups/{group}/invite", get(invite)),
        ("/sessions/{id}/groups/{group}/invite/renew", post(renew)),
        ("/sessions/{id}/groups/{group}/requests", get(requests)),
        (
            "/sessions/{id}/groups/{group}/requests/approve",
            post(approve),
        ),
        (
            "/sessions/{id}/groups/{group}/requests/reject",
            post(reject),
        ),
    ]
}

/// The session and the group that a path names.
#[derive(Debug)]
pub(super) struct PathGroup(SessionId, ChatId);

impl FromRequestParts<App> for PathGroup {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Path((session, group)) = Path::<(String, String)>::from_request_parts(parts, app)
            .await
            .map_err(|_| crate::extract::invalid_session_id())?;
        Ok(Self(app.session_id(&session)?, group_id(&group)?))
    }
}

/// Makes a change of a truth value.
type Switch = fn(bool) -> GroupEdit;

fn group_id(text: &str) -> Result<ChatId, ApiError> {
    let id = ChatId::new(text.trim()).ok().filter(ChatId::is_group);
    id.ok_or_else(|| ApiError::invalid("a group's id reads 120363…@g.us"))
}

/// `GET /sessions/{id}/groups`
async fn list(State(app): State<App>, PathSession(id): PathSession) -> Answer<GroupList> {
    let groups = app.session(&id)?.groups().await?;
    Ok(Json(OfSession::new(id, groups.into())))
}

/// `POST /sessions/{id}/groups`, with `subject`, and any of `members` (numbers or ids),
/// `onlyAdminsWrite`, `onlyAdminsEdit`, `onlyAdminsAdd`, `disappearing`, `approval`, `community` (a
/// group's id).
async fn create(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Result<Response, ApiError> {
    let subject = body.text("subject")?.filter(|text| !text.trim().is_empty());
    let subject = subject.ok_or_else(|| ApiError::invalid("subject is required"))?;
    let members = people(&body)?.into_iter().map(|one| match one {
        Recipient::Phone(phone) => ChatId::from(&phone),
        Recipient::Chat(chat) => chat,
    });
    let on = |name| Ok::<_, ApiError>(body.boolean(name)?.unwrap_or_default());
    let new = NewGroup {
        settings: GroupSettings {
            only_admins_write: on("onlyAdminsWrite")?,
            only_admins_edit: on("onlyAdminsEdit")?,
            only_admins_add: on("onlyAdminsAdd")?,
            disappearing: disappearing(&body)?,
        },
        approval: on("approval")?,
        community: body.text("community")?.map(group_id).transpose()?,
        ..NewGroup::new(subject, members.collect())
    };
    let created = app.session(&id)?.create_group(&new).await?;
    let answer: OfSession<GroupCreated> = OfSession::new(id, created.into());
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}

/// `GET /sessions/{id}/groups/{group}`
async fn one(State(app): State<App>, PathGroup(id, group): PathGroup) -> Answer<OneGroup> {
    let found = app.session(&id)?.group(&group).await?;
    Ok(Json(OfSession::new(id, found.into())))
}

/// `PATCH /sessions/{id}/groups/{group}`, with any of `subject`, `description`, `onlyAdminsWrite`,
/// `onlyAdminsEdit`, `onlyAdminsAdd`, `disappearing`. All of it is checked before anything is changed;
/// the answer is the group as it is then.
async fn change(
    State(app): State<App>,
    PathGroup(id, group): PathGroup,
    body: JsonBody,
) -> Answer<OneGroup> {
    let mut edits = Vec::new();
    if let Some(subject) = body.text("subject")? {
        edits.push(GroupEdit::Subject(subject.to_owned()));
    }
    if body.has("description") {
        let text = body.text("description")?.unwrap_or_default();
        edits.push(GroupEdit::Description(text.to_owned()));
    }
    let switches: [(&str, Switch); 3] = [
        ("onlyAdminsWrite", GroupEdit::OnlyAdminsWrite),
        ("onlyAdminsEdit", GroupEdit::OnlyAdminsEdit),
        ("onlyAdminsAdd", GroupEdit::OnlyAdminsAdd),
    ];
    for (name, edit) in switches {
        edits.extend(body.boolean(name)?.map(edit));
    }
    edits.extend(disappearing(&body)?.map(GroupEdit::Disappearing));
    if edits.is_empty() {
        return Err(ApiError::invalid(
            "name at least one of subject, description, onlyAdminsWrite, onlyAdminsEdit, \
             onlyAdminsAdd, disappearing",
        ));
    }
    for edit in &edits {
        edit.check().map_err(zapnode_core::Error::from)?;
    }
    let session = app.session(&id)?;
    for edit in &edits {
        session.edit_group(&group, edit).await?;
    }
    let now = session.group(&group).await?;
    Ok(Json(OfSession::new(id, now.into())))
}

/// `POST /sessions/{id}/groups/{group}/leave`
async fn leave(State(app): State<App>, PathGroup(id, group): PathGroup) -> Answer<GroupDone> {
    app.session(&id)?.leave_group(&group).await?;
    let done = GroupDone::new(group, "Left the group");
    Ok(Json(OfSession::new(id, done)))
}

/// `POST /sessions/{id}/groups/{group}/members`, with `members`; `invite` sends a card to those who
/// can only be invited.
async fn add(State(app): State<App>, path: PathGroup, body: JsonBody) -> Answer<MemberResults> {
    members(&app, path, MemberChange::Add, &body).await
}

/// `POST /sessions/{id}/groups/{group}/members/remove`, with `members`.
async fn remove(State(app): State<App>, path: PathGroup, body: JsonBody) -> Answer<MemberResults> {
    members(&app, path, MemberChange::Remove, &body).await
}

/// `POST /sessions/{id}/groups/{group}/members/promote`, with `members`.
async fn promote(State(app): State<App>, path: PathGroup, body: JsonBody) -> Answer<MemberResults> {
    members(&app, path, MemberChange::Promote, &body).await
}

/// `POST /sessions/{id}/groups/{group}/members/demote`, with `members`.
async fn demote(State(app): State<App>, path: PathGroup, body: JsonBody) -> Answer<MemberResults> {
    members(&app, path, MemberChange::Demote, &body).await
}

async fn members(
    app: &App,
    PathGroup(id, group): PathGroup,
    change: MemberChange,
    body: &JsonBody,
) -> Answer<MemberResults> {
    let people = people(body)?;
    let invite = body.boolean("invite")?.unwrap_or_default();
    let session = app.session(&id)?;
    let results = session
        .change_members(&group, change, &people, invite)
        .await?;
    Ok(Json(OfSession::new(id, MemberResults::new(group, results))))
}

/// `PUT /sessions/{id}/groups/{group}/picture`, with the file (JPEG, PNG or WebP) as the body.
async fn set_picture(
    State(app): State<App>,
    PathGroup(id, group): PathGroup,
    headers: HeaderMap,
    body: Body,
) -> Answer<GroupDone> {
    let bytes = read_body(&headers, body, MAX_PICTURE_BYTES).await?;
    let picture = Picture::new(bytes).map_err(|error| {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        ApiError::new(status, "unsupported_media_type", error.to_string())
            .hint("Send the file itself as the body.")
    })?;
    let edit = GroupEdit::Picture(Some(picture));
    app.session(&id)?.edit_group(&group, &edit).await?;
    let done = GroupDone::new(group, "Picture set");
    Ok(Json(OfSession::new(id, done)))
}

/// `DELETE /sessions/{id}/groups/{group}/picture`
async fn delete_picture(
    State(app): State<App>,
    PathGroup(id, group): PathGroup,
) -> Answer<GroupDone> {
    let edit = GroupEdit::Picture(None);
    app.session(&id)?.edit_group(&group, &edit).await?;
    let done = GroupDone::new(group, "Picture removed");
    Ok(Json(OfSession::new(id, done)))
}

/// `GET /sessions/{id}/groups/{group}/invite`
async fn invite(State(app): State<App>, PathGroup(id, group): PathGroup) -> Answer<GroupInvite> {
    let code = app.session(&id)?.group_invite(&group).await?;
    Ok(Json(OfSession::new(id, GroupInvite::new(group, code))))
}

/// `POST /sessions/{id}/groups/{group}/invite/renew`: the old link leads nowhere from now on.
async fn renew(State(app): State<App>, PathGroup(id, group): PathGroup) -> Answer<GroupInvite> {
    let code = app.session(&id)?.renew_group_invite(&group).await?;
    Ok(Json(OfSession::new(id, GroupInvite::new(group, code))))
}

/// Which invite is meant.
#[derive(Debug, Deserialize)]
struct Invite {
    invite: Option<String>,
}

fn invite_code(text: Option<&str>) -> Result<InviteCode, ApiError> {
    let text = text.ok_or_else(|| ApiError::invalid("invite is required"))?;
    InviteCode::new(text).map_err(|error| ApiError::invalid(error.to_string()))
}

/// `GET /sessions/{id}/groups/join?invite=…`: where an invite (a link or its code) leads.
async fn invited_to(
    State(app): State<App>,
    PathSession(id): PathSession,
    ReadQuery(query): ReadQuery<Invite>,
) -> Answer<InviteAnswer> {
    let code = invite_code(query.invite.as_deref())?;
    let info = app.session(&id)?.invite_info(&code).await?;
    Ok(Json(OfSession::new(id, info.into())))
}

/// `POST /sessions/{id}/groups/join`, with `invite` (a link or its code).
async fn join(
    State(app): State<App>,
    PathSession(id): PathSession,
    body: JsonBody,
) -> Answer<JoinedAnswer> {
    let code = invite_code(body.text("invite")?)?;
    let joined = app.session(&id)?.join_group(&code).await?;
    Ok(Json(OfSession::new(id, joined.into())))
}

/// `GET /sessions/{id}/groups/{group}/requests`
async fn requests(State(app): State<App>, PathGroup(id, group): PathGroup) -> Answer<JoinRequests> {
    let requests = app.session(&id)?.join_requests(&group).await?;
    Ok(Json(OfSession::new(id, JoinRequests::new(group, requests))))
}

/// `POST /sessions/{id}/groups/{group}/requests/approve`, with `members`, or for all who ask.
async fn approve(
    State(app): State<App>,
    path: PathGroup,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Answer<MemberResults> {
    answer(&app, path, true, &body).await
}

/// `POST /sessions/{id}/groups/{group}/requests/reject`, with `members`, or for all who ask.
async fn reject(
    State(app): State<App>,
    path: PathGroup,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Answer<MemberResults> {
    answer(&app, path, false, &body).await
}

async fn answer(
    app: &App,
    PathGroup(id, group): PathGroup,
    approve: bool,
    body: &JsonBody,
) -> Answer<MemberResults> {
    let people = people(body)?;
    let session = app.session(&id)?;
    let results = session
        .answer_join_requests(&group, approve, &people)
        .await?;
    Ok(Json(OfSession::new(id, MemberResults::new(group, results))))
}

/// The people in `members`; none if the field is absent.
fn people(body: &JsonBody) -> Result<Vec<Recipient>, ApiError> {
    let names = body.text_list("members")?.unwrap_or_default();
    names.iter().map(|name| recipient(name)).collect()
}

fn disappearing(body: &JsonBody) -> Result<Option<Disappearing>, ApiError> {
    let time = match body.text("disappearing")? {
        None => return Ok(None),
        Some("off") => Disappearing::Off,
        Some("24h") => Disappearing::Day,
        Some("7d") => Disappearing::Week,
        Some("90d") => Disappearing::Quarter,
        Some(_) => {
            return Err(ApiError::invalid(
                "disappearing must be off, 24h, 7d or 90d",
            ));
        }
    };
    Ok(Some(time))
}
