//! EDGE: where mail lies. Reads only; never a flag, never a move.

mod bounded;
mod imap;
mod imap_folders;
mod imap_login;
mod imap_session;
mod maildir;
mod memory;
mod side;

use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};

pub use imap::{ImapMailbox, ImapSettings};
pub use imap_folders::{Special, SpecialUse};
pub use maildir::MaildirMailbox;
pub use memory::MemoryMailbox;
pub use side::{Place, SideFolders, Wanted};

/// Where a message lies. What may follow from it depends on that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Folder {
    /// The folder that people write to.
    Inbox,
    /// Where the provider puts what it takes for spam, by its name there.
    Junk(String),
    /// Where programs file what people sent, by its name there.
    Sent(String),
}

/// How the names of folders that hold spam begin in the database.
pub const JUNK: &str = "junk:";
/// How those of folders with sent mail begin.
pub const SENT: &str = "sent:";

/// Whether a name is that of a folder of this kind.
pub fn is_in(kind: &str, mailbox: &str) -> bool {
    mailbox.starts_with(kind)
}

impl Folder {
    /// What its messages are known under in the database, where those of the inbox are known
    /// under `inbox`. UIDs of two folders may be the same.
    pub fn name_beside(&self, inbox: &str) -> String {
        match self {
            Folder::Inbox => inbox.to_owned(),
            Folder::Junk(name) => format!("{JUNK}{inbox}:{name}"),
            Folder::Sent(name) => format!("{SENT}{inbox}:{name}"),
        }
    }

    /// What it is, for the log.
    pub fn kind(&self) -> &'static str {
        match self {
            Folder::Inbox => "inbox",
            Folder::Junk(_) => "junk",
            Folder::Sent(_) => "sent",
        }
    }
}

/// Stands in a key before what tells a message from an earlier one with the same UID.
const REUSED: char = '~';

use crate::step::step;

/// A message as the mailbox lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it is known under there: `uidvalidity:uid`, or the Maildir name before `:2,`.
    /// Where a server gave a UID a second time, `~` and the date follow.
    pub key: String,
    /// Octets.
    pub size: u64,
    /// When it reached the mailbox (INTERNALDATE); never the sender's Date.
    pub received_at: DateTime<Utc>,
}

impl Seen {
    /// The same as another message than the one that was known under its key.
    pub fn as_another(mut self) -> Seen {
        self.key = format!("{}{REUSED}{}", self.key, self.received_at.timestamp());
        self
    }
}

/// A message with its bytes.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// How it was listed.
    pub seen: Seen,
    /// The bytes, or why there are none.
    pub raw: Result<Vec<u8>, Unfetched>,
}

/// Why a message has no bytes. The names are reasons of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfetched {
    /// It is larger than the limit.
    TooLarge,
    /// The server cannot give it, however often it is asked.
    NotGiven,
    /// It was read before and ended the process each time.
    EndedTheReader,
}

impl Unfetched {
    /// The reason in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            Unfetched::TooLarge => "message-too-large",
            Unfetched::NotGiven => "cannot-be-fetched",
            Unfetched::EndedTheReader => "ended-the-reader",
        }
    }
}

/// An inbox.
#[derive(Debug)]
pub enum Mailbox {
    /// On a server.
    Imap(Box<ImapMailbox>),
    /// In a local folder.
    Maildir(MaildirMailbox),
    /// In a test's hand.
    Memory(MemoryMailbox),
}

impl Mailbox {
    /// Keys of messages that may be new. All of them at every connection and hourly; in
    /// between a mailbox may leave out what it listed before.
    ///
    /// # Errors
    /// When it cannot be reached; the next call connects anew.
    pub async fn list(&mut self) -> Result<Vec<String>> {
        step("before-list");
        let keys = match self {
            Mailbox::Imap(imap) => imap.list().await,
            Mailbox::Maildir(maildir) => maildir.list(),
            Mailbox::Memory(memory) => Ok(memory.list()),
        };
        step("after-list");
        keys
    }

    /// Sizes and dates of messages; those that have gone meanwhile are left out.
    ///
    /// # Errors
    /// As [`Mailbox::list`].
    pub async fn describe(&mut self, keys: &[String]) -> Result<Vec<Seen>> {
        match self {
            Mailbox::Imap(imap) => imap.describe(keys).await,
            Mailbox::Maildir(maildir) => maildir.describe(keys),
            Mailbox::Memory(memory) => Ok(memory.describe(keys)),
        }
    }

    /// Sizes and dates of what was listed and is known (all but `new`), as far as it may be
    /// something else by now: the newest of a full listing on a server, which may have given
    /// a UID twice.
    ///
    /// # Errors
    /// As [`Mailbox::list`].
    pub async fn describe_known(&mut self, new: &[String]) -> Result<Vec<Seen>> {
        match self {
            Mailbox::Imap(imap) => imap.describe_newest(new).await,
            Mailbox::Maildir(_) | Mailbox::Memory(_) => Ok(Vec::new()),
        }
    }

    /// The bytes of messages, without marking them as read; those that have gone meanwhile
    /// are left out.
    ///
    /// # Errors
    /// As [`Mailbox::list`].
    pub async fn fetch(&mut self, seen: &[Seen], bytes_max: usize) -> Result<Vec<Fetched>> {
        let fits = |seen: &Seen| usize::try_from(seen.size).is_ok_and(|size| size <= bytes_max);
        let (fitting, large): (Vec<Seen>, Vec<Seen>) = seen.iter().cloned().partition(fits);
        step("before-fetch");
        let mut fetched = match self {
            Mailbox::Imap(imap) => imap.fetch(&fitting).await?,
            Mailbox::Maildir(maildir) => maildir.fetch(&fitting)?,
            Mailbox::Memory(memory) => memory.fetch(&fitting),
        };
        step("after-fetch");
        fetched
            .extend(large.into_iter().map(|seen| Fetched { seen, raw: Err(Unfetched::TooLarge) }));
        Ok(fetched)
    }

    /// Returns when new mail may be there, and after `poll` at the latest where the mailbox
    /// cannot tell.
    ///
    /// # Errors
    /// As [`Mailbox::list`].
    pub async fn wait(&mut self, poll: Duration) -> Result<()> {
        match self {
            Mailbox::Imap(imap) => imap.wait(poll).await,
            Mailbox::Maildir(_) => {
                tokio::time::sleep(poll).await;
                Ok(())
            }
            Mailbox::Memory(memory) => {
                memory.wait(poll).await;
                Ok(())
            }
        }
    }
}
