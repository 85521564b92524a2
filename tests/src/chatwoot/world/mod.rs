//! What the simulated Chatwoot holds, and what it refuses.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::hook::HookCall;
use super::{ACCOUNT, AgentWrites};

mod show;

pub(super) use show::contact_json;

/// An inbox of the kind API.
#[derive(Clone, Debug)]
pub struct Inbox {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its kind, as `Channel::Api`.
    pub channel_type: String,
    /// Where its events go.
    pub webhook_url: String,
}

/// A contact.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// `+` and digits; unique.
    pub phone_number: Option<String>,
    /// Unique.
    pub identifier: Option<String>,
    /// The inboxes it is joined to, with the key of its thread there.
    pub inboxes: Vec<(i64, String)>,
}

/// A conversation.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The number that the account API uses.
    pub id: i64,
    /// Its inbox.
    pub inbox: i64,
    /// With whom.
    pub contact: i64,
    /// `open`, `pending`, `resolved` or `snoozed`.
    pub status: String,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageType {
    /// From the contact.
    Incoming,
    /// To the contact.
    Outgoing,
}

impl MessageType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Outgoing => "outgoing",
        }
    }
}

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its name.
    pub name: String,
    /// Its type.
    pub content_type: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// A message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its id.
    pub id: i64,
    /// Its conversation's number.
    pub conversation: i64,
    /// Which way.
    pub message_type: MessageType,
    /// Its text.
    pub content: String,
    /// A note among agents.
    pub private: bool,
    /// What the bridge wrote.
    pub source_id: Option<String>,
    /// `sent`, `delivered`, `read` or `failed`.
    pub status: String,
    /// Why it failed.
    pub external_error: Option<String>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The message it answers.
    pub in_reply_to: Option<i64>,
    /// When it was written elsewhere, if it was told, in seconds since 1970.
    pub external_created_at: Option<i64>,
    /// Whether an agent wrote it here, not the bridge.
    pub by_agent: bool,
    /// Its files.
    pub files: Vec<Attached>,
    links: Vec<(String, String)>,
}

/// Everything.
#[derive(Debug)]
pub struct World {
    /// All inboxes.
    pub inboxes: Vec<Inbox>,
    /// All contacts.
    pub contacts: Vec<Contact>,
    /// All conversations.
    pub conversations: Vec<Conversation>,
    /// All messages, oldest first.
    pub messages: Vec<Message>,
    /// Every webhook that was sent, and the status that came back, or why none did.
    pub deliveries: Vec<(HookCall, Result<u16, String>)>,
    /// What lies in its file storage: type and bytes, by name.
    pub storage: BTreeMap<String, (String, Vec<u8>)>,
    /// Every call of the API: method and path.
    pub requests: Vec<String>,
    /// How often a contact was searched.
    pub searches: u32,
    pub(super) calls: Vec<HookCall>,
    base: String,
    last_id: i64,
}

/// A refusal: status and words.
pub(super) type Refused = (u16, String);

fn refused<T>(status: u16, words: impl Into<String>) -> Result<T, Refused> {
    Err((status, words.into()))
}

impl World {
    pub(super) fn new(base: &str) -> Self {
        Self {
            inboxes: Vec::new(),
            contacts: Vec::new(),
            conversations: Vec::new(),
            messages: Vec::new(),
            deliveries: Vec::new(),
            storage: BTreeMap::new(),
            requests: Vec::new(),
            searches: 0,
            calls: Vec::new(),
            base: base.to_owned(),
            last_id: 0,
        }
    }

    fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    /// The messages of the conversations with this contact, oldest first.
    pub fn messages_with(&self, phone_number: &str) -> Vec<&Message> {
        let contact = self
            .contacts
            .iter()
            .find(|one| one.phone_number.as_deref() == Some(phone_number));
        let of_contact = |message: &&Message| {
            let conversation = self.conversation(message.conversation);
            conversation.map(|one| one.contact) == contact.map(|one| one.id)
        };
        self.messages.iter().filter(of_contact).collect()
    }

