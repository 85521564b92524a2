use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

/// Why a driver could not do what was asked, by situation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DriverError {
    /// No browser is where it was said to be, or in any usual place.
    #[error("no Chrome or Chromium found (looked at {})", list(.searched))]
    BrowserNotFound {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// A caller named a browser that is not on the allow-list.
    #[error("the browser {} is not allowed", .path.display())]
    BrowserNotAllowed {
        /// What was named.
        path: PathBuf,
    },
    /// A visible window was asked for where there is no display.
    #[error("a visible browser window was asked for, but there is no display")]
    NoDisplay,
    /// Another living process has the stored login open.
    #[error("the profile {} is in use by process {pid}", .folder.display())]
    ProfileInUse {
        /// The login's folder.
        folder: PathBuf,
        /// Who has it.
        pid: u32,
    },
    /// The browser started and ended, or could not be started.
    #[error("the browser did not start: {reason}")]
    LaunchFailed {
        /// What it said last.
        reason: String,
    },
    /// The browser did not come up in time.
    #[error("the browser did not come up within {} s", .after.as_secs())]
    LaunchTimeout {
        /// How long it was given.
        after: Duration,
    },
    /// The page could not be loaded.
    #[error("the page {url} could not be loaded: {reason}")]
    PageUnreachable {
        /// Its address.
        url: String,
        /// What the browser said.
        reason: String,
    },
    /// The page is up, but parts that every session needs are not in it.
    #[error("the page has not the parts needed: {}", .parts.join(", "))]
    MissingParts {
        /// The parts.
        parts: Vec<String>,
    },
    /// The page has not the part that this one feature needs.
    #[error("WhatsApp's page does not support {feature}: {part} is missing")]
    Unsupported {
        /// What was asked.
        feature: &'static str,
        /// What is missing.
        part: String,
    },
    /// The session is not in a state for this.
    #[error("{command} is not possible now: {why}")]
    WrongMoment {
        /// What was asked.
        command: &'static str,
        /// What is in the way.
        why: String,
    },
    /// The page went away under the command. It may or may not have been carried out.
    #[error("{command} was interrupted: {by}")]
    Interrupted {
        /// What was asked.
        command: &'static str,
        /// What happened.
        by: Interruption,
    },
    /// No answer in time. It may or may not have been carried out.
    #[error("{command} got no answer within {} ms: {waited_for}", .after.as_millis())]
    TimedOut {
        /// What was asked.
        command: &'static str,
        /// What it was waiting for, as far as is known.
        waited_for: String,
        /// How long it waited.
        after: Duration,
    },
    /// The recipient has no chat that can be written to: not on WhatsApp.
    #[error("{recipient} is not on WhatsApp")]
    NotOnWhatsApp {
        /// Who was meant.
        recipient: String,
    },
    /// The page has no such message.
    #[error("the page does not know the message {message}")]
    MessageUnknown {
        /// Its whole key.
        message: String,
    },
    /// The message has no file.
    #[error("the message {message} has no file")]
    NoMedia {
        /// Its whole key.
        message: String,
    },
    /// The message's file is no longer on WhatsApp's servers.
    #[error("the file of the message {message} is no longer on WhatsApp's servers{}", whether_asked(*.asked))]
    MediaExpired {
        /// Its whole key.
        message: String,
        /// Whether the phone was asked to upload it again, and has not got it any more either.
        asked: bool,
    },
    /// A message's file could not be written to disk.
    #[error("the file {} could not be written", .path.display())]
    FileNotWritten {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be sent as it is: unreadable, too large, or of a kind that the page cannot make
    /// ready. Nothing was sent.
    #[error("the file cannot be sent: {reason}")]
    MediaUnusable {
        /// What is wrong with it.
        reason: String,
    },
    /// The file did not get to WhatsApp's servers. Nothing was sent, and it may do at another time.
    #[error("the file could not be uploaded to WhatsApp: {reason}")]
    UploadFailed {
        /// The page's words.
        reason: String,
    },
    /// WhatsApp does not allow this with this message or chat, or no longer. Nothing was done.
    #[error("{command} is not allowed: {why}")]
    NotAllowed {
        /// What was asked.
        command: &'static str,
        /// What is in the way.
        why: String,
    },
    /// This account is in no such group.
    #[error("this account has no group {group}")]
    GroupUnknown {
        /// Its id.
        group: String,
    },
    /// There is no such channel.
    #[error("there is no channel {channel}")]
    ChannelUnknown {
        /// Its id.
        channel: String,
    },
    /// This account has no such label.
    #[error("this account has no label {label}")]
    LabelUnknown {
        /// Its id.
        label: String,
    },
    /// The invite leads nowhere: it was never given, or has been revoked.
    #[error("this invite leads nowhere, or no longer")]
    InviteUnknown,
    /// The page or WhatsApp said no. Nothing was done.
    #[error("{command} was refused: {reason}")]
    Refused {
        /// What was asked.
        command: &'static str,
        /// The page's words.
        reason: String,
    },
    /// WhatsApp's server said no. Nothing was done.
    #[error("WhatsApp refused {command}: {reason}{}", number(*.status))]
    ServerRefused {
        /// What was asked.
        command: &'static str,
        /// Its number for the reason, if it gave one.
        status: Option<u16>,
        /// Its words.
        reason: String,
    },
    /// This account has blocked the recipient; it would have to unblock them first.
    #[error("this account has blocked {recipient}")]
    ContactBlocked {
        /// Who was meant.
        recipient: String,
    },
    /// The session is closed.
    #[error("the session is closed")]
    Closed,
    /// Files of the stored login could not be made, read or removed.
    #[error("the stored login {} could not be handled", .path.display())]
    Storage {
        /// Which file or folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

/// What took the page away under a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Interruption {
    /// The page was loaded anew or went elsewhere.
    #[error("the page was reloaded")]
    Reloaded,
    /// The page's process crashed.
    #[error("the page crashed")]
    PageCrashed,
    /// The browser ended.
    #[error("the browser ended")]
    BrowserEnded,
}

impl DriverError {
    /// Whether what was asked may have been done all the same, so that doing it again could do it
    /// twice.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::TimedOut { .. })
    }
}

fn number(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(" (error {status})"))
}

fn whether_asked(asked: bool) -> &'static str {
    if asked {
        ", and the phone has not got it any more"
    } else {
        "; the phone can be asked to upload it again"
    }
}

fn list(paths: &[PathBuf]) -> String {
    let shown: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    shown.join(", ")
}
