//! Finished mails into a local Maildir: for the demo, and for hosts whose MTA picks them up.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use maildir::Maildir;

use super::Parcel;
use crate::store::attempts::End;
use crate::trouble::{Failure, Trouble};

/// A folder with `new`, `cur` and `tmp`.
#[derive(Clone, Debug)]
pub struct MaildirSubmitter {
    /// The folder.
    pub path: PathBuf,
}

impl MaildirSubmitter {
    pub(super) fn prepare(&self) -> Result<()> {
        let maildir = Maildir::from(self.path.clone());
        maildir
            .create_dirs()
            .with_context(|| format!("Cannot use {} as a Maildir", self.path.display()))
    }

    pub(super) fn submit(&self, parcel: &Parcel) -> End {
        if let Err(why) = self.prepare() {
            return End::NotTried(Failure::of(&why));
        }
        let mut bytes = format!("Return-Path: <{}>\r\n", parcel.return_path.as_str()).into_bytes();
        bytes.extend_from_slice(&parcel.bytes);
        match Maildir::from(self.path.clone()).store_new(&bytes) {
            Ok(_) => End::Submitted,
            Err(why) => {
                let why = format!("Cannot write into {}: {why}", self.path.display());
                End::NotTried(Failure::new(Trouble::NoFolder, why))
            }
        }
    }
}
