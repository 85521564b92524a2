//! Contact cards as vCard texts, which is how WhatsApp carries them (fact sheet §4.6).

use serde::{Deserialize, Serialize};

use crate::id::PhoneNumber;

/// The largest card, in bytes.
const MAX_CARD_BYTES: usize = 64 * 1024;

/// The most characters of the name on it.
const MAX_NAME_CHARACTERS: usize = 200;

/// A contact card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCard {
    /// The name it is shown under: 1 to 200 characters.
    pub name: String,
    /// The whole card, from `BEGIN:VCARD` to `END:VCARD`, at most 64 KiB.
    pub vcard: String,
}

impl ContactCard {
    /// A card with a name and phone numbers. Each number is one that can be written to on WhatsApp.
    pub fn new(name: &str, phones: &[PhoneNumber]) -> Self {
        let name = name.trim().to_owned();
        let escaped = escape(&name);
        // N has a family name and a given name; which part is which nobody said.
        let mut vcard = format!("BEGIN:VCARD\nVERSION:3.0\nN:;{escaped};;;\nFN:{escaped}\n");
        for phone in phones {
            let digits = phone.as_str();
            vcard.push_str(&format!("TEL;type=CELL;waid={digits}:+{digits}\n"));
        }
        vcard.push_str("END:VCARD");
        Self { name, vcard }
    }

    /// A card as somebody else wrote it. Its name is what it says in `FN`, else in `N`.
    ///
    /// # Errors
    /// What is missing in it.
    pub fn from_vcard(vcard: &str) -> Result<Self, &'static str> {
        let vcard = vcard.trim();
        let upper = vcard.get(..11).unwrap_or_default().to_ascii_uppercase();
        let end = vcard.len().checked_sub(9).and_then(|at| vcard.get(at..));
        if upper != "BEGIN:VCARD" || !end.is_some_and(|end| end.eq_ignore_ascii_case("END:VCARD")) {
            return Err("a vCard begins with BEGIN:VCARD and ends with END:VCARD");
        }
        let name = property(vcard, "FN").map(|name| unescape(&name));
        let name = name.or_else(|| {
            // Family name first in it, given name second.
            let parts = property(vcard, "N")?;
            let mut parts = parts.split(';').map(unescape);
            let family = parts.next().unwrap_or_default();
            let given = parts.next().unwrap_or_default();
            Some(format!("{given} {family}"))
        });
        let name = name.map(|name| name.trim().to_owned());
        let name = name.filter(|name| !name.is_empty());
        let card = Self {
            name: name.ok_or("a vCard needs a name: FN")?,
            vcard: vcard.to_owned(),
        };
        check(&card)?;
        Ok(card)
    }
}

/// Checks that a card can be sent.
pub(super) fn check(card: &ContactCard) -> Result<(), &'static str> {
    if card.name.trim().is_empty() || card.name.chars().nth(MAX_NAME_CHARACTERS).is_some() {
        return Err("the name of a contact has 1 to 200 characters");
    }
    if card.vcard.len() > MAX_CARD_BYTES {
        return Err("a contact card has at most 64 KiB");
    }
    Ok(())
}

/// The value of the first property of this name, whatever group and parameters it has. Folded
/// lines are joined.
fn property(vcard: &str, wanted: &str) -> Option<String> {
    let mut lines: Vec<String> = vec![];
    for line in vcard.lines() {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some(last)) => last.push_str(rest),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.iter().find_map(|line| {
        let (head, value) = line.split_once(':')?;
        let name = head.split(';').next()?;
        let name = name.rsplit('.').next()?;
        name.eq_ignore_ascii_case(wanted).then(|| value.to_owned())
    })
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            '\r' => {}
            c => escaped.push(c),
        }
    }
    escaped
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n' | 'N') => plain.push('\n'),
                Some(other) => plain.push(other),
                None => {}
            },
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_ours_is_read_back() {
        let phone = PhoneNumber::new("244929782402").expect("a number");
        for name in ["Ana Silva", "Silva; Ana, Lda. \\ 2", "João\nObra"] {
            let card = ContactCard::new(name, std::slice::from_ref(&phone));
            assert!(card.vcard.contains("waid=244929782402:+244929782402"));
            let read = ContactCard::from_vcard(&card.vcard).expect("a card");
            assert_eq!(read, card, "{name}");
        }
    }

    #[test]
    fn cards_of_others() {
        let table = [
            ("BEGIN:VCARD\nFN:Ana\nEND:VCARD", Some("Ana")),
            (
                "begin:vcard\r\nitem1.FN;CHARSET=UTF-8:Jo\u{e3}o\r\nend:vcard",
                Some("João"),
            ),
            ("BEGIN:VCARD\nN:Silva;Ana;;;\nEND:VCARD", Some("Ana Silva")),
            (
                "BEGIN:VCARD\nFN:Uma empresa\n  com nome\nEND:VCARD",
                Some("Uma empresa com nome"),
            ),
            ("  BEGIN:VCARD\nFN:x\nEND:VCARD\n", Some("x")),
            ("BEGIN:VCARD\nTEL:1\nEND:VCARD", None),
            ("BEGIN:VCARD\nFN: \nEND:VCARD", None),
            ("FN:Ana", None),
            ("BEGIN:VCARD\nFN:Ana", None),
            ("ç", None),
            ("", None),
        ];
        for (text, name) in table {
            let card = ContactCard::from_vcard(text).ok();
            assert_eq!(card.map(|c| c.name).as_deref(), name, "{text}");
        }
        let long = format!("BEGIN:VCARD\nFN:{}\nEND:VCARD", "x".repeat(201));
        assert!(ContactCard::from_vcard(&long).is_err());
        let large = format!("BEGIN:VCARD\nFN:x\nNOTE:{}\nEND:VCARD", "x".repeat(65536));
        assert!(ContactCard::from_vcard(&large).is_err());
    }
}
