//! The registry: which sessions there are, from their creation to their removal, across restarts.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};
use ulid::Ulid;

use crate::backup::{self, BackupError, BackupReport, Profiles};
use crate::driver::{Driver, StoredLogin};
use crate::error::Error;
use crate::event::{EventLog, Signal, SignalKind};
use crate::id::{MessageId, SessionId};
use crate::options::{ManagerOptions, SessionOptions};
use crate::optout::OptOuts;
use crate::outbox::worker::{self, Worker};
use crate::outbox::{FailureCode, Load, Message};
use crate::owner::{DataFolder, private_folder};
use crate::pool::Turns;
use crate::session::actor::{Actor, Command, Context, Parts};
use crate::session::failure::Records;
use crate::session::handle::Shared;
use crate::session::{SessionHandle, SessionInfo, SessionState};
use crate::store::{self, SessionRow, Spare, Store, StoreError, StoreHealth};
use crate::webhook::Webhooks;

/// How many signals a reader may fall behind before it loses the oldest.
const SIGNALS_KEPT: usize = 4096;

/// How often it is looked whether events are too old or too many.
const PRUNED_EVERY: Duration = Duration::from_secs(300);

/// How many requests may wait for one session's task.
const COMMANDS_WAITING: usize = 256;

/// Holds many sessions. Cheap to clone; all clones are the same manager.
///
/// Dropping the last clone closes the sessions in the background; [`shutdown`](Self::shutdown)
/// waits for it.
#[derive(Clone)]
pub struct SessionManager {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    folder: DataFolder,
    options: ManagerOptions,
    context: Arc<Context>,
    log: EventLog,
    webhooks: Webhooks,
    sessions: Mutex<BTreeMap<SessionId, SessionHandle>>,
    /// Held while it is decided whether a session is made or removed. `None` when the manager is
    /// shutting down.
    registry: tokio::sync::Mutex<Option<()>>,
    /// Told whenever a session is gone.
    removed: Notify,
    /// Held while a backup is made.
    backup: tokio::sync::Mutex<()>,
    turns: Turns,
    /// Told whenever a bulk job is held, released or cancelled.
    pub(crate) bulk_changed: Notify,
    /// Held while a bulk job is held or released, so that the store and the queue hear of it in the
    /// same order.
    pub(crate) bulk_turn: tokio::sync::Mutex<()>,
}

/// What [`SessionManager::create`] did.
#[derive(Clone, Debug)]
pub struct Created {
    /// The session.
    pub session: SessionHandle,
    /// Whether it is new. If not, it existed with the same options, or none were given.
    pub is_new: bool,
}

impl fmt::Debug for SessionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionManager")
            .field("data_dir", &self.inner.options.data_dir)
            .field("sessions", &self.sessions().len())
            .finish_non_exhaustive()
    }
}

impl SessionManager {
    /// Claims the data folder, opens the store, ends what an earlier run left running, and loads
    /// the sessions. None is started: see [`restore`](Self::restore) and
    /// [`SessionHandle::start`].
    ///
    /// # Errors
    /// [`Error::Owned`] when another process has the data folder, [`Error::Folder`] or
    /// [`Error::Store`] when it cannot be used.
    pub async fn open(driver: Arc<dyn Driver>, options: ManagerOptions) -> Result<Self, Error> {
        let folder = DataFolder::claim(&options.data_dir)?;
        let failed = |source| Error::Folder {
            path: options.auth_dir.clone(),
            source,
        };
        private_folder(&options.auth_dir).map_err(failed)?;
        let auth_dir = options.auth_dir.canonicalize().map_err(failed)?;
        let options = ManagerOptions {
            auth_dir,
            ..options
        };
        crate::backup::sweep(folder.path());
        let store = Store::open(folder.path()).await?;
        let rows = store.sessions().await?;
        let logins: Vec<StoredLogin> = rows.iter().map(login_of).collect();
        let swept = driver.sweep(&logins).await;
        if swept > 0 {
            tracing::warn!(swept, "ended browsers that an earlier run left behind");
        }

        let (removals, to_remove) = mpsc::unbounded_channel();
        let (bus, _) = broadcast::channel(SIGNALS_KEPT);
        let (news, taken_back) = mpsc::unbounded_channel();
        let opt_outs = OptOuts::new(store.clone(), options.stop_words.clone(), news);
        let log = EventLog::new(store.clone());
        let webhooks = Webhooks::open(store.clone(), log.clone(), options.webhooks.clone()).await?;
        let context = Arc::new(Context {
            driver,
            store,
            launches: Arc::new(Semaphore::new(options.launches_at_once.max(1))),
            deadlines: options.deadlines,
            cleanup_after_logout: options.cleanup_after_logout,
            care: options.care,
            records: Records::in_folder(folder.path()),
            pace: options.pace,
            bus,
            removals,
            opt_outs,
        });
        let manager = Self {
            inner: Arc::new(Inner {
                folder,
                options,
                context,
                log,
                webhooks,
                sessions: Mutex::default(),
                registry: tokio::sync::Mutex::new(Some(())),
                removed: Notify::new(),
                backup: tokio::sync::Mutex::default(),
                turns: Turns::default(),
                bulk_changed: Notify::new(),
                bulk_turn: tokio::sync::Mutex::default(),
            }),
        };
        for row in rows {
            manager.spawn(row);
        }
        tokio::spawn(forget_what_is_old(Arc::downgrade(&manager.inner)));
        tokio::spawn(forget_old_events(Arc::downgrade(&manager.inner)));
        tokio::spawn(remove_on_request(Arc::downgrade(&manager.inner), to_remove));
        tokio::spawn(tell_taken_back(Arc::downgrade(&manager.inner), taken_back));
        Ok(manager)
    }

