//! Files that must be of another format to be sent as what they are meant to be: by ffmpeg, in a
//! process of its own, with an end.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::MediaError;
use crate::message::MediaKind;

/// How long one conversion may take.
pub(crate) const CONVERTED_WITHIN: Duration = Duration::from_secs(120);

/// The edge of a sticker, in pixels (fact sheet §4.5).
const STICKER: u32 = 512;

/// What has to be done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recipe {
    /// To one channel of Opus in Ogg.
    Voice,
    /// To MP4 without sound.
    Gif,
    /// To WebP of 512 by 512 pixels.
    Sticker,
}

/// What has to be done to a file of this type so that it can be sent as `kind`.
///
/// # Errors
/// [`MediaError::WrongKind`] where nothing helps.
pub(crate) fn recipe(
    kind: MediaKind,
    mime: &str,
    head: &[u8],
) -> Result<Option<Recipe>, MediaError> {
    let is = |begin: &str| mime.starts_with(begin);
    let needed = match kind {
        MediaKind::Voice if is("audio/ogg; codecs=opus") => None,
        // Browsers record sound as a film without pictures.
        MediaKind::Voice if is("audio/") || is("video/") => Some(Recipe::Voice),
        MediaKind::Gif if is("video/mp4") => None,
        MediaKind::Gif if is("image/gif") || is("video/") => Some(Recipe::Gif),
        MediaKind::Sticker if is("image/webp") && webp_size(head) == Some((STICKER, STICKER)) => {
            None
        }
        // ffmpeg cannot read one that moves; those are made by programs that know the size.
        MediaKind::Sticker if is("image/webp") && is_moving(head) => None,
        MediaKind::Sticker if is("image/") && !is("image/svg") => Some(Recipe::Sticker),
        MediaKind::Image if is("image/") && !is("image/svg") => None,
        MediaKind::Video if is("video/") => None,
        MediaKind::Audio if is("audio/") => None,
        MediaKind::Document => None,
        _ => {
            return Err(MediaError::WrongKind {
                kind,
                mime: mime.to_owned(),
            });
        }
    };
    Ok(needed)
}

/// Width and height of a WebP picture, from its first bytes.
fn webp_size(head: &[u8]) -> Option<(u32, u32)> {
    let at = |n: usize| head.get(n).copied().map(u32::from);
    let three = |n: usize| Some(at(n)? | at(n + 1)? << 8 | at(n + 2)? << 16);
    match head.get(12..16)? {
        b"VP8X" => Some((three(24)? + 1, three(27)? + 1)),
        b"VP8L" => {
            let bits = at(21)? | at(22)? << 8 | at(23)? << 16 | at(24)? << 24;
            Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8 " => {
            let side = |n: usize| Some((at(n)? | at(n + 1)? << 8) & 0x3fff);
            Some((side(26)?, side(28)?))
        }
        _ => None,
    }
}

fn is_moving(head: &[u8]) -> bool {
    head.get(12..16) == Some(b"VP8X") && head.get(20).is_some_and(|flags| flags & 2 != 0)
}

impl Recipe {
    /// What ffmpeg is told. Only files are read, whatever the file says: a playlist in disguise must
    /// not make it call addresses.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Voice => &[
                "-map",
                "0:a:0",
                "-vn",
                "-ac",
                "1",
                "-ar",
                "48000",
                "-c:a",
                "libopus",
                "-b:a",
                "32k",
                "-application",
                "voip",
                "-map_metadata",
                "-1",
                "-f",
                "ogg",
            ],
            Self::Gif => &[
                "-map",
                "0:v:0",
                "-an",
                "-c:v",
                "libx264",
                "-preset",
                "veryfast",
                "-pix_fmt",
                "yuv420p",
                "-vf",
                "scale=trunc(iw/2)*2:trunc(ih/2)*2",
                "-movflags",
                "+faststart",
                "-map_metadata",
                "-1",
                "-f",
                "mp4",
            ],
            Self::Sticker => &[
                "-map",
                "0:v:0",
                "-frames:v",
                "1",
                "-vf",
                "scale=512:512:force_original_aspect_ratio=decrease,format=rgba,\
                 pad=512:512:(ow-iw)/2:(oh-ih)/2:color=#00000000",
                "-c:v",
                "libwebp",
                "-quality",
                "75",
                "-map_metadata",
                "-1",
                "-f",
                "webp",
            ],
        }
    }
}

