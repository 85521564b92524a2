//! How what happened is told: from our own words to WAHA's. Pure.

use super::payload::{
    AckPayload, CallPayload, EditedPayload, FailedPayload, GroupParticipant, GroupParticipants,
    GroupRef, GroupUpdate, MediaPayload, MessageBefore, MessagePayload, ReactionPayload,
    ReactionText, ReplyTo, RevokedPayload, WaitingPayload, Who,
};
use super::{EventKind, Me};
use crate::id::ChatId;
use crate::message::{
    Ack, Call, Decryption, Edit, GroupChange, GroupNotice, IncomingMessage, Person, Reaction,
    Revoke, RevokedFor, WaitingMessage,
};
use crate::outbox::{Message, MessageState};

/// The four fields by which WAHA says who wrote to whom.
struct Ends {
    from: Option<ChatId>,
    to: Option<ChatId>,
    participant: Option<ChatId>,
}

fn ends(chat: &ChatId, writer: Option<&ChatId>, from_me: bool, me: Option<&Me>) -> Ends {
    let own = me.map(|me| me.id.clone());
    let personal = chat.is_phone() || chat.is_lid();
    let (from, to) = if from_me {
        (own, Some(chat.clone()))
    } else {
        (Some(chat.clone()), own)
    };
    Ends {
        from,
        to,
        participant: writer.filter(|_| !personal).cloned(),
    }
}

/// Whom a message is about: who wrote it, or for an own one who gets it.
pub(crate) fn counterpart(chat: &ChatId, writer: &Person, from_me: bool) -> Option<Person> {
    if !from_me {
        return Some(writer.clone());
    }
    (chat.is_phone() || chat.is_lid()).then(|| Person::new(chat.clone()))
}

/// A message that appeared on the page.
pub(crate) fn appeared(
    row: &Message,
    told: &IncomingMessage,
    me: Option<&Me>,
    who: Who,
) -> MessagePayload {
    let details = &told.details;
    let ack = details.ack.unwrap_or_else(|| row.state.ack());
    let ends = ends(&told.chat, Some(&told.from), told.from_me, me);
    MessagePayload {
        id: told.id.clone(),
        message: row.id.to_string(),
        timestamp: told.at.unix_timestamp(),
        from: ends.from,
        to: ends.to,
        from_me: told.from_me,
        participant: ends.participant,
        chat_id: told.chat.clone(),
        who,
        notify_name: told.name.clone(),
        kind: told.kind.clone(),
        body: told.text.clone(),
        has_media: details.media.is_some(),
        media: details.media.as_ref().map(|media| MediaPayload {
            mimetype: media.mime_type.clone(),
            filename: media.file_name.clone(),
            size: media.size,
            duration: media.duration,
            url: None,
        }),
        ack: ack.number(),
        ack_name: ack_name(ack).to_owned(),
        reply_to: details.reply_to.as_ref().map(|quoted| ReplyTo {
            id: quoted.id.clone(),
            participant: quoted.from.as_ref().map(|person| person.id.clone()),
            body: quoted.text.clone(),
        }),
        mentioned_ids: details.mentions.iter().map(|m| m.id.clone()).collect(),
        location: details.location.clone(),
        vcards: details.vcards.clone(),
        is_forwarded: details.is_forwarded,
        is_ephemeral: details.is_ephemeral,
        source: "app".to_owned(),
    }
}

/// What became of a message of ours between two of its stored states. `who`: the chat's person.
pub(crate) fn progressed(
    before: &Message,
    after: &Message,
    me: Option<&Me>,
    who: &Who,
) -> Vec<EventKind> {
    let mut events = Vec::new();
    if before.state == after.state {
        return events;
    }
    let arrived =
        !before.state.reached(MessageState::Sent) && after.state.reached(MessageState::Sent);
    if arrived && let Some(payload) = sent(after, me, who.clone()) {
        events.push(EventKind::MessageAny(Box::new(payload)));
    }
    let acked = after.state.reached(MessageState::Sent) || after.state == MessageState::Failed;
    if acked && let Some(payload) = acknowledged(after, after.state.ack(), me, who.clone()) {
        events.push(EventKind::Ack(Box::new(payload)));
    }
    if after.state == MessageState::Failed {
        let failure = after.failure.as_ref();
        events.push(EventKind::Failed(Box::new(FailedPayload {
            id: after.message_id.clone(),
            message: after.id.to_string(),
            to: after.recipient.clone(),
            chat_id: after.chat.clone(),
            body: after.text.clone(),
            code: failure.map_or("failed", |f| f.code.as_str()).to_owned(),
            detail: failure.map(|f| f.detail.clone()).unwrap_or_default(),
        })));
    }
    events
}

