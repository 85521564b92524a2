//! One text to many people: a job.
//!
//! A job is nothing but messages in the outbox that share a batch. All of them are stored in one
//! transaction before the job is accepted, so that whatever ends the program loses none and sends
//! none twice; how far it is, is counted from them. They go after every message that is sent by
//! itself, gently if the job is paced, and never to somebody who [opted out](crate::optout), which
//! is looked up once more right before each is handed over.
//!
//! [`SessionHandle::submit_bulk`] makes a job, [`SessionManager::bulk_jobs`] finds it again.

mod job;
mod plan;
mod template;

use std::time::Duration;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};
use ulid::Ulid;

use crate::error::Error;
use crate::event::SignalKind;
use crate::manager::SessionManager;
use crate::message::Recipient;
use crate::outbox::worker::fresh;
use crate::outbox::{Message, MessageState, NewMessage, Priority};
use crate::session::SessionHandle;
use crate::session::handle::{admits, check_key, not_ready};
use crate::store::{AcceptedBulk, Key, NewJob};

pub use job::{BulkJob, Counts, JobState, Skipped};
pub use plan::{BulkRecipient, InvalidCode, InvalidRecipient};
pub use template::{InvalidTemplate, MissingField, Template};

/// The most recipients of a job.
pub const MAX_RECIPIENTS: usize = 10_000;

/// The most characters of a job's name.
pub const MAX_NAME_CHARACTERS: usize = 200;

/// What a job risks that is not paced, for people.
pub const UNPACED_RISK: &str = "Sent without pauses. WhatsApp bans numbers that write to many people \
    quickly, above all to people who never wrote to them, and a ban can be for good. Send gently to \
    avoid it.";

/// A job, as a caller asks for it.
#[derive(Clone, Debug)]
pub struct NewBulk {
    /// Who it is for: 1 to 10,000. Whoever is named twice gets it once.
    pub recipients: Vec<BulkRecipient>,
    /// The text, with fields as [`Template`] has them.
    pub template: String,
    /// What to call it: at most 200 characters.
    pub name: Option<String>,
    /// Whether it is sent gently. Without that WhatsApp is likely to ban the number.
    pub paced: bool,
    /// Not before this time.
    pub send_at: Option<OffsetDateTime>,
    /// Whether recipients that are none are left out, instead of the whole being refused.
    pub skip_invalid: bool,
    /// Makes repeating the call harmless, as
    /// [`NewMessage::idempotency_key`]; kept as long as the job.
    pub idempotency_key: Option<String>,
}

impl NewBulk {
    /// A gentle job, at once.
    pub fn new(
        template: impl Into<String>,
        recipients: impl IntoIterator<Item = impl Into<BulkRecipient>>,
    ) -> Self {
        Self {
            recipients: recipients.into_iter().map(Into::into).collect(),
            template: template.into(),
            name: None,
            paced: true,
            send_at: None,
            skip_invalid: false,
            idempotency_key: None,
        }
    }

    fn check(&self) -> Result<Template, Error> {
        if !(1..=MAX_RECIPIENTS).contains(&self.recipients.len()) {
            return Err(Error::InvalidMessage("recipients must be 1 to 10000"));
        }
        let long = |name: &String| name.chars().nth(MAX_NAME_CHARACTERS).is_some();
        if self.name.as_ref().is_some_and(long) {
            return Err(Error::InvalidMessage("a name has at most 200 characters"));
        }
        check_key(self.idempotency_key.as_deref())?;
        Ok(Template::new(&self.template)?)
    }
}

/// What [`SessionHandle::submit_bulk`] did.
#[derive(Clone, Debug)]
pub struct SubmittedBulk {
    /// The job, as it is now.
    pub job: BulkJob,
    /// The recipients that were left out because they are none.
    pub invalid: Vec<InvalidRecipient>,
    /// Whether it was accepted by an earlier call with the same idempotency key.
    pub repeated: bool,
}

