//! Files on the wire.

use serde::Serialize;
use zapnode_core::media::{MediaState, StoredMedia};

/// A file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaModel {
    id: String,
    /// `available`, `remote` or `expired`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mimetype: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Where its bytes are, on this server; absent where they cannot be had any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl MediaModel {
    /// A file; of one that came with a message the address loads it where it is not here.
    pub fn new(media: &StoredMedia) -> Self {
        let url = match (media.message, media.state) {
            (_, MediaState::Expired) => None,
            (Some(message), _) => Some(format!("/messages/{message}/media")),
            (None, _) => Some(format!("/media/{}", media.id)),
        };
        Self {
            id: media.id.to_string(),
            state: media.state.as_str(),
            mimetype: media.mime.clone(),
            filename: media.name.clone(),
            size: media.size,
            sha256: media.sha256.clone(),
            url,
        }
    }
}

/// The answer with one file.
#[derive(Debug, Serialize)]
pub struct OneMedia {
    success: bool,
    media: MediaModel,
}

impl OneMedia {
    /// With the file.
    pub fn new(media: &StoredMedia) -> Self {
        Self {
            success: true,
            media: MediaModel::new(media),
        }
    }
}
