//! Messages that are neither plain words nor files, both ways between two sessions of the Chrome
//! driver on the simulated WhatsApp, and between a session and a phone.
#![cfg(feature = "sandbox")]

mod chrome_support;

use std::time::Duration;

use chrome_support::simulated::{OURS, THEIRS, logged_in, sandbox, theirs};
use chrome_support::{Bench, PATIENCE, Session, phone};
use time::OffsetDateTime;
use zapnode_core::driver::{DriverError, DriverEvent};
use zapnode_core::message::{
    Ack, ContactCard, Content, Event, EventAnswer, EventCall, IncomingMessage, Notice,
    OutgoingMessage, PollVote, SentMessage,
};
use zapnode_core::sandbox::{Addressing, Draft, Faults, ForwardKey, Phone, PhoneMessage, Sandbox};
use zapnode_core::{ChatId, WireId};

const THIRD: &str = "244929000003";

/// Two sessions whose accounts write to each other.
struct Pair {
    a: Session,
    b: Session,
    /// B's chat, as A has it.
    chat: ChatId,
}

async fn pair(sandbox: &Sandbox, bench: &Bench) -> Pair {
    let mut a = logged_in(sandbox, bench).await;
    let mut b = bench.open("b").await;
    let qr = b.wait_qr().await;
    theirs(sandbox).scan(&qr).await.expect("scanned");
    b.wait_ready().await;
    let chat = a.chat_of(&phone(THEIRS)).await;
    // Each knows the other's names before anything else is sent.
    let hello = OutgoingMessage::text(chat.clone(), "olá");
    send(&mut a, &hello).await;
    let heard = b.wait_message("olá").await;
    let back = OutgoingMessage::text(heard.chat, "olá também");
    send(&mut b, &back).await;
    a.wait_message("olá também").await;
    Pair { a, b, chat }
}

async fn send(session: &mut Session, message: &OutgoingMessage) -> SentMessage {
    let sent = session.connection.send(message).await.expect("sent");
    session.wait_ack(&message.wire_id, Ack::Server).await;
    sent
}

fn carrying(chat: &ChatId, content: Content) -> OutgoingMessage {
    content.check().expect("it can be sent");
    OutgoingMessage {
        chat: chat.clone(),
        wire_id: WireId::choose(),
        reply_to: None,
        content,
    }
}

/// The message of this id, as the session is told of it.
async fn told(session: &mut Session, id: &WireId) -> IncomingMessage {
    session
        .wait(&format!("the message {id}"), |event| match event {
            DriverEvent::Message(message) if message.id.wire_id() == *id => {
                Some((**message).clone())
            }
            _ => None,
        })
        .await
}

async fn vote(session: &mut Session) -> PollVote {
    session
        .wait("a vote", |event| match event {
            DriverEvent::Vote(vote) => Some(vote.clone()),
            _ => None,
        })
        .await
}

async fn shows(phone: &Phone, id: &WireId, so: impl Fn(&PhoneMessage) -> bool) -> PhoneMessage {
    let shown = phone.wait_for_message(|message| message.id == *id && so(message), PATIENCE);
    shown.await.expect("the phone shows it so")
}

/// Sends it from A to B; how B is told of it.
async fn across(pair: &mut Pair, content: Content) -> IncomingMessage {
    let message = carrying(&pair.chat, content);
    send(&mut pair.a, &message).await;
    let told = told(&mut pair.b, &message.wire_id).await;
    assert_eq!(told.kind, message.content.kind());
    assert!(!told.from_me);
    told
}

fn poll(several: bool) -> Content {
    Content::Poll {
        question: "Quando?".to_owned(),
        options: ["Segunda", "Terça", "Quarta"].map(str::to_owned).to_vec(),
        several,
    }
}

