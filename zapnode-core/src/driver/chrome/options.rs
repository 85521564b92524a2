//! What the Chrome driver is told by whoever embeds it.

use std::path::PathBuf;
use std::time::Duration;

/// How [`ChromeDriver`](super::ChromeDriver) works. It reads no environment: what depends on it
/// (display, root, usual places) is a field that the embedding program fills.
#[derive(Clone, Debug)]
pub struct ChromeOptions {
    /// The page to open: `https://web.whatsapp.com/`, or any page with the same surface.
    pub web_url: String,
    /// The browser to use (`CHROME_PATH`). `None`: the first found in the usual places.
    pub executable: Option<PathBuf>,
    /// Other browsers that a session's `chromePath` may name (`ZAPNODE_CHROME_ALLOW`).
    pub allowed: Vec<PathBuf>,
    /// Arguments added to the browser's (`ZAPNODE_CHROME_ARGS`), after ours, so that they win.
    pub extra_args: Vec<String>,
    /// Whether sessions that do not say have no window.
    pub headless: bool,
    /// Whether there is a display for a window (`DISPLAY` or `WAYLAND_DISPLAY` on Linux).
    pub has_display: bool,
    /// Start the browser without its sandbox: needed as root, and weaker.
    pub no_sandbox: bool,
    /// A folder whose files replace the built-in bridge scripts of the same name.
    pub bridge_dir: Option<PathBuf>,
    /// Where the driver may keep small files of its own (the launch wrapper). Made with 0700.
    pub work_dir: PathBuf,
    /// How long a browser may take to come up.
    pub launch_timeout: Duration,
}

impl ChromeOptions {
    /// The real WhatsApp Web, as most people use it.
    pub const WHATSAPP_WEB: &'static str = "https://web.whatsapp.com/";

    /// The defaults: the real page, the browser found in the usual places, no window.
    pub fn new(work_dir: impl Into<PathBuf>) -> Self {
        Self {
            web_url: Self::WHATSAPP_WEB.to_owned(),
            executable: None,
            allowed: Vec::new(),
            extra_args: Vec::new(),
            headless: true,
            has_display: false,
            no_sandbox: rustix::process::geteuid().is_root(),
            bridge_dir: None,
            work_dir: work_dir.into(),
            launch_timeout: Duration::from_secs(60),
        }
    }
}