/// How far a message of ours is; absent while the page never had it.
pub(crate) fn acknowledged(
    message: &Message,
    ack: Ack,
    me: Option<&Me>,
    who: Who,
) -> Option<AckPayload> {
    let id = message.message_id.clone()?;
    let chat = message.chat.clone().unwrap_or_else(|| id.chat());
    Some(AckPayload {
        id,
        message: message.id.to_string(),
        from: me.map(|me| me.id.clone()),
        to: chat.clone(),
        participant: None,
        from_me: true,
        chat_id: chat,
        who,
        ack: ack.number(),
        ack_name: ack_name(ack).to_owned(),
    })
}

/// A message that was sent through us.
fn sent(message: &Message, me: Option<&Me>, who: Who) -> Option<MessagePayload> {
    let id = message.message_id.clone()?;
    let chat = message.chat.clone().unwrap_or_else(|| id.chat());
    let ack = message.state.ack();
    Some(MessagePayload {
        id,
        message: message.id.to_string(),
        timestamp: message.updated_at.unix_timestamp(),
        from: me.map(|me| me.id.clone()),
        to: Some(chat.clone()),
        from_me: true,
        participant: None,
        chat_id: chat,
        who,
        notify_name: None,
        kind: message.kind.clone(),
        body: message.text.clone(),
        has_media: false,
        media: None,
        ack: ack.number(),
        ack_name: ack_name(ack).to_owned(),
        reply_to: None,
        mentioned_ids: Vec::new(),
        location: None,
        vcards: Vec::new(),
        is_forwarded: false,
        is_ephemeral: false,
        source: "api".to_owned(),
    })
}

/// A changed text; `stored`: the text that was stored.
pub(crate) fn edited(edit: &Edit, stored: Option<String>, me: Option<&Me>, who: Who) -> EventKind {
    let ends = ends(&edit.chat, Some(&edit.from.id), edit.from_me, me);
    EventKind::Edited(Box::new(EditedPayload {
        id: edit.id.clone(),
        edited_message_id: edit.id.clone(),
        timestamp: edit.at.unix_timestamp(),
        from: ends.from,
        to: ends.to,
        from_me: edit.from_me,
        participant: ends.participant,
        chat_id: edit.chat.clone(),
        who,
        body: edit.text.clone(),
        previous_body: stored.or_else(|| edit.previous.clone()),
    }))
}

/// A message that is gone; `stored`: what the store has of it.
pub(crate) fn revoked(
    revoke: &Revoke,
    stored: Option<&Message>,
    me: Option<&Me>,
    who: Who,
) -> EventKind {
    let ends = ends(&revoke.chat, Some(&revoke.from.id), revoke.from_me, me);
    EventKind::Revoked(Box::new(RevokedPayload {
        revoked_message_id: revoke.id.clone(),
        revoked_for: match revoke.revoked_for {
            RevokedFor::Everyone => "everyone".to_owned(),
            RevokedFor::Me => "me".to_owned(),
        },
        timestamp: revoke.at.unix_timestamp(),
        from: ends.from,
        to: ends.to,
        from_me: revoke.from_me,
        participant: ends.participant,
        chat_id: revoke.chat.clone(),
        who,
        before: stored.map(|message| MessageBefore {
            id: revoke.id.clone(),
            timestamp: message.created_at.unix_timestamp(),
            kind: message.kind.clone(),
            body: message.text.clone(),
        }),
        after: None,
    }))
}

