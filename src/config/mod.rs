//! `bot.toml` → [`Config`], checked once. Unknown keys are refused; every error says where it
//! is and what to do.

mod oauth2;
pub mod sections;
mod values;

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use secrecy::SecretString;
use serde::Deserialize;

use crate::case::Policy;
use crate::case::authority::STAFF_TOKEN_DAYS;
use crate::case::limits::Limits;
use crate::case::scope::ScopeItem;
use crate::case::verification::TOKEN_CHARS;
use crate::case::work::StaffRole;
use crate::classify::Desk;
use crate::classify::form::FormSetting;
use crate::compose::Identity;
use crate::mail::Bounds;
use crate::mail::address::LOCAL_PART_OCTETS_MAX;
pub use oauth2::{Auth, OAuth2Section};
pub use sections::*;

/// All of `bot.toml`. What a key means stands in the shipped file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the shipped bot.toml documents each key")]
pub struct Config {
    /// The file it came from; relative paths in it start from its folder.
    #[serde(skip)]
    pub file: PathBuf,
    pub mode: Mode,
    pub rules: Option<PathBuf>,
    pub templates: Option<PathBuf>,
    pub identity: IdentitySection,
    pub mailbox: MailboxSection,
    pub smtp: SmtpSection,
    pub database: DatabaseSection,
    pub web: WebSection,
    pub oauth2: Option<OAuth2Section>,
    #[serde(default)]
    pub watch: WatchSection,
    #[serde(default)]
    pub verification: VerificationSection,
    pub policy: PolicySection,
    pub staff: StaffSection,
    #[serde(default)]
    pub authentication: AuthenticationSection,
    #[serde(default)]
    pub limits: LimitsSection,
    #[serde(default, rename = "form")]
    pub forms: Vec<FormSetting>,
    #[serde(default)]
    pub accounts: AccountsSection,
    #[serde(default)]
    pub retention: RetentionSection,
    #[serde(default)]
    pub scope: Vec<ScopeItem>,
}

/// The `[[scope]]` of the shipped `bot.toml`, for one that has none.
fn shipped_scope() -> Result<Vec<ScopeItem>> {
    #[derive(Deserialize)]
    struct Shipped {
        scope: Vec<ScopeItem>,
    }
    let shipped: Shipped = toml::from_str(include_str!("../../bot.toml"))?;
    Ok(shipped.scope)
}

