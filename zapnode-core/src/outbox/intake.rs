//! What comes in on a session: stored and told in order, each thing once, also when the store
//! cannot take it for a while, as on a full disk.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::Failure;
use crate::event::Happening;
use crate::id::{MessageId, SessionId};
use crate::ignore::Ignore;
use crate::message::{Ack, IncomingMessage};
use crate::session::SessionInfo;
use crate::store::{NewOptOut, Store, StoreError, TakenIn};

/// The most that is stored in one piece. One piece is under way at a time: so nothing overtakes
/// what failed.
const AT_ONCE: usize = 256;

/// How long a store that failed is left alone.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How much waits in memory. Beyond that the oldest is lost.
const MOST_WAITING: usize = 100_000;

/// Something that came in.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message that appeared on the page, and the opt-out that it is, if it is one.
    Message(Box<IncomingMessage>, Option<Box<NewOptOut>>),
    /// The opt-out that a message of an ignored chat is. Of the message only its key is kept.
    OptOut(MessageId, Box<NewOptOut>),
    /// Something that happened to messages, or around them.
    Happening(Happening),
    /// An ack of a message that nobody waits for any more, or that was written elsewhere.
    Ack {
        /// The message.
        id: MessageId,
        /// How far it is.
        ack: Ack,
        /// Why it failed, if it did.
        failure: Option<Failure>,
    },
}

/// See the [module](self).
pub(crate) struct Intake {
    session: SessionId,
    store: Store,
    info: watch::Receiver<SessionInfo>,
    defaults: Ignore,
    waiting: VecDeque<Heard>,
    under_way: Option<Piece>,
    /// How much goes into the next piece: little while the store fails.
    next_size: usize,
    again: Option<Instant>,
}

struct Piece {
    what: Arc<Vec<Heard>>,
    writing: JoinHandle<Result<TakenIn, StoreError>>,
}

impl Intake {
    pub(crate) fn new(store: Store, info: watch::Receiver<SessionInfo>, defaults: Ignore) -> Self {
        let session = info.borrow().id.clone();
        Self {
            session,
            store,
            info,
            defaults,
            waiting: VecDeque::new(),
            under_way: None,
            next_size: AT_ONCE,
            again: None,
        }
    }

