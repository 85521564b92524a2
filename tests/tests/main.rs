//! End to end: real daemon, real command, real Chromium, simulated WhatsApp.
//!
//! One binary, so that it is linked once. Each file is a chapter; each test brings its own scene
//! and can run beside the others.

mod agents;
mod api;
mod bulk;
mod container;
mod contract;
mod healing;
mod kill_points;
mod logout;
mod many;
mod once;
mod reference;
mod restart;
mod shell;
mod storage;
mod torture;
