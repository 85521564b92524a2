//! Settings of the daemon and of the command: flags > environment > `.env` > defaults.
//!
//! [`Settings::merge`] is a pure function of what was given; [`Settings::load`] collects that from
//! the process and calls it. Every setting remembers where its value came from, so that
//! `zapnode config` can show it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use tracing_subscriber::EnvFilter;
use zapnode_core::call::RejectCalls;
use zapnode_core::chatwoot::BridgeConfig;
use zapnode_core::driver::chrome::ChromeOptions;
use zapnode_core::ignore::Ignore;
use zapnode_core::media::{AutoDownload, MediaLimits, MediaOptions};
use zapnode_core::options::{Care, EventsKept};
use zapnode_core::optout::StopWords;
use zapnode_core::outbox::Pace;
use zapnode_core::{Region, SessionId};

use crate::care;

mod args;
mod chatwoot;
mod dotenv;
mod options;
mod reader;
mod surroundings;
#[cfg(test)]
mod tests;
mod value;

pub use args::{CoreArgs, DaemonArgs};
pub use reader::{Flags, SettingError, Shown, Source, Spec, Variables};
pub use surroundings::Surroundings;

use reader::Reader;

/// The names of all settings, as the environment and `zapnode config` have them.
pub mod names {
    use super::Spec;

