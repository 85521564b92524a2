//! Finds the contact and the conversation for somebody, and makes what is not there.

use super::api::{ApiError, Contact, Conversation};
use super::bridge::{Bridge, Stuck};
use super::config::{Resolved, brazilian_twins};
use super::incoming::SYSTEM_IDENTIFIER;
use super::outgoing::Peer;
use crate::store::Thread;

impl Bridge {
    /// The conversation with somebody.
    pub(super) async fn thread_for(&mut self, peer: &Peer) -> Result<Thread, Stuck> {
        let session = self.row.session.clone();
        let known = self
            .store()
            .thread(session.clone(), peer.key.clone())
            .await?;
        match known {
            // An incoming message reopens it by itself.
            Some(thread) if self.row.config.resolved == Resolved::Reopen => return Ok(thread),
            Some(mut thread) => {
                let open = self.open_conversation(thread.contact).await?;
                if open
                    .as_ref()
                    .is_some_and(|one| one.id == thread.conversation)
                {
                    return Ok(thread);
                }
                thread.conversation = match open {
                    Some(one) => one.id,
                    None => {
                        self.new_conversation(thread.contact, &thread.source_id)
                            .await?
                    }
                };
                self.remember(&peer.key, &thread).await?;
                return Ok(thread);
            }
            None => {}
        }
        let contact = match self.find(peer).await? {
            Some(found) => found,
            None => self.make(peer).await?,
        };
        let source_id = self.joined(&contact, peer).await?;
        let conversation = match self.open_conversation(contact.id).await? {
            Some(open) => open.id,
            None => self.new_conversation(contact.id, &source_id).await?,
        };
        let thread = Thread {
            contact: contact.id,
            source_id,
            conversation,
        };
        self.remember(&peer.key, &thread).await?;
        Ok(thread)
    }

    /// The conversation in which the bridge itself speaks to the agents.
    pub(super) async fn system_thread(&mut self) -> Result<i64, Stuck> {
        let peer = Peer {
            key: SYSTEM_IDENTIFIER.to_owned(),
            name: format!("ZapNode {}", self.row.session),
            phone: None,
            identifier: SYSTEM_IDENTIFIER.to_owned(),
        };
        Ok(self.thread_for(&peer).await?.conversation)
    }

    async fn remember(&self, key: &str, thread: &Thread) -> Result<(), Stuck> {
        let session = self.row.session.clone();
        let thread = Some(thread.clone());
        Ok(self
            .store()
            .put_thread(session, key.to_owned(), thread)
            .await?)
    }

    async fn find(&self, peer: &Peer) -> Result<Option<Contact>, Stuck> {
        for number in self.numbers(peer) {
            let found = self
                .api
                .find_contact(Some(&format!("+{number}")), None)
                .await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(self.api.find_contact(None, Some(&peer.identifier)).await?)
    }

    fn numbers(&self, peer: &Peer) -> Vec<String> {
        match &peer.phone {
            Some(digits) if self.row.config.merge_brazil => brazilian_twins(digits),
            Some(digits) => vec![digits.clone()],
            None => vec![],
        }
    }

    async fn make(&mut self, peer: &Peer) -> Result<Contact, Stuck> {
        let inbox = self.inbox().await?;
        let phone = peer.phone.as_ref().map(|digits| format!("+{digits}"));
        let made = self
            .api
            .make_contact(
                inbox,
                &peer.name,
                phone.as_deref(),
                &peer.identifier,
                &peer.key,
            )
            .await;
        match made {
            // Somebody made it a moment ago, or an earlier try of ours that was not answered.
            Err(ApiError::Refused {
                what,
                status,
                words,
            }) => match self.find(peer).await? {
                Some(found) => Ok(found),
                None => Err(ApiError::Refused {
                    what,
                    status,
                    words,
                }
                .into()),
            },
            made => Ok(made?),
        }
    }

    /// The key of a contact's thread in our inbox.
    async fn joined(&mut self, contact: &Contact, peer: &Peer) -> Result<String, Stuck> {
        let inbox = self.inbox().await?;
        let known = contact
            .contact_inboxes
            .iter()
            .find(|one| one.inbox.id == inbox);
        match known {
            Some(known) => Ok(known.source_id.clone()),
            None => Ok(self.api.join(contact.id, inbox, &peer.key).await?),
        }
    }

    /// The newest conversation of a contact in our inbox that goes on.
    async fn open_conversation(&mut self, contact: i64) -> Result<Option<Conversation>, Stuck> {
        let inbox = self.inbox().await?;
        let all = self.api.conversations(contact).await?;
        Ok(choose(all, inbox, self.row.config.resolved))
    }

    async fn new_conversation(&mut self, contact: i64, source_id: &str) -> Result<i64, Stuck> {
        let inbox = self.inbox().await?;
        let status = if self.row.config.pending {
            "pending"
        } else {
            "open"
        };
        let made = self
            .api
            .make_conversation(inbox, contact, source_id, status)
            .await?;
        Ok(made.id)
    }
}

/// The one to go on in: what is open before what is resolved, the newest first.
fn choose(mut all: Vec<Conversation>, inbox: i64, resolved: Resolved) -> Option<Conversation> {
    all.retain(|one| one.inbox_id == inbox);
    all.retain(|one| one.status != "resolved" || resolved == Resolved::Reopen);
    all.into_iter()
        .max_by_key(|one| (one.status != "resolved", one.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conversation_that_goes_on_is_chosen() {
        let one = |id, inbox_id, status: &str| Conversation {
            id,
            inbox_id,
            status: status.to_owned(),
        };
        let all = || {
            vec![
                one(1, 7, "open"),
                one(2, 7, "resolved"),
                one(3, 8, "open"),
                one(4, 7, "resolved"),
            ]
        };
        let chosen = |all, how| choose(all, 7, how).map(|one| one.id);
        assert_eq!(chosen(all(), Resolved::Reopen), Some(1));
        assert_eq!(chosen(all(), Resolved::New), Some(1));
        let ended = || vec![one(2, 7, "resolved"), one(4, 7, "resolved")];
        assert_eq!(chosen(ended(), Resolved::Reopen), Some(4));
        assert_eq!(chosen(ended(), Resolved::New), None);
        assert_eq!(
            chosen(
                vec![one(5, 7, "pending"), one(1, 7, "snoozed")],
                Resolved::New
            ),
            Some(5)
        );
    }
}
