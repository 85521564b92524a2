use super::*;
use crate::id::PhoneNumber;

fn ana() -> ChatId {
    ChatId::new("5511912345678@c.us").expect("a chat")
}

fn file(mime: &str) -> MediaFile {
    MediaFile {
        path: PathBuf::new(),
        mime: mime.to_owned(),
        name: None,
        size: 1,
        sha256: "0".repeat(64),
    }
}

fn media(kind: MediaKind, mime: &str, change: impl FnOnce(&mut Media)) -> Content {
    let mut media = Media::new(kind, file(mime));
    change(&mut media);
    Content::Media(media)
}

fn image(change: impl FnOnce(&mut Media)) -> Content {
    media(MediaKind::Image, "image/png", change)
}

fn voice(change: impl FnOnce(&mut Media)) -> Content {
    media(MediaKind::Voice, "audio/ogg", change)
}

fn place(latitude: f64, longitude: f64, name: Option<String>) -> Content {
    Content::Location {
        latitude,
        longitude,
        name,
        address: None,
    }
}

fn contacts(count: usize) -> Content {
    let phone = PhoneNumber::new("244929782402").expect("a number");
    Content::Contacts {
        contacts: vec![ContactCard::new("Ana", &[phone]); count],
    }
}

fn poll(question: &str, options: &[&str]) -> Content {
    Content::Poll {
        question: question.to_owned(),
        options: options.iter().map(|&option| option.to_owned()).collect(),
        several: false,
    }
}

fn event(name: &str, hours: Option<i64>) -> Content {
    let starts_at = OffsetDateTime::UNIX_EPOCH;
    Content::Event(Event {
        name: name.to_owned(),
        description: None,
        starts_at,
        ends_at: hours.map(|hours| starts_at + time::Duration::hours(hours)),
        location: None,
        call: None,
    })
}

fn text_with(text: &str, mentions: &[ChatId]) -> Content {
    Content::Text {
        text: text.to_owned(),
        mentions: mentions.to_vec(),
        link_preview: true,
    }
}

