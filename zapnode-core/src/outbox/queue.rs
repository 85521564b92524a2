//! Whose turn it is: a pure structure over the messages that a session still has to send.
//!
//! Each person is a lane, by whatever address they are written to. Within a lane messages are
//! handed over one after the other, direct ones before bulk, each in the order of acceptance, and so
//! many may be unconfirmed by the server at a time; lanes do not wait for each other. Among lanes
//! replies come first, then other direct messages, then bulk. A message with a later time joins its
//! lane when the time has come.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use time::OffsetDateTime;
use ulid::Ulid;

use super::Load;
use super::Priority;
use crate::id::{MessageId, WireId};
use crate::message::{Content, Recipient};

/// How many messages of one chat may wait for the server's confirmation.
pub const WINDOW: usize = 8;

/// How many messages may be in the act of being handed over, over all chats: more would only wait
/// in the page.
pub const AT_ONCE: usize = 16;

/// How long after somebody wrote a message to them counts as a reply.
pub const REPLY_WITHIN: time::Duration = time::Duration::hours(24);

/// A message to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The order of acceptance.
    pub seq: i64,
    /// Who it is for.
    pub to: Recipient,
    /// What it carries.
    pub content: Content,
    /// Its id on the wire.
    pub wire_id: WireId,
    /// Not before this time.
    pub send_at: Option<OffsetDateTime>,
    /// The page may have it: ask before handing it over.
    pub maybe_sent: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// For how many minutes the page has had it and the server has not confirmed it.
    pub minutes: u32,
    /// Whose turn comes first.
    pub priority: Priority,
    /// The bulk job it belongs to.
    pub batch: Option<Ulid>,
    /// Sent at the gentle pace at least.
    pub paced: bool,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
}

impl Item {
    /// What comes first in a lane. What the page may have is settled before anything else, or it
    /// could be overtaken by what was accepted after it.
    fn rank(&self) -> (bool, Priority) {
        (!self.maybe_sent, self.priority)
    }
}

/// What is known of the person a message is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// One name for all their addresses, if more than one is known.
    pub lane: Option<String>,
    /// They were written to or heard from before.
    pub known: bool,
    /// When they last wrote.
    pub heard: Option<OffsetDateTime>,
}

/// Whose turn a lane's next message is. In order: what is less goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// Direct, to somebody who wrote lately.
    Reply,
    /// Direct.
    Direct,
    /// Bulk.
    Bulk,
}

/// What a lane's next message is, as far as it matters for whether it may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Whose turn it is.
    pub turn: Turn,
    /// It is to go at the gentle pace at least.
    pub paced: bool,
    /// Its chat was never written to nor heard from.
    pub first: bool,
    /// The page may have it already, so it is asked for: nothing new goes out, or hardly ever.
    pub asks: bool,
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its time has not come.
    Scheduled(OffsetDateTime),
    /// It is being handed over.
    Handing,
    /// The page has it; the server has not confirmed it.
    Unconfirmed,
    /// Its batch is held.
    BatchHeld,
    /// So many of the same chat go before it.
    Behind(usize),
    /// Too many of its chat are unconfirmed.
    Window,
    /// Its chat's next.
    Next(Kind),
}

/// How many messages are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting for their turn.
    pub waiting: usize,
    /// Waiting for their time.
    pub scheduled: usize,
    /// Waiting for their batch to be released.
    pub held: usize,
    /// Being handed over, or with the page and unconfirmed.
    pub sending: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// By rank, then in the order of acceptance.
    waiting: VecDeque<Item>,
    handing: Option<Item>,
    /// The page changed under the hand-over: what comes of it is to be asked for.
    doubtful: bool,
    unconfirmed: BTreeMap<i64, Item>,
    /// How many more will join it when their time has come.
    scheduled: usize,
    known: bool,
    heard: Option<OffsetDateTime>,
    /// Where it stands in the row of those that may go.
    listed: Option<(Kind, u64)>,
}

