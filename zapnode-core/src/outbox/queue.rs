//! Whose turn it is: a pure structure over the messages that a session still has to send.
//!
//! Each chat is a lane. Within a lane messages are handed over one after the other in the order of
//! acceptance, and so many may be unconfirmed by the server at a time; lanes do not wait for each
//! other. A message with a later time joins its lane when the time has come.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use time::OffsetDateTime;

use super::Load;
use crate::id::WireId;
use crate::message::Recipient;

/// How many messages of one chat may wait for the server's confirmation.
pub const WINDOW: usize = 8;

/// How many messages may be in the act of being handed over, over all chats: more would only wait
/// in the page.
pub const AT_ONCE: usize = 16;

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The order of acceptance.
    pub seq: i64,
    /// Who it is for.
    pub to: Recipient,
    /// The text.
    pub text: String,
    /// Its id on the wire.
    pub wire_id: WireId,
    /// Not before this time.
    pub send_at: Option<OffsetDateTime>,
    /// The page may have it: ask before handing it over.
    pub maybe_sent: bool,
    /// How often it was tried.
    pub attempts: u32,
}

#[derive(Debug, Default)]
struct Lane {
    /// In the order of acceptance.
    waiting: VecDeque<Item>,
    handing: Option<Item>,
    /// The page changed under the hand-over: what comes of it is to be asked for.
    doubtful: bool,
    unconfirmed: BTreeMap<i64, Item>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Queue {
    lanes: BTreeMap<String, Lane>,
    /// Lanes that may have something to hand over, in the order in which they came to.
    ready: VecDeque<String>,
    scheduled: BTreeMap<(OffsetDateTime, i64), Item>,
    /// Where each wire id is.
    index: HashMap<WireId, (String, i64)>,
    handing: usize,
}

impl Queue {
    /// Takes a message in. One that is there already is left alone.
    pub fn push(&mut self, item: Item, now: OffsetDateTime) {
        if self.index.contains_key(&item.wire_id) {
            return;
        }
        let lane = lane_of(&item.to);
        self.index.insert(item.wire_id.clone(), (lane, item.seq));
        match item.send_at {
            Some(at) if at > now => {
                self.scheduled.insert((at, item.seq), item);
            }
            _ => self.enqueue(item),
        }
    }

