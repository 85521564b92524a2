//! Bulk jobs, the opt-out list and pools on the scripted driver, without a browser.

mod scene;

use std::time::Duration;

use scene::{Scene, ana, bruno, id, qr, until};
use time::OffsetDateTime;
use zapnode_core::bulk::{BulkJob, BulkRecipient, InvalidCode, JobState, NewBulk};
use zapnode_core::message::Recipient;
use zapnode_core::outbox::{FailureCode, MessageState, NewMessage, WaitReason};
use zapnode_core::person::Person;
use zapnode_core::pool::{PoolName, Senders, Strategy};
use zapnode_core::{Error, PhoneNumber, SessionHandle, SessionInfo, SessionManager};

const WAIT: Duration = Duration::from_secs(20);

fn phone(n: usize) -> PhoneNumber {
    PhoneNumber::new(&format!("5511900000{n:03}")).expect("a number")
}

fn person(phone: &PhoneNumber) -> Person {
    Person::new(Some(phone.clone()), None).expect("a person")
}

/// A job to so many people, each by their own name, as fast as it goes.
fn job(people: usize) -> NewBulk {
    let recipients = (0..people).map(|n| BulkRecipient {
        fields: [("name".to_owned(), format!("nº {n}"))].into(),
        ..phone(n).as_str().into()
    });
    NewBulk {
        paced: false,
        ..NewBulk::new("Olá {{name}}", recipients)
    }
}

/// Follows a job until `so` holds.
async fn job_until(
    manager: &SessionManager,
    job: &BulkJob,
    so: impl Fn(&BulkJob) -> bool,
) -> BulkJob {
    let jobs = manager.bulk_jobs();
    let mut now = jobs.get(job.id).await.expect("there");
    while !so(&now) {
        let next = jobs.changed(job.id, now.generation(), WAIT).await;
        let next = next.expect("there");
        assert_ne!(next, now, "no news in time");
        now = next;
    }
    now
}

async fn done(manager: &SessionManager, job: &BulkJob) -> BulkJob {
    job_until(manager, job, |j| j.state == JobState::Done).await
}

fn got(scene: &Scene, n: usize) -> Vec<String> {
    let texts = scene.driver.delivered_to(&phone(n)).into_iter();
    texts.map(|(_, text)| text).collect()
}

/// Brings a linked session to where it takes messages and cannot send them.
async fn coming_back(scene: &Scene, session: &SessionHandle) {
    scene.driver.hold_opening(true);
    session.restart().await.expect("restarts");
    until(session, |i| !i.is_ready() && i.linked).await;
}

async fn back(scene: &Scene, session: &SessionHandle) {
    scene.driver.hold_opening(false);
    until(session, SessionInfo::is_ready).await;
}

/// Sends one by itself: when it has arrived, whatever could go before it has.
async fn direct(session: &SessionHandle, to: &PhoneNumber) {
    let new = NewMessage::text(to.clone(), "directly");
    let sent = session.submit_and_wait(new, MessageState::Sent, WAIT).await;
    assert_eq!(sent.expect("accepted").message.state, MessageState::Sent);
}

#[tokio::test]
async fn everybody_gets_their_own_text_once() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut new = job(20);
    new.recipients.push(phone(3).as_str().into());
    new.recipients[20].fields = new.recipients[3].fields.clone();
    let submitted = session.submit_bulk(new).await.expect("accepted");
    assert!(!submitted.repeated);
    let job = done(&manager, &submitted.job).await;
    assert_eq!((job.total, job.skipped.duplicate), (20, 1));
    assert_eq!(job.counts.sent, 20, "{:?}", job.counts);
    for n in 0..20 {
        assert_eq!(got(&scene, n), [format!("Olá nº {n}")]);
    }
    let messages = manager.bulk_jobs().messages(job.id, None, None, 99).await;
    let messages = messages.expect("read");
    assert!(messages.iter().all(|m| m.batch == Some(job.id)));
    assert_eq!(messages.len(), 20);
    let listed = manager.bulk_jobs().list(Some(id("a")), None, 9).await;
    assert_eq!(listed.expect("read"), [job]);
}

