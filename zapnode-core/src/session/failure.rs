//! What is kept of a session's last failure: when and why, what was tried, the page's last words,
//! and a picture of it if the page could still be drawn. One file of each for every session, under
//! the data folder, for its owner's eyes only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::machine::{Next, Phase, Step, Trouble};
use super::status::ReasonCode;
use crate::id::SessionId;
use crate::owner::private_folder;

/// The folder's name in the data folder.
const FOLDER: &str = "failures";

/// The last failure of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastFailure {
    /// When it was noticed.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The state's word that it led to: `recovering` or `failed`.
    pub state: String,
    /// The reason's code.
    pub code: String,
    /// What happened, in words.
    pub detail: String,
    /// What was tried before, and how often.
    pub tried: Vec<(Step, u32)>,
    /// The last words of the page, oldest first; without what people wrote.
    pub console_tail: Vec<String>,
    /// Whether there is a picture.
    pub has_screenshot: bool,
}

impl LastFailure {
    /// What a person can do about it, if this version knows the reason.
    pub fn hint(&self) -> Option<&'static str> {
        Some(ReasonCode::parse(&self.code)?.hint())
    }
}

/// How bad a phase is: worse ones are worth a new record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    Well,
    Hurt,
    GivenUp,
}

pub(crate) fn severity(phase: &Phase) -> Severity {
    match phase {
        Phase::Failed
        | Phase::Closing {
            next: Next::Failed, ..
        } => Severity::GivenUp,
        Phase::Waiting => Severity::Hurt,
        // Without a pause it is a remedy and no failure.
        Phase::Closing {
            next: Next::Retry { pause },
            ..
        } if !pause.is_zero() => Severity::Hurt,
        Phase::Shaken { trouble, .. } => match trouble {
            Trouble::Unlinked | Trouble::Silent | Trouble::Deaf => Severity::Hurt,
            // Pages do this by themselves, and it was asked for.
            Trouble::Reloaded | Trouble::Heavy => Severity::Well,
        },
        _ => Severity::Well,
    }
}

/// Where failures are kept.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    folder: PathBuf,
}

impl Records {
    pub(crate) fn in_folder(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join(FOLDER),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn text(&self, session: &SessionId) -> PathBuf {
        self.folder.join(format!("{session}.json"))
    }

    fn picture(&self, session: &SessionId) -> PathBuf {
        self.folder.join(format!("{session}.png"))
    }

    /// Puts a failure in the place of the last one. Blocks.
    pub(crate) fn write(
        &self,
        session: &SessionId,
        failure: &LastFailure,
        picture: Option<&[u8]>,
    ) -> io::Result<()> {
        private_folder(&self.folder)?;
        match picture {
            Some(png) => write_whole(&self.picture(session), png)?,
            // Not the picture of another failure.
            None => remove(&self.picture(session))?,
        }
        write_whole(&self.text(session), &serde_json::to_vec(failure)?)
    }

    /// Reads the last failure. Blocks. One that cannot be understood is as good as none.
    pub(crate) fn read(&self, session: &SessionId) -> io::Result<Option<LastFailure>> {
        match fs::read(self.text(session)) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads its picture. Blocks.
    pub(crate) fn read_picture(&self, session: &SessionId) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.picture(session)) {
            Ok(png) => Ok(Some(png)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what is kept of a session. Blocks.
    pub(crate) fn forget(&self, session: &SessionId) -> io::Result<()> {
        remove(&self.picture(session))?;
        remove(&self.text(session))
    }
}

/// A reader finds the old file or the new one, never half of one.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    remove(&fresh)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(&fresh, path)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    #[test]
    fn the_last_failure_is_kept_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let records = Records::in_folder(folder.path());
        let id = SessionId::new("loja").expect("an id");
        assert_eq!(records.read(&id).expect("none"), None);
        let mut failure = LastFailure {
            at: crate::store::now(),
            state: "recovering".to_owned(),
            code: "page_stalled".to_owned(),
            detail: "the page did not answer".to_owned(),
            tried: vec![(Step::Reload, 2)],
            console_tail: vec!["12:00:00 error: x".to_owned()],
            has_screenshot: true,
        };
        records.write(&id, &failure, Some(b"png")).expect("written");
        assert_eq!(records.read(&id).expect("read"), Some(failure.clone()));
        assert_eq!(
            records.read_picture(&id).expect("read").as_deref(),
            Some(b"png".as_slice())
        );
        for path in [records.text(&id), records.picture(&id)] {
            let mode = fs::metadata(path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert!(failure.hint().is_some());
        // The next one, of which there is no picture, takes the former's place.
        failure.code = "from_a_later_version".to_owned();
        failure.has_screenshot = false;
        records.write(&id, &failure, None).expect("written");
        assert_eq!(records.read_picture(&id).expect("read"), None);
        assert_eq!(
            (records.read(&id).expect("read"), failure.hint()),
            (Some(failure), None)
        );
        records.forget(&id).expect("forgotten");
        assert_eq!(records.read(&id).expect("none"), None);
        records.forget(&id).expect("again is no error");
    }

    #[test]
    fn what_is_a_failure() {
        let shaken = |trouble| Phase::Shaken {
            trouble,
            step: None,
        };
        let closing = |next| Phase::Closing {
            next,
            start_after: false,
        };
        let retry = |s| Next::Retry {
            pause: Duration::from_secs(s),
        };
        for (phase, expected) in [
            (Phase::Loading, Severity::Well),
            (Phase::AwaitingLogin, Severity::Well),
            (closing(Next::Stopped), Severity::Well),
            (closing(Next::Restart), Severity::Well),
            (closing(Next::LoggedOut { remotely: true }), Severity::Well),
            (closing(retry(0)), Severity::Well),
            (shaken(Trouble::Reloaded), Severity::Well),
            (shaken(Trouble::Heavy), Severity::Well),
            (shaken(Trouble::Unlinked), Severity::Hurt),
            (shaken(Trouble::Silent), Severity::Hurt),
            (shaken(Trouble::Deaf), Severity::Hurt),
            (closing(retry(1)), Severity::Hurt),
            (Phase::Waiting, Severity::Hurt),
            (closing(Next::Failed), Severity::GivenUp),
            (Phase::Failed, Severity::GivenUp),
        ] {
            assert_eq!(severity(&phase), expected, "{phase:?}");
        }
    }
}
