//! Who may act for staff. Every transition that staff cause takes an [`Authority`], and
//! [`authorize`] is the only function that makes one.

use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;

use super::state::named;
use super::work::StaffRole;
use crate::mail::EmailAddress;
use crate::mail::sender_auth::SenderAuth;

/// Days for which a token that was mailed to staff is good.
pub const STAFF_TOKEN_DAYS: i64 = 7;

/// A member of staff, as `bot.toml` lists them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Where their letters go, and where their commands come from.
    pub address: EmailAddress,
    /// What colleagues call them.
    pub name: String,
    /// What they answer for.
    #[serde(default)]
    pub role: StaffRole,
}

/// Permission to change a case on behalf of staff, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    who: String,
    by: Channel,
}

named! {
    /// By which way an act of staff came.
    Channel {
        /// The command line on the host.
        CommandLine = "command-line",
        /// The person's page of the case.
        Page = "page",
        /// An answer by mail.
        Mail = "mail",
    }
}

impl Authority {
    /// Who acts, as they are called. A name: kept apart from the journal, deletable.
    pub fn who(&self) -> &str {
        &self.who
    }

    /// By which way.
    pub fn by(&self) -> Channel {
        self.by
    }
}

/// Whether staff can act by mail: `staff.mail_commands`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailCommands {
    /// Not at all.
    Off,
    /// With the token, from the address it was mailed to, and an aligned DMARC pass.
    #[default]
    Authenticated,
    /// With the token and from that address: where the border says nothing of senders.
    TokenOnly,
}

/// A token that was found: computed again with the key, and equal.
#[derive(Clone, Debug)]
pub struct StaffToken {
    /// Whom it was mailed to, as `bot.toml` lists them now.
    pub member: EmailAddress,
    /// What they are called.
    pub name: String,
    /// When its letter left the desk.
    pub released_at: DateTime<Utc>,
    /// When tokens of this person were revoked last.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The cases and messages it is good for.
    pub about: Vec<String>,
}

impl StaffToken {
    /// Whether it was mailed to exactly this address, whatever the case of its letters: a
    /// plus-tag may be somebody else's.
    pub fn is_from(&self, author: &EmailAddress) -> bool {
        author.as_str().eq_ignore_ascii_case(self.member.as_str())
    }
}

/// How somebody says that they act for staff, with all that is known of it.
#[derive(Clone, Debug)]
pub enum Way<'a> {
    /// Whoever can run the program on the host could write the database anyway.
    CommandLine {
        /// What they call themselves.
        who: &'a str,
    },
    /// A press on a page.
    Page {
        /// The token of its link, if it is one of ours, to somebody who is still listed.
        token: Option<&'a StaffToken>,
        /// Whether it was a POST.
        posted: bool,
    },
    /// A mail.
    Mail {
        /// The token in its address or in the Message-ID it answers.
        token: Option<&'a StaffToken>,
        /// Its one author.
        author: Option<&'a EmailAddress>,
        /// What our border says of the sender.
        sender: &'a SenderAuth,
        /// Whether a program wrote it.
        automatic: bool,
        /// What `bot.toml` allows.
        allowed: MailCommands,
    },
}

named! {
    /// Why somebody may not act.
    Denied {
        /// No token, or none of a person who is listed now.
        NoToken = "no-staff-token",
        /// It was mailed too long ago.
        TokenExpired = "staff-token-expired",
        /// It was revoked.
        TokenRevoked = "staff-token-revoked",
        /// It is good for something else.
        OtherMatter = "staff-token-of-another-matter",
        /// Looking is not acting.
        NotPosted = "not-posted",
        /// Acting by mail is switched off.
        MailOff = "mail-commands-off",
        /// A program wrote it.
        Automatic = "automatic-mail",
        /// It comes from another address than the one the token was mailed to.
        OtherAddress = "from-another-address",
        /// No aligned DMARC pass of our own border.
        NotAuthenticated = "sender-not-authenticated",
    }
}

impl Denied {
    /// In words, for the one it was denied to.
    pub fn describe(self) -> &'static str {
        match self {
            Denied::NoToken => "it carries no token of ours",
            Denied::TokenExpired => "it answers a mail that is older than 7 days; use a newer one",
            Denied::TokenRevoked => "that mail was revoked; use a newer one",
            Denied::OtherMatter => "the mail it answers is not about this case",
            Denied::NotPosted => "looking changes nothing",
            Denied::MailOff => "acting by mail is switched off (staff.mail_commands)",
            Denied::Automatic => "a program wrote it",
            Denied::OtherAddress => "it comes from another address than the one we wrote to",
            Denied::NotAuthenticated => {
                "our mail server does not confirm its sender (no aligned DMARC pass)"
            }
        }
    }
}

/// Whether somebody may act on the case or message `about`, and in whose name.
///
/// # Errors
/// The first fact that is missing.
pub fn authorize(way: &Way<'_>, about: &str, now: DateTime<Utc>) -> Result<Authority, Denied> {
    let (token, by) = match way {
        Way::CommandLine { who } => {
            return Ok(Authority { who: who.trim().to_owned(), by: Channel::CommandLine });
        }
        Way::Page { posted: false, .. } => return Err(Denied::NotPosted),
        Way::Page { token, .. } => (token, Channel::Page),
        Way::Mail { allowed: MailCommands::Off, .. } => return Err(Denied::MailOff),
        Way::Mail { automatic: true, .. } => return Err(Denied::Automatic),
        Way::Mail { token, .. } => (token, Channel::Mail),
    };
    let token = token.ok_or(Denied::NoToken)?;
    still_good(token, now)?;
    if !token.about.iter().any(|known| known == about) {
        return Err(Denied::OtherMatter);
    }
    if let Way::Mail { author, sender, allowed, .. } = way {
        let author = author.filter(|author| token.is_from(author));
        let author = author.ok_or(Denied::OtherAddress)?;
        if *allowed == MailCommands::Authenticated && !sender.aligned_pass_for(author) {
            return Err(Denied::NotAuthenticated);
        }
    }
    Ok(Authority { who: token.name.clone(), by })
}

/// Whether a token of staff is young and was not revoked.
///
/// # Errors
/// Which of the two it is not.
pub fn still_good(token: &StaffToken, now: DateTime<Utc>) -> Result<(), Denied> {
    if token.revoked_at.is_some_and(|at| token.released_at <= at) {
        return Err(Denied::TokenRevoked);
    }
    let days = Duration::days(STAFF_TOKEN_DAYS);
    if now < token.released_at || now - token.released_at >= days {
        return Err(Denied::TokenExpired);
    }
    Ok(())
}
