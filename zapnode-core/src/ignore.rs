//! Which chats a session does not listen to.
//!
//! What is ignored is neither stored nor told: messages, edits, revokes, reactions, calls and
//! notices of those chats. Two things are noted all the same: that somebody wrote at all, so that
//! an answer to them is no [first contact](crate::outbox::Pace), and a [stop word](crate::optout) in
//! their own chat, since who wants no more bulk messages is to be heard. Sending to them works.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::ChatId;
use crate::message::Person;

/// The chat in which the status posts of others come.
const STATUS: &str = "status@broadcast";

/// What is not listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    /// All groups.
    pub groups: bool,
    /// The status posts of others.
    pub status: bool,
    /// Channels.
    pub newsletters: bool,
    /// These chats besides. A person is ignored in their own chat under both their names, and
    /// heard in groups.
    pub chats: BTreeSet<ChatId>,
}

impl Default for Ignore {
    /// Status posts and channels are ignored, groups are not.
    fn default() -> Self {
        Self {
            groups: false,
            status: true,
            newsletters: true,
            chats: BTreeSet::new(),
        }
    }
}

/// What one session chose to ignore. What is absent is as its manager has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IgnoreChoice {
    /// All groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<bool>,
    /// The status posts of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<bool>,
    /// Channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newsletters: Option<bool>,
    /// These chats, and no others of the manager's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chats: Option<BTreeSet<ChatId>>,
}

impl IgnoreChoice {
    /// Whether nothing was chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Ignore {
    /// These defaults with what a session chose.
    #[must_use]
    pub fn with(&self, choice: &IgnoreChoice) -> Self {
        Self {
            groups: choice.groups.unwrap_or(self.groups),
            status: choice.status.unwrap_or(self.status),
            newsletters: choice.newsletters.unwrap_or(self.newsletters),
            chats: choice.chats.clone().unwrap_or_else(|| self.chats.clone()),
        }
    }

    /// Whether a chat is ignored; `person`: who did what is told.
    pub fn covers(&self, chat: &ChatId, person: Option<&Person>) -> bool {
        let by_kind = (chat.is_group() && self.groups)
            || (chat.as_str() == STATUS && self.status)
            || (chat.server() == "newsletter" && self.newsletters);
        if by_kind || self.chats.contains(chat) {
            return true;
        }
        // In a chat of two the person is the chat, unless this account wrote.
        let names = person
            .filter(|person| {
                [Some(&person.id), person.phone.as_ref(), person.lid.as_ref()].contains(&Some(chat))
            })
            .map(|person| [person.phone.as_ref(), person.lid.as_ref()]);
        let mut names = names.into_iter().flatten().flatten();
        names.any(|name| self.chats.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(text: &str) -> ChatId {
        ChatId::new(text).expect("a chat")
    }

    #[test]
    fn what_is_ignored_by_default_and_by_choice() {
        let chosen = |choice: IgnoreChoice| Ignore::default().with(&choice);
        let all = IgnoreChoice {
            groups: Some(true),
            status: Some(false),
            newsletters: Some(false),
            chats: Some([chat("5511912345678@c.us"), chat("7@lid"), chat("12@g.us")].into()),
        };
        let ana = Person {
            id: chat("244929782402@c.us"),
            phone: Some(chat("244929782402@c.us")),
            lid: Some(chat("7@lid")),
        };
        let bruno = Person::new(chat("5511912345678@c.us"));
        let table = [
            ("5511912345678@c.us", &bruno, false, true),
            ("244929782402@c.us", &ana, false, true),
            ("7@lid", &ana, false, true),
            ("1@g.us", &bruno, false, true),
            ("status@broadcast", &bruno, true, false),
            ("123@newsletter", &bruno, true, false),
            ("123@broadcast", &ana, false, false),
            ("9@lid", &Person::new(chat("9@lid")), false, false),
        ];
        for (name, person, by_default, by_choice) in table {
            let covers = |ignore: Ignore| ignore.covers(&chat(name), Some(person));
            assert_eq!(covers(Ignore::default()), by_default, "{name} by default");
            assert_eq!(covers(chosen(all.clone())), by_choice, "{name} by choice");
        }
        let one_group = chosen(IgnoreChoice {
            chats: Some([chat("12@g.us"), chat("7@lid")].into()),
            ..IgnoreChoice::default()
        });
        assert!(one_group.covers(&chat("12@g.us"), Some(&bruno)));
        assert!(
            !one_group.covers(&chat("13@g.us"), Some(&ana)),
            "heard in groups"
        );
    }

    #[test]
    fn a_choice_reads_as_it_was_written() {
        for text in ["{}", r#"{"groups":true,"chats":["1@g.us"]}"#] {
            let choice: IgnoreChoice = serde_json::from_str(text).expect("reads");
            assert_eq!(serde_json::to_string(&choice).expect("writes"), text);
        }
    }
}
