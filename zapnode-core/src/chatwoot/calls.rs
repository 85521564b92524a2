//! What agents did: their messages out to WhatsApp, their deletions, their commands.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::api::ApiError;
use super::bridge::{Bridge, Stuck};
use super::format::to_whatsapp;
use super::incoming::{Addressee, AgentMessage, Attachment, Verdict, judge};
use super::{Shared, belongs};
use crate::error::{Error, with_causes};
use crate::id::SessionId;
use crate::message::Recipient;
use crate::outbox::NewMessage;
use crate::session::SessionHandle;
use crate::store::{Call, Pair};

impl Bridge {
    /// Deals with every call that is open.
    pub(super) async fn calls(&mut self) -> Result<(), Stuck> {
        let session = self.row.session.clone();
        while let Some(call) = self.store().open_call(session.clone()).await? {
            let pair = self.call(&call).await?;
            self.store()
                .call_done(session.clone(), call.seq, pair)
                .await?;
        }
        Ok(())
    }

    async fn call(&mut self, call: &Call) -> Result<Option<Pair>, Stuck> {
        let body: Map<String, Value> = serde_json::from_str(&call.body).unwrap_or_default();
        match judge(&body, &belongs(&self.row)) {
            Verdict::Send(message) => match message.to.clone() {
                Addressee::System => {
                    self.obey(&message).await?;
                    Ok(None)
                }
                Addressee::Chat(to) => self.send(&message, &to).await,
            },
            Verdict::Delete {
                message,
                conversation,
            } => {
                self.take_back(message, conversation).await?;
                Ok(None)
            }
            Verdict::Ignore(_) | Verdict::Typing { .. } => Ok(None),
        }
    }

    async fn send(&mut self, message: &AgentMessage, to: &str) -> Result<Option<Pair>, Stuck> {
        let session = self.row.session.clone();
        let answered = match message.in_reply_to {
            Some(id) => self.store().pair_by_message(session.clone(), id).await?,
            None => None,
        };
        let to = match Recipient::parse(to) {
            Ok(to) => to,
            Err(error) => {
                self.failed(message, &error.to_string()).await?;
                return Ok(None);
            }
        };
        let new = NewMessage {
            reply_to: answered.and_then(|pair| pair.message_id),
            // The same call twice, also after a crash, is the same message.
            idempotency_key: Some(format!(
                "chatwoot/{session}/{}/{}",
                self.row.config.account_id, message.id
            )),
            ..NewMessage::text(to, self.text(message))
        };
        let submitted = match self.shared.manager.get(&session) {
            Ok(handle) => handle.submit(new).await,
            Err(error) => Err(error),
        };
        match submitted {
            Ok(submitted) => Ok(Some(Pair {
                message: message.id,
                conversation: message.conversation,
                wire_id: submitted.message.wire_id,
                from_me: true,
                message_id: submitted.message.message_id,
            })),
            Err(Error::Store(error)) => Err(error.into()),
            // The agent reads why, and can send it again.
            Err(error) => {
                self.failed(message, &with_causes(&error)).await?;
                Ok(None)
            }
        }
    }

    fn text(&self, message: &AgentMessage) -> String {
        let mut lines = Vec::new();
        let content = to_whatsapp(&message.content);
        if !content.trim().is_empty() {
            let config = &self.row.config;
            lines.push(
                match message.agent.as_deref().filter(|_| config.sign_messages) {
                    Some(agent) => format!("*{}:*{}{content}", agent.trim(), config.sign_delimiter),
                    None => content,
                },
            );
        }
        lines.extend(message.attachments.iter().filter_map(as_text));
        lines.join("\n")
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
        let Some(pair) = self
            .store()
            .pair_by_message(session.clone(), message)
            .await?
        else {
            return Ok(());
        };
        // The contact's own message is theirs to take back.
        if !pair.from_me {
            return Ok(());
        }
        let done = match self.shared.manager.get(&session) {
            Ok(handle) => take_back(&handle, &pair).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::info!(%session, %error, "a message that was deleted in Chatwoot was not taken back");
            let body = json!({"content": self.words.not_taken_back, "message_type": "outgoing", "private": true});
            self.api.push(conversation, body, None).await?;
        }
        Ok(())
    }

    /// What agents tell the bridge itself.
    async fn obey(&mut self, message: &AgentMessage) -> Result<(), Stuck> {
        let session = self.shared.manager.get(&self.row.session);
        let word = message
            .content
            .trim()
            .trim_start_matches(['/', '!'])
            .to_lowercase();
        let outcome = match (word.as_str(), session) {
            ("qr", Ok(_)) => return self.show_qr(message.conversation, true).await,
            ("start", Ok(session)) => session.start().await.map(|info| info.state.to_string()),
            ("stop", Ok(session)) => session.stop().await.map(|info| info.state.to_string()),
            ("status", Ok(session)) => {
                let info = session.info();
                Ok(match info.reason {
                    Some(reason) => format!("{}: {reason}", info.state),
                    None => info.state.to_string(),
                })
            }
            (_, Err(error)) => Err(error),
            _ => Ok(self.words.commands.to_owned()),
        };
        let content = outcome.unwrap_or_else(|error| with_causes(&error));
        let body = json!({"content": content, "message_type": "incoming"});
        self.api.push(message.conversation, body, None).await?;
        Ok(())
    }
}

async fn take_back(session: &SessionHandle, pair: &Pair) -> Result<(), Error> {
    session.take_back(&pair.wire_id).await
}

/// A file as a text: its link, or the place it names.
fn as_text(attachment: &Attachment) -> Option<String> {
    match (&attachment.place, &attachment.url) {
        (Some((latitude, longitude)), _) => {
            let title = attachment.title.as_deref().unwrap_or_default();
            let link = format!("https://maps.google.com/?q={latitude},{longitude}");
            Some(format!("{title} {link}").trim().to_owned())
        }
        (None, Some(url)) => Some(url.clone()),
        (None, None) => attachment.title.clone(),
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
