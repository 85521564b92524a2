//! The conversation in which the bridge speaks of itself: states, QR, commands.

use anyhow::Result;
use serde_json::json;
use zapnode_tests::ANA;
use zapnode_tests::chatwoot::{Message, MessageType, World};

use crate::stage::{SOON, Stage, phone, shop};

fn own(world: &World) -> Vec<&Message> {
    let contact = world
        .contacts
        .iter()
        .find(|c| c.identifier.as_deref() == Some("zapnode-system-shop"));
    let conversations: Vec<_> = world
        .conversations
        .iter()
        .filter(|c| Some(c.contact) == contact.map(|contact| contact.id))
        .map(|c| c.id)
        .collect();
    let mine = |m: &&Message| conversations.contains(&m.conversation);
    world.messages.iter().filter(mine).collect()
}

async fn said(stage: &Stage, so: impl Fn(&Message) -> bool) -> Result<Message> {
    stage
        .wait(|world| own(world).into_iter().find(|m| so(m)).cloned())
        .await
}

#[tokio::test]
async fn agents_see_the_state_and_the_qr_and_can_act_on_it() -> Result<()> {
    let mut stage = Stage::with(json!({"tellState": true})).await?;
    stage.driver.remove_device(&shop()).await;
    let told = said(&stage, |m| m.content.contains("unlinked")).await?;
    assert_eq!(told.message_type, MessageType::Incoming);
    // They bring it back from Chatwoot alone.
    stage.agent(told.conversation, "start")?;
    let qr = said(&stage, |m| !m.files.is_empty()).await?;
    assert_eq!(qr.files[0].content_type, "image/png");
    assert!(qr.content.contains("Scan this QR"));
    let asked = stage.agent(told.conversation, "/QR")?;
    said(&stage, |m| m.id > asked && !m.files.is_empty()).await?;
    stage.driver.scan(&shop(), &phone(ANA)).await;
    said(&stage, |m| m.content.contains("is connected")).await?;
    let asked = stage.agent(told.conversation, "status")?;
    said(&stage, |m| m.id > asked && m.content == "ready").await?;
    let asked = stage.agent(told.conversation, "qr")?;
    said(&stage, |m| m.id > asked && m.content.contains("no QR")).await?;
    let asked = stage.agent(told.conversation, "bom dia")?;
    said(&stage, |m| m.id > asked && m.content.contains("*status*")).await?;
    // None of it went to anybody, and a restart says nothing twice.
    assert!(stage.sent().await?.is_empty());
    let count = stage.chatwoot.look(|w| {
        own(w)
            .iter()
            .filter(|m| m.content.contains("unlinked"))
            .count()
    });
    assert_eq!(count, 1);
    stage.restart().await?;
    stage.session().wait_ready(SOON).await?;
    stage.bruno_writes("Oi").await?;
    let again = stage.chatwoot.look(|w| {
        own(w)
            .iter()
            .filter(|m| m.content.contains("unlinked"))
            .count()
    });
    assert_eq!(again, 1);
    Ok(())
}

#[tokio::test]
async fn a_session_that_was_removed_is_begun_anew_from_chatwoot() -> Result<()> {
    let stage = Stage::with(json!({"tellState": true, "language": "pt"})).await?;
    stage.driver.remove_device(&shop()).await;
    let told = said(&stage, |m| m.content.contains("desconectado")).await?;
    stage.manager().delete(&shop(), false).await?;
    let asked = stage.agent(told.conversation, "status")?;
    said(&stage, |m| m.id > asked).await?;
    stage.agent(told.conversation, "start")?;
    said(&stage, |m| m.content.contains("Leia este QR")).await?;
    stage.driver.scan(&shop(), &phone(ANA)).await;
    said(&stage, |m| m.content.contains("está conectado")).await?;
    Ok(())
}
