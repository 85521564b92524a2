//! A driver in memory, for tests of everything above drivers: no browser, no waiting.
//!
//! It is stricter than Chrome: it panics where a caller breaks the contract (a call after
//! `close`, a login forgotten while it is open), and refuses what a real page would only
//! sometimes refuse. What the world does (scan, write, read, unlink, crash) is asked of
//! [`ScriptedDriver`] itself, by session.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::{Notify, mpsc};

use super::{
    Connection, Driver, DriverClosed, DriverError, DriverEvent, Evidence, Identity, Interruption,
    LinkState, LoginPrompt, LogoutReason, OpenRequest, Opened, Probe, Resources, SelfTest,
    SendRefusal, StoredLogin,
};
use crate::chat::{Chat, ChatChange, ChatPage, ChatQuery, HistoryPage, HistoryQuery};
use crate::contact::{
    BusinessProfile, ContactDetails, ContactPage, ContactQuery, OwnProfile, ProfileChange,
};
use crate::id::{ChatId, MessageId, PhoneNumber, SessionId, WireId};
use crate::message::{
    Ack, AckChange, Activity, Contact, Details, Downloaded, EventAnswer, IncomingMessage,
    OutgoingMessage, Person, PinTime, Recipient, RevokedFor, SentMessage,
};
use crate::options::SessionOptions;

mod acts;
mod feeds;
mod files;
mod groups;
mod happenings;
mod people;

pub use people::Book;

pub use acts::Act;
pub use files::ScriptedFile;

/// How long a scripted QR is good for.
pub const QR_VALID_FOR: Duration = Duration::from_secs(20);

/// See the [module](self).
#[derive(Clone, Debug, Default)]
pub struct ScriptedDriver {
    world: Arc<World>,
}

#[derive(Debug, Default)]
struct World {
    state: Mutex<State>,
    /// Told at every change, for those who wait.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The account of each stored login, by folder.
    logins: HashMap<PathBuf, PhoneNumber>,
    open: HashMap<SessionId, Arc<Page>>,
    folders_open: HashSet<PathBuf>,
    /// The words that each number got, by wire id: once each, in order.
    delivered: Vec<(PhoneNumber, WireId, String)>,
    /// All that was delivered, to groups too: once each, in order.
    sent: Vec<OutgoingMessage>,
    /// How often each wire id reached a page.
    handed_over: HashMap<WireId, usize>,
    /// What each login's page keeps across a close, as a real one does on its disk.
    kept: HashMap<PathBuf, Memory>,
    open_failures: Vec<DriverError>,
    opened: usize,
    reloaded: usize,
    hold_opening: bool,
    hold_acks: bool,
    /// What sessions did besides sending, in order.
    acts: Vec<Act>,
    typing_fails: bool,
    /// The part that every act finds missing.
    lacking_part: Option<String>,
    /// Sends are refused by the server with this number and these words.
    refusing: Option<(Option<u16>, String)>,
    /// Messages of this kind cannot be sent.
    lacking: Option<&'static str>,
    refuse_options: Option<fn() -> DriverError>,
    /// What each session's account has.
    books: HashMap<SessionId, Book>,
    qr_count: u64,
    /// The files of messages.
    files: HashMap<WireId, ScriptedFile>,
    groups: groups::Groups,
    feeds: feeds::Feeds,
}

#[derive(Debug)]
struct Page {
    session: SessionId,
    folder: PathBuf,
    events: mpsc::Sender<DriverEvent>,
    inside: Mutex<Inside>,
}

/// The messages that a page knows.
#[derive(Clone, Debug, Default)]
struct Memory {
    sent: HashMap<WireId, SentMessage>,
    heard: HashSet<MessageId>,
    /// Those that were taken back for everyone.
    revoked: HashSet<MessageId>,
}

#[derive(Debug, Default)]
struct Inside {
    account: Option<PhoneNumber>,
    memory: Memory,
    closed: bool,
    stalled: bool,
    /// The next look finds messages that were not told.
    deaf: bool,
    resources: Option<Resources>,
    /// WhatsApp cannot be reached, and what mends that.
    unlinked: Option<Unlinked>,
    reconnects: usize,
    reloads: usize,
    ended: bool,
    interrupt_next_send: Option<bool>,
}

