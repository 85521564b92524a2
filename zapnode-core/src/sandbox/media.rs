//! Files: the media servers, which keep nothing but ciphertext, and the phones' half of WhatsApp's
//! media encryption (the page's is `page/mediacrypto.js`).

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use aes::Aes256;
use aes::cipher::{
    BlockDecryptMut as _, BlockEncryptMut as _, KeyIvInit as _, block_padding::Pkcs7,
};
use axum::body::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hkdf, hmac};
use serde_json::{Map, Value};

use super::account::PhoneMessage;

/// The largest file that the servers and the control interface take.
pub(super) const LARGEST_FILE: usize = 256 << 20;

/// How many bytes of the HMAC follow the ciphertext.
const MAC: usize = 10;

/// Where the servers' files are in their address space.
const PREFIX: &str = "/v/t62.sandbox/";

/// How the names of files begin that a phone has uploaded again.
const AGAIN: &str = "again-";

/// The media servers.
#[derive(Debug)]
pub(super) struct MediaServers {
    memory: Mutex<BTreeMap<String, Bytes>>,
    /// Where the files lie instead, when the sandbox keeps its state.
    folder: Option<PathBuf>,
}

impl MediaServers {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self {
            memory: Mutex::default(),
            folder,
        }
    }

    /// Keeps a ciphertext and gives its direct path. `again`: a phone uploaded it anew.
    pub(super) async fn put(&self, ciphertext: Bytes, again: bool) -> io::Result<String> {
        let again = if again { AGAIN } else { "" };
        let name = format!("{again}{}.enc", ulid::Ulid::new());
        match &self.folder {
            Some(folder) => {
                tokio::fs::create_dir_all(folder).await?;
                tokio::fs::write(folder.join(&name), &ciphertext).await?;
            }
            None => {
                let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.insert(name.clone(), ciphertext);
            }
        }
        Ok(format!("{PREFIX}{name}"))
    }

    /// What lies at a direct path.
    pub(super) async fn get(&self, direct_path: &str) -> Option<Bytes> {
        let name = direct_path.strip_prefix(PREFIX)?;
        // Names are ours; nothing else is looked up on disk.
        if !name
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'.')
        {
            return None;
        }
        match &self.folder {
            Some(folder) => tokio::fs::read(folder.join(name))
                .await
                .ok()
                .map(Bytes::from),
            None => {
                let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.get(name).cloned()
            }
        }
    }

    /// Whether a phone has uploaded what lies there again.
    pub(super) fn is_again(direct_path: &str) -> bool {
        direct_path
            .strip_prefix(PREFIX)
            .is_some_and(|name| name.starts_with(AGAIN))
    }
}

/// SHA-256 as base64, as messages name their files.
pub(super) fn sha256(bytes: &[u8]) -> String {
    BASE64.encode(digest::digest(&digest::SHA256, bytes))
}

/// What a media key gives.
struct Keys {
    iv: [u8; 16],
    cipher: [u8; 32],
    mac: hmac::Key,
}

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        112
    }
}

impl Keys {
    fn of(media_key: &str, kind: &str) -> Result<Self, String> {
        let info = match kind {
            "image" | "sticker" => "WhatsApp Image Keys",
            "video" | "gif" | "ptv" => "WhatsApp Video Keys",
            "audio" | "ptt" => "WhatsApp Audio Keys",
            "document" => "WhatsApp Document Keys",
            other => return Err(format!("no keys for {other}")),
        };
        let secret = BASE64
            .decode(media_key)
            .map_err(|error| format!("the media key: {error}"))?;
        let mut bytes = [0; 112];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[0; 32])
            .extract(&secret)
            .expand(&[info.as_bytes()], Length)
            .and_then(|expanded| expanded.fill(&mut bytes))
            .map_err(|_| "the media key cannot be expanded".to_owned())?;
        let (mut iv, mut cipher) = ([0; 16], [0; 32]);
        iv.copy_from_slice(&bytes[..16]);
        cipher.copy_from_slice(&bytes[16..48]);
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &bytes[48..80]);
        Ok(Self { iv, cipher, mac })
    }

    fn tag(&self, ciphertext: &[u8]) -> [u8; MAC] {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(&self.iv);
        context.update(ciphertext);
        let mut tag = [0; MAC];
        tag.copy_from_slice(&context.sign().as_ref()[..MAC]);
        tag
    }
}

/// Encrypts a file; gives what goes to the servers.
pub(super) fn encrypt(file: &[u8], media_key: &str, kind: &str) -> Result<Vec<u8>, String> {
    let keys = Keys::of(media_key, kind)?;
    let encryptor = cbc::Encryptor::<Aes256>::new(&keys.cipher.into(), &keys.iv.into());
    let mut whole = encryptor.encrypt_padded_vec_mut::<Pkcs7>(file);
    let tag = keys.tag(&whole);
    whole.extend(tag);
    Ok(whole)
}

