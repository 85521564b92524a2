//! `zapnode groups` beside a daemon on the scripted driver.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{ANA, BRUNO, Daemon, id, phone};

#[tokio::test]
async fn groups_are_founded_shown_and_changed() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let run = async |arguments: &[&str]| {
        let mut all = vec!["groups", "--session", "shop"];
        all.extend(arguments);
        daemon.run(&all).await
    };
    let none = run(&[]).await;
    assert_eq!(
        (none.code, none.out.trim()),
        (0, "This account is in no group."),
        "{none:?}"
    );
    let made = run(&["create", "Obra", BRUNO, "0001234567", "--write", "admins"]).await;
    assert_eq!(made.code, 0, "{made:?}");
    assert!(
        made.out.contains("404") && made.out.contains("done"),
        "{made:?}"
    );
    let list = run(&["list", "--json"]).await;
    let list: Value = serde_json::from_str(&list.out).unwrap();
    let group = list["groups"][0]["id"].as_str().unwrap();
    let shown = run(&["show", group]).await;
    assert!(
        shown.out.contains("write: admins, edit: everybody")
            && shown.out.contains(&format!("+{ANA}")),
        "{shown:?}"
    );
    let set = run(&["set", group, "--subject", "Obra 2", "--write", "everybody"]).await;
    assert!(set.out.starts_with("Subject   Obra 2\n"), "{set:?}");
    let promoted = run(&["promote", group, BRUNO]).await;
    assert!(promoted.out.contains("200"), "{promoted:?}");
    let picture = daemon.data_dir().join("p.png");
    std::fs::write(&picture, b"\x89PNG\r\n\x1a\nand more").unwrap();
    let file = picture.to_str().unwrap();
    let picture = run(&["picture", group, file]).await;
    assert_eq!(
        (picture.code, picture.out.trim()),
        (0, "Picture set"),
        "{picture:?}"
    );
    let invite = run(&["invite", group]).await;
    let link = invite.out.trim();
    assert!(link.starts_with("https://chat.whatsapp.com/"), "{invite:?}");
    let leads = run(&["join", link, "--look"]).await;
    assert!(
        leads.out.contains(group) && leads.out.contains("Obra 2"),
        "{leads:?}"
    );
    let theirs = daemon.driver.found_group(&phone(BRUNO), "Deles", &[]).await;
    let code = daemon.driver.invite_of(&theirs).unwrap();
    let joined = run(&["join", code.as_str()]).await;
    assert_eq!(joined.out.trim(), format!("In {theirs}."), "{joined:?}");
    let left = run(&["leave", group]).await;
    assert_eq!(left.code, 0, "{left:?}");
    let gone = run(&["show", group, "--json"]).await;
    assert!(
        gone.code != 0 && gone.out.contains("group_not_found"),
        "{gone:?}"
    );
    assert_eq!(daemon.driver.open_sessions(), [id("shop")]);
}
