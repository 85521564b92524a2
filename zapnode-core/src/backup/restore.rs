//! Puts a backup into a data folder that nobody uses.
//!
//! Everything is unpacked beside its place and checked there, to the byte; only then is what was
//! there moved aside, and the new put in its place. Until then nothing is touched, and after a
//! failure what was there is there again.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use rusqlite::params;
use serde::de::DeserializeOwned;
use tar::{Archive, Entry, EntryType};
use time::OffsetDateTime;

use super::archive::Summing;
use super::place::{Place, place_of};
use super::{
    BackupError, CHECKSUMS, Checksums, FORMAT, MANIFEST, Manifest, STORE, Sum, placed, stamp,
};
use crate::error::Error;
use crate::id::SessionId;
use crate::owner::{DataFolder, private_folder};
use crate::store::restored::{self, GivenUp};
use crate::store::{self, StoreError};

/// The largest manifest, and the largest list of checksums. Bytes.
const JSON_AT_MOST: u64 = 64 << 20;

/// The longest name in an archive. Bytes.
const NAME_AT_MOST: u64 = 4096;

/// More than the empty blocks at the end of any archive. Bytes.
const END_AT_MOST: u64 = 1 << 20;

/// The most files.
const FILES_AT_MOST: usize = 500_000;

/// What becomes of what was still to be done when the backup was made: messages that were accepted
/// and not sent, events that webhooks and Chatwoot had not been told, answers of Chatwoot's agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OpenMessages {
    /// Nobody can know whether it was done after the backup, and nobody is to get anything twice.
    /// Messages fail with `restored`, unless their time has not come yet. Deliveries of webhooks are
    /// dead and can be retried or replayed; webhooks and bridges go on with what happens from now on.
    /// Events get higher numbers than whatever ran since can have given, so that cursors hold.
    #[default]
    Fail,
    /// It is done. For when nothing has run since the backup was made.
    Send,
}

/// How a backup is restored.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// The data folder; made if it is missing.
    pub data_dir: PathBuf,
    /// The folder of the logins; made if it is missing.
    pub auth_dir: PathBuf,
    /// Moves aside what is there instead of refusing.
    pub replace: bool,
    /// What becomes of messages that were not sent.
    pub open_messages: OpenMessages,
    /// The most that the archive may unpack to. Bytes.
    pub bytes_at_most: u64,
}

impl RestoreOptions {
    /// Into these folders, if they are free, up to 64 GiB.
    pub fn into_folders(data_dir: impl Into<PathBuf>, auth_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            auth_dir: auth_dir.into(),
            replace: false,
            open_messages: OpenMessages::default(),
            bytes_at_most: 64 << 30,
        }
    }
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreReport {
    /// When the backup was made.
    pub created_at: OffsetDateTime,
    /// The version that made it.
    pub version: String,
    /// The sessions there are now.
    pub sessions: Vec<SessionId>,
    /// Those whose login came with it. The others need a new QR, unless their profile was there.
    pub profiles: Vec<SessionId>,
    /// How many messages failed because nobody can know whether they were sent.
    pub failed_messages: usize,
    /// How many events were given up for webhooks because nobody can know whether they were told.
    pub dead_deliveries: usize,
    /// Where that lies now what was there before, if anything was.
    pub replaced: Vec<PathBuf>,
}

/// A folder for what is not in its place yet. Removed when dropped.
struct Staging(PathBuf);

/// How such folders are called.
const STAGING: &str = ".restore-";

impl Staging {
    fn make(inside: &Path) -> Result<Self, BackupError> {
        let path = inside.join(format!("{STAGING}{}", ulid::Ulid::new()));
        private_folder(&path).map_err(placed(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "could not be removed");
        }
    }
}

