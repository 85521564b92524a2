//! An account: its phone with the messages on it, and its linked devices.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::groups::{GroupId, Notice, Place};
use super::people::{Card, ChatMarks};

use crate::id::{PhoneNumber, WireId};

/// A message as it is on a phone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PhoneMessage {
    /// The id it has on every device.
    pub id: WireId,
    /// The other person; in a group, who wrote it.
    pub chat: PhoneNumber,
    /// The group it is in.
    #[serde(default)]
    pub group: Option<GroupId>,
    /// Whether this phone's account wrote it.
    pub from_me: bool,
    /// The text.
    pub text: String,
    /// WhatsApp's word for the kind, `chat` for text.
    pub kind: String,
    /// When the servers took it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// How far it is: 1 at the server, 2 at the recipient, 3 read.
    pub ack: i8,
    /// How often it was handed to the servers under this id. More than once is a repeated send,
    /// of which the phone keeps one.
    pub deliveries: u32,
    /// It was sent under an address that does not fit the chat's, so the recipient sees it as from
    /// somebody unknown (fact sheet §4.3).
    pub unknown_sender: bool,
    /// The id of the message it quotes.
    pub quoted: Option<String>,
    /// Who is mentioned in it.
    #[serde(default)]
    pub mentions: Vec<PhoneNumber>,
    /// More fields of the page's message (fact sheet §5.4), as they are.
    #[serde(default)]
    pub fields: Map<String, Value>,
    /// What happened in the group, if this tells of that.
    #[serde(default)]
    pub notice: Option<Notice>,
    /// Whether its text was changed.
    #[serde(default)]
    pub edited: bool,
    /// Whether it was taken back for everyone.
    #[serde(default)]
    pub revoked: bool,
    /// Whether it was deleted on this account only.
    #[serde(default)]
    pub deleted: bool,
    /// Who has which reaction on it.
    #[serde(default)]
    pub reactions: BTreeMap<PhoneNumber, String>,
    /// What else was done to it.
    #[serde(default)]
    pub marks: Marks,
}

/// What was done to a message besides reactions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Marks {
    /// Whether this account starred it.
    pub starred: bool,
    /// Until when it is pinned in its chat, in Unix seconds.
    pub pinned_until: Option<i64>,
    /// In a poll: who chose which options, by their place.
    pub votes: BTreeMap<PhoneNumber, Vec<u32>>,
    /// To an event: who answered what, by WhatsApp's number (fact sheet §4.6).
    pub answers: BTreeMap<PhoneNumber, u8>,
}

impl PhoneMessage {
    /// The chat it is in.
    pub fn place(&self) -> Place {
        match &self.group {
            Some(group) => Place::Group(group.clone()),
            None => Place::Person(self.chat.clone()),
        }
    }
}

/// An account and its phone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Account {
    pub(super) number: PhoneNumber,
    pub(super) name: String,
    /// The user part of the `…@lid` address.
    pub(super) lid: String,
    pub(super) online: bool,
    pub(super) messages: Vec<PhoneMessage>,
    #[serde(default)]
    pub(super) card: Card,
    /// Lets itself only be invited to groups.
    #[serde(default)]
    pub(super) invite_only: bool,
    #[serde(skip)]
    places: HashMap<(WireId, bool), usize>,
}

impl Account {
    pub(super) fn new(number: &PhoneNumber) -> Self {
        let ending = &number.as_str()[number.as_str().len() - 4..];
        Self {
            number: number.clone(),
            name: format!("Sandbox {ending}"),
            lid: lid_of(number),
            online: true,
            messages: Vec::new(),
            card: Card::default(),
            invite_only: false,
            places: HashMap::new(),
        }
    }

    /// Finds the places again after the account was read from a file.
    pub(super) fn reindex(&mut self) {
        self.places = self
            .messages
            .iter()
            .enumerate()
            .map(|(place, message)| ((message.id.clone(), message.from_me), place))
            .collect();
    }

    pub(super) fn push(&mut self, message: PhoneMessage) {
        let key = (message.id.clone(), message.from_me);
        self.places.insert(key, self.messages.len());
        self.messages.push(message);
    }

    pub(super) fn find(&self, id: &WireId, from_me: bool) -> Option<&PhoneMessage> {
        let place = *self.places.get(&(id.clone(), from_me))?;
        self.messages.get(place)
    }

