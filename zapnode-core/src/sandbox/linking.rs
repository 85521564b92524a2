//! How a page becomes a device: references, codes, scan, login, and the end of it (fact sheet §2).

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::account::{Device, Item};
use super::phone::{PhoneError, WaitingQr};
use super::qr::QrText;
use super::wire::{Me, ToPage};
use super::world::{Role, World};
use crate::id::PhoneNumber;

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

impl World {
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
        // They may have been turned while it was away.
        let faults = ToPage::Faults {
            faults: Box::new(self.faults.clone()),
            revision: self.faults_revision,
        };
        self.tell(connection, faults);
        self.tell(
            connection,
            ToPage::LoggedIn {
                me,
                backlog: items.len(),
            },
        );
        let account = self.account_frame(&number);
        self.tell(connection, account);
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
}