impl Lane {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty()
            && self.handing.is_none()
            && self.unconfirmed.is_empty()
            && self.scheduled == 0
    }

    /// The position of the message that goes next.
    fn next(&self, held: &HashSet<Ulid>) -> Option<usize> {
        let free = |item: &Item| item.batch.is_none_or(|batch| !held.contains(&batch));
        self.waiting.iter().position(free)
    }

    fn kind_of(&self, item: &Item, now: OffsetDateTime) -> Kind {
        let replied = self.heard.is_some_and(|at| at > now - REPLY_WITHIN);
        Kind {
            turn: match item.priority {
                Priority::Direct if replied => Turn::Reply,
                Priority::Direct => Turn::Direct,
                Priority::Bulk => Turn::Bulk,
            },
            paced: item.paced,
            first: !self.known && self.heard.is_none(),
            asks: item.maybe_sent,
        }
    }

    fn insert(&mut self, item: Item) {
        let place = (item.rank(), item.seq);
        let after = |other: &Item| (other.rank(), other.seq) > place;
        let at = self.waiting.iter().position(after);
        self.waiting.insert(at.unwrap_or(self.waiting.len()), item);
    }

    /// A scheduled one joins at the end of its rank: its turn is from its time on, not from its
    /// acceptance.
    fn append(&mut self, item: Item) {
        let rank = item.rank();
        let at = self.waiting.iter().position(|other| other.rank() > rank);
        self.waiting.insert(at.unwrap_or(self.waiting.len()), item);
    }
}

/// Where a message is to be found.
#[derive(Clone, Debug)]
struct Spot {
    lane: String,
    seq: i64,
    /// It is for later.
    due: Option<OffsetDateTime>,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub struct Queue {
    lanes: BTreeMap<String, Lane>,
    /// Lanes that may have something to hand over, by what that is, in the order in which they came
    /// to. An entry counts if its lane says that it stands there.
    ready: BTreeMap<Kind, VecDeque<(u64, String)>>,
    listings: u64,
    scheduled: BTreeMap<(OffsetDateTime, i64), Item>,
    index: HashMap<WireId, Spot>,
    held: HashSet<Ulid>,
    handing: usize,
    /// The last time that was told, for whether a reply is one.
    clock: Option<OffsetDateTime>,
}

impl Queue {
    /// Takes a message in. One that is there already is left alone.
    pub fn push(&mut self, item: Item, standing: Standing, now: OffsetDateTime) {
        self.clock = Some(now);
        if self.index.contains_key(&item.wire_id) {
            return;
        }
        // What waits under the address itself keeps its order; only then the person counts.
        let own = lane_of(&item.to);
        let name = match standing.lane {
            Some(lane) if !self.lanes.contains_key(&own) => lane,
            _ => own,
        };
        let spot = Spot {
            lane: name.clone(),
            seq: item.seq,
            due: item.send_at.filter(|at| *at > now),
        };
        let lane = self.lanes.entry(name.clone()).or_default();
        lane.known |= standing.known;
        lane.heard = lane.heard.max(standing.heard);
        match spot.due {
            Some(at) => {
                lane.scheduled += 1;
                self.index.insert(item.wire_id.clone(), spot);
                self.scheduled.insert((at, item.seq), item);
            }
            None => {
                self.index.insert(item.wire_id.clone(), spot);
                lane.append(item);
            }
        }
        self.list(&name);
    }

    /// The next message to be handed over, of a kind that `may` go, if there is one. It counts as
    /// being handed over until [`handed`](Self::handed), [`settled`](Self::settled) or
    /// [`put_back`](Self::put_back). `may` is asked of each kind
    /// that waits, until one may.
    pub fn next(
        &mut self,
        now: OffsetDateTime,
        mut may: impl FnMut(Kind) -> bool,
    ) -> Option<(Item, Kind)> {
        self.clock = Some(now);
        self.release(now);
        if self.handing >= AT_ONCE {
            return None;
        }
        // The longest listed of the first turn that has one that may go.
        let mut best: Option<(Turn, u64, Kind)> = None;
        for kind in self.ready.keys().copied().collect::<Vec<_>>() {
            if best.is_some_and(|(turn, _, _)| turn < kind.turn) {
                break;
            }
            let Some(number) = self.front(kind) else {
                continue;
            };
            if best.is_none_or(|(_, oldest, _)| number < oldest) && may(kind) {
                best = Some((kind.turn, number, kind));
            }
        }
        let (_, _, kind) = best?;
        let (_, name) = self.ready.get_mut(&kind)?.pop_front()?;
        let lane = self.lanes.get_mut(&name)?;
        lane.listed = None;
        let at = lane.next(&self.held)?;
        let item = lane.waiting.remove(at)?;
        lane.handing = Some(item.clone());
        self.handing += 1;
        Some((item, kind))
    }