impl SessionHandle {
    /// Accepts a job: all its messages are stored when this returns, and will be sent once each,
    /// also across restarts, unless the job is cancelled, or its session logged out or removed,
    /// first.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`], [`Error::InvalidTemplate`], [`Error::InvalidRecipients`] with
    /// everything that is wrong; else as [`submit`](Self::submit). On an error nothing was accepted.
    pub async fn submit_bulk(&self, new: NewBulk) -> Result<SubmittedBulk, Error> {
        let template = new.check()?;
        let key = new.idempotency_key.as_ref().map(|key| Key {
            key: key.clone(),
            request: self.digest_of(&new),
        });
        let planned = |opted_out| {
            let planned = plan::plan(&new.recipients, &template, opted_out, new.skip_invalid);
            planned.map_err(Error::InvalidRecipients)
        };
        if let Some(key) = &key
            && let Some(known) = self.shared.store.known_bulk(key.clone()).await?
        {
            let mut submitted = repeated(known)?;
            // The same request, so the same recipients are none.
            submitted.invalid = planned(&[].into())?.invalid;
            return Ok(submitted);
        }
        let recipients = new.recipients.iter();
        let recipients = recipients.filter_map(|r| Recipient::to_write_to(&r.to).ok());
        let store = &self.shared.store;
        let opted_out = store.opted_out_among(recipients.collect()).await?;
        let plan = planned(&opted_out)?;
        let info = self.info();
        if !admits(&info) {
            return Err(not_ready(info));
        }
        let job = NewJob {
            id: Ulid::new(),
            session: self.id().clone(),
            name: new.name.clone(),
            skipped: plan.skipped,
            paced: new.paced,
            send_at: new.send_at,
        };
        let messages = plan.messages.into_iter().map(|(to, text)| {
            let message = NewMessage {
                send_at: new.send_at,
                priority: Priority::Bulk,
                batch: Some(job.id),
                paced: new.paced,
                ..NewMessage::text(to, text)
            };
            fresh(self.id(), &message)
        });
        let messages = messages.collect();
        match store.accept_bulk(job, messages, key).await? {
            AcceptedBulk::New(job, messages) => {
                let stored = messages.iter().map(|(m, standing)| (m, standing.clone()));
                self.enqueue(stored)?;
                Ok(SubmittedBulk {
                    job,
                    invalid: plan.invalid,
                    repeated: false,
                })
            }
            known => Ok(SubmittedBulk {
                invalid: plan.invalid,
                ..repeated(known)?
            }),
        }
    }

