//! Loads the files of messages as they come, where the rule wants them. What came while the program
//! was not there is loaded when it is asked for.

use std::future::Future;

use tokio::sync::watch;
use ulid::Ulid;

use super::AutoDownload;
use crate::event::{EventKind, EventLog, EventName, Filter};
use crate::id::SessionId;

/// How many events are read at a time.
const PAGE: usize = 100;

/// Gives each file that the rule wants to `load`, one after the other, until there is no log any
/// more. `log` gives it while it is there.
pub(crate) async fn load_by_rule<F>(
    rule: AutoDownload,
    mut newest: watch::Receiver<i64>,
    log: impl Fn() -> Option<EventLog>,
    load: impl Fn(SessionId, Ulid) -> F,
) where
    F: Future<Output = ()>,
{
    let filter = Filter::default().names([EventName::Message]);
    let mut cursor = *newest.borrow_and_update();
    loop {
        if newest.changed().await.is_err() {
            return;
        }
        loop {
            let Some(log) = log() else {
                return;
            };
            let page = match log.read(cursor, PAGE, &filter).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "files that came are not loaded at once");
                    break;
                }
            };
            // Not held while files are loaded: that takes its time.
            drop(log);
            cursor = page.next;
            let is_last = page.is_last();
            for event in page.events {
                if let EventKind::Message(message) = event.kind
                    && let Some(media) = &message.media
                    && rule.wants(&message.kind, media.size)
                    && let Ok(id) = Ulid::from_string(&message.message)
                {
                    load(event.session, id).await;
                }
            }
            if is_last {
                break;
            }
        }
    }
}
