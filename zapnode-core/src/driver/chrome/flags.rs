//! The browser's arguments, as tested in `headless-chrome.md` (appendix).
//!
//! Feature names belong to Chromium 156; those another version does not know, it ignores. Per
//! session they bring the memory from 247 MB to about 130 MB on a small page (§6 there).

use std::path::Path;
use std::time::Duration;

use headless_chrome::protocol::cdp::Emulation;

use super::ChromeOptions;

const QUIET: &[&str] = &[
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    // A document kept to go back to would hold its memory, and come back without a word of its own:
    // its bridge has begun already.
    "--disable-back-forward-cache",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-breakpad",
    "--disable-client-side-phishing-detection",
    "--disable-component-extensions-with-background-pages",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-hang-monitor",
    "--disable-ipc-flooding-protection",
    "--disable-popup-blocking",
    "--disable-prompt-on-repost",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--metrics-recording-only",
    // These two decide how a profile's cookies are wrapped: never change them for a profile.
    "--password-store=basic",
    "--use-mock-keychain",
    "--mute-audio",
    "--no-default-browser-check",
    "--disable-search-engine-choice-screen",
    "--disable-software-rasterizer",
    // Without it `navigator.webdriver` is true.
    "--disable-blink-features=AutomationControlled",
    "--window-size=1280,800",
    "--disk-cache-size=67108864",
    // A page that runs away then ends alone, not with the whole machine (§3 there: 4.3 GB in 15 s).
    "--js-flags=--max-old-space-size=1024",
];

const ENABLED_FEATURES: &str = "NetworkServiceInProcess2";
const DISABLED_FEATURES: &str = "Translate,WebUIOmniboxPopup,WebUIOmniboxAimPopup,\
    WebUIOmniboxFullPopup,SpareRendererForSitePerProcess,MediaRouter,OptimizationHints,\
    AudioServiceOutOfProcess";

const ENABLE: &str = "--enable-features=";
const DISABLE: &str = "--disable-features=";

/// All arguments besides those that headless_chrome adds itself (port and profile). The first
/// page comes last: some wrapper scripts move what follows it.
pub(crate) fn arguments(
    options: &ChromeOptions,
    headless: bool,
    user_agent: Option<&str>,
) -> Vec<String> {
    let mut enabled = ENABLED_FEATURES.to_owned();
    let mut disabled = DISABLED_FEATURES.to_owned();
    let mut arguments: Vec<String> = QUIET.iter().map(|&flag| flag.to_owned()).collect();
    if headless {
        arguments.push("--headless".to_owned());
        arguments.push("--disable-gpu".to_owned());
    }
    if options.no_sandbox {
        arguments.push("--no-sandbox".to_owned());
        arguments.push("--disable-setuid-sandbox".to_owned());
    }
    if let Some(user_agent) = user_agent {
        arguments.push(format!("--user-agent={user_agent}"));
    }
    for extra in &options.extra_args {
        // Of a repeated list Chrome takes the last alone, so theirs is joined to ours.
        if let Some(features) = extra.strip_prefix(ENABLE) {
            join(&mut enabled, features);
        } else if let Some(features) = extra.strip_prefix(DISABLE) {
            join(&mut disabled, features);
        } else {
            arguments.push(extra.clone());
        }
    }
    arguments.push(format!("{ENABLE}{enabled}"));
    arguments.push(format!("{DISABLE}{disabled}"));
    arguments.push("about:blank".to_owned());
    arguments
}

fn join(list: &mut String, more: &str) {
    for feature in more.split(',').filter(|feature| !feature.is_empty()) {
        if !list.split(',').any(|known| known == feature) {
            list.push(',');
            list.push_str(feature);
        }
    }
}

