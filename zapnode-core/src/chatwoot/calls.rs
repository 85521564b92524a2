//! What agents did: their messages out to WhatsApp, their deletions, their commands.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::api::ApiError;
use super::bridge::{Bridge, Stuck};
use super::files::{Part, parts};
use super::format::to_whatsapp;
use super::incoming::{Addressee, AgentMessage, SOURCE_PREFIX, Verdict, judge};
use super::{Shared, belongs};
use crate::error::{Error, with_causes};
use crate::id::SessionId;
use crate::message::Recipient;
use crate::options::SessionOptions;
use crate::outbox::{NewMessage, Submitted};
use crate::session::SessionHandle;
use crate::store::{Call, Pair};

impl Bridge {
    /// Deals with every call that is open. What cannot be dealt with now stays, and does not hold
    /// up the others: the first reason is given at the end.
    pub(super) async fn calls(&mut self) -> Result<(), Stuck> {
        let session = self.row.session.clone();
        let (mut after, mut first) = (0, Ok(()));
        while let Some(call) = self.store().open_call(session.clone(), after).await? {
            after = call.seq;
            match self.call(&call).await {
                Ok(pairs) => {
                    self.store()
                        .call_done(session.clone(), call.seq, pairs)
                        .await?;
                }
                Err(stuck) => first = first.and(Err(stuck)),
            }
        }
        first
    }

    async fn call(&mut self, call: &Call) -> Result<Vec<Pair>, Stuck> {
        let body: Map<String, Value> = serde_json::from_str(&call.body).unwrap_or_default();
        match judge(&body, &belongs(&self.row)) {
            Verdict::Send(message) if message.to == Some(Addressee::System) => {
                self.obey(&message).await?;
                Ok(vec![])
            }
            Verdict::Send(message) if call.restored => {
                self.failed(&message, self.words.restored).await?;
                Ok(vec![])
            }
            Verdict::Send(message) => self.send(&message).await,
            Verdict::Delete {
                message,
                conversation,
            } => {
                self.take_back(message, conversation).await?;
                Ok(vec![])
            }
            Verdict::Ignore(_) | Verdict::Typing { .. } => Ok(vec![]),
        }
    }

    /// Where a message goes: into the chat that its conversation is about, else where the contact
    /// says. Numbers in Chatwoot are edited by hand, and a Brazilian one may have a digit more.
    async fn recipient(&self, message: &AgentMessage) -> Result<Result<Recipient, String>, Stuck> {
        let session = self.row.session.clone();
        let thread = self
            .store()
            .thread_of(session, message.conversation)
            .await?;
        let told = match &message.to {
            Some(Addressee::Chat(to)) => Some(to.clone()),
            _ => None,
        };
        let Some(to) = thread.and_then(|thread| thread.chat).or(told) else {
            return Ok(Err(self.words.no_addressee.to_owned()));
        };
        Ok(Recipient::parse(&to).map_err(|error| error.to_string()))
    }

    async fn send(&mut self, message: &AgentMessage) -> Result<Vec<Pair>, Stuck> {
        let session = self.row.session.clone();
        let answered = match message.in_reply_to {
            Some(id) => self.store().pair_by_message(session.clone(), id).await?,
            None => None,
        };
        let to = match self.recipient(message).await? {
            Ok(to) => to,
            Err(why) => {
                self.failed(message, &why).await?;
                return Ok(vec![]);
            }
        };
        let handle = match self.shared.manager.get(&session) {
            Ok(handle) => handle,
            Err(error) => {
                self.failed(message, &with_causes(&error)).await?;
                return Ok(vec![]);
            }
        };
        let mut pairs = vec![];
        let mut reply_to = answered.and_then(|pair| pair.message_id);
        for (n, part) in parts(self.text(message), message).iter().enumerate() {
            let mut key = format!(
                "chatwoot/{session}/{}/{}",
                self.row.config.account_id, message.id
            );
            if n > 0 {
                key = format!("{key}/{n}");
            }
            let asked = NewMessage {
                reply_to: reply_to.take(),
                // The same call twice, also after a crash, is the same message, whatever its file
                // is by then.
                asked: Some(key.clone()),
                idempotency_key: Some(key),
                ..NewMessage::text(to.clone(), part.text.clone())
            };
            match self.submit(asked, part, &handle).await {
                Ok(submitted) => pairs.push(Pair {
                    message: message.id,
                    conversation: message.conversation,
                    wire_id: submitted.message.wire_id,
                    from_me: true,
                    message_id: submitted.message.message_id,
                    revoked: false,
                }),
                Err(Error::Store(error)) => return Err(error.into()),
                // The agent reads why, and can send it again.
                Err(error) => {
                    self.failed(message, &with_causes(&error)).await?;
                    break;
                }
            }
        }
        Ok(pairs)
    }

