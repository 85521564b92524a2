//! A disk that is full, and one that is damaged.

use super::*;
use crate::store::Store;

async fn table(store: &Store) {
    let made = store
        .run(|t| Ok(t.execute_batch("CREATE TABLE x (n INTEGER NOT NULL, filler BLOB) STRICT")?));
    made.await.expect("made");
}

fn row(t: &Transaction<'_>, n: i64) -> Result<(), StoreError> {
    t.execute(
        "INSERT INTO x (n, filler) VALUES (?1, zeroblob(40000))",
        [n],
    )?;
    Ok(())
}

async fn rows(store: &Store) -> Vec<i64> {
    let read = store.run(|t| {
        let mut q = t.prepare("SELECT n FROM x ORDER BY rowid")?;
        let rows = q.query_map([], |r| r.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    });
    read.await.expect("reading goes on")
}

/// SQLite says "full" at this many pages, as it does when the disk is.
async fn pages_at_most(store: &Store, beyond: i64) {
    let set = store.run(move |t| {
        let now: i64 = t.pragma_query_value(None, "page_count", |r| r.get(0))?;
        let sql = format!("PRAGMA max_page_count = {}", now + beyond);
        t.query_row(&sql, [], |_| Ok(()))?;
        Ok(())
    });
    set.await.expect("set");
}

async fn until(store: &Store, so: impl Fn(&StoreHealth) -> bool) -> StoreHealth {
    let mut health = store.watch_health();
    let found = tokio::time::timeout(Duration::from_secs(10), health.wait_for(so));
    let found = found.await.expect("in time").expect("open");
    found.clone()
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_keeps_what_is_old_and_passes_by_itself() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).await.expect("opens");
    table(&store).await;
    store.run(|t| row(t, 1)).await.expect("room");
    assert!(store.health().is_well());
    pages_at_most(&store, 2).await;

    let refused = store.run(|t| row(t, 2)).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert_eq!(store.health().state, StoreState::Full);
    assert_eq!(rows(&store).await, [1]);

    // Two changes that must not be lost, and one that may be refused, between them.
    let first = store.keep(|t| row(t, 3));
    let refused = store.run(|t| row(t, 4)).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    let second = store.keep(|t| row(t, 5)).stored_or_waiting().await;
    assert!(matches!(second, Ok(None)), "{second:?}");
    assert_eq!(
        until(&store, |h| h.waiting == 2).await.state,
        StoreState::Full
    );
    // Small enough to fit, but newer than what waits: the order holds.
    let small = store.run(|t| Ok(t.execute("INSERT INTO x (n) VALUES (6)", [])?));
    assert!(matches!(small.await, Err(StoreError::Full(_))));
    assert_eq!(rows(&store).await, [1], "reading goes on");

    pages_at_most(&store, 1000).await;
    first.stored().await.expect("stored once there is room");
    until(&store, |h| h.is_well() && h.waiting == 0).await;
    store.run(|t| row(t, 7)).await.expect("sends work again");
    assert_eq!(rows(&store).await, [1, 3, 5, 7]);
}

#[tokio::test]
async fn a_full_disk_is_over_though_nobody_asks() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).await.expect("opens");
    table(&store).await;
    pages_at_most(&store, 0).await;
    assert!(store.run(|t| row(t, 1)).await.is_err());
    assert_eq!(store.health().state, StoreState::Full);
    pages_at_most(&store, 1000).await;
    until(&store, StoreHealth::is_well).await;
}

#[tokio::test]
async fn those_before_and_after_the_one_that_found_no_room_are_told_their_own_outcome() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).await.expect("opens");
    table(&store).await;
    pages_at_most(&store, 2).await;
    // One group: the thread is busy with the first until all are queued.
    let (hold, go) = std::sync::mpsc::channel::<()>();
    let busy = store.run(move |_| {
        let _ = go.recv();
        Ok(())
    });
    let reads_before =
        store.run(|t| Ok(t.query_row("SELECT count(*) FROM x", [], |r| r.get::<_, i64>(0))?));
    let finds_no_room = store.run(|t| row(t, 1));
    let comes_after = store.run(|t| Ok(t.execute("INSERT INTO x (n) VALUES (2)", [])?));
    drop(hold);
    busy.await.expect("done");
    assert_eq!(reads_before.await.expect("read"), 0);
    assert!(matches!(finds_no_room.await, Err(StoreError::Full(_))));
    assert_eq!(comes_after.await.expect("fits"), 1);
    assert_eq!(rows(&store).await, [2]);
    assert!(store.health().is_well(), "a write was taken again");
}

#[tokio::test]
async fn damage_that_is_found_while_running_is_told_and_stays_told() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).await.expect("opens");
    table(&store).await;
    // More than SQLite's cache of 2 MB, so that it must read the file.
    for n in 0..200 {
        store.run(move |t| row(t, n)).await.expect("written");
    }
    store.tidy().await;
    let file = dir.path().join(crate::store::FILE_NAME);
    let length = file.metadata().expect("there").len();
    let raw = std::fs::OpenOptions::new().write(true).open(&file);
    let raw = raw.expect("opens");
    let rubbish = vec![0xA5; 64 * 1024];
    for at in (64 * 1024..length - 64 * 1024).step_by(128 * 1024) {
        std::os::unix::fs::FileExt::write_all_at(&raw, &rubbish, at).expect("written");
    }
    let read = store.run(|t| {
        let mut q = t.prepare("SELECT sum(length(filler)), max(hex(filler)) FROM x")?;
        Ok(q.query_row([], |r| r.get::<_, i64>(0))?)
    });
    let read = read.await;
    assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
    let health = store.health();
    assert_eq!(health.state, StoreState::Damaged);
    assert!(health.detail.is_some());
    // Some of it still works; it is damaged all the same.
    store.ping(Duration::from_secs(5)).await.expect("answers");
    let _ = store
        .run(|t| Ok(t.execute("DELETE FROM x WHERE n < 0", [])?))
        .await;
    assert_eq!(store.health().state, StoreState::Damaged);
    drop(store);
    let again = Store::open(dir.path()).await;
    assert!(matches!(again, Err(StoreError::Damaged(_))), "{again:?}");
}
