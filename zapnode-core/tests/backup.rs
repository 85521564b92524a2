//! Backups, made while sessions run and restored elsewhere, on the scripted driver.

mod scene;
mod webhook_scene;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use scene::{Scene, ana, bruno, id, until};
use tar::{Builder, EntryType, Header};
use time::OffsetDateTime;
use webhook_scene::{create, hook};
use zapnode_core::backup::{
    BackupError, OpenMessages, Profiles, RestoreOptions, RestoreReport, restore,
};
use zapnode_core::bulk::{BulkRecipient, JobState, NewBulk};
use zapnode_core::event::Filter;
use zapnode_core::message::Ack;
use zapnode_core::outbox::{FailureCode, MessageFilter, MessageState, NewMessage};
use zapnode_core::session::SessionState;
use zapnode_core::store::StoreError;
use zapnode_core::webhook::receiver::{Delivered, Receiver, Reply};
use zapnode_core::webhook::{DeliveryState, NewWebhook, WebhookChange};
use zapnode_core::{Error, ManagerOptions, SessionInfo, SessionManager};

const NOW: Duration = Duration::ZERO;

/// What Chrome would have written.
fn fill(profile: &Path) {
    for (file, text) in [
        ("Local State", "{}"),
        (
            "Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.leveldb/000003.log",
            "keys",
        ),
        ("Default/Cache/Cache_Data/data_0", "a cache"),
        ("Default/Code Cache/js/index", "a cache"),
        ("GPUCache/data_1", "a cache"),
        ("Crashpad/settings.dat", "a cache"),
    ] {
        let file = profile.join(file);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    }
    let long = profile
        .join("Default")
        .join("l".repeat(120))
        .join("x".repeat(140));
    fs::create_dir_all(long.parent().expect("a folder")).expect("made");
    fs::write(long, "a long name").expect("written");
    symlink("host-1", profile.join("SingletonLock")).expect("linked");
}

/// Two linked sessions, some messages, and the archive of all that.
async fn backed_up(scene: &Scene, profiles: Profiles) -> Vec<u8> {
    let manager = scene.manager().await;
    let shop = scene.ready(&manager, "shop").await;
    scene
        .ready(&manager, "support")
        .await
        .stop()
        .await
        .expect("stopped");
    for name in ["shop", "support"] {
        fill(&scene.profile(&id(name)));
    }
    let sent = shop
        .send_text(bruno(), "chegou", Duration::from_secs(5))
        .await;
    assert_eq!(sent.expect("sent").ack, Ack::Server);
    scene.driver.hold_acks(true);
    let waits = shop.send_text(bruno(), "a caminho", NOW).await;
    assert_eq!(waits.expect("accepted").ack, Ack::Pending);
    let planned = NewMessage {
        send_at: Some(OffsetDateTime::now_utc() + time::Duration::days(2)),
        ..NewMessage::text(bruno(), "planeada")
    };
    shop.submit(planned).await.expect("accepted");
    let (archive, report) = manager.backup(&profiles, Vec::new()).await.expect("made");
    assert_eq!(report.sessions, [id("shop"), id("support")]);
    // It goes on as if nothing had been.
    until(&shop, SessionInfo::is_ready).await;
    let support = manager.get(&id("support")).expect("there");
    assert_eq!(support.info().state, SessionState::Stopped);
    scene.driver.hold_acks(false);
    manager.shutdown().await;
    archive
}

struct Elsewhere {
    folder: tempfile::TempDir,
}

impl Elsewhere {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn auth(&self) -> PathBuf {
        self.folder.path().join("logins")
    }

    fn options(&self) -> RestoreOptions {
        RestoreOptions::into_folders(self.data(), self.auth())
    }

    // As the library gives it.
    #[allow(clippy::result_large_err)]
    fn restore(&self, archive: &[u8]) -> Result<RestoreReport, Error> {
        restore(archive, &self.options())
    }

    async fn manager(&self, scene: &Scene) -> SessionManager {
        let options = ManagerOptions {
            auth_dir: self.auth(),
            ..ManagerOptions::in_folder(self.data())
        };
        SessionManager::open(std::sync::Arc::new(scene.driver.clone()), options)
            .await
            .expect("opens")
    }

    /// Everything there is, but for the lock and its owner's name.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("read").flatten() {
                let path = entry.path();
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path);
                } else if !["zapnode.lock", "owner.json"]
                    .contains(&&*entry.file_name().to_string_lossy())
                {
                    found.push(
                        path.strip_prefix(self.folder.path())
                            .expect("inside")
                            .to_owned(),
                    );
                }
            }
        }
        found.sort();
        found
    }
}