    /// Where the API listens.
    pub const PORT: Spec = Spec::flag("PORT", "--port");
    /// On which address.
    pub const HOST: Spec = Spec::flag("ZAPNODE_HOST", "--host");
    /// What callers must send.
    pub const API_KEY: Spec = Spec::flag("ZAPNODE_API_KEY", "--api-key").secret();
    /// The default session's id.
    pub const SESSION_NAME: Spec = Spec::variable("SESSION_NAME");
    /// Whether it is started.
    pub const START_DEFAULT_SESSION: Spec = Spec::variable("START_DEFAULT_SESSION");
    /// The browser.
    pub const CHROME_PATH: Spec = Spec::flag("CHROME_PATH", "--chrome-path");
    /// Browsers that a request may name.
    pub const CHROME_ALLOW: Spec = Spec::variable("ZAPNODE_CHROME_ALLOW");
    /// Arguments added to the browser's.
    pub const CHROME_ARGS: Spec = Spec::variable("ZAPNODE_CHROME_ARGS");
    /// Whether browsers have no window.
    pub const HEADLESS: Spec = Spec::variable("HEADLESS");
    /// Whether a session that was logged out from the phone is removed.
    pub const AUTO_CLEANUP: Spec = Spec::variable("AUTO_CLEANUP_ON_LOGOUT");
    /// Whether `/webhook` works.
    pub const WEBHOOK_ENABLED: Spec = Spec::variable("WEBHOOK_ENABLED");
    /// Where events go.
    pub const WEBHOOK_URL: Spec = Spec::variable("ZAPNODE_WEBHOOK_URL").or("WHATSAPP_HOOK_URL");
    /// Which events go there.
    pub const WEBHOOK_EVENTS: Spec =
        Spec::variable("ZAPNODE_WEBHOOK_EVENTS").or("WHATSAPP_HOOK_EVENTS");
    /// What signs them.
    pub const WEBHOOK_SECRET: Spec = Spec::variable("ZAPNODE_WEBHOOK_SECRET")
        .or("WHATSAPP_HOOK_HMAC_KEY")
        .secret();
    /// The Chatwoot that the default session is bridged to.
    pub const CHATWOOT_URL: Spec = Spec::variable("CHATWOOT_URL");
    /// Its account.
    pub const CHATWOOT_ACCOUNT_ID: Spec = Spec::variable("CHATWOOT_ACCOUNT_ID");
    /// The token of an agent there.
    pub const CHATWOOT_API_TOKEN: Spec = Spec::variable("CHATWOOT_API_TOKEN").secret();
    /// The inbox.
    pub const CHATWOOT_INBOX_ID: Spec = Spec::variable("CHATWOOT_INBOX_ID");
    /// With which name an inbox is made where none is named.
    pub const CHATWOOT_INBOX_NAME: Spec = Spec::variable("CHATWOOT_INBOX_NAME");
    /// Where Chatwoot reaches this program.
    pub const CHATWOOT_PUBLIC_URL: Spec = Spec::variable("CHATWOOT_PUBLIC_URL");
    /// What Chatwoot signs its calls with.
    pub const CHATWOOT_SIGNING_SECRET: Spec = Spec::variable("CHATWOOT_SIGNING_SECRET").secret();
    /// The bridge's other settings, as JSON.
    pub const CHATWOOT_OPTIONS: Spec = Spec::variable("CHATWOOT_OPTIONS");
    /// Whether addresses that callers name may be private.
    pub const ALLOW_PRIVATE: Spec = Spec::variable("ZAPNODE_ALLOW_PRIVATE_ADDRESSES");
    /// Whether groups are not listened to.
    pub const IGNORE_GROUPS: Spec = Spec::variable("IGNORE_GROUPS");
    /// Whether status posts are not listened to.
    pub const IGNORE_STATUS: Spec = Spec::variable("IGNORE_STATUS");
    /// Whether channels are not listened to.
    pub const IGNORE_NEWSLETTERS: Spec = Spec::variable("IGNORE_NEWSLETTERS");
    /// For how many days events are kept.
    pub const EVENTS_DAYS: Spec = Spec::variable("ZAPNODE_EVENTS_DAYS");
    /// How many events are kept.
    pub const EVENTS_MAX: Spec = Spec::variable("ZAPNODE_EVENTS_MAX");
    /// The page to open.
    pub const WEB_URL: Spec = Spec::flag("ZAPNODE_WEB_URL", "--web-url");
    /// The data folder.
    pub const DATA_DIR: Spec = Spec::flag("ZAPNODE_DATA_DIR", "--data-dir");
    /// The folder of the logins.
    pub const AUTH_DIR: Spec = Spec::flag("ZAPNODE_AUTH_DIR", "--auth-dir");
    /// Scripts that replace the built-in bridge.
    pub const BRIDGE_DIR: Spec = Spec::flag("ZAPNODE_BRIDGE_DIR", "--bridge-dir");
    /// The most sessions.
    pub const MAX_SESSIONS: Spec = Spec::variable("ZAPNODE_MAX_SESSIONS");
    /// How many days messages are kept.
    pub const RETENTION_DAYS: Spec = Spec::variable("ZAPNODE_RETENTION_DAYS");
    /// How long an answer to a send waits for WhatsApp's server.
    pub const SEND_WAIT: Spec = Spec::variable("ZAPNODE_SEND_WAIT");
    /// After how long an unused session hibernates.
    pub const HIBERNATE_AFTER: Spec = Spec::variable("ZAPNODE_HIBERNATE_AFTER");
    /// How often a hibernating session is woken to look.
    pub const HIBERNATE_WAKE_EVERY: Spec = Spec::variable("ZAPNODE_HIBERNATE_WAKE_EVERY");
    /// Over how much memory a session's page is loaded anew.
    pub const MEMORY_SOFT_MB: Spec = Spec::variable("ZAPNODE_MEMORY_SOFT_MB");
    /// Over how much memory its browser is started anew.
    pub const MEMORY_HARD_MB: Spec = Spec::variable("ZAPNODE_MEMORY_HARD_MB");
    /// Words that put whoever answers with one on the opt-out list.
    pub const STOP_WORDS: Spec = Spec::variable("ZAPNODE_STOP_WORDS");
    /// How quickly sessions send that have no pace of their own.
    pub const PACE: Spec = Spec::variable("ZAPNODE_PACE");
    /// Whether calls are turned away, where a session chose nothing else.
    pub const REJECT_CALLS: Spec = Spec::variable("ZAPNODE_REJECT_CALLS");
    /// What their callers are told.
    pub const REJECT_CALLS_TEXT: Spec = Spec::variable("ZAPNODE_REJECT_CALLS_TEXT");
    /// How long an idempotency key is remembered.
    pub const IDEMPOTENCY_HOURS: Spec = Spec::variable("ZAPNODE_IDEMPOTENCY_HOURS");
    /// Where national numbers are completed to.
    pub const REGION: Spec = Spec::variable("ZAPNODE_REGION");
    /// How large a file may be.
    pub const MEDIA_MAX_MB: Spec = Spec::variable("ZAPNODE_MEDIA_MAX_MB");
    /// For how many days a file is kept that is not used.
    pub const MEDIA_DAYS: Spec = Spec::variable("ZAPNODE_MEDIA_DAYS");
    /// Which files of messages that come are loaded at once.
    pub const MEDIA_DOWNLOAD: Spec = Spec::variable("ZAPNODE_MEDIA_DOWNLOAD");
    /// Up to which size.
    pub const MEDIA_DOWNLOAD_MAX_MB: Spec = Spec::variable("ZAPNODE_MEDIA_DOWNLOAD_MAX_MB");
    /// What converts files.
    pub const FFMPEG: Spec = Spec::variable("ZAPNODE_FFMPEG");
    /// What is logged.
    pub const LOG: Spec = Spec::variable("ZAPNODE_LOG");
    /// How it is logged.
    pub const LOG_FORMAT: Spec = Spec::flag("ZAPNODE_LOG_FORMAT", "--log-format");
    /// Whether WhatsApp is simulated.
    pub const SANDBOX: Spec = Spec::flag("ZAPNODE_SANDBOX", "--sandbox");
    /// The simulation's port.
    pub const SANDBOX_PORT: Spec = Spec::variable("ZAPNODE_SANDBOX_PORT");
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// All settings, merged and checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The port of the API; 0 lets the system choose.
    pub port: u16,
    /// The address or name to listen on.
    pub host: String,
    /// What callers must send, if anything.
    pub api_key: Option<String>,
    /// The default session's id.
    pub session_name: SessionId,
    /// Whether the default session is started with the daemon.
    pub start_default_session: bool,
    /// The browser to use; the first of the usual places if absent.
    pub chrome_path: Option<PathBuf>,
    /// Other browsers that a request may name.
    pub chrome_allow: Vec<PathBuf>,
    /// Arguments added to the browser's.
    pub chrome_args: Vec<String>,
    /// Whether sessions that do not say have no window.
    pub headless: bool,
    /// Whether a session is removed after it was logged out from the phone.
    pub auto_cleanup_on_logout: bool,
    /// Whether `/webhook` works.
    pub webhook_enabled: bool,
    /// Where events go, of all sessions.
    pub webhook_url: Option<String>,
    /// Which events, by name; `*` is all.
    pub webhook_events: Vec<String>,
    /// What signs them; made if absent.
    pub webhook_secret: Option<String>,
    /// The bridge of the default session to Chatwoot. Its address is trusted: it may be private.
    pub chatwoot: Option<BridgeConfig>,
    /// What Chatwoot signs with, also where it calls `/webhook/{secret}`.
    pub chatwoot_signing_secret: Option<String>,
    /// Whether webhooks that callers make may lead into private networks.
    pub allow_private_addresses: bool,
    /// Which chats sessions do not listen to, where they chose nothing else.
    pub ignore: Ignore,
    /// How many events are kept.
    pub events_kept: EventsKept,
    /// The page to open. In the sandbox the sandbox's own address takes its place.
    pub web_url: String,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The folder that holds one profile folder per session.
    pub auth_dir: PathBuf,
    /// Scripts that replace the built-in bridge's.
    pub bridge_dir: Option<PathBuf>,
    /// The most sessions there may be.
    pub max_sessions: Option<usize>,
    /// How long the answer to a send waits for WhatsApp's server.
    pub send_wait: Duration,
    /// How many days messages are kept; 0: for ever.
    pub retention_days: u32,
    /// When sessions rest and how much memory they may take, where nothing is chosen for one.
    pub care: Care,
    /// Words that put whoever answers with one on the opt-out list.
    pub stop_words: StopWords,
    /// How quickly sessions send that have no pace of their own.
    pub pace: Pace,
    /// What becomes of calls, where a session chose nothing else.
    pub reject_calls: RejectCalls,
    /// How long an idempotency key is remembered.
    pub idempotency_keys_kept: Duration,
    /// Where national numbers are completed to, if anywhere.
    pub region: Option<Region>,
    /// How large files may be, how long they are kept, which are loaded, and what converts them.
    pub media: MediaOptions,
    /// What is logged, as a `tracing` filter.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Whether WhatsApp is simulated.
    pub sandbox: bool,
    /// The simulation's port.
    pub sandbox_port: u16,
    shown: Vec<Shown>,
}

