//! What a bridge is told by its owner.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Url;

use super::words::Language;
use crate::net::{NetError, check_url};

/// A bridge as its owner sets it up. As JSON in camelCase; what is left away has its default.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BridgeConfig {
    /// Chatwoot's address, as `https://chat.example.com`.
    pub url: String,
    /// The account's number, as in the address of its pages.
    pub account_id: i64,
    /// An access token of an agent or bot that may use the inbox. Never shown again.
    pub api_token: String,
    /// The inbox, of the kind API. Absent: `autoCreateInbox` makes one.
    #[serde(default)]
    pub inbox_id: Option<i64>,
    /// With which name an inbox is made if none is named.
    #[serde(default)]
    pub auto_create_inbox: Option<String>,
    /// The address under which Chatwoot reaches this program, for the inbox's webhook.
    #[serde(default)]
    pub public_url: Option<String>,
    /// What Chatwoot signs its calls with (its inbox settings show it). Given: unsigned calls are
    /// refused.
    #[serde(default)]
    pub signing_secret: Option<String>,
    /// Whether a resolved conversation goes on, or a new one is opened.
    #[serde(default)]
    pub resolved: Resolved,
    /// Whether new conversations begin as pending, for a bot to take first.
    #[serde(default)]
    pub pending: bool,
    /// How many days back messages are brought in when the bridge is set up: 0 to 30.
    #[serde(default)]
    pub import_days: u32,
    /// Whether an agent's name is put before what they write.
    #[serde(default)]
    pub sign_messages: bool,
    /// What stands between the name and the text.
    #[serde(default = "usual_delimiter")]
    pub sign_delimiter: String,
    /// Chats that stay out: ids, numbers, or `@g.us` for all groups.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Whether a Brazilian mobile number with and without its ninth digit is one contact.
    #[serde(default = "yes")]
    pub merge_brazil: bool,
    /// Whether greetings and surveys of Chatwoot go out.
    #[serde(default)]
    pub send_templates: bool,
    /// The language of what the bridge itself says to agents: `en` or `pt`.
    #[serde(default)]
    pub language: Language,
    /// Whether agents are told, in a conversation of its own, how the session stands.
    #[serde(default = "yes")]
    pub tell_state: bool,
}

/// What becomes of a resolved conversation when somebody writes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Resolved {
    /// It goes on.
    #[default]
    Reopen,
    /// A new one is opened.
    New,
}

fn usual_delimiter() -> String {
    "\n".to_owned()
}

fn yes() -> bool {
    true
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InvalidConfig {
    /// An address.
    #[error("{field}: {source}")]
    Url {
        /// Which one.
        field: &'static str,
        /// What is wrong.
        source: NetError,
    },
    /// Anything else, in words.
    #[error("{0}")]
    Other(&'static str),
}

// By hand, so that no log ever has the token.
impl std::fmt::Debug for BridgeConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BridgeConfig")
            .field("url", &self.url)
            .field("account_id", &self.account_id)
            .field("inbox_id", &self.inbox_id)
            .finish_non_exhaustive()
    }
}

impl BridgeConfig {
    /// Checks it, and gives Chatwoot's address.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<Url, InvalidConfig> {
        let bad = |field| move |source| InvalidConfig::Url { field, source };
        let url = check_url(&self.url).map_err(bad("url"))?;
        if let Some(public) = &self.public_url {
            check_url(public).map_err(bad("publicUrl"))?;
        }
        let other = |words| Err(InvalidConfig::Other(words));
        if self.account_id < 1 {
            return other(
                "accountId is the number in the address of the account's pages, 1 or more",
            );
        }
        if self.api_token.trim().is_empty() || !self.api_token.is_ascii() {
            return other("apiToken is the access token from an agent's profile page");
        }
        if self.inbox_id.is_none() && self.auto_create_inbox.is_none() {
            return other("name an inbox (inboxId), or let one be made (autoCreateInbox)");
        }
        if self.inbox_id.is_none() && self.public_url.is_none() {
            return other(
                "autoCreateInbox needs publicUrl, the address under which Chatwoot reaches ZapNode",
            );
        }
        if self.import_days > 30 {
            return other("importDays is 0 to 30");
        }
        Ok(url)
    }

    /// Whether a chat stays out.
    pub fn ignores(&self, chat: &str) -> bool {
        let bare = |text: &str| {
            text.trim_start_matches('+')
                .trim_end_matches("@c.us")
                .to_owned()
        };
        self.ignore.iter().any(|one| {
            let whole_kind = one.starts_with('@') && chat.ends_with(one.as_str());
            whole_kind || bare(one) == bare(chat)
        })
    }
}

/// The same Brazilian mobile number with and without the ninth digit, the one given first; others
/// only as they are.
pub fn brazilian_twins(digits: &str) -> Vec<String> {
    let mut all = vec![digits.to_owned()];
    let Some(national) = digits.strip_prefix("55") else {
        return all;
    };
    if !national.is_ascii() || national.len() < 10 {
        return all;
    }
    let (area, number) = national.split_at(2);
    match number.len() {
        // Mobile numbers without it begin with 6 to 9.
        8 if matches!(number.as_bytes()[0], b'6'..=b'9') => all.push(format!("55{area}9{number}")),
        9 if number.starts_with('9') => all.push(format!("55{area}{}", &number[1..])),
        _ => {}
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(change: &Value) -> Result<BridgeConfig, String> {
        let mut all = json!({"url": "https://chat.example.com", "accountId": 1, "apiToken": "t", "inboxId": 7});
        for (name, value) in change.as_object().expect("an object") {
            all[name.as_str()] = value.clone();
        }
        let config: BridgeConfig = serde_json::from_value(all).map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn a_config_is_checked_before_it_is_kept() {
        let config = read(&json!({})).expect("good");
        assert!(config.merge_brazil && config.tell_state && !config.pending);
        for (change, word) in [
            (json!({"url": "ftp://x"}), "url"),
            (json!({"accountId": 0}), "accountId"),
            (json!({"apiToken": " "}), "apiToken"),
            (json!({"inboxId": null}), "inboxId"),
            (
                json!({"inboxId": null, "autoCreateInbox": "WhatsApp"}),
                "publicUrl",
            ),
            (json!({"importDays": 31}), "importDays"),
            (json!({"colour": "red"}), "colour"),
        ] {
            let error = read(&change).expect_err("bad");
            assert!(error.contains(word), "{change}: {error}");
        }
    }

    #[test]
    fn the_token_is_in_no_debug_text() {
        let config = read(&json!({"apiToken": "very-secret"})).expect("good");
        assert!(!format!("{config:?}").contains("very-secret"));
    }

    #[test]
    fn chats_are_ignored_by_id_number_and_kind() {
        let config =
            read(&json!({"ignore": ["@g.us", "+5511912345678", "8123@lid"]})).expect("good");
        for (chat, ignored) in [
            ("1203@g.us", true),
            ("5511912345678@c.us", true),
            ("8123@lid", true),
            ("244929782402@c.us", false),
        ] {
            assert_eq!(config.ignores(chat), ignored, "{chat}");
        }
    }

    #[test]
    fn the_ninth_digit_is_there_or_not() {
        for (given, all) in [
            ("5511912345678", vec!["5511912345678", "551112345678"]),
            ("551187654321", vec!["551187654321", "5511987654321"]),
            // A landline has none.
            ("551132345678", vec!["551132345678"]),
            ("244929782402", vec!["244929782402"]),
            ("55119", vec!["55119"]),
        ] {
            assert_eq!(brazilian_twins(given), all);
        }
    }
}
