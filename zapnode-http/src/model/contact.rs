//! People and profiles on the wire.

use serde::Serialize;
use time::OffsetDateTime;
use zapnode_core::contact::{
    BusinessProfile, CheckedNumber, ContactDetails, ContactPage, LidPair, OwnProfile,
};
use zapnode_core::message::Person;
use zapnode_core::session::Unchecked;
use zapnode_core::{ChatId, SessionId};

use super::chat::digits;
use super::iso;

/// A person as the account knows them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactModel {
    id: ChatId,
    /// Digits only.
    phone: Option<String>,
    lid: Option<ChatId>,
    /// As the phone's address book has them.
    name: Option<String>,
    short_name: Option<String>,
    /// As they call themselves.
    push_name: Option<String>,
    verified_name: Option<String>,
    is_business: bool,
    is_my_contact: bool,
    is_blocked: bool,
    is_me: bool,
}

impl From<ContactDetails> for ContactModel {
    fn from(contact: ContactDetails) -> Self {
        Self {
            phone: digits(contact.phone.as_ref()),
            lid: contact.lid,
            name: contact.name,
            short_name: contact.short_name,
            push_name: contact.push_name,
            verified_name: contact.verified_name,
            is_business: contact.is_business,
            is_my_contact: contact.is_my_contact,
            is_blocked: contact.is_blocked,
            is_me: contact.is_me,
            id: contact.id,
        }
    }
}

/// `GET /sessions/{id}/contacts`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactList {
    success: bool,
    count: usize,
    total: usize,
    contacts: Vec<ContactModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl From<ContactPage> for ContactList {
    fn from(page: ContactPage) -> Self {
        Self {
            success: true,
            count: page.contacts.len(),
            total: page.total,
            contacts: page.contacts.into_iter().map(ContactModel::from).collect(),
            next_cursor: page.next.map(|next| next.to_string()),
        }
    }
}

/// `GET /sessions/{id}/contacts/{contact}`.
#[derive(Debug, Serialize)]
pub struct OneContact {
    success: bool,
    contact: ContactModel,
}

impl From<ContactDetails> for OneContact {
    fn from(contact: ContactDetails) -> Self {
        Self {
            success: true,
            contact: contact.into(),
        }
    }
}

/// `GET …/contacts/{contact}/about`.
#[derive(Debug, Serialize)]
pub struct AboutAnswer {
    /// Always true.
    pub success: bool,
    /// Null: none, or not shown to this account.
    pub about: Option<String>,
}

/// `GET …/contacts/{contact}/picture`.
#[derive(Debug, Serialize)]
pub struct PictureAnswer {
    /// Always true.
    pub success: bool,
    /// Null: none, or not shown to this account. Good for some hours.
    pub url: Option<String>,
}

/// `GET …/contacts/{contact}/business`.
#[derive(Debug, Serialize)]
pub struct BusinessAnswer {
    /// Always true.
    pub success: bool,
    /// With the fields that WhatsApp's page has; null: it is no business.
    pub business: Option<BusinessProfile>,
}

/// A blocked person by their names.
#[derive(Debug, Serialize)]
pub struct BlockedPerson {
    id: ChatId,
    phone: Option<String>,
    lid: Option<ChatId>,
}

/// `GET /sessions/{id}/blocked`.
#[derive(Debug, Serialize)]
pub struct BlockedList {
    success: bool,
    count: usize,
    blocked: Vec<BlockedPerson>,
}

impl From<Vec<Person>> for BlockedList {
    fn from(people: Vec<Person>) -> Self {
        Self {
            success: true,
            count: people.len(),
            blocked: people
                .into_iter()
                .map(|person| BlockedPerson {
                    phone: digits(person.phone.as_ref()),
                    lid: person.lid,
                    id: person.id,
                })
                .collect(),
        }
    }
}

/// The account's own profile.
#[derive(Debug, Serialize)]
struct ProfileModel {
    phone: Option<String>,
    lid: Option<ChatId>,
    name: Option<String>,
    about: Option<String>,
    picture: Option<String>,
}

/// `GET` and `PATCH /sessions/{id}/profile`.
#[derive(Debug, Serialize)]
pub struct ProfileAnswer {
    success: bool,
    profile: ProfileModel,
}

impl From<OwnProfile> for ProfileAnswer {
    fn from(profile: OwnProfile) -> Self {
        Self {
            success: true,
            profile: ProfileModel {
                phone: digits(profile.phone.as_ref()),
                lid: profile.lid,
                name: profile.name,
                about: profile.about,
                picture: profile.picture,
            },
        }
    }
}

/// Who has one number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NumberModel {
    /// As it was given.
    number: String,
    /// Null: not known, see `error`.
    exists: Option<bool>,
    /// Under which chat to write to them.
    chat: Option<ChatId>,
    /// Digits only, as WhatsApp has it.
    phone: Option<String>,
    lid: Option<ChatId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

impl NumberModel {
    /// For a text that is no number.
    pub fn invalid(number: String) -> Self {
        Self {
            number,
            exists: None,
            chat: None,
            phone: None,
            lid: None,
            checked_at: None,
            cached: None,
            age_seconds: None,
            error: Some("invalid_phone_number"),
        }
    }

    /// What is known of a number.
    pub fn new(number: String, answer: Result<CheckedNumber, Unchecked>) -> Self {
        match answer {
            Err(why) => Self {
                error: Some(why.code()),
                ..Self::invalid(number)
            },
            Ok(checked) => {
                let age = OffsetDateTime::now_utc() - checked.checked_at;
                Self {
                    exists: Some(checked.exists()),
                    phone: digits(checked.phone.as_ref()),
                    chat: checked.chat,
                    lid: checked.lid,
                    checked_at: Some(iso(checked.checked_at)),
                    cached: Some(checked.is_cached),
                    age_seconds: Some(age.whole_seconds().max(0)),
                    error: None,
                    number,
                }
            }
        }
    }
}

/// `POST /sessions/{id}/check-numbers`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NumbersAnswer {
    /// Always true.
    pub success: bool,
    /// Which session was asked.
    pub session_id: SessionId,
    /// How many numbers.
    pub count: usize,
    /// In the order in which they were given.
    pub numbers: Vec<NumberModel>,
}

/// A LID and the number it belongs to.
#[derive(Debug, Serialize)]
pub struct LidModel {
    lid: ChatId,
    phone: String,
}

impl From<LidPair> for LidModel {
    fn from(pair: LidPair) -> Self {
        Self {
            lid: pair.lid,
            phone: pair.phone.into(),
        }
    }
}

/// `GET /sessions/{id}/lids`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LidList {
    success: bool,
    count: usize,
    lids: Vec<LidModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<ChatId>,
}

impl LidList {
    /// A page of at most `limit` pairs.
    pub fn new(pairs: Vec<LidPair>, limit: usize) -> Self {
        let last = pairs.last().filter(|_| pairs.len() == limit);
        Self {
            success: true,
            count: pairs.len(),
            next_cursor: last.map(|pair| pair.lid.clone()),
            lids: pairs.into_iter().map(LidModel::from).collect(),
        }
    }
}

/// `GET /sessions/{id}/lids/{contact}`.
#[derive(Debug, Serialize)]
pub struct OneLid {
    /// Always true.
    pub success: bool,
    /// `…@lid`; null: not known.
    pub lid: Option<ChatId>,
    /// Digits only; null: not known.
    pub phone: Option<String>,
}
