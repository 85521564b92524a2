//! Text formatting between the two: Chatwoot speaks Markdown, WhatsApp its own marks.
//!
//! | | Chatwoot | WhatsApp |
//! |---|---|---|
//! | bold | `**b**` or `__b__` | `*b*` |
//! | italic | `*i*` or `_i_` | `_i_` |
//! | struck | `~~s~~` | `~s~` |
//! | code | `` `c` ``, ` ```c``` ` | the same |
//! | link | `[words](url)` | `words (url)` |
//!
//! A mark counts only where both would show it: next to a word on the inside, and not in the
//! middle of a word on the outside. Everything else stays as it was typed.

/// One piece of a text: plain, or between marks.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Plain(String),
    /// Left alone, marks included.
    Code(String),
    Marked(Mark, Vec<Piece>),
    Link {
        words: String,
        url: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Bold,
    Italic,
    Struck,
}

/// The marks of one side, the longer ones first.
type Marks = &'static [(&'static str, Mark)];

const MARKDOWN: Marks = &[
    ("**", Mark::Bold),
    ("__", Mark::Bold),
    ("~~", Mark::Struck),
    ("*", Mark::Italic),
    ("_", Mark::Italic),
];

const WHATSAPP: Marks = &[("*", Mark::Bold), ("_", Mark::Italic), ("~", Mark::Struck)];

/// Marks within marks deeper than this stay as they were typed: a text is no program.
const DEEPEST: usize = 6;

/// Chatwoot's Markdown as WhatsApp shows it. Also undoes what Chatwoot's editor escapes: since
/// 4.10.1 line breaks may come as a backslash and a line break, or as the two characters `\n`.
pub fn to_whatsapp(markdown: &str) -> String {
    let text = unescape_breaks(markdown);
    let pieces = parse(&text, MARKDOWN, true, 0);
    let mut out = String::with_capacity(text.len());
    write(&pieces, &mut out, &|mark| match mark {
        Mark::Bold => "*",
        Mark::Italic => "_",
        Mark::Struck => "~",
    });
    out
}

/// WhatsApp's text as Chatwoot shows it.
pub fn to_markdown(whatsapp: &str) -> String {
    let pieces = parse(whatsapp, WHATSAPP, false, 0);
    let mut out = String::with_capacity(whatsapp.len());
    write(&pieces, &mut out, &|mark| match mark {
        Mark::Bold => "**",
        Mark::Italic => "_",
        Mark::Struck => "~~",
    });
    out
}

fn unescape_breaks(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace("\\\n", "\n");
    // A person who types `C:\new` types it in a text with breaks of its own, or in code.
    if text.contains('\n') || text.contains('`') {
        text
    } else {
        text.replace("\\r\\n", "\n").replace("\\n", "\n")
    }
}

fn parse(text: &str, marks: Marks, markdown: bool, depth: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let before = plain.chars().last();
        let taken = code(rest)
            .or_else(|| markdown.then(|| link(rest)).flatten())
            .or_else(|| (depth < DEEPEST).then(|| marked(rest, before, marks, markdown, depth))?);
        if let Some((piece, length)) = taken {
            if !plain.is_empty() {
                pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            }
            pieces.push(piece);
            rest = &rest[length..];
            continue;
        }
        let mut step = c.len_utf8();
        match rest[step..].chars().next() {
            // `\*` in Markdown is a star and no mark.
            Some(next) if markdown && c == '\\' && next.is_ascii_punctuation() => {
                plain.push(next);
                step += next.len_utf8();
            }
            _ => plain.push(c),
        }
        rest = &rest[step..];
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    pieces
}

fn code(text: &str) -> Option<(Piece, usize)> {
    let fence = if text.starts_with("```") { "```" } else { "`" };
    let inside = text.strip_prefix(fence)?;
    let end = inside.find(fence).filter(|end| *end > 0)?;
    // A single backtick does not reach over lines.
    if fence.len() == 1 && inside[..end].contains('\n') {
        return None;
    }
    let length = fence.len() * 2 + end;
    Some((Piece::Code(text[..length].to_owned()), length))
}

fn link(text: &str) -> Option<(Piece, usize)> {
    let (words, after) = text.strip_prefix('[')?.split_once("](")?;
    let (url, _) = after.split_once(')')?;
    let is_url =
        url.starts_with("http://") || url.starts_with("https://") || url.starts_with("mailto:");
    if !is_url || words.contains(['\n', '[', ']']) || url.contains(char::is_whitespace) {
        return None;
    }
    let length = "[](".len() + words.len() + url.len() + ")".len();
    let piece = Piece::Link {
        words: words.to_owned(),
        url: url.to_owned(),
    };
    Some((piece, length))
}

