//! The contract between a session and whatever speaks to WhatsApp for it.
//!
//! A [`Driver`] opens a session's stored login and gives a [`Connection`], which acts, and a stream
//! of [`DriverEvent`]s, which tells what happened. The contract speaks of pairing, sending and
//! receiving. How that is done (a browser, a page, a socket) is the driver's own; when to try
//! again, what to store and whom to tell is the session's.
//!
//! What every driver promises is written as tests in `conformance` (feature `test-util`).

use std::any::Any;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::chat::{Chat, ChatChange, ChatPage, ChatQuery, HistoryPage, HistoryQuery};
use crate::contact::{
    BusinessProfile, ContactDetails, ContactPage, ContactQuery, OwnProfile, ProfileChange,
};
use crate::id::{ChatId, MessageId, PhoneNumber, SessionId};
use crate::message::{
    AckChange, Activity, Call, Contact, Downloaded, Edit, EventAnswer, GroupNotice,
    IncomingMessage, Notice, OutgoingMessage, Person, PinTime, PollVote, Reaction, Recipient,
    Revoke, RevokedFor, SentMessage, WaitingMessage,
};
use crate::options::SessionOptions;

pub mod chrome;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod error;
mod feeds;
mod file_sink;
mod groups;
mod link;
#[cfg(any(test, feature = "test-util"))]
pub mod scripted;

pub use error::{DriverError, Interruption};
pub use feeds::{ChannelConnection, LabelConnection, StatusConnection};
pub use groups::GroupConnection;
pub use link::{Evidence, Identity, LinkState, LogoutReason, Probe, Refusal, Resources, SelfTest};

/// Opens sessions. One value serves all sessions of a manager.
#[async_trait]
pub trait Driver: Any + Debug + Send + Sync {
    /// Says whether a session with these options could be opened here at all, without doing it.
    ///
    /// # Errors
    /// [`DriverError::BrowserNotAllowed`] or [`DriverError::NoDisplay`].
    fn check(&self, options: &SessionOptions) -> Result<(), DriverError>;

    /// Ends what an earlier run of this program left running on these logins, and nothing else.
    /// Called once, before any session is opened. Returns how many it ended.
    async fn sweep(&self, logins: &[StoredLogin]) -> usize;

    /// Opens a session. On an error nothing is left running.
    ///
    /// Dropping the future gives up: what was started is ended in the background.
    ///
    /// # Errors
    /// By situation; see [`DriverError`].
    async fn open(&self, request: OpenRequest) -> Result<Opened, DriverError>;

    /// Deletes a stored login from disk. The session is closed when this is called. A login that
    /// is not there is no error.
    ///
    /// # Errors
    /// [`DriverError::Storage`] when the folder cannot be removed, or
    /// [`DriverError::ProfileInUse`] when somebody still has it open.
    async fn forget(&self, login: &StoredLogin) -> Result<(), DriverError>;
}

/// Where a session's login lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLogin {
    /// Whose it is.
    pub session: SessionId,
    /// The folder, absolute.
    pub folder: PathBuf,
}

/// What to open.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// Whose session, and where its login lies (made if it is not there).
    pub login: StoredLogin,
    /// The session's own options.
    pub options: SessionOptions,
}

/// An open session.
#[derive(Debug)]
pub struct Opened {
    /// Acts on it.
    pub connection: Arc<dyn Connection>,
    /// Tells what happens on it. The last event is [`DriverEvent::Closed`]; after it the stream
    /// ends. Events of one session come in the order in which they happened.
    pub events: mpsc::Receiver<DriverEvent>,
}

