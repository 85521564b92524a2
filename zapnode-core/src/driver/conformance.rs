//! What every driver promises, as one run through the life of a session.
//!
//! Whoever writes a driver implements [`World`] for it (a way to play the phone) and calls
//! [`run`], which panics at the first promise that is broken, naming it.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{
    Connection, Driver, DriverClosed, DriverError, DriverEvent, LinkState, LoginPrompt,
    LogoutReason, OpenRequest, Opened, StoredLogin,
};
use crate::chat::{Chat, ChatChange, ChatQuery, HistoryQuery, KnownMessage, Mute};
use crate::contact::{ContactQuery, Picture, ProfileChange};
use crate::id::{ChatId, MessageId, PhoneNumber, WireId};
use crate::message::{Ack, Contact, OutgoingMessage, Person, Recipient, RevokedFor};
use crate::options::SessionOptions;

mod files;
mod groups;

pub use groups::{GroupWorld, SeenGroup};

/// How long any one event may take to come.
const PATIENCE: Duration = Duration::from_secs(60);

/// The other side of the driver under test: phones that a person would hold.
#[async_trait]
pub trait World: GroupWorld {
    /// The driver.
    fn driver(&self) -> &dyn Driver;
    /// A login that is not stored yet, in a folder that can be written.
    fn login(&self) -> StoredLogin;
    /// The phone `account` scans what the session shows.
    async fn scan(&self, account: &PhoneNumber, qr: &str);
    /// `from` writes to the session's account.
    async fn write(&self, from: &PhoneNumber, account: &PhoneNumber, text: &str);
    /// `from` does something with a message that they wrote to the session's account.
    async fn change(&self, from: &PhoneNumber, account: &PhoneNumber, id: &WireId, change: Change);
    /// Somebody sends a document with these bytes to the account.
    async fn send_document(&self, from: &PhoneNumber, account: &PhoneNumber, bytes: &[u8]);
    /// The bytes of a document that a phone received.
    async fn document(&self, phone: &PhoneNumber, id: &WireId) -> Vec<u8>;
    /// The texts that `phone` has received, once for each wire id, in order.
    async fn received(&self, phone: &PhoneNumber) -> Vec<(WireId, String)>;
    /// Waits, for a bounded time, until `phone` shows that the session's account types (`on`), or
    /// does no more. Panics if it does not come to that.
    async fn sees_typing(&self, phone: &PhoneNumber, on: bool);
    /// Waits, for a bounded time, until `phone` shows a message so. Panics if it does not come to
    /// that.
    async fn shows(&self, phone: &PhoneNumber, id: &WireId, shown: Shown);
    /// `from` calls the session's account; gives the call's id.
    async fn call(&self, from: &PhoneNumber, account: &PhoneNumber) -> String;
    /// Waits, for a bounded time, until a call was turned away. Panics if it does not come to that.
    async fn sees_rejected(&self, account: &PhoneNumber, call: &str);
    /// The phone `account` removes the device.
    async fn remove_device(&self, account: &PhoneNumber);
    /// The account that logs in.
    fn account(&self) -> PhoneNumber;
    /// Somebody else who is on WhatsApp.
    fn friend(&self) -> PhoneNumber;
    /// Somebody who is not.
    fn stranger(&self) -> PhoneNumber;
    /// A third person who is.
    fn bystander(&self) -> PhoneNumber;
}

/// What a person does with a message they wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Gives it another text.
    Edit(String),
    /// Puts a reaction on it, or takes that away.
    React(Option<String>),
    /// Takes it back.
    Revoke,
}

/// How a phone shows a message that the session's account did something with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// With this text, and as changed.
    Edited(String),
    /// With this reaction of the account on it, or none.
    Reaction(Option<String>),
    /// As the answer to this message.
    ReplyTo(WireId),
    /// As taken back.
    Revoked,
    /// As before, though it is gone on the account's own devices.
    Untouched,
}

/// Runs the suite.
///
/// # Panics
/// At the first broken promise.
pub async fn run(world: &dyn World) {
    let login = world.login();
    first_login_and_messages(world, &login).await;
    login_is_kept_and_can_be_ended(world, &login).await;
    device_removed_by_the_phone(world, &login).await;
}

