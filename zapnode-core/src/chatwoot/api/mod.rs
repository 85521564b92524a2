//! Chatwoot's account API, as far as the bridge needs it: typed calls, and errors by what is to be
//! done about them.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use tokio::time::Instant;
use url::Url;

use super::pace::Paces;
use crate::net::{HttpClient, NetError, Policy};

mod form;
mod types;

pub use types::{Contact, ContactInbox, Conversation, File, Inbox, Message, Named};

use form::multipart;
use types::{MadeContact, Payload};

/// The longest that a `Retry-After` is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// How long a conversation that got too many messages in a minute is let be.
const FLOODED_PAUSE: Duration = Duration::from_secs(15);

/// Why a call did not do what it should, by what follows from it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The token is not taken: nothing will work until somebody gives another one.
    #[error("Chatwoot does not take the token ({0})")]
    WrongToken(StatusCode),
    /// What was named does not exist (any more).
    #[error("Chatwoot does not know {what}")]
    Missing {
        /// What was named.
        what: String,
    },
    /// Chatwoot understood and said no; saying it again does not help.
    #[error("Chatwoot refused {what} ({status}): {words}")]
    Refused {
        /// What was asked.
        what: String,
        /// Its status.
        status: StatusCode,
        /// Its words, shortened.
        words: String,
    },
    /// Too many calls; it says when to come again.
    #[error("Chatwoot asks to wait {} s", .after.as_secs())]
    Limited {
        /// How long.
        after: Duration,
    },
    /// It is down, answers with its own faults, or something in between answers: later it may work.
    #[error("Chatwoot failed with {0}")]
    Unavailable(StatusCode),
    /// It was not reached, or the answer did not come whole. The work may have been done.
    #[error("Chatwoot was not reached")]
    Unreachable(#[from] NetError),
    /// It answered something that is not its API.
    #[error("the answer to {what} is not Chatwoot's: {why}")]
    Strange {
        /// What was asked.
        what: String,
        /// What was wrong with it.
        why: String,
    },
}

impl ApiError {
    /// Whether the same call may work later.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Limited { .. }
                | Self::Unavailable(_)
                | Self::Unreachable(_)
                | Self::Strange { .. }
        )
    }
}

/// Speaks to one account.
#[derive(Clone)]
pub struct Api {
    http: HttpClient,
    policy: Policy,
    base: Url,
    account: i64,
    token: HeaderValue,
    paces: Arc<Paces>,
    /// Chatwoot is left alone until then.
    resting: Option<Instant>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("base", &self.base.as_str())
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// For an account. The token is of an agent or a bot with access to the inbox.
    ///
    /// # Errors
    /// [`ApiError::WrongToken`] when the token cannot be sent at all.
    pub fn new(
        http: HttpClient,
        policy: Policy,
        base: &Url,
        account: i64,
        token: &str,
        paces: Arc<Paces>,
    ) -> Result<Self, ApiError> {
        let mut token = HeaderValue::from_str(token)
            .map_err(|_| ApiError::WrongToken(StatusCode::UNAUTHORIZED))?;
        token.set_sensitive(true);
        Ok(Self {
            http,
            policy,
            base: base.clone(),
            account,
            token,
            paces,
            resting: None,
        })
    }

    /// Calls nothing until then: every call fails with [`ApiError::Limited`] at once.
    pub fn rest_until(&mut self, until: Option<Instant>) {
        self.resting = until;
    }

    /// The contacts of which this is a part of the name, number or identifier: the first page.
    ///
    /// # Errors
    /// By situation; so below.
    pub async fn search_contacts(&self, part: &str) -> Result<Vec<Contact>, ApiError> {
        let mut url = self.url("contacts/search");
        url.query_pairs_mut().append_pair("q", part);
        // It has a limit of its own, far lower than that of all calls.
        tokio::time::sleep(self.paces.search()).await;
        let found: Payload<Vec<Contact>> = self.read("a contact search", url).await?;
        Ok(found.payload)
    }

    /// One contact.
    ///
    /// # Errors
    /// [`ApiError::Missing`] if it was deleted.
    pub async fn contact(&self, id: i64) -> Result<Contact, ApiError> {
        let url = self.url(&format!("contacts/{id}"));
        let found: Payload<Contact> = self.read("the contact", url).await?;
        Ok(found.payload)
    }

    /// Gives a contact another name.
    ///
    /// # Errors
    /// By situation.
    pub async fn rename_contact(&self, id: i64, name: &str) -> Result<(), ApiError> {
        let url = self.url(&format!("contacts/{id}"));
        let body = json!({"name": name});
        let _: Value = self
            .write("a contact's name", Method::PUT, url, body)
            .await?;
        Ok(())
    }

