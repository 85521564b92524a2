//! One person under the two names that WhatsApp gives them: a phone number and a LID (fact sheet
//! §0.4).

use crate::id::{ChatId, PhoneNumber};
use crate::message::{Contact, IncomingMessage, Recipient};

/// A person, by whichever of the two names are known; at least one is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    phone: Option<PhoneNumber>,
    lid: Option<ChatId>,
}

impl Person {
    /// The person with these names. `None` when `phone` is no phone number, `lid` no LID, or both
    /// are absent.
    pub fn new(phone: Option<PhoneNumber>, lid: Option<ChatId>) -> Option<Self> {
        let lid = lid.filter(ChatId::is_lid);
        (phone.is_some() || lid.is_some()).then_some(Self { phone, lid })
    }

    /// Whom a message is for; `None` for a group.
    pub fn of_recipient(to: &Recipient) -> Option<Self> {
        match to {
            Recipient::Phone(phone) => Self::new(Some(phone.clone()), None),
            Recipient::Chat(chat) => Self::of_chats([chat]),
        }
    }

    /// Who was found; `None` for a group.
    pub fn of_contact(contact: &Contact) -> Option<Self> {
        let names = [&contact.phone, &contact.lid];
        Self::of_chats(names.into_iter().flatten().chain([&contact.chat]))
    }

    /// Who wrote a message from their own chat; `None` for one in a group, a channel or a status,
    /// or one that this account wrote.
    pub fn of_writer(message: &IncomingMessage) -> Option<Self> {
        if message.from_me || !(message.chat.is_phone() || message.chat.is_lid()) {
            return None;
        }
        let names = [&message.from_phone, &message.from_lid];
        Self::of_chats(names.into_iter().flatten().chain([&message.chat]))
    }

    /// Who has these chats; `None` where none is a person's.
    pub(crate) fn of_chats<'a>(chats: impl IntoIterator<Item = &'a ChatId>) -> Option<Self> {
        let (mut phone, mut lid) = (None, None);
        for chat in chats {
            phone = phone.or_else(|| chat.phone());
            lid = lid.or_else(|| chat.is_lid().then(|| chat.clone()));
        }
        Self::new(phone, lid)
    }

    /// The phone number, if known.
    pub fn phone(&self) -> Option<&PhoneNumber> {
        self.phone.as_ref()
    }

    /// The LID, if known.
    pub fn lid(&self) -> Option<&ChatId> {
        self.lid.as_ref()
    }

    /// Whether a message to `to` is for this person, as far as the names say.
    pub fn is(&self, to: &Recipient) -> bool {
        Self::of_recipient(to).is_some_and(|other| {
            let alike = |mine: Option<&str>, other: Option<&str>| mine.is_some() && mine == other;
            alike(
                self.phone().map(PhoneNumber::as_str),
                other.phone().map(PhoneNumber::as_str),
            ) || alike(
                self.lid().map(ChatId::as_str),
                other.lid().map(ChatId::as_str),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MessageId;
    use time::OffsetDateTime;

    fn chat(text: &str) -> ChatId {
        ChatId::new(text).expect("a chat")
    }

    fn names(person: Option<Person>) -> Option<(Option<String>, Option<String>)> {
        let person = person?;
        Some((
            person.phone().map(ToString::to_string),
            person.lid().map(ToString::to_string),
        ))
    }

    #[test]
    fn a_writer_has_the_names_the_message_tells() {
        let phone = Some("5511900000001".to_owned());
        let lid = Some("77@lid".to_owned());
        for (in_chat, from_phone, from_lid, from_me, expected) in [
            (
                "5511900000001@c.us",
                None,
                None,
                false,
                Some((phone.clone(), None)),
            ),
            ("77@lid", None, None, false, Some((None, lid.clone()))),
            (
                "77@lid",
                Some("5511900000001@c.us"),
                Some("77@lid"),
                false,
                Some((phone.clone(), lid.clone())),
            ),
            (
                "5511900000001@c.us",
                None,
                Some("77@lid"),
                false,
                Some((phone, lid)),
            ),
            ("77@lid", None, None, true, None),
            ("12@g.us", Some("5511900000001@c.us"), None, false, None),
            (
                "status@broadcast",
                Some("5511900000001@c.us"),
                None,
                false,
                None,
            ),
            ("12@newsletter", None, None, false, None),
        ] {
            let message = IncomingMessage {
                id: MessageId::new("false_1@c.us_3EB0AABBCCDD").expect("a key"),
                chat: chat(in_chat),
                from: chat(in_chat),
                from_phone: from_phone.map(chat),
                from_lid: from_lid.map(chat),
                name: None,
                from_me,
                kind: "chat".to_owned(),
                text: None,
                at: OffsetDateTime::UNIX_EPOCH,
                details: Default::default(),
            };
            assert_eq!(names(Person::of_writer(&message)), expected, "{in_chat}");
        }
    }

    #[test]
    fn a_recipient_is_known_by_either_name() {
        let phone = PhoneNumber::new("5511900000001").expect("a number");
        let both = Person::new(Some(phone.clone()), Some(chat("77@lid"))).expect("a person");
        for (to, is) in [
            ("5511900000001", true),
            ("77@lid", true),
            ("5511900000002", false),
            ("78@lid", false),
            ("12@g.us", false),
        ] {
            let to = Recipient::to_write_to(to).expect("a recipient");
            assert_eq!(both.is(&to), is, "{to}");
        }
        let by_phone = Person::new(Some(phone), None).expect("a person");
        assert!(!by_phone.is(&Recipient::Chat(chat("77@lid"))));
        assert_eq!(Person::new(None, Some(chat("12@g.us"))), None);
        assert_eq!(
            Person::of_recipient(&Recipient::Chat(chat("12@g.us"))),
            None
        );
    }
}
