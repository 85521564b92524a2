//! The scripted driver keeps the promises of every driver.

use async_trait::async_trait;
use tempfile::TempDir;
use zapnode_core::driver::conformance::{self, Change, World};
use zapnode_core::driver::scripted::{Book, ScriptedDriver};
use zapnode_core::driver::{Driver, StoredLogin};
use zapnode_core::message::{Call, Person};
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

    async fn received(&self, phone: &PhoneNumber) -> Vec<(WireId, String)> {
        self.driver.delivered_to(phone)
    }

    async fn sees_typing(&self, phone: &PhoneNumber, on: bool) {
        let typed = self.driver.typed();
        assert_eq!(typed.last(), Some(&(ChatId::from(phone), on)));
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

    fn stranger(&self) -> PhoneNumber {
        PhoneNumber::new("0001234567").expect("a number")
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