#[tokio::test]
async fn it_comes_back_elsewhere_with_logins_and_messages_and_without_caches() {
    let scene = Scene::new();
    let archive = backed_up(&scene, Profiles::All).await;
    let elsewhere = Elsewhere::new();
    let report = elsewhere.restore(&archive).expect("restored");
    assert_eq!(report.sessions, [id("shop"), id("support")]);
    assert_eq!(report.profiles, report.sessions);
    assert_eq!(report.failed_messages, 1);
    assert_eq!(report.replaced, Vec::<PathBuf>::new());

    let profile = elsewhere.auth().join("session-shop");
    let file =
        profile.join("Default/IndexedDB/https_web.whatsapp.com_0.indexeddb.leveldb/000003.log");
    assert_eq!(fs::read_to_string(&file).expect("there"), "keys");
    assert_eq!(
        file.metadata().expect("there").permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        profile.metadata().expect("there").permissions().mode() & 0o777,
        0o700
    );
    let long = profile
        .join("Default")
        .join("l".repeat(120))
        .join("x".repeat(140));
    assert!(long.exists());
    for cache in [
        "Default/Cache",
        "Default/Code Cache",
        "GPUCache",
        "Crashpad",
        "SingletonLock",
    ] {
        assert!(profile.join(cache).symlink_metadata().is_err(), "{cache}");
    }
    assert!(
        !elsewhere
            .files()
            .iter()
            .any(|file| file.to_string_lossy().contains(".restore-"))
    );

    // The scripted driver keeps its logins in memory, by folder.
    let auth = elsewhere.auth().canonicalize().expect("there");
    scene.driver.plant_login(auth.join("session-shop"), ana());
    let manager = elsewhere.manager(&scene).await;
    manager.restore().await;
    let shop = manager.get(&id("shop")).expect("there");
    until(&shop, SessionInfo::is_ready).await;
    let messages = shop
        .messages(MessageFilter::default(), 9)
        .await
        .expect("read");
    let seen: Vec<_> = messages
        .iter()
        .map(|m| {
            (
                m.text.as_deref().expect("a text"),
                m.state,
                m.failure.as_ref().map(|f| f.code),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("planeada", MessageState::Queued, None),
            (
                "a caminho",
                MessageState::Failed,
                Some(FailureCode::Restored)
            ),
            ("chegou", MessageState::Sent, None),
        ]
    );
    shop.send_text(bruno(), "de volta", Duration::from_secs(5))
        .await
        .expect("sent");
    manager.shutdown().await;
}

#[tokio::test]
async fn what_was_not_sent_is_sent_if_that_is_wanted_and_once() {
    let scene = Scene::new();
    let archive = backed_up(&scene, Profiles::All).await;
    let elsewhere = Elsewhere::new();
    let options = RestoreOptions {
        open_messages: OpenMessages::Send,
        ..elsewhere.options()
    };
    let report = restore(archive.as_slice(), &options).expect("restored");
    assert_eq!(report.failed_messages, 0);
    let auth = elsewhere.auth().canonicalize().expect("there");
    scene.driver.plant_login(auth.join("session-shop"), ana());
    let manager = elsewhere.manager(&scene).await;
    manager.restore().await;
    let shop = manager.get(&id("shop")).expect("there");
    until(&shop, SessionInfo::is_ready).await;
    // After it in its chat: when that has arrived, so has it.
    let last = shop.send_text(bruno(), "depois", Duration::from_secs(10));
    assert_eq!(last.await.expect("sent").ack, Ack::Server);
    let delivered = scene.driver.delivered_to(&bruno());
    let texts: Vec<_> = delivered.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["chegou", "a caminho", "depois"]);
    manager.shutdown().await;
}