async fn first_login_and_messages(world: &dyn World, login: &StoredLogin) {
    let mut session = Session::open(world, login).await;
    let qr = session
        .until("a QR for a new login", |event| match event {
            DriverEvent::Login(LoginPrompt::Qr { text, valid_for }) => {
                assert!(!valid_for.is_zero(), "a QR is good for some time");
                Some(text.clone())
            }
            DriverEvent::Link(LinkState::Ready(_)) => panic!("ready before any login"),
            _ => None,
        })
        .await;
    let parts = qr.split(',').count();
    assert!(
        (4..=5).contains(&parts),
        "a QR has 4 or 5 parts, not {parts}"
    );
    assert!(
        session
            .connection
            .send(&text_to(Contact {
                chat: (&world.friend()).into(),
                phone: None,
                lid: None
            }))
            .await
            .is_err(),
        "nothing can be sent before the login"
    );
    assert!(
        session.connection.reconnect().await.is_err(),
        "there is no link to mend before the login"
    );

    world.scan(&world.account(), &qr).await;
    session
        .ready("ready after the scan", &world.account())
        .await;

    let found = session.find(&world.friend()).await;
    assert!(
        session
            .connection
            .find_contact(&Recipient::Phone(world.stranger()))
            .await
            .expect("an answer")
            .is_none(),
        "a number that is not on WhatsApp is not found"
    );
    send_once(world, &mut session, found.clone()).await;
    shows_typing(world, &session, &found).await;
    let message = receive(world, &mut session).await;
    reads_and_changes_chats(world, &session, &found).await;
    reads_people(world, &session, &found).await;
    changes_the_profile(&session).await;
    turns_a_call_away(world, &mut session).await;
    changes_messages(world, &mut session, &found, &message).await;
    hears_changes(world, &mut session, &message).await;
    files::files(world, &mut session, &found.chat, &message).await;
    groups::run(world, &mut session).await;
    survives_reload(world, &mut session, found).await;
    session.close().await;
}

async fn send_once(world: &dyn World, session: &mut Session, friend: Contact) {
    let text = text_to(friend);
    let sent = session.connection.send(&text).await.expect("sent");
    assert_eq!(
        sent.id.wire_id(),
        text.wire_id,
        "the message has the id that was chosen"
    );
    assert!(sent.id.from_me(), "the key says that it is ours");
    session.server_has(&text.wire_id).await;
    let again = session.connection.send(&text).await.expect("known");
    assert_eq!(again.id, sent.id, "the same id again is the same message");
    let known = session
        .connection
        .find_message(&sent.id)
        .await
        .expect("an answer")
        .expect("known by its key");
    assert!(known.ack >= Ack::Server, "the page knows how far it is");
    let received = world.received(&world.friend()).await;
    let mine: Vec<_> = received
        .iter()
        .filter(|(id, _)| *id == text.wire_id)
        .collect();
    assert_eq!(mine.len(), 1, "the friend has it once");
    assert_eq!(mine[0].1, WORDS, "word for word");
}

async fn shows_typing(world: &dyn World, session: &Session, friend: &Contact) {
    use crate::message::Activity::{Paused, Typing};
    for (activity, on) in [(Typing, true), (Paused, false)] {
        let shown = session.connection.show_activity(&friend.chat, activity);
        shown.await.expect("typing is shown and ended");
        world.sees_typing(&world.friend(), on).await;
    }
}

async fn receive(world: &dyn World, session: &mut Session) -> MessageId {
    let written = "Olá! 🚀\nsegunda linha \"entre aspas\"";
    world
        .write(&world.friend(), &world.account(), written)
        .await;
    let message = session
        .until("an incoming text", |event| match event {
            DriverEvent::Message(message) => Some(message.clone()),
            _ => None,
        })
        .await;
    assert_eq!(message.text.as_deref(), Some(written));
    assert!(!message.from_me && !message.id.from_me());
    assert!(
        message.from_phone.is_some() || message.from_lid.is_some(),
        "the writer is named"
    );
    message.id
}