async fn every_kind(pair: &mut Pair) {
    let place = Content::Location {
        latitude: -8.81,
        longitude: 13.23,
        name: Some("Mutamba".to_owned()),
        address: Some("Luanda".to_owned()),
    };
    let place = across(pair, place).await.details.location;
    let place = place.expect("a place");
    assert!((place.latitude + 8.81).abs() < 1e-9 && (place.longitude - 13.23).abs() < 1e-9);
    assert_eq!(place.name.as_deref(), Some("Mutamba"));
    assert_eq!(place.address.as_deref(), Some("Luanda"));
    let bare = Content::Location {
        latitude: 0.0,
        longitude: 0.0,
        name: None,
        address: None,
    };
    assert!(across(pair, bare).await.details.location.is_some());

    let card = |name: &str| ContactCard::new(name, &[phone(THIRD)]);
    let one = Content::Contacts {
        contacts: vec![card("Rui; Loja")],
    };
    assert_eq!(
        across(pair, one).await.details.vcards,
        [card("Rui; Loja").vcard]
    );
    let two = Content::Contacts {
        contacts: vec![card("Rui"), card("Eva")],
    };
    assert_eq!(
        across(pair, two).await.details.vcards,
        [card("Rui").vcard, card("Eva").vcard]
    );

    let starts_at = OffsetDateTime::from_unix_timestamp(1_900_000_000).expect("a time");
    let event = Content::Event(Event {
        name: "Inauguração".to_owned(),
        description: Some("Com bolo".to_owned()),
        starts_at,
        ends_at: Some(starts_at + time::Duration::hours(2)),
        location: Some("Loja".to_owned()),
        call: Some(EventCall::Video),
    });
    let told = across(pair, event).await;
    let event = told.details.event.expect("an event");
    assert_eq!(event.name, "Inauguração");
    assert_eq!(event.description.as_deref(), Some("Com bolo"));
    assert_eq!(event.starts_at, Some(1_900_000_000));
    assert_eq!(event.ends_at, Some(1_900_007_200));
    assert_eq!(event.location.as_deref(), Some("Loja"));
    let link = event.join_link.unwrap_or_default();
    assert!(
        link.starts_with("https://call.whatsapp.com/video/"),
        "{link}"
    );
    let answered = pair.b.connection.answer_event(&told.id, EventAnswer::Yes);
    answered.await.expect("answered");
    let no_poll = pair.b.connection.vote(&told.id, &[]).await;
    assert!(
        matches!(no_poll, Err(DriverError::NotAllowed { .. })),
        "{no_poll:?}"
    );
}

/// A poll, and votes that both sides hear of; nothing that is impossible is handed on.
async fn polls(pair: &mut Pair) {
    let told = across(pair, poll(true)).await;
    let facts = told.details.poll.clone().expect("a poll");
    assert_eq!(facts.question, "Quando?");
    assert_eq!(facts.options, ["Segunda", "Terça", "Quarta"]);
    assert!(facts.several);
    let connection = pair.b.connection.clone();
    for chosen in [&["Terça", "Segunda"][..], &["Quarta"], &[]] {
        let chosen: Vec<String> = chosen.iter().map(|&one| one.to_owned()).collect();
        connection.vote(&told.id, &chosen).await.expect("voted");
        for (session, own) in [(&mut pair.a, false), (&mut pair.b, true)] {
            let vote = vote(session).await;
            assert_eq!(vote.poll.wire_id(), told.id.wire_id());
            assert_eq!(vote.from_me, own);
            assert_eq!(vote.question.as_deref(), Some("Quando?"));
            let names = vote.choices.iter().filter_map(|one| one.name.clone());
            let (mut names, mut wanted): (Vec<_>, _) = (names.collect(), chosen.clone());
            names.sort();
            wanted.sort();
            assert_eq!(names, wanted, "{vote:#?}");
        }
    }
    let single = across(pair, poll(false)).await;
    assert!(!single.details.poll.expect("a poll").several);
    let two = ["Segunda", "Terça"].map(str::to_owned);
    let unknown = ["Domingo".to_owned()];
    for refused in [
        connection.vote(&single.id, &two).await,
        connection.vote(&single.id, &unknown).await,
    ] {
        assert!(
            matches!(refused, Err(DriverError::NotAllowed { .. })),
            "{refused:?}"
        );
    }
}

/// What B wrote, and a place of A's own, passed on to a third: once each, under the id that was
/// chosen.
async fn forwards(sandbox: &Sandbox, pair: &mut Pair) {
    let third = sandbox.phone(&phone(THIRD));
    let to = pair.a.chat_of(&phone(THIRD)).await;
    let back = pair.b.chat_of(&phone(OURS)).await;
    let words = OutgoingMessage::text(back, "para passar");
    send(&mut pair.b, &words).await;
    let heard = pair.a.wait_message("para passar").await;
    let place = Content::Location {
        latitude: 1.0,
        longitude: 2.0,
        name: Some("Ponte".to_owned()),
        address: None,
    };
    let place = carrying(&pair.chat, place);
    let place = send(&mut pair.a, &place).await;
    for (source, kind) in [(heard.id, "chat"), (place.id, "location")] {
        let copy = carrying(&to, Content::Forward { message: source });
        let sent = send(&mut pair.a, &copy).await;
        assert_eq!(sent.id.wire_id(), copy.wire_id);
        let again = pair.a.connection.send(&copy).await.expect("known");
        assert_eq!(again.id, sent.id, "the same id again is the same message");
        let arrived = shows(&third, &copy.wire_id, |_| true).await;
        assert_eq!(arrived.kind, kind);
        assert_eq!(arrived.fields["isForwarded"], true);
        assert_eq!(arrived.deliveries, 1);
    }
    let got = third.messages();
    assert_eq!(got.len(), 2, "{got:#?}");
}

