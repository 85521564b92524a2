//! Puts messages into conversations, each once: what may be there already is looked for first.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::api::{ApiError, File};
use super::bridge::{Bridge, Stuck};
use super::incoming::SOURCE_PREFIX;
use super::outgoing::Post;
use crate::session::{Prompt, SessionState};
use crate::store::{Pair, now};

/// How many pages of a conversation are looked through for what an earlier run left there. Chatwoot
/// gives 20 messages a page.
const PAGES: usize = 10;

/// What is remembered at the most: conversations, and messages in each.
const CONVERSATIONS: usize = 500;
const MESSAGES: usize = 500;

/// From which age on a message is given its own time, in seconds: Chatwoot shows when it got it.
const LATE: i64 = 60;

/// What Chatwoot has of ours, by conversation and `source_id`, with its ids there.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<i64, HashMap<String, i64>>);

impl Seen {
    fn knows(&self, conversation: i64) -> bool {
        self.0.contains_key(&conversation)
    }

    fn find(&self, conversation: i64, source_id: &str) -> Option<i64> {
        self.0.get(&conversation)?.get(source_id).copied()
    }

    fn looked(&mut self, conversation: i64, found: HashMap<String, i64>) {
        if self.0.len() >= CONVERSATIONS {
            self.0.clear();
        }
        self.0.insert(conversation, found);
    }

    fn put(&mut self, conversation: i64, source_id: String, message: i64) {
        if let Some(known) = self.0.get_mut(&conversation) {
            known.insert(source_id, message);
            if known.len() > MESSAGES {
                self.forget(conversation);
            }
        }
    }

    /// The next push there looks again.
    fn forget(&mut self, conversation: i64) {
        self.0.remove(&conversation);
    }
}

impl Bridge {
    /// Puts a message into the conversation it belongs to; gives the pair if it stands for one.
    pub(super) async fn post(&mut self, post: &Post) -> Result<Option<Pair>, Stuck> {
        let session = self.row.session.clone();
        if let Some(source) = &post.source {
            let known = self
                .store()
                .pair_by_wire(session.clone(), source.wire_id.clone());
            // An agent wrote it, or it is there already.
            if known
                .await?
                .is_some_and(|pair| pair.from_me == source.from_me)
            {
                return Ok(None);
            }
        }
        let about = match &post.about {
            Some(wire_id) => self.store().pair_by_wire(session, wire_id.clone()).await?,
            None => None,
        };
        let late = now().unix_timestamp() - post.written > LATE;
        let body = |content: &str| {
            json!({
                "content": content,
                "message_type": if post.incoming { "incoming" } else { "outgoing" },
                "content_attributes": about.as_ref().map(|pair| json!({"in_reply_to": pair.message})),
                "external_created_at": late.then_some(post.written),
            })
        };
        let mut conversation = self.thread_for(&post.peer).await?.conversation;
        let file = match (&post.source, &post.file) {
            (Some(source), Some(carried)) => {
                let file = self.fetched(source, carried).await;
                file.map(|file| (file, &carried.caption))
            }
            _ => None,
        };
        let first = |file: &Option<(File, &String)>| match file {
            Some((file, caption)) => (body(caption), Some(file.clone())),
            None => (body(&post.content), None),
        };
        let (what, with) = first(&file);
        let mut put = self.put(conversation, &post.source_id, what, with).await;
        if let Err(Stuck::Api(ApiError::Missing { .. })) = put {
            // Somebody deleted the conversation: another one is opened.
            self.forget(&post.peer.key).await?;
            conversation = self.thread_for(&post.peer).await?.conversation;
            let (what, with) = first(&file);
            put = self.put(conversation, &post.source_id, what, with).await;
        }
        if file.is_some() && matches!(put, Err(Stuck::Api(ApiError::Refused { .. }))) {
            // Too large for it, or of a kind that it does not take.
            put = self
                .put(conversation, &post.source_id, body(&post.content), None)
                .await;
        }
        if let Err(Stuck::Api(ApiError::Refused { words, .. })) = &put {
            // The agents must know that something came, if not what.
            let content = format!("{} ({words})", self.words.not_taken);
            put = self
                .put(conversation, &post.source_id, body(&content), None)
                .await;
        }
        let message = put?;
        let Some(source) = &post.source else {
            return Ok(None);
        };
        Ok(Some(Pair {
            message,
            conversation,
            wire_id: source.wire_id.clone(),
            from_me: source.from_me,
            message_id: Some(source.message_id.clone()),
            revoked: false,
        }))
    }

