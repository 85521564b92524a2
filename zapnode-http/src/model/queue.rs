//! A session's queue on the wire.

use serde::Serialize;
use zapnode_core::SessionId;
use zapnode_core::outbox::queue::Counts;
use zapnode_core::outbox::{Pace, QueueView, Wait};

use super::iso;
use super::message::{MessageModel, WaitModel};

/// `GET /sessions/{id}/queue`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueAnswer {
    success: bool,
    session_id: SessionId,
    counts: CountsModel,
    /// Whether everything waits.
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_because: Option<WaitModel>,
    pace: Pace,
    /// How many were handed to WhatsApp in the last hour.
    sent_last_hour: usize,
    /// How many of the last 24 hours went to chats never written to nor heard from before.
    new_contacts_last_day: usize,
    messages: Vec<MessageModel>,
}

/// How many messages are where.
#[derive(Debug, Serialize)]
struct CountsModel {
    waiting: usize,
    scheduled: usize,
    /// Of paused bulk jobs.
    held: usize,
    sending: usize,
}

impl From<Counts> for CountsModel {
    fn from(counts: Counts) -> Self {
        Self {
            waiting: counts.waiting,
            scheduled: counts.scheduled,
            held: counts.held,
            sending: counts.sending,
        }
    }
}

impl QueueAnswer {
    /// The queue of a session.
    pub fn new(session_id: SessionId, view: QueueView) -> Self {
        let until = |wait: &Wait| wait.until.map(iso);
        let messages = view.messages.into_iter();
        Self {
            success: true,
            session_id,
            counts: view.counts.into(),
            paused: view.paused.is_some(),
            paused_until: view.paused.as_ref().and_then(until),
            paused_because: view.paused.map(WaitModel::from),
            pace: view.pace,
            sent_last_hour: view.sent_last_hour,
            new_contacts_last_day: view.first_contacts_last_day,
            messages: messages
                .map(|(message, wait)| MessageModel::new(message, wait))
                .collect(),
        }
    }
}
