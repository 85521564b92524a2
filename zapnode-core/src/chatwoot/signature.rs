//! Whether a webhook call is Chatwoot's own: `X-Chatwoot-Signature` is `sha256=` and the hex of
//! HMAC-SHA256 over `{X-Chatwoot-Timestamp}.{raw body}` (account hooks since 4.11.2, API inboxes
//! since 4.13.0; older versions sign nothing).

use std::time::Duration;

use thiserror::Error;

/// How old a call may be, and how far its clock may be ahead of ours.
pub const MAX_AGE: Duration = Duration::from_secs(300);

/// Why a signature is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// There is none, and this bridge wants one.
    #[error("the call is not signed")]
    Missing,
    /// Its headers cannot be read.
    #[error("the signature's headers cannot be read")]
    Malformed,
    /// It is too old, or of the future.
    #[error("the call is more than five minutes old, or the clocks differ")]
    Stale,
    /// Somebody else's, or the body was changed.
    #[error("the signature does not fit")]
    Wrong,
}

/// Checks a call. `now` in seconds since 1970.
///
/// # Errors
/// Why it is not taken.
pub fn verify(
    secret: &str,
    signature: Option<&str>,
    timestamp: Option<&str>,
    body: &[u8],
    now: i64,
) -> Result<(), SignatureError> {
    let (Some(signature), Some(timestamp)) = (signature, timestamp) else {
        return Err(SignatureError::Missing);
    };
    let hex = signature.strip_prefix("sha256=").unwrap_or(signature);
    let tag = from_hex(hex).ok_or(SignatureError::Malformed)?;
    let seconds: i64 = timestamp.parse().map_err(|_| SignatureError::Malformed)?;
    let (key, signed) = key_and_text(secret, timestamp, body);
    // Compares in constant time.
    ring::hmac::verify(&key, &signed, &tag).map_err(|_| SignatureError::Wrong)?;
    if now.abs_diff(seconds) > MAX_AGE.as_secs() {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

/// Signs a call as Chatwoot does; `timestamp` in seconds since 1970.
pub fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    let (key, signed) = key_and_text(secret, timestamp, body);
    let tag = ring::hmac::sign(&key, &signed);
    let hex: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

fn key_and_text(secret: &str, timestamp: &str, body: &[u8]) -> (ring::hmac::Key, Vec<u8>) {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let mut signed = Vec::with_capacity(timestamp.len() + 1 + body.len());
    signed.extend_from_slice(timestamp.as_bytes());
    signed.push(b'.');
    signed.extend_from_slice(body);
    (key, signed)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fresh_call_of_the_right_secret_is_taken() {
        let good = sign("s", "1000", b"{}");
        let check = |signature: Option<&str>, at: Option<&str>, body: &str, now| {
            verify("s", signature, at, body.as_bytes(), now)
        };
        // Of `printf '1000.{}' | openssl dgst -sha256 -hmac s`.
        assert_eq!(
            good,
            "sha256=1266ced5789d16ad976ad7b98cd2aa00ac3ba17106a40ee2a50f1df5cf9b85fc"
        );
        let good = Some(good.as_str());
        assert_eq!(check(good, Some("1000"), "{}", 1200), Ok(()));
        assert_eq!(check(good, Some("1000"), "{}", 800), Ok(()));
        assert_eq!(
            check(good, Some("1000"), "{ }", 1200),
            Err(SignatureError::Wrong)
        );
        assert_eq!(
            check(good, Some("1001"), "{}", 1200),
            Err(SignatureError::Wrong)
        );
        assert_eq!(
            check(good, Some("1000"), "{}", 1301),
            Err(SignatureError::Stale)
        );
        assert_eq!(
            check(None, Some("1000"), "{}", 1000),
            Err(SignatureError::Missing)
        );
        assert_eq!(check(good, None, "{}", 1000), Err(SignatureError::Missing));
        assert_eq!(
            check(Some("sha256=xx"), Some("1"), "{}", 1),
            Err(SignatureError::Malformed)
        );
        assert_eq!(
            check(good, Some("now"), "{}", 1000),
            Err(SignatureError::Malformed)
        );
        let other = sign("t", "1000", b"{}");
        assert_eq!(
            check(Some(&other), Some("1000"), "{}", 1000),
            Err(SignatureError::Wrong)
        );
    }
}
