//! From Chatwoot to WhatsApp: what agents write, delete and type; and what is none of ours.

use anyhow::{Context, Result};
use hyper::Method;
use serde_json::{Value, json};
use zapnode_core::chatwoot::signature::sign;
use zapnode_core::message::MediaKind;
use zapnode_core::outbox::MessageState;
use zapnode_tests::chatwoot::{AgentWrites, Faults, HOOK_SECRET, HookCall, World};
use zapnode_tests::{ANA, BRUNO};

use crate::stage::{Stage, phone, shop};

#[tokio::test]
async fn an_agents_answer_goes_out_in_whatsapps_marks() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    let id = stage.agent(
        shown.conversation,
        "**Olá** *Bruno*, ~~10~~ 8:\\\n[a loja](https://loja.example)",
    )?;
    let got = stage.delivered(BRUNO, 1).await?;
    assert_eq!(
        got[0].1,
        "*Olá* _Bruno_, ~10~ 8:\na loja (https://loja.example)"
    );
    stage
        .wait_message(|m| m.id == id && m.status == "sent")
        .await?;
    stage.bridge_is("working").await?;
    Ok(())
}

#[tokio::test]
async fn files_go_as_files_and_as_links_where_they_cannot_be_had() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    let menu = stage
        .chatwoot
        .store_file("menu.pdf", "application/pdf", b"%PDF-1.7 menu");
    let song = stage
        .chatwoot
        .store_file("song.mp3", "audio/mpeg", b"ID3\x03\0\0\0\0\0\0 a song");
    let files = AgentWrites {
        content: "O **menu**".to_owned(),
        attachments: vec![("file".to_owned(), menu), ("audio".to_owned(), song)],
        ..AgentWrites::default()
    };
    let id = stage.chatwoot.agent_writes(shown.conversation, files)?;
    let sent = stage.sent_until(|all| all.len() == 2).await?;
    assert_eq!(sent[1].kind, "document");
    let got = async {
        stage.driver.until(|driver| driver.sent().len() == 2).await;
        stage.driver.sent()
    };
    let got = tokio::time::timeout(crate::stage::SOON, got).await?;
    let media: Vec<_> = got.iter().filter_map(|one| one.content.media()).collect();
    assert_eq!(media[0].caption.as_deref(), Some("O *menu*"));
    assert_eq!(media[0].file.name.as_deref(), Some("menu.pdf"));
    assert_eq!(std::fs::read(&media[0].file.path)?, b"%PDF-1.7 menu");
    assert_eq!(
        (media[1].kind, media[1].caption.as_deref()),
        (MediaKind::Audio, None)
    );
    // Taken back, both go: each revoke on WhatsApp is told to Chatwoot.
    stage.chatwoot.agent_deletes(id)?;
    let told = format!("/messages/{id}");
    let both = |world: &World| {
        let gone = world.requests.iter();
        let gone = gone.filter(|one| one.starts_with("DELETE ") && one.ends_with(&told));
        (gone.count() == 2).then_some(())
    };
    stage.wait(both).await?;
    // A file that is gone goes as its address; it needs no words.
    let gone = format!(
        "{}/rails/active_storage/blobs/redirect/gone.png",
        stage.chatwoot.url()
    );
    let file = AgentWrites {
        attachments: vec![("image".to_owned(), gone.clone())],
        ..AgentWrites::default()
    };
    stage.chatwoot.agent_writes(shown.conversation, file)?;
    let sent = stage.sent_until(|all| all.len() == 3).await?;
    assert_eq!(sent[0].text.as_deref(), Some(gone.as_str()));
    Ok(())
}

#[tokio::test]
async fn notes_among_agents_stay_and_typing_is_shown() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    let note = AgentWrites {
        content: "cliente difícil".to_owned(),
        private: true,
        ..AgentWrites::default()
    };
    let note = stage.chatwoot.agent_writes(shown.conversation, note)?;
    stage.webhooks_settle(note).await?;
    stage.chatwoot.agent_types(shown.conversation, true);
    stage.agent(shown.conversation, "Olá")?;
    stage.delivered(BRUNO, 1).await?;
    let typed = stage.driver.until(|driver| !driver.typed().is_empty());
    tokio::time::timeout(crate::stage::SOON, typed).await?;
    assert!(stage.driver.typed()[0].1);
    Ok(())
}

#[tokio::test]
async fn a_deletion_by_an_agent_takes_back_what_has_not_left() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    // The browser is gone and does not come back, so what is accepted waits here.
    stage.driver.hold_opening(true);
    stage.driver.crash(&shop()).await;
    let session = stage.session();
    session
        .wait_until(crate::stage::SOON, |info| !info.is_ready())
        .await?;
    let id = stage.agent(shown.conversation, "ups")?;
    stage.webhooks_settle(id).await?;
    stage.sent_until(|all| all.len() == 1).await?;
    stage.chatwoot.agent_deletes(id)?;
    stage
        .sent_until(|all| all[0].state == MessageState::Cancelled)
        .await?;
    assert!(stage.driver.delivered_to(&phone(BRUNO)).is_empty());
    Ok(())
}