#[tokio::test]
async fn without_its_profile_a_session_knows_that_it_needs_a_new_qr() {
    let scene = Scene::new();
    let archive = backed_up(&scene, Profiles::None).await;
    let elsewhere = Elsewhere::new();
    let report = elsewhere.restore(&archive).expect("restored");
    assert_eq!(report.profiles, []);
    let manager = elsewhere.manager(&scene).await;
    let shop = manager.get(&id("shop")).expect("there");
    assert!(!shop.info().linked);
    let refused = shop.send_text(bruno(), "?", NOW).await;
    assert!(
        matches!(refused, Err(Error::NotReady { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn only_the_chosen_profiles_are_in_it() {
    let scene = Scene::new();
    let archive = backed_up(&scene, Profiles::Only([id("support")].into())).await;
    let report = Elsewhere::new().restore(&archive).expect("restored");
    assert_eq!(report.profiles, [id("support")]);
    assert_eq!(report.sessions.len(), 2);

    let manager = scene.manager().await;
    let unknown = manager
        .backup(&Profiles::Only([id("nope")].into()), Vec::new())
        .await;
    assert!(matches!(unknown, Err(Error::SessionNotFound { .. })));
}

#[tokio::test]
async fn what_is_there_is_not_touched_without_a_word_and_moved_aside_with_one() {
    let scene = Scene::new();
    let archive = backed_up(&scene, Profiles::All).await;
    let elsewhere = Elsewhere::new();
    elsewhere.restore(&archive).expect("restored");
    let before = elsewhere.files();
    let refused = elsewhere.restore(&archive).expect_err("refused");
    assert!(
        matches!(refused, Error::Backup(BackupError::NotEmpty { .. })),
        "{refused:?}"
    );
    assert_eq!(elsewhere.files(), before);
    // A profile alone is enough: it would be somebody's login.
    fs::remove_file(elsewhere.data().join("zapnode.db")).expect("removed");
    let refused = elsewhere.restore(&archive).expect_err("refused");
    assert!(
        matches!(refused, Error::Backup(BackupError::NotEmpty { .. })),
        "{refused:?}"
    );

    let mark = elsewhere.auth().join("session-shop/mark");
    fs::write(&mark, "the old one").expect("written");
    fs::write(elsewhere.data().join("zapnode.db-wal"), "of another store").expect("written");
    let options = RestoreOptions {
        replace: true,
        ..elsewhere.options()
    };
    let report = restore(archive.as_slice(), &options).expect("restored");
    assert!(!mark.exists());
    assert!(!elsewhere.data().join("zapnode.db-wal").exists());
    assert_eq!(report.replaced.len(), 2, "{report:?}");
    let aside = report
        .replaced
        .iter()
        .map(|folder| folder.join("session-shop/mark"));
    assert_eq!(aside.filter(|file| file.exists()).count(), 1);
}

#[tokio::test]
async fn a_folder_in_use_is_refused_and_only_one_backup_runs_at_a_time() {
    let scene = Scene::new();
    let archive = backed_up(&scene, Profiles::None).await;
    let manager = scene.manager().await;
    let options = RestoreOptions {
        replace: true,
        ..RestoreOptions::into_folders(&scene.options.data_dir, &scene.options.auth_dir)
    };
    let refused = restore(archive.as_slice(), &options).expect_err("in use");
    assert!(matches!(refused, Error::Owned { .. }), "{refused:?}");

    let first = manager.backup(&Profiles::All, Vec::new());
    let second = manager.backup(&Profiles::All, Vec::new());
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_ok());
    assert!(matches!(second, Err(Error::Backup(BackupError::Running))));
}

#[tokio::test]
async fn a_backup_that_cannot_be_written_lets_the_sessions_go_on() {
    struct NoRoom(usize);
    impl Write for NoRoom {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let scene = Scene::new();
    let manager = scene.manager().await;
    let shop = scene.ready(&manager, "shop").await;
    let profile = scene.profile(&id("shop"));
    fill(&profile);
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..))
        .take(300_000)
        .collect();
    fs::write(profile.join("noise"), noise).expect("written");
    let failed = manager.backup(&Profiles::All, NoRoom(100_000)).await;
    match failed.err() {
        Some(Error::Backup(error)) => assert!(error.is_no_room(), "{error:?}"),
        other => panic!("{other:?}"),
    }
    until(&shop, SessionInfo::is_ready).await;
    shop.send_text(bruno(), "segue", Duration::from_secs(5))
        .await
        .expect("sent");
    let left = fs::read_dir(&scene.options.data_dir)
        .expect("read")
        .flatten();
    let drafts = left.filter(|e| e.file_name().to_string_lossy().starts_with("backup-"));
    assert_eq!(drafts.count(), 0);
    manager
        .backup(&Profiles::All, Vec::new())
        .await
        .expect("the next one is made");
}

/// The entries of an archive, for making another of them.
fn entries(archive: &[u8]) -> Vec<(PathBuf, Vec<u8>)> {
    let mut tar = tar::Archive::new(GzDecoder::new(archive));
    let entries = tar.entries().expect("read");
    entries
        .map(|entry| {
            let mut entry = entry.expect("read");
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).expect("read");
            (entry.path().expect("a path").into_owned(), bytes)
        })
        .collect()
}

fn packed(add: impl FnOnce(&mut Builder<GzEncoder<Vec<u8>>>)) -> Vec<u8> {
    let mut tar = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    add(&mut tar);
    tar.into_inner().expect("done").finish().expect("done")
}

/// An entry with a name that `tar` itself would refuse to write.
fn raw(tar: &mut Builder<GzEncoder<Vec<u8>>>, name: &str, kind: EntryType, bytes: &[u8]) {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    if kind == EntryType::Symlink {
        header.set_link_name("/etc").expect("fits");
    }
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    tar.append(&header, bytes).expect("written");
}

fn repacked(entries: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    packed(|tar| {
        for (name, bytes) in entries {
            let mut header = Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            tar.append_data(&mut header, name, bytes.as_slice())
                .expect("written");
        }
    })
}

#[tokio::test]
async fn an_archive_that_is_not_as_it_was_made_changes_nothing() {
    let scene = Scene::new();
    let good = backed_up(&scene, Profiles::All).await;
    let parts = entries(&good);
    let changed = |change: fn(&mut Vec<(PathBuf, Vec<u8>)>)| {
        let mut parts = parts.clone();
        change(&mut parts);
        repacked(&parts)
    };
    let evil = |name: &'static str, kind: EntryType| {
        let (manifest, rest) = parts.split_first().expect("parts");
        packed(|tar| {
            raw(tar, "manifest.json", EntryType::Regular, &manifest.1);
            raw(tar, name, kind, b"evil");
            for (name, bytes) in rest {
                if name.as_os_str().len() < 100 {
                    raw(tar, &name.to_string_lossy(), EntryType::Regular, bytes);
                }
            }
        })
    };
    for (what, archive) in [
        ("nothing", Vec::new()),
        ("no archive", b"hello, this is text".repeat(50)),
        (
            "another archive",
            packed(|tar| raw(tar, "readme.txt", EntryType::Regular, b"hi")),
        ),
        ("cut off in its midst", good[..good.len() / 2].to_vec()),
        ("without its end", changed(|parts| drop(parts.pop()))),
        (
            "without the store",
            changed(|parts| parts.retain(|(name, _)| name != Path::new("zapnode.db"))),
        ),
        ("a file less", changed(|parts| drop(parts.remove(3)))),
        ("another byte", changed(|parts| parts[3].1.push(0))),
        (
            "a file twice",
            changed(|parts| {
                let one = parts[3].clone();
                parts.insert(3, one);
            }),
        ),
        (
            "a file more",
            changed(|parts| parts.insert(3, ("profiles/shop/Default/more".into(), b"x".to_vec()))),
        ),
        ("the manifest not first", changed(|parts| parts.swap(0, 1))),
        (
            "a way out",
            evil("profiles/shop/../../../evil", EntryType::Regular),
        ),
        (
            "an absolute name",
            evil("/tmp/zapnode-evil", EntryType::Regular),
        ),
        ("our own files", evil("owner.json", EntryType::Regular)),
        ("a link", evil("profiles/shop/Default", EntryType::Symlink)),
        ("a hard link", evil("profiles/shop/x", EntryType::Link)),
        ("a device", evil("profiles/shop/x", EntryType::Block)),
    ] {
        let elsewhere = Elsewhere::new();
        let refused = elsewhere.restore(&archive).expect_err(what);
        assert!(
            matches!(
                refused,
                Error::Backup(BackupError::Damaged { .. } | BackupError::NotABackup(_))
            ),
            "{what}: {refused:?}"
        );
        assert_eq!(elsewhere.files(), Vec::<PathBuf>::new(), "{what}");
    }
    assert!(!Path::new("/tmp/zapnode-evil").exists());
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_found() {
    let scene = Scene::new();
    let good = backed_up(&scene, Profiles::None).await;
    let unpacked = |archive: &[u8]| {
        let mut bytes = Vec::new();
        let read = std::io::Read::read_to_end(&mut GzDecoder::new(archive), &mut bytes);
        read.ok().map(|_| bytes)
    };
    let whole = unpacked(&good).expect("whole");
    let mut found = 0;
    // Beyond gzip's own head, which holds a time and a name of the system that nobody checks.
    let step = good.len() / 150;
    for at in (10..good.len()).step_by(step.max(1)) {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        if unpacked(&flipped).as_ref() == Some(&whole) {
            // A few bits of the compression mean nothing.
            continue;
        }
        found += 1;
        let elsewhere = Elsewhere::new();
        let refused = elsewhere.restore(&flipped);
        assert!(
            matches!(refused, Err(Error::Backup(_))),
            "byte {at} of {}: {refused:?}",
            good.len()
        );
        assert_eq!(elsewhere.files(), Vec::<PathBuf>::new(), "byte {at}");
    }
    assert!(found > 100, "{found}");
}

#[tokio::test]
async fn an_archive_of_a_newer_version_or_beyond_the_limit_is_refused() {
    let scene = Scene::new();
    let good = backed_up(&scene, Profiles::All).await;
    for (field, value) in [("schema", 999), ("zapnodeBackup", 2)] {
        let mut parts = entries(&good);
        let mut manifest: serde_json::Value = serde_json::from_slice(&parts[0].1).expect("json");
        manifest[field] = value.into();
        parts[0].1 = manifest.to_string().into_bytes();
        let refused = Elsewhere::new()
            .restore(&repacked(&parts))
            .expect_err("newer");
        assert!(
            matches!(refused, Error::Backup(BackupError::Newer { .. })),
            "{refused:?}"
        );
    }
    // A bomb: much of nothing in a little.
    let manifest = entries(&good)[0].1.clone();
    let bomb = packed(|tar| {
        raw(tar, "manifest.json", EntryType::Regular, &manifest);
        let mut header = Header::new_gnu();
        header.set_path("profiles/shop/zeros").expect("fits");
        header.set_size(64 << 20);
        header.set_cksum();
        tar.append(&header, std::io::Read::take(std::io::repeat(0), 64 << 20))
            .expect("written");
    });
    let elsewhere = Elsewhere::new();
    let options = RestoreOptions {
        bytes_at_most: 1 << 20,
        ..elsewhere.options()
    };
    let refused = restore(bomb.as_slice(), &options).expect_err("too large");
    assert!(
        matches!(refused, Error::Backup(BackupError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(elsewhere.files(), Vec::<PathBuf>::new());

    // A store that is whole by its checksum and damaged all the same.
    let mut parts = entries(&good);
    let store = parts
        .iter()
        .position(|(name, _)| name == Path::new("zapnode.db"))
        .expect("in it");
    let half = parts[store].1.len() / 2;
    parts[store].1[half..half + 8192].fill(0x5A);
    let sum: String = {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(&parts[store].1);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let last = parts.last_mut().expect("parts");
    let mut sums: serde_json::Value = serde_json::from_slice(&last.1).expect("json");
    sums["files"]["zapnode.db"]["sha256"] = sum.into();
    last.1 = sums.to_string().into_bytes();
    let elsewhere = Elsewhere::new();
    let refused = elsewhere.restore(&repacked(&parts)).expect_err("damaged");
    assert!(
        matches!(refused, Error::Store(StoreError::Damaged(_))),
        "{refused:?}"
    );
    assert_eq!(elsewhere.files(), Vec::<PathBuf>::new());
}

/// What a receiver took: names and texts, in the order of the log.
fn taken(receiver: &Receiver) -> Vec<(String, String)> {
    let mut taken = receiver.taken();
    taken.sort_by_key(Delivered::sequence);
    let text = |d: &Delivered| d.event["payload"]["body"].as_str().map(str::to_owned);
    taken
        .iter()
        .map(|d| (d.name().to_owned(), text(d).unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn a_restore_does_nothing_twice_and_readers_miss_nothing() {
    let scene = webhook_scene::scene();
    let manager = scene.manager().await;
    let shop = scene.ready(&manager, "shop").await;
    let (busy, resting) = (
        Receiver::start().await.expect("listens"),
        Receiver::start().await.expect("listens"),
    );
    let events = ["message", "message.failed"].map(str::to_owned).to_vec();
    let new = |receiver: &Receiver| NewWebhook {
        events: events.clone(),
        ..hook(receiver.url("/"))
    };
    let busy_id = create(&manager, new(&busy)).await.webhook.id.clone();
    let paused = NewWebhook {
        paused: true,
        ..new(&resting)
    };
    let resting_id = create(&manager, paused).await.webhook.id.clone();

    // At the time of the backup: three events are tried in vain, and a job is held.
    busy.behave(|_| Reply::Status(500));
    for text in ["um", "dois", "três"] {
        scene.driver.write(shop.id(), &bruno(), text).await;
    }
    webhook_scene::until(&manager, &busy_id, |i| {
        i.counts.pending == 3 && i.failures > 2
    })
    .await;
    let job = NewBulk {
        paced: false,
        ..NewBulk::new(
            "Olá",
            [1, 2].map(|n| BulkRecipient::from(webhook_scene::phone(n).as_str())),
        )
    };
    scene.driver.hold_opening(true);
    shop.restart().await.expect("restarts");
    until(&shop, |i| !i.is_ready() && i.linked).await;
    let job = shop.submit_bulk(job).await.expect("accepted").job;
    let (archive, _) = manager
        .backup(&Profiles::None, Vec::new())
        .await
        .expect("made");

    // After it all that is done.
    scene.driver.hold_opening(false);
    busy.behave(|_| Reply::Status(200));
    busy.until_taken(3).await;
    let jobs = manager.bulk_jobs();
    let mut now = jobs.get(job.id).await.expect("there");
    while now.state != JobState::Done {
        let next = jobs.changed(job.id, now.generation(), Duration::from_secs(20));
        now = next.await.expect("there");
    }
    assert_eq!(now.counts.sent, 2);
    scene.driver.write(shop.id(), &bruno(), "quatro").await;
    busy.until_taken(4).await;
    let cursor = manager.events().latest();
    manager.shutdown().await;
    drop((manager, shop));

    let elsewhere = Elsewhere::new();
    let report = elsewhere.restore(&archive).expect("restored");
    assert_eq!((report.failed_messages, report.dead_deliveries), (2, 3));
    let options = ManagerOptions {
        auth_dir: elsewhere.auth(),
        webhooks: webhook_scene::options(),
        ..ManagerOptions::in_folder(elsewhere.data())
    };
    let driver = std::sync::Arc::new(scene.driver.clone());
    let manager = SessionManager::open(driver, options).await.expect("opens");
    let job = manager.bulk_jobs().get(job.id).await.expect("there");
    assert_eq!((job.state, job.counts.failed), (JobState::Done, 2));
    let shop = manager.get(&id("shop")).expect("there");
    shop.start().await.expect("starts");
    until(&shop, |i| scene::qr(i).is_some()).await;
    scene.driver.scan(shop.id(), &ana()).await;
    until(&shop, SessionInfo::is_ready).await;
    scene.driver.write(shop.id(), &bruno(), "cinco").await;
    let on = WebhookChange {
        paused: Some(false),
        ..WebhookChange::default()
    };
    manager
        .webhooks()
        .change(&resting_id, on)
        .await
        .expect("on");
    let since = ["Olá", "Olá", "cinco"];
    busy.until_taken(4 + since.len()).await;
    resting.until_taken(since.len()).await;
    let named = |text: &str| {
        let name = if text == "Olá" {
            "message.failed"
        } else {
            "message"
        };
        (name.to_owned(), text.to_owned())
    };
    let all: Vec<_> = ["um", "dois", "três", "quatro"]
        .iter()
        .chain(&since)
        .map(|text| named(text))
        .collect();
    assert_eq!(taken(&busy), all);
    assert_eq!(taken(&resting), all[4..]);
    busy.assert_taken_once();
    busy.assert_clean();

    // A reader whose cursor is of the time after the backup misses nothing that came since.
    let log = manager.events();
    let page = log
        .read(cursor, 100, &Filter::default())
        .await
        .expect("read");
    assert_eq!(page.gap, None);
    let read: Vec<_> = page.events.iter().map(|e| e.name()).collect();
    assert_eq!(read.iter().filter(|n| **n == "message.failed").count(), 2);
    assert_eq!(read.iter().filter(|n| **n == "message").count(), 1);
    for id in [&busy_id, &resting_id] {
        webhook_scene::until(&manager, id, |i| i.lag == 0).await;
    }

    // What was given up says why, and can be had.
    let webhooks = manager.webhooks();
    let dead = webhooks.deliveries(&busy_id, Some(DeliveryState::Dead), None, 9);
    let dead = dead.await.expect("read");
    assert_eq!(dead.len(), 3);
    for delivery in &dead {
        let last = delivery.attempts.last().expect("one");
        assert_eq!(last.error.as_deref(), Some("restored"));
    }
    webhooks.retry(&busy_id, &dead[2].id).await.expect("queued");
    let again = busy.until_taken(8).await;
    assert_eq!(webhook_scene::text(again.last().expect("one")), "um");
    let to = |n: usize| scene.driver.delivered_to(&webhook_scene::phone(n)).len();
    assert_eq!((to(1), to(2)), (1, 1), "nobody was written to twice");
    manager.shutdown().await;
}
