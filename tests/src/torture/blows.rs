//! How each fault is done, and how it ends where it lasts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;
use zapnode_core::sandbox::{AckOrder, Faults, SendResult, SendReturns, Servers};

use super::plan::Blow;
use super::stage::{Stage, find};
use super::{Kind, SESSIONS};
use crate::chrome;

/// How long a page is off line after it was told that its sends fail: by reconnecting it sends what
/// it has.
const RECONNECTS_AFTER: Duration = Duration::from_millis(300);

impl Stage {
    /// Does it, and begins to measure how long whoever is hit needs.
    pub(super) async fn strike(&mut self, blow: &Blow) -> Result<()> {
        self.end_of_the_same(blow).await?;
        match blow.kind {
            Kind::Daemon => self.kill_daemon().await,
            Kind::Chrome => self.kill_chrome(blow.session).await,
            Kind::Tab => self.crash_tab(blow.session).await,
            Kind::Reload => self.reload_page(blow.session).await,
            Kind::Cut => self.cut(blow).await,
            Kind::Silence => self.silence(blow).await,
            Kind::Switches => self.misbehave(blow),
            Kind::Freeze => self.freeze(blow).await,
            Kind::Disk => self.fill_disk(blow),
            Kind::Clock => self.jump(blow),
        }
    }

    async fn kill_daemon(&mut self) -> Result<()> {
        let before = self.before(0).await;
        self.daemon.kill().await?;
        self.keep_log("killed")?;
        // At once, beside the Chromes that are still on their way out.
        self.start_daemon().await?;
        for session in 0..SESSIONS {
            self.watch(Kind::Daemon, session, before.clone());
        }
        Ok(())
    }

    async fn kill_chrome(&mut self, session: usize) -> Result<()> {
        let profile = self.profile(session);
        let running = async || chrome::browser_of(&profile);
        let pid = find("Chrome to kill", running).await?;
        let before = self.before(session).await;
        chrome::signal(pid, Signal::KILL)?;
        self.watch(Kind::Chrome, session, before);
        Ok(())
    }

    async fn crash_tab(&mut self, session: usize) -> Result<()> {
        let profile = self.profile(session);
        let running = async || Some(chrome::renderers_of(&profile)).filter(|all| !all.is_empty());
        let pids = find("tab to crash", running).await?;
        let before = self.before(session).await;
        for pid in pids {
            chrome::signal(pid, Signal::KILL)?;
        }
        self.watch(Kind::Tab, session, before);
        Ok(())
    }

    async fn reload_page(&mut self, session: usize) -> Result<()> {
        let before = self.before(session).await;
        let phone = self.phone(session)?;
        let told = async || (phone.reload_pages().await > 0).then_some(());
        find("page to reload", told).await?;
        self.watch(Kind::Reload, session, before);
        Ok(())
    }

    async fn cut(&mut self, blow: &Blow) -> Result<()> {
        self.watch_all(blow.kind).await;
        self.sandbox.turn(|faults| faults.servers = Servers::Cut);
        self.servers_are_back_after(blow, blow.lasts);
        Ok(())
    }

    async fn silence(&mut self, blow: &Blow) -> Result<()> {
        self.watch_all(blow.kind).await;
        if blow.dice.is_multiple_of(2) {
            // Into a server that does not answer.
            self.phone(blow.session)?.reload_pages().await;
        }
        self.sandbox.turn(|faults| faults.servers = Servers::Silent);
        self.servers_are_back_after(blow, blow.lasts);
        Ok(())
    }

    async fn watch_all(&mut self, kind: Kind) {
        for session in 0..SESSIONS {
            let before = self.before(session).await;
            self.watch(kind, session, before);
        }
    }

    fn servers_are_back_after(&mut self, blow: &Blow, pause: Duration) {
        let sandbox = Arc::clone(&self.sandbox);
        self.lasts(blow, async move {
            tokio::time::sleep(pause).await;
            sandbox.turn(|faults| faults.servers = Servers::Up);
            Ok(())
        });
    }