/// Decrypts what the servers have.
pub(super) fn decrypt(whole: &[u8], media_key: &str, kind: &str) -> Result<Vec<u8>, String> {
    let keys = Keys::of(media_key, kind)?;
    let at = whole.len().checked_sub(MAC).ok_or("it is too short")?;
    let (ciphertext, tag) = whole.split_at(at);
    if keys.tag(ciphertext) != tag {
        return Err("its MAC is wrong".to_owned());
    }
    cbc::Decryptor::<Aes256>::new(&keys.cipher.into(), &keys.iv.into())
        .decrypt_padded_vec_mut::<Pkcs7>(ciphertext)
        .map_err(|_| "its padding is wrong".to_owned())
}

/// A text among a message's fields.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str()
}

fn is_file(fields: &Map<String, Value>) -> bool {
    fields.contains_key("mediaKey")
}

/// What a phone shows of a message that a page sent: with a file its text is the caption, and what
/// was its body is the thumbnail.
pub(super) fn taken(body: String, mut fields: Map<String, Value>) -> (String, Map<String, Value>) {
    if !is_file(&fields) {
        return (body, fields);
    }
    let caption = match fields.remove("caption") {
        Some(Value::String(caption)) => caption,
        _ => String::new(),
    };
    if !body.is_empty() {
        fields.insert("thumbnail".to_owned(), Value::String(body));
    }
    (caption, fields)
}

/// A message's text and fields as a page has them.
pub(super) struct Shown {
    pub(super) body: String,
    pub(super) kind: String,
    pub(super) subtype: Option<String>,
    pub(super) fields: Map<String, Value>,
}

/// The other way from [`taken`]. What may be seen once is shown on phones only (fact sheet §5.2).
pub(super) fn shown(message: &PhoneMessage) -> Shown {
    let mut shown = Shown {
        body: message.text.clone(),
        kind: message.kind.clone(),
        subtype: None,
        fields: message.fields.clone(),
    };
    if !is_file(&shown.fields) {
        return shown;
    }
    if !message.from_me && shown.fields.get("isViewOnce") == Some(&Value::Bool(true)) {
        return Shown {
            body: String::new(),
            kind: "ciphertext".to_owned(),
            subtype: Some("view_once_unavailable_fanout".to_owned()),
            fields: Map::new(),
        };
    }
    let caption = std::mem::take(&mut shown.body);
    if let Some(Value::String(thumbnail)) = shown.fields.remove("thumbnail") {
        shown.body = thumbnail;
    }
    if !caption.is_empty() {
        shown.fields.insert("caption".to_owned(), caption.into());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sandbox_media_is_encrypted_as_whatsapp_does() {
        let key = BASE64.encode([7; 32]);
        for length in [0, 1, 15, 16, 17, 5000] {
            let file: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let whole = encrypt(&file, &key, "image").expect("encrypted");
            assert_eq!(whole.len(), (length / 16 + 1) * 16 + MAC);
            assert_eq!(decrypt(&whole, &key, "sticker").as_deref(), Ok(&file[..]));
            // Another kind has other keys; a changed byte is noticed.
            assert!(decrypt(&whole, &key, "video").is_err());
            let mut changed = whole.clone();
            changed[0] ^= 1;
            assert!(decrypt(&changed, &key, "image").is_err());
        }
        assert!(decrypt(b"short", &key, "image").is_err());
        assert!(encrypt(b"", "?", "image").is_err());
        assert!(encrypt(b"", &key, "chat").is_err());
    }

    #[tokio::test]
    async fn sandbox_media_servers_keep_files_on_disk_beside_the_state() {
        let folder = tempfile::tempdir().expect("a folder");
        let servers = MediaServers::new(Some(folder.path().join("state.json.media")));
        let path = servers
            .put(Bytes::from_static(b"x"), false)
            .await
            .expect("kept");
        let again = servers
            .put(Bytes::from_static(b"y"), true)
            .await
            .expect("kept");
        let later = MediaServers::new(Some(folder.path().join("state.json.media")));
        assert_eq!(later.get(&path).await.as_deref(), Some(&b"x"[..]));
        assert_eq!(later.get(&again).await.as_deref(), Some(&b"y"[..]));
        assert!(MediaServers::is_again(&again) && !MediaServers::is_again(&path));
        for strange in [
            "/v/t62.sandbox/../state.json",
            "/v/t62.sandbox/none.enc",
            "x",
        ] {
            assert_eq!(later.get(strange).await, None, "{strange}");
        }
    }
}
