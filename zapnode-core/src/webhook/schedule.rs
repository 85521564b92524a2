//! Whose turn it is at one destination. Pure: it is told what happened and when, and says what to
//! send next.
//!
//! - Events of one chat are a *lane*. A lane sends one event at a time, in order; an event that
//!   fails holds its lane up, and no other lane.
//! - An event that fails waits by its own failures. After three failures in a row, whichever lanes
//!   they were in, the *destination* counts as down: then there is one attempt at a time, paused by
//!   the destination's failures, and the event that was tried least is tried next, so that an outage
//!   uses up few attempts of each.
//! - The first success ends that, and with it all waiting: a destination that comes back is served
//!   at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::retries::Retries;

/// So many failures in a row, and the destination counts as down.
const DOWN_AFTER: u32 = 3;
/// How many events of one lane are held in memory; the others are looked up when it is their turn.
const LANE_HELD: usize = 100;
/// How many events of one lane count as work to be done.
const LANE_COUNTED: usize = 8;
/// The pause after something that was no fault of the destination.
const OWN_FAULT_PAUSE: Duration = Duration::from_secs(5);

/// What has an order.
pub(crate) type Lane = Arc<str>;

/// An event to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Its place in the queue of deliveries.
    pub(crate) n: i64,
    /// The event's place in the log.
    pub(crate) sequence: i64,
    /// How often it was tried.
    pub(crate) attempts: u32,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The receiver has it.
    Delivered,
    /// It is tried again.
    Retry,
    /// It is given up.
    Dead,
    /// The receiver wants no more events at all.
    Gone,
    /// What became of it could not be stored, so it is as if it had not been tried.
    NotRecorded,
}

