//! Attempts to submit a letter: counted before they are made, settled when they end.

use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use sqlx::Row;

use super::outbox::kind_of;
use super::{CaseId, Tx, millis};
use crate::case::LetterKind;
use crate::compose::Outgoing;
use crate::trouble::Failure;

/// How an attempt to submit ended. Texts are the server's, without addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The server took it.
    Submitted,
    /// 4yz about this letter: try again later (RFC 5321 §4.2.1).
    Temporary(String),
    /// 5yz about this letter: never try it again.
    Permanent(String),
    /// The connection was lost after the final dot: it may have been taken (RFC 1047).
    Uncertain(String),
    /// No connection, or none that may be used: the letter was not begun.
    NotTried(Failure),
    /// The server takes no letter of ours, as far as this one shows: try it again, however long
    /// that lasts.
    NotTaken(Failure),
    /// Not now, and none of the others either: the server asks us to slow down.
    Throttled(Failure),
}

/// What becomes of a letter after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is done.
    Done,
    /// It will be tried again.
    Later,
    /// It will never arrive.
    Failed(LetterKind, Option<CaseId>),
    /// Nobody knows whether it arrived; a person has to look.
    NeedsPerson,
}

/// Rests after the first failed attempt; doubles with each further one.
const RETRY_FIRST_SECONDS: i64 = 60;
/// Longest rest between two attempts.
const RETRY_LAST_SECONDS: i64 = 6 * 3600;
/// Longest rest of a letter whose server takes none: it is back soon after the server is.
const NOT_TAKEN_SECONDS: i64 = 15 * 60;
/// Attempts that count while a server takes no letter: so many that staff see it in the digest.
const NOT_TAKEN_COUNTED: i64 = 5;
/// Rest after an answer was lost: the server may still be at it (RFC 5321 §4.5.3.2.6 gives it
/// ten minutes).
const UNCERTAIN_MINUTES: i64 = 15;
/// Attempts without a known end before a person looks.
const UNCERTAIN_MAX: i64 = 2;

