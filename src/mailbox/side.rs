//! The folders beside the inbox, Junk and Sent: which they are, and reading them over a short
//! connection of their own, so that nothing that goes wrong there reaches the inbox.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use super::imap_folders::{Hint, Special, SpecialUse};
use super::{Folder, ImapMailbox, ImapSettings, Mailbox, MaildirMailbox};

/// Which folder of a kind is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The one that the server marks for it (RFC 6154), if any.
    #[default]
    Auto,
    /// None.
    Off,
    /// The one of this name.
    Named(String),
}

/// Where the folders are.
#[derive(Clone, Debug)]
pub enum Place {
    /// On the server of the inbox.
    Imap(Box<ImapSettings>),
    /// Below the inbox, as Maildir++ has them: `.Junk`, `.Sent`.
    Maildir(PathBuf),
}

/// The folders beside an inbox.
#[derive(Debug)]
pub struct SideFolders {
    place: Place,
    junk: Wanted,
    sent: Wanted,
    /// Open while they are looked into.
    mailbox: Option<Mailbox>,
    /// What was listed before, so that a look costs no whole listing.
    hints: BTreeMap<Folder, Hint>,
    listed: Vec<SpecialUse>,
}

impl SideFolders {
    /// Takes what to look for; connects with the first look.
    pub fn new(place: Place, junk: Wanted, sent: Wanted) -> SideFolders {
        SideFolders { place, junk, sent, mailbox: None, hints: BTreeMap::new(), listed: Vec::new() }
    }

    /// The folders there are now: none, one or two. The inbox itself is none of them, nor is a
    /// folder that shows all mail.
    ///
    /// # Errors
    /// When they cannot be listed, or one that is named is not there.
    pub async fn find(&mut self) -> Result<Vec<Folder>> {
        if self.junk == Wanted::Off && self.sent == Wanted::Off {
            return Ok(Vec::new());
        }
        self.listed = match &self.place {
            Place::Imap(_) => self.imap().await?.special_folders().await?,
            Place::Maildir(path) => maildir_folders(path),
        };
        let inbox = match &self.place {
            Place::Imap(settings) => settings.folder.clone(),
            Place::Maildir(_) => String::new(),
        };
        let pick = |wanted: &Wanted, special: Special| pick(&self.listed, wanted, special, &inbox);
        let junk = pick(&self.junk, Special::Junk)?.map(Folder::Junk);
        let sent = pick(&self.sent, Special::Sent)?.map(Folder::Sent);
        Ok(junk.into_iter().chain(sent).collect())
    }

    /// All folders of the last [`SideFolders::find`].
    pub fn listed(&self) -> &[SpecialUse] {
        &self.listed
    }

    /// Opens a folder for reading.
    ///
    /// # Errors
    /// As [`Mailbox::list`].
    pub async fn open(&mut self, folder: &Folder) -> Result<&mut Mailbox> {
        let (Folder::Junk(name) | Folder::Sent(name)) = folder else {
            bail!("The inbox is not beside itself")
        };
        match &self.place {
            Place::Imap(_) => {
                let hint = self.hints.remove(folder);
                self.imap().await?.look_into(name, hint).await?;
            }
            Place::Maildir(path) => {
                let mailbox = MaildirMailbox::open(&path.join(format!(".{name}")))?;
                self.mailbox = Some(Mailbox::Maildir(mailbox));
            }
        }
        self.mailbox.as_mut().context("The folder was closed")
    }

    /// Remembers what was listed, after all of it was handled.
    pub fn was_read(&mut self, folder: &Folder) {
        if let Some(Mailbox::Imap(imap)) = &self.mailbox
            && let Some(hint) = imap.hint()
        {
            self.hints.insert(folder.clone(), hint);
        }
    }

    /// Lets go of a connection that failed.
    pub fn drop_connection(&mut self) {
        self.mailbox = None;
    }

    /// Ends the connection: politely, unless it failed.
    pub async fn close(&mut self) {
        if let Some(Mailbox::Imap(imap)) = &mut self.mailbox {
            imap.hang_up().await;
        }
        self.mailbox = None;
    }

