//! The Chrome driver on a page that nobody of ours would write: it has the surface of the fact sheet
//! in its least likely forms (`chrome_odd_page.html`).

mod chrome_support;

use chrome_support::{Bench, PATIENCE, Session, serve};
use zapnode_core::ChatId;
use zapnode_core::driver::{DriverEvent, LinkState, LogoutReason};
use zapnode_core::message::{Ack, Person, Recipient};

/// The surface of the fact sheet in its least likely forms, each of them seen or allowed there.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_which_everything_is_where_it_used_to_be() {
    const ODD: &str = include_str!("chrome_odd_page.html");
    let (url, _) = serve(ODD).await;
    let bench = Bench::new(&url);
    let mut session = bench.open("a").await;
    // Idle from the start, with the older refresh alone, the older secret and no platform.
    assert_eq!(session.wait_qr().await, "2@odd-ref,AQI=,Aw==,secret");
    session.wait_ready().await;
    let evidence = session.connection.evidence().await.expect("evidence");
    let LinkState::Ready(me) = evidence.link else {
        panic!("{evidence:#?}");
    };
    assert_eq!(
        me.phone.as_ref().map(|id| id.as_str()),
        Some("244929000001@c.us")
    );

    let friend = chrome_support::phone("244929000002");
    let recipient = Recipient::from(friend);
    let contact = session.connection.find_contact(&recipient).await;
    let contact = contact.expect("an answer").expect("on WhatsApp");
    assert_eq!(contact.chat.as_str(), "244929000002@c.us");
    assert_eq!(
        contact.lid.as_ref().map(|id| id.as_str()),
        Some("777000@lid")
    );
    let nobody = Recipient::from(chrome_support::phone("000929000002"));
    assert_eq!(
        session
            .connection
            .find_contact(&nobody)
            .await
            .expect("an answer"),
        None
    );

    // The chat turns out to be under the other name, and so is the message then.
    let text = chrome_support::text(&contact.chat, "olá");
    let sent = session.connection.send(&text).await.expect("sent");
    assert_eq!(
        sent.id.as_str(),
        format!("true_777000@lid_{}", text.wire_id)
    );
    session.wait_ack(&text.wire_id, Ack::Server).await;
    let echo = session.wait_message("echo olá").await;
    assert_eq!(echo.chat.as_str(), "777000@lid");
    let under_old_name = format!("true_244929000002@c.us_{}", text.wire_id);
    let found = session
        .connection
        .find_message(&under_old_name.parse().expect("a key"))
        .await;
    assert_eq!(
        found.expect("an answer").map(|found| found.id),
        Some(sent.id.clone())
    );
    let again = session.connection.send(&text).await.expect("known");
    assert_eq!(again.id, sent.id);

    odd_happenings(&mut session, &contact.chat).await;

    // Nothing but the socket's state tells of the logout.
    session.connection.log_out().await.expect("logged out");
    let reason = session.wait("a logout", |event| match event {
        DriverEvent::LoggedOut(reason) => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(reason.await, LogoutReason::Asked);
    assert_eq!(session.wait_qr().await, "2@again,AQI=,Aw==,secret");
    session.close().await;
}

/// What happens on that page besides plain messages, each of it once.
async fn odd_happenings(session: &mut Session, chat: &ChatId) {
    // The module of calls comes late.
    let looked = async {
        loop {
            let test = session.connection.self_test().await.expect("a self-test");
            let calls = test.probes.iter().find(|one| one.part == "listener: calls");
            if calls.is_some_and(|probe| probe.found) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, looked).await.expect("calls");
    let text = chrome_support::text(chat, "everything");
    session.connection.send(&text).await.expect("sent");
    session.wait_message("echo everything").await;
    let mut seen = Vec::new();
    while seen.len() < 8 {
        let lid = Some("777000@lid");
        let is = |person: &Person| person.lid.as_ref().map(|id| id.as_str()) == lid;
        seen.push(match session.next().await {
            DriverEvent::Message(message) => {
                assert!(is(&message.writer()));
                format!("message {}", message.text.as_deref().unwrap_or_default())
            }
            DriverEvent::Waiting(waiting) => format!("waiting {:?}", waiting.decryption),
            DriverEvent::Edited(edit) => format!("edit {:?} {:?}", edit.previous, edit.text),
            DriverEvent::Revoked(gone) => format!("revoke {} {:?}", gone.id, gone.revoked_for),
            DriverEvent::Reaction(one) => {
                assert!(is(&one.from) && one.message.wire_id().as_str() == "3A00000000000001");
                format!("reaction {}", one.emoji.as_deref().unwrap_or_default())
            }
            DriverEvent::Call(call) => {
                assert!(is(&call.from));
                format!("call {} {}", call.id, call.at.unix_timestamp())
            }
            DriverEvent::Group(notice) => {
                assert_eq!(notice.members, notice.by.into_iter().collect::<Vec<_>>());
                format!("group {:?}", notice.change)
            }
            DriverEvent::Ack(_) => continue,
            other => panic!("{other:?}"),
        });
    }
    // Those of one moment may come in either order.
    seen[4..6].sort();
    assert_eq!(
        seen,
        [
            "message one",
            "edit None Some(\"two\")",
            "waiting Awaited",
            "message late",
            "call CALL 1800000000",
            "reaction 🎉",
            "revoke false_777000@lid_3A00000000000001 Everyone",
            "group Left",
        ]
    );
}
