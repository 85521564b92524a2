use std::time::Duration;

use futures_util::{Stream, stream};
use hyper::body::Bytes;
use url::Url;

use super::*;
use crate::message::Content;
use crate::outbox::NewMessage;
use crate::outbox::worker::fresh;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on";

struct Scene {
    media: MediaStore,
    store: Store,
    folder: tempfile::TempDir,
}

async fn scene(change: impl FnOnce(&mut MediaOptions)) -> Scene {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path()).await.expect("opens");
    let mut options = MediaOptions::default();
    change(&mut options);
    let media = MediaStore::open(folder.path(), store.clone(), options);
    Scene {
        media,
        store,
        folder,
    }
}

fn pieces(
    bytes: &[u8],
    size: usize,
) -> impl Stream<Item = Result<Bytes, &'static str>> + Send + use<> {
    let all: Vec<_> = bytes
        .chunks(size)
        .map(|p| Ok(Bytes::copy_from_slice(p)))
        .collect();
    stream::iter(all)
}

fn named(name: &str) -> About {
    About {
        name: Some(name.to_owned()),
        ..About::default()
    }
}

/// The files that are there, without those on their way.
fn files(scene: &Scene) -> Vec<String> {
    let mut all = vec![];
    let folder = scene.folder.path().join(FOLDER);
    for part in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(part.path()).expect("a folder").flatten() {
            all.push(file.file_name().into_string().expect("a name"));
        }
    }
    all
}

#[tokio::test]
async fn a_file_is_counted_hashed_and_there_once() {
    let scene = scene(|_| ()).await;
    let first = scene.media.add(pieces(PNG, 3), named("../praia.txt")).await;
    let first = first.expect("taken");
    assert_eq!(
        (first.mime.as_str(), first.size),
        ("image/png", PNG.len() as u64)
    );
    assert_eq!(first.name.as_deref(), Some("praia.txt"));
    assert_eq!(std::fs::read(&first.path).expect("there"), PNG);
    let second = scene.media.add(pieces(PNG, 7), named("outra.png")).await;
    let second = second.expect("taken");
    assert_eq!((&second.path, &second.sha256), (&first.path, &first.sha256));
    assert_eq!(files(&scene), std::slice::from_ref(&first.sha256));

    let kept = scene.media.keep(&first).await.expect("kept");
    let found = scene.media.find(kept.id).await.expect("found");
    assert_eq!(found, kept);
    assert_eq!(scene.media.file(&found).await.expect("here"), first);
    let none = scene.media.find(Ulid::new()).await;
    assert!(matches!(none, Err(MediaError::NotFound)));
}