    /// A conversation by its number.
    pub fn conversation(&self, id: i64) -> Option<&Conversation> {
        self.conversations.iter().find(|one| one.id == id)
    }

    pub(super) fn contact(&self, id: i64) -> Result<&Contact, Refused> {
        let found = self.contacts.iter().find(|one| one.id == id);
        found.ok_or((404, "Resource could not be found".to_owned()))
    }

    pub(super) fn inbox(&self, id: i64) -> Result<&Inbox, Refused> {
        let found = self.inboxes.iter().find(|one| one.id == id);
        found.ok_or((404, "Resource could not be found".to_owned()))
    }

    pub(super) fn make_inbox(&mut self, name: &str, webhook_url: &str) -> Inbox {
        let inbox = Inbox {
            id: self.next_id(),
            name: name.to_owned(),
            channel_type: "Channel::Api".to_owned(),
            webhook_url: webhook_url.to_owned(),
        };
        self.inboxes.push(inbox.clone());
        inbox
    }

    pub(super) fn point_inbox(&mut self, id: i64, webhook_url: &str) -> Result<Inbox, Refused> {
        let found = self.inboxes.iter_mut().find(|one| one.id == id);
        let inbox = found.ok_or((404, "Resource could not be found".to_owned()))?;
        webhook_url.clone_into(&mut inbox.webhook_url);
        Ok(inbox.clone())
    }

