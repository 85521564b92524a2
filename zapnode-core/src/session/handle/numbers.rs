//! Who has a number: asked of WhatsApp, remembered, and with Brazil's ninth digit in mind.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use time::OffsetDateTime;
use tokio::time::{Instant, timeout_at};

use super::{SessionHandle, Shared};
use crate::contact::{CheckedNumber, LidPair, MOST_NUMBERS, brazil};
use crate::driver::{Connection, DriverError};
use crate::error::Error;
use crate::id::{ChatId, PhoneNumber};
use crate::message::{Contact, Recipient};
use crate::person::Person;

/// How many numbers are asked about at a time.
const AT_A_TIME: usize = 4;

/// How long all questions of one call may take.
const ALL_WITHIN: Duration = Duration::from_secs(60);

/// Why it is not known whether a number is on WhatsApp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unchecked {
    /// WhatsApp's server answers no more for now.
    Refused(String),
    /// There was no time left.
    NoTime,
    /// The session could not ask.
    Failed(String),
}

impl Unchecked {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "rate_limited",
            Self::NoTime => "timeout",
            Self::Failed(_) => "driver_failed",
        }
    }
}

impl From<DriverError> for Unchecked {
    fn from(error: DriverError) -> Self {
        match error {
            DriverError::ServerRefused { reason, .. } => Self::Refused(reason),
            DriverError::TimedOut { .. } => Self::NoTime,
            other => Self::Failed(other.to_string()),
        }
    }
}

impl Shared {
    /// Finds who is meant. A Brazilian number is asked about in both of its forms, the one that was
    /// right the last time first.
    pub(super) async fn look_up(
        &self,
        connection: &dyn Connection,
        to: &Recipient,
    ) -> Result<Option<Contact>, DriverError> {
        let Recipient::Phone(number) = to else {
            return connection.find_contact(to).await;
        };
        let Some(other) = brazil::other_form(number) else {
            return connection.find_contact(to).await;
        };
        let other = Recipient::Phone(other);
        let before = self.known_form(number).await;
        let was_other = before.is_some_and(|known| Recipient::Phone(known) == other);
        let (first, second) = if was_other {
            (&other, to)
        } else {
            (to, &other)
        };
        if let Some(found) = connection.find_contact(first).await? {
            return Ok(Some(found));
        }
        let found = connection.find_contact(second).await?;
        if let Some(found) = &found {
            self.remember_form(number, found).await;
        }
        Ok(found)
    }

    /// Under which number a person was found the last time.
    async fn known_form(&self, number: &PhoneNumber) -> Option<PhoneNumber> {
        let asked = vec![number.clone()];
        let known = self.store.checked_numbers(self.id.clone(), asked).await;
        // Without the store it is asked anew, which only takes longer.
        known.ok()?.pop()?.phone?.phone()
    }

    async fn remember_form(&self, number: &PhoneNumber, found: &Contact) {
        let checked = vec![checked(number, Some(found))];
        if let Err(error) = self.store.note_checked(self.id.clone(), checked).await {
            tracing::warn!(session = %self.id, %error, "a number's form could not be remembered");
        }
    }
}

fn checked(number: &PhoneNumber, found: Option<&Contact>) -> CheckedNumber {
    CheckedNumber {
        number: number.clone(),
        chat: found.map(|found| found.chat.clone()),
        phone: found.and_then(|found| found.phone.clone()),
        lid: found.and_then(|found| found.lid.clone()),
        checked_at: crate::store::now(),
        is_cached: false,
    }
}

