//! Tries everything a bridge needs, one thing after another, and says what is wrong in words.

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Serialize;

use super::api::{Api, ApiError, Inbox};
use super::config::BridgeConfig;
use super::{ChatwootError, Shared, signature};
use crate::error::with_causes;
use crate::net::{NetError, check_url};

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What: `url`, `token`, `inbox`, `webhook`.
    pub what: &'static str,
    /// Whether it is good.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What was found. What could not be tried because of something before it is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whether all of it is good.
    pub ok: bool,
    /// In the order in which it was tried.
    pub findings: Vec<Finding>,
}

pub(super) async fn check(
    shared: &Shared,
    config: &BridgeConfig,
    webhook_path: &str,
    known_inbox: Option<i64>,
) -> Result<Report, ChatwootError> {
    let url = config.check()?;
    let mut findings = Vec::new();
    let api = Api::new(
        shared.http.clone(),
        shared.policy(&url),
        &url,
        config.account_id,
        &config.api_token,
        shared.paces(&url),
    );
    let inboxes = match api {
        Ok(api) => api.inboxes().await,
        Err(error) => Err(error),
    };
    match inboxes {
        Err(error) => findings.extend(unreached(&error, config)),
        Ok(inboxes) => {
            findings.push(good("url", format!("{} answers", config.url)));
            let account = config.account_id;
            findings.push(good("token", format!("it is taken for account {account}")));
            let (finding, inbox) = inbox(&inboxes, config, known_inbox);
            findings.push(finding);
            if let Some(inbox) = inbox {
                findings.push(webhook(shared, inbox, config, webhook_path).await);
            }
        }
    }
    Ok(Report {
        ok: findings.iter().all(|one| one.ok),
        findings,
    })
}

fn good(what: &'static str, detail: String) -> Finding {
    Finding {
        what,
        ok: true,
        detail,
        hint: None,
    }
}

fn bad(what: &'static str, detail: String, hint: &str) -> Finding {
    Finding {
        what,
        ok: false,
        detail,
        hint: Some(hint.to_owned()),
    }
}

fn unreached(error: &ApiError, config: &BridgeConfig) -> Vec<Finding> {
    let words = with_causes(error);
    let answers = || good("url", format!("{} answers", config.url));
    match error {
        ApiError::WrongToken(_) => vec![
            answers(),
            bad(
                "token",
                words,
                "Take the access token from an agent's profile page, of an agent of this account.",
            ),
        ],
        ApiError::Missing { .. } => vec![
            answers(),
            bad(
                "token",
                format!("there is no account {} for this token", config.account_id),
                "accountId is the number in the address of the account's pages: /app/accounts/<number>/.",
            ),
        ],
        ApiError::Limited { .. } | ApiError::Unavailable(_) => vec![bad(
            "url",
            words,
            "Chatwoot is there but does not serve now; try again.",
        )],
        ApiError::Strange { .. } | ApiError::Refused { .. } => vec![bad(
            "url",
            words,
            "Is this Chatwoot's own address, without /app or /api behind it?",
        )],
        ApiError::Unreachable(_) => vec![bad(
            "url",
            words,
            "Check the address, and whether this machine reaches it. For a private network set ZAPNODE_ALLOW_PRIVATE_ADDRESSES=true.",
        )],
    }
}

/// What is wrong with the inbox; else the inbox itself, if it is there already.
fn inbox<'a>(
    inboxes: &'a [Inbox],
    config: &BridgeConfig,
    known: Option<i64>,
) -> (Finding, Option<&'a Inbox>) {
    let Some(id) = config.inbox_id.or(known) else {
        let name = config.auto_create_inbox.as_deref().unwrap_or_default();
        return (good("inbox", format!("{name:?} will be made")), None);
    };
    let Some(inbox) = inboxes.iter().find(|one| one.id == id) else {
        let there: Vec<_> = inboxes
            .iter()
            .filter(|one| one.channel_type == "Channel::Api")
            .map(|one| format!("{} ({})", one.id, one.name))
            .collect();
        let detail = format!("there is no inbox {id}; API inboxes: {}", there.join(", "));
        let hint = "Give inboxId one of those, or set autoCreateInbox.";
        return (bad("inbox", detail, hint), None);
    };
    if inbox.channel_type != "Channel::Api" {
        let detail = format!("inbox {id} is of the kind {}", inbox.channel_type);
        let hint = "Make an inbox of the kind API in Chatwoot and name that.";
        return (bad("inbox", detail, hint), None);
    }
    (good("inbox", format!("{id} ({})", inbox.name)), Some(inbox))
}

/// Whether the inbox's webhook leads to this bridge: by its address, and then by calling it.
async fn webhook(
    shared: &Shared,
    inbox: &Inbox,
    config: &BridgeConfig,
    webhook_path: &str,
) -> Finding {
    let hook = inbox.webhook_url.as_deref().unwrap_or_default();
    let set =
        format!("Set the inbox's webhook URL to this program's address followed by {webhook_path}");
    if hook.is_empty() {
        let detail = "the inbox has no webhook: agents' answers would stay in Chatwoot";
        return bad("webhook", detail.to_owned(), &set);
    }
    if !hook.ends_with(webhook_path) {
        return bad(
            "webhook",
            "the inbox's webhook points elsewhere".to_owned(),
            &set,
        );
    }
    let Ok(url) = check_url(hook) else {
        return bad(
            "webhook",
            "the inbox's webhook is no address".to_owned(),
            &set,
        );
    };
    let body = br#"{"event":"zapnode_check"}"#;
    let mut headers =
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    if let Some(secret) = &config.signing_secret {
        let now = time::OffsetDateTime::now_utc().unix_timestamp().to_string();
        let signature = signature::sign(secret, &now, body);
        let signed = [
            ("x-chatwoot-signature", signature),
            ("x-chatwoot-timestamp", now),
        ];
        headers.extend(signed.into_iter().filter_map(|(name, value)| {
            Some((
                HeaderName::from_static(name),
                HeaderValue::from_str(&value).ok()?,
            ))
        }));
    }
    let answer = shared.http.send(
        shared.policy(&url),
        Method::POST,
        &url,
        headers,
        body.as_slice().into(),
    );
    match answer.await {
        // Chatwoot names it, so it is called as any address that somebody else chose.
        Err(NetError::PrivateAddress { .. }) => good(
            "webhook",
            "it points to this bridge; it was not called, being in a private network".to_owned(),
        ),
        Err(error) => bad(
            "webhook",
            format!(
                "the inbox's webhook is not reached from here: {}",
                with_causes(&error)
            ),
            "Check its host and port, and what stands between (a proxy, a firewall).",
        ),
        Ok(answer) if answer.status.is_success() => {
            good("webhook", "it leads to this bridge".to_owned())
        }
        Ok(answer)
            if answer.status == StatusCode::UNAUTHORIZED && config.signing_secret.is_some() =>
        {
            bad(
                "webhook",
                format!(
                    "the inbox's webhook answers {}: it does not take the signature",
                    answer.status
                ),
                "signingSecret must be the one that the inbox's settings show, here and in the bridge.",
            )
        }
        Ok(answer) => bad(
            "webhook",
            format!("the inbox's webhook answers {}", answer.status),
            "Something else listens there, or a proxy in between does not let it through.",
        ),
    }
}
