//! The webhook of an API inbox: one try, 5 seconds, and a message that could not be told is failed.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::sync::mpsc;

use super::{HOOK_SECRET, Shared};

/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// One webhook call.
#[derive(Clone, Debug)]
pub struct HookCall {
    /// Where to.
    pub url: String,
    /// What.
    pub body: String,
    /// Its `X-Chatwoot-Delivery`.
    pub delivery: String,
    /// The message that it is about.
    pub message: Option<i64>,
}

/// Sends them one after another, as its job queue does for one inbox at low load.
pub(super) async fn send_all(shared: Arc<Shared>, mut calls: mpsc::UnboundedReceiver<HookCall>) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    while let Some(call) = calls.recv().await {
        let signed = !shared.faults().unsigned;
        let outcome = match request(&call, signed) {
            Err(error) => Err(error.to_string()),
            Ok(request) => {
                let answer = async {
                    let answer = client.request(request).await.map_err(|e| e.to_string())?;
                    let status = answer.status().as_u16();
                    answer
                        .into_body()
                        .collect()
                        .await
                        .map_err(|e| e.to_string())?;
                    Ok(status)
                };
                match tokio::time::timeout(PATIENCE, answer).await {
                    Ok(outcome) => outcome,
                    Err(_) => Err("execution expired".to_owned()),
                }
            }
        };
        let failure = match &outcome {
            Ok(200..=299) => None,
            Ok(status) => Some(format!("{status}")),
            Err(words) => Some(words.clone()),
        };
        {
            let mut world = shared.world();
            if let (Some(message), Some(words)) = (call.message, failure) {
                world.failed(message, &words);
            }
            world.deliveries.push((call, outcome));
        }
        shared.revision.send_modify(|revision| *revision += 1);
    }
}

fn request(call: &HookCall, signed: bool) -> anyhow::Result<Request<Full<Bytes>>> {
    let mut request = Request::post(&call.url).header("content-type", "application/json");
    if signed {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        let timestamp = now.as_secs();
        let signature = sign(&format!("{timestamp}.{}", call.body));
        request = request
            .header("x-chatwoot-signature", format!("sha256={signature}"))
            .header("x-chatwoot-timestamp", timestamp.to_string())
            .header("x-chatwoot-delivery", &call.delivery);
    }
    Ok(request.body(Full::new(Bytes::from(call.body.clone())))?)
}

fn sign(text: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, HOOK_SECRET.as_bytes());
    let tag = ring::hmac::sign(&key, text.as_bytes());
    tag.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
