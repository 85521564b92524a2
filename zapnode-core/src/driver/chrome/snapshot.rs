//! What the page's facts mean: a snapshot of the page, judged by one pure function.
//!
//! Ready is believed only where everything says so (fact sheet §2, §3): the socket is CONNECTED,
//! `hasSynced` is true, the stream is in MAIN and shows NORMAL (where the page has these), the
//! account is known, and the bridge hears messages. SYNCING is not ready: acting then has
//! disconnected sessions.

use serde::Deserialize;

use crate::driver::{Identity, LinkState, Refusal};
use crate::id::ChatId;

/// The page as the bridge last saw it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Snapshot {
    /// The page's address.
    pub(crate) url: String,
    /// Whether the module loader is there.
    pub(crate) required: bool,
    /// The page's build.
    pub(crate) version: Option<String>,
    /// `Socket.state`; none until the page is up.
    pub(crate) state: Option<String>,
    /// `Socket.stream`.
    pub(crate) socket_stream: Option<String>,
    /// `Stream.mode`.
    pub(crate) mode: Option<String>,
    /// Whether the page has had no stream mode for so long that it has none.
    pub(crate) mode_absent: bool,
    /// `Stream.displayInfo`, or `info`.
    pub(crate) display_info: Option<String>,
    /// `Socket.hasSynced`.
    pub(crate) has_synced: Option<bool>,
    /// This account's number.
    pub(crate) phone: Option<String>,
    /// This account's LID.
    pub(crate) lid: Option<String>,
    /// The name its owner gave it.
    pub(crate) name: Option<String>,
    /// How far loading what happened meanwhile has come.
    pub(crate) percent: Option<u8>,
    /// Whether there is a QR ref.
    #[serde(rename = "ref")]
    pub(crate) has_ref: bool,
    /// By what the passkey gate was recognised.
    pub(crate) passkey: Option<String>,
    /// Whether the page refuses this browser.
    pub(crate) unsupported: bool,
    /// Whether the bridge hears messages.
    pub(crate) receiving: bool,
    /// Needed parts that are not there.
    pub(crate) missing: Vec<String>,
    /// Whether they have been missing for so long that they will not come.
    pub(crate) settled: bool,
}

/// What is remembered of the present document besides its snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// It was ready.
    pub(crate) was_ready: bool,
    /// It asked for a login.
    pub(crate) asked_login: bool,
}

impl Snapshot {
    /// Whether no phone is linked, by the socket's word.
    pub(crate) fn is_unpaired(&self) -> bool {
        matches!(self.state.as_deref(), Some("UNPAIRED" | "UNPAIRED_IDLE"))
    }

    /// Whether a phone is linked, by the socket's word.
    pub(crate) fn is_linked(&self) -> bool {
        self.state.as_deref() == Some("CONNECTED") && self.identity().is_some()
    }

    fn identity(&self) -> Option<Identity> {
        let id = |text: &Option<String>| text.as_deref().and_then(|text| ChatId::new(text).ok());
        let (phone, lid) = (id(&self.phone), id(&self.lid));
        (phone.is_some() || lid.is_some()).then(|| Identity {
            phone,
            lid,
            name: self.name.clone(),
        })
    }

