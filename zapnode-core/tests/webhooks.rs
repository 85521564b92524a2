//! Webhooks from the event to a receiver on a real socket: at least once, in order, and nobody
//! waits for another.

mod scene;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scene::{Scene, bruno, id};
use time::OffsetDateTime;
use zapnode_core::net::Timeouts;
use zapnode_core::webhook::receiver::{Delivered, Receiver, Reply};
use zapnode_core::webhook::{
    ConfiguredWebhook, DeliveryState, InvalidWebhook, NewWebhook, Replay, Retries, RetryPolicy,
    Source, WebhookChange, WebhookError, WebhookInfo, WebhookOptions,
};
use zapnode_core::{PhoneNumber, SessionInfo, SessionManager};

/// Receivers are on this machine, and nobody waits long.
fn options() -> WebhookOptions {
    WebhookOptions {
        allow_private: true,
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(2),
            total: Duration::from_secs(3),
            ..Timeouts::default()
        },
        drain: Duration::from_secs(1),
        ..WebhookOptions::default()
    }
}

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.options.webhooks = options();
    scene
}

fn quick(attempts: u32) -> Option<Retries> {
    Some(Retries {
        policy: RetryPolicy::Constant,
        delay_ms: 20,
        attempts,
    })
}

fn hook(url: String) -> NewWebhook {
    NewWebhook {
        url,
        events: vec!["message".to_owned()],
        retries: quick(100),
        ..NewWebhook::default()
    }
}

async fn create(manager: &SessionManager, new: NewWebhook) -> WebhookInfo {
    manager.webhooks().create(new).await.expect("created")
}

fn phone(n: usize) -> PhoneNumber {
    PhoneNumber::new(&format!("55119000{n:05}")).expect("a number")
}

/// `chats` people write `each` messages, in turn.
async fn write(scene: &Scene, chats: usize, each: usize) {
    for n in 0..each {
        for chat in 0..chats {
            let text = format!("{n}");
            scene.driver.write(&id("a"), &phone(chat), &text).await;
        }
    }
}

fn text(delivered: &Delivered) -> String {
    delivered.event["payload"]["body"]
        .as_str()
        .expect("a text")
        .to_owned()
}

fn chat(delivered: &Delivered) -> String {
    delivered.event["payload"]["from"]
        .as_str()
        .expect("a sender")
        .to_owned()
}

/// Fails unless each of `chats` chats was taken 0, 1, 2, … up to `each`, each once, in order.
fn assert_in_order(receiver: &Receiver, chats: usize, each: usize) {
    let mut by_chat = BTreeMap::<String, Vec<String>>::new();
    for delivered in receiver.taken() {
        by_chat
            .entry(chat(&delivered))
            .or_default()
            .push(text(&delivered));
    }
    assert_eq!(by_chat.len(), chats);
    let wanted: Vec<_> = (0..each).map(|n| n.to_string()).collect();
    for (chat, texts) in by_chat {
        assert_eq!(texts, wanted, "{chat}");
    }
}

/// Waits until a webhook is as it should be.
async fn until(
    manager: &SessionManager,
    id: &str,
    so: impl Fn(&WebhookInfo) -> bool,
) -> WebhookInfo {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut look = tokio::time::interval(Duration::from_millis(20));
    loop {
        look.tick().await;
        let info = manager.webhooks().get(id).await.expect("there");
        if so(&info) {
            return info;
        }
        assert!(Instant::now() < deadline, "{info:?}");
    }
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    listener.local_addr().expect("an address")
}

#[tokio::test]
async fn what_happens_from_now_on_comes_signed_and_in_order_to_whom_it_concerns() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    scene.driver.write(&id("a"), &bruno(), "before").await;
    let receiver = Receiver::start().await.expect("listens");
    let mut seen = manager.events().subscribe();
    let before = |n: &i64| *n >= 1;
    seen.wait_for(before).await.expect("told");
    // What was written before the webhook was made is none of its.
    let settled = manager.events();
    let mut wait = settled.from(0);
    loop {
        use futures_util::StreamExt;
        let event = wait.next().await.expect("goes on").expect("read");
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
async fn a_receiver_that_is_gone_is_left_alone_until_somebody_says_otherwise() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let receiver = Receiver::start().await.expect("listens");
    receiver.behave(|_| Reply::Status(410));
    let made = create(&manager, hook(receiver.url("/"))).await;
    let hook_id = &made.webhook.id;
    write(&scene, 1, 3).await;
    let off = until(&manager, hook_id, |i| i.webhook.disabled.is_some()).await;
    assert_eq!(
        off.webhook.disabled.as_ref().map(|d| d.reason.as_str()),
        Some("gone")
    );
    assert_eq!(receiver.got().len(), 1);
    manager.shutdown().await;
    drop(manager);

    // It stays so across a restart.
    let manager = scene.manager().await;
    let kept = manager.webhooks().get(hook_id).await.expect("kept");
    assert!(kept.webhook.disabled.is_some() && kept.lag >= 3);
    receiver.behave(|_| Reply::Status(200));
    let on = WebhookChange {
        paused: Some(false),
        ..WebhookChange::default()
    };
    let on = manager.webhooks().change(hook_id, on).await.expect("on");
    assert!(on.webhook.is_active());
    receiver.until_taken(3).await;
    assert_in_order(&receiver, 1, 3);
    manager.shutdown().await;
}

