//! A manager on the scripted driver, and what its tests say about sessions.

// Each test file uses its part of it.
#![allow(dead_code)]

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::sync::broadcast;
use zapnode_core::driver::scripted::ScriptedDriver;
use zapnode_core::event::{Event, EventStream, Signal, SignalKind};
use zapnode_core::outbox::{Message, MessageState};
use zapnode_core::session::{Prompt, ReasonCode};
use zapnode_core::{
    ManagerOptions, PhoneNumber, SessionHandle, SessionId, SessionInfo, SessionManager,
    SessionOptions, SessionState,
};

pub(crate) struct Scene {
    pub(crate) driver: ScriptedDriver,
    pub(crate) options: ManagerOptions,
    _folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self {
            driver: ScriptedDriver::new(),
            options: ManagerOptions::in_folder(folder.path()),
            _folder: folder,
        }
    }

    pub(crate) async fn manager(&self) -> SessionManager {
        SessionManager::open(Arc::new(self.driver.clone()), self.options.clone())
            .await
            .expect("opens")
    }

    pub(crate) fn profile(&self, session: &SessionId) -> PathBuf {
        let auth_dir = self.options.auth_dir.canonicalize().expect("made");
        auth_dir.join(session.profile_folder())
    }

    pub(crate) async fn ready(&self, manager: &SessionManager, name: &str) -> SessionHandle {
        let session = create(manager, name).await;
        until(&session, |i| qr(i).is_some()).await;
        self.driver.scan(session.id(), &ana()).await;
        until(&session, SessionInfo::is_ready).await;
        session
    }
}

pub(crate) fn id(name: &str) -> SessionId {
    SessionId::new(name).expect("an id")
}

pub(crate) fn ana() -> PhoneNumber {
    PhoneNumber::new("244929782402").expect("a number")
}

pub(crate) fn bruno() -> PhoneNumber {
    PhoneNumber::new("5511912345678").expect("a number")
}

pub(crate) async fn create(manager: &SessionManager, name: &str) -> SessionHandle {
    manager
        .create(id(name), SessionOptions::default())
        .await
        .expect("created")
        .session
}

/// Waits without a deadline of its own: with paused time that would be the first to pass.
pub(crate) async fn until(
    session: &SessionHandle,
    so: impl FnMut(&SessionInfo) -> bool,
) -> SessionInfo {
    let mut info = session.watch();
    info.wait_for(so).await.expect("the session lives").clone()
}

pub(crate) fn qr(info: &SessionInfo) -> Option<(String, u64)> {
    match &info.state {
        SessionState::AwaitingLogin {
            prompt: Some(Prompt::Qr { text, serial, .. }),
        } => Some((text.clone(), *serial)),
        _ => None,
    }
}

pub(crate) fn code(info: &SessionInfo) -> Option<ReasonCode> {
    info.reason.as_ref().map(|r| r.code)
}

pub(crate) async fn next(
    events: &mut broadcast::Receiver<Signal>,
    so: impl Fn(&Signal) -> bool,
) -> Signal {
    loop {
        let event = events.recv().await.expect("events go on");
        if so(&event) {
            return event;
        }
    }
}

/// Waits for an event of the log.
pub(crate) async fn told(events: &mut EventStream, so: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = events.next().await.expect("events go on").expect("read");
        if so(&event) {
            return event;
        }
    }
}

/// Waits until the store says that a message is at `state`.
pub(crate) async fn stored(
    manager: &SessionManager,
    message: &Message,
    state: MessageState,
) -> Message {
    let mut events = manager.signals();
    loop {
        let now = manager.message(message.id).await.expect("stored");
        if now.state == state {
            return now;
        }
        next(
            &mut events,
            |e| matches!(&e.kind, SignalKind::Outbox(m) if m.id == message.id),
        )
        .await;
    }
}

/// The manager anew, as after a restart, with session `a` ready.
pub(crate) async fn back(scene: &Scene) -> (SessionManager, SessionHandle) {
    let manager = scene.manager().await;
    manager.restore().await;
    let session = manager.get(&id("a")).expect("there");
    until(&session, SessionInfo::is_ready).await;
    (manager, session)
}
