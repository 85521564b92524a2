//! Which browser to start: the one configured, the usual places, and what a caller may name.
//!
//! A caller naming any binary would be remote code execution, so a session's `chromePath` is
//! honoured only when it is the configured browser, on the allow-list, or one of the usual places.
//! `PATH` is not read: the core reads no environment.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::ChromeOptions;
use crate::driver::DriverError;
use crate::options::SessionOptions;

/// Where browsers are usually installed, in the order in which they are taken.
const USUAL_PLACES: &[&str] = &[
    "/usr/bin/google-chrome-stable",
    "/usr/bin/google-chrome",
    "/opt/google/chrome/chrome",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/lib/chromium/chromium",
    "/usr/lib/chromium-browser/chromium-browser",
    "/snap/bin/chromium",
    "/usr/local/bin/google-chrome",
    "/usr/local/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/// Usual places of other systems. They cannot exist here, and people paste them from guides:
/// then the configured browser is used, with a warning.
const USUAL_ELSEWHERE: &[&str] = &[
    r"c:\program files\google\chrome\application\chrome.exe",
    r"c:\program files (x86)\google\chrome\application\chrome.exe",
    r"c:\program files\chromium\application\chrome.exe",
];

/// Where the real binary lies when the file of a usual place is a shell script around it.
/// Debian's script moves arguments about, and a script in between would get our signals.
const BEHIND_SCRIPTS: &[(&str, &[&str])] = &[
    (
        "chromium",
        &[
            "/usr/lib/chromium/chromium",
            "/usr/lib64/chromium-browser/chromium-browser",
        ],
    ),
    (
        "chromium-browser",
        &[
            "/usr/lib/chromium-browser/chromium-browser",
            "/usr/lib/chromium/chromium",
            "/usr/lib64/chromium-browser/chromium-browser",
        ],
    ),
    ("google-chrome", &["/opt/google/chrome/chrome"]),
    ("google-chrome-stable", &["/opt/google/chrome/chrome"]),
];

/// Says whether a session may have the browser it asks for, and which one that is.
///
/// `None`: it asks for none, or for one that can only exist on another system.
fn asked_for<'a>(
    options: &ChromeOptions,
    session: &'a SessionOptions,
) -> Result<Option<&'a Path>, DriverError> {
    let Some(asked) = session.chrome_path.as_deref() else {
        return Ok(None);
    };
    let configured = options.executable.as_deref();
    if configured == Some(asked) || options.allowed.iter().any(|allowed| allowed == asked) {
        return Ok(Some(asked));
    }
    let text = asked.to_string_lossy();
    if USUAL_PLACES.contains(&&*text) {
        if asked.is_file() {
            return Ok(Some(asked));
        }
    } else if !USUAL_ELSEWHERE.contains(&&*text.replace('/', r"\").to_lowercase()) {
        return Err(DriverError::BrowserNotAllowed {
            path: asked.to_owned(),
        });
    }
    tracing::warn!(
        asked = %asked.display(),
        "the browser a session asks for is not on this machine; using the configured one"
    );
    Ok(None)
}

/// Checks what a session asks for against what is allowed and possible here.
pub(crate) fn check(options: &ChromeOptions, session: &SessionOptions) -> Result<(), DriverError> {
    asked_for(options, session)?;
    let headless = session.headless.unwrap_or(options.headless);
    if !headless && !options.has_display {
        return Err(DriverError::NoDisplay);
    }
    Ok(())
}

/// Finds the binary to start for a session.
pub(crate) fn executable(
    options: &ChromeOptions,
    session: &SessionOptions,
) -> Result<PathBuf, DriverError> {
    let named = match asked_for(options, session)? {
        Some(asked) => Some(asked.to_owned()),
        None => options.executable.clone(),
    };
    let candidates = match named {
        Some(named) => vec![named],
        None => USUAL_PLACES.iter().map(PathBuf::from).collect(),
    };
    match candidates.iter().find(|path| path.is_file()) {
        Some(found) => Ok(behind_script(found)),
        None => Err(DriverError::BrowserNotFound {
            searched: candidates,
        }),
    }
}

/// The real binary behind a distribution's launch script, or the file itself.
fn behind_script(path: &Path) -> PathBuf {
    if !is_script(path) {
        return path.to_owned();
    }
    let name = path.file_name().map(|name| name.to_string_lossy());
    BEHIND_SCRIPTS
        .iter()
        .filter(|(script, _)| name.as_deref() == Some(script))
        // Only for scripts of the system: another one with this name may do what it must.
        .filter(|_| path.starts_with("/usr"))
        .flat_map(|(_, binaries)| binaries.iter())
        .map(PathBuf::from)
        .find(|binary| binary.is_file() && !is_script(binary))
        .unwrap_or_else(|| path.to_owned())
}

fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok()) && &start == b"#!"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(path: &str) -> SessionOptions {
        SessionOptions {
            chrome_path: Some(PathBuf::from(path)),
            ..SessionOptions::default()
        }
    }

    fn options() -> ChromeOptions {
        ChromeOptions {
            executable: Some(PathBuf::from("/opt/mine/chrome")),
            allowed: vec![PathBuf::from("/opt/other/chrome")],
            ..ChromeOptions::new("/tmp")
        }
    }

    #[test]
    fn a_session_may_name_the_configured_browser_the_allowed_ones_and_the_usual_places() {
        let options = options();
        for good in [
            "/opt/mine/chrome",
            "/opt/other/chrome",
            "/usr/bin/chromium",
            "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
            r"C:\Program Files\Google\Chrome\Application\chrome.exe",
            "C:/Program Files/Google/Chrome/Application/chrome.exe",
        ] {
            assert!(check(&options, &session(good)).is_ok(), "{good}");
        }
        for bad in [
            "/bin/sh",
            "chromium",
            "/usr/bin/../bin/chromium",
            r"C:\evil.exe",
        ] {
            assert!(
                matches!(
                    check(&options, &session(bad)),
                    Err(DriverError::BrowserNotAllowed { path }) if path == Path::new(bad)
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_place_of_another_system_means_the_configured_browser() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let options = ChromeOptions {
            executable: Some(file.path().to_owned()),
            ..options()
        };
        let windows = session(r"C:\Program Files\Google\Chrome\Application\chrome.exe");
        let found = executable(&options, &windows).expect("a browser");
        assert_eq!(found, file.path());
    }

    #[test]
    fn what_was_searched_is_named() {
        let error = executable(&options(), &SessionOptions::default()).expect_err("not there");
        let DriverError::BrowserNotFound { searched } = error else {
            panic!("{error}");
        };
        assert_eq!(searched, [PathBuf::from("/opt/mine/chrome")]);
    }

    #[test]
    fn a_window_needs_a_display() {
        let visible = SessionOptions {
            headless: Some(false),
            ..SessionOptions::default()
        };
        let mut options = options();
        assert!(matches!(
            check(&options, &visible),
            Err(DriverError::NoDisplay)
        ));
        options.has_display = true;
        assert!(check(&options, &visible).is_ok());
    }

    #[test]
    fn a_script_of_an_unknown_name_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("chromium");
        std::fs::write(&script, "#!/bin/sh\n").expect("written");
        assert_eq!(behind_script(&script), script);
    }
}
