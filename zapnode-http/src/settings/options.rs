//! From settings to the core's own options.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zapnode_core::driver::chrome::ChromeOptions;
use zapnode_core::options::ManagerOptions;
use zapnode_core::webhook::{ConfiguredWebhook, WebhookOptions};

use super::{Settings, Surroundings};

/// How long a session that was logged out from the phone is kept with automatic cleanup.
const CLEANUP_AFTER: Duration = Duration::from_secs(2);

impl Settings {
    /// How the session manager shall work.
    pub fn manager_options(&self) -> ManagerOptions {
        ManagerOptions {
            auth_dir: absolute(&self.auth_dir),
            max_sessions: self.max_sessions,
            messages_kept: (self.retention_days > 0)
                .then(|| Duration::from_secs(u64::from(self.retention_days) * 24 * 3600)),
            care: self.care,
            stop_words: self.stop_words.clone(),
            pace: self.pace,
            reject_calls: self.reject_calls.clone(),
            idempotency_keys_kept: self.idempotency_keys_kept,
            cleanup_after_logout: self.auto_cleanup_on_logout.then_some(CLEANUP_AFTER),
            webhooks: self.webhook_options(),
            ignore: self.ignore.clone(),
            events_kept: self.events_kept,
            media: self.media.clone(),
            ..ManagerOptions::in_folder(absolute(&self.data_dir))
        }
    }

    /// How webhooks shall work.
    fn webhook_options(&self) -> WebhookOptions {
        let configured = self.webhook_url.as_ref().map(|url| ConfiguredWebhook {
            url: url.clone(),
            events: self.webhook_events.clone(),
            secret: self.webhook_secret.clone(),
        });
        WebhookOptions {
            allow_private: self.allow_private_addresses,
            configured,
            ..WebhookOptions::default()
        }
    }

    /// How the Chrome driver shall work.
    pub fn chrome_options(&self, surroundings: &Surroundings) -> ChromeOptions {
        ChromeOptions {
            web_url: self.web_url.clone(),
            executable: self.chrome_path.clone(),
            allowed: self.chrome_allow.clone(),
            extra_args: self.chrome_args.clone(),
            headless: self.headless,
            has_display: surroundings.has_display,
            no_sandbox: surroundings.is_root,
            bridge_dir: self.bridge_dir.as_deref().map(absolute),
            ..ChromeOptions::new(absolute(&self.data_dir).join("chrome"))
        }
    }
}

/// The store keeps absolute paths, so that a start from another folder finds the same profiles.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
