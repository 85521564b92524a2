//! How what it holds looks in answers and webhooks.

use serde_json::{Value, json};

use super::{Contact, Message, MessageType, World};

impl World {
    pub(in crate::chatwoot) fn message_json(&self, message: &Message) -> Value {
        let number = i64::from(message.message_type == MessageType::Outgoing);
        let mut told = json!({
            "id": message.id,
            "conversation_id": message.conversation,
            "content": message.content,
            "content_type": "text",
            "content_attributes": {},
            "message_type": number,
            "private": message.private,
            "source_id": message.source_id,
            "status": message.status,
            "created_at": "2026-11-24T12:00:00.000Z",
            "sender": {"id": 3, "name": if message.by_agent { "Rita" } else { "Bridge" }, "type": "user"},
        });
        if message.deleted {
            told["content_attributes"]["deleted"] = json!(true);
        }
        if let Some(answered) = message.in_reply_to {
            told["content_attributes"]["in_reply_to"] = json!(answered);
        }
        // The key is absent when there are none.
        let links = message.links.iter().map(|(kind, url)| {
            json!({"id": message.id, "message_id": message.id, "file_type": kind, "data_url": url})
        });
        let files = message.files.iter().map(|file| {
            json!({"id": message.id, "message_id": message.id, "file_type": "file",
                   "data_url": format!("{}/files/{}", self.base, file.name), "file_size": file.bytes.len()})
        });
        let all: Vec<_> = links.chain(files).collect();
        if !all.is_empty() {
            told["attachments"] = json!(all);
        }
        told
    }

    pub(in crate::chatwoot) fn conversation_json(&self, id: i64) -> Value {
        let Some(conversation) = self.conversation(id) else {
            return Value::Null;
        };
        let contact = self
            .contacts
            .iter()
            .find(|one| one.id == conversation.contact);
        let source = contact.and_then(|one| {
            one.inboxes
                .iter()
                .find(|(inbox, _)| *inbox == conversation.inbox)
                .map(|(_, s)| s)
        });
        let last = self
            .messages
            .iter()
            .rev()
            .find(|one| one.conversation == id);
        json!({
            "id": id,
            "inbox_id": conversation.inbox,
            "channel": "Channel::Api",
            "status": conversation.status,
            "can_reply": true,
            "contact_inbox": {"id": 1, "contact_id": conversation.contact,
                              "inbox_id": conversation.inbox, "source_id": source},
            "messages": last.map(|one| vec![self.message_json(one)]).unwrap_or_default(),
            "labels": [],
            "meta": {"sender": contact.map(contact_json), "assignee": null, "hmac_verified": false},
            "custom_attributes": {},
            "additional_attributes": {},
        })
    }
}

pub(in crate::chatwoot) fn contact_json(contact: &Contact) -> Value {
    json!({
        "id": contact.id,
        "name": contact.name,
        "phone_number": contact.phone_number,
        "identifier": contact.identifier,
        "email": null,
        "thumbnail": "",
        "custom_attributes": {},
        "type": "contact",
        "contact_inboxes": contact.inboxes.iter().map(|(inbox, source)| {
            json!({"source_id": source, "inbox": {"id": inbox}})
        }).collect::<Vec<_>>(),
    })
}
