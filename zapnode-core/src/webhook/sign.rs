//! Secrets, and what they make of a body.
//!
//! Each request carries two signatures: the one of [Standard Webhooks](https://www.standardwebhooks.com),
//! over id, time and body, and WAHA's, over the body alone, for programs written for that.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom, SystemRandom};
use standardwebhooks::Webhook;
use thiserror::Error;

/// What a secret of the scheme begins with.
const PREFIX: &str = "whsec_";

/// A webhook's secret. Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(String);

/// A text that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidSecret {
    /// Not of the scheme's form.
    #[error("a secret is whsec_ and 24 to 64 bytes in base64; leave it away to have one made")]
    Form,
    /// Cannot be a key at all.
    #[error("a secret has 8 to 256 visible ASCII characters")]
    Plain,
    /// The system gave no random bytes.
    #[error("the system has no random numbers")]
    NoRandom,
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(********)")
    }
}

impl WebhookSecret {
    /// Reads one in the scheme's own form: `whsec_` and 24 to 64 bytes in base64.
    ///
    /// # Errors
    /// [`InvalidSecret::Form`].
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret::Form)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| InvalidSecret::Form)?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(InvalidSecret::Form);
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads one as people choose them for WAHA: any text of 8 to 256 visible characters. One that
    /// begins with `whsec_` must be whole.
    ///
    /// # Errors
    /// See [`InvalidSecret`].
    pub fn lenient(text: &str) -> Result<Self, InvalidSecret> {
        if text.starts_with(PREFIX) {
            return Self::parse(text);
        }
        if !(8..=256).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidSecret::Plain);
        }
        Ok(Self(text.to_owned()))
    }

    /// Makes one of 32 random bytes.
    ///
    /// # Errors
    /// [`InvalidSecret::NoRandom`].
    pub fn random() -> Result<Self, InvalidSecret> {
        let mut bytes = [0u8; 32];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| InvalidSecret::NoRandom)?;
        Ok(Self(format!("{PREFIX}{}", STANDARD.encode(bytes))))
    }

    /// From our own store, which holds only checked ones.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for whoever shall verify with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The key of the scheme: what the base64 holds, or the text itself where it is none.
    fn key(&self) -> Vec<u8> {
        let encoded = self.0.strip_prefix(PREFIX);
        encoded
            .and_then(|text| STANDARD.decode(text).ok())
            .unwrap_or_else(|| self.0.as_bytes().to_vec())
    }

    /// `v1,…` over id, seconds since 1970 and body.
    fn standard(&self, id: &str, timestamp: i64, body: &str) -> Option<String> {
        let signer = Webhook::from_bytes(self.key()).ok()?;
        signer.sign(id, timestamp, body.as_bytes()).ok()
    }

    /// WAHA's: SHA-512 in hex over the body, keyed with the secret's text.
    fn waha(&self, body: &str) -> String {
        use ring::hmac;
        let key = hmac::Key::new(hmac::HMAC_SHA512, self.0.as_bytes());
        let tag = hmac::sign(&key, body.as_bytes());
        tag.as_ref().iter().fold(String::new(), |mut hex, byte| {
            use fmt::Write;
            // Writing to a text cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// Who signs: the secret, and the one before it while both are good.
#[derive(Clone, Debug)]
pub(super) struct Signing<'a> {
    /// The secret.
    pub(super) secret: &'a WebhookSecret,
    /// The one that it replaced, as long as receivers may still verify with that.
    pub(super) previous: Option<&'a WebhookSecret>,
}

/// The headers that prove a body and tell what it is. `request` is new with each attempt, `id` is
/// the event's and the same with all of them.
pub(super) fn headers(
    signing: &Signing<'_>,
    id: &str,
    request: &str,
    now_ms: i64,
    body: &str,
) -> Vec<(&'static str, String)> {
    let seconds = now_ms.div_euclid(1000);
    let both = std::iter::once(signing.secret).chain(signing.previous);
    let signatures: Vec<_> = both
        .filter_map(|secret| secret.standard(id, seconds, body))
        .collect();
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-signature", signatures.join(" ")),
        ("x-webhook-request-id", request.to_owned()),
        ("x-webhook-timestamp", now_ms.to_string()),
        ("x-webhook-hmac", signing.secret.waha(body)),
        ("x-webhook-hmac-algorithm", "sha512".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(headers: &'a [(&'static str, String)], name: &str) -> &'a str {
        &headers.iter().find(|(n, _)| *n == name).expect(name).1
    }

    #[test]
    fn the_scheme_s_published_example() {
        // From the specification of Standard Webhooks and its libraries' tests.
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("good");
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let body = "{\"test\": 2432232314}";
        let signing = Signing {
            secret: &secret,
            previous: None,
        };
        let headers = headers(&signing, id, "r", 1_614_265_330_999, body);
        assert_eq!(value(&headers, "webhook-id"), id);
        assert_eq!(value(&headers, "webhook-timestamp"), "1614265330");
        assert_eq!(
            value(&headers, "webhook-signature"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(value(&headers, "x-webhook-timestamp"), "1614265330999");
    }

    #[test]
    fn waha_s_example() {
        // WAHA's documentation, "Webhooks, HMAC": this body with this key.
        let body = r#"{"event":"message","session":"default","engine":"WEBJS"}"#;
        let secret = WebhookSecret::lenient("my-secret-key").expect("good");
        assert_eq!(
            secret.waha(body),
            "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8\
             097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"
        );
    }

    #[test]
    fn both_secrets_sign_during_an_overlap() {
        let new = WebhookSecret::random().expect("made");
        let old = WebhookSecret::random().expect("made");
        let signing = Signing {
            secret: &new,
            previous: Some(&old),
        };
        let signed = headers(&signing, "evt_1", "r", 5_000, "{}");
        let alone = |secret| {
            let signing = Signing {
                secret,
                previous: None,
            };
            value(
                &headers(&signing, "evt_1", "r", 5_000, "{}"),
                "webhook-signature",
            )
            .to_owned()
        };
        assert_eq!(
            value(&signed, "webhook-signature"),
            format!("{} {}", alone(&new), alone(&old))
        );
        assert_eq!(value(&signed, "x-webhook-hmac"), new.waha("{}"));
    }

    #[test]
    fn secrets_that_are_taken() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7u8; bytes]));
        for (text, strict, lenient) in [
            (of(24), true, true),
            (of(64), true, true),
            (of(23), false, false),
            (of(65), false, false),
            ("whsec_".to_owned(), false, false),
            ("whsec_not base64!".to_owned(), false, false),
            ("my-secret-key".to_owned(), false, true),
            ("short".to_owned(), false, false),
            ("with blanks in it".to_owned(), false, false),
        ] {
            assert_eq!(WebhookSecret::parse(&text).is_ok(), strict, "{text}");
            assert_eq!(WebhookSecret::lenient(&text).is_ok(), lenient, "{text}");
        }
        let made = WebhookSecret::random().expect("made");
        assert_eq!(WebhookSecret::parse(made.reveal()), Ok(made.clone()));
        assert!(!format!("{made:?}").contains(made.reveal()));
    }
}