    /// The next message to be handed over, if one may go. It counts as being handed over until
    /// [`handed`](Self::handed), [`settled`](Self::settled) or [`put_back`](Self::put_back).
    pub fn next(&mut self, now: OffsetDateTime) -> Option<Item> {
        self.release(now);
        if self.handing >= AT_ONCE {
            return None;
        }
        while let Some(name) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&name) else {
                continue;
            };
            if lane.handing.is_some() || lane.unconfirmed.len() >= WINDOW {
                // It is put up again when that ends.
                continue;
            }
            if let Some(item) = lane.waiting.pop_front() {
                lane.handing = Some(item.clone());
                self.handing += 1;
                return Some(item);
            }
        }
        None
    }

    /// The page has it; the server's confirmation is awaited. If the page was [doubted](Self::doubt)
    /// meanwhile, it is asked first whether it still has it.
    pub fn handed(&mut self, wire_id: &WireId) {
        self.with_lane(wire_id, |lane, seq| {
            let Some(mut item) = lane.handing.take_if(|item| item.seq == seq) else {
                return 0;
            };
            if std::mem::take(&mut lane.doubtful) {
                item.maybe_sent = true;
                insert_in_order(&mut lane.waiting, item);
            } else {
                lane.unconfirmed.insert(seq, item);
            }
            1
        });
    }

    /// It is over: confirmed, failed or taken back.
    pub fn settled(&mut self, wire_id: &WireId) {
        self.with_lane(wire_id, |lane, seq| {
            lane.unconfirmed.remove(&seq);
            lane.waiting.retain(|item| item.seq != seq);
            let was_handing = lane.handing.take_if(|item| item.seq == seq).is_some();
            lane.doubtful &= !was_handing;
            usize::from(was_handing)
        });
        if let Some((_, seq)) = self.index.remove(wire_id) {
            self.scheduled.retain(|(_, scheduled), _| *scheduled != seq);
        }
    }

    /// Its hand-over failed and shall be tried again, before anything after it in its chat.
    pub fn put_back(&mut self, wire_id: &WireId, maybe_sent: bool) {
        self.with_lane(wire_id, |lane, seq| {
            match lane.handing.take_if(|item| item.seq == seq) {
                Some(mut item) => {
                    item.maybe_sent |= maybe_sent | std::mem::take(&mut lane.doubtful);
                    item.attempts += 1;
                    insert_in_order(&mut lane.waiting, item);
                    1
                }
                None => 0,
            }
        });
    }

    /// The page is another one: everything it had unconfirmed is to be asked for again.
    pub fn doubt(&mut self) {
        for (name, lane) in &mut self.lanes {
            lane.doubtful = lane.handing.is_some();
            for mut item in std::mem::take(&mut lane.unconfirmed).into_values() {
                item.maybe_sent = true;
                insert_in_order(&mut lane.waiting, item);
            }
            if !self.ready.contains(name) {
                self.ready.push_back(name.clone());
            }
        }
    }

    /// Takes one back that has not been handed over. Says whether it could.
    pub fn cancel(&mut self, wire_id: &WireId) -> bool {
        let Some((name, seq)) = self.index.get(wire_id) else {
            return false;
        };
        let seq = *seq;
        let scheduled = self.scheduled.keys().any(|(_, s)| *s == seq);
        let waiting = self.lanes.get(name).is_some_and(|lane| {
            // One that the page may have cannot be taken back by forgetting it.
            let free = |item: &Item| item.seq == seq && !item.maybe_sent;
            lane.waiting.iter().any(free)
        });
        if scheduled || waiting {
            self.settled(wire_id);
            return true;
        }
        false
    }

    /// When the next scheduled message is due.
    pub fn next_due(&self) -> Option<OffsetDateTime> {
        self.scheduled.keys().next().map(|(at, _)| *at)
    }

    /// What the page has and the server has not confirmed.
    pub fn unconfirmed(&self) -> impl Iterator<Item = &Item> {
        self.lanes
            .values()
            .flat_map(|lane| lane.unconfirmed.values())
    }

    /// How much there is to do.
    pub fn load(&self) -> Load {
        Load {
            waiting: self.index.len() - self.scheduled.len(),
            due: self.next_due(),
        }
    }

    /// Everything that is not over, in the order of acceptance.
    pub fn open(&self) -> BTreeSet<(i64, WireId)> {
        let mut all = BTreeSet::new();
        all.extend(
            self.index
                .iter()
                .map(|(wire_id, (_, seq))| (*seq, wire_id.clone())),
        );
        all
    }

    /// How often a message has been tried.
    pub fn attempts(&self, wire_id: &WireId) -> u32 {
        let lane = self
            .index
            .get(wire_id)
            .and_then(|(name, _)| self.lanes.get(name));
        let waiting = lane.and_then(|l| l.waiting.iter().find(|i| i.wire_id == *wire_id));
        waiting.map_or(0, |item| item.attempts)
    }

    /// Whether it is here and not over.
    pub fn has(&self, wire_id: &WireId) -> bool {
        self.index.contains_key(wire_id)
    }

    fn release(&mut self, now: OffsetDateTime) {
        while let Some(entry) = self.scheduled.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let item = entry.remove();
            self.enqueue(item);
        }
    }

    fn enqueue(&mut self, item: Item) {
        let name = lane_of(&item.to);
        let lane = self.lanes.entry(name.clone()).or_default();
        // A scheduled one joins at the end: its turn is from its time on, not from its acceptance.
        lane.waiting.push_back(item);
        if !self.ready.contains(&name) {
            self.ready.push_back(name);
        }
    }

    /// Changes the lane of a message; `change` says how many hand-overs ended by it.
    fn with_lane(&mut self, wire_id: &WireId, change: impl FnOnce(&mut Lane, i64) -> usize) {
        let Some((name, seq)) = self.index.get(wire_id) else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(name) else {
            return;
        };
        self.handing -= change(lane, *seq);
        if lane.waiting.is_empty() {
            if lane.handing.is_none() && lane.unconfirmed.is_empty() {
                self.lanes.remove(name);
            }
        } else if !self.ready.contains(name) {
            self.ready.push_back(name.clone());
        }
    }
}

