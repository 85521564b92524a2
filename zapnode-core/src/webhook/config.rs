//! A webhook as somebody asks for it, and what is wrong with that. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hyper::header::{HeaderName, HeaderValue};
use thiserror::Error;
use time::OffsetDateTime;
use ulid::Ulid;
use url::Url;

use super::retries::{InvalidRetries, Retries};
use super::sign::{InvalidSecret, WebhookSecret};
use crate::event::{EventName, UnknownEventName, parse_names};
use crate::id::SessionId;
use crate::net::{NetError, check_url};

/// The most headers a webhook may add.
pub const MOST_HEADERS: usize = 32;
/// The longest value of one.
const LONGEST_HEADER: usize = 4096;

/// Where a webhook comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Somebody made it through the API.
    Api,
    /// Whoever started the program configured it: its address is trusted, and it is changed where
    /// it was configured.
    Environment,
}

impl Source {
    /// The word on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Environment => "environment",
        }
    }
}

/// Which events a webhook is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Events {
    /// All of them.
    All,
    /// These.
    Named(BTreeSet<EventName>),
}

impl Events {
    /// Reads names; `*` is all.
    ///
    /// # Errors
    /// [`InvalidWebhook::Events`] or [`InvalidWebhook::UnknownEvent`].
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, InvalidWebhook> {
        if names.is_empty() {
            return Err(InvalidWebhook::Events);
        }
        Ok(match parse_names(names.iter().map(AsRef::as_ref))? {
            None => Self::All,
            Some(names) => Self::Named(names),
        })
    }

    /// From our own store. A name that there is no more stands for nothing, and is no reason not
    /// to start.
    pub(crate) fn stored(names: &[String]) -> Self {
        if names.iter().any(|name| name == "*") {
            return Self::All;
        }
        let known = names.iter().filter_map(|name| EventName::from_word(name));
        Self::Named(known.collect())
    }

    /// The names as they are written: `*` for all.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::All => vec!["*"],
            Self::Named(names) => names.iter().map(|name| name.as_str()).collect(),
        }
    }
}

/// Why a webhook gets nothing until somebody acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disabled {
    /// The stable word: `gone`.
    pub reason: String,
    /// Since when.
    pub at: OffsetDateTime,
}

/// A webhook.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `whk_` and a ULID, or `whk_environment`.
    pub id: String,
    /// Where events go.
    pub url: Url,
    /// Which.
    pub events: Events,
    /// Of which session; `None`: of all.
    pub session: Option<SessionId>,
    /// Headers that are added, by name in lower case.
    pub headers: BTreeMap<String, String>,
    /// Signs.
    pub secret: WebhookSecret,
    /// The secret before it, and until when that signs as well.
    pub previous: Option<(WebhookSecret, OffsetDateTime)>,
    /// What is done about failures.
    pub retries: Retries,
    /// Whether the events of a chat come one by one, in order.
    pub ordered: bool,
    /// Whether it gets nothing for now. What happens meanwhile waits in the log.
    pub paused: bool,
    /// Whether it was turned off.
    pub disabled: Option<Disabled>,
    /// Where it comes from.
    pub source: Source,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// Without secrets: also headers and URLs carry keys.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("id", &self.id)
            .field("origin", &self.url.origin().ascii_serialization())
            .field("events", &self.events)
            .field("session", &self.session)
            .field("paused", &self.paused)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// What somebody asks for.
#[derive(Clone, Debug, Default)]
pub struct NewWebhook {
    /// Where events go: http or https.
    pub url: String,
    /// Which events, by name, or `*`.
    pub events: Vec<String>,
    /// Of which session; `None`: of all.
    pub session: Option<SessionId>,
    /// Headers to add.
    pub headers: BTreeMap<String, String>,
    /// The secret; one is made if absent.
    pub secret: Option<String>,
    /// What is done about failures.
    pub retries: Option<Retries>,
    /// Whether it begins paused.
    pub paused: bool,
    /// Whether the events of a chat come in order; they do if absent.
    pub ordered: Option<bool>,
}

