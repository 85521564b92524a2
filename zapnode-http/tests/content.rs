//! Messages of every kind and their files, on the scripted driver.

#![allow(clippy::unwrap_used)]

mod support;

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use support::{ANA, Answer, Api, BRUNO};
use zapnode_core::message::{Content, MediaKind, OutgoingMessage};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on";
const MESSAGES: &str = "/sessions/shop/messages";

fn png() -> String {
    STANDARD.encode(PNG)
}

async fn shop() -> Api {
    let api = Api::new().await;
    api.ready("shop").await;
    api
}

fn last(api: &Api) -> OutgoingMessage {
    api.driver.sent().pop().expect("something was sent")
}

/// A form with these fields, and a file after them.
fn form(path: &str, fields: &[(&str, &str)], file: Option<(&str, &[u8])>) -> Request<Body> {
    let mut body = vec![];
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    }
    if let Some((name, bytes)) = file {
        let head = format!(
            "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             content-type: text/plain\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--x--\r\n");
    let request = Request::post(path).header("content-type", "multipart/form-data; boundary=x");
    request.body(Body::from(body)).unwrap()
}

async fn upload(api: &Api, name: &str, bytes: &[u8]) -> Value {
    let request = Request::post(format!("/sessions/shop/media?filename={name}"))
        .header("content-type", "application/octet-stream")
        .body(Body::from(bytes.to_vec()));
    api.call(request.unwrap()).await.expect(201)["media"].take()
}

async fn ranged(api: &Api, path: &str, headers: &[(&str, &str)]) -> Answer {
    api.send(Method::GET, path, headers, "").await
}

#[tokio::test]
async fn each_kind_without_a_file() {
    let api = shop().await;
    let key = format!("false_{BRUNO}@c.us_3EB0AAAAAAAA");
    for (body, kind) in [
        (json!({"text": "olá"}), "chat"),
        (
            json!({"type": "text", "text": "oi @5511912345678", "mentions": [BRUNO], "linkPreview": false}),
            "chat",
        ),
        (
            json!({"type": "location", "latitude": -8.8, "longitude": 13.2, "name": "Luanda"}),
            "location",
        ),
        (
            json!({"type": "contacts", "contacts": [{"name": "Ana", "phones": [ANA]}]}),
            "vcard",
        ),
        (
            json!({"type": "poll", "question": "Quando?", "options": ["hoje", "amanhã"]}),
            "poll_creation",
        ),
        (
            json!({"type": "event", "name": "Obra", "startsAt": "2026-12-01T08:00:00Z"}),
            "event_creation",
        ),
        (json!({"type": "forward", "messageId": key}), "forward"),
    ] {
        let mut body = body;
        body["to"] = BRUNO.into();
        body["replyTo"] = key.as_str().into();
        let answer = api.post(MESSAGES, body.clone()).await.expect(200);
        assert_eq!(
            (&answer["state"], &answer["to"]),
            (&"sent".into(), &BRUNO.into())
        );
        let sent = last(&api);
        assert_eq!(sent.content.kind(), kind, "{body}");
        assert_eq!(sent.reply_to.map(String::from), Some(key.clone()));
        let id = answer["id"].as_str().unwrap();
        let stored = api.get(&format!("/messages/{id}")).await.expect(200);
        assert_eq!(stored["message"]["type"], kind);
    }
    assert_eq!(api.driver.sent().len(), 7);
}

#[tokio::test]
async fn a_file_as_base64_as_a_form_and_uploaded_before() {
    let api = shop().await;
    let body = json!({"to": BRUNO, "type": "image", "data": png(), "filename": "praia.png",
                      "caption": "olá", "viewOnce": true, "hd": true});
    api.post(MESSAGES, body).await.expect(200);
    let fields = [
        ("to", BRUNO),
        ("type", "image"),
        ("caption", "olá"),
        ("viewOnce", "true"),
        ("hd", "true"),
    ];
    api.call(form(MESSAGES, &fields, Some(("praia.png", PNG))))
        .await
        .expect(200);
    let media = upload(&api, "praia.png", PNG).await;
    assert_eq!(
        (
            &media["mimetype"],
            &media["filename"],
            &media["size"],
            &media["state"]
        ),
        (
            &"image/png".into(),
            &"praia.png".into(),
            &PNG.len().into(),
            &"available".into()
        )
    );
    let body = json!({"to": BRUNO, "mediaId": media["id"], "caption": "olá", "viewOnce": true, "hd": true});
    api.post(MESSAGES, body).await.expect(200);

    let sent = api.driver.sent();
    let contents: Vec<&Content> = sent.iter().map(|m| &m.content).collect();
    assert_eq!(contents.len(), 3);
    assert!(
        contents.iter().all(|content| **content == *contents[0]),
        "{contents:#?}"
    );
    let media = contents[0].media().unwrap();
    assert_eq!(
        (media.kind, media.caption.as_deref()),
        (MediaKind::Image, Some("olá"))
    );
    assert!(media.view_once && media.hd);
    assert_eq!(media.file.name.as_deref(), Some("praia.png"));
    assert_eq!(std::fs::read(&media.file.path).unwrap(), PNG);
}

