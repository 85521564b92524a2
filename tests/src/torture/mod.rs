//! Proof by abuse: clients write to people through three sessions while everything that can break is
//! broken at random moments. Afterwards every message that was accepted is on its phone exactly once
//! and in order, what was refused is nowhere, and every session is ready again by itself.
//!
//! The same seed draws the same plan: which faults, on whom, in which order, how long after which
//! sends. What the machine makes of it in between is its own.
//!
//! ```text
//!  plan ──► blows ────────► stage: sandbox, daemon, three Chromes, a small disk, a clock
//!   └─────► requests ─────► traffic: four clients that repeat what was not answered
//!                            └──► verdict: phones and API compared with what was accepted
//! ```

mod blows;
mod machine;
mod plan;
mod stage;
mod tally;
mod traffic;
mod verdict;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

pub use machine::Machine;
pub use plan::{Kind, Plan};
pub use tally::Tally;

use stage::Stage;
use traffic::Traffic;

/// How many sessions there are.
pub const SESSIONS: usize = 3;
/// How many clients write at the same time, each to chats of its own.
pub const CLIENTS: usize = 4;
/// To how many chats a client writes through each session.
pub const CHATS: usize = 2;

/// How hard it gets.
#[derive(Clone, Debug)]
pub struct Options {
    /// Draws the plan.
    pub seed: u64,
    /// How many faults.
    pub faults: usize,
    /// How many sends.
    pub sends: usize,
    /// How long a stopped Chrome stands still.
    pub freeze: Duration,
    /// Says each step on the error output.
    pub aloud: bool,
    /// Gets what the daemons said.
    pub log: Option<PathBuf>,
}

/// Plays it through.
///
/// # Errors
/// When the play itself cannot go on, as when the daemon does not come up again. What the product
/// did wrong is in [`Tally::violations`].
pub async fn run(options: &Options) -> Result<Tally> {
    let begun = Instant::now();
    let mut stage = Stage::set(options).await?;
    let plan = Plan::draw(options, stage.machine());
    stage.say(format_args!("seed {}: {plan}", options.seed));
    let mut traffic = Traffic::open(stage.town(), plan.requests.clone());

    for (n, blow) in plan.blows.iter().enumerate() {
        if blow.waits {
            stage.until_recovered(blow.kind, blow.session).await?;
        }
        let after = if blow.kind.lasts() { blow.sends / 2 } else { 0 };
        traffic.let_through(blow.sends - after);
        // The random moment: anything may be under way when it falls.
        tokio::time::sleep(blow.moment).await;
        stage.say(format_args!("{:>3}/{} {blow}", n + 1, plan.blows.len()));
        stage.strike(blow).await?;
        traffic.let_through(after);
    }

    stage.peace().await?;
    let outcomes = traffic.finish().await?;
    stage.until_all_ready().await?;
    let mut tally = Tally::new(options, &plan);
    verdict::pronounce(&stage, outcomes, &mut tally).await?;
    stage.leave(&mut tally).await?;
    tally.took = begun.elapsed();
    Ok(tally)
}
