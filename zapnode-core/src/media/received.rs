//! What is known of a file by its id, be it uploaded or of a message that came.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use ulid::Ulid;

use crate::outbox::state::words;

words! {
    /// Where the bytes of a file are.
    MediaState {
        /// Here.
        Available = "available",
        /// WhatsApp has them: they can be loaded.
        Remote = "remote",
        /// WhatsApp has them no more, and neither has the sender's phone sent them again.
        Expired = "expired",
    }
}

/// A file by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMedia {
    /// Its id: of a message that came, the message's own.
    pub id: Ulid,
    /// The message that it came with; none where it was uploaded.
    pub message: Option<Ulid>,
    /// Where its bytes are.
    pub state: MediaState,
    /// SHA-256 of them, in hex, where they were here.
    pub sha256: Option<String>,
    /// What it is: by its content where it was here, else by the sender's word.
    pub mime: Option<String>,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// In bytes.
    pub size: Option<u64>,
    /// When it was uploaded, or the message came.
    pub created_at: OffsetDateTime,
}

/// Which files of messages that come are loaded at once; the others when they are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoDownload {
    /// WhatsApp's words for the kinds, as `image` and `ptt`; none: nothing is loaded by itself.
    pub kinds: Vec<String>,
    /// Only up to so many bytes, by the sender's word. `None`: as large as a document may be.
    pub up_to: Option<u64>,
}

impl AutoDownload {
    /// Whether a file is loaded at once.
    pub fn wants(&self, kind: &str, size: Option<u64>) -> bool {
        let small = match (self.up_to, size) {
            (Some(most), Some(size)) => size <= most,
            // Without the sender's word it is bounded while it comes.
            _ => true,
        };
        small && self.kinds.iter().any(|wanted| wanted == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_loaded_at_once() {
        let rule = AutoDownload {
            kinds: vec!["image".to_owned(), "ptt".to_owned()],
            up_to: Some(1000),
        };
        for (kind, size, wanted) in [
            ("image", Some(1000), true),
            ("image", Some(1001), false),
            ("image", None, true),
            ("ptt", Some(1), true),
            ("video", Some(1), false),
        ] {
            assert_eq!(rule.wants(kind, size), wanted, "{kind} {size:?}");
        }
        assert!(!AutoDownload::default().wants("image", Some(1)));
    }
}