    /// Makes a contact.
    ///
    /// # Errors
    /// [`ApiError::Refused`] also when the number or identifier is another contact's.
    pub async fn make_contact(
        &self,
        inbox: i64,
        name: &str,
        phone: Option<&str>,
        identifier: &str,
        source_id: &str,
    ) -> Result<Contact, ApiError> {
        let body = json!({
            "inbox_id": inbox, "name": name, "phone_number": phone, "identifier": identifier,
            "source_id": source_id,
        });
        let url = self.url("contacts");
        let made: Payload<MadeContact> =
            self.write("a new contact", Method::POST, url, body).await?;
        Ok(made.payload.contact)
    }

    /// Joins a contact to an inbox and gives the key of its thread there.
    ///
    /// # Errors
    /// By situation.
    pub async fn join(
        &self,
        contact: i64,
        inbox: i64,
        source_id: &str,
    ) -> Result<String, ApiError> {
        let url = self.url(&format!("contacts/{contact}/contact_inboxes"));
        let body = json!({"inbox_id": inbox, "source_id": source_id});
        let joined: ContactInbox = self
            .write("a contact's inbox", Method::POST, url, body)
            .await?;
        Ok(joined.source_id)
    }

    /// The conversations with a contact, in Chatwoot's order.
    ///
    /// # Errors
    /// By situation.
    pub async fn conversations(&self, contact: i64) -> Result<Vec<Conversation>, ApiError> {
        let url = self.url(&format!("contacts/{contact}/conversations"));
        let all: Payload<Vec<Conversation>> = self.read("a contact's conversations", url).await?;
        Ok(all.payload)
    }

    /// Opens a conversation.
    ///
    /// # Errors
    /// By situation.
    pub async fn make_conversation(
        &self,
        inbox: i64,
        contact: i64,
        source_id: &str,
        status: &str,
    ) -> Result<Conversation, ApiError> {
        let body = json!({
            "source_id": source_id, "inbox_id": inbox, "contact_id": contact, "status": status,
        });
        let url = self.url("conversations");
        self.write("a new conversation", Method::POST, url, body)
            .await
    }

    /// The newest messages of a conversation, or those before one: a page, oldest first.
    ///
    /// # Errors
    /// By situation.
    pub async fn messages(
        &self,
        conversation: i64,
        before: Option<i64>,
    ) -> Result<Vec<Message>, ApiError> {
        let mut url = self.url(&format!("conversations/{conversation}/messages"));
        if let Some(before) = before {
            url.query_pairs_mut()
                .append_pair("before", &before.to_string());
        }
        let page: Payload<Vec<Message>> = self.read("a conversation's messages", url).await?;
        Ok(page.payload)
    }

    /// Adds a message. `body` has Chatwoot's own fields.
    ///
    /// # Errors
    /// By situation; after [`ApiError::Unreachable`] it may be there all the same.
    pub async fn push(
        &self,
        conversation: i64,
        body: Value,
        file: Option<File>,
    ) -> Result<Message, ApiError> {
        const WHAT: &str = "a message";
        let url = self.url(&format!("conversations/{conversation}/messages"));
        let Some(file) = file else {
            return self.write(WHAT, Method::POST, url, body).await;
        };
        let boundary = format!("zapnode-{}", ulid::Ulid::new());
        let kind = format!("multipart/form-data; boundary={boundary}");
        let bytes = multipart(&boundary, &body, &file);
        self.call(WHAT, Method::POST, url, Some((kind, bytes)))
            .await
    }

    /// Tells how far a message is.
    ///
    /// # Errors
    /// By situation; going back from read is refused.
    pub async fn set_message_status(
        &self,
        conversation: i64,
        message: i64,
        status: &str,
        error: Option<&str>,
    ) -> Result<(), ApiError> {
        let url = self.url(&format!("conversations/{conversation}/messages/{message}"));
        let body = json!({"status": status, "external_error": error});
        let _: Value = self
            .write("a message's status", Method::PATCH, url, body)
            .await?;
        Ok(())
    }

    /// Deletes a message.
    ///
    /// # Errors
    /// By situation.
    pub async fn delete_message(&self, conversation: i64, message: i64) -> Result<(), ApiError> {
        let url = self.url(&format!("conversations/{conversation}/messages/{message}"));
        let _: Value = self.call("a deletion", Method::DELETE, url, None).await?;
        Ok(())
    }

    /// One inbox.
    ///
    /// # Errors
    /// [`ApiError::Missing`] if the account has no such inbox.
    pub async fn inbox(&self, id: i64) -> Result<Inbox, ApiError> {
        self.read("the inbox", self.url(&format!("inboxes/{id}")))
            .await
    }

    /// Every inbox the token sees.
    ///
    /// # Errors
    /// [`ApiError::Missing`] if there is no such account.
    pub async fn inboxes(&self) -> Result<Vec<Inbox>, ApiError> {
        let all: Payload<Vec<Inbox>> = self.read("the account", self.url("inboxes")).await?;
        Ok(all.payload)
    }