/// Mentions have the names that the group has, in the text as well; a link has a preview if it comes
/// in time.
async fn texts(sandbox: &Sandbox, pair: &mut Pair, addressing: Addressing) {
    let other = theirs(sandbox);
    let members = [phone(OURS), phone(THIRD)];
    let group = other.found_group("Obra", &members).await.expect("founded");
    other
        .write(group.clone(), Draft::text("bem-vindos"))
        .await
        .expect("written");
    let group = pair.a.wait_message("bem-vindos").await.chat;
    let message = carrying(
        &group,
        Content::Text {
            text: format!("@{THIRD} e @{THEIRS}: às 8"),
            mentions: [THIRD, THEIRS]
                .map(|number| ChatId::from(&phone(number)))
                .to_vec(),
            link_preview: true,
        },
    );
    send(&mut pair.a, &message).await;
    let told = told(&mut pair.b, &message.wire_id).await;
    assert_eq!(told.details.mentions.len(), 2);
    let text = told.text.clone().unwrap_or_default();
    for mentioned in &told.details.mentions {
        let lid = addressing != Addressing::Pn;
        assert_eq!(mentioned.id.is_lid(), lid, "{told:#?}");
        assert!(
            text.contains(&format!("@{}", mentioned.id.user())),
            "{text}"
        );
    }

    let linked = |link_preview| Content::Text {
        text: "vê https://example.com/loja agora".to_owned(),
        mentions: vec![],
        link_preview,
    };
    let preview = across(pair, linked(true)).await.details.link;
    let preview = preview.expect("a preview");
    assert_eq!(preview.url, "https://example.com/loja");
    assert_eq!(preview.title.as_deref(), Some("About example.com"));
    assert_eq!(across(pair, linked(false)).await.details.link, None);
    sandbox.set_faults(Faults {
        addressing,
        messages_carry_number: true,
        link_preview_ms: 120_000,
        ..Faults::default()
    });
    let began = tokio::time::Instant::now();
    assert_eq!(across(pair, linked(true)).await.details.link, None);
    assert!(began.elapsed() < Duration::from_secs(20), "without waiting");
}

