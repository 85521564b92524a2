//! Chats, contacts and numbers, from the shell.

#![allow(clippy::unwrap_used)]

mod support;

use support::{BRUNO, Daemon, id, phone};
use zapnode_core::ChatId;
use zapnode_core::contact::ContactDetails;

async fn shop() -> Daemon {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    daemon
        .driver
        .write(&id("shop"), &phone(BRUNO), "bom dia")
        .await;
    daemon.driver.book(&id("shop"), |book| {
        let mut bruno = ContactDetails::new(ChatId::from(&phone(BRUNO)));
        bruno.name = Some("Bruno".to_owned());
        book.put_contact(bruno);
    });
    daemon
}

#[tokio::test]
async fn chats_as_tables_and_as_json() {
    let daemon = shop().await;
    let listed = daemon.run(&["chats", "--session", "shop"]).await;
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(
        listed.out.starts_with("CHAT") && listed.out.contains("bom dia"),
        "{listed:?}"
    );
    let json = daemon
        .run(&["chats", "list", "--session", "shop", "--json"])
        .await
        .json();
    assert_eq!(json[0]["chats"][0]["phone"], BRUNO);
    let read = daemon
        .run(&["chats", "--session", "shop", "messages", BRUNO])
        .await;
    assert!(read.code == 0 && read.out.contains("bom dia"), "{read:?}");
    let found = daemon
        .run(&["chats", "search", "--session", "shop", "bom"])
        .await;
    assert!(
        found.code == 0 && found.out.contains("bom dia"),
        "{found:?}"
    );
    for action in [
        "archive",
        "unarchive",
        "pin",
        "unpin",
        "mute",
        "unmute",
        "unread",
        "clear",
        "delete",
    ] {
        let done = daemon
            .run(&["chats", action, "--session", "shop", BRUNO])
            .await;
        assert_eq!(done.code, 0, "{action}: {done:?}");
    }
    let gone = daemon
        .run(&["chats", "pin", "--session", "shop", BRUNO])
        .await;
    assert_eq!(gone.code, 1, "{gone:?}");
    let listed = daemon.run(&["chats", "--session", "shop"]).await;
    assert_eq!(listed.out, "No chats.\n");
    let stored = daemon
        .run(&[
            "chats",
            "messages",
            "--session",
            "shop",
            "--source",
            "store",
            BRUNO,
        ])
        .await;
    assert!(stored.out.contains("bom dia"), "{stored:?}");
}

#[tokio::test]
async fn contacts_as_tables_and_as_json() {
    let daemon = shop().await;
    let listed = daemon.run(&["contacts", "--session", "shop"]).await;
    assert!(
        listed.code == 0 && listed.out.contains("Bruno"),
        "{listed:?}"
    );
    let one = daemon
        .run(&["contacts", "show", "--session", "shop", BRUNO])
        .await;
    assert!(
        one.out.contains("Number") && one.out.contains(BRUNO),
        "{one:?}"
    );
    let block = daemon
        .run(&["contacts", "block", "--session", "shop", BRUNO])
        .await;
    assert_eq!(block.code, 0, "{block:?}");
    let blocked = daemon
        .run(&["contacts", "blocked", "--session", "shop", "--json"])
        .await;
    assert_eq!(blocked.json()[0]["blocked"][0]["phone"], BRUNO);
    let free = daemon
        .run(&["contacts", "unblock", "--session", "shop", BRUNO])
        .await;
    assert_eq!(free.code, 0, "{free:?}");
    let nobody = daemon
        .run(&["contacts", "show", "--session", "shop", "0001234567"])
        .await;
    assert_eq!(nobody.code, 5, "{nobody:?}");
}

#[tokio::test]
async fn numbers_are_checked_and_the_exit_code_says_so() {
    let daemon = shop().await;
    let all = daemon.run(&["check", "--session", "shop", BRUNO]).await;
    assert!(all.code == 0 && all.out.contains("yes"), "{all:?}");
    let one_not = daemon
        .run(&["check", "--session", "shop", BRUNO, "0001234567"])
        .await;
    assert!(
        one_not.code == 5 && one_not.out.contains("no"),
        "{one_not:?}"
    );
    assert!(
        one_not.out.contains("s ago"),
        "the first is known: {one_not:?}"
    );
    let json = daemon
        .run(&["check", "--session", "shop", "--fresh", "--json", BRUNO])
        .await;
    assert_eq!(json.json()[0]["numbers"][0]["cached"], false);
    let none = daemon.run(&["check", "--session", "none", BRUNO]).await;
    assert_eq!(none.code, 4, "{none:?}");
}