impl Settings {
    /// Merges what was given. Pure: the same input gives the same settings or the same error.
    ///
    /// # Errors
    /// The first setting whose value is not allowed.
    pub fn merge(
        flags: &Flags,
        environment: &Variables,
        dotenv: &Variables,
        surroundings: &Surroundings,
    ) -> Result<Self, SettingError> {
        let mut r = Reader::new(flags, environment, dotenv);
        let sandbox = r.required(names::SANDBOX, "false", value::boolean)?;
        let host = r.required(names::HOST, "127.0.0.1", value::host)?;
        let api_key = r.optional(names::API_KEY, "none", value::api_key)?;
        if api_key.is_none() && !is_loopback(&host) {
            return Err(r.refuse(
                names::HOST,
                "a loopback address (127.0.0.1, ::1, localhost), or any address together with \
                 ZAPNODE_API_KEY: without a key anybody on the network could send as you",
            ));
        }
        if sandbox && r.is_flag(names::WEB_URL) {
            return Err(r.refuse(
                names::WEB_URL,
                "left away with --sandbox, which opens its own page",
            ));
        }
        let data_dir = match r.optional(names::DATA_DIR, "", value::folder)? {
            Some(given) => given,
            None => {
                let Some(default) = surroundings.default_data_dir(sandbox) else {
                    return Err(r.refuse(
                        names::DATA_DIR,
                        "a folder; this user has no home folder to take one from",
                    ));
                };
                r.fill(names::DATA_DIR, &default);
                default
            }
        };
        let auth_dir = match r.optional(names::AUTH_DIR, "", value::folder)? {
            Some(given) => given,
            None => {
                let default = surroundings.default_auth_dir(&data_dir, sandbox);
                r.fill(names::AUTH_DIR, &default);
                default
            }
        };
        let care = Care {
            hibernate_after: Some(r.required(names::HIBERNATE_AFTER, "off", care::span)?),
            wake_every: Some(r.required(names::HIBERNATE_WAKE_EVERY, "off", care::span)?),
            memory_soft_mb: Some(r.required(names::MEMORY_SOFT_MB, "off", care::megabytes)?),
            memory_hard_mb: Some(r.required(names::MEMORY_HARD_MB, "off", care::megabytes)?),
        };
        if !care::limits_fit(care.memory_soft_mb, care.memory_hard_mb) {
            return Err(r.refuse(
                names::MEMORY_SOFT_MB,
                "a number lower than ZAPNODE_MEMORY_HARD_MB, or off",
            ));
        }
        let (chatwoot, chatwoot_signing_secret) = chatwoot::read(&mut r)?;
        let allow_private = r.required(names::ALLOW_PRIVATE, "false", value::boolean)?;
        let media = media(&mut r, surroundings, allow_private)?;
        let log = "info,headless_chrome=warn";
        Ok(Self {
            port: r.required(names::PORT, "3000", value::port)?,
            session_name: r.required(
                names::SESSION_NAME,
                "zapnode-session",
                value::session_name,
            )?,
            start_default_session: r.required(
                names::START_DEFAULT_SESSION,
                "true",
                value::boolean,
            )?,
            chrome_path: r.optional(names::CHROME_PATH, "the first found", value::path)?,
            chrome_allow: r.required(names::CHROME_ALLOW, "", value::path_list)?,
            chrome_args: r.required(names::CHROME_ARGS, "", value::words)?,
            headless: r.required(names::HEADLESS, "true", value::boolean)?,
            auto_cleanup_on_logout: r.required(names::AUTO_CLEANUP, "true", value::boolean)?,
            webhook_enabled: r.required(names::WEBHOOK_ENABLED, "true", value::boolean)?,
            webhook_url: r.optional(names::WEBHOOK_URL, "none", value::webhook_url)?,
            webhook_events: r.required(names::WEBHOOK_EVENTS, "*", value::event_names)?,
            webhook_secret: r.optional(names::WEBHOOK_SECRET, "made", value::webhook_secret)?,
            allow_private_addresses: allow_private,
            ignore: Ignore {
                groups: r.required(names::IGNORE_GROUPS, "false", value::boolean)?,
                status: r.required(names::IGNORE_STATUS, "true", value::boolean)?,
                newsletters: r.required(names::IGNORE_NEWSLETTERS, "true", value::boolean)?,
                ..Ignore::default()
            },
            events_kept: EventsKept {
                age: r.required(names::EVENTS_DAYS, "7", value::event_days)?,
                count: r.required(names::EVENTS_MAX, "1000000", value::event_limit)?,
            },
            web_url: r.required(names::WEB_URL, ChromeOptions::WHATSAPP_WEB, value::web_url)?,
            bridge_dir: r.optional(names::BRIDGE_DIR, "built in", value::folder)?,
            max_sessions: r.optional(names::MAX_SESSIONS, "no limit", value::session_limit)?,
            send_wait: r.required(names::SEND_WAIT, "10s", value::duration)?,
            retention_days: r.required(names::RETENTION_DAYS, "0", value::days)?,
            care,
            stop_words: r
                .even_empty(names::STOP_WORDS, "built in", value::stop_words)?
                .unwrap_or_default(),
            pace: r.required(names::PACE, "off", value::pace)?,
            reject_calls: RejectCalls {
                on: r.required(names::REJECT_CALLS, "false", value::boolean)?,
                text: r.optional(names::REJECT_CALLS_TEXT, "none", value::caller_text)?,
            },
            idempotency_keys_kept: r.required(names::IDEMPOTENCY_HOURS, "24", value::hours)?,
            region: r.optional(names::REGION, "none", value::region)?,
            media,
            log: r.required(names::LOG, log, value::log_filter)?,
            log_format: r.required(names::LOG_FORMAT, "text", value::log_format)?,
            sandbox_port: r.required(names::SANDBOX_PORT, "3900", value::port)?,
            sandbox,
            host,
            api_key,
            data_dir,
            auth_dir,
            chatwoot,
            chatwoot_signing_secret,
            shown: r.finish(),
        })
    }

