//! What comes of a hand-over, an ack, a refusal: the message's new state, told and written down.

use std::future::Future;

use time::OffsetDateTime;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::notes::announce;
use super::{MAX_ATTEMPTS, Outcome, Progress, RELOADED_EVERY, Which, Worker};
use crate::driver::SendRefusal;
use crate::id::{MessageId, WireId};
use crate::message::{Ack, Person};
use crate::outbox::intake::Heard;
use crate::outbox::pace::{LOCKS_IN_A_ROW, lock_pause};
use crate::outbox::state::{Patience, Verdict, patience, refusal};
use crate::outbox::{Failure, FailureCode, MessageState};
use crate::session::machine::pause;
use crate::store::{self, StoredPause};

impl Worker {
    pub(super) fn handed_over(&mut self, wire_id: &WireId, outcome: Outcome) {
        let now = OffsetDateTime::now_utc();
        match outcome {
            Outcome::Handed(sent, contact) => {
                self.recent.finished(now);
                // A refusal or an ack may have been quicker than this answer.
                let ours = self.queue.is_under_way(wire_id);
                self.queue.handed(wire_id);
                self.met(&contact, now);
                let person = Person {
                    id: contact.chat.clone(),
                    phone: contact.phone,
                    lid: contact.lid,
                };
                let learnt = self.store.learn_person(self.session.clone(), person);
                self.write_silently(learnt);
                let chat = contact.chat;
                let id = sent.id.clone();
                let write = self.store.change_message(
                    self.session.clone(),
                    wire_id.clone(),
                    move |message| {
                        message.chat = Some(chat);
                        message.message_id = Some(id);
                        if ours && message.state == MessageState::Queued {
                            message.state = MessageState::Sending;
                        }
                        true
                    },
                );
                self.write(write);
                if !ours {
                    return;
                }
                if let Some(known) = self.known.get_mut(wire_id) {
                    *known = MessageState::Sending;
                    self.tell(wire_id, MessageState::Sending, Some(sent.id.clone()));
                }
                if sent.ack == Ack::Pending {
                    self.still_pending(wire_id, sent.id);
                } else {
                    self.acknowledged(wire_id, sent.ack, sent.id);
                }
            }
            Outcome::Failed {
                verdict: Verdict::Fail(code),
                detail,
                ..
            } => {
                let failure = Failure { code, detail };
                self.became(wire_id, MessageState::Failed, None, Some(failure));
            }
            Outcome::Failed {
                verdict: Verdict::Pause(code),
                detail,
                ..
            } => self.refused_for_now(wire_id, code, detail),
            Outcome::Failed {
                verdict: Verdict::Again { maybe_sent },
                counts,
                detail,
            } => self.again(wire_id, maybe_sent, counts, detail),
            Outcome::Over => {
                self.is_tried(wire_id);
                self.recent.withdrawn(wire_id);
                self.known.remove(wire_id);
                self.queue.settled(wire_id);
            }
            Outcome::Held => {
                self.is_tried(wire_id);
                self.recent.withdrawn(wire_id);
                self.queue.put_back(wire_id, false, false);
            }
            Outcome::TakenBack(message) => {
                self.is_tried(wire_id);
                self.became(wire_id, message.state, None, message.failure.clone());
                self.recent.withdrawn(wire_id);
                announce(&self.bus, *message);
            }
        }
    }

    pub(super) fn again(
        &mut self,
        wire_id: &WireId,
        maybe_sent: bool,
        counts: bool,
        detail: String,
    ) {
        tracing::info!(session = %self.session, %wire_id, maybe_sent, why = %detail, "will be tried again");
        self.is_tried(wire_id);
        self.queue.put_back(wire_id, maybe_sent, counts);
        if !maybe_sent && !self.queue.may_be_sent(wire_id) {
            // The page does not have it: it can be taken back again, and counts for no pace.
            self.recent.withdrawn(wire_id);
            let write = self.store.requeue(self.session.clone(), wire_id.clone());
            self.write_silently(write);
        }
        let attempts = self.queue.attempts(wire_id);
        if attempts >= MAX_ATTEMPTS {
            let unsure = if self.queue.may_be_sent(wire_id) {
                "; WhatsApp Web may have sent it all the same, and then this changes to sent"
            } else {
                ""
            };
            let failure = Failure {
                code: FailureCode::AttemptsExhausted,
                detail: format!("tried {attempts} times: {detail}{unsure}"),
            };
            self.became(wire_id, MessageState::Failed, None, Some(failure));
        } else if self.info.borrow().is_ready() {
            let breath = pause(attempts.max(1), fastrand::f64());
            self.breath = Some((Instant::now() + breath, detail));
        }
    }

