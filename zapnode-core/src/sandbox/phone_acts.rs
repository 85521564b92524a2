//! What else a simulated phone can do: richer messages, changes of messages, calls, groups.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::delivery::Sending;
use super::group_calls::GroupView;
use super::groups::{GroupAct, GroupId, Place};
use super::phone::{Phone, PhoneError, phone_wire_id};
use super::world::World;
use crate::id::{PhoneNumber, WireId};

/// A message to write on a phone.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its text.
    pub text: String,
    /// WhatsApp's word for its kind.
    pub kind: String,
    /// The message it answers.
    pub quoted: Option<WireId>,
    /// Who is mentioned in it.
    pub mentions: Vec<PhoneNumber>,
    /// More fields of the page's message, as `mimetype` or `lat` (fact sheet §5.4). They reach the
    /// pages as they are.
    pub fields: Map<String, Value>,
}

impl Draft {
    /// A plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: "chat".to_owned(),
            quoted: None,
            mentions: Vec::new(),
            fields: Map::new(),
        }
    }

    /// Of another kind, with fields of its own.
    #[must_use]
    pub fn of_kind(mut self, kind: &str, fields: Map<String, Value>) -> Self {
        kind.clone_into(&mut self.kind);
        self.fields = fields;
        self
    }
}

impl Draft {
    /// A place; `name` may have an address below it.
    pub fn location(latitude: f64, longitude: f64, name: &str) -> Self {
        let fields = json!({"lat": latitude, "lng": longitude, "loc": name});
        Self::text("").of_kind("location", object(fields))
    }

    /// A contact card.
    pub fn contact(name: &str, vcard: &str) -> Self {
        let fields = json!({"vcardFormattedName": name});
        Self::text(vcard).of_kind("vcard", object(fields))
    }

    /// A poll; `several` may be chosen, or one.
    pub fn poll(question: &str, options: &[&str], several: bool) -> Self {
        let options = options.iter().enumerate();
        let options: Vec<_> = options
            .map(|(id, name)| json!({"name": name, "localId": id}))
            .collect();
        let fields = json!({
            "pollName": question, "pollOptions": options,
            "pollSelectableOptionsCount": u8::from(!several),
        });
        Self::text("").of_kind("poll_creation", object(fields))
    }

