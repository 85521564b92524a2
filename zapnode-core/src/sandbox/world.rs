//! Everything the simulated servers and phones know, and the rules of who is told what. No clock
//! but the one passed in by callers, no sockets: frames go into queues.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::account::{Account, Device, Item, PhoneMessage};
use super::faults::{Addressing, Faults};
use super::phone::{PhoneError, WaitingQr};
use super::qr::QrText;
use super::wire::{ItemFrame, Me, MsgFrame, Person, ToPage};
use crate::id::{PhoneNumber, WireId};

/// A page's websocket.
#[derive(Debug)]
pub(super) struct Connection {
    frames: mpsc::UnboundedSender<ToPage>,
    pub(super) role: Role,
}

/// What a websocket is used for.
#[derive(Debug)]
pub(super) enum Role {
    /// Nothing was said yet.
    Fresh,
    /// It shows a QR or a pairing code.
    Pairing(Box<Pairing>),
    /// It is a linked device.
    Device(String),
    /// It is to be closed: unlinked, or another page took its place.
    Ended,
}

/// A page that waits to be linked.
#[derive(Debug)]
pub(super) struct Pairing {
    noise: String,
    identity: String,
    adv: String,
    name: String,
    reference: Option<(String, Instant)>,
    former: Vec<String>,
    issued: u32,
    code: Option<(String, PhoneNumber)>,
    since: OffsetDateTime,
}

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

/// What survives a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) accounts: Vec<Account>,
    pub(super) devices: Vec<Device>,
}

/// The simulated WhatsApp.
#[derive(Debug)]
pub(super) struct World {
    pub(super) accounts: BTreeMap<PhoneNumber, Account>,
    pub(super) devices: BTreeMap<String, Device>,
    connections: BTreeMap<u64, Connection>,
    last_connection: u64,
    pub(super) faults: Faults,
    pub(super) faults_revision: u64,
}

impl World {
    pub(super) fn new(kept: Kept, faults: Faults) -> Self {
        let mut world = Self {
            accounts: kept
                .accounts
                .into_iter()
                .map(|mut account| {
                    account.reindex();
                    (account.number.clone(), account)
                })
                .collect(),
            devices: kept
                .devices
                .into_iter()
                .map(|device| (device.id.clone(), device))
                .collect(),
            connections: BTreeMap::new(),
            last_connection: 0,
            faults,
            faults_revision: 1,
        };
        for (number, name) in [
            ("244929782402", "Ana (sandbox)"),
            ("5511912345678", "Bruno (sandbox)"),
        ] {
            if let Ok(number) = PhoneNumber::new(number) {
                name.clone_into(&mut world.account(&number).name);
            }
        }
        world
    }

    pub(super) fn kept(&self) -> Kept {
        Kept {
            accounts: self.accounts.values().cloned().collect(),
            devices: self.devices.values().cloned().collect(),
        }
    }

    /// Every number has WhatsApp, except those that begin with 000.
    pub(super) fn exists(number: &PhoneNumber) -> bool {
        !number.as_str().starts_with("000")
    }

    /// The account of a number; it comes to be on first use.
    pub(super) fn account(&mut self, number: &PhoneNumber) -> &mut Account {
        self.accounts
            .entry(number.clone())
            .or_insert_with(|| Account::new(number))
    }

    /// Whether this build addresses the person by LID.
    fn by_lid(&self, number: &PhoneNumber) -> bool {
        match self.faults.addressing {
            Addressing::Pn => false,
            Addressing::Lid => true,
            Addressing::Mixed => number
                .as_str()
                .bytes()
                .last()
                .is_some_and(|digit| (digit - b'0') % 2 == 1),
        }
    }

    /// The chat id of a person, and the person's other address.
    fn addresses(&mut self, number: &PhoneNumber) -> (String, String) {
        let lid = format!("{}@lid", self.account(number).lid);
        let pn = format!("{number}@c.us");
        if self.by_lid(number) {
            (lid, pn)
        } else {
            (pn, lid)
        }
    }

    /// Who a page means by an id; a number's account comes to be.
    pub(super) fn person(&mut self, wid: &str) -> Option<PhoneNumber> {
        let (user, server) = wid.split_once('@')?;
        match server {
            "c.us" | "s.whatsapp.net" => {
                let number = PhoneNumber::new(user).ok().filter(Self::exists)?;
                self.account(&number);
                Some(number)
            }
            "lid" => self
                .accounts
                .values()
                .find(|account| account.lid == user)
                .map(|account| account.number.clone()),
            _ => None,
        }
    }