/// How long a lost link stays lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// Until the session is asked to reconnect.
    UntilReconnect,
    /// Until it is reloaded.
    UntilReload,
    /// Until it is opened anew.
    UntilRelaunch,
}

impl ScriptedDriver {
    /// An empty world: no logins, every number on WhatsApp but those that begin with 000.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next openings fail like this, in this order.
    pub fn fail_opening(&self, errors: impl IntoIterator<Item = DriverError>) {
        self.state().open_failures.extend(errors);
    }

    /// Every [`Driver::check`] fails like this.
    pub fn refuse_options(&self, error: fn() -> DriverError) {
        self.state().refuse_options = Some(error);
    }

    /// Openings wait until this is called with `false`.
    pub fn hold_opening(&self, hold: bool) {
        self.state().hold_opening = hold;
        self.world.changed.notify_waiters();
    }

    /// Sent messages stay pending until [`acknowledge`](Self::acknowledge).
    pub fn hold_acks(&self, hold: bool) {
        self.state().hold_acks = hold;
    }

    /// Showing that somebody types fails.
    pub fn fail_typing(&self) {
        self.state().typing_fails = true;
    }

    /// Where typing was shown (`true`) and ended, in order.
    pub fn typed(&self) -> Vec<(ChatId, bool)> {
        let acts = self.acts().into_iter();
        acts.filter_map(|act| match act {
            Act::Showed(chat, Activity::Typing) => Some((chat, true)),
            Act::Showed(chat, Activity::Paused) => Some((chat, false)),
            _ => None,
        })
        .collect()
    }

    /// From now on WhatsApp's server refuses what is handed over, with this number and these words;
    /// `None`: it takes everything again.
    pub fn refuse_sends(&self, refusal: Option<(Option<u16>, &str)>) {
        self.state().refusing = refusal.map(|(status, words)| (status, words.to_owned()));
    }

    /// From now on messages of this kind ([`Content::kind`](crate::message::Content::kind)) cannot be
    /// sent, or all can again.
    pub fn lack(&self, kind: Option<&'static str>) {
        self.state().lacking = kind;
    }

    /// How many sessions were opened so far, failures included.
    pub fn times_opened(&self) -> usize {
        self.state().opened
    }

    /// How often any session was loaded anew.
    pub fn times_reloaded(&self) -> usize {
        self.state().reloaded
    }

    /// Which sessions are open now.
    pub fn open_sessions(&self) -> Vec<SessionId> {
        let mut ids: Vec<_> = self.state().open.keys().cloned().collect();
        ids.sort();
        ids
    }

    /// Whether a login is stored in this folder.
    pub fn has_login(&self, folder: &std::path::Path) -> bool {
        self.state().logins.contains_key(folder)
    }

    /// Stores a login, as an earlier run would have left it.
    pub fn plant_login(&self, folder: PathBuf, account: PhoneNumber) {
        self.state().logins.insert(folder, account);
    }

    /// What a number received: wire id and text, in order.
    pub fn delivered_to(&self, phone: &PhoneNumber) -> Vec<(WireId, String)> {
        let state = self.state();
        let mine = state.delivered.iter().filter(|(to, _, _)| to == phone);
        mine.map(|(_, id, text)| (id.clone(), text.clone()))
            .collect()
    }

    /// All that was delivered so far, to people and groups, in order.
    pub fn sent(&self) -> Vec<OutgoingMessage> {
        self.state().sent.clone()
    }

    /// How often a message was handed to a page that took it.
    pub fn times_handed_over(&self, wire_id: &WireId) -> usize {
        let state = self.state();
        state.handed_over.get(wire_id).copied().unwrap_or_default()
    }

