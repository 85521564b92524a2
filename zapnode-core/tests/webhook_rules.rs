//! What a webhook may be, what ends it, and who signs for it.

mod scene;
mod webhook_scene;

use std::time::Duration;

use scene::id;
use webhook_scene::{assert_in_order, create, hook, nobody, phone, scene, text, until, write};
use zapnode_core::SessionInfo;
use zapnode_core::webhook::receiver::{Receiver, Reply};
use zapnode_core::webhook::{
    ConfiguredWebhook, InvalidWebhook, NewWebhook, Source, WebhookChange, WebhookError,
};

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
