//! What the daemon says first.

use std::fmt::Write as _;

use zapnode_core::sandbox::Sandbox;
use zapnode_http::settings::{Settings, Surroundings};

use super::console::say;

/// What there is to say.
pub(super) struct Banner<'a> {
    pub(super) settings: &'a Settings,
    pub(super) surroundings: &'a Surroundings,
    pub(super) url: &'a str,
    pub(super) page: &'a str,
    pub(super) sandbox: Option<&'a Sandbox>,
}

/// Prints it.
pub(super) fn print(banner: &Banner<'_>) {
    say(&text(banner));
}

/// The same in a log for programs. What matters to them is the address.
pub(super) fn log(url: &str, sandbox: Option<&Sandbox>) {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), url, "listening");
    if let Some(sandbox) = sandbox {
        let phones_page = sandbox.phones_url();
        tracing::warn!(
            phones_page,
            "SIMULATED WhatsApp: nothing reaches real people"
        );
    }
}

fn text(banner: &Banner<'_>) -> String {
    let Banner { settings, url, .. } = banner;
    let mut text = format!("ZapNode {}\n", env!("CARGO_PKG_VERSION"));
    let browser = match &settings.chrome_path {
        Some(path) => path.display().to_string(),
        None => "the first Chrome or Chromium found".to_owned(),
    };
    let rows = [
        ("Listening on", (*url).to_owned()),
        ("Data folder", settings.data_dir.display().to_string()),
        ("Logins", settings.auth_dir.display().to_string()),
        ("Browser", browser),
        ("WhatsApp page", banner.page.to_owned()),
    ];
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:<14} {value}");
    }
    if settings.api_key.is_none() {
        text.push_str(
            "  No API key is set: every program on this machine can use the API, and no other \
             machine can.\n",
        );
    }
    if !settings.headless && !banner.surroundings.has_display {
        text.push_str(
            "  HEADLESS=false, but there is no display: sessions that do not say headless: true \
             cannot start.\n",
        );
    }
    if let Some(sandbox) = banner.sandbox {
        text.push_str(&simulated(settings, url, sandbox));
    }
    text
}

fn simulated(settings: &Settings, url: &str, sandbox: &Sandbox) -> String {
    let (page, phones, session) = (sandbox.url(), sandbox.phones_url(), &settings.session_name);
    let page = page.trim_end_matches('/');
    let key = match settings.api_key {
        Some(_) => " -H \"X-Api-Key: $ZAPNODE_API_KEY\"",
        None => "",
    };
    format!(
        "\n  *** SIMULATED WhatsApp: no phone is needed, and nothing reaches real people. ***\n\
         \x20 Phones page    {phones}\n\
         \n  Try it, once the QR is shown:\n\
         \n    # a simulated phone scans the waiting QR\n\
         \x20   curl -X POST {page}/_sandbox/phones/244929782402/scan\n\
         \n    # send a message to another simulated phone\n\
         \x20   curl -X POST {url}/sessions/{session}/send{key} \\\n\
         \x20     -H 'Content-Type: application/json' \\\n\
         \x20     -d '{{\"phoneNumber\":\"+55 11 91234-5678\",\"message\":\"Hello!\"}}'\n\n"
    )
}
