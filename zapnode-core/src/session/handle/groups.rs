//! Groups of a session's account (fact sheet §6.1).

use super::SessionHandle;
use crate::error::Error;
use crate::group::{
    CreatedGroup, Group, GroupEdit, GroupSummary, InvalidGroup, InviteCode, InviteInfo,
    JoinRequest, Joined, MemberChange, MemberResult, NewGroup, check_people,
};
use crate::id::ChatId;
use crate::message::Recipient;

/// What concerns groups is done at once, on a session that is up, and not kept for later: where a
/// group is named, [`DriverError::GroupUnknown`](crate::driver::DriverError::GroupUnknown) says that
/// this account has none of that id, and
/// [`DriverError::NotAllowed`](crate::driver::DriverError::NotAllowed) that only its admins may do
/// that. [`Error::InvalidGroup`] is told before anybody is asked, [`Error::NotReady`] where the
/// session is not up.
impl SessionHandle {
    /// The groups this account is in, as far as the page knows them without asking.
    ///
    /// # Errors
    /// [`Error::NotReady`], else by the driver's situation.
    pub async fn groups(&self) -> Result<Vec<GroupSummary>, Error> {
        Ok(self.connection().await?.groups().await?)
    }

    /// One group with everybody in it, as WhatsApp's server knows it now.
    ///
    /// # Errors
    /// As above.
    pub async fn group(&self, group: &ChatId) -> Result<Group, Error> {
        a_group(group)?;
        Ok(self.connection().await?.group(group).await?)
    }

    /// Founds a group. What became of each of its members is in the answer: who cannot be added
    /// does not keep it from coming to be.
    ///
    /// # Errors
    /// As above. After one whose
    /// [`outcome_unknown`](crate::driver::DriverError::outcome_unknown) the group may exist: look
    /// before you ask again.
    pub async fn create_group(&self, new: &NewGroup) -> Result<CreatedGroup, Error> {
        new.check()?;
        Ok(self.connection().await?.create_group(new).await?)
    }

    /// Adds, removes, promotes or demotes people, and says of each what came of it. With `invite`,
    /// who can only be invited is sent a card.
    ///
    /// # Errors
    /// As above.
    pub async fn change_members(
        &self,
        group: &ChatId,
        change: MemberChange,
        people: &[Recipient],
        invite: bool,
    ) -> Result<Vec<MemberResult>, Error> {
        a_group(group)?;
        let people = named(people);
        if people.is_empty() {
            return Err(InvalidGroup::Nobody.into());
        }
        check_people(&people)?;
        let connection = self.connection().await?;
        let changed = connection.change_members(group, change, &people, invite);
        Ok(changed.await?)
    }

    /// Changes one thing of a group. Returns when WhatsApp's server has it.
    ///
    /// # Errors
    /// As above.
    pub async fn edit_group(&self, group: &ChatId, edit: &GroupEdit) -> Result<(), Error> {
        a_group(group)?;
        edit.check()?;
        Ok(self.connection().await?.edit_group(group, edit).await?)
    }

    /// The code of the group's invite link.
    ///
    /// # Errors
    /// As above.
    pub async fn group_invite(&self, group: &ChatId) -> Result<InviteCode, Error> {
        a_group(group)?;
        Ok(self.connection().await?.group_invite(group, false).await?)
    }

    /// A new invite link for the group; the old one leads nowhere from now on.
    ///
    /// # Errors
    /// As above.
    pub async fn renew_group_invite(&self, group: &ChatId) -> Result<InviteCode, Error> {
        a_group(group)?;
        Ok(self.connection().await?.group_invite(group, true).await?)
    }

    /// What an invite leads to, without following it.
    ///
    /// # Errors
    /// [`DriverError::InviteUnknown`](crate::driver::DriverError::InviteUnknown), else as above.
    pub async fn invite_info(&self, invite: &InviteCode) -> Result<InviteInfo, Error> {
        Ok(self.connection().await?.invite_info(invite).await?)
    }

    /// Follows an invite into its group. Being in it already is no error.
    ///
    /// # Errors
    /// As [`invite_info`](Self::invite_info).
    pub async fn join_group(&self, invite: &InviteCode) -> Result<Joined, Error> {
        Ok(self.connection().await?.join_group(invite).await?)
    }

    /// Who asks to be let into the group.
    ///
    /// # Errors
    /// As above.
    pub async fn join_requests(&self, group: &ChatId) -> Result<Vec<JoinRequest>, Error> {
        a_group(group)?;
        Ok(self.connection().await?.join_requests(group).await?)
    }

    /// Lets people in who asked for it, or turns them away; everybody who asks, where nobody is named.
    ///
    /// # Errors
    /// As above.
    pub async fn answer_join_requests(
        &self,
        group: &ChatId,
        approve: bool,
        people: &[Recipient],
    ) -> Result<Vec<MemberResult>, Error> {
        a_group(group)?;
        let mut people = named(people);
        check_people(&people)?;
        let connection = self.connection().await?;
        if people.is_empty() {
            let requests = connection.join_requests(group).await?;
            people.extend(requests.into_iter().map(|request| request.person.id));
        }
        let answered = connection.answer_join_requests(group, approve, &people);
        Ok(answered.await?)
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// As above.
    pub async fn leave_group(&self, group: &ChatId) -> Result<(), Error> {
        a_group(group)?;
        Ok(self.connection().await?.leave_group(group).await?)
    }
}

fn a_group(group: &ChatId) -> Result<(), InvalidGroup> {
    if group.is_group() {
        Ok(())
    } else {
        Err(InvalidGroup::NotAGroup)
    }
}

/// Everybody once, by the name they were given.
fn named(people: &[Recipient]) -> Vec<ChatId> {
    let mut ids: Vec<ChatId> = Vec::with_capacity(people.len());
    for one in people {
        let id = match one {
            Recipient::Phone(phone) => ChatId::from(phone),
            Recipient::Chat(chat) => chat.clone(),
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}