    /// The phone `account` scans the QR that `session` shows.
    pub async fn scan(&self, session: &SessionId, account: &PhoneNumber) {
        let page = self.page(session);
        lock(&page.inside).account = Some(account.clone());
        self.state()
            .logins
            .insert(page.folder.clone(), account.clone());
        page.tell(DriverEvent::Link(LinkState::Pairing)).await;
        page.tell(DriverEvent::Link(LinkState::Syncing { percent: Some(50) }))
            .await;
        page.tell(DriverEvent::Link(LinkState::Ready(identity(account))))
            .await;
    }

    /// Shows another QR.
    pub async fn rotate_qr(&self, session: &SessionId) {
        let page = self.page(session);
        let qr = self.next_qr();
        page.tell(DriverEvent::Login(qr)).await;
    }

    /// Tells anything on a session's stream.
    pub async fn tell(&self, session: &SessionId, event: DriverEvent) {
        self.page(session).tell(event).await;
    }

    /// Somebody writes to the session's account.
    pub async fn write(
        &self,
        session: &SessionId,
        from: &PhoneNumber,
        text: &str,
    ) -> IncomingMessage {
        let message = Self::unwritten(from, "chat", Some(text));
        self.book(session, |book| book.put_message(message.clone()));
        let told = DriverEvent::Message(Box::new(message.clone()));
        self.page(session).tell(told).await;
        message
    }

    /// A message that somebody has written and nobody was told of.
    fn unwritten(from: &PhoneNumber, kind: &str, text: Option<&str>) -> IncomingMessage {
        let wire_id = WireId::choose();
        let chat = ChatId::from(from);
        IncomingMessage {
            id: message_id(false, &chat, &wire_id),
            from: chat.clone(),
            from_phone: Some(chat.clone()),
            from_lid: None,
            chat,
            name: Some(format!("Contact {from}")),
            from_me: false,
            kind: kind.to_owned(),
            text: text.map(str::to_owned),
            at: OffsetDateTime::now_utc(),
            details: Details::default(),
        }
    }

    /// A message the session sent comes further.
    pub async fn acknowledge(&self, session: &SessionId, wire_id: &WireId, ack: Ack) {
        let id = self.acknowledge_untold(session, wire_id, ack);
        let told = DriverEvent::Ack(AckChange { id, ack });
        self.page(session).tell(told).await;
    }

    /// A message the session sent comes further, and the page knows without telling; gives its id.
    pub fn acknowledge_untold(&self, session: &SessionId, wire_id: &WireId, ack: Ack) -> MessageId {
        let page = self.page(session);
        let mut inside = lock(&page.inside);
        let Some(message) = inside.memory.sent.get_mut(wire_id) else {
            panic!("{session} has no message {wire_id}");
        };
        message.ack = ack;
        message.id.clone()
    }

    /// The phone removes the device.
    pub async fn remove_device(&self, session: &SessionId) {
        let page = self.page(session);
        self.state().logins.remove(&page.folder);
        lock(&page.inside).account = None;
        page.tell(DriverEvent::LoggedOut(LogoutReason::Remote(None)))
            .await;
    }

    /// What runs the session dies.
    pub async fn crash(&self, session: &SessionId) {
        let page = self.page(session);
        self.end(&page);
        page.tell(DriverEvent::Closed(DriverClosed::Lost(
            "the browser ended".to_owned(),
        )))
        .await;
    }

    /// The page answers nothing any more, until it is reloaded.
    pub fn stall(&self, session: &SessionId) {
        lock(&self.page(session).inside).stalled = true;
    }

    /// The link to WhatsApp is lost, and does not come back before that.
    pub async fn unlink(&self, session: &SessionId, until: Unlinked) {
        let page = self.page(session);
        lock(&page.inside).unlinked = Some(until);
        page.tell(DriverEvent::Link(LinkState::Offline)).await;
    }

    /// A look finds that messages were not told.
    pub fn deafen(&self, session: &SessionId) {
        lock(&self.page(session).inside).deaf = true;
    }

    /// What the session takes of the machine, until it is opened anew.
    pub fn weigh(&self, session: &SessionId, resources: Resources) {
        lock(&self.page(session).inside).resources = Some(resources);
    }

