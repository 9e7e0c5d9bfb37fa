//! PURE: where a provider's servers are, and what we ask of them.

use serde::Deserialize;

/// Who issues the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Gmail and Google Workspace.
    Google,
    /// Microsoft 365 and Outlook.com.
    Microsoft,
    /// Anybody else who follows the RFCs.
    Custom,
}

/// How tokens are come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// A person signs in on any device with a code (RFC 8628).
    Device,
    /// A person signs in with a browser (RFC 8252, RFC 7636).
    Browser,
    /// Nobody signs in: the app itself is allowed to read the mailbox (RFC 6749 §4.4, or at
    /// Google RFC 7523).
    ClientCredentials,
}

impl Provider {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Google => "Google",
            Provider::Microsoft => "Microsoft",
            Provider::Custom => "the provider",
        }
    }

    /// As it stands in `bot.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Google => "google",
            Provider::Microsoft => "microsoft",
            Provider::Custom => "custom",
        }
    }

    /// How people sign in there unless told otherwise. Google's device sign-in gives no access
    /// to mail.
    pub fn usual_flow(self) -> Flow {
        match self {
            Provider::Google => Flow::Browser,
            Provider::Microsoft | Provider::Custom => Flow::Device,
        }
    }

    /// Where tokens come from.
    pub fn token_url(self, tenant: &str) -> Option<String> {
        match self {
            Provider::Google => Some("https://oauth2.googleapis.com/token".to_owned()),
            Provider::Microsoft => Some(microsoft(tenant, "token")),
            Provider::Custom => None,
        }
    }

    /// Where a device's code comes from.
    pub fn device_url(self, tenant: &str) -> Option<String> {
        match self {
            Provider::Microsoft => Some(microsoft(tenant, "devicecode")),
            Provider::Google | Provider::Custom => None,
        }
    }

    /// Where people agree in a browser.
    pub fn authorize_url(self, tenant: &str) -> Option<String> {
        match self {
            Provider::Google => Some("https://accounts.google.com/o/oauth2/v2/auth".to_owned()),
            Provider::Microsoft => Some(microsoft(tenant, "authorize")),
            Provider::Custom => None,
        }
    }

    /// What we ask for: reading and sending mail, and to stay signed in.
    pub fn scope(self, flow: Flow) -> Option<&'static str> {
        match (self, flow) {
            (Provider::Google, _) => Some("https://mail.google.com/"),
            (Provider::Microsoft, Flow::ClientCredentials) => {
                Some("https://outlook.office365.com/.default")
            }
            (Provider::Microsoft, _) => Some(
                "https://outlook.office.com/IMAP.AccessAsUser.All \
                 https://outlook.office.com/SMTP.Send offline_access",
            ),
            (Provider::Custom, _) => None,
        }
    }

    /// What to do when a mail server takes no token of theirs.
    pub(super) fn mailbox_remedy(self, flow: Flow) -> &'static str {
        match (self, flow) {
            (Provider::Google, _) => {
                "Check that username is the account that signed in, and that IMAP is on for it (the Admin console can switch it off)"
            }
            (Provider::Microsoft, Flow::ClientCredentials) => {
                "Check that New-ServicePrincipal and Add-MailboxPermission were run for this app and mailbox, and that IMAP and authenticated SMTP are on for the mailbox"
            }
            (Provider::Microsoft, _) => {
                "Check that username is the account that signed in or a shared mailbox that it has full access to, and that IMAP and authenticated SMTP are on for the mailbox"
            }
            (Provider::Custom, _) => {
                "Check that username is a mailbox of the account that signed in, and scope in [oauth2] of bot.toml"
            }
        }
    }

    /// The name of this machine in the address that a browser is sent back to: at Microsoft
    /// only `http://localhost` may have any port, and Google asks for the number.
    pub(super) fn loopback_name(self) -> &'static str {
        match self {
            Provider::Microsoft => "localhost",
            Provider::Google | Provider::Custom => "127.0.0.1",
        }
    }
}

fn microsoft(tenant: &str, what: &str) -> String {
    format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/{what}")
}
