//! What commands begin with: configuration, rules, templates, key, database.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, bail};
use data_encoding::HEXLOWER;
use url::Url;

use crate::bot::Settings;
use crate::bot::timer::CLOCK;
use crate::case::verification::TokenKey;
use crate::classify::rules::RuleSet;
use crate::clock::Clock;
use crate::compose::Templates;
use crate::compose::shipped::TEMPLATES;
use crate::config::{Auth, Config, ImapSection, ImapTls, MailboxSection, SmtpSection, SmtpTls};
use crate::https::{self, Https};
use crate::mailbox::{ImapMailbox, ImapSettings, Mailbox, MaildirMailbox, Place, SideFolders};
use crate::oauth::{OAuthSettings, SecretPlace, SignIn, TokenFile, TokenSource};
use crate::step::step;
use crate::store::whole::beside;
use crate::store::{Access, Store};
use crate::submission::{MaildirSubmitter, SmtpSettings, Submitter, Tls};

/// Octets of the secret key.
const KEY_BYTES: usize = 32;

/// A checked configuration; rules and templates are read by those who need them.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `bot.toml`.
    pub config: Config,
    /// One source of tokens for all connections.
    tokens: OnceLock<TokenSource>,
}

impl Setup {
    /// Reads the configuration.
    ///
    /// # Errors
    /// One message: file, key or line, what is wrong, what to do.
    pub fn read(config: &Path) -> Result<Setup> {
        Ok(Setup { config: Config::read(config)?, tokens: OnceLock::new() })
    }

    /// The rules, compiled and tried on their own examples.
    ///
    /// # Errors
    /// As [`Setup::read`].
    pub fn rules(&self) -> Result<RuleSet> {
        let rules = rules(&self.config)?;
        let mut problems = self.config.forms.iter().filter_map(|form| form.problem(&rules));
        if let Some((key, what)) = problems.next() {
            bail!("{}: form.{key}: {what}", self.config.file.display());
        }
        Ok(rules)
    }

    /// The templates, tried with every variable.
    ///
    /// # Errors
    /// As [`Setup::read`].
    pub fn templates(&self) -> Result<Templates> {
        let templates = templates(&self.config)?;
        let language = &self.config.identity.language;
        if !templates.speaks(language) {
            let codes: Vec<&str> = templates.languages().map(|(code, _)| code).collect();
            bail!(
                "{}: identity.language: there are no letters in {language:?}; there are {}",
                self.config.file.display(),
                codes.join(", ")
            );
        }
        Ok(templates)
    }

    /// What the bot works by.
    ///
    /// # Errors
    /// When the list of accounts cannot be read.
    pub fn settings(&self) -> Result<Settings> {
        Settings::of(&self.config)
    }

    /// Where the database is.
    pub fn database(&self) -> PathBuf {
        self.config.resolve(&self.config.database.path)
    }

    /// Opens the database beside a daemon that may be running.
    ///
    /// # Errors
    /// When it is not there, or not of this version.
    pub async fn open_store(&self) -> Result<Store> {
        let database = self.database();
        if !database.exists() {
            bail!(
                "There is no database at {} yet; `deletion-desk run` makes it",
                database.display()
            );
        }
        let store = Store::open(&database, self.key(false)?, Access::Command).await?;
        // A clock that jumped is not followed here before the desk follows it.
        if let Some(noted) = store.mark(CLOCK).await? {
            Clock::System.resume(&noted);
        }
        Ok(store)
    }

