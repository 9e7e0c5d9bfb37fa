//! The sections of `bot.toml`, as they are written there.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};

use super::oauth2::Auth;
use super::values::{
    duration, english, http_url, imaps_port, inbox, message_bytes_max, minute, public_url, seven,
    ten, thirty, time_zone, two, wanted, yes,
};
pub use crate::case::authority::{MailCommands, Member};
use crate::case::deadline::Law;
use crate::case::limits::Limits;
use crate::mail::EmailAddress;
use crate::mailbox::Wanted;
use crate::schedule::Cron;

/// How much the bot may do by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Reads and records what it would do; writes to staff only.
    Observe,
    /// Works, but each letter to a requester waits for a person.
    Approve,
    /// Works.
    Live,
}

impl Mode {
    /// As it stands in `bot.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Observe => "observe",
            Mode::Approve => "approve",
            Mode::Live => "live",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct IdentitySection {
    pub organization: String,
    pub address: EmailAddress,
    pub name: String,
    #[serde(deserialize_with = "http_url")]
    pub privacy_policy: String,
    #[serde(deserialize_with = "time_zone")]
    pub time_zone: Tz,
    #[serde(default = "english")]
    pub language: String,
    #[serde(default)]
    pub plus_addressing: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub enum MailboxSection {
    Imap(ImapSection),
    Maildir {
        path: PathBuf,
        #[serde(default = "minute", deserialize_with = "duration")]
        poll: Duration,
        #[serde(default)]
        backfill: Backfill,
        #[serde(default = "message_bytes_max")]
        message_bytes_max: usize,
        #[serde(default, deserialize_with = "wanted")]
        junk_folder: Wanted,
        #[serde(default, deserialize_with = "wanted")]
        sent_folder: Wanted,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct ImapSection {
    pub host: String,
    #[serde(default = "imaps_port")]
    pub port: u16,
    #[serde(default)]
    pub tls: ImapTls,
    pub username: String,
    #[serde(default)]
    pub auth: Auth,
    pub password_file: Option<PathBuf>,
    pub password_env: Option<String>,
    #[serde(default = "inbox")]
    pub folder: String,
    #[serde(default, deserialize_with = "wanted")]
    pub junk_folder: Wanted,
    #[serde(default, deserialize_with = "wanted")]
    pub sent_folder: Wanted,
    pub ca_file: Option<PathBuf>,
    #[serde(default = "minute", deserialize_with = "duration")]
    pub poll: Duration,
    #[serde(default = "yes")]
    pub idle: bool,
    #[serde(default)]
    pub backfill: Backfill,
    #[serde(default = "message_bytes_max")]
    pub message_bytes_max: usize,
}

/// How the connection to the IMAP server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImapTls {
    /// TLS from the first byte (RFC 8314).
    #[default]
    Implicit,
    /// Plain text; to a loopback address only.
    None,
}

/// How far back mail is answered that was there before the first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backfill {
    /// Not at all.
    #[default]
    None,
    /// What came in the last so many days.
    Days(u32),
}

impl<'de> Deserialize<'de> for Backfill {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let days = text.strip_suffix("days").or_else(|| text.strip_suffix('d')).map(str::trim);
        match (text.as_str(), days.and_then(|days| days.parse().ok())) {
            ("none", _) => Ok(Backfill::None),
            (_, Some(days)) => Ok(Backfill::Days(days)),
            _ => Err(serde::de::Error::custom("backfill is \"none\" or days, for example \"14d\"")),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub enum SmtpSection {
    Smtp(SmtpServer),
    Maildir { path: PathBuf },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct SmtpServer {
    pub host: String,
    pub port: Option<u16>,
    #[serde(default)]
    pub tls: SmtpTls,
    pub username: Option<String>,
    #[serde(default)]
    pub auth: Auth,
    pub password_file: Option<PathBuf>,
    pub password_env: Option<String>,
    pub ca_file: Option<PathBuf>,
    #[serde(default = "two")]
    pub connections_max: usize,
    pub per_minute: Option<NonZeroU32>,
}

/// How the connection to the submission server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// TLS from the first byte, port 465.
    #[default]
    Implicit,
    /// STARTTLS, port 587; nothing else is sent before it succeeded.
    Starttls,
    /// Plain text, port 25; to a loopback address only.
    None,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct DatabaseSection {
    pub path: PathBuf,
    pub key_file: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct WebSection {
    pub listen: Listen,
    #[serde(default, deserialize_with = "public_url")]
    pub public_url: Option<String>,
    #[serde(default)]
    pub trusted_proxies: Vec<IpAddr>,
}

/// Where the page is served, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Everything works by answering mails.
    Off,
    /// An address and a port.
    On(SocketAddr),
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "off" => Ok(Listen::Off),
            text => text.parse().map(Listen::On).map_err(|_| {
                serde::de::Error::custom(
                    "listen is \"off\" or an address with a port, for example \"127.0.0.1:8080\"",
                )
            }),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct VerificationSection {
    pub expires_days: u32,
}

impl Default for VerificationSection {
    fn default() -> Self {
        VerificationSection { expires_days: 7 }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct PolicySection {
    #[serde(default = "thirty")]
    pub fulfil_days: u32,
    #[serde(default = "seven")]
    pub nearing_days: u32,
    pub law: Law,
    #[serde(default = "thirty")]
    pub backup_rollover_days: u32,
    #[serde(default = "ten")]
    pub undo_minutes: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct StaffSection {
    pub digest: Cron,
    #[serde(default)]
    pub mail_commands: MailCommands,
    pub members: Vec<Member>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct AccountsSection {
    pub csv: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct WatchSection {
    pub ping_url: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct RetentionSection {
    pub closed_days: u32,
    pub messages_days: u32,
}

impl Default for RetentionSection {
    fn default() -> Self {
        RetentionSection { closed_days: 90, messages_days: 90 }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct AuthenticationSection {
    pub authserv_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct LimitsSection {
    pub verifications_per_day_max: usize,
    pub verifications_per_week_max: usize,
    pub automatic_per_day_max: usize,
    pub authenticated_per_day_max: u32,
    pub direct_per_day_max: u32,
    pub forms_per_day_max: u32,
    pub page_per_day_max: u32,
    pub page_per_network_per_day_max: u32,
    pub attempts_max: u32,
    pub batch_messages_max: usize,
    pub batch_bytes_max: usize,
    pub digest_rows_max: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let caps = Limits::default();
        LimitsSection {
            verifications_per_day_max: caps.verifications_per_day_max,
            verifications_per_week_max: caps.verifications_per_week_max,
            automatic_per_day_max: caps.automatic_per_day_max,
            authenticated_per_day_max: 200,
            direct_per_day_max: 100,
            forms_per_day_max: 100,
            page_per_day_max: 100,
            page_per_network_per_day_max: 10,
            attempts_max: 20,
            batch_messages_max: 200,
            batch_bytes_max: 4 * 1024 * 1024,
            digest_rows_max: 200,
        }
    }
}
