//! Steady traffic both ways for a long time, with the memory of the daemon each minute: what grows
//! without end shows as a slope.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{Client, PATIENCE, Scene};

/// How many sessions there are.
pub const SESSIONS: usize = 3;

/// The pause between two rounds; in each, every session sends one message and gets one.
const ROUND: Duration = Duration::from_millis(500);

/// What the daemon may grow by for good, in MB, whatever the length: its caches fill up.
const ALLOWANCE_MB: f64 = 8.0;

/// And in MB a minute, once warm.
const SLOPE_MB: f64 = 0.1;

/// The part of a run after which the daemon counts as warm.
const WARM_AFTER: f64 = 0.2;

/// A look at the daemon's memory.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When.
    pub at: Duration,
    /// What it has to itself and its share of what it shares, in MB.
    pub pss: f64,
    /// What is resident, in MB.
    pub rss: f64,
}

/// The figures of a run.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Each minute, and at the end.
    pub samples: Vec<Sample>,
    /// How many messages went out and were delivered.
    pub sent: usize,
    /// How many came in and were stored.
    pub received: usize,
}

impl Figures {
    fn warm(&self) -> &[Sample] {
        let end = self.samples.last().map_or(Duration::ZERO, |last| last.at);
        let from = end.mul_f64(WARM_AFTER);
        let first = self.samples.iter().position(|sample| sample.at >= from);
        &self.samples[first.unwrap_or(0)..]
    }

    /// By how much the warm daemon grows, in MB a minute: the line of least squares.
    pub fn slope(&self) -> f64 {
        let warm = self.warm();
        let count = warm.len().max(1) as f64;
        let minutes = |sample: &Sample| sample.at.as_secs_f64() / 60.0;
        let mid_at = warm.iter().map(minutes).sum::<f64>() / count;
        let mid_pss = warm.iter().map(|sample| sample.pss).sum::<f64>() / count;
        let spread = |sample: &Sample| minutes(sample) - mid_at;
        let above = warm.iter().map(|s| spread(s) * (s.pss - mid_pss));
        let below: f64 = warm.iter().map(|s| spread(s).powi(2)).sum();
        if below == 0.0 {
            return 0.0;
        }
        above.sum::<f64>() / below
    }

    /// Whether it grew by no more than it may: from the first warm look to the last by the
    /// allowance, and by the slope's share of the time beyond it.
    pub fn is_flat(&self) -> bool {
        let (Some(first), Some(last)) = (self.warm().first(), self.warm().last()) else {
            return false;
        };
        let minutes = (last.at - first.at).as_secs_f64() / 60.0;
        last.pss - first.pss <= ALLOWANCE_MB + SLOPE_MB * minutes
            && (minutes < 10.0 || self.slope() <= SLOPE_MB + ALLOWANCE_MB / minutes)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(first), Some(last)) = (self.samples.first(), self.samples.last()) else {
            return f.write_str("no figures");
        };
        write!(
            f,
            "{} s, {} sent, {} received on {SESSIONS} sessions; daemon's PSS {:.1} MB at the start, \
             {:.1} MB warm, {:.1} MB at the end (RSS {:.1} MB), slope {:+.3} MB a minute: {}",
            last.at.as_secs(),
            self.sent,
            self.received,
            first.pss,
            self.warm().first().map_or(0.0, |sample| sample.pss),
            last.pss,
            last.rss,
            self.slope(),
            if self.is_flat() { "flat" } else { "GROWS" }
        )
    }
}

