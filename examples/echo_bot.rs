//! Answers every text with the same text.
//!
//! ```text
//! cargo run -p zapnode-examples --example echo_bot
//! ```
//!
//! On the simulated WhatsApp a simulated friend writes first and the bot ends after its answer;
//! on the real one it runs until Ctrl-C.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::broadcast::error::RecvError;
use zapnode_core::PhoneNumber;
use zapnode_core::event::EventKind;
use zapnode_core::message::IncomingMessage;
use zapnode_examples::{OWN_NUMBER, Stage};

#[tokio::main]
async fn main() -> Result<()> {
    let stage = Stage::set("example").await?;
    let mut events = stage.manager.events();
    if let Some(sandbox) = &stage.sandbox {
        let friend = sandbox.phone(&PhoneNumber::new("5511912345678")?);
        friend.send(&PhoneNumber::new(OWN_NUMBER)?, "Oi!").await?;
    }
    println!("Listening. Ctrl-C ends.");
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => {
                    if let EventKind::Message(message) = event.kind
                        && answer(&stage, &message).await?
                        && stage.sandbox.is_some()
                    {
                        break;
                    }
                }
                Err(RecvError::Lagged(missed)) => println!("{missed} events came too fast."),
                Err(RecvError::Closed) => break,
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    stage.strike().await;
    Ok(())
}

/// Answers a text from somebody else in a chat with one person. Says whether it did.
async fn answer(stage: &Stage, message: &IncomingMessage) -> Result<bool> {
    let Some(text) = message.text.as_deref() else {
        return Ok(false);
    };
    if message.from_me || message.chat.is_group() {
        return Ok(false);
    }
    println!("{}: {text}", message.name.as_deref().unwrap_or("somebody"));
    let wait = Duration::from_secs(10);
    stage
        .session
        .send_text(message.chat.clone(), text, wait)
        .await?;
    println!("me: {text}");
    Ok(true)
}
