//! Signing in without a password (OAuth 2.0, RFC 6749), for mail servers that take XOAUTH2.
//!
//! `provider`, `answer` and `error` are plain data: where a provider's servers are, what an
//! answer of theirs means, and how that is told to people. The rest is EDGE: the file that
//! keeps the sign-in, and [`TokenSource`], which every connection takes its token from.

pub mod answer;
mod assertion;
pub mod browser;
pub mod device;
mod error;
pub mod provider;
mod source;
mod token_file;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use data_encoding::BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

pub use error::{OAuthError, TokenRefused};
pub use provider::{Flow, Provider};
pub use source::TokenSource;
pub use token_file::{Kept, TokenFile};

use crate::https::Https;

/// A provider's answer takes this long at most.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How a connection proves that it may read or send.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// By a password.
    Password(SecretString),
    /// By a token of a provider (XOAUTH2).
    OAuth2(TokenSource),
}

/// Where a secret stands. It is read whenever it is needed, so that a new one needs no restart.
#[derive(Clone, Debug)]
pub enum SecretPlace {
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

/// What is known of the provider and of us there.
#[derive(Clone, Debug)]
pub struct OAuthSettings {
    /// Who issues the tokens.
    pub provider: Provider,
    /// How they are come by.
    pub flow: Flow,
    /// The number of the app that was registered there.
    pub client_id: String,
    /// Its secret; public clients have none.
    pub client_secret: Option<SecretPlace>,
    /// Where tokens come from.
    pub token_url: Url,
    /// Where a device's code comes from (RFC 8628).
    pub device_url: Option<Url>,
    /// Where people agree in a browser.
    pub authorize_url: Option<Url>,
    /// What the tokens are for.
    pub scope: String,
    /// What keeps the sign-in of a person.
    pub token_file: TokenFile,
    /// The key of a service account that signs for itself (RFC 7523).
    pub service_account: Option<PathBuf>,
    /// The mailbox that it signs for.
    pub mailbox: String,
    /// How the provider is asked.
    pub https: Https,
}

impl OAuthSettings {
    /// The client's secret, if it has one.
    fn secret(&self) -> Result<Option<SecretString>, OAuthError> {
        let text = match &self.client_secret {
            None => return Ok(None),
            Some(SecretPlace::Variable(name)) => std::env::var(name).ok(),
            Some(SecretPlace::File(file)) => {
                let text = fs::read_to_string(file).ok();
                text.map(|text| text.lines().next().unwrap_or_default().to_owned())
            }
        };
        match text.filter(|text| !text.is_empty()) {
            Some(text) => Ok(Some(text.into())),
            None => Err(OAuthError::NoClientSecret),
        }
    }

    /// Asks the token server; `fields` say what for.
    async fn ask(
        &self,
        url: &Url,
        fields: &[(&str, &str)],
    ) -> Result<crate::https::Answer, OAuthError> {
        self.https
            .post_form(url, fields, ANSWER_TIMEOUT)
            .await
            .map_err(|why| OAuthError::Unreachable { why: format!("{why:#}") })
    }
}

/// The words of XOAUTH2 (developers.google.com/gmail/imap/xoauth2-protocol), before base64.
/// Whoever signed in, the name is the mailbox's: so a shared one is opened.
pub fn xoauth2(username: &str, token: &SecretString) -> String {
    format!("user={username}\x01auth=Bearer {}\x01\x01", token.expose_secret())
}

/// The same for the wire of SMTP.
pub fn xoauth2_base64(username: &str, token: &SecretString) -> String {
    BASE64.encode(xoauth2(username, token).as_bytes())
}