#[tokio::test]
async fn what_is_wrong_accepts_nothing() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let mut new = job(3);
    new.recipients[1].fields.clear();
    new.recipients.push("12".into());
    match session.submit_bulk(new.clone()).await {
        Err(Error::InvalidRecipients(invalid)) => {
            let found: Vec<_> = invalid.iter().map(|i| (i.index, i.code)).collect();
            assert_eq!(
                found,
                [(1, InvalidCode::MissingField), (3, InvalidCode::Recipient)]
            );
        }
        other => panic!("{other:?}"),
    }
    let nobody = NewBulk {
        recipients: vec![],
        ..job(0)
    };
    assert!(matches!(
        session.submit_bulk(nobody).await,
        Err(Error::InvalidMessage(_))
    ));
    assert!(matches!(
        session
            .submit_bulk(NewBulk::new("{{", ["5511900000001"]))
            .await,
        Err(Error::InvalidTemplate(_))
    ));
    session.stop().await.expect("stops");
    assert!(matches!(
        session.submit_bulk(job(1)).await,
        Err(Error::NotReady { .. })
    ));
    let jobs = manager.bulk_jobs().list(None, None, 9).await;
    assert!(jobs.expect("read").is_empty());
}

#[tokio::test]
async fn a_key_stands_for_one_job_or_one_message() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let keyed = |key: &str, people| NewBulk {
        idempotency_key: Some(key.to_owned()),
        ..job(people)
    };
    // Twice at the same moment, and once more when it is over.
    let (first, second) = tokio::join!(
        session.submit_bulk(keyed("k", 4)),
        session.submit_bulk(keyed("k", 4))
    );
    let (first, second) = (first.expect("one"), second.expect("the same"));
    assert_eq!(first.job.id, second.job.id);
    assert!(first.repeated != second.repeated);
    done(&manager, &first.job).await;
    session.stop().await.expect("stops");
    let again = session.submit_bulk(keyed("k", 4)).await.expect("known");
    assert!(again.repeated && again.job.state == JobState::Done);
    for n in 0..4 {
        assert_eq!(got(&scene, n).len(), 1);
    }
    let mismatch = |outcome: Result<(), Error>| {
        assert!(
            matches!(outcome, Err(Error::IdempotencyMismatch)),
            "{outcome:?}"
        );
    };
    mismatch(session.submit_bulk(keyed("k", 5)).await.map(drop));
    session.start().await.expect("starts");
    until(&session, SessionInfo::is_ready).await;
    let single = |key: &str| NewMessage {
        idempotency_key: Some(key.to_owned()),
        ..NewMessage::text(bruno(), "x")
    };
    mismatch(session.submit(single("k")).await.map(drop));
    session.submit(single("m")).await.expect("accepted");
    mismatch(session.submit_bulk(keyed("m", 1)).await.map(drop));
}

#[tokio::test]
async fn a_job_is_held_and_goes_on_also_across_a_restart() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    coming_back(&scene, &session).await;
    let job = session.submit_bulk(job(6)).await.expect("accepted").job;
    let jobs = manager.bulk_jobs();
    for _ in 0..2 {
        let held = jobs.pause(job.id).await.expect("held");
        assert_eq!(held.state, JobState::Paused);
    }
    back(&scene, &session).await;
    direct(&session, &bruno()).await;
    assert_eq!(jobs.get(job.id).await.expect("there").counts.queued, 6);
    manager.shutdown().await;
    drop((manager, session, jobs));

    let manager = scene.manager().await;
    manager.restore().await;
    let session = manager.get(&id("a")).expect("there");
    until(&session, SessionInfo::is_ready).await;
    direct(&session, &bruno()).await;
    assert!((0..6).all(|n| got(&scene, n).is_empty()));
    for _ in 0..2 {
        manager.bulk_jobs().resume(job.id).await.expect("goes on");
    }
    let job = done(&manager, &job).await;
    assert_eq!(job.counts.sent, 6);
    assert!((0..6).all(|n| got(&scene, n).len() == 1));
}

