//! Sessions: one file for each kind of thing that is asked of them.

pub(super) mod change;
pub(super) mod control;
pub(super) mod create;
pub(super) mod diagnose;
pub(super) mod login;
pub(super) mod read;
