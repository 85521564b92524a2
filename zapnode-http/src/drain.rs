//! Bodies that nobody read.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// How much of a body is read away for its sender's sake.
const AT_MOST: usize = 8 * 1024 * 1024;
/// And for how long.
const WITHIN: Duration = Duration::from_secs(5);

/// A request's body whose rest is read away, within bounds, when it is dropped.
///
/// A request may be refused before its body was read. If the connection were closed on what is
/// still coming, the system would reset it, and a caller that is busy writing would never see our
/// answer.
pub(crate) struct Drained(Option<Incoming>);

impl Drained {
    pub(crate) fn new(body: Incoming) -> Self {
        Self(Some(body))
    }
}

impl Body for Drained {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let Some(body) = self.0.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if body.is_end_stream() {
            return;
        }
        runtime.spawn(async move {
            let mut rest = Limited::new(body, AT_MOST);
            let read_away = async { while let Some(Ok(_)) = rest.frame().await {} };
            // Whoever is slower than that has to live with a reset.
            let _ = tokio::time::timeout(WITHIN, read_away).await;
        });
    }
}
