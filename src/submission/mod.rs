//! EDGE: hands composed mails to the submission server (RFC 6409). What becomes of a letter
//! is for the store to say; here is only how one attempt ended.

mod answering;
mod maildir;
mod memory;
mod refusal;
mod smtp;

use std::sync::Arc;

use anyhow::Result;

pub use maildir::MaildirSubmitter;
pub use memory::MemorySubmitter;
pub use smtp::{SmtpSettings, Tls};

use crate::mail::EmailAddress;
use crate::store::attempts::End;
use crate::trouble::{Failure, Trouble};

/// One mail with its envelope, tokens filled in.
#[derive(Clone, PartialEq, Eq)]
pub struct Parcel {
    /// The letter's row.
    pub id: i64,
    /// Reverse-path.
    pub return_path: EmailAddress,
    /// Forward-path; one recipient an envelope, so that one refusal is about one letter.
    pub to: EmailAddress,
    /// The mail.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Parcel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<letter {}, {} octets>", self.id, self.bytes.len())
    }
}

/// Where mails are submitted to.
#[derive(Clone, Debug)]
pub enum Submitter {
    /// A server.
    Smtp(Arc<SmtpSettings>),
    /// A local Maildir.
    Maildir(MaildirSubmitter),
    /// A test's hand.
    Memory(MemorySubmitter),
}

/// One connection, opened when it is needed and dropped after whatever went wrong on it.
#[derive(Debug)]
pub struct Line {
    submitter: Submitter,
    connection: Option<smtp::Connection>,
}

impl Submitter {
    /// A line of its own for one worker.
    pub fn line(&self) -> Line {
        Line { submitter: self.clone(), connection: None }
    }

    /// Connects and logs in, without sending: what `check` tries.
    ///
    /// # Errors
    /// Why it does not work, and what to do.
    pub async fn try_login(&self) -> Result<()> {
        match self {
            Submitter::Smtp(settings) => {
                settings.connect().await?.quit().await;
                Ok(())
            }
            Submitter::Maildir(maildir) => maildir.prepare(),
            Submitter::Memory(_) => Ok(()),
        }
    }
}

impl Line {
    /// Makes one attempt.
    pub async fn submit(&mut self, parcel: &Parcel) -> End {
        let settings = match &self.submitter {
            Submitter::Maildir(maildir) => return maildir.submit(parcel),
            Submitter::Memory(memory) => return memory.submit(parcel),
            Submitter::Smtp(settings) => Arc::clone(settings),
        };
        if let Some(parked) = self.connection.take() {
            // The server may have closed it meanwhile, or say now that it will (421); then a new
            // one is worth a try.
            match self.submit_over(parked, parcel).await {
                End::NotTried(_) => {}
                end => return end,
            }
        }
        match settings.connect().await {
            // On a connection of its own a letter counts as tried, wherever it broke: one that a
            // server always hangs up on must not stand before all others for ever.
            Ok(connection) => match self.submit_over(connection, parcel).await {
                End::NotTried(failure) => {
                    End::NotTaken(Failure::new(Trouble::TakesNoLetters, failure.why))
                }
                end => end,
            },
            Err(why) => match Failure::of(&why) {
                busy if busy.trouble == Trouble::Busy => End::Throttled(busy),
                failure => End::NotTried(failure),
            },
        }
    }

    /// Opens the connection and logs in, without a letter.
    ///
    /// # Errors
    /// Why it does not work.
    pub async fn connect(&mut self) -> Result<(), Failure> {
        let tried = match &self.submitter {
            Submitter::Smtp(settings) if self.connection.is_none() => {
                settings.connect().await.map(|connection| self.connection = Some(connection))
            }
            Submitter::Maildir(maildir) => maildir.prepare(),
            Submitter::Smtp(_) | Submitter::Memory(_) => Ok(()),
        };
        tried.map_err(|why| Failure::of(&why))
    }

    /// Only a connection on which everything went well is used again.
    async fn submit_over(&mut self, mut connection: smtp::Connection, parcel: &Parcel) -> End {
        let end = connection.submit(parcel).await;
        if end == End::Submitted {
            self.connection = Some(connection);
        }
        end
    }

    /// Closes an idle connection politely.
    pub async fn hang_up(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.quit().await;
        }
    }
}
