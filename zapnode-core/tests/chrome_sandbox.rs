//! The Chrome driver on the simulated WhatsApp: login, sending, receiving, and what goes wrong.
#![cfg(feature = "sandbox")]

mod chrome_support;

use std::time::Duration;

use chrome_support::simulated::{OURS, THEIRS, log_in, logged_in, ours, sandbox, talk, theirs};
use chrome_support::{Bench, PATIENCE, phone, text};
use zapnode_core::driver::{
    DriverError, DriverEvent, LinkState, LoginPrompt, LogoutReason, Refusal,
};
use zapnode_core::message::{Ack, Recipient};
use zapnode_core::sandbox::Faults;

#[tokio::test(flavor = "multi_thread")]
async fn from_the_qr_over_messages_and_a_reload_to_a_start_without_qr() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let (ours, theirs) = (phone(OURS), phone(THEIRS));

    let mut session = bench.open("a").await;
    assert_eq!(
        session.next().await,
        DriverEvent::Link(LinkState::Connecting)
    );
    session.wait_link(LinkState::NeedsLogin).await;
    let qr = session.wait_qr().await;
    assert_eq!(qr.split(',').count(), 5, "{qr}");
    sandbox.phone(&ours).scan(&qr).await.expect("scanned");
    session.wait_ready().await;

    let evidence = session.connection.evidence().await.expect("evidence");
    let LinkState::Ready(me) = &evidence.link else {
        panic!("{evidence:#?}");
    };
    assert_eq!(
        me.phone.as_ref().and_then(|id| id.phone()),
        Some(ours.clone())
    );
    assert!(
        me.lid.is_some() && evidence.version.is_some(),
        "{evidence:#?}"
    );
    let test = session.connection.self_test().await.expect("a self-test");
    assert!(test.ok, "{test:#?}");
    for probe in test.probes.iter().filter(|probe| !probe.found) {
        tracing::info!(?probe, "not found");
    }

    // Out, with acks.
    let recipient = Recipient::from(theirs.clone());
    let contact = session.connection.find_contact(&recipient).await;
    let contact = contact.expect("an answer").expect("on WhatsApp");
    assert_eq!(
        contact.phone.as_ref().and_then(|id| id.phone()),
        Some(theirs.clone())
    );
    let hello = text(&contact.chat, "olá 😀\nsegunda linha \"'\u{2028}");
    let sent = session.connection.send(&hello).await.expect("sent");
    assert_eq!(sent.id.wire_id(), hello.wire_id);
    session.wait_ack(&hello.wire_id, Ack::Device).await;
    let arrived = sandbox.phone(&theirs);
    let words = hello.content.words().unwrap_or_default();
    let arrived = arrived.wait_for_message(|m| m.text == words, PATIENCE);
    assert_eq!(arrived.await.expect("arrived").id, hello.wire_id);
    sandbox.phone(&theirs).read(&ours).await;
    session.wait_ack(&hello.wire_id, Ack::Read).await;

    // The same again is the same message.
    let again = session.connection.send(&hello).await.expect("known");
    assert_eq!(again.id, sent.id);
    let found = session
        .connection
        .find_message(&sent.id)
        .await
        .expect("an answer");
    assert_eq!(found.map(|found| found.id), Some(sent.id.clone()));

    // In.
    sandbox
        .phone(&theirs)
        .send(&ours, "resposta")
        .await
        .expect("sent");
    let message = session.wait_message("resposta").await;
    assert_eq!(message.chat, contact.chat);
    assert_eq!(
        message.from_phone.as_ref().and_then(|id| id.phone()),
        Some(theirs.clone())
    );
    assert!(!message.from_me && message.kind == "chat");

    // A reply, quoting it.
    let mut reply = text(&contact.chat, "citada");
    reply.reply_to = Some(message.id.clone());
    session.connection.send(&reply).await.expect("sent");
    session.wait_ack(&reply.wire_id, Ack::Server).await;

    // A reload keeps the login, and the messages.
    session.connection.reload().await.expect("reloaded");
    session
        .wait("a reload", |event| {
            (event == &DriverEvent::Reloaded).then_some(())
        })
        .await;
    session.wait_ready().await;
    let found = session
        .connection
        .find_message(&sent.id)
        .await
        .expect("an answer");
    assert_eq!(found.map(|found| found.id), Some(sent.id.clone()));

    let picture = session.connection.screenshot().await.expect("a picture");
    assert_eq!(&picture[..4], b"\x89PNG");

    // So does closing.
    session.close().await;
    assert!(chrome_support::browsers_of(&bench.login("a")).is_empty());
    let mut session = bench.open("a").await;
    loop {
        match session.next().await {
            DriverEvent::Link(LinkState::Ready(_)) => break,
            event @ (DriverEvent::Login(_) | DriverEvent::LoggedOut(_)) => {
                panic!("the login was lost: {event:?}")
            }
            _ => {}
        }
    }
    assert_eq!(session.chat_of(&theirs).await, contact.chat);

    // Unlinked on the phone: told once, and the page asks for a login again.
    sandbox.phone(&ours).log_out().await;
    let reason = session
        .wait("a logout", |event| match event {
            DriverEvent::LoggedOut(reason) => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert!(matches!(reason, LogoutReason::Remote(_)), "{reason:?}");
    loop {
        match session.next().await {
            DriverEvent::Login(LoginPrompt::Qr { .. }) => break,
            DriverEvent::LoggedOut(reason) => panic!("told twice: {reason:?}"),
            _ => {}
        }
    }
    session.close().await;
}

fn logout_of(event: &DriverEvent) -> Option<LogoutReason> {
    match event {
        DriverEvent::LoggedOut(reason) => Some(reason.clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_qr_changes_with_its_ref_and_comes_back_after_an_idle_time() {
    let sandbox = sandbox(|faults| {
        (faults.first_ref_ms, faults.next_ref_ms, faults.ref_count) = (700, 500, 2);
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = bench.open("a").await;
    let mut seen = Vec::new();
    // Two refs, then the page is idle until it is refreshed, which gives two more.
    while seen.len() < 5 {
        let qr = session.wait_qr().await;
        assert!(!seen.contains(&qr), "told twice");
        seen.push(qr);
    }
    log_in(&sandbox, &mut session).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pairing_code_logs_in_and_the_qr_comes_back_when_it_is_not_wanted() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = bench.open("a").await;
    // Asked for at once: the page is not up yet.
    let code = session
        .connection
        .request_pairing_code(&phone(OURS))
        .await
        .expect("a code");
    assert_eq!(code.len(), 8, "{code}");
    let told = session
        .wait("the code", |event| match event {
            DriverEvent::Login(LoginPrompt::PairingCode { code, phone, .. }) => {
                Some((code.clone(), phone.clone()))
            }
            _ => None,
        })
        .await;
    assert_eq!(told, (code, phone(OURS)));

    session.connection.show_qr().await.expect("back");
    session.wait_qr().await;

    let code = session
        .connection
        .request_pairing_code(&phone(OURS))
        .await
        .expect("a code");
    ours(&sandbox).enter_code(&code).await.expect("entered");
    session.wait_ready().await;
    let late = session.connection.request_pairing_code(&phone(OURS)).await;
    assert!(
        matches!(late, Err(DriverError::WrongMoment { .. })),
        "{late:?}"
    );
    let late = session.connection.show_qr().await;
    assert!(
        matches!(late, Err(DriverError::WrongMoment { .. })),
        "{late:?}"
    );
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_is_confirmed_and_told_once() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = bench.open("a").await;
    let early = session.connection.log_out().await;
    assert!(
        matches!(early, Err(DriverError::WrongMoment { .. })),
        "{early:?}"
    );
    log_in(&sandbox, &mut session).await;
    session.connection.log_out().await.expect("logged out");
    assert_eq!(
        session.wait("a logout", logout_of).await,
        LogoutReason::Asked
    );
    assert_eq!(ours(&sandbox).linked_devices(), 0);
    // The next login is a new one.
    let qr = loop {
        match session.next().await {
            DriverEvent::LoggedOut(reason) => panic!("told twice: {reason:?}"),
            DriverEvent::Login(LoginPrompt::Qr { text, .. }) => break text,
            _ => {}
        }
    };
    ours(&sandbox).scan(&qr).await.expect("scanned");
    session.wait_ready().await;
    session.close().await;
    bench.driver_forgets("a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remote_logout_is_noticed_by_either_event_or_by_the_address_alone() {
    use zapnode_core::sandbox::LogoutEvent;
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = bench.open("a").await;
    for event in [
        LogoutEvent::Logout,
        LogoutEvent::LogoutFromBridge,
        LogoutEvent::None,
    ] {
        sandbox.set_faults(Faults {
            logout_event: event,
            ..Faults::default()
        });
        session.connection.reload().await.expect("reloaded");
        session
            .wait("a reload", |event| {
                (event == &DriverEvent::Reloaded).then_some(())
            })
            .await;
        log_in(&sandbox, &mut session).await;
        ours(&sandbox).log_out().await;
        let reason = session.wait("a logout", logout_of).await;
        assert!(
            matches!(reason, LogoutReason::Remote(_)),
            "{event:?}: {reason:?}"
        );
        session.wait_link(LinkState::NeedsLogin).await;
    }
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_whatsapp_and_commands_at_the_wrong_moment() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = bench.open("a").await;
    let recipient = Recipient::from(phone(THEIRS));
    let early = session.connection.find_contact(&recipient).await;
    assert!(
        matches!(early, Err(DriverError::WrongMoment { .. })),
        "{early:?}"
    );
    log_in(&sandbox, &mut session).await;
    // The sandbox has nobody whose number begins so.
    let nobody = Recipient::from(phone("000929990000"));
    let found = session
        .connection
        .find_contact(&nobody)
        .await
        .expect("an answer");
    assert_eq!(found, None);
    let unknown = "true_244929000002@c.us_3EB000000000000000"
        .parse()
        .expect("a key");
    assert_eq!(
        session
            .connection
            .find_message(&unknown)
            .await
            .expect("an answer"),
        None
    );
    let mut reply = text(&session.chat_of(&phone(THEIRS)).await, "to nothing");
    reply.reply_to = Some(unknown);
    let refused = session.connection.send(&reply).await;
    assert!(
        matches!(refused, Err(DriverError::Refused { .. })),
        "{refused:?}"
    );
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_writes_on_the_phone_is_told_and_what_we_send_is_not() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    let mine = text(&chat, "from here");
    session.connection.send(&mine).await.expect("sent");
    session.wait_ack(&mine.wire_id, Ack::Server).await;
    ours(&sandbox)
        .send(&phone(THEIRS), "from the phone")
        .await
        .expect("sent");
    loop {
        if let DriverEvent::Message(message) = session.next().await {
            assert_eq!(message.text.as_deref(), Some("from the phone"));
            assert!(message.from_me);
            assert_eq!(message.chat, chat);
            break;
        }
    }
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_whatsapp_or_the_network_force_on_a_session() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    for (state, link) in [
        ("TIMEOUT", LinkState::Offline),
        ("CONFLICT", LinkState::Conflict),
        ("TOS_BLOCK", LinkState::Refused(Refusal::TermsOfService)),
        ("PROXYBLOCK", LinkState::Refused(Refusal::BlockedNetwork)),
        (
            "DEPRECATED_VERSION",
            LinkState::Refused(Refusal::OutdatedBuild),
        ),
    ] {
        ours(&sandbox).force_state(Some(state)).await;
        session.wait_link(link).await;
        let recipient = Recipient::from(phone(THEIRS));
        let refused = session.connection.find_contact(&recipient).await;
        assert!(
            matches!(refused, Err(DriverError::WrongMoment { .. })),
            "{refused:?}"
        );
        ours(&sandbox).force_state(None).await;
        session.wait_ready().await;
    }
    talk(&sandbox, &mut session).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_will_never_log_in_say_why() {
    let sandbox = sandbox(|faults| faults.passkey = true).await;
    let bench = Bench::new(&sandbox.url());
    // The passkey gate.
    let mut session = bench.open("a").await;
    let qr = session.wait_qr().await;
    ours(&sandbox).scan(&qr).await.expect("scanned");
    session
        .wait_link(LinkState::Refused(Refusal::PasskeyRequired))
        .await;
    session.close().await;
    // An outdated build.
    sandbox.set_faults(Faults {
        outdated_build: true,
        ..Faults::default()
    });
    let mut session = bench.open("b").await;
    session
        .wait_link(LinkState::Refused(Refusal::OutdatedBuild))
        .await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_came_while_closed_are_told_at_the_next_start() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    logged_in(&sandbox, &bench).await.close().await;
    theirs(&sandbox)
        .send(&phone(OURS), "meanwhile")
        .await
        .expect("sent");
    let mut session = bench.open("a").await;
    session.wait_message("meanwhile").await;
    let again = tokio::time::timeout(Duration::from_millis(300), async {
        loop {
            if let DriverEvent::Message(message) = session.next().await {
                return message;
            }
        }
    });
    assert!(again.await.is_err(), "told twice");
    session.close().await;
}
