//! The table of events: written beside their causes, read by everybody, pruned from its old end.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};
use time::OffsetDateTime;

use super::contacts::resolve;
use super::sessions::{from_millis, millis, unreadable};
use super::{Store, StoreError, now};
use crate::event::{
    Event, EventId, EventKind, Filter, Gap, Happening, Me, Page, SessionRemoved, describe as words,
};
use crate::id::{ChatId, SessionId};
use crate::message::{Ack, IncomingMessage, Person};
use crate::outbox::Message;

/// How far one reading looks: a reader who wants little must not hold up the others.
const LOOKED_THROUGH: i64 = 10_000;

/// The most text of one page, in bytes; its first event may be larger.
const PAGE_BYTES: usize = 256 * 1024;

/// How many events one step of pruning forgets, so that nobody waits long for it.
const PRUNED_AT_ONCE: i64 = 500;

const COLUMNS: &str = "sequence, id, at, session, name, me, payload";

impl Store {
    pub(crate) fn events(
        &self,
        after: i64,
        limit: usize,
        filter: Filter,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send + use<> {
        self.read(move |c| page(c, after, limit, &filter))
    }

    pub(crate) fn event(
        &self,
        id: EventId,
    ) -> impl Future<Output = Result<Option<Event>, StoreError>> + Send + use<> {
        self.read(move |c| {
            let sql = format!("SELECT {COLUMNS} FROM events WHERE id = ?1");
            Ok(c.query_row(&sql, [id.to_string()], read_row).optional()?)
        })
    }

    pub(crate) fn event_cursor_at(
        &self,
        time: OffsetDateTime,
    ) -> impl Future<Output = Result<i64, StoreError>> + Send + use<> {
        self.read(move |c| {
            let first: Option<i64> = c.query_row(
                "SELECT min(sequence) FROM events WHERE at >= ?1",
                [millis(time)],
                |row| row.get(0),
            )?;
            match first {
                Some(sequence) => Ok(sequence - 1),
                None => newest(c),
            }
        })
    }

    /// Writes an event whose cause is nothing else that is stored. While the store cannot write it
    /// waits there.
    pub(crate) fn tell(
        &self,
        session: SessionId,
        kind: EventKind,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let kept = self.keep(move |t| {
            if let EventKind::Status(status) = &kind
                && let Some(me) = &status.me
            {
                set_account(t, &session, me)?;
            }
            append(t, &session, &kind, None)
        });
        kept.stored()
    }

    /// Forgets some of the oldest events: those from before `before`, and those that are more than
    /// `keep`. Returns whether there are more of them.
    pub(crate) async fn prune_events(
        &self,
        before: OffsetDateTime,
        keep: u64,
    ) -> Result<bool, StoreError> {
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        self.run(move |t| {
            let Some(oldest) = oldest(t)? else {
                return Ok(false);
            };
            // Those of one step that are too old are its first ones: time goes with the order.
            let last = oldest + PRUNED_AT_ONCE - 1;
            let too_old: Option<i64> = t.query_row(
                "SELECT max(sequence) FROM events WHERE sequence <= ?1 AND at < ?2",
                [last, millis(before)],
                |row| row.get(0),
            )?;
            let surplus = match newest(t)? - oldest {
                fewer if fewer < keep => 0,
                // There may be a leap among them, as after a restore, so they are counted.
                _ => {
                    t.query_row("SELECT count(*) FROM events", [], |row| {
                        row.get::<_, i64>(0)
                    })? - keep
                }
            };
            let too_many: Option<i64> = match surplus.min(PRUNED_AT_ONCE) {
                ..=0 => None,
                some => Some(t.query_row(
                    "SELECT sequence FROM events ORDER BY sequence LIMIT 1 OFFSET ?1",
                    [some - 1],
                    |row| row.get(0),
                )?),
            };
            let until = too_old.max(too_many);
            let gone = t.execute("DELETE FROM events WHERE sequence <= ?1", [until])?;
            Ok(gone > 0 && (until == Some(last) || surplus > PRUNED_AT_ONCE))
        })
        .await
    }
}

/// Writes an event. One of the same `once` on the same session is there already: then nothing is
/// written.
pub(super) fn append(
    t: &Transaction<'_>,
    session: &SessionId,
    kind: &EventKind,
    once: Option<&str>,
) -> Result<(), StoreError> {
    let once = once.map(|once| format!("{session}/{once}"));
    if let Some(once) = &once {
        let mut known = t.prepare_cached("SELECT 1 FROM events WHERE once = ?1")?;
        if known.exists([once])? {
            return Ok(());
        }
    }
    let me = account(t, session)?;
    let json = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let mut insert = t.prepare_cached(
        "INSERT INTO events (id, at, session, name, chat, me, payload, once)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    insert.execute(params![
        EventId::choose().to_string(),
        millis(now()),
        session.as_str(),
        kind.name(),
        kind.chat().map(ChatId::as_str),
        me.map(|me| serde_json::to_string(&me))
            .transpose()
            .map_err(json)?,
        kind.payload().map_err(json)?,
        once
    ])?;
    Ok(())
}