/// Restores the backup that `archive` reads. Blocks.
///
/// # Errors
/// [`Error::Owned`] when the data folder is in use; [`Error::Backup`] when the archive is not
/// whole, not ours or too new, or something is in its place; [`Error::Store`] when the store in it
/// is damaged. Then everything is as it was.
pub fn restore(archive: impl Read, options: &RestoreOptions) -> Result<RestoreReport, Error> {
    let folder = DataFolder::claim(&options.data_dir)?;
    private_folder(&options.auth_dir).map_err(placed(&options.auth_dir))?;
    let auth_dir = options.auth_dir.canonicalize();
    let auth_dir = auth_dir.map_err(placed(&options.auth_dir))?;
    let data_dir = folder.path();
    if !options.replace {
        refuse_existing(&data_dir.join(STORE))?;
    }
    for folder in [data_dir, &auth_dir] {
        sweep(folder);
    }
    let staged = Staged {
        data: Staging::make(data_dir)?,
        auth: Staging::make(&auth_dir)?,
    };
    let manifest = staged.unpack(archive, options.bytes_at_most)?;
    let profiles = staged.profiles()?;
    if !options.replace {
        for id in &profiles {
            refuse_existing(&auth_dir.join(id.profile_folder()))?;
        }
    }
    let created_at =
        store::from_millis(manifest.created_at).map_err(|_| BackupError::damaged(MANIFEST))?;
    let fit = Fit {
        auth_dir: &auth_dir,
        profiles: &profiles,
        open: options.open_messages,
        created_at,
    };
    let (sessions, given_up) = settle_store(&staged.data.0.join(STORE), &fit)?;
    let replaced = put_in_place(&staged, data_dir, &auth_dir, &profiles)?;
    Ok(RestoreReport {
        created_at,
        version: manifest.version,
        sessions,
        profiles,
        failed_messages: given_up.messages,
        dead_deliveries: given_up.deliveries,
        replaced,
    })
}

/// Removes what a restore left that was killed in its midst.
fn sweep(folder: &Path) {
    super::make::remove_all(folder, STAGING);
}

fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    match path.symlink_metadata() {
        Ok(_) => Err(BackupError::NotEmpty {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(placed(path)(source)),
    }
}

/// An archive unpacked beside its places.
struct Staged {
    data: Staging,
    auth: Staging,
}

impl Staged {
    /// Unpacks and checks all of it.
    fn unpack(&self, archive: impl Read, bytes_at_most: u64) -> Result<Manifest, BackupError> {
        let mut archive = Archive::new(GzDecoder::new(archive));
        // Raw, so that no name or extension is read into memory before its size was looked at.
        let entries = archive.entries().map_err(BackupError::Read)?.raw(true);
        let mut reading = Reading {
            bytes_left: bytes_at_most,
            limit: bytes_at_most,
            long_name: None,
            manifest: None,
            checksums: None,
            seen: BTreeMap::new(),
        };
        for entry in entries {
            self.take(entry.map_err(unreadable)?, &mut reading)?;
        }
        read_to_end(archive.into_inner())?;
        let (Some(manifest), Some(checksums)) = (reading.manifest, reading.checksums) else {
            return Err(BackupError::damaged("it was cut off"));
        };
        compare(&checksums.files, &reading.seen)?;
        if !reading.seen.contains_key(STORE) {
            return Err(BackupError::damaged("there is no store in it"));
        }
        Ok(manifest)
    }

    fn take(
        &self,
        mut entry: Entry<'_, impl Read>,
        reading: &mut Reading,
    ) -> Result<(), BackupError> {
        if reading.checksums.is_some() {
            return Err(BackupError::damaged("something follows its end"));
        }
        let kind = entry.header().entry_type();
        if kind == EntryType::GNULongName && reading.manifest.is_some() {
            reading.long_name = Some(long_name(entry)?);
            return Ok(());
        }
        let name = match reading.long_name.take() {
            Some(name) => name,
            None => entry.path().map_err(unreadable)?.into_owned(),
        };
        let place = place_of(&name);
        // The first thing in it says whether it is ours at all.
        let Some(place) = place.filter(|p| reading.manifest.is_some() || *p == Place::Manifest)
        else {
            return Err(match reading.manifest {
                None => BackupError::NotABackup("it does not begin with a manifest"),
                Some(_) => BackupError::damaged(format!("{name:?} does not belong in it")),
            });
        };
        if kind != EntryType::Regular {
            return Err(BackupError::damaged(format!("{name:?} is no file")));
        }
        let size = entry.header().size().map_err(unreadable)?;
        reading.count(size)?;
        let text = name.to_string_lossy().into_owned();
        if reading.seen.contains_key(&text) {
            return Err(BackupError::damaged(format!("{text:?} is twice in it")));
        }
        match place {
            Place::Manifest => {
                let (manifest, sum) = json(entry, size, MANIFEST)?;
                check_manifest(&manifest)?;
                reading.manifest = Some(manifest);
                reading.seen.insert(text, sum);
            }
            Place::Checksums => reading.checksums = Some(json(entry, size, CHECKSUMS)?.0),
            Place::Store => {
                let sum = write(&self.data.0.join(STORE), &mut entry)?;
                reading.seen.insert(text, sum);
            }
            Place::Profile { session, rest } => {
                let target = self.auth.0.join(session.profile_folder()).join(rest);
                reading.seen.insert(text, write(&target, &mut entry)?);
            }
        }
        Ok(())
    }

    /// The sessions whose profile was unpacked.
    fn profiles(&self) -> Result<Vec<SessionId>, BackupError> {
        let entries = fs::read_dir(&self.auth.0).map_err(placed(&self.auth.0))?;
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut ids: Vec<_> = names
            .filter_map(|name| SessionId::new(name.to_str()?.strip_prefix("session-")?).ok())
            .collect();
        ids.sort();
        Ok(ids)
    }
}

/// What was read so far.
struct Reading {
    bytes_left: u64,
    limit: u64,
    long_name: Option<PathBuf>,
    manifest: Option<Manifest>,
    checksums: Option<Checksums>,
    seen: BTreeMap<String, Sum>,
}

impl Reading {
    fn count(&mut self, size: u64) -> Result<(), BackupError> {
        let left = self.bytes_left.checked_sub(size);
        match left.filter(|_| self.seen.len() < FILES_AT_MOST) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(BackupError::TooLarge { limit: self.limit }),
        }
    }
}

