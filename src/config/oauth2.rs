//! The section `[oauth2]` of `bot.toml`: signing in at a provider.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::{Config, MailboxSection, SmtpSection, Wrong};
use crate::https;
use crate::oauth::{Flow, Provider};

/// How a server is logged in at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// With a password.
    #[default]
    Password,
    /// With a token of `[oauth2]`.
    OAuth2,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct OAuth2Section {
    pub provider: Provider,
    pub flow: Option<Flow>,
    pub client_id: Option<String>,
    pub client_secret_file: Option<PathBuf>,
    pub client_secret_env: Option<String>,
    #[serde(default = "common")]
    pub tenant: String,
    pub service_account_file: Option<PathBuf>,
    #[serde(default = "token_file")]
    pub token_file: PathBuf,
    pub token_url: Option<String>,
    pub device_url: Option<String>,
    pub authorize_url: Option<String>,
    pub scope: Option<String>,
    pub ca_file: Option<PathBuf>,
}

fn common() -> String {
    "common".to_owned()
}

fn token_file() -> PathBuf {
    PathBuf::from("oauth2.token")
}

impl OAuth2Section {
    /// How tokens are come by.
    pub fn flow(&self) -> Flow {
        self.flow.unwrap_or(self.provider.usual_flow())
    }

    /// Where tokens come from.
    ///
    /// # Errors
    /// What is wrong with `token_url`.
    pub fn token_url(&self) -> Result<Url, String> {
        let url = self.token_url.clone().or_else(|| self.provider.token_url(&self.tenant));
        https::address(&url.ok_or("a provider of your own needs it")?)
    }

    /// Where a device's code comes from, if there.
    ///
    /// # Errors
    /// What is wrong with `device_url`.
    pub fn device_url(&self) -> Result<Option<Url>, String> {
        let url = self.device_url.clone().or_else(|| self.provider.device_url(&self.tenant));
        url.map(|url| https::address(&url)).transpose()
    }

    /// Where people agree in a browser, if anywhere.
    ///
    /// # Errors
    /// What is wrong with `authorize_url`.
    pub fn authorize_url(&self) -> Result<Option<Url>, String> {
        let url = self.authorize_url.clone().or_else(|| self.provider.authorize_url(&self.tenant));
        url.map(|url| https::address(&url)).transpose()
    }

    /// What is asked for.
    pub fn scope(&self) -> Option<String> {
        self.scope.clone().or_else(|| self.provider.scope(self.flow()).map(str::to_owned))
    }

    /// Key, and what is wrong with it.
    fn wrong(&self) -> Option<(&'static str, String)> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
        if self.tenant.is_empty() || !self.tenant.chars().all(is_plain) {
            return Some(("tenant", "it is a domain or a number (Directory ID)".into()));
        }
        let urls = [
            ("token_url", self.token_url().map(Some)),
            ("device_url", self.device_url()),
            ("authorize_url", self.authorize_url()),
        ];
        for (key, url) in &urls {
            if let Err(why) = url {
                return Some((key, why.clone()));
            }
        }
        if self.scope().is_none() {
            return Some(("scope", "a provider of your own needs it".into()));
        }
        if self.client_secret_file.is_some() && self.client_secret_env.is_some() {
            let what = "give client_secret_file or client_secret_env, not both";
            return Some(("client_secret_file", what.into()));
        }
        if self.client_id.is_none() && self.service_account_file.is_none() {
            let what = "set it to the ID of the app that you registered at the provider";
            return Some(("client_id", what.into()));
        }
        self.wrong_about_flow().map(|(key, what)| (key, what.into()))
    }

