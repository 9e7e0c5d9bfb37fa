//! Part of `check --probe`: the desk mails itself, and looks where that arrives and what the
//! mail servers on the way say of it.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, anyhow};
use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER;
use tokio::time::{Instant, sleep};

use super::verdicts::{Arrival, Found, Seen, lines};
use super::{Line, Verdict, line};
use crate::clock::Clock;
use crate::commands::setup::Setup;
use crate::config::SmtpSection;
use crate::mail::sender_auth::{authserv_id_of, sender_auth};
use crate::mail::{Bounds, EmailAddress, parse};
use crate::mailbox::{Folder, Mailbox, SideFolders};
use crate::store::attempts::End;
use crate::submission::Parcel;
use crate::trouble::Part;

/// How long a probe may be on its way.
const PATIENCE: Duration = Duration::from_secs(120);
/// How much later than the one to the plain address the one to the plus-address may come.
const PLUS_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Larger mails are no probes.
const BYTES_MAX: u64 = 200_000;
/// Octets of the name that a probe is known by.
const NAME_BYTES: usize = 8;

/// A mail to ourselves.
struct Probe {
    to: EmailAddress,
    name: String,
    message_id: String,
    arrival: Option<Arrival>,
}

/// Mails two probes, one to the plain address and one to a plus-address, and says where they
/// arrived.
pub(super) async fn probe(setup: &Setup) -> Vec<Line> {
    match try_probe(setup).await {
        Ok(found) => lines(&found, &setup.config),
        Err(why) => vec![line(Verdict::Fail, "probe", format!("{why:#}"))],
    }
}

