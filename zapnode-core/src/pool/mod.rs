//! Several sessions as one sender.
//!
//! A message is given to a group of sessions, named one by one or as a stored [`Pool`], and one of
//! them sends it: which one is [decided](choose) by a [`Strategy`] from what the sessions are doing
//! now. Those that would refuse it are skipped.

mod choose;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::error::{Error, Standing};
use crate::id::{InvalidSessionId, MessageId, SessionId};
use crate::manager::SessionManager;
use crate::outbox::{MessageState, NewMessage, Submitted};
use crate::person::Person;
use crate::session::SessionHandle;
use crate::session::handle::{Asked, asked};
use crate::store::Key;

pub use choose::{Candidate, Fitness, Strategy, choose};

/// The most sessions that can be one sender.
pub const MAX_SESSIONS: usize = 100;

/// Names a pool: 1 to 64 of `A-Z a-z 0-9 _ -`, as a session's id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolName(SessionId);

impl PoolName {
    /// Checks `text` and makes it a name.
    ///
    /// # Errors
    /// As [`SessionId::new`].
    pub fn new(text: &str) -> Result<Self, InvalidSessionId> {
        SessionId::new(text).map(Self)
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Sessions that are one sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// Its sessions. One that is removed stays named and is skipped.
    pub sessions: Vec<SessionId>,
    /// How one is chosen where the caller does not say.
    pub strategy: Strategy,
    /// When it was made, to the millisecond.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

/// Who may send a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Senders {
    /// One of these: 1 to 100.
    Sessions(Vec<SessionId>),
    /// One of this pool's.
    Pool(PoolName),
}

/// How often one was chosen of the same sessions, since the program started.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<Vec<SessionId>, u64>>);

/// How many groups of sessions are remembered; a turn more or less is no harm.
const GROUPS_REMEMBERED: usize = 1000;

impl Turns {
    fn next(&self, sessions: &[SessionId]) -> u64 {
        // Counts stay counts whoever panicked beside them.
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= GROUPS_REMEMBERED && !turns.contains_key(sessions) {
            turns.clear();
        }
        let turn = turns.entry(sessions.to_vec()).or_default();
        *turn += 1;
        *turn - 1
    }
}

/// The pools of a manager, from [`SessionManager::pools`].
#[derive(Clone, Debug)]
pub struct Pools {
    manager: SessionManager,
}

impl Pools {
    /// All pools, by name.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(&self) -> Result<Vec<Pool>, Error> {
        Ok(self.manager.store().pools().await?)
    }

    /// A pool.
    ///
    /// # Errors
    /// [`Error::PoolNotFound`], or [`Error::Store`].
    pub async fn get(&self, name: &PoolName) -> Result<Pool, Error> {
        let found = self.manager.store().pool(name.clone()).await?;
        found.ok_or_else(|| Error::PoolNotFound { name: name.clone() })
    }

    /// Makes a pool, or changes the one of this name. Says whether it is new.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] for the first session that there is not, [`Error::InvalidMessage`]
    /// for none or more than 100, or [`Error::Store`].
    pub async fn put(
        &self,
        name: PoolName,
        sessions: Vec<SessionId>,
        strategy: Strategy,
    ) -> Result<(Pool, bool), Error> {
        let sessions = self.manager.checked(sessions)?;
        let store = self.manager.store();
        Ok(store.put_pool(name, sessions, strategy).await?)
    }

    /// Forgets a pool. Its sessions stay.
    ///
    /// # Errors
    /// [`Error::PoolNotFound`], or [`Error::Store`].
    pub async fn delete(&self, name: &PoolName) -> Result<(), Error> {
        match self.manager.store().delete_pool(name.clone()).await? {
            true => Ok(()),
            false => Err(Error::PoolNotFound { name: name.clone() }),
        }
    }
}

impl SessionManager {
    /// The named groups of sessions that send as one.
    pub fn pools(&self) -> Pools {
        Pools {
            manager: self.clone(),
        }
    }

    /// Accepts a message that one of several sessions shall send; [`Submitted::message`] says which
    /// one does. `strategy` goes before the pool's own.
    ///
    /// A repeated idempotency key gives the first message, whichever session would be chosen now.
    ///
    /// # Errors
    /// [`Error::NoneReady`] when none would take it, [`Error::PoolNotFound`],
    /// [`Error::SessionNotFound`] for a session that was named and is none; else as
    /// [`SessionHandle::submit`].
    pub async fn submit_from(
        &self,
        senders: &Senders,
        strategy: Option<Strategy>,
        new: NewMessage,
    ) -> Result<Submitted, Error> {
        self.submit_from_and_wait(senders, strategy, new, MessageState::Queued, Duration::ZERO)
            .await
    }