fn marked(
    text: &str,
    before: Option<char>,
    marks: Marks,
    markdown: bool,
    depth: usize,
) -> Option<(Piece, usize)> {
    if before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    for (sign, mark) in marks {
        let Some(inside) = text.strip_prefix(sign) else {
            continue;
        };
        if let Some(end) = closing(inside, sign) {
            let content = parse(&inside[..end], marks, markdown, depth + 1);
            return Some((Piece::Marked(*mark, content), sign.len() * 2 + end));
        }
    }
    None
}

/// Where the closing sign begins: after a word, before no word, on the same line.
fn closing(inside: &str, sign: &str) -> Option<usize> {
    let first = inside.chars().next()?;
    if first.is_whitespace() || inside.starts_with(sign) {
        return None;
    }
    let line = inside.lines().next()?;
    let mut from = 0;
    while let Some(found) = line[from..].find(sign) {
        let at = from + found;
        let after = &line[at + sign.len()..];
        let fits = line[..at].chars().last().is_some_and(|c| !c.is_whitespace() && c != '\\')
            && !after.chars().next().is_some_and(char::is_alphanumeric)
            // `*a **b** c*`: the inner pair is no end of the outer one.
            && !after.starts_with(sign);
        if fits && at > 0 {
            return Some(at);
        }
        // Past the whole run of this sign, which is a longer mark then.
        let run = line[at..].len() - line[at..].trim_start_matches(sign).len();
        from = at + run.max(sign.len());
    }
    None
}

fn write(pieces: &[Piece], out: &mut String, sign: &impl Fn(Mark) -> &'static str) {
    for piece in pieces {
        match piece {
            Piece::Plain(text) | Piece::Code(text) => out.push_str(text),
            Piece::Marked(mark, content) => {
                out.push_str(sign(*mark));
                write(content, out, sign);
                out.push_str(sign(*mark));
            }
            Piece::Link { words, url } if words == url || words.is_empty() => out.push_str(url),
            Piece::Link { words, url } => {
                out.push_str(words);
                out.push_str(" (");
                out.push_str(url);
                out.push(')');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markdown_becomes_whatsapp() {
        for (markdown, whatsapp) in [
            ("plain", "plain"),
            ("**bold** and *italic*", "*bold* and _italic_"),
            ("__bold__ and _italic_", "*bold* and _italic_"),
            ("~~gone~~", "~gone~"),
            (
                "**bold with *italic* inside**",
                "*bold with _italic_ inside*",
            ),
            ("2 * 3 * 4", "2 * 3 * 4"),
            ("snake_case_name", "snake_case_name"),
            ("`**code**` stays", "`**code**` stays"),
            ("```\n**code**\n```", "```\n**code**\n```"),
            (
                "[our shop](https://x.example/a)",
                "our shop (https://x.example/a)",
            ),
            (
                "[https://x.example](https://x.example)",
                "https://x.example",
            ),
            ("[not](a link)", "[not](a link)"),
            ("1\\. first \\*star\\*", "1. first *star*"),
            ("one\\\ntwo", "one\ntwo"),
            ("Olá\\nTudo bem?", "Olá\nTudo bem?"),
            ("a\nC:\\new", "a\nC:\\new"),
            ("**not closed", "**not closed"),
            ("** spaced **", "** spaced **"),
            ("**ação**!", "*ação*!"),
            ("", ""),
        ] {
            assert_eq!(to_whatsapp(markdown), whatsapp, "{markdown:?}");
        }
    }

    #[test]
    fn whatsapp_becomes_markdown() {
        for (whatsapp, markdown) in [
            ("*bold* _italic_ ~gone~", "**bold** _italic_ ~~gone~~"),
            ("_*both*_", "_**both**_"),
            ("5*3 and 2*2", "5*3 and 2*2"),
            ("* a list", "* a list"),
            ("```*code*```", "```*code*```"),
            ("*over\nlines*", "*over\nlines*"),
            ("C:\\new", "C:\\new"),
        ] {
            assert_eq!(to_markdown(whatsapp), markdown, "{whatsapp:?}");
        }
    }

    proptest! {
        #[test]
        fn words_without_marks_stay_as_they_are(text in "[a-zA-Z0-9áéíõç ,.!?\n]{0,60}") {
            prop_assert_eq!(to_whatsapp(&text), text.clone());
            prop_assert_eq!(to_markdown(&text), text);
        }

        #[test]
        fn what_whatsapp_marks_comes_back(words in proptest::collection::vec(("[*_~]", "[a-z]{1,8}"), 1..6)) {
            let text: Vec<_> = words.iter().map(|(mark, word)| format!("{mark}{word}{mark}")).collect();
            let text = text.join(" ");
            prop_assert_eq!(to_whatsapp(&to_markdown(&text)), text);
        }

        #[test]
        fn nothing_makes_it_fail(text in "[*_~`\\\\\\[\\]()a-c \n]{0,80}") {
            let _ = to_whatsapp(&text);
            let _ = to_markdown(&text);
        }
    }
}