/// Tells a message that was just stored.
pub(super) fn message_appeared(
    t: &Transaction<'_>,
    row: &Message,
    told: &IncomingMessage,
) -> Result<(), StoreError> {
    let session = &row.session;
    let person = words::counterpart(&told.chat, &told.writer(), told.from_me);
    let who = person.map(|p| resolve(t, session, &p)).transpose()?;
    let me = account(t, session)?;
    let payload = words::appeared(row, told, me.as_ref(), who.unwrap_or_default());
    if !told.from_me {
        append(
            t,
            session,
            &EventKind::Message(Box::new(payload.clone())),
            None,
        )?;
    }
    append(t, session, &EventKind::MessageAny(Box::new(payload)), None)
}

/// Tells what became of a message of ours.
pub(super) fn message_progressed(
    t: &Transaction<'_>,
    before: &Message,
    after: &Message,
) -> Result<(), StoreError> {
    if before.state == after.state {
        return Ok(());
    }
    let session = &after.session;
    let who = chat_person(after)
        .map(|p| resolve(t, session, &p))
        .transpose()?;
    let me = account(t, session)?;
    for event in words::progressed(before, after, me.as_ref(), &who.unwrap_or_default()) {
        append(t, session, &event, None)?;
    }
    Ok(())
}

/// Tells that a voice note of ours was played: a step for which a message has no state of its own.
pub(super) fn message_played(t: &Transaction<'_>, message: &Message) -> Result<(), StoreError> {
    let session = &message.session;
    let who = chat_person(message)
        .map(|p| resolve(t, session, &p))
        .transpose()?;
    let me = account(t, session)?;
    let payload = words::acknowledged(message, Ack::Played, me.as_ref(), who.unwrap_or_default());
    match payload {
        Some(payload) => {
            let once = format!("played/{}", message.wire_id);
            append(t, session, &EventKind::Ack(Box::new(payload)), Some(&once))
        }
        None => Ok(()),
    }
}

/// Tells that a session was removed, and forgets its account.
pub(super) fn session_removed(t: &Transaction<'_>, id: &SessionId) -> Result<(), StoreError> {
    let removed = EventKind::Removed(Box::new(SessionRemoved { name: id.clone() }));
    append(t, id, &removed, None)?;
    t.execute("DELETE FROM accounts WHERE session = ?1", [id.as_str()])?;
    Ok(())
}

/// The sequence of the newest event, also of one that is forgotten; 0 if there never was one.
pub(super) fn newest(c: &Connection) -> Result<i64, StoreError> {
    let mut query = c.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'events'")?;
    let newest = query.query_row([], |row| row.get(0)).optional()?;
    Ok(newest.unwrap_or(0))
}

fn oldest(c: &Connection) -> Result<Option<i64>, StoreError> {
    let mut query = c.prepare_cached("SELECT min(sequence) FROM events")?;
    Ok(query.query_row([], |row| row.get(0))?)
}

/// The person a message of ours is for; nobody in a group.
fn chat_person(message: &Message) -> Option<Person> {
    let named = ChatId::new(&message.recipient).ok();
    let number = crate::id::PhoneNumber::new(&message.recipient).ok();
    let given = named.or_else(|| number.as_ref().map(ChatId::from));
    let id = message.chat.clone().or_else(|| given.clone())?;
    if !(id.is_phone() || id.is_lid()) {
        return None;
    }
    let mut person = Person::new(id);
    if message.from_me {
        // Sent to a number and found under a LID: the same person.
        person.phone = person.phone.or(given.filter(ChatId::is_phone));
    }
    Some(person)
}