    /// How often the open session was asked to reconnect and to reload.
    pub fn times_mended(&self, session: &SessionId) -> (usize, usize) {
        let page = self.page(session);
        let inside = lock(&page.inside);
        (inside.reconnects, inside.reloads)
    }

    /// The next send is interrupted; `arrives` says whether the page had it already.
    pub fn interrupt_next_send(&self, session: &SessionId, arrives: bool) {
        lock(&self.page(session).inside).interrupt_next_send = Some(arrives);
    }

    /// Waits until `so` holds, looking at each change. For the state of the world, not of a
    /// session: those publish their own.
    pub async fn until(&self, mut so: impl FnMut(&Self) -> bool) {
        loop {
            let changed = self.world.changed.notified();
            if so(self) {
                return;
            }
            changed.await;
        }
    }

    fn page(&self, session: &SessionId) -> Arc<Page> {
        match self.state().open.get(session) {
            Some(page) => Arc::clone(page),
            None => panic!("the script speaks of {session}, which is not open"),
        }
    }

    fn end(&self, page: &Arc<Page>) {
        let messages = {
            let mut inside = lock(&page.inside);
            inside.ended = true;
            inside.memory.clone()
        };
        let mut state = self.state();
        state.kept.insert(page.folder.clone(), messages);
        state.open.remove(&page.session);
        state.folders_open.remove(&page.folder);
        drop(state);
        self.world.changed.notify_waiters();
    }

    fn next_qr(&self) -> LoginPrompt {
        let mut state = self.state();
        state.qr_count += 1;
        LoginPrompt::Qr {
            text: format!("2@scripted-{},noise,identity,secret,1", state.qr_count),
            valid_for: QR_VALID_FOR,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.world.state)
    }
}

impl Page {
    async fn tell(&self, event: DriverEvent) {
        self.remember(&event);
        // A session that is being closed no longer listens.
        let _ = self.events.send(event).await;
    }
}

#[async_trait]
impl Driver for ScriptedDriver {
    fn check(&self, _: &SessionOptions) -> Result<(), DriverError> {
        match self.state().refuse_options {
            Some(error) => Err(error()),
            None => Ok(()),
        }
    }

    async fn sweep(&self, _: &[StoredLogin]) -> usize {
        0
    }

    async fn open(&self, request: OpenRequest) -> Result<Opened, DriverError> {
        self.state().opened += 1;
        self.world.changed.notify_waiters();
        self.until(|driver| !driver.state().hold_opening).await;
        let folder = request.login.folder.clone();
        let (events, stream) = mpsc::channel(256);
        let page = {
            let mut state = self.state();
            if !state.open_failures.is_empty() {
                return Err(state.open_failures.remove(0));
            }
            if !state.folders_open.insert(folder.clone()) {
                return Err(DriverError::ProfileInUse { folder, pid: 1 });
            }
            let page = Arc::new(Page {
                session: request.login.session.clone(),
                events,
                inside: Mutex::new(Inside {
                    account: state.logins.get(&folder).cloned(),
                    memory: state.kept.get(&folder).cloned().unwrap_or_default(),
                    ..Inside::default()
                }),
                folder,
            });
            state
                .open
                .insert(request.login.session.clone(), Arc::clone(&page));
            page
        };
        self.world.changed.notify_waiters();
        page.tell(DriverEvent::Link(LinkState::Connecting)).await;
        self.boot(&page).await;
        Ok(Opened {
            connection: Arc::new(ScriptedConnection {
                driver: self.clone(),
                page,
            }),
            events: stream,
        })
    }

    async fn forget(&self, login: &StoredLogin) -> Result<(), DriverError> {
        let mut state = self.state();
        assert!(
            !state.folders_open.contains(&login.folder),
            "{} was forgotten while it was open",
            login.session
        );
        state.logins.remove(&login.folder);
        Ok(())
    }
}

