//! Tries everything a bridge needs, one thing after another, and says what is wrong in words.

use serde::Serialize;

use super::api::{Api, ApiError};
use super::config::BridgeConfig;
use super::{ChatwootError, Shared};
use crate::error::with_causes;

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
            findings.extend(inbox(&inboxes, config, webhook_path));
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

fn inbox(inboxes: &[super::api::Inbox], config: &BridgeConfig, webhook_path: &str) -> Vec<Finding> {
    let Some(id) = config.inbox_id else {
        let name = config.auto_create_inbox.as_deref().unwrap_or_default();
        return vec![good("inbox", format!("{name:?} will be made"))];
    };
    let Some(inbox) = inboxes.iter().find(|one| one.id == id) else {
        let there: Vec<_> = inboxes
            .iter()
            .filter(|one| one.channel_type == "Channel::Api")
            .map(|one| format!("{} ({})", one.id, one.name))
            .collect();
        let detail = format!("there is no inbox {id}; API inboxes: {}", there.join(", "));
        return vec![bad(
            "inbox",
            detail,
            "Give inboxId one of those, or set autoCreateInbox.",
        )];
    };
    if inbox.channel_type != "Channel::Api" {
        let detail = format!("inbox {id} is of the kind {}", inbox.channel_type);
        return vec![bad(
            "inbox",
            detail,
            "Make an inbox of the kind API in Chatwoot and name that.",
        )];
    }
    let mut findings = vec![good("inbox", format!("{id} ({})", inbox.name))];
    let hook = inbox.webhook_url.as_deref().unwrap_or_default();
    findings.push(if hook.is_empty() {
        bad(
            "webhook",
            "the inbox has no webhook: agents' answers would stay in Chatwoot".to_owned(),
            &format!(
                "Set the inbox's webhook URL to this daemon's address followed by {webhook_path}"
            ),
        )
    } else if hook.ends_with(webhook_path) {
        good("webhook", "it points to this bridge".to_owned())
    } else {
        bad(
            "webhook",
            "the inbox's webhook points elsewhere".to_owned(),
            &format!("Set it to this daemon's address followed by {webhook_path}"),
        )
    });
    findings
}
