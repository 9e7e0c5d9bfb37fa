//! A local Maildir, for hosts where the MTA delivers into one.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use chrono::{DateTime, Utc};
use maildir::Maildir;

use super::{Fetched, Seen};

/// A folder with `new`, `cur` and `tmp`.
#[derive(Debug)]
pub struct MaildirMailbox {
    path: PathBuf,
    /// Where each message was when it was listed; other programs move them to `cur`.
    listed: BTreeMap<String, PathBuf>,
}

impl MaildirMailbox {
    /// Takes a folder, and makes its parts when they are missing.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn open(path: &Path) -> Result<MaildirMailbox> {
        Maildir::from(path.to_owned())
            .create_dirs()
            .with_context(|| format!("Cannot use {} as a Maildir", path.display()))?;
        Ok(MaildirMailbox { path: path.to_owned(), listed: BTreeMap::new() })
    }

    /// Lists by itself: the crate gives up on the first file whose name it does not like.
    pub(super) fn list(&mut self) -> Result<Vec<String>> {
        let mut listed = BTreeMap::new();
        for part in ["new", "cur"] {
            let folder = self.path.join(part);
            let context = || format!("Cannot list the Maildir folder {}", folder.display());
            for entry in fs::read_dir(&folder).with_context(context)? {
                let path = entry.with_context(context)?.path();
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                let Some(name) = name.filter(|name| !name.starts_with('.')) else { continue };
                if path.is_file() {
                    listed.insert(name.split(":2,").next().unwrap_or(&name).to_owned(), path);
                }
            }
        }
        self.listed = listed;
        Ok(self.listed.keys().cloned().collect())
    }

    pub(super) fn describe(&mut self, keys: &[String]) -> Result<Vec<Seen>> {
        let mut seen = Vec::new();
        for key in keys {
            let Some(metadata) = self.reading(key, |path| fs::metadata(path))? else { continue };
            let modified = metadata.modified().context("This file system keeps no dates")?;
            // As precise as the database keeps it, and no more.
            let modified = DateTime::<Utc>::from(modified).timestamp_millis();
            let received_at = DateTime::from_timestamp_millis(modified).unwrap_or_default();
            seen.push(Seen { key: key.clone(), size: metadata.len(), received_at });
        }
        Ok(seen)
    }

    pub(super) fn fetch(&mut self, wanted: &[Seen]) -> Result<Vec<Fetched>> {
        let mut fetched = Vec::new();
        for seen in wanted {
            let Some(raw) = self.reading(&seen.key, |path| fs::read(path))? else { continue };
            fetched.push(Fetched { seen: seen.clone(), raw: Ok(raw) });
        }
        Ok(fetched)
    }

    /// Reads a message where it was, and where it is now when it was moved meanwhile; `None`
    /// when it has gone or cannot be read.
    fn reading<T>(
        &mut self,
        key: &str,
        read: impl Fn(&Path) -> std::io::Result<T>,
    ) -> Result<Option<T>> {
        for _ in 0..2 {
            let Some(path) = self.listed.get(key) else { return Ok(None) };
            match read(path) {
                Ok(value) => return Ok(Some(value)),
                Err(why) if why.kind() == ErrorKind::NotFound => drop(self.list()?),
                Err(why) if why.kind() == ErrorKind::PermissionDenied => return Ok(None),
                Err(why) => {
                    return Err(why).with_context(|| format!("Cannot read {}", path.display()));
                }
            }
        }
        Ok(None)
    }
}
