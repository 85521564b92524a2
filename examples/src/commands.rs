//! Commands in a chat: `!ping`, `!help`, `!info`, `!stats`, and yours.
//!
//! A command is a value that implements [`Command`]:
//!
//! ```
//! use anyhow::Result;
//! use async_trait::async_trait;
//! use zapnode_examples::commands::{Call, Command, Commands};
//!
//! struct Shout;
//!
//! #[async_trait]
//! impl Command for Shout {
//!     fn name(&self) -> &'static str {
//!         "shout"
//!     }
//!
//!     fn help(&self) -> &'static str {
//!         "says it louder"
//!     }
//!
//!     async fn run(&self, call: &Call<'_>) -> Result<String> {
//!         Ok(call.arguments.to_uppercase())
//!     }
//! }
//!
//! let commands = Commands::usual().with(Shout);
//! ```

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use async_trait::async_trait;
use zapnode_core::SessionHandle;
use zapnode_core::event::MessagePayload;
use zapnode_core::outbox::MessageFilter;

/// What somebody can ask for.
#[async_trait]
pub trait Command: Send + Sync {
    /// The word after `!`, in small letters.
    fn name(&self) -> &'static str;

    /// What it does, in a few words.
    fn help(&self) -> &'static str;

    /// Does it, and gives the answer.
    async fn run(&self, call: &Call<'_>) -> Result<String>;
}

/// Somebody asks for a command.
pub struct Call<'a> {
    /// What follows the command's name.
    pub arguments: &'a str,
    /// The message.
    pub message: &'a MessagePayload,
    /// The session that it came to.
    pub session: &'a SessionHandle,
    /// All commands.
    pub commands: &'a Commands,
}

/// The commands of a bot.
pub struct Commands {
    all: BTreeMap<&'static str, Box<dyn Command>>,
    since: Instant,
    used: Mutex<BTreeMap<&'static str, u64>>,
}

impl Commands {
    /// `!ping`, `!help`, `!info`, `!stats`.
    pub fn usual() -> Self {
        let none = Self {
            all: BTreeMap::new(),
            since: Instant::now(),
            used: Mutex::default(),
        };
        none.with(Ping).with(Help).with(Info).with(Stats)
    }

    /// One more; it takes the place of one with the same name.
    #[must_use]
    pub fn with(mut self, command: impl Command + 'static) -> Self {
        self.all.insert(command.name(), Box::new(command));
        self
    }

    /// The answer to a message; none for one that is no command.
    ///
    /// # Errors
    /// What the command failed with.
    pub async fn answer(
        &self,
        session: &SessionHandle,
        message: &MessagePayload,
    ) -> Result<Option<String>> {
        let Some(asked) = message
            .body
            .as_deref()
            .and_then(|text| text.trim().strip_prefix('!'))
        else {
            return Ok(None);
        };
        let (name, arguments) = asked.split_once(char::is_whitespace).unwrap_or((asked, ""));
        let Some(command) = self.all.get(name.to_lowercase().as_str()) else {
            return Ok(Some(format!("I do not know !{name}. Try !help.")));
        };
        let call = Call {
            arguments: arguments.trim(),
            message,
            session,
            commands: self,
        };
        let answer = command.run(&call).await?;
        *self.used().entry(command.name()).or_default() += 1;
        Ok(Some(answer))
    }

    fn used(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, u64>> {
        // Counts stay counts whoever panicked beside them.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Ping;

#[async_trait]
impl Command for Ping {
    fn name(&self) -> &'static str {
        "ping"
    }

    fn help(&self) -> &'static str {
        "says that I am here"
    }

    async fn run(&self, _: &Call<'_>) -> Result<String> {
        Ok("pong".to_owned())
    }
}

struct Help;

#[async_trait]
impl Command for Help {
    fn name(&self) -> &'static str {
        "help"
    }

    fn help(&self) -> &'static str {
        "lists what I can do"
    }

    async fn run(&self, call: &Call<'_>) -> Result<String> {
        let commands = call.commands.all.values();
        let lines: Vec<_> = commands
            .map(|command| format!("!{}: {}", command.name(), command.help()))
            .collect();
        Ok(lines.join("\n"))
    }
}

struct Info;

#[async_trait]
impl Command for Info {
    fn name(&self) -> &'static str {
        "info"
    }

    fn help(&self) -> &'static str {
        "tells about this session"
    }

    async fn run(&self, call: &Call<'_>) -> Result<String> {
        let info = call.session.info();
        let me = info.me.and_then(|me| me.name).unwrap_or_default();
        Ok(format!("Session {} of {me}, {}.", info.id, info.state))
    }
}

struct Stats;

#[async_trait]
impl Command for Stats {
    fn name(&self) -> &'static str {
        "stats"
    }

    fn help(&self) -> &'static str {
        "counts what was asked, and our messages"
    }

    async fn run(&self, call: &Call<'_>) -> Result<String> {
        const MOST: usize = 1000;
        let filter = MessageFilter {
            chat: Some(call.message.chat_id.clone()),
            ..MessageFilter::default()
        };
        let ours = call.session.messages(filter, MOST).await?.len();
        let used = call.commands.used();
        let counts: Vec<_> = used
            .iter()
            .map(|(name, n)| format!("!{name} {n}"))
            .collect();
        Ok(format!(
            "Up for {} s. Asked: {}. Messages between us: {ours}{}.",
            call.commands.since.elapsed().as_secs(),
            if counts.is_empty() {
                "nothing yet".to_owned()
            } else {
                counts.join(", ")
            },
            if ours == MOST { " or more" } else { "" },
        ))
    }
}
