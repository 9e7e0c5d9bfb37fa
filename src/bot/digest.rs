//! Gathers what a digest is made of.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use tracing::info;

use super::Settings;
use super::timer::{DIGEST, POLLED};
use crate::case::Letter;
use crate::digest::{Material, Shape, digest};
use crate::store::Store;
use crate::store::inbox::Outcome;

/// Suggestions that nobody took up are repeated for so many days.
const SUGGESTIONS_DAYS: i64 = 60;

/// The digest as of `now`; reads only.
///
/// # Errors
/// Storage errors.
pub async fn digest_letter(
    store: &Store,
    settings: &Settings,
    now: DateTime<Utc>,
) -> Result<Letter> {
    let since = store.mark_at(DIGEST).await?.unwrap_or(now - Duration::days(1));
    let mut messages = store.messages_for_people(since, now).await?;
    let recent = |at: Option<DateTime<Utc>>| {
        at.is_some_and(|at| now - at <= Duration::days(SUGGESTIONS_DAYS))
    };
    let old = store.suggestions().await?.into_iter().filter(|line| recent(line.handled_at));
    let missing: Vec<_> =
        old.filter(|line| !messages.iter().any(|known| known.id == line.id)).collect();
    messages.extend(missing);
    let material = Material {
        open: store.cases(true).await?,
        closed: store.cases_closed_between(since, now).await?,
        messages,
        letters: store.letters_not_done().await?,
        failed: store.letters_failed_since(since).await?,
        left_alone: store.count_outcome(Outcome::LeftAlone, since, now).await?,
        already_handled: store.count_outcome(Outcome::Known, since, now).await?,
        polled_at: store.mark_at(POLLED).await?,
        chain_head: store.journal_head().await?,
        since,
    };
    let shape = Shape {
        zone: settings.policy.zone,
        nearing_days: settings.policy.nearing_days,
        rows_max: settings.limits.digest_rows_max,
        mode: settings.mode.as_str(),
    };
    Ok(digest(&material, &shape, now))
}

/// Commits the digest of a firing to every member, and that it was written.
///
/// # Errors
/// Storage errors.
pub async fn write_digest(
    store: &Store,
    settings: &Settings,
    fired_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<()> {
    let letter = digest_letter(store, settings, now).await?;
    let mut tx = store.begin().await?;
    for member in &settings.members {
        if tx.note_digest(fired_at, &member.address).await? {
            tx.write_to_staff(&letter, &member.address, now).await?;
        }
    }
    tx.set_mark_at(DIGEST, now).await?;
    tx.commit().await?;
    info!("digest written");
    Ok(())
}
