//! Channels, labels and status on real Chromium and the simulated WhatsApp.
#![cfg(feature = "sandbox")]

mod chrome_support;

use chrome_support::simulated::{OURS, THEIRS, logged_in, ours, sandbox, talk, theirs};
use chrome_support::{Bench, Session, phone};
use zapnode_core::channel::NewChannel;
use zapnode_core::driver::DriverError;
use zapnode_core::label::LabelChange;
use zapnode_core::sandbox::{Addressing, Place, Sandbox};
use zapnode_core::story::StatusText;
use zapnode_core::{ChatId, WireId};

async fn channels(sandbox: &Sandbox, session: &mut Session) {
    let connection = session.connection.clone();
    let new = NewChannel {
        name: "Obras".to_owned(),
        description: Some("prazos\ne betão".to_owned()),
    };
    let own = connection.create_channel(&new).await.expect("made");
    assert_eq!(own.description.as_deref(), Some("prazos\ne betão"));
    let wire_id = WireId::choose();
    let posted = connection.post_to_channel(&own.id, "olá 🏗", &wire_id).await;
    let posted = posted.expect("posted");
    assert!(
        posted.chat() == own.id && posted.wire_id() == wire_id,
        "{posted}"
    );
    let seen = ours(sandbox).channel(own.id.as_str()).expect("a channel");
    assert_eq!(seen.posts, [(wire_id, "olá 🏗".to_owned())]);

    let other = theirs(sandbox);
    let id = other.make_channel("Deles").await;
    let code = other.channel(&id).expect("a channel").code;
    let found = connection.channel_by_invite(&code).await.expect("found");
    assert_eq!((found.id.as_str(), &*found.name), (&*id, "Deles"));
    connection
        .follow_channel(&found.id, true)
        .await
        .expect("followed");
    assert_eq!(other.channel(&id).expect("there").followers, [phone(OURS)]);
    let mut names: Vec<_> = connection.channels().await.expect("listed");
    names.sort_by(|one, another| one.name.cmp(&another.name));
    let roles: Vec<_> = names
        .iter()
        .map(|one| (&*one.name, one.role.as_deref()))
        .collect();
    assert_eq!(
        roles,
        [("Deles", Some("subscriber")), ("Obras", Some("owner"))]
    );
    other
        .post_to_channel(&id, "novidades")
        .await
        .expect("posted");
    let told = session.wait_message("novidades").await;
    assert!(told.chat == found.id && !told.from_me, "{told:#?}");
    let denied = connection
        .post_to_channel(&found.id, "posso?", &WireId::choose())
        .await;
    assert!(
        matches!(denied, Err(DriverError::NotAllowed { .. })),
        "{denied:?}"
    );
    connection
        .follow_channel(&found.id, false)
        .await
        .expect("left");
    assert!(other.channel(&id).expect("there").followers.is_empty());

    let nowhere = ChatId::new("120363000000000001@newsletter").expect("an id");
    let unknown = connection.follow_channel(&nowhere, true).await;
    assert!(
        matches!(unknown, Err(DriverError::ChannelUnknown { .. })),
        "{unknown:?}"
    );
    let unknown = connection.channel_by_invite("0029VaNowhere").await;
    assert!(
        matches!(unknown, Err(DriverError::InviteUnknown)),
        "{unknown:?}"
    );
    let mut faults = sandbox.faults();
    faults.channel_creation = false;
    sandbox.set_faults(faults);
    session.reload().await;
    let denied = connection.create_channel(&new).await;
    assert!(
        matches!(denied, Err(DriverError::NotAllowed { .. })),
        "{denied:?}"
    );
}

async fn labels(sandbox: &Sandbox, session: &Session) {
    let connection = &session.connection;
    let denied = connection.labels().await;
    assert!(
        matches!(denied, Err(DriverError::NotAllowed { .. })),
        "{denied:?}"
    );
    ours(sandbox).set_labels(&["Novo", "Pago"]).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    // The phone's word of it takes its way.
    let mut listed = connection.labels().await;
    let known = async {
        while listed.is_err() {
            listed = connection.labels().await;
        }
        listed
    };
    let listed = tokio::time::timeout(chrome_support::PATIENCE, known).await;
    let listed = listed.expect("in time").expect("listed");
    assert_eq!((listed.len(), &*listed[1].name), (2, "Pago"));
    let chats = [chat.clone()];
    for (change, there) in [(LabelChange::Add, true), (LabelChange::Remove, false)] {
        connection
            .label_chats("2", change, &chats)
            .await
            .expect("labelled");
        let on_phone = ours(sandbox).labelled("2");
        assert_eq!(on_phone == [Place::Person(phone(THEIRS))], there);
        let mut now = connection.labels().await.expect("listed");
        let seen = async {
            while now[1].chats.contains(&chat) != there {
                now = connection.labels().await.expect("listed");
            }
        };
        tokio::time::timeout(chrome_support::PATIENCE, seen)
            .await
            .expect("seen");
    }
    let unknown = connection.label_chats("9", LabelChange::Add, &chats).await;
    assert!(
        matches!(unknown, Err(DriverError::LabelUnknown { .. })),
        "{unknown:?}"
    );
}

async fn statuses(sandbox: &Sandbox, session: &mut Session) {
    let connection = session.connection.clone();
    theirs(sandbox).post_status("bom dia").await;
    let told = session.wait_message("bom dia").await;
    assert_eq!(told.chat.as_str(), "status@broadcast");
    let shown = connection
        .post_status(&StatusText::new("aberto\naté às 18h"))
        .await;
    let id = shown.expect("shown").expect("with its key");
    assert!(
        id.from_me() && id.chat().as_str() == "status@broadcast",
        "{id}"
    );
    let seen = theirs(sandbox).statuses_of(&phone(OURS));
    assert_eq!(seen, ["aberto\naté às 18h"]);
    let feeds = connection.statuses().await.expect("listed");
    let of = |number: &str| {
        let chat = ChatId::from(&phone(number));
        let mut feeds = feeds.iter();
        feeds
            .find(|feed| feed.from.phone.as_ref() == Some(&chat))
            .expect("a feed")
    };
    assert_eq!(of(OURS).updates[0].id, id);
    let theirs = of(THEIRS);
    assert_eq!((theirs.total, theirs.unread), (Some(1), Some(1)));
    assert_eq!(theirs.updates[0].text.as_deref(), Some("bom dia"));
}

async fn everything(addressing: Addressing) {
    let sandbox = sandbox(|faults| {
        faults.addressing = addressing;
        faults.messages_carry_number = true;
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    talk(&sandbox, &mut session).await;
    statuses(&sandbox, &mut session).await;
    labels(&sandbox, &session).await;
    channels(&sandbox, &mut session).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_that_name_people_by_lid() {
    everything(Addressing::Lid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_that_name_people_by_number() {
    everything(Addressing::Pn).await;
}
