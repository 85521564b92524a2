//! The API on a socket, under limits.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::app::App;
use crate::drain::Drained;
use crate::patience::Patient;

/// The limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServerOptions {
    /// How long the head of a request may take, from the moment the line is free for it.
    pub head_within: Duration,
    /// How long requests under way may take to finish once the server is to stop.
    pub drain_within: Duration,
    /// How many connections are served at one time. More wait in the system's queue.
    pub max_connections: usize,
    /// The largest head of a request, in bytes.
    pub max_head: usize,
    /// How long a caller may take nothing of what is sent to it.
    pub taken_within: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            head_within: Duration::from_secs(30),
            drain_within: Duration::from_secs(15),
            max_connections: 1024,
            max_head: 32 * 1024,
            taken_within: Duration::from_secs(60),
        }
    }
}

/// Serves the API on a listener.
#[derive(Debug)]
pub struct Server {
    app: App,
    options: ServerOptions,
}

impl Server {
    /// A server for this API.
    pub fn new(app: App, options: ServerOptions) -> Self {
        Self { app, options }
    }

    /// Serves until `shutdown` resolves, then closes the listener, lets what is under way finish
    /// (bounded), and returns.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let router = self.app.router();
        let service = TowerToHyperService::new(tower::service_fn(
            move |request: hyper::Request<hyper::body::Incoming>| {
                router.clone().oneshot(request.map(Drained::new))
            },
        ));
        let places = Arc::new(Semaphore::new(self.options.max_connections));
        let connections = TaskTracker::new();
        let stopping = CancellationToken::new();
        let cut = CancellationToken::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.options.head_within)
            .max_header_size(self.options.max_head)
            // At least the head must fit; what is larger only holds memory.
            .max_buf_size(self.options.max_head.max(64 * 1024));

        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &places) => accepted,
                () = &mut shutdown => break,
            };
            let Some((stream, place)) = accepted else {
                continue;
            };
            let stream = TokioIo::new(Patient::new(stream, self.options.taken_within));
            let connection = http
                .serve_connection(stream, service.clone())
                .with_upgrades();
            let (stopping, cut) = (stopping.clone(), cut.clone());
            connections.spawn(async move {
                let mut connection = std::pin::pin!(connection);
                let outcome = tokio::select! {
                    outcome = connection.as_mut() => outcome,
                    () = stopping.cancelled() => {
                        // What it is at is finished, and nothing more is taken.
                        connection.as_mut().graceful_shutdown();
                        tokio::select! {
                            outcome = connection => outcome,
                            () = cut.cancelled() => Ok(()),
                        }
                    }
                };
                // Errors here are those of callers that hung up or spoke no HTTP.
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a connection ended early");
                }
                drop(place);
            });
        }

        drop(listener);
        self.app.begin_shutdown();
        let until = Instant::now() + self.options.drain_within;
        stopping.cancel();
        connections.close();
        if tokio::time::timeout_at(until, connections.wait())
            .await
            .is_err()
        {
            tracing::warn!("requests were still under way and were cut off");
        }
        cut.cancel();
        // What a caller hung up on may still be changing something.
        let tasks = self.app.tasks();
        tasks.close();
        if tokio::time::timeout_at(until, tasks.wait()).await.is_err() {
            tracing::warn!("work of a request was still under way");
        }
    }
}

type Accepted = (tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit);

/// Waits for a free place, then for a connection to take it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<Accepted> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are small and wanted at once. Without it they only come later.
            let _ = stream.set_nodelay(true);
            Some((stream, place))
        }
        Err(error) => {
            // As when the process has no file handles left: it passes, and a loop would burn.
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
