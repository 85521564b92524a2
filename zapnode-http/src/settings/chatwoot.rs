//! The Chatwoot bridge of the default session, for a container that is set up by its environment.

use serde_json::{Map, Value, json};
use zapnode_core::chatwoot::{BridgeConfig, InvalidConfig};

use super::reader::{Reader, SettingError};
use super::{names, value};

/// The bridge that is asked for, if one is (`CHATWOOT_URL` is what asks), and what Chatwoot signs
/// with.
pub(super) fn read(
    r: &mut Reader<'_>,
) -> Result<(Option<BridgeConfig>, Option<String>), SettingError> {
    let url = r.optional(names::CHATWOOT_URL, "no bridge", value::webhook_url)?;
    let account = r.optional(names::CHATWOOT_ACCOUNT_ID, "none", value::number)?;
    let token = r.optional(names::CHATWOOT_API_TOKEN, "none", value::api_key)?;
    let inbox = r.optional(names::CHATWOOT_INBOX_ID, "none", value::number)?;
    let name = r.optional(names::CHATWOOT_INBOX_NAME, "none", value::any)?;
    let public = r.optional(names::CHATWOOT_PUBLIC_URL, "none", value::webhook_url)?;
    let signing = r.optional(names::CHATWOOT_SIGNING_SECRET, "none", value::api_key)?;
    let options = r.optional(names::CHATWOOT_OPTIONS, "defaults", value::object)?;
    let Some(url) = url else {
        return Ok((None, signing));
    };
    let Some(account) = account else {
        let allowed = "the number in the address of the account's pages; CHATWOOT_URL needs it";
        return Err(r.refuse(names::CHATWOOT_ACCOUNT_ID, allowed));
    };
    let Some(token) = token else {
        let allowed = "the access token of an agent of the account; CHATWOOT_URL needs it";
        return Err(r.refuse(names::CHATWOOT_API_TOKEN, allowed));
    };
    let mut all = Map::from_iter(options.unwrap_or_default());
    let ours = json!({
        "url": url, "accountId": account, "apiToken": token, "inboxId": inbox,
        "autoCreateInbox": name, "publicUrl": public, "signingSecret": signing,
    });
    let ours = ours.as_object().cloned().unwrap_or_default();
    if let Some(twice) = ours.keys().find(|name| all.contains_key(*name)) {
        let allowed = format!("settings without one of their own variable; {twice} has one");
        return Err(r.refuse(names::CHATWOOT_OPTIONS, &allowed));
    }
    all.extend(ours);
    let config: BridgeConfig = serde_json::from_value(Value::Object(all))
        .map_err(|error| r.refuse(names::CHATWOOT_OPTIONS, &error.to_string()))?;
    match config.check() {
        Ok(_) => Ok((Some(config), signing)),
        Err(InvalidConfig::Url { field, source }) => {
            Err(r.refuse(names::CHATWOOT_URL, &format!("{field}: {source}")))
        }
        Err(error) => {
            let spec = if config.inbox_id.is_none() {
                names::CHATWOOT_INBOX_ID
            } else {
                names::CHATWOOT_OPTIONS
            };
            Err(r.refuse(spec, &error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{from_environment, shown};
    use zapnode_core::chatwoot::{Language, Resolved};

    const WHOLE: [(&str, &str); 4] = [
        ("CHATWOOT_URL", "http://chatwoot:3000"),
        ("CHATWOOT_ACCOUNT_ID", "2"),
        ("CHATWOOT_API_TOKEN", "agent-token"),
        ("CHATWOOT_INBOX_ID", "7"),
    ];

    #[test]
    fn a_bridge_is_asked_for_by_its_address() {
        assert!(from_environment(&[]).expect("none").chatwoot.is_none());
        // The command reads the token too: alone it asks for nothing.
        let alone = from_environment(&[("CHATWOOT_API_TOKEN", "agent-token")]).expect("good");
        assert!(alone.chatwoot.is_none());
        let whole = from_environment(&WHOLE).expect("good");
        let bridge = whole.chatwoot.clone().expect("a bridge");
        assert_eq!(bridge.url, "http://chatwoot:3000/");
        assert_eq!((bridge.account_id, bridge.inbox_id), (2, Some(7)));
        assert_eq!(bridge.api_token, "agent-token");
        assert_eq!(shown(&whole, "CHATWOOT_API_TOKEN").0, "********");
        let signed = from_environment(&[("CHATWOOT_SIGNING_SECRET", "s")]).expect("good");
        assert_eq!(signed.chatwoot_signing_secret.as_deref(), Some("s"));
        assert_eq!(shown(&signed, "CHATWOOT_SIGNING_SECRET").0, "********");
    }

    #[test]
    fn an_inbox_is_made_and_every_option_can_be_given() {
        let given = [
            ("CHATWOOT_URL", "https://chat.example.com"),
            ("CHATWOOT_ACCOUNT_ID", "1"),
            ("CHATWOOT_API_TOKEN", "t"),
            ("CHATWOOT_INBOX_NAME", "WhatsApp da loja"),
            ("CHATWOOT_PUBLIC_URL", "http://zapnode:3000"),
            ("CHATWOOT_SIGNING_SECRET", "signed-by-it"),
            (
                "CHATWOOT_OPTIONS",
                r#"{"pending":true,"resolved":"new","importDays":3,"signMessages":true,"ignore":["@g.us"],"language":"pt"}"#,
            ),
        ];
        let bridge = from_environment(&given)
            .expect("good")
            .chatwoot
            .expect("a bridge");
        assert_eq!(
            bridge.auto_create_inbox.as_deref(),
            Some("WhatsApp da loja")
        );
        assert_eq!(bridge.public_url.as_deref(), Some("http://zapnode:3000/"));
        assert_eq!(bridge.signing_secret.as_deref(), Some("signed-by-it"));
        assert!(bridge.pending && bridge.sign_messages && bridge.import_days == 3);
        assert_eq!(
            (bridge.resolved, bridge.language),
            (Resolved::New, Language::Pt)
        );
        assert_eq!(bridge.ignore, ["@g.us"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |change: &[(&'static str, &'static str)], without: &str| {
            let mut all = WHOLE.to_vec();
            all.retain(|(name, _)| *name != without && !change.iter().any(|(n, _)| n == name));
            all.extend(change);
            from_environment(&all).expect_err("bad").to_string()
        };
        for (change, without, word) in [
            (&[][..], "CHATWOOT_ACCOUNT_ID", "CHATWOOT_ACCOUNT_ID"),
            (&[], "CHATWOOT_API_TOKEN", "CHATWOOT_API_TOKEN"),
            (&[], "CHATWOOT_INBOX_ID", "CHATWOOT_INBOX_ID"),
            (&[("CHATWOOT_URL", "chatwoot")], "", "CHATWOOT_URL"),
            (&[("CHATWOOT_INBOX_ID", "seven")], "", "CHATWOOT_INBOX_ID"),
            (&[("CHATWOOT_OPTIONS", "pending")], "", "CHATWOOT_OPTIONS"),
            (&[("CHATWOOT_OPTIONS", r#"{"colour":1}"#)], "", "colour"),
            (
                &[("CHATWOOT_OPTIONS", r#"{"importDays":99}"#)],
                "",
                "importDays",
            ),
            (
                &[("CHATWOOT_OPTIONS", r#"{"apiToken":"x"}"#)],
                "",
                "apiToken",
            ),
            // An inbox to be made must be told where we are.
            (
                &[("CHATWOOT_INBOX_NAME", "WhatsApp")],
                "CHATWOOT_INBOX_ID",
                "publicUrl",
            ),
        ] {
            let error = with(change, without);
            assert!(error.contains(word), "{word}: {error}");
            assert!(!error.contains("agent-token"), "{error}");
        }
    }
}
