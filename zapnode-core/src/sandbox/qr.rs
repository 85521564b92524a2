//! The text inside a login QR (fact sheet §2.3).

use thiserror::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The parts of a QR's text. Phones take it with and without the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrText {
    /// The server's reference of the page that shows the QR.
    pub reference: String,
    /// The page's noise static public key, base64.
    pub noise_key: String,
    /// The page's identity public key, base64.
    pub identity_key: String,
    /// The secret that ties phone and page together.
    pub adv_secret: String,
    /// The kind of device, in five-part codes.
    pub platform: Option<String>,
}

/// A text that is no login QR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvalidQrText {
    /// The wrong number of comma-separated parts.
    #[error("a login QR has 4 or 5 parts with commas between; got {0}")]
    Parts(usize),
    /// Blanks are never in it.
    #[error("a login QR has no blanks")]
    Blank,
    /// The reference is not one of a server's.
    #[error("the first part of a login QR is a reference, as 2@…")]
    Reference,
    /// A key is not 32 bytes of base64.
    #[error("the {0} is not 32 bytes in base64")]
    Key(&'static str),
}

impl QrText {
    /// Reads a QR's text.
    ///
    /// # Errors
    /// When it has another form; the variant says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidQrText> {
        if text.chars().any(char::is_whitespace) {
            return Err(InvalidQrText::Blank);
        }
        let parts: Vec<&str> = text.split(',').collect();
        if !matches!(parts.len(), 4 | 5) {
            return Err(InvalidQrText::Parts(parts.len()));
        }
        // A page that joins before it has a reference writes "null" or "undefined" here.
        if !parts[0].starts_with("2@") || parts[0].len() < 8 {
            return Err(InvalidQrText::Reference);
        }
        for (part, name) in [(1, "noise key"), (2, "identity key"), (3, "ADV secret")] {
            if STANDARD.decode(parts[part]).map(|key| key.len()) != Ok(32) {
                return Err(InvalidQrText::Key(name));
            }
        }
        Ok(Self {
            reference: parts[0].to_owned(),
            noise_key: parts[1].to_owned(),
            identity_key: parts[2].to_owned(),
            adv_secret: parts[3].to_owned(),
            platform: parts.get(4).map(|part| (*part).to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    #[test]
    fn sandbox_qr_of_four_and_five_parts() {
        let four = format!("2@abcdefgh,{},{},{}", key(1), key(2), key(3));
        let parsed = QrText::parse(&four).expect("four parts");
        assert_eq!(parsed.reference, "2@abcdefgh");
        assert_eq!(parsed.adv_secret, key(3));
        assert_eq!(parsed.platform, None);
        let five = QrText::parse(&format!("{four},1")).expect("five parts");
        assert_eq!(five.platform.as_deref(), Some("1"));
    }

    #[test]
    fn sandbox_qr_that_no_phone_takes() {
        let (a, b, c) = (key(1), key(2), key(3));
        for (text, error) in [
            (String::new(), InvalidQrText::Parts(1)),
            (format!("2@abcdefgh,{a},{b}"), InvalidQrText::Parts(3)),
            (
                format!("2@abcdefgh,{a},{b},{c},1,2"),
                InvalidQrText::Parts(6),
            ),
            (format!("null,{a},{b},{c},1"), InvalidQrText::Reference),
            (format!("2@abcdefgh, {a},{b},{c},1"), InvalidQrText::Blank),
            (
                format!("2@abcdefgh,undefined,{b},{c},1"),
                InvalidQrText::Key("noise key"),
            ),
            (
                format!("2@abcdefgh,{a},{b},[object-Promise],1"),
                InvalidQrText::Key("ADV secret"),
            ),
        ] {
            assert_eq!(QrText::parse(&text), Err(error), "{text}");
        }
    }
}
