//! An inbox on an IMAP server: connects when needed, lists by set comparison, fetches by UID.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_imap::imap_proto::{AttributeValue, Response};
use chrono::{DateTime, Utc};
use rustls::pki_types::ServerName;
use tokio::io::BufWriter;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::bounded::{Bounded, Overstepped};
use super::imap_login::{self, Proof};
use super::imap_session::{Idled, ImapSession, Refused, Wire};
use super::{Fetched, REUSED, Seen, Unfetched};
use crate::net;
use crate::oauth::SignIn;
use crate::trouble::Trouble;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The whole set of UIDs is compared this often, for servers that rewind UIDNEXT.
const FULL_LISTING_EVERY: Duration = Duration::from_secs(3600);
/// IDLE is begun anew after this time, so that a dead connection shows (RFC 2177 allows 29
/// minutes; NAT boxes forget sooner).
const IDLE_MAX: Duration = Duration::from_secs(5 * 60);
/// The same while something that was asked for is still missing.
const IDLE_WHILE_MISSING: Duration = Duration::from_secs(60);
/// Rest after news that were none: some servers always have them.
const FRUITLESS_REST: Duration = Duration::from_secs(1);
/// After news without a new UID the whole set is compared, and not more often than this.
const UNEXPLAINED_EVERY: Duration = Duration::from_secs(60);
/// UIDs in one command; RFC 7162 §4 wants lines below 8,192 octets.
const UIDS_MAX: usize = 500;
/// A message that is too large so often, when it is asked for alone, is.
const OVERSTEPS_MAX: u32 = 3;
/// What a literal may be longer than the largest message.
const LITERAL_SLACK_BYTES: u64 = 64 * 1024;

/// Where the inbox is and how to log in.
#[derive(Clone, Debug)]
pub struct ImapSettings {
    /// Name of the server; its certificate must be for it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS from the first byte; without it, plain text to loopback.
    pub tls: bool,
    /// Login name.
    pub username: String,
    /// Password, or token of a provider.
    pub sign_in: SignIn,
    /// Folder.
    pub folder: String,
    /// A CA to trust in place of the system's, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Use IDLE where the server has it.
    pub idle: bool,
    /// Octets of the largest message that is fetched.
    pub message_bytes_max: usize,
}

/// The inbox.
#[derive(Debug)]
pub struct ImapMailbox {
    pub(super) settings: ImapSettings,
    pub(super) session: Option<ImapSession>,
    /// A hint that makes a poll cheap: UIDs below it were listed on this connection.
    pub(super) next_uid: u32,
    pub(super) full_listing_at: Option<Instant>,
    /// The newest of the last full listing, until they are looked at.
    newest: Vec<String>,
    /// Something that was asked for did not come: the next listing is a full one.
    is_missing_some: bool,
    /// The server told of news, and there was nothing new.
    was_fruitless: bool,
    /// Messages that were larger than they may be, each with how often.
    overstepped: HashMap<String, u32>,
}

impl ImapMailbox {
    /// Takes the settings; connects with the first listing.
    pub fn new(settings: ImapSettings) -> ImapMailbox {
        ImapMailbox {
            settings,
            session: None,
            next_uid: 0,
            full_listing_at: None,
            newest: Vec::new(),
            is_missing_some: false,
            was_fruitless: false,
            overstepped: HashMap::new(),
        }
    }

    /// Connects, logs in and opens the folder: what `check` tries.
    ///
    /// # Errors
    /// Why it does not work, and what to do.
    pub async fn try_login(&mut self) -> Result<LoginReport> {
        let mut session = connect(&self.settings).await?;
        let messages = session.search("ALL").await?.len();
        let report = LoginReport { messages, has_idle: session.has_idle };
        session.log_out().await;
        Ok(report)
    }

    /// What the server offers before a login: capabilities in upper case.
    ///
    /// # Errors
    /// As [`super::Mailbox::list`].
    pub async fn offers(&self) -> Result<BTreeSet<String>> {
        imap_login::offers(open_wire(&self.settings).await?).await
    }

