//! Who is who: one id for each person, under the two names that WhatsApp gives them (fact sheet
//! §0.4). Pure; the names are in the store.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A person, whichever name they are met under: `ctc_` and a ULID. It stays the same when another
/// name of theirs is learnt, and is the same on all sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContactId(String);

impl ContactId {
    /// A new one.
    pub(crate) fn choose() -> Self {
        Self(format!("ctc_{}", ulid::Ulid::new()))
    }

    /// One that the store has.
    pub(crate) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who has a name by what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: ContactId,
    /// When they were first met, in milliseconds since 1970.
    pub(crate) since: i64,
    /// Whether they have a LID.
    pub(crate) has_lid: bool,
}

/// Who is meant by a number and a LID that were told together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Somebody new.
    New,
    /// This one; whatever was told is theirs.
    Known(ContactId),
    /// Two that were taken for two are one: the older id stays.
    Merge { keep: ContactId, gone: ContactId },
}

/// Judges who has the number and who has the LID; `with_lid`: a LID was told at all.
///
/// A LID names one person for good, a number may be given to another person. So where the two
/// contradict each other, the number has moved: taking two people for one would show one's
/// messages to the other.
pub(crate) fn decide(phone: Option<Holder>, lid: Option<Holder>, with_lid: bool) -> Verdict {
    match (phone, lid) {
        (None, None) => Verdict::New,
        (None, Some(known)) => Verdict::Known(known.id),
        (Some(known), None) if with_lid && known.has_lid => Verdict::New,
        (Some(known), None) => Verdict::Known(known.id),
        (Some(one), Some(other)) if one.id == other.id => Verdict::Known(one.id),
        (Some(one), Some(other)) if one.has_lid => Verdict::Known(other.id),
        (Some(one), Some(other)) => {
            let (keep, gone) = if (one.since, &one.id) <= (other.since, &other.id) {
                (one.id, other.id)
            } else {
                (other.id, one.id)
            };
            Verdict::Merge { keep, gone }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(id: &str, since: i64, has_lid: bool) -> Option<Holder> {
        Some(Holder {
            id: ContactId::stored(id.to_owned()),
            since,
            has_lid,
        })
    }

    fn known(id: &str) -> Verdict {
        Verdict::Known(ContactId::stored(id.to_owned()))
    }

    fn merge(keep: &str, gone: &str) -> Verdict {
        Verdict::Merge {
            keep: ContactId::stored(keep.to_owned()),
            gone: ContactId::stored(gone.to_owned()),
        }
    }

    #[test]
    fn one_person_one_id() {
        let table = [
            ("nobody knows them", None, None, true, Verdict::New),
            (
                "the number only",
                holder("a", 1, false),
                None,
                false,
                known("a"),
            ),
            (
                "the number, with a LID not asked for",
                holder("a", 1, true),
                None,
                false,
                known("a"),
            ),
            (
                "the LID is learnt",
                holder("a", 1, false),
                None,
                true,
                known("a"),
            ),
            (
                "the number is learnt",
                None,
                holder("a", 1, true),
                true,
                known("a"),
            ),
            (
                "both known",
                holder("a", 1, true),
                holder("a", 1, true),
                true,
                known("a"),
            ),
            (
                "two were one, the number first",
                holder("a", 1, false),
                holder("b", 2, true),
                true,
                merge("a", "b"),
            ),
            (
                "two were one, the LID first",
                holder("a", 2, false),
                holder("b", 1, true),
                true,
                merge("b", "a"),
            ),
            (
                "the number has a new owner",
                holder("a", 1, true),
                None,
                true,
                Verdict::New,
            ),
            (
                "the number went to somebody known",
                holder("a", 1, true),
                holder("b", 2, true),
                true,
                known("b"),
            ),
        ];
        for (case, phone, lid, with_lid, verdict) in table {
            assert_eq!(decide(phone, lid, with_lid), verdict, "{case}");
        }
    }
}
