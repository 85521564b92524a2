//! Turns what the page tells into what the contract promises: link changes never twice alike, one
//! logout told once, no message twice, none that we sent ourselves. No I/O; the pump (page.rs)
//! feeds it and passes its events on.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use time::OffsetDateTime;

use super::heard::Heard;
use super::snapshot::{Memory, Snapshot, judge};
use crate::driver::{DriverEvent, LinkState, LoginPrompt, LogoutReason};
use crate::id::{MessageId, PhoneNumber, WireId};
use crate::message::{Ack, AckChange};

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
    /// WhatsApp's time of the newest thing heard under this login, in Unix milliseconds.
    heard_until: Option<i64>,
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
            self.heard_until
                .get_or_insert_with(|| milliseconds(OffsetDateTime::now_utc()));
        }
        if self.link.as_ref() != Some(&link) {
            self.link = Some(link.clone());
            events.push(DriverEvent::Link(link));
        }
        events
    }

    /// What an earlier run had heard.
    pub(crate) fn heard_before(&mut self, mark: Option<i64>) {
        self.heard_until = mark;
    }

    /// Until when everything has been heard under this login; none before it is there.
    pub(crate) fn heard_until(&self) -> Option<i64> {
        self.heard_until
    }

    /// Something happened on the page. What was told already is not told again.
    pub(crate) fn heard(&mut self, heard: impl Heard) -> Option<DriverEvent> {
        let now = OffsetDateTime::now_utc();
        let name = heard.name();
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
        if let Some(key) = key_of(&event)
            && !self.told.add(&key)
        {
            return None;
        }
        if let Some(at) = time_of(&event) {
            // A clock that is ahead must not make deaf for what comes until then.
            self.heard_until = self.heard_until.max(Some(milliseconds(at.min(now))));
        }
        Some(event)
    }
}

fn milliseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// By what a thing is known as the same one. An edit has nothing: its text may go back and forth.
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

/// A set that forgets its oldest members.
#[derive(Debug, Default)]
struct Recent {
    members: HashSet<String>,
    order: VecDeque<String>,
}

impl Recent {
    fn has(&self, member: &str) -> bool {
        self.members.contains(member)
    }