#[tokio::test]
async fn a_deletion_by_an_agent_is_one_on_whatsapp() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    let id = stage.agent(shown.conversation, "ups")?;
    stage.delivered(BRUNO, 1).await?;
    stage
        .sent_until(|all| all[0].state == MessageState::Sent)
        .await?;
    stage.chatwoot.agent_deletes(id)?;
    // Its revoke on WhatsApp is told to Chatwoot, as every one.
    let told = format!("/messages/{id}");
    let gone = |world: &World| {
        let mut all = world.requests.iter();
        let gone = all.find(|one| one.starts_with("DELETE ") && one.ends_with(&told));
        gone.map(|_| ())
    };
    stage.wait(gone).await?;
    let (_, later) = stage.bruno_writes("?").await?;
    stage.webhooks_settle(later.id).await?;
    assert!(
        stage
            .chatwoot
            .look(|w| !w.messages.iter().any(|m| m.private))
    );
    Ok(())
}

#[tokio::test]
async fn whom_nothing_names_is_told_to_the_agent() -> Result<()> {
    let stage = Stage::new().await?;
    let contact = json!({"name": "Sem número", "identifier": "ana@loja.example", "inbox_id": stage.inbox, "source_id": "made-by-hand"});
    stage.chatwoot.agent_makes_contact(&contact)?;
    let conversation = stage.chatwoot.agent_opens(stage.inbox, "made-by-hand")?;
    let id = stage.agent(conversation, "Olá?")?;
    let failed = stage
        .wait_message(|m| m.id == id && m.status == "failed")
        .await?;
    assert!(
        failed
            .external_error
            .context("words")?
            .contains("phone number")
    );
    // One made by hand with a number is written to, and the answer is in that conversation.
    let contact = json!({"name": "Carla", "phone_number": "+351912345678", "inbox_id": stage.inbox, "source_id": "carla"});
    stage.chatwoot.agent_makes_contact(&contact)?;
    let conversation = stage.chatwoot.agent_opens(stage.inbox, "carla")?;
    stage.agent(conversation, "Olá Carla")?;
    stage.delivered("351912345678", 1).await?;
    let (_, answer) = stage.writes("351912345678", "Olá!").await?;
    assert_eq!(answer.conversation, conversation);
    assert_eq!(
        stage.chatwoot.look(|w| w.contacts.len()),
        2,
        "Carla is there once"
    );
    Ok(())
}

#[tokio::test]
async fn the_same_webhook_again_sends_nothing_again() -> Result<()> {
    let mut stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    let id = stage.agent(shown.conversation, "uma vez")?;
    stage.delivered(BRUNO, 1).await?;
    stage.webhooks_settle(id).await?;
    stage.restart().await?;
    let mut call: HookCall = stage.chatwoot.look(|world| {
        let mut all = world.deliveries.iter();
        let found = all.find(|(call, _)| call.message == Some(id));
        found.map(|(call, _)| call.clone()).expect("told once")
    });
    call.url = stage.chatwoot.look(|w| w.inboxes[0].webhook_url.clone());
    let before = stage.chatwoot.look(|w| w.deliveries.len());
    stage.chatwoot.repeat(call);
    stage
        .wait(|w| (w.deliveries.len() > before).then_some(()))
        .await?;
    stage.agent(shown.conversation, "outra")?;
    let got = stage.delivered(BRUNO, 2).await?;
    assert_eq!(got[1].1, "outra");
    Ok(())
}

