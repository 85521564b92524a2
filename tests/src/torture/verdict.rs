//! Compares what was accepted with what is on the phones and what the API says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use zapnode_core::PhoneNumber;
use zapnode_core::sandbox::PhoneMessage;

use super::stage::{Stage, name};
use super::tally::Tally;
use super::traffic::Outcome;
use super::{CHATS, CLIENTS, SESSIONS};
use crate::PATIENCE;

/// How long what was accepted may take to be on the phone once everything is whole again.
const ARRIVES_WITHIN: Duration = Duration::from_secs(180);

pub(super) async fn pronounce(
    stage: &Stage,
    outcomes: Vec<Outcome>,
    tally: &mut Tally,
) -> Result<()> {
    count(&outcomes, tally);
    let accepted: Vec<_> = outcomes.iter().filter(|o| o.accepted.is_some()).collect();
    let end = Instant::now() + ARRIVES_WITHIN;
    for outcome in &accepted {
        let (to, text) = (outcome.request.to(), outcome.request.text());
        let phone = stage.sandbox.phone(&PhoneNumber::new(&to)?);
        let left = end.saturating_duration_since(Instant::now());
        let arrived = phone.wait_for_message(|m| m.text == text, left).await;
        if arrived.is_err() {
            tally.losses += 1;
            let id = outcome.accepted.as_deref().unwrap_or_default();
            let path = format!("/messages/{id}");
            let told = stage.daemon.client().get(&path).await?.json();
            tally
                .violations
                .push(format!("lost: {text:?}; the API says {told}"));
        }
    }
    on_the_phones(stage, &accepted, tally)?;
    by_the_api(stage, accepted.len(), tally).await
}

fn count(outcomes: &[Outcome], tally: &mut Tally) {
    for outcome in outcomes {
        match outcome.accepted {
            Some(_) => tally.accepted += 1,
            None => tally.refused += 1,
        }
        tally.repeats += outcome.repeats;
        for (code, times) in &outcome.refusals {
            *tally.refusals.entry(code.clone()).or_default() += times;
        }
        tally.violations.extend(outcome.violations.iter().cloned());
    }
}

/// Each once, in order, and nothing else.
fn on_the_phones(stage: &Stage, accepted: &[&Outcome], tally: &mut Tally) -> Result<()> {
    let mut expected: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for outcome in accepted {
        let chat = expected.entry(outcome.request.to()).or_default();
        chat.push(outcome.request.text());
    }
    for (session, client, chat) in chats() {
        let to = format!("5511912340{session}{client}{chat}");
        let phone = stage.sandbox.phone(&PhoneNumber::new(&to)?);
        let messages = phone.messages();
        let received: Vec<PhoneMessage> = messages.into_iter().filter(|m| !m.from_me).collect();
        let wanted = expected.remove(&to).unwrap_or_default();
        compare(&to, &received, &wanted, tally);
    }
    Ok(())
}

fn chats() -> impl Iterator<Item = (usize, usize, usize)> {
    (0..SESSIONS).flat_map(|session| {
        (0..CLIENTS).flat_map(move |client| (0..CHATS).map(move |chat| (session, client, chat)))
    })
}

fn compare(to: &str, received: &[PhoneMessage], wanted: &[String], tally: &mut Tally) {
    let mut seen = BTreeSet::new();
    let mut order = Vec::new();
    for message in received {
        tally.handed_again += message.deliveries.saturating_sub(1) as usize;
        if message.unknown_sender {
            let violation = format!("{to} sees {:?} as from nobody", message.text);
            tally.violations.push(violation);
        }
        if !wanted.contains(&message.text) {
            tally.ghosts += 1;
            let text: String = message.text.chars().take(60).collect();
            let violation = format!("{to} has what was refused: {text:?}");
            tally.violations.push(violation);
        } else if seen.insert(&message.text) {
            order.push(&message.text);
        } else {
            tally.duplicates += 1;
            let violation = format!("{to} has twice: {:?}", message.text);
            tally.violations.push(violation);
        }
    }
    let kept: Vec<_> = wanted.iter().filter(|text| seen.contains(text)).collect();
    if order != kept {
        tally.disorders += 1;
        let violation = format!("{to} is out of order: {order:?} instead of {kept:?}");
        tally.violations.push(violation);
    }
}

/// The history has each accepted message once, delivered.
async fn by_the_api(stage: &Stage, accepted: usize, tally: &mut Tally) -> Result<()> {
    let mut looks = tokio::time::interval(Duration::from_millis(250));
    let end = Instant::now() + PATIENCE;
    loop {
        looks.tick().await;
        let mut states: BTreeMap<String, usize> = BTreeMap::new();
        let mut behind = Vec::new();
        for session in 0..SESSIONS {
            count_states(stage, session, &mut states, &mut behind).await?;
        }
        let delivered = states.get("delivered").copied().unwrap_or_default();
        if states.len() == 1 && delivered == accepted {
            return Ok(());
        }
        if Instant::now() > end {
            let violation = format!("{accepted} were accepted; the API says {states:?}");
            tally.violations.push(violation);
            tally.violations.extend(behind);
            return Ok(());
        }
    }
}

async fn count_states(
    stage: &Stage,
    session: usize,
    states: &mut BTreeMap<String, usize>,
    behind: &mut Vec<String>,
) -> Result<()> {
    let mut cursor = String::new();
    loop {
        let id = name(session);
        let path = format!("/sessions/{id}/messages?direction=out&limit=500{cursor}");
        let page = stage.daemon.client().get(&path).await?.expect(200)?;
        let messages = page["messages"].as_array().context("messages")?;
        for message in messages {
            let state = message["state"].as_str().unwrap_or_default();
            if state != "delivered" {
                behind.push(format!("not delivered by the API: {message}"));
            }
            *states.entry(state.to_owned()).or_default() += 1;
        }
        match page["nextCursor"].as_i64() {
            Some(next) if !messages.is_empty() => cursor = format!("&cursor={next}"),
            _ => return Ok(()),
        }
    }
}
