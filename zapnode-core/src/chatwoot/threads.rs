//! Finds the contact and the conversation for somebody, and makes what is not there.

use super::api::{ApiError, Contact, Conversation};
use super::bridge::{Bridge, Stuck};
use super::config::{Resolved, brazilian_twins};
use super::incoming::system_identifier;
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
        if let Some(known) = known {
            match self.still_there(known, peer).await {
                // The contact was deleted in Chatwoot: whoever writes is somebody new there.
                Err(Stuck::Api(ApiError::Missing { .. })) => {}
                thread => return thread,
            }
        }
        let (contact, named) = match self.find(peer).await? {
            Some(found) => (found, true),
            None => (self.make(peer).await?, peer.named),
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
            chat: peer.chat.clone(),
            named,
        };
        self.remember(&peer.key, &thread).await?;
        Ok(thread)
    }

    /// A thread that is known, with what has changed about it since.
    async fn still_there(&mut self, mut thread: Thread, peer: &Peer) -> Result<Thread, Stuck> {
        let before = thread.clone();
        if peer.named && !thread.named {
            let known = self.api.contact(thread.contact).await?;
            // An agent's name for them is better than their own.
            if is_placeholder(known.name.as_deref().unwrap_or_default()) {
                self.api.rename_contact(thread.contact, &peer.name).await?;
            }
            thread.named = true;
        }
        // WhatsApp moves chats from numbers to LIDs: the answer goes where they wrote last.
        if peer.chat.is_some() {
            thread.chat.clone_from(&peer.chat);
        }
        // To reopen is Chatwoot's own doing, once an incoming message comes.
        if self.row.config.resolved == Resolved::New {
            let open = self.open_conversation(thread.contact).await?;
            thread.conversation = match open {
                Some(open) => open.id,
                None => {
                    self.new_conversation(thread.contact, &thread.source_id)
                        .await?
                }
            };
        }
        if thread != before {
            self.remember(&peer.key, &thread).await?;
        }
        Ok(thread)
    }

    /// The conversation in which the bridge itself speaks to the agents.
    pub(super) async fn system_thread(&mut self) -> Result<i64, Stuck> {
        Ok(self.thread_for(&self.system_peer()).await?.conversation)
    }

    /// The contact that stands for the bridge. Each session has its own: they may share an account.
    pub(super) fn system_peer(&self) -> Peer {
        let identifier = system_identifier(&self.row.session);
        Peer {
            key: identifier.clone(),
            name: format!("ZapNode {}", self.row.session),
            named: true,
            chat: None,
            phone: None,
            identifier,
        }
    }

    /// Forgets where the conversation with somebody is, so that it is looked for again.
    pub(super) async fn forget(&self, key: &str) -> Result<(), Stuck> {
        let session = self.row.session.clone();
        Ok(self
            .store()
            .put_thread(session, key.to_owned(), None)
            .await?)
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
            // Chatwoot finds it in numbers and identifiers alike: one search for both.
            let found = self.api.search_contacts(&number).await?;
            if let Some(found) = with_number(found, &number) {
                return Ok(Some(found));
            }
        }
        if peer.phone.is_some() {
            return Ok(None);
        }
        let found = self.api.search_contacts(&peer.identifier).await?;
        let same = |one: &Contact| one.identifier.as_deref() == Some(peer.identifier.as_str());
        Ok(found.into_iter().find(same))
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
                // A number that Chatwoot takes for none: the identifier has it too.
                None if phone.is_some() => {
                    let (name, key) = (&peer.name, &peer.key);
                    let made = self
                        .api
                        .make_contact(inbox, name, None, &peer.identifier, key);
                    Ok(made.await?)
                }
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

/// The contact that has this number; before one that only another bridge named by it.
fn with_number(mut found: Vec<Contact>, digits: &str) -> Option<Contact> {
    let has_number = |one: &Contact| {
        let number = one.phone_number.as_deref().unwrap_or_default();
        number.strip_prefix('+') == Some(digits)
    };
    let named_by_it = |one: &Contact| {
        let name = one.identifier.as_deref().unwrap_or_default();
        let user = name
            .strip_suffix("@c.us")
            .or_else(|| name.strip_suffix("@s.whatsapp.net"));
        user == Some(digits)
    };
    let at = found
        .iter()
        .position(has_number)
        .or_else(|| found.iter().position(named_by_it))?;
    Some(found.swap_remove(at))
}

/// Whether a contact is called by a number or id for want of a name.
fn is_placeholder(name: &str) -> bool {
    let bare = name.strip_prefix('+').unwrap_or(name);
    let bare = bare.split('@').next().unwrap_or_default();
    bare.chars().all(|c| c.is_ascii_digit())
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

    fn contact(id: i64, phone: &str, identifier: &str) -> Contact {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Contact {
            id,
            name: None,
            phone_number: text(phone),
            identifier: text(identifier),
            contact_inboxes: vec![],
        }
    }

    #[test]
    fn a_contact_is_found_by_its_whole_number_only() {
        let found = |all: &[(&str, &str)]| {
            let all = all.iter().zip(1..).map(|((p, i), id)| contact(id, p, i));
            with_number(all.collect(), "244929782402").map(|one| one.id)
        };
        for (all, wanted) in [
            (vec![("+2449297824021", ""), ("+244929782402", "")], Some(2)),
            (vec![("", "244929782402@s.whatsapp.net")], Some(1)),
            // A number counts more than a name.
            (
                vec![("", "244929782402@c.us"), ("+244929782402", "x")],
                Some(2),
            ),
            (vec![("", "244929782402@example.com")], None),
            (vec![], None),
        ] {
            assert_eq!(found(&all), wanted, "{all:?}");
        }
    }

    #[test]
    fn a_name_somebody_gave_is_no_placeholder() {
        for (name, placeholder) in [
            ("+244929782402", true),
            ("8123@lid", true),
            ("", true),
            ("Ana", false),
            ("Ana 2", false),
        ] {
            assert_eq!(is_placeholder(name), placeholder, "{name}");
        }
    }

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
