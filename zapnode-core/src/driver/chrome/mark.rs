//! Until when a login has heard what happens, kept in its profile over closes and crashes.
//!
//! When WhatsApp's page syncs it shows old reactions anew, as if they had just been made, and it
//! may have a message already that no earlier run of ours had the time to tell (fact sheet §5.1).
//! The mark tells the two apart. It is WhatsApp's own time of the newest thing heard, so that a
//! wrong clock of this machine does no harm, and it goes with the login: a new one has no past.

use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::id::MessageId;

const FILE: &str = "zapnode-heard-until.json";

/// How many keys of one second are kept. With more, some may be told twice after a restart.
const MOST_KEYS: usize = 1_000;

/// How many messages that cannot be read yet are kept; of more the oldest are given up.
const MOST_AWAITED: usize = 200;

/// How many edits are remembered over restarts.
const MOST_EDITS: usize = 200;

/// Until when everything has been heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Unix milliseconds.
    until: i64,
    /// What of that second has been told: WhatsApp dates messages by the second only.
    told: Vec<String>,
    /// What was told as waiting and not as a message yet: it may be read when nobody listens.
    #[serde(default)]
    awaited: Vec<MessageId>,
    /// The last edits told. They do not move the mark: their dates are their writers'.
    #[serde(default)]
    edits: Vec<String>,
}

impl Mark {
    /// From this moment on.
    pub(crate) fn from(time: OffsetDateTime) -> Self {
        Self {
            until: milliseconds(time),
            told: Vec::new(),
            awaited: Vec::new(),
            edits: Vec::new(),
        }
    }

    pub(crate) fn until(&self) -> i64 {
        self.until
    }

    /// What has been told already and may be met again.
    pub(crate) fn told(&self) -> impl Iterator<Item = &String> {
        self.told.iter().chain(&self.edits)
    }

    /// An edit was told.
    pub(crate) fn edited(&mut self, key: &str) {
        if self.edits.len() >= MOST_EDITS {
            self.edits.remove(0);
        }
        self.edits.push(key.to_owned());
    }

    pub(crate) fn awaited(&self) -> &[MessageId] {
        &self.awaited
    }

    /// A message is there that cannot be read yet.
    pub(crate) fn awaits(&mut self, id: &MessageId) {
        if !self.awaited.contains(id) {
            if self.awaited.len() >= MOST_AWAITED {
                self.awaited.remove(0);
            }
            self.awaited.push(id.clone());
        }
    }

    /// A message was told, or taken back. Its key is another once its chat moved from number to LID.
    pub(crate) fn came(&mut self, id: &MessageId) {
        let same = |one: &MessageId| one.wire_id() == id.wire_id() && one.from_me() == id.from_me();
        self.awaited.retain(|one| !same(one));
    }

    /// Something was heard.
    pub(crate) fn heard(&mut self, key: &str, at: OffsetDateTime) {
        let at = milliseconds(at);
        let (second, before) = (at.div_euclid(1_000), self.until.div_euclid(1_000));
        if second > before {
            self.told.clear();
        }
        if second >= before && self.told.len() < MOST_KEYS {
            self.told.push(key.to_owned());
        }
        self.until = self.until.max(at);
    }
}

