//! How large a file may be, and what it is by its content. Pure.

use crate::message::MediaKind;

const MIB: u64 = 1024 * 1024;

/// The largest document that WhatsApp takes, in bytes.
pub const LARGEST_DOCUMENT: u64 = 2048 * MIB;

/// The most bytes of a file of each kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaLimits {
    /// Of an image.
    pub image: u64,
    /// Of a video, and of a GIF.
    pub video: u64,
    /// Of sound, and of a voice note.
    pub audio: u64,
    /// Of a document; at most [`LARGEST_DOCUMENT`]. No file at all is larger than that.
    pub document: u64,
    /// Of a sticker.
    pub sticker: u64,
}

impl Default for MediaLimits {
    /// What WhatsApp's own clients took for long: 16 MiB for images and sound, 64 MiB for videos,
    /// 1 MiB for stickers. Documents go up to 100 MiB here, since such a file is in the page's memory
    /// as a whole.
    fn default() -> Self {
        Self {
            image: 16 * MIB,
            video: 64 * MIB,
            audio: 16 * MIB,
            document: 100 * MIB,
            sticker: MIB,
        }
    }
}

impl MediaLimits {
    /// For one kind, in bytes.
    pub fn of(&self, kind: MediaKind) -> u64 {
        let own = match kind {
            MediaKind::Image => self.image,
            MediaKind::Video | MediaKind::Gif => self.video,
            MediaKind::Audio | MediaKind::Voice => self.audio,
            MediaKind::Document => self.document,
            MediaKind::Sticker => self.sticker,
        };
        own.min(self.largest())
    }

    /// For a file whose kind is not known yet, in bytes.
    pub fn largest(&self) -> u64 {
        self.document.min(LARGEST_DOCUMENT)
    }
}

/// How many bytes of a file's beginning are looked at.
pub(crate) const HEAD: usize = 8192;

/// What a file is by the first bytes of it. What somebody says it is counts only where the bytes
/// show nothing against it, as with kinds of text.
pub(crate) fn mime_of(head: &[u8], claimed: Option<&str>) -> String {
    // Opus in Ogg is what a voice note is; WhatsApp names it so.
    if head.starts_with(b"OggS") {
        let opus = head.iter().take(128).copied().collect::<Vec<_>>();
        let opus = opus.windows(8).any(|bytes| bytes == b"OpusHead");
        return if opus {
            "audio/ogg; codecs=opus"
        } else {
            "audio/ogg"
        }
        .to_owned();
    }
    if let Some(kind) = infer::get(head) {
        return match kind.mime_type() {
            "audio/m4a" | "audio/x-m4a" => "audio/mp4",
            "audio/x-wav" => "audio/wav",
            "video/x-m4v" => "video/mp4",
            other => other,
        }
        .to_owned();
    }
    // Cut in the middle of a character perhaps.
    let text = match std::str::from_utf8(head) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    let is_text = text.is_some_and(|text| {
        !text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
    });
    let claimed = claimed.and_then(essence);
    match claimed {
        Some(claimed) if is_text && is_kind_of_text(&claimed) => claimed,
        _ if is_text => "text/plain".to_owned(),
        // Formats without a mark of their own; what is shown as a picture or plays has one.
        Some(claimed) if claimed.starts_with("application/") && !is_kind_of_text(&claimed) => {
            claimed
        }
        _ => "application/octet-stream".to_owned(),
    }
}

fn is_kind_of_text(mime: &str) -> bool {
    mime.starts_with("text/")
        || mime.ends_with("+json")
        || mime.ends_with("+xml")
        || matches!(
            mime,
            "application/json" | "application/xml" | "application/javascript" | "application/yaml"
        )
}

/// The type without its parameters, if it is one.
fn essence(mime: &str) -> Option<String> {
    let essence = mime.split(';').next()?.trim().to_ascii_lowercase();
    let is_token = |part: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c);
        !part.is_empty() && part.len() <= 127 && part.chars().all(allowed)
    };
    let (kind, sub) = essence.split_once('/')?;
    (is_token(kind) && is_token(sub)).then_some(essence)
}

/// A usual type for a name's ending, for files that somebody names without saying what they are.
pub(crate) fn mime_by_name(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "htm" | "html" => "text/html",
        "md" => "text/markdown",
        "svg" => "image/svg+xml",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "json" => "application/json",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        _ => return None,
    })
}

