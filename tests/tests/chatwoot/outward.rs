//! From WhatsApp into Chatwoot: contacts, conversations, messages, and what becomes of them.

use anyhow::Result;
use serde_json::json;
use zapnode_core::driver::DriverEvent;
use zapnode_core::driver::scripted::ScriptedFile;
use zapnode_core::message::{Ack, Call, Edit, MediaFacts, Person, Reaction, Revoke, RevokedFor};
use zapnode_core::{MessageId, WireId};
use zapnode_tests::BRUNO;
use zapnode_tests::chatwoot::MessageType;

use crate::stage::{Stage, answering, chat, phone, shop, told};

const BRUNOS: &str = "5511912345678@c.us";

#[tokio::test]
async fn who_writes_becomes_a_contact_with_a_conversation_and_the_echo_is_not_sent() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, first) = stage.bruno_writes("Olá, *tudo bem*?").await?;
    assert_eq!(first.message_type, MessageType::Incoming);
    assert_eq!(first.content, "Olá, **tudo bem**?");
    let (_, second) = stage.bruno_writes("Tem pão?").await?;
    assert_eq!(second.conversation, first.conversation, "one conversation");
    stage.chatwoot.look(|world| {
        assert_eq!(world.contacts.len(), 1);
        let contact = &world.contacts[0];
        assert_eq!(contact.name, format!("Contact {BRUNO}"));
        assert_eq!(contact.phone_number.as_deref(), Some("+5511912345678"));
        assert_eq!(contact.identifier.as_deref(), Some(BRUNOS));
        assert_eq!(world.conversations.len(), 1);
        assert_eq!(world.conversations[0].status, "open");
    });
    // Chatwoot tells us of both; nothing comes of it.
    stage.webhooks_settle(second.id).await?;
    assert!(stage.sent().await?.is_empty());
    assert!(stage.chatwoot.look(|world| {
        let mut answers = world.deliveries.iter();
        answers.all(|(_, answer)| *answer == Ok(200))
    }));
    Ok(())
}

#[tokio::test]
async fn what_is_typed_on_the_phone_is_outgoing_and_never_comes_back() -> Result<()> {
    let stage = Stage::new().await?;
    let own = told(BRUNOS, true, "Já respondo");
    let (id, key) = (own.id.wire_id(), own.id.clone());
    let shown = stage.tell(own).await?;
    assert_eq!(shown.message_type, MessageType::Outgoing);
    assert_eq!(shown.content, "Já respondo");
    // It is changed on the phone too: shown, and not sent as if an agent had written it.
    let edit = Edit {
        id: key,
        chat: chat(BRUNOS),
        from: Person::new(chat("244929782402@c.us")),
        from_me: true,
        text: Some("Já respondo!".to_owned()),
        previous: None,
        at: time::OffsetDateTime::now_utc(),
    };
    stage.driver.tell(&shop(), DriverEvent::Edited(edit)).await;
    let edited = stage
        .wait_message(|m| m.content == "✏️ Edited: Já respondo!")
        .await?;
    assert_eq!(edited.message_type, MessageType::Outgoing);
    assert_eq!(edited.in_reply_to, Some(shown.id));
    stage.webhooks_settle(edited.id).await?;
    assert!(stage.driver.delivered_to(&phone(BRUNO)).is_empty(), "{id}");
    assert!(stage.sent().await?.iter().all(|m| m.wire_id == id));
    // The contact had no name until it wrote.
    let named = format!("Contact {BRUNO}");
    assert_eq!(
        stage.chatwoot.look(|w| w.contacts[0].name.clone()),
        "+5511912345678"
    );
    stage.bruno_writes("Obrigado").await?;
    assert_eq!(stage.chatwoot.look(|w| w.contacts[0].name.clone()), named);
    Ok(())
}

#[tokio::test]
async fn what_is_sent_by_the_api_is_shown_to_the_agents_too() -> Result<()> {
    let stage = Stage::new().await?;
    let body = json!({"phoneNumber": BRUNO, "message": "O seu pedido saiu"});
    stage
        .client()
        .post("/sessions/shop/send", body)
        .await?
        .expect(200)?;
    let shown = stage
        .wait_message(|m| m.content == "O seu pedido saiu")
        .await?;
    assert_eq!(shown.message_type, MessageType::Outgoing);
    stage.webhooks_settle(shown.id).await?;
    stage.delivered(BRUNO, 1).await?;
    Ok(())
}

#[tokio::test]
async fn answers_are_threaded_both_ways() -> Result<()> {
    let stage = Stage::new().await?;
    let (question, asked) = stage.bruno_writes("Quanto custa?").await?;
    let message = answering(told(BRUNOS, false, "E o outro?"), &question);
    let shown = stage.tell(message).await?;
    assert_eq!(shown.in_reply_to, Some(asked.id));
    // An agent answers the first one; WhatsApp gets the key to quote it by.
    let answer = zapnode_tests::chatwoot::AgentWrites {
        content: "10".to_owned(),
        in_reply_to: Some(asked.id),
        ..Default::default()
    };
    let answer = stage.chatwoot.agent_writes(asked.conversation, answer)?;
    let (wire_id, _) = stage.delivered(BRUNO, 1).await?.remove(0);
    let sent = stage.sent().await?.remove(0);
    let quoted = sent.reply_to.expect("a quote");
    assert_eq!(quoted.wire_id(), question);
    // And who answers the agent's message answers that message in Chatwoot.
    let shown = stage
        .tell(answering(told(BRUNOS, false, "Caro"), &wire_id))
        .await?;
    assert_eq!(shown.in_reply_to, Some(answer));
    Ok(())
}