#[tokio::test]
async fn a_paused_one_is_told_later_and_a_deleted_one_never() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let receiver = Receiver::start().await.expect("listens");
    let paused = NewWebhook {
        paused: true,
        ..hook(receiver.url("/paused"))
    };
    let paused = create(&manager, paused).await;
    let deleted = create(&manager, hook(receiver.url("/deleted"))).await;
    let webhooks = manager.webhooks();
    webhooks.delete(&deleted.webhook.id).await.expect("deleted");
    let again = webhooks.delete(&deleted.webhook.id).await;
    assert!(matches!(again, Err(WebhookError::NotFound)));
    write(&scene, 1, 4).await;
    until(&manager, &paused.webhook.id, |i| i.lag >= 4).await;
    assert_eq!(receiver.got().len(), 0);
    let on = WebhookChange {
        paused: Some(false),
        url: Some(receiver.url("/moved")),
        ..WebhookChange::default()
    };
    webhooks.change(&paused.webhook.id, on).await.expect("on");
    let got = receiver.until_taken(4).await;
    assert!(got.iter().all(|d| d.path == "/moved"));
    assert_in_order(&receiver, 1, 4);
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

#[tokio::test]
async fn a_new_secret_and_the_old_one_sign_together_for_a_while() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let receiver = Receiver::start().await.expect("listens");
    let made = create(&manager, hook(receiver.url("/"))).await;
    let (hook_id, old) = (&made.webhook.id, made.webhook.secret.clone());
    let webhooks = manager.webhooks();
    let hour = Duration::from_secs(3600);
    let rotated = webhooks.rotate_secret(hook_id, hour).await.expect("new");
    let new = rotated.webhook.secret.clone();
    assert_ne!(old, new);
    receiver.trust(new.reveal());
    write(&scene, 1, 1).await;
    let got = receiver.until_taken(1).await;
    receiver.assert_clean();
    // Whoever still has the old one verifies as well.
    let headers = &got[0].headers;
    let signatures = headers["webhook-signature"].to_str().expect("ASCII");
    assert_eq!(signatures.split(' ').count(), 2);
    let verifier = standardwebhooks::Webhook::new(old.reveal()).expect("a key");
    verifier.verify(&got[0].raw, headers).expect("verified");

    let at_once = webhooks.rotate_secret(hook_id, Duration::ZERO).await;
    let last = at_once.expect("new").webhook;
    assert!(last.previous.is_none());
    receiver.distrust();
    receiver.trust(last.secret.reveal());
    let (_, outcome) = webhooks.test(hook_id).await.expect("sent");
    assert_eq!(outcome.status, Some(200));
    let got = receiver.got();
    assert_eq!(got[1].name(), "webhook.test");
    receiver.assert_clean();
    let week = Duration::from_secs(8 * 24 * 3600);
    let long = webhooks.rotate_secret(hook_id, week).await;
    assert!(matches!(long, Err(WebhookError::Overlap)));
    manager.shutdown().await;
}

#[tokio::test]
async fn private_addresses_are_refused_when_it_is_made_and_each_time_it_is_sent() {
    let mut scene = scene();
    let receiver = Receiver::start().await.expect("listens");
    let elsewhere = Receiver::start().await.expect("listens");
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let made = create(&manager, hook(receiver.url("/"))).await;
    manager.shutdown().await;
    drop(manager);

    scene.options.webhooks.allow_private = false;
    let manager = scene.manager().await;
    manager.restore().await;
    let session = manager.get(&id("a")).expect("kept");
    scene::until(&session, SessionInfo::is_ready).await;
    for url in [
        receiver.url("/"),
        "http://localhost:1/".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://[::ffff:10.0.0.1]/".to_owned(),
        "http://0x7f000001/".to_owned(),
        "http://[fd00::1]/".to_owned(),
    ] {
        let refused = manager.webhooks().create(hook(url.clone())).await;
        let error = refused.expect_err(&url);
        assert!(error.private_address().is_some(), "{url}: {error}");
    }
    // The one that was made when it was allowed.
    write(&scene, 1, 1).await;
    until(&manager, &made.webhook.id, |i| i.counts.failures >= 2).await;
    let list = manager
        .webhooks()
        .deliveries(&made.webhook.id, None, None, 1);
    let attempt = list.await.expect("listed").remove(0).attempts.remove(0);
    assert_eq!(attempt.error.as_deref(), Some("private_address"));
    assert!(attempt.answer.contains("loopback"), "{}", attempt.answer);
    let moved = WebhookChange {
        url: Some(elsewhere.url("/")),
        ..WebhookChange::default()
    };
    let refused = manager.webhooks().change(&made.webhook.id, moved).await;
    assert!(matches!(
        refused,
        Err(WebhookError::Invalid(InvalidWebhook::Url(_)))
    ));
    assert!(receiver.got().is_empty() && elsewhere.got().is_empty());
    manager.shutdown().await;
}

