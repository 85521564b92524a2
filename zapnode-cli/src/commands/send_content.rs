//! What else than a text `zapnode send` sends: read from the flags before anything is opened.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::error::CliError;

/// A message that is no text alone.
#[derive(Args, Debug)]
pub(crate) struct What {
    /// File to send; the text becomes its caption
    #[arg(
        long,
        value_name = "PATH",
        group = "kind",
        help_heading = "What to send"
    )]
    file: Option<PathBuf>,
    /// Words below the file
    #[arg(long, value_name = "TEXT", requires = "file", conflicts_with = "text")]
    #[arg(help_heading = "What to send")]
    caption: Option<String>,
    /// Send the file as a voice note (converted by ffmpeg if it must be)
    #[arg(
        long,
        requires = "file",
        group = "shown",
        help_heading = "What to send"
    )]
    voice: bool,
    /// Send the picture as a sticker (converted by ffmpeg if it must be)
    #[arg(
        long,
        requires = "file",
        group = "shown",
        help_heading = "What to send"
    )]
    sticker: bool,
    /// Send the film or GIF as a GIF that plays by itself (converted by ffmpeg if it must be)
    #[arg(
        long,
        requires = "file",
        group = "shown",
        help_heading = "What to send"
    )]
    gif: bool,
    /// Send the file to be saved, whatever it is
    #[arg(
        long,
        requires = "file",
        group = "shown",
        help_heading = "What to send"
    )]
    as_document: bool,
    /// The file can be opened once only
    #[arg(long, requires = "file", help_heading = "What to send")]
    view_once: bool,
    /// Send the picture or film with more detail
    #[arg(long, requires = "file", help_heading = "What to send")]
    hd: bool,
    /// Place to send, as -8.8383,13.2344,Luanda
    #[arg(
        long,
        value_name = "LAT,LNG[,NAME]",
        group = "kind",
        allow_hyphen_values = true
    )]
    #[arg(help_heading = "What to send")]
    location: Option<String>,
    /// Poll to send, as 'When?|today|tomorrow'
    #[arg(long, value_name = "QUESTION|ANSWER|ANSWER", group = "kind")]
    #[arg(help_heading = "What to send")]
    poll: Option<String>,
    /// One may choose more than one answer
    #[arg(long, requires = "poll", help_heading = "What to send")]
    several: bool,
    /// Contact to send, as 'Ana,244929782402' or a .vcf file; may be given several times
    #[arg(
        long,
        value_name = "NAME,NUMBER",
        group = "kind",
        help_heading = "What to send"
    )]
    contact: Vec<String>,
    /// The message that it answers: its whole key, as `listen` and `--json` have it
    #[arg(long, value_name = "ID", help_heading = "What to send")]
    reply_to: Option<String>,
    /// Without a preview of the link in the text
    #[arg(long, help_heading = "What to send")]
    no_preview: bool,
}

/// A message, and the file that goes with it.
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    /// The body of the request, without `to`.
    pub(super) body: Map<String, Value>,
    /// To be uploaded first.
    pub(super) file: Option<PathBuf>,
}

impl What {
    /// Whether a text is needed.
    pub(super) fn is_text(&self) -> bool {
        self.file.is_none()
            && self.location.is_none()
            && self.poll.is_none()
            && self.contact.is_empty()
    }

    /// The message, with the text there is.
    pub(super) fn message(&self, text: Option<&str>) -> Result<Message, CliError> {
        let mut body = Map::new();
        if let Some(id) = &self.reply_to {
            body.insert("replyTo".to_owned(), id.as_str().into());
        }
        if self.no_preview {
            body.insert("linkPreview".to_owned(), false.into());
        }
        let content = if self.file.is_some() {
            self.of_file(text)
        } else if text.is_some() && !self.is_text() {
            return Err(CliError::usage(
                "a text goes with a file, or alone; not with a place, a poll or a contact",
            ));
        } else if let Some(place) = &self.location {
            location(place)?
        } else if let Some(poll) = &self.poll {
            self.of_poll(poll)
        } else if !self.contact.is_empty() {
            let cards = self.contact.iter().map(|contact| card(contact));
            json!({"type": "contacts", "contacts": cards.collect::<Result<Vec<_>, _>>()?})
        } else {
            json!({"type": "text", "text": text})
        };
        if let Value::Object(content) = content {
            body.extend(content);
        }
        Ok(Message {
            body,
            file: self.file.clone(),
        })
    }

