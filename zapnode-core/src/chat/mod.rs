//! Chats as the account has them, and what can be done with a chat as a whole (fact sheet §6).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cursor::cursor;
use crate::id::{ChatId, MessageId, WireId};
use crate::message::IncomingMessage;

mod history;

pub use history::{ChatMessage, History, MessageCursor};
pub(crate) use history::{Sources, merge};

/// The most chats, contacts or messages in one page of a list.
pub const LARGEST_PAGE: usize = 200;

/// How many chats may be pinned at a time (fact sheet §6).
pub const MOST_PINNED: usize = 3;

/// A chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    /// Its id; a person's may be their number or their LID.
    pub id: ChatId,
    /// The person's `…@c.us`, where the page knows it.
    pub phone: Option<ChatId>,
    /// The person's `…@lid`, where the page knows it.
    pub lid: Option<ChatId>,
    /// As the page titles it.
    pub name: Option<String>,
    /// Whether it is a group.
    pub is_group: bool,
    /// How many messages are unread.
    pub unread: u32,
    /// Whether somebody marked it as unread by hand.
    pub is_marked_unread: bool,
    /// Whether it is archived.
    pub is_archived: bool,
    /// Whether it is pinned to the top.
    pub is_pinned: bool,
    /// Until when it is muted, if it is.
    pub mute: Option<Mute>,
    /// Whether the account cannot write there.
    pub is_read_only: bool,
    /// When something last happened in it, by WhatsApp's clock.
    pub at: Option<OffsetDateTime>,
    /// Its newest message, as far as the page has one at hand.
    pub last_message: Option<IncomingMessage>,
    /// Address of its picture, where the page has one at hand; WhatsApp's servers are not asked.
    pub picture: Option<String>,
}

/// For how long a chat makes no sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mute {
    /// Until somebody unmutes it.
    Forever,
    /// Until then, to the second.
    Until(OffsetDateTime),
}

impl Mute {
    /// Reads WhatsApp's number: 0 is not muted, -1 for ever, else Unix seconds (fact sheet §6).
    /// What has passed by `now` is no mute any more.
    pub fn from_expiration(seconds: i64, now: OffsetDateTime) -> Option<Self> {
        match seconds {
            0 => None,
            i64::MIN..0 => Some(Self::Forever),
            _ => OffsetDateTime::from_unix_timestamp(seconds)
                .ok()
                .filter(|until| *until > now)
                .map(Self::Until),
        }
    }

    /// WhatsApp's number for it.
    pub fn expiration(self) -> i64 {
        match self {
            Self::Forever => -1,
            Self::Until(until) => until.unix_timestamp(),
        }
    }
}

/// Which chats are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChatQuery {
    /// Only archived ones, or only others.
    pub archived: Option<bool>,
    /// Only those with something unread, or marked so.
    pub unread: bool,
    /// Only those with these letters in their title, whatever their case.
    pub words: Option<String>,
    /// Pinned chats come first, as people see them. Otherwise only time counts.
    pub pinned_first: bool,
    /// Where the page before ended.
    pub after: Option<ChatCursor>,
    /// At most so many, 1 to [`LARGEST_PAGE`].
    pub limit: usize,
}

/// A page of chats, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatPage {
    /// The chats.
    pub chats: Vec<Chat>,
    /// Where the next page begins; none on the last.
    pub next: Option<ChatCursor>,
    /// How many chats fit the query in all.
    pub total: usize,
    /// How many of all those have something unread.
    pub unread: usize,
}

/// The last chat of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatCursor {
    /// Whether it was pinned, where that counts.
    pub pinned: bool,
    /// Unix seconds.
    pub at: i64,
    /// Its id.
    pub id: ChatId,
}
cursor!(ChatCursor);

/// What can be done with a chat as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatChange {
    /// Puts it into the archive, or takes it out.
    Archive(bool),
    /// Pins it to the top, or not. At most [`MOST_PINNED`] can be.
    Pin(bool),
    /// Mutes it; `None` unmutes.
    Mute(Option<Mute>),
    /// Marks it as unread.
    MarkUnread,
    /// Removes its messages on this account's devices.
    Clear {
        /// Keep those with a star.
        keep_starred: bool,
    },
    /// Removes it with its messages on this account's devices.
    Delete,
}

/// Which messages of a chat are wanted of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    /// The chat.
    pub chat: ChatId,
    /// Only what is older than this one.
    pub before: Option<MessageId>,
    /// At most so many; 0 only asks for `known`.
    pub limit: usize,
    /// Messages of which it is asked whether the page has them.
    pub known: Vec<KnownMessage>,
}

/// A message as somebody else has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KnownMessage {
    /// Its whole key, if known.
    pub id: Option<MessageId>,
    /// Its id on the wire.
    pub wire_id: WireId,
    /// Whether this account wrote it.
    pub from_me: bool,
}

/// What the page has of a chat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistoryPage {
    /// The messages, newest first. Notices are none.
    pub messages: Vec<IncomingMessage>,
    /// Whether there may be older ones.
    pub has_more: bool,
    /// Which of the messages asked about the page has: one answer for each, in their order.
    pub known: Vec<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutes_read_as_whatsapp_writes_them() {
        let now = OffsetDateTime::from_unix_timestamp(1_000).expect("a time");
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("a time");
        for (number, mute) in [
            (0, None),
            (-1, Some(Mute::Forever)),
            (999, None),
            (1_000, None),
            (1_001, Some(Mute::Until(at(1_001)))),
            (i64::MAX, None),
        ] {
            let read = Mute::from_expiration(number, now);
            assert_eq!(read, mute, "{number}");
            if let Some(mute) = read {
                assert_eq!(mute.expiration(), number);
            }
        }
    }

    #[test]
    fn cursors_are_read_back_and_others_refused() {
        let cursor = ChatCursor {
            pinned: true,
            at: 7,
            id: ChatId::new("77@lid").expect("a chat"),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "7", "bnVsbA", "eyJhdCI6N30", "ã"] {
            let read: Result<ChatCursor, _> = text.parse();
            assert!(read.is_err(), "{text}");
        }
    }
}