/// What shall be different. `None`: as it is.
#[derive(Clone, Debug, Default)]
pub struct WebhookChange {
    /// Where events go.
    pub url: Option<String>,
    /// Which events.
    pub events: Option<Vec<String>>,
    /// Of which session; `Some(None)`: of all.
    pub session: Option<Option<SessionId>>,
    /// All headers to add.
    pub headers: Option<BTreeMap<String, String>>,
    /// The secret, at once. For one with an overlap see
    /// [`Webhooks::rotate_secret`](super::Webhooks::rotate_secret).
    pub secret: Option<String>,
    /// What is done about failures.
    pub retries: Option<Retries>,
    /// Whether it is paused. `false` also turns one on again that was turned off.
    pub paused: Option<bool>,
    /// Whether the events of a chat come in order.
    pub ordered: Option<bool>,
}

/// What is wrong with a webhook.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidWebhook {
    /// The URL, or where it leads.
    #[error(transparent)]
    Url(#[from] NetError),
    /// No events.
    #[error("events must name at least one event, or be [\"*\"]")]
    Events,
    /// An event that there is not.
    #[error(transparent)]
    UnknownEvent(#[from] UnknownEventName),
    /// A header's name.
    #[error("{name:?} cannot be the name of a header")]
    HeaderName {
        /// Which.
        name: String,
    },
    /// A header that is not a caller's to set.
    #[error("the header {name} is set by ZapNode and cannot be chosen")]
    HeaderTaken {
        /// Which.
        name: String,
    },
    /// A header's value.
    #[error(
        "the value of the header {name} must be visible ASCII, at most {LONGEST_HEADER} characters"
    )]
    HeaderValue {
        /// Which.
        name: String,
    },
    /// Too many headers.
    #[error("at most {MOST_HEADERS} headers can be added")]
    TooManyHeaders,
    /// The secret.
    #[error(transparent)]
    Secret(#[from] InvalidSecret),
    /// The retries.
    #[error(transparent)]
    Retries(#[from] InvalidRetries),
}

impl Webhook {
    /// Makes a webhook of what is asked for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn build(new: NewWebhook, now: OffsetDateTime) -> Result<Self, InvalidWebhook> {
        let retries = new.retries.unwrap_or_default();
        retries.check()?;
        Ok(Self {
            id: format!("whk_{}", Ulid::new()),
            url: check_url(&new.url)?,
            events: Events::parse(&new.events)?,
            session: new.session,
            headers: headers(new.headers)?,
            secret: match new.secret {
                Some(text) => WebhookSecret::parse(&text)?,
                None => WebhookSecret::random()?,
            },
            previous: None,
            retries,
            ordered: new.ordered.unwrap_or(true),
            paused: new.paused,
            disabled: None,
            source: Source::Api,
            created_at: now,
        })
    }

    /// The same, changed.
    ///
    /// # Errors
    /// What is wrong with the change; then nothing is changed.
    pub fn changed(&self, change: WebhookChange) -> Result<Self, InvalidWebhook> {
        let mut to = self.clone();
        if let Some(url) = change.url {
            to.url = check_url(&url)?;
            if to.url != self.url {
                to.disabled = None;
            }
        }
        if let Some(names) = change.events {
            to.events = Events::parse(&names)?;
        }
        if let Some(session) = change.session {
            to.session = session;
        }
        if let Some(given) = change.headers {
            to.headers = headers(given)?;
        }
        if let Some(secret) = change.secret {
            to.secret = WebhookSecret::parse(&secret)?;
            to.previous = None;
        }
        if let Some(retries) = change.retries {
            retries.check()?;
            to.retries = retries;
        }
        if let Some(paused) = change.paused {
            to.paused = paused;
            if !paused {
                to.disabled = None;
            }
        }
        if let Some(ordered) = change.ordered {
            to.ordered = ordered;
        }
        Ok(to)
    }

    /// Whether anything is sent to it.
    pub fn is_active(&self) -> bool {
        !self.paused && self.disabled.is_none()
    }

    /// The secret that it had before, if that signs still.
    pub fn previous_at(&self, now: OffsetDateTime) -> Option<&WebhookSecret> {
        let (secret, until) = self.previous.as_ref()?;
        (now < *until).then_some(secret)
    }
}