#[tokio::test]
async fn only_chatwoots_own_fresh_calls_are_taken() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    let hook = stage.bridge().await?["webhookPath"]
        .as_str()
        .context("a path")?
        .to_owned();
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let body = json!({
        "event": "message_created", "id": 99_001, "content": "forjada", "message_type": "outgoing",
        "private": false, "account": {"id": 1}, "inbox": {"id": stage.inbox},
        "conversation": {"id": shown.conversation, "meta": {"sender": {"phone_number": format!("+{BRUNO}")}}},
    })
    .to_string();
    let post = async |path: &str, headers: &[(&str, &str)]| {
        let body = Some(body.clone().into());
        let answer = stage
            .client()
            .request(Method::POST, path, body, headers)
            .await?;
        anyhow::Ok((answer.status.as_u16(), answer.code()))
    };
    let signed = |secret: &str, at: i64| {
        let at = at.to_string();
        (sign(secret, &at, body.as_bytes()), at)
    };
    for (secret, at) in [
        (HOOK_SECRET, now - 301),
        (HOOK_SECRET, now + 301),
        ("other", now),
    ] {
        let (signature, at) = signed(secret, at);
        let headers = [
            ("x-chatwoot-signature", signature.as_str()),
            ("x-chatwoot-timestamp", at.as_str()),
        ];
        assert_eq!(
            post(&hook, &headers).await?,
            (401, "unauthorized".to_owned())
        );
    }
    assert_eq!(post(&hook, &[]).await?.0, 401, "unsigned");
    let guessed = format!("{}x", &hook[..hook.len() - 1]);
    let (signature, at) = signed(HOOK_SECRET, now);
    let good = [
        ("x-chatwoot-signature", signature.as_str()),
        ("x-chatwoot-timestamp", at.as_str()),
    ];
    assert_eq!(post(&guessed, &good).await?.0, 404, "another secret");
    assert_eq!(post("/chatwoot/nobody/webhook/x", &good).await?.0, 404);
    assert!(stage.driver.delivered_to(&phone(BRUNO)).is_empty());
    assert_eq!(post(&hook, &good).await?.0, 200);
    assert_eq!(stage.delivered(BRUNO, 1).await?[0].1, "forjada");

    // A Chatwoot before 4.13 signs nothing: without a signing secret the path's own is the check.
    stage.set(json!({"signingSecret": null})).await?;
    stage.chatwoot.set_faults(Faults {
        unsigned: true,
        ..Faults::default()
    });
    stage.agent(shown.conversation, "sem assinatura")?;
    stage.delivered(BRUNO, 2).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_no_answer_is_answered_and_left() -> Result<()> {
    let stage = Stage::with(json!({"signingSecret": null})).await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    let hook = stage.bridge().await?["webhookPath"]
        .as_str()
        .context("a path")?
        .to_owned();
    let post = async |change: Value| {
        let mut body = json!({
            "event": "message_created", "id": 99_001, "content": "x", "message_type": "outgoing",
            "private": false, "account": {"id": 1}, "inbox": {"id": stage.inbox},
            "conversation": {"id": shown.conversation, "meta": {"sender": {"phone_number": format!("+{BRUNO}")}}},
        });
        for (name, value) in change.as_object().expect("an object") {
            body[name.as_str()] = value.clone();
        }
        let answer = stage.client().post(&hook, body).await?.expect(200)?;
        anyhow::Ok(answer["reason"].as_str().unwrap_or_default().to_owned())
    };
    for change in [
        json!({"event": "conversation_created"}),
        json!({"event": "conversation_status_changed"}),
        json!({"event": "webwidget_triggered"}),
        json!({"private": true}),
        json!({"message_type": "incoming"}),
        json!({"message_type": "template"}),
        json!({"message_type": 2}),
        json!({"source_id": "WAID:3EB0AABB"}),
        json!({"account": {"id": 2}}),
        json!({"inbox": {"id": stage.inbox + 1000}}),
        json!({"content": null}),
        json!({"event": "message_updated"}),
    ] {
        let reason = post(change.clone()).await?;
        assert!(!reason.is_empty(), "{change}");
    }
    let broken = stage
        .client()
        .request(Method::POST, &hook, Some("{".into()), &[])
        .await?;
    assert_eq!(broken.status.as_u16(), 400);
    assert!(stage.sent().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_webhook_is_answered_before_anything_is_sent() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    // Neither WhatsApp nor Chatwoot's own API answer now.
    stage.driver.stall(&shop());
    stage.chatwoot.set_faults(Faults {
        down: true,
        ..Faults::default()
    });
    let id = stage.agent(shown.conversation, "Olá")?;
    stage.webhooks_settle(id).await?;
    stage.chatwoot.look(|world| {
        let mut all = world.deliveries.iter();
        let found = all.find(|(call, _)| call.message == Some(id));
        assert_eq!(found.expect("told").1, Ok(200));
    });
    Ok(())
}

#[tokio::test]
async fn the_answer_goes_where_the_chat_is_not_where_a_hand_wrote() -> Result<()> {
    let stage = Stage::new().await?;
    // Chatwoot knows Bruno without the ninth digit, from another system.
    let contact = json!({"name": "Bruno (ERP)", "phone_number": "+551112345678", "inbox_id": stage.inbox, "source_id": "erp-1"});
    stage.chatwoot.agent_makes_contact(&contact)?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    stage.chatwoot.look(|world| {
        assert_eq!(world.contacts.len(), 1, "one person, one contact");
        assert_eq!(world.contacts[0].name, "Bruno (ERP)");
    });
    stage.agent(shown.conversation, "Olá")?;
    stage.delivered(BRUNO, 1).await?;
    assert!(stage.driver.delivered_to(&phone("551112345678")).is_empty());
    assert!(stage.driver.delivered_to(&phone(ANA)).is_empty());
    Ok(())
}
