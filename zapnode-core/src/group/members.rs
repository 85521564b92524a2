use serde::{Deserialize, Serialize};

use super::InviteCard;
use crate::id::ChatId;

/// What is done with members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MemberChange {
    /// They are taken in.
    Add,
    /// They are put out.
    Remove,
    /// They become admins.
    Promote,
    /// They become plain members.
    Demote,
}

impl MemberChange {
    /// The word for it, as in routes and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Promote => "promote",
            Self::Demote => "demote",
        }
    }
}

/// What became of one person of several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberResult {
    /// Who, as the caller named them.
    pub id: ChatId,
    /// WhatsApp's number for it (fact sheet §6.1): 200 done, 403 by invitation only, …
    pub code: u16,
    /// What that number means.
    pub outcome: MemberOutcome,
    /// What the person can be sent instead, where they can only be invited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite: Option<InviteCard>,
}

impl MemberResult {
    /// The result with this number. One that is no result of ours counts as unknown, 400.
    pub fn new(id: ChatId, code: u16, invite: Option<InviteCard>) -> Self {
        Self {
            id,
            code,
            outcome: MemberOutcome::of_code(code),
            invite,
        }
    }

    /// Whether it was done.
    pub fn is_done(&self) -> bool {
        self.outcome == MemberOutcome::Done
    }
}

/// What WhatsApp's number for one person means (fact sheet §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MemberOutcome {
    /// 200: done.
    Done,
    /// 401: WhatsApp does not let this account do that to them.
    NotAuthorized,
    /// 403: they let themselves only be invited.
    InviteOnly,
    /// 404: not on WhatsApp, or not among those that it could be done to.
    NotFound,
    /// 408: they left not long ago.
    LeftRecently,
    /// 409: nothing to do: they are in it, or as they should be, already.
    AlreadySo,
    /// 417: they cannot be added to the community.
    CommunityRefused,
    /// 419: the group is full.
    GroupFull,
    /// Anything else.
    Failed,
}

impl MemberOutcome {
    /// Reads WhatsApp's number.
    pub fn of_code(code: u16) -> Self {
        match code {
            200 => Self::Done,
            401 => Self::NotAuthorized,
            403 => Self::InviteOnly,
            404 => Self::NotFound,
            408 => Self::LeftRecently,
            409 => Self::AlreadySo,
            417 => Self::CommunityRefused,
            419 => Self::GroupFull,
            _ => Self::Failed,
        }
    }

    /// In a sentence, for people.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotAuthorized => "WhatsApp does not let this account do that to them",
            Self::InviteOnly => "they can only be invited, by a card or the group's link",
            Self::NotFound => "not on WhatsApp, or not there",
            Self::LeftRecently => "they left the group not long ago; invite them by its link",
            Self::AlreadySo => "there was nothing to do",
            Self::CommunityRefused => "they cannot be added to the community; invite them by link",
            Self::GroupFull => "the group is full",
            Self::Failed => "WhatsApp did not say why it was not done",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_meaning() {
        for (code, outcome) in [
            (200, MemberOutcome::Done),
            (400, MemberOutcome::Failed),
            (401, MemberOutcome::NotAuthorized),
            (403, MemberOutcome::InviteOnly),
            (404, MemberOutcome::NotFound),
            (408, MemberOutcome::LeftRecently),
            (409, MemberOutcome::AlreadySo),
            (417, MemberOutcome::CommunityRefused),
            (419, MemberOutcome::GroupFull),
            (500, MemberOutcome::Failed),
        ] {
            assert_eq!(MemberOutcome::of_code(code), outcome, "{code}");
        }
    }
}