#[test]
fn what_can_be_sent() {
    let group = ChatId::new("120363000000000001@g.us").expect("a chat");
    let table: Vec<(&str, Content, bool)> = vec![
        ("text", Content::text("olá"), true),
        ("blank text", Content::text(" \n"), false),
        ("longest text", Content::text("é".repeat(65_536)), true),
        ("too long a text", Content::text("x".repeat(65_537)), false),
        ("a mention", text_with("oi @5511912345678!", &[ana()]), true),
        (
            "a mention that is not in it",
            text_with("oi", &[ana()]),
            false,
        ),
        (
            "a group mentioned",
            text_with("@120363000000000001", &[group]),
            false,
        ),
        (
            "too many",
            text_with("@5511912345678", &vec![ana(); 1025]),
            false,
        ),
        ("an image", image(|_| ()), true),
        ("empty", image(|m| m.file.size = 0), false),
        (
            "caption",
            image(|m| m.caption = Some("olá".to_owned())),
            true,
        ),
        (
            "blank caption",
            image(|m| m.caption = Some(" ".to_owned())),
            false,
        ),
        (
            "mention without caption",
            image(|m| m.mentions = vec![ana()]),
            false,
        ),
        ("once", image(|m| m.view_once = true), true),
        ("hd", image(|m| m.hd = true), true),
        (
            "long name",
            image(|m| m.file.name = Some("x".repeat(256))),
            false,
        ),
        (
            "a waveform of an image",
            image(|m| m.waveform = Some(vec![0; 64])),
            false,
        ),
        (
            "a text as image",
            media(MediaKind::Image, "text/plain", |_| ()),
            false,
        ),
        (
            "a GIF file as GIF",
            media(MediaKind::Gif, "image/gif", |_| ()),
            false,
        ),
        (
            "MP4 as GIF",
            media(MediaKind::Gif, "video/mp4", |_| ()),
            true,
        ),
        (
            "PNG as sticker",
            media(MediaKind::Sticker, "image/png", |_| ()),
            false,
        ),
        (
            "WebP as sticker",
            media(MediaKind::Sticker, "image/webp", |_| ()),
            true,
        ),
        (
            "anything as document",
            media(MediaKind::Document, "x/y", |_| ()),
            true,
        ),
        (
            "a document once",
            media(MediaKind::Document, "x/y", |m| m.view_once = true),
            false,
        ),
        ("voice", voice(|_| ()), true),
        ("voice once", voice(|m| m.view_once = true), true),
        ("voice hd", voice(|m| m.hd = true), false),
        (
            "voice with words",
            voice(|m| m.caption = Some("olá".to_owned())),
            false,
        ),
        (
            "waveform",
            voice(|m| m.waveform = Some(vec![100; 64])),
            true,
        ),
        (
            "short waveform",
            voice(|m| m.waveform = Some(vec![1; 63])),
            false,
        ),
        (
            "loud waveform",
            voice(|m| m.waveform = Some(vec![101; 64])),
            false,
        ),
        ("a place", place(-90.0, 180.0, None), true),
        ("too far north", place(90.1, 0.0, None), false),
        ("nowhere", place(f64::NAN, 0.0, None), false),
        ("too far west", place(0.0, -180.5, None), false),
        ("long place", place(0.0, 0.0, Some("x".repeat(1001))), false),
        ("no contact", contacts(0), false),
        ("a contact", contacts(1), true),
        ("100 contacts", contacts(100), true),
        ("101 contacts", contacts(101), false),
        ("poll", poll("Quando?", &["hoje", "amanhã"]), true),
        ("one answer", poll("Quando?", &["hoje"]), false),
        (
            "13 answers",
            poll(
                "?",
                &[
                    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
                ],
            ),
            false,
        ),
        ("alike", poll("Quando?", &["hoje", "hoje "]), false),
        ("blank answer", poll("Quando?", &["hoje", " "]), false),
        (
            "long answer",
            poll("Quando?", &["hoje", &"x".repeat(101)]),
            false,
        ),
        ("no question", poll(" ", &["hoje", "amanhã"]), false),
        ("long question", poll(&"x".repeat(256), &["1", "2"]), false),
        ("event", event("Obra", Some(1)), true),
        ("without end", event("Obra", None), true),
        ("ends first", event("Obra", Some(0)), false),
        ("no name", event("", None), false),
        ("long name", event(&"x".repeat(101), None), false),
    ];
    for (what, content, can) in table {
        assert_eq!(
            content.check().is_ok(),
            can,
            "{what}: {:?}",
            content.check()
        );
    }
}

#[test]
fn kinds_words_and_json() {
    let key = MessageId::new("true_5511912345678@c.us_3EB0AAAAAAAA").expect("a key");
    let table = [
        (
            text_with("oi @5511912345678", &[ana()]),
            "chat",
            Some("oi @5511912345678"),
        ),
        (
            image(|m| m.caption = Some("olá".to_owned())),
            "image",
            Some("olá"),
        ),
        (media(MediaKind::Gif, "video/mp4", |_| ()), "video", None),
        (voice(|m| m.waveform = Some(vec![1; 64])), "ptt", None),
        (
            place(1.5, -2.0, Some("Casa".to_owned())),
            "location",
            Some("Casa"),
        ),
        (place(1.5, -2.0, None), "location", None),
        (contacts(1), "vcard", Some("Ana")),
        (contacts(2), "multi_vcard", Some("Ana, Ana")),
        (
            poll("Quando?", &["a", "b"]),
            "poll_creation",
            Some("Quando?"),
        ),
        (event("Obra", Some(2)), "event_creation", Some("Obra")),
        (Content::Forward { message: key }, "forward", None),
    ];
    for (content, kind, words) in table {
        assert_eq!(content.kind(), kind);
        assert_eq!(content.words().as_deref(), words, "{kind}");
        assert!(!content.is_plain_text(), "{kind}");
        let json = serde_json::to_string(&content).expect("JSON");
        let read: Content = serde_json::from_str(&json).expect("reads");
        assert_eq!(read, content, "{json}");
    }
    assert!(Content::text("olá").is_plain_text());
    for kind in MediaKind::ALL {
        assert_eq!(MediaKind::from_word(kind.as_str()), Some(kind));
    }
}
