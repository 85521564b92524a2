//! Turns what the page tells into what the contract promises: link changes never twice alike, one
//! logout told once, no message twice, none that we sent ourselves. No I/O; the pump (page.rs)
//! feeds it and passes its events on.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::heard::Heard;
use super::mark::{Mark, milliseconds};
use super::snapshot::{Memory, Snapshot, judge};
use crate::driver::{DriverEvent, LinkState, LoginPrompt, LogoutReason, SendRefusal};
use crate::id::{MessageId, PhoneNumber, WireId};
use crate::message::{Ack, AckChange, Decryption};

/// How many ids are remembered of messages told and sent.
const REMEMBERED: usize = 10_000;

/// What is known of one open session, over all documents it had.
#[derive(Debug)]
pub(crate) struct Tracker {
    /// The link as last told, in this document.
    link: Option<LinkState>,
    /// Of this document.
    memory: Memory,
    /// A phone was linked in this connection and nobody said yet that it is not.
    linked: bool,
    /// The last snapshot said that no phone is linked.
    unpaired: bool,
    /// A logout was told. It is not told again until a new login has come.
    logout_told: bool,
    /// We asked for the logout.
    logout_asked: bool,
    /// The address says that there was a logout, and that was noticed.
    at_logout_address: bool,
    told: Recent,
    sent: Recent,
    /// Until when everything has been heard under this login.
    heard_until: Option<Mark>,
    /// The login was lost in this connection: what is older than the next one is its history.
    lost_login: bool,
    /// When the login that followed was ready, in Unix milliseconds.
    login_since: Option<i64>,
}

impl Tracker {
    pub(crate) fn new() -> Self {
        Self {
            link: None,
            memory: Memory::default(),
            linked: false,
            unpaired: false,
            logout_told: false,
            logout_asked: false,
            at_logout_address: false,
            told: Recent::default(),
            sent: Recent::default(),
            heard_until: None,
            lost_login: false,
            login_since: None,
        }
    }

    /// The link as last told.
    pub(crate) fn link(&self) -> Option<&LinkState> {
        self.link.as_ref()
    }

    /// What a snapshot that was asked for means.
    pub(crate) fn judge(&self, snapshot: &Snapshot) -> LinkState {
        judge(snapshot, self.memory)
    }

    /// Another document has begun. What follows is told even if it is as before.
    pub(crate) fn document_began(&mut self) {
        self.link = None;
        self.memory = Memory::default();
    }

    /// A message with this id is about to be sent by us.
    pub(crate) fn sending(&mut self, id: &WireId) {
        self.sent.add(id.as_str());
    }

    /// We are about to log out, or it came to nothing.
    pub(crate) fn asked_logout(&mut self, asked: bool) {
        self.logout_asked = asked;
    }

    /// The main frame went to an address. After a logout WhatsApp says so there (§2.7).
    ///
    /// Only going there says so. The address may stay through the next login, and the page reloads
    /// itself some minutes after one (§1.6): that reload is no logout. One that leads to the same
    /// address once more is told by the page's event or state.
    pub(crate) fn address(&mut self, url: &str) -> Option<DriverEvent> {
        if !url.starts_with("http") {
            // The browser's own page for an address that did not answer.
            return None;
        }
        let mut query = url.split(['?', '#']).skip(1);
        let says_so = query.any(|part| part.split('&').any(|pair| pair == "post_logout=1"));
        let said_so = std::mem::replace(&mut self.at_logout_address, says_so);
        (says_so && !said_so)
            .then(|| self.logged_out(None))
            .flatten()
    }

    /// Something says that this device was unlinked: an event of the page, its address, its state.
    /// Often all three; one logout is told.
    pub(crate) fn logged_out(&mut self, reason: Option<String>) -> Option<DriverEvent> {
        if self.logout_told || (self.unpaired && !self.linked) {
            return None;
        }
        self.logout_told = true;
        self.linked = false;
        self.heard_until = None;
        (self.lost_login, self.login_since) = (true, None);
        let reason = if std::mem::take(&mut self.logout_asked) {
            LogoutReason::Asked
        } else {
            LogoutReason::Remote(reason)
        };
        Some(DriverEvent::LoggedOut(reason))
    }

    /// The page stands otherwise.
    pub(crate) fn snapshot(&mut self, snapshot: &Snapshot) -> Vec<DriverEvent> {
        let mut events = Vec::new();
        let was_unpaired = self.unpaired;
        self.unpaired = snapshot.is_unpaired();
        if self.unpaired {
            if self.linked {
                events.extend(self.logged_out(None));
            }
            self.memory = Memory {
                was_ready: false,
                asked_login: true,
            };
        } else if snapshot.is_linked() {
            // After a logout the old state may be seen for a moment more. Only what comes after
            // the page was seen unlinked is a new login.
            if self.logout_told && was_unpaired {
                self.logout_told = false;
            }
            self.linked = !self.logout_told;
        } else if was_unpaired && snapshot.state.is_some() {
            // On the way to a new login: still to be seen as unlinked until it is there.
            self.unpaired = self.logout_told;
        }
        let link = judge(snapshot, self.memory);
        if matches!(link, LinkState::Ready(_)) {
            self.memory.was_ready = true;
            let now = OffsetDateTime::now_utc();
            self.heard_until.get_or_insert_with(|| Mark::from(now));
            self.login_since.get_or_insert(milliseconds(now));
        }
        if self.link.as_ref() != Some(&link) {
            self.link = Some(link.clone());
            events.push(DriverEvent::Link(link));
        }
        events
    }

    /// What an earlier run had heard.
    pub(crate) fn heard_before(&mut self, mark: Option<Mark>) {
        for key in mark.iter().flat_map(|mark| mark.told()) {
            self.told.add(key);
        }
        self.heard_until = mark;
    }

