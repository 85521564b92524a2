use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use hyper::Method;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use time::OffsetDateTime;

use super::Context;
use crate::client::Api;
use crate::error::{CliError, Kind};

/// How long a backup may take: many profiles, each of whose sessions is closed first.
const MADE_WITHIN: Duration = Duration::from_secs(1800);

/// Write the store and the logins to one file, while everything runs
///
/// A session whose login goes into it is closed for that moment; sends to it wait meanwhile.
/// Whoever has the file can send as the accounts in it: keep it as you keep a password.
#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// File to write, or a folder to write one with the time in its name to
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Put in the login of this session only; can be given more than once
    #[arg(long, value_name = "ID", group = "whose")]
    session: Vec<String>,
    /// Put in the logins of all sessions: what is done if nothing is chosen
    #[arg(long, group = "whose")]
    all_sessions: bool,
    /// Put in no logins: restored, each session needs a new QR
    #[arg(long, group = "whose")]
    no_profiles: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl BackupArgs {
    /// Where it goes; refused when there is something.
    pub(crate) fn target(&self) -> Result<PathBuf, CliError> {
        let mut target = self.file.clone();
        if target.is_dir() {
            target.push(zapnode_core::backup::file_name(OffsetDateTime::now_utc()));
        }
        if target.exists() && !self.force {
            return Err(exists(&target));
        }
        Ok(target)
    }

    fn wish(&self) -> Value {
        if self.no_profiles {
            json!({ "profiles": false })
        } else if self.session.is_empty() {
            json!({})
        } else {
            json!({ "sessions": self.session })
        }
    }
}

pub(crate) async fn run(
    args: &BackupArgs,
    target: &Path,
    context: &Context,
    api: &Api,
) -> Result<(), CliError> {
    context.progress.say("making the backup");
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Beside its place, so that it gets there in one step; for nobody else's eyes.
    let mut draft = tempfile::Builder::new()
        .prefix(".zapnode-backup-")
        .tempfile_in(folder)
        .map_err(|error| unwritable(folder, &error))?;
    let within = context.global.patience(MADE_WITHIN);
    let size = api
        .download(
            Method::POST,
            "/backup",
            Some(args.wish()),
            within,
            |piece| {
                draft
                    .write_all(piece)
                    .map_err(|error| unwritable(target, &error))
            },
        )
        .await?;
    keep(draft, target, args.force)?;
    let file = target.display().to_string();
    context.output.result(
        format!(
            "{file} ({}). Whoever has it can send as the accounts in it.",
            megabytes(size)
        ),
        &json!({"success": true, "file": file, "bytes": size}),
    );
    Ok(())
}

fn keep(draft: NamedTempFile, target: &Path, force: bool) -> Result<(), CliError> {
    let synced = draft.as_file().sync_all();
    synced.map_err(|error| unwritable(target, &error))?;
    let kept = if force {
        draft.persist(target)
    } else {
        draft.persist_noclobber(target)
    };
    match kept {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(exists(target))
        }
        Err(error) => Err(unwritable(target, &error.error)),
    }
}

fn exists(target: &Path) -> CliError {
    let text = format!("{} exists", target.display());
    CliError::new(Kind::Usage, "file_exists", text).hint("Choose another name, or add --force.")
}

fn unwritable(path: &Path, error: &std::io::Error) -> CliError {
    let text = format!("{} could not be written: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull => CliError::new(Kind::Storage, "storage_full", text)
            .hint("Make room there, or choose another disk."),
        _ => CliError::other(text),
    }
}

fn megabytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let megabytes = bytes as f64 / 1e6;
    format!("{megabytes:.1} MB")
}
