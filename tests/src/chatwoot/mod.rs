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
    /// connection is closed without an answer, *after* the work was done; 200: it goes well.
    pub next: VecDeque<u16>,
    /// The token is not taken any more.
    pub token_revoked: bool,
    /// Contact searches allowed in all before they are answered with 429 (`Retry-After: 1`).
    pub searches: Option<u32>,
    /// Webhooks are sent without a signature, as before 4.11.2 / 4.13.0.
    pub unsigned: bool,
    /// A proxy in front answers for it: 502 to everything.
    pub down: bool,
    /// One call is never answered.
    pub hold: Option<Hold>,
}

/// Which call of the API is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// How many calls are answered before it.
    pub after: usize,
    /// Whether its work is done all the same.
    pub done: bool,
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
    held: watch::Sender<bool>,
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
            held: watch::Sender::new(false),
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
        self.shared.held.send_replace(false);
        *self.shared.faults() = faults;
    }

    /// Waits until the call that [`Faults::hold`] means is held; `false` if it does not come.
    pub async fn is_held(&self, within: Duration) -> bool {
        let mut held = self.shared.held.subscribe();
        let held = held.wait_for(|held| *held);
        matches!(tokio::time::timeout(within, held).await, Ok(Ok(_)))
    }

    /// Puts a file into its storage, as an upload of an agent does; gives its address.
    pub fn store_file(&self, name: &str, mime: &str, bytes: &[u8]) -> String {
        let file = (mime.to_owned(), bytes.to_vec());
        self.shared.world().storage.insert(name.to_owned(), file);
        format!("{}/rails/active_storage/blobs/redirect/{name}", self.base)
    }

    /// Makes an inbox of another kind, as of an e-mail address.
    pub fn make_other_inbox(&self, channel_type: &str) -> i64 {
        let mut world = self.shared.world();
        let id = world.make_inbox("E-mail", "").id;
        world.set_channel(id, channel_type);
        id
    }

    /// Points an inbox's webhook somewhere, as an administrator does.
    ///
    /// # Errors
    /// When there is no such inbox.
    pub fn point_inbox(&self, id: i64, webhook_url: &str) -> Result<()> {
        let pointed = self.shared.world().point_inbox(id, webhook_url);
        pointed
            .map(|_| ())
            .map_err(|(_, words)| anyhow::anyhow!(words))
    }

    /// An agent deletes a conversation with all that is in it.
    pub fn agent_deletes_conversation(&self, id: i64) {
        self.shared.world().delete_conversation(id);
        self.shared.changed();
    }

    /// An agent makes a contact by hand; gives its id.
    ///
    /// # Errors
    /// When Chatwoot refuses it.
    pub fn agent_makes_contact(&self, contact: &serde_json::Value) -> Result<i64> {
        let made = self.shared.world().make_contact(contact);
        made.map(|contact| contact.id)
            .map_err(|(_, words)| anyhow::anyhow!(words))
    }

    /// An agent opens a conversation with a contact; gives its number.
    ///
    /// # Errors
    /// When the contact is not in that inbox.
    pub fn agent_opens(&self, inbox: i64, source_id: &str) -> Result<i64> {
        let body = serde_json::json!({"source_id": source_id, "inbox_id": inbox});
        let opened = self.shared.world().make_conversation(&body);
        self.shared.changed();
        opened
            .map(|conversation| conversation.id)
            .map_err(|(_, words)| anyhow::anyhow!(words))
    }

    /// An agent types, or stops.
    pub fn agent_types(&self, conversation: i64, on: bool) {
        self.shared.world().agent_types(conversation, on);
        self.shared.changed();
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
