//! The world behind a lock, with word of its changes and its state file.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::faults::{Faults, Hold, Servers};
use super::media::MediaServers;
use super::state_file::{Ports, StateFile};
use super::world::World;

/// How long changes are gathered before they are written.
const GATHER: Duration = Duration::from_millis(50);

/// What servers, phones and pages share.
#[derive(Debug)]
pub(super) struct Hub {
    world: Mutex<World>,
    revision: watch::Sender<u64>,
    file: Option<StateFile>,
    ports: Ports,
    /// One write at a time, and never an older state over a newer one.
    writing: tokio::sync::Mutex<()>,
    pub(super) media: MediaServers,
    pub(super) closing: CancellationToken,
}

impl Hub {
    pub(super) fn new(world: World, file: Option<StateFile>, ports: Ports) -> Self {
        Self {
            world: Mutex::new(world),
            revision: watch::Sender::new(1),
            media: MediaServers::new(file.as_ref().map(StateFile::media_folder)),
            file,
            ports,
            writing: tokio::sync::Mutex::new(()),
            closing: CancellationToken::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A panic under the lock leaves a world that is still worth more than none.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the world.
    pub(super) fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.lock())
    }

    /// Changes the world, and tells whoever waits for changes.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.lock());
        self.revision.send_modify(|revision| *revision += 1);
        result
    }

    /// Word of changes.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.change(|world| world.set_faults(faults));
    }

    /// Waits until nothing is held up `here` any more.
    pub(super) async fn released(&self, here: Hold) {
        self.until(|world| world.faults.hold != here).await;
    }

    /// Waits until the servers answer. Says whether they take connections.
    pub(super) async fn answering(&self) -> bool {
        self.until(|world| world.faults.servers != Servers::Silent)
            .await;
        self.look(|world| world.faults.servers == Servers::Up)
    }

    /// Waits until `so` holds of the world, or the sandbox closes.
    pub(super) async fn until(&self, so: impl Fn(&World) -> bool) {
        let mut changes = self.changes();
        loop {
            changes.mark_unchanged();
            if self.look(&so) {
                return;
            }
            tokio::select! {
                () = self.closing.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Writes the state file, if there is one, and returns when it is on disk.
    pub(super) async fn save(&self) {
        let Some(file) = &self.file else { return };
        let _one = self.writing.lock().await;
        let text = StateFile::text(&self.lock().kept(), self.ports);
        if let Err(error) = file.write(text).await {
            tracing::warn!(%error, "the sandbox's state file was not written");
        }
    }

    /// The same without waiting for others, for the moment of being dropped.
    pub(super) fn save_now(&self) {
        if let Some(file) = &self.file {
            let text = StateFile::text(&self.lock().kept(), self.ports);
            if let Err(error) = file.write_now(&text) {
                tracing::warn!(%error, "the sandbox's state file was not written");
            }
        }
    }

    /// Writes the state file after changes, until the sandbox closes.
    pub(super) async fn keep_saving(&self) {
        if self.file.is_none() {
            return;
        }
        let mut changes = self.changes();
        let mut rest = GATHER;
        loop {
            tokio::select! {
                () = self.closing.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            tokio::time::sleep(rest).await;
            changes.mark_unchanged();
            let began = Instant::now();
            self.save().await;
            // The file grows with the messages; writing it takes a tenth of the time at most.
            rest = GATHER.max(began.elapsed() * 9);
        }
    }
}
