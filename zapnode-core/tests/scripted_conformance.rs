//! The scripted driver keeps the promises of every driver.

use async_trait::async_trait;
use tempfile::TempDir;
use zapnode_core::driver::conformance::{self, Change, GroupWorld, SeenGroup, Shown, World};
use zapnode_core::driver::scripted::{Act, Book, ScriptedDriver, ScriptedFile};
use zapnode_core::driver::{Driver, DriverError, OpenRequest, StoredLogin};
use zapnode_core::group::InviteCode;
use zapnode_core::message::{Call, Content, Person, RevokedFor};
use zapnode_core::options::SessionOptions;
use zapnode_core::{ChatId, PhoneNumber, SessionId, WireId};

struct Scripted {
    driver: ScriptedDriver,
    session: SessionId,
    folder: TempDir,
}

#[async_trait]
impl World for Scripted {
    fn driver(&self) -> &dyn Driver {
        &self.driver
    }

    fn login(&self) -> StoredLogin {
        StoredLogin {
            session: self.session.clone(),
            folder: self.folder.path().join("session-a"),
        }
    }

    async fn scan(&self, account: &PhoneNumber, _: &str) {
        self.driver.scan(&self.session, account).await;
    }

    async fn write(&self, from: &PhoneNumber, _: &PhoneNumber, text: &str) {
        self.driver.write(&self.session, from, text).await;
    }

    async fn change(&self, from: &PhoneNumber, _: &PhoneNumber, id: &WireId, change: Change) {
        let session = &self.session;
        match change {
            Change::Edit(text) => self.driver.edit(session, from, id, &text).await,
            Change::React(emoji) => self.driver.react(session, from, id, emoji.as_deref()).await,
            Change::Revoke => self.driver.revoke(session, from, id).await,
        }
    }

    async fn send_document(&self, from: &PhoneNumber, _: &PhoneNumber, bytes: &[u8]) {
        let file = ScriptedFile::new("application/octet-stream", bytes);
        self.driver.write_file(&self.session, from, file).await;
    }

    async fn document(&self, phone: &PhoneNumber, id: &WireId) -> Vec<u8> {
        let sent = self.driver.sent();
        let sent = sent.into_iter().find(|one| one.wire_id == *id);
        let sent = sent.expect("it was delivered");
        assert_eq!(sent.chat, ChatId::from(phone));
        let Content::Media(media) = sent.content else {
            panic!("it has no file");
        };
        std::fs::read(media.file.path).expect("a file")
    }

    async fn received(&self, phone: &PhoneNumber) -> Vec<(WireId, String)> {
        self.driver.delivered_to(phone)
    }

    async fn sees_typing(&self, phone: &PhoneNumber, on: bool) {
        let typed = self.driver.typed();
        assert_eq!(typed.last(), Some(&(ChatId::from(phone), on)));
    }

    async fn shows(&self, phone: &PhoneNumber, id: &WireId, shown: Shown) {
        let acts = self.driver.acts();
        let last = acts.iter().rev().find(|act| match act {
            Act::Edited(message, _) | Act::Revoked(message, _) | Act::Reacted(message, _) => {
                message.wire_id() == *id
            }
            _ => false,
        });
        match (shown, last) {
            (Shown::Edited(text), Some(Act::Edited(_, new))) => assert_eq!(*new, text),
            (Shown::Reaction(emoji), Some(Act::Reacted(_, new))) => assert_eq!(*new, emoji),
            (Shown::Revoked, Some(Act::Revoked(_, RevokedFor::Everyone)))
            | (Shown::Untouched, Some(Act::Revoked(_, RevokedFor::Me))) => {}
            (Shown::ReplyTo(quoted), _) => {
                let sent = self.driver.sent();
                let reply = sent.into_iter().find(|sent| sent.wire_id == *id);
                let reply = reply.expect("it was delivered");
                assert_eq!(reply.chat, ChatId::from(phone));
                assert_eq!(reply.reply_to.map(|id| id.wire_id()), Some(quoted));
            }
            (shown, last) => panic!("{shown:?} was to be seen, and it is {last:?}"),
        }
    }