/// What is done to messages reaches the other side, and is told here too. `theirs` is one of the
/// friend.
async fn changes_messages(
    world: &dyn World,
    session: &mut Session,
    friend: &Contact,
    theirs: &MessageId,
) {
    let connection = std::sync::Arc::clone(&session.connection);
    let phone = world.friend();
    let reply = OutgoingMessage {
        reply_to: Some(theirs.clone()),
        ..text_to(friend.clone())
    };
    let mine = connection.send(&reply).await.expect("answered").id;
    session.server_has(&reply.wire_id).await;
    let quoted = Shown::ReplyTo(theirs.wire_id());
    world.shows(&phone, &reply.wire_id, quoted).await;

    connection
        .edit(&mine, "Melhor assim")
        .await
        .expect("edited");
    let edited = Shown::Edited("Melhor assim".to_owned());
    world.shows(&phone, &reply.wire_id, edited).await;
    let told = session.own_change(&mine).await;
    assert_eq!(told, Change::Edit("Melhor assim".to_owned()));
    for emoji in [Some("👍"), Some("❤️"), None] {
        connection.react(theirs, emoji).await.expect("reacted");
        let emoji = emoji.map(str::to_owned);
        let shown = Shown::Reaction(emoji.clone());
        world.shows(&phone, &theirs.wire_id(), shown).await;
        let told = session.own_change(theirs).await;
        assert_eq!(told, Change::React(emoji));
    }
    let everyone = RevokedFor::Everyone;
    for refused in [
        connection.edit(theirs, "não é meu").await,
        connection.revoke(theirs, everyone).await,
    ] {
        let refused = refused.expect_err("somebody else's");
        assert!(
            matches!(refused, DriverError::NotAllowed { .. }),
            "{refused}"
        );
    }
    connection.revoke(&mine, everyone).await.expect("revoked");
    world.shows(&phone, &reply.wire_id, Shown::Revoked).await;
    assert_eq!(session.own_change(&mine).await, Change::Revoke);
    let again = connection.revoke(&mine, everyone).await;
    again.expect("one that is taken back is no error");
    let gone = connection.react(&mine, Some("👍")).await;
    let gone = gone.expect_err("it was taken back");
    assert!(matches!(gone, DriverError::NotAllowed { .. }), "{gone}");

    let text = text_to(friend.clone());
    let own = connection.send(&text).await.expect("sent").id;
    session.server_has(&text.wire_id).await;
    let deleted = connection.revoke(&own, RevokedFor::Me).await;
    deleted.expect("deleted here");
    assert_eq!(session.own_change(&own).await, Change::Revoke);
    world.shows(&phone, &text.wire_id, Shown::Untouched).await;
    let unknown = connection.revoke(&own, RevokedFor::Me).await;
    let unknown = unknown.expect_err("it is gone");
    assert!(
        matches!(unknown, DriverError::MessageUnknown { .. }),
        "{unknown}"
    );
}

/// The chat with the friend is listed, read back and changed; it has what was sent and received.
async fn reads_and_changes_chats(world: &dyn World, session: &Session, friend: &Contact) {
    let connection = &session.connection;
    let all = ChatQuery {
        limit: 50,
        ..ChatQuery::default()
    };
    let page = connection.chats(&all).await.expect("chats");
    assert!(page.total >= 1 && page.next.is_none(), "{page:?}");
    let listed = page.chats.iter().find(|chat| chat.id == friend.chat);
    let listed = listed.expect("the friend's chat is listed");
    assert!(!listed.is_group && listed.unread >= 1, "{listed:?}");
    let last = listed.last_message.as_ref().expect("its last message");
    assert!(!last.from_me, "the friend wrote last");

    let wanted = HistoryQuery {
        chat: friend.chat.clone(),
        before: None,
        limit: 50,
        known: vec![],
    };
    let history = connection.chat_messages(&wanted).await.expect("messages");
    let texts: Vec<_> = history.messages.iter().map(|m| m.from_me).collect();
    assert_eq!(texts, [false, true], "newest first: {history:?}");
    let (newest, oldest) = (&history.messages[0], &history.messages[1]);
    let one = HistoryQuery {
        before: Some(newest.id.clone()),
        limit: 1,
        known: [oldest, newest]
            .map(|message| KnownMessage {
                id: Some(message.id.clone()),
                wire_id: message.id.wire_id(),
                from_me: message.from_me,
            })
            .into_iter()
            .chain([KnownMessage {
                id: None,
                wire_id: WireId::choose(),
                from_me: true,
            }])
            .collect(),
        ..wanted.clone()
    };
    let before = connection.chat_messages(&one).await.expect("messages");
    let ids: Vec<_> = before.messages.iter().map(|m| &m.id).collect();
    assert_eq!(ids, [&oldest.id], "what is older than the newest");
    assert_eq!(before.known, [true, true, false], "what the page has");
    let found = connection.search_messages("segunda linha", Some(&friend.chat), 5);
    let found = found.await.expect("searched");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].id, newest.id);

    let until = OffsetDateTime::now_utc().replace_nanosecond(0);
    let until = until.expect("whole seconds") + Duration::from_secs(3600);
    let chat = async || {
        let chat = connection.chat(&friend.chat).await.expect("an answer");
        chat.expect("the chat is there")
    };
    type Holds<'a> = &'a (dyn Fn(&Chat) -> bool + Sync);
    let changes: [(ChatChange, Holds<'_>); 8] = [
        (ChatChange::Archive(true), &|c| c.is_archived),
        (ChatChange::Archive(false), &|c| !c.is_archived),
        (ChatChange::Pin(true), &|c| c.is_pinned),
        (ChatChange::Pin(false), &|c| !c.is_pinned),
        (ChatChange::Mute(Some(Mute::Forever)), &|c| {
            c.mute == Some(Mute::Forever)
        }),
        (ChatChange::Mute(Some(Mute::Until(until))), &|c| {
            c.mute == Some(Mute::Until(until))
        }),
        (ChatChange::Mute(None), &|c| c.mute.is_none()),
        (ChatChange::MarkUnread, &|c| c.is_marked_unread),
    ];
    for (change, holds) in changes {
        let changed = connection.change_chat(&friend.chat, change).await;
        assert!(changed.expect("changed"), "{change:?}");
        let now = chat().await;
        assert!(holds(&now), "{change:?}: {now:?}");
    }
    let nobody = ChatId::from(&world.stranger());
    assert!(connection.chat(&nobody).await.expect("an answer").is_none());
    let changed = connection.change_chat(&nobody, ChatChange::Archive(true));
    assert!(!changed.await.expect("an answer"), "there is no such chat");
    let of_nobody = HistoryQuery {
        chat: nobody,
        ..wanted
    };
    let none = connection
        .chat_messages(&of_nobody)
        .await
        .expect("an answer");
    assert!(none.messages.is_empty() && !none.has_more);
}

