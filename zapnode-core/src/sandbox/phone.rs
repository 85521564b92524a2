//! A simulated phone, as a test holds it in its hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;
use time::OffsetDateTime;

use super::account::PhoneMessage;
use super::groups::Place;
use super::hub::Hub;
use super::phone_acts::Draft;
use super::qr::{InvalidQrText, QrText};
use super::wire::{ChatState, ToPage};
use super::world::World;
use crate::id::{PhoneNumber, WireId};

/// A QR that a page shows now.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingQr {
    /// Its text.
    pub qr: String,
    /// What the page calls itself.
    pub device_name: String,
    /// Since when the page waits.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// The number for which the page also shows a pairing code.
    pub code_for: Option<PhoneNumber>,
}

/// Why a phone did not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PhoneError {
    /// The text is no login QR.
    #[error(transparent)]
    MalformedQr(#[from] InvalidQrText),
    /// No page shows this QR.
    #[error("no page shows this QR")]
    UnknownQr,
    /// The page shows another QR by now.
    #[error("this QR has expired; the page shows a newer one")]
    ExpiredQr,
    /// The QR's keys are not those of the page that shows it.
    #[error("the keys in this QR are not those of the page that has its reference")]
    WrongKeys,
    /// No page waits for this pairing code of this number.
    #[error("no page waits for this pairing code of this number")]
    UnknownCode,
    /// The number has no WhatsApp; those that begin with 000 have none.
    #[error("this number is not on the simulated WhatsApp (numbers that begin with 000 are not)")]
    NotOnWhatsApp,
    /// The message is not on this phone, or no longer.
    #[error("there is no such message on this phone")]
    NoSuchMessage,
    /// Somebody else wrote the message.
    #[error("this message is somebody else's")]
    NotYours,
    /// No group has this id.
    #[error("there is no such group")]
    NoSuchGroup,
    /// No channel has this id.
    #[error("there is no such channel")]
    NoSuchChannel,
    /// Somebody is not in the group.
    #[error("only who is in the group can do that, and to others in it")]
    NotInGroup,
    /// Who is in the group cannot come in.
    #[error("this phone is in the group already")]
    InGroupAlready,
    /// Only an admin may do that.
    #[error("only an admin of the group can do that")]
    NotAdmin,
    /// The message has no file.
    #[error("this message has no file")]
    NoFile,
    /// The message's file is not what the message says of it.
    #[error("this message's file cannot be opened: {0}")]
    BadFile(String),
    /// No page waits to be linked.
    #[error("no page shows a QR")]
    NoQr,
    /// It is not clear which QR is meant.
    #[error("{} pages show a QR; name one", .0.len())]
    SeveralQrs(Vec<WaitingQr>),
    /// What was waited for did not come in time.
    #[error("nothing like it came within {} ms", .0.as_millis())]
    TimedOut(Duration),
}

impl PhoneError {
    /// The stable word for it in the control interface's answers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedQr(_) => "malformed_qr",
            Self::UnknownQr => "unknown_qr",
            Self::ExpiredQr => "expired_qr",
            Self::WrongKeys => "wrong_keys",
            Self::UnknownCode => "unknown_code",
            Self::NotOnWhatsApp => "number_not_on_whatsapp",
            Self::NoSuchMessage => "no_such_message",
            Self::NotYours => "not_yours",
            Self::NoSuchGroup => "no_such_group",
            Self::NoSuchChannel => "no_such_channel",
            Self::NotInGroup => "not_in_group",
            Self::InGroupAlready => "in_group_already",
            Self::NotAdmin => "not_admin",
            Self::NoFile => "no_file",
            Self::BadFile(_) => "bad_file",
            Self::NoQr => "no_qr",
            Self::SeveralQrs(_) => "several_qrs",
            Self::TimedOut(_) => "timeout",
        }
    }
}

/// A new message's id: those made on a phone have another beginning and length than a page's (fact
/// sheet §0.3).
pub(super) fn phone_wire_id() -> WireId {
    WireId::new(&format!("3A{:018X}", fastrand::u128(..) >> 56))
        .unwrap_or_else(|_| WireId::choose())
}

