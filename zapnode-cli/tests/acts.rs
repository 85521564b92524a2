//! What is done to messages and chats from the shell, against a daemon on the scripted driver.

#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{BRUNO, Daemon};
use zapnode_core::driver::scripted::Act;
use zapnode_core::message::{Activity, EventAnswer, PinTime, RevokedFor};
use zapnode_core::{ChatId, MessageId, PhoneNumber};

#[tokio::test]
async fn messages_and_chats_from_the_shell() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let run = daemon
        .run(&["send", "-s", "shop", "--to", BRUNO, "--json", "um"])
        .await;
    let sent = run.json().remove(0);
    let text = |name: &str| sent[name].as_str().unwrap().to_owned();
    let (id, key) = (text("id"), text("messageId"));
    let done = async |arguments: &[&str], said: &str| {
        let run = daemon.run(arguments).await;
        assert_eq!((run.code, run.out.as_str()), (0, said), "{run:?}");
    };
    done(&["messages", "edit", &id, "dois"], "Message edited.\n").await;
    done(&["messages", "react", &key, "👍"], "Reaction sent.\n").await;
    done(&["messages", "react", &key], "Reaction removed.\n").await;
    done(&["messages", "star", &id], "Message starred.\n").await;
    done(&["messages", "unstar", &id], "Star removed.\n").await;
    let pin = ["messages", "pin", &id, "--days", "30"];
    done(&pin, "Message pinned.\n").await;
    done(&["messages", "unpin", &id], "Message unpinned.\n").await;
    done(&["messages", "vote", &id, "Sim"], "Vote sent.\n").await;
    done(&["messages", "answer", &id, "no"], "Answer sent.\n").await;
    let mine = ["messages", "delete", &id, "--for", "me"];
    done(&mine, "Message deleted for this account.\n").await;
    let chat = ["chats", "-s", "shop"];
    let of = async |what: &str, said: &str| {
        done(&[&chat[..], &[what, BRUNO]].concat(), said).await;
    };
    of("seen", "Chat marked as seen.\n").await;
    of("unread", "Chat marked as unread.\n").await;
    of("typing", "Typing is shown.\n").await;
    of("recording", "Recording is shown.\n").await;
    of("paused", "Nothing is shown any more.\n").await;
    let shown = [&chat[..], &["presence", "available"]].concat();
    done(&shown, "The account is shown as available.\n").await;
    let key: MessageId = key.parse().unwrap();
    let them = ChatId::from(&PhoneNumber::new(BRUNO).unwrap());
    assert_eq!(
        daemon.driver.acts(),
        [
            Act::Edited(key.clone(), "dois".to_owned()),
            Act::Reacted(key.clone(), Some("👍".to_owned())),
            Act::Reacted(key.clone(), None),
            Act::Starred(key.clone(), true),
            Act::Starred(key.clone(), false),
            Act::Pinned(key.clone(), Some(PinTime::Month)),
            Act::Pinned(key.clone(), None),
            Act::Voted(key.clone(), vec!["Sim".to_owned()]),
            Act::AnsweredEvent(key.clone(), EventAnswer::No),
            Act::Revoked(key, RevokedFor::Me),
            Act::Seen(them.clone()),
            Act::Unread(them.clone()),
            Act::Showed(them.clone(), Activity::Typing),
            Act::Showed(them.clone(), Activity::Recording),
            Act::Showed(them, Activity::Paused),
            Act::Available(true),
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let daemon = Daemon::start().await;
    daemon.link("shop").await;
    let failed = async |arguments: &[&str], words: &str| {
        let run = daemon.run(arguments).await;
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.err.contains(words), "{run:?}");
    };
    let nowhere = "01JY0000000000000000000000";
    failed(&["messages", "edit", nowhere, "x"], "Message not found").await;
    let run = daemon
        .run(&["send", "-s", "shop", "--to", BRUNO, "--json", "um"])
        .await;
    let sent: Value = run.json().remove(0);
    let id = sent["id"].as_str().unwrap();
    daemon.driver.lack_part(Some("WAWebSomething"));
    failed(&["messages", "star", id], "WAWebSomething").await;
    let run = daemon.run(&["messages", "pin", id, "--days", "3"]).await;
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.err.contains("30"), "{run:?}");
    assert_eq!(daemon.driver.acts(), []);
}
