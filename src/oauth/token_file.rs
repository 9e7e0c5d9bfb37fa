//! EDGE: the file that keeps a person's sign-in. It is replaced as a whole: the next token is
//! on disk under another name before the present one is let go, and a file that a crash left
//! under that name is taken up.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::{OAuthError, Provider};
use crate::step::step;

/// How often a lock that is held is tried: for a little over a minute, twice as long as a
/// provider may take to answer.
const LOCK_TRIES: u32 = 700;
/// Rest between two tries.
const LOCK_REST: Duration = Duration::from_millis(100);
/// Octets of the largest file that is read.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Where a sign-in is kept.
#[derive(Clone, Debug)]
pub struct TokenFile {
    path: PathBuf,
}

/// A person's sign-in.
#[derive(Clone, Debug)]
pub struct Kept {
    /// For which provider.
    pub provider: String,
    /// For which app there.
    pub client_id: String,
    /// When the person signed in.
    pub signed_in_at: DateTime<Utc>,
    /// What tokens are got with.
    pub refresh: SecretString,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    provider: String,
    client_id: String,
    signed_in_at: DateTime<Utc>,
    refresh_token: String,
}

/// Keeps other processes from using up the same token; until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "it is held, not read")] File);

/// A place for the next token, made before the present one is spent.
pub(super) struct Place(File);

impl TokenFile {
    /// Names the file; it need not be there yet.
    pub fn new(path: PathBuf) -> TokenFile {
        TokenFile { path }
    }

    /// Its path, for people.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The sign-in in it.
    ///
    /// # Errors
    /// When it is missing, readable by others, or damaged.
    pub fn read(&self) -> Result<Kept, OAuthError> {
        match self.read_from(&self.path) {
            Err(OAuthError::NotSignedIn { .. }) => self.read_from(&self.next()),
            other => other,
        }
    }

    /// The sign-in that is to be used, for whoever holds the lock: one that a crash kept from
    /// taking its place does so now.
    pub(super) fn take_up(&self, _lock: &Lock) -> Result<Kept, OAuthError> {
        if self.read_from(&self.next()).is_ok() {
            fs::rename(self.next(), &self.path).map_err(|why| self.cannot_keep(&why))?;
        }
        self.read()
    }

    fn read_from(&self, path: &Path) -> Result<Kept, OAuthError> {
        let file = path.display().to_string();
        let damaged = |why: String| OAuthError::Damaged { file: file.clone(), why };
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(why) if why.kind() == ErrorKind::NotFound => {
                return Err(OAuthError::NotSignedIn { file: self.name() });
            }
            Err(why) => return Err(damaged(why.to_string())),
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(OAuthError::ReadableByOthers { file, mode });
        }
        if metadata.len() > FILE_BYTES_MAX {
            return Err(damaged("too large".to_owned()));
        }
        let text = fs::read(path).map_err(|why| damaged(why.to_string()))?;
        // What serde says could quote the token.
        let written: Written =
            serde_json::from_slice(&text).map_err(|_| damaged("no sign-in in it".to_owned()))?;
        Ok(Kept {
            provider: written.provider,
            client_id: written.client_id,
            signed_in_at: written.signed_in_at,
            refresh: written.refresh_token.into(),
        })
    }

    /// Waits until no other process uses the file.
    ///
    /// # Errors
    /// When that takes too long, or the folder cannot be written to.
    pub(super) async fn lock(&self) -> Result<Lock, OAuthError> {
        let path = self.beside("lock");
        let file = match self.make(&path) {
            Err(why) if why.kind() == ErrorKind::AlreadyExists => {
                OpenOptions::new().write(true).open(path)
            }
            made => made,
        };
        let file = file.map_err(|why| self.cannot_keep(&why))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Lock(file)),
                Err(TryLockError::WouldBlock) => sleep(LOCK_REST).await,
                Err(TryLockError::Error(why)) => return Err(self.cannot_keep(&why)),
            }
        }
        Err(OAuthError::InUse { file: self.name() })
    }

    /// Makes a place for the next token. Where there can be none, the present one must not be
    /// spent.
    pub(super) fn make_place(&self, _lock: &Lock) -> Result<Place, OAuthError> {
        // One that a crash left behind was taken up, or is none.
        match fs::remove_file(self.next()) {
            Err(why) if why.kind() != ErrorKind::NotFound => return Err(self.cannot_keep(&why)),
            _ => {}
        }
        self.make(&self.next()).map(Place).map_err(|why| self.cannot_keep(&why))
    }

    /// Puts a sign-in in the place of the present one: on disk first, then under its name.
    pub(super) fn keep(&self, mut place: Place, kept: &Kept) -> Result<(), OAuthError> {
        let written = Written {
            provider: kept.provider.clone(),
            client_id: kept.client_id.clone(),
            signed_in_at: kept.signed_in_at,
            refresh_token: kept.refresh.expose_secret().to_owned(),
        };
        step("before-token-written");
        let text = serde_json::to_vec_pretty(&written).map_err(std::io::Error::other);
        let written =
            text.and_then(|text| place.0.write_all(&text)).and_then(|()| place.0.sync_all());
        written.map_err(|why| self.cannot_keep(&why))?;
        step("before-token-renamed");
        fs::rename(self.next(), &self.path)
            .and_then(|()| File::open(self.folder())?.sync_all())
            .map_err(|why| self.cannot_keep(&why))?;
        step("after-token-renamed");
        Ok(())
    }

    /// Makes a file that was not there; no link is followed. What root makes (`login`, `check`)
    /// is for the daemon to use, which has a user of its own, so it gets the folder's owner.
    /// Others own what they make, and may not give it away.
    fn make(&self, path: &Path) -> std::io::Result<File> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        if let Ok(folder) = fs::metadata(self.folder()) {
            let _ = fchown(&file, Some(folder.uid()), Some(folder.gid()));
        }
        Ok(file)
    }

    /// Takes away a place that was not needed.
    pub(super) fn leave(&self, place: Place) {
        drop(place);
        // It stays behind empty, and an empty one is never taken up.
        let _ = fs::remove_file(self.next());
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn next(&self) -> PathBuf {
        self.beside("next")
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".");
        path.push(ending);
        path.into()
    }

    fn cannot_keep(&self, why: &std::io::Error) -> OAuthError {
        OAuthError::CannotKeep { file: self.name(), why: why.to_string() }
    }
}

impl Kept {
    /// Whether it was made for that app.
    pub(super) fn is_of(&self, provider: Provider, client_id: &str) -> bool {
        self.provider == provider.as_str() && self.client_id == client_id
    }
}