/// A handle to one account's phone. Cheap to clone; the account comes to be on first use.
#[derive(Clone, Debug)]
pub struct Phone {
    pub(super) hub: Arc<Hub>,
    number: PhoneNumber,
}

impl Phone {
    pub(super) fn new(hub: Arc<Hub>, number: PhoneNumber) -> Self {
        Self { hub, number }
    }

    /// Its number.
    pub fn number(&self) -> &PhoneNumber {
        &self.number
    }

    /// Scans a QR: the page that shows it becomes a device of this account. It is on disk, if there
    /// is a state file, when this returns.
    ///
    /// # Errors
    /// When the text is no QR, or no page shows it now.
    pub async fn scan(&self, qr_text: &str) -> Result<(), PhoneError> {
        let qr = QrText::parse(qr_text)?;
        self.hub
            .change(|world| world.scan(&self.number, &qr, Instant::now()))?;
        self.hub.save().await;
        Ok(())
    }

    /// Scans the only QR that is shown.
    ///
    /// # Errors
    /// When none is shown, or several are.
    pub async fn scan_waiting(&self) -> Result<(), PhoneError> {
        let mut waiting = self.hub.look(World::waiting);
        match (waiting.pop(), waiting.is_empty()) {
            (Some(only), true) => self.scan(&only.qr).await,
            (Some(last), false) => {
                waiting.push(last);
                Err(PhoneError::SeveralQrs(waiting))
            }
            (None, _) => Err(PhoneError::NoQr),
        }
    }

    /// Types the pairing code that a page shows for this number.
    ///
    /// # Errors
    /// When no page waits for it.
    pub async fn enter_code(&self, code: &str) -> Result<(), PhoneError> {
        self.hub
            .change(|world| world.enter_code(&self.number, code))?;
        self.hub.save().await;
        Ok(())
    }

    /// Writes a message on this phone to another account.
    ///
    /// # Errors
    /// When either number has no WhatsApp.
    pub async fn send(&self, to: &PhoneNumber, text: &str) -> Result<WireId, PhoneError> {
        self.write(to.clone(), Draft::text(text)).await
    }

    /// The same as [`send`](Self::send).
    ///
    /// # Errors
    /// As there.
    pub async fn deliver(&self, to: &PhoneNumber, text: &str) -> Result<WireId, PhoneError> {
        self.send(to, text).await
    }

    /// Whether it shows that `writer` is typing now.
    pub fn sees_typing(&self, writer: &PhoneNumber) -> bool {
        self.sees(writer) == ChatState::Composing
    }

    /// Whether it shows that `writer` is recording a voice note now.
    pub fn sees_recording(&self, writer: &PhoneNumber) -> bool {
        self.sees(writer) == ChatState::Recording
    }

    fn sees(&self, writer: &PhoneNumber) -> ChatState {
        let look = |world: &World| world.sees(&self.number, writer, Instant::now());
        self.hub.look(look)
    }

    /// Waits until it shows that `writer` is typing, or (`on` false) does no more.
    ///
    /// # Errors
    /// When it does not within the time.
    pub async fn wait_for_typing(
        &self,
        writer: &PhoneNumber,
        on: bool,
        within: Duration,
    ) -> Result<(), PhoneError> {
        self.wait_until(|phone| phone.sees_typing(writer) == on, within)
            .await
    }

