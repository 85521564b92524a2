//! What goes wrong: Chatwoot down, slow, lying, emptied; tokens taken away; backups brought back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use zapnode_core::backup::{Profiles, RestoreOptions, restore};
use zapnode_tests::BRUNO;
use zapnode_tests::chatwoot::{Faults, Message, World};

use crate::stage::{SOON, Stage, phone, shop};

/// Everybody's messages in the order of Chatwoot, by who wrote.
fn by_contact(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for message in &world.messages {
        let conversation = world.conversation(message.conversation).expect("one");
        let contact = world.contacts.iter().find(|c| c.id == conversation.contact);
        let number = contact
            .and_then(|c| c.phone_number.clone())
            .unwrap_or_default();
        all.entry(number).or_default().push(message.content.clone());
    }
    all
}

#[tokio::test]
async fn down_for_five_hundred_messages_all_arrive_once_and_in_order() -> Result<()> {
    const PEOPLE: usize = 10;
    const EACH: usize = 50;
    let stage = Stage::new().await?;
    stage.bruno_writes("antes").await?;
    stage.chatwoot.set_faults(Faults {
        down: true,
        ..Faults::default()
    });
    for n in 0..EACH {
        for person in 0..PEOPLE {
            let from = phone(&format!("35191000000{person}"));
            stage.driver.write(&shop(), &from, &n.to_string()).await;
        }
    }
    let waiting = stage.bridge_is("waiting").await?;
    assert!(
        waiting["detail"].as_str().context("why")?.contains("502"),
        "{waiting}"
    );
    assert!(waiting["eventsBehind"].as_i64().context("a number")? > 0);
    // It comes back badly: of the first calls every fifth fails in one of four ways, of which one
    // is an answer that is lost after the work was done.
    let next = (0..60).map(|n| match n % 5 {
        0 => [500, 0, 429, 503][n / 5 % 4],
        _ => 200,
    });
    let next = next.collect();
    stage.chatwoot.set_faults(Faults {
        next,
        ..Faults::default()
    });
    let whole = |world: &World| {
        let all = by_contact(world);
        (all.len() == PEOPLE + 1 && all.values().map(Vec::len).sum::<usize>() > PEOPLE * EACH)
            .then_some(())
    };
    stage
        .chatwoot
        .wait_for(Duration::from_secs(240), whole)
        .await?;
    // Set the same again: a later repetition would come now.
    stage.bruno_writes("depois").await?;
    let wanted: Vec<_> = (0..EACH).map(|n| n.to_string()).collect();
    stage.chatwoot.look(|world| {
        let mut all = by_contact(world);
        assert_eq!(
            all.remove(&format!("+{BRUNO}")).expect("Bruno"),
            ["antes", "depois"]
        );
        assert_eq!(all.len(), PEOPLE);
        for (number, texts) in all {
            assert_eq!(texts, wanted, "{number}");
        }
        assert_eq!(world.contacts.len(), PEOPLE + 1, "nobody twice");
        assert_eq!(world.conversations.len(), PEOPLE + 1);
    });
    stage.bridge_is("working").await?;
    assert!(stage.sent().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn an_answer_that_was_lost_is_no_second_message() -> Result<()> {
    let stage = Stage::new().await?;
    stage.bruno_writes("um").await?;
    // The push is done, and nobody hears of it.
    stage.chatwoot.set_faults(Faults {
        next: [0].into(),
        ..Faults::default()
    });
    stage.bruno_writes("dois").await?;
    stage.bruno_writes("três").await?;
    let texts = stage.chatwoot.look(|w| {
        w.messages
            .iter()
            .map(|m| m.content.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(texts, ["um", "dois", "três"]);
    // The same for everything that a new contact needs, one after another.
    for n in 0..6 {
        let next = std::iter::repeat_n(200, n).chain([0]).collect();
        stage.chatwoot.set_faults(Faults {
            next,
            ..Faults::default()
        });
        stage.writes(&format!("35192000000{n}"), "Oi").await?;
    }
    stage.chatwoot.look(|world| {
        assert_eq!(world.contacts.len(), 7);
        assert_eq!(world.conversations.len(), 7);
        assert_eq!(world.messages.len(), 3 + 6);
    });
    Ok(())
}

#[tokio::test]
async fn asked_to_wait_it_waits_and_an_agent_does_not() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    stage.chatwoot.set_faults(Faults {
        next: [429].into(),
        ..Faults::default()
    });
    let before = stage.chatwoot.look(|w| w.requests.len());
    stage.driver.write(&shop(), &phone(BRUNO), "devagar").await;
    stage.bridge_is("waiting").await?;
    // Its answers go out meanwhile, without a call of Chatwoot's API.
    stage.agent(shown.conversation, "Olá")?;
    stage.delivered(BRUNO, 1).await?;
    let meanwhile = stage.chatwoot.look(|w| {
        (
            w.requests.len(),
            w.messages.iter().any(|m| m.content == "devagar"),
        )
    });
    if !meanwhile.1 {
        assert_eq!(
            meanwhile.0,
            before + 1,
            "one call, the one that was refused"
        );
    }
    stage.wait_message(|m| m.content == "devagar").await?;
    stage.bridge_is("working").await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_token_is_a_state_and_not_a_loop_and_the_right_one_goes_on() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    stage.chatwoot.set_faults(Faults {
        token_revoked: true,
        ..Faults::default()
    });
    for n in 0..20 {
        stage
            .driver
            .write(&shop(), &phone(BRUNO), &format!("{n}"))
            .await;
    }
    let bridge = stage.bridge_is("wrong_token").await?;
    assert!(
        bridge["hint"]
            .as_str()
            .context("a hint")?
            .contains("access token")
    );
    assert!(bridge["detail"].as_str().context("why")?.contains("401"));
    let calls = stage.chatwoot.look(|w| w.requests.len());
    // Agents are still heard; nothing hammers the API.
    for n in 0..5 {
        stage.agent(shown.conversation, &format!("r{n}"))?;
    }
    stage.delivered(BRUNO, 5).await?;
    stage.driver.write(&shop(), &phone(BRUNO), "20").await;
    stage.bridge_is("wrong_token").await?;
    assert_eq!(stage.chatwoot.look(|w| w.requests.len()), calls);

    stage.chatwoot.set_faults(Faults::default());
    stage.set(json!({})).await?;
    stage.wait_message(|m| m.content == "20").await?;
    stage.bridge_is("working").await?;
    let incoming = |m: &&Message| !m.by_agent;
    let texts = stage.chatwoot.look(|w| {
        w.messages
            .iter()
            .filter(incoming)
            .map(|m| m.content.clone())
            .collect::<Vec<_>>()
    });
    let wanted: Vec<_> = ["Oi".to_owned()]
        .into_iter()
        .chain((0..=20).map(|n| n.to_string()))
        .collect();
    assert_eq!(texts, wanted);
    Ok(())
}

#[tokio::test]
async fn what_agents_delete_in_chatwoot_is_made_anew() -> Result<()> {
    let stage = Stage::new().await?;
    let (_, shown) = stage.bruno_writes("Oi").await?;
    stage
        .chatwoot
        .agent_deletes_conversation(shown.conversation);
    let (_, again) = stage.bruno_writes("Ainda cá").await?;
    assert_ne!(again.conversation, shown.conversation);
    assert_eq!(stage.chatwoot.look(|w| w.contacts.len()), 1);
    stage.bridge_is("working").await?;
    Ok(())
}

#[tokio::test]
async fn a_backup_that_is_brought_back_pushes_nothing_again() -> Result<()> {
    let mut stage = Stage::new().await?;
    let (before, shown) = stage.bruno_writes("antes").await?;
    stage.agent(shown.conversation, "resposta")?;
    stage.delivered(BRUNO, 1).await?;
    stage
        .wait_message(|m| m.content == "resposta" && m.status == "sent")
        .await?;
    let (out, _) = stage.manager().backup(&Profiles::None, Vec::new()).await?;
    // After the backup: this is in Chatwoot, and the backup knows nothing of it.
    let later = crate::stage::told("5511912345678@c.us", false, "depois");
    stage.tell(later.clone()).await?;
    stage.stop().await?;

    let folder = tempfile::tempdir()?;
    let auth = folder.path().join("auth");
    let options = RestoreOptions::into_folders(folder.path().join("data"), &auth);
    let report = restore(out.as_slice(), &options)?;
    assert_eq!(report.sessions, [shop()]);
    let messages = stage.chatwoot.look(|w| w.messages.len());
    stage.move_to(folder, "data", "auth");
    stage.start().await?;
    stage.point().await?;
    // The page tells again what it told after the backup: it may not know that we knew.
    let session = stage.session();
    session.start().await?;
    let up = |info: &zapnode_core::SessionInfo| {
        info.is_ready()
            || matches!(
                &info.state,
                zapnode_core::SessionState::AwaitingLogin { prompt: Some(_) }
            )
    };
    if !session.wait_until(SOON, up).await?.is_ready() {
        stage.driver.scan(&shop(), &phone(zapnode_tests::ANA)).await;
        session.wait_ready(SOON).await?;
    }
    stage.tell(later).await?;
    let (_, new) = stage.bruno_writes("novo").await?;
    assert_eq!(new.conversation, shown.conversation);
    stage.chatwoot.look(|world| {
        assert_eq!(world.messages.len(), messages + 1, "{:#?}", world.messages);
        let ids: BTreeSet<_> = world
            .messages
            .iter()
            .filter_map(|m| m.source_id.clone())
            .collect();
        assert!(ids.contains(&format!("WAID:{before}")));
    });
    assert_eq!(
        stage.driver.delivered_to(&phone(BRUNO)).len(),
        1,
        "nothing sent again"
    );
    Ok(())
}
