use super::*;
use crate::id::PhoneNumber;
use proptest::prelude::*;

fn now() -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000)
}

fn item(seq: i64, to: u8) -> Item {
    Item {
        seq,
        to: Recipient::Phone(PhoneNumber::new(&format!("2449000000{to:02}")).expect("number")),
        content: Content::text(format!("{seq}")),
        wire_id: WireId::new(&format!("3EB0{seq:018X}")).expect("an id"),
        send_at: None,
        maybe_sent: false,
        attempts: 0,
        minutes: 0,
        priority: Priority::Direct,
        batch: None,
        paced: false,
        reply_to: None,
    }
}

fn id(seq: i64) -> WireId {
    item(seq, 0).wire_id
}

fn bulk(seq: i64, to: u8) -> Item {
    Item {
        priority: Priority::Bulk,
        batch: Some(Ulid(7)),
        ..item(seq, to)
    }
}

fn push(queue: &mut Queue, item: Item) {
    queue.push(item, Standing::default(), now());
}

fn next(queue: &mut Queue) -> Option<Item> {
    queue.next(now(), |_| true).map(|(item, _)| item)
}

fn seqs(queue: &mut Queue) -> Vec<i64> {
    std::iter::from_fn(|| next(queue).map(|i| i.seq)).collect()
}

/// Hands everything over, one after the other.
fn drain(queue: &mut Queue) -> Vec<i64> {
    let mut order = vec![];
    while let Some(item) = next(queue) {
        order.push(item.seq);
        queue.settled(&item.wire_id);
    }
    order
}

#[test]
fn one_at_a_time_in_a_chat_and_chats_beside_each_other() {
    let mut queue = Queue::default();
    for (seq, to) in [(1, 1), (2, 1), (3, 2)] {
        push(&mut queue, item(seq, to));
    }
    push(&mut queue, item(1, 1));
    assert_eq!(seqs(&mut queue), [1, 3]);
    queue.handed(&id(1));
    assert_eq!(seqs(&mut queue), [2]);
}

#[test]
fn the_window_holds_the_rest_until_the_server_confirms() {
    let mut queue = Queue::default();
    for seq in 1..=20 {
        push(&mut queue, item(seq, 1));
    }
    let mut handed = vec![];
    while let Some(next) = next(&mut queue) {
        queue.handed(&next.wire_id);
        handed.push(next.seq);
    }
    assert_eq!(handed, (1..=8).collect::<Vec<_>>());
    queue.settled(&id(3));
    assert_eq!(seqs(&mut queue), [9]);
}

#[test]
fn after_a_reload_everything_is_asked_for_again_in_order() {
    let mut queue = Queue::default();
    for seq in 1..=4 {
        push(&mut queue, item(seq, 1));
    }
    for _ in 0..2 {
        let next = next(&mut queue).expect("one");
        queue.handed(&next.wire_id);
    }
    let third = next(&mut queue).expect("one");
    queue.doubt();
    queue.put_back(&third.wire_id, true, true);
    let mut order = vec![];
    while let Some(next) = next(&mut queue) {
        order.push((next.seq, next.maybe_sent));
        queue.settled(&next.wire_id);
    }
    assert_eq!(order, [(1, true), (2, true), (3, true), (4, false)]);
}

#[test]
fn what_is_for_later_waits_and_can_be_taken_back() {
    let mut queue = Queue::default();
    let later = now() + time::Duration::minutes(5);
    let mut scheduled = item(1, 1);
    scheduled.send_at = Some(later);
    push(&mut queue, scheduled);
    push(&mut queue, item(2, 1));
    assert_eq!(queue.next_due(), Some(later));
    assert_eq!(seqs(&mut queue), [2], "nobody waits for it");
    queue.settled(&id(2));
    assert_eq!(queue.next(later, |_| true).map(|(i, _)| i.seq), Some(1));
    assert!(!queue.cancel(&id(1)), "it is being handed over");

    let mut scheduled = item(3, 1);
    scheduled.send_at = Some(later);
    push(&mut queue, scheduled);
    assert!(queue.cancel(&id(3)) && !queue.has(&id(3)));
    assert_eq!(queue.next_due(), None);
}