impl Verdict {
    /// Judges an answer's status (`None`: there was none) after the `attempt`th attempt of
    /// `attempts`.
    pub(crate) fn of(status: Option<u16>, attempt: u32, attempts: u32) -> Self {
        match status {
            Some(200..=299) => Self::Delivered,
            Some(410) => Self::Gone,
            _ if attempt >= attempts => Self::Dead,
            _ => Self::Retry,
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Send this.
    Send(Job),
    /// Ask again then.
    At(Instant),
    /// Ask again when something has changed.
    Nothing,
}

#[derive(Debug, Default)]
struct LaneState {
    queue: VecDeque<Job>,
    /// How many more are in the store, after those in `queue`.
    more: usize,
    /// They are being looked up.
    loading: bool,
    sending: bool,
    due: Option<Instant>,
}

/// The lanes of one destination.
#[derive(Debug)]
pub(crate) struct Schedule {
    retries: Retries,
    at_once: usize,
    lanes: HashMap<Lane, LaneState>,
    /// The heads that may be sent, by their place in the queue.
    ready: BTreeMap<i64, Lane>,
    /// The heads that wait.
    waiting: BTreeSet<(Instant, i64)>,
    /// Whose head is what, of those that wait or are being sent.
    heads: HashMap<i64, Lane>,
    sending: usize,
    /// Failures in a row.
    failures: u32,
    /// When a destination that is down may be tried.
    not_before: Option<Instant>,
}

impl Schedule {
    pub(crate) fn new(retries: Retries, at_once: usize) -> Self {
        Self {
            retries,
            at_once: at_once.max(1),
            lanes: HashMap::new(),
            ready: BTreeMap::new(),
            waiting: BTreeSet::new(),
            heads: HashMap::new(),
            sending: 0,
            failures: 0,
            not_before: None,
        }
    }

    /// Changes how failures are met from now on.
    pub(crate) fn set_retries(&mut self, retries: Retries) {
        self.retries = retries;
    }

    /// How many attempts an event gets.
    pub(crate) fn attempts(&self) -> u32 {
        self.retries.attempts
    }

    /// Whether the destination counts as down.
    pub(crate) fn is_down(&self) -> bool {
        self.failures >= DOWN_AFTER
    }

    /// Failures in a row.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// How many are being sent.
    #[cfg(test)]
    pub(crate) fn sending(&self) -> usize {
        self.sending
    }

    /// How many events are held in memory.
    pub(crate) fn held(&self) -> usize {
        self.lanes.values().map(|lane| lane.queue.len()).sum()
    }

    /// How many of those are not behind a head that waits. Of one lane at most so many count, so
    /// that a long one is no reason not to look for others.
    pub(crate) fn open(&self) -> usize {
        let open = self.lanes.values().filter(|lane| lane.due.is_none());
        open.map(|lane| lane.queue.len().min(LANE_COUNTED)).sum()
    }

    /// How many events there are to be sent, those in the store included.
    pub(crate) fn unsettled(&self) -> usize {
        let all = self.lanes.values();
        all.map(|lane| lane.queue.len() + lane.more).sum()
    }

    /// Takes an event that was stored after all others of its lane.
    pub(crate) fn push(&mut self, lane: Lane, job: Job) {
        let state = self.lanes.entry(Arc::clone(&lane)).or_default();
        if state.queue.iter().any(|held| held.n == job.n) {
            // Somebody wants it again while it is still here. If it ends just now, it is found
            // in the store.
            state.more += usize::from(state.sending);
            return;
        }
        if state.more > 0 || state.loading || state.queue.len() >= LANE_HELD {
            state.more += 1;
            return;
        }
        state.queue.push_back(job);
        if state.queue.len() == 1 && !state.sending {
            self.ready.insert(job.n, lane);
        }
    }

    /// A lane whose next events must be looked up; it is told once, until [`Self::loaded`].
    pub(crate) fn lane_to_load(&mut self) -> Option<Lane> {
        let wanted = |state: &LaneState| {
            state.more > 0 && !state.loading && !state.sending && state.queue.is_empty()
        };
        let (lane, state) = self.lanes.iter_mut().find(|(_, state)| wanted(state))?;
        state.loading = true;
        Some(Arc::clone(lane))
    }

    /// They could not be looked up; it is told again.
    pub(crate) fn not_loaded(&mut self, lane: &Lane) {
        if let Some(state) = self.lanes.get_mut(lane) {
            state.loading = false;
        }
    }

    /// The destination begins anew: nothing waits any more.
    pub(crate) fn forgive(&mut self) {
        self.failures = 0;
        self.not_before = None;
        self.wake_all();
    }

    /// The lane's open events, in order, at most [`Self::LOAD`] of them: if fewer, those are all.
    pub(crate) fn loaded(&mut self, lane: &Lane, jobs: Vec<Job>) {
        let Some(state) = self.lanes.get_mut(lane) else {
            return;
        };
        state.loading = false;
        state.more = if jobs.len() < LANE_HELD {
            0
        } else {
            // There may be more than were counted.
            state.more.saturating_sub(jobs.len()).max(1)
        };
        state.queue = jobs.into();
        match state.queue.front() {
            Some(head) => {
                self.ready.insert(head.n, Arc::clone(lane));
            }
            None if state.more == 0 => {
                self.lanes.remove(lane);
            }
            None => {}
        }
    }

    /// How many events of a lane are looked up at once.
    pub(crate) const LOAD: usize = LANE_HELD;

    /// Says what to send now. What it gives counts as being sent until [`Self::settle`].
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        self.wake(now);
        if self.sending >= self.at_once || (self.is_down() && self.sending > 0) {
            return Next::Nothing;
        }
        if self.is_down() {
            if let Some(at) = self.not_before.filter(|at| *at > now) {
                return if self.lanes.is_empty() {
                    Next::Nothing
                } else {
                    Next::At(at)
                };
            }
            return match self.least_tried() {
                Some(n) => self.send(n),
                None => Next::Nothing,
            };
        }
        match (self.ready.first_key_value(), self.waiting.first()) {
            (Some((n, _)), _) => self.send(*n),
            (None, Some((due, _))) => Next::At(*due),
            (None, None) => Next::Nothing,
        }
    }

    /// What became of an attempt. `chance`: see [`Retries::pause`].
    pub(crate) fn settle(&mut self, n: i64, verdict: Verdict, now: Instant, chance: f64) {
        let Some(lane) = self.heads.remove(&n) else {
            return;
        };
        let Some(state) = self.lanes.get_mut(&lane) else {
            return;
        };
        state.sending = false;
        self.sending -= 1;
        let was_down = self.failures >= DOWN_AFTER;
        match verdict {
            Verdict::Delivered => {
                state.queue.pop_front();
                self.failures = 0;
                self.not_before = None;
            }
            Verdict::Dead => {
                state.queue.pop_front();
                self.failed(now, chance);
            }
            Verdict::Retry | Verdict::Gone => {
                let mut tried = 1;
                if let Some(head) = state.queue.front_mut() {
                    head.attempts += 1;
                    tried = head.attempts;
                }
                state.due = Some(now + self.retries.pause(tried, chance));
                self.failed(now, chance);
            }
            Verdict::NotRecorded => state.due = Some(now + OWN_FAULT_PAUSE),
        }
        self.line_up(lane);
        if verdict == Verdict::Delivered && was_down {
            self.wake_all();
        }
    }

    fn failed(&mut self, now: Instant, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= DOWN_AFTER {
            self.not_before = Some(now + self.retries.pause(self.failures, chance));
        }
    }

    /// Puts a lane that is not sending where its head belongs.
    fn line_up(&mut self, lane: Lane) {
        let Some(state) = self.lanes.get(&lane) else {
            return;
        };
        match (state.queue.front(), state.due) {
            (Some(head), Some(due)) => {
                self.waiting.insert((due, head.n));
                self.heads.insert(head.n, lane);
            }
            (Some(head), None) => {
                self.ready.insert(head.n, lane);
            }
            (None, _) if state.more == 0 && !state.loading => {
                self.lanes.remove(&lane);
            }
            (None, _) => {}
        }
    }

    fn wake(&mut self, now: Instant) {
        while let Some((due, n)) = self.waiting.first().copied()
            && due <= now
        {
            self.waiting.pop_first();
            self.wake_one(n);
        }
    }

    fn wake_all(&mut self) {
        while let Some((_, n)) = self.waiting.pop_first() {
            self.wake_one(n);
        }
    }

    fn wake_one(&mut self, n: i64) {
        if let Some(lane) = self.heads.remove(&n) {
            if let Some(state) = self.lanes.get_mut(&lane) {
                state.due = None;
            }
            self.ready.insert(n, lane);
        }
    }

    /// Of all heads, waiting or not, the one that was tried least, and of those the first.
    fn least_tried(&self) -> Option<i64> {
        let heads = self.lanes.values().filter(|lane| !lane.sending);
        let heads = heads.filter_map(|lane| lane.queue.front());
        heads
            .min_by_key(|head| (head.attempts, head.n))
            .map(|head| head.n)
    }

    fn send(&mut self, n: i64) -> Next {
        let lane = match self.ready.remove(&n) {
            Some(lane) => lane,
            None => {
                self.waiting.retain(|(_, waiting)| *waiting != n);
                match self.heads.remove(&n) {
                    Some(lane) => lane,
                    None => return Next::Nothing,
                }
            }
        };
        let Some(state) = self.lanes.get_mut(&lane) else {
            return Next::Nothing;
        };
        let Some(head) = state.queue.front().copied() else {
            return Next::Nothing;
        };
        state.sending = true;
        state.due = None;
        self.sending += 1;
        self.heads.insert(n, lane);
        Next::Send(head)
    }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