    /// Makes an inbox of the kind API.
    ///
    /// # Errors
    /// By situation.
    pub async fn make_inbox(&self, name: &str, webhook_url: &str) -> Result<Inbox, ApiError> {
        let body = json!({"name": name, "channel": {"type": "api", "webhook_url": webhook_url}});
        self.write("a new inbox", Method::POST, self.url("inboxes"), body)
            .await
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        // A Chatwoot may live under a path of its host.
        let under = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{under}/api/v1/accounts/{}/{path}", self.account));
        url
    }

    async fn read<T: for<'a> Deserialize<'a>>(&self, what: &str, url: Url) -> Result<T, ApiError> {
        self.call(what, Method::GET, url, None).await
    }

    async fn write<T: for<'a> Deserialize<'a>>(
        &self,
        what: &str,
        method: Method,
        url: Url,
        body: Value,
    ) -> Result<T, ApiError> {
        let body = ("application/json".to_owned(), body.to_string().into_bytes());
        self.call(what, method, url, Some(body)).await
    }

    async fn call<T: for<'a> Deserialize<'a>>(
        &self,
        what: &str,
        method: Method,
        url: Url,
        body: Option<(String, Vec<u8>)>,
    ) -> Result<T, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert("api_access_token", self.token.clone());
        let mut bytes = Vec::new();
        if let Some((kind, body)) = body {
            let kind = HeaderValue::from_str(&kind);
            headers.extend(kind.ok().map(|kind| (CONTENT_TYPE, kind)));
            bytes = body;
        }
        if let Some(until) = self.resting
            && let after = until.saturating_duration_since(Instant::now())
            && !after.is_zero()
        {
            return Err(ApiError::Limited { after });
        }
        tokio::time::sleep(self.paces.call()).await;
        let answer = self
            .http
            .send(self.policy, method, &url, headers, bytes.into())
            .await?;
        judge(what, answer.status, &answer.headers, &answer.body)?;
        let body: &[u8] = if answer.body.is_empty() {
            b"{}"
        } else {
            &answer.body
        };
        serde_json::from_slice(body).map_err(|error| ApiError::Strange {
            what: what.to_owned(),
            why: if answer.complete {
                error.to_string()
            } else {
                "it ended early".to_owned()
            },
        })
    }
}

/// What a status means.
fn judge(what: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<(), ApiError> {
    match status.as_u16() {
        200..=299 => Ok(()),
        401 | 403 => Err(ApiError::WrongToken(status)),
        404 => Err(ApiError::Missing {
            what: what.to_owned(),
        }),
        429 => {
            let told = headers
                .get(RETRY_AFTER)
                .and_then(|after| after.to_str().ok());
            let seconds = told.and_then(|text| text.parse().ok()).unwrap_or(30);
            Err(ApiError::Limited {
                after: Duration::from_secs(seconds).min(LONGEST_PAUSE),
            })
        }
        400 | 413 | 422 => match words(body) {
            // So many messages a minute in one conversation, to stop loops of automations
            // (`Limits.conversation_message_per_minute_limit`, 200): there is no header with it.
            words if words.contains("Too many messages") => Err(ApiError::Limited {
                after: FLOODED_PAUSE,
            }),
            words => Err(ApiError::Refused {
                what: what.to_owned(),
                status,
                words,
            }),
        },
        // Whatever else stands between us (a proxy's page, a bill that is not paid) says nothing of
        // this one call: it is kept.
        _ => Err(ApiError::Unavailable(status)),
    }
}

/// Chatwoot's own words for a refusal, if it gave any.
fn words(body: &[u8]) -> String {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let told = ["message", "error", "description"]
        .iter()
        .find_map(|name| parsed[*name].as_str());
    told.unwrap_or("no reason given")
        .chars()
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_judged_by_what_follows() {
        let judged = |status: u16, headers: &HeaderMap| {
            let status = StatusCode::from_u16(status).expect("a status");
            judge("it", status, headers, br#"{"message":"no good"}"#)
        };
        let none = HeaderMap::new();
        assert!(judged(200, &none).is_ok());
        assert!(matches!(judged(401, &none), Err(ApiError::WrongToken(_))));
        assert!(matches!(judged(404, &none), Err(ApiError::Missing { .. })));
        for status in [302, 402, 405, 408, 500, 502, 503] {
            let passing = judged(status, &none).expect_err("no success");
            assert!(matches!(passing, ApiError::Unavailable(_)), "{status}");
            assert!(passing.is_passing());
        }
        let flooded = br#"{"error":"Validation failed: Too many messages"}"#;
        let flooded = judge("it", StatusCode::UNPROCESSABLE_ENTITY, &none, flooded);
        assert!(matches!(flooded, Err(ApiError::Limited { .. })));
        let refused = judged(422, &none);
        assert!(matches!(&refused, Err(ApiError::Refused { words, .. }) if words == "no good"));
        assert!(!refused.is_err_and(|error| error.is_passing()));
        for (told, seconds) in [("7", 7), ("99999", 600), ("soon", 30)] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(told))]);
            match judged(429, &headers) {
                Err(ApiError::Limited { after }) => assert_eq!(after.as_secs(), seconds),
                other => panic!("{other:?}"),
            }
        }
    }
}
