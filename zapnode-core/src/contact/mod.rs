//! People as the account knows them: contacts, who has a number, the own profile (fact sheet §4.1,
//! §6).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::cursor::cursor;
use crate::id::{ChatId, PhoneNumber};

pub mod brazil;
mod profile;

pub use profile::{
    InvalidProfile, MAX_ABOUT_CHARACTERS, MAX_NAME_CHARACTERS, MAX_PICTURE_BYTES, OwnProfile,
    Picture, PictureKind, ProfileChange,
};

/// The most numbers that can be checked in one call.
pub const MOST_NUMBERS: usize = 100;

/// A person as the account knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactDetails {
    /// Under which of their names the page has them.
    pub id: ChatId,
    /// `…@c.us`, where the page knows it.
    pub phone: Option<ChatId>,
    /// `…@lid`, where the page knows it.
    pub lid: Option<ChatId>,
    /// As the address book of the phone has them.
    pub name: Option<String>,
    /// The short form of that.
    pub short_name: Option<String>,
    /// As they call themselves.
    pub push_name: Option<String>,
    /// The name of a business that WhatsApp has checked.
    pub verified_name: Option<String>,
    /// Whether it is a business.
    pub is_business: bool,
    /// Whether they are in the phone's address book.
    pub is_my_contact: bool,
    /// Whether this account has blocked them.
    pub is_blocked: bool,
    /// Whether it is this account itself.
    pub is_me: bool,
}

impl ContactDetails {
    /// Somebody of whom only one name is known.
    pub fn new(id: ChatId) -> Self {
        Self {
            phone: id.is_phone().then(|| id.clone()),
            lid: id.is_lid().then(|| id.clone()),
            id,
            name: None,
            short_name: None,
            push_name: None,
            verified_name: None,
            is_business: false,
            is_my_contact: false,
            is_blocked: false,
            is_me: false,
        }
    }

    /// What to call them: as the address book does, else as they do.
    pub fn title(&self) -> Option<&str> {
        let names = [&self.name, &self.verified_name, &self.push_name];
        names.into_iter().flatten().map(String::as_str).next()
    }
}

/// Which contacts are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactQuery {
    /// Only those with these letters in a name or their number, whatever their case.
    pub words: Option<String>,
    /// Only those in the phone's address book.
    pub mine: bool,
    /// Where the page before ended.
    pub after: Option<ContactCursor>,
    /// At most so many, 1 to [`LARGEST_PAGE`](crate::chat::LARGEST_PAGE).
    pub limit: usize,
}

/// A page of contacts, by name; those without one come last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContactPage {
    /// The contacts.
    pub contacts: Vec<ContactDetails>,
    /// Where the next page begins; none on the last.
    pub next: Option<ContactCursor>,
    /// How many contacts fit the query in all.
    pub total: usize,
}

/// The last contact of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCursor {
    /// What it was ordered by.
    pub order: String,
    /// Its id.
    pub id: ChatId,
}
cursor!(ContactCursor);

/// A business's own description of itself, with the fields that its page has: which those are
/// differs from build to build.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BusinessProfile(pub serde_json::Map<String, serde_json::Value>);

/// Whether a number is on WhatsApp, and who that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedNumber {
    /// The number that was asked about.
    pub number: PhoneNumber,
    /// Under which chat to write to them; `None`: not on WhatsApp.
    pub chat: Option<ChatId>,
    /// Their number as WhatsApp has it; for a Brazilian one it may have a ninth digit more or less
    /// ([`brazil`]).
    pub phone: Option<ChatId>,
    /// Their LID, if known.
    pub lid: Option<ChatId>,
    /// When WhatsApp was asked.
    pub checked_at: OffsetDateTime,
    /// Whether that was before this call.
    pub is_cached: bool,
}

impl CheckedNumber {
    /// Whether the number is on WhatsApp.
    pub fn exists(&self) -> bool {
        self.chat.is_some()
    }
}

/// One person under both of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LidPair {
    /// `…@lid`.
    pub lid: ChatId,
    /// The number.
    pub phone: PhoneNumber,
}