impl ScriptedDriver {
    /// A page sends by itself what it had not confirmed, as the real one does.
    async fn resend(&self, page: &Arc<Page>) {
        if self.state().hold_acks {
            return;
        }
        let pending: Vec<_> = lock(&page.inside)
            .memory
            .sent
            .values_mut()
            .filter(|message| message.ack == Ack::Pending)
            .map(|message| {
                message.ack = Ack::Server;
                message.id.clone()
            })
            .collect();
        for id in pending {
            let ack = Ack::Server;
            page.tell(DriverEvent::Ack(AckChange { id, ack })).await;
        }
    }

    async fn boot(&self, page: &Arc<Page>) {
        let account = lock(&page.inside).account.clone();
        match account {
            Some(_) if lock(&page.inside).unlinked.is_some() => {}
            Some(account) => {
                let ready = LinkState::Ready(identity(&account));
                page.tell(DriverEvent::Link(ready)).await;
                self.resend(page).await;
            }
            None => {
                page.tell(DriverEvent::Link(LinkState::NeedsLogin)).await;
                let qr = self.next_qr();
                page.tell(DriverEvent::Login(qr)).await;
            }
        }
    }
}

#[derive(Debug)]
struct ScriptedConnection {
    driver: ScriptedDriver,
    page: Arc<Page>,
}

impl ScriptedConnection {
    /// Checks that the page can be asked anything, and hangs like a real one if it is stalled.
    async fn alive(&self, command: &'static str) -> Result<(), DriverError> {
        let (closed, ended, stalled) = {
            let inside = lock(&self.page.inside);
            (inside.closed, inside.ended, inside.stalled)
        };
        if closed {
            return Err(DriverError::Closed);
        }
        if ended {
            return Err(DriverError::Interrupted {
                command,
                by: Interruption::BrowserEnded,
            });
        }
        if stalled {
            let after = Duration::from_secs(10);
            tokio::time::sleep(after).await;
            return Err(DriverError::TimedOut {
                command,
                waited_for: "the page".to_owned(),
                after,
            });
        }
        Ok(())
    }

    fn account(&self, command: &'static str) -> Result<PhoneNumber, DriverError> {
        let account = lock(&self.page.inside).account.clone();
        account.ok_or_else(|| DriverError::WrongMoment {
            command,
            why: "no phone is linked".to_owned(),
        })
    }
}

#[async_trait]
impl Connection for ScriptedConnection {
    async fn request_pairing_code(&self, phone: &PhoneNumber) -> Result<String, DriverError> {
        self.alive("pairing code").await?;
        if self.account("pairing code").is_ok() {
            return Err(DriverError::WrongMoment {
                command: "pairing code",
                why: "a phone is linked already".to_owned(),
            });
        }
        let code = "ABCD1234".to_owned();
        self.page
            .tell(DriverEvent::Login(LoginPrompt::PairingCode {
                code: code.clone(),
                phone: phone.clone(),
                valid_for: Duration::from_secs(180),
            }))
            .await;
        Ok(code)
    }

    async fn show_qr(&self) -> Result<(), DriverError> {
        self.alive("QR").await?;
        let qr = self.driver.next_qr();
        self.page.tell(DriverEvent::Login(qr)).await;
        Ok(())
    }

    async fn find_contact(&self, recipient: &Recipient) -> Result<Option<Contact>, DriverError> {
        self.alive("find contact").await?;
        self.account("find contact")?;
        let chat = match recipient {
            Recipient::Chat(chat) => chat.clone(),
            Recipient::Phone(phone) => ChatId::from(phone),
        };
        let session = &self.page.session;
        let absent = self.driver.book(session, |book| {
            book.asked += 1;
            book.absent.contains(chat.user())
        });
        if absent || chat.user().starts_with("000") {
            return Ok(None);
        }
        Ok(Some(Contact {
            phone: chat.is_phone().then(|| chat.clone()),
            lid: chat.is_lid().then(|| chat.clone()),
            chat,
        }))
    }