#[test]
fn direct_goes_before_bulk_and_replies_before_both() {
    let mut queue = Queue::default();
    for item in [bulk(1, 1), bulk(2, 2), item(3, 1), item(4, 3), item(5, 1)] {
        push(&mut queue, item);
    }
    queue.heard(&["244900000003@c.us".to_owned()], now());
    assert_eq!(drain(&mut queue), [4, 3, 5, 2, 1]);
    assert!(queue.lanes.is_empty() && queue.index.is_empty());
}

#[test]
fn what_may_not_go_holds_nobody_else_up() {
    let mut queue = Queue::default();
    let known = Standing {
        known: true,
        ..Standing::default()
    };
    push(&mut queue, item(1, 1));
    queue.push(item(2, 2), known.clone(), now());
    let paced = Item {
        paced: true,
        ..bulk(3, 3)
    };
    queue.push(paced, known, now());
    let mut go = |may: fn(Kind) -> bool| queue.next(now(), may).map(|(i, _)| i.seq);
    assert_eq!(go(|kind| !kind.first), Some(2));
    assert_eq!(go(|kind| !kind.first && !kind.paced), None);
    assert_eq!(go(|kind| kind.paced), Some(3));
    assert_eq!(go(|_| true), Some(1));
}

#[test]
fn all_addresses_of_a_person_are_one_lane() {
    let mut queue = Queue::default();
    let standing = Standing {
        lane: Some("244900000001@c.us".to_owned()),
        ..Standing::default()
    };
    let lid = Recipient::parse("777@lid").expect("a chat");
    let to_lid = |seq| Item {
        to: lid.clone(),
        ..item(seq, 1)
    };
    queue.push(item(1, 1), standing.clone(), now());
    queue.push(to_lid(2), standing.clone(), now());
    assert_eq!(seqs(&mut queue), [1]);
    // Learned while one waits under the address alone: that one's order is kept.
    let mut queue = Queue::default();
    push(&mut queue, to_lid(1));
    queue.push(to_lid(2), standing, now());
    assert_eq!(seqs(&mut queue), [1]);
}

#[test]
fn a_held_batch_stays_where_it_is_and_lets_others_pass() {
    let mut queue = Queue::default();
    let batch = Ulid(7);
    for item in [bulk(1, 1), bulk(2, 1), bulk(3, 2)] {
        push(&mut queue, item);
    }
    let other = Item {
        batch: Some(Ulid(8)),
        ..bulk(4, 1)
    };
    push(&mut queue, other);
    queue.hold(batch);
    assert_eq!(queue.place(&id(1), now()), Some(Place::BatchHeld));
    assert_eq!(seqs(&mut queue), [4]);
    assert_eq!(queue.counts().held, 3);
    queue.settled(&id(4));
    queue.release_batch(batch);
    let first = next(&mut queue).expect("one");
    queue.handed(&first.wire_id);
    let mut taken = queue.cancel_batch(batch);
    taken.sort();
    assert_eq!(taken, [id(2), id(3)], "the first is with the page");
    assert_eq!(next(&mut queue), None);
}

#[test]
fn what_was_refused_for_now_goes_again_first() {
    let mut queue = Queue::default();
    for seq in 1..=3 {
        push(&mut queue, item(seq, 1));
    }
    let first = next(&mut queue).expect("one");
    queue.handed(&first.wire_id);
    let second = next(&mut queue).expect("one");
    assert!(queue.take_back(&first.wire_id) && !queue.take_back(&id(3)));
    queue.handed(&second.wire_id);
    assert_eq!(seqs(&mut queue), [1]);
}