    async fn call(&self, from: &PhoneNumber, _: &PhoneNumber) -> String {
        let call = Call {
            id: "call-1".to_owned(),
            from: Person::new(ChatId::from(from)),
            is_video: false,
            is_group: false,
            participants: vec![],
            at: time::OffsetDateTime::now_utc(),
        };
        self.driver.call(&self.session, call.clone()).await;
        call.id
    }

    async fn sees_rejected(&self, _: &PhoneNumber, call: &str) {
        let rejected = |book: &mut Book| book.rejected.iter().any(|one| one == call);
        assert!(self.driver.book(&self.session, rejected));
    }

    async fn remove_device(&self, _: &PhoneNumber) {
        self.driver.remove_device(&self.session).await;
    }

    fn account(&self) -> PhoneNumber {
        PhoneNumber::new("244929782402").expect("a number")
    }

    fn friend(&self) -> PhoneNumber {
        PhoneNumber::new("5511912345678").expect("a number")
    }

    fn bystander(&self) -> PhoneNumber {
        PhoneNumber::new("244929000003").expect("a number")
    }

    fn stranger(&self) -> PhoneNumber {
        PhoneNumber::new("0001234567").expect("a number")
    }
}

#[async_trait]
impl GroupWorld for Scripted {
    async fn found_group(
        &self,
        owner: &PhoneNumber,
        subject: &str,
        members: &[PhoneNumber],
    ) -> ChatId {
        self.driver.found_group(owner, subject, members).await
    }

    async fn group_seen_by(&self, phone: &PhoneNumber, group: &ChatId) -> Option<SeenGroup> {
        let group = self.driver.group_of(group)?;
        let members = group.members.iter();
        let members: Vec<_> = members.filter_map(|m| m.person.id.phone()).collect();
        members.contains(phone).then(|| SeenGroup {
            subject: group.subject,
            description: group.description.unwrap_or_default(),
            members,
            only_admins_write: group.settings.only_admins_write,
        })
    }

    async fn invite_of(&self, _: &PhoneNumber, group: &ChatId) -> InviteCode {
        self.driver.invite_of(group).expect("a group")
    }

    async fn ask_to_join(&self, phone: &PhoneNumber, group: &ChatId) {
        self.driver.ask_to_join(group, phone).await;
    }
}

#[tokio::test]
async fn the_scripted_driver_conforms() {
    conformance::run(&Scripted {
        driver: ScriptedDriver::new(),
        session: SessionId::new("a").expect("an id"),
        folder: tempfile::tempdir().expect("a folder"),
    })
    .await;
}

#[tokio::test]
async fn scripted_files_expire_and_come_back() {
    let world = Scripted {
        driver: ScriptedDriver::new(),
        session: SessionId::new("a").expect("an id"),
        folder: tempfile::tempdir().expect("a folder"),
    };
    let request = OpenRequest {
        login: world.login(),
        options: SessionOptions::default(),
    };
    let opened = world.driver.open(request).await.expect("opened");
    let account = PhoneNumber::new("244929000001").expect("a number");
    let friend = PhoneNumber::new("244929000002").expect("a number");
    world.driver.scan(&world.session, &account).await;
    let expired = ScriptedFile {
        expired: true,
        ..ScriptedFile::new("image/jpeg", *b"x")
    };
    let message = world
        .driver
        .write_file(&world.session, &friend, expired.clone())
        .await;
    let to = world.folder.path().join("a.jpg");
    let connection = opened.connection;
    let gone = connection.download(&message.id, &to).await;
    assert!(matches!(
        gone,
        Err(DriverError::MediaExpired { asked: false, .. })
    ));
    connection.request_media(&message.id).await.expect("asked");
    connection.download(&message.id, &to).await.expect("there");
    assert_eq!(std::fs::read(&to).expect("a file"), b"x");
    let lost = ScriptedFile {
        on_phone: false,
        ..expired
    };
    let message = world.driver.write_file(&world.session, &friend, lost).await;
    let gone = connection.request_media(&message.id).await;
    assert!(matches!(
        gone,
        Err(DriverError::MediaExpired { asked: true, .. })
    ));
}