/// Tells something that happened, unless it was told before.
pub(super) fn happened(
    t: &Transaction<'_>,
    session: &SessionId,
    happening: &Happening,
) -> Result<(), StoreError> {
    let me = account(t, session)?;
    let me = me.as_ref();
    let about = |from: &Person, from_me: bool| {
        let person = words::counterpart(happening.chat(), from, from_me);
        let who = person.map(|p| resolve(t, session, &p)).transpose()?;
        Ok::<_, StoreError>(who.unwrap_or_default())
    };
    let (event, once) = match happening {
        Happening::Edited(edit) => {
            let stored = super::messages::by_wire_id(t, session, &edit.id)?;
            let before = stored.as_ref().and_then(|m| m.text.clone());
            let once = match &stored {
                // Told again after a reload: it is known.
                Some(message) if message.text == edit.text => return Ok(()),
                Some(message) => {
                    super::messages::change_text(t, message.seq, edit.text.as_deref())?;
                    None
                }
                None => Some(format!("edited/{}/{:?}", edit.id, edit.text)),
            };
            let who = about(&edit.from, edit.from_me)?;
            (words::edited(edit, before, me, who), once)
        }
        Happening::Revoked(revoke) => {
            let stored = super::messages::by_wire_id(t, session, &revoke.id)?;
            let who = about(&revoke.from, revoke.from_me)?;
            let once = format!("revoked/{}/{:?}", revoke.id, revoke.revoked_for);
            (words::revoked(revoke, stored.as_ref(), me, who), Some(once))
        }
        Happening::Reaction(reaction) => {
            let who = about(&reaction.from, reaction.from_me)?;
            let once = format!(
                "reaction/{}/{}/{}",
                reaction.message,
                reaction.from.id,
                millis(reaction.at)
            );
            (words::reacted(reaction, me, who), Some(once))
        }
        Happening::Waiting(waiting) => {
            if super::messages::by_wire_id(t, session, &waiting.id)?.is_some() {
                // It came meanwhile.
                return Ok(());
            }
            let who = about(&waiting.from, waiting.from_me)?;
            let once = format!(
                "waiting/{}/{}",
                waiting.id,
                words::decryption(waiting.decryption)
            );
            (words::waiting(waiting, me, who), Some(once))
        }
        Happening::Call(call) => {
            let who = about(&call.from, false)?;
            (words::called(call, who), Some(format!("call/{}", call.id)))
        }
        Happening::Group(notice) => {
            let members = notice.members.iter().map(|m| resolve(t, session, m));
            let members = members.collect::<Result<_, _>>()?;
            let once = format!("group/{}/{}", notice.id, notice.word);
            (words::group(notice, members, me), Some(once))
        }
    };
    append(t, session, &event, once.as_deref())
}

fn account(t: &Transaction<'_>, session: &SessionId) -> Result<Option<Me>, StoreError> {
    let mut query = t.prepare_cached("SELECT me FROM accounts WHERE session = ?1")?;
    let found: Option<String> = query
        .query_row([session.as_str()], |row| row.get(0))
        .optional()?;
    // One that does not read is as good as none: it is written anew at the next login.
    Ok(found.and_then(|me| serde_json::from_str(&me).ok()))
}

fn set_account(t: &Transaction<'_>, session: &SessionId, me: &Me) -> Result<(), StoreError> {
    let me = serde_json::to_string(me)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    t.execute(
        "INSERT INTO accounts (session, me) VALUES (?1, ?2)
         ON CONFLICT (session) DO UPDATE SET me = ?2 WHERE me <> ?2",
        [session.as_str(), &me],
    )?;
    Ok(())
}

fn page(c: &Connection, after: i64, limit: usize, filter: &Filter) -> Result<Page, StoreError> {
    let latest = newest(c)?;
    let forgotten = oldest(c)?.map_or(latest, |oldest| oldest - 1);
    let asked = after.max(0);
    // A cursor from the future is of another log: none of what is here was read by it.
    let is_of_another = asked > latest;
    // Who begins at the beginning wants what there is and has missed nothing.
    let gap = (is_of_another || (asked > 0 && asked < forgotten)).then_some(Gap {
        after: asked,
        forgotten,
    });
    let from = match is_of_another {
        true => forgotten,
        false => asked.max(forgotten),
    };
    // After a restore the numbers leap: what lies between is not looked through.
    let next: Option<i64> = c
        .prepare_cached("SELECT min(sequence) FROM events WHERE sequence > ?1")?
        .query_row([from], |row| row.get(0))?;
    let begin = next.map_or(latest, |next| next - 1);
    let until = latest.min(begin.saturating_add(LOOKED_THROUGH));
    let mut page = Page {
        events: Vec::new(),
        next: until.max(from),
        latest,
        gap,
    };
    let (condition, values) = conditions(from, until, filter);
    let sql = format!(
        "SELECT {COLUMNS} FROM events WHERE {condition} ORDER BY sequence LIMIT {}",
        limit + 1
    );
    let mut query = c.prepare_cached(&sql)?;
    let mut rows = query.query(params_from_iter(values))?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let size = row.get_ref("payload")?.as_str().map_or(0, str::len);
        let full = page.events.len() == limit || bytes + size > PAGE_BYTES;
        if full && let Some(last) = page.events.last() {
            page.next = last.sequence;
            break;
        }
        bytes += size;
        page.events.push(read_row(row)?);
    }
    Ok(page)
}

