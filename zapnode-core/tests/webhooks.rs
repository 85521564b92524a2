//! Webhooks from the event to a receiver on a real socket: at least once, in order, and nobody
//! waits for another.

mod scene;
mod webhook_scene;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use scene::{bruno, id};
use time::OffsetDateTime;
use webhook_scene::{assert_in_order, create, hook, nobody, quick, scene, text, until, write};
use zapnode_core::SessionInfo;
use zapnode_core::webhook::receiver::{Receiver, Reply};
use zapnode_core::webhook::{DeliveryState, NewWebhook, Replay, WebhookError};

#[tokio::test]
async fn what_happens_from_now_on_comes_signed_and_in_order_to_whom_it_concerns() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    scene.driver.write(&id("a"), &bruno(), "before").await;
    let receiver = Receiver::start().await.expect("listens");
    // What was written before the webhook was made is none of its.
    let mut written = manager.events().from(0);
    loop {
        let event = written.next().await.expect("goes on").expect("read");
        if event.name() == "message" {
            break;
        }
    }

    let mine = create(
        &manager,
        NewWebhook {
            session: Some(id("a")),
            headers: [("Authorization".to_owned(), "Bearer x".to_owned())].into(),
            ..hook(receiver.url("/mine"))
        },
    )
    .await;
    create(
        &manager,
        NewWebhook {
            session: Some(id("b")),
            ..hook(receiver.url("/other"))
        },
    )
    .await;
    receiver.trust(mine.webhook.secret.reveal());
    write(&scene, 3, 5).await;

    let got = receiver.until_taken(15).await;
    assert!(got.iter().all(|d| d.path == "/mine" && d.attempt == 1));
    assert!(got.iter().all(|d| d.headers["authorization"] == "Bearer x"));
    let first = &got[0].event;
    assert_eq!(first["event"], "message");
    assert_eq!(first["session"], "a");
    assert!(first["id"].as_str().expect("an id").starts_with("evt_"));
    receiver.assert_clean();
    assert_in_order(&receiver, 3, 5);
    let info = until(&manager, &mine.webhook.id, |i| i.counts.delivered == 15).await;
    assert_eq!((info.counts.failures, info.counts.pending), (0, 0));
    until(&manager, &mine.webhook.id, |i| i.lag == 0).await;
    manager.shutdown().await;
}

#[tokio::test]
async fn a_receiver_that_is_down_gets_everything_once_it_is_back_also_after_a_restart() {
    let scene = scene();
    let address = nobody().await;
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let made = create(&manager, hook(format!("http://{address}/"))).await;
    write(&scene, 4, 50).await;
    let hook_id = made.webhook.id.clone();
    until(&manager, &hook_id, |i| i.is_down && i.lag >= 200).await;
    manager.shutdown().await;
    drop(manager);

    let manager = scene.manager().await;
    manager.restore().await;
    let session = manager.get(&id("a")).expect("kept");
    scene::until(&session, SessionInfo::is_ready).await;
    let restored = manager.webhooks().get(&hook_id).await.expect("kept");
    assert_eq!(restored.webhook, made.webhook);
    let receiver = Receiver::start_at(address).await.expect("listens");
    receiver.trust(made.webhook.secret.reveal());
    receiver.until_taken(200).await;
    until(&manager, &hook_id, |i| i.counts.delivered == 200).await;
    receiver.assert_clean();
    receiver.assert_taken_once();
    assert_in_order(&receiver, 4, 50);
    manager.shutdown().await;
    drop(manager);

    // And not once more.
    let manager = scene.manager().await;
    let info = until(&manager, &hook_id, |i| i.lag == 0).await;
    assert_eq!(info.counts.delivered, 200);
    assert_eq!(receiver.taken().len(), 200);
    manager.shutdown().await;
}

#[tokio::test]
async fn half_of_the_answers_are_500_and_every_chat_keeps_its_order() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let receiver = Receiver::start().await.expect("listens");
    let count = AtomicUsize::new(0);
    receiver.behave(move |_| {
        // Not by turns: a retry that always falls on the good turn would be too kind.
        let n = count.fetch_add(1, Ordering::Relaxed);
        Reply::Status(if (n * 7 + n / 5) % 4 < 2 { 500 } else { 204 })
    });
    let made = create(&manager, hook(receiver.url("/"))).await;
    receiver.trust(made.webhook.secret.reveal());
    write(&scene, 5, 20).await;
    receiver.until_taken(100).await;
    let info = until(&manager, &made.webhook.id, |i| i.counts.delivered == 100).await;
    assert!(
        info.counts.failures > 20 && info.counts.dead == 0,
        "{info:?}"
    );
    receiver.assert_clean();
    receiver.assert_taken_once();
    assert_in_order(&receiver, 5, 20);
    // The same id at each attempt, and the attempts are counted.
    let mut attempts = BTreeMap::<String, Vec<u64>>::new();
    for delivered in receiver.got() {
        attempts
            .entry(delivered.id)
            .or_default()
            .push(delivered.attempt);
    }
    for (id, attempts) in attempts {
        let wanted: Vec<u64> = (1..).take(attempts.len()).collect();
        assert_eq!(attempts, wanted, "{id}");
    }
    manager.shutdown().await;
}

