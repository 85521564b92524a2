//! Acts on an open session: checks whether the moment is right, has the bridge do it, reads the
//! answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use headless_chrome::protocol::cdp::{Page, Runtime};
use serde_json::{Value, json};
use tokio_util::sync::DropGuard;

use super::bridge::{
    CodeAnswer, Command, ContactAnswer, EvidenceAnswer, MessageAnswer, SelfTestAnswer,
};
use super::channel::CallError;
use super::launch::{PageHandle, blocking};
use super::page::Shared;
use super::profile::storage;
use super::resources;
use crate::driver::{
    Connection, DriverError, Evidence, Interruption, LinkState, Refusal, Resources, SelfTest,
};
use crate::id::{ChatId, MessageId, PhoneNumber};
use crate::message::{
    Ack, Activity, Contact, OutgoingText, PinTime, Recipient, RevokedFor, SentMessage,
};

/// How long WhatsApp may take to confirm a logout.
const LOGOUT_CONFIRMED: Duration = Duration::from_secs(30);

/// How long a picture may take; 0.2 s is usual.
const SCREENSHOT: Duration = Duration::from_secs(15);

/// How long the browser may take to accept a reload.
const RELOAD: Duration = Duration::from_secs(5);

/// How long the new document may take to begin: its address has to answer.
const RELOADED: Duration = Duration::from_secs(20);

/// How long a close may take in all: a fresh login (6 s), leaving (2 s), asking (10 s), waiting
/// (10 s), killing (5 s), and some.
const CLOSE: Duration = Duration::from_secs(38);

/// An open session. When the last handle is dropped, it is closed in the background.
#[derive(Debug)]
pub(crate) struct ChromeConnection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tab: PageHandle,
    /// Of the browser.
    pub(crate) pid: u32,
    pub(crate) profile: PathBuf,
    /// headless_chrome's calls have no deadline, so a stuck one keeps its thread until the browser
    /// ends. This keeps it at one.
    pub(crate) picture: Arc<tokio::sync::Mutex<()>>,
    pub(crate) _close_on_drop: DropGuard,
}

impl ChromeConnection {
    /// Refuses unless the session can reach WhatsApp right now: acting in any other state has
    /// disconnected sessions (fact sheet §2.2), and a refusal here means that nothing was done.
    pub(super) fn need_ready(&self, command: &'static str) -> Result<(), DriverError> {
        self.need(command, |link| matches!(link, LinkState::Ready(_)))
    }

    fn need(
        &self,
        command: &'static str,
        fits: impl Fn(&LinkState) -> bool,
    ) -> Result<(), DriverError> {
        self.shared.check_open()?;
        let why = match self.shared.tracker().link() {
            Some(link) if fits(link) => return Ok(()),
            Some(LinkState::Ready(_)) => "the session is ready",
            Some(LinkState::Offline) => "WhatsApp cannot be reached",
            Some(LinkState::NeedsLogin | LinkState::Pairing) => "no phone is linked",
            Some(LinkState::Syncing { .. }) => "the session is still syncing",
            Some(LinkState::Conflict) => "another browser has taken the session over",
            Some(LinkState::Refused(_)) => "WhatsApp will not serve the session",
            Some(LinkState::Connecting) | None => "the session is still connecting",
        };
        let why = why.to_owned();
        Err(DriverError::WrongMoment { command, why })
    }

    /// Has the bridge do something that needs a session that is ready, and gives no answer but that
    /// it is done.
    async fn act(&self, command: Command, arguments: &Value) -> Result<(), DriverError> {
        self.need_ready(command.name)?;
        self.shared.command(command, arguments).await
    }
}

#[async_trait]
impl Connection for ChromeConnection {
    async fn request_pairing_code(&self, phone: &PhoneNumber) -> Result<String, DriverError> {
        let arguments = json!({ "phone": phone.as_str() });
        let answer: CodeAnswer = self
            .shared
            .command(Command::PAIRING_CODE, &arguments)
            .await?;
        Ok(answer.code)
    }

    async fn show_qr(&self) -> Result<(), DriverError> {
        self.shared.command(Command::SHOW_QR, &json!({})).await
    }

    async fn find_contact(&self, recipient: &Recipient) -> Result<Option<Contact>, DriverError> {
        const COMMAND: Command = Command::FIND_CONTACT;
        self.need_ready(COMMAND.name)?;
        let id = match recipient {
            Recipient::Chat(chat) => chat.clone(),
            Recipient::Phone(phone) => ChatId::from(phone),
        };
        let arguments = json!({ "id": id.as_str() });
        let answer: Option<ContactAnswer> = self.shared.command(COMMAND, &arguments).await?;
        let Some(answer) = answer else {
            return Ok(None);
        };
        let optional = |text: Option<String>| text.and_then(|text| ChatId::new(&text).ok());
        Ok(Some(Contact {
            chat: ChatId::new(&answer.chat).map_err(|error| strange(COMMAND, &error))?,
            phone: optional(answer.phone),
            lid: optional(answer.lid),
        }))
    }