    /// An event, at a time in Unix seconds.
    pub fn event(name: &str, starts: i64) -> Self {
        let fields = json!({"eventName": name, "eventStartTime": starts, "isEventCanceled": false});
        Self::text("").of_kind("event_creation", object(fields))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

impl Phone {
    /// Writes a message to a person or into a group.
    ///
    /// # Errors
    /// When somebody has no WhatsApp, or this phone is not in the group.
    pub async fn write(&self, to: impl Into<Place>, draft: Draft) -> Result<WireId, PhoneError> {
        let to = to.into();
        let reachable = match &to {
            Place::Person(person) => World::exists(person),
            Place::Group(group) => {
                if !self.hub.look(|world| world.is_in(group, self.number())) {
                    return Err(PhoneError::NotInGroup);
                }
                true
            }
        };
        if !reachable || !World::exists(self.number()) {
            return Err(PhoneError::NotOnWhatsApp);
        }
        let id = phone_wire_id();
        let mut fields = draft.fields;
        if let Some(quoted) = &draft.quoted
            && let Some(carried) = self.hub.look(|world| world.quoted(self.number(), quoted))
        {
            fields.entry("quotedMsg").or_insert(carried);
        }
        let sending = Sending {
            id: id.clone(),
            to,
            body: draft.text,
            kind: draft.kind,
            quoted: draft.quoted.map(|id| id.to_string()),
            mentions: draft.mentions,
            fields,
            unknown_sender: false,
        };
        self.hub
            .change(|world| world.send(self.number(), None, sending));
        Ok(id)
    }

    /// Opens a group: its messages count as read.
    pub async fn read_group(&self, group: &GroupId) {
        let place = Place::Group(group.clone());
        self.hub
            .change(|world| world.read(self.number(), &place, None));
    }

    /// Changes the text of a message that was written on this account.
    ///
    /// # Errors
    /// When there is no such message.
    pub async fn edit(&self, id: &WireId, text: &str) -> Result<(), PhoneError> {
        self.hub.change(|world| world.edit(self.number(), id, text))
    }

    /// Takes a message back for everyone; as an admin of a group also somebody else's.
    ///
    /// # Errors
    /// When there is no such message, or it is not this phone's to take back.
    pub async fn revoke(&self, id: &WireId) -> Result<(), PhoneError> {
        self.hub.change(|world| world.revoke(self.number(), id))
    }

    /// Deletes a message on this account only.
    ///
    /// # Errors
    /// When there is no such message.
    pub async fn delete(&self, id: &WireId) -> Result<(), PhoneError> {
        self.hub.change(|world| world.delete(self.number(), id))
    }

    /// Puts a reaction on a message; an empty one takes it away.
    ///
    /// # Errors
    /// When there is no such message.
    pub async fn react(&self, id: &WireId, emoji: &str) -> Result<(), PhoneError> {
        self.hub
            .change(|world| world.react(self.number(), id, emoji))
    }

    /// Stars a message on this account, or takes the star away.
    ///
    /// # Errors
    /// When there is no such message.
    pub async fn star(&self, id: &WireId, on: bool) -> Result<(), PhoneError> {
        self.hub.change(|world| world.star(self.number(), id, on))
    }

    /// Pins a message in its chat for so many seconds; 0 unpins it.
    ///
    /// # Errors
    /// When there is no such message.
    pub async fn pin(&self, id: &WireId, seconds: u32) -> Result<(), PhoneError> {
        self.hub
            .change(|world| world.pin(self.number(), id, seconds))
    }

    /// Votes in a poll: the options by their place; none takes the vote back.
    ///
    /// # Errors
    /// When there is no such poll, or it has no such option.
    pub async fn vote(&self, id: &WireId, options: &[u32]) -> Result<(), PhoneError> {
        self.hub
            .change(|world| world.vote(self.number(), id, options))
    }

    /// Whether a chat is marked as unread on it.
    pub fn is_marked_unread(&self, chat: &Place) -> bool {
        self.chat_marks(chat.clone()).unread_count == Some(-1)
    }

    /// Whether a linked device shows this account as available.
    pub fn is_available(&self) -> bool {
        self.hub.look(|world| world.is_available(self.number()))
    }

    /// Calls a person or a group; gives the call's id. It rings on the pages that run.
    ///
    /// # Errors
    /// When somebody has no WhatsApp, or this phone is not in the group.
    pub async fn call(&self, to: impl Into<Place>, video: bool) -> Result<String, PhoneError> {
        let to = to.into();
        self.hub
            .change(|world| world.call(self.number(), &to, video))
    }

    /// Founds a group with others in it.
    ///
    /// # Errors
    /// When somebody has no WhatsApp.
    pub async fn found_group(
        &self,
        subject: &str,
        members: &[PhoneNumber],
    ) -> Result<GroupId, PhoneError> {
        self.hub
            .change(|world| world.found(self.number(), subject, members, |_| {}))
    }

    /// Founds a community: a group that is written to through its groups only.
    ///
    /// # Errors
    /// When somebody has no WhatsApp.
    pub async fn found_community(
        &self,
        subject: &str,
        members: &[PhoneNumber],
    ) -> Result<GroupId, PhoneError> {
        self.hub.change(|world| {
            world.found(self.number(), subject, members, |group| {
                group.community = true;
            })
        })
    }

    /// The code at the end of a group's link, as its members see it.
    ///
    /// # Errors
    /// When there is no such group, or this phone is not in it.
    pub async fn invite_code(&self, group: &GroupId) -> Result<String, PhoneError> {
        self.hub.change(|world| {
            let group = world.groups.get_mut(group).ok_or(PhoneError::NoSuchGroup)?;
            if !group.members.contains_key(self.number()) {
                return Err(PhoneError::NotInGroup);
            }
            Ok(group.invite())
        })
    }

    /// A group as this phone shows it.
    ///
    /// # Errors
    /// When there is no such group, or this phone is not in it.
    pub fn group(&self, group: &GroupId) -> Result<GroupView, PhoneError> {
        self.hub.look(|world| {
            let group = world.groups.get(group).ok_or(PhoneError::NoSuchGroup)?;
            if !group.members.contains_key(self.number()) {
                return Err(PhoneError::NotInGroup);
            }
            Ok(GroupView::of(group))
        })
    }

    /// Lets this account only be invited to groups, or be added to them.
    pub async fn set_invite_only(&self, on: bool) {
        self.hub
            .change(|world| world.account(self.number()).invite_only = on);
    }

    /// Does something in a group.
    ///
    /// # Errors
    /// When there is no such group, or this phone may not do that there.
    pub async fn act_in_group(&self, group: &GroupId, act: GroupAct) -> Result<(), PhoneError> {
        self.hub
            .change(|world| world.act_in_group(self.number(), group, act))
    }

    /// Waits until so many messages wait for this account's devices; 0: all have arrived there.
    ///
    /// # Errors
    /// When that does not come about within the time.
    pub async fn wait_for_waiting(&self, count: usize, within: Duration) -> Result<(), PhoneError> {
        let mut changes = self.hub.changes();
        let wait = changes.wait_for(|_| {
            self.hub.look(|world| {
                let mine = world.devices.values();
                let mine = mine.filter(|device| device.number == *self.number());
                mine.map(|device| device.items.len()).sum::<usize>() == count
            })
        });
        match tokio::time::timeout(within, wait).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(PhoneError::TimedOut(within)),
        }
    }
}