    pub(super) fn find_mut(&mut self, id: &WireId, from_me: bool) -> Option<&mut PhoneMessage> {
        let place = *self.places.get(&(id.clone(), from_me))?;
        self.messages.get_mut(place)
    }
}

/// A number's LID: the same at every start, so that a page's stored chats keep their meaning, and
/// not to be guessed from the number by eye.
fn lid_of(number: &PhoneNumber) -> String {
    // FNV-1a; any spread-out function would do.
    let hash = number
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("1{:014}", hash % 100_000_000_000_000)
}

/// What is kept for a device until it confirms it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(super) enum Item {
    /// A message of its account.
    Msg { id: WireId, from_me: bool },
    /// How far an own message is.
    Ack {
        chat: PhoneNumber,
        #[serde(default)]
        group: Option<GroupId>,
        id: WireId,
        ack: i8,
    },
    /// A chat was read on another device.
    Seen { chat: Place },
    /// A chat as a whole was changed on another device.
    Chat {
        chat: Place,
        marks: ChatMarks,
        cleared: bool,
        deleted: bool,
    },
    /// A message's text was changed.
    Edit {
        id: WireId,
        from_me: bool,
        text: String,
        at_ms: i64,
    },
    /// A message was taken back, by its writer or an admin.
    Revoke {
        id: WireId,
        from_me: bool,
        by: PhoneNumber,
        by_admin: bool,
    },
    /// A message was deleted on this account only.
    Delete { id: WireId, from_me: bool },
    /// A reaction was put on a message, or taken away.
    Reaction {
        id: WireId,
        from_me: bool,
        by: PhoneNumber,
        reaction: WireId,
        emoji: String,
        at_ms: i64,
    },
    /// A message was starred on this account, or is no more.
    Star { id: WireId, from_me: bool },
    /// A message was pinned in its chat, or unpinned.
    Pin {
        id: WireId,
        from_me: bool,
        by: PhoneNumber,
        pin: WireId,
        at_ms: i64,
        seconds: u32,
    },
    /// Somebody voted in a poll.
    Vote {
        id: WireId,
        from_me: bool,
        by: PhoneNumber,
        vote: WireId,
        options: Vec<u32>,
        at_ms: i64,
    },
    /// What was on the phone before this device was linked.
    History,
}

/// A linked device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device {
    pub(super) id: String,
    pub(super) number: PhoneNumber,
    /// Proves that a page is this device.
    pub(super) secret: String,
    pub(super) name: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) linked_at: OffsetDateTime,
    pub(super) items: VecDeque<(u64, Item)>,
    next: u64,
}

impl Device {
    pub(super) fn new(number: &PhoneNumber, name: String) -> Self {
        Self {
            id: ulid::Ulid::new().to_string(),
            number: number.clone(),
            secret: format!("{}{}", ulid::Ulid::new(), ulid::Ulid::new()),
            name,
            linked_at: OffsetDateTime::now_utc(),
            items: VecDeque::new(),
            next: 1,
        }
    }

    /// Keeps an item and gives its number.
    pub(super) fn keep(&mut self, item: Item) -> u64 {
        let n = self.next;
        self.next += 1;
        self.items.push_back((n, item));
        n
    }

    /// Lets go of everything up to and with `n`.
    pub(super) fn confirm(&mut self, n: u64) -> Vec<Item> {
        let mut gone = Vec::new();
        while self.items.front().is_some_and(|(first, _)| *first <= n) {
            gone.extend(self.items.pop_front().map(|(_, item)| item));
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandbox_device_lets_go_of_what_is_confirmed_only() {
        let number = PhoneNumber::new("244929782402").expect("a number");
        let mut device = Device::new(&number, "Chrome".to_owned());
        for _ in 0..3 {
            device.keep(Item::Seen {
                chat: Place::Person(number.clone()),
            });
        }
        assert_eq!(device.confirm(2).len(), 2);
        assert_eq!(device.confirm(2).len(), 0);
        assert_eq!(device.keep(Item::History), 4);
        assert_eq!(device.confirm(9).len(), 2);
    }

    #[test]
    fn sandbox_lids_are_steady_and_different() {
        let lid = |text: &str| lid_of(&PhoneNumber::new(text).expect("a number"));
        assert_eq!(lid("244929782402"), lid("244929782402"));
        assert_ne!(lid("244929782402"), lid("244929782403"));
        assert_eq!(lid("244929782402").len(), 15);
    }
}