    async fn send_text(&self, text: &OutgoingText) -> Result<SentMessage, DriverError> {
        const COMMAND: Command = Command::SEND_TEXT;
        self.need_ready(COMMAND.name)?;
        self.shared.tracker().sending(&text.wire_id);
        self.shared.words().keep_out(&text.body);
        let arguments = json!({
            "chat": text.chat.as_str(),
            "body": text.body,
            "wireId": text.wire_id.as_str(),
            "replyTo": text.reply_to.as_ref().map(MessageId::as_str),
        });
        let answer: MessageAnswer = self.shared.command(COMMAND, &arguments).await?;
        sent_message(COMMAND, &answer)
    }

    async fn find_message(&self, id: &MessageId) -> Result<Option<SentMessage>, DriverError> {
        const COMMAND: Command = Command::FIND_MESSAGE;
        self.need(COMMAND.name, |link| {
            matches!(link, LinkState::Ready(_) | LinkState::Offline)
        })?;
        let arguments = json!({
            "key": id.as_str(),
            "chat": id.chat().as_str(),
            "wireId": id.wire_id().as_str(),
            "own": id.from_me(),
        });
        let answer: Option<MessageAnswer> = self.shared.command(COMMAND, &arguments).await?;
        answer
            .map(|answer| sent_message(COMMAND, &answer))
            .transpose()
    }

    async fn edit(&self, message: &MessageId, text: &str) -> Result<(), DriverError> {
        self.shared.words().keep_out(text);
        let arguments = json!({ "id": message.as_str(), "text": text });
        self.act(Command::EDIT, &arguments).await
    }

    async fn revoke(&self, message: &MessageId, whose: RevokedFor) -> Result<(), DriverError> {
        let everyone = whose == RevokedFor::Everyone;
        let arguments = json!({ "id": message.as_str(), "everyone": everyone });
        self.act(Command::REVOKE, &arguments).await
    }

    async fn react(&self, message: &MessageId, emoji: Option<&str>) -> Result<(), DriverError> {
        let arguments = json!({ "id": message.as_str(), "emoji": emoji.unwrap_or_default() });
        self.act(Command::REACT, &arguments).await
    }

    async fn star(&self, message: &MessageId, on: bool) -> Result<(), DriverError> {
        let arguments = json!({ "id": message.as_str(), "on": on });
        self.act(Command::STAR, &arguments).await
    }

    async fn pin(&self, message: &MessageId, time: Option<PinTime>) -> Result<(), DriverError> {
        let seconds = time.map_or(0, PinTime::seconds);
        let arguments = json!({ "id": message.as_str(), "seconds": seconds });
        self.act(Command::PIN, &arguments).await
    }

    async fn mark_seen(&self, chat: &ChatId) -> Result<(), DriverError> {
        let arguments = json!({ "chat": chat.as_str() });
        self.act(Command::MARK_SEEN, &arguments).await
    }

    async fn mark_unread(&self, chat: &ChatId) -> Result<(), DriverError> {
        let arguments = json!({ "chat": chat.as_str() });
        self.act(Command::MARK_UNREAD, &arguments).await
    }

    async fn show_activity(&self, chat: &ChatId, activity: Activity) -> Result<(), DriverError> {
        let arguments = json!({ "chat": chat.as_str(), "activity": activity });
        self.act(Command::ACTIVITY, &arguments).await
    }

    async fn set_available(&self, on: bool) -> Result<(), DriverError> {
        self.act(Command::AVAILABLE, &json!({ "on": on })).await
    }

    async fn evidence(&self) -> Result<Evidence, DriverError> {
        let answer: EvidenceAnswer = self.shared.command(Command::EVIDENCE, &json!({})).await?;
        let mut facts = answer.snapshot.facts();
        facts.extend(answer.facts);
        Ok(Evidence {
            link: self.shared.tracker().judge(&answer.snapshot),
            version: answer.snapshot.version,
            deaf: answer.missed > 0,
            facts,
        })
    }

    async fn self_test(&self) -> Result<SelfTest, DriverError> {
        let answer: SelfTestAnswer = self.shared.command(Command::SELF_TEST, &json!({})).await?;
        Ok(SelfTest {
            version: answer.version,
            ok: answer
                .probes
                .iter()
                .all(|probe| probe.found || !probe.needed),
            probes: answer.probes,
        })
    }