#[tokio::test]
async fn edits_revokes_reactions_and_calls_are_told_as_text() -> Result<()> {
    let stage = Stage::new().await?;
    let (id, shown) = stage.bruno_writes("Quero 2").await?;
    let bruno = phone(BRUNO);
    stage.driver.edit(&shop(), &bruno, &id, "Quero *3*").await;
    let edited = stage
        .wait_message(|m| m.content == "✏️ Edited: Quero **3**")
        .await?;
    stage.driver.react(&shop(), &bruno, &id, Some("👍")).await;
    let reacted = stage.wait_message(|m| m.content == "Reacted: 👍").await?;
    stage.driver.react(&shop(), &bruno, &id, None).await;
    let unreacted = stage
        .wait_message(|m| m.content.contains("reaction back"))
        .await?;
    stage.driver.revoke(&shop(), &bruno, &id).await;
    let revoked = stage
        .wait_message(|m| m.content.contains("deleted on WhatsApp"))
        .await?;
    for note in [edited, reacted, unreacted, revoked] {
        assert_eq!(note.message_type, MessageType::Incoming, "{note:?}");
        assert_eq!(note.in_reply_to, Some(shown.id), "{note:?}");
        assert_eq!(note.conversation, shown.conversation);
    }
    let call = Call {
        id: "C1".to_owned(),
        from: Person::new(chat(BRUNOS)),
        is_video: false,
        is_group: false,
        participants: vec![],
        at: time::OffsetDateTime::now_utc(),
    };
    stage.driver.tell(&shop(), DriverEvent::Call(call)).await;
    let call = stage.wait_message(|m| m.content.contains("Called")).await?;
    assert_eq!(call.conversation, shown.conversation);
    stage.webhooks_settle(call.id).await?;
    assert!(stage.sent().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn acks_are_the_status_of_what_an_agent_wrote() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    let id = stage.agent(shown.conversation, "Olá")?;
    let (wire_id, _) = stage.delivered(BRUNO, 1).await?.remove(0);
    for (ack, status) in [(Ack::Device, "delivered"), (Ack::Read, "read")] {
        stage.driver.acknowledge(&shop(), &wire_id, ack).await;
        stage
            .wait_message(|m| m.id == id && m.status == status)
            .await?;
    }
    // One message there, not two: the event of its sending is known to be the agent's.
    let outgoing = |m: &&zapnode_tests::chatwoot::Message| m.message_type == MessageType::Outgoing;
    assert_eq!(
        stage
            .chatwoot
            .look(|w| w.messages.iter().filter(outgoing).count()),
        1
    );
    Ok(())
}

#[tokio::test]
async fn what_whatsapp_refuses_or_does_not_know_fails_visibly() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    stage.driver.refuse_sends(Some((Some(479), "not allowed")));
    let id = stage.agent(shown.conversation, "Olá")?;
    let failed = stage
        .wait_message(|m| m.id == id && m.status == "failed")
        .await?;
    assert!(failed.external_error.is_some());
    stage.driver.refuse_sends(None);
    // A number that is not on WhatsApp: the page never has the message.
    let contact = json!({"name": "Zé", "identifier": "0001234567@c.us", "inbox_id": stage.inbox, "source_id": "ze"});
    stage.chatwoot.agent_makes_contact(&contact)?;
    let conversation = stage.chatwoot.agent_opens(stage.inbox, "ze")?;
    let id = stage.agent(conversation, "Alô?")?;
    let failed = stage
        .wait_message(|m| m.id == id && m.status == "failed")
        .await?;
    assert!(failed.external_error.is_some(), "{failed:?}");
    Ok(())
}

#[tokio::test]
async fn a_deletion_on_the_phone_is_one_in_chatwoot_and_comes_back_as_nothing() -> Result<()> {
    let stage = Stage::new().await?;
    let own = told(BRUNOS, true, "Errado");
    let key = own.id.clone();
    let shown = stage.tell(own).await?;
    let revoke = Revoke {
        id: key,
        chat: chat(BRUNOS),
        from: Person::new(chat("244929782402@c.us")),
        from_me: true,
        revoked_for: RevokedFor::Everyone,
        at: time::OffsetDateTime::now_utc(),
    };
    stage
        .driver
        .tell(&shop(), DriverEvent::Revoked(revoke))
        .await;
    stage
        .wait_message(|m| m.id == shown.id && m.deleted)
        .await?;
    // Chatwoot tells us that it was deleted: nobody is told that it could not be taken back.
    let (_, later) = stage.bruno_writes("?").await?;
    stage.webhooks_settle(later.id).await?;
    stage.bruno_writes("??").await?;
    assert!(
        stage
            .chatwoot
            .look(|w| !w.messages.iter().any(|m| m.private))
    );
    Ok(())
}