/// Whether a header's value is somebody's key, so that it is not shown.
pub fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "auth",
        "token",
        "key",
        "secret",
        "cookie",
        "password",
        "signature",
    ]
    .iter()
    .any(|part| name.contains(part))
}

/// Headers that belong to the connection, to the body, or to us.
fn is_taken(name: &str) -> bool {
    const TAKEN: [&str; 14] = [
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    TAKEN.contains(&name)
        || name.starts_with("webhook-")
        || name.starts_with("x-webhook-")
        || name.starts_with("proxy-")
}

fn headers(given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, InvalidWebhook> {
    if given.len() > MOST_HEADERS {
        return Err(InvalidWebhook::TooManyHeaders);
    }
    let mut checked = BTreeMap::new();
    for (name, value) in given {
        let bad_name = || InvalidWebhook::HeaderName {
            name: name.chars().take(80).collect(),
        };
        let parsed: HeaderName = name.parse().map_err(|_| bad_name())?;
        let name = parsed.as_str().to_owned();
        if is_taken(&name) {
            return Err(InvalidWebhook::HeaderTaken { name });
        }
        let visible = |b: u8| (0x20..0x7f).contains(&b);
        if value.len() > LONGEST_HEADER
            || !value.bytes().all(visible)
            || HeaderValue::from_str(&value).is_err()
        {
            return Err(InvalidWebhook::HeaderValue { name });
        }
        if checked.insert(name.clone(), value).is_some() {
            // Twice, in other letters: which one did they mean?
            return Err(InvalidWebhook::HeaderName { name });
        }
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new() -> NewWebhook {
        NewWebhook {
            url: "https://example.com/hook".to_owned(),
            events: vec!["message".to_owned()],
            ..NewWebhook::default()
        }
    }

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }

    fn with_header(name: &str, value: &str) -> NewWebhook {
        NewWebhook {
            headers: [(name.to_owned(), value.to_owned())].into(),
            ..new()
        }
    }

    #[test]
    fn the_defaults() {
        let hook = Webhook::build(new(), now()).expect("good");
        assert!(hook.id.starts_with("whk_") && hook.id.len() == 30);
        assert_eq!(hook.retries, Retries::default());
        assert!(hook.ordered && hook.is_active() && hook.session.is_none());
        assert!(hook.secret.reveal().starts_with("whsec_"));
        let other = Webhook::build(new(), now()).expect("good");
        assert_ne!(hook.secret, other.secret);
    }

    #[test]
    fn headers_that_may_be_added() {
        let table = [
            ("Authorization", "Bearer x", Ok("authorization")),
            ("X-Team", "a b", Ok("x-team")),
            ("bad name", "x", Err("cannot be the name")),
            ("", "x", Err("cannot be the name")),
            ("Ünicode", "x", Err("cannot be the name")),
            ("Host", "x", Err("set by ZapNode")),
            ("content-LENGTH", "0", Err("set by ZapNode")),
            ("Content-Type", "text/plain", Err("set by ZapNode")),
            ("Transfer-Encoding", "chunked", Err("set by ZapNode")),
            ("Connection", "close", Err("set by ZapNode")),
            ("Proxy-Authorization", "x", Err("set by ZapNode")),
            ("Webhook-Id", "x", Err("set by ZapNode")),
            ("X-Webhook-Hmac", "x", Err("set by ZapNode")),
            ("x-a", "line\r\nx-b: 1", Err("visible ASCII")),
            ("x-a", "ü", Err("visible ASCII")),
        ];
        for (name, value, expected) in table {
            match (Webhook::build(with_header(name, value), now()), expected) {
                (Ok(hook), Ok(kept)) => assert_eq!(hook.headers[kept], value),
                (Err(error), Err(part)) => {
                    assert!(error.to_string().contains(part), "{name}: {error}");
                }
                (found, _) => panic!("{name}: {found:?}"),
            }
        }
        let long = "x".repeat(LONGEST_HEADER + 1);
        assert!(Webhook::build(with_header("x-a", &long), now()).is_err());
        let many = (0..=MOST_HEADERS).map(|n| (format!("x-{n}"), String::new()));
        let many = NewWebhook {
            headers: many.collect(),
            ..new()
        };
        assert!(matches!(
            Webhook::build(many, now()),
            Err(InvalidWebhook::TooManyHeaders)
        ));
        let twice = [("X-A", "1"), ("x-a", "2")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        let twice = NewWebhook {
            headers: twice.into(),
            ..new()
        };
        assert!(matches!(
            Webhook::build(twice, now()),
            Err(InvalidWebhook::HeaderName { .. })
        ));
    }

    #[test]
    fn events_by_name() {
        assert_eq!(Events::parse(&["*"]).expect("all"), Events::All);
        assert_eq!(Events::parse(&["message", "*"]).expect("all"), Events::All);
        let named = Events::parse(&["session.status", "message", "message"]).expect("two");
        let mut names = named.names();
        names.sort_unstable();
        assert_eq!(names, ["message", "session.status"]);
        let stored = ["message", "session.status", "of.another.version"].map(str::to_owned);
        assert_eq!(Events::stored(&stored), named);
        let none: [&str; 0] = [];
        assert!(matches!(Events::parse(&none), Err(InvalidWebhook::Events)));
        let error = Events::parse(&["message", "mesage"])
            .expect_err("a typo")
            .to_string();
        assert!(
            error.contains("\"mesage\"") && error.contains("message.ack"),
            "{error}"
        );
    }

    #[test]
    fn a_change_changes_what_it_names_and_a_bad_one_nothing() {
        let mut hook = Webhook::build(new(), now()).expect("good");
        hook.disabled = Some(Disabled {
            reason: "gone".to_owned(),
            at: now(),
        });
        hook.paused = true;
        let same = hook.changed(WebhookChange::default()).expect("nothing");
        assert_eq!(same, hook);
        let on = WebhookChange {
            paused: Some(false),
            ..Default::default()
        };
        assert!(hook.changed(on).expect("on").is_active());
        let moved = WebhookChange {
            url: Some("https://example.com/other".to_owned()),
            ..Default::default()
        };
        let moved = hook.changed(moved).expect("moved");
        assert!(moved.disabled.is_none() && moved.paused);
        assert_eq!(moved.secret, hook.secret);
        for bad in [
            WebhookChange {
                url: Some("nowhere".to_owned()),
                ..Default::default()
            },
            WebhookChange {
                events: Some(vec![]),
                ..Default::default()
            },
            WebhookChange {
                secret: Some("x".to_owned()),
                ..Default::default()
            },
            WebhookChange {
                retries: Some(Retries {
                    attempts: 0,
                    ..Retries::default()
                }),
                ..Default::default()
            },
        ] {
            assert!(hook.changed(bad).is_err());
        }
    }

    #[test]
    fn the_previous_secret_signs_for_its_time() {
        let mut hook = Webhook::build(new(), now()).expect("good");
        let old = WebhookSecret::random().expect("made");
        let until = now() + std::time::Duration::from_secs(60);
        hook.previous = Some((old.clone(), until));
        assert_eq!(hook.previous_at(now()), Some(&old));
        assert_eq!(hook.previous_at(until), None);
    }

    #[test]
    fn nothing_secret_is_in_a_debug_text() {
        let mut new = with_header("Authorization", "Bearer verysecret");
        new.url = "https://example.com/verysecret?token=verysecret".to_owned();
        let hook = Webhook::build(new, now()).expect("good");
        let text = format!("{hook:?}");
        assert!(
            !text.contains("verysecret") && !text.contains(hook.secret.reveal()),
            "{text}"
        );
        assert!(is_secret_header("Authorization") && is_secret_header("X-Api-Key"));
        assert!(!is_secret_header("x-team"));
    }
}