    pub(super) async fn list(&mut self) -> Result<Vec<String>> {
        let mut session = match self.session.take() {
            Some(mut session) => {
                // RFC 3501 §7: a server need not show new mail before it is asked for something.
                session.command("NOOP", |_| Ok(())).await?;
                session
            }
            None => connect(&self.settings).await?,
        };
        // The session is put back only after it did what was asked.
        let told = session.has_news;
        let mut full =
            self.next_uid == 0 || self.is_missing_some || self.is_due(FULL_LISTING_EVERY);
        let mut uids = match full {
            true => session.search("ALL").await?,
            false => session.search(&format!("UID {}:*", self.next_uid)).await?,
        };
        let is_new = uids.last().is_some_and(|last| *last >= self.next_uid);
        self.was_fruitless = told && !is_new;
        if self.was_fruitless && !full && self.is_due(UNEXPLAINED_EVERY) {
            // Perhaps the server counts from lower numbers again.
            full = true;
            uids = session.search("ALL").await?;
        }
        let keys: Vec<String> = uids.iter().map(|uid| key(session.uid_validity, *uid)).collect();
        if full {
            self.full_listing_at = Some(Instant::now());
            self.newest = keys.iter().rev().take(UIDS_MAX).cloned().collect();
            self.is_missing_some = keys.len() < session.exists;
        }
        self.next_uid = uids.last().map_or(self.next_uid.max(1), |last| last.saturating_add(1));
        self.session = Some(session);
        Ok(keys)
    }

    fn is_due(&self, every: Duration) -> bool {
        self.full_listing_at.is_none_or(|at| at.elapsed() >= every)
    }

    pub(super) async fn describe(&mut self, keys: &[String]) -> Result<Vec<Seen>> {
        let mut described = Vec::new();
        for chunk in keys.chunks(UIDS_MAX) {
            let found =
                self.fetch_items(chunk, "(UID RFC822.SIZE INTERNALDATE)", 0, Item::seen).await?;
            described.extend(found.into_iter().map(|(_, seen)| seen));
        }
        Ok(described)
    }

    /// The newest messages after a full listing: a server that lost its memory gives their
    /// UIDs to others.
    pub(super) async fn describe_newest(&mut self, but: &[String]) -> Result<Vec<Seen>> {
        let but: HashSet<&String> = but.iter().collect();
        let newest = std::mem::take(&mut self.newest);
        let known: Vec<String> = newest.into_iter().filter(|key| !but.contains(key)).collect();
        self.describe(&known).await
    }

    /// A message that is larger than was said comes as too large when it was asked for alone, and
    /// came like this, some times; no connection survives that.
    pub(super) async fn fetch(&mut self, wanted: &[Seen]) -> Result<Vec<Fetched>> {
        let mut fetched = Vec::new();
        for chunk in wanted.chunks(UIDS_MAX) {
            let keys: Vec<String> = chunk.iter().map(|seen| seen.key.clone()).collect();
            let bytes = chunk.iter().map(|seen| seen.size).sum();
            let found = self.fetch_items(&keys, "(UID BODY.PEEK[])", bytes, Item::body).await;
            if let ([seen], Err(why)) = (wanted, &found)
                && is_too_large(why)
                && self.oversteps_again(&seen.key)
            {
                return Ok(vec![Fetched { seen: seen.clone(), raw: Err(Unfetched::TooLarge) }]);
            }
            for (key, raw) in found? {
                let seen = chunk.iter().find(|seen| seen.key == key);
                fetched.extend(seen.map(|seen| Fetched { seen: seen.clone(), raw: Ok(raw) }));
            }
        }
        Ok(fetched)
    }

    /// Notes that a message was larger than any that is read; whether that was so often that it is
    /// no whim of the server.
    fn oversteps_again(&mut self, key: &str) -> bool {
        let times = self.overstepped.entry(key.to_owned()).or_default();
        *times += 1;
        let is_so = *times >= OVERSTEPS_MAX;
        if is_so {
            self.overstepped.remove(key);
        }
        is_so
    }

    /// Fetches, all together; and where the server refuses that, one by one, so that a message
    /// that it cannot give keeps back no other.
    async fn fetch_items<T>(
        &mut self,
        keys: &[String],
        items: &str,
        bytes: u64,
        read: fn(Item) -> Option<T>,
    ) -> Result<Vec<(String, T)>> {
        let found = match self.fetch_together(keys, items, bytes, read).await {
            Err(why) if is_about_messages(&why) && keys.len() > 1 => {
                let mut found = Vec::new();
                for one in keys.chunks(1) {
                    match self.fetch_together(one, items, bytes, read).await {
                        Err(refused) if is_about_messages(&refused) => {}
                        one => found.extend(one?),
                    }
                }
                // It refuses them all: that is no fault of a message.
                if found.is_empty() {
                    return Err(why);
                }
                found
            }
            found => found?,
        };
        self.is_missing_some |= found.len() < keys.len();
        Ok(found)
    }

