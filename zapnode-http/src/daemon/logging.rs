//! The log: to standard output, as text for people or JSON for programs.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use zapnode_http::settings::{LogFormat, Settings};

/// Starts logging. The filter was checked with the other settings.
pub(crate) fn install(settings: &Settings) {
    let filter = EnvFilter::new(&settings.log);
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    match settings.log_format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder
            .with_ansi(std::io::stdout().is_terminal())
            .with_target(false)
            .init(),
    }
}
