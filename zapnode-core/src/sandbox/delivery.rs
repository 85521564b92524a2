//! Who gets a message, and who is told how far it is (fact sheet §4.3, §5.3).

use time::OffsetDateTime;

use super::account::{Item, PhoneMessage};
use super::faults::Hold;
use super::wire::{ItemFrame, MsgFrame, ToPage};
use super::world::World;
use crate::id::{PhoneNumber, WireId};

/// A message on its way into the servers.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) id: WireId,
    pub(super) to: PhoneNumber,
    pub(super) body: String,
    pub(super) kind: String,
    pub(super) quoted: Option<String>,
    /// The sender's address does not match the chat's (fact sheet §4.3).
    pub(super) unknown_sender: bool,
}

impl World {
    pub(super) fn frame_of(&mut self, owner: &PhoneNumber, item: &Item) -> Option<ItemFrame> {
        Some(match item {
            Item::Msg { id, from_me } => {
                let message = self.account(owner).find(id, *from_me)?.clone();
                ItemFrame::Msg {
                    msg: self.msg_frame(&message),
                }
            }
            Item::Ack { chat, id, ack } => ItemFrame::Ack {
                chat: self.addresses(chat).0,
                id: id.clone(),
                ack: *ack,
            },
            Item::Seen { chat } => ItemFrame::Seen {
                chat: self.addresses(chat).0,
            },
            Item::History => {
                let messages = self.account(owner).messages.clone();
                ItemFrame::History {
                    msgs: messages.iter().map(|one| self.msg_frame(one)).collect(),
                }
            }
        })
    }

    fn msg_frame(&mut self, message: &PhoneMessage) -> MsgFrame {
        let (chat, also) = self.addresses(&message.chat);
        MsgFrame {
            id: message.id.clone(),
            chat,
            from_me: message.from_me,
            body: message.text.clone(),
            kind: message.kind.clone(),
            at: message.at.unix_timestamp(),
            ack: message.ack,
            quoted: message.quoted.clone(),
            name: self.account(&message.chat).name.clone(),
            also: self.faults.messages_carry_number.then_some(also),
        }
    }

    /// Keeps something for each of an account's devices and sends it to those that are connected.
    fn keep_for_devices(&mut self, number: &PhoneNumber, item: &Item, except: Option<&str>) {
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
            let (chat, ack) = (known.chat.clone(), known.ack);
            let id = id.clone();
            if let Some(twin) = self.account(&chat).find_mut(&id, false) {
                twin.deliveries += 1;
            }
            if let Some(device) = device {
                self.keep_for_one(device, Item::Ack { chat, id, ack });
            }
            return;
        }
        let (id, to) = (id.clone(), to.clone());
        let message = PhoneMessage {
            id: id.clone(),
            chat: to.clone(),
            from_me: true,
            text: sending.body,
            kind: sending.kind,
            at: OffsetDateTime::now_utc(),
            ack: 1,
            deliveries: 1,
            unknown_sender: sending.unknown_sender,
            quoted: sending.quoted,
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
                chat: to.clone(),
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
        self.account(&to).push(incoming);
        let theirs = Item::Msg {
            id: id.clone(),
            from_me: false,
        };
        self.keep_for_devices(&to, &theirs, None);
        if self.account(&to).online {
            self.delivered(&to, &id, 2);
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
        let sender = message.chat.clone();
        let Some(original) = self.account(&sender).find_mut(id, true) else {
            return;
        };
        if original.ack >= ack {
            return;
        }
        original.ack = ack;
        let item = Item::Ack {
            chat: recipient.clone(),
            id: id.clone(),
            ack,
        };
        self.keep_for_devices(&sender, &item, None);
    }

    /// Everything in a chat is read, on the phone or on one of its devices.
    pub(super) fn read(&mut self, reader: &PhoneNumber, chat: &PhoneNumber, device: Option<&str>) {
        let unread: Vec<WireId> = self
            .account(reader)
            .messages
            .iter()
            .filter(|message| !message.from_me && message.chat == *chat && message.ack < 3)
            .map(|message| message.id.clone())
            .collect();
        if unread.is_empty() {
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
