//! The bridge to Chatwoot against a simulated one (`src/chatwoot`, with its `CONTRACT.md`).
//!
//! Most of it is the real API on the scripted driver in this process, so that it is quick; `kills`
//! starts the real daemon. The real page has its part in the chapter `chatwoot` of the end-to-end
//! tests.

mod checks;
mod inward;
mod kills;
mod options;
mod outward;
mod stage;
mod system;
mod trouble;
