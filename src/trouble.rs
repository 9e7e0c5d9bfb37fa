//! Why a server cannot be used, in one set of words: the log, the alarm to staff, `/healthz`
//! and `check` say the same of the same thing.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

use rustls::CertificateError;

use crate::oauth::OAuthError;

/// A part of the desk that fails by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Where mail is read.
    Inbox,
    /// Where letters are submitted.
    MailServer,
}

/// What is wrong with a server, as far as it asks for different remedies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It refuses the login.
    PasswordRefused,
    /// There is no token to log in with, or it takes none; what is wrong is told in full by
    /// [`OAuthError`].
    SignInRefused,
    /// Its certificate was valid once.
    CertificateExpired,
    /// Its certificate is for another name, or signed by nobody we trust.
    CertificateNotTrusted,
    /// There is no host of that name.
    HostUnknown,
    /// It cannot be reached, does not answer, or hangs up.
    NoConnection,
    /// It asks us to slow down, or to come later.
    Busy,
    /// It lets us in and takes none of our letters: it refuses the sender, or hangs up.
    TakesNoLetters,
    /// The folder or mailbox cannot be opened.
    NoFolder,
    /// It does something else than it was asked.
    Unexpected,
}

/// One failure: what it is, and the words for the log (no addresses of requesters, no secrets).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong.
    pub trouble: Trouble,
    /// The whole story; begins with the words of the trouble.
    pub why: String,
}

impl Part {
    /// In a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Inbox => "inbox",
            Part::MailServer => "mail server",
        }
    }

    /// Its section of `bot.toml`.
    fn section(self) -> &'static str {
        match self {
            Part::Inbox => "[mailbox]",
            Part::MailServer => "[smtp]",
        }
    }
}

