//! What becomes of messages on the simulated WhatsApp: edits, revokes, deletions, reactions; and
//! calls.

use time::OffsetDateTime;

use super::account::Item;
use super::groups::Place;
use super::phone::PhoneError;
use super::wire::{CallFrame, ToPage};
use super::world::World;
use crate::id::{PhoneNumber, WireId};

pub(super) fn now_ms() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

impl World {
    /// Whose phones have a message that is on `owner`'s phone, and whether it is their own.
    pub(super) fn holders(&self, owner: &PhoneNumber, id: &WireId) -> Vec<(PhoneNumber, bool)> {
        let holds = |number: &PhoneNumber, from_me| {
            let account = self.accounts.get(number)?;
            let message = account.find(id, from_me)?;
            (message.kind != "gp2").then(|| message.place())
        };
        let mut found = Vec::new();
        let Some(place) = holds(owner, true).or_else(|| holds(owner, false)) else {
            return found;
        };
        let mut people = match place {
            Place::Person(other) => vec![other],
            Place::Group(group) => self.others_in(&group, owner),
        };
        people.push(owner.clone());
        for person in people {
            for from_me in [true, false] {
                if holds(&person, from_me).is_some() {
                    found.push((person.clone(), from_me));
                }
            }
        }
        found
    }

    /// A phone changes the text of a message it wrote.
    pub(super) fn edit(
        &mut self,
        by: &PhoneNumber,
        id: &WireId,
        text: &str,
    ) -> Result<(), PhoneError> {
        let original = self.account(by).find(id, true);
        let original = original.ok_or(PhoneError::NoSuchMessage)?;
        if original.revoked || original.deleted {
            return Err(PhoneError::NoSuchMessage);
        }
        let at_ms = now_ms();
        for (holder, from_me) in self.holders(by, id) {
            if let Some(message) = self.account(&holder).find_mut(id, from_me) {
                text.clone_into(&mut message.text);
                message.edited = true;
            }
            let item = Item::Edit {
                id: id.clone(),
                from_me,
                text: text.to_owned(),
                at_ms,
            };
            self.keep_for_devices(&holder, &item, None);
        }
        Ok(())
    }

    /// A phone takes a message back for everyone: one of its own, or an admin somebody else's.
    pub(super) fn revoke(&mut self, by: &PhoneNumber, id: &WireId) -> Result<(), PhoneError> {
        let own = self.account(by).find(id, true).is_some();
        if !own {
            let theirs = self.account(by).find(id, false);
            let place = theirs.ok_or(PhoneError::NoSuchMessage)?.place();
            let Place::Group(group) = place else {
                return Err(PhoneError::NotYours);
            };
            let role = self.groups.get(&group).and_then(|g| g.members.get(by));
            if role != Some(&true) {
                return Err(PhoneError::NotAdmin);
            }
        }
        for (holder, from_me) in self.holders(by, id) {
            if let Some(message) = self.account(&holder).find_mut(id, from_me) {
                message.revoked = true;
                message.text.clear();
                message.reactions.clear();
            }
            let item = Item::Revoke {
                id: id.clone(),
                from_me,
                by: by.clone(),
                by_admin: !own,
            };
            self.keep_for_devices(&holder, &item, None);
        }
        Ok(())
    }

    /// A phone deletes a message for itself.
    pub(super) fn delete(&mut self, by: &PhoneNumber, id: &WireId) -> Result<(), PhoneError> {
        let mut any = false;
        for from_me in [true, false] {
            let Some(message) = self.account(by).find_mut(id, from_me) else {
                continue;
            };
            message.deleted = true;
            any = true;
            let item = Item::Delete {
                id: id.clone(),
                from_me,
            };
            self.keep_for_devices(by, &item, None);
        }
        any.then_some(()).ok_or(PhoneError::NoSuchMessage)
    }

    /// A phone puts a reaction on a message; an empty one takes it away.
    pub(super) fn react(
        &mut self,
        by: &PhoneNumber,
        id: &WireId,
        emoji: &str,
    ) -> Result<(), PhoneError> {
        let holders = self.holders(by, id);
        if holders.is_empty() {
            return Err(PhoneError::NoSuchMessage);
        }
        let (reaction, at_ms) = (WireId::choose(), now_ms());
        for (holder, from_me) in holders {
            if let Some(message) = self.account(&holder).find_mut(id, from_me) {
                if emoji.is_empty() {
                    message.reactions.remove(by);
                } else {
                    message.reactions.insert(by.clone(), emoji.to_owned());
                }
            }
            let item = Item::Reaction {
                id: id.clone(),
                from_me,
                by: by.clone(),
                reaction: reaction.clone(),
                emoji: emoji.to_owned(),
                at_ms,
            };
            self.keep_for_devices(&holder, &item, None);
        }
        Ok(())
    }

    /// Somebody calls a person or a group: it rings on the pages that run, and nobody keeps it.
    pub(super) fn call(
        &mut self,
        by: &PhoneNumber,
        to: &Place,
        video: bool,
    ) -> Result<String, PhoneError> {
        let (called, group) = match to {
            Place::Person(person) => (vec![person.clone()], None),
            Place::Group(group) if self.is_in(group, by) => {
                (self.others_in(group, by), Some(group))
            }
            Place::Group(_) => return Err(PhoneError::NotInGroup),
        };
        if !Self::exists(by) || called.iter().any(|one| !Self::exists(one)) {
            return Err(PhoneError::NotOnWhatsApp);
        }
        let id = ulid::Ulid::new().to_string();
        let members: Vec<String> = match group {
            Some(_) => called.iter().map(|one| self.member_address(one)).collect(),
            None => Vec::new(),
        };
        for person in called {
            let from = match group {
                Some(_) => self.member_address(by),
                None => self.addresses(by).0,
            };
            let call = CallFrame {
                id: id.clone(),
                from,
                video,
                group: group.is_some(),
                participants: members.clone(),
            };
            for device in self.devices_of(&person) {
                if let Some(connection) = self.connection_of(&device) {
                    self.tell(connection, ToPage::Call { call: call.clone() });
                }
            }
        }
        Ok(id)
    }
}
