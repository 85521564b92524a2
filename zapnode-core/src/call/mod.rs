//! Calls that come in. They cannot be taken here; they can be turned away, by hand or by rule.

use serde::{Deserialize, Serialize};

mod desk;

pub(crate) use desk::watch;

/// The most characters of the text that a caller gets.
pub const MAX_TEXT_CHARACTERS: usize = 4096;

/// Whether calls are turned away, and what the caller is told. By default they ring.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectCalls {
    /// Turn them away.
    pub on: bool,
    /// What to write to who called; not to a group. 1 to [`MAX_TEXT_CHARACTERS`] characters.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
}

impl RejectCalls {
    /// Checks the text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), &'static str> {
        match self.text.as_deref() {
            None => Ok(()),
            Some(text) if text.trim().is_empty() => Err("the text for callers is empty"),
            Some(text) if text.chars().nth(MAX_TEXT_CHARACTERS).is_some() => {
                Err("the text for callers has at most 4096 characters")
            }
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_for_callers_has_something_in_it() {
        let with = |text: &str| RejectCalls {
            on: true,
            text: Some(text.to_owned()),
        };
        assert!(RejectCalls::default().check().is_ok());
        assert!(with("Escreva, por favor.").check().is_ok());
        assert!(with(&"é".repeat(4096)).check().is_ok());
        assert!(with(" ").check().is_err() && with(&"é".repeat(4097)).check().is_err());
    }
}
