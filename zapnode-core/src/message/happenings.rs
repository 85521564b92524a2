//! What happens to messages, and around them: edits, revokes, reactions, calls, groups.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Person;
use crate::id::{ChatId, MessageId};

/// A message's text was changed by its writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// The message, by its own (first) key.
    pub id: MessageId,
    /// The chat it is in.
    pub chat: ChatId,
    /// Who wrote and changed it.
    pub from: Person,
    /// Whether this account did.
    pub from_me: bool,
    /// The text now, or a medium's caption.
    pub text: Option<String>,
    /// The text before, where the page still knew it.
    pub previous: Option<String>,
    /// When: by WhatsApp's clock where the page tells it, else when it was seen.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// For whom a message is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RevokedFor {
    /// Taken back by its writer, or by an admin of the group.
    Everyone,
    /// Deleted on this account's devices only.
    Me,
}

/// A message is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revoke {
    /// The message that is gone, by its own key.
    pub id: MessageId,
    /// The chat it was in.
    pub chat: ChatId,
    /// Who had written it. WhatsApp's page does not tell who took it back.
    pub from: Person,
    /// Whether this account had written it.
    pub from_me: bool,
    /// For whom.
    pub revoked_for: RevokedFor,
    /// When it was seen.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Somebody put a reaction on a message, changed it, or took it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    /// The message it is on.
    pub message: MessageId,
    /// The chat.
    pub chat: ChatId,
    /// Who reacted.
    pub from: Person,
    /// Whether this account did (also on another device).
    pub from_me: bool,
    /// The emoji; none when the reaction was taken away.
    pub emoji: Option<String>,
    /// The page does not have the message it is on.
    pub is_orphan: bool,
    /// When, by WhatsApp's clock, to the millisecond.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Somebody voted in a poll, in place of an earlier vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PollVote {
    /// The poll.
    pub poll: MessageId,
    /// The chat.
    pub chat: ChatId,
    /// Who voted.
    pub from: Person,
    /// Whether this account did (also on another device).
    pub from_me: bool,
    /// The poll's question, where the page has the poll.
    pub question: Option<String>,
    /// What was chosen; nothing when the vote was taken back.
    pub choices: Vec<PollChoice>,
    /// When, by WhatsApp's clock, to the millisecond.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// An answer of a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PollChoice {
    /// Its number within the poll.
    pub id: u32,
    /// Its words, where the page has the poll.
    pub name: Option<String>,
}

/// Something that a chat shows and nobody wrote: keys or a number that changed, a missed call (fact
/// sheet §5.4, §5.6). Those of groups are [`GroupNotice`]s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Its own key.
    pub id: MessageId,
    /// The chat.
    pub chat: ChatId,
    /// WhatsApp's word for its kind, as `notification_template`.
    pub kind: String,
    /// And for what happened, as `change_number`.
    pub word: Option<String>,
    /// Who did it, if the page says.
    pub by: Option<Person>,
    /// Whom it concerns. Of a number that changed the new name, then the old one.
    pub people: Vec<Person>,
    /// What it carries.
    pub text: Option<String>,
    /// When, by WhatsApp's clock, to the second.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Somebody calls this account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// WhatsApp's name of the call.
    pub id: String,
    /// Who calls; in a group call it may be the group.
    pub from: Person,
    /// With pictures.
    pub is_video: bool,
    /// A call of a group.
    pub is_group: bool,
    /// Who else is in it, as far as the page says.
    pub participants: Vec<Person>,
    /// When it was offered, or seen.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// What happened in a group (fact sheet §5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GroupChange {
    /// Members were added by somebody, or came by a link or from a linked group.
    Joined,
    /// Members were removed by somebody, or left.
    Left,
    /// Members were made admins.
    Promoted,
    /// Admins were made plain members.
    Demoted,
    /// Somebody asks to be let in.
    JoinRequested,
    /// A member has another number: the first of `members` is the new one, `by` the old one.
    NumberChanged,
    /// Anything else: subject, description, picture, settings, a new group. `word` says which.
    Updated,
}

impl GroupChange {
    /// Reads WhatsApp's word (a notice's `subtype`).
    pub fn of_word(word: &str) -> Self {
        match word {
            "add" | "invite" | "linked_group_join" => Self::Joined,
            "remove" | "leave" => Self::Left,
            "promote" => Self::Promoted,
            "demote" => Self::Demoted,
            "membership_approval_request" => Self::JoinRequested,
            "modify" => Self::NumberChanged,
            _ => Self::Updated,
        }
    }
}

/// A notice of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupNotice {
    /// The notice's own key.
    pub id: MessageId,
    /// The group.
    pub group: ChatId,
    /// What happened.
    pub change: GroupChange,
    /// WhatsApp's own word for it, as `subject`.
    pub word: String,
    /// Who did it, if the page says.
    pub by: Option<Person>,
    /// Whom it concerns. Who left by themselves is in it too.
    pub members: Vec<Person>,
    /// What it carries, as the new subject.
    pub text: Option<String>,
    /// When, by WhatsApp's clock, to the second.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// How it stands with a message that could not be decrypted at once (fact sheet §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Decryption {
    /// It may still come; then it is told as a message.
    Awaited,
    /// It will not come to this device, as a medium that may be viewed once.
    Unavailable,
    /// Its sender was asked for it again, and it did not come in time. It may still come late.
    Overdue,
}

/// A message is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingMessage {
    /// Its key.
    pub id: MessageId,
    /// The chat it is in.
    pub chat: ChatId,
    /// Who wrote it.
    pub from: Person,
    /// Whether this account wrote it (on another device).
    pub from_me: bool,
    /// How it stands.
    pub decryption: Decryption,
    /// When it was written, by WhatsApp's clock, to the second.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_groups() {
        for (word, change) in [
            ("add", GroupChange::Joined),
            ("invite", GroupChange::Joined),
            ("linked_group_join", GroupChange::Joined),
            ("remove", GroupChange::Left),
            ("leave", GroupChange::Left),
            ("promote", GroupChange::Promoted),
            ("demote", GroupChange::Demoted),
            ("membership_approval_request", GroupChange::JoinRequested),
            ("modify", GroupChange::NumberChanged),
            ("subject", GroupChange::Updated),
            ("announce", GroupChange::Updated),
            ("a_newer_word", GroupChange::Updated),
        ] {
            assert_eq!(GroupChange::of_word(word), change, "{word}");
        }
    }
}