#[tokio::test]
async fn without_a_type_a_file_is_what_its_content_says() {
    let api = shop().await;
    for (bytes, kind) in [
        (PNG, MediaKind::Image),
        (b"%PDF-1.7\n", MediaKind::Document),
        (b"ID3\x03\0\0\0\0\0\0", MediaKind::Audio),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", MediaKind::Video),
        (b"<!DOCTYPE html><html>", MediaKind::Document),
    ] {
        // The name says what it is not.
        let request = form(MESSAGES, &[("to", BRUNO)], Some(("x.jpg", bytes)));
        api.call(request).await.expect(200);
        assert_eq!(last(&api).content.media().unwrap().kind, kind);
    }
}

#[tokio::test]
async fn a_repeated_request_is_the_same_message_also_with_a_file() {
    let api = shop().await;
    let keyed = |key: &'static str, body: Value| {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let api = &api;
        async move {
            api.send(Method::POST, MESSAGES, &headers, &body.to_string())
                .await
        }
    };
    let data = json!({"to": BRUNO, "type": "image", "data": png()});
    let first = keyed("data", data.clone()).await.expect(200);
    let again = keyed("data", data.clone()).await.expect(200);
    assert_eq!(
        (&again["id"], &again["repeated"]),
        (&first["id"], &true.into())
    );
    let other = json!({"to": BRUNO, "type": "image", "data": png(), "caption": "x"});
    assert_eq!(
        keyed("data", other).await.error(),
        (422, "idempotency_mismatch".to_owned())
    );

    // The same file under two ids is the same file.
    let id = |media: Value| json!({"to": BRUNO, "mediaId": media["id"]});
    let first = keyed("id", id(upload(&api, "a.png", PNG).await))
        .await
        .expect(200);
    let again = keyed("id", id(upload(&api, "a.png", PNG).await))
        .await
        .expect(200);
    assert_eq!(again["id"], first["id"]);
    let poll = json!({"to": BRUNO, "type": "poll", "question": "?", "options": ["a", "b"]});
    let first = keyed("poll", poll.clone()).await.expect(200);
    let again = keyed("poll", poll).await.expect(200);
    assert_eq!(again["id"], first["id"]);
    assert_eq!(api.driver.sent().len(), 3);
}

#[tokio::test]
async fn an_address_is_asked_once_for_a_repeated_request() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let api = Api::with(|_| {}, |options| options.media.allow_private = true).await;
    api.ready("shop").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/praia.png", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 4096]).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                PNG.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), PNG].concat()).await;
        }
    });
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "u"),
    ];
    let body = json!({"to": BRUNO, "type": "image", "url": url}).to_string();
    let first = api
        .send(Method::POST, MESSAGES, &headers, &body)
        .await
        .expect(200);
    let again = api
        .send(Method::POST, MESSAGES, &headers, &body)
        .await
        .expect(200);
    assert_eq!(again["id"], first["id"]);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(
        last(&api).content.media().unwrap().file.name.as_deref(),
        Some("praia.png")
    );
}

