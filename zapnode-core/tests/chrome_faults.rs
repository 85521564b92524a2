//! The Chrome driver on pages that behave as WhatsApp's has in production (fact sheet App. B).
#![cfg(feature = "sandbox")]

mod chrome_support;

use std::time::Duration;

use chrome_support::simulated::{OURS, THEIRS, log_in, logged_in, ours, sandbox, talk, theirs};
use chrome_support::{Bench, PATIENCE, phone, text};
use zapnode_core::driver::{DriverError, DriverEvent, LinkState, Refusal};
use zapnode_core::message::{Ack, Recipient};
use zapnode_core::sandbox::{Ciphertext, Dialog, Faults, RefusalNumber, SendResult};

/// What WhatsApp's server refuses is told with its number and words, and goes under the same id once
/// it is taken; blocked contacts and bans are told as such.
#[tokio::test(flavor = "multi_thread")]
async fn what_whatsapp_does_not_allow_is_told_apart() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    let refused = text(&chat, "refused at first");
    for (place, told) in [
        (RefusalNumber::Field, Some(463)),
        (RefusalNumber::Words, Some(463)),
        (RefusalNumber::Absent, None),
    ] {
        sandbox.set_faults(Faults {
            refuse_sends: 463,
            refusal_number: place,
            ..Faults::default()
        });
        let handed = session.connection.send(&refused).await;
        assert_eq!(handed.expect("handed over").ack, Ack::Pending);
        let refusal = session
            .wait("the refusal", |event| match event {
                DriverEvent::SendRefused(refusal) => Some(refusal.clone()),
                DriverEvent::Ack(change) => panic!("{change:?} before its reason"),
                _ => None,
            })
            .await;
        assert_eq!(refusal.id.wire_id(), refused.wire_id);
        assert_eq!(refusal.status, told);
        assert!(refusal.words.contains("reachout-timelock"), "{refusal:?}");
    }
    sandbox.set_faults(Faults::default());
    session.connection.send(&refused).await.expect("sent");
    session.wait_ack(&refused.wire_id, Ack::Server).await;
    let got = theirs(&sandbox).messages();
    assert_eq!(got.iter().filter(|m| m.id == refused.wire_id).count(), 1);

    sandbox.set_faults(Faults {
        refuse_queries: 429,
        ..Faults::default()
    });
    // The switches take a moment to reach the page.
    let stranger = Recipient::from(phone("244929000005"));
    let asked = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Err(error) = session.connection.find_contact(&stranger).await {
                return error;
            }
        }
    });
    let asked = asked.await.expect("refused in time");
    assert!(
        matches!(
            asked,
            DriverError::ServerRefused {
                status: Some(429),
                ..
            }
        ),
        "{asked:?}"
    );

    sandbox.set_faults(Faults::default());
    let them = Recipient::from(phone(THEIRS));
    let known = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Ok(found) = session.connection.find_contact(&them).await {
                return found;
            }
        }
    });
    let known = known.await.expect("answered in time").expect("known");
    sandbox.set_faults(Faults {
        blocked: vec![known.lid.expect("its LID is known").to_string()],
        ..Faults::default()
    });
    let blocked = tokio::time::timeout(PATIENCE, async {
        loop {
            let before = text(&chat, "before it is known");
            if let Err(error) = session.connection.send(&before).await {
                return error;
            }
        }
    });
    let blocked = blocked.await.expect("refused in time");
    assert!(
        matches!(blocked, DriverError::ContactBlocked { .. }),
        "{blocked:?}"
    );
    sandbox.set_faults(Faults::default());
    ours(&sandbox).ban().await;
    session
        .wait("word of the ban", |event| {
            matches!(event, DriverEvent::Restricted(words) if !words.is_empty()).then_some(())
        })
        .await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_not_told_as_messages() {
    let sandbox = sandbox(|faults| faults.history_burst = 5000).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    theirs(&sandbox)
        .send(&phone(OURS), "new")
        .await
        .expect("sent");
    loop {
        if let DriverEvent::Message(message) = session.next().await {
            assert_eq!(message.text.as_deref(), Some("new"));
            break;
        }
    }
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_revoked_before_it_was_read_is_not_told() {
    let sandbox = sandbox(|faults| {
        (faults.ciphertext, faults.ciphertext_ms) = (Ciphertext::Revoked, 100);
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    theirs(&sandbox)
        .send(&phone(OURS), "regretted")
        .await
        .expect("sent");
    tokio::time::sleep(Duration::from_millis(400)).await;
    sandbox.set_faults(Faults::default());
    session.reload().await;
    theirs(&sandbox)
        .send(&phone(OURS), "meant")
        .await
        .expect("sent");
    loop {
        if let DriverEvent::Message(message) = session.next().await {
            assert_eq!(message.text.as_deref(), Some("meant"));
            break;
        }
    }
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_reloads_itself_interrupts_and_comes_back() {
    let sandbox = sandbox(|faults| {
        (faults.reload_after_load_ms, faults.reload_after_ready_ms) = (150, 400);
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = bench.open("a").await;
    // The first reload falls into the boot.
    session
        .wait("a reload", |event| {
            (event == &DriverEvent::Reloaded).then_some(())
        })
        .await;
    log_in(&sandbox, &mut session).await;
    // The second one falls among sends: each is answered, or has a named reason, and none hangs.
    let chat = phone(THEIRS);
    let mut reloaded = false;
    let mut answers = Vec::new();
    while !reloaded {
        let message = text(&(&chat).into(), "in the middle");
        let sent = tokio::time::timeout(PATIENCE, session.connection.send(&message)).await;
        answers.push(sent.expect("an answer in time"));
        while let Ok(event) = session.events.try_recv() {
            reloaded |= event == DriverEvent::Reloaded;
        }
    }
    for answer in answers {
        assert!(
            matches!(
                answer,
                Ok(_) | Err(DriverError::Interrupted { .. } | DriverError::WrongMoment { .. })
            ),
            "{answer:?}"
        );
    }
    session.wait_ready().await;
    talk(&sandbox, &mut session).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_under_way_end_when_the_page_is_reloaded() {
    let sandbox = sandbox(|faults| faults.block_ms = 0).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let evidence = session.connection.evidence();
    let reload_now = session.connection.reload();
    let (evidence, reloaded) = tokio::join!(evidence, reload_now);
    reloaded.expect("reloaded");
    assert!(
        matches!(
            evidence,
            Ok(_) | Err(DriverError::Interrupted { .. } | DriverError::WrongMoment { .. })
        ),
        "{evidence:?}"
    );
    session.wait_ready().await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_event_loop_only_makes_answers_late() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    sandbox.set_faults(Faults {
        block_ms: 6000,
        ..Faults::default()
    });
    // The block reaches the page some time after this; then answers stop for its length.
    let mut longest = Duration::ZERO;
    while longest < Duration::from_secs(3) {
        let asked = std::time::Instant::now();
        session
            .connection
            .evidence()
            .await
            .expect("late, but there");
        longest = longest.max(asked.elapsed());
    }
    talk(&sandbox, &mut session).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_stay_away_are_told_and_named() {
    let missing = "WAWebSendMsgChatAction";
    let sandbox = sandbox(|faults| faults.missing_modules = vec![missing.to_owned()]).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = bench.open("a").await;
    let qr = session.wait_qr().await;
    ours(&sandbox).scan(&qr).await.expect("scanned");
    session
        .wait_link(LinkState::Refused(Refusal::MissingParts))
        .await;
    let test = session.connection.self_test().await.expect("a self-test");
    assert!(!test.ok);
    let lost: Vec<_> = test
        .probes
        .iter()
        .filter(|p| p.needed && !p.found)
        .collect();
    assert_eq!(lost.len(), 1, "{lost:#?}");
    assert!(lost[0].part.starts_with(missing) && lost[0].detail.is_some());
    // A build that has it again is served again.
    sandbox.set_faults(Faults::default());
    session.reload().await;
    talk(&sandbox, &mut session).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_network_stays_pending_and_goes_out_later() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    sandbox.set_faults(Faults {
        send_result: SendResult::Lost,
        ..Faults::default()
    });
    session.reload().await;
    let lost = text(&chat, "lost");
    let sent = session.connection.send(&lost).await.expect("in the page");
    assert_eq!(sent.ack, Ack::Pending);
    // Asked again, it is the same message; the page sends it itself after a reload.
    sandbox.set_faults(Faults::default());
    session.reload().await;
    let again = session.connection.send(&lost).await.expect("known");
    assert_eq!(again.id, sent.id);
    theirs(&sandbox)
        .wait_for_message(|message| message.id == lost.wire_id, PATIENCE)
        .await
        .expect("arrived");
    let copies = theirs(&sandbox).messages();
    assert_eq!(copies.iter().filter(|m| m.id == lost.wire_id).count(), 1);

    // The page says that the network failed. It keeps the message and sends it later, so it has not
    // failed: the first that is told of it is the server's tick.
    sandbox.set_faults(Faults {
        send_result: SendResult::ErrorNetwork,
        ..Faults::default()
    });
    session.reload().await;
    let unsent = text(&chat, "unsent");
    session.connection.send(&unsent).await.expect("in the page");
    sandbox.set_faults(Faults::default());
    session.connection.reload().await.expect("reloaded");
    let told = session
        .wait("the first ack", |event| match event {
            DriverEvent::Ack(change) if change.id.wire_id() == unsent.wire_id => Some(change.ack),
            _ => None,
        })
        .await;
    assert_eq!(told, Ack::Server);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_hard_to_carry() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    let long = "á😀\u{2028}\"\\ </script> ".repeat(40_000);
    let lines = "uma\nduas\r\n\ttrês\u{0}".to_owned();
    for body in [long, lines, "\u{feff}👩‍👩‍👧‍👦".to_owned()] {
        let message = text(&chat, &body);
        session.connection.send(&message).await.expect("sent");
        theirs(&sandbox)
            .wait_for_message(|m| m.id == message.wire_id && m.text == body, PATIENCE)
            .await
            .expect("arrived whole");
        theirs(&sandbox)
            .send(&phone(OURS), &body)
            .await
            .expect("sent");
        session.wait_message(&body).await;
    }
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_on_leaving_does_not_hold_up_a_reload_or_the_close() {
    let sandbox = sandbox(|faults| faults.dialog = Dialog::BeforeUnload).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    session.reload().await;
    session.close().await;
}
