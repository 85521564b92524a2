//! Errors of the front door, by situation.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::driver::DriverError;
use crate::id::SessionId;
use crate::session::{Reason, SessionInfo, SessionState};

/// Why something asked of a session, or of the manager, was not done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such session.
    #[error("Session not found")]
    SessionNotFound {
        /// Which.
        id: SessionId,
    },
    /// The session exists with other options.
    #[error("session {id} already exists with other options")]
    SessionExists {
        /// Which.
        id: SessionId,
    },
    /// There are as many sessions as are allowed.
    #[error("the limit of {limit} sessions is reached")]
    SessionLimitReached {
        /// The limit.
        limit: usize,
    },
    /// The session cannot do this in its state.
    #[error("session {id} is not ready: it is {state}{}", because(.reason))]
    NotReady {
        /// Which.
        id: SessionId,
        /// Its state.
        state: SessionState,
        /// Why it is in it.
        reason: Option<Reason>,
    },
    /// The message was not sent and will not be.
    #[error("the message was not sent: {}", .failure.detail)]
    SendFailed {
        /// Our own id of it.
        id: ulid::Ulid,
        /// Why.
        failure: crate::outbox::Failure,
    },
    /// An idempotency key was used before for something else.
    #[error("this idempotency key was used before with another message")]
    IdempotencyMismatch,
    /// There is no such message.
    #[error("Message not found")]
    MessageNotFound,
    /// The account has no such chat.
    #[error("Chat not found")]
    ChatNotFound,
    /// There is no such person on WhatsApp.
    #[error("Contact not found")]
    ContactNotFound,
    /// No such call rings.
    #[error("Call not found")]
    CallNotFound,
    /// The profile cannot be like that.
    #[error(transparent)]
    InvalidProfile(#[from] crate::contact::InvalidProfile),
    /// The message is on its way or gone: it cannot be taken back.
    #[error("the message is {} and cannot be cancelled", .state.as_str())]
    NotCancellable {
        /// How far it is.
        state: crate::outbox::MessageState,
    },
    /// Something can be done to a message only once WhatsApp has it.
    #[error("the message is {} and not on WhatsApp yet", .state.as_str())]
    NotSentYet {
        /// How far it is.
        state: crate::outbox::MessageState,
    },
    /// The message may have left this program, and there is nothing on WhatsApp's page to take back.
    #[error("the message is {} and cannot be taken back on WhatsApp", .state.as_str())]
    NotTakenBack {
        /// How far it is.
        state: crate::outbox::MessageState,
    },
    /// A text that cannot be sent.
    #[error("{0}")]
    InvalidMessage(&'static str),
    /// Something that cannot be asked of a group.
    #[error(transparent)]
    InvalidGroup(#[from] crate::group::InvalidGroup),
    /// Something that cannot be asked of a channel.
    #[error(transparent)]
    InvalidChannel(#[from] crate::channel::InvalidChannel),
    /// A status that cannot be shown.
    #[error(transparent)]
    InvalidStatus(#[from] crate::story::InvalidStatus),
    /// A text that is no template of a bulk job.
    #[error("the template cannot be used: {0}")]
    InvalidTemplate(#[from] crate::bulk::InvalidTemplate),
    /// Recipients of a bulk job that cannot be written to; nothing of it was accepted.
    #[error("{} of the recipients cannot be written to; the first is number {}: {}", .0.len(),
        .0.first().map_or(0, |i| i.index + 1), .0.first().map_or("", |i| &i.detail))]
    InvalidRecipients(Vec<crate::bulk::InvalidRecipient>),
    /// There is no such bulk job.
    #[error("there is no such bulk job")]
    BulkNotFound,
    /// Nobody of this name is on the opt-out list.
    #[error("this person is not on the opt-out list")]
    OptOutNotFound,
    /// There is no such pool.
    #[error("there is no pool {name}")]
    PoolNotFound {
        /// Which.
        name: crate::pool::PoolName,
    },
    /// None of several sessions would take a message.
    #[error("none of the sessions is ready: {}", listed(.sessions))]
    NoneReady {
        /// How each of them stands.
        sessions: Vec<Standing>,
    },
    /// The session did not get where it was expected to be in time.
    #[error("session {id} was still {state} after {} s", .after.as_secs())]
    WaitTimeout {
        /// Which.
        id: SessionId,
        /// Where it was.
        state: SessionState,
        /// How long it was waited for.
        after: Duration,
    },
    /// The driver could not.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// There is no backup, or it was not restored.
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupError),
    /// A file of a message could not be taken, prepared or found.
    #[error(transparent)]
    Media(#[from] crate::media::MediaError),
    /// The webhooks could not be opened.
    #[error(transparent)]
    Webhook(#[from] crate::webhook::WebhookError),
    /// Another process owns the data folder.
    #[error("{owner}")]
    Owned {
        /// Who.
        owner: Box<crate::owner::Owner>,
    },
    /// A folder could not be made or locked.
    #[error("{} could not be prepared", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The manager is shutting down.
    #[error("ZapNode is shutting down")]
    ShuttingDown,
}

/// How a session stands that was asked for and is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub id: SessionId,
    /// Its state; absent where there is no such session any more.
    pub state: Option<SessionState>,
    /// Why it is in it.
    pub reason: Option<Reason>,
}

impl Standing {
    pub(crate) fn of(id: SessionId, info: Option<SessionInfo>) -> Self {
        let (state, reason) = info.map_or((None, None), |i| (Some(i.state), i.reason));
        Self { id, state, reason }
    }

    /// The state's word, or `not_found`.
    pub fn status(&self) -> &'static str {
        self.state
            .as_ref()
            .map_or("not_found", SessionState::as_str)
    }
}

fn listed(sessions: &[Standing]) -> String {
    let each = sessions
        .iter()
        .map(|s| format!("{} is {}{}", s.id, s.status(), because(&s.reason)));
    each.collect::<Vec<_>>().join("; ")
}

/// An error with what caused it, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn because(reason: &Option<Reason>) -> String {
    reason
        .as_ref()
        .map_or_else(String::new, |r| format!(": {}", r.detail))
}