    async fn imap(&mut self) -> Result<&mut ImapMailbox> {
        let Place::Imap(settings) = &self.place else { bail!("The inbox is on no server") };
        if self.mailbox.is_none() {
            let imap = ImapMailbox::new((**settings).clone());
            self.mailbox = Some(Mailbox::Imap(Box::new(imap)));
        }
        match &mut self.mailbox {
            Some(Mailbox::Imap(imap)) => Ok(imap),
            _ => bail!("The inbox is on no server"),
        }
    }
}

/// The folder that is wanted, out of those that are listed.
fn pick(
    listed: &[SpecialUse],
    wanted: &Wanted,
    special: Special,
    inbox: &str,
) -> Result<Option<String>> {
    let is_inbox = |name: &str| {
        name == inbox || (name.eq_ignore_ascii_case("inbox") && inbox.eq_ignore_ascii_case("inbox"))
    };
    let shows_all = |one: &SpecialUse| one.special.contains(&Special::All);
    match wanted {
        Wanted::Off => Ok(None),
        Wanted::Auto => {
            let fits = |one: &&SpecialUse| {
                one.special.contains(&special) && !shows_all(one) && !is_inbox(&one.name)
            };
            Ok(listed.iter().find(fits).map(|one| one.name.clone()))
        }
        Wanted::Named(name) if is_inbox(name) => {
            bail!("mailbox.{}: {name} is the inbox itself; use \"off\"", special.key())
        }
        Wanted::Named(name) => match listed.iter().find(|one| one.name == *name) {
            Some(one) if shows_all(one) => bail!(
                "mailbox.{}: {name} shows all mail, so that mail of the inbox would be read twice; use \"off\"",
                special.key()
            ),
            Some(one) => Ok(Some(one.name.clone())),
            None => {
                let names: Vec<&str> = listed.iter().map(|one| one.name.as_str()).collect();
                bail!(
                    "mailbox.{}: there is no folder {name}; there are {}",
                    special.key(),
                    names.join(", ")
                )
            }
        },
    }
}

/// Folders in the manner of Maildir++: below the inbox, their names behind a dot.
fn maildir_folders(path: &std::path::Path) -> Vec<SpecialUse> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut found: Vec<SpecialUse> = entries
        .filter(|entry| entry.path().join("cur").is_dir())
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix('.')?.to_owned()))
        .map(|name| {
            let special = match name.as_str() {
                "Junk" | "Spam" => vec![Special::Junk],
                "Sent" => vec![Special::Sent],
                _ => Vec::new(),
            };
            SpecialUse { name, special }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Vec<SpecialUse> {
        let one = |name: &str, special: &[Special]| SpecialUse {
            name: name.to_owned(),
            special: special.to_vec(),
        };
        vec![
            one("INBOX", &[]),
            one("[Gmail]/All Mail", &[Special::All]),
            one("[Gmail]/Sent Mail", &[Special::Sent]),
            one("[Gmail]/Spam", &[Special::Junk]),
        ]
    }

    #[track_caller]
    fn check(wanted: &Wanted, special: Special, inbox: &str, expected: Result<Option<&str>, &str>) {
        match (pick(&listed(), wanted, special, inbox), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected),
            (Err(why), Err(words)) => assert!(why.to_string().contains(words), "{why}"),
            (found, _) => panic!("{found:?} in place of {expected:?}"),
        }
    }

    #[test]
    fn folders_are_found_by_their_use_or_by_name() {
        let named = |name: &str| Wanted::Named(name.to_owned());
        check(&Wanted::Auto, Special::Junk, "INBOX", Ok(Some("[Gmail]/Spam")));
        check(&Wanted::Auto, Special::Sent, "INBOX", Ok(Some("[Gmail]/Sent Mail")));
        check(&Wanted::Off, Special::Sent, "INBOX", Ok(None));
        check(&named("[Gmail]/Spam"), Special::Junk, "INBOX", Ok(Some("[Gmail]/Spam")));
        check(
            &named("Spam"),
            Special::Junk,
            "INBOX",
            Err("there is no folder Spam; there are INBOX"),
        );
    }

    #[test]
    fn what_the_inbox_shows_is_never_read_twice() {
        let named = |name: &str| Wanted::Named(name.to_owned());
        check(&Wanted::Auto, Special::Junk, "[Gmail]/Spam", Ok(None));
        check(&named("Inbox"), Special::Junk, "INBOX", Err("is the inbox itself"));
        check(&named("[Gmail]/All Mail"), Special::Sent, "INBOX", Err("shows all mail"));
    }
}