    fn wrong_about_flow(&self) -> Option<(&'static str, &'static str)> {
        let has_secret = self.client_secret_file.is_some() || self.client_secret_env.is_some();
        let has_account = self.service_account_file.is_some();
        match (self.provider, self.flow()) {
            (Provider::Google, Flow::Device) if self.device_url.is_none() => Some((
                "flow",
                "Google's device sign-in gives no access to mail; use \"browser\", or \"client-credentials\" with service_account_file",
            )),
            (_, Flow::Device) if self.device_url().is_ok_and(|url| url.is_none()) => {
                Some(("device_url", "flow = \"device\" needs it"))
            }
            (_, Flow::Browser) if self.authorize_url().is_ok_and(|url| url.is_none()) => {
                Some(("authorize_url", "flow = \"browser\" needs it"))
            }
            (_, Flow::Device | Flow::Browser) if has_account => Some((
                "service_account_file",
                "it goes with flow = \"client-credentials\"; there nobody signs in",
            )),
            (_, Flow::Device | Flow::Browser) => None,
            (Provider::Google, Flow::ClientCredentials) if !has_account => Some((
                "service_account_file",
                "at Google flow = \"client-credentials\" is a service account; name its key file",
            )),
            (_, Flow::ClientCredentials) if !has_account && !has_secret => {
                Some(("client_secret_file", "flow = \"client-credentials\" needs it"))
            }
            (Provider::Microsoft, Flow::ClientCredentials)
                if ["common", "organizations", "consumers"].contains(&self.tenant.as_str()) =>
            {
                Some((
                    "tenant",
                    "flow = \"client-credentials\" needs that of your organization, for example \"flexus.onmicrosoft.com\"",
                ))
            }
            (_, Flow::ClientCredentials) => None,
        }
    }
}

impl Config {
    /// Whether anything is logged in at with a token.
    pub fn uses_oauth2(&self) -> bool {
        let mailbox = match &self.mailbox {
            MailboxSection::Imap(imap) => imap.auth == Auth::OAuth2,
            MailboxSection::Maildir { .. } => false,
        };
        let smtp = match &self.smtp {
            SmtpSection::Smtp(smtp) => smtp.auth == Auth::OAuth2,
            SmtpSection::Maildir { .. } => false,
        };
        mailbox || smtp
    }

    /// What the types cannot say about signing in.
    pub(super) fn wrong_about_sign_in(&self) -> Option<Wrong> {
        let superfluous = "auth = \"oauth2\" uses no password; remove this key";
        let mut mailbox = None;
        if let MailboxSection::Imap(imap) = &self.mailbox
            && imap.auth == Auth::OAuth2
        {
            if imap.password_file.is_some() || imap.password_env.is_some() {
                let key = super::password_key(&imap.password_env);
                return Some(Wrong("mailbox", key, superfluous.into()));
            }
            mailbox = Some(imap.username.as_str());
        }
        if let SmtpSection::Smtp(smtp) = &self.smtp
            && smtp.auth == Auth::OAuth2
        {
            if smtp.password_file.is_some() || smtp.password_env.is_some() {
                let key = super::password_key(&smtp.password_env);
                return Some(Wrong("smtp", key, superfluous.into()));
            }
            let Some(username) = smtp.username.as_deref() else {
                return Some(Wrong("smtp", "username", "auth = \"oauth2\" needs it".into()));
            };
            let alone =
                self.oauth2.as_ref().is_some_and(|oauth2| oauth2.service_account_file.is_some());
            if alone && mailbox.is_some_and(|mailbox| mailbox != username) {
                let what = "a service account signs for one mailbox: it has to be mailbox.username";
                return Some(Wrong("smtp", "username", what.into()));
            }
        }
        match &self.oauth2 {
            None if self.uses_oauth2() => {
                let section = if mailbox.is_some() { "mailbox" } else { "smtp" };
                let what = "\"oauth2\" needs a section [oauth2] that says where tokens come from";
                Some(Wrong(section, "auth", what.into()))
            }
            None => None,
            Some(oauth2) => oauth2.wrong().map(|(key, what)| Wrong("oauth2", key, what)),
        }
    }

    /// What is wrong with `watch.ping_url`.
    pub(super) fn wrong_about_watch(&self) -> Option<Wrong> {
        let url = self.watch.ping_url.as_ref()?;
        https::address(url).err().map(|what| Wrong("watch", "ping_url", what))
    }
}
