//! Who does not want to be written to in bulk.
//!
//! The list is one for all sessions: whoever tells one of your numbers to stop means you. Bulk jobs
//! always honour it; a message sent by itself, as an answer is, passes. Somebody gets on it by
//! request, or by answering with nothing but a [stop word](StopWords) in their own chat; that is in
//! the store together with the message that said so, or alone where that chat is
//! [ignored](crate::ignore).

mod words;

use time::OffsetDateTime;
use tokio::sync::mpsc;

use crate::error::Error;
use crate::id::SessionId;
use crate::message::IncomingMessage;
use crate::outbox::Message;
use crate::person::Person;
use crate::store::{NewOptOut, Store};

pub use words::{StopWords, USUAL as USUAL_STOP_WORDS};

/// The most characters that a reason may have.
pub const MAX_REASON_CHARACTERS: usize = 500;

/// How somebody came onto the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptOutSource {
    /// They were put on it.
    Request,
    /// They answered with a stop word.
    StopWord,
}

impl OptOutSource {
    /// The word on our wires and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::StopWord => "stop_word",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "request" => Some(Self::Request),
            "stop_word" => Some(Self::StopWord),
            _ => None,
        }
    }
}

/// Somebody on the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// The order in which they came; a cursor for paging.
    pub seq: i64,
    /// Who, under the names that are known.
    pub person: Person,
    /// Why, in the words of who put them on it.
    pub reason: Option<String>,
    /// How they came onto it.
    pub source: OptOutSource,
    /// The session that they wrote to, if they did.
    pub session: Option<SessionId>,
    /// When.
    pub created_at: OffsetDateTime,
}

/// The list. Cheap to clone; all clones are the same.
#[derive(Clone, Debug)]
pub struct OptOuts {
    store: Store,
    words: StopWords,
    /// What was taken back from bulk jobs, for the manager to tell.
    taken_back: mpsc::UnboundedSender<Vec<Message>>,
}

impl OptOuts {
    pub(crate) fn new(
        store: Store,
        words: StopWords,
        taken_back: mpsc::UnboundedSender<Vec<Message>>,
    ) -> Self {
        Self {
            store,
            words,
            taken_back,
        }
    }

    /// Puts somebody on the list; what bulk jobs still have queued for them is taken back. Says
    /// whether they are new on it.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`] for a reason of more than 500 characters, or [`Error::Store`].
    pub async fn add(
        &self,
        person: Person,
        reason: Option<String>,
    ) -> Result<(OptOut, bool), Error> {
        let too_long = |reason: &String| reason.chars().nth(MAX_REASON_CHARACTERS).is_some();
        if reason.as_ref().is_some_and(too_long) {
            return Err(Error::InvalidMessage("a reason has at most 500 characters"));
        }
        let new = NewOptOut {
            person,
            reason,
            source: OptOutSource::Request,
            session: None,
        };
        let done = self.store.opt_out(new).await?;
        self.tell(done.taken_back);
        Ok((done.opt_out, done.is_new))
    }

    /// Takes somebody off the list.
    ///
    /// # Errors
    /// [`Error::OptOutNotFound`] where they are not on it, or [`Error::Store`].
    pub async fn remove(&self, person: Person) -> Result<(), Error> {
        match self.store.opt_in(person).await? {
            true => Ok(()),
            false => Err(Error::OptOutNotFound),
        }
    }

    /// Whether somebody is on the list.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn contains(&self, person: Person) -> Result<bool, Error> {
        Ok(self.store.is_opted_out(person).await?)
    }

    /// The list, newest first, at most `limit`: only those before the cursor `before`
    /// ([`OptOut::seq`]), only those whose number, LID or reason has `words` in it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn list(
        &self,
        before: Option<i64>,
        words: Option<String>,
        limit: usize,
    ) -> Result<Vec<OptOut>, Error> {
        Ok(self.store.opt_outs(before, words, limit).await?)
    }

    /// The opt-out that a message is, if it is one: a stop word alone, written by somebody else in
    /// their own chat.
    pub(crate) fn in_message(
        &self,
        session: &SessionId,
        message: &IncomingMessage,
    ) -> Option<NewOptOut> {
        let text = message.text.as_deref().filter(|_| message.kind == "chat")?;
        let person = Person::of_writer(message)?;
        self.words.are_in(text).then(|| NewOptOut {
            person,
            reason: Some(format!("answered: {}", text.trim())),
            source: OptOutSource::StopWord,
            session: Some(session.clone()),
        })
    }

    /// Tells what the store has taken back from bulk jobs.
    pub(crate) fn tell(&self, taken_back: Vec<Message>) {
        if !taken_back.is_empty() {
            // Nobody listens once everything ends; what is queued is looked at again then.
            let _ = self.taken_back.send(taken_back);
        }
    }
}
