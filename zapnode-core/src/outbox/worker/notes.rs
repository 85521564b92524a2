//! What is written down beside: messages that appeared, who a session had to do with, states.

use std::future::Future;

use time::OffsetDateTime;
use tokio::sync::broadcast;

use super::{Progress, Worker};
use crate::event::{Signal, SignalKind};
use crate::id::ChatId;
use crate::message::{Contact, IncomingMessage};
use crate::outbox::Message;
use crate::outbox::intake::Heard;
use crate::store::{Acquaintance, StoreError, TakenIn};

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

    /// A message appeared: it is stored and told in its turn, unless its chat is ignored.
    pub(super) fn appeared(&mut self, message: Box<IncomingMessage>) {
        self.heard(&message);
        let opt_out = self.opt_outs.in_message(&self.session, &message);
        self.intake
            .take(Heard::Message(message, opt_out.map(Box::new)));
    }

    /// Tells of messages that were led further by what came in from outside a send.
    pub(super) fn taken_in(&self, taken: TakenIn) {
        self.opt_outs.tell(taken.taken_back);
        for message in taken.changed {
            let _ = self.progress.send(Progress {
                wire_id: message.wire_id.clone(),
                state: message.state,
                message_id: message.message_id.clone(),
                failure: message.failure.clone(),
            });
            announce(&self.bus, message);
        }
    }
}

pub(super) fn announce(bus: &broadcast::Sender<Signal>, message: Message) {
    // Nobody may be listening.
    let _ = bus.send(Signal {
        session: message.session.clone(),
        kind: SignalKind::Outbox(Box::new(message)),
    });
}
