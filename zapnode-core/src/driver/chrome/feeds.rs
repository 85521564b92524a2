//! Channels, labels and status: what the bridge says of them, read into the contract's words.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;

use super::bridge::Command;
use super::connection::{ChromeConnection, strange};
use super::heard::PagePerson;
use crate::channel::{Channel, NewChannel};
use crate::driver::{ChannelConnection, DriverError, LabelConnection, StatusConnection};
use crate::id::{ChatId, MessageId, WireId};
use crate::label::{Label, LabelChange};
use crate::story::{StatusFeed, StatusText, StatusUpdate};

const CHANNELS: Command = Command::new("list channels", "channels", 15);
const CHANNEL: Command = Command::new("read channel", "channelByInvite", 30);
const CREATE: Command = Command::new("create channel", "createChannel", 60);
const FOLLOW: Command = Command::new("follow channel", "followChannel", 45);
const POST: Command = Command::new("post to channel", "postToChannel", 45);
const LABELS: Command = Command::new("list labels", "labels", 15);
const LABEL: Command = Command::new("label chats", "labelChats", 30);
const STATUSES: Command = Command::new("list status", "statuses", 15);
const STATUS: Command = Command::new("post status", "postStatus", 45);

#[derive(Debug, Deserialize)]
struct PageChannel {
    id: String,
    name: String,
    description: Option<String>,
    invite: Option<String>,
    role: Option<String>,
    followers: Option<u64>,
    at: Option<i64>,
}

impl PageChannel {
    fn read(self) -> Option<Channel> {
        let id = ChatId::new(&self.id).ok();
        Some(Channel {
            id: id.filter(|id| id.server() == "newsletter")?,
            name: self.name,
            description: self.description,
            invite: self.invite,
            role: self.role,
            followers: self.followers,
            created_at: moment(self.at),
        })
    }
}

#[derive(Debug, Deserialize)]
struct PageLabel {
    id: String,
    name: String,
    color: Option<String>,
    chats: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct PageFeed {
    from: PagePerson,
    at: Option<i64>,
    total: Option<u32>,
    unread: Option<u32>,
    updates: Vec<PageUpdate>,
}

#[derive(Debug, Deserialize)]
struct PageUpdate {
    id: String,
    kind: String,
    text: Option<String>,
    at: Option<i64>,
}

impl PageFeed {
    fn read(&self) -> Option<StatusFeed> {
        let update = |one: &PageUpdate| {
            Some(StatusUpdate {
                id: MessageId::new(&one.id).ok()?,
                kind: one.kind.clone(),
                text: one.text.clone(),
                at: moment(one.at),
            })
        };
        Some(StatusFeed {
            from: self.from.read()?,
            at: moment(self.at),
            total: self.total,
            unread: self.unread,
            updates: self.updates.iter().filter_map(update).collect(),
        })
    }
}

/// Unix seconds; 0 is a page's way of not knowing.
fn moment(at: Option<i64>) -> Option<OffsetDateTime> {
    let at = at.filter(|at| *at > 0)?;
    OffsetDateTime::from_unix_timestamp(at).ok()
}

fn no_channel(command: Command) -> DriverError {
    DriverError::Refused {
        command: command.name,
        reason: "the page's answer names no channel".to_owned(),
    }
}

#[async_trait]
impl ChannelConnection for ChromeConnection {
    async fn channels(&self) -> Result<Vec<Channel>, DriverError> {
        self.need_ready(CHANNELS.name)?;
        let all: Vec<PageChannel> = self.shared.command(CHANNELS, &json!({})).await?;
        Ok(all.into_iter().filter_map(PageChannel::read).collect())
    }

    async fn channel_by_invite(&self, code: &str) -> Result<Channel, DriverError> {
        self.need_ready(CHANNEL.name)?;
        let arguments = json!({ "code": code });
        let found: PageChannel = self.shared.command(CHANNEL, &arguments).await?;
        found.read().ok_or_else(|| no_channel(CHANNEL))
    }

    async fn create_channel(&self, new: &NewChannel) -> Result<Channel, DriverError> {
        self.need_ready(CREATE.name)?;
        let arguments = json!({ "name": new.name.trim(), "description": new.description });
        let made: PageChannel = self.shared.command(CREATE, &arguments).await?;
        made.read().ok_or_else(|| no_channel(CREATE))
    }

    async fn follow_channel(&self, channel: &ChatId, on: bool) -> Result<(), DriverError> {
        self.need_ready(FOLLOW.name)?;
        let arguments = json!({ "id": channel, "on": on });
        self.shared.command(FOLLOW, &arguments).await
    }

    async fn post_to_channel(
        &self,
        channel: &ChatId,
        text: &str,
        wire_id: &WireId,
    ) -> Result<MessageId, DriverError> {
        self.need_ready(POST.name)?;
        self.shared.tracker().sending(wire_id);
        self.shared.words().keep_out(text);
        let arguments = json!({ "id": channel, "text": text, "wireId": wire_id });
        let id: String = self.shared.command(POST, &arguments).await?;
        MessageId::new(&id).map_err(|error| strange(POST, &error))
    }
}

#[async_trait]
impl LabelConnection for ChromeConnection {
    async fn labels(&self) -> Result<Vec<Label>, DriverError> {
        self.need_ready(LABELS.name)?;
        let all: Vec<PageLabel> = self.shared.command(LABELS, &json!({})).await?;
        let read = |one: PageLabel| Label {
            id: one.id,
            name: one.name,
            color: one.color,
            chats: one
                .chats
                .iter()
                .filter_map(|chat| ChatId::new(chat).ok())
                .collect(),
        };
        Ok(all.into_iter().map(read).collect())
    }

    async fn label_chats(
        &self,
        label: &str,
        change: LabelChange,
        chats: &[ChatId],
    ) -> Result<(), DriverError> {
        self.need_ready(LABEL.name)?;
        let arguments = json!({ "label": label, "change": change, "chats": chats });
        self.shared.command(LABEL, &arguments).await
    }
}

#[async_trait]
impl StatusConnection for ChromeConnection {
    async fn post_status(&self, status: &StatusText) -> Result<Option<MessageId>, DriverError> {
        self.need_ready(STATUS.name)?;
        self.shared.words().keep_out(&status.text);
        let id: Option<String> = self.shared.command(STATUS, status).await?;
        // It is shown; a key that cannot be read is no reason to say that it failed.
        Ok(id.and_then(|id| MessageId::new(&id).ok()))
    }

    async fn statuses(&self) -> Result<Vec<StatusFeed>, DriverError> {
        self.need_ready(STATUSES.name)?;
        let all: Vec<PageFeed> = self.shared.command(STATUSES, &json!({})).await?;
        Ok(all.iter().filter_map(PageFeed::read).collect())
    }
}
