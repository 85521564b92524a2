//! Brazil's ninth digit. Mobile numbers there got one more digit, a 9 after the area code; accounts
//! that are older than that still have the short form on WhatsApp, and people write either. Only
//! WhatsApp knows which one an account has, so it is asked for both.

use crate::id::PhoneNumber;

/// The other form of a Brazilian mobile number; `None` for any other number.
///
/// `+55`, two digits of area, then 9 and eight digits, or the eight alone. Eight digits that begin
/// with 2 to 5 are a landline, which never has the 9.
pub fn other_form(number: &PhoneNumber) -> Option<PhoneNumber> {
    let national = number.as_str().strip_prefix("55")?;
    let (area, subscriber) = national.split_at_checked(2)?;
    if area.contains('0') {
        return None;
    }
    let mobile = |digits: &str| digits.len() == 8 && digits.starts_with(['6', '7', '8', '9']);
    let other = match subscriber.strip_prefix('9') {
        Some(short) if mobile(short) => short.to_owned(),
        _ if mobile(subscriber) => format!("9{subscriber}"),
        _ => return None,
    };
    PhoneNumber::new(&format!("55{area}{other}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mobile_numbers_of_brazil_have_two_forms() {
        for (number, other) in [
            ("5511912345678", None),
            ("5511992345678", Some("551192345678")),
            ("5511987654321", Some("551187654321")),
            ("551187654321", Some("5511987654321")),
            ("5511967654321", Some("551167654321")),
            ("551197654321", Some("5511997654321")),
            ("5511997654321", Some("551197654321")),
            // A landline.
            ("551132345678", None),
            ("5511932345678", None),
            // No area code has a 0.
            ("5501987654321", None),
            ("5510987654321", None),
            // Too short, too long, elsewhere.
            ("55119876543", None),
            ("55119876543210", None),
            ("244929782402", None),
            ("15551234567", None),
        ] {
            let given = PhoneNumber::new(number).expect("a number");
            let found = other_form(&given);
            assert_eq!(found.as_ref().map(PhoneNumber::as_str), other, "{number}");
            if let Some(found) = found {
                assert_eq!(other_form(&found), Some(given), "and back");
            }
        }
    }
}