/// Plays it for so long, and tells each look.
///
/// # Errors
/// When a message is refused or lost, or a session is not ready at the end.
pub async fn run(lasts: Duration, look: impl Fn(&Sample)) -> Result<Figures> {
    let scene = Scene::new().await?;
    let mut daemon = scene.daemon().await?;
    for session in 0..SESSIONS {
        scene
            .link(daemon.client(), &name(session), &account(session))
            .await?;
    }
    let mut figures = Figures {
        samples: Vec::new(),
        sent: 0,
        received: 0,
    };
    let begun = Instant::now();
    let mut rounds = tokio::time::interval(ROUND);
    let mut next_look = Duration::ZERO;
    while begun.elapsed() < lasts {
        rounds.tick().await;
        if begun.elapsed() >= next_look {
            let sample = sample(daemon.pid(), begun.elapsed())?;
            look(&sample);
            figures.samples.push(sample);
            next_look += Duration::from_secs(60).min(lasts / 10);
        }
        for session in 0..SESSIONS {
            let text = format!("nº {}", figures.sent);
            send(daemon.client(), session, &text).await?;
            figures.sent += 1;
            let from = scene.phone(&friend(session))?;
            from.send(&account(session).parse()?, &text).await?;
            figures.received += 1;
        }
    }
    all_there(&scene, daemon.client(), &figures).await?;
    let last = sample(daemon.pid(), begun.elapsed())?;
    look(&last);
    figures.samples.push(last);
    daemon.stop().await?;
    Ok(figures)
}

fn name(session: usize) -> String {
    format!("s{session}")
}

fn account(session: usize) -> String {
    format!("24492978242{session}")
}

fn friend(session: usize) -> String {
    format!("55119123420{session}")
}

async fn send(client: &Client, session: usize, text: &str) -> Result<()> {
    let body = json!({"phoneNumber": friend(session), "message": text});
    let path = format!("/sessions/{}/send", name(session));
    let answer = client.post(&path, body).await?;
    ensure!(answer.status.is_success(), "{}", answer.json());
    Ok(())
}

/// Everything has arrived, on the phones and in the daemon's store.
async fn all_there(scene: &Scene, client: &Client, figures: &Figures) -> Result<()> {
    for session in 0..SESSIONS {
        let last = format!("nº {}", figures.sent - SESSIONS + session);
        scene.arrives(&friend(session), &last).await?;
        let id = name(session);
        let stored = async {
            let mut looks = tokio::time::interval(Duration::from_millis(100));
            loop {
                looks.tick().await;
                let path = format!("/sessions/{id}/messages?direction=in&limit=1");
                let page = client.get(&path).await?.expect(200)?;
                if page["messages"][0]["text"] == last.as_str() {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::time::timeout(PATIENCE, stored)
            .await
            .with_context(|| format!("{last} did not come in on {id}"))??;
        let phone = scene.phone(&friend(session))?.messages();
        let came = phone.iter().filter(|message| !message.from_me).count();
        ensure!(
            came == figures.sent / SESSIONS,
            "{came} arrived on {id}'s friend"
        );
    }
    Ok(())
}

/// Reads it from the kernel.
fn sample(pid: u32, at: Duration) -> Result<Sample> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    let megabytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        number.map(|kilobytes| kilobytes / 1024.0)
    };
    Ok(Sample {
        at,
        pss: megabytes("Pss:").with_context(|| format!("no Pss in {path}"))?,
        rss: megabytes("Rss:").with_context(|| format!("no Rss in {path}"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(pss: impl Fn(u64) -> f64) -> Figures {
        let sample = |minute| Sample {
            at: Duration::from_secs(60 * minute),
            pss: pss(minute),
            rss: 0.0,
        };
        Figures {
            samples: (0..=30).map(sample).collect(),
            sent: 0,
            received: 0,
        }
    }

    #[test]
    fn what_fills_up_is_flat_and_what_leaks_is_not() {
        let warms_up = figures(|minute| 60.0 - 30.0 / (1.0 + minute as f64));
        assert!(warms_up.is_flat(), "{warms_up}");
        let leaks = figures(|minute| 30.0 + minute as f64);
        assert!(
            !leaks.is_flat() && (leaks.slope() - 1.0).abs() < 1e-9,
            "{leaks}"
        );
        let shrinks = figures(|minute| 60.0 - minute as f64);
        assert!(shrinks.is_flat() && shrinks.slope() < 0.0, "{shrinks}");
    }
}
