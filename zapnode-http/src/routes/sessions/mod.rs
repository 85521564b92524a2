//! Sessions: one file for each kind of thing that is asked of them.

pub(super) mod change;
pub(super) mod control;
pub(super) mod create;
pub(super) mod diagnose;
mod ignore;
pub(super) mod login;
pub(super) mod read;
mod route;
