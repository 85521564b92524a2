//! National numbers, completed to international ones where a caller asks for it.

use std::fmt;
use std::str::FromStr;

use phonenumber::{Mode, country};
use thiserror::Error;

/// A country or region whose national numbers are completed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Region(country::Id);

/// A text that names no region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a region is a country's two letters, as AO or BR")]
pub struct InvalidRegion;

impl Region {
    /// Reads two letters of ISO 3166, as `AO`, in either case.
    ///
    /// # Errors
    /// [`InvalidRegion`] for anything else.
    pub fn new(text: &str) -> Result<Self, InvalidRegion> {
        let code = text.trim().to_ascii_uppercase();
        if code.len() != 2 {
            return Err(InvalidRegion);
        }
        country::Id::from_str(&code)
            .map(Self)
            .map_err(|_| InvalidRegion)
    }

    /// The international digits of a national number, as `244929782402` for `929 782 402` in
    /// Angola. `None`: it is left as it is, since it is a chat's id, or reads as international
    /// already, or is no number that this region is known to have. That says nothing of whether
    /// WhatsApp knows it.
    pub fn complete(self, text: &str) -> Option<String> {
        let text = text.trim();
        let separates = |c: char| c.is_ascii_whitespace() || "-.()/".contains(c);
        let is_national = |c: char| c.is_ascii_digit() || separates(c);
        if text.starts_with("00") || !text.chars().all(is_national) {
            return None;
        }
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let is_valid = |number: &phonenumber::PhoneNumber| phonenumber::is_valid(number);
        let reads_as_international = phonenumber::parse(None, format!("+{digits}"));
        if reads_as_international.is_ok_and(|number| is_valid(&number)) {
            return None;
        }
        let number = phonenumber::parse(Some(self.0), &digits).ok()?;
        if !is_valid(&number) {
            return None;
        }
        let international = number.format().mode(Mode::E164).to_string();
        Some(international.trim_start_matches('+').to_owned())
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_ref())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Region({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn national_numbers_are_completed_and_others_left_alone() {
        let table = [
            ("AO", "929 782 402", Some("244929782402")),
            ("ao", "929782402", Some("244929782402")),
            ("BR", "(11) 91234-5678", Some("5511912345678")),
            ("BR", "011 91234-5678", Some("5511912345678")),
            ("PT", "912 345 678", Some("351912345678")),
            ("US", "(212) 555-2368", Some("12125552368")),
            // International already, with and without a sign for it.
            ("AO", "244929782402", None),
            ("AO", "244 929 782 402", None),
            ("BR", "5511912345678", None),
            ("AO", "5511912345678", None),
            ("AO", "+929 782 402", None),
            ("AO", "00244929782402", None),
            // No number of that region: WhatsApp may know it all the same.
            ("AO", "12", None),
            ("AO", "929 782", None),
            ("BR", "00000000000", None),
            // Chats, and what is nothing at all.
            ("AO", "929782402@c.us", None),
            ("AO", "120363000000000001@g.us", None),
            ("AO", "Ana", None),
            ("AO", "", None),
        ];
        for (region, text, digits) in table {
            let region = Region::new(region).expect("a region");
            assert_eq!(region.complete(text).as_deref(), digits, "{region} {text}");
        }
    }

    #[test]
    fn regions_are_two_letters() {
        assert_eq!(Region::new(" br ").expect("a region").to_string(), "BR");
        for text in ["", "B", "BRA", "XX", "55", "Brasil"] {
            assert_eq!(Region::new(text), Err(InvalidRegion), "{text}");
        }
    }
}
