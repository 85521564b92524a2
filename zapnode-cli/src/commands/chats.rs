use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;
use serde_json::{Value, json};
use zapnode_core::SessionId;

use super::send::READY_WITHIN;
use super::{Context, encoded};
use crate::client::Api;
use crate::error::CliError;
use crate::output::table;

/// How many characters of a message are shown in a table.
const SHOWN: usize = 60;

/// The account's chats: list them, read one, search, archive, pin, mute, mark as seen, type in it
///
/// A chat is named by a phone number or by its id, as `77@lid` or `12@g.us`.
#[derive(Args, Debug)]
pub(crate) struct ChatsArgs {
    /// Session whose chats they are
    #[arg(long, short, default_value = "default", global = true)]
    session: SessionId,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them, pinned ones first (what happens without a word)
    List(List),
    /// Show a chat's messages, newest first
    Messages {
        /// The chat
        chat: String,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
        /// Where to go on: what the last answer said
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<String>,
        /// From where: what WhatsApp's page has, what is stored here, or both
        #[arg(long, value_enum, default_value_t = Source::Both)]
        source: Source,
    },
    /// Look for messages with words in them
    Search {
        /// The words
        words: String,
        /// Only in this chat
        #[arg(long, value_name = "CHAT")]
        chat: Option<String>,
        /// At most so many
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
    /// Put a chat into the archive
    Archive {
        /// The chat
        chat: String,
    },
    /// Take a chat out of the archive
    Unarchive {
        /// The chat
        chat: String,
    },
    /// Pin a chat to the top; three can be
    Pin {
        /// The chat
        chat: String,
    },
    /// Pin a chat no more
    Unpin {
        /// The chat
        chat: String,
    },
    /// Mute a chat
    Mute {
        /// The chat
        chat: String,
        /// Until this time, as 2026-12-01T08:00:00-03:00 [default: for ever]
        #[arg(long, value_name = "TIME")]
        until: Option<String>,
    },
    /// Mute a chat no more
    Unmute {
        /// The chat
        chat: String,
    },
    /// Mark everything in a chat as seen; its writers are told
    Seen {
        /// The chat
        chat: String,
    },
    /// Mark a chat as unread on your own devices
    Unread {
        /// The chat
        chat: String,
    },
    /// Show that you type; it passes by itself after about 25 s
    Typing {
        /// The chat
        chat: String,
    },
    /// Show that you record a voice note; it passes by itself after about 25 s
    Recording {
        /// The chat
        chat: String,
    },
    /// Show that you neither type nor record any more
    Paused {
        /// The chat
        chat: String,
    },
    /// Show the account as available, or as away
    Presence {
        /// How
        #[arg(value_enum)]
        how: Presence,
    },
    /// Remove a chat's messages on the account's devices
    Clear {
        /// The chat
        chat: String,
        /// Keep messages with a star
        #[arg(long)]
        keep_starred: bool,
    },
    /// Remove a chat with its messages on the account's devices
    Delete {
        /// The chat
        chat: String,
    },
}

/// How the account is shown.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Presence {
    /// As available
    Available,
    /// As away, so that the phone rings
    Away,
}

/// Which chats.
#[derive(Args, Debug, Default)]
struct List {
    /// Only archived ones
    #[arg(long)]
    archived: bool,
    /// Only those with something unread
    #[arg(long)]
    unread: bool,
    /// Only those with this in their name
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many [default: 50]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: Option<u16>,
    /// Where to go on: what the last answer said
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Source {
    Both,
    Page,
    Store,
}

impl Source {
    fn word(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Page => "page",
            Self::Store => "store",
        }
    }
}

