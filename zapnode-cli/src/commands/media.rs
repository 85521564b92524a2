use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use hyper::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::Context;
use super::send::READY_WITHIN;
use crate::client::Api;
use crate::error::{CliError, Kind};

/// How long a file may take to come.
const LOADED_WITHIN: Duration = Duration::from_secs(1800);

/// Save the file of a message
///
/// It is loaded from WhatsApp if it is not here yet.
#[derive(Args, Debug)]
pub(crate) struct MediaArgs {
    /// The message: its id, as `listen` and `--json` have it
    #[arg(value_name = "MESSAGE")]
    message: String,
    /// File to write [default: the name its sender gave it]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where WhatsApp has it no more, ask the phone to upload it again
    #[arg(long)]
    ask_phone: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(args: &MediaArgs, context: &Context, api: &Api) -> Result<(), CliError> {
    let id = utf8_percent_encode(&args.message, NON_ALPHANUMERIC).to_string();
    let answer = api.get(&format!("/messages/{id}")).await?;
    let message = &answer["message"];
    let media = &message["media"];
    if !media.is_object() {
        let text = "this message has no file";
        return Err(CliError::new(Kind::Other, "no_media", text));
    }
    let target = target(args, media["filename"].as_str(), message["id"].as_str());
    if target.exists() && !args.force {
        let text = format!("{} exists", target.display());
        return Err(CliError::new(Kind::Usage, "file_exists", text)
            .hint("Choose another name with --out, or add --force."));
    }
    if media["state"] != "available" {
        let session = message["sessionId"].as_str().unwrap_or_default();
        let within = context.global.patience(READY_WITHIN);
        api.ready(session, within, &context.progress).await?;
    }
    let path = format!("/messages/{id}/media");
    context.progress.say("loading the file");
    if args.ask_phone {
        api.post(&path, json!({})).await?;
    }
    let unwritable = |error: std::io::Error| {
        CliError::other(format!(
            "{} could not be written: {error}",
            target.display()
        ))
    };
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Beside its place: half a file is never there under its name.
    let draft = tempfile::Builder::new()
        .prefix(".zapnode-media-")
        .tempfile_in(folder);
    let mut draft = draft.map_err(unwritable)?;
    let within = context.global.patience(LOADED_WITHIN);
    let size = api
        .download(Method::GET, &path, None, within, |piece| {
            draft.write_all(piece).map_err(unwritable)
        })
        .await?;
    draft
        .persist(&target)
        .map_err(|error| unwritable(error.error))?;
    let file = target.display().to_string();
    context.output.result(
        format!("{file} ({size} bytes)"),
        &json!({"success": true, "file": file, "bytes": size}),
    );
    Ok(())
}

/// Where it goes: of a name that somebody else chose only the last part counts, and no dot in front
/// of it.
fn target(args: &MediaArgs, name: Option<&str>, id: Option<&str>) -> PathBuf {
    if let Some(out) = &args.out {
        return out.clone();
    }
    let name = name.and_then(zapnode_core::media::clean_name);
    name.unwrap_or_else(|| format!("{}.bin", id.unwrap_or("file")))
        .into()
}
