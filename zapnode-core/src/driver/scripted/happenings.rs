//! What becomes of messages in the script's world: edits, reactions, revokes.

use time::OffsetDateTime;

use super::{ScriptedDriver, message_id};
use crate::driver::DriverEvent;
use crate::id::{ChatId, PhoneNumber, SessionId, WireId};
use crate::message::{Edit, Person, Reaction, Revoke, RevokedFor};

impl ScriptedDriver {
    /// Somebody changes the text of a message they wrote to the session's account.
    pub async fn edit(&self, session: &SessionId, from: &PhoneNumber, id: &WireId, text: &str) {
        let chat = ChatId::from(from);
        let edit = Edit {
            id: message_id(false, &chat, id),
            from: Person::new(chat.clone()),
            chat,
            from_me: false,
            text: Some(text.to_owned()),
            previous: None,
            at: OffsetDateTime::now_utc(),
        };
        self.tell(session, DriverEvent::Edited(edit)).await;
    }

    /// Somebody reacts to a message they wrote, or takes that away.
    pub async fn react(
        &self,
        session: &SessionId,
        from: &PhoneNumber,
        id: &WireId,
        emoji: Option<&str>,
    ) {
        let chat = ChatId::from(from);
        let reaction = Reaction {
            message: message_id(false, &chat, id),
            from: Person::new(chat.clone()),
            chat,
            from_me: false,
            emoji: emoji.map(str::to_owned),
            is_orphan: false,
            at: OffsetDateTime::now_utc(),
        };
        self.tell(session, DriverEvent::Reaction(reaction)).await;
    }

    /// Somebody takes back a message they wrote.
    pub async fn revoke(&self, session: &SessionId, from: &PhoneNumber, id: &WireId) {
        let chat = ChatId::from(from);
        let revoke = Revoke {
            id: message_id(false, &chat, id),
            from: Person::new(chat.clone()),
            chat,
            from_me: false,
            revoked_for: RevokedFor::Everyone,
            at: OffsetDateTime::now_utc(),
        };
        self.tell(session, DriverEvent::Revoked(revoke)).await;
    }
}