    /// The page has it; the server's confirmation is awaited. If the page was [doubted](Self::doubt)
    /// meanwhile, it is asked first whether it still has it.
    pub fn handed(&mut self, wire_id: &WireId) {
        self.with_lane(wire_id, |lane, seq| {
            let Some(mut item) = lane.handing.take_if(|item| item.seq == seq) else {
                return 0;
            };
            lane.known = true;
            if std::mem::take(&mut lane.doubtful) {
                item.maybe_sent = true;
                lane.insert(item);
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
        let Some(spot) = self.index.remove(wire_id) else {
            return;
        };
        let was_scheduled = spot
            .due
            .is_some_and(|due| self.scheduled.remove(&(due, spot.seq)).is_some());
        if let Some(lane) = self.lanes.get_mut(&spot.lane) {
            lane.scheduled -= usize::from(was_scheduled);
            if lane.is_empty() {
                self.lanes.remove(&spot.lane);
            }
        }
    }

    /// Its hand-over failed and shall be tried again, before anything after it in its chat. `counts`:
    /// the try counts against it.
    pub fn put_back(&mut self, wire_id: &WireId, maybe_sent: bool, counts: bool) {
        self.with_lane(wire_id, |lane, seq| {
            match lane.handing.take_if(|item| item.seq == seq) {
                Some(mut item) => {
                    item.maybe_sent |= maybe_sent | std::mem::take(&mut lane.doubtful);
                    item.attempts += u32::from(counts);
                    lane.insert(item);
                    1
                }
                None => 0,
            }
        });
    }

    /// WhatsApp refused it for now: the page has it no more, and it goes again before anything after
    /// it in its chat. Says whether it was on its way.
    pub fn take_back(&mut self, wire_id: &WireId) -> bool {
        let mut taken = false;
        self.with_lane(wire_id, |lane, seq| {
            let handing = lane.handing.take_if(|item| item.seq == seq);
            let was_handing = handing.is_some();
            if let Some(mut item) = handing.or_else(|| lane.unconfirmed.remove(&seq)) {
                item.maybe_sent = false;
                item.minutes = 0;
                lane.doubtful &= !was_handing;
                lane.insert(item);
                taken = true;
            }
            usize::from(was_handing)
        });
        taken
    }

    /// A minute has passed, and what is unconfirmed still is.
    pub fn count_unconfirmed(&mut self) {
        for lane in self.lanes.values_mut() {
            for item in lane.unconfirmed.values_mut() {
                item.minutes += 1;
            }
        }
    }

    /// For how many minutes, looked at once in each, a message has been unconfirmed.
    pub fn minutes_unconfirmed(&self, wire_id: &WireId) -> u32 {
        self.item(wire_id).map_or(0, |item| item.minutes)
    }

    /// The page is another one: everything it had unconfirmed is to be asked for again.
    pub fn doubt(&mut self) {
        let names: Vec<_> = self.lanes.keys().cloned().collect();
        for name in names {
            if let Some(lane) = self.lanes.get_mut(&name) {
                lane.doubtful = lane.handing.is_some();
                for mut item in std::mem::take(&mut lane.unconfirmed).into_values() {
                    item.maybe_sent = true;
                    lane.insert(item);
                }
            }
            self.list(&name);
        }
    }

    /// Takes one back that has not been handed over. Says whether it could.
    pub fn cancel(&mut self, wire_id: &WireId) -> bool {
        let could = self.is_free(wire_id);
        if could {
            self.settled(wire_id);
        }
        could
    }

    /// Takes those of a batch back that have not been handed over, and names them.
    pub fn cancel_batch(&mut self, batch: Ulid) -> Vec<WireId> {
        let waiting = self.lanes.values().flat_map(|lane| &lane.waiting);
        let all = waiting.chain(self.scheduled.values());
        // One that the page may have cannot be taken back by forgetting it.
        let free = all.filter(|item| item.batch == Some(batch) && !item.maybe_sent);
        let ids: Vec<_> = free.map(|item| item.wire_id.clone()).collect();
        for wire_id in &ids {
            self.settled(wire_id);
        }
        ids
    }

    /// Holds a batch: what it has waiting stays where it is.
    pub fn hold(&mut self, batch: Ulid) {
        if self.held.insert(batch) {
            self.list_batch(batch);
        }
    }

    /// Releases a batch.
    pub fn release_batch(&mut self, batch: Ulid) {
        if self.held.remove(&batch) {
            self.list_batch(batch);
        }
    }

    /// Somebody wrote, under any of these addresses.
    pub fn heard(&mut self, names: &[String], at: OffsetDateTime) {
        for name in names {
            if let Some(lane) = self.lanes.get_mut(name) {
                lane.heard = lane.heard.max(Some(at));
                self.list(name);
            }
        }
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

    /// How much there is to do. What a held batch has is for later.
    pub fn load(&self) -> Load {
        let waiting = if self.held.is_empty() {
            self.index.len() - self.scheduled.len()
        } else {
            let counts = self.counts();
            counts.waiting + counts.sending
        };
        Load {
            waiting,
            due: self.next_due(),
        }
    }

    /// Everything that is not over, in the order of acceptance.
    pub fn open(&self) -> BTreeSet<(i64, WireId)> {
        let all = self.index.iter();
        all.map(|(wire_id, spot)| (spot.seq, wire_id.clone()))
            .collect()
    }

    /// How many are being handed over.
    pub fn handing(&self) -> usize {
        self.handing
    }

    /// How often a message has been tried.
    pub fn attempts(&self, wire_id: &WireId) -> u32 {
        self.item(wire_id).map_or(0, |item| item.attempts)
    }

    /// Whether the page may have a message.
    pub fn may_be_sent(&self, wire_id: &WireId) -> bool {
        self.item(wire_id).is_some_and(|item| item.maybe_sent)
    }

    /// Whether it is being handed over, or with the page.
    pub fn is_under_way(&self, wire_id: &WireId) -> bool {
        self.index.get(wire_id).is_some_and(|spot| {
            let lane = self.lanes.get(&spot.lane);
            lane.is_some_and(|lane| {
                lane.unconfirmed.contains_key(&spot.seq)
                    || lane.handing.as_ref().is_some_and(|i| i.seq == spot.seq)
            })
        })
    }

    /// Whether it is here and not over.
    pub fn has(&self, wire_id: &WireId) -> bool {
        self.index.contains_key(wire_id)
    }

    /// Where a message is; absent if it is over.
    pub fn place(&self, wire_id: &WireId, now: OffsetDateTime) -> Option<Place> {
        let Spot { lane, seq, due } = self.index.get(wire_id)?;
        let lane = self.lanes.get(lane)?;
        if lane.handing.as_ref().is_some_and(|item| item.seq == *seq) {
            return Some(Place::Handing);
        }
        if lane.unconfirmed.contains_key(seq) {
            return Some(Place::Unconfirmed);
        }
        let Some(at) = lane.waiting.iter().position(|item| item.seq == *seq) else {
            return due.map(Place::Scheduled);
        };
        let item = &lane.waiting[at];
        if item.batch.is_some_and(|batch| self.held.contains(&batch)) {
            return Some(Place::BatchHeld);
        }
        let free = |item: &&Item| item.batch.is_none_or(|batch| !self.held.contains(&batch));
        let before = lane.waiting.iter().take(at).filter(free).count();
        let before = before + usize::from(lane.handing.is_some());
        Some(match before {
            0 if lane.unconfirmed.len() >= WINDOW => Place::Window,
            0 => Place::Next(lane.kind_of(item, now)),
            before => Place::Behind(before),
        })
    }

    /// How many are where.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            scheduled: self.scheduled.len(),
            ..Counts::default()
        };
        for lane in self.lanes.values() {
            let is_held = |item: &&Item| item.batch.is_some_and(|b| self.held.contains(&b));
            let held = lane.waiting.iter().filter(is_held).count();
            counts.held += held;
            counts.waiting += lane.waiting.len() - held;
            counts.sending += lane.unconfirmed.len() + usize::from(lane.handing.is_some());
        }
        counts
    }

    /// One that the page may have cannot be taken back by forgetting it.
    fn is_free(&self, wire_id: &WireId) -> bool {
        !self.is_under_way(wire_id) && self.item(wire_id).is_some_and(|item| !item.maybe_sent)
    }

    fn item(&self, wire_id: &WireId) -> Option<&Item> {
        let spot = self.index.get(wire_id)?;
        if let Some(due) = spot.due {
            return self.scheduled.get(&(due, spot.seq));
        }
        let lane = self.lanes.get(&spot.lane)?;
        let handing = lane.handing.as_ref().filter(|item| item.seq == spot.seq);
        let under_way = handing.or_else(|| lane.unconfirmed.get(&spot.seq));
        under_way.or_else(|| lane.waiting.iter().find(|item| item.seq == spot.seq))
    }

    fn release(&mut self, now: OffsetDateTime) {
        while let Some(entry) = self.scheduled.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let item = entry.remove();
            let Some(spot) = self.index.get_mut(&item.wire_id) else {
                continue;
            };
            spot.due = None;
            let name = spot.lane.clone();
            let lane = self.lanes.entry(name.clone()).or_default();
            lane.scheduled = lane.scheduled.saturating_sub(1);
            lane.append(item);
            self.list(&name);
        }
    }

    /// The number of the first entry of a kind that counts.
    fn front(&mut self, kind: Kind) -> Option<u64> {
        let row = self.ready.get_mut(&kind)?;
        while let Some((number, name)) = row.front() {
            let lane = self.lanes.get(name);
            if lane.is_some_and(|lane| lane.listed == Some((kind, *number))) {
                return Some(*number);
            }
            row.pop_front();
        }
        self.ready.remove(&kind);
        None
    }

    /// Puts a lane where its next message belongs.
    fn list(&mut self, name: &str) {
        let Some(lane) = self.lanes.get_mut(name) else {
            return;
        };
        let open = lane.handing.is_none() && lane.unconfirmed.len() < WINDOW;
        let next = lane.next(&self.held).filter(|_| open);
        let now = self.clock.unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let kind = next.map(|at| lane.kind_of(&lane.waiting[at], now));
        if lane.listed.map(|(kind, _)| kind) == kind {
            return;
        }
        lane.listed = kind.map(|kind| {
            self.listings += 1;
            let row = self.ready.entry(kind).or_default();
            row.push_back((self.listings, name.to_owned()));
            (kind, self.listings)
        });
    }

    fn list_batch(&mut self, batch: Ulid) {
        let has = |lane: &Lane| lane.waiting.iter().any(|item| item.batch == Some(batch));
        let lanes = self.lanes.iter().filter(|(_, lane)| has(lane));
        for name in lanes.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.list(&name);
        }
    }

    /// Changes the lane of a message; `change` says how many hand-overs ended by it.
    fn with_lane(&mut self, wire_id: &WireId, change: impl FnOnce(&mut Lane, i64) -> usize) {
        let Some(Spot {
            lane: name, seq, ..
        }) = self.index.get(wire_id).cloned()
        else {
            return;
        };
        let Some(lane) = self.lanes.get_mut(&name) else {
            return;
        };
        self.handing -= change(lane, seq);
        self.list(&name);
    }
}

/// The two ways to name a person by number are one chat.
pub(crate) fn lane_of(to: &Recipient) -> String {
    match to {
        Recipient::Chat(chat) => chat.to_string(),
        Recipient::Phone(phone) => format!("{phone}@c.us"),
    }
}

#[cfg(test)]
mod tests;