    /// The facts by name, for a person to read.
    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let flag = |value: bool| value.to_string();
        let synced = self.has_synced.map_or_else(|| "-".to_owned(), flag);
        let percent = self
            .percent
            .map_or_else(|| "-".to_owned(), |p| p.to_string());
        [
            // Without its query, in which a page may carry anything.
            (
                "url",
                self.url
                    .split(['?', '#'])
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
            ("require", flag(self.required)),
            ("Socket.state", text(&self.state)),
            ("Socket.stream", text(&self.socket_stream)),
            ("Socket.hasSynced", synced),
            ("Stream.mode", text(&self.mode)),
            ("Stream.displayInfo", text(&self.display_info)),
            ("sync.percent", percent),
            ("me", flag(self.identity().is_some())),
            ("Conn.ref", flag(self.has_ref)),
            ("receiving", flag(self.receiving)),
            ("missing", self.missing.join(" ")),
            ("passkey", text(&self.passkey)),
            ("unsupported", flag(self.unsupported)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

/// Says what a snapshot means.
pub(crate) fn judge(snapshot: &Snapshot, memory: Memory) -> LinkState {
    let state = snapshot.state.as_deref();
    if state.is_none() {
        return if snapshot.unsupported {
            LinkState::Refused(Refusal::UnsupportedBrowser)
        } else {
            LinkState::Connecting
        };
    }
    // The stream's mode has the same words for what stops a session (§2.1, §2.2).
    for word in [state, snapshot.mode.as_deref()].into_iter().flatten() {
        match word {
            "CONFLICT" => return LinkState::Conflict,
            "TOS_BLOCK" | "SMB_TOS_BLOCK" => {
                return LinkState::Refused(Refusal::TermsOfService);
            }
            "PROXYBLOCK" => return LinkState::Refused(Refusal::BlockedNetwork),
            "DEPRECATED_VERSION" => return LinkState::Refused(Refusal::OutdatedBuild),
            _ => {}
        }
    }
    if snapshot.is_unpaired() {
        return if snapshot.passkey.is_some() {
            LinkState::Refused(Refusal::PasskeyRequired)
        } else {
            LinkState::NeedsLogin
        };
    }
    match state {
        Some("CONNECTED") => connected(snapshot, memory),
        _ if memory.was_ready => LinkState::Offline,
        Some("PAIRING") if memory.asked_login => LinkState::Pairing,
        // After a login was asked for, connecting with a known account is the login going on.
        Some("OPENING") if memory.asked_login && snapshot.identity().is_some() => {
            LinkState::Pairing
        }
        _ => LinkState::Connecting,
    }
}

fn connected(snapshot: &Snapshot, memory: Memory) -> LinkState {
    let syncing = LinkState::Syncing {
        percent: snapshot.percent,
    };
    match snapshot.display_info.as_deref() {
        Some("OFFLINE" | "OPENING" | "CONNECTING" | "PAIRING") if memory.was_ready => {
            return LinkState::Offline;
        }
        Some("OFFLINE" | "OPENING" | "CONNECTING" | "PAIRING" | "SYNCING" | "RESUMING") => {
            return syncing;
        }
        // NORMAL; absent; or a word newer than this, which must not hold a session up for ever.
        _ => {}
    }
    match snapshot.mode.as_deref() {
        Some("OFFLINE") if memory.was_ready => return LinkState::Offline,
        Some("MAIN") => {}
        None if snapshot.mode_absent => {}
        // Another mode, or one that may be about to come.
        _ => return syncing,
    }
    if snapshot.has_synced != Some(true) {
        return syncing;
    }
    if !snapshot.missing.is_empty() || !snapshot.receiving {
        // Modules come progressively (§0.1), so only what stays away is missed.
        return if snapshot.settled {
            LinkState::Refused(Refusal::MissingParts)
        } else {
            syncing
        };
    }
    snapshot.identity().map_or(syncing, LinkState::Ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page on which everything is well.
    fn well() -> Snapshot {
        Snapshot {
            url: "https://web.whatsapp.com/".to_owned(),
            required: true,
            state: Some("CONNECTED".to_owned()),
            mode: Some("MAIN".to_owned()),
            display_info: Some("NORMAL".to_owned()),
            has_synced: Some(true),
            phone: Some("244929782402@c.us".to_owned()),
            lid: Some("1234567@lid".to_owned()),
            name: Some("Loja".to_owned()),
            receiving: true,
            ..Snapshot::default()
        }
    }

    fn with(change: impl FnOnce(&mut Snapshot)) -> Snapshot {
        let mut snapshot = well();
        change(&mut snapshot);
        snapshot
    }

    fn state(word: &str) -> Snapshot {
        with(|s| s.state = Some(word.to_owned()))
    }

    fn text(word: &str) -> Option<String> {
        Some(word.to_owned())
    }

    const FRESH: Memory = Memory {
        was_ready: false,
        asked_login: false,
    };
    const LOGGING_IN: Memory = Memory {
        was_ready: false,
        asked_login: true,
    };
    const SERVING: Memory = Memory {
        was_ready: true,
        asked_login: false,
    };

    #[test]
    fn ready_needs_every_fact() {
        assert!(matches!(judge(&well(), FRESH), LinkState::Ready(me) if me.name == text("Loja")));
        let syncing = LinkState::Syncing { percent: None };
        for (what, snapshot) in [
            ("not synced", with(|s| s.has_synced = Some(false))),
            ("sync unknown", with(|s| s.has_synced = None)),
            ("mode SYNCING", with(|s| s.mode = text("SYNCING"))),
            ("mode QR", with(|s| s.mode = text("QR"))),
            ("mode not there yet", with(|s| s.mode = None)),
            ("resuming", with(|s| s.display_info = text("RESUMING"))),
            ("syncing", with(|s| s.display_info = text("SYNCING"))),
            ("deaf", with(|s| s.receiving = false)),
            ("parts to come", with(|s| s.missing = vec!["X".to_owned()])),
            ("who am I", with(|s| (s.phone, s.lid) = (None, None))),
            (
                "strange account",
                with(|s| (s.phone, s.lid) = (text("x"), None)),
            ),
        ] {
            assert_eq!(judge(&snapshot, FRESH), syncing, "{what}");
        }
    }

    #[test]
    fn modules_that_a_page_lacks_do_not_hold_it_up() {
        for snapshot in [
            with(|s| (s.mode, s.mode_absent) = (None, true)),
            with(|s| s.display_info = None),
            with(|s| (s.mode, s.mode_absent, s.display_info) = (None, true, None)),
            with(|s| s.display_info = text("A_NEWER_WORD")),
            with(|s| s.lid = None),
            with(|s| s.phone = None),
            with(|s| s.name = None),
        ] {
            assert!(
                matches!(judge(&snapshot, FRESH), LinkState::Ready(_)),
                "{snapshot:?}"
            );
        }
    }

    #[test]
    fn the_percent_is_passed_on() {
        let snapshot = with(|s| (s.has_synced, s.percent) = (Some(false), Some(99)));
        let percent = Some(99);
        assert_eq!(judge(&snapshot, FRESH), LinkState::Syncing { percent });
    }

    #[test]
    fn states_of_the_socket() {
        use LinkState::{Conflict, Connecting, NeedsLogin, Offline, Pairing, Refused};
        for (word, memory, expected) in [
            ("UNLAUNCHED", FRESH, Connecting),
            ("OPENING", FRESH, Connecting),
            ("PAIRING", FRESH, Connecting),
            ("TIMEOUT", FRESH, Connecting),
            ("A_NEWER_WORD", FRESH, Connecting),
            ("UNPAIRED", FRESH, NeedsLogin),
            ("UNPAIRED_IDLE", FRESH, NeedsLogin),
            ("UNPAIRED", SERVING, NeedsLogin),
            ("PAIRING", LOGGING_IN, Pairing),
            ("OPENING", LOGGING_IN, Pairing),
            ("TIMEOUT", LOGGING_IN, Connecting),
            ("OPENING", SERVING, Offline),
            ("PAIRING", SERVING, Offline),
            ("TIMEOUT", SERVING, Offline),
            ("UNLAUNCHED", SERVING, Offline),
            ("CONFLICT", FRESH, Conflict),
            ("CONFLICT", SERVING, Conflict),
            ("TOS_BLOCK", SERVING, Refused(Refusal::TermsOfService)),
            ("SMB_TOS_BLOCK", FRESH, Refused(Refusal::TermsOfService)),
            ("PROXYBLOCK", FRESH, Refused(Refusal::BlockedNetwork)),
            ("DEPRECATED_VERSION", FRESH, Refused(Refusal::OutdatedBuild)),
        ] {
            assert_eq!(judge(&state(word), memory), expected, "{word} {memory:?}");
        }
    }

    #[test]
    fn an_account_that_is_not_known_yet_is_not_pairing() {
        let opening = with(|s| {
            (s.state, s.phone, s.lid) = (text("OPENING"), None, None);
        });
        assert_eq!(judge(&opening, LOGGING_IN), LinkState::Connecting);
    }

    #[test]
    fn the_stream_may_say_it_first() {
        for (mode, expected) in [
            ("CONFLICT", LinkState::Conflict),
            ("PROXYBLOCK", LinkState::Refused(Refusal::BlockedNetwork)),
            ("OFFLINE", LinkState::Offline),
        ] {
            assert_eq!(
                judge(&with(|s| s.mode = text(mode)), SERVING),
                expected,
                "{mode}"
            );
        }
        let connecting = with(|s| s.display_info = text("CONNECTING"));
        assert_eq!(judge(&connecting, SERVING), LinkState::Offline);
    }

    #[test]
    fn refusals_that_only_the_page_shows() {
        let unsupported = Snapshot {
            unsupported: true,
            ..Snapshot::default()
        };
        let refused = LinkState::Refused(Refusal::UnsupportedBrowser);
        assert_eq!(judge(&unsupported, FRESH), refused);
        assert_eq!(judge(&Snapshot::default(), FRESH), LinkState::Connecting);

        let passkey = with(|s| (s.state, s.passkey) = (text("UNPAIRED"), text("asked")));
        let refused = LinkState::Refused(Refusal::PasskeyRequired);
        assert_eq!(judge(&passkey, LOGGING_IN), refused);
        // Once linked, such a marker means nothing.
        let linked = with(|s| s.passkey = text("text"));
        assert!(matches!(judge(&linked, FRESH), LinkState::Ready(_)));
    }

    #[test]
    fn parts_that_stay_away_are_told() {
        let lacking = with(|s| (s.missing, s.settled) = (vec!["X".to_owned()], true));
        let refused = LinkState::Refused(Refusal::MissingParts);
        assert_eq!(judge(&lacking, FRESH), refused);
    }
}
