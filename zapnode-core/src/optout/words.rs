//! Which messages ask not to be written to any more. Pure.

use std::collections::BTreeSet;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The words that ask for it if nobody chooses others: Portuguese, then what people know from text
/// messages elsewhere.
pub const USUAL: &[&str] = &[
    "SAIR",
    "SAIR DA LISTA",
    "PARAR",
    "PARE",
    "CANCELAR",
    "DESCADASTRAR",
    "DESCADASTRE",
    "DESINSCREVER",
    "REMOVER",
    "STOP",
    "STOP ALL",
    "UNSUBSCRIBE",
    "BAJA",
];

/// Longer texts are letters, not stop words.
const LONGEST: usize = 64;

/// Words each of which, alone in a message, asks not to be written to any more. Case, accents,
/// blanks and punctuation around them do not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopWords(BTreeSet<String>);

impl StopWords {
    /// These words. Empty ones do not count; with none at all nobody opts out by a message.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let folded = words.into_iter().map(folded);
        Self(folded.filter(|word| !word.is_empty()).collect())
    }

    /// None: nobody opts out by a message.
    pub fn none() -> Self {
        Self::new([])
    }

    /// Whether a message says one of the words and nothing else.
    pub fn are_in(&self, text: &str) -> bool {
        text.chars().nth(LONGEST).is_none() && self.0.contains(&folded(text))
    }
}

impl Default for StopWords {
    fn default() -> Self {
        Self::new(USUAL.iter().copied())
    }
}

/// Lower case, without accents, single blanks, nothing but letters and digits at the ends.
fn folded(text: &str) -> String {
    let plain: String = text
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect();
    let words: Vec<_> = plain.split_whitespace().collect();
    words
        .join(" ")
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_word_alone_is_one() {
        let words = StopWords::default();
        for (text, is_one) in [
            ("SAIR", true),
            ("sair", true),
            (" Sair.\n", true),
            ("\"PARAR\"!", true),
            ("páre", true),
            ("ＳＴＯＰ", true),
            ("stop 🛑", true),
            ("sair  da\tlista", true),
            ("désinscrever", true),
            ("descadastrar", true),
            ("Unsubscribe", true),
            ("SAIR por favor", false),
            ("não posso sair", false),
            ("sairei", false),
            ("s a i r", false),
            ("", false),
            ("!!!", false),
            (&"sair ".repeat(40), false),
        ] {
            assert_eq!(words.are_in(text), is_one, "{text:?}");
        }
    }

    #[test]
    fn the_words_can_be_chosen_and_switched_off() {
        let words = StopWords::new(["chega", "  ", "NÃO!"]);
        assert!(words.are_in("Chega") && words.are_in("nao") && !words.are_in("sair"));
        assert!(!words.are_in("") && !words.are_in("!"));
        assert!(!StopWords::none().are_in("sair"));
        assert_eq!(StopWords::new(["", " "]), StopWords::none());
    }
}