/// People are found, blocked and freed; strangers are not.
async fn reads_people(world: &dyn World, session: &Session, friend: &Contact) {
    let connection = &session.connection;
    let id = friend.phone.clone().unwrap_or_else(|| friend.chat.clone());
    let person = connection.contact(&id).await.expect("an answer");
    let person = person.expect("the friend is on WhatsApp");
    assert!(!person.is_blocked && !person.is_me, "{person:?}");
    let stranger = ChatId::from(&world.stranger());
    assert!(
        connection
            .contact(&stranger)
            .await
            .expect("an answer")
            .is_none()
    );
    let all = ContactQuery {
        limit: 200,
        ..ContactQuery::default()
    };
    let page = connection.contacts(&all).await.expect("contacts");
    assert_eq!(page.total, page.contacts.len());
    for blocked in [true, true, false, false] {
        let done = connection.set_blocked(&id, blocked).await;
        done.expect("blocked, or not any more");
        let person = connection.contact(&id).await.expect("an answer");
        assert_eq!(person.map(|person| person.is_blocked), Some(blocked));
        let list = connection.blocked().await.expect("a list");
        let names = |one: &Person| {
            [Some(&one.id), one.phone.as_ref(), one.lid.as_ref()].contains(&Some(&id))
        };
        assert_eq!(list.iter().any(names), blocked, "{list:?}");
    }
    assert_eq!(connection.picture(&id).await.expect("an answer"), None);
    assert_eq!(
        connection.business_profile(&id).await.expect("an answer"),
        None
    );
    assert_eq!(connection.about(&id).await.expect("an answer"), None);
}

async fn changes_the_profile(session: &Session) {
    let connection = &session.connection;
    let picture = Picture::new(include_bytes!("conformance.png").to_vec());
    for change in [
        ProfileChange::Name("Loja da Ana".to_owned()),
        ProfileChange::About("Aberta até às 18h".to_owned()),
        ProfileChange::Picture(picture.expect("a picture")),
    ] {
        connection.change_profile(&change).await.expect("changed");
    }
    let profile = connection.own_profile().await.expect("the profile");
    assert_eq!(profile.name.as_deref(), Some("Loja da Ana"));
    assert_eq!(profile.about.as_deref(), Some("Aberta até às 18h"));
    assert!(profile.picture.is_some(), "{profile:?}");
    let change = ProfileChange::NoPicture;
    connection.change_profile(&change).await.expect("changed");
    connection
        .change_profile(&change)
        .await
        .expect("no error twice");
    let profile = connection.own_profile().await.expect("the profile");
    assert_eq!(profile.picture, None);
}

