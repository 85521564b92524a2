use std::path::Path;
use std::time::Duration;

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

use super::Context;
use crate::error::{CliError, Kind};

/// How long the page may take to say where it stands.
const PAGE_WITHIN: Duration = Duration::from_secs(45);

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
        findings.extend(page(&driver).await);
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
    match written {
        Ok(()) if path.is_dir() => Finding::ok(what, path.display().to_string()),
        Ok(()) => Finding::ok(what, format!("{} (will be made)", path.display())),
        Err(error) => Finding::fail(
            what,
            format!("{}: {error}", path.display()),
            "Give this user the right to write there, or choose another folder.",
        ),
    }
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

/// Opens the page as a session would, and asks the bridge what it found.
async fn page(driver: &ChromeDriver) -> Vec<Finding> {
    let url = &driver.options().web_url;
    let Ok(session) = SessionId::new("doctor") else {
        return vec![];
    };
    let name = format!("zapnode-doctor-{}", std::process::id());
    let login = StoredLogin {
        folder: std::env::temp_dir().join(name),
        session,
    };
    let request = OpenRequest {
        login: login.clone(),
        options: SessionOptions::default(),
    };
    let findings = match driver.open(request).await {
        Ok(mut opened) => {
            let findings = look(url, &mut opened).await;
            if let Err(error) = opened.connection.close().await {
                tracing::warn!(
                    error = with_causes(&error),
                    "the browser did not close well"
                );
            }
            findings
        }
        Err(error @ DriverError::PageUnreachable { .. }) => vec![Finding::fail(
            "page",
            error.to_string(),
            "Check the network of this machine and the address.",
        )],
        Err(error) => vec![Finding::fail(
            "browser",
            with_causes(&error),
            "Start it by hand with --headless and see what it says.",
        )],
    };
    if let Err(error) = driver.forget(&login).await {
        tracing::warn!(error = with_causes(&error), "the throw-away profile stays");
    }
    findings
}

async fn look(url: &str, opened: &mut Opened) -> Vec<Finding> {
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
    let page = match tokio::time::timeout(PAGE_WITHIN, spoken).await {
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
            format!("{url} said nothing within {} s", PAGE_WITHIN.as_secs()),
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
