//! The clients: each sends one message after the other, and repeats under the same key what was not
//! answered, until it is accepted or refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hyper::{Method, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::CLIENTS;
use super::plan::{Request, Twist};
use super::stage::{RECOVERS_WITHIN, Town, name};
use crate::{Answer, Client};

/// How long a client insists on an answer.
const INSISTS_FOR: Duration = Duration::from_secs(600);

/// What became of a request.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) request: Request,
    /// Our own id of it, if it was accepted.
    pub(super) accepted: Option<String>,
    /// How often it was asked again because no answer came, or a refusal that may pass.
    pub(super) repeats: usize,
    /// The codes of what was refused on the way.
    pub(super) refusals: BTreeMap<String, usize>,
    /// What should not have been.
    pub(super) violations: Vec<String>,
}

/// The clients and what they have to do.
pub(super) struct Traffic {
    waiting: std::vec::IntoIter<Request>,
    queues: Vec<mpsc::UnboundedSender<Request>>,
    clients: JoinSet<Result<Vec<Outcome>>>,
}

impl Traffic {
    pub(super) fn open(town: Arc<Town>, requests: Vec<Request>) -> Self {
        let mut clients = JoinSet::new();
        let mut queues = Vec::new();
        for _ in 0..CLIENTS {
            let (queue, mut todo) = mpsc::unbounded_channel::<Request>();
            queues.push(queue);
            let town = Arc::clone(&town);
            clients.spawn(async move {
                let mut outcomes = Vec::new();
                while let Some(request) = todo.recv().await {
                    let n = request.n;
                    let outcome = tokio::time::timeout(INSISTS_FOR, serve(&town, request)).await;
                    let outcome = outcome.with_context(|| format!("{n} was not answered"))?;
                    outcomes.push(outcome.with_context(|| format!("request {n}"))?);
                }
                Ok(outcomes)
            });
        }
        Self {
            waiting: requests.into_iter(),
            queues,
            clients,
        }
    }

    /// Gives the clients so many more.
    pub(super) fn let_through(&mut self, sends: usize) {
        for request in self.waiting.by_ref().take(sends) {
            // A client that is gone has an error to tell, which `finish` hears.
            let _ = self.queues[request.client].send(request);
        }
    }

    /// Waits until all is answered.
    pub(super) async fn finish(mut self) -> Result<Vec<Outcome>> {
        self.let_through(usize::MAX);
        self.queues.clear();
        let mut all = Vec::new();
        while let Some(client) = self.clients.join_next().await {
            all.extend(client??);
        }
        all.sort_by_key(|outcome| outcome.request.n);
        Ok(all)
    }
}

async fn serve(town: &Town, request: Request) -> Result<Outcome> {
    let text = request.text();
    let mut outcome = Outcome {
        accepted: None,
        repeats: 0,
        refusals: BTreeMap::new(),
        violations: Vec::new(),
        request,
    };
    insist(town, &mut outcome, &text).await?;
    let request = outcome.request.clone();
    match (request.twist, outcome.accepted.clone()) {
        (Twist::TooLong, Some(_)) => {
            let violation = format!("{} is too long and was accepted", request.n);
            outcome.violations.push(violation);
        }
        (Twist::Again, Some(first)) => {
            insist(town, &mut outcome, &text).await?;
            if outcome.accepted.as_ref() != Some(&first) {
                let violation = format!("{} got another id when repeated", request.n);
                outcome.violations.push(violation);
            }
        }
        (Twist::OtherText, Some(first)) => {
            outcome.accepted = None;
            insist(town, &mut outcome, &format!("{text}, but other")).await?;
            if outcome.accepted.is_some() {
                let violation = format!("{} was accepted with another text", request.n);
                outcome.violations.push(violation);
            }
            outcome.accepted = Some(first);
        }
        _ => {}
    }
    Ok(outcome)
}

/// Asks until there is an answer that settles it. Sets [`Outcome::accepted`] if that is a yes.
async fn insist(town: &Town, outcome: &mut Outcome, text: &str) -> Result<()> {
    // An earlier call may have been accepted without our hearing of it.
    let mut in_doubt = false;
    let begun = Instant::now();
    loop {
        ensure!(begun.elapsed() < INSISTS_FOR, "asked for {INSISTS_FOR:?}");
        let client = town.client();
        let Ok(answer) = post(&client, &outcome.request, text).await else {
            in_doubt = true;
            outcome.repeats += 1;
            town.another_than(&client).await;
            continue;
        };
        if answer.status.is_success() {
            let id = answer.json()["id"].as_str().map(str::to_owned);
            outcome.accepted = Some(id.context("an id")?);
            return Ok(());
        }
        let code = answer.code();
        *outcome.refusals.entry(code.clone()).or_default() += 1;
        match (answer.status, code.as_str()) {
            (StatusCode::BAD_REQUEST, "invalid_request")
            | (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch") => return Ok(()),
            (StatusCode::INSUFFICIENT_STORAGE, "storage_full") => {
                if outcome.request.gives_up && !in_doubt {
                    return Ok(());
                }
                let mut full = town.disk_full.subscribe();
                full.wait_for(|full| !full).await?;
            }
            (StatusCode::SERVICE_UNAVAILABLE, "session_not_ready") => {
                let id = name(outcome.request.session);
                let ready = client.session_until(&id, RECOVERS_WITHIN, |s| s["isReady"] == true);
                // Killed meanwhile, it is asked for on the next daemon.
                if ready.await.is_err() {
                    town.another_than(&client).await;
                }
            }
            // Said to have failed, it must be nowhere; but nothing here is a reason to fail.
            _ => {
                let told = format!("{}: {}", answer.status, answer.json());
                let n = outcome.request.n;
                outcome.violations.push(format!("{n} was answered {told}"));
                return Ok(());
            }
        }
        outcome.repeats += 1;
    }
}

async fn post(client: &Client, request: &Request, text: &str) -> Result<Answer> {
    let mut body = json!({"phoneNumber": request.to(), "message": text});
    if !request.until_sent {
        body["waitFor"] = json!("accepted");
    }
    let path = format!("/sessions/{}/send", name(request.session));
    let key = format!("torture-{}", request.n);
    let headers = [("idempotency-key", key.as_str())];
    let body = Some(body.to_string().into());
    client.request(Method::POST, &path, body, &headers).await
}
