//! Channels, labels and status in the script's world.

use std::collections::BTreeSet;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{ScriptedConnection, ScriptedDriver, message_id};
use crate::channel::{Channel, NewChannel};
use crate::driver::{ChannelConnection, DriverError, LabelConnection, StatusConnection};
use crate::id::{ChatId, MessageId, PhoneNumber, WireId};
use crate::label::{Label, LabelChange};
use crate::message::Person;
use crate::story::{StatusFeed, StatusText, StatusUpdate};

/// What is shown to many.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    channels: Vec<Scripted>,
    no_channels: bool,
    /// None: the account is not WhatsApp Business.
    labels: Option<Vec<Label>>,
    statuses: Vec<(ChatId, StatusUpdate)>,
}

#[derive(Debug)]
struct Scripted {
    channel: Channel,
    owner: ChatId,
    followers: BTreeSet<ChatId>,
    posts: Vec<(WireId, String)>,
}

impl Scripted {
    /// As an account sees it.
    fn seen_by(&self, who: &ChatId) -> Channel {
        let role = if self.owner == *who {
            "owner"
        } else if self.followers.contains(who) {
            "subscriber"
        } else {
            "guest"
        };
        Channel {
            role: Some(role.to_owned()),
            followers: u64::try_from(self.followers.len()).ok(),
            ..self.channel.clone()
        }
    }
}

impl Feeds {
    fn make(&mut self, owner: &ChatId, new: &NewChannel) -> &Scripted {
        let n = self.channels.len() + 1;
        let text = format!("120363{n:012}@newsletter");
        let Ok(id) = ChatId::new(&text) else {
            panic!("{text} is a channel's id");
        };
        self.channels.push(Scripted {
            channel: Channel {
                id,
                name: new.name.clone(),
                description: new.description.clone(),
                invite: Some(format!("0029Va{n:016}")),
                role: None,
                followers: None,
                created_at: OffsetDateTime::now_utc().replace_nanosecond(0).ok(),
            },
            owner: owner.clone(),
            followers: BTreeSet::new(),
            posts: Vec::new(),
        });
        &self.channels[n - 1]
    }

    fn find(&mut self, id: &ChatId) -> Result<&mut Scripted, DriverError> {
        let found = self.channels.iter_mut().find(|one| one.channel.id == *id);
        found.ok_or_else(|| DriverError::ChannelUnknown {
            channel: id.to_string(),
        })
    }
}

impl ScriptedDriver {
    /// Somebody makes a channel.
    pub fn make_channel(&self, owner: &PhoneNumber, name: &str) -> Channel {
        let new = NewChannel {
            name: name.to_owned(),
            description: None,
        };
        let owner = ChatId::from(owner);
        let mut state = self.state();
        state.feeds.make(&owner, &new).seen_by(&owner)
    }

    /// Accounts may make no channels.
    pub fn forbid_channels(&self) {
        self.state().feeds.no_channels = true;
    }

    /// What was posted to a channel.
    pub fn posts_of(&self, channel: &ChatId) -> Vec<String> {
        let mut state = self.state();
        let found = state.feeds.find(channel);
        found.map_or_else(
            |_| Vec::new(),
            |one| one.posts.iter().map(|(_, text)| text.clone()).collect(),
        )
    }

    /// The account is WhatsApp Business, with these labels.
    pub fn set_labels(&self, names: &[&str]) {
        let labels = names.iter().enumerate().map(|(n, name)| Label {
            id: (n + 1).to_string(),
            name: (*name).to_owned(),
            color: Some("#ff9485".to_owned()),
            chats: Vec::new(),
        });
        self.state().feeds.labels = Some(labels.collect());
    }

    /// Somebody shows a text as their status.
    pub fn show_status(&self, from: &PhoneNumber, text: &str) {
        let from = ChatId::from(from);
        self.state().feeds.show(&from, false, text);
    }
}

impl Feeds {
    fn show(&mut self, from: &ChatId, own: bool, text: &str) -> MessageId {
        let Ok(place) = ChatId::new("status@broadcast") else {
            panic!("the status has an id");
        };
        let id = message_id(own, &place, &WireId::choose());
        let update = StatusUpdate {
            id: id.clone(),
            kind: "chat".to_owned(),
            text: Some(text.to_owned()),
            at: OffsetDateTime::now_utc().replace_nanosecond(0).ok(),
        };
        self.statuses.push((from.clone(), update));
        id
    }
}

#[async_trait]
impl ChannelConnection for ScriptedConnection {
    async fn channels(&self) -> Result<Vec<Channel>, DriverError> {
        let me = self.myself("list channels").await?;
        let state = self.driver.state();
        let mine = state.feeds.channels.iter();
        let mine = mine.filter(|one| one.owner == me || one.followers.contains(&me));
        Ok(mine.map(|one| one.seen_by(&me)).collect())
    }

