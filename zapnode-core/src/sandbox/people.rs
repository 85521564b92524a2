//! What an account has besides messages: its address book, whom it has blocked, its picture and
//! words, and how its chats are marked (fact sheet §6).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::account::Item;
use super::groups::Place;
use super::phone::{Phone, PhoneError};
use super::wire::{BookEntry, ToPage};
use super::world::World;
use crate::id::PhoneNumber;

/// How a picture comes out of a page's canvas.
const JPEG: &str = "data:image/jpeg;base64,";

/// The part of an account that is not messages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Card {
    about: String,
    /// As a data URL.
    picture: Option<String>,
    picture_version: u32,
    /// What a business says of itself.
    business: Map<String, Value>,
    book: BTreeMap<PhoneNumber, String>,
    pub(super) blocked: BTreeSet<PhoneNumber>,
    chats: BTreeMap<String, ChatMarks>,
    rejected: Vec<RejectedCall>,
}

/// How a chat is marked on a phone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChatMarks {
    /// In the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<bool>,
    /// Pinned since then, in Unix seconds; 0: not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pin: Option<i64>,
    /// 0: not muted; -1: for ever; else until then, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mute: Option<i64>,
    /// -1: marked as unread.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread_count: Option<i64>,
}

impl ChatMarks {
    fn merge(&mut self, change: &Self) {
        self.archive = change.archive.or(self.archive);
        self.pin = change.pin.or(self.pin);
        self.mute = change.mute.or(self.mute);
        self.unread_count = change.unread_count.or(self.unread_count);
    }
}

impl Card {
    /// The chat is read; whether it had been marked as unread.
    pub(super) fn unmark_unread(&mut self, chat: &Place) -> bool {
        let marks = self.chats.get_mut(&place_name(chat));
        let marks = marks.filter(|marks| marks.unread_count == Some(-1));
        marks.is_some_and(|marks| marks.unread_count.replace(0).is_some())
    }
}

/// A call that a page turned away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedCall {
    /// The call.
    pub id: String,
    /// How: `voip`, by the page's own way, or `stanza`, by a stanza made by hand.
    pub way: String,
}

/// What a page does with a chat as a whole.
#[derive(Clone, Debug)]
pub(super) struct ChatAct {
    pub(super) marks: ChatMarks,
    pub(super) cleared: bool,
    pub(super) deleted: bool,
}

/// What a page asks of a person, or of its own account.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Asked {
    About,
    SetAbout,
    SetName,
    Picture,
    SetPicture,
    Business,
    Block,
}

impl World {
    /// A page does something with a chat as a whole; the account's other devices hear of it.
    pub(super) fn act_on_chat(
        &mut self,
        me: &PhoneNumber,
        device: &str,
        chat: &str,
        act: &ChatAct,
    ) {
        let Some(place) = self.place(chat) else {
            return;
        };
        let name = place_name(&place);
        let account = self.account(me);
        if act.cleared || act.deleted {
            for message in &mut account.messages {
                message.deleted |= message.place() == place;
            }
        }
        if act.deleted {
            account.card.chats.remove(&name);
        } else {
            account
                .card
                .chats
                .entry(name)
                .or_default()
                .merge(&act.marks);
        }
        let item = Item::Chat {
            chat: place,
            marks: act.marks.clone(),
            cleared: act.cleared,
            deleted: act.deleted,
        };
        self.keep_for_devices(me, &item, Some(device));
    }

    /// Answers what a page asks of a person: a status as the servers give it, and the answer.
    pub(super) fn ask_of_person(
        &mut self,
        me: &PhoneNumber,
        what: Asked,
        wid: &str,
        text: Option<String>,
        on: bool,
    ) -> (u16, Value) {
        let Some(person) = self.person(wid) else {
            return (404, Value::Null);
        };
        let own = person == *me;
        let lid = self.account(&person).lid.clone();
        let card = &mut self.account(&person).card;
        match what {
            Asked::About => (200, json!(card.about)),
            Asked::Picture => match card.picture {
                None => (404, Value::Null),
                Some(_) => {
                    let version = card.picture_version;
                    (200, json!(format!("/pps/{lid}.jpg?v={version}")))
                }
            },
            Asked::Business => (200, json!(card.business)),
            Asked::Block => {
                let blocked = &mut self.account(me).card.blocked;
                if on {
                    blocked.insert(person);
                } else {
                    blocked.remove(&person);
                }
                self.tell_account(me);
                (200, Value::Null)
            }
            // Nobody changes somebody else.
            Asked::SetAbout | Asked::SetName | Asked::SetPicture if !own => (403, Value::Null),
            Asked::SetAbout => {
                card.about = text.unwrap_or_default();
                (200, Value::Null)
            }
            Asked::SetPicture => {
                card.picture = text.filter(|picture| !picture.is_empty());
                card.picture_version += 1;
                (200, Value::Null)
            }
            Asked::SetName => {
                self.account(me).name = text.unwrap_or_default();
                (200, Value::Null)
            }
        }
    }

    /// Notes that a page turned a call away.
    pub(super) fn reject_call(&mut self, me: &PhoneNumber, id: String, way: String) {
        self.account(me)
            .card
            .rejected
            .push(RejectedCall { id, way });
    }

