use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::webhook::retries::RetryPolicy;

fn lane(name: &str) -> Lane {
    name.into()
}

fn schedule(at_once: usize) -> Schedule {
    Schedule::new(Retries::default(), at_once)
}

fn push(s: &mut Schedule, name: &str, numbers: impl IntoIterator<Item = i64>) {
    for n in numbers {
        let job = Job {
            n,
            sequence: n,
            attempts: 0,
        };
        s.push(lane(name), job);
    }
}

/// Everything that may be sent now.
fn sent(s: &mut Schedule, now: Instant) -> Vec<i64> {
    let mut sent = vec![];
    while let Next::Send(job) = s.next(now) {
        sent.push(job.n);
    }
    sent
}

fn after(now: Instant, seconds: u64) -> Instant {
    now + Duration::from_secs(seconds)
}

#[test]
fn verdicts() {
    use Verdict::*;
    let table = [
        (Some(200), 1, Delivered),
        (Some(204), 15, Delivered),
        (Some(299), 1, Delivered),
        (Some(410), 1, Gone),
        (Some(410), 15, Gone),
        (Some(199), 1, Retry),
        (Some(303), 1, Retry),
        (Some(400), 1, Retry),
        (Some(401), 14, Retry),
        (Some(404), 15, Dead),
        (Some(500), 1, Retry),
        (Some(500), 15, Dead),
        (Some(500), 16, Dead),
        (None, 1, Retry),
        (None, 15, Dead),
    ];
    for (status, attempt, expected) in table {
        assert_eq!(
            Verdict::of(status, attempt, 15),
            expected,
            "{status:?} {attempt}"
        );
    }
}

#[test]
fn a_chat_s_events_go_one_by_one_and_chats_do_not_wait_for_each_other() {
    let now = Instant::now();
    let mut s = schedule(8);
    push(&mut s, "a", [1, 2, 4]);
    push(&mut s, "b", [3, 5]);
    assert_eq!(sent(&mut s, now), [1, 3]);
    s.settle(1, Verdict::Delivered, now, 0.5);
    assert_eq!(sent(&mut s, now), [2]);
    // `b` fails and waits, `a` goes on.
    s.settle(3, Verdict::Retry, now, 0.5);
    s.settle(2, Verdict::Delivered, now, 0.5);
    assert_eq!(sent(&mut s, now), [4]);
    s.settle(4, Verdict::Delivered, now, 0.5);
    assert_eq!(s.next(now), Next::At(after(now, 1)));
    assert_eq!(sent(&mut s, after(now, 1)), [3]);
    s.settle(3, Verdict::Delivered, now, 0.5);
    assert_eq!(sent(&mut s, now), [5]);
    s.settle(5, Verdict::Delivered, now, 0.5);
    assert_eq!((s.next(now), s.held(), s.sending()), (Next::Nothing, 0, 0));
    assert!(s.lanes.is_empty() && s.heads.is_empty());
}

#[test]
fn no_more_at_once_than_allowed() {
    let now = Instant::now();
    let mut s = schedule(2);
    for n in 1..=5 {
        push(&mut s, &format!("chat {n}"), [n]);
    }
    assert_eq!(sent(&mut s, now), [1, 2]);
    s.settle(2, Verdict::Delivered, now, 0.5);
    assert_eq!(sent(&mut s, now), [3]);
}

#[test]
fn one_event_that_is_never_taken_holds_up_its_own_chat_only() {
    let mut now = Instant::now();
    let mut s = schedule(4);
    push(&mut s, "poison", [1, 2]);
    let mut delivered = vec![];
    let mut tried = 0;
    let mut next = 10;
    // Other chats have an event each half second; all of them are taken.
    while tried < 15 {
        push(&mut s, &format!("chat {next}"), [next]);
        next += 1;
        for n in sent(&mut s, now) {
            if n == 1 {
                tried += 1;
                s.settle(n, Verdict::of(Some(500), tried, 15), now, 0.5);
            } else {
                s.settle(n, Verdict::Delivered, now, 0.5);
                delivered.push(n);
            }
        }
        now += Duration::from_millis(500);
    }
    // Nobody else waited, and the event behind it goes once it is given up.
    assert_eq!(delivered.len(), usize::try_from(next - 10).expect("few"));
    assert_eq!(sent(&mut s, now), [2]);
}

#[test]
fn a_destination_that_is_down_is_tried_by_one_at_a_time_and_ever_more_rarely() {
    let mut now = Instant::now();
    let mut s = schedule(8);
    for n in 1..=4 {
        push(&mut s, &format!("chat {n}"), [n, n + 10]);
    }
    let first = sent(&mut s, now);
    assert_eq!(first, [1, 2, 3, 4]);
    for n in first {
        s.settle(n, Verdict::Retry, now, 0.5);
    }
    assert!(s.is_down());
    let mut pauses = vec![];
    let mut tried = vec![];
    for _ in 0..6 {
        let Next::At(at) = s.next(now) else {
            panic!("it waits")
        };
        pauses.push((at - now).as_secs());
        now = at;
        let sent = sent(&mut s, now);
        assert_eq!(sent.len(), 1, "one at a time: {sent:?}");
        tried.push(sent[0]);
        s.settle(sent[0], Verdict::Retry, now, 0.5);
    }
    assert_eq!(pauses, [8, 16, 32, 60, 60, 60]);
    // The attempts are shared out.
    assert_eq!(tried, [1, 2, 3, 4, 1, 2]);
    // It is back: all go at once.
    let Next::At(at) = s.next(now) else {
        panic!("it waits")
    };
    now = at;
    assert_eq!(sent(&mut s, now), [3]);
    s.settle(3, Verdict::Delivered, now, 0.5);
    assert!(!s.is_down());
    assert_eq!(sent(&mut s, now), [1, 2, 4, 13]);
}