    /// Something came of a message; what waited for that may go on.
    pub(super) fn is_tried(&mut self, wire_id: &WireId) {
        self.trying.take_if(|tried| tried == wire_id);
    }

    /// The page has it, and that is all.
    pub(super) fn still_pending(&mut self, wire_id: &WireId, id: MessageId) {
        let minutes = self.queue.minutes_unconfirmed(wire_id);
        match patience(minutes) {
            Patience::Wait => {}
            Patience::Reload => self.reload_page(minutes),
            Patience::GiveUp => {
                let failure = Failure {
                    code: FailureCode::Unconfirmed,
                    detail: format!(
                        "WhatsApp Web has had it for {minutes} minutes without WhatsApp's server \
                         confirming it; should that still come, this changes to sent"
                    ),
                };
                self.became(wire_id, MessageState::Failed, Some(id), Some(failure));
            }
        }
    }

    /// A page that does not send what it has is loaded anew; then it does, or says that it cannot.
    pub(super) fn reload_page(&mut self, minutes: u32) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let lately = |at: Instant| at.elapsed() < RELOADED_EVERY;
        if self.reloaded_at.is_some_and(lately) {
            // Another message has seen to it.
            return;
        }
        self.reloaded_at = Some(Instant::now());
        tracing::warn!(session = %self.session, minutes, "messages are unconfirmed; the page is loaded anew");
        self.writing.spawn(async move {
            if let Ok(connection) = shared.connection().await
                && let Err(error) = connection.reload().await
            {
                tracing::debug!(%error, "the reload failed");
            }
        });
    }

    pub(super) fn refused(&mut self, told: SendRefusal) {
        let wire_id = told.id.wire_id();
        match refusal(told.status, &told.words) {
            Verdict::Pause(code) => self.refused_for_now(&wire_id, code, told.words),
            _ => {
                let failure = Failure {
                    code: FailureCode::Refused,
                    detail: format!("WhatsApp refused it: {}", told.words),
                };
                self.failed_by_ack(&wire_id, told.id, failure);
            }
        }
    }

    /// WhatsApp limits the account: the message waits again, and all others with it.
    pub(super) fn refused_for_now(&mut self, wire_id: &WireId, code: FailureCode, words: String) {
        self.is_tried(wire_id);
        self.recent.withdrawn(wire_id);
        if !self.queue.take_back(wire_id) {
            return;
        }
        self.pause(code, words.clone());
        let times = self.pause.as_ref().map_or(0, |pause| pause.times);
        if times > LOCKS_IN_A_ROW {
            let detail = format!("WhatsApp went on refusing it: {words}");
            let failure = Failure { code, detail };
            self.became(wire_id, MessageState::Failed, None, Some(failure));
            return;
        }
        self.known.insert(wire_id.clone(), MessageState::Queued);
        self.tell(wire_id, MessageState::Queued, None);
        let write = self.store.requeue(self.session.clone(), wire_id.clone());
        self.write(write);
    }

    pub(super) fn pause(&mut self, code: FailureCode, detail: String) {
        let now = store::now();
        if self.pause.as_ref().is_some_and(|pause| pause.until > now) {
            // Others that were on their way already say the same.
            return;
        }
        let times = self.pause.as_ref().map_or(0, |pause| pause.times) + 1;
        let until = now + lock_pause(times);
        tracing::warn!(session = %self.session, code = code.as_str(), %until, times, why = %detail, "WhatsApp limits this account; the queue pauses");
        let pause = StoredPause {
            code,
            detail,
            until,
            times,
        };
        self.pause = Some(pause.clone());
        self.note_pause(Some(pause));
    }

    /// A message got through.
    pub(super) fn lift_pause(&mut self) {
        let over = |pause: &StoredPause| pause.until <= OffsetDateTime::now_utc();
        if self.pause.as_ref().is_some_and(over) {
            tracing::info!(session = %self.session, "WhatsApp takes messages again");
            self.pause = None;
            self.note_pause(None);
        }
    }

    pub(super) fn note_pause(&mut self, pause: Option<StoredPause>) {
        let write = self.store.note_pause(self.session.clone(), pause);
        self.write_silently(write);
    }

    pub(super) fn acknowledged(&mut self, wire_id: &WireId, ack: Ack, id: MessageId) {
        if ack == Ack::Failed {
            let failure = Failure {
                code: FailureCode::Refused,
                detail: "WhatsApp refused it, or the page could not hand it over".to_owned(),
            };
            return self.failed_by_ack(wire_id, id, failure);
        }
        if ack >= Ack::Server {
            self.lift_pause();
        }
        match self.known.get(wire_id) {
            Some(known) => {
                if let Some(state) = known.after_ack(ack) {
                    self.became(wire_id, state, Some(id), None);
                }
            }
            // Of an earlier run, or settled long ago: the store knows.
            None => self.intake.take(Heard::Ack {
                id,
                ack,
                failure: None,
            }),
        }
    }

    pub(super) fn failed_by_ack(&mut self, wire_id: &WireId, id: MessageId, failure: Failure) {
        match self.known.get(wire_id) {
            // It was refused for now, and the page says once more that it has failed there.
            Some(MessageState::Queued) if !self.queue.is_under_way(wire_id) => {}
            Some(known) => {
                if let Some(state) = known.after_ack(Ack::Failed) {
                    self.became(wire_id, state, Some(id), Some(failure));
                }
            }
            None => self.intake.take(Heard::Ack {
                id,
                ack: Ack::Failed,
                failure: Some(failure),
            }),
        }
    }

    /// Tells and writes down that a message is in another state.
    pub(super) fn became(
        &mut self,
        wire_id: &WireId,
        state: MessageState,
        id: Option<MessageId>,
        failure: Option<Failure>,
    ) {
        if state.is_open() {
            self.known.insert(wire_id.clone(), state);
        } else {
            self.known.remove(wire_id);
            self.is_tried(wire_id);
            self.queue.settled(wire_id);
            if state == MessageState::Failed {
                self.recent.withdrawn(wire_id);
            }
        }
        // Nobody may be waiting for it.
        let _ = self.progress.send(Progress {
            wire_id: wire_id.clone(),
            state,
            message_id: id.clone(),
            failure: failure.clone(),
        });
        let write =
            self.store
                .change_message(self.session.clone(), wire_id.clone(), move |message| {
                    if message.state == state {
                        return false;
                    }
                    message.state = state;
                    message.failure = failure;
                    message.message_id = id.or(message.message_id.take());
                    true
                });
        self.write(write);
    }

    pub(super) fn tell(
        &self,
        wire_id: &WireId,
        state: MessageState,
        message_id: Option<MessageId>,
    ) {
        let _ = self.progress.send(Progress {
            wire_id: wire_id.clone(),
            state,
            message_id,
            failure: None,
        });
    }

    pub(super) fn cancel_many(
        &mut self,
        which: Which,
        failure: Option<Failure>,
        done: oneshot::Sender<usize>,
    ) {
        let wire_ids = match which {
            Which::Batch(batch) => self.queue.cancel_batch(batch),
            Which::These(mut wire_ids) => {
                wire_ids.retain(|wire_id| self.queue.cancel(wire_id));
                wire_ids
            }
        };
        let count = wire_ids.len();
        let stored = self.end_many(wire_ids, MessageState::Cancelled, failure);
        self.writing.spawn(async move {
            let mut stored = std::pin::pin!(stored);
            let written = tokio::time::timeout(super::WRITTEN_WITHIN, &mut stored).await;
            // Whoever asked may be gone. While the store cannot write, it keeps them.
            let _ = done.send(count);
            if written.is_err() {
                stored.await;
            }
        });
    }

    /// Ends many at once: tells it now; the future is done when it is stored.
    pub(super) fn end_many(
        &mut self,
        wire_ids: Vec<WireId>,
        state: MessageState,
        failure: Option<Failure>,
    ) -> impl Future<Output = ()> + Send + use<> {
        for wire_id in &wire_ids {
            self.known.remove(wire_id);
            self.is_tried(wire_id);
            self.queue.settled(wire_id);
            self.recent.withdrawn(wire_id);
            let _ = self.progress.send(Progress {
                wire_id: wire_id.clone(),
                state,
                message_id: None,
                failure: failure.clone(),
            });
        }
        let session = self.session.clone();
        let bus = self.bus.clone();
        let write = self
            .store
            .end_messages(session.clone(), wire_ids, state, failure);
        async move {
            match write.await {
                Ok(ended) => ended
                    .into_iter()
                    .for_each(|message| announce(&bus, message)),
                Err(error) => {
                    tracing::error!(%session, %error, "ended messages were not stored");
                }
            }
        }
    }

    pub(super) fn fail_all(&mut self, code: FailureCode) {
        let open: Vec<_> = self.queue.open().into_iter().map(|(_, id)| id).collect();
        if open.is_empty() {
            return;
        }
        let detail = match code {
            FailureCode::LoggedOut => "the session was logged out",
            _ => "the session was removed",
        };
        let failure = Failure {
            code,
            detail: detail.to_owned(),
        };
        let stored = self.end_many(open, MessageState::Failed, Some(failure));
        self.writing.spawn(stored);
    }
}
