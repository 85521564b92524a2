//! Files through a real Chromium on the simulated WhatsApp: every kind both ways, bytes compared.
#![cfg(feature = "sandbox")]

mod chrome_support;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrome_support::simulated::{OURS, THEIRS, logged_in, ours, sandbox, talk, theirs};
use chrome_support::{Bench, PATIENCE, Session, phone};
use sha2::{Digest as _, Sha256};
use zapnode_core::driver::{DriverError, DriverEvent, Interruption};
use zapnode_core::message::{
    Ack, Content, Decryption, IncomingMessage, Media, MediaFile, MediaKind, OutgoingMessage,
};
use zapnode_core::sandbox::{
    Addressing, Hold, PhoneFile, PhoneMessage, Reupload, Sandbox, Uploads,
};
use zapnode_core::{ChatId, MessageId};

/// One of each kind: our word, WhatsApp's, the sample and its type.
const KINDS: [(MediaKind, &str, &str, &str); 7] = [
    (MediaKind::Image, "image", "photo.jpg", "image/jpeg"),
    (MediaKind::Video, "video", "clip.mp4", "video/mp4"),
    (MediaKind::Gif, "video", "clip.mp4", "video/mp4"),
    (MediaKind::Audio, "audio", "tone.mp3", "audio/mpeg"),
    (
        MediaKind::Voice,
        "ptt",
        "voice.ogg",
        "audio/ogg; codecs=opus",
    ),
    (
        MediaKind::Document,
        "document",
        "paper.pdf",
        "application/pdf",
    ),
    (MediaKind::Sticker, "sticker", "sticker.webp", "image/webp"),
];

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/media")
        .join(name)
}

fn bytes_of(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a sample")
}

fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file(path: &Path, mime: &str) -> MediaFile {
    let bytes = bytes_of(path);
    MediaFile {
        path: path.to_owned(),
        mime: mime.to_owned(),
        name: path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned()),
        size: bytes.len() as u64,
        sha256: hash(&bytes),
    }
}

fn message(chat: &ChatId, media: Media) -> OutgoingMessage {
    OutgoingMessage {
        content: Content::Media(media),
        ..OutgoingMessage::text(chat.clone(), "")
    }
}

/// Sends it, and gives it as it came to the other phone.
async fn send(sandbox: &Sandbox, session: &mut Session, out: &OutgoingMessage) -> PhoneMessage {
    let them = theirs(sandbox);
    let sent = session.connection.send(out).await.expect("sent");
    assert_eq!(sent.id.wire_id(), out.wire_id, "the id is the one chosen");
    session.wait_ack(&out.wire_id, Ack::Server).await;
    let here = them.wait_for_message(|one| one.id == out.wire_id, PATIENCE);
    here.await.expect("arrived")
}

async fn incoming(session: &mut Session, caption: &str) -> IncomingMessage {
    session
        .wait("the file", |event| match event {
            DriverEvent::Message(one) if one.text.as_deref() == Some(caption) => {
                Some((**one).clone())
            }
            _ => None,
        })
        .await
}