#[tokio::test]
async fn a_cancel_says_what_it_took_back() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    coming_back(&scene, &session).await;
    let cancelled = session.submit_bulk(job(6)).await.expect("accepted").job;
    let jobs = manager.bulk_jobs();
    let (now, taken) = jobs.cancel(cancelled.id).await.expect("cancelled");
    assert_eq!((now.state, taken), (JobState::Cancelled, 6));
    let (now, taken) = jobs.cancel(cancelled.id).await.expect("again");
    assert_eq!((now.state, taken), (JobState::Cancelled, 0));
    back(&scene, &session).await;
    direct(&session, &bruno()).await;
    assert!((0..6).all(|n| got(&scene, n).is_empty()));

    // One that is over is not cancelled, and one that there is not is told.
    let over = session.submit_bulk(job(2)).await.expect("accepted").job;
    done(&manager, &over).await;
    let (now, taken) = jobs.cancel(over.id).await.expect("there");
    assert_eq!((now.state, taken), (JobState::Done, 0));
    assert!(matches!(
        jobs.cancel(ulid::Ulid::new()).await,
        Err(Error::BulkNotFound)
    ));
}

#[tokio::test]
async fn a_gentle_job_takes_its_time_and_nobody_else_waits_for_it() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let gentle = NewBulk {
        paced: true,
        ..job(3)
    };
    let job = session.submit_bulk(gentle).await.expect("accepted").job;
    let job = job_until(&manager, &job, |j| j.counts.sent == 1).await;
    assert_eq!((job.state, job.counts.queued), (JobState::Running, 2));
    direct(&session, &bruno()).await;
    let jobs = manager.bulk_jobs();
    let queued = jobs.messages(job.id, None, Some(MessageState::Queued), 9);
    let queued = queued.await.expect("read");
    let waits = session.waits(&queued).await.expect("told");
    let why: Vec<_> = waits.iter().flatten().map(|w| w.because).collect();
    assert_eq!(why, [WaitReason::PaceGap, WaitReason::PaceGap]);
    let (_, taken) = jobs.cancel(job.id).await.expect("cancelled");
    assert_eq!(taken, 2);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_everything_ends_in_the_middle() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    scene.driver.hold_acks(true);
    let job = session.submit_bulk(job(40)).await.expect("accepted").job;
    scene.driver.until(|_| got(&scene, 5).len() == 1).await;
    // Without a word: what was not written down is not.
    scene.driver.crash(session.id()).await;
    manager.shutdown().await;
    drop((manager, session));

    scene.driver.hold_acks(false);
    let manager = scene.manager().await;
    manager.restore().await;
    let job = done(&manager, &job).await;
    assert_eq!(job.counts.sent, 40, "{:?}", job.counts);
    for n in 0..40 {
        assert_eq!(got(&scene, n), [format!("Olá nº {n}")]);
    }
}

#[tokio::test]
async fn whoever_says_stop_gets_nothing_more_in_bulk() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    let other = scene.ready(&manager, "b").await;
    let later = NewBulk {
        send_at: Some(OffsetDateTime::now_utc() + time::Duration::hours(1)),
        ..job(3)
    };
    let later = other.submit_bulk(later).await.expect("accepted").job;
    // One number is told, and none of them writes any more.
    scene.driver.write(session.id(), &phone(1), " Sair! ").await;
    job_until(&manager, &later, |j| j.counts.cancelled == 1).await;
    let jobs = manager.bulk_jobs();
    let taken = jobs.messages(later.id, None, Some(MessageState::Cancelled), 9);
    let taken = taken.await.expect("read");
    assert_eq!(taken[0].recipient, phone(1).to_string());
    let why = taken[0].failure.as_ref().map(|f| f.code);
    assert_eq!(why, Some(FailureCode::OptedOut));

    // What is no stop word, and one in a message of our own, is nothing.
    scene
        .driver
        .write(session.id(), &phone(2), "não posso sair")
        .await;
    direct(&session, &phone(1)).await;
    let next = session.submit_bulk(job(3)).await.expect("accepted").job;
    let next = done(&manager, &next).await;
    assert_eq!((next.total, next.skipped.opted_out), (2, 1));
    assert_eq!(got(&scene, 1), ["directly"]);
    manager.shutdown().await;
    drop((manager, session, other, jobs));

    let manager = scene.manager().await;
    let list = manager.opt_outs().list(None, None, 9).await.expect("read");
    assert_eq!(list.len(), 1);
    assert_eq!(list[0].session, Some(id("a")));
    manager
        .opt_outs()
        .remove(person(&phone(1)))
        .await
        .expect("off");
    manager.restore().await;
    let session = manager.get(&id("a")).expect("there");
    until(&session, SessionInfo::is_ready).await;
    let last = session.submit_bulk(job(3)).await.expect("accepted").job;
    assert_eq!(done(&manager, &last).await.total, 3);
    assert_eq!(got(&scene, 1), ["directly", "Olá nº 1"]);
}

