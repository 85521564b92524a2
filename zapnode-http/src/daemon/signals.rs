//! SIGTERM and SIGINT: the first asks, the second does not.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell calls "ended by SIGINT".
const AT_ONCE: i32 = 130;

/// Listens from now on. The future resolves at the first signal; the second one ends the process
/// at once, and every browser with it, because they live by a pipe of this process.
pub(super) fn first() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("a signal asks for the end; a second one ends at once");
        tokio::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            std::process::exit(AT_ONCE);
        });
    })
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