    /// The secret key; made at the first start.
    ///
    /// # Errors
    /// When it is missing, unreadable, or readable by others.
    pub fn key(&self, make: bool) -> Result<TokenKey> {
        let file = self.config.resolve(&self.config.database.key_file);
        let place = file.display();
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(why) if why.kind() == ErrorKind::NotFound && make && !self.database().exists() => {
                make_key(&file)?
            }
            Err(why) if why.kind() == ErrorKind::NotFound => bail!(
                "The key {place} is missing. Every link that was mailed depends on it: restore it from its backup"
            ),
            Err(why) => return Err(why).with_context(|| format!("Cannot read the key {place}")),
        };
        let mode = fs::metadata(&file)?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!(
                "The key {place} can be read by others (mode {:o}); run: chmod 600 {place}",
                mode & 0o777
            );
        }
        let bytes =
            HEXLOWER.decode(text.trim().as_bytes()).ok().filter(|bytes| bytes.len() == KEY_BYTES);
        bytes
            .map(TokenKey::new)
            .ok_or_else(|| anyhow!("The key {place} is damaged; restore it from its backup"))
    }

    /// The mailbox to read.
    ///
    /// # Errors
    /// When a file that the configuration names cannot be read.
    pub fn mailbox(&self) -> Result<Mailbox> {
        match &self.config.mailbox {
            MailboxSection::Maildir { path, .. } => {
                Ok(Mailbox::Maildir(MaildirMailbox::open(&self.config.resolve(path))?))
            }
            MailboxSection::Imap(imap) => {
                Ok(Mailbox::Imap(Box::new(ImapMailbox::new(self.imap_settings(imap)?))))
            }
        }
    }

    /// Junk and Sent beside it.
    ///
    /// # Errors
    /// As [`Setup::mailbox`].
    pub fn side_folders(&self) -> Result<SideFolders> {
        Ok(match &self.config.mailbox {
            MailboxSection::Maildir { path, junk_folder, sent_folder, .. } => {
                let place = Place::Maildir(self.config.resolve(path));
                SideFolders::new(place, junk_folder.clone(), sent_folder.clone())
            }
            MailboxSection::Imap(imap) => {
                let place = Place::Imap(Box::new(self.imap_settings(imap)?));
                SideFolders::new(place, imap.junk_folder.clone(), imap.sent_folder.clone())
            }
        })
    }

    fn imap_settings(&self, imap: &ImapSection) -> Result<ImapSettings> {
        Ok(ImapSettings {
            host: imap.host.clone(),
            port: imap.port,
            tls: imap.tls == ImapTls::Implicit,
            username: imap.username.clone(),
            sign_in: self
                .sign_in(imap.auth, &imap.password_file, &imap.password_env)
                .context("mailbox")?,
            folder: imap.folder.clone(),
            ca_pem: self.ca(imap.ca_file.as_deref())?,
            idle: imap.idle,
            message_bytes_max: imap.message_bytes_max,
        })
    }

    /// Where letters are submitted to, and over how many lines.
    ///
    /// # Errors
    /// As [`Setup::mailbox`].
    pub fn submitter(&self) -> Result<(Submitter, usize)> {
        let smtp = match &self.config.smtp {
            SmtpSection::Maildir { path } => {
                let path = self.config.resolve(path);
                return Ok((Submitter::Maildir(MaildirSubmitter { path }), 1));
            }
            SmtpSection::Smtp(smtp) => smtp,
        };
        let (tls, port) = match smtp.tls {
            SmtpTls::Implicit => (Tls::Implicit, 465),
            SmtpTls::Starttls => (Tls::Starttls, 587),
            SmtpTls::None => (Tls::None, 25),
        };
        let login = match &smtp.username {
            None => None,
            Some(username) => {
                let sign_in = self.sign_in(smtp.auth, &smtp.password_file, &smtp.password_env);
                Some((username.clone(), sign_in.context("smtp")?))
            }
        };
        let settings = SmtpSettings {
            host: smtp.host.clone(),
            port: smtp.port.unwrap_or(port),
            tls,
            login,
            ca_pem: self.ca(smtp.ca_file.as_deref())?,
            hello: self.config.identity.address.domain().to_owned(),
        };
        Ok((Submitter::Smtp(settings.into()), smtp.connections_max))
    }

    /// Who is called after each good poll, and by what.
    ///
    /// # Errors
    /// When the address is none, or there is no certificate to trust.
    pub fn ping(&self) -> Result<Option<(Https, Url)>> {
        let Some(url) = &self.config.watch.ping_url else { return Ok(None) };
        let url = https::address(url).map_err(|why| anyhow!("watch.ping_url: {why}"))?;
        Ok(Some((Https::new(None)?, url)))
    }

    fn sign_in(&self, auth: Auth, file: &Option<PathBuf>, env: &Option<String>) -> Result<SignIn> {
        match auth {
            Auth::Password => {
                let secret = self.config.secret(file, env);
                Ok(SignIn::Password(secret.map_err(|why| anyhow!(why))?))
            }
            Auth::OAuth2 => Ok(SignIn::OAuth2(self.tokens()?)),
        }
    }

    /// Where tokens come from, if the mailbox or the mail server takes any.
    ///
    /// # Errors
    /// As [`Setup::mailbox`].
    pub fn tokens(&self) -> Result<TokenSource> {
        if let Some(tokens) = self.tokens.get() {
            return Ok(tokens.clone());
        }
        let oauth2 = self.config.oauth2.as_ref().context("bot.toml has no section [oauth2]")?;
        let wrong = |why: String| anyhow!("oauth2: {why}");
        let mailbox = match (&self.config.mailbox, &self.config.smtp) {
            (MailboxSection::Imap(imap), _) => imap.username.clone(),
            (_, SmtpSection::Smtp(smtp)) => smtp.username.clone().unwrap_or_default(),
            _ => String::new(),
        };
        let secret = match (&oauth2.client_secret_file, &oauth2.client_secret_env) {
            (Some(file), _) => Some(SecretPlace::File(self.config.resolve(file))),
            (None, Some(name)) => Some(SecretPlace::Variable(name.clone())),
            (None, None) => None,
        };
        let tokens = TokenSource::new(OAuthSettings {
            provider: oauth2.provider,
            flow: oauth2.flow(),
            client_id: oauth2.client_id.clone().unwrap_or_default(),
            client_secret: secret,
            token_url: oauth2.token_url().map_err(wrong)?,
            device_url: oauth2.device_url().map_err(wrong)?,
            authorize_url: oauth2.authorize_url().map_err(wrong)?,
            scope: oauth2.scope().unwrap_or_default(),
            token_file: TokenFile::new(self.config.resolve(&oauth2.token_file)),
            service_account: oauth2
                .service_account_file
                .as_ref()
                .map(|key| self.config.resolve(key)),
            mailbox,
            https: Https::new(self.ca(oauth2.ca_file.as_deref())?.as_deref())?,
        });
        Ok(self.tokens.get_or_init(|| tokens).clone())
    }

    fn ca(&self, file: Option<&Path>) -> Result<Option<Vec<u8>>> {
        file.map(|file| {
            let file = self.config.resolve(file);
            fs::read(&file).with_context(|| format!("Cannot read {}", file.display()))
        })
        .transpose()
    }
}

