//! What pages do to messages that are there, and what phones do besides: the servers' half.

use serde_json::{Value, json};

use super::account::Item;
use super::groups::Place;
use super::happenings::now_ms;
use super::phone::PhoneError;
use super::wire::Act;
use super::world::World;
use crate::id::{PhoneNumber, WireId};

impl World {
    /// Does what a page asks; the reason, if the servers do not do it. All devices of all who have
    /// the message are told, also the one that asked.
    pub(super) fn act(
        &mut self,
        by: &PhoneNumber,
        id: &WireId,
        from_me: bool,
        act: Act,
    ) -> Result<(), &'static str> {
        if self.account(by).find(id, from_me).is_none() {
            return Err("no such message");
        }
        let done = match act {
            Act::Edit { body } => self.edit(by, id, &body),
            Act::Revoke => self.revoke(by, id),
            Act::Delete => self.delete(by, id),
            Act::React { emoji } => self.react(by, id, &emoji),
            Act::Star { on } => self.star(by, id, on),
            Act::Pin { seconds } => self.pin(by, id, seconds),
        };
        done.map_err(|error| error.code())
    }

    /// An account stars a message, or takes the star away.
    pub(super) fn star(
        &mut self,
        by: &PhoneNumber,
        id: &WireId,
        on: bool,
    ) -> Result<(), PhoneError> {
        let mut any = false;
        for from_me in [true, false] {
            let Some(message) = self.account(by).find_mut(id, from_me) else {
                continue;
            };
            message.marks.starred = on;
            any = true;
            let id = id.clone();
            self.keep_for_devices(by, &Item::Star { id, from_me }, None);
        }
        any.then_some(()).ok_or(PhoneError::NoSuchMessage)
    }

    /// Somebody pins a message in its chat, for everyone there; 0 seconds unpin it.
    pub(super) fn pin(
        &mut self,
        by: &PhoneNumber,
        id: &WireId,
        seconds: u32,
    ) -> Result<(), PhoneError> {
        let holders = self.holders(by, id);
        if holders.is_empty() {
            return Err(PhoneError::NoSuchMessage);
        }
        let (pin, at_ms) = (WireId::choose(), now_ms());
        for (holder, from_me) in holders {
            if let Some(message) = self.account(&holder).find_mut(id, from_me) {
                let until = at_ms / 1000 + i64::from(seconds);
                message.marks.pinned_until = (seconds > 0).then_some(until);
            }
            let item = Item::Pin {
                id: id.clone(),
                from_me,
                by: by.clone(),
                pin: pin.clone(),
                at_ms,
                seconds,
            };
            self.keep_for_devices(&holder, &item, None);
        }
        Ok(())
    }

    /// An account marks a chat as unread.
    pub(super) fn mark_unread(&mut self, by: &PhoneNumber, chat: Place) {
        let account = self.account(by);
        if !account.unread.contains(&chat) {
            account.unread.push(chat.clone());
        }
        self.keep_for_devices(by, &Item::Unread { chat }, None);
    }

    /// What an answer carries of the message it answers.
    pub(super) fn quoted(&self, by: &PhoneNumber, id: &WireId) -> Option<Value> {
        let account = self.accounts.get(by)?;
        let message = account.find(id, false).or_else(|| account.find(id, true))?;
        let mut carried = message.fields.clone();
        carried.remove("quotedMsg");
        carried.insert("type".to_owned(), json!(message.kind));
        carried.insert("body".to_owned(), json!(message.text));
        Some(Value::Object(carried))
    }
}
