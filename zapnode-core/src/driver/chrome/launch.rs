//! The browser's process: started by headless_chrome, owned by one thread, ended for good.
//!
//! What was measured (`headless-chrome.md` §1, §3) and follows from it here:
//! - Dropping a `Browser` kills Chrome at once, which lost cookies in 5 of 6 runs. So whoever
//!   closes a session asks Chrome first (`Browser.close` over the page channel); the drop comes
//!   when the process is gone, or was killed because it would not go.
//! - A drop, and a start, block for 0.1 to 30 s. One plain thread per browser does both, so
//!   neither ever happens on a worker of the runtime.
//! - `idle_browser_timeout` is the timeout of every call of the crate and of its event loop; only
//!   `Duration::MAX` keeps the tab handle usable. So a call may block for ever while Chrome hangs,
//!   and killing Chrome is what ends it.
//! - The crate never tells why Chrome did not start and waits 30 s for one that ended at once. The
//!   wrapper (lease.rs) tells pid and last words.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use headless_chrome::browser::tab::Tab;
use headless_chrome::{Browser, LaunchOptions};
use tokio::sync::{oneshot, watch};

use super::lease::{Lease, LeaseEnd, Wrapper};
use super::process::{self, Processes};
use crate::driver::DriverError;

/// How long a browser that was asked to end may take before it is killed.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// How long one whose lease ran out may take; half a second is usual.
const LEASE_PATIENCE: Duration = Duration::from_secs(5);

/// How long after the start the first tab may take.
const FIRST_TAB: Duration = Duration::from_secs(5);

/// How often a start is looked at.
const POLL: Duration = Duration::from_millis(50);

/// What to start.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The real binary.
    pub(crate) executable: PathBuf,
    /// The profile folder: made, and claimed.
    pub(crate) profile: PathBuf,
    /// All arguments besides port, profile and owner.
    pub(crate) arguments: Vec<String>,
    /// Where the wrapper lies.
    pub(crate) work_dir: PathBuf,
    /// The session's name, for the wrapper's files.
    pub(crate) name: String,
    /// How long it may take.
    pub(crate) deadline: Duration,
}

/// A running browser. Dropping it ends the browser in the background.
#[derive(Debug)]
pub(crate) struct BrowserProcess {
    /// Its pid.
    pub(crate) pid: u32,
    /// Its DevTools address.
    pub(crate) address: String,
    /// Its first and only page.
    pub(crate) tab: PageHandle,
    /// Sent to when the browser was asked to end, or just dropped.
    release: Mutex<Option<mpsc::Sender<()>>>,
    ended: watch::Receiver<Option<bool>>,
}

/// headless_chrome's handle of the page.
#[derive(Clone)]
pub(crate) struct PageHandle(pub(crate) Arc<Tab>);

impl std::fmt::Debug for PageHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tab({})", self.0.get_target_id())
    }
}

/// What the owner thread tells once the browser is up.
struct Started {
    pid: u32,
    address: String,
    tab: Arc<Tab>,
}