fn make_key(file: &Path) -> Result<String> {
    let context = || format!("Cannot make the key {}", file.display());
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|why| anyhow!("The system gives no random bytes: {why}"))?;
    let text = HEXLOWER.encode(&bytes);
    // Whole under its name, or not there: half a key would keep every later start from starting.
    let begun = file.with_extension("new");
    let mut key = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&begun)
        .with_context(context)?;
    key.write_all(text.as_bytes()).and_then(|()| key.sync_all()).with_context(context)?;
    step("before-key");
    fs::rename(&begun, file).with_context(context)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))
        .and_then(|folder| folder.sync_all())
        .with_context(context)?;
    step("after-key");
    Ok(text)
}

/// Keeps a second daemon away from the same database until it is dropped.
///
/// # Errors
/// When one is running.
pub fn lock(database: &Path) -> Result<File> {
    let path = beside(database, ".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("Cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => {
            bail!(
                "Another deletion-desk runs with the database {}; stop it first",
                database.display()
            )
        }
        Err(fs::TryLockError::Error(why)) => {
            Err(why).with_context(|| format!("Cannot lock {}", path.display()))
        }
    }
}

fn rules(config: &Config) -> Result<RuleSet> {
    match &config.rules {
        None => RuleSet::shipped().map_err(|why| anyhow!(why)),
        Some(folder) => {
            let files = files_below(&config.resolve(folder), "toml").context("rules")?;
            let files = files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
            RuleSet::load(files).map_err(|why| anyhow!("{}: {why}", folder.display()))
        }
    }
}

fn templates(config: &Config) -> Result<Templates> {
    match &config.templates {
        None => Templates::load(TEMPLATES.iter().copied()).map_err(|why| anyhow!(why)),
        Some(folder) => {
            let folder = config.resolve(folder);
            let mut files = files_below(&folder, "md").context("templates")?;
            files.extend(files_below(&folder, "html").context("templates")?);
            files.extend(files_below(&folder, "toml").context("templates")?);
            let files = files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
            Templates::load(files).map_err(|why| anyhow!("{}: {why}", folder.display()))
        }
    }
}

/// Files with that ending, as sorted paths below `folder` with their text.
fn files_below(folder: &Path, ending: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(here) = todo.pop() {
        let entries = fs::read_dir(&here)
            .with_context(|| format!("Cannot read the folder {}", here.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("Cannot read {}", path.display()))?;
                let below = path.strip_prefix(folder).unwrap_or(&path);
                found.push((below.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    found.sort();
    Ok(found)
}
