//! What is shown to many on the simulated WhatsApp: channels and status; and the labels of WhatsApp
//! Business (fact sheet §4.6, §6, §6.2).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::groups::{Place, fresh_invite};
use super::phone::{Phone, PhoneError, phone_wire_id};
use super::wire::ToPage;
use super::world::World;
use crate::id::{PhoneNumber, WireId};

/// What there is of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Feeds {
    channels: BTreeMap<String, Channel>,
    /// Of those accounts that are WhatsApp Business.
    labels: BTreeMap<PhoneNumber, Vec<Label>>,
    statuses: Vec<Shown>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Channel {
    name: String,
    description: Option<String>,
    code: String,
    owner: PhoneNumber,
    followers: BTreeSet<PhoneNumber>,
    posts: Vec<Post>,
    at: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Post {
    id: WireId,
    text: String,
    at: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Label {
    id: String,
    name: String,
    chats: Vec<Place>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Shown {
    by: PhoneNumber,
    post: Post,
}

/// What a page asks.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub(super) enum FeedCall {
    State,
    Label {
        label: String,
        on: bool,
        chats: Vec<String>,
    },
    Status {
        text: String,
    },
    Invite {
        code: String,
    },
    Channel {
        id: String,
    },
    CreateChannel {
        name: String,
        description: Option<String>,
    },
    Follow {
        id: String,
        on: bool,
    },
    Post {
        channel: String,
        id: String,
        text: String,
    },
}

/// A channel as its followers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelView {
    /// Its name.
    pub name: String,
    /// The code in its link.
    pub code: String,
    /// Who follows it.
    pub followers: Vec<PhoneNumber>,
    /// What was posted, oldest first.
    pub posts: Vec<(WireId, String)>,
}

fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

impl Post {
    fn new(id: WireId, text: &str) -> Self {
        let (text, at) = (text.to_owned(), now());
        Self { id, text, at }
    }

    fn frame(&self, from_me: bool) -> Value {
        json!({"id": self.id, "text": self.text, "at": self.at, "fromMe": from_me})
    }
}

impl Channel {
    fn frame(&self, id: &str, seen_by: &PhoneNumber) -> Value {
        let own = self.owner == *seen_by;
        let role = match (own, self.followers.contains(seen_by)) {
            (true, _) => "owner",
            (false, true) => "subscriber",
            (false, false) => "guest",
        };
        let posts: Vec<_> = self.posts.iter().map(|post| post.frame(own)).collect();
        json!({
            "id": id, "name": self.name, "description": self.description, "code": self.code,
            "role": role, "followers": self.followers.len(), "at": self.at, "posts": posts,
        })
    }

    fn audience(&self) -> Vec<PhoneNumber> {
        let mut all: Vec<_> = self.followers.iter().cloned().collect();
        all.push(self.owner.clone());
        all
    }
}

impl World {
    /// Answers a page; a refusal has a number.
    pub(super) fn feed_call(&mut self, me: &PhoneNumber, call: FeedCall) -> Result<Value, u16> {
        match call {
            FeedCall::State => Ok(self.feeds_of(me)),
            FeedCall::Label { label, on, chats } => {
                let places: Vec<_> = chats.iter().filter_map(|one| self.place(one)).collect();
                let labels = self.feeds.labels.get_mut(me).ok_or(403_u16)?;
                let found = labels.iter_mut().find(|one| one.id == label);
                let found = found.ok_or(404_u16)?;
                found.chats.retain(|one| !places.contains(one));
                if on {
                    found.chats.extend(places);
                }
                self.tell_feeds(std::slice::from_ref(me));
                Ok(Value::Null)
            }
            FeedCall::Status { text } => {
                self.show_status(me, &text);
                Ok(Value::Null)
            }
            FeedCall::Invite { code } => {
                let mut all = self.feeds.channels.iter();
                let found = all.find(|(_, channel)| channel.code == code);
                let (id, channel) = found.ok_or(404_u16)?;
                Ok(channel.frame(id, me))
            }
            FeedCall::Channel { id } => {
                let channel = self.feeds.channels.get(&id).ok_or(404_u16)?;
                Ok(channel.frame(&id, me))
            }
            FeedCall::CreateChannel { name, description } => {
                let id = self.make_channel(me, &name, description);
                let channel = self.feeds.channels.get(&id).ok_or(500_u16)?;
                Ok(channel.frame(&id, me))
            }
            FeedCall::Follow { id, on } => {
                let channel = self.feeds.channels.get_mut(&id).ok_or(404_u16)?;
                if channel.owner == *me {
                    return Err(403);
                }
                if on {
                    channel.followers.insert(me.clone());
                } else {
                    channel.followers.remove(me);
                }
                self.tell_feeds(std::slice::from_ref(me));
                Ok(Value::Null)
            }
            FeedCall::Post { channel, id, text } => {
                let id = WireId::new(&id).map_err(|_| 400_u16)?;
                self.post(me, &channel, id, &text)
            }
        }
    }

    /// Everything of it that an account sees.
    fn feeds_of(&mut self, me: &PhoneNumber) -> Value {
        let feeds = self.feeds.clone();
        let channels: Vec<_> = feeds
            .channels
            .iter()
            .filter(|(_, channel)| channel.audience().contains(me))
            .map(|(id, channel)| channel.frame(id, me))
            .collect();
        let mut labels = Vec::new();
        for label in feeds.labels.get(me).into_iter().flatten() {
            let chats: Vec<_> = label
                .chats
                .iter()
                .map(|place| match place {
                    Place::Person(person) => self.addresses(person).0,
                    Place::Group(group) => group.to_string(),
                })
                .collect();
            labels.push(json!({
                "id": label.id, "name": label.name, "color": "#ff9485", "chats": chats,
            }));
        }
        let mut by_person: BTreeMap<&PhoneNumber, Vec<Value>> = BTreeMap::new();
        for Shown { by, post } in &feeds.statuses {
            if by == me || self.knows(me, by) {
                let shown = by_person.entry(by).or_default();
                shown.push(post.frame(by == me));
            }
        }
        let mut statuses = Vec::new();
        for (by, posts) in by_person {
            statuses.push(json!({
                "by": self.member_address(by), "name": self.account(by).name,
                "fromMe": by == me, "seen": 0, "posts": posts,
            }));
        }
        json!({
            "business": feeds.labels.contains_key(me),
            "channels": channels, "labels": labels, "statuses": statuses,
        })
    }

    /// Whether two have written to each other.
    fn knows(&self, one: &PhoneNumber, other: &PhoneNumber) -> bool {
        let account = self.accounts.get(one);
        account.is_some_and(|account| {
            let mut messages = account.messages.iter();
            messages.any(|message| message.group.is_none() && message.chat == *other)
        })
    }

    fn tell_feeds(&mut self, people: &[PhoneNumber]) {
        for person in people {
            for device in self.devices_of(person) {
                if let Some(connection) = self.connection_of(&device) {
                    let value = self.feeds_of(person);
                    self.tell(connection, ToPage::Feeds { value });
                }
            }
        }
    }

    fn show_status(&mut self, by: &PhoneNumber, text: &str) {
        let post = Post::new(phone_wire_id(), text);
        let by = by.clone();
        self.feeds.statuses.push(Shown {
            by: by.clone(),
            post,
        });
        let all: Vec<_> = self.accounts.keys().cloned().collect();
        let seen_by: Vec<_> = all
            .into_iter()
            .filter(|one| *one == by || self.knows(one, &by))
            .collect();
        self.tell_feeds(&seen_by);
    }

    fn make_channel(
        &mut self,
        owner: &PhoneNumber,
        name: &str,
        description: Option<String>,
    ) -> String {
        let id = format!(
            "120363{:012}@newsletter",
            fastrand::u64(..1_000_000_000_000)
        );
        self.account(owner);
        self.feeds.channels.insert(
            id.clone(),
            Channel {
                name: name.to_owned(),
                description,
                code: format!("0029Va{}", &fresh_invite()[..16]),
                owner: owner.clone(),
                followers: BTreeSet::new(),
                posts: Vec::new(),
                at: now(),
            },
        );
        self.tell_feeds(std::slice::from_ref(owner));
        id
    }

    fn post(
        &mut self,
        by: &PhoneNumber,
        channel: &str,
        id: WireId,
        text: &str,
    ) -> Result<Value, u16> {
        let found = self.feeds.channels.get_mut(channel).ok_or(404_u16)?;
        if found.owner != *by {
            return Err(403);
        }
        // The same id again is the same post.
        if !found.posts.iter().any(|post| post.id == id) {
            found.posts.push(Post::new(id, text));
        }
        let (server_id, audience) = (found.posts.len(), found.audience());
        self.tell_feeds(&audience);
        Ok(json!({"at": now(), "serverId": server_id}))
    }
}

impl Phone {
    /// Makes a channel and gives its id.
    pub async fn make_channel(&self, name: &str) -> String {
        self.hub
            .change(|world| world.make_channel(self.number(), name, None))
    }

    /// Posts to a channel of this account's.
    ///
    /// # Errors
    /// When there is no such channel, or it is somebody else's.
    pub async fn post_to_channel(&self, channel: &str, text: &str) -> Result<WireId, PhoneError> {
        let id = phone_wire_id();
        let posted = self
            .hub
            .change(|world| world.post(self.number(), channel, id.clone(), text));
        match posted {
            Ok(_) => Ok(id),
            Err(404) => Err(PhoneError::NoSuchChannel),
            Err(_) => Err(PhoneError::NotAdmin),
        }
    }

    /// A channel as everybody sees it.
    ///
    /// # Errors
    /// When there is no such channel.
    pub fn channel(&self, channel: &str) -> Result<ChannelView, PhoneError> {
        self.hub.look(|world| {
            let found = world.feeds.channels.get(channel);
            let found = found.ok_or(PhoneError::NoSuchChannel)?;
            let posts = found.posts.iter();
            Ok(ChannelView {
                name: found.name.clone(),
                code: found.code.clone(),
                followers: found.followers.iter().cloned().collect(),
                posts: posts.map(|p| (p.id.clone(), p.text.clone())).collect(),
            })
        })
    }

    /// Shows a text as the account's status.
    pub async fn post_status(&self, text: &str) {
        self.hub
            .change(|world| world.show_status(self.number(), text));
    }

    /// What `other` shows as their status, as far as this phone sees it.
    pub fn statuses_of(&self, other: &PhoneNumber) -> Vec<String> {
        self.hub.look(|world| {
            if other != self.number() && !world.knows(self.number(), other) {
                return Vec::new();
            }
            let shown = world.feeds.statuses.iter();
            let theirs = shown.filter(|one| one.by == *other);
            theirs.map(|one| one.post.text.clone()).collect()
        })
    }

    /// Makes the account one of WhatsApp Business, with these labels; their ids count from 1.
    pub async fn set_labels(&self, names: &[&str]) {
        let labels = names.iter().enumerate().map(|(n, name)| Label {
            id: (n + 1).to_string(),
            name: (*name).to_owned(),
            chats: Vec::new(),
        });
        let labels = labels.collect();
        self.hub.change(|world| {
            let me = self.number().clone();
            world.feeds.labels.insert(me.clone(), labels);
            world.tell_feeds(&[me]);
        });
    }

    /// The chats that have a label on this phone.
    pub fn labelled(&self, label: &str) -> Vec<Place> {
        self.hub.look(|world| {
            let labels = world.feeds.labels.get(self.number()).into_iter().flatten();
            let found = labels.filter(|one| one.id == label);
            found.flat_map(|one| one.chats.clone()).collect()
        })
    }
}
