//! Answers from a language model behind any endpoint of OpenAI's shape.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, header};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use zapnode_core::outbox::MessageFilter;
use zapnode_core::{ChatId, SessionHandle};

/// How many of the last messages of a chat the model is shown.
pub const REMEMBERED: usize = 10;

/// How long a model may think.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// The largest answer that is read, in bytes.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// A model, and where it is.
pub struct Assistant {
    /// As `https://api.openai.com/v1` or `http://127.0.0.1:11434/v1`.
    pub base_url: String,
    /// Its key, where one is needed.
    pub key: Option<String>,
    /// Which model.
    pub model: String,
    /// Who it shall be.
    pub instructions: String,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Assistant {
    /// A model at an endpoint.
    pub fn new(base_url: &str, key: Option<String>, model: &str) -> Self {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            key,
            model: model.to_owned(),
            instructions: "You answer on WhatsApp: briefly, kindly, in the language you are \
                           written to in, without Markdown."
                .to_owned(),
            http: Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// Answers the last message of a chat, with those before it as context.
    ///
    /// # Errors
    /// When the store or the endpoint fails.
    pub async fn answer(&self, session: &SessionHandle, chat: &ChatId) -> Result<String> {
        let filter = MessageFilter {
            chat: Some(chat.clone()),
            ..MessageFilter::default()
        };
        // Newest first.
        let last = session.messages(filter, REMEMBERED).await?;
        let mut messages = vec![json!({"role": "system", "content": self.instructions})];
        messages.extend(last.iter().rev().filter_map(|message| {
            let role = if message.from_me { "assistant" } else { "user" };
            let text = message.text.as_deref()?;
            Some(json!({"role": role, "content": text}))
        }));
        self.complete(&messages).await
    }

    async fn complete(&self, messages: &[Value]) -> Result<String> {
        let body = json!({"model": self.model, "messages": messages});
        let mut request = Request::post(format!("{}/chat/completions", self.base_url))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = request.body(Full::new(Bytes::from(body.to_string())))?;
        let exchange = async {
            let answer = self.http.request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LARGEST_ANSWER);
            let body = body.collect().await.map_err(anyhow::Error::from_boxed)?;
            anyhow::Ok((status, body.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(ANSWER_WITHIN, exchange)
            .await
            .context("the model took too long")??;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        if !status.is_success() {
            let why = body["error"]["message"]
                .as_str()
                .unwrap_or("no reason given");
            bail!("the model's endpoint answered {status}: {why}");
        }
        let text = body["choices"][0]["message"]["content"].as_str();
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        Ok(text.context("the model said nothing")?.to_owned())
    }
}
