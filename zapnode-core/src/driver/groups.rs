//! What a driver does with groups.

use async_trait::async_trait;

use super::DriverError;
use crate::group::{
    CreatedGroup, Group, GroupEdit, GroupSummary, InviteCode, InviteInfo, JoinRequest, Joined,
    MemberChange, MemberResult, NewGroup,
};
use crate::id::ChatId;

/// The part of a [`Connection`](super::Connection) that is about groups. What it changes is also
/// told, as [`DriverEvent::Group`](super::DriverEvent::Group).
///
/// Wherever a group is named: [`DriverError::GroupUnknown`] if this account has no such group,
/// [`DriverError::NotAllowed`] for what only its admins may do, else errors by situation. Lists of
/// people are answered in their order.
#[async_trait]
pub trait GroupConnection: Send + Sync {
    /// The groups this account is in, as far as is known without asking WhatsApp.
    ///
    /// # Errors
    /// By situation.
    async fn groups(&self) -> Result<Vec<GroupSummary>, DriverError>;

    /// One group, as WhatsApp's server knows it now.
    ///
    /// # Errors
    /// See the [trait](Self).
    async fn group(&self, group: &ChatId) -> Result<Group, DriverError>;

    /// Founds a group. Who cannot be added to it is told in the answer, and does not keep the
    /// group from coming to be.
    ///
    /// # Errors
    /// By situation. After [`DriverError::outcome_unknown`] the group may exist.
    async fn create_group(&self, new: &NewGroup) -> Result<CreatedGroup, DriverError>;

    /// Adds, removes, promotes or demotes people. `invite`: who can only be invited is sent a card.
    ///
    /// # Errors
    /// See the [trait](Self).
    async fn change_members(
        &self,
        group: &ChatId,
        change: MemberChange,
        people: &[ChatId],
        invite: bool,
    ) -> Result<Vec<MemberResult>, DriverError>;

    /// Changes one thing of a group. Returns when WhatsApp's server has it.
    ///
    /// # Errors
    /// See the [trait](Self).
    async fn edit_group(&self, group: &ChatId, edit: &GroupEdit) -> Result<(), DriverError>;

    /// The code of the group's invite link; `anew`: a new one, and the old one is worthless.
    ///
    /// # Errors
    /// See the [trait](Self).
    async fn group_invite(&self, group: &ChatId, anew: bool) -> Result<InviteCode, DriverError>;

    /// What an invite leads to.
    ///
    /// # Errors
    /// [`DriverError::InviteUnknown`] if it is good for nothing, else by situation.
    async fn invite_info(&self, invite: &InviteCode) -> Result<InviteInfo, DriverError>;

    /// Follows an invite into its group.
    ///
    /// # Errors
    /// As [`invite_info`](Self::invite_info).
    async fn join_group(&self, invite: &InviteCode) -> Result<Joined, DriverError>;

    /// Who asks to be let in.
    ///
    /// # Errors
    /// See the [trait](Self).
    async fn join_requests(&self, group: &ChatId) -> Result<Vec<JoinRequest>, DriverError>;

    /// Lets people in who asked for it, or turns them away.
    ///
    /// # Errors
    /// See the [trait](Self).
    async fn answer_join_requests(
        &self,
        group: &ChatId,
        approve: bool,
        people: &[ChatId],
    ) -> Result<Vec<MemberResult>, DriverError>;

    /// Leaves a group.
    ///
    /// # Errors
    /// See the [trait](Self).
    async fn leave_group(&self, group: &ChatId) -> Result<(), DriverError>;
}
