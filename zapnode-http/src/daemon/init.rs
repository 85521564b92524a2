//! The duties of process 1, as which a container starts its program.
//!
//! Process 1 becomes the parent of every process whose own parent has ended, as Chrome's helpers
//! do, and must reap them when they end. The daemon cannot: whoever reaps all children takes away
//! the exit statuses that others of the program wait for. So as process 1 this program starts
//! itself once more and only reaps, and hands on the signals.

use std::ffi::c_int;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::process::{Pid, Signal as Number, WaitOptions, WaitStatus, kill_process, wait};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long what the daemon left may take to end: its browsers close when it has ended.
const LAST_WITHIN: Duration = Duration::from_secs(5);

/// What is handed on.
const HANDED_ON: [(Number, SignalKind); 4] = [
    (Number::TERM, SignalKind::terminate()),
    (Number::INT, SignalKind::interrupt()),
    (Number::QUIT, SignalKind::quit()),
    (Number::HUP, SignalKind::hangup()),
];

/// Runs the daemon as a child, and ends as it ends.
pub(crate) fn run() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime.and_then(|runtime| runtime.block_on(serve()));
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("zapnode-http: as process 1: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> io::Result<u8> {
    // Heard before there is a child, so that nothing is missed.
    let mut children = signal(SignalKind::child())?;
    let mut asked = Vec::new();
    for (number, kind) in HANDED_ON {
        asked.push((number, signal(kind)?));
    }
    let child = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        // Of its own group: what a terminal sends to ours is handed on, and so comes once.
        .process_group(0)
        .spawn()?;
    let daemon = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let daemon = daemon.ok_or_else(|| io::Error::other("the child has no process id"))?;
    loop {
        tokio::select! {
            _ = children.recv() => if let Some(code) = reap(daemon)?.ended {
                last(&mut children, daemon).await;
                return Ok(code);
            },
            number = any(&mut asked) => {
                // It may have ended a moment ago.
                let _ = kill_process(daemon, number);
            }
        }
    }
}

/// What is known after all that ended was reaped.
struct Reaped {
    /// The daemon's exit code, if it was among it.
    ended: Option<u8>,
    /// Whether there are children left.
    left: bool,
}

fn reap(daemon: Pid) -> io::Result<Reaped> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == daemon => ended = Some(code(status)),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Reaped { ended, left: true }),
            Err(rustix::io::Errno::CHILD) => return Ok(Reaped { ended, left: false }),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// As shells tell it.
fn code(status: WaitStatus) -> u8 {
    let by_signal = |signal: c_int| 128 + signal;
    let code = status
        .exit_status()
        .or(status.terminating_signal().map(by_signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Lets what is left end in order; with process 1 the system kills the rest.
async fn last(children: &mut Signal, daemon: Pid) {
    let gone = async {
        while reap(daemon).is_ok_and(|reaped| reaped.left) {
            children.recv().await;
        }
    };
    // Whoever takes longer has been asked in vain.
    let _ = tokio::time::timeout(LAST_WITHIN, gone).await;
}

/// The next of several signals.
async fn any(signals: &mut [(Number, Signal)]) -> Number {
    std::future::poll_fn(|context| {
        for (number, signal) in signals.iter_mut() {
            if signal.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*number);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