#[tokio::test]
async fn whoever_hangs_keeps_nobody_else_waiting() {
    let mut scene = scene();
    // Longer than the test: only what does not wait for it can end in time.
    scene.options.webhooks.timeouts.answer = Duration::from_secs(600);
    scene.options.webhooks.timeouts.total = Duration::from_secs(600);
    scene.options.webhooks.at_once_in_all = 64;
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let hanging = Receiver::start().await.expect("listens");
    hanging.behave(|_| Reply::Hang);
    for _ in 0..4 {
        create(&manager, hook(hanging.url("/"))).await;
    }
    let dead = nobody().await;
    create(&manager, hook(format!("http://{dead}/"))).await;
    let well = Receiver::start().await.expect("listens");
    create(&manager, hook(well.url("/"))).await;
    write(&scene, 20, 10).await;
    well.until_taken(200).await;
    assert_in_order(&well, 20, 10);
    // It has no more of ours open than it may: eight for each of the four.
    let open = hanging.got().len();
    assert!((1..=32).contains(&open), "{open}");
    // And the end does not wait for it either.
    let began = Instant::now();
    manager.shutdown().await;
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn an_answer_counts_by_its_status_whatever_becomes_of_its_body() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let receiver = Receiver::start().await.expect("listens");
    receiver.behave(|delivered| match text(delivered).as_str() {
        "0" => Reply::Huge(200, 1 << 30),
        "1" => Reply::BreakOff(200),
        "2" => Reply::Stall(200),
        "3" if delivered.attempt == 1 => Reply::Close,
        "4" if delivered.attempt == 1 => Reply::BreakOff(503),
        "5" if delivered.attempt == 1 => Reply::Huge(500, 1 << 30),
        _ => Reply::Text(200, "é".repeat(2000)),
    });
    let made = create(&manager, hook(receiver.url("/"))).await;
    receiver.trust(made.webhook.secret.reveal());
    write(&scene, 1, 6).await;
    receiver.until_taken(6).await;
    let info = until(&manager, &made.webhook.id, |i| i.counts.delivered == 6).await;
    assert_eq!(info.counts.failures, 3);
    assert_in_order(&receiver, 1, 6);
    receiver.assert_clean();
    receiver.assert_taken_once();
    // Two gigabytes were offered. What left is what the systems' buffers hold.
    let sent = receiver.bytes_sent();
    assert!(sent < 64 << 20, "{sent} bytes");

    let list = manager
        .webhooks()
        .deliveries(&made.webhook.id, None, None, 10);
    let list = list.await.expect("listed");
    assert_eq!(list.len(), 6);
    let newest = &list[0].attempts;
    assert_eq!(newest[0].status, Some(500));
    assert_eq!(newest[0].error.as_deref(), Some("http_status"));
    assert_eq!(newest[0].answer.len(), 1000);
    assert_eq!(newest[1].answer, "é".repeat(500));
    let closed = &list[2].attempts[0];
    assert_eq!(
        (closed.status, closed.error.as_deref()),
        (None, Some("closed"))
    );
    manager.shutdown().await;
}

#[tokio::test]
async fn the_last_attempt_is_the_last_and_the_dead_can_be_raised() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let receiver = Receiver::start().await.expect("listens");
    receiver.behave(|delivered| Reply::Status(if text(delivered) == "0" { 404 } else { 200 }));
    let new = NewWebhook {
        retries: quick(3),
        ..hook(receiver.url("/"))
    };
    let made = create(&manager, new).await;
    let hook_id = &made.webhook.id;
    receiver.trust(made.webhook.secret.reveal());
    write(&scene, 1, 3).await;
    receiver.until_taken(2).await;
    let info = until(&manager, hook_id, |i| i.counts.delivered == 2).await;
    assert_eq!((info.counts.dead, info.counts.failures), (1, 3));
    let webhooks = manager.webhooks();
    let dead = webhooks.deliveries(hook_id, Some(DeliveryState::Dead), None, 10);
    let dead = dead.await.expect("listed").remove(0);
    assert_eq!(dead.attempts.len(), 3);

    // Once more, and this time it is taken: with the same id.
    receiver.behave(|_| Reply::Status(200));
    webhooks.retry(hook_id, &dead.id).await.expect("queued");
    let got = receiver.until_taken(3).await;
    let last = got.last().expect("it came");
    assert_eq!((&last.id, text(last).as_str()), (&dead.event_id, "0"));
    until(&manager, hook_id, |i| i.counts.delivered == 3).await;
    let refused = webhooks.retry(hook_id, "whd_unknown").await;
    assert!(matches!(refused, Err(WebhookError::DeliveryNotFound)));

    // Once more by its id, and then all of them by time.
    let event = dead.event_id.parse().expect("an id");
    let replayed = webhooks.replay(hook_id, Replay::Event(event)).await;
    assert_eq!(replayed.expect("queued").queued, 1);
    receiver.until_taken(4).await;
    let hour = Duration::from_secs(3600);
    let now = OffsetDateTime::now_utc();
    let all = Replay::Between(now - hour, now + hour);
    assert_eq!(
        webhooks.replay(hook_id, all).await.expect("queued").queued,
        3
    );
    let got = receiver.until_taken(7).await;
    let again: Vec<_> = got[got.len() - 3..].iter().map(text).collect();
    assert_eq!(again, ["0", "1", "2"]);
    let none = Replay::Between(now - hour * 2, now - hour);
    assert_eq!(
        webhooks.replay(hook_id, none).await.expect("none").queued,
        0
    );
    receiver.assert_clean();
    manager.shutdown().await;
}

#[tokio::test]
async fn without_order_no_event_waits_for_another() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let receiver = Receiver::start().await.expect("listens");
    receiver.behave(|delivered| Reply::Status(if text(delivered) == "0" { 500 } else { 200 }));
    let new = NewWebhook {
        ordered: Some(false),
        ..hook(receiver.url("/"))
    };
    create(&manager, new).await;
    write(&scene, 1, 5).await;
    let got = receiver.until_taken(4).await;
    let taken: BTreeSet<_> = got.iter().filter(|d| d.is_taken()).map(text).collect();
    assert_eq!(taken, ["1", "2", "3", "4"].map(str::to_owned).into());
    manager.shutdown().await;
}
