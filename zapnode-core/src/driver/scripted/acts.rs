//! What a session does besides sending, in the script's world: it is written down, and echoed as a
//! page echoes it.

use time::OffsetDateTime;

use super::{Page, ScriptedConnection, ScriptedDriver, lock};
use crate::driver::{DriverError, DriverEvent};
use crate::id::{ChatId, MessageId, PhoneNumber};
use crate::message::{Activity, Edit, Person, PinTime, Reaction, Revoke, RevokedFor};

/// Something that a session did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// It gave a message another text.
    Edited(MessageId, String),
    /// It took a message back.
    Revoked(MessageId, RevokedFor),
    /// It put a reaction on a message, or took it away.
    Reacted(MessageId, Option<String>),
    /// It starred a message, or took the star away.
    Starred(MessageId, bool),
    /// It pinned a message, or unpinned it.
    Pinned(MessageId, Option<PinTime>),
    /// It marked a chat as seen.
    Seen(ChatId),
    /// It marked a chat as unread.
    Unread(ChatId),
    /// It showed a chat what it does.
    Showed(ChatId, Activity),
    /// It showed itself as available, or not.
    Available(bool),
}

impl ScriptedDriver {
    /// What sessions did besides sending, in order.
    pub fn acts(&self) -> Vec<Act> {
        self.state().acts.clone()
    }

    /// From now on every act finds this part of the page missing; `None`: nothing is.
    pub fn lack(&self, part: Option<&str>) {
        self.state().lacking = part.map(str::to_owned);
    }
}

impl Page {
    /// Keeps which messages were told: only with those something can be done.
    pub(super) fn remember(&self, event: &DriverEvent) {
        let memory = &mut lock(&self.inside).memory;
        match event {
            DriverEvent::Message(message) => {
                memory.heard.insert(message.id.clone());
            }
            DriverEvent::Revoked(revoke) => match revoke.revoked_for {
                RevokedFor::Everyone => {
                    memory.revoked.insert(revoke.id.clone());
                }
                RevokedFor::Me => {
                    memory.heard.remove(&revoke.id);
                    memory.sent.remove(&revoke.id.wire_id());
                }
            },
            _ => {}
        }
    }
}

impl ScriptedConnection {
    /// Checks that the session can act at all.
    pub(super) async fn may_act(&self, command: &'static str) -> Result<PhoneNumber, DriverError> {
        self.alive(command).await?;
        let account = self.account(command)?;
        match self.driver.state().lacking.clone() {
            Some(part) => Err(DriverError::Unsupported {
                feature: command,
                part,
            }),
            None => Ok(account),
        }
    }

    /// Checks that something can be done with a message.
    pub(super) async fn to_message(
        &self,
        command: &'static str,
        message: &MessageId,
    ) -> Result<Person, DriverError> {
        let account = self.may_act(command).await?;
        let memory = lock(&self.page.inside).memory.clone();
        let known = if message.from_me() {
            memory.heard.contains(message) || memory.sent.contains_key(&message.wire_id())
        } else {
            memory.heard.contains(message)
        };
        if !known {
            return Err(DriverError::MessageUnknown {
                message: message.to_string(),
            });
        }
        if memory.revoked.contains(message) {
            return Err(DriverError::NotAllowed {
                command,
                why: "the message was taken back".to_owned(),
            });
        }
        Ok(Person::new(ChatId::from(&account)))
    }

    pub(super) fn did(&self, act: Act) {
        self.driver.state().acts.push(act);
        self.driver.world.changed.notify_waiters();
    }

    pub(super) async fn edit_message(
        &self,
        message: &MessageId,
        text: &str,
    ) -> Result<(), DriverError> {
        let me = self.to_message("edit", message).await?;
        must_be_own("edit", message)?;
        self.did(Act::Edited(message.clone(), text.to_owned()));
        let edit = Edit {
            id: message.clone(),
            chat: message.chat(),
            from: me,
            from_me: true,
            text: Some(text.to_owned()),
            previous: None,
            at: OffsetDateTime::now_utc(),
        };
        self.page.tell(DriverEvent::Edited(edit)).await;
        Ok(())
    }

    pub(super) async fn revoke_message(
        &self,
        message: &MessageId,
        whose: RevokedFor,
    ) -> Result<(), DriverError> {
        if whose == RevokedFor::Everyone && lock(&self.page.inside).memory.revoked.contains(message)
        {
            return Ok(());
        }
        let me = self.to_message("revoke", message).await?;
        if whose == RevokedFor::Everyone {
            must_be_own("revoke", message)?;
        }
        self.did(Act::Revoked(message.clone(), whose));
        let chat = message.chat();
        let revoke = Revoke {
            id: message.clone(),
            from: if message.from_me() {
                me
            } else {
                Person::new(chat.clone())
            },
            chat,
            from_me: message.from_me(),
            revoked_for: whose,
            at: OffsetDateTime::now_utc(),
        };
        self.page.tell(DriverEvent::Revoked(revoke)).await;
        Ok(())
    }

    pub(super) async fn react_to_message(
        &self,
        message: &MessageId,
        emoji: Option<&str>,
    ) -> Result<(), DriverError> {
        let me = self.to_message("react", message).await?;
        let emoji = emoji.map(str::to_owned);
        self.did(Act::Reacted(message.clone(), emoji.clone()));
        let reaction = Reaction {
            message: message.clone(),
            chat: message.chat(),
            from: me,
            from_me: true,
            emoji,
            is_orphan: false,
            at: OffsetDateTime::now_utc(),
        };
        self.page.tell(DriverEvent::Reaction(reaction)).await;
        Ok(())
    }
}

fn must_be_own(command: &'static str, message: &MessageId) -> Result<(), DriverError> {
    if message.from_me() {
        return Ok(());
    }
    Err(DriverError::NotAllowed {
        command,
        why: "somebody else wrote the message".to_owned(),
    })
}