fn insert_in_order(waiting: &mut VecDeque<Item>, item: Item) {
    let at = waiting.iter().position(|other| other.seq > item.seq);
    waiting.insert(at.unwrap_or(waiting.len()), item);
}

/// The two ways to name a person by number are one chat.
fn lane_of(to: &Recipient) -> String {
    match to {
        Recipient::Chat(chat) => chat.to_string(),
        Recipient::Phone(phone) => format!("{phone}@c.us"),
    }
}

#[cfg(test)]
mod tests {
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
            text: format!("{seq}"),
            wire_id: WireId::new(&format!("3EB0{seq:018X}")).expect("an id"),
            send_at: None,
            maybe_sent: false,
            attempts: 0,
        }
    }

    fn id(seq: i64) -> WireId {
        item(seq, 0).wire_id
    }

    fn seqs(queue: &mut Queue) -> Vec<i64> {
        std::iter::from_fn(|| queue.next(now()).map(|i| i.seq)).collect()
    }

    #[test]
    fn one_at_a_time_in_a_chat_and_chats_beside_each_other() {
        let mut queue = Queue::default();
        for (seq, to) in [(1, 1), (2, 1), (3, 2)] {
            queue.push(item(seq, to), now());
        }
        queue.push(item(1, 1), now());
        assert_eq!(seqs(&mut queue), [1, 3]);
        queue.handed(&id(1));
        assert_eq!(seqs(&mut queue), [2]);
    }

    #[test]
    fn the_window_holds_the_rest_until_the_server_confirms() {
        let mut queue = Queue::default();
        for seq in 1..=20 {
            queue.push(item(seq, 1), now());
        }
        let mut handed = vec![];
        while let Some(next) = queue.next(now()) {
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
            queue.push(item(seq, 1), now());
        }
        for _ in 0..2 {
            let next = queue.next(now()).expect("one");
            queue.handed(&next.wire_id);
        }
        let third = queue.next(now()).expect("one");
        queue.doubt();
        queue.put_back(&third.wire_id, true);
        let mut order = vec![];
        while let Some(next) = queue.next(now()) {
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
        queue.push(scheduled, now());
        queue.push(item(2, 1), now());
        assert_eq!(queue.next_due(), Some(later));
        assert_eq!(seqs(&mut queue), [2], "nobody waits for it");
        queue.settled(&id(2));
        assert_eq!(queue.next(later).map(|i| i.seq), Some(1));
        assert!(!queue.cancel(&id(1)), "it is being handed over");

        let mut scheduled = item(3, 1);
        scheduled.send_at = Some(later);
        queue.push(scheduled, now());
        assert!(queue.cancel(&id(3)) && !queue.has(&id(3)));
        assert_eq!(queue.next_due(), None);
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
                queue.push(item(seq as i64, *to), now());
            }
            let mut handing: Vec<Item> = vec![];
            let mut unconfirmed: Vec<Item> = vec![];
            let mut done = BTreeSet::new();
            for die in dice.iter().chain(std::iter::repeat_n(&0, 4000)) {
                while let Some(next) = queue.next(now()) {
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
                        queue.put_back(&item.wire_id, true);
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
}