    /// Answers `queryWidExists`.
    pub(super) fn query(&mut self, wid: &str) -> Option<Person> {
        let number = self.person(wid)?;
        let lid = format!("{}@lid", self.account(&number).lid);
        Some(Person {
            wid: wid.replace("@s.whatsapp.net", "@c.us"),
            pn: format!("{number}@c.us"),
            lid,
        })
    }

    // Connections.

    pub(super) fn connect(&mut self, frames: mpsc::UnboundedSender<ToPage>) -> u64 {
        self.last_connection += 1;
        self.connections.insert(
            self.last_connection,
            Connection {
                frames,
                role: Role::Fresh,
            },
        );
        self.last_connection
    }

    pub(super) fn disconnect(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    pub(super) fn tell(&self, connection: u64, frame: ToPage) {
        if let Some(connection) = self.connections.get(&connection) {
            // A closed queue is a page that is going away; its device's items are kept.
            let _ = connection.frames.send(frame);
        }
    }

    pub(super) fn tell_everybody(&self, frame: &ToPage) {
        for connection in self.connections.values() {
            let _ = connection.frames.send(frame.clone());
        }
    }

    pub(super) fn ended(&self, connection: u64) -> bool {
        self.connections
            .get(&connection)
            .is_none_or(|connection| matches!(connection.role, Role::Ended))
    }

    fn end(&mut self, connection: u64, last: ToPage) {
        self.tell(connection, last);
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.role = Role::Ended;
        }
    }

    pub(super) fn device_of(&self, connection: u64) -> Option<String> {
        match &self.connections.get(&connection)?.role {
            Role::Device(device) => Some(device.clone()),
            _ => None,
        }
    }

    pub(super) fn connection_of(&self, device: &str) -> Option<u64> {
        self.connections
            .iter()
            .find(|(_, connection)| matches!(&connection.role, Role::Device(of) if of == device))
            .map(|(id, _)| *id)
    }

    // Linking.

