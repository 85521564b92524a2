//! Sends one text.
//!
//! ```text
//! cargo run -p zapnode-examples --example send_text -- 5511912345678 "Olá!"
//! ```

use std::time::Duration;

use anyhow::Result;
use zapnode_core::PhoneNumber;
use zapnode_examples::Stage;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let to = arguments.next().unwrap_or("5511912345678".to_owned());
    let text = arguments.next().unwrap_or("Olá!".to_owned());
    let to = PhoneNumber::new(&to)?;

    let stage = Stage::set("example").await?;
    let sent = stage
        .session
        .send_text(to.clone(), &text, Duration::from_secs(10))
        .await?;
    println!("Sent as {} ({:?}).", sent.id, sent.ack);

    if let Some(sandbox) = &stage.sandbox {
        let arrived = sandbox
            .phone(&to)
            .wait_for_message(|m| m.text == text, Duration::from_secs(10))
            .await?;
        println!("The simulated phone {to} shows: {}", arrived.text);
    }
    stage.strike().await;
    Ok(())
}