/// Days of old mail that are listed to staff at the first start: their clocks run.
pub const FIRST_LOOK_DAYS: u32 = 60;

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// One clear message: file, line or key, what is wrong, what to do.
    pub fn read(file: &Path) -> Result<Config> {
        let text = fs::read_to_string(file).with_context(|| {
            format!(
                "Cannot read {}. Give the file with --config, or run this where bot.toml is",
                file.display()
            )
        })?;
        Config::parse(file, &text)
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(file: &Path, text: &str) -> Result<Config> {
        let mut config: Config = toml::from_str(text)
            .map_err(|why| anyhow!("{}: {}", file.display(), why.to_string().trim_end()))?;
        config.file = file.to_owned();
        if config.scope.is_empty() {
            config.scope = shipped_scope().context("The shipped bot.toml cannot be read")?;
        }
        config.check(text)?;
        Ok(config)
    }

    /// What the types cannot say.
    fn check(&self, text: &str) -> Result<()> {
        let found = self.wrong_about_desk().or_else(|| self.wrong_about_page());
        let found = found.or_else(|| self.wrong_about_numbers());
        let found = found.or_else(|| self.wrong_about_servers());
        let found = found.or_else(|| self.wrong_about_sign_in());
        match found.or_else(|| self.wrong_about_watch()) {
            Some(Wrong(section, key, what)) => Err(self.problem(text, section, key, &what)),
            None => Ok(()),
        }
    }

    fn wrong_about_desk(&self) -> Option<Wrong> {
        let octets = self.identity.address.local_part().len() + 1 + TOKEN_CHARS;
        if self.staff.members.is_empty() {
            let what = "nobody gets the digest; add a [[staff.members]] with address and name";
            return Some(Wrong("staff", "members", what.into()));
        }
        if self.identity.plus_addressing && octets > LOCAL_PART_OCTETS_MAX {
            let what = format!(
                "with a token behind a plus sign it would have {octets} octets before the @, and \
                 64 are allowed; use a shorter address or plus_addressing = false"
            );
            return Some(Wrong("identity", "address", what));
        }
        let officers = self.staff.members.iter().any(|member| member.role == StaffRole::Officer);
        let what = "somebody has to be the officer, who gets the digest";
        if !officers {
            return Some(Wrong("staff.members", "role", what.into()));
        }
        self.wrong_about_scope()
    }

    fn wrong_about_scope(&self) -> Option<Wrong> {
        let plain = |name: &str| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        for (index, item) in self.scope.iter().enumerate() {
            let what = if !plain(&item.item) {
                format!("{:?} is no name: lower-case letters, digits and dashes only", item.item)
            } else if self.scope.iter().take(index).any(|other| other.item == item.item) {
                format!("{:?} stands there twice", item.item)
            } else if let Some(key) = item.words.keys().find(|key| key.len() != 2) {
                format!(
                    "unknown field `{key}` in {:?}; words stand behind a language, as in en",
                    item.item
                )
            } else if !item.words.contains_key("en") {
                format!("{:?} needs words for people: en = \"…\"", item.item)
            } else if item.of.is_empty() {
                format!("{:?} belongs to no request: for = [\"account\", \"workspace\"]", item.item)
            } else {
                continue;
            };
            return Some(Wrong("scope", "item", what));
        }
        None
    }

    fn wrong_about_page(&self) -> Option<Wrong> {
        let what = match (self.web.listen, &self.web.public_url) {
            (Listen::On(_), None) => {
                "links need the address that people reach the page at; set it, or listen = \"off\""
            }
            (_, Some(url)) if url.splitn(4, '/').nth(3).is_some() => {
                "it has a path; the page needs a host name of its own"
            }
            _ => return None,
        };
        Some(Wrong("web", "public_url", what.into()))
    }

    fn wrong_about_numbers(&self) -> Option<Wrong> {
        let (fulfil, expires) = (self.policy.fulfil_days, self.verification.expires_days);
        let days = [
            ("policy", "fulfil_days", fulfil),
            ("verification", "expires_days", expires),
            ("policy", "backup_rollover_days", self.policy.backup_rollover_days),
            ("retention", "closed_days", self.retention.closed_days),
            ("retention", "messages_days", self.retention.messages_days),
        ];
        for (section, key, days) in days {
            if !(1..=3650).contains(&days) {
                return Some(Wrong(section, key, format!("{days} is not between 1 and 3650 days")));
            }
        }
        if i64::from(self.retention.messages_days) < STAFF_TOKEN_DAYS {
            let what = "at least 7 days: as long as the links in them work";
            return Some(Wrong("retention", "messages_days", what.into()));
        }
        let what = "at most \"10m\"; after 15 minutes of silence staff are alarmed";
        (self.poll() > Duration::from_secs(600)).then(|| Wrong("mailbox", "poll", what.into()))
    }

    fn wrong_about_servers(&self) -> Option<Wrong> {
        let plain = "plain text goes to a loopback address only";
        if let MailboxSection::Imap(imap) = &self.mailbox
            && imap.tls == ImapTls::None
            && !is_loopback(&imap.host)
        {
            return Some(Wrong("mailbox", "tls", format!("{plain}; remove the key for TLS")));
        }
        let SmtpSection::Smtp(smtp) = &self.smtp else { return None };
        if smtp.tls == SmtpTls::None && !is_loopback(&smtp.host) {
            let what = format!("{plain}; use \"implicit\" or \"starttls\"");
            return Some(Wrong("smtp", "tls", what));
        }
        let fits = (1..=50).contains(&smtp.connections_max);
        (!fits).then(|| Wrong("smtp", "connections_max", "between 1 and 50".into()))
    }

    /// Whether the files and variables that it names are there; only those who connect need
    /// them.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn check_files(&self) -> Result<()> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let wrong =
            |section: &str, key: &str, what: String| self.problem(&text, section, key, &what);
        if let MailboxSection::Imap(imap) = &self.mailbox {
            let needed = imap.auth == Auth::Password;
            self.check_secret(&imap.password_file, &imap.password_env, needed)
                .map_err(|why| wrong("mailbox", password_key(&imap.password_env), why))?;
            self.check_file(&imap.ca_file).map_err(|why| wrong("mailbox", "ca_file", why))?;
        }
        if let SmtpSection::Smtp(smtp) = &self.smtp {
            let needed = smtp.username.is_some() && smtp.auth == Auth::Password;
            self.check_secret(&smtp.password_file, &smtp.password_env, needed)
                .map_err(|why| wrong("smtp", password_key(&smtp.password_env), why))?;
            self.check_file(&smtp.ca_file).map_err(|why| wrong("smtp", "ca_file", why))?;
        }
        if let Some(oauth2) = self.oauth2.as_ref().filter(|_| self.uses_oauth2()) {
            self.check_file(&oauth2.ca_file).map_err(|why| wrong("oauth2", "ca_file", why))?;
        }
        Ok(())
    }

    /// One message: file, line, key, what is wrong.
    fn problem(&self, text: &str, section: &str, key: &str, what: &str) -> anyhow::Error {
        let line = line_of(text, section, key).map(|n| format!(", line {n}")).unwrap_or_default();
        anyhow!("{}{line}: {section}.{key}: {what}", self.file.display())
    }

    fn check_file(&self, path: &Option<PathBuf>) -> Result<(), String> {
        match path.as_ref().map(|path| self.resolve(path)) {
            Some(path) => fs::metadata(&path)
                .map(|_| ())
                .map_err(|why| format!("cannot read {}: {why}", path.display())),
            None => Ok(()),
        }
    }

    fn check_secret(
        &self,
        file: &Option<PathBuf>,
        env: &Option<String>,
        needed: bool,
    ) -> Result<(), String> {
        match (file, env) {
            (None, None) if !needed => Ok(()),
            _ => self.secret(file, env).map(|_| ()),
        }
    }

    /// The password out of a file (its first line) or an environment variable.
    ///
    /// # Errors
    /// In words, without the secret.
    pub fn secret(
        &self,
        file: &Option<PathBuf>,
        env: &Option<String>,
    ) -> Result<SecretString, String> {
        let secret = match (file, env) {
            (Some(file), None) => {
                let file = self.resolve(file);
                let text = fs::read_to_string(&file)
                    .map_err(|why| format!("cannot read {}: {why}", file.display()))?;
                text.lines().next().unwrap_or_default().to_owned()
            }
            (None, Some(name)) => std::env::var(name)
                .map_err(|_| format!("the environment variable {name} is not set"))?,
            (None, None) => {
                return Err("give the password with password_file or password_env".to_owned());
            }
            (Some(_), Some(_)) => {
                return Err("give password_file or password_env, not both".to_owned());
            }
        };
        if secret.is_empty() {
            return Err("the password is empty".to_owned());
        }
        Ok(secret.into())
    }

    /// A path of the file, from the folder the file is in.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(path)
    }

    /// What letters and pages need.
    pub fn identity(&self) -> Identity {
        Identity {
            organization: self.identity.organization.clone(),
            address: self.identity.address.clone(),
            name: self.identity.name.clone(),
            privacy_policy: self.identity.privacy_policy.clone(),
            zone: self.identity.time_zone,
            plus_addressing: self.identity.plus_addressing,
            public_url: self.web.public_url.clone().filter(|_| self.web.listen != Listen::Off),
            language: self.identity.language.clone(),
            fulfil_days: self.policy.fulfil_days,
            verification_days: self.verification.expires_days,
            backup_rollover_days: self.policy.backup_rollover_days,
            undo_minutes: self.policy.undo_minutes,
            scope: self.scope.clone(),
        }
    }

    /// What decisions need.
    pub fn policy(&self) -> Policy {
        Policy {
            fulfil_days: self.policy.fulfil_days,
            nearing_days: self.policy.nearing_days,
            law: self.policy.law,
            zone: self.identity.time_zone,
            verification_days: self.verification.expires_days,
            limits: Limits {
                verifications_per_day_max: self.limits.verifications_per_day_max,
                verifications_per_week_max: self.limits.verifications_per_week_max,
                automatic_per_day_max: self.limits.automatic_per_day_max,
            },
            scope: self.scope.clone(),
            retention_days: self.retention.closed_days,
            backup_rollover_days: self.policy.backup_rollover_days,
            undo_minutes: self.policy.undo_minutes,
        }
    }

    /// What reading mail needs.
    pub fn desk(&self) -> Desk {
        Desk {
            address: self.identity.address.clone(),
            staff: self.staff.members.iter().map(|member| member.address.clone()).collect(),
            forms: self.forms.clone(),
            authserv_id: self.authentication.authserv_id.clone(),
        }
    }

    /// How much of one message is read.
    pub fn bounds(&self) -> Bounds {
        let message_bytes_max = match &self.mailbox {
            MailboxSection::Imap(imap) => imap.message_bytes_max,
            MailboxSection::Maildir { message_bytes_max, .. } => *message_bytes_max,
        };
        Bounds { message_bytes_max, ..Bounds::default() }
    }

    /// Time between two polls.
    pub fn poll(&self) -> Duration {
        match &self.mailbox {
            MailboxSection::Imap(imap) => imap.poll,
            MailboxSection::Maildir { poll, .. } => *poll,
        }
    }

    /// Letters that may be submitted in a minute.
    pub fn per_minute(&self) -> Option<NonZeroU32> {
        match &self.smtp {
            SmtpSection::Smtp(smtp) => smtp.per_minute,
            SmtpSection::Maildir { .. } => None,
        }
    }

    /// How far back old mail is answered.
    pub fn backfill(&self) -> Backfill {
        match &self.mailbox {
            MailboxSection::Imap(imap) => imap.backfill,
            MailboxSection::Maildir { backfill, .. } => *backfill,
        }
    }

    /// The name that messages of this mailbox are known under in the database.
    pub fn mailbox_name(&self) -> String {
        match &self.mailbox {
            MailboxSection::Imap(imap) => {
                format!("imap:{}@{}/{}", imap.username, imap.host, imap.folder)
            }
            MailboxSection::Maildir { path, .. } => format!("maildir:{}", path.display()),
        }
    }
}

/// Section, key, and what is wrong with it.
struct Wrong(&'static str, &'static str, String);

fn password_key(env: &Option<String>) -> &'static str {
    if env.is_some() { "password_env" } else { "password_file" }
}

/// Whether a host is this machine, by its literal address or as `localhost`.
fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

/// The line of `key` in `[section]`, counted from 1; that of the section when the key is not
/// there.
fn line_of(text: &str, section: &str, key: &str) -> Option<usize> {
    let mut here = section.is_empty();
    let mut section_at = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            here = line.trim_matches(['[', ']']) == section;
            section_at = if here { Some(index + 1) } else { section_at };
        } else if here && line.split('=').next().is_some_and(|name| name.trim() == key) {
            return Some(index + 1);
        }
    }
    section_at
}