#[tokio::test]
async fn groups_and_people_known_by_lid_have_conversations_too() -> Result<()> {
    let stage = Stage::new().await?;
    let mut in_group = told("120363041234567890@g.us", false, "Bom dia");
    in_group.from = chat(BRUNOS);
    in_group.from_phone = Some(chat(BRUNOS));
    in_group.name = Some("Bruno".to_owned());
    let shown = stage.tell(in_group).await?;
    assert_eq!(shown.content, "**Bruno (+5511912345678)**\nBom dia");
    let mut by_lid = told("81234567890@lid", false, "Sou eu");
    by_lid.name = Some("Eva".to_owned());
    let eva = stage.tell(by_lid).await?;
    assert_ne!(eva.conversation, shown.conversation);
    stage.chatwoot.look(|world| {
        let contact = world
            .contacts
            .iter()
            .find(|c| c.name == "Eva")
            .expect("Eva");
        assert_eq!(contact.phone_number, None);
        assert_eq!(contact.identifier.as_deref(), Some("81234567890@lid"));
    });
    // The answers go into those chats.
    stage.agent(shown.conversation, "Bom dia a todos")?;
    stage.agent(eva.conversation, "Olá Eva")?;
    let sent = stage
        .sent_until(|all| all.len() == 2 && all.iter().all(|m| m.message_id.is_some()))
        .await?;
    let mut chats: Vec<_> = sent
        .iter()
        .map(|m| m.message_id.as_ref().expect("a key").chat().to_string())
        .collect();
    chats.sort();
    assert_eq!(chats, ["120363041234567890@g.us", "81234567890@lid"]);
    Ok(())
}

#[tokio::test]
async fn a_file_is_put_beside_its_message_and_named_where_it_cannot_be_had() -> Result<()> {
    let stage = Stage::new().await?;
    let (question, asked) = stage.bruno_writes("Mandas o menu?").await?;
    let menu = ScriptedFile {
        file_name: Some("menu.pdf".to_owned()),
        ..ScriptedFile::new("application/pdf", b"%PDF-1.7 menu".as_slice())
    };
    let mut message = answering(told(BRUNOS, false, "aqui *está*"), &question);
    message.kind = "document".to_owned();
    message.details.media = Some(MediaFacts {
        mime_type: Some("application/pdf".to_owned()),
        file_name: Some("menu.pdf".to_owned()),
        size: Some(13),
        ..MediaFacts::default()
    });
    stage.driver.put_file(&message.id.wire_id(), menu);
    let shown = stage.tell(message).await?;
    assert_eq!(shown.content, "aqui **está**");
    assert_eq!(shown.in_reply_to, Some(asked.id));
    assert_eq!(shown.files.len(), 1);
    assert_eq!(shown.files[0].name, "menu.pdf");
    assert_eq!(shown.files[0].content_type, "application/pdf");
    assert_eq!(shown.files[0].bytes, b"%PDF-1.7 menu");
    // The servers have let go of this one.
    let mut photo = told(BRUNOS, false, "olha");
    photo.kind = "image".to_owned();
    photo.details.media = Some(MediaFacts {
        mime_type: Some("image/jpeg".to_owned()),
        size: Some(120_400),
        ..MediaFacts::default()
    });
    let shown = stage.tell(photo).await?;
    assert_eq!(shown.content, "[image: 121 kB]\nolha");
    assert!(shown.files.is_empty());
    Ok(())
}

#[tokio::test]
async fn the_same_again_from_whatsapp_is_there_once() -> Result<()> {
    let stage = Stage::new().await?;
    let message = told(BRUNOS, false, "uma vez");
    stage.tell(message.clone()).await?;
    // After a reload a page may tell it again.
    stage.tell(message.clone()).await?;
    let (_, later) = stage.bruno_writes("depois").await?;
    stage.webhooks_settle(later.id).await?;
    let same = |m: &&zapnode_tests::chatwoot::Message| m.content == "uma vez";
    assert_eq!(
        stage
            .chatwoot
            .look(|w| w.messages.iter().filter(same).count()),
        1
    );
    // Reactions by this account are seen on the phone.
    let reaction = Reaction {
        message: MessageId::new(&format!("false_{BRUNOS}_{}", WireId::choose()))?,
        chat: chat(BRUNOS),
        from: Person::new(chat("244929782402@c.us")),
        from_me: true,
        emoji: Some("❤".to_owned()),
        is_orphan: false,
        at: time::OffsetDateTime::now_utc(),
    };
    stage
        .driver
        .tell(&shop(), DriverEvent::Reaction(reaction))
        .await;
    stage.bruno_writes("fim").await?;
    assert!(
        stage
            .chatwoot
            .look(|w| !w.messages.iter().any(|m| m.content.contains('❤')))
    );
    Ok(())
}
