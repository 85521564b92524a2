//! Answers through a language model, with the last 10 messages of the chat as context.
//!
//! ```text
//! OPENAI_API_KEY=sk-… OPENAI_MODEL=gpt-4o-mini cargo run -p zapnode-examples --example ai_reply
//! OPENAI_BASE_URL=http://127.0.0.1:11434/v1 OPENAI_MODEL=llama3.2 cargo run …
//! ```
//!
//! Any endpoint of OpenAI's shape works. On the simulated WhatsApp a simulated friend asks
//! something and the bot ends after its answer; on the real one it runs until Ctrl-C.

use std::env;

use anyhow::{Context, Result};
use zapnode_examples::ai::Assistant;
use zapnode_examples::{Stage, bot};

#[tokio::main]
async fn main() -> Result<()> {
    let base_url = env::var("OPENAI_BASE_URL");
    let base_url = base_url.unwrap_or("https://api.openai.com/v1".to_owned());
    let model = env::var("OPENAI_MODEL").context("OPENAI_MODEL says which model answers")?;
    let assistant = Assistant::new(&base_url, env::var("OPENAI_API_KEY").ok(), &model);

    let stage = Stage::set("example").await?;
    let cursor = stage.manager.events().latest();
    let most = stage
        .friend_writes(&["Qual é a capital de Angola?"])
        .await?;
    println!("Listening. Ctrl-C ends.");
    let answering = bot::answer(
        &stage.manager,
        &stage.session,
        cursor,
        most,
        async |message| {
            let answer = assistant.answer(&stage.session, &message.chat_id).await;
            Ok(Some(answer.unwrap_or_else(|error| {
                println!("No answer: {error:#}");
                "Sorry, I cannot answer just now.".to_owned()
            })))
        },
    );
    let result = answering.await;
    stage.strike().await;
    result
}
