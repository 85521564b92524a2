//! The command line. Values stay texts here: they are judged where those from the environment
//! are, so that there is one set of rules and one kind of error.

// Doc comments here are help texts, which show an address as it is typed.
#![allow(rustdoc::bare_urls)]

use clap::Args;

use super::{Flags, names};

/// Flags of everything that opens sessions, for any command to flatten in.
#[derive(Args, Clone, Debug, Default)]
pub struct CoreArgs {
    /// Folder for the store and everything else that is ours [env: ZAPNODE_DATA_DIR]
    /// [default: the user's data folder]
    #[arg(long, value_name = "FOLDER", help_heading = "Sessions")]
    pub data_dir: Option<String>,

    /// Folder of the logins, one `session-<id>` each [env: ZAPNODE_AUTH_DIR]
    /// [default: ./.wwebjs_auth if it exists, else in the data folder]
    #[arg(long, value_name = "FOLDER", help_heading = "Sessions")]
    pub auth_dir: Option<String>,

    /// Chrome or Chromium to use [env: CHROME_PATH] [default: the first found]
    #[arg(long, value_name = "PATH", help_heading = "Sessions")]
    pub chrome_path: Option<String>,

    /// Page to open [env: ZAPNODE_WEB_URL] [default: https://web.whatsapp.com/]
    #[arg(long, value_name = "URL", help_heading = "Sessions")]
    pub web_url: Option<String>,

    /// Folder with scripts that replace the built-in bridge [env: ZAPNODE_BRIDGE_DIR]
    #[arg(long, value_name = "FOLDER", help_heading = "Sessions")]
    pub bridge_dir: Option<String>,
}

impl CoreArgs {
    /// What was given.
    pub fn flags(&self) -> Flags {
        Flags::default()
            .with(names::DATA_DIR, self.data_dir.as_deref())
            .with(names::AUTH_DIR, self.auth_dir.as_deref())
            .with(names::CHROME_PATH, self.chrome_path.as_deref())
            .with(names::WEB_URL, self.web_url.as_deref())
            .with(names::BRIDGE_DIR, self.bridge_dir.as_deref())
    }
}

/// Flags of the daemon.
#[derive(Args, Clone, Debug, Default)]
pub struct DaemonArgs {
    /// Port of the API; 0 picks a free one and prints it [env: PORT] [default: 3000]
    #[arg(long, short, value_name = "PORT")]
    pub port: Option<String>,

    /// Address to listen on; one that others can reach needs a key
    /// [env: ZAPNODE_HOST] [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub host: Option<String>,

    /// Key that callers must send as `X-Api-Key` or `Authorization: Bearer`; better given in the
    /// environment, where other users cannot see it [env: ZAPNODE_API_KEY] [default: none]
    #[arg(long, value_name = "KEY")]
    pub api_key: Option<String>,

    /// Open a simulated WhatsApp instead of the real one, to try everything without a phone
    /// [env: ZAPNODE_SANDBOX]
    #[arg(long)]
    pub sandbox: bool,

    /// How to write the log: text or json [env: ZAPNODE_LOG_FORMAT] [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,

    /// What concerns the sessions.
    #[command(flatten)]
    pub core: CoreArgs,
}

impl DaemonArgs {
    /// What was given.
    pub fn flags(&self) -> Flags {
        let core = self.core.flags();
        core.with(names::PORT, self.port.as_deref())
            .with(names::HOST, self.host.as_deref())
            .with(names::API_KEY, self.api_key.as_deref())
            .with(names::SANDBOX, self.sandbox.then_some("true"))
            .with(names::LOG_FORMAT, self.log_format.as_deref())
    }
}
