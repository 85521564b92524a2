//! What a driver tells besides messages and acks, on its way into the log.

use crate::id::ChatId;
use crate::message::{
    Call, Edit, GroupNotice, Notice, Person, PollVote, Reaction, Revoke, WaitingMessage,
};

/// Something that happened on WhatsApp and changes nothing of ours but the log.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Edited(Edit),
    Revoked(Revoke),
    Reaction(Reaction),
    Waiting(WaitingMessage),
    Vote(PollVote),
    Notice(Notice),
    Call(Call),
    Group(GroupNotice),
}

impl Happening {
    /// The chat it is about.
    pub(crate) fn chat(&self) -> &ChatId {
        match self {
            Self::Edited(edit) => &edit.chat,
            Self::Revoked(revoke) => &revoke.chat,
            Self::Reaction(reaction) => &reaction.chat,
            Self::Waiting(waiting) => &waiting.chat,
            Self::Vote(vote) => &vote.chat,
            Self::Notice(notice) => &notice.chat,
            Self::Call(call) => &call.from.id,
            Self::Group(notice) => &notice.group,
        }
    }

    /// Who did it, for what happens between two.
    pub(crate) fn person(&self) -> Option<&Person> {
        match self {
            Self::Edited(edit) => Some(&edit.from),
            Self::Revoked(revoke) => Some(&revoke.from),
            Self::Reaction(reaction) => Some(&reaction.from),
            Self::Waiting(waiting) => Some(&waiting.from),
            Self::Call(call) => Some(&call.from),
            Self::Vote(vote) => Some(&vote.from),
            Self::Group(_) | Self::Notice(_) => None,
        }
    }
}