    async fn send(&self, message: &OutgoingMessage) -> Result<SentMessage, DriverError> {
        self.alive("send").await?;
        self.account("send")?;
        if self.driver.state().lacking == Some(message.content.kind()) {
            return Err(DriverError::Unsupported {
                feature: message.content.what(),
                part: "ScriptedModule".to_owned(),
            });
        }
        let interrupt = lock(&self.page.inside).interrupt_next_send.take();
        let interrupted = || DriverError::Interrupted {
            command: "send",
            by: Interruption::Reloaded,
        };
        if interrupt == Some(false) {
            return Err(interrupted());
        }
        let wire_id = &message.wire_id;
        let id = message_id(true, &message.chat, wire_id);
        let held = self.driver.state().hold_acks;
        let known = lock(&self.page.inside).memory.sent.get(wire_id).cloned();
        if let Some(known) = known.filter(|known| known.ack != Ack::Failed) {
            return Ok(known);
        }
        let sent = SentMessage {
            id: id.clone(),
            ack: Ack::Pending,
        };
        lock(&self.page.inside)
            .memory
            .sent
            .insert(wire_id.clone(), sent.clone());
        *self
            .driver
            .state()
            .handed_over
            .entry(wire_id.clone())
            .or_default() += 1;
        let refusing = self.driver.state().refusing.clone();
        if let Some((status, words)) = refusing {
            {
                let sent = &mut lock(&self.page.inside).memory.sent;
                if let Some(message) = sent.get_mut(wire_id) {
                    message.ack = Ack::Failed;
                }
            }
            self.driver.world.changed.notify_waiters();
            let refusal = SendRefusal {
                id: id.clone(),
                status,
                words,
            };
            self.page.tell(DriverEvent::SendRefused(refusal)).await;
            let ack = Ack::Failed;
            self.page
                .tell(DriverEvent::Ack(AckChange { id, ack }))
                .await;
            return Ok(sent);
        }
        self.driver.book(&self.page.session, |book| {
            book.put_message(people::own_message(&sent.id, message));
        });
        {
            let mut state = self.driver.state();
            let new = !state.sent.iter().any(|sent| sent.wire_id == *wire_id);
            if new {
                state.sent.push(message.clone());
            }
            if let Some(phone) = message.chat.phone()
                && new
            {
                let words = message.content.words().unwrap_or_default();
                state.delivered.push((phone, wire_id.clone(), words));
            }
        }
        self.driver.world.changed.notify_waiters();
        if interrupt == Some(true) {
            return Err(interrupted());
        }
        if !held {
            let session = self.page.session.clone();
            self.driver
                .acknowledge(&session, wire_id, Ack::Server)
                .await;
        }
        Ok(sent)
    }

    async fn find_message(&self, id: &MessageId) -> Result<Option<SentMessage>, DriverError> {
        self.alive("find message").await?;
        let inside = lock(&self.page.inside);
        Ok(inside.memory.sent.get(&id.wire_id()).cloned())
    }

    async fn download(&self, id: &MessageId, to: &Path) -> Result<Downloaded, DriverError> {
        self.alive("download").await?;
        self.account("download")?;
        self.driver.download(id, to).await
    }

    async fn request_media(&self, id: &MessageId) -> Result<(), DriverError> {
        self.alive("request media").await?;
        self.account("request media")?;
        self.driver.request_media(id)
    }

    async fn edit(&self, message: &MessageId, text: &str) -> Result<(), DriverError> {
        self.edit_message(message, text).await
    }

    async fn revoke(&self, message: &MessageId, whose: RevokedFor) -> Result<(), DriverError> {
        self.revoke_message(message, whose).await
    }

    async fn react(&self, message: &MessageId, emoji: Option<&str>) -> Result<(), DriverError> {
        self.react_to_message(message, emoji).await
    }

    async fn star(&self, message: &MessageId, on: bool) -> Result<(), DriverError> {
        self.to_message("star", message).await?;
        self.did(Act::Starred(message.clone(), on));
        Ok(())
    }

    async fn pin(&self, message: &MessageId, time: Option<PinTime>) -> Result<(), DriverError> {
        self.to_message("pin", message).await?;
        self.did(Act::Pinned(message.clone(), time));
        Ok(())
    }

    async fn vote(&self, poll: &MessageId, options: &[String]) -> Result<(), DriverError> {
        self.vote_in_poll(poll, options).await
    }

