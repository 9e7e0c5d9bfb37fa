//! An inbox on an IMAP server: connects when needed, lists by set comparison, fetches by UID.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use async_imap::imap_proto::{AttributeValue, Response};
use chrono::{DateTime, Utc};
use rustls::pki_types::ServerName;
use tokio::io::BufWriter;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::bounded::Bounded;
use super::imap_session::{self, ImapSession, Proof, SILENCE_MAX, Wire};
use super::{Fetched, Seen};
use crate::oauth::SignIn;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// The whole set of UIDs is compared this often, for servers that rewind UIDNEXT.
const FULL_LISTING_EVERY: Duration = Duration::from_secs(3600);
/// IDLE is begun anew after this time, so that a dead connection shows (RFC 2177 allows 29
/// minutes; NAT boxes forget sooner).
const IDLE_MAX: Duration = Duration::from_secs(5 * 60);
/// A large message on a slow line is no silence.
const SLOWEST_BYTES_PER_SECOND: u64 = 16 * 1024;
/// UIDs in one command; RFC 7162 §4 wants lines below 8,192 octets.
const UIDS_MAX: usize = 500;

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
}

impl ImapMailbox {
    /// Takes the settings; connects with the first listing.
    pub fn new(settings: ImapSettings) -> ImapMailbox {
        ImapMailbox { settings, session: None, next_uid: 0, full_listing_at: None }
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
        imap_session::offers(open_wire(&self.settings).await?).await
    }

    pub(super) async fn list(&mut self) -> Result<Vec<String>> {
        let full = self.full_listing_at.is_none_or(|at| at.elapsed() >= FULL_LISTING_EVERY);
        let mut session = match self.session.take() {
            Some(mut session) => {
                // RFC 3501 §7: a server need not show new mail before it is asked for something.
                session.command("NOOP", |_| Ok(())).await?;
                session
            }
            None => connect(&self.settings).await?,
        };
        // The session is put back only after it did what was asked.
        let fresh = self.next_uid == 0;
        let criteria =
            if full || fresh { "ALL".to_owned() } else { format!("UID {}:*", self.next_uid) };
        let uids = session.search(&criteria).await?;
        if full || fresh {
            self.full_listing_at = Some(Instant::now());
        }
        self.next_uid = uids.last().map_or(self.next_uid.max(1), |last| last.saturating_add(1));
        let keys = uids.iter().map(|uid| key(session.uid_validity, *uid)).collect();
        self.session = Some(session);
        Ok(keys)
    }

    pub(super) async fn describe(&mut self, keys: &[String]) -> Result<Vec<Seen>> {
        let mut described = Vec::new();
        for chunk in keys.chunks(UIDS_MAX) {
            let items = self.fetch_items(chunk, "(UID RFC822.SIZE INTERNALDATE)", 0).await?;
            described.extend(items.into_iter().filter_map(Item::seen));
        }
        Ok(described)
    }

    pub(super) async fn fetch(&mut self, wanted: &[Seen]) -> Result<Vec<Fetched>> {
        let keys: Vec<String> = wanted.iter().map(|seen| seen.key.clone()).collect();
        let largest = wanted.iter().map(|seen| seen.size).max().unwrap_or_default();
        let mut fetched = Vec::new();
        for chunk in keys.chunks(UIDS_MAX) {
            for item in self.fetch_items(chunk, "(UID BODY.PEEK[])", largest).await? {
                let seen = wanted.iter().find(|seen| seen.key == item.key);
                if let (Some(seen), Some(raw)) = (seen, item.body) {
                    fetched.push(Fetched { seen: seen.clone(), raw: Ok(raw) });
                }
            }
        }
        Ok(fetched)
    }

    /// Fetches, and keeps only what was asked for: servers also send flags of other messages
    /// in between. What was asked for and did not come has gone; it is not listed again.
    async fn fetch_items(
        &mut self,
        keys: &[String],
        items: &str,
        largest: u64,
    ) -> Result<Vec<Item>> {
        let mut session = self.session.take().context("The connection was lost")?;
        let validity = session.uid_validity;
        let uids: Vec<u32> = keys.iter().filter_map(|key| uid_of(key, validity)).collect();
        let patience = SILENCE_MAX + Duration::from_secs(largest / SLOWEST_BYTES_PER_SECOND);
        let mut found = Vec::new();
        if !uids.is_empty() {
            session
                .long_command(
                    &format!("UID FETCH {} {items}", uid_set(&uids)),
                    patience,
                    |response| {
                        if let Response::Fetch(_, attributes) = response
                            && let Some(item) = Item::read(attributes, validity)
                            && keys.contains(&item.key)
                        {
                            found.push(item);
                        }
                        Ok(())
                    },
                )
                .await?;
        }
        self.session = Some(session);
        Ok(found)
    }

    pub(super) async fn wait(&mut self, poll: Duration) -> Result<()> {
        let idles =
            self.settings.idle && self.session.as_ref().is_some_and(|session| session.has_idle);
        match self.session.take() {
            Some(session) if session.has_news => self.session = Some(session),
            Some(mut session) if idles => {
                session.idle(IDLE_MAX).await?;
                self.session = Some(session);
            }
            session => {
                self.session = session;
                tokio::time::sleep(poll).await;
            }
        }
        Ok(())
    }

    /// Forgets the connection; the next listing is a full one over a new connection.
    pub fn disconnect(&mut self) {
        self.session = None;
        self.next_uid = 0;
        self.full_listing_at = None;
    }
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
    key: String,
    size: Option<u32>,
    received_at: Option<DateTime<Utc>>,
    body: Option<Vec<u8>>,
}

impl Item {
    fn read(attributes: &[AttributeValue<'_>], validity: u32) -> Option<Item> {
        let mut item = Item::default();
        for attribute in attributes {
            match attribute {
                AttributeValue::Uid(uid) => item.key = key(validity, *uid),
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
        (!item.key.is_empty()).then_some(item)
    }

    fn seen(self) -> Option<Seen> {
        // Without a date it counts as old: recorded, shown to nobody's harm, never answered.
        let received_at = self.received_at.unwrap_or_default();
        Some(Seen { key: self.key, size: self.size?.into(), received_at })
    }
}

fn key(validity: u32, uid: u32) -> String {
    format!("{validity}:{uid}")
}

/// The UID in a key of this UIDVALIDITY; a key of another one names nothing here.
fn uid_of(key: &str, validity: u32) -> Option<u32> {
    let (of, uid) = key.split_once(':')?;
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
    let tcp = timeout(CONNECT_TIMEOUT, TcpStream::connect((host, port)))
        .await
        .with_context(|| format!("{host}:{port} does not answer within 30 seconds"))?
        .with_context(|| format!("Cannot connect to {host}:{port}"))?;
    tcp.set_nodelay(true)?;
    let literal_bytes_max = settings.message_bytes_max as u64 + 64 * 1024;
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
    }
}