    /// Whether it was new.
    fn add(&mut self, member: &str) -> bool {
        if !self.members.insert(member.to_owned()) {
            return false;
        }
        self.order.push_back(member.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.members.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::heard::{
        PageDetails, PageMessage, PagePerson, PageReaction, PageRevoke, PageWaiting,
    };
    use super::*;

    fn page(state: &str) -> Snapshot {
        let linked = state == "CONNECTED";
        Snapshot {
            state: Some(state.to_owned()),
            has_synced: Some(linked),
            mode: linked.then(|| "MAIN".to_owned()),
            phone: linked.then(|| "244929782402@c.us".to_owned()),
            receiving: true,
            ..Snapshot::default()
        }
    }

    /// What the tracker says to these states, without the link's changes.
    fn logouts(tracker: &mut Tracker, states: &[&str]) -> Vec<DriverEvent> {
        let told = states
            .iter()
            .flat_map(|state| tracker.snapshot(&page(state)));
        told.filter(|event| matches!(event, DriverEvent::LoggedOut(_)))
            .collect()
    }

    fn remote(reason: Option<&str>) -> DriverEvent {
        DriverEvent::LoggedOut(LogoutReason::Remote(reason.map(str::to_owned)))
    }

    #[test]
    fn a_link_is_told_once_and_anew_in_a_new_document() {
        let mut tracker = Tracker::new();
        assert_eq!(
            tracker.snapshot(&Snapshot::default()),
            [DriverEvent::Link(LinkState::Connecting)]
        );
        assert!(tracker.snapshot(&page("OPENING")).is_empty());
        assert_eq!(tracker.snapshot(&page("CONNECTED")).len(), 1);
        assert!(tracker.snapshot(&page("CONNECTED")).is_empty());
        tracker.document_began();
        assert_eq!(tracker.snapshot(&page("CONNECTED")).len(), 1);
    }

    #[test]
    fn offline_is_only_what_was_ready_in_this_document() {
        let mut tracker = Tracker::new();
        tracker.snapshot(&page("CONNECTED"));
        tracker.snapshot(&page("TIMEOUT"));
        assert_eq!(tracker.link(), Some(&LinkState::Offline));
        tracker.document_began();
        tracker.snapshot(&page("OPENING"));
        assert_eq!(tracker.link(), Some(&LinkState::Connecting));
    }

    #[test]
    fn one_logout_is_told_once_whatever_says_it() {
        let url = "https://web.whatsapp.com/?post_logout=1&logout_reason=0";
        // The event first, its older name too, then the address, then the state.
        let mut tracker = Tracker::new();
        tracker.snapshot(&page("CONNECTED"));
        let told = tracker.logged_out(Some("md_opt_out".to_owned()));
        assert_eq!(told, Some(remote(Some("md_opt_out"))));
        assert_eq!(tracker.logged_out(None), None);
        assert!(logouts(&mut tracker, &["CONNECTED", "OPENING"]).is_empty());
        tracker.document_began();
        assert_eq!(tracker.address(url), None);
        assert!(logouts(&mut tracker, &["OPENING", "UNPAIRED", "UNPAIRED_IDLE"]).is_empty());
        assert_eq!(tracker.address(url), None);
        // A new login can be lost anew.
        assert!(logouts(&mut tracker, &["OPENING", "PAIRING", "CONNECTED"]).is_empty());
        assert_eq!(logouts(&mut tracker, &["UNPAIRED"]), [remote(None)]);
        assert_eq!(tracker.logged_out(None), None);

        // The address alone.
        let mut tracker = Tracker::new();
        tracker.snapshot(&page("CONNECTED"));
        tracker.document_began();
        assert_eq!(tracker.address(url), Some(remote(None)));
        assert!(logouts(&mut tracker, &["UNPAIRED"]).is_empty());
        // It stays through the next login and a reload of that one.
        assert!(logouts(&mut tracker, &["PAIRING", "CONNECTED"]).is_empty());
        tracker.document_began();
        assert_eq!(tracker.address(url), None);
        assert_eq!(tracker.address("chrome-error://chromewebdata/"), None);
        assert_eq!(tracker.address(url), None);
        assert!(logouts(&mut tracker, &["OPENING", "CONNECTED"]).is_empty());
        // Gone there anew.
        assert_eq!(tracker.address("https://web.whatsapp.com/"), None);
        assert_eq!(tracker.address(url), Some(remote(None)));
    }

    #[test]
    fn a_logout_we_asked_for_says_so() {
        let mut tracker = Tracker::new();
        tracker.snapshot(&page("CONNECTED"));
        tracker.asked_logout(true);
        let told = tracker.logged_out(Some("user_initiated".to_owned()));
        assert_eq!(told, Some(DriverEvent::LoggedOut(LogoutReason::Asked)));
    }

    #[test]
    fn a_profile_that_was_unlinked_while_closed() {
        // With the page's word: its login is worthless, and that is told.
        let mut tracker = Tracker::new();
        assert!(logouts(&mut tracker, &["OPENING"]).is_empty());
        assert_eq!(tracker.logged_out(None), Some(remote(None)));
        // A fresh one that was never linked has nothing to lose.
        let mut tracker = Tracker::new();
        assert!(logouts(&mut tracker, &["OPENING", "UNPAIRED"]).is_empty());
        assert_eq!(tracker.logged_out(None), None);
        assert_eq!(
            tracker.address("https://web.whatsapp.com/?post_logout=1"),
            None
        );
    }

    #[test]
    fn an_address_is_read_by_its_whole_pair() {
        let mut tracker = Tracker::new();
        assert_eq!(
            tracker.address("https://web.whatsapp.com/?post_logout=10"),
            None
        );
        assert_eq!(
            tracker.address("https://web.whatsapp.com/post_logout=1"),
            None
        );
        assert!(
            tracker
                .address("https://web.whatsapp.com/#a&post_logout=1")
                .is_some()
        );
    }

    fn message(id: &str, from_me: bool) -> PageMessage {
        PageMessage {
            id: id.to_owned(),
            chat: "244929782402@c.us".to_owned(),
            from: PagePerson {
                id: "244929782402@c.us".to_owned(),
                phone: None,
                lid: Some("strange".to_owned()),
            },
            name: None,
            from_me,
            kind: "chat".to_owned(),
            text: Some("oi".to_owned()),
            at: Some(1_700_000_000),
            details: PageDetails::default(),
        }
    }

    /// Something as the bridge sends it.
    fn heard<T: Heard + serde::de::DeserializeOwned>(data: serde_json::Value) -> T {
        serde_json::from_value(data).expect("the bridge's own words")
    }

    #[test]
    fn no_message_is_told_twice_nor_one_of_ours() {
        let mut tracker = Tracker::new();
        let theirs = "false_244929782402@c.us_3EB0AABBCCDDEEFF";
        assert!(tracker.heard(message(theirs, false)).is_some());
        assert!(tracker.heard(message(theirs, false)).is_none());
        let ours = "true_244929782402@c.us_3EB0112233445566";
        tracker.sending(&WireId::new("3EB0112233445566").expect("an id"));
        assert!(tracker.heard(message(ours, true)).is_none());
        // Written on the phone.
        let phone = "true_244929782402@c.us_3A00112233445566";
        assert!(tracker.heard(message(phone, true)).is_some());
        assert!(tracker.heard(message("rubbish", false)).is_none());
    }

    fn reaction(emoji: Option<&str>, at: i64) -> PageReaction {
        heard(json!({
            "message": "true_244929782402@c.us_3EB0112233445566", "chat": "244929782402@c.us",
            "from": {"id": "77@lid", "phone": null, "lid": "77@lid"}, "fromMe": false,
            "emoji": emoji, "isOrphan": false, "at": at,
        }))
    }

    #[test]
    fn a_reaction_is_told_once_and_each_change_of_it() {
        let mut tracker = Tracker::new();
        let told: Vec<_> = [
            (Some("👍"), 1_000),
            (Some("👍"), 1_000),
            (Some("❤"), 2_000),
            (None, 3_000),
            (Some("❤"), 2_000),
            (Some("👍"), 4_000),
        ]
        .into_iter()
        .filter_map(|(emoji, at)| match tracker.heard(reaction(emoji, at)) {
            Some(DriverEvent::Reaction(reaction)) => Some(reaction.emoji),
            None => None,
            other => panic!("{other:?}"),
        })
        .collect();
        let emoji = |text: &str| Some(text.to_owned());
        assert_eq!(told, [emoji("👍"), emoji("❤"), None, emoji("👍")]);
    }

    #[test]
    fn a_revoke_is_told_once_whatever_key_the_chat_has() {
        let mut tracker = Tracker::new();
        let revoke = |id: &str, revoked_for: &str| -> PageRevoke {
            heard(json!({
                "id": id, "chat": "77@lid", "fromMe": false, "revokedFor": revoked_for,
                "from": {"id": "77@lid", "phone": "244929782402@c.us", "lid": "77@lid"},
            }))
        };
        let mut tell = |id, revoked_for| tracker.heard(revoke(id, revoked_for)).is_some();
        assert!(tell("false_77@lid_3EB0AABBCCDDEEFF", "everyone"));
        assert!(!tell(
            "false_244929782402@c.us_3EB0AABBCCDDEEFF",
            "everyone"
        ));
        assert!(tell("false_77@lid_3EB0AABBCCDDEEFF", "me"));
        assert!(tell("false_77@lid_3EB0AABBCCDDEE00", "everyone"));
    }

    #[test]
    fn what_was_heard_is_known_by_whatsapps_clock() {
        let mut tracker = Tracker::new();
        let theirs = "false_244929782402@c.us_3EB0AABBCCDDEEFF";
        tracker.heard(message(theirs, false));
        assert_eq!(tracker.heard_until(), Some(1_700_000_000_000));
        // Older things, as they come late, do not take it back.
        tracker.heard(reaction(None, 1_600_000_000_000));
        assert_eq!(tracker.heard_until(), Some(1_700_000_000_000));
        tracker.heard(reaction(None, 1_700_000_000_001));
        assert_eq!(tracker.heard_until(), Some(1_700_000_000_001));
        // A clock that is ahead counts as now.
        let now = milliseconds(OffsetDateTime::now_utc());
        tracker.heard(reaction(None, now + 86_400_000));
        let until = tracker.heard_until().expect("a mark");
        assert!((now..=milliseconds(OffsetDateTime::now_utc())).contains(&until));
        // A new login has no past; it begins when it is ready.
        tracker.snapshot(&page("CONNECTED"));
        tracker.logged_out(None);
        assert_eq!(tracker.heard_until(), None);
        tracker.snapshot(&page("UNPAIRED"));
        assert_eq!(tracker.heard_until(), None);
        tracker.snapshot(&page("CONNECTED"));
        assert!(tracker.heard_until().is_some_and(|until| until >= now));
        // A message that is only waited for is not heard.
        let mut tracker = Tracker::new();
        let waiting: PageWaiting = heard(json!({
            "id": theirs, "chat": "77@lid", "fromMe": false, "decryption": "awaited", "at": 5,
            "from": {"id": "77@lid", "phone": null, "lid": null},
        }));
        assert!(tracker.heard(waiting).is_some());
        assert_eq!(tracker.heard_until(), None);
    }
}