    pub(super) fn make_contact(&mut self, body: &Value) -> Result<Contact, Refused> {
        let text = |name: &str| {
            body[name]
                .as_str()
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        let contact = Contact {
            id: self.last_id + 1,
            name: text("name").unwrap_or_default(),
            phone_number: text("phone_number"),
            identifier: text("identifier"),
            inboxes: Vec::new(),
        };
        self.check_contact(&contact)?;
        self.last_id += 1;
        let id = contact.id;
        self.contacts.push(contact);
        if let Some(inbox) = body["inbox_id"].as_i64() {
            let source = text("source_id");
            self.join(id, inbox, source)?;
        }
        self.contact(id).cloned()
    }

    pub(super) fn change_contact(&mut self, id: i64, body: &Value) -> Result<Contact, Refused> {
        let mut changed = self.contact(id)?.clone();
        let text = |name: &str| {
            body[name]
                .as_str()
                .filter(|t| !t.is_empty())
                .map(str::to_owned)
        };
        changed.name = text("name").unwrap_or(changed.name);
        changed.phone_number = text("phone_number").or(changed.phone_number);
        changed.identifier = text("identifier").or(changed.identifier);
        self.check_contact(&changed)?;
        if let Some(slot) = self.contacts.iter_mut().find(|one| one.id == id) {
            *slot = changed.clone();
        }
        Ok(changed)
    }

    fn check_contact(&self, contact: &Contact) -> Result<(), Refused> {
        if let Some(phone) = &contact.phone_number {
            let digits = phone.strip_prefix('+').unwrap_or_default();
            let well =
                (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            if !well || digits.starts_with('0') {
                return refused(422, "Phone number should be in e164 format");
            }
        }
        let others = || self.contacts.iter().filter(|one| one.id != contact.id);
        let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
        if others().any(|one| same(&one.phone_number, &contact.phone_number)) {
            return refused(422, "Phone number has already been taken");
        }
        if others().any(|one| same(&one.identifier, &contact.identifier)) {
            return refused(422, "Identifier has already been taken");
        }
        Ok(())
    }

    pub(super) fn join(
        &mut self,
        contact: i64,
        inbox: i64,
        source: Option<String>,
    ) -> Result<String, Refused> {
        self.inbox(inbox)?;
        let source = source.unwrap_or_else(|| format!("generated-{contact}-{inbox}"));
        let taken = self.contacts.iter().any(|one| {
            one.id != contact && one.inboxes.iter().any(|(i, s)| *i == inbox && *s == source)
        });
        if taken {
            return refused(422, "Source has already been taken");
        }
        let found = self.contacts.iter_mut().find(|one| one.id == contact);
        let joined = found.ok_or((404, "Resource could not be found".to_owned()))?;
        if !joined
            .inboxes
            .iter()
            .any(|(i, s)| *i == inbox && *s == source)
        {
            joined.inboxes.push((inbox, source.clone()));
        }
        Ok(source)
    }

    pub(super) fn make_conversation(&mut self, body: &Value) -> Result<Conversation, Refused> {
        let source = body["source_id"].as_str().unwrap_or_default();
        let inbox = body["inbox_id"].as_i64().unwrap_or_default();
        let contact = self.contacts.iter().find(|one| {
            one.inboxes
                .iter()
                .any(|(i, s)| s == source && (inbox == 0 || *i == inbox))
        });
        let Some(contact) = contact.map(|one| one.id) else {
            return refused(404, "Resource could not be found");
        };
        let id = self.next_id();
        let conversation = Conversation {
            id,
            inbox,
            contact,
            status: body["status"].as_str().unwrap_or("open").to_owned(),
        };
        self.conversations.push(conversation.clone());
        let told = self.conversation_json(id);
        self.call(inbox, "conversation_created", told);
        Ok(conversation)
    }

    pub(super) fn set_status(&mut self, id: i64, status: &str) {
        if let Some(one) = self.conversations.iter_mut().find(|one| one.id == id) {
            status.clone_into(&mut one.status);
            let inbox = one.inbox;
            let told = self.conversation_json(id);
            self.call(inbox, "conversation_status_changed", told);
        }
    }

    /// A message through the API: what a bridge writes.
    pub(super) fn push(
        &mut self,
        conversation: i64,
        body: &Value,
        files: Vec<Attached>,
    ) -> Result<Message, Refused> {
        if self.conversation(conversation).is_none() {
            return refused(404, "Resource could not be found");
        }
        let content = body["content"].as_str().unwrap_or_default();
        if content.chars().count() > 150_000 {
            return refused(422, "Content is too long (maximum is 150000 characters)");
        }
        if files.len() > 15 {
            return refused(422, "Attachments exceeded maximum allowed");
        }
        let message_type = match body["message_type"].as_str().unwrap_or("outgoing") {
            "incoming" => MessageType::Incoming,
            "outgoing" => MessageType::Outgoing,
            other => return refused(422, format!("'{other}' is not a valid message_type")),
        };
        let as_bool = |v: &Value| v.as_bool().or_else(|| v.as_str().map(|t| t == "true"));
        let attributes = &body["content_attributes"];
        let message = Message {
            id: 0,
            conversation,
            message_type,
            content: content.to_owned(),
            private: as_bool(&body["private"]).unwrap_or(false),
            source_id: body["source_id"].as_str().map(str::to_owned),
            status: "sent".to_owned(),
            external_error: None,
            deleted: false,
            in_reply_to: attributes["in_reply_to"].as_i64(),
            external_created_at: body["external_created_at"].as_i64(),
            by_agent: false,
            files,
            links: Vec::new(),
        };
        Ok(self.add(message))
    }

    pub(super) fn agent_writes(&mut self, conversation: i64, wrote: AgentWrites) -> Option<i64> {
        self.conversation(conversation)?;
        let message = self.add(Message {
            id: 0,
            conversation,
            message_type: MessageType::Outgoing,
            content: wrote.content,
            private: wrote.private,
            source_id: None,
            status: "sent".to_owned(),
            external_error: None,
            deleted: false,
            in_reply_to: wrote.in_reply_to,
            external_created_at: None,
            by_agent: true,
            files: Vec::new(),
            links: wrote.attachments,
        });
        Some(message.id)
    }

    fn add(&mut self, message: Message) -> Message {
        let message = Message {
            id: self.next_id(),
            ..message
        };
        self.messages.push(message.clone());
        let reopens = message.message_type == MessageType::Incoming
            && self
                .conversation(message.conversation)
                .is_some_and(|c| c.status == "resolved");
        if reopens {
            self.set_status(message.conversation, "open");
        }
        self.tell_message("message_created", &message);
        message
    }

    pub(super) fn update_message(
        &mut self,
        conversation: i64,
        id: i64,
        status: &str,
        error: Option<&str>,
    ) -> Result<Message, Refused> {
        let found = self
            .messages
            .iter_mut()
            .find(|one| one.id == id && one.conversation == conversation);
        let Some(message) = found else {
            return refused(404, "Resource could not be found");
        };
        if !["sent", "delivered", "read", "failed"].contains(&status) {
            return Ok(message.clone());
        }
        // Answered like a success, and nothing is changed or told.
        if message.status == "read" && status == "delivered" {
            return Ok(message.clone());
        }
        status.clone_into(&mut message.status);
        message.external_error = error.filter(|_| status == "failed").map(str::to_owned);
        let message = message.clone();
        self.tell_message("message_updated", &message);
        Ok(message)
    }

    pub(super) fn delete(&mut self, id: i64) -> bool {
        let Some(message) = self.messages.iter_mut().find(|one| one.id == id) else {
            return false;
        };
        message.deleted = true;
        "This message was deleted".clone_into(&mut message.content);
        let message = message.clone();
        self.tell_message("message_updated", &message);
        true
    }

    pub(super) fn set_channel(&mut self, id: i64, channel_type: &str) {
        if let Some(inbox) = self.inboxes.iter_mut().find(|one| one.id == id) {
            channel_type.clone_into(&mut inbox.channel_type);
        }
    }

    pub(super) fn delete_conversation(&mut self, id: i64) {
        self.conversations.retain(|one| one.id != id);
        self.messages.retain(|one| one.conversation != id);
    }

    pub(super) fn agent_types(&mut self, conversation: i64, on: bool) {
        let Some(inbox) = self.conversation(conversation).map(|one| one.inbox) else {
            return;
        };
        let event = if on {
            "conversation_typing_on"
        } else {
            "conversation_typing_off"
        };
        let told = json!({
            "conversation": self.conversation_json(conversation),
            "user": {"id": 3, "name": "Rita", "type": "user"},
            "is_private": false,
        });
        self.call(inbox, event, told);
    }

    pub(super) fn failed(&mut self, id: i64, words: &str) {
        if let Some(message) = self.messages.iter_mut().find(|one| one.id == id) {
            "failed".clone_into(&mut message.status);
            message.external_error = Some(words.to_owned());
        }
    }

    fn tell_message(&mut self, event: &str, message: &Message) {
        let Some(inbox) = self.conversation(message.conversation).map(|one| one.inbox) else {
            return;
        };
        let mut told = self.message_json(message);
        told["message_type"] = json!(message.message_type.as_str());
        told["account"] = json!({"id": ACCOUNT, "name": "Loja"});
        told["inbox"] = json!({"id": inbox, "name": "WhatsApp"});
        told["conversation"] = self.conversation_json(message.conversation);
        self.call(inbox, event, told);
    }

    fn call(&mut self, inbox: i64, event: &str, mut body: Value) {
        body["event"] = json!(event);
        let Ok(url) = self.inbox(inbox).map(|inbox| inbox.webhook_url.clone()) else {
            return;
        };
        if url.is_empty() {
            return;
        }
        let message = event
            .starts_with("message_")
            .then(|| body["id"].as_i64())
            .flatten();
        let body = body.to_string();
        let number = self.next_id();
        self.calls.push(HookCall {
            url,
            body,
            delivery: format!("00000000-0000-4000-8000-{number:012}"),
            message,
        });
    }
}
