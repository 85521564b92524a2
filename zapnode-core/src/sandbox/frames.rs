//! What is kept for a device, as its page sees it: addresses instead of accounts.

use super::account::{Item, PhoneMessage};
use super::groups::{Group, GroupId, Place};
use super::media;
use super::wire::{GroupFrame, ItemFrame, KeyFrame, MemberFrame, MsgFrame, RequestFrame};
use super::world::World;
use crate::id::{PhoneNumber, WireId};

impl World {
    pub(super) fn frame_of(&mut self, owner: &PhoneNumber, item: &Item) -> Option<ItemFrame> {
        Some(match item {
            Item::Msg { id, from_me } => {
                let message = self.account(owner).find(id, *from_me)?.clone();
                ItemFrame::Msg {
                    msg: Box::new(self.msg_frame(owner, &message)),
                }
            }
            Item::Ack {
                chat,
                group,
                id,
                ack,
            } => ItemFrame::Ack {
                chat: self.chat_address(chat, group.as_ref()),
                participant: group.is_some().then(|| self.member_address(owner)),
                id: id.clone(),
                ack: *ack,
            },
            Item::Seen { chat } => ItemFrame::Seen {
                chat: self.place_address(chat),
            },
            Item::Vote {
                id,
                from_me,
                by,
                vote,
                options,
                at_ms,
            } => {
                let key = self.key_frame(owner, id, *from_me)?;
                ItemFrame::Vote {
                    by: self.address_beside(&key, by),
                    by_me: by == owner,
                    key,
                    vote: vote.clone(),
                    options: options.clone(),
                    at_ms: *at_ms,
                }
            }
            Item::Star { id, from_me } => ItemFrame::Star {
                key: self.key_frame(owner, id, *from_me)?,
                on: self.account(owner).find(id, *from_me)?.marks.starred,
            },
            Item::Pin {
                id,
                from_me,
                by,
                pin,
                at_ms,
                seconds,
            } => {
                let key = self.key_frame(owner, id, *from_me)?;
                ItemFrame::Pin {
                    by: self.address_beside(&key, by),
                    by_me: by == owner,
                    key,
                    pin: pin.clone(),
                    at_ms: *at_ms,
                    seconds: *seconds,
                }
            }
            Item::Chat {
                chat,
                marks,
                cleared,
                deleted,
            } => ItemFrame::Chat {
                chat: match chat {
                    Place::Person(person) => self.addresses(person).0,
                    Place::Group(group) => group.to_string(),
                },
                marks: marks.clone(),
                cleared: *cleared,
                deleted: *deleted,
            },
            Item::History => {
                let messages = self.account(owner).messages.clone();
                let shown = messages.iter().filter(|message| !message.deleted);
                ItemFrame::History {
                    msgs: shown.map(|one| self.msg_frame(owner, one)).collect(),
                }
            }
            Item::Edit {
                id,
                from_me,
                text,
                at_ms,
            } => ItemFrame::Edit {
                key: self.key_frame(owner, id, *from_me)?,
                body: text.clone(),
                at_ms: *at_ms,
            },
            Item::Revoke {
                id,
                from_me,
                by,
                by_admin,
            } => {
                let key = self.key_frame(owner, id, *from_me)?;
                ItemFrame::Revoke {
                    by: self.address_beside(&key, by),
                    by_admin: *by_admin,
                    key,
                }
            }
            Item::Delete { id, from_me } => ItemFrame::Delete {
                key: self.key_frame(owner, id, *from_me)?,
            },
            Item::Reaction {
                id,
                from_me,
                by,
                reaction,
                emoji,
                at_ms,
            } => {
                let key = self.key_frame(owner, id, *from_me)?;
                ItemFrame::Reaction {
                    by: self.address_beside(&key, by),
                    by_me: by == owner,
                    key,
                    reaction: reaction.clone(),
                    emoji: emoji.clone(),
                    at_ms: *at_ms,
                }
            }
        })
    }