/// Every kind goes there by its bytes, and comes back by its bytes.
async fn every_kind_both_ways(addressing: Addressing) {
    let sandbox = sandbox(|faults| faults.addressing = addressing).await;
    let bench = Bench::new(&sandbox.url());
    let them = theirs(&sandbox);
    let mut session = logged_in(&sandbox, &bench).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    for (kind, word, name, mime) in KINDS {
        let path = sample(name);
        let mut media = Media::new(kind, file(&path, mime));
        let caption = format!("legenda de {}", kind.as_str());
        media.caption = kind.takes_caption().then(|| caption.clone());
        let got = send(&sandbox, &mut session, &message(&chat, media)).await;
        assert_eq!((&*got.kind, got.unknown_sender), (word, false), "{kind:?}");
        assert_eq!(got.deliveries, 1, "{kind:?}");
        if kind.takes_caption() {
            assert_eq!(got.text, caption, "{kind:?}");
        }
        let arrived = them.file(&got.id).await.expect("opened");
        assert!(arrived == bytes_of(&path), "{kind:?} has other bytes");
        assert_eq!(got.fields["mimetype"], mime, "{kind:?}");
        assert_eq!(
            got.fields.get("isGif").is_some_and(|one| one == true),
            kind == MediaKind::Gif
        );
        match kind {
            MediaKind::Voice => {
                let wave = got.fields["waveform"].as_str().expect("a waveform");
                // 64 bytes as base64; the second half of the sample is loud.
                assert_eq!(wave.len(), 88);
                assert_eq!(got.fields["duration"], 3);
            }
            MediaKind::Video => assert_eq!(got.fields["duration"], 2),
            MediaKind::Document => assert_eq!(got.fields["filename"], "paper.pdf"),
            _ => {}
        }

        let word = if kind == MediaKind::Gif { "gif" } else { word };
        let mut back = PhoneFile::new(word, mime, bytes_of(&path)).caption(&caption);
        back.name = Some(name.to_owned());
        let sent = them.send_file(phone(OURS), back).await;
        let sent = sent.expect("sent");
        let heard = incoming(&mut session, &caption).await;
        assert_eq!(heard.id.wire_id(), sent);
        assert_eq!(heard.chat.is_lid(), addressing == Addressing::Lid);
        let facts = heard.details.media.expect("facts of the file");
        assert_eq!(facts.mime_type.as_deref(), Some(mime));
        assert_eq!(facts.size, Some(bytes_of(&path).len() as u64));
        assert_eq!(facts.sha256.as_deref(), Some(&*hash(&bytes_of(&path))));
        assert_eq!(facts.is_gif, kind == MediaKind::Gif);
        let to = bench.folder.path().join(name);
        let loaded = session.connection.download(&heard.id, &to).await;
        let loaded = loaded.expect("downloaded");
        assert!(bytes_of(&to) == bytes_of(&path), "{kind:?} has other bytes");
        assert_eq!(loaded.sha256, hash(&bytes_of(&path)));
        assert_eq!(loaded.file_name.as_deref(), Some(name));
    }
    // What was sent can be fetched too, also when it is in the page's storage only.
    let out = message(
        &chat,
        Media::new(
            MediaKind::Document,
            file(&sample("paper.pdf"), "application/pdf"),
        ),
    );
    send(&sandbox, &mut session, &out).await;
    session.reload().await;
    let id = MessageId::new(&format!("true_{chat}_{}", out.wire_id)).expect("a key");
    let to = bench.folder.path().join("own.pdf");
    session
        .connection
        .download(&id, &to)
        .await
        .expect("fetched");
    assert_eq!(bytes_of(&to), bytes_of(&sample("paper.pdf")));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_goes_both_ways_by_number() {
    every_kind_both_ways(Addressing::Pn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_goes_both_ways_by_lid() {
    every_kind_both_ways(Addressing::Lid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_send_each_other_files() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let them = theirs(&sandbox);
    let mut ana = logged_in(&sandbox, &bench).await;
    let mut bruno = bench.open("b").await;
    let qr = bruno.wait_qr().await;
    them.scan(&qr).await.expect("scanned");
    bruno.wait_ready().await;
    for (from, to, number) in [(0, 1, THEIRS), (1, 0, OURS)] {
        let sessions = [&mut ana, &mut bruno];
        let chat = sessions[from].chat_of(&phone(number)).await;
        let mut media = Media::new(MediaKind::Image, file(&sample("photo.jpg"), "image/jpeg"));
        media.caption = Some(format!("foto {from}"));
        let out = message(&chat, media);
        sessions[from].connection.send(&out).await.expect("sent");
        let heard = incoming(sessions[to], &format!("foto {from}")).await;
        let there = bench.folder.path().join("arrived.jpg");
        let loaded = sessions[to].connection.download(&heard.id, &there).await;
        loaded.expect("downloaded");
        assert!(bytes_of(&there) == bytes_of(&sample("photo.jpg")));
    }
    ana.close().await;
    bruno.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn view_once_hd_answers_and_stickers_of_pictures() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let them = theirs(&sandbox);
    let mut session = logged_in(&sandbox, &bench).await;
    let chat = session.chat_of(&phone(THEIRS)).await;

    let mut media = Media::new(MediaKind::Image, file(&sample("photo.jpg"), "image/jpeg"));
    media.view_once = true;
    let got = send(&sandbox, &mut session, &message(&chat, media)).await;
    assert_eq!(got.fields["isViewOnce"], true);

    // The page makes pictures smaller, and those in HD less so.
    for (hd, width) in [(false, 1600), (true, 2560)] {
        let mut media = Media::new(MediaKind::Image, file(&sample("wide.jpg"), "image/jpeg"));
        media.hd = hd;
        let got = send(&sandbox, &mut session, &message(&chat, media)).await;
        let bytes = them.file(&got.id).await.expect("opened");
        assert_eq!(jpeg_width(&bytes), Some(width), "HD: {hd}");
    }

    let media = Media::new(
        MediaKind::Sticker,
        file(&sample("picture.png"), "image/png"),
    );
    let got = send(&sandbox, &mut session, &message(&chat, media)).await;
    let bytes = them.file(&got.id).await.expect("opened");
    assert!(bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WEBP");

    // A waveform and a length of the caller's own, and an answer.
    let question = them.send(&phone(OURS), "como soa?").await;
    let question = question.expect("sent");
    let heard = session.wait_message("como soa?").await;
    let mut media = Media::new(
        MediaKind::Voice,
        file(&sample("voice.ogg"), "audio/ogg; codecs=opus"),
    );
    media.waveform = Some((0..64).collect());
    media.duration = Some(7);
    let mut out = message(&chat, media);
    out.reply_to = Some(heard.id);
    let got = send(&sandbox, &mut session, &out).await;
    assert_eq!(got.fields["duration"], 7);
    assert_eq!(got.quoted, Some(question.to_string()));
    let wave = got.fields["waveform"].as_str().expect("a waveform");
    assert!(wave.starts_with("AAECAwQFBgcICQoL"), "{wave}");

    // One that may be seen once does not come to linked devices; that it came is told.
    let mut once = PhoneFile::new("image", "image/jpeg", bytes_of(&sample("photo.jpg")));
    once.view_once = true;
    let id = them.send_file(phone(OURS), once).await;
    let id = id.expect("sent");
    session
        .wait("word of it", |event| match event {
            DriverEvent::Waiting(one) if one.id.wire_id() == id => {
                assert_eq!(one.decryption, Decryption::Unavailable);
                Some(())
            }
            _ => None,
        })
        .await;
    session.close().await;
}

/// The width in a JPEG's frame header.
fn jpeg_width(bytes: &[u8]) -> Option<u16> {
    let header = bytes.windows(9).find(|w| w[..2] == [0xFF, 0xC0])?;
    Some(u16::from_be_bytes([header[7], header[8]]))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_with_a_file_has_a_name_and_sends_nothing() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let them = theirs(&sandbox);
    let mut session = logged_in(&sandbox, &bench).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    let image = || Media::new(MediaKind::Image, file(&sample("photo.jpg"), "image/jpeg"));

    for uploads in [Uploads::Refused, Uploads::NoEntry] {
        sandbox.turn(|faults| faults.uploads = uploads);
        let refused = session.connection.send(&message(&chat, image())).await;
        assert!(
            matches!(refused, Err(DriverError::UploadFailed { .. })),
            "{refused:?}"
        );
    }
    sandbox.turn(|faults| faults.uploads = Uploads::Refused);
    let sticker = Media::new(
        MediaKind::Sticker,
        file(&sample("sticker.webp"), "image/webp"),
    );
    let refused = session.connection.send(&message(&chat, sticker)).await;
    assert!(
        matches!(refused, Err(DriverError::UploadFailed { .. })),
        "{refused:?}"
    );
    sandbox.turn(|faults| {
        faults.uploads = Uploads::Taken;
        faults.upload_limit = 1000;
    });
    let large = session.connection.send(&message(&chat, image())).await;
    assert!(
        matches!(&large, Err(DriverError::MediaUnusable { reason }) if reason.contains("1000")),
        "{large:?}"
    );
    sandbox.turn(|faults| faults.upload_limit = 0);

    // No picture at all, and a file that is not there.
    let fake = Media::new(MediaKind::Image, file(&sample("paper.pdf"), "image/jpeg"));
    let mut absent = image();
    absent.file.path = bench.folder.path().join("absent.jpg");
    for media in [fake, absent] {
        let unusable = session.connection.send(&message(&chat, media)).await;
        assert!(
            matches!(unusable, Err(DriverError::MediaUnusable { .. })),
            "{unusable:?}"
        );
    }
    assert!(them.messages().is_empty(), "nothing was sent");

    // The same message goes once all is well.
    let out = message(&chat, image());
    sandbox.turn(|faults| faults.uploads = Uploads::Refused);
    session.connection.send(&out).await.expect_err("refused");
    sandbox.turn(|faults| faults.uploads = Uploads::Taken);
    assert_eq!(send(&sandbox, &mut session, &out).await.deliveries, 1);
    let again = session.connection.send(&out).await.expect("known");
    assert_eq!(again.id.wire_id(), out.wire_id);
    assert_eq!(them.messages().len(), 1);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_module_is_named_and_takes_only_its_feature_with_it() {
    let sandbox = sandbox(|faults| {
        faults.missing_modules = vec![
            "WAWebPrepRawMedia".to_owned(),
            "WAWebUploadManager".to_owned(),
            "WAWebDownloadManager".to_owned(),
        ];
    })
    .await;
    let bench = Bench::new(&sandbox.url());
    let them = theirs(&sandbox);
    let mut session = logged_in(&sandbox, &bench).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    for (kind, name, mime, module) in [
        (
            MediaKind::Image,
            "photo.jpg",
            "image/jpeg",
            "WAWebPrepRawMedia",
        ),
        (
            MediaKind::Sticker,
            "sticker.webp",
            "image/webp",
            "WAWebUploadManager",
        ),
    ] {
        let media = Media::new(kind, file(&sample(name), mime));
        let missing = session.connection.send(&message(&chat, media)).await;
        assert!(
            matches!(&missing, Err(DriverError::Unsupported { part, .. }) if part.starts_with(module)),
            "{missing:?}"
        );
    }
    let photo = PhoneFile::new("image", "image/jpeg", bytes_of(&sample("photo.jpg")));
    let sent = them.send_file(phone(OURS), photo.caption("foto"));
    sent.await.expect("sent");
    let heard = incoming(&mut session, "foto").await;
    let to = bench.folder.path().join("a.jpg");
    let missing = session.connection.download(&heard.id, &to).await;
    assert!(
        matches!(&missing, Err(DriverError::Unsupported { part, .. }) if part.starts_with("WAWebDownloadManager")),
        "{missing:?}"
    );
    let test = session.connection.self_test().await.expect("an answer");
    assert!(test.ok, "a session works without");
    let missed = |part: &str| {
        let probes = test
            .probes
            .iter()
            .filter(|probe| probe.part.starts_with(part));
        probes.map(|probe| probe.found).collect::<Vec<_>>()
    };
    assert_eq!(missed("WAWebPrepRawMedia"), [false]);
    assert_eq!(missed("WAWebMediaMmsV4Upload"), [true]);
    talk(&sandbox, &mut session).await;
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_in_the_middle_of_an_upload_sends_once_or_not_at_all() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let them = theirs(&sandbox);
    let mut session = logged_in(&sandbox, &bench).await;
    let chat = session.chat_of(&phone(THEIRS)).await;
    // Every kind while its file is on the way; one while the page has the message and the servers
    // have not, and while the servers have it and the page does not know.
    let photo = KINDS[0];
    let holds = KINDS.map(|kind| (kind, Hold::Uploading));
    let holds = holds
        .into_iter()
        .chain([(photo, Hold::Kept), (photo, Hold::Taken)]);
    for ((kind, _, name, mime), hold) in holds {
        let out = message(&chat, Media::new(kind, file(&sample(name), mime)));
        let id = MessageId::new(&format!("true_{chat}_{}", out.wire_id)).expect("a key");
        let delivered = hold == Hold::Taken;
        sandbox.turn(|faults| faults.hold = hold);
        let connection = session.connection.clone();
        let sending = tokio::spawn({
            let out = out.clone();
            async move { connection.send(&out).await }
        });
        sandbox.wait_until_held(PATIENCE).await.expect("held");
        assert_eq!(
            them.messages().iter().any(|one| one.id == out.wire_id),
            delivered,
            "{hold:?}"
        );
        session.reload().await;
        let interrupted = sending.await.expect("no panic");
        let reloaded = Interruption::Reloaded;
        assert!(
            matches!(&interrupted, Err(DriverError::Interrupted { by, .. }) if *by == reloaded),
            "{hold:?}: {interrupted:?}"
        );
        sandbox.turn(|faults| faults.hold = Hold::Off);
        // What the page has goes by itself; what it has not is sent again, under the same id.
        let found = session.connection.find_message(&id).await.expect("asked");
        assert_eq!(found.is_some(), hold != Hold::Uploading, "{hold:?}");
        if found.is_none() {
            session.connection.send(&out).await.expect("sent");
        }
        let arrived = them.wait_for_message(|one| one.id == out.wire_id, PATIENCE);
        arrived.await.expect("arrived");
        let copies = them.messages();
        let copies = copies.iter().filter(|one| one.id == out.wire_id).count();
        assert_eq!(copies, 1, "{hold:?}");
        let bytes = them.file(&out.wire_id).await.expect("opened");
        assert!(bytes == bytes_of(&sample(name)), "{kind:?} {hold:?}");
    }
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_file_has_a_name_and_the_phone_can_be_asked() {
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let them = theirs(&sandbox);
    let mut session = logged_in(&sandbox, &bench).await;
    let photo = PhoneFile::new("image", "image/jpeg", bytes_of(&sample("photo.jpg")));
    let sent = them.send_file(phone(OURS), photo.caption("de ontem"));
    sent.await.expect("sent");
    let heard = incoming(&mut session, "de ontem").await;
    let to = bench.folder.path().join("a.jpg");
    sandbox.turn(|faults| {
        faults.media_expired = true;
        faults.reupload = Reupload::Refused;
    });
    let expired = session.connection.download(&heard.id, &to).await;
    assert!(
        matches!(expired, Err(DriverError::MediaExpired { asked: false, .. })),
        "{expired:?}"
    );
    assert!(!to.exists());
    let gone = session.connection.request_media(&heard.id).await;
    assert!(
        matches!(gone, Err(DriverError::MediaExpired { asked: true, .. })),
        "{gone:?}"
    );
    // A phone that has it, and is off line at first.
    sandbox.turn(|faults| faults.reupload = Reupload::Given);
    ours(&sandbox).set_online(false).await;
    let connection = session.connection.clone();
    let asking = tokio::spawn({
        let id = heard.id.clone();
        async move { connection.request_media(&id).await }
    });
    let busy = async {
        loop {
            match session.connection.download(&heard.id, &to).await {
                Err(DriverError::WrongMoment { .. }) => return,
                Err(DriverError::MediaExpired { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    let busy = tokio::time::timeout(PATIENCE, busy).await;
    busy.expect("the page says that the phone is at it");
    ours(&sandbox).set_online(true).await;
    asking.await.expect("no panic").expect("uploaded again");
    session
        .connection
        .download(&heard.id, &to)
        .await
        .expect("fetched");
    assert!(bytes_of(&to) == bytes_of(&sample("photo.jpg")));

    // A message without a file, and one that nobody knows.
    them.send(&phone(OURS), "só texto").await.expect("sent");
    let text = session.wait_message("só texto").await;
    let none = session.connection.download(&text.id, &to).await;
    assert!(matches!(none, Err(DriverError::NoMedia { .. })), "{none:?}");
    let chat = session.chat_of(&phone(THEIRS)).await;
    let nobody = MessageId::new(&format!("false_{chat}_3EB0000000000000000000")).expect("a key");
    let none = session.connection.download(&nobody, &to).await;
    assert!(
        matches!(none, Err(DriverError::MessageUnknown { .. })),
        "{none:?}"
    );
    session.close().await;
}

/// A large document both ways, while another session goes on talking: its slowest answer is printed.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_document_does_not_disturb_another_session() {
    let size: usize = 64 << 20;
    let sandbox = sandbox(|_| {}).await;
    let bench = Bench::new(&sandbox.url());
    let them = theirs(&sandbox);
    let large = logged_in(&sandbox, &bench).await;
    let mut other = bench.open("b").await;
    let qr = other.wait_qr().await;
    let third = sandbox.phone(&phone("244929000003"));
    third.scan(&qr).await.expect("scanned");
    other.wait_ready().await;

    let path = bench.folder.path().join("large.bin");
    let bytes: Vec<u8> = (0..size)
        .map(|n| (n % 253) as u8 ^ (n >> 13) as u8)
        .collect();
    std::fs::write(&path, &bytes).expect("written");
    let chat = large.chat_of(&phone(THEIRS)).await;
    let out = message(
        &chat,
        Media::new(MediaKind::Document, file(&path, "application/zip")),
    );

    let calm = slowest_of(&other, 40, || false).await;
    let began = Instant::now();
    let connection = large.connection.clone();
    let sending = tokio::spawn({
        let out = out.clone();
        async move { connection.send(&out).await }
    });
    let busy = slowest_of(&other, usize::MAX, || sending.is_finished()).await;
    sending.await.expect("no panic").expect("sent");
    let up = began.elapsed();
    let arrived = them.wait_for_message(|one| one.id == out.wire_id, PATIENCE);
    let arrived = arrived.await.expect("arrived");
    assert_eq!(arrived.fields["size"], size);

    let began = Instant::now();
    let id = MessageId::new(&format!("true_{chat}_{}", out.wire_id)).expect("a key");
    let to = bench.folder.path().join("back.bin");
    let connection = large.connection.clone();
    let fetching = tokio::spawn({
        let to = to.clone();
        async move { connection.download(&id, &to).await }
    });
    let busy_down = slowest_of(&other, usize::MAX, || fetching.is_finished()).await;
    let loaded = fetching.await.expect("no panic").expect("fetched");
    assert_eq!(loaded.sha256, out_hash(&out));
    println!(
        "{} MB: up in {up:.1?}, down in {:.1?}; slowest answer of another session {calm:.1?} before, \
         {busy:.1?} and {busy_down:.1?} meanwhile",
        size >> 20,
        began.elapsed()
    );
    // Far below any deadline; the machine has other work too.
    for slowest in [busy, busy_down] {
        assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    }
    talk_of_third(&sandbox, &mut other).await;
    large.close().await;
    other.close().await;
}

fn out_hash(out: &OutgoingMessage) -> String {
    match &out.content {
        Content::Media(media) => media.file.sha256.clone(),
        _ => String::new(),
    }
}

/// Asks a session again and again, and gives its slowest answer.
async fn slowest_of(session: &Session, times: usize, over: impl Fn() -> bool) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        let began = Instant::now();
        session.connection.evidence().await.expect("an answer");
        slowest = slowest.max(began.elapsed());
        if over() {
            break;
        }
    }
    slowest
}

/// The other session still hears what comes.
async fn talk_of_third(sandbox: &Sandbox, session: &mut Session) {
    let them = theirs(sandbox);
    let to = phone("244929000003");
    them.send(&to, "ainda aí?").await.expect("sent");
    session.wait_message("ainda aí?").await;
}