    /// Whether `reader` wants nothing of `writer`.
    pub(super) fn has_blocked(&self, reader: &PhoneNumber, writer: &PhoneNumber) -> bool {
        let account = self.accounts.get(reader);
        account.is_some_and(|account| account.card.blocked.contains(writer))
    }

    /// What a page is told of its account besides its messages.
    pub(super) fn account_frame(&mut self, me: &PhoneNumber) -> ToPage {
        let Card { book, blocked, .. } = self.account(me).card.clone();
        let lid =
            |world: &mut Self, number: &PhoneNumber| format!("{}@lid", world.account(number).lid);
        ToPage::Account {
            book: book
                .into_iter()
                .map(|(number, name)| BookEntry {
                    pn: format!("{number}@c.us"),
                    lid: lid(self, &number),
                    name,
                })
                .collect(),
            blocked: blocked.iter().map(|number| lid(self, number)).collect(),
        }
    }

    fn tell_account(&mut self, me: &PhoneNumber) {
        let frame = self.account_frame(me);
        for device in self.devices_of(me) {
            if let Some(connection) = self.connection_of(&device) {
                self.tell(connection, frame.clone());
            }
        }
    }

    /// The picture of who has this LID, as the servers hand it out.
    pub(super) fn picture_file(&self, name: &str) -> Response {
        let lid = name.strip_suffix(".jpg").unwrap_or_default();
        let account = self.accounts.values().find(|account| account.lid == lid);
        let picture = account.and_then(|account| account.card.picture.as_deref());
        let bytes = picture.and_then(|picture| STANDARD.decode(picture.strip_prefix(JPEG)?).ok());
        let headers: [(HeaderName, &str); 2] =
            [(CONTENT_TYPE, "image/jpeg"), (CACHE_CONTROL, "no-store")];
        match bytes {
            Some(bytes) => (headers, bytes).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

fn place_name(place: &Place) -> String {
    match place {
        Place::Person(person) => person.to_string(),
        Place::Group(group) => group.to_string(),
    }
}

impl Phone {
    /// What the account says about itself.
    pub fn about(&self) -> String {
        self.card().about
    }

    /// Says something else.
    pub fn set_about(&self, text: &str) {
        self.change_card(|card| text.clone_into(&mut card.about));
    }

    /// The account's picture, as JPEG.
    pub fn picture(&self) -> Option<Vec<u8>> {
        let picture = self.card().picture?;
        STANDARD.decode(picture.strip_prefix(JPEG)?).ok()
    }

    /// Shows a JPEG as the account's picture, or none.
    pub fn set_picture(&self, jpeg: Option<&[u8]>) {
        self.change_card(|card| {
            card.picture = jpeg.map(|jpeg| format!("{JPEG}{}", STANDARD.encode(jpeg)));
            card.picture_version += 1;
        });
    }

    /// The name that others see.
    pub fn name(&self) -> String {
        self.hub.look(|world| {
            let account = world.accounts.get(self.number());
            account
                .map(|account| account.name.clone())
                .unwrap_or_default()
        })
    }

    /// Makes a business of the account, with a description of itself.
    pub fn set_business(&self, profile: Map<String, Value>) {
        self.change_card(|card| card.business = profile);
    }

    /// Puts somebody into the phone's address book; the account's pages hear of it.
    pub fn save_contact(&self, number: &PhoneNumber, name: &str) {
        self.hub.change(|world| {
            let book = &mut world.account(self.number()).card.book;
            book.insert(number.clone(), name.to_owned());
            world.tell_account(self.number());
        });
    }

    /// Whom the account has blocked.
    pub fn blocked(&self) -> Vec<PhoneNumber> {
        self.card().blocked.into_iter().collect()
    }

    /// How a chat is marked.
    pub fn chat_marks(&self, chat: impl Into<Place>) -> ChatMarks {
        let name = place_name(&chat.into());
        self.card().chats.remove(&name).unwrap_or_default()
    }

    /// The calls to this account that a page turned away.
    pub fn rejected_calls(&self) -> Vec<RejectedCall> {
        self.card().rejected
    }

    /// Waits until a page has turned this call away; gives how.
    ///
    /// # Errors
    /// When none does within the time.
    pub async fn wait_for_rejected(
        &self,
        call: &str,
        within: Duration,
    ) -> Result<String, PhoneError> {
        let mut changes = self.hub.changes();
        let wait = async {
            loop {
                changes.mark_unchanged();
                let calls = self.rejected_calls();
                if let Some(found) = calls.into_iter().find(|one| one.id == call) {
                    return found.way;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let waited = tokio::time::timeout(within, wait).await;
        waited.map_err(|_| PhoneError::TimedOut(within))
    }

    fn card(&self) -> Card {
        self.hub.look(|world| {
            let account = world.accounts.get(self.number());
            account
                .map(|account| account.card.clone())
                .unwrap_or_default()
        })
    }

    fn change_card(&self, change: impl FnOnce(&mut Card)) {
        self.hub
            .change(|world| change(&mut world.account(self.number()).card));
    }
}