/// The user agent of a browser with a window, with the version cut as Chrome cuts it. The page
/// refuses to boot where the user agent says `HeadlessChrome` (fact sheet §1.1).
pub(crate) fn user_agent(version: &str) -> Option<String> {
    let major = version.split('.').next()?;
    let platform = if cfg!(target_os = "macos") {
        "Macintosh; Intel Mac OS X 10_15_7"
    } else {
        "X11; Linux x86_64"
    };
    Some(format!(
        "Mozilla/5.0 ({platform}) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/{major}.0.0.0 Safari/537.36"
    ))
}

/// The same with the client hints that belong to it. Measured: given the user agent alone, Chromium
/// 156 answers a page that asks for its full version with nothing.
pub(crate) fn user_agent_override(
    user_agent: String,
    version: &str,
) -> Emulation::SetUserAgentOverride {
    let metadata = Emulation::UserAgentMetadata {
        // Absent: the browser's own.
        brands: None,
        full_version_list: None,
        full_version: Some(version.to_owned()),
        platform: if cfg!(target_os = "macos") {
            "macOS"
        } else {
            "Linux"
        }
        .to_owned(),
        platform_version: String::new(),
        architecture: if cfg!(target_arch = "aarch64") {
            "arm"
        } else {
            "x86"
        }
        .to_owned(),
        model: String::new(),
        mobile: false,
        bitness: Some("64".to_owned()),
        wow_64: None,
        form_factors: None,
    };
    Emulation::SetUserAgentOverride {
        user_agent,
        accept_language: None,
        platform: None,
        user_agent_metadata: Some(metadata),
    }
}

/// Asks a browser for its version, as `156.0.8078.79`. Takes about 0.2 s; `None` if it does not
/// say in time.
pub(crate) async fn version(executable: &Path) -> Option<String> {
    let asked = tokio::process::Command::new(executable)
        .arg("--version")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(10), asked).await;
    let text = output.ok()?.ok()?.stdout;
    version_in(&String::from_utf8_lossy(&text)).map(str::to_owned)
}

/// The first word that is a version: `Chromium 156.0.8078.79 built on …`.
fn version_in(text: &str) -> Option<&str> {
    text.split_whitespace().find(|word| {
        word.split('.').count() == 4
            && word
                .split('.')
                .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_joined_other_extras_follow_ours_and_the_page_is_last() {
        let options = ChromeOptions {
            extra_args: [
                "--lang=pt",
                "--disable-features=Foo,Translate",
                "--enable-features=Bar",
                "--window-size=800,600",
            ]
            .map(str::to_owned)
            .to_vec(),
            no_sandbox: false,
            ..ChromeOptions::new("/tmp")
        };
        let arguments = arguments(&options, true, Some("UA"));
        let all = |prefix: &str| -> Vec<&String> {
            arguments.iter().filter(|a| a.starts_with(prefix)).collect()
        };
        assert_eq!(all(DISABLE).len(), 1);
        assert!(all(DISABLE)[0].ends_with("AudioServiceOutOfProcess,Foo"));
        assert_eq!(
            all(ENABLE),
            ["--enable-features=NetworkServiceInProcess2,Bar"]
        );
        assert_eq!(
            all("--window-size"),
            ["--window-size=1280,800", "--window-size=800,600"]
        );
        assert_eq!(arguments.last().map(String::as_str), Some("about:blank"));
        assert!(all("--no-sandbox").is_empty());
        assert!(all("--ignore-certificate-errors").is_empty());
        assert!(all("--user-agent=UA").len() == 1 && all("--lang=pt").len() == 1);
    }

    #[test]
    fn versions_are_found_and_cut() {
        assert_eq!(
            version_in("Chromium 156.0.8078.79 built on Debian GNU/Linux 12"),
            Some("156.0.8078.79")
        );
        assert_eq!(version_in("Google Chrome 99.0.1.2 "), Some("99.0.1.2"));
        assert_eq!(version_in("sh: 1: not found"), None);
        let agent = user_agent("156.0.8078.79").expect("an agent");
        assert!(agent.contains("Chrome/156.0.0.0 ") && !agent.contains("Headless"));
    }
}