pub(crate) async fn run(args: &ChatsArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let within = context.global.patience(READY_WITHIN);
    let session = args.session.as_str();
    // What is stored here can be read whatever the session does.
    let stored = matches!(
        args.action,
        Some(Action::Messages {
            source: Source::Store,
            ..
        })
    );
    if !stored {
        api.ready(session, within, &context.progress).await?;
    }
    let base = format!("/sessions/{session}");
    let change = async |chat: &str, body: Value, told: &str| {
        let path = format!("{base}/chats/{}", encoded(chat));
        let answer = api.ask(Method::PATCH, &path, Some(body), &[]).await?;
        show(context, format!("{chat} {told}."), &answer);
        Ok(())
    };
    let act = async |chat: &str, what: &str| {
        let path = format!("{base}/chats/{}/{what}", encoded(chat));
        tell(Method::POST, &path, None, context, api).await
    };
    match &args.action {
        None => list(&base, &List::default(), context, api).await,
        Some(Action::List(wanted)) => list(&base, wanted, context, api).await,
        Some(Action::Messages {
            chat,
            limit,
            cursor,
            source,
        }) => {
            let chat = encoded(chat);
            let cursor = cursor
                .as_deref()
                .map(|text| format!("&cursor={}", encoded(text)));
            let path = format!(
                "{base}/chats/{chat}/messages?limit={limit}&source={}{}",
                source.word(),
                cursor.unwrap_or_default()
            );
            messages(&path, context, api).await
        }
        Some(Action::Search { words, chat, limit }) => {
            let chat = chat
                .as_deref()
                .map(|chat| format!("&chat={}", encoded(chat)));
            let path = format!(
                "{base}/search?limit={limit}&q={}{}",
                encoded(words),
                chat.unwrap_or_default()
            );
            messages(&path, context, api).await
        }
        Some(Action::Archive { chat }) => {
            change(chat, json!({"archived": true}), "is in the archive").await
        }
        Some(Action::Unarchive { chat }) => {
            change(chat, json!({"archived": false}), "is out of the archive").await
        }
        Some(Action::Pin { chat }) => change(chat, json!({"pinned": true}), "is pinned").await,
        Some(Action::Unpin { chat }) => {
            change(chat, json!({"pinned": false}), "is not pinned").await
        }
        Some(Action::Mute { chat, until }) => {
            let until = until.as_deref().unwrap_or("forever");
            change(chat, json!({"mutedUntil": until}), "is muted").await
        }
        Some(Action::Unmute { chat }) => {
            change(chat, json!({"mutedUntil": null}), "is not muted").await
        }
        Some(Action::Seen { chat }) => act(chat, "seen").await,
        Some(Action::Unread { chat }) => act(chat, "unread").await,
        Some(Action::Typing { chat }) => act(chat, "typing").await,
        Some(Action::Recording { chat }) => act(chat, "recording").await,
        Some(Action::Paused { chat }) => act(chat, "paused").await,
        Some(Action::Presence { how }) => {
            let body = json!({ "available": matches!(how, Presence::Available) });
            let path = format!("{base}/presence");
            tell(Method::PUT, &path, Some(body), context, api).await
        }
        Some(Action::Clear { chat, keep_starred }) => {
            let path = format!(
                "{base}/chats/{}/messages?keepStarred={keep_starred}",
                encoded(chat)
            );
            let answer = api.delete(&path).await?;
            show(context, format!("{chat} is cleared."), &answer);
            Ok(())
        }
        Some(Action::Delete { chat }) => {
            let answer = api
                .delete(&format!("{base}/chats/{}", encoded(chat)))
                .await?;
            show(context, format!("{chat} is deleted."), &answer);
            Ok(())
        }
    }
}

/// Asks for it, and shows what the answer says.
async fn tell(
    method: Method,
    path: &str,
    body: Option<Value>,
    context: &Context,
    api: &Api,
) -> Result<(), CliError> {
    let answer = api.ask(method, path, body, &[]).await?;
    let text = format!("{}.", answer["message"].as_str().unwrap_or("Done"));
    show(context, text, &answer);
    Ok(())
}

async fn list(base: &str, wanted: &List, context: &Context, api: &Api) -> Result<(), CliError> {
    let mut path = format!("{base}/chats/overview?limit={}", wanted.limit.unwrap_or(50));
    if wanted.archived {
        path += "&archived=true";
    }
    if wanted.unread {
        path += "&unread=true";
    }
    for (name, text) in [("q", &wanted.search), ("cursor", &wanted.cursor)] {
        if let Some(text) = text {
            path += &format!("&{name}={}", encoded(text));
        }
    }
    let answer = api.get(&path).await?;
    let rows: Vec<_> = items(&answer["chats"]).iter().map(chat_row).collect();
    let text = if rows.is_empty() {
        "No chats.".to_owned()
    } else {
        table(
            &["CHAT", "NAME", "UNREAD", "MARKS", "LAST", "MESSAGE"],
            &rows,
        )
    };
    show(context, text + &more(&answer), &answer);
    Ok(())
}