async fn both_ways(addressing: Addressing) {
    let sandbox = sandbox(|faults| {
        faults.addressing = addressing;
        faults.messages_carry_number = true;
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut pair = pair(&sandbox, &bench).await;
    every_kind(&mut pair).await;
    polls(&mut pair).await;
    forwards(&sandbox, &mut pair).await;
    texts(&sandbox, &mut pair, addressing).await;
    // And the other way round.
    let chat = pair.b.chat_of(&phone(OURS)).await;
    let Pair { a, b, .. } = pair;
    let mut pair = Pair { a: b, b: a, chat };
    every_kind(&mut pair).await;
    polls(&mut pair).await;
    pair.a.close().await;
    pair.b.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_where_people_have_numbers() {
    both_ways(Addressing::Pn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_where_people_have_lids() {
    both_ways(Addressing::Lid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_phones_write_is_told_and_their_votes_are_heard() {
    let sandbox = sandbox(|faults| faults.messages_carry_number = true).await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let other = theirs(&sandbox);
    let write = async |draft| other.write(phone(OURS), draft).await.expect("written");
    let place = write(Draft::location(-8.8, 13.2, "Mutamba\nLuanda")).await;
    let place = told(&mut session, &place).await.details.location;
    assert_eq!(place.and_then(|p| p.name).as_deref(), Some("Mutamba"));
    let vcard = ContactCard::new("Rui", &[phone(THIRD)]).vcard;
    let card = write(Draft::contact("Rui", &vcard)).await;
    assert_eq!(told(&mut session, &card).await.details.vcards, [vcard]);
    let event = write(Draft::event("Festa", 1_900_000_000)).await;
    let event = told(&mut session, &event).await;
    assert_eq!(event.text.as_deref(), Some("Festa"));
    assert_eq!(event.details.event.clone().expect("an event").name, "Festa");
    let answered = session
        .connection
        .answer_event(&event.id, EventAnswer::Maybe);
    answered.await.expect("answered");
    shows(&other, &event.id.wire_id(), |m| {
        m.marks.answers.get(&phone(OURS)) == Some(&3)
    })
    .await;
    // Its phone votes in our poll, and we in its.
    let chat = session.chat_of(&phone(THEIRS)).await;
    let ours = carrying(&chat, poll(false));
    send(&mut session, &ours).await;
    shows(&other, &ours.wire_id, |_| true).await;
    other.vote(&ours.wire_id, &[1]).await.expect("voted");
    let heard = vote(&mut session).await;
    assert!(!heard.from_me && heard.poll.wire_id() == ours.wire_id);
    assert_eq!(heard.choices[0].name.as_deref(), Some("Terça"));
    let theirs = write(Draft::poll("Pizza?", &["Sim", "Não"], false)).await;
    let told_poll = told(&mut session, &theirs).await;
    let yes = ["Sim".to_owned()];
    session
        .connection
        .vote(&told_poll.id, &yes)
        .await
        .expect("voted");
    shows(&other, &theirs, |m| {
        m.marks.votes.get(&phone(OURS)).is_some_and(|v| *v == [0])
    })
    .await;
    assert!(vote(&mut session).await.from_me);
    // What was voted before the page was loaded anew is not told again; what comes after is.
    session.reload().await;
    other.vote(&ours.wire_id, &[]).await.expect("taken back");
    let heard = vote(&mut session).await;
    assert!(!heard.from_me && heard.choices.is_empty(), "{heard:#?}");

    // Something that nobody wrote.
    let fields = serde_json::json!({"templateParams": [format!("{THEIRS}@c.us")]});
    let fields = fields.as_object().cloned().expect("fields");
    let notice = Draft::text("").of_kind("e2e_notification", fields);
    let id = write(notice).await;
    let notice: Notice = session
        .wait("a notice", |event| match event {
            DriverEvent::Notice(notice) => Some(notice.clone()),
            _ => None,
        })
        .await;
    assert_eq!(notice.id.wire_id(), id);
    assert_eq!(notice.kind, "e2e_notification");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_part_takes_its_kind_and_no_other() {
    let sandbox = sandbox(|faults| {
        faults.forward_key = ForwardKey::Own;
        faults.missing_modules = [
            "WAWebBackendJobsCommon",
            "WAWebGenerateEventCallLink",
            "WAWebPollsSendVoteMsgAction",
            "WAWebSendEventResponseMsgAction",
            "WAWebLinkPreviewChatAction",
            "WAWebAddonPollVoteTableMode",
        ]
        .map(str::to_owned)
        .to_vec();
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let mut session = logged_in(&sandbox, &bench).await;
    let other = theirs(&sandbox);
    let chat = session.chat_of(&phone(THEIRS)).await;
    let lacks = |result: Result<(), DriverError>, what: &str, module: &str| match result {
        Err(DriverError::Unsupported { feature, part }) => {
            assert_eq!(feature, what);
            assert!(part.starts_with(module), "{part}");
        }
        other => panic!("{what}: {other:?}"),
    };
    let place = Content::Location {
        latitude: 1.0,
        longitude: 2.0,
        name: None,
        address: None,
    };
    let connection = session.connection.clone();
    let sent = connection.send(&carrying(&chat, place)).await;
    lacks(sent.map(drop), "a location", "WAWebBackendJobsCommon");
    let event = |call| {
        Content::Event(Event {
            name: "Festa".to_owned(),
            description: None,
            starts_at: OffsetDateTime::now_utc(),
            ends_at: None,
            location: None,
            call,
        })
    };
    let with_call = carrying(&chat, event(Some(EventCall::Voice)));
    let sent = connection.send(&with_call).await;
    lacks(sent.map(drop), "an event", "WAWebGenerateEventCallLink");
    let event = carrying(&chat, event(None));
    let event = send(&mut session, &event).await;
    let answered = connection.answer_event(&event.id, EventAnswer::No).await;
    lacks(answered, "answer event", "WAWebSendEventResponseMsgAction");
    let poll = carrying(&chat, poll(false));
    let poll = send(&mut session, &poll).await;
    let voted = connection.vote(&poll.id, &["Terça".to_owned()]).await;
    lacks(voted, "vote", "WAWebPollsSendVoteMsgAction");
    // Without its preview a link goes all the same.
    let linked = OutgoingMessage::text(chat.clone(), "https://example.com");
    let linked = send(&mut session, &linked).await;
    // A build that gives copies ids of its own: told, and not tried again.
    let copy = Content::Forward { message: linked.id };
    let refused = connection.send(&carrying(&chat, copy)).await;
    let refused = refused.expect_err("what becomes of it is not known");
    assert!(
        matches!(&refused, DriverError::Refused { reason, .. } if reason.contains("id of its own")),
        "{refused}"
    );
    let copies = other.messages();
    let copies = copies
        .iter()
        .filter(|m| m.fields.contains_key("isForwarded"));
    assert_eq!(copies.count(), 1);
    let test = connection.self_test().await.expect("a self-test");
    assert!(test.ok, "{test:#?}");
    for part in ["listener: places", "listener: votes"] {
        let probe = test.probes.iter().find(|probe| probe.part == part);
        let probe = probe.expect("a probe of that name");
        assert!(!probe.found && probe.detail.is_some(), "{probe:#?}");
    }
    session.close().await;
}