    async fn answer_event(
        &self,
        event: &MessageId,
        answer: EventAnswer,
    ) -> Result<(), DriverError> {
        self.to_message("answer event", event).await?;
        self.did(Act::AnsweredEvent(event.clone(), answer));
        Ok(())
    }

    async fn mark_seen(&self, chat: &ChatId) -> Result<(), DriverError> {
        self.may_act("mark seen").await?;
        self.did(Act::Seen(chat.clone()));
        Ok(())
    }

    async fn show_activity(&self, chat: &ChatId, activity: Activity) -> Result<(), DriverError> {
        self.may_act("typing").await?;
        if self.driver.state().typing_fails {
            return Err(DriverError::Unsupported {
                feature: "typing",
                part: "the script".to_owned(),
            });
        }
        self.did(Act::Showed(chat.clone(), activity));
        Ok(())
    }

    async fn set_available(&self, on: bool) -> Result<(), DriverError> {
        self.may_act("presence").await?;
        self.did(Act::Available(on));
        Ok(())
    }

    async fn chats(&self, query: &ChatQuery) -> Result<ChatPage, DriverError> {
        self.list_chats(query).await
    }

    async fn chat(&self, id: &ChatId) -> Result<Option<Chat>, DriverError> {
        let command = "look a chat up";
        self.with_book(command, |book| book.chats.get(id).cloned())
            .await
    }

    async fn chat_messages(&self, query: &HistoryQuery) -> Result<HistoryPage, DriverError> {
        self.history(query).await
    }

    async fn search_messages(
        &self,
        words: &str,
        chat: Option<&ChatId>,
        limit: usize,
    ) -> Result<Vec<IncomingMessage>, DriverError> {
        self.find_messages(words, chat, limit).await
    }

    async fn change_chat(&self, id: &ChatId, change: ChatChange) -> Result<bool, DriverError> {
        let changed = self.do_with_chat(id, change).await?;
        if changed && change == ChatChange::MarkUnread {
            self.did(Act::Unread(id.clone()));
        }
        Ok(changed)
    }

    async fn contacts(&self, query: &ContactQuery) -> Result<ContactPage, DriverError> {
        self.list_contacts(query).await
    }

    async fn contact(&self, id: &ChatId) -> Result<Option<ContactDetails>, DriverError> {
        self.one_contact(id).await
    }

    async fn about(&self, id: &ChatId) -> Result<Option<String>, DriverError> {
        let command = "read an about text";
        self.with_book(command, |book| book.abouts.get(id).cloned())
            .await
    }

    async fn picture(&self, id: &ChatId) -> Result<Option<String>, DriverError> {
        let command = "look a picture up";
        self.with_book(command, |book| book.pictures.get(id).cloned())
            .await
    }

    async fn business_profile(&self, id: &ChatId) -> Result<Option<BusinessProfile>, DriverError> {
        let command = "read a business profile";
        self.with_book(command, |book| book.businesses.get(id).cloned())
            .await
    }

    async fn blocked(&self) -> Result<Vec<Person>, DriverError> {
        self.list_blocked().await
    }

    async fn set_blocked(&self, id: &ChatId, blocked: bool) -> Result<(), DriverError> {
        self.block(id, blocked).await
    }

    async fn own_profile(&self) -> Result<OwnProfile, DriverError> {
        self.profile().await
    }

    async fn change_profile(&self, change: &ProfileChange) -> Result<(), DriverError> {
        self.write_profile(change).await
    }

    async fn reject_call(&self, id: &str, from: Option<&ChatId>) -> Result<bool, DriverError> {
        self.turn_away(id, from).await
    }

    async fn evidence(&self) -> Result<Evidence, DriverError> {
        self.alive("evidence").await?;
        let (account, unlinked) = {
            let inside = lock(&self.page.inside);
            (inside.account.clone(), inside.unlinked.is_some())
        };
        let link = match account {
            None => LinkState::NeedsLogin,
            Some(_) if unlinked => LinkState::Offline,
            Some(account) => LinkState::Ready(identity(&account)),
        };
        Ok(Evidence {
            facts: vec![("scripted".to_owned(), "true".to_owned())],
            version: Some("2.3000.0".to_owned()),
            deaf: std::mem::take(&mut lock(&self.page.inside).deaf),
            link,
        })
    }

