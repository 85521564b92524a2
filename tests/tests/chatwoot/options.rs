//! What the owner of a bridge may choose.

use std::time::Duration;

use anyhow::{Context, Result};
use hyper::Method;
use serde_json::{Value, json};
use zapnode_tests::BRUNO;
use zapnode_tests::chatwoot::{AgentWrites, Message};

use crate::stage::{SOON, Stage, phone, shop, told};

#[tokio::test]
async fn a_resolved_conversation_goes_on_or_a_new_one_begins() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, first) = stage.bruno_writes("Oi").await?;
    stage.chatwoot.agent_resolves(first.conversation);
    let (_, again) = stage.bruno_writes("Ainda eu").await?;
    assert_eq!(again.conversation, first.conversation);
    let status = |stage: &Stage, id| {
        stage
            .chatwoot
            .look(|w| w.conversation(id).map(|c| c.status.clone()))
    };
    assert_eq!(status(&stage, first.conversation).as_deref(), Some("open"));

    stage.set(json!({"resolved": "new"})).await?;
    let (_, open) = stage.bruno_writes("E eu").await?;
    assert_eq!(open.conversation, first.conversation, "an open one goes on");
    stage.chatwoot.agent_resolves(first.conversation);
    let (_, new) = stage.bruno_writes("Outra coisa").await?;
    assert_ne!(new.conversation, first.conversation);
    assert_eq!(
        status(&stage, first.conversation).as_deref(),
        Some("resolved")
    );
    // An agent's answer in the old one still arrives.
    stage.agent(first.conversation, "Sobre a primeira")?;
    stage.delivered(BRUNO, 1).await?;
    Ok(())
}

#[tokio::test]
async fn new_conversations_may_begin_as_pending() -> Result<()> {
    let stage = Stage::with(json!({"pending": true})).await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    let status = stage
        .chatwoot
        .look(|w| w.conversation(shown.conversation).map(|c| c.status.clone()));
    assert_eq!(status.as_deref(), Some("pending"));
    Ok(())
}

#[tokio::test]
async fn agents_sign_what_they_write() -> Result<()> {
    let stage = Stage::with(json!({"signMessages": true, "signDelimiter": " — "})).await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    stage.agent(shown.conversation, "Olá")?;
    assert_eq!(stage.delivered(BRUNO, 1).await?[0].1, "*Rita:* — Olá");
    // A file alone is no sentence of theirs.
    let file = AgentWrites {
        attachments: vec![("file".to_owned(), "https://files.example/a".to_owned())],
        ..AgentWrites::default()
    };
    stage.chatwoot.agent_writes(shown.conversation, file)?;
    assert_eq!(
        stage.delivered(BRUNO, 2).await?[1].1,
        "https://files.example/a"
    );
    Ok(())
}