    fn misbehave(&mut self, blow: &Blow) -> Result<()> {
        let mut dice = fastrand::Rng::with_seed(blow.dice);
        let results = [
            SendResult::Ok,
            SendResult::Late,
            SendResult::Never,
            SendResult::ErrorNetwork,
            SendResult::Lost,
        ];
        let result = results[dice.usize(..results.len())];
        let returns = [SendReturns::Pair, SendReturns::Promise][dice.usize(..2)];
        let acks = [AckOrder::Normal, AckOrder::Shuffled, AckOrder::Repeated][dice.usize(..3)];
        self.say(format_args!("    {result:?}, {returns:?}, {acks:?}"));
        self.sandbox.turn(|faults| {
            faults.send_result = result;
            faults.send_returns = returns;
            faults.acks = acks;
        });
        let (sandbox, lasts) = (Arc::clone(&self.sandbox), blow.lasts);
        self.lasts(blow, async move {
            tokio::time::sleep(lasts).await;
            let unsent = matches!(result, SendResult::ErrorNetwork | SendResult::Lost);
            sandbox.turn(|faults| {
                let usual = Faults::default();
                faults.send_result = usual.send_result;
                faults.send_returns = usual.send_returns;
                faults.acks = usual.acks;
                if unsent {
                    // Sends fail because the connection is going; the page says so, then it is gone.
                    faults.servers = Servers::Cut;
                }
            });
            if unsent {
                tokio::time::sleep(RECONNECTS_AFTER).await;
                sandbox.turn(|faults| faults.servers = Servers::Up);
            }
            Ok(())
        });
        Ok(())
    }

    async fn freeze(&mut self, blow: &Blow) -> Result<()> {
        let profile = self.profile(blow.session);
        let running = async || chrome::browser_of(&profile);
        find("Chrome to stop", running).await?;
        let before = self.before(blow.session).await;
        let pids = chrome::running_under(&profile);
        for pid in &pids {
            chrome::signal(*pid, Signal::STOP)?;
        }
        let lasts = blow.lasts;
        self.lasts(blow, async move {
            tokio::time::sleep(lasts).await;
            // Those that were replaced meanwhile are gone.
            for pid in pids {
                chrome::signal(pid, Signal::CONT)?;
            }
            Ok(())
        });
        self.watch(Kind::Freeze, blow.session, before);
        Ok(())
    }

    fn fill_disk(&mut self, blow: &Blow) -> Result<()> {
        let disk = self.machine().disk.clone().context("a disk to fill")?;
        disk.fill()?;
        let (town, lasts) = (self.town(), blow.lasts);
        town.disk_full.send_replace(true);
        self.lasts(blow, async move {
            tokio::time::sleep(lasts).await;
            disk.free()?;
            town.disk_full.send_replace(false);
            Ok(())
        });
        Ok(())
    }

    fn jump(&mut self, blow: &Blow) -> Result<()> {
        let clock = self.machine().clock.clone().context("a clock to set")?;
        // Hours at most: an idempotency key stands for its message for a day of the daemon's own.
        let hour = 3600;
        let off = [-12 * hour, -hour, -60, 60, hour, 12 * hour];
        let off = off[usize::try_from(blow.dice % 6)?];
        self.say(format_args!("    by {off} s"));
        clock.jump(off)?;
        let lasts = blow.lasts;
        self.lasts(blow, async move {
            tokio::time::sleep(lasts).await;
            clock.jump(0)
        });
        Ok(())
    }

    fn lasts(&mut self, blow: &Blow, until: impl Future<Output = Result<()>> + Send + 'static) {
        self.lasting.insert(what(blow), tokio::spawn(until));
    }

    /// What is broken already is not broken again before it is whole.
    async fn end_of_the_same(&mut self, blow: &Blow) -> Result<()> {
        match self.lasting.remove(&what(blow)) {
            Some(end) => end.await?,
            None => Ok(()),
        }
    }
}

/// What a blow breaks: the three that act on the pages' servers are one.
fn what(blow: &Blow) -> (Kind, usize) {
    match blow.kind {
        Kind::Cut | Kind::Silence | Kind::Switches => (Kind::Cut, 0),
        Kind::Freeze => (Kind::Freeze, blow.session),
        other => (other, 0),
    }
}