    /// Submits one message; one that was accepted before is not made again.
    async fn submit(
        &self,
        mut asked: NewMessage,
        part: &Part<'_>,
        handle: &SessionHandle,
    ) -> Result<Submitted, Error> {
        if let Some(known) = handle.known(&asked).await? {
            return Ok(known);
        }
        asked.content = self.content(part, handle).await;
        handle.submit(asked).await
    }

    /// What an agent wrote, in WhatsApp's marks.
    fn text(&self, message: &AgentMessage) -> String {
        let content = to_whatsapp(&message.content);
        let config = &self.row.config;
        match message.agent.as_deref().filter(|_| config.sign_messages) {
            _ if content.trim().is_empty() => String::new(),
            Some(agent) => format!("*{}:*{}{content}", agent.trim(), config.sign_delimiter),
            None => content,
        }
    }

    async fn failed(&self, message: &AgentMessage, words: &str) -> Result<(), Stuck> {
        tracing::info!(session = %self.row.session, message = message.id, "an agent's message was not accepted");
        let told = self
            .api
            .set_message_status(message.conversation, message.id, "failed", Some(words))
            .await;
        match told {
            // It was deleted meanwhile, or is failed already.
            Err(ApiError::Missing { .. } | ApiError::Refused { .. }) => Ok(()),
            told => Ok(told?),
        }
    }

    /// Takes back what an agent deleted: before it left if possible, else on WhatsApp.
    async fn take_back(&mut self, message: i64, conversation: i64) -> Result<(), Stuck> {
        let session = self.row.session.clone();
        let pairs = self
            .store()
            .pairs_by_message(session.clone(), message)
            .await?;
        // The contact's own message is theirs to take back, and what is gone on WhatsApp was deleted
        // here by us.
        let ours = pairs.iter().filter(|pair| pair.from_me && !pair.revoked);
        let mut done = Ok(());
        for pair in ours {
            let taken = match self.shared.manager.get(&session) {
                Ok(handle) => handle.take_back(&pair.wire_id).await,
                Err(error) => Err(error),
            };
            done = done.and(taken);
        }
        if let Err(error) = done {
            tracing::info!(%session, %error, "a message that was deleted in Chatwoot was not taken back");
            let body = json!({"content": self.words.not_taken_back, "message_type": "outgoing", "private": true});
            let source_id = format!("{SOURCE_PREFIX}kept/{message}");
            unless_gone(self.put(conversation, &source_id, body, None).await)?;
        }
        Ok(())
    }

    /// What agents tell the bridge itself.
    async fn obey(&mut self, message: &AgentMessage) -> Result<(), Stuck> {
        let manager = &self.shared.manager;
        let session = manager.get(&self.row.session);
        let word = message
            .content
            .trim()
            .trim_start_matches(['/', '!'])
            .to_lowercase();
        let source_id = format!("{SOURCE_PREFIX}answer/{}", message.id);
        let outcome = match (word.as_str(), session) {
            ("qr", Ok(_)) => {
                let shown = self.show_qr(message.conversation, true, &source_id);
                return unless_gone(shown.await);
            }
            ("start", Ok(session)) => session.start().await.map(|info| info.state.to_string()),
            // Unlinked from the phone it was removed; the bridge is still there for it.
            ("start", Err(Error::SessionNotFound { .. })) => {
                let created = manager.create(self.row.session.clone(), SessionOptions::default());
                let created = created.await;
                created.map(|created| created.session.info().state.to_string())
            }
            ("stop", Ok(session)) => session.stop().await.map(|info| info.state.to_string()),
            ("status", Ok(session)) => {
                let info = session.info();
                Ok(match info.reason {
                    Some(reason) => format!("{}: {reason}", info.state),
                    None => info.state.to_string(),
                })
            }
            ("qr" | "stop" | "status", Err(error)) => Err(error),
            _ => Ok(self.words.commands.to_owned()),
        };
        let content = outcome.unwrap_or_else(|error| with_causes(&error));
        let body = json!({"content": content, "message_type": "incoming"});
        unless_gone(self.put(message.conversation, &source_id, body, None).await)
    }
}

/// A conversation that was deleted meanwhile needs no answer.
fn unless_gone<T>(outcome: Result<T, Stuck>) -> Result<(), Stuck> {
    match outcome {
        Err(Stuck::Api(ApiError::Missing { .. } | ApiError::Refused { .. })) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Shows on WhatsApp that an agent types. It passes by itself, so nothing comes of a failure.
pub(super) fn typing(shared: &Arc<Shared>, session: &SessionId, to: &Addressee, on: bool) {
    let Addressee::Chat(to) = to else {
        return;
    };
    let (Ok(to), Ok(handle)) = (Recipient::parse(to), shared.manager.get(session)) else {
        return;
    };
    tokio::spawn(async move {
        if let Err(error) = handle.show_typing(&to, on).await {
            tracing::debug!(%error, "typing was not shown");
        }
    });
}
