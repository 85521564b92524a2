//! What pages do to messages that are there, and what phones do besides: the servers' half.

use serde_json::{Value, json};

use super::account::Item;
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
            Act::Vote { options } => self.vote(by, id, &options),
            Act::Answer { answer } => self.answer(by, id, answer),
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

    /// Somebody votes in a poll, in place of an earlier vote; the options by their place.
    pub(super) fn vote(
        &mut self,
        by: &PhoneNumber,
        id: &WireId,
        options: &[u32],
    ) -> Result<(), PhoneError> {
        let account = self.account(by);
        let poll = account.find(id, false).or_else(|| account.find(id, true));
        let poll = poll.filter(|message| message.kind == "poll_creation");
        let poll = poll.ok_or(PhoneError::NoSuchMessage)?;
        let known = poll.fields.get("pollOptions").and_then(Value::as_array);
        let known = known.map_or(0, Vec::len);
        if options.iter().any(|one| *one as usize >= known) {
            return Err(PhoneError::NoSuchMessage);
        }
        let (vote, at_ms) = (WireId::choose(), now_ms());
        for (holder, from_me) in self.holders(by, id) {
            if let Some(message) = self.account(&holder).find_mut(id, from_me) {
                message.marks.votes.insert(by.clone(), options.to_vec());
            }
            let item = Item::Vote {
                id: id.clone(),
                from_me,
                by: by.clone(),
                vote: vote.clone(),
                options: options.to_vec(),
                at_ms,
            };
            self.keep_for_devices(&holder, &item, None);
        }
        Ok(())
    }

    /// Somebody answers an event: all phones show it. How a page hears of that is not known.
    pub(super) fn answer(
        &mut self,
        by: &PhoneNumber,
        id: &WireId,
        answer: u8,
    ) -> Result<(), PhoneError> {
        let holders = self.holders(by, id);
        let kind = |message: &super::account::PhoneMessage| message.kind == "event_creation";
        let mut any = false;
        for (holder, from_me) in holders {
            let message = self.account(&holder).find_mut(id, from_me);
            if let Some(message) = message.filter(|message| kind(message)) {
                message.marks.answers.insert(by.clone(), answer);
                any = true;
            }
        }
        any.then_some(()).ok_or(PhoneError::NoSuchMessage)
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
