//! The command tree. Doc comments are the help text.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use zapnode_http::settings::{CoreArgs, Flags, names};

use crate::commands::{
    backup, bulk, chats, chatwoot, check, completions, config, contacts, doctor, groups, listen,
    login, media, messages, optout, restore, sandbox, send, sessions, webhooks,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done                          5  no such number on WhatsApp
  1  failed for another reason     6  server not reached, or it refused the key
  2  used in a wrong way           7  data folder in use by another program
  3  session not ready             8  not done in time
  4  no such session               9  database too new, damaged, or no room
                                 130  interrupted

Where it works: alone, it opens the sessions of the data folder by itself and closes them again.
Beside a running zapnode-http on the same data folder it goes through that. With --server it goes
to one elsewhere.";

/// Log in to WhatsApp and send, from a shell, a cron job, a pipe.
#[derive(Debug, Parser)]
#[command(name = "zapnode", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct GlobalArgs {
    /// Print JSON for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Address of a zapnode-http to go to, as `https://gateway.example.com`
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    pub(crate) server: Option<String>,

    /// Key for the server; better given in the environment, where other users cannot see it
    /// [env: ZAPNODE_API_KEY]
    #[arg(long, global = true, value_name = "KEY", help_heading = "Server")]
    pub(crate) api_key: Option<String>,

    /// Use the sessions of the simulated WhatsApp [env: ZAPNODE_SANDBOX]
    #[arg(long, global = true, help_heading = "Sessions")]
    pub(crate) sandbox: bool,

    /// Seconds to wait for a session to be ready
    /// [default: 60; login: 600; doctor, for the page: 45]
    #[arg(long, global = true, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) timeout: Option<u64>,

    /// Say more on standard error; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    #[command(flatten)]
    pub(crate) core: CoreFlags,
}

/// The daemon's own flags for sessions, here for every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct CoreFlags {
    /// Folder for the store and everything else that is ours [env: ZAPNODE_DATA_DIR]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Sessions")]
    data_dir: Option<String>,
    /// Folder of the logins, one `session-<id>` each [env: ZAPNODE_AUTH_DIR]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Sessions")]
    auth_dir: Option<String>,
    /// Chrome or Chromium to use [env: CHROME_PATH]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Sessions")]
    chrome_path: Option<String>,
    /// Page to open [env: ZAPNODE_WEB_URL]
    #[arg(long, global = true, value_name = "URL", help_heading = "Sessions")]
    web_url: Option<String>,
    /// Folder with scripts that replace the built-in bridge [env: ZAPNODE_BRIDGE_DIR]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Sessions")]
    bridge_dir: Option<String>,
}

impl GlobalArgs {
    /// What was given, for the settings to judge.
    pub(crate) fn flags(&self) -> Flags {
        let core = CoreArgs {
            data_dir: self.core.data_dir.clone(),
            auth_dir: self.core.auth_dir.clone(),
            chrome_path: self.core.chrome_path.clone(),
            web_url: self.core.web_url.clone(),
            bridge_dir: self.core.bridge_dir.clone(),
        };
        core.flags()
            .with(names::API_KEY, self.api_key.as_deref())
            .with(names::SANDBOX, self.sandbox.then_some("true"))
    }

    /// How long to wait for a session, or `usual`.
    pub(crate) fn patience(&self, usual: Duration) -> Duration {
        self.timeout.map_or(usual, Duration::from_secs)
    }
}

/// Whether a program reads the answer, for arguments that could not be understood as a whole.
pub(crate) fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    // What follows `--` is a text to send.
    let mut flags = arguments.take_while(|argument| argument != "--");
    flags.any(|argument| argument == "--json")
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Login(login::LoginArgs),
    Send(send::SendArgs),
    Listen(listen::ListenArgs),
    Media(media::MediaArgs),
    Sessions(sessions::SessionsArgs),
    Messages(messages::MessagesArgs),
    Chats(chats::ChatsArgs),
    Contacts(contacts::ContactsArgs),
    Check(check::CheckArgs),
    Groups(groups::GroupsArgs),
    Bulk(bulk::BulkArgs),
    Optout(optout::OptOutArgs),
    Webhooks(webhooks::WebhooksArgs),
    Chatwoot(chatwoot::ChatwootArgs),
    Doctor(doctor::DoctorArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Sandbox(sandbox::SandboxArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_text_that_looks_like_the_flag_is_none() {
        let wants = |line: &str| wants_json(line.split(' ').map(OsString::from));
        assert!(wants("zapnode send --json"));
        assert!(!wants("zapnode send"));
        assert!(!wants("zapnode send --to 1 -- --json"));
    }
}
