//! Other folders than the inbox on an IMAP server: what they are for (RFC 6154), and looking
//! into one after the other on one connection.

use anyhow::{Context as _, Result};
use async_imap::imap_proto::{MailboxDatum, NameAttribute, Response};
use tokio::time::Instant;

use super::imap::{ImapMailbox, connect};
use super::imap_session::ImapSession;

/// What a folder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Spam, in the provider's eyes.
    Junk,
    /// What people sent.
    Sent,
    /// A view of all mail.
    All,
}

impl Special {
    /// The key of `bot.toml` that names it.
    pub(super) fn key(self) -> &'static str {
        match self {
            Special::Junk => "junk_folder",
            Special::Sent => "sent_folder",
            Special::All => "folder",
        }
    }
}

/// A folder that can be opened, with its uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialUse {
    /// Its name on the server, as it is listed there.
    pub name: String,
    /// What it is for.
    pub special: Vec<Special>,
}

/// What was listed of a folder, and when all of it was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    uid_validity: u32,
    next_uid: u32,
    full_listing_at: Instant,
}

impl ImapMailbox {
    /// The folders that can be opened.
    ///
    /// # Errors
    /// As [`super::Mailbox::list`].
    pub async fn special_folders(&mut self) -> Result<Vec<SpecialUse>> {
        let mut session = self.take_session().await?;
        // RFC 6154 §2: a server may keep its marks back unless it is asked for them.
        let command = match session.has_special_use {
            true => "LIST \"\" \"*\" RETURN (SPECIAL-USE)",
            false => "LIST \"\" \"*\"",
        };
        let mut found = Vec::new();
        session
            .command(command, |response| {
                if let Response::MailboxData(MailboxDatum::List(listed)) = response {
                    found.extend(special_use(&listed.name, &listed.name_attributes));
                }
                Ok(())
            })
            .await?;
        self.put_back(session);
        Ok(found)
    }

    /// Opens another folder than the one of the settings.
    ///
    /// # Errors
    /// As [`super::Mailbox::list`].
    pub(super) async fn look_into(&mut self, name: &str, hint: Option<Hint>) -> Result<()> {
        let mut session = self.take_session().await?;
        session.open_folder(name).await?;
        // A connection that is made anew opens this folder, and no other.
        self.settings.folder = name.to_owned();
        let hint = hint.filter(|hint| hint.uid_validity == session.uid_validity);
        self.next_uid = hint.map_or(0, |hint| hint.next_uid);
        self.full_listing_at = hint.map(|hint| hint.full_listing_at);
        self.put_back(session);
        Ok(())
    }

    /// How far the open folder is listed.
    pub(super) fn hint(&self) -> Option<Hint> {
        let session = self.session.as_ref()?;
        Some(Hint {
            uid_validity: session.uid_validity,
            next_uid: self.next_uid,
            full_listing_at: self.full_listing_at?,
        })
    }

    /// Logs out, if nothing went wrong before.
    pub(super) async fn hang_up(&mut self) {
        if let Some(session) = self.session.take() {
            session.log_out().await;
        }
        self.disconnect();
    }

    async fn take_session(&mut self) -> Result<ImapSession> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => connect(&self.settings).await.context("Cannot look beside the inbox"),
        }
    }

    fn put_back(&mut self, session: ImapSession) {
        self.session = Some(session);
    }
}

fn special_use(name: &str, attributes: &[NameAttribute<'_>]) -> Option<SpecialUse> {
    let mut special = Vec::new();
    for attribute in attributes {
        match attribute {
            NameAttribute::NoSelect => return None,
            NameAttribute::Extension(word) if word.eq_ignore_ascii_case("\\NonExistent") => {
                return None;
            }
            NameAttribute::Junk => special.push(Special::Junk),
            NameAttribute::Sent => special.push(Special::Sent),
            NameAttribute::All => special.push(Special::All),
            _ => {}
        }
    }
    Some(SpecialUse { name: name.to_owned(), special })
}