/// Acts on one open session. Each call has its own deadline inside and ends with an answer or a
/// named reason; dropping its future is safe, but what was asked may still happen.
#[async_trait]
pub trait Connection:
    GroupConnection + ChannelConnection + LabelConnection + StatusConnection + Any + Debug + Send + Sync
{
    /// Asks for a code to type on the phone instead of scanning the QR. The code also comes, and
    /// is renewed, as [`DriverEvent::Login`].
    ///
    /// # Errors
    /// [`DriverError::WrongMoment`] when the session needs no login.
    async fn request_pairing_code(&self, phone: &PhoneNumber) -> Result<String, DriverError>;

    /// Goes back from the pairing code to the QR.
    ///
    /// # Errors
    /// [`DriverError::WrongMoment`] when the session needs no login.
    async fn show_qr(&self) -> Result<(), DriverError>;

    /// Finds the person or chat, asking WhatsApp when it must. `None`: not on WhatsApp.
    ///
    /// # Errors
    /// By situation.
    async fn find_contact(&self, recipient: &Recipient) -> Result<Option<Contact>, DriverError>;

    /// Hands a message over. Returns once it is known under the id that was chosen; that
    /// WhatsApp's server has it is told by [`DriverEvent::Ack`]. One that is known under this id
    /// already is not sent again.
    ///
    /// # Errors
    /// By situation. [`DriverError::Unsupported`] where this kind cannot be sent here;
    /// [`DriverError::outcome_unknown`] tells those after which the message may exist all the same.
    async fn send(&self, message: &OutgoingMessage) -> Result<SentMessage, DriverError>;

    /// Looks a message up by its whole key. `None`: the page does not know it.
    ///
    /// # Errors
    /// By situation.
    async fn find_message(&self, id: &MessageId) -> Result<Option<SentMessage>, DriverError>;

    /// Fetches a message's file and writes it to `to`, a path on this machine: piece by piece, so that
    /// it is never whole in memory here, and under that name only once it is complete. What was there
    /// is replaced.
    ///
    /// # Errors
    /// [`DriverError::MessageUnknown`], [`DriverError::NoMedia`], [`DriverError::MediaExpired`], after
    /// which [`request_media`](Self::request_media) may help; else by situation. There is no file then.
    async fn download(&self, id: &MessageId, to: &Path) -> Result<Downloaded, DriverError>;

    /// Asks the account's phone to upload the file of a message again that is no longer on WhatsApp's
    /// servers, and returns once it did. A phone that is off line does not answer.
    ///
    /// # Errors
    /// [`DriverError::MediaExpired`] with `asked` when the phone has not got it any more,
    /// [`DriverError::TimedOut`] when it does not answer, else by situation.
    async fn request_media(&self, id: &MessageId) -> Result<(), DriverError>;

    /// Gives a message of this account another text, or a medium another caption. Returns when the
    /// message has it; it is also told as [`DriverEvent::Edited`]. A message that has this text
    /// already is left as it is.
    ///
    /// # Errors
    /// [`DriverError::MessageUnknown`], [`DriverError::NotAllowed`] for one that WhatsApp does not
    /// let this account change (any more), else by situation.
    async fn edit(&self, message: &MessageId, text: &str) -> Result<(), DriverError>;

    /// Takes a message back for everyone (this account's own, or as an admin of the group somebody
    /// else's), or deletes it on this account's devices only. Returns when it is gone; it is also
    /// told as [`DriverEvent::Revoked`].
    ///
    /// # Errors
    /// As [`edit`](Self::edit). One that was taken back for everyone before is no error.
    async fn revoke(&self, message: &MessageId, whose: RevokedFor) -> Result<(), DriverError>;

    /// Puts this account's reaction on a message, in place of an earlier one, or takes it away.
    /// Returns when WhatsApp has it; it is also told as [`DriverEvent::Reaction`].
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    async fn react(&self, message: &MessageId, emoji: Option<&str>) -> Result<(), DriverError>;

    /// Stars a message for this account, or takes the star away.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    async fn star(&self, message: &MessageId, on: bool) -> Result<(), DriverError>;

    /// Pins a message in its chat for everyone there, or (`None`) unpins it.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    async fn pin(&self, message: &MessageId, time: Option<PinTime>) -> Result<(), DriverError>;

    /// Votes in a poll, in place of an earlier vote; no option takes it back. Options are named by
    /// their words. Returns when WhatsApp has it; it is also told as [`DriverEvent::Vote`].
    ///
    /// # Errors
    /// As [`edit`](Self::edit); [`DriverError::NotAllowed`] also for an option that the poll has
    /// not, and for more than one where only one can be chosen.
    async fn vote(&self, poll: &MessageId, options: &[String]) -> Result<(), DriverError>;

    /// Answers an event, in place of an earlier answer.
    ///
    /// # Errors
    /// As [`edit`](Self::edit).
    async fn answer_event(&self, event: &MessageId, answer: EventAnswer)
    -> Result<(), DriverError>;

    /// Marks everything in a chat as seen: its writers are told, as the account's settings allow. A
    /// chat that the account does not have yet has nothing to be seen.
    ///
    /// # Errors
    /// By situation.
    async fn mark_seen(&self, chat: &ChatId) -> Result<(), DriverError>;

    /// Shows the chat's members what this account does just now.
    ///
    /// # Errors
    /// By situation; whoever asks can go on without.
    async fn show_activity(&self, chat: &ChatId, activity: Activity) -> Result<(), DriverError>;

    /// Shows this account as available, or not. It is not at the start, so that the phone keeps
    /// ringing; it holds until it is changed or the session is loaded anew.
    ///
    /// # Errors
    /// By situation.
    async fn set_available(&self, on: bool) -> Result<(), DriverError>;

    // --- chats, contacts, the own profile, calls -------------------------------------------------

    /// A page of the account's chats.
    ///
    /// # Errors
    /// By situation.
    async fn chats(&self, query: &ChatQuery) -> Result<ChatPage, DriverError>;

    /// One chat, under either of a person's names. `None`: the account has no such chat.
    ///
    /// # Errors
    /// By situation.
    async fn chat(&self, id: &ChatId) -> Result<Option<Chat>, DriverError>;

    /// Messages of a chat, loaded from its history as far as they are needed. None for a chat that
    /// the account does not have.
    ///
    /// # Errors
    /// By situation.
    async fn chat_messages(&self, query: &HistoryQuery) -> Result<HistoryPage, DriverError>;

    /// Messages with these words, of one chat or of all, newest first, at most `limit`.
    ///
    /// # Errors
    /// By situation.
    async fn search_messages(
        &self,
        words: &str,
        chat: Option<&ChatId>,
        limit: usize,
    ) -> Result<Vec<IncomingMessage>, DriverError>;

    /// Does something with a chat as a whole. `false`: the account has no such chat.
    ///
    /// # Errors
    /// [`DriverError::Refused`] for a fourth pinned chat; else by situation.
    async fn change_chat(&self, id: &ChatId, change: ChatChange) -> Result<bool, DriverError>;

    /// A page of the people that the account knows.
    ///
    /// # Errors
    /// By situation.
    async fn contacts(&self, query: &ContactQuery) -> Result<ContactPage, DriverError>;

    /// One person. `None`: not on WhatsApp.
    ///
    /// # Errors
    /// By situation.
    async fn contact(&self, id: &ChatId) -> Result<Option<ContactDetails>, DriverError>;

    /// A person's about text. `None`: they have none, or do not show it to this account.
    ///
    /// # Errors
    /// By situation.
    async fn about(&self, id: &ChatId) -> Result<Option<String>, DriverError>;

    /// The address of a person's or group's picture, good for some hours. `None`: they have none,
    /// or do not show it to this account.
    ///
    /// # Errors
    /// By situation.
    async fn picture(&self, id: &ChatId) -> Result<Option<String>, DriverError>;

    /// What a business says of itself. `None`: it is no business.
    ///
    /// # Errors
    /// By situation.
    async fn business_profile(&self, id: &ChatId) -> Result<Option<BusinessProfile>, DriverError>;

    /// Whom the account has blocked.
    ///
    /// # Errors
    /// By situation.
    async fn blocked(&self) -> Result<Vec<Person>, DriverError>;

    /// Blocks a person, or no more. Blocking twice is no error.
    ///
    /// # Errors
    /// [`DriverError::NotOnWhatsApp`], else by situation.
    async fn set_blocked(&self, id: &ChatId, blocked: bool) -> Result<(), DriverError>;

    /// The account's own profile.
    ///
    /// # Errors
    /// By situation.
    async fn own_profile(&self) -> Result<OwnProfile, DriverError>;

    /// Changes it.
    ///
    /// # Errors
    /// By situation.
    async fn change_profile(&self, change: &ProfileChange) -> Result<(), DriverError>;

    /// Turns a call away that rings. `from` says who calls, for one that this page has not heard of.
    /// `false`: the call is not known, and nobody was named.
    ///
    /// # Errors
    /// By situation.
    async fn reject_call(&self, id: &str, from: Option<&ChatId>) -> Result<bool, DriverError>;

    /// How things stand right now, by the page's own word. Also the heartbeat: an answer proves
    /// that the session is alive.
    ///
    /// # Errors
    /// By situation; any error means there is no evidence.
    async fn evidence(&self) -> Result<Evidence, DriverError>;

    /// Which parts of WhatsApp's page were found and which were missed.
    ///
    /// # Errors
    /// By situation.
    async fn self_test(&self) -> Result<SelfTest, DriverError>;

    /// A picture of what a person would see, as PNG.
    ///
    /// # Errors
    /// [`DriverError::Unsupported`] where the driver has nothing to show.
    async fn screenshot(&self) -> Result<Vec<u8>, DriverError>;

    /// The last words of whatever the session runs, oldest first, for a person who looks for what
    /// went wrong; also after it has ended. Nothing that people wrote is among them. At most 100.
    fn last_words(&self) -> Vec<String>;

    /// What the session takes of the machine right now.
    ///
    /// # Errors
    /// [`DriverError::Unsupported`] where nothing of its own runs, else by situation.
    async fn resources(&self) -> Result<Resources, DriverError>;

    /// Connects to WhatsApp anew without loading anything. Returns once that was begun; whether it
    /// helped is told by [`DriverEvent::Link`].
    ///
    /// # Errors
    /// [`DriverError::Unsupported`] where it cannot be asked for,
    /// [`DriverError::WrongMoment`] when no phone is linked or another browser has the session.
    async fn reconnect(&self) -> Result<(), DriverError>;

    /// Loads the session anew without closing it. Calls under way are interrupted.
    ///
    /// # Errors
    /// By situation.
    async fn reload(&self) -> Result<(), DriverError>;

    /// Unlinks this device from the phone's account. Returns when WhatsApp confirmed it.
    ///
    /// # Errors
    /// By situation.
    async fn log_out(&self) -> Result<(), DriverError>;

    /// Closes the session so that its login is kept, and waits until everything it ran has ended
    /// (bounded). Calling it again returns when the first one is done.
    ///
    /// # Errors
    /// [`DriverError::Storage`] only if something could not be ended.
    async fn close(&self) -> Result<(), DriverError>;
}