    /// Collects environment, `.env` and surroundings from this process and merges them.
    ///
    /// # Errors
    /// As [`Settings::merge`], and when there is a `.env` that cannot be read.
    pub fn load(flags: &Flags) -> Result<(Self, Surroundings), SettingError> {
        let environment = Variables::of_process();
        let dotenv = dotenv::read(Path::new(".env"))?;
        let surroundings = Surroundings::of_process(&environment);
        let settings = Self::merge(flags, &environment, &dotenv, &surroundings)?;
        Ok((settings, surroundings))
    }

    /// Every setting with its value (secrets masked) and where that came from, in a fixed order.
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// Whether the API is reachable from this machine only.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Where the sandbox keeps its accounts.
    pub fn sandbox_state_file(&self) -> PathBuf {
        self.data_dir.join("sandbox").join("state.json")
    }
}

fn media(
    r: &mut Reader<'_>,
    surroundings: &Surroundings,
    allow_private: bool,
) -> Result<MediaOptions, SettingError> {
    let found = surroundings.ffmpeg.clone();
    Ok(MediaOptions {
        limits: MediaLimits {
            document: r.required(names::MEDIA_MAX_MB, "100", value::media_size)?,
            ..MediaLimits::default()
        },
        kept: r.required(names::MEDIA_DAYS, "30", value::media_days)?,
        download: AutoDownload {
            kinds: r.required(names::MEDIA_DOWNLOAD, "none", value::media_kinds)?,
            up_to: Some(r.required(names::MEDIA_DOWNLOAD_MAX_MB, "16", value::media_size)?),
        },
        ffmpeg: match r.optional(names::FFMPEG, "the first found", value::ffmpeg)? {
            Some(chosen) => chosen,
            None => found,
        },
        allow_private,
    })
}

/// Whether a host to listen on is this machine only. A name other than `localhost` is not
/// resolved, and so not believed.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Checks a log filter without installing it.
fn is_log_filter(text: &str) -> bool {
    EnvFilter::try_new(text).is_ok()
}

/// Checks that a text is the address of a web page.
fn is_web_page(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    })
}
