//! Webhooks with receivers on this machine.

// Each test file uses its part of it.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use zapnode_core::net::Timeouts;
use zapnode_core::webhook::receiver::{Delivered, Receiver};
use zapnode_core::webhook::{NewWebhook, Retries, RetryPolicy, WebhookInfo, WebhookOptions};
use zapnode_core::{PhoneNumber, SessionManager};

use crate::scene::{Scene, id};

/// Receivers are on this machine, and nobody waits long.
pub(crate) fn options() -> WebhookOptions {
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

pub(crate) fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.options.webhooks = options();
    scene
}

pub(crate) fn quick(attempts: u32) -> Option<Retries> {
    Some(Retries {
        policy: RetryPolicy::Constant,
        delay_ms: 20,
        attempts,
    })
}

pub(crate) fn hook(url: String) -> NewWebhook {
    NewWebhook {
        url,
        events: vec!["message".to_owned()],
        retries: quick(100),
        ..NewWebhook::default()
    }
}

pub(crate) async fn create(manager: &SessionManager, new: NewWebhook) -> WebhookInfo {
    manager.webhooks().create(new).await.expect("created")
}

pub(crate) fn phone(n: usize) -> PhoneNumber {
    PhoneNumber::new(&format!("55119000{n:05}")).expect("a number")
}

/// `chats` people write `each` messages, in turn.
pub(crate) async fn write(scene: &Scene, chats: usize, each: usize) {
    for n in 0..each {
        for chat in 0..chats {
            let text = format!("{n}");
            scene.driver.write(&id("a"), &phone(chat), &text).await;
        }
    }
}

pub(crate) fn text(delivered: &Delivered) -> String {
    delivered.event["payload"]["body"]
        .as_str()
        .expect("a text")
        .to_owned()
}

pub(crate) fn chat(delivered: &Delivered) -> String {
    delivered.event["payload"]["from"]
        .as_str()
        .expect("a sender")
        .to_owned()
}

/// Fails unless each of `chats` chats was taken 0, 1, 2, … up to `each`, each once, in order.
pub(crate) fn assert_in_order(receiver: &Receiver, chats: usize, each: usize) {
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
pub(crate) async fn until(
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
pub(crate) async fn nobody() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    listener.local_addr().expect("an address")
}