fn chat_row(chat: &Value) -> Vec<String> {
    let marks = [
        ("isPinned", "pinned"),
        ("isArchived", "archived"),
        ("isMuted", "muted"),
    ];
    let marks = marks.iter().filter(|(field, _)| chat[*field] == true);
    let marks: Vec<_> = marks.map(|(_, word)| *word).collect();
    let unread = match chat["unread"].as_u64() {
        Some(0) | None if chat["isMarkedUnread"] == true => "●".to_owned(),
        Some(0) | None => String::new(),
        Some(count) => count.to_string(),
    };
    vec![
        chat["phone"]
            .as_str()
            .or(chat["id"].as_str())
            .unwrap_or_default()
            .to_owned(),
        text(&chat["name"]),
        unread,
        marks.join(","),
        text(&chat["lastActivityAt"]),
        short(&said(&chat["lastMessage"])),
    ]
}

async fn messages(path: &str, context: &Context, api: &Api) -> Result<(), CliError> {
    let answer = api.get(path).await?;
    let rows: Vec<_> = items(&answer["messages"]).iter().map(message_row).collect();
    let mut shown = if rows.is_empty() {
        "No messages.".to_owned()
    } else {
        table(&["WHEN", "FROM", "MESSAGE", "ID"], &rows)
    };
    if answer["askedPage"] == false {
        shown += "\nOnly what is stored here: the session is not ready.";
    }
    show(context, shown + &more(&answer), &answer);
    Ok(())
}

fn message_row(message: &Value) -> Vec<String> {
    let from = if message["fromMe"] == true {
        "me".to_owned()
    } else {
        let names = ["name", "fromPhone", "from"];
        let known = names.iter().find_map(|field| message[*field].as_str());
        known.unwrap_or_default().to_owned()
    };
    let id = message["messageId"].as_str().or(message["id"].as_str());
    vec![
        text(&message["createdAt"]),
        from,
        short(&said(message)),
        id.unwrap_or_default().to_owned(),
    ]
}

/// A message in a line: its text, or what it is.
fn said(message: &Value) -> String {
    match (message["text"].as_str(), message["type"].as_str()) {
        (Some(words), Some("chat")) => words.to_owned(),
        (Some(words), Some(kind)) => format!("[{kind}] {words}"),
        (None, Some(kind)) => format!("[{kind}]"),
        _ => String::new(),
    }
}

fn short(words: &str) -> String {
    let line: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// How to go on, where there is more.
pub(super) fn more(answer: &Value) -> String {
    let cursor = answer["nextCursor"].as_str();
    let more = cursor.map(|cursor| format!("\n… and more: --cursor {cursor}"));
    more.unwrap_or_default()
}

pub(super) fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(super) fn show(context: &Context, text: impl AsRef<str>, answer: &Value) {
    context
        .progress
        .hide(|| context.output.result(text, answer));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_a_line() {
        let chat = json!({"id": "77@lid", "phone": "244929782402", "name": "Ana", "unread": 3,
            "isPinned": true, "isArchived": false, "isMuted": true,
            "lastActivityAt": "2026-11-24T12:00:00.000Z",
            "lastMessage": {"type": "image", "text": "olha\nisto"}});
        assert_eq!(
            chat_row(&chat),
            [
                "244929782402",
                "Ana",
                "3",
                "pinned,muted",
                "2026-11-24T12:00:00.000Z",
                "[image] olha isto"
            ]
        );
        let marked = json!({"id": "12@g.us", "unread": 0, "isMarkedUnread": true});
        assert_eq!(chat_row(&marked)[..3], ["12@g.us", "", "●"]);
        assert_eq!(short(&"é".repeat(61)), format!("{}…", "é".repeat(60)));
    }
}