    /// Keeps only what was asked for, and the first of it: servers also send flags of other
    /// messages in between. What was asked for and did not come may have gone.
    async fn fetch_together<T>(
        &mut self,
        keys: &[String],
        items: &str,
        bytes: u64,
        read: fn(Item) -> Option<T>,
    ) -> Result<Vec<(String, T)>> {
        let mut session = self.session.take().context("The connection was lost")?;
        let validity = session.uid_validity;
        let mut wanted: BTreeMap<u32, &String> =
            keys.iter().filter_map(|key| Some((uid_of(key, validity)?, key))).collect();
        let uids: Vec<u32> = wanted.keys().copied().collect();
        let mut found = Vec::new();
        let bytes_max = bytes.saturating_add(self.settings.message_bytes_max as u64);
        let mut came = 0_u64;
        let done = match uids.is_empty() {
            true => Ok(()),
            false => {
                let command = format!("UID FETCH {} {items}", uid_set(&uids));
                let take = |response: &Response<'_>| {
                    let Response::Fetch(_, attributes) = response else { return Ok(()) };
                    let Some(item) = Item::read(attributes, &wanted) else { return Ok(()) };
                    came += item.body.as_ref().map_or(0, Vec::len) as u64;
                    if came > bytes_max {
                        bail!("The server sends more octets than it announced");
                    }
                    let uid = item.uid;
                    if let Some(value) = read(item)
                        && let Some(key) = wanted.remove(&uid)
                    {
                        found.push((key.clone(), value));
                    }
                    Ok(())
                };
                session.long_command(&command, bytes, take).await
            }
        };
        // A refusal leaves the session as good as it was.
        if done.as_ref().err().is_none_or(|why| why.is::<Refused>()) {
            self.session = Some(session);
        }
        done.map(|()| found)
    }

    pub(super) async fn wait(&mut self, poll: Duration) -> Result<()> {
        if self.was_fruitless {
            tokio::time::sleep(FRUITLESS_REST).await;
        }
        let idles =
            self.settings.idle && self.session.as_ref().is_some_and(|session| session.has_idle);
        let missing = |time: Duration| match self.is_missing_some {
            true => time.min(IDLE_WHILE_MISSING),
            false => time,
        };
        match self.session.take() {
            Some(session) if session.has_news => self.session = Some(session),
            Some(mut session) if idles => {
                if session.idle(missing(IDLE_MAX)).await? == Idled::Refused {
                    session.has_idle = false;
                    tokio::time::sleep(missing(poll)).await;
                }
                self.session = Some(session);
            }
            session => {
                self.session = session;
                tokio::time::sleep(missing(poll)).await;
            }
        }
        Ok(())
    }

    /// Forgets the connection; the next listing is a full one over a new connection.
    pub fn disconnect(&mut self) {
        self.session = None;
        self.next_uid = 0;
        self.full_listing_at = None;
        self.newest.clear();
    }
}

/// Whether a server refuses messages, and not us: whoever asks to be left alone is not asked for
/// each of them.
fn is_about_messages(why: &anyhow::Error) -> bool {
    why.is::<Refused>() && Trouble::of(why) != Trouble::Busy
}

/// Whether a message, or what is said to be one, is larger than any that is read.
fn is_too_large(why: &anyhow::Error) -> bool {
    let inner = |cause: &(dyn std::error::Error + 'static)| {
        let overstepped = cause.downcast_ref::<std::io::Error>()?.get_ref()?.downcast_ref()?;
        Some(matches!(overstepped, Overstepped::Literal(_)))
    };
    why.chain().any(|cause| inner(cause) == Some(true))
}

/// What a login found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginReport {
    /// Messages in the folder.
    pub messages: usize,
    /// Whether the server tells of new mail at once.
    pub has_idle: bool,
}

/// One message out of a FETCH.
#[derive(Default)]
struct Item {
    uid: u32,
    key: String,
    size: Option<u32>,
    received_at: Option<DateTime<Utc>>,
    body: Option<Vec<u8>>,
}