    /// Starts every session that was meant to run when the program last ended. They start their
    /// browsers a few at a time; this does not wait for them.
    pub async fn restore(&self) {
        let rows = match self.inner.context.store.sessions().await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "the sessions could not be read");
                return;
            }
        };
        for row in rows.into_iter().filter(|row| row.wanted) {
            if let Ok(session) = self.get(&row.id) {
                // Removed a moment ago: then it is not to be started.
                let _ = session.start().await;
            }
        }
    }

    /// Makes a session and starts it; answers before it is up.
    ///
    /// One that exists with the same options, or with any if `options` is empty, is given back,
    /// and started if it rests. A pace that is not named does not differ: it can be changed while
    /// the session runs ([`SessionHandle::set_pace`]).
    ///
    /// # Errors
    /// [`Error::SessionExists`] with other options, [`Error::SessionLimitReached`], the driver's
    /// [`check`](Driver::check), or [`Error::Store`].
    pub async fn create(&self, id: SessionId, options: SessionOptions) -> Result<Created, Error> {
        let registry = self.registry_without(&id).await;
        registry.ok_or(Error::ShuttingDown)?;
        if let Ok(session) = self.get(&id) {
            let has = session.info().options;
            if !options.fits(&has) {
                return Err(Error::SessionExists { id });
            }
            session.start().await?;
            return Ok(Created {
                session,
                is_new: false,
            });
        }
        if let Some(limit) = self.inner.options.max_sessions
            && self.sessions().len() >= limit
        {
            return Err(Error::SessionLimitReached { limit });
        }
        self.inner.context.driver.check(&options)?;
        let row = SessionRow {
            profile: self.inner.options.auth_dir.join(id.profile_folder()),
            id,
            created_at: store::now(),
            options,
            linked: false,
            wanted: true,
        };
        self.inner.context.store.insert_session(row.clone()).await?;
        let session = self.spawn(row);
        session.start().await?;
        Ok(Created {
            session,
            is_new: true,
        })
    }

    /// Finds a session.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`].
    pub fn get(&self, id: &SessionId) -> Result<SessionHandle, Error> {
        self.sessions()
            .get(id)
            .cloned()
            .ok_or_else(|| Error::SessionNotFound { id: id.clone() })
    }

    /// All sessions, oldest first.
    pub fn list(&self) -> Vec<SessionHandle> {
        let mut all: Vec<_> = self.sessions().values().cloned().collect();
        all.sort_by_key(|session| session.shared.info.borrow().created_at);
        all
    }

    /// Removes a session for good: logs out if it is linked and running, closes its browser,
    /// deletes its profile, forgets it. With `keep_login` the device stays linked and the profile
    /// on disk. Returns when all that is done.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], or [`Error::Store`].
    pub async fn delete(&self, id: &SessionId, keep_login: bool) -> Result<(), Error> {
        self.delete_because(id, keep_login, FailureCode::SessionRemoved)
            .await
    }

    /// `why` is the reason of what is unsent, unless that has failed already.
    async fn delete_because(
        &self,
        id: &SessionId,
        keep_login: bool,
        why: FailureCode,
    ) -> Result<(), Error> {
        let session = {
            let registry = self.registry_without(id).await;
            registry.ok_or(Error::ShuttingDown)?;
            let session = self.get(id)?;
            session.shared.ending.store(true, Ordering::Relaxed);
            session
        };
        // Carried on even if the caller goes away: half a removal helps nobody.
        let (manager, id) = (self.clone(), id.clone());
        let removal =
            tokio::spawn(async move { manager.remove(&session, &id, keep_login, why).await });
        removal.await.unwrap_or(Err(Error::ShuttingDown))
    }

    async fn remove(
        &self,
        session: &SessionHandle,
        id: &SessionId,
        keep_login: bool,
        code: FailureCode,
    ) -> Result<(), Error> {
        // Not under the hands of whoever works with its files.
        let _nobody_else = session.shared.closed.lock().await;
        let ended = session.ask(|done| Command::End { keep_login, done }).await;
        let (done, quiet) = oneshot::channel();
        let end = worker::Input::End { code, done };
        if session.shared.outbox.send(end).is_ok() {
            // What was open is failed and stored before the session is gone.
            let _ = quiet.await;
        }
        let forgotten = self.inner.context.store.delete_session(id.clone()).await;
        let (records, gone) = (self.inner.context.records.clone(), id.clone());
        let cleared = tokio::task::spawn_blocking(move || records.forget(&gone)).await;
        if let Ok(Err(error)) = cleared {
            tracing::warn!(session = %id, %error, "the record of its last failure is still there");
        }
        self.sessions().remove(id);
        self.inner.removed.notify_waiters();
        ended?;
        Ok(forgotten?)
    }

    /// Takes the registry once no removal of `id` is under way.
    async fn registry_without(&self, id: &SessionId) -> tokio::sync::MutexGuard<'_, Option<()>> {
        loop {
            let registry = self.inner.registry.lock().await;
            let ending = |s: &SessionHandle| s.shared.ending.load(Ordering::Relaxed);
            if !self.sessions().get(id).is_some_and(ending) {
                return registry;
            }
            let removed = self.inner.removed.notified();
            drop(registry);
            removed.await;
        }
    }

    /// A message of any session by our own id, also of one that was removed.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`], or [`Error::Store`].
    pub async fn message(&self, id: Ulid) -> Result<Message, Error> {
        let found = self.inner.context.store.message(id).await?;
        found.ok_or(Error::MessageNotFound)
    }

    /// A message of any session by WhatsApp's whole key.
    ///
    /// # Errors
    /// [`Error::MessageNotFound`], or [`Error::Store`].
    pub async fn message_by_key(&self, id: MessageId) -> Result<Message, Error> {
        let found = self.inner.context.store.message_by_key(id).await?;
        found.ok_or(Error::MessageNotFound)
    }

    /// Writes a [backup](crate::backup) to `out` while everything runs, and gives that back. A
    /// session whose profile goes into it is closed for that moment, hibernating with the reason
    /// `backup`; sends to it are accepted and wait. One backup at a time.
    ///
    /// # Errors
    /// [`Error::Backup`], [`Error::Store`], [`Error::SessionNotFound`]; what was written to `out`
    /// is of no use then.
    pub async fn backup<W: Write + Send + 'static>(
        &self,
        profiles: &Profiles,
        out: W,
    ) -> Result<(W, BackupReport), Error> {
        let turn = self.inner.backup.try_lock();
        let _turn = turn.map_err(|_| BackupError::Running)?;
        backup::make(self, &self.inner.context.store, profiles, out).await
    }

    /// Deletes messages that were written before `before`, in both directions, and the bulk jobs of
    /// which nothing is left, and gives their space back to the disk; says how many messages and how
    /// many bytes. What is still to be sent stays, and so does what an idempotency key stands for.
    /// Nobody is held up by it.
    ///
    /// # Errors
    /// [`Error::Store`]; what was deleted until then stays deleted.
    pub async fn delete_messages(&self, before: OffsetDateTime) -> Result<(usize, u64), Error> {
        let store = &self.inner.context.store;
        let deleted = store.delete_messages(before).await?;
        let keys_from = OffsetDateTime::now_utc() - self.inner.options.idempotency_keys_kept;
        store.delete_jobs(before.min(keys_from)).await?;
        Ok((deleted, store.shrink(Spare::None).await?))
    }

    /// How the store is.
    pub fn store_health(&self) -> StoreHealth {
        self.inner.context.store.health()
    }

    /// Returns when the store has answered.
    ///
    /// # Errors
    /// [`Error::Store`] when it has not `within` this time.
    pub async fn ping_store(&self, within: Duration) -> Result<(), Error> {
        Ok(self.inner.context.store.ping(within).await?)
    }

    /// Who does not want to be written to in bulk.
    pub fn opt_outs(&self) -> &OptOuts {
        &self.inner.context.opt_outs
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.context.store
    }

    pub(crate) fn turns(&self) -> &Turns {
        &self.inner.turns
    }

    /// What happened on all sessions, kept across restarts: read it from any place on.
    ///
    /// ```no_run
    /// # async fn program(manager: zapnode_core::SessionManager) {
    /// use futures_util::StreamExt;
    /// let log = manager.events();
    /// let mut events = log.from(log.latest());
    /// while let Some(Ok(event)) = events.next().await {
    ///     println!("{} {} {}", event.sequence, event.session, event.name());
    /// }
    /// # }
    /// ```
    pub fn events(&self) -> EventLog {
        self.inner.log.clone()
    }

    /// How things stand on all sessions, as they change from now on: what is not kept, as a new
    /// QR. A reader that falls 4096 signals behind loses the oldest and is told how many.
    pub fn signals(&self) -> broadcast::Receiver<Signal> {
        self.inner.context.bus.subscribe()
    }

    /// The webhooks: who is told what happens, by HTTP.
    pub fn webhooks(&self) -> &Webhooks {
        &self.inner.webhooks
    }

    /// The data folder that this manager owns.
    pub fn folder(&self) -> &DataFolder {
        &self.inner.folder
    }

    /// The options it works by.
    pub fn options(&self) -> &ManagerOptions {
        &self.inner.options
    }

    /// Closes every session so that its login is kept and that it is started again by the next
    /// [`restore`](Self::restore). Nothing can be created afterwards. Bounded by the close
    /// deadline of the sessions.
    pub async fn shutdown(&self) {
        self.inner.registry.lock().await.take();
        let sessions: Vec<_> = self.sessions().values().cloned().collect();
        let closing: Vec<_> = sessions
            .iter()
            .map(|session| session.ask(Command::Shutdown))
            .collect();
        // One that ended before it was asked is closed as well.
        futures_util::future::join_all(closing).await;
        // The store works in order: once it is through with this, the last states are told.
        if let Err(error) = self.inner.context.store.run(|_| Ok(())).await {
            tracing::error!(%error, "the last states may not be told");
        }
        self.inner.log.close();
        self.inner.webhooks.shutdown().await;
        self.inner.context.store.tidy().await;
    }

    fn spawn(&self, row: SessionRow) -> SessionHandle {
        let (commands, queue) = mpsc::channel(COMMANDS_WAITING);
        let (outbox, inbox) = mpsc::unbounded_channel();
        let (progress, _) = broadcast::channel(SIGNALS_KEPT);
        let (load, follow_load) = watch::channel(Load::default());
        let login = login_of(&row);
        let (info, follow) = watch::channel(SessionInfo {
            id: row.id.clone(),
            generation: 0,
            state: SessionState::Stopped,
            since: OffsetDateTime::now_utc(),
            reason: None,
            step: None,
            me: None,
            linked: row.linked,
            created_at: row.created_at,
            ready_at: None,
            pace: row.options.pace.unwrap_or(self.inner.options.pace),
            options: row.options,
            resources: None,
        });
        let actor = Actor::new(Parts {
            id: row.id.clone(),
            login,
            context: Arc::clone(&self.inner.context),
            linked: row.linked,
            wanted: row.wanted,
            info,
            outbox: outbox.clone(),
            load: follow_load,
            commands: queue,
        });
        tokio::spawn(actor.run());
        let handle = SessionHandle {
            shared: Arc::new(Shared {
                id: row.id.clone(),
                info: follow.clone(),
                commands,
                store: self.inner.context.store.clone(),
                records: self.inner.context.records.clone(),
                outbox,
                progress: progress.clone(),
                contacts: Mutex::default(),
                closed: tokio::sync::Mutex::default(),
                ending: AtomicBool::new(false),
            }),
        };
        let worker = Worker::new(worker::Parts {
            shared: Arc::downgrade(&handle.shared),
            info: follow,
            store: self.inner.context.store.clone(),
            bus: self.inner.context.bus.clone(),
            opt_outs: self.inner.context.opt_outs.clone(),
            progress,
            ignore: self.inner.options.ignore.clone(),
            inbox,
            load,
        });
        tokio::spawn(worker.run());
        self.sessions().insert(row.id, handle.clone());
        handle
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<SessionId, SessionHandle>> {
        // Held for a look or one insertion; a panic elsewhere leaves the map whole.
        self.inner
            .sessions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets idempotency keys and messages that are too old, until the manager is gone.
async fn forget_what_is_old(manager: Weak<Inner>) {
    let mut hourly = tokio::time::interval(Duration::from_secs(3600));
    loop {
        hourly.tick().await;
        // The manager itself is not held meanwhile: whoever drops it may open its folder anew at once.
        let Some((store, options)) = manager
            .upgrade()
            .map(|inner| (inner.context.store.clone(), inner.options.clone()))
        else {
            return;
        };
        let keys_from = OffsetDateTime::now_utc() - options.idempotency_keys_kept;
        if let Err(error) = store.forget_keys(keys_from).await {
            tracing::error!(%error, "old idempotency keys could not be forgotten");
        }
        let Some(kept) = options.messages_kept else {
            continue;
        };
        let before = OffsetDateTime::now_utc() - kept;
        let forgotten = async {
            let deleted = store.delete_messages(before).await?;
            // What a job's key stands for is not done once more.
            store.delete_jobs(before.min(keys_from)).await?;
            Ok::<_, StoreError>((deleted, store.shrink(Spare::Some).await?))
        };
        match forgotten.await {
            Ok((0, 0)) => {}
            Ok((deleted, bytes)) => tracing::info!(deleted, bytes, "old messages were deleted"),
            Err(error) => tracing::error!(%error, "old messages could not be deleted"),
        }
    }
}

/// Forgets the events that are kept no longer, in steps between which others write, until the
/// manager is gone.
async fn forget_old_events(manager: Weak<Inner>) {
    let mut often = tokio::time::interval(PRUNED_EVERY);
    loop {
        often.tick().await;
        loop {
            let Some(inner) = manager.upgrade() else {
                return;
            };
            let kept = inner.options.events_kept;
            let store = inner.context.store.clone();
            // While the store works, the data folder can be let go.
            drop(inner);
            let before = OffsetDateTime::now_utc() - kept.age;
            match store.prune_events(before, kept.count).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "old events could not be forgotten");
                    break;
                }
            }
        }
    }
}

