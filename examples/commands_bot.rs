//! Answers `!ping`, `!help`, `!info` and `!stats`, and a command of its own.
//!
//! ```text
//! cargo run -p zapnode-examples --example commands_bot
//! ```
//!
//! To add one, implement `Command` as `Roll` does here. On the simulated WhatsApp a simulated
//! friend tries them all and the bot ends; on the real one it runs until Ctrl-C.

use anyhow::Result;
use async_trait::async_trait;
use zapnode_examples::commands::{Call, Command, Commands};
use zapnode_examples::{Stage, bot};

/// `!roll 6`: a number from 1 to 6.
struct Roll;

#[async_trait]
impl Command for Roll {
    fn name(&self) -> &'static str {
        "roll"
    }

    fn help(&self) -> &'static str {
        "a number up to the one you say"
    }

    async fn run(&self, call: &Call<'_>) -> Result<String> {
        match call.arguments.parse() {
            Ok(sides @ 1..=1000) => Ok(format!("{}", fastrand::u32(1..=sides))),
            _ => Ok("Say how many sides the die has, as: !roll 6".to_owned()),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let stage = Stage::set("example").await?;
    let commands = Commands::usual().with(Roll);
    let cursor = stage.manager.events().latest();
    let asked = ["!ping", "!help", "!info", "!roll 6", "!stats"];
    let most = stage.friend_writes(&asked).await?;
    println!("Listening. Ctrl-C ends.");
    let answering = bot::answer(
        &stage.manager,
        &stage.session,
        cursor,
        most,
        async |message| commands.answer(&stage.session, message).await,
    );
    let result = answering.await;
    stage.strike().await;
    result
}