/// Reads on to the end, where gzip has a checksum of everything: also of what is between the files.
fn read_to_end(rest: impl Read) -> Result<(), BackupError> {
    let length = io::copy(&mut rest.take(END_AT_MOST), &mut io::sink()).map_err(unreadable)?;
    if length == END_AT_MOST {
        return Err(BackupError::damaged("something follows its end"));
    }
    Ok(())
}

/// What cannot be read is no gzip, no tar, or cut off; the rest is the disk's.
fn unreadable(error: io::Error) -> BackupError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
            BackupError::NotABackup("it is no tar archive compressed by gzip, or is damaged")
        }
        io::ErrorKind::UnexpectedEof => BackupError::damaged("it was cut off"),
        _ => BackupError::Read(error),
    }
}

fn long_name(entry: Entry<'_, impl Read>) -> Result<PathBuf, BackupError> {
    let size = entry.header().size().map_err(unreadable)?;
    if size > NAME_AT_MOST {
        return Err(BackupError::damaged("a name in it is too long"));
    }
    let mut name = String::new();
    let mut entry = entry.take(NAME_AT_MOST);
    entry.read_to_string(&mut name).map_err(unreadable)?;
    Ok(PathBuf::from(name.trim_end_matches('\0')))
}

fn json<T: DeserializeOwned>(
    entry: Entry<'_, impl Read>,
    size: u64,
    name: &str,
) -> Result<(T, Sum), BackupError> {
    if size > JSON_AT_MOST {
        return Err(BackupError::damaged(format!("{name} is too large")));
    }
    let mut from = Summing::new(entry.take(JSON_AT_MOST));
    let mut text = Vec::new();
    from.read_to_end(&mut text).map_err(unreadable)?;
    let value = serde_json::from_slice(&text)
        .map_err(|_| BackupError::damaged(format!("{name} cannot be understood")))?;
    Ok((value, from.sum()))
}

fn check_manifest(manifest: &Manifest) -> Result<(), BackupError> {
    if manifest.zapnode_backup > FORMAT || manifest.schema > store::schema() {
        return Err(BackupError::Newer {
            version: manifest.version.clone(),
        });
    }
    Ok(())
}

fn write(target: &Path, entry: &mut impl Read) -> Result<Sum, BackupError> {
    if let Some(folder) = target.parent() {
        private_folder(folder).map_err(placed(folder))?;
    }
    let mut file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(target)
        .map_err(placed(target))?;
    let mut from = Summing::new(entry);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = from.read(&mut buffer).map_err(unreadable)?;
        if count == 0 {
            break;
        }
        io::Write::write_all(&mut file, &buffer[..count]).map_err(placed(target))?;
    }
    Ok(from.sum())
}

fn compare(told: &BTreeMap<String, Sum>, seen: &BTreeMap<String, Sum>) -> Result<(), BackupError> {
    for (name, sum) in seen {
        if told.get(name) != Some(sum) {
            return Err(BackupError::damaged(format!("{name:?} is not as it was")));
        }
    }
    match told.keys().find(|name| !seen.contains_key(*name)) {
        Some(name) => Err(BackupError::damaged(format!("{name:?} is missing"))),
        None => Ok(()),
    }
}

