//! Why a message waits, and until when. Pure.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::FailureCode;
use super::pace::{HeldBy, Pace, Recent};
use super::queue::{Kind, Place};
use super::state::words;
use crate::session::SessionInfo;

words! {
    /// Why a message waits, for programs.
    #[non_exhaustive]
    WaitReason {
        /// Its time has not come.
        Scheduled = "scheduled",
        /// Its bulk job is paused.
        BatchPaused = "batch_paused",
        /// The session cannot send at the moment.
        SessionNotReady = "session_not_ready",
        /// WhatsApp limits what this account sends.
        RateLocked = "rate_locked",
        /// WhatsApp lets this account write to known contacts only.
        ReachoutLocked = "reachout_locked",
        /// WhatsApp has restricted the account.
        AccountRestricted = "account_restricted",
        /// A send failed a moment ago, and the queue takes a breath.
        AfterFailure = "after_failure",
        /// Others of the same chat go before it.
        ChatOrder = "chat_order",
        /// Too many of its chat are unconfirmed.
        ChatWindow = "chat_window",
        /// The gap of the pace.
        PaceGap = "pace_gap",
        /// As many as the pace allows in an hour have gone.
        PaceHour = "pace_hour",
        /// As many first contacts as the pace allows in a day have been made.
        PaceNewContacts = "pace_new_contacts",
        /// Other chats go before it.
        Turn = "turn",
        /// It is being handed to the page.
        HandingOver = "handing_over",
        /// The page has it; WhatsApp's server has not confirmed it.
        Confirmation = "confirmation",
    }
}

/// Why a message waits, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Not before this time, if one is known.
    pub until: Option<OffsetDateTime>,
    /// Why, for programs.
    pub because: WaitReason,
    /// Why, for a person.
    pub detail: String,
}

/// A pause of the whole queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Why.
    pub code: FailureCode,
    /// In whose words ever.
    pub detail: String,
    /// Until when.
    pub until: OffsetDateTime,
}

/// How the session and its queue stand.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Now.
    pub now: OffsetDateTime,
    /// The session.
    pub info: &'a SessionInfo,
    /// A pause that WhatsApp made. When its time is over one message is tried, and the rest waits
    /// for what comes of it.
    pub pause: Option<&'a Pause>,
    /// A breath after a failure: until when, and what failed.
    pub breath: Option<&'a (OffsetDateTime, String)>,
    /// The session's pace.
    pub pace: Pace,
    /// What was sent lately.
    pub recent: &'a Recent,
}

/// The pace for a message of this kind.
pub fn pace_for(pace: Pace, kind: Kind) -> Pace {
    if kind.paced {
        pace.at_least(Pace::GENTLE)
    } else {
        pace
    }
}

/// What makes the whole queue wait, if something does.
pub fn queue_wait(facts: &Facts<'_>) -> Option<Wait> {
    let wait = |until, because, detail| {
        Some(Wait {
            until,
            because,
            detail,
        })
    };
    if !facts.info.is_ready() {
        let state = &facts.info.state;
        let detail = match &facts.info.reason {
            Some(reason) => format!("the session is {state}: {reason}"),
            None => format!("the session is {state}"),
        };
        return wait(None, WaitReason::SessionNotReady, detail);
    }
    if let Some(pause) = facts.pause {
        let because = match pause.code {
            FailureCode::ReachoutLocked => WaitReason::ReachoutLocked,
            FailureCode::AccountRestricted => WaitReason::AccountRestricted,
            _ => WaitReason::RateLocked,
        };
        let (until, then) = if pause.until > facts.now {
            (Some(pause.until), "one message is tried when this is over")
        } else {
            (None, "one message is being tried")
        };
        let detail = format!("WhatsApp limits this account: {}; {then}", pause.detail);
        return wait(until, because, detail);
    }
    if let Some((until, detail)) = facts.breath.filter(|(until, _)| *until > facts.now) {
        let detail = format!("a send failed and is tried again: {detail}");
        return wait(Some(*until), WaitReason::AfterFailure, detail);
    }
    None
}