#[test]
fn a_single_chat_at_a_dead_destination_sees_the_documented_pauses() {
    let mut now = Instant::now();
    let began = now;
    let mut s = schedule(8);
    push(&mut s, "a", [1, 2]);
    let mut at = vec![];
    for attempt in 1..=15 {
        if let Next::At(then) = s.next(now) {
            now = then;
        }
        if s.sending() == 0 {
            assert_eq!(
                s.next(now),
                Next::Send(Job {
                    n: 1,
                    sequence: 1,
                    attempts: attempt - 1
                })
            );
        }
        at.push((now - began).as_secs());
        s.settle(1, Verdict::of(None, attempt, 15), now, 0.5);
    }
    assert_eq!(at[..8], [0, 1, 3, 7, 15, 31, 63, 123]);
    // The next event of the chat goes on, as rarely as the destination allows.
    assert_eq!(s.next(now), Next::At(after(now, 60)));
    assert_eq!(sent(&mut s, after(now, 60)), [2]);
}

#[test]
fn what_could_not_be_recorded_is_not_held_against_the_destination() {
    let now = Instant::now();
    let mut s = schedule(8);
    push(&mut s, "a", [1]);
    for round in 0..5 {
        let now = after(now, round * 5);
        match s.next(now) {
            Next::Send(job) => assert_eq!(job.attempts, 0),
            other => panic!("{other:?}"),
        }
        s.settle(1, Verdict::NotRecorded, now, 0.5);
        assert_eq!(s.next(now), Next::At(after(now, 5)));
    }
    assert!(!s.is_down());
}

#[test]
fn a_long_lane_is_held_in_parts() {
    let now = Instant::now();
    let mut s = schedule(8);
    push(&mut s, "a", 1..=250);
    assert_eq!((s.held(), s.unsettled()), (LANE_HELD, 250));
    // One long lane is no reason not to look for others.
    assert_eq!(s.open(), LANE_COUNTED);
    assert_eq!(s.lane_to_load(), None);
    let mut done = vec![];
    while done.len() < 251 {
        if let Some(found) = s.lane_to_load() {
            assert_eq!(s.lane_to_load(), None, "told once");
            if done.len() == 100 {
                // Comes while the lane is looked up, and may be among what is found.
                push(&mut s, "a", [251]);
            }
            let from = done.last().copied().unwrap_or(0) + 1;
            let known = if done.len() < 100 { 250 } else { 251 };
            let jobs = (from..=known).take(Schedule::LOAD);
            s.loaded(
                &found,
                jobs.map(|n| Job {
                    n,
                    sequence: n,
                    attempts: 0,
                })
                .collect(),
            );
        }
        for n in sent(&mut s, now) {
            done.push(n);
            s.settle(n, Verdict::Delivered, now, 0.5);
        }
    }
    assert!(done.iter().copied().eq(1..=251));
    assert!(s.lane_to_load().is_none() && s.lanes.is_empty());
}

proptest! {
    /// Whatever the answers: in order within a lane, never two of a lane at once, never more than
    /// allowed, and everything ends.
    #[test]
    fn order_and_bounds_hold(
        lanes in prop::collection::vec(0..4u8, 1..60),
        answers in prop::collection::vec(0..4u8, 1..200),
        at_once in 1..5usize,
        attempts in 1..4u32,
    ) {
        let retries = Retries { policy: RetryPolicy::Exponential, delay_ms: 1000, attempts };
        let mut s = Schedule::new(retries, at_once);
        let mut now = Instant::now();
        for (index, name) in lanes.iter().enumerate() {
            push(&mut s, &name.to_string(), [i64::try_from(index).expect("few")]);
        }
        let lane_of = |n: i64| lanes[usize::try_from(n).expect("ours")];
        let mut under_way: Vec<Job> = vec![];
        let mut ended: Vec<i64> = vec![];
        let mut answers = answers.into_iter().cycle();
        for _ in 0..20_000 {
            match s.next(now) {
                Next::Send(job) => {
                    prop_assert!(under_way.iter().all(|j| lane_of(j.n) != lane_of(job.n)));
                    under_way.push(job);
                    prop_assert!(under_way.len() <= at_once);
                    continue;
                }
                Next::At(at) if under_way.is_empty() => {
                    prop_assert!(at > now);
                    now = at;
                    continue;
                }
                Next::At(_) | Next::Nothing => {}
            }
            let Some(job) = under_way.pop() else { break };
            let status = if answers.next() == Some(0) { Some(200) } else { Some(500) };
            let verdict = Verdict::of(status, job.attempts + 1, attempts);
            if matches!(verdict, Verdict::Delivered | Verdict::Dead) {
                let earlier = ended.iter().filter(|n| lane_of(**n) == lane_of(job.n));
                prop_assert!(earlier.max().is_none_or(|n| *n < job.n));
                ended.push(job.n);
            }
            s.settle(job.n, verdict, now, 0.5);
        }
        let all: BTreeSet<_> = ended.iter().copied().collect();
        prop_assert_eq!(all.len(), lanes.len());
        prop_assert!(s.lanes.is_empty() && s.heads.is_empty() && s.waiting.is_empty());
    }
}
