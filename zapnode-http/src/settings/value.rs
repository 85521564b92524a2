//! Reads single values. An error is what would have been allowed.

use std::path::PathBuf;
use std::time::Duration;

use zapnode_core::message::MediaKind;
use zapnode_core::net::check_url;
use zapnode_core::optout::StopWords;
use zapnode_core::outbox::Pace;
use zapnode_core::webhook::{Events, WebhookSecret};
use zapnode_core::{Region, SessionId};

use super::{LogFormat, is_log_filter, is_web_page};

type Value<T> = Result<T, &'static str>;

/// The longest an answer may be held back: proxies in front give up at 60 s or earlier.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

pub(super) fn boolean(text: &str) -> Value<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true, false, 1, 0, yes, no, on, off"),
    }
}

pub(super) fn port(text: &str) -> Value<u16> {
    text.parse()
        .map_err(|_| "a port from 1 to 65535, or 0 to let the system choose")
}

/// An address or a name; whether it may be used is judged together with the key.
pub(super) fn host(text: &str) -> Value<String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
    if bare.is_empty() || !bare.chars().all(allowed) {
        return Err("an IP address or a host name, without a port, as 127.0.0.1 or ::1");
    }
    Ok(bare.to_owned())
}

/// Callers send it in a header, so it must fit into one.
pub(super) fn api_key(text: &str) -> Value<String> {
    if text.is_empty() || text.len() > 256 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("1 to 256 visible ASCII characters without spaces");
    }
    Ok(text.to_owned())
}

pub(super) fn session_name(text: &str) -> Value<SessionId> {
    SessionId::new(text).map_err(|_| "1 to 64 letters, digits, '_' or '-'")
}

pub(super) fn path(text: &str) -> Value<PathBuf> {
    if text.is_empty() {
        return Err("a path");
    }
    Ok(PathBuf::from(text))
}

pub(super) fn folder(text: &str) -> Value<PathBuf> {
    if text.is_empty() {
        return Err("a folder");
    }
    Ok(PathBuf::from(text))
}

pub(super) fn path_list(text: &str) -> Value<Vec<PathBuf>> {
    let paths = std::env::split_paths(text);
    Ok(paths.filter(|path| !path.as_os_str().is_empty()).collect())
}

pub(super) fn web_url(text: &str) -> Value<String> {
    if !is_web_page(text) {
        return Err("an address that begins with http:// or https://");
    }
    Ok(text.to_owned())
}

pub(super) fn webhook_url(text: &str) -> Value<String> {
    match check_url(text) {
        Ok(url) => Ok(url.into()),
        Err(_) => Err("an address that begins with http:// or https://, without user and password"),
    }
}

/// The number of something in another program.
pub(super) fn number(text: &str) -> Value<i64> {
    match text.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("a number, 1 or more"),
    }
}

pub(super) fn any(text: &str) -> Value<String> {
    Ok(text.to_owned())
}