/// Why the message at this place waits.
pub fn wait(place: Place, facts: &Facts<'_>) -> Wait {
    let because = |because, detail: &str| Wait {
        until: None,
        because,
        detail: detail.to_owned(),
    };
    match place {
        Place::Scheduled(at) => {
            return Wait {
                until: Some(at),
                ..because(WaitReason::Scheduled, "its time has not come")
            };
        }
        Place::BatchHeld => return because(WaitReason::BatchPaused, "its bulk job is paused"),
        Place::Handing => {
            return because(
                WaitReason::HandingOver,
                "it is being handed to WhatsApp Web",
            );
        }
        Place::Unconfirmed if facts.info.is_ready() => {
            let detail = "WhatsApp Web has it; WhatsApp's server has not confirmed it yet";
            return because(WaitReason::Confirmation, detail);
        }
        _ => {}
    }
    if let Some(wait) = queue_wait(facts) {
        return wait;
    }
    match place {
        Place::Behind(before) => {
            let detail = format!("{before} of the same chat go before it");
            because(WaitReason::ChatOrder, &detail)
        }
        Place::Window => {
            let detail = "WhatsApp's server has yet to confirm earlier ones of the same chat";
            because(WaitReason::ChatWindow, detail)
        }
        Place::Next(kind) if !kind.asks => {
            let pace = pace_for(facts.pace, kind);
            match pace.check(facts.recent, facts.now, kind.first) {
                Ok(()) => because(WaitReason::Turn, "other chats go before it"),
                Err(held) => {
                    let (reason, detail) = match held.by {
                        HeldBy::Gap => (
                            WaitReason::PaceGap,
                            "the pace leaves a gap between messages".to_owned(),
                        ),
                        HeldBy::Hour(cap) => (
                            WaitReason::PaceHour,
                            format!("the pace allows {cap} messages an hour"),
                        ),
                        HeldBy::NewContacts(cap) => (
                            WaitReason::PaceNewContacts,
                            format!("the pace allows {cap} first contacts a day"),
                        ),
                    };
                    Wait {
                        until: Some(held.until),
                        ..because(reason, &detail)
                    }
                }
            }
        }
        _ => because(WaitReason::Turn, "other chats go before it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{SessionId, WireId};
    use crate::outbox::queue::Turn;
    use crate::session::{Reason, ReasonCode, SessionState};
    use std::time::Duration;
    use time::Duration as Span;

    fn now() -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Span::days(20_000)
    }

    fn info(state: SessionState) -> SessionInfo {
        SessionInfo {
            id: SessionId::new("shop").expect("an id"),
            generation: 0,
            state,
            since: now(),
            reason: None,
            me: None,
            linked: true,
            created_at: now(),
            ready_at: None,
            options: crate::SessionOptions::default(),
            pace: Pace::OFF,
        }
    }

    const NEXT: Kind = Kind {
        turn: Turn::Direct,
        paced: false,
        first: false,
        asks: false,
    };

    #[test]
    fn the_first_thing_that_holds_a_message_is_told() {
        use WaitReason::{
            AccountRestricted, AfterFailure, BatchPaused, ChatOrder, ChatWindow, Confirmation,
            HandingOver, PaceGap, RateLocked, ReachoutLocked, Scheduled, SessionNotReady, Turn,
        };
        let ready = info(SessionState::Ready);
        let away = info(SessionState::Recovering { attempt: 2 });
        let soon = now() + Span::minutes(5);
        let pause = |code| Pause {
            code,
            detail: "too many".to_owned(),
            until: soon,
        };
        let locked = pause(FailureCode::RateLocked);
        let reach = pause(FailureCode::ReachoutLocked);
        let banned = pause(FailureCode::AccountRestricted);
        let over = Pause {
            until: now(),
            ..locked.clone()
        };
        let breath = (soon, "no answer".to_owned());
        let mut recent = Recent::default();
        recent.sent(WireId::choose(), now(), false, 0.0);
        let slow = Pace {
            min_gap: Duration::from_secs(300),
            ..Pace::OFF
        };
        let free = Facts {
            now: now(),
            info: &ready,
            pause: None,
            breath: None,
            pace: Pace::OFF,
            recent: &recent,
        };
        let not_ready = Facts {
            info: &away,
            ..free
        };
        let with = |pause| Facts {
            pause: Some(pause),
            breath: Some(&breath),
            ..free
        };
        let breathing = Facts {
            breath: Some(&breath),
            ..free
        };
        let slowly = Facts { pace: slow, ..free };
        let next = Place::Next(NEXT);
        let asks = Place::Next(Kind { asks: true, ..NEXT });
        let table = [
            (Place::Scheduled(soon), not_ready, Scheduled, Some(soon)),
            (Place::BatchHeld, not_ready, BatchPaused, None),
            (Place::Handing, free, HandingOver, None),
            (Place::Unconfirmed, free, Confirmation, None),
            (Place::Unconfirmed, not_ready, SessionNotReady, None),
            (next, not_ready, SessionNotReady, None),
            (Place::Behind(2), with(&locked), RateLocked, Some(soon)),
            (next, with(&reach), ReachoutLocked, Some(soon)),
            (next, with(&banned), AccountRestricted, Some(soon)),
            (next, with(&over), RateLocked, None),
            (next, breathing, AfterFailure, Some(soon)),
            (Place::Behind(2), slowly, ChatOrder, None),
            (Place::Window, slowly, ChatWindow, None),
            (next, slowly, PaceGap, Some(soon)),
            (asks, slowly, Turn, None),
            (next, free, Turn, None),
        ];
        for (n, (place, facts, because, until)) in table.into_iter().enumerate() {
            let wait = wait(place, &facts);
            assert_eq!((wait.because, wait.until), (because, until), "row {n}");
            assert!(!wait.detail.is_empty());
        }
    }

    #[test]
    fn caps_are_told_with_their_figure_and_bulk_is_gentle_at_least() {
        let ready = info(SessionState::Ready);
        let mut recent = Recent::default();
        for _ in 0..3 {
            recent.sent(WireId::choose(), now() - Span::minutes(30), true, 0.0);
        }
        let told = |pace: Pace, kind: Kind| {
            let facts = Facts {
                now: now(),
                info: &ready,
                pause: None,
                breath: None,
                pace,
                recent: &recent,
            };
            wait(Place::Next(kind), &facts)
        };
        let hourly = Pace {
            max_per_hour: Some(3),
            ..Pace::OFF
        };
        let wait = told(hourly, NEXT);
        assert_eq!(wait.because, WaitReason::PaceHour);
        assert!(wait.detail.contains("3 messages an hour"));
        assert_eq!(wait.until, Some(now() + Span::minutes(30)));
        let daily = Pace {
            max_new_contacts_per_day: Some(2),
            ..Pace::OFF
        };
        assert_eq!(told(daily, NEXT).because, WaitReason::Turn);
        let first = Kind {
            first: true,
            ..NEXT
        };
        assert_eq!(told(daily, first).because, WaitReason::PaceNewContacts);
        let bulk = Kind {
            paced: true,
            ..NEXT
        };
        assert_eq!(pace_for(Pace::OFF, bulk), Pace::GENTLE);
        assert_eq!(pace_for(Pace::OFF, NEXT), Pace::OFF);
    }

    #[test]
    fn a_session_that_is_not_ready_says_why() {
        let mut away = info(SessionState::Recovering { attempt: 1 });
        away.reason = Some(Reason::new(ReasonCode::BrowserCrashed, "the browser ended"));
        let facts = Facts {
            now: now(),
            info: &away,
            pause: None,
            breath: None,
            pace: Pace::OFF,
            recent: &Recent::default(),
        };
        let wait = queue_wait(&facts).expect("waits");
        assert!(wait.detail.contains("recovering") && wait.detail.contains("browser_crashed"));
    }
}
