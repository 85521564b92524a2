//! The Chrome driver keeps the promises of every driver, on real Chromium and the sandbox.

use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use zapnode_core::driver::chrome::{ChromeDriver, ChromeOptions};
use zapnode_core::driver::conformance::{self, Change, GroupWorld, SeenGroup, Shown, World};
use zapnode_core::driver::{Driver, StoredLogin};
use zapnode_core::group::InviteCode;
use zapnode_core::sandbox::{
    CallCollection, Faults, GroupAct, GroupId, PhoneFile, Place, Sandbox, SandboxOptions,
};
use zapnode_core::{ChatId, PhoneNumber, SessionId, WireId};

struct Simulated {
    driver: ChromeDriver,
    sandbox: Sandbox,
    folder: TempDir,
}

#[async_trait]
impl World for Simulated {
    fn driver(&self) -> &dyn Driver {
        &self.driver
    }

    fn login(&self) -> StoredLogin {
        StoredLogin {
            session: SessionId::new("conforms").expect("an id"),
            folder: self.folder.path().join("session-conforms"),
        }
    }

    async fn scan(&self, account: &PhoneNumber, qr: &str) {
        let phone = self.sandbox.phone(account);
        phone.scan(qr).await.expect("the phone takes the QR");
    }

    async fn write(&self, from: &PhoneNumber, account: &PhoneNumber, text: &str) {
        let phone = self.sandbox.phone(from);
        phone.send(account, text).await.expect("written");
    }

    async fn change(&self, from: &PhoneNumber, _: &PhoneNumber, id: &WireId, change: Change) {
        let phone = self.sandbox.phone(from);
        let changed = match change {
            Change::Edit(text) => phone.edit(id, &text).await,
            Change::React(emoji) => phone.react(id, &emoji.unwrap_or_default()).await,
            Change::Revoke => phone.revoke(id).await,
        };
        changed.expect("the phone has the message");
    }

    async fn send_document(&self, from: &PhoneNumber, account: &PhoneNumber, bytes: &[u8]) {
        let file = PhoneFile::new("document", "application/octet-stream", bytes);
        let from = self.sandbox.phone(from);
        from.send_file(account.clone(), file).await.expect("sent");
    }

    async fn document(&self, phone: &PhoneNumber, id: &WireId) -> Vec<u8> {
        let file = self.sandbox.phone(phone).file(id).await;
        file.expect("the phone opens it")
    }

    async fn received(&self, phone: &PhoneNumber) -> Vec<(WireId, String)> {
        let messages = self.sandbox.phone(phone).messages();
        let received = messages.into_iter().filter(|m| !m.from_me);
        received.map(|m| (m.id, m.text)).collect()
    }

    async fn sees_typing(&self, phone: &PhoneNumber, on: bool) {
        let phone = self.sandbox.phone(phone);
        let within = Duration::from_secs(20);
        let seen = phone.wait_for_typing(&self.account(), on, within).await;
        seen.expect("the phone shows it");
    }

    async fn shows(&self, phone: &PhoneNumber, id: &WireId, shown: Shown) {
        let (phone, account) = (self.sandbox.phone(phone), self.account());
        let seen = phone.wait_for_message(
            |message| {
                message.id == *id
                    && match &shown {
                        Shown::Edited(text) => message.edited && message.text == *text,
                        Shown::Reaction(emoji) => message.reactions.get(&account) == emoji.as_ref(),
                        Shown::ReplyTo(quoted) => {
                            message.quoted.as_deref() == Some(quoted.as_str())
                                && message.fields["quotedMsg"]["body"].is_string()
                        }
                        Shown::Revoked => message.revoked,
                        Shown::Untouched => !message.revoked && !message.deleted,
                    }
            },
            Duration::from_secs(20),
        );
        seen.await.expect("the phone shows it so");
    }

    async fn call(&self, from: &PhoneNumber, account: &PhoneNumber) -> String {
        let phone = self.sandbox.phone(from);
        phone.call(account.clone(), false).await.expect("it rings")
    }

    async fn sees_rejected(&self, account: &PhoneNumber, call: &str) {
        let phone = self.sandbox.phone(account);
        let within = Duration::from_secs(20);
        let seen = phone.wait_for_rejected(call, within).await;
        seen.expect("the phone shows it");
    }

    async fn remove_device(&self, account: &PhoneNumber) {
        self.sandbox.phone(account).log_out().await;
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

fn group_of(group: &ChatId) -> GroupId {
    match group.as_str().parse() {
        Ok(Place::Group(group)) => group,
        other => panic!("{group} is a group: {other:?}"),
    }
}

#[async_trait]
impl GroupWorld for Simulated {
    async fn found_group(
        &self,
        owner: &PhoneNumber,
        subject: &str,
        members: &[PhoneNumber],
    ) -> ChatId {
        let phone = self.sandbox.phone(owner);
        let founded = phone.found_group(subject, members).await.expect("founded");
        ChatId::new(founded.as_str()).expect("an id")
    }

    async fn group_seen_by(&self, phone: &PhoneNumber, group: &ChatId) -> Option<SeenGroup> {
        let seen = self.sandbox.phone(phone).group(&group_of(group)).ok()?;
        Some(SeenGroup {
            subject: seen.subject,
            description: seen.description,
            members: seen.members,
            only_admins_write: seen.announce,
        })
    }

    async fn invite_of(&self, phone: &PhoneNumber, group: &ChatId) -> InviteCode {
        let phone = self.sandbox.phone(phone);
        let code = phone.invite_code(&group_of(group)).await.expect("a member");
        InviteCode::new(&code).expect("a code")
    }

    async fn ask_to_join(&self, phone: &PhoneNumber, group: &ChatId) {
        let phone = self.sandbox.phone(phone);
        let group = group_of(group);
        let asked = phone.act_in_group(&group, GroupAct::RequestToJoin);
        asked.await.expect("asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chrome_driver_conforms() {
    // A call that comes before the page can take one is heard by nobody.
    let faults = Faults {
        call_collection: CallCollection::Present,
        ..Faults::default()
    };
    let sandbox = Sandbox::start(SandboxOptions {
        faults,
        ..SandboxOptions::default()
    })
    .await
    .expect("the sandbox starts");
    let folder = tempfile::tempdir().expect("a folder");
    let driver = ChromeDriver::new(ChromeOptions {
        web_url: sandbox.url(),
        ..ChromeOptions::new(folder.path().join("chrome"))
    });
    conformance::run(&Simulated {
        driver,
        sandbox,
        folder,
    })
    .await;
}
