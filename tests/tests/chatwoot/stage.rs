//! A shop with a linked session, an API inbox, and the bridge between them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zapnode_core::driver::DriverEvent;
use zapnode_core::driver::scripted::ScriptedDriver;
use zapnode_core::message::{Details, IncomingMessage, Quoted};
use zapnode_core::outbox::{Message as Sent, MessageFilter};
use zapnode_core::session::SessionHandle;
use zapnode_core::{
    ChatId, ManagerOptions, MessageId, PhoneNumber, SessionId, SessionManager, SessionOptions,
    WireId,
};
use zapnode_http::{App, AppOptions, Server, ServerOptions};
use zapnode_tests::chatwoot::{ACCOUNT, AgentWrites, Chatwoot, HOOK_SECRET, Message, TOKEN, World};
use zapnode_tests::{ANA, BRUNO, Client};

/// How long anything here may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

/// Everything; the shop's own number is ANA's, who writes to it is BRUNO.
pub struct Stage {
    pub chatwoot: Chatwoot,
    pub driver: ScriptedDriver,
    pub inbox: i64,
    folder: TempDir,
    data: PathBuf,
    auth: PathBuf,
    running: Option<Running>,
}

struct Running {
    app: App,
    url: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Stage {
    /// A bridge as most have it.
    pub async fn new() -> Result<Self> {
        Self::with(json!({})).await
    }

    /// A bridge with these settings over the usual ones.
    pub async fn with(settings: Value) -> Result<Self> {
        let stage = Self::without_bridge().await?;
        stage.set(settings).await?;
        Ok(stage)
    }

    /// A linked session and an inbox that leads nowhere.
    pub async fn without_bridge() -> Result<Self> {
        let chatwoot = Chatwoot::start().await?;
        let inbox = chatwoot.make_inbox("");
        let folder = tempfile::tempdir()?;
        let mut stage = Self {
            chatwoot,
            driver: ScriptedDriver::new(),
            inbox,
            data: folder.path().join("data"),
            auth: folder.path().join("auth"),
            folder,
            running: None,
        };
        stage.start().await?;
        let id = shop();
        stage
            .manager()
            .create(id, SessionOptions::default())
            .await?;
        let session = stage.session();
        let qr = |info: &zapnode_core::SessionInfo| {
            matches!(
                &info.state,
                zapnode_core::SessionState::AwaitingLogin { prompt: Some(_) }
            )
        };
        session.wait_until(SOON, qr).await?;
        stage.driver.scan(&shop(), &phone(ANA)).await;
        session.wait_ready(SOON).await?;
        Ok(stage)
    }

    /// Starts all that ends with [`stop`](Self::stop).
    pub async fn start(&mut self) -> Result<()> {
        let options = ManagerOptions {
            auth_dir: self.auth.clone(),
            // What is removed, a test removes.
            cleanup_after_logout: None,
            ..ManagerOptions::in_folder(&self.data)
        };
        let manager = SessionManager::open(Arc::new(self.driver.clone()), options).await?;
        manager.restore().await;
        let mut options = AppOptions::new(shop());
        options.allow_private = true;
        let app = App::new(manager, options);
        app.chatwoot().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(app.clone(), ServerOptions::default());
        let serving = tokio::spawn(server.serve(listener, async {
            // Dropped is stopped as well.
            let _ = stopped.await;
        }));
        self.running = Some(Running {
            app,
            url,
            stop,
            serving,
        });
        Ok(())
    }

    /// Ends the bridge, the API and the sessions, as the daemon does.
    pub async fn stop(&mut self) -> Result<()> {
        let running = self.running.take().context("it runs")?;
        let _ = running.stop.send(());
        running.serving.await?;
        running.app.close().await;
        running.app.manager().shutdown().await;
        Ok(())
    }

    /// Ends and begins again; the inbox's webhook follows to the new port.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.start().await?;
        self.point().await
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    pub fn manager(&self) -> &SessionManager {
        self.running().app.manager()
    }

    pub fn session(&self) -> SessionHandle {
        self.manager().get(&shop()).expect("the shop")
    }

    pub fn client(&self) -> Client {
        Client::new(&self.running().url)
    }

    pub fn url(&self) -> &str {
        &self.running().url
    }

    pub fn settings(&self, change: Value) -> Value {
        let mut all = json!({
            "url": self.chatwoot.url(), "accountId": ACCOUNT, "apiToken": TOKEN,
            "inboxId": self.inbox, "signingSecret": HOOK_SECRET, "tellState": false,
        });
        for (name, value) in change.as_object().expect("an object") {
            all[name.as_str()] = value.clone();
        }
        all
    }

    /// Sets the bridge up with these settings over the usual ones.
    pub async fn set(&self, change: Value) -> Result<Value> {
        let body = self.settings(change).to_string().into();
        let answer = self
            .client()
            .request(Method::PUT, "/chatwoot/shop", Some(body), &[])
            .await?
            .expect(200)?;
        self.point().await?;
        Ok(answer)
    }

    /// Points the inbox's webhook to the bridge.
    pub async fn point(&self) -> Result<()> {
        let bridge = self.bridge().await?;
        if bridge["config"]["inboxId"].is_null() {
            return Ok(());
        }
        let path = bridge["webhookPath"].as_str().context("a path")?;
        self.chatwoot
            .point_inbox(self.inbox, &format!("{}{path}", self.url()))
    }

    /// The bridge as the API shows it.
    pub async fn bridge(&self) -> Result<Value> {
        let answer = self.client().get("/chatwoot/shop").await?.expect(200)?;
        Ok(answer["bridge"].clone())
    }

    /// Waits until the API shows the bridge in this state.
    pub async fn bridge_is(&self, state: &str) -> Result<Value> {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let mut last = Value::Null;
        let seen = async {
            loop {
                look.tick().await;
                last = self.bridge().await?;
                if last["state"] == state {
                    return anyhow::Ok(());
                }
            }
        };
        let ended = tokio::time::timeout(SOON, seen).await;
        ended.with_context(|| format!("never {state}: {last}"))??;
        Ok(last)
    }

    /// Bruno writes; gives the message when it is in Chatwoot.
    pub async fn bruno_writes(&self, text: &str) -> Result<(WireId, Message)> {
        self.writes(BRUNO, text).await
    }

    pub async fn writes(&self, from: &str, text: &str) -> Result<(WireId, Message)> {
        let message = self.driver.write(&shop(), &phone(from), text).await;
        let wire_id = message.id.wire_id();
        Ok((wire_id.clone(), self.shown(&wire_id).await?))
    }

    /// Waits until the message with this id on the wire is in Chatwoot.
    pub async fn shown(&self, wire_id: &WireId) -> Result<Message> {
        let source_id = format!("WAID:{wire_id}");
        self.wait(move |world| {
            let mut all = world.messages.iter();
            all.find(|m| m.source_id.as_deref() == Some(&source_id))
                .cloned()
        })
        .await
    }

    /// Waits until `found` gives something in Chatwoot.
    pub async fn wait<T>(&self, found: impl Fn(&World) -> Option<T>) -> Result<T> {
        self.chatwoot.wait_for(SOON, found).await
    }

    /// Waits for a message in Chatwoot of which `so` holds.
    pub async fn wait_message(&self, so: impl Fn(&Message) -> bool) -> Result<Message> {
        self.wait(|world| world.messages.iter().find(|m| so(m)).cloned())
            .await
    }

    /// An agent writes; gives the message's id there.
    pub fn agent(&self, conversation: i64, text: &str) -> Result<i64> {
        self.chatwoot
            .agent_writes(conversation, AgentWrites::text(text))
    }

    /// Waits until `count` messages are with `to`, and gives them.
    pub async fn delivered(&self, to: &str, count: usize) -> Result<Vec<(WireId, String)>> {
        let to = phone(to);
        let enough = self
            .driver
            .until(|driver| driver.delivered_to(&to).len() >= count);
        let got = || self.driver.delivered_to(&to);
        let ended = tokio::time::timeout(SOON, enough).await;
        ended.with_context(|| format!("{count} messages; there are {:?}", got()))?;
        ensure!(got().len() == count, "{count} messages: {:?}", got());
        Ok(got())
    }

    /// Waits until every webhook that Chatwoot had to send was answered.
    pub async fn webhooks_settle(&self, message: i64) -> Result<()> {
        let settled = |world: &World| {
            let mut all = world.deliveries.iter();
            all.any(|(call, _)| call.message == Some(message))
                .then_some(())
        };
        self.wait(settled).await
    }

    /// Every message that this account sent through us, the newest first.
    pub async fn sent(&self) -> Result<Vec<Sent>> {
        let own = MessageFilter {
            from_me: Some(true),
            ..MessageFilter::default()
        };
        Ok(self.session().messages(own, 10_000).await?)
    }

    /// Waits until `so` holds of what was sent through us.
    pub async fn sent_until(&self, so: impl Fn(&[Sent]) -> bool) -> Result<Vec<Sent>> {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let mut last = vec![];
        let seen = async {
            loop {
                look.tick().await;
                last = self.sent().await?;
                if so(&last) {
                    return anyhow::Ok(());
                }
            }
        };
        let ended = tokio::time::timeout(SOON, seen).await;
        ended.with_context(|| format!("what was sent did not get there: {last:#?}"))??;
        Ok(last)
    }

    /// Somebody writes something that is not a plain text.
    pub async fn tell(&self, message: IncomingMessage) -> Result<Message> {
        let wire_id = message.id.wire_id();
        let event = DriverEvent::Message(Box::new(message));
        self.driver.tell(&shop(), event).await;
        self.shown(&wire_id).await
    }

    /// Another folder from the next start on, as after a move to another machine.
    pub fn move_to(&mut self, folder: TempDir, data: &str, auth: &str) {
        self.data = folder.path().join(data);
        self.auth = folder.path().join(auth);
        self.folder = folder;
    }

    pub fn data(&self) -> &Path {
        &self.data
    }
}

pub fn shop() -> SessionId {
    SessionId::new("shop").expect("an id")
}

pub fn phone(number: &str) -> PhoneNumber {
    PhoneNumber::new(number).expect("a number")
}

pub fn chat(id: &str) -> ChatId {
    ChatId::new(id).expect("a chat")
}

/// A message in a chat, as the page tells it.
pub fn told(chat_id: &str, from_me: bool, text: &str) -> IncomingMessage {
    let wire_id = WireId::choose();
    let key = format!("{from_me}_{chat_id}_{wire_id}");
    let of_chat = chat(chat_id);
    IncomingMessage {
        id: MessageId::new(&key).expect("a key"),
        from_phone: (of_chat.is_phone() && !from_me).then(|| of_chat.clone()),
        from_lid: (of_chat.is_lid() && !from_me).then(|| of_chat.clone()),
        from: if from_me {
            ChatId::from(&phone(ANA))
        } else {
            of_chat.clone()
        },
        chat: of_chat,
        name: None,
        from_me,
        kind: "chat".to_owned(),
        text: Some(text.to_owned()),
        at: time_now(),
        details: Details::default(),
    }
}

/// The same, as an answer to another one.
pub fn answering(mut message: IncomingMessage, to: &WireId) -> IncomingMessage {
    message.details.reply_to = Some(Quoted {
        id: to.clone(),
        from: None,
        kind: None,
        text: None,
    });
    message
}

fn time_now() -> time::OffsetDateTime {
    time::OffsetDateTime::now_utc()
}
