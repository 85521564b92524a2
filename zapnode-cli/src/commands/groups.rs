use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Map, Value, json};
use zapnode_core::SessionId;

use super::Context;
use crate::client::Api;
use crate::error::CliError;
use crate::output::table;

/// Found groups, see who is in them, and change them
#[derive(Args, Debug)]
pub(crate) struct GroupsArgs {
    /// Session whose groups they are
    #[arg(long, short, global = true, default_value = "default")]
    session: SessionId,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the groups this account is in; what happens without a subcommand
    List,
    /// Show a group and everybody in it
    Show {
        /// Id of the group, as 120363…@g.us
        group: String,
    },
    /// Found a group
    Create {
        /// Its name
        subject: String,
        /// Who shall be in it: numbers or ids
        members: Vec<String>,
        /// Id of the community it belongs to
        #[arg(long, value_name = "GROUP")]
        community: Option<String>,
        /// Have admins let in who comes by the link
        #[arg(long)]
        approval: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// Take people in
    Add {
        /// Id of the group
        group: String,
        /// Who: numbers or ids
        #[arg(required = true)]
        members: Vec<String>,
        /// Send a card to those who can only be invited
        #[arg(long)]
        invite: bool,
    },
    /// Put people out
    Remove(Who),
    /// Make people admins
    Promote(Who),
    /// Make admins plain members
    Demote(Who),
    /// Change name, description or settings
    Set {
        /// Id of the group
        group: String,
        /// Another name
        #[arg(long)]
        subject: Option<String>,
        /// Another description; an empty one removes it
        #[arg(long)]
        description: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Give a group another picture, or take it away
    Picture {
        /// Id of the group
        group: String,
        /// The file: JPEG, PNG or WebP
        #[arg(required_unless_present = "delete", conflicts_with = "delete")]
        file: Option<PathBuf>,
        /// Take the picture away
        #[arg(long)]
        delete: bool,
    },
    /// Show the link by which people come in
    Invite {
        /// Id of the group
        group: String,
        /// Make a new one: the old one leads nowhere from then on
        #[arg(long)]
        renew: bool,
    },
    /// Follow a link into its group
    Join {
        /// The link, or the code at its end
        invite: String,
        /// Only say where it leads
        #[arg(long)]
        look: bool,
    },
    /// List who asks to be let in
    Requests {
        /// Id of the group
        group: String,
    },
    /// Let people in who asked for it; all of them where nobody is named
    Approve(Asking),
    /// Turn people away who asked to be let in; all of them where nobody is named
    Reject(Asking),
    /// Leave a group
    Leave {
        /// Id of the group
        group: String,
    },
}

/// Members of a group.
#[derive(Args, Debug)]
struct Who {
    /// Id of the group
    group: String,
    /// Who: numbers or ids
    #[arg(required = true)]
    members: Vec<String>,
}

/// Members of a group, or all that it can be done to.
#[derive(Args, Debug)]
struct Asking {
    /// Id of the group
    group: String,
    /// Who: numbers or ids
    members: Vec<String>,
}

/// What is left away stays as it is.
#[derive(Args, Debug)]
struct Settings {
    /// Who may write
    #[arg(long, value_name = "WHO")]
    write: Option<Everybody>,
    /// Who may change name, description and picture
    #[arg(long, value_name = "WHO")]
    edit: Option<Everybody>,
    /// Who may add others
    #[arg(long, value_name = "WHO")]
    add: Option<Everybody>,
    /// How soon new messages disappear
    #[arg(long, value_parser = ["off", "24h", "7d", "90d"], value_name = "TIME")]
    disappearing: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Everybody {
    Everybody,
    Admins,
}

impl Settings {
    fn given(&self) -> Map<String, Value> {
        let mut given = Map::new();
        for (name, who) in [
            ("onlyAdminsWrite", self.write),
            ("onlyAdminsEdit", self.edit),
            ("onlyAdminsAdd", self.add),
        ] {
            let value = who.map(|who| json!(matches!(who, Everybody::Admins)));
            given.extend(value.map(|value| (name.to_owned(), value)));
        }
        let time = self.disappearing.clone().map(Value::from);
        given.extend(time.map(|time| ("disappearing".to_owned(), time)));
        given
    }
}

pub(crate) async fn run(args: &GroupsArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let session = args.session.as_str();
    let ready = context.global.patience(super::send::READY_WITHIN);
    api.ready(session, ready, &context.progress).await?;
    let base = format!("/sessions/{session}/groups");
    let of = |group: &str| format!("{base}/{group}");
    let (text, answer) = match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => {
            let answer = api.get(&base).await?;
            (list(&answer), answer)
        }
        Action::Show { group } => {
            let answer = api.get(&of(group)).await?;
            (shown(&answer["group"]), answer)
        }
        Action::Create {
            subject,
            members,
            community,
            approval,
            settings,
        } => {
            let mut body = settings.given();
            body.insert("subject".to_owned(), json!(subject));
            body.insert("members".to_owned(), json!(members));
            body.insert("approval".to_owned(), json!(approval));
            if let Some(community) = community {
                body.insert("community".to_owned(), json!(community));
            }
            let answer = api.post(&base, body.into()).await?;
            (created(&answer), answer)
        }
        Action::Add {
            group,
            members,
            invite,
        } => {
            let body = json!({"members": members, "invite": invite});
            let answer = api.post(&format!("{}/members", of(group)), body).await?;
            (results(&answer), answer)
        }
        Action::Remove(who) => change(api, &of(&who.group), "members/remove", &who.members).await?,
        Action::Promote(who) => {
            change(api, &of(&who.group), "members/promote", &who.members).await?
        }
        Action::Demote(who) => change(api, &of(&who.group), "members/demote", &who.members).await?,
        Action::Approve(who) => {
            change(api, &of(&who.group), "requests/approve", &who.members).await?
        }
        Action::Reject(who) => {
            change(api, &of(&who.group), "requests/reject", &who.members).await?
        }
        Action::Set {
            group,
            subject,
            description,
            settings,
        } => {
            let mut body = settings.given();
            for (name, text) in [("subject", subject), ("description", description)] {
                body.extend(text.clone().map(|text| (name.to_owned(), json!(text))));
            }
            let body = Some(body.into());
            let answer = api.ask(Method::PATCH, &of(group), body, &[]).await?;
            (shown(&answer["group"]), answer)
        }
        Action::Picture { group, file, .. } => {
            let path = format!("{}/picture", of(group));
            let answer = match file {
                None => api.delete(&path).await?,
                Some(file) => {
                    let bytes = tokio::fs::read(file)
                        .await
                        .map_err(|error| CliError::usage(format!("{}: {error}", file.display())))?;
                    api.put_file(&path, bytes).await?
                }
            };
            (text(&answer["message"]), answer)
        }
        Action::Invite { group, renew } => {
            let path = format!("{}/invite", of(group));
            let answer = if *renew {
                api.post(&format!("{path}/renew"), json!({})).await?
            } else {
                api.get(&path).await?
            };
            (text(&answer["link"]), answer)
        }
        Action::Join { invite, look } => {
            if *look {
                let code = invite.rsplit('/').next().unwrap_or(invite);
                let answer = api.get(&format!("{base}/join?invite={code}")).await?;
                (invited(&answer), answer)
            } else {
                let body = json!({"invite": invite});
                let answer = api.post(&format!("{base}/join"), body).await?;
                (joined(&answer), answer)
            }
        }
        Action::Requests { group } => {
            let answer = api.get(&format!("{}/requests", of(group))).await?;
            (requests(&answer), answer)
        }
        Action::Leave { group } => {
            let answer = api.post(&format!("{}/leave", of(group)), json!({})).await?;
            (text(&answer["message"]), answer)
        }
    };
    context
        .progress
        .hide(|| context.output.result(text, &answer));
    Ok(())
}

async fn change(
    api: &Api,
    group: &str,
    what: &str,
    members: &[String],
) -> Result<(String, Value), CliError> {
    let body = json!({"members": members});
    let answer = api.post(&format!("{group}/{what}"), body).await?;
    Ok((results(&answer), answer))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn rows(list: &Value, row: impl Fn(&Value) -> Vec<String>) -> Vec<Vec<String>> {
    list.as_array().into_iter().flatten().map(row).collect()
}

/// A member's best name: the number, where it is known.
fn name(person: &Value) -> String {
    match person["number"].as_str() {
        Some(number) => format!("+{number}"),
        None => text(&person["id"]),
    }
}

fn count(value: &Value) -> String {
    value.as_u64().map_or_else(String::new, |n| n.to_string())
}

fn list(answer: &Value) -> String {
    let rows = rows(&answer["groups"], |group| {
        let role = match (group["isCommunity"] == true, group["isAdmin"] == true) {
            (true, _) => "community",
            (false, true) => "admin",
            (false, false) => "",
        };
        vec![
            text(&group["id"]),
            text(&group["subject"]),
            count(&group["memberCount"]),
            role.to_owned(),
        ]
    });
    if rows.is_empty() {
        return "This account is in no group.".to_owned();
    }
    table(&["GROUP", "SUBJECT", "MEMBERS", ""], &rows)
}

fn shown(group: &Value) -> String {
    let mut lines = vec![
        format!("Subject   {}", text(&group["subject"])),
        format!("Id        {}", text(&group["id"])),
    ];
    if let Some(description) = group["description"].as_str() {
        lines.push(format!("About     {description}"));
    }
    let who = |name: &str| {
        if group[name] == true {
            "admins"
        } else {
            "everybody"
        }
    };
    lines.push(format!(
        "May       write: {}, edit: {}, add: {}",
        who("onlyAdminsWrite"),
        who("onlyAdminsEdit"),
        who("onlyAdminsAdd")
    ));
    if let Some(time) = group["disappearing"].as_str().filter(|time| *time != "off") {
        lines.push(format!("Messages  disappear after {time}"));
    }
    let members = rows(&group["members"], |member| {
        vec![name(member), text(&member["role"]), text(&member["lid"])]
    });
    lines.push(table(&["MEMBER", "ROLE", "LID"], &members));
    lines.join("\n")
}

fn results(answer: &Value) -> String {
    let rows = rows(&answer["members"], |member| {
        vec![
            text(&member["id"]),
            count(&member["code"]),
            text(&member["message"]),
        ]
    });
    if rows.is_empty() {
        return "There was nobody to do that to.".to_owned();
    }
    table(&["WHO", "CODE", "RESULT"], &rows)
}

fn created(answer: &Value) -> String {
    let mut lines = vec![format!("Founded {}.", text(&answer["groupId"]))];
    if answer["settingsApplied"] == false {
        lines.push("Not all settings were taken; set them anew: zapnode groups set".to_owned());
    }
    if answer["members"]
        .as_array()
        .is_some_and(|all| !all.is_empty())
    {
        lines.push(results(answer));
    }
    lines.join("\n")
}

fn joined(answer: &Value) -> String {
    let group = text(&answer["groupId"]);
    if answer["pending"] == true {
        format!("Asked to be let into {group}; an admin has to agree.")
    } else {
        format!("In {group}.")
    }
}

fn invited(answer: &Value) -> String {
    let members = count(&answer["memberCount"]);
    format!(
        "{}: {} ({members} members)",
        text(&answer["groupId"]),
        text(&answer["subject"])
    )
}

fn requests(answer: &Value) -> String {
    let rows = rows(&answer["requests"], |one| {
        vec![name(one), text(&one["id"]), text(&one["at"])]
    });
    if rows.is_empty() {
        return "Nobody asks to be let in.".to_owned();
    }
    table(&["WHO", "ID", "SINCE"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_told_for_people() {
        let group = json!({"id": "12@g.us", "subject": "Obra", "description": "betão",
            "onlyAdminsWrite": true, "onlyAdminsEdit": false, "onlyAdminsAdd": false,
            "disappearing": "7d", "members": [
                {"id": "7@lid", "number": "244929782402", "lid": "7@lid", "role": "owner"},
                {"id": "8@lid", "lid": "8@lid", "role": "member"}]});
        assert_eq!(
            shown(&group),
            "Subject   Obra\nId        12@g.us\nAbout     betão\n\
             May       write: admins, edit: everybody, add: everybody\n\
             Messages  disappear after 7d\n\
             MEMBER         ROLE    LID\n+244929782402  owner   7@lid\n8@lid          member  8@lid"
        );
        let answer = json!({"groupId": "12@g.us", "settingsApplied": true, "members": [
            {"id": "1@c.us", "code": 403, "message": "only invited"}]});
        assert_eq!(
            created(&answer),
            "Founded 12@g.us.\nWHO     CODE  RESULT\n1@c.us  403   only invited"
        );
    }
}
