//! One history of two sources: what the page has, and what our store has. Each message is in it
//! once. Pure.
//!
//! The page's word on order and time counts for everything that it has; the store adds what the
//! page does not have (what is still queued, what was deleted or is not loaded any more). Each
//! source has a place of its own in the cursor, so that nothing is given twice or left out, however
//! the two differ.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cursor::cursor;
use crate::id::{MessageId, WireId};
use crate::message::IncomingMessage;
use crate::outbox::Message;

/// A message of a chat; at least one of its two forms is there.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatMessage {
    /// As the page has it.
    pub page: Option<IncomingMessage>,
    /// As our store has it.
    pub stored: Option<Message>,
}

impl ChatMessage {
    /// When it was written, by WhatsApp's clock; what the page does not have, by ours.
    pub fn at(&self) -> OffsetDateTime {
        match (&self.page, &self.stored) {
            (Some(page), _) => page.at,
            (None, Some(stored)) => stored.created_at,
            (None, None) => OffsetDateTime::UNIX_EPOCH,
        }
    }

    /// What makes it the same message in both sources.
    pub fn key(&self) -> Option<(WireId, bool)> {
        let page = self.page.as_ref().map(|m| (m.id.wire_id(), m.from_me));
        page.or_else(|| {
            let stored = self.stored.as_ref()?;
            Some((stored.wire_id.clone(), stored.from_me))
        })
    }
}

/// A page of a chat's messages, newest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The messages.
    pub messages: Vec<ChatMessage>,
    /// Where the next page begins; none on the last. A page may be shorter than was asked for, and
    /// still not be the last.
    pub next: Option<MessageCursor>,
    /// Whether the session's page was asked. If not, there is only what the store has.
    pub asked_page: bool,
}

/// How far both sources were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCursor {
    /// The last message of the page's that was given.
    pub(crate) page: Option<MessageId>,
    /// Whether the page has no older ones.
    pub(crate) page_ended: bool,
    /// The last message of the store's that was given or passed over.
    pub(crate) store: Option<i64>,
    /// Whether the store has no older ones.
    pub(crate) store_ended: bool,
}
cursor!(MessageCursor);

/// What was read of both sources from a cursor on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// The page's messages, newest first.
    pub(crate) page: VecDeque<IncomingMessage>,
    /// Whether the page may have older ones.
    pub(crate) page_has_more: bool,
    /// The store's messages, newest first, and whether the page has them.
    pub(crate) store: VecDeque<(Message, bool)>,
    /// Whether the store has older ones.
    pub(crate) store_has_more: bool,
}

