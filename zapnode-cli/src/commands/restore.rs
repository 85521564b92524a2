use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use zapnode_core::SessionId;
use zapnode_core::backup::{OpenMessages, RestoreOptions, RestoreReport, restore};

use super::Context;
use crate::error::{CliError, Kind};

/// Put a backup into a data folder that nothing uses
///
/// All of it is checked before anything is touched. Messages that were not sent when the backup
/// was made fail, because nobody can know whether they were sent afterwards.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// File that `zapnode backup` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Move aside what is in the folder
    #[arg(long)]
    force: bool,
    /// Send what was not sent: only if nothing has run since the backup was made
    #[arg(long)]
    send_open: bool,
}

pub(crate) async fn run(args: &RestoreArgs, context: &Context) -> Result<(), CliError> {
    if context.global.server.is_some() {
        return Err(CliError::usage(
            "a backup is restored on the machine itself, without --server",
        )
        .hint("Run zapnode restore there, with nothing else running on the data folder."));
    }
    let file = File::open(&args.file).map_err(|error| {
        CliError::usage(format!(
            "{} could not be read: {error}",
            args.file.display()
        ))
    })?;
    let manager = context.settings.manager_options();
    let options = RestoreOptions {
        replace: args.force,
        open_messages: if args.send_open {
            OpenMessages::Send
        } else {
            OpenMessages::Fail
        },
        ..RestoreOptions::into_folders(manager.data_dir, manager.auth_dir)
    };
    context.progress.say("restoring");
    let folder = options.data_dir.display().to_string();
    // Not interrupted: it either ends or changes nothing.
    let restored = tokio::task::spawn_blocking(move || {
        restore(BufReader::new(file), &options).map_err(CliError::from)
    });
    let report = restored
        .await
        .map_err(|error| CliError::other(error.to_string()))??;
    context.output.result(
        text(&report, &folder),
        &json!({
            "success": true,
            "dataDir": folder,
            "createdBy": report.version,
            "createdAt": report.created_at.unix_timestamp(),
            "sessions": report.sessions,
            "profiles": report.profiles,
            "failedMessages": report.failed_messages,
            "deadDeliveries": report.dead_deliveries,
            "replaced": report.replaced,
        }),
    );
    Ok(())
}

fn text(report: &RestoreReport, folder: &str) -> String {
    let mut lines = vec![format!(
        "Restored to {folder}: {} sessions, {} with their login ({}).",
        report.sessions.len(),
        report.profiles.len(),
        report
            .profiles
            .iter()
            .map(SessionId::as_str)
            .collect::<Vec<_>>()
            .join(", "),
    )];
    if report.failed_messages > 0 {
        lines.push(format!(
            "{} messages were not sent when the backup was made; they have failed (restored).",
            report.failed_messages
        ));
    }
    if report.dead_deliveries > 0 {
        lines.push(format!(
            "{} events were not delivered to webhooks when the backup was made; they are dead \
             (restored) and can be sent again with zapnode webhooks retry.",
            report.dead_deliveries
        ));
    }
    for old in &report.replaced {
        lines.push(format!("What was there before is in {}.", old.display()));
    }
    lines.push(
        "The same login must not run in two places: end the old ZapNode before you start this one."
            .to_owned(),
    );
    lines.join("\n")
}

/// The kind and the hint of a backup's own errors.
pub(crate) fn refused(error: &zapnode_core::backup::BackupError) -> CliError {
    use zapnode_core::backup::BackupError as E;
    let text = zapnode_core::with_causes(error);
    if error.is_no_room() {
        return CliError::new(Kind::Storage, "storage_full", text)
            .hint("Make room there, or choose another disk.");
    }
    match error {
        E::NotEmpty { .. } => CliError::new(Kind::Usage, "not_empty", text)
            .hint("Choose an empty folder with --data-dir, or move it aside with --force."),
        E::NotABackup(_) => CliError::new(Kind::Usage, "not_a_backup", text)
            .hint("Give a file that zapnode backup wrote."),
        E::Newer { .. } => CliError::new(Kind::Storage, "backup_newer", text)
            .hint("Install that version or a later one."),
        E::Damaged { .. } => CliError::new(Kind::Storage, "backup_damaged", text)
            .hint("Nothing was changed. Copy the file again from where it was made, or take another backup."),
        E::TooLarge { .. } => CliError::new(Kind::Usage, "backup_too_large", text),
        E::Running => CliError::new(Kind::Other, "backup_running", text)
            .hint("Run it again when that has ended."),
        _ => CliError::other(text),
    }
}