async fn turns_a_call_away(world: &dyn World, session: &mut Session) {
    let id = world.call(&world.friend(), &world.account()).await;
    session
        .until("the call", |event| match event {
            DriverEvent::Call(call) if call.id == id => Some(()),
            _ => None,
        })
        .await;
    let rejected = session.connection.reject_call(&id, None).await;
    assert!(rejected.expect("turned away"), "the call is known");
    world.sees_rejected(&world.account(), &id).await;
    let rejected = session.connection.reject_call("nothing", None).await;
    assert!(!rejected.expect("an answer"), "and no other");
}

/// What becomes of a message is told of that message, once and in order.
async fn hears_changes(world: &dyn World, session: &mut Session, id: &MessageId) {
    let emoji = Some("👍".to_owned());
    let changes = [
        Change::Edit("Corrigido".to_owned()),
        Change::React(emoji),
        Change::React(None),
        Change::Revoke,
    ];
    for change in changes {
        let (friend, account) = (world.friend(), world.account());
        world
            .change(&friend, &account, &id.wire_id(), change.clone())
            .await;
        let (told_of, told, from) = session
            .until("word of a change", |event| match event {
                DriverEvent::Edited(edit) => {
                    let text = edit.text.clone().unwrap_or_default();
                    Some((edit.id.clone(), Change::Edit(text), edit.from.clone()))
                }
                DriverEvent::Reaction(reaction) => Some((
                    reaction.message.clone(),
                    Change::React(reaction.emoji.clone()),
                    reaction.from.clone(),
                )),
                DriverEvent::Revoked(revoke) => {
                    assert_eq!(revoke.revoked_for, RevokedFor::Everyone);
                    Some((revoke.id.clone(), Change::Revoke, revoke.from.clone()))
                }
                _ => None,
            })
            .await;
        assert_eq!(told, change, "what was done");
        assert_eq!(told_of.wire_id(), id.wire_id(), "with which message");
        assert!(
            from.phone.is_some() || from.lid.is_some(),
            "who did it is named"
        );
    }
}

async fn survives_reload(world: &dyn World, session: &mut Session, friend: Contact) {
    session.connection.reload().await.expect("reloads");
    session
        .until("word of the reload", |event| {
            matches!(event, DriverEvent::Reloaded).then_some(())
        })
        .await;
    session
        .ready("ready after the reload", &world.account())
        .await;
    let text = text_to(friend);
    let sent = session.connection.send(&text).await;
    sent.expect("sent after the reload");
    session.server_has(&text.wire_id).await;
    session.connection.reconnect().await.expect("reconnects");
    session
        .ready("ready after the reconnect", &world.account())
        .await;
    match session.connection.resources().await {
        Ok(taken) => assert!(taken.processes > 0 && taken.memory_bytes > 0, "{taken:?}"),
        Err(DriverError::Unsupported { .. }) => {}
        Err(other) => panic!("the wrong reason for no word of its resources: {other}"),
    }
    assert!(session.connection.last_words().len() <= 100, "a tail");
    let evidence = session.connection.evidence().await.expect("evidence");
    assert!(matches!(evidence.link, LinkState::Ready(_)), "{evidence:?}");
    let self_test = session.connection.self_test().await.expect("self-test");
    assert!(self_test.ok, "{self_test:?}");
}

async fn login_is_kept_and_can_be_ended(world: &dyn World, login: &StoredLogin) {
    let mut session = Session::open(world, login).await;
    session
        .ready("ready without a QR after a close", &world.account())
        .await;
    match world.driver().open(request(login)).await {
        Err(DriverError::ProfileInUse { .. }) => {}
        Err(other) => panic!("the wrong reason for a login that is in use: {other}"),
        Ok(_) => panic!("one login was opened twice"),
    }
    session.connection.log_out().await.expect("logs out");
    session
        .until("word of the logout", |event| match event {
            DriverEvent::LoggedOut(LogoutReason::Asked) => Some(()),
            DriverEvent::LoggedOut(other) => panic!("the wrong reason: {other:?}"),
            _ => None,
        })
        .await;
    session.close().await;
    world.driver().forget(login).await.expect("forgotten");
    world
        .driver()
        .forget(login)
        .await
        .expect("forgetting again is no error");
}