#[tokio::test]
async fn what_is_wrong_is_told_and_changes_nothing() {
    let api = Api::with(|_| {}, |options| options.media.limits.image = 10).await;
    api.ready("shop").await;
    let large = "A".repeat(25 * 1024 * 1024);
    let invalid = "invalid_request";
    for (body, status, code) in [
        (json!({"text": "olá"}), 400, invalid),
        (json!({"to": BRUNO}), 400, invalid),
        (
            json!({"to": "x", "text": "olá"}),
            400,
            "invalid_phone_number",
        ),
        (json!({"to": BRUNO, "type": "image"}), 400, invalid),
        (
            json!({"to": BRUNO, "type": "image", "data": "???"}),
            400,
            invalid,
        ),
        (
            json!({"to": BRUNO, "type": "image", "data": ""}),
            400,
            invalid,
        ),
        (
            json!({"to": BRUNO, "type": "image", "data": png()}),
            413,
            "payload_too_large",
        ),
        (
            json!({"to": BRUNO, "type": "image", "data": large}),
            413,
            "payload_too_large",
        ),
        (
            json!({"to": BRUNO, "type": "image", "data": "b2w="}),
            422,
            "wrong_media_type",
        ),
        (
            json!({"to": BRUNO, "type": "sticker", "data": png()}),
            422,
            "ffmpeg_missing",
        ),
        (
            json!({"to": BRUNO, "type": "document", "data": "b2w=", "viewOnce": true}),
            400,
            invalid,
        ),
        (
            json!({"to": BRUNO, "type": "image", "url": "http://127.0.0.1/x.png"}),
            400,
            invalid,
        ),
        (
            json!({"to": BRUNO, "mediaId": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}),
            404,
            "media_not_found",
        ),
        (
            json!({"to": BRUNO, "text": "olá", "replyTo": "x"}),
            400,
            invalid,
        ),
        (
            json!({"to": BRUNO, "text": "olá", "region": "Angola"}),
            400,
            invalid,
        ),
        (
            json!({"to": BRUNO, "text": "olá", "waitFor": "later"}),
            400,
            invalid,
        ),
    ] {
        let answer = api.post(MESSAGES, body.clone()).await;
        let shown = body.to_string().chars().take(100).collect::<String>();
        assert_eq!(answer.error(), (status, code.to_owned()), "{shown}");
    }
    let two = [("to", BRUNO), ("data", "b2w=")];
    let two = api.call(form(MESSAGES, &two, Some(("a", PNG)))).await;
    assert_eq!(two.error(), (400, invalid.to_owned()));
    let cut = Request::post(MESSAGES)
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Body::from(
            "--x\r\ncontent-disposition: form-data; name=\"to\"\r\n\r\n1",
        ));
    assert_eq!(
        api.call(cut.unwrap()).await.error(),
        (400, invalid.to_owned())
    );
    let other = Request::post(MESSAGES)
        .header("content-type", "multipart/form-data; boundary=x")
        .body(Body::from(
            "--x\r\ncontent-disposition: form-data; name=\"image\"; filename=\"a\"\r\n\r\n1\r\n--x--\r\n",
        ));
    let other = api.call(other.unwrap()).await;
    assert_eq!(other.error(), (400, invalid.to_owned()));
    let none = api
        .call(form("/sessions/shop/media", &[("to", BRUNO)], None))
        .await;
    assert_eq!(none.error(), (400, invalid.to_owned()));
    let elsewhere = api
        .call(form("/sessions/none/media", &[], Some(("a", PNG))))
        .await;
    assert_eq!(elsewhere.error(), (404, "session_not_found".to_owned()));
    assert!(api.driver.sent().is_empty());
}

#[tokio::test]
async fn what_the_page_lacks_is_501_and_named() {
    let api = shop().await;
    api.driver.lack(Some("location"));
    let body = json!({"to": BRUNO, "type": "location", "latitude": 1, "longitude": 2});
    let answer = api.post(MESSAGES, body).await;
    assert_eq!(answer.error(), (501, "not_supported_by_page".to_owned()));
    let text = answer.json()["error"].as_str().unwrap().to_owned();
    assert!(text.contains("a location: ScriptedModule"), "{text}");
    api.post(MESSAGES, json!({"to": BRUNO, "text": "olá"}))
        .await
        .expect(200);
}

#[tokio::test]
async fn files_are_given_in_parts_and_never_run() {
    let api = shop().await;
    let media = upload(&api, "praia.png", PNG).await;
    let path = media["url"].as_str().unwrap();
    assert_eq!(path, format!("/media/{}", media["id"].as_str().unwrap()));
    let whole = api.get(path).await;
    assert_eq!((whole.status.as_u16(), &*whole.body), (200, PNG));
    let header = |answer: &Answer, name: &str| {
        answer
            .headers
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    assert_eq!(header(&whole, "content-type"), "image/png");
    assert_eq!(header(&whole, "x-content-type-options"), "nosniff");
    assert!(header(&whole, "content-disposition").starts_with("inline; filename=\"praia.png\""));
    assert_eq!(header(&whole, "content-length"), PNG.len().to_string());
    let tag = header(&whole, "etag");

    let part = ranged(&api, path, &[("range", "bytes=1-3")]).await;
    assert_eq!((part.status.as_u16(), &*part.body), (206, &b"PNG"[..]));
    assert_eq!(
        header(&part, "content-range"),
        format!("bytes 1-3/{}", PNG.len())
    );
    let end = ranged(&api, path, &[("range", "bytes=-2"), ("if-range", &tag)]).await;
    assert_eq!((end.status.as_u16(), &*end.body), (206, &b"on"[..]));
    let other = ranged(&api, path, &[("range", "bytes=-2"), ("if-range", "\"x\"")]).await;
    assert_eq!((other.status.as_u16(), &*other.body), (200, PNG));
    let beyond = ranged(&api, path, &[("range", "bytes=900-")]).await;
    assert_eq!(beyond.status.as_u16(), 416);
    assert_eq!(
        header(&beyond, "content-range"),
        format!("bytes */{}", PNG.len())
    );
    let same = ranged(&api, path, &[("if-none-match", &tag)]).await;
    assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));

    for (name, bytes) in [
        ("a.png", &b"<html><script>alert(1)</script></html>"[..]),
        (
            "a.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        ),
    ] {
        let media = upload(&api, name, bytes).await;
        let answer = api.get(media["url"].as_str().unwrap()).await;
        assert!(
            header(&answer, "content-disposition").starts_with("attachment"),
            "{name}"
        );
        assert_eq!(
            header(&answer, "content-security-policy"),
            "default-src 'none'; sandbox"
        );
    }
    let none = api.get("/media/01ARZ3NDEKTSV4RRFFQ69G5FAV").await;
    assert_eq!(none.error(), (404, "media_not_found".to_owned()));
    assert_eq!(api.get("/media/..%2f..%2fzapnode.db").await.error().0, 404);
}