impl Trouble {
    /// In a few words, the same everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Trouble::PasswordRefused => "password refused",
            Trouble::SignInRefused => "sign-in refused",
            Trouble::CertificateExpired => "certificate expired",
            Trouble::CertificateNotTrusted => "certificate not trusted",
            Trouble::HostUnknown => "host unknown",
            Trouble::NoConnection => "no connection",
            Trouble::Busy => "server busy",
            Trouble::TakesNoLetters => "letters not taken",
            Trouble::NoFolder => "folder cannot be used",
            Trouble::Unexpected => "unexpected answer",
        }
    }

    /// What to do about it.
    pub fn remedy(self, part: Part) -> String {
        let section = part.section();
        match self {
            Trouble::PasswordRefused => format!(
                "Check username and password_file under {section} in bot.toml; many providers want an app password. \
                 Then restart the desk."
            ),
            Trouble::SignInRefused => "Run `deletion-desk login` on the host, unless it is told to do something else \
                 first. The desk goes on by itself then."
                .to_owned(),
            Trouble::CertificateExpired => "Whoever runs the server has to renew its certificate. Look at this \
                 machine's clock, too. The desk goes on by itself when the certificate is valid."
                .to_owned(),
            Trouble::CertificateNotTrusted => format!(
                "Check host under {section} in bot.toml: the certificate has to be for that name. If your own \
                 authority signed it, name that one as ca_file. Then restart the desk."
            ),
            Trouble::HostUnknown => format!(
                "Check host under {section} in bot.toml, and this machine's name service (DNS)."
            ),
            Trouble::NoConnection => format!(
                "See whether the server runs, whether host and port under {section} in bot.toml are right, and \
                 whether a firewall stands between."
            ),
            Trouble::Busy => "Nothing at first: the desk rests as long as it is asked to. If it lasts, ask the \
                 provider about its limits; smtp.per_minute and smtp.connections_max in bot.toml slow the desk down."
                .to_owned(),
            Trouble::TakesNoLetters => format!(
                "See what the server's code means: that the account under {section} in bot.toml may send as \
                 identity.address, and to anybody; that it is not suspended or over its quota. No letter is given up \
                 for it; they leave by themselves when the server takes them."
            ),
            Trouble::NoFolder => format!(
                "Check folder or path under {section} in bot.toml, and that the desk may open it."
            ),
            Trouble::Unexpected => "Run `deletion-desk check` on the host; the log has the server's words.".to_owned(),
        }
    }

    /// What is behind an error: what an edge marked it with ([`anyhow::Error::context`]), or what
    /// its causes tell.
    pub fn of(why: &anyhow::Error) -> Trouble {
        let marked = why.downcast_ref::<Trouble>().copied();
        let caused = || why.chain().find_map(Trouble::of_cause);
        marked.or_else(caused).unwrap_or(Trouble::Unexpected)
    }

    /// The same of an error and its sources, where they tell.
    pub fn of_chain(why: &(dyn Error + 'static)) -> Option<Trouble> {
        Trouble::of_cause(why).or_else(|| Trouble::of_chain(why.source()?))
    }

    fn of_cause(cause: &(dyn Error + 'static)) -> Option<Trouble> {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Some(Trouble::of_tls(tls));
        }
        if let Some(oauth2) = cause.downcast_ref::<OAuthError>() {
            return Some(match oauth2 {
                OAuthError::Unreachable { .. } => Trouble::NoConnection,
                OAuthError::Busy { .. } => Trouble::Busy,
                _ => Trouble::SignInRefused,
            });
        }
        if cause.is::<tokio::time::error::Elapsed>() {
            return Some(Trouble::NoConnection);
        }
        let io = cause.downcast_ref::<io::Error>()?;
        let inner = io.get_ref();
        if let Some(tls) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(Trouble::of_tls(tls));
        }
        match io.kind() {
            // The name service has no kind of its own.
            _ if io.to_string().contains("failed to lookup address") => Some(Trouble::HostUnknown),
            ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::NotADirectory => {
                Some(Trouble::NoFolder)
            }
            ErrorKind::InvalidData | ErrorKind::InvalidInput => None,
            _ => Some(Trouble::NoConnection),
        }
    }

    fn of_tls(why: &rustls::Error) -> Trouble {
        match why {
            rustls::Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => Trouble::CertificateExpired,
            rustls::Error::InvalidCertificate(_) => Trouble::CertificateNotTrusted,
            _ => Trouble::Unexpected,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Failure {
    /// With the words for the log.
    pub fn new(trouble: Trouble, why: impl fmt::Display) -> Failure {
        Failure { trouble, why: format!("{trouble}: {why}") }
    }

    /// What to do about it. What is wrong with a sign-in says so itself.
    pub fn remedy(&self, part: Part) -> String {
        let told = format!("{}: ", Trouble::SignInRefused);
        match (self.trouble, self.why.strip_prefix(&told)) {
            (Trouble::SignInRefused, Some(why)) => format!("{}.", why.trim_end_matches('.')),
            (trouble, _) => trouble.remedy(part),
        }
    }

    /// Whether this is to be said after `other` was.
    pub fn is_news_after(&self, other: &Failure) -> bool {
        let says_more = self.trouble == Trouble::SignInRefused && self.why != other.why;
        self.trouble != other.trouble || says_more
    }

    /// Of an error that an edge returned.
    pub fn of(why: &anyhow::Error) -> Failure {
        let trouble = Trouble::of(why);
        // A mark stands among the words already.
        match why.downcast_ref::<Trouble>() {
            Some(_) => Failure { trouble, why: format!("{why:#}") },
            None => Failure::new(trouble, format_args!("{why:#}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Words by which mail providers ask to be left alone for a while.
const BUSY_WORDS: [&str; 15] = [
    "[unavailable]",
    "[limit]",
    "[throttled]",
    "too many",
    "throttl",
    "rate limit",
    "bandwidth limit",
    "connection limit",
    "connections limit",
    "sending limit",
    "sending quota",
    "daily limit",
    "slow down",
    "server busy",
    "try again later",
];

/// Whether a server's words ask to be left alone for a while.
pub fn asks_to_slow_down(words: &str) -> bool {
    let words = words.to_lowercase();
    BUSY_WORDS.iter().any(|busy| words.contains(busy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_providers_say_when_it_is_too_much() {
        for words in [
            "[ALERT] Too many simultaneous connections. (Failure)",
            "[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)",
            "[UNAVAILABLE] Temporary authentication failure.",
            "[LIMIT] FETCH Rate limit hit.",
            "Request is throttled. Suggested Backoff Time: 299961 milliseconds",
            "Concurrent connections limit exceeded",
        ] {
            assert!(asks_to_slow_down(words), "{words}");
        }
        for words in ["Logging out", "Server shutting down.", "[AUTHENTICATIONFAILED] Invalid"] {
            assert!(!asks_to_slow_down(words), "{words}");
        }
    }

    #[test]
    fn the_causes_tell_what_is_wrong_and_a_mark_tells_more() {
        let refused = || anyhow::Error::from(io::Error::from(ErrorKind::ConnectionRefused));
        let failure = Failure::of(&refused().context("Cannot connect to mail.example:993"));
        assert_eq!(failure.trouble, Trouble::NoConnection);
        assert!(failure.why.starts_with("no connection: Cannot connect"), "{failure}");
        let marked = Failure::of(&refused().context(Trouble::Busy).context("NOOP"));
        assert_eq!((marked.trouble, marked.why.matches("busy").count()), (Trouble::Busy, 1));
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let expired = anyhow::Error::from(io::Error::new(ErrorKind::InvalidData, expired));
        assert_eq!(Trouble::of(&expired), Trouble::CertificateExpired);
        let lookup = io::Error::other("failed to lookup address information: Name unknown");
        assert_eq!(Trouble::of(&lookup.into()), Trouble::HostUnknown);
        assert_eq!(Trouble::of(&anyhow::anyhow!("x")), Trouble::Unexpected);
    }
}