/// Removes the sessions that ask for it, after a logout, until the manager is gone.
async fn remove_on_request(manager: Weak<Inner>, mut requests: mpsc::UnboundedReceiver<SessionId>) {
    while let Some(id) = requests.recv().await {
        let Some(inner) = manager.upgrade() else {
            return;
        };
        tracing::info!(session = %id, "removed after it was logged out");
        let manager = SessionManager { inner };
        let removed = manager.delete_because(&id, false, FailureCode::LoggedOut);
        match removed.await {
            // Somebody was quicker, or everything is ending.
            Ok(()) | Err(Error::SessionNotFound { .. } | Error::ShuttingDown) => {}
            Err(error) => tracing::error!(session = %id, %error, "could not be removed"),
        }
    }
}

/// Tells what the store has taken back from bulk jobs because somebody opted out, until the manager
/// is gone.
async fn tell_taken_back(manager: Weak<Inner>, mut news: mpsc::UnboundedReceiver<Vec<Message>>) {
    while let Some(messages) = news.recv().await {
        let Some(inner) = manager.upgrade() else {
            return;
        };
        let manager = SessionManager { inner };
        for message in messages {
            if let Ok(session) = manager.get(&message.session) {
                let wire_id = message.wire_id.clone();
                // It is stored: the queue only needs to forget it. One that is being removed has
                // none.
                let _ = session
                    .cancel_many(vec![wire_id], message.failure.clone())
                    .await;
            }
            // Nobody may be listening.
            let _ = manager.inner.context.bus.send(Signal {
                session: message.session.clone(),
                kind: SignalKind::Outbox(Box::new(message)),
            });
        }
        manager.inner.bulk_changed.notify_waiters();
    }
}

fn login_of(row: &SessionRow) -> StoredLogin {
    StoredLogin {
        session: row.id.clone(),
        folder: row.profile.clone(),
    }
}