#[test]
fn each_message_has_its_place() {
    let mut queue = Queue::default();
    let later = now() + time::Duration::minutes(5);
    push(
        &mut queue,
        Item {
            send_at: Some(later),
            ..item(20, 2)
        },
    );
    for seq in 1..=11 {
        push(&mut queue, item(seq, 1));
    }
    let first = Kind {
        turn: Turn::Direct,
        paced: false,
        first: true,
        asks: false,
    };
    assert_eq!(queue.place(&id(1), now()), Some(Place::Next(first)));
    assert_eq!(queue.place(&id(20), now()), Some(Place::Scheduled(later)));
    for _ in 0..WINDOW {
        let item = next(&mut queue).expect("one");
        queue.handed(&item.wire_id);
    }
    let place = |seq| queue.place(&id(seq), now());
    assert_eq!(place(1), Some(Place::Unconfirmed));
    assert_eq!(place(9), Some(Place::Window));
    assert_eq!(place(11), Some(Place::Behind(2)));
    assert_eq!(place(99), None);
    let counts = queue.counts();
    assert_eq!(
        (counts.waiting, counts.scheduled, counts.sending),
        (3, 1, 8)
    );
    queue.count_unconfirmed();
    queue.doubt();
    assert_eq!(queue.minutes_unconfirmed(&id(1)), 1);
    assert_eq!(queue.minutes_unconfirmed(&id(11)), 0);
}

#[test]
fn ten_thousand_chats_are_no_burden() {
    let mut queue = Queue::default();
    for seq in 0..10_000 {
        let to = PhoneNumber::new(&format!("2449{seq:08}")).expect("a number");
        let to = Recipient::Phone(to);
        push(&mut queue, Item { to, ..bulk(seq, 0) });
    }
    assert_eq!(drain(&mut queue), (0..10_000).collect::<Vec<_>>());
}

proptest! {
    /// Whatever happens to hand-overs, each chat's messages are handed over in order, never
    /// more than the window are unconfirmed, and none is lost.
    #[test]
    fn order_and_window_hold(
        chats in proptest::collection::vec(0u8..4, 1..60),
        dice in proptest::collection::vec(0u8..10, 200)
    ) {
        let mut queue = Queue::default();
        for (seq, to) in chats.iter().enumerate() {
            push(&mut queue, item(seq as i64, *to));
        }
        let mut handing: Vec<Item> = vec![];
        let mut unconfirmed: Vec<Item> = vec![];
        let mut done = BTreeSet::new();
        for die in dice.iter().chain(std::iter::repeat_n(&0, 4000)) {
            while let Some(next) = next(&mut queue) {
                let lane = lane_of(&next.to);
                prop_assert!(handing.iter().all(|o| lane_of(&o.to) != lane));
                for other in handing.iter().chain(&unconfirmed) {
                    prop_assert!(lane_of(&other.to) != lane || other.seq < next.seq);
                }
                let open = unconfirmed.iter().filter(|o| lane_of(&o.to) == lane).count();
                prop_assert!(open < WINDOW);
                handing.push(next);
            }
            match die {
                0..=4 if !handing.is_empty() => {
                    let item = handing.remove(0);
                    queue.handed(&item.wire_id);
                    // After a doubt it is asked for again instead.
                    unconfirmed.extend(queue.unconfirmed().find(|o| **o == item).cloned());
                }
                5 if !handing.is_empty() => {
                    let item = handing.remove(0);
                    queue.put_back(&item.wire_id, true, true);
                }
                6 => {
                    queue.doubt();
                    unconfirmed.clear();
                }
                _ => {
                    if !unconfirmed.is_empty() {
                        let item = unconfirmed.remove(0);
                        queue.settled(&item.wire_id);
                        done.insert(item.seq);
                    }
                }
            }
        }
        prop_assert_eq!(done.len(), chats.len());
        prop_assert!(queue.open().is_empty());
    }
}