    /// Puts one message into a conversation unless it is there; gives its id.
    pub(super) async fn put(
        &mut self,
        conversation: i64,
        source_id: &str,
        mut body: Value,
        file: Option<File>,
    ) -> Result<i64, Stuck> {
        if !self.seen.knows(conversation) {
            let found = self.look(conversation).await?;
            self.seen.looked(conversation, found);
        }
        if let Some(there) = self.seen.find(conversation, source_id) {
            return Ok(there);
        }
        body["source_id"] = json!(source_id);
        match self.api.push(conversation, body, file).await {
            Ok(message) => {
                self.seen
                    .put(conversation, source_id.to_owned(), message.id);
                Ok(message.id)
            }
            Err(error) => {
                // It may be there all the same.
                self.seen.forget(conversation);
                Err(error.into())
            }
        }
    }

    /// What a conversation has of ours that we may not know of: after a kill, a lost answer, or when
    /// a backup was brought back. All is noted in the order in which it was put there, so what is
    /// older than a message that is noted is noted too.
    async fn look(&self, conversation: i64) -> Result<HashMap<String, i64>, Stuck> {
        let mut found = HashMap::new();
        let mut before = None;
        for _ in 0..PAGES {
            let page = self.api.messages(conversation, before).await?;
            let Some(oldest) = page.iter().map(|message| message.id).min() else {
                break;
            };
            for message in page.into_iter().rev() {
                let Some(source_id) = message.source_id else {
                    continue;
                };
                if !source_id.starts_with(SOURCE_PREFIX) {
                    continue;
                }
                let session = self.row.session.clone();
                let noted = self.store().pair_by_message(session, message.id).await?;
                found.insert(source_id, message.id);
                if noted.is_some() {
                    return Ok(found);
                }
            }
            before = Some(oldest);
        }
        Ok(found)
    }

    /// Says something to the agents in the bridge's own conversation, with the QR if one is shown.
    pub(super) async fn tell(&mut self, text: &str, source_id: &str) -> Result<(), Stuck> {
        let conversation = self.say_in_own(text, source_id).await?;
        self.show_qr(conversation, false, &format!("{source_id}/qr"))
            .await
    }

    async fn say_in_own(&mut self, text: &str, source_id: &str) -> Result<i64, Stuck> {
        let body = || json!({"content": text, "message_type": "incoming"});
        let conversation = self.system_thread().await?;
        match self.put(conversation, source_id, body(), None).await {
            Err(Stuck::Api(ApiError::Missing { .. })) => {
                self.forget(&self.system_peer().key).await?;
                let conversation = self.system_thread().await?;
                self.put(conversation, source_id, body(), None).await?;
                Ok(conversation)
            }
            said => said.map(|_| conversation),
        }
    }

    /// Puts the QR that is shown now into a conversation; `asked`: says so if there is none.
    pub(super) async fn show_qr(
        &mut self,
        conversation: i64,
        asked: bool,
        source_id: &str,
    ) -> Result<(), Stuck> {
        let session = self.shared.manager.get(&self.row.session);
        let state = session.ok().map(|session| session.info().state);
        let qr = match state {
            Some(SessionState::AwaitingLogin {
                prompt: Some(Prompt::Qr { text, .. }),
            }) => Some(text),
            _ => None,
        };
        let drawn = qr.and_then(|text| self.shared.options.draw_qr.and_then(|draw| draw(&text)));
        let Some(bytes) = drawn else {
            if asked {
                let body = json!({"content": self.words.no_code, "message_type": "incoming"});
                self.put(conversation, source_id, body, None).await?;
            }
            return Ok(());
        };
        let file = File {
            name: "whatsapp-qr.png".to_owned(),
            content_type: "image/png".to_owned(),
            bytes,
        };
        let body = json!({"content": self.words.scan, "message_type": "incoming"});
        self.put(conversation, source_id, body, Some(file)).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_bounded_and_forgotten_whole() {
        let mut seen = Seen::default();
        seen.put(1, "a".to_owned(), 10);
        assert!(!seen.knows(1), "never looked: nothing is known");
        seen.looked(1, HashMap::from([("a".to_owned(), 10)]));
        seen.put(1, "b".to_owned(), 11);
        assert_eq!((seen.find(1, "a"), seen.find(1, "b")), (Some(10), Some(11)));
        for n in 0..=MESSAGES {
            seen.put(1, n.to_string(), 12);
        }
        assert!(!seen.knows(1), "looked for again");
        for conversation in 0..10_000 {
            seen.looked(conversation, HashMap::new());
        }
        assert!(seen.0.len() <= CONVERSATIONS);
    }
}