    async fn self_test(&self) -> Result<SelfTest, DriverError> {
        self.alive("self-test").await?;
        Ok(SelfTest {
            version: Some("2.3000.0".to_owned()),
            ok: true,
            probes: vec![Probe {
                feature: "send".to_owned(),
                part: "script".to_owned(),
                found: true,
                needed: true,
                detail: None,
            }],
        })
    }

    async fn screenshot(&self) -> Result<Vec<u8>, DriverError> {
        self.alive("screenshot").await?;
        Err(DriverError::Unsupported {
            feature: "screenshot",
            part: "a screen".to_owned(),
        })
    }

    fn last_words(&self) -> Vec<String> {
        vec![format!("scripted session {}", self.page.session)]
    }

    async fn resources(&self) -> Result<Resources, DriverError> {
        self.alive("resources").await?;
        let taken = lock(&self.page.inside).resources;
        taken.ok_or_else(|| DriverError::Unsupported {
            feature: "resources",
            part: "a process".to_owned(),
        })
    }

    async fn reconnect(&self) -> Result<(), DriverError> {
        self.alive("reconnect").await?;
        let account = self.account("reconnect")?;
        let unlinked = {
            let mut inside = lock(&self.page.inside);
            inside.reconnects += 1;
            inside.unlinked
        };
        self.driver.world.changed.notify_waiters();
        match unlinked {
            Some(Unlinked::UntilReconnect) => {
                lock(&self.page.inside).unlinked = None;
                let ready = LinkState::Ready(identity(&account));
                self.page.tell(DriverEvent::Link(ready)).await;
            }
            Some(Unlinked::UntilReload | Unlinked::UntilRelaunch) => {}
            // A link that was well goes down for a moment and comes back.
            None => {
                self.page.tell(DriverEvent::Link(LinkState::Offline)).await;
                let ready = LinkState::Ready(identity(&account));
                self.page.tell(DriverEvent::Link(ready)).await;
            }
        }
        Ok(())
    }

    async fn reload(&self) -> Result<(), DriverError> {
        {
            let mut inside = lock(&self.page.inside);
            if inside.closed || inside.ended {
                return Err(DriverError::Closed);
            }
            inside.stalled = false;
            inside.reloads += 1;
            if inside.unlinked != Some(Unlinked::UntilRelaunch) {
                inside.unlinked = None;
            }
        }
        self.driver.state().reloaded += 1;
        self.page.tell(DriverEvent::Reloaded).await;
        self.page
            .tell(DriverEvent::Link(LinkState::Connecting))
            .await;
        self.driver.boot(&self.page).await;
        Ok(())
    }

    async fn log_out(&self) -> Result<(), DriverError> {
        self.alive("log out").await?;
        self.account("log out")?;
        self.driver.state().logins.remove(&self.page.folder);
        lock(&self.page.inside).account = None;
        self.page
            .tell(DriverEvent::LoggedOut(LogoutReason::Asked))
            .await;
        Ok(())
    }

    async fn close(&self) -> Result<(), DriverError> {
        let first = !std::mem::replace(&mut lock(&self.page.inside).closed, true);
        if first {
            let ended = lock(&self.page.inside).ended;
            self.driver.end(&self.page);
            if !ended {
                self.page
                    .tell(DriverEvent::Closed(DriverClosed::Asked))
                    .await;
            }
        }
        Ok(())
    }
}

fn identity(account: &PhoneNumber) -> Identity {
    Identity {
        phone: Some(ChatId::from(account)),
        lid: None,
        name: Some(format!("Account {account}")),
    }
}

fn message_id(own: bool, chat: &ChatId, wire_id: &WireId) -> MessageId {
    match MessageId::new(&format!("{own}_{chat}_{wire_id}")) {
        Ok(id) => id,
        Err(error) => panic!("a key of checked parts: {error}"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