async fn try_probe(setup: &Setup) -> Result<Found> {
    let address = &setup.config.identity.address;
    let mut bytes = [0_u8; NAME_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|why| anyhow!("The system gives no random bytes: {why}"))?;
    let name = HEXLOWER.encode(&bytes);
    let tagged = EmailAddress::parse(&address.with_tag(&format!("probe-{name}")))?;
    let mut looks = Looks::begin(setup).await?;
    let mut plain = Probe::to(address.clone(), &format!("probe-plain-{name}"), address);
    let mut plus = Probe::to(tagged, &format!("probe-plus-{name}"), address);
    let now = Clock::System.now();
    for probe in [&mut plain, &mut plus] {
        probe.submit(setup, now).await?;
    }
    let begun = Instant::now();
    let mut give_up_at = begun + PATIENCE;
    while plain.arrival.is_none() || plus.arrival.is_none() {
        let seconds = begun.elapsed().as_secs();
        for (place, mail) in looks.look().await? {
            for probe in [&mut plain, &mut plus] {
                probe.see(&place, &mail, seconds);
            }
        }
        if plain.arrival.is_some() {
            give_up_at = give_up_at.min(Instant::now() + PLUS_PATIENCE);
        }
        if Instant::now() >= give_up_at {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    looks.end().await;
    let lost = Arrival::NotAtAll { seconds: begun.elapsed().as_secs() };
    Ok(Found {
        smtp_host: match &setup.config.smtp {
            SmtpSection::Smtp(smtp) => smtp.host.clone(),
            SmtpSection::Maildir { .. } => String::new(),
        },
        plain: plain.arrival.unwrap_or_else(|| lost.clone()),
        plus: plus.arrival.unwrap_or(lost),
    })
}

impl Probe {
    fn to(to: EmailAddress, name: &str, desk: &EmailAddress) -> Probe {
        let message_id = format!("<{name}@{}>", desk.domain());
        Probe { to, name: name.to_owned(), message_id, arrival: None }
    }

    /// Its marks tell the daemon, and every other program, that there is nothing to answer.
    fn bytes(&self, from: &EmailAddress, now: DateTime<Utc>) -> Vec<u8> {
        let lines = [
            format!("From: {}", from.as_str()),
            format!("To: {}", self.to.as_str()),
            "Subject: Test of the deletion desk (nothing to do)".to_owned(),
            format!("Date: {}", now.to_rfc2822()),
            format!("Message-ID: {}", self.message_id),
            "Auto-Submitted: auto-generated".to_owned(),
            "X-Auto-Response-Suppress: All".to_owned(),
            format!("X-Deletion-Desk: {}", self.name),
            "MIME-Version: 1.0".to_owned(),
            "Content-Type: text/plain; charset=us-ascii".to_owned(),
            String::new(),
            "Somebody ran `deletion-desk check --probe` to see whether mail of the".to_owned(),
            "desk arrives. There is nothing to do; this mail can be deleted.".to_owned(),
            String::new(),
        ];
        lines.join("\r\n").into_bytes()
    }

    async fn submit(&mut self, setup: &Setup, now: DateTime<Utc>) -> Result<()> {
        let from = setup.config.identity.address.clone();
        let bytes = self.bytes(&from, now);
        let parcel = Parcel { id: 0, return_path: from, to: self.to.clone(), bytes };
        let mut submitting = setup.submitter()?.0.line();
        let end = submitting.submit(&parcel).await;
        submitting.hang_up().await;
        match end {
            End::Submitted | End::Uncertain(_) => {}
            End::Permanent(why) => self.arrival = Some(Arrival::Refused { why }),
            End::Temporary(why) => {
                return Err(anyhow!("The mail server does not take the probe now: {why}"));
            }
            End::NotTried(why) | End::NotTaken(why) | End::Throttled(why) => {
                let remedy = why.remedy(Part::MailServer);
                return Err(anyhow!(
                    "The mail server does not take the probe now: {why}\n{remedy}"
                ));
            }
        }
        Ok(())
    }

    fn see(&mut self, place: &Folder, raw: &[u8], seconds: u64) {
        let Ok(mail) = parse(raw, &Bounds::default()) else { return };
        let says =
            |header, what: &str| mail.headers.first(header).is_some_and(|is| is.trim() == what);
        // Some servers give every mail a Message-ID of their own.
        let is_it =
            says("message-id", &self.message_id) || says("x-deletion-desk", self.name.as_str());
        if !is_it || self.arrival.is_some() {
            return;
        }
        let authserv_id = authserv_id_of(&mail.headers);
        self.arrival = Some(Arrival::Came(Seen {
            place: place.clone(),
            seconds,
            sender: sender_auth(&mail.headers, authserv_id.as_deref()),
            authserv_id,
            from: mail.author.address().cloned(),
        }));
    }
}

/// The inbox and Junk, with what lay there before.
struct Looks {
    inbox: Mailbox,
    known: HashSet<String>,
    beside: SideFolders,
    junk: Option<Folder>,
    known_in_junk: HashSet<String>,
}

impl Looks {
    async fn begin(setup: &Setup) -> Result<Looks> {
        let mut looks = Looks {
            inbox: setup.mailbox()?,
            known: HashSet::new(),
            beside: setup.side_folders()?,
            junk: None,
            known_in_junk: HashSet::new(),
        };
        looks.known.extend(looks.inbox.list().await?);
        let found = looks.beside.find().await?;
        looks.junk = found.into_iter().find(|folder| matches!(folder, Folder::Junk(_)));
        if let Some(junk) = &looks.junk {
            looks.known_in_junk.extend(looks.beside.open(junk).await?.list().await?);
        }
        Ok(looks)
    }

    /// What is new.
    async fn look(&mut self) -> Result<Vec<(Folder, Vec<u8>)>> {
        let mut found = Vec::new();
        for raw in new_mail(&mut self.inbox, &mut self.known).await? {
            found.push((Folder::Inbox, raw));
        }
        if let Some(junk) = &self.junk {
            let mailbox = self.beside.open(junk).await?;
            for raw in new_mail(mailbox, &mut self.known_in_junk).await? {
                found.push((junk.clone(), raw));
            }
        }
        Ok(found)
    }

    async fn end(mut self) {
        self.beside.close().await;
    }
}

async fn new_mail(mailbox: &mut Mailbox, known: &mut HashSet<String>) -> Result<Vec<Vec<u8>>> {
    let mut keys = mailbox.list().await?;
    keys.retain(|key| !known.contains(key));
    let seen = mailbox.describe(&keys).await?;
    known.extend(seen.iter().map(|seen| seen.key.clone()));
    let small: Vec<_> = seen.into_iter().filter(|seen| seen.size <= BYTES_MAX).collect();
    let fetched = mailbox.fetch(&small, usize::try_from(BYTES_MAX)?).await?;
    Ok(fetched.into_iter().filter_map(|one| one.raw.ok()).collect())
}