/// What a store is fitted to.
struct Fit<'a> {
    auth_dir: &'a Path,
    profiles: &'a [SessionId],
    open: OpenMessages,
    /// When the backup was made.
    created_at: OffsetDateTime,
}

/// Brings the unpacked store up to our version, checks it, and fits it to its new place.
fn settle_store(path: &Path, fit: &Fit<'_>) -> Result<(Vec<SessionId>, GivenUp), StoreError> {
    let mut connection = store::open::connect(path)?;
    store::open::quick_check(&connection)?;
    let transaction = connection.transaction()?;
    let ids: Vec<String> = {
        let mut query = transaction.prepare("SELECT id FROM sessions ORDER BY created_at, id")?;
        let rows = query.query_map([], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    let ids: Vec<_> = ids
        .iter()
        .filter_map(|id| SessionId::new(id).ok())
        .collect();
    for id in &ids {
        let profile = fit.auth_dir.join(id.profile_folder());
        let has_login = fit.profiles.contains(id) || profile.is_dir();
        transaction.execute(
            "UPDATE sessions SET profile = ?2, linked = linked AND ?3 WHERE id = ?1",
            params![id.as_str(), profile.to_string_lossy(), has_login],
        )?;
    }
    let given_up = match fit.open {
        OpenMessages::Send => {
            restored::go_on(&transaction)?;
            GivenUp::default()
        }
        OpenMessages::Fail => restored::give_up(&transaction, fit.created_at)?,
    };
    transaction.commit()?;
    // One file and no log beside it.
    connection.pragma_update(None, "journal_mode", "DELETE")?;
    connection.close().map_err(|(_, error)| error)?;
    Ok((ids, given_up))
}

/// Moves aside what is there, and the new into its place. Gives where the old is.
fn put_in_place(
    staged: &Staged,
    data_dir: &Path,
    auth_dir: &Path,
    profiles: &[SessionId],
) -> Result<Vec<PathBuf>, BackupError> {
    // On disk before it takes the place of what was there.
    for staging in [&staged.data.0, &staged.auth.0] {
        sync(staging).map_err(placed(staging))?;
    }
    let name = format!("replaced-{}", stamp(store::now()));
    let mut moves = Moves::default();
    let mut replaced = Vec::new();
    for id in profiles {
        let folder = id.profile_folder();
        moves.aside(auth_dir, &folder, &name, &mut replaced)?;
        moves.now(&staged.auth.0.join(&folder), &auth_dir.join(&folder))?;
    }
    // The log first: it must never lie beside a store that is not its own.
    for file in [
        format!("{STORE}-wal"),
        format!("{STORE}-shm"),
        STORE.to_owned(),
    ] {
        moves.aside(data_dir, Path::new(&file), &name, &mut replaced)?;
    }
    moves.now(&staged.data.0.join(STORE), &data_dir.join(STORE))?;
    moves.done.clear();
    for folder in [data_dir, auth_dir] {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(placed(folder))?;
    }
    Ok(replaced)
}

/// Brings all that was written to the disk of this folder onto it: a profile has hundreds of files.
#[cfg(target_os = "linux")]
fn sync(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Renames that are undone unless all succeed.
#[derive(Default)]
struct Moves {
    done: Vec<(PathBuf, PathBuf)>,
}

impl Moves {
    fn now(&mut self, from: &Path, to: &Path) -> Result<(), BackupError> {
        fs::rename(from, to).map_err(placed(to))?;
        self.done.push((from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn aside(
        &mut self,
        folder: &Path,
        file: &Path,
        name: &str,
        replaced: &mut Vec<PathBuf>,
    ) -> Result<(), BackupError> {
        let here = folder.join(file);
        if here.symlink_metadata().is_err() {
            return Ok(());
        }
        let target = folder.join(name);
        private_folder(&target).map_err(placed(&target))?;
        self.now(&here, &target.join(file))?;
        if !replaced.contains(&target) {
            replaced.push(target);
        }
        Ok(())
    }
}

impl Drop for Moves {
    fn drop(&mut self) {
        for (from, to) in self.done.iter().rev() {
            if let Err(error) = fs::rename(to, from) {
                tracing::error!(%error, from = %to.display(), to = %from.display(), "could not be moved back");
            }
        }
    }
}