    async fn screenshot(&self) -> Result<Vec<u8>, DriverError> {
        const COMMAND: &str = "screenshot";
        self.shared.check_open()?;
        let timed_out = || DriverError::TimedOut {
            command: COMMAND,
            waited_for: "the browser to draw the page".to_owned(),
            after: SCREENSHOT,
        };
        let one_at_a_time = Arc::clone(&self.picture).lock_owned();
        let turn = tokio::time::timeout(SCREENSHOT, one_at_a_time)
            .await
            .map_err(|_| timed_out())?;
        let tab = self.tab.clone();
        let taken = blocking(move || {
            let _turn = turn;
            let format = Page::CaptureScreenshotFormatOption::Png;
            tab.0
                .capture_screenshot(format, None, None, true)
                .map_err(|error| error.to_string())
        });
        let taken = tokio::time::timeout(SCREENSHOT, taken)
            .await
            .map_err(|_| timed_out())??;
        taken.map_err(|reason| DriverError::Refused {
            command: COMMAND,
            reason,
        })
    }

    fn last_words(&self) -> Vec<String> {
        self.shared.words().tail()
    }

    async fn resources(&self) -> Result<Resources, DriverError> {
        const COMMAND: &str = "resources";
        self.shared.check_open()?;
        let pid = self.pid;
        let taken = blocking(move || resources::of_tree(pid)).await?;
        taken.ok_or(DriverError::Interrupted {
            command: COMMAND,
            by: Interruption::BrowserEnded,
        })
    }

    async fn reconnect(&self) -> Result<(), DriverError> {
        self.shared.command(Command::RECONNECT, &json!({})).await
    }

    async fn reload(&self) -> Result<(), DriverError> {
        const COMMAND: &str = "reload";
        self.shared.check_open()?;
        let reload = Page::Reload {
            ignore_cache: None,
            script_to_evaluate_on_load: None,
            loader_id: None,
        };
        let mut epochs = self.shared.epochs();
        // A script that never ends would keep its document from going, and measured, it cannot be
        // stopped any more once a reload is under way. A page that answers is not touched: there
        // this would stop whatever runs next.
        if self.shared.is_stuck().await {
            tracing::warn!("the page is stuck; stopping its script");
            let stop = Runtime::TerminateExecution(None);
            self.shared.call(stop, RELOAD).await.ok();
        }
        match self.shared.call(reload, RELOAD).await {
            // It refuses when the page is on its way elsewhere already, which is a reload too.
            Ok(_) | Err(CallError::Refused { .. } | CallError::TimedOut(_)) => {}
            Err(error) => return Err(self.shared.call_error(COMMAND, error)),
        }
        match tokio::time::timeout(RELOADED, epochs.changed()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(DriverError::TimedOut {
                command: COMMAND,
                waited_for: "the new document to begin".to_owned(),
                after: RELOADED,
            }),
        }
    }

    async fn log_out(&self) -> Result<(), DriverError> {
        const COMMAND: Command = Command::LOG_OUT;
        self.need(COMMAND.name, |link| {
            use LinkState::{Conflict, Offline, Ready, Refused, Syncing};
            let linked = matches!(link, Ready(_) | Syncing { .. } | Offline | Conflict);
            linked || *link == Refused(Refusal::MissingParts)
        })?;
        // Watched before it is asked for, for it may come at once (fact sheet §2.7).
        let mut logouts = self.shared.logouts();
        self.shared.tracker().asked_logout(true);
        let asked = self.shared.command::<()>(COMMAND, &json!({})).await;
        let outcome = match asked {
            // The page may go away over it before it answers.
            Ok(()) | Err(DriverError::Interrupted { .. }) => {
                match tokio::time::timeout(LOGOUT_CONFIRMED, logouts.changed()).await {
                    Ok(Ok(())) => return Ok(()),
                    _ => Err(DriverError::TimedOut {
                        command: COMMAND.name,
                        waited_for: "WhatsApp to confirm it".to_owned(),
                        after: LOGOUT_CONFIRMED,
                    }),
                }
            }
            Err(error) => Err(error),
        };
        self.shared.tracker().asked_logout(false);
        outcome
    }

    async fn close(&self) -> Result<(), DriverError> {
        self.shared.close.cancel();
        let closed = tokio::time::timeout(CLOSE, self.shared.closed()).await;
        if closed == Ok(true) {
            return Ok(());
        }
        let left = std::io::Error::other("its browser could not be ended");
        Err(storage(&self.profile, left))
    }
}

fn sent_message(command: Command, answer: &MessageAnswer) -> Result<SentMessage, DriverError> {
    Ok(SentMessage {
        id: MessageId::new(&answer.id).map_err(|error| strange(command, &error))?,
        ack: Ack::from_number(answer.ack),
    })
}

pub(super) fn strange(command: Command, error: &dyn std::error::Error) -> DriverError {
    DriverError::Refused {
        command: command.name,
        reason: format!("the page's answer is strange: {error}"),
    }
}