#[tokio::test]
async fn what_is_too_large_empty_or_cut_leaves_nothing() {
    let scene = scene(|options| options.limits.image = 10).await;
    let image = About {
        kind: Some(MediaKind::Image),
        ..About::default()
    };
    let large = scene.media.add(pieces(PNG, 4), image.clone()).await;
    let large = large.expect_err("too large");
    assert_eq!(
        large.to_string(),
        "the file is larger than the limit for an image, 10 bytes"
    );
    let empty = scene.media.add(pieces(b"", 1), image).await;
    assert!(matches!(empty, Err(MediaError::Empty)));
    let cut = stream::iter([Ok(Bytes::from_static(PNG)), Err("the other side left")]);
    let cut = scene.media.add(cut, About::default()).await;
    assert!(matches!(cut, Err(MediaError::Broken { reason }) if reason == "the other side left"));
    assert_eq!(files(&scene), Vec::<String>::new());
    // Taken as anything, it still is no image of that size.
    let any = scene
        .media
        .add(pieces(PNG, 4), About::default())
        .await
        .expect("taken");
    let prepared = scene.media.prepare(MediaKind::Image, any).await;
    assert!(matches!(
        prepared,
        Err(MediaError::TooLarge {
            size: Some(_),
            limit: 10,
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stops_is_given_up() {
    let scene = scene(|_| ()).await;
    let start = stream::iter([Ok::<_, &str>(Bytes::from_static(PNG))]);
    let stuck = futures_util::StreamExt::chain(start, stream::pending());
    let slow = scene.media.add(stuck, About::default()).await;
    assert!(matches!(slow, Err(MediaError::Slow { .. })));
    assert_eq!(files(&scene), Vec::<String>::new());
}

#[tokio::test]
async fn base64_in_its_forms() {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
    let scene = scene(|_| ()).await;
    let large: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let plain = STANDARD.encode(&large);
    let lines: Vec<&str> = (0..plain.len())
        .step_by(76)
        .map(|at| &plain[at..plain.len().min(at + 76)])
        .collect();
    for text in [
        plain.clone(),
        STANDARD_NO_PAD.encode(&large),
        URL_SAFE.encode(&large),
        lines.join("\r\n"),
        format!("data:application/x-own;base64,{plain}"),
    ] {
        let file = scene
            .media
            .add_base64(&text, About::default())
            .await
            .expect("taken");
        assert_eq!(std::fs::read(&file.path).expect("there"), large);
    }
    for text in ["a", "olá!", "data:image/png,abc", "ab=cdefg", "===="] {
        let wrong = scene.media.add_base64(text, About::default()).await;
        assert!(
            matches!(wrong, Err(MediaError::NotBase64)),
            "{text}: {wrong:?}"
        );
    }
    let empty = scene.media.add_base64("", About::default()).await;
    assert!(matches!(empty, Err(MediaError::Empty)));
}

#[tokio::test]
async fn addresses_inside_are_not_fetched() {
    let scene = scene(|_| ()).await;
    let inside = Url::parse("http://127.0.0.1:9/a.png").expect("a url");
    let refused = scene.media.add_url(&inside, About::default()).await;
    assert!(matches!(
        refused,
        Err(MediaError::Fetch(
            crate::net::NetError::PrivateAddress { .. }
        ))
    ));
}

/// A server that gives one answer to each who asks, whatever for.
async fn serve(answer: Vec<u8>) -> Url {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(&answer).await;
        }
    });
    Url::parse(&format!("http://{address}/fotos/praia%20azul.png?x=1")).expect("a url")
}

#[tokio::test]
async fn a_file_is_fetched_with_its_name_and_within_its_limit() {
    let scene = scene(|options| {
        options.allow_private = true;
        options.limits.image = 1000;
    })
    .await;
    let ok = |length: usize| {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {length}\r\n\r\n"
        );
        [head.as_bytes(), PNG].concat()
    };
    let url = serve(ok(PNG.len())).await;
    let file = scene
        .media
        .add_url(&url, About::default())
        .await
        .expect("fetched");
    assert_eq!(file.mime, "image/png", "not the server's word");
    assert_eq!(file.name.as_deref(), Some("praia azul.png"));

    let announced = serve(ok(1001)).await;
    let image = About {
        kind: Some(MediaKind::Image),
        ..About::default()
    };
    let refused = scene.media.add_url(&announced, image).await;
    assert!(matches!(
        refused,
        Err(MediaError::TooLarge {
            size: Some(1001),
            ..
        })
    ));
    let cut = serve(ok(PNG.len() + 1)).await;
    let cut = scene.media.add_url(&cut, About::default()).await;
    assert!(matches!(cut, Err(MediaError::Broken { .. })), "{cut:?}");
    let missing = serve(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let missing = scene.media.add_url(&missing, About::default()).await;
    assert!(matches!(
        missing,
        Err(MediaError::FetchRefused { status: 404 })
    ));
    let elsewhere =
        b"HTTP/1.1 302 Found\r\nlocation: http://example.com/\r\ncontent-length: 0\r\n\r\n";
    let elsewhere = serve(elsewhere.to_vec()).await;
    let elsewhere = scene.media.add_url(&elsewhere, About::default()).await;
    assert!(matches!(elsewhere, Err(MediaError::Fetch(_))));
}

#[tokio::test]
async fn old_files_go_unless_a_message_still_needs_them() {
    let scene = scene(|_| ()).await;
    let session = crate::SessionId::new("shop").expect("an id");
    let mut taken = vec![];
    for text in ["one", "two", "three"] {
        let file = scene
            .media
            .add(pieces(text.as_bytes(), 9), About::default())
            .await;
        taken.push(file.expect("taken"));
    }
    let kept = scene.media.keep(&taken[0]).await.expect("kept");
    let media = Media::new(MediaKind::Document, taken[1].clone());
    let to = crate::PhoneNumber::new("5511912345678").expect("a number");
    let message = fresh(
        &session,
        &NewMessage::new(to, Content::Media(media.clone())),
    );
    scene.store.accept(message, None).await.expect("accepted");

    assert_eq!(scene.media.sweep().await.expect("swept"), 0, "all are new");
    let long_ago = SystemTime::now() - Duration::from_secs(60);
    for file in &taken {
        let opened = std::fs::File::open(&file.path).expect("there");
        opened.set_modified(long_ago).expect("set");
    }
    // What somebody is about to send counts as used.
    scene
        .media
        .claim(&Media::new(MediaKind::Document, taken[2].clone()))
        .await
        .expect("here");
    let swept = scene.media.sweep_unused_for(Duration::from_secs(30)).await;
    assert_eq!(swept.expect("swept"), 1);
    let mut left = files(&scene);
    left.sort();
    let mut expected = [taken[1].sha256.clone(), taken[2].sha256.clone()];
    expected.sort();
    assert_eq!(left, expected);
    let gone = scene.media.find(kept.id).await;
    assert!(matches!(gone, Err(MediaError::NotFound)));
    let gone = scene
        .media
        .claim(&Media::new(MediaKind::Document, taken[0].clone()))
        .await;
    assert!(matches!(gone, Err(MediaError::NotFound)));
}

#[tokio::test]
async fn what_was_coming_in_when_the_program_ended_is_cleared() {
    let scene = scene(|_| ()).await;
    let scratch = scene.media.scratch().await.expect("a place");
    std::fs::write(scratch.path(), "half").expect("written");
    scene.media.clear_incoming().await;
    assert!(!scratch.path().exists());
    scene
        .media
        .add(pieces(PNG, 9), About::default())
        .await
        .expect("taken");
}

#[tokio::test]
async fn without_ffmpeg_it_says_what_is_missing() {
    let scene = scene(|_| ()).await;
    let file = scene
        .media
        .add(pieces(PNG, 9), About::default())
        .await
        .expect("taken");
    let as_image = scene.media.prepare(MediaKind::Image, file.clone()).await;
    assert_eq!(as_image.expect("as it is"), file);
    let as_sticker = scene.media.prepare(MediaKind::Sticker, file.clone()).await;
    assert!(matches!(as_sticker, Err(MediaError::NeedsFfmpeg { .. })));
    let as_voice = scene.media.prepare(MediaKind::Voice, file).await;
    assert!(matches!(as_voice, Err(MediaError::WrongKind { .. })));
}

#[tokio::test]
async fn ffmpeg_that_fails_or_hangs_is_told_and_ended() {
    let scripts = tempfile::tempdir().expect("a folder");
    let script = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = scripts.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
        path
    };
    let fails = script(
        "fails",
        "#!/bin/sh\necho 'Invalid data found' >&2\nexit 1\n",
    );
    let scene = scene(|options| options.ffmpeg = Some(fails)).await;
    let file = scene
        .media
        .add(pieces(PNG, 9), About::default())
        .await
        .expect("taken");
    let failed = scene.media.prepare(MediaKind::Sticker, file.clone()).await;
    assert!(
        matches!(failed, Err(MediaError::Unconvertible { reason, .. }) if reason == "Invalid data found")
    );
    let pid = scripts.path().join("pid");
    let hangs = script(
        "hangs",
        &format!("#!/bin/sh\necho $$ > {}\nexec sleep 600\n", pid.display()),
    );
    let to = scripts.path().join("to");
    let within = Duration::from_secs(2);
    let hung = convert::convert(
        &hangs,
        convert::Recipe::Sticker,
        MediaKind::Sticker,
        &file.path,
        to,
        within,
    );
    assert!(matches!(
        hung.await,
        Err(MediaError::ConversionTimeout { .. })
    ));
    let pid: i32 = std::fs::read_to_string(pid)
        .expect("it ran")
        .trim()
        .parse()
        .expect("a pid");
    let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
    let gone = async {
        while rustix::process::test_kill_process(pid).is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone)
        .await
        .expect("ended");
}
