//! The bots of the examples on a driver in memory, and a model's endpoint on this machine.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use zapnode_core::driver::scripted::ScriptedDriver;
use zapnode_core::{
    ManagerOptions, PhoneNumber, SessionHandle, SessionId, SessionInfo, SessionManager,
    SessionOptions, SessionState,
};
use zapnode_examples::ai::Assistant;
use zapnode_examples::bot;
use zapnode_examples::commands::Commands;

struct Scene {
    driver: ScriptedDriver,
    manager: SessionManager,
    session: SessionHandle,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let driver = ScriptedDriver::new();
        let options = ManagerOptions::in_folder(folder.path());
        let manager = SessionManager::open(Arc::new(driver.clone()), options)
            .await
            .unwrap();
        let id = SessionId::new("bot").unwrap();
        let created = manager.create(id, SessionOptions::default()).await;
        let session = created.unwrap().session;
        let shown = |info: &SessionInfo| {
            matches!(info.state, SessionState::AwaitingLogin { prompt: Some(_) })
        };
        session.watch().wait_for(shown).await.unwrap();
        driver
            .scan(session.id(), &PhoneNumber::new("244929782402").unwrap())
            .await;
        session
            .watch()
            .wait_for(SessionInfo::is_ready)
            .await
            .unwrap();
        Self {
            driver,
            manager,
            session,
            _folder: folder,
        }
    }

    async fn writes(&self, text: &str) {
        let session = self.session.id();
        self.driver.write(session, &friend(), text).await;
    }

    async fn answers(&self, count: usize) -> Vec<String> {
        let got = |driver: &ScriptedDriver| driver.delivered_to(&friend());
        self.driver.until(|driver| got(driver).len() >= count).await;
        got(&self.driver)
            .into_iter()
            .map(|(_, text)| text)
            .collect()
    }
}

fn friend() -> PhoneNumber {
    PhoneNumber::new("5511912345678").unwrap()
}

#[tokio::test]
async fn commands_are_answered_once_each_also_by_a_bot_that_begins_again() {
    let scene = Scene::new().await;
    let commands = Commands::usual();
    for text in [
        "!ping",
        "no command",
        "!STATS",
        "!help me",
        "!info",
        "!nope",
    ] {
        scene.writes(text).await;
    }
    for _ in 0..2 {
        let answering = bot::answer(
            &scene.manager,
            &scene.session,
            0,
            Some(5),
            async |message| commands.answer(&scene.session, message).await,
        );
        answering.await.unwrap();
    }
    scene.writes("!ping").await;
    bot::answer(
        &scene.manager,
        &scene.session,
        0,
        Some(6),
        async |message| commands.answer(&scene.session, message).await,
    )
    .await
    .unwrap();
    let answers = scene.answers(6).await;
    assert_eq!(answers.len(), 6, "{answers:?}");
    assert_eq!(answers[0], "pong");
    assert!(answers[1].contains("!ping 1"), "{answers:?}");
    assert!(answers[2].starts_with("!help: "), "{answers:?}");
    assert!(answers[2].lines().count() == 4, "{answers:?}");
    assert_eq!(answers[3], "Session bot of Account 244929782402, ready.");
    assert!(answers[4].contains("!help"), "{answers:?}");
    assert_eq!(answers[5], "pong");
}

/// What a model's endpoint was asked, and what it answers.
#[derive(Clone, Default)]
struct Endpoint {
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Endpoint {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }
}

