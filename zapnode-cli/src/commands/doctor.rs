use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use zapnode_core::SessionId;
use zapnode_core::driver::chrome::ChromeDriver;
use zapnode_core::driver::{
    Driver, DriverError, DriverEvent, LinkState, OpenRequest, Opened, SelfTest, StoredLogin,
};
use zapnode_core::options::SessionOptions;
use zapnode_core::owner::DataFolder;
use zapnode_core::with_causes;

use super::{Context, interruptible};
use crate::error::{CliError, Kind};

/// How long the page may take to say where it stands.
const PAGE_WITHIN: Duration = Duration::from_secs(45);

/// How long a browser may take to end.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// What a login and its caches take; below this the next one may not fit.
const SPACE_WANTED_MB: u64 = 500;

/// Look at everything a session needs, and say what is wrong and what to do
///
/// Opens the page in a throw-away profile; no session is touched.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {}

/// One thing that was looked at.
struct Finding {
    verdict: Verdict,
    what: &'static str,
    detail: String,
    hint: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl Finding {
    fn new(verdict: Verdict, what: &'static str, detail: impl Into<String>) -> Self {
        Self {
            verdict,
            what,
            detail: detail.into(),
            hint: None,
        }
    }

    fn ok(what: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, what, detail)
    }

    fn fail(what: &'static str, detail: impl Into<String>, hint: &str) -> Self {
        Self {
            hint: Some(hint.to_owned()),
            ..Self::new(Verdict::Fail, what, detail)
        }
    }
}

pub(crate) async fn run(_: &DoctorArgs, context: &Context) -> Result<(), CliError> {
    let mut findings = vec![
        folder("data folder", &context.settings.data_dir),
        folder("logins", &context.settings.auth_dir),
        owner(&context.settings.data_dir),
    ];
    let mut chrome = context.settings.chrome_options(&context.surroundings);
    if context.settings.sandbox {
        chrome.web_url = format!("http://127.0.0.1:{}/", context.settings.sandbox_port);
    }
    let driver = ChromeDriver::new(chrome);
    let browser = browser(&driver).await;
    let has_browser = browser.verdict == Verdict::Ok;
    findings.push(browser);
    if has_browser {
        context
            .progress
            .say("opening the page in a throw-away profile");
        findings.extend(page(&driver, context.global.patience(PAGE_WITHIN)).await?);
    }
    let failed = findings.iter().any(|f| f.verdict == Verdict::Fail);
    report(&findings, !failed, context);
    if failed {
        return Err(CliError::told(Kind::Other));
    }
    Ok(())
}

fn report(findings: &[Finding], healthy: bool, context: &Context) {
    let lines = findings.iter().map(|finding| {
        let mut line = format!(
            "{:<5} {:<12} {}",
            finding.verdict.word(),
            finding.what,
            finding.detail
        );
        if let Some(hint) = &finding.hint {
            line = format!("{line}\n      {:<12} → {hint}", "");
        }
        line
    });
    let lines: Vec<_> = lines.collect();
    let values: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "verdict": finding.verdict.word(),
                "what": finding.what,
                "detail": finding.detail,
                "hint": finding.hint,
            })
        })
        .collect();
    let report = json!({"success": healthy, "findings": values});
    context
        .progress
        .hide(|| context.output.result(lines.join("\n"), &report));
}

/// Whether a folder can be written, or could be made.
fn folder(what: &'static str, path: &Path) -> Finding {
    let existing = path.ancestors().find(|folder| folder.is_dir());
    let probe =
        existing.map(|folder| folder.join(format!(".zapnode-doctor-{}", std::process::id())));
    let written = match &probe {
        Some(probe) => std::fs::write(probe, b"x").and_then(|()| std::fs::remove_file(probe)),
        None => Err(std::io::ErrorKind::NotFound.into()),
    };
    if let Err(error) = written {
        return Finding::fail(
            what,
            format!("{}: {error}", path.display()),
            "Give this user the right to write there, or choose another folder.",
        );
    }
    let mut detail = path.display().to_string();
    if !path.is_dir() {
        detail += " (will be made)";
    }
    room(what, detail, existing.and_then(free_mb))
}

/// A folder that can be written, judged by the room on its disk, where the system tells it.
fn room(what: &'static str, folder: String, free_mb: Option<u64>) -> Finding {
    let Some(free_mb) = free_mb else {
        return Finding::ok(what, folder);
    };
    let detail = format!("{folder}, {free_mb} MB free");
    if free_mb >= SPACE_WANTED_MB {
        return Finding::ok(what, detail);
    }
    let hint = format!("Make room: {SPACE_WANTED_MB} MB should be free for a session's browser.");
    Finding {
        hint: Some(hint),
        ..Finding::new(Verdict::Warn, what, detail)
    }
}

fn free_mb(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize) / (1024 * 1024))
}

fn owner(data_dir: &Path) -> Finding {
    match DataFolder::owner_of(data_dir) {
        None => Finding::ok("owner", "no ZapNode is running on this data folder"),
        Some(owner) => Finding::ok("owner", owner.to_string()),
    }
}

async fn browser(driver: &ChromeDriver) -> Finding {
    const HINT: &str = "Install Chromium or Google Chrome, or set CHROME_PATH to the one you have.";
    let path = match driver.browser() {
        Ok(path) => path,
        Err(error) => return Finding::fail("browser", error.to_string(), HINT),
    };
    match driver.browser_version().await {
        Some(version) => Finding::ok(
            "browser",
            format!("Chrome or Chromium {version} at {}", path.display()),
        ),
        None => Finding::fail(
            "browser",
            format!("{} does not say its version", path.display()),
            "Start it by hand and see what it says.",
        ),
    }
}