#[tokio::test]
async fn national_numbers_are_completed_only_where_it_is_asked_for() {
    let api = shop().await;
    let national = json!({"to": "929 782 402", "text": "olá", "region": "AO"});
    let answer = api.post(MESSAGES, national).await.expect(200);
    assert_eq!(answer["to"], "929 782 402", "echoed as given");
    assert_eq!(last(&api).chat.to_string(), "244929782402@c.us");
    let send = json!({"phoneNumber": "929782402", "message": "olá", "region": "AO"});
    api.post("/sessions/shop/send", send).await.expect(200);
    assert_eq!(last(&api).chat.to_string(), "244929782402@c.us");
    let plain = json!({"to": "929 782 402", "text": "olá"});
    api.post(MESSAGES, plain).await.expect(200);
    assert_eq!(last(&api).chat.to_string(), "929782402@c.us");
    let other = json!({"to": BRUNO, "text": "olá", "region": "AO"});
    api.post(MESSAGES, other).await.expect(200);
    assert_eq!(last(&api).chat.to_string(), format!("{BRUNO}@c.us"));

    let region = zapnode_core::Region::new("BR").unwrap();
    let brazil = Api::with(|options| options.region = Some(region), |_| {}).await;
    brazil.ready("shop").await;
    let text = json!({"to": "(11) 91234-5678", "text": "olá"});
    brazil.post(MESSAGES, text).await.expect(200);
    assert_eq!(last(&brazil).chat.to_string(), format!("{BRUNO}@c.us"));
}

#[tokio::test]
async fn the_file_of_a_message_that_came_is_loaded_or_asked_for() {
    use zapnode_core::driver::scripted::ScriptedFile;
    let api = shop().await;
    let mut file = ScriptedFile::new("image/png", PNG);
    file.file_name = Some("praia.png".to_owned());
    file.expired = true;
    let from = support::phone(BRUNO);
    let came = api
        .driver
        .write_file(&support::id("shop"), &from, file)
        .await;
    let path = format!("/messages/{}", came.id);
    let stored = async {
        loop {
            let answer = api.get(&path).await;
            if answer.status.is_success() {
                return answer.json()["message"].take();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    let message = tokio::time::timeout(std::time::Duration::from_secs(20), stored)
        .await
        .unwrap();
    let media = &message["media"];
    assert_eq!(
        (&media["state"], &media["filename"]),
        (&"remote".into(), &"praia.png".into())
    );
    let url = media["url"].as_str().unwrap();
    assert_eq!(
        api.get(url).await.error(),
        (410, "media_expired".to_owned())
    );
    let listed = api.get(MESSAGES).await.expect(200);
    assert_eq!(listed["messages"][0]["media"]["state"], "expired");
    let asked = api.post(url, json!({})).await.expect(200);
    assert_eq!(asked["media"]["state"], "available");
    let part = ranged(&api, url, &[("range", "bytes=1-3")]).await;
    assert_eq!((part.status.as_u16(), &*part.body), (206, &b"PNG"[..]));
    let id = message["id"].as_str().unwrap();
    assert_eq!(&*api.get(&format!("/media/{id}")).await.body, PNG);
}

#[tokio::test]
async fn one_of_several_sessions_sends_any_kind() {
    let api = shop().await;
    let body = json!({"sessions": ["shop"], "to": BRUNO, "type": "image", "data": png(), "caption": "olá"});
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "pool"),
    ];
    let first = api
        .send(Method::POST, "/send", &headers, &body.to_string())
        .await
        .expect(200);
    assert_eq!(last(&api).content.kind(), "image");
    let again = api
        .send(Method::POST, "/send", &headers, &body.to_string())
        .await
        .expect(200);
    assert_eq!(
        (&again["id"], &again["repeated"]),
        (&first["id"], &true.into())
    );
    let missing = json!({"sessions": ["shop"], "type": "poll", "to": BRUNO});
    assert_eq!(
        api.post("/send", missing).await.error(),
        (400, "invalid_request".to_owned())
    );
}