    /// Submits a message as [`submit_from`](Self::submit_from) and waits until it is at `goal` or
    /// can never be, at most `wait`; gives it as far as it has come.
    ///
    /// # Errors
    /// As [`submit_from`](Self::submit_from). A message that failed is no error here: see its state.
    pub async fn submit_from_and_wait(
        &self,
        senders: &Senders,
        strategy: Option<Strategy>,
        new: NewMessage,
        goal: MessageState,
        wait: Duration,
    ) -> Result<Submitted, Error> {
        let until = Instant::now() + wait;
        let key = new.idempotency_key.as_ref().map(|key| Key {
            key: key.clone(),
            request: request_of(senders, strategy, &new),
        });
        let submitted = match self.known(key.as_ref()).await? {
            Some(known) => known,
            None => {
                let session = self.chosen(senders, strategy, &new).await?;
                let progress = session.progress();
                let submitted = session.submit_keyed(new, key).await?;
                if submitted.message.session == *session.id() {
                    return session.follow(progress, submitted, goal, until).await;
                }
                submitted
            }
        };
        // Of an earlier call, which may have chosen another session.
        let Ok(session) = self.get(&submitted.message.session) else {
            return Ok(submitted);
        };
        let progress = session.progress();
        let message = self.message(submitted.message.id).await?;
        let submitted = Submitted {
            message,
            ..submitted
        };
        session.follow(progress, submitted, goal, until).await
    }

    async fn known(&self, key: Option<&Key>) -> Result<Option<Submitted>, Error> {
        let Some(key) = key else { return Ok(None) };
        let known = self.store().known_by_key(key.clone()).await?;
        known.map(crate::session::handle::repeated).transpose()
    }

    async fn chosen(
        &self,
        senders: &Senders,
        strategy: Option<Strategy>,
        new: &NewMessage,
    ) -> Result<SessionHandle, Error> {
        let (sessions, usual) = match senders {
            Senders::Sessions(sessions) => (self.checked(sessions.clone())?, Strategy::default()),
            Senders::Pool(name) => {
                let pool = self.pools().get(name).await?;
                (pool.sessions, pool.strategy)
            }
        };
        let strategy = strategy.unwrap_or(usual);
        let loads = match strategy {
            Strategy::LeastLoaded => self.store().loads(OffsetDateTime::now_utc()).await?,
            _ => HashMap::new(),
        };
        let last = match (strategy, Person::of_recipient(&new.to)) {
            (Strategy::Sticky, Some(person)) => {
                self.store().last_talked(sessions.clone(), person).await?
            }
            _ => None,
        };
        let handles: Vec<_> = sessions.iter().map(|id| (id, self.get(id).ok())).collect();
        let candidates: Vec<_> = handles
            .iter()
            .map(|(id, session)| Candidate {
                id: (*id).clone(),
                fitness: session
                    .as_ref()
                    .map_or(Fitness::Unfit, |session| Fitness::of(&session.info())),
                load: loads.get(*id).copied().unwrap_or_default(),
            })
            .collect();
        let turn = self.turns().next(&sessions);
        let recipient = new.to.to_string();
        let chosen = choose(strategy, &candidates, &recipient, last.as_ref(), turn);
        let session = chosen.and_then(|id| self.get(id).ok());
        session.ok_or_else(|| Error::NoneReady {
            sessions: handles
                .into_iter()
                .map(|(id, session)| Standing::of(id.clone(), session.map(|s| s.info())))
                .collect(),
        })
    }

    /// Each session once; all of them are there.
    fn checked(&self, sessions: Vec<SessionId>) -> Result<Vec<SessionId>, Error> {
        let mut once: Vec<SessionId> = Vec::with_capacity(sessions.len());
        for id in sessions {
            self.get(&id)?;
            if !once.contains(&id) {
                once.push(id);
            }
        }
        match once.len() {
            1..=MAX_SESSIONS => Ok(once),
            _ => Err(Error::InvalidMessage(
                "sessions must name 1 to 100 sessions",
            )),
        }
    }
}

/// What an idempotency key is bound to: not to the session that happens to be chosen.
fn request_of(senders: &Senders, strategy: Option<Strategy>, new: &NewMessage) -> String {
    let senders = match senders {
        Senders::Sessions(sessions) => serde_json::json!(sessions),
        Senders::Pool(name) => serde_json::json!({"pool": name.as_str()}),
    };
    let at = new.send_at.map(OffsetDateTime::unix_timestamp_nanos);
    let (to, at) = (new.to.to_string(), at.map(|n| n.to_string()));
    match asked(new) {
        Asked::Text(text) => serde_json::json!([senders, strategy, to, text, at]),
        Asked::Other(asked) => {
            let reply_to = new.reply_to.as_ref().map(MessageId::as_str);
            serde_json::json!([senders, strategy, to, null, at, asked, reply_to])
        }
    }
    .to_string()
}