    pub(super) fn begin_pairing(
        &mut self,
        connection: u64,
        noise: String,
        identity: String,
        adv: String,
        name: String,
    ) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.role = Role::Pairing(Box::new(Pairing {
                noise,
                identity,
                adv,
                name,
                reference: None,
                former: Vec::new(),
                issued: 0,
                code: None,
                since: OffsetDateTime::now_utc(),
            }));
        }
        self.tell(connection, ToPage::Unpaired);
    }

    fn pairing(&mut self, connection: u64) -> Option<&mut Pairing> {
        match &mut self.connections.get_mut(&connection)?.role {
            Role::Pairing(pairing) => Some(pairing),
            _ => None,
        }
    }

    /// Begins the references anew, with the page's new secret.
    pub(super) fn refresh(&mut self, connection: u64, adv: String) {
        if let Some(pairing) = self.pairing(connection) {
            pairing.adv = adv;
            pairing.issued = 0;
        }
    }

    /// Gives the page its next reference, or tells it that there is none; returns when to come back.
    pub(super) fn next_reference(&mut self, connection: u64, now: Instant) -> Option<Duration> {
        let (first, next, count) = (
            self.faults.first_ref_ms,
            self.faults.next_ref_ms,
            self.faults.ref_count,
        );
        let pairing = self.pairing(connection)?;
        if let Some((former, _)) = pairing.reference.take() {
            pairing.former.push(former);
        }
        if pairing.issued >= count {
            self.tell(connection, ToPage::Idle);
            return None;
        }
        let ttl_ms = if pairing.issued == 0 { first } else { next };
        let ttl = Duration::from_millis(ttl_ms);
        let reference = format!("2@{}{}", ulid::Ulid::new(), ulid::Ulid::new());
        pairing.issued += 1;
        pairing.reference = Some((reference.clone(), now + ttl));
        self.tell(
            connection,
            ToPage::Ref {
                r: reference,
                ttl_ms,
            },
        );
        Some(ttl)
    }

    /// Makes a pairing code; none for a number without WhatsApp.
    pub(super) fn pairing_code(&mut self, connection: u64, phone: &str) -> Option<String> {
        // WhatsApp's own alphabet leaves out what people mix up.
        const LETTERS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTVWXYZ";
        let number = PhoneNumber::new(phone).ok().filter(Self::exists)?;
        let code: String = (0..8)
            .map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())]))
            .collect();
        self.pairing(connection)?.code = Some((code.clone(), number));
        Some(code)
    }

    /// The QRs that pages show now.
    pub(super) fn waiting(&self) -> Vec<WaitingQr> {
        self.connections
            .values()
            .filter_map(|connection| match &connection.role {
                Role::Pairing(pairing) => {
                    let (reference, _) = pairing.reference.as_ref()?;
                    Some(WaitingQr {
                        qr: format!(
                            "{reference},{},{},{},1",
                            pairing.noise, pairing.identity, pairing.adv
                        ),
                        device_name: pairing.name.clone(),
                        since: pairing.since,
                        code_for: pairing.code.as_ref().map(|(_, number)| number.clone()),
                    })
                }
                _ => None,
            })
            .collect()
    }

    /// The phone points its camera at a QR.
    pub(super) fn scan(
        &mut self,
        number: &PhoneNumber,
        qr: &QrText,
        now: Instant,
    ) -> Result<(), PhoneError> {
        if !Self::exists(number) {
            return Err(PhoneError::NotOnWhatsApp);
        }
        let mut found = None;
        for (id, connection) in &self.connections {
            let Role::Pairing(pairing) = &connection.role else {
                continue;
            };
            if pairing.former.contains(&qr.reference) {
                return Err(PhoneError::ExpiredQr);
            }
            if let Some((reference, until)) = &pairing.reference
                && *reference == qr.reference
            {
                if *until < now {
                    return Err(PhoneError::ExpiredQr);
                }
                if (&pairing.noise, &pairing.identity, &pairing.adv)
                    != (&qr.noise_key, &qr.identity_key, &qr.adv_secret)
                {
                    return Err(PhoneError::WrongKeys);
                }
                found = Some(*id);
            }
        }
        let connection = found.ok_or(PhoneError::UnknownQr)?;
        self.link(number, connection);
        Ok(())
    }

    /// The phone's owner types a pairing code.
    pub(super) fn enter_code(
        &mut self,
        number: &PhoneNumber,
        code: &str,
    ) -> Result<(), PhoneError> {
        let code: String = code
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_uppercase())
            .collect();
        let found = self.connections.iter().find_map(|(id, connection)| {
            let Role::Pairing(pairing) = &connection.role else {
                return None;
            };
            let (expected, of) = pairing.code.as_ref()?;
            (*expected == code && of == number).then_some(*id)
        });
        self.link(number, found.ok_or(PhoneError::UnknownCode)?);
        Ok(())
    }

    fn link(&mut self, number: &PhoneNumber, connection: u64) {
        if self.faults.passkey {
            self.tell(connection, ToPage::Passkey);
            return;
        }
        let Some(name) = self.pairing(connection).map(|pairing| pairing.name.clone()) else {
            return;
        };
        let mut device = Device::new(number, name);
        if !self.account(number).messages.is_empty() {
            device.keep(Item::History);
        }
        let (id, secret) = (device.id.clone(), device.secret.clone());
        self.devices.insert(id.clone(), device);
        // The page comes back with the login, as the real one restarts its socket.
        self.end(connection, ToPage::Paired { device: id, secret });
    }

    /// A page comes with a login.
    pub(super) fn login(&mut self, connection: u64, id: &str, secret: &str) {
        let number = match self.devices.get(id) {
            Some(device) if device.secret == secret => device.number.clone(),
            _ => {
                self.end(
                    connection,
                    ToPage::LoggedOut {
                        reason: "unknown_companion",
                    },
                );
                return;
            }
        };
        if let Some(former) = self.connection_of(id) {
            self.end(former, ToPage::Conflict);
        }
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.role = Role::Device(id.to_owned());
        }
        let account = self.account(&number);
        let me = Me {
            pn: format!("{number}@c.us"),
            lid: format!("{}@lid", account.lid),
            name: account.name.clone(),
        };
        let items: Vec<(u64, Item)> = self
            .devices
            .get(id)
            .map(|device| device.items.iter().cloned().collect())
            .unwrap_or_default();
        self.tell(
            connection,
            ToPage::LoggedIn {
                me,
                backlog: items.len(),
            },
        );
        for (n, item) in items {
            if let Some(item) = self.frame_of(&number, &item) {
                self.tell(connection, ToPage::Stored { n, item });
            }
        }
        self.tell(connection, ToPage::OfflineEnd);
    }

    /// Unlinks a device; its page is told if it runs.
    pub(super) fn unlink(&mut self, id: &str, reason: &'static str) {
        if let Some(connection) = self.connection_of(id) {
            self.end(connection, ToPage::LoggedOut { reason });
        }
        self.devices.remove(id);
    }

    pub(super) fn devices_of(&self, number: &PhoneNumber) -> Vec<String> {
        self.devices
            .values()
            .filter(|device| device.number == *number)
            .map(|device| device.id.clone())
            .collect()
    }

    // Messages.

    fn frame_of(&mut self, owner: &PhoneNumber, item: &Item) -> Option<ItemFrame> {
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