#[tokio::test]
async fn redirects_lead_nowhere_else() {
    let scene = scene();
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    let elsewhere = Receiver::start().await.expect("listens");
    let receiver = Receiver::start().await.expect("listens");
    let (there, here) = (elsewhere.url("/"), receiver.url("/round"));
    receiver.behave(move |delivered| match delivered.path.as_str() {
        "/near" => Reply::Redirect(307, "/here".to_owned()),
        "/far" => Reply::Redirect(302, there.clone()),
        "/round" => Reply::Redirect(308, here.clone()),
        _ => Reply::Status(200),
    });
    let webhooks = manager.webhooks();
    for (path, status, error) in [
        ("/near", Some(200), None),
        ("/far", None, Some("redirect_elsewhere")),
        ("/round", None, Some("too_many_redirects")),
    ] {
        let made = create(&manager, hook(receiver.url(path))).await;
        let (_, outcome) = webhooks.test(&made.webhook.id).await.expect("sent");
        assert_eq!((outcome.status, outcome.error), (status, error), "{path}");
    }
    let here: Vec<_> = receiver
        .got()
        .into_iter()
        .filter(|d| d.path == "/here")
        .collect();
    assert_eq!(here.len(), 1);
    assert_eq!(here[0].name(), "webhook.test", "the same body, not a GET");
    assert!(elsewhere.got().is_empty());
    manager.shutdown().await;
}

#[tokio::test]
async fn the_configuration_s_webhook_is_trusted_and_is_changed_there() {
    let mut scene = scene();
    let receiver = Receiver::start().await.expect("listens");
    scene.options.webhooks.allow_private = false;
    let configured = ConfiguredWebhook {
        url: receiver.url("/"),
        events: vec!["message".to_owned()],
        secret: Some("my-secret-key".to_owned()),
    };
    scene.options.webhooks.configured = Some(configured.clone());
    receiver.trust("my-secret-key");
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    write(&scene, 1, 2).await;
    receiver.until_taken(2).await;
    let webhooks = manager.webhooks();
    let listed = webhooks.list().await.expect("listed").remove(0);
    assert_eq!(listed.webhook.source, Source::Environment);
    let hook_id = &listed.webhook.id;
    let change = webhooks.change(hook_id, WebhookChange::default()).await;
    assert!(matches!(change, Err(WebhookError::Configured)));
    let delete = webhooks.delete(hook_id).await;
    assert!(matches!(delete, Err(WebhookError::Configured)));
    manager.shutdown().await;
    drop(manager);

    // It moves, and goes on where it was.
    let moved = ConfiguredWebhook {
        url: receiver.url("/moved"),
        secret: None,
        ..configured
    };
    scene.options.webhooks.configured = Some(moved);
    let manager = scene.manager().await;
    manager.restore().await;
    let session = manager.get(&id("a")).expect("kept");
    scene::until(&session, SessionInfo::is_ready).await;
    scene.driver.write(&id("a"), &phone(0), "2").await;
    let got = receiver.until_taken(3).await;
    assert_eq!(got[2].path, "/moved");
    receiver.assert_clean();
    assert_in_order(&receiver, 1, 3);
    manager.shutdown().await;
    drop(manager);

    scene.options.webhooks.configured = None;
    let manager = scene.manager().await;
    assert!(manager.webhooks().list().await.expect("listed").is_empty());
    manager.shutdown().await;
}