/// What a session tells.
#[derive(Clone, Debug, PartialEq)]
pub enum DriverEvent {
    /// The link to WhatsApp changed. Told once at the start, and never twice in a row alike.
    Link(LinkState),
    /// There is something to show so that a person can log in. A newer one replaces it.
    Login(LoginPrompt),
    /// A message appeared. History that is loaded is not told, nor what we sent ourselves
    /// through this connection. After a downtime or a reload, what came meanwhile is told, and it
    /// may be that something is told again that an earlier connection told already: the same
    /// [`MessageId`].
    Message(Box<IncomingMessage>),
    /// A message came that cannot be read yet. When it can, it is told as a message.
    Waiting(WaitingMessage),
    /// The text of a message was changed.
    Edited(Edit),
    /// A message is gone, for everyone or here only.
    Revoked(Revoke),
    /// A reaction was put on a message or taken away. Those from before the last time this login
    /// was open are not told.
    Reaction(Reaction),
    /// Somebody voted in a poll, or took the vote back. Those from before the last time this login was
    /// open are not told.
    Vote(PollVote),
    /// A chat shows something that nobody wrote.
    Notice(Notice),
    /// Somebody calls. Told once for each call.
    Call(Call),
    /// Something happened in a group.
    Group(GroupNotice),
    /// A sent message came further. May come out of order and more than once.
    Ack(AckChange),
    /// WhatsApp's server refused a message that was handed over. Told instead of a failing ack, or
    /// besides.
    SendRefused(SendRefusal),
    /// WhatsApp has restricted the account for a time; in its words.
    Restricted(String),
    /// The page was loaded anew (by itself or by us): calls under way were interrupted, and a
    /// [`DriverEvent::Link`] follows when it is up again.
    Reloaded,
    /// The phone or WhatsApp unlinked this device. The stored login is worthless.
    LoggedOut(LogoutReason),
    /// The session has ended by itself, or by [`Connection::close`]. Nothing follows.
    Closed(DriverClosed),
}

/// Why WhatsApp refused a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendRefusal {
    /// The message.
    pub id: MessageId,
    /// WhatsApp's number for the reason, if it gave one.
    pub status: Option<u16>,
    /// In the page's words.
    pub words: String,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriverClosed {
    /// [`Connection::close`] was called.
    Asked,
    /// The browser (or what the driver runs instead) ended or stopped answering.
    Lost(String),
}

/// What a person needs in order to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginPrompt {
    /// The text of a QR code.
    Qr {
        /// What the code says.
        text: String,
        /// How long it is good for, as far as WhatsApp says.
        valid_for: Duration,
    },
    /// A code to type on the phone.
    PairingCode {
        /// Eight characters.
        code: String,
        /// The number it is for.
        phone: PhoneNumber,
        /// How long it is good for.
        valid_for: Duration,
    },
}
