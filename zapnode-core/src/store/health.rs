//! Whether the store can do its work, and whose fault an error is.

use rusqlite::ErrorCode;
use rusqlite::ffi;
use time::OffsetDateTime;

use super::StoreError;

/// How the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// In one word.
    pub state: StoreState,
    /// Since when.
    pub since: OffsetDateTime,
    /// How many changes to accepted messages and to sessions wait in memory until they can be
    /// written, in order. They are not lost while the program runs; what was not written when it
    /// ends is asked of WhatsApp's page at the next start.
    pub waiting: usize,
    /// What SQLite or the system said, when it is not well.
    pub detail: Option<String>,
}

/// How the store is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreState {
    /// It takes everything.
    Well,
    /// There is no room: nothing new is accepted. Passes by itself once there is room.
    Full,
    /// Its file cannot be written or read: nothing new is accepted. It is tried again by itself.
    Failing,
    /// Its file is damaged. Stays so until the program is started on a good one.
    Damaged,
}

impl StoreState {
    /// The word on our wires.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Full => "full",
            Self::Failing => "failing",
            Self::Damaged => "damaged",
        }
    }

    /// What a person can do about it.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Well => None,
            Self::Full => Some(
                "Make room on the disk of the data folder; sends are taken again by themselves.",
            ),
            Self::Failing => Some(
                "See to the disk of the data folder and its rights; it is tried again every second.",
            ),
            Self::Damaged => Some(
                "Stop ZapNode, keep a copy of the data folder, and put a backup back: zapnode restore FILE --force.",
            ),
        }
    }
}

impl StoreHealth {
    /// As it is after it was opened.
    pub(super) fn well() -> Self {
        Self {
            state: StoreState::Well,
            since: OffsetDateTime::now_utc(),
            waiting: 0,
            detail: None,
        }
    }

    /// Whether it takes everything.
    pub fn is_well(&self) -> bool {
        self.state == StoreState::Well
    }
}

/// The store's own trouble that an error speaks of; absent when the job was at fault.
pub(super) fn trouble(error: &StoreError) -> Option<StoreState> {
    match error {
        StoreError::Full(_) => Some(StoreState::Full),
        StoreError::Io(_) => Some(StoreState::Failing),
        StoreError::Damaged(_) => Some(StoreState::Damaged),
        StoreError::Sqlite(_)
        | StoreError::Newer { .. }
        | StoreError::Closed
        | StoreError::Stalled { .. } => None,
    }
}

/// Whether it can pass by itself, so that trying again makes sense.
pub(super) fn passes(state: StoreState) -> bool {
    matches!(state, StoreState::Full | StoreState::Failing)
}

/// The situation that an error of SQLite is.
pub(super) fn situation(error: rusqlite::Error) -> StoreError {
    let extended = error.sqlite_error().map_or(0, |e| e.extended_code);
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(error),
        // The index of the log could not be made larger: that is the disk too.
        Some(ErrorCode::SystemIoFailure) if extended == ffi::SQLITE_IOERR_SHMSIZE => {
            StoreError::Full(error)
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged(error),
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::DatabaseBusy,
        ) => StoreError::Io(error),
        _ => StoreError::Sqlite(error),
    }
}

/// The same situation once more: SQLite's errors cannot be cloned.
pub(super) fn alike(error: &StoreError) -> StoreError {
    let again = |cause: &rusqlite::Error| {
        let extended = cause.sqlite_error().map_or(1, |e| e.extended_code);
        rusqlite::Error::SqliteFailure(ffi::Error::new(extended), None)
    };
    match error {
        StoreError::Full(cause) => StoreError::Full(again(cause)),
        StoreError::Damaged(cause) => StoreError::Damaged(again(cause)),
        StoreError::Io(cause) => StoreError::Io(again(cause)),
        StoreError::Sqlite(cause) => StoreError::Sqlite(again(cause)),
        StoreError::Newer { .. } | StoreError::Closed | StoreError::Stalled { .. } => {
            StoreError::Closed
        }
    }
}

/// An error with this code of SQLite and these words.
pub(super) fn failure(code: std::ffi::c_int, words: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(words.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sqlite_says_is_one_of_few_situations() {
        use StoreState::{Damaged, Failing, Full};
        for (code, expected, retried) in [
            (ffi::SQLITE_FULL, Some(Full), true),
            (ffi::SQLITE_IOERR_SHMSIZE, Some(Full), true),
            (ffi::SQLITE_IOERR_WRITE, Some(Failing), true),
            (ffi::SQLITE_IOERR_FSYNC, Some(Failing), true),
            (ffi::SQLITE_READONLY, Some(Failing), true),
            (ffi::SQLITE_CANTOPEN, Some(Failing), true),
            (ffi::SQLITE_CORRUPT, Some(Damaged), false),
            (ffi::SQLITE_NOTADB, Some(Damaged), false),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, None, false),
            (ffi::SQLITE_ERROR, None, false),
        ] {
            let error = situation(failure(code, "why"));
            assert_eq!(trouble(&error), expected, "{code}");
            assert_eq!(trouble(&alike(&error)), expected, "{code}");
            assert_eq!(expected.is_some_and(passes), retried, "{code}");
        }
        let unlike_sqlite = situation(rusqlite::Error::QueryReturnedNoRows);
        assert_eq!(trouble(&unlike_sqlite), None);
    }

    #[test]
    fn every_trouble_says_what_to_do() {
        for state in [StoreState::Full, StoreState::Failing, StoreState::Damaged] {
            assert!(state.hint().is_some(), "{state:?}");
        }
    }
}
