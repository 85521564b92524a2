//! Answers every text with the same text.
//!
//! ```text
//! cargo run -p zapnode-examples --example echo_bot
//! ```
//!
//! On the simulated WhatsApp a simulated friend writes first and the bot ends after its answer;
//! on the real one it runs until Ctrl-C.

use anyhow::Result;
use zapnode_examples::{Stage, bot};

#[tokio::main]
async fn main() -> Result<()> {
    let stage = Stage::set("example").await?;
    // From now on: what came before this run is not answered.
    let cursor = stage.manager.events().latest();
    let most = stage.friend_writes(&["Oi!"]).await?;
    println!("Listening. Ctrl-C ends.");
    let echoing = bot::answer(
        &stage.manager,
        &stage.session,
        cursor,
        most,
        async |message| {
            let name = message.notify_name.as_deref().unwrap_or("somebody");
            let text = message.body.clone();
            println!("{name}: {}", text.as_deref().unwrap_or_default());
            Ok(text)
        },
    );
    let result = echoing.await;
    stage.strike().await;
    result
}
