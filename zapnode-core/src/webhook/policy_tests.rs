use super::*;
use crate::net::Policy;

#[test]
fn which_addresses_a_webhook_may_lead_to() {
    let new = NewWebhook {
        url: "http://10.0.0.1/".to_owned(),
        events: vec!["*".to_owned()],
        ..NewWebhook::default()
    };
    let mut webhook = Webhook::build(new, OffsetDateTime::UNIX_EPOCH).expect("good");
    assert_eq!(attempt::policy(&webhook, false), Policy::PublicOnly);
    assert_eq!(attempt::policy(&webhook, true), Policy::Any);
    webhook.source = Source::Environment;
    assert_eq!(attempt::policy(&webhook, false), Policy::Any);
}

#[test]
fn what_a_configured_webhook_may_be() {
    let of = |url: &str, event: &str, secret: Option<&str>| ConfiguredWebhook {
        url: url.to_owned(),
        events: vec![event.to_owned()],
        secret: secret.map(str::to_owned),
    };
    assert!(of("http://chatwoot:3000/hook", "*", None).check().is_ok());
    assert!(
        of("http://10.0.0.1/", "message", Some("my-secret-key"))
            .check()
            .is_ok()
    );
    assert!(of("chatwoot", "*", None).check().is_err());
    assert!(of("http://chatwoot/", "mesage", None).check().is_err());
    assert!(of("http://chatwoot/", "*", Some("x")).check().is_err());
    assert!(
        of("http://chatwoot/", "*", Some("whsec_x"))
            .check()
            .is_err()
    );
    let text = format!(
        "{:?}",
        of("http://chatwoot/secret", "*", Some("verysecret"))
    );
    assert!(!text.contains("secret"), "{text}");
}