impl Item {
    /// Of one that is wanted.
    fn read(attributes: &[AttributeValue<'_>], wanted: &BTreeMap<u32, &String>) -> Option<Item> {
        let uid = attributes.iter().find_map(|attribute| match attribute {
            AttributeValue::Uid(uid) => Some(*uid),
            _ => None,
        })?;
        let mut item = Item { uid, key: (*wanted.get(&uid)?).clone(), ..Item::default() };
        for attribute in attributes {
            match attribute {
                AttributeValue::Rfc822Size(size) => item.size = Some(*size),
                AttributeValue::InternalDate(text) => {
                    // RFC 3501 `date-time`: "05-Jan-2026 10:00:00 +0100".
                    let at = DateTime::parse_from_str(text.trim(), "%d-%b-%Y %H:%M:%S %z");
                    item.received_at = at.ok().map(|at| at.to_utc());
                }
                AttributeValue::BodySection { section: None, data: Some(data), .. } => {
                    item.body = Some(data.to_vec());
                }
                _ => {}
            }
        }
        Some(item)
    }

    fn seen(self) -> Option<Seen> {
        // Without a date it counts as old: read, shown to staff, never answered.
        let received_at = self.received_at.unwrap_or_default();
        Some(Seen { key: self.key, size: self.size?.into(), received_at })
    }

    fn body(self) -> Option<Vec<u8>> {
        self.body
    }
}

fn key(validity: u32, uid: u32) -> String {
    format!("{validity}:{uid}")
}

/// The UID in a key of this UIDVALIDITY; a key of another one names nothing here.
fn uid_of(key: &str, validity: u32) -> Option<u32> {
    let (of, uid) = key.split_once(':')?;
    let uid = uid.split_once(REUSED).map_or(uid, |(uid, _)| uid);
    (of.parse() == Ok(validity)).then(|| uid.parse().ok()).flatten()
}

/// `1:3,7,9:10` (RFC 3501 `sequence-set`).
fn uid_set(uids: &[u32]) -> String {
    let mut set = String::new();
    let mut rest = uids;
    while let Some((first, _)) = rest.split_first() {
        let run = rest
            .iter()
            .zip(0..)
            .take_while(|(uid, index)| **uid == first.saturating_add(*index))
            .count();
        let last = rest.get(run - 1).unwrap_or(first);
        let separator = if set.is_empty() { "" } else { "," };
        let written = match run {
            1 => write!(set, "{separator}{first}"),
            _ => write!(set, "{separator}{first}:{last}"),
        };
        debug_assert!(written.is_ok());
        rest = rest.get(run..).unwrap_or_default();
    }
    set
}

pub(super) async fn connect(settings: &ImapSettings) -> Result<ImapSession> {
    match &settings.sign_in {
        SignIn::Password(password) => open(settings, Proof::Password(password.clone())).await,
        SignIn::OAuth2(tokens) => {
            let attempt = |token| open(settings, Proof::Token(token));
            tokens.log_in(&settings.host, attempt).await
        }
    }
}

async fn open(settings: &ImapSettings, proof: Proof) -> Result<ImapSession> {
    let wire = open_wire(settings).await?;
    ImapSession::open(wire, &settings.username, proof, &settings.folder).await
}

async fn open_wire(settings: &ImapSettings) -> Result<Box<dyn Wire>> {
    let (host, port) = (settings.host.as_str(), settings.port);
    let tcp = timeout(CONNECT_TIMEOUT, net::connect(host, port))
        .await
        .with_context(|| format!("{host}:{port} does not answer within 30 seconds"))?
        .with_context(|| format!("Cannot connect to {host}:{port}"))?;
    let literal_bytes_max = settings.message_bytes_max as u64 + LITERAL_SLACK_BYTES;
    let wire: Box<dyn Wire> = if settings.tls {
        let connector =
            TlsConnector::from(Arc::new(crate::tls::client_config(settings.ca_pem.as_deref())?));
        let name = ServerName::try_from(host.to_owned())
            .with_context(|| format!("{host} is no host name"))?;
        let tls = timeout(CONNECT_TIMEOUT, connector.connect(name, tcp))
            .await
            .with_context(|| format!("{host}:{port}: no TLS handshake within 30 seconds"))?
            .with_context(|| format!("{host}:{port}: the TLS handshake failed"))?;
        // async-imap writes tag, command and line end apart; one packet is enough.
        Box::new(Bounded::new(BufWriter::new(tls), literal_bytes_max))
    } else {
        if !tcp.peer_addr()?.ip().is_loopback() {
            bail!("{host} is not on this machine, and plain text goes nowhere else");
        }
        Box::new(Bounded::new(BufWriter::new(tcp), literal_bytes_max))
    };
    Ok(wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_named_in_runs() {
        assert_eq!(uid_set(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(uid_set(&[5]), "5");
        assert_eq!(uid_set(&[u32::MAX - 1, u32::MAX]), "4294967294:4294967295");
    }

    #[test]
    fn a_key_of_another_uidvalidity_names_nothing() {
        assert_eq!(uid_of("7:12", 7), Some(12));
        assert_eq!(uid_of("8:12", 7), None);
        assert_eq!(uid_of("7:x", 7), None);
        assert_eq!(uid_of("7:12~1767225600", 7), Some(12));
    }
}
