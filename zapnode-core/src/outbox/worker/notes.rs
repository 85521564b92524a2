//! What is written down beside: messages that appeared, who a session had to do with, states.

use std::future::Future;

use time::OffsetDateTime;
use tokio::sync::broadcast;
use ulid::Ulid;

use super::Worker;
use crate::event::{Event, EventKind};
use crate::id::ChatId;
use crate::message::{Contact, IncomingMessage};
use crate::outbox::{Message, MessageState, Priority};
use crate::store::{self, Acquaintance, StoreError};

impl Worker {
    /// Lets a write that is in the store's queue already finish in the background.
    pub(super) fn write(
        &mut self,
        write: impl Future<Output = Result<Option<Message>, StoreError>> + Send + 'static,
    ) {
        let bus = self.bus.clone();
        let session = self.session.clone();
        self.writing.spawn(async move {
            match write.await {
                Ok(Some(message)) => announce(&bus, message),
                Ok(None) => {}
                // The store waits out a full disk by itself, so this is its end, or damage. Not
                // lost: what is not written down is asked of the page at the next start.
                Err(error) => tracing::error!(%session, %error, "a message's state was not stored"),
            }
        });
    }

    /// Lets a write finish of which there is nothing to tell.
    pub(super) fn write_silently<T: Send + 'static>(
        &mut self,
        write: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) {
        let session = self.session.clone();
        self.writing.spawn(async move {
            if let Err(error) = write.await {
                tracing::error!(%session, %error, "the outbox could not write something down");
            }
        });
    }

    /// Somebody was written to.
    pub(super) fn met(&mut self, contact: &Contact, at: OffsetDateTime) {
        let all = [
            Some(&contact.chat),
            contact.phone.as_ref(),
            contact.lid.as_ref(),
        ];
        self.learn(Acquaintance {
            addresses: all.into_iter().flatten().cloned().collect(),
            written_at: Some(at),
            heard_at: None,
        });
    }

    /// Somebody wrote, or this account wrote on another device.
    pub(super) fn heard(&mut self, message: &IncomingMessage) {
        let chat = &message.chat;
        let mut addresses = vec![chat.clone()];
        if chat.is_phone() || chat.is_lid() {
            if !message.from_me {
                let names = [&message.from_phone, &message.from_lid];
                addresses.extend(names.into_iter().flatten().cloned());
            }
        } else if !chat.is_group() {
            return;
        }
        let at = Some(message.at);
        if !message.from_me {
            let names: Vec<_> = addresses.iter().map(ChatId::to_string).collect();
            self.queue.heard(&names, message.at);
        }
        self.learn(Acquaintance {
            addresses,
            written_at: at.filter(|_| message.from_me),
            heard_at: at.filter(|_| !message.from_me),
        });
    }

    pub(super) fn learn(&mut self, mut who: Acquaintance) {
        who.addresses
            .sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        who.addresses.dedup();
        let write = self.store.learn(self.session.clone(), who);
        self.write_silently(write);
    }

    pub(super) fn appeared(&mut self, message: IncomingMessage) {
        self.heard(&message);
        let state = if message.from_me {
            MessageState::Sent
        } else {
            MessageState::Received
        };
        let row = Message {
            seq: 0,
            id: Ulid::new(),
            session: self.session.clone(),
            from_me: message.from_me,
            recipient: message.from.to_string(),
            chat: Some(message.chat.clone()),
            wire_id: message.id.wire_id(),
            message_id: Some(message.id.clone()),
            state,
            failure: None,
            kind: message.kind.clone(),
            text: message.text.clone(),
            created_at: message.at,
            updated_at: store::now(),
            send_at: None,
            priority: Priority::Direct,
            batch: None,
            paced: false,
            attempted_at: None,
        };
        let opt_out = self.opt_outs.in_message(&self.session, &message);
        let write = self.store.insert_appeared(row, opt_out);
        let opt_outs = self.opt_outs.clone();
        let bus = self.bus.clone();
        let session = self.session.clone();
        self.writing.spawn(async move {
            let told = match write.await {
                // Known already: told by an earlier page or an earlier run.
                Ok(None) => return,
                Ok(Some(stored)) => {
                    opt_outs.tell(stored.taken_back);
                    message
                }
                Err(error) => {
                    tracing::error!(%session, %error, "a message was not stored");
                    message
                }
            };
            let kind = EventKind::Message(Box::new(told));
            let _ = bus.send(Event { session, kind });
        });
    }
}

pub(super) fn announce(bus: &broadcast::Sender<Event>, message: Message) {
    // Nobody may be listening.
    let _ = bus.send(Event {
        session: message.session.clone(),
        kind: EventKind::Outbox(Box::new(message)),
    });
}