    async fn channel_by_invite(&self, code: &str) -> Result<Channel, DriverError> {
        let me = self.myself("read channel").await?;
        let state = self.driver.state();
        let mut all = state.feeds.channels.iter();
        let found = all.find(|one| one.channel.invite.as_deref() == Some(code));
        found
            .map(|one| one.seen_by(&me))
            .ok_or(DriverError::InviteUnknown)
    }

    async fn create_channel(&self, new: &NewChannel) -> Result<Channel, DriverError> {
        const COMMAND: &str = "create channel";
        let me = self.myself(COMMAND).await?;
        let mut state = self.driver.state();
        if state.feeds.no_channels {
            return Err(DriverError::NotAllowed {
                command: COMMAND,
                why: "WhatsApp does not let this account make channels".to_owned(),
            });
        }
        Ok(state.feeds.make(&me, new).seen_by(&me))
    }

    async fn follow_channel(&self, channel: &ChatId, on: bool) -> Result<(), DriverError> {
        const COMMAND: &str = "follow channel";
        let me = self.myself(COMMAND).await?;
        let mut state = self.driver.state();
        let one = state.feeds.find(channel)?;
        if one.owner == me {
            return Err(DriverError::NotAllowed {
                command: COMMAND,
                why: "the channel is this account's own".to_owned(),
            });
        }
        if on {
            one.followers.insert(me);
        } else {
            one.followers.remove(&me);
        }
        Ok(())
    }

    async fn post_to_channel(
        &self,
        channel: &ChatId,
        text: &str,
        wire_id: &WireId,
    ) -> Result<MessageId, DriverError> {
        const COMMAND: &str = "post to channel";
        let me = self.myself(COMMAND).await?;
        let mut state = self.driver.state();
        let one = state.feeds.find(channel)?;
        if one.owner != me {
            return Err(DriverError::NotAllowed {
                command: COMMAND,
                why: "only its admins post to a channel".to_owned(),
            });
        }
        one.posts.push((wire_id.clone(), text.to_owned()));
        Ok(message_id(true, channel, wire_id))
    }
}

fn no_business(command: &'static str) -> DriverError {
    DriverError::NotAllowed {
        command,
        why: "only WhatsApp Business has labels".to_owned(),
    }
}

#[async_trait]
impl LabelConnection for ScriptedConnection {
    async fn labels(&self) -> Result<Vec<Label>, DriverError> {
        const COMMAND: &str = "list labels";
        self.myself(COMMAND).await?;
        let labels = self.driver.state().feeds.labels.clone();
        labels.ok_or_else(|| no_business(COMMAND))
    }

    async fn label_chats(
        &self,
        label: &str,
        change: LabelChange,
        chats: &[ChatId],
    ) -> Result<(), DriverError> {
        const COMMAND: &str = "label chats";
        self.myself(COMMAND).await?;
        let mut state = self.driver.state();
        let labels = state.feeds.labels.as_mut();
        let labels = labels.ok_or_else(|| no_business(COMMAND))?;
        let found = labels.iter_mut().find(|one| one.id == label);
        let found = found.ok_or_else(|| DriverError::LabelUnknown {
            label: label.to_owned(),
        })?;
        found.chats.retain(|one| !chats.contains(one));
        if change == LabelChange::Add {
            found.chats.extend(chats.iter().cloned());
        }
        Ok(())
    }
}

#[async_trait]
impl StatusConnection for ScriptedConnection {
    async fn post_status(&self, status: &StatusText) -> Result<Option<MessageId>, DriverError> {
        let me = self.myself("post status").await?;
        let mut state = self.driver.state();
        Ok(Some(state.feeds.show(&me, true, &status.text)))
    }

    async fn statuses(&self) -> Result<Vec<StatusFeed>, DriverError> {
        let me = self.myself("list status").await?;
        let state = self.driver.state();
        let mut feeds: Vec<StatusFeed> = Vec::new();
        for (from, update) in &state.feeds.statuses {
            let known = feeds.iter().position(|feed| feed.from.id == *from);
            let place = known.unwrap_or_else(|| {
                feeds.push(StatusFeed {
                    from: Person::new(from.clone()),
                    at: None,
                    total: Some(0),
                    unread: Some(0),
                    updates: Vec::new(),
                });
                feeds.len() - 1
            });
            let feed = &mut feeds[place];
            feed.at = update.at;
            feed.total = feed.total.map(|total| total + 1);
            feed.unread = feed.unread.map(|unread| unread + u32::from(*from != me));
            feed.updates.push(update.clone());
        }
        Ok(feeds)
    }
}
