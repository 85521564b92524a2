//! Sessions that are closed for a while and still meant to run, on the scripted driver.

mod scene;

use std::time::Duration;

use scene::{Scene, bruno, code, create, qr, until};
use zapnode_core::message::Ack;
use zapnode_core::session::{Reason, ReasonCode};
use zapnode_core::{Error, SessionInfo, SessionState};

fn backup() -> Reason {
    Reason::new(ReasonCode::Backup, "a backup is being made")
}

#[tokio::test]
async fn while_it_is_held_closed_sends_are_kept_and_go_afterwards() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let (other, driver) = (session.clone(), scene.driver.clone());
    let sent = session
        .while_closed(backup(), async move {
            let info = other.info();
            assert_eq!(info.state, SessionState::Hibernating);
            assert_eq!(code(&info), Some(ReasonCode::Backup));
            assert!(driver.open_sessions().is_empty());
            let sent = other.send_text(bruno(), "espera", Duration::ZERO).await;
            // A start takes effect afterwards.
            let info = other.start().await.expect("heard");
            assert_eq!(info.state, SessionState::Hibernating);
            assert!(driver.open_sessions().is_empty());
            sent
        })
        .await
        .expect("done");
    assert_eq!(sent.expect("accepted").ack, Ack::Pending);
    until(&session, SessionInfo::is_ready).await;
    scene
        .driver
        .until(|d| d.delivered_to(&bruno()).len() == 1)
        .await;
}

#[tokio::test]
async fn what_rests_goes_on_resting_and_a_dropped_hold_lets_go() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    session.stop().await.expect("stopped");
    let state = session.while_closed(backup(), async { session.info().state });
    assert_eq!(state.await.expect("done"), SessionState::Stopped);
    assert_eq!(session.info().state, SessionState::Stopped);

    session.start().await.expect("started");
    until(&session, SessionInfo::is_ready).await;
    {
        let (closed, is_closed) = tokio::sync::oneshot::channel();
        let held = session.while_closed(backup(), async move {
            closed.send(()).expect("waited for");
            std::future::pending::<()>().await;
        });
        tokio::select! {
            _ = held => panic!("it never ends"),
            it_is = is_closed => it_is.expect("closed"),
        }
    }
    until(&session, SessionInfo::is_ready).await;
}

#[tokio::test]
async fn one_that_waits_for_a_login_is_held_too_and_a_removal_waits_its_turn() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = create(&manager, "a").await;
    until(&session, |i| qr(i).is_some()).await;
    let (removing, id) = (manager.clone(), session.id().clone());
    let other = session.clone();
    let mut removal = None;
    let held = session.while_closed(backup(), async {
        // Nothing could bring it to its recipient.
        let refused = other.send_text(bruno(), "?", Duration::ZERO).await;
        assert!(matches!(refused, Err(Error::NotReady { .. })));
        removal = Some(tokio::spawn(
            async move { removing.delete(&id, false).await },
        ));
        tokio::task::yield_now().await;
        assert_eq!(other.info().state, SessionState::Hibernating);
    });
    held.await.expect("done");
    let removal = removal.expect("begun").await;
    removal.expect("ends").expect("removed");
    assert!(manager.list().is_empty());
}