#[tokio::test]
async fn who_is_ignored_stays_out() -> Result<()> {
    let stage = Stage::with(json!({"ignore": ["@g.us", "+351911111111"]})).await?;
    let group = told("120363041234567890@g.us", false, "no grupo");
    let message = zapnode_core::driver::DriverEvent::Message(Box::new(group));
    stage.driver.tell(&shop(), message).await;
    stage
        .driver
        .write(&shop(), &phone("351911111111"), "ignorado")
        .await;
    // In order: once this one is there, the others were looked at.
    stage.bruno_writes("Oi").await?;
    let texts = stage.chatwoot.look(|w| {
        w.messages
            .iter()
            .map(|m| m.content.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(texts, ["Oi"]);
    Ok(())
}

#[tokio::test]
async fn a_brazilian_number_with_and_without_its_ninth_digit_may_be_two() -> Result<()> {
    let short = "551112345678";
    let old = |stage: &Stage| {
        let contact = json!({"name": "Antigo", "phone_number": format!("+{short}"), "inbox_id": stage.inbox, "source_id": "old"});
        stage.chatwoot.agent_makes_contact(&contact)
    };
    let merged = Stage::new().await?;
    old(&merged)?;
    merged.bruno_writes("Oi").await?;
    assert_eq!(merged.chatwoot.look(|w| w.contacts.len()), 1);
    let apart = Stage::with(json!({"mergeBrazil": false})).await?;
    old(&apart)?;
    apart.bruno_writes("Oi").await?;
    assert_eq!(apart.chatwoot.look(|w| w.contacts.len()), 2);
    Ok(())
}

#[tokio::test]
async fn what_came_before_the_bridge_is_brought_in_once() -> Result<()> {
    let stage = Stage::without_bridge().await?;
    stage.driver.write(&shop(), &phone(BRUNO), "ontem").await;
    let mut old = told("351911111111@c.us", false, "há dias");
    old.at -= Duration::from_secs(2 * 24 * 3600);
    let written = old.at.unix_timestamp();
    let message = zapnode_core::driver::DriverEvent::Message(Box::new(old));
    stage.driver.tell(&shop(), message).await;
    let stored = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            let all = stage.session().messages(Default::default(), 10).await?;
            if all.len() == 2 {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(SOON, stored).await??;
    // Not asked for: it begins with now.
    stage.set(json!({})).await?;
    stage.bruno_writes("agora").await?;
    let texts = |stage: &Stage| {
        stage.chatwoot.look(|w| {
            w.messages
                .iter()
                .map(|m| m.content.clone())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(texts(&stage), ["agora"]);
    let path = "/chatwoot/shop";
    stage.client().delete(path).await?.expect(200)?;
    assert_eq!(stage.client().get(path).await?.code(), "bridge_not_found");
    // Asked for: all of it, what is there already is known again by its id, and with its own time.
    stage
        .set(json!({"importDays": 3, "tellState": true}))
        .await?;
    let late = stage.wait_message(|m| m.content == "há dias").await?;
    assert_eq!(late.external_created_at, Some(written));
    stage.bruno_writes("fim").await?;
    assert_eq!(texts(&stage), ["agora", "ontem", "há dias", "fim"]);
    Ok(())
}

#[tokio::test]
async fn an_inbox_is_made_once_by_the_bridge_itself() -> Result<()> {
    let mut stage = Stage::without_bridge().await?;
    let url = stage.url().to_owned();
    let own = json!({"inboxId": null, "autoCreateInbox": "Loja", "publicUrl": url});
    stage.set(own.clone()).await?;
    let made = stage
        .wait(|w| w.inboxes.iter().find(|i| i.name == "Loja").cloned())
        .await?;
    let bridge = stage.bridge_is("working").await?;
    assert_eq!(bridge["inboxId"], made.id);
    let path = bridge["webhookPath"].as_str().context("a path")?;
    assert_eq!(made.webhook_url, format!("{url}{path}"));
    let (_, shown) = stage.bruno_writes("Oi").await?;
    stage.agent(shown.conversation, "Olá")?;
    stage.delivered(BRUNO, 1).await?;
    // Neither other settings nor a restart make another.
    stage.set(own).await?;
    stage.restart().await?;
    let (_, again) = stage.bruno_writes("Oi?").await?;
    assert_eq!(again.conversation, shown.conversation);
    assert_eq!(
        stage.chatwoot.look(|w| w.inboxes.len()),
        2,
        "the stage's and this one"
    );
    Ok(())
}

#[tokio::test]
async fn settings_are_checked_shown_without_secrets_and_kept() -> Result<()> {
    let stage = Stage::new().await?;
    let put = async |body: Value| {
        let body = Some(body.to_string().into());
        stage
            .client()
            .request(Method::PUT, "/chatwoot/shop", body, &[])
            .await
    };
    for (change, word) in [
        (json!({"url": "chatwoot"}), "url"),
        (json!({"accountId": 0}), "accountId"),
        (json!({"inboxId": null}), "inboxId"),
        (json!({"importDays": 99}), "importDays"),
        (json!({"color": "red"}), "color"),
    ] {
        let answer = put(stage.settings(change)).await?.expect(400)?;
        assert_eq!(answer["code"], "invalid_request");
        assert!(
            answer["error"].as_str().context("words")?.contains(word),
            "{answer}"
        );
    }
    let bridge = stage.bridge().await?;
    assert_eq!(bridge["config"]["apiToken"], "********");
    assert_eq!(bridge["config"]["signingSecret"], "********");
    // What is left away stays: the token goes on working.
    let mut kept = stage.settings(json!({"signMessages": true}));
    let fields = kept.as_object_mut().context("an object")?;
    fields.remove("apiToken");
    fields.remove("signingSecret");
    put(kept).await?.expect(200)?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    stage.agent(shown.conversation, "Olá")?;
    assert_eq!(stage.delivered(BRUNO, 1).await?[0].1, "*Rita:*\nOlá");
    let nobody = Some(stage.settings(json!({})).to_string().into());
    let nobody = stage
        .client()
        .request(Method::PUT, "/chatwoot/nobody", nobody, &[])
        .await?;
    assert_eq!(nobody.code(), "session_not_found");
    Ok(())
}

#[tokio::test]
async fn another_account_begins_anew() -> Result<()> {
    let stage = Stage::new().await?;
    stage.bruno_writes("Oi").await?;
    // The company moves to another Chatwoot: numbers there mean something else.
    let other = zapnode_tests::chatwoot::Chatwoot::start().await?;
    let inbox = other.make_inbox("");
    let body = stage.settings(json!({"url": other.url(), "inboxId": inbox}));
    let body = Some(body.to_string().into());
    stage
        .client()
        .request(Method::PUT, "/chatwoot/shop", body, &[])
        .await?
        .expect(200)?;
    stage
        .driver
        .write(&shop(), &phone(BRUNO), "Olá de novo")
        .await;
    let there = |world: &zapnode_tests::chatwoot::World| {
        let mut all = world.messages.iter();
        all.find(|m: &&Message| m.content == "Olá de novo")
            .map(|_| ())
    };
    other.wait_for(SOON, there).await?;
    assert_eq!(stage.chatwoot.look(|w| w.messages.len()), 1);
    Ok(())
}
