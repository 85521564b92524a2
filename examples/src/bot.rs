//! A bot: reads what is told, and answers it.

use std::pin::pin;
use std::time::Duration;

use anyhow::Result;
use futures_util::StreamExt;
use zapnode_core::event::{EventKind, EventName, Filter, MessagePayload, ReadError};
use zapnode_core::outbox::{MessageState, NewMessage};
use zapnode_core::{Error, SessionHandle, SessionManager};

/// How long WhatsApp's server is waited for; an answer it does not have by then goes on by itself.
const SENT_WITHIN: Duration = Duration::from_secs(10);

/// Answers texts in chats with one person, from the event after `cursor` on, with what `reply`
/// gives, if it gives anything. Ends at Ctrl-C, or after `most` answers.
///
/// Each answer has the event's id as its idempotency key: a bot that is killed and goes on from an
/// older cursor answers nobody twice.
pub async fn answer(
    manager: &SessionManager,
    session: &SessionHandle,
    cursor: i64,
    most: Option<usize>,
    mut reply: impl AsyncFnMut(&MessagePayload) -> Result<Option<String>>,
) -> Result<()> {
    let filter = Filter::session(session.id().clone()).names([EventName::Message]);
    let mut events = manager.events().select(cursor, filter);
    let mut ctrl_c = pin!(tokio::signal::ctrl_c());
    let mut answered = 0;
    while most.is_none_or(|most| answered < most) {
        let event = tokio::select! {
            event = events.next() => event,
            _ = &mut ctrl_c => break,
        };
        let event = match event {
            Some(Ok(event)) => event,
            Some(Err(ReadError::Gap(gap))) => {
                println!("Missed some: {gap}.");
                continue;
            }
            Some(Err(error)) => return Err(error.into()),
            None => break,
        };
        let EventKind::Message(message) = &event.kind else {
            continue;
        };
        if message.chat_id.is_group() || message.body.is_none() {
            continue;
        }
        let text = tokio::select! {
            text = reply(message) => text?,
            _ = &mut ctrl_c => break,
        };
        if let Some(text) = text {
            let new = NewMessage {
                idempotency_key: Some(event.id.to_string()),
                ..NewMessage::text(message.chat_id.clone(), text)
            };
            match session
                .submit_and_wait(new, MessageState::Sent, SENT_WITHIN)
                .await
            {
                Ok(sent) => println!("me: {}", sent.message.text.unwrap_or_default()),
                // Answered by an earlier run, in other words.
                Err(Error::IdempotencyMismatch) => {}
                Err(error) => return Err(error.into()),
            }
            answered += 1;
        }
    }
    Ok(())
}
