//! What time brings: expiries, the digest, the alarm that nothing can be read.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;
use tracing::{info, warn};

use super::Bot;
use super::watched::inbox_alarm;
use crate::case::authority::STAFF_TOKEN_DAYS;
use crate::case::{Event, Letter, Reason};
use crate::clock::Jump;
use crate::step::step;
use crate::store::commit::{About, Happening};
use crate::store::{Care, CaseId};
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
/// What [`Clock::resume`](crate::clock::Clock::resume) goes on from.
pub const CLOCK: &str = "clock";
/// When that was noted.
const CLOCK_AT: &str = "clock_at";
/// Since when staff know that the machine's clock jumped.
const CLOCK_ALARM: &str = "clock_alarm_at";
/// The policy that the cases' next dates were reckoned by, behind the row that this came to.
const POLICY: &str = "policy";
/// So often all of the database is read, whatever happens.
pub(super) const LOOK_EVERY: Duration = Duration::days(1);
/// And so long after a start that did not: what waited for the desk goes first.
pub(super) const LOOK_AFTER_START: Duration = Duration::minutes(10);
/// Minutes without a good poll, or without a letter that could be submitted, until that is an
/// alarm.
pub const SILENCE_MINUTES: i64 = 15;

impl Bot {
    /// Does what is due at this second, each thing in a transaction of its own.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn tick(&mut self) -> Result<()> {
        step("before-tick");
        let now = self.clock.now();
        // Whatever goes wrong below, the loop moves.
        self.report(now).await?;
        self.watch_clock(now).await?;
        self.reckon_again().await?;
        // A case that cannot be read keeps neither alarms nor the digest back.
        let passed = self.pass_time(now).await;
        self.unless_storage(passed)?;
        self.forget(now).await?;
        self.alarm_on_silence(now).await?;
        self.alarm_on_submission(now).await?;
        self.digest_when_due(now).await?;
        self.look_when_due(now);
        step("after-tick");
        Ok(())
    }

    /// Notes the time every minute, so that a jump is noticed however the process ended, and
    /// tells staff of one.
    async fn watch_clock(&self, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let noted_at = tx.mark_at(CLOCK_AT).await?.unwrap_or_default();
        let known = tx.mark(CLOCK_ALARM).await?.is_some_and(|since| !since.is_empty());
        let jump = self.clock.jump();
        if noted_at > now {
            // The clock was set back and stayed there: what was still to come is as near as before.
            warn!(by = %(noted_at - now), "the desk follows a clock that was set back");
            tx.set_back(now, noted_at - now).await?;
        } else if now - noted_at < Duration::minutes(1) && known == jump.is_some() {
            return Ok(());
        }
        match jump {
            Some(jump) if !known => {
                let zone = self.settings.policy.zone;
                warn!(ahead = %jump.ahead, until = %jump.followed_at, "the clock of this machine has jumped; the desk does not follow it yet");
                tx.set_mark_at(CLOCK_ALARM, now).await?;
                self.write_to_all_staff(&mut tx, &clock_alarm(jump, zone)).await?;
            }
            None if known => {
                info!("the clock of this machine and the desk agree again");
                tx.set_mark(CLOCK_ALARM, "").await?;
            }
            _ => {}
        }
        tx.set_mark(CLOCK, &self.clock.note()).await?;
        tx.set_mark_at(CLOCK_AT, now).await?;
        tx.commit().await
    }

    /// With other settings other days count, also for cases that nobody touches any more; some
    /// of them at a time.
    async fn reckon_again(&self) -> Result<()> {
        let policy = format!("{:?}", self.settings.policy);
        let mut tx = self.store.begin().await?;
        let noted = tx.mark(POLICY).await?.unwrap_or_default();
        let row = match noted.strip_suffix(&policy) {
            Some("") => return Ok(()),
            Some(row) => row.trim_end().parse().unwrap_or_default(),
            None => 0,
        };
        let noted = match tx.look_at_again(CaseId(row), &self.settings.policy).await? {
            Some(last) => format!("{} {policy}", last.0),
            None => policy,
        };
        tx.set_mark(POLICY, &noted).await?;
        tx.commit().await
    }

    async fn pass_time(&self, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let cases = tx.cases_to_look_at(now).await?;
        if cases.is_empty() {
            return Ok(());
        }
        step("before-dates");
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
        tx.commit().await?;
        step("after-dates");
        Ok(())
    }

    /// Once a day: excerpts and letters that are old enough go, and the log that still holds
    /// them is emptied.
    async fn forget(&self, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let last = tx.mark_at(FORGOT).await?;
        // The log cannot be emptied while somebody reads what it holds.
        if last.is_some_and(|at| now - at < Duration::days(1)) || !self.looks.is_empty() {
            return Ok(());
        }
        step("before-forget");
        let before = now - Duration::days(self.settings.messages_days.into());
        tx.forget_messages(before).await?;
        // Not while its mail is still a key: then the same words would act again.
        tx.forget_commands(now - Duration::days(STAFF_TOKEN_DAYS + 1)).await?;
        tx.set_mark_at(FORGOT, now).await?;
        tx.commit().await?;
        self.store.empty_log().await?;
        step("after-forget");
        Ok(())
    }

    /// Notes a poll that went to its end, and ends the alarm if there was one.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn poll_went_well(&self) -> Result<()> {
        step("before-polled");
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
        tx.commit().await?;
        step("after-polled");
        Ok(())
    }

    /// Begins to read all of the database, beside the work, which ends when it is damaged.
    fn look_when_due(&mut self, now: DateTime<Utc>) {
        // A look that is yet to come was told by a clock that was set back since.
        if (self.looked_at..self.looked_at + LOOK_EVERY).contains(&now) {
            return;
        }
        self.looked_at = now;
        let store = self.store.clone();
        self.looks.spawn(async move { store.check_whole(Care::Thorough).await });
    }

    async fn alarm_on_silence(&self, now: DateTime<Utc>) -> Result<()> {
        let mut tx = self.store.begin().await?;
        let alive = tx.mark_at(POLLED).await?.max(tx.mark_at(PROGRESS).await?);
        // A start that is yet to come was told by a clock that was set back since.
        let started_at = Some(self.started_at).filter(|at| *at <= now);
        let polled_at = alive.max(started_at).unwrap_or(now);
        let silent = now - polled_at >= Duration::minutes(SILENCE_MINUTES);
        let known = tx.mark(POLL_ALARM).await?.is_some_and(|since| !since.is_empty());
        if !silent || known {
            return Ok(());
        }
        step("before-alarm");
        tx.set_mark_at(POLL_ALARM, now).await?;
        let letter = inbox_alarm(self.watch.broken(Part::Inbox).as_ref());
        self.write_to_all_staff(&mut tx, &letter).await?;
        tx.commit().await?;
        step("after-alarm");
        Ok(())
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

fn clock_alarm(jump: Jump, zone: Tz) -> Letter {
    let (far, way) = match jump.ahead < Duration::zero() {
        true => (-jump.ahead, "back"),
        false => (jump.ahead, "ahead"),
    };
    let far = match far.num_days() {
        0 => format!("{} minutes", far.num_minutes()),
        1 => format!("1 day and {} hours", far.num_hours() - 24),
        days => format!("{days} days"),
    };
    let until = jump.followed_at.with_timezone(&zone).format("%H:%M");
    let what = format!(
        "The clock of the desk's machine was set {way} by {far}. The desk goes on by its own time, so nothing \
         expires early and no digest is missed. From {until} on, by that time, it takes the machine's clock for right."
    );
    let remedy = "Look at the clock of the machine (`timedatectl` shows it). If it is wrong, set it right before then. \
                  If it is right, there is nothing to do.";
    Letter::alarm("the clock of the machine has jumped", &what, remedy)
}