    fn of_file(&self, text: Option<&str>) -> Value {
        let mut content = json!({
            "caption": self.caption.as_deref().or(text),
            "viewOnce": self.view_once,
            "hd": self.hd,
        });
        let shown = [
            (self.voice, "voice"),
            (self.sticker, "sticker"),
            (self.gif, "gif"),
            (self.as_document, "document"),
        ];
        if let Some((_, word)) = shown.iter().find(|(chosen, _)| *chosen) {
            content["type"] = (*word).into();
        }
        content
    }

    fn of_poll(&self, poll: &str) -> Value {
        let mut parts = poll.split('|').map(str::trim);
        let question = parts.next();
        let options: Vec<_> = parts.collect();
        json!({"type": "poll", "question": question, "options": options, "several": self.several})
    }
}

fn location(text: &str) -> Result<Value, CliError> {
    let mut parts = text.splitn(3, ',').map(str::trim);
    let mut degrees = || parts.next()?.parse::<f64>().ok();
    let (Some(latitude), Some(longitude)) = (degrees(), degrees()) else {
        return Err(CliError::usage(format!(
            "--location wants degrees, as -8.8383,13.2344 or -8.8383,13.2344,Luanda, not {text}"
        )));
    };
    Ok(json!({
        "type": "location",
        "latitude": latitude,
        "longitude": longitude,
        "name": parts.next(),
    }))
}

fn card(text: &str) -> Result<Value, CliError> {
    let ends = Path::new(text)
        .extension()
        .and_then(|ending| ending.to_str());
    if ends.is_some_and(|ending| ending.eq_ignore_ascii_case("vcf")) {
        let vcard = std::fs::read_to_string(text)
            .map_err(|error| CliError::usage(format!("{text} cannot be read: {error}")))?;
        return Ok(json!({ "vcard": vcard }));
    }
    let Some((name, number)) = text.rsplit_once(',') else {
        return Err(CliError::usage(format!(
            "--contact wants a name and a number, as 'Ana,244929782402', or a .vcf file, not {text}"
        )));
    };
    Ok(json!({"name": name.trim(), "phones": [number.trim()]}))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        what: What,
        text: Option<String>,
    }

    fn read(line: &[&str]) -> Result<Value, String> {
        let line = Line::try_parse_from([&["send"], line].concat()).map_err(|e| e.to_string())?;
        let message = line.what.message(line.text.as_deref());
        let message = message.map_err(|error| error.text)?;
        Ok(Value::Object(message.body))
    }

    #[test]
    fn flags_become_messages() {
        let table = [
            (vec!["olá"], json!({"type": "text", "text": "olá"})),
            (
                vec!["--file", "a.png", "--caption", "olá"],
                json!({"caption": "olá", "viewOnce": false, "hd": false}),
            ),
            (
                vec!["--file", "a.mp3", "--voice", "--view-once"],
                json!({"type": "voice", "caption": null, "viewOnce": true, "hd": false}),
            ),
            (
                vec!["--file", "a.png", "--as-document", "olá", "--reply-to", "x"],
                json!({"type": "document", "caption": "olá", "viewOnce": false, "hd": false, "replyTo": "x"}),
            ),
            (
                vec!["--location", "-8.8,13.2,Luanda, Angola"],
                json!({"type": "location", "latitude": -8.8, "longitude": 13.2, "name": "Luanda, Angola"}),
            ),
            (
                vec!["--poll", "Quando?|hoje | amanhã", "--several"],
                json!({"type": "poll", "question": "Quando?", "options": ["hoje", "amanhã"], "several": true}),
            ),
            (
                vec!["--contact", "Silva, Ana,244929782402"],
                json!({"type": "contacts", "contacts": [{"name": "Silva, Ana", "phones": ["244929782402"]}]}),
            ),
        ];
        for (line, body) in table {
            assert_eq!(read(&line), Ok(body), "{line:?}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            vec!["--file", "a", "--poll", "b"],
            vec!["--file", "a", "--voice", "--sticker"],
            vec!["--voice"],
            vec!["--several", "x"],
            vec!["--location", "Luanda"],
            vec!["--location", "1,2", "olá"],
            vec!["--contact", "Ana"],
            vec!["--contact", "/no/such/file.vcf"],
            vec!["--file", "a", "--caption", "b", "c"],
        ] {
            assert!(read(&line).is_err(), "{line:?}");
        }
    }
}
