//! What one message says, and from whom. Pure: bytes in, [`Mail`] out.

pub mod address;
pub mod body;
pub mod bounce;
pub mod headers;
pub mod html;
mod languages;
mod markup;
pub mod origin;
pub mod parse;
pub mod sender_auth;
pub mod subject;
pub mod thread;

pub use address::EmailAddress;
pub use parse::{Bounds, Unreadable, parse};

use std::fmt;

use body::Body;
use bounce::Report;
use headers::Headers;
use html::Html;

/// A message as far as the bot has to understand it.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The header fields as they came, unfolded.
    pub headers: Headers,
    /// Whom the From: field names.
    pub author: Author,
    /// The display name in From, decoded; the sender chose it.
    pub author_name: String,
    /// Every address in To, Cc, Delivered-To and X-Original-To; may carry our tokens.
    pub recipients: Vec<EmailAddress>,
    /// The decoded subject, on one line.
    pub subject: String,
    /// What the writer wrote, apart from what they quoted.
    pub body: Body,
    /// The visible text in one piece, before it was told apart.
    pub text: Text,
    /// The first HTML part, when there is one.
    pub html: Html,
    /// Where answers should go, if the mail says so (RFC 5322 §3.6.2).
    pub reply_to: Option<EmailAddress>,
    /// The files that came with it.
    pub attachments: Vec<Attachment>,
    /// Why its words cannot be read, if they cannot.
    pub sealed: Option<Sealed>,
    /// The report of a delivery that it is, if it is one.
    pub report: Option<Report>,
}

/// Why nobody but the addressee's own mail program can read a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// PGP (RFC 9580) or S/MIME (RFC 8551) encrypted.
    Encrypted,
    /// All of it is in Outlook's `winmail.dat`.
    WinmailDat,
}

/// A text. Debug shows its length only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<text: {} octets>", self.0.len())
    }
}

/// A file that came with a mail: what it is, never what is in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, for staff.
    pub name: String,
    /// What the sender calls its type.
    pub content_type: String,
    /// Octets, decoded.
    pub bytes: usize,
    /// SHA-256 of them, in hexadecimal.
    pub sha256: String,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<attachment: {} octets>", self.bytes)
    }
}

/// Whom a mail names as its author. Only exactly one From field with exactly one mailbox
/// names somebody (RFC 5322 §3.6.2 allows more; nobody honest needs it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// Exactly this address; a claim, not a proof.
    One(EmailAddress),
    /// No From field, or none with an address we could write to.
    Nobody,
    /// Several fields, several mailboxes or a group.
    Several,
}

impl Author {
    /// The one address, if it is one.
    pub fn address(&self) -> Option<&EmailAddress> {
        match self {
            Author::One(address) => Some(address),
            Author::Nobody | Author::Several => None,
        }
    }
}
