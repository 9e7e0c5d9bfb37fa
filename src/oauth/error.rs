//! PURE: what can be wrong with a sign-in, each with what to do about it. These sentences
//! reach staff in the alarm; no token, secret or address stands in them.

use thiserror::Error;

/// Why there is no token, or why it does not help.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OAuthError {
    /// `login` was never run.
    #[error("Nobody has signed in yet: {file} is not there. Run `deletion-desk login` on the host")]
    NotSignedIn {
        /// The token file.
        file: String,
    },
    /// Others could take the sign-in.
    #[error("The sign-in {file} can be read by others (mode {mode:o}); run: chmod 600 {file}")]
    ReadableByOthers {
        /// The token file.
        file: String,
        /// Its mode.
        mode: u32,
    },
    /// The file is there and says nothing.
    #[error(
        "The sign-in {file} cannot be read ({why}). Run `deletion-desk login` on the host and sign in again"
    )]
    Damaged {
        /// The token file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// It was made for other settings.
    #[error(
        "The sign-in {file} was made for another provider or client_id. Run `deletion-desk login` on the host and sign in again"
    )]
    OfAnother {
        /// The token file.
        file: String,
    },
    /// The next token would be lost.
    #[error(
        "The sign-in cannot be kept in {file} ({why}). Make room, or let the desk write into that folder"
    )]
    CannotKeep {
        /// The token file.
        file: String,
        /// What the system says.
        why: String,
    },
    /// Another process holds the file.
    #[error(
        "The sign-in {file} is in use by another deletion-desk for over a minute. End that one, or wait"
    )]
    InUse {
        /// The token file.
        file: String,
    },
    /// The secret of the app is configured, and not there.
    #[error(
        "The client secret cannot be read, or is empty. See client_secret_file or client_secret_env in [oauth2] of bot.toml"
    )]
    NoClientSecret,
    /// The service account's key is no use.
    #[error(
        "The key of the service account cannot be used ({why}). See oauth2.service_account_file"
    )]
    BadServiceAccount {
        /// What is wrong.
        why: String,
    },
    /// The provider does not answer; nothing is wrong with the sign-in.
    #[error("The provider's token server cannot be reached ({why}). It is tried again")]
    Unreachable {
        /// Why.
        why: String,
    },
    /// The provider asks for patience.
    #[error("{provider} gives no token now ({code}). It is tried again")]
    Busy {
        /// Who.
        provider: &'static str,
        /// Status or error code.
        code: String,
    },
    /// The answer means nothing to us.
    #[error(
        "{provider} answers with something that is no token ({code}). Check the addresses in [oauth2] of bot.toml"
    )]
    NoToken {
        /// Who.
        provider: &'static str,
        /// What it was.
        code: String,
    },
    /// Expired, revoked, password changed, not used for long.
    #[error(
        "{provider} no longer accepts the sign-in ({code}): it has expired or was revoked, or the account's password was changed. Run `deletion-desk login` on the host and sign in again"
    )]
    SignInEnded {
        /// Who.
        provider: &'static str,
        /// Its code.
        code: String,
    },
    /// The app was never allowed to, or is not any more.
    #[error(
        "{provider} says that nobody has agreed to this app reading and sending mail ({code}). Run `deletion-desk login` on the host and agree; in an organization an administrator may have to agree first"
    )]
    ConsentMissing {
        /// Who.
        provider: &'static str,
        /// Its code.
        code: String,
    },
    /// Secrets of apps live for two years at most at Microsoft.
    #[error(
        "The client secret has expired ({code}). Make a new one where the app is registered (Certificates & secrets) and put it into client_secret_file of [oauth2]; no restart is needed"
    )]
    SecretExpired {
        /// Its code.
        code: String,
    },
    /// The app or its secret is wrong.
    #[error(
        "{provider} does not know this app or its secret ({code}). Compare client_id, client secret and tenant in [oauth2] of bot.toml with the app's registration"
    )]
    ClientRefused {
        /// Who.
        provider: &'static str,
        /// Its code.
        code: String,
    },
    /// The app may not sign in this way.
    #[error("{provider} does not let this app sign in like that ({code}). {remedy}")]
    FlowRefused {
        /// Who.
        provider: &'static str,
        /// Its code.
        code: String,
        /// What to do there.
        remedy: &'static str,
    },
    /// The service account's word was not taken.
    #[error(
        "{provider} does not take the service account's word ({code}). Check that mailbox.username is a mailbox of the organization, that the key was not deleted, and that the clock of this host is right"
    )]
    AssertionRefused {
        /// Who.
        provider: &'static str,
        /// Its code.
        code: String,
    },
    /// Anything else.
    #[error(
        "{provider} refuses a token ({code}). Look that code up at the provider, then run `deletion-desk login` on the host"
    )]
    Refused {
        /// Who.
        provider: &'static str,
        /// Its code.
        code: String,
    },
    /// The mail server does not take a fresh token.
    #[error("{server} refuses the token of {provider} for this mailbox. {remedy}")]
    NotForThisMailbox {
        /// The mail server.
        server: String,
        /// Who issued the token.
        provider: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A person said no.
    #[error("The sign-in was declined. Run `deletion-desk login` again and agree")]
    Declined,
    /// Nobody came.
    #[error("Nobody signed in in time. Run `deletion-desk login` again")]
    TooLate,
}

/// A mail server said no to a token; perhaps another one helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("The server refuses the token")]
pub struct TokenRefused;

impl OAuthError {
    /// Whether asking again with the same sign-in would be told the same.
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            OAuthError::SignInEnded { .. }
                | OAuthError::ConsentMissing { .. }
                | OAuthError::SecretExpired { .. }
                | OAuthError::ClientRefused { .. }
                | OAuthError::FlowRefused { .. }
                | OAuthError::AssertionRefused { .. }
                | OAuthError::Refused { .. }
        )
    }
}