#[tokio::test]
async fn whoever_is_put_on_the_list_is_taken_out_of_the_queue() {
    let scene = Scene::new();
    let manager = scene.manager().await;
    let session = scene.ready(&manager, "a").await;
    coming_back(&scene, &session).await;
    let job = session.submit_bulk(job(3)).await.expect("accepted").job;
    let (_, is_new) = manager
        .opt_outs()
        .add(person(&phone(0)), Some("asked by phone".to_owned()))
        .await
        .expect("on");
    assert!(is_new);
    let now = manager.bulk_jobs().get(job.id).await.expect("there");
    assert_eq!(now.counts.cancelled, 1, "it is so when it is answered");
    back(&scene, &session).await;
    let job = done(&manager, &job).await;
    assert_eq!((job.counts.sent, job.counts.cancelled), (2, 1));
    assert!(got(&scene, 0).is_empty());
    assert!(matches!(
        manager.opt_outs().remove(person(&phone(9))).await,
        Err(Error::OptOutNotFound)
    ));
}

async fn pair(scene: &Scene) -> (SessionManager, SessionHandle, SessionHandle, Senders) {
    let manager = scene.manager().await;
    let (a, b) = (
        scene.ready(&manager, "a").await,
        scene.ready(&manager, "b").await,
    );
    let both = Senders::Sessions(vec![id("a"), id("b")]);
    (manager, a, b, both)
}

