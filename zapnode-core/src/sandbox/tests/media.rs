//! Files over the control interface and the media servers.

use ring::digest;

use super::*;
use crate::sandbox::media;

/// One HTTP request with a body of bytes: status, head and body.
async fn raw(
    sandbox: &Sandbox,
    request: &str,
    headers: &str,
    body: &[u8],
) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", port(sandbox)))
        .await
        .expect("a connection");
    let head = format!(
        "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(body).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
    let end = end.expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.expect("a status"), head, answer[end + 4..].to_vec())
}

fn token_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let digest = digest::digest(&digest::SHA256, bytes);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
}

/// The next message that the page is given.
async fn told_of(page: &mut Page) -> Value {
    loop {
        let frame = page.hear("stored").await;
        if frame["k"] == "msg" {
            return frame["msg"].clone();
        }
    }
}

#[tokio::test]
async fn sandbox_files_go_from_phone_to_phone_over_http() {
    let sandbox = sandbox().await;
    let path =
        "POST /_sandbox/phones/244929000001/file?to=244929000002&kind=image&caption=ol%C3%A1";
    let (status, _, body) = raw(&sandbox, path, "Content-Type: image/png\r\n", b"\x89PNG").await;
    assert_eq!(status, 200);
    let answer: Value = serde_json::from_slice(&body).expect("json");
    let id = answer["id"].as_str().expect("an id");
    for phone in ["244929000001", "244929000002"] {
        let path = format!("GET /_sandbox/phones/{phone}/messages/{id}/file");
        let (status, head, body) = raw(&sandbox, &path, "", b"").await;
        assert_eq!((status, &body[..]), (200, &b"\x89PNG"[..]));
        let head = head.to_lowercase();
        assert!(head.contains("content-type: image/png"), "{head}");
        assert!(
            head.contains("nosniff") && head.contains("sandbox"),
            "{head}"
        );
    }
    let there = sandbox.phone(&number("244929000002")).messages();
    assert_eq!((&*there[0].text, &*there[0].kind), ("olá", "image"));
    // The servers have ciphertext only.
    let at = there[0].fields["directPath"].as_str().expect("a path");
    let (status, _, ciphertext) = raw(&sandbox, &format!("GET {at}"), "", b"").await;
    assert_eq!((status, ciphertext.len()), (200, 26));
    let key = there[0].fields["mediaKey"].as_str().expect("a key");
    assert_eq!(
        media::decrypt(&ciphertext, key, "image").as_deref(),
        Ok(&b"\x89PNG"[..])
    );
}

#[tokio::test]
async fn sandbox_files_that_make_no_sense_are_refused() {
    let sandbox = sandbox().await;
    let table = [
        ("POST", "phones/1/file?to=244929000002&kind=image", 400),
        (
            "POST",
            "phones/244929000001/file?to=244929000002&kind=film",
            400,
        ),
        ("POST", "phones/244929000001/file?kind=image", 400),
        (
            "POST",
            "phones/244929000001/file?to=000929000002&kind=image",
            422,
        ),
        (
            "GET",
            "phones/244929000001/messages/3EB0000000000000000000/file",
            404,
        ),
        ("GET", "phones/244929000001/messages/none/file", 404),
    ];
    for (method, path, wanted) in table {
        let (status, ..) = raw(&sandbox, &format!("{method} /_sandbox/{path}"), "", b"x").await;
        assert_eq!(status, wanted, "{path}");
    }
    let ana = sandbox.phone(&number("244929000001"));
    let id = ana.send(&number("244929000002"), "texto").await;
    let file = ana.file(&id.expect("sent")).await;
    assert!(matches!(file, Err(PhoneError::NoFile)), "{file:?}");
}

#[tokio::test]
async fn sandbox_media_servers_take_what_is_named_by_its_hash_and_forget_when_told() {
    let sandbox = sandbox().await;
    let upload = async |body: &[u8], token: &str| {
        let (status, _, answer) =
            raw(&sandbox, &format!("POST /mms/image/{token}"), "", body).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        (status, answer["directPath"].as_str().map(str::to_owned))
    };
    let token = token_of(b"cipher");
    let (status, path) = upload(b"cipher", &token).await;
    let path = path.expect("a path");
    assert_eq!(status, 200);
    assert_eq!(upload(b"other", &token).await, (400, None));
    let fetch = async |path: &str| raw(&sandbox, &format!("GET {path}"), "", b"").await.0;
    assert_eq!(fetch(&path).await, 200);
    assert_eq!(fetch("/v/t62.sandbox/none.enc").await, 404);
    sandbox.turn(|faults| faults.media_expired = true);
    assert_eq!(fetch(&path).await, 404);
    sandbox.turn(|faults| faults.uploads = Uploads::Refused);
    assert_eq!(upload(b"cipher", &token).await, (507, None));
}

#[tokio::test]
async fn sandbox_phones_upload_again_when_a_page_asks() {
    let sandbox = sandbox().await;
    let (ours, theirs) = (number("244929000001"), number("244929000002"));
    let (mut page, _) = Page::linked(&sandbox, &sandbox.phone(&ours)).await;
    let photo = PhoneFile::new("image", "image/jpeg", *b"photo").caption("foto");
    let id = sandbox.phone(&theirs).send_file(ours.clone(), photo).await;
    let id = id.expect("sent");
    let told = told_of(&mut page).await;
    let fields = &told["fields"];
    assert_eq!(
        (&fields["caption"], &told["body"]),
        (&json!("foto"), &json!(""))
    );
    let old = fields["directPath"].clone();
    sandbox.turn(|faults| faults.media_expired = true);
    let ask = |req: u64| json!({"t": "reupload", "req": req, "id": id, "fromMe": false});
    page.tell(ask(7)).await;
    let answer = page.hear("reupload").await;
    let new = answer["directPath"].as_str().expect("a path");
    assert!(answer["req"] == 7 && old != new);
    assert_eq!(raw(&sandbox, &format!("GET {new}"), "", b"").await.0, 200);
    sandbox.turn(|faults| faults.reupload = Reupload::Refused);
    page.tell(ask(8)).await;
    assert_eq!(page.hear("reupload").await["directPath"], Value::Null);
    // What can be seen once is not for pages.
    let mut once = PhoneFile::new("image", "image/jpeg", *b"once");
    once.view_once = true;
    let sent = sandbox.phone(&theirs).send_file(ours, once).await;
    sent.expect("sent");
    let hidden = told_of(&mut page).await;
    assert_eq!(hidden["kind"], "ciphertext");
    assert_eq!(hidden["subtype"], "view_once_unavailable_fanout");
    assert_eq!(hidden["fields"], json!({}));
}