/// A JSON object.
pub(super) fn object(text: &str) -> Value<serde_json::Map<String, serde_json::Value>> {
    serde_json::from_str(text).map_err(|_| r#"a JSON object, as {"pending":true}"#)
}

/// `message,session.status`
pub(super) fn event_names(text: &str) -> Value<Vec<String>> {
    let names: Vec<_> = text.split(',').map(|name| name.trim().to_owned()).collect();
    match Events::parse(&names) {
        Ok(_) => Ok(names),
        Err(_) => Err("* or names of events separated by commas, as message,session.status"),
    }
}

pub(super) fn webhook_secret(text: &str) -> Value<String> {
    match WebhookSecret::lenient(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("whsec_ and 24 to 64 bytes in base64, or 8 to 256 visible ASCII characters"),
    }
}

pub(super) fn session_limit(text: &str) -> Value<usize> {
    match text.parse() {
        Ok(limit @ 1..=100_000) => Ok(limit),
        _ => Err("a number from 1 to 100000"),
    }
}

/// Days to keep something; 0 is for ever.
pub(super) fn days(text: &str) -> Value<u32> {
    match text.parse() {
        Ok(days @ 0..=36_500) => Ok(days),
        _ => Err("a number of days from 1 to 36500, or 0 to keep messages for ever"),
    }
}

pub(super) fn region(text: &str) -> Value<Region> {
    Region::new(text).map_err(|_| "a country's two letters, as AO or BR")
}

/// Megabytes as bytes.
pub(super) fn media_size(text: &str) -> Value<u64> {
    match text.parse::<u64>() {
        Ok(size @ 1..=2048) => Ok(size << 20),
        _ => Err("a number of MB from 1 to 2048"),
    }
}

/// Days for which a file is kept that is not used; 0 is for ever.
pub(super) fn media_days(text: &str) -> Value<Option<Duration>> {
    match text.parse::<u64>() {
        Ok(0) => Ok(None),
        Ok(days @ 1..=36_500) => Ok(Some(Duration::from_secs(days * 24 * 3600))),
        _ => Err("a number of days from 1 to 36500, or 0 to keep files for ever"),
    }
}

/// `image,voice` as WhatsApp's own words for them.
pub(super) fn media_kinds(text: &str) -> Value<Vec<String>> {
    let words = |kinds: &[MediaKind]| {
        let mut words: Vec<_> = kinds.iter().map(|k| k.wire_word().to_owned()).collect();
        words.dedup();
        words
    };
    match text.trim() {
        "none" | "" => return Ok(vec![]),
        "all" => return Ok(words(&MediaKind::ALL)),
        _ => {}
    }
    let kinds = text
        .split(',')
        .map(|word| MediaKind::from_word(word.trim()));
    let kinds: Option<Vec<_>> = kinds.collect();
    kinds.map(|kinds| words(&kinds)).ok_or(
        "none, all, or any of image, video, gif, audio, voice, document, sticker, separated by commas",
    )
}

/// A path, or off.
pub(super) fn ffmpeg(text: &str) -> Value<Option<PathBuf>> {
    match text {
        "off" => Ok(None),
        path => self::path(path).map(Some).map_err(|_| "a path, or off"),
    }
}

pub(super) fn event_days(text: &str) -> Value<Duration> {
    match text.parse() {
        Ok(days @ 1..=3650) => Ok(Duration::from_secs(days * 24 * 3600)),
        _ => Err("a number of days from 1 to 3650"),
    }
}

pub(super) fn event_limit(text: &str) -> Value<u64> {
    match text.parse() {
        Ok(limit @ 1000..=100_000_000) => Ok(limit),
        _ => Err("a number from 1000 to 100000000"),
    }
}

/// `10` and `10s` are seconds, `500ms` milliseconds.
pub(super) fn duration(text: &str) -> Value<Duration> {
    const ALLOWED: &str = "0 to 300 seconds, as 10, 10s or 500ms";
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let number: u64 = digits.parse().map_err(|_| ALLOWED)?;
    let duration = match unit.trim() {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        _ => return Err(ALLOWED),
    };
    if duration > LONGEST_WAIT {
        return Err(ALLOWED);
    }
    Ok(duration)
}

/// Words or short phrases, separated by commas.
pub(super) fn stop_words(text: &str) -> Value<StopWords> {
    if text.split(',').any(|word| word.trim().chars().count() > 64) {
        return Err("words separated by commas, each at most 64 characters; empty for none");
    }
    Ok(StopWords::new(text.split(',')))
}

pub(super) fn pace(text: &str) -> Value<Pace> {
    Pace::from_word(&text.to_ascii_lowercase()).ok_or("off or gentle")
}

pub(super) fn caller_text(text: &str) -> Value<String> {
    match text.trim() {
        "" => Err("a text of at most 4096 characters"),
        text if text.chars().nth(4096).is_some() => Err("a text of at most 4096 characters"),
        text => Ok(text.to_owned()),
    }
}

/// A year is the most: a key that is to stand for longer is no repeated call.
pub(super) fn hours(text: &str) -> Value<Duration> {
    match text.parse::<u64>() {
        Ok(hours @ 1..=8760) => Ok(Duration::from_secs(hours * 3600)),
        _ => Err("a whole number of hours from 1 to 8760"),
    }
}

pub(super) fn log_filter(text: &str) -> Value<String> {
    if !is_log_filter(text) {
        return Err(
            "a level (error, warn, info, debug, trace) or a filter as info,zapnode_core=debug",
        );
    }
    Ok(text.to_owned())
}

pub(super) fn log_format(text: &str) -> Value<LogFormat> {
    match text.to_ascii_lowercase().as_str() {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json"),
    }
}

/// Splits as a shell does, without its substitutions: blanks separate, `'…'` keeps all, `"…"` and
/// `\` keep blanks and quotes.
pub(super) fn words(text: &str) -> Value<Vec<String>> {
    const ALLOWED: &str = "arguments separated by blanks, with every quote closed";
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                // `''` alone is an argument, an empty one.
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                let next = chars.next().ok_or(ALLOWED)?;
                word.get_or_insert_default().push(next);
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(ALLOWED);
    }
    words.extend(word);
    Ok(words)
}