fn conditions(from: i64, until: i64, filter: &Filter) -> (String, Vec<Value>) {
    let mut text = "sequence > ?1 AND sequence <= ?2".to_owned();
    let mut values: Vec<Value> = vec![from.into(), until.into()];
    if let Some(session) = &filter.session {
        values.push(session.to_string().into());
        text += &format!(" AND session = ?{}", values.len());
    }
    if let Some(chat) = &filter.chat {
        values.push(chat.to_string().into());
        let chat = values.len();
        text += &format!(
            " AND chat IN (SELECT ?{chat} UNION SELECT name FROM contact_names WHERE contact =
                           (SELECT contact FROM contact_names WHERE name = ?{chat}))"
        );
    }
    if let Some(names) = &filter.names {
        let marks = vec!["?"; names.len()].join(", ");
        text += &format!(" AND name IN ({marks})");
        values.extend(names.iter().map(|n| n.as_str().to_owned().into()));
    }
    (text, values)
}

fn read_row(row: &Row<'_>) -> rusqlite::Result<Event> {
    let text = |name: &str| row.get::<_, String>(name);
    let name = text("name")?;
    let payload = row.get_ref("payload")?.as_str()?;
    let kind = EventKind::parse(&name, payload).map_err(|e| unreadable(6, e))?;
    let me: Option<String> = row.get("me")?;
    Ok(Event {
        sequence: row.get("sequence")?,
        id: text("id")?.parse().map_err(|e| unreadable(1, e))?,
        timestamp: from_millis(row.get("at")?).map_err(|e| unreadable(2, e))?,
        session: SessionId::new(&text("session")?).map_err(|e| unreadable(3, e))?,
        me: me.and_then(|me| serde_json::from_str(&me).ok()),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventLog, EventName, ReadError};
    use futures_util::StreamExt;

    fn id(text: &str) -> SessionId {
        SessionId::new(text).expect("an id")
    }

    fn something(session: &SessionId) -> EventKind {
        EventKind::Removed(Box::new(SessionRemoved {
            name: session.clone(),
        }))
    }

    async fn filled(store: &Store, count: i64) {
        let session = id("a");
        store
            .run(move |t| {
                for _ in 0..count {
                    append(t, &session, &something(&session), None)?;
                }
                Ok(())
            })
            .await
            .expect("written");
    }

    #[tokio::test]
    async fn the_oldest_are_forgotten_in_steps_and_a_reader_behind_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        filled(&store, 1200).await;
        let long_ago = OffsetDateTime::UNIX_EPOCH;
        let mut steps = 1;
        while store.prune_events(long_ago, 100).await.expect("pruned") {
            steps += 1;
        }
        assert_eq!(steps, 3);
        let log = EventLog::new(store.clone());
        let page = log.read(50, 10, &Filter::default()).await.expect("read");
        let gap = Gap {
            after: 50,
            forgotten: 1100,
        };
        assert_eq!(page.gap, Some(gap));
        assert_eq!(page.events[0].sequence, 1101);
        assert_eq!((page.next, page.latest), (1110, 1200));
        let from_start = log.read(0, 10, &Filter::default()).await.expect("read");
        assert_eq!(from_start.gap, None, "who begins has missed nothing");

        let mut stream = log.from(50);
        assert!(matches!(stream.next().await, Some(Err(ReadError::Gap(g))) if g == gap));
        for sequence in 1101..=1200 {
            let event = stream.next().await.expect("more").expect("read");
            assert_eq!(event.sequence, sequence);
        }
        filled(&store, 1).await;
        let event = stream.next().await.expect("more").expect("read");
        assert_eq!(event.sequence, 1201, "it waits for what comes");

        let soon = OffsetDateTime::now_utc() + time::Duration::hours(1);
        while store.prune_events(soon, 100).await.expect("pruned") {}
        let page = log.read(1200, 10, &Filter::default()).await.expect("read");
        assert_eq!(page.gap.expect("told").forgotten, 1201);
        assert!(page.events.is_empty() && page.is_last());
        filled(&store, 1).await;
        let page = log.read(1201, 10, &Filter::default()).await.expect("read");
        assert_eq!(
            page.events[0].sequence, 1202,
            "a number is never given twice"
        );
    }

    #[tokio::test]
    async fn a_leap_of_the_numbers_is_read_over_and_forgets_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        filled(&store, 30).await;
        let far = 40_000_000_000;
        let leap = store.run(move |t| {
            let sql = "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'events'";
            Ok(t.execute(sql, [far])?)
        });
        assert_eq!(leap.await.expect("leapt"), 1);
        filled(&store, 20).await;
        let log = EventLog::new(store.clone());
        let everything = Filter::default();
        let page = log.read(25, 10, &everything).await.expect("read");
        assert_eq!(
            (page.events.len(), page.is_last(), page.gap),
            (5, false, None)
        );
        let page = log.read(page.next, 10, &everything).await.expect("read");
        let sequences: Vec<_> = page.events.iter().map(|e| e.sequence).collect();
        let expected = (far + 1..=far + 10).collect::<Vec<_>>();
        assert_eq!((sequences, page.gap), (expected, None));
        let none = Filter::default().names([EventName::Message]);
        let page = log.read(0, 10, &none).await.expect("read");
        assert_eq!((page.next, page.is_last()), (LOOKED_THROUGH, false));
        let page = log.read(page.next, 10, &none).await.expect("read");
        assert!(page.is_last(), "in one step over all that is not there");

        let long_ago = OffsetDateTime::UNIX_EPOCH;
        assert!(!store.prune_events(long_ago, 50).await.expect("pruned"));
        let page = log.read(0, 100, &Filter::default()).await.expect("read");
        assert_eq!(page.events.len(), 50, "as many as are kept");
        assert!(!store.prune_events(long_ago, 35).await.expect("pruned"));
        let page = log.read(0, 100, &Filter::default()).await.expect("read");
        assert_eq!((page.events.len(), page.events[0].sequence), (35, 16));
    }

    #[tokio::test]
    async fn a_cursor_of_another_log_begins_anew_and_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        filled(&store, 3).await;
        let log = EventLog::new(store.clone());
        let gap = Gap {
            after: 500,
            forgotten: 0,
        };
        assert!(gap.is_of_another_log() && gap.to_string().contains("another log"));
        let page = log.read(500, 10, &Filter::default()).await.expect("read");
        assert_eq!((page.gap, page.events.len(), page.next), (Some(gap), 3, 3));
        let mut stream = log.from(500);
        assert!(matches!(stream.next().await, Some(Err(ReadError::Gap(g))) if g == gap));
        for sequence in 1..=3 {
            let event = stream.next().await.expect("more").expect("read");
            assert_eq!(event.sequence, sequence);
        }
    }

    #[tokio::test]
    async fn a_page_is_bounded_and_a_filter_never_hides_how_far_it_looked() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        filled(&store, LOOKED_THROUGH + 5).await;
        let large = EventKind::Other {
            name: "x".to_owned(),
            payload: "y".repeat(PAGE_BYTES / 2).into(),
        };
        store
            .run(move |t| {
                for _ in 0..3 {
                    append(t, &id("b"), &large, None)?;
                }
                Ok(())
            })
            .await
            .expect("written");
        let log = EventLog::new(store);
        let none = Filter::default().names([EventName::Message]);
        let page = log.read(0, 10, &none).await.expect("read");
        assert!(page.events.is_empty() && !page.is_last());
        assert_eq!(page.next, LOOKED_THROUGH);
        let page = log.read(page.next, 10, &none).await.expect("read");
        assert!(page.is_last());

        let b = Filter::session(id("b"));
        let page = log.read(LOOKED_THROUGH, 10, &b).await.expect("read");
        assert_eq!(page.events.len(), 1, "half a page each, and a little more");
        assert_eq!(page.next, page.events[0].sequence);
        let event = log.event(page.events[0].id).await.expect("read");
        assert_eq!(event.as_ref(), page.events.first());
        let at = page.events[0].timestamp;
        let cursor = log.cursor_at(at).await.expect("read");
        assert!(cursor < page.events[0].sequence);
        let later = at + time::Duration::hours(1);
        assert_eq!(log.cursor_at(later).await.expect("read"), page.latest);
    }

    #[tokio::test]
    async fn the_same_thing_is_written_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(dir.path()).await.expect("opens");
        for (session, sequence) in [("a", 1), ("a", 1), ("b", 2)] {
            let kind = something(&id(session));
            store
                .run(move |t| append(t, &id(session), &kind, Some("call/1")))
                .await
                .expect("written");
            assert_eq!(*store.newest_event().borrow(), sequence, "{session}");
        }
    }
}
