//! Who gets a message, and who is told how far it is (fact sheet §4.3, §5.3).

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::account::{Item, Marks, PhoneMessage};
use super::faults::Hold;
use super::groups::Place;
use super::wire::ToPage;
use super::world::World;
use crate::id::{PhoneNumber, WireId};

/// A message on its way into the servers.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) id: WireId,
    pub(super) to: Place,
    pub(super) body: String,
    pub(super) kind: String,
    pub(super) quoted: Option<String>,
    pub(super) mentions: Vec<PhoneNumber>,
    pub(super) fields: Map<String, Value>,
    /// The sender's address does not match the chat's (fact sheet §4.3).
    pub(super) unknown_sender: bool,
}

impl World {
    /// Keeps something for each of an account's devices and sends it to those that are connected.
    pub(super) fn keep_for_devices(
        &mut self,
        number: &PhoneNumber,
        item: &Item,
        except: Option<&str>,
    ) {
        for id in self.devices_of(number) {
            if except == Some(id.as_str()) {
                continue;
            }
            let Some(n) = self
                .devices
                .get_mut(&id)
                .map(|device| device.keep(item.clone()))
            else {
                continue;
            };
            if let Some(connection) = self.connection_of(&id)
                && let Some(item) = self.frame_of(number, item)
            {
                self.tell(connection, ToPage::Stored { n, item });
            }
        }
    }

    /// A device confirms what it stored: that is the delivery of the messages among it.
    pub(super) fn got(&mut self, id: &str, n: u64) {
        let Some(device) = self.devices.get_mut(id) else {
            return;
        };
        let number = device.number.clone();
        for item in device.confirm(n) {
            if let Item::Msg { id, from_me: false } = item {
                self.delivered(&number, &id, 2);
            }
        }
    }

    /// Takes a message from one of the sender's devices, or from their phone.
    pub(super) fn send(&mut self, sender: &PhoneNumber, device: Option<&str>, sending: Sending) {
        let Sending { id, to, .. } = &sending;
        if let Some(known) = self.account(sender).find_mut(id, true) {
            // The same id again: acknowledged again, kept once.
            known.deliveries += 1;
            let (chat, group, ack) = (known.chat.clone(), known.group.clone(), known.ack);
            let id = id.clone();
            for recipient in self.recipients(to, sender) {
                if let Some(twin) = self.account(&recipient).find_mut(&id, false) {
                    twin.deliveries += 1;
                }
            }
            if let Some(device) = device {
                let item = Item::Ack {
                    chat,
                    group,
                    id,
                    ack,
                };
                self.keep_for_one(device, item);
            }
            return;
        }
        let recipients = self.recipients(to, sender);
        let id = id.clone();
        let (chat, group) = match to {
            Place::Person(person) => (person.clone(), None),
            Place::Group(group) => (sender.clone(), Some(group.clone())),
        };
        let message = PhoneMessage {
            id: id.clone(),
            chat: chat.clone(),
            group: group.clone(),
            from_me: true,
            text: sending.body,
            kind: sending.kind,
            at: OffsetDateTime::now_utc(),
            ack: 1,
            deliveries: 1,
            unknown_sender: sending.unknown_sender,
            quoted: sending.quoted,
            mentions: sending.mentions,
            fields: sending.fields,
            notice: None,
            edited: false,
            revoked: false,
            deleted: false,
            reactions: BTreeMap::new(),
            marks: Marks::default(),
        };
        let incoming = PhoneMessage {
            chat: sender.clone(),
            from_me: false,
            ack: 0,
            ..message.clone()
        };
        self.account(sender).push(message);
        if let Some(device) = device {
            if let Some(connection) = self.connection_of(device)
                && self.reaches(Hold::Acked)
            {
                self.stall(connection);
            }
            let item = Item::Ack {
                chat,
                group,
                id: id.clone(),
                ack: 1,
            };
            self.keep_for_one(device, item);
        }
        let own = Item::Msg {
            id: id.clone(),
            from_me: true,
        };
        self.keep_for_devices(sender, &own, device);
        for to in recipients {
            self.account(&to).push(incoming.clone());
            let theirs = Item::Msg {
                id: id.clone(),
                from_me: false,
            };
            self.keep_for_devices(&to, &theirs, None);
            if self.account(&to).online {
                self.delivered(&to, &id, 2);
            }
        }
    }

    /// Who gets what somebody writes there.
    fn recipients(&self, to: &Place, sender: &PhoneNumber) -> Vec<PhoneNumber> {
        match to {
            Place::Person(person) => vec![person.clone()],
            Place::Group(group) => self.others_in(group, sender),
        }
    }

    fn keep_for_one(&mut self, id: &str, item: Item) {
        let Some(device) = self.devices.get_mut(id) else {
            return;
        };
        let number = device.number.clone();
        let n = device.keep(item.clone());
        if let Some(connection) = self.connection_of(id)
            && let Some(item) = self.frame_of(&number, &item)
        {
            self.tell(connection, ToPage::Stored { n, item });
        }
    }

    /// A message has come so far at its recipient; the sender's devices are told once per step.
    fn delivered(&mut self, recipient: &PhoneNumber, id: &WireId, ack: i8) {
        let Some(message) = self.account(recipient).find_mut(id, false) else {
            return;
        };
        message.ack = message.ack.max(ack);
        let (sender, group) = (message.chat.clone(), message.group.clone());
        // In a group a step is done when everybody has done it.
        let reached = match &group {
            None => ack,
            Some(group) => {
                let others = self.others_in(group, &sender);
                let steps = others.iter().map(|other| {
                    let account = self.accounts.get(other);
                    let copy = account.and_then(|account| account.find(id, false));
                    copy.map_or(ack, |copy| copy.ack)
                });
                steps.min().unwrap_or(ack)
            }
        };
        let Some(original) = self.account(&sender).find_mut(id, true) else {
            return;
        };
        if original.ack >= reached {
            return;
        }
        original.ack = reached;
        let chat = original.chat.clone();
        let item = Item::Ack {
            chat,
            group,
            id: id.clone(),
            ack: reached,
        };
        self.keep_for_devices(&sender, &item, None);
    }

    /// Everything in a chat is read, on the phone or on one of its devices.
    pub(super) fn read(&mut self, reader: &PhoneNumber, chat: &Place, device: Option<&str>) {
        let marked = self.account(reader).unread.iter().any(|one| one == chat);
        self.account(reader).unread.retain(|one| one != chat);
        let unread: Vec<WireId> = self
            .account(reader)
            .messages
            .iter()
            .filter(|message| !message.from_me && message.place() == *chat && message.ack < 3)
            .map(|message| message.id.clone())
            .collect();
        if unread.is_empty() && !marked {
            return;
        }
        for id in &unread {
            self.delivered(reader, id, 3);
        }
        let seen = Item::Seen { chat: chat.clone() };
        self.keep_for_devices(reader, &seen, device);
    }

    /// The phone gets or loses its network.
    pub(super) fn set_online(&mut self, number: &PhoneNumber, online: bool) {
        let account = self.account(number);
        account.online = online;
        if !online {
            return;
        }
        let arrived: Vec<WireId> = account
            .messages
            .iter()
            .filter(|message| !message.from_me && message.ack < 2)
            .map(|message| message.id.clone())
            .collect();
        for id in arrived {
            self.delivered(number, &id, 2);
        }
    }
}