    /// What an idempotency key is bound to: equal requests have equal digests.
    fn digest_of(&self, new: &NewBulk) -> String {
        let at = new.send_at.map(OffsetDateTime::unix_timestamp_nanos);
        let request = serde_json::json!([
            self.id(),
            new.recipients,
            new.template,
            new.name,
            new.paced,
            at.map(|n| n.to_string()),
            new.skip_invalid
        ]);
        let digest = Sha256::digest(request.to_string());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn repeated(known: AcceptedBulk) -> Result<SubmittedBulk, Error> {
    match known {
        AcceptedBulk::New(job, _) | AcceptedBulk::Repeated(job) => Ok(SubmittedBulk {
            job,
            invalid: vec![],
            repeated: true,
        }),
        AcceptedBulk::Mismatch => Err(Error::IdempotencyMismatch),
    }
}

/// The jobs of all sessions, from [`SessionManager::bulk_jobs`].
#[derive(Clone, Debug)]
pub struct BulkJobs {
    manager: SessionManager,
}

impl SessionManager {
    /// The bulk jobs of all sessions, also of those that were removed.
    pub fn bulk_jobs(&self) -> BulkJobs {
        BulkJobs {
            manager: self.clone(),
        }
    }
}

impl BulkJobs {
    /// The jobs of one session, or of all, newest first, at most `limit`, only those before the job
    /// `before`.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(
        &self,
        session: Option<crate::id::SessionId>,
        before: Option<Ulid>,
        limit: usize,
    ) -> Result<Vec<BulkJob>, Error> {
        let store = self.manager.store();
        Ok(store.bulk_jobs(session, before, limit).await?)
    }

    /// A job as it is now.
    ///
    /// # Errors
    /// [`Error::BulkNotFound`], or [`Error::Store`].
    pub async fn get(&self, id: Ulid) -> Result<BulkJob, Error> {
        let found = self.manager.store().bulk_job(id).await?;
        found.ok_or(Error::BulkNotFound)
    }

    /// Waits until a job looks different from `seen` ([`BulkJob::generation`]), at most `wait`;
    /// gives it as it is then.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn changed(&self, id: Ulid, seen: u64, wait: Duration) -> Result<BulkJob, Error> {
        let until = Instant::now() + wait;
        // Listened to before the first look, so that nothing is missed in between.
        let mut signals = self.manager.signals();
        loop {
            let decided = self.manager.inner.bulk_changed.notified();
            tokio::pin!(decided);
            decided.as_mut().enable();
            let job = self.get(id).await?;
            if job.generation() != seen || Instant::now() >= until {
                return Ok(job);
            }
            let news = async {
                loop {
                    match signals.recv().await {
                        Ok(signal) => match signal.kind {
                            SignalKind::Outbox(message) if message.batch == Some(id) => return,
                            _ => {}
                        },
                        Err(RecvError::Lagged(_)) => return,
                        // Nothing comes any more: then the time is waited for.
                        Err(RecvError::Closed) => std::future::pending::<()>().await,
                    }
                }
            };
            let news = async {
                tokio::select! {
                    () = news => {}
                    () = &mut decided => {}
                }
            };
            // Out of time is no error: the job is looked at a last time.
            let _ = timeout_at(until, news).await;
        }
    }

    /// A job's messages, newest first, at most `limit`, only those before the cursor `before`
    /// ([`Message::seq`]) and in `state`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn messages(
        &self,
        id: Ulid,
        before: Option<i64>,
        state: Option<MessageState>,
        limit: usize,
    ) -> Result<Vec<Message>, Error> {
        self.get(id).await?;
        let store = self.manager.store();
        Ok(store.bulk_messages(id, before, state, limit).await?)
    }

    /// Holds what a job has queued until it is resumed. What the page has already goes its way.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn pause(&self, id: Ulid) -> Result<BulkJob, Error> {
        self.hold(id, true).await
    }

    /// Goes on with a job that is held.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn resume(&self, id: Ulid) -> Result<BulkJob, Error> {
        self.hold(id, false).await
    }

    async fn hold(&self, id: Ulid, held: bool) -> Result<BulkJob, Error> {
        let job = self.get(id).await?;
        let _turn = self.manager.inner.bulk_turn.lock().await;
        match self.manager.get(&job.session) {
            Ok(session) => session.hold_batch(id, held).await?,
            // Its session is gone, and nothing of it waits.
            Err(_) => self.manager.store().note_batch(id, held).await?,
        };
        self.manager.inner.bulk_changed.notify_waiters();
        self.get(id).await
    }

    /// Takes back what a job has queued, for good, and says how many messages that were. What the
    /// page has already goes its way.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn cancel(&self, id: Ulid) -> Result<(BulkJob, u64), Error> {
        let cancelled = self.manager.store().cancel_bulk(id).await?;
        let (job, taken) = cancelled.ok_or(Error::BulkNotFound)?;
        if let Ok(session) = self.manager.get(&job.session) {
            // It is stored: the queue only needs to forget it. One that is being removed has none.
            let _ = session.cancel_batch(id, None).await;
        }
        self.manager.inner.bulk_changed.notify_waiters();
        Ok((job, taken))
    }
}
