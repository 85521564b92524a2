//! The Chrome driver on the simulated WhatsApp: login, sending, receiving, and what goes wrong.
#![cfg(feature = "sandbox")]

mod chrome_support;

use chrome_support::{Bench, Session, phone, text};
use zapnode_core::driver::{DriverEvent, LinkState, LoginPrompt, LogoutReason};
use zapnode_core::message::{Ack, Recipient};
use zapnode_core::sandbox::{Faults, Sandbox, SandboxOptions};

const OURS: &str = "244929000001";
const THEIRS: &str = "244929000002";

async fn sandbox(faults: Faults) -> Sandbox {
    Sandbox::start(SandboxOptions {
        faults,
        ..SandboxOptions::default()
    })
    .await
    .expect("a sandbox")
}

/// A session that has just logged in by QR.
async fn logged_in(sandbox: &Sandbox, bench: &Bench) -> Session {
    let mut session = bench.open("a").await;
    let qr = session.wait_qr().await;
    sandbox
        .phone(&phone(OURS))
        .scan(&qr)
        .await
        .expect("scanned");
    session.wait_ready().await;
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_qr_over_messages_and_a_reload_to_a_start_without_qr() {
    let sandbox = sandbox(Faults::default()).await;
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
        eprintln!("not found: {probe:?}");
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
    let sent = session.connection.send_text(&hello).await.expect("sent");
    assert_eq!(sent.id.wire_id(), hello.wire_id);
    session.wait_ack(&hello.wire_id, Ack::Device).await;
    let arrived = sandbox.phone(&theirs);
    let arrived = arrived.wait_for_message(|m| m.text == hello.body, chrome_support::PATIENCE);
    assert_eq!(arrived.await.expect("arrived").id, hello.wire_id);
    sandbox.phone(&theirs).read(&ours).await;
    session.wait_ack(&hello.wire_id, Ack::Read).await;

    // The same again is the same message.
    let again = session.connection.send_text(&hello).await.expect("known");
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
    session.connection.send_text(&reply).await.expect("sent");
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
            DriverEvent::Login(LoginPrompt::Qr { .. }) | DriverEvent::LoggedOut(_) => {
                panic!("the login was lost")
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
