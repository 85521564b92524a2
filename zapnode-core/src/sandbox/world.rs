//! Everything the simulated servers and phones know, and the rules of who is told what. No clock
//! but the one passed in by callers, no sockets: frames go into queues.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::account::{Account, Device};
use super::faults::{Addressing, Faults, Hold, Servers};
use super::feeds::Feeds;
use super::groups::{Group, GroupId, Place};
use super::linking::Pairing;
use super::wire::{ChatState, Person, ToPage};
use crate::id::PhoneNumber;

/// How long somebody is shown as typing if nothing more comes (fact sheet §4.7).
const TYPING_LASTS: Duration = Duration::from_secs(25);

/// A page's websocket.
#[derive(Debug)]
pub(super) struct Connection {
    frames: mpsc::UnboundedSender<ToPage>,
    pub(super) role: Role,
    /// Its account is shown as being there.
    pub(super) available: bool,
    /// What it is to be told once it is told anything again; absent while nothing holds it up.
    stalled: Option<Vec<ToPage>>,
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

/// What survives a restart.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) accounts: Vec<Account>,
    pub(super) devices: Vec<Device>,
    #[serde(default)]
    pub(super) groups: Vec<Group>,
    #[serde(default)]
    pub(super) feeds: Feeds,
}

/// The simulated WhatsApp.
#[derive(Debug)]
pub(super) struct World {
    pub(super) accounts: BTreeMap<PhoneNumber, Account>,
    pub(super) devices: BTreeMap<String, Device>,
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) feeds: Feeds,
    pub(super) connections: BTreeMap<u64, Connection>,
    last_connection: u64,
    /// Who sees whom typing, and since when.
    typing: BTreeMap<(PhoneNumber, PhoneNumber), (ChatState, Instant)>,
    pub(super) faults: Faults,
    pub(super) faults_revision: u64,
    /// How many messages have come to where [`Faults::hold`] holds them, since it was turned there.
    pub(super) held: u64,
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
            groups: kept
                .groups
                .into_iter()
                .map(|group| (group.id.clone(), group))
                .collect(),
            feeds: kept.feeds,
            connections: BTreeMap::new(),
            last_connection: 0,
            typing: BTreeMap::new(),
            faults,
            faults_revision: 1,
            held: 0,
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
            groups: self.groups.values().cloned().collect(),
            feeds: self.feeds.clone(),
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
    pub(super) fn addresses(&mut self, number: &PhoneNumber) -> (String, String) {
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

    /// Which chat a page means by an id.
    pub(super) fn place(&mut self, wid: &str) -> Option<Place> {
        if wid.ends_with("@g.us") {
            let group = self.groups.keys().find(|group| group.as_str() == wid);
            return group.cloned().map(Place::Group);
        }
        self.person(wid).map(Place::Person)
    }

    /// Answers `queryWidExists`.
    pub(super) fn query(&mut self, wid: &str) -> Option<Person> {
        let number = self.person(wid)?;
        if self.faults.absent.contains(number.as_str()) {
            return None;
        }
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
                available: false,
                stalled: None,
            },
        );
        self.last_connection
    }

    pub(super) fn disconnect(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    pub(super) fn tell(&mut self, connection: u64, frame: ToPage) {
        let Some(connection) = self.connections.get_mut(&connection) else {
            return;
        };
        match &mut connection.stalled {
            Some(later) => later.push(frame),
            // A closed queue is a page that is going away; its device's items are kept.
            None => drop(connection.frames.send(frame)),
        }
    }

    pub(super) fn tell_everybody(&mut self, frame: &ToPage) {
        let all: Vec<u64> = self.connections.keys().copied().collect();
        for connection in all {
            self.tell(connection, frame.clone());
        }
    }

    /// Tells a page something that no hold keeps from it.
    pub(super) fn tell_at_once(&self, connection: u64, frame: ToPage) {
        if let Some(connection) = self.connections.get(&connection) {
            let _ = connection.frames.send(frame);
        }
    }

    /// Turns the switches.
    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.faults_revision += 1;
        if faults.hold != self.faults.hold {
            self.held = 0;
            self.flow();
        }
        if faults.servers != Servers::Up {
            // Each socket's loop ends with its queue; a page hears of the switches when it is back.
            self.connections.clear();
        }
        self.faults = faults.clone();
        self.tell_everybody(&ToPage::Faults {
            faults: Box::new(faults),
            revision: self.faults_revision,
        });
    }

    /// Says whether something that is here is held up, and counts it.
    pub(super) fn reaches(&mut self, here: Hold) -> bool {
        let held = here != Hold::Off && self.faults.hold == here;
        self.held += u64::from(held);
        held
    }

    /// From now on nothing is told to this connection.
    pub(super) fn stall(&mut self, connection: u64) {
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.stalled.get_or_insert_default();
        }
    }

    fn flow(&mut self) {
        for connection in self.connections.values_mut() {
            for frame in connection.stalled.take().into_iter().flatten() {
                let _ = connection.frames.send(frame);
            }
        }
    }

    pub(super) fn ended(&self, connection: u64) -> bool {
        self.connections
            .get(&connection)
            .is_none_or(|connection| matches!(connection.role, Role::Ended))
    }

    pub(super) fn end(&mut self, connection: u64, last: ToPage) {
        self.tell(connection, last);
        if let Some(connection) = self.connections.get_mut(&connection) {
            connection.role = Role::Ended;
        }
    }

    // Typing (fact sheet §4.7).

    /// Shows `reader` that `writer` types, or stopped. Not passed on while the writer's page says
    /// that nobody is there.
    pub(super) fn chat_state(
        &mut self,
        connection: u64,
        (reader, writer): (PhoneNumber, PhoneNumber),
        state: ChatState,
        now: Instant,
    ) {
        let available = self
            .connections
            .get(&connection)
            .is_some_and(|c| c.available);
        if state == ChatState::Paused {
            self.typing.remove(&(reader, writer));
        } else if available {
            self.typing.insert((reader, writer), (state, now));
        }
    }

    /// What `reader` sees `writer` do: typing or recording, or nothing.
    pub(super) fn sees(
        &self,
        reader: &PhoneNumber,
        writer: &PhoneNumber,
        now: Instant,
    ) -> ChatState {
        match self.typing.get(&(reader.clone(), writer.clone())) {
            Some((state, since)) if now.duration_since(*since) < TYPING_LASTS => *state,
            _ => ChatState::Paused,
        }
    }

    /// Whom `reader` sees typing or recording.
    pub(super) fn activity(
        &self,
        reader: &PhoneNumber,
        now: Instant,
    ) -> BTreeMap<PhoneNumber, ChatState> {
        let writers = self.typing.keys().filter(|(who, _)| who == reader);
        let seen = writers.map(|(_, writer)| (writer.clone(), self.sees(reader, writer, now)));
        seen.filter(|(_, state)| *state != ChatState::Paused)
            .collect()
    }

    /// Whether one of an account's pages shows it as available.
    pub(super) fn is_available(&self, number: &PhoneNumber) -> bool {
        let devices = self.devices_of(number);
        let mut pages = devices.iter().filter_map(|id| self.connection_of(id));
        pages.any(|page| self.connections.get(&page).is_some_and(|c| c.available))
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
}