    /// Until when everything has been heard under this login; none before it is there.
    pub(crate) fn heard_until(&self) -> Option<&Mark> {
        self.heard_until.as_ref()
    }

    /// Something happened on the page. What was told already is not told again.
    pub(crate) fn heard(&mut self, heard: impl Heard) -> Option<DriverEvent> {
        let now = OffsetDateTime::now_utc();
        let (name, is_old) = (heard.name(), heard.is_old());
        let Some(event) = heard.read(now) else {
            tracing::warn!(name, "something with strange ids is left out");
            return None;
        };
        if let DriverEvent::Message(message) = &event
            && message.from_me
            && self.sent.has(message.id.wire_id().as_str())
        {
            return None;
        }
        if self.lost_login && (is_old || self.is_before_login(&event)) {
            return None;
        }
        let Some(key) = key_of(&event) else {
            return Some(event);
        };
        if !self.told.add(&key) {
            return None;
        }
        match (&event, &mut self.heard_until) {
            (DriverEvent::Waiting(one), Some(mark))
                if one.decryption != Decryption::Unavailable =>
            {
                mark.awaits(&one.id);
            }
            (DriverEvent::Message(one), Some(mark)) => mark.came(&one.id),
            (DriverEvent::Revoked(one), Some(mark)) => mark.came(&one.id),
            (DriverEvent::Edited(_), Some(mark)) => mark.edited(&key),
            _ => {}
        }
        if let Some(at) = time_of(&event) {
            // A clock that is ahead must not make deaf for what comes until then.
            let at = at.min(now);
            let mark = self.heard_until.get_or_insert_with(|| Mark::from(at));
            mark.heard(&key, at);
        }
        Some(event)
    }
}

impl Tracker {
    /// Reactions are written anew when a page syncs, also those of before the login.
    fn is_before_login(&self, event: &DriverEvent) -> bool {
        let DriverEvent::Reaction(reaction) = event else {
            return false;
        };
        let since = self.login_since;
        since.is_none_or(|since| milliseconds(reaction.at) < since)
    }
}

/// By what a thing is known as the same one.
fn key_of(event: &DriverEvent) -> Option<String> {
    Some(match event {
        DriverEvent::Message(message) => message.id.to_string(),
        DriverEvent::Group(notice) => notice.id.to_string(),
        DriverEvent::Waiting(waiting) => format!("{:?} {}", waiting.decryption, waiting.id),
        // The same message has another key once its chat has moved from number to LID.
        DriverEvent::Revoked(revoke) => {
            let (own, wire) = (revoke.from_me, revoke.id.wire_id());
            format!("revoked {:?} {own} {wire}", revoke.revoked_for)
        }
        DriverEvent::Reaction(reaction) => {
            let (message, from) = (reaction.message.wire_id(), &reaction.from.id);
            let emoji = reaction.emoji.as_deref().unwrap_or_default();
            format!(
                "reaction {message} {from} {emoji} {}",
                milliseconds(reaction.at)
            )
        }
        // Its text may go back and forth, and is nothing to keep in a file.
        DriverEvent::Edited(edit) => {
            let text = Sha256::digest(edit.text.as_deref().unwrap_or_default());
            let (wire, at) = (edit.id.wire_id(), milliseconds(edit.at));
            format!("edited {wire} {at} {text:x}")
        }
        DriverEvent::Call(call) => format!("call {}", call.id),
        _ => return None,
    })
}

/// When a thing happened by WhatsApp's clock. A message that cannot be read yet is not heard.
fn time_of(event: &DriverEvent) -> Option<OffsetDateTime> {
    match event {
        DriverEvent::Message(message) => Some(message.at),
        DriverEvent::Group(notice) => Some(notice.at),
        DriverEvent::Reaction(reaction) => Some(reaction.at),
        _ => None,
    }
}

/// Reads an ack of the page.
pub(crate) fn ack(id: &str, number: i64) -> Option<DriverEvent> {
    let id = MessageId::new(id).ok()?;
    let ack = Ack::from_number(number);
    Some(DriverEvent::Ack(AckChange { id, ack }))
}

/// Reads a refusal of WhatsApp's server.
pub(crate) fn refused(id: &str, status: Option<u16>, words: String) -> Option<DriverEvent> {
    let id = MessageId::new(id).ok()?;
    Some(DriverEvent::SendRefused(SendRefusal { id, status, words }))
}

/// A QR to show.
pub(crate) fn qr(text: String, valid_ms: u64) -> DriverEvent {
    DriverEvent::Login(LoginPrompt::Qr {
        text,
        valid_for: Duration::from_millis(valid_ms),
    })
}

/// A pairing code to show.
pub(crate) fn pairing_code(code: String, phone: &str, valid_ms: u64) -> Option<DriverEvent> {
    Some(DriverEvent::Login(LoginPrompt::PairingCode {
        code,
        phone: PhoneNumber::new(phone).ok()?,
        valid_for: Duration::from_millis(valid_ms),
    }))
}

/// A set that forgets its oldest members. It keeps a hash of each: ids are long, and with 128 bits
/// two of them never meet.
#[derive(Debug, Default)]
struct Recent {
    hashers: [RandomState; 2],
    members: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Recent {
    fn hash(&self, member: &str) -> u128 {
        let [high, low] = &self.hashers;
        u128::from(high.hash_one(member)) << 64 | u128::from(low.hash_one(member))
    }

    fn has(&self, member: &str) -> bool {
        self.members.contains(&self.hash(member))
    }

    /// Whether it was new.
    fn add(&mut self, member: &str) -> bool {
        let member = self.hash(member);
        if !self.members.insert(member) {
            return false;
        }
        self.order.push_back(member);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.members.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests;
