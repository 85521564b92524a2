//! Channels, labels and status on the wire.

use serde::Serialize;
use zapnode_core::channel::Channel;
use zapnode_core::label::Label;
use zapnode_core::story::StatusFeed;
use zapnode_core::{ChatId, MessageId};

use super::group::PersonModel;
use super::iso;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ChannelModel {
    id: ChatId,
    name: String,
    description: Option<String>,
    link: Option<String>,
    role: Option<String>,
    followers: Option<u64>,
    created_at: Option<String>,
}

impl From<Channel> for ChannelModel {
    fn from(channel: Channel) -> Self {
        Self {
            link: channel.link(),
            id: channel.id,
            name: channel.name,
            description: channel.description,
            role: channel.role,
            followers: channel.followers,
            created_at: channel.created_at.map(iso),
        }
    }
}

/// The channels of an account.
#[derive(Debug, Serialize)]
pub struct ChannelList {
    count: usize,
    channels: Vec<ChannelModel>,
}

impl From<Vec<Channel>> for ChannelList {
    fn from(channels: Vec<Channel>) -> Self {
        Self {
            count: channels.len(),
            channels: channels.into_iter().map(ChannelModel::from).collect(),
        }
    }
}

/// The answer with one channel.
#[derive(Debug, Serialize)]
pub struct OneChannel {
    channel: ChannelModel,
}

impl From<Channel> for OneChannel {
    fn from(channel: Channel) -> Self {
        Self {
            channel: channel.into(),
        }
    }
}

/// The answer to something that was done to a channel.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelDone {
    channel_id: ChatId,
    message: &'static str,
}

impl ChannelDone {
    /// With what was done, in words.
    pub fn new(channel_id: ChatId, message: &'static str) -> Self {
        Self {
            channel_id,
            message,
        }
    }
}

/// The answer with what was posted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Posted {
    /// Absent where the page did not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
}

#[derive(Debug, Serialize)]
struct LabelModel {
    id: String,
    name: String,
    color: Option<String>,
    chats: Vec<ChatId>,
}

/// The labels of an account.
#[derive(Debug, Serialize)]
pub struct LabelList {
    count: usize,
    labels: Vec<LabelModel>,
}

impl From<Vec<Label>> for LabelList {
    fn from(labels: Vec<Label>) -> Self {
        let read = |label: Label| LabelModel {
            id: label.id,
            name: label.name,
            color: label.color,
            chats: label.chats,
        };
        Self {
            count: labels.len(),
            labels: labels.into_iter().map(read).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct FeedModel {
    from: PersonModel,
    at: Option<String>,
    total: Option<u32>,
    unread: Option<u32>,
    updates: Vec<UpdateModel>,
}

#[derive(Debug, Serialize)]
struct UpdateModel {
    id: MessageId,
    kind: String,
    text: Option<String>,
    at: Option<String>,
}

/// What people show as their status.
#[derive(Debug, Serialize)]
pub struct StatusList {
    count: usize,
    statuses: Vec<FeedModel>,
}

impl From<Vec<StatusFeed>> for StatusList {
    fn from(feeds: Vec<StatusFeed>) -> Self {
        let read = |feed: StatusFeed| FeedModel {
            from: feed.from.into(),
            at: feed.at.map(iso),
            total: feed.total,
            unread: feed.unread,
            updates: feed
                .updates
                .into_iter()
                .map(|update| UpdateModel {
                    id: update.id,
                    kind: update.kind,
                    text: update.text,
                    at: update.at.map(iso),
                })
                .collect(),
        };
        Self {
            count: feeds.len(),
            statuses: feeds.into_iter().map(read).collect(),
        }
    }
}