#[tokio::test]
async fn what_the_log_has_forgotten_is_given_up_and_counted() {
    let scene = scene();
    let receiver = Receiver::start().await.expect("listens");
    let dead = nobody().await;
    let manager = scene.manager().await;
    scene.ready(&manager, "a").await;
    // One has an event in its queue, the other has not looked at it.
    let queued = create(&manager, hook(format!("http://{dead}/"))).await;
    let paused = NewWebhook {
        paused: true,
        ..hook(receiver.url("/"))
    };
    let paused = create(&manager, paused).await;
    write(&scene, 1, 1).await;
    until(&manager, &queued.webhook.id, |i| i.counts.failures > 0).await;
    manager.shutdown().await;
    drop(manager);
    let path = scene.options.data_dir.join(zapnode_core::store::FILE_NAME);
    let database = rusqlite::Connection::open(path).expect("opens");
    database
        .execute("DELETE FROM events", [])
        .expect("forgotten");
    drop(database);

    let manager = scene.manager().await;
    manager.restore().await;
    let session = manager.get(&id("a")).expect("kept");
    scene::until(&session, SessionInfo::is_ready).await;
    let given_up = until(&manager, &queued.webhook.id, |i| i.counts.dead == 1).await;
    let list = manager
        .webhooks()
        .deliveries(&given_up.webhook.id, None, None, 1);
    let attempts = list.await.expect("listed").remove(0).attempts;
    let last = attempts.last().expect("one");
    assert_eq!(last.error.as_deref(), Some("event_expired"));

    let on = WebhookChange {
        paused: Some(false),
        ..WebhookChange::default()
    };
    let webhooks = manager.webhooks();
    webhooks.change(&paused.webhook.id, on).await.expect("on");
    scene.driver.write(&id("a"), &phone(0), "after").await;
    let got = receiver.until_taken(1).await;
    assert_eq!(text(&got[0]), "after");
    let info = webhooks.get(&paused.webhook.id).await.expect("there");
    assert!(info.missed >= 1, "{info:?}");
    manager.shutdown().await;
}

/// This process's memory, in KiB.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.expect("a size").parse().expect("a number")
}

#[cfg(target_os = "linux")]
// The figure is what it is for; `--nocapture` shows it.
#[allow(clippy::print_stdout)]
#[tokio::test]
async fn a_hundred_thousand_events_wait_in_the_log_and_not_in_memory() {
    const EVENTS: i64 = 100_000;
    let scene = scene();
    let address = nobody().await;
    let manager = scene.manager().await;
    let mut ids = vec![];
    for _ in 0..5 {
        let made = create(&manager, hook(format!("http://{address}/"))).await;
        ids.push(made.webhook.id.clone());
    }
    scene.ready(&manager, "a").await;
    write(&scene, 1, 1).await;
    until(&manager, &ids[0], |i| i.counts.pending == 1).await;
    manager.shutdown().await;
    drop(manager);
    pending(&scene, EVENTS);

    let before = resident();
    let manager = scene.manager().await;
    for id in &ids {
        until(&manager, id, |i| i.is_down).await;
    }
    let down = resident();
    let info = manager.webhooks().get(&ids[0]).await.expect("there");
    assert!(info.lag >= 100_000, "{info:?}");
    // One comes back; so many are sent that all bounds were reached long ago.
    let receiver = Receiver::start_at(address).await.expect("listens");
    let enough = |i: &WebhookInfo| i.counts.delivered >= 300;
    for id in &ids {
        until(&manager, id, enough).await;
    }
    let busy = resident();
    println!("resident: {before} KiB before, {down} KiB down, {busy} KiB busy");
    assert!(
        busy.saturating_sub(before) < 48 * 1024,
        "{before} {down} {busy}"
    );
    receiver.assert_clean();
    manager.shutdown().await;
}

/// Writes messages of a thousand chats into the log, as a long outage would leave them.
#[cfg(target_os = "linux")]
fn pending(scene: &Scene, events: i64) {
    let path = scene.options.data_dir.join(zapnode_core::store::FILE_NAME);
    let mut database = rusqlite::Connection::open(path).expect("opens");
    let real: String = database
        .query_row(
            "SELECT payload FROM events WHERE name = 'message'",
            [],
            |r| r.get(0),
        )
        .expect("there is one");
    let mut payload: serde_json::Value = serde_json::from_str(&real).expect("JSON");
    let transaction = database.transaction().expect("begins");
    {
        let mut insert = transaction
            .prepare(
                "INSERT INTO events (id, at, session, name, chat, payload)
                 VALUES (?1, ?2, 'a', 'message', ?3, ?4)",
            )
            .expect("prepared");
        let now = OffsetDateTime::now_utc().unix_timestamp() * 1000;
        for n in 0..events {
            let chat = format!("5511{:08}@c.us", n % 1000);
            payload["from"] = chat.clone().into();
            payload["chatId"] = chat.clone().into();
            payload["body"] = (n / 1000).to_string().into();
            let id = format!("evt_{}", ulid::Ulid::new());
            let values = rusqlite::params![id, now + n, chat, payload.to_string()];
            insert.execute(values).expect("written");
        }
    }
    transaction.commit().expect("committed");
}