    /// Takes something in, unless nobody wants to hear of its chat. Whoever wants no more bulk
    /// messages is heard all the same.
    pub(crate) fn take(&mut self, heard: Heard) {
        let heard = match heard {
            Heard::Message(message, opt_out) if self.is_ignored_message(&message) => {
                match opt_out {
                    Some(opt_out) => Heard::OptOut(message.id, opt_out),
                    None => return,
                }
            }
            Heard::Happening(happening) if self.is_ignored_happening(&happening) => return,
            heard => heard,
        };
        self.waiting.push_back(heard);
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop_front();
            tracing::error!(session = %self.session, "too much came in that could not be stored: the oldest is lost");
        }
        if self.again.is_none() {
            self.begin();
        }
    }

    fn is_ignored_message(&self, message: &IncomingMessage) -> bool {
        let writer = message.writer();
        self.ignore().covers(&message.chat, Some(&writer))
    }

    fn is_ignored_happening(&self, happening: &Happening) -> bool {
        self.ignore().covers(happening.chat(), happening.person())
    }

    /// What is ignored now: it can be chosen otherwise at any time.
    fn ignore(&self) -> Ignore {
        self.defaults.with(&self.info.borrow().options.ignore)
    }

    /// Goes on with the work, and gives what came of it. Never ends while there is nothing to do.
    pub(crate) async fn work(&mut self) -> TakenIn {
        if let Some(piece) = &mut self.under_way {
            let result = (&mut piece.writing).await;
            return self.ended(result.unwrap_or(Err(StoreError::Closed)));
        }
        match self.again {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
        self.again = None;
        self.begin();
        TakenIn::default()
    }

    /// Ends the work: what can still be stored is.
    pub(crate) async fn finish(&mut self) {
        self.again = None;
        self.begin();
        while self.under_way.is_some() && self.again.is_none() {
            self.work().await;
        }
        if !self.waiting.is_empty() {
            let lost = self.waiting.len();
            tracing::error!(session = %self.session, lost, "what came in could not be stored");
        }
    }

    fn begin(&mut self) {
        if self.under_way.is_some() || self.waiting.is_empty() {
            return;
        }
        let size = self.next_size.min(self.waiting.len());
        let what = Arc::new(self.waiting.drain(..size).collect::<Vec<_>>());
        let write = self.store.take_in(self.session.clone(), Arc::clone(&what));
        let writing = tokio::spawn(write);
        self.under_way = Some(Piece { what, writing });
    }

    fn ended(&mut self, result: Result<TakenIn, StoreError>) -> TakenIn {
        let piece = self.under_way.take();
        match result {
            Ok(taken) => {
                self.next_size = (self.next_size * 2).min(AT_ONCE);
                self.begin();
                taken
            }
            Err(error) => {
                tracing::error!(session = %self.session, %error, "what came in is not stored; it is tried again");
                // The store is through with it, so it is ours again.
                let what = piece.and_then(|piece| Arc::into_inner(piece.what));
                for heard in what.into_iter().flatten().rev() {
                    self.waiting.push_front(heard);
                }
                self.next_size = 1;
                self.again = Some(Instant::now() + AGAIN_AFTER);
                TakenIn::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind, EventLog, EventName, Filter};
    use crate::id::{ChatId, MessageId};
    use crate::options::SessionOptions;
    use crate::optout::OptOutSource;
    use crate::outbox::MessageFilter;
    use crate::person::Person;
    use crate::session::SessionState;
    use crate::store::StoreState;
    use time::OffsetDateTime;

    fn info() -> SessionInfo {
        SessionInfo {
            id: SessionId::new("shop").expect("an id"),
            generation: 0,
            state: SessionState::Ready,
            since: OffsetDateTime::UNIX_EPOCH,
            reason: None,
            step: None,
            resources: None,
            pace: crate::outbox::Pace::OFF,
            me: None,
            linked: true,
            created_at: OffsetDateTime::UNIX_EPOCH,
            ready_at: None,
            options: SessionOptions::default(),
        }
    }

    fn message(number: usize) -> Heard {
        let chat = ChatId::new("5511912345678@c.us").expect("a chat");
        let key = format!("false_{chat}_3EB0{number:08}");
        let message = IncomingMessage {
            id: MessageId::new(&key).expect("a key"),
            from: chat.clone(),
            from_phone: Some(chat.clone()),
            from_lid: None,
            chat,
            name: None,
            from_me: false,
            kind: "chat".to_owned(),
            text: Some(format!("{number} {}", "x".repeat(1000))),
            at: OffsetDateTime::UNIX_EPOCH,
            details: Default::default(),
        };
        Heard::Message(Box::new(message), None)
    }

    /// Bounds the file as a full disk does: the same error comes of it.
    async fn room(store: &Store, more_pages: u32) {
        let set = store.run(move |t| {
            let now: u32 = t.pragma_query_value(None, "page_count", |row| row.get(0))?;
            t.pragma_update(None, "max_page_count", now + more_pages)?;
            Ok(())
        });
        set.await.expect("set");
    }

    /// The numbers of the messages that were told, in order.
    async fn told(log: &EventLog) -> Vec<usize> {
        let filter = Filter::default().names([EventName::Message]);
        let page = log.read(0, 1000, &filter).await.expect("read");
        let number = |event: &Event| match &event.kind {
            EventKind::Message(told) => {
                let text = told.body.as_deref().unwrap_or_default();
                let number = text.split(' ').next().expect("one");
                number.parse().expect("a number")
            }
            other => panic!("{other:?}"),
        };
        page.events.iter().map(number).collect()
    }

    #[tokio::test]
    async fn what_comes_in_on_a_full_disk_is_told_in_order_once_there_is_room() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let (_info, follow) = watch::channel(info());
        let mut intake = Intake::new(store.clone(), follow, Ignore::default());
        // Room for the first, which is a piece by itself, and not for all others together.
        room(&store, 40).await;
        for number in 0..100 {
            intake.take(message(number));
        }
        let mut health = store.watch_health();
        while health.borrow_and_update().waiting == 0 {
            tokio::select! {
                _ = intake.work() => {}
                changed = health.changed() => changed.expect("the store is open"),
            }
        }
        let log = EventLog::new(store.clone());
        assert_eq!(told(&log).await, [0], "all of a piece or nothing");
        intake.take(message(100));
        for _ in 0..3 {
            // Before anything else is done, what waits is tried again: in vain.
            store.run(|_| Ok(())).await.expect("reading goes on");
            assert_eq!(store.health().state, StoreState::Full);
            assert_eq!(told(&log).await, [0]);
        }

        room(&store, 100_000).await;
        intake.finish().await;
        assert_eq!(told(&log).await, (0..=100).collect::<Vec<_>>());
        assert!(store.health().is_well());
    }

    #[tokio::test]
    async fn whoever_wants_no_more_is_heard_in_an_ignored_chat_too_and_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        let (_info, follow) = watch::channel(info());
        let bruno = ChatId::new("5511912345678@c.us").expect("a chat");
        let ignore = Ignore {
            chats: [bruno.clone()].into(),
            ..Ignore::default()
        };
        let mut intake = Intake::new(store.clone(), follow, ignore);
        let person = Person::of_chats([&bruno]).expect("a person");
        let stop = || {
            let Heard::Message(stop, _) = message(1) else {
                unreachable!("it is one");
            };
            let opt_out = NewOptOut {
                person: person.clone(),
                reason: Some("answered: SAIR".to_owned()),
                source: OptOutSource::StopWord,
                session: None,
            };
            Heard::Message(stop, Some(Box::new(opt_out)))
        };
        let is_out = || store.is_opted_out(person.clone());
        intake.take(message(0));
        intake.take(stop());
        intake.finish().await;
        assert!(is_out().await.expect("read"));
        let log = EventLog::new(store.clone());
        assert_eq!(log.latest(), 0, "nothing is told of it");
        let session = SessionId::new("shop").expect("an id");
        let stored = store.messages(session, MessageFilter::default(), 9).await;
        assert_eq!(stored.expect("read"), [], "nor is anything kept");

        // They changed their mind; then the page tells the same message once more.
        assert!(store.opt_in(person.clone()).await.expect("off"));
        intake.take(stop());
        intake.finish().await;
        assert!(!is_out().await.expect("read"));
    }
}