impl Tx {
    /// Counts an attempt for each letter before it is made, and fixes the bytes of the first one.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn claim(&mut self, letters: &[(i64, Outgoing)]) -> Result<()> {
        const SQL: &str = "UPDATE outbox SET status = 'claimed', attempts = attempts + 1, outgoing = value -> 1 \
            FROM jsonb_each(?) WHERE outbox.id = value ->> 0";
        let query = sqlx::query(SQL).bind(serde_json::to_string(letters)?);
        query.execute(self.connection()).await?;
        Ok(())
    }

    /// Sets a letter aside that cannot be composed.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn refuse(&mut self, id: i64, note: &str, now: DateTime<Utc>) -> Result<()> {
        self.put_away(id, "refused", note, now).await
    }

    /// Records that the server took these letters: their words and plain addresses go.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn settle_submitted(&mut self, ids: &[i64], now: DateTime<Utc>) -> Result<()> {
        const SQL: &str = "UPDATE outbox SET status = 'submitted', note = '', submitted_at = ?1, ended_at = ?1, \
            outgoing = NULL, \"values\" = '{}', recipient = '', in_reply_to = NULL \
            WHERE id IN (SELECT value FROM json_each(?2)) AND status = 'claimed'";
        let query = sqlx::query(SQL).bind(millis(now)).bind(serde_json::to_string(ids)?);
        query.execute(self.connection()).await?;
        Ok(())
    }

    /// Records how an attempt ended.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn settle(
        &mut self,
        id: i64,
        end: &End,
        attempts_max: u32,
        now: DateTime<Utc>,
    ) -> Result<Settled> {
        let sql = "SELECT kind, case_id, attempts, uncertain FROM outbox WHERE id = ? AND status = 'claimed'";
        let Some(row) = sqlx::query(sql).bind(id).fetch_optional(self.connection()).await? else {
            return Ok(Settled::Done);
        };
        let (attempts, uncertain): (i64, i64) = (row.get("attempts"), row.get("uncertain"));
        let failed =
            Settled::Failed(kind_of(&row)?, row.get::<Option<i64>, _>("case_id").map(CaseId));
        let later = |seconds: i64| millis(now + Duration::seconds(seconds));
        match end {
            End::Submitted => {
                self.settle_submitted(&[id], now).await?;
                Ok(Settled::Done)
            }
            End::Permanent(note) => self.put_away(id, "refused", note, now).await.map(|()| failed),
            End::Temporary(note) if attempts >= i64::from(attempts_max) => {
                self.put_away(id, "given-up", note, now).await.map(|()| failed)
            }
            End::Temporary(note) => {
                self.try_later(id, later(rest_after(attempts)), note, 0, 0).await
            }
            End::NotTaken(failure) => {
                let rest = rest_after(attempts).min(NOT_TAKEN_SECONDS);
                // It shall not be given up for the first thing that is its own.
                let counted = if attempts > NOT_TAKEN_COUNTED { -1 } else { 0 };
                self.try_later(id, later(rest), &failure.why, counted, 0).await
            }
            End::NotTried(failure) => self.try_later(id, later(0), &failure.why, -1, 0).await,
            // No fault of the letter; but others are tried before it.
            End::Throttled(failure) => {
                self.try_later(id, later(RETRY_FIRST_SECONDS), &failure.why, -1, 0).await
            }
            End::Uncertain(note) if uncertain + 1 >= UNCERTAIN_MAX => {
                let sql = "UPDATE outbox SET status = 'uncertain', uncertain = uncertain + 1, note = ? WHERE id = ?";
                sqlx::query(sql).bind(note).bind(id).execute(self.connection()).await?;
                Ok(Settled::NeedsPerson)
            }
            End::Uncertain(note) => {
                self.try_later(id, later(UNCERTAIN_MINUTES * 60), note, 0, 1).await
            }
        }
    }

    async fn try_later(
        &mut self,
        id: i64,
        due_at: i64,
        note: &str,
        attempts: i64,
        uncertain: i64,
    ) -> Result<Settled> {
        const SQL: &str = "UPDATE outbox SET status = 'waiting', due_at = ?, note = ?, attempts = attempts + ?, \
            uncertain = uncertain + ? WHERE id = ?";
        sqlx::query(SQL)
            .bind(due_at)
            .bind(note)
            .bind(attempts)
            .bind(uncertain)
            .bind(id)
            .execute(self.connection())
            .await?;
        Ok(Settled::Later)
    }

    /// Ends a letter; its words and its plain address go.
    pub(super) async fn put_away(
        &mut self,
        id: i64,
        status: &str,
        note: &str,
        now: DateTime<Utc>,
    ) -> Result<()> {
        const SQL: &str = "UPDATE outbox SET status = ?1, note = ?2, submitted_at = CASE WHEN ?1 = 'submitted' THEN ?3 ELSE submitted_at END, ended_at = ?3, \
            outgoing = NULL, \"values\" = '{}', recipient = '', in_reply_to = NULL WHERE id = ?4";
        sqlx::query(SQL)
            .bind(status)
            .bind(note)
            .bind(millis(now))
            .bind(id)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// At the start: letters that were claimed when the process died. Whether the server took
    /// them nobody knows; each is tried once more, a second time a person looks.
    ///
    /// # Errors
    /// Storage errors.
    pub async fn recover_claimed(&mut self, now: DateTime<Utc>) -> Result<u64> {
        const SQL: &str = "UPDATE outbox SET uncertain = uncertain + 1, due_at = ?1, note = 'the process ended during the attempt', \
            status = CASE WHEN uncertain + 1 >= ?2 THEN 'uncertain' ELSE 'waiting' END WHERE status = 'claimed'";
        let done = sqlx::query(SQL)
            .bind(millis(now))
            .bind(UNCERTAIN_MAX)
            .execute(self.connection())
            .await?;
        Ok(done.rows_affected())
    }
}

fn rest_after(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(1, 20) - 1).unwrap_or(0);
    (RETRY_FIRST_SECONDS << doublings).min(RETRY_LAST_SECONDS)
}