#[tokio::test]
async fn a_customer_keeps_talking_to_one_number() {
    let scene = Scene::new();
    let (manager, a, b, both) = pair(&scene).await;
    let send = async |to: &PhoneNumber, text: &str| {
        let new = NewMessage::text(to.clone(), text);
        let sent = manager
            .submit_from_and_wait(&both, None, new, MessageState::Sent, WAIT)
            .await?;
        assert_eq!(sent.message.state, MessageState::Sent);
        Ok::<_, Error>(sent.message.session)
    };
    // Somebody new: the same one each time.
    let first = send(&bruno(), "1").await.expect("sent");
    assert_eq!(send(&bruno(), "2").await.expect("sent"), first);
    // They write to the other number, and are answered there.
    let other = if first == id("a") { &b } else { &a };
    scene.driver.write(other.id(), &bruno(), "oi").await;
    // Stored in order: a message of our own that was accepted later is behind it.
    direct(other, &ana()).await;
    assert_eq!(send(&bruno(), "3").await.expect("sent"), *other.id());
    // Not there: the next takes over, and keeps them.
    other.stop().await.expect("stops");
    assert_eq!(send(&bruno(), "4").await.expect("sent"), first);
    other.start().await.expect("starts");
    until(other, SessionInfo::is_ready).await;
    assert_eq!(send(&bruno(), "5").await.expect("sent"), first);

    a.stop().await.expect("stops");
    b.log_out().await.expect("logs out");
    match send(&bruno(), "6").await {
        Err(Error::NoneReady { sessions }) => {
            let found: Vec<_> = sessions.iter().map(|s| s.status()).collect();
            assert_eq!(found, ["stopped", "logged_out"]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_that_is_only_coming_back_keeps_its_customers() {
    let scene = Scene::new();
    let (manager, a, b, both) = pair(&scene).await;
    scene.driver.write(b.id(), &bruno(), "oi").await;
    direct(&b, &ana()).await;
    coming_back(&scene, &b).await;
    let new = |to: PhoneNumber| NewMessage::text(to, "x");
    let theirs = manager.submit_from(&both, None, new(bruno())).await;
    assert_eq!(theirs.expect("accepted").message.session, id("b"));
    for n in 0..4 {
        let other = manager.submit_from(&both, None, new(phone(n))).await;
        assert_eq!(other.expect("accepted").message.session, id("a"));
    }
    // None is ready: who comes back has them all.
    a.stop().await.expect("stops");
    let other = manager.submit_from(&both, None, new(phone(7))).await;
    assert_eq!(other.expect("accepted").message.session, id("b"));
    back(&scene, &b).await;
    scene.driver.until(|_| got(&scene, 7).len() == 1).await;
}

#[tokio::test]
async fn turns_loads_and_named_pools() {
    let scene = Scene::new();
    let (manager, a, b, _) = pair(&scene).await;
    let pools = manager.pools();
    let name = PoolName::new("vendas").expect("a name");
    let members = vec![id("a"), id("b"), id("a")];
    let put = pools.put(name.clone(), members, Strategy::RoundRobin).await;
    let (pool, is_new) = put.expect("stored");
    assert!(is_new && pool.sessions == [id("a"), id("b")]);
    assert_eq!(pools.list().await.expect("read"), [pool]);
    let unknown = vec![id("a"), id("nope")];
    assert!(matches!(
        pools.put(name.clone(), unknown, Strategy::Sticky).await,
        Err(Error::SessionNotFound { id: nope }) if nope == id("nope")
    ));

    let senders = Senders::Pool(name.clone());
    let send = async |strategy, n: usize| {
        let new = NewMessage::text(phone(n), "x");
        let sent = manager.submit_from(&senders, strategy, new).await;
        sent.expect("accepted").message.session.to_string()
    };
    let mut turns = vec![];
    for n in 0..4 {
        turns.push(send(None, n).await);
    }
    assert_eq!(turns, ["a", "b", "a", "b"]);

    // What waits to be sent counts.
    coming_back(&scene, &a).await;
    scene.driver.hold_opening(false);
    until(&a, SessionInfo::is_ready).await;
    scene.driver.hold_acks(true);
    for n in 10..14 {
        let new = NewMessage::text(phone(n), "x");
        a.submit(new).await.expect("accepted");
    }
    assert_eq!(send(Some(Strategy::LeastLoaded), 20).await, "b");
    drop(b);

    pools.delete(&name).await.expect("deleted");
    let new = NewMessage::text(bruno(), "x");
    assert!(matches!(
        manager.submit_from(&senders, None, new).await,
        Err(Error::PoolNotFound { .. })
    ));
}

#[tokio::test]
async fn a_repeated_key_gives_the_first_message_whoever_would_send_now() {
    let scene = Scene::new();
    let (manager, a, b, both) = pair(&scene).await;
    let new = |text: &str| NewMessage {
        idempotency_key: Some("k".to_owned()),
        ..NewMessage::text(bruno(), text)
    };
    let turn = Some(Strategy::RoundRobin);
    let first = manager.submit_from(&both, turn, new("x")).await;
    let first = first.expect("accepted").message;
    for _ in 0..2 {
        let again = manager
            .submit_from_and_wait(&both, turn, new("x"), MessageState::Sent, WAIT)
            .await
            .expect("known");
        assert!(again.repeated);
        assert_eq!(again.message.id, first.id);
        assert_eq!(again.message.state, MessageState::Sent);
    }
    assert!(matches!(
        manager.submit_from(&both, turn, new("y")).await,
        Err(Error::IdempotencyMismatch)
    ));
    // Also when none would take it.
    a.stop().await.expect("stops");
    b.stop().await.expect("stops");
    let again = manager.submit_from(&both, turn, new("x")).await;
    assert_eq!(again.expect("known").message.id, first.id);
    assert_eq!(scene.driver.delivered_to(&bruno()).len(), 1);
    let to = Recipient::from(bruno());
    assert_eq!(first.recipient, to.to_string());
    assert!(qr(&a.info()).is_none());
}