/// Takes at most `limit` messages, newest first, and says how far that went. It ends early where it
/// cannot be known what comes next without reading on.
pub(crate) fn merge(
    mut sources: Sources,
    mut cursor: MessageCursor,
    limit: usize,
) -> (Vec<ChatMessage>, MessageCursor) {
    let mut merged = Vec::new();
    loop {
        // The page gives these itself, or gave them on an earlier page of the list.
        while let Some((passed, _)) = sources.store.pop_front_if(|(_, on_page)| *on_page) {
            cursor.store = Some(passed.seq);
        }
        if merged.len() == limit {
            break;
        }
        let newest_of_page = sources.page.front().map(|m| m.at.unix_timestamp());
        let newest_of_store = sources
            .store
            .front()
            .map(|(m, _)| m.created_at.unix_timestamp());
        let page_next = match (newest_of_page, newest_of_store) {
            (Some(page), Some(store)) => page >= store,
            // Whether the store has a newer one is known only once it is read on.
            (Some(_), None) if sources.store_has_more => break,
            (Some(_), None) => true,
            (None, Some(_)) if sources.page_has_more => break,
            (None, Some(_)) => false,
            (None, None) => break,
        };
        if page_next {
            let Some(message) = sources.page.pop_front() else {
                break;
            };
            cursor.page = Some(message.id.clone());
            merged.push(ChatMessage {
                page: Some(message),
                stored: None,
            });
        } else {
            let Some((message, _)) = sources.store.pop_front() else {
                break;
            };
            cursor.store = Some(message.seq);
            merged.push(ChatMessage {
                page: None,
                stored: Some(message),
            });
        }
    }
    cursor.page_ended = sources.page.is_empty() && !sources.page_has_more;
    cursor.store_ended = sources.store.is_empty() && !sources.store_has_more;
    (merged, cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{ChatId, SessionId};
    use crate::outbox::NewMessage;
    use crate::outbox::worker::fresh;

    fn wire(number: i64) -> WireId {
        WireId::new(&format!("3EB0{number:018X}")).expect("an id")
    }

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("a time")
    }

    /// The page's message `number`, written at `seconds`.
    fn on_page((number, seconds): (i64, i64)) -> IncomingMessage {
        let chat = ChatId::new("5511912345678@c.us").expect("a chat");
        IncomingMessage {
            id: MessageId::new(&format!("false_{chat}_{}", wire(number))).expect("a key"),
            from: chat.clone(),
            from_phone: None,
            from_lid: None,
            chat,
            name: None,
            from_me: false,
            kind: "chat".to_owned(),
            text: None,
            at: at(seconds),
            details: Default::default(),
        }
    }

    /// The store's message `number`, accepted as the `seq`-th at `seconds`.
    fn stored(seq: i64, number: i64, seconds: i64, on_page: bool) -> (Message, bool) {
        let to = ChatId::new("5511912345678@c.us").expect("a chat");
        let session = SessionId::new("a").expect("an id");
        let mut message = fresh(&session, &NewMessage::text(to, "x"));
        message.seq = seq;
        message.wire_id = wire(number);
        message.created_at = at(seconds);
        (message, on_page)
    }

    fn numbers(messages: &[ChatMessage]) -> Vec<String> {
        let name = |message: &ChatMessage| {
            let number = message.key().map(|(wire, _)| wire);
            let number = number.and_then(|w| i64::from_str_radix(&w.as_str()[4..], 16).ok());
            let source = if message.page.is_some() { "p" } else { "s" };
            format!("{source}{}", number.unwrap_or_default())
        };
        messages.iter().map(name).collect()
    }

    struct Case {
        about: &'static str,
        page: Vec<(i64, i64)>,
        page_has_more: bool,
        store: Vec<(Message, bool)>,
        store_has_more: bool,
        limit: usize,
        merged: &'static [&'static str],
        store_at: Option<i64>,
        ended: (bool, bool),
    }

    #[test]
    fn two_sources_are_one_history() {
        let cases = [
            Case {
                about: "nothing",
                page: vec![],
                page_has_more: false,
                store: vec![],
                store_has_more: false,
                limit: 9,
                merged: &[],
                store_at: None,
                ended: (true, true),
            },
            Case {
                about: "what both have is the page's, once",
                page: vec![(3, 30), (2, 20), (1, 10)],
                page_has_more: false,
                store: vec![
                    stored(9, 3, 30, true),
                    stored(8, 5, 25, false),
                    stored(7, 1, 10, true),
                ],
                store_has_more: false,
                limit: 9,
                merged: &["p3", "s5", "p2", "p1"],
                store_at: Some(7),
                ended: (true, true),
            },
            Case {
                about: "accepted long before it was sent: its time is the page's, and it comes once",
                page: vec![(3, 300)],
                page_has_more: true,
                store: vec![stored(9, 3, 10, true), stored(8, 4, 5, false)],
                store_has_more: false,
                limit: 9,
                merged: &["p3"],
                store_at: Some(9),
                ended: (false, false),
            },
            Case {
                about: "the limit",
                page: vec![(3, 30), (2, 20)],
                page_has_more: false,
                store: vec![stored(9, 5, 25, false), stored(8, 6, 15, false)],
                store_has_more: false,
                limit: 2,
                merged: &["p3", "s5"],
                store_at: Some(9),
                ended: (false, false),
            },
            Case {
                about: "the page may have something newer than the store's next",
                page: vec![(3, 30)],
                page_has_more: true,
                store: vec![stored(9, 5, 5, false)],
                store_has_more: false,
                limit: 9,
                merged: &["p3"],
                store_at: None,
                ended: (false, false),
            },
            Case {
                about: "and the store than the page's next",
                page: vec![(3, 30), (2, 20)],
                page_has_more: false,
                store: vec![stored(9, 5, 25, false)],
                store_has_more: true,
                limit: 9,
                merged: &["p3", "s5"],
                store_at: Some(9),
                ended: (false, false),
            },
            Case {
                about: "the store alone",
                page: vec![],
                page_has_more: false,
                store: vec![stored(9, 5, 25, false), stored(8, 6, 25, false)],
                store_has_more: false,
                limit: 9,
                merged: &["s5", "s6"],
                store_at: Some(8),
                ended: (true, true),
            },
            Case {
                about: "in the same second the page's comes first",
                page: vec![(3, 30)],
                page_has_more: false,
                store: vec![stored(9, 5, 30, false)],
                store_has_more: false,
                limit: 9,
                merged: &["p3", "s5"],
                store_at: Some(9),
                ended: (true, true),
            },
        ];
        for case in cases {
            let sources = Sources {
                page: case.page.iter().copied().map(on_page).collect(),
                page_has_more: case.page_has_more,
                store: case.store.into(),
                store_has_more: case.store_has_more,
            };
            let (merged, cursor) = merge(sources, MessageCursor::default(), case.limit);
            assert_eq!(numbers(&merged), case.merged, "{}", case.about);
            assert_eq!(cursor.store, case.store_at, "{}", case.about);
            let ended = (cursor.page_ended, cursor.store_ended);
            assert_eq!(ended, case.ended, "{}", case.about);
            assert_eq!(cursor.to_string().parse(), Ok(cursor), "{}", case.about);
        }
    }
}
