//! Gathers what a digest is made of.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use tracing::info;

use super::Settings;
use super::timer::{DIGEST, DIGEST_BEFORE, POLLED};
use super::watched::{SLOWED_INBOX, SLOWED_MAIL_SERVER};
use crate::case::Letter;
use crate::case::identity::{Finding, Seen};
use crate::case::work::StaffRole;
use crate::config::MailCommands;
use crate::digest::brief::Brief;
use crate::digest::{Material, Shape, digest};
use crate::step::step;
use crate::store::Store;
use crate::store::cases::StoredCase;
use crate::store::commit::members_for;
use crate::store::inbox::Outcome;

/// Suggestions that nobody took up are repeated for so many days.
const SUGGESTIONS_DAYS: i64 = 60;

/// Every case that staff have to know of, with what is known of who asks.
async fn briefs(store: &Store, settings: &Settings) -> Result<Vec<Brief>> {
    let mut seen = store.evidence_of_open_cases().await?;
    let mut by_hand = store.last_written_by_hand().await?;
    let mut cases = store.cases(true).await?;
    cases.extend(store.cases_with_returned_letters().await?);
    let brief = |stored: StoredCase| {
        let seen = seen.remove(&stored.id).unwrap_or_default();
        let by_hand_at = by_hand.remove(&stored.id);
        with_finding(stored, seen, by_hand_at, settings)
    };
    Ok(cases.into_iter().map(brief).collect())
}

/// One case with what is known of who asks.
///
/// # Errors
/// Storage errors.
pub async fn brief(store: &Store, settings: &Settings, stored: StoredCase) -> Result<Brief> {
    let seen = store.evidence_of(stored.id).await?;
    let messages = store.messages_of(stored.id).await?;
    let by_hand = messages.iter().filter(|line| line.outcome == Some(Outcome::WrittenByHand));
    let by_hand_at = by_hand.map(|line| line.received_at).max();
    Ok(with_finding(stored, seen, by_hand_at, settings))
}

fn with_finding(
    stored: StoredCase,
    seen: Vec<Seen>,
    by_hand_at: Option<DateTime<Utc>>,
    settings: &Settings,
) -> Brief {
    let subject = stored.subject.as_ref();
    let finding = subject.map_or(Finding::NoList, |address| settings.accounts.find(address));
    Brief { stored, seen, finding, by_hand_at }
}

/// The digest as of `now`; reads only. In place of a colleague it tells what the last one
/// told them, and what came since.
///
/// # Errors
/// Storage errors.
pub async fn digest_letter(
    store: &Store,
    settings: &Settings,
    instead_of: &str,
    now: DateTime<Utc>,
) -> Result<Letter> {
    let mark = if instead_of.is_empty() { DIGEST } else { DIGEST_BEFORE };
    let since = store.mark_at(mark).await?.unwrap_or(now - Duration::days(1));
    let mut messages = store.messages_for_people(since, now).await?;
    let recent = |at: Option<DateTime<Utc>>| {
        at.is_some_and(|at| now - at <= Duration::days(SUGGESTIONS_DAYS))
    };
    let old = store.suggestions().await?.into_iter().filter(|line| recent(line.handled_at));
    let missing: Vec<_> =
        old.filter(|line| !messages.iter().any(|known| known.id == line.id)).collect();
    messages.extend(missing);
    let material = Material {
        cases: briefs(store, settings).await?,
        acts: store.acts_between(since, now).await?,
        by_hand: store.written_by_hand_between(since, now).await?,
        dismissals: store.dismissals_between(since, now).await?,
        closed: store.cases_closed_between(since, now).await?,
        messages,
        letters: store.letters_not_done().await?,
        failed: store.letters_failed_since(since).await?,
        left_alone: store.count_outcome(Outcome::LeftAlone, since, now).await?,
        already_handled: store.count_outcome(Outcome::Known, since, now).await?,
        polled_at: store.mark_at(POLLED).await?,
        inbox_slowed_at: store.mark_at(SLOWED_INBOX).await?.filter(|at| *at > since),
        mail_server_slowed_at: store.mark_at(SLOWED_MAIL_SERVER).await?.filter(|at| *at > since),
        chain_head: store.journal_head().await?,
        since,
    };
    let shape = Shape {
        policy: &settings.policy,
        rows_max: settings.limits.digest_rows_max,
        mode: settings.mode.as_str(),
        commands: settings.mail_commands != MailCommands::Off,
        instead_of,
    };
    Ok(digest(&material, &shape, now))
}

/// Commits the digest of a firing to every officer, and that it was written.
///
/// # Errors
/// Storage errors.
pub async fn write_digest(
    store: &Store,
    settings: &Settings,
    fired_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<()> {
    step("before-digest");
    let letter = digest_letter(store, settings, "", now).await?;
    let mut tx = store.begin().await?;
    for member in members_for(&settings.members, StaffRole::Officer) {
        if tx.note_digest(fired_at, &member.address).await? {
            tx.write_to_staff(&letter, None, &member.address, now).await?;
        }
    }
    if let Some(before) = tx.mark_at(DIGEST).await? {
        tx.set_mark_at(DIGEST_BEFORE, before).await?;
    }
    tx.set_mark_at(DIGEST, now).await?;
    tx.commit().await?;
    step("after-digest");
    info!("digest written");
    Ok(())
}
