//! Which events a reader wants.

use std::collections::BTreeSet;

use thiserror::Error;

use super::EventName;
use crate::id::{ChatId, SessionId};

/// Which events are wanted; the default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these; `None`: all.
    pub names: Option<BTreeSet<EventName>>,
    /// Only of this session.
    pub session: Option<SessionId>,
    /// Only those about this chat; a person's, under whichever of their names it goes.
    pub chat: Option<ChatId>,
}

/// A name that no event has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no event {name:?}; there are * and {}", known())]
pub struct UnknownEventName {
    /// The name.
    pub name: String,
}

impl Filter {
    /// All events of one session.
    pub fn session(id: SessionId) -> Self {
        Self {
            session: Some(id),
            ..Self::default()
        }
    }

    /// Only these events.
    #[must_use]
    pub fn names(mut self, names: impl IntoIterator<Item = EventName>) -> Self {
        self.names = Some(names.into_iter().collect());
        self
    }
}

/// Reads names of events; `*` stands for all, and then `None` is returned.
///
/// # Errors
/// [`UnknownEventName`] for the first that is none.
pub fn parse_names<'a>(
    words: impl IntoIterator<Item = &'a str>,
) -> Result<Option<BTreeSet<EventName>>, UnknownEventName> {
    let mut names = BTreeSet::new();
    let mut all = false;
    for word in words {
        match word.trim() {
            "*" => all = true,
            word => {
                let name = EventName::from_word(word);
                names.insert(name.ok_or_else(|| UnknownEventName {
                    name: word.chars().take(80).collect(),
                })?);
            }
        }
    }
    Ok((!all).then_some(names))
}

fn known() -> String {
    let words: Vec<_> = EventName::ALL.iter().map(|n| n.as_str()).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_wrong_ones_told() {
        let read = |text: &str| parse_names(text.split(','));
        assert_eq!(read("*"), Ok(None));
        assert_eq!(read("message,*"), Ok(None));
        let two = BTreeSet::from([EventName::Message, EventName::Ack]);
        assert_eq!(read("message.ack, message,message"), Ok(Some(two)));
        let error = read("message,mesage").expect_err("unknown");
        assert!(error.to_string().contains("\"mesage\""), "{error}");
        assert!(error.to_string().contains("group.v2.join"), "{error}");
        for name in EventName::ALL {
            assert_eq!(EventName::from_word(name.as_str()), Some(*name));
        }
    }
}
