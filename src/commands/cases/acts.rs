//! What staff do on the command line: the same acts as on the page and by mail.

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone as _, Utc};

use super::{OutcomeArg, RoleArg, reference};
use crate::bot::Settings;
use crate::bot::staff::{Acted, Brought, act_on_case, open_case};
use crate::case::act::Deleted;
use crate::case::authority::{Authority, Way, authorize};
use crate::case::work::Kept;
use crate::case::{Act, Reason, Reference};
use crate::classify::command::{Command, kept_one, parse};
use crate::digest::history::reason_in_words;
use crate::mail::EmailAddress;
use crate::store::Store;

/// A request that staff bring.
#[derive(Debug)]
pub enum Request {
    /// A suggestion, by its number.
    OfMessage(i64),
    /// An address, and the day the request came.
    OfAddress(String, NaiveDate),
}

/// The command line on the host is one of the ways to act for staff.
fn authority(by: &str, about: &str, now: DateTime<Utc>) -> Result<Authority> {
    authorize(&Way::CommandLine { who: by }, about, now)
        .map_err(|why| anyhow::anyhow!("{}", why.describe()))
}

/// Opens cases for a request that staff bring: one, or one for each address of a suggestion.
///
/// # Errors
/// When the address or number is wrong, or the address said that it never asks.
pub async fn open(
    store: &Store,
    settings: &Settings,
    request: &Request,
    by: &str,
    now: DateTime<Utc>,
) -> Result<Vec<(Reference, Reason)>> {
    let mut tx = store.begin().await?;
    let (addresses, received_at, message) = match request {
        Request::OfMessage(number) => {
            let found = tx.proposals(*number).await?;
            let (addresses, received_at) = found.with_context(|| {
                format!("Message {number} proposes no address, or it was taken up before")
            })?;
            (addresses, received_at, Some(*number))
        }
        Request::OfAddress(address, day) => {
            let address = EmailAddress::parse(address)
                .with_context(|| format!("{address:?} is no mail address"))?;
            (vec![address], noon_of(*day, settings, now)?, None)
        }
    };
    let by = authority(by, "", now)?;
    let mut opened = Vec::new();
    for address in &addresses {
        let brought = Brought { address, received_at, message };
        let decided = open_case(&mut tx, settings, &brought, &by, now).await?;
        let Some((_, case)) = decided.case else {
            bail!("{}", reason_in_words(decided.decision.reason.as_str()));
        };
        opened.push((case.reference, decided.decision.reason));
    }
    tx.commit().await?;
    Ok(opened)
}

fn noon_of(day: NaiveDate, settings: &Settings, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let noon = day.and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default());
    let local = settings.policy.zone.from_local_datetime(&noon);
    let at = local.earliest().context("No such day")?.to_utc();
    if at > now + chrono::Duration::days(1) {
        bail!("{day} has not come yet");
    }
    Ok(at)
}

/// Does something with a case, in the words that also work by mail. Returns what was done.
///
/// # Errors
/// When the words are no command, or the case does not allow it; nothing is changed then.
pub async fn act(
    store: &Store,
    settings: &Settings,
    text: &str,
    by: &str,
    words: &str,
    now: DateTime<Utc>,
) -> Result<String> {
    match parse(words) {
        Ok(Command::Act(None, act)) => perform(store, settings, text, by, act, None, now).await,
        Ok(_) => {
            bail!("{words:?} is nothing to do with a case; see `deletion-desk cases act --help`")
        }
        Err(why) => bail!("{why} See `deletion-desk cases act --help`"),
    }
}

pub(super) async fn verify(
    store: &Store,
    settings: &Settings,
    text: &str,
    by: &str,
    how: &str,
    role: Option<RoleArg>,
    now: DateTime<Utc>,
) -> Result<String> {
    let act = Act::Verify { role: role.map(Into::into) };
    perform(store, settings, text, by, act, Some(how), now).await
}

async fn perform(
    store: &Store,
    settings: &Settings,
    text: &str,
    by: &str,
    act: Act,
    how: Option<&str>,
    now: DateTime<Utc>,
) -> Result<String> {
    let reference = reference(text)?;
    let mut tx = store.begin().await?;
    let found = tx.case_of_reference(&reference).await?;
    let stored = found.with_context(|| format!("There is no case {reference}"))?;
    let by = authority(by, reference.as_str(), now)?;
    let who = by.who().to_owned();
    match act_on_case(&mut tx, settings, &stored, by, act, how, now).await? {
        Acted::Refused(why) => bail!("Nothing was done: {why}"),
        Acted::Done(did) => {
            tx.commit().await?;
            Ok(format!("{reference}: {who} {did}"))
        }
    }
}

/// What staff did.
#[derive(Debug)]
pub struct Work<'a> {
    /// Who.
    pub by: &'a str,
    /// What it came to.
    pub outcome: OutcomeArg,
    /// `what: ground` of each thing that is kept.
    pub kept: &'a [String],
}

/// Completes a case.
///
/// # Errors
/// When there is none, or it is not confirmed, or it is closed; nothing is changed then.
pub async fn complete(
    store: &Store,
    settings: &Settings,
    text: &str,
    work: &Work<'_>,
    now: DateTime<Utc>,
) -> Result<Reference> {
    let kept: Result<Vec<Kept>, String> = work.kept.iter().map(|text| kept_one(text)).collect();
    let kept = kept.map_err(|why| anyhow::anyhow!("--kept {why}"))?;
    let outcome = work.outcome.into();
    let act = Act::Complete { outcome, deleted: Deleted::All, kept };
    perform(store, settings, text, work.by, act, None, now).await?;
    reference(text)
}