/// As strict as the real ones: a key, a model, roles it knows, texts that are texts.
async fn complete(
    State(endpoint): State<Endpoint>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let refuse = |status, text: &str| (status, Json(json!({"error": {"message": text}})));
    if headers
        .get("authorization")
        .is_none_or(|key| key != "Bearer sk-test")
    {
        return refuse(StatusCode::UNAUTHORIZED, "wrong key");
    }
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let sound = messages.iter().all(|message| {
        let role = message["role"].as_str().unwrap_or_default();
        matches!(role, "system" | "user" | "assistant") && message["content"].is_string()
    });
    if body["model"] != "test-model" || messages.is_empty() || !sound {
        return refuse(StatusCode::BAD_REQUEST, "bad request");
    }
    endpoint.asked.lock().unwrap().push(body);
    match messages.last().unwrap()["content"].as_str().unwrap() {
        "too much" => refuse(StatusCode::TOO_MANY_REQUESTS, "slow down"),
        "nothing" => (StatusCode::OK, Json(json!({"choices": []}))),
        text => {
            let said = json!({"role": "assistant", "content": format!(" You said {text}. ")});
            let choice = json!({"index": 0, "message": said, "finish_reason": "stop"});
            (
                StatusCode::OK,
                Json(json!({"object": "chat.completion", "choices": [choice]})),
            )
        }
    }
}

#[tokio::test]
async fn a_model_is_shown_the_last_ten_messages_of_the_chat() {
    let scene = Scene::new().await;
    let endpoint = Endpoint::default();
    let url = endpoint.start().await;
    let assistant = Assistant::new(&url, Some("sk-test".to_owned()), "test-model");
    for n in 1..=7 {
        scene.writes(&format!("question {n}")).await;
        let cursor = cursor_of(&scene, n).await;
        bot::answer(
            &scene.manager,
            &scene.session,
            cursor,
            Some(1),
            async |message| {
                let answer = assistant.answer(&scene.session, &message.chat_id).await?;
                Ok(Some(answer))
            },
        )
        .await
        .unwrap();
        scene.answers(n).await;
    }
    let answers = scene.answers(7).await;
    assert_eq!(answers[6], "You said question 7.");
    let asked = endpoint.asked.lock().unwrap().clone();
    let last = asked.last().unwrap()["messages"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(last.len(), 11, "the instructions and ten messages");
    assert_eq!(last[0]["role"], "system");
    assert_eq!(last[10], json!({"role": "user", "content": "question 7"}));
    assert_eq!(
        last[9],
        json!({"role": "assistant", "content": "You said question 6."})
    );
    assert_eq!(last[8], json!({"role": "user", "content": "question 6"}));
}

/// The cursor after which question `n` comes.
async fn cursor_of(scene: &Scene, n: usize) -> i64 {
    use zapnode_core::event::{EventKind, Filter};
    let log = scene.manager.events();
    let mut newest = log.subscribe();
    loop {
        let page = log.read(0, 1000, &Filter::default()).await.unwrap();
        let wanted = format!("question {n}");
        let found = page.events.iter().find(|event| {
            matches!(&event.kind, EventKind::Message(m) if m.body.as_deref() == Some(&wanted))
        });
        if let Some(event) = found {
            return event.sequence - 1;
        }
        newest.changed().await.unwrap();
    }
}

#[tokio::test]
async fn a_model_that_fails_is_told_with_its_reason() {
    let scene = Scene::new().await;
    let url = Endpoint::default().start().await;
    let chat = zapnode_core::ChatId::from(&friend());
    let fails = async |key: &str, text: &str, count: usize| {
        scene.writes(text).await;
        cursor_until(&scene, count).await;
        let assistant = Assistant::new(&url, Some(key.to_owned()), "test-model");
        assistant
            .answer(&scene.session, &chat)
            .await
            .unwrap_err()
            .to_string()
    };
    assert!(
        fails("sk-wrong", "hi", 1)
            .await
            .contains("401 Unauthorized: wrong key")
    );
    assert!(fails("sk-test", "too much", 2).await.contains("slow down"));
    assert_eq!(
        fails("sk-test", "nothing", 3).await,
        "the model said nothing"
    );
}

/// Waits until so many messages are stored.
async fn cursor_until(scene: &Scene, count: usize) {
    use zapnode_core::event::{EventName, Filter};
    let filter = Filter::default().names([EventName::Message]);
    let mut events = scene.manager.events().select(0, filter);
    for _ in 0..count {
        futures_util::StreamExt::next(&mut events)
            .await
            .unwrap()
            .unwrap();
    }
}