/// Converts `from` into the new file `to`.
///
/// # Errors
/// [`MediaError::Unconvertible`], [`MediaError::ConversionTimeout`]; then ffmpeg has ended and `to`
/// may be there in part.
pub(crate) async fn convert(
    ffmpeg: &Path,
    recipe: Recipe,
    kind: MediaKind,
    from: &Path,
    to: PathBuf,
    within: Duration,
) -> Result<(), MediaError> {
    let unconvertible = |reason: String| MediaError::Unconvertible { kind, reason };
    let mut command = Command::new(ffmpeg);
    command
        .args([
            "-nostdin",
            "-hide_banner",
            "-loglevel",
            "error",
            "-n",
            "-threads",
            "2",
        ])
        .args(["-protocol_whitelist", "file"])
        .arg("-i")
        .arg(from)
        .args(recipe.arguments())
        .arg(&to)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let child = command
        .spawn()
        .map_err(|error| unconvertible(format!("{} did not start: {error}", ffmpeg.display())))?;
    // Dropped at the end of its time, which ends it.
    let done = tokio::time::timeout(within, child.wait_with_output()).await;
    let output = match done {
        Ok(output) => output.map_err(|error| unconvertible(error.to_string()))?,
        Err(_) => return Err(MediaError::ConversionTimeout { after: within }),
    };
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().rfind(|line| !line.trim().is_empty());
    // Its words name our own paths.
    let last = last
        .unwrap_or("ffmpeg failed")
        .replace(&*from.to_string_lossy(), "the file");
    let last = last.replace(&*to.to_string_lossy(), "the result");
    Err(unconvertible(last.chars().take(300).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_be_done() {
        use MediaKind::{Audio, Document, Gif, Image, Sticker as AsSticker, Video, Voice};
        let small = b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\x0f\0\0\x0f\0\0";
        let right = b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x01\0\xff\x01\0";
        let moving = b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0f\0\0\x0f\0\0";
        let lossless = b"RIFF\x24\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xc1\x7f\0";
        let table: &[(MediaKind, &str, &[u8], Result<Option<Recipe>, ()>)] = &[
            (Voice, "audio/ogg; codecs=opus", b"", Ok(None)),
            (Voice, "audio/ogg", b"", Ok(Some(Recipe::Voice))),
            (Voice, "audio/mpeg", b"", Ok(Some(Recipe::Voice))),
            (Voice, "video/webm", b"", Ok(Some(Recipe::Voice))),
            (Voice, "image/png", b"", Err(())),
            (Gif, "image/gif", b"", Ok(Some(Recipe::Gif))),
            (Gif, "video/mp4", b"", Ok(None)),
            (Gif, "video/webm", b"", Ok(Some(Recipe::Gif))),
            (Gif, "image/png", b"", Err(())),
            (AsSticker, "image/png", b"", Ok(Some(Recipe::Sticker))),
            (AsSticker, "image/webp", small, Ok(Some(Recipe::Sticker))),
            (AsSticker, "image/webp", right, Ok(None)),
            (AsSticker, "image/webp", moving, Ok(None)),
            (AsSticker, "image/webp", lossless, Ok(None)),
            (AsSticker, "image/svg+xml", b"", Err(())),
            (AsSticker, "video/mp4", b"", Err(())),
            (Image, "image/jpeg", b"", Ok(None)),
            (Image, "image/svg+xml", b"", Err(())),
            (Image, "application/pdf", b"", Err(())),
            (Video, "video/mp4", b"", Ok(None)),
            (Video, "audio/mpeg", b"", Err(())),
            (Audio, "audio/mpeg", b"", Ok(None)),
            (Audio, "video/mp4", b"", Err(())),
            (Document, "text/html", b"", Ok(None)),
        ];
        for (kind, mime, head, needed) in table {
            let got = recipe(*kind, mime, head).map_err(|_| ());
            assert_eq!(got, *needed, "{kind:?} {mime}");
        }
    }
}