async fn device_removed_by_the_phone(world: &dyn World, login: &StoredLogin) {
    let mut session = Session::open(world, login).await;
    let qr = session
        .until("a QR after the logout", |event| match event {
            DriverEvent::Login(LoginPrompt::Qr { text, .. }) => Some(text.clone()),
            DriverEvent::Link(LinkState::Ready(_)) => panic!("ready with a login that was ended"),
            _ => None,
        })
        .await;
    world.scan(&world.account(), &qr).await;
    session.ready("ready again", &world.account()).await;
    world.remove_device(&world.account()).await;
    session
        .until("word that the device was removed", |event| match event {
            DriverEvent::LoggedOut(LogoutReason::Remote(_)) => Some(()),
            DriverEvent::LoggedOut(other) => panic!("the wrong reason: {other:?}"),
            _ => None,
        })
        .await;
    session.close().await;
    world.driver().forget(login).await.expect("forgotten");
}

struct Session {
    connection: std::sync::Arc<dyn Connection>,
    events: mpsc::Receiver<DriverEvent>,
}

impl Session {
    async fn open(world: &dyn World, login: &StoredLogin) -> Self {
        let Opened { connection, events } = world
            .driver()
            .open(request(login))
            .await
            .expect("the driver opens");
        Self { connection, events }
    }

    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&DriverEvent) -> Option<T>) -> T {
        let search = async {
            loop {
                match self.events.recv().await {
                    Some(event) => {
                        if let Some(found) = pick(&event) {
                            return found;
                        }
                        if let DriverEvent::Closed(why) = event {
                            panic!("closed ({why:?}) before {what}");
                        }
                    }
                    None => panic!("the stream ended before {what}"),
                }
            }
        };
        match timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => panic!("no {what} within {} s", PATIENCE.as_secs()),
        }
    }

    async fn ready(&mut self, what: &str, account: &PhoneNumber) {
        let me = self
            .until(what, |event| match event {
                DriverEvent::Link(LinkState::Ready(me)) => Some(me.clone()),
                _ => None,
            })
            .await;
        let phone = me.phone.and_then(|chat| chat.phone());
        assert_eq!(phone.as_ref(), Some(account), "who it is logged in as");
    }

    async fn find(&self, phone: &PhoneNumber) -> Contact {
        self.connection
            .find_contact(&Recipient::Phone(phone.clone()))
            .await
            .expect("an answer")
            .expect("on WhatsApp")
    }

    /// What this account is told to have done with a message.
    async fn own_change(&mut self, id: &MessageId) -> Change {
        self.until("word of what was done here", |event| match event {
            DriverEvent::Edited(edit) if edit.id == *id && edit.from_me => {
                Some(Change::Edit(edit.text.clone().unwrap_or_default()))
            }
            DriverEvent::Reaction(one) if one.message == *id && one.from_me => {
                Some(Change::React(one.emoji.clone()))
            }
            DriverEvent::Revoked(gone) if gone.id == *id && gone.from_me => Some(Change::Revoke),
            _ => None,
        })
        .await
    }

    async fn server_has(&mut self, wire_id: &WireId) {
        self.until("the server's ack", |event| match event {
            DriverEvent::Ack(change) if change.id.wire_id() == *wire_id => {
                (change.ack >= Ack::Server).then_some(())
            }
            DriverEvent::Message(message) if message.id.wire_id() == *wire_id => {
                panic!("what this connection sent is not told as a message")
            }
            _ => None,
        })
        .await;
    }

    /// Closes, and checks that the stream ends with its last word and calls with `Closed`.
    async fn close(mut self) {
        let (first, second) = tokio::join!(self.connection.close(), self.connection.close());
        first.expect("closes");
        second.expect("closing again waits for the first");
        let last = timeout(PATIENCE, async {
            let mut last = None;
            while let Some(event) = self.events.recv().await {
                last = Some(event);
                if matches!(last, Some(DriverEvent::Closed(_))) {
                    break;
                }
            }
            last
        })
        .await
        .expect("the stream ends");
        assert_eq!(
            last,
            Some(DriverEvent::Closed(DriverClosed::Asked)),
            "the last event of a close"
        );
        assert!(
            matches!(self.connection.evidence().await, Err(DriverError::Closed)),
            "a closed session answers that it is closed"
        );
    }
}

fn request(login: &StoredLogin) -> OpenRequest {
    OpenRequest {
        login: login.clone(),
        options: SessionOptions::default(),
    }
}

const WORDS: &str = "Bom dia ☀️ *negrito*\n2ª linha";

fn text_to(contact: Contact) -> OutgoingMessage {
    OutgoingMessage::text(contact.chat, WORDS)
}