    /// Waits until something holds of this phone.
    ///
    /// # Errors
    /// When it does not within the time.
    pub async fn wait_until(
        &self,
        holds: impl Fn(&Self) -> bool,
        within: Duration,
    ) -> Result<(), PhoneError> {
        let mut changes = self.hub.changes();
        let wait = async {
            loop {
                changes.mark_unchanged();
                if holds(self) {
                    return;
                }
                if changes.changed().await.is_err() {
                    // The sandbox has ended; the deadline says so.
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(within, wait)
            .await
            .map_err(|_| PhoneError::TimedOut(within))
    }

    /// Tells the account's pages that WhatsApp has banned it for a time. It goes on all the same:
    /// what else the servers refuse is another switch.
    pub async fn ban(&self) {
        self.hub.change(|world| {
            for device in world.devices_of(&self.number) {
                if let Some(connection) = world.connection_of(&device) {
                    world.tell(connection, ToPage::Banned);
                }
            }
        });
    }

    /// Opens a chat: its messages count as read, and their writer is told.
    pub async fn read(&self, chat: &PhoneNumber) {
        let place = Place::Person(chat.clone());
        self.hub
            .change(|world| world.read(&self.number, &place, None));
    }

    /// Removes all linked devices.
    pub async fn log_out(&self) {
        self.hub.change(|world| {
            for device in world.devices_of(&self.number) {
                world.unlink(&device, "user_initiated");
            }
        });
        self.hub.save().await;
    }

    /// Gives the phone network, or takes it away: what is sent to it stays at one tick then, unless
    /// a linked device gets it.
    pub async fn set_online(&self, online: bool) {
        self.hub
            .change(|world| world.set_online(&self.number, online));
    }

    /// Forces a socket state on the account's pages, as `TIMEOUT` or `TOS_BLOCK`; `None` ends it.
    pub async fn force_state(&self, state: Option<&str>) {
        self.hub.change(|world| {
            for device in world.devices_of(&self.number) {
                if let Some(connection) = world.connection_of(&device) {
                    let state = state.map(str::to_owned);
                    world.tell(connection, ToPage::ForceState { state });
                }
            }
        });
    }

    /// Makes the account's pages load themselves anew, as the real page does at times (fact sheet
    /// §1.6). Gives how many there are.
    pub async fn reload_pages(&self) -> usize {
        self.hub.change(|world| {
            let devices = world.devices_of(&self.number);
            let pages = devices.iter().filter_map(|id| world.connection_of(id));
            pages
                .map(|page| world.tell_at_once(page, ToPage::Reload))
                .count()
        })
    }

    /// How many devices are linked to it.
    pub fn linked_devices(&self) -> usize {
        self.hub.look(|world| world.devices_of(&self.number).len())
    }

    /// What is on it, oldest first.
    pub fn messages(&self) -> Vec<PhoneMessage> {
        self.hub.look(|world| {
            let account = world.accounts.get(&self.number);
            let messages = account.map(|account| account.messages.iter());
            let shown = messages.into_iter().flatten().filter(|one| !one.deleted);
            shown.cloned().collect()
        })
    }

    /// Waits until a message for which `predicate` holds is on it, and gives the first such.
    ///
    /// # Errors
    /// When none is there within the time.
    pub async fn wait_for_message(
        &self,
        predicate: impl Fn(&PhoneMessage) -> bool,
        within: Duration,
    ) -> Result<PhoneMessage, PhoneError> {
        let mut changes = self.hub.changes();
        let wait = async {
            loop {
                changes.mark_unchanged();
                let found = self.hub.look(|world| {
                    world
                        .accounts
                        .get(&self.number)
                        .and_then(|account| account.messages.iter().find(|one| predicate(one)))
                        .cloned()
                });
                if let Some(found) = found {
                    return found;
                }
                if changes.changed().await.is_err() {
                    // The sandbox has ended; the deadline says so.
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(within, wait)
            .await
            .map_err(|_| PhoneError::TimedOut(within))
    }

    /// Waits until a page shows a QR, and gives its text: for programs that drive a page by other
    /// means and only want to scan.
    ///
    /// # Errors
    /// When none is shown within the time.
    pub async fn wait_for_qr(&self, within: Duration) -> Result<WaitingQr, PhoneError> {
        let mut changes = self.hub.changes();
        let wait = async {
            loop {
                changes.mark_unchanged();
                if let Some(qr) = self.hub.look(World::waiting).into_iter().next() {
                    return qr;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(within, wait)
            .await
            .map_err(|_| PhoneError::TimedOut(within))
    }
}
