use serde_json::json;

use super::super::heard::{
    PageDetails, PageMessage, PagePerson, PageReaction, PageRevoke, PageWaiting,
};
use super::*;

#[test]
fn the_oldest_are_forgotten() {
    let mut recent = Recent::default();
    assert!(recent.add("first") && !recent.add("first"));
    for n in 1..REMEMBERED {
        assert!(recent.add(&n.to_string()));
    }
    assert!(recent.has("first") && !recent.has("other"));
    assert!(recent.add("one too many"));
    assert!(!recent.has("first") && recent.has("1"));
    assert_eq!(recent.members.len(), REMEMBERED);
}

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
        is_old: false,
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
    let until = |tracker: &Tracker| tracker.heard_until().map(Mark::until);
    let mut tracker = Tracker::new();
    let theirs = "false_244929782402@c.us_3EB0AABBCCDDEEFF";
    tracker.heard(message(theirs, false));
    assert_eq!(until(&tracker), Some(1_700_000_000_000));
    // Older things, as they come late, do not take it back.
    tracker.heard(reaction(None, 1_600_000_000_000));
    assert_eq!(until(&tracker), Some(1_700_000_000_000));
    tracker.heard(reaction(None, 1_700_000_000_001));
    assert_eq!(until(&tracker), Some(1_700_000_000_001));
    // A clock that is ahead counts as now.
    let now = milliseconds(OffsetDateTime::now_utc());
    tracker.heard(reaction(None, now + 86_400_000));
    let newest = until(&tracker).expect("a mark");
    assert!((now..=milliseconds(OffsetDateTime::now_utc())).contains(&newest));
    // A new login has no past; it begins when it is ready.
    tracker.snapshot(&page("CONNECTED"));
    tracker.logged_out(None);
    assert_eq!(until(&tracker), None);
    tracker.snapshot(&page("UNPAIRED"));
    assert_eq!(until(&tracker), None);
    tracker.snapshot(&page("CONNECTED"));
    assert!(until(&tracker).is_some_and(|newest| newest >= now));
    // A message that is only waited for is not heard.
    let mut tracker = Tracker::new();
    let waiting: PageWaiting = heard(json!({
        "id": theirs, "chat": "77@lid", "fromMe": false, "decryption": "awaited", "at": 5,
        "from": {"id": "77@lid", "phone": null, "lid": null},
    }));
    assert!(tracker.heard(waiting).is_some());
    assert_eq!(until(&tracker), None);
}

#[test]
fn what_was_told_as_waiting_is_awaited_until_it_is_told_or_taken_back() {
    let [one, two, never] = ["1", "2", "3"].map(|n| format!("false_77@lid_3EB0AABBCCDDEEF{n}"));
    let waiting = |id: &str, decryption: &str| -> PageWaiting {
        heard(json!({
            "id": id, "chat": "77@lid", "fromMe": false, "decryption": decryption, "at": 5,
            "from": {"id": "77@lid", "phone": null, "lid": null},
        }))
    };
    let mut tracker = Tracker::new();
    tracker.snapshot(&page("CONNECTED"));
    for (id, decryption) in [
        (&one, "awaited"),
        (&one, "overdue"),
        (&two, "awaited"),
        (&never, "unavailable"),
    ] {
        assert!(tracker.heard(waiting(id, decryption)).is_some());
    }
    let awaited = |tracker: &Tracker| -> Vec<String> {
        let mark = tracker.heard_until().expect("a mark");
        mark.awaited().iter().map(ToString::to_string).collect()
    };
    assert_eq!(awaited(&tracker), [one.clone(), two.clone()]);
    assert!(tracker.heard(message(&one, false)).is_some());
    assert_eq!(awaited(&tracker), [two.clone()]);
    let revoke: PageRevoke = heard(json!({
        "id": two, "chat": "77@lid", "fromMe": false, "revokedFor": "everyone",
        "from": {"id": "77@lid", "phone": null, "lid": null},
    }));
    assert!(tracker.heard(revoke).is_some());
    assert_eq!(awaited(&tracker), [""; 0]);
}

#[test]
fn a_login_after_another_has_no_past() {
    let old = |id: &str| PageMessage {
        is_old: true,
        ..message(id, false)
    };
    let [one, two, three] = ["1", "2", "3"].map(|n| format!("false_7@c.us_3EB0AABBCCDDEEF{n}"));
    let mut tracker = Tracker::new();
    tracker.snapshot(&page("CONNECTED"));
    assert!(tracker.heard(old(&one)).is_some(), "it was missed");
    assert!(tracker.heard(reaction(None, 1)).is_some());
    tracker.logged_out(None);
    assert!(tracker.heard(reaction(None, 2)).is_none());
    for state in ["UNPAIRED", "CONNECTED"] {
        tracker.snapshot(&page(state));
    }
    let now = milliseconds(OffsetDateTime::now_utc());
    assert!(tracker.heard(old(&two)).is_none());
    assert!(tracker.heard(message(&three, false)).is_some());
    assert!(tracker.heard(reaction(None, now - 60_000)).is_none());
    assert!(tracker.heard(reaction(None, now + 1)).is_some());
}

#[test]
fn the_last_second_of_an_earlier_run_is_not_told_again() {
    let theirs = "false_244929782402@c.us_3EB0AABBCCDDEEFF";
    let mut earlier = Tracker::new();
    assert!(earlier.heard(message(theirs, false)).is_some());
    let mut tracker = Tracker::new();
    tracker.heard_before(earlier.heard_until().cloned());
    assert!(tracker.heard(message(theirs, false)).is_none());
    let other = "false_244929782402@c.us_3EB0AABBCCDDEE00";
    assert!(tracker.heard(message(other, false)).is_some());
}
