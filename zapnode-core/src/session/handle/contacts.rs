//! People, the own profile, calls and the session's proxy.

use std::sync::Arc;

use super::{SessionHandle, not_ready};
use crate::chat::LARGEST_PAGE;
use crate::contact::{
    BusinessProfile, ContactDetails, ContactPage, ContactQuery, OwnProfile, ProfileChange, brazil,
};
use crate::driver::Connection;
use crate::error::Error;
use crate::id::ChatId;
use crate::message::{Person as Named, Recipient};
use crate::person::Person;
use crate::proxy::Proxy;
use crate::session::{SessionInfo, SessionState};

impl SessionHandle {
    /// The session's page, where it can be asked.
    pub(super) async fn page(&self) -> Result<Arc<dyn Connection>, Error> {
        let info = self.info();
        if !info.is_ready() {
            return Err(not_ready(info));
        }
        self.connection().await
    }

    /// A page of the people that the account knows, by name.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn contacts(&self, query: ContactQuery) -> Result<ContactPage, Error> {
        let query = ContactQuery {
            limit: query.limit.clamp(1, LARGEST_PAGE),
            ..query
        };
        let page = self.page().await?.contacts(&query).await?;
        let people = page.contacts.iter();
        let people = people.filter_map(|one| Person::of_chats(one.phone.iter().chain(&one.lid)));
        let people = people.collect();
        let id = self.id().clone();
        self.shared.store.note_people(id, people).await?;
        Ok(page)
    }

    /// One person.
    ///
    /// # Errors
    /// [`Error::ContactNotFound`] for somebody who is not on WhatsApp; [`Error::NotReady`] while the
    /// session is not ready, or the driver's.
    pub async fn contact(&self, id: &ChatId) -> Result<ContactDetails, Error> {
        let page = self.page().await?;
        let mut found = page.contact(id).await?;
        if found.is_none()
            && let Some(other) = id.phone().as_ref().and_then(brazil::other_form)
        {
            found = page.contact(&ChatId::from(&other)).await?;
        }
        let found = found.ok_or(Error::ContactNotFound)?;
        let person = Person::of_chats(found.phone.iter().chain(&found.lid));
        self.shared
            .store
            .note_people(self.id().clone(), person.into_iter().collect())
            .await?;
        Ok(found)
    }

    /// A person's about text; `None` where they have none, or do not show it.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn about(&self, id: &ChatId) -> Result<Option<String>, Error> {
        let page = self.page().await?;
        let id = self.known_as(page.as_ref(), id).await?;
        Ok(page.about(&id).await?)
    }

    /// The address of a person's or group's picture, good for some hours; `None` where they have
    /// none, or do not show it.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn picture(&self, id: &ChatId) -> Result<Option<String>, Error> {
        let page = self.page().await?;
        let id = self.known_as(page.as_ref(), id).await?;
        Ok(page.picture(&id).await?)
    }

    /// What a business says of itself; `None` for somebody who is none.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn business_profile(&self, id: &ChatId) -> Result<Option<BusinessProfile>, Error> {
        let page = self.page().await?;
        let id = self.known_as(page.as_ref(), id).await?;
        Ok(page.business_profile(&id).await?)
    }

    /// Whom the account has blocked.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn blocked(&self) -> Result<Vec<Named>, Error> {
        Ok(self.page().await?.blocked().await?)
    }

    /// Blocks a person, or no more. Who is blocked already stays so.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn set_blocked(&self, id: &ChatId, blocked: bool) -> Result<(), Error> {
        let page = self.page().await?;
        let id = self.known_as(page.as_ref(), id).await?;
        Ok(page.set_blocked(&id, blocked).await?)
    }

    /// The account's own profile.
    ///
    /// # Errors
    /// [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn profile(&self) -> Result<OwnProfile, Error> {
        Ok(self.page().await?.own_profile().await?)
    }

    /// Changes it; others see that.
    ///
    /// # Errors
    /// [`Error::InvalidProfile`] before anything is asked; [`Error::NotReady`] while the session is
    /// not ready, or the driver's.
    pub async fn change_profile(&self, change: ProfileChange) -> Result<(), Error> {
        change.check()?;
        Ok(self.page().await?.change_profile(&change).await?)
    }

    /// Turns a call away that rings. `from` says who calls, for one that the page has not heard of
    /// since it was loaded.
    ///
    /// # Errors
    /// [`Error::CallNotFound`]; [`Error::NotReady`] while the session is not ready, or the driver's.
    pub async fn reject_call(&self, id: &str, from: Option<&ChatId>) -> Result<(), Error> {
        match self.page().await?.reject_call(id, from).await? {
            true => Ok(()),
            false => Err(Error::CallNotFound),
        }
    }

    /// Sends everything of the session through another proxy from now on, or through none. Where its
    /// browser runs it is started anew, with the same login; messages that are accepted meanwhile
    /// wait. Returns when the old browser has ended.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if it was removed, or [`Error::Store`], and then nothing has
    /// changed.
    pub async fn set_proxy(&self, proxy: Option<Proxy>) -> Result<SessionInfo, Error> {
        let before = self.info();
        let same = before.options.proxy == proxy;
        let info = self.choose(move |options| options.proxy = proxy).await?;
        self.relaunch_unless(same, info).await
    }

    /// Starts the browser anew where one runs and something has changed that it was started with.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`] if the session was removed.
    pub async fn relaunch_unless(
        &self,
        same: bool,
        info: SessionInfo,
    ) -> Result<SessionInfo, Error> {
        let rests = info.state.is_settled() || info.state == SessionState::Hibernating;
        if same || rests {
            return Ok(info);
        }
        self.restart().await
    }

    /// Under which name the page is to be asked: a number as WhatsApp has it.
    async fn known_as(&self, page: &dyn Connection, id: &ChatId) -> Result<ChatId, Error> {
        let Some(phone) = id.phone() else {
            return Ok(id.clone());
        };
        let to = Recipient::Phone(phone);
        Ok(self.shared.find_contact(page, &to).await?.chat)
    }
}