/// A name that can be shown and saved under: no folders, no signs that mislead, at most 255
/// characters with its ending kept. `None`: nothing of it is left.
pub fn clean_name(name: &str) -> Option<String> {
    const LONGEST: usize = 255;
    const LONGEST_ENDING: usize = 16;
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let misleads = |c: &char| {
        // Signs that turn the direction of writing make `exe.gpj` of `jpg.exe`.
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let shown: String = base
        .chars()
        .filter(|c| !c.is_control() && !misleads(c))
        .map(|c| if "<>:\"|?*".contains(c) { '_' } else { c })
        .collect();
    let shown = shown.trim().trim_matches('.').trim();
    let count = shown.chars().count();
    if count <= LONGEST {
        return (count > 0).then(|| shown.to_owned());
    }
    let ending = shown.rsplit_once('.').map(|(_, ending)| ending);
    let ending = ending.filter(|ending| ending.chars().count() <= LONGEST_ENDING);
    let ending = ending.map_or_else(String::new, |ending| format!(".{ending}"));
    let kept = LONGEST - ending.chars().count();
    let begin: String = shown.chars().take(kept).collect();
    Some(format!("{begin}{ending}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_by_kind() {
        let limits = MediaLimits::default();
        for (kind, mib) in [
            (MediaKind::Image, 16),
            (MediaKind::Gif, 64),
            (MediaKind::Voice, 16),
            (MediaKind::Sticker, 1),
            (MediaKind::Document, 100),
        ] {
            assert_eq!(limits.of(kind), mib * MIB, "{kind:?}");
        }
        // The largest bounds all, and WhatsApp bounds the largest.
        let few = MediaLimits {
            document: MIB / 2,
            ..limits
        };
        assert_eq!(few.of(MediaKind::Image), MIB / 2);
        let many = MediaLimits {
            document: u64::MAX,
            ..limits
        };
        assert_eq!(many.of(MediaKind::Document), LARGEST_DOCUMENT);
    }

    #[test]
    fn types_are_read_from_the_bytes() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0";
        let mut opus = b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x13".to_vec();
        let vorbis = [opus.as_slice(), b"\x01vorbis"].concat();
        opus.extend_from_slice(b"OpusHead\x01\x01");
        let table: &[(&[u8], Option<&str>, &str)] = &[
            (png, None, "image/png"),
            // A name or a header cannot make a picture of something else, or the other way.
            (png, Some("application/pdf"), "image/png"),
            (jpeg, Some("text/html"), "image/jpeg"),
            (&opus, None, "audio/ogg; codecs=opus"),
            (&vorbis, None, "audio/ogg"),
            (b"%PDF-1.7\n", None, "application/pdf"),
            (b"GIF89a\x01\0\x01\0", None, "image/gif"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", None, "image/webp"),
            (b"RIFF\x24\0\0\0WAVEfmt ", None, "audio/wav"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", None, "video/mp4"),
            ("olá".as_bytes(), None, "text/plain"),
            // Cut in the middle of a character.
            (b"ol\xc3", None, "text/plain"),
            (b"a;b\n1;2\n", Some("text/csv; charset=utf-8"), "text/csv"),
            (b"{}", Some("application/json"), "application/json"),
            (b"plain", Some("image/png"), "text/plain"),
            (b"plain", Some("no type"), "text/plain"),
            (
                b"\0\x01\x02",
                Some("application/x-own"),
                "application/x-own",
            ),
            (b"\0\x01\x02", Some("image/png"), "application/octet-stream"),
            (
                b"\0\x01\x02",
                Some("application/json"),
                "application/octet-stream",
            ),
            (b"\0\x01\x02", None, "application/octet-stream"),
        ];
        for (head, claimed, mime) in table {
            assert_eq!(mime_of(head, *claimed), *mime, "{head:?} {claimed:?}");
        }
    }

    #[test]
    fn names_are_cleaned() {
        for (name, clean) in [
            ("Proposta nº 3.pdf", Some("Proposta nº 3.pdf")),
            ("../../etc/passwd", Some("passwd")),
            ("C:\\fotos\\praia.jpg", Some("praia.jpg")),
            ("a\u{202e}gpj.exe", Some("agpj.exe")),
            ("a\r\nb\0.txt", Some("ab.txt")),
            ("que?.txt", Some("que_.txt")),
            (" .. ", None),
            ("", None),
            ("folder/", None),
        ] {
            assert_eq!(clean_name(name).as_deref(), clean, "{name:?}");
        }
        let long = clean_name(&format!("{}.pdf", "é".repeat(300))).expect("a name");
        assert_eq!(long.chars().count(), 255);
        assert!(long.ends_with("é.pdf"));
    }
}