/// Opens the page as a session would, and asks the bridge what it found. Whatever comes between,
/// the browser is closed and the throw-away profile deleted.
async fn page(driver: &ChromeDriver, within: Duration) -> Result<Vec<Finding>, CliError> {
    let url = &driver.options().web_url;
    let session = SessionId::new("doctor").map_err(|error| CliError::other(error.to_string()))?;
    let folder = tempfile::Builder::new().prefix("zapnode-doctor-").tempdir();
    let folder = folder
        .map_err(|error| CliError::other(format!("no folder for a throw-away profile: {error}")))?;
    let login = StoredLogin {
        folder: folder.path().join(session.profile_folder()),
        session,
    };
    let request = OpenRequest {
        login: login.clone(),
        options: SessionOptions::default(),
    };
    let opening = interruptible(async { Ok(driver.open(request).await) }).await;
    let findings = match opening {
        Ok(Ok(mut opened)) => {
            let looked = interruptible(async { Ok(look(url, &mut opened, within).await) }).await;
            if let Err(error) = opened.connection.close().await {
                tracing::warn!(
                    error = with_causes(&error),
                    "the browser did not close well"
                );
            }
            looked
        }
        Ok(Err(error)) => Ok(vec![not_opened(&error)]),
        Err(interrupted) => Err(interrupted),
    };
    forget(driver, &login).await;
    findings
}

/// Deletes the throw-away profile. A browser whose opening was interrupted is ended in the
/// background and tells nobody when it has gone, so it is asked again until then.
async fn forget(driver: &ChromeDriver, login: &StoredLogin) {
    let end = Instant::now() + GONE_WITHIN;
    let mut look = tokio::time::interval(Duration::from_millis(200));
    loop {
        look.tick().await;
        match driver.forget(login).await {
            Ok(()) => return,
            Err(DriverError::ProfileInUse { .. }) if Instant::now() < end => {}
            Err(error) => {
                tracing::warn!(error = with_causes(&error), "the throw-away profile stays");
                return;
            }
        }
    }
}

fn not_opened(error: &DriverError) -> Finding {
    match error {
        DriverError::PageUnreachable { .. } => Finding::fail(
            "page",
            error.to_string(),
            "Check the network of this machine and the address.",
        ),
        _ => Finding::fail(
            "browser",
            with_causes(error),
            "Start it by hand with --headless and see what it says.",
        ),
    }
}

async fn look(url: &str, opened: &mut Opened, within: Duration) -> Vec<Finding> {
    let spoken = async {
        while let Some(event) = opened.events.recv().await {
            match event {
                DriverEvent::Link(LinkState::Connecting) => {}
                DriverEvent::Link(link) => return Some(link),
                DriverEvent::Closed(_) => return None,
                _ => {}
            }
        }
        None
    };
    let page = match tokio::time::timeout(within, spoken).await {
        Ok(Some(LinkState::Refused(why))) => Finding::fail(
            "page",
            format!("{url} refuses this browser: {why:?}"),
            "Update Chromium; see the README for what each reason means.",
        ),
        Ok(Some(_)) => Finding::ok("page", format!("{url} is up and asks for a login")),
        Ok(None) => Finding::fail(
            "page",
            "the browser ended while it loaded the page",
            "Look at the machine's memory; run `zapnode doctor -vv`.",
        ),
        Err(_) => Finding::fail(
            "page",
            format!("{url} said nothing within {} s", within.as_secs()),
            "Check the network; or the page is no WhatsApp Web.",
        ),
    };
    let healthy = page.verdict == Verdict::Ok;
    let mut findings = vec![page];
    if healthy {
        findings.push(match opened.connection.self_test().await {
            Ok(test) => bridge(&test),
            Err(error) => Finding::fail("bridge", error.to_string(), "Run it again."),
        });
    }
    findings
}

fn bridge(test: &SelfTest) -> Finding {
    let missing = |needed: bool| {
        let missed = test
            .probes
            .iter()
            .filter(|probe| !probe.found && probe.needed == needed);
        missed.map(|probe| probe.part.clone()).collect::<Vec<_>>()
    };
    let (needed, optional) = (missing(true), missing(false));
    let version = test.version.as_deref().unwrap_or("unknown build");
    let found = test.probes.iter().filter(|probe| probe.found).count();
    let detail = format!("{version}; {found} of {} parts found", test.probes.len());
    if needed.is_empty() {
        let rest = match optional.len() {
            0 => String::new(),
            _ => format!("; without: {}", optional.join(", ")),
        };
        return Finding::ok("bridge", detail + &rest);
    }
    // Some parts come only after a login, so this is no proof that anything is broken.
    let mut finding = Finding::new(
        Verdict::Warn,
        "bridge",
        format!("{detail}; missing: {}", needed.join(", ")),
    );
    finding.hint = Some(
        "If sessions do not become ready either: WhatsApp Web has changed; look for a newer \
         bridge (--bridge-dir)."
            .to_owned(),
    );
    finding
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_warned_of_and_an_unknown_one_is_not() {
        let judged = |free| room("data folder", "/data".to_owned(), free);
        let roomy = judged(Some(SPACE_WANTED_MB));
        assert!(roomy.verdict == Verdict::Ok && roomy.hint.is_none());
        let tight = judged(Some(3));
        assert!(tight.verdict == Verdict::Warn && tight.hint.is_some());
        assert_eq!(tight.detail, "/data, 3 MB free");
        assert!(judged(None).verdict == Verdict::Ok);
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_it_will_be_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let finding = super::folder("logins", &folder.path().join("a/b"));
        assert!(finding.verdict != Verdict::Fail);
        assert!(finding.detail.contains("(will be made)"));
    }
}
