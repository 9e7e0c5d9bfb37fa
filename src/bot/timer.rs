//! What time brings: expiries, the digest, the alarm that nothing can be read.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use tracing::info;

use super::Bot;
use super::watched::inbox_alarm;
use crate::case::authority::STAFF_TOKEN_DAYS;
use crate::case::{Event, Letter, Reason};
use crate::store::commit::{About, Happening};
use crate::trouble::Part;

/// When the inbox was last read to its end.
pub const POLLED: &str = "polled_at";
/// When a batch of mail was last taken in: a long first poll is no silence.
pub const PROGRESS: &str = "progress_at";
/// When the last digest was written.
pub(super) const DIGEST: &str = "digest_at";
/// When the one before it was: what the last one told is what came since then.
pub(super) const DIGEST_BEFORE: &str = "digest_before_at";
/// Since when staff know that the inbox cannot be read.
const POLL_ALARM: &str = "poll_alarm_at";
/// When old excerpts were last thrown away.
const FORGOT: &str = "forgot_at";
/// Minutes without a good poll, or without a letter that could be submitted, until that is an
/// alarm.
pub const SILENCE_MINUTES: i64 = 15;

impl Bot {
    /// Does what is due at this second, each thing in a transaction of its own.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn tick(&mut self) -> Result<()> {
        let now = self.clock.now();
        self.pass_time(now).await?;
        self.forget(now).await?;
        self.alarm_on_silence(now).await?;
        self.alarm_on_submission(now).await?;
        self.report(now).await?;
        self.digest_when_due(now).await
    }

    async fn pass_time(&self, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let cases = tx.cases_to_look_at(now).await?;
        for case in &cases {
            let happening = Happening::new(Event::TimePassed, About::Case(*case));
            let decided = tx.happen(&happening, &self.settings.terms(), now).await?;
            if decided.decision.reason == Reason::NothingDue {
                // It must not stand in the way of others.
                tx.set_look_at(*case, Some(now + Duration::hours(1))).await?;
                continue;
            }
            if let Some((_, case)) = decided.case {
                info!(case = %case.reference, reason = decided.decision.reason.as_str(), "a date has come");
            }
        }
        if cases.is_empty() { Ok(()) } else { tx.commit().await }
    }

    /// Once a day: excerpts and letters that are old enough go, and the log that still holds
    /// them is emptied.
    async fn forget(&self, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let last = tx.mark_at(FORGOT).await?;
        if last.is_some_and(|at| now - at < Duration::days(1)) {
            return Ok(());
        }
        let before = now - Duration::days(self.settings.messages_days.into());
        tx.forget_messages(before).await?;
        // Not while its mail is still a key: then the same words would act again.
        tx.forget_commands(now - Duration::days(STAFF_TOKEN_DAYS + 1)).await?;
        tx.set_mark_at(FORGOT, now).await?;
        tx.commit().await?;
        self.store.empty_log().await
    }

    /// Notes a poll that went to its end, and ends the alarm if there was one.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn poll_went_well(&self) -> Result<()> {
        let now = self.clock.now();
        self.inbox_works();
        let mut tx = self.store.begin().await?;
        tx.set_mark_at(POLLED, now).await?;
        if tx.mark(POLL_ALARM).await?.is_some_and(|since| !since.is_empty()) {
            tx.set_mark(POLL_ALARM, "").await?;
            let letter = Letter::alarm(
                "the inbox is read again",
                "The desk reads the inbox again. What came in meanwhile is being handled now.",
                "Nothing; it is over.",
            );
            self.write_to_all_staff(&mut tx, &letter).await?;
        }
        tx.commit().await
    }

    async fn alarm_on_silence(&self, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let alive = tx.mark_at(POLLED).await?.max(tx.mark_at(PROGRESS).await?);
        let polled_at = alive.unwrap_or(self.started_at).max(self.started_at);
        let silent = now - polled_at >= Duration::minutes(SILENCE_MINUTES);
        let known = tx.mark(POLL_ALARM).await?.is_some_and(|since| !since.is_empty());
        if !silent || known {
            return Ok(());
        }
        tx.set_mark_at(POLL_ALARM, now).await?;
        let letter = inbox_alarm(self.watch.broken(Part::Inbox).as_ref());
        self.write_to_all_staff(&mut tx, &letter).await?;
        tx.commit().await
    }

    /// Writes the digest when its time came; once, however many firings were missed.
    async fn digest_when_due(&self, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let Some(last) = tx.mark_at(DIGEST).await? else {
            // The first one comes at the first firing after the first start.
            tx.set_mark_at(DIGEST, now).await?;
            return tx.commit().await;
        };
        drop(tx);
        let zone = self.settings.policy.zone;
        match self.settings.digest.next_after(last, zone) {
            Some(firing) if firing <= now => {
                super::digest::write_digest(&self.store, &self.settings, firing, now).await
            }
            _ => Ok(()),
        }
    }
}
