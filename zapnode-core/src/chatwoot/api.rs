//! Chatwoot's account API, as far as the bridge needs it: typed calls, and errors by what is to be
//! done about them.

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;
use url::Url;

use crate::net::{HttpClient, NetError, Policy};

/// The longest that a `Retry-After` is believed.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

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
    /// It is down, or answers with its own faults: later it may work.
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
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("base", &self.base.as_str())
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// A contact, as far as we look at it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Contact {
    /// Its id.
    pub id: i64,
    /// Its name.
    #[serde(default)]
    pub name: Option<String>,
    /// `+` and digits.
    #[serde(default)]
    pub phone_number: Option<String>,
    /// What the bridge, or another one, named it.
    #[serde(default)]
    pub identifier: Option<String>,
    /// The inboxes it is joined to.
    #[serde(default)]
    pub contact_inboxes: Vec<ContactInbox>,
}

/// A contact's thread in an inbox.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ContactInbox {
    /// The thread's key.
    pub source_id: String,
    /// The inbox.
    pub inbox: Named,
}

/// Something with an id.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// The id.
    pub id: i64,
}

/// A conversation, as far as we look at it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Conversation {
    /// Its number in the account.
    pub id: i64,
    /// Its inbox.
    pub inbox_id: i64,
    /// `open`, `pending`, `resolved` or `snoozed`.
    pub status: String,
}

/// A message, as far as we look at it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: i64,
    /// What the bridge wrote.
    #[serde(default)]
    pub source_id: Option<String>,
}

/// An inbox.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Inbox {
    /// Its id.
    pub id: i64,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// `Channel::Api` for ours.
    #[serde(default)]
    pub channel_type: String,
    /// Where its events go.
    #[serde(default)]
    pub webhook_url: Option<String>,
}

/// A file to be put to a message.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its type, as `image/png`.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

#[derive(Deserialize)]
struct Payload<T> {
    payload: T,
}

#[derive(Deserialize)]
struct MadeContact {
    contact: Contact,
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
        })
    }

    /// Finds a contact by its whole number or identifier.
    ///
    /// # Errors
    /// By situation; so below.
    pub async fn find_contact(
        &self,
        phone: Option<&str>,
        identifier: Option<&str>,
    ) -> Result<Option<Contact>, ApiError> {
        for key in [phone, identifier].into_iter().flatten() {
            let mut url = self.url("contacts/search");
            url.query_pairs_mut().append_pair("q", key);
            let found: Payload<Vec<Contact>> = self.read("a contact search", url).await?;
            // The search finds parts as well.
            let exact = found.payload.into_iter().find(|one| {
                let same = |mine: &Option<String>| mine.as_deref() == Some(key);
                same(&one.phone_number) || same(&one.identifier)
            });
            if exact.is_some() {
                return Ok(exact);
            }
        }
        Ok(None)
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

    /// Sets a conversation's status.
    ///
    /// # Errors
    /// By situation.
    pub async fn set_status(&self, conversation: i64, status: &str) -> Result<(), ApiError> {
        let url = self.url(&format!("conversations/{conversation}/toggle_status"));
        let body = json!({"status": status});
        let _: Value = self
            .write("a conversation's status", Method::POST, url, body)
            .await?;
        Ok(())
    }

    /// The newest messages of a conversation: a page, oldest first.
    ///
    /// # Errors
    /// By situation.
    pub async fn messages(&self, conversation: i64) -> Result<Vec<Message>, ApiError> {
        let url = self.url(&format!("conversations/{conversation}/messages"));
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
        408 | 425 | 500..=599 => Err(ApiError::Unavailable(status)),
        _ => Err(ApiError::Refused {
            what: what.to_owned(),
            status,
            words: words(body),
        }),
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

/// The form that a message with a file is sent as.
fn multipart(boundary: &str, fields: &Value, file: &File) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.bytes.len() + 1024);
    let mut part = |head: &str, bytes: &[u8]| {
        out.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
        );
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    };
    for (name, value) in fields.as_object().into_iter().flatten() {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        part(&format!("name=\"{name}\""), text.as_bytes());
    }
    // A name with a quote or a break in it would end the header.
    let name: String = file
        .name
        .chars()
        .filter(|c| !c.is_control() && *c != '"')
        .collect();
    let head = format!(
        "name=\"attachments[]\"; filename=\"{name}\"\r\nContent-Type: {}",
        file.content_type
    );
    part(&head, &file.bytes);
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    out
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
        assert!(matches!(judged(502, &none), Err(ApiError::Unavailable(_))));
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

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        let file = File {
            name: "a\"\r\nX: y.png".to_owned(),
            content_type: "image/png",
            bytes: b"bytes".to_vec(),
        };
        let form = multipart(
            "b",
            &json!({"content": "olá", "private": true, "source_id": null}),
            &file,
        );
        let form = String::from_utf8(form).expect("text");
        assert!(form.contains("filename=\"aX: y.png\"\r\n"), "{form}");
        assert!(
            form.contains("name=\"content\"\r\n\r\nolá\r\n") && form.contains("\r\n\r\ntrue\r\n")
        );
        assert!(!form.contains("source_id") && form.ends_with("--b--\r\n"));
    }
}