/// A reaction.
pub(crate) fn reacted(reaction: &Reaction, me: Option<&Me>, who: Who) -> EventKind {
    let ends = ends(
        &reaction.chat,
        Some(&reaction.from.id),
        reaction.from_me,
        me,
    );
    EventKind::Reaction(Box::new(ReactionPayload {
        timestamp: reaction.at.unix_timestamp(),
        from: ends.from,
        to: ends.to,
        from_me: reaction.from_me,
        participant: ends.participant,
        chat_id: reaction.chat.clone(),
        who,
        reaction: ReactionText {
            text: reaction.emoji.clone().unwrap_or_default(),
            message_id: reaction.message.clone(),
        },
    }))
}

/// A message that cannot be read yet.
pub(crate) fn waiting(waiting: &WaitingMessage, me: Option<&Me>, who: Who) -> EventKind {
    let ends = ends(&waiting.chat, Some(&waiting.from.id), waiting.from_me, me);
    EventKind::Waiting(Box::new(WaitingPayload {
        id: waiting.id.clone(),
        timestamp: waiting.at.unix_timestamp(),
        from: ends.from,
        to: ends.to,
        from_me: waiting.from_me,
        participant: ends.participant,
        chat_id: waiting.chat.clone(),
        who,
        decryption: decryption(waiting.decryption).to_owned(),
    }))
}

/// The word for how it stands with a message that cannot be read.
pub(crate) fn decryption(decryption: Decryption) -> &'static str {
    match decryption {
        Decryption::Awaited => "awaited",
        Decryption::Unavailable => "unavailable",
        Decryption::Overdue => "overdue",
    }
}

/// A call.
pub(crate) fn called(call: &Call, who: Who) -> EventKind {
    EventKind::Call(Box::new(CallPayload {
        id: call.id.clone(),
        from: call.from.id.clone(),
        timestamp: call.at.unix_timestamp(),
        is_video: call.is_video,
        is_group: call.is_group,
        chat_id: call.from.id.clone(),
        who,
        participants: call.participants.iter().map(|p| p.id.clone()).collect(),
    }))
}

/// A notice of a group; `members`: whom it concerns, in the notice's order.
pub(crate) fn group(notice: &GroupNotice, members: Vec<Who>, me: Option<&Me>) -> EventKind {
    let group = GroupRef {
        id: notice.group.clone(),
    };
    let timestamp = notice.at.unix_timestamp();
    let by = notice.by.as_ref().map(|person| person.id.clone());
    let (kind, role) = match notice.change {
        GroupChange::Joined => ("join", "participant"),
        GroupChange::Left => ("leave", "left"),
        GroupChange::Promoted => ("promote", "admin"),
        GroupChange::Demoted => ("demote", "participant"),
        GroupChange::JoinRequested => ("request", "pending"),
        GroupChange::NumberChanged => ("number", "participant"),
        GroupChange::Updated => {
            return EventKind::GroupUpdate(Box::new(GroupUpdate {
                group,
                kind: notice.word.clone(),
                text: notice.text.clone(),
                timestamp,
                by,
            }));
        }
    };
    let is_me = |person: &Person| {
        let names = [Some(&person.id), person.phone.as_ref(), person.lid.as_ref()];
        me.is_some_and(|me| names.into_iter().flatten().any(|name| me.is(name)))
    };
    let concerns_me = notice.members.iter().any(is_me);
    let participants = notice.members.iter().zip(members);
    let payload = Box::new(GroupParticipants {
        group,
        kind: kind.to_owned(),
        timestamp,
        participants: participants
            .map(|(person, who)| GroupParticipant {
                id: person.id.clone(),
                role: role.to_owned(),
                who,
            })
            .collect(),
        by,
    });
    match notice.change {
        GroupChange::Joined if concerns_me => EventKind::GroupJoin(payload),
        GroupChange::Left if concerns_me => EventKind::GroupLeave(payload),
        _ => EventKind::GroupParticipants(payload),
    }
}

/// WAHA's word for an ack.
fn ack_name(ack: Ack) -> &'static str {
    match ack {
        Ack::Failed => "ERROR",
        Ack::Pending => "PENDING",
        Ack::Server => "SERVER",
        Ack::Device => "DEVICE",
        Ack::Read => "READ",
        Ack::Played => "PLAYED",
    }
}