impl SessionHandle {
    /// Says of up to [`MOST_NUMBERS`] numbers whether they are on WhatsApp, and who that is, in
    /// their order. What WhatsApp said within `max_age` is not asked again; with everything known
    /// the session need not be ready. Asking takes some tenths of a second for each, at most a
    /// minute in all.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] for too many, [`Error::NotReady`] where WhatsApp would have to be
    /// asked, or [`Error::Store`].
    pub async fn check_numbers(
        &self,
        numbers: Vec<PhoneNumber>,
        max_age: Duration,
    ) -> Result<Vec<Result<CheckedNumber, Unchecked>>, Error> {
        if numbers.len() > MOST_NUMBERS {
            return Err(Error::InvalidMessage("at most 100 numbers at a time"));
        }
        let store = &self.shared.store;
        let known = store.checked_numbers(self.id().clone(), numbers.clone());
        let oldest = OffsetDateTime::now_utc() - max_age;
        let mut answers: HashMap<PhoneNumber, Result<CheckedNumber, Unchecked>> = known
            .await?
            .into_iter()
            .filter(|known| known.checked_at >= oldest)
            .map(|known| (known.number.clone(), Ok(known)))
            .collect();
        let mut to_ask = numbers.clone();
        to_ask.retain(|number| !answers.contains_key(number));
        to_ask.sort();
        to_ask.dedup();
        if !to_ask.is_empty() {
            let asked = self.ask_whatsapp(to_ask).await?;
            let fresh = asked.iter().filter_map(|(_, answer)| answer.clone().ok());
            store
                .note_checked(self.id().clone(), fresh.collect())
                .await?;
            answers.extend(asked);
        }
        let in_order = numbers.iter().filter_map(|number| answers.get(number));
        Ok(in_order.cloned().collect())
    }

    async fn ask_whatsapp(
        &self,
        numbers: Vec<PhoneNumber>,
    ) -> Result<Vec<(PhoneNumber, Result<CheckedNumber, Unchecked>)>, Error> {
        let connection = self.page().await?;
        let until = Instant::now() + ALL_WITHIN;
        // Once WhatsApp has refused, asking on would only make it worse.
        let refused = std::sync::OnceLock::<Unchecked>::new();
        let ask = |number: PhoneNumber| {
            let (connection, refused) = (&connection, &refused);
            async move {
                if let Some(refused) = refused.get() {
                    return (number, Err(refused.clone()));
                }
                let to = Recipient::Phone(number.clone());
                let asking = self.shared.look_up(connection.as_ref(), &to);
                let answer = match timeout_at(until, asking).await {
                    Err(_) => Err(Unchecked::NoTime),
                    Ok(Err(error)) => Err(error.into()),
                    Ok(Ok(found)) => Ok(checked(&number, found.as_ref())),
                };
                if let Err(why @ Unchecked::Refused(_)) = &answer {
                    refused.get_or_init(|| why.clone());
                }
                (number, answer)
            }
        };
        let asking = futures_util::stream::iter(numbers.into_iter().map(ask));
        Ok(asking.buffer_unordered(AT_A_TIME).collect().await)
    }

    /// People of whom both the LID and the number are known, by LID, after `after`, at most `limit`.
    /// The map is one for all sessions and grows with everything that WhatsApp tells.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn lids(&self, after: Option<ChatId>, limit: usize) -> Result<Vec<LidPair>, Error> {
        Ok(self.shared.store.lid_pairs(after, limit).await?)
    }

    /// Both names of a person: from the map, else by asking WhatsApp. `None`: the other name is not
    /// known to anybody.
    ///
    /// # Errors
    /// [`Error::ContactNotFound`] where WhatsApp does not know them; [`Error::NotReady`] where it
    /// would have to be asked; [`Error::InvalidMessage`] for what is no person; else the driver's.
    pub async fn lid_of(&self, id: &ChatId) -> Result<Option<LidPair>, Error> {
        let person = Person::of_chats([id]);
        let person = person.ok_or(Error::InvalidMessage(
            "only a person has a LID and a number",
        ))?;
        let store = &self.shared.store;
        let known = store.whole_person(person).await?;
        if let Some(pair) = pair(&known) {
            return Ok(Some(pair));
        }
        let found = self.contact(id).await?;
        let names = found.phone.iter().chain(&found.lid);
        Ok(Person::of_chats(names).as_ref().and_then(pair))
    }
}

fn pair(person: &Person) -> Option<LidPair> {
    Some(LidPair {
        lid: person.lid()?.clone(),
        phone: person.phone()?.clone(),
    })
}
