//! A Chatwoot to test against: its account API and the webhook of an API inbox, strict where the
//! real one is. `CONTRACT.md` beside this file says where each behaviour comes from.

mod api;
mod hook;
mod world;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

pub use hook::HookCall;
pub use world::{Attached, Contact, Conversation, Inbox, Message, MessageType, World};

/// The only token it takes.
pub const TOKEN: &str = "agent-token-0123456789";
/// The only account it has.
pub const ACCOUNT: i64 = 1;
/// The secret with which it signs its webhooks.
pub const HOOK_SECRET: &str = "hook-secret";

/// What goes wrong, and how often.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The next calls of the API are answered with these statuses and nothing is done; 0: the
    /// connection is closed without an answer, *after* the work was done.
    pub next: VecDeque<u16>,
    /// The token is not taken any more.
    pub token_revoked: bool,
    /// Contact searches allowed in all before they are answered with 429 (`Retry-After: 1`).
    pub searches: Option<u32>,
    /// Webhooks are sent without a signature, as before 4.11.2 / 4.13.0.
    pub unsigned: bool,
}

/// The running server. Dropping it ends it.
#[derive(Debug)]
pub struct Chatwoot {
    shared: Arc<Shared>,
    base: String,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    faults: Mutex<Faults>,
    revision: watch::Sender<u64>,
    hooks: mpsc::UnboundedSender<HookCall>,
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells those who wait, and sends the webhooks that the change caused.
    fn changed(&self) {
        let calls = std::mem::take(&mut self.world().calls);
        for call in calls {
            // Its task ends with the server.
            let _ = self.hooks.send(call);
        }
        self.revision.send_modify(|revision| *revision += 1);
    }
}

impl Chatwoot {
    /// Starts one with an empty account.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let (hooks, calls) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            world: Mutex::new(World::new(&base)),
            faults: Mutex::default(),
            revision: watch::Sender::new(0),
            hooks,
        });
        let mut tasks = JoinSet::new();
        let router = api::router(Arc::clone(&shared));
        tasks.spawn(async move {
            // It ends when the task is ended; an error would show as calls that are not answered.
            let _ = axum::serve(listener, router).await;
        });
        tasks.spawn(hook::send_all(Arc::clone(&shared), calls));
        Ok(Self {
            shared,
            base,
            _tasks: tasks,
        })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        *self.shared.faults() = faults;
    }

    /// Looks at it.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.shared.world())
    }

    /// Makes an inbox of the kind API with this webhook.
    pub fn make_inbox(&self, webhook_url: &str) -> i64 {
        let id = self.shared.world().make_inbox("WhatsApp", webhook_url).id;
        self.shared.changed();
        id
    }

    /// An agent writes in a conversation; gives the message's id.
    ///
    /// # Errors
    /// When there is no such conversation.
    pub fn agent_writes(&self, conversation: i64, message: AgentWrites) -> Result<i64> {
        let id = self
            .shared
            .world()
            .agent_writes(conversation, message)
            .context("there is no such conversation")?;
        self.shared.changed();
        Ok(id)
    }

    /// An agent deletes a message.
    ///
    /// # Errors
    /// When there is no such message.
    pub fn agent_deletes(&self, message: i64) -> Result<()> {
        let done = self.shared.world().delete(message);
        self.shared.changed();
        done.then_some(()).context("there is no such message")
    }

    /// An agent resolves a conversation.
    pub fn agent_resolves(&self, conversation: i64) {
        self.shared.world().set_status(conversation, "resolved");
        self.shared.changed();
    }

    /// Sends a webhook once more, as a proxy in between may.
    pub fn repeat(&self, call: HookCall) {
        let _ = self.shared.hooks.send(call);
    }

    /// Waits until `found` gives something.
    ///
    /// # Errors
    /// When it does not within `within`; with all that is there.
    pub async fn wait_for<T>(
        &self,
        within: Duration,
        found: impl Fn(&World) -> Option<T>,
    ) -> Result<T> {
        let mut revision = self.shared.revision.subscribe();
        let search = async {
            loop {
                revision.borrow_and_update();
                if let Some(found) = self.look(&found) {
                    return found;
                }
                if revision.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        match tokio::time::timeout(within, search).await {
            Ok(found) => Ok(found),
            Err(_) => bail!("not there within {within:?}: {:#?}", self.shared.world()),
        }
    }
}

/// What an agent writes.
#[derive(Clone, Debug, Default)]
pub struct AgentWrites {
    /// The text, in Markdown.
    pub content: String,
    /// A note among agents.
    pub private: bool,
    /// The message it answers.
    pub in_reply_to: Option<i64>,
    /// Files: Chatwoot's word for the kind, and where it lies.
    pub attachments: Vec<(String, String)>,
}

impl AgentWrites {
    /// A plain text.
    pub fn text(content: &str) -> Self {
        Self {
            content: content.to_owned(),
            ..Self::default()
        }
    }
}