/// A time in Unix milliseconds.
pub(crate) fn milliseconds(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// Reads a profile's mark. One that cannot be read is as good as none. Blocks.
pub(crate) fn read(profile: &Path) -> Option<Mark> {
    let text = std::fs::read(profile.join(FILE)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes the mark whenever it has moved, one write at a time.
#[derive(Debug)]
pub(crate) struct Keeper {
    mark: watch::Sender<Option<Mark>>,
    task: JoinHandle<()>,
}

impl Keeper {
    pub(crate) fn start(profile: &Path, mark: Option<Mark>) -> Self {
        let (sender, mut receiver) = watch::channel(mark);
        let path = profile.join(FILE);
        let task = tokio::spawn(async move {
            while receiver.changed().await.is_ok() {
                let mark = receiver.borrow_and_update().clone();
                let written = match mark {
                    // Plain data; an empty text would be read as none.
                    Some(mark) => {
                        let text = serde_json::to_vec(&mark).unwrap_or_default();
                        tokio::fs::write(&path, text).await
                    }
                    None => tokio::fs::remove_file(&path).await,
                };
                if let Err(error) = written
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::warn!(path = %path.display(), %error, "what was heard is not noted");
                }
            }
        });
        Self { mark: sender, task }
    }

    pub(crate) fn set(&self, mark: Option<&Mark>) {
        self.mark.send_if_modified(|known| {
            let moved = known.as_ref() != mark;
            if moved {
                *known = mark.cloned();
            }
            moved
        });
    }

    /// Returns when the last mark is written.
    pub(crate) async fn finish(self) {
        drop(self.mark);
        // A panic in it would have been told already.
        self.task.await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(second: i64, millisecond: i64) -> Mark {
        let mut mark = Mark::from(OffsetDateTime::UNIX_EPOCH);
        mark.until = second * 1_000 + millisecond;
        mark
    }

    fn at(second: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(second).expect("a time")
    }

    #[test]
    fn what_was_told_within_the_newest_second_is_kept() {
        let mut mark = mark(100, 500);
        for (key, second, until, told) in [
            ("a", 100, 100_500, &["a"][..]),
            ("late", 99, 100_500, &["a"]),
            ("b", 100, 100_500, &["a", "b"]),
            ("c", 101, 101_000, &["c"]),
            ("d", 101, 101_000, &["c", "d"]),
        ] {
            mark.heard(key, at(second));
            assert_eq!(
                (mark.until(), mark.told().map(String::as_str).collect()),
                (until, told.to_vec()),
                "{key}"
            );
        }
    }

    #[test]
    fn edits_are_remembered_and_do_not_move_the_mark() {
        let mut mark = mark(100, 0);
        mark.heard("a", at(101));
        for n in 0..=MOST_EDITS {
            mark.edited(&n.to_string());
        }
        assert_eq!(mark.until(), 101_000);
        let told: Vec<_> = mark.told().collect();
        assert_eq!(told.len(), 1 + MOST_EDITS);
        assert_eq!(told[..2], ["a", "1"]);
    }

    #[test]
    fn what_is_awaited_is_kept_until_it_comes() {
        let id = |text: String| text.parse::<MessageId>().expect("a key");
        let awaited = |n: usize| id(format!("false_7@c.us_3EB0AABBCCDDEE{n:04}"));
        let mut mark = mark(100, 0);
        mark.awaits(&awaited(0));
        mark.awaits(&awaited(0));
        mark.awaits(&awaited(1));
        assert_eq!(mark.awaited(), [awaited(0), awaited(1)]);
        // Ours of the same number is another; theirs under the chat's other name is the same.
        mark.came(&id("true_7@c.us_3EB0AABBCCDDEE0000".to_owned()));
        mark.came(&id("false_77@lid_3EB0AABBCCDDEE0001".to_owned()));
        assert_eq!(mark.awaited(), [awaited(0)]);
        for n in 1..=MOST_AWAITED {
            mark.awaits(&awaited(n));
        }
        assert_eq!(mark.awaited().len(), MOST_AWAITED);
        assert_eq!(mark.awaited().first(), Some(&awaited(1)));
    }

    #[tokio::test]
    async fn the_mark_outlives_its_keeper_and_goes_with_the_login() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path()), None);
        let keeper = Keeper::start(folder.path(), None);
        for second in [1, 2, 1_800_000_000] {
            keeper.set(Some(&mark(second, 0)));
        }
        keeper.finish().await;
        assert_eq!(read(folder.path()), Some(mark(1_800_000_000, 0)));
        let keeper = Keeper::start(folder.path(), read(folder.path()));
        keeper.set(None);
        keeper.finish().await;
        assert_eq!(read(folder.path()), None);
        // Of an earlier version.
        let earlier = r#"{"until":1,"told":["a"]}"#;
        std::fs::write(folder.path().join(FILE), earlier).expect("written");
        let mark = read(folder.path()).expect("a mark");
        assert_eq!((mark.until(), mark.awaited()), (1, &[][..]));
        // Cut short by a crash, or not ours.
        std::fs::write(folder.path().join(FILE), "{\"until\":1").expect("written");
        assert_eq!(read(folder.path()), None);
    }
}