    fn msg_frame(&mut self, owner: &PhoneNumber, message: &PhoneMessage) -> MsgFrame {
        let writer = if message.from_me {
            owner.clone()
        } else {
            message.chat.clone()
        };
        let group = message.group.as_ref().and_then(|id| self.groups.get(id));
        let group = group.cloned().map(|group| self.group_frame(&group));
        let grouped = message.group.is_some();
        let (addressed, also) = self.addresses(&message.chat);
        let also = if grouped {
            self.other_than(&writer)
        } else {
            also
        };
        let quoted_from = message.quoted.as_ref().and_then(|id| {
            let id = WireId::new(id).ok()?;
            let account = self.account(owner);
            let theirs = account.find(&id, false).map(|quoted| quoted.chat.clone());
            let mine = account.find(&id, true).map(|_| owner.clone());
            theirs.or(mine)
        });
        let mut within = |person: &PhoneNumber| {
            if grouped {
                self.member_address(person)
            } else {
                self.addresses(person).0
            }
        };
        let notice = message.notice.as_ref();
        let shown = media::shown(message);
        MsgFrame {
            id: message.id.clone(),
            chat: match &message.group {
                Some(group) => group.to_string(),
                None => addressed,
            },
            from_me: message.from_me,
            body: shown.body,
            kind: shown.kind,
            at: message.at.unix_timestamp(),
            ack: message.ack,
            quoted: message.quoted.clone(),
            starred: message.marks.starred,
            quoted_from: quoted_from.map(|person| within(&person)),
            participant: grouped.then(|| within(&writer)),
            subtype: shown.subtype.or(notice.map(|notice| notice.word.clone())),
            recipients: notice
                .map(|notice| notice.members.iter().map(&mut within).collect())
                .unwrap_or_default(),
            mentions: message.mentions.iter().map(&mut within).collect(),
            fields: shown.fields,
            revoked: message.revoked,
            name: self.account(&message.chat).name.clone(),
            also: self.faults.messages_carry_number.then_some(also),
            group,
        }
    }

    pub(super) fn group_frame(&mut self, group: &Group) -> GroupFrame {
        GroupFrame {
            subject: group.subject.clone(),
            description: group.description.clone(),
            owner: self.member_address(&group.owner),
            created: group.created.unix_timestamp(),
            by_lid: self.groups_by_lid(),
            settings: group.settings.clone(),
            description_id: group.description_id.clone(),
            picture: group.picture.is_some(),
            community: group.community,
            requests: group
                .requests
                .iter()
                .map(|(who, since)| RequestFrame {
                    id: self.member_address(who),
                    t: *since,
                })
                .collect(),
            members: group
                .members
                .iter()
                .map(|(member, admin)| MemberFrame {
                    id: self.member_address(member),
                    admin: *admin,
                })
                .collect(),
        }
    }

    fn key_frame(&mut self, owner: &PhoneNumber, id: &WireId, from_me: bool) -> Option<KeyFrame> {
        let message = self.account(owner).find(id, from_me)?;
        let (chat, group) = (message.chat.clone(), message.group.clone());
        // In a group the chat is its writer.
        let participant = group.is_some().then(|| self.member_address(&chat));
        Some(KeyFrame {
            from_me,
            chat: self.chat_address(&chat, group.as_ref()),
            id: id.clone(),
            participant,
        })
    }

    /// A person's address as the chat of this key has it.
    fn address_beside(&mut self, key: &KeyFrame, person: &PhoneNumber) -> String {
        if key.participant.is_some() {
            self.member_address(person)
        } else if key.chat.ends_with("@lid") {
            format!("{}@lid", self.account(person).lid)
        } else {
            format!("{person}@c.us")
        }
    }

    fn place_address(&mut self, place: &Place) -> String {
        match place {
            Place::Person(person) => self.addresses(person).0,
            Place::Group(group) => group.to_string(),
        }
    }

    fn chat_address(&mut self, chat: &PhoneNumber, group: Option<&GroupId>) -> String {
        match group {
            Some(group) => group.to_string(),
            None => self.addresses(chat).0,
        }
    }

    /// How a group names a member.
    pub(super) fn member_address(&mut self, member: &PhoneNumber) -> String {
        if self.groups_by_lid() {
            format!("{}@lid", self.account(member).lid)
        } else {
            format!("{member}@c.us")
        }
    }

    fn other_than(&mut self, member: &PhoneNumber) -> String {
        if self.groups_by_lid() {
            format!("{member}@c.us")
        } else {
            format!("{}@lid", self.account(member).lid)
        }
    }
}
