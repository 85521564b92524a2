//! The words of the table: where a session is, what happens to it, what is to be done.

use std::time::{Duration, Instant};

use super::ladder::{Step, Trouble};
use crate::driver::{LinkState, LogoutReason};
use crate::session::status::Reason;

/// Where a session is, with what only this phase needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs.
    Stopped,
    /// The driver is opening it.
    Opening,
    /// It is open; WhatsApp's page has not said where it stands.
    Loading,
    /// A person must log in.
    AwaitingLogin,
    /// Linked; loading what happened meanwhile.
    Syncing {
        /// 0 to 100, if known.
        percent: Option<u8>,
    },
    /// Can send and receive.
    Ready {
        /// Since when.
        since: Instant,
    },
    /// Was ready and has lost its evidence.
    Shaken {
        /// What is wrong.
        trouble: Trouble,
        /// What has been tried against it; absent while the page tries by itself.
        step: Option<Step>,
    },
    /// The driver is closing it.
    Closing {
        /// What comes after.
        next: Next,
        /// Whether a `start` came meanwhile.
        start_after: bool,
    },
    /// Waits before it is opened again.
    Waiting,
    /// Nothing runs, but it is meant to: it is opened when it is needed.
    Hibernating {
        /// Whether it is opened as soon as nobody holds it closed any more.
        open_again: bool,
    },
    /// The device was removed.
    LoggedOut {
        /// Whether the phone or WhatsApp did it, not we.
        remotely: bool,
    },
    /// Given up.
    Failed,
}

/// What follows a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Rest, login kept.
    Stopped,
    /// Open again at once.
    Restart,
    /// Open again after a pause.
    Retry {
        /// How long.
        pause: Duration,
    },
    /// Rest until it is needed.
    Hibernate {
        /// Whether that is as soon as nobody holds it closed any more.
        open_again: bool,
    },
    /// Rest, login deleted.
    LoggedOut {
        /// Whether the phone or WhatsApp did it, not we.
        remotely: bool,
    },
    /// Rest, given up.
    Failed,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Somebody wants it to run.
    Start,
    /// Somebody wants it to rest.
    Stop,
    /// Somebody wants it closed and opened again.
    Restart,
    /// Somebody wants the device unlinked. Also what ends a session that is deleted.
    LogOut,
    /// The driver opened it.
    Opened,
    /// The driver could not open it.
    OpenFailed {
        /// Why.
        reason: Reason,
        /// Whether trying again can help.
        again: bool,
    },
    /// The driver told of the link, or a look at it did.
    Link(LinkState),
    /// The page was loaded anew.
    Reloaded,
    /// The driver says the device was removed.
    LoggedOut(LogoutReason),
    /// The unlinking that was asked for could not be confirmed.
    LogOutFailed,
    /// The driver ended by itself.
    Lost(String),
    /// The close has finished.
    Closed,
    /// The phase's deadline has passed.
    DeadlinePassed,
    /// So many looks in a row got no answer.
    NoEvidence {
        /// How many.
        misses: u32,
    },
    /// The page says that it is well, and yet messages on it are not told.
    Deaf,
    /// It takes more memory than it may.
    TooHeavy {
        /// Why.
        reason: Reason,
        /// Whether loading the page anew is not enough.
        relaunch: bool,
    },
    /// Close it and keep it closed until [`Input::Release`].
    Hold(Reason),
    /// Nobody holds it closed any more.
    Release,
    /// It is not needed at the moment.
    Sleep(Reason),
    /// It is needed again.
    Wake(Reason),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Open the driver.
    Open,
    /// Close the driver; [`Input::Closed`] follows.
    Close,
    /// Have the page connect anew.
    Reconnect,
    /// Load the page anew.
    Reload,
    /// Unlink the device; [`Input::LoggedOut`] or [`Input::LogOutFailed`] follows.
    LogOut,
    /// Delete the stored login. Comes after a close, and is awaited before anything else.
    Forget,
    /// The phase has this long from now; absent: as long as it takes. Replaces the former.
    Deadline(Option<Duration>),
}