impl BrowserProcess {
    /// Starts a browser and waits until its first tab is there. On an error, or when the future is
    /// dropped, nothing is left running.
    pub(crate) async fn launch(launch: Launch) -> Result<Self, DriverError> {
        let failed = |reason: String| DriverError::LaunchFailed { reason };
        let deadline = launch.deadline;
        let (work_dir, name) = (launch.work_dir.clone(), launch.name.clone());
        let wrapper = blocking(move || Wrapper::prepare(&work_dir, &name)).await??;
        let (lease, lease_end) = Lease::new().map_err(|error| failed(error.to_string()))?;
        let environment = wrapper.environment(&launch.executable, &lease_end);
        let script = wrapper.script().to_owned();
        let profile = launch.profile.clone();
        let owner = process::owner_argument();
        let argument = owner.clone();
        let mut arguments = launch.arguments;
        arguments.insert(0, owner.clone());

        let (started, mut starting) = oneshot::channel();
        let (release, released) = mpsc::channel();
        let (ended_in, ended) = watch::channel(None);
        std::thread::Builder::new()
            .name(format!("chrome {}", launch.name))
            .spawn(move || {
                let owner = Owner {
                    profile: launch.profile,
                    argument,
                    lease,
                };
                let all_gone = owner.run(
                    |profile| {
                        let browser = start(&script, environment, profile, &arguments);
                        drop::<LeaseEnd>(lease_end);
                        browser
                    },
                    started,
                    &released,
                );
                ended_in.send(Some(all_gone)).ok();
            })
            .map_err(|error| failed(error.to_string()))?;
        // From here on the thread ends what it started as soon as this is dropped.
        let release = Mutex::new(Some(release));
        let remains = Remains {
            wrapper,
            profile,
            owner,
        };
        let mut undo = UndoOnDrop(Some(remains));

        let give_up_at = Instant::now() + deadline;
        let outcome = loop {
            match tokio::time::timeout(POLL, &mut starting).await {
                Ok(Ok(outcome)) => break outcome.map_err(failed),
                Ok(Err(_)) => break Err(failed("headless_chrome gave up".to_owned())),
                Err(_) if Instant::now() >= give_up_at => {
                    break Err(DriverError::LaunchTimeout { after: deadline });
                }
                Err(_) => {}
            }
            let Some(remains) = &undo.0 else {
                break Err(DriverError::Closed);
            };
            if remains
                .wrapper
                .pid()
                .is_some_and(|pid| !process::is_alive(pid))
            {
                // What it said may still be on its way through the wrapper's reader.
                tokio::time::sleep(POLL).await;
                break Err(failed("it ended at once".to_owned()));
            }
        };
        let remains = undo.0.take();
        match (outcome, remains) {
            (Ok(Started { pid, address, tab }), _) => Ok(Self {
                pid,
                address,
                tab: PageHandle(tab),
                release,
                ended,
            }),
            (Err(mut error), Some(remains)) => {
                if let DriverError::LaunchFailed { reason } = &mut error
                    && let Some(said) = remains.wrapper.last_words()
                {
                    *reason = said;
                }
                blocking(move || remains.end()).await?;
                Err(error)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Has the browser ended, at the latest after some seconds. If `Browser.close` was sent, it
    /// says so with `asked`: the browser is then left to it, and the lease stays until it is over,
    /// so that two ways of ending do not run at once.
    pub(crate) fn release(&self, asked: bool) {
        let release = &mut *self.release.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(release) = release.take().filter(|_| asked) {
            // An error means that the thread is at its end already.
            release.send(()).ok();
        }
    }

    /// Returns once the browser has ended and its pid is reaped; says whether nothing of it runs
    /// any more.
    pub(crate) async fn ended(&self) -> bool {
        let mut ended = self.ended.clone();
        // An error means that the owner thread is gone without a word; so is its browser then,
        // for the lease went with the thread.
        ended
            .wait_for(Option::is_some)
            .await
            .is_ok_and(|ended| *ended == Some(true))
    }
}

/// What a start that was given up may have left. Its owner thread notices and reaps it.
struct Remains {
    wrapper: Wrapper,
    profile: PathBuf,
    owner: String,
}

impl Remains {
    /// Kills it. Blocks.
    fn end(self) {
        if let Some(pid) = self.wrapper.pid().filter(|&pid| process::is_alive(pid)) {
            process::end_tree(pid, Duration::ZERO);
        }
        end_rest(&self.profile, &self.owner);
    }
}

/// Does that in the background when the start's future is dropped.
struct UndoOnDrop(Option<Remains>);

impl Drop for UndoOnDrop {
    fn drop(&mut self) {
        if let Some(remains) = self.0.take() {
            std::thread::spawn(move || remains.end());
        }
    }
}

/// What the thread that owns the browser holds.
struct Owner {
    profile: PathBuf,
    argument: String,
    lease: Lease,
}

impl Owner {
    /// Starts the browser, tells, waits until it is released, ends it. Says whether nothing of it
    /// runs any more.
    fn run(
        self,
        start: impl FnOnce(&Path) -> Result<Browser, String>,
        started: oneshot::Sender<Result<Started, String>>,
        released: &mpsc::Receiver<()>,
    ) -> bool {
        let browser = match start(&self.profile) {
            Ok(browser) => browser,
            Err(reason) => {
                started.send(Err(reason)).ok();
                return end_rest(&self.profile, &self.argument);
            }
        };
        let pid = browser.get_process_id().unwrap_or(0);
        let outcome = first_tab(&browser)
            .map(|tab| Started {
                pid,
                address: browser.get_ws_url(),
                tab,
            })
            .ok_or_else(|| "it opened no page".to_owned());
        let asked = started.send(outcome).is_ok() && {
            // Ends when somebody releases the browser, or drops it without a word.
            released.recv().is_ok()
        };
        let ended = asked && process::wait_gone(pid, END_PATIENCE);
        // Has the browser end in order, should it not have.
        drop(self.lease);
        if !ended && !process::wait_gone(pid, LEASE_PATIENCE) {
            tracing::warn!(pid, "the browser did not end; killing it");
            process::end_tree(pid, Duration::ZERO);
        }
        // The process is gone, so this does not block; it reaps the process.
        drop(browser);
        end_rest(&self.profile, &self.argument)
    }
}

/// Ends whatever of this launch still has the profile open; says whether all is gone.
fn end_rest(profile: &Path, owner: &str) -> bool {
    let processes = Processes::now();
    processes
        .with_profile(profile)
        .into_iter()
        .filter(|&pid| processes.has_argument(pid, owner))
        .all(|pid| process::end_tree(pid, Duration::ZERO))
}

fn start(
    script: &Path,
    environment: std::collections::HashMap<String, String>,
    profile: &Path,
    arguments: &[String],
) -> Result<Browser, String> {
    let options = LaunchOptions {
        // All that the crate would add for these is in our own list, so that the order is ours.
        headless: false,
        sandbox: true,
        enable_gpu: true,
        window_size: None,
        disable_default_args: true,
        // The default is true, which would let anybody in between read the session.
        ignore_certificate_errors: false,
        // The system chooses; the crate's own scan of 8000 to 9000 may take somebody else's.
        port: Some(0),
        path: Some(script.to_owned()),
        user_data_dir: Some(profile.to_owned()),
        args: arguments.iter().map(OsStr::new).collect(),
        idle_browser_timeout: Duration::MAX,
        process_envs: Some(environment),
        ..LaunchOptions::default()
    };
    Browser::new(options).map_err(|error| error.to_string())
}

/// The page that `about:blank` opened. A new tab would cost a process more, and a thread for good.
fn first_tab(browser: &Browser) -> Option<Arc<Tab>> {
    let until = Instant::now() + FIRST_TAB;
    while Instant::now() < until {
        let tabs = browser.get_tabs();
        let first = tabs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .first()
            .cloned();
        if first.is_some() {
            return first;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    None
}

/// Runs what blocks away from the runtime's workers.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DriverError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| DriverError::Closed)
}

#[cfg(test)]
mod tests {
    use headless_chrome::protocol::cdp::{Runtime, Target};

    use super::super::channel::Channel;
    use super::super::{ChromeOptions, find, flags, profile};
    use super::*;

    fn evaluate() -> Runtime::Evaluate {
        serde_json::from_value(serde_json::json!({ "expression": "1+1", "returnByValue": true }))
            .expect("an evaluate")
    }

    /// The figure that the channel exists for. The bound only says that it is of another kind than
    /// the 104 ms of headless_chrome's own transport; machines and their load differ.
    #[tokio::test(flavor = "multi_thread")]
    async fn round_trip() {
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
        let folder = tempfile::tempdir().expect("a folder");
        let options = ChromeOptions::new(folder.path().join("work"));
        let profile = folder.path().join("session-a");
        profile::make(&profile).expect("made");
        let launch = Launch {
            executable: find::executable(&options, &Default::default()).expect("a browser"),
            profile,
            arguments: flags::arguments(&options, true, None),
            work_dir: options.work_dir.clone(),
            name: "a".to_owned(),
            deadline: options.launch_timeout,
        };
        let browser = BrowserProcess::launch(launch).await.expect("a browser");
        let (channel, _events) = Channel::connect(&browser.address).await.expect("a channel");
        let attach = Target::AttachToTarget {
            target_id: browser.tab.0.get_target_id().clone(),
            flatten: Some(true),
        };
        let deadline = Duration::from_secs(10);
        let attached = channel
            .call(None, attach, deadline)
            .await
            .expect("attached");
        let mut times = Vec::new();
        for _ in 0..1000 {
            let began = Instant::now();
            let answer = channel
                .call(Some(&attached.session_id), evaluate(), deadline)
                .await;
            let value = answer.expect("an answer").result.value;
            assert_eq!(value, Some(2.into()));
            times.push(began.elapsed());
        }
        times.sort();
        let (median, late) = (times[500], times[990]);
        tracing::info!(?median, p99 = ?late, "1+1 over the page channel");
        assert!(median < Duration::from_millis(20), "{median:?}");
        browser.release(false);
        assert!(browser.ended().await, "nothing is left");
    }
}
