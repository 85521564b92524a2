//! What an account shows of itself, and how long a message stays pinned.

use serde::{Deserialize, Serialize};

/// What the members of a chat see this account do (fact sheet §4.7). WhatsApp ends it by itself
/// after about 25 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Activity {
    /// It types.
    Typing,
    /// It records a voice note.
    Recording,
    /// It does neither any more.
    Paused,
}

/// How long a message stays pinned in its chat: WhatsApp has these three (fact sheet §4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PinTime {
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
}

impl PinTime {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// In days: 1, 7 or 30.
    pub fn days(self) -> u32 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        }
    }

    /// In seconds.
    pub fn seconds(self) -> u32 {
        self.days() * 86_400
    }

    /// Reads a number of days.
    pub fn of_days(days: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|time| u64::from(time.days()) == days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatsapp_pins_for_three_times_only() {
        let seconds: Vec<_> = PinTime::ALL.iter().map(|time| time.seconds()).collect();
        assert_eq!(seconds, [86_400, 604_800, 2_592_000]);
        for (days, time) in [
            (0, None),
            (1, Some(PinTime::Day)),
            (7, Some(PinTime::Week)),
            (8, None),
            (30, Some(PinTime::Month)),
        ] {
            assert_eq!(PinTime::of_days(days), time, "{days}");
        }
    }
}
