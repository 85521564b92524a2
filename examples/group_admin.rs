//! Founds a group, gives it rules, lets somebody in who asks, says hello, and leaves.
//!
//! ```text
//! cargo run -p zapnode-examples --example group_admin -- 5511912345678
//! ```
//!
//! With `ZAPNODE_WEB_URL=https://web.whatsapp.com/` it does so on the real WhatsApp, with the numbers
//! that are named.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use zapnode_core::group::{GroupEdit, GroupSettings, MemberChange, NewGroup};
use zapnode_core::message::Recipient;
use zapnode_core::sandbox::{GroupAct, Place};
use zapnode_core::{ChatId, PhoneNumber, SessionHandle};
use zapnode_examples::Stage;

/// On the simulated WhatsApp, somebody who asks to be let in.
const ASKING: &str = "244923000000";

#[tokio::main]
async fn main() -> Result<()> {
    let named: Vec<_> = std::env::args().skip(1).collect();
    let named = if named.is_empty() {
        vec!["5511912345678".to_owned()]
    } else {
        named
    };
    let members = named
        .iter()
        .map(|number| Ok(PhoneNumber::new(number)?))
        .collect::<Result<Vec<_>>>()?;

    let stage = Stage::set("example").await?;
    let group = found(&stage.session, &members).await?;
    let link = stage.session.group_invite(&group).await?.link();
    println!("Who has this link can ask to be let in: {link}");
    let_in(&stage, &group).await?;

    let hello = "Bem-vindos! 👷";
    let to = Recipient::Chat(group.clone());
    let wait = Duration::from_secs(10);
    let sent = stage.session.send_text(to, hello, wait).await?;
    println!("Said hello as {} ({:?}).", sent.id, sent.ack);
    let now = stage.session.group(&group).await?;
    println!("{}: {} members.", now.subject, now.members.len());
    stage.session.leave_group(&group).await?;
    println!("Left it.");
    stage.strike().await;
    Ok(())
}

async fn found(session: &SessionHandle, members: &[PhoneNumber]) -> Result<ChatId> {
    let new = NewGroup {
        settings: GroupSettings {
            only_admins_edit: true,
            ..GroupSettings::default()
        },
        approval: true,
        ..NewGroup::new("Obra do bairro", members.iter().map(ChatId::from).collect())
    };
    let created = session.create_group(&new).await?;
    println!("Founded {} as {}.", created.subject, created.id);
    for member in &created.members {
        println!("  {}: {}", member.id, member.outcome.explanation());
    }
    let about = GroupEdit::Description("Betão, ferro e prazos.".to_owned());
    session.edit_group(&created.id, &about).await?;
    let first = members.first().context("somebody is named")?;
    let admins = [Recipient::Phone(first.clone())];
    let promoted = session
        .change_members(&created.id, MemberChange::Promote, &admins, false)
        .await?;
    println!("{first} as admin: {}", promoted[0].outcome.explanation());
    Ok(created.id)
}

/// On the simulated WhatsApp somebody asks; on the real one, whoever does by then.
async fn let_in(stage: &Stage, group: &ChatId) -> Result<()> {
    if let Some(sandbox) = &stage.sandbox {
        let Place::Group(id) = group.as_str().parse()? else {
            anyhow::bail!("{group} is no group");
        };
        let phone = sandbox.phone(&PhoneNumber::new(ASKING)?);
        phone.act_in_group(&id, GroupAct::RequestToJoin).await?;
        println!("The simulated phone {ASKING} asks to be let in.");
    }
    let let_in = stage.session.answer_join_requests(group, true, &[]).await?;
    for one in &let_in {
        println!("Let in {}: {}", one.id, one.outcome.explanation());
    }
    ensure!(
        stage.sandbox.is_none() || let_in.iter().any(|one| one.is_done()),
        "who asked was let in"
    );
    Ok(())
}
